//! How a guest gives itself up.

use std::io::IoSlice;

use stratafs::{Fd, PATH_MAX};
use stratafs_abi::{Abort, Call};

use crate::args::Path;

/// Stops the guest (C's `abort`).
pub fn abort(_: &mut Call<'_>) -> Abort {
    Abort
}

/// Stops the guest (C's `abort`, as newer releases import it).
pub fn _abort_js(_: &mut Call<'_>) -> Abort {
    Abort
}

/// Says which assertion failed, as musl does, and stops the guest.
pub fn __assert_fail(cx: &mut Call<'_>, condition: Path, file: Path, line: u32, function: Path) -> Abort {
    let text = |at: Path| match at.read(&cx.memory, PATH_MAX) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => "?".to_owned(),
    };
    let said = format!("Assertion failed: {} ({}: {}: {line})\n", text(condition), text(file), text(function));
    let _ = cx.process.write(Fd::new(2), &[IoSlice::new(said.as_bytes())]);
    Abort
}

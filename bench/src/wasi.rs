//! wasmtime's own WASI.

use std::path::Path;

use wasmtime::{Linker, Result, Store};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

use crate::hosts::{Output, Program, in_directory};

/// One round; file calls run on the guest's thread when `blocking`.
///
/// # Errors
/// What the program said when it failed, or why it did not run.
pub fn round(program: &Program, blocking: bool, mode: &[&str]) -> Output {
    in_directory(|dir, args| run(program, blocking, dir, args), mode)
}

fn run(program: &Program, blocking: bool, dir: &Path, args: &[&str]) -> Output {
    let stderr = MemoryOutputPipe::new(1 << 20);
    let ended = start(program, blocking, dir, args, stderr.clone());
    let said = String::from_utf8_lossy(&stderr.contents()).into_owned();
    match ended {
        Ok(()) => Ok(said),
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(said),
        Err(error) => Err(format!("{error:#}: {said}")),
    }
}

fn start(program: &Program, blocking: bool, dir: &Path, args: &[&str], stderr: MemoryOutputPipe) -> Result<()> {
    let mut wasi = WasiCtx::builder();
    wasi.arg("bench").args(args).stderr(stderr);
    // Before the directory: it takes the setting along.
    wasi.allow_blocking_current_thread(blocking);
    wasi.preopened_dir(dir, "/", FsPerms::ReadWrite)?;
    let mut store = Store::new(&program.engine, wasi.build_p1());
    store.set_epoch_deadline(u64::MAX / 2);
    let mut linker = Linker::new(&program.engine);
    add_to_linker_sync(&mut linker, |wasi: &mut WasiP1Ctx| wasi)?;
    let instance = linker.instantiate(&mut store, &program.module)?;
    instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())
}

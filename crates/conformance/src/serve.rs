//! The real operating system's side is a process of its own. This is how a program becomes one.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio, exit};

use crate::{model, native};

/// Names the service in the child's environment.
const SERVICE: &str = "STRATAFS_ORACLE";

/// What a child does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    /// Makes the calls that it is sent.
    Calls,
    /// Makes calls of the operations that it is sent.
    Sequences,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Service::Calls => "calls",
            Service::Sequences => "sequences",
        }
    }
}

/// The command that starts `helper` as a child for `service` below `scratch`.
pub(crate) fn command(helper: &Path, service: Service, scratch: &Path) -> Command {
    let mut command = Command::new(helper);
    command.env_clear().env(SERVICE, service.name()).current_dir(scratch).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Answers the calls of a parent when this process was started for that, and ends with them; else returns at once.
///
/// A program that hands its own path to [`Search`](crate::model::search::Search) or [`RealOs`](crate::real::RealOs) calls this first of all. A
/// test has no `main` of its own, so it hands over the path of another program, which needs no more than this:
///
/// ```no_run
/// // src/bin/oracle.rs, in tests env!("CARGO_BIN_EXE_oracle")
/// stratafs_conformance::serve_if_asked();
/// ```
pub fn serve_if_asked() {
    let Some(asked) = std::env::var_os(SERVICE) else { return };
    let here = Path::new(".");
    let served = [Service::Calls, Service::Sequences].into_iter().find(|service| asked == OsStr::new(service.name()));
    let done = match served {
        Some(Service::Calls) => native::serve(here),
        Some(Service::Sequences) => model::oracle::serve(here),
        None => Err(std::io::Error::other(format!("{SERVICE} is neither calls nor sequences"))),
    };
    if let Err(error) = &done {
        eprintln!("the oracle's side: {error}");
    }
    exit(i32::from(done.is_err()));
}

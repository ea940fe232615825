//! The parts of the `stratafs` command, for its binary and for tests. No stable interface: embed the crate `stratafs` instead.
#![forbid(unsafe_code)]

mod args;
pub mod cache;
mod copy_out;
mod env;
pub mod error;
mod fault;
pub mod fetch;
mod interface;
mod known;
mod layers;
mod limits;
pub mod module;
mod pack;
mod plan;
mod preinit;
mod progress;
pub mod pyodide;
mod python;
mod run;
mod terminal;
mod wasi_python;

use std::io::Write;
use std::process::ExitCode;

use crate::args::Asked;
use crate::error::{Error, say};

/// Does what the command line asks for, and answers the exit code.
#[must_use]
pub fn main() -> ExitCode {
    match command() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(format_args!("{error}"));
            ExitCode::from(error.code())
        }
    }
}

fn command() -> error::Result<u8> {
    match args::parse(std::env::args_os())? {
        Asked::Text(text) => {
            let written = std::io::stdout().lock().write_all(text.as_bytes());
            written.map_err(|error| Error::Failed(format!("standard output: {error}")))?;
            Ok(0)
        }
        Asked::Command(args::Command::Run(args)) => run::run(&plan::for_run(&args)?),
        Asked::Command(args::Command::Python(args)) => run::run(&plan::for_python(&args)?),
        Asked::Command(args::Command::MicroPython(args)) => run::run(&plan::for_micropython(&args)?),
        Asked::Command(args::Command::Preinit(args)) => {
            let written = std::io::stdout().lock().write_all(preinit::preinit(&args)?.as_bytes());
            written.map_err(|error| Error::Failed(format!("standard output: {error}")))?;
            Ok(0)
        }
        Asked::Command(args::Command::PackStdlib(args)) => pack::pack(&args),
    }
}

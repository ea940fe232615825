//! wasmtime's own WASI.

use std::path::Path;

use wasmtime::{Engine, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

use crate::calls::{Bench, Output};

/// What a guest is given.
#[derive(Debug, Default)]
pub struct Given<'a> {
    /// Whether file calls run on the guest's thread.
    pub blocking: bool,
    /// Whether its standard output is wanted.
    pub captured: bool,
    /// Host directories, and where they are for the guest.
    pub dirs: Vec<(&'a Path, &'a str)>,
    /// Environment variables.
    pub env: Vec<(&'a str, &'a str)>,
    /// Arguments, the program's name first.
    pub args: Vec<&'a str>,
}

/// What a guest wrote to its standard output and standard error.
#[derive(Debug)]
pub struct Wrote {
    /// The one.
    pub stdout: String,
    /// The other.
    pub stderr: String,
}

/// Runs a command to its end.
///
/// # Errors
/// What it wrote to standard error when it failed, or why it did not run.
pub fn run(engine: &Engine, module: &Module, given: &Given<'_>) -> std::result::Result<Wrote, String> {
    let (stdout, stderr) = (MemoryOutputPipe::new(1 << 20), MemoryOutputPipe::new(1 << 20));
    let mut wasi = WasiCtx::builder();
    wasi.args(&given.args).envs(&given.env).stderr(stderr.clone());
    // Before the directories: they take the setting along.
    wasi.allow_blocking_current_thread(given.blocking);
    if given.captured {
        wasi.stdout(stdout.clone());
    }
    let mut start = || -> Result<()> {
        for (host, guest) in &given.dirs {
            wasi.preopened_dir(host, guest, FsPerms::ReadWrite)?;
        }
        let mut store = Store::new(engine, wasi.build_p1());
        store.set_epoch_deadline(u64::MAX / 2);
        let mut linker = Linker::new(engine);
        add_to_linker_sync(&mut linker, |wasi: &mut WasiP1Ctx| wasi)?;
        let instance = linker.instantiate(&mut store, module)?;
        instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())
    };
    let ended = start();
    let text = |pipe: MemoryOutputPipe| String::from_utf8_lossy(&pipe.contents()).into_owned();
    let wrote = Wrote { stdout: text(stdout), stderr: text(stderr) };
    match ended {
        Ok(()) => Ok(wrote),
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(wrote),
        Err(error) => Err(format!("{error:#}: {}", wrote.stderr)),
    }
}

/// The C program in a directory.
pub(crate) fn bench(bench: &Bench, blocking: bool, dir: &Path, args: &[&str]) -> Output {
    let args = ["bench"].iter().chain(args).copied().collect();
    let given = Given { blocking, dirs: vec![(dir, "/")], args, ..Given::default() };
    run(&bench.engine, &bench.wasi, &given).map(|wrote| wrote.stderr)
}

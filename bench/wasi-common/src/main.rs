//! Runs a module on wasi-common, its standard streams inherited, and says how long it ran.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use wasi_common::sync::{Dir, WasiCtxBuilder, add_to_linker, ambient_authority};
use wasi_common::{I32Exit, WasiCtx};
use wasmtime::{Cache, CacheConfig, Config, Engine, Linker, Module, Result, Store, error::Context};

const USAGE: &str = "usage: wasi-common-bench CACHE TOOK MODULE [--dir HOST GUEST]... [--env NAME VALUE]... -- ARG...

Compiled modules are kept in CACHE. The nanoseconds from the linker to the guest's end are written to TOOK.";

/// The stack that the guest may use, in bytes.
const STACK: usize = 8 << 20;

struct Run {
    cache: String,
    took: String,
    module: String,
    dirs: Vec<(String, String)>,
    env: Vec<(String, String)>,
    args: Vec<String>,
}

fn parse(mut args: impl Iterator<Item = String>) -> Option<Run> {
    let (cache, took, module) = (args.next()?, args.next()?, args.next()?);
    let mut run = Run { cache, took, module, dirs: Vec::new(), env: Vec::new(), args: Vec::new() };
    loop {
        match args.next()?.as_str() {
            "--dir" => run.dirs.push((args.next()?, args.next()?)),
            "--env" => run.env.push((args.next()?, args.next()?)),
            "--" => break,
            _ => return None,
        }
    }
    run.args.extend(args);
    Some(run)
}

fn start(run: &Run) -> Result<()> {
    let mut cache = CacheConfig::new();
    cache.with_directory(&run.cache);
    let mut config = Config::new();
    config.epoch_interruption(true).max_wasm_stack(STACK).cache(Some(Cache::new(cache)?));
    let engine = Engine::new(&config)?;
    let module = Module::from_file(&engine, &run.module)?;
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio().args(&run.args)?.envs(&run.env)?;
    for (host, guest) in &run.dirs {
        let dir = Dir::open_ambient_dir(host, ambient_authority()).with_context(|| host.clone())?;
        wasi.preopened_dir(dir, Path::new(guest))?;
    }
    let begun = Instant::now();
    let mut store = Store::new(&engine, wasi.build());
    store.set_epoch_deadline(u64::MAX / 2);
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let instance = linker.instantiate(&mut store, &module)?;
    let ended = instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ());
    std::fs::write(&run.took, begun.elapsed().as_nanos().to_string())?;
    ended
}

fn main() -> ExitCode {
    let Some(run) = parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let thread = std::thread::Builder::new().stack_size(STACK + (2 << 20)).spawn(move || start(&run));
    let ended = thread.expect("a thread").join().expect("the guest's thread did not panic");
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => ExitCode::from(u8::try_from(exit.0).unwrap_or(u8::MAX)),
            None => {
                eprintln!("wasi-common-bench: {error:?}");
                ExitCode::FAILURE
            }
        },
    }
}

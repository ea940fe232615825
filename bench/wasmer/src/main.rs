//! Runs a module on wasmer's memory filesystem, its standard streams inherited: once to set up its files, once to be timed.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use virtual_fs::FileSystem;
use wasmer::{Engine, Module, Store};
use wasmer_wasix::{WasiEnv, WasiError};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: wasmer-bench MODULE ARG...

MODULE is run with the argument `setup`, then with ARG..., on one tree in memory.";

/// Runs the program to its end; the code that it exits with.
fn run(engine: &Engine, module: &Module, fs: &Arc<dyn FileSystem + Send + Sync>, args: &[String]) -> Result<u8> {
    let mut store = Store::new(engine.clone());
    let mut wasi = WasiEnv::builder("bench").args(args).engine(engine.clone()).fs(fs.clone());
    wasi.add_preopen_dir("/")?;
    wasi.set_current_dir("/");
    let (instance, env) = wasi.instantiate(module.clone(), &mut store)?;
    let ended = instance.exports.get_function("_start")?.call(&mut store, &[]);
    env.on_exit(&mut store, None);
    match ended {
        Ok(_) => Ok(0),
        Err(error) => match error.downcast::<WasiError>()? {
            WasiError::Exit(code) => Ok(u8::try_from(code.raw()).unwrap_or(u8::MAX)),
            other => Err(other.into()),
        },
    }
}

fn both(module: &str, args: &[String]) -> Result<u8> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, Path::new(module))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let _inside = runtime.enter();
    let fs: Arc<dyn FileSystem + Send + Sync> = Arc::new(virtual_fs::mem_fs::FileSystem::default());
    match run(&engine, &module, &fs, &["setup".to_owned()])? {
        0 => run(&engine, &module, &fs, args),
        failed => Ok(failed),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((module, args)) = args.split_first().filter(|(_, args)| !args.is_empty()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match both(module, args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("wasmer-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

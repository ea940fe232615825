//! stratafs on wasmtime.

use std::sync::Arc;

use stratafs::hostfs::HostOptions;
use stratafs::memfs::MemFs;
use stratafs::stream::{CapturedOutput, NullStream};
use stratafs::zipfs::pack::{PackEntry, pack};
use stratafs::{Budget, Layer, Limits, NodeRef, Process, Tree};
use stratafs_wasmtime::{Ended, Guest, MAX_WASM_STACK, Program};
use wasmtime::{Engine, Linker, Store};

use crate::calls::{Output, in_directory};

/// What stands at the guest's root.
#[derive(Debug, Clone, Copy)]
pub enum Root {
    /// A memory layer.
    Memory,
    /// An overlay over a memory layer; without `cache` it remembers no lookups.
    Overlay {
        /// Whether it does.
        cache: bool,
    },
    /// An archive.
    Zip,
    /// A host directory.
    Host {
        /// Whether nobody else changes it.
        exclusive: bool,
    },
}

/// One round.
///
/// # Errors
/// What the program said when it failed, or why it did not run.
pub fn round(engine: &Engine, program: &Program, root: Root, mode: &[&str]) -> Output {
    let run = |root, limits, args: &[&str]| bench(engine, program, root, limits, args);
    let limits = Limits::default();
    match root {
        Root::Memory => run(planted(run)?, limits, mode),
        Root::Overlay { cache } => {
            let mut limits = limits;
            if !cache {
                limits.overlay_cache = 0;
            }
            run(Layer::Overlay(vec![planted(run)?]), limits, mode)
        }
        Root::Zip => {
            let mode: Vec<&str> = mode.iter().map(|&arg| if arg == "rows" { "reads" } else { arg }).collect();
            run(archive()?, limits, &mode)
        }
        Root::Host { exclusive } => {
            let options = HostOptions { writable: true, exclusive, ..HostOptions::default() };
            in_directory(|dir, args| run(Layer::Host(dir.into(), options.clone()), limits.clone(), args), mode)
        }
    }
}

/// A memory layer with the program's files.
fn planted(run: impl Fn(Layer, Limits, &[&str]) -> Output) -> Result<Layer, String> {
    let limits = Limits::default();
    let fs = MemFs::new(Budget::of(&limits), &limits);
    let layer = Layer::Node(NodeRef::root_of(&fs));
    run(layer.clone(), limits, &["setup"])?;
    Ok(layer)
}

/// The program's files as an archive.
fn archive() -> Result<Layer, String> {
    let page: Vec<u8> = (0..4096_u32).map(|at| u8::try_from((at * 31 + 7) & 255).unwrap_or_default()).collect();
    let many = (0..1000).map(|n| PackEntry::file(format!("many/entry-{n}"), Vec::new()));
    let packed = pack(many.chain([PackEntry::file("one/two/file", page)])).map_err(|error| error.to_string())?;
    Ok(Layer::ZipBytes("files.zip".to_owned(), packed.into()))
}

fn bench(engine: &Engine, program: &Program, root: Layer, limits: Limits, args: &[&str]) -> Output {
    let stderr = Arc::new(CapturedOutput::new(1 << 20));
    let tree = Tree::new(limits.clone()).layer("/", root).build().map_err(|error| error.to_string())?;
    let process = Process::builder(tree, limits)
        .args(["bench"].iter().chain(args).map(|arg| arg.as_bytes()))
        .stdout(Arc::new(NullStream))
        .stderr(stderr.clone())
        .preopen("/")
        .build()
        .map_err(|errno| format!("the process: {errno}"))?;
    let ended = on_a_large_stack(|| start(engine, program, process))??;
    match ended {
        Ended::Exit(0) => Ok(stderr.text()),
        ended => Err(format!("{ended:?}: {}", stderr.text())),
    }
}

/// Does it on a thread whose stack is large enough for any guest.
pub(crate) fn on_a_large_stack<R: Send>(run: impl FnOnce() -> R + Send) -> Result<R, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(MAX_WASM_STACK + (2 << 20));
        let thread = thread.spawn_scoped(scope, run).map_err(|error| error.to_string())?;
        thread.join().map_err(|_| "the guest's thread panicked".to_owned())
    })
}

/// Runs the program to its end.
pub(crate) fn start(engine: &Engine, program: &Program, process: Process) -> Result<Ended, String> {
    fn itself(guest: &mut Guest) -> &mut Guest {
        guest
    }
    let shown = |error: wasmtime::Error| format!("{error:#}");
    let mut store = Store::new(engine, Guest::new(process));
    stratafs_wasmtime::interruptible(&mut store, itself);
    let mut linker = Linker::new(engine);
    stratafs_wasmtime::link_sync(&mut linker, itself).map_err(shown)?;
    if program.is_emscripten() {
        stratafs_wasmtime::link_emscripten_sync(&mut linker, itself).map_err(shown)?;
    }
    let instance = program.instantiate(&linker, &mut store, itself).map_err(shown)?;
    Ok(stratafs_wasmtime::start(&mut store, &instance, itself))
}

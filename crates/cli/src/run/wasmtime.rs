//! Runs a plan on wasmtime.

use stratafs::Process;
use stratafs_abi::Tracer;
use stratafs_wasmtime::image::{ImageCache, sha256};
use stratafs_wasmtime::{Ended, Guest, Interrupter, MAX_WASM_STACK, MemoryLimit};
use wasmtime::{Engine, Linker, Module, Store};

use super::stop::Stopper;
use super::{Run, Stopped};
use crate::cache::CacheDir;
use crate::error::{Result, failed, usage};
use crate::module::{self, EngineKind};
use crate::plan::Plan;
use crate::progress::Progress;

struct Data {
    guest: Guest,
    memory: MemoryLimit,
}

pub fn run(plan: &Plan, process: Process, tracer: Option<Tracer>, stopper: &Stopper) -> Result<Run> {
    let engine = Engine::new(&stratafs_wasmtime::config()).map_err(|error| failed!("wasmtime: {error:#}"))?;
    let compiled = compile(plan, &engine)?;
    let interrupter = Interrupter::new(&engine, stopper.interrupt());
    let watch = stopper.watch(plan.timeout, move || interrupter.raise());
    let run = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("guest".to_owned()).stack_size(MAX_WASM_STACK + (2 << 20));
        let thread = thread.spawn_scoped(scope, || start(plan, &engine, &compiled, process, tracer));
        let thread = thread.map_err(|error| failed!("no thread for the guest: {error}"))?;
        thread.join().unwrap_or_else(|_| Err(failed!("the guest's thread panicked: this is a bug in stratafs")))
    });
    drop(watch);
    run
}

fn start(plan: &Plan, engine: &Engine, module: &Module, process: Process, tracer: Option<Tracer>) -> Result<Run> {
    let mut guest = Guest::new(process);
    guest.tracer = tracer.map(Box::new);
    let max = plan.limits.memory.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut store = Store::new(engine, Data { guest, memory: MemoryLimit::new(max) });
    store.limiter(|data| &mut data.memory);
    stratafs_wasmtime::interruptible(&mut store, |data| &mut data.guest);
    let mut linker = Linker::new(engine);
    let linked = stratafs_wasmtime::link_sync(&mut linker, |data: &mut Data| &mut data.guest);
    linked.map_err(|error| failed!("wasmtime: {error:#}"))?;
    let shown = plan.module.path.display();
    let ended = match linker.instantiate(&mut store, module) {
        Ok(instance) => stratafs_wasmtime::start(&mut store, &instance),
        Err(_) if store.data().memory.was_reached() => {
            let given = plan.limits.as_given("memory").unwrap_or("memory");
            return Err(usage!("{shown} needs more memory from the start than --limit {given} gives it"));
        }
        Err(error) => match Ended::from(Err(error)) {
            Ended::Trap(error) => return Err(usage!("{shown}: {error:#}")),
            ended => ended,
        },
    };
    let ended = match ended {
        Ended::Exit(code) => Stopped::Exit(code),
        Ended::Interrupted => Stopped::Interrupted,
        Ended::Trap(error) => Stopped::Trap(error.root_cause().to_string()),
    };
    let Data { guest, memory } = store.into_data();
    Ok(Run { process: guest.process, tracer: guest.tracer, ended, memory_limit_reached: memory.was_reached() })
}

/// The compiled module: from the cache, or compiled now and kept there.
fn compile(plan: &Plan, engine: &Engine) -> Result<Module> {
    let cache = ImageCache::open(&CacheDir::open()?.compiled()?).map_err(|error| usage!("{error}"))?;
    let wasm = &plan.module;
    let sha256 = wasm.sha256.unwrap_or_else(|| sha256(&wasm.bytes));
    if let Some(module) = cache.load(engine, &sha256) {
        return Ok(module);
    }
    let name = wasm.path.file_name().unwrap_or(wasm.path.as_os_str()).to_string_lossy();
    // Small modules are compiled before anyone would have read the line.
    let progress = (wasm.bytes.len() > 1 << 20).then(|| Progress::start(&format!("compiling {name}, once")));
    let module = cache.compile(engine, &wasm.bytes, &sha256);
    drop(progress);
    module.map_err(|error| module::explain(wasm, EngineKind::Wasmtime).unwrap_or_else(|| usage!("{name}: {error}")))
}

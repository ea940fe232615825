//! A guest's run on each engine.

use stratafs::Interrupt;
use stratafs_abi::ValType;
use stratafs_wasmtime::image::ImageCache;
use stratafs_wasmtime::{Interrupter, MAX_WASM_STACK, MemoryLimit};

use super::{Ended, Guest, Program, Ran, cache};

/// What runs a guest.
#[derive(Clone)]
pub enum Engine {
    /// wasmtime; waits park the thread.
    Wasmtime(wasmtime::Engine),
    /// wasmtime; waits are awaited.
    WasmtimeAsync(wasmtime::Engine),
    /// wasmi.
    Wasmi,
}

impl Engine {
    /// A wasmtime engine of its own for a guest whose waits park the thread.
    #[must_use]
    pub fn wasmtime() -> Self {
        Engine::Wasmtime(new_engine())
    }

    /// A wasmtime engine of its own for a guest whose waits are awaited.
    #[must_use]
    pub fn wasmtime_async() -> Self {
        Engine::WasmtimeAsync(new_engine())
    }

    /// One of each, with its name.
    #[must_use]
    pub fn all() -> [(&'static str, Engine); 3] {
        [("wasmtime", Engine::wasmtime()), ("wasmtime async", Engine::wasmtime_async()), ("wasmi", Engine::Wasmi)]
    }

    pub(super) fn stopper(&self, interrupt: &Interrupt) -> impl Fn() + Clone + Send + Sync + 'static {
        let interrupter = match self {
            Engine::Wasmtime(engine) | Engine::WasmtimeAsync(engine) => Some(Interrupter::new(engine, interrupt)),
            Engine::Wasmi => None,
        };
        let interrupt = interrupt.clone();
        move || match &interrupter {
            Some(interrupter) => interrupter.raise(),
            None => interrupt.raise(),
        }
    }
}

fn new_engine() -> wasmtime::Engine {
    wasmtime::Engine::new(&stratafs_wasmtime::config()).expect("the engine's settings fit together")
}

struct Data {
    guest: stratafs_wasmtime::Guest,
    memory: MemoryLimit,
}

fn get(data: &mut Data) -> &mut stratafs_wasmtime::Guest {
    &mut data.guest
}

/// The compiled module, from the cache when it was compiled before.
fn compiled(engine: &wasmtime::Engine, program: &Program) -> stratafs_wasmtime::Program {
    let dir = cache().compiled().unwrap_or_else(|error| panic!("{error}"));
    let images = ImageCache::open(&dir).unwrap_or_else(|error| panic!("{error}"));
    let load = || images.load(engine, program.sha256());
    let module = load().unwrap_or_else(|| {
        // Tests that run side by side must not each compile CPython.
        static COMPILING: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
        let _one = (program.bytes().len() > 1 << 20).then(|| COMPILING.lock());
        load().unwrap_or_else(|| {
            images
                .compile(engine, program.bytes(), program.sha256())
                .unwrap_or_else(|error| panic!("{}: {error}", program.name()))
        })
    });
    stratafs_wasmtime::Program::new(module).unwrap_or_else(|error| panic!("{} {error}", program.name()))
}

/// Runs `f` on a thread whose stack is large enough for a guest.
pub(super) fn on_big_stack<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(MAX_WASM_STACK + (2 << 20));
        let joined = thread.spawn_scoped(scope, f).expect("a thread").join();
        joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn store(engine: &wasmtime::Engine, guest: stratafs_wasmtime::Guest, memory: usize) -> wasmtime::Store<Data> {
    let mut store = wasmtime::Store::new(engine, Data { guest, memory: MemoryLimit::new(memory) });
    store.limiter(|data| &mut data.memory);
    stratafs_wasmtime::interruptible(&mut store, get);
    store
}

fn ended(ended: stratafs_wasmtime::Ended) -> Ended {
    match ended {
        stratafs_wasmtime::Ended::Exit(code) => Ended::Exit(code),
        stratafs_wasmtime::Ended::Interrupted => Ended::Interrupted,
        stratafs_wasmtime::Ended::Trap(error) => Ended::Trap(error.root_cause().to_string()),
    }
}

fn engine_of<'a>(guest: &'a Guest<'_>) -> &'a wasmtime::Engine {
    match &guest.engine {
        Engine::Wasmtime(engine) | Engine::WasmtimeAsync(engine) => engine,
        Engine::Wasmi => panic!("no wasmtime engine"),
    }
}

/// Puts `ENOSYS` in the place of every function of that name.
fn switch_off(linker: &mut wasmtime::Linker<Data>, engine: &wasmtime::Engine, name: Option<&str>) {
    linker.allow_shadowing(true);
    let all = stratafs_wasmtime::HOST_FUNCTIONS.iter().copied().flatten().chain(stratafs_emscripten::GLUE_FUNCTIONS);
    for function in all.filter(|function| Some(function.about.name) == name) {
        let wasm = |ty: ValType| match ty {
            ValType::I32 => wasmtime::ValType::I32,
            ValType::I64 => wasmtime::ValType::I64,
            ValType::F64 => wasmtime::ValType::F64,
        };
        let ty = wasmtime::FuncType::new(engine, function.params.iter().map(|param| wasm(param.ty)), function.result.map(wasm));
        let number = i32::from(stratafs_abi::wasi_number(stratafs::Errno::ENOSYS));
        let answer = if function.about.module.starts_with("wasi") { number } else { -number };
        let off = move |_: wasmtime::Caller<'_, Data>, _: &[wasmtime::Val], results: &mut [wasmtime::Val]| {
            results.fill(wasmtime::Val::I32(answer));
            Ok(())
        };
        linker.func_new(function.about.module, function.about.name, ty, off).expect("names may be taken");
    }
}

pub(super) fn wasmtime(guest: Guest<'_>) -> Ran {
    let engine = engine_of(&guest);
    let program = compiled(engine, guest.program);
    let (process, outputs) = guest.process();
    let mut inner = stratafs_wasmtime::Guest::new(process);
    inner.tracer = outputs.tracer(guest.traced);
    let mut store = store(engine, inner, guest.memory);
    let mut linker = wasmtime::Linker::new(engine);
    stratafs_wasmtime::link_sync(&mut linker, get).expect("every name is free");
    stratafs_wasmtime::link_emscripten_sync(&mut linker, get).expect("every name is free");
    stratafs_wasmtime::link_micropython_sync(&mut linker, get).expect("every name is free");
    switch_off(&mut linker, engine, guest.without.as_deref());
    let how = match program.instantiate(&linker, &mut store, get) {
        Ok(instance) => stratafs_wasmtime::start(&mut store, &instance, get),
        Err(error) => Err(error).into(),
    };
    let Data { guest, memory } = store.into_data();
    outputs.ran(ended(how), memory.was_reached(), guest.process, guest.tracer)
}

pub(super) async fn wasmtime_async(guest: Guest<'_>) -> Ran {
    let engine = engine_of(&guest);
    let program = compiled(engine, guest.program);
    let (process, outputs) = guest.process();
    let mut inner = stratafs_wasmtime::Guest::new(process);
    inner.tracer = outputs.tracer(guest.traced);
    let mut store = store(engine, inner, guest.memory);
    let mut linker = wasmtime::Linker::new(engine);
    stratafs_wasmtime::link_async(&mut linker, get).expect("every name is free");
    stratafs_wasmtime::link_emscripten_async(&mut linker, get).expect("every name is free");
    stratafs_wasmtime::link_micropython_async(&mut linker, get).expect("every name is free");
    switch_off(&mut linker, engine, guest.without.as_deref());
    let how = match program.instantiate_async(&linker, &mut store, get).await {
        Ok(instance) => stratafs_wasmtime::start_async(&mut store, &instance, get).await,
        Err(error) => Err(error).into(),
    };
    let Data { guest, memory } = store.into_data();
    outputs.ran(ended(how), memory.was_reached(), guest.process, guest.tracer)
}

struct WasmiData {
    guest: stratafs_wasmi::Guest,
    memory: stratafs_wasmi::MemoryLimit,
}

pub(super) fn wasmi(guest: Guest<'_>) -> Ran {
    let engine = wasmi::Engine::new(&stratafs_wasmi::config());
    let module = wasmi::Module::new(&engine, guest.program.bytes()).expect("wasmi takes the module");
    let program = stratafs_wasmi::Program::new(module).unwrap_or_else(|error| panic!("{} {error}", guest.program.name()));
    let (process, outputs) = guest.process();
    let mut inner = stratafs_wasmi::Guest::new(process);
    inner.tracer = outputs.tracer(guest.traced);
    let memory = stratafs_wasmi::MemoryLimit::new(guest.memory);
    let mut store = wasmi::Store::new(&engine, WasmiData { guest: inner, memory });
    store.limiter(|data| &mut data.memory);
    let mut linker = wasmi::Linker::new(&engine);
    fn get(data: &mut WasmiData) -> &mut stratafs_wasmi::Guest {
        &mut data.guest
    }
    stratafs_wasmi::link(&mut linker, get).expect("every name is free");
    stratafs_wasmi::link_emscripten(&mut linker, get).expect("every name is free");
    let how = match program.instantiate(&linker, &mut store, get) {
        Ok(instance) => stratafs_wasmi::start(&mut store, &instance, &guest.interrupt, get),
        Err(error) => error.into(),
    };
    let ended = match how {
        stratafs_wasmi::Ended::Exit(code) => Ended::Exit(code),
        stratafs_wasmi::Ended::Interrupted => Ended::Interrupted,
        stratafs_wasmi::Ended::Trap(error) => Ended::Trap(error.to_string()),
    };
    let WasmiData { guest, memory } = store.into_data();
    outputs.ran(ended, memory.was_reached(), guest.process, guest.tracer)
}

//! How runs end, and what is refused before they begin.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use stratafs::memfs::MemFs;
use stratafs::stream::CapturedOutput;
use stratafs::{Budget, Limits, Namespace, NodeRef, Process};
use stratafs_wasmtime::{
    Ended, Guest, Interrupter, MemoryLimit, config, interruptible, link_async, link_sync, start, start_async,
};
use wasmtime::{Engine, Linker, Module, Store};

const EXIT: &str = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
const SPIN: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;

fn process() -> Process {
    let limits = Limits::default();
    let root = MemFs::new(Budget::of(&limits), &limits);
    Process::builder(Namespace::new(NodeRef::root_of(&root), &limits), limits).build().unwrap()
}

fn store(engine: &Engine) -> Store<Guest> {
    let mut store = Store::new(engine, Guest::new(process()));
    interruptible(&mut store, |guest| guest);
    store
}

fn engine() -> Engine {
    Engine::new(&config()).unwrap()
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::new(engine, wat::parse_str(text).unwrap()).unwrap()
}

/// Runs a module twice: with a linker whose waits park the thread, and with one whose waits are awaited.
fn both(text: &str) -> [(Ended, Store<Guest>); 2] {
    let engine = engine();
    let module = module(&engine, text);
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
    let mut sync = store(&engine);
    let ended = match linker.instantiate(&mut sync, &module) {
        Ok(instance) => start(&mut sync, &instance, |guest| guest),
        Err(error) => Err(error).into(),
    };
    let mut linker = Linker::new(&engine);
    link_async(&mut linker, |guest: &mut Guest| guest).unwrap();
    let mut asynchronous = store(&engine);
    let awaited = async_io::block_on(async {
        match linker.instantiate_async(&mut asynchronous, &module).await {
            Ok(instance) => start_async(&mut asynchronous, &instance, |guest| guest).await,
            Err(error) => Err(error).into(),
        }
    });
    [(ended, sync), (awaited, asynchronous)]
}

#[test]
fn exit_codes_come_unchanged() {
    for code in [0u32, 1, 126, 255, 256, u32::MAX] {
        let text = format!(
            r#"(module {EXIT} (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {code})) unreachable))"#
        );
        for (ended, store) in both(&text) {
            assert!(matches!(ended, Ended::Exit(found) if found == code), "{code}: {ended:?}");
            assert_eq!(store.data().process.exit(), Some(code));
        }
    }
    for (ended, store) in both(r#"(module (memory (export "memory") 1) (func (export "_start")))"#) {
        assert!(matches!(ended, Ended::Exit(0)), "{ended:?}");
        assert_eq!(store.data().process.exit(), None);
    }
}

#[test]
fn nothing_of_a_wasi_guest_runs_when_it_has_ended() {
    // The name is one of Emscripten's glue; here it is the guest's.
    for (end, wanted) in [("(call $exit (i32.const 7))", Some(7)), ("", Some(0)), ("unreachable", None)] {
        let text = format!(
            r#"(module {EXIT} (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
                (memory (export "memory") 1)
                (func (export "sync_mappings") (result i32) (i32.store8 (i32.const 0) (i32.const 1)) (i32.const 0))
                (func (export "_start") (drop (call $yield)) {end}))"#
        );
        for (ended, store) in both(&text) {
            match wanted {
                Some(code) => assert!(matches!(ended, Ended::Exit(found) if found == code), "{end}: {ended:?}"),
                None => assert!(matches!(ended, Ended::Trap(_)), "{end}: {ended:?}"),
            }
            assert_eq!(store.data().memory.unwrap().data(&store)[0], 0, "{end}");
        }
    }
}

#[test]
fn an_exit_from_the_start_function_is_an_exit() {
    let text = format!(r#"(module {EXIT} (memory (export "memory") 1) (func $s (call $exit (i32.const 3))) (start $s))"#);
    for (ended, _) in both(&text) {
        assert!(matches!(ended, Ended::Exit(3)), "{ended:?}");
    }
}

#[test]
fn a_trap_says_why() {
    for (body, why) in [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const 65536)))", "out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(call 0)", "call stack exhausted"),
    ] {
        let text = format!(r#"(module (memory (export "memory") 1) (func $start (export "_start") {body}))"#);
        let on_big_stack = move || {
            for (ended, _) in both(&text) {
                let Ended::Trap(error) = ended else { panic!("{text}: {ended:?}") };
                assert!(error.root_cause().to_string().contains(why), "{error:#}");
            }
        };
        let thread = std::thread::Builder::new().stack_size(stratafs_wasmtime::MAX_WASM_STACK + (2 << 20));
        thread.spawn(on_big_stack).unwrap().join().unwrap();
    }
}

#[test]
fn a_guest_without_a_memory_is_told_so() {
    for memory in ["", "(memory 1)", r#"(memory (export "other") 1)"#, r#"(func (export "memory"))"#] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32))) {memory}
                (func (export "_start") (drop (call $yield))))"#
        );
        for (ended, _) in both(&text) {
            let Ended::Trap(error) = ended else { panic!("{memory}: {ended:?}") };
            assert!(error.root_cause().to_string().contains(r#"exports no memory named "memory""#), "{error:#}");
        }
    }
}

#[test]
fn a_reactor_is_initialized_and_stays_callable() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\02\00\00\00") (data (i32.const 16) "ok")
        (global $ready (mut i32) (i32.const 0))
        (func (export "_initialize") (global.set $ready (i32.const 1)))
        (func (export "say") (result i32)
            (if (i32.eqz (global.get $ready)) (then unreachable))
            (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32))))"#;
    let engine = engine();
    let output = CapturedOutput::new(100);
    let limits = Limits::default();
    let root = NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits));
    let process = Process::builder(Namespace::new(root, &limits), limits).stdout(Arc::new(output.clone())).build().unwrap();
    let mut store = Store::new(&engine, Guest::new(process));
    interruptible(&mut store, |guest| guest);
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
    let instance = linker.instantiate(&mut store, &module(&engine, text)).unwrap();
    assert!(matches!(start(&mut store, &instance, |guest| guest), Ended::Exit(0)));
    let say = instance.get_typed_func::<(), u32>(&mut store, "say").unwrap();
    assert_eq!((say.call(&mut store, ()).unwrap(), say.call(&mut store, ()).unwrap()), (0, 0));
    assert_eq!(output.text(), "okok");
}

#[test]
fn a_module_with_nothing_to_run_ends_at_once() {
    for (ended, _) in both(r#"(module (memory (export "memory") 1))"#) {
        assert!(matches!(ended, Ended::Exit(0)), "{ended:?}");
    }
    for (ended, _) in both(r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#) {
        assert!(matches!(ended, Ended::Trap(_)), "{ended:?}");
    }
}

#[test]
fn linking_twice_is_refused() {
    let engine = engine();
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
    assert!(link_sync(&mut linker, |guest: &mut Guest| guest).is_err());
    let error = link_async(&mut linker, |guest: &mut Guest| guest).unwrap_err();
    assert!(error.to_string().contains("args_get"), "{error:#}");
}

#[test]
fn raised_before_the_start_it_stops_at_once() {
    let engine = engine();
    let module = module(&engine, SPIN);
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
    // Before the store knows of interrupts, and after.
    for early in [true, false] {
        let mut store = Store::new(&engine, Guest::new(process()));
        let interrupter = Interrupter::new(&engine, store.data().process.interrupt());
        if early {
            interrupter.raise();
        }
        interruptible(&mut store, |guest| guest);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        if !early {
            interrupter.raise();
        }
        assert!(matches!(start(&mut store, &instance, |guest| guest), Ended::Interrupted));
    }
}

#[test]
fn raised_while_it_starts_it_stops() {
    let engine = engine();
    let module = module(&engine, SPIN);
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
    for round in 0..200 {
        let process = process();
        let interrupter = Interrupter::new(&engine, process.interrupt());
        let racer = std::thread::spawn(move || {
            for _ in 0..round * 100 {
                std::hint::spin_loop();
            }
            interrupter.raise();
        });
        let mut store = Store::new(&engine, Guest::new(process));
        interruptible(&mut store, |guest| guest);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        assert!(matches!(start(&mut store, &instance, |guest| guest), Ended::Interrupted));
        racer.join().unwrap();
    }
}

#[test]
fn only_the_guest_that_is_meant_is_stopped() {
    let engine = engine();
    let text = r#"(module (memory (export "memory") 1)
        (func (export "_start") (local $n i32)
            (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 300000000))))))"#;
    let module = module(&engine, text);
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
    let others = process();
    let interrupter = Interrupter::new(&engine, others.interrupt());
    let racer = std::thread::spawn(move || {
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(2));
            interrupter.raise();
        }
    });
    let mut store = store(&engine);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    assert!(matches!(start(&mut store, &instance, |guest| guest), Ended::Exit(0)));
    racer.join().unwrap();
}

#[test]
fn a_waiting_guest_is_interrupted() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "\01") (data (i32.const 24) "\00\00\00\00\00\00\00\10")
        (func (export "_start") (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))"#;
    let engine = engine();
    let module = module(&engine, text);
    let begun = Instant::now();
    for asynchronous in [false, true] {
        let mut store = store(&engine);
        let interrupter = Interrupter::new(&engine, store.data().process.interrupt());
        let racer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            interrupter.raise();
        });
        let mut linker = Linker::new(&engine);
        let ended = if asynchronous {
            link_async(&mut linker, |guest: &mut Guest| guest).unwrap();
            async_io::block_on(async {
                let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
                start_async(&mut store, &instance, |guest| guest).await
            })
        } else {
            link_sync(&mut linker, |guest: &mut Guest| guest).unwrap();
            let instance = linker.instantiate(&mut store, &module).unwrap();
            start(&mut store, &instance, |guest| guest)
        };
        assert!(matches!(ended, Ended::Interrupted), "{ended:?}");
        racer.join().unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn memory_past_the_limit_is_refused_and_told() {
    struct Data {
        guest: Guest,
        memory: MemoryLimit,
    }
    let engine = engine();
    let text = r#"(module {EXIT} (memory (export "memory") 1)
        (func (export "_start")
            (call $exit (i32.sub (memory.grow (i32.const 1)) (memory.grow (i32.const 100))))))"#
        .replace("{EXIT}", EXIT);
    let module = module(&engine, &text);
    let mut linker = Linker::new(&engine);
    link_sync(&mut linker, |data: &mut Data| &mut data.guest).unwrap();
    for (pages, code, reached) in [(1, 0, true), (2, 2, true), (102, u32::MAX, false)] {
        let mut store = Store::new(&engine, Data { guest: Guest::new(process()), memory: MemoryLimit::new(pages << 16) });
        store.limiter(|data| &mut data.memory);
        interruptible(&mut store, |data| &mut data.guest);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let ended = start(&mut store, &instance, |data| &mut data.guest);
        assert!(matches!(ended, Ended::Exit(found) if found == code), "{pages}: {ended:?}");
        assert_eq!(store.data().memory.was_reached(), reached, "{pages}");
    }
    let mut store = Store::new(&engine, Data { guest: Guest::new(process()), memory: MemoryLimit::new(1000) });
    store.limiter(|data| &mut data.memory);
    interruptible(&mut store, |data| &mut data.guest);
    assert!(linker.instantiate(&mut store, &module).is_err());
    assert!(store.data().memory.was_reached());
}

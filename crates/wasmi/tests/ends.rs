//! How runs end, and what is refused before they begin.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use stratafs::memfs::MemFs;
use stratafs::stream::CapturedOutput;
use stratafs::{Budget, Limits, Namespace, NodeRef, Process};
use stratafs_wasmi::{Ended, Guest, MemoryLimit, Program, config, link, start};
use wasmi::{Engine, Linker, Module, Store};

const EXIT: &str = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;

fn process() -> Process {
    let limits = Limits::default();
    let root = MemFs::new(Budget::of(&limits), &limits);
    Process::builder(Namespace::new(NodeRef::root_of(&root), &limits), limits).build().unwrap()
}

fn linker(engine: &Engine) -> Linker<Guest> {
    let mut linker = Linker::new(engine);
    link(&mut linker, |guest: &mut Guest| guest).unwrap();
    linker
}

fn run_with(text: &str, process: Process) -> (Ended, Store<Guest>) {
    let engine = Engine::new(&config());
    let program = Program::new(Module::new(&engine, wat::parse_str(text).unwrap()).unwrap()).unwrap();
    let interrupt = process.interrupt().clone();
    let mut store = Store::new(&engine, Guest::new(process));
    let ended = match program.instantiate(&linker(&engine), &mut store, |guest| guest) {
        Ok(instance) => start(&mut store, &instance, &interrupt, |guest| guest),
        Err(error) => error.into(),
    };
    (ended, store)
}

fn run(text: &str) -> (Ended, Store<Guest>) {
    run_with(text, process())
}

#[test]
fn exit_codes_come_unchanged() {
    for code in [0u32, 1, 126, 255, 256, u32::MAX] {
        let text = format!(
            r#"(module {EXIT} (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {code})) unreachable))"#
        );
        let (ended, store) = run(&text);
        assert!(matches!(ended, Ended::Exit(found) if found == code), "{code}: {ended:?}");
        assert_eq!(store.data().process.exit(), Some(code));
    }
    let (ended, store) = run(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    assert!(matches!(ended, Ended::Exit(0)), "{ended:?}");
    assert_eq!(store.data().process.exit(), None);
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
        let (ended, store) = run(&text);
        match wanted {
            Some(code) => assert!(matches!(ended, Ended::Exit(found) if found == code), "{end}: {ended:?}"),
            None => assert!(matches!(ended, Ended::Trap(_)), "{end}: {ended:?}"),
        }
        assert_eq!(store.data().memory.unwrap().data(&store)[0], 0, "{end}");
    }
}

#[test]
fn an_exit_from_the_start_function_is_an_exit() {
    let text = format!(r#"(module {EXIT} (memory (export "memory") 1) (func $s (call $exit (i32.const 3))) (start $s))"#);
    let (ended, _) = run(&text);
    assert!(matches!(ended, Ended::Exit(3)), "{ended:?}");
}

#[test]
fn a_trap_says_why() {
    for (body, why) in [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const 65536)))", "out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(call 0)", "call stack exhausted"),
    ] {
        let (ended, _) = run(&format!(r#"(module (memory (export "memory") 1) (func $start (export "_start") {body}))"#));
        let Ended::Trap(error) = ended else { panic!("{body}: {ended:?}") };
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn a_guest_without_a_memory_is_told_so() {
    for memory in ["", "(memory 1)", r#"(memory (export "other") 1)"#, r#"(func (export "memory"))"#] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32))) {memory}
                (func (export "_start") (drop (call $yield))))"#
        );
        let (ended, _) = run(&text);
        let Ended::Trap(error) = ended else { panic!("{memory}: {ended:?}") };
        assert!(error.to_string().contains(r#"exports no memory named "memory""#), "{error}");
    }
}

#[test]
fn a_reactor_is_initialized() {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\02\00\00\00") (data (i32.const 16) "ok")
        (func (export "_initialize") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;
    let output = CapturedOutput::new(100);
    let limits = Limits::default();
    let root = NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits));
    let process = Process::builder(Namespace::new(root, &limits), limits).stdout(Arc::new(output.clone())).build().unwrap();
    assert!(matches!(run_with(text, process).0, Ended::Exit(0)));
    assert_eq!(output.text(), "ok");
}

#[test]
fn a_module_with_nothing_to_run_ends_at_once() {
    assert!(matches!(run(r#"(module (memory (export "memory") 1))"#).0, Ended::Exit(0)));
    assert!(matches!(run(r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#).0, Ended::Trap(_)));
}

#[test]
fn linking_twice_is_refused() {
    let engine = Engine::new(&config());
    let error = link(&mut linker(&engine), |guest: &mut Guest| guest).unwrap_err();
    assert!(error.to_string().contains("args_get"), "{error}");
}

#[test]
fn raised_before_the_start_it_does_not_start() {
    let text = format!(r#"(module {EXIT} (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 0))))"#);
    let process = process();
    process.interrupt().raise();
    let (ended, store) = run_with(&text, process);
    assert!(matches!(ended, Ended::Interrupted), "{ended:?}");
    assert_eq!(store.data().process.exit(), None);
}

#[test]
fn a_guest_that_computes_or_waits_is_stopped() {
    let spin = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
    // One instruction that costs more than a slice of fuel.
    let fill = r#"(module (memory (export "memory") 9000)
        (func (export "_start") (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 589824000)) (br $l))))"#;
    let wait = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "\01") (data (i32.const 24) "\00\00\00\00\00\00\00\10")
        (func (export "_start") (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))"#;
    for text in [spin, fill, wait] {
        let begun = Instant::now();
        let process = process();
        let interrupt = process.interrupt().clone();
        let racer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            interrupt.raise();
        });
        let (ended, _) = run_with(text, process);
        racer.join().unwrap();
        assert!(matches!(ended, Ended::Interrupted), "{text}: {ended:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{text}");
    }
}

#[test]
fn a_start_function_without_end_is_given_up() {
    let (ended, _) = run(r#"(module (memory (export "memory") 1) (func $s (loop $l (br $l))) (start $s))"#);
    let Ended::Trap(error) = ended else { panic!("{ended:?}") };
    assert!(error.to_string().contains("fuel"), "{error}");
}

#[test]
fn memory_past_the_limit_is_refused_and_told() {
    struct Data {
        guest: Guest,
        memory: MemoryLimit,
    }
    let engine = Engine::new(&config());
    let text = r#"(module {EXIT} (memory (export "memory") 1)
        (func (export "_start")
            (call $exit (i32.sub (memory.grow (i32.const 1)) (memory.grow (i32.const 100))))))"#
        .replace("{EXIT}", EXIT);
    let program = Program::new(Module::new(&engine, wat::parse_str(&text).unwrap()).unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    link(&mut linker, |data: &mut Data| &mut data.guest).unwrap();
    for (pages, code, reached) in [(1, 0, true), (2, 2, true), (102, u32::MAX, false)] {
        let mut store = Store::new(&engine, Data { guest: Guest::new(process()), memory: MemoryLimit::new(pages << 16) });
        store.limiter(|data| &mut data.memory);
        let interrupt = store.data().guest.process.interrupt().clone();
        let instance = program.instantiate(&linker, &mut store, |data| &mut data.guest).unwrap();
        let ended = start(&mut store, &instance, &interrupt, |data| &mut data.guest);
        assert!(matches!(ended, Ended::Exit(found) if found == code), "{pages}: {ended:?}");
        assert_eq!(store.data().memory.was_reached(), reached, "{pages}");
    }
    let mut store = Store::new(&engine, Data { guest: Guest::new(process()), memory: MemoryLimit::new(1000) });
    store.limiter(|data| &mut data.memory);
    assert!(program.instantiate(&linker, &mut store, |data| &mut data.guest).is_err());
    assert!(store.data().memory.was_reached());
}

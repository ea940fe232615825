//! What stands beside an Emscripten module, on every engine: guests in WebAssembly's text that export what Emscripten's do.
#![forbid(unsafe_code)]

use std::io::IoSlice;

use futures_lite::future;
use stratafs::{Access, DirFd, Layer, Limits, Namespace, OneBuf, OpenHow, Outcome, Process, Tree};
use stratafs_tests::guest::{Ended, Engine, Guest, Program, Ran};

/// Exports that most guests have: a table of 16, a stack, and an allocator that never gives anything back.
const COMMON: &str = r#"
    (memory (export "memory") 4)
    (table $table (export "__indirect_function_table") 16 funcref)
    (global $sp (mut i32) (i32.const 65536))
    (global $heap (mut i32) (i32.const 131072))
    (global $threw (mut i32) (i32.const 0))
    (func (export "emscripten_stack_get_current") (result i32) (global.get $sp))
    (func (export "_emscripten_stack_restore") (param i32) (global.set $sp (local.get 0)))
    (func (export "setThrew") (param i32 i32) (global.set $threw (i32.add (global.get $threw) (local.get 0))))
    (func $memalign (export "emscripten_builtin_memalign") (param $align i32) (param $len i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $heap (i32.add (local.get $at) (local.get $len)))
        (local.get $at))
    (func $malloc (export "malloc") (param i32) (result i32) (call $memalign (i32.const 16) (local.get 0)))"#;

/// A program whose `main` has this body, which leaves the exit code.
fn program(name: &str, imports: &str, items: &str, main: &str) -> Program {
    let text = format!(
        "(module {imports} {COMMON} {items} (func (export \"main\") (param $argc i32) (param $argv i32) (result i32) {main}))"
    );
    Program::new(name, wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn tree() -> Namespace {
    Tree::new(Limits::default()).layer("/", Layer::Memory).build().unwrap()
}

/// Runs it on every engine.
fn everywhere(program: &Program, mut check: impl FnMut(&str, Ran)) {
    for (on, engine) in Engine::all() {
        check(on, Guest::new(program, engine, tree()).run());
    }
}

#[track_caller]
fn ends(program: &Program, code: u32) {
    everywhere(program, |on, ran| assert_eq!(ran.ended, Ended::Exit(code), "{on}: {}{}", ran.stdout, ran.stderr));
}

#[track_caller]
fn traps(program: &Program, why: &str) {
    everywhere(program, |on, ran| match ran.ended {
        Ended::Trap(found) => assert!(found.contains(why), "{on}: {found}"),
        ended => panic!("{on}: {ended:?}"),
    });
}

const JUMP: &str = r#"(import "env" "_emscripten_throw_longjmp" (func $jump))"#;

#[test]
fn a_jump_comes_back_with_nothing_and_the_stack_as_it_was() {
    for (results, from, nothing) in [
        ("i32", "(i32.const 7)", "i32.eqz"),
        ("i64", "(i64.const 7000000000)", "i64.eqz"),
        ("f32", "(f32.const 1.5)", "f32.const 0 f32.eq"),
        ("f64", "(f64.const 2.5)", "f64.const 0 f64.eq"),
    ] {
        let imports =
            format!(r#"{JUMP} (import "env" "invoke_x" (func $invoke (param i32 i32 i64 f32 f64) (result {results})))"#);
        // Answers when its four arguments came whole, and jumps out when the first one is 0.
        let items = format!(
            "(elem (i32.const 3) $f) (func $f (param i32 i64 f32 f64) (result {results})
                (global.set $sp (i32.sub (global.get $sp) (i32.const 64)))
                (if (i32.eqz (local.get 0)) (then (call $jump)))
                (if (i64.ne (local.get 1) (i64.const -5000000000)) (then unreachable))
                (if (f32.ne (local.get 2) (f32.const 0.5)) (then unreachable))
                (if (f64.ne (local.get 3) (f64.const -0.25)) (then unreachable))
                (global.set $sp (i32.add (global.get $sp) (i32.const 64)))
                {from})"
        );
        let call = |first| {
            format!("(call $invoke (i32.const 3) (i32.const {first}) (i64.const -5000000000) (f32.const 0.5) (f64.const -0.25))")
        };
        let main = format!(
            "(if ({results}.ne {} {from}) (then unreachable))
             (if (global.get $threw) (then unreachable))
             {} {nothing} i32.eqz if unreachable end
             (if (i32.ne (global.get $sp) (i32.const 65536)) (then unreachable))
             (i32.add (i32.const 40) (global.get $threw))",
            call(1),
            call(0)
        );
        ends(&program(results, &imports, &items, &main), 41);
    }
}

#[test]
fn the_innermost_invoke_catches_and_nothing_else_is_caught() {
    let imports = format!(
        r#"{JUMP} (import "env" "invoke_v" (func $invoke (param i32))) (import "env" "exit" (func $exit (param i32)))
           (import "env" "no_such_thing" (func $nothing))"#
    );
    let items = "(elem (i32.const 1) $inner $outer $trap $leave $ask)
        (func $inner (call $jump))
        (func $outer (call $invoke (i32.const 1)) (if (i32.ne (global.get $threw) (i32.const 1)) (then unreachable)) (call $jump))
        (func $trap unreachable) (func $leave (call $exit (i32.const 9))) (func $ask (call $nothing))";
    let run = |name, main| program(name, &imports, items, main);
    ends(&run("nested", "(call $invoke (i32.const 2)) (global.get $threw)"), 2);
    ends(&run("exit", "(call $invoke (i32.const 4)) (i32.const 1)"), 9);
    traps(&run("trap", "(call $invoke (i32.const 3)) (i32.const 1)"), "unreachable");
    traps(&run("missing", "(call $invoke (i32.const 5)) (i32.const 1)"), "`env.no_such_thing`, which stratafs does not provide");
    for (name, main) in [("nobody", "(call $jump) (i32.const 1)"), ("no function", "(call $invoke (i32.const 15)) (i32.const 1)")]
    {
        traps(&run(name, main), "");
    }
}

#[test]
fn sixty_four_bits_in_halves_are_called_through_the_guest() {
    let imports = r#"(import "env" "invoke_iij" (func $invoke (param i32 i32 i32 i32) (result i32)))"#;
    let items = r#"(type $f (func (param i32 i64) (result i32))) (elem (i32.const 1) $f)
        (func $f (param i32 i64) (result i32) (i32.add (local.get 0) (i32.wrap_i64 (i64.shr_u (local.get 1) (i64.const 32)))))
        (func (export "dynCall_iij") (param i32 i32 i32 i32) (result i32)
            (call_indirect (type $f) (local.get 1)
                (i64.or (i64.extend_i32_u (local.get 2)) (i64.shl (i64.extend_i32_u (local.get 3)) (i64.const 32)))
                (local.get 0)))"#;
    ends(&program("halves", imports, items, "(call $invoke (i32.const 1) (i32.const 10) (i32.const 5) (i32.const 20))"), 30);
}

#[test]
fn endless_recursion_through_invoke_is_a_trap() {
    let imports = r#"(import "env" "invoke_v" (func $invoke (param i32)))"#;
    let items = "(elem (i32.const 1) $again) (func $again (call $invoke (i32.const 1)))";
    traps(&program("recursion", imports, items, "(call $again) (i32.const 0)"), "call stack exhausted");
    // As much of the interpreter's own stack as can be had below each.
    let items = "(elem (i32.const 1) $again) (func $again (call $deep (i32.const 9000)))
        (func $deep (param i32) (if (local.get 0)
            (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (call $invoke (i32.const 1)))))";
    traps(&program("deep recursion", imports, items, "(call $again) (i32.const 0)"), "call stack exhausted");
}

/// On an engine without exceptions each `invoke_*` takes native stack.
#[test]
fn so_many_invokes_inside_one_another_and_no_more() {
    let imports = r#"(import "env" "invoke_vi" (func $invoke (param i32 i32)))"#;
    let items = "(elem (i32.const 1) $again)
        (func $again (param i32) (if (local.get 0) (then (call $invoke (i32.const 1) (i32.sub (local.get 0) (i32.const 1))))))";
    let nested = |deep: u32| {
        program("nested", imports, items, &format!("(call $invoke (i32.const 1) (i32.const {})) (i32.const 7)", deep - 1))
    };
    let mut few = Limits::default();
    few.invokes = 50;
    for limits in [Limits::default(), few] {
        let max = limits.invokes;
        let run = |deep| Guest::new(&nested(deep), Engine::Wasmi, tree()).limits(limits.clone()).run().ended;
        assert_eq!(run(max), Ended::Exit(7));
        match run(max + 1) {
            Ended::Trap(why) => assert!(why.contains(&format!("more than {max} calls of invoke_*")), "{why}"),
            ended => panic!("{max}: {ended:?}"),
        }
    }
    // Where jumps are exceptions, the engine's stack is the only bound.
    for engine in [Engine::wasmtime(), Engine::wasmtime_async()] {
        assert_eq!(Guest::new(&nested(5_000), engine, tree()).run().ended, Ended::Exit(7));
    }
}

#[test]
fn a_guest_that_computes_inside_of_invoke_is_stopped() {
    let imports = r#"(import "env" "invoke_v" (func $invoke (param i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#;
    let items = r#"(elem (i32.const 1) $nest $spin) (func $nest (call $invoke (i32.const 2)))
        (data (i32.const 1024) "\00\04\00\00\01\00\00\00")
        (func $spin (drop (call $write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1032))) (loop $l (br $l)))"#;
    let program = program("spin", imports, items, "(call $invoke (i32.const 1)) (i32.const 0)");
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, tree()).run_until_it_speaks();
        assert_eq!(ran.ended, Ended::Interrupted, "{on}");
    }
}

#[test]
fn a_guest_that_waits_inside_of_invoke_lets_others_run() {
    let imports = r#"(import "env" "invoke_v" (func $invoke (param i32)))
        (import "env" "__syscall_poll" (func $poll (param i32 i32 i32) (result i32)))"#;
    let items = "(elem (i32.const 1) $sleep)
        (func $sleep (drop (call $poll (i32.const 16) (i32.const 0) (global.get $millis))))
        (global $millis (mut i32) (i32.const 86400000))";
    let main = "(if (i32.gt_u (local.get $argc) (i32.const 1)) (then (global.set $millis (i32.const 1))))
        (call $invoke (i32.const 1)) (i32.const 5)";
    let program = program("sleeper", imports, items, main);
    let stopped = Guest::new(&program, Engine::wasmtime_async(), tree());
    let stop = stopped.stopper();
    // The first one would sleep for a day if the second one could not run meanwhile.
    let second = async {
        let ended = Guest::new(&program, Engine::wasmtime_async(), tree()).args(["briefly"]).run_async().await.ended;
        stop();
        ended
    };
    let first = async { stopped.run_async().await.ended };
    assert_eq!(future::block_on(future::zip(first, second)), (Ended::Interrupted, Ended::Exit(5)));
}

#[test]
fn addresses_of_the_guests_own_exports_are_resolved() {
    let imports = r#"(import "GOT.mem" "x" (global $x (mut i32))) (import "GOT.func" "f" (global $f (mut i32)))
        (import "GOT.func" "g" (global $g (mut i32))) (import "env" "abort" (func))"#;
    let items = r#"(global (export "x") i32 (i32.const 1234)) (func (export "f") (result i32) (i32.const 17))"#;
    let main = "(if (i32.ne (global.get $x) (i32.const 1234)) (then unreachable))
        (if (global.get $g) (then unreachable))
        (if (i32.lt_u (global.get $f) (i32.const 16)) (then unreachable))
        (call_indirect (result i32) (global.get $f))";
    ends(&program("addresses", imports, items, main), 17);
}

#[test]
fn numbers_of_sixty_four_bits_travel_in_halves() {
    let imports = r#"(import "env" "__syscall_ftruncate64" (func $truncate (param i32 i32 i32) (result i32)))"#;
    let main = "(call $truncate (i32.const 77) (i32.const 0) (i32.const 1))";
    // No such descriptor.
    let code = 8_u32.wrapping_neg();
    ends(&program("halves of a length", imports, "", main), code);
}

#[test]
fn some_answers_are_always_the_same() {
    let imports = r#"(import "env" "_try_fcntl64" (func $try (param i32 i32 i32 i32) (result i32)))
        (import "env" "emscripten_notify_memory_growth" (func $notify (param i32)))"#;
    let main = "(call $notify (i32.const 0)) (call $try (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))";
    ends(&program("answers", imports, "", main), 0);
}

#[test]
fn exit_runs_what_is_left_to_do_in_its_order() {
    let imports = r#"(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "env" "exit" (func $exit (param i32)))"#;
    let items = r#"(func $say (param i32)
            (i32.store8 (i32.const 32) (local.get 0)) (i32.store (i32.const 16) (i32.const 32)) (i32.store (i32.const 20) (i32.const 1))
            (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
        (func (export "__wasm_call_ctors") (call $say (i32.const 99)))
        (func (export "__funcs_on_exit") (call $say (i32.const 102)))
        (func (export "__stdio_exit") (call $say (i32.const 115)))
        (func (export "fflush") (param i32) (result i32) (call $say (i32.const 108)) (local.get 0))"#;
    for (name, main) in [("main returns", "(i32.const 6)"), ("exit", "(call $exit (i32.const 6)) unreachable")] {
        everywhere(&program(name, imports, items, main), |on, ran| {
            assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Exit(6), "cfsl"), "{on}");
        });
    }
}

#[test]
fn a_module_that_cannot_flush_takes_its_output_for_a_terminal() {
    let imports = r#"(import "env" "__syscall_ioctl" (func $ioctl (param i32 i32 i32) (result i32)))"#;
    let ask = |fd| format!("(call $ioctl (i32.const {fd}) (i32.const 0x5413) (i32.const 0))");
    let flush = r#"(func (export "fflush") (param i32) (result i32) (i32.const 0))"#;
    let not_a_terminal = 59_u32.wrapping_neg();
    ends(&program("cannot", imports, "", &ask(1)), 0);
    ends(&program("cannot elsewhere", imports, "", &ask(0)), not_a_terminal);
    ends(&program("can", imports, flush, &ask(1)), not_a_terminal);
}

#[test]
fn the_heap_really_grows_as_far_as_it_may() {
    let imports = r#"(import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
        (import "env" "emscripten_get_heap_max" (func $max (result i32)))"#;
    // Answers how many pages there are, or gives the number of the first wish that went wrong.
    let main = "(if (i32.ne (call $resize (i32.const 1)) (i32.const 1)) (then (return (i32.const 1001))))
        (if (i32.ne (memory.size) (i32.const 4)) (then (return (i32.const 1002))))
        (if (i32.ne (call $resize (i32.const 6553601)) (i32.const 1)) (then (return (i32.const 1003))))
        (if (i32.ne (memory.size) (i32.const 101)) (then (return (i32.const 1004))))
        (if (i32.ne (call $resize (i32.const 6619137)) (i32.const 1)) (then (return (i32.const 1005))))
        (memory.size)";
    let program_ = program("grow", imports, "", main);
    for (pages, ended, reached) in [(1000, 121, false), (121, 121, false), (110, 102, true), (101, 1005, true), (100, 1003, true)]
    {
        for (on, engine) in Engine::all() {
            let ran = Guest::new(&program_, engine, tree()).memory(pages << 16).run();
            assert_eq!((ran.ended, ran.memory_limit_reached), (Ended::Exit(ended), reached), "{on}: {pages}");
        }
    }
    ends(&program("maximum", imports, "", "(call $max)"), 0xffff_0000);
    let text = format!("(module {imports} (memory (export \"memory\") 1 100) (func (export \"main\") (result i32) (call $max)))");
    ends(&Program::new("own maximum", wat::parse_str(text).unwrap()), 100 << 16);
}

const MMAP: &str = r#"(import "env" "__syscall_openat" (func $openat (param i32 i32 i32 i32) (result i32)))
    (import "env" "_mmap_js" (func $mmap (param i32 i32 i32 i32 i64 i32 i32) (result i32)))
    (import "env" "_munmap_js" (func $munmap (param i32 i32 i32 i32 i32 i64) (result i32)))
    (import "env" "_msync_js" (func $msync (param i32 i32 i32 i32 i32 i64) (result i32)))"#;

/// `$open` opens `/f`; `$map` maps two pages of it, shared, and gives the address; `$unmap` and `$sync` are for the same.
const MAP: &str = r#"(data (i32.const 64) "/f\00")
    (func $open (result i32) (call $openat (i32.const -100) (i32.const 64) (i32.const 2) (i32.const 0)))
    (func $map (param $fd i32) (result i32)
        (if (call $mmap (i32.const 8192) (i32.const 3) (i32.const 1) (local.get $fd) (i64.const 0) (i32.const 128) (i32.const 132))
            (then unreachable))
        (if (i32.ne (i32.load (i32.const 128)) (i32.const 1)) (then unreachable))
        (i32.load (i32.const 132)))
    (func $unmap (param $at i32) (result i32)
        (call $munmap (local.get $at) (i32.const 8192) (i32.const 3) (i32.const 1) (i32.const 0) (i64.const 0)))
    (func $sync (param $at i32) (result i32)
        (call $msync (local.get $at) (i32.const 8192) (i32.const 3) (i32.const 1) (i32.const 0) (i64.const 0)))"#;

fn with_file() -> Namespace {
    let ns = tree();
    let mut process = Process::builder(ns.clone(), Limits::default()).build().unwrap();
    let how = OpenHow { create: true, ..OpenHow::new(Access::READ_WRITE) };
    let Ok(Outcome::Ready(fd)) = process.openat(DirFd::Cwd, b"/f", &how) else { panic!("no file") };
    assert!(matches!(process.write(fd, &[IoSlice::new(&[b'.'; 8192])]), Ok(Outcome::Ready(8192))));
    ns
}

/// What is no dot in the file, by its offset.
fn marks(ns: &Namespace) -> Vec<(usize, char)> {
    let mut process = Process::builder(ns.clone(), Limits::default()).build().unwrap();
    let Ok(Outcome::Ready(fd)) = process.openat(DirFd::Cwd, b"/f", &OpenHow::read()) else { panic!("no file") };
    let mut bytes = vec![0; 10_000];
    assert_eq!(process.pread(fd, &mut OneBuf(&mut bytes), 0), Ok(8192));
    bytes[..8192].iter().enumerate().filter(|(_, byte)| **byte != b'.').map(|(at, byte)| (at, char::from(*byte))).collect()
}

#[test]
fn mappings_are_written_back_page_by_page() {
    let put = |at: &str, offset, what: char| {
        format!("(i32.store8 (i32.add (local.get {at}) (i32.const {offset})) (i32.const {}))", u32::from(what))
    };
    let main = format!(
        "(local $a i32) (local $b i32)
         (drop (memory.grow (i32.const 20)))
         (local.set $a (call $map (call $open))) (local.set $b (call $map (call $open)))
         (if (i32.ne (i32.load8_u (local.get $a)) (i32.const 46)) (then unreachable))
         {} {} {}",
        put("$a", 5, 'a'),
        put("$b", 5000, 'b'),
        put("$b", 5001, 'c')
    );
    let finish = [
        ("munmap", "(i32.or (call $unmap (local.get $a)) (call $unmap (local.get $b)))"),
        ("msync", "(i32.or (call $sync (local.get $a)) (call $sync (local.get $b)))"),
        ("exit", "(i32.const 0)"),
    ];
    for (name, finish) in finish {
        let program = program(name, MMAP, MAP, &format!("{main} {finish}"));
        for (on, engine) in Engine::all() {
            let ns = with_file();
            assert_eq!(Guest::new(&program, engine, ns.clone()).run().ok(), "");
            assert_eq!(marks(&ns), [(5, 'a'), (5000, 'b'), (5001, 'c')], "{name} on {on}");
        }
    }
    // ENOMEM where nothing is mapped, and after it was unmapped.
    let main =
        "(local $a i32) (local.set $a (call $map (call $open))) (drop (call $unmap (local.get $a))) (call $sync (local.get $a))";
    let program = program("gone", MMAP, MAP, main);
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, with_file()).run();
        assert_eq!(ran.ended, Ended::Exit(48_u32.wrapping_neg()), "{on}");
    }
}

#[test]
fn two_guests_keep_what_each_wrote_to_a_page_of_one_file() {
    let items = format!("{MAP} (data (i32.const 80) \"/meet\\00\")");
    let guest = |name: &str, offset: u32, access: u32| {
        let main = format!(
            "(local $a i32) (local.set $a (call $map (call $open)))
             (i32.store8 (i32.add (local.get $a) (i32.const {offset})) (i32.const 33))
             (if (i32.lt_s (call $openat (i32.const -100) (i32.const 80) (i32.const {access}) (i32.const 0)) (i32.const 0)) (then unreachable))
             (call $unmap (local.get $a))"
        );
        program(name, MMAP, &items, &main)
    };
    // A FIFO is open when both are there: they have mapped the file then, and neither has written it back.
    let (one, two) = (guest("one", 1, 0), guest("two", 4097, 1));
    let ns = with_file();
    Process::builder(ns.clone(), Limits::default()).build().unwrap().mkfifoat(DirFd::Cwd, b"/meet", 0o600).unwrap();
    let run = async |program: &Program| Guest::new(program, Engine::wasmtime_async(), ns.clone()).run_async().await.ended;
    assert_eq!(future::block_on(future::zip(run(&one), run(&two))), (Ended::Exit(0), Ended::Exit(0)));
    assert_eq!(marks(&ns), [(1, '!'), (4097, '!')]);
}

#[test]
fn so_many_mappings_and_no_more() {
    // Counts how many succeed before the first error, which must be ENOMEM.
    let main = "(local $n i32) (local $error i32) (local $fd i32) (local.set $fd (call $open))
        (loop $more
            (local.set $error (call $mmap (i32.const 1) (i32.const 1) (i32.const 1) (local.get $fd) (i64.const 0) (i32.const 128)
                (i32.const 132)))
            (if (i32.eqz (local.get $error)) (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $more))))
        (if (i32.ne (local.get $error) (i32.const -48)) (then unreachable))
        (local.get $n)";
    // Room for a few mappings, which lie 64 KiB apart.
    let main = main.replacen("(local.set $fd", "(drop (memory.grow (i32.const 20))) (local.set $fd", 1);
    let program = program("many", MMAP, MAP, &main);
    for (on, engine) in Engine::all() {
        let mut limits = Limits::default();
        limits.mappings = 3;
        let ran = Guest::new(&program, engine, with_file()).limits(limits).run();
        assert_eq!(ran.ended, Ended::Exit(3), "{on}");
    }
}

/// A guest that takes itself for CPython: it calls functions of 0 to 4 parameters through the trampoline, first by the import and then by
/// the table's slot that it was told.
#[test]
fn the_trampoline_drops_what_a_function_does_not_take() {
    let text = r#"(module
        (import "env" "_PyEM_TrampolineCall_JS" (func $call (param i32 i32 i32 i32) (result i32)))
        (type $slot (func (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (table (export "__indirect_function_table") 8 funcref)
        (elem (i32.const 1) $f0 $f1 $f2 $f3 $f4)
        (global (export "_PyRuntime") i32 (i32.const 1024))
        (global (export "_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET") i32 (i32.const 512))
        (data (i32.const 512) "\08\00\00\00")
        (global $limit (mut i32) (i32.const 0))
        (func (export "emscripten_stack_get_base") (result i32) (i32.const 9000000))
        (func (export "emscripten_stack_set_limits") (param i32 i32) (global.set $limit (local.get 1)))
        (func (export "malloc") (param i32) (result i32) (i32.const 2048))
        (func $f0 (result i32) (i32.const 7))
        (func $f1 (param i32) (result i32) (local.get 0))
        (func $f2 (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
        (func $f3 (param i32 i32 i32) (result i32) (i32.add (i32.add (local.get 0) (local.get 1)) (local.get 2)))
        (func $f4 (param i32 i32 i32 i32) (result i32) (i32.const 99))
        (func $both (param $f i32) (param $wanted i32)
            (if (i32.ne (call $call (local.get $f) (i32.const 1) (i32.const 20) (i32.const 300)) (local.get $wanted)) (then unreachable))
            (i32.store (i32.const 600) (i32.const 5))
            (if (i32.ne (local.get $wanted)
                (call_indirect (type $slot) (i32.const 600) (local.get $f) (i32.const 1) (i32.const 20) (i32.const 300)
                    (i32.load (i32.const 1032)))) (then unreachable)))
        (func (export "Py_BytesMain") (param i32 i32) (result i32)
            (if (i32.ne (global.get $limit) (i32.const 6902848)) (then unreachable))
            (call $both (i32.const 1) (i32.const 7))
            (call $both (i32.const 2) (i32.const 1))
            (call $both (i32.const 3) (i32.const 21))
            (call $both (i32.const 4) (i32.const 321))
            (if (i32.ne (i32.load (i32.const 600)) (i32.const 5)) (then unreachable))
            (call $both (i32.const 5) (i32.const 0))
            (i32.load (i32.const 600))))"#;
    let program = Program::new("snake", wat::parse_str(text).unwrap());
    for engine in [Engine::wasmtime(), Engine::wasmtime_async()] {
        let ran = Guest::new(&program, engine, tree()).run();
        // The last one was told that it failed.
        assert_eq!(ran.ended, Ended::Exit(0), "{}", ran.stderr);
    }
}

#[test]
fn signals_reach_their_handler() {
    let imports = r#"(import "env" "__call_sighandler" (func $raise (param i32 i32)))"#;
    let items = "(global $seen (mut i32) (i32.const 0)) (elem (i32.const 2) $handler) (func $handler (param i32) (global.set $seen (local.get 0)))";
    ends(&program("signal", imports, items, "(call $raise (i32.const 2) (i32.const 15)) (global.get $seen)"), 15);
}

#[test]
fn main_gets_its_arguments() {
    // The sum of the first letters, and a null behind the last argument.
    let main = "(if (i32.load (i32.add (local.get $argv) (i32.mul (local.get $argc) (i32.const 4)))) (then unreachable))
        (i32.add (i32.mul (local.get $argc) (i32.const 1000))
            (i32.add (i32.load8_u (i32.load (local.get $argv))) (i32.load8_u (i32.load offset=4 (local.get $argv)))))";
    let program = program("A", r#"(import "env" "abort" (func))"#, "", main);
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, tree()).args(["B"]).run();
        assert_eq!(ran.ended, Ended::Exit(2131), "{on}");
    }
}

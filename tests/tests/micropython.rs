//! MicroPython on the engines: Emscripten's build on each, WASI's on those with exceptions.
#![forbid(unsafe_code)]

use std::sync::Arc;

use stratafs::stream::BytesInput;
use stratafs::{Layer, Limits, Namespace, Tree};
use stratafs_tests::guest::{Ended, Engine, Guest, Program, Ran, micropython, micropython_wasi};

/// Each build on each engine that it runs on.
fn builds() -> Vec<(String, &'static Program, Engine)> {
    let exceptions = Engine::all().into_iter().filter(|(_, engine)| !matches!(engine, Engine::Wasmi));
    let wasi = exceptions.map(|(on, engine)| (format!("WASI's on {on}"), micropython_wasi(), engine));
    Engine::all().into_iter().map(|(on, engine)| (format!("Emscripten's on {on}"), micropython(), engine)).chain(wasi).collect()
}

fn tree() -> Namespace {
    let text = |text: &'static str| text.as_bytes().to_vec();
    Tree::new(Limits::default())
        .layer("/work", Layer::Memory)
        .layer("/", Layer::Memory)
        .file("/lib/beside.py", text("X = 5\n"))
        .file("/main.py", text("import sys\nprint(sys.argv)\nprint(open('/lib/beside.py').read())\nsys.exit(3)\n"))
        .build()
        .unwrap()
}

fn with<'a>(program: &'a Program, engine: Engine, args: &[&str]) -> Guest<'a> {
    Guest::new(program, engine, tree()).args(args)
}

/// Runs code everywhere.
fn code(code: &str, check: impl Fn(&str, Ran)) {
    for (on, program, engine) in builds() {
        check(&on, with(program, engine, &["-c", code]).run());
    }
}

#[test]
fn scripts_read_and_write_files_and_end_with_their_code() {
    for (on, program, engine) in builds() {
        let ran = with(program, engine, &["/main.py", "a", "b"]).run();
        assert_eq!(
            (ran.ended, ran.stdout.as_str()),
            (Ended::Exit(3), "['/main.py', 'a', 'b']\nX = 5\n\n"),
            "{on}: {}",
            ran.stderr
        );
    }
    let many = "\
import os
for i in range(200):
    with open('/work/%d' % i, 'w') as f: f.write('x' * i)
print(len(os.listdir('/work')), sum(os.stat('/work/%d' % i)[6] for i in range(200)))
for i in range(200): os.remove('/work/%d' % i)
print(os.listdir('/work'))
";
    code(many, |on, ran| {
        assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Exit(0), "200 19900\n[]\n"), "{on}: {}", ran.stderr)
    });
}

#[test]
fn exceptions_pass_through_many_frames() {
    let thrown = "\
def dive(n):
    try:
        if n == 0: raise KeyError('deep')
        dive(n - 1)
    finally:
        done.append(n)
done = []
for i in range(200):
    try: dive(20)
    except KeyError as error: pass
print(len(done), sum(x for x in done))
def g():
    try:
        while True:
            try: yield 1 // 0
            except ZeroDivisionError: yield 'again'
    finally: print('closed')
i = g(); print(next(i), next(i)); i.close()
";
    code(thrown, |on, ran| {
        assert_eq!(
            (ran.ended, ran.stdout.as_str()),
            (Ended::Exit(0), "4200 42000\nagain again\nclosed\n"),
            "{on}: {}",
            ran.stderr
        );
    });
}

#[test]
fn deep_recursion_is_an_error_of_python() {
    let deep = "\
class A:
    def __repr__(self): return repr([self])
    def __add__(self, other): return sorted([3, 1], key=lambda _: self + other)
def f(): f()
for deep in (f, A().__repr__, lambda: A() + 1):
    try: deep()
    except RuntimeError as error: print(error)
x = []
for _ in range(3000): x = [x]
import json
for deep in (repr, json.dumps):
    try: deep(x)
    except RuntimeError as error: print(error)
";
    code(deep, |on, ran| {
        let wanted = "maximum recursion depth exceeded\n".repeat(5);
        assert_eq!((ran.ended, ran.stdout), (Ended::Exit(0), wanted), "{on}: {}", ran.stderr);
    });
}

#[test]
fn it_is_stopped_while_it_computes_and_while_it_sleeps() {
    for endless in ["while True: pass", "import time\ntime.sleep(3600)", "def f(x):\n  while True: pass\nsorted([1, 2], key=f)"] {
        for (on, program, engine) in builds() {
            let code = format!("print('so')\n{endless}");
            let ran = with(program, engine, &["-c", &code]).run_until_it_speaks();
            assert_eq!(ran.ended, Ended::Interrupted, "{on}: {endless}: {}", ran.stderr);
        }
    }
}

#[test]
fn standard_input_is_the_program() {
    for (on, program, engine) in builds() {
        let ran = with(program, engine, &[]).stdin(Arc::new(BytesInput::new("print(6 * 7)\n"))).run();
        assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Exit(0), "42\n"), "{on}: {}", ran.stderr);
    }
}

#[test]
fn memory_is_bounded() {
    for (on, program, engine) in builds() {
        let big = "try: bytearray(1 << 25)\nexcept MemoryError: print('MemoryError')";
        let ran = with(program, engine, &["-c", big]).memory(32 << 20).run();
        assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Exit(0), "MemoryError\n"), "{on}: {}", ran.stderr);
    }
}

#[test]
fn a_function_of_the_embedder_that_is_not_there_is_named() {
    let code = "import host\nprint(host.call('triple', '{}'))";
    for (on, engine) in Engine::all().into_iter().filter(|(_, engine)| !matches!(engine, Engine::Wasmi)) {
        let said = with(micropython_wasi(), engine, &["-c", code]).run().ok();
        let wanted = r#"{"ok":false,"error":"NotImplementedError: stratafs provides no host function 'triple' (host.call)"}"#;
        assert_eq!(said.trim_end(), wanted, "{on}");
    }
}

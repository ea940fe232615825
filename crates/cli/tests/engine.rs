//! The cache, the trace and the engines.

mod common;

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use common::{Scratch, cache, finish, wait};

/// A command module without imports whose `_start` traps or returns: small enough to compile in no time.
fn module(start: &[u8]) -> Vec<u8> {
    let mut bytes =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\x07\x13\x02\x06_start\0\0\x06memory\x02\0".to_vec();
    let size = u8::try_from(start.len()).unwrap();
    bytes.extend_from_slice(&[0x0a, size + 4, 1, size + 2, 0]);
    bytes.extend_from_slice(start);
    bytes.push(0x0b);
    bytes
}

fn images(cache: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache.join("compiled")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_module_is_compiled_once_and_read_no_more_until_it_changes() {
    let scratch = Scratch::new();
    let path = scratch.file("m.wasm", module(&[]));
    let own = scratch.path("cache");
    let run = || finish(scratch.stratafs(&["run", "m.wasm"]).env("STRATAFS_CACHE", &own));
    // A file that changed just now is looked at again; once it has settled it is remembered.
    while !own.exists() || images(&own, "known").is_empty() {
        assert_eq!(run().code, Some(0));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!((images(&own, "image").len(), mode(&own), mode(&own.join("compiled"))), (1, 0o700, 0o700));
    let accessed = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let image = accessed(&images(&own, "image")[0]);
    assert_eq!(run().code, Some(0));
    assert_eq!(accessed(&images(&own, "image")[0]), image, "it was not compiled again");
    std::fs::write(&path, module(&[0])).unwrap();
    let done = run();
    assert_eq!(
        (done.code, done.err.as_str()),
        (Some(134), "stratafs: the guest trapped: wasm `unreachable` instruction executed\n")
    );
    std::fs::write(&path, "no module").unwrap();
    assert_eq!(run().code, Some(2));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(run().code, Some(2));
    // Without the image the record alone starts nothing.
    std::fs::write(&path, module(&[])).unwrap();
    for image in images(&own, "image") {
        std::fs::write(image, "damaged").unwrap();
    }
    assert_eq!(run().code, Some(0), "a damaged image is made anew");
}

#[test]
fn a_cache_that_others_can_write_is_refused_and_its_parts_are_closed() {
    let scratch = Scratch::new();
    scratch.file("m.wasm", module(&[]));
    let own = scratch.path("cache");
    std::fs::create_dir_all(own.join("compiled")).unwrap();
    let run = || finish(scratch.stratafs(&["run", "m.wasm"]).env("STRATAFS_CACHE", &own));
    for path in [own.clone(), own.join("compiled")] {
        std::fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    }
    let done = run();
    assert_eq!((done.code, done.err.lines().count()), (Some(2), 1), "{done:?}");
    assert!(done.err.contains("can be written by other users; set STRATAFS_CACHE to another"), "{done:?}");
    assert!(images(&own, "image").is_empty());
    std::fs::set_permissions(&own, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run().code, Some(0));
    assert_eq!((mode(&own), mode(&own.join("compiled"))), (0o755, 0o700));
    let file = scratch.file("file", "");
    let done = finish(scratch.stratafs(&["run", "m.wasm"]).env("STRATAFS_CACHE", &file));
    assert!(done.code == Some(2) && done.err.contains("is not a directory"), "{done:?}");
}

#[test]
fn two_first_starts_at_once_share_the_work() {
    let scratch = Scratch::new();
    scratch.says(&["-c", "pass"]);
    let own = scratch.path("cache");
    std::fs::create_dir_all(own.join("runtimes")).unwrap();
    std::fs::copy(cache().join("runtimes/python-3.12.0.wasm"), own.join("runtimes/python-3.12.0.wasm")).unwrap();
    let starts: Vec<_> =
        (0..2).map(|n| scratch.python(&["-c", &format!("print({n})")]).env("STRATAFS_CACHE", &own).spawn().unwrap()).collect();
    let mut compiled = 0;
    for (n, child) in starts.into_iter().enumerate() {
        let done = wait(child);
        assert_eq!((done.code, done.out), (Some(0), format!("{n}\n")));
        assert!(
            done.err.lines().all(|line| line.starts_with("stratafs: ") && line.ends_with(" python-3.12.0.wasm, once")),
            "{}",
            done.err
        );
        compiled += done.err.matches("stratafs: compiling ").count();
    }
    assert_eq!((compiled, images(&own, "image").len()), (1, 1));
}

#[test]
fn a_damaged_runtime_is_not_compiled() {
    let scratch = Scratch::new();
    let own = scratch.path("cache/runtimes");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::File::create(own.join("python-3.12.0.wasm")).unwrap().set_len(26_267_204).unwrap();
    let done = finish(scratch.python(&["-c", "pass"]).env("STRATAFS_CACHE", scratch.path("cache")));
    assert!(
        done.code == Some(2) && done.err.contains("python-3.12.0.wasm is damaged") && done.err.lines().count() == 1,
        "{done:?}"
    );
}

/// `name(…) = result <n µs>`, or `= ?` for a call that does not return.
fn is_call(line: &str) -> bool {
    let Some((call, time)) = line.strip_suffix(" µs>").and_then(|line| line.rsplit_once(" <")) else { return false };
    let Some((name, rest)) = call.split_once('(') else { return false };
    name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && rest.contains(") = ") && time.parse::<u64>().is_ok()
}

#[test]
fn the_trace_has_one_decoded_line_for_each_call() {
    let scratch = Scratch::new();
    let code = "open('/etc/motd').read()\ntry: open('/none')\nexcept OSError: print('none')";
    for engine in ["wasmtime", "wasmi"] {
        assert_eq!(scratch.says(&["--engine", engine, "--trace=trace", "-c", code]), "none\n");
        let trace = scratch.read("trace");
        let wrong: Vec<_> = trace.lines().filter(|line| !is_call(line)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let has = |start: &str, middle: &str| trace.lines().any(|line| line.starts_with(start) && line.contains(middle));
        assert!(has("path_open(3, SYMLINK_FOLLOW, \"etc/motd\", 0, ", " = 0 [opened=4] <"), "{trace}");
        assert!(has("path_open(3, SYMLINK_FOLLOW, \"none\", ", " = ENOENT (no such file or directory) <"), "{trace}");
        assert!(has("fd_read(4, [", " = 0 [nread=") && has("fd_write(1, [5 bytes]", " = 0 [nwritten=5] <"), "{trace}");
    }
    let done = finish(&mut scratch.python(&["--trace", "-c", "raise SystemExit(3)"]));
    assert_eq!((done.code, done.out.as_str()), (Some(3), ""));
    assert!(done.err_lines().iter().all(|line| is_call(line)), "{done:?}");
    assert!(done.err_lines().last().is_some_and(|line| line.starts_with("proc_exit(3) = ?")), "{done:?}");
}

#[test]
fn the_summary_counts_calls_and_errors() {
    let scratch = Scratch::new();
    for trace in [&["--trace-summary"][..], &["--trace-summary", "--trace=trace"]] {
        let done = finish(&mut scratch.python(&[trace, &["-c", "for _ in range(50): open('/etc/motd').close()"]].concat()));
        let rows: Vec<Vec<&str>> = done.err_lines().iter().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["calls", "errors", "total", "µs", "mean", "µs", "function"], "{done:?}");
        let row = |name| rows.iter().find(|row| row.last() == Some(&name)).unwrap_or_else(|| panic!("{name}: {done:?}"));
        assert!(row("path_open")[0].parse::<u32>().unwrap() >= 50, "{done:?}");
        assert!(row("path_filestat_get")[1].parse::<u32>().unwrap() > 0, "{done:?}");
        assert!(row("fd_close")[0].parse::<u32>().unwrap() >= 50);
    }
    assert!(scratch.read("trace").lines().count() > 50);
}

#[test]
fn nothing_is_made_for_a_module_that_does_not_compile() {
    let scratch = Scratch::new();
    // `_start` leaves a number behind: sound to look at, refused by validation.
    scratch.file("invalid.wasm", module(&[0x41, 0]));
    scratch.file("script.py", "");
    for engine in ["wasmtime", "wasmi"] {
        for args in [&["run", "invalid.wasm"][..], &["python", "--runtime", "invalid.wasm", "script.py"]] {
            let args = [&args[..1], &["--engine", engine, "--trace=trace"], &args[1..]].concat();
            let done = finish(&mut scratch.stratafs(&args));
            assert_eq!((done.code, done.err.lines().count()), (Some(2), 1), "{args:?}: {done:?}");
            assert!(done.err.contains("invalid.wasm is damaged: "), "{done:?}");
            assert!(!scratch.path("trace").exists());
        }
    }
}

#[test]
fn what_stands_after_the_module_is_the_guests() {
    let scratch = Scratch::new();
    scratch.says(&["-c", "pass"]);
    let python = cache().join("runtimes/python-3.12.0.wasm");
    for engine in ["wasmtime", "wasmi"] {
        let args =
            ["run", "--engine", engine, python.to_str().unwrap(), "-c", "import sys; print(sys.argv)", "--help", "--", "--dir"];
        let done = finish(&mut scratch.stratafs(&args));
        assert_eq!(done.out, "['-c', '--help', '--', '--dir']\n", "{done:?}");
    }
}

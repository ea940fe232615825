//! The exit code is the guest's own, or says what stopped it; the last line names it.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use common::{Done, Scratch, feed, finish, wait};
use rustix::process::{Pid, Signal, kill_process};

const ENGINES: [&str; 2] = ["wasmtime", "wasmi"];

#[test]
fn the_guests_own() {
    let scratch = Scratch::new();
    for engine in ENGINES {
        for (code, wanted) in [("0", 0), ("1", 1), ("126", 126), ("200", 200), ("255", 255), ("'bye'", 1)] {
            let done = finish(&mut scratch.python(&["--engine", engine, "-c", &format!("raise SystemExit({code})")]));
            let said = if code == "'bye'" { vec!["bye"] } else { vec![] };
            assert_eq!((done.code, done.err_lines()), (Some(wanted), said), "{code}");
        }
    }
}

fn stopped(done: &Done, code: i32, last: &str) {
    assert_eq!((done.code, done.err_lines().last().copied()), (Some(code), Some(last)), "{done:?}");
    assert!(done.took < Duration::from_secs(60), "{done:?}");
}

#[test]
fn a_trap() {
    let scratch = Scratch::new();
    for engine in ENGINES {
        let done = finish(&mut scratch.python(&["--engine", engine, "-c", "import os; os.abort()"]));
        stopped(&done, 134, "stratafs: the guest trapped: wasm `unreachable` instruction executed");
    }
}

#[test]
fn the_timeout_reaches_a_guest_that_computes_sleeps_or_reads() {
    let scratch = Scratch::new();
    for engine in ENGINES {
        for code in ["while True: pass", "import time; time.sleep(1000)", "input()"] {
            let mut command = scratch.python(&["--engine", engine, "--timeout", "1.5s", "-c", code]);
            // The end that is written to stays open: reading waits.
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            let held = child.stdin.take();
            stopped(&wait(child), 124, "stratafs: stopped after 1500 ms (--timeout)");
            drop(held);
        }
    }
    let done = finish(&mut scratch.python(&["--timeout", "1h", "-c", "print('in time')"]));
    assert_eq!((done.code, done.out.as_str()), (Some(0), "in time\n"));
}

#[test]
fn ctrl_c_reaches_a_guest_that_computes_sleeps_or_reads() {
    let scratch = Scratch::new();
    for engine in ENGINES {
        for code in ["while True: pass", "import time; time.sleep(1000)", "input()"] {
            let code = format!("print('ready', flush=True)\n{code}");
            let mut child = scratch.python(&["--engine", engine, "-c", &code]).stdin(Stdio::piped()).spawn().unwrap();
            let held = child.stdin.take();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            stopped(&wait(child), 130, "stratafs: interrupted");
            drop(held);
        }
    }
}

#[test]
fn limits_that_stop_the_run() {
    let scratch = Scratch::new();
    for engine in ENGINES {
        let done =
            finish(&mut scratch.python(&["--engine", engine, "--limit", "output=2K", "-c", "while True: print('x' * 99)"]));
        stopped(&done, 134, "stratafs: stopped by --limit output=2K");
        assert_eq!(done.out.len(), 2048);
        let code = "import sys\nwhile True: sys.stderr.write('x' * 99 + '\\n')";
        let done = finish(&mut scratch.python(&["--engine", engine, "--limit", "output=1000", "-c", code]));
        assert_eq!(done.code, Some(134), "{done:?}");
        assert!(done.err.ends_with("stratafs: stopped by --limit output=1000\n"), "{done:?}");
        let done = finish(&mut scratch.python(&["--engine", engine, "--limit", "memory=64M", "-c", "'x' * (100 << 20)"]));
        assert_eq!(done.code, Some(1), "{done:?}");
        let lines = done.err_lines();
        assert!(lines.contains(&"MemoryError"), "{done:?}");
        assert_eq!(lines.last(), Some(&"stratafs: the guest asked for more memory than --limit memory=64M"));
        let done = finish(&mut scratch.python(&["--engine", engine, "--limit", "memory=64K", "-c", "pass"]));
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err_lines()[0].ends_with("needs more memory from the start than --limit memory=64K gives it"), "{done:?}");
    }
}

#[test]
fn limits_that_the_guest_sees_as_errors_and_goes_on() {
    let scratch = Scratch::new();
    for (limit, code, said) in [
        ("bytes=1M", "with open('/tmp/x', 'wb', 0) as f:\n  while True: f.write(b'x' * 65536)", "ENOSPC"),
        ("inodes=20", "for i in range(100): open(f'/tmp/{i}', 'w').close()", "ENOSPC"),
        ("fds=10", "files = []\nwhile True: files.append(open('/etc/motd'))", "EMFILE"),
    ] {
        let body = code.replace('\n', "\n  ");
        let code =
            format!("import errno\ntry:\n  {body}\nexcept OSError as e: print(errno.errorcode[e.errno])\nprint('goes on')");
        assert_eq!(scratch.says(&["--limit", limit, "-c", &code]), format!("{said}\ngoes on\n"), "{limit}");
    }
}

#[test]
fn a_closed_pipe_is_an_error_of_the_guests() {
    let scratch = Scratch::new();
    for code in [
        "try:\n  while True: print('x' * 1000)\nexcept BrokenPipeError: import os; os._exit(9)",
        "import os\ntry:\n  while True: os.write(1, b'x' * 1000 + b'\\n')\nexcept BrokenPipeError: os._exit(9)",
    ] {
        let mut child = scratch.python(&["-c", code]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let done = wait(child);
        assert_eq!((done.code, done.err_lines()), (Some(9), vec![]));
    }
    let mut child = scratch.stratafs(&["python", "--help"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = wait(child);
    assert!(!done.err.contains("panicked"), "{done:?}");
}

#[test]
fn closed_streams_do_not_stop_the_start() {
    let scratch = Scratch::new();
    let shell = |redirections: &str| {
        let mut command = std::process::Command::new("/bin/sh");
        let script =
            format!("exec \"$0\" python -c 'import sys; print(len(sys.stdin.read())); sys.stderr.write(\"e\")' {redirections}");
        command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_stratafs")).env("STRATAFS_CACHE", common::cache());
        command.current_dir(scratch.path("")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(&mut command)
    };
    for (redirections, out) in [("<&-", "0\n"), ("2>&-", "0\n"), (">&-", ""), ("<&- >&- 2>&-", "")] {
        let done = shell(redirections);
        assert_eq!((done.code, done.out.as_str()), (Some(0), out), "{redirections}: {done:?}");
    }
}

#[test]
fn standard_input_comes_from_a_pipe() {
    let scratch = Scratch::new();
    for engine in ENGINES {
        let done = feed(&mut scratch.python(&["--engine", engine, "-c", "print(input() + '!')"]), b"hi\n");
        assert_eq!((done.code, done.out.as_str()), (Some(0), "hi!\n"));
        let big = "line\n".repeat(100_000);
        let code = "import sys; print(sum(len(line) for line in sys.stdin))";
        let done = feed(&mut scratch.python(&["--engine", engine, "-c", code]), big.as_bytes());
        assert_eq!((done.code, done.out.as_str()), (Some(0), "500000\n"));
    }
}

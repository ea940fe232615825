//! The C programs of `fixtures/guests` on every engine and over several trees, against what the same source does on Linux.
#![forbid(unsafe_code)]

use std::fs;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stratafs::stream::{CapturedOutput, Readiness, Stream};
use stratafs::{Layer, Limits, Outcome, Result, Stat, Tree};
use stratafs_conformance::real;
use stratafs_tests::guest::trees::{BASE, archive, difference, tree, trees};
use stratafs_tests::guest::{Ended, Engine, Guest, Native, Program};

/// The programs that say what they do and work in the directory that they are given.
const TALKERS: [&str; 10] = [
    "append_truncate",
    "fcntl_dup",
    "links_stat",
    "open_flags",
    "paths",
    "poll_clock",
    "readdir",
    "rename_unlink",
    "stdio",
    "vectored_io",
];

fn compare(name: &str) {
    let program = Program::fixture(name);
    let (wanted, code) = Native::compile(name).run(&[], &[]);
    assert_eq!(code, Some(0), "{name} on Linux:\n{wanted}");
    let mut wrong = Vec::new();
    for (tree, ns, _keep) in trees() {
        for (on, engine) in Engine::all() {
            let ran = Guest::new(&program, engine, ns.clone()).args([BASE]).run();
            let what = format!("{name} on {on} over {tree}");
            if let Some(line) = difference(&ran.stdout, &wanted) {
                wrong.push(format!("{what}: {line}"));
            } else if ran.ended != Ended::Exit(0) || !ran.stderr.is_empty() {
                wrong.push(format!("{what}: {:?} {}", ran.ended, ran.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

macro_rules! as_on_linux {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            compare(stringify!($name));
        })*

        #[test]
        fn none_is_left_out() {
            let compared = [$(stringify!($name)),*];
            assert_eq!(compared, TALKERS);
            let others = ["args_env_exit", "fds", "fill", "flood", "grow", "spin", "wasi_raw"];
            for entry in fs::read_dir(Program::fixtures()).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let Some(name) = name.strip_suffix(".wasm") else { continue };
                assert!(compared.contains(&name) || others.contains(&name), "{name} is not run by any test");
            }
        }
    };
}

as_on_linux!(append_truncate fcntl_dup links_stat open_flags paths poll_clock readdir rename_unlink stdio vectored_io);

#[test]
fn wasi_as_specified() {
    let program = Program::fixture("wasi_raw");
    let text = fs::read_to_string(Program::fixtures().join("expected/wasi_raw.txt")).unwrap();
    let wanted: String = text.lines().filter(|line| !line.starts_with("##")).map(|line| format!("{line}\n")).collect();
    let mut wrong = Vec::new();
    for (tree, ns, _keep) in trees() {
        for (on, engine) in Engine::all() {
            let ran = Guest::new(&program, engine, ns.clone()).args([BASE, "exit=-1"]).run();
            if let Some(line) = difference(&ran.stdout, &wanted) {
                wrong.push(format!("wasi_raw on {on} over {tree}: {line}"));
            } else if ran.ended != Ended::Exit(u32::MAX) {
                wrong.push(format!("wasi_raw on {on} over {tree}: {:?} {}", ran.ended, ran.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn arguments_environment_and_exit_codes() {
    let program = Program::fixture("args_env_exit");
    let native = Native::compile("args_env_exit");
    let env = [("GUEST_B", "two words"), ("GUEST_A", "1"), ("OTHER", "x")];
    for code in ["0", "1", "126", "127", "200", "255"] {
        let args = ["word", "two words", "", "ü", &format!("exit={code}")];
        let (wanted, on_linux) = native.run(&args, &env);
        for (on, engine) in Engine::all() {
            let guest = Guest::new(&program, engine, tree(Layer::Memory)).args([BASE]).args(args);
            let ran = env.iter().fold(guest, |guest, (name, value)| guest.env(name, value)).run();
            assert_eq!(difference(&ran.stdout, &wanted), None, "{on}");
            assert_eq!(Some(ran.ended), on_linux.map(|code| Ended::Exit(u32::try_from(code).unwrap())), "{on}");
            assert_eq!(ran.stderr, "to stderr\n", "{on}");
        }
    }
}

#[test]
fn an_abort_is_a_trap() {
    let program = Program::fixture("args_env_exit");
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, tree(Layer::Memory)).args([BASE, "abort"]).run();
        assert!(matches!(&ran.ended, Ended::Trap(why) if why.contains("unreachable")), "{on}: {:?}", ran.ended);
        assert!(ran.stdout.ends_with("GUEST_SET\"), \"here\") == 0: yes\n"), "{on}: {}", ran.stdout);
    }
}

#[test]
fn a_read_only_tree_refuses_to_be_worked_in() {
    let host = real::scratch().unwrap();
    let program = Program::fixture("open_flags");
    for layer in [Layer::host(host.path()), Layer::ZipBytes("small.zip".to_owned(), archive().into())] {
        for (on, engine) in Engine::all() {
            let ran = Guest::new(&program, engine, tree(layer.clone())).args(["/work"]).run();
            assert_eq!(ran.ended, Ended::Exit(2), "{on} over {layer:?}: {}", ran.stdout);
            assert!(ran.stderr.ends_with("EROFS\n"), "{on} over {layer:?}: {}", ran.stderr);
        }
    }
    assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0);
}

/// Output that tells when the first of it has come.
struct Telling<F> {
    kept: CapturedOutput,
    tell: F,
}

impl<F: Fn() + Send + Sync> Stream for Telling<F> {
    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        let written = self.kept.write(bufs);
        (self.tell)();
        written
    }

    fn readiness(&self) -> Readiness {
        self.kept.readiness()
    }

    fn stat(&self) -> Stat {
        self.kept.stat()
    }
}

#[test]
fn a_guest_that_computes_is_stopped() {
    let program = Program::fixture("spin");
    for (on, engine) in Engine::all() {
        let guest = Guest::new(&program, engine, tree(Layer::Memory));
        let stop = guest.stopper();
        let kept = CapturedOutput::new(u64::MAX);
        // From another thread, so that the guest is computing again by then.
        let tell = move || {
            let stop = stop.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                stop();
            });
        };
        let ran = guest.stdout(Arc::new(Telling { kept: kept.clone(), tell })).run();
        assert_eq!((ran.ended, kept.text().as_str()), (Ended::Interrupted, "spinning\n"), "{on}");
    }
}

#[test]
fn a_guest_that_computes_is_stopped_by_its_timeout() {
    let program = Program::fixture("spin");
    for (on, engine) in Engine::all() {
        let start = Instant::now();
        let ran = Guest::new(&program, engine, tree(Layer::Memory)).timeout(Duration::from_millis(150)).run();
        assert_eq!(ran.ended, Ended::Interrupted, "{on}");
        assert!(start.elapsed() >= Duration::from_millis(150), "{on}");
        assert!(start.elapsed() < Duration::from_secs(10), "{on} took {:?}", start.elapsed());
    }
}

#[test]
fn a_guest_that_was_stopped_before_its_start_does_nothing() {
    for name in ["spin", "flood"] {
        let program = Program::fixture(name);
        for (on, engine) in Engine::all() {
            let guest = Guest::new(&program, engine, tree(Layer::Memory));
            guest.stopper()();
            let ran = guest.run();
            assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Interrupted, ""), "{name} on {on}");
        }
    }
}

#[test]
fn memory_ends_at_its_limit_and_the_guest_goes_on() {
    let program = Program::fixture("grow");
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, tree(Layer::Memory)).args(["64"]).memory(32 << 20).run();
        assert!(ran.memory_limit_reached, "{on}");
        let mib: u32 = ran.ok().trim_end().strip_suffix(" MiB").unwrap().parse().unwrap();
        assert!((4..16).contains(&mib), "{on}: {mib} MiB");
    }
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, tree(Layer::Memory)).args(["4"]).memory(32 << 20).run();
        assert!(!ran.memory_limit_reached, "{on}");
        assert_eq!(ran.ok(), "4 MiB\n", "{on}");
    }
}

#[test]
fn output_ends_at_its_limit() {
    let program = Program::fixture("flood");
    for (on, engine) in Engine::all() {
        let mut limits = Limits::default();
        limits.output = 10_000;
        let ran = Guest::new(&program, engine, tree(Layer::Memory)).args(["1"]).limits(limits).run();
        assert_eq!((ran.ended, ran.stdout.len()), (Ended::Exit(1), 10_000), "{on}");
        assert_eq!(ran.stderr, "10000 bytes, then ENOSPC\n", "{on}");
    }
}

#[test]
fn a_full_disk_gives_enospc_and_the_guest_goes_on() {
    let program = Program::fixture("fill");
    let wanted = Native::compile("fill").run(&["1"], &[]).0;
    assert!(wanted.contains("the last write: went"), "{wanted}");
    let lower = real::scratch().unwrap();
    for layer in [Layer::Memory, Layer::Overlay(vec![Layer::host(lower.path())])] {
        for (on, engine) in Engine::all() {
            let mut limits = Limits::default();
            (limits.bytes, limits.inodes) = (4 << 20, 500);
            let ns = Tree::new(limits.clone()).layer("/work", layer.clone()).build().unwrap();
            let ran = Guest::new(&program, engine, ns).args(["/work", "64"]).limits(limits).run();
            let stderr = ran.stderr.clone();
            let stdout = ran.ok();
            assert!(stdout.contains("the last write: ENOSPC\n"), "{on}: {stdout}");
            assert!(stdout.contains("the last file: ENOSPC\n"), "{on}: {stdout}");
            assert!(!stdout.contains(": NO\n"), "{on} over {layer:?}: {stdout}");
            assert!(stdout.ends_with("after: \"all is well\"\nunlink(\"after\") = 0\nclean\n"), "{on}: {stdout}");
            let bytes: u64 = stderr.split(' ').next().unwrap().parse().unwrap();
            assert!((3 << 20..=4 << 20).contains(&bytes), "{on}: {stderr}");
        }
    }
}

#[test]
fn descriptors_end_at_their_limit() {
    let program = Program::fixture("fds");
    for (tree, ns, _keep) in trees() {
        for (on, engine) in Engine::all() {
            let mut limits = Limits::default();
            limits.fds = 50;
            let stdout = Guest::new(&program, engine, ns.clone()).args([BASE]).limits(limits).run().ok();
            // Three streams and the preopened root are there from the start.
            assert!(stdout.starts_with("46 opened, then EMFILE\n"), "{on} over {tree}: {stdout}");
            assert!(!stdout.contains("NO\n") && stdout.ends_with("clean\n"), "{on} over {tree}: {stdout}");
        }
    }
}

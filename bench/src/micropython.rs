//! MicroPython's loops, which live on `invoke_*`: the npm package's module on stratafs, and under its own JavaScript on Node.js.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use stratafs::stream::CapturedOutput;
use stratafs::{Layer, Limits, Process, Tree};
use stratafs_cli::fetch;
use stratafs_wasmtime::{Ended, Program};
use wasmtime::{Engine, Module};

use crate::calls::Bench;
use crate::section::{Host, Section, Unit};
use crate::strata::{on_a_large_stack, start};

/// Times a loop in a function and one over the variables of the module, each several times, and prints what it has counted and how many microseconds
/// it took.
const PROGRAM: &str = "\
import time
def inside():
    s = 0
    for i in range(1000000): s += i % 7
    return s
module = compile('s = 0\\nfor i in range(1000000): s += i % 7', 'module', 'exec')
for _ in range(5):
    start = time.ticks_us(); counted = inside(); took = time.ticks_diff(time.ticks_us(), start)
    print('function', counted, took)
    start = time.ticks_us(); exec(module); took = time.ticks_diff(time.ticks_us(), start)
    print('module', s, took)
";

/// What a million times `i % 7` come to.
const COUNTED: u64 = 2_999_997;

/// stratafs among the hosts.
pub const STRATAFS: &str = "stratafs, MicroPython";
/// The package's own JavaScript.
pub const NODE: &str = "Node.js, MicroPython";
/// The loops, with the names that they have in the output.
pub const LOOPS: [(&str, &str); 2] =
    [("function", "a million times `s += i % 7` in a function"), ("module", "the same in a module")];

/// The section. The package is that at `$STRATAFS_BENCH_MICROPYTHON`, else npm installs it into `scratch`.
#[must_use]
pub fn section(bench: &Bench, scratch: &Path) -> Section {
    let package = package(scratch);
    let ours = package.clone().and_then(|package| {
        let wasm = package.join("micropython.wasm");
        let module = Module::from_file(&bench.engine, wasm).and_then(Program::new);
        module.map_err(|error| format!("{error:#}"))
    });
    let engine = bench.engine.clone();
    let host = |name, about, said: Box<dyn Fn() -> Result<String, String>>| {
        let round = move |_| {
            let said = said()?;
            LOOPS.into_iter().map(|(key, row)| Ok((row.to_owned(), micros(&said, key)? * 1e3))).collect()
        };
        Host { name, about, round: Box::new(round) }
    };
    Section {
        key: "micropython",
        title: "MicroPython's loops",
        about: "MicroPython for Emscripten, whose bytecode loop lives on `invoke_*`: the same module on stratafs and under its package's JavaScript.",
        unit: Unit::Millis,
        bases: &[NODE],
        rounds: 5,
        hosts: vec![
            host(STRATAFS, "on wasmtime", Box::new(move || guest(&engine, ours.as_ref().map_err(Clone::clone)?))),
            host(NODE, "Node.js and its JIT", Box::new(move || on_node(package.as_ref().map_err(Clone::clone)?))),
        ],
    }
}

/// The median of a loop's times in one run, without the first two, for which a compiler may still be at work.
fn micros(said: &str, key: &str) -> Result<f64, String> {
    let mut times = Vec::new();
    for line in said.lines().filter_map(|line| line.strip_prefix(key)) {
        let mut words = line.split_whitespace();
        let counted: Option<u64> = words.next().and_then(|word| word.parse().ok());
        let took: Option<f64> = words.next().and_then(|word| word.parse().ok());
        match (counted, took) {
            (Some(COUNTED), Some(took)) => times.push(took),
            _ => return Err(format!("the loop said{line}, and should have counted {COUNTED}")),
        }
    }
    if times.len() != 5 {
        return Err(format!("there should be five times: {said}"));
    }
    let mut times = times.split_off(2);
    times.sort_by(f64::total_cmp);
    Ok(times[1])
}

/// The package's directory.
fn package(scratch: &Path) -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("STRATAFS_BENCH_MICROPYTHON") {
        return Ok(given.into());
    }
    let npm = fetch::MICROPYTHON.npm.as_ref().ok_or("npm has no MicroPython")?;
    let mut install = Command::new("npm");
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(scratch);
    run(install.arg(npm.package))?;
    scratch.join(npm.member).parent().map(Path::to_owned).ok_or_else(|| format!("{} is no file in a package", npm.member))
}

fn run(command: &mut Command) -> Result<String, String> {
    let shown = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{shown} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn on_node(package: &Path) -> Result<String, String> {
    // With arguments the package would take itself for a program.
    let script = "const { loadMicroPython } = await import(process.env.LOADER);\n\
                  const python = await loadMicroPython();\n\
                  python.runPython(process.env.PROGRAM);";
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", script]);
    run(node.env("LOADER", package.join("micropython.mjs")).env("PROGRAM", PROGRAM))
}

fn guest(engine: &Engine, program: &Program) -> Result<String, String> {
    let limits = Limits::default();
    let tree = Tree::new(limits.clone()).layer("/", Layer::Memory).build().map_err(|error| error.to_string())?;
    let (out, err) = (Arc::new(CapturedOutput::new(1 << 20)), Arc::new(CapturedOutput::new(1 << 20)));
    let process = Process::builder(tree, limits)
        .args([&b"micropython"[..], b"-c", PROGRAM.as_bytes()])
        .stdout(out.clone())
        .stderr(err.clone())
        .preopen("/")
        .build()
        .map_err(|errno| errno.to_string())?;
    match on_a_large_stack(|| start(engine, program, process))?? {
        Ended::Exit(0) => Ok(out.text()),
        ended => Err(format!("{ended:?}: {}", err.text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_counts_wrong_is_noticed() {
        let said = |counted: u64| format!("function {counted} 20\n").repeat(5);
        assert_eq!(micros(&said(COUNTED), "function"), Ok(20.0));
        assert!(micros(&said(COUNTED + 1), "function").is_err() && micros(&said(COUNTED), "module").is_err());
    }
}

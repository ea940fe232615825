//! MicroPython's loops, which live on `invoke_*`: the npm package's module on stratafs, and under its own JavaScript on Node.js.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use stratafs::stream::CapturedOutput;
use stratafs::{Layer, Limits, Process, Tree};
use stratafs_wasmtime::{Ended, Guest, MAX_WASM_STACK, link_emscripten_sync, link_sync};
use tempfile::TempDir;
use wasmtime::{Engine, Linker, Module, Store};

/// What is installed; both sides run its `micropython.wasm`.
const PACKAGE: &str = "@micropython/micropython-webassembly-pyscript";
const VERSION: &str = "1.27.0";

/// How often each side is started, in turn.
const ROUNDS: usize = 5;

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

/// The loops, with the names that they have in the output.
const LOOPS: [(&str, &str); 2] =
    [("function", "MicroPython: 1e6 × s += i % 7 in a function"), ("module", "MicroPython: the same in a module")];

/// A label, and the median in nanoseconds: of each loop on stratafs, then on Node.js.
///
/// The package is that at `$STRATAFS_BENCH_MICROPYTHON`, else npm installs it.
///
/// # Errors
/// What failed; a loop that counted wrong.
pub fn rows() -> Result<Vec<(String, f64)>, String> {
    let (package, _installed) = package()?;
    let wasm = std::fs::read(package.join("micropython.wasm")).map_err(|error| format!("{}: {error}", package.display()))?;
    let engine = Engine::new(&stratafs_wasmtime::config()).map_err(|error| format!("{error:#}"))?;
    let module = Module::new(&engine, &wasm).map_err(|error| format!("{error:#}"))?;
    let program = stratafs_wasmtime::Program::new(module).map_err(|error| format!("{error:#}"))?;
    let (mut ours, mut node) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(on_stratafs(&engine, &program)?);
        node.push(on_node(&package)?);
    }
    let mut rows = Vec::new();
    for (key, label) in LOOPS {
        for (host, said) in [("stratafs", &ours), ("node", &node)] {
            let times = said.iter().map(|said| micros(said, key)).collect::<Result<Vec<_>, _>>()?;
            rows.push((format!("{label}, {host}"), median(times) * 1e3));
        }
    }
    Ok(rows)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
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
    Ok(median(times.split_off(2)))
}

/// The package's directory, and what must outlive its use.
fn package() -> Result<(PathBuf, Option<TempDir>), String> {
    if let Some(given) = std::env::var_os("STRATAFS_BENCH_MICROPYTHON") {
        return Ok((given.into(), None));
    }
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(dir.path());
    run(npm.arg(format!("{PACKAGE}@{VERSION}")))?;
    Ok((dir.path().join("node_modules").join(PACKAGE), Some(dir)))
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

fn on_stratafs(engine: &Engine, program: &stratafs_wasmtime::Program) -> Result<String, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(MAX_WASM_STACK + (2 << 20));
        let thread = thread.spawn_scoped(scope, || guest(engine, program)).map_err(|error| error.to_string())?;
        thread.join().unwrap_or_else(|_| Err("the guest's thread panicked".to_owned()))
    })
}

fn guest(engine: &Engine, program: &stratafs_wasmtime::Program) -> Result<String, String> {
    let limits = Limits::default();
    let tree = Tree::new(limits.clone()).layer("/", Layer::Memory).build().map_err(|error| error.to_string())?;
    let (out, err) = (CapturedOutput::new(1 << 20), CapturedOutput::new(1 << 20));
    let process = Process::builder(tree, limits)
        .args([&b"micropython"[..], b"-c", PROGRAM.as_bytes()])
        .stdout(Arc::new(out.clone()))
        .stderr(Arc::new(err.clone()))
        .preopen("/")
        .build()
        .map_err(|errno| errno.to_string())?;
    let mut store = Store::new(engine, Guest::new(process));
    stratafs_wasmtime::interruptible(&mut store, |guest| guest);
    let mut linker = Linker::new(engine);
    let linked = link_sync(&mut linker, |guest: &mut Guest| guest)
        .and_then(|()| link_emscripten_sync(&mut linker, |guest: &mut Guest| guest));
    let made = linked.and_then(|()| program.instantiate(&linker, &mut store, |guest| guest));
    let instance = made.map_err(|error| format!("{error:#}"))?;
    match stratafs_wasmtime::start(&mut store, &instance) {
        Ended::Exit(0) => Ok(out.text()),
        ended => Err(format!("{ended:?}: {}", err.text())),
    }
}

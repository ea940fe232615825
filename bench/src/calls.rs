//! Who runs the program: each host makes a fresh tree, lets the program set it up, and runs its rows there.

use std::path::Path;
use std::process::{Command, Stdio};

use wasmtime::{Engine, Module};

use crate::strata::{self, Root};
use crate::wasi;

/// The name of the native program among the hosts.
pub const NATIVE: &str = "native";
/// The name of stratafs's memory layer among the hosts.
pub const MEMFS: &str = "memfs";
/// The name of wasmtime's own WASI that makes its kernel calls on the guest's thread.
pub const WASI_BLOCKING: &str = "wasmtime-wasi, blocking";

/// Where host directories are made: a tmpfs, so that the kernel is measured and not a disk.
pub const TMPFS: &str = "/dev/shm";

/// What the program printed to standard error, or why it did not run.
pub type Output = Result<String, String>;

/// Runs one round: a fresh tree, `setup`, then the mode that is given (`rows`, and further arguments).
pub type Round = Box<dyn Fn(&[&str]) -> Output>;

/// Someone who runs the program.
pub struct Host {
    /// What the table calls it.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// A host that is read-only runs `reads` where `rows` are asked for.
    pub round: Round,
}

/// The compiled program.
#[derive(Clone)]
pub struct Program {
    /// The engine that all wasm hosts of this process share.
    pub engine: Engine,
    /// The program.
    pub module: Module,
}

impl Program {
    /// Compiles the program.
    ///
    /// # Errors
    /// The engine's.
    pub fn compile() -> wasmtime::Result<Self> {
        let engine = Engine::new(&stratafs_wasmtime::config())?;
        let module = Module::new(&engine, include_bytes!("../../fixtures/bench/bench.wasm"))?;
        Ok(Program { engine, module })
    }
}

/// All hosts. `scratch` keeps what is built for them.
#[must_use]
pub fn all(program: &Program, scratch: &Path) -> Vec<Host> {
    let strata = |name, about, root: Root| {
        let program = program.clone();
        Host { name, about, round: Box::new(move |mode| strata::round(&program, root, mode)) }
    };
    let wasi = |name, about, blocking| {
        let program = program.clone();
        Host { name, about, round: Box::new(move |mode| wasi::round(&program, blocking, mode)) }
    };
    vec![
        native(scratch),
        strata(MEMFS, "stratafs, a memory layer", Root::Memory),
        strata("overlay, warm", "stratafs, an overlay over a memory layer that has the files", Root::Overlay { cache: true }),
        strata("overlay, cold", "the same, remembering no name that it looked up", Root::Overlay { cache: false }),
        strata("zip", "stratafs, an archive in memory, its members stored", Root::Zip),
        strata("hostfs", "stratafs, a host directory on tmpfs", Root::Host { exclusive: false }),
        strata("hostfs, exclusive", "the same, changed by nobody else", Root::Host { exclusive: true }),
        wasi("wasmtime-wasi", "wasmtime's own WASI on the same directory, as it comes", false),
        wasi(WASI_BLOCKING, "the same with `allow_blocking_current_thread`", true),
        node(),
    ]
}

/// The native program, built by `cc`.
fn native(scratch: &Path) -> Host {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bench/bench.c");
    let binary = scratch.join("bench");
    let built = Command::new("cc").args(["-std=gnu17", "-O2", "-o"]).args([&binary, &source]).output();
    let built = match built {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("cc: {error}")),
    };
    let round = move |mode: &[&str]| {
        built.clone()?;
        in_directory(|dir, args| finish(Command::new(&binary).args(args).current_dir(dir)), mode)
    };
    Host { name: NATIVE, about: "the same source compiled by `cc -O2`, on tmpfs", round: Box::new(round) }
}

fn node() -> Host {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node-wasi.mjs");
    let run = move |dir: &Path, args: &[&str]| {
        let mut command = Command::new("node");
        finish(command.arg("--no-warnings").arg(&script).arg(dir).args(args))
    };
    let round = move |mode: &[&str]| in_directory(&run, mode);
    Host { name: "node:wasi", about: "Node's WASI on a directory on tmpfs", round: Box::new(round) }
}

/// A round in a new directory of the host.
pub(crate) fn in_directory(run: impl Fn(&Path, &[&str]) -> Output, mode: &[&str]) -> Output {
    let dir = tempfile::tempdir_in(TMPFS).map_err(|error| format!("{TMPFS}: {error}"))?;
    run(dir.path(), &["setup"])?;
    run(dir.path(), mode)
}

fn finish(command: &mut Command) -> Output {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{program}: {}: {said}", output.status)) }
}

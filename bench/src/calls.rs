//! File calls of one C program, `fixtures/bench/bench.c`: each host makes a fresh tree, lets the program set it up, and runs its rows there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stratafs_wasmtime::Program;
use wasmtime::{Engine, Module};

use crate::peer::Peer;
use crate::section::{Host, Section, Unit};
use crate::strata::{self, Root};
use crate::{floor, table, wasi};

/// The native program.
pub const NATIVE: &str = "native";
/// stratafs's memory layer.
pub const MEMFS: &str = "memfs";
/// The same as Emscripten's programs see it.
pub const EMSCRIPTEN: &str = "memfs, Emscripten";
/// wasmtime's own WASI that makes its kernel calls on the guest's thread.
pub const WASI_BLOCKING: &str = "wasmtime-wasi, blocking";
/// The WASI of wasmtime's past.
pub const WASI_COMMON: &str = "wasi-common";
/// What no host of wasm programs can be faster than.
pub const FLOOR: &str = "floor";
/// The floor's own row.
pub const HOST_CALL: &str = "an empty host call";

/// The program's rows.
pub const ROWS: [&str; 18] = [
    "open+close",
    "stat",
    "stat, missing",
    "open+fstat+read 4 KiB+close",
    "pread 4 KiB",
    "pwrite 4 KiB",
    "append 1 B",
    "readdir of 1,000, per entry",
    "create+write+close+unlink",
    "rename",
    "mkdir+rmdir",
    "lseek",
    "fstat",
    "clock",
    "write to a sink",
    "write 64 KiB, first touch",
    "write 64 KiB, again",
    "read 64 KiB",
];

/// Where host directories are made: a tmpfs, so that the kernel is measured and not a disk.
pub const TMPFS: &str = "/dev/shm";

/// What the program printed to standard error, or why it did not run.
pub type Output = Result<String, String>;

/// The program, compiled.
#[derive(Clone)]
pub struct Bench {
    /// The engine that all wasm hosts of this process share.
    pub engine: Engine,
    /// As WASI's compiler makes it.
    pub wasi: Module,
    /// As Emscripten makes it.
    pub emscripten: Program,
}

impl Bench {
    /// Compiles the program.
    ///
    /// # Errors
    /// The engine's.
    pub fn compile() -> wasmtime::Result<Self> {
        let engine = Engine::new(&stratafs_wasmtime::config())?;
        let wasi = Module::new(&engine, include_bytes!("../../fixtures/bench/bench.wasm"))?;
        let emscripten = Module::new(&engine, include_bytes!("../../fixtures/bench/bench-emscripten.wasm"))?;
        Ok(Bench { engine, wasi, emscripten: Program::new(emscripten)? })
    }

    /// As stratafs runs it under WASI.
    ///
    /// # Panics
    /// Never: nothing has to stand beside it.
    #[must_use]
    pub fn program(&self) -> Program {
        Program::new(self.wasi.clone()).expect("a WASI program is linked to nothing of ours")
    }
}

/// The file of `fixtures/bench` with that name.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bench").join(name)
}

/// All hosts. `scratch` keeps what is built for them.
#[must_use]
pub fn section(bench: &Bench, scratch: &Path) -> Section {
    let strata = |name, about, program: Program, root: Root| {
        let engine = bench.engine.clone();
        host(name, about, move |mode| strata::round(&engine, &program, root, mode))
    };
    let wasip1 = |name, about, root| strata(name, about, bench.program(), root);
    let wasi = |name, about, blocking| {
        let bench = bench.clone();
        host(name, about, move |mode| in_directory(|dir, args| wasi::bench(&bench, blocking, dir, args), mode))
    };
    let warm = "stratafs, an overlay over a memory layer that has the files";
    let hosts = vec![
        native(scratch),
        wasip1(MEMFS, "stratafs, a memory layer", Root::Memory),
        strata(EMSCRIPTEN, "the same, the program compiled by Emscripten", bench.emscripten.clone(), Root::Memory),
        wasip1("overlay, warm", warm, Root::Overlay { cache: true }),
        wasip1("overlay, cold", "the same, remembering no name that it looked up", Root::Overlay { cache: false }),
        wasip1("zip", "stratafs, an archive in memory, its members stored", Root::Zip),
        wasip1("hostfs", "stratafs, a host directory on tmpfs", Root::Host { exclusive: false }),
        wasip1("hostfs, exclusive", "the same, changed by nobody else", Root::Host { exclusive: true }),
        wasi("wasmtime-wasi", "wasmtime's own WASI on the same directory, as it comes", false),
        wasi(WASI_BLOCKING, "the same with `allow_blocking_current_thread`", true),
        wasi_common(scratch),
        wasmer(),
        node(),
        Host {
            name: FLOOR,
            about: "a host function that does nothing, called by a guest; `memcpy` of the blocks, into fresh ones and into old ones",
            round: Box::new(floor::round),
        },
    ];
    Section {
        key: "calls",
        title: "File calls",
        about: "One C program (`fixtures/bench/bench.c`) times file calls from inside the guest and checks every result. Its files are three \
                directories deep, host directories lie on a tmpfs. A figure is one call's.",
        unit: Unit::Nanos,
        bases: &[NATIVE, WASI_BLOCKING],
        rounds: usize::MAX,
        hosts,
    }
}

/// A host that prints rows when the program is given this mode.
fn host(name: &'static str, about: &'static str, run: impl Fn(&[&str]) -> Output + 'static) -> Host {
    let round = move |quick| {
        let mode: &[&str] = if quick { &["rows", "quick"] } else { &["rows"] };
        run(mode).and_then(|printed| table::parse(&printed))
    };
    Host { name, about, round: Box::new(round) }
}

/// The native program, built by `cc`.
fn native(scratch: &Path) -> Host {
    let binary = scratch.join("bench");
    let built = Command::new("cc").args(["-std=gnu17", "-O2", "-o"]).arg(&binary).arg(fixture("bench.c")).output();
    let built = match built {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("cc: {error}")),
    };
    host(NATIVE, "the same source compiled by `cc -O2`, on tmpfs", move |mode| {
        built.clone()?;
        in_directory(|dir, args| finish(Command::new(&binary).args(args).current_dir(dir)), mode)
    })
}

fn wasi_common(scratch: &Path) -> Host {
    let (peer, took) = (Peer::wasi_common(), scratch.join("took"));
    host(WASI_COMMON, "wasi-common 46, the WASI that wasmtime had, on the same directory", move |mode| {
        let run = |dir: &Path, args: &[&str]| {
            let mut command = peer.as_ref()?.wasi_common_run(&took, &fixture("bench.wasm"));
            finish(command.arg("--dir").arg(dir).args(["/", "--", "bench"]).args(args))
        };
        in_directory(run, mode)
    })
}

fn wasmer() -> Host {
    let peer = Peer::wasmer();
    host("wasmer", "wasmer 7 with its memory filesystem", move |mode| {
        finish(peer.as_ref()?.command().arg(fixture("bench.wasm")).args(mode))
    })
}

fn node() -> Host {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node-wasi.mjs");
    host("node:wasi", "Node's WASI on a directory on tmpfs", move |mode| {
        let run = |dir: &Path, args: &[&str]| finish(Command::new("node").arg("--no-warnings").arg(&script).arg(dir).args(args));
        in_directory(run, mode)
    })
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

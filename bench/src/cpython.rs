//! CPython 3.12: its start, its imports and many small files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use stratafs::stream::CapturedOutput;
use stratafs::{Layer, Limits, Process, Tree};
use stratafs_cli::cache::CacheDir;
use stratafs_cli::fetch;
use stratafs_wasmtime::image::ImageCache;
use stratafs_wasmtime::{Ended, Program};
use wasmtime::{Engine, Module};

use crate::calls::{MEMFS, NATIVE, TMPFS, WASI_BLOCKING, WASI_COMMON};
use crate::peer::Peer;
use crate::section::{Host, Rows, Section, Unit};
use crate::strata::{on_a_large_stack, start};
use crate::wasi;

/// Many small files.
pub const FILES: &str = "2,000 small files";
/// Imports from an archive as Python reads it.
pub const ZIPIMPORT: &str = "20 imports, a zip file (zipimport)";
/// Imports from an archive as stratafs shows it.
pub const TREE: &str = "20 imports, a zip tree";
const HOST: &str = "20 imports, a host directory";
const EMBEDDED: &str = "20 imports, inside the module";

const IMPORTS: &str = "\
import argparse, asyncio, collections, csv, dataclasses, decimal, difflib, email.message, http.client, inspect
import json, logging.config, pathlib, pickle, statistics, tarfile, typing, unittest, xml.etree.ElementTree, zipfile
import sys
print(all(module in sys.modules for module in ('asyncio.base_events', 'email.feedparser', 'zipfile')), len(sys.modules) > 200, end=' ')
print(json.__file__.startswith(sys.argv[1]))
";

const MANY: &str = "\
import os, shutil, sys
root = sys.argv[1]
os.mkdir(root + '/a')
names = ['file-%d' % n for n in range(2000)]
for n, name in enumerate(names):
    with open(f'{root}/a/{name}', 'w') as file:
        file.write(name * 8)
listed = sorted(os.listdir(root + '/a'))
size = 0
for name in names:
    with open(f'{root}/a/{name}') as file:
        text = file.read()
    assert text == name * 8
    size += os.stat(f'{root}/a/{name}').st_size
for name in names:
    os.rename(f'{root}/a/{name}', f'{root}/a/{name}.txt')
shutil.copytree(root + '/a', root + '/b')
copied = len(os.listdir(root + '/b'))
shutil.rmtree(root + '/a')
shutil.rmtree(root + '/b')
print(len(listed), size, copied, os.listdir(root))
";

/// Where the library comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    Embedded,
    ZipFile,
    ZipTree,
    Directory,
}

/// One thing that is timed.
struct Task {
    row: &'static str,
    library: Library,
    script: &'static str,
    /// The last argument.
    arg: &'static str,
    /// What it prints.
    prints: &'static str,
}

const TASKS: [Task; 6] = [
    Task { row: "-c pass", library: Library::Embedded, script: "print(7)", arg: "", prints: "7\n" },
    Task { row: EMBEDDED, library: Library::Embedded, script: IMPORTS, arg: "/usr/local/lib/", prints: "True True True\n" },
    Task {
        row: ZIPIMPORT,
        library: Library::ZipFile,
        script: IMPORTS,
        arg: "/py/lib/python312.zip/",
        prints: "True True True\n",
    },
    Task { row: TREE, library: Library::ZipTree, script: IMPORTS, arg: "/py/lib/python3.12/", prints: "True True True\n" },
    Task { row: HOST, library: Library::Directory, script: IMPORTS, arg: "/py/lib/python3.12/", prints: "True True True\n" },
    Task { row: FILES, library: Library::Embedded, script: MANY, arg: "/work", prints: "2000 135120 2000 []\n" },
];

/// The interpreter, compiled, and its library.
pub struct Python {
    engine: Engine,
    module: Module,
    /// The interpreter's file.
    wasm: PathBuf,
    /// The library's archive.
    zip: PathBuf,
    /// The same, unpacked.
    dir: PathBuf,
}

impl Python {
    /// Fetches and compiles it if nobody has yet, and has it unpack its library into `scratch`.
    ///
    /// # Errors
    /// What went wrong.
    pub fn prepare(engine: &Engine, scratch: &Path) -> Result<Arc<Self>, String> {
        let cache = CacheDir::open().map_err(|error| error.to_string())?;
        let found = fetch::fetched(&fetch::CPYTHON, &cache).map_err(|error| error.to_string())?;
        let bytes = found.bytes().map_err(|error| error.to_string())?;
        let sha256 = stratafs_wasmtime::image::sha256(bytes);
        let compiled = cache.compiled().map_err(|error| error.to_string())?;
        let images = ImageCache::open(&compiled).map_err(|error| error.to_string())?;
        let module = images.load(engine, &sha256).map_or_else(|| images.compile(engine, bytes, &sha256), Ok);
        let module = module.map_err(|error| format!("{error:#}"))?;
        let python = Python {
            engine: engine.clone(),
            module,
            wasm: found.path.clone(),
            zip: scratch.join("python312.zip"),
            dir: scratch.join("python3.12"),
        };
        python.unpack(scratch)?;
        Ok(Arc::new(python))
    }

    /// The interpreter's file.
    #[must_use]
    pub fn wasm(&self) -> &Path {
        &self.wasm
    }

    fn unpack(&self, scratch: &Path) -> Result<(), String> {
        let script = "\
import shutil, zipfile
archive = zipfile.__spec__.loader.archive
shutil.copyfile(archive, '/out/python312.zip')
zipfile.ZipFile(archive).extractall('/out/python3.12')
print('unpacked')
";
        let task = Task { row: "unpack", library: Library::Embedded, script, arg: "", prints: "unpacked\n" };
        let out = Tree::new(Limits::default()).layer("/out", Layer::host_writable(scratch));
        self.strata(out, &task).map(drop)
    }

    /// Nanoseconds of a run on stratafs.
    fn strata(&self, tree: Tree, task: &Task) -> Result<f64, String> {
        let tree = match task.library {
            Library::Embedded => tree,
            Library::ZipFile => {
                tree.file("/py/lib/python312.zip", std::fs::read(&self.zip).map(Bytes::from).map_err(|error| error.to_string())?)
            }
            Library::ZipTree => tree.layer("/py/lib/python3.12", Layer::zip(&self.zip)),
            Library::Directory => tree.layer("/py/lib/python3.12", Layer::host(&self.dir)),
        };
        let (stdout, stderr) = (Arc::new(CapturedOutput::new(1 << 20)), Arc::new(CapturedOutput::new(1 << 20)));
        let program = Program::new(self.module.clone()).map_err(|error| format!("{error:#}"))?;
        let begun = Instant::now();
        let process = Process::builder(tree.build().map_err(|error| error.to_string())?, Limits::default())
            .args(task.args().iter().map(|arg| arg.as_bytes()))
            .envs(task.env().iter().map(|(name, value)| format!("{name}={value}").into_bytes()))
            .stdout(stdout.clone())
            .stderr(stderr.clone())
            .preopen("/")
            .build()
            .map_err(|errno| format!("the process: {errno}"))?;
        let ended = on_a_large_stack(|| start(&self.engine, &program, process))??;
        let took = begun.elapsed();
        match ended {
            Ended::Exit(0) => task.check(&stdout.text()).map(|()| took.as_nanos() as f64),
            ended => Err(format!("{}: {ended:?}: {}", task.row, stderr.text())),
        }
    }

    /// The host directories of a run on WASI that knows no others; none has an archive as a tree.
    fn dirs<'a>(&'a self, task: &Task, scratch: &'a Path) -> Option<Vec<(PathBuf, &'static str)>> {
        let mut dirs = vec![(scratch.join("work"), "/work")];
        match task.library {
            Library::Embedded => {}
            Library::ZipFile => dirs.push((scratch.join("lib"), "/py/lib")),
            Library::ZipTree => return None,
            Library::Directory => dirs.push((self.dir.clone(), "/py/lib/python3.12")),
        }
        Some(dirs)
    }

    /// The directories that tasks use, and a run in them.
    fn on_tmpfs(
        &self,
        task: &Task,
        run: impl FnOnce(Vec<(PathBuf, &'static str)>, &Path) -> Result<f64, String>,
    ) -> Option<Result<f64, String>> {
        let made = || -> std::io::Result<tempfile::TempDir> {
            let scratch = tempfile::tempdir_in(TMPFS)?;
            std::fs::create_dir(scratch.path().join("work"))?;
            std::fs::create_dir(scratch.path().join("lib"))?;
            std::fs::copy(&self.zip, scratch.path().join("lib/python312.zip"))?;
            Ok(scratch)
        };
        let scratch = match made() {
            Ok(scratch) => scratch,
            Err(error) => return Some(Err(format!("{TMPFS}: {error}"))),
        };
        Some(run(self.dirs(task, scratch.path())?, scratch.path()))
    }
}

impl Task {
    fn args(&self) -> [&str; 4] {
        ["python", "-c", self.script, self.arg]
    }

    fn env(&self) -> Vec<(&'static str, &'static str)> {
        let mut env = vec![("PYTHONDONTWRITEBYTECODE", "1")];
        if self.library != Library::Embedded {
            env.push(("PYTHONHOME", "/py"));
        }
        env
    }

    fn check(&self, printed: &str) -> Result<(), String> {
        if printed == self.prints { Ok(()) } else { Err(format!("{}: it printed {printed:?}, not {:?}", self.row, self.prints)) }
    }
}

/// A host that does each task or says that it cannot (`None`). `wrong` expects something else of the row with that name.
fn host(
    name: &'static str,
    about: &'static str,
    wrong: Option<&str>,
    run: impl Fn(&Task) -> Option<Result<f64, String>> + 'static,
) -> Host {
    let wrong = wrong.map(str::to_owned);
    let round = move |_| {
        let mut rows = Rows::new();
        for task in TASKS {
            let prints = if wrong.as_deref() == Some(task.row) { "something else" } else { task.prints };
            if let Some(took) = run(&Task { prints, ..task }) {
                rows.push((task.row.to_owned(), took?));
            }
        }
        Ok(rows)
    };
    Host { name, about, round: Box::new(round) }
}

fn native(task: &Task) -> Option<Result<f64, String>> {
    if !matches!(task.library, Library::Embedded) {
        return None;
    }
    let work = match tempfile::tempdir_in(TMPFS) {
        Ok(work) => work,
        Err(error) => return Some(Err(format!("{TMPFS}: {error}"))),
    };
    let arg = if task.arg == "/work" { work.path().to_str()? } else { "/" };
    let begun = Instant::now();
    let output = Command::new("python3").args(["-c", task.script, arg]).env("PYTHONDONTWRITEBYTECODE", "1").output();
    let took = begun.elapsed().as_nanos() as f64;
    Some(match output {
        Ok(output) => task.check(&String::from_utf8_lossy(&output.stdout)).map(|()| took),
        Err(error) => Err(format!("python3: {error}")),
    })
}

/// All hosts. `wrong` names a row that must fail.
#[must_use]
pub fn section(python: &Arc<Python>, scratch: &Path, wrong: Option<&str>) -> Section {
    let on = python.clone();
    let memfs = move |task: &Task| Some(on.strata(Tree::new(Limits::default()).layer("/work", Layer::Memory), task));
    let on = python.clone();
    let hostfs = move |task: &Task| {
        on.on_tmpfs(task, |dirs, _| {
            let (work, at) = &dirs[0];
            on.strata(Tree::new(Limits::default()).layer(*at, Layer::host_writable(work)), task)
        })
    };
    let wasi = |name, about, blocking| {
        let on = python.clone();
        host(name, about, wrong, move |task| {
            on.on_tmpfs(task, |dirs, _| {
                let dirs = dirs.iter().map(|(host, guest)| (host.as_path(), *guest)).collect();
                let given = wasi::Given { blocking, captured: true, dirs, env: task.env(), args: task.args().to_vec() };
                let begun = Instant::now();
                let wrote = on_a_large_stack(|| wasi::run(&on.engine, &on.module, &given))??;
                let took = begun.elapsed();
                task.check(&wrote.stdout).map(|()| took.as_nanos() as f64)
            })
        })
    };
    let (on, peer, took) = (python.clone(), Peer::wasi_common(), scratch.join("took"));
    let wasi_common = move |task: &Task| {
        on.on_tmpfs(task, |dirs, _| {
            let mut command = peer.as_ref().map_err(Clone::clone)?.wasi_common_run(&took, &on.wasm);
            for (host, guest) in &dirs {
                command.arg("--dir").arg(host).arg(guest);
            }
            task.env().iter().for_each(|(name, value)| _ = command.args(["--env", name, value]));
            let output = command.arg("--").args(task.args()).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
            task.check(&String::from_utf8_lossy(&output.stdout))?;
            let nanos = std::fs::read_to_string(&took).map_err(|error| error.to_string())?;
            nanos.parse().map_err(|_| format!("{nanos:?} is no time"))
        })
    };
    Section {
        key: "cpython",
        title: "CPython 3.12 for WASI",
        about: "From linking the compiled module to its end. The library lies inside the module, in a zip file that Python reads itself, in the same \
                archive as a tree, or unpacked in a host directory. The last row creates, lists, reads, renames, copies and removes files.",
        unit: Unit::Millis,
        bases: &[WASI_BLOCKING],
        rounds: 5,
        hosts: vec![
            host(NATIVE, "this machine's `python3` with its own library, from its start", wrong, native),
            host(MEMFS, "stratafs; files lie in memory", wrong, memfs),
            host("hostfs", "stratafs; files lie in a host directory on tmpfs", wrong, hostfs),
            host(WASI_COMMON, "wasi-common 46; files lie on tmpfs, as for the next ones", wrong, wasi_common),
            wasi("wasmtime-wasi", "wasmtime's own WASI as it comes", false),
            wasi(WASI_BLOCKING, "the same with `allow_blocking_current_thread`", true),
        ],
    }
}

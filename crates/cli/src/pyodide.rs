//! CPython 3.14 for Emscripten, out of the npm package of Pyodide: fetched, converted and its library compiled, once.
//!
//! The package's module uses the exception instructions of before the standard, which no engine here has; Binaryen, another npm package,
//! rewrites them. What comes out is the same byte for byte, so that it is believed by its hash like everything that is fetched.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::CacheDir;
use crate::error::{Ended, Error, Result, failed, usage};
use crate::fetch::{Failure, because, npm_packages, output, place};
use crate::layers::{LayerSpec, Lower, Source, reason};
use crate::module::{EngineKind, Module};
use crate::preinit::Recipe;
use crate::progress::Progress;
use crate::{pack, plan, run};

/// A file of a package that is believed by its hash.
struct Member {
    path: &'static str,
    size: u64,
    sha256: [u8; 32],
}

const PACKAGES: [&str; 2] = ["pyodide@314.0.7", "binaryen@132.0.0"];

static MODULE: Member = Member {
    path: "node_modules/pyodide/pyodide.asm.wasm",
    size: 9_598_218,
    sha256: [
        0xcc, 0x36, 0xe3, 0xca, 0xb0, 0x4f, 0xdf, 0xc9, 0xa6, 0x3f, 0xf1, 0x3e, 0xb5, 0x2e, 0xae, 0x2b, 0x91, 0x1b, 0xf4, 0x6c,
        0x02, 0x5c, 0xc7, 0xb2, 0x81, 0xf3, 0x94, 0xbd, 0x3d, 0xe1, 0xd5, 0xe6,
    ],
};

static LIBRARY: Member = Member {
    path: "node_modules/pyodide/python_stdlib.zip",
    size: 2_545_637,
    sha256: [
        0xfa, 0x19, 0x57, 0xe5, 0x77, 0x70, 0x68, 0xfc, 0x4f, 0x74, 0x37, 0xf9, 0x6d, 0x86, 0x0a, 0xe2, 0xfb, 0xe9, 0xc1, 0x97,
        0x32, 0xba, 0x06, 0xc8, 0x4e, 0x00, 0x4e, 0xc1, 0x6d, 0xd7, 0xdd, 0x7a,
    ],
};

static CONVERTER: Member = Member {
    path: "node_modules/binaryen/bin/wasm-opt",
    size: 11_279_933,
    sha256: [
        0x60, 0x8c, 0x02, 0x1f, 0xa3, 0xf2, 0xc6, 0x8c, 0xdc, 0x26, 0xf0, 0x6a, 0x14, 0x54, 0x34, 0x10, 0x89, 0xa0, 0xe6, 0x89,
        0xab, 0xb7, 0x1c, 0xbe, 0x5a, 0x23, 0xef, 0x73, 0x00, 0xe7, 0xf3, 0xe3,
    ],
};

/// The module as the converter leaves it.
static CONVERTED: Member = Member {
    path: "python.wasm",
    size: 9_611_440,
    sha256: [
        0x4c, 0x3e, 0xc1, 0x8b, 0x0f, 0xed, 0x9b, 0x8e, 0xd5, 0x37, 0x60, 0xd3, 0x2f, 0x27, 0xec, 0xc9, 0x1d, 0xe0, 0x22, 0x1d,
        0xcc, 0x2c, 0xc1, 0x16, 0xe2, 0x35, 0xe5, 0xa3, 0x3a, 0x2b, 0xd8, 0xf3,
    ],
};

/// What `wasm-opt` does to an old module; also what is advised to somebody who has one.
pub const CONVERSION: [&str; 3] = ["--all-features", "--disable-compact-imports", "--translate-to-exnref"];

/// The runtime in the cache.
#[derive(Debug)]
pub struct Pyodide {
    dir: PathBuf,
}

impl Pyodide {
    /// The runtime from the cache, fetched and converted when it is not there.
    ///
    /// # Errors
    /// What is missing to fetch or convert it, and what to do.
    pub fn cached() -> Result<Self> {
        Pyodide::fetched(&CacheDir::open()?)
    }

    /// The same from this cache.
    ///
    /// # Errors
    /// As [`cached`](Pyodide::cached).
    pub fn fetched(cache: &CacheDir) -> Result<Self> {
        Pyodide::with(cache, "npm".as_ref(), &["node".into(), "nodejs".into()])
    }

    fn with(cache: &CacheDir, npm: &OsStr, node: &[OsString]) -> Result<Self> {
        let runtimes = cache.runtimes()?;
        let pyodide = Pyodide { dir: runtimes.join("pyodide-314.0.7") };
        if pyodide.is_complete() {
            return Ok(pyodide);
        }
        let advice = |why: String| {
            usage!(
                "cannot fetch CPython 3.14: {why}. Install Node.js with npm and connect to the network, or copy {} from a machine that has it",
                pyodide.dir.display()
            )
        };
        // Only so that two starts do not fetch twice: each would bring a whole directory by rename.
        let lock = File::create(runtimes.join(".lock")).map_err(|error| advice(reason(&error)))?;
        let _ = lock.lock();
        if pyodide.is_complete() {
            return Ok(pyodide);
        }
        let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&runtimes).map_err(|error| advice(reason(&error)))?;
        pyodide.fetch(scratch.path(), npm, node).map_err(advice)?;
        Ok(pyodide)
    }

    fn module_path(&self) -> PathBuf {
        self.dir.join(CONVERTED.path)
    }

    /// The archive of the package, under the name that Python looks for.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.dir.join("archive/python314.zip")
    }

    fn compiled(&self) -> PathBuf {
        self.dir.join("compiled.zip")
    }

    fn is_complete(&self) -> bool {
        let has = |path: PathBuf, size| std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == size);
        has(self.module_path(), CONVERTED.size) && has(self.archive(), LIBRARY.size)
    }

    fn fetch(&self, scratch: &Path, npm: &OsStr, node: &[OsString]) -> std::result::Result<(), String> {
        let said = |failure| match failure {
            Failure::NotInstalled(why) | Failure::Failed(why) => why,
        };
        let at = |error: std::io::Error| format!("{}: {}", scratch.display(), reason(&error));
        let fetching = Progress::start("fetching CPython 3.14 (Pyodide) and Binaryen (once)");
        npm_packages(&PACKAGES, &[MODULE.path, LIBRARY.path, CONVERTER.path], npm, scratch).map_err(said)?;
        drop(fetching);
        let made = scratch.join("made");
        std::fs::create_dir_all(made.join("archive")).map_err(at)?;
        let take = |member: &Member, to: &Path| {
            let file = File::open(scratch.join(member.path)).map_err(|error| format!("{}: {}", member.path, reason(&error)))?;
            place(file, member.size, &member.sha256, to).map_err(|why| format!("{}: {why}", member.path))
        };
        let (old, converter) = (scratch.join("old.wasm"), scratch.join("wasm-opt.js"));
        take(&MODULE, &old)?;
        take(&CONVERTER, &converter)?;
        take(&LIBRARY, &made.join("archive/python314.zip"))?;
        let converting = Progress::start("converting its exceptions (once)");
        let new = scratch.join("new.wasm");
        convert(node, scratch, &old, &new).map_err(said)?;
        drop(converting);
        let file = File::open(&new).map_err(|error| format!("new.wasm: {}", reason(&error)))?;
        place(file, CONVERTED.size, &CONVERTED.sha256, &made.join(CONVERTED.path)).map_err(|why| format!("converted: {why}"))?;
        let _ = std::fs::remove_dir_all(&self.dir);
        std::fs::rename(&made, &self.dir).map_err(at)
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> Module {
        Module::known(&self.module_path(), CONVERTED.sha256)
    }

    /// The layers in which the guest finds its library as a tree, with what its sources were compiled to.
    ///
    /// # Errors
    /// When the library cannot be compiled, which is done once.
    pub fn library(&self) -> Result<Vec<LayerSpec>> {
        if !self.compiled().is_file() {
            self.compile()?;
        }
        Ok(vec![layer(HOME, Source::ReadOnly(Lower::Zip(self.compiled())))?, layer(DYNAMIC, Source::Memory)?])
    }

    /// The layers in which the guest finds its library in an archive, as Pyodide's own JavaScript puts it.
    ///
    /// # Errors
    /// None that the command line could cause.
    pub fn archived_library(&self) -> Result<Vec<LayerSpec>> {
        Ok(vec![layer("/lib", Source::SingleFile(self.archive()))?, layer(DYNAMIC, Source::Memory)?])
    }

    /// The layers in which the guest finds another library.
    ///
    /// # Errors
    /// None that the command line could cause.
    pub fn other_library(&self, stdlib: LayerSpec) -> Result<Vec<LayerSpec>> {
        Ok(vec![LayerSpec { guest: plan::fixed_path(HOME)?, ..stdlib }, layer(DYNAMIC, Source::Memory)?])
    }

    /// Has the guest compile its own library.
    fn compile(&self) -> Result<()> {
        let compiling = Progress::start("compiling the library of CPython 3.14 (once)");
        let tree = layer(HOME, Source::ReadOnly(Lower::Zip(self.archive())))?;
        let layers = vec![tree, layer(DYNAMIC, Source::Memory)?];
        let plan = pack::compiling(self.module(), EngineKind::Wasmtime, &self.archive(), "", layers)?;
        let mut written = Ok(0);
        let ended = run::run_with(&plan, &mut |ended, tree| {
            if *ended == Ended::Guest(0) {
                written = pack::write_archive(tree, pack::OUT.as_bytes(), &self.compiled());
            }
        })?;
        drop(compiling);
        match (ended, written) {
            (Ended::Guest(0), Ok(_)) => Ok(()),
            (Ended::Guest(0), Err(error)) => Err(failed!("{}: {}", self.compiled().display(), reason(&error))),
            (Ended::Interrupted, _) => Err(Error::Stopped(Ended::Interrupted)),
            (ended, _) => Err(failed!("the library of CPython 3.14 could not be compiled: {}", ended.line().unwrap_or_default())),
        }
    }
}

/// How it is started ahead of its guests, with its library as a tree.
pub static TREE: Recipe = recipe("pyodide-314.0.7-tree");

/// The same with its library in its archive.
pub static ARCHIVED: Recipe = recipe("pyodide-314.0.7-archive");

const fn recipe(name: &'static str) -> Recipe {
    Recipe { name, library: "/lib", boot: &["boot"], before: &["before"], run: &["run"] }
}

/// Where CPython looks for its library.
pub const HOME: &str = "/lib/python3.14";

/// Where it looks for extensions, and complains when there is no such directory.
pub const DYNAMIC: &str = "/lib/python3.14/lib-dynload";

fn layer(guest: &'static str, source: Source) -> Result<LayerSpec> {
    Ok(LayerSpec { guest: plan::fixed_path(guest)?, source, given: "--pyodide".to_owned() })
}

/// Runs `wasm-opt`, which is JavaScript, on the first Node.js that there is.
fn convert(node: &[OsString], scratch: &Path, old: &Path, new: &Path) -> std::result::Result<(), Failure> {
    let mut missing = "node is not installed".to_owned();
    for node in node {
        let mut command = Command::new(node);
        // It is an ES module of its package, where its name has no extension.
        command.arg(scratch.join(CONVERTER.path)).arg(old).args(CONVERSION).arg("-o").arg(new);
        match output(command, node) {
            Ok(_) if new.is_file() => return Ok(()),
            Ok(said) => return Err(Failure::Failed(format!("`{} wasm-opt` failed{}", node.display(), because(&said)))),
            Err(Failure::NotInstalled(why)) => missing = why,
            Err(failed) => return Err(failed),
        }
    }
    Err(Failure::NotInstalled(missing))
}

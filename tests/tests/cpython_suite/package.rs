//! CPython's own tests: Debian's packages, fetched by name and version, believed by their hashes, and kept in the cache as one archive.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use stratafs_tests::guest::cache;
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;

/// Of bookworm's main archive, which keeps a version for good where the security archive replaces it.
const VERSION: &str = "3.11.2-6+deb12u8";

/// Package, architecture, SHA-256: the tests, and `test.support`, which Debian has in the library's package.
const PACKAGES: [(&str, &str, &str); 2] = [
    ("libpython3.11-testsuite", "all", "718afaa9807bcc228d16f7e01436f7fdbfc1268f806091c0b83d57f564633fa3"),
    ("libpython3.11-stdlib", "amd64", "890b3540dad8a1ccc0deeca025db735bcc82629a76adacbe3b50fcc06ed528ca"),
];

/// What is taken from them. `_pyio` is a module of the library that the WASI build leaves out, and that the tests of files run on.
const TOP: &str = "usr/lib/python3.11";
const TAKEN: [&str; 2] = ["test", "_pyio.py"];

/// Modules of tests that others import. The rest of those that are not run is left out: one test compiles all that it finds.
const IMPORTED: [&str; 2] = ["test_dbm", "test_importlib"];

/// A directory of the host that holds both packages already.
const GIVEN: &str = "STRATAFS_CPYTHON_TESTS";

/// The archive with the package `test` at its top, and these modules of tests in it.
///
/// # Panics
/// When it cannot be had; says what to do then.
pub fn archive(modules: &[&str]) -> PathBuf {
    let dir = cache().runtimes().unwrap_or_else(|error| panic!("{error}"));
    let mut modules = [&IMPORTED, modules].concat();
    modules.sort_unstable();
    modules.dedup();
    let [a, b, c, d, ..] = stratafs_wasmtime::image::sha256(modules.join(" ").as_bytes());
    let path = dir.join(format!("cpython-tests-{VERSION}-{a:02x}{b:02x}{c:02x}{d:02x}.zip"));
    if !path.is_file() {
        make(&dir, &path, &modules).unwrap_or_else(|why| panic!("{}", advice(&why)));
    }
    path
}

fn advice(why: &str) -> String {
    let files: Vec<_> =
        PACKAGES.iter().map(|(name, arch, hash)| format!("  {name}_{VERSION}_{arch}.deb  SHA-256 {hash}")).collect();
    format!(
        "cannot fetch CPython's own tests: {why}\nThey come from Debian 12 with apt-get and dpkg-deb. Elsewhere, put these files \
         of http://deb.debian.org/debian/pool/main/p/python3.11/ into a directory and set {GIVEN} to it:\n{}",
        files.join("\n")
    )
}

fn make(dir: &Path, path: &Path, modules: &[&str]) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{}: {error}", dir.display());
    let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(dir).map_err(say)?;
    let unpacked = scratch.path().join("unpacked");
    for (name, arch, hash) in PACKAGES {
        let file = match std::env::var_os(GIVEN) {
            Some(given) => Path::new(&given).join(format!("{name}_{VERSION}_{arch}.deb")),
            None => download(scratch.path(), name, arch)?,
        };
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let found: String = stratafs_wasmtime::image::sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != hash {
            return Err(format!("{} has SHA-256 {found}", file.display()));
        }
        run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&unpacked))?;
    }
    pack(&unpacked.join(TOP), modules, dir, path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Downloads a package; with fresh lists, kept apart from the system's, when the system's do not have it.
fn download(scratch: &Path, name: &str, arch: &str) -> Result<PathBuf, String> {
    let package = format!("{name}={VERSION}");
    let lists = scratch.join("lists");
    let fresh = [
        format!("-oDir::State::lists={}", lists.display()),
        format!("-oDir::Cache={}", scratch.join("cache").display()),
        "-oAPT::Sandbox::User=".to_owned(),
    ];
    let apt = || {
        let mut command = Command::new("apt-get");
        command.current_dir(scratch).arg("-qq");
        command
    };
    if lists.is_dir() || run(apt().args(["download", &package])).is_err() {
        if !lists.is_dir() {
            fs::create_dir_all(lists.join("partial")).map_err(|error| format!("{}: {error}", lists.display()))?;
            run(apt().args(&fresh).arg("update"))?;
        }
        run(apt().args(&fresh).args(["download", &package]))?;
    }
    Ok(scratch.join(format!("{name}_{VERSION}_{arch}.deb")))
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{shown}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

fn pack(top: &Path, modules: &[&str], dir: &Path, path: &Path) -> std::io::Result<()> {
    let is_left_out = |path: &Path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_taken = || modules.iter().any(|module| module.split('.').next() == Some(&name));
        name.starts_with("test_") && path.parent() == Some(&top.join("test")) && !is_taken()
    };
    let mut zip = zip::ZipWriter::new(NamedTempFile::new_in(dir)?);
    let mut todo: Vec<PathBuf> = TAKEN.iter().map(|name| top.join(name)).collect();
    while let Some(at) = todo.pop() {
        if is_left_out(&at) {
            continue;
        }
        if at.is_dir() {
            for entry in fs::read_dir(&at)? {
                todo.push(entry?.path());
            }
        } else if at.is_file() {
            let name = at.strip_prefix(top).map_err(std::io::Error::other)?.display().to_string();
            zip.start_file(name, SimpleFileOptions::default().unix_permissions(0o644))?;
            std::io::copy(&mut File::open(&at)?, &mut zip)?;
        }
    }
    let mut file = zip.finish()?;
    file.flush()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

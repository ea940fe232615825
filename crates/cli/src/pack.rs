//! `stratafs pack-stdlib`: a guest run that takes the standard library out of CPython, or compiles a given one, and an archive of
//! it that comes out the same byte for byte every time.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{Error as IoError, Result as IoResult, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use stratafs::FileKind;
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;

use crate::args::PackArgs;
use crate::copy_out::GuestTree;
use crate::error::{Ended, Result, failed, usage};
use crate::layers::{self, LayerSpec, Lower, Source, reason};
use crate::module::{EngineKind, Module};
use crate::plan::{self, Plan};
use crate::{fetch, python, run};

/// Where the guest leaves the library.
pub const OUT: &str = "/out";

/// Takes the library out of the archive that CPython's own modules were imported from.
const EXTRACT: &str = "\
import zipfile
with zipfile.ZipFile(zipfile.__spec__.loader.archive) as archive:
    archive.extractall('/out')
";

/// Copies /src and puts a .pyc that is never checked against its source beside each source that compiles. @PREFIX@ is where the library
/// will be used.
const COMPILE: &str = "\
import importlib.util, os, py_compile, shutil, sys, warnings
warnings.simplefilter('ignore')
home = '@PREFIX@/lib/python%d.%d' % sys.version_info[:2]
skipped = {'__pycache__', 'site-packages', 'dist-packages'}
for top, dirs, files in os.walk('/src'):
    dirs[:] = sorted(set(dirs) - skipped)
    inside = os.path.relpath(top, '/src')
    out = os.path.normpath(os.path.join('/out', inside))
    os.makedirs(out, exist_ok=True)
    for name in sorted(files):
        target = os.path.join(out, name)
        shutil.copyfile(os.path.join(top, name), target)
        if name.endswith('.py'):
            cached = importlib.util.cache_from_source(target)
            os.makedirs(os.path.dirname(cached), exist_ok=True)
            shown = os.path.normpath(os.path.join(home, inside, name))
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            try:
                py_compile.compile(target, cached, shown, doraise=True, invalidation_mode=mode)
            except py_compile.PyCompileError:
                pass
";

/// Runs `stratafs pack-stdlib`.
///
/// # Errors
/// A source or target that is not there or is of the wrong kind; a guest run that fails.
pub fn pack(args: &PackArgs) -> Result<u8> {
    let shown = args.output.display();
    layers::check_parent(&args.output).map_err(|why| usage!("--output {shown}: {why}"))?;
    if args.output.is_dir() {
        return Err(usage!("--output {shown}: is a directory"));
    }
    let plan = prepare(args)?;
    let mut written = Ok(0);
    if let Some(from) = &args.from {
        crate::error::say(format_args!("compiling the library of {}; this takes a while", from.display()));
    }
    let ended = run::run_with(&plan, &mut |ended, tree| {
        if *ended == Ended::Guest(0) {
            written = write_archive(tree, OUT.as_bytes(), &args.output);
        }
    })?;
    match ended {
        Ended::Guest(0) => {
            let members = written.map_err(|error| failed!("{shown}: {}", reason(&error)))?;
            crate::error::say(format_args!("{shown} holds {members} files"));
            Ok(0)
        }
        Ended::Guest(code) => Err(failed!("the guest that packs the library ended with exit code {code}")),
        other => {
            run::last_line(&other);
            Ok(other.code())
        }
    }
}

fn prepare(args: &PackArgs) -> Result<Plan> {
    let module = fetch::runtime(&fetch::CPYTHON, args.runtime.as_deref(), args.engine)?;
    match &args.from {
        None => plan::for_own_script(module, args.engine, EXTRACT, &[], vec![output()?]),
        Some(from) => compiling(module, args.engine, from, python::PYTHON_HOME, Vec::new()),
    }
}

fn output() -> Result<LayerSpec> {
    Ok(LayerSpec { guest: plan::fixed_path(OUT)?, source: Source::Memory, given: "the guest's output".to_owned() })
}

/// The run in which `module` compiles the library `from` for use below `prefix`, and leaves it at [`OUT`].
///
/// # Errors
/// When `from` holds no library, or the module is not fit.
pub fn compiling(module: Module, engine: EngineKind, from: &Path, prefix: &str, mut layers: Vec<LayerSpec>) -> Result<Plan> {
    layers.extend([output()?, source_layer(from)?]);
    // Without the fixed seed the order of set constants, and with it the compiled bytes, would change from run to run.
    plan::for_own_script(module, engine, &COMPILE.replace("@PREFIX@", prefix), &[("PYTHONHASHSEED", "0")], layers)
}

/// The given library at `/src`.
fn source_layer(from: &Path) -> Result<LayerSpec> {
    let shown = from.display();
    let given = format!("--from {shown}");
    if from.is_dir() {
        let real = std::fs::canonicalize(from).map_err(|error| usage!("{given}: {}", reason(&error)))?;
        if !["os.py", "os.pyc"].iter().any(|name| real.join(name).is_file()) {
            return Err(usage!("{given}: holds no standard library (no os.py or os.pyc at its top)"));
        }
        return Ok(LayerSpec { guest: plan::fixed_path("/src")?, source: Source::ReadOnly(Lower::Dir(real)), given });
    }
    let checked = python::check_stdlib(from, "--from")?;
    Ok(LayerSpec { guest: plan::fixed_path("/src")?, ..checked })
}

/// Writes all files below `top` into an archive: stored, sorted by name, with one fixed time and mode. Answers how many they are.
///
/// # Errors
/// What the tree or the host gives; nothing stands at `output` then that was not there before.
pub fn write_archive(tree: &mut dyn GuestTree, top: &[u8], output: &Path) -> IoResult<usize> {
    let members = members(tree, top)?;
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut zip = zip::ZipWriter::new(NamedTempFile::new_in(parent)?);
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for name in &members {
        zip.start_file(name.as_str(), options)?;
        tree.read(&[top, b"/", name.as_bytes()].concat(), &mut |piece| zip.write_all(piece))?;
    }
    let file = zip.finish()?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.persist(output).map_err(|error| error.error)?;
    Ok(members.len())
}

/// The names of all regular files below `top`, relative to it, in the order of their bytes.
fn members(tree: &mut dyn GuestTree, top: &[u8]) -> IoResult<Vec<String>> {
    let mut found = Vec::new();
    let mut dirs: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(dir) = dirs.pop() {
        let here = if dir.is_empty() { top.to_vec() } else { [top, b"/", &dir].concat() };
        for name in tree.list(&here)? {
            let inside = if dir.is_empty() { name } else { [dir.as_slice(), b"/", &name].concat() };
            match tree.stat(&[top, b"/", &inside].concat(), false)?.kind {
                FileKind::Directory => dirs.push(inside),
                FileKind::File => {
                    let shown = OsStr::from_bytes(&inside).display().to_string();
                    let name = String::from_utf8(inside);
                    found.push(name.map_err(|_| IoError::other(format!("the name {shown} is not UTF-8")))?);
                }
                _ => {}
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy_out::tests::HostTree;

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let mut archives = Vec::new();
        for order in [["os.py", "a/z.py", "a/b.py"], ["a/b.py", "os.py", "a/z.py"]] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(dir.path().join("out/a")).unwrap();
            for name in order {
                std::fs::write(dir.path().join("out").join(name), name.repeat(50)).unwrap();
            }
            let archive = dir.path().join("x.zip");
            assert_eq!(write_archive(&mut HostTree(dir.path().to_owned()), b"/out", &archive).unwrap(), 3);
            archives.push(std::fs::read(&archive).unwrap());
            let mut zip = zip::ZipArchive::new(std::fs::File::open(&archive).unwrap()).unwrap();
            assert_eq!(zip.file_names().map(std::result::Result::unwrap).collect::<Vec<_>>(), ["a/b.py", "a/z.py", "os.py"]);
            let member = zip.by_name("os.py").unwrap();
            assert_eq!((member.compression(), member.size()), (zip::CompressionMethod::Stored, 250));
        }
        assert_eq!(archives[0], archives[1]);
    }

    #[test]
    fn a_failure_leaves_the_old_archive() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("x.zip");
        std::fs::write(&archive, "old").unwrap();
        assert!(write_archive(&mut HostTree(dir.path().to_owned()), b"/none", &archive).is_err());
        assert_eq!(std::fs::read(&archive).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_source_without_a_library_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(source_layer(dir.path()).unwrap_err().to_string().contains("holds no standard library"));
        std::fs::write(dir.path().join("os.py"), "").unwrap();
        assert_eq!(source_layer(dir.path()).unwrap().guest.to_string(), "/src");
        let missing = source_layer(&dir.path().join("none")).unwrap_err().to_string();
        assert!(missing.starts_with("--from ") && missing.contains("there is no such file"), "{missing}");
    }
}

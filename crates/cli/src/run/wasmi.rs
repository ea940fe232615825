//! Runs a plan on wasmi.

use stratafs::{Interrupt, Process};
use stratafs_wasmi::{Ended, Guest, MemoryLimit, Program, stack_size};
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

fn guest(data: &mut Data) -> &mut Guest {
    &mut data.guest
}

pub fn run(plan: &Plan, process: Process, stopper: &Stopper) -> Result<Run> {
    let engine = Engine::new(&stratafs_wasmi::config());
    let shown = plan.module.path.display();
    let module = Module::new(&engine, plan.module.bytes()?)
        .map_err(|error| module::explain(&plan.module, EngineKind::Wasmi).unwrap_or_else(|| usage!("{shown}: {error}")))?;
    let program = Program::new(module).map_err(|error| usage!("{shown} {error}"))?;
    let interrupt = stopper.interrupt().clone();
    let watch = stopper.watch(plan.timeout, true, move || interrupt.raise());
    let run = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("guest".to_owned()).stack_size(stack_size(&plan.limits.vfs));
        let thread = thread.spawn_scoped(scope, || start(plan, &engine, &program, process, stopper.interrupt()));
        let thread = thread.map_err(|error| failed!("no thread for the guest: {error}"))?;
        thread.join().unwrap_or_else(|_| Err(failed!("the guest's thread panicked: this is a bug in stratafs")))
    });
    drop(watch);
    run
}

fn start(plan: &Plan, engine: &Engine, program: &Program, process: Process, interrupt: &Interrupt) -> Result<Run> {
    let shown = plan.module.path.display();
    let max = plan.limits.memory.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let mut store = Store::new(engine, Data { guest: Guest::new(process), memory: MemoryLimit::new(max) });
    store.limiter(|data| &mut data.memory);
    let mut linker = Linker::new(engine);
    let linked = stratafs_wasmi::link(&mut linker, guest)
        .and_then(|()| if program.is_emscripten() { stratafs_wasmi::link_emscripten(&mut linker, guest) } else { Ok(()) });
    linked.map_err(|error| failed!("wasmi: {error}"))?;
    store.data_mut().guest.tracer = begin(plan)?.map(Box::new);
    let ended = match program.instantiate(&linker, &mut store, guest) {
        Ok(instance) => stratafs_wasmi::start(&mut store, &instance, interrupt, guest),
        Err(_) if store.data().memory.was_reached() => {
            let given = plan.limits.as_given("memory").unwrap_or("memory");
            return Err(usage!("{shown} needs more memory from the start than --limit {given} gives it"));
        }
        Err(error) => match Ended::from(error) {
            Ended::Trap(error) => return Err(usage!("{shown}: {error}")),
            ended => ended,
        },
    };
    let ended = match ended {
        Ended::Exit(code) => Stopped::Exit(code),
        Ended::Interrupted => Stopped::Interrupted,
        Ended::Trap(error) => Stopped::Trap(error.to_string()),
    };
    let Data { guest, memory } = store.into_data();
    Ok(Run { process: guest.process, tracer: guest.tracer, ended, memory_limit_reached: memory.was_reached() })
}

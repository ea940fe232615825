//! Running a command module to its end, in slices of fuel.

use stratafs::Interrupt;
use stratafs_abi::Stop;
use wasmi::{Config, CustomFuelCosts, Error, Instance, Linker, Module, ResourceLimiter, ResumableCall, Store};
use wasmi_core::LimiterError;

use crate::link::Stopped;

/// Fuel between two looks at the interrupt: some milliseconds.
const SLICE: u64 = 5_000_000;

/// Fuel for a module's own start function, which cannot be resumed.
const FIRST: u64 = 100 * SLICE;

/// The settings that [`instantiate`] and [`start`] want: fuel for what the guest does, none for translating it, because running out in the
/// middle of a translation cannot be resumed.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::default();
    config.consume_fuel(true);
    config.fuel_cost(CustomFuelCosts { bytes_copied_per_fuel: 64, fuel_per_bytes_translated: 0, fuel_per_bytes_validated: 0 });
    config
}

/// Instantiates a module and runs its start function, if it has one, with a bound on its work.
///
/// # Errors
/// An import that is missing, a memory past the limit, a trap, a start function that does not end.
pub fn instantiate<T: 'static>(linker: &Linker<T>, store: &mut Store<T>, module: &Module) -> Result<Instance, Error> {
    store.set_fuel(FIRST)?;
    linker.instantiate_and_start(store, module)
}

/// How a guest's run ended.
#[derive(Debug)]
pub enum Ended {
    /// With this code; 0 when it returned.
    Exit(u32),
    /// Stopped from outside.
    Interrupted,
    /// In a trap, or an error of the embedder's own imports.
    Trap(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        match error.downcast_ref::<Stopped>() {
            Some(Stopped(Stop::Exit(code))) => Ended::Exit(*code),
            Some(Stopped(Stop::Interrupted)) => Ended::Interrupted,
            Some(Stopped(Stop::NoMemory | Stop::Aborted | Stop::NotProvided(_))) | None => Ended::Trap(error),
        }
    }
}

/// Calls `_start` of a command module, or `_initialize` of a reactor, and says how that ended. Looks at `interrupt` after every slice of fuel; the
/// engine must have been made with [`config`].
pub fn start<T: 'static>(store: &mut Store<T>, instance: &Instance, interrupt: &Interrupt) -> Ended {
    let Some(name) = ["_start", "_initialize"].into_iter().find(|name| instance.get_func(&*store, name).is_some()) else {
        return Ended::Exit(0);
    };
    match run(store, instance, name, interrupt) {
        Ok(ended) => ended,
        Err(error) => error.into(),
    }
}

fn run<T: 'static>(store: &mut Store<T>, instance: &Instance, name: &str, interrupt: &Interrupt) -> Result<Ended, Error> {
    // A missing function cannot be: `start` has just seen it.
    let Some(start) = instance.get_func(&*store, name) else { return Ok(Ended::Exit(0)) };
    if interrupt.is_raised() {
        return Ok(Ended::Interrupted);
    }
    store.set_fuel(SLICE)?;
    let mut call = start.call_resumable(&mut *store, &[], &mut [])?;
    loop {
        call = match call {
            ResumableCall::Finished => return Ok(Ended::Exit(0)),
            ResumableCall::HostTrap(trap) => return Err(trap.into_host_error()),
            ResumableCall::OutOfFuel(_) if interrupt.is_raised() => return Ok(Ended::Interrupted),
            ResumableCall::OutOfFuel(call) => {
                store.set_fuel(call.required_fuel().saturating_add(SLICE))?;
                call.resume(&mut *store, &mut [])?
            }
        };
    }
}

/// A bound on a guest's linear memory, in bytes, that remembers whether it was reached. `memory.grow` fails past it, and the guest goes on.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimit {
    max: usize,
    reached: bool,
}

impl MemoryLimit {
    /// At most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        MemoryLimit { max, reached: false }
    }

    /// Whether the guest wanted more.
    #[must_use]
    pub fn was_reached(&self) -> bool {
        self.reached
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        self.reached |= desired > self.max;
        Ok(desired <= self.max)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        Ok(desired <= 10_000_000)
    }

    fn instances(&self) -> usize {
        10_000
    }

    fn tables(&self) -> usize {
        10_000
    }

    fn memories(&self) -> usize {
        10_000
    }
}

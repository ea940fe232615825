//! Running a command module to its end, in slices of fuel.

use stratafs::{Interrupt, Limits};
use stratafs_abi::Stop;
use stratafs_emscripten::link::SYNC_MAPPINGS;
use wasmi::{AsContextMut, Config, CustomFuelCosts, Error, Func, Instance, ResourceLimiter, ResumableCall, Store, Val};
use wasmi_core::LimiterError;

use crate::Guest;
use crate::link::{Stopped, stop};

/// Fuel between two looks at the interrupt: some milliseconds.
const SLICE: u64 = 5_000_000;

/// Fuel for a module's own start function, which cannot be resumed.
const FIRST: u64 = 100 * SLICE;

/// How large the stack of the thread should be that runs a guest, in bytes: room for the [`Limits::invokes`](stratafs::Limits::invokes)
/// that there are by default, which no guest can get past; more need [more](stack_size). A guest without `invoke_*` runs on any thread.
pub const STACK_SIZE: usize = 32 << 20;

/// [`STACK_SIZE`] for another [`Limits::invokes`](stratafs::Limits::invokes).
#[must_use]
pub fn stack_size(limits: &Limits) -> usize {
    let for_each = STACK_SIZE / 1000;
    STACK_SIZE.max(usize::try_from(limits.invokes).unwrap_or(usize::MAX).saturating_mul(for_each))
}

/// How deep a guest may recurse in the interpreter's own stack, which is no native stack: MicroPython's bound on its stack in the guest's memory must be
/// reached first, so that its programs get a RuntimeError and no trap.
const MAX_RECURSION: usize = 10_000;

/// The settings that [`Program`](crate::Program) and [`start`] want: fuel for what the guest does, none for translating it, because running out in the
/// middle of a translation cannot be resumed.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::default();
    config.set_max_recursion_depth(MAX_RECURSION);
    config.consume_fuel(true);
    config.fuel_cost(CustomFuelCosts { bytes_copied_per_fuel: 64, fuel_per_bytes_translated: 0, fuel_per_bytes_validated: 0 });
    config
}

/// Has `make` make an instance, with a bound on the work of the module's start function.
pub(crate) fn instantiate<T: 'static>(
    store: &mut Store<T>,
    make: impl FnOnce(&mut Store<T>) -> Result<Instance, Error>,
) -> Result<Instance, Error> {
    store.set_fuel(FIRST)?;
    make(store)
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
/// engine must have been made with [`config`]. What an Emscripten guest wrote to files that it has mapped is in them at the end, however it ended; nothing of
/// the guest's runs any more.
pub fn start<T: 'static>(
    store: &mut Store<T>,
    instance: &Instance,
    interrupt: &Interrupt,
    get: impl Fn(&mut T) -> &mut Guest,
) -> Ended {
    let Some(start) = ["_start", "_initialize"].into_iter().find_map(|name| instance.get_func(&*store, name)) else {
        return Ended::Exit(0);
    };
    if interrupt.is_raised() {
        return Ended::Interrupted;
    }
    let ended = store.set_fuel(SLICE).and_then(|()| call_in_slices(&mut *store, start, &[], &mut [], interrupt));
    // In a module without glue, a function of that name would be the guest's own.
    if get(store.data_mut()).has_glue
        && let Some(sync) = instance.get_func(&*store, SYNC_MAPPINGS)
    {
        // What writing gives is lost, as on Linux.
        let _ = sync.call(&mut *store, &[], &mut [Val::I32(0)]);
    }
    ended.map_or_else(Ended::from, |()| Ended::Exit(0))
}

/// Calls a function with the fuel that is left, and then in slices of fuel, with a look at `interrupt` between them.
///
/// # Errors
/// A trap; the error of a host function; [`Stop::Interrupted`].
pub(crate) fn call_in_slices(
    mut cx: impl AsContextMut,
    function: Func,
    arguments: &[Val],
    results: &mut [Val],
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let mut call = function.call_resumable(&mut cx, arguments, results)?;
    loop {
        call = match call {
            ResumableCall::Finished => return Ok(()),
            ResumableCall::HostTrap(trap) => return Err(trap.into_host_error()),
            ResumableCall::OutOfFuel(_) if interrupt.is_raised() => return Err(stop(Stop::Interrupted)),
            ResumableCall::OutOfFuel(call) => {
                cx.as_context_mut().set_fuel(call.required_fuel().saturating_add(SLICE))?;
                call.resume(&mut cx, results)?
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

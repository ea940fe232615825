//! What an engine adapter keeps in its store for a guest, and how a guest is stopped.

use stratafs::{Interrupt, Process, Wait};
use thiserror::Error;

use crate::{Call, GuestMemory, Ptr, Tracer};

/// What the runtime of a guest keeps outside of its memory, as JavaScript does for an Emscripten module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// The upper half of a 64-bit result, where a module passes none whole.
    pub temp_ret0: u32,
    /// Where the guest's C library keeps its variable `environ`, when the module says so: by that a change that the guest makes to its own
    /// environment is seen.
    pub environ: Option<Ptr>,
    /// Where the guest's C library keeps `errno`, when the module says so: functions of that library that the host answers set it.
    pub errno: Option<Ptr>,
    /// Where the guest's C library keeps what `tzset` finds, once it has asked.
    pub zone: Option<ZoneVariables>,
}

/// POSIX's `timezone`, `daylight` and `tzname`: the addresses of two numbers and of room for two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneVariables {
    /// Seconds from standard time to UTC.
    pub timezone: Ptr,
    /// Whether there is a summer time.
    pub daylight: Ptr,
    /// The name of standard time.
    pub std_name: Ptr,
    /// The name of summer time.
    pub dst_name: Ptr,
    /// Which zone they were last filled from.
    pub of: u64,
}

/// A guest in an engine's store: its kernel, the engine's handle `M` of its memory, and where its calls are recorded.
///
/// One guest module for each store: the memory is looked up at its first call and kept, because looking it up by name costs more than most calls.
#[derive(Debug)]
pub struct Guest<M> {
    /// The guest's kernel.
    pub process: Process,
    /// Records the guest's calls, when there is one.
    pub tracer: Option<Box<Tracer>>,
    /// The engine's handle of the guest's memory, once it is known.
    pub memory: Option<M>,
    /// What its runtime keeps from call to call.
    pub registers: Registers,
    /// Whether an adapter has put Emscripten's glue beside it, whose exports are not the guest's own.
    pub has_glue: bool,
}

impl<M> Guest<M> {
    /// A guest whose calls nobody records.
    #[must_use]
    pub fn new(process: Process) -> Self {
        Guest { process, tracer: None, memory: None, registers: Registers::default(), has_glue: false }
    }

    /// Tells what an adapter has learnt of a guest that is Emscripten's: its memory, and where its C library keeps `environ`. Such a guest
    /// knows of no directories that are open from the start, and has its first file at descriptor 3.
    pub fn is_emscripten(&mut self, memory: Option<M>, environ: Option<Ptr>) {
        self.memory = memory;
        self.registers.environ = environ;
        self.has_glue = true;
        self.process.close_preopens();
    }

    /// Has `tracer` record the guest's calls.
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        self.tracer = Some(Box::new(tracer));
        self
    }

    /// One call of the guest, whose memory is `bytes`.
    #[inline]
    pub fn call<'a>(&'a mut self, bytes: &'a mut [u8]) -> Call<'a> {
        let memory = GuestMemory::borrowed(bytes);
        Call { process: &mut self.process, memory, tracer: self.tracer.as_deref_mut(), registers: Some(&mut self.registers) }
    }
}

/// Why a guest must not run on: what an engine adapter raises as its engine's error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Stop {
    /// It ended itself with this code.
    #[error("the guest ended with code {0}")]
    Exit(u32),
    /// It was interrupted from outside.
    #[error("the guest was interrupted")]
    Interrupted,
    /// It exports no memory named `memory`, which every call needs.
    #[error("the guest exports no memory named \"memory\": stratafs cannot see its arguments")]
    NoMemory,
    /// It gave itself up, as C's `abort` does.
    #[error("the guest aborted")]
    Aborted,
    /// It called an import that has no answer here.
    #[error("the guest called `{0}`, which stratafs does not provide")]
    NotProvided(Box<str>),
}

impl Stop {
    /// Parks this thread until `wait` is over.
    ///
    /// # Errors
    /// [`Stop::Interrupted`] when `interrupt` is or gets raised.
    pub fn unless_over(interrupt: &Interrupt, wait: Wait) -> Result<(), Stop> {
        if !interrupt.is_raised() {
            interrupt.or(wait).block();
        }
        if interrupt.is_raised() { Err(Stop::Interrupted) } else { Ok(()) }
    }
}

//! `invoke_*` and `longjmp` of an Emscripten module, on an engine without exceptions.
//!
//! A jump is an error that a host function raises and the closure of the innermost `invoke_*` catches. Every other error goes on outward.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use stratafs::{Interrupt, Process};
use stratafs_abi::Stop;
use stratafs_emscripten::link::{JUMPED, STACK};
use wasmi::errors::HostError;
use wasmi::{Caller, Error, Func, FuncType, Instance, Store, Val};

use crate::link::stop;
use crate::start::call_in_slices;

/// What leaves the innermost `invoke_*`.
#[derive(Debug)]
struct Jump;

impl std::fmt::Display for Jump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the guest jumped out of a function that nobody had called to come back")
    }
}

impl HostError for Jump {}

/// The error of `_emscripten_throw_longjmp`.
pub(crate) fn jump() -> Error {
    Error::host(Jump)
}

/// What the `invoke_*` functions of one guest share.
pub(crate) struct Invokes {
    interrupt: Interrupt,
    /// How many may go on inside one another ([`Limits::invokes`](stratafs::Limits::invokes)). Each takes native stack, and up to a megabyte of
    /// the engine's stack for the guest.
    max: u32,
    depth: AtomicU32,
    glue: OnceLock<Glue>,
}

/// Exports of the glue, which comes to be after the guest and so after the functions that need it.
struct Glue {
    stack: Func,
    jumped: Func,
    /// What is called for each import.
    targets: Vec<Option<Func>>,
}

impl Invokes {
    pub(crate) fn new(process: &Process) -> Arc<Self> {
        let (interrupt, max) = (process.interrupt().clone(), process.limits().invokes);
        Arc::new(Invokes { interrupt, max, depth: AtomicU32::new(0), glue: OnceLock::new() })
    }

    /// From here on the functions can be called.
    pub(crate) fn call_through<T: 'static>(&self, store: &Store<T>, glue: Instance, imports: usize) {
        if let (Some(stack), Some(jumped)) = (glue.get_func(store, STACK), glue.get_func(store, JUMPED)) {
            let targets = (0..imports).map(|index| glue.get_func(store, &index.to_string())).collect();
            // Nobody else sets it: each glue has a value of this type for itself.
            let _ = self.glue.set(Glue { stack, jumped, targets });
        }
    }

    /// The function for import number `index`, which has this name and type.
    pub(crate) fn function<T: 'static>(
        invokes: &Arc<Self>,
        store: &mut Store<T>,
        index: usize,
        name: Box<str>,
        ty: FuncType,
    ) -> Func {
        let invokes = invokes.clone();
        Func::new(store, ty, move |mut caller: Caller<'_, T>, arguments: &[Val], results: &mut [Val]| {
            let glue = invokes.glue.get();
            match glue.and_then(|glue| Some((glue, glue.targets.get(index).copied().flatten()?))) {
                Some((glue, target)) => invokes.invoke(glue, &mut caller, target, arguments, results),
                None => Err(stop(Stop::NotProvided(name.clone()))),
            }
        })
    }

    fn invoke<T: 'static>(
        &self,
        glue: &Glue,
        caller: &mut Caller<'_, T>,
        target: Func,
        arguments: &[Val],
        results: &mut [Val],
    ) -> Result<(), Error> {
        let _deeper = Deeper::than(&self.depth, self.max)?;
        let mut stack = [Val::I32(0)];
        call_in_slices(&mut *caller, glue.stack, &[], &mut stack, &self.interrupt)?;
        match call_in_slices(&mut *caller, target, arguments, results, &self.interrupt) {
            Err(error) if error.downcast_ref::<Jump>().is_some() => {
                results.iter_mut().for_each(|result| *result = Val::default_for_ty(result.ty()));
                call_in_slices(caller, glue.jumped, &stack, &mut [], &self.interrupt)
            }
            ended => ended,
        }
    }
}

/// Counts one call more while it lives.
struct Deeper<'a>(&'a AtomicU32);

impl<'a> Deeper<'a> {
    fn than(depth: &'a AtomicU32, max: u32) -> Result<Self, Error> {
        // A store is used by one thread at a time.
        if depth.fetch_add(1, Ordering::Relaxed) < max {
            return Ok(Deeper(depth));
        }
        depth.fetch_sub(1, Ordering::Relaxed);
        Err(Error::new(format!("call stack exhausted: more than {max} calls of invoke_* inside one another")))
    }
}

impl Drop for Deeper<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Engine settings, interruption of computing guests, the bound on linear memory.

use std::sync::atomic::{Ordering, fence};

use stratafs::Interrupt;
use stratafs_abi::Stop;
use wasmtime::{Config, Engine, ResourceLimiter, Result, Store, UpdateDeadline};

use crate::Guest;

/// The most native stack that a guest may use, in bytes. CPython recurses deeply; past it the guest traps. It must outlast
/// [`PYTHON_STACK`](stratafs_emscripten::link::PYTHON_STACK).
pub const MAX_WASM_STACK: usize = 32 << 20;

/// The settings that [`interruptible`] and CPython want: epochs, exceptions, a large stack. Run such guests on a thread with at least
/// [`MAX_WASM_STACK`] and a megabyte of stack.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_exceptions(true);
    config.wasm_gc(true);
    config.wasm_tail_call(true);
    config.async_stack_size(MAX_WASM_STACK + (1 << 20));
    config.max_wasm_stack(MAX_WASM_STACK);
    config
}

/// Lets the process's interrupt stop a guest that computes. The engine must have been made with [`config`], or with epochs.
pub fn interruptible<T: 'static>(store: &mut Store<T>, get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static) {
    store.epoch_deadline_callback(move |mut cx| {
        if get(cx.data_mut()).process.interrupt().is_raised() {
            return Err(Stop::Interrupted.into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    store.set_epoch_deadline(1);
    // In this order: who raises after the look also moves the epoch past the deadline that stands.
    fence(Ordering::SeqCst);
    if get(store.data_mut()).process.interrupt().is_raised() {
        store.set_epoch_deadline(0);
    }
}

/// Stops a guest of an [`interruptible`] store from another thread, whether it waits or computes.
#[derive(Clone)]
pub struct Interrupter {
    engine: Engine,
    interrupt: Interrupt,
}

impl Interrupter {
    /// Stops the guests of `engine` whose processes have `interrupt`.
    #[must_use]
    pub fn new(engine: &Engine, interrupt: &Interrupt) -> Self {
        Interrupter { engine: engine.clone(), interrupt: interrupt.clone() }
    }

    /// Stops them.
    pub fn raise(&self) {
        self.interrupt.raise();
        fence(Ordering::SeqCst);
        self.engine.increment_epoch();
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
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.reached |= desired > self.max;
        Ok(desired <= self.max)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(desired <= 10_000_000)
    }
}

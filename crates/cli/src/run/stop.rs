//! What stops a run from outside: `--timeout`, Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use stratafs::Interrupt;

use crate::error::Ended;
use crate::terminal;

/// How long a run may go on after it was stopped: the host's own output may be stuck behind a reader that does not read.
const GRACE: Duration = Duration::from_secs(2);

/// How long a guest that computes may go on after Ctrl-C when nothing is left to be done after it.
const SHORT_GRACE: Duration = Duration::from_millis(100);

/// Ends the command while a guest is still at work.
fn leave(code: u8) -> ! {
    terminal::restore();
    std::process::exit(code.into());
}

/// Whether a run is over, for who waits until it is.
#[derive(Clone, Default)]
struct Over(Arc<(Mutex<bool>, Condvar)>);

impl Over {
    fn set(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    fn within(&self, time: Duration) -> bool {
        let (over, changed) = &*self.0;
        let over = over.lock().unwrap_or_else(PoisonError::into_inner);
        *changed.wait_timeout_while(over, time, |over| !*over).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Stops a run.
#[derive(Clone, Default)]
pub struct Stopper {
    interrupt: Interrupt,
    timed_out: Arc<AtomicBool>,
}

/// Until it is dropped, when the run is over, the run can be stopped.
pub struct Watch(Over);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.set();
        *stop() = None;
    }
}

type Stop = Box<dyn Fn() + Send>;

/// What Ctrl-C stops, if a guest is at work.
fn stop() -> MutexGuard<'static, Option<Stop>> {
    static STOP: Mutex<Option<Stop>> = Mutex::new(None);
    STOP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the first Ctrl-C calls `first`; a second one does not wait for the guest. One command may run several guests, one after the other:
/// what comes between two of them stops the next.
fn on_signal(first: Stop) {
    static HANDLED: Once = Once::new();
    static SIGNALLED: AtomicBool = AtomicBool::new(false);
    *stop() = Some(first);
    HANDLED.call_once(|| {
        let handler = || {
            if SIGNALLED.swap(true, Ordering::Relaxed) {
                leave(Ended::Interrupted.code());
            }
            if let Some(first) = &*stop() {
                first();
            }
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            crate::error::say(format_args!("Ctrl-C cannot be watched for: {error}"));
        }
    });
    if SIGNALLED.load(Ordering::Relaxed)
        && let Some(first) = &*stop()
    {
        first();
    }
}

impl Stopper {
    /// One that has not stopped anything.
    pub fn new() -> Self {
        Stopper::default()
    }

    /// What the guest's waits end with.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Whether it was the timeout.
    pub fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// From now on Ctrl-C, and `timeout` when it passes before the answer is dropped, call `stop`. A run that does not end by itself soon after
    /// is ended with its exit code; soon after Ctrl-C when nothing is left to be done behind it, so that it need not end `in_order`.
    pub fn watch(&self, timeout: Option<Duration>, in_order: bool, stop: impl Fn() + Clone + Send + 'static) -> Watch {
        let over = Over::default();
        let (interrupt, ends) = (stop.clone(), over.clone());
        on_signal(Box::new(move || {
            interrupt();
            let ends = ends.clone();
            if !in_order {
                std::thread::spawn(move || {
                    if !ends.within(SHORT_GRACE) {
                        terminal::restore();
                        super::last_line(&Ended::Interrupted);
                        leave(Ended::Interrupted.code());
                    }
                });
            }
        }));
        if let Some(timeout) = timeout {
            let (timed_out, ends) = (self.timed_out.clone(), over.clone());
            std::thread::spawn(move || {
                if ends.within(timeout) {
                    return;
                }
                timed_out.store(true, Ordering::Relaxed);
                stop();
                // What it would say might be stuck as well.
                if !ends.within(GRACE) {
                    leave(Ended::Timeout(timeout).code());
                }
            });
        }
        Watch(over)
    }
}

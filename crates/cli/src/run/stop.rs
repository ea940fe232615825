//! What stops a run from outside: `--timeout`, Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, mpsc};
use std::time::Duration;

use stratafs::Interrupt;

use crate::error::Ended;
use crate::terminal;

/// How long a run may go on after it was stopped: the host's own output may be stuck behind a reader that does not read.
const GRACE: Duration = Duration::from_secs(2);

/// How long a guest that computes may go on after Ctrl-C when nothing is left to be done after it.
const SHORT_GRACE: Duration = Duration::from_millis(100);

/// Ends the command as `ended` does, unless the run has ended by itself shortly.
pub fn end_soon(ended: Ended) {
    std::thread::spawn(move || {
        std::thread::sleep(SHORT_GRACE);
        super::last_line(&ended);
        std::process::exit(ended.code().into());
    });
}

/// Stops a run.
#[derive(Clone, Default)]
pub struct Stopper {
    interrupt: Interrupt,
    timed_out: Arc<AtomicBool>,
}

/// Ends the watch over the timeout when the run is over.
pub struct Watch(#[expect(dead_code, reason = "dropping it is what it is for")] mpsc::Sender<()>);

/// From now on the first Ctrl-C calls `stop`; a second one does not wait for the guest. One command may run several guests, one after the other.
fn on_signal(stop: Box<dyn Fn() + Send>) {
    static STOP: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);
    static HANDLED: Once = Once::new();
    static SIGNALLED: AtomicBool = AtomicBool::new(false);
    let current = || STOP.lock().unwrap_or_else(PoisonError::into_inner);
    *current() = Some(stop);
    HANDLED.call_once(|| {
        let handler = move || {
            if SIGNALLED.swap(true, Ordering::Relaxed) {
                terminal::restore();
                std::process::exit(130);
            }
            if let Some(stop) = &*current() {
                stop();
            }
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            crate::error::say(format_args!("Ctrl-C cannot be watched for: {error}"));
        }
    });
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
    /// is ended with its exit code.
    pub fn watch(&self, timeout: Option<Duration>, stop: impl Fn() + Clone + Send + 'static) -> Watch {
        on_signal(Box::new(stop.clone()));
        let (over, is_over) = mpsc::channel::<()>();
        if let Some(timeout) = timeout {
            let timed_out = self.timed_out.clone();
            std::thread::spawn(move || {
                if is_over.recv_timeout(timeout) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
                timed_out.store(true, Ordering::Relaxed);
                stop();
                if is_over.recv_timeout(GRACE) == Err(mpsc::RecvTimeoutError::Timeout) {
                    terminal::restore();
                    std::process::exit(124);
                }
            });
        }
        Watch(over)
    }
}

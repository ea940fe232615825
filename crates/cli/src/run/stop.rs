//! What stops a run from outside: `--timeout`, Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use stratafs::Interrupt;

/// How long a run may go on after it was stopped: the host's own output may be stuck behind a reader that does not read.
const GRACE: Duration = Duration::from_secs(2);

/// Stops a run.
#[derive(Clone, Default)]
pub struct Stopper {
    interrupt: Interrupt,
    timed_out: Arc<AtomicBool>,
}

/// Ends the watch over the timeout when the run is over.
pub struct Watch(#[expect(dead_code, reason = "dropping it is what it is for")] mpsc::Sender<()>);

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
        let on_signal = stop.clone();
        let signalled = AtomicBool::new(false);
        // A second Ctrl-C does not wait for the guest.
        let handler = move || {
            if signalled.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            on_signal();
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            crate::error::say(format_args!("Ctrl-C cannot be watched for: {error}"));
        }
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
                    std::process::exit(124);
                }
            });
        }
        Watch(over)
    }
}

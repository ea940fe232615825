//! Waiting without blocking: what a call waits for is a value; the adapter parks on it or awaits it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What a call that may block answers when it can finish.
#[derive(Debug)]
pub enum Outcome<T> {
    /// It finished.
    Ready(T),
    /// It would block. Nothing has changed; run the same call again when the wait is over.
    Wait(Wait),
}

impl<T> Outcome<T> {
    /// Applies `f` to a finished call's value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Ready(value) => Outcome::Ready(f(value)),
            Outcome::Wait(wait) => Outcome::Wait(wait),
        }
    }
}

/// Something that happens again and again: data arrives, space frees, a lock goes.
#[derive(Debug, Default)]
pub struct Event {
    times: AtomicU64,
    waiting: Mutex<Vec<Waker>>,
}

impl Event {
    /// How often it has happened. Taken before a condition is checked, so that no signal between check and wait is lost.
    #[must_use]
    pub fn times(&self) -> u64 {
        self.times.load(Ordering::Acquire)
    }

    /// It happens: everyone who waits is woken.
    pub fn signal(&self) {
        self.times.fetch_add(1, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Registers `waker`, unless it has happened since `seen`. Answers whether it was registered.
    fn register(&self, seen: u64, waker: &Waker) -> bool {
        let mut waiting = self.waiting.lock();
        if self.times() != seen {
            return false;
        }
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        true
    }

    fn forget(&self, waker: &Waker) {
        self.waiting.lock().retain(|other| !other.will_wake(waker));
    }
}

/// What a call waits for: any of some events, or a moment on the host's clock.
#[derive(Debug, Clone, Default)]
pub struct Wait {
    events: Vec<(Arc<Event>, u64)>,
    /// The latest moment to run the call again; none waits for events alone.
    pub until: Option<Instant>,
}

impl Wait {
    /// Waits for nothing yet; add events, or a moment.
    #[must_use]
    pub fn new() -> Self {
        Wait::default()
    }

    /// Waits for `duration`.
    #[must_use]
    pub fn timer(duration: Duration) -> Self {
        Wait { events: Vec::new(), until: Instant::now().checked_add(duration) }
    }

    /// Also waits for `event` to happen after it had happened `seen` times.
    #[must_use]
    pub fn or_event(mut self, event: &Arc<Event>, seen: u64) -> Self {
        self.events.push((event.clone(), seen));
        self
    }

    /// Registers `waker` with every event.
    ///
    /// Answers true when the call should run again at once: an event has happened, or the moment has passed. A moment that lies
    /// ahead is the caller's to time.
    #[must_use]
    pub fn poll(&self, waker: &Waker) -> bool {
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return true;
        }
        !self.events.iter().all(|(event, seen)| event.register(*seen, waker))
    }

    /// Takes `waker` back from every event.
    pub fn forget(&self, waker: &Waker) {
        self.events.iter().for_each(|(event, _)| event.forget(waker));
    }

    /// Parks this thread until it is over.
    pub fn block(&self) {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        while !self.poll(&waker) {
            match self.until {
                Some(until) => std::thread::park_timeout(until.saturating_duration_since(Instant::now())),
                None => std::thread::park(),
            }
        }
        self.forget(&waker);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Ends a process's waits from outside: a timeout, Ctrl-C. Once raised it stays. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Event>);

impl Interrupt {
    /// Not raised.
    #[must_use]
    pub fn new() -> Self {
        Interrupt::default()
    }

    /// Ends every wait, now and from now on.
    pub fn raise(&self) {
        self.0.signal();
    }

    /// Whether it was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.times() != 0
    }

    /// `wait`, ended early when this is raised.
    #[must_use]
    pub fn or(&self, wait: Wait) -> Wait {
        wait.or_event(&self.0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_between_check_and_wait_is_not_lost() {
        let event = Arc::new(Event::default());
        let seen = event.times();
        event.signal();
        Wait::new().or_event(&event, seen).block();
    }

    #[test]
    fn a_parked_thread_is_woken_by_an_event_and_by_an_interrupt() {
        let event = Arc::new(Event::default());
        let interrupt = Interrupt::new();
        for raise in [false, true] {
            let wait = interrupt.or(Wait::new().or_event(&event, event.times()));
            let thread = std::thread::spawn(move || wait.block());
            if raise {
                interrupt.raise()
            } else {
                event.signal()
            }
            thread.join().unwrap();
        }
        assert!(interrupt.is_raised());
    }

    #[test]
    fn a_moment_passes() {
        Wait::timer(Duration::from_millis(1)).block();
    }
}

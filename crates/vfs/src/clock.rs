//! Clocks: the host's, or one that an embedder makes up.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use crate::Timestamp;

/// Where times come from.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn realtime(&self) -> Timestamp;

    /// Time since some fixed point; it never goes back.
    fn monotonic(&self) -> Duration;

    /// The time of day for file times; may lag a few milliseconds behind [`realtime`](Clock::realtime), as the kernel's does.
    fn coarse(&self) -> Timestamp {
        self.realtime()
    }

    /// The clock's step.
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }
}

/// The host's clocks. The monotonic one starts when the program first asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn realtime(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    #[cfg(target_os = "linux")]
    fn coarse(&self) -> Timestamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        Timestamp { sec: now.tv_sec, nsec: u32::try_from(now.tv_nsec).unwrap_or(0) }
    }
}

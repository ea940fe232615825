//! What goes wrong, and when: a plan, and the counters of its run.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::{Errno, Result};

/// A kind of call to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Finding a name.
    Lookup,
    /// Attributes, of a node or of an open file.
    Stat,
    /// Listing a directory.
    List,
    /// Opening.
    Open,
    /// The target of a link.
    ReadLink,
    /// A new file, directory, link or FIFO.
    Create,
    /// Taking a name away.
    Remove,
    /// Moving.
    Rename,
    /// A further name.
    Link,
    /// Changing attributes, the size among them.
    SetAttr,
    /// Reading a file.
    Read,
    /// Writing a file.
    Write,
    /// Bringing a file to stable storage.
    Sync,
    /// Reserving space.
    Allocate,
}

impl Call {
    /// Every call, with the name that a command line may give it.
    pub const ALL: [(&'static str, Call); 14] = [
        ("lookup", Call::Lookup),
        ("stat", Call::Stat),
        ("list", Call::List),
        ("open", Call::Open),
        ("readlink", Call::ReadLink),
        ("create", Call::Create),
        ("remove", Call::Remove),
        ("rename", Call::Rename),
        ("link", Call::Link),
        ("setattr", Call::SetAttr),
        ("read", Call::Read),
        ("write", Call::Write),
        ("sync", Call::Sync),
        ("allocate", Call::Allocate),
    ];
}

/// Which of the calls that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Only the one with this number; the first is 1.
    Nth(u64),
    /// One in so many, picked by the seed. 0 and 1 mean every one.
    OneIn(u64),
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has changed nothing.
    Error(Errno),
    /// A read or write moves only the first half of what it could, at least one byte. Other calls go through.
    Short,
    /// It is done after this time, for which the calling thread sleeps.
    Slow(Duration),
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The calls that it is about; none stands for all.
    pub call: Option<Call>,
    /// Which of them.
    pub when: When,
    /// What happens to these.
    pub fault: Fault,
}

/// All that goes wrong in a layer. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What [`When::OneIn`] follows from: the same seed and the same calls give the same faults.
    pub seed: u64,
    /// Looked at in order; the first error is the call's. Every rule counts the calls that it is about, failed ones too.
    pub rules: Vec<Rule>,
    /// Bytes that can be written in all, whatever is freed meanwhile; then writes get `ENOSPC`. The one that crosses it comes short.
    pub full: Option<u64>,
}

/// A plan that runs. Cloning shares it: an embedder keeps one to pause the faults and to count them.
#[derive(Debug, Clone)]
pub struct Faults(Arc<State>);

#[derive(Debug)]
struct State {
    plan: Plan,
    /// For each rule, how many calls it was asked about.
    asked: Vec<AtomicU64>,
    written: AtomicU64,
    injected: AtomicU64,
    paused: AtomicBool,
}

impl From<Plan> for Faults {
    fn from(plan: Plan) -> Self {
        let asked = plan.rules.iter().map(|_| AtomicU64::new(0)).collect();
        let (written, injected, paused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        Faults(Arc::new(State { plan, asked, written, injected, paused }))
    }
}

/// A number that looks random and follows from `x` (splitmix64).
fn scatter(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Faults {
    /// Lets every call through, uncounted, or no longer.
    pub fn pause(&self, paused: bool) {
        self.0.paused.store(paused, Ordering::Relaxed);
    }

    /// How many faults there were.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.0.injected.load(Ordering::Relaxed)
    }

    fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Relaxed)
    }

    fn strikes(&self, index: usize, when: When) -> bool {
        let Some(asked) = self.0.asked.get(index) else { return false };
        let count = asked.fetch_add(1, Ordering::Relaxed) + 1;
        match when {
            When::Nth(n) => count == n,
            When::OneIn(n) => n < 2 || scatter(scatter(self.0.plan.seed ^ index as u64) ^ count).is_multiple_of(n),
        }
    }

    fn struck(&self) {
        self.0.injected.fetch_add(1, Ordering::Relaxed);
    }

    /// Comes before a call. Answers whether it shall be short.
    ///
    /// # Errors
    /// What the plan says.
    pub(super) fn before(&self, call: Call) -> Result<bool> {
        if self.is_paused() {
            return Ok(false);
        }
        let mut result = Ok(false);
        for (index, rule) in self.0.plan.rules.iter().enumerate() {
            if rule.call.is_some_and(|other| other != call) || !self.strikes(index, rule.when) {
                continue;
            }
            // A call that has failed goes on to be counted: the third is the third for every rule.
            if result.is_err() {
                continue;
            }
            self.struck();
            match rule.fault {
                Fault::Error(errno) => result = Err(errno),
                Fault::Short => result = Ok(true),
                Fault::Slow(time) => std::thread::sleep(time),
            }
        }
        result
    }

    /// Comes around a write of `bufs`, which `write` does with as many bytes as there may be.
    ///
    /// # Errors
    /// What the plan says; `ENOSPC` when it is full; what `write` gives.
    pub(super) fn writing<T>(
        &self,
        bufs: &[IoSlice<'_>],
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<T>,
        moved: impl FnOnce(&T) -> usize,
    ) -> Result<T> {
        let short = self.before(Call::Write)?;
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let most = if short { half(len) } else { len };
        let Some(full) = self.0.plan.full.filter(|_| !self.is_paused()) else { return write(&cut(bufs, most)) };
        // What is taken here and not written is given back, so that two writers cannot pass the bound together.
        let mut taken = 0;
        let take = |written: u64| {
            taken = full.saturating_sub(written).min(most as u64);
            Some(written + taken)
        };
        let _ = self.0.written.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if taken < most as u64 {
            self.struck();
        }
        if taken == 0 && most > 0 {
            return Err(Errno::ENOSPC);
        }
        let done = write(&cut(bufs, usize::try_from(taken).unwrap_or(most)));
        let used = done.as_ref().map_or(0, moved) as u64;
        self.0.written.fetch_sub(taken.saturating_sub(used), Ordering::Relaxed);
        done
    }
}

/// What a short call moves of `len` bytes.
pub(super) fn half(len: usize) -> usize {
    len.div_ceil(2)
}

/// The first `most` bytes of `bufs`.
fn cut<'a>(bufs: &'a [IoSlice<'a>], mut most: usize) -> Vec<IoSlice<'a>> {
    let piece = |buf: &'a IoSlice<'a>| {
        let part = buf.get(..most.min(buf.len())).unwrap_or_default();
        most -= part.len();
        IoSlice::new(part)
    };
    bufs.iter().map(piece).collect()
}

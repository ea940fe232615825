//! Advisory locks on files, between the processes of this host that share a filesystem.
//!
//! `fcntl`'s ranges and `flock`'s whole files are two kinds that do not see each other, as on Linux. A lock belongs to an owner: a
//! process, or an open file description. What stands in the table is what is locked now: a file's entry goes with its last owner.
//!
//! Lock order: a file's state before a shard of the table; neither is held while a filesystem is called.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::Mutex;

use crate::node::NodeRef;
use crate::wait::{Event, Outcome, Wait};
use crate::{Errno, Result};

/// Ranges that one owner may hold on one file. Past it: `ENOLCK`.
const RANGES_MAX: usize = 1024;
const SHARDS: usize = 32;

/// What a lock leaves to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Others may hold such a lock as well (`F_RDLCK`, `LOCK_SH`).
    Shared,
    /// Nobody else may hold a lock (`F_WRLCK`, `LOCK_EX`).
    Exclusive,
}

/// Bytes of a file, from `start` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    start: u64,
    last: u64,
}

impl ByteRange {
    /// The end of a range that reaches to the end of the file, however long it gets.
    const END: u64 = i64::MAX as u64;

    /// The range of `len` bytes at `start` bytes from `base`; 0 is to the end of the file, a negative `len` is before `start`.
    ///
    /// # Errors
    /// `EOVERFLOW` past `i64::MAX`; `EINVAL` before the start of the file.
    pub(crate) fn new(base: u64, start: i64, len: i64) -> Result<Self> {
        let base = i64::try_from(base).map_err(|_| Errno::EOVERFLOW)?;
        let start = base.checked_add(start).ok_or(Errno::EOVERFLOW)?;
        let (start, last) = match len {
            0 => (start, i64::MAX),
            1.. => (start, if start < 0 { start } else { start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)? }),
            _ => (start.checked_add(len).ok_or(Errno::EINVAL)?, start.checked_sub(1).ok_or(Errno::EINVAL)?),
        };
        let start = u64::try_from(start).map_err(|_| Errno::EINVAL)?;
        Ok(ByteRange { start, last: u64::try_from(last).map_err(|_| Errno::EINVAL)? })
    }

    /// The first byte.
    #[must_use]
    pub fn start(self) -> u64 {
        self.start
    }

    /// How many bytes; 0 is to the end of the file.
    #[must_use]
    pub fn length(self) -> u64 {
        if self.last == Self::END { 0 } else { self.last - self.start + 1 }
    }

    fn overlaps(self, other: ByteRange) -> bool {
        self.start <= other.last && other.start <= self.last
    }

    fn touches(self, other: ByteRange) -> bool {
        self.start <= other.last.saturating_add(1) && other.start <= self.last.saturating_add(1)
    }
}

/// A lock that stands in another's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldLock {
    /// What it leaves to others.
    pub kind: LockKind,
    /// What it covers.
    pub range: ByteRange,
    /// The number of the process that holds it; none when an open file does.
    pub process: Option<u64>,
}

/// Who holds locks: a number that nobody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Owner {
    id: u64,
    process: bool,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    owner: Owner,
    kind: LockKind,
    range: ByteRange,
}

impl Held {
    fn blocks(&self, owner: Owner, kind: LockKind) -> bool {
        self.owner != owner && (self.kind == LockKind::Exclusive || kind == LockKind::Exclusive)
    }
}

#[derive(Default)]
struct State {
    ranges: Vec<Held>,
    /// `flock`'s locks; their ranges mean nothing.
    whole: Vec<Held>,
}

impl State {
    fn conflict(&self, owner: Owner, range: ByteRange, kind: LockKind) -> Option<Held> {
        let in_the_way = |held: &&Held| held.blocks(owner, kind) && held.range.overlaps(range);
        self.ranges.iter().filter(in_the_way).min_by_key(|held| held.range.start).copied()
    }

    /// Makes `range` the owner's with `kind`, or nobody's. Answers whether something became free.
    fn set(&mut self, owner: Owner, range: ByteRange, kind: Option<LockKind>) -> Result<bool> {
        let mut new = range;
        let mut kept = Vec::new();
        let mut freed = false;
        for held in self.ranges.iter().filter(|held| held.owner == owner) {
            if Some(held.kind) == kind && held.range.touches(range) {
                new = ByteRange { start: new.start.min(held.range.start), last: new.last.max(held.range.last) };
                continue;
            }
            if !held.range.overlaps(range) {
                kept.push(*held);
                continue;
            }
            freed = true;
            if held.range.start < range.start {
                kept.push(Held { range: ByteRange { start: held.range.start, last: range.start - 1 }, ..*held });
            }
            if held.range.last > range.last {
                kept.push(Held { range: ByteRange { start: range.last + 1, last: held.range.last }, ..*held });
            }
        }
        kept.extend(kind.map(|kind| Held { owner, kind, range: new }));
        if kept.len() > RANGES_MAX {
            return Err(Errno::ENOLCK);
        }
        self.ranges.retain(|held| held.owner != owner);
        self.ranges.append(&mut kept);
        Ok(freed)
    }
}

type Key = (usize, u64);

/// The locks of one file.
struct FileLocks {
    key: Key,
    state: Mutex<State>,
    event: Arc<Event>,
    /// Keeps the file, and with it its key, from being given to another.
    _node: NodeRef,
}

impl Drop for FileLocks {
    fn drop(&mut self) {
        if let Entry::Occupied(entry) = shard(self.key).lock().entry(self.key)
            && entry.get().strong_count() == 0
        {
            entry.remove();
        }
    }
}

type Shard = Mutex<HashMap<Key, Weak<FileLocks>>>;

fn shard((filesystem, node): Key) -> &'static Shard {
    static TABLE: LazyLock<[Shard; SHARDS]> = LazyLock::new(|| std::array::from_fn(|_| Mutex::default()));
    let mixed = (filesystem as u64 >> 4).wrapping_add(node).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    crate::shards::shard(&TABLE, mixed)
}

fn file_locks(node: &NodeRef) -> Arc<FileLocks> {
    let key = node.identity();
    let mut shard = shard(key).lock();
    if let Some(locks) = shard.get(&key).and_then(Weak::upgrade) {
        return locks;
    }
    let locks = Arc::new(FileLocks { key, state: Mutex::default(), event: Arc::default(), _node: node.clone() });
    shard.insert(key, Arc::downgrade(&locks));
    locks
}

/// Who waits for whom, by owner, so that a circle is found before it closes. Touched only by calls that have to wait.
static WAITING: LazyLock<Mutex<HashMap<u64, u64>>> = LazyLock::new(Mutex::default);

/// One owner and the files on which it holds locks. Dropping it releases them.
pub(crate) struct LockOwner {
    owner: Owner,
    files: Vec<Arc<FileLocks>>,
    waiting: bool,
}

impl LockOwner {
    /// A process.
    pub fn process() -> Self {
        LockOwner::new(true)
    }

    /// An open file description.
    pub fn open_file() -> Self {
        LockOwner::new(false)
    }

    fn new(process: bool) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let owner = Owner { id: NEXT.fetch_add(1, Ordering::Relaxed), process };
        LockOwner { owner, files: Vec::new(), waiting: false }
    }

    /// The owner's number.
    pub fn id(&self) -> u64 {
        self.owner.id
    }

    fn hold(&mut self, locks: &Arc<FileLocks>) {
        if !self.files.iter().any(|file| Arc::ptr_eq(file, locks)) {
            self.files.push(locks.clone());
        }
    }

    /// Lets go of files on which nothing is locked any more.
    fn let_go(&mut self, locks: &Arc<FileLocks>) {
        let owner = self.owner;
        let state = locks.state.lock();
        let held = state.ranges.iter().chain(&state.whole).any(|held| held.owner == owner);
        drop(state);
        if !held {
            self.files.retain(|file| !Arc::ptr_eq(file, locks));
        }
    }

    /// `fcntl`'s `F_GETLK`: the lock that would stand in the way.
    pub fn conflict(&self, node: &NodeRef, range: ByteRange, kind: LockKind) -> Option<HeldLock> {
        let locks = file_locks(node);
        let found = locks.state.lock().conflict(self.owner, range, kind);
        found.map(|held| HeldLock { kind: held.kind, range: held.range, process: held.owner.process.then_some(held.owner.id) })
    }

    /// `fcntl`'s `F_SETLK`, and `F_SETLKW` with `wait`. No kind: unlocks.
    pub fn set(&mut self, node: &NodeRef, range: ByteRange, kind: Option<LockKind>, wait: bool) -> Result<Outcome<()>> {
        self.forget_waiting();
        let locks = file_locks(node);
        let seen = locks.event.times();
        let mut state = locks.state.lock();
        if let Some(kind) = kind
            && let Some(held) = state.conflict(self.owner, range, kind)
        {
            drop(state);
            if !wait {
                return Err(Errno::EAGAIN);
            }
            self.note_waiting(held.owner)?;
            return Ok(Outcome::Wait(Wait::new().or_event(&locks.event, seen)));
        }
        let freed = state.set(self.owner, range, kind)?;
        drop(state);
        if freed {
            locks.event.signal();
        }
        match kind {
            Some(_) => self.hold(&locks),
            None => self.let_go(&locks),
        }
        Ok(Outcome::Ready(()))
    }

    /// `flock`. As on Linux, an owner that changes its lock has lost the old one while it waits, or when it is refused.
    pub fn flock(&mut self, node: &NodeRef, kind: Option<LockKind>, wait: bool) -> Result<Outcome<()>> {
        let locks = file_locks(node);
        let seen = locks.event.times();
        let mut state = locks.state.lock();
        let own = state.whole.iter().position(|held| held.owner == self.owner);
        if let Some(index) = own {
            if state.whole.get(index).map(|held| held.kind) == kind {
                return Ok(Outcome::Ready(()));
            }
            state.whole.swap_remove(index);
        }
        let granted = kind.is_none_or(|kind| !state.whole.iter().any(|held| held.blocks(self.owner, kind)));
        if granted {
            let range = ByteRange { start: 0, last: ByteRange::END };
            state.whole.extend(kind.map(|kind| Held { owner: self.owner, kind, range }));
        }
        drop(state);
        if own.is_some() {
            locks.event.signal();
        }
        if granted && kind.is_some() {
            self.hold(&locks);
        } else {
            self.let_go(&locks);
        }
        match (granted, wait) {
            (true, _) => Ok(Outcome::Ready(())),
            // What this owner itself has just signalled is no reason to try again.
            (false, true) => Ok(Outcome::Wait(Wait::new().or_event(&locks.event, seen + u64::from(own.is_some())))),
            (false, false) => Err(Errno::EAGAIN),
        }
    }

    /// POSIX: a process that closes any descriptor of a file loses all its locks on it.
    pub fn closed(&mut self, node: &NodeRef) {
        if self.files.is_empty() {
            return;
        }
        let key = node.identity();
        if let Some(index) = self.files.iter().position(|file| file.key == key) {
            let locks = self.files.swap_remove(index);
            self.release(&locks);
        }
    }

    fn release(&self, locks: &FileLocks) {
        let mut state = locks.state.lock();
        state.ranges.retain(|held| held.owner != self.owner);
        state.whole.retain(|held| held.owner != self.owner);
        drop(state);
        locks.event.signal();
    }

    /// Notes that this owner waits for `holder`.
    ///
    /// # Errors
    /// `EDEADLK` when the holder waits, directly or through others, for this one.
    fn note_waiting(&mut self, holder: Owner) -> Result<()> {
        let mut waiting = WAITING.lock();
        let mut at = holder.id;
        for _ in 0..=waiting.len() {
            match waiting.get(&at) {
                Some(&next) if next == self.owner.id => return Err(Errno::EDEADLK),
                Some(&next) => at = next,
                None => break,
            }
        }
        waiting.insert(self.owner.id, holder.id);
        self.waiting = true;
        Ok(())
    }

    /// Notes that this owner waits for nobody.
    pub fn forget_waiting(&mut self) {
        if std::mem::take(&mut self.waiting) {
            WAITING.lock().remove(&self.owner.id);
        }
    }
}

impl Drop for LockOwner {
    fn drop(&mut self) {
        self.forget_waiting();
        for locks in std::mem::take(&mut self.files) {
            self.release(&locks);
        }
    }
}

#[cfg(test)]
mod tests;

//! A file that is no directory: its contents under a lock, and its attributes, which are read without it.
//!
//! Locking to read costs two atomic read-modify-writes, a third of an `fstat`. The attributes are a sequence lock instead: whoever
//! changes them holds the lock on the contents, and makes the sequence odd while they are of two moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::data::Data;
use super::node::Meta;
use crate::pipe::Pipe;
use crate::{Errno, Result, Timestamp};

/// So often the attributes are looked at before waiting for whoever changes them.
const TRIES: u32 = 16;

/// Anything but a directory.
pub(super) struct Leaf {
    contents: RwLock<Contents>,
    /// Odd: the words are being changed.
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

#[derive(Debug)]
pub(super) enum Contents {
    File(Data),
    Symlink(Box<[u8]>),
    Fifo(Arc<Pipe>),
}

/// What `stat` tells of a leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub meta: Meta,
    /// Bytes.
    pub size: u64,
    /// Bytes of storage, for its blocks.
    pub stored: u64,
}

const WORDS: usize = 9;

impl Attributes {
    fn of(meta: Meta, contents: &Contents) -> Self {
        let (size, stored) = match contents {
            Contents::File(data) => (data.size(), data.charged()),
            Contents::Symlink(target) => (target.len() as u64, 0),
            Contents::Fifo(_) => (0, 0),
        };
        Attributes { meta, size, stored }
    }

    fn words(&self) -> [u64; WORDS] {
        let Meta { mode, nlink, uid, gid, atime, mtime, ctime } = self.meta;
        let secs = |time: Timestamp| time.sec.cast_unsigned();
        [
            pair(mode, nlink),
            pair(uid, gid),
            secs(atime),
            secs(mtime),
            secs(ctime),
            pair(atime.nsec, mtime.nsec),
            ctime.nsec.into(),
            self.size,
            self.stored,
        ]
    }

    #[inline]
    fn from_words([mode_nlink, uid_gid, asec, msec, csec, nsecs, cnsec, size, stored]: [u64; WORDS]) -> Self {
        let time = |sec: u64, nsec: u32| Timestamp { sec: sec.cast_signed(), nsec };
        let meta = Meta {
            mode: low(mode_nlink),
            nlink: high(mode_nlink),
            uid: low(uid_gid),
            gid: high(uid_gid),
            atime: time(asec, low(nsecs)),
            mtime: time(msec, high(nsecs)),
            ctime: time(csec, low(cnsec)),
        };
        Attributes { meta, size, stored }
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low(pair: u64) -> u32 {
    pair as u32
}

fn high(pair: u64) -> u32 {
    low(pair >> 32)
}

impl Leaf {
    pub fn new(meta: Meta, contents: Contents) -> Self {
        let words = Attributes::of(meta, &contents).words().map(AtomicU64::new);
        Leaf { contents: RwLock::new(contents), sequence: AtomicU64::new(0), words }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read()
    }

    /// Locks everything, to be changed. The attributes are seen by others when the guard goes.
    pub fn write(&self) -> LeafMut<'_> {
        let contents = self.contents.write();
        LeafMut { leaf: self, meta: self.load().meta, contents }
    }

    /// The attributes of one moment.
    #[inline]
    pub fn attributes(&self) -> Attributes {
        for _ in 0..TRIES {
            let before = self.sequence.load(Ordering::Acquire);
            let attributes = self.load();
            fence(Ordering::Acquire);
            if before & 1 == 0 && self.sequence.load(Ordering::Relaxed) == before {
                return attributes;
            }
            std::hint::spin_loop();
        }
        let _unchanged = self.contents.read();
        self.load()
    }

    /// The words as they stand: of one moment only when nobody changes them.
    #[inline]
    fn load(&self) -> Attributes {
        Attributes::from_words(self.words.each_ref().map(|word| word.load(Ordering::Relaxed)))
    }

    /// Says that the words are being changed, for whoever holds the lock to write.
    pub(super) fn begin(&self) -> u64 {
        let odd = self.sequence.load(Ordering::Relaxed) | 1;
        self.sequence.store(odd, Ordering::Relaxed);
        fence(Ordering::Release);
        odd
    }

    /// For whoever holds the lock to write.
    fn store(&self, attributes: &Attributes) {
        let odd = self.begin();
        for (word, value) in self.words.iter().zip(attributes.words()) {
            word.store(value, Ordering::Relaxed);
        }
        self.sequence.store(odd.wrapping_add(1), Ordering::Release);
    }
}

/// A leaf that nobody else changes, and whose contents nobody else reads.
pub(super) struct LeafMut<'a> {
    leaf: &'a Leaf,
    pub meta: Meta,
    contents: RwLockWriteGuard<'a, Contents>,
}

impl LeafMut<'_> {
    /// # Errors
    /// `EINVAL` for anything but a file.
    pub fn file(&mut self) -> Result<(&mut Meta, &mut Data)> {
        if let Contents::File(data) = &mut *self.contents { Ok((&mut self.meta, data)) } else { Err(Errno::EINVAL) }
    }
}

impl Drop for LeafMut<'_> {
    fn drop(&mut self) {
        // The guard on the contents goes after this.
        self.leaf.store(&Attributes::of(self.meta, &self.contents));
    }
}

impl Contents {
    /// # Errors
    /// `EINVAL` for anything but a file.
    pub fn file(&self) -> Result<&Data> {
        if let Contents::File(data) = self { Ok(data) } else { Err(Errno::EINVAL) }
    }

    /// Bytes charged for them.
    pub fn charged(&self) -> u64 {
        match self {
            Contents::File(data) => data.charged(),
            Contents::Symlink(target) => target.len() as u64,
            Contents::Fifo(_) => 0,
        }
    }
}

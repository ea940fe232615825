//! What is remembered of a directory that nobody else changes.
//!
//! Every change through the filesystem raises a generation, and what was remembered before does not count any more: coarse, and
//! therefore right; a mount that is only read, which this is for, never loses anything. The generation is read before the
//! host is asked, so that an answer which a change has overtaken is never used.

use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use lru::LruCache;
use parking_lot::Mutex;

use super::node::{FileId, HostNode};
use crate::shards::shard;
use crate::{Errno, Result, Stat};

const SHARDS: usize = 16;

/// Names, and attributes, that one shard remembers.
const SHARD_SIZE: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How often a filesystem has been changed.
#[derive(Debug, Default)]
pub(super) struct Generation(AtomicU64);

impl Generation {
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

struct Known {
    generation: u64,
    name: Box<[u8]>,
    /// `None`: there is no such name.
    node: Option<HostNode>,
}

type Shard<K, V> = [Mutex<LruCache<K, V, RandomState>>; SHARDS];

/// Names and attributes, missing names too.
pub(super) struct Cache {
    hasher: RandomState,
    names: Shard<(FileId, u64), Known>,
    stats: Shard<FileId, (u64, Stat)>,
}

fn shards<K: std::hash::Hash + Eq, V>() -> Shard<K, V> {
    std::array::from_fn(|_| Mutex::new(LruCache::with_hasher(SHARD_SIZE, RandomState::default())))
}

impl Cache {
    pub fn new() -> Self {
        Cache { hasher: RandomState::default(), names: shards(), stats: shards() }
    }

    fn hash(&self, dir: FileId, name: &[u8]) -> u64 {
        self.hasher.hash_one((dir, name))
    }

    /// What is known of `name` in `dir` in that generation.
    pub fn lookup(&self, dir: FileId, name: &[u8], generation: u64) -> Option<Result<HostNode>> {
        let hash = self.hash(dir, name);
        let mut names = shard(&self.names, hash).lock();
        let known = names.get(&(dir, hash)).filter(|known| known.generation == generation && *known.name == *name)?;
        Some(known.node.clone().ok_or(Errno::ENOENT))
    }

    /// Remembers what a lookup gave.
    pub fn found(&self, dir: FileId, name: &[u8], generation: u64, node: Option<HostNode>) {
        let hash = self.hash(dir, name);
        let known = Known { generation, name: name.into(), node };
        let pushed_out = shard(&self.names, hash).lock().push((dir, hash), known);
        drop(pushed_out);
    }

    pub fn stat(&self, id: FileId, generation: u64) -> Option<Stat> {
        let mut stats = shard(&self.stats, self.hasher.hash_one(id)).lock();
        stats.get(&id).filter(|(then, _)| *then == generation).map(|(_, stat)| *stat)
    }

    pub fn learned(&self, id: FileId, generation: u64, stat: Stat) {
        shard(&self.stats, self.hasher.hash_one(id)).lock().push(id, (generation, stat));
    }
}

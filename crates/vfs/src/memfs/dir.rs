//! A directory: its attributes and place, and its entries in the order they came, found by a keyed hash.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Weak};

use hashbrown::HashTable;

use super::node::{MemNode, Meta};
use crate::{Cookie, Errno, Result};

/// Bytes charged for an entry beside its name.
const ENTRY: u64 = 64;
/// A table this short is not worth compacting.
const COMPACT_MIN: usize = 32;

/// What the budget is charged with for an entry of that name.
pub(super) fn charge_of(name: &[u8]) -> u64 {
    name.len() as u64 + ENTRY
}

/// The hash of a name under the filesystem's key.
pub(super) fn hash_of(key: &foldhash::fast::RandomState, name: &[u8]) -> u64 {
    let mut hasher = key.build_hasher();
    hasher.write(name);
    hasher.finish()
}

/// A directory's state.
///
/// `slots` is ordered by `seq`, which is never used again and serves as the cookie: a listing continues by binary search, whatever
/// came and went. A name taken away leaves a slot without a node; when those are more than half, the slots are moved together.
#[derive(Debug)]
pub(super) struct Directory {
    pub meta: Meta,
    slots: Vec<Slot>,
    /// Indices into `slots`, of those with a node.
    table: HashTable<u32>,
    last_seq: Cookie,
    /// The directory above; dead for the root.
    pub parent: Weak<MemNode>,
    /// The directory that it was removed from, which it keeps for `..`.
    pub removed_from: Option<Arc<MemNode>>,
    /// The name in `parent`.
    pub name: Box<[u8]>,
    /// Directories above, as far as known: moving a directory does not correct the ones below it.
    pub depth: u32,
}

#[derive(Debug)]
struct Slot {
    seq: Cookie,
    hash: u64,
    name: Box<[u8]>,
    node: Option<Arc<MemNode>>,
}

/// One entry of a listing.
pub(super) struct Listed<'a> {
    pub seq: Cookie,
    pub name: &'a [u8],
    pub node: &'a Arc<MemNode>,
}

impl Directory {
    pub fn new(meta: Meta, parent: Weak<MemNode>, name: &[u8], depth: u32) -> Self {
        let (slots, table, last_seq) = (Vec::new(), HashTable::new(), 0);
        Directory { meta, slots, table, last_seq, parent, removed_from: None, name: name.into(), depth }
    }

    /// Itself, when it has not been removed.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn living(&self) -> Result<&Self> {
        if self.meta.nlink == 0 { Err(Errno::ENOENT) } else { Ok(self) }
    }

    /// As [`living`](Directory::living), to change it.
    pub fn living_mut(&mut self) -> Result<&mut Self> {
        if self.meta.nlink == 0 { Err(Errno::ENOENT) } else { Ok(self) }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The node called `name`, whose hash is `hash`.
    pub fn get(&self, hash: u64, name: &[u8]) -> Option<&Arc<MemNode>> {
        let index = *self.table.find(hash, |&index| self.is(index, hash, name))?;
        self.slots.get(index as usize)?.node.as_ref()
    }

    fn is(&self, index: u32, hash: u64, name: &[u8]) -> bool {
        self.slots.get(index as usize).is_some_and(|slot| slot.hash == hash && *slot.name == *name)
    }

    /// Whether one more entry can be numbered.
    ///
    /// # Errors
    /// `ENOSPC`.
    pub fn room(&self) -> Result<()> {
        if u32::try_from(self.slots.len()).is_ok_and(|n| n < u32::MAX) { Ok(()) } else { Err(Errno::ENOSPC) }
    }

    /// Adds a name that is not there; [`room`](Directory::room) has been asked.
    pub fn insert(&mut self, hash: u64, name: &[u8], node: Arc<MemNode>) {
        let Ok(index) = u32::try_from(self.slots.len()) else { return };
        self.last_seq += 1;
        self.slots.push(Slot { seq: self.last_seq, hash, name: name.into(), node: Some(node) });
        let slots = &self.slots;
        self.table.insert_unique(hash, index, |&index| slots.get(index as usize).map_or(0, |slot| slot.hash));
    }

    /// Puts another node under a name that is there; its place in listings stays. Answers the old one.
    pub fn replace(&mut self, hash: u64, name: &[u8], node: Arc<MemNode>) -> Option<Arc<MemNode>> {
        let index = *self.table.find(hash, |&index| self.is(index, hash, name))?;
        self.slots.get_mut(index as usize)?.node.replace(node)
    }

    /// Takes a name away. Answers its node.
    pub fn remove(&mut self, hash: u64, name: &[u8]) -> Option<Arc<MemNode>> {
        let slots = &self.slots;
        let same = |&index: &u32| slots.get(index as usize).is_some_and(|slot| slot.hash == hash && *slot.name == *name);
        let (index, _) = self.table.find_entry(hash, same).ok()?.remove();
        let slot = self.slots.get_mut(index as usize)?;
        slot.name = Box::default();
        let node = slot.node.take();
        if self.slots.len() > COMPACT_MIN && self.table.len() < self.slots.len() / 2 {
            self.compact();
        }
        node
    }

    fn compact(&mut self) {
        self.slots.retain(|slot| slot.node.is_some());
        self.slots.shrink_to(self.slots.len() * 2);
        self.table.clear();
        let slots = &self.slots;
        let hash_at = |&index: &u32| slots.get(index as usize).map_or(0, |slot| slot.hash);
        self.table.shrink_to(slots.len() * 2, hash_at);
        for (index, slot) in (0..).zip(slots) {
            self.table.insert_unique(slot.hash, index, hash_at);
        }
    }

    /// The entries after the one with cookie `from`.
    pub fn list(&self, from: Cookie) -> impl Iterator<Item = Listed<'_>> {
        let first = self.slots.partition_point(|slot| slot.seq <= from);
        let rest = self.slots.get(first..).unwrap_or_default();
        rest.iter().filter_map(|slot| Some(Listed { seq: slot.seq, name: &slot.name, node: slot.node.as_ref()? }))
    }

    /// Takes all nodes out that it holds, with the bytes that its entries were charged with.
    pub fn take(&mut self) -> (impl Iterator<Item = Arc<MemNode>> + use<>, u64) {
        self.table = HashTable::new();
        let slots = std::mem::take(&mut self.slots);
        let charged = slots.iter().filter(|slot| slot.node.is_some()).map(|slot| charge_of(&slot.name)).sum();
        let above = self.removed_from.take();
        (slots.into_iter().filter_map(|slot| slot.node).chain(above), charged)
    }

    /// Slots in use or waiting to be compacted.
    #[cfg(test)]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }
}

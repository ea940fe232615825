//! What a host file is to the guest: an identity and the names under which it was seen, and no descriptor.
//!
//! A file's identity is its device and inode number. One live [`HostNode`] stands for each identity, so that a rename by one
//! holder is known to all. Names are only where to look: whoever opens by one compares the identity afterwards.
//!
//! Lock order: `Registry::reparent`, then a node's `names`, then a shard of the registry.

use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use super::cache::Generation;
use crate::shards::shard;
use crate::{FileKind, Stat};

/// The host's identity of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    pub dev: u64,
    pub ino: u64,
}

/// Names that are kept for one file. A file with more hard links is found again under the last few that were seen.
const NAMES_MAX: usize = 4;

/// A file of a host directory. Holds no descriptor, only where the file was seen and its identity.
#[derive(Clone)]
pub struct HostNode(Arc<Inner>);

struct Inner {
    id: FileId,
    key: u64,
    kind: FileKind,
    root: bool,
    /// Where it can be found, the latest first; at most one for a directory. Empty once it has been removed.
    names: Mutex<Vec<Place>>,
    /// What is left of it once it has been removed through this filesystem.
    gone: Mutex<Option<Gone>>,
    registry: Arc<Registry>,
}

/// What is known of a file that has been removed. No descriptor of it is held; an open file has one and does not ask here.
#[derive(Clone)]
pub(super) struct Gone {
    /// The directory that it was removed from.
    pub parent: HostNode,
    /// Its attributes, without links.
    pub stat: Stat,
}

/// A name in a directory.
#[derive(Clone)]
pub(super) struct Place {
    pub parent: HostNode,
    pub name: Arc<[u8]>,
}

impl Place {
    fn is(&self, parent: &HostNode, name: &[u8]) -> bool {
        Arc::ptr_eq(&self.parent.0, &parent.0) && *self.name == *name
    }
}

impl HostNode {
    pub(super) fn root(registry: &Arc<Registry>, id: FileId) -> Self {
        let node = Self::new(registry, id, FileKind::Directory, true, Vec::new());
        registry.shard(id).lock().insert(id, Arc::downgrade(&node.0));
        node
    }

    fn new(registry: &Arc<Registry>, id: FileId, kind: FileKind, root: bool, names: Vec<Place>) -> Self {
        let key = registry.key(id);
        HostNode(Arc::new(Inner {
            id,
            key,
            kind,
            root,
            names: Mutex::new(names),
            gone: Mutex::new(None),
            registry: registry.clone(),
        }))
    }

    pub(super) fn id(&self) -> FileId {
        self.0.id
    }

    pub(super) fn key(&self) -> u64 {
        self.0.key
    }

    pub(super) fn kind(&self) -> FileKind {
        self.0.kind
    }

    pub(super) fn is_root(&self) -> bool {
        self.0.root
    }

    /// Where it can be found, the latest first; nowhere when it is the root or has been removed.
    pub(super) fn place(&self, n: usize) -> Option<Place> {
        self.0.names.lock().get(n).cloned()
    }

    /// What is left of it, when it has been removed.
    pub(super) fn gone(&self) -> Option<Gone> {
        self.0.gone.lock().clone()
    }

    /// Changes the attributes of what has been removed. False when it has not been.
    pub(super) fn change_gone(&self, change: impl FnOnce(&mut Stat)) -> bool {
        self.0.gone.lock().as_mut().map(|gone| change(&mut gone.stat)).is_some()
    }

    /// Whether `self` is `other` or above it, as far as is known.
    fn is_above(&self, other: &HostNode) -> bool {
        let mut at = other.clone();
        loop {
            if Arc::ptr_eq(&at.0, &self.0) {
                return true;
            }
            match at.place(0) {
                Some(place) => at = place.parent,
                None => return false,
            }
        }
    }

    /// Notes that it was seen as `name` in `dir`. False when that would make it its own ancestor: what is known of `dir` is then
    /// outdated, because the tree was changed by somebody else.
    fn seen(&self, dir: &HostNode, name: &[u8]) -> bool {
        if self.0.root {
            return true;
        }
        {
            let mut names = self.0.names.lock();
            if let Some(at) = names.iter().position(|place| place.is(dir, name)) {
                names.swap(0, at);
                return true;
            }
        }
        let place = Place { parent: dir.clone(), name: name.into() };
        let _alone = (self.0.kind == FileKind::Directory).then(|| self.0.registry.reparent.lock());
        let keep = if self.0.kind == FileKind::Directory { 0 } else { NAMES_MAX - 1 };
        if keep == 0 && self.is_above(dir) {
            return false;
        }
        let mut names = self.0.names.lock();
        let outdated = if names.len() > keep { names.split_off(keep) } else { Vec::new() };
        names.insert(0, place);
        drop(names);
        drop(outdated);
        true
    }

    /// Notes that it is no longer `name` in `dir`.
    fn lost(&self, dir: &HostNode, name: &[u8]) {
        let mut names = self.0.names.lock();
        let gone = names.iter().position(|place| place.is(dir, name)).map(|at| names.remove(at));
        drop(names);
        drop(gone);
    }
}

impl Inner {
    /// Takes out the nodes that it holds.
    fn held(&mut self) -> impl Iterator<Item = Arc<Inner>> {
        let gone = self.gone.get_mut().take().map(|gone| gone.parent.0);
        self.names.get_mut().drain(..).map(|place| place.parent.0).chain(gone)
    }
}

impl Drop for Inner {
    /// Iterative: a chain of parents may be as deep as the host's tree.
    fn drop(&mut self) {
        self.registry.forget(self.id);
        let mut above: Vec<Arc<Inner>> = self.held().collect();
        while let Some(node) = above.pop() {
            if let Some(mut inner) = Arc::into_inner(node) {
                above.extend(inner.held());
            }
        }
    }
}

const SHARDS: usize = 16;

/// The live nodes by identity, and the numbers that stand for identities.
pub(super) struct Registry {
    shards: [Mutex<HashMap<FileId, Weak<Inner>, RandomState>>; SHARDS],
    hasher: RandomState,
    reparent: Mutex<()>,
    /// Raised after every change.
    pub generation: Generation,
    root_dev: u64,
    /// Devices other than the root's, in the order in which they were met.
    devices: RwLock<Vec<u64>>,
    /// Identities whose numbers do not fit the composed form.
    strangers: Mutex<HashMap<FileId, u64, RandomState>>,
}

const OTHER_DEVICE: u64 = 1 << 63;
const INO_BITS: u32 = 48;
const STRANGERS: u64 = (1 << 15) - 1;

impl Registry {
    pub fn new(root_dev: u64) -> Arc<Self> {
        Arc::new(Registry {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::default(),
            reparent: Mutex::new(()),
            generation: Generation::default(),
            root_dev,
            devices: RwLock::default(),
            strangers: Mutex::default(),
        })
    }

    fn shard(&self, id: FileId) -> &Mutex<HashMap<FileId, Weak<Inner>, RandomState>> {
        shard(&self.shards, self.hasher.hash_one(id))
    }

    /// The number of an identity: the inode number on the root's device; elsewhere the device's index above 48 bits of it, and
    /// the top bit. What does not fit (an inode number past 2^48 on a device mounted below the root) is numbered one by one, and
    /// remembered as long as the filesystem lives.
    pub fn key(&self, id: FileId) -> u64 {
        if id.dev == self.root_dev && id.ino < OTHER_DEVICE {
            return id.ino;
        }
        if id.ino >> INO_BITS == 0 && id.dev != self.root_dev {
            let known = self.devices.read().iter().position(|&dev| dev == id.dev);
            let index = known.unwrap_or_else(|| {
                let mut devices = self.devices.write();
                devices.iter().position(|&dev| dev == id.dev).unwrap_or_else(|| {
                    devices.push(id.dev);
                    devices.len() - 1
                })
            });
            if (index as u64) < STRANGERS {
                return OTHER_DEVICE | (index as u64) << INO_BITS | id.ino;
            }
        }
        let mut strangers = self.strangers.lock();
        let next = strangers.len() as u64;
        OTHER_DEVICE | STRANGERS << INO_BITS | *strangers.entry(id).or_insert(next)
    }

    /// The node of what was found as `name` in `dir`.
    pub fn found(self: &Arc<Self>, dir: &HostNode, name: &[u8], id: FileId, kind: FileKind) -> HostNode {
        if let Some(node) = self.live(id)
            && node.kind() == kind
            && node.seen(dir, name)
        {
            return node;
        }
        let place = Place { parent: dir.clone(), name: name.into() };
        let node = HostNode::new(self, id, kind, false, vec![place]);
        let mut shard = self.shard(id).lock();
        let other = shard.get(&id).and_then(Weak::upgrade).map(HostNode);
        if let Some(other) = other {
            drop(shard);
            // Somebody else was faster. A node of another kind or in an impossible place is not it, and gives way.
            if other.kind() == kind && other.seen(dir, name) {
                return other;
            }
            shard = self.shard(id).lock();
        }
        shard.insert(id, Arc::downgrade(&node.0));
        drop(shard);
        node
    }

    fn live(&self, id: FileId) -> Option<HostNode> {
        self.shard(id).lock().get(&id).and_then(Weak::upgrade).map(HostNode)
    }

    /// A file was renamed.
    pub fn moved(&self, id: FileId, from: (&HostNode, &[u8]), to: (&HostNode, &[u8])) {
        if let Some(node) = self.live(id) {
            node.lost(from.0, from.1);
            node.seen(to.0, to.1);
        }
    }

    /// A file got another name.
    pub fn linked(&self, id: FileId, dir: &HostNode, name: &[u8]) {
        if let Some(node) = self.live(id) {
            node.seen(dir, name);
        }
    }

    /// A name was taken away. With `last`, the attributes that it had, the file is gone and its inode number may come back as
    /// another file.
    pub fn removed(&self, id: FileId, dir: &HostNode, name: &[u8], last: Option<Stat>) {
        let Some(node) = self.live(id) else { return };
        node.lost(dir, name);
        if let Some(stat) = last {
            *node.0.gone.lock() = Some(Gone { parent: dir.clone(), stat: Stat { ino: node.key(), nlink: 0, ..stat } });
            let names = std::mem::take(&mut *node.0.names.lock());
            self.shard(id).lock().remove(&id);
            drop(names);
        }
    }

    fn forget(&self, id: FileId) {
        let mut shard = self.shard(id).lock();
        if shard.get(&id).is_some_and(|node| node.strong_count() == 0) {
            shard.remove(&id);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_stable() {
        let registry = Registry::new(7);
        let ids = [(7, 5), (8, 5), (9, 5), (8, 6), (8, 1 << 50), (8, u64::MAX), (7, u64::MAX)];
        let keys: Vec<u64> = ids.iter().map(|&(dev, ino)| registry.key(FileId { dev, ino })).collect();
        assert_eq!(keys[0], 5);
        let again: Vec<u64> = ids.iter().map(|&(dev, ino)| registry.key(FileId { dev, ino })).collect();
        assert_eq!(keys, again);
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_deep_chain_is_dropped_without_recursion_and_forgotten() {
        let registry = Registry::new(1);
        let mut node = HostNode::root(&registry, FileId { dev: 1, ino: 1 });
        for ino in 2..200_000 {
            node = registry.found(&node, b"d", FileId { dev: 1, ino }, FileKind::Directory);
        }
        assert_eq!(registry.len(), 199_999);
        std::thread::Builder::new().stack_size(64 << 10).spawn(move || drop(node)).unwrap().join().unwrap();
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn a_move_by_somebody_else_makes_no_cycle() {
        let registry = Registry::new(1);
        let id = |ino| FileId { dev: 1, ino };
        let root = HostNode::root(&registry, id(1));
        let a = registry.found(&root, b"a", id(2), FileKind::Directory);
        let b = registry.found(&a, b"b", id(3), FileKind::Directory);
        let moved = registry.found(&b, b"a", id(2), FileKind::Directory);
        assert_eq!(moved.key(), a.key());
        assert!(!moved.is_above(&b) && a.is_above(&moved));
        drop((a, b, moved, root));
        assert_eq!(registry.len(), 0);
    }
}

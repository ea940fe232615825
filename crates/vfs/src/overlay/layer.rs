//! Layers, and what an overlay remembers of the ones that it wrote.

use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use parking_lot::RwLock;

use crate::{Budget, FileKind, Name, NodeRef, Result, Timestamp};

pub(super) type Map<K, V> = HashMap<K, V, RandomState>;
type Names = HashSet<Box<[u8]>, RandomState>;

/// The root directory's inode number; [`inode`] gives none below 16.
pub(super) const ROOT: u64 = 1;

/// What a record, a pinned number and a whiteout (beside its name) are charged.
const RECORD: u64 = 256;
const PIN: u64 = 64;
const WHITEOUT: u64 = 64;

/// One directory's place in one layer, and the directories of the same identity in the layers below it.
///
/// A list with shared tails: putting one more layer on top copies nothing.
pub(super) struct Part {
    /// Index of the layer, counted from the bottom, so that it stays when layers are put on top.
    pub layer: usize,
    pub node: NodeRef,
    pub next: Option<Arc<Part>>,
}

impl Part {
    /// This part and the ones below it.
    pub fn chain(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Part>> {
        std::iter::successors(Some(self), |part| part.next.as_ref())
    }

    /// A list of `parts`, the topmost first.
    pub fn list(parts: Vec<(usize, NodeRef)>) -> Option<Arc<Part>> {
        parts.into_iter().rev().fold(None, |next, (layer, node)| Some(Arc::new(Part { layer, node, next })))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut part) = next.and_then(Arc::into_inner) {
            next = part.next.take();
        }
    }
}

/// Where a file's contents and attributes are.
#[derive(Clone)]
pub(super) struct Source {
    pub layer: usize,
    pub node: NodeRef,
}

/// What a written layer says about a file that is not simply one of its own.
#[derive(Clone)]
pub(super) struct FileRecord {
    pub kind: FileKind,
    pub source: Source,
    /// Names that the file has, over all layers.
    pub nlink: u64,
    /// When its names changed last.
    pub ctime: Option<Timestamp>,
}

/// What a written layer says about a directory that also is in layers below, or that has moved.
struct DirRecord {
    parts: Arc<Part>,
    whiteouts: Names,
}

enum Record {
    File(FileRecord),
    Dir(DirRecord),
}

/// What only memory knows of a written layer. Frozen with it.
#[derive(Default)]
struct Meta {
    /// By inode number.
    records: Map<u64, Record>,
    /// Inode numbers of entries of this layer that stand for a file from below, by the entry's key.
    pins: Map<u64, u64>,
    charged: u64,
}

/// One layer of a stack.
pub(super) struct Layer {
    /// Of a lower: its top directory. Of a written layer: the directory that holds, by number, what has been copied up.
    pub root: NodeRef,
    pub stable: bool,
    written: Option<(Budget, RwLock<Meta>)>,
}

impl Layer {
    pub fn lower(root: NodeRef) -> Arc<Self> {
        Arc::new(Layer { stable: root.stable(), root, written: None })
    }

    pub fn upper(root: NodeRef, budget: Budget) -> Arc<Self> {
        Arc::new(Layer { root, stable: true, written: Some((budget, RwLock::default())) })
    }

    pub fn is_written(&self) -> bool {
        self.written.is_some()
    }

    fn read<R>(&self, f: impl FnOnce(&Meta) -> Option<R>) -> Option<R> {
        self.written.as_ref().and_then(|(_, meta)| f(&meta.read()))
    }

    /// Takes `charge` bytes, then changes the memory of the layer; `f` answers how many of them it did not need or gave back.
    fn change(&self, charge: u64, f: impl FnOnce(&mut Meta) -> u64) -> Result<()> {
        let Some((budget, meta)) = &self.written else { return Err(crate::Errno::EROFS) };
        budget.charge_bytes(charge)?;
        let back = {
            let mut meta = meta.write();
            let back = f(&mut meta);
            meta.charged = (meta.charged + charge).saturating_sub(back);
            back
        };
        budget.release_bytes(back);
        Ok(())
    }

    /// As [`change`](Layer::change), charging nothing, which cannot fail on the layer being written.
    fn release(&self, f: impl FnOnce(&mut Meta) -> u64) {
        let _ = self.change(0, f);
    }

    /// Whether nothing has changed in this layer.
    pub fn is_untouched(&self) -> bool {
        self.read(|meta| Some(meta.records.is_empty())).unwrap_or(true)
    }

    pub fn pin(&self, key: u64) -> Option<u64> {
        self.read(|meta| meta.pins.get(&key).copied())
    }

    pub fn add_pin(&self, key: u64, ino: u64) -> Result<()> {
        self.change(PIN, |meta| if meta.pins.insert(key, ino).is_some() { PIN } else { 0 })
    }

    pub fn drop_pin(&self, key: u64) {
        self.release(|meta| if meta.pins.remove(&key).is_some() { PIN } else { 0 });
    }

    pub fn file(&self, ino: u64) -> Option<FileRecord> {
        self.read(|meta| match meta.records.get(&ino) {
            Some(Record::File(file)) => Some(file.clone()),
            _ => None,
        })
    }

    pub fn set_file(&self, ino: u64, file: FileRecord) -> Result<()> {
        // Only who holds the lock on the tree changes this: a record that is there stays, and its change cannot fail.
        let charge = if self.file(ino).is_some() { 0 } else { RECORD };
        let old = &mut None;
        self.change(charge, |meta| {
            *old = meta.records.insert(ino, Record::File(file));
            0
        })
    }

    fn dir<R>(&self, ino: u64, f: impl FnOnce(&DirRecord) -> R) -> Option<R> {
        self.read(|meta| match meta.records.get(&ino) {
            Some(Record::Dir(dir)) => Some(f(dir)),
            _ => None,
        })
    }

    pub fn dir_parts(&self, ino: u64) -> Option<Arc<Part>> {
        self.dir(ino, |dir| dir.parts.clone())
    }

    /// Notes a directory that has just been copied up under its number.
    pub fn add_dir(&self, ino: u64, parts: Arc<Part>) -> Result<()> {
        let key = parts.node.key();
        self.change(RECORD + PIN, |meta| {
            meta.records.insert(ino, Record::Dir(DirRecord { parts, whiteouts: Names::default() }));
            meta.pins.insert(key, ino);
            0
        })
    }

    /// Forgets what there is about a file or directory that has lost its last name.
    pub fn drop_record(&self, ino: u64) {
        let old = &mut None;
        self.release(|meta| {
            *old = meta.records.remove(&ino);
            match old {
                None => 0,
                Some(Record::File(_)) => RECORD,
                Some(Record::Dir(dir)) => {
                    let pin = if meta.pins.remove(&dir.parts.node.key()).is_some() { PIN } else { 0 };
                    RECORD + pin + dir.whiteouts.iter().map(|name| WHITEOUT + name.len() as u64).sum::<u64>()
                }
            }
        });
    }

    /// Whether the layers below do not show through at `name` in the directory of that number.
    pub fn hides(&self, dir: u64, name: Name<'_>) -> bool {
        self.dir(dir, |dir| dir.whiteouts.contains(name.as_bytes())).unwrap_or(false)
    }

    /// Hides what the layers below show at `name`. The directory must have been copied up into this layer.
    pub fn add_whiteout(&self, dir: u64, name: Name<'_>) -> Result<()> {
        let charge = WHITEOUT + name.as_bytes().len() as u64;
        self.change(charge, |meta| {
            let Some(Record::Dir(dir)) = meta.records.get_mut(&dir) else { return charge };
            if dir.whiteouts.insert(name.as_bytes().into()) { 0 } else { charge }
        })
    }

    pub fn drop_whiteout(&self, dir: u64, name: Name<'_>) {
        self.release(|meta| {
            let Some(Record::Dir(dir)) = meta.records.get_mut(&dir) else { return 0 };
            if dir.whiteouts.remove(name.as_bytes()) { WHITEOUT + name.as_bytes().len() as u64 } else { 0 }
        });
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        if let Some((budget, meta)) = &mut self.written {
            budget.release_bytes(meta.get_mut().charged);
        }
    }
}

/// All layers, the bottom one first; the last one is being written.
#[derive(Clone)]
pub(super) struct Stack {
    pub layers: Vec<Arc<Layer>>,
}

impl Stack {
    pub fn top_index(&self) -> usize {
        self.layers.len().saturating_sub(1)
    }

    pub fn layer(&self, index: usize) -> Result<&Arc<Layer>> {
        self.layers.get(index).ok_or(crate::Errno::EIO)
    }

    pub fn top(&self) -> Result<&Arc<Layer>> {
        self.layer(self.top_index())
    }

    /// The inode number behind an entry of a layer.
    pub fn ino(&self, layer: usize, key: u64) -> u64 {
        self.layers.get(layer).and_then(|l| l.pin(key)).unwrap_or_else(|| inode(layer, key))
    }

    /// The topmost layer's word on something, down to layer `lowest`.
    pub fn topmost<R>(&self, lowest: usize, f: impl Fn(&Layer) -> Option<R>) -> Option<R> {
        self.layers.get(lowest..)?.iter().rev().find_map(|layer| f(layer))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // From the top, so that no layer's records keep the last hold on the layers below.
        while self.layers.pop().is_some() {}
    }
}

/// The inode number of what has `key` in that layer: always the same, without a table.
///
/// Reversible for the lowest 14 layers with keys below 2^59 and up to 65,536 layers with keys below 2^43. What does not fit is
/// hashed, with a secret, into numbers that the others do not take.
pub(super) fn inode(layer: usize, key: u64) -> u64 {
    static SECRET: OnceLock<RandomState> = OnceLock::new();
    let tag = layer as u64;
    if tag < 14 && key < 1 << 59 {
        (key + 1) << 4 | tag
    } else if tag < 1 << 16 && key < 1 << 43 {
        ((key + 1) << 16 | tag) << 4 | 14
    } else {
        SECRET.get_or_init(RandomState::default).hash_one((tag, key)) >> 1 | 15
    }
}

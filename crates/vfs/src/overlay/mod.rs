//! A copy-on-write overlay: one layer that is written, over any number of layers that never are.
//!
//! A layer is a directory of any backend and, when an overlay wrote it, a memory of what storage cannot say: whiteouts, what
//! lies below a directory, inode numbers of what came from below. Nothing of that is in the storage, so that no guest can see or forge
//! it. What comes from a lower is copied up under its inode number, not under its path; directories of a written layer say themselves what
//! continues below them (nothing, unless they were copied up), and only the lowers that an overlay is made over merge by name.
//! So a rename moves no data, a directory made over a whiteout is opaque, and a file's names and contents are two things.
//!
//! A lower's [`key`](Filesystem::key) must be its inode number in listings.
//!
//! # Locks
//!
//! In the order of taking, each only while those to its left are held or not at all:
//!
//! ```text
//! File::copying ── tree ── gate ┬─ OverlayNode's state ┬─ Layer's memory
//!                               │                      ├─ Table
//!                               └─ OverlayHandle       └─ BigCookies, pipes
//! ```
//!
//! `tree` is held by every change of names and every lookup that is not remembered; `gate` is held for reading while something is
//! written in place, and for writing by a freeze. Calls into the layers go strictly downwards, under any of them but a layer's memory, the table
//! and the cookies, and never come back.

mod change;
mod copy_up;
mod diff;
mod freeze;
mod handle;
mod layer;
mod list;
mod lookup;
mod node;
mod rename;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use crate::filesystem::{Entry, Filesystem, Opened};
use crate::memfs::MemFs;
use crate::pipe::{Pipe, PipeSize};
use crate::{
    Access, Budget, Cookie, DirEntry, Errno, FileKind, Limits, Name, NewKind, NodeRef, Removal, Result, SetAttr, Stat, StatFs,
};

pub use diff::{Change, ChangeKind};
pub use freeze::Snapshot;
pub use node::OverlayNode;

use layer::{Layer, Map, Stack};
use list::BigCookies;
use lookup::Tree;
use node::Table;
use rename::Side;

/// Makes the directory that a layer is written to: empty, writable, changed by nobody else, on storage whose nodes outlive their
/// names.
pub type Uppers = Box<dyn Fn() -> NodeRef + Send + Sync>;

/// A writable filesystem over layers that never change. See the [module](self).
pub struct Overlay {
    me: Weak<Overlay>,
    base: Snapshot,
    root: Arc<OverlayNode>,
    table: Arc<Table>,
    tree: Mutex<Tree>,
    gate: RwLock<Arc<Stack>>,
    uppers: Uppers,
    budget: Budget,
    cache_max: usize,
    pipe_size: PipeSize,
    big_cookies: Mutex<BigCookies>,
    pipes: Mutex<Map<u64, Weak<Pipe>>>,
}

fn memory(budget: &Budget, limits: &Limits) -> Uppers {
    let (budget, limits) = (budget.clone(), limits.clone());
    Box::new(move || NodeRef::root_of(&MemFs::new(budget.clone(), &limits)))
}

impl Overlay {
    /// An overlay over `lowers`, the topmost first, whose changes stay in memory and are charged to `budget`. Without any lower
    /// it starts empty.
    #[must_use]
    pub fn in_memory(lowers: Vec<NodeRef>, budget: Budget, limits: &Limits) -> Arc<Self> {
        let uppers = memory(&budget, limits);
        Self::new(uppers, lowers, budget, limits)
    }

    /// An overlay over `lowers`, the topmost first, that writes to what `uppers` makes: one directory now, and one for each
    /// [`freeze`](Overlay::freeze). What the overlay itself has to remember is charged to `budget`.
    #[must_use]
    pub fn new(uppers: Uppers, lowers: Vec<NodeRef>, budget: Budget, limits: &Limits) -> Arc<Self> {
        let base = match Snapshot::of_lowers(lowers) {
            Some(base) => base,
            None => {
                let empty = uppers();
                let root = Arc::new(layer::Part { layer: 0, node: empty.clone(), next: None });
                Snapshot { stack: Arc::new(Stack { layers: vec![Layer::lower(empty)] }), root }
            }
        };
        Self::over(base, uppers, budget, limits)
    }

    fn over(base: Snapshot, uppers: Uppers, budget: Budget, limits: &Limits) -> Arc<Self> {
        let mut layers = base.stack.layers.clone();
        layers.push(Layer::upper(uppers(), budget.clone()));
        let table = Arc::new(Table::default());
        Arc::new_cyclic(|me| Overlay {
            me: me.clone(),
            root: base.root_node(&table),
            base,
            table,
            tree: Mutex::default(),
            gate: RwLock::new(Arc::new(Stack { layers })),
            uppers,
            budget,
            cache_max: limits.overlay_cache,
            pipe_size: PipeSize::of(limits),
            big_cookies: Mutex::default(),
            pipes: Mutex::default(),
        })
    }

    /// The layers now. They stay so while the lock on the tree is held.
    fn stack(&self) -> Arc<Stack> {
        self.gate.read().clone()
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        self.tree.get_mut().forget_all();
    }
}

impl Filesystem for Overlay {
    type Node = Arc<OverlayNode>;

    fn root(&self) -> Self::Node {
        self.root.clone()
    }

    fn key(&self, node: &Self::Node) -> u64 {
        node.ino
    }

    fn parent(&self, dir: &Self::Node) -> Result<Self::Node> {
        let state = dir.dir()?.read();
        Ok(state.place.as_ref().map_or_else(|| self.root.clone(), |(above, _)| above.clone()))
    }

    fn lookup(&self, dir: &Self::Node, name: Name<'_>) -> Result<Entry<Self::Node>> {
        let node = self.find_child(dir, name)?;
        let kind = node.kind;
        Ok(Entry { node, kind })
    }

    /// A directory that is in several layers counts one link, as on Linux.
    fn stat(&self, node: &Self::Node) -> Result<Stat> {
        if node.is_dir() {
            let dir = node.dir()?.read();
            let stat = dir.parts.node.stat()?;
            let nlink = if dir.removed {
                0
            } else if dir.parts.next.is_some() {
                1
            } else {
                stat.nlink
            };
            return Ok(Stat { ino: node.ino, nlink, ..stat });
        }
        let state = node.as_file()?.state.read();
        let stat = state.source.node.stat()?;
        let nlink = if state.removed { 0 } else { state.nlink.unwrap_or(stat.nlink) };
        let ctime = stat.ctime.max(state.ctime.unwrap_or(stat.ctime));
        Ok(Stat { ino: node.ino, nlink, ctime, ..stat })
    }

    fn read_dir(&self, dir: &Self::Node, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.list(dir, from, each)
    }

    fn open(&self, node: &Self::Node, access: Access) -> Result<Opened> {
        self.open_node(node, access)
    }

    fn read_link(&self, node: &Self::Node) -> Result<Vec<u8>> {
        if node.kind != FileKind::Symlink {
            return Err(Errno::EINVAL);
        }
        node.as_file()?.state.read().source.node.read_link()
    }

    fn name_of(&self, dir: &Self::Node) -> Result<Vec<u8>> {
        let state = dir.dir()?.read();
        state.place.as_ref().filter(|_| !state.removed).map(|(_, name)| name.to_vec()).ok_or(Errno::ENOENT)
    }

    fn read_only(&self) -> bool {
        false
    }

    fn create(&self, dir: &Self::Node, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<Self::Node>> {
        let node = self.make(dir, name, kind, mode)?;
        Ok(Entry { node, kind: kind.kind() })
    }

    fn remove(&self, dir: &Self::Node, name: Name<'_>, removal: Removal) -> Result<()> {
        self.take_away(dir, name, removal)
    }

    fn rename(&self, from_dir: &Self::Node, from: Name<'_>, to_dir: &Self::Node, to: Name<'_>) -> Result<()> {
        self.move_name(Side { dir: from_dir, name: from }, Side { dir: to_dir, name: to })
    }

    fn link(&self, node: &Self::Node, dir: &Self::Node, name: Name<'_>) -> Result<()> {
        self.add_link(node, dir, name)
    }

    fn set_attr(&self, node: &Self::Node, attr: &SetAttr) -> Result<()> {
        self.change_attributes(node, attr)
    }

    fn statfs(&self) -> Result<StatFs> {
        let stack = self.stack();
        stack.top()?.root.statfs()
    }
}

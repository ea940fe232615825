//! The erased node: a file of any backend, for what outlives one call.

use std::any::Any;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::filesystem::{Entry, Filesystem, Opened};
use crate::walk::{self, Op, Step, Walk};
use crate::{Access, Cookie, DirEntry, Errno, Name, NewKind, Removal, Result, SetAttr, Stat, StatFs};

/// A file in a filesystem of any type. Cloning is cheap.
///
/// What stands once per mount crossing or in an open file is a `NodeRef`; inside one filesystem the walk runs on its own node type.
/// The methods are those of [`Filesystem`]; two-node calls answer `EXDEV` when the nodes are of two filesystems.
#[derive(Clone)]
pub struct NodeRef(Arc<dyn Erased>);

pub(crate) struct Typed<F: Filesystem> {
    pub fs: Arc<F>,
    pub node: F::Node,
}

pub(crate) trait Erased: Send + Sync {
    fn any(&self) -> &dyn Any;
    fn fs(&self) -> *const ();
    fn key(&self) -> u64;
    fn stat(&self) -> Result<Stat>;
    fn parent(&self) -> Result<NodeRef>;
    fn name_of(&self) -> Result<Vec<u8>>;
    fn lookup(&self, name: Name<'_>) -> Result<Entry<NodeRef>>;
    fn read_dir(&self, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;
    fn open(&self, access: Access) -> Result<Opened>;
    fn read_link(&self) -> Result<Vec<u8>>;
    fn self_fd(&self) -> Option<u32>;
    fn read_only(&self) -> bool;
    fn stable(&self) -> bool;
    fn create(&self, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<NodeRef>>;
    fn remove(&self, name: Name<'_>, removal: Removal) -> Result<()>;
    fn rename(&self, from: Name<'_>, to_dir: &NodeRef, to: Name<'_>) -> Result<()>;
    fn link(&self, dir: &NodeRef, name: Name<'_>) -> Result<()>;
    fn set_attr(&self, attr: &SetAttr) -> Result<()>;
    fn statfs(&self) -> Result<StatFs>;
    fn walk(&self, walk: &mut Walk<'_>, op: &Op<'_>) -> Result<Step>;
}

impl<F: Filesystem> Typed<F> {
    fn erase(fs: &Arc<F>, entry: Entry<F::Node>) -> Entry<NodeRef> {
        Entry { node: NodeRef::new(fs, entry.node), kind: entry.kind }
    }

    fn same<'a>(&self, other: &'a NodeRef) -> Result<&'a F::Node> {
        let other = other.0.any().downcast_ref::<Typed<F>>().ok_or(Errno::EXDEV)?;
        if Arc::ptr_eq(&self.fs, &other.fs) { Ok(&other.node) } else { Err(Errno::EXDEV) }
    }
}

impl<F: Filesystem> Erased for Typed<F> {
    fn any(&self) -> &dyn Any {
        self
    }
    fn fs(&self) -> *const () {
        Arc::as_ptr(&self.fs).cast()
    }
    fn key(&self) -> u64 {
        self.fs.key(&self.node)
    }
    fn stat(&self) -> Result<Stat> {
        self.fs.stat(&self.node)
    }
    fn parent(&self) -> Result<NodeRef> {
        Ok(NodeRef::new(&self.fs, self.fs.parent(&self.node)?))
    }
    fn name_of(&self) -> Result<Vec<u8>> {
        self.fs.name_of(&self.node)
    }
    fn lookup(&self, name: Name<'_>) -> Result<Entry<NodeRef>> {
        Ok(Self::erase(&self.fs, self.fs.lookup(&self.node, name)?))
    }
    fn read_dir(&self, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.fs.read_dir(&self.node, from, each)
    }
    fn open(&self, access: Access) -> Result<Opened> {
        self.fs.open(&self.node, access)
    }
    fn read_link(&self) -> Result<Vec<u8>> {
        self.fs.read_link(&self.node)
    }
    fn self_fd(&self) -> Option<u32> {
        self.fs.self_fd(&self.node)
    }
    fn read_only(&self) -> bool {
        self.fs.read_only()
    }
    fn stable(&self) -> bool {
        self.fs.stable()
    }
    fn create(&self, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<NodeRef>> {
        Ok(Self::erase(&self.fs, self.fs.create(&self.node, name, kind, mode)?))
    }
    fn remove(&self, name: Name<'_>, removal: Removal) -> Result<()> {
        self.fs.remove(&self.node, name, removal)
    }
    fn rename(&self, from: Name<'_>, to_dir: &NodeRef, to: Name<'_>) -> Result<()> {
        self.fs.rename(&self.node, from, self.same(to_dir)?, to)
    }
    fn link(&self, dir: &NodeRef, name: Name<'_>) -> Result<()> {
        self.fs.link(&self.node, self.same(dir)?, name)
    }
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        self.fs.set_attr(&self.node, attr)
    }
    fn statfs(&self) -> Result<StatFs> {
        self.fs.statfs()
    }
    fn walk(&self, walk: &mut Walk<'_>, op: &Op<'_>) -> Result<Step> {
        walk::walk_in(&self.fs, &self.node, walk, op)
    }
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl NodeRef {
            $($(#[$doc])* pub fn $name(&self, $($arg: $ty),*) -> $ret { self.0.$name($($arg),*) })*
        }
    };
}

forward! {
    /// [`Filesystem::key`].
    key() -> u64;
    /// [`Filesystem::stat`].
    ///
    /// # Errors
    /// As there.
    stat() -> Result<Stat>;
    /// [`Filesystem::parent`].
    ///
    /// # Errors
    /// As there.
    parent() -> Result<NodeRef>;
    /// [`Filesystem::name_of`].
    ///
    /// # Errors
    /// As there.
    name_of() -> Result<Vec<u8>>;
    /// [`Filesystem::lookup`].
    ///
    /// # Errors
    /// As there.
    lookup(name: Name<'_>) -> Result<Entry<NodeRef>>;
    /// [`Filesystem::read_dir`].
    ///
    /// # Errors
    /// As there.
    read_dir(from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;
    /// [`Filesystem::open`].
    ///
    /// # Errors
    /// As there.
    open(access: Access) -> Result<Opened>;
    /// [`Filesystem::read_link`].
    ///
    /// # Errors
    /// As there.
    read_link() -> Result<Vec<u8>>;
    /// [`Filesystem::self_fd`].
    self_fd() -> Option<u32>;
    /// [`Filesystem::read_only`].
    read_only() -> bool;
    /// [`Filesystem::stable`].
    stable() -> bool;
    /// [`Filesystem::create`].
    ///
    /// # Errors
    /// As there.
    create(name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<NodeRef>>;
    /// [`Filesystem::remove`].
    ///
    /// # Errors
    /// As there.
    remove(name: Name<'_>, removal: Removal) -> Result<()>;
    /// [`Filesystem::rename`], from this directory.
    ///
    /// # Errors
    /// `EXDEV` when `to_dir` is of another filesystem, else as there.
    rename(from: Name<'_>, to_dir: &NodeRef, to: Name<'_>) -> Result<()>;
    /// [`Filesystem::link`], of this file.
    ///
    /// # Errors
    /// `EXDEV` when `dir` is of another filesystem, else as there.
    link(dir: &NodeRef, name: Name<'_>) -> Result<()>;
    /// [`Filesystem::set_attr`].
    ///
    /// # Errors
    /// As there.
    set_attr(attr: &SetAttr) -> Result<()>;
    /// [`Filesystem::statfs`].
    ///
    /// # Errors
    /// As there.
    statfs() -> Result<StatFs>;
}

impl NodeRef {
    /// A node of `fs`.
    #[must_use]
    pub fn new<F: Filesystem>(fs: &Arc<F>, node: F::Node) -> Self {
        NodeRef(Arc::new(Typed { fs: fs.clone(), node }))
    }

    /// The top directory of `fs`.
    #[must_use]
    pub fn root_of<F: Filesystem>(fs: &Arc<F>) -> Self {
        Self::new(fs, fs.root())
    }

    /// Whether both nodes belong to one filesystem.
    #[must_use]
    pub fn same_filesystem(&self, other: &NodeRef) -> bool {
        std::ptr::eq(self.0.fs(), other.0.fs())
    }

    /// Whether both nodes are one file.
    #[must_use]
    pub fn is(&self, other: &NodeRef) -> bool {
        self.same_filesystem(other) && self.key() == other.key()
    }

    /// What no other file of this program has while this node is there.
    pub(crate) fn identity(&self) -> (usize, u64) {
        (self.0.fs().addr(), self.key())
    }

    pub(crate) fn walk(&self, walk: &mut Walk<'_>, op: &Op<'_>) -> Result<Step> {
        self.0.walk(walk, op)
    }
}

impl std::fmt::Debug for NodeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeRef({:p}, {})", self.0.fs(), self.key())
    }
}

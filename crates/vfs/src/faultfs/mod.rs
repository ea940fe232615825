//! A layer over any other whose calls fail, come short, or take long, as a plan says: to see how a guest, or an overlay, bears it.
//!
//! A call that fails has not reached the layer below, so that it has changed nothing. Nothing is kept here but counters: no lock is taken.
//!
//! ```
//! use stratafs::faultfs::{Call, Fault, FaultFs, Faults, Plan, Rule, When};
//! use stratafs::{Budget, DirFd, Errno, Limits, Namespace, NodeRef, Process, memfs::MemFs};
//!
//! let limits = Limits::default();
//! let memory = NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits));
//! let rule = Rule { call: Some(Call::Create), when: When::Nth(2), fault: Fault::Error(Errno::EIO) };
//! let faults = Faults::from(Plan { rules: vec![rule], ..Plan::default() });
//! let root = NodeRef::root_of(&FaultFs::over(memory, faults.clone()));
//!
//! let mut process = Process::builder(Namespace::new(root, &limits), limits).build()?;
//! assert_eq!(process.mkdirat(DirFd::Cwd, b"one", 0o755), Ok(()));
//! assert_eq!(process.mkdirat(DirFd::Cwd, b"two", 0o755), Err(Errno::EIO));
//! assert_eq!(process.mkdirat(DirFd::Cwd, b"two", 0o755), Ok(()));
//! assert_eq!(faults.injected(), 1);
//! # Ok::<(), stratafs::Errno>(())
//! ```

mod plan;
#[cfg(test)]
mod tests;

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use self::plan::{Call, Fault, Faults, Plan, Rule, When};
use crate::{
    Access, Cookie, DirEntry, Entry, FileHandle, Filesystem, Name, NewKind, NodeRef, Opened, Removal, Result, SetAttr, Stat,
    StatFs,
};

/// A layer that hands every call on to another, unless its plan says otherwise.
#[derive(Debug)]
pub struct FaultFs {
    root: NodeRef,
    faults: Faults,
}

impl FaultFs {
    /// The directory `root` of another filesystem, with these faults. What several layers share a clone of is counted together.
    #[must_use]
    pub fn over(root: NodeRef, faults: Faults) -> Arc<Self> {
        Arc::new(FaultFs { root, faults })
    }
}

impl Filesystem for FaultFs {
    type Node = NodeRef;

    fn root(&self) -> NodeRef {
        self.root.clone()
    }

    fn key(&self, node: &NodeRef) -> u64 {
        node.key()
    }

    fn parent(&self, dir: &NodeRef) -> Result<NodeRef> {
        dir.parent()
    }

    fn lookup(&self, dir: &NodeRef, name: Name<'_>) -> Result<Entry<NodeRef>> {
        self.faults.before(Call::Lookup)?;
        dir.lookup(name)
    }

    fn stat(&self, node: &NodeRef) -> Result<Stat> {
        self.faults.before(Call::Stat)?;
        node.stat()
    }

    fn read_dir(&self, dir: &NodeRef, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.faults.before(Call::List)?;
        dir.read_dir(from, each)
    }

    fn open(&self, node: &NodeRef, access: Access) -> Result<Opened> {
        self.faults.before(Call::Open)?;
        Ok(match node.open(access)? {
            Opened::File(below) => Opened::File(Arc::new(FaultHandle { below, faults: self.faults.clone() })),
            other => other,
        })
    }

    fn read_link(&self, node: &NodeRef) -> Result<Vec<u8>> {
        self.faults.before(Call::ReadLink)?;
        node.read_link()
    }

    fn name_of(&self, dir: &NodeRef) -> Result<Vec<u8>> {
        dir.name_of()
    }

    fn self_fd(&self, node: &NodeRef) -> Option<u32> {
        node.self_fd()
    }

    fn read_only(&self) -> bool {
        self.root.read_only()
    }

    fn stable(&self) -> bool {
        self.root.stable()
    }

    fn create(&self, dir: &NodeRef, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<NodeRef>> {
        self.faults.before(Call::Create)?;
        dir.create(name, kind, mode)
    }

    fn remove(&self, dir: &NodeRef, name: Name<'_>, removal: Removal) -> Result<()> {
        self.faults.before(Call::Remove)?;
        dir.remove(name, removal)
    }

    fn rename(&self, from_dir: &NodeRef, from: Name<'_>, to_dir: &NodeRef, to: Name<'_>) -> Result<()> {
        self.faults.before(Call::Rename)?;
        from_dir.rename(from, to_dir, to)
    }

    fn link(&self, node: &NodeRef, dir: &NodeRef, name: Name<'_>) -> Result<()> {
        self.faults.before(Call::Link)?;
        node.link(dir, name)
    }

    fn set_attr(&self, node: &NodeRef, attr: &SetAttr) -> Result<()> {
        self.faults.before(Call::SetAttr)?;
        node.set_attr(attr)
    }

    fn statfs(&self) -> Result<StatFs> {
        self.root.statfs()
    }
}

struct FaultHandle {
    below: Arc<dyn FileHandle>,
    faults: Faults,
}

impl FileHandle for FaultHandle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        let short = self.faults.before(Call::Read)?;
        let most = if short { plan::half(buf.len()) } else { buf.len() };
        self.below.read_at(buf.get_mut(..most).unwrap_or_default(), offset)
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        self.faults.writing(bufs, |bufs| self.below.write_at(bufs, offset), |n| *n)
    }

    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        self.faults.writing(bufs, |bufs| self.below.append(bufs), |(n, _)| *n)
    }

    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        self.below.next_data(offset)
    }

    fn sync(&self, data_only: bool) -> Result<()> {
        self.faults.before(Call::Sync)?;
        self.below.sync(data_only)
    }

    fn stat(&self) -> Result<Stat> {
        self.faults.before(Call::Stat)?;
        self.below.stat()
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        self.faults.before(Call::SetAttr)?;
        self.below.set_attr(attr)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        self.faults.before(Call::Allocate)?;
        self.below.allocate(offset, len)
    }
}

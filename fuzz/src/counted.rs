//! A layer that counts what is asked of the one below it, and which of its open files are still there.

use std::cell::Cell;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

use stratafs::{
    Access, Cookie, DirEntry, Entry, FileHandle, Filesystem, Name, NewKind, NodeRef, Opened, Removal, Result, SetAttr, Stat, StatFs,
};

thread_local! {
    static WORK: Cell<u64> = const { Cell::new(0) };
    static OPEN: Cell<u64> = const { Cell::new(0) };
}

/// Units of work on this thread since the last call of this: one for each call to a layer, and for each entry that is listed.
pub fn take_work() -> u64 {
    WORK.take()
}

/// Open files of counted layers on this thread.
#[must_use]
pub fn open_files() -> u64 {
    OPEN.get()
}

fn work() {
    WORK.set(WORK.get() + 1);
}

/// Counts the calls to `root`'s filesystem.
pub struct Counted(NodeRef);

impl Counted {
    /// The directory `root`, counted.
    #[must_use]
    pub fn over(root: NodeRef) -> NodeRef {
        NodeRef::root_of(&Arc::new(Counted(root)))
    }
}

impl Filesystem for Counted {
    type Node = NodeRef;

    fn root(&self) -> NodeRef {
        self.0.clone()
    }

    fn key(&self, node: &NodeRef) -> u64 {
        node.key()
    }

    fn parent(&self, dir: &NodeRef) -> Result<NodeRef> {
        work();
        dir.parent()
    }

    fn lookup(&self, dir: &NodeRef, name: Name<'_>) -> Result<Entry<NodeRef>> {
        work();
        dir.lookup(name)
    }

    fn stat(&self, node: &NodeRef) -> Result<Stat> {
        work();
        node.stat()
    }

    fn read_dir(&self, dir: &NodeRef, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        work();
        dir.read_dir(from, &mut |entry| {
            work();
            each(entry)
        })
    }

    fn open(&self, node: &NodeRef, access: Access) -> Result<Opened> {
        work();
        Ok(match node.open(access)? {
            Opened::File(below) => {
                OPEN.set(OPEN.get() + 1);
                Opened::File(Arc::new(Handle(below)))
            }
            other => other,
        })
    }

    fn read_link(&self, node: &NodeRef) -> Result<Vec<u8>> {
        work();
        node.read_link()
    }

    fn name_of(&self, dir: &NodeRef) -> Result<Vec<u8>> {
        work();
        dir.name_of()
    }

    fn self_fd(&self, node: &NodeRef) -> Option<u32> {
        node.self_fd()
    }

    fn read_only(&self) -> bool {
        self.0.read_only()
    }

    fn stable(&self) -> bool {
        self.0.stable()
    }

    fn create(&self, dir: &NodeRef, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<NodeRef>> {
        work();
        dir.create(name, kind, mode)
    }

    fn remove(&self, dir: &NodeRef, name: Name<'_>, removal: Removal) -> Result<()> {
        work();
        dir.remove(name, removal)
    }

    fn rename(&self, from_dir: &NodeRef, from: Name<'_>, to_dir: &NodeRef, to: Name<'_>) -> Result<()> {
        work();
        from_dir.rename(from, to_dir, to)
    }

    fn link(&self, node: &NodeRef, dir: &NodeRef, name: Name<'_>) -> Result<()> {
        work();
        node.link(dir, name)
    }

    fn set_attr(&self, node: &NodeRef, attr: &SetAttr) -> Result<()> {
        work();
        node.set_attr(attr)
    }

    fn statfs(&self) -> Result<StatFs> {
        work();
        self.0.statfs()
    }
}

struct Handle(Arc<dyn FileHandle>);

impl Drop for Handle {
    fn drop(&mut self) {
        OPEN.set(OPEN.get() - 1);
    }
}

impl FileHandle for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        work();
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        work();
        self.0.write_at(bufs, offset)
    }

    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        work();
        self.0.append(bufs)
    }

    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        work();
        self.0.next_data(offset)
    }

    fn sync(&self, data_only: bool) -> Result<()> {
        work();
        self.0.sync(data_only)
    }

    fn stat(&self) -> Result<Stat> {
        work();
        self.0.stat()
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        work();
        self.0.set_attr(attr)
    }

    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        work();
        self.0.allocate(offset, len)
    }
}

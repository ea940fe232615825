//! The contract of a layer: what a backend gives, and nothing about paths, descriptors, offsets or guests.

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::pipe::Pipe;
use crate::{Access, Cookie, DirEntry, Errno, FileKind, Name, Names, NewKind, Removal, Result, SetAttr, Stat, StatFs};

/// What a lookup finds.
#[derive(Debug, Clone)]
pub struct Entry<N> {
    /// The file.
    pub node: N,
    /// What it is.
    pub kind: FileKind,
}

/// One layer's storage, addressed by node.
///
/// A node is a file's identity; it is cheap to clone. In memory it outlives `remove` while a clone or a handle lives. The five
/// required methods make a read-only backend; the rest refuse with `EROFS`.
///
/// Shared by guests on several threads: methods take `&self` and lock inside, shortly, and never hold a lock while calling into
/// another filesystem's methods that could come back.
///
/// Callers have checked before: `dir` is a directory, a [`Name`] is one component, no mount point is in the way, and write calls
/// go to a filesystem that is not [`read_only`](Filesystem::read_only). A backend checks everything else itself.
pub trait Filesystem: Send + Sync + 'static {
    /// A file's identity.
    type Node: Clone + Send + Sync + 'static;

    /// The top directory.
    fn root(&self) -> Self::Node;

    /// A number that is unique in the filesystem while the node lives and equal for all its clones; usually the inode number.
    fn key(&self, node: &Self::Node) -> u64;

    /// The directory above; the root's is the root. A directory that has been removed still has the one that it was removed from.
    ///
    /// # Errors
    /// `ENOENT` when the storage does not know it any more.
    fn parent(&self, dir: &Self::Node) -> Result<Self::Node>;

    /// Finds `name` in `dir`.
    ///
    /// # Errors
    /// `ENOENT` when it is not there or `dir` has been removed; `ENOTDIR` when `dir` is none.
    fn lookup(&self, dir: &Self::Node, name: Name<'_>) -> Result<Entry<Self::Node>>;

    /// The file's attributes; [`Stat::dev`] is left 0.
    ///
    /// # Errors
    /// `EIO` and what the storage gives; memory backends never fail.
    fn stat(&self, node: &Self::Node) -> Result<Stat>;

    /// Goes down from `dir` by `names` as far as they are directories, where that is cheaper than one [`lookup`](Filesystem::lookup) after the
    /// other. Answers where it got to; stays where it is before anything else than a directory, which is the walk's to look at.
    ///
    /// # Errors
    /// As [`lookup`](Filesystem::lookup), for `dir` alone.
    #[inline]
    fn descend(&self, dir: &Self::Node, names: &mut Names<'_, '_>) -> Result<Option<Self::Node>> {
        let _ = (dir, names);
        Ok(None)
    }

    /// Finds what `names` lead to from `dir`, where that is cheaper in one step. None, or a symbolic link, when the walk must go there itself:
    /// when the names do not reach to the end of the path, when one on the way is a link, and whenever the filesystem would rather be asked name
    /// by name.
    ///
    /// # Errors
    /// `ENOENT` and `ENOTDIR` on the way; as [`lookup`](Filesystem::lookup).
    #[inline]
    fn lookup_at(&self, dir: &Self::Node, names: &mut Names<'_, '_>) -> Result<Option<Entry<Self::Node>>> {
        let _ = (dir, names);
        Ok(None)
    }

    /// The attributes of what `names` lead to from `dir`: [`lookup_at`](Filesystem::lookup_at) and [`stat`](Filesystem::stat) in one. None also
    /// for a symbolic link.
    ///
    /// # Errors
    /// As these two.
    #[inline]
    fn stat_at(&self, dir: &Self::Node, names: &mut Names<'_, '_>) -> Result<Option<Stat>> {
        let _ = (dir, names);
        Ok(None)
    }

    /// Lists `dir` from `from` on, without `.` and `..`, until `each` breaks. No name that is there all the while is lost or
    /// doubled while others come and go. `each` may be called under the directory's lock and must not call back.
    ///
    /// # Errors
    /// `ENOTDIR` when `dir` is none.
    fn read_dir(&self, dir: &Self::Node, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()>;

    /// Opens a file. Directories answer [`Opened::Directory`], symbolic links `ELOOP`.
    ///
    /// # Errors
    /// `EISDIR` to write a directory, `EROFS` to write on a read-only backend, `ENXIO` for a device that is not there.
    fn open(&self, node: &Self::Node, access: Access) -> Result<Opened>;

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `EINVAL` when it is not one.
    fn read_link(&self, node: &Self::Node) -> Result<Vec<u8>> {
        let _ = node;
        Err(Errno::EINVAL)
    }

    /// The name of a directory in its [`parent`](Filesystem::parent), for `getcwd`. The default searches the parent.
    ///
    /// # Errors
    /// `ENOENT` for the root and for a removed directory.
    fn name_of(&self, dir: &Self::Node) -> Result<Vec<u8>> {
        let (key, parent) = (self.key(dir), self.parent(dir)?);
        let mut found = None;
        self.read_dir(&parent, 0, &mut |entry| {
            let same = entry.kind == FileKind::Directory
                && Name::new(entry.name).and_then(|name| self.lookup(&parent, name)).is_ok_and(|e| self.key(&e.node) == key);
            if same {
                found = Some(entry.name.to_vec());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        found.ok_or(Errno::ENOENT)
    }

    /// The number of one of the process's own descriptors, when `node` stands for it (`/dev/fd/3`). Only a device filesystem answers.
    fn self_fd(&self, node: &Self::Node) -> Option<u32> {
        let _ = node;
        None
    }

    /// Whether every change is refused. Asked before a change is tried, so that `EROFS` comes where Linux gives it.
    fn read_only(&self) -> bool {
        true
    }

    /// Whether nobody changes the files but through this filesystem, so that an overlay above may remember what it looked up.
    fn stable(&self) -> bool {
        true
    }

    /// Makes a new entry with `mode` (the umask is already taken off).
    ///
    /// # Errors
    /// `ENOENT` when `dir` has been removed, `EEXIST`, `ENOSPC` past the budget, `EROFS`, `EPERM` for a kind that the backend lacks.
    fn create(&self, dir: &Self::Node, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<Self::Node>> {
        let _ = (dir, name, kind, mode);
        Err(Errno::EROFS)
    }

    /// Takes a name away. The file lives on while a node or handle of it does.
    ///
    /// # Errors
    /// `ENOENT`; for [`Removal::File`] `EISDIR` on a directory; for [`Removal::Directory`] `ENOTDIR`, `ENOTEMPTY`; `EROFS`.
    fn remove(&self, dir: &Self::Node, name: Name<'_>, removal: Removal) -> Result<()> {
        let _ = (dir, name, removal);
        Err(Errno::EROFS)
    }

    /// Moves `from` in `from_dir` to `to` in `to_dir`, replacing what is there. Two names of one file: nothing happens.
    ///
    /// # Errors
    /// `ENOENT` when `from` is missing or a directory has been removed; `EINVAL` for a directory into its own subtree; `ENOTEMPTY`
    /// when `to` is an ancestor of `from` or a directory with entries; `ENOTDIR` for a directory onto something else; `EISDIR` for
    /// something else onto a directory; `EROFS`.
    fn rename(&self, from_dir: &Self::Node, from: Name<'_>, to_dir: &Self::Node, to: Name<'_>) -> Result<()> {
        let _ = (from_dir, from, to_dir, to);
        Err(Errno::EROFS)
    }

    /// Gives `node` another name.
    ///
    /// # Errors
    /// `ENOENT` when `dir` or the file has been removed; `EEXIST`; `EPERM` for a directory; `EMLINK`; `ENOSPC`; `EROFS`.
    fn link(&self, node: &Self::Node, dir: &Self::Node, name: Name<'_>) -> Result<()> {
        let _ = (node, dir, name);
        Err(Errno::EROFS)
    }

    /// Changes attributes, all or none.
    ///
    /// # Errors
    /// For a size: `EISDIR` on a directory, `EINVAL` on what is not a file, `EFBIG` past `i64::MAX`, `ENOSPC`. `EROFS`.
    fn set_attr(&self, node: &Self::Node, attr: &SetAttr) -> Result<()> {
        let _ = (node, attr);
        Err(Errno::EROFS)
    }

    /// How full the filesystem is.
    ///
    /// # Errors
    /// What the storage gives.
    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_size: 4096,
            blocks: 0,
            blocks_free: 0,
            files: 0,
            files_free: 0,
            name_max: 255,
            read_only: self.read_only(),
        })
    }
}

/// What opening a node gives.
pub enum Opened {
    /// A file with positions.
    File(Arc<dyn FileHandle>),
    /// A directory; listing goes through the node.
    Directory,
    /// The directory of the process's own descriptors; the process lists it.
    FdDirectory,
    /// A named pipe; the process opens an end of it.
    Fifo(Arc<Pipe>),
    /// The process's terminal (`/dev/tty`).
    Terminal,
}

/// An open file. Positional I/O only: the offset lives in the open file description, so that a backend cannot get `dup` wrong.
///
/// Access was checked before: a handle opened without write gets no write call.
pub trait FileHandle: Send + Sync {
    /// Reads into `buf` from byte `offset`; short at the end, 0 past it.
    ///
    /// # Errors
    /// `EIO` and what the storage gives.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize>;

    /// Writes all buffers in order from byte `offset`, growing the file. Short when space runs out in between.
    ///
    /// # Errors
    /// `EFBIG` past `i64::MAX`, `ENOSPC` when not one byte fits, `EROFS`.
    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> Result<usize> {
        let _ = (bufs, offset);
        Err(Errno::EROFS)
    }

    /// Writes all buffers at the end, atomically with finding it. Answers the bytes written and the offset after them.
    ///
    /// # Errors
    /// As [`write_at`](FileHandle::write_at).
    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        let _ = bufs;
        Err(Errno::EROFS)
    }

    /// The first offset from `offset` on where the file may hold something; none when only a hole follows (`SEEK_DATA`). Whoever
    /// reads a file to its end goes by this, because a guest makes a hole of any length at no cost.
    ///
    /// # Errors
    /// What the storage gives.
    fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        Ok(Some(offset))
    }

    /// Brings the file to stable storage where there is such a thing.
    ///
    /// # Errors
    /// What the storage gives.
    fn sync(&self, data_only: bool) -> Result<()> {
        let _ = data_only;
        Ok(())
    }

    /// The open file's attributes, also after its last name has gone.
    ///
    /// # Errors
    /// What the storage gives.
    fn stat(&self) -> Result<Stat>;

    /// Changes the open file's attributes; see [`Filesystem::set_attr`].
    ///
    /// # Errors
    /// As [`Filesystem::set_attr`].
    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        let _ = attr;
        Err(Errno::EROFS)
    }

    /// Makes the file at least `offset + len` bytes long and, where that means something, reserves the space; never shrinks it.
    ///
    /// # Errors
    /// `EFBIG` past `i64::MAX`, `ENOSPC`, `EROFS`.
    fn allocate(&self, offset: u64, len: u64) -> Result<()> {
        let end = offset.checked_add(len).filter(|&end| i64::try_from(end).is_ok()).ok_or(Errno::EFBIG)?;
        if self.stat()?.size < end { self.set_attr(&SetAttr::size(end)) } else { Ok(()) }
    }
}

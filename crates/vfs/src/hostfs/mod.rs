//! A directory of the host as a filesystem.
//!
//! The embedder hands over one directory (cap-std opens it, by the ambient authority that the embedder has), and nothing outside
//! it is reached again. Below it, the kernel is given a directory descriptor and a single name, never a trailing slash,
//! and always `O_NOFOLLOW` or its like: symbolic links are texts here, which only the walk follows, inside the guest's own tree.
//! Links in a mounted `/proc` are texts too. Several names at once go to `openat2` alone, which is told to keep below the directory and to
//! follow no link at all, and only to look: nothing is opened by it.
//!
//! **Kinds.** Files, directories and symbolic links work. FIFOs, sockets and devices of the host are listed and have attributes,
//! and can be removed and renamed where the mount is writable; opening one is `EPERM`, and so is changing its attributes, so
//! that nothing hangs on them or reaches a device. Making a FIFO is `EPERM`.
//!
//! **Names and identities.** A node is an identity (device and inode number) and the names under which it was seen. Whatever is
//! opened by name is compared with the identity afterwards, and is `ENOENT` when it is another file. Renames through this
//! filesystem are known to all holders of a node; after a change by somebody else a node is found again by the next lookup. A
//! file with several hard links is found under the last four names that were seen; when all of those have gone, a node that is
//! not open is `ENOENT` although another name may be left. `..` is the directory in which a directory was seen last. When a file
//! goes and its inode number comes back as another file, a node of the gone one stays `ENOENT` if it was removed through this
//! filesystem, and is taken for the new one if it was removed by somebody else. Of what was removed through this filesystem the
//! last attributes are kept, so that an open directory still has some.
//!
//! **Between a check and a change by name** somebody else may put another file of this directory in its place; the change then
//! hits that file. It cannot hit anything outside.
//!
//! Locks, in order: `moving` (held for reading by every call that goes by names, for writing by rename and remove), those of
//! `node`, then the descriptor cache, `fresh` or a shard of `cache`, alone. None is held while a listing is handed out.

mod attr;
#[cfg(target_os = "linux")]
mod beneath;
mod cache;
mod change;
mod dirs;
mod errno;
mod handle;
mod list;
mod node;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use parking_lot::{Mutex, RwLock};
use rustix::fs::{AtFlags, Mode, OFlags};
use thiserror::Error;

use crate::filesystem::{Entry, Filesystem, Opened};
use crate::{Access, Cookie, DirEntry, Errno, FileKind, Limits, Name, Names, NewKind, Removal, Result, SetAttr, Stat, StatFs};
use cache::Cache;
use dirs::Dirs;
use errno::from_host;
use handle::HostFile;
pub use node::HostNode;
use node::{FileId, Place, Registry};

/// How a host directory is mounted. The default is read-only, shared with the rest of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOptions {
    /// The guest may change it.
    pub writable: bool,
    /// Nobody else changes it while it is mounted, so that what was looked up may be remembered.
    pub exclusive: bool,
    /// Directory descriptors that are kept open; at least one. [`Limits::host_fds`].
    pub fds: usize,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions { writable: false, exclusive: false, fds: Limits::default().host_fds }
    }
}

/// Why a host directory or file cannot be mounted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// Nothing is there.
    #[error("{path:?} does not exist on the host: name something that is there, or make it first")]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// It is no directory.
    #[error("{path:?} is not a directory: name the directory that it lies in")]
    NotADirectory {
        /// What was asked for.
        path: PathBuf,
    },
    /// It is no regular file.
    #[error("{path:?} is not a regular file: only a regular file can be mounted alone")]
    NotAFile {
        /// What was asked for.
        path: PathBuf,
    },
    /// The host forbids it.
    #[error("no permission to open {path:?}: run as a user who may read it, or change its mode")]
    Denied {
        /// What was asked for.
        path: PathBuf,
    },
    /// Something else went wrong.
    #[error("cannot open {path:?}: {source}")]
    Other {
        /// What was asked for.
        path: PathBuf,
        /// The host's reason.
        source: io::Error,
    },
}

impl HostError {
    fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => HostError::Missing { path },
            io::ErrorKind::NotADirectory => HostError::NotADirectory { path },
            io::ErrorKind::PermissionDenied => HostError::Denied { path },
            _ => HostError::Other { path, source },
        }
    }
}

/// The one file that a filesystem shows.
struct Only {
    /// What the guest calls it.
    shown: Box<[u8]>,
    /// Its name in the directory.
    real: Box<[u8]>,
}

/// A directory of the host.
pub struct HostFs {
    root: HostNode,
    dirs: Dirs,
    registry: Arc<Registry>,
    only: Option<Only>,
    writable: bool,
    /// Only where nobody else changes the directory.
    cache: Option<Cache>,
    moving: RwLock<()>,
    /// The file made last, still open: creating and opening are one call on the host, and the mode of a new file does not bind
    /// the one who makes it.
    fresh: Mutex<Option<(FileId, OwnedFd)>>,
}

impl HostFs {
    /// The directory at `path`; symbolic links in `path` are followed.
    ///
    /// # Errors
    /// A [`HostError`] that names `path`.
    pub fn open(path: &Path, options: HostOptions) -> Result<Arc<Self>, HostError> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| HostError::new(path, error))?;
        Self::new(dir, options, None).map_err(|error| HostError::new(path, error))
    }

    /// A directory that is open already.
    ///
    /// # Errors
    /// [`HostError::Other`] when the host does not answer for it.
    pub fn from_dir(dir: Dir, options: HostOptions) -> Result<Arc<Self>, HostError> {
        Self::new(dir, options, None).map_err(|error| HostError::new(Path::new("."), error))
    }

    /// A read-only directory that shows the regular file at `path` under its name, and nothing else.
    ///
    /// Symbolic links in `path` are followed now; later only the name in the directory where the file lies is looked up, so that
    /// a file that an editor replaces is seen.
    ///
    /// # Errors
    /// A [`HostError`] that names `path`.
    pub fn single_file(path: &Path, options: HostOptions) -> Result<Arc<Self>, HostError> {
        let fail = |error| HostError::new(path, error);
        let not_a_file = || HostError::NotAFile { path: path.to_path_buf() };
        let real = path.canonicalize().map_err(fail)?;
        let (Some(above), Some(name)) = (real.parent(), real.file_name()) else { return Err(not_a_file()) };
        let dir = Dir::open_ambient_dir(above, ambient_authority()).map_err(fail)?;
        let bytes = |name: &std::ffi::OsStr| name.as_encoded_bytes().into();
        let only = Only { shown: bytes(path.file_name().unwrap_or(name)), real: bytes(name) };
        let fs = Self::new(dir, HostOptions { writable: false, ..options }, Some(only)).map_err(fail)?;
        // Open it once, so that a file without permission is refused here and not in the guest.
        let readable = Name::new(name.as_encoded_bytes())
            .and_then(|_| fs.lookup(&fs.root, Name::new(fs.only.as_ref().map_or(&[][..], |only| &only.shown))?))
            .and_then(|entry| fs.open_file(&entry.node, Access::READ));
        match readable {
            Ok(_) => Ok(fs),
            Err(Errno::EACCES | Errno::EPERM) => Err(HostError::Denied { path: path.to_path_buf() }),
            Err(_) => Err(not_a_file()),
        }
    }

    fn new(dir: Dir, options: HostOptions, only: Option<Only>) -> io::Result<Arc<Self>> {
        let fd = OwnedFd::from(dir);
        let id = attr::id(&rustix::fs::fstat(&fd)?);
        let registry = Registry::new(id.dev);
        Ok(Arc::new(HostFs {
            root: HostNode::root(&registry, id),
            dirs: Dirs::new(fd, options.fds),
            registry,
            only,
            writable: options.writable,
            cache: options.exclusive.then(Cache::new),
            moving: RwLock::new(()),
            fresh: Mutex::new(None),
        }))
    }

    /// The attributes of `name` in the directory behind `fd`, when it is the file `id`.
    fn stat_at(fd: &OwnedFd, name: &[u8], id: FileId) -> Result<rustix::fs::Stat> {
        let stat = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?;
        if attr::id(&stat) == id { Ok(stat) } else { Err(Errno::ENOENT) }
    }

    /// Runs `f` on the known names of `node` until one leads to it; `f` answers `ENOENT` when its name does not.
    fn at_names<T>(&self, node: &HostNode, mut f: impl FnMut(&OwnedFd, &Place) -> Result<T>) -> Result<T> {
        for place in (0..).map_while(|n| node.place(n)) {
            match self.dirs.get(&place.parent).and_then(|fd| f(&fd, &place)) {
                Err(Errno::ENOENT) => {}
                other => return other,
            }
        }
        Err(Errno::ENOENT)
    }

    /// A descriptor of a file with `flags`, opened by its names.
    fn open_at(&self, fd: &OwnedFd, name: &[u8], id: FileId, flags: OFlags) -> Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let open = |flags| self.dirs.with_room(|| rustix::fs::openat(fd, name, flags, Mode::empty()));
        // Reading moves no access time; only the owner may ask for that.
        let opened = match open(flags | OFlags::NOATIME) {
            Err(Errno::EPERM) => open(flags),
            opened => opened,
        };
        match opened {
            Ok(file) if attr::id(&rustix::fs::fstat(&file).map_err(from_host)?) == id => Ok(file),
            // A link, a socket or a FIFO has taken its place.
            Ok(_) | Err(Errno::ELOOP | Errno::ENXIO | Errno::ENODEV) => Err(Errno::ENOENT),
            Err(errno) => Err(errno),
        }
    }

    fn open_file(&self, node: &HostNode, access: Access) -> Result<OwnedFd> {
        let mut fresh = self.fresh.lock();
        let made = fresh.take_if(|(id, _)| *id == node.id()).map(|(_, fd)| fd);
        drop(fresh);
        let fd = match made {
            Some(fd) => fd,
            None => {
                let flags = match (access.read || !access.write, access.mutates()) {
                    (true, true) => OFlags::RDWR,
                    (false, _) => OFlags::WRONLY,
                    (true, false) => OFlags::RDONLY,
                };
                self.at_names(node, |fd, place| self.open_at(fd, &place.name, node.id(), flags))?
            }
        };
        // Cut only what is known to be the file.
        if access.truncate {
            attr::resize(&fd, 0)?;
        }
        Ok(fd)
    }

    /// Asks the host for `name` in `dir`.
    fn look(&self, dir: &HostNode, name: &[u8]) -> Result<(Entry<HostNode>, rustix::fs::Stat)> {
        let _still = self.moving.read();
        let fd = self.dirs.get(dir)?;
        let stat = rustix::fs::statat(&*fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?;
        let kind = attr::kind_of(&stat);
        if self.only.is_some() && kind != FileKind::File {
            return Err(Errno::ENOENT);
        }
        Ok((Entry { node: self.registry.found(dir, name, attr::id(&stat), kind), kind }, stat))
    }

    /// Runs a change, if changes are allowed. Whatever comes of it, what was remembered counts no more.
    fn changing<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        if !self.writable {
            return Err(Errno::EROFS);
        }
        let done = change();
        self.registry.generation.raise();
        done
    }

    fn host_stat(&self, node: &HostNode) -> Result<rustix::fs::Stat> {
        if node.kind() == FileKind::Directory
            && let Some(fd) = self.dirs.cached(node)
        {
            return rustix::fs::fstat(&*fd).map_err(from_host);
        }
        self.at_names(node, |fd, place| Self::stat_at(fd, &place.name, node.id()))
    }

    /// A descriptor for listing alone: its position is the listing's.
    fn open_listing(&self, dir: &HostNode) -> Result<OwnedFd> {
        let fd = self.dirs.get(dir)?;
        self.open_at(&fd, b".", dir.id(), OFlags::RDONLY | OFlags::DIRECTORY)
    }

    fn list_only(&self, only: &Only, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let name = Name::new(&only.shown)?;
        if from == 0
            && let Ok(Entry { node, kind }) = self.lookup(&self.root, name)
        {
            let _ = each(DirEntry { name: name.as_bytes(), ino: node.key(), kind, next: 1 });
        }
        Ok(())
    }
}

impl Filesystem for HostFs {
    type Node = HostNode;

    fn root(&self) -> HostNode {
        self.root.clone()
    }

    fn key(&self, node: &HostNode) -> u64 {
        node.key()
    }

    fn parent(&self, dir: &HostNode) -> Result<HostNode> {
        if dir.is_root() {
            return Ok(dir.clone());
        }
        let above = dir.place(0).map(|place| place.parent).or_else(|| dir.gone().map(|gone| gone.parent));
        above.ok_or(Errno::ENOENT)
    }

    fn lookup(&self, dir: &HostNode, name: Name<'_>) -> Result<Entry<HostNode>> {
        if dir.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let name = match &self.only {
            None => name.as_bytes(),
            Some(only) if dir.is_root() && *only.shown == *name.as_bytes() => &only.real,
            Some(_) => return Err(Errno::ENOENT),
        };
        let look = || self.look(dir, name).map(|(entry, _)| entry);
        let Some(cache) = &self.cache else { return look() };
        let generation = self.registry.generation.now();
        if let Some(known) = cache.lookup(dir.id(), name, generation) {
            return known.map(|node| Entry { kind: node.kind(), node });
        }
        let found = look();
        match &found {
            Ok(entry) => cache.found(dir.id(), name, generation, Some(entry.node.clone())),
            Err(Errno::ENOENT) => cache.found(dir.id(), name, generation, None),
            Err(_) => {}
        }
        found
    }

    fn stat(&self, node: &HostNode) -> Result<Stat> {
        if let Some(gone) = node.gone() {
            return Ok(gone.stat);
        }
        let generation = self.registry.generation.now();
        if let Some(stat) = self.cache.as_ref().and_then(|cache| cache.stat(node.id(), generation)) {
            return Ok(stat);
        }
        let still = self.moving.read();
        let mut stat = attr::stat(&self.host_stat(node)?, node.key());
        drop(still);
        if self.only.is_some() && node.is_root() {
            // Of the directory around a single file, nothing is shown but its times.
            stat = Stat { mode: 0o555, nlink: 2, size: 0, blocks: 0, uid: 0, gid: 0, ..stat };
        }
        if let Some(cache) = &self.cache {
            cache.learned(node.id(), generation, stat);
        }
        Ok(stat)
    }

    /// Asks the host in one call, without a node for anything on the way.
    fn stat_at(&self, dir: &HostNode, names: &mut Names<'_, '_>) -> Result<Option<Stat>> {
        if self.cache.is_some() || self.only.is_some() || dir.kind() != FileKind::Directory {
            return Ok(None);
        }
        let Some(whole) = names.whole(dir.key()) else { return Ok(None) };
        let _still = self.moving.read();
        let fd = self.dirs.get(dir)?;
        let stat = match names.at_last() {
            true => Some(rustix::fs::statat(&*fd, whole, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?),
            #[cfg(target_os = "linux")]
            false => beneath::stat(&self.dirs, &fd, whole)?,
            #[cfg(not(target_os = "linux"))]
            false => None,
        };
        let stat = stat.filter(|stat| attr::kind_of(stat) != FileKind::Symlink);
        Ok(stat.map(|stat| attr::stat(&stat, self.registry.key(attr::id(&stat)))))
    }

    fn read_dir(&self, dir: &HostNode, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        if dir.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if let Some(only) = &self.only {
            return self.list_only(only, from, each);
        }
        let still = self.moving.read();
        let listing = match self.open_listing(dir) {
            // Removed while it was open: it has no names any more.
            Err(Errno::ENOENT) => return Ok(()),
            opened => opened?,
        };
        drop(still);
        list::list(&listing, &self.registry, dir.id().dev, from, each)
    }

    /// Opens `node`. FIFOs, sockets and devices of the host are `EPERM`; a directory is opened once, so that one which may not
    /// be read is refused where Linux refuses it.
    fn open(&self, node: &HostNode, access: Access) -> Result<Opened> {
        match node.kind() {
            FileKind::Symlink => return Err(Errno::ELOOP),
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice => return Err(Errno::EPERM),
            FileKind::Directory if access.mutates() => return Err(Errno::EISDIR),
            FileKind::File if access.mutates() && !self.writable => return Err(Errno::EROFS),
            FileKind::Directory | FileKind::File => {}
        }
        let _still = self.moving.read();
        if node.kind() == FileKind::Directory {
            // One that has been removed can be opened still, as `.`.
            return if node.gone().is_some() {
                Ok(Opened::Directory)
            } else {
                self.open_listing(node).map(|_| Opened::Directory)
            };
        }
        let fd = self.open_file(node, access)?;
        if access.truncate {
            self.registry.generation.raise();
        }
        Ok(Opened::File(Arc::new(HostFile::new(fd, self.registry.clone(), self.writable))))
    }

    fn read_link(&self, node: &HostNode) -> Result<Vec<u8>> {
        if node.kind() != FileKind::Symlink {
            return Err(Errno::EINVAL);
        }
        let _still = self.moving.read();
        self.at_names(node, |fd, place| {
            Self::stat_at(fd, &place.name, node.id())?;
            match rustix::fs::readlinkat(fd, &*place.name, Vec::new()) {
                Ok(target) => Ok(target.into_bytes()),
                Err(rustix::io::Errno::INVAL) => Err(Errno::ENOENT),
                Err(errno) => Err(from_host(errno)),
            }
        })
    }

    fn name_of(&self, dir: &HostNode) -> Result<Vec<u8>> {
        let _still = self.moving.read();
        self.at_names(dir, |fd, place| {
            Self::stat_at(fd, &place.name, dir.id())?;
            Ok(place.name.to_vec())
        })
    }

    fn read_only(&self) -> bool {
        !self.writable
    }

    fn stable(&self) -> bool {
        self.cache.is_some()
    }

    fn create(&self, dir: &HostNode, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<HostNode>> {
        self.changing(|| self.make(dir, name, kind, mode))
    }

    fn remove(&self, dir: &HostNode, name: Name<'_>, removal: Removal) -> Result<()> {
        self.changing(|| self.take_away(dir, name, removal))
    }

    fn rename(&self, from_dir: &HostNode, from: Name<'_>, to_dir: &HostNode, to: Name<'_>) -> Result<()> {
        self.changing(|| self.move_to(from_dir, from.as_bytes(), to_dir, to.as_bytes()))
    }

    fn link(&self, node: &HostNode, dir: &HostNode, name: Name<'_>) -> Result<()> {
        self.changing(|| self.add_name(node, dir, name))
    }

    fn set_attr(&self, node: &HostNode, attr: &SetAttr) -> Result<()> {
        self.changing(|| self.change(node, attr))
    }

    fn statfs(&self) -> Result<StatFs> {
        attr::statfs(self.dirs.root(), !self.writable)
    }
}

/// Opens a regular file of the host that the embedder named, for reading: an archive to mount.
///
/// # Errors
/// What the host says; `InvalidInput` when it is not a regular file.
pub fn open_archive(path: &Path) -> io::Result<std::fs::File> {
    // Before it is opened: opening a FIFO would wait.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    std::fs::File::open(path)
}

//! What changes the host's directory.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use cap_std::fs::{Dir, Permissions};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::attr;
use super::errno::from_host;
use super::node::{FileId, HostNode};
use super::{Entry, HostFs};
use crate::{Clock, Errno, FileKind, Name, NewKind, Removal, Result, SetAttr, Stat, SystemClock};

/// A new file: open for both, whatever its mode says.
const NEW: OFlags = OFlags::CREATE
    .union(OFlags::EXCL)
    .union(OFlags::RDWR)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

impl HostFs {
    pub(super) fn make(&self, dir: &HostNode, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<HostNode>> {
        let _still = self.moving.read();
        let (fd, name) = (self.dirs.get(dir)?, name.as_bytes());
        let stat = match kind {
            NewKind::Fifo => return Err(Errno::EPERM),
            NewKind::File => self.make_file(&fd, name, mode)?,
            NewKind::Directory => {
                rustix::fs::mkdirat(&*fd, name, attr::mode(mode)).map_err(from_host)?;
                let made = rustix::fs::statat(&*fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?;
                if attr::kind_of(&made) == FileKind::Directory
                    && let Some(bits) = masked(made.st_mode, mode)
                {
                    self.chmod_by_name(&fd, name, attr::id(&made), bits, FileKind::Directory)?;
                }
                made
            }
            NewKind::Symlink(target) => {
                rustix::fs::symlinkat(target, &*fd, name).map_err(from_host)?;
                rustix::fs::statat(&*fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?
            }
        };
        let kind = attr::kind_of(&stat);
        Ok(Entry { node: self.registry.found(dir, name, attr::id(&stat), kind), kind })
    }

    fn make_file(&self, fd: &OwnedFd, name: &[u8], mode: u32) -> Result<rustix::fs::Stat> {
        let file = self.dirs.with_room(|| rustix::fs::openat(fd, name, NEW, attr::mode(mode)))?;
        let stat = rustix::fs::fstat(&file).map_err(from_host)?;
        if let Some(bits) = masked(stat.st_mode, mode) {
            rustix::fs::fchmod(&file, attr::mode(bits)).map_err(from_host)?;
        }
        // Refused only by hosts that do not know it.
        let _ = rustix::fs::fcntl_setfl(&file, OFlags::NONBLOCK | OFlags::NOATIME);
        let last = self.fresh.lock().replace((attr::id(&stat), file));
        drop(last);
        Ok(stat)
    }

    pub(super) fn take_away(&self, dir: &HostNode, name: Name<'_>, removal: Removal) -> Result<()> {
        let _alone = self.moving.write();
        let (fd, name) = (self.dirs.get(dir)?, name.as_bytes());
        let flags = match removal {
            Removal::File => AtFlags::empty(),
            Removal::Directory => AtFlags::REMOVEDIR,
        };
        let there = rustix::fs::statat(&*fd, name, AtFlags::SYMLINK_NOFOLLOW);
        rustix::fs::unlinkat(&*fd, name, flags).map_err(from_host)?;
        if let Ok(gone) = there {
            self.gone(dir, name, &gone);
        }
        Ok(())
    }

    /// `name` in `dir` was the file `stat` and is no more.
    fn gone(&self, dir: &HostNode, name: &[u8], stat: &rustix::fs::Stat) {
        let id = attr::id(stat);
        let directory = attr::kind_of(stat) == FileKind::Directory;
        if directory {
            self.dirs.forget(id);
        }
        let closed = self.fresh.lock().take_if(|(fresh, _)| *fresh == id);
        drop(closed);
        let last = (directory || stat.st_nlink <= 1).then(|| Stat { ctime: SystemClock.coarse(), ..attr::stat(stat, 0) });
        self.registry.removed(id, dir, name, last);
    }

    pub(super) fn move_to(&self, from_dir: &HostNode, from: &[u8], to_dir: &HostNode, to: &[u8]) -> Result<()> {
        let _alone = self.moving.write();
        let (from_fd, to_fd) = (self.dirs.get(from_dir)?, self.dirs.get(to_dir)?);
        let source = rustix::fs::statat(&*from_fd, from, AtFlags::SYMLINK_NOFOLLOW);
        let target = rustix::fs::statat(&*to_fd, to, AtFlags::SYMLINK_NOFOLLOW);
        rustix::fs::renameat(&*from_fd, from, &*to_fd, to).map_err(from_host)?;
        let Ok(source) = source else { return Ok(()) };
        if let Ok(target) = target {
            if attr::id(&target) == attr::id(&source) {
                return Ok(());
            }
            self.gone(to_dir, to, &target);
        }
        self.registry.moved(attr::id(&source), (from_dir, from), (to_dir, to));
        Ok(())
    }

    pub(super) fn add_name(&self, node: &HostNode, dir: &HostNode, name: Name<'_>) -> Result<()> {
        if node.kind() == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        let _still = self.moving.read();
        let to = self.dirs.get(dir)?;
        self.at_names(node, |fd, place| {
            Self::stat_at(fd, &place.name, node.id())?;
            rustix::fs::linkat(fd, &*place.name, &*to, name.as_bytes(), AtFlags::empty()).map_err(from_host)
        })?;
        self.registry.linked(node.id(), dir, name.as_bytes());
        Ok(())
    }

    pub(super) fn change(&self, node: &HostNode, attr: &SetAttr) -> Result<()> {
        match node.kind() {
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice => return Err(Errno::EPERM),
            FileKind::Directory if attr.size.is_some() => return Err(Errno::EISDIR),
            FileKind::Symlink if attr.size.is_some() => return Err(Errno::EINVAL),
            FileKind::Symlink if attr.mode.is_some() => return Err(Errno::ENOTSUP),
            FileKind::Directory | FileKind::Symlink | FileKind::File => {}
        }
        let _still = self.moving.read();
        // Looked at in any case, for what cannot be set.
        attr::times(attr)?;
        if node.change_gone(|stat| attr::change_gone(stat, attr)) {
            return Ok(());
        }
        if node.is_root() {
            return self.change_at(self.dirs.root(), b".", node, attr);
        }
        self.at_names(node, |fd, place| {
            Self::stat_at(fd, &place.name, node.id())?;
            self.change_at(fd, &place.name, node, attr)
        })
    }

    /// Changes what `attr` names, in the order of [`attr::set`].
    fn change_at(&self, fd: &OwnedFd, name: &[u8], node: &HostNode, attr: &SetAttr) -> Result<()> {
        let times = attr::times(attr)?;
        if let Some(size) = attr.size {
            attr::resize(self.open_at(fd, name, node.id(), OFlags::WRONLY)?, size)?;
        }
        if let Some((uid, gid)) = attr::owners(attr) {
            rustix::fs::chownat(fd, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?;
        }
        if let Some(bits) = attr.mode {
            self.chmod_by_name(fd, name, node.id(), bits, node.kind())?;
        }
        if let Some(times) = times {
            rustix::fs::utimensat(fd, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(from_host)?;
        }
        Ok(())
    }

    /// `fchmodat` follows links and has no flag against it that all kernels know: the file is opened, and changed by its
    /// descriptor. One that its owner may not open is left to cap-std, which keeps the name below the directory.
    fn chmod_by_name(&self, fd: &OwnedFd, name: &[u8], id: FileId, bits: u32, kind: FileKind) -> Result<()> {
        let directory = if kind == FileKind::Directory { OFlags::DIRECTORY } else { OFlags::empty() };
        let opened = match self.open_at(fd, name, id, OFlags::RDONLY | directory) {
            Err(Errno::EACCES) if kind == FileKind::File => self.open_at(fd, name, id, OFlags::WRONLY),
            opened => opened,
        };
        match opened {
            Ok(file) => rustix::fs::fchmod(&file, attr::mode(bits)).map_err(from_host),
            Err(Errno::EACCES) => {
                let dir = Dir::from(fd.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE)?);
                let permissions = Permissions::from_std(std::fs::Permissions::from_mode(bits & 0o7777));
                let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(name);
                dir.set_permissions(name, permissions)
                    .map_err(|error| rustix::io::Errno::from_io_error(&error).map_or(Errno::EIO, from_host))
            }
            Err(errno) => Err(errno),
        }
    }
}

/// The mode to set when the host's own umask has taken bits off a new file.
fn masked(made: u32, wanted: u32) -> Option<u32> {
    let permissions = Mode::RWXU.bits() | Mode::RWXG.bits() | Mode::RWXO.bits();
    ((made ^ wanted) & permissions != 0).then_some((made & 0o7000) | (wanted & permissions))
}

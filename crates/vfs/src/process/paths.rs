use std::cell::Cell;

use super::{DirFd, Process};
use crate::fd_table::Fd;
use crate::namespace::Place;
use crate::walk::{Component, Done, Found, Last, Op, Walk, split_last};
use crate::{Errno, FileKind, Name, NewKind, PATH_MAX, Removal, Result, SetAttr, Stat, StatFs};

/// What `access` asks for; nothing asks whether the file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessMode {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
    /// Executing, or searching a directory.
    pub execute: bool,
}

/// A name in a directory, at the end of a path.
struct Target<'a> {
    walk: Walk<'a>,
    dir: Place,
    last: Option<Component>,
}

impl Target<'_> {
    fn slash(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.slash)
    }

    /// # Errors
    /// `ENAMETOOLONG`; in a directory that has been removed `ENOENT`, because nothing is looked for there.
    fn name(&self, last: &Component) -> Result<Name<'_>> {
        self.walk
            .name(last)
            .map_err(|errno| if self.dir.node.stat().is_ok_and(|stat| stat.nlink == 0) { Errno::ENOENT } else { errno })
    }
}

fn may_access(stat: &Stat, mode: AccessMode, read_only: impl FnOnce() -> Result<bool>) -> Result<()> {
    if mode.execute && stat.kind != FileKind::Directory && stat.mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    let device = matches!(stat.kind, FileKind::CharDevice | FileKind::Fifo | FileKind::Socket);
    if mode.write && !device && read_only()? { Err(Errno::EROFS) } else { Ok(()) }
}

impl Process {
    /// The attributes of what `path` leads to; of a final link itself without `follow`.
    ///
    /// # Errors
    /// What resolving gives.
    pub fn statat(&self, dir: DirFd, path: &[u8], follow: bool) -> Result<Stat> {
        let found = Cell::new(None);
        if let Done::SelfFd { fd, link } = self.run(dir, path, &Op::Found { follow, then: Found::Stat(&found) })? {
            let file = &self.fds.get(Fd::new(fd)).map_err(|_| Errno::ENOENT)?.file;
            return link.map_or_else(|| file.stat(), |link| Ok(Stat { mode: 0o700, size: 64, ..*link }));
        }
        found.get().ok_or(Errno::EIO)
    }

    pub(super) fn locate(&self, dir: DirFd, path: &[u8], follow: bool) -> Result<(Place, FileKind)> {
        match self.run(dir, path, &Op::Found { follow, then: Found::Place })? {
            Done::Place(place, kind) => Ok((place, kind)),
            Done::SelfFd { fd, link: None } => {
                let file = &self.fds.get(Fd::new(fd)).map_err(|_| Errno::ENOENT)?.file;
                Ok((file.place.clone().ok_or(Errno::EXDEV)?, file.kind()))
            }
            Done::SelfFd { .. } => Err(Errno::EPERM),
            _ => Err(Errno::EIO),
        }
    }

    /// Changes size, mode, owner or times of what `path` leads to (`truncate`, `chmod`, `chown`, `utimensat`).
    ///
    /// # Errors
    /// What resolving gives; `EROFS`; for a size `EINVAL` past `i64::MAX` or on what is not a file, `EISDIR`, `EFBIG`, `ENOSPC`; `ENOTSUP` for a mode on a link.
    pub fn set_attr_at(&mut self, dir: DirFd, path: &[u8], follow: bool, attr: &SetAttr) -> Result<()> {
        if attr.size.is_some_and(|size| i64::try_from(size).is_err()) {
            return Err(Errno::EINVAL);
        }
        match self.run(dir, path, &Op::Found { follow, then: Found::SetAttr(attr) })? {
            Done::Unit => Ok(()),
            Done::SelfFd { fd, link: None } => match attr.size {
                Some(size) => self.ftruncate(Fd::new(fd), size),
                None => self.fset_attr(Fd::new(fd), attr),
            },
            Done::SelfFd { .. } => Err(Errno::ENOTSUP),
            _ => Err(Errno::EIO),
        }
    }

    /// Whether the guest, who is root, may use what `path` leads to.
    ///
    /// # Errors
    /// What resolving gives; `EROFS` to write on a read-only filesystem; `EACCES` to execute a file without any x bit.
    pub fn accessat(&self, dir: DirFd, path: &[u8], mode: AccessMode, follow: bool) -> Result<()> {
        let read_only = || self.locate(dir, path, follow).map(|(place, _)| self.read_only(&place));
        may_access(&self.statat(dir, path, follow)?, mode, read_only)
    }

    /// Whether the guest may use an open file (`faccessat` with `AT_EMPTY_PATH`).
    ///
    /// # Errors
    /// `EBADF`; else as [`accessat`](Process::accessat).
    pub fn faccess(&self, fd: Fd, mode: AccessMode) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        may_access(&file.stat()?, mode, || Ok(file.place.as_ref().is_some_and(|place| self.read_only(place))))
    }

    fn create(&mut self, dir: DirFd, path: &[u8], kind: NewKind<'_>, mode: u32) -> Result<()> {
        self.run(dir, path, &Op::Last(Last::Create(kind, mode))).map(drop)
    }

    /// Makes a directory with `mode` less the umask.
    ///
    /// # Errors
    /// What resolving gives; `EEXIST`, `EROFS`, `ENOSPC`.
    pub fn mkdirat(&mut self, dir: DirFd, path: &[u8], mode: u32) -> Result<()> {
        self.create(dir, path, NewKind::Directory, mode & !self.umask & 0o1777)
    }

    /// Makes a named pipe with `mode` less the umask.
    ///
    /// # Errors
    /// As [`mkdirat`](Process::mkdirat); `EPERM` where a layer has none.
    pub fn mkfifoat(&mut self, dir: DirFd, path: &[u8], mode: u32) -> Result<()> {
        self.create(dir, path, NewKind::Fifo, mode & !self.umask & 0o7777)
    }

    /// Makes an empty file with `mode` less the umask (`mknod` with `S_IFREG`).
    ///
    /// # Errors
    /// As [`mkdirat`](Process::mkdirat).
    pub fn mkfileat(&mut self, dir: DirFd, path: &[u8], mode: u32) -> Result<()> {
        self.create(dir, path, NewKind::File, mode & !self.umask & 0o7777)
    }

    /// Makes a symbolic link. The target is kept as it is.
    ///
    /// # Errors
    /// `ENOENT` for an empty target, `ENAMETOOLONG` past [`PATH_MAX`], `EINVAL` for a NUL in it; else as [`mkdirat`](Process::mkdirat).
    pub fn symlinkat(&mut self, target: &[u8], dir: DirFd, path: &[u8]) -> Result<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        if target.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        if target.contains(&0) {
            return Err(Errno::EINVAL);
        }
        self.create(dir, path, NewKind::Symlink(target), 0o777)
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// What resolving gives; `EINVAL` when it is none.
    pub fn readlinkat(&self, dir: DirFd, path: &[u8]) -> Result<Vec<u8>> {
        match self.run(dir, path, &Op::Found { follow: false, then: Found::ReadLink })? {
            Done::Target(target) => Ok(target),
            Done::SelfFd { fd, .. } => self.fd_target(Fd::new(fd)),
            _ => Err(Errno::EIO),
        }
    }

    /// What `/proc/self/fd/N` reads as: the path of a directory, else the kind and number of the file, as Linux shows what has no path.
    fn fd_target(&self, fd: Fd) -> Result<Vec<u8>> {
        let file = &self.fds.get(fd).map_err(|_| Errno::ENOENT)?.file;
        if let Ok(place) = file.directory() {
            return self.ns.path_of(place);
        }
        let kind = match file.kind() {
            FileKind::Fifo => "pipe",
            FileKind::Socket => "socket",
            FileKind::CharDevice => "device",
            _ => "file",
        };
        Ok(format!("{kind}:[{}]", file.stat()?.ino).into_bytes())
    }

    fn target<'a>(&'a self, dir: DirFd, path: &'a [u8]) -> Result<Target<'a>> {
        let mut walk = Walk::new(&self.ns, path)?;
        let start = self.start(dir, &mut walk)?;
        match self.ns.resolve(&mut walk, start, &Op::Last(Last::Parent), &self.fds)? {
            Done::Parent { place, last } => Ok(Target { walk, dir: place, last }),
            _ => Err(Errno::EIO),
        }
    }

    /// [`target`](Process::target) for a second path; one that differs from the first in the name alone needs no second resolution.
    fn second_target<'a>(&'a self, first: (DirFd, &[u8]), found: &Target<'_>, dir: DirFd, path: &'a [u8]) -> Result<Target<'a>> {
        let ends = || Some((split_last(first.1)?.0, split_last(path)?)).filter(|_| first.0 == dir && found.last.is_some());
        match ends() {
            Some((before, (same, last))) if before == same => {
                Ok(Target { walk: Walk::new(&self.ns, path)?, dir: found.dir.clone(), last: Some(last) })
            }
            _ => self.target(dir, path),
        }
    }

    fn read_only(&self, place: &Place) -> bool {
        self.ns.mount_of(place.mount).read_only || place.node.read_only()
    }

    /// Gives what `from` leads to another name. A final link is followed only with `follow`.
    ///
    /// # Errors
    /// What resolving gives; `EEXIST`; `EROFS`; `EXDEV` across mounts; `EPERM` for a directory; `EMLINK`; `ENOSPC`.
    pub fn linkat(&mut self, from_dir: DirFd, from: &[u8], dir: DirFd, path: &[u8], follow: bool) -> Result<()> {
        let (file, kind) = self.locate(from_dir, from, follow)?;
        self.link(file, kind, dir, path)
    }

    /// Gives an open file another name (`linkat` with `AT_EMPTY_PATH`).
    ///
    /// # Errors
    /// `EBADF`; `EXDEV` for what stands in no filesystem; else as [`linkat`](Process::linkat).
    pub fn flink(&mut self, fd: Fd, dir: DirFd, path: &[u8]) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        let (place, kind) = (file.place.clone().ok_or(Errno::EXDEV)?, file.kind());
        self.link(place, kind, dir, path)
    }

    fn link(&mut self, file: Place, kind: FileKind, dir: DirFd, path: &[u8]) -> Result<()> {
        let to = self.target(dir, path)?;
        let Some(last) = &to.last else { return Err(Errno::EEXIST) };
        let name = to.name(last)?;
        if self.is_mounted(&to.dir, name) {
            return Err(Errno::EEXIST);
        }
        match to.dir.node.lookup(name) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) if last.slash => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        let refused = if self.read_only(&to.dir) {
            Errno::EROFS
        } else if file.mount != to.dir.mount {
            Errno::EXDEV
        } else if kind == FileKind::Directory {
            Errno::EPERM
        } else {
            return file.node.link(&to.dir.node, name);
        };
        // Nothing can be given a name in a directory that was removed, which Linux finds out first.
        Err(if to.dir.node.stat()?.nlink == 0 { Errno::ENOENT } else { refused })
    }

    /// Takes away the name of anything but a directory.
    ///
    /// # Errors
    /// What resolving gives; `EISDIR`; `ENOTDIR` with a slash behind a file; `EROFS`.
    pub fn unlinkat(&mut self, dir: DirFd, path: &[u8]) -> Result<()> {
        self.remove(dir, path, Removal::File)
    }

    /// Takes away an empty directory.
    ///
    /// # Errors
    /// What resolving gives; `ENOTDIR`; `ENOTEMPTY`; `EINVAL` for a final `.`; `EBUSY` for the root and for a mount point; `EROFS`.
    pub fn rmdirat(&mut self, dir: DirFd, path: &[u8]) -> Result<()> {
        self.remove(dir, path, Removal::Directory)
    }

    fn remove(&mut self, dir: DirFd, path: &[u8], removal: Removal) -> Result<()> {
        self.run(dir, path, &Op::Last(Last::Remove(removal))).map(drop)
    }

    /// Moves a file or directory, replacing what is there.
    ///
    /// # Errors
    /// What resolving either path gives; `EXDEV` across mounts; `EBUSY` for the root, a dot name, or a mount point; `EROFS`; `ENOENT`; `ENOTDIR` for
    /// a slash behind what is no directory; `EINVAL` into its own subtree; `ENOTEMPTY`, `ENOTDIR`, `EISDIR` for what is there; `ENOSPC` for a longer name.
    pub fn renameat(&mut self, from_dir: DirFd, from: &[u8], dir: DirFd, path: &[u8]) -> Result<()> {
        let old = self.target(from_dir, from)?;
        let new = self.second_target((from_dir, from), &old, dir, path)?;
        if old.dir.mount != new.dir.mount {
            return Err(Errno::EXDEV);
        }
        let (Some(old_last), Some(new_last)) = (&old.last, &new.last) else { return Err(Errno::EBUSY) };
        if self.read_only(&new.dir) {
            return Err(Errno::EROFS);
        }
        let old_name = old.name(old_last)?;
        let new_name = match new.name(new_last) {
            Ok(name) => name,
            Err(errno) => return Err(self.kind_of(&old.dir, old_name).err().unwrap_or(errno)),
        };
        if old.dir.node.is(&new.dir.node) && old_name == new_name && self.is_mounted(&old.dir, old_name) {
            return Ok(());
        }
        if (old.slash() || new.slash()) && self.kind_of(&old.dir, old_name)? != FileKind::Directory {
            // The new name is looked up before, and not in a directory that has been removed.
            return Err(if new.dir.node.stat()?.nlink == 0 { Errno::ENOENT } else { Errno::ENOTDIR });
        }
        if self.is_mounted(&old.dir, old_name) || self.is_mounted(&new.dir, new_name) {
            return Err(self.refused_rename(&old.dir, old_name, &new.dir, new_name, Errno::EBUSY));
        }
        let replaced = || Some(new.dir.node.lookup(new_name).ok()?.node);
        if self.ns.is_mounted_in(new.dir.mount, || Some(replaced()?.key())) {
            // Onto itself, or not: the backend need not know about what is mounted there.
            return match (old.dir.node.lookup(old_name)?.node, replaced()) {
                (moved, Some(there)) if moved.is(&there) => Ok(()),
                _ => Err(self.refused_rename(&old.dir, old_name, &new.dir, new_name, Errno::ENOTEMPTY)),
            };
        }
        old.dir.node.rename(old_name, &new.dir.node, new_name)
    }

    fn is_mounted(&self, dir: &Place, name: Name<'_>) -> bool {
        self.ns.mounted_on(dir.mount, || dir.node.key(), name).is_some()
    }

    fn kind_of(&self, dir: &Place, name: Name<'_>) -> Result<FileKind> {
        if self.is_mounted(dir, name) { Ok(FileKind::Directory) } else { Ok(dir.node.lookup(name)?.kind) }
    }

    /// The error of a rename that a mount forbids: what Linux finds wrong with the two files comes before `else_errno`.
    fn refused_rename(&self, old: &Place, old_name: Name<'_>, new: &Place, new_name: Name<'_>, else_errno: Errno) -> Errno {
        match (self.kind_of(old, old_name), self.kind_of(new, new_name)) {
            (Err(errno), _) => errno,
            (Ok(FileKind::Directory), Ok(FileKind::Directory) | Err(Errno::ENOENT)) => else_errno,
            (Ok(FileKind::Directory), Ok(_)) => Errno::ENOTDIR,
            (Ok(_), Ok(FileKind::Directory)) => Errno::EISDIR,
            (Ok(_), Ok(_)) => else_errno,
            (Ok(_), Err(errno)) => errno,
        }
    }

    /// How full the filesystem is that holds what `path` leads to.
    ///
    /// # Errors
    /// What resolving gives.
    pub fn statfsat(&self, dir: DirFd, path: &[u8]) -> Result<StatFs> {
        match self.run(dir, path, &Op::Found { follow: true, then: Found::StatFs })? {
            Done::StatFs(stat) => Ok(stat),
            Done::SelfFd { fd, .. } => self.fstatfs(Fd::new(fd)),
            _ => Err(Errno::EIO),
        }
    }

    /// How full the filesystem is that holds an open file.
    ///
    /// # Errors
    /// `EBADF`; `ENOSYS` for a stream that stands in no filesystem.
    pub fn fstatfs(&self, fd: Fd) -> Result<StatFs> {
        let place = self.fds.get(fd)?.file.place.as_ref().ok_or(Errno::ENOSYS)?;
        let stat = place.node.statfs()?;
        Ok(StatFs { read_only: stat.read_only || self.read_only(place), ..stat })
    }
}

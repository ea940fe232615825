use std::borrow::Cow;

use stratafs::{Access, DirFd, Errno, Fd, FileType, OpenHow, Outcome, Process, Result, SetAttr};
use stratafs_abi::{Buffer, Call, GuestMemory, Out, Size, Text};

use crate::rights::{self, Rights};
use crate::{FdFlags, FileStat, FstFlags, LookupFlags, OFlags};

/// A path, or a link's target: UTF-8, as WASI wants it.
///
/// # Errors
/// `ENAMETOOLONG` before it is looked at; `EFAULT`; `EILSEQ`.
#[inline]
fn text<'m>(process: &Process, memory: &'m GuestMemory<'_>, path: Text, len: Size) -> Result<Cow<'m, [u8]>> {
    let bytes = path.read(memory, len, process.limits().path)?;
    // Most are ASCII, which is told sooner.
    if bytes.is_ascii() || std::str::from_utf8(&bytes).is_ok() { Ok(bytes) } else { Err(Errno::EILSEQ) }
}

/// The directory that a path starts at and does not leave.
#[inline]
fn beneath(process: &Process, dir: Fd, needed: Rights) -> Result<DirFd> {
    rights::directory(process, dir, needed)?;
    Ok(DirFd::Beneath(dir))
}

fn follow(lookup: LookupFlags) -> bool {
    lookup.has(LookupFlags::SYMLINK_FOLLOW)
}

/// Makes a directory.
///
/// # Errors
/// As [`path_filestat_get`]; those of [`Process::mkdirat`].
pub fn path_create_directory(cx: &mut Call<'_>, dir: Fd, path: Text, path_len: Size) -> Result<()> {
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_CREATE_DIRECTORY)?;
    cx.process.mkdirat(dir, &path, 0o777)
}

/// The attributes of what a path leads to.
///
/// # Errors
/// `EINVAL` for unknown flags; `EFAULT`; `ENAMETOOLONG`, `EILSEQ`, `EINVAL` for a path that is none; `EBADF`, `ENOTDIR`, `ENOTCAPABLE` for `dir`;
/// `EPERM` for a path that leaves it; those of [`Process::statat`].
pub fn path_filestat_get(
    cx: &mut Call<'_>,
    dir: Fd,
    lookup: LookupFlags,
    path: Text,
    path_len: Size,
    stat: Out<FileStat>,
) -> Result<()> {
    stat.check(&cx.memory)?;
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_FILESTAT_GET)?;
    let found = cx.process.statat(dir, &path, follow(lookup))?;
    stat.store(&mut cx.memory, &FileStat(found))
}

/// Sets the times of what a path leads to.
///
/// # Errors
/// `EINVAL` for a time that is both given and now; else as [`path_filestat_get`]; `EROFS`.
pub fn path_filestat_set_times(
    cx: &mut Call<'_>,
    dir: Fd,
    lookup: LookupFlags,
    path: Text,
    path_len: Size,
    atim: u64,
    mtim: u64,
    flags: FstFlags,
) -> Result<()> {
    let (atime, mtime) = flags.times(atim, mtim)?;
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_FILESTAT_SET_TIMES)?;
    cx.process.set_attr_at(dir, &path, follow(lookup), &SetAttr { atime, mtime, ..SetAttr::default() })
}

/// Gives a file another name. The flags say whether a link in the old path's last component is followed.
///
/// # Errors
/// As [`path_filestat_get`] for either directory; those of [`Process::linkat`].
pub fn path_link(
    cx: &mut Call<'_>,
    old_dir: Fd,
    lookup: LookupFlags,
    old_path: Text,
    old_path_len: Size,
    new_dir: Fd,
    new_path: Text,
    new_path_len: Size,
) -> Result<()> {
    let old = text(cx.process, &cx.memory, old_path, old_path_len)?;
    let new = text(cx.process, &cx.memory, new_path, new_path_len)?;
    let old_dir = beneath(cx.process, old_dir, Rights::PATH_LINK_SOURCE)?;
    let new_dir = beneath(cx.process, new_dir, Rights::PATH_LINK_TARGET)?;
    cx.process.linkat(old_dir, &old, new_dir, &new, follow(lookup))
}

/// What an open asks for, out of its flags and the rights that it wants.
///
/// # Errors
/// `EINVAL` for a directory to be made or cut; `ENOTSUP` for writes that go to stable storage at once.
fn open_how(lookup: LookupFlags, oflags: OFlags, base: Rights, fdflags: FdFlags) -> Result<OpenHow> {
    let directory = oflags.has(OFlags::DIRECTORY);
    if directory && oflags.has_any(OFlags::CREAT.and(OFlags::EXCL).and(OFlags::TRUNC)) {
        return Err(Errno::EINVAL);
    }
    if fdflags.has_any(FdFlags::DSYNC.and(FdFlags::RSYNC).and(FdFlags::SYNC)) {
        return Err(Errno::ENOTSUP);
    }
    let access = Access {
        read: base.has_any(Rights::FD_READ.and(Rights::FD_READDIR)),
        write: base.has(Rights::FD_WRITE),
        truncate: oflags.has(OFlags::TRUNC),
    };
    Ok(OpenHow {
        access,
        create: oflags.has(OFlags::CREAT),
        exclusive: oflags.has(OFlags::EXCL),
        append: fdflags.has(FdFlags::APPEND),
        nonblock: fdflags.has(FdFlags::NONBLOCK),
        cloexec: false,
        directory,
        follow: follow(lookup),
        kind: FileType::Any,
        mode: 0o666,
    })
}

/// Opens what a path leads to, at the lowest free number, with the rights that it asks for. May wait for the other end of a FIFO.
///
/// # Errors
/// `EINVAL` for unknown flags, or a directory to be made or cut; `ENOTSUP` for the sync flags; `ENOTCAPABLE` for rights that `dir` does not hand
/// on; else as [`path_filestat_get`] and [`Process::openat`].
pub fn path_open(
    cx: &mut Call<'_>,
    dir: Fd,
    lookup: LookupFlags,
    path: Text,
    path_len: Size,
    oflags: OFlags,
    base: Rights,
    inheriting: Rights,
    fdflags: FdFlags,
    opened: Out<Fd>,
) -> Result<Outcome<()>> {
    opened.check(&cx.memory)?;
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let mut needed = Rights::PATH_OPEN;
    if oflags.has(OFlags::CREAT) {
        needed = needed.and(Rights::PATH_CREATE_FILE);
    }
    if oflags.has(OFlags::TRUNC) {
        needed = needed.and(Rights::PATH_FILESTAT_SET_SIZE);
    }
    let from = rights::directory(cx.process, dir, needed)?;
    let (_, handed_on) = Rights::of(from);
    if !handed_on.has(base.and(inheriting)) {
        return Err(Errno::ENOTCAPABLE);
    }
    let how = open_how(lookup, oflags, base, fdflags)?;
    let fd = match cx.process.openat(DirFd::Beneath(dir), &path, &how)? {
        Outcome::Ready(fd) => fd,
        Outcome::Wait(wait) => return Ok(Outcome::Wait(wait)),
    };
    cx.process.descriptor_mut(fd)?.rights = Rights::kept(base, inheriting);
    opened.store(&mut cx.memory, &fd).map(Outcome::Ready)
}

/// The target of a symbolic link, cut to the buffer, without a NUL.
///
/// # Errors
/// As [`path_filestat_get`]; `EINVAL` when it is no link.
pub fn path_readlink(
    cx: &mut Call<'_>,
    dir: Fd,
    path: Text,
    path_len: Size,
    buf: Buffer,
    buf_len: Size,
    used: Out<Size>,
) -> Result<()> {
    cx.memory.check(buf.ptr(), buf_len)?;
    used.check(&cx.memory)?;
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_READLINK)?;
    let target = cx.process.readlinkat(dir, &path)?;
    let fits = target.get(..buf_len.get()).unwrap_or(&target);
    cx.memory.write(buf.ptr(), fits)?;
    used.store(&mut cx.memory, &Size::of(fits.len())?)
}

/// Takes away an empty directory.
///
/// # Errors
/// As [`path_filestat_get`]; those of [`Process::rmdirat`].
pub fn path_remove_directory(cx: &mut Call<'_>, dir: Fd, path: Text, path_len: Size) -> Result<()> {
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_REMOVE_DIRECTORY)?;
    cx.process.rmdirat(dir, &path)
}

/// Moves a file or directory, replacing what is there.
///
/// # Errors
/// As [`path_filestat_get`] for either directory; those of [`Process::renameat`].
pub fn path_rename(
    cx: &mut Call<'_>,
    old_dir: Fd,
    old_path: Text,
    old_path_len: Size,
    new_dir: Fd,
    new_path: Text,
    new_path_len: Size,
) -> Result<()> {
    let old = text(cx.process, &cx.memory, old_path, old_path_len)?;
    let new = text(cx.process, &cx.memory, new_path, new_path_len)?;
    let old_dir = beneath(cx.process, old_dir, Rights::PATH_RENAME_SOURCE)?;
    let new_dir = beneath(cx.process, new_dir, Rights::PATH_RENAME_TARGET)?;
    cx.process.renameat(old_dir, &old, new_dir, &new)
}

/// Makes a symbolic link. The target is kept as it is, absolute too: following it is what is checked.
///
/// # Errors
/// As [`path_filestat_get`], of the target too; those of [`Process::symlinkat`].
pub fn path_symlink(cx: &mut Call<'_>, target: Text, target_len: Size, dir: Fd, path: Text, path_len: Size) -> Result<()> {
    let target = text(cx.process, &cx.memory, target, target_len)?;
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_SYMLINK)?;
    cx.process.symlinkat(&target, dir, &path)
}

/// Takes away the name of anything but a directory.
///
/// # Errors
/// As [`path_filestat_get`]; those of [`Process::unlinkat`].
pub fn path_unlink_file(cx: &mut Call<'_>, dir: Fd, path: Text, path_len: Size) -> Result<()> {
    let path = text(cx.process, &cx.memory, path, path_len)?;
    let dir = beneath(cx.process, dir, Rights::PATH_UNLINK_FILE)?;
    cx.process.unlinkat(dir, &path)
}

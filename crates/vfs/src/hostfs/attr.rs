//! Attributes between the host's form and ours.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Gid, Mode, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, Uid};

use super::errno::from_host;
use super::node::FileId;
use crate::{Clock, Errno, FileKind, Result, SetAttr, SetTime, Stat, StatFs, SystemClock, Timestamp};

/// The identity in a host's stat.
#[allow(clippy::unnecessary_cast)] // the fields' widths differ between hosts
pub(super) fn id(stat: &rustix::fs::Stat) -> FileId {
    FileId { dev: stat.st_dev as u64, ino: stat.st_ino as u64 }
}

/// What a host's file is. Block devices have no kind of their own: they cannot be opened either way.
pub(super) fn kind(file_type: FileType) -> FileKind {
    match file_type {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo => FileKind::Fifo,
        FileType::Socket => FileKind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => FileKind::CharDevice,
    }
}

pub(super) fn kind_of(stat: &rustix::fs::Stat) -> FileKind {
    kind(FileType::from_raw_mode(stat.st_mode))
}

/// A host's stat in our form.
#[allow(clippy::unnecessary_cast)]
pub(super) fn stat(stat: &rustix::fs::Stat, key: u64) -> Stat {
    let time = |sec, nsec| Timestamp { sec, nsec };
    Stat {
        dev: 0,
        ino: key,
        kind: kind_of(stat),
        mode: stat.st_mode & 0o7777,
        nlink: stat.st_nlink as u64,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
        atime: time(stat.st_atime as i64, stat.st_atime_nsec as u32),
        mtime: time(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        ctime: time(stat.st_ctime as i64, stat.st_ctime_nsec as u32),
    }
}

/// How full the host's filesystem is; free is what a process without privileges may still take.
#[allow(clippy::unnecessary_cast)]
pub(super) fn statfs(fd: &OwnedFd, read_only: bool) -> Result<StatFs> {
    let stat = rustix::fs::fstatvfs(fd).map_err(from_host)?;
    Ok(StatFs {
        block_size: stat.f_frsize as u64,
        blocks: stat.f_blocks as u64,
        blocks_free: stat.f_bavail as u64,
        files: stat.f_files as u64,
        files_free: stat.f_favail as u64,
        name_max: stat.f_namemax as u64,
        read_only: read_only || stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
    })
}

pub(super) fn mode(bits: u32) -> Mode {
    Mode::from_raw_mode(bits & 0o7777)
}

/// The owners to set; the number that stands for "keep" in `chown(2)` keeps.
pub(super) fn owners(attr: &SetAttr) -> Option<(Option<Uid>, Option<Gid>)> {
    let set = |id: Option<u32>| id.filter(|&id| id != u32::MAX);
    let (uid, gid) = (set(attr.uid).map(Uid::from_raw), set(attr.gid).map(Gid::from_raw));
    (uid.is_some() || gid.is_some()).then_some((uid, gid))
}

/// The times to set.
///
/// # Errors
/// `EINVAL` for nanoseconds past a second, which would mean something else to the host.
pub(super) fn times(attr: &SetAttr) -> Result<Option<Timestamps>> {
    if (attr.atime, attr.mtime) == (SetTime::Keep, SetTime::Keep) {
        return Ok(None);
    }
    let spec = |time| {
        Ok(match time {
            SetTime::Keep => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            SetTime::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            SetTime::To(Timestamp { sec, nsec: nsec @ 0..=999_999_999 }) => Timespec { tv_sec: sec, tv_nsec: nsec.into() },
            SetTime::To(_) => return Err(Errno::EINVAL),
        })
    };
    Ok(Some(Timestamps { last_access: spec(attr.atime)?, last_modification: spec(attr.mtime)? }))
}

/// Cuts or grows a file that is open for writing.
///
/// # Errors
/// `EFBIG` past `i64::MAX`, and what the host gives.
pub(super) fn resize(fd: impl AsFd, size: u64) -> Result<()> {
    if i64::try_from(size).is_err() {
        return Err(Errno::EFBIG);
    }
    rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&fd, size)).map_err(from_host)
}

/// Changes what `attr` names through a descriptor. The size comes first because it can fail, the owner before the mode because
/// it clears set-id bits, the times last because all others move them.
pub(super) fn set(fd: impl AsFd, attr: &SetAttr) -> Result<()> {
    let times = times(attr)?;
    if let Some(size) = attr.size {
        resize(&fd, size)?;
    }
    if let Some((uid, gid)) = owners(attr) {
        rustix::fs::fchown(&fd, uid, gid).map_err(from_host)?;
    }
    if let Some(bits) = attr.mode {
        rustix::fs::fchmod(&fd, mode(bits)).map_err(from_host)?;
    }
    if let Some(times) = times {
        rustix::fs::futimens(&fd, &times).map_err(from_host)?;
    }
    Ok(())
}

/// Changes the attributes that are kept of a removed directory.
pub(super) fn change_gone(stat: &mut Stat, attr: &SetAttr) {
    let now = SystemClock.coarse();
    stat.uid = attr.uid.filter(|&id| id != u32::MAX).unwrap_or(stat.uid);
    stat.gid = attr.gid.filter(|&id| id != u32::MAX).unwrap_or(stat.gid);
    stat.mode = attr.mode.map_or(stat.mode, |bits| bits & 0o7777);
    for (time, set) in [(&mut stat.atime, attr.atime), (&mut stat.mtime, attr.mtime)] {
        match set {
            SetTime::Keep => {}
            SetTime::Now => *time = now,
            SetTime::To(to) => *time = to,
        }
    }
    stat.ctime = now;
}

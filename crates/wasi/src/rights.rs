//! Rights: what a descriptor may be used for. They can only shrink.

use stratafs::{Descriptor, Errno, Fd, FileKind, Process, Result};
use stratafs_abi::flags;

flags! {
    /// Rights of a descriptor. Programs ask for more than there are, so unknown ones are dropped.
    pub struct Rights(u64) ignoring unknown {
        FD_DATASYNC = 1,
        FD_READ = 1 << 1,
        FD_SEEK = 1 << 2,
        FD_FDSTAT_SET_FLAGS = 1 << 3,
        FD_SYNC = 1 << 4,
        FD_TELL = 1 << 5,
        FD_WRITE = 1 << 6,
        FD_ADVISE = 1 << 7,
        FD_ALLOCATE = 1 << 8,
        PATH_CREATE_DIRECTORY = 1 << 9,
        PATH_CREATE_FILE = 1 << 10,
        PATH_LINK_SOURCE = 1 << 11,
        PATH_LINK_TARGET = 1 << 12,
        PATH_OPEN = 1 << 13,
        FD_READDIR = 1 << 14,
        PATH_READLINK = 1 << 15,
        PATH_RENAME_SOURCE = 1 << 16,
        PATH_RENAME_TARGET = 1 << 17,
        PATH_FILESTAT_GET = 1 << 18,
        PATH_FILESTAT_SET_SIZE = 1 << 19,
        PATH_FILESTAT_SET_TIMES = 1 << 20,
        FD_FILESTAT_GET = 1 << 21,
        FD_FILESTAT_SET_SIZE = 1 << 22,
        FD_FILESTAT_SET_TIMES = 1 << 23,
        PATH_SYMLINK = 1 << 24,
        PATH_REMOVE_DIRECTORY = 1 << 25,
        PATH_UNLINK_FILE = 1 << 26,
        POLL_FD_READWRITE = 1 << 27,
        SOCK_SHUTDOWN = 1 << 28,
        SOCK_ACCEPT = 1 << 29,
    }
}

impl Rights {
    /// What means something on a directory.
    const DIRECTORY: Rights = Rights(
        Self::ALL.0
            & !(Self::FD_READ.0
                | Self::FD_SEEK.0
                | Self::FD_TELL.0
                | Self::FD_WRITE.0
                | Self::FD_ADVISE.0
                | Self::FD_ALLOCATE.0
                | Self::FD_FILESTAT_SET_SIZE.0
                | Self::POLL_FD_READWRITE.0
                | Self::SOCK_SHUTDOWN.0
                | Self::SOCK_ACCEPT.0),
    );
    /// What means something on a file.
    const FILE: Rights = Rights(
        Self::FD_DATASYNC.0
            | Self::FD_READ.0
            | Self::FD_SEEK.0
            | Self::FD_FDSTAT_SET_FLAGS.0
            | Self::FD_SYNC.0
            | Self::FD_TELL.0
            | Self::FD_WRITE.0
            | Self::FD_ADVISE.0
            | Self::FD_ALLOCATE.0
            | Self::FD_FILESTAT_GET.0
            | Self::FD_FILESTAT_SET_SIZE.0
            | Self::FD_FILESTAT_SET_TIMES.0
            | Self::POLL_FD_READWRITE.0,
    );
    /// What only means something where there are positions. wasi-libc takes a character device without seek and tell for a terminal.
    const POSITIONS: Rights =
        Rights(Self::FD_SEEK.0 | Self::FD_TELL.0 | Self::FD_ADVISE.0 | Self::FD_ALLOCATE.0 | Self::FD_FILESTAT_SET_SIZE.0);
    /// What needs a file open for writing.
    const WRITING: Rights = Rights(Self::FD_WRITE.0 | Self::FD_ALLOCATE.0 | Self::FD_FILESTAT_SET_SIZE.0);

    /// The rights of a descriptor as they were given, those included that mean nothing for its kind.
    fn given(descriptor: &Descriptor) -> (Rights, Rights) {
        (Rights(descriptor.rights.base & Self::ALL.0), Rights(descriptor.rights.inheriting & Self::ALL.0))
    }

    /// The rights of a descriptor, and those that what is opened through it can have, as the guest sees them.
    pub(crate) fn of(descriptor: &Descriptor) -> (Rights, Rights) {
        let (base, inheriting) = Self::given(descriptor);
        let file = &descriptor.file;
        if file.kind() == FileKind::Directory {
            return (Rights(base.0 & Self::DIRECTORY.0), inheriting);
        }
        let mut base = Rights(base.0 & Self::FILE.0);
        if file.is_stream() {
            base = base.without(Self::POSITIONS);
        }
        if !file.access().read {
            base = base.without(Self::FD_READ);
        }
        if !file.access().write {
            base = base.without(Self::WRITING);
        }
        (base, Rights::default())
    }

    /// For the core, which keeps them unread.
    pub(crate) fn kept(base: Rights, inheriting: Rights) -> stratafs::Rights {
        stratafs::Rights { base: base.0, inheriting: inheriting.0 }
    }
}

/// Makes sure that the directory `dir` may be used for `rights`.
///
/// # Errors
/// `EBADF`; `ENOTDIR` when it is none; `ENOTCAPABLE`.
#[inline]
pub(crate) fn directory(process: &Process, dir: Fd, rights: Rights) -> Result<&Descriptor> {
    let descriptor = process.descriptor(dir)?;
    if descriptor.file.kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    if Rights::given(descriptor).0.has(rights) { Ok(descriptor) } else { Err(Errno::ENOTCAPABLE) }
}

/// Makes sure that `fd` may be used for one of `rights`. What the file cannot do at all is left to the call itself, for the error that POSIX
/// has for it.
///
/// # Errors
/// `EBADF`; `ENOTCAPABLE`.
#[inline]
pub(crate) fn file(process: &Process, fd: Fd, rights: Rights) -> Result<()> {
    let descriptor = process.descriptor(fd)?;
    if Rights::given(descriptor).0.has_any(rights) {
        return Ok(());
    }
    let file = &descriptor.file;
    let cannot = (rights.has(Rights::FD_READ) && !file.access().read)
        || (Rights::WRITING.has(rights) && !file.access().write)
        || (Rights::POSITIONS.has(rights) && (file.is_stream() || file.kind() == FileKind::Directory));
    if cannot { Ok(()) } else { Err(Errno::ENOTCAPABLE) }
}

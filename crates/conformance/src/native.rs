//! The calls on the real operating system, in this very process: umask and current directory are the process's.
//!
//! It is what the child of [`crate::real`] does.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Gid, OFlags, RawDir, SeekFrom, Timespec, Timestamps, Uid};
use rustix::io::{self as rio, DupFlags, FdFlags};
use stratafs::Errno;

use crate::posix::{self, Answer, Call, Dir, DirEntry, Fd, Flags, Kind, Posix, Stat, Status, Target, Time, When, Whence};

/// This process. Descriptors 0 to 2 are its standard streams.
#[derive(Debug, Default)]
pub struct Native {
    fds: BTreeMap<Fd, OwnedFd>,
}

/// What a call gives on the operating system's side.
type Result<T> = std::result::Result<T, rio::Errno>;

impl Posix for Native {
    fn call(&mut self, call: Call) -> posix::Result<Answer> {
        match call {
            Call::Close(fd) => self.fds.remove(&fd).map(|_| Answer::Done).ok_or(Errno::EBADF),
            Call::Dup2 { fd, to, cloexec } => Ok(Answer::Fd(self.dup2(fd, to, cloexec).map_err(errno)?)),
            Call::Truncate { target: Target::Path { dir: Dir::Cwd, path, follow: true }, size } => {
                let size = i64::try_from(size).map_err(|_| Errno::EINVAL)?;
                let done = nix::unistd::truncate(path.as_slice(), size);
                done.map(|()| Answer::Done).map_err(|e| errno(rio::Errno::from_raw_os_error(e as i32)))
            }
            call => self.plain(call).map_err(errno),
        }
    }

    fn is_real(&self) -> bool {
        true
    }
}

impl Native {
    /// The numbers of the descriptors that calls have opened.
    pub(crate) fn open_fds(&self) -> Vec<Fd> {
        self.fds.keys().copied().collect()
    }

    /// What an open descriptor is; a file when it is not open.
    pub(crate) fn kind(&self, fd: Fd) -> Kind {
        self.fds.get(&fd).and_then(|fd| fs::fstat(fd).ok()).map_or(Kind::File, |s| kind(FileType::from_raw_mode(s.st_mode)))
    }

    fn fd(&self, fd: Fd) -> Result<BorrowedFd<'_>> {
        match fd {
            0 => Ok(rustix::stdio::stdin()),
            1 => Ok(rustix::stdio::stdout()),
            2 => Ok(rustix::stdio::stderr()),
            fd => self.fds.get(&fd).map(AsFd::as_fd).ok_or(rio::Errno::BADF),
        }
    }

    fn dir(&self, dir: Dir) -> Result<BorrowedFd<'_>> {
        match dir {
            Dir::Cwd => Ok(fs::CWD),
            Dir::At(fd) => self.fd(fd),
        }
    }

    fn insert(&mut self, fd: OwnedFd) -> Answer {
        let number = Fd::try_from(fd.as_raw_fd()).expect("a descriptor is not negative");
        self.fds.insert(number, fd);
        Answer::Fd(number)
    }

    fn dup2(&mut self, fd: Fd, to: Fd, cloexec: bool) -> Result<Fd> {
        self.fd(fd)?;
        if fd == to {
            return Ok(to);
        }
        if let Some(mut target) = self.fds.remove(&to) {
            let done = match cloexec {
                true => rio::dup3(self.fd(fd)?, &mut target, DupFlags::CLOEXEC),
                false => rio::dup2(self.fd(fd)?, &mut target),
            };
            self.fds.insert(to, target);
            return done.map(|()| to);
        }
        // A number that is free is what F_DUPFD answers; a number past the limit gives EINVAL there and EBADF here.
        let raw = i32::try_from(to).map_err(|_| rio::Errno::BADF)?;
        let made = dup_from(self.fd(fd)?, raw, cloexec).map_err(|e| if e == rio::Errno::INVAL { rio::Errno::BADF } else { e })?;
        assert_eq!(made.as_raw_fd(), raw, "the number was taken by a descriptor that no call opened");
        self.insert(made);
        Ok(to)
    }

    fn plain(&mut self, call: Call) -> Result<Answer> {
        match call {
            Call::Open { .. } | Call::Dup(_) | Call::DupFrom { .. } | Call::Pipe { .. } => self.opening(call),
            Call::Read { fd, lens } => {
                let mut bufs = buffers(&lens);
                let n = rio::readv(self.fd(fd)?, &mut slices(&mut bufs))?;
                Ok(Answer::Bytes(filled(bufs, n)))
            }
            Call::Pread { fd, lens, offset } => {
                let mut bufs = buffers(&lens);
                let n = rio::preadv(self.fd(fd)?, &mut slices(&mut bufs), offset)?;
                Ok(Answer::Bytes(filled(bufs, n)))
            }
            Call::Write { fd, bufs } => {
                let bufs: Vec<_> = bufs.iter().map(|b| IoSlice::new(b)).collect();
                Ok(Answer::Number(rio::writev(self.fd(fd)?, &bufs)? as u64))
            }
            Call::Pwrite { fd, bufs, offset } => {
                let bufs: Vec<_> = bufs.iter().map(|b| IoSlice::new(b)).collect();
                Ok(Answer::Number(rio::pwritev(self.fd(fd)?, &bufs, offset)? as u64))
            }
            Call::Seek { fd, whence, offset } => {
                let from = match whence {
                    Whence::Set => SeekFrom::Start(offset.cast_unsigned()),
                    Whence::Current => SeekFrom::Current(offset),
                    Whence::End => SeekFrom::End(offset),
                };
                Ok(Answer::Number(fs::seek(self.fd(fd)?, from)?))
            }
            Call::ReadDir { fd, from, max } => Ok(Answer::Entries(self.read_dir(fd, from, max)?)),
            Call::Cloexec(fd) => Ok(Answer::Flag(rio::fcntl_getfd(self.fd(fd)?)?.contains(FdFlags::CLOEXEC))),
            Call::SetCloexec(fd, on) => {
                done(rio::fcntl_setfd(self.fd(fd)?, if on { FdFlags::CLOEXEC } else { FdFlags::empty() }))
            }
            Call::Status(fd) => {
                let flags = fs::fcntl_getfl(self.fd(fd)?)?;
                let (append, nonblock) = (flags.contains(OFlags::APPEND), flags.contains(OFlags::NONBLOCK));
                Ok(Answer::Status(Status { append, nonblock }))
            }
            Call::SetStatus(fd, status) => {
                let mut flags = OFlags::empty();
                flags.set(OFlags::APPEND, status.append);
                flags.set(OFlags::NONBLOCK, status.nonblock);
                done(fs::fcntl_setfl(self.fd(fd)?, flags))
            }
            Call::PipeSize(fd) => Ok(Answer::Number(rustix::pipe::fcntl_getpipe_size(self.fd(fd)?)? as u64)),
            Call::SetPipeSize(fd, size) => {
                Ok(Answer::Number(rustix::pipe::fcntl_setpipe_size(self.fd(fd)?, size as usize)? as u64))
            }
            Call::Sync(fd) => done(fs::fsync(self.fd(fd)?)),
            Call::Allocate { fd, offset, len } => done(fs::fallocate(self.fd(fd)?, fs::FallocateFlags::empty(), offset, len)),
            Call::Stat(_) | Call::Truncate { .. } | Call::Chmod { .. } | Call::Chown { .. } | Call::Utimens { .. } => {
                self.attributes(call)
            }
            call => self.tree(call),
        }
    }

    /// Calls that give new descriptors.
    fn opening(&mut self, call: Call) -> Result<Answer> {
        let fd = match call {
            Call::Open { dir, path, flags, mode } => {
                fs::openat(self.dir(dir)?, path.as_slice(), oflags(flags), fs::Mode::from_raw_mode(mode))?
            }
            Call::Dup(fd) => rio::dup(self.fd(fd)?)?,
            Call::DupFrom { fd, at_least, cloexec } => {
                let at_least = i32::try_from(at_least).map_err(|_| rio::Errno::INVAL)?;
                dup_from(self.fd(fd)?, at_least, cloexec)?
            }
            Call::Pipe { nonblock } => {
                let flags = if nonblock { rustix::pipe::PipeFlags::NONBLOCK } else { rustix::pipe::PipeFlags::empty() };
                let (read, write) = rustix::pipe::pipe_with(flags)?;
                let (Answer::Fd(read), Answer::Fd(write)) = (self.insert(read), self.insert(write)) else { unreachable!() };
                return Ok(Answer::Fds(read, write));
            }
            other => panic!("{other:?} opens nothing"),
        };
        Ok(self.insert(fd))
    }

    /// Calls on attributes, by path or descriptor.
    fn attributes(&mut self, call: Call) -> Result<Answer> {
        match call {
            Call::Stat(Target::Fd(fd)) => Ok(Answer::Stat(stat(&fs::fstat(self.fd(fd)?)?))),
            Call::Stat(Target::Path { dir, path, follow }) => {
                Ok(Answer::Stat(stat(&fs::statat(self.dir(dir)?, path.as_slice(), follow_flag(follow))?)))
            }
            Call::Truncate { target: Target::Fd(fd), size } => done(fs::ftruncate(self.fd(fd)?, size)),
            Call::Chmod { target: Target::Fd(fd), mode } => done(fs::fchmod(self.fd(fd)?, fs::Mode::from_raw_mode(mode))),
            Call::Chmod { target: Target::Path { dir, path, follow: true }, mode } => {
                done(fs::chmodat(self.dir(dir)?, path.as_slice(), fs::Mode::from_raw_mode(mode), AtFlags::empty()))
            }
            Call::Chown { target, uid, gid } => {
                let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
                match target {
                    Target::Fd(fd) => done(fs::fchown(self.fd(fd)?, uid, gid)),
                    Target::Path { dir, path, follow } => {
                        done(fs::chownat(self.dir(dir)?, path.as_slice(), uid, gid, follow_flag(follow)))
                    }
                }
            }
            Call::Utimens { target, atime, mtime } => {
                let times = Timestamps { last_access: timespec(atime), last_modification: timespec(mtime) };
                match target {
                    Target::Fd(fd) => done(fs::futimens(self.fd(fd)?, &times)),
                    Target::Path { dir, path, follow } => {
                        done(fs::utimensat(self.dir(dir)?, path.as_slice(), &times, follow_flag(follow)))
                    }
                }
            }
            other => panic!("{other:?} is not offered"),
        }
    }

    /// Calls on names.
    fn tree(&mut self, call: Call) -> Result<Answer> {
        match call {
            Call::Access { dir, path, mode } => {
                let mut bits = fs::Access::EXISTS;
                bits.set(fs::Access::READ_OK, mode.read);
                bits.set(fs::Access::WRITE_OK, mode.write);
                bits.set(fs::Access::EXEC_OK, mode.execute);
                done(fs::accessat(self.dir(dir)?, path.as_slice(), bits, AtFlags::empty()))
            }
            Call::Mkdir { dir, path, mode } => done(fs::mkdirat(self.dir(dir)?, path.as_slice(), fs::Mode::from_raw_mode(mode))),
            Call::Mkfifo { dir, path, mode } => {
                done(fs::mkfifoat(self.dir(dir)?, path.as_slice(), fs::Mode::from_raw_mode(mode)))
            }
            Call::Symlink { target, dir, path } => done(fs::symlinkat(target.as_slice(), self.dir(dir)?, path.as_slice())),
            Call::Link { from_dir, from, dir, path, follow } => {
                let flags = if follow { AtFlags::SYMLINK_FOLLOW } else { AtFlags::empty() };
                done(fs::linkat(self.dir(from_dir)?, from.as_slice(), self.dir(dir)?, path.as_slice(), flags))
            }
            Call::Unlink { dir, path } => done(fs::unlinkat(self.dir(dir)?, path.as_slice(), AtFlags::empty())),
            Call::Rmdir { dir, path } => done(fs::unlinkat(self.dir(dir)?, path.as_slice(), AtFlags::REMOVEDIR)),
            Call::Rename { from_dir, from, dir, path } => {
                done(fs::renameat(self.dir(from_dir)?, from.as_slice(), self.dir(dir)?, path.as_slice()))
            }
            Call::Readlink { dir, path } => {
                Ok(Answer::Bytes(fs::readlinkat(self.dir(dir)?, path.as_slice(), Vec::new())?.into_bytes()))
            }
            Call::Chdir(path) => done(rustix::process::chdir(path.as_slice())),
            Call::Fchdir(fd) => done(rustix::process::fchdir(self.fd(fd)?)),
            Call::Getcwd => Ok(Answer::Bytes(rustix::process::getcwd(Vec::new())?.into_bytes())),
            Call::Umask(mask) => {
                Ok(Answer::Number(u64::from(rustix::process::umask(fs::Mode::from_raw_mode(mask)).as_raw_mode())))
            }
            other => panic!("{other:?} is not a call on names"),
        }
    }

    fn read_dir(&self, fd: Fd, from: u64, max: u32) -> Result<Vec<DirEntry>> {
        let directory = self.kind(fd) == Kind::Directory;
        let fd = self.fd(fd)?;
        if directory {
            fs::seek(fd, SeekFrom::Start(from))?;
        }
        let mut buf = vec![MaybeUninit::uninit(); 65_536];
        let mut listing = RawDir::new(fd, &mut buf);
        let mut entries = Vec::new();
        while entries.len() < max as usize {
            let Some(entry) = listing.next() else { break };
            let entry = entry?;
            let name = entry.file_name().to_bytes().to_vec();
            entries.push(DirEntry { name, ino: entry.ino(), kind: kind(entry.file_type()), next: entry.next_entry_cookie() });
        }
        Ok(entries)
    }
}

/// `F_DUPFD` is `F_DUPFD_CLOEXEC` and taking the flag away.
fn dup_from(fd: BorrowedFd<'_>, at_least: i32, cloexec: bool) -> Result<OwnedFd> {
    let made = rio::fcntl_dupfd_cloexec(fd, at_least)?;
    if !cloexec {
        rio::fcntl_setfd(&made, FdFlags::empty())?;
    }
    Ok(made)
}

fn done(result: Result<()>) -> Result<Answer> {
    result.map(|()| Answer::Done)
}

fn buffers(lens: &[u32]) -> Vec<Vec<u8>> {
    lens.iter().map(|&len| vec![0; len as usize]).collect()
}

fn slices(bufs: &mut [Vec<u8>]) -> Vec<IoSliceMut<'_>> {
    bufs.iter_mut().map(|buf| IoSliceMut::new(buf)).collect()
}

fn filled(bufs: Vec<Vec<u8>>, n: usize) -> Vec<u8> {
    let mut all = bufs.concat();
    all.truncate(n);
    all
}

fn follow_flag(follow: bool) -> AtFlags {
    if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW }
}

fn oflags(flags: Flags) -> OFlags {
    let mut bits = match (flags.has(posix::O_RDWR), flags.has(posix::O_WRONLY)) {
        (true, _) => OFlags::RDWR,
        (_, true) => OFlags::WRONLY,
        _ => OFlags::RDONLY,
    };
    for (flag, bit) in [
        (posix::O_CREAT, OFlags::CREATE),
        (posix::O_EXCL, OFlags::EXCL),
        (posix::O_TRUNC, OFlags::TRUNC),
        (posix::O_APPEND, OFlags::APPEND),
        (posix::O_NONBLOCK, OFlags::NONBLOCK),
        (posix::O_CLOEXEC, OFlags::CLOEXEC),
        (posix::O_DIRECTORY, OFlags::DIRECTORY),
        (posix::O_NOFOLLOW, OFlags::NOFOLLOW),
        (posix::O_PATH, OFlags::PATH),
    ] {
        bits.set(bit, flags.has(flag));
    }
    bits
}

fn timespec(when: When) -> Timespec {
    match when {
        When::Omit => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT },
        When::Now => Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW },
        When::At(Time { sec, nsec }) => Timespec { tv_sec: sec, tv_nsec: nsec.into() },
    }
}

fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::Socket => Kind::Socket,
        other => panic!("a file of type {other:?} in the scratch directory"),
    }
}

#[allow(clippy::useless_conversion, reason = "the fields are narrower on other machines")]
fn stat(stat: &fs::Stat) -> Stat {
    let time = |sec, nsec: u64| Time { sec, nsec: u32::try_from(nsec).expect("below one second") };
    Stat {
        dev: stat.st_dev,
        ino: stat.st_ino,
        kind: kind(FileType::from_raw_mode(stat.st_mode)),
        mode: stat.st_mode & 0o7777,
        nlink: u64::try_from(stat.st_nlink).expect("links are counted"),
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: u64::try_from(stat.st_size).expect("sizes are not negative"),
        blocks: u64::try_from(stat.st_blocks).expect("blocks are counted"),
        atime: time(stat.st_atime, stat.st_atime_nsec),
        mtime: time(stat.st_mtime, stat.st_mtime_nsec),
        ctime: time(stat.st_ctime, stat.st_ctime_nsec),
    }
}

fn errno(errno: rio::Errno) -> Errno {
    use rio::Errno as E;
    let known = [
        (E::ACCESS, Errno::EACCES),
        (E::AGAIN, Errno::EAGAIN),
        (E::BADF, Errno::EBADF),
        (E::BUSY, Errno::EBUSY),
        (E::EXIST, Errno::EEXIST),
        (E::FAULT, Errno::EFAULT),
        (E::FBIG, Errno::EFBIG),
        (E::INTR, Errno::EINTR),
        (E::INVAL, Errno::EINVAL),
        (E::IO, Errno::EIO),
        (E::ISDIR, Errno::EISDIR),
        (E::LOOP, Errno::ELOOP),
        (E::MFILE, Errno::EMFILE),
        (E::MLINK, Errno::EMLINK),
        (E::NAMETOOLONG, Errno::ENAMETOOLONG),
        (E::NODEV, Errno::ENODEV),
        (E::NOENT, Errno::ENOENT),
        (E::NOMEM, Errno::ENOMEM),
        (E::NOSPC, Errno::ENOSPC),
        (E::NOSYS, Errno::ENOSYS),
        (E::NOTDIR, Errno::ENOTDIR),
        (E::NOTEMPTY, Errno::ENOTEMPTY),
        (E::NOTSUP, Errno::ENOTSUP),
        (E::NOTTY, Errno::ENOTTY),
        (E::NXIO, Errno::ENXIO),
        (E::OVERFLOW, Errno::EOVERFLOW),
        (E::PERM, Errno::EPERM),
        (E::PIPE, Errno::EPIPE),
        (E::RANGE, Errno::ERANGE),
        (E::ROFS, Errno::EROFS),
        (E::SPIPE, Errno::ESPIPE),
        (E::TXTBSY, Errno::ETXTBSY),
        (E::XDEV, Errno::EXDEV),
    ];
    let found = known.iter().find(|(os, _)| *os == errno);
    found.unwrap_or_else(|| panic!("an error that no case expects: {errno:?}")).1
}

/// Serves calls from standard input on standard output until the input ends, below the directory `scratch`.
///
/// The directory becomes the root (`chroot`) when the process may do that; else only the current directory.
pub(crate) fn serve(scratch: &std::path::Path) -> std::io::Result<()> {
    rustix::process::chdir(scratch)?;
    if rustix::process::geteuid().is_root() {
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")?;
    }
    rustix::process::umask(fs::Mode::from_raw_mode(0o022));
    let mut native = Native::default();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    while let Some(frame) = read_frame(&mut input)? {
        let call: Call = postcard::from_bytes(&frame).map_err(std::io::Error::other)?;
        let reply: std::result::Result<Answer, u8> = native.call(call).map_err(number);
        write_frame(&mut output, &postcard::to_stdvec(&reply).map_err(std::io::Error::other)?)?;
    }
    Ok(())
}

/// An error's place in [`Errno::ALL`]: its form between parent and child.
pub(crate) fn number(errno: Errno) -> u8 {
    let place = Errno::ALL.iter().position(|&other| other == errno);
    place.and_then(|place| u8::try_from(place).ok()).expect("every error is in the list")
}

/// Reads one frame; none at the end of the input.
pub(crate) fn read_frame(input: &mut impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match input.read_exact(&mut len) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut frame = vec![0; u32::from_le_bytes(len) as usize];
    input.read_exact(&mut frame)?;
    Ok(Some(frame))
}

/// Writes one frame.
pub(crate) fn write_frame(output: &mut impl Write, frame: &[u8]) -> std::io::Result<()> {
    let len = u32::try_from(frame.len()).map_err(std::io::Error::other)?;
    output.write_all(&len.to_le_bytes())?;
    output.write_all(frame)?;
    output.flush()
}

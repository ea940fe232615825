//! The calls on a `stratafs::Process`.

use std::io::IoSlice;
use std::ops::ControlFlow;

use stratafs::{
    Access, AccessMode, DirFd, Errno, FileType, OpenHow, Outcome, Process, ReadBufs, Result, SetAttr, SetTime, StatusFlags,
    Timestamp,
};

use crate::posix::{self, Answer, Call, Dir, DirEntry, Flags, Posix, Stat, Status, Target, Time, When, Whence};

impl Posix for Process {
    fn call(&mut self, call: Call) -> Result<Answer> {
        match call {
            Call::Open { dir, path, flags, mode } => {
                let opened = self.openat(at(dir), &path, &how(flags, mode))?;
                Ok(Answer::Fd(ready(opened)?.raw()))
            }
            Call::Close(n) => self.close(fd(n)).map(|()| Answer::Done),
            Call::Dup(n) => self.dup(fd(n), fd(0), false).map(|made| Answer::Fd(made.raw())),
            Call::DupFrom { fd: n, at_least, cloexec } => {
                self.dup(fd(n), fd(at_least), cloexec).map(|made| Answer::Fd(made.raw()))
            }
            Call::Dup2 { fd: n, to, cloexec } => self.dup_to(fd(n), fd(to), cloexec).map(|made| Answer::Fd(made.raw())),
            Call::Cloexec(n) => Ok(Answer::Flag(self.descriptor(fd(n))?.cloexec)),
            Call::SetCloexec(n, on) => {
                self.descriptor_mut(fd(n))?.cloexec = on;
                Ok(Answer::Done)
            }
            Call::Status(n) => {
                let StatusFlags { append, nonblock, .. } = self.status_flags(fd(n))?;
                Ok(Answer::Status(Status { append, nonblock }))
            }
            Call::SetStatus(n, Status { append, nonblock }) => {
                self.set_status_flags(fd(n), StatusFlags { append, nonblock })?;
                Ok(Answer::Done)
            }
            Call::Pipe { nonblock } => {
                let (read, write) = self.pipe(nonblock, false)?;
                Ok(Answer::Fds(read.raw(), write.raw()))
            }
            Call::PipeSize(n) => Ok(Answer::Number(self.pipe_size(fd(n))? as u64)),
            Call::SetPipeSize(n, size) => Ok(Answer::Number(self.set_pipe_size(fd(n), size)? as u64)),
            Call::Chdir(path) => self.chdir(&path).map(|()| Answer::Done),
            Call::Fchdir(n) => self.fchdir(fd(n)).map(|()| Answer::Done),
            Call::Getcwd => self.getcwd().map(Answer::Bytes),
            Call::Umask(mask) => Ok(Answer::Number(self.umask(mask).into())),
            Call::Read { .. }
            | Call::Pread { .. }
            | Call::Write { .. }
            | Call::Pwrite { .. }
            | Call::Seek { .. }
            | Call::Sync(_)
            | Call::Allocate { .. }
            | Call::ReadDir { .. } => io(self, call),
            call => tree(self, call),
        }
    }
}

/// Calls that move bytes and offsets.
fn io(process: &mut Process, call: Call) -> Result<Answer> {
    match call {
        Call::Read { fd: n, lens } => {
            let mut bufs = Bufs::new(&lens);
            let read = ready(process.read(fd(n), &mut bufs)?)?;
            Ok(Answer::Bytes(bufs.filled(read)))
        }
        Call::Pread { fd: n, lens, offset } => {
            let mut bufs = Bufs::new(&lens);
            let read = process.pread(fd(n), &mut bufs, offset)?;
            Ok(Answer::Bytes(bufs.filled(read)))
        }
        Call::Write { fd: n, bufs } => {
            let bufs: Vec<_> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
            Ok(Answer::Number(ready(process.write(fd(n), &bufs)?)? as u64))
        }
        Call::Pwrite { fd: n, bufs, offset } => {
            let bufs: Vec<_> = bufs.iter().map(|buf| IoSlice::new(buf)).collect();
            Ok(Answer::Number(process.pwrite(fd(n), &bufs, offset)? as u64))
        }
        Call::Seek { fd: n, whence, offset } => {
            let whence = match whence {
                Whence::Set => stratafs::Whence::Set,
                Whence::Current => stratafs::Whence::Current,
                Whence::End => stratafs::Whence::End,
            };
            process.lseek(fd(n), whence, offset).map(Answer::Number)
        }
        Call::Sync(n) => process.sync(fd(n), false).map(|()| Answer::Done),
        Call::Allocate { fd: n, offset, len } => process.fallocate(fd(n), offset, len).map(|()| Answer::Done),
        Call::ReadDir { fd: n, from, max } => {
            let mut entries = Vec::new();
            process.read_dir(fd(n), from, &mut |entry| {
                let (name, kind) = (entry.name.to_vec(), entry.kind.into());
                entries.push(DirEntry { name, ino: entry.ino, kind, next: entry.next });
                if entries.len() < max as usize { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            Ok(Answer::Entries(entries))
        }
        other => panic!("{other:?} moves no bytes"),
    }
}

/// Calls on names and attributes.
fn tree(process: &mut Process, call: Call) -> Result<Answer> {
    match call {
        Call::Stat(Target::Fd(n)) => process.fstat(fd(n)).map(|stat| Answer::Stat(stat.into())),
        Call::Stat(Target::Path { dir, path, follow }) => {
            process.statat(at(dir), &path, follow).map(|stat| Answer::Stat(stat.into()))
        }
        Call::Truncate { target: Target::Fd(n), size } => process.ftruncate(fd(n), size).map(|()| Answer::Done),
        Call::Truncate { target, size } => set(process, target, &SetAttr::size(size)),
        Call::Chmod { target, mode } => set(process, target, &SetAttr::mode(mode)),
        Call::Chown { target, uid, gid } => set(process, target, &SetAttr { uid, gid, ..SetAttr::default() }),
        Call::Utimens { target, atime, mtime } => {
            set(process, target, &SetAttr { atime: time(atime), mtime: time(mtime), ..SetAttr::default() })
        }
        Call::Access { dir, path, mode } => {
            let mode = AccessMode { read: mode.read, write: mode.write, execute: mode.execute };
            process.accessat(at(dir), &path, mode, true).map(|()| Answer::Done)
        }
        Call::Mkdir { dir, path, mode } => process.mkdirat(at(dir), &path, mode).map(|()| Answer::Done),
        Call::Mkfifo { dir, path, mode } => process.mkfifoat(at(dir), &path, mode).map(|()| Answer::Done),
        Call::Symlink { target, dir, path } => process.symlinkat(&target, at(dir), &path).map(|()| Answer::Done),
        Call::Link { from_dir, from, dir, path, follow } => {
            process.linkat(at(from_dir), &from, at(dir), &path, follow).map(|()| Answer::Done)
        }
        Call::Unlink { dir, path } => process.unlinkat(at(dir), &path).map(|()| Answer::Done),
        Call::Rmdir { dir, path } => process.rmdirat(at(dir), &path).map(|()| Answer::Done),
        Call::Rename { from_dir, from, dir, path } => {
            process.renameat(at(from_dir), &from, at(dir), &path).map(|()| Answer::Done)
        }
        Call::Readlink { dir, path } => process.readlinkat(at(dir), &path).map(Answer::Bytes),
        other => panic!("{other:?} is not a call on names"),
    }
}

fn set(process: &mut Process, target: Target, attr: &SetAttr) -> Result<Answer> {
    match target {
        Target::Fd(n) => process.fset_attr(fd(n), attr)?,
        Target::Path { dir, path, follow } => process.set_attr_at(at(dir), &path, follow, attr)?,
    }
    Ok(Answer::Done)
}

fn fd(number: posix::Fd) -> stratafs::Fd {
    stratafs::Fd::new(number)
}

fn at(dir: Dir) -> DirFd {
    match dir {
        Dir::Cwd => DirFd::Cwd,
        Dir::At(number) => DirFd::At(fd(number)),
    }
}

/// What waits, as a descriptor that does not block reports it.
fn ready<T>(outcome: Outcome<T>) -> Result<T> {
    match outcome {
        Outcome::Ready(value) => Ok(value),
        Outcome::Wait(_) => Err(Errno::EAGAIN),
    }
}

fn how(flags: Flags, mode: u32) -> OpenHow {
    let access = match (flags.has(posix::O_RDWR), flags.has(posix::O_WRONLY)) {
        (true, _) => Access::READ_WRITE,
        (_, true) => Access::WRITE,
        _ => Access::READ,
    };
    OpenHow {
        create: flags.has(posix::O_CREAT),
        exclusive: flags.has(posix::O_EXCL),
        append: flags.has(posix::O_APPEND),
        nonblock: flags.has(posix::O_NONBLOCK),
        cloexec: flags.has(posix::O_CLOEXEC),
        directory: flags.has(posix::O_DIRECTORY),
        follow: !flags.has(posix::O_NOFOLLOW),
        kind: if flags.has(posix::O_PATH) { FileType::Path } else { FileType::Any },
        mode,
        ..OpenHow::new(Access { truncate: flags.has(posix::O_TRUNC), ..access })
    }
}

fn time(when: When) -> SetTime {
    match when {
        When::Omit => SetTime::Keep,
        When::Now => SetTime::Now,
        When::At(Time { sec, nsec }) => SetTime::To(Timestamp { sec, nsec }),
    }
}

impl From<stratafs::Stat> for Stat {
    fn from(stat: stratafs::Stat) -> Stat {
        let time = |Timestamp { sec, nsec }| Time { sec, nsec };
        Stat {
            dev: stat.dev,
            ino: stat.ino,
            kind: stat.kind.into(),
            mode: stat.mode,
            nlink: stat.nlink,
            uid: stat.uid,
            gid: stat.gid,
            size: stat.size,
            blocks: stat.blocks,
            atime: time(stat.atime),
            mtime: time(stat.mtime),
            ctime: time(stat.ctime),
        }
    }
}

struct Bufs(Vec<Vec<u8>>);

impl Bufs {
    fn new(lens: &[u32]) -> Bufs {
        Bufs(lens.iter().map(|&len| vec![0; len as usize]).collect())
    }

    fn filled(self, n: usize) -> Vec<u8> {
        let mut all = self.0.concat();
        all.truncate(n);
        all
    }
}

impl ReadBufs for Bufs {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn get(&mut self, i: usize) -> Result<&mut [u8]> {
        self.0.get_mut(i).map(Vec::as_mut_slice).ok_or(Errno::EFAULT)
    }
}

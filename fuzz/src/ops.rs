//! Operations on a tree, and what a process answers to them.

use std::io::IoSlice;
use std::ops::ControlFlow;

use stratafs::{Access, DirFd, Errno, Fd, FileKind, Namespace, NodeRef, OneBuf, OpenHow, Outcome, Process, Result, SetAttr, SetTime, Stat, Timestamp, Whence};

use crate::input::Input;
use crate::trees;

pub type Path = Vec<u8>;

#[derive(Debug, Clone)]
pub enum Op {
    Mkdir(Path),
    Create { path: Path, exclusive: bool, truncate: bool },
    Write(Path, u64, Vec<u8>),
    Read(Path, u64),
    Resize(Path, u64),
    Unlink(Path),
    Rmdir(Path),
    Rename(Path, Path),
    Link(Path, Path),
    Stat(Path),
    List(Path),
    Open(usize, Path),
    SlotWrite(usize, Vec<u8>),
    SlotRead(usize),
    SlotSeek(usize, u64),
    SlotResize(usize, u64),
    SlotClose(usize),
    // These are not the model's.
    Symlink(Path, Path),
    Readlink(Path),
    Chmod(Path, u32),
    Utimes(Path, i64),
    Append(Path, Vec<u8>),
}

/// What an operation answers; equal on two trees that are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Number(u64),
    Bytes(Vec<u8>),
    /// Size and links of what is no directory.
    Found(FileKind, u32, Option<(u64, u64)>),
    Names(Vec<(Vec<u8>, FileKind)>),
}

pub const SLOTS: usize = 3;
/// Bytes that one read asks for.
pub const WINDOW: usize = 24;

/// Around the start, a chunk's end, and beyond.
const OFFSETS: [u64; 8] = [0, 1, 3, 10, 65_534, 65_536, 131_071, 200_000];

fn plain(input: &mut Input<'_>) -> Path {
    let shape = input.byte();
    let mut path = Vec::new();
    for n in 0..=shape % 3 {
        path.push(b'/');
        path.push(b'a' + (shape >> (2 + 2 * n) & 3));
    }
    path
}

/// With links, dots and slashes, and the names of the planted trees.
fn odd(input: &mut Input<'_>) -> Path {
    const PARTS: [&str; 16] =
        ["a", "b", "dir", "file", "sub", "link", "abs", "up", "hard", "empty", "..", ".", "", "loop", "c", "z"];
    let mut path = Vec::new();
    for _ in 0..=input.below(3) {
        path.push(b'/');
        path.extend_from_slice(input.pick(&PARTS).as_bytes());
    }
    path
}

impl Op {
    /// The next operation; with `links`, one of all of them on all kinds of paths, else one that the model knows.
    pub fn next(input: &mut Input<'_>, links: bool) -> Self {
        let which = input.below(if links { 26 } else { 21 });
        let path = if links { odd } else { plain };
        let bytes = |input: &mut Input<'_>| input.bytes(8).to_vec();
        match which {
            0 | 1 => Op::Mkdir(path(input)),
            2 => Op::Create { path: path(input), exclusive: true, truncate: false },
            3 => Op::Create { path: path(input), exclusive: false, truncate: false },
            4 => Op::Create { path: path(input), exclusive: false, truncate: true },
            5 => Op::Write(path(input), input.pick(&OFFSETS), bytes(input)),
            6 => Op::Read(path(input), input.pick(&OFFSETS)),
            7 => Op::Resize(path(input), input.pick(&OFFSETS)),
            8 => Op::Unlink(path(input)),
            9 => Op::Rmdir(path(input)),
            10..13 => Op::Rename(path(input), path(input)),
            13 => Op::Link(path(input), path(input)),
            14 => Op::Stat(path(input)),
            15 => Op::List(path(input)),
            16 => Op::Open(input.below(SLOTS), path(input)),
            17 => Op::SlotWrite(input.below(SLOTS), bytes(input)),
            18 => Op::SlotRead(input.below(SLOTS)),
            19 => Op::SlotSeek(input.below(SLOTS), input.pick(&OFFSETS)),
            20 if input.below(2) == 0 => Op::SlotResize(input.below(SLOTS), input.pick(&OFFSETS)),
            20 => Op::SlotClose(input.below(SLOTS)),
            21 => Op::Symlink(odd(input), path(input)),
            22 => Op::Readlink(path(input)),
            23 => Op::Chmod(path(input), u32::from(input.byte()) << 2),
            24 => Op::Utimes(path(input), i64::from(input.byte())),
            _ => Op::Append(path(input), bytes(input)),
        }
    }
}

/// A process with a few files open.
pub struct Guest {
    pub process: Process,
    slots: [Option<Fd>; SLOTS],
}

fn ready<T>(outcome: Result<Outcome<T>>) -> Result<T> {
    match outcome? {
        Outcome::Ready(value) => Ok(value),
        Outcome::Wait(_) => Err(Errno::EAGAIN),
    }
}

fn found(stat: &Stat) -> Answer {
    let told = (stat.kind != FileKind::Directory).then_some((stat.size, stat.nlink));
    Answer::Found(stat.kind, stat.mode, told)
}

impl Guest {
    pub fn new(root: NodeRef) -> Self {
        let process = Process::builder(Namespace::new(root, &trees::limits()), trees::limits()).build().unwrap();
        Guest { process, slots: [None; SLOTS] }
    }

    pub fn close_all(&mut self) {
        for fd in self.slots.iter_mut().filter_map(Option::take) {
            self.process.close(fd).unwrap();
        }
    }

    fn open(&mut self, path: &[u8], how: OpenHow) -> Result<Fd> {
        // A FIFO's other end will not come.
        ready(self.process.openat(DirFd::Cwd, path, &OpenHow { nonblock: true, ..how }))
    }

    fn with<T>(&mut self, path: &[u8], how: OpenHow, f: impl FnOnce(&mut Process, Fd) -> Result<T>) -> Result<T> {
        let fd = self.open(path, how)?;
        let result = f(&mut self.process, fd);
        self.process.close(fd).unwrap();
        result
    }

    pub fn list(&mut self, path: &[u8]) -> Result<Answer> {
        let how = OpenHow { directory: true, ..OpenHow::read() };
        let mut names = self.with(path, how, |process, fd| {
            let mut names = Vec::new();
            process.read_dir(fd, 0, &mut |entry| {
                if !matches!(entry.name, b"." | b"..") {
                    names.push((entry.name.to_vec(), entry.kind));
                }
                ControlFlow::Continue(())
            })?;
            Ok(names)
        })?;
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(Answer::Names(names))
    }

    pub fn run(&mut self, op: &Op) -> Result<Answer> {
        let cwd = DirFd::Cwd;
        let writing = OpenHow::new(Access::WRITE);
        let done = |()| Answer::Done;
        match op {
            Op::Mkdir(path) => self.process.mkdirat(cwd, path, 0o777).map(done),
            Op::Create { path, exclusive, truncate } => {
                let access = Access { truncate: *truncate, ..Access::READ_WRITE };
                let how = OpenHow { create: true, exclusive: *exclusive, ..OpenHow::new(access) };
                self.with(path, how, |_, _| Ok(Answer::Done))
            }
            Op::Write(path, at, bytes) => {
                self.with(path, writing, |process, fd| process.pwrite(fd, &[IoSlice::new(bytes)], *at)).map(number)
            }
            Op::Append(path, bytes) => {
                let how = OpenHow { append: true, ..writing };
                self.with(path, how, |process, fd| ready(process.write(fd, &[IoSlice::new(bytes)]))).map(number)
            }
            Op::Read(path, at) => self.with(path, OpenHow::read(), |process, fd| {
                let mut buf = [0; WINDOW];
                let n = process.pread(fd, &mut OneBuf(&mut buf), *at)?;
                Ok(Answer::Bytes(buf[..n].to_vec()))
            }),
            Op::Resize(path, size) => self.process.set_attr_at(cwd, path, true, &SetAttr::size(*size)).map(done),
            Op::Unlink(path) => self.process.unlinkat(cwd, path).map(done),
            Op::Rmdir(path) => self.process.rmdirat(cwd, path).map(done),
            Op::Rename(from, to) => self.process.renameat(cwd, from, cwd, to).map(done),
            Op::Link(from, to) => self.process.linkat(cwd, from, cwd, to, false).map(done),
            Op::Stat(path) => self.process.statat(cwd, path, false).map(|stat| found(&stat)),
            Op::List(path) => self.list(path),
            Op::Symlink(target, path) => self.process.symlinkat(target, cwd, path).map(done),
            Op::Readlink(path) => self.process.readlinkat(cwd, path).map(Answer::Bytes),
            Op::Chmod(path, mode) => self.process.set_attr_at(cwd, path, true, &SetAttr::mode(*mode)).map(done),
            Op::Utimes(path, sec) => {
                let time = SetTime::To(Timestamp { sec: *sec, nsec: 0 });
                self.process.set_attr_at(cwd, path, false, &SetAttr { atime: time, mtime: time, ..SetAttr::default() }).map(done)
            }
            Op::Open(slot, path) => {
                let fd = self.open(path, OpenHow::new(Access::READ_WRITE))?;
                if let Some(old) = self.slots[*slot].replace(fd) {
                    self.process.close(old).unwrap();
                }
                Ok(Answer::Done)
            }
            Op::SlotWrite(..) | Op::SlotRead(_) | Op::SlotSeek(..) | Op::SlotResize(..) | Op::SlotClose(_) => self.on_slot(op),
        }
    }

    fn on_slot(&mut self, op: &Op) -> Result<Answer> {
        let fd = |guest: &Self, slot: usize| guest.slots[slot].ok_or(Errno::EBADF);
        match op {
            Op::SlotWrite(slot, bytes) => {
                let fd = fd(self, *slot)?;
                ready(self.process.write(fd, &[IoSlice::new(bytes)])).map(number)
            }
            Op::SlotRead(slot) => {
                let (fd, mut buf) = (fd(self, *slot)?, [0; WINDOW]);
                let n = ready(self.process.read(fd, &mut OneBuf(&mut buf)))?;
                Ok(Answer::Bytes(buf[..n].to_vec()))
            }
            Op::SlotSeek(slot, to) => {
                let fd = fd(self, *slot)?;
                self.process.lseek(fd, Whence::Set, i64::try_from(*to).unwrap()).map(Answer::Number)
            }
            Op::SlotResize(slot, size) => {
                let fd = fd(self, *slot)?;
                self.process.ftruncate(fd, *size).map(|()| Answer::Done)
            }
            Op::SlotClose(slot) => {
                let fd = self.slots[*slot].take().ok_or(Errno::EBADF)?;
                self.process.close(fd).map(|()| Answer::Done)
            }
            _ => unreachable!(),
        }
    }

    /// Everything that is there: each path with what it is, and a file's contents.
    pub fn tree(&mut self) -> Vec<(Path, Answer, Vec<u8>)> {
        let (mut all, mut todo) = (Vec::new(), vec![Vec::new()]);
        while let Some(dir) = todo.pop() {
            let at = if dir.is_empty() { &b"/"[..] } else { &dir };
            let Answer::Names(names) = self.list(at).unwrap() else { unreachable!() };
            for (name, kind) in names {
                let path = [&dir[..], b"/", &name].concat();
                let stat = self.process.statat(DirFd::Cwd, &path, false).unwrap();
                assert_eq!(stat.kind, kind);
                let contents = match kind {
                    FileKind::File => self.contents(&path, stat.size),
                    FileKind::Symlink => self.process.readlinkat(DirFd::Cwd, &path).unwrap(),
                    _ => Vec::new(),
                };
                if kind == FileKind::Directory {
                    todo.push(path.clone());
                }
                all.push((path, found(&stat), contents));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn contents(&mut self, path: &[u8], size: u64) -> Vec<u8> {
        let mut all = vec![0; usize::try_from(size).unwrap() + 1];
        let read = self.with(path, OpenHow::read(), |process, fd| process.pread(fd, &mut OneBuf(&mut all), 0)).unwrap();
        // One call may move less than the file, so much is compared.
        all.truncate(read);
        all
    }
}

fn number(n: usize) -> Answer {
    Answer::Number(n as u64)
}

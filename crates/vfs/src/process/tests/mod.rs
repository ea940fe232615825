//! What a process does that a scratch directory of the real OS cannot show: mounts, cages, devices, waits, bounds.

mod beneath;
mod bounds;
mod descriptors;
mod devices;
mod fifos;
mod mappings;
mod mounts;
mod odd;
mod waits;
mod walk;

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::memfs::MemFs;
use crate::{Access, Budget, Cookie, Filesystem, Name, OpenHow, Outcome, SetAttr};

const CWD: DirFd = DirFd::Cwd;

fn mem() -> Arc<MemFs> {
    MemFs::new(Budget::unlimited(), &Limits::default())
}

fn tree<F: Filesystem>(root: &Arc<F>) -> Namespace {
    Namespace::new(NodeRef::root_of(root), &Limits::default())
}

fn start(ns: Namespace) -> Process {
    Process::builder(ns, Limits::default()).build().unwrap()
}

fn process() -> Process {
    start(tree(&mem()))
}

fn mount<F: Filesystem>(ns: &mut Namespace, at: &str, fs: &Arc<F>) {
    ns.mount(at.as_bytes(), NodeRef::root_of(fs), false).unwrap();
}

/// Files of a filesystem, made before anything is mounted over them: a name with a slash behind is a directory, one with an arrow a link.
fn plant(fs: &Arc<MemFs>, names: &[&str]) {
    let mut process = start(tree(fs));
    for name in names {
        if let Some((name, target)) = name.split_once(" -> ") {
            process.symlinkat(target.as_bytes(), CWD, name.as_bytes()).unwrap();
        } else if let Some(dir) = name.strip_suffix('/') {
            process.mkdirat(CWD, dir.as_bytes(), 0o755).unwrap();
        } else {
            process.mkfileat(CWD, name.as_bytes(), 0o644).unwrap();
        }
    }
}

fn ready<T>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Ready(value) => value,
        Outcome::Wait(_) => panic!("waits"),
    }
}

fn waits<T>(outcome: Result<Outcome<T>>) -> crate::Wait {
    match outcome {
        Ok(Outcome::Wait(wait)) => wait,
        Ok(Outcome::Ready(_)) => panic!("does not wait"),
        Err(errno) => panic!("fails: {errno}"),
    }
}

fn open(process: &mut Process, path: &str, how: &OpenHow) -> Result<Fd> {
    open_at(process, CWD, path, how)
}

fn open_at(process: &mut Process, dir: DirFd, path: &str, how: &OpenHow) -> Result<Fd> {
    process.openat(dir, path.as_bytes(), how).map(ready)
}

fn read_write() -> OpenHow {
    OpenHow::new(Access::READ_WRITE)
}

fn stat(process: &Process, path: &str) -> Result<crate::Stat> {
    process.statat(CWD, path.as_bytes(), true)
}

fn mkdir(process: &mut Process, path: &str) -> Result<()> {
    process.mkdirat(CWD, path.as_bytes(), 0o755)
}

fn mkfile(process: &mut Process, path: &str) -> Result<()> {
    process.mkfileat(CWD, path.as_bytes(), 0o644)
}

fn symlink(process: &mut Process, target: &str, path: &str) -> Result<()> {
    process.symlinkat(target.as_bytes(), CWD, path.as_bytes())
}

fn link(process: &mut Process, from: &str, to: &str) -> Result<()> {
    process.linkat(CWD, from.as_bytes(), CWD, to.as_bytes(), false)
}

fn rename(process: &mut Process, from: &str, to: &str) -> Result<()> {
    process.renameat(CWD, from.as_bytes(), CWD, to.as_bytes())
}

fn unlink(process: &mut Process, path: &str) -> Result<()> {
    process.unlinkat(CWD, path.as_bytes())
}

fn rmdir(process: &mut Process, path: &str) -> Result<()> {
    process.rmdirat(CWD, path.as_bytes())
}

fn cwd(process: &Process) -> Result<String> {
    Ok(String::from_utf8(process.getcwd()?).unwrap())
}

fn write(process: &mut Process, fd: Fd, bytes: &[u8]) -> Result<usize> {
    process.write(fd, &[IoSlice::new(bytes)]).map(ready)
}

fn try_read(process: &mut Process, fd: Fd, len: usize) -> Result<Outcome<Vec<u8>>> {
    let mut buf = vec![0xAA; len];
    Ok(process.read(fd, &mut OneBuf(&mut buf))?.map(|n| {
        buf.truncate(n);
        buf
    }))
}

fn read(process: &mut Process, fd: Fd, len: usize) -> Result<Vec<u8>> {
    try_read(process, fd, len).map(ready)
}

fn offset(process: &mut Process, fd: Fd) -> u64 {
    process.lseek(fd, Whence::Current, 0).unwrap()
}

/// The names of an open directory behind `.` and `..`, with kind, inode number and cookie.
fn list_fd(process: &Process, fd: Fd, from: Cookie) -> Result<Vec<(String, FileKind, u64, Cookie)>> {
    let mut names = Vec::new();
    process.read_dir(fd, from, &mut |entry| {
        names.push((String::from_utf8_lossy(entry.name).into_owned(), entry.kind, entry.ino, entry.next));
        ControlFlow::Continue(())
    })?;
    Ok(names)
}

fn list(process: &mut Process, path: &str) -> Vec<(String, FileKind, u64)> {
    let fd = open(process, path, &OpenHow::read()).unwrap();
    let all = list_fd(process, fd, 0).unwrap();
    process.close(fd).unwrap();
    assert_eq!((&*all[0].0, &*all[1].0), (".", ".."));
    all.into_iter().skip(2).map(|(name, kind, ino, _)| (name, kind, ino)).collect()
}

fn names(process: &mut Process, path: &str) -> Vec<String> {
    let mut names: Vec<_> = list(process, path).into_iter().map(|(name, ..)| name).collect();
    names.sort();
    names
}

mod attributes;
mod contents;
mod names;
mod trees;

use std::io::IoSlice;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::Timestamp;

type Node = Arc<MemNode>;

fn fs() -> Arc<MemFs> {
    MemFs::new(Budget::unlimited(), &Limits::default())
}

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).unwrap()
}

fn at(fs: &MemFs, path: &str) -> Result<Node> {
    path.split('/').filter(|n| !n.is_empty()).try_fold(fs.root(), |dir, n| Ok(fs.lookup(&dir, name(n))?.node))
}

/// The directory and the last name of a path.
fn last<'a>(fs: &MemFs, path: &'a str) -> (Node, Name<'a>) {
    let (dir, last) = path.rsplit_once('/').unwrap_or(("", path));
    (at(fs, dir).unwrap(), name(last))
}

fn make(fs: &MemFs, path: &str, kind: NewKind<'_>) -> Result<Node> {
    let (dir, name) = last(fs, path);
    Ok(fs.create(&dir, name, kind, if kind == NewKind::Directory { 0o755 } else { 0o644 })?.node)
}

fn mkdir(fs: &MemFs, path: &str) -> Node {
    make(fs, path, NewKind::Directory).unwrap()
}

fn file(fs: &MemFs, path: &str) -> Node {
    make(fs, path, NewKind::File).unwrap()
}

fn unlink(fs: &MemFs, path: &str) -> Result<()> {
    let (dir, name) = last(fs, path);
    fs.remove(&dir, name, Removal::File)
}

fn rmdir(fs: &MemFs, path: &str) -> Result<()> {
    let (dir, name) = last(fs, path);
    fs.remove(&dir, name, Removal::Directory)
}

fn rename(fs: &MemFs, from: &str, to: &str) -> Result<()> {
    let ((from_dir, from), (to_dir, to)) = (last(fs, from), last(fs, to));
    fs.rename(&from_dir, from, &to_dir, to)
}

fn link(fs: &MemFs, from: &str, to: &str) -> Result<()> {
    let (dir, name) = last(fs, to);
    fs.link(&at(fs, from).unwrap(), &dir, name)
}

fn write(node: &Node, bytes: &[u8], offset: u64) -> Result<usize> {
    node.write_at(&[IoSlice::new(bytes)], offset)
}

fn read(node: &Node) -> Vec<u8> {
    let size = usize::try_from(FileHandle::stat(&**node).unwrap().size).unwrap();
    let mut bytes = vec![0xAA; size + 1];
    let n = node.read_at(&mut bytes, 0).unwrap();
    bytes.truncate(n);
    bytes
}

fn nlink(node: &Node) -> u64 {
    FileHandle::stat(&**node).unwrap().nlink
}

fn list(fs: &MemFs, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut each = |entry: DirEntry<'_>| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        ControlFlow::Continue(())
    };
    fs.read_dir(&at(fs, path).unwrap(), 0, &mut each).unwrap();
    names
}

/// A clock that stands still until it is told to go on.
#[derive(Default)]
struct Stopped(AtomicU64);

impl Stopped {
    fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Clock for Stopped {
    fn realtime(&self) -> Timestamp {
        Timestamp { sec: 1, nsec: u32::try_from(self.0.load(Ordering::Relaxed)).unwrap() }
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

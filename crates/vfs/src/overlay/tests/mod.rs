mod basic;
mod freezing;
mod links;
mod listing;
mod model;
mod renames;
mod storage;

use std::collections::BTreeMap;
use std::io::IoSlice;

use super::*;
use crate::filesystem::FileHandle;

/// A tree under test, reached by paths.
#[derive(Clone)]
struct Tree(NodeRef);

/// What a path shows: kind, mode, links, contents or target, and the first path of the same file.
type Shown = (FileKind, u32, u64, Vec<u8>, String);

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).unwrap()
}

fn limits() -> Limits {
    Limits::default()
}

fn mem() -> Tree {
    Tree(NodeRef::root_of(&MemFs::new(Budget::unlimited(), &limits())))
}

fn over(lowers: &[&Tree]) -> (Arc<Overlay>, Tree) {
    over_with(lowers, Budget::unlimited(), &limits())
}

fn over_with(lowers: &[&Tree], budget: Budget, limits: &Limits) -> (Arc<Overlay>, Tree) {
    let overlay = Overlay::in_memory(lowers.iter().map(|tree| tree.0.clone()).collect(), budget, limits);
    let tree = Tree(NodeRef::root_of(&overlay));
    (overlay, tree)
}

fn fork(snapshot: &Snapshot) -> Tree {
    Tree(NodeRef::root_of(&Overlay::from_snapshot(snapshot, Budget::unlimited(), &limits())))
}

impl Tree {
    fn at(&self, path: &str) -> Result<NodeRef> {
        path.split('/').filter(|part| !part.is_empty()).try_fold(self.0.clone(), |dir, part| Ok(dir.lookup(name(part))?.node))
    }

    fn last<'a>(&self, path: &'a str) -> Result<(NodeRef, Name<'a>)> {
        let (dir, last) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.at(dir)?, name(last)))
    }

    fn make(&self, path: &str, kind: NewKind<'_>, mode: u32) -> Result<NodeRef> {
        let (dir, name) = self.last(path)?;
        Ok(dir.create(name, kind, mode)?.node)
    }

    fn mkdir(&self, path: &str) -> NodeRef {
        self.make(path, NewKind::Directory, 0o755).unwrap()
    }

    fn file(&self, path: &str, bytes: &[u8]) -> NodeRef {
        let node = self.make(path, NewKind::File, 0o644).unwrap();
        write(&node, bytes);
        node
    }

    fn remove(&self, path: &str, removal: Removal) -> Result<()> {
        let (dir, name) = self.last(path)?;
        dir.remove(name, removal)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.remove(path, Removal::File)
    }

    fn rmdir(&self, path: &str) -> Result<()> {
        self.remove(path, Removal::Directory)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let ((from_dir, from), (to_dir, to)) = (self.last(from)?, self.last(to)?);
        from_dir.rename(from, &to_dir, to)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        let node = self.at(from)?;
        let (dir, name) = self.last(to)?;
        node.link(&dir, name)
    }

    fn stat(&self, path: &str) -> Stat {
        self.at(path).unwrap().stat().unwrap()
    }

    fn read(&self, path: &str) -> Vec<u8> {
        read(&*open(&self.at(path).unwrap(), Access::READ))
    }

    /// Everything below the root. Checks on the way that listing, lookup and stat agree.
    fn dump(&self) -> BTreeMap<String, Shown> {
        let (mut shown, mut firsts) = (BTreeMap::new(), BTreeMap::new());
        let mut pending = vec![(String::new(), self.0.clone())];
        while let Some((path, dir)) = pending.pop() {
            for (entry, ino, kind) in list(&dir) {
                let found = dir.lookup(name(&entry)).unwrap();
                let stat = found.node.stat().unwrap();
                let path = format!("{path}/{entry}");
                assert_eq!((found.kind, stat.kind, stat.ino, found.node.key()), (kind, kind, ino, ino), "{path}");
                let bytes = match kind {
                    FileKind::File => read(&*open(&found.node, Access::READ)),
                    FileKind::Symlink => found.node.read_link().unwrap(),
                    _ => Vec::new(),
                };
                let nlink = if kind == FileKind::Directory { 0 } else { stat.nlink };
                shown.insert(path.clone(), (kind, stat.mode, nlink, bytes, ino.to_string()));
                if kind == FileKind::Directory {
                    assert!(found.node.parent().unwrap().is(&dir));
                    assert_eq!(found.node.name_of().unwrap(), entry.as_bytes());
                    pending.push((path, found.node));
                }
            }
        }
        for (path, (_, _, _, _, ino)) in &mut shown {
            *ino = firsts.entry(ino.clone()).or_insert_with(|| path.clone()).clone();
        }
        shown
    }

    fn names(&self, path: &str) -> Vec<String> {
        let mut names: Vec<_> = list(&self.at(path).unwrap()).into_iter().map(|(name, ..)| name).collect();
        names.sort();
        names
    }
}

fn list(dir: &NodeRef) -> Vec<(String, u64, FileKind)> {
    let mut entries = Vec::new();
    dir.read_dir(0, &mut |entry| {
        assert!(entry.next > 0 && entry.next < 1 << 62);
        entries.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.ino, entry.kind));
        ControlFlow::Continue(())
    })
    .unwrap();
    entries
}

fn open(node: &NodeRef, access: Access) -> Arc<dyn FileHandle> {
    try_open(node, access).unwrap()
}

fn try_open(node: &NodeRef, access: Access) -> Result<Arc<dyn FileHandle>> {
    match node.open(access)? {
        Opened::File(handle) => Ok(handle),
        _ => Err(Errno::EINVAL),
    }
}

fn put(handle: &dyn FileHandle, bytes: &[u8], offset: u64) -> Result<usize> {
    handle.write_at(&[IoSlice::new(bytes)], offset)
}

fn write(node: &NodeRef, bytes: &[u8]) {
    assert_eq!(put(&*open(node, Access::WRITE), bytes, 0), Ok(bytes.len()));
}

fn read(handle: &dyn FileHandle) -> Vec<u8> {
    let mut bytes = vec![0xAA; usize::try_from(handle.stat().unwrap().size).unwrap() + 1];
    let mut at = 0;
    loop {
        let n = handle.read_at(&mut bytes[at..], at as u64).unwrap();
        at += n;
        if n == 0 {
            break;
        }
    }
    bytes.truncate(at);
    bytes
}

//! Backends that do not keep to their contract, and one that moves things while a path is walked.

use parking_lot::Mutex;

use super::*;
use crate::Errno::*;
use crate::{DirEntry, Entry, Opened, Stat};

/// A directory (node 0) of links with any targets and of entries with any names.
#[derive(Default)]
struct Odd {
    links: Vec<Vec<u8>>,
    names: Vec<(Vec<u8>, Cookie)>,
}

impl Filesystem for Odd {
    type Node = usize;

    fn root(&self) -> usize {
        0
    }

    fn key(&self, node: &usize) -> u64 {
        *node as u64
    }

    fn parent(&self, _: &usize) -> Result<usize> {
        Ok(0)
    }

    fn lookup(&self, _: &usize, name: Name<'_>) -> Result<Entry<usize>> {
        assert!(Name::new(name.as_bytes()).is_ok(), "a backend takes names only");
        let number: usize = std::str::from_utf8(name.as_bytes()).ok().and_then(|n| n.parse().ok()).ok_or(ENOENT)?;
        Ok(Entry { node: number + 1, kind: FileKind::Symlink })
    }

    fn stat(&self, node: &usize) -> Result<Stat> {
        Ok(Stat::new(*node as u64, if *node == 0 { FileKind::Directory } else { FileKind::Symlink }))
    }

    fn read_dir(&self, _: &usize, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        for (name, next) in self.names.iter().filter(|(_, next)| *next > from) {
            if each(DirEntry { name, ino: 1, kind: FileKind::File, next: *next }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, _: &usize, _: Access) -> Result<Opened> {
        Ok(Opened::Directory)
    }

    fn read_link(&self, node: &usize) -> Result<Vec<u8>> {
        self.links.get(*node - 1).cloned().ok_or(EIO)
    }
}

#[test]
fn a_links_target_is_checked_before_it_is_walked() {
    let targets = [&b"a\0b"[..], b"\0", b"", &[b'x'; 4096], &[b'/'; 5000], b"////", &[b'.'; 300], b"..", b"./\0"];
    let odd = Odd { links: targets.map(<[u8]>::to_vec).to_vec(), ..Odd::default() };
    let mut p = start(tree(&Arc::new(odd)));
    let root = stat(&p, "/");
    let expected = [
        Err(EIO),
        Err(EIO),
        Err(ENOENT),
        Err(ENAMETOOLONG),
        Err(ENAMETOOLONG),
        root,
        Err(ENAMETOOLONG),
        root,
        Err(EIO),
        Err(EIO),
    ];
    for (n, expected) in expected.into_iter().enumerate() {
        assert_eq!(stat(&p, &format!("/{n}")), expected, "{n}");
        assert_eq!(stat(&p, &format!("/{n}/.")), expected, "{n}");
        let opened = open(&mut p, &format!("/{n}"), &OpenHow::read());
        assert_eq!(opened.map(drop), expected.map(drop), "{n}");
    }
}

#[test]
fn names_that_no_path_can_say_are_not_listed() {
    let names = [&b"a"[..], b"", b".", b"..", b"a/b", b"a\0b", &[b'n'; 255], &[b'n'; 300], b"z"];
    let names = names.iter().zip(1..).map(|(name, next)| (name.to_vec(), next)).chain([(b"last".to_vec(), u64::MAX)]).collect();
    let mut ns = tree(&Arc::new(Odd { names, ..Odd::default() }));
    mount(&mut ns, "/m", &mem());
    let mut p = start(ns);
    let shown: Vec<_> = list(&mut p, "/").into_iter().map(|(name, ..)| name).collect();
    assert_eq!(shown, ["a", &"n".repeat(255), "z", "last", "m"]);
    // The directory's key is 0, which no missing file is taken for.
    assert_eq!(rename(&mut p, "/missing", "/other"), Err(EROFS));
}

/// A memory tree in which a directory is moved away as soon as something is looked up in it.
struct Moving {
    fs: Arc<MemFs>,
    when: Mutex<Option<&'static [u8]>>,
}

impl Filesystem for Moving {
    type Node = <MemFs as Filesystem>::Node;

    fn root(&self) -> Self::Node {
        self.fs.root()
    }

    fn key(&self, node: &Self::Node) -> u64 {
        self.fs.key(node)
    }

    fn parent(&self, dir: &Self::Node) -> Result<Self::Node> {
        self.fs.parent(dir)
    }

    fn lookup(&self, dir: &Self::Node, name: Name<'_>) -> Result<Entry<Self::Node>> {
        let found = self.fs.lookup(dir, name)?;
        let mut when = self.when.lock();
        if *when == Some(name.as_bytes()) {
            *when = None;
            let to = self.fs.lookup(&self.fs.root(), Name::new(b"out")?)?.node;
            self.fs.rename(dir, name, &to, Name::new(b"moved")?)?;
        }
        Ok(found)
    }

    fn stat(&self, node: &Self::Node) -> Result<Stat> {
        self.fs.stat(node)
    }

    fn read_dir(&self, dir: &Self::Node, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.fs.read_dir(dir, from, each)
    }

    fn open(&self, node: &Self::Node, access: Access) -> Result<Opened> {
        self.fs.open(node, access)
    }
}

#[test]
fn a_directory_moved_out_during_the_walk_is_no_way_out() {
    for (path, expected) in [("a/b/../../secret", EPERM), ("a/b/..", EPERM), ("a/b/c/../..", EPERM), ("a/b/missing", ENOENT)] {
        let fs = mem();
        plant(&fs, &["base/", "base/a/", "base/a/b/", "base/a/b/c/", "out/", "secret"]);
        let moving = Arc::new(Moving { fs, when: Mutex::new(None) });
        let mut p = start(tree(&moving));
        let base = DirFd::Beneath(open(&mut p, "/base", &OpenHow::read()).unwrap());
        assert!(p.statat(base, b"a/b/../..", true).is_ok());
        *moving.when.lock() = Some(b"b");
        assert_eq!(p.statat(base, path.as_bytes(), true), Err(expected), "{path}");
        assert_eq!(stat(&p, "/out/moved").unwrap().kind, FileKind::Directory);
    }
}

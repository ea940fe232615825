//! The whole tree at one moment.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::posix::{Answer, Call, Dir, Errno, Kind, O_DIRECTORY, O_RDONLY, Posix, Result, Stat, Target};

/// One name of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The absolute path.
    pub path: Vec<u8>,
    /// The attributes of the name itself.
    pub stat: Stat,
    /// A hash of a file's contents, or of a link's target.
    pub contents: u64,
}

/// Every name, parents before children, sorted in each directory. The root is the first.
pub type Tree = Vec<Node>;

/// Files are read up to here; of a longer one the end as well.
const READ_MAX: u64 = 256 << 10;
const TAIL: u32 = 64;

/// Takes the tree of `os`, by absolute paths.
///
/// # Errors
/// What a call gives that should not fail, with the path that it was made on.
pub fn take(os: &mut dyn Posix) -> std::result::Result<Tree, (Vec<u8>, Errno)> {
    let mut tree = Vec::new();
    let mut left = vec![b"/".to_vec()];
    while let Some(path) = left.pop() {
        let stat = lstat(os, &path).map_err(|errno| (path.clone(), errno))?;
        let contents = match stat.kind {
            Kind::File => file(os, &path, stat.size).map_err(|errno| (path.clone(), errno))?,
            Kind::Symlink => hash(&target(os, &path).map_err(|errno| (path.clone(), errno))?),
            _ => 0,
        };
        if stat.kind == Kind::Directory {
            let mut names = names(os, &path).map_err(|errno| (path.clone(), errno))?;
            names.sort();
            let base = if path == b"/" { &[][..] } else { &path[..] };
            left.extend(names.iter().rev().map(|name| [base, b"/", name].concat()));
        }
        tree.push(Node { path, stat, contents });
    }
    Ok(tree)
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn lstat(os: &mut dyn Posix, path: &[u8]) -> Result<Stat> {
    match os.call(Call::Stat(Target::Path { dir: Dir::Cwd, path: path.to_vec(), follow: false }))? {
        Answer::Stat(stat) => Ok(stat),
        other => panic!("{other:?}"),
    }
}

fn target(os: &mut dyn Posix, path: &[u8]) -> Result<Vec<u8>> {
    os.readlink(path)
}

fn file(os: &mut dyn Posix, path: &[u8], size: u64) -> Result<u64> {
    let fd = os.open(path, O_RDONLY)?;
    let mut all = os.pread(fd, u32::try_from(size.min(READ_MAX)).unwrap_or(0) + 1, 0)?;
    if size > READ_MAX {
        all.extend(os.pread(fd, TAIL, size - u64::from(TAIL))?);
    }
    os.close(fd)?;
    Ok(hash(&all))
}

fn names(os: &mut dyn Posix, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let fd = os.open(path, O_RDONLY | O_DIRECTORY)?;
    let (mut names, mut from) = (Vec::new(), 0);
    loop {
        let part = os.readdir(fd, from, 4096)?;
        let Some(last) = part.last() else { break };
        from = last.next;
        names.extend(part.into_iter().map(|entry| entry.name).filter(|name| name != b"." && name != b".."));
    }
    os.close(fd)?;
    Ok(names)
}

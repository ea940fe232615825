//! What holds of every tree, whatever was done to it: a walk over all of it that finds what is torn.

use std::collections::HashMap;
use std::ops::ControlFlow;

use stratafs::{Access, FileKind, Name, NodeRef, Opened};

/// What a tree is made of; its budget must be the sum of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Files, directories and links, without the root.
    pub inodes: u64,
    /// Bytes of names with what an entry costs, of link targets, and of stored data.
    pub bytes: u64,
    /// Entries of directories.
    pub entries: u64,
}

/// How directories count their links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// As on Linux: 2, and one for each subdirectory.
    Counted,
    /// Merged ones have 1, as in Linux's overlayfs; files of the layers below may have names that are hidden.
    Merged,
}

/// What a memory layer charges for an entry beside its name.
const ENTRY: u64 = 64;

struct Walk {
    links: Links,
    /// For each file that is no directory: the links that it tells, and the names that were found.
    names: HashMap<u64, (u64, u64, Vec<u8>)>,
    directories: HashMap<u64, Vec<u8>>,
    parts: Parts,
}

/// Walks the tree below `root`, on which nobody works meanwhile, and adds up its parts.
///
/// # Errors
/// The first thing that does not hold, with its path.
pub fn check(root: &NodeRef, links: Links) -> Result<Parts, String> {
    let mut walk = Walk { links, names: HashMap::new(), directories: HashMap::new(), parts: Parts::default() };
    let mut todo = vec![(root.clone(), Vec::new())];
    walk.directories.insert(root.key(), b"/".to_vec());
    while let Some((dir, path)) = todo.pop() {
        walk.directory(&dir, &path, &mut todo)?;
    }
    for (told, found, path) in walk.names.values() {
        let fits = if links == Links::Counted { told == found } else { told >= found };
        if !fits {
            return Err(format!("{} tells {told} links and has {found} names", path.escape_ascii()));
        }
    }
    Ok(walk.parts)
}

impl Walk {
    fn directory(&mut self, dir: &NodeRef, path: &[u8], todo: &mut Vec<(NodeRef, Vec<u8>)>) -> Result<(), String> {
        let wrong = |what: String| format!("{}: {what}", path.escape_ascii());
        let mut listed = Vec::new();
        let list = dir.read_dir(0, &mut |entry| {
            listed.push((entry.name.to_vec(), entry.ino, entry.kind, entry.next));
            ControlFlow::Continue(())
        });
        list.map_err(|errno| wrong(format!("listing: {errno}")))?;
        let mut subdirectories = 0;
        let mut seen = HashMap::new();
        for (name, ino, kind, next) in listed {
            let shown = name.escape_ascii().to_string();
            if next == 0 || seen.insert(name.clone(), next).is_some() {
                return Err(wrong(format!("{shown} is listed twice, or with the cookie of the start")));
            }
            let name = Name::new(&name).map_err(|errno| wrong(format!("{shown} is no name: {errno}")))?;
            let found = dir.lookup(name).map_err(|errno| wrong(format!("{shown} is listed and not found: {errno}")))?;
            let stat = found.node.stat().map_err(|errno| wrong(format!("stat of {shown}: {errno}")))?;
            if (found.kind, stat.kind, stat.ino) != (kind, kind, ino) {
                return Err(wrong(format!(
                    "{shown} is listed as {kind:?} {ino}, found as {:?}, and is {:?} {}",
                    found.kind, stat.kind, stat.ino
                )));
            }
            self.parts.entries += 1;
            self.parts.bytes += name.as_bytes().len() as u64 + ENTRY;
            let below = [path, b"/", name.as_bytes()].concat();
            if kind == FileKind::Directory {
                subdirectories += 1;
                self.parts.inodes += 1;
                if let Some(other) = self.directories.insert(found.node.key(), below.clone()) {
                    return Err(wrong(format!("{shown} is {} too", other.escape_ascii())));
                }
                let parent = found.node.parent().map_err(|errno| wrong(format!("the parent of {shown}: {errno}")))?;
                if !parent.is(dir) {
                    return Err(wrong(format!("{shown} has another parent")));
                }
                if found.node.name_of().as_deref() != Ok(name.as_bytes()) {
                    return Err(wrong(format!("{shown} calls itself {:?}", found.node.name_of())));
                }
                todo.push((found.node, below));
            } else {
                self.file(&found.node, stat.kind, &stat, below)?;
            }
        }
        let told = dir.stat().map_err(|errno| wrong(format!("stat: {errno}")))?.nlink;
        let merged = self.links == Links::Merged && told == 1;
        if told != 2 + subdirectories && !merged {
            return Err(wrong(format!("a directory of {subdirectories} tells {told} links")));
        }
        Ok(())
    }

    fn file(&mut self, node: &NodeRef, kind: FileKind, stat: &stratafs::Stat, path: Vec<u8>) -> Result<(), String> {
        let wrong = |what: String| format!("{}: {what}", path.escape_ascii());
        let known = self.names.entry(stat.ino).or_insert((stat.nlink, 0, path.clone()));
        known.1 += 1;
        if known.1 > 1 {
            return Ok(());
        }
        self.parts.inodes += 1;
        match kind {
            FileKind::Symlink => {
                let target = node.read_link().map_err(|errno| wrong(format!("read_link: {errno}")))?;
                if target.len() as u64 != stat.size {
                    return Err(wrong(format!("a link of {} bytes tells {}", target.len(), stat.size)));
                }
                self.parts.bytes += stat.size;
            }
            FileKind::File => {
                self.parts.bytes += stat.blocks * 512;
                let Ok(Opened::File(file)) = node.open(Access::READ) else { return Err(wrong("cannot be opened".to_owned())) };
                let mut byte = [0; 2];
                let last = if stat.size == 0 { Ok(0) } else { file.read_at(&mut byte, stat.size - 1) };
                if last != Ok(usize::from(stat.size > 0)) || file.read_at(&mut byte, stat.size) != Ok(0) {
                    return Err(wrong(format!("a file of {} bytes ends elsewhere", stat.size)));
                }
            }
            FileKind::Directory | FileKind::Fifo | FileKind::CharDevice | FileKind::Socket => {}
        }
        Ok(())
    }
}

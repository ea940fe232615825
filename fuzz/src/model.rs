//! A tree as simple as can be: what POSIX says of it, in one place and without an eye on speed.

use std::collections::BTreeMap;

use stratafs::{Errno, FileKind, Result};

use crate::ops::{Answer, Op, SLOTS, WINDOW};

enum Body {
    Directory(BTreeMap<u8, usize>),
    File(Vec<u8>),
}

/// Directories and files by number; names are one letter. Nothing is ever freed.
pub struct Model {
    nodes: Vec<Body>,
    slots: [Option<(usize, usize)>; SLOTS],
}

impl Model {
    pub fn new() -> Self {
        Model { nodes: vec![Body::Directory(BTreeMap::new())], slots: [None; SLOTS] }
    }

    pub fn close_all(&mut self) {
        self.slots = [None; SLOTS];
    }

    fn entries(&mut self, dir: usize) -> Result<&mut BTreeMap<u8, usize>> {
        match &mut self.nodes[dir] {
            Body::Directory(entries) => Ok(entries),
            Body::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn is_dir(&self, node: usize) -> bool {
        matches!(self.nodes[node], Body::Directory(_))
    }

    fn file(&mut self, node: usize) -> Result<&mut Vec<u8>> {
        match &mut self.nodes[node] {
            Body::File(bytes) => Ok(bytes),
            Body::Directory(_) => Err(Errno::EISDIR),
        }
    }

    /// The directory that the last name of `path` stands in, and that name. Paths are `/a/b/c`.
    fn parent(&mut self, path: &[u8]) -> Result<(usize, u8)> {
        let names: Vec<u8> = path.iter().copied().filter(|&b| b != b'/').collect();
        let (&last, above) = names.split_last().unwrap();
        let mut dir = 0;
        for name in above {
            dir = *self.entries(dir)?.get(name).ok_or(Errno::ENOENT)?;
        }
        self.entries(dir)?;
        Ok((dir, last))
    }

    fn at(&mut self, path: &[u8]) -> Result<usize> {
        let (dir, name) = self.parent(path)?;
        self.entries(dir)?.get(&name).copied().ok_or(Errno::ENOENT)
    }

    fn links(&self, node: usize) -> u64 {
        let in_dir = |body: &Body| match body {
            Body::Directory(entries) => entries.values().filter(|&&other| other == node).count() as u64,
            Body::File(_) => 0,
        };
        self.nodes.iter().map(in_dir).sum()
    }

    fn is_below(&mut self, node: usize, top: usize) -> bool {
        if node == top {
            return true;
        }
        let children: Vec<usize> = self.entries(top).map(|entries| entries.values().copied().collect()).unwrap_or_default();
        children.into_iter().any(|child| self.is_below(node, child))
    }

    fn make(&mut self, path: &[u8], body: Body) -> Result<Answer> {
        let (dir, name) = self.parent(path)?;
        if self.entries(dir)?.contains_key(&name) {
            return Err(Errno::EEXIST);
        }
        let node = self.nodes.len();
        self.nodes.push(body);
        self.entries(dir)?.insert(name, node);
        Ok(Answer::Done)
    }

    fn write(bytes: &mut Vec<u8>, at: usize, new: &[u8]) -> usize {
        if !new.is_empty() {
            bytes.resize(bytes.len().max(at + new.len()), 0);
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        new.len()
    }

    fn read(bytes: &[u8], at: usize) -> Vec<u8> {
        let rest = bytes.get(at..).unwrap_or_default();
        rest[..rest.len().min(WINDOW)].to_vec()
    }

    pub fn run(&mut self, op: &Op) -> Result<Answer> {
        let size = |n: u64| usize::try_from(n).unwrap();
        match op {
            Op::Mkdir(path) => self.make(path, Body::Directory(BTreeMap::new())),
            Op::Create { path, exclusive, truncate } => match self.at(path) {
                Err(Errno::ENOENT) => self.make(path, Body::File(Vec::new())),
                Err(errno) => Err(errno),
                Ok(_) if *exclusive => Err(Errno::EEXIST),
                Ok(node) => {
                    let file = self.file(node)?;
                    if *truncate {
                        file.clear();
                    }
                    Ok(Answer::Done)
                }
            },
            Op::Write(path, at, bytes) => {
                let node = self.at(path)?;
                Ok(Answer::Number(Self::write(self.file(node)?, size(*at), bytes) as u64))
            }
            Op::Read(path, at) => {
                let node = self.at(path)?;
                Ok(Answer::Bytes(Self::read(self.file(node)?, size(*at))))
            }
            Op::Resize(path, to) => {
                let node = self.at(path)?;
                self.file(node)?.resize(size(*to), 0);
                Ok(Answer::Done)
            }
            Op::Unlink(path) => {
                let (dir, name) = self.parent(path)?;
                let node = self.at(path)?;
                self.file(node)?;
                self.entries(dir)?.remove(&name);
                Ok(Answer::Done)
            }
            Op::Rmdir(path) => {
                let (dir, name) = self.parent(path)?;
                let node = self.at(path)?;
                if !self.entries(node)?.is_empty() {
                    return Err(Errno::ENOTEMPTY);
                }
                self.entries(dir)?.remove(&name);
                Ok(Answer::Done)
            }
            Op::Rename(from, to) => self.rename(from, to),
            Op::Link(from, to) => {
                let node = self.at(from)?;
                let (dir, name) = self.parent(to)?;
                if self.entries(dir)?.contains_key(&name) {
                    return Err(Errno::EEXIST);
                }
                if self.is_dir(node) {
                    return Err(Errno::EPERM);
                }
                self.entries(dir)?.insert(name, node);
                Ok(Answer::Done)
            }
            Op::Stat(path) => {
                let node = self.at(path)?;
                let links = self.links(node);
                Ok(match &self.nodes[node] {
                    Body::Directory(_) => Answer::Found(FileKind::Directory, 0o755, None),
                    Body::File(bytes) => Answer::Found(FileKind::File, 0o644, Some((bytes.len() as u64, links))),
                })
            }
            Op::List(path) => {
                let node = self.at(path)?;
                let entries = self.entries(node)?.clone();
                let kind = |node| if self.is_dir(node) { FileKind::Directory } else { FileKind::File };
                Ok(Answer::Names(entries.into_iter().map(|(name, node)| (vec![name], kind(node))).collect()))
            }
            Op::Open(slot, path) => {
                let node = self.at(path)?;
                self.file(node)?;
                self.slots[*slot] = Some((node, 0));
                Ok(Answer::Done)
            }
            Op::SlotWrite(slot, bytes) => {
                let (node, at) = self.slots[*slot].ok_or(Errno::EBADF)?;
                let n = Self::write(self.file(node)?, at, bytes);
                self.slots[*slot] = Some((node, at + n));
                Ok(Answer::Number(n as u64))
            }
            Op::SlotRead(slot) => {
                let (node, at) = self.slots[*slot].ok_or(Errno::EBADF)?;
                let bytes = Self::read(self.file(node)?, at);
                self.slots[*slot] = Some((node, at + bytes.len()));
                Ok(Answer::Bytes(bytes))
            }
            Op::SlotSeek(slot, to) => {
                let (node, _) = self.slots[*slot].ok_or(Errno::EBADF)?;
                self.slots[*slot] = Some((node, size(*to)));
                Ok(Answer::Number(*to))
            }
            Op::SlotResize(slot, to) => {
                let (node, _) = self.slots[*slot].ok_or(Errno::EBADF)?;
                self.file(node)?.resize(size(*to), 0);
                Ok(Answer::Done)
            }
            Op::SlotClose(slot) => self.slots[*slot].take().map(|_| Answer::Done).ok_or(Errno::EBADF),
            Op::Symlink(..) | Op::Readlink(_) | Op::Chmod(..) | Op::Utimes(..) | Op::Append(..) => unreachable!(),
        }
    }

    fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<Answer> {
        let (from_dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        let node = self.at(from)?;
        let there = self.entries(to_dir)?.get(&to_name).copied();
        if self.is_dir(node) && self.is_below(to_dir, node) {
            return Err(Errno::EINVAL);
        }
        if let Some(there) = there {
            if there == node {
                return Ok(Answer::Done);
            }
            if self.is_dir(there) && self.is_below(from_dir, there) {
                return Err(Errno::ENOTEMPTY);
            }
            match (self.is_dir(node), self.is_dir(there)) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) if !self.entries(there)?.is_empty() => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        self.entries(from_dir)?.remove(&from_name);
        self.entries(to_dir)?.insert(to_name, node);
        Ok(Answer::Done)
    }

    /// As [`Guest::tree`](crate::ops::Guest::tree).
    pub fn tree(&mut self) -> Vec<(Vec<u8>, Answer, Vec<u8>)> {
        let (mut all, mut todo) = (Vec::new(), vec![(Vec::new(), 0)]);
        while let Some((dir, node)) = todo.pop() {
            for (name, node) in self.entries(node).unwrap().clone() {
                let path = [&dir[..], b"/", &[name]].concat();
                let stat = self.run(&Op::Stat(path.clone())).unwrap();
                let contents = self.file(node).map(|bytes| bytes.clone()).unwrap_or_default();
                if self.is_dir(node) {
                    todo.push((path.clone(), node));
                }
                all.push((path, stat, contents));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

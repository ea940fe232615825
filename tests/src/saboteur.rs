//! Backends with a bug that was put there on purpose, to see that the sequences find it. The bug lies around a backend that has none:
//! nothing of this is in a product.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use stratafs::{Errno, Result};
use stratafs_conformance::case::Lacks;
use stratafs_conformance::model::snapshot;
use stratafs_conformance::posix::{
    Answer, Call, Dir, DirEntry, Fd, Flags, Kind, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY, Posix, Stat, Status, Target, When, Whence,
};
use stratafs_conformance::subject::{Running, Subject};
use stratafs_conformance::tree::Item;

use crate::backends::Backend;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Nothing is: for the comparison.
    None,
    /// A name from a lower layer that was removed is listed again.
    WhiteoutLeaks,
    /// A descriptor that `dup` made has an offset of its own.
    OffsetNotShared,
    /// A file that had two names still counts two when one has gone.
    LinkCountOffByOne,
    /// A directory that is moved into itself is taken for moved.
    RenameIntoItself,
    /// `O_TRUNC` cuts only what is opened for writing.
    TruncateNeedsWrite,
    /// `O_APPEND` writes at the offset.
    AppendAtOffset,
    /// What was once missing stays so for `stat`.
    StaleNegativeCache,
    /// A file that was cut and grows again shows what was there before.
    HoleNotZeroed,
    /// A listing that goes on at a cookie leaves out the entry there.
    CookieLost,
    /// `O_EXCL` opens what is there.
    ExclusiveIgnored,
    /// A directory that is not empty is removed, or said to be.
    FullDirectoryRemoved,
    /// A slash behind a file's name means nothing to `stat`.
    SlashIgnored,
    /// `mkdir` takes no heed of the umask.
    UmaskIgnored,
    /// A file that is open is empty once its last name has gone.
    UnlinkedIsEmpty,
    /// A new owner leaves the set-user-id bit.
    SetIdSurvivesChown,
    /// Removing a name does not move the directory's times.
    RemovalLeavesTimes,
    /// A file that moves gets a new inode number.
    RenameChangesInode,
    /// Whoever opened a file to read does not see what is written later.
    EarlyReaderKeepsOld,
}

/// A backend with a bug.
#[derive(Debug, Clone, Copy)]
pub struct Saboteur {
    /// What it is around.
    pub backend: Backend,
    /// What is wrong with it.
    pub bug: Bug,
}

impl Subject for Saboteur {
    fn name(&self) -> String {
        format!("{:?} of {:?}", self.bug, self.backend)
    }

    fn lacks(&self) -> Lacks {
        self.backend.lacks()
    }

    fn start(&self, tree: &[Item]) -> io::Result<Box<dyn Running>> {
        let inner = self.backend.start(tree)?;
        let below = snapshot::take(inner.watcher().as_mut()).map_err(|(_, errno)| io::Error::other(errno.name()))?;
        let memory = Memory { below: below.iter().map(|node| node.stat.ino).collect(), ..Memory::default() };
        Ok(Box::new(Sabotaged { inner, bug: self.bug, memory: Arc::new(Mutex::new(memory)) }))
    }
}

/// Files of fewer bytes are kept whole.
const WHOLE: u32 = 1 << 20;

/// What a bug goes by.
#[derive(Debug, Default)]
struct Memory {
    /// Files that were there at the start.
    below: BTreeSet<u64>,
    /// Entries that leak, by their directory.
    leaked: Vec<(u64, DirEntry)>,
    /// Offsets of the descriptors that have their own.
    offsets: BTreeMap<Fd, u64>,
    /// Files that something happened to.
    marked: BTreeSet<u64>,
    missing: BTreeSet<Vec<u8>>,
    /// What was there when it was opened to read.
    old: BTreeMap<Fd, Vec<u8>>,
}

struct Sabotaged<P: ?Sized> {
    bug: Bug,
    memory: Arc<Mutex<Memory>>,
    inner: Box<P>,
}

impl Running for Sabotaged<dyn Running> {
    fn watcher(&self) -> Box<dyn Posix> {
        // Its descriptors have numbers of their own; what is kept by number is the tested process's.
        if matches!(self.bug, Bug::EarlyReaderKeepsOld | Bug::OffsetNotShared) {
            return self.inner.watcher();
        }
        Box::new(Sabotaged { bug: self.bug, memory: self.memory.clone(), inner: self.inner.watcher() })
    }

    fn pause(&mut self) {
        self.inner.pause();
    }
}

impl<P: Posix + ?Sized> Posix for Sabotaged<P> {
    fn call(&mut self, call: Call) -> Result<Answer> {
        match self.bug {
            Bug::None => self.inner.call(call),
            Bug::WhiteoutLeaks => self.leak(call),
            Bug::OffsetNotShared => self.own_offset(call),
            Bug::TruncateNeedsWrite | Bug::ExclusiveIgnored => {
                let call = self.other_flags(call);
                self.inner.call(call)
            }
            Bug::AppendAtOffset => self.append(call),
            Bug::StaleNegativeCache => self.negative(call),
            Bug::HoleNotZeroed => self.hole(call),
            Bug::CookieLost => self.cookie(call),
            Bug::LinkCountOffByOne | Bug::RenameChangesInode | Bug::RemovalLeavesTimes => self.attributes(call),
            Bug::EarlyReaderKeepsOld => self.keep_old(call),
            Bug::RenameIntoItself
            | Bug::FullDirectoryRemoved
            | Bug::SlashIgnored
            | Bug::UmaskIgnored
            | Bug::UnlinkedIsEmpty
            | Bug::SetIdSurvivesChown => self.simple(call),
        }
    }
}

/// The directory part of a path, and its last name.
fn split(path: &[u8]) -> (Vec<u8>, &[u8]) {
    match path.iter().rposition(|&b| b == b'/') {
        Some(0) => (b"/".to_vec(), &path[1..]),
        Some(at) => (path[..at].to_vec(), &path[at + 1..]),
        None => (b".".to_vec(), path),
    }
}

impl<P: Posix + ?Sized> Sabotaged<P> {
    fn stat(&mut self, target: Target) -> Option<Stat> {
        match self.inner.call(Call::Stat(target)) {
            Ok(Answer::Stat(stat)) => Some(stat),
            _ => None,
        }
    }

    fn lstat(&mut self, dir: Dir, path: &[u8]) -> Option<Stat> {
        self.stat(Target::Path { dir, path: path.to_vec(), follow: false })
    }

    fn number(&mut self, call: Call) -> Option<u64> {
        match self.inner.call(call) {
            Ok(Answer::Number(number)) => Some(number),
            _ => None,
        }
    }

    fn leak(&mut self, call: Call) -> Result<Answer> {
        match call {
            Call::Unlink { dir, ref path } => {
                let (parent, name) = split(path);
                let (file, parent) = (self.lstat(dir, path), self.lstat(dir, &parent));
                let entry = file.map(|stat| DirEntry { name: name.to_vec(), ino: stat.ino, kind: stat.kind, next: 1 << 40 });
                let answer = self.inner.call(call)?;
                if let (Some(entry), Some(parent)) = (entry, parent) {
                    let mut memory = self.memory.lock();
                    if memory.below.contains(&entry.ino) {
                        memory.leaked.push((parent.ino, entry));
                    }
                }
                Ok(answer)
            }
            Call::ReadDir { fd, from, .. } if from != 1 << 40 => {
                let answer = self.inner.call(call)?;
                let dir = self.stat(Target::Fd(fd)).map_or(0, |stat| stat.ino);
                match answer {
                    Answer::Entries(entries) if entries.is_empty() => {
                        let memory = self.memory.lock();
                        Ok(Answer::Entries(memory.leaked.iter().filter(|(at, _)| *at == dir).map(|(_, e)| e.clone()).collect()))
                    }
                    other => Ok(other),
                }
            }
            Call::ReadDir { .. } => Ok(Answer::Entries(Vec::new())),
            call => self.inner.call(call),
        }
    }

    fn own_offset(&mut self, call: Call) -> Result<Answer> {
        let fd = match call {
            Call::Dup(fd) => {
                let answer = self.inner.call(call)?;
                let at = self.number(Call::Seek { fd, whence: Whence::Current, offset: 0 });
                if let (Answer::Fd(made), Some(at)) = (&answer, at) {
                    self.memory.lock().offsets.insert(*made, at);
                }
                return Ok(answer);
            }
            Call::Close(fd) => {
                self.memory.lock().offsets.remove(&fd);
                return self.inner.call(call);
            }
            Call::Read { fd, .. } | Call::Write { fd, .. } | Call::Seek { fd, .. } => fd,
            call => return self.inner.call(call),
        };
        let own = self.memory.lock().offsets.get(&fd).copied();
        let shared = self.number(Call::Seek { fd, whence: Whence::Current, offset: 0 });
        let (Some(own), Some(shared)) = (own, shared) else { return self.inner.call(call) };
        let to = |offset: u64| Call::Seek { fd, whence: Whence::Set, offset: i64::try_from(offset).unwrap_or(0) };
        self.inner.call(to(own))?;
        let answer = self.inner.call(call);
        if let Some(now) = self.number(Call::Seek { fd, whence: Whence::Current, offset: 0 }) {
            self.memory.lock().offsets.insert(fd, now);
        }
        self.inner.call(to(shared))?;
        answer
    }

    fn other_flags(&self, call: Call) -> Call {
        let Call::Open { dir, path, flags, mode } = call else { return call };
        let without = |flag: Flags| flags.without(flag);
        let flags = match self.bug {
            Bug::TruncateNeedsWrite if !flags.has(O_WRONLY) && !flags.has(O_RDWR) => without(O_TRUNC),
            Bug::ExclusiveIgnored => without(O_EXCL),
            _ => flags,
        };
        Call::Open { dir, path, flags, mode }
    }

    fn append(&mut self, call: Call) -> Result<Answer> {
        let &Call::Write { fd, .. } = &call else { return self.inner.call(call) };
        match self.inner.call(Call::Status(fd)) {
            Ok(Answer::Status(status)) if status.append => {
                self.inner.call(Call::SetStatus(fd, Status { append: false, ..status }))?;
                let answer = self.inner.call(call);
                self.inner.call(Call::SetStatus(fd, status))?;
                answer
            }
            _ => self.inner.call(call),
        }
    }

    fn negative(&mut self, call: Call) -> Result<Answer> {
        match &call {
            Call::Chdir(_) | Call::Fchdir(_) => self.memory.lock().missing.clear(),
            Call::Stat(Target::Path { dir: Dir::Cwd, path, .. }) => {
                let path = path.clone();
                if self.memory.lock().missing.contains(&path) {
                    return Err(Errno::ENOENT);
                }
                let answer = self.inner.call(call);
                if answer == Err(Errno::ENOENT) {
                    self.memory.lock().missing.insert(path);
                }
                return answer;
            }
            _ => {}
        }
        self.inner.call(call)
    }

    fn hole(&mut self, call: Call) -> Result<Answer> {
        let Call::Truncate { target, size } = &call else { return self.inner.call(call) };
        let (target, size) = (target.clone(), *size);
        let before = self.stat(target.clone());
        let answer = self.inner.call(call)?;
        let Some(before) = before else { return Ok(answer) };
        if size < before.size {
            self.memory.lock().marked.insert(before.ino);
        } else if size > before.size && self.memory.lock().marked.contains(&before.ino) {
            let opened = match target {
                Target::Fd(fd) => Ok(Answer::Fd(fd)),
                Target::Path { dir, path, .. } => self.inner.call(Call::Open { dir, path, flags: O_WRONLY, mode: 0 }),
            };
            if let Ok(Answer::Fd(fd)) = opened {
                let _ = self.inner.call(Call::Pwrite { fd, bufs: vec![vec![0xaa]], offset: before.size });
            }
        }
        Ok(answer)
    }

    fn cookie(&mut self, call: Call) -> Result<Answer> {
        let Call::ReadDir { fd, from, max } = call else { return self.inner.call(call) };
        let lost = u32::from(from != 0);
        match self.inner.call(Call::ReadDir { fd, from, max: max.saturating_add(lost) })? {
            Answer::Entries(entries) => Ok(Answer::Entries(entries.into_iter().skip(lost as usize).collect())),
            other => Ok(other),
        }
    }

    fn attributes(&mut self, call: Call) -> Result<Answer> {
        let (file, dir) = match &call {
            Call::Unlink { dir, path } => (self.lstat(*dir, path), Some((*dir, split(path).0))),
            Call::Rename { from_dir, from, .. } if self.bug == Bug::RenameChangesInode => (self.lstat(*from_dir, from), None),
            _ => (None, None),
        };
        let parent = dir.as_ref().and_then(|(dir, path)| self.lstat(*dir, path));
        let answer = self.inner.call(call)?;
        match (self.bug, file, parent) {
            (Bug::LinkCountOffByOne, Some(file), _) if file.nlink == 2 && file.kind == Kind::File => {
                self.memory.lock().marked.insert(file.ino);
            }
            (Bug::RenameChangesInode, Some(file), _) => {
                self.memory.lock().marked.insert(file.ino);
            }
            (Bug::RemovalLeavesTimes, _, Some(parent)) => {
                let (Some((dir, path)), mtime) = (dir, When::At(parent.mtime)) else { return Ok(answer) };
                let target = Target::Path { dir, path, follow: false };
                self.inner.call(Call::Utimens { target, atime: When::Omit, mtime })?;
            }
            _ => {}
        }
        let Answer::Stat(mut stat) = answer else { return Ok(answer) };
        if self.memory.lock().marked.contains(&stat.ino) {
            match self.bug {
                Bug::RenameChangesInode => stat.ino += 1 << 40,
                _ => stat.nlink += 1,
            }
        }
        Ok(Answer::Stat(stat))
    }

    fn keep_old(&mut self, call: Call) -> Result<Answer> {
        match call {
            Call::Open { flags, .. } if !flags.has(O_WRONLY) && !flags.has(O_RDWR) => {
                let answer = self.inner.call(call)?;
                if let &Answer::Fd(fd) = &answer
                    && let Ok(Answer::Bytes(bytes)) = self.inner.call(Call::Pread { fd, lens: vec![WHOLE], offset: 0 })
                    && bytes.len() < WHOLE as usize
                {
                    self.memory.lock().old.insert(fd, bytes);
                }
                Ok(answer)
            }
            Call::Pread { fd, ref lens, offset } => {
                let len = lens.iter().map(|&len| len as usize).sum();
                let answer = self.inner.call(call)?;
                let memory = self.memory.lock();
                let Some(old) = memory.old.get(&fd) else { return Ok(answer) };
                let from = old.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
                Ok(Answer::Bytes(from.iter().copied().take(len).collect()))
            }
            Call::Close(fd) => {
                self.memory.lock().old.remove(&fd);
                self.inner.call(call)
            }
            call => self.inner.call(call),
        }
    }

    fn simple(&mut self, call: Call) -> Result<Answer> {
        match (self.bug, call) {
            (Bug::RenameIntoItself, call @ Call::Rename { .. }) => match self.inner.call(call) {
                Err(Errno::EINVAL) => Ok(Answer::Done),
                answer => answer,
            },
            (Bug::FullDirectoryRemoved, call @ Call::Rmdir { .. }) => match self.inner.call(call) {
                Err(Errno::ENOTEMPTY) => Ok(Answer::Done),
                answer => answer,
            },
            (Bug::SlashIgnored, Call::Stat(Target::Path { dir, mut path, follow })) => {
                while path.len() > 1 && path.ends_with(b"/") {
                    path.pop();
                }
                self.inner.call(Call::Stat(Target::Path { dir, path, follow }))
            }
            (Bug::UmaskIgnored, call @ Call::Mkdir { .. }) => {
                let mask = self.number(Call::Umask(0)).and_then(|mask| u32::try_from(mask).ok());
                let answer = self.inner.call(call);
                self.inner.call(Call::Umask(mask.unwrap_or(0)))?;
                answer
            }
            (Bug::UnlinkedIsEmpty, Call::Read { fd, lens }) => {
                let gone = self.stat(Target::Fd(fd)).is_some_and(|stat| stat.kind == Kind::File && stat.nlink == 0);
                let answer = self.inner.call(Call::Read { fd, lens })?;
                Ok(if gone { Answer::Bytes(Vec::new()) } else { answer })
            }
            (Bug::SetIdSurvivesChown, call @ Call::Chown { .. }) => {
                let Call::Chown { target, .. } = &call else { return self.inner.call(call) };
                let target = target.clone();
                let before = self.stat(target.clone());
                let answer = self.inner.call(call)?;
                if let Some(stat) = before.filter(|stat| stat.kind == Kind::File) {
                    self.inner.call(Call::Chmod { target, mode: stat.mode })?;
                }
                Ok(answer)
            }
            (_, call) => self.inner.call(call),
        }
    }
}

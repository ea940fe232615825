//! Watching many open files at once: what `epoll` is made of.
//!
//! A watch belongs to a descriptor's number and the open file that it stood for. It goes with the open file, not with the number.
//!
//! The list is locked while the watched streams are asked, each of which locks for itself; a list that watches another one is locked first.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::fd_table::Fd;
use crate::open_file::OpenFile;
use crate::stream::{Changes, Readiness, Stream};
use crate::wait::{Outcome, Wait};
use crate::{Errno, FileKind, Result, Stat};

/// What to tell of an open file, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watch {
    /// When it can be read.
    pub read: bool,
    /// When it can be written.
    pub write: bool,
    /// When the other side of a socket will send no more.
    pub read_closed: bool,
    /// Only what has changed since it was last told.
    pub edge: bool,
    /// Only once; then the watch sleeps until it is changed.
    pub once: bool,
    /// What the ABI wants to know again with what is told. This crate does not read it.
    pub bits: u32,
    /// What the guest wants to know again with what is told.
    pub data: u64,
}

impl Watch {
    /// Whether there is something to tell. The other side gone, and an error, always are.
    fn wants(&self, ready: Readiness) -> bool {
        (self.read && ready.readable)
            || (self.write && ready.writable)
            || (self.read_closed && ready.read_closed)
            || ready.hangup
            || ready.error
    }

    /// What of `changes` matters to it.
    fn matter(&self, changes: Changes) -> Changes {
        let any = !self.read && !self.write;
        let only = |wanted, count| if wanted || any { count } else { 0 };
        Changes { read: only(self.read || self.read_closed, changes.read), write: only(self.write, changes.write) }
    }
}

/// A change to the list of what is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchChange {
    /// Watch it.
    Add(Watch),
    /// Watch it otherwise.
    Modify(Watch),
    /// Watch it no more.
    Remove,
}

/// What is told of one watched file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// How it is watched.
    pub watch: Watch,
    /// What can be done.
    pub ready: Readiness,
    /// What it is.
    pub kind: FileKind,
}

struct Watched {
    fd: Fd,
    file: Weak<OpenFile>,
    watch: Watch,
    /// The changes when it was last told; none when it must be told whatever has changed.
    told: Option<Changes>,
    asleep: bool,
}

impl Watched {
    fn is(&self, fd: Fd, file: &Arc<OpenFile>) -> bool {
        self.fd == fd && self.file.as_ptr() == Arc::as_ptr(file)
    }

    /// What there is to tell, and the changes that are told by it.
    fn look(&self) -> Option<(Told, Changes)> {
        let file = self.file.upgrade().filter(|_| !self.asleep)?;
        let stream = file.as_stream()?;
        // Before the readiness is looked at, so that what changes in between is told next time.
        let changes = self.watch.matter(stream.changes());
        if self.watch.edge && self.told == Some(changes) {
            return None;
        }
        let ready = stream.readiness();
        self.watch.wants(ready).then(|| (Told { watch: self.watch, ready, kind: file.kind() }, changes))
    }
}

/// A list of watched files, itself a file that can be read when there is something to tell.
#[derive(Default)]
pub(crate) struct Epoll {
    watched: Mutex<Vec<Watched>>,
    /// Whether another list watches this one, or did.
    inner: AtomicBool,
}

impl Epoll {
    /// Changes how `file`, which is the descriptor `fd`, is watched.
    ///
    /// # Errors
    /// `ELOOP` when lists would watch lists that watch lists; `EEXIST`; `ENOENT`; `ENOSPC` past `max`.
    pub fn change(&self, fd: Fd, file: &Arc<OpenFile>, change: WatchChange, max: usize) -> Result<()> {
        if let (WatchChange::Add(_), Some(inner)) = (change, file.as_epoll()) {
            if self.inner.load(Ordering::Relaxed) || inner.watches_lists() {
                return Err(Errno::ELOOP);
            }
            inner.inner.store(true, Ordering::Relaxed);
        }
        let mut watched = self.watched.lock();
        let at = watched.iter().position(|watched| watched.is(fd, file));
        match (change, at) {
            (WatchChange::Add(_), Some(_)) => return Err(Errno::EEXIST),
            (WatchChange::Add(watch), None) => {
                watched.retain(|watched| watched.file.strong_count() > 0);
                if watched.len() >= max {
                    return Err(Errno::ENOSPC);
                }
                watched.push(Watched { fd, file: Arc::downgrade(file), watch, told: None, asleep: false });
            }
            (WatchChange::Modify(_) | WatchChange::Remove, None) => return Err(Errno::ENOENT),
            (WatchChange::Modify(watch), Some(at)) => {
                if let Some(watched) = watched.get_mut(at) {
                    *watched = Watched { watch, told: None, asleep: false, file: watched.file.clone(), ..*watched };
                }
            }
            (WatchChange::Remove, Some(at)) => {
                watched.remove(at);
            }
        }
        Ok(())
    }

    fn watches_lists(&self) -> bool {
        self.watched.lock().iter().any(|watched| watched.file.upgrade().is_some_and(|file| file.as_epoll().is_some()))
    }

    /// At most `max` files of which there is something to tell, which is told by this. What is told goes behind what is not, so that
    /// nobody waits for ever.
    pub fn tell(&self, max: usize) -> Vec<Told> {
        let mut watched = self.watched.lock();
        let mut all = Vec::new();
        let (mut silent, mut spoken) = (Vec::new(), Vec::new());
        for mut each in watched.drain(..).filter(|watched| watched.file.strong_count() > 0) {
            match each.look().filter(|_| all.len() < max) {
                None => silent.push(each),
                Some((told, changes)) => {
                    each.told = Some(changes);
                    each.asleep = told.watch.once;
                    all.push(told);
                    spoken.push(each);
                }
            }
        }
        silent.append(&mut spoken);
        *watched = silent;
        all
    }
}

impl Stream for Epoll {
    fn read(&self, _: &mut [u8]) -> Result<Outcome<usize>> {
        Err(Errno::EINVAL)
    }

    fn write(&self, _: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        Err(Errno::EINVAL)
    }

    fn readiness(&self) -> Readiness {
        Readiness { readable: self.watched.lock().iter().any(|watched| watched.look().is_some()), ..Readiness::default() }
    }

    fn or_changes(&self, wait: Wait) -> Wait {
        let watched = self.watched.lock();
        let mut wait = wait;
        for file in watched.iter().filter(|watched| !watched.asleep).filter_map(|watched| watched.file.upgrade()) {
            if let Some(stream) = file.as_stream() {
                wait = stream.or_changes(wait);
            }
        }
        wait
    }

    fn changes(&self) -> Changes {
        let watched = self.watched.lock();
        let files = watched.iter().filter_map(|watched| watched.file.upgrade());
        let sum = |all: Changes, one: Changes| Changes {
            read: all.read.wrapping_add(one.read).wrapping_add(one.write),
            write: all.write,
        };
        files.filter_map(|file| file.as_stream().map(|stream| stream.changes())).fold(Changes::default(), sum)
    }

    fn stat(&self) -> Stat {
        Stat { mode: 0o600, ..Stat::new(1, FileKind::CharDevice) }
    }
}

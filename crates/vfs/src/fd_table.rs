//! The table of a process's descriptors.

use std::sync::Arc;

use crate::namespace::{OwnFds, Place};
use crate::open_file::OpenFile;
use crate::{Errno, Result};

/// A descriptor's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fd(u32);

impl Fd {
    /// Standard input.
    pub const STDIN: Fd = Fd(0);
    /// Standard output.
    pub const STDOUT: Fd = Fd(1);
    /// Standard error.
    pub const STDERR: Fd = Fd(2);

    /// The descriptor of that number, open or not.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Fd(number)
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an ABI allows on a descriptor. This crate keeps the bits with the descriptor and does not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// For the descriptor itself.
    pub base: u64,
    /// At most, for descriptors opened through it.
    pub inheriting: u64,
}

impl Rights {
    /// Everything.
    pub const ALL: Rights = Rights { base: u64::MAX, inheriting: u64::MAX };
}

/// One entry of the table: what belongs to the number and not to the open file.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// The open file description; `dup` shares it.
    pub file: Arc<OpenFile>,
    /// Close-on-exec (`FD_CLOEXEC`), kept for the guest to ask.
    pub cloexec: bool,
    /// The ABI's rights.
    pub rights: Rights,
    /// The guest path under which a directory was handed to the guest from the start (WASI's preopens).
    pub preopen: Option<Arc<[u8]>>,
}

impl Descriptor {
    /// A descriptor of `file` with all rights.
    #[must_use]
    pub fn new(file: Arc<OpenFile>, cloexec: bool) -> Self {
        Descriptor { file, cloexec, rights: Rights::ALL, preopen: None }
    }
}

/// Lowest free number first, as POSIX wants.
#[derive(Debug)]
pub(crate) struct FdTable {
    slots: Vec<Option<Descriptor>>,
    /// No number below is free.
    lowest: usize,
    max: usize,
}

impl FdTable {
    pub fn new(max: u32) -> Self {
        FdTable { slots: Vec::new(), lowest: 0, max: max as usize }
    }

    pub fn get(&self, fd: Fd) -> Result<&Descriptor> {
        self.slots.get(fd.index()).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    pub fn get_mut(&mut self, fd: Fd) -> Result<&mut Descriptor> {
        self.slots.get_mut(fd.index()).and_then(Option::as_mut).ok_or(Errno::EBADF)
    }

    fn free_from(&self, at_least: usize) -> Result<usize> {
        let start = at_least.max(self.lowest);
        let used = self.slots.iter().skip(start).take_while(|slot| slot.is_some()).count();
        Some(start + used).filter(|&n| n < self.max).ok_or(Errno::EMFILE)
    }

    /// Whether another descriptor fits.
    pub fn check_free(&self) -> Result<()> {
        self.free_from(0).map(drop)
    }

    fn put(&mut self, index: usize, descriptor: Descriptor) -> Result<Fd> {
        let fd = Fd(u32::try_from(index).map_err(|_| Errno::EMFILE)?);
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(descriptor);
        }
        if index == self.lowest {
            self.lowest += 1;
        }
        Ok(fd)
    }

    /// Puts `descriptor` at the lowest free number from `at_least` on.
    pub fn insert(&mut self, descriptor: Descriptor, at_least: Fd) -> Result<Fd> {
        if at_least.index() >= self.max {
            return Err(Errno::EINVAL);
        }
        let index = self.free_from(at_least.index())?;
        let fd = self.put(index, descriptor)?;
        if at_least.index() <= self.lowest {
            self.lowest = index + 1;
        }
        Ok(fd)
    }

    /// Puts `descriptor` at `fd`, closing what was there.
    pub fn replace(&mut self, fd: Fd, descriptor: Descriptor) -> Result<Fd> {
        if fd.index() >= self.max {
            return Err(Errno::EBADF);
        }
        self.put(fd.index(), descriptor)
    }

    pub fn remove(&mut self, fd: Fd) -> Result<Descriptor> {
        let slot = self.slots.get_mut(fd.index()).and_then(Option::take).ok_or(Errno::EBADF)?;
        self.lowest = self.lowest.min(fd.index());
        Ok(slot)
    }

    pub fn open(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().zip(0..).filter_map(|(slot, n)| slot.as_ref().map(|_| n))
    }
}

impl OwnFds for FdTable {
    fn directory(&self, fd: u32) -> Result<Place> {
        self.get(Fd(fd)).map_err(|_| Errno::ENOENT)?.file.directory().cloned()
    }
}

//! Pipes: what FIFOs in a layer and anonymous pipes of a process are made of.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::stream::{Changes, Readiness, Stream};
use crate::wait::{Event, Outcome, Wait};
use crate::{Access, Errno, FileKind, Limits, Result, Stat};

/// A write of so many bytes or fewer goes in whole or not at all (`PIPE_BUF`).
pub const PIPE_BUF: usize = 4096;

/// How many bytes a pipe holds as it is made, and how many it may be made to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PipeSize {
    /// A power of two, so that it can be asked for.
    first: usize,
    most: usize,
}

impl PipeSize {
    /// [`Limits::pipe`] and [`Limits::pipe_max`].
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        let fixed = PipeSize::fixed(limits.pipe);
        PipeSize { most: fixed.most.max(limits.pipe_max), ..fixed }
    }

    /// So many bytes, rounded down to a power of two and [`PIPE_BUF`] at least, and never more.
    #[must_use]
    pub fn fixed(bytes: usize) -> Self {
        let bytes = 1 << bytes.max(PIPE_BUF).ilog2();
        PipeSize { first: bytes, most: bytes }
    }
}

/// A bounded queue of bytes with two kinds of ends.
#[derive(Debug)]
pub struct Pipe {
    state: Mutex<State>,
    event: Arc<Event>,
    /// The most that it may be made to hold.
    most: usize,
    ino: u64,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    readers: usize,
    writers: usize,
    /// How many writers and readers there ever were: an opener that waits for a peer must not miss one that came and went.
    writers_ever: u64,
    readers_ever: u64,
    changes: Changes,
}

impl State {
    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.bytes.len())
    }
}

impl Pipe {
    /// An empty pipe, shown with inode number `ino`.
    #[must_use]
    pub fn new(size: PipeSize, ino: u64) -> Arc<Self> {
        Pipe::signalling(size, ino, Arc::default())
    }

    /// A pipe that signals `event`, which others may share.
    pub(crate) fn signalling(size: PipeSize, ino: u64, event: Arc<Event>) -> Arc<Self> {
        let PipeSize { first, most } = size;
        Arc::new(Pipe { state: Mutex::new(State { capacity: first, ..State::default() }), event, most, ino })
    }

    /// An end of the pipe, at once, whether or not anyone holds the other.
    #[must_use]
    pub fn end(self: &Arc<Self>, access: Access) -> PipeEnd {
        let mut state = self.state.lock();
        state.readers += usize::from(access.read);
        state.writers += usize::from(access.write);
        state.readers_ever += u64::from(access.read);
        state.writers_ever += u64::from(access.write);
        let (peers, peers_ever) =
            if access.read { (state.writers, state.writers_ever) } else { (state.readers, state.readers_ever) };
        drop(state);
        self.event.signal();
        PipeEnd { pipe: self.clone(), access, peers_ever, alone: peers == 0 }
    }

    /// Whether someone could read.
    #[must_use]
    pub fn has_reader(&self) -> bool {
        self.state.lock().readers > 0
    }
}

/// One end of a [`Pipe`]. Dropping it closes it.
#[derive(Debug)]
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    access: Access,
    peers_ever: u64,
    /// Nobody held the other end when this one was made. Until somebody has come, nobody has gone.
    alone: bool,
}

impl PipeEnd {
    /// Whether opening this end is over: it has both directions, or somebody holds the other end or has held it since.
    /// Otherwise what to wait for.
    #[must_use]
    pub fn opened(&self) -> Option<Wait> {
        let seen = self.pipe.event.times();
        let state = self.pipe.state.lock();
        let (peers, ever) =
            if self.access.read { (state.writers, state.writers_ever) } else { (state.readers, state.readers_ever) };
        let done = (self.access.read && self.access.write) || peers > 0 || ever != self.peers_ever;
        (!done).then(|| Wait::new().or_event(&self.pipe.event, seen))
    }

    /// Whether this is an end of `pipe` with that access.
    #[must_use]
    pub fn is(&self, pipe: &Arc<Pipe>, access: Access) -> bool {
        Arc::ptr_eq(&self.pipe, pipe) && self.access == access
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.access.read);
        state.writers -= usize::from(self.access.write);
        if state.readers == 0 && state.writers == 0 {
            state.bytes = VecDeque::new();
        } else if state.readers == 0 || state.writers == 0 {
            state.changes = Changes { read: state.changes.read + 1, write: state.changes.write + 1 };
        }
        drop(state);
        self.pipe.event.signal();
    }
}

impl Stream for PipeEnd {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        if !self.access.read {
            return Err(Errno::EBADF);
        }
        let seen = self.pipe.event.times();
        let mut state = self.pipe.state.lock();
        if state.bytes.is_empty() && state.writers > 0 && !buf.is_empty() {
            return Ok(Outcome::Wait(Wait::new().or_event(&self.pipe.event, seen)));
        }
        let n = buf.len().min(state.bytes.len());
        let full = state.room() < PIPE_BUF;
        for (to, from) in buf.iter_mut().zip(state.bytes.drain(..n)) {
            *to = from;
        }
        state.changes.write += u64::from(full && state.room() >= PIPE_BUF);
        drop(state);
        if n > 0 {
            self.pipe.event.signal();
        }
        Ok(Outcome::Ready(n))
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        if !self.access.write {
            return Err(Errno::EBADF);
        }
        let total: usize = bufs.iter().map(|buf| buf.len()).sum();
        let seen = self.pipe.event.times();
        if total == 0 {
            return Ok(Outcome::Ready(0));
        }
        let mut state = self.pipe.state.lock();
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let room = state.room();
        if room < total.min(PIPE_BUF) {
            return Ok(Outcome::Wait(Wait::new().or_event(&self.pipe.event, seen)));
        }
        let mut left = room;
        for buf in bufs {
            let part = buf.get(..left.min(buf.len())).unwrap_or_default();
            state.bytes.extend(part);
            left -= part.len();
        }
        state.changes.read += u64::from(left < room);
        drop(state);
        if left < room {
            self.pipe.event.signal();
        }
        Ok(Outcome::Ready(room - left))
    }

    fn readiness(&self) -> Readiness {
        let state = self.pipe.state.lock();
        let reading = self.access.read;
        // As poll(2): the reader of a FIFO that no writer has opened yet is not told of an end.
        let hangup = reading && state.writers == 0 && !(self.alone && state.writers_ever == self.peers_ever);
        Readiness {
            readable: reading && (!state.bytes.is_empty() || hangup),
            writable: self.access.write && (state.readers == 0 || state.room() >= PIPE_BUF),
            hangup,
            error: self.access.write && state.readers == 0,
            read_closed: false,
            bytes: if reading { state.bytes.len() as u64 } else { 0 },
        }
    }

    fn event(&self) -> Option<Arc<Event>> {
        Some(self.pipe.event.clone())
    }

    fn changes(&self) -> Changes {
        self.pipe.state.lock().changes
    }

    fn pipe_size(&self) -> Option<usize> {
        Some(self.pipe.state.lock().capacity)
    }

    fn set_pipe_size(&self, bytes: u32) -> Result<usize> {
        // As Linux: whole pages, whose number is a power of two.
        let size = bytes.checked_next_power_of_two().filter(|&size| size <= 1 << 31).ok_or(Errno::EINVAL)?;
        let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?.max(PIPE_BUF);
        let mut state = self.pipe.state.lock();
        if size > self.pipe.most {
            return Err(Errno::EPERM);
        }
        if size < state.bytes.len() {
            return Err(Errno::EBUSY);
        }
        let full = state.room() < PIPE_BUF;
        state.capacity = size;
        state.changes.write += u64::from(full && state.room() >= PIPE_BUF);
        drop(state);
        self.pipe.event.signal();
        Ok(size)
    }

    fn stat(&self) -> Stat {
        Stat { mode: 0o600, ..Stat::new(self.pipe.ino, FileKind::Fifo) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(outcome: Result<Outcome<usize>>) -> Option<usize> {
        match outcome.unwrap() {
            Outcome::Ready(n) => Some(n),
            Outcome::Wait(_) => None,
        }
    }

    #[test]
    fn bytes_come_in_order_and_the_end_after_the_last_writer() {
        let pipe = Pipe::new(PipeSize::fixed(PIPE_BUF), 1);
        let (reader, writer) = (pipe.end(Access::READ), pipe.end(Access::WRITE));
        let mut buf = [0; 8];
        assert_eq!(ready(reader.read(&mut buf)), None);
        assert_eq!(ready(writer.write(&[IoSlice::new(b"ab"), IoSlice::new(b"c")])), Some(3));
        assert_eq!(ready(reader.read(&mut buf)), Some(3));
        assert_eq!(&buf[..3], b"abc");
        drop(writer);
        assert_eq!(ready(reader.read(&mut buf)), Some(0));
        assert!(reader.readiness().hangup);
    }

    #[test]
    fn a_small_write_is_whole_or_waits_and_a_large_one_is_short() {
        let pipe = Pipe::new(PipeSize::fixed(PIPE_BUF), 1);
        let (reader, writer) = (pipe.end(Access::READ), pipe.end(Access::WRITE));
        assert_eq!(ready(writer.write(&[IoSlice::new(&[1; 5000])])), Some(PIPE_BUF));
        assert_eq!(ready(writer.write(&[IoSlice::new(&[1; 2])])), None);
        assert!(!writer.readiness().writable);
        drop(reader);
        assert_eq!(writer.write(&[IoSlice::new(b"x")]).unwrap_err(), Errno::EPIPE);
    }

    #[test]
    fn an_opener_sees_a_peer_that_came_and_went() {
        let pipe = Pipe::new(PipeSize::fixed(PIPE_BUF), 1);
        let reader = pipe.end(Access::READ);
        assert!(reader.opened().is_some());
        drop(pipe.end(Access::WRITE));
        assert!(reader.opened().is_none());
    }
}

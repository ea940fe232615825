//! What has no positions: terminals, pipes, captured output. The process holds them as open files beside files of the layers.

mod host;

use std::io::IoSlice;
use std::sync::Arc;

pub use host::{HostInput, HostOutput};
use parking_lot::Mutex;

use crate::wait::{Event, Outcome, Wait};
use crate::{Errno, FileKind, Result, Stat};

/// What can be done on a stream without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness {
    /// A read gives data, or the end.
    pub readable: bool,
    /// A write takes something, or fails at once.
    pub writable: bool,
    /// The other side has gone.
    pub hangup: bool,
    /// Writing fails with `EPIPE`.
    pub error: bool,
    /// The other side of a socket will send no more.
    pub read_closed: bool,
    /// Bytes that are known to be there to read.
    pub bytes: u64,
}

/// How often the readiness of a stream has risen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Something came to read.
    pub read: u64,
    /// Room came to write.
    pub write: u64,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines of text.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// A source or sink of bytes in order.
pub trait Stream: Send + Sync {
    /// Reads what is there; 0 bytes mean the end. Waits when there is nothing yet.
    ///
    /// # Errors
    /// `EBADF` when it cannot be read at all; `EIO`.
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        let _ = buf;
        Err(Errno::EBADF)
    }

    /// Writes; may be short. Waits when nothing can be taken yet.
    ///
    /// # Errors
    /// `EBADF` when it cannot be written at all, `EPIPE` when nobody will read, `ENOSPC` past a bound.
    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        let _ = bufs;
        Err(Errno::EBADF)
    }

    /// What can be done now.
    fn readiness(&self) -> Readiness;

    /// What is signalled when the readiness changes; none for a stream that is always ready.
    fn event(&self) -> Option<Arc<Event>> {
        None
    }

    /// `wait`, ended when the readiness changes after this call.
    fn or_changes(&self, wait: Wait) -> Wait {
        let Some(event) = self.event() else { return wait };
        let seen = event.times();
        wait.or_event(&event, seen)
    }

    /// How often the readiness has risen: what tells an edge. A stream that does not count them apart counts its events.
    fn changes(&self) -> Changes {
        let times = self.event().map_or(0, |event| event.times());
        Changes { read: times, write: times }
    }

    /// Its attributes: a pipe's or a character device's.
    fn stat(&self) -> Stat;

    /// How many bytes it holds, when it is a pipe.
    fn pipe_size(&self) -> Option<usize> {
        None
    }

    /// Has it hold at least so many bytes, when it is a pipe; answers how many it holds now.
    ///
    /// # Errors
    /// `EBADF` when it is none; `EINVAL` above 2 GiB; `EPERM` above its bound; `EBUSY` when there are more bytes in it.
    fn set_pipe_size(&self, bytes: u32) -> Result<usize> {
        let _ = bytes;
        Err(Errno::EBADF)
    }

    /// The terminal's size, when it is one.
    fn terminal(&self) -> Option<TerminalSize> {
        None
    }
}

/// Input that is already there; then the end.
#[derive(Debug, Default)]
pub struct BytesInput(Mutex<(Vec<u8>, usize)>);

impl BytesInput {
    /// A stream that gives `bytes` and ends.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        BytesInput(Mutex::new((bytes.into(), 0)))
    }
}

impl Stream for BytesInput {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        let (bytes, at) = &mut *self.0.lock();
        let rest = bytes.get(*at..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        *at += n;
        Ok(Outcome::Ready(n))
    }

    fn readiness(&self) -> Readiness {
        let (bytes, at) = &*self.0.lock();
        let left = bytes.len() - at;
        Readiness { readable: true, hangup: left == 0, bytes: left as u64, ..Readiness::default() }
    }

    fn stat(&self) -> Stat {
        Stat::new(1, FileKind::Fifo)
    }
}

/// Output that is kept, up to a bound, for the embedder to take. Cloning shares it.
#[derive(Debug, Clone)]
pub struct CapturedOutput {
    kept: Arc<Mutex<Vec<u8>>>,
    max: u64,
}

impl CapturedOutput {
    /// Keeps at most `max` bytes; a write past it gets `ENOSPC`.
    #[must_use]
    pub fn new(max: u64) -> Self {
        CapturedOutput { kept: Arc::default(), max }
    }

    /// What has been written so far; the next call starts behind it.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.kept.lock())
    }

    /// What has been written so far, as text; invalid UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept.lock()).into_owned()
    }
}

impl Stream for CapturedOutput {
    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        let mut kept = self.kept.lock();
        let mut written = 0;
        for buf in bufs {
            let room = usize::try_from(self.max.saturating_sub(kept.len() as u64)).unwrap_or(usize::MAX);
            let part = buf.get(..room.min(buf.len())).unwrap_or_default();
            kept.extend_from_slice(part);
            written += part.len();
        }
        if written == 0 && bufs.iter().any(|buf| !buf.is_empty()) { Err(Errno::ENOSPC) } else { Ok(Outcome::Ready(written)) }
    }

    fn readiness(&self) -> Readiness {
        Readiness { writable: true, ..Readiness::default() }
    }

    fn stat(&self) -> Stat {
        Stat::new(2, FileKind::Fifo)
    }
}

/// Swallows what is written and is always at its end.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullStream;

impl Stream for NullStream {
    fn read(&self, _: &mut [u8]) -> Result<Outcome<usize>> {
        Ok(Outcome::Ready(0))
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        Ok(Outcome::Ready(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn readiness(&self) -> Readiness {
        Readiness { readable: true, writable: true, ..Readiness::default() }
    }

    fn stat(&self) -> Stat {
        Stat::new(3, FileKind::CharDevice)
    }
}

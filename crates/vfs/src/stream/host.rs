//! Streams over the embedder's readers and writers, the host's own standard streams first.

use std::collections::VecDeque;
use std::io::{IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::{Readiness, Stream, TerminalSize};
use crate::wait::{Event, Interrupt, Outcome, Wait};
use crate::{Errno, FileKind, Result, Stat};

/// Bytes that are read ahead of the guest at most.
const READ_AHEAD: usize = 64 * 1024;

/// Input from a blocking reader. A thread of its own reads when the guest asks, so that a guest's wait can be interrupted and nothing is taken
/// from a terminal that the guest does not want.
pub struct HostInput {
    shared: Arc<Shared>,
    reader: Mutex<Option<Box<dyn Read + Send>>>,
    terminal: Option<fn() -> Option<TerminalSize>>,
    kind: FileKind,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wanted: Condvar,
    event: Arc<Event>,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    wanted: bool,
    ended: bool,
    failed: bool,
    closed: bool,
}

impl HostInput {
    /// Input from `reader`, shown to the guest as a pipe.
    pub fn new(reader: impl Read + Send + 'static) -> Self {
        HostInput { shared: Arc::default(), reader: Mutex::new(Some(Box::new(reader))), terminal: None, kind: FileKind::Fifo }
    }

    /// The host's standard input; a terminal stays one.
    #[must_use]
    pub fn stdin() -> Self {
        let mut input = HostInput::new(std::io::stdin());
        input.terminal = terminal(&std::io::stdin());
        input.kind = standard_kind(&std::io::stdin());
        input
    }

    fn ask(&self, state: &mut State) {
        state.wanted = true;
        if let Some(reader) = self.reader.lock().take() {
            let shared = self.shared.clone();
            let again = self.terminal.is_some();
            let thread = std::thread::Builder::new().name("stratafs-stdin".into());
            if thread.spawn(move || shared.fill(reader, again)).is_err() {
                state.failed = true;
            }
        }
        self.shared.wanted.notify_one();
    }
}

impl Shared {
    /// Reads each time that the guest wants more, until the end. A terminal goes on after an end (Ctrl-D).
    fn fill(&self, mut reader: Box<dyn Read + Send>, again: bool) {
        let mut buf = vec![0; READ_AHEAD];
        loop {
            {
                let mut state = self.state.lock();
                while !state.wanted && !state.closed {
                    self.wanted.wait(&mut state);
                }
                if state.closed {
                    return;
                }
            }
            let got = reader.read(&mut buf);
            let mut state = self.state.lock();
            state.wanted = false;
            match got {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    state.wanted = true;
                    continue;
                }
                Ok(0) => state.ended = true,
                Ok(n) => state.bytes.extend(buf.get(..n).unwrap_or_default()),
                Err(_) => state.failed = true,
            }
            let over = state.failed || (state.ended && !again);
            drop(state);
            self.event.signal();
            if over {
                return;
            }
        }
    }
}

impl Drop for HostInput {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.wanted.notify_one();
    }
}

impl Stream for HostInput {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        let seen = self.shared.event.times();
        let mut state = self.shared.state.lock();
        if state.bytes.is_empty() && !buf.is_empty() {
            if state.failed {
                return Err(Errno::EIO);
            }
            if !state.ended {
                self.ask(&mut state);
                return Ok(Outcome::Wait(Wait::new().or_event(&self.shared.event, seen)));
            }
            // A terminal's end is told once.
            state.ended = self.terminal.is_none();
        }
        let n = buf.len().min(state.bytes.len());
        for (to, from) in buf.iter_mut().zip(state.bytes.drain(..n)) {
            *to = from;
        }
        Ok(Outcome::Ready(n))
    }

    fn readiness(&self) -> Readiness {
        let mut state = self.shared.state.lock();
        let readable = !state.bytes.is_empty() || state.ended || state.failed;
        if !readable {
            self.ask(&mut state);
        }
        let bytes = state.bytes.len() as u64;
        Readiness { readable, bytes, hangup: state.ended && bytes == 0, ..Readiness::default() }
    }

    fn event(&self) -> Option<Arc<Event>> {
        Some(self.shared.event.clone())
    }

    fn stat(&self) -> Stat {
        Stat::new(1, self.kind)
    }

    fn terminal(&self) -> Option<TerminalSize> {
        self.terminal.and_then(|size| size())
    }
}

/// Output to a blocking writer, up to a bound.
pub struct HostOutput {
    writer: Mutex<Box<dyn Write + Send>>,
    written: AtomicU64,
    max: u64,
    past_max: Interrupt,
    terminal: Option<fn() -> Option<TerminalSize>>,
    kind: FileKind,
}

impl HostOutput {
    /// Output to `writer`, shown to the guest as a pipe; flushed after every write.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        HostOutput {
            writer: Mutex::new(Box::new(writer)),
            written: AtomicU64::new(0),
            max: u64::MAX,
            past_max: Interrupt::new(),
            terminal: None,
            kind: FileKind::Fifo,
        }
    }

    /// The host's standard output; a terminal stays one.
    #[must_use]
    pub fn stdout() -> Self {
        let kind = standard_kind(&std::io::stdout());
        HostOutput { terminal: terminal(&std::io::stdout()), kind, ..HostOutput::new(std::io::stdout()) }
    }

    /// The host's standard error; a terminal stays one.
    #[must_use]
    pub fn stderr() -> Self {
        let kind = standard_kind(&std::io::stderr());
        HostOutput { terminal: terminal(&std::io::stderr()), kind, ..HostOutput::new(std::io::stderr()) }
    }

    /// Takes at most `max` bytes. The write that goes past it is cut there, the next gets `ENOSPC` and raises `interrupt`.
    #[must_use]
    pub fn limit(mut self, max: u64, interrupt: &Interrupt) -> Self {
        self.max = max;
        self.past_max = interrupt.clone();
        self
    }

    /// Whether more than the bound was written.
    #[must_use]
    pub fn is_past_limit(&self) -> bool {
        self.written.load(Ordering::Relaxed) > self.max
    }
}

impl Stream for HostOutput {
    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        let mut writer = self.writer.lock();
        let mut total = 0;
        for buf in bufs.iter().filter(|buf| !buf.is_empty()) {
            let written = self.written.load(Ordering::Relaxed);
            let room = usize::try_from(self.max.saturating_sub(written)).unwrap_or(usize::MAX);
            let part = buf.get(..room.min(buf.len())).unwrap_or_default();
            if let Err(error) = writer.write_all(part) {
                let errno = if error.kind() == std::io::ErrorKind::BrokenPipe { Errno::EPIPE } else { Errno::EIO };
                return if total > 0 { Ok(Outcome::Ready(total)) } else { Err(errno) };
            }
            total += part.len();
            self.written.store(written.saturating_add(buf.len() as u64), Ordering::Relaxed);
            if part.len() < buf.len() {
                self.past_max.raise();
                break;
            }
        }
        if writer.flush().is_err() && total == 0 {
            return Err(Errno::EIO);
        }
        if total == 0 && bufs.iter().any(|buf| !buf.is_empty()) { Err(Errno::ENOSPC) } else { Ok(Outcome::Ready(total)) }
    }

    fn readiness(&self) -> Readiness {
        Readiness { writable: true, ..Readiness::default() }
    }

    fn stat(&self) -> Stat {
        Stat::new(2, self.kind)
    }

    fn terminal(&self) -> Option<TerminalSize> {
        self.terminal.and_then(|size| size())
    }
}

#[cfg(unix)]
fn standard_kind(stream: &impl std::os::fd::AsFd) -> FileKind {
    match rustix::fs::fstat(stream).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode)) {
        Ok(rustix::fs::FileType::CharacterDevice) => FileKind::CharDevice,
        _ => FileKind::Fifo,
    }
}

#[cfg(not(unix))]
fn standard_kind(stream: &impl std::io::IsTerminal) -> FileKind {
    if stream.is_terminal() { FileKind::CharDevice } else { FileKind::Fifo }
}

fn terminal(stream: &impl std::io::IsTerminal) -> Option<fn() -> Option<TerminalSize>> {
    stream.is_terminal().then_some(terminal_size as fn() -> Option<TerminalSize>)
}

/// The size of the terminal that any of the host's standard streams is; 24 by 80 where it does not tell.
fn terminal_size() -> Option<TerminalSize> {
    #[cfg(unix)]
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        if let Ok(size) = rustix::termios::tcgetwinsize(fd)
            && size.ws_row > 0
        {
            return Some(TerminalSize { rows: size.ws_row, columns: size.ws_col });
        }
    }
    Some(TerminalSize { rows: 24, columns: 80 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_waits_then_gives_everything_and_the_end() {
        let input = HostInput::new(&b"hello"[..]);
        let mut got = Vec::new();
        let mut buf = [0; 3];
        loop {
            match input.read(&mut buf).unwrap() {
                Outcome::Ready(0) => break,
                Outcome::Ready(n) => got.extend_from_slice(&buf[..n]),
                Outcome::Wait(wait) => wait.block(),
            }
        }
        assert_eq!(got, b"hello");
    }

    #[test]
    fn output_stops_at_its_bound_and_raises_the_interrupt() {
        let interrupt = Interrupt::new();
        let output = HostOutput::new(std::io::sink()).limit(4, &interrupt);
        let write = |bytes: &[u8]| match output.write(&[IoSlice::new(bytes)]) {
            Ok(Outcome::Ready(n)) => Ok(n),
            Ok(Outcome::Wait(_)) => Err(Errno::EAGAIN),
            Err(errno) => Err(errno),
        };
        assert_eq!(write(b"1234"), Ok(4));
        assert!(!interrupt.is_raised() && !output.is_past_limit());
        assert_eq!(write(b""), Ok(0));
        assert_eq!(write(b"5"), Err(Errno::ENOSPC));
        assert!(interrupt.is_raised() && output.is_past_limit());
    }
}

//! Calls that may wait change nothing until they go through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use stratafs::stream::{Readiness, Stream};
use stratafs::{DirFd, Errno, Event, FileKind, OpenHow, Outcome, Result, Stat, Wait};
use stratafs_abi::Flow;

use crate::guest::{ALL, FOLLOW, Guest, NONBLOCK, READ, ROOT, state};
use crate::polls;

/// Waits three times at each side, then goes through.
#[derive(Default)]
struct Thrice {
    asked: AtomicU32,
    event: Arc<Event>,
}

impl Thrice {
    fn wait(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) % 4 < 3
    }
}

impl Stream for Thrice {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        if self.wait() {
            return Ok(Outcome::Wait(Wait::new().or_event(&self.event, self.event.times())));
        }
        let n = buf.len().min(2);
        buf[..n].fill(b'r');
        Ok(Outcome::Ready(n))
    }

    fn write(&self, bufs: &[std::io::IoSlice<'_>]) -> Result<Outcome<usize>> {
        if self.wait() {
            return Ok(Outcome::Wait(Wait::new().or_event(&self.event, self.event.times())));
        }
        Ok(Outcome::Ready(bufs.iter().map(|b| b.len()).sum()))
    }

    fn readiness(&self) -> Readiness {
        Readiness { readable: !self.wait(), ..Readiness::default() }
    }

    fn event(&self) -> Option<Arc<Event>> {
        Some(self.event.clone())
    }

    fn stat(&self) -> Stat {
        Stat::new(5, FileKind::Fifo)
    }
}

fn guest() -> Guest {
    Guest::with(|b| b.stdin(Arc::new(Thrice::default())).stdout(Arc::new(Thrice::default())))
}

/// Runs a call that waits three times; nothing changes in between. `between` runs after the third wait.
fn thrice(g: &mut Guest, name: &str, args: &[u64], between: impl FnOnce(&mut Guest)) {
    let file = g.open("dir/file").unwrap();
    g.seek(file, 4, 0).unwrap();
    let before = (state(&mut g.process), g.memory.clone());
    for n in 0..3 {
        assert!(matches!(g.flow(name, args), Flow::Wait(_)), "{name}, run {n}");
        assert!(before.1 == g.memory, "{name}: memory changed");
        assert_eq!(before.0, state(&mut g.process), "{name}");
    }
    between(g);
    assert_eq!(g.call(name, args), Ok(()));
}

#[test]
fn a_read_waits_and_then_reads() {
    let mut g = guest();
    let (buf, out) = (g.alloc(8), g.alloc(4));
    let (iovs, count) = g.iovs(&[(buf, 4), (buf + 4, 4)]);
    thrice(&mut g, "fd_read", &[0, iovs, count, out], |_| {});
    assert_eq!((g.u32_at(out), g.bytes(buf, 3)), (2, &b"rr\0"[..]));
}

#[test]
fn a_write_waits_and_then_writes() {
    let mut g = guest();
    let (data, out) = (g.text("data"), g.alloc(4));
    let (iovs, count) = g.iovs(&[data]);
    thrice(&mut g, "fd_write", &[1, iovs, count, out], |_| {});
    assert_eq!(g.u32_at(out), 4);
}

#[test]
fn a_poll_waits_and_then_reports() {
    let mut g = guest();
    let args = polls::arguments(&mut g, &[polls::ready(9, 0, false), polls::clock(8, 1, 1 << 50, false)]);
    thrice(&mut g, "poll_oneoff", &args, |_| {});
    assert_eq!(polls::events(&g, args), [(9, 0, 1, 0, 0)]);
}

#[test]
fn opening_a_fifo_waits_for_the_other_side() {
    let mut g = Guest::new();
    g.process.mkfifoat(DirFd::Cwd, b"/fifo", 0o644).unwrap();
    let (path, out) = (g.text("fifo"), g.alloc(4));
    let read = READ & !(1 << 8 | 1 << 22);
    thrice(&mut g, "path_open", &[ROOT, FOLLOW, path.0, path.1, 0, read, 0, 0, out], |g| {
        // Another call of the same process gives the waiting one up: this one brings its own reader, and a writer that stays.
        let how = OpenHow::new(stratafs::Access::READ_WRITE);
        assert!(matches!(g.process.openat(DirFd::Cwd, b"/fifo", &how), Ok(Outcome::Ready(_))));
    });
    assert_eq!(g.u32_at(out), 7);
}

#[test]
fn a_non_blocking_stream_says_eagain() {
    let mut g = guest();
    g.call("fd_fdstat_set_flags", &[0, NONBLOCK]).unwrap();
    for _ in 0..3 {
        assert_eq!(g.read(0, 4), Err(Errno::EAGAIN));
    }
    assert_eq!(g.read(0, 4).unwrap(), b"rr");
    g.process.mkfifoat(DirFd::Cwd, b"/fifo", 0o644).unwrap();
    assert_eq!(g.open_full([ROOT, FOLLOW, 0, NONBLOCK], "fifo", ALL & !2 & !(1 << 14), 0), Err(Errno::ENXIO));
}

//! Descriptors: copies, pipes, `fcntl`, `ioctl`, listings.

use std::sync::Arc;

use stratafs::stream::{Readiness, Stream, TerminalSize};
use stratafs::{FileKind, Stat};

use super::{Rows, Table, few_numbers};
use crate::guest::{CLOEXEC, Guest, NONBLOCK, O_PATH, OUTSIDE, RDWR, tree};

pub const TABLES: &[(&str, Rows)] = &[
    ("dup", dup),
    ("dup3", dup3),
    ("pipe", |t| pipes(t, &|at, _| vec![at])),
    ("pipe2", |t| {
        pipes(t, &|at, flags| vec![at, flags]);
        t.fresh();
        let at = t.alloc(8);
        t.each("each flag, and unknown ones", &[at, 0], 1, &[CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK, 1, 0x4000, EVERY]);
    }),
    ("fcntl64", fcntl64),
    ("ioctl", ioctl),
    ("getdents64", getdents64),
];

const EVERY: u64 = u32::MAX as u64;

fn full(t: &mut Table) {
    t.on(few_numbers());
    while t.open("/dir/file", 0).is_ok() {}
}

fn dup(t: &mut Table) {
    let fd = t.open("/dir/file", 0).unwrap();
    let place = t.open("/dir/file", O_PATH).unwrap();
    for (says, fd) in [("a file", fd), ("a place", place), ("a stream", 0), ("not open", 99), ("past all numbers", EVERY)] {
        let _ = t.row(says, &[fd]);
    }
    full(t);
    let _ = t.row("no number left", &[0]);
}

fn dup3(t: &mut Table) {
    let fd = t.open("/dir/file", 0).unwrap();
    t.each("onto each number", &[fd, 0, 0], 1, &[9, 9, 0, 1023, 1024, EVERY]);
    let _ = t.row("onto itself", &[fd, fd, 0]);
    t.each("each flag, and unknown ones", &[fd, 10, 0], 2, &[CLOEXEC, NONBLOCK, 1, EVERY]);
    let _ = t.row("not open", &[99, 10, 0]);
}

fn pipes(t: &mut Table, args: &dyn Fn(u64, u64) -> Vec<u64>) {
    let at = t.alloc(8);
    let _ = t.row("two numbers", &args(at, 0));
    let _ = t.row("nowhere", &args(0, 0));
    let _ = t.row("outside", &args(OUTSIDE - 7, 0));
    full(t);
    let at = t.alloc(8);
    let _ = t.row("no number left", &args(at, 0));
    t.process.close(stratafs::Fd::new(6)).unwrap();
    let _ = t.row("one number left", &args(at, 0));
}

fn fcntl64(t: &mut Table) {
    let fd = t.open("/dir/file", RDWR).unwrap();
    let at = t.words(&[20]);
    // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_SETPIPE_SZ, which is for pipes, and unknown ones.
    t.each("each command, and unknown ones", &[fd, 0, at], 1, &[0, 1, 2, 3, 4, 1030, 5, 8, 9, 1024, 1031, EVERY]);
    t.each("no argument", &[fd, 0, 0], 1, &[0, 2, 4]);
    t.each("an argument outside", &[fd, 0, OUTSIDE - 3], 1, &[0, 2, 4, 12, 13]);
    let far = t.words(&[1024]);
    let _ = t.row("a copy past the last number", &[fd, 0, far]);
    let place = t.open("/dir/file", O_PATH).unwrap();
    t.each("a place", &[place, 0, at], 1, &[0, 1, 3, 4, 12]);
    t.each("not open", &[99, 0, at], 1, &[0, 1, 2, 3, 4, 12, 13, 14, 1030]);
    locks(t, fd);
    sizes(t);
    full(t);
    let zero = t.words(&[0]);
    let _ = t.row("no number left", &[0, 0, zero]);
}

fn sizes(t: &mut Table) {
    const SET: u64 = 1031;
    const GET: u64 = 1032;
    let (read, write) = t.process.pipe(true, false).unwrap();
    let (read, write) = (u64::from(read.raw()), u64::from(write.raw()));
    let _ = t.row("the size of a pipe", &[read, GET, 0]);
    for (what, size) in
        [("a size", 5000), ("none", 0), ("as much as may be", 1 << 20), ("too much", (1 << 20) + 1), ("past 2 GiB", 0x8000_0001)]
    {
        let at = t.words(&[size]);
        let _ = t.row(what, &[write, SET, at]);
    }
    let _ = t.row("a size outside", &[write, SET, OUTSIDE - 3]);
    let large = t.words(&[8192]);
    let _ = t.row("a larger one", &[write, SET, large]);
    t.process.write(stratafs::Fd::new(u32::try_from(write).unwrap()), &[std::io::IoSlice::new(&[7; 8192])]).unwrap();
    let small = t.words(&[4096]);
    let _ = t.row("smaller than what is in it", &[read, SET, small]);
}

/// A `struct flock`, and the word that points to it.
fn flock(t: &mut Table, kind: u16, whence: u16, start: i64, len: i64, pid: u32) -> u64 {
    let bytes = [
        &kind.to_le_bytes()[..],
        &whence.to_le_bytes(),
        &[0; 4],
        &start.to_le_bytes(),
        &len.to_le_bytes(),
        &pid.to_le_bytes(),
        &[0; 4],
    ];
    let record = t.put(bytes.concat());
    t.words(&[record])
}

fn locks(t: &mut Table, fd: u64) {
    const GETLK: u64 = 12;
    const SETLK: u64 = 13;
    const OFD_GETLK: u64 = 36;
    const OFD_SETLK: u64 = 37;
    let exclusive = flock(t, 1, 0, 0, 5, 0);
    t.each("a lock", &[fd, SETLK, exclusive], 1, &[GETLK, SETLK, 14, OFD_GETLK, OFD_SETLK, 38]);
    for (says, kind, whence, start, len, pid) in [
        ("an unknown kind", 3, 0, 0, 1, 0),
        ("an unknown origin", 1, 3, 0, 1, 0),
        ("before the start", 1, 0, -1, 1, 0),
        ("past the last offset", 1, 0, i64::MAX, 2, 0),
        ("past the last offset, from the end", 1, 2, i64::MAX, 1, 0),
        ("a process number", 1, 0, 0, 1, 7),
    ] {
        let at = flock(t, kind, whence, start, len, pid);
        t.each(says, &[fd, SETLK, at], 1, &[SETLK, OFD_SETLK]);
    }
    let unlock = flock(t, 2, 0, 0, 0, 0);
    t.each("what an unlock would meet", &[fd, GETLK, unlock], 1, &[GETLK]);
    t.each("unlocked", &[fd, SETLK, unlock], 1, &[SETLK, OFD_SETLK]);
    let other = t.open("/dir/file", RDWR).unwrap();
    let lock = flock(t, 1, 0, 0, 5, 0);
    let _ = t.row("one open file's lock", &[fd, OFD_SETLK, lock]);
    let _ = t.row("another's on the same bytes", &[other, OFD_SETLK, lock]);
    let _ = t.row("another's on the same bytes, waiting", &[other, 38, lock]);
    let reading = t.open("/dir/file", 0).unwrap();
    let _ = t.row("an exclusive one on what is open to read", &[reading, SETLK, lock]);
    let nothing = t.words(&[0]);
    let _ = t.row("no lock", &[fd, SETLK, nothing]);
    many_locks(t);
    deadlock(t);
}

fn many_locks(t: &mut Table) {
    t.fresh();
    let fd = t.open("/dir/file", RDWR).unwrap();
    for start in 0..1024 {
        let at = flock(t, 1, 0, start * 2, 1, 0);
        t.call("fcntl64", &[fd, 13, at]).unwrap();
    }
    let at = flock(t, 1, 0, 5000, 1, 0);
    let _ = t.row("one range too many", &[fd, 13, at]);
}

/// Two processes over one tree, each of which wants what the other has.
fn deadlock(t: &mut Table) {
    let ns = tree();
    t.on(Guest::on(ns.clone()));
    let mut other = Table { g: Guest::on(ns), name: t.name, rows: Vec::new(), errors: Default::default() };
    let (mine, theirs) = (t.open("/dir/file", RDWR).unwrap(), other.open("/dir/file", RDWR).unwrap());
    let (first, second) = (flock(t, 1, 0, 0, 1, 0), flock(t, 1, 0, 1, 1, 0));
    let (their_first, their_second) = (flock(&mut other, 1, 0, 0, 1, 0), flock(&mut other, 1, 0, 1, 1, 0));
    let _ = t.row("the first byte", &[mine, 13, first]);
    let _ = other.row("the second byte", &[theirs, 13, their_second]);
    let _ = t.row("the second byte, by who has the first", &[mine, 13, second]);
    let _ = other.row("waits", &[theirs, 14, their_first]);
    let _ = t.row("each would wait for the other", &[mine, 14, second]);
}

/// A stream that is a terminal.
struct Terminal;

impl Stream for Terminal {
    fn readiness(&self) -> Readiness {
        Readiness::default()
    }

    fn stat(&self) -> Stat {
        Stat::new(9, FileKind::CharDevice)
    }

    fn terminal(&self) -> Option<TerminalSize> {
        Some(TerminalSize { rows: 24, columns: 80 })
    }
}

fn ioctl(t: &mut Table) {
    // TCGETS, TCSETS, TCSETSW, TCSETSF, TCFLSH, TIOCGPGRP, TIOCSPGRP, TIOCGWINSZ, TIOCSWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, unknown.
    const ALL: [u64; 14] =
        [0x5401, 0x5402, 0x5403, 0x5404, 0x540b, 0x540f, 0x5410, 0x5413, 0x5414, 0x541b, 0x5421, 0x5450, 0x5451, 0x5499];
    let fd = t.open("/dir/file", 0).unwrap();
    let (buf, place) = (t.alloc(64), t.open("/dir/file", O_PATH).unwrap());
    let at = t.words(&[buf]);
    t.each("each request of a file", &[fd, 0, at], 1, &ALL);
    t.each("each request of a pipe", &[0, 0, at], 1, &ALL);
    let _ = t.row("a place", &[place, 0x5451, at]);
    let _ = t.row("not open", &[99, 0x5451, at]);
    let _ = t.row("arguments outside", &[fd, 0x541b, OUTSIDE - 3]);
    let nothing = t.words(&[0]);
    let _ = t.row("nowhere", &[fd, 0x541b, nothing]);
    t.on(Guest::with(tree(), |builder| builder.stdin(Arc::new(Terminal))));
    let buf = t.alloc(64);
    let (at, outside) = (t.words(&[buf]), t.words(&[OUTSIDE - 1]));
    t.each("each request of a terminal", &[0, 0, at], 1, &ALL);
    t.each("each request of a terminal, outside", &[0, 0, outside], 1, &ALL);
}

fn getdents64(t: &mut Table) {
    let buf = t.alloc(512);
    t.paths(&[], &|_| Vec::new());
    for size in [0, 23, 24, 40, 512, EVERY] {
        let dir = t.open("/dir", 0).unwrap();
        let _ = t.row("room of each size", &[dir, buf, size]);
        let _ = t.row("the rest", &[dir, buf, 512]);
    }
    let (dir, file) = (t.open("/dir", 0).unwrap(), t.open("/dir/file", 0).unwrap());
    let _ = t.row("nowhere", &[dir, 0, 512]);
    let _ = t.row("a buffer that ends outside", &[dir, OUTSIDE - 511, 512]);
    for (says, fd) in [("a file", file), ("a stream", 0), ("not open", 99)] {
        let _ = t.row(says, &[fd, buf, 512]);
    }
    let removed = t.open("/empty", 0).unwrap();
    t.path("rmdir", "/empty", &[]).unwrap();
    let _ = t.row("removed", &[removed, buf, 512]);
}

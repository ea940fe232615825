//! Attributes and sizes.

use super::{Rows, Table, read_only, small};
use crate::guest::{CWD, EMPTY_PATH, O_PATH, OUTSIDE, RDWR, WRONLY};

pub const TABLES: &[(&str, Rows)] = &[
    ("stat64", |t| stats(t, &|path, out| vec![path, out])),
    ("lstat64", |t| stats(t, &|path, out| vec![path, out])),
    ("fstat64", fstat64),
    ("newfstatat", stat_at),
    ("fstatat64", stat_at),
    ("statfs64", statfs64),
    ("fstatfs64", fstatfs64),
    ("faccessat", faccessat),
    ("chmod", |t| changes(t, &|path| vec![path, 0o600])),
    ("fchmod", |t| changes_open(t, &|fd| vec![fd, 0o600])),
    ("fchmodat", |t| {
        changes(t, &|path| vec![CWD, path, 0o600, 0]);
        t.fresh();
        let flags = t.words(&[0]);
        t.bad_paths_at(&|dir, path| vec![dir, path, 0o600, flags]);
        let path = t.put("/dir/file");
        for bits in [0x100, 0x1000, 1, EVERY] {
            let at = t.words(&[bits]);
            let _ = t.row("each flag, and unknown ones", &[CWD, path, 0o600, at]);
        }
        let link = t.put("/dir/link");
        let at = t.words(&[0x100]);
        let _ = t.row("a link itself", &[CWD, link, 0o600, at]);
        let _ = t.row("flags outside", &[CWD, path, 0o600, OUTSIDE - 3]);
    }),
    ("fchmodat2", |t| {
        changes(t, &|path| vec![CWD, path, 0o600, 0]);
        t.fresh();
        changes_at(t, &|dir, path, flags| vec![dir, path, 0o600, flags]);
    }),
    ("chown32", |t| changes(t, &|path| vec![path, 5, EVERY])),
    ("lchown32", |t| changes(t, &|path| vec![path, EVERY, 6])),
    ("fchown32", |t| changes_open(t, &|fd| vec![fd, 5, 6])),
    ("fchownat", |t| {
        changes(t, &|path| vec![CWD, path, 5, 6, 0]);
        t.fresh();
        changes_at(t, &|dir, path, flags| vec![dir, path, 5, 6, flags]);
    }),
    ("utimensat", utimensat),
    ("truncate64", truncate64),
    ("ftruncate64", ftruncate64),
    ("fallocate", fallocate),
    ("fadvise64", |t| fadvise(t, &|fd, len, advice| vec![fd, 0, len, advice])),
    ("fadvise64_64", |t| fadvise(t, &|fd, len, advice| vec![fd, 0, 0, len & EVERY, len >> 32, advice])),
    ("fdatasync", fdatasync),
];

const EVERY: u64 = u32::MAX as u64;
const MAX: u64 = i64::MAX as u64;

fn stats(t: &mut Table, args: &dyn Fn(u64, u64) -> Vec<u64>) {
    let out = t.alloc(96);
    let with = |path: u64| args(path, out);
    t.paths(
        &[
            ("a file", "/dir/file"),
            ("a file with a slash", "/dir/file/"),
            ("a link", "/dir/link"),
            ("a link with a slash", "/dir/link/"),
            ("a directory", "/dir/"),
            ("missing", "/missing"),
        ],
        &with,
    );
    let path = t.put("/dir/file");
    let _ = t.row("no room", &args(path, 0));
    let _ = t.row("the result outside", &args(path, OUTSIDE - 87));
    t.bad_paths(&with);
}

fn fstat64(t: &mut Table) {
    let out = t.alloc(96);
    let fd = t.open("/dir/file", 0).unwrap();
    let place = t.open("/dir/link", O_PATH | 0x2_0000).unwrap();
    let _ = t.row("a file", &[fd, out]);
    let _ = t.row("a link that is only a place", &[place, out]);
    let _ = t.row("a stream", &[0, out]);
    let _ = t.row("no room", &[fd, 0]);
    let _ = t.row("the result outside", &[fd, OUTSIDE - 87]);
    t.each("not open", &[0, out], 0, &[99, EVERY]);
}

fn stat_at(t: &mut Table) {
    let (out, path, link, empty) = (t.alloc(96), t.put("/dir/file"), t.put("/dir/link"), t.put(""));
    let fd = t.open("/dir/file", 0).unwrap();
    t.each(
        "each flag, and unknown ones",
        &[CWD, path, out, 0],
        3,
        &[0, 0x100, 0x800, 0x1000, 0x2000, 0x6000, 1, 0x200, 0x400, EVERY],
    );
    let _ = t.row("a link itself", &[CWD, link, out, 0x100]);
    let _ = t.row("an open file", &[fd, empty, out, EMPTY_PATH]);
    let _ = t.row("an open file, by no path", &[fd, 0, out, EMPTY_PATH]);
    let _ = t.row("not open, by no path", &[99, 0, out, EMPTY_PATH]);
    let _ = t.row("the working directory", &[CWD, empty, out, EMPTY_PATH]);
    let _ = t.row("no room", &[CWD, path, 0, 0]);
    let _ = t.row("the result outside", &[CWD, path, OUTSIDE - 87, 0]);
    t.bad_paths_at(&|dir, path| vec![dir, path, out, 0]);
}

fn statfs64(t: &mut Table) {
    let (path, out) = (t.put("/dir/file"), t.alloc(96));
    t.each("each layout, and none", &[path, 0, out], 1, &[88, 64, 0, 87, EVERY]);
    let _ = t.row("no room", &[path, 88, 0]);
    let _ = t.row("the result outside", &[path, 88, OUTSIDE - 87]);
    t.paths(&[("missing", "/missing")], &|path| vec![path, 88, out]);
    t.bad_paths(&|path| vec![path, 88, out]);
}

fn fstatfs64(t: &mut Table) {
    let (fd, out) = (t.open("/dir/file", 0).unwrap(), t.alloc(96));
    t.each("each layout, and none", &[fd, 0, out], 1, &[88, 64, 0, 87, EVERY]);
    let _ = t.row("no room", &[fd, 88, 0]);
    let _ = t.row("the result outside", &[fd, 88, OUTSIDE - 87]);
    let _ = t.row("a stream", &[0, 88, out]);
    t.each("not open", &[0, 88, out], 0, &[99, EVERY]);
}

fn faccessat(t: &mut Table) {
    let (path, empty) = (t.put("/dir/file"), t.put(""));
    t.each("each mode, and unknown ones", &[CWD, path, 0, 0], 2, &[0, 1, 2, 4, 6, 7, 8, EVERY]);
    t.each("each flag, and unknown ones", &[CWD, path, 4, 0], 3, &[0x100, 0x200, 0x1000, 1, 0x400, EVERY]);
    let fd = t.open("/dir/file", 0).unwrap();
    let _ = t.row("an open file", &[fd, empty, 4, EMPTY_PATH]);
    let _ = t.row("an open file to execute", &[fd, empty, 1, EMPTY_PATH]);
    t.paths(&[("missing", "/missing"), ("a directory to execute", "/dir")], &|path| vec![CWD, path, 1, 0]);
    t.bad_paths_at(&|dir, path| vec![dir, path, 0, 0]);
    t.on(read_only());
    t.paths(&[("to write where it is read-only", "dir/file")], &|path| vec![CWD, path, 2, 0]);
}

/// Calls that change attributes by a path.
fn changes(t: &mut Table, args: &dyn Fn(u64) -> Vec<u64>) {
    t.paths(&[("a file", "/dir/file"), ("a link", "/dir/link"), ("a directory", "/dir"), ("missing", "/missing")], args);
    t.bad_paths(args);
    t.on(read_only());
    t.paths(&[("where it is read-only", "dir/file")], args);
}

/// The same with a directory and flags.
fn changes_at(t: &mut Table, args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    let (path, link, empty) = (t.put("/dir/file"), t.put("/dir/link"), t.put(""));
    for flags in [0x100, 0x1000, 1, 0x200, 0x400, EVERY] {
        let _ = t.row("each flag, and unknown ones", &args(CWD, path, flags));
    }
    let fd = t.open("/dir/file", 0).unwrap();
    let _ = t.row("a link itself", &args(CWD, link, 0x100));
    let _ = t.row("an open file", &args(fd, empty, EMPTY_PATH));
    let _ = t.row("a file that is not open", &args(99, empty, EMPTY_PATH));
    t.bad_paths_at(&|dir, path| args(dir, path, 0));
}

fn changes_open(t: &mut Table, args: &dyn Fn(u64) -> Vec<u64>) {
    let (fd, dir) = (t.open("/dir/file", 0).unwrap(), t.open("/dir", 0).unwrap());
    let _ = t.row("a file", &args(fd));
    let _ = t.row("a directory", &args(dir));
    let place = t.open("/dir/file", O_PATH).unwrap();
    let _ = t.row("a place", &args(place));
    let _ = t.row("a stream", &args(0));
    let _ = t.row("not open", &args(99));
    t.on(read_only());
    let fd = t.open("dir/file", 0).unwrap();
    let _ = t.row("where it is read-only", &args(fd));
}

/// Two times in the layout of the generation.
fn times(t: &mut Table, [atime, mtime]: [(u64, u64); 2]) -> u64 {
    match t.is_split() {
        true => t.words(&[atime.0, atime.1, mtime.0, mtime.1]),
        false => t.words(&[atime.0, atime.0 >> 32, atime.1, 0, mtime.0, mtime.0 >> 32, mtime.1, 0]),
    }
}

fn utimensat(t: &mut Table) {
    const NOW: u64 = 0x3fff_ffff;
    const OMIT: u64 = 0x3fff_fffe;
    let (path, link) = (t.put("/dir/file"), t.put("/dir/link"));
    for pair in [
        [(1, 2), (3, 4)],
        [(1, 999_999_999), (u64::MAX, 0)],
        [(0, NOW), (0, OMIT)],
        [(0, OMIT), (0, OMIT)],
        [(0, 1_000_000_000), (0, 0)],
        [(0, 0), (0, EVERY)],
    ] {
        let at = times(t, pair);
        let _ = t.row("times of each kind", &[CWD, path, at, 0]);
    }
    let at = times(t, [(1, 2), (3, 4)]);
    let _ = t.row("now", &[CWD, path, 0, 0]);
    t.each("each flag, and unknown ones", &[CWD, path, at, 0], 3, &[0x100, 0x1000, 1, 0x200, 0x400, EVERY]);
    let _ = t.row("a link itself", &[CWD, link, at, 0x100]);
    let fd = t.open("/dir/file", 0).unwrap();
    let _ = t.row("an open file, by no path", &[fd, 0, at, 0]);
    let _ = t.row("an open file, by no path, with flags", &[fd, 0, at, 0x100]);
    let _ = t.row("no path from the working directory", &[CWD, 0, at, 0]);
    let _ = t.row("times outside", &[CWD, path, OUTSIDE - 8, 0]);
    t.bad_paths_at(&|dir, path| vec![dir, path, at, 0]);
    t.on(read_only());
    t.paths(&[("where it is read-only", "dir/file")], &|path| vec![CWD, path, 0, 0]);
}

/// A length as the generation passes it.
fn length(t: &Table, first: u64, length: u64) -> Vec<u64> {
    if t.is_split() { vec![first, length & EVERY, length >> 32] } else { vec![first, length] }
}

fn truncate64(t: &mut Table) {
    let split = t.is_split();
    let with = |len: u64| move |path: u64| if split { vec![path, len & EVERY, len >> 32] } else { vec![path, len] };
    for len in [3, 100, MAX, MAX + 1, u64::MAX, 0] {
        t.paths(&[("each length", "/dir/file")], &with(len));
    }
    t.paths(&[("through a link", "/dir/link"), ("a directory", "/dir"), ("missing", "/missing")], &with(0));
    t.process.mkfifoat(stratafs::DirFd::Cwd, b"/fifo", 0o644).unwrap();
    t.paths(&[("a FIFO", "/fifo")], &with(0));
    t.bad_paths(&with(0));
    t.on(read_only());
    t.paths(&[("where it is read-only", "dir/file")], &with(0));
}

fn ftruncate64(t: &mut Table) {
    let fd = t.open("/dir/file", RDWR).unwrap();
    for len in [3, 100, MAX, MAX + 1, u64::MAX, 0] {
        let args = length(t, fd, len);
        let _ = t.row("each length", &args);
    }
    let (reading, dir) = (t.open("/dir/file", 0).unwrap(), t.open("/dir", 0).unwrap());
    for (says, fd) in [("to read", reading), ("a directory", dir), ("a stream", 1), ("not open", 99)] {
        let args = length(t, fd, 0);
        let _ = t.row(says, &args);
    }
}

fn fallocate(t: &mut Table) {
    let fd = t.open("/dir/file", RDWR).unwrap();
    let split = t.is_split();
    let args = |fd: u64, mode: u64, offset: u64, len: u64| match split {
        true => vec![fd, mode, offset & EVERY, offset >> 32, len & EVERY, len >> 32],
        false => vec![fd, mode, offset, len],
    };
    for (offset, len) in [(10, 10), (0, 1), (0, 0), (MAX, 1), (MAX, MAX), (0, MAX + 1), (u64::MAX, 1)] {
        let _ = t.row("each range", &args(fd, 0, offset, len));
    }
    for mode in [1, 2, 3, EVERY] {
        let _ = t.row("a mode", &args(fd, mode, 0, 1));
    }
    let (reading, dir) = (t.open("/dir/file", WRONLY - 1).unwrap(), t.open("/dir", 0).unwrap());
    for (says, fd) in [("to read", reading), ("a directory", dir), ("a stream", 1), ("a device", 2), ("not open", 99)] {
        let _ = t.row(says, &args(fd, 0, 0, 1));
    }
    t.on(small());
    let fd = t.open("/dir/file", RDWR).unwrap();
    let _ = t.row("more than there is room for", &args(fd, 0, 0, 1 << 30));
}

fn fadvise(t: &mut Table, args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    let fd = t.open("/dir/file", 0).unwrap();
    for advice in [0, 1, 2, 3, 4, 5, 6, EVERY] {
        let _ = t.row("each advice, and unknown ones", &args(fd, 4, advice));
    }
    for len in [0, MAX, MAX + 1, u64::MAX] {
        let _ = t.row("each length", &args(fd, len, 0));
    }
    let dir = t.open("/dir", 0).unwrap();
    for (says, fd) in [("a directory", dir), ("a pipe", 0), ("not open", 99)] {
        let _ = t.row(says, &args(fd, 0, 0));
    }
}

fn fdatasync(t: &mut Table) {
    let (fd, dir) = (t.open("/dir/file", 0).unwrap(), t.open("/dir", 0).unwrap());
    for (says, fd) in [("a file", fd), ("a directory", dir), ("a stream", 1), ("not open", 99), ("past all numbers", EVERY)] {
        let _ = t.row(says, &[fd]);
    }
}

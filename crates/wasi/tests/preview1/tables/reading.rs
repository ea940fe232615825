//! Reading, writing, offsets, listings.

use std::sync::Arc;

use stratafs_wasi::Rights;

use super::{Empty, Rows, Table, guest, small};
use crate::guest::{ALL, APPEND, DIR, FOLLOW, NONBLOCK, OUTSIDE, READ, ROOT};

pub const TABLES: &[(&str, Rows)] = &[
    ("fd_read", fd_read),
    ("fd_pread", fd_pread),
    ("fd_write", fd_write),
    ("fd_pwrite", fd_pwrite),
    ("fd_seek", fd_seek),
    ("fd_tell", fd_tell),
    ("fd_readdir", fd_readdir),
    ("fd_allocate", fd_allocate),
    ("fd_advise", fd_advise),
];

const MAX: u64 = i64::MAX as u64;

/// `/dir/file` with these rights only.
fn with_rights(t: &mut Table, rights: Rights) -> u64 {
    t.open_full([ROOT, FOLLOW, 0, 0], "dir/file", rights.bits(), 0).unwrap()
}

/// A buffer of that many bytes as a list of one.
fn one(t: &mut Table, len: u32) -> (u64, u64) {
    let buf = t.alloc(len);
    t.iovs(&[(buf, len.into())])
}

/// Rows that reading and writing have in common; `rest` is what comes after the list.
fn lists(t: &mut Table, fd: u64, rest: &[u64]) {
    let (a, b) = (t.alloc(8), t.alloc(8));
    let call = |list: (u64, u64)| [&[fd, list.0, list.1], rest].concat();
    let list = t.iovs(&[]);
    let _ = t.row("no buffer", &call(list));
    let list = t.iovs(&[(a, 0)]);
    let _ = t.row("a buffer of nothing", &call(list));
    let list = t.iovs(&[(a, 2), (b, 0), (b, 3)]);
    let _ = t.row("several buffers, one of them of nothing", &call(list));
    let list = t.iovs(&[(OUTSIDE, 0)]);
    let _ = t.row("nothing, at the end of the memory", &call(list));
    let list = t.iovs(&[(a, 2), (OUTSIDE - 1, 2)]);
    let _ = t.row("a buffer that ends outside", &call(list));
    let list = t.iovs(&[(a, 4), (a, u64::from(u32::MAX))]);
    let _ = t.row("a buffer past the memory", &call(list));
    let list = t.iovs(&vec![(a, 1); 1024]);
    let _ = t.row("as many buffers as there may be", &call(list));
    let list = t.iovs(&vec![(a, 1); 1025]);
    let _ = t.row("one buffer too many", &call(list));
    let _ = t.row("as many as a number can say", &call((list.0, u64::from(u32::MAX))));
    let _ = t.row("a list outside", &call((OUTSIDE - 4, 1)));
    let mut outside = call((a, 0));
    *outside.last_mut().unwrap() = OUTSIDE - 3;
    let _ = t.row("the count outside", &outside);
}

fn fd_read(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    let (out, list) = (t.alloc(4), one(t, 8));
    let _ = t.row("the first bytes", &[fd, list.0, list.1, out]);
    let _ = t.row("what is left", &[fd, list.0, list.1, out]);
    let _ = t.row("the end", &[fd, list.0, list.1, out]);
    lists(t, fd, &[out]);
    let _ = t.row("a directory", &[DIR, list.0, list.1, out]);
    let writing = with_rights(t, Rights::FD_WRITE);
    let _ = t.row("not open for reading", &[writing, list.0, list.1, out]);
    let _ = t.row("standard output", &[1, list.0, list.1, out]);
    let _ = t.row("not open", &[99, list.0, list.1, out]);
    let fd = with_rights(t, Rights::FD_READ.and(Rights::FD_SEEK));
    t.call("fd_fdstat_set_rights", &[fd, Rights::FD_SEEK.bits(), 0]).unwrap();
    let _ = t.row("without the right", &[fd, list.0, list.1, out]);
    let fd = t.open("dir/file").unwrap();
    t.seek(fd, i64::MAX, 0).unwrap();
    let _ = t.row("past the last offset", &[fd, list.0, list.1, out]);
    let _ = t.row("standard input", &[0, list.0, list.1, out]);
    let _ = t.row("its end", &[0, list.0, list.1, out]);
    t.on(guest(|builder| builder.stdin(Arc::new(Empty))));
    let (out, list) = (t.alloc(4), one(t, 8));
    let _ = t.row("nothing there yet", &[0, list.0, list.1, out]);
    t.call("fd_fdstat_set_flags", &[0, NONBLOCK]).unwrap();
    let _ = t.row("nothing there yet, non-blocking", &[0, list.0, list.1, out]);
}

fn fd_pread(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    let (out, list) = (t.alloc(4), one(t, 8));
    let call = |offset: u64| [fd, list.0, list.1, offset, out];
    let _ = t.row("from the middle", &call(6));
    let _ = t.row("at the end", &call(11));
    let _ = t.row("past the end", &call(1 << 40));
    t.each("offsets at the edge", &call(0), 3, &[MAX - 8, MAX - 7, MAX, MAX + 1, u64::MAX]);
    lists(t, fd, &[0, out]);
    assert_eq!(t.seek(fd, 0, 1), Ok(0), "the offset stays");
    let _ = t.row("a directory", &[DIR, list.0, list.1, 0, out]);
    let _ = t.row("a stream", &[0, list.0, list.1, 0, out]);
    let writing = with_rights(t, Rights::FD_WRITE);
    let _ = t.row("not open for reading", &[writing, list.0, list.1, 0, out]);
    let _ = t.row("not open", &[99, list.0, list.1, 0, out]);
    let reading = with_rights(t, Rights::FD_READ);
    let _ = t.row("without the right to seek", &[reading, list.0, list.1, 0, out]);
}

fn fd_write(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    let (out, list) = (t.alloc(4), one(t, 8));
    let _ = t.row("the first bytes", &[fd, list.0, list.1, out]);
    let _ = t.row("past the end", &[fd, list.0, list.1, out]);
    lists(t, fd, &[out]);
    let _ = t.row("standard output", &[1, list.0, list.1, out]);
    let _ = t.row("a directory", &[DIR, list.0, list.1, out]);
    let reading = t.open("dir/file").unwrap();
    let _ = t.row("not open for writing", &[reading, list.0, list.1, out]);
    let _ = t.row("standard input", &[0, list.0, list.1, out]);
    let _ = t.row("not open", &[99, list.0, list.1, out]);
    let narrow = with_rights(t, Rights::FD_WRITE.and(Rights::FD_SEEK));
    t.call("fd_fdstat_set_rights", &[narrow, Rights::FD_SEEK.bits(), 0]).unwrap();
    let _ = t.row("without the right", &[narrow, list.0, list.1, out]);
    t.seek(fd, i64::MAX, 0).unwrap();
    let _ = t.row("past the last offset", &[fd, list.0, list.1, out]);
    let appending = t.open_full([ROOT, FOLLOW, 0, APPEND], "dir/file", ALL, 0).unwrap();
    let _ = t.row("appending", &[appending, list.0, list.1, out]);
    t.call("fd_filestat_set_size", &[fd, MAX]).unwrap();
    let _ = t.row("appending to the longest file", &[appending, list.0, list.1, out]);
    t.on(small());
    let fd = t.open_rw("dir/file", 0).unwrap();
    let (out, list) = (t.alloc(4), one(t, 80_000));
    t.seek(fd, 1 << 30, 0).unwrap();
    let _ = t.row("more than there is room for", &[fd, list.0, list.1, out]);
    let _ = t.row("no room left", &[fd, list.0, list.1, out]);
    fifo(t);
}

/// Writes to a FIFO that is full, and to one without a reader.
fn fifo(t: &mut Table) {
    t.fresh();
    t.process.mkfifoat(stratafs::DirFd::Cwd, b"/fifo", 0o644).unwrap();
    let reader = t.open_full([ROOT, 0, 0, NONBLOCK], "fifo", READ, 0).unwrap();
    let writer =
        t.open_full([ROOT, 0, 0, NONBLOCK], "fifo", Rights::FD_WRITE.and(Rights::FD_FDSTAT_SET_FLAGS).bits(), 0).unwrap();
    let (out, list) = (t.alloc(4), one(t, 70_000));
    let _ = t.row("more than a pipe holds", &[writer, list.0, list.1, out]);
    let _ = t.row("a full pipe, non-blocking", &[writer, list.0, list.1, out]);
    t.call("fd_fdstat_set_flags", &[writer, 0]).unwrap();
    let _ = t.row("a full pipe", &[writer, list.0, list.1, out]);
    t.call("fd_close", &[reader]).unwrap();
    let _ = t.row("a pipe without a reader", &[writer, list.0, list.1, out]);
}

fn fd_pwrite(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    let (out, list) = (t.alloc(4), one(t, 8));
    let call = |offset: u64| [fd, list.0, list.1, offset, out];
    let _ = t.row("in the middle", &call(6));
    let _ = t.row("far past the end", &call(1 << 40));
    t.call("fd_filestat_set_size", &[fd, 11]).unwrap();
    t.each("offsets at the edge", &call(0), 3, &[MAX - 8, MAX - 7, MAX, MAX + 1, u64::MAX]);
    t.call("fd_filestat_set_size", &[fd, 11]).unwrap();
    lists(t, fd, &[0, out]);
    assert_eq!(t.seek(fd, 0, 1), Ok(0), "the offset stays");
    let _ = t.row("a stream", &[1, list.0, list.1, 0, out]);
    let reading = t.open("dir/file").unwrap();
    let _ = t.row("not open for writing", &[reading, list.0, list.1, 0, out]);
    let _ = t.row("not open", &[99, list.0, list.1, 0, out]);
    let narrow = with_rights(t, Rights::FD_WRITE);
    let _ = t.row("without the right to seek", &[narrow, list.0, list.1, 0, out]);
    let appending = t.open_full([ROOT, FOLLOW, 0, APPEND], "dir/file", ALL, 0).unwrap();
    t.call("fd_filestat_set_size", &[fd, 4]).unwrap();
    let _ = t.row("appending, whatever the offset", &[appending, list.0, list.1, 0, out]);
    let stat = t.fstat(fd).unwrap();
    assert_eq!(crate::guest::number(&stat, 32), 12);
    t.call("fd_filestat_set_size", &[fd, MAX]).unwrap();
    let _ = t.row("appending to the longest file", &[appending, list.0, list.1, 0, out]);
    t.on(small());
    let fd = t.open_rw("dir/file", 0).unwrap();
    let (out, list) = (t.alloc(4), one(t, 80_000));
    let _ = t.row("more than there is room for", &[fd, list.0, list.1, 1 << 30, out]);
    let _ = t.row("no room left", &[fd, list.0, list.1, 1 << 40, out]);
}

fn fd_seek(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    let out = t.alloc(8);
    let by = |offset: i64, whence: u64| [fd, offset.cast_unsigned(), whence, out];
    let _ = t.row("from the start", &by(3, 0));
    let _ = t.row("from where it is", &by(4, 1));
    let _ = t.row("from the end", &by(-1, 2));
    let _ = t.row("past the end", &by(1 << 40, 2));
    let _ = t.row("before the start", &by(-1, 0));
    let _ = t.row("before the start, from the end", &by(-12, 2));
    let _ = t.row("the last offset", &by(i64::MAX, 0));
    let _ = t.row("past the last offset", &by(1, 1));
    let _ = t.row("far before the start", &by(i64::MIN, 1));
    let _ = t.row("past the last offset, from the end", &by(i64::MAX, 2));
    let _ = t.row("an unknown origin", &by(0, 3));
    let _ = t.row("an origin past all numbers", &by(0, u64::from(u32::MAX)));
    let _ = t.row("the result outside", &[fd, 0, 0, OUTSIDE - 7]);
    let _ = t.row("a directory", &[DIR, 0, 0, out]);
    let _ = t.row("a stream", &[0, 0, 0, out]);
    let _ = t.row("not open", &[99, 0, 0, out]);
    let narrow = with_rights(t, Rights::FD_READ.and(Rights::FD_TELL));
    let _ = t.row("without the right", &[narrow, 1, 0, out]);
    let _ = t.row("where it is, with the right to tell", &[narrow, 0, 1, out]);
}

fn fd_tell(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    let out = t.alloc(8);
    let _ = t.row("at first", &[fd, out]);
    t.seek(fd, i64::MAX, 0).unwrap();
    let _ = t.row("the last offset", &[fd, out]);
    let _ = t.row("the result outside", &[fd, OUTSIDE - 7]);
    let _ = t.row("a directory", &[DIR, out]);
    let _ = t.row("a stream", &[1, out]);
    let _ = t.row("not open", &[99, out]);
    let narrow = with_rights(t, Rights::FD_READ);
    let _ = t.row("without the right", &[narrow, out]);
}

fn fd_readdir(t: &mut Table) {
    let (buf, used) = (t.alloc(4096), t.alloc(4));
    let call = |len: u64, cookie: u64| [DIR, buf, len, cookie, used];
    let _ = t.row("all of it: less than the buffer holds", &call(4096, 0));
    let _ = t.row("a cut header", &call(23, 0));
    let _ = t.row("a header and no name", &call(24, 0));
    let _ = t.row("no room", &call(0, 0));
    let _ = t.row("from the second on", &call(4096, 1));
    let _ = t.row("from a cookie that was never given", &call(4096, MAX));
    let _ = t.row("from the last number", &call(4096, u64::MAX));
    let _ = t.row("a buffer of all numbers", &call(u64::from(u32::MAX), 0));
    let _ = t.row("a buffer that ends outside", &[DIR, OUTSIDE - 10, 11, 0, used]);
    let _ = t.row("nothing, outside", &[DIR, OUTSIDE, 0, 0, used]);
    let _ = t.row("the count outside", &[DIR, buf, 10, 0, OUTSIDE - 3]);
    let _ = t.row("the count in the buffer", &[DIR, buf, 100, 0, buf + 4]);
    let file = t.open("dir/file").unwrap();
    let _ = t.row("a file", &[file, buf, 10, 0, used]);
    let _ = t.row("a stream", &[0, buf, 10, 0, used]);
    let _ = t.row("not open", &[99, buf, 10, 0, used]);
    let removed = t.open("empty").unwrap();
    let (path, len) = t.text("empty");
    t.call("path_remove_directory", &[ROOT, path, len]).unwrap();
    let _ = t.row("removed", &[removed, buf, 100, 0, used]);
    t.call("fd_fdstat_set_rights", &[DIR, Rights::PATH_OPEN.bits(), 0]).unwrap();
    let _ = t.row("without the right", &call(100, 0));
}

fn fd_allocate(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    let _ = t.row("it grows", &[fd, 10, 10]);
    let _ = t.row("it does not shrink", &[fd, 0, 1]);
    let _ = t.row("no bytes", &[fd, 0, 0]);
    let _ = t.row("a negative offset", &[fd, u64::MAX, 1]);
    let _ = t.row("a negative length", &[fd, 0, MAX + 1]);
    let _ = t.row("past the last offset", &[fd, MAX, 1]);
    let _ = t.row("all there can be", &[fd, MAX, MAX]);
    let reading = t.open("dir/file").unwrap();
    let _ = t.row("not open for writing", &[reading, 0, 1]);
    let _ = t.row("a directory", &[DIR, 0, 1]);
    let _ = t.row("a stream", &[1, 0, 1]);
    let _ = t.row("a device", &[2, 0, 1]);
    let _ = t.row("not open", &[99, 0, 1]);
    let narrow = with_rights(t, Rights::FD_WRITE);
    let _ = t.row("without the right", &[narrow, 0, 1]);
    t.on(small());
    let fd = t.open_rw("dir/file", 0).unwrap();
    let _ = t.row("more than there is room for", &[fd, 0, 1 << 30]);
}

fn fd_advise(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    t.each("each advice, and one more", &[fd, 0, 4, 0], 3, &[0, 1, 2, 3, 4, 5, 6, u64::from(u32::MAX)]);
    t.each("lengths", &[fd, 0, 0, 0], 2, &[0, MAX, MAX + 1, u64::MAX]);
    t.each("offsets", &[fd, 0, 4, 0], 1, &[MAX, u64::MAX]);
    let _ = t.row("a directory", &[DIR, 0, 1, 0]);
    let _ = t.row("a pipe", &[0, 0, 1, 0]);
    let _ = t.row("not open", &[99, 0, 1, 0]);
    let narrow = with_rights(t, Rights::FD_READ);
    let _ = t.row("without the right", &[narrow, 0, 1, 0]);
}

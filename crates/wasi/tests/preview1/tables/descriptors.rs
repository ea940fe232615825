//! Descriptors: what they are, and what is set on them.

use stratafs_wasi::Rights;

use super::{Rows, Table};
use crate::guest::{ALL, APPEND, CREAT, DIR, FOLLOW, NONBLOCK, OUTSIDE, ROOT};

pub const TABLES: &[(&str, Rows)] = &[
    ("fd_close", fd_close),
    ("fd_renumber", fd_renumber),
    ("fd_sync", sync),
    ("fd_datasync", sync),
    ("fd_fdstat_get", fd_fdstat_get),
    ("fd_fdstat_set_flags", fd_fdstat_set_flags),
    ("fd_fdstat_set_rights", fd_fdstat_set_rights),
    ("fd_filestat_get", fd_filestat_get),
    ("fd_filestat_set_size", fd_filestat_set_size),
    ("fd_filestat_set_times", fd_filestat_set_times),
    ("fd_prestat_get", fd_prestat_get),
    ("fd_prestat_dir_name", fd_prestat_dir_name),
];

const MAX: u64 = i64::MAX as u64;
const EVERY: u64 = u32::MAX as u64;

fn fd_close(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    let _ = t.row("a file", &[fd]);
    let _ = t.row("again", &[fd]);
    let _ = t.row("a preopen", &[DIR]);
    let _ = t.row("standard input", &[0]);
    let _ = t.row("a number past all", &[EVERY]);
}

fn fd_renumber(t: &mut Table) {
    let (from, to) = (t.open("dir/file").unwrap(), t.open("dir").unwrap());
    let _ = t.row("onto itself", &[from, from]);
    let _ = t.row("onto another", &[from, to]);
    let _ = t.row("from what it was", &[from, to]);
    let _ = t.row("onto a preopen", &[to, DIR]);
    let _ = t.row("onto what is not open", &[DIR, 99]);
    let _ = t.row("onto a number past all", &[DIR, EVERY]);
    let _ = t.row("not open onto itself", &[99, 99]);
}

fn sync(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    let _ = t.row("a file", &[fd]);
    let _ = t.row("a directory", &[DIR]);
    let _ = t.row("a stream", &[1]);
    let _ = t.row("not open", &[99]);
    let narrow = t.open_full([ROOT, FOLLOW, 0, 0], "dir/file", Rights::FD_READ.bits(), 0).unwrap();
    let _ = t.row("without the right", &[narrow]);
}

fn fd_fdstat_get(t: &mut Table) {
    let out = t.alloc(24);
    let fd = t.open_full([ROOT, FOLLOW, 0, APPEND | NONBLOCK], "dir/file", ALL, 0).unwrap();
    let _ = t.row("a file with flags", &[fd, out]);
    let reading = t.open("dir/file").unwrap();
    let _ = t.row("a file to read", &[reading, out]);
    let _ = t.row("a preopen", &[ROOT, out]);
    let _ = t.row("standard input, a pipe", &[0, out]);
    let _ = t.row("standard output, captured", &[1, out]);
    let _ = t.row("standard error, a null device", &[2, out]);
    let _ = t.row("the result outside", &[fd, OUTSIDE - 23]);
    let _ = t.row("not open", &[99, out]);
}

fn fd_fdstat_set_flags(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    t.each("each flag, both that can change, none, unknown ones", &[fd, 0], 1, &[1, 2, 4, 8, 16, 5, 0, 32, 1 << 16, EVERY]);
    let _ = t.row("standard input", &[0, NONBLOCK]);
    let _ = t.row("a directory", &[DIR, NONBLOCK]);
    let _ = t.row("not open", &[99, 0]);
    let narrow = t.open_full([ROOT, FOLLOW, 0, 0], "dir/file", Rights::FD_READ.bits(), 0).unwrap();
    let _ = t.row("without the right", &[narrow, 0]);
}

fn fd_fdstat_set_rights(t: &mut Table) {
    let fd = t.open("dir/file").unwrap();
    let (read, write) = (Rights::FD_READ.bits(), Rights::FD_WRITE.bits());
    let _ = t.row("fewer", &[fd, read, 0]);
    let _ = t.row("the same", &[fd, read, 0]);
    let _ = t.row("more", &[fd, read | write, 0]);
    let _ = t.row("more to hand on", &[fd, read, read]);
    let _ = t.row("bits that mean nothing", &[fd, read | 1 << 62, 0]);
    let _ = t.row("none", &[fd, 0, 0]);
    let _ = t.row("all", &[fd, u64::MAX, u64::MAX]);
    let _ = t.row("a preopen hands on less", &[DIR, Rights::PATH_OPEN.bits(), read]);
    let _ = t.row("not open", &[99, 0, 0]);
}

fn fd_filestat_get(t: &mut Table) {
    let out = t.alloc(64);
    let fd = t.open("dir/file").unwrap();
    let _ = t.row("a file", &[fd, out]);
    let _ = t.row("a directory", &[DIR, out]);
    let _ = t.row("standard input", &[0, out]);
    let (path, len) = t.text("dir/file");
    t.call("path_unlink_file", &[ROOT, path, len]).unwrap();
    let _ = t.row("a file without a name", &[fd, out]);
    let _ = t.row("the result outside", &[fd, OUTSIDE - 63]);
    let _ = t.row("not open", &[99, out]);
    let fd = t.open_full([ROOT, FOLLOW, CREAT, 0], "new", Rights::FD_READ.bits(), 0).unwrap();
    let _ = t.row("without the right", &[fd, out]);
}

fn fd_filestat_set_size(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    t.each("cut, grown, as long as can be, longer", &[fd, 0], 1, &[3, 100, 0, MAX, MAX + 1, u64::MAX]);
    let reading = t.open("dir/file").unwrap();
    let _ = t.row("not open for writing", &[reading, 0]);
    let _ = t.row("a directory", &[DIR, 0]);
    let _ = t.row("a stream", &[1, 0]);
    let _ = t.row("not open", &[99, 0]);
    let narrow = t.open_full([ROOT, FOLLOW, 0, 0], "dir/file", Rights::FD_WRITE.bits(), 0).unwrap();
    let _ = t.row("without the right", &[narrow, 0]);
}

fn fd_filestat_set_times(t: &mut Table) {
    let fd = t.open_rw("dir/file", 0).unwrap();
    t.each(
        "each flag, both sides, none, a side twice, unknown ones",
        &[fd, 5, 6, 0],
        3,
        &[1, 2, 4, 8, 5, 10, 9, 0, 3, 12, 16, EVERY],
    );
    t.each("times at the edge", &[fd, 0, 7, 5], 1, &[0, MAX, MAX + 1, u64::MAX]);
    let _ = t.row("a directory", &[DIR, 1, 1, 5]);
    let _ = t.row("a stream", &[1, 1, 1, 5]);
    let _ = t.row("not open", &[99, 1, 1, 5]);
    let narrow = t.open_full([ROOT, FOLLOW, 0, 0], "dir/file", Rights::FD_READ.bits(), 0).unwrap();
    let _ = t.row("without the right", &[narrow, 1, 1, 5]);
    t.on(super::read_only());
    let fd = t.open("dir/file").unwrap();
    let _ = t.row("on a layer that is read-only", &[fd, 1, 1, 5]);
}

fn fd_prestat_get(t: &mut Table) {
    let out = t.alloc(8);
    let _ = t.row("the root", &[ROOT, out]);
    let _ = t.row("a directory below", &[DIR, out]);
    let _ = t.row("behind the last", &[5, out]);
    let _ = t.row("no preopen", &[0, out]);
    let _ = t.row("the result outside", &[ROOT, OUTSIDE - 7]);
    t.call("fd_close", &[DIR]).unwrap();
    let _ = t.row("closed", &[DIR, out]);
}

fn fd_prestat_dir_name(t: &mut Table) {
    let buf = t.alloc(64);
    t.each("too short, as long, longer", &[DIR, buf, 0], 2, &[0, 3, 4, 5, 64]);
    let _ = t.row("no preopen", &[0, buf, 64]);
    let _ = t.row("not open", &[99, buf, 64]);
    let _ = t.row("a buffer that ends outside", &[DIR, OUTSIDE - 4, 5]);
    let _ = t.row("a buffer that ends with the memory", &[DIR, OUTSIDE - 4, 4]);
    let _ = t.row("a buffer of all numbers", &[DIR, buf, EVERY]);
}

//! Calls on paths.

use stratafs::{DirFd, Limits};
use stratafs_wasi::Rights;

use super::{Rows, Table, read_only, two_mounts};
use crate::guest::{ALL, APPEND, CREAT, DIR, DIRECTORY, EXCL, FOLLOW, Guest, NONBLOCK, OUTSIDE, READ, ROOT, TRUNC};

pub const TABLES: &[(&str, Rows)] = &[
    ("path_create_directory", path_create_directory),
    ("path_filestat_get", path_filestat_get),
    ("path_filestat_set_times", path_filestat_set_times),
    ("path_link", path_link),
    ("path_open", path_open),
    ("path_readlink", path_readlink),
    ("path_remove_directory", path_remove_directory),
    ("path_rename", path_rename),
    ("path_symlink", path_symlink),
    ("path_unlink_file", path_unlink_file),
];

const EVERY: u64 = u32::MAX as u64;

/// Paths that are no paths, or lead nowhere, for the call that `args` makes of a directory and a path.
fn bad_paths(t: &mut Table, args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    t.symlink("self", "self").unwrap();
    t.symlink("/dir", "dir/absolute").unwrap();
    t.symlink("../empty", "dir/up").unwrap();
    let long = "n".repeat(256);
    let longest = "x".repeat(4096);
    for (says, dir, path) in [
        ("an empty path", ROOT, ""),
        ("an absolute path", ROOT, "/dir/file"),
        ("a NUL", ROOT, "dir\0file"),
        ("a name of 256 bytes", ROOT, &long),
        ("a path of 4,096 bytes", ROOT, &longest),
        ("a missing directory", ROOT, "missing/x"),
        ("a file as a directory", ROOT, "dir/file/x"),
        ("a link to itself as a directory", ROOT, "self/x"),
        ("above the directory", DIR, "../empty"),
        ("above the directory for a moment", DIR, "sub/../../dir/sub"),
        ("through an absolute link", DIR, "absolute/sub"),
        ("through a link that leads above", DIR, "up/x"),
    ] {
        let (at, len) = t.text(path);
        let _ = t.row(says, &args(dir, at, len));
    }
    let (at, len) = t.text(b"a\xff");
    let _ = t.row("no UTF-8", &args(ROOT, at, len));
    let (at, len) = t.text("x");
    let _ = t.row("a path outside", &args(ROOT, OUTSIDE, len));
    let _ = t.row("a path of all numbers", &args(ROOT, at, EVERY));
    let file = t.open("dir/file").unwrap();
    let _ = t.row("from a file", &args(file, at, len));
    let _ = t.row("from a stream", &args(0, at, len));
    let _ = t.row("from what is not open", &args(99, at, len));
}

/// The same call after the directory has lost its rights.
fn no_right(t: &mut Table, args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    t.call("fd_fdstat_set_rights", &[DIR, 0, 0]).unwrap();
    let (at, len) = t.text("file");
    let _ = t.row("without the right", &args(DIR, at, len));
}

fn plain(dir: u64, at: u64, len: u64) -> Vec<u64> {
    vec![dir, at, len]
}

/// A row for each path.
fn each_path(t: &mut Table, paths: &[(&str, &str)], args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    for (says, path) in paths {
        let (at, len) = t.text(path);
        let _ = t.row(says, &args(ROOT, at, len));
    }
}

/// A guest with room for one file more.
fn full() -> Guest {
    let mut limits = Limits::default();
    limits.inodes = 6;
    Guest::limited(limits, |builder| builder)
}

fn path_create_directory(t: &mut Table) {
    let paths = [
        ("a new one", "new"),
        ("with a slash", "slash/"),
        ("in a directory", "./dir/../dir/below"),
        ("there already", "dir"),
        ("a file", "dir/file"),
        ("a link", "dir/link"),
        ("a dot", "dir/."),
        ("the root", "."),
    ];
    each_path(t, &paths, &plain);
    bad_paths(t, &plain);
    no_right(t, &plain);
    t.on(full());
    each_path(t, &[("the last that there is room for", "last"), ("one more", "more")], &plain);
    t.on(read_only());
    each_path(t, &[("on a layer that is read-only", "new")], &plain);
}

fn path_filestat_get(t: &mut Table) {
    let out = t.alloc(64);
    let with = |lookup: u64| move |dir: u64, at: u64, len: u64| vec![dir, lookup, at, len, out];
    let paths = [
        ("a file", "dir/file"),
        ("a file with a slash", "dir/file/"),
        ("a link", "dir/link"),
        ("a link with a slash", "dir/link/"),
        ("a directory", "dir/"),
        ("a dot", "dir/sub/."),
        ("above", "dir/sub/.."),
        ("missing", "missing"),
    ];
    each_path(t, &paths, &with(0));
    each_path(t, &paths, &with(FOLLOW));
    let (at, len) = t.text("dir/file");
    t.each("unknown flags", &[ROOT, 0, at, len, out], 1, &[2, 3, EVERY]);
    let _ = t.row("the result outside", &[ROOT, 0, at, len, OUTSIDE - 63]);
    bad_paths(t, &with(FOLLOW));
    no_right(t, &with(0));
}

fn path_filestat_set_times(t: &mut Table) {
    let (at, len) = t.text("dir/file");
    let flags = [1, 2, 4, 8, 5, 10, 9, 0, 3, 12, 16, EVERY];
    t.each("each flag, both sides, none, a side twice, unknown ones", &[ROOT, 0, at, len, 5, 6, 0], 6, &flags);
    t.each("times at the edge", &[ROOT, 0, at, len, 0, 7, 5], 4, &[0, i64::MAX as u64, 1 << 63, u64::MAX]);
    let with = |lookup: u64| move |dir: u64, at: u64, len: u64| vec![dir, lookup, at, len, 1, 2, 5];
    each_path(t, &[("a link itself", "dir/link"), ("a directory", "dir"), ("missing", "missing")], &with(0));
    each_path(t, &[("what a link leads to", "dir/link"), ("a file with a slash", "dir/file/")], &with(FOLLOW));
    t.each("unknown lookup flags", &[ROOT, 0, at, len, 1, 2, 5], 1, &[2, EVERY]);
    bad_paths(t, &with(FOLLOW));
    no_right(t, &with(0));
    t.on(read_only());
    each_path(t, &[("on a layer that is read-only", "dir/file")], &with(0));
}

fn path_link(t: &mut Table) {
    let ((old, old_len), (new, new_len)) = (t.text("dir/file"), t.text("made"));
    let to =
        |lookup: u64, old: u64, old_len: u64| move |dir: u64, at: u64, len: u64| vec![ROOT, lookup, old, old_len, dir, at, len];
    let paths = [
        ("a second name", "second"),
        ("a name that is there", "dir/link"),
        ("its own name", "dir/file"),
        ("a name with a slash", "new/"),
        ("a directory", "empty"),
    ];
    each_path(t, &paths, &to(0, old, old_len));
    let (link, link_len) = t.text("dir/link");
    each_path(t, &[("a second name of a link", "link2")], &to(0, link, link_len));
    each_path(t, &[("a second name of what a link leads to", "third")], &to(FOLLOW, link, link_len));
    let from = |dir: u64, at: u64, len: u64| vec![dir, 0, at, len, ROOT, new, new_len];
    each_path(t, &[("a directory's", "dir"), ("of what is missing", "missing"), ("a file's with a slash", "dir/file/")], &from);
    t.each("unknown flags", &[ROOT, 0, old, old_len, ROOT, new, new_len], 1, &[2, EVERY]);
    bad_paths(t, &from);
    t.fresh();
    let (old, old_len) = t.text("dir/file");
    bad_paths(t, &to(0, old, old_len));
    no_right(t, &to(0, old, old_len));
    let mut limits = Limits::default();
    limits.bytes = 400;
    t.on(Guest::limited(limits, |builder| builder));
    let (old, old_len) = t.text("dir/file");
    let long = "n".repeat(200);
    each_path(t, &[("more than there is room for", &long)], &to(0, old, old_len));
    t.on(read_only());
    let (old, old_len) = t.text("dir/file");
    each_path(t, &[("on a layer that is read-only", "new")], &to(0, old, old_len));
    t.on(two_mounts());
    let (old, old_len) = t.text("dir/file");
    each_path(t, &[("on another mount", "other/new")], &to(0, old, old_len));
}

fn path_open(t: &mut Table) {
    let out = t.alloc(4);
    let with = |lookup: u64, oflags: u64, base: u64, fdflags: u64| {
        move |dir: u64, at: u64, len: u64| vec![dir, lookup, at, len, oflags, base, base, fdflags, out]
    };
    let reading = with(FOLLOW, 0, READ, 0);
    let paths = [
        ("a file", "dir/file"),
        ("a file with a slash", "dir/file/"),
        ("through a link", "dir/link"),
        ("a directory", "dir"),
        ("the directory itself", "."),
        ("missing", "missing"),
    ];
    each_path(t, &paths, &reading);
    each_path(t, &[("a directory to write", "dir")], &with(FOLLOW, 0, ALL, 0));
    each_path(t, &[("a link, not followed", "dir/link")], &with(0, 0, READ, 0));
    each_path(t, &[("a link, not followed, as a directory", "dir/link")], &with(0, DIRECTORY, READ, 0));
    each_path(t, &[("a file as a directory", "dir/file"), ("a directory as one", "dir")], &with(0, DIRECTORY, READ, 0));
    for flags in [CREAT, EXCL, TRUNC, CREAT | EXCL | TRUNC] {
        each_path(t, &[("a directory to be made or cut", "dir")], &with(0, DIRECTORY | flags, ALL, 0));
    }
    let create = [("there already", "dir/file"), ("missing: made", "new"), ("with a slash", "other/"), ("a directory", "dir")];
    each_path(t, &create, &with(FOLLOW, CREAT, ALL, 0));
    each_path(
        t,
        &[("new and it is", "new2"), ("new and it is not", "dir/file"), ("new and it is a link", "dir/link")],
        &with(FOLLOW, CREAT | EXCL, ALL, 0),
    );
    each_path(t, &[("cut", "dir/file")], &with(FOLLOW, TRUNC, ALL, 0));
    for fdflags in [APPEND, NONBLOCK, APPEND | NONBLOCK, 2, 8, 16, 32, EVERY] {
        each_path(t, &[("each flag, and unknown ones", "dir/file")], &with(FOLLOW, 0, ALL, fdflags));
    }
    each_path(t, &[("unknown flags", "dir/file")], &with(FOLLOW, 16, READ, 0));
    each_path(t, &[("unknown lookup flags", "dir/file")], &with(2, 0, READ, 0));
    each_path(t, &[("rights that nobody knows", "dir/file")], &with(FOLLOW, 0, u64::MAX, 0));
    each_path(t, &[("no rights at all", "dir/file")], &with(FOLLOW, 0, 0, 0));
    let (at, len) = t.text("dir/file");
    let _ = t.row("the result outside", &[ROOT, 0, at, len, 0, READ, READ, 0, OUTSIDE - 3]);
    bad_paths(t, &reading);
    no_right(t, &reading);
    t.fresh();
    t.call("fd_fdstat_set_rights", &[DIR, Rights::PATH_OPEN.bits(), Rights::FD_READ.bits()]).unwrap();
    let (at, len) = t.text("file");
    let (read, write) = (Rights::FD_READ.bits(), Rights::FD_WRITE.bits());
    let _ = t.row("a right that is handed on", &[DIR, 0, at, len, 0, read, 0, 0, out]);
    let _ = t.row("a right that is not", &[DIR, 0, at, len, 0, read | write, 0, 0, out]);
    let _ = t.row("a right to hand on that is not", &[DIR, 0, at, len, 0, read, write, 0, out]);
    let _ = t.row("to make without that right", &[DIR, 0, at, len, CREAT, read, 0, 0, out]);
    let _ = t.row("to cut without that right", &[DIR, 0, at, len, TRUNC, read, 0, 0, out]);
    open_elsewhere(t);
}

/// Opens of a FIFO, without free numbers, without room, and on a layer that is read-only.
fn open_elsewhere(t: &mut Table) {
    t.fresh();
    let out = t.alloc(4);
    let with = |oflags: u64, base: u64, fdflags: u64| {
        move |dir: u64, at: u64, len: u64| vec![dir, FOLLOW, at, len, oflags, base, 0, fdflags, out]
    };
    t.process.mkfifoat(DirFd::Cwd, b"/fifo", 0o644).unwrap();
    let write = Rights::FD_WRITE.bits();
    each_path(t, &[("a FIFO without a writer", "fifo")], &with(0, Rights::FD_READ.bits(), 0));
    each_path(t, &[("a FIFO without a reader, non-blocking", "fifo")], &with(0, write, NONBLOCK));
    each_path(t, &[("a FIFO neither to read nor to write", "fifo")], &with(0, 0, 0));
    let mut limits = Limits::default();
    limits.fds = 6;
    t.on(Guest::limited(limits, |builder| builder));
    each_path(t, &[("the last number", "dir/file"), ("no number left", "dir/file")], &with(0, READ, 0));
    t.on(full());
    each_path(t, &[("the last that there is room for", "last"), ("one more", "more")], &with(CREAT, ALL, 0));
    t.on(read_only());
    each_path(t, &[("to write on a layer that is read-only", "dir/file")], &with(0, ALL, 0));
    each_path(t, &[("to make on a layer that is read-only", "new")], &with(CREAT, READ, 0));
}

fn path_readlink(t: &mut Table) {
    let (buf, used) = (t.alloc(64), t.alloc(4));
    let (at, len) = t.text("dir/link");
    t.each("no room, too little, enough, more", &[ROOT, at, len, buf, 0, used], 4, &[0, 1, 4, 5, 64]);
    let with = |dir: u64, at: u64, len: u64| vec![dir, at, len, buf, 64, used];
    let paths = [("a file", "dir/file"), ("a directory", "dir"), ("a link with a slash", "dir/link/"), ("missing", "missing")];
    each_path(t, &paths, &with);
    let _ = t.row("a buffer that ends outside", &[ROOT, at, len, OUTSIDE - 3, 4, used]);
    let _ = t.row("a buffer of all numbers", &[ROOT, at, len, buf, EVERY, used]);
    let _ = t.row("the count outside", &[ROOT, at, len, buf, 64, OUTSIDE - 3]);
    let _ = t.row("the count in the buffer", &[ROOT, at, len, buf, 64, buf]);
    bad_paths(t, &with);
    no_right(t, &with);
}

fn path_remove_directory(t: &mut Table) {
    let paths = [
        ("an empty one", "dir/sub"),
        ("with a slash", "empty/"),
        ("a full one", "dir"),
        ("a file", "dir/file"),
        ("a link", "dir/link"),
        ("a dot", "dir/."),
        ("above", "dir/.."),
        ("the root", "."),
        ("missing", "missing"),
    ];
    each_path(t, &paths, &plain);
    bad_paths(t, &plain);
    no_right(t, &plain);
    t.on(two_mounts());
    each_path(t, &[("where something is mounted", "other")], &plain);
    t.on(read_only());
    each_path(t, &[("on a layer that is read-only", "empty")], &plain);
}

fn path_rename(t: &mut Table) {
    let rename = |t: &mut Table, says: &str, old: &str, new: &str| {
        let (old, new) = (t.text(old), t.text(new));
        let _ = t.row(says, &[ROOT, old.0, old.1, ROOT, new.0, new.1]);
    };
    for (says, old, new) in [
        ("a file", "dir/file", "moved"),
        ("onto itself", "moved", "./moved"),
        ("a file onto a link", "moved", "dir/link"),
        ("a directory with slashes", "empty/", "void/"),
        ("a directory onto an empty one", "void", "dir/sub"),
        ("a directory onto a full one", "dir/sub", "dir"),
        ("a directory into itself", "dir", "dir/sub/dir"),
        ("a directory onto a file", "dir/sub", "dir/link"),
        ("a file onto a directory", "dir/link", "dir/sub"),
        ("a file with a slash", "dir/link/", "x"),
        ("a file to a name with a slash", "dir/link", "x/"),
        ("missing", "missing", "x"),
        ("a dot", "dir/.", "x"),
        ("onto above", "dir/link", "dir/.."),
        ("the root", ".", "x"),
        ("missing onto a long name", "missing", &"n".repeat(256)),
    ] {
        rename(t, says, old, new);
    }
    t.fresh();
    let (new, new_len) = t.text("made");
    bad_paths(t, &move |dir, at, len| vec![dir, at, len, ROOT, new, new_len]);
    t.fresh();
    let (old, old_len) = t.text("dir/file");
    let to = move |dir: u64, at: u64, len: u64| vec![ROOT, old, old_len, dir, at, len];
    bad_paths(t, &to);
    no_right(t, &to);
    t.on(two_mounts());
    rename(t, "onto another mount", "dir/file", "other/new");
    rename(t, "what is mounted", "other", "x");
    t.on(read_only());
    rename(t, "on a layer that is read-only", "dir/file", "x");
    let mut limits = Limits::default();
    limits.bytes = 400;
    t.on(Guest::limited(limits, |builder| builder));
    rename(t, "more than there is room for", "dir/file", &"n".repeat(200));
}

fn path_symlink(t: &mut Table) {
    let with = |target: (u64, u64)| move |dir: u64, at: u64, len: u64| vec![target.0, target.1, dir, at, len];
    let target = t.text("anywhere");
    let paths =
        [("a new one", "new"), ("there already", "dir"), ("with a slash", "other/"), ("with a slash, there already", "dir/")];
    each_path(t, &paths, &with(target));
    let long = "x".repeat(4096);
    for (says, text) in [
        ("an absolute target", "/dir"),
        ("no target", ""),
        ("a target with a NUL", "a\0b"),
        ("a target of 4,096 bytes", &long),
        ("a target of 4,095 bytes", &long[1..]),
    ] {
        let target = t.text(text);
        each_path(t, &[(says, "l")], &with(target));
        let _ = t.path("path_unlink_file", "l");
    }
    let target = t.text(b"\xff");
    each_path(t, &[("a target that is no UTF-8", "l")], &with(target));
    let _ = t.row("a target outside", &with((OUTSIDE, 1))(ROOT, target.0, 1));
    let target = t.text("anywhere");
    bad_paths(t, &with(target));
    no_right(t, &with(target));
    t.on(full());
    let target = t.text("anywhere");
    each_path(t, &[("the last that there is room for", "last"), ("one more", "more")], &with(target));
    t.on(read_only());
    let target = t.text("anywhere");
    each_path(t, &[("on a layer that is read-only", "new")], &with(target));
}

fn path_unlink_file(t: &mut Table) {
    let paths = [
        ("a file with a slash", "dir/file/"),
        ("a file", "dir/file"),
        ("again", "dir/file"),
        ("a link", "dir/link"),
        ("a directory", "empty"),
        ("a directory with a slash", "empty/"),
        ("a dot", "dir/."),
        ("missing", "missing"),
    ];
    each_path(t, &paths, &plain);
    t.fresh();
    bad_paths(t, &plain);
    no_right(t, &plain);
    t.on(read_only());
    each_path(t, &[("on a layer that is read-only", "dir/file")], &plain);
}

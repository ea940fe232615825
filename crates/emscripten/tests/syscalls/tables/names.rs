//! Opening, and calls that make, move and remove names.

use stratafs::DirFd;

use super::{Rows, Table, few_numbers, read_only, small, two_mounts};
use crate::guest::{CREAT, CWD, EXCL, NOFOLLOW, NONBLOCK, O_PATH, OUTSIDE, RDWR, WRONLY};

pub const TABLES: &[(&str, Rows)] = &[
    ("open", |t| opens(t, &|path, flags, mode| vec![path, flags, mode])),
    ("openat", |t| {
        opens(t, &|path, flags, mode| vec![CWD, path, flags, mode]);
        t.fresh();
        t.bad_paths_at(&|dir, path| vec![dir, path, 0, 0]);
    }),
    ("mkdir", |t| makes(t, &|path| vec![path, 0o755])),
    ("mkdirat", |t| {
        makes(t, &|path| vec![CWD, path, 0o755]);
        t.fresh();
        t.bad_paths_at(&|dir, path| vec![dir, path, 0o755]);
    }),
    ("mknod", |t| nodes(t, &|path, mode| vec![path, mode, 0])),
    ("mknodat", |t| {
        nodes(t, &|path, mode| vec![CWD, path, mode, 0]);
        t.fresh();
        t.bad_paths_at(&|dir, path| vec![dir, path, 0, 0]);
    }),
    ("rmdir", |t| removes_directories(t, &|path| vec![path])),
    ("unlink", |t| removes_files(t, &|path| vec![path])),
    ("unlinkat", unlinkat),
    ("rename", |t| renames(t, &|old, new| vec![old, new])),
    ("renameat", |t| {
        renames(t, &|old, new| vec![CWD, old, CWD, new]);
        t.fresh();
        let new = t.put("made");
        t.bad_paths_at(&|dir, path| vec![dir, path, CWD, new]);
        t.fresh();
        let old = t.put("/dir/file");
        t.bad_paths_at(&|dir, path| vec![CWD, old, dir, path]);
    }),
    ("linkat", linkat),
    ("symlink", |t| symlinks(t, &|target, path| vec![target, path])),
    ("symlinkat", |t| {
        symlinks(t, &|target, path| vec![target, CWD, path]);
        t.fresh();
        let target = t.put("anywhere");
        t.bad_paths_at(&|dir, path| vec![target, dir, path]);
    }),
    ("readlink", |t| readlinks(t, &|path, buf, size| vec![path, buf, size])),
    ("readlinkat", |t| {
        readlinks(t, &|path, buf, size| vec![CWD, path, buf, size]);
        t.fresh();
        let buf = t.alloc(64);
        t.bad_paths_at(&|dir, path| vec![dir, path, buf, 64]);
    }),
    ("chdir", chdir),
    ("fchdir", fchdir),
    ("getcwd", getcwd),
    ("umask", umask),
    ("umask_js", umask),
    ("getuid32", identity),
    ("geteuid32", identity),
    ("getgid32", identity),
    ("getegid32", identity),
    ("getuid32_js", identity),
];

const EVERY: u64 = u32::MAX as u64;
const TRUNC: u64 = 0x200;
const APPEND: u64 = 0x400;
const DIRECTORY: u64 = 0x1_0000;
const CLOEXEC: u64 = 0x8_0000;
const TMPFILE: u64 = 0x40_0000 | DIRECTORY;

type One<'a> = &'a dyn Fn(u64) -> Vec<u64>;
type Two<'a> = &'a dyn Fn(u64, u64) -> Vec<u64>;
type Three<'a> = &'a dyn Fn(u64, u64, u64) -> Vec<u64>;

fn opens(t: &mut Table, args: Three<'_>) {
    let mode = t.words(&[0o600]);
    let with = |flags: u64| move |path: u64| args(path, flags, mode);
    let file = [("a file", "/dir/file")];
    for flags in
        [0, WRONLY, RDWR, 3, APPEND | WRONLY, NONBLOCK, CLOEXEC, NOFOLLOW, O_PATH, DIRECTORY, TRUNC | WRONLY, 0x8000, 1 << 30]
    {
        t.paths(&file, &with(flags));
    }
    t.paths(
        &[("a directory", "/dir"), ("a link", "/dir/link"), ("missing", "/missing"), ("a file with a slash", "/dir/file/")],
        &with(0),
    );
    t.paths(&[("a directory to write", "/dir")], &with(RDWR));
    t.paths(&[("a link, not followed", "/dir/link")], &with(NOFOLLOW));
    t.paths(&[("the link itself", "/dir/link")], &with(O_PATH | NOFOLLOW));
    t.paths(&[("a directory to be made", "/dir"), ("a file as one to be made", "/dir/file")], &with(DIRECTORY | CREAT));
    t.paths(&[("there already", "/dir/file"), ("made", "/new"), ("with a slash", "/x/")], &with(CREAT | RDWR));
    t.paths(&[("new and it is", "/new2"), ("new and it is not", "/dir/file")], &with(CREAT | EXCL | RDWR));
    t.paths(&[("without a name", "/dir")], &with(TMPFILE | RDWR));
    t.paths(&[("without a name, to read", "/dir")], &with(TMPFILE));
    let path = t.put("/new3");
    let _ = t.row("a mode outside", &args(path, CREAT, OUTSIDE - 3));
    let _ = t.row("no mode", &args(path, CREAT, 0));
    t.bad_paths(&with(0));
    t.process.mkfifoat(DirFd::Cwd, b"/fifo", 0o644).unwrap();
    t.paths(&[("a FIFO without a writer", "/fifo")], &with(0));
    t.paths(&[("a FIFO without a reader, non-blocking", "/fifo")], &with(WRONLY | NONBLOCK));
    t.paths(&[("a FIFO neither to read nor to write", "/fifo")], &with(3));
    for flags in [0, 0] {
        let path = t.put("x");
        let _ = t.row("from the working directory", &args(path, flags, 0));
    }
    t.on(few_numbers());
    for _ in 3..7 {
        t.open("/dir/file", 0).unwrap();
    }
    t.paths(&[("no number left", "/dir/file")], &with(0));
    t.on(small());
    let long = format!("/{}", "n".repeat(200));
    t.paths(&[("more than there is room for", &long)], &|path| args(path, CREAT, 0));
    t.on(read_only());
    t.paths(&[("to write where it is read-only", "dir/file")], &with(RDWR));
    t.paths(&[("to make where it is read-only", "new")], &|path| args(path, CREAT, 0));
    let file = t.open("dir/file", 0).unwrap();
    assert!(file > 2);
}

/// What making a name comes to, in every call that makes one.
fn makes(t: &mut Table, args: One<'_>) {
    t.paths(
        &[
            ("a new one", "/new"),
            ("with a slash", "/slash/"),
            ("there already", "/dir"),
            ("a file", "/dir/file"),
            ("a link", "/dir/link"),
            ("a dot", "/dir/."),
            ("the root", "/"),
        ],
        args,
    );
    t.bad_paths(args);
    no_room(t, args);
}

fn no_room(t: &mut Table, args: One<'_>) {
    t.on(small());
    let long = format!("/{}", "n".repeat(200));
    t.paths(&[("more than there is room for", &long)], args);
    t.on(read_only());
    t.paths(&[("where it is read-only", "new")], args);
}

fn nodes(t: &mut Table, args: Two<'_>) {
    for (mode, path) in [
        (0o644, "/plain"),
        (0o100_644, "/file"),
        (0o010_644, "/fifo"),
        (0o020_644, "/char"),
        (0o060_644, "/block"),
        (0o140_644, "/socket"),
        (0o040_755, "/directory"),
        (0o120_644, "/link"),
        (0o170_000, "/none"),
        (EVERY, "/all"),
    ] {
        t.paths(&[("each type, and none", path)], &|path| args(path, mode));
    }
    makes(t, &|path| args(path, 0o100_644));
}

fn removes_directories(t: &mut Table, args: One<'_>) {
    t.paths(
        &[
            ("an empty one", "/dir/sub"),
            ("with a slash", "/empty/"),
            ("a full one", "/dir"),
            ("a file", "/dir/file"),
            ("a link", "/dir/link"),
            ("a dot", "/dir/."),
            ("above", "/dir/.."),
            ("the root", "/"),
            ("missing", "/missing"),
        ],
        args,
    );
    t.bad_paths(args);
    t.on(two_mounts());
    t.paths(&[("where something is mounted", "/other")], args);
    t.on(read_only());
    t.paths(&[("where it is read-only", "empty")], args);
}

fn removes_files(t: &mut Table, args: One<'_>) {
    t.paths(
        &[
            ("a file with a slash", "/dir/file/"),
            ("a link", "/dir/link"),
            ("a directory", "/empty"),
            ("a directory with a slash", "/empty/"),
            ("a dot", "/dir/."),
            ("missing", "/missing"),
            ("a file", "/dir/file"),
            ("again", "/dir/file"),
        ],
        args,
    );
    t.fresh();
    t.bad_paths(args);
    t.on(read_only());
    t.paths(&[("where it is read-only", "dir/file")], args);
}

fn unlinkat(t: &mut Table) {
    removes_files(t, &|path| vec![CWD, path, 0]);
    t.fresh();
    removes_directories(t, &|path| vec![CWD, path, 0x200]);
    t.fresh();
    let path = t.put("/dir/file");
    t.each("unknown flags", &[CWD, path, 0], 2, &[1, 0x100, 0x400, 0x800, EVERY]);
    t.bad_paths_at(&|dir, path| vec![dir, path, 0]);
}

fn renames(t: &mut Table, args: Two<'_>) {
    let long = "n".repeat(256);
    for (says, old, new) in [
        ("a file", "/dir/file", "/moved"),
        ("onto itself", "/moved", "/./moved"),
        ("a file onto a link", "/moved", "/dir/link"),
        ("a directory with slashes", "/empty/", "/void/"),
        ("a directory onto an empty one", "/void", "/dir/sub"),
        ("a directory onto a full one", "/dir/sub", "/dir"),
        ("a directory into itself", "/dir", "/dir/sub/dir"),
        ("a directory onto a file", "/dir/sub", "/dir/link"),
        ("a file onto a directory", "/dir/link", "/dir/sub"),
        ("a file with a slash", "/dir/link/", "/x"),
        ("a file to a name with a slash", "/dir/link", "/x/"),
        ("missing", "/missing", "/x"),
        ("missing onto a long name", "/missing", &long),
        ("a dot", "/dir/.", "/x"),
        ("onto above", "/dir/link", "/dir/.."),
        ("the root", "/", "/x"),
    ] {
        let (old, new) = (t.put(old), t.put(new));
        let _ = t.row(says, &args(old, new));
    }
    t.fresh();
    let new = t.put("made");
    t.bad_paths(&|path| args(path, new));
    t.fresh();
    let old = t.put("/dir/file");
    t.bad_paths(&|path| args(old, path));
    t.on(two_mounts());
    for (says, old, new) in [("onto another mount", "/dir/file", "/other/new"), ("what is mounted", "/other", "/x")] {
        let (old, new) = (t.put(old), t.put(new));
        let _ = t.row(says, &args(old, new));
    }
    t.on(small());
    let (old, new) = (t.put("/dir/file"), t.put(format!("/{}", &long[..200])));
    let _ = t.row("more than there is room for", &args(old, new));
    t.on(read_only());
    let (old, new) = (t.put("dir/file"), t.put("x"));
    let _ = t.row("where it is read-only", &args(old, new));
}

fn linkat(t: &mut Table) {
    let (old, new) = (t.put("/dir/file"), t.put("/made"));
    let to = |path: u64| vec![CWD, old, CWD, path, 0];
    t.paths(
        &[("a second name", "/second"), ("there already", "/dir/link"), ("its own name", "/dir/file"), ("with a slash", "/x/")],
        &to,
    );
    let link = t.put("/dir/link");
    t.paths(&[("a second name of a link", "/link2")], &|path| vec![CWD, link, CWD, path, 0]);
    t.paths(&[("of what a link leads to", "/third")], &|path| vec![CWD, link, CWD, path, 0x400]);
    let (fd, empty) = (t.open("/dir/file", 0).unwrap(), t.put(""));
    t.paths(&[("of an open file", "/fourth")], &|path| vec![fd, empty, CWD, path, 0x1000]);
    t.paths(&[("of a stream", "/fifth")], &|path| vec![0, empty, CWD, path, 0x1000]);
    let from = |path: u64| vec![CWD, path, CWD, new, 0];
    t.paths(&[("a directory's", "/dir"), ("of what is missing", "/missing"), ("a file's with a slash", "/dir/file/")], &from);
    t.each("unknown flags", &[CWD, old, CWD, new, 0], 4, &[1, 0x100, 0x200, 0x800, EVERY]);
    t.bad_paths_at(&|dir, path| vec![dir, path, CWD, new, 0]);
    t.fresh();
    let old = t.put("/dir/file");
    t.bad_paths_at(&|dir, path| vec![CWD, old, dir, path, 0]);
    t.on(two_mounts());
    let old = t.put("/dir/file");
    t.paths(&[("on another mount", "/other/new")], &|path| vec![CWD, old, CWD, path, 0]);
    t.on(small());
    let (old, long) = (t.put("/dir/file"), format!("/{}", "n".repeat(200)));
    t.paths(&[("more than there is room for", &long)], &|path| vec![CWD, old, CWD, path, 0]);
    t.on(read_only());
    let old = t.put("dir/file");
    t.paths(&[("where it is read-only", "new")], &|path| vec![CWD, old, CWD, path, 0]);
}

fn symlinks(t: &mut Table, args: Two<'_>) {
    let target = t.put("anywhere");
    let to = |path: u64| args(target, path);
    t.paths(
        &[("a new one", "/new"), ("there already", "/dir"), ("with a slash", "/x/"), ("there already, with a slash", "/dir/")],
        &to,
    );
    for (says, text) in [("an absolute target", "/dir"), ("no target", ""), ("no UTF-8", "é")] {
        let target = t.put(text);
        t.paths(&[(says, "/l")], &|path| args(target, path));
        let _ = t.path("unlink", "/l", &[]);
    }
    let path = t.put("/l");
    let long = t.put("x".repeat(4096));
    let _ = t.row("a target of 4,096 bytes", &args(long, path));
    let _ = t.row("a target of 4,095 bytes", &args(long + 1, path));
    let path = t.put("/m");
    let _ = t.row("no target at all", &args(0, path));
    let _ = t.row("a target outside", &args(OUTSIDE, path));
    t.bad_paths(&to);
    no_room_for_links(t, args);
}

fn no_room_for_links(t: &mut Table, args: Two<'_>) {
    t.on(small());
    let (target, path) = (t.put("n".repeat(200)), t.put("/l"));
    let _ = t.row("more than there is room for", &args(target, path));
    t.on(read_only());
    let (target, path) = (t.put("anywhere"), t.put("l"));
    let _ = t.row("where it is read-only", &args(target, path));
}

fn readlinks(t: &mut Table, args: Three<'_>) {
    let (link, buf) = (t.put("/dir/link"), t.alloc(64));
    for size in [0, 1, 4, 5, 64, 0x7fff_ffff, 0x8000_0000, EVERY] {
        let _ = t.row("room of each size", &args(link, buf, size));
    }
    let with = |path: u64| args(path, buf, 64);
    t.paths(
        &[("a file", "/dir/file"), ("a directory", "/dir"), ("a link with a slash", "/dir/link/"), ("missing", "/missing")],
        &with,
    );
    let _ = t.row("a buffer that ends outside", &args(link, OUTSIDE - 3, 4));
    let _ = t.row("no buffer", &args(link, 0, 4));
    t.bad_paths(&with);
}

fn chdir(t: &mut Table) {
    let with = |path: u64| vec![path];
    t.paths(
        &[("a directory", "/dir"), ("from there", "sub/.."), ("above", ".."), ("a file", "/dir/file"), ("missing", "/missing")],
        &with,
    );
    t.bad_paths(&with);
}

fn fchdir(t: &mut Table) {
    let (dir, file) = (t.open("/dir", 0).unwrap(), t.open("/dir/file", 0).unwrap());
    let place = t.open("/dir", O_PATH).unwrap();
    let _ = t.row("a directory", &[dir]);
    let _ = t.row("a place", &[place]);
    let _ = t.row("a file", &[file]);
    let _ = t.row("a stream", &[0]);
    t.each("not open", &[0], 0, &[99, EVERY]);
}

fn getcwd(t: &mut Table) {
    let buf = t.alloc(64);
    t.path("chdir", "/dir/sub", &[]).unwrap();
    t.each("room of each size", &[buf, 0], 1, &[0, 1, 8, 9, 64, EVERY]);
    let _ = t.row("no buffer", &[0, 64]);
    let _ = t.row("no buffer and no room", &[0, 0]);
    let _ = t.row("a buffer that ends outside", &[OUTSIDE - 8, 64]);
    let _ = t.row("a buffer that ends with the memory", &[OUTSIDE - 9, 64]);
    t.path("rmdir", "/dir/sub", &[]).unwrap();
    let _ = t.row("removed", &[buf, 64]);
}

fn umask(t: &mut Table) {
    t.each("each bit", &[0], 0, &[0o77, 0, 0o777, 0o7777, EVERY, 0o22]);
}

fn identity(t: &mut Table) {
    assert_eq!(t.row("root", &[]), Ok(0));
}

//! Every path call of a process, over links of every shape that point out of a writable host directory: nothing outside is read,
//! made, changed or removed.
#![cfg(unix)]

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::{Access, DirFd, Fd, Limits, Namespace, NodeRef, OneBuf, OpenHow, Outcome, Process, SetAttr, SetTime, Timestamp};

/// Links out of the directory: files and directories, absolute and relative, with and without a slash at the end, and over each
/// other.
fn plant(dir: &Path, outside: &Path) {
    let text = outside.to_str().unwrap();
    let up = "../".repeat(12);
    for (name, target) in [
        ("abs", text.to_owned()),
        ("abs-slash", format!("{text}/")),
        ("rel", format!("{up}{}", &text[1..])),
        ("rel-slash", format!("{up}{}/", &text[1..])),
        ("file", format!("{text}/canary")),
        ("file-slash", format!("{text}/canary/")),
        ("rel-file", format!("{up}{}/canary", &text[1..])),
        ("new", format!("{text}/made")),
        ("rel-new", format!("{up}{}/made", &text[1..])),
        ("chain", "abs/canary".to_owned()),
        ("up", "sub/../../../../../../../..".to_owned()),
    ] {
        symlink(target, dir.join(name)).unwrap();
    }
    std::fs::create_dir_all(dir.join("sub/empty")).unwrap();
    std::fs::write(dir.join("mine"), "inside").unwrap();
}

fn scratch() -> tempfile::TempDir {
    let base = Path::new("/dev/shm");
    if base.is_dir() { tempfile::tempdir_in(base).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn state(outside: &Path) -> Vec<(String, u64, u32, u64, i64, i64, i64)> {
    let mut all = Vec::new();
    for path in [outside.to_path_buf(), outside.join("canary"), outside.join("sub")] {
        let meta = path.metadata().unwrap();
        let size = if meta.is_dir() { std::fs::read_dir(&path).unwrap().count() as u64 } else { meta.len() };
        all.push((
            path.display().to_string(),
            meta.ino(),
            meta.mode(),
            size,
            meta.mtime_nsec(),
            meta.ctime_nsec(),
            meta.nlink() as i64,
        ));
    }
    all
}

fn paths() -> Vec<String> {
    let links = ["abs", "abs-slash", "rel", "rel-slash", "file", "file-slash", "rel-file", "new", "rel-new", "chain", "up"];
    let mut all = Vec::new();
    for link in links {
        for tail in ["", "/", "//", "/.", "/..", "/canary", "/sub", "/sub/", "/made", "/made/", "/../canary"] {
            all.push(format!("{link}{tail}"));
            all.push(format!("/sub/../{link}{tail}"));
        }
    }
    all
}

fn open(process: &mut Process, dir: DirFd, path: &str, how: &OpenHow) {
    let Ok(Outcome::Ready(fd)) = process.openat(dir, path.as_bytes(), how) else { return };
    let mut buf = [0; 64];
    if let Ok(n) = process.pread(fd, &mut OneBuf(&mut buf), 0) {
        assert!(!buf[..n].starts_with(b"OUTSIDE"), "{path} reads what lies outside");
    }
    process.close(fd).unwrap();
}

fn attack(process: &mut Process, dir: DirFd, path: &str, inos: &[u64]) {
    let bytes = path.as_bytes();
    for follow in [true, false] {
        if let Ok(stat) = process.statat(dir, bytes, follow) {
            assert!(!inos.contains(&stat.ino), "{path} shows what lies outside");
        }
        let time = SetTime::To(Timestamp { sec: 1, nsec: 0 });
        let attr = SetAttr { mode: Some(0), uid: Some(7), atime: time, mtime: time, ..SetAttr::default() };
        for attr in [attr, SetAttr { mode: None, ..attr }, SetAttr::size(0)] {
            let _ = process.set_attr_at(dir, bytes, follow, &attr);
        }
        let _ = process.linkat(dir, bytes, dir, b"linked", follow);
        let _ = process.unlinkat(dir, b"linked");
        for access in [Access::READ, Access::READ_WRITE, Access { truncate: true, ..Access::READ }] {
            for (create, directory) in [(false, false), (true, false), (false, true)] {
                open(process, dir, path, &OpenHow { create, directory, follow, ..OpenHow::new(access) });
            }
        }
    }
    let _ = process.readlinkat(dir, bytes);
    let _ = process.mkdirat(dir, bytes, 0o755);
    let _ = process.symlinkat(b"/etc/passwd", dir, bytes);
    let _ = process.linkat(dir, b"mine", dir, bytes, false);
    let _ = process.renameat(dir, bytes, dir, b"stolen");
    let _ = process.renameat(dir, b"stolen", dir, bytes);
    let _ = process.renameat(dir, b"mine", dir, bytes);
    let _ = process.chdir(bytes);
    open(process, DirFd::Cwd, "canary", &OpenHow::read());
    open(process, DirFd::Cwd, "made", &OpenHow::write_new());
    process.chdir(b"/").unwrap();
    let _ = process.rmdirat(dir, bytes);
    let _ = process.unlinkat(dir, bytes);
}

#[test]
fn no_path_call_leaves_the_directory() {
    let outside = scratch();
    std::fs::write(outside.path().join("canary"), "OUTSIDE").unwrap();
    std::fs::create_dir(outside.path().join("sub")).unwrap();
    let before = state(outside.path());
    let inos: Vec<u64> = before.iter().map(|file| file.1).collect();
    let mut tried = 0;
    for (n, path) in paths().into_iter().enumerate() {
        for beneath in [false, true] {
            // On one device with what lies outside, so that inode numbers can be compared.
            let dir = scratch();
            plant(dir.path(), outside.path());
            let fs = HostFs::open(dir.path(), HostOptions { writable: true, ..HostOptions::default() }).unwrap();
            let namespace = Namespace::new(NodeRef::root_of(&fs), &Limits::default());
            let mut process = Process::builder(namespace, Limits::default()).build().unwrap();
            let root = OpenHow { directory: true, ..OpenHow::read() };
            let Ok(Outcome::Ready(fd)) = process.openat(DirFd::Cwd, b"/", &root) else { panic!("no root") };
            assert!(fd > Fd::STDERR);
            attack(&mut process, if beneath { DirFd::Beneath(fd) } else { DirFd::At(fd) }, &path, &inos);
            tried += 1;
        }
        if n % 32 == 0 {
            assert_eq!(state(outside.path()), before, "at {path}");
        }
    }
    assert_eq!(state(outside.path()), before);
    assert_eq!(std::fs::read(outside.path().join("canary")).unwrap(), b"OUTSIDE");
    assert_eq!(tried, 484);
}

#[test]
fn links_stay_inside_and_work_there() {
    let dir = scratch();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("sub/file"), "inside").unwrap();
    symlink("/sub/file", dir.path().join("absolute")).unwrap();
    symlink("../../../sub", dir.path().join("sub/clamped")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let fs = HostFs::open(dir.path(), HostOptions::default()).unwrap();
    let namespace = Namespace::new(NodeRef::root_of(&fs), &Limits::default());
    let mut process = Process::builder(namespace, Limits::default()).build().unwrap();
    for path in ["/absolute", "sub/clamped/file", "/sub/clamped/clamped/../absolute", "/../../sub/file"] {
        let Ok(Outcome::Ready(fd)) = process.openat(DirFd::Cwd, path.as_bytes(), &OpenHow::read()) else { panic!("{path}") };
        let mut buf = [0; 16];
        let n = process.pread(fd, &mut OneBuf(&mut buf), 0).unwrap();
        assert_eq!(&buf[..n], b"inside");
    }
    assert_eq!(process.statat(DirFd::Cwd, b"loop", true), Err(stratafs::Errno::ELOOP));
    assert_eq!(process.statat(DirFd::Cwd, b"absolute/", true), Err(stratafs::Errno::ENOTDIR));
    assert_eq!(process.mkdirat(DirFd::Cwd, b"new", 0o755), Err(stratafs::Errno::EROFS));
}

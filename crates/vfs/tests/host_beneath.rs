//! Attributes that a host directory gives for several names at once are those that it gives name by name, and never those of a file outside.
#![cfg(unix)]
#![forbid(unsafe_code)]

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::memfs::MemFs;
use stratafs::{
    Access, Budget, DirFd, Errno, Fd, FileKind, Filesystem, Limits, Name, Namespace, NewKind, NodeRef, OpenHow, Outcome, Process,
    Result, Stat,
};

fn scratch() -> tempfile::TempDir {
    let base = Path::new("/dev/shm");
    if base.is_dir() { tempfile::tempdir_in(base).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn tree() -> tempfile::TempDir {
    let dir = scratch();
    let path = dir.path();
    std::fs::create_dir_all(path.join("a/b/c")).unwrap();
    std::fs::create_dir_all(path.join("x/y")).unwrap();
    std::fs::write(path.join("a/b/file"), "inside").unwrap();
    std::fs::write(path.join("top"), "top").unwrap();
    for (target, name) in [
        ("b", "a/link"),
        ("/a/b", "a/absolute"),
        ("b/file", "a/to-file"),
        ("../a/b", "a/b/up"),
        ("/etc", "a/out"),
        ("../../../../../../../etc", "a/climb"),
        ("loop", "a/loop"),
        ("nowhere", "a/b/dangling"),
    ] {
        symlink(target, path.join(name)).unwrap();
    }
    mknodat(CWD, path.join("a/b/fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    dir
}

/// With `deep`, something is mounted so far down that paths are gone name by name.
fn process(dir: &Path, deep: bool) -> Process {
    let fs = HostFs::open(dir, HostOptions { writable: true, ..HostOptions::default() }).unwrap();
    let limits = Limits::default();
    let mut namespace = Namespace::new(NodeRef::root_of(&fs), &limits);
    let memory = MemFs::new(Budget::unlimited(), &limits);
    memory.create(&memory.root(), Name::new(b"mounted").unwrap(), NewKind::File, 0o600).unwrap();
    namespace.mount(if deep { b"/x/y" } else { b"/x" }, NodeRef::root_of(&memory), false).unwrap();
    Process::builder(namespace, limits).build().unwrap()
}

fn open_dir(process: &mut Process, path: &[u8]) -> Fd {
    match process.openat(DirFd::Cwd, path, &OpenHow { directory: true, ..OpenHow::new(Access::READ) }) {
        Ok(Outcome::Ready(fd)) => fd,
        _ => panic!("no directory"),
    }
}

fn paths() -> Vec<String> {
    let heads =
        ["a", "/a", "./a", "a/.", "a//", "a/../a", "top", "missing", "a/link", "a/absolute", "a/out", "a/climb", "a/b/up"];
    let tails =
        ["b", "b/c", "b/c/", "b/file", "b/file/", "b/fifo", "b/missing", "missing/b", "b/file/c", "link/file", "to-file", "loop"];
    let mut all: Vec<String> = heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}/{tail}"))).collect();
    all.extend(["a/b/dangling", "a/loop/x", "passwd", "a/out/passwd", "a/climb/passwd", "a/b/../../../top"].map(str::to_owned));
    all.push(format!("a/{}/b", "n".repeat(256)));
    all.push(format!("{}a/b/file", "a/../".repeat(300)));
    all
}

#[test]
fn at_once_is_as_name_by_name() {
    let dir = tree();
    let (mut at_once, mut by_name) = (process(dir.path(), false), process(dir.path(), true));
    let (at_once_a, by_name_a) = (open_dir(&mut at_once, b"/a"), open_dir(&mut by_name, b"/a"));
    let mut found = 0;
    for path in paths() {
        for follow in [false, true] {
            let ask =
                |process: &Process, dir| -> Result<Stat> { Ok(Stat { dev: 0, ..process.statat(dir, path.as_bytes(), follow)? }) };
            let (one, other) = (ask(&at_once, DirFd::Cwd), ask(&by_name, DirFd::Cwd));
            assert_eq!(one, other, "{path}");
            found += usize::from(one.is_ok());
            for (one, other) in
                [(DirFd::At(at_once_a), DirFd::At(by_name_a)), (DirFd::Beneath(at_once_a), DirFd::Beneath(by_name_a))]
            {
                assert_eq!(ask(&at_once, one), ask(&by_name, other), "{path} from a");
            }
        }
    }
    assert!(found > 60, "only {found} paths lead anywhere");
}

#[test]
fn what_is_mounted_on_the_way_is_seen() {
    let dir = tree();
    std::fs::write(dir.path().join("x/mounted"), "hidden by the mount").unwrap();
    let process = process(dir.path(), false);
    assert_eq!(process.statat(DirFd::Cwd, b"x/mounted", true).map(|stat| (stat.size, stat.mode)), Ok((0, 0o600)));
    assert_eq!(process.statat(DirFd::Cwd, b"x/y", true), Err(Errno::ENOENT));
    assert_eq!(process.statat(DirFd::Cwd, b"a/b/fifo", true).map(|stat| stat.kind), Ok(FileKind::Fifo));
}

/// Somebody swaps a directory on the way for a link that leads out, and back, all the while.
#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    let outside = scratch();
    std::fs::create_dir(outside.path().join("b")).unwrap();
    std::fs::write(outside.path().join("b/file"), "OUTSIDE, and longer").unwrap();
    let canary = outside.path().join("b/file").metadata().unwrap().ino();
    let dir = tree();
    symlink(outside.path(), dir.path().join("swap")).unwrap();
    let process = process(dir.path(), false);
    let stop = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (dir.path().join("a"), dir.path().join("swap"));
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..20_000 {
            match process.statat(DirFd::Cwd, b"a/b/file", true) {
                Ok(stat) => {
                    assert_ne!(stat.ino, canary);
                    assert_eq!(stat.size, 6);
                    inside += 1;
                }
                Err(errno) => {
                    // The link's target is looked for in the guest's own tree.
                    assert!(matches!(errno, Errno::ENOENT | Errno::ENOTDIR), "{errno:?}");
                    refused += 1;
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(inside > 0 && refused > 0, "{inside} and {refused}");
}

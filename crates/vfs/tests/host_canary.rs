//! A writable host directory whose tree is changed while a guest walks it, or holds what a guest should not touch: a tree of canaries outside
//! keeps its bytes and its attributes, and no call hangs.
#![cfg(unix)]

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::overlay::Overlay;
use stratafs::{
    Access, Budget, DirFd, Errno, Limits, Namespace, NodeRef, OneBuf, OpenHow, Outcome, Process, SetAttr, SetTime, Timestamp,
    Whence,
};

/// What every canary begins with.
const SONG: &[u8] = b"CANARY";

/// The directory that a guest gets, beside a tree of canaries, on one device.
struct Cage {
    scratch: tempfile::TempDir,
    before: Vec<String>,
}

impl Cage {
    fn new() -> Self {
        let base = Path::new("/dev/shm");
        let scratch = if base.is_dir() { tempfile::tempdir_in(base).unwrap() } else { tempfile::tempdir().unwrap() };
        let canaries = scratch.path().join("canaries");
        for dir in ["", "a", "a/b", "hall", "hall/door"] {
            std::fs::create_dir_all(canaries.join(dir)).unwrap();
            for file in ["canary", "mine", "file", "outside-only"] {
                let song = format!("CANARY in {dir}/{file}");
                std::fs::write(canaries.join(dir).join(file), song).unwrap();
            }
        }
        symlink("canary", canaries.join("link")).unwrap();
        std::fs::create_dir(scratch.path().join("inside")).unwrap();
        let before = state(&canaries);
        Cage { scratch, before }
    }

    fn inside(&self) -> PathBuf {
        self.scratch.path().join("inside")
    }

    fn canaries(&self) -> PathBuf {
        self.scratch.path().join("canaries")
    }

    fn mount(&self, exclusive: bool) -> NodeRef {
        let options = HostOptions { writable: true, exclusive, fds: 4 };
        NodeRef::root_of(&HostFs::open(&self.inside(), options).unwrap())
    }

    #[track_caller]
    fn check(&self, what: &str) {
        assert_eq!(state(&self.canaries()), self.before, "{what}: a canary was touched");
    }
}

/// Everything about a tree that a change would show.
fn state(dir: &Path) -> Vec<String> {
    let (mut all, mut todo) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(path) = todo.pop() {
        let meta = path.symlink_metadata().unwrap();
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        let contents = if meta.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        let contents = String::from_utf8_lossy(&contents);
        let (ino, mode, links) = (meta.ino(), meta.mode(), meta.nlink());
        all.push(format!("{} {ino} {mode:o} {links} {}:{} {times:?} {contents}", path.display(), meta.uid(), meta.gid()));
        if meta.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all.sort();
    all
}

fn process(root: NodeRef) -> Process {
    let limits = Limits::default();
    Process::builder(Namespace::new(root, &limits), limits).preopen("/").build().unwrap()
}

/// Runs `f` on a thread of its own, and fails when it does not end.
#[track_caller]
fn ends<T: Send + 'static>(what: &str, f: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(f()));
    ended.recv_timeout(Duration::from_secs(120)).unwrap_or_else(|_| panic!("{what} hangs, or panicked"))
}

/// Opens `path` and looks at what it reads; answers whether it was opened.
fn peek(process: &mut Process, dir: DirFd, path: &[u8], how: &OpenHow) -> Result<Vec<u8>, Errno> {
    let fd = match process.openat(dir, path, how)? {
        Outcome::Ready(fd) => fd,
        Outcome::Wait(_) => {
            process.abandon_wait();
            return Err(Errno::EAGAIN);
        }
    };
    let mut buf = [0; 64];
    let read = process.pread(fd, &mut OneBuf(&mut buf), 0).unwrap_or_default();
    assert!(!buf[..read].starts_with(SONG), "{} reads a canary", path.escape_ascii());
    if how.access.write {
        let _ = process.pwrite(fd, &[std::io::IoSlice::new(b"overwritten")], 0);
        let _ = process.ftruncate(fd, 3);
    }
    let _ = process.read_dir(fd, 0, &mut |entry| {
        assert!(entry.name != b"outside-only", "{} lists the canaries", path.escape_ascii());
        std::ops::ControlFlow::Continue(())
    });
    process.close(fd).unwrap();
    Ok(buf[..read].to_vec())
}

/// Every path call once, on `path` from `dir`.
fn every_call(process: &mut Process, dir: DirFd, path: &[u8]) -> u64 {
    let truncating = Access { truncate: true, ..Access::READ_WRITE };
    let hows = [
        OpenHow { nonblock: true, ..OpenHow::read() },
        OpenHow { create: true, nonblock: true, ..OpenHow::new(Access::READ_WRITE) },
        OpenHow { nonblock: true, follow: false, ..OpenHow::new(truncating) },
        OpenHow { directory: true, ..OpenHow::read() },
    ];
    let mut good = 0;
    for how in hows {
        good += u64::from(peek(process, dir, path, &how).is_ok());
    }
    let time = SetTime::To(Timestamp { sec: 1, nsec: 0 });
    let attr = SetAttr { mode: Some(0o700), uid: Some(7), atime: time, mtime: time, ..SetAttr::default() };
    for follow in [true, false] {
        good += u64::from(process.statat(dir, path, follow).is_ok());
        for attr in [attr, SetAttr::size(1)] {
            good += u64::from(process.set_attr_at(dir, path, follow, &attr).is_ok());
        }
        good += u64::from(process.linkat(dir, path, DirFd::Cwd, b"/linked", follow).is_ok());
        let _ = process.unlinkat(DirFd::Cwd, b"/linked");
    }
    good += u64::from(process.readlinkat(dir, path).is_ok());
    good += u64::from(process.mkdirat(dir, path, 0o755).is_ok());
    good += u64::from(process.symlinkat(b"/etc/passwd", dir, path).is_ok());
    good += u64::from(process.mkfifoat(dir, path, 0o644).is_ok());
    good += u64::from(process.renameat(dir, path, DirFd::Cwd, b"/taken").is_ok());
    good += u64::from(process.renameat(DirFd::Cwd, b"/taken", dir, path).is_ok());
    good
}

/// Does `change` on a thread of the host's in a loop while `guest` runs, once for each of `rounds` and on until 500 changes were made.
fn while_changing(rounds: usize, change: impl Fn(u64) + Send + 'static, mut guest: impl FnMut(usize)) {
    let (stop, times) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let other = std::thread::spawn({
        let (stop, times) = (stop.clone(), times.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                change(times.fetch_add(1, Ordering::Relaxed));
            }
        }
    });
    let mut round = 0;
    while round < rounds || times.load(Ordering::Relaxed) < 500 {
        guest(round);
        round += 1;
    }
    stop.store(true, Ordering::Relaxed);
    other.join().unwrap();
}

/// A directory moves out of the mount and back while the guest stands in it and climbs by `..`.
#[test]
fn a_directory_that_is_moved_outside_is_no_way_out() {
    let cage = Cage::new();
    std::fs::create_dir_all(cage.inside().join("hall/door/room")).unwrap();
    for dir in ["hall", "hall/door", "hall/door/room"] {
        std::fs::write(cage.inside().join(dir).join("mine"), "inside").unwrap();
    }
    for exclusive in [false, true] {
        let root = cage.mount(exclusive);
        // Between the canaries' `hall` and the guest's: the names around it are the same on both sides.
        let (home, abroad) = (cage.inside().join("hall/door"), cage.scratch.path().join("door"));
        let opened = ends("climbing", move || {
            let mut process = process(root);
            let how = OpenHow { directory: true, ..OpenHow::read() };
            let Ok(Outcome::Ready(room)) = process.openat(DirFd::Cwd, b"/hall/door/room", &how) else { panic!("no room") };
            let mut good = 0;
            while_changing(
                3000,
                move |_| {
                    std::fs::rename(&home, &abroad).unwrap();
                    std::fs::rename(&abroad, &home).unwrap();
                },
                |n| {
                    let tail = ["mine", "canary", "canaries/canary", "../canaries/canary", "canaries/a/b/canary"][n % 5];
                    for ups in 1..6 {
                        let path = format!("{}{tail}", "../".repeat(ups));
                        for dir in [DirFd::At(room), DirFd::Beneath(room)] {
                            let found = peek(&mut process, dir, path.as_bytes(), &OpenHow::read());
                            good += u64::from(found.is_ok());
                        }
                    }
                    let _ = process.fchdir(room);
                    let _ = process.getcwd();
                    let _ = peek(&mut process, DirFd::Cwd, format!("../{tail}").as_bytes(), &OpenHow::read());
                    let _ = process.chdir(b"/");
                },
            );
            good
        });
        assert!(opened > 0, "exclusive: {exclusive}: nothing was ever opened");
        cage.check("a directory moved outside");
    }
}

/// A name is in turn a directory, a file, a link out, and nothing, while the guest does every call through it.
#[test]
fn names_that_change_their_kind_meanwhile_lead_nowhere_outside() {
    for (n, target) in ["canaries", "canaries/", "canaries/a/.."].into_iter().enumerate() {
        let cage = Cage::new();
        let (inside, absolute) = (cage.inside(), cage.scratch.path().join(target));
        let relative = Path::new("../../../../../../../../").join(absolute.strip_prefix("/").unwrap());
        let root = cage.mount(n == 2);
        let good = ends("every call", move || {
            let mut process = process(root);
            let mut good = 0;
            while_changing(
                4000,
                move |n| {
                    let at = inside.join("shown");
                    let _ = match n % 5 {
                        0 => std::fs::create_dir(&at),
                        1 => std::fs::create_dir(at.join("a")).and_then(|()| std::fs::write(at.join("file"), "inside")),
                        2 => symlink(&absolute, &at),
                        3 => symlink(&relative, &at),
                        _ => std::fs::write(&at, "inside"),
                    };
                    std::thread::yield_now();
                    let _ = std::fs::remove_file(&at);
                    let _ = std::fs::remove_dir_all(&at);
                },
                |n| {
                    let tail = ["", "/", "/file", "/a/../file", "/canary", "/a/canary", "/new", "/a/"][n % 8];
                    good += every_call(&mut process, DirFd::Cwd, format!("/shown{tail}").as_bytes());
                },
            );
            good
        });
        assert!(good > 0, "nothing ever went through");
        cage.check(target);
    }
}

/// Links of the guest's own making, whatever they lead to, and by whatever name they are used.
#[test]
fn links_that_the_guest_makes_lead_nowhere_outside() {
    let cage = Cage::new();
    let out = cage.canaries();
    let text = out.to_str().unwrap().to_owned();
    let rel = format!("{}{}", "../".repeat(9), &text[1..]);
    let more = [text.clone(), format!("{text}/"), rel.clone(), format!("{rel}/canary"), format!("{rel}/new"), "/".repeat(300)];
    let proc_self = ["/proc/self/root", "/proc/self/cwd", "/proc/self/fd/3", "/proc/1/root"];
    let targets: Vec<_> = proc_self.into_iter().map(str::to_owned).chain(more).collect();
    let links = [("work/link", "target"), ("work/second", "link"), ("work/deep/third", "../link/")];
    for exclusive in [false, true] {
        for (target, (link, to)) in targets.iter().flat_map(|target| links.map(|link| (target, link))) {
            for tail in ["", "/", "//", "/.", "/..", "/canary", "/a/b/canary", "/new", &text] {
                for beneath in [false, true] {
                    let mut process = process(cage.mount(exclusive));
                    process.mkdirat(DirFd::Cwd, b"/work", 0o755).unwrap();
                    process.mkdirat(DirFd::Cwd, b"/work/deep", 0o755).unwrap();
                    process.symlinkat(target.as_bytes(), DirFd::Cwd, b"/work/link").unwrap();
                    if to != "target" {
                        process.symlinkat(to.as_bytes(), DirFd::Cwd, link.as_bytes()).unwrap();
                    }
                    let dir = if beneath { DirFd::Beneath(stratafs::Fd::new(3)) } else { DirFd::Cwd };
                    every_call(&mut process, dir, format!("{link}{tail}").as_bytes());
                    drop(process);
                    std::fs::remove_dir_all(cage.inside()).unwrap();
                    std::fs::create_dir(cage.inside()).unwrap();
                }
            }
            cage.check(target);
        }
    }
}

/// The host's `/proc`, shown to a guest: its links lead to files that lie elsewhere, and no name of it is followed there.
#[test]
fn magic_links_below_a_mounted_proc_are_not_followed() {
    if !Path::new("/proc/self/root").exists() {
        panic!("this test needs /proc");
    }
    let cage = Cage::new();
    let held = std::fs::File::open(cage.canaries().join("canary")).unwrap();
    let held_dir = std::fs::File::open(cage.canaries()).unwrap();
    let number = |file: &std::fs::File| {
        use std::os::fd::AsRawFd;
        file.as_raw_fd()
    };
    let (file, dir) = (number(&held), number(&held_dir));
    let me = std::process::id();
    let text = cage.canaries().to_str().unwrap()[1..].to_owned();
    for writable in [false, true] {
        let fs = HostFs::open(Path::new("/proc"), HostOptions { writable, ..HostOptions::default() }).unwrap();
        for (what, root) in [("at the root", NodeRef::root_of(&fs)), ("under an overlay", over(NodeRef::root_of(&fs)))] {
            let paths = [
                format!("{me}/fd/{file}"),
                format!("{me}/fd/{dir}"),
                format!("{me}/fd/{dir}/canary"),
                format!("{me}/fd/{dir}/"),
                format!("{me}/root/{text}/canary"),
                format!("{me}/root/"),
                format!("{me}/cwd/Cargo.toml"),
                format!("{me}/task/{me}/root/{text}/canary"),
                format!("self/fd/{file}"),
                format!("self/root/{text}/canary"),
                format!("self/cwd/../../{text}/canary"),
                format!("thread-self/root/{text}/canary"),
                "self/exe".to_owned(),
                "1/root/etc/passwd".to_owned(),
            ];
            let reached = ends(what, move || {
                let mut process = process(root);
                let mut reached = Vec::new();
                for path in paths {
                    for dir in [DirFd::Cwd, DirFd::Beneath(stratafs::Fd::new(3))] {
                        for access in [Access::READ, Access::READ_WRITE, Access { truncate: true, ..Access::READ_WRITE }] {
                            let how = OpenHow { nonblock: true, ..OpenHow::new(access) };
                            if peek(&mut process, dir, path.as_bytes(), &how).is_ok() && !path.ends_with("root/") {
                                reached.push(path.clone());
                            }
                        }
                        // A link to `/` leads to the guest's own root, as any absolute link does.
                        let home = process.statat(DirFd::Cwd, b"/", true).unwrap();
                        if process
                            .statat(dir, path.as_bytes(), true)
                            .is_ok_and(|stat| (stat.dev, stat.ino) != (home.dev, home.ino))
                        {
                            reached.push(path.clone());
                        }
                    }
                }
                reached
            });
            assert_eq!(reached, [""; 0], "writable: {writable}, {what}");
            cage.check(what);
        }
    }
    drop((held, held_dir));
}

fn over(lower: NodeRef) -> NodeRef {
    NodeRef::root_of(&Overlay::in_memory(vec![lower], Budget::unlimited(), &Limits::default()))
}

/// FIFOs, sockets and devices of the host: neither opened nor waited for, and what they are is told.
#[test]
fn fifos_sockets_and_devices_do_not_hang() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let cage = Cage::new();
    let at = |name: &str| cage.inside().join(name);
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    listener.set_nonblocking(true).unwrap();
    // Only root makes devices: the null device, the console's memory, a terminal, a disk.
    let devices = [("null", 1, 3), ("kmem", 1, 2), ("tty", 5, 0), ("ptmx", 5, 2)];
    let mut names = vec!["fifo", "socket"];
    for (name, major, minor) in devices {
        if mknodat(CWD, at(name), FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor)).is_ok() {
            names.push(name);
        }
    }
    if mknodat(CWD, at("disk"), FileType::BlockDevice, Mode::from_raw_mode(0o666), makedev(8, 0)).is_ok() {
        names.push("disk");
    }
    for name in names.clone() {
        symlink(name, at(&format!("to-{name}"))).unwrap();
    }
    for (what, root) in [("host", cage.mount(false)), ("exclusive", cage.mount(true)), ("overlay", over(cage.mount(false)))] {
        let (names, overlaid) = (names.clone(), what == "overlay");
        ends(what, move || {
            let mut process = process(root);
            for name in names {
                for path in [format!("/{name}"), format!("/to-{name}"), format!("/{name}/"), format!("/{name}/x")] {
                    for access in [Access::READ, Access::WRITE, Access::READ_WRITE, Access { truncate: true, ..Access::WRITE }] {
                        for (create, nonblock) in [(false, false), (true, false), (false, true)] {
                            let how = OpenHow { create, nonblock, ..OpenHow::new(access) };
                            match process.openat(DirFd::Cwd, path.as_bytes(), &how) {
                                Err(_) => {}
                                // The FIFO's name is the host's; the pipe behind it is the overlay's own.
                                Ok(Outcome::Ready(fd)) if overlaid && name == "fifo" => process.close(fd).unwrap(),
                                Ok(Outcome::Wait(_)) if overlaid && name == "fifo" => process.abandon_wait(),
                                Ok(Outcome::Ready(_)) => panic!("{what}: {path} was opened"),
                                Ok(Outcome::Wait(_)) => panic!("{what}: {path} waits for the host"),
                            }
                        }
                    }
                    let _ = process.set_attr_at(DirFd::Cwd, path.as_bytes(), true, &SetAttr::size(0));
                }
                assert!(process.statat(DirFd::Cwd, format!("/{name}").as_bytes(), false).is_ok(), "{what}: {name} can be told");
            }
            // A copy-up, a rename and a removal of them end too.
            let renamed = process.renameat(DirFd::Cwd, b"/fifo", DirFd::Cwd, b"/renamed");
            if renamed.is_ok() {
                process.renameat(DirFd::Cwd, b"/renamed", DirFd::Cwd, b"/fifo").unwrap();
            } else {
                assert!(overlaid, "{what}: {renamed:?}");
            }
        });
        assert!(listener.accept().is_err(), "{what}: somebody connected");
    }
    cage.check("special files");
}

/// Slashes, dots and climbing from everywhere, by text alone: nothing races here, so that every answer can be told.
#[test]
fn no_number_of_dots_and_slashes_climbs_out() {
    let cage = Cage::new();
    std::fs::create_dir_all(cage.inside().join("a/b")).unwrap();
    std::fs::write(cage.inside().join("mine"), "inside").unwrap();
    for exclusive in [false, true] {
        let mut process = process(cage.mount(exclusive));
        for ups in 0..40 {
            for (start, up) in [("/", "../"), ("/a/", "..//"), ("a/b/", ".././"), ("/a/b/./", "./../"), ("", "..//.//")] {
                let climb = format!("{start}{}", up.repeat(ups));
                assert!(process.statat(DirFd::Cwd, climb.as_bytes(), true).is_ok() || climb.is_empty(), "{climb}");
                for tail in ["canaries/canary", "canaries", "inside/mine", "canaries/new", "etc/passwd"] {
                    let path = format!("{climb}{tail}");
                    assert_eq!(process.statat(DirFd::Cwd, path.as_bytes(), true).map(drop), Err(Errno::ENOENT), "{path}");
                    let made = process.mkdirat(DirFd::Cwd, path.as_bytes(), 0o755);
                    assert_ne!(made.is_ok(), tail.contains('/'), "{path}: {made:?}");
                    if made.is_ok() {
                        process.rmdirat(DirFd::Cwd, path.as_bytes()).unwrap();
                    }
                }
            }
        }
        let fd = match process.openat(DirFd::Cwd, b"/mine", &OpenHow::read()).unwrap() {
            Outcome::Ready(fd) => fd,
            Outcome::Wait(_) => panic!("a file waits"),
        };
        assert_eq!(process.lseek(fd, Whence::End, 0), Ok(6));
        cage.check("dots");
    }
}

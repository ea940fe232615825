//! Hostile trees, errors beside the direct calls, identities across changes. All run as root, on a scratch directory in memory
//! and on one on disk.

mod changes;

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};
use tempfile::TempDir;

use super::*;
use crate::filesystem::FileHandle;
use crate::{SetTime, Timestamp};

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).unwrap()
}

fn scratch() -> [TempDir; 2] {
    ["/dev/shm", "/tmp"].map(|base| TempDir::new_in(if Path::new(base).is_dir() { base } else { "." }).unwrap())
}

fn writable(dir: &Path) -> Arc<HostFs> {
    HostFs::open(dir, HostOptions { writable: true, ..HostOptions::default() }).unwrap()
}

fn find(fs: &HostFs, path: &str) -> Result<HostNode> {
    let mut node = fs.root();
    for part in path.split('/') {
        node = fs.lookup(&node, name(part))?.node;
    }
    Ok(node)
}

fn handle(fs: &HostFs, node: &HostNode, access: Access) -> Result<Arc<dyn FileHandle>> {
    match fs.open(node, access)? {
        Opened::File(file) => Ok(file),
        _ => panic!("not a file"),
    }
}

fn read(file: &dyn FileHandle) -> Vec<u8> {
    let mut buf = [0; 64];
    let n = file.read_at(&mut buf, 0).unwrap();
    buf[..n].to_vec()
}

fn names(fs: &HostFs, dir: &HostNode, at_once: usize) -> Vec<(String, u64)> {
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let mut left = at_once;
        fs.read_dir(dir, from, &mut |entry| {
            assert!(entry.next > 0 && entry.next + 2 < 1 << 62);
            all.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.ino));
            from = entry.next;
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        if left > 0 {
            return all;
        }
    }
}

#[test]
fn a_path_that_cannot_be_mounted_is_named() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = |path: &Path| HostFs::open(path, HostOptions::default()).map(drop).unwrap_err();
    let missing = error(&dir.path().join("missing"));
    assert!(matches!(missing, HostError::Missing { .. }) && missing.to_string().contains("missing"), "{missing}");
    assert!(matches!(error(&file), HostError::NotADirectory { .. }));
    let single = HostFs::single_file(dir.path(), HostOptions::default()).map(drop).unwrap_err();
    assert!(matches!(single, HostError::NotAFile { .. }), "{single}");
}

#[test]
fn read_only_refuses_every_change() {
    for dir in scratch() {
        std::fs::write(dir.path().join("f"), "x").unwrap();
        let fs = HostFs::open(dir.path(), HostOptions::default()).unwrap();
        let (root, f) = (fs.root(), find(&fs, "f").unwrap());
        assert!(fs.read_only() && !fs.stable());
        for kind in [NewKind::File, NewKind::Directory, NewKind::Symlink(b"f"), NewKind::Fifo] {
            assert_eq!(fs.create(&root, name("new"), kind, 0o777).map(drop), Err(Errno::EROFS));
        }
        assert_eq!(fs.remove(&root, name("f"), Removal::File), Err(Errno::EROFS));
        assert_eq!(fs.rename(&root, name("f"), &root, name("g")), Err(Errno::EROFS));
        assert_eq!(fs.link(&f, &root, name("g")), Err(Errno::EROFS));
        assert_eq!(fs.set_attr(&f, &SetAttr::size(0)), Err(Errno::EROFS));
        for access in [Access::WRITE, Access::READ_WRITE, Access { truncate: true, ..Access::READ }] {
            assert_eq!(handle(&fs, &f, access).map(drop), Err(Errno::EROFS));
        }
        let open = handle(&fs, &f, Access::READ).unwrap();
        assert_eq!(open.set_attr(&SetAttr::mode(0o777)), Err(Errno::EROFS));
        assert_eq!(open.allocate(0, 10), Err(Errno::EROFS));
        assert_eq!(read(&*open), b"x");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn links_are_texts_and_lead_nowhere() {
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("canary"), "OUTSIDE").unwrap();
    for dir in scratch() {
        let fs = writable(dir.path());
        let absolute = outside.path().join("canary");
        for (link, target) in [("abs", absolute.as_os_str().as_bytes()), ("rel", b"../../../etc/passwd"), ("self", b"self")] {
            let made = fs.create(&fs.root(), name(link), NewKind::Symlink(target), 0o777).unwrap();
            assert_eq!(made.kind, FileKind::Symlink);
            assert_eq!(fs.read_link(&made.node).unwrap(), target);
            assert_eq!(handle(&fs, &made.node, Access::WRITE).map(drop), Err(Errno::ELOOP));
            assert_eq!(fs.lookup(&made.node, name("x")).map(drop), Err(Errno::ENOTDIR));
            assert_eq!(fs.set_attr(&made.node, &SetAttr::mode(0)), Err(Errno::ENOTSUP));
            fs.set_attr(&made.node, &SetAttr { mtime: SetTime::To(Timestamp { sec: -5, nsec: 7 }), ..SetAttr::default() })
                .unwrap();
            assert_eq!(fs.stat(&made.node).unwrap().mtime, Timestamp { sec: -5, nsec: 7 });
        }
        assert_eq!(std::fs::read(&absolute).unwrap(), b"OUTSIDE");
        assert!(std::fs::metadata(&absolute).unwrap().modified().unwrap() > std::time::UNIX_EPOCH);
    }
}

/// Exchanges `a` and `b` until it is dropped.
struct Swapper(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Swapper {
    fn new(dir: &Path, pairs: &'static [(&'static str, &'static str)]) -> Self {
        let (stop, dir) = (Arc::new(AtomicBool::new(false)), dir.to_path_buf());
        let stopped = stop.clone();
        let run = move || {
            while !stopped.load(Ordering::Relaxed) {
                for (a, b) in pairs {
                    rustix::fs::renameat_with(CWD, dir.join(a), CWD, dir.join(b), RenameFlags::EXCHANGE).unwrap();
                }
            }
        };
        Swapper(stop, Some(std::thread::spawn(run)))
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap();
    }
}

#[test]
fn what_is_swapped_for_a_link_or_a_pipe_meanwhile_never_leads_out_and_never_hangs() {
    let outside = TempDir::new().unwrap();
    std::fs::write(outside.path().join("canary"), "OUTSIDE").unwrap();
    for dir in scratch() {
        let path = dir.path();
        std::fs::create_dir(path.join("d")).unwrap();
        std::fs::write(path.join("d/canary"), "inside").unwrap();
        std::os::unix::fs::symlink(outside.path(), path.join("d2")).unwrap();
        std::fs::write(path.join("f"), "inside").unwrap();
        std::os::unix::fs::symlink(outside.path().join("canary"), path.join("f2")).unwrap();
        std::fs::write(path.join("p"), "inside").unwrap();
        rustix::fs::mknodat(CWD, path.join("p2"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        // One descriptor, so that directories are opened again and again.
        let fs = HostFs::open(path, HostOptions { writable: true, fds: 1, ..HostOptions::default() }).unwrap();
        let swapper = Swapper::new(path, &[("d", "d2"), ("f", "f2"), ("p", "p2")]);
        let (until, mut read_some, mut refused) = (Instant::now() + Duration::from_secs(1), 0, 0);
        while Instant::now() < until {
            for file in ["d/canary", "f", "p"] {
                let Ok(node) = find(&fs, file) else { continue };
                fs.dirs.forget(find(&fs, "d").map_or(FileId { dev: 0, ino: 0 }, |d| d.id()));
                match fs.open(&node, Access::READ_WRITE) {
                    Ok(Opened::File(file)) => {
                        assert_eq!(read(&*file), b"inside");
                        file.write_at(&[IoSlice::new(b"inside")], 0).unwrap();
                        read_some += 1;
                    }
                    Ok(_) => panic!("not a file"),
                    Err(_) => refused += 1,
                }
                let _ = fs.set_attr(&node, &SetAttr { mode: Some(0o600), uid: Some(0), ..SetAttr::size(6) });
                let _ = fs.read_dir(&node, 0, &mut |entry| {
                    assert_eq!(entry.name, b"canary");
                    ControlFlow::Continue(())
                });
            }
        }
        drop(swapper);
        assert!(read_some > 0 && refused > 0, "{read_some} {refused}");
        assert_eq!(std::fs::read(outside.path().join("canary")).unwrap(), b"OUTSIDE");
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&outside.path().join("canary").metadata().unwrap()) & 0o777, 0o644);
    }
}

#[test]
fn fifos_sockets_and_devices_are_seen_and_not_opened() {
    for dir in scratch() {
        let path = dir.path();
        rustix::fs::mknodat(CWD, path.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
        let zero = rustix::fs::makedev(1, 5);
        let device = rustix::fs::mknodat(CWD, path.join("zero"), FileType::CharacterDevice, Mode::RWXU, zero).is_ok();
        let fs = writable(path);
        let mut kinds = vec![("fifo", FileKind::Fifo), ("socket", FileKind::Socket)];
        if device {
            kinds.push(("zero", FileKind::CharDevice));
        }
        assert_eq!(names(&fs, &fs.root(), 1).len(), kinds.len());
        for (file, kind) in kinds {
            let node = find(&fs, file).unwrap();
            assert_eq!((node.kind(), fs.stat(&node).unwrap().kind), (kind, kind));
            for access in [Access::READ, Access::WRITE, Access::READ_WRITE] {
                assert_eq!(fs.open(&node, access).map(drop), Err(Errno::EPERM));
            }
            assert_eq!(fs.set_attr(&node, &SetAttr::mode(0)), Err(Errno::EPERM));
            fs.rename(&fs.root(), name(file), &fs.root(), name("moved")).unwrap();
            fs.remove(&fs.root(), name("moved"), Removal::File).unwrap();
        }
        assert_eq!(fs.create(&fs.root(), name("new"), NewKind::Fifo, 0o600).map(drop), Err(Errno::EPERM));
        drop(socket);
    }
}

#[test]
fn a_bare_proc_gives_texts_for_its_links() {
    let fs = HostFs::open(Path::new("/proc/self"), HostOptions::default()).unwrap();
    let exe = find(&fs, "exe").unwrap();
    assert_eq!(exe.kind(), FileKind::Symlink);
    assert!(fs.read_link(&exe).unwrap().starts_with(b"/"));
    assert_eq!(fs.open(&exe, Access::READ).map(drop), Err(Errno::ELOOP));
    assert_eq!(find(&fs, "root/etc").map(drop), Err(Errno::ENOTDIR));
    let status = handle(&fs, &find(&fs, "status").unwrap(), Access::READ).unwrap();
    assert!(read(&*status).starts_with(b"Name:"));
}

#[test]
fn a_single_file_is_all_there_is() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("sub/real.py"), "print()").unwrap();
    std::fs::write(dir.path().join("sub/secret"), "").unwrap();
    std::os::unix::fs::symlink("sub/real.py", dir.path().join("script.py")).unwrap();
    let options = HostOptions { writable: true, ..HostOptions::default() };
    for (path, shown) in [("script.py", "script.py"), ("sub/real.py", "real.py")] {
        let fs = HostFs::single_file(&dir.path().join(path), options.clone()).unwrap();
        assert!(fs.read_only());
        let file = find(&fs, shown).unwrap();
        assert_eq!(names(&fs, &fs.root(), 1), [(shown.to_owned(), file.key())]);
        assert_eq!(read(&*handle(&fs, &file, Access::READ).unwrap()), b"print()");
        assert_eq!(find(&fs, "secret").map(drop), Err(Errno::ENOENT));
        assert_eq!(fs.stat(&fs.root()).unwrap().mode, 0o555);
        assert_eq!(fs.create(&fs.root(), name("x"), NewKind::File, 0o644).map(drop), Err(Errno::EROFS));
    }
    // What takes the file's place is shown only while it is a file.
    let fs = HostFs::single_file(&dir.path().join("sub/real.py"), options).unwrap();
    std::fs::write(dir.path().join("sub/new"), "new").unwrap();
    std::fs::rename(dir.path().join("sub/new"), dir.path().join("sub/real.py")).unwrap();
    assert_eq!(read(&*handle(&fs, &find(&fs, "real.py").unwrap(), Access::READ).unwrap()), b"new");
    std::fs::remove_file(dir.path().join("sub/real.py")).unwrap();
    std::fs::create_dir(dir.path().join("sub/real.py")).unwrap();
    assert_eq!(find(&fs, "real.py").map(drop), Err(Errno::ENOENT));
    assert!(names(&fs, &fs.root(), 1).is_empty());
}

#[test]
fn listings_resume_while_the_directory_changes() {
    for dir in scratch() {
        let fs = writable(dir.path());
        let root = fs.root();
        for i in 0..500 {
            std::fs::write(dir.path().join(format!("keep{i}")), "").unwrap();
            std::fs::write(dir.path().join(format!("go{i}")), "").unwrap();
        }
        let (mut seen, mut from, mut round) = (Vec::new(), 0, 0);
        loop {
            let mut left = 3;
            fs.read_dir(&root, from, &mut |entry| {
                seen.push(String::from_utf8(entry.name.to_vec()).unwrap());
                from = entry.next;
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
            if left > 0 {
                break;
            }
            let _ = std::fs::remove_file(dir.path().join(format!("go{round}")));
            std::fs::write(dir.path().join(format!("come{round}")), "").unwrap();
            round += 1;
        }
        let mut kept: Vec<_> = seen.iter().filter(|name| name.starts_with("keep")).collect();
        kept.sort_unstable();
        kept.dedup();
        assert_eq!(kept.len(), 500);
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "no name came twice");
        for (file, ino) in names(&fs, &root, 7).into_iter().take(20) {
            assert_eq!(fs.stat(&find(&fs, &file).unwrap()).unwrap().ino, ino);
        }
    }
}

#[test]
fn errors_are_those_of_the_direct_calls() {
    use rustix::io::Errno as Host;
    for dir in scratch() {
        let (at, fs) = (rustix::fs::open(dir.path(), OFlags::PATH, Mode::empty()).unwrap(), writable(dir.path()));
        std::fs::create_dir_all(dir.path().join("full/sub")).unwrap();
        std::fs::create_dir(dir.path().join("empty")).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        let root = fs.root();
        let there = ["full", "empty", "file", "link", "missing"];
        let same = |what: &str, ours: Result<()>, host: Result<(), Host>| {
            assert!(ours.is_err(), "{what} works");
            assert_eq!(ours, host.map_err(from_host), "{what}");
        };
        for (file, removal, flags) in [
            ("full", Removal::File, AtFlags::empty()),
            ("full", Removal::Directory, AtFlags::REMOVEDIR),
            ("file", Removal::Directory, AtFlags::REMOVEDIR),
            ("link", Removal::Directory, AtFlags::REMOVEDIR),
            ("missing", Removal::File, AtFlags::empty()),
            ("missing", Removal::Directory, AtFlags::REMOVEDIR),
        ] {
            same(file, fs.remove(&root, name(file), removal), rustix::fs::unlinkat(&at, file, flags));
        }
        for file in &there[..4] {
            same(
                file,
                fs.create(&root, name(file), NewKind::Directory, 0o755).map(drop),
                rustix::fs::mkdirat(&at, *file, Mode::RWXU),
            );
            let made = rustix::fs::openat(&at, *file, OFlags::CREATE | OFlags::EXCL, Mode::RWXU);
            same(file, fs.create(&root, name(file), NewKind::File, 0o755).map(drop), made.map(drop));
            let linked = rustix::fs::symlinkat("x", &at, *file);
            same(file, fs.create(&root, name(file), NewKind::Symlink(b"x"), 0o755).map(drop), linked);
        }
        same(
            "empty target",
            fs.create(&root, name("new"), NewKind::Symlink(b""), 0).map(drop),
            rustix::fs::symlinkat("", &at, "new"),
        );
        for (from, to) in [
            ("missing", "file"),
            ("full", "file"),
            ("file", "full"),
            ("empty", "full"),
            ("link", "empty"),
            ("missing", "missing"),
        ] {
            same(
                &format!("{from} to {to}"),
                fs.rename(&root, name(from), &root, name(to)),
                rustix::fs::renameat(&at, from, &at, to),
            );
        }
        let sub = find(&fs, "full/sub").unwrap();
        same(
            "into itself",
            fs.rename(&root, name("full"), &sub, name("x")),
            rustix::fs::renameat(&at, "full", &at, "full/sub/x"),
        );
        same("onto above", fs.rename(&find(&fs, "full").unwrap(), name("sub"), &root, name("full")), {
            rustix::fs::renameat(&at, "full/sub", &at, "full")
        });
        let stat = rustix::fs::statat(&at, "missing", AtFlags::SYMLINK_NOFOLLOW);
        same("stat", fs.lookup(&root, name("missing")).map(drop), stat.map(drop));
    }
}

#[test]
fn a_directory_that_somebody_else_removed_ends() {
    for dir in scratch() {
        let fs = writable(dir.path());
        let gone = fs.create(&fs.root(), name("gone"), NewKind::Directory, 0o755).unwrap().node;
        assert!(names(&fs, &gone, 1).is_empty());
        std::fs::remove_dir(dir.path().join("gone")).unwrap();
        assert!(names(&fs, &gone, 1).is_empty());
        assert_eq!(fs.create(&gone, name("x"), NewKind::File, 0o644).map(drop), Err(Errno::ENOENT));
    }
}

#[test]
fn statfs_is_the_hosts() {
    let fs = HostFs::open(Path::new("/"), HostOptions::default()).unwrap();
    let stat = fs.statfs().unwrap();
    assert!(stat.block_size > 0 && stat.name_max >= 255 && stat.read_only);
    // Another device below the root is a directory with numbers of its own.
    let proc = find(&fs, "proc").unwrap();
    assert_ne!(proc.key(), fs.root().key());
    assert_eq!(fs.stat(&proc).unwrap().ino, proc.key());
    assert!(proc.key() >= 1 << 63);
}

#[test]
fn attributes_behind_several_names_make_no_node_on_the_way() {
    let dir = TempDir::new().unwrap();
    std::fs::create_dir_all(dir.path().join("one/two")).unwrap();
    std::fs::write(dir.path().join("one/two/file"), "12345").unwrap();
    let (fs, limits) = (writable(dir.path()), Limits::default());
    let namespace = crate::Namespace::new(crate::NodeRef::root_of(&fs), &limits);
    let process = crate::Process::builder(namespace, limits).build().unwrap();
    assert_eq!(process.statat(crate::DirFd::Cwd, b"one/two/file", true).map(|stat| stat.size), Ok(5));
    assert_eq!(process.statat(crate::DirFd::Cwd, b"one/missing/file", true), Err(Errno::ENOENT));
    assert_eq!((fs.registry.len(), fs.dirs.len()), (1, 0));
    assert!(find(&fs, "one/two/file").is_ok());
    assert_eq!(fs.dirs.len(), 2, "gone name by name, they are opened");
}

//! Directory entries, attributes, and the times that move with them.

use super::*;
use crate::SetTime;

fn slots(fs: &MemFs) -> usize {
    fs.shared.tree.read().ro(fs.root.dir().unwrap()).slots()
}

#[test]
fn kinds_open_as_what_they_are() {
    let fs = fs();
    let (d, f) = (mkdir(&fs, "d"), file(&fs, "f"));
    let l = make(&fs, "l", NewKind::Symlink(b"f/../g")).unwrap();
    let p = make(&fs, "p", NewKind::Fifo).unwrap();
    assert!(matches!(fs.open(&d, Access::READ), Ok(Opened::Directory)));
    assert!(matches!(fs.open(&d, Access::WRITE), Err(Errno::EISDIR)));
    assert!(matches!(fs.open(&d, Access { truncate: true, ..Access::READ }), Err(Errno::EISDIR)));
    assert!(matches!(fs.open(&f, Access::READ_WRITE), Ok(Opened::File(_))));
    assert!(matches!(fs.open(&l, Access::READ), Err(Errno::ELOOP)));
    let Ok(Opened::Fifo(pipe)) = fs.open(&p, Access::READ) else { panic!("no FIFO") };
    let Ok(Opened::Fifo(again)) = fs.open(&p, Access::WRITE) else { panic!("no FIFO") };
    assert!(Arc::ptr_eq(&pipe, &again));
    assert_eq!(fs.read_link(&l).unwrap(), b"f/../g");
    assert_eq!(fs.read_link(&f), Err(Errno::EINVAL));
    assert_eq!((fs.stat(&l).unwrap().size, fs.stat(&l).unwrap().mode), (6, 0o777));
    assert_eq!(fs.lookup(&f, name("x")).unwrap_err(), Errno::ENOTDIR);
    assert_eq!(fs.remove(&f, name("x"), Removal::File), Err(Errno::ENOTDIR));
    assert_eq!(fs.lookup(&d, name("x")).unwrap_err(), Errno::ENOENT);
    for (node, errno) in [(&d, Errno::EISDIR), (&l, Errno::EINVAL), (&p, Errno::EINVAL)] {
        assert_eq!(fs.set_attr(node, &SetAttr { mode: Some(0), ..SetAttr::size(0) }), Err(errno));
        assert_ne!(fs.stat(node).unwrap().mode, 0, "all or none");
    }
}

#[test]
fn an_open_file_is_the_node_and_truncating_cuts_it() {
    let fs = fs();
    let f = file(&fs, "f");
    write(&f, b"abc", 0).unwrap();
    let Ok(Opened::File(handle)) = fs.open(&f, Access { truncate: true, ..Access::WRITE }) else { panic!("no file") };
    assert!(std::ptr::addr_eq(Arc::as_ptr(&handle), Arc::as_ptr(&f)));
    assert_eq!(handle.stat().unwrap().size, 0);
    assert_eq!(Arc::strong_count(&f), 3, "the entry, this and the handle");
}

#[test]
fn link_counts_are_true() {
    let fs = fs();
    let f = file(&fs, "f");
    mkdir(&fs, "d");
    assert_eq!(nlink(&fs.root()), 3);
    link(&fs, "f", "d/g").unwrap();
    assert_eq!(nlink(&f), 2);
    assert!(Arc::ptr_eq(&f, &at(&fs, "d/g").unwrap()));
    assert_eq!(link(&fs, "f", "d/g"), Err(Errno::EEXIST));
    assert_eq!(link(&fs, "d", "f"), Err(Errno::EEXIST));
    assert_eq!(link(&fs, "d", "e"), Err(Errno::EPERM));
    unlink(&fs, "f").unwrap();
    unlink(&fs, "d/g").unwrap();
    assert_eq!(nlink(&f), 0);
    assert_eq!(fs.link(&f, &fs.root(), name("f")), Err(Errno::ENOENT));
    let d = at(&fs, "d").unwrap();
    assert_eq!(unlink(&fs, "d"), Err(Errno::EISDIR));
    rmdir(&fs, "d").unwrap();
    assert_eq!((nlink(&fs.root()), nlink(&d)), (2, 0));
    let g = file(&fs, "g");
    g.leaf().unwrap().write().meta.nlink = u32::MAX;
    assert_eq!(link(&fs, "g", "h"), Err(Errno::EMLINK));
}

#[test]
fn nothing_is_made_or_found_in_a_removed_directory() {
    let fs = fs();
    let d = mkdir(&fs, "d");
    let f = file(&fs, "f");
    file(&fs, "d/x");
    assert_eq!(rmdir(&fs, "d"), Err(Errno::ENOTEMPTY));
    assert_eq!(rmdir(&fs, "f"), Err(Errno::ENOTDIR));
    unlink(&fs, "d/x").unwrap();
    rmdir(&fs, "d").unwrap();
    let (x, root) = (name("x"), fs.root());
    assert_eq!(fs.lookup(&d, x).unwrap_err(), Errno::ENOENT);
    assert_eq!(fs.create(&d, x, NewKind::File, 0).unwrap_err(), Errno::ENOENT);
    assert_eq!(fs.create(&d, x, NewKind::Directory, 0).unwrap_err(), Errno::ENOENT);
    assert_eq!(fs.remove(&d, x, Removal::File), Err(Errno::ENOENT));
    assert_eq!(fs.link(&f, &d, x), Err(Errno::ENOENT));
    assert_eq!(fs.rename(&root, name("f"), &d, x), Err(Errno::ENOENT));
    assert_eq!(fs.rename(&d, x, &root, x), Err(Errno::ENOENT));
    assert!(Arc::ptr_eq(&fs.parent(&d).unwrap(), &root));
    assert_eq!(fs.name_of(&d), Err(Errno::ENOENT));
    assert_eq!(fs.name_of(&root), Err(Errno::ENOENT));
    assert!(Arc::ptr_eq(&fs.parent(&root).unwrap(), &root));
    fs.read_dir(&d, 0, &mut |_| panic!("an entry")).unwrap();
}

/// Which of mtime and ctime moved while `f` ran, for each node.
fn moved(fs: &MemFs, clock: &Stopped, nodes: &[&Node], f: impl FnOnce()) -> Vec<(bool, bool)> {
    let stats = || nodes.iter().map(|node| fs.stat(node).unwrap()).collect::<Vec<_>>();
    let before = stats();
    clock.tick();
    f();
    let after = stats();
    assert!(before.iter().zip(&after).all(|(b, a)| a.atime == b.atime));
    before.iter().zip(&after).map(|(b, a)| (a.mtime != b.mtime, a.ctime != b.ctime)).collect()
}

const NONE: (bool, bool) = (false, false);
const CTIME: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

/// Each line was seen on Linux's tmpfs.
#[test]
fn times_of_contents_move_as_on_tmpfs() {
    let clock = Arc::new(Stopped::default());
    let fs = MemFs::with_clock(Budget::unlimited(), &Limits::default(), clock.clone());
    let f = file(&fs, "f");
    let check = |what: &str, expected: (bool, bool), run: &dyn Fn()| {
        assert_eq!(moved(&fs, &clock, &[&f], run), [expected], "{what}");
    };
    check("write", BOTH, &|| assert!(write(&f, b"hello", 0).is_ok()));
    check("overwrite", BOTH, &|| assert!(write(&f, b"x", 0).is_ok()));
    check("write of nothing", NONE, &|| assert!(write(&f, b"", 9).is_ok()));
    check("append", BOTH, &|| assert!(f.append(&[IoSlice::new(b"x")]).is_ok()));
    check("read", NONE, &|| drop(read(&f)));
    check("truncate to the same size", BOTH, &|| fs.set_attr(&f, &SetAttr::size(6)).unwrap());
    check("truncate", BOTH, &|| fs.set_attr(&f, &SetAttr::size(7)).unwrap());
    check("allocate inside", BOTH, &|| f.allocate(0, 3).unwrap());
    check("allocate", BOTH, &|| f.allocate(0, 30).unwrap());
    check("chmod to the same", CTIME, &|| fs.set_attr(&f, &SetAttr::mode(0o644)).unwrap());
    check("chown to the same", CTIME, &|| fs.set_attr(&f, &SetAttr { uid: Some(0), ..SetAttr::default() }).unwrap());
    check("nothing", NONE, &|| fs.set_attr(&f, &SetAttr::default()).unwrap());
    for _ in 0..2 {
        let open = Access { truncate: true, ..Access::READ };
        check("open with truncate", BOTH, &|| drop(fs.open(&f, open).unwrap()));
    }
    clock.tick();
    let (atime, mtime) = (Timestamp { sec: -5, nsec: 999_999_999 }, fs.stat(&f).unwrap().mtime);
    fs.set_attr(&f, &SetAttr { atime: SetTime::To(atime), ..SetAttr::default() }).unwrap();
    let stat = fs.stat(&f).unwrap();
    assert_eq!((stat.atime, stat.mtime, stat.ctime), (atime, mtime, clock.coarse()));
    clock.tick();
    fs.set_attr(&f, &SetAttr { mtime: SetTime::Now, ..SetAttr::default() }).unwrap();
    let stat = fs.stat(&f).unwrap();
    assert_eq!((stat.atime, stat.mtime, stat.ctime), (atime, clock.coarse(), clock.coarse()));
}

/// Each line was seen on Linux's tmpfs.
#[test]
fn times_of_names_move_as_on_tmpfs() {
    let clock = Arc::new(Stopped::default());
    let fs = MemFs::with_clock(Budget::unlimited(), &Limits::default(), clock.clone());
    let (root, d, f, other) = (fs.root(), mkdir(&fs, "d"), file(&fs, "f"), file(&fs, "other"));
    let check = |what: &str, expected: [(bool, bool); 4], run: &dyn Fn()| {
        assert_eq!(moved(&fs, &clock, &[&root, &d, &f, &other], run), expected, "{what}");
    };
    check("link", [NONE, BOTH, CTIME, NONE], &|| link(&fs, "f", "d/g").unwrap());
    check("rename of two names of one file", [NONE; 4], &|| rename(&fs, "f", "d/g").unwrap());
    check("rename to itself", [NONE; 4], &|| rename(&fs, "f", "f").unwrap());
    check("unlink", [NONE, BOTH, CTIME, NONE], &|| unlink(&fs, "d/g").unwrap());
    check("rename into a directory", [BOTH, BOTH, CTIME, NONE], &|| rename(&fs, "f", "d/f").unwrap());
    check("rename in a directory", [NONE, BOTH, CTIME, NONE], &|| rename(&fs, "d/f", "d/g").unwrap());
    check("rename over", [BOTH, BOTH, CTIME, CTIME], &|| rename(&fs, "d/g", "other").unwrap());
    check("mkdir", [NONE, BOTH, NONE, NONE], &|| drop(mkdir(&fs, "d/s")));
    check("rmdir", [NONE, BOTH, NONE, NONE], &|| rmdir(&fs, "d/s").unwrap());
    check("create", [NONE, BOTH, NONE, NONE], &|| drop(file(&fs, "d/x")));
    check("failures", [NONE; 4], &|| {
        assert_eq!(rmdir(&fs, "d"), Err(Errno::ENOTEMPTY));
        assert_eq!(rename(&fs, "d/y", "d/x"), Err(Errno::ENOENT));
        assert_eq!(rename(&fs, "d", "other"), Err(Errno::ENOTDIR));
        assert_eq!(link(&fs, "other", "d/x"), Err(Errno::EEXIST));
    });
}

/// Each line was seen on Linux's tmpfs, as root.
#[test]
fn mode_bits_stick_and_are_inherited() {
    let fs = fs();
    let mode = |path: &str| fs.stat(&at(&fs, path).unwrap()).unwrap().mode;
    let root = fs.root();
    fs.create(&root, name("m"), NewKind::Directory, 0o7755).unwrap();
    assert_eq!(mode("m"), 0o1755);
    let n = fs.create(&root, name("n"), NewKind::File, 0o7755).unwrap().node;
    assert_eq!(mode("n"), 0o7755);
    for (before, after) in [(0o6755, 0o0755), (0o6745, 0o2745), (0o6700, 0o2700)] {
        fs.set_attr(&n, &SetAttr::mode(before)).unwrap();
        fs.set_attr(&n, &SetAttr { uid: Some(1), gid: Some(2), ..SetAttr::default() }).unwrap();
        assert_eq!(mode("n"), after);
    }
    assert_eq!((fs.stat(&n).unwrap().uid, fs.stat(&n).unwrap().gid), (1, 2));
    fs.set_attr(&n, &SetAttr::mode(0o6755)).unwrap();
    write(&n, b"x", 0).unwrap();
    fs.set_attr(&n, &SetAttr::size(0)).unwrap();
    assert_eq!(mode("n"), 0o6755, "root's writing keeps them");
    let d = mkdir(&fs, "d");
    fs.set_attr(&d, &SetAttr { mode: Some(0o2755), gid: Some(7), ..SetAttr::default() }).unwrap();
    mkdir(&fs, "d/i");
    file(&fs, "d/j");
    let gid = |path: &str| fs.stat(&at(&fs, path).unwrap()).unwrap().gid;
    assert_eq!((mode("d/i"), gid("d/i")), (0o2755, 7));
    assert_eq!((mode("d/j"), gid("d/j")), (0o644, 7));
}

#[test]
fn a_listing_goes_on_where_it_was_while_entries_come_and_go() {
    let fs = fs();
    for n in 0..200 {
        file(&fs, &format!("f{n}"));
    }
    let (root, mut cookie, mut seen, mut round) = (fs.root(), 0, Vec::new(), 0);
    loop {
        let mut got = 0;
        fs.read_dir(&root, cookie, &mut |entry| {
            assert!(entry.next > cookie);
            cookie = entry.next;
            seen.push(String::from_utf8(entry.name.to_vec()).unwrap());
            got += 1;
            if got == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        if got == 0 {
            break;
        }
        // Every second one goes, so that the slots are compacted on the way; some that stay get another file.
        for n in (round * 10..200.min(round * 10 + 10)).filter(|n| n % 2 == 0) {
            unlink(&fs, &format!("f{n}")).unwrap();
        }
        if round < 20 {
            file(&fs, &format!("new{round}"));
            rename(&fs, &format!("new{round}"), &format!("f{}", 199 - 2 * round)).unwrap();
        }
        round += 1;
    }
    let stay: Vec<_> = (0..200).filter(|n| n % 2 == 1).map(|n| format!("f{n}")).collect();
    for n in &stay {
        assert_eq!(seen.iter().filter(|seen| *seen == n).count(), 1, "{n}");
    }
    let mut left = list(&fs, "");
    left.sort();
    let mut expected = stay.clone();
    expected.sort();
    assert_eq!(left, expected);
    assert!(slots(&fs) <= 200);
}

#[test]
fn slots_of_removed_names_are_given_up() {
    let fs = fs();
    for n in 0..10_000 {
        file(&fs, &format!("f{n}"));
        if n >= 10 {
            unlink(&fs, &format!("f{}", n - 10)).unwrap();
        }
    }
    assert!(slots(&fs) <= 40);
    assert_eq!(list(&fs, ""), (9_990..10_000).map(|n| format!("f{n}")).collect::<Vec<_>>());
    assert!(at(&fs, "f9995").is_ok());
    assert_eq!(fs.stat(&fs.root()).unwrap().size, 240);
}

#[test]
fn statfs_shows_the_budget() {
    let fs = MemFs::new(Budget::new(10 * 4096, 5), &Limits::default());
    file(&fs, "f");
    let stat = fs.statfs().unwrap();
    assert_eq!((stat.block_size, stat.blocks, stat.blocks_free, stat.files, stat.files_free), (4096, 10, 9, 5, 4));
    assert!(!stat.read_only && !fs.read_only());
    for n in 0..4 {
        make(&fs, &format!("l{n}"), NewKind::Symlink(b"x")).unwrap();
    }
    let used = fs.shared.budget.bytes_used();
    for kind in [NewKind::File, NewKind::Directory, NewKind::Symlink(b"x"), NewKind::Fifo] {
        assert_eq!(make(&fs, "full", kind).unwrap_err(), Errno::ENOSPC);
    }
    assert_eq!((fs.shared.budget.bytes_used(), nlink(&fs.root())), (used, 2));
}

//! The orders of checks are those of Linux with bind mounts and tmpfs in a mount namespace of its own.

use super::*;
use crate::Errno::*;
use crate::{AccessMode, SetTime, StatFs};

/// `/mp` and `/d/in` are mounts of their own, `/e` and `/f` are not; `/mp` also is a directory with a file in the layer below.
fn mounted() -> Process {
    let root = mem();
    plant(&root, &["mp/", "mp/hidden", "d/", "e/", "f"]);
    let mut ns = tree(&root);
    mount(&mut ns, "/mp", &mem());
    mount(&mut ns, "/d/in", &mem());
    start(ns)
}

/// One filesystem with `x` and the directory `xd` in it, mounted writable at `/rw` and read-only at `/ro`; `/ro/mm` is a mount.
fn twice() -> Process {
    let shared = mem();
    plant(&shared, &["x", "xd/"]);
    let mut ns = tree(&mem());
    mount(&mut ns, "/rw", &shared);
    ns.mount(b"/ro", NodeRef::root_of(&shared), true).unwrap();
    mount(&mut ns, "/ro/mm", &mem());
    start(ns)
}

#[test]
fn a_mount_hides_what_is_below_and_is_listed_once_with_its_own_number() {
    let mut p = mounted();
    assert_eq!(names(&mut p, "/"), ["d", "e", "f", "mp"]);
    for dir in ["/", "/d"] {
        for (name, kind, ino) in list(&mut p, dir) {
            let stat = stat(&p, &format!("{dir}/{name}")).unwrap();
            assert_eq!((kind, ino), (stat.kind, stat.ino), "{dir} {name}");
        }
    }
    assert_eq!(names(&mut p, "/d"), ["in"]);
    assert_eq!(names(&mut p, "/mp"), [""; 0]);
    assert_eq!(stat(&p, "/mp/hidden"), Err(ENOENT));
    let above: Vec<_> = ["/mp", "/d/in"].map(|at| list_above(&mut p, at)).into();
    assert_eq!(above, [stat(&p, "/").unwrap().ino, stat(&p, "/d").unwrap().ino]);
}

fn list_above(p: &mut Process, at: &str) -> u64 {
    let fd = open(p, at, &OpenHow::read()).unwrap();
    list_fd(p, fd, 0).unwrap()[1].2
}

#[test]
fn a_listing_continues_from_every_cookie_across_the_mounts() {
    let mut ns = tree(&mem());
    for at in ["/a", "/b", "/c"] {
        mount(&mut ns, at, &mem());
    }
    let mut p = start(ns);
    for name in ["/x", "/y"] {
        mkfile(&mut p, name).unwrap();
    }
    let fd = open(&mut p, "/", &OpenHow::read()).unwrap();
    let all = list_fd(&p, fd, 0).unwrap();
    assert_eq!(all.iter().map(|e| &*e.0).collect::<Vec<_>>(), [".", "..", "x", "y", "a", "b", "c"]);
    for (at, entry) in all.iter().enumerate() {
        assert_eq!(list_fd(&p, fd, entry.3).unwrap(), all[at + 1..], "after {}", entry.0);
        assert!(i64::try_from(entry.3).is_ok());
    }
    assert_eq!(list_fd(&p, fd, u64::MAX).unwrap(), []);
}

#[test]
fn stand_ins_are_read_only_directories_that_list_their_mounts() {
    let root = mem();
    let mut ns = tree(&root);
    mount(&mut ns, "/a/b/one", &mem());
    mount(&mut ns, "/a/b/two", &mem());
    mount(&mut ns, "/a/b/one/x/y", &mem());
    let mut p = start(ns);
    assert_eq!(names(&mut p, "/"), ["a"]);
    assert_eq!(names(&mut p, "/a"), ["b"]);
    assert_eq!(names(&mut p, "/a/b"), ["one", "two"]);
    assert_eq!(names(&mut p, "/a/b/one"), ["x"]);
    for made in [mkdir(&mut p, "/a/n"), mkfile(&mut p, "/a/b/n"), symlink(&mut p, "t", "/a/n"), mkdir(&mut p, "/a/b/one/x/n")] {
        assert_eq!(made, Err(EROFS));
    }
    assert_eq!(mkdir(&mut p, "/a/b"), Err(EEXIST));
    assert_eq!(rmdir(&mut p, "/a/b"), Err(EROFS));
    assert_eq!(rmdir(&mut p, "/a"), Err(EBUSY));
    assert_eq!(p.set_attr_at(CWD, b"/a/b", true, &SetAttr::mode(0o700)), Err(EROFS));
    assert_eq!(open(&mut p, "/a/b/n", &OpenHow::write_new()), Err(EROFS));
    assert_eq!(p.accessat(CWD, b"/a", AccessMode { write: true, ..AccessMode::default() }, true), Err(EROFS));
    mkdir(&mut p, "/a/b/one/d").unwrap();
    for (path, same) in [
        ("/a/b/one/..", "/a/b"),
        ("/a/b/..", "/a"),
        ("/a/..", "/"),
        ("/a/b/one/x/y/../..", "/a/b/one"),
        ("/a/b/one/d/../../two/..", "/a/b"),
    ] {
        let (one, other) = (stat(&p, path).unwrap(), stat(&p, same).unwrap());
        assert_eq!((one.dev, one.ino), (other.dev, other.ino), "{path}");
    }
    assert_eq!(root.lookup(&root.root(), Name::new(b"a").unwrap()).unwrap_err(), ENOENT);
}

#[test]
fn mounting_where_it_cannot_be_leaves_nothing_behind() {
    let root = mem();
    plant(&root, &["f", "l -> d", "d/"]);
    let mut ns = tree(&root);
    let long = vec![b'x'; 256];
    for (at, errno) in [
        (&b"a"[..], EINVAL),
        (b"", EINVAL),
        (b"/", EINVAL),
        (b"//.", EINVAL),
        (b"/n/../m", EINVAL),
        (b"/n/..", EINVAL),
        (b"/n/a\0b/c", EINVAL),
        (b"/f/m", ENOTDIR),
        (b"/l/m", ENOTDIR),
        (&[b"/n/", &long[..]].concat(), ENAMETOOLONG),
        (&[b"/n/", &long[..], b"/m"].concat(), ENAMETOOLONG),
    ] {
        assert_eq!(ns.mount(at, NodeRef::root_of(&mem()), false), Err(errno), "{}", at.escape_ascii());
    }
    let file = root.lookup(&root.root(), Name::new(b"f").unwrap()).unwrap().node;
    assert_eq!(ns.mount(b"/n", NodeRef::new(&root, file), false), Err(ENOTDIR));
    assert_eq!(ns.roots().count(), 1);
    mount(&mut ns, "/d/m/", &mem());
    assert_eq!(ns.mount(b"/d//m", NodeRef::root_of(&mem()), false), Err(EBUSY));
    mount(&mut ns, "/f", &mem());
    let mut p = start(ns);
    assert_eq!(stat(&p, "/f").unwrap().kind, FileKind::Directory);
    assert_eq!(names(&mut p, "/"), ["d", "f", "l"]);
}

#[test]
fn a_mount_point_cannot_be_made_removed_or_replaced() {
    let mut p = mounted();
    for slash in ["", "/"] {
        let mp = &format!("/mp{slash}");
        assert_eq!(rmdir(&mut p, mp), Err(EBUSY));
        assert_eq!(unlink(&mut p, mp), Err(EISDIR));
        assert_eq!(mkdir(&mut p, mp), Err(EEXIST));
        assert_eq!(symlink(&mut p, "x", mp), Err(EEXIST));
        assert_eq!(link(&mut p, "/f", mp), Err(EEXIST));
        assert_eq!(p.mkfifoat(CWD, mp.as_bytes(), 0o600), Err(EEXIST));
        assert_eq!(open(&mut p, mp, &OpenHow { create: true, ..OpenHow::read() }), Err(EISDIR));
        let there = if slash.is_empty() { EEXIST } else { EISDIR };
        assert_eq!(open(&mut p, mp, &OpenHow { create: true, exclusive: true, ..OpenHow::read() }), Err(there));
        assert_eq!(open(&mut p, mp, &read_write()), Err(EISDIR));
        assert_eq!(rename(&mut p, mp, "/zz"), Err(EBUSY));
        assert_eq!(rename(&mut p, mp, "/e"), Err(EBUSY));
        assert_eq!(rename(&mut p, "/e", mp), Err(EBUSY));
        assert_eq!(rename(&mut p, "/missing", mp), Err(ENOENT));
        assert_eq!(rename(&mut p, mp, mp), Ok(()));
        assert_eq!(rename(&mut p, mp, "/f"), Err(ENOTDIR));
    }
    assert_eq!(rename(&mut p, "/f", "/mp"), Err(EISDIR));
    assert_eq!(rename(&mut p, "/f", "/mp/"), Err(ENOTDIR));
    assert_eq!(rename(&mut p, "/f/", "/mp"), Err(ENOTDIR));
    assert_eq!(rename(&mut p, "/mp", "/nodir/zz"), Err(ENOENT));
    assert_eq!(rename(&mut p, "/mp/.", "/zz"), Err(EXDEV));
    assert_eq!(rename(&mut p, "/e", "/"), Err(EBUSY));
    assert_eq!(rmdir(&mut p, "/mp/."), Err(EINVAL));
    assert_eq!(rmdir(&mut p, "/mp/.."), Err(ENOTEMPTY));
    assert_eq!(rmdir(&mut p, "/"), Err(EBUSY));
    assert_eq!(unlink(&mut p, "/"), Err(EISDIR));
    assert_eq!(names(&mut p, "/"), ["d", "e", "f", "mp"]);
}

#[test]
fn a_directory_with_a_mount_in_it_moves_but_does_not_go() {
    let mut p = mounted();
    mkfile(&mut p, "/d/in/file").unwrap();
    assert_eq!(rmdir(&mut p, "/d"), Err(ENOTEMPTY));
    assert_eq!(unlink(&mut p, "/d"), Err(EISDIR));
    assert_eq!(rename(&mut p, "/e", "/d"), Err(ENOTEMPTY));
    assert_eq!(rename(&mut p, "/f", "/d"), Err(EISDIR));
    assert_eq!(rename(&mut p, "/missing", "/d"), Err(ENOENT));
    assert_eq!(rename(&mut p, "/d", "/d"), Ok(()));
    assert_eq!(rename(&mut p, "/d", "/d/in/x"), Err(EXDEV));
    assert_eq!(rename(&mut p, "/d", "/d/y"), Err(EINVAL));

    p.chdir(b"/d/in").unwrap();
    let fd = open(&mut p, "/d", &OpenHow::read()).unwrap();
    assert_eq!(rename(&mut p, "/d", "/e"), Ok(()));
    mkdir(&mut p, "/e/sub").unwrap();
    assert_eq!(cwd(&p).unwrap(), "/e/in");
    assert!(stat(&p, "/e/in/file").is_ok());
    assert_eq!(names(&mut p, "/e"), ["in", "sub"]);
    assert_eq!(stat(&p, ".."), stat(&p, "/e"));
    assert!(p.statat(DirFd::At(fd), b"in/file", true).is_ok());
    assert_eq!(stat(&p, "/d"), Err(ENOENT));
    // A new directory of the old name has nothing mounted in it.
    mkdir(&mut p, "/d").unwrap();
    assert_eq!(names(&mut p, "/d"), [""; 0]);
    assert_eq!(rmdir(&mut p, "/d"), Ok(()));
}

#[test]
fn links_and_renames_stay_in_one_mount() {
    let mut p = mounted();
    mkfile(&mut p, "/mp/f").unwrap();
    assert_eq!(link(&mut p, "/f", "/mp/new"), Err(EXDEV));
    assert_eq!(link(&mut p, "/f", "/mp/f"), Err(EEXIST));
    assert_eq!(rename(&mut p, "/f", "/mp/f"), Err(EXDEV));
    assert_eq!(rename(&mut p, "/f", "/mp/."), Err(EXDEV));
    assert_eq!(rename(&mut p, "/mp/f", "/new"), Err(EXDEV));
    assert_eq!(link(&mut p, "/mp", "/new"), Err(EXDEV));
}

#[test]
fn ghsa_4ch3_9j33_3pmj_a_read_only_file_gets_no_name_in_a_writable_mount_of_its_filesystem() {
    let mut p = twice();
    assert_eq!(link(&mut p, "/ro/x", "/rw/y"), Err(EXDEV));
    assert_eq!(rename(&mut p, "/ro/x", "/rw/y"), Err(EXDEV));
    assert_eq!(link(&mut p, "/rw/x", "/ro/y"), Err(EROFS));
    assert_eq!(rename(&mut p, "/rw/x", "/ro/y"), Err(EXDEV));
    assert_eq!(rename(&mut p, "/rw/x", "/ro/x"), Err(EXDEV));
    // Through a link, and through an own descriptor.
    symlink(&mut p, "/ro/x", "/rw/l").unwrap();
    assert_eq!(p.linkat(CWD, b"/rw/l", CWD, b"/rw/y", true), Err(EXDEV));
    symlink(&mut p, "../ro", "/rw/up").unwrap();
    assert_eq!(rename(&mut p, "/rw/up/x", "/rw/y"), Err(EXDEV));
    assert_eq!(stat(&p, "/rw/x").unwrap().nlink, 1);
}

#[test]
fn every_change_through_a_read_only_mount_is_refused() {
    let mut p = twice();
    let attrs = [
        SetAttr::mode(0o600),
        SetAttr { uid: Some(0), ..SetAttr::default() },
        SetAttr { mtime: SetTime::Now, ..SetAttr::default() },
        SetAttr::default(),
    ];
    for attr in &attrs {
        assert_eq!(p.set_attr_at(CWD, b"/ro/x", true, attr), Err(EROFS));
    }
    assert_eq!(p.set_attr_at(CWD, b"/ro/x", true, &SetAttr::size(0)), Err(EROFS));
    assert_eq!(p.set_attr_at(CWD, b"/ro/xd", true, &SetAttr::size(0)), Err(EISDIR));
    for (path, errno) in [("/ro/n", EROFS), ("/ro/x", EEXIST), ("/ro/mm", EEXIST)] {
        assert_eq!(mkdir(&mut p, path), Err(errno));
        assert_eq!(mkfile(&mut p, path), Err(errno));
        assert_eq!(symlink(&mut p, "t", path), Err(errno));
        assert_eq!(p.mkfifoat(CWD, path.as_bytes(), 0o600), Err(errno));
        assert_eq!(link(&mut p, "/ro/x", path), Err(errno));
        assert_eq!(open(&mut p, path, &OpenHow { create: true, exclusive: true, ..OpenHow::read() }), Err(errno));
    }
    assert_eq!(symlink(&mut p, "t", "/ro/n/"), Err(ENOENT));
    assert_eq!(symlink(&mut p, "t", "/ro/x/"), Err(EEXIST));
    assert_eq!(mkdir(&mut p, "/ro/n/"), Err(EROFS));
    for path in ["/ro/x", "/ro/missing", "/ro/xd", "/ro/mm"] {
        assert_eq!(unlink(&mut p, path), Err(EROFS));
        assert_eq!(rmdir(&mut p, path), Err(EROFS));
        assert_eq!(rename(&mut p, path, "/ro/y"), Err(EROFS));
        assert_eq!(rename(&mut p, "/ro/x", path), Err(EROFS));
    }
    assert_eq!(rmdir(&mut p, "/ro/."), Err(EINVAL));
    for access in [Access::WRITE, Access::READ_WRITE, Access { truncate: true, ..Access::READ }] {
        assert_eq!(open(&mut p, "/ro/x", &OpenHow::new(access)), Err(EROFS));
    }
    assert_eq!(open(&mut p, "/ro/xd", &read_write()), Err(EISDIR));
    assert_eq!(open(&mut p, "/ro/n", &OpenHow { create: true, ..OpenHow::read() }), Err(EROFS));

    let fd = open(&mut p, "/ro/x", &OpenHow { create: true, ..OpenHow::read() }).unwrap();
    let dir = open(&mut p, "/ro/xd", &OpenHow::read()).unwrap();
    for attr in &attrs {
        assert_eq!(p.fset_attr(fd, attr), Err(EROFS));
        assert_eq!(p.fset_attr(dir, attr), Err(EROFS));
    }
    assert_eq!(p.ftruncate(fd, 0), Err(EINVAL));
    assert_eq!(p.fallocate(fd, 0, 1), Err(EBADF));
    assert_eq!(write(&mut p, fd, b"x"), Err(EBADF));
    // The other mount may.
    let fd = open(&mut p, "/rw/x", &read_write()).unwrap();
    assert_eq!(p.fset_attr(fd, &SetAttr::mode(0o600)), Ok(()));
    assert_eq!(stat(&p, "/ro/x").unwrap().mode, 0o600);
}

#[test]
fn a_device_number_is_a_filesystems_and_statfs_tells_the_mount() {
    let mut p = twice();
    let dev = |p: &Process, path: &str| stat(p, path).unwrap().dev;
    assert_eq!(dev(&p, "/rw"), dev(&p, "/ro"));
    assert_eq!(stat(&p, "/rw/x"), stat(&p, "/ro/x"));
    let mut all = ["/", "/rw", "/ro/mm"].map(|path| dev(&p, path)).to_vec();
    all.dedup();
    assert_eq!(all.len(), 3);
    let fd = open(&mut p, "/ro/x", &OpenHow::read()).unwrap();
    assert_eq!(p.fstat(fd), stat(&p, "/ro/x"));
    let read_only = |s: StatFs| s.read_only;
    assert!(p.statfsat(CWD, b"/ro/x").is_ok_and(read_only) && p.fstatfs(fd).is_ok_and(read_only));
    assert!(!p.statfsat(CWD, b"/rw").is_ok_and(read_only) && !p.statfsat(CWD, b"/ro/mm").is_ok_and(read_only));
}

#[test]
fn links_cross_mounts_and_absolute_ones_start_at_the_guests_root() {
    let (root, inner) = (mem(), mem());
    plant(&root, &["etc/", "etc/motd", "m/", "to -> m/d", "in -> /m/up/etc"]);
    plant(&inner, &["etc/", "d/", "d/f", "abs -> /etc/motd", "up -> ..", "loop -> /m/loop", "back -> d/../../m/d/f"]);
    let mut ns = tree(&root);
    mount(&mut ns, "/m", &inner);
    let mut p = start(ns);
    assert_eq!(stat(&p, "/m/abs"), stat(&p, "/etc/motd"));
    assert_eq!(stat(&p, "/to/f"), stat(&p, "/m/d/f"));
    assert_eq!(stat(&p, "/in/motd"), stat(&p, "/etc/motd"));
    assert_eq!(stat(&p, "/m/up"), stat(&p, "/"));
    assert_eq!(stat(&p, "/m/up/m/up/to/.."), stat(&p, "/m"));
    assert_eq!(stat(&p, "/m/back"), stat(&p, "/m/d/f"));
    assert_eq!(stat(&p, "/m/loop"), Err(ELOOP));
    assert_eq!(stat(&p, "/m/../../../m/d/f"), stat(&p, "/m/d/f"));
    p.chdir(b"/to").unwrap();
    assert_eq!(cwd(&p).unwrap(), "/m/d");
    p.chdir(b"../..").unwrap();
    assert_eq!(cwd(&p).unwrap(), "/");
    p.chdir(b"/m/d").unwrap();
    rename(&mut p, "/m/d", "/m/etc/dd").unwrap();
    assert_eq!(cwd(&p).unwrap(), "/m/etc/dd");
    rmdir_with_file(&mut p);
    assert_eq!(p.getcwd(), Err(ENOENT));
}

fn rmdir_with_file(p: &mut Process) {
    unlink(p, "/m/etc/dd/f").unwrap();
    rmdir(p, "/m/etc/dd").unwrap();
}

#[test]
fn a_mount_of_a_part_shows_no_more_than_that_part() {
    let fs = mem();
    plant(&fs, &["secret", "part/", "part/d/", "part/d/e/"]);
    let part = fs.lookup(&fs.root(), Name::new(b"part").unwrap()).unwrap().node;
    let mut ns = tree(&mem());
    ns.mount(b"/m", NodeRef::new(&fs, part), false).unwrap();
    let mut p = start(ns);
    assert_eq!(stat(&p, "/m/../secret"), Err(ENOENT));
    assert_eq!(stat(&p, "/m/d/e/../.."), stat(&p, "/m"));
    p.chdir(b"/m/d/e").unwrap();
    // Somebody with the whole moves the directory out: `..` from it leads nowhere, not to what lies beside.
    let mut other = start(tree(&fs));
    rename(&mut other, "/part/d/e", "/out").unwrap();
    assert_eq!(stat(&p, "../secret"), Err(ENOENT));
    assert_eq!(stat(&p, ".."), Err(ENOENT));
    assert_eq!(p.getcwd(), Err(ENOENT));
    rename(&mut other, "/out", "/part/back").unwrap();
    assert_eq!(stat(&p, ".."), stat(&p, "/m"));
    assert_eq!(cwd(&p).unwrap(), "/m/back");
}

#[test]
fn ways_up_in_a_mount_of_a_part_are_bounded_together() {
    let fs = mem();
    plant(&fs, &["part/", "part/1/", "part/1/2/", "part/1/2/3/", "part/1/2/3/4/", "part/1/2/3/4/5/"]);
    let part = fs.lookup(&fs.root(), Name::new(b"part").unwrap()).unwrap().node;
    let limits = Limits { depth: 9, ..Limits::default() };
    let mut ns = Namespace::new(NodeRef::root_of(&mem()), &limits);
    ns.mount(b"/m", NodeRef::new(&fs, part), false).unwrap();
    let mut p = Process::builder(ns, limits).build().unwrap();
    p.chdir(b"/m/1/2/3/4/5").unwrap();
    // Each leads over all that is above it: 4 directories, 3, 2. That is the bound.
    assert_eq!(stat(&p, "../../.."), stat(&p, "/m/1/2"));
    assert_eq!(stat(&p, "../../../.."), Err(ENAMETOOLONG));
    // The next call starts anew.
    assert_eq!(stat(&p, "../../.."), stat(&p, "/m/1/2"));
}

#[test]
fn what_another_process_removes_under_a_mount_leaves_the_mount_at_hand() {
    let root = mem();
    plant(&root, &["d/"]);
    let mut ns = tree(&root);
    mount(&mut ns, "/d/m", &mem());
    let mut p = start(ns);
    p.chdir(b"/d/m").unwrap();
    mkfile(&mut p, "f").unwrap();
    rmdir(&mut start(tree(&root)), "/d").unwrap();
    assert!(stat(&p, "f").is_ok());
    assert_eq!(p.getcwd(), Err(ENOENT));
    assert_eq!(stat(&p, "/d/m"), Err(ENOENT));
    assert_eq!(mkdir(&mut p, "../n"), Err(ENOENT));
}

#[test]
fn mounts_stand_in_an_archive_and_in_a_host_directory() {
    const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("there")).unwrap();
    std::fs::write(host.path().join("there/hidden"), "").unwrap();
    let zip = crate::zipfs::ZipFs::from_bytes("t.zip", EMPTY_ZIP.to_vec(), &Limits::default()).unwrap();
    let dir = crate::hostfs::HostFs::open(host.path(), crate::hostfs::HostOptions::default()).unwrap();
    let mut ns = tree(&zip);
    mount(&mut ns, "/host", &dir);
    mount(&mut ns, "/host/there", &mem());
    mount(&mut ns, "/host/new/m", &mem());
    let mut p = start(ns);
    assert_eq!(names(&mut p, "/"), ["host"]);
    assert_eq!(names(&mut p, "/host"), ["new", "there"]);
    for (name, kind, ino) in list(&mut p, "/host") {
        let stat = stat(&p, &format!("/host/{name}")).unwrap();
        assert_eq!((kind, ino), (stat.kind, stat.ino));
    }
    assert_eq!(names(&mut p, "/host/there"), [""; 0]);
    assert_eq!(mkdir(&mut p, "/host/there/d"), Ok(()));
    assert_eq!(mkdir(&mut p, "/host/d"), Err(EROFS));
    assert_eq!(mkdir(&mut p, "/d"), Err(EROFS));
    p.chdir(b"/host/there/d").unwrap();
    assert_eq!(cwd(&p).unwrap(), "/host/there/d");
    assert_eq!(stat(&p, "../../new/m/../../.."), stat(&p, "/"));
    assert!(!host.path().join("new").exists() && !host.path().join("there/d").exists());
}

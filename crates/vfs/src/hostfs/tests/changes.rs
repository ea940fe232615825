//! Writable directories: identities across renames, links and removals; what is written lands where it should.

use super::*;

#[test]
fn an_open_file_outlives_its_name() {
    for dir in scratch() {
        let fs = writable(dir.path());
        let root = fs.root();
        let node = fs.create(&root, name("f"), NewKind::File, 0o444).unwrap().node;
        let file = handle(&fs, &node, Access::READ_WRITE).unwrap();
        assert_eq!(file.write_at(&[IoSlice::new(b"hello "), IoSlice::new(b"world")], 0), Ok(11));
        fs.remove(&root, name("f"), Removal::File).unwrap();
        assert_eq!(file.stat().unwrap().nlink, 0);
        assert_eq!(file.stat().unwrap().ino, node.key());
        file.set_attr(&SetAttr::size(5)).unwrap();
        assert_eq!(read(&*file), b"hello");
        assert_eq!(fs.stat(&node).unwrap().nlink, 0);
        // The same name, and perhaps the same inode number, is another file.
        drop(file);
        let next = fs.create(&root, name("f"), NewKind::File, 0o644).unwrap().node;
        assert_eq!(fs.stat(&node).unwrap().nlink, 0);
        assert_eq!(fs.stat(&next).unwrap().mode, 0o644);
    }
}

#[test]
fn writes_land_where_they_should() {
    for dir in scratch() {
        let fs = writable(dir.path());
        let node = fs.create(&fs.root(), name("f"), NewKind::File, 0o644).unwrap().node;
        let (one, other) = (handle(&fs, &node, Access::WRITE).unwrap(), handle(&fs, &node, Access::READ_WRITE).unwrap());
        assert_eq!(one.append(&[IoSlice::new(b"ab"), IoSlice::new(b"c")]), Ok((3, 3)));
        assert_eq!(other.append(&[IoSlice::new(b"de")]), Ok((2, 5)));
        assert_eq!(one.append(&[IoSlice::new(b"f")]), Ok((1, 6)));
        assert_eq!(one.append(&[]), Ok((0, 6)));
        assert_eq!(one.write_at(&[IoSlice::new(b"X")], 1), Ok(1));
        assert_eq!(read(&*other), b"aXcdef");
        assert_eq!(other.read_at(&mut [0; 4], 6), Ok(0));
        assert_eq!(other.read_at(&mut [0; 4], u64::MAX), Ok(0));
        assert_eq!(one.write_at(&[IoSlice::new(b"X")], u64::MAX), Err(Errno::EFBIG));
        assert_eq!(one.set_attr(&SetAttr::size(u64::MAX)), Err(Errno::EFBIG));
        let many = vec![IoSlice::new(b"z"); 3000];
        assert_eq!(one.append(&many), Ok((3000, 3006)));
        one.allocate(0, 5000).unwrap();
        assert_eq!(other.stat().unwrap().size, 5000);
        one.allocate(0, 10).unwrap();
        assert_eq!(other.stat().unwrap().size, 5000);
        assert_eq!(one.allocate(u64::MAX, 1), Err(Errno::EFBIG));
        one.sync(false).unwrap();
        let cut = handle(&fs, &node, Access { truncate: true, ..Access::READ }).unwrap();
        assert_eq!(cut.stat().unwrap().size, 0);
    }
}

#[test]
fn appends_from_many_threads_do_not_overlap() {
    let dir = TempDir::new().unwrap();
    let fs = writable(dir.path());
    let node = fs.create(&fs.root(), name("f"), NewKind::File, 0o644).unwrap().node;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let file = handle(&fs, &node, Access::WRITE).unwrap();
            scope.spawn(move || {
                let mut last = 0;
                for _ in 0..500 {
                    let (n, end) = file.append(&[IoSlice::new(b"0123456789")]).unwrap();
                    assert!(n == 10 && end >= last + 10 && end % 10 == 0);
                    last = end;
                }
            });
        }
    });
    assert_eq!(fs.stat(&node).unwrap().size, 20_000);
}

#[test]
fn renamed_directories_keep_their_live_nodes() {
    for dir in scratch() {
        let fs = HostFs::open(dir.path(), HostOptions { writable: true, fds: 1, ..HostOptions::default() }).unwrap();
        let root = fs.root();
        let made = |dir: &HostNode, file, kind| fs.create(dir, name(file), kind, 0o755).unwrap().node;
        let a = made(&root, "a", NewKind::Directory);
        let b = made(&a, "b", NewKind::Directory);
        let f = made(&b, "f", NewKind::File);
        let other = made(&root, "other", NewKind::Directory);
        fs.rename(&root, name("a"), &other, name("z")).unwrap();
        assert_eq!(fs.stat(&f).unwrap().ino, f.key());
        assert_eq!(fs.name_of(&a).unwrap(), b"z");
        assert_eq!(fs.parent(&a).unwrap().key(), other.key());
        made(&b, "g", NewKind::File);
        assert_eq!(names(&fs, &b, 1).len(), 2);
        assert_eq!(fs.rename(&other, name("z"), &b, name("in")), Err(Errno::EINVAL));
        assert_eq!(fs.rename(&b, name("f"), &other, name("z")), Err(Errno::ENOTEMPTY));
        assert_eq!(fs.rename(&other, name("z"), &b, name("f")), Err(Errno::EINVAL));
        // A directory that went is gone for everybody who held it, and its listing ends.
        let c = made(&b, "c", NewKind::Directory);
        let d = made(&root, "d", NewKind::Directory);
        fs.rename(&root, name("d"), &b, name("c")).unwrap();
        assert_eq!(fs.stat(&c).unwrap().nlink, 0);
        assert!(names(&fs, &c, 1).is_empty());
        assert_eq!(fs.lookup(&c, name("x")).map(drop), Err(Errno::ENOENT));
        assert_eq!(fs.create(&c, name("x"), NewKind::File, 0o644).map(drop), Err(Errno::ENOENT));
        assert_eq!(fs.name_of(&d).unwrap(), b"c");
        assert_eq!(find(&fs, "other/z/b/c").unwrap().key(), d.key());
        assert_eq!(fs.dirs.len(), 1);
        drop((a, b, c, d, f, other, root));
        fs.dirs.close_all();
        assert_eq!(fs.registry.len(), 1, "only the root lives");
    }
}

#[test]
fn hard_links_are_one_file_under_several_names() {
    for dir in scratch() {
        let fs = writable(dir.path());
        let root = fs.root();
        let f = fs.create(&root, name("f"), NewKind::File, 0o644).unwrap().node;
        fs.link(&f, &root, name("g")).unwrap();
        let g = find(&fs, "g").unwrap();
        assert_eq!((f.key(), fs.stat(&g).unwrap().nlink), (g.key(), 2));
        fs.rename(&root, name("f"), &root, name("g")).unwrap();
        assert_eq!(names(&fs, &root, 1).len(), 2, "two names of one file: nothing happens");
        fs.remove(&root, name("g"), Removal::File).unwrap();
        assert_eq!(fs.stat(&g).unwrap().nlink, 1);
        assert_eq!(fs.link(&f, &root, name("f")), Err(Errno::EEXIST));
        fs.remove(&root, name("f"), Removal::File).unwrap();
        assert_eq!(fs.link(&f, &root, name("h")), Err(Errno::ENOENT));
        let d = fs.create(&root, name("d"), NewKind::Directory, 0o755).unwrap().node;
        assert_eq!(fs.link(&d, &root, name("h")), Err(Errno::EPERM));
    }
}

#[test]
fn a_file_replaced_by_somebody_else_is_another_file() {
    for dir in scratch() {
        let fs = writable(dir.path());
        std::fs::write(dir.path().join("f"), "old").unwrap();
        std::fs::write(dir.path().join("new"), "new").unwrap();
        let old = find(&fs, "f").unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join("f")).unwrap();
        assert_eq!(fs.stat(&old), Err(Errno::ENOENT));
        assert_eq!(handle(&fs, &old, Access::READ).map(drop), Err(Errno::ENOENT));
        assert_eq!(fs.set_attr(&old, &SetAttr::size(0)), Err(Errno::ENOENT));
        assert_eq!(read(&*handle(&fs, &find(&fs, "f").unwrap(), Access::READ).unwrap()), b"new");
    }
}

#[test]
fn modes_are_exact_whatever_the_hosts_umask_takes_away() {
    let dir = TempDir::new().unwrap();
    let fs = writable(dir.path());
    let root = fs.root();
    for mode in [0o777, 0o666, 0o4755, 0o1777, 0o600, 0] {
        let file = fs.create(&root, name(&format!("f{mode:o}")), NewKind::File, mode).unwrap().node;
        assert_eq!(fs.stat(&file).unwrap().mode, mode);
        let sub = fs.create(&root, name(&format!("d{mode:o}")), NewKind::Directory, mode & 0o1777).unwrap().node;
        assert_eq!(fs.stat(&sub).unwrap().mode, mode & 0o1777);
        for node in [file, sub] {
            let all = SetAttr {
                mode: Some(0o2750),
                uid: Some(12),
                gid: Some(u32::MAX),
                atime: SetTime::To(Timestamp { sec: 1 << 33, nsec: 999_999_999 }),
                ..SetAttr::default()
            };
            fs.set_attr(&node, &all).unwrap();
            let stat = fs.stat(&node).unwrap();
            assert_eq!((stat.mode, stat.uid, stat.gid), (0o2750, 12, 0));
            assert_eq!(stat.atime, Timestamp { sec: 1 << 33, nsec: 999_999_999 });
        }
    }
    fs.set_attr(&root, &SetAttr::mode(0o711)).unwrap();
    assert_eq!(fs.stat(&root).unwrap().mode, 0o711);
    let bad = SetAttr { mtime: SetTime::To(Timestamp { sec: 0, nsec: u32::MAX }), ..SetAttr::default() };
    assert_eq!(fs.set_attr(&root, &bad), Err(Errno::EINVAL));
}

#[test]
fn an_exclusive_directory_is_remembered_until_it_is_changed() {
    for dir in scratch() {
        let options = HostOptions { writable: true, exclusive: true, ..HostOptions::default() };
        let fs = HostFs::open(dir.path(), options).unwrap();
        assert!(fs.stable());
        let root = fs.root();
        assert_eq!(find(&fs, "f").map(drop), Err(Errno::ENOENT));
        // Remembered: what somebody else does against the promise is not seen.
        std::fs::write(dir.path().join("f"), "1").unwrap();
        assert_eq!(find(&fs, "f").map(drop), Err(Errno::ENOENT));
        fs.create(&root, name("d"), NewKind::Directory, 0o755).unwrap();
        let f = find(&fs, "f").unwrap();
        assert_eq!((fs.stat(&f).unwrap().size, fs.stat(&root).unwrap().nlink), (1, 3));
        std::fs::write(dir.path().join("f"), "12").unwrap();
        assert_eq!(fs.stat(&f).unwrap().size, 1);
        // Every change of ours is seen at once.
        let file = handle(&fs, &f, Access::READ_WRITE).unwrap();
        file.append(&[IoSlice::new(b"3")]).unwrap();
        assert_eq!(fs.stat(&f).unwrap().size, 3);
        file.write_at(&[IoSlice::new(b"4")], 3).unwrap();
        assert_eq!(fs.stat(&f).unwrap().size, 4);
        file.set_attr(&SetAttr::size(2)).unwrap();
        assert_eq!(fs.stat(&f).unwrap().size, 2);
        file.allocate(0, 9).unwrap();
        assert_eq!(fs.stat(&f).unwrap().size, 9);
        handle(&fs, &f, Access { truncate: true, ..Access::WRITE }).unwrap();
        assert_eq!(fs.stat(&f).unwrap().size, 0);
        fs.set_attr(&f, &SetAttr::mode(0o600)).unwrap();
        assert_eq!(fs.stat(&f).unwrap().mode, 0o600);
        fs.link(&f, &root, name("g")).unwrap();
        assert_eq!((fs.stat(&f).unwrap().nlink, find(&fs, "g").unwrap().key()), (2, f.key()));
        fs.rename(&root, name("g"), &root, name("h")).unwrap();
        assert_eq!((find(&fs, "g").map(drop), find(&fs, "h").map(drop)), (Err(Errno::ENOENT), Ok(())));
        fs.remove(&root, name("h"), Removal::File).unwrap();
        assert_eq!((find(&fs, "h").map(drop), fs.stat(&f).unwrap().nlink), (Err(Errno::ENOENT), 1));
        fs.remove(&root, name("d"), Removal::Directory).unwrap();
        assert_eq!(fs.stat(&root).unwrap().nlink, 2);
    }
}

use super::*;

fn lower() -> Tree {
    let lower = mem();
    for dir in ["dir", "dir/sub", "dir/sub/deep"] {
        lower.mkdir(dir);
    }
    lower.file("dir/file", b"below");
    lower.file("dir/sub/deep/file", b"deep");
    lower.file("file", b"hello");
    lower
}

#[test]
fn two_lowers_merge_and_the_upper_one_wins() {
    let (above, below) = (mem(), lower());
    above.mkdir("dir");
    above.file("dir/file", b"above");
    above.file("dir/own", b"");
    above.mkdir("file");
    let (_, tree) = over(&[&above, &below]);
    assert_eq!(tree.names("dir"), ["file", "own", "sub"]);
    assert_eq!(tree.read("dir/file"), b"above");
    assert_eq!(tree.names("file"), [""; 0]);
    assert_eq!(tree.read("dir/sub/deep/file"), b"deep");
}

#[test]
fn a_whiteout_hides_a_whole_subtree_and_a_directory_made_over_it_is_opaque() {
    let below = lower();
    let before = below.dump();
    let (_, tree) = over(&[&below]);
    assert_eq!(tree.rmdir("dir/sub"), Err(Errno::ENOTEMPTY));
    tree.unlink("dir/sub/deep/file").unwrap();
    assert_eq!(tree.rmdir("dir/sub"), Err(Errno::ENOTEMPTY));
    tree.rmdir("dir/sub/deep").unwrap();
    tree.rmdir("dir/sub").unwrap();
    assert_eq!(tree.at("dir/sub").unwrap_err(), Errno::ENOENT);
    assert_eq!(tree.names("dir"), ["file"]);
    tree.mkdir("dir/sub");
    assert_eq!(tree.names("dir/sub"), [""; 0]);
    tree.mkdir("dir/sub/deep");
    assert_eq!(tree.names("dir/sub/deep"), [""; 0]);
    tree.rmdir("dir/sub/deep").unwrap();
    tree.rmdir("dir/sub").unwrap();
    assert_eq!(tree.at("dir/sub").unwrap_err(), Errno::ENOENT);
    assert_eq!(below.dump(), before);
}

#[test]
fn a_merged_directory_that_shows_a_name_of_either_layer_is_not_empty() {
    let (above, below) = (mem(), lower());
    above.mkdir("dir");
    above.file("dir/own", b"");
    let (_, tree) = over(&[&above, &below]);
    tree.file("dir/new", b"");
    for rest in ["dir/own", "dir/file", "dir/sub/deep/file"] {
        tree.unlink(rest).unwrap();
    }
    tree.rmdir("dir/sub/deep").unwrap();
    tree.rmdir("dir/sub").unwrap();
    assert_eq!(tree.rmdir("dir"), Err(Errno::ENOTEMPTY));
    tree.unlink("dir/new").unwrap();
    tree.rmdir("dir").unwrap();
    assert_eq!(tree.names(""), ["file"]);
}

#[test]
fn what_is_purely_new_leaves_nothing_behind() {
    let budget = Budget::unlimited();
    let (overlay, tree) = over_with(&[&lower()], budget.clone(), &limits());
    // The root is copied up once, with the first new name.
    tree.file("first", b"");
    let used = (budget.bytes_used(), budget.inodes_used());
    tree.mkdir("new");
    tree.file("new/file", &[1; 10_000]);
    tree.link("new/file", "new/link").unwrap();
    tree.rename("new/link", "moved").unwrap();
    assert!(budget.bytes_used() > used.0);
    for file in ["new/file", "moved"] {
        tree.unlink(file).unwrap();
    }
    tree.rmdir("new").unwrap();
    assert_eq!((budget.bytes_used(), budget.inodes_used()), used);
    drop((overlay, tree));
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

#[test]
fn a_lower_file_opened_with_truncate_is_not_copied() {
    let below = mem();
    below.file("big", &[7; 1 << 20]);
    let budget = Budget::new(100_000, 100);
    let (_, tree) = over_with(&[&below], budget, &limits());
    let ino = tree.stat("big").ino;
    let node = tree.at("big").unwrap();
    assert_eq!(try_open(&node, Access::WRITE).err(), Some(Errno::ENOSPC));
    let handle = open(&node, Access { truncate: true, ..Access::READ_WRITE });
    assert_eq!(put(&*handle, b"new", 0), Ok(3));
    assert_eq!((tree.read("big"), tree.stat("big").ino), (b"new".to_vec(), ino));
    assert_eq!(below.stat("big").size, 1 << 20);
}

#[test]
fn a_copy_up_that_does_not_fit_leaves_nothing_behind() {
    let below = mem();
    below.file("big", &[7; 1 << 20]);
    let budget = Budget::new(600_000, 100);
    let (_, tree) = over_with(&[&below], budget.clone(), &limits());
    let node = tree.at("big").unwrap();
    assert_eq!(try_open(&node, Access::WRITE).err(), Some(Errno::ENOSPC));
    assert_eq!(node.set_attr(&SetAttr::mode(0o600)), Err(Errno::ENOSPC));
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
    assert_eq!(tree.stat("big").mode, 0o644);
    node.set_attr(&SetAttr::size(10)).unwrap();
    assert_eq!(tree.read("big"), [7; 10]);
}

#[test]
fn a_copy_keeps_mode_owner_times_and_holes() {
    let below = mem();
    let node = below.file("file", b"x");
    let old = crate::Timestamp { sec: 1000, nsec: 5 };
    let size = (1 << 30) + 3;
    node.set_attr(&SetAttr::size(size)).unwrap();
    node.set_attr(&SetAttr {
        mode: Some(0o4751),
        uid: Some(3),
        gid: Some(4),
        atime: crate::SetTime::To(old),
        mtime: crate::SetTime::To(old),
        ..SetAttr::default()
    })
    .unwrap();
    let dir = below.mkdir("dir");
    dir.set_attr(&SetAttr { mode: Some(0o2701), gid: Some(9), mtime: crate::SetTime::To(old), ..SetAttr::default() }).unwrap();
    let budget = Budget::new(1 << 20, 100);
    let (_, tree) = over_with(&[&below], budget, &limits());
    for path in ["file", "dir"] {
        let before = tree.stat(path);
        tree.at(path).unwrap().set_attr(&SetAttr { uid: Some(8), mode: Some(before.mode), ..SetAttr::default() }).unwrap();
        let after = tree.stat(path);
        assert_eq!((after.mode, after.uid, after.gid, after.size), (before.mode, 8, before.gid, before.size));
        assert_eq!((after.atime, after.mtime, after.ino), (before.atime, before.mtime, before.ino));
    }
    assert_eq!(tree.stat("file").size, size);
}

#[test]
fn an_early_read_handle_sees_later_writes() {
    let (_, tree) = over(&[&lower()]);
    let node = tree.at("file").unwrap();
    let early = open(&node, Access::READ);
    assert_eq!(read(&*early), b"hello");
    write(&node, b"J");
    assert_eq!(read(&*early), b"Jello");
    tree.unlink("file").unwrap();
    assert_eq!((read(&*early), early.stat().unwrap().nlink), (b"Jello".to_vec(), 0));
}

#[test]
fn a_lower_file_that_is_unlinked_while_open_can_still_be_written() {
    let budget = Budget::unlimited();
    let (_, tree) = over_with(&[&lower()], budget.clone(), &limits());
    let node = tree.at("file").unwrap();
    let early = open(&node, Access::READ);
    tree.unlink("file").unwrap();
    let used = (budget.bytes_used(), budget.inodes_used());
    write(&node, b"J");
    assert_eq!((read(&*early), node.stat().unwrap().nlink), (b"Jello".to_vec(), 0));
    assert_eq!(node.link(&tree.0, name("again")), Err(Errno::ENOENT));
    assert_eq!(tree.names(""), ["dir"]);
    drop((node, early));
    assert_eq!((budget.bytes_used(), budget.inodes_used()), used);
}

#[test]
fn a_removed_directory_is_empty_for_good() {
    let (_, tree) = over(&[&lower()]);
    tree.unlink("dir/sub/deep/file").unwrap();
    let dir = tree.at("dir/sub/deep").unwrap();
    tree.rmdir("dir/sub/deep").unwrap();
    assert_eq!(dir.create(name("x"), NewKind::File, 0o644).err(), Some(Errno::ENOENT));
    assert_eq!((dir.lookup(name("file")).err(), dir.parent().err()), (Some(Errno::ENOENT), None));
    assert_eq!((list(&dir).len(), dir.stat().unwrap().nlink), (0, 0));
    dir.set_attr(&SetAttr::mode(0o700)).unwrap();
    assert_eq!(dir.stat().unwrap().mode, 0o700);
}

#[test]
fn inode_numbers_survive_copy_up_rename_and_being_forgotten() {
    for cache in [0, 2, 10_000] {
        let limits = Limits { overlay_cache: cache, ..limits() };
        let (overlay, tree) = over_with(&[&lower()], Budget::unlimited(), &limits);
        let inos = |paths: [&str; 3]| paths.map(|path| tree.stat(path).ino);
        let first = inos(["dir", "dir/file", "dir/sub/deep"]);
        write(&tree.at("dir/file").unwrap(), b"x");
        tree.at("dir/sub").unwrap().set_attr(&SetAttr::mode(0o700)).unwrap();
        assert_eq!(inos(["dir", "dir/file", "dir/sub/deep"]), first);
        tree.rename("dir/file", "dir/sub/moved").unwrap();
        tree.rename("dir", "elsewhere").unwrap();
        assert_eq!(inos(["elsewhere", "elsewhere/sub/moved", "elsewhere/sub/deep"]), first);
        drop(overlay.freeze());
        tree.rename("elsewhere/sub/deep", "up").unwrap();
        write(&tree.at("elsewhere/sub/moved").unwrap(), b"y");
        assert_eq!(inos(["elsewhere", "elsewhere/sub/moved", "up"]), first);
        assert_eq!(tree.read("elsewhere/sub/moved"), b"yelow");
    }
}

#[test]
fn what_is_remembered_stays_bounded() {
    let limits = Limits { overlay_cache: 100, ..limits() };
    let (overlay, tree) = over_with(&[&lower()], Budget::unlimited(), &limits);
    for n in 0..1000 {
        tree.file(&format!("dir/{n}"), b"");
        assert_eq!(tree.at(&format!("missing{n}")).err(), Some(Errno::ENOENT));
    }
    assert!(overlay.tree.lock().remembered() <= 100);
    assert!(overlay.table.len() < 150, "{}", overlay.table.len());
    assert_eq!(tree.names("dir").len(), 1002);
}

#[test]
fn fifos_are_the_overlays_own() {
    let below = mem();
    below.make("fifo", NewKind::Fifo, 0o600).unwrap();
    let pipe = |tree: &Tree| match tree.at("fifo").unwrap().open(Access::READ).unwrap() {
        Opened::Fifo(pipe) => pipe,
        _ => panic!("not a FIFO"),
    };
    let ((_, one), (_, two)) = (over(&[&below]), over(&[&below]));
    assert!(Arc::ptr_eq(&pipe(&one), &pipe(&one)));
    assert!(!Arc::ptr_eq(&pipe(&one), &pipe(&two)) && !Arc::ptr_eq(&pipe(&one), &pipe(&below)));
}

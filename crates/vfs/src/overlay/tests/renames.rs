use super::*;

fn lower() -> Tree {
    let lower = mem();
    for dir in ["dir", "dir/sub", "other", "other/full"] {
        lower.mkdir(dir);
    }
    for file in ["dir/file", "dir/sub/file", "other/full/file"] {
        lower.file(file, file.as_bytes());
    }
    lower
}

#[test]
fn a_lower_directory_of_many_files_moves_without_its_files() {
    let below = mem();
    below.mkdir("from");
    for n in 0..10_000 {
        below.file(&format!("from/{n}"), b"some contents");
    }
    let budget = Budget::unlimited();
    let (_, tree) = over_with(&[&below], budget.clone(), &limits());
    tree.rename("from", "to").unwrap();
    assert!(budget.bytes_used() < 2000 && budget.inodes_used() < 5, "{budget:?}");
    assert_eq!(tree.names(""), ["to"]);
    assert_eq!(tree.names("to").len(), 10_000);
    assert_eq!(tree.read("to/77"), b"some contents");
    assert_eq!(below.names(""), ["from"]);
}

#[test]
fn a_large_lower_file_moves_without_its_contents() {
    let below = mem();
    below.file("from", &[1; 1 << 20]);
    let budget = Budget::unlimited();
    let (_, tree) = over_with(&[&below], budget.clone(), &limits());
    let ino = tree.stat("from").ino;
    tree.rename("from", "to").unwrap();
    assert!(budget.bytes_used() < 2000 && budget.inodes_used() < 5, "{budget:?}");
    let stat = tree.stat("to");
    assert_eq!((stat.ino, stat.nlink, stat.size), (ino, 1, 1 << 20));
    write(&tree.at("to").unwrap(), b"new");
    assert_eq!(&tree.read("to")[..4], b"new\x01");
}

#[test]
fn a_renamed_merged_directory_goes_on_as_before() {
    let (above, below) = (mem(), lower());
    above.mkdir("dir");
    above.file("dir/own", b"own");
    let (overlay, tree) = over(&[&above, &below]);
    tree.file("dir/new", b"new");
    for round in 0..4 {
        let (from, to) = if round % 2 == 0 { ("dir", "other/dir") } else { ("other/dir", "dir") };
        tree.rename(from, to).unwrap();
        assert_eq!(tree.at(from).err(), Some(Errno::ENOENT));
        assert_eq!(tree.names(to), ["file", "new", "own", "sub"]);
        assert_eq!(tree.read(&format!("{to}/sub/file")), b"dir/sub/file");
        if round == 1 {
            drop(overlay.freeze());
        }
    }
    write(&tree.at("dir/sub/file").unwrap(), b"DIR");
    assert_eq!(tree.read("dir/sub/file"), b"DIR/sub/file");
    for file in ["dir/file", "dir/new", "dir/own", "dir/sub/file"] {
        tree.unlink(file).unwrap();
    }
    tree.rmdir("dir/sub").unwrap();
    tree.rmdir("dir").unwrap();
    assert_eq!(tree.names(""), ["other"]);
}

#[test]
fn nothing_of_a_lower_shows_through_where_a_directory_was_moved_to() {
    let (_, tree) = over(&[&lower()]);
    tree.unlink("dir/sub/file").unwrap();
    tree.rename("other/full", "dir/sub").unwrap();
    assert_eq!(tree.names("dir/sub"), ["file"]);
    assert_eq!(tree.read("dir/sub/file"), b"other/full/file");
    tree.mkdir("empty");
    tree.unlink("dir/sub/file").unwrap();
    tree.rename("empty", "dir/sub").unwrap();
    assert_eq!(tree.names("dir/sub"), [""; 0]);
}

#[test]
fn refusals_are_those_of_linux() {
    let (_, tree) = over(&[&lower()]);
    for (from, to, errno) in [
        ("dir", "dir/sub/dir", Errno::EINVAL),
        ("dir", "dir/sub", Errno::EINVAL),
        ("dir/sub", "dir", Errno::ENOTEMPTY),
        ("dir/sub/file", "dir", Errno::ENOTEMPTY),
        ("dir", "other", Errno::ENOTEMPTY),
        ("dir", "other/full/file", Errno::ENOTDIR),
        ("dir/file", "other", Errno::EISDIR),
        ("missing", "x", Errno::ENOENT),
    ] {
        assert_eq!(tree.rename(from, to), Err(errno), "{from} {to}");
    }
    let before = tree.dump();
    tree.rename("dir", "dir").unwrap();
    tree.link("dir/file", "dir/same").unwrap();
    tree.rename("dir/file", "dir/same").unwrap();
    tree.unlink("dir/same").unwrap();
    assert_eq!(tree.dump(), before);
    let (_, elsewhere) = over(&[]);
    assert_eq!(tree.at("dir").unwrap().rename(name("file"), &elsewhere.0, name("x")), Err(Errno::EXDEV));
}

#[test]
fn a_thousand_nested_directories_are_not_copied_for_what_is_below_them() {
    let below = mem();
    let mut dir = below.0.clone();
    for _ in 0..1000 {
        dir = dir.create(name("d"), NewKind::Directory, 0o755).unwrap().node;
    }
    dir.create(name("file"), NewKind::File, 0o644).unwrap();
    let budget = Budget::unlimited();
    let (overlay, tree) = over_with(&[&below], budget.clone(), &limits());
    let mut dir = tree.0.clone();
    for _ in 0..1000 {
        dir = dir.lookup(name("d")).unwrap().node;
    }
    write(&dir.lookup(name("file")).unwrap().node, b"x");
    dir.create(name("new"), NewKind::File, 0o644).unwrap();
    assert!(budget.inodes_used() < 10, "{budget:?}");
    let mut levels = 0;
    while !dir.is(&tree.0) {
        dir = dir.parent().unwrap();
        levels += 1;
    }
    assert_eq!(levels, 1000);
    let changes: Vec<_> = overlay.diff().unwrap().iter().map(|change| (change.path.len(), change.change)).collect();
    assert_eq!(changes, [(2004, ChangeKind::Changed), (2003, ChangeKind::Added)]);
}

#[test]
fn deep_trees_go_on_a_small_stack() {
    let deep = || {
        let (overlay, tree) = over(&[]);
        let mut dir = tree.0.clone();
        for _ in 0..90_000 {
            dir = dir.create(name("d"), NewKind::Directory, 0o755).unwrap().node;
        }
        drop((tree, overlay));
        drop(dir);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(deep).unwrap().join().unwrap();
}

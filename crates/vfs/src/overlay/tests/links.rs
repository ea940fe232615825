use super::*;

fn lower() -> Tree {
    let lower = mem();
    lower.mkdir("dir");
    lower.file("a", b"one");
    lower.link("a", "b").unwrap();
    lower.link("a", "dir/c").unwrap();
    lower
}

#[test]
fn all_names_of_a_lower_file_show_what_was_written_through_one() {
    for cache in [0, 10_000] {
        let limits = Limits { overlay_cache: cache, ..limits() };
        let (_, tree) = over_with(&[&lower()], Budget::unlimited(), &limits);
        write(&tree.at("b").unwrap(), b"two");
        for path in ["a", "b", "dir/c"] {
            let stat = tree.stat(path);
            assert_eq!((tree.read(path), stat.nlink, stat.ino), (b"two".to_vec(), 3, tree.stat("a").ino), "{path}");
        }
    }
}

#[test]
fn links_are_counted_over_the_layers() {
    let below = lower();
    let (overlay, tree) = over(&[&below]);
    let node = tree.at("a").unwrap();
    let nlink = || node.stat().unwrap().nlink;
    assert_eq!(nlink(), 3);
    tree.unlink("b").unwrap();
    assert_eq!(nlink(), 2);
    tree.link("dir/c", "d").unwrap();
    assert_eq!(nlink(), 3);
    let snapshot = overlay.freeze();
    write(&node, b"two");
    tree.rename("d", "dir/c").unwrap();
    assert_eq!((nlink(), tree.names("")), (3, vec!["a".into(), "d".into(), "dir".into()]));
    for (path, left) in [("a", 2), ("d", 1), ("dir/c", 0)] {
        tree.unlink(path).unwrap();
        assert_eq!(nlink(), left);
    }
    let then = fork(&snapshot);
    assert_eq!((then.stat("d").nlink, then.read("d")), (3, b"one".to_vec()));
    assert_eq!(below.stat("a").nlink, 3);
}

#[test]
fn links_of_new_files_are_counted_by_their_storage_and_after_a_freeze_too() {
    let (overlay, tree) = over(&[]);
    let node = tree.file("a", b"1");
    tree.link("a", "b").unwrap();
    drop(overlay.freeze());
    tree.link("b", "c").unwrap();
    write(&tree.at("c").unwrap(), b"2");
    assert_eq!((node.stat().unwrap().nlink, tree.read("a")), (3, b"2".to_vec()));
    tree.unlink("a").unwrap();
    tree.unlink("b").unwrap();
    assert_eq!((node.stat().unwrap().nlink, tree.read("c")), (1, b"2".to_vec()));
}

#[test]
fn a_change_of_names_moves_the_change_time_wherever_the_contents_are() {
    let below = lower();
    let (overlay, tree) = over_with(&[&below], Budget::unlimited(), &Limits { overlay_cache: 0, ..limits() });
    let mut last = tree.stat("a").ctime;
    let mut moved = |what: &str, path: &str| {
        let ctime = tree.stat(path).ctime;
        assert!(ctime > last, "{what}");
        last = ctime;
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    std::thread::sleep(std::time::Duration::from_millis(10));
    tree.link("a", "d").unwrap();
    moved("link", "b");
    tree.rename("b", "e").unwrap();
    moved("rename", "a");
    tree.unlink("e").unwrap();
    moved("unlink", "d");
    write(&tree.at("a").unwrap(), b"two");
    moved("write", "d");
    tree.unlink("a").unwrap();
    moved("unlink of a copy", "d");
    drop(overlay.freeze());
    tree.link("d", "again").unwrap();
    moved("link after a freeze", "again");
    // Both are names of the same file.
    tree.rename("d", "dir/c").unwrap();
    assert_eq!(tree.names(""), ["again", "d", "dir"]);
}

#[test]
fn linking_is_refused_as_on_linux() {
    let (_, tree) = over(&[&lower()]);
    assert_eq!(tree.link("a", "b"), Err(Errno::EEXIST));
    assert_eq!(tree.link("dir", "x"), Err(Errno::EPERM));
    assert_eq!(tree.link("missing", "x"), Err(Errno::ENOENT));
    let (_, elsewhere) = over(&[]);
    assert_eq!(tree.at("a").unwrap().link(&elsewhere.0, name("x")), Err(Errno::EXDEV));
}

#[test]
fn a_lower_symbolic_link_is_renamed_linked_and_touched_as_itself() {
    let below = mem();
    below.make("link", NewKind::Symlink(b"target"), 0o777).unwrap();
    let (_, tree) = over(&[&below]);
    tree.rename("link", "moved").unwrap();
    tree.link("moved", "twice").unwrap();
    tree.at("twice").unwrap().set_attr(&SetAttr { uid: Some(5), ..SetAttr::default() }).unwrap();
    let shown = tree.dump();
    assert_eq!(shown.len(), 2);
    assert!(shown.values().all(|shown| *shown == (FileKind::Symlink, 0o777, 2, b"target".to_vec(), "/moved".into())));
    assert_eq!(tree.stat("moved").uid, 5);
}

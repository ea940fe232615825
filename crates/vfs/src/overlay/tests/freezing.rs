use super::*;

fn lower() -> Tree {
    let lower = mem();
    lower.mkdir("dir");
    lower.file("dir/file", b"lower");
    lower
}

#[test]
fn a_writable_handle_goes_on_over_a_freeze_and_the_snapshot_does_not_change() {
    let (overlay, tree) = over(&[&lower()]);
    let (old, new) = (tree.at("dir/file").unwrap(), tree.file("new", b"new"));
    let handles = [open(&old, Access::READ_WRITE), open(&new, Access::READ_WRITE)];
    let readers = [open(&old, Access::READ), open(&new, Access::READ)];
    put(&*handles[0], b"LO", 0).unwrap();
    let mut snapshots = Vec::new();
    for round in 0..5_u8 {
        snapshots.push((overlay.freeze(), tree.dump()));
        for (handle, reader) in handles.iter().zip(&readers) {
            put(&**handle, &[b'0' + round], 0).unwrap();
            handle.append(&[IoSlice::new(b"+")]).unwrap();
            assert_eq!(read(&**reader), read(&**handle));
        }
    }
    assert_eq!((tree.read("dir/file"), tree.read("new")), (b"4Ower+++++".to_vec(), b"4ew+++++".to_vec()));
    for (snapshot, then) in snapshots {
        assert_eq!(fork(&snapshot).dump(), then);
    }
}

#[test]
fn an_append_that_is_refused_copies_nothing() {
    let (overlay, tree) = over(&[]);
    let file = tree.file("full", b"x");
    file.set_attr(&SetAttr::size(i64::MAX.cast_unsigned())).unwrap();
    let handle = open(&file, Access::READ_WRITE);
    let _snapshot = overlay.freeze();
    assert_eq!(handle.append(&[IoSlice::new(b"x")]), Err(Errno::EFBIG));
    assert!(overlay.stack().top().unwrap().is_untouched());
}

#[test]
fn forks_diverge() {
    let (overlay, tree) = over(&[&lower()]);
    tree.file("shared", b"before");
    let snapshot = overlay.freeze();
    let (one, two) = (fork(&snapshot), fork(&snapshot));
    assert_eq!(one.dump(), tree.dump());
    write(&one.at("shared").unwrap(), b"one");
    two.unlink("shared").unwrap();
    two.rename("dir", "moved").unwrap();
    assert_eq!(one.read("shared"), b"oneore");
    assert_eq!((two.names(""), two.names("moved")), (vec!["moved".to_string()], vec!["file".to_string()]));
    assert_eq!((tree.names(""), tree.read("shared")), (vec!["dir".to_string(), "shared".into()], b"before".to_vec()));
}

#[test]
fn freezing_charges_nothing_and_an_unchanged_tree_gets_no_layer() {
    let budget = Budget::unlimited();
    let (overlay, tree) = over_with(&[&lower()], budget.clone(), &limits());
    for n in 0..100 {
        tree.mkdir(&format!("{n}"));
        tree.file(&format!("{n}/file"), b"x");
    }
    let used = (budget.bytes_used(), budget.inodes_used());
    let layers = overlay.stack().layers.len();
    let snapshots: Vec<_> = (0..100).map(|_| overlay.freeze()).collect();
    assert_eq!((budget.bytes_used(), budget.inodes_used()), used);
    assert_eq!(overlay.stack().layers.len(), layers + 1);
    tree.unlink("7/file").unwrap();
    assert_eq!(fork(&snapshots[99]).names("7"), ["file"]);
    drop((overlay, tree));
    assert_eq!((budget.bytes_used(), budget.inodes_used()), used);
    drop(snapshots);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

#[test]
fn an_unlinked_open_file_survives_freezes_and_is_in_no_snapshot() {
    let (overlay, tree) = over(&[&lower()]);
    let handle = open(&tree.file("gone", b"gone"), Access::READ_WRITE);
    let both = open(&tree.file("later", b"later"), Access::READ_WRITE);
    tree.unlink("gone").unwrap();
    let snapshot = overlay.freeze();
    tree.unlink("later").unwrap();
    put(&*handle, b"G", 0).unwrap();
    put(&*both, b"L", 0).unwrap();
    assert_eq!((read(&*handle), read(&*both)), (b"Gone".to_vec(), b"Later".to_vec()));
    let then = fork(&snapshot);
    assert_eq!((then.names(""), then.read("later")), (vec!["dir".to_string(), "later".into()], b"later".to_vec()));
}

#[test]
fn many_freezes_are_dropped_on_a_small_stack() {
    let many = || {
        let (overlay, tree) = over(&[&lower()]);
        for n in 0..2000_u32 {
            write(&tree.at("dir/file").unwrap(), &n.to_be_bytes());
            tree.file(&format!("dir/{n}"), b"");
            drop(overlay.freeze());
        }
        assert_eq!(tree.at("dir/77").map(drop), Ok(()));
        assert_eq!(tree.stat("dir/1999").nlink, 1);
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(many).unwrap().join().unwrap();
}

#[test]
fn diff_tells_what_was_done() {
    let below = lower();
    below.file("kept", b"");
    below.file("gone", b"");
    below.file("replaced", b"");
    let (overlay, tree) = over(&[&below]);
    assert_eq!(overlay.diff().unwrap(), []);
    write(&tree.at("dir/file").unwrap(), b"x");
    tree.unlink("gone").unwrap();
    tree.unlink("replaced").unwrap();
    tree.mkdir("replaced");
    tree.file("replaced/in", b"");
    drop(overlay.freeze());
    tree.file("new", b"");
    let expected = [
        ("dir/file", ChangeKind::Changed, FileKind::File),
        ("gone", ChangeKind::Removed, FileKind::File),
        ("new", ChangeKind::Added, FileKind::File),
        ("replaced", ChangeKind::Removed, FileKind::File),
        ("replaced", ChangeKind::Added, FileKind::Directory),
        ("replaced/in", ChangeKind::Added, FileKind::File),
    ];
    let expected: Vec<_> = expected.map(|(path, change, kind)| Change { path: path.into(), change, kind }).into();
    assert_eq!(overlay.diff().unwrap(), expected);
}

//! Directories of a tree that was there before: on an overlay everything in it lies in the lower layers.

use super::lower_files::ROOT;
use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};
use crate::tree::TREE;

cases! {
    attributes_of_a_directory_change.starts_from(TREE),
    an_open_directory_changes_its_attributes.starts_from(TREE),
    a_removed_file_gives_its_name_to_a_directory.starts_from(TREE),
    a_full_directory_is_not_removed.starts_from(TREE),
    a_directory_is_removed_after_its_files.starts_from(TREE),
    a_removed_directory_made_again_is_empty.starts_from(TREE),
    an_emptied_subtree_made_again_is_empty_below.starts_from(TREE),
    a_directory_with_old_and_new_names_lists_both.starts_from(TREE),
    a_directory_with_only_a_new_name_left_is_not_removed.starts_from(TREE),
    a_listing_goes_on_while_its_files_are_removed.starts_from(TREE),
    a_listing_has_the_numbers_and_kinds_of_its_files.starts_from(TREE),
    a_directory_is_renamed_with_all_below.starts_from(TREE),
    a_renamed_directory_takes_new_files.starts_from(TREE),
    a_renamed_directory_is_renamed_again.starts_from(TREE),
    a_directory_in_a_renamed_directory_is_renamed.starts_from(TREE),
    a_directory_made_where_one_was_renamed_away_is_empty.starts_from(TREE),
    a_directory_with_changes_is_renamed.starts_from(TREE),
    a_directory_replaces_an_old_empty_one.starts_from(TREE),
    a_directory_replaces_an_emptied_one_and_shows_only_its_own.starts_from(TREE),
    a_directory_does_not_replace_a_full_one.starts_from(TREE),
    a_directory_does_not_move_into_its_own_subtree.starts_from(TREE),
    a_directory_moves_out_of_a_directory_that_is_then_removed.starts_from(TREE),
    two_directories_swap_their_names.starts_from(TREE),
    an_open_directory_that_was_renamed_still_makes_files.starts_from(TREE),
    the_current_directory_is_renamed.starts_from(TREE),
    nlink_of_directories_follows_what_comes_and_goes.starts_from(TREE).needs(&[Need::LinkCountsBelow]),
    everything_can_be_removed.starts_from(TREE),
    everything_can_be_moved_into_one_directory.starts_from(TREE),
    the_times_of_a_directory_move_when_an_old_name_goes.starts_from(TREE),
}

fn attributes_of_a_directory_change(os: &mut dyn Posix) {
    os.chmod("full", 0o1777).unwrap();
    os.utimens("full", When::at(1, 0), When::at(2, 0)).unwrap();
    let stat = os.lstat("full").unwrap();
    assert_eq!((stat.mode, stat.mtime.sec), (0o1777, 2));
    assert_eq!(os.names("full"), "one three two");
    os.chmod("/", 0o711).unwrap();
    assert_eq!((os.lstat("/").unwrap().mode, os.names("/")), (0o711, ROOT.into()));
}

fn an_open_directory_changes_its_attributes(os: &mut dyn Posix) {
    let fd = os.open("deep/a", O_RDONLY).unwrap();
    os.fchmod(fd, 0o700).unwrap();
    assert_eq!((os.lstat("deep/a").unwrap().mode, os.fstat(fd).unwrap().mode), (0o700, 0o700));
    assert_eq!(os.names("deep/a"), "b");
}

fn a_removed_file_gives_its_name_to_a_directory(os: &mut dyn Posix) {
    os.unlink("etc/motd").unwrap();
    os.mkdir("etc/motd").unwrap();
    os.put("etc/motd/f", "x");
    assert_eq!(os.names("link/"), "f");
    os.unlink("etc/motd/f").unwrap();
    os.rmdir("etc/motd").unwrap();
    assert_eq!(os.stat("etc/motd"), Err(ENOENT));
    os.rmdir("empty").unwrap();
    os.put("empty", "a file");
    assert_eq!(os.get("empty").unwrap(), "a file");
}

fn a_full_directory_is_not_removed(os: &mut dyn Posix) {
    assert_eq!((os.rmdir("full"), os.rmdir("deep/a/b")), (Err(ENOTEMPTY), Err(ENOTEMPTY)));
    os.unlink("full/one").unwrap();
    assert_eq!(os.rmdir("full"), Err(ENOTEMPTY));
    assert_eq!(os.names("full"), "three two");
}

fn a_directory_is_removed_after_its_files(os: &mut dyn Posix) {
    for name in ["one", "two", "three"] {
        os.unlink(format!("full/{name}")).unwrap();
    }
    assert_eq!((os.names("full"), os.rmdir("full")), (String::new(), Ok(())));
    assert_eq!((os.stat("full"), os.stat("full/one")), (Err(ENOENT), Err(ENOENT)));
    assert_eq!(os.rmdir("empty"), Ok(()));
    assert_eq!(os.names("/"), "abslink bin dangling deep dirlink etc hard1 hard2 link");
}

fn a_removed_directory_made_again_is_empty(os: &mut dyn Posix) {
    for name in ["one", "two", "three"] {
        os.unlink(format!("full/{name}")).unwrap();
    }
    os.rmdir("full").unwrap();
    os.mkdir("full").unwrap();
    assert_eq!((os.names("full"), os.stat("full/one")), (String::new(), Err(ENOENT)));
    assert_eq!(os.lstat("full").unwrap().mode, 0o755);
    os.put("full/two", "new");
    assert_eq!((os.names("full"), os.get("full/two").unwrap()), ("two".into(), "new".into()));
}

fn an_emptied_subtree_made_again_is_empty_below(os: &mut dyn Posix) {
    os.unlink("deep/a/b/c/leaf").unwrap();
    for path in ["deep/a/b/c", "deep/a/b", "deep/a"] {
        os.rmdir(path).unwrap();
    }
    for path in ["deep/a", "deep/a/b", "deep/a/b/c"] {
        assert_eq!(os.stat(path), Err(ENOENT), "{path}");
        os.mkdir(path).unwrap();
        assert_eq!(os.names(path), "", "{path}");
    }
    assert_eq!(os.stat("deep/a/b/c/leaf"), Err(ENOENT));
    assert_eq!(os.names("deep"), "a side");
}

fn a_directory_with_old_and_new_names_lists_both(os: &mut dyn Posix) {
    os.put("full/four", "4444");
    os.mkdir("full/dir").unwrap();
    os.put("full/two", "changed");
    os.unlink("full/three").unwrap();
    assert_eq!(os.names("full"), "dir four one two");
    os.put("deep/a/b/new", "x");
    assert_eq!((os.names("deep/a/b"), os.names("deep/a")), ("c new".into(), "b".into()));
}

fn a_directory_with_only_a_new_name_left_is_not_removed(os: &mut dyn Posix) {
    os.put("full/four", "");
    for name in ["one", "two", "three"] {
        os.unlink(format!("full/{name}")).unwrap();
    }
    assert_eq!(os.rmdir("full"), Err(ENOTEMPTY));
    os.unlink("full/four").unwrap();
    assert_eq!(os.rmdir("full"), Ok(()));
    os.put("empty/f", "");
    assert_eq!(os.rmdir("empty"), Err(ENOTEMPTY));
}

fn a_listing_goes_on_while_its_files_are_removed(os: &mut dyn Posix) {
    os.put("full/four", "");
    let fd = os.open("full", O_RDONLY).unwrap();
    let (mut names, mut from) = (Vec::new(), 0);
    while let Some(entry) = os.readdir(fd, from, 1).unwrap().pop() {
        from = entry.next;
        if entry.name != b"." && entry.name != b".." {
            os.unlink([b"full/", entry.name.as_slice()].concat()).unwrap();
            names.push(String::from_utf8(entry.name).unwrap());
        }
    }
    names.sort();
    assert_eq!(names, ["four", "one", "three", "two"]);
    assert_eq!(os.rmdir("full"), Ok(()));
}

fn a_listing_has_the_numbers_and_kinds_of_its_files(os: &mut dyn Posix) {
    os.put("new", "");
    os.put("etc/motd", "changed");
    for dir in ["/", "/etc", "/full", "/deep/a/b"] {
        for entry in os.entries(dir) {
            let stat = os.lstat([dir.as_bytes(), b"/", &entry.name].concat()).unwrap();
            assert_eq!((entry.ino, entry.kind), (stat.ino, stat.kind), "{dir}/{}", entry.name.escape_ascii());
        }
    }
}

fn a_directory_is_renamed_with_all_below(os: &mut dyn Posix) {
    os.rename("deep", "moved").unwrap();
    assert_eq!((os.get("moved/a/b/c/leaf").unwrap(), os.names("moved")), ("leaf".into(), "a side".into()));
    assert_eq!((os.stat("deep"), os.stat("deep/a/b")), (Err(ENOENT), Err(ENOENT)));
    assert_eq!(os.ino("moved/a/b/c/.."), os.ino("moved/a/b"));
    os.chdir("moved/a/b/c").unwrap();
    assert_eq!(os.getcwd().unwrap(), "/moved/a/b/c");
}

fn a_renamed_directory_takes_new_files(os: &mut dyn Posix) {
    os.rename("full", "empty/full").unwrap();
    os.put("empty/full/four", "4");
    os.put("empty/full/one", "changed");
    os.unlink("empty/full/two").unwrap();
    assert_eq!((os.names("empty/full"), os.get("empty/full/one").unwrap()), ("four one three".into(), "changed".into()));
    assert_eq!(os.names("empty"), "full");
}

fn a_renamed_directory_is_renamed_again(os: &mut dyn Posix) {
    for (from, to) in [("deep", "x"), ("x", "etc/y"), ("etc/y", "full/z"), ("full/z", "deep")] {
        os.rename(from, to).unwrap();
        assert_eq!(os.get(format!("{to}/a/b/c/leaf")).unwrap(), "leaf", "{to}");
        assert_eq!(os.stat(from), Err(ENOENT), "{from}");
    }
    assert_eq!((os.names("/"), os.names("deep")), (ROOT.into(), "a side".into()));
}

fn a_directory_in_a_renamed_directory_is_renamed(os: &mut dyn Posix) {
    os.rename("deep", "moved").unwrap();
    os.rename("moved/a/b", "b").unwrap();
    assert_eq!((os.get("b/c/leaf").unwrap(), os.names("moved/a")), ("leaf".into(), String::new()));
    os.rename("moved", "b/c/moved").unwrap();
    assert_eq!(os.get("b/c/moved/side").unwrap(), "side");
    assert_eq!(os.names("b/c"), "leaf moved");
}

fn a_directory_made_where_one_was_renamed_away_is_empty(os: &mut dyn Posix) {
    os.rename("full", "old").unwrap();
    os.mkdir("full").unwrap();
    assert_eq!((os.names("full"), os.stat("full/one")), (String::new(), Err(ENOENT)));
    os.put("full/one", "new");
    assert_eq!((os.get("old/one").unwrap(), os.get("full/one").unwrap()), ("1".into(), "new".into()));
}

fn a_directory_with_changes_is_renamed(os: &mut dyn Posix) {
    os.put("deep/new", "new");
    os.unlink("deep/side").unwrap();
    os.put("deep/a/b/c/leaf", "changed");
    os.rename("deep", "moved").unwrap();
    assert_eq!((os.names("moved"), os.get("moved/a/b/c/leaf").unwrap()), ("a new".into(), "changed".into()));
    assert_eq!(os.stat("moved/side"), Err(ENOENT));
}

fn a_directory_replaces_an_old_empty_one(os: &mut dyn Posix) {
    os.rename("full", "empty").unwrap();
    assert_eq!((os.names("empty"), os.stat("full")), ("one three two".into(), Err(ENOENT)));
}

fn a_directory_replaces_an_emptied_one_and_shows_only_its_own(os: &mut dyn Posix) {
    for name in ["one", "two", "three"] {
        os.unlink(format!("full/{name}")).unwrap();
    }
    os.mkdir("new").unwrap();
    os.put("new/f", "");
    os.rename("new", "full").unwrap();
    assert_eq!((os.names("full"), os.stat("full/one")), ("f".into(), Err(ENOENT)));
    os.unlink("full/f").unwrap();
    os.rename("deep", "full").unwrap();
    assert_eq!(os.names("full"), "a side");
}

fn a_directory_does_not_replace_a_full_one(os: &mut dyn Posix) {
    os.mkdir("new").unwrap();
    assert_eq!((os.rename("new", "full"), os.rename("empty", "deep/a")), (Err(ENOTEMPTY), Err(ENOTEMPTY)));
    assert_eq!((os.rename("etc/motd", "full"), os.rename("full", "etc/motd")), (Err(EISDIR), Err(ENOTDIR)));
    assert_eq!(os.rename("full/one", "full"), Err(ENOTEMPTY));
}

fn a_directory_does_not_move_into_its_own_subtree(os: &mut dyn Posix) {
    assert_eq!(os.rename("deep", "deep/a/b/x"), Err(EINVAL));
    os.rename("deep/a", "empty/a").unwrap();
    assert_eq!(os.rename("empty", "empty/a/b/c/x"), Err(EINVAL));
    assert_eq!(os.rename("deep", "empty/a/deep"), Ok(()));
    assert_eq!(os.names("empty/a"), "b deep");
}

fn a_directory_moves_out_of_a_directory_that_is_then_removed(os: &mut dyn Posix) {
    os.rename("deep/a", "a").unwrap();
    os.unlink("deep/side").unwrap();
    assert_eq!(os.rmdir("deep"), Ok(()));
    assert_eq!((os.get("a/b/c/leaf").unwrap(), os.stat("deep")), ("leaf".into(), Err(ENOENT)));
}

fn two_directories_swap_their_names(os: &mut dyn Posix) {
    os.rename("full", "tmp").unwrap();
    os.rename("deep", "full").unwrap();
    os.rename("tmp", "deep").unwrap();
    assert_eq!((os.names("full"), os.names("deep")), ("a side".into(), "one three two".into()));
    assert_eq!((os.get("full/a/b/c/leaf").unwrap(), os.get("deep/two").unwrap()), ("leaf".into(), "22".into()));
}

fn an_open_directory_that_was_renamed_still_makes_files(os: &mut dyn Posix) {
    let dir = Dir::At(os.open("deep/a", O_RDONLY).unwrap());
    os.rename("deep", "moved").unwrap();
    os.openat(dir, "f", O_WRONLY | O_CREAT, 0o644).unwrap();
    assert_eq!((os.names("moved/a"), os.statat(dir, "b/c/leaf").map(|s| s.size)), ("b f".into(), Ok(4)));
    os.mkdirat(dir, "b/d", 0o755).unwrap();
    assert_eq!(os.names("moved/a/b"), "c d");
}

fn the_current_directory_is_renamed(os: &mut dyn Posix) {
    os.chdir("deep/a/b").unwrap();
    os.rename("/deep/a", "/etc/z").unwrap();
    assert_eq!((os.getcwd().unwrap(), os.get("c/leaf").unwrap()), ("/etc/z/b".into(), "leaf".into()));
    os.put("f", "");
    assert_eq!((os.names("/etc/z/b"), os.names("../..")), ("c f".into(), "hard3 hosts motd z".into()));
}

fn nlink_of_directories_follows_what_comes_and_goes(os: &mut dyn Posix) {
    assert_eq!((os.nlink("deep"), os.nlink("empty"), os.nlink("deep/a")), (3, 2, 3));
    os.mkdir("deep/new").unwrap();
    assert_eq!(os.nlink("deep"), 4);
    os.rename("deep/a", "empty/a").unwrap();
    assert_eq!((os.nlink("deep"), os.nlink("empty")), (3, 3));
    os.rename("empty/a/b", "deep/b").unwrap();
    assert_eq!((os.nlink("empty/a"), os.nlink("deep")), (2, 4));
}

fn remove_all(os: &mut dyn Posix, dir: &str) {
    for entry in os.entries(dir) {
        let path = format!("{dir}/{}", String::from_utf8(entry.name).unwrap());
        if entry.kind == Kind::Directory {
            remove_all(os, &path);
            assert_eq!(os.rmdir(&path), Ok(()), "{path}");
        } else {
            assert_eq!(os.unlink(&path), Ok(()), "{path}");
        }
    }
}

fn everything_can_be_removed(os: &mut dyn Posix) {
    remove_all(os, "/");
    assert_eq!(os.names("/"), "");
    os.mkdir("etc").unwrap();
    assert_eq!(os.names("etc"), "");
}

fn everything_can_be_moved_into_one_directory(os: &mut dyn Posix) {
    os.mkdir("all").unwrap();
    for name in ROOT.split(' ') {
        os.rename(name, format!("all/{name}")).unwrap();
    }
    assert_eq!((os.names("/"), os.names("all")), ("all".into(), ROOT.into()));
    assert_eq!((os.get("all/link").unwrap(), os.get("all/deep/a/b/c/leaf").unwrap()), ("hello\n".into(), "leaf".into()));
    remove_all(os, "/all");
    assert_eq!(os.rmdir("all"), Ok(()));
}

fn the_times_of_a_directory_move_when_an_old_name_goes(os: &mut dyn Posix) {
    for (path, doing) in [("full/one", "unlink"), ("full/two", "rename")] {
        os.utimens("full", When::at(1, 0), When::at(1, 0)).unwrap();
        if doing == "unlink" {
            os.unlink(path).unwrap()
        } else {
            os.rename(path, "x").unwrap()
        }
        assert!(os.lstat("full").unwrap().mtime.sec > 1, "{doing}");
    }
}

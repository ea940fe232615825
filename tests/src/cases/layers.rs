//! Cases that start from a tree: on an overlay everything in it lies in the lower layers.

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};
use crate::tree::TREE;

cases! {
    the_tree_is_there.starts_from(TREE),
    hard_links_are_one_file.starts_from(TREE).needs(&[Need::HardLinksBelow]),
    a_write_through_one_hard_link_is_seen_through_the_others.starts_from(TREE).needs(&[Need::HardLinksBelow]),
    unlinking_one_hard_link_leaves_the_others.starts_from(TREE).needs(&[Need::HardLinksBelow]),
    a_file_is_overwritten.starts_from(TREE),
    a_file_is_appended_to.starts_from(TREE),
    a_file_is_changed_in_the_middle.starts_from(TREE),
    a_file_is_truncated_by_open_and_keeps_its_mode.starts_from(TREE),
    a_file_is_truncated_by_path.starts_from(TREE),
    a_file_keeps_its_inode_number_through_every_change.starts_from(TREE),
    an_early_reader_sees_later_writes.starts_from(TREE),
    an_early_reader_of_an_unlinked_file_sees_the_old_bytes.starts_from(TREE),
    mode_and_times_change_without_touching_the_bytes.starts_from(TREE),
    attributes_of_a_directory_change.starts_from(TREE),
    an_open_directory_changes_its_attributes.starts_from(TREE),
    a_removed_file_stays_away.starts_from(TREE),
    a_removed_file_can_be_made_again.starts_from(TREE),
    a_removed_file_gives_its_name_to_a_directory.starts_from(TREE),
    creat_excl_over_what_is_there_is_eexist.starts_from(TREE),
    creat_excl_over_what_was_removed_works.starts_from(TREE),
    a_full_directory_is_not_removed.starts_from(TREE),
    a_directory_is_removed_after_its_files.starts_from(TREE),
    a_removed_directory_made_again_is_empty.starts_from(TREE),
    an_emptied_subtree_made_again_is_empty_below.starts_from(TREE),
    a_directory_with_old_and_new_names_lists_both.starts_from(TREE),
    a_directory_with_only_a_new_name_left_is_not_removed.starts_from(TREE),
    a_listing_goes_on_while_its_files_are_removed.starts_from(TREE),
    a_listing_has_the_numbers_and_kinds_of_its_files.starts_from(TREE),
    a_file_is_renamed.starts_from(TREE),
    a_file_is_renamed_over_another.starts_from(TREE),
    a_new_file_is_renamed_over_an_old_one.starts_from(TREE),
    an_old_file_is_renamed_over_a_new_one.starts_from(TREE),
    a_file_renamed_away_and_back_is_the_same.starts_from(TREE),
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
    a_link_is_followed_into_what_was_replaced.starts_from(TREE),
    a_link_is_removed_and_its_target_stays.starts_from(TREE),
    a_link_is_renamed.starts_from(TREE),
    a_link_gets_a_second_name.starts_from(TREE),
    an_absolute_link_starts_at_the_root.starts_from(TREE),
    creat_through_the_dangling_link.starts_from(TREE),
    a_hard_link_to_an_old_file_is_the_same_file.starts_from(TREE),
    an_old_file_is_linked_then_changed_then_unlinked.starts_from(TREE),
    nlink_of_directories_follows_what_comes_and_goes.starts_from(TREE).needs(&[Need::LinkCountsBelow]),
    an_old_name_is_replaced_by_a_link.starts_from(TREE),
    a_path_through_a_file_is_enotdir.starts_from(TREE),
    everything_can_be_removed.starts_from(TREE),
    everything_can_be_moved_into_one_directory.starts_from(TREE),
    the_times_of_a_directory_move_when_an_old_name_goes.starts_from(TREE),
    chown_of_an_old_file.starts_from(TREE),
    fallocate_of_an_old_file.starts_from(TREE),
    o_trunc_while_a_reader_is_open.starts_from(TREE),
    two_writers_of_an_old_file_share_it.starts_from(TREE),
}

const ROOT: &str = "abslink bin dangling deep dirlink empty etc full hard1 hard2 link";

fn the_tree_is_there(os: &mut dyn Posix) {
    assert_eq!(os.names("/"), ROOT);
    assert_eq!((os.get("etc/motd").unwrap(), os.get("bin/tool").unwrap()), ("hello\n".into(), "#!tool\n".into()));
    assert_eq!(os.get("deep/a/b/c/leaf").unwrap(), "leaf");
    assert_eq!(os.names("full"), "one three two");
    let modes = ["etc", "full", "etc/motd", "etc/hosts", "bin/tool"].map(|path| os.lstat(path).unwrap().mode);
    assert_eq!(modes, [0o755, 0o750, 0o644, 0o600, 0o755]);
    assert_eq!(os.readlink("link").unwrap(), b"etc/motd");
    assert_eq!((os.get("link").unwrap(), os.get("dirlink/motd").unwrap()), ("hello\n".into(), "hello\n".into()));
    assert_eq!(os.stat("dangling"), Err(ENOENT));
    assert_eq!(os.names("empty"), "");
    assert_eq!(os.stat("etc/missing"), Err(ENOENT));
    assert_eq!(os.stat("etc/motd/x"), Err(ENOTDIR));
}

fn hard_links_are_one_file(os: &mut dyn Posix) {
    assert_eq!((os.ino("hard1"), os.ino("hard1")), (os.ino("hard2"), os.ino("etc/hard3")));
    assert_eq!(os.nlink("hard1"), 3);
}

fn a_write_through_one_hard_link_is_seen_through_the_others(os: &mut dyn Posix) {
    let early = os.open("hard2", O_RDONLY).unwrap();
    os.put("hard1", "changed");
    assert_eq!((os.get("hard2").unwrap(), os.get("etc/hard3").unwrap()), ("changed".into(), "changed".into()));
    assert_eq!(os.read(early, 10).unwrap(), b"changed");
    os.chmod("etc/hard3", 0o600).unwrap();
    assert_eq!(os.lstat("hard1"), os.lstat("etc/hard3"));
    assert_eq!(os.nlink("hard1"), 3);
}

fn unlinking_one_hard_link_leaves_the_others(os: &mut dyn Posix) {
    os.unlink("hard1").unwrap();
    assert_eq!((os.nlink("hard2"), os.get("etc/hard3").unwrap()), (2, "shared".into()));
    os.link("hard2", "hard1").unwrap();
    assert_eq!((os.nlink("etc/hard3"), os.ino("hard1")), (3, os.ino("etc/hard3")));
    os.unlink("hard2").unwrap();
    os.unlink("etc/hard3").unwrap();
    assert_eq!((os.nlink("hard1"), os.get("hard1").unwrap()), (1, "shared".into()));
}

fn a_file_is_overwritten(os: &mut dyn Posix) {
    os.put("etc/motd", "new");
    assert_eq!((os.get("etc/motd").unwrap(), os.get("link").unwrap()), ("new".into(), "new".into()));
    assert_eq!(os.names("etc"), "hard3 hosts motd");
}

fn a_file_is_appended_to(os: &mut dyn Posix) {
    let fd = os.open("etc/motd", O_WRONLY | O_APPEND).unwrap();
    assert_eq!(os.write(fd, "world\n"), Ok(6));
    assert_eq!(os.get("etc/motd").unwrap(), "hello\nworld\n");
}

fn a_file_is_changed_in_the_middle(os: &mut dyn Posix) {
    let fd = os.open("etc/motd", O_RDWR).unwrap();
    assert_eq!(os.read(fd, 2).unwrap(), b"he");
    assert_eq!(os.write(fd, "LL"), Ok(2));
    assert_eq!(os.read(fd, 10).unwrap(), b"o\n");
    assert_eq!(os.get("etc/motd").unwrap(), "heLLo\n");
}

fn a_file_is_truncated_by_open_and_keeps_its_mode(os: &mut dyn Posix) {
    let fd = os.openat(Dir::Cwd, "etc/hosts", O_WRONLY | O_CREAT | O_TRUNC, 0o777).unwrap();
    let stat = os.fstat(fd).unwrap();
    assert_eq!((stat.size, stat.mode), (0, 0o600));
    let fd = os.open("bin/tool", O_RDONLY | O_TRUNC).unwrap();
    assert_eq!((os.fstat(fd).unwrap().size, os.lstat("bin/tool").unwrap().mode), (0, 0o755));
}

fn a_file_is_truncated_by_path(os: &mut dyn Posix) {
    os.truncate("etc/motd", 2).unwrap();
    assert_eq!(os.get("etc/motd").unwrap(), "he");
    os.truncate("full/three", 5).unwrap();
    assert_eq!(os.get("full/three").unwrap(), "333\0\0");
}

fn a_file_keeps_its_inode_number_through_every_change(os: &mut dyn Posix) {
    let (file, dir) = (os.ino("full/one"), os.ino("full"));
    let fd = os.open("full/one", O_RDONLY).unwrap();
    os.chmod("full/one", 0o600).unwrap();
    assert_eq!(os.ino("full/one"), file);
    os.put("full/one", "changed");
    assert_eq!((os.ino("full/one"), os.fstat(fd).unwrap().ino, os.ino("full")), (file, file, dir));
    os.rename("full/one", "moved").unwrap();
    assert_eq!(os.ino("moved"), file);
    os.rename("full", "etc/full").unwrap();
    assert_eq!(os.ino("etc/full"), dir);
    assert_eq!(os.entries("etc").iter().find(|e| e.name == b"full").unwrap().ino, dir);
}

fn an_early_reader_sees_later_writes(os: &mut dyn Posix) {
    let early = os.open("etc/motd", O_RDONLY).unwrap();
    assert_eq!(os.read(early, 1).unwrap(), b"h");
    let late = os.open("etc/motd", O_RDWR).unwrap();
    os.pwrite(late, "EY", 1).unwrap();
    assert_eq!(os.read(early, 10).unwrap(), b"EYlo\n");
    os.ftruncate(late, 1).unwrap();
    assert_eq!(os.fstat(early).unwrap(), os.fstat(late).unwrap());
    os.put("etc/motd", "again");
    assert_eq!(os.pread(early, 10, 0).unwrap(), b"again");
}

fn an_early_reader_of_an_unlinked_file_sees_the_old_bytes(os: &mut dyn Posix) {
    let fd = os.open("etc/motd", O_RDONLY).unwrap();
    let ino = os.ino("etc/motd");
    os.unlink("etc/motd").unwrap();
    os.put("etc/motd", "new");
    assert_eq!(os.read(fd, 10).unwrap(), b"hello\n");
    let stat = os.fstat(fd).unwrap();
    assert_eq!((stat.ino, stat.nlink), (ino, 0));
    assert_ne!(os.ino("etc/motd"), ino);
}

fn mode_and_times_change_without_touching_the_bytes(os: &mut dyn Posix) {
    os.chmod("etc/motd", 0o4711).unwrap();
    os.utimens("etc/motd", When::at(1, 2), When::at(3, 4)).unwrap();
    let stat = os.lstat("etc/motd").unwrap();
    assert_eq!((stat.mode, stat.atime, stat.mtime), (0o4711, Time { sec: 1, nsec: 2 }, Time { sec: 3, nsec: 4 }));
    assert_eq!((stat.size, os.get("etc/motd").unwrap()), (6, "hello\n".into()));
    os.lutimens("link", When::at(5, 0), When::at(6, 0)).unwrap();
    assert_eq!((os.lstat("link").unwrap().mtime.sec, os.lstat("etc/motd").unwrap().mtime.sec), (6, 3));
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

fn a_removed_file_stays_away(os: &mut dyn Posix) {
    os.unlink("etc/motd").unwrap();
    assert_eq!((os.stat("etc/motd"), os.unlink("etc/motd")), (Err(ENOENT), Err(ENOENT)));
    assert_eq!((os.names("etc"), os.stat("link")), ("hard3 hosts".into(), Err(ENOENT)));
    assert_eq!(os.rename("etc/motd", "x"), Err(ENOENT));
}

fn a_removed_file_can_be_made_again(os: &mut dyn Posix) {
    for i in 0..3 {
        os.unlink("etc/motd").unwrap();
        assert_eq!(os.stat("etc/motd"), Err(ENOENT));
        os.put("etc/motd", format!("{i}"));
        assert_eq!(os.get("link").unwrap(), format!("{i}"));
    }
    os.unlink("etc/motd").unwrap();
    assert_eq!(os.names("etc"), "hard3 hosts");
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

fn creat_excl_over_what_is_there_is_eexist(os: &mut dyn Posix) {
    for path in ["etc/motd", "etc", "link", "dangling"] {
        assert_eq!(os.open(path, O_WRONLY | O_CREAT | O_EXCL), Err(EEXIST), "{path}");
        assert_eq!(os.mkdir(path), Err(EEXIST), "{path}");
        assert_eq!(os.symlink("x", path), Err(EEXIST), "{path}");
        assert_eq!(os.link("bin/tool", path), Err(EEXIST), "{path}");
    }
}

fn creat_excl_over_what_was_removed_works(os: &mut dyn Posix) {
    os.unlink("etc/motd").unwrap();
    let fd = os.openat(Dir::Cwd, "etc/motd", O_RDWR | O_CREAT | O_EXCL, 0o600).unwrap();
    let stat = os.fstat(fd).unwrap();
    assert_eq!((stat.size, stat.mode, stat.nlink), (0, 0o600, 1));
    assert_eq!(os.open("etc/motd", O_WRONLY | O_CREAT | O_EXCL), Err(EEXIST));
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

fn a_file_is_renamed(os: &mut dyn Posix) {
    os.rename("etc/motd", "deep/a/motd").unwrap();
    assert_eq!((os.get("deep/a/motd").unwrap(), os.stat("etc/motd")), ("hello\n".into(), Err(ENOENT)));
    assert_eq!((os.names("etc"), os.names("deep/a")), ("hard3 hosts".into(), "b motd".into()));
    os.put("etc/motd", "other");
    assert_eq!((os.get("deep/a/motd").unwrap(), os.get("link").unwrap()), ("hello\n".into(), "other".into()));
}

fn a_file_is_renamed_over_another(os: &mut dyn Posix) {
    let fd = os.open("full/two", O_RDONLY).unwrap();
    os.rename("full/one", "full/two").unwrap();
    assert_eq!((os.names("full"), os.get("full/two").unwrap()), ("three two".into(), "1".into()));
    assert_eq!(os.read(fd, 10).unwrap(), b"22");
    assert_eq!(os.fstat(fd).unwrap().nlink, 0);
}

fn a_new_file_is_renamed_over_an_old_one(os: &mut dyn Posix) {
    os.put("tmp", "new");
    os.rename("tmp", "etc/motd").unwrap();
    assert_eq!((os.get("etc/motd").unwrap(), os.names("etc")), ("new".into(), "hard3 hosts motd".into()));
    os.unlink("etc/motd").unwrap();
    assert_eq!(os.stat("etc/motd"), Err(ENOENT));
}

fn an_old_file_is_renamed_over_a_new_one(os: &mut dyn Posix) {
    os.put("tmp", "new");
    os.rename("etc/motd", "tmp").unwrap();
    assert_eq!((os.get("tmp").unwrap(), os.stat("etc/motd")), ("hello\n".into(), Err(ENOENT)));
}

fn a_file_renamed_away_and_back_is_the_same(os: &mut dyn Posix) {
    let ino = os.ino("etc/motd");
    os.rename("etc/motd", "x").unwrap();
    os.rename("x", "etc/motd").unwrap();
    assert_eq!((os.get("etc/motd").unwrap(), os.ino("etc/motd")), ("hello\n".into(), ino));
    assert_eq!((os.names("etc"), os.names("/")), ("hard3 hosts motd".into(), ROOT.into()));
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

fn a_link_is_followed_into_what_was_replaced(os: &mut dyn Posix) {
    os.rename("etc", "old").unwrap();
    assert_eq!((os.stat("link"), os.stat("dirlink/motd")), (Err(ENOENT), Err(ENOENT)));
    os.mkdir("etc").unwrap();
    os.put("etc/motd", "new");
    assert_eq!((os.get("link").unwrap(), os.names("dirlink/")), ("new".into(), "motd".into()));
}

fn a_link_is_removed_and_its_target_stays(os: &mut dyn Posix) {
    os.unlink("link").unwrap();
    os.unlink("dirlink").unwrap();
    assert_eq!((os.lstat("link"), os.get("etc/motd").unwrap()), (Err(ENOENT), "hello\n".into()));
    os.symlink("bin", "link").unwrap();
    assert_eq!(os.names("link/"), "tool");
}

fn a_link_is_renamed(os: &mut dyn Posix) {
    let ino = os.ino("link");
    os.rename("link", "etc/l").unwrap();
    assert_eq!((os.readlink("etc/l").unwrap(), os.ino("etc/l")), (b"etc/motd".to_vec(), ino));
    assert_eq!(os.stat("etc/l"), Err(ENOENT));
    os.rename("etc/l", "etc/motd").unwrap();
    assert_eq!(os.lstat("etc/motd").unwrap().kind, Kind::Symlink);
}

fn a_link_gets_a_second_name(os: &mut dyn Posix) {
    os.link("link", "etc/l").unwrap();
    assert_eq!((os.nlink("link"), os.ino("etc/l")), (2, os.ino("link")));
    os.unlink("link").unwrap();
    assert_eq!((os.nlink("etc/l"), os.readlink("etc/l").unwrap()), (1, b"etc/motd".to_vec()));
}

fn an_absolute_link_starts_at_the_root(os: &mut dyn Posix) {
    os.chdir("deep/a").unwrap();
    assert_eq!(os.get("/abslink").unwrap(), "hello\n");
    os.rename("/abslink", "l").unwrap();
    assert_eq!(os.get("l").unwrap(), "hello\n");
}

fn creat_through_the_dangling_link(os: &mut dyn Posix) {
    os.put("dangling", "x");
    assert_eq!((os.get("nowhere").unwrap(), os.lstat("dangling").unwrap().kind), ("x".into(), Kind::Symlink));
}

fn a_hard_link_to_an_old_file_is_the_same_file(os: &mut dyn Posix) {
    let ino = os.ino("etc/motd");
    os.link("etc/motd", "deep/second").unwrap();
    assert_eq!((os.ino("etc/motd"), os.ino("deep/second"), os.nlink("etc/motd")), (ino, ino, 2));
    os.put("deep/second", "changed");
    assert_eq!(os.get("etc/motd").unwrap(), "changed");
    os.chmod("etc/motd", 0o600).unwrap();
    assert_eq!(os.lstat("etc/motd"), os.lstat("deep/second"));
}

fn an_old_file_is_linked_then_changed_then_unlinked(os: &mut dyn Posix) {
    let early = os.open("full/one", O_RDONLY).unwrap();
    os.link("full/one", "second").unwrap();
    os.unlink("full/one").unwrap();
    os.put("second", "changed");
    assert_eq!(os.read(early, 10).unwrap(), b"changed");
    assert_eq!((os.nlink("second"), os.fstat(early).unwrap().nlink), (1, 1));
    os.unlink("second").unwrap();
    assert_eq!(os.fstat(early).unwrap().nlink, 0);
    assert_eq!(os.pread(early, 10, 0).unwrap(), b"changed");
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

fn an_old_name_is_replaced_by_a_link(os: &mut dyn Posix) {
    os.symlink("../bin", "tmp").unwrap();
    os.rename("tmp", "etc/motd").unwrap();
    assert_eq!((os.readlink("etc/motd").unwrap(), os.names("etc/motd/")), (b"../bin".to_vec(), "tool".into()));
}

fn a_path_through_a_file_is_enotdir(os: &mut dyn Posix) {
    assert_eq!((os.open("etc/motd/x", O_WRONLY | O_CREAT), os.mkdir("link/x")), (Err(ENOTDIR), Err(ENOTDIR)));
    assert_eq!((os.stat("etc/motd/"), os.rmdir("etc/motd")), (Err(ENOTDIR), Err(ENOTDIR)));
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

fn chown_of_an_old_file(os: &mut dyn Posix) {
    os.lchown("etc/motd", Some(5), Some(6)).unwrap();
    let stat = os.lstat("etc/motd").unwrap();
    assert_eq!((stat.uid, stat.gid, os.get("etc/motd").unwrap()), (5, 6, "hello\n".into()));
}

fn fallocate_of_an_old_file(os: &mut dyn Posix) {
    let fd = os.open("etc/motd", O_RDWR).unwrap();
    assert_eq!(os.fallocate(fd, 0, 8), Ok(()));
    assert_eq!(os.get("etc/motd").unwrap(), "hello\n\0\0");
}

fn o_trunc_while_a_reader_is_open(os: &mut dyn Posix) {
    let fd = os.open("etc/motd", O_RDONLY).unwrap();
    os.open("etc/motd", O_WRONLY | O_TRUNC).unwrap();
    assert_eq!((os.read(fd, 10).unwrap(), os.fstat(fd).unwrap().size), (vec![], 0));
}

fn two_writers_of_an_old_file_share_it(os: &mut dyn Posix) {
    let (a, b) = (os.open("etc/motd", O_RDWR).unwrap(), os.open("etc/motd", O_RDWR).unwrap());
    os.write(a, "AB").unwrap();
    os.pwrite(b, "C", 2).unwrap();
    assert_eq!((os.pread(a, 10, 0).unwrap(), os.get("etc/motd").unwrap()), (b"ABClo\n".to_vec(), "ABClo\n".into()));
}

//! rename: every pair of kinds, slashes, subtrees, open files.

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};

cases! {
    a_file_gets_another_name,
    a_file_moves_to_another_directory,
    a_missing_file_is_enoent,
    a_missing_target_directory_is_enoent,
    a_file_as_target_directory_is_enotdir,
    a_file_replaces_a_file,
    a_file_replaces_a_link_and_not_its_target,
    a_file_onto_a_directory_is_eisdir,
    a_file_onto_a_full_directory_is_eisdir,
    a_link_moves_itself,
    a_link_replaces_a_file,
    a_link_onto_a_directory_is_eisdir,
    a_relative_link_that_moved_points_elsewhere,
    a_directory_gets_another_name_with_all_below,
    a_directory_moves_and_its_dot_dot_with_it,
    a_directory_replaces_an_empty_one,
    a_directory_onto_a_full_one_is_enotempty,
    a_directory_onto_a_file_is_enotdir,
    a_directory_onto_a_link_is_enotdir,
    a_directory_into_itself_is_einval,
    a_directory_into_its_own_subtree_is_einval,
    a_directory_onto_its_ancestor_is_enotempty,
    a_file_onto_its_parent_is_enotempty,
    a_directory_onto_its_parent_is_enotempty,
    the_same_name_is_no_change,
    the_same_directory_is_no_change,
    two_names_of_one_file_both_stay,
    a_file_to_a_name_with_a_trailing_slash_is_enotdir,
    a_file_with_a_trailing_slash_is_enotdir,
    a_directory_to_a_missing_name_with_a_trailing_slash_works,
    a_directory_with_a_trailing_slash_moves,
    a_link_with_a_trailing_slash_is_enotdir,
    a_directory_onto_a_link_with_a_trailing_slash_is_enotdir,
    dot_and_dot_dot_are_ebusy,
    the_root_is_ebusy,
    a_replaced_file_that_is_open_lives_on,
    a_moved_file_that_is_open_stays_open,
    a_replaced_directory_that_is_open_is_dead,
    a_replaced_directory_that_is_open_has_attributes_and_no_links.needs(&[Need::DeadDirectories]),
    a_moved_current_directory_has_a_new_path,
    nlink_of_the_parents_follows_a_moved_directory.needs(&[Need::LinkCounts]),
    nlink_of_a_replaced_file_falls,
    the_inode_number_stays,
    ctime_of_the_moved_file_and_mtime_of_the_directories_move,
    renameat_takes_two_directories,
    a_cycle_of_names_swaps_two_files,
    many_files_replace_each_other,
    a_name_inside_the_moved_directory_is_found_under_the_new_one_only,
    a_directory_moves_up_out_of_its_parent,
    onto_a_long_name_leaves_the_file,
    a_missing_file_onto_a_long_name_is_enoent,
    a_dot_name_onto_a_long_name_is_ebusy,
}

fn a_file_gets_another_name(os: &mut dyn Posix) {
    os.put("a", "x");
    assert_eq!(os.rename("a", "b"), Ok(()));
    assert_eq!(os.names("."), "b");
    assert_eq!(os.get("b").unwrap(), "x");
}

fn a_file_moves_to_another_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("a", "x");
    assert_eq!(os.rename("a", "d/b"), Ok(()));
    assert_eq!((os.names("."), os.names("d")), ("d".into(), "b".into()));
    assert_eq!(os.rename("d/b", "./c"), Ok(()));
    assert_eq!(os.names("."), "c d");
}

fn a_missing_file_is_enoent(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    assert_eq!(os.rename("a", "b"), Err(ENOENT));
    assert_eq!(os.rename("a", "f"), Err(ENOENT));
    assert_eq!(os.rename("a", "a"), Err(ENOENT));
    assert_eq!(os.rename("d/x/y", "b"), Err(ENOENT));
    assert_eq!(os.rename("a", "d"), Err(ENOENT));
}

fn a_missing_target_directory_is_enoent(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.rename("a", "d/b"), Err(ENOENT));
    assert_eq!(os.names("."), "a");
}

fn a_file_as_target_directory_is_enotdir(os: &mut dyn Posix) {
    os.put("a", "");
    os.put("f", "");
    assert_eq!(os.rename("a", "f/b"), Err(ENOTDIR));
    assert_eq!(os.rename("f/a", "b"), Err(ENOTDIR));
    assert_eq!(os.rename("a", "a/b"), Err(ENOTDIR));
}

fn a_file_replaces_a_file(os: &mut dyn Posix) {
    os.put("a", "new");
    os.put("b", "old");
    assert_eq!(os.rename("a", "b"), Ok(()));
    assert_eq!(os.names("."), "b");
    assert_eq!(os.get("b").unwrap(), "new");
}

fn a_file_replaces_a_link_and_not_its_target(os: &mut dyn Posix) {
    os.put("a", "new");
    os.put("t", "old");
    os.symlink("t", "l").unwrap();
    assert_eq!(os.rename("a", "l"), Ok(()));
    assert_eq!(os.lstat("l").unwrap().kind, Kind::File);
    assert_eq!(os.get("t").unwrap(), "old");
    os.mkdir("d").unwrap();
    os.symlink("d", "m").unwrap();
    assert_eq!(os.rename("l", "m"), Ok(()));
    assert_eq!(os.names("."), "d m t");
}

fn a_file_onto_a_directory_is_eisdir(os: &mut dyn Posix) {
    os.put("a", "");
    os.mkdir("d").unwrap();
    assert_eq!(os.rename("a", "d"), Err(EISDIR));
    assert_eq!(os.names("."), "a d");
}

fn a_file_onto_a_full_directory_is_eisdir(os: &mut dyn Posix) {
    os.put("a", "");
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    assert_eq!(os.rename("a", "d"), Err(EISDIR));
}

fn a_link_moves_itself(os: &mut dyn Posix) {
    os.put("t", "x");
    os.symlink("t", "l").unwrap();
    assert_eq!(os.rename("l", "m"), Ok(()));
    assert_eq!(os.readlink("m").unwrap(), b"t");
    assert_eq!(os.names("."), "m t");
}

fn a_link_replaces_a_file(os: &mut dyn Posix) {
    os.put("f", "x");
    os.symlink("t", "l").unwrap();
    assert_eq!(os.rename("l", "f"), Ok(()));
    assert_eq!(os.readlink("f").unwrap(), b"t");
}

fn a_link_onto_a_directory_is_eisdir(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.rename("l", "d"), Err(EISDIR));
}

fn a_relative_link_that_moved_points_elsewhere(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("t", "x");
    os.symlink("t", "l").unwrap();
    os.rename("l", "d/l").unwrap();
    assert_eq!(os.stat("d/l"), Err(ENOENT));
    os.put("d/t", "y");
    assert_eq!(os.get("d/l").unwrap(), "y");
}

fn a_directory_gets_another_name_with_all_below(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.put("a/b/f", "x");
    assert_eq!(os.rename("a", "z"), Ok(()));
    assert_eq!(os.get("z/b/f").unwrap(), "x");
    assert_eq!(os.stat("a"), Err(ENOENT));
    assert_eq!(os.stat("a/b/f"), Err(ENOENT));
}

fn a_directory_moves_and_its_dot_dot_with_it(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    os.mkdir("a/d").unwrap();
    os.rename("a/d", "b/d").unwrap();
    assert_eq!(os.ino("b/d/.."), os.ino("b"));
    assert_eq!((os.names("a"), os.names("b")), (String::new(), "d".into()));
}

fn a_directory_replaces_an_empty_one(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.put("a/f", "");
    os.mkdir("b").unwrap();
    assert_eq!(os.rename("a", "b"), Ok(()));
    assert_eq!((os.names("."), os.names("b")), ("b".into(), "f".into()));
}

fn a_directory_onto_a_full_one_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    os.put("b/f", "");
    assert_eq!(os.rename("a", "b"), Err(ENOTEMPTY));
    assert_eq!(os.names("."), "a b");
}

fn a_directory_onto_a_file_is_enotdir(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.put("f", "x");
    assert_eq!(os.rename("a", "f"), Err(ENOTDIR));
    assert_eq!(os.get("f").unwrap(), "x");
}

fn a_directory_onto_a_link_is_enotdir(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("t").unwrap();
    os.symlink("t", "l").unwrap();
    os.symlink("nowhere", "m").unwrap();
    assert_eq!(os.rename("a", "l"), Err(ENOTDIR));
    assert_eq!(os.rename("a", "m"), Err(ENOTDIR));
}

fn a_directory_into_itself_is_einval(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    assert_eq!(os.rename("a", "a/b"), Err(EINVAL));
    assert_eq!(os.names("a"), "");
}

fn a_directory_into_its_own_subtree_is_einval(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.mkdir("a/b/c").unwrap();
    os.put("a/b/f", "");
    assert_eq!(os.rename("a", "a/b/d"), Err(EINVAL));
    assert_eq!(os.rename("a", "a/b/c"), Err(EINVAL));
    assert_eq!(os.rename("a", "a/b/f"), Err(EINVAL));
    assert_eq!(os.names("a/b"), "c f");
}

fn a_directory_onto_its_ancestor_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.mkdir("a/b/c").unwrap();
    assert_eq!(os.rename("a/b/c", "a"), Err(ENOTEMPTY));
}

fn a_file_onto_its_parent_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.put("a/b/f", "");
    assert_eq!(os.rename("a/b/f", "a/b"), Err(ENOTEMPTY));
    assert_eq!(os.rename("a/b/f", "a"), Err(ENOTEMPTY));
}

fn a_directory_onto_its_parent_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    assert_eq!(os.rename("a/b", "a"), Err(ENOTEMPTY));
}

fn the_same_name_is_no_change(os: &mut dyn Posix) {
    os.put("a", "x");
    assert_eq!(os.rename("a", "a"), Ok(()));
    assert_eq!(os.rename("a", "./a"), Ok(()));
    assert_eq!(os.get("a").unwrap(), "x");
}

fn the_same_directory_is_no_change(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    assert_eq!(os.rename("d", "d"), Ok(()));
    assert_eq!(os.rename("d/", "d"), Ok(()));
    assert_eq!(os.names("d"), "f");
}

fn two_names_of_one_file_both_stay(os: &mut dyn Posix) {
    os.put("a", "x");
    os.link("a", "b").unwrap();
    assert_eq!(os.rename("a", "b"), Ok(()));
    assert_eq!(os.names("."), "a b");
    assert_eq!(os.nlink("a"), 2);
}

fn a_file_to_a_name_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("a", "");
    os.put("f", "");
    os.mkdir("d").unwrap();
    assert_eq!(os.rename("a", "b/"), Err(ENOTDIR));
    assert_eq!(os.rename("a", "f/"), Err(ENOTDIR));
    assert_eq!(os.rename("a", "d/"), Err(ENOTDIR));
    assert_eq!(os.names("."), "a d f");
}

fn a_file_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.rename("a/", "b"), Err(ENOTDIR));
    assert_eq!(os.rename("a/", "b/"), Err(ENOTDIR));
    assert_eq!(os.names("."), "a");
}

fn a_directory_to_a_missing_name_with_a_trailing_slash_works(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    assert_eq!(os.rename("a", "b/"), Ok(()));
    assert_eq!(os.names("."), "b");
}

fn a_directory_with_a_trailing_slash_moves(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    assert_eq!(os.rename("a/", "b//"), Ok(()));
    assert_eq!(os.names("."), "b");
}

fn a_link_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.rename("l/", "m"), Err(ENOTDIR));
    assert_eq!(os.names("."), "d l");
}

fn a_directory_onto_a_link_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.rename("a", "l/"), Err(ENOTDIR));
    assert_eq!(os.names("."), "a d l");
}

fn dot_and_dot_dot_are_ebusy(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.mkdir("d/e").unwrap();
    for path in [".", "..", "d/.", "d/..", "d/./"] {
        assert_eq!(os.rename(path, "x"), Err(EBUSY), "{path}");
        assert_eq!(os.rename("d/e", path), Err(EBUSY), "{path}");
    }
}

fn the_root_is_ebusy(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.rename("/", "d"), Err(EBUSY));
    assert_eq!(os.rename("d", "/"), Err(EBUSY));
}

fn a_replaced_file_that_is_open_lives_on(os: &mut dyn Posix) {
    os.put("a", "new");
    os.put("b", "old");
    let fd = os.open("b", O_RDWR).unwrap();
    os.rename("a", "b").unwrap();
    assert_eq!(os.pread(fd, 10, 0).unwrap(), b"old");
    assert_eq!(os.fstat(fd).unwrap().nlink, 0);
    assert_eq!(os.write(fd, "OLD!"), Ok(4));
    assert_eq!(os.get("b").unwrap(), "new");
}

fn a_moved_file_that_is_open_stays_open(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("a", "x");
    let fd = os.open("a", O_WRONLY | O_APPEND).unwrap();
    os.rename("a", "d/b").unwrap();
    assert_eq!(os.write(fd, "y"), Ok(1));
    assert_eq!(os.get("d/b").unwrap(), "xy");
    assert_eq!(os.fstat(fd).unwrap().ino, os.ino("d/b"));
}

fn a_replaced_directory_that_is_open_is_dead(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    let old = os.open("b", O_RDONLY).unwrap();
    os.rename("a", "b").unwrap();
    assert_eq!(os.openat(Dir::At(old), "f", O_WRONLY | O_CREAT, 0o644), Err(ENOENT));
    assert_eq!(os.names("b"), "");
}

fn a_replaced_directory_that_is_open_has_attributes_and_no_links(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    let old = os.open("b", O_RDONLY).unwrap();
    os.rename("a", "b").unwrap();
    assert_eq!(os.fstat(old).map(|stat| stat.nlink), Ok(0));
}

fn a_moved_current_directory_has_a_new_path(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.mkdir("z").unwrap();
    os.chdir("a/b").unwrap();
    os.rename("/a", "/z/y").unwrap();
    assert_eq!(os.getcwd().unwrap(), "/z/y/b");
    os.put("f", "");
    assert_eq!(os.names("/z/y/b"), "f");
    assert_eq!(os.ino(".."), os.ino("/z/y"));
}

fn nlink_of_the_parents_follows_a_moved_directory(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    os.mkdir("a/d").unwrap();
    assert_eq!((os.nlink("a"), os.nlink("b")), (3, 2));
    os.rename("a/d", "b/d").unwrap();
    assert_eq!((os.nlink("a"), os.nlink("b")), (2, 3));
    os.mkdir("a/d").unwrap();
    os.rename("a/d", "b/d").unwrap();
    assert_eq!((os.nlink("a"), os.nlink("b")), (2, 3));
}

fn nlink_of_a_replaced_file_falls(os: &mut dyn Posix) {
    os.put("a", "");
    os.put("b", "");
    os.link("b", "c").unwrap();
    os.rename("a", "b").unwrap();
    assert_eq!((os.nlink("b"), os.nlink("c")), (1, 1));
}

fn the_inode_number_stays(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.mkdir("e").unwrap();
    os.put("a", "");
    os.symlink("x", "l").unwrap();
    for (from, to) in [("a", "d/b"), ("e", "d/e"), ("l", "d/l")] {
        let ino = os.ino(from);
        os.rename(from, to).unwrap();
        assert_eq!(os.ino(to), ino, "{from}");
    }
}

fn ctime_of_the_moved_file_and_mtime_of_the_directories_move(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    os.put("a/f", "x");
    for path in ["a", "b", "a/f"] {
        os.utimens(path, When::at(1, 0), When::at(1, 0)).unwrap();
    }
    let before = os.lstat("a/f").unwrap();
    os.rename("a/f", "b/f").unwrap();
    let after = os.lstat("b/f").unwrap();
    assert_eq!(after.mtime, before.mtime);
    assert!(after.ctime >= before.ctime);
    assert!(os.lstat("a").unwrap().mtime.sec > 1);
    assert!(os.lstat("b").unwrap().mtime.sec > 1);
}

fn renameat_takes_two_directories(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    os.put("a/f", "x");
    let (a, b) = (os.open("a", O_RDONLY).unwrap(), os.open("b", O_RDONLY).unwrap());
    assert_eq!(os.renameat(Dir::At(a), "f", Dir::At(b), "g"), Ok(()));
    assert_eq!((os.names("a"), os.names("b")), (String::new(), "g".into()));
    assert_eq!(os.renameat(Dir::At(77), "f", Dir::At(b), "g"), Err(EBADF));
    assert_eq!(os.renameat(Dir::At(b), "g", Dir::At(77), "g"), Err(EBADF));
}

fn a_cycle_of_names_swaps_two_files(os: &mut dyn Posix) {
    os.put("a", "1");
    os.put("b", "2");
    os.rename("a", "t").unwrap();
    os.rename("b", "a").unwrap();
    os.rename("t", "b").unwrap();
    assert_eq!((os.get("a").unwrap(), os.get("b").unwrap()), ("2".into(), "1".into()));
    assert_eq!(os.names("."), "a b");
}

fn many_files_replace_each_other(os: &mut dyn Posix) {
    for i in 0..100 {
        os.put(format!("{i}"), format!("{i}"));
    }
    for i in 1..100 {
        os.rename(format!("{i}"), "0").unwrap();
    }
    assert_eq!(os.names("."), "0");
    assert_eq!(os.get("0").unwrap(), "99");
}

fn a_name_inside_the_moved_directory_is_found_under_the_new_one_only(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.put("a/f", "1");
    os.stat("a/f").unwrap();
    os.rename("a", "b").unwrap();
    assert_eq!(os.stat("a/f"), Err(ENOENT));
    os.mkdir("a").unwrap();
    assert_eq!(os.stat("a/f"), Err(ENOENT));
    os.put("a/f", "2");
    assert_eq!((os.get("b/f").unwrap(), os.get("a/f").unwrap()), ("1".into(), "2".into()));
}

fn a_directory_moves_up_out_of_its_parent(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.put("a/b/f", "x");
    assert_eq!(os.rename("a/b", "c"), Ok(()));
    assert_eq!(os.rename("a", "c/a"), Ok(()));
    assert_eq!((os.names("."), os.names("c")), ("c".into(), "a f".into()));
}

fn onto_a_long_name_leaves_the_file(os: &mut dyn Posix) {
    os.put("a", "x");
    assert_eq!(os.rename("a", "n".repeat(256)), Err(ENAMETOOLONG));
    assert_eq!(os.names("."), "a");
}

fn a_missing_file_onto_a_long_name_is_enoent(os: &mut dyn Posix) {
    let long = "n".repeat(256);
    assert_eq!(os.rename("a", &long), Err(ENOENT));
    assert_eq!(os.rename(&long, "a"), Err(ENAMETOOLONG));
    assert_eq!(os.rename(&long, &long), Err(ENAMETOOLONG));
    os.mkdir("d").unwrap();
    let dead = Dir::At(os.open("d", O_RDONLY | O_DIRECTORY).unwrap());
    os.put("f", "");
    os.rmdir("d").unwrap();
    assert_eq!(os.renameat(Dir::Cwd, "f", dead, &long), Err(ENOENT));
    assert_eq!(os.renameat(dead, &long, Dir::Cwd, "f"), Err(ENOENT));
    assert_eq!(os.names("."), "f");
}

fn a_dot_name_onto_a_long_name_is_ebusy(os: &mut dyn Posix) {
    let long = "n".repeat(256);
    assert_eq!(os.rename("./.", &long), Err(EBUSY));
    assert_eq!(os.rename(&long, "./.."), Err(EBUSY));
}

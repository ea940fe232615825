//! Hard and symbolic links.

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};

cases! {
    link_gives_a_second_name_to_the_same_file,
    link_counts_go_up_and_down,
    a_write_through_one_name_is_seen_through_the_other,
    attributes_are_shared_by_all_names,
    link_to_a_missing_file_is_enoent,
    link_onto_an_existing_name_is_eexist,
    link_onto_itself_is_eexist,
    link_of_a_directory_is_eperm,
    link_in_a_missing_directory_is_enoent,
    link_under_a_file_is_enotdir,
    link_to_a_name_with_a_trailing_slash,
    link_from_a_name_with_a_trailing_slash_is_enotdir,
    link_of_a_symlink_links_the_symlink,
    link_with_follow_links_the_target,
    link_with_follow_of_a_dangling_link_is_enoent,
    link_moves_ctime_and_not_mtime,
    link_of_an_unlinked_file_by_another_name_works,
    link_of_dot_is_eperm,
    link_of_a_directory_into_a_removed_one_is_enoent,
    link_of_a_fifo_works.needs(&[Need::Fifos]),
    linkat_takes_two_directories,
    a_hundred_names,
    nlink_of_a_directory_counts_its_subdirectories.needs(&[Need::LinkCounts]),
    symlink_keeps_its_target_as_it_is,
    symlink_onto_an_existing_name_is_eexist,
    symlink_onto_a_dangling_link_is_eexist,
    symlink_with_a_trailing_slash_is_enoent,
    symlink_onto_a_file_with_a_trailing_slash,
    symlink_to_nothing_is_enoent,
    symlink_stat_tells_its_length_and_mode,
    symlinkat_starts_in_the_directory,
    symlink_in_a_missing_directory_is_enoent,
    symlink_ignores_the_umask,
    readlink_of_a_file_is_einval,
    readlink_of_a_missing_name_is_enoent,
    readlink_with_a_trailing_slash_follows,
    readlink_through_a_link,
}

fn link_gives_a_second_name_to_the_same_file(os: &mut dyn Posix) {
    os.put("a", "x");
    assert_eq!(os.link("a", "b"), Ok(()));
    assert_eq!(os.ino("a"), os.ino("b"));
    assert_eq!(os.get("b").unwrap(), "x");
}

fn link_counts_go_up_and_down(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("a", "");
    assert_eq!(os.nlink("a"), 1);
    os.link("a", "b").unwrap();
    os.link("b", "d/c").unwrap();
    assert_eq!((os.nlink("a"), os.nlink("d/c")), (3, 3));
    os.unlink("a").unwrap();
    assert_eq!(os.nlink("b"), 2);
    let fd = os.open("b", O_RDONLY).unwrap();
    os.unlink("b").unwrap();
    os.unlink("d/c").unwrap();
    assert_eq!(os.fstat(fd).unwrap().nlink, 0);
}

fn a_write_through_one_name_is_seen_through_the_other(os: &mut dyn Posix) {
    os.put("a", "x");
    os.link("a", "b").unwrap();
    let fd = os.open("b", O_RDONLY).unwrap();
    os.put("a", "longer");
    assert_eq!(os.get("b").unwrap(), "longer");
    assert_eq!(os.read(fd, 10).unwrap(), b"longer");
}

fn attributes_are_shared_by_all_names(os: &mut dyn Posix) {
    os.put("a", "x");
    os.link("a", "b").unwrap();
    os.chmod("a", 0o604).unwrap();
    os.utimens("b", When::at(3, 4), When::at(5, 6)).unwrap();
    assert_eq!(os.lstat("a"), os.lstat("b"));
    assert_eq!(os.lstat("b").unwrap().mode, 0o604);
}

fn link_to_a_missing_file_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.link("a", "b"), Err(ENOENT));
}

fn link_onto_an_existing_name_is_eexist(os: &mut dyn Posix) {
    os.put("a", "");
    os.put("b", "");
    os.mkdir("d").unwrap();
    os.symlink("nowhere", "l").unwrap();
    for path in ["b", "d", "d/", "l", ".", "d/.."] {
        assert_eq!(os.link("a", path), Err(EEXIST), "{path}");
    }
    assert_eq!(os.nlink("a"), 1);
}

fn link_onto_itself_is_eexist(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.link("a", "a"), Err(EEXIST));
}

fn link_of_a_directory_is_eperm(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.link("d", "e"), Err(EPERM));
    assert_eq!(os.link("d/", "e"), Err(EPERM));
    assert_eq!(os.link("d", "d/e"), Err(EPERM));
}

fn link_in_a_missing_directory_is_enoent(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.link("a", "d/b"), Err(ENOENT));
}

fn link_under_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.link("a", "a/b"), Err(ENOTDIR));
    assert_eq!(os.link("a/b", "c"), Err(ENOTDIR));
}

fn link_to_a_name_with_a_trailing_slash(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.link("a", "b/"), Err(ENOENT));
    os.put("c", "");
    let taken = os.link("a", "c/");
    assert!(matches!(taken, Err(EEXIST | ENOTDIR)), "{taken:?}");
    assert_eq!(os.names("."), "a c");
}

fn link_from_a_name_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("a", "");
    assert_eq!(os.link("a/", "b"), Err(ENOTDIR));
}

fn link_of_a_symlink_links_the_symlink(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    assert_eq!(os.link("l", "m"), Ok(()));
    assert_eq!(os.lstat("m").unwrap().kind, Kind::Symlink);
    assert_eq!((os.nlink("l"), os.nlink("f")), (2, 1));
    os.symlink("nowhere", "n").unwrap();
    assert_eq!(os.link("n", "o"), Ok(()));
}

fn link_with_follow_links_the_target(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    assert_eq!(os.linkat(Dir::Cwd, "l", Dir::Cwd, "m", true), Ok(()));
    assert_eq!(os.ino("m"), os.ino("f"));
}

fn link_with_follow_of_a_dangling_link_is_enoent(os: &mut dyn Posix) {
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.linkat(Dir::Cwd, "l", Dir::Cwd, "m", true), Err(ENOENT));
}

fn link_moves_ctime_and_not_mtime(os: &mut dyn Posix) {
    os.put("a", "");
    os.utimens("a", When::at(5, 5), When::at(6, 6)).unwrap();
    let before = os.lstat("a").unwrap();
    os.link("a", "b").unwrap();
    let after = os.lstat("a").unwrap();
    assert_eq!((after.atime, after.mtime), (before.atime, before.mtime));
    assert!(after.ctime >= before.ctime);
}

fn link_of_an_unlinked_file_by_another_name_works(os: &mut dyn Posix) {
    os.put("a", "x");
    os.link("a", "b").unwrap();
    os.unlink("a").unwrap();
    assert_eq!(os.link("b", "a"), Ok(()));
    assert_eq!((os.nlink("a"), os.get("a").unwrap()), (2, "x".into()));
}

fn link_of_dot_is_eperm(os: &mut dyn Posix) {
    assert_eq!(os.link(".", "a"), Err(EPERM));
    assert_eq!(os.link("/", "a"), Err(EPERM));
}

fn link_of_a_directory_into_a_removed_one_is_enoent(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.mkdir("gone").unwrap();
    let gone = os.open("gone", O_RDONLY | O_DIRECTORY).unwrap();
    os.rmdir("gone").unwrap();
    assert_eq!(os.linkat(Dir::Cwd, "d", Dir::At(gone), "e", false), Err(ENOENT));
}

fn link_of_a_fifo_works(os: &mut dyn Posix) {
    os.mkfifo("p", 0o644).unwrap();
    assert_eq!(os.link("p", "q"), Ok(()));
    assert_eq!((os.nlink("p"), os.ino("p")), (2, os.ino("q")));
}

fn linkat_takes_two_directories(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("b").unwrap();
    os.put("a/f", "");
    let (a, b) = (os.open("a", O_RDONLY).unwrap(), os.open("b", O_RDONLY).unwrap());
    assert_eq!(os.linkat(Dir::At(a), "f", Dir::At(b), "g", false), Ok(()));
    assert_eq!(os.ino("a/f"), os.ino("b/g"));
}

fn a_hundred_names(os: &mut dyn Posix) {
    os.put("0", "x");
    for i in 1..100 {
        os.link("0", format!("{i}")).unwrap();
    }
    assert_eq!(os.nlink("50"), 100);
    for i in 0..99 {
        os.unlink(format!("{i}")).unwrap();
    }
    assert_eq!((os.nlink("99"), os.get("99").unwrap()), (1, "x".into()));
}

fn nlink_of_a_directory_counts_its_subdirectories(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.nlink("d"), 2);
    os.mkdir("d/a").unwrap();
    os.mkdir("d/b").unwrap();
    os.put("d/f", "");
    os.symlink("a", "d/l").unwrap();
    assert_eq!(os.nlink("d"), 4);
    os.rmdir("d/a").unwrap();
    assert_eq!(os.nlink("d"), 3);
}

fn symlink_keeps_its_target_as_it_is(os: &mut dyn Posix) {
    for (i, target) in ["a", "/a/../b", "./", "//", "..", "a b\n", "nowhere/at/all"].iter().enumerate() {
        let name = format!("l{i}");
        assert_eq!(os.symlink(target, &name), Ok(()));
        assert_eq!(os.readlink(&name).unwrap(), target.as_bytes());
        assert_eq!(os.lstat(&name).unwrap().size, target.len() as u64);
    }
}

fn symlink_onto_an_existing_name_is_eexist(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    for path in ["f", "d", "d/", ".", "/"] {
        assert_eq!(os.symlink("x", path), Err(EEXIST), "{path}");
    }
}

fn symlink_onto_a_dangling_link_is_eexist(os: &mut dyn Posix) {
    os.symlink("x", "l").unwrap();
    assert_eq!(os.symlink("y", "l"), Err(EEXIST));
    assert_eq!(os.readlink("l").unwrap(), b"x");
}

fn symlink_with_a_trailing_slash_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.symlink("x", "l/"), Err(ENOENT));
}

fn symlink_onto_a_file_with_a_trailing_slash(os: &mut dyn Posix) {
    os.put("f", "");
    let taken = os.symlink("x", "f/");
    assert!(matches!(taken, Err(EEXIST | ENOTDIR)), "{taken:?}");
}

fn symlink_to_nothing_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.symlink("", "l"), Err(ENOENT));
}

fn symlink_stat_tells_its_length_and_mode(os: &mut dyn Posix) {
    os.symlink("target", "l").unwrap();
    let stat = os.lstat("l").unwrap();
    assert_eq!((stat.kind, stat.size, stat.mode, stat.nlink), (Kind::Symlink, 6, 0o777, 1));
}

fn symlinkat_starts_in_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let dir = os.open("d", O_RDONLY).unwrap();
    assert_eq!(os.symlinkat("x", Dir::At(dir), "l"), Ok(()));
    assert_eq!(os.names("d"), "l");
}

fn symlink_in_a_missing_directory_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.symlink("x", "d/l"), Err(ENOENT));
    os.put("f", "");
    assert_eq!(os.symlink("x", "f/l"), Err(ENOTDIR));
}

fn symlink_ignores_the_umask(os: &mut dyn Posix) {
    os.umask(0o777);
    os.symlink("x", "l").unwrap();
    assert_eq!(os.lstat("l").unwrap().mode, 0o777);
}

fn readlink_of_a_file_is_einval(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    for path in ["f", "d", "d/", ".", "/"] {
        assert_eq!(os.readlink(path), Err(EINVAL), "{path}");
    }
}

fn readlink_of_a_missing_name_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.readlink("l"), Err(ENOENT));
    os.put("f", "");
    assert_eq!(os.readlink("f/l"), Err(ENOTDIR));
    assert_eq!(os.readlink("f/"), Err(ENOTDIR));
}

fn readlink_with_a_trailing_slash_follows(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    os.symlink("nowhere", "m").unwrap();
    assert_eq!(os.readlink("l/"), Err(EINVAL));
    assert_eq!(os.readlink("m/"), Err(ENOENT));
}

fn readlink_through_a_link(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("x", "d/l").unwrap();
    os.symlink("d", "m").unwrap();
    assert_eq!(os.readlink("m/l").unwrap(), b"x");
}

//! mkdir, and the current directory.

use crate::case::cases;
use crate::posix::{Errno::*, *};

cases! {
    mkdir_makes_an_empty_directory,
    mkdir_takes_the_umask_off,
    mkdir_keeps_the_sticky_bit,
    mkdir_of_an_existing_name_is_eexist,
    mkdir_of_a_dangling_link_is_eexist,
    mkdir_of_dot_and_the_root_is_eexist,
    mkdir_with_a_trailing_slash_works,
    mkdir_on_a_link_with_a_trailing_slash_is_eexist,
    mkdir_in_a_missing_directory_is_enoent,
    mkdir_under_a_file_is_enotdir,
    mkdir_through_a_link_works,
    mkdir_with_a_trailing_dot_is_enoent,
    mkdirat_starts_in_the_directory,
    a_directory_of_another_has_its_own_inode,
    chdir_changes_where_paths_start,
    chdir_to_a_file_is_enotdir,
    chdir_to_a_missing_name_is_enoent,
    chdir_through_a_link_has_the_real_path,
    chdir_above_the_root_stays,
    fchdir_goes_to_an_open_directory,
    fchdir_to_a_file_is_enotdir,
    fchdir_to_a_closed_descriptor_is_ebadf,
    getcwd_of_a_deep_directory,
    getcwd_of_a_path_with_strange_bytes,
    a_removed_directory_above_the_current_one_is_seen,
    a_hundred_nested_directories,
}

fn mkdir_makes_an_empty_directory(os: &mut dyn Posix) {
    assert_eq!(os.mkdir("d"), Ok(()));
    let stat = os.lstat("d").unwrap();
    assert_eq!((stat.kind, stat.mode, stat.nlink), (Kind::Directory, 0o755, 2));
    assert_eq!(os.names("d"), "");
}

fn mkdir_takes_the_umask_off(os: &mut dyn Posix) {
    os.umask(0o077);
    os.mkdirat(Dir::Cwd, "d", 0o777).unwrap();
    assert_eq!(os.lstat("d").unwrap().mode, 0o700);
}

fn mkdir_keeps_the_sticky_bit(os: &mut dyn Posix) {
    os.umask(0);
    os.mkdirat(Dir::Cwd, "d", 0o1777).unwrap();
    assert_eq!(os.lstat("d").unwrap().mode, 0o1777);
}

fn mkdir_of_an_existing_name_is_eexist(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("f", "");
    os.symlink("d", "l").unwrap();
    for path in ["d", "d/", "f", "l"] {
        assert_eq!(os.mkdir(path), Err(EEXIST), "{path}");
    }
    let taken = os.mkdir("f/");
    assert!(matches!(taken, Err(EEXIST | ENOTDIR)), "{taken:?}");
}

fn mkdir_of_a_dangling_link_is_eexist(os: &mut dyn Posix) {
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.mkdir("l"), Err(EEXIST));
    assert_eq!(os.mkdir("l/"), Err(EEXIST));
    assert_eq!(os.names("."), "l");
}

fn mkdir_of_dot_and_the_root_is_eexist(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    for path in [".", "..", "/", "d/.", "d/..", "//"] {
        assert_eq!(os.mkdir(path), Err(EEXIST), "{path}");
    }
}

fn mkdir_with_a_trailing_slash_works(os: &mut dyn Posix) {
    assert_eq!(os.mkdir("d/"), Ok(()));
    assert_eq!(os.mkdir("d/e///"), Ok(()));
    assert_eq!(os.names("d"), "e");
}

fn mkdir_on_a_link_with_a_trailing_slash_is_eexist(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.mkdir("l/"), Err(EEXIST));
}

fn mkdir_in_a_missing_directory_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.mkdir("a/b"), Err(ENOENT));
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.mkdir("l/b"), Err(ENOENT));
}

fn mkdir_under_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.mkdir("f/d"), Err(ENOTDIR));
}

fn mkdir_through_a_link_works(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.mkdir("l/e"), Ok(()));
    assert_eq!(os.names("d"), "e");
}

fn mkdir_with_a_trailing_dot_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.mkdir("d/."), Err(ENOENT));
    assert_eq!(os.mkdir("d/.."), Err(ENOENT));
}

fn mkdirat_starts_in_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let dir = os.open("d", O_RDONLY).unwrap();
    assert_eq!(os.mkdirat(Dir::At(dir), "e", 0o755), Ok(()));
    assert_eq!(os.names("d"), "e");
}

fn a_directory_of_another_has_its_own_inode(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    let (root, a, b) = (os.ino("/"), os.ino("a"), os.ino("a/b"));
    assert!(root != a && a != b && b != root);
    assert_eq!(os.lstat("a").unwrap().dev, os.lstat("a/b").unwrap().dev);
}

fn chdir_changes_where_paths_start(os: &mut dyn Posix) {
    assert_eq!(os.getcwd().unwrap(), "/");
    os.mkdir("d").unwrap();
    assert_eq!(os.chdir("d"), Ok(()));
    os.put("f", "x");
    assert_eq!((os.getcwd().unwrap(), os.names("/d")), ("/d".into(), "f".into()));
    os.chdir("..").unwrap();
    assert_eq!((os.getcwd().unwrap(), os.names(".")), ("/".into(), "d".into()));
}

fn chdir_to_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    for path in ["f", "f/", "l", "f/x"] {
        assert_eq!(os.chdir(path), Err(ENOTDIR), "{path}");
    }
    assert_eq!(os.getcwd().unwrap(), "/");
}

fn chdir_to_a_missing_name_is_enoent(os: &mut dyn Posix) {
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.chdir("d"), Err(ENOENT));
    assert_eq!(os.chdir("l"), Err(ENOENT));
}

fn chdir_through_a_link_has_the_real_path(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.symlink("a/b", "l").unwrap();
    os.chdir("l").unwrap();
    assert_eq!(os.getcwd().unwrap(), "/a/b");
    os.chdir("..").unwrap();
    assert_eq!(os.getcwd().unwrap(), "/a");
}

fn chdir_above_the_root_stays(os: &mut dyn Posix) {
    os.chdir("../../..").unwrap();
    assert_eq!(os.getcwd().unwrap(), "/");
}

fn fchdir_goes_to_an_open_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let dir = os.open("d", O_RDONLY).unwrap();
    os.rename("d", "e").unwrap();
    assert_eq!(os.fchdir(dir), Ok(()));
    assert_eq!(os.close(dir), Ok(()));
    assert_eq!(os.getcwd().unwrap(), "/e");
}

fn fchdir_to_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.fchdir(fd), Err(ENOTDIR));
}

fn fchdir_to_a_closed_descriptor_is_ebadf(os: &mut dyn Posix) {
    assert_eq!(os.fchdir(77), Err(EBADF));
}

fn getcwd_of_a_deep_directory(os: &mut dyn Posix) {
    let mut path = String::new();
    for i in 0..30 {
        os.mkdir(format!("{i}")).unwrap();
        os.chdir(format!("{i}")).unwrap();
        path += &format!("/{i}");
    }
    assert_eq!(os.getcwd().unwrap(), path);
}

fn getcwd_of_a_path_with_strange_bytes(os: &mut dyn Posix) {
    os.mkdir("a b\n\u{e9}").unwrap();
    os.chdir("a b\n\u{e9}").unwrap();
    assert_eq!(os.getcwd().unwrap(), "/a b\n\u{e9}");
}

fn a_removed_directory_above_the_current_one_is_seen(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.chdir("a/b").unwrap();
    os.rmdir("/a/b").unwrap();
    os.rmdir("/a").unwrap();
    assert_eq!(os.getcwd(), Err(ENOENT));
    assert_eq!(os.mkdir("c"), Err(ENOENT));
}

fn a_hundred_nested_directories(os: &mut dyn Posix) {
    let path = |depth: usize| vec!["d"; depth].join("/");
    for depth in 1..=100 {
        os.mkdir(path(depth)).unwrap();
    }
    os.put(path(100) + "/f", "x");
    assert_eq!(os.ino(path(100) + "/.."), os.ino(path(99)));
    os.unlink(path(100) + "/f").unwrap();
    for depth in (1..=100).rev() {
        assert_eq!(os.rmdir(path(depth)), Ok(()));
    }
}

//! unlink and rmdir.

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};

cases! {
    unlink_takes_the_name_away,
    unlink_of_a_missing_file_is_enoent,
    unlink_of_a_directory_is_eisdir,
    unlink_of_a_link_takes_the_link,
    unlink_with_a_trailing_slash_is_enotdir_or_eisdir,
    unlink_of_dot_and_dot_dot_is_eisdir_and_of_the_root_too,
    unlink_under_a_file_is_enotdir,
    unlink_of_a_file_without_permission_bits_works,
    unlink_lets_the_name_be_used_again,
    unlinked_while_open_lives_on,
    unlinked_while_open_can_be_written_and_truncated,
    unlinked_while_open_can_still_change_attributes,
    unlinked_file_keeps_its_other_names,
    unlinkat_starts_in_the_directory,
    unlink_of_a_fifo_works.needs(&[Need::Fifos]),
    rmdir_takes_an_empty_directory_away,
    rmdir_of_a_missing_directory_is_enoent,
    rmdir_of_a_full_directory_is_enotempty,
    rmdir_of_a_file_is_enotdir,
    rmdir_of_a_link_to_a_directory_is_enotdir,
    rmdir_of_dot_is_einval,
    rmdir_of_dot_dot_is_enotempty,
    rmdir_of_the_root_is_ebusy,
    rmdir_with_a_trailing_slash_works,
    rmdir_of_a_link_with_a_trailing_slash_is_enotdir,
    rmdir_of_a_directory_that_holds_only_a_dangling_link_is_enotempty,
    rmdir_after_its_files_have_gone_works,
    rmdir_of_a_directory_without_permission_bits_works,
    rmdir_of_a_mode_000_file_on_the_way_is_enotdir,
    rmdir_while_open_leaves_a_dead_directory,
    a_dead_directory_has_attributes_and_no_links.needs(&[Need::DeadDirectories]),
    a_dead_current_directory_has_attributes_and_no_links.needs(&[Need::DeadDirectories]),
    a_dead_directory_takes_no_names,
    a_dead_directory_has_a_living_dot_dot,
    a_directory_made_again_under_the_name_is_another,
    rmdir_of_the_current_directory_works,
    a_long_name_in_a_removed_directory_is_enoent,
}

fn unlink_takes_the_name_away(os: &mut dyn Posix) {
    os.put("f", "x");
    assert_eq!(os.unlink("f"), Ok(()));
    assert_eq!(os.lstat("f"), Err(ENOENT));
    assert_eq!(os.names("."), "");
}

fn unlink_of_a_missing_file_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.unlink("f"), Err(ENOENT));
    assert_eq!(os.unlink("f/"), Err(ENOENT));
    assert_eq!(os.unlink("d/f"), Err(ENOENT));
}

fn unlink_of_a_directory_is_eisdir(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.unlink("d"), Err(EISDIR));
    assert_eq!(os.unlink("d/"), Err(EISDIR));
    assert_eq!(os.names("."), "d");
}

fn unlink_of_a_link_takes_the_link(os: &mut dyn Posix) {
    os.put("f", "x");
    os.symlink("f", "l").unwrap();
    os.symlink("nowhere", "m").unwrap();
    assert_eq!(os.unlink("l"), Ok(()));
    assert_eq!(os.unlink("m"), Ok(()));
    assert_eq!(os.names("."), "f");
}

fn unlink_with_a_trailing_slash_is_enotdir_or_eisdir(os: &mut dyn Posix) {
    os.put("f", "x");
    os.mkdir("d").unwrap();
    os.symlink("f", "l").unwrap();
    os.symlink("d", "m").unwrap();
    assert_eq!(os.unlink("f/"), Err(ENOTDIR));
    assert_eq!(os.unlink("l/"), Err(ENOTDIR));
    assert_eq!(os.unlink("m/"), Err(ENOTDIR));
    assert_eq!(os.names("."), "d f l m");
}

fn unlink_of_dot_and_dot_dot_is_eisdir_and_of_the_root_too(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    for path in [".", "..", "d/.", "d/..", "/"] {
        assert_eq!(os.unlink(path), Err(EISDIR), "{path}");
    }
}

fn unlink_under_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.unlink("f/g"), Err(ENOTDIR));
}

fn unlink_of_a_file_without_permission_bits_works(os: &mut dyn Posix) {
    os.put("f", "");
    os.chmod("f", 0).unwrap();
    assert_eq!(os.unlink("f"), Ok(()));
}

fn unlink_lets_the_name_be_used_again(os: &mut dyn Posix) {
    os.put("x", "old");
    os.unlink("x").unwrap();
    os.mkdir("x").unwrap();
    os.rmdir("x").unwrap();
    os.symlink("t", "x").unwrap();
    os.unlink("x").unwrap();
    os.put("x", "new");
    assert_eq!(os.get("x").unwrap(), "new");
}

fn unlinked_while_open_lives_on(os: &mut dyn Posix) {
    os.put("f", "alive");
    let fd = os.open("f", O_RDWR).unwrap();
    let before = os.fstat(fd).unwrap();
    os.unlink("f").unwrap();
    let after = os.fstat(fd).unwrap();
    assert_eq!((after.nlink, after.ino, after.size), (0, before.ino, 5));
    assert_eq!(os.read(fd, 10).unwrap(), b"alive");
    os.put("f", "other");
    assert_eq!(os.pread(fd, 10, 0).unwrap(), b"alive");
    assert_ne!(os.ino("f"), before.ino);
}

fn unlinked_while_open_can_be_written_and_truncated(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    os.unlink("f").unwrap();
    assert_eq!(os.write(fd, "abcdef"), Ok(6));
    assert_eq!(os.ftruncate(fd, 3), Ok(()));
    assert_eq!(os.pread(fd, 10, 0).unwrap(), b"abc");
    assert_eq!(os.fstat(fd).unwrap().size, 3);
    assert_eq!(os.names("."), "");
}

fn unlinked_while_open_can_still_change_attributes(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    os.unlink("f").unwrap();
    assert_eq!(os.fchmod(fd, 0o640), Ok(()));
    assert_eq!(os.futimens(fd, When::at(5, 0), When::at(7, 9)), Ok(()));
    let stat = os.fstat(fd).unwrap();
    assert_eq!((stat.mode, stat.mtime), (0o640, Time { sec: 7, nsec: 9 }));
}

fn unlinked_file_keeps_its_other_names(os: &mut dyn Posix) {
    os.put("a", "x");
    os.link("a", "b").unwrap();
    os.unlink("a").unwrap();
    assert_eq!(os.get("b").unwrap(), "x");
    assert_eq!(os.nlink("b"), 1);
}

fn unlinkat_starts_in_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    os.put("f", "");
    let dir = os.open("d", O_RDONLY).unwrap();
    assert_eq!(os.unlinkat(Dir::At(dir), "f"), Ok(()));
    assert_eq!((os.names("d"), os.names(".")), (String::new(), "d f".into()));
    os.mkdir("d/e").unwrap();
    assert_eq!(os.rmdirat(Dir::At(dir), "e"), Ok(()));
}

fn unlink_of_a_fifo_works(os: &mut dyn Posix) {
    os.mkfifo("p", 0o644).unwrap();
    assert_eq!(os.unlink("p"), Ok(()));
    assert_eq!(os.names("."), "");
}

fn rmdir_takes_an_empty_directory_away(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.rmdir("d"), Ok(()));
    assert_eq!(os.lstat("d"), Err(ENOENT));
}

fn rmdir_of_a_missing_directory_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.rmdir("d"), Err(ENOENT));
    assert_eq!(os.rmdir("d/"), Err(ENOENT));
    assert_eq!(os.rmdir("d/."), Err(ENOENT));
}

fn rmdir_of_a_full_directory_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    assert_eq!(os.rmdir("d"), Err(ENOTEMPTY));
    assert_eq!(os.names("d"), "f");
}

fn rmdir_of_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.rmdir("f"), Err(ENOTDIR));
    assert_eq!(os.rmdir("f/"), Err(ENOTDIR));
}

fn rmdir_of_a_link_to_a_directory_is_enotdir(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.rmdir("l"), Err(ENOTDIR));
}

fn rmdir_of_dot_is_einval(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.rmdir("."), Err(EINVAL));
    assert_eq!(os.rmdir("d/."), Err(EINVAL));
    assert_eq!(os.rmdir("d/./"), Err(EINVAL));
}

fn rmdir_of_dot_dot_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    assert_eq!(os.rmdir(".."), Err(ENOTEMPTY));
    assert_eq!(os.rmdir("d/.."), Err(ENOTEMPTY));
}

fn rmdir_of_the_root_is_ebusy(os: &mut dyn Posix) {
    assert_eq!(os.rmdir("/"), Err(EBUSY));
}

fn rmdir_with_a_trailing_slash_works(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.mkdir("e").unwrap();
    assert_eq!(os.rmdir("d/"), Ok(()));
    assert_eq!(os.rmdir("e///"), Ok(()));
    assert_eq!(os.names("."), "");
}

fn rmdir_of_a_link_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.rmdir("l/"), Err(ENOTDIR));
    assert_eq!(os.names("."), "d l");
}

fn rmdir_of_a_directory_that_holds_only_a_dangling_link_is_enotempty(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("nowhere", "d/l").unwrap();
    assert_eq!(os.rmdir("d"), Err(ENOTEMPTY));
}

fn rmdir_after_its_files_have_gone_works(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    for i in 0..50 {
        os.put(format!("d/{i}"), "");
    }
    for entry in os.entries("d") {
        os.unlink([b"d/", entry.name.as_slice()].concat()).unwrap();
    }
    assert_eq!(os.rmdir("d"), Ok(()));
}

fn rmdir_of_a_directory_without_permission_bits_works(os: &mut dyn Posix) {
    os.mkdirat(Dir::Cwd, "d", 0).unwrap();
    assert_eq!(os.rmdir("d"), Ok(()));
}

fn rmdir_of_a_mode_000_file_on_the_way_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    os.chmod("f", 0).unwrap();
    assert_eq!(os.rmdir("f/d"), Err(ENOTDIR));
}

fn rmdir_while_open_leaves_a_dead_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let dir = os.open("d", O_RDONLY).unwrap();
    os.rmdir("d").unwrap();
    assert_eq!(os.openat(Dir::At(dir), "f", O_RDONLY, 0), Err(ENOENT));
    assert_eq!(os.statat(Dir::At(dir), "f"), Err(ENOENT));
    assert_eq!(os.unlinkat(Dir::At(dir), "f"), Err(ENOENT));
    assert_eq!(os.close(dir), Ok(()));
}

fn a_dead_directory_has_attributes_and_no_links(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let dir = os.open("d", O_RDONLY).unwrap();
    let ino = os.fstat(dir).unwrap().ino;
    os.rmdir("d").unwrap();
    let stat = os.fstat(dir).unwrap();
    assert_eq!((stat.kind, stat.nlink, stat.ino), (Kind::Directory, 0, ino));
    assert_eq!(os.statat(Dir::At(dir), ".").map(|s| s.ino), Ok(ino));
}

fn a_dead_current_directory_has_attributes_and_no_links(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.chdir("d").unwrap();
    os.rmdir("/d").unwrap();
    assert_eq!(os.stat(".").map(|s| s.nlink), Ok(0));
}

fn a_dead_directory_takes_no_names(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("f", "");
    let dir = os.open("d", O_RDONLY).unwrap();
    os.rmdir("d").unwrap();
    let dir = Dir::At(dir);
    assert_eq!(os.openat(dir, "f", O_WRONLY | O_CREAT, 0o644), Err(ENOENT));
    assert_eq!(os.mkdirat(dir, "e", 0o755), Err(ENOENT));
    assert_eq!(os.symlinkat("x", dir, "l"), Err(ENOENT));
    assert_eq!(os.linkat(Dir::Cwd, "f", dir, "g", false), Err(ENOENT));
    assert_eq!(os.renameat(Dir::Cwd, "f", dir, "g"), Err(ENOENT));
    assert_eq!(os.names("."), "f");
}

fn a_dead_directory_has_a_living_dot_dot(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/d").unwrap();
    let dir = os.open("a/d", O_RDONLY).unwrap();
    os.rmdir("a/d").unwrap();
    if os.is_real() {
        assert_eq!(os.statat(Dir::At(dir), "..").map(|s| s.kind), Ok(Kind::Directory));
    } else {
        // Linux keeps the parent of a dead directory only because its cache still holds the entry; ENOENT is as good an answer.
        assert!(matches!(os.statat(Dir::At(dir), ".."), Err(ENOENT) | Ok(Stat { kind: Kind::Directory, .. })));
    }
}

fn a_directory_made_again_under_the_name_is_another(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let old = os.open("d", O_RDONLY).unwrap();
    let ino = os.fstat(old).unwrap().ino;
    os.rmdir("d").unwrap();
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    assert_eq!(os.openat(Dir::At(old), "f", O_RDONLY, 0), Err(ENOENT));
    assert_ne!(ino, os.ino("d"));
}

fn rmdir_of_the_current_directory_works(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.chdir("d").unwrap();
    assert_eq!(os.rmdir("../d"), Ok(()));
    assert_eq!(os.getcwd(), Err(ENOENT));
    assert_eq!(os.stat("f"), Err(ENOENT));
    assert_eq!(os.open("f", O_WRONLY | O_CREAT), Err(ENOENT));
    assert_eq!(os.mkdir("e"), Err(ENOENT));
    assert_eq!(os.chdir("/"), Ok(()));
    assert_eq!(os.getcwd().unwrap(), "/");
}

fn a_long_name_in_a_removed_directory_is_enoent(os: &mut dyn Posix) {
    let long = "n".repeat(256);
    os.mkdir("d").unwrap();
    let dir = Dir::At(os.open("d", O_RDONLY | O_DIRECTORY).unwrap());
    assert_eq!(os.rmdirat(dir, &long), Err(ENAMETOOLONG));
    os.rmdir("d").unwrap();
    assert_eq!(os.rmdirat(dir, &long), Err(ENOENT));
    assert_eq!(os.unlinkat(dir, &long), Err(ENOENT));
    assert_eq!(os.mkdirat(dir, &long, 0o755), Err(ENOENT));
    assert_eq!(os.openat(dir, &long, O_RDONLY | O_CREAT, 0o644), Err(ENOENT));
    assert_eq!(os.statat(dir, &long), Err(ENOENT));
    assert_eq!(os.statat(dir, [long.as_str(), "/x"].concat()), Err(ENOENT));
    os.put("f", "");
    assert_eq!(os.linkat(Dir::Cwd, "f", dir, &long, false), Err(ENOENT));
}

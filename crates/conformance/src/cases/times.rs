//! Times that are set, and times that move by themselves.

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};

cases! {
    utimens_sets_nanoseconds,
    utimens_takes_times_before_1970,
    utimens_takes_times_past_2038,
    utimens_omit_leaves_a_time,
    utimens_now_sets_the_current_time,
    utimens_of_a_missing_file_is_enoent,
    utimens_with_a_trailing_slash_is_enotdir,
    utimens_follows_links_and_lutimens_does_not,
    utimens_works_on_directories,
    futimens_works_on_a_descriptor_for_reading,
    utimens_moves_ctime,
    utimens_omitting_both_moves_nothing,
    a_new_file_has_three_equal_times_that_are_now,
    a_write_moves_mtime_and_ctime,
    a_read_moves_no_time.on_purpose("no access times are kept on reading; the scratch directory may or may not"),
    truncate_moves_mtime_and_ctime,
    truncate_to_the_same_size_moves_mtime,
    open_with_trunc_moves_mtime,
    chmod_moves_only_ctime,
    unlink_moves_ctime_of_the_file_that_stays,
    creating_moves_the_times_of_the_directory,
    mkdir_symlink_and_link_move_the_times_of_the_directory,
    mkfifo_moves_the_times_of_the_directory.needs(&[Need::Fifos]),
    removing_moves_the_times_of_the_directory,
    writing_a_file_leaves_the_times_of_its_directory,
    a_failed_call_moves_no_time,
    opening_moves_no_time.needs(&[Need::StillOnOpen]),
}

const OLD: When = When::At(Time { sec: 1_000_000, nsec: 1 });

/// Sets old times, so that whatever moves is seen to move.
#[track_caller]
fn age(os: &mut dyn Posix, path: &str) -> Stat {
    os.lutimens(path, OLD, OLD).unwrap();
    os.lstat(path).unwrap()
}

#[track_caller]
fn mtime_moved(os: &mut dyn Posix, path: &str) -> bool {
    let stat = os.lstat(path).unwrap();
    assert!(stat.ctime.sec > 1_000_000_000, "{path}: ctime is {:?}", stat.ctime);
    stat.mtime.sec != 1_000_000
}

fn utimens_sets_nanoseconds(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.utimens("f", When::at(1, 999_999_999), When::at(1_700_000_000, 123_456_789)), Ok(()));
    let stat = os.lstat("f").unwrap();
    assert_eq!(stat.atime, Time { sec: 1, nsec: 999_999_999 });
    assert_eq!(stat.mtime, Time { sec: 1_700_000_000, nsec: 123_456_789 });
}

fn utimens_takes_times_before_1970(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.utimens("f", When::at(-1, 500_000_000), When::at(-1_000_000, 0)), Ok(()));
    let stat = os.lstat("f").unwrap();
    assert_eq!((stat.atime, stat.mtime), (Time { sec: -1, nsec: 500_000_000 }, Time { sec: -1_000_000, nsec: 0 }));
}

fn utimens_takes_times_past_2038(os: &mut dyn Posix) {
    os.put("f", "");
    os.utimens("f", When::at(1 << 32, 1), When::at(1 << 33, 2)).unwrap();
    let stat = os.lstat("f").unwrap();
    assert_eq!((stat.atime.sec, stat.mtime.sec), (1 << 32, 1 << 33));
}

fn utimens_omit_leaves_a_time(os: &mut dyn Posix) {
    os.put("f", "");
    os.utimens("f", When::at(1, 1), When::at(2, 2)).unwrap();
    os.utimens("f", When::Omit, When::at(3, 3)).unwrap();
    os.utimens("f", When::at(4, 4), When::Omit).unwrap();
    let stat = os.lstat("f").unwrap();
    assert_eq!((stat.atime, stat.mtime), (Time { sec: 4, nsec: 4 }, Time { sec: 3, nsec: 3 }));
}

fn utimens_now_sets_the_current_time(os: &mut dyn Posix) {
    os.put("f", "");
    os.utimens("f", When::at(1, 1), When::at(1, 1)).unwrap();
    os.utimens("f", When::Now, When::Omit).unwrap();
    let stat = os.lstat("f").unwrap();
    assert!(stat.atime.sec > 1_000_000_000 && stat.mtime.sec == 1);
    os.utimens("f", When::Now, When::Now).unwrap();
    let stat = os.lstat("f").unwrap();
    assert_eq!((stat.atime, stat.mtime), (stat.ctime, stat.ctime));
}

fn utimens_of_a_missing_file_is_enoent(os: &mut dyn Posix) {
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.utimens("f", When::Now, When::Now), Err(ENOENT));
    assert_eq!(os.utimens("l", When::Now, When::Now), Err(ENOENT));
}

fn utimens_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.utimens("f/", When::Now, When::Now), Err(ENOTDIR));
    assert_eq!(os.lutimens("f/", When::Now, When::Now), Err(ENOTDIR));
}

fn utimens_follows_links_and_lutimens_does_not(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    os.utimens("l", When::at(1, 0), When::at(2, 0)).unwrap();
    os.lutimens("l", When::at(3, 0), When::at(4, 0)).unwrap();
    assert_eq!((os.lstat("f").unwrap().mtime.sec, os.lstat("l").unwrap().mtime.sec), (2, 4));
}

fn utimens_works_on_directories(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.utimens("d", When::at(1, 0), When::at(2, 3)).unwrap();
    let fd = os.open("d", O_RDONLY).unwrap();
    assert_eq!(os.fstat(fd).unwrap().mtime, Time { sec: 2, nsec: 3 });
    os.futimens(fd, When::at(4, 0), When::at(5, 6)).unwrap();
    assert_eq!(os.lstat("d").unwrap().mtime, Time { sec: 5, nsec: 6 });
}

fn futimens_works_on_a_descriptor_for_reading(os: &mut dyn Posix) {
    os.put("f", "");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.futimens(fd, When::at(1, 2), When::at(3, 4)), Ok(()));
    assert_eq!(os.lstat("f").unwrap().mtime, Time { sec: 3, nsec: 4 });
}

fn utimens_moves_ctime(os: &mut dyn Posix) {
    os.put("f", "");
    let before = os.lstat("f").unwrap().ctime;
    let after = age(os, "f").ctime;
    assert!(after >= before && after.sec > 1_000_000_000);
}

fn utimens_omitting_both_moves_nothing(os: &mut dyn Posix) {
    os.put("f", "");
    let before = os.lstat("f").unwrap();
    assert_eq!(os.utimens("f", When::Omit, When::Omit), Ok(()));
    assert_eq!(os.lstat("f").unwrap(), before);
}

fn a_new_file_has_three_equal_times_that_are_now(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("x", "l").unwrap();
    let fd = os.open("f", O_WRONLY | O_CREAT).unwrap();
    let file = os.fstat(fd).unwrap();
    for stat in [file, os.lstat("d").unwrap(), os.lstat("l").unwrap()] {
        assert!(stat.mtime.sec > 1_700_000_000);
        assert_eq!((stat.atime, stat.ctime), (stat.mtime, stat.mtime));
    }
}

fn a_write_moves_mtime_and_ctime(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDWR).unwrap();
    age(os, "f");
    os.write(fd, "x").unwrap();
    assert!(mtime_moved(os, "f"));
    age(os, "f");
    os.pwrite(fd, "x", 1).unwrap();
    assert!(mtime_moved(os, "f"));
    let stat = os.lstat("f").unwrap();
    assert_eq!((stat.mtime, stat.atime.sec), (stat.ctime, 1_000_000));
}

fn a_read_moves_no_time(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    let before = age(os, "f");
    os.read(fd, 2).unwrap();
    os.pread(fd, 2, 0).unwrap();
    let after = os.lstat("f").unwrap();
    assert_eq!((after.mtime, after.ctime), (before.mtime, before.ctime));
    if !os.is_real() {
        assert_eq!(after.atime, before.atime);
    }
}

fn truncate_moves_mtime_and_ctime(os: &mut dyn Posix) {
    os.put("f", "abc");
    age(os, "f");
    os.truncate("f", 1).unwrap();
    assert!(mtime_moved(os, "f"));
    age(os, "f");
    os.truncate("f", 10).unwrap();
    assert!(mtime_moved(os, "f"));
}

fn truncate_to_the_same_size_moves_mtime(os: &mut dyn Posix) {
    os.put("f", "abc");
    age(os, "f");
    let fd = os.open("f", O_WRONLY).unwrap();
    os.ftruncate(fd, 3).unwrap();
    assert!(mtime_moved(os, "f"));
}

fn open_with_trunc_moves_mtime(os: &mut dyn Posix) {
    os.put("f", "abc");
    age(os, "f");
    os.open("f", O_WRONLY | O_TRUNC).unwrap();
    assert!(mtime_moved(os, "f"));
    age(os, "f");
    os.open("f", O_WRONLY | O_TRUNC).unwrap();
    assert!(mtime_moved(os, "f"), "an empty file");
}

fn chmod_moves_only_ctime(os: &mut dyn Posix) {
    os.put("f", "");
    let before = age(os, "f");
    os.chmod("f", 0o600).unwrap();
    let after = os.lstat("f").unwrap();
    assert_eq!((after.mtime, after.atime), (before.mtime, before.atime));
    assert!(after.ctime >= before.ctime);
}

fn unlink_moves_ctime_of_the_file_that_stays(os: &mut dyn Posix) {
    os.put("a", "");
    os.link("a", "b").unwrap();
    let before = age(os, "a");
    os.unlink("b").unwrap();
    let after = os.lstat("a").unwrap();
    assert!(after.ctime >= before.ctime);
    assert_eq!(after.mtime, before.mtime);
}

fn creating_moves_the_times_of_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    age(os, "d");
    os.put("d/f", "");
    assert!(mtime_moved(os, "d"));
    age(os, "d");
    os.put("d/f", "again");
    assert!(!mtime_moved(os, "d"), "opening an existing file");
}

fn mkdir_symlink_and_link_move_the_times_of_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("f", "");
    age(os, "d");
    os.mkdir("d/e").unwrap();
    assert!(mtime_moved(os, "d"), "mkdir");
    age(os, "d");
    os.symlink("x", "d/l").unwrap();
    assert!(mtime_moved(os, "d"), "symlink");
    age(os, "d");
    os.link("f", "d/h").unwrap();
    assert!(mtime_moved(os, "d"), "link");
}

fn mkfifo_moves_the_times_of_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    age(os, "d");
    os.mkfifo("d/p", 0o644).unwrap();
    assert!(mtime_moved(os, "d"));
}

fn removing_moves_the_times_of_the_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.mkdir("d/e").unwrap();
    os.put("d/f", "");
    os.put("d/g", "");
    age(os, "d");
    os.unlink("d/f").unwrap();
    assert!(mtime_moved(os, "d"), "unlink");
    age(os, "d");
    os.rmdir("d/e").unwrap();
    assert!(mtime_moved(os, "d"), "rmdir");
    age(os, "d");
    os.rename("d/g", "d/h").unwrap();
    assert!(mtime_moved(os, "d"), "rename");
}

fn writing_a_file_leaves_the_times_of_its_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    let before = age(os, "d");
    let fd = os.open("d/f", O_WRONLY).unwrap();
    os.write(fd, "x").unwrap();
    os.chmod("d/f", 0o600).unwrap();
    os.truncate("d/f", 9).unwrap();
    assert_eq!(os.lstat("d").unwrap(), before);
}

fn a_failed_call_moves_no_time(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    let (dir, file) = (age(os, "d"), age(os, "d/f"));
    assert_eq!(os.mkdir("d/f"), Err(EEXIST));
    assert_eq!(os.unlink("d/g"), Err(ENOENT));
    assert_eq!(os.rmdir("d/f"), Err(ENOTDIR));
    assert_eq!(os.rename("d/g", "d/f"), Err(ENOENT));
    assert_eq!(os.link("d/f", "d/f"), Err(EEXIST));
    assert_eq!(os.open("d/f", O_WRONLY | O_CREAT | O_EXCL), Err(EEXIST));
    assert_eq!((os.lstat("d").unwrap(), os.lstat("d/f").unwrap()), (dir, file));
}

fn opening_moves_no_time(os: &mut dyn Posix) {
    os.put("f", "abc");
    let before = age(os, "f");
    os.open("f", O_RDWR).unwrap();
    os.open("f", O_WRONLY | O_CREAT | O_APPEND).unwrap();
    os.stat("f").unwrap();
    assert_eq!(os.lstat("f").unwrap(), before);
}

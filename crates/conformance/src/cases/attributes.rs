//! Mode bits, umask, owners, access.

use crate::case::cases;
use crate::posix::{Errno::*, *};

cases! {
    chmod_sets_all_twelve_bits,
    chmod_follows_links,
    chmod_of_a_missing_file_is_enoent,
    chmod_of_a_file_with_a_trailing_slash_is_enotdir,
    chmod_of_a_directory_keeps_its_kind,
    fchmod_works_on_files_and_directories,
    fchmod_works_on_a_descriptor_for_reading,
    umask_answers_the_old_one,
    umask_keeps_only_permission_bits,
    umask_does_not_touch_chmod,
    a_write_by_root_keeps_set_id_bits,
    chown_sets_owner_and_group,
    chown_of_a_link_changes_the_link,
    chown_of_a_missing_file_is_enoent,
    chown_takes_the_set_id_bits_of_a_file,
    access_of_what_is_there,
    access_follows_links,
    access_of_a_file_with_a_trailing_slash_is_enotdir,
    access_as_root_reads_and_writes_without_bits,
    access_as_root_executes_only_with_an_x_bit,
    access_as_root_searches_any_directory,
    stat_and_fstat_agree,
    stat_tells_the_same_device_for_all,
    a_new_file_belongs_to_root,
}

fn chmod_sets_all_twelve_bits(os: &mut dyn Posix) {
    os.put("f", "");
    for mode in [0, 0o7777, 0o4755, 0o2755, 0o1755, 0o644, 0o111] {
        assert_eq!(os.chmod("f", mode), Ok(()));
        let stat = os.lstat("f").unwrap();
        assert_eq!((stat.mode, stat.kind), (mode, Kind::File), "{mode:o}");
    }
}

fn chmod_follows_links(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    os.chmod("l", 0o600).unwrap();
    assert_eq!((os.lstat("f").unwrap().mode, os.lstat("l").unwrap().mode), (0o600, 0o777));
}

fn chmod_of_a_missing_file_is_enoent(os: &mut dyn Posix) {
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.chmod("f", 0o600), Err(ENOENT));
    assert_eq!(os.chmod("l", 0o600), Err(ENOENT));
}

fn chmod_of_a_file_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.chmod("f/", 0o600), Err(ENOTDIR));
}

fn chmod_of_a_directory_keeps_its_kind(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    os.chmod("d", 0o1700).unwrap();
    let stat = os.stat("d").unwrap();
    assert_eq!((stat.mode, stat.kind), (0o1700, Kind::Directory));
    assert_eq!(os.names("d"), "f");
}

fn fchmod_works_on_files_and_directories(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let dir = os.open("d", O_RDONLY).unwrap();
    let file = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!((os.fchmod(dir, 0o711), os.fchmod(file, 0o600)), (Ok(()), Ok(())));
    assert_eq!((os.lstat("d").unwrap().mode, os.lstat("f").unwrap().mode), (0o711, 0o600));
}

fn fchmod_works_on_a_descriptor_for_reading(os: &mut dyn Posix) {
    os.put("f", "");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.fchmod(fd, 0o640), Ok(()));
    assert_eq!(os.lstat("f").unwrap().mode, 0o640);
}

fn umask_answers_the_old_one(os: &mut dyn Posix) {
    assert_eq!(os.umask(0o077), 0o022);
    assert_eq!(os.umask(0), 0o077);
    assert_eq!(os.umask(0o022), 0);
}

fn umask_keeps_only_permission_bits(os: &mut dyn Posix) {
    os.umask(0o7777);
    assert_eq!(os.umask(0), 0o777);
}

fn umask_does_not_touch_chmod(os: &mut dyn Posix) {
    os.umask(0o777);
    os.put("f", "");
    assert_eq!(os.lstat("f").unwrap().mode, 0);
    os.chmod("f", 0o666).unwrap();
    assert_eq!(os.lstat("f").unwrap().mode, 0o666);
}

fn a_write_by_root_keeps_set_id_bits(os: &mut dyn Posix) {
    os.put("f", "");
    os.chmod("f", 0o6755).unwrap();
    let fd = os.open("f", O_WRONLY).unwrap();
    os.write(fd, "x").unwrap();
    os.ftruncate(fd, 0).unwrap();
    assert_eq!(os.lstat("f").unwrap().mode, 0o6755);
}

fn chown_sets_owner_and_group(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.lchown("f", Some(12), None), Ok(()));
    assert_eq!(os.lchown("f", None, Some(34)), Ok(()));
    let stat = os.lstat("f").unwrap();
    assert_eq!((stat.uid, stat.gid), (12, 34));
}

fn chown_of_a_link_changes_the_link(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    os.lchown("l", Some(7), Some(8)).unwrap();
    assert_eq!((os.lstat("l").unwrap().uid, os.lstat("f").unwrap().uid), (7, 0));
}

fn chown_of_a_missing_file_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.lchown("f", Some(7), Some(8)), Err(ENOENT));
}

fn chown_takes_the_set_id_bits_of_a_file(os: &mut dyn Posix) {
    os.put("f", "");
    os.chmod("f", 0o6755).unwrap();
    os.lchown("f", Some(1), Some(1)).unwrap();
    assert_eq!(os.lstat("f").unwrap().mode, 0o755);
}

fn access_of_what_is_there(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    for path in ["f", "d", "d/", ".", "/"] {
        for mode in [F_OK, R_OK, W_OK] {
            assert_eq!(os.access(path, mode), Ok(()), "{path}");
        }
    }
    assert_eq!(os.access("g", F_OK), Err(ENOENT));
    assert_eq!(os.access("f/g", F_OK), Err(ENOTDIR));
}

fn access_follows_links(os: &mut dyn Posix) {
    os.put("f", "");
    os.chmod("f", 0o644).unwrap();
    os.symlink("f", "l").unwrap();
    os.symlink("nowhere", "m").unwrap();
    assert_eq!((os.access("l", F_OK), os.access("l", X_OK)), (Ok(()), Err(EACCES)));
    assert_eq!(os.access("m", F_OK), Err(ENOENT));
}

fn access_of_a_file_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.access("f/", F_OK), Err(ENOTDIR));
}

fn access_as_root_reads_and_writes_without_bits(os: &mut dyn Posix) {
    os.put("f", "x");
    os.chmod("f", 0).unwrap();
    assert_eq!((os.access("f", R_OK), os.access("f", W_OK), os.access("f", X_OK)), (Ok(()), Ok(()), Err(EACCES)));
    let fd = os.open("f", O_RDWR).unwrap();
    assert_eq!(os.read(fd, 1).unwrap(), b"x");
}

fn access_as_root_executes_only_with_an_x_bit(os: &mut dyn Posix) {
    os.put("f", "");
    for (mode, answer) in [(0o666, Err(EACCES)), (0o100, Ok(())), (0o010, Ok(())), (0o001, Ok(()))] {
        os.chmod("f", mode).unwrap();
        assert_eq!(os.access("f", X_OK), answer, "{mode:o}");
    }
}

fn access_as_root_searches_any_directory(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "");
    os.chmod("d", 0).unwrap();
    assert_eq!(os.access("d", X_OK), Ok(()));
    assert_eq!(os.access("d/f", F_OK), Ok(()));
    assert_eq!(os.names("d"), "f");
}

fn stat_and_fstat_agree(os: &mut dyn Posix) {
    os.put("f", "abc");
    os.mkdir("d").unwrap();
    for path in ["f", "d", "/"] {
        let fd = os.open(path, O_RDONLY).unwrap();
        assert_eq!(os.fstat(fd), os.stat(path), "{path}");
        assert_eq!(os.lstat(path), os.stat(path), "{path}");
    }
}

fn stat_tells_the_same_device_for_all(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    os.symlink("f", "d/l").unwrap();
    let dev = os.lstat("/").unwrap().dev;
    for path in ["f", "d", "d/l"] {
        assert_eq!(os.lstat(path).unwrap().dev, dev, "{path}");
    }
}

fn a_new_file_belongs_to_root(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    os.symlink("f", "l").unwrap();
    for path in ["f", "d", "l"] {
        let stat = os.lstat(path).unwrap();
        assert_eq!((stat.uid, stat.gid), (0, 0), "{path}");
    }
}

//! Files and links of a tree that was there before: on an overlay everything in it lies in the lower layers.

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
    a_removed_file_stays_away.starts_from(TREE),
    a_removed_file_can_be_made_again.starts_from(TREE),
    creat_excl_over_what_is_there_is_eexist.starts_from(TREE),
    creat_excl_over_what_was_removed_works.starts_from(TREE),
    a_file_is_renamed.starts_from(TREE),
    a_file_is_renamed_over_another.starts_from(TREE),
    a_new_file_is_renamed_over_an_old_one.starts_from(TREE),
    an_old_file_is_renamed_over_a_new_one.starts_from(TREE),
    a_file_renamed_away_and_back_is_the_same.starts_from(TREE),
    a_link_is_followed_into_what_was_replaced.starts_from(TREE),
    a_link_is_removed_and_its_target_stays.starts_from(TREE),
    a_link_is_renamed.starts_from(TREE),
    a_link_gets_a_second_name.starts_from(TREE),
    an_absolute_link_starts_at_the_root.starts_from(TREE),
    creat_through_the_dangling_link.starts_from(TREE),
    a_hard_link_to_an_old_file_is_the_same_file.starts_from(TREE),
    an_old_file_is_linked_then_changed_then_unlinked.starts_from(TREE),
    an_old_name_is_replaced_by_a_link.starts_from(TREE),
    a_path_through_a_file_is_enotdir.starts_from(TREE),
    chown_of_an_old_file.starts_from(TREE),
    fallocate_of_an_old_file.starts_from(TREE),
    o_trunc_while_a_reader_is_open.starts_from(TREE),
    two_writers_of_an_old_file_share_it.starts_from(TREE),
}

/// The names at the top of the tree.
pub(super) const ROOT: &str = "abslink bin dangling deep dirlink empty etc full hard1 hard2 link";

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

fn an_old_name_is_replaced_by_a_link(os: &mut dyn Posix) {
    os.symlink("../bin", "tmp").unwrap();
    os.rename("tmp", "etc/motd").unwrap();
    assert_eq!((os.readlink("etc/motd").unwrap(), os.names("etc/motd/")), (b"../bin".to_vec(), "tool".into()));
}

fn a_path_through_a_file_is_enotdir(os: &mut dyn Posix) {
    assert_eq!((os.open("etc/motd/x", O_WRONLY | O_CREAT), os.mkdir("link/x")), (Err(ENOTDIR), Err(ENOTDIR)));
    assert_eq!((os.stat("etc/motd/"), os.rmdir("etc/motd")), (Err(ENOTDIR), Err(ENOTDIR)));
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

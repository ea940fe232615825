//! Paths: what leads out, what a slash behind a name means, links.

use stratafs::Errno::{self, *};
use stratafs::Limits;

use crate::guest::{ALL, CREAT, DIR, DIRECTORY, EXCL, FOLLOW, Guest, READ, ROOT, TRUNC, ino, number};

fn open_in(g: &mut Guest, dir: u64, path: &str) -> Result<u64, Errno> {
    g.open_full([dir, FOLLOW, 0, 0], path, READ, ALL)
}

#[test]
fn paths_that_are_no_paths() {
    let mut g = Guest::new();
    let long = "x".repeat(70_000);
    let max = "y".repeat(4096);
    for (path, errno) in [
        ("/dir/file".as_bytes(), EPERM),
        (b"", ENOENT),
        (b"a\0b", EINVAL),
        (b"a\xff", EILSEQ),
        (b"\xed\xa0\x80", EILSEQ),
        (long.as_bytes(), ENAMETOOLONG),
        (max.as_bytes(), ENAMETOOLONG),
        (&max.as_bytes()[..256], ENAMETOOLONG),
    ] {
        let shown = String::from_utf8_lossy(&path[..path.len().min(20)]).into_owned();
        assert_eq!(g.open(path), Err(errno), "open {shown}");
        assert_eq!(g.stat(path, FOLLOW), Err(errno), "stat {shown}");
        for name in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
            assert_eq!(g.path(name, path), Err(errno), "{name} {shown}");
        }
    }
    // The length is looked at before the address.
    assert_eq!(g.call("path_create_directory", &[ROOT, 0, u64::from(u32::MAX)]), Err(ENAMETOOLONG));
}

#[test]
fn a_path_must_not_leave_its_directory_even_for_a_moment() {
    let mut g = Guest::new();
    for path in ["..", "../dir/file", "sub/../../dir/file", "./../dir"] {
        assert_eq!(open_in(&mut g, DIR, path), Err(EPERM), "{path}");
    }
    assert!(open_in(&mut g, DIR, "sub/.//../file").is_ok());
    assert_eq!(open_in(&mut g, DIR, "missing/../file"), Err(ENOENT));
    assert_eq!(open_in(&mut g, DIR, "file/../file"), Err(ENOTDIR));
    for (target, name) in
        [("../empty", "up"), ("/dir/file", "absolute"), ("sub/../../dir/file", "moment"), ("sub/../file", "inside")]
    {
        g.symlink(target, &format!("dir/{name}")).unwrap();
    }
    for name in ["up", "absolute", "moment"] {
        assert_eq!(open_in(&mut g, DIR, name), Err(EPERM), "{name}");
    }
    assert!(open_in(&mut g, DIR, "inside").is_ok());
    // The guest's root is no cage.
    assert!(g.open("../dir/file").is_ok());
    assert!(g.open("dir/absolute").is_ok());
}

#[test]
fn a_slash_behind_a_name() {
    let mut g = Guest::new();
    assert_eq!(g.open("dir/file/"), Err(ENOTDIR));
    assert_eq!(g.stat("dir/file/", FOLLOW), Err(ENOTDIR));
    assert_eq!(g.path("path_unlink_file", "dir/file/"), Err(ENOTDIR));
    assert_eq!(g.path("path_create_directory", "new/"), Ok(()));
    assert_eq!(g.path("path_remove_directory", "new/"), Ok(()));
    assert_eq!(g.rename("dir/file/", "b"), Err(ENOTDIR));
    assert_eq!(g.rename("dir/file", "b/"), Err(ENOTDIR));
    assert_eq!(g.rename("empty/", "moved/"), Ok(()));
    g.symlink("dir", "tolink").unwrap();
    assert_eq!(g.rename("tolink/", "b"), Err(ENOTDIR));
    assert_eq!(g.symlink("x", "new/"), Err(ENOENT));
    assert_eq!(g.symlink("x", "dir/"), Err(EEXIST));
    assert_eq!(g.symlink("x", "dir/file/"), Err(EEXIST), "as on Linux");
    assert_eq!(g.link(0, "dir/file", "new/"), Err(ENOENT));
}

#[test]
fn a_final_link() {
    let mut g = Guest::new();
    g.symlink("nowhere", "dangling").unwrap();
    g.symlink("self", "self").unwrap();
    g.symlink("dir", "todir").unwrap();
    for name in ["dir/link", "dangling", "self", "todir"] {
        assert_eq!(g.open_full([ROOT, 0, 0, 0], name, READ, ALL), Err(ELOOP), "{name}");
        assert_eq!(g.open_full([ROOT, 0, DIRECTORY, 0], name, READ, ALL), Err(ENOTDIR), "{name}");
    }
    assert_eq!(g.open("dangling"), Err(ENOENT));
    assert_eq!(g.open("self"), Err(ELOOP));
    assert_eq!(g.stat("dir/link", 0).unwrap()[16], 7);
    assert_eq!(g.stat("dir/link", FOLLOW).unwrap()[16], 4);
    assert_eq!(g.open_full([ROOT, FOLLOW, CREAT | EXCL, 0], "dangling", ALL, 0), Err(EEXIST));
}

#[test]
fn forty_links_and_no_more() {
    let mut g = Guest::new();
    g.symlink("dir/file", "l1").unwrap();
    for n in 2..=41 {
        g.symlink(&format!("l{}", n - 1), &format!("l{n}")).unwrap();
    }
    assert!(g.open("l40").is_ok());
    assert_eq!(g.open("l41"), Err(ELOOP));
}

#[test]
fn what_an_open_asks_for() {
    let mut g = Guest::new();
    for flags in [CREAT, EXCL, TRUNC] {
        assert_eq!(g.open_rw("dir", DIRECTORY | flags), Err(EINVAL));
    }
    assert_eq!(g.open_full([ROOT, 0, DIRECTORY, 0], "dir/file", READ, 0), Err(ENOTDIR));
    assert_eq!(g.open_rw("dir", 0), Err(EISDIR));
    assert_eq!(g.open_rw("dir/file", CREAT | EXCL), Err(EEXIST));
    let fd = g.open_full([ROOT, FOLLOW, TRUNC, 0], "dir/file", READ, 0).unwrap();
    assert_eq!(g.read(fd, 10).unwrap(), b"");
    assert_eq!(g.open_rw("dir/file", 16), Err(EINVAL), "unknown flag");
    assert_eq!(g.open_full([ROOT, 2, 0, 0], "dir/file", READ, 0), Err(EINVAL));
    assert_eq!(g.open_full([ROOT, 0, 0, 32], "dir/file", READ, 0), Err(EINVAL));
    assert_eq!(g.open_full([ROOT, 0, 0, 1 << 16], "dir/file", READ, 0), Err(EINVAL));
}

#[test]
fn a_file_is_no_directory_to_start_from() {
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    let (at, len) = g.text("x");
    let out = g.alloc(64);
    for (name, args) in [
        ("path_open", &[fd, 0, at, len, 0, 0, 0, 0, out][..]),
        ("path_filestat_get", &[fd, 0, at, len, out]),
        ("path_create_directory", &[fd, at, len]),
        ("path_unlink_file", &[fd, at, len]),
        ("path_readlink", &[fd, at, len, out, 10, out + 16]),
        ("path_rename", &[fd, at, len, ROOT, at, len]),
        ("path_symlink", &[at, len, fd, at, len]),
        ("fd_readdir", &[fd, out, 10, 0, out + 16]),
    ] {
        assert_eq!(g.call(name, args), Err(ENOTDIR), "{name}");
    }
    assert_eq!(g.call("path_create_directory", &[0, at, len]), Err(ENOTDIR));
}

#[test]
fn a_link_is_read_as_far_as_the_buffer_goes() {
    let mut g = Guest::new();
    let target = "a/target/of/20/bytes";
    g.symlink(target, "l").unwrap();
    let ((at, len), buf, used) = (g.text("l"), g.alloc(64), g.alloc(4));
    for room in [0, 1, 19, 20, 21] {
        g.memory[buf as usize..][..64].fill(0xaa);
        g.call("path_readlink", &[ROOT, at, len, buf, room, used]).unwrap();
        let expected = &target.as_bytes()[..(room as usize).min(20)];
        assert_eq!(g.u32_at(used) as usize, expected.len());
        assert_eq!(g.bytes(buf, expected.len() as u64), expected);
        assert!(g.memory[buf as usize + expected.len()..][..20].iter().all(|&b| b == 0xaa), "no NUL");
    }
    let (at, len) = g.text("dir/file");
    assert_eq!(g.call("path_readlink", &[ROOT, at, len, buf, 10, used]), Err(EINVAL));
}

#[test]
fn links_share_a_file_and_renames_keep_it() {
    let mut g = Guest::new();
    let before = ino(&g.stat("dir/file", 0).unwrap());
    assert_eq!(g.link(0, "dir/file", "dir/file"), Err(EEXIST));
    assert_eq!(g.link(0, "dir", "d2"), Err(EPERM));
    g.link(0, "dir/file", "hard").unwrap();
    assert_eq!(number(&g.stat("hard", 0).unwrap(), 24), 2);
    g.link(FOLLOW, "dir/link", "followed").unwrap();
    g.link(0, "dir/link", "kept").unwrap();
    assert_eq!(g.stat("followed", 0).unwrap()[16], 4);
    assert_eq!(g.stat("kept", 0).unwrap()[16], 7);
    g.rename("dir/file", "moved").unwrap();
    let fd = g.open("moved").unwrap();
    for stat in [g.stat("moved", 0).unwrap(), g.stat("hard", 0).unwrap(), g.fstat(fd).unwrap()] {
        assert_eq!((ino(&stat), number(&stat, 24)), (before, 3));
    }
}

#[test]
fn the_errors_of_removal() {
    let mut g = Guest::new();
    assert_eq!(g.path("path_unlink_file", "dir"), Err(EISDIR));
    assert_eq!(g.path("path_remove_directory", "dir/file"), Err(ENOTDIR));
    assert_eq!(g.path("path_remove_directory", "dir"), Err(ENOTEMPTY));
    assert_eq!(g.path("path_remove_directory", "missing"), Err(ENOENT));
    assert_eq!(g.rename("empty", "dir"), Err(ENOTEMPTY));
    assert_eq!(g.path("path_create_directory", "dir"), Err(EEXIST));
}

#[test]
fn descriptors_are_the_lowest_free_and_run_out() {
    let mut limits = Limits::default();
    limits.fds = 8;
    let mut g = Guest::limited(limits, |b| b);
    assert_eq!([5, 6, 7].map(|_| g.open("dir/file").unwrap()), [5, 6, 7]);
    assert_eq!(g.open("dir/file"), Err(EMFILE));
    for fd in [6, 0, 4] {
        g.call("fd_close", &[fd]).unwrap();
    }
    assert_eq!([0, 4, 6].map(|_| g.open("dir/file").unwrap()), [0, 4, 6]);
}

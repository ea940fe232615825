//! Rights: what is reported, and that they only shrink.

use std::sync::Arc;

use stratafs::Errno;
use stratafs::stream::{NullStream, Stream, TerminalSize};
use stratafs_wasi::Rights;

use crate::guest::{ALL, APPEND, CREAT, DIR, DIRECTORY, FOLLOW, Guest, NONBLOCK, ROOT, TRUNC};

struct Terminal;

impl Stream for Terminal {
    fn readiness(&self) -> stratafs::stream::Readiness {
        stratafs::stream::Readiness::default()
    }

    fn stat(&self) -> stratafs::Stat {
        stratafs::Stat::new(9, stratafs::FileKind::CharDevice)
    }

    fn terminal(&self) -> Option<TerminalSize> {
        Some(TerminalSize { rows: 24, columns: 80 })
    }
}

#[test]
fn a_preopen_hands_on_all_rights() {
    let mut g = Guest::new();
    let (kind, _, base, inheriting) = g.fdstat(ROOT).unwrap();
    assert_eq!((kind, inheriting), (3, ALL));
    assert_eq!(base & Rights::PATH_OPEN.and(Rights::FD_READDIR).bits(), Rights::PATH_OPEN.and(Rights::FD_READDIR).bits());
    assert_eq!(base & Rights::FD_SEEK.and(Rights::FD_TELL).bits(), 0);
    // wasi-libc asks for all that the preopen hands on; others for bits that nobody knows.
    let fd = g.open_full([ROOT, FOLLOW, CREAT, 0], "new", inheriting, inheriting).unwrap();
    assert_eq!(g.write(fd, "x"), Ok(1));
    assert!(g.open_full([ROOT, FOLLOW, 0, 0], "new", u64::MAX, u64::MAX).is_ok());
}

#[test]
fn only_a_terminal_looks_like_one() {
    let positions = Rights::FD_SEEK.and(Rights::FD_TELL).bits();
    let mut g = Guest::with(|b| b.stdin(Arc::new(Terminal)).stderr(Arc::new(NullStream)));
    let is_tty = |(kind, _, base, _): (u8, u64, u64, u64)| kind == 2 && base & positions == 0;
    assert!(is_tty(g.fdstat(0).unwrap()));
    assert!(!is_tty(g.fdstat(1).unwrap()), "captured output");
    assert!(!is_tty(g.fdstat(2).unwrap()), "a null device");
    for fd in 0..3 {
        assert_eq!(g.fdstat(fd).unwrap().2 & positions, 0);
    }
    assert_eq!(Guest::new().fdstat(0).unwrap().0, 0, "a pipe has no type");
}

#[test]
fn rights_shrink_and_never_grow() {
    let mut g = Guest::new();
    let fd = g.open_rw("dir/file", 0).unwrap();
    let read = Rights::FD_READ.bits();
    assert_eq!(g.call("fd_fdstat_set_rights", &[fd, read, 0]), Ok(()));
    assert_eq!(g.fdstat(fd).unwrap().2, read);
    assert_eq!(g.call("fd_fdstat_set_rights", &[fd, read | Rights::FD_WRITE.bits(), 0]), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.call("fd_fdstat_set_rights", &[fd, read, read]), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.read(fd, 5).unwrap(), b"hello");
    assert_eq!(g.write(fd, "x"), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.seek(fd, 0, 0), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.fstat(fd), Err(Errno::ENOTCAPABLE));
    for (name, args) in [
        ("fd_allocate", &[fd, 0, 1][..]),
        ("fd_advise", &[fd, 0, 1, 0]),
        ("fd_sync", &[fd]),
        ("fd_datasync", &[fd]),
        ("fd_fdstat_set_flags", &[fd, 0]),
        ("fd_filestat_set_size", &[fd, 0]),
        ("fd_filestat_set_times", &[fd, 0, 0, 1]),
    ] {
        assert_eq!(g.call(name, args), Err(Errno::ENOTCAPABLE), "{name}");
    }
    assert_eq!(g.call("fd_close", &[fd]), Ok(()));
}

#[test]
fn a_directory_hands_on_no_more_than_it_may() {
    let mut g = Guest::new();
    let keep = Rights::PATH_OPEN.bits();
    g.call("fd_fdstat_set_rights", &[ROOT, keep, Rights::FD_READ.bits()]).unwrap();
    assert_eq!(g.open_full([ROOT, FOLLOW, 0, 0], "dir/file", ALL, 0), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.open_full([ROOT, FOLLOW, 0, 0], "dir/file", 2, 4), Err(Errno::ENOTCAPABLE));
    // Creating and cutting are writes whatever rights the file is to have.
    assert_eq!(g.open_full([ROOT, FOLLOW, CREAT, 0], "new", 2, 0), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.open_full([ROOT, FOLLOW, TRUNC, 0], "dir/file", 2, 0), Err(Errno::ENOTCAPABLE));
    let fd = g.open_full([ROOT, FOLLOW, 0, 0], "dir/file", 2, 0).unwrap();
    assert_eq!(g.read(fd, 5).unwrap(), b"hello");
    for name in ["path_create_directory", "path_remove_directory", "path_unlink_file"] {
        assert_eq!(g.path(name, "dir/file"), Err(Errno::ENOTCAPABLE), "{name}");
    }
    assert_eq!(g.stat("dir", 0), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.symlink("a", "b"), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.rename("dir/file", "b"), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.link(0, "dir/file", "b"), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.readdir(ROOT, 100, 0), Err(Errno::ENOTCAPABLE));
    assert_eq!(g.fdstat(DIR).unwrap().3, ALL, "another preopen keeps its own");
}

#[test]
fn what_was_not_opened_for_it_is_ebadf() {
    let mut g = Guest::new();
    let reading = g.open_full([ROOT, FOLLOW, 0, 0], "dir/file", Rights::FD_READ.bits(), 0).unwrap();
    assert_eq!(g.write(reading, "x"), Err(Errno::EBADF));
    assert_eq!(g.call("fd_allocate", &[reading, 0, 1]), Err(Errno::EBADF));
    assert_eq!(g.call("fd_filestat_set_size", &[reading, 0]), Err(Errno::EINVAL));
    // wasi-libc asks for no FD_DATASYNC where it opens for reading; Linux syncs it all the same.
    let libc = ALL & !Rights::FD_DATASYNC.and(Rights::FD_WRITE).and(Rights::FD_ALLOCATE).and(Rights::FD_FILESTAT_SET_SIZE).bits();
    let reading = g.open_full([ROOT, FOLLOW, 0, 0], "dir/file", libc, 0).unwrap();
    assert_eq!(g.call("fd_datasync", &[reading]), Ok(()));
    let writing = g.open_full([ROOT, FOLLOW, 0, 0], "dir/file", Rights::FD_WRITE.bits(), 0).unwrap();
    assert_eq!(g.read(writing, 1), Err(Errno::EBADF));
    assert_eq!(g.read(1, 1), Err(Errno::EBADF));
    assert_eq!(g.write(0, "x"), Err(Errno::EBADF));
}

#[test]
fn status_flags_change_and_show() {
    let mut g = Guest::new();
    let fd = g.open_full([ROOT, FOLLOW, 0, APPEND], "dir/file", ALL, 0).unwrap();
    assert_eq!(g.fdstat(fd).unwrap().1, APPEND);
    for flags in [APPEND | NONBLOCK, NONBLOCK, 0] {
        for fd in [fd, 0, 1] {
            g.call("fd_fdstat_set_flags", &[fd, flags]).unwrap();
            assert_eq!(g.fdstat(fd).unwrap().1, flags);
        }
    }
    for bad in [2, 8, 16, 32, 1 << 16] {
        assert_eq!(g.call("fd_fdstat_set_flags", &[fd, bad]), Err(Errno::EINVAL), "{bad}");
    }
    assert_eq!(g.open_full([ROOT, FOLLOW, DIRECTORY, 2], "dir", ALL, 0), Err(Errno::ENOTSUP));
}

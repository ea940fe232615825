//! Attributes and times.

use stratafs::Errno;

use crate::guest::{FOLLOW, Guest, ROOT, ino, number};

const ATIM: usize = 40;
const MTIM: usize = 48;

fn set(g: &mut Guest, path: &str, lookup: u64, atim: u64, mtim: u64, flags: u64) -> Result<(), Errno> {
    let (at, len) = g.text(path);
    g.call("path_filestat_set_times", &[ROOT, lookup, at, len, atim, mtim, flags])
}

#[test]
fn a_stat_by_path_and_one_by_descriptor_agree() {
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    let stat = g.stat("dir/file", 0).unwrap();
    assert_eq!(stat, g.fstat(fd).unwrap());
    assert_eq!((stat[16], number(&stat, 24), number(&stat, 32)), (4, 1, 11));
    assert_eq!(stat[17..24], [0; 7]);
    let root = g.stat(".", 0).unwrap();
    assert_eq!(number(&root, 0), number(&stat, 0), "one mount, one dev");
    assert_ne!(number(&root, 0), 0);
    assert_ne!(ino(&root), ino(&stat));
    assert_eq!(g.path("path_unlink_file", "dir/file"), Ok(()));
    assert_eq!(number(&g.fstat(fd).unwrap(), 24), 0);
}

#[test]
fn times_are_set_side_by_side_in_nanoseconds() {
    let mut g = Guest::new();
    set(&mut g, "dir/file", 0, 1_000_000_001, 2_000_000_002, 5).unwrap();
    let stat = g.stat("dir/file", 0).unwrap();
    assert_eq!((number(&stat, ATIM), number(&stat, MTIM)), (1_000_000_001, 2_000_000_002));
    set(&mut g, "dir/file", 0, 7, 7, 4).unwrap();
    let stat = g.stat("dir/file", 0).unwrap();
    assert_eq!((number(&stat, ATIM), number(&stat, MTIM)), (1_000_000_001, 7));
    set(&mut g, "dir/file", 0, 9, 9, 2).unwrap();
    let stat = g.stat("dir/file", 0).unwrap();
    assert!(number(&stat, ATIM) > 1_600_000_000_000_000_000, "now");
    assert_eq!(number(&stat, MTIM), 7);
    set(&mut g, "dir/file", 0, u64::MAX, u64::MAX, 5).unwrap();
    assert_eq!(number(&g.stat("dir/file", 0).unwrap(), ATIM), u64::MAX);
    let fd = g.open_rw("dir/file", 0).unwrap();
    g.call("fd_filestat_set_times", &[fd, 3, 4, 5]).unwrap();
    let stat = g.fstat(fd).unwrap();
    assert_eq!((number(&stat, ATIM), number(&stat, MTIM)), (3, 4));
}

#[test]
fn a_time_is_not_given_and_now_at_once() {
    let mut g = Guest::new();
    let fd = g.open_rw("dir/file", 0).unwrap();
    for flags in [3, 12, 15, 16] {
        assert_eq!(set(&mut g, "dir/file", 0, 0, 0, flags), Err(Errno::EINVAL), "{flags}");
        assert_eq!(g.call("fd_filestat_set_times", &[fd, 0, 0, flags]), Err(Errno::EINVAL), "{flags}");
    }
}

#[test]
fn the_times_of_a_link_or_of_what_it_leads_to() {
    let mut g = Guest::new();
    set(&mut g, "dir/link", FOLLOW, 1, 2, 5).unwrap();
    assert_eq!(number(&g.stat("dir/file", 0).unwrap(), MTIM), 2);
    set(&mut g, "dir/link", 0, 3, 4, 5).unwrap();
    assert_eq!(number(&g.stat("dir/file", 0).unwrap(), MTIM), 2);
    assert_eq!(number(&g.stat("dir/link", 0).unwrap(), MTIM), 4);
}

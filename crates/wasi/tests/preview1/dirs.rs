//! Listings and preopens.

use std::collections::BTreeSet;

use stratafs::Errno;

use crate::guest::{CREAT, DIR, Guest, ROOT, entries, ino};

#[test]
fn dot_and_dot_dot_come_first_with_true_numbers() {
    let mut g = Guest::new();
    let all = g.list(DIR);
    assert_eq!(all[0].name, ".");
    assert_eq!(all[1].name, "..");
    assert_eq!(all.iter().map(|e| e.name.as_str()).collect::<BTreeSet<_>>(), BTreeSet::from([".", "..", "file", "link", "sub"]));
    for entry in &all {
        let stat = g.stat(format!("dir/{}", entry.name), 0).unwrap();
        assert_eq!((entry.ino, entry.kind), (ino(&stat), stat[16]), "{}", entry.name);
        assert_ne!(entry.ino, 0);
    }
}

#[test]
fn a_short_buffer_is_filled_to_its_end() {
    let mut g = Guest::new();
    let whole = g.readdir(DIR, 4096, 0).unwrap();
    assert!(whole.len() < 4096);
    for len in 0..=whole.len() as u32 {
        let part = g.readdir(DIR, len, 0).unwrap();
        assert!(part == whole[..len as usize], "{len}");
    }
    assert_eq!(g.readdir(DIR, whole.len() as u32 + 1, 0).unwrap().len(), whole.len());
}

#[test]
fn each_cookie_continues_behind_its_entry() {
    let mut g = Guest::new();
    let whole = g.list(DIR);
    for (index, entry) in whole.iter().enumerate() {
        let rest: Vec<String> = entries(&g.readdir(DIR, 4096, entry.next).unwrap()).into_iter().map(|e| e.name).collect();
        assert_eq!(rest, whole[index + 1..].iter().map(|e| e.name.clone()).collect::<Vec<_>>());
    }
    assert!(g.readdir(DIR, 4096, u64::MAX).unwrap().is_empty());
}

#[test]
fn nothing_is_lost_or_doubled_while_entries_go() {
    let mut g = Guest::new();
    for n in 0..300 {
        let fd = g.open_rw(format!("empty/f{n}"), CREAT).unwrap();
        g.call("fd_close", &[fd]).unwrap();
    }
    let fd = g.open("empty").unwrap();
    let (mut seen, mut cookie) = (Vec::new(), 0);
    loop {
        let listing = g.readdir(fd, 200, cookie).unwrap();
        let part = entries(&listing);
        for entry in &part {
            cookie = entry.next;
            seen.push(entry.name.clone());
            if entry.name.starts_with('f') {
                g.path("path_unlink_file", format!("empty/{}", entry.name)).unwrap();
            }
        }
        if listing.len() < 200 {
            break;
        }
    }
    assert_eq!(seen.len(), 302);
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 302);
    assert_eq!(g.list(fd).len(), 2);
}

#[test]
fn the_length_may_lie_inside_the_listing() {
    let mut g = Guest::new();
    let buf = g.alloc(200);
    g.call("fd_readdir", &[DIR, buf, 100, 0, buf + 8]).unwrap();
    assert_eq!(g.u32_at(buf + 8), 100);
}

#[test]
fn preopens_are_dense_and_named() {
    let mut g = Guest::new();
    let (out, buf) = (g.alloc(8), g.alloc(16));
    for (fd, name) in [(ROOT, "/"), (DIR, "/dir")] {
        g.call("fd_prestat_get", &[fd, out]).unwrap();
        assert_eq!((g.u32_at(out), g.u32_at(out + 4) as usize), (0, name.len()));
        g.memory[buf as usize..][..16].fill(0xaa);
        g.call("fd_prestat_dir_name", &[fd, buf, 10]).unwrap();
        assert_eq!(g.bytes(buf, name.len() as u64), name.as_bytes());
        assert_eq!(g.memory[buf as usize + name.len()], 0xaa, "no NUL");
        assert_eq!(g.call("fd_prestat_dir_name", &[fd, buf, name.len() as u64 - 1]), Err(Errno::ENAMETOOLONG));
    }
    assert_eq!(g.call("fd_prestat_get", &[5, out]), Err(Errno::EBADF));
    let fd = g.open("dir").unwrap();
    assert_eq!(g.call("fd_prestat_get", &[fd, out]), Err(Errno::EBADF));
    assert_eq!(g.call("fd_prestat_dir_name", &[fd, buf, 10]), Err(Errno::ENOTDIR));
    assert_eq!(g.call("fd_prestat_get", &[0, out]), Err(Errno::EBADF));
}

#[test]
fn preopens_and_streams_can_be_closed_and_replaced() {
    let mut g = Guest::new();
    for fd in [0, 1, 2, ROOT] {
        g.call("fd_close", &[fd]).unwrap();
        assert_eq!(g.call("fd_close", &[fd]), Err(Errno::EBADF));
    }
    assert_eq!(g.open("dir"), Err(Errno::EBADF));
    assert_eq!(g.call("fd_renumber", &[DIR, ROOT]), Err(Errno::EBADF), "both must be open");
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    g.call("fd_renumber", &[fd, ROOT]).unwrap();
    assert_eq!(g.read(ROOT, 5).unwrap(), b"hello");
    assert_eq!(g.call("fd_close", &[fd]), Err(Errno::EBADF));
    g.call("fd_renumber", &[ROOT, ROOT]).unwrap();
    assert_eq!(g.read(ROOT, 6).unwrap(), b" world");
    let out = g.alloc(8);
    assert_eq!(g.call("fd_prestat_get", &[ROOT, out]), Err(Errno::EBADF));
}

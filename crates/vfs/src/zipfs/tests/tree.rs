//! What mounting makes of members: names, directories, modes, times, links.

use super::writer::{Archive, M, zip};
use super::*;
use crate::Timestamp;

#[test]
fn directories_are_implied_and_listed_in_order() {
    let fs = mount(zip(&[M::stored("b/c/d.txt", "d"), M::stored("a", "aa"), M::stored("./b//x", ""), M::stored("b/sub/", "")]));
    let dir = FileKind::Directory;
    assert_eq!(list(&fs, ""), [("a".into(), FileKind::File, 1), ("b".into(), dir, 2)]);
    assert_eq!(list(&fs, "b"), [("c".into(), dir, 1), ("sub".into(), dir, 2), ("x".into(), FileKind::File, 3)]);
    assert_eq!(list(&fs, "b/sub"), []);
    let b = find(&fs, "b").unwrap();
    let stat = fs.stat(&b).unwrap();
    assert_eq!((stat.nlink, stat.mode, stat.uid, stat.mtime.sec), (4, 0o755, 0, 315_532_800));
    assert_eq!(fs.stat(&fs.root()).unwrap().nlink, 3);
    assert_eq!(fs.nodes(), 7);
    assert_eq!((fs.parent(&b), fs.parent(&fs.root())), (Ok(fs.root()), Ok(fs.root())));
    assert_eq!((fs.name_of(&b), fs.name_of(&fs.root())), (Ok(b"b".to_vec()), Err(Errno::ENOENT)));
    assert_eq!(find(&fs, "b/nothing").err(), Some(Errno::ENOENT));
    assert_eq!(find(&fs, "a/x").err(), Some(Errno::ENOTDIR));
    visit(&fs);
}

#[test]
fn a_listing_goes_on_from_any_cookie() {
    let fs = mount(zip(&["a", "b", "c"].map(|name| M::stored(name, ""))));
    for (from, left) in [(0, "abc"), (1, "bc"), (2, "c"), (3, ""), (4, ""), (u64::MAX, "")] {
        let mut names = String::new();
        let mut each = |entry: DirEntry<'_>| {
            names.push_str(std::str::from_utf8(entry.name).unwrap());
            ControlFlow::Continue(())
        };
        fs.read_dir(&fs.root(), from, &mut each).unwrap();
        assert_eq!(names, left);
    }
    let a = find(&fs, "a").unwrap();
    assert_eq!(fs.read_dir(&a, 0, &mut |_| ControlFlow::Continue(())), Err(Errno::ENOTDIR));
}

#[test]
fn modes_come_from_unix_and_macos_alone() {
    let m = |name: &str, host, mode: u32| M { host, ..M::stored(name, "").mode(mode) };
    let fs = mount(zip(&[
        m("unix", 3, 0o100_600),
        m("mac", 19, 0o104_755),
        m("dos", 0, 0o100_600),
        m("none", 3, 0),
        m("typed", 3, 0o100_000),
        m("python", 3, 0o640),
        m("d/", 3, 0o041_777),
        m("e", 3, 0o040_500),
        m("f/", 0, 0),
        m("d/", 3, 0o040_711),
        M::link("link", "unix"),
    ]));
    for (name, mode) in [
        ("unix", 0o600),
        ("mac", 0o4755),
        ("dos", 0o644),
        ("none", 0o644),
        ("typed", 0),
        ("python", 0o640),
        ("d", 0o711),
        ("e", 0o500),
        ("f", 0o755),
        ("link", 0o777),
    ] {
        assert_eq!(fs.stat(&find(&fs, name).unwrap()).unwrap().mode, mode, "{name}");
    }
    assert_eq!(fs.stat(&find(&fs, "e").unwrap()).unwrap().kind, FileKind::Directory);
}

#[test]
fn explicit_directories_give_attributes_before_and_after_their_files() {
    let time = |sec| Timestamp { sec, nsec: 0 };
    let dir =
        |name: &str| M { date: 20 << 9 | 2 << 5 | 29, time: 23 << 11 | 59 << 5 | 29, ..M::stored(name, "").mode(0o040_700) };
    let fs = mount(zip(&[dir("a/"), M::stored("a/f", ""), M::stored("b/f", ""), dir("b/"), dir("./")]));
    for name in ["", "a", "b"] {
        let stat = fs.stat(&find(&fs, name).unwrap()).unwrap();
        assert_eq!((stat.mode, stat.mtime), (0o700, time(951_868_798)), "{name}");
    }
}

#[test]
fn the_extended_timestamp_goes_before_the_dos_time() {
    let extra = |flags: u8, sec: i32| [&b"UT\x05\0"[..], &[flags], &sec.to_le_bytes()].concat();
    let fs = mount(zip(&[
        M { extra: extra(3, -1), ..M::stored("old", "") },
        M { extra: [&b"xx\x02\0yy"[..], &extra(1, 1_700_000_000), b"\0\0"].concat(), ..M::stored("new", "") },
        M { extra: extra(2, 5), ..M::stored("other", "") },
    ]));
    for (name, sec) in [("old", -1), ("new", 1_700_000_000), ("other", 315_532_800)] {
        let stat = fs.stat(&find(&fs, name).unwrap()).unwrap();
        assert_eq!([stat.mtime, stat.atime, stat.ctime].map(|t| t.sec), [sec; 3], "{name}");
    }
}

#[test]
fn names_are_bytes() {
    let long = vec![b'n'; 255];
    let fs = mount(zip(&[M::stored(b"\xff\xfe", "1"), M::stored("ü", "2"), M::stored("a\\b", "3"), M::stored(&long, "4")]));
    let names = [&b"\xff\xfe"[..], "ü".as_bytes(), b"a\\b", &long];
    assert!(names.into_iter().all(|name| fs.lookup(&fs.root(), Name::new(name).unwrap()).is_ok()));
}

#[test]
fn links_are_read_when_asked_and_bounded() {
    let target = vec![b't'; 4095];
    let deflated = M { attributes: 0o120_777 << 16, ..M::deflated("deflated", &target) };
    let members = [M::link("l", "../up"), deflated, M::link("nul", "a\0b"), M::link("empty", ""), M::stored("file", "x")];
    for fs in both(&zip(&members), &limits(100)) {
        assert_eq!(fs.inflated(), 0);
        let read = |name| fs.read_link(&find(&fs, name).unwrap());
        assert_eq!(read("l").unwrap(), b"../up");
        assert_eq!(read("deflated").unwrap(), target, "above the cache's bound");
        assert_eq!(read("nul"), Err(Errno::EIO));
        assert_eq!(read("empty").unwrap(), b"");
        assert_eq!(read("file"), Err(Errno::EINVAL));
        assert_eq!(fs.read_link(&fs.root()), Err(Errno::EINVAL));
        assert_eq!(fs.stat(&find(&fs, "l").unwrap()).unwrap().size, 5);
        assert!(matches!(fs.open(&find(&fs, "l").unwrap(), Access::READ), Err(Errno::ELOOP)));
        visit(&fs);
    }
}

#[test]
fn nothing_can_be_written() {
    let fs = mount(zip(&[M::stored("d/f", "x")]));
    let (d, f) = (find(&fs, "d").unwrap(), find(&fs, "d/f").unwrap());
    assert!(fs.read_only() && fs.stable());
    for access in [Access::WRITE, Access::READ_WRITE, Access { truncate: true, ..Access::READ }] {
        assert_eq!(fs.open(&f, access).err(), Some(Errno::EROFS));
        assert_eq!(fs.open(&d, access).err(), Some(Errno::EISDIR));
    }
    assert!(matches!(fs.open(&d, Access::READ), Ok(Opened::Directory)));
    assert_eq!(open(&fs, "d/f").write_at(&[], 0), Err(Errno::EROFS));
    let statfs = fs.statfs().unwrap();
    assert_eq!((statfs.read_only, statfs.files, statfs.files_free, statfs.blocks), (true, 3, 0, 1));
}

#[test]
fn prefixes_comments_zip64_and_bytes_behind_are_taken() {
    let member = |zip64| [M { zip64, ..M::deflated("a/b", "hello") }, M { zip64, descriptor: !zip64, ..M::stored("c", "world") }];
    for zip64 in [false, true] {
        for prefix in [0, 1, 100_000] {
            for comment in [0, 5, 0xffff] {
                let (prefix, comment) = (vec![b'#'; prefix], vec![b'!'; comment]);
                let behind = 0xffff - comment.len().max(1);
                let mut bytes = Archive { prefix, comment, zip64, ..Archive::default() }.write(&member(zip64));
                for behind in [0, behind] {
                    bytes.extend(vec![0; behind]);
                    for fs in both(&bytes, &limits(1 << 20)) {
                        assert_eq!(read(&fs, "a/b").unwrap(), b"hello");
                        assert_eq!(read(&fs, "c").unwrap(), b"world");
                    }
                }
            }
        }
    }
}

#[test]
fn an_empty_archive_is_an_empty_directory() {
    let fs = mount(zip(&[]));
    assert_eq!((fs.nodes(), list(&fs, "")), (1, vec![]));
}

#[test]
fn mounting_ten_thousand_members_inflates_none() {
    let members: Vec<M> = (0..10_000).map(|i| M::deflated(format!("lib/p{}/m{i}.py", i % 100), format!("x = {i}\n"))).collect();
    let fs = mount(zip(&members));
    assert_eq!((fs.nodes(), fs.inflated(), fs.cached()), (10_102, 0, 0));
    assert_eq!(list(&fs, "lib/p7").len(), 100);
    for _ in 0..2 {
        assert_eq!(read(&fs, "lib/p7/m9907.py").unwrap(), b"x = 9907\n");
        assert_eq!(fs.inflated(), 1);
    }
}

#[test]
fn more_than_a_16_bit_count_of_members() {
    let entries = || (0..70_000).map(|i| pack::PackEntry::file(format!("{}/{i}", i % 1000), Bytes::new()));
    let bytes = pack::pack(entries()).unwrap();
    assert_eq!(mount(bytes).nodes(), 71_001);
    let members: Vec<M> = (0..65_537).map(|i| M::stored(i.to_string(), "")).collect();
    assert_eq!(mount(zip(&members)).nodes(), 65_538, "a count that has wrapped around");
}

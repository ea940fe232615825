//! Archives that mean harm, or have come to harm: an error that names the member, never a panic.

use proptest::prelude::*;

use super::writer::{Archive, M, zip};
use super::*;

fn refused(bytes: Vec<u8>) -> String {
    let error = ZipFs::from_bytes("evil.zip", bytes, &Limits { zip_members: 100, ..Limits::default() }).unwrap_err();
    let line = error.to_string();
    assert!(line.starts_with("evil.zip: ") && !line.contains('\n'), "{line}");
    line
}

fn refused_member(members: &[M], name: &str, why: &str) {
    let line = refused(zip(members));
    assert!(line.contains(&format!("member {name}: ")) && line.contains(why), "{line} ({why})");
}

#[test]
fn names_that_climb() {
    for name in
        ["../x", "a/../../x", "a/..", "..", "/etc/passwd", "\\x", "a\\..\\..\\x", "..\\x", "C:\\x", "c:/x", "//x", "a/b/../c"]
    {
        refused_member(&[M::stored(name, "x")], &format!("{name:?}"), "leads out of the archive");
    }
    for name in ["...", "..a", "a..", "C:", "a:b", "x/C:/y"] {
        visit(&mount(zip(&[M::stored(name, "x")])));
    }
}

#[test]
fn names_that_no_file_has() {
    let (component, path) = (format!("a/{}/b", "n".repeat(256)), "a/".repeat(2048));
    for (name, why) in [("", "empty"), ("a\0b", "NUL"), (&component, "255"), (&path, "longer than a path")] {
        let line = refused(zip(&[M::stored(name, "")]));
        assert!(line.contains(why) && line.len() < 500, "{line}");
    }
    assert!(refused(zip(&[M::stored(".", "x")])).contains("a directory that holds data"));
    assert!(refused(zip(&[M::stored("\x1b[2J/../\n", "x")])).contains(r#"member "\u{1b}[2J/../\n""#));
}

#[test]
fn one_name_twice() {
    let stored = |name: &str| M::stored(name, "");
    refused_member(&[stored("d/a"), stored("b"), stored("d/a")], "\"d/a\"", "two members");
    refused_member(&[stored("d/a"), stored("d//./a")], "\"d//./a\"", "two members");
    refused_member(&[stored("a"), M::link("a", "b")], "\"a\"", "two members");
    visit(&mount(zip(&[stored("d/"), stored("d/"), stored("d/x")])));
}

#[test]
fn files_and_links_as_directories() {
    let why = "is a directory and something else";
    refused_member(&[M::stored("a", ""), M::stored("a/b", "")], "\"a/b\"", why);
    refused_member(&[M::stored("a/b", ""), M::stored("a", "")], "\"a\"", why);
    refused_member(&[M::stored("a", ""), M::stored("a/", "")], "\"a/\"", why);
    refused_member(&[M::link("l", "/etc"), M::stored("l/passwd", "")], "\"l/passwd\"", why);
}

#[test]
fn what_cannot_be_read() {
    let m = || M::stored("m", "data");
    refused_member(&[M { flags: 1, ..m() }], "\"m\"", "encrypted");
    refused_member(&[M { flags: 1 << 13, ..m() }], "\"m\"", "encrypted");
    for method in [1, 9, 12, 14, 93, 99, u16::MAX] {
        refused_member(&[M { method, ..m() }], "\"m\"", &format!("compression method {method};"));
    }
    for kind in [0o010_000, 0o020_000, 0o060_000, 0o140_000, 0o170_000] {
        refused_member(&[m().mode(kind | 0o644)], "\"m\"", "neither a file");
    }
    refused_member(&[M::link("m", "t".repeat(4096))], "\"m\"", "target");
    refused_member(&[M { zip64: false, size: u32::MAX.into(), ..m() }], "\"m\"", "extra fields are damaged");
    refused_member(&[M { extra: b"xx\xff\0".to_vec(), ..m() }], "\"m\"", "extra fields are damaged");
}

#[test]
fn sizes_and_places_that_cannot_be_true() {
    let m = || M::stored("m", "data");
    refused_member(&[M { size: 5, ..m() }], "\"m\"", "differ");
    refused_member(&[M { name: b"d/".to_vec(), ..m() }], "\"d/\"", "directory that holds data");
    let bomb = M { zip64: true, size: 1 << 40, ..M::deflated("bomb", vec![0; 1 << 20]) };
    refused_member(&[bomb], "\"bomb\"", "too short to inflate");
    for (packed_size, header) in
        [(1 << 20, 0), (u64::MAX, 0), (4, 1 << 20), (4, u64::MAX), (u64::MAX - 10, 5), (1 << 63, 1 << 63)]
    {
        let far = M { zip64: true, size: packed_size, packed_size, header: Some(header), ..m() };
        refused_member(&[far], "\"m\"", "inside the archive");
    }
}

#[test]
fn members_that_overlap() {
    let why = "overlaps what follows";
    refused_member(&[M::stored("a", "data"), M { header: Some(0), ..M::stored("b", "data") }], "\"a\"", why);
    refused_member(&[M::stored("a", noise(100)), M { header: Some(50), ..M::stored("b", "") }], "\"a\"", why);
    refused_member(&[M::stored("a/", ""), M { header: Some(0), ..M::stored("b", "") }], "\"a\"", why);
    // One kernel that many members quote (the bomb of CVE-2019-13232).
    let kernel = M::deflated("k", vec![0; 100_000]);
    let quoted: Vec<M> = (0..50).map(|i| M { name: format!("k{i}").into_bytes(), header: Some(0), ..kernel.clone() }).collect();
    refused_member(&quoted, "\"k48\"", why);
    // A local header that is longer than the central directory knows shows when the member is read.
    let mut bytes = zip(&[M::stored("a", "data"), M::stored("b", "data")]);
    bytes[28] = 20;
    for fs in both(&bytes, &limits(100)) {
        assert_eq!((read(&fs, "a"), read(&fs, "b").unwrap()), (Err(Errno::EIO), b"data".to_vec()));
    }
}

#[test]
fn too_many_members() {
    let members: Vec<M> = (0..101).map(|i| M::stored(i.to_string(), "")).collect();
    assert!(refused(zip(&members)).contains("more than 100 members"));
    assert!(refused(Archive { count: Some(3), ..Archive::default() }.write(&members)).contains("more than 100 members"));
    assert!(refused(zip(&[M::stored("d/".repeat(101), "")])).contains("more than 100 members"), "implied ones count");
    let limits = Limits { zip_members: 101, ..Limits::default() };
    assert_eq!(ZipFs::from_bytes("t.zip", zip(&members), &limits).unwrap().nodes(), 102);
}

#[test]
fn what_is_no_archive() {
    assert_eq!(refused(vec![]), "evil.zip: not a zip archive");
    assert_eq!(refused(vec![b'x'; 200_000]), "evil.zip: not a zip archive");
    let good = zip(&[M::stored("a", "data")]);
    assert!(refused(good[..good.len() - 1].to_vec()).contains("cut short"));
    assert!(refused(Archive { disk: 1, ..Archive::default() }.write(&[])).contains("several files"));
    assert!(refused(Archive { count: Some(2), ..Archive::default() }.write(&[M::stored("a", "")])).contains("another number"));
    let count = Some(2);
    assert!(
        refused(Archive { zip64: true, count, ..Archive::default() }.write(&[M::stored("a", "")])).contains("another number")
    );
    let end = good.len() - 22;
    for (at, value) in [(end + 12, 1), (end + 14, 1), (end + 16, 1), (end + 18, 1), (end - 47, 1)] {
        let mut bad = good.clone();
        bad[at] = bad[at].wrapping_add(value);
        assert!(refused(bad).contains("central directory is damaged"), "{at}");
    }
    let mut bad = Archive { zip64: true, ..Archive::default() }.write(&[]);
    bad[0] = 0;
    assert!(refused(bad).contains("zip64 end record is missing"));
}

/// A little of everything.
fn sample() -> Vec<u8> {
    let members = [
        M::stored("dir/", "").mode(0o040_755),
        M::stored("dir/stored", "stored data"),
        M { extra: b"UT\x05\0\x01abcd".to_vec(), ..M::deflated("dir/deflated", vec![b'd'; 300]) },
        M { zip64: true, ..M::deflated("zip64", noise(200)) },
        M { descriptor: true, ..M::deflated("implied/descriptor", "a descriptor") },
        M::link("link", "dir/stored"),
        M::deflated("empty", ""),
    ];
    Archive { zip64: true, comment: b"comment".to_vec(), prefix: b"#!".to_vec(), ..Archive::default() }.write(&members)
}

fn visit_if_mounted(bytes: &[u8]) {
    for cache in [0, 1 << 20] {
        let limits = Limits { zip_cache: cache, zip_members: 1000, ..Limits::default() };
        if let Ok(fs) = ZipFs::from_bytes("t.zip", bytes.to_vec(), &limits) {
            visit(&fs);
        }
    }
}

#[test]
fn cut_anywhere_is_no_panic() {
    let bytes = sample();
    visit(&mount(bytes.clone()));
    for len in 0..bytes.len() {
        visit_if_mounted(&bytes[..len]);
        visit_if_mounted(&bytes[len..]);
    }
}

#[test]
fn every_byte_set_to_extremes_is_no_panic() {
    let bytes = sample();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bad = bytes.clone();
            bad[at] = value;
            visit_if_mounted(&bad);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes_are_no_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = sample();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        visit_if_mounted(&bytes);
    }

    #[test]
    fn spliced_archives_are_no_panic(cut in any::<prop::sample::Index>(), with in any::<prop::sample::Index>()) {
        let bytes = sample();
        let (head, tail) = (&bytes[..cut.index(bytes.len())], &bytes[with.index(bytes.len())..]);
        visit_if_mounted(&[head, tail].concat());
    }

    #[test]
    fn any_bytes_before_an_end_record_are_no_panic(head in prop::collection::vec(any::<u8>(), 0..200), size in 0u32..250, offset in 0u32..250) {
        let mut bytes = head;
        bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        bytes.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
        bytes.extend([0; 2]);
        visit_if_mounted(&bytes);
    }

    #[test]
    fn what_is_packed_is_read(files in prop::collection::btree_map("[a-c]/[a-z]{1,3}", prop::collection::vec(any::<u8>(), 0..2000), 0..20)) {
        let entries = files.iter().map(|(name, data)| pack::PackEntry::file(name.as_str(), data.clone()));
        let packed = mount(pack::pack(entries).unwrap());
        let members: Vec<M> = files.iter().map(|(name, data)| M::deflated(name, data)).collect();
        let deflated = mount(zip(&members));
        for (name, data) in &files {
            prop_assert_eq!(&read(&packed, name).unwrap(), data);
            prop_assert_eq!(&read(&deflated, name).unwrap(), data);
        }
    }
}

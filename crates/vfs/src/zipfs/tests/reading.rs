//! Contents: stored, inflated, streamed; shared and bounded.

use std::process::Command;

use super::pack::{PackEntry, PackError, pack};
use super::writer::{Archive, M, zip};
use super::*;

#[test]
fn stored_members_in_memory_are_not_copied() {
    let bytes = Bytes::from(zip(&[M::stored("a", "hello")]));
    let source: Arc<dyn ZipSource> = Arc::new(bytes.clone());
    let at = bytes.windows(5).position(|w| w == b"hello").unwrap();
    assert_eq!(source.slice(at as u64, 5).unwrap().as_ptr(), bytes[at..].as_ptr());
    assert_eq!(source.slice(bytes.len() as u64, 1), None);
    let fs = ZipFs::new(source, "t.zip", &limits(0)).unwrap();
    assert_eq!((read(&fs, "a").unwrap(), fs.inflated(), fs.cached()), (b"hello".to_vec(), 0, 0));
}

#[test]
fn positions_ends_and_attributes() {
    for method in [M::stored("f", "0123456789"), M::deflated("f", "0123456789")] {
        for fs in [0, 100].into_iter().flat_map(|cache| both(&zip(std::slice::from_ref(&method)), &limits(cache))) {
            let file = open(&fs, "f");
            for (offset, len, expected) in
                [(0, 4, "0123"), (8, 4, "89"), (3, 3, "345"), (10, 1, ""), (u64::MAX, 5, ""), (0, 0, "")]
            {
                let mut buf = vec![0; len];
                let n = file.read_at(&mut buf, offset).unwrap();
                assert_eq!(&buf[..n], expected.as_bytes());
            }
            let stat = file.stat().unwrap();
            assert_eq!((stat.size, stat.blocks, stat.nlink, stat.kind), (10, 1, 1, FileKind::File));
            assert_eq!(Ok(stat), fs.stat(&find(&fs, "f").unwrap()));
        }
    }
}

#[test]
fn the_cache_is_bounded_and_held_members_stay() {
    let members: Vec<M> = (0..50).map(|i| M::deflated(format!("{i}"), vec![i; 1000])).collect();
    for fs in both(&zip(&members), &limits(10_000)) {
        for i in 0..50u8 {
            assert_eq!(read(&fs, &i.to_string()).unwrap(), [i; 1000]);
            assert!(fs.cached() <= 10_000);
        }
        assert_eq!((fs.inflated(), fs.cached()), (50, 10_000));
        // Every open file holds what it reads: past the bound they stream.
        let files: Vec<_> = (0..50).map(|i| open(&fs, &i.to_string())).collect();
        for round in 0..2 {
            for (i, file) in (0..50u8).zip(&files) {
                assert_eq!(read_all(&**file).unwrap(), [i; 1000], "{round}");
                assert!(fs.cached() <= 10_000);
            }
        }
        drop(files);
        assert_eq!(fs.cached(), 10_000);
    }
}

#[test]
fn a_member_above_the_bound_is_streamed_with_seeks() {
    let data = noise(1_000_000);
    for fs in both(&zip(&[M::deflated("big", &data)]), &limits(999_999)) {
        let file = open(&fs, "big");
        assert_eq!(read_all(&*file).unwrap(), data);
        let mut buf = vec![0; 70_000];
        for offset in [999_990, 0, 65_530, 65_536, 65_535, 500_000, 499_999, 930_000, 1, 131_072] {
            let n = file.read_at(&mut buf, offset as u64).unwrap();
            assert_eq!(n, buf.len().min(data.len() - offset));
            assert!(buf[..n] == data[offset..offset + n], "{offset}");
        }
        assert_eq!((fs.inflated(), fs.cached()), (1, 0), "one stream, however often it starts again");
    }
}

#[test]
fn sizes_around_a_streams_chunk() {
    for len in [1, 65_535, 65_536, 65_537, 131_072, 131_073] {
        let data = noise(len);
        for fs in both(&zip(&[M::deflated("f", &data)]), &limits(0)) {
            assert!(read(&fs, "f").unwrap() == data, "{len}");
        }
    }
}

/// Whatever the cache's bound, the member `f` of `bytes` cannot be read, again and again; its attributes can.
fn assert_damaged(bytes: &[u8], caches: &[usize]) {
    for fs in caches.iter().flat_map(|&cache| both(bytes, &limits(cache))) {
        let file = open(&fs, "f");
        for _ in 0..2 {
            assert_eq!(read_all(&*file), Err(Errno::EIO));
            assert_eq!(read(&fs, "f"), Err(Errno::EIO));
        }
        assert!(fs.stat(&find(&fs, "f").unwrap()).is_ok());
        assert_eq!(fs.cached(), 0);
    }
}

#[test]
fn damage_is_eio() {
    let data = noise(200_000);
    for good in [M::stored("f", &data), M::deflated("f", &data)] {
        // A stored member above the bound is served unchecked, as the module says.
        let caches = if good.method == 0 { &[1 << 20][..] } else { &[0, 1 << 20] };
        assert_damaged(&zip(&[M { crc: good.crc ^ 1, ..good.clone() }]), caches);
        let mut flipped = good.clone();
        flipped.packed[1000] ^= 0x10;
        assert_damaged(&zip(&[flipped]), caches);
        assert_damaged(&zip(&[M { local_method: Some(8 - good.method), ..good.clone() }]), &[0, 1 << 20]);
        assert_damaged(&[b"xx", &zip(std::slice::from_ref(&good))[2..]].concat(), &[0, 1 << 20]);
    }
}

#[test]
fn a_streams_damaged_end_is_not_given_out() {
    let data = noise(200_000);
    let fs = ZipFs::from_bytes("t.zip", zip(&[M { crc: 0, ..M::deflated("f", &data) }]), &limits(0)).unwrap();
    let (file, mut buf) = (open(&fs, "f"), vec![0; 65_536]);
    for offset in [0, 65_536, 131_072] {
        assert_eq!(file.read_at(&mut buf, offset), Ok(65_536));
    }
    assert_eq!(file.read_at(&mut buf, 196_608), Err(Errno::EIO));
    assert_eq!(file.read_at(&mut buf, 0), Err(Errno::EIO), "it stays damaged");
}

#[test]
fn sizes_that_lie_are_eio() {
    let data = noise(100_000);
    for size in [99_999, 100_001, 65_536, 1] {
        let lie = M { size, ..M::deflated("f", &data) };
        let crc = crc32fast::hash(&data[..data.len().min(size as usize)]);
        for fs in [0, 1 << 20].into_iter().flat_map(|cache| both(&zip(&[M { crc, ..lie.clone() }]), &limits(cache))) {
            assert_eq!(read(&fs, "f"), Err(Errno::EIO), "{size}");
        }
    }
    let short = M::deflated("f", &data);
    let cut = M { packed: short.packed[..5000].to_vec(), packed_size: 5000, ..short };
    for fs in [0, 1 << 20].into_iter().flat_map(|cache| both(&zip(std::slice::from_ref(&cut)), &limits(cache))) {
        assert_eq!(read(&fs, "f"), Err(Errno::EIO));
    }
}

#[test]
fn a_file_that_is_cut_while_mounted_is_eio() {
    let bytes = zip(&[M::stored("s", noise(5000)), M::deflated("d", noise(5000))]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let fs = ZipFs::from_file("t.zip", file.try_clone().unwrap(), &Limits::default()).unwrap();
    file.set_len(100).unwrap();
    assert_eq!((read(&fs, "s"), read(&fs, "d")), (Err(Errno::EIO), Err(Errno::EIO)));
    file.set_len(0).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.write_all(&bytes).unwrap();
    assert_eq!(
        (read(&fs, "s").unwrap(), read(&fs, "d").unwrap()),
        (noise(5000), noise(5000)),
        "what the host gives back is read"
    );
}

#[test]
fn two_threads_read_one_archive() {
    let members: Vec<M> = (0..20).map(|i| M::deflated(format!("{i}"), noise(30_000 + i))).collect();
    for (cache, each_once) in [(1 << 20, true), (100_000, false), (0, false)] {
        for fs in both(&zip(&members), &limits(cache)) {
            let shared = open(&fs, "0");
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        for i in 0..20 {
                            assert!(read(&fs, &i.to_string()).unwrap() == noise(30_000 + i));
                            assert!(read_all(&*shared).unwrap() == noise(30_000));
                        }
                    });
                }
            });
            assert!(fs.cached() <= cache);
            assert!(!each_once || fs.inflated() == 20, "{}", fs.inflated());
        }
    }
}

#[test]
fn members_of_more_than_four_gigabytes_and_behind_them() {
    let gap = 5u64 << 30;
    let big = M { zip64: true, size: gap, packed_size: gap, crc: 0, ..M::stored("big", "") };
    let at = 30 + 3 + 20;
    let after = M { zip64: true, header: Some(gap + at), ..M::deflated("after", "behind it") };
    let bytes = Archive { zip64: true, gap, ..Archive::default() }.write(&[big, after]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes[..at as usize]).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(gap + at)).unwrap();
    file.write_all(&bytes[at as usize..]).unwrap();
    let fs = ZipFs::from_file("t.zip", file, &Limits::default()).unwrap();
    assert_eq!(read(&fs, "after").unwrap(), b"behind it");
    let (big, mut buf) = (open(&fs, "big"), [1; 10]);
    assert_eq!((big.read_at(&mut buf, gap - 7), &buf[..7]), (Ok(7), &[0; 7][..]));
    assert_eq!(big.stat().unwrap().size, gap);
}

#[test]
fn packing_is_deterministic_and_mounts() {
    let link = PackEntry { mode: 0o120_777, ..PackEntry::file("b/link", "é") };
    let dir = PackEntry { mode: 0o700, ..PackEntry::file("empty/", "") };
    let entries = [PackEntry::file("b/é", "x"), PackEntry { mode: 0o755, ..PackEntry::file("a", "hello") }, link, dir];
    let bytes = pack(entries.clone()).unwrap();
    assert_eq!(bytes, pack(entries.into_iter().rev()).unwrap());
    let fs = mount(bytes);
    assert_eq!(list(&fs, "").iter().map(|e| &*e.0).collect::<Vec<_>>(), ["a", "b", "empty"]);
    let stat = |name| fs.stat(&find(&fs, name).unwrap()).unwrap();
    assert_eq!((stat("a").mode, stat("empty").mode, stat("b/é").mtime.sec), (0o755, 0o700, 315_532_800));
    assert_eq!((read(&fs, "a").unwrap(), read(&fs, "b/é").unwrap()), (b"hello".to_vec(), b"x".to_vec()));
    assert_eq!(fs.read_link(&find(&fs, "b/link").unwrap()).unwrap(), "é".as_bytes());
    for bad in ["", "/a", "a//b", "../a", "a/./b", "a\0b", "a\\b", "a//"] {
        assert!(matches!(pack([PackEntry::file(bad, "")]), Err(PackError::Name(_))), "{bad}");
    }
    let twice = pack([PackEntry::file("a", "1"), PackEntry::file("a", "2")]).unwrap_err();
    assert_eq!(twice.to_string(), "cannot pack \"a\": there are two entries of that name");
    for (below, of) in [("a/b", "a"), ("a/b/c/", "a/b"), ("a/", "a")] {
        let error = pack([PackEntry::file(below, ""), PackEntry::file("a-", ""), PackEntry::file(of, "")]).unwrap_err();
        assert!(matches!(error, PackError::FileAsDirectory(_) | PackError::Duplicate(_)), "{below} {of} {error}");
    }
    assert!(pack([PackEntry::file("a/b", ""), PackEntry::file("a/", "")]).is_ok());
}

fn python(script: &str, dir: &std::path::Path) -> String {
    let out = Command::new("python3").args(["-c", script]).current_dir(dir).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn an_archive_that_python_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let script = r#"
import zipfile, sys
with open("p.zip", "wb") as f:
    f.write(b"a prefix, as in a self-extracting archive")
with zipfile.ZipFile("p.zip", "a", zipfile.ZIP_DEFLATED) as z:
    z.comment = b"a comment"
    with z.open("big/zip64.txt", "w", force_zip64=True) as f:
        f.write(b"0123456789" * 100000)
    z.writestr("stored", b"as it is", zipfile.ZIP_STORED)
    z.writestr("ü/ß", "text")
    link = zipfile.ZipInfo("link", (2024, 12, 31, 12, 0, 0))
    link.create_system, link.external_attr = 3, 0o120777 << 16
    z.writestr(link, "big/zip64.txt")
    exe = zipfile.ZipInfo("bin/run")
    exe.external_attr = 0o100755 << 16
    z.writestr(exe, "run")
    z.mkdir("dir", 0o711) if hasattr(z, "mkdir") else z.writestr("dir/", "")
"#;
    python(script, dir.path());
    let fs = ZipFs::from_file("p.zip", File::open(dir.path().join("p.zip")).unwrap(), &Limits::default()).unwrap();
    assert_eq!(read(&fs, "big/zip64.txt").unwrap(), b"0123456789".repeat(100_000));
    assert_eq!(read(&fs, "stored").unwrap(), b"as it is");
    assert_eq!(read(&fs, "ü/ß").unwrap(), b"text");
    let link = find(&fs, "link").unwrap();
    assert_eq!(fs.read_link(&link).unwrap(), b"big/zip64.txt");
    assert_eq!(fs.stat(&link).unwrap().mtime.sec, 1_735_646_400);
    assert_eq!(fs.stat(&find(&fs, "bin/run").unwrap()).unwrap().mode, 0o755);
    assert_eq!(list(&fs, "dir"), []);
    visit(&fs);
}

#[test]
fn python_reads_what_is_packed() {
    let dir = tempfile::tempdir().unwrap();
    let many = (0..70_000).map(|i| PackEntry::file(format!("d/{i}"), i.to_string()));
    std::fs::write(dir.path().join("p.zip"), pack(many.chain([PackEntry::file("é.txt", "text")])).unwrap()).unwrap();
    let script = r#"
import zipfile
z = zipfile.ZipFile("p.zip")
print(len(z.infolist()), z.read("d/69999").decode(), z.read("é.txt").decode(), z.getinfo("d/0").date_time, oct(z.getinfo("d/0").external_attr >> 16))
"#;
    assert_eq!(python(script, dir.path()), "70001 69999 text (1980, 1, 1, 0, 0, 0) 0o100644\n");
}

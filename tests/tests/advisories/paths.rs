//! Paths that must not lead out: slashes at their end, links of the guest's own making, names that change on the way.

use std::os::unix::fs::symlink;
use std::path::Path;

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::{Errno, NodeRef};
use stratafs_conformance::real::scratch;
use stratafs_conformance::tree::{Item, TREE};
use stratafs_tests::backends::over;

use crate::guest::{ABIS, Abi, Guest, How, everywhere};

/// What lies outside: a directory with a file that tells what it is, and its state.
struct Outside(tempfile::TempDir);

impl Outside {
    fn new() -> Self {
        let dir = scratch().unwrap();
        std::fs::write(dir.path().join("canary"), "OUTSIDE").unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        Outside(dir)
    }

    fn state(&self) -> Vec<String> {
        use std::os::unix::fs::MetadataExt;
        let mut todo = vec![self.0.path().to_path_buf()];
        let mut state = Vec::new();
        while let Some(path) = todo.pop() {
            let meta = path.symlink_metadata().unwrap();
            let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
            state.push(format!("{} {} {:o} {} {} {times:?}", path.display(), meta.ino(), meta.mode(), meta.nlink(), meta.len()));
            if meta.is_dir() {
                todo.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        state.sort();
        state
    }

    fn inos(&self) -> Vec<u64> {
        use std::os::unix::fs::MetadataExt;
        ["", "canary", "sub"].map(|name| self.0.path().join(name).metadata().unwrap().ino()).to_vec()
    }
}

/// Links that lead out, in a directory of the host.
fn plant(dir: &Path, outside: &Outside) {
    let out = outside.0.path().to_str().unwrap();
    let up = format!("{}{}", "../".repeat(12), &out[1..]);
    for (name, target) in [
        ("abs", out.to_owned()),
        ("abs-slash", format!("{out}/")),
        ("rel", up.clone()),
        ("rel-slash", format!("{up}//")),
        ("file", format!("{out}/canary")),
        ("file-slash", format!("{out}/canary/")),
        ("new", format!("{up}/made")),
        ("new-slash", format!("{up}/made/")),
        ("chain", "rel-slash/".to_owned()),
    ] {
        symlink(target, dir.join(name)).unwrap();
    }
    std::fs::create_dir(dir.join("dir")).unwrap();
    std::fs::write(dir.join("mine"), "inside").unwrap();
}

const LINKS: [&str; 9] = ["abs", "abs-slash", "rel", "rel-slash", "file", "file-slash", "new", "new-slash", "chain"];

/// Every call with a path, on `path`.
fn every_call(guest: &mut Guest, path: &str, inos: &[u64]) {
    for create in [false, true] {
        for truncate in [false, true] {
            for (write, nofollow, directory) in
                [(false, false, false), (true, false, false), (true, true, false), (false, false, true)]
            {
                if let Ok(fd) = guest.open(path, How { write, create, truncate, directory, nofollow }) {
                    if let Ok(read) = guest.read(fd, 64) {
                        assert!(!read.starts_with(b"OUTSIDE"), "{path} reads what lies outside");
                    }
                    if write {
                        let _ = guest.write(fd, b"overwritten");
                    }
                    guest.close(fd).unwrap();
                }
            }
        }
    }
    for follow in [true, false] {
        if let Ok(ino) = guest.ino(path, follow) {
            assert!(!inos.contains(&ino), "{path} shows what lies outside");
        }
        let _ = guest.utimes(path, 7, follow);
        let _ = guest.link(path, "linked", follow);
        let _ = guest.unlink("linked");
        let _ = guest.link("mine", path, follow);
    }
    let _ = guest.readlink(path);
    let _ = guest.mkdir(path);
    let _ = guest.symlink("/etc/passwd", path);
    let _ = guest.rename(path, "moved");
    let _ = guest.rename("moved", path);
    let _ = guest.rename("mine", path);
    let _ = guest.rename("dir", path);
    let _ = guest.rmdir(path);
    let _ = guest.unlink(path);
}

/// A guest on a writable host directory with those links, or over a read-only one.
fn caged(abi: Abi, outside: &Outside, overlaid: bool) -> (Guest, tempfile::TempDir) {
    let dir = scratch().unwrap();
    plant(dir.path(), outside);
    let host = HostFs::open(dir.path(), HostOptions { writable: !overlaid, ..HostOptions::default() }).unwrap();
    let root = NodeRef::root_of(&host);
    let root = if overlaid { NodeRef::root_of(&over(vec![root])) } else { root };
    (Guest::over(abi, root), dir)
}

#[test]
fn ghsa_vqjp_4c8c_hfgg_a_slash_behind_a_link_follows_it_nowhere_outside() {
    let outside = Outside::new();
    let (before, inos) = (outside.state(), outside.inos());
    for abi in ABIS {
        for overlaid in [false, true] {
            for link in LINKS {
                for tail in ["/", "//", "/.", "/./", "/..", "/../", "", "/canary", "/sub/", "/made", "/made/"] {
                    let (mut guest, _dir) = caged(abi, &outside, overlaid);
                    every_call(&mut guest, &format!("{link}{tail}"), if overlaid { &[] } else { &inos });
                }
            }
            assert_eq!(outside.state(), before, "{abi:?}, overlaid: {overlaid}");
        }
    }
}

#[test]
fn ghsa_m9f7_9w4p_gv38_a_slash_in_a_rename_needs_a_directory() {
    everywhere(TREE, |guest, on| {
        let (link, file, missing) = ("dirlink", "etc/motd", "new");
        for slash in ["/", "//", "/."] {
            let with = |path: &str| format!("{path}{slash}");
            let refused = |answer: Result<u64, Errno>| {
                assert!(
                    matches!(answer, Err(Errno::ENOTDIR | Errno::EBUSY | Errno::EINVAL | Errno::ENOENT)),
                    "{on}: {slash}: {answer:?}"
                );
            };
            refused(guest.rename(&with(link), missing));
            refused(guest.rename(&with(file), missing));
            refused(guest.rename(link, &with(missing)));
            refused(guest.rename(file, &with(missing)));
            refused(guest.rename(file, &with(link)));
            refused(guest.rename("full", &with(link)));
            refused(guest.rename(&with("link"), missing));
        }
        assert_eq!(guest.readlink(link).unwrap(), b"etc", "{on}: the link is where it was");
        assert_eq!(guest.contents("dirlink/motd").unwrap(), b"hello\n", "{on}");
        // A real directory may have them on both sides.
        assert_eq!(guest.rename("empty//", "emptied//"), Ok(0), "{on}");
        assert!(guest.stat("emptied", false).is_ok() && guest.stat("empty", false).is_err(), "{on}");
    });
    let outside = Outside::new();
    let before = outside.state();
    for abi in ABIS {
        for link in LINKS {
            let (mut guest, dir) = caged(abi, &outside, false);
            for (old, new) in [
                (format!("{link}/"), "moved".to_owned()),
                ("dir".to_owned(), format!("{link}/")),
                (format!("{link}/"), "dir/".to_owned()),
            ] {
                assert!(guest.rename(&old, &new).is_err(), "{abi:?}: {old} to {new}");
            }
            assert!(dir.path().join(link).symlink_metadata().unwrap().is_symlink());
        }
        assert_eq!(outside.state(), before);
    }
}

#[test]
fn ghsa_55f3_3qvg_8pv5_cve_2024_38358_creating_through_a_link_that_leads_out() {
    let outside = Outside::new();
    let (before, inos) = (outside.state(), outside.inos());
    for abi in ABIS {
        let dir = scratch().unwrap();
        let options = HostOptions { writable: true, ..HostOptions::default() };
        let mut guest = Guest::over(abi, NodeRef::root_of(&HostFs::open(dir.path(), options).unwrap()));
        let out = outside.0.path().to_str().unwrap();
        let targets = [
            format!("{}{}", "../".repeat(12), &out[1..]),
            out.to_owned(),
            format!("{out}/"),
            format!("{out}/canary"),
            format!("{out}/made"),
        ];
        for (n, target) in targets.iter().enumerate() {
            // The guest makes the link itself; that alone neither fails nor harms.
            let link = format!("link{n}");
            guest.symlink(target, &link).unwrap();
            assert_eq!(guest.readlink(&link).unwrap(), target.as_bytes());
            for path in [link.clone(), format!("{link}/made"), format!("{link}/canary"), format!("{link}/")] {
                for (create, truncate) in [(true, false), (true, true), (false, true)] {
                    if let Ok(fd) = guest.open(&path, How { write: true, create, truncate, ..How::default() }) {
                        guest.write(fd, b"escaped").unwrap();
                        guest.close(fd).unwrap();
                    }
                }
                assert!(guest.ino(&path, true).map_or(true, |ino| !inos.contains(&ino)), "{path}");
            }
        }
        assert_eq!(outside.state(), before, "{abi:?}");
    }
}

#[test]
fn uvwasi_299_the_target_of_a_link_is_kept_and_following_it_is_what_is_checked() {
    everywhere(TREE, |guest, on| {
        for target in ["/etc/motd", "../../../../etc/motd", "..", "/", "nowhere", "a\\b", "etc/motd/"] {
            guest.symlink(target, "made").unwrap();
            assert_eq!(guest.readlink("made").unwrap(), target.as_bytes(), "{on}");
            guest.unlink("made").unwrap();
        }
        assert_eq!(guest.symlink("", "made"), Err(Errno::ENOENT), "{on}");
    });
    // Below a descriptor that is not the guest's root, no link leads out of it.
    let running = stratafs_tests::backends::Backend::Memory.on_layers(TREE).unwrap();
    let mut guest = Guest::on(Abi::Wasi, &running);
    let etc = guest.open("etc", How::default()).unwrap();
    for target in ["/etc/motd", "../bin/tool", "../etc/motd", ".."] {
        let (to, name, out) = (guest.put(target), guest.put("made"), guest.alloc(64));
        assert_eq!(guest.call("path_symlink", &[to, target.len() as u64, etc, name, 4]), Ok(0));
        assert_eq!(guest.call("path_filestat_get", &[etc, 1, name, 4, out]), Err(Errno::EPERM), "{target}");
        assert_eq!(guest.call("path_filestat_get", &[etc, 0, name, 4, out]), Ok(0), "{target}");
        assert_eq!(guest.call("path_unlink_file", &[etc, name, 4]), Ok(0));
    }
}

#[test]
fn node_c6c0a74_uvwasi_dotdot_is_resolved_by_what_is_there_and_not_by_the_text() {
    const LINKED: &[Item] = &[
        Item::Dir { path: "deep", mode: 0o755 },
        Item::Dir { path: "deep/a", mode: 0o755 },
        Item::File { path: "deep/here", bytes: "deep", mode: 0o644 },
        Item::File { path: "here", bytes: "root", mode: 0o644 },
        Item::Symlink { path: "link", target: "deep/a" },
    ];
    everywhere(LINKED, |guest, on| {
        assert_eq!(guest.contents("link/../here").unwrap(), b"deep", "{on}");
        assert_eq!(guest.contents("deep/a/../../here").unwrap(), b"root", "{on}");
        assert_eq!(guest.contents("missing/../here"), Err(Errno::ENOENT), "{on}");
        assert_eq!(guest.contents("here/../here"), Err(Errno::ENOTDIR), "{on}");
        assert_eq!(guest.contents("../../../here").unwrap(), b"root", "{on}");
    });
}

#[test]
fn wazero_2321_node_c6c0a74_a_directory_swapped_for_a_link_meanwhile() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let outside = Outside::new();
    for abi in ABIS {
        let dir = scratch().unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::fs::write(dir.path().join("real/canary"), "inside").unwrap();
        symlink(outside.0.path(), dir.path().join("evil")).unwrap();
        let options = HostOptions { writable: true, ..HostOptions::default() };
        let mut guest = Guest::over(abi, NodeRef::root_of(&HostFs::open(dir.path(), options).unwrap()));
        let done = AtomicBool::new(false);
        let (mut inside, mut tries) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let at = |name: &str| dir.path().join(name);
                while !done.load(Ordering::Relaxed) {
                    // Always under one of the two names that the guest tries.
                    std::fs::rename(at("real"), at("shown")).unwrap();
                    std::fs::rename(at("shown"), at("real")).unwrap();
                    std::fs::rename(at("evil"), at("shown")).unwrap();
                    std::fs::rename(at("shown"), at("evil")).unwrap();
                }
            });
            while tries < 30_000 || (inside < 20 && tries < 300_000) {
                tries += 1;
                if let Ok(read) = guest.contents("shown/canary") {
                    assert_eq!(read, b"inside");
                    inside += 1;
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert!(inside > 0, "{abi:?}: the race was never met in {tries} tries");
    }
}

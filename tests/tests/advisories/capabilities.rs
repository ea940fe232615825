//! What one descriptor or mount may do, another may not.

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::zipfs::ZipFs;
use stratafs::{Errno, Limits, Namespace, NodeRef, Tree};
use stratafs_conformance::real::scratch;
use stratafs_conformance::tree::{self, Item};
use stratafs_tests::backends::{memory, over};

use crate::guest::{ABIS, Abi, Guest, How, ROOT};

const FILE: &[Item] = &[
    Item::File { path: "file", bytes: "precious", mode: 0o644 },
    Item::Dir { path: "dir", mode: 0o755 },
    Item::File { path: "dir/file", bytes: "precious", mode: 0o644 },
];

/// Read-only layers of every kind, whether the mount has to say so, and the host directory that they need.
fn read_only() -> (tempfile::TempDir, [(&'static str, NodeRef, bool); 5]) {
    let dir = scratch().unwrap();
    tree::plant_on_host(dir.path(), FILE).unwrap();
    let host = NodeRef::root_of(&HostFs::open(dir.path(), HostOptions::default()).unwrap());
    let alone = HostFs::single_file(&dir.path().join("file"), HostOptions::default()).unwrap();
    let zip = ZipFs::from_bytes("file.zip", tree::zip(FILE).unwrap(), &Limits::default()).unwrap();
    let layers = [
        ("host", host, false),
        ("single file", NodeRef::root_of(&alone), false),
        ("zip", NodeRef::root_of(&zip), false),
        ("memory mounted read-only", memory(FILE), true),
        ("overlay mounted read-only", NodeRef::root_of(&over(vec![memory(FILE)])), true),
    ];
    (dir, layers)
}

#[test]
fn ghsa_2r75_cxrj_cmph_truncating_is_writing() {
    for abi in ABIS {
        let (_held, layers) = read_only();
        for (what, layer, mounted_read_only) in layers {
            let mut ns = Namespace::new(memory(&[]), &Limits::default());
            ns.mount(b"/ro", layer, mounted_read_only).unwrap();
            let mut guest = Guest::at(abi, ns);
            for write in [false, true] {
                for create in [false, true] {
                    let how = How { truncate: true, write, create, ..How::default() };
                    assert_eq!(guest.open("ro/file", how), Err(Errno::EROFS), "{what}, {abi:?}: {how:?}");
                }
            }
            assert_eq!(guest.open("ro/new", How { create: true, ..How::default() }), Err(Errno::EROFS), "{what}, {abi:?}");
            assert_eq!(guest.contents("ro/file").unwrap(), b"precious", "{what}, {abi:?}");
        }
    }
}

#[test]
fn ghsa_2r75_cxrj_cmph_a_directory_without_the_right_cuts_nothing() {
    let mut guest = Guest::at(Abi::Wasi, Namespace::new(memory(FILE), &Limits::default()));
    let set_size = 1 << 19;
    let create = 1 << 10;
    let (path, out) = (guest.put("file"), guest.alloc(24));
    assert_eq!(guest.call("fd_fdstat_get", &[ROOT, out]), Ok(0));
    let now = |at: usize| u64::from_le_bytes(guest.memory[out as usize + at..][..8].try_into().unwrap());
    let (base, inheriting) = (now(8) & !set_size & !create, now(16) & !crate::guest::FD_WRITE);
    assert_eq!(guest.call("fd_fdstat_set_rights", &[ROOT, base, inheriting]), Ok(0));
    for rights in [crate::guest::FD_READ, crate::guest::FD_READ | crate::guest::FD_WRITE] {
        for oflags in [8, 1 | 8, 1] {
            let answer = guest.call("path_open", &[ROOT, 1, path, 4, oflags, rights, 0, 0, out]);
            assert_eq!(answer, Err(Errno::ENOTCAPABLE), "rights {rights:#x}, oflags {oflags}");
        }
    }
    // What may only be read cannot be written by another name either.
    assert_eq!(guest.call("path_open", &[ROOT, 1, path, 4, 0, crate::guest::FD_WRITE, 0, 0, out]), Err(Errno::ENOTCAPABLE));
    assert_eq!(guest.contents_with_read_rights("file"), b"precious");
}

impl Guest {
    fn contents_with_read_rights(&mut self, path: &str) -> Vec<u8> {
        let (at, out) = (self.put(path), self.alloc(4));
        let args = [ROOT, 1, at, path.len() as u64, 0, crate::guest::FD_READ, 0, 0, out];
        self.call("path_open", &args).unwrap();
        let fd = u32::from_le_bytes(self.memory[out as usize..][..4].try_into().unwrap());
        self.read(fd.into(), 64).unwrap()
    }
}

#[test]
fn ghsa_4ch3_9j33_3pmj_rustsec_2026_0188_no_file_moves_out_of_a_read_only_mount() {
    for abi in ABIS {
        let dir = scratch().unwrap();
        tree::plant_on_host(dir.path(), FILE).unwrap();
        let host = |writable| {
            let options = HostOptions { writable, ..HostOptions::default() };
            NodeRef::root_of(&HostFs::open(dir.path(), options).unwrap())
        };
        let one = memory(FILE);
        let layered = NodeRef::root_of(&over(vec![memory(FILE)]));
        let both_ways = host(true);
        for (what, ro, mounted_read_only, rw) in [
            ("one memory layer", one.clone(), true, one),
            ("one overlay", layered.clone(), true, layered),
            ("one host directory", both_ways.clone(), true, both_ways),
            ("two mounts of a host directory", host(false), false, host(true)),
        ] {
            let mut ns = Namespace::new(memory(&[]), &Limits::default());
            ns.mount(b"/ro", ro, mounted_read_only).unwrap();
            ns.mount(b"/rw", rw, false).unwrap();
            let mut guest = Guest::at(abi, ns);
            for from in ["ro/file", "ro/dir/file", "rw/../ro/file"] {
                for to in ["rw/new", "rw/dir/new", "rw/file"] {
                    let linked = guest.link(from, to, false);
                    assert!(matches!(linked, Err(Errno::EXDEV | Errno::EEXIST)), "{what}, {abi:?}: link {linked:?}");
                    assert_eq!(guest.rename(from, to), Err(Errno::EXDEV), "{what}, {abi:?}");
                }
            }
            for (from, to) in [("rw/file", "ro/new"), ("ro/file", "ro/new")] {
                let linked = guest.link(from, to, false);
                assert!(matches!(linked, Err(Errno::EROFS | Errno::EXDEV)), "{what}, {abi:?}: {linked:?}");
                let moved = guest.rename(from, to);
                assert!(matches!(moved, Err(Errno::EROFS | Errno::EXDEV)), "{what}, {abi:?}: {moved:?}");
            }
            guest.symlink("../ro/file", "rw/name").unwrap();
            for path in ["rw/name", "ro/file", "ro/dir/file"] {
                for how in [How { write: true, ..How::default() }, How { truncate: true, ..How::default() }] {
                    assert_eq!(guest.open(path, how), Err(Errno::EROFS), "{what}, {abi:?}: {path}");
                }
                assert_eq!(guest.contents(path).unwrap(), b"precious", "{what}, {abi:?}");
            }
            guest.unlink("rw/name").unwrap();
        }
    }
}

#[test]
fn ghsa_4mq4_7rw3_vm5j_cve_2023_51661_without_a_layer_nothing_of_the_host_is_there() {
    let marker = format!("stratafs-{}-made-by-a-guest", std::process::id());
    let before = std::env::current_dir().unwrap();
    for abi in ABIS {
        let ns = Tree::new(Limits::default()).build().unwrap();
        let mut guest = Guest::at(abi, ns);
        let here = before.to_str().unwrap();
        for path in
            [marker.clone(), format!("./{marker}"), format!("../{marker}"), format!("{here}/{marker}"), format!("/tmp/{marker}")]
        {
            if let Ok(fd) = guest.open(&path, How { write: true, create: true, ..How::default() }) {
                guest.write(fd, b"x").unwrap();
                guest.close(fd).unwrap();
            }
            let _ = guest.mkdir(&format!("{path}-dir"));
            let _ = guest.symlink("/etc/passwd", &format!("{path}-link"));
        }
        assert_eq!(guest.contents(&marker).unwrap(), b"x", "it is in memory");
        for path in ["/etc/passwd", "/etc/hostname", &format!("{here}/Cargo.toml"), "/proc/1/environ", "/proc/self/exe"] {
            assert!(guest.stat(path, true).is_err(), "{path}");
        }
        let host = [before.clone(), before.join(".."), std::path::PathBuf::from("/tmp"), std::path::PathBuf::from("/")];
        for dir in host {
            for name in [marker.clone(), format!("{marker}-dir"), format!("{marker}-link")] {
                assert!(!dir.join(&name).exists(), "{}: {name}", dir.display());
            }
        }
    }
}

//! The descriptor table.

use std::collections::BTreeMap;

use stratafs::{Errno, Fd, Limits, Namespace};
use stratafs_conformance::tree::Item;
use stratafs_tests::backends::{Backend, Kind, memory};

use crate::guest::{ABIS, Abi, Guest, How, ROOT, WRITABLE};

/// Files that tell which one is read.
const FILES: &[Item] = &[
    Item::File { path: "0", bytes: "0", mode: 0o644 },
    Item::File { path: "1", bytes: "1", mode: 0o644 },
    Item::File { path: "2", bytes: "2", mode: 0o644 },
    Item::File { path: "3", bytes: "3", mode: 0o644 },
];

/// Numbers that follow from a seed: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// What a number stands for in the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    File(u8),
    Directory,
    Stream,
}

fn lowest_free(table: &BTreeMap<u64, Open>) -> u64 {
    (0..).find(|n| !table.contains_key(n)).unwrap()
}

/// Moves descriptors about as the ABI can: `fd_renumber` closes the old number, `dup3` keeps it and wants another one.
fn renumber(guest: &mut Guest, table: &mut BTreeMap<u64, Open>, from: u64, to: u64) {
    match guest.abi {
        Abi::Wasi => {
            let both = table.contains_key(&from) && table.contains_key(&to);
            assert_eq!(guest.call("fd_renumber", &[from, to]), if both { Ok(0) } else { Err(Errno::EBADF) });
            if both && from != to {
                let moved = table.remove(&from).unwrap();
                table.insert(to, moved);
            }
        }
        Abi::Emscripten => {
            let expected = match table.get(&from) {
                _ if from == to => Err(Errno::EINVAL),
                None => Err(Errno::EBADF),
                Some(_) => Ok(to),
            };
            assert_eq!(guest.call("__syscall_dup3", &[from, to, 0]), expected);
            if expected.is_ok() {
                table.insert(to, table[&from]);
            }
        }
    }
}

/// Moves `from` over the preopened directory, and a copy of that back to where it was.
fn over_the_preopen(guest: &mut Guest, table: &mut BTreeMap<u64, Open>, from: u64) {
    let copy = guest.process.dup(Fd::new(ROOT as u32), Fd::new(20), false).unwrap();
    let copy = u64::from(copy.raw());
    table.insert(copy, Open::Directory);
    renumber(guest, table, from, ROOT);
    renumber(guest, table, copy, ROOT);
    // WASI's has moved it, POSIX's has left it there too.
    if table.remove(&copy).is_some() {
        guest.close(copy).unwrap();
    }
}

#[test]
fn ghsa_fm79_3f68_h2fc_cve_2025_53901_fd_renumber_keeps_the_table_whole() {
    for backend in [Backend::Memory, Backend::Host, Backend::Over(Kind::Memory, Kind::Memory)] {
        for abi in ABIS {
            let running = backend.on_layers(FILES).unwrap();
            let mut guest = Guest::on(abi, &running);
            let mut table: BTreeMap<u64, Open> = (0..3).map(|n| (n, Open::Stream)).chain([(ROOT, Open::Directory)]).collect();
            let mut dice = Dice(0x5eed_0001);
            for step in 0..20_000 {
                let (one, other) = (dice.below(12), dice.below(12));
                match dice.below(4) {
                    0 if table.len() < 16 => {
                        let file = u8::try_from(dice.below(4)).unwrap();
                        let free = lowest_free(&table);
                        assert_eq!(guest.open(&file.to_string(), How::default()), Ok(free), "step {step}");
                        table.insert(free, Open::File(file));
                    }
                    1 if one != ROOT => {
                        let expected = table.remove(&one).map(|_| 0).ok_or(Errno::EBADF);
                        assert_eq!(guest.close(one), expected, "step {step}: close {one}");
                    }
                    2 => renumber(&mut guest, &mut table, one, one),
                    3 if other == ROOT => over_the_preopen(&mut guest, &mut table, one),
                    _ if one != ROOT && other != ROOT => renumber(&mut guest, &mut table, one, other),
                    _ => {}
                }
                if step % 16 == 0 {
                    check(&mut guest, &table, step);
                }
            }
            check(&mut guest, &table, 20_000);
        }
    }
}

/// Every number is what the model says.
fn check(guest: &mut Guest, table: &BTreeMap<u64, Open>, step: u32) {
    let open: Vec<u64> = guest.process.open_fds().map(|fd| fd.raw().into()).collect();
    assert_eq!(open, table.keys().copied().collect::<Vec<_>>(), "step {step}");
    for (&fd, &what) in table {
        let mut byte = [0];
        let read = guest.process.pread(Fd::new(fd as u32), &mut stratafs::OneBuf(&mut byte), 0);
        match what {
            Open::File(file) => assert_eq!((read, byte), (Ok(1), [b'0' + file]), "step {step}: {fd}"),
            Open::Directory => assert_eq!(read, Err(Errno::EISDIR), "step {step}: {fd}"),
            Open::Stream => assert_eq!(read, Err(Errno::ESPIPE), "step {step}: {fd}"),
        }
    }
}

/// Descriptors of this program that lie in `dir`.
fn held_in(dir: &str) -> usize {
    let mine = std::fs::read_dir("/proc/self/fd").unwrap();
    mine.filter(|fd| {
        let to = std::fs::read_link(fd.as_ref().unwrap().path());
        to.is_ok_and(|to| to.to_string_lossy().starts_with(dir))
    })
    .count()
}

#[test]
fn ghsa_3p27_qvp9_27qf_a_replaced_descriptor_is_closed() {
    for abi in ABIS {
        let dir = stratafs_conformance::real::scratch().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let options = stratafs::hostfs::HostOptions { writable: true, ..Default::default() };
        let host = stratafs::hostfs::HostFs::open(dir.path(), options).unwrap();
        let mut guest = Guest::over(abi, stratafs::NodeRef::root_of(&host));
        let fixed = guest.open("file", How::default()).unwrap();
        let shown = dir.path().canonicalize().unwrap().display().to_string();
        let before = held_in(&shown);
        let rounds = 1_000_000;
        for round in 0..rounds {
            let fd = guest.open("file", How::default()).unwrap();
            match abi {
                Abi::Wasi => assert_eq!(guest.call("fd_renumber", &[fd, fixed]), Ok(0)),
                Abi::Emscripten => {
                    assert_eq!(guest.call("__syscall_dup3", &[fd, fixed, 0]), Ok(fixed));
                    guest.close(fd).unwrap();
                }
            }
            if round % 100_000 == 0 {
                assert!(held_in(&shown) <= before + 1, "{abi:?}, round {round}");
            }
        }
        assert!(held_in(&shown) <= before + 1, "{abi:?}");
        assert_eq!(guest.process.open_fds().count(), 5);
        drop(guest);
        drop(host);
        assert_eq!(held_in(&shown), 0, "{abi:?}");
    }
}

#[test]
fn ghsa_3p27_qvp9_27qf_memory_of_a_replaced_file_comes_back() {
    for abi in ABIS {
        let limits = Limits::default();
        let budget = stratafs::Budget::of(&limits);
        let fs = stratafs::memfs::MemFs::new(budget.clone(), &limits);
        let mut guest = Guest::over(abi, stratafs::NodeRef::root_of(&fs));
        let new = How { write: true, create: true, ..How::default() };
        let fixed = guest.open("fixed", new).unwrap();
        let before = (budget.bytes_used(), budget.inodes_used());
        for _ in 0..10_000 {
            let fd = guest.open("file", new).unwrap();
            guest.write(fd, &[1; 512]).unwrap();
            guest.unlink("file").unwrap();
            match abi {
                Abi::Wasi => assert_eq!(guest.call("fd_renumber", &[fd, fixed]), Ok(0)),
                Abi::Emscripten => {
                    assert_eq!(guest.call("__syscall_dup3", &[fd, fixed, 0]), Ok(fixed));
                    guest.close(fd).unwrap();
                }
            }
        }
        let after = (budget.bytes_used(), budget.inodes_used());
        // What was open at first is still named; of the others the last one lives.
        assert!(after.1 <= before.1 + 1 && after.0 <= before.0 + 8192, "{abi:?}: {before:?}, {after:?}");
    }
}

#[test]
fn rights_only_shrink_wasmtime_11550() {
    let mut guest = Guest::at(Abi::Wasi, Namespace::new(memory(FILES), &Limits::default()));
    let fd = guest.open("0", How::default()).unwrap();
    let read = crate::guest::FD_READ;
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, read, 0]), Ok(0));
    assert_eq!(guest.call("fd_fdstat_set_rights", &[fd, read | crate::guest::FD_WRITE, 0]), Err(Errno::ENOTCAPABLE));
    assert_eq!(guest.read(fd, 4).unwrap(), b"0");
}

#[test]
fn a_directory_is_no_file_wasmtime_14135_12136_6163() {
    const TREE: &[Item] = &[Item::Dir { path: "dir", mode: 0o755 }, Item::File { path: "file", bytes: "x", mode: 0o644 }];
    assert_eq!(WRITABLE.len(), 12);
    crate::guest::everywhere(TREE, |guest, on| {
        let dir = guest.open("dir", How::default()).unwrap();
        assert_eq!(guest.read(dir, 4), Err(Errno::EISDIR), "{on}");
        assert_eq!(guest.open("dir", How { write: true, ..How::default() }), Err(Errno::EISDIR), "{on}");
        assert_eq!(guest.open("dir", How { write: true, directory: true, ..How::default() }), Err(Errno::EISDIR), "{on}");
        assert_eq!(guest.open("file", How { directory: true, ..How::default() }), Err(Errno::ENOTDIR), "{on}");
    });
}

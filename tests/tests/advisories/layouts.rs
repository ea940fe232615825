//! What is written into the guest's memory.

use stratafs_conformance::tree::TREE;

use crate::guest::{Abi, Guest, How, MEMORY, ROOT, everywhere};

/// Runs `body` over two memories filled with different bytes: what it answers must not depend on them.
fn twice(guest: &mut Guest, on: &str, mut body: impl FnMut(&mut Guest) -> Vec<u8>) -> Vec<u8> {
    let mut all = [0xaa, 0x55].map(|filler| {
        let kept = std::mem::replace(&mut guest.memory, vec![filler; MEMORY]);
        let seen = body(guest);
        guest.memory = kept;
        seen
    });
    assert_eq!(all[0], all[1], "{on}: bytes of a record are not written");
    std::mem::take(&mut all[0])
}

#[test]
fn ghsa_96f6_r43r_8c24_fd_readdir_writes_every_byte_of_an_entry() {
    everywhere(TREE, |guest, on| {
        let dir = guest.open(".", How { directory: true, ..How::default() }).unwrap();
        let listing = twice(guest, on, |guest| {
            let (buf, used) = (guest.alloc(1 << 16), guest.alloc(4));
            let n = match guest.abi {
                Abi::Wasi => {
                    guest.call("fd_readdir", &[dir, buf, 1 << 16, 0, used]).unwrap();
                    u64::from(u32::from_le_bytes(guest.memory[used as usize..][..4].try_into().unwrap()))
                }
                Abi::Emscripten => {
                    guest.process.lseek(stratafs::Fd::new(dir as u32), stratafs::Whence::Set, 0).unwrap();
                    guest.call("__syscall_getdents64", &[dir, buf, 1 << 16]).unwrap()
                }
            };
            guest.memory[buf as usize..][..n as usize].to_vec()
        });
        assert!(entries(guest.abi, &listing) >= 11, "{on}");
    });
}

/// The number of entries, after a look at their padding.
fn entries(abi: Abi, mut listing: &[u8]) -> usize {
    let mut count = 0;
    while !listing.is_empty() {
        let len = match abi {
            Abi::Wasi => {
                assert_eq!(listing[21..24], [0, 0, 0], "the padding of a dirent");
                24 + u32::from_le_bytes(listing[16..20].try_into().unwrap()) as usize
            }
            Abi::Emscripten => {
                let len = usize::from(u16::from_le_bytes(listing[16..18].try_into().unwrap()));
                let end = listing[19..len].iter().position(|&b| b == 0).unwrap();
                assert!(listing[19 + end..len].iter().all(|&b| b == 0), "the padding behind a name");
                len
            }
        };
        listing = &listing[len..];
        count += 1;
    }
    count
}

#[test]
fn ghsa_96f6_r43r_8c24_other_records_have_no_holes_either() {
    everywhere(TREE, |guest, on| {
        twice(guest, on, |guest| guest.stat("etc/motd", true).unwrap());
        twice(guest, on, |guest| guest.stat("link", false).unwrap());
        let fd = guest.open("etc/motd", How::default()).unwrap();
        let records: &[(&str, &[u64], usize)] = match guest.abi {
            Abi::Wasi => {
                &[("fd_fdstat_get", &[fd, 256], 24), ("fd_filestat_get", &[fd, 256], 64), ("fd_prestat_get", &[ROOT, 256], 8)]
            }
            Abi::Emscripten => &[("__syscall_fstat64", &[fd, 256], 96), ("__syscall_fstatfs64", &[fd, 64, 256], 64)],
        };
        for &(name, args, size) in records {
            let record = twice(guest, on, |guest| {
                guest.call(name, args).unwrap();
                guest.memory[256..][..size].to_vec()
            });
            assert_eq!(record.len(), size);
        }
        guest.close(fd).unwrap();
    });
}

#[test]
fn ghsa_96f6_r43r_8c24_poll_events_have_no_holes() {
    let (mut guest, _) = Guest::captured();
    let event = twice(&mut guest, "poll_oneoff", |guest| {
        let mut subscription = [0; 48];
        subscription[8] = 2;
        subscription[16] = 1;
        let (subscriptions, events, ready) = (guest.put(subscription), guest.alloc(32), guest.alloc(4));
        assert_eq!(guest.call("poll_oneoff", &[subscriptions, events, 1, ready]), Ok(0));
        guest.memory[events as usize..][..32].to_vec()
    });
    assert_eq!(event[10], 2);
}

//! What is no advisory, but was found in another implementation while reading.

use stratafs::{Errno, Fd, OpenHow, Outcome};
use stratafs_abi::{Call, Flow, GuestMemory};
use stratafs_conformance::tree::TREE;

use crate::guest::{Abi, Guest, How, ROOT, everywhere};

#[test]
fn wasi_virt_advise_is_no_trap() {
    everywhere(TREE, |guest, on| {
        let file = guest.open("etc/motd", How { write: true, ..How::default() }).unwrap();
        let dir = guest.open("etc", How::default()).unwrap();
        for fd in [0, 1, ROOT, file, dir, 77] {
            for advice in [0, 1, 2, 3, 4, 5, 6, 0xffff_ffff] {
                for (offset, len) in [(0, 0), (1, u64::MAX), (u64::MAX, 1), (1 << 63, 1 << 63), (i64::MAX as u64, 1)] {
                    let answer = guest.call("fd_advise", &[fd, offset, len, advice]);
                    if advice > 5 {
                        assert_eq!(answer, Err(Errno::EINVAL), "{on}: {fd}");
                    }
                    let _ = guest.call("__syscall_fadvise64", &[fd, offset, len, advice]);
                }
            }
        }
        assert_eq!(guest.call("fd_advise", &[file, 0, 0, 3]), Ok(0), "{on}");
        guest.close(file).unwrap();
        guest.close(dir).unwrap();
    });
}

#[test]
fn browser_shims_sockets_answer_numbers() {
    everywhere(TREE, |guest, on| {
        let file = guest.open("etc/motd", How::default()).unwrap();
        let fds = [0, 1, 2, ROOT, file, 99, 0xffff_ffff];
        let calls = stratafs_wasi::FUNCTIONS.iter().chain(stratafs_emscripten::FUNCTIONS).filter(|f| {
            let name = f.about.name;
            f.params.len() > 1
                && ["sock_", "accept", "bind", "connect", "recv", "send", "listen", "peer", "sockopt", "sockname"]
                    .iter()
                    .any(|part| name.contains(part))
        });
        let mut tried = 0;
        for f in calls {
            for fd in fds {
                for rest in [0, 256, 0xffff_ffff] {
                    let args: Vec<u64> = std::iter::once(fd).chain(std::iter::repeat(rest)).take(f.params.len()).collect();
                    let mut cx = Call::new(&mut guest.process, GuestMemory::borrowed(&mut guest.memory));
                    match f.call(&mut cx, &args) {
                        Flow::Done(Some(answer)) => assert_ne!(answer, 0, "{on}: {} is no socket", f.about.name),
                        other => panic!("{on}: {}: {other:?}", f.about.name),
                    }
                    tried += 1;
                }
            }
        }
        assert!(tried > 200, "{tried}");
    });
}

#[test]
fn ghsa_c827_hfw6_qwvm_cve_2024_43806_listing_an_unlinked_directory_ends() {
    use std::ops::ControlFlow;
    // Gone by the guest's own call, on every backend.
    everywhere(TREE, |guest, on| {
        let dir = guest.open("empty", How { directory: true, ..How::default() }).unwrap();
        guest.rmdir("empty").unwrap();
        let (buf, used) = (guest.alloc(4096), guest.alloc(4));
        match guest.abi {
            Abi::Wasi => assert_eq!(guest.call("fd_readdir", &[dir, buf, 4096, 0, used]), Ok(0), "{on}"),
            Abi::Emscripten => {
                let listed = guest.call("__syscall_getdents64", &[dir, buf, 4096]);
                assert!(matches!(listed, Ok(0..96) | Err(Errno::ENOENT)), "{on}: {listed:?}");
            }
        }
    });
    // Gone behind the guest's back, in the middle of a listing.
    for exclusive in [false, true] {
        let scratch = stratafs_conformance::real::scratch().unwrap();
        let full = scratch.path().join("full");
        std::fs::create_dir(&full).unwrap();
        (0..5000).for_each(|n| std::fs::write(full.join(format!("file-{n}")), "").unwrap());
        let options = stratafs::hostfs::HostOptions { exclusive, ..Default::default() };
        let host = stratafs::hostfs::HostFs::open(scratch.path(), options).unwrap();
        let mut guest = Guest::over(Abi::Wasi, stratafs::NodeRef::root_of(&host));
        let how = OpenHow { directory: true, ..OpenHow::read() };
        let Ok(Outcome::Ready(fd)) = guest.process.openat(stratafs::DirFd::At(Fd::new(3)), b"full", &how) else { panic!() };
        let (mut next, mut listed) = (0, 0);
        for round in 0..10_000 {
            let before = next;
            let result = guest.process.read_dir(fd, next, &mut |entry| {
                next = entry.next;
                listed += 1;
                if listed % 100 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if round == 3 {
                std::fs::remove_dir_all(&full).unwrap();
            }
            if result.is_err() || next == before {
                break;
            }
            assert!(round < 9_999, "the listing does not end");
        }
        assert!((300..=5002).contains(&listed), "{listed}");
    }
}

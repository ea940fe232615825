//! Times at their edges, and waiting.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stratafs::{
    Access, Cookie, DirEntry, Entry, Errno, FileKind, Filesystem, Interrupt, Limits, Name, Namespace, NodeRef, Opened, Result,
    Stat, Timestamp,
};
use stratafs_abi::{Flow, Stop};
use stratafs_conformance::tree::TREE;

use crate::guest::{ABIS, Abi, Guest, How, everywhere};

/// A backend of one directory whose times are whatever it was told.
struct Hostile(Timestamp);

impl Filesystem for Hostile {
    type Node = bool;

    fn root(&self) -> bool {
        true
    }

    fn key(&self, root: &bool) -> u64 {
        if *root { 1 } else { u64::MAX }
    }

    fn parent(&self, _: &bool) -> Result<bool> {
        Ok(true)
    }

    fn lookup(&self, _: &bool, _: Name<'_>) -> Result<Entry<bool>> {
        Ok(Entry { node: false, kind: FileKind::File })
    }

    fn stat(&self, root: &bool) -> Result<Stat> {
        let kind = if *root { FileKind::Directory } else { FileKind::File };
        let all = u64::MAX;
        let (size, blocks, nlink, mode) = (all, all, all, u32::MAX);
        let stat = Stat::new(self.key(root), kind);
        Ok(Stat { size, blocks, nlink, mode, atime: self.0, mtime: self.0, ctime: self.0, ..stat })
    }

    fn read_dir(&self, _: &bool, _: Cookie, _: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        Ok(())
    }

    fn open(&self, _: &bool, _: Access) -> Result<Opened> {
        Ok(Opened::Directory)
    }
}

#[test]
fn ghsa_mr2v_56j5_cmfc_times_that_no_clock_shows_are_told_without_a_panic() {
    let secs = [i64::MIN, -(1 << 33), -1, 0, 1, i64::from(i32::MAX), 1 << 34, i64::MAX];
    for sec in secs {
        for nsec in [0, 1, 999_999_999, u32::MAX] {
            let told = Timestamp { sec, nsec };
            for abi in ABIS {
                let mut guest = Guest::over(abi, NodeRef::root_of(&Arc::new(Hostile(told))));
                let stat = guest.stat("file", true).unwrap();
                assert!(guest.stat(".", false).is_ok());
                if abi == Abi::Wasi {
                    let mtime = u64::from_le_bytes(stat[48..56].try_into().unwrap());
                    let exact = i128::from(sec) * 1_000_000_000 + i128::from(nsec);
                    let nearest = exact.clamp(0, u64::MAX.into());
                    assert_eq!(i128::from(mtime), nearest, "{told:?}");
                }
                // The older layout of 32-bit seconds has its bounds too.
                let (path, out) = (guest.put("file"), guest.alloc(96));
                for f in stratafs_emscripten::SPLIT_FUNCTIONS.iter().filter(|f| f.about.name == "__syscall_lstat64") {
                    let mut cx =
                        stratafs_abi::Call::new(&mut guest.process, stratafs_abi::GuestMemory::borrowed(&mut guest.memory));
                    assert!(matches!(f.call(&mut cx, &[path, out]), Flow::Done(Some(0))), "{told:?}");
                }
            }
        }
    }
}

#[test]
fn ghsa_mr2v_56j5_cmfc_times_that_a_guest_sets_come_back_or_are_refused() {
    everywhere(TREE, |guest, on| {
        for sec in [i64::MIN, i64::MIN / 1_000_000_000, -1, 0, 1, 1 << 31, 1 << 33, i64::MAX / 1_000_000_000, i64::MAX] {
            for path in ["etc/motd", "etc", "link"] {
                for follow in [true, false] {
                    let set = guest.utimes(path, sec, follow);
                    assert!(matches!(set, Ok(0) | Err(Errno::EINVAL | Errno::EOVERFLOW)), "{on}: {path}, {sec}: {set:?}");
                    let stat = guest.stat(path, follow).unwrap();
                    if guest.abi == Abi::Wasi && set.is_ok() && (0..1 << 33).contains(&sec) {
                        let mtime = u64::from_le_bytes(stat[48..56].try_into().unwrap());
                        assert_eq!(mtime, sec.cast_unsigned() * 1_000_000_000, "{on}: {path}");
                    }
                }
            }
        }
    });
}

/// A subscription to a clock.
fn clock(id: u32, nanos: u64, absolute: bool) -> [u8; 48] {
    let mut record = [0; 48];
    record[16..20].copy_from_slice(&id.to_le_bytes());
    record[24..32].copy_from_slice(&nanos.to_le_bytes());
    record[40] = absolute.into();
    record
}

fn poll(guest: &mut Guest, subscription: [u8; 48]) -> Flow<Option<u64>> {
    let (list, events, ready) = (guest.put(subscription), guest.alloc(32), guest.alloc(4));
    guest.flow("poll_oneoff", &[list, events, 1, ready])
}

#[test]
fn uvwasi_abstime_in_the_past_is_due_at_once_wasmtime_13566() {
    let (mut guest, _) = Guest::captured();
    for id in 0..4 {
        for nanos in [0, 1] {
            assert!(matches!(poll(&mut guest, clock(id, nanos, true)), Flow::Done(Some(0))), "{id}: {nanos}");
        }
        for nanos in [i64::MAX as u64, u64::MAX - 1, u64::MAX] {
            let Flow::Wait(wait) = poll(&mut guest, clock(id, nanos, true)) else { panic!("{id}: {nanos} is long ahead") };
            assert!(wait.until.is_none_or(|until| until > Instant::now() + Duration::from_secs(3600)));
            guest.process.abandon_wait();
        }
        for nanos in [u64::MAX, i64::MAX as u64] {
            assert!(matches!(poll(&mut guest, clock(id, nanos, false)), Flow::Wait(_)), "{id}: {nanos}");
            guest.process.abandon_wait();
        }
        assert!(matches!(poll(&mut guest, clock(id, 0, false)), Flow::Done(Some(0))));
    }
    // A moment ahead is waited for as long as it is ahead, and no longer.
    let now = SystemNow::realtime();
    let Flow::Wait(wait) = poll(&mut guest, clock(0, now + 50_000_000, true)) else { panic!("it is ahead") };
    let left = wait.until.unwrap().saturating_duration_since(Instant::now());
    assert!(left <= Duration::from_millis(50) && left > Duration::from_millis(1), "{left:?}");
}

struct SystemNow;

impl SystemNow {
    fn realtime() -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        u64::try_from(since.as_nanos()).unwrap()
    }
}

#[test]
fn wasmtime_p1_sleep_a_single_clock_holds_no_thread_and_can_be_ended() {
    let interrupt = Interrupt::new();
    let ns = Namespace::new(stratafs_tests::backends::memory(&[]), &Limits::default());
    let mut guest = Guest::with(Abi::Wasi, ns, Limits::default(), |builder| builder.interrupt(interrupt.clone()));
    let start = Instant::now();
    let Flow::Wait(wait) = poll(&mut guest, clock(1, 3_600_000_000_000, false)) else { panic!("an hour waits") };
    assert!(start.elapsed() < Duration::from_secs(5), "the call itself does not sleep");
    let other = std::thread::spawn({
        let interrupt = interrupt.clone();
        move || {
            std::thread::sleep(Duration::from_millis(20));
            interrupt.raise();
        }
    });
    assert_eq!(Stop::unless_over(&interrupt, wait), Err(Stop::Interrupted));
    assert!(start.elapsed() < Duration::from_secs(60));
    other.join().unwrap();
}

#[test]
fn seeking_from_the_end_wasmtime_75646ea9() {
    everywhere(TREE, |guest, on| {
        let fd = guest.open("etc/motd", How::default()).unwrap();
        let out = guest.alloc(8);
        let seek = |guest: &mut Guest, offset: i64, whence| {
            guest.call("fd_seek", &[fd, offset.cast_unsigned(), whence, out])?;
            Ok(u64::from_le_bytes(guest.memory[out as usize..][..8].try_into().unwrap()))
        };
        assert_eq!(seek(guest, 0, 2), Ok(6), "{on}");
        assert_eq!(seek(guest, -2, 2), Ok(4), "{on}");
        assert_eq!(guest.read(fd, 8).unwrap(), b"o\n", "{on}");
        assert_eq!(seek(guest, 4, 2), Ok(10), "{on}");
        assert_eq!(seek(guest, -7, 2), Err(Errno::EINVAL), "{on}");
        assert_eq!(seek(guest, i64::MIN, 2), Err(Errno::EINVAL), "{on}");
        assert!(matches!(seek(guest, i64::MAX, 2), Err(Errno::EINVAL | Errno::EOVERFLOW)), "{on}");
        assert_eq!(seek(guest, 0, 1), Ok(10), "{on}");
        guest.close(fd).unwrap();
    });
}

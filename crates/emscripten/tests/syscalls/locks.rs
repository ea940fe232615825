use stratafs::Errno::*;
use stratafs_abi::Flow;

use crate::guest::{Answer, Guest, O_PATH, RDWR, WRONLY, number, tree};

const GETLK: u64 = 12;
const SETLK: u64 = 13;
const SETLKW: u64 = 14;
const READ: u16 = 0;
const WRITE: u16 = 1;
const UNLOCK: u16 = 2;

fn flock(kind: u16, whence: u16, start: i64, len: i64, pid: i32) -> [u8; 32] {
    let mut record = [0; 32];
    record[..2].copy_from_slice(&kind.to_le_bytes());
    record[2..4].copy_from_slice(&whence.to_le_bytes());
    record[4..8].fill(0xaa);
    record[8..16].copy_from_slice(&start.to_le_bytes());
    record[16..24].copy_from_slice(&len.to_le_bytes());
    record[24..28].copy_from_slice(&pid.to_le_bytes());
    record
}

impl Guest {
    fn lock(&mut self, fd: u64, cmd: u64, kind: u16, start: i64, len: i64) -> Answer {
        let at = self.put(flock(kind, 0, start, len, 0));
        self.fcntl(fd, cmd, at)
    }
}

fn two() -> (Guest, Guest) {
    let ns = tree();
    let mut guests = (Guest::on(ns.clone()), Guest::on(ns));
    assert_eq!((guests.0.open("/dir/file", RDWR), guests.1.open("/dir/file", RDWR)), (Ok(3), Ok(3)));
    guests
}

#[test]
fn a_lock_of_another_guest_is_seen_and_respected() {
    let (mut a, mut b) = two();
    a.lock(3, SETLK, WRITE, 5, 10).unwrap();
    assert_eq!(b.lock(3, SETLK, READ, 14, 1), Err(EAGAIN));
    assert_eq!(b.lock(3, SETLK, WRITE, 15, 0), Ok(0));
    let at = b.put(flock(READ, 1, 0, 0, -1));
    b.fcntl(3, GETLK, at).unwrap();
    let found = b.bytes(at, 32).to_vec();
    assert_eq!([0, 2].map(|at| number::<2>(&found, at)), [1, 0]);
    assert_eq!([8, 16].map(|at| number::<8>(&found, at)), [5, 10]);
    assert_eq!(number::<4>(&found, 24), a.process.id());
    let at = b.put(flock(WRITE, 0, 0, 5, 7));
    b.fcntl(3, GETLK, at).unwrap();
    assert_eq!(b.bytes(at, 32), flock(UNLOCK, 0, 0, 5, 7), "only the kind changes");
    let at = a.put(flock(WRITE, 0, 20, 1, 0));
    a.fcntl(3, GETLK, at).unwrap();
    assert_eq!([8, 16].map(|n| a.u64_at(at + n)), [15, 0], "to the end");
}

#[test]
fn waiting_for_a_lock_ends_when_it_goes() {
    let (mut a, mut b) = two();
    a.lock(3, SETLK, WRITE, 0, 0).unwrap();
    let lock = b.put(flock(WRITE, 0, 0, 1, 0));
    let varargs = b.words(&[lock]);
    let Flow::Wait(wait) = b.flow("__syscall_fcntl64", &[3, SETLKW, varargs]) else { panic!("granted") };
    let thread = std::thread::spawn(move || wait.block());
    a.lock(3, SETLK, UNLOCK, 0, 0).unwrap();
    thread.join().unwrap();
    assert_eq!(b.call("fcntl64", &[3, SETLKW, varargs]), Ok(0));
    assert_eq!(a.lock(3, SETLK, READ, 0, 0), Err(EAGAIN));
    drop(b);
    assert_eq!(a.lock(3, SETLK, READ, 0, 0), Ok(0), "a guest that ends holds nothing");
}

#[test]
fn bad_locks_are_refused_as_on_linux() {
    let mut g = Guest::new();
    let (fd, reader, writer, place) = (
        g.open("/dir/file", RDWR).unwrap(),
        g.open("/dir/file", 0).unwrap(),
        g.open("/dir/file", WRONLY).unwrap(),
        g.open("/dir/file", O_PATH).unwrap(),
    );
    let cases = [
        (SETLK, flock(7, 0, 0, 1, 0), Err(EINVAL)),
        (SETLK, flock(READ, 3, 0, 1, 0), Err(EINVAL)),
        (SETLK, flock(READ, 0, -1, 1, 0), Err(EINVAL)),
        (SETLK, flock(READ, 0, 10, -5, 0), Ok(0)),
        (SETLK, flock(READ, 0, 3, -5, 0), Err(EINVAL)),
        (SETLK, flock(READ, 2, i64::MAX, 1, 0), Err(EOVERFLOW)),
        (SETLK, flock(READ, 0, i64::MAX, 0, 0), Ok(0)),
        (SETLK, flock(READ, 0, i64::MAX, 2, 0), Err(EOVERFLOW)),
        (SETLK, flock(UNLOCK, 0, 0, 0, 0), Ok(0)),
        (GETLK, flock(UNLOCK, 0, 0, 1, 0), Err(EINVAL)),
        (37, flock(READ, 0, 0, 1, 5), Err(EINVAL)),
        (37, flock(READ, 0, 0, 1, 0), Ok(0)),
    ];
    for (cmd, record, answer) in cases {
        let at = g.put(record);
        assert_eq!(g.fcntl(fd, cmd, at), answer, "{cmd} {record:?}");
    }
    assert_eq!(g.lock(reader, SETLK, WRITE, 0, 1), Err(EBADF));
    assert_eq!(g.lock(writer, SETLK, READ, 0, 1), Err(EBADF));
    assert_eq!(g.lock(place, SETLK, READ, 0, 1), Err(EBADF));
    assert_eq!(g.lock(reader, GETLK, WRITE, 0, 1), Ok(0), "asking needs no access");
    for at in [0, crate::guest::OUTSIDE - 31] {
        assert_eq!(g.fcntl(fd, SETLK, at), Err(EFAULT));
        assert_eq!(g.fcntl(fd, GETLK, at), Err(EFAULT));
    }
}

#[test]
fn the_locks_of_an_open_file_are_not_the_process_s() {
    let mut g = Guest::new();
    let (one, two) = (g.open("/dir/file", RDWR).unwrap(), g.open("/dir/file", RDWR).unwrap());
    g.lock(one, 37, WRITE, 0, 5).unwrap();
    assert_eq!(g.lock(two, 37, READ, 4, 5), Err(EAGAIN));
    let at = g.put(flock(READ, 0, 0, 0, 0));
    g.fcntl(two, 36, at).unwrap();
    assert_eq!((g.u16_at(at), g.u64_at(at + 16), g.u32_at(at + 24)), (WRITE, 5, u32::MAX));
    let lock = g.put(flock(READ, 0, 0, 0, 0));
    let varargs = g.words(&[lock]);
    assert!(matches!(g.flow("__syscall_fcntl64", &[two, 38, varargs]), Flow::Wait(_)));
}

#[test]
fn the_commands_of_3_1_6_are_the_same() {
    let (mut a, mut b) = two();
    a.lock(3, 6, WRITE, 0, 5).unwrap();
    assert_eq!(b.lock(3, 6, READ, 4, 1), Err(EAGAIN));
    let at = b.put(flock(READ, 0, 0, 0, 0));
    b.fcntl(3, 5, at).unwrap();
    assert_eq!((b.u16_at(at), b.u64_at(at + 16)), (WRITE, 5));
    let lock = b.put(flock(READ, 0, 0, 0, 0));
    let varargs = b.words(&[lock]);
    assert!(matches!(b.flow("__syscall_fcntl64", &[3, 7, varargs]), Flow::Wait(_)));
}

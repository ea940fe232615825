use std::sync::Arc;

use super::*;
use crate::memfs::MemFs;
use crate::{Access, Budget, DirFd, Fd, Limits, LockHolder, Namespace, OpenHow, Process, Whence};

fn tree() -> Arc<MemFs> {
    let limits = Limits::default();
    MemFs::new(Budget::of(&limits), &limits)
}

fn process(root: &Arc<MemFs>) -> Process {
    let limits = Limits::default();
    Process::builder(Namespace::new(NodeRef::root_of(root), &limits), limits).build().unwrap()
}

fn open(process: &mut Process, path: &[u8]) -> Fd {
    let how = OpenHow { create: true, ..OpenHow::new(Access::READ_WRITE) };
    let Outcome::Ready(fd) = process.openat(DirFd::Cwd, path, &how).unwrap() else { panic!("waits") };
    fd
}

const READ: Option<LockKind> = Some(LockKind::Shared);
const WRITE: Option<LockKind> = Some(LockKind::Exclusive);

fn lock(process: &mut Process, fd: Fd, start: i64, len: i64, kind: Option<LockKind>) -> Result<()> {
    let range = process.lock_range(fd, Whence::Set, start, len)?;
    process.set_lock(fd, LockHolder::Process, range, kind, false).map(|outcome| assert!(matches!(outcome, Outcome::Ready(()))))
}

fn conflict(process: &Process, fd: Fd, start: i64, len: i64) -> Option<(LockKind, u64, u64, Option<u64>)> {
    let range = process.lock_range(fd, Whence::Set, start, len).unwrap();
    let held = process.get_lock(fd, LockHolder::Process, range, LockKind::Exclusive).unwrap()?;
    Some((held.kind, held.range.start(), held.range.length(), held.process))
}

#[test]
fn ranges_of_two_processes_exclude_each_other_and_their_own_do_not() {
    let root = tree();
    let (mut a, mut b) = (process(&root), process(&root));
    let (fa, fb) = (open(&mut a, b"/f"), open(&mut b, b"/f"));
    lock(&mut a, fa, 10, 10, WRITE).unwrap();
    lock(&mut a, fa, 15, 10, WRITE).unwrap();
    assert_eq!(conflict(&b, fb, 0, 0), Some((LockKind::Exclusive, 10, 15, Some(a.id()))));
    assert_eq!(conflict(&a, fa, 0, 0), None);
    assert_eq!(lock(&mut b, fb, 24, 1, READ), Err(Errno::EAGAIN));
    assert_eq!(lock(&mut b, fb, 25, 0, WRITE), Ok(()));
    assert_eq!(lock(&mut b, fb, 0, 10, READ), Ok(()));
    assert_eq!(lock(&mut a, fa, 0, 10, READ), Ok(()));
    assert_eq!(lock(&mut a, fa, 9, 1, WRITE), Err(Errno::EAGAIN));
}

#[test]
fn unlocking_the_middle_leaves_both_sides() {
    let root = tree();
    let (mut a, mut b) = (process(&root), process(&root));
    let (fa, fb) = (open(&mut a, b"/f"), open(&mut b, b"/f"));
    lock(&mut a, fa, 0, 100, WRITE).unwrap();
    lock(&mut a, fa, 40, 20, None).unwrap();
    assert_eq!(conflict(&b, fb, 0, 0).unwrap().2, 40);
    assert_eq!(conflict(&b, fb, 40, 20), None);
    assert_eq!(conflict(&b, fb, 40, 0).unwrap().1, 60);
    lock(&mut a, fa, 70, 5, READ).unwrap();
    assert_eq!(lock(&mut b, fb, 70, 5, READ), Ok(()));
    assert_eq!(conflict(&b, fb, 75, 0), Some((LockKind::Exclusive, 75, 25, Some(a.id()))));
}

#[test]
fn closing_any_descriptor_of_the_file_or_ending_releases() {
    let root = tree();
    let (mut a, mut b) = (process(&root), process(&root));
    let (fa, fb) = (open(&mut a, b"/f"), open(&mut b, b"/f"));
    let other = open(&mut a, b"/g");
    let again = open(&mut a, b"/f");
    lock(&mut a, fa, 0, 0, WRITE).unwrap();
    a.close(other).unwrap();
    assert_eq!(lock(&mut b, fb, 0, 1, WRITE), Err(Errno::EAGAIN));
    a.close(again).unwrap();
    assert_eq!(lock(&mut b, fb, 0, 1, WRITE), Ok(()));
    lock(&mut b, fb, 0, 1, None).unwrap();

    lock(&mut a, fa, 0, 0, WRITE).unwrap();
    let spare = open(&mut a, b"/f");
    a.dup_to(Fd::STDIN, spare, false).unwrap();
    assert_eq!(conflict(&b, fb, 0, 0), None);

    lock(&mut a, fa, 0, 0, WRITE).unwrap();
    drop(a);
    assert_eq!(conflict(&b, fb, 0, 0), None);
    let key = NodeRef::root_of(&root).lookup(crate::Name::new(b"f").unwrap()).unwrap().node.identity();
    assert!(shard(key).lock().get(&key).is_none(), "an unlocked file takes no place");
}

#[test]
fn a_waiting_lock_is_woken_and_a_circle_is_refused() {
    let root = tree();
    let (mut a, mut b) = (process(&root), process(&root));
    let (fa, fb) = (open(&mut a, b"/f"), open(&mut b, b"/f"));
    lock(&mut a, fa, 0, 1, WRITE).unwrap();
    lock(&mut b, fb, 1, 1, WRITE).unwrap();
    let first = b.lock_range(fb, Whence::Set, 0, 1).unwrap();
    let Outcome::Wait(wait) = b.set_lock(fb, LockHolder::Process, first, WRITE, true).unwrap() else { panic!("granted") };
    let second = a.lock_range(fa, Whence::Set, 1, 1).unwrap();
    assert_eq!(a.set_lock(fa, LockHolder::Process, second, WRITE, true).map(drop), Err(Errno::EDEADLK));
    b.abandon_wait();
    let Outcome::Wait(_) = a.set_lock(fa, LockHolder::Process, second, WRITE, true).unwrap() else { panic!("granted") };
    assert_eq!(b.set_lock(fb, LockHolder::Process, first, WRITE, true).map(drop), Err(Errno::EDEADLK), "the other way round");
    a.abandon_wait();
    let thread = std::thread::spawn(move || wait.block());
    lock(&mut a, fa, 0, 1, None).unwrap();
    thread.join().unwrap();
    assert!(matches!(b.set_lock(fb, LockHolder::Process, first, WRITE, true).unwrap(), Outcome::Ready(())));
}

#[test]
fn access_and_numbers_are_checked() {
    let root = tree();
    let mut a = process(&root);
    let fd = open(&mut a, b"/f");
    let Outcome::Ready(reader) = a.openat(DirFd::Cwd, b"/f", &OpenHow::read()).unwrap() else { panic!("waits") };
    assert_eq!(lock(&mut a, reader, 0, 1, WRITE), Err(Errno::EBADF));
    assert_eq!(lock(&mut a, reader, 0, 1, READ), Ok(()));
    assert_eq!(lock(&mut a, Fd::new(99), 0, 1, READ), Err(Errno::EBADF));
    a.ftruncate(fd, 100).unwrap();
    let range = |whence, start, len| a.lock_range(fd, whence, start, len).map(|range| (range.start(), range.length()));
    assert_eq!(range(Whence::Set, 10, -5), Ok((5, 5)));
    assert_eq!(range(Whence::End, -10, 5), Ok((90, 5)));
    assert_eq!(range(Whence::Set, i64::MAX, 0), Ok((i64::MAX as u64, 0)));
    assert_eq!(range(Whence::Set, i64::MAX, 2), Err(Errno::EOVERFLOW));
    assert_eq!(range(Whence::End, i64::MAX, 1), Err(Errno::EOVERFLOW));
    assert_eq!(range(Whence::Set, 3, -5), Err(Errno::EINVAL));
    assert_eq!(range(Whence::Set, -1, 1), Err(Errno::EINVAL));
    assert_eq!(range(Whence::Set, i64::MIN, i64::MIN), Err(Errno::EINVAL));
    assert_eq!(range(Whence::Set, i64::MIN, i64::MAX), Err(Errno::EINVAL));
}

#[test]
fn one_owner_has_a_bounded_number_of_ranges() {
    let root = tree();
    let mut a = process(&root);
    let fd = open(&mut a, b"/f");
    for i in 0..RANGES_MAX as i64 {
        lock(&mut a, fd, i * 2, 1, WRITE).unwrap();
    }
    assert_eq!(lock(&mut a, fd, 5000, 1, WRITE), Err(Errno::ENOLCK));
    assert_eq!(lock(&mut a, fd, 0, 0, WRITE), Ok(()));
    assert_eq!(lock(&mut a, fd, 5000, 1, None), Ok(()));
}

#[test]
fn flock_belongs_to_the_open_file() {
    let root = tree();
    let (mut a, mut b) = (process(&root), process(&root));
    let (one, two, fb) = (open(&mut a, b"/f"), open(&mut a, b"/f"), open(&mut b, b"/f"));
    let flock = |process: &mut Process, fd, kind| process.flock(fd, kind, false).map(drop);
    assert_eq!(flock(&mut a, one, WRITE), Ok(()));
    assert_eq!(flock(&mut a, two, READ), Err(Errno::EAGAIN));
    assert_eq!(lock(&mut b, fb, 0, 0, WRITE), Ok(()), "ranges are another kind");
    let dup = a.dup(one, Fd::STDIN, false).unwrap();
    a.close(one).unwrap();
    assert_eq!(flock(&mut b, fb, READ), Err(Errno::EAGAIN));
    assert_eq!(flock(&mut a, dup, READ), Ok(()));
    assert_eq!(flock(&mut b, fb, READ), Ok(()));
    let Outcome::Wait(wait) = b.flock(fb, WRITE, true).unwrap() else { panic!("granted") };
    assert_eq!(flock(&mut a, two, WRITE), Err(Errno::EAGAIN));
    let thread = std::thread::spawn(move || wait.block());
    a.close(dup).unwrap();
    thread.join().unwrap();
    assert!(matches!(b.flock(fb, WRITE, true).unwrap(), Outcome::Ready(())));
    assert_eq!(flock(&mut b, fb, None), Ok(()));
    assert_eq!(flock(&mut a, two, WRITE), Ok(()));
}

#[test]
fn a_range_can_belong_to_the_open_file() {
    let root = tree();
    let mut a = process(&root);
    let (one, two) = (open(&mut a, b"/f"), open(&mut a, b"/f"));
    let range = a.lock_range(one, Whence::Set, 0, 5).unwrap();
    a.set_lock(one, LockHolder::OpenFile, range, WRITE, false).unwrap();
    assert_eq!(a.set_lock(two, LockHolder::OpenFile, range, READ, false).map(drop), Err(Errno::EAGAIN));
    let held = a.get_lock(two, LockHolder::Process, range, LockKind::Shared).unwrap().unwrap();
    assert_eq!((held.process, held.kind), (None, LockKind::Exclusive));
    a.close(one).unwrap();
    assert_eq!(a.get_lock(two, LockHolder::Process, range, LockKind::Shared).unwrap(), None);
}

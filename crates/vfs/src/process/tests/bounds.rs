//! Every bound that a process keeps, at the bound. Those on descriptors stand with the descriptors, those on paths and links with the walk.

use std::time::Duration;

use super::*;
use crate::Errno::*;

fn bounded(limits: Limits) -> Process {
    let root = MemFs::new(Budget::of(&limits), &limits);
    Process::builder(Namespace::new(NodeRef::root_of(&root), &limits), limits).build().unwrap()
}

#[test]
fn poll_takes_so_many_descriptors_and_no_more() {
    let mut p = bounded(Limits { poll: 2, ..Limits::default() });
    let mut fds = [PollFd::new(Fd::STDIN, true, false); 3];
    assert_eq!(p.poll(&mut fds[..2], None).map(ready), Ok(2));
    assert_eq!(p.poll(&mut fds, Some(Duration::ZERO)).map(ready), Err(EINVAL));
}

#[test]
fn a_call_moves_so_many_bytes_and_comes_short() {
    let mut p = bounded(Limits { call: 5, ..Limits::default() });
    let fd = open(&mut p, "/f", &OpenHow { create: true, ..read_write() }).unwrap();
    let bufs = [&b"ab"[..], b"", b"cdef", b"gh"].map(IoSlice::new);
    assert_eq!(p.write(fd, &bufs).map(ready), Ok(5));
    assert_eq!(p.write(fd, &bufs[..3]).map(ready), Ok(5));
    assert_eq!(p.write(fd, &bufs[..1]).map(ready), Ok(2));
    assert_eq!(p.pwrite(fd, &bufs[2..], 12), Ok(5));
    assert_eq!(p.lseek(fd, Whence::Set, 0), Ok(0));
    for part in [&b"abcde"[..], b"abcde", b"abcde", b"fg"] {
        assert_eq!(read(&mut p, fd, 9).unwrap(), part);
    }
    assert_eq!(p.pread(fd, &mut OneBuf(&mut [0; 9]), 1), Ok(5));
    p.set_status_flags(fd, crate::StatusFlags { append: true, nonblock: false }).unwrap();
    assert_eq!(p.write(fd, &bufs).map(ready), Ok(5));
    let (r, w) = p.pipe(false, false).unwrap();
    assert_eq!(p.write(w, &bufs).map(ready), Ok(5));
    assert_eq!(read(&mut p, r, 9).unwrap(), b"abcde");
    // Only what may be moved counts against the largest offset.
    assert_eq!(p.pread(fd, &mut OneBuf(&mut [0; 9]), i64::MAX as u64 - 5), Ok(0));
    assert_eq!(p.pread(fd, &mut OneBuf(&mut [0; 9]), i64::MAX as u64 - 4), Err(EINVAL));
}

#[test]
fn a_pipe_holds_so_many_bytes() {
    let mut p = bounded(Limits { pipe: 5000, ..Limits::default() });
    let (_r, w) = p.pipe(true, false).unwrap();
    assert_eq!(write(&mut p, w, &[0; 9000]), Ok(4096));
    assert_eq!(write(&mut p, w, &[0; 1]), Err(EAGAIN));
    p.mkfifoat(CWD, b"/ff", 0o600).unwrap();
    let fd = open(&mut p, "/ff", &read_write()).unwrap();
    assert_eq!(write(&mut p, fd, &[0; 9000]), Ok(4096));
}

#[test]
fn a_pipe_is_made_to_hold_so_many_bytes_and_no_more() {
    let mut p = process();
    let (_r, w) = p.pipe(true, false).unwrap();
    assert_eq!(p.set_pipe_size(w, (1 << 20) + 1), Err(EPERM));
    assert_eq!(p.set_pipe_size(w, 1 << 20), Ok(1 << 20));
    assert_eq!(write(&mut p, w, &vec![0; 2 << 20]), Ok(1 << 20));
    assert_eq!(p.set_pipe_size(w, 1 << 31), Err(EPERM));
    assert_eq!(p.set_pipe_size(w, (1 << 31) + 1), Err(EINVAL));
    // And all that are open together, of which each descriptor counts.
    let mut p = bounded(Limits { pipes: 5 << 16, ..Limits::default() });
    let (_r, one) = p.pipe(true, false).unwrap();
    assert_eq!(p.set_pipe_size(one, 1 << 17), Ok(1 << 17));
    assert_eq!(p.set_pipe_size(one, 1 << 18), Err(EPERM));
    let (r, two) = p.pipe(true, false).unwrap();
    assert_eq!(p.set_pipe_size(two, 1 << 17), Err(EPERM));
    assert_eq!(p.set_pipe_size(two, 1 << 16), Ok(1 << 16), "it holds that already");
    assert_eq!(p.set_pipe_size(one, 1 << 16), Ok(1 << 16));
    assert_eq!(p.set_pipe_size(two, 1 << 17), Ok(1 << 17));
    p.close(r).unwrap();
    p.close(two).unwrap();
    assert_eq!(p.set_pipe_size(one, 1 << 17), Ok(1 << 17));
    // What it was made with it may have, whatever that is.
    for (pipe, pipe_max) in [(5000, 0), (1, 1), (65_536, 65_536), (1 << 21, 1 << 20)] {
        let mut p = bounded(Limits { pipe, pipe_max, ..Limits::default() });
        p.mkfifoat(CWD, b"/ff", 0o600).unwrap();
        let fifo = open(&mut p, "/ff", &read_write()).unwrap();
        for fd in [fifo, p.pipe(true, false).unwrap().1] {
            let size = p.pipe_size(fd).unwrap();
            assert_eq!(p.set_pipe_size(fd, u32::try_from(size).unwrap()), Ok(size), "{pipe}");
            assert_eq!(p.set_pipe_size(fd, u32::try_from(size).unwrap() + 1), Err(EPERM), "{pipe}");
        }
    }
}

#[test]
fn storage_runs_out_at_the_bound_and_comes_back() {
    let mut p = bounded(Limits { inodes: 4, bytes: 1 << 20, ..Limits::default() });
    let made: Vec<_> = (0..5).map(|n| mkfile(&mut p, &format!("/{n}"))).collect();
    let fit = made.iter().take_while(|made| made.is_ok()).count();
    assert!((3..=4).contains(&fit) && made[fit..].iter().all(|made| *made == Err(ENOSPC)), "{made:?}");
    unlink(&mut p, "/0").unwrap();
    assert_eq!(mkfile(&mut p, "/again"), Ok(()));
    let fd = open(&mut p, "/again", &read_write()).unwrap();
    let mut total = 0;
    let end = loop {
        match write(&mut p, fd, &[1; 4096]) {
            Ok(n) => total += n as u64,
            Err(errno) => break errno,
        }
    };
    assert_eq!(end, ENOSPC);
    assert!(total <= 1 << 20 && total > 1 << 19);
    assert_eq!(offset(&mut p, fd), total);
    p.ftruncate(fd, 0).unwrap();
    assert_eq!(p.pwrite(fd, &[IoSlice::new(b"x")], 0), Ok(1));
}

#[test]
fn directories_nest_so_deep() {
    let mut p = bounded(Limits { depth: 3, ..Limits::default() });
    for path in ["/1", "/1/2", "/1/2/3"] {
        mkdir(&mut p, path).unwrap();
    }
    assert_eq!(mkdir(&mut p, "/1/2/3/4"), Err(ENAMETOOLONG));
    assert_eq!(mkfile(&mut p, "/1/2/3/4"), Ok(()));
}

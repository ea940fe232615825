use std::time::Duration;

use super::*;
use crate::Errno::*;
use crate::stream::Readiness;

/// Two processes of one tree with the FIFO `/ff`.
fn two() -> (Process, Process) {
    let fs = mem();
    let mut one = start(tree(&fs));
    one.mkfifoat(CWD, b"/ff", 0o600).unwrap();
    (one, start(tree(&fs)))
}

fn nonblocking(access: Access) -> OpenHow {
    OpenHow { nonblock: true, ..OpenHow::new(access) }
}

/// Runs a call until it is done, parking as an adapter does.
fn finish<T>(p: &mut Process, mut call: impl FnMut(&mut Process) -> Result<Outcome<T>>) -> Result<T> {
    loop {
        match call(p)? {
            Outcome::Ready(value) => return Ok(value),
            Outcome::Wait(wait) => p.interrupt().or(wait).block(),
        }
    }
}

fn readiness(p: &mut Process, fd: Fd) -> Readiness {
    let mut fds = [PollFd::new(fd, true, true)];
    ready(p.poll(&mut fds, Some(Duration::ZERO)).unwrap());
    fds[0].ready.unwrap()
}

#[test]
fn opening_waits_for_the_other_end_from_either_side() {
    for first in [Access::READ, Access::WRITE] {
        let (mut one, mut other) = two();
        let second = if first == Access::READ { Access::WRITE } else { Access::READ };
        let how = OpenHow::new(first);
        for _ in 0..3 {
            drop(waits(one.openat(CWD, b"/ff", &how)));
            assert_eq!(one.open_fds().count(), 3);
        }
        let thread = std::thread::spawn(move || {
            let fd = finish(&mut one, |p| p.openat(CWD, b"/ff", &how)).unwrap();
            (one, fd)
        });
        let fd = finish(&mut other, |p| p.openat(CWD, b"/ff", &OpenHow::new(second))).unwrap();
        let (one, one_fd) = thread.join().unwrap();
        let ((mut reader, r), (mut writer, w)) =
            if first == Access::READ { ((one, one_fd), (other, fd)) } else { ((other, fd), (one, one_fd)) };
        assert_eq!(write(&mut writer, w, b"through"), Ok(7));
        assert_eq!(read(&mut reader, r, 9).unwrap(), b"through");
        assert_eq!(read(&mut writer, w, 1), Err(EBADF));
        assert_eq!(write(&mut reader, r, b"x"), Err(EBADF));
        let kind = reader.fstat(r).unwrap();
        assert_eq!((kind.kind, kind.ino), (FileKind::Fifo, reader.statat(CWD, b"/ff", true).unwrap().ino));
    }
}

#[test]
fn bytes_go_through_between_threads_and_the_end_comes_after_the_last_writer() {
    const TOTAL: usize = 1_000_000;
    let (mut reader, mut writer) = two();
    let thread = std::thread::spawn(move || {
        let fd = finish(&mut writer, |p| p.openat(CWD, b"/ff", &OpenHow::new(Access::WRITE))).unwrap();
        let data: Vec<u8> = (0..TOTAL).map(|n| (n % 251) as u8).collect();
        let mut sent = 0;
        while sent < TOTAL {
            sent += finish(&mut writer, |p| p.write(fd, &[IoSlice::new(&data[sent..])])).unwrap();
        }
    });
    let fd = finish(&mut reader, |p| p.openat(CWD, b"/ff", &OpenHow::read())).unwrap();
    let mut got = 0;
    loop {
        let bytes = finish(&mut reader, |p| try_read(p, fd, 5000)).unwrap();
        if bytes.is_empty() {
            break;
        }
        assert!(bytes.iter().enumerate().all(|(n, &b)| b == ((got + n) % 251) as u8));
        got += bytes.len();
    }
    assert_eq!(got, TOTAL);
    thread.join().unwrap();
}

#[test]
fn non_blocking_ends_open_at_once_or_not_at_all() {
    let (mut one, mut other) = two();
    assert_eq!(open(&mut one, "/ff", &nonblocking(Access::WRITE)), Err(ENXIO));
    assert_eq!(open(&mut one, "/ff", &OpenHow::new(Access::default())), Err(EINVAL));
    let r = open(&mut one, "/ff", &nonblocking(Access::READ)).unwrap();
    assert_eq!(read(&mut one, r, 1).unwrap(), b"");
    let w = open(&mut other, "/ff", &nonblocking(Access::WRITE)).unwrap();
    assert_eq!(read(&mut one, r, 1), Err(EAGAIN));
    let mut sent = 0;
    let full = loop {
        match other.write(w, &[IoSlice::new(&[7; 4096])]) {
            Ok(Outcome::Ready(n)) => sent += n,
            other => break other.map(ready),
        }
    };
    assert_eq!((full, sent), (Err(EAGAIN), Limits::default().pipe));
    one.close(r).unwrap();
    assert_eq!(write(&mut other, w, b"x"), Err(EPIPE));
    assert_eq!(write(&mut other, w, b""), Ok(0));
    other.close(w).unwrap();
    // Both directions need nobody, and what was left in the FIFO went with its last end.
    let both = open(&mut one, "/ff", &read_write()).unwrap();
    assert_eq!(write(&mut one, both, b"x"), Ok(1));
}

#[test]
fn poll_tells_of_pipes_what_linux_tells() {
    let none = Readiness::default();
    let hangup = Readiness { readable: true, hangup: true, ..none };
    let (mut one, mut other) = two();
    let r = open(&mut one, "/ff", &nonblocking(Access::READ)).unwrap();
    assert_eq!(readiness(&mut one, r), none, "no writer yet");
    let w = open(&mut other, "/ff", &OpenHow::new(Access::WRITE)).unwrap();
    assert_eq!(readiness(&mut one, r), none);
    assert_eq!(readiness(&mut other, w), Readiness { writable: true, ..none });
    write(&mut other, w, b"ab").unwrap();
    assert_eq!(readiness(&mut one, r), Readiness { readable: true, bytes: 2, ..none });
    other.close(w).unwrap();
    assert_eq!(readiness(&mut one, r), Readiness { bytes: 2, ..hangup });
    read(&mut one, r, 9).unwrap();
    assert_eq!(readiness(&mut one, r), hangup);
    let w = open(&mut other, "/ff", &OpenHow::new(Access::WRITE)).unwrap();
    assert_eq!(readiness(&mut one, r), none);
    // A reader that came while there was a writer sees it go.
    let late = open(&mut one, "/ff", &OpenHow::read()).unwrap();
    other.close(w).unwrap();
    assert_eq!(readiness(&mut one, late), hangup);
    one.close(late).unwrap();
    let w = open(&mut other, "/ff", &OpenHow::new(Access::WRITE)).unwrap();
    one.close(r).unwrap();
    assert_eq!(readiness(&mut other, w), Readiness { writable: true, error: true, ..none });

    let (r, w) = one.pipe(false, false).unwrap();
    assert_eq!(readiness(&mut one, r), none);
    one.close(w).unwrap();
    assert_eq!(readiness(&mut one, r), hangup);
}

#[test]
fn an_opening_that_is_given_up_closes_its_end() {
    let give_up: [fn(&mut Process); 6] = [
        |p| p.abandon_wait(),
        |p| assert!(open(p, "/", &OpenHow::read()).is_ok()),
        |p| assert_eq!(open(p, "/missing", &OpenHow::read()), Err(ENOENT)),
        |p| assert!(p.dup(Fd::STDIN, Fd::STDIN, false).is_ok()),
        |p| assert_eq!(read(p, Fd::STDIN, 1).unwrap(), b""),
        |p| assert_eq!(p.poll(&mut [], Some(Duration::ZERO)).map(ready), Ok(0)),
    ];
    for give_up in give_up {
        let (mut one, mut other) = two();
        drop(waits(one.openat(CWD, b"/ff", &OpenHow::read())));
        // The reader that waits is a reader.
        let w = open(&mut other, "/ff", &nonblocking(Access::WRITE)).unwrap();
        other.close(w).unwrap();
        give_up(&mut one);
        assert_eq!(open(&mut other, "/ff", &nonblocking(Access::WRITE)), Err(ENXIO));
    }
    // Opening the other way is another call too.
    let (mut one, mut other) = two();
    drop(waits(one.openat(CWD, b"/ff", &OpenHow::read())));
    drop(waits(one.openat(CWD, b"/ff", &OpenHow::new(Access::WRITE))));
    assert_eq!(open(&mut other, "/ff", &nonblocking(Access::WRITE)), Err(ENXIO));
    drop(one);
    drop(waits(other.openat(CWD, b"/ff", &OpenHow::read())));
}

#[test]
fn a_pipe_has_no_positions() {
    let mut p = process();
    let (r, w) = p.pipe(true, true).unwrap();
    assert!(p.descriptor(r).unwrap().cloexec && p.status_flags(w).unwrap().nonblock);
    assert_eq!(p.lseek(r, Whence::Set, 0), Err(ESPIPE));
    assert_eq!(p.pread(r, &mut OneBuf(&mut [0]), 0), Err(ESPIPE));
    assert_eq!(p.pwrite(w, &[], 0), Err(ESPIPE));
    assert_eq!(p.fadvise(r), Err(ESPIPE));
    assert_eq!(p.fallocate(w, 0, 1), Err(ESPIPE));
    assert_eq!(p.ftruncate(w, 0), Err(EINVAL));
    assert_eq!(p.sync(w, false), Err(EINVAL));
    assert_eq!(p.read_dir(r, 0, &mut |_| ControlFlow::Continue(())), Err(ENOTDIR));
    assert_eq!(read(&mut p, r, 0).unwrap(), b"");
    assert_eq!(read(&mut p, r, 1), Err(EAGAIN));
}

use std::time::Duration;

use super::*;
use crate::Errno::*;

const SHORT: Duration = Duration::from_millis(60);

#[test]
fn a_call_that_waits_leaves_everything_as_it_was_and_is_run_again() {
    let mut p = process();
    let (r, w) = p.pipe(false, false).unwrap();
    let file = open(&mut p, "/f", &OpenHow::write_new()).unwrap();
    write(&mut p, file, b"12345").unwrap();
    let before = p.fstat(file).unwrap();
    for _ in 0..3 {
        drop(waits(try_read(&mut p, r, 4)));
    }
    write(&mut p, w, b"ab").unwrap();
    assert_eq!(read(&mut p, r, 4).unwrap(), b"ab");
    while let Ok(Outcome::Ready(_)) = p.write(w, &[IoSlice::new(&[1; 4096])]) {}
    for _ in 0..3 {
        drop(waits(p.write(w, &[IoSlice::new(&[2; 4096])])));
    }
    let mut all = Vec::new();
    while all.len() < Limits::default().pipe {
        all.extend(read(&mut p, r, 10_000).unwrap());
    }
    assert!(all.iter().all(|&b| b == 1));
    drop(waits(try_read(&mut p, r, 1)));
    for _ in 0..3 {
        let mut fds = [PollFd::new(r, true, false)];
        drop(waits(p.poll(&mut fds, None)));
    }
    assert_eq!((p.fstat(file).unwrap(), offset(&mut p, file)), (before, 5));
    assert_eq!(p.open_fds().count(), 6);
}

#[test]
fn a_read_into_several_buffers_takes_what_is_there() {
    let mut p = process();
    let (r, w) = p.pipe(false, false).unwrap();
    write(&mut p, w, b"abc").unwrap();
    let (mut a, mut b, mut c) = ([0; 2], [0; 0], [0; 4]);
    let mut bufs = [&mut a[..], &mut b[..], &mut c[..]].map(std::io::IoSliceMut::new);
    assert_eq!(p.read(r, &mut &mut bufs[..]).map(ready), Ok(3));
    assert_eq!((&a, &c), (b"ab", b"c\0\0\0"));
    // Exactly the first buffer: the second one finds nothing and does not wait.
    write(&mut p, w, b"xy").unwrap();
    let mut bufs = [&mut a[..], &mut c[..]].map(std::io::IoSliceMut::new);
    assert_eq!(p.read(r, &mut &mut bufs[..]).map(ready), Ok(2));
}

/// Buffers of which the second lies outside of the guest's memory.
struct Half([u8; 2]);

impl ReadBufs for Half {
    fn count(&self) -> usize {
        2
    }

    fn get(&mut self, index: usize) -> Result<&mut [u8]> {
        if index == 0 { Ok(&mut self.0) } else { Err(EFAULT) }
    }
}

#[test]
fn a_buffer_that_cannot_be_had_loses_nothing_that_was_read() {
    let mut p = process();
    let (r, w) = p.pipe(false, false).unwrap();
    write(&mut p, w, b"abcd").unwrap();
    assert_eq!(p.read(r, &mut Half([0; 2])).map(ready), Ok(2));
    assert_eq!(read(&mut p, r, 9).unwrap(), b"cd");
    let fd = open(&mut p, "/f", &OpenHow { create: true, ..read_write() }).unwrap();
    write(&mut p, fd, b"abcd").unwrap();
    p.lseek(fd, Whence::Set, 0).unwrap();
    assert_eq!(p.read(fd, &mut Half([0; 2])).map(ready), Ok(2));
    assert_eq!(offset(&mut p, fd), 2);
}

#[test]
fn a_wait_ends_by_data_from_another_thread() {
    let mut p = process();
    let (r, w) = p.pipe(false, false).unwrap();
    let wait = waits(p.poll(&mut [PollFd::new(r, true, false)], None));
    let wait_read = waits(try_read(&mut p, r, 4));
    let stream = p.descriptor(w).unwrap().file.as_stream().unwrap().clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        ready(stream.write(&[IoSlice::new(b"late")]).unwrap())
    });
    wait.block();
    wait_read.block();
    assert_eq!(thread.join().unwrap(), 4);
    assert_eq!(p.poll(&mut [PollFd::new(r, true, false)], None).map(ready), Ok(1));
    assert_eq!(read(&mut p, r, 9).unwrap(), b"late");
}

#[test]
fn an_interrupt_ends_every_wait() {
    let interrupt = Interrupt::new();
    let mut p = Process::builder(tree(&mem()), Limits::default()).interrupt(interrupt.clone()).build().unwrap();
    let (r, _w) = p.pipe(false, false).unwrap();
    let poll = waits(p.poll(&mut [PollFd::new(r, true, false)], None));
    let sleep = waits(p.poll(&mut [], Some(Duration::from_secs(1000))));
    let reading = waits(try_read(&mut p, r, 1));
    let threads = [poll, sleep, reading].map(|wait| {
        let wait = p.interrupt().or(wait);
        std::thread::spawn(move || wait.block())
    });
    interrupt.raise();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_timeout_counts_from_the_first_run() {
    let mut p = process();
    let (r, _w) = p.pipe(false, false).unwrap();
    let begun = Instant::now();
    let mut fds = [PollFd::new(r, true, false)];
    let first = waits(p.poll(&mut fds, Some(SHORT))).until.unwrap();
    std::thread::sleep(SHORT / 4);
    for _ in 0..3 {
        // Other events end the wait; the moment stays.
        assert_eq!(waits(p.poll(&mut fds, Some(SHORT))).until, Some(first));
    }
    assert!(p.waited() >= SHORT / 4);
    waits(p.poll(&mut fds, Some(SHORT))).block();
    assert_eq!(p.poll(&mut fds, Some(SHORT)).map(ready), Ok(0));
    assert!(begun.elapsed() >= SHORT);
    assert!(!fds[0].is_ready());
    // The next call counts anew.
    assert_eq!(p.waited(), Duration::ZERO);
    drop(waits(p.poll(&mut fds, Some(SHORT))));
}

#[test]
fn a_poll_that_is_given_up_does_not_shorten_the_next() {
    let give_up: [fn(&mut Process); 5] = [
        |p| p.abandon_wait(),
        |p| assert_eq!(read(p, Fd::STDIN, 1).unwrap(), b""),
        |p| assert_eq!(write(p, Fd::STDOUT, b"x"), Ok(1)),
        |p| assert!(open(p, "/", &OpenHow::read()).is_ok()),
        |p| assert_eq!(p.close(Fd::new(99)), Err(EBADF)),
    ];
    for give_up in give_up {
        let mut p = process();
        let first = waits(p.poll(&mut [], Some(SHORT))).until.unwrap();
        give_up(&mut p);
        assert_eq!(p.waited(), Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        assert!(waits(p.poll(&mut [], Some(SHORT))).until.unwrap() > first);
    }
}

#[test]
fn poll_answers_at_once_what_is_known() {
    let mut p = process();
    let file = open(&mut p, "/f", &OpenHow { create: true, ..read_write() }).unwrap();
    let dir = open(&mut p, "/", &OpenHow::read()).unwrap();
    write(&mut p, file, b"12345").unwrap();
    p.lseek(file, Whence::Set, 2).unwrap();
    let (r, w) = p.pipe(false, false).unwrap();
    let mut fds = [file, dir, Fd::new(99), r, w, w].map(|fd| PollFd::new(fd, true, true));
    fds[5].write = false;
    assert_eq!(p.poll(&mut fds, None).map(ready), Ok(4));
    assert_eq!(fds[0].ready.unwrap().bytes, 3);
    assert_eq!(fds[2].ready, Err(EBADF));
    assert_eq!(fds.map(|fd| fd.is_ready()), [true, true, true, false, true, false]);
    assert_eq!(p.poll(&mut [], Some(Duration::ZERO)).map(ready), Ok(0));
    assert_eq!(waits(p.poll(&mut [], Some(Duration::MAX))).until, None);
}

//! What a C program cannot show: `fixtures/emscripten/src/epolls.c` has the rest, against Linux.

use std::time::{Duration, Instant};

use stratafs::Errno::*;
use stratafs_abi::Flow;

use crate::guest::{Answer, CLOEXEC, Guest, O_PATH, OUTSIDE};

const ADD: u64 = 1;
const DEL: u64 = 2;
const MOD: u64 = 3;
const IN: u64 = 1;
const ET: u64 = 1 << 31;
const ONESHOT: u64 = 1 << 30;
const EXCLUSIVE: u64 = 1 << 28;

impl Guest {
    fn watch(&mut self, ep: u64, op: u64, fd: u64, events: u64, data: u64) -> Answer {
        let event = self.words(&[events, 0xaaaa, data & 0xffff_ffff, data >> 32]);
        self.call("epoll_ctl", &[ep, op, fd, event])
    }

    /// What is told without waiting: the events and the data of each.
    fn told(&mut self, ep: u64, most: u64) -> Vec<(u32, u64)> {
        let at = self.alloc(16 * 8);
        let count = self.call("epoll_pwait_nonblocking", &[ep, at, most]).unwrap();
        (0..count).map(|n| (self.u32_at(at + 16 * n), self.u64_at(at + 16 * n + 8))).collect()
    }

    pub fn two_ends(&mut self) -> (u64, u64) {
        let out = self.alloc(8);
        self.call("pipe", &[out]).unwrap();
        (self.u32_at(out).into(), self.u32_at(out + 4).into())
    }
}

#[test]
fn a_record_has_16_bytes_and_gives_back_all_64_of_the_data() {
    let mut g = Guest::new();
    let ep = g.call("epoll_create1", &[CLOEXEC]).unwrap();
    assert_eq!(g.fcntl(ep, 1, 0), Ok(1));
    let (read, write) = g.two_ends();
    g.watch(ep, ADD, read, IN, 0x0123_4567_89ab_cdef).unwrap();
    g.write(write, b"x");
    let at = g.alloc(32);
    g.memory[at as usize..][..32].fill(0xaa);
    assert_eq!(g.call("epoll_pwait", &[ep, at, 2, 0, 0, 0]), Ok(1));
    assert_eq!((g.u32_at(at), g.u32_at(at + 4), g.u64_at(at + 8)), (1, 0, 0x0123_4567_89ab_cdef));
    assert_eq!(g.bytes(at + 16, 16), [0xaa; 16], "no byte more");
}

#[test]
fn nobody_waits_for_ever_when_there_is_room_for_one() {
    let mut g = Guest::new();
    let ep = g.call("epoll_create1", &[0]).unwrap();
    for n in 0..3 {
        let (read, write) = g.two_ends();
        g.watch(ep, ADD, read, IN, n).unwrap();
        g.write(write, b"x");
    }
    let mut seen: Vec<_> = (0..3).map(|_| g.told(ep, 1)).collect();
    seen.sort();
    assert_eq!(seen, [[(1, 0)], [(1, 1)], [(1, 2)]]);
}

#[test]
fn a_wait_ends_by_data_by_time_and_changes_nothing() {
    let mut g = Guest::new();
    let ep = g.call("epoll_create1", &[0]).unwrap();
    let (read, write) = g.two_ends();
    g.watch(ep, ADD, read, IN | ET | ONESHOT, 7).unwrap();
    let at = g.alloc(16);
    g.memory[at as usize..][..16].fill(0xaa);
    let forever = [ep, at, 1, 0xffff_ffff, 0, 0];
    let Flow::Wait(wait) = g.flow("__syscall_epoll_pwait", &forever) else { panic!("does not wait") };
    assert!(wait.until.is_none());
    assert_eq!(g.bytes(at, 16), [0xaa; 16]);
    let thread = std::thread::spawn(move || wait.block());
    g.write(write, b"x");
    thread.join().unwrap();
    assert_eq!(g.call("epoll_pwait", &forever), Ok(1));
    assert_eq!((g.u32_at(at), g.u64_at(at + 8)), (1, 7));
    let start = Instant::now();
    let args = [ep, at, 1, 30, 0, 0];
    while let Flow::Wait(wait) = g.flow("__syscall_epoll_pwait", &args) {
        wait.block();
    }
    assert!(start.elapsed() >= Duration::from_millis(30), "it sleeps, whatever there is to read");
}

#[test]
fn a_wait_through_another_list_ends_by_data() {
    let mut g = Guest::new();
    let (outer, inner) = (g.call("epoll_create1", &[0]).unwrap(), g.call("epoll_create1", &[0]).unwrap());
    let (read, write) = g.two_ends();
    g.watch(inner, ADD, read, IN, 1).unwrap();
    g.watch(outer, ADD, inner, IN, 2).unwrap();
    let pollfd = g.words(&[outer, IN]);
    let at = g.alloc(16);
    let calls: [(&str, Vec<u64>); 2] =
        [("__syscall_epoll_pwait", vec![outer, at, 1, 0xffff_ffff, 0, 0]), ("__syscall_poll", vec![pollfd, 1, 0xffff_ffff])];
    for (name, args) in calls {
        let Flow::Wait(wait) = g.flow(name, &args) else { panic!("{name} does not wait") };
        let thread = std::thread::spawn(move || wait.block());
        g.write(write, b"x");
        thread.join().unwrap();
        assert_eq!(g.raw(name, &args), Ok(1), "{name}");
        let fd = stratafs::Fd::new(read as u32);
        assert!(matches!(g.process.read(fd, &mut stratafs::OneBuf(&mut [0; 8])), Ok(stratafs::Outcome::Ready(1))));
    }
}

#[test]
fn lists_watch_lists_one_deep() {
    let mut g = Guest::new();
    let [a, b, c] = [0, 0, 0].map(|flags| g.call("epoll_create1", &[flags]).unwrap());
    g.watch(a, ADD, b, IN, 0).unwrap();
    assert_eq!(g.watch(b, ADD, c, IN, 0), Err(ELOOP), "from within");
    assert_eq!(g.watch(c, ADD, a, IN, 0), Err(ELOOP), "from without");
    assert_eq!(g.watch(b, ADD, a, IN, 0), Err(ELOOP), "round");
    g.watch(a, ADD, c, IN, 0).unwrap();
}

#[test]
fn what_is_bad_is_refused_and_nothing_is_watched() {
    let mut g = Guest::new();
    let ep = g.call("epoll_create1", &[0]).unwrap();
    let (read, _) = g.two_ends();
    let place = g.open("/dir", O_PATH).unwrap();
    for at in [0, OUTSIDE - 15] {
        assert_eq!(g.call("epoll_ctl", &[ep, ADD, read, at]), Err(EFAULT));
        assert_eq!(g.call("epoll_ctl", &[ep, MOD, read, at]), Err(EFAULT));
        assert_eq!(g.call("epoll_ctl", &[ep, DEL, read, at]), Err(ENOENT), "not looked at");
        assert_eq!(g.call("epoll_pwait_nonblocking", &[ep, at, 1]), Err(EFAULT));
    }
    assert_eq!(g.call("epoll_pwait_nonblocking", &[ep, OUTSIDE - 16, 2]), Err(EFAULT));
    assert_eq!(g.call("epoll_pwait_nonblocking", &[ep, OUTSIDE - 16, 1]), Ok(0));
    assert_eq!(g.watch(ep, ADD, place, IN, 0), Err(EBADF));
    assert_eq!(g.watch(ep, 9, read, IN, 0), Err(EINVAL));
    assert_eq!(g.watch(ep, MOD, read, IN | EXCLUSIVE, 0), Err(EINVAL));
    g.watch(ep, ADD, read, IN | EXCLUSIVE, 0).unwrap();
    assert_eq!(g.call("epoll_create1", &[1]), Err(EINVAL));
}

#[test]
fn so_many_can_be_watched_as_can_be_polled() {
    let mut limits = crate::guest::limits();
    limits.poll = 3;
    let mut g = Guest::with(crate::guest::tree(), |builder| builder);
    g.process = stratafs::Process::builder(crate::guest::tree(), limits).build().unwrap();
    let ep = g.call("epoll_create1", &[0]).unwrap();
    let ends: Vec<_> = (0..4).map(|_| g.two_ends().0).collect();
    for &end in &ends[..3] {
        g.watch(ep, ADD, end, IN, 0).unwrap();
    }
    assert_eq!(g.watch(ep, ADD, ends[3], IN, 0), Err(ENOSPC));
    g.close(ends[0]);
    assert_eq!(g.watch(ep, ADD, ends[3], IN, 0), Ok(0), "what is closed leaves its place");
}

//! `poll_oneoff`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stratafs::stream::{Readiness, Stream};
use stratafs::{Errno, Event, FileKind, Limits, Stat};
use stratafs_abi::Flow;

use crate::guest::{Guest, READ};

pub fn clock(userdata: u64, id: u32, nanos: u64, absolute: bool) -> Vec<u8> {
    let mut record = vec![0; 48];
    record[..8].copy_from_slice(&userdata.to_le_bytes());
    record[16..20].copy_from_slice(&id.to_le_bytes());
    record[24..32].copy_from_slice(&nanos.to_le_bytes());
    record[40] = absolute.into();
    record
}

pub fn ready(userdata: u64, fd: u64, write: bool) -> Vec<u8> {
    let mut record = vec![0; 48];
    record[..8].copy_from_slice(&userdata.to_le_bytes());
    record[8] = 1 + u8::from(write);
    record[16..20].copy_from_slice(&(fd as u32).to_le_bytes());
    record
}

/// Userdata, error, kind, bytes and flags.
pub type Reported = (u64, u64, u8, u64, u8);

/// The arguments of a poll of `subscriptions`, and how its events are read.
pub fn arguments(g: &mut Guest, subscriptions: &[Vec<u8>]) -> [u64; 4] {
    let list = g.text(subscriptions.concat()).0;
    [list, g.alloc(32 * subscriptions.len() as u32), subscriptions.len() as u64, g.alloc(4)]
}

pub fn events(g: &Guest, args: [u64; 4]) -> Vec<Reported> {
    let [_, list, _, count] = args;
    let event = |n: u32| {
        let at = list + u64::from(n) * 32;
        let error = u64::from(g.memory[at as usize + 8]);
        (g.u64_at(at), error, g.memory[at as usize + 10], g.u64_at(at + 16), g.memory[at as usize + 24])
    };
    (0..g.u32_at(count)).map(event).collect()
}

/// Runs the call until it is over, as an adapter does.
fn poll(g: &mut Guest, subscriptions: &[Vec<u8>]) -> Result<Vec<Reported>, Errno> {
    let args = arguments(g, subscriptions);
    loop {
        match g.flow("poll_oneoff", &args) {
            Flow::Done(Some(number)) => return crate::guest::errno(number).map(|()| events(g, args)),
            Flow::Wait(wait) => g.process.interrupt().or(wait).block(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn none_too_many_and_malformed_are_invalid() {
    let mut limits = Limits::default();
    limits.poll = 2;
    let mut g = Guest::limited(limits, |b| b);
    let args = arguments(&mut g, &[clock(0, 1, 0, false)]);
    assert_eq!(g.call("poll_oneoff", &[args[0], args[1], 0, args[3]]), Err(Errno::EINVAL));
    assert_eq!(g.call("poll_oneoff", &[args[0], args[1], 3, args[3]]), Err(Errno::EINVAL));
    assert_eq!(g.call("poll_oneoff", &[args[0], args[1], u64::from(u32::MAX), args[3]]), Err(Errno::EINVAL));
    let bad_clock = clock(0, 4, 0, false);
    let (mut bad_kind, mut bad_flags) = (clock(0, 1, 0, false), clock(0, 1, 0, false));
    bad_kind[8] = 3;
    bad_flags[40] = 2;
    for bad in [bad_clock, bad_kind, bad_flags] {
        assert_eq!(poll(&mut g, &[bad]), Err(Errno::EINVAL));
    }
}

#[test]
fn a_bad_descriptor_is_an_event() {
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    g.call("fd_fdstat_set_rights", &[fd, 2, 0]).unwrap();
    let found =
        poll(&mut g, &[ready(1, 99, false), ready(2, fd, false), ready(3, 1, false), clock(4, 1, 1 << 40, false)]).unwrap();
    assert_eq!(found, [(1, 8, 1, 0, 0), (2, 76, 1, 0, 0), (3, 8, 1, 0, 0)]);
}

#[test]
fn files_and_streams_tell_what_they_hold() {
    let mut g = Guest::new();
    let fd = g.open_full([3, 1, 0, 0], "dir/file", READ, 0).unwrap();
    g.read(fd, 4).unwrap();
    let found = poll(&mut g, &[ready(1, fd, false), ready(2, 0, false), ready(3, 1, true), clock(4, 0, 1 << 40, false)]).unwrap();
    assert_eq!(found, [(1, 0, 1, 7, 0), (2, 0, 1, 5, 0), (3, 0, 2, 0, 0)]);
}

#[test]
fn clocks_that_are_due_and_only_those() {
    let mut g = Guest::new();
    let out = g.alloc(8);
    for id in 0..4 {
        g.call("clock_time_get", &[id, 0, out]).unwrap();
        let now = g.u64_at(out);
        let past =
            poll(&mut g, &[clock(7, id as u32, now.saturating_sub(1), true), clock(8, id as u32, 1 << 62, false)]).unwrap();
        assert_eq!(past, [(7, 0, 0, 0, 0)]);
        let start = Instant::now();
        let ahead = [clock(1, id as u32, now + 20_000_000, true), clock(2, 1, 3_600_000_000_000, false)];
        assert_eq!(poll(&mut g, &ahead).unwrap(), [(1, 0, 0, 0, 0)]);
        assert!(start.elapsed() >= Duration::from_millis(15), "clock {id} after {:?}", start.elapsed());
    }
    let start = Instant::now();
    let both = [clock(1, 1, 10_000_000, false), clock(2, 0, 10_000_000, false), clock(3, 1, 60_000_000_000, false)];
    assert_eq!(poll(&mut g, &both).unwrap(), [(1, 0, 0, 0, 0), (2, 0, 0, 0, 0)]);
    assert!(start.elapsed() >= Duration::from_millis(10));
    assert_eq!(poll(&mut g, &[clock(5, 1, 0, false)]).unwrap(), [(5, 0, 0, 0, 0)]);
}

#[test]
fn events_may_lie_over_the_subscriptions() {
    let mut g = Guest::new();
    let [list, _, n, count] = arguments(&mut g, &[clock(1, 1, 0, false), clock(2, 1, 0, false), clock(3, 1, 0, false)]);
    g.call("poll_oneoff", &[list, list, n, count]).unwrap();
    assert_eq!(events(&g, [list, list, n, count]).iter().map(|e| e.0).collect::<Vec<_>>(), [1, 2, 3]);
}

struct Silent(Arc<Event>);

impl Stream for Silent {
    fn readiness(&self) -> Readiness {
        Readiness::default()
    }

    fn event(&self) -> Option<Arc<Event>> {
        Some(self.0.clone())
    }

    fn stat(&self) -> Stat {
        Stat::new(5, FileKind::Fifo)
    }
}

#[test]
fn a_relative_timeout_counts_from_the_first_run() {
    let event = Arc::new(Event::default());
    let mut g = Guest::put_stdin(Arc::new(Silent(event.clone())));
    let args = arguments(&mut g, &[ready(1, 0, false), clock(2, 1, 60_000_000, false), clock(3, 1, 3_600_000_000_000, false)]);
    let start = Instant::now();
    let mut runs = 0;
    loop {
        runs += 1;
        match g.flow("poll_oneoff", &args) {
            Flow::Wait(wait) => {
                assert!(wait.until.is_some_and(|until| until <= start + Duration::from_millis(90)));
                // Woken for nothing each 10 ms.
                std::thread::sleep(Duration::from_millis(10));
                event.signal();
                wait.block();
            }
            Flow::Done(Some(0)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(runs > 2);
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert_eq!(events(&g, args), [(2, 0, 0, 0, 0)]);
}

#[test]
fn a_wait_is_interrupted_from_outside() {
    let mut g = Guest::put_stdin(Arc::new(Silent(Arc::default())));
    let args = arguments(&mut g, &[ready(1, 0, false)]);
    let Flow::Wait(wait) = g.flow("poll_oneoff", &args) else { panic!("does not wait") };
    assert!(wait.until.is_none());
    let interrupt = g.process.interrupt().clone();
    let raiser = interrupt.clone();
    let thread = std::thread::spawn(move || raiser.raise());
    interrupt.or(wait).block();
    thread.join().unwrap();
}

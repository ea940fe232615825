use std::time::{Duration, Instant};

use stratafs::Errno::*;
use stratafs_abi::Flow;

use crate::guest::{Guest, O_PATH};

const IN: u64 = 1;

impl Guest {
    /// A pipe: the end to read and the end to write.
    fn pipe(&mut self) -> (u64, u64) {
        let out = self.alloc(8);
        self.call("pipe", &[out]).unwrap();
        (self.u32_at(out).into(), self.u32_at(out + 4).into())
    }

    fn pollfds(&mut self, fds: &[(u64, u64)]) -> u64 {
        let words: Vec<u64> = fds.iter().flat_map(|&(fd, events)| [fd, events | 0xaaaa_0000]).collect();
        self.words(&words)
    }

    /// How many are ready, and the `revents` of each.
    fn poll(&mut self, fds: &[(u64, u64)]) -> (u64, Vec<u16>) {
        let at = self.pollfds(fds);
        let ready = self.call("poll", &[at, fds.len() as u64, 0]).unwrap();
        let revents = (0..fds.len() as u64).map(|n| self.u16_at(at + 8 * n + 6)).collect();
        assert_eq!(self.call("poll_nonblocking", &[at, fds.len() as u64]), Ok(ready));
        (ready, revents)
    }
}

#[test]
fn poll_reports_what_linux_reports() {
    let mut g = Guest::new();
    let (read, write) = g.pipe();
    let (file, place, dir) = (g.open("/dir/file", 0).unwrap(), g.open("/dir", O_PATH).unwrap(), g.open("/dir", 0).unwrap());
    let asked = [(read, 5), (write, 5), (file, 7), (place, IN), (dir, 5), (500, IN), (0xffff_ffff, 7)];
    assert_eq!(g.poll(&asked), (5, vec![0, 4, 5, 32, 5, 32, 0]));
    g.write(write, b"x");
    assert_eq!(g.poll(&[(read, IN)]), (1, vec![1]));
    assert_eq!(g.poll(&[(read, IN | 0x40)]), (1, vec![0x41]));
    g.process.close(stratafs::Fd::new(write as u32)).unwrap();
    assert_eq!(g.poll(&[(read, 5)]), (1, vec![0x11]));
    let mut buf = [0; 4];
    let _ = g.process.read(stratafs::Fd::new(read as u32), &mut stratafs::OneBuf(&mut buf)).unwrap();
    assert_eq!(g.poll(&[(read, 5)]), (1, vec![0x10]));
    let (read, write) = g.pipe();
    g.process.close(stratafs::Fd::new(read as u32)).unwrap();
    assert_eq!(g.poll(&[(write, 5)]), (1, vec![0xc]));
    assert_eq!(g.poll(&[]), (0, vec![]));
    assert_eq!(g.call("poll", &[64, 1_000_000, 0]), Err(EINVAL));
}

#[test]
fn poll_waits_for_its_time_and_for_data() {
    let mut g = Guest::new();
    let (read, write) = g.pipe();
    let at = g.pollfds(&[(read, IN)]);
    let start = Instant::now();
    let Flow::Wait(wait) = g.flow("__syscall_poll", &[at, 1, 30]) else { panic!("does not wait") };
    assert_eq!(g.u16_at(at + 6), 0xaaaa, "nothing has changed");
    wait.block();
    while let Flow::Wait(wait) = g.flow("__syscall_poll", &[at, 1, 30]) {
        wait.block();
    }
    assert!(start.elapsed() >= Duration::from_millis(30));
    let Flow::Wait(wait) = g.flow("__syscall_poll", &[at, 1, 0xffff_ffff]) else { panic!("does not wait") };
    assert!(wait.until.is_none(), "a negative time is for ever");
    let thread = std::thread::spawn(move || wait.block());
    g.write(write, b"x");
    thread.join().unwrap();
    assert_eq!(g.call("poll", &[at, 1, 0xffff_ffff]), Ok(1));
    assert_eq!(g.u16_at(at + 6), 1);
}

#[test]
fn select_leaves_what_is_ready() {
    let mut g = Guest::new();
    let (read, write) = g.pipe();
    g.fcntl(write, 0, 40).unwrap();
    let (r, w, e, now) = (g.words(&[1 << read, 0]), g.words(&[1 << write, 1 << 8]), g.words(&[1 << read, 0]), g.words(&[0, 0]));
    assert_eq!(g.call("_newselect", &[41, r, w, e, now]), Ok(2));
    assert_eq!([r, r + 4, w, w + 4, e].map(|at| u64::from(g.u32_at(at))), [0, 0, 1 << write, 1 << 8, 0]);
    g.write(write, b"x");
    let r = g.words(&[1 << read, 0xffff_fe00]);
    assert_eq!(g.call("_newselect", &[read + 1, r, 0, 0, 0]), Ok(1));
    assert_eq!(u64::from(g.u32_at(r)), 1 << read);
    assert_eq!(g.u32_at(r + 4), 0xffff_fe00, "behind the number nothing is looked at");
}

#[test]
fn select_waits_and_refuses() {
    let mut g = Guest::new();
    let (read, write) = g.pipe();
    let set = g.words(&[1 << read]);
    let time = g.words(&[0, 20_000]);
    let Flow::Wait(wait) = g.flow("__syscall__newselect", &[read + 1, set, 0, 0, time]) else { panic!("does not wait") };
    assert!(wait.until.is_some());
    wait.block();
    while let Flow::Wait(wait) = g.flow("__syscall__newselect", &[read + 1, set, 0, 0, time]) {
        wait.block();
    }
    assert_eq!(g.u32_at(set), 0, "the time has passed");
    let set = g.words(&[1 << 20]);
    assert_eq!(g.call("_newselect", &[21, set, 0, 0, 0]), Err(EBADF));
    assert_eq!(g.call("_newselect", &[0xffff_ffff, set, 0, 0, 0]), Err(EINVAL));
    for time in [[0xffff_ffff, 0], [0, 0xffff_ffff]] {
        let time = g.words(&time);
        assert_eq!(g.call("_newselect", &[0, 0, 0, 0, time]), Err(EINVAL));
    }
    let over = g.words(&[0, 1_000]);
    assert!(matches!(g.flow("__syscall__newselect", &[0, 0, 0, 0, over]), Flow::Wait(_)));
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(g.call("_newselect", &[0, 0, 0, 0, over]), Ok(0));
    g.process.close(stratafs::Fd::new(read as u32)).unwrap();
    let (set, place) = (g.words(&[1 << write]), g.open("/dir", O_PATH).unwrap());
    assert_eq!(g.call("_newselect", &[write + 1, set, 0, 0, 0]), Ok(1), "nobody reads: an error to find");
    let set = g.words(&[1 << place]);
    assert_eq!(g.call("_newselect", &[place + 1, set, 0, 0, 0]), Ok(1));
}

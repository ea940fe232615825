//! The host's memory: bounded by what the embedder allows, whatever sizes a guest names.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stratafs::stream::{HostInput, HostOutput, NullStream};
use stratafs::{Errno, Limits, Namespace};
use stratafs_abi::{Call, Flow, Function, GuestMemory};
use stratafs_conformance::tree::TREE;
use stratafs_tests::backends::{Backend, Kind};

use crate::guest::{Abi, Guest, How, MEMORY};

/// Sizes, offsets and addresses at the edges.
const EDGES: [u64; 13] = [
    0,
    1,
    8,
    64,
    4096,
    MEMORY as u64 - 1,
    MEMORY as u64,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

fn functions() -> impl Iterator<Item = &'static Function> {
    stratafs_wasi::FUNCTIONS.iter().chain(stratafs_emscripten::FUNCTIONS).chain(stratafs_emscripten::SPLIT_FUNCTIONS)
}

/// The highest number of bytes that this thread held during `f`, and those that it holds after it.
fn bytes_of(f: impl FnOnce()) -> (u64, i64) {
    let counted = allocation_counter::measure(f);
    (counted.bytes_max, counted.bytes_current)
}

#[test]
fn ghsa_852m_cvvp_9p4w_no_size_is_allocated_before_it_is_checked() {
    for backend in
        [Backend::Memory, Backend::Host, Backend::Over(Kind::Memory, Kind::Memory), Backend::Over(Kind::Memory, Kind::Zip)]
    {
        let mut limits = Limits::default();
        limits.bytes = 1 << 20;
        let running = backend.on_layers(TREE).unwrap();
        let ns = running.namespace();
        let mut guest = Guest::with(Abi::Wasi, ns, limits, |builder| builder.args(["a"]).env("K", "V").preopen("/"));
        for path in ["etc/motd", "etc"] {
            guest.open(path, How::default()).unwrap();
        }
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut calls = 0;
        for f in functions() {
            for round in 0..400 {
                let args: Vec<u64> = (0..f.params.len())
                    .map(|at| {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        match (at, round % 4) {
                            // Descriptors that are open, and flags that are known, reach what is behind the first check.
                            (0, 0..3) => state % 6,
                            (_, 0) if state.is_multiple_of(3) => state % 4,
                            _ => EDGES[(state % EDGES.len() as u64) as usize],
                        }
                    })
                    .collect();
                let (most, _) = bytes_of(|| {
                    let mut cx = Call::new(&mut guest.process, GuestMemory::borrowed(&mut guest.memory));
                    if let Flow::Wait(_) = f.call(&mut cx, &args) {
                        cx.process.abandon_wait();
                    }
                });
                assert!(most <= 1 << 20, "{backend:?}: {}{args:x?} holds {most} bytes", f.about.name);
                calls += 1;
            }
        }
        assert!(calls > 40_000);
    }
}

#[test]
fn ghsa_x84v_gj2h_g759_what_is_written_to_a_pipe_is_bounded() {
    let running = Backend::Memory.on_layers(&[]).unwrap();
    let mut guest = Guest::on(Abi::Emscripten, &running);
    let fds = guest.alloc(8);
    guest.call("__syscall_pipe2", &[fds, 0x800]).unwrap();
    let end = u64::from(u32::from_le_bytes(guest.memory[fds as usize + 4..][..4].try_into().unwrap()));
    let block = vec![7; 1 << 16];
    let (most, _) = bytes_of(|| {
        let mut taken = 0;
        for _ in 0..1000 {
            match guest.write(end, &block) {
                Ok(n) => taken += n,
                Err(errno) => assert_eq!(errno, Errno::EAGAIN),
            }
        }
        assert_eq!(taken, Limits::default().pipe as u64);
    });
    assert!(most <= 2 * Limits::default().pipe as u64, "{most} bytes");
}

/// An endless reader that tells how much was taken of it.
struct Endless(Arc<AtomicU64>);

impl Read for Endless {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        buf.fill(b'x');
        self.0.fetch_add(buf.len() as u64, Ordering::Relaxed);
        Ok(buf.len())
    }
}

#[test]
fn ghsa_x84v_gj2h_g759_input_that_nobody_reads_is_not_read_ahead_without_end() {
    let given = Arc::new(AtomicU64::new(0));
    let mut guest = Guest::streams(Arc::new(HostInput::new(Endless(given.clone()))), Arc::new(NullStream));
    let (iovs, out) = (guest.put([0, 16, 0, 0, 1, 0, 0, 0]), guest.alloc(4));
    if let Flow::Wait(wait) = guest.flow("fd_read", &[0, iovs, 1, out]) {
        wait.block();
    }
    std::thread::sleep(Duration::from_millis(200));
    let after = given.load(Ordering::Relaxed);
    assert!(after <= 1 << 20, "{after} bytes were taken for one");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(given.load(Ordering::Relaxed), after, "reading goes on");
}

#[test]
fn ghsa_gqmc_89g8_p25r_writing_where_nobody_listens_costs_nothing() {
    let output = HostOutput::new(std::io::sink());
    let sinks: [(&str, Arc<dyn stratafs::stream::Stream>); 2] = [("null", Arc::new(NullStream)), ("a sink", Arc::new(output))];
    for (what, stdout) in sinks {
        let mut guest = Guest::streams(Arc::new(NullStream), stdout);
        let block = vec![b'x'; 1 << 16];
        let (most, left) = bytes_of(|| {
            for _ in 0..20_000 {
                assert_eq!(guest.write(1, &block), Ok(1 << 16), "{what}");
            }
        });
        assert!(most < 4096 && left == 0, "{what}: {most} bytes, {left} left");
    }
    let (mut guest, output) = Guest::captured();
    guest.close(1).unwrap();
    let (most, left) = bytes_of(|| (0..20_000).for_each(|_| assert_eq!(guest.write(1, b"text"), Err(Errno::EBADF))));
    assert!(most < 4096 && left == 0, "closed: {most} bytes, {left} left");
    assert!(output.take().is_empty());
}

#[test]
fn ghsa_5m8g_xhq4_4h93_an_empty_write_is_no_work() {
    let running = Backend::Memory.on_layers(TREE).unwrap();
    let mut guest = Guest::on(Abi::Emscripten, &running);
    let fds = guest.alloc(8);
    guest.call("__syscall_pipe2", &[fds, 0x800]).unwrap();
    let end = u64::from(u32::from_le_bytes(guest.memory[fds as usize + 4..][..4].try_into().unwrap()));
    let file = guest.open("etc/motd", How { write: true, ..How::default() }).unwrap();
    let before = guest.stat("etc/motd", true).unwrap();
    let (iovs, out) = (guest.put([0; 64]), guest.alloc(4));
    for fd in [1, end, file] {
        let (most, left) = bytes_of(|| {
            for count in [0, 1, 8] {
                for _ in 0..20_000 {
                    assert_eq!(guest.call("fd_write", &[fd, iovs, count, out]), Ok(0));
                }
            }
        });
        assert!(most < 4096 && left == 0, "{fd}: {most} bytes, {left} left");
    }
    assert_eq!(guest.stat("etc/motd", true).unwrap(), before, "an empty write moves no time");
    assert_eq!(guest.call("fd_pwrite", &[file, iovs, 8, 1 << 40, out]), Ok(0));
    assert_eq!(guest.stat("etc/motd", true).unwrap(), before, "nor the end of the file");
    let (mut guest, output) = Guest::captured();
    for _ in 0..20_000 {
        assert_eq!(guest.call("fd_write", &[1, iovs, 8, out]), Ok(0));
    }
    assert!(output.take().is_empty());
}

#[test]
fn ghsa_j366_h8gg_77pm_every_way_to_poll_is_bounded_alike() {
    // There is one generation of WASI; Emscripten's older one has a list of its own.
    let modules: std::collections::BTreeSet<_> = functions().map(|f| f.about.module).collect();
    assert_eq!(modules.into_iter().collect::<Vec<_>>(), ["env", "env (3.1.6)", "wasi_snapshot_preview1"]);
    let mut limits = Limits::default();
    limits.poll = 3;
    let ns = Namespace::new(stratafs_tests::backends::memory(&[]), &limits);
    let mut guest = Guest::with(Abi::Wasi, ns, limits, |builder| builder);
    let (list, events, out) = (guest.put([0; 48 * 8]), guest.alloc(32 * 8), guest.alloc(4));
    assert_eq!(guest.call("poll_oneoff", &[list, events, 3, out]), Ok(0));
    assert_eq!(guest.call("poll_oneoff", &[list, events, 4, out]), Err(Errno::EINVAL));
    assert!(guest.call("__syscall_poll", &[list, 3, 0]).is_ok());
    assert_eq!(guest.call("__syscall_poll", &[list, 4, 0]), Err(Errno::EINVAL));
    assert!(guest.call("__syscall_poll_nonblocking", &[list, 3]).is_ok());
    assert_eq!(guest.call("__syscall_poll_nonblocking", &[list, 4]), Err(Errno::EINVAL));
    // A set of `select` has 1,024 bits and no more.
    assert_eq!(guest.call("__syscall__newselect", &[0xffff_ffff, list, 0, 0, 0]), Err(Errno::EINVAL));
}

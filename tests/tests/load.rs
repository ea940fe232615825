//! Two guests on two threads at one tree: no deadlock, nothing torn, and everything still adds up.
#![forbid(unsafe_code)]

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use stratafs::memfs::MemFs;
use stratafs::overlay::Overlay;
use stratafs::{Access, Budget, DirFd, Errno, Fd, Limits, Namespace, NodeRef, OneBuf, OpenHow, Outcome, Process};
use stratafs_tests::invariants::{self, Links};

/// How often each guest does each operation.
const TIMES: u64 = 100_000;
/// One in so many is on a name that both use.
const SHARED: u64 = 4;
/// Names of each kind.
const NAMES: u64 = 8;
/// Bytes of a file that is whole: all alike.
const BLOCK: usize = 96;

const OPERATIONS: [&str; 8] = ["write", "read", "rename", "link", "unlink", "mkdir and rmdir", "list", "stat"];

struct Worker {
    process: Process,
    me: u64,
    state: u64,
    /// How often each operation was done, went well, and was on a shared name.
    done: [[u64; 3]; 8],
}

fn ready<T>(outcome: Result<Outcome<T>, Errno>) -> Result<T, Errno> {
    match outcome? {
        Outcome::Ready(value) => Ok(value),
        Outcome::Wait(_) => panic!("a file waits for nothing"),
    }
}

impl Worker {
    fn dice(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % n
    }

    /// A name that is this guest's own, or one that both use.
    fn name(&mut self, shared: bool) -> String {
        let dir = ["", "/one", "/one/two"][self.dice(3) as usize];
        let n = self.dice(NAMES);
        if shared { format!("{dir}/shared-{n}") } else { format!("{dir}/own-{}-{n}", self.me) }
    }

    fn open(&mut self, path: &str, how: OpenHow) -> Result<Fd, Errno> {
        ready(self.process.openat(DirFd::Cwd, path.as_bytes(), &how))
    }

    /// A file's bytes are all alike, whoever wrote them last.
    fn read(&mut self, path: &str) -> Result<(), Errno> {
        let fd = self.open(path, OpenHow::read())?;
        let mut buf = [0; BLOCK + 1];
        let n = self.process.pread(fd, &mut OneBuf(&mut buf), 0);
        self.process.close(fd).unwrap();
        let n = n?;
        assert!(n == 0 || n == BLOCK, "{path}: {n} bytes of {BLOCK}");
        assert!(buf[..n].iter().all(|byte| *byte == buf[0]), "{path} is torn: {buf:?}");
        Ok(())
    }

    fn write(&mut self, path: &str) -> Result<(), Errno> {
        let truncate = self.dice(4) == 0;
        let how = OpenHow { create: true, ..OpenHow::new(Access { truncate, ..Access::WRITE }) };
        let fd = self.open(path, how)?;
        let byte = b'a' + self.dice(26) as u8;
        // In two pieces, which one call writes as one.
        let block = [byte; BLOCK];
        let (front, back) = block.split_at(40);
        let n = self.process.pwrite(fd, &[IoSlice::new(front), IoSlice::new(back)], 0);
        self.process.close(fd).unwrap();
        assert_eq!(n?, BLOCK);
        Ok(())
    }

    fn list(&mut self) -> Result<(), Errno> {
        let dir = ["/", "/one", "/one/two"][self.dice(3) as usize];
        let fd = self.open(dir, OpenHow { directory: true, ..OpenHow::read() })?;
        let mut names = Vec::new();
        let listed = self.process.read_dir(fd, 0, &mut |entry| {
            names.push(entry.name.to_vec());
            ControlFlow::Continue(())
        });
        self.process.close(fd).unwrap();
        listed?;
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{dir} lists a name twice");
        Ok(())
    }

    fn operation(&mut self, which: usize, shared: bool) -> Result<(), Errno> {
        let (path, other) = (self.name(shared), self.name(shared));
        let cwd = DirFd::Cwd;
        match which {
            0 => self.write(&path),
            1 => self.read(&path),
            2 => self.process.renameat(cwd, path.as_bytes(), cwd, other.as_bytes()),
            3 => self.process.linkat(cwd, path.as_bytes(), cwd, other.as_bytes(), false),
            4 => self.process.unlinkat(cwd, path.as_bytes()),
            5 => {
                let path = format!("{path}.d");
                let made = self.process.mkdirat(cwd, path.as_bytes(), 0o755);
                let gone = self.process.rmdirat(cwd, path.as_bytes());
                made.and(gone)
            }
            6 => self.list(),
            _ => self.process.statat(cwd, path.as_bytes(), false).map(|stat| assert!(stat.nlink > 0 || shared)),
        }
    }

    fn run(&mut self, progress: &AtomicU64) {
        for round in 0..TIMES {
            for (which, name) in OPERATIONS.iter().enumerate() {
                let shared = self.dice(SHARED) == 0;
                let result = self.operation(which, shared);
                if let Err(errno) = result {
                    let expected = matches!(errno, Errno::ENOENT | Errno::EEXIST | Errno::EMLINK | Errno::ENOTEMPTY);
                    assert!(expected, "{name} of round {round}: {errno:?}");
                }
                let counts = &mut self.done[which];
                counts[0] += 1;
                counts[1] += u64::from(result.is_ok());
                counts[2] += u64::from(shared);
            }
            progress.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Fails when nothing moves for a minute: a deadlock ends no thread.
fn watch(progress: &Arc<AtomicU64>, over: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let (progress, over) = (progress.clone(), over.clone());
    std::thread::spawn(move || {
        let mut last = (progress.load(Ordering::Relaxed), 0);
        while !over.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
            let now = progress.load(Ordering::Relaxed);
            last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
            if last.1 > 600 {
                eprintln!("nothing has moved for a minute after {now} rounds: a deadlock");
                std::process::abort();
            }
        }
    })
}

/// Hammers `root` from two threads, while `meanwhile` runs on this one again and again.
fn hammer(what: &str, root: &NodeRef, mut meanwhile: impl FnMut()) {
    let limits = Limits::default();
    let ns = Namespace::new(root.clone(), &limits);
    let process = || Process::builder(ns.clone(), limits.clone()).build().unwrap();
    process().mkdirat(DirFd::Cwd, b"/one", 0o755).unwrap();
    process().mkdirat(DirFd::Cwd, b"/one/two", 0o755).unwrap();
    let (progress, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watcher = watch(&progress, &over);
    let start = Arc::new(Barrier::new(2));
    let workers = [1, 2].map(|me| {
        let mut worker = Worker { process: process(), me, state: 0x9e37_79b9_7f4a_7c15 ^ me, done: [[0; 3]; 8] };
        let (progress, start) = (progress.clone(), start.clone());
        std::thread::spawn(move || {
            start.wait();
            worker.run(&progress);
            worker.done
        })
    });
    while workers.iter().any(|worker| !worker.is_finished()) {
        meanwhile();
        std::thread::sleep(Duration::from_millis(20));
    }
    for (me, worker) in workers.into_iter().enumerate() {
        let done = worker.join().unwrap();
        for (name, [all, good, shared]) in OPERATIONS.iter().zip(done) {
            assert!(all >= TIMES && shared * 10 >= all && good > 0, "{what}: {name}: {all} done, {shared} shared, {good} well");
            println!("{what}, guest {me}: {name} {all} times, {good} went well, {shared} on shared names");
        }
    }
    over.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
}

#[test]
fn two_guests_on_one_memory_layer() {
    let limits = Limits::default();
    let budget = Budget::of(&limits);
    let root = NodeRef::root_of(&MemFs::new(budget.clone(), &limits));
    hammer("memory", &root, || ());
    let parts = invariants::check(&root, Links::Counted).unwrap();
    assert!(parts.entries > 3);
    assert_eq!((budget.inodes_used(), budget.bytes_used()), (parts.inodes, parts.bytes), "the budget is the sum of the parts");
    drop(root);
    assert_eq!((budget.inodes_used(), budget.bytes_used()), (0, 0));
}

/// An overlay over a memory layer that has half of the names already.
fn layered(budget: &Budget) -> Arc<Overlay> {
    let limits = Limits::default();
    let lower = NodeRef::root_of(&MemFs::new(Budget::unlimited(), &limits));
    let mut process = Process::builder(Namespace::new(lower.clone(), &limits), limits.clone()).build().unwrap();
    for (n, who) in (0..NAMES / 2).flat_map(|n| ["shared", "own-1", "own-2"].map(|who| (n, who))) {
        let path = format!("/{who}-{n}");
        let fd = ready(process.openat(DirFd::Cwd, path.as_bytes(), &OpenHow::write_new())).unwrap();
        process.pwrite(fd, &[IoSlice::new(&[b'0'; BLOCK])], 0).unwrap();
        process.close(fd).unwrap();
    }
    Overlay::in_memory(vec![lower], budget.clone(), &limits)
}

fn check_overlay(what: &str, overlay: Arc<Overlay>, root: NodeRef, budget: &Budget) {
    let parts = invariants::check(&root, Links::Merged).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
    assert!(parts.entries > 3, "{what}");
    assert!(budget.inodes_used() > 0, "{what}");
    drop((overlay, root));
    assert_eq!((budget.inodes_used(), budget.bytes_used()), (0, 0), "{what}: the budget comes back");
}

#[test]
fn two_guests_on_one_overlay() {
    let budget = Budget::of(&Limits::default());
    let overlay = layered(&budget);
    let root = NodeRef::root_of(&overlay);
    hammer("overlay", &root, || ());
    check_overlay("overlay", overlay, root, &budget);
}

#[test]
fn two_guests_on_one_overlay_that_is_frozen_meanwhile() {
    let budget = Budget::of(&Limits::default());
    let overlay = layered(&budget);
    let root = NodeRef::root_of(&overlay);
    let mut frozen = 0;
    hammer("frozen overlay", &root, || {
        if frozen < 20 {
            drop(overlay.freeze());
            frozen += 1;
        }
    });
    assert!(frozen > 0);
    check_overlay("frozen overlay", overlay, root, &budget);
}

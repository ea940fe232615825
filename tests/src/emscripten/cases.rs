//! Calls of the functions that no C program of `fixtures/emscripten` can make: what came after 3.1.6, or has another type or record since.

use stratafs::{DirFd, Layer, Process, Stat};
use stratafs_abi::{Call, Flow, GuestMemory};
use stratafs_emscripten::FUNCTIONS;

use crate::guest::trees::tree;

/// A function, and what tells whether it does what it should.
pub type Case = (&'static str, fn(&mut Calls) -> bool);

/// The cases, by the function that each is about.
pub const CASES: &[Case] = &[
    ("__syscall_fadvise64", |c| {
        let fd = c.open("file");
        c.call("__syscall_fadvise64", &[fd, 0, 5 << 32, 2]) == 0
    }),
    ("__syscall_fallocate", |c| {
        let fd = c.open("file");
        c.call("__syscall_fallocate", &[fd, 0, 1 << 32, 5]) == 0 && c.stat("file").size == (1 << 32) + 5
    }),
    ("__syscall_fchmodat2", |c| {
        let path = c.text("file");
        c.call("__syscall_fchmodat2", &[CWD, path, 0o640, 0]) == 0 && c.stat("file").mode == 0o640
    }),
    ("__syscall_fstat64", |c| {
        let (fd, out) = (c.open("file"), c.alloc(96));
        c.call("__syscall_fstat64", &[fd, out]) == 0 && c.is_file(out)
    }),
    ("__syscall_ftruncate64", |c| {
        let fd = c.open("file");
        c.call("__syscall_ftruncate64", &[fd, (1 << 32) + 3]) == 0 && c.stat("file").size == (1 << 32) + 3
    }),
    ("__syscall_getuid32_js", |c| c.call("__syscall_getuid32_js", &[]) == 0),
    ("__syscall_lstat64", |c| {
        let (path, out) = (c.text("link"), c.alloc(96));
        c.call("__syscall_lstat64", &[path, out]) == 0 && c.number(out + 4, 4) == 0o120_777 && c.number(out + 24, 8) == 4
    }),
    ("__syscall_newfstatat", |c| {
        let (path, out) = (c.text("link"), c.alloc(96));
        c.call("__syscall_newfstatat", &[CWD, path, out, 0]) == 0 && c.is_file(out)
    }),
    ("__syscall_poll_nonblocking", |c| {
        let (fd, at) = (c.open("file"), c.alloc(8));
        c.put(at, &fd.to_le_bytes());
        c.put(at + 4, &[1, 0, 0xff, 0xff]);
        c.call("__syscall_poll_nonblocking", &[at, 1]) == 1 && c.number(at + 6, 2) == 1
    }),
    ("__syscall_stat64", |c| {
        let (path, out) = (c.text("link"), c.alloc(96));
        c.call("__syscall_stat64", &[path, out]) == 0 && c.is_file(out)
    }),
    ("__syscall_truncate64", |c| {
        let path = c.text("file");
        c.call("__syscall_truncate64", &[path, (1 << 32) + 3]) == 0 && c.stat("file").size == (1 << 32) + 3
    }),
    ("__syscall_umask_js", |c| c.call("__syscall_umask_js", &[0o77]) == 0o22 && c.call("__syscall_umask_js", &[0o22]) == 0o77),
    ("__syscall_utimensat", |c| {
        let (path, times) = (c.text("file"), c.alloc(32));
        for (at, number) in [(0, 7_u64), (8, 8), (16, 1 << 33), (24, 9)] {
            c.put(times + at, &number.to_le_bytes());
        }
        let done = c.call("__syscall_utimensat", &[CWD, path, times, 0]) == 0;
        let stat = c.stat("file");
        done && (stat.atime.sec, stat.atime.nsec, stat.mtime.sec, stat.mtime.nsec) == (7, 8, 1 << 33, 9)
    }),
];

const CWD: u64 = 0xffff_ff9c;
const ENOSYS: i32 = -52;

/// A process and a memory, without an engine: `file` of 5 bytes and `link` to it.
pub struct Calls {
    process: Process,
    memory: Vec<u8>,
    top: u64,
    off: Option<&'static str>,
}

impl Calls {
    /// A fresh guest in which the function `off` answers `ENOSYS`.
    ///
    /// # Panics
    /// When the tree cannot be made.
    #[must_use]
    pub fn new(off: Option<&'static str>) -> Self {
        let mut process = Process::builder(tree(Layer::Memory), stratafs::Limits::default()).build().expect("a process");
        process.chdir(b"/work").expect("the layer is there");
        process.mkfileat(DirFd::Cwd, b"file", 0o644).expect("a file");
        process.set_attr_at(DirFd::Cwd, b"file", true, &stratafs::SetAttr::size(5)).expect("a file");
        process.symlinkat(b"file", DirFd::Cwd, b"link").expect("a link");
        Calls { process, memory: vec![0; 1 << 16], top: 64, off }
    }

    fn call(&mut self, name: &str, args: &[u64]) -> i32 {
        if self.off == Some(name) {
            return ENOSYS;
        }
        let function = FUNCTIONS.iter().find(|function| function.about.name == name).expect("it is in the list");
        assert_eq!(function.params.len(), args.len(), "{name}");
        match function.call(&mut Call::new(&mut self.process, GuestMemory::borrowed(&mut self.memory)), args) {
            Flow::Done(Some(answer)) => u32::try_from(answer).expect("32 bits").cast_signed(),
            flow => panic!("{name}: {flow:?}"),
        }
    }

    fn alloc(&mut self, len: u64) -> u64 {
        let at = self.top;
        self.top += len.next_multiple_of(8);
        at
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).expect("an address");
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn text(&mut self, text: &str) -> u64 {
        let at = self.alloc(text.len() as u64 + 1);
        self.put(at, text.as_bytes());
        at
    }

    fn number(&self, at: u64, len: usize) -> u64 {
        let at = usize::try_from(at).expect("an address");
        let mut bytes = [0; 8];
        bytes[..len].copy_from_slice(&self.memory[at..at + len]);
        u64::from_le_bytes(bytes)
    }

    fn open(&mut self, path: &str) -> u64 {
        let path = self.text(path);
        let fd = self.call("__syscall_openat", &[CWD, path, 2, 0]);
        u64::try_from(fd).expect("it opens")
    }

    fn stat(&self, path: &str) -> Stat {
        self.process.statat(DirFd::Cwd, path.as_bytes(), true).expect("it is there")
    }

    /// Whether a `struct stat` of 96 bytes is the file's.
    fn is_file(&self, stat: u64) -> bool {
        self.number(stat + 4, 4) == 0o100_644
            && self.number(stat + 24, 8) == 5
            && self.number(stat + 88, 8) == self.stat("file").ino
    }
}

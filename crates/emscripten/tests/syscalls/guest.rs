//! A guest without an engine: a process, a memory, and calls by name.

use std::sync::Arc;

use stratafs::memfs::MemFs;
use stratafs::stream::{BytesInput, CapturedOutput};
use stratafs::{Budget, DirFd, Errno, Fd, Limits, Namespace, NodeRef, OpenHow, Outcome, Process, ProcessBuilder};
use stratafs_abi::{Abi, Call, Flow, Function, GuestMemory, Registers, Tracer, Value};
use stratafs_emscripten::{Emscripten, FUNCTIONS, Generation, RUNTIME_FUNCTIONS, SPLIT_FUNCTIONS};

pub const PAGE: u32 = 65_536;
/// An address behind the memory.
pub const OUTSIDE: u64 = 16 * PAGE as u64;

pub const CWD: u64 = 0xffff_ff9c;
pub const CREAT: u64 = 0x40;
pub const EXCL: u64 = 0x80;
pub const RDWR: u64 = 2;
pub const WRONLY: u64 = 1;
pub const NONBLOCK: u64 = 0x800;
pub const DIRECTORY: u64 = 0x1_0000;
pub const NOFOLLOW: u64 = 0x2_0000;
pub const CLOEXEC: u64 = 0x8_0000;
pub const O_PATH: u64 = 0x20_0000;
pub const EMPTY_PATH: u64 = 0x1000;

pub type Answer = Result<u64, Errno>;

pub struct Guest {
    pub process: Process,
    pub memory: Vec<u8>,
    pub generation: Generation,
    pub registers: Registers,
    pub tracer: Option<Tracer>,
    top: u32,
}

pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes = 1 << 20;
    limits
}

/// `/dir/file` ("hello world"), `/dir/link` to it, `/dir/sub`, `/empty`.
pub fn tree() -> Namespace {
    Namespace::new(layer(&limits()), &limits())
}

/// The same as a memory layer.
pub fn layer(limits: &Limits) -> NodeRef {
    let root = NodeRef::root_of(&MemFs::new(Budget::of(limits), limits));
    let mut make = Process::builder(Namespace::new(root.clone(), limits), limits.clone()).build().unwrap();
    for dir in ["/dir", "/dir/sub", "/empty"] {
        make.mkdirat(DirFd::Cwd, dir.as_bytes(), 0o755).unwrap();
    }
    let Outcome::Ready(fd) = make.openat(DirFd::Cwd, b"/dir/file", &OpenHow::write_new()).unwrap() else { panic!("waits") };
    make.pwrite(fd, &[std::io::IoSlice::new(b"hello world")], 0).unwrap();
    make.symlinkat(b"file", DirFd::Cwd, b"/dir/link").unwrap();
    root
}

/// What a call's answer means.
pub fn answer(raw: u64) -> Answer {
    let value = u32::from_raw(raw).cast_signed();
    if value >= 0 {
        return Ok(raw);
    }
    let known = Errno::ALL.iter().find(|errno| Emscripten::answer(Err(**errno)).cast_signed() == value);
    Err(*known.unwrap_or_else(|| panic!("no error has the number {value}")))
}

impl Guest {
    pub fn new() -> Self {
        Guest::on(tree())
    }

    pub fn on(ns: Namespace) -> Self {
        Guest::with(ns, |builder| builder)
    }

    pub fn with(ns: Namespace, change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Self {
        Guest::limited(ns, limits(), change)
    }

    pub fn limited(ns: Namespace, limits: Limits, change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Self {
        let builder =
            Process::builder(ns, limits).stdin(Arc::new(BytesInput::new("typed"))).stdout(Arc::new(CapturedOutput::new(1 << 20)));
        let process = change(builder).build().unwrap();
        let mut memory = vec![0; OUTSIDE as usize];
        // No text ends behind the last address.
        memory[OUTSIDE as usize - 1] = b'x';
        let registers = Registers::default();
        Guest { process, memory, generation: Generation::Current, registers, tracer: None, top: 64 }
    }

    pub fn alloc(&mut self, len: u32) -> u64 {
        let at = self.top;
        self.top += len.next_multiple_of(8) + 8;
        assert!(self.top < 15 * PAGE);
        at.into()
    }

    /// Gives back all that was put and allocated.
    pub fn free_all(&mut self) {
        self.top = 64;
    }

    /// Bytes in the memory: their address.
    pub fn put(&mut self, bytes: impl AsRef<[u8]>) -> u64 {
        let bytes = bytes.as_ref();
        let at = self.alloc(bytes.len() as u32 + 1);
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        self.memory[at as usize + bytes.len()] = 0;
        at
    }

    /// Numbers of 32 bits: their address, as the variadic arguments are passed.
    pub fn words(&mut self, words: &[u64]) -> u64 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| (*word as u32).to_le_bytes()).collect();
        self.put(bytes)
    }

    pub fn function(&self, name: &str) -> &'static Function {
        let own = SPLIT_FUNCTIONS.iter().filter(|_| self.generation == Generation::Split);
        own.chain(FUNCTIONS)
            .chain(RUNTIME_FUNCTIONS)
            .find(|f| f.about.name == name)
            .unwrap_or_else(|| panic!("{name} is not in the list"))
    }

    pub fn flow(&mut self, name: &str, args: &[u64]) -> Flow<Option<u64>> {
        let f = self.function(name);
        assert_eq!(args.len(), f.params.len(), "{name}");
        let memory = GuestMemory::borrowed(&mut self.memory);
        let (process, tracer) = (&mut self.process, self.tracer.as_mut());
        f.call(&mut Call { process, memory, tracer, registers: Some(&mut self.registers) }, args)
    }

    pub fn raw(&mut self, name: &str, args: &[u64]) -> Answer {
        match self.flow(name, args) {
            Flow::Done(Some(number)) => answer(number),
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The 64 bits that a runtime function answers, which say nothing of errors.
    pub fn bits(&mut self, name: &str, args: &[u64]) -> Option<u64> {
        match self.flow(name, args) {
            Flow::Done(bits) => bits,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// Calls `__syscall_` and that name.
    pub fn call(&mut self, name: &str, args: &[u64]) -> Answer {
        self.raw(&format!("__syscall_{name}"), args)
    }

    pub fn bytes(&self, at: u64, len: u64) -> &[u8] {
        &self.memory[at as usize..][..len as usize]
    }

    pub fn u16_at(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.bytes(at, 2).try_into().unwrap())
    }

    pub fn u32_at(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }

    pub fn u64_at(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    pub fn open(&mut self, path: impl AsRef<[u8]>, flags: u64) -> Answer {
        let (path, mode) = (self.put(path), self.words(&[0o644]));
        self.call("openat", &[CWD, path, flags, mode])
    }

    /// A call whose only pointer is a path that comes first.
    pub fn path(&mut self, name: &str, path: impl AsRef<[u8]>, rest: &[u64]) -> Answer {
        let path = self.put(path);
        self.call(name, &[&[path], rest].concat())
    }

    /// A call that starts with a directory, here the working directory, and a path.
    pub fn at(&mut self, name: &str, path: impl AsRef<[u8]>, rest: &[u64]) -> Answer {
        let path = self.put(path);
        self.call(name, &[&[CWD, path], rest].concat())
    }

    /// A call that starts with two paths.
    pub fn two(&mut self, name: &str, one: &str, other: &str) -> Answer {
        let (one, other) = (self.put(one), self.put(other));
        self.call(name, &[one, other])
    }

    /// The 96 bytes of a `struct stat`; a final link is not followed.
    pub fn lstat(&mut self, path: impl AsRef<[u8]>) -> Result<[u8; 96], Errno> {
        let out = self.alloc(96);
        self.path("lstat64", path, &[out])?;
        Ok(self.bytes(out, 96).try_into().unwrap())
    }

    pub fn fcntl(&mut self, fd: u64, cmd: u64, arg: u64) -> Answer {
        let varargs = self.words(&[arg]);
        self.call("fcntl64", &[fd, cmd, varargs])
    }

    pub fn write(&mut self, fd: u64, bytes: &[u8]) -> usize {
        let fd = Fd::new(fd as u32);
        let Outcome::Ready(n) = self.process.write(fd, &[std::io::IoSlice::new(bytes)]).unwrap() else { panic!("waits") };
        n
    }
}

pub fn number<const N: usize>(record: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(&record[at..at + N]);
    u64::from_le_bytes(bytes)
}

/// Everything that a failed call must leave alone: descriptors, offsets and the tree.
pub fn state(process: &mut Process) -> String {
    let mut state = format!("{:?}\n", process.getcwd());
    for fd in process.open_fds().collect::<Vec<_>>() {
        let offset = process.lseek(fd, stratafs::Whence::Current, 0);
        let descriptor = process.descriptor(fd).unwrap();
        let (cloexec, status) = (descriptor.cloexec, descriptor.file.status());
        state += &format!("{fd:?} {offset:?} {cloexec} {status:?} {:?}\n", process.fstat(fd));
    }
    list(process, "/", &mut state);
    state
}

fn list(process: &mut Process, path: &str, state: &mut String) {
    let how = OpenHow { directory: true, ..OpenHow::read() };
    let fd = match process.openat(DirFd::Cwd, path.as_bytes(), &how) {
        Ok(Outcome::Ready(fd)) => fd,
        // A guest that has no number left: its names are not looked at.
        other => return *state += &format!("{path} {other:?}\n"),
    };
    let mut names = Vec::new();
    let each = &mut |entry: stratafs::DirEntry<'_>| {
        names.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.kind));
        std::ops::ControlFlow::Continue(())
    };
    process.read_dir(fd, 0, each).unwrap();
    process.close(fd).unwrap();
    for (name, kind) in names.into_iter().filter(|(name, _)| name != "." && name != "..") {
        let path = format!("{}/{name}", path.trim_end_matches('/'));
        *state += &format!("{path} {:?}\n", process.statat(DirFd::Cwd, path.as_bytes(), false));
        if kind == stratafs::FileKind::Directory {
            list(process, &path, state);
        }
    }
}

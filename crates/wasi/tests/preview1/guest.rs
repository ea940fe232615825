//! A guest without an engine: a process, a memory, and calls by name.

use std::sync::Arc;

use stratafs::memfs::MemFs;
use stratafs::stream::{BytesInput, CapturedOutput, Stream};
use stratafs::{Budget, DirFd, Errno, Fd, Limits, Namespace, NodeRef, OpenHow, Outcome, Process, ProcessBuilder};
use stratafs_abi::{Call, Flow, Function, GuestMemory, Tracer, wasi_number};
use stratafs_wasi::{FUNCTIONS, MICROPYTHON_FUNCTIONS, OFlags, Rights};

pub const PAGE: u32 = 65_536;
/// An address behind the memory.
pub const OUTSIDE: u64 = 16 * PAGE as u64;

pub const ROOT: u64 = 3;
pub const DIR: u64 = 4;

pub const ALL: u64 = Rights::ALL.bits();
pub const READ: u64 = ALL & !Rights::FD_WRITE.bits();
pub const CREAT: u64 = OFlags::CREAT.bits() as u64;
pub const DIRECTORY: u64 = OFlags::DIRECTORY.bits() as u64;
pub const EXCL: u64 = OFlags::EXCL.bits() as u64;
pub const TRUNC: u64 = OFlags::TRUNC.bits() as u64;
pub const FOLLOW: u64 = 1;
pub const APPEND: u64 = 1;
pub const NONBLOCK: u64 = 4;

pub struct Guest {
    pub process: Process,
    pub memory: Vec<u8>,
    pub tracer: Option<Tracer>,
    pub stdout: CapturedOutput,
    top: u32,
}

pub fn function(name: &str) -> &'static Function {
    let mut all = FUNCTIONS.iter().chain(MICROPYTHON_FUNCTIONS);
    all.find(|f| f.about.name == name).unwrap_or_else(|| panic!("{name} is not in the list"))
}

/// The error that a call's answer means.
pub fn errno(number: u64) -> Result<(), Errno> {
    if number == 0 {
        return Ok(());
    }
    let known = Errno::ALL.iter().find(|e| u64::from(wasi_number(**e)) == number);
    Err(*known.unwrap_or_else(|| panic!("no error has the number {number}")))
}

pub struct Dirent {
    pub next: u64,
    pub ino: u64,
    pub kind: u8,
    pub name: String,
}

/// A memory layer with `/dir/file` ("hello world"), `/dir/link` to it, `/dir/sub` and `/empty`.
pub fn tree(limits: &Limits) -> NodeRef {
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

impl Guest {
    /// On [`tree`], with the preopens `/` and `/dir`.
    pub fn new() -> Self {
        Guest::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Self {
        Guest::limited(Limits::default(), change)
    }

    pub fn limited(limits: Limits, change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Self {
        let ns = Namespace::new(tree(&limits), &limits);
        Guest::on(ns, limits, ["/", "/dir"], change)
    }

    /// On any tree, with these preopens.
    pub fn on(ns: Namespace, limits: Limits, preopens: [&str; 2], change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Self {
        let stdout = CapturedOutput::new(1 << 20);
        let [first, second] = preopens;
        let builder = Process::builder(ns, limits)
            .args(["prog", "-x"])
            .env("A", "1")
            .env("LONG", "value")
            .stdin(Arc::new(BytesInput::new("typed")))
            .stdout(Arc::new(stdout.clone()))
            .preopen(first)
            .preopen(second);
        let process = change(builder).build().unwrap();
        let memory = vec![0; 16 * PAGE as usize];
        Guest { process, memory, tracer: None, stdout, top: 64 }
    }

    pub fn put_stdin(stream: Arc<dyn Stream>) -> Self {
        Guest::with(|builder| builder.stdin(stream))
    }

    pub fn alloc(&mut self, len: u32) -> u64 {
        let at = self.top;
        self.top += len.next_multiple_of(8) + 8;
        assert!(self.top < 15 * PAGE);
        at.into()
    }

    /// Text in the memory: its address and length.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> (u64, u64) {
        let text = text.as_ref();
        let at = self.alloc(text.len() as u32);
        self.memory[at as usize..][..text.len()].copy_from_slice(text);
        (at, text.len() as u64)
    }

    /// A list of buffers: its address and length.
    pub fn iovs(&mut self, bufs: &[(u64, u64)]) -> (u64, u64) {
        let list: Vec<u8> =
            bufs.iter().flat_map(|&(at, len)| [(at as u32).to_le_bytes(), (len as u32).to_le_bytes()].concat()).collect();
        (self.text(list).0, bufs.len() as u64)
    }

    pub fn flow(&mut self, name: &str, args: &[u64]) -> Flow<Option<u64>> {
        let f = function(name);
        assert_eq!(args.len(), f.params.len(), "{name}");
        let mut cx = Call::traced(&mut self.process, GuestMemory::borrowed(&mut self.memory), self.tracer.as_mut());
        f.call(&mut cx, args)
    }

    pub fn call(&mut self, name: &str, args: &[u64]) -> Result<(), Errno> {
        match self.flow(name, args) {
            Flow::Done(Some(number)) => errno(number),
            other => panic!("{name}: {other:?}"),
        }
    }

    pub fn u32_at(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.memory[at as usize..][..4].try_into().unwrap())
    }

    pub fn u64_at(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.memory[at as usize..][..8].try_into().unwrap())
    }

    pub fn bytes(&self, at: u64, len: u64) -> &[u8] {
        &self.memory[at as usize..][..len as usize]
    }

    pub fn open_full(&mut self, args: [u64; 4], path: impl AsRef<[u8]>, base: u64, inheriting: u64) -> Result<u64, Errno> {
        let [dir, lookup, oflags, fdflags] = args;
        let (at, len) = self.text(path);
        let out = self.alloc(4);
        self.call("path_open", &[dir, lookup, at, len, oflags, base, inheriting, fdflags, out])?;
        Ok(self.u32_at(out).into())
    }

    /// Opens below `/`, following links, with all rights for reading.
    pub fn open(&mut self, path: impl AsRef<[u8]>) -> Result<u64, Errno> {
        self.open_full([ROOT, FOLLOW, 0, 0], path, READ, ALL)
    }

    /// Opens below `/` to read and write.
    pub fn open_rw(&mut self, path: impl AsRef<[u8]>, oflags: u64) -> Result<u64, Errno> {
        self.open_full([ROOT, FOLLOW, oflags, 0], path, ALL, ALL)
    }

    pub fn read(&mut self, fd: u64, len: u32) -> Result<Vec<u8>, Errno> {
        let buf = self.alloc(len);
        let (iovs, count) = self.iovs(&[(buf, len.into())]);
        let out = self.alloc(4);
        self.call("fd_read", &[fd, iovs, count, out])?;
        Ok(self.bytes(buf, self.u32_at(out).into()).to_vec())
    }

    pub fn write(&mut self, fd: u64, bytes: impl AsRef<[u8]>) -> Result<u32, Errno> {
        let buf = self.text(bytes);
        let (iovs, count) = self.iovs(&[buf]);
        let out = self.alloc(4);
        self.call("fd_write", &[fd, iovs, count, out])?;
        Ok(self.u32_at(out))
    }

    pub fn seek(&mut self, fd: u64, offset: i64, whence: u64) -> Result<u64, Errno> {
        let out = self.alloc(8);
        self.call("fd_seek", &[fd, offset.cast_unsigned(), whence, out])?;
        Ok(self.u64_at(out))
    }

    /// A call that takes a directory and a path.
    pub fn path(&mut self, name: &str, path: impl AsRef<[u8]>) -> Result<(), Errno> {
        let (at, len) = self.text(path);
        self.call(name, &[ROOT, at, len])
    }

    pub fn symlink(&mut self, target: &str, path: &str) -> Result<(), Errno> {
        let (target, path) = (self.text(target), self.text(path));
        self.call("path_symlink", &[target.0, target.1, ROOT, path.0, path.1])
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        let (old, new) = (self.text(old), self.text(new));
        self.call("path_rename", &[ROOT, old.0, old.1, ROOT, new.0, new.1])
    }

    pub fn link(&mut self, lookup: u64, old: &str, new: &str) -> Result<(), Errno> {
        let (old, new) = (self.text(old), self.text(new));
        self.call("path_link", &[ROOT, lookup, old.0, old.1, ROOT, new.0, new.1])
    }

    /// The 64 bytes of a `filestat`.
    pub fn stat(&mut self, path: impl AsRef<[u8]>, lookup: u64) -> Result<[u8; 64], Errno> {
        let (at, len) = self.text(path);
        let out = self.alloc(64);
        self.call("path_filestat_get", &[ROOT, lookup, at, len, out])?;
        Ok(self.bytes(out, 64).try_into().unwrap())
    }

    pub fn fstat(&mut self, fd: u64) -> Result<[u8; 64], Errno> {
        let out = self.alloc(64);
        self.call("fd_filestat_get", &[fd, out])?;
        Ok(self.bytes(out, 64).try_into().unwrap())
    }

    /// Type, flags, rights and inheriting rights.
    pub fn fdstat(&mut self, fd: u64) -> Result<(u8, u64, u64, u64), Errno> {
        let out = self.alloc(24);
        self.call("fd_fdstat_get", &[fd, out])?;
        let flags = u16::from_le_bytes(self.bytes(out + 2, 2).try_into().unwrap());
        Ok((self.memory[out as usize], flags.into(), self.u64_at(out + 8), self.u64_at(out + 16)))
    }

    /// One call of `fd_readdir`: what it wrote.
    pub fn readdir(&mut self, fd: u64, len: u32, cookie: u64) -> Result<Vec<u8>, Errno> {
        let (buf, used) = (self.alloc(len), self.alloc(4));
        self.memory[buf as usize..][..len as usize].fill(0xaa);
        self.call("fd_readdir", &[fd, buf, len.into(), cookie, used])?;
        Ok(self.bytes(buf, self.u32_at(used).into()).to_vec())
    }

    /// The whole listing.
    pub fn list(&mut self, fd: u64) -> Vec<Dirent> {
        entries(&self.readdir(fd, 8 * PAGE, 0).unwrap())
    }
}

/// The whole entries of a listing.
pub fn entries(mut listing: &[u8]) -> Vec<Dirent> {
    let mut all = Vec::new();
    while let Some((header, rest)) = listing.split_at_checked(24) {
        let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
        let len = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
        assert_eq!(header[21..24], [0, 0, 0], "padding");
        let Some((name, rest)) = rest.split_at_checked(len) else { break };
        let name = String::from_utf8(name.to_vec()).unwrap();
        all.push(Dirent { next: u64_at(0), ino: u64_at(8), kind: header[20], name });
        listing = rest;
    }
    all
}

pub fn ino(stat: &[u8; 64]) -> u64 {
    u64::from_le_bytes(stat[8..16].try_into().unwrap())
}

pub fn number(stat: &[u8; 64], at: usize) -> u64 {
    u64::from_le_bytes(stat[at..at + 8].try_into().unwrap())
}

/// Everything that a failed call must leave alone: offsets, descriptors and the tree.
pub fn state(process: &mut Process) -> String {
    let fds: Vec<Fd> = process.open_fds().collect();
    let mut state = String::new();
    for fd in fds {
        let offset = process.lseek(fd, stratafs::Whence::Current, 0);
        let descriptor = process.descriptor(fd).unwrap();
        let (rights, status) = (descriptor.rights, descriptor.file.status());
        let stat = process.fstat(fd);
        state += &format!("{fd:?} {offset:?} {rights:?} {status:?} {stat:?}\n");
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

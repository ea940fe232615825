//! A guest of either ABI without an engine: a process, a memory, and calls by name.

use std::sync::Arc;

use stratafs::stream::{CapturedOutput, Stream};
use stratafs::{Errno, Limits, Namespace, NodeRef, Process, ProcessBuilder};
use stratafs_abi::{Call, Flow, Function, GuestMemory, wasi_number};
use stratafs_conformance::tree::Item;
use stratafs_tests::backends::{Backend, Kind, OnLayers};

/// Bytes of the guest's memory.
pub const MEMORY: usize = 1 << 20;
const CWD: u64 = 0xffff_ff9c;
/// The preopened `/`.
pub const ROOT: u64 = 3;
/// All rights that WASI has.
pub const ALL: u64 = 0x3fff_ffff;
pub const FD_READ: u64 = 1 << 1;
pub const FD_WRITE: u64 = 1 << 6;

/// Which imports the guest calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abi {
    Wasi,
    Emscripten,
}

pub const ABIS: [Abi; 2] = [Abi::Wasi, Abi::Emscripten];

/// Every backend that a tree can be written to.
pub const WRITABLE: [Backend; 12] = [
    Backend::Memory,
    Backend::Host,
    Backend::HostExclusive,
    Backend::OverlayAlone,
    Backend::Over(Kind::Memory, Kind::Memory),
    Backend::Over(Kind::Memory, Kind::Zip),
    Backend::Over(Kind::Memory, Kind::Host),
    Backend::Over(Kind::Memory, Kind::HostExclusive),
    Backend::Halves(Kind::Memory, Kind::Memory),
    Backend::Over(Kind::Memory, Kind::Overlay),
    Backend::Frozen,
    Backend::FrozenAtTimes,
];

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct How {
    pub write: bool,
    pub create: bool,
    pub truncate: bool,
    pub directory: bool,
    pub nofollow: bool,
}

pub struct Guest {
    pub process: Process,
    pub memory: Vec<u8>,
    pub abi: Abi,
    top: usize,
}

/// A function of either list.
pub fn function(name: &str) -> &'static Function {
    let all = stratafs_wasi::FUNCTIONS.iter().chain(stratafs_emscripten::FUNCTIONS);
    all.clone().find(|f| f.about.name == name).unwrap_or_else(|| panic!("{name} is in no list"))
}

/// Runs `body` on every backend that can be written to, by each ABI.
pub fn everywhere(tree: &[Item], mut body: impl FnMut(&mut Guest, &str)) {
    for backend in WRITABLE {
        for abi in ABIS {
            let running = backend.on_layers(tree).unwrap();
            let mut guest = Guest::on(abi, &running);
            body(&mut guest, &format!("{backend:?}, {abi:?}"));
        }
    }
}

impl Guest {
    pub fn on(abi: Abi, running: &OnLayers) -> Self {
        Guest::at(abi, running.namespace())
    }

    pub fn over(abi: Abi, root: NodeRef) -> Self {
        Guest::at(abi, Namespace::new(root, &Limits::default()))
    }

    pub fn at(abi: Abi, ns: Namespace) -> Self {
        Guest::with(abi, ns, Limits::default(), |builder| builder.preopen("/"))
    }

    pub fn with(abi: Abi, ns: Namespace, limits: Limits, change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Self {
        let process = change(Process::builder(ns, limits)).build().unwrap();
        Guest { process, memory: vec![0; MEMORY], abi, top: 64 }
    }

    /// With these standard streams, on an empty memory layer.
    pub fn streams(stdin: Arc<dyn Stream>, stdout: Arc<dyn Stream>) -> Self {
        let ns = Namespace::new(stratafs_tests::backends::memory(&[]), &Limits::default());
        Guest::with(Abi::Wasi, ns, Limits::default(), |builder| builder.stdin(stdin).stdout(stdout).preopen("/"))
    }

    pub fn captured() -> (Self, CapturedOutput) {
        let output = CapturedOutput::new(1 << 16);
        (Guest::streams(Arc::new(stratafs::stream::NullStream), Arc::new(output.clone())), output)
    }

    pub fn alloc(&mut self, len: usize) -> u64 {
        // Long loops start again: nothing is kept across more than a few calls.
        if self.top + len + 64 > MEMORY {
            self.top = 64;
        }
        let at = self.top;
        self.top += len.next_multiple_of(8) + 8;
        at as u64
    }

    /// Bytes in the memory with a NUL behind them: their address.
    pub fn put(&mut self, bytes: impl AsRef<[u8]>) -> u64 {
        let bytes = bytes.as_ref();
        let at = self.alloc(bytes.len() + 1);
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
        self.memory[at as usize + bytes.len()] = 0;
        at
    }

    /// A call of any function: its flow.
    pub fn flow(&mut self, name: &str, args: &[u64]) -> Flow<Option<u64>> {
        let f = function(name);
        assert_eq!(args.len(), f.params.len(), "{name}");
        f.call(&mut Call::new(&mut self.process, GuestMemory::borrowed(&mut self.memory)), args)
    }

    /// A call: its value, where it has one.
    pub fn call(&mut self, name: &str, args: &[u64]) -> Result<u64, Errno> {
        let Flow::Done(Some(raw)) = self.flow(name, args) else { panic!("{name} waits or ends") };
        let value = i32::try_from(raw).unwrap_or_else(|_| (raw as u32).cast_signed());
        let number = match function(name).about.module {
            "env" if value >= 0 => return Ok(raw),
            "env" => -value,
            _ if value == 0 => return Ok(0),
            _ => value,
        };
        let known = Errno::ALL.iter().find(|errno| i32::from(wasi_number(**errno)) == number);
        Err(*known.unwrap_or_else(|| panic!("{name}: no error has the number {number}")))
    }

    fn text(&mut self, text: &str) -> [u64; 2] {
        [self.put(text), text.len() as u64]
    }

    /// A call with a path behind the directory: `path_*` by its address and length, `__syscall_*` by its address.
    fn at_path(&mut self, wasi: &str, emscripten: &str, path: &str, rest: &[u64]) -> Result<u64, Errno> {
        let [at, len] = self.text(path);
        match self.abi {
            Abi::Wasi => self.call(wasi, &[&[ROOT, at, len], rest].concat()),
            Abi::Emscripten => self.call(emscripten, &[&[CWD, at], rest].concat()),
        }
    }

    pub fn open(&mut self, path: &str, how: How) -> Result<u64, Errno> {
        let bit = |on: bool, bit: u64| if on { bit } else { 0 };
        let [at, len] = self.text(path);
        let out = self.alloc(4);
        match self.abi {
            Abi::Wasi => {
                let oflags = bit(how.create, 1) | bit(how.directory, 2) | bit(how.truncate, 8);
                let rights = if how.write { ALL } else { ALL & !FD_WRITE };
                let lookup = bit(!how.nofollow, 1);
                self.call("path_open", &[ROOT, lookup, at, len, oflags, rights, ALL, 0, out])?;
                Ok(u64::from(u32::from_le_bytes(self.memory[out as usize..][..4].try_into().unwrap())))
            }
            Abi::Emscripten => {
                let flags = bit(how.write, 2) | bit(how.create, 0x40) | bit(how.truncate, 0x200);
                let flags = flags | bit(how.directory, 0x1_0000) | bit(how.nofollow, 0x2_0000);
                let mode = self.put(0o644_u32.to_le_bytes());
                self.call("__syscall_openat", &[CWD, at, flags, mode])
            }
        }
    }

    pub fn close(&mut self, fd: u64) -> Result<u64, Errno> {
        self.call("fd_close", &[fd])
    }

    fn vector(&mut self, name: &str, fd: u64, buf: u64, len: usize) -> Result<u64, Errno> {
        let iovec = [(buf as u32).to_le_bytes(), (len as u32).to_le_bytes()].concat();
        let (iovs, out) = (self.put(iovec), self.alloc(4));
        self.call(name, &[fd, iovs, 1, out])?;
        Ok(u64::from(u32::from_le_bytes(self.memory[out as usize..][..4].try_into().unwrap())))
    }

    pub fn read(&mut self, fd: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let buf = self.alloc(len);
        let n = self.vector("fd_read", fd, buf, len)?;
        Ok(self.memory[buf as usize..][..n as usize].to_vec())
    }

    pub fn write(&mut self, fd: u64, bytes: &[u8]) -> Result<u64, Errno> {
        let buf = self.put(bytes);
        self.vector("fd_write", fd, buf, bytes.len())
    }

    /// The first bytes of the file that `path` leads to.
    pub fn contents(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let fd = self.open(path, How::default())?;
        let read = self.read(fd, 256);
        self.close(fd)?;
        read
    }

    /// The bytes of a `filestat` or a `struct stat`.
    pub fn stat(&mut self, path: &str, follow: bool) -> Result<Vec<u8>, Errno> {
        let [at, len] = self.text(path);
        let out = self.alloc(96);
        let size = match self.abi {
            Abi::Wasi => self.call("path_filestat_get", &[ROOT, u64::from(follow), at, len, out]).map(|_| 64)?,
            Abi::Emscripten => {
                let flags = if follow { 0 } else { 0x100 };
                self.call("__syscall_newfstatat", &[CWD, at, out, flags]).map(|_| 96)?
            }
        };
        Ok(self.memory[out as usize..][..size].to_vec())
    }

    /// The inode number that [`stat`](Guest::stat) tells.
    pub fn ino(&mut self, path: &str, follow: bool) -> Result<u64, Errno> {
        let at = if self.abi == Abi::Wasi { 8 } else { 88 };
        Ok(u64::from_le_bytes(self.stat(path, follow)?[at..][..8].try_into().unwrap()))
    }

    pub fn mkdir(&mut self, path: &str) -> Result<u64, Errno> {
        let mode: &[u64] = if self.abi == Abi::Wasi { &[] } else { &[0o755] };
        self.at_path("path_create_directory", "__syscall_mkdirat", path, mode)
    }

    pub fn rmdir(&mut self, path: &str) -> Result<u64, Errno> {
        let flags: &[u64] = if self.abi == Abi::Wasi { &[] } else { &[0x200] };
        self.at_path("path_remove_directory", "__syscall_unlinkat", path, flags)
    }

    pub fn unlink(&mut self, path: &str) -> Result<u64, Errno> {
        let flags: &[u64] = if self.abi == Abi::Wasi { &[] } else { &[0] };
        self.at_path("path_unlink_file", "__syscall_unlinkat", path, flags)
    }

    pub fn readlink(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let (buf, used) = (self.alloc(4096), self.alloc(4));
        let rest: &[u64] = if self.abi == Abi::Wasi { &[buf, 4096, used] } else { &[buf, 4096] };
        let n = self.at_path("path_readlink", "__syscall_readlinkat", path, rest)?;
        let n = match self.abi {
            Abi::Wasi => u32::from_le_bytes(self.memory[used as usize..][..4].try_into().unwrap()) as usize,
            Abi::Emscripten => n as usize,
        };
        Ok(self.memory[buf as usize..][..n].to_vec())
    }

    pub fn rename(&mut self, old: &str, new: &str) -> Result<u64, Errno> {
        let ([old, old_len], [new, new_len]) = (self.text(old), self.text(new));
        match self.abi {
            Abi::Wasi => self.call("path_rename", &[ROOT, old, old_len, ROOT, new, new_len]),
            Abi::Emscripten => self.call("__syscall_renameat", &[CWD, old, CWD, new]),
        }
    }

    pub fn link(&mut self, old: &str, new: &str, follow: bool) -> Result<u64, Errno> {
        let ([old, old_len], [new, new_len]) = (self.text(old), self.text(new));
        match self.abi {
            Abi::Wasi => self.call("path_link", &[ROOT, u64::from(follow), old, old_len, ROOT, new, new_len]),
            Abi::Emscripten => {
                let flags = if follow { 0x400 } else { 0 };
                self.call("__syscall_linkat", &[CWD, old, CWD, new, flags])
            }
        }
    }

    pub fn symlink(&mut self, target: &str, path: &str) -> Result<u64, Errno> {
        let ([target, target_len], [at, len]) = (self.text(target), self.text(path));
        match self.abi {
            Abi::Wasi => self.call("path_symlink", &[target, target_len, ROOT, at, len]),
            Abi::Emscripten => self.call("__syscall_symlinkat", &[target, CWD, at]),
        }
    }

    /// Sets both times, in whole seconds.
    pub fn utimes(&mut self, path: &str, sec: i64, follow: bool) -> Result<u64, Errno> {
        let [at, len] = self.text(path);
        match self.abi {
            Abi::Wasi => {
                let nanos = sec.saturating_mul(1_000_000_000).cast_unsigned();
                self.call("path_filestat_set_times", &[ROOT, u64::from(follow), at, len, nanos, nanos, 5])
            }
            Abi::Emscripten => {
                let one = [&sec.to_le_bytes()[..], &[0; 8]].concat();
                let times = self.put([&one[..], &one].concat());
                self.call("__syscall_utimensat", &[CWD, at, times, if follow { 0 } else { 0x100 }])
            }
        }
    }
}

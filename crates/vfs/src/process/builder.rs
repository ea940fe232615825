use std::sync::Arc;

use super::Process;
use crate::fd_table::{Descriptor, Fd, FdTable};
use crate::locks::LockOwner;
use crate::open_file::OpenFile;
use crate::random::{OsRandom, Random};
use crate::stream::{NullStream, Stream};
use crate::{Access, Clock, DirFd, Errno, Interrupt, Limits, Namespace, OpenHow, Outcome, Result, SystemClock};

/// Puts a [`Process`] together. Unless told otherwise: no arguments, no environment, null streams, the host's clock and random
/// numbers, umask 0o022, working directory `/`, no preopens.
pub struct ProcessBuilder {
    process: Process,
    streams: [Arc<dyn Stream>; 3],
    preopens: Vec<Vec<u8>>,
    cwd: Option<Vec<u8>>,
}

impl Process {
    /// Starts building a process over the tree `ns`.
    #[must_use]
    pub fn builder(ns: Namespace, limits: Limits) -> ProcessBuilder {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let process = Process {
            fds: FdTable::new(limits.fds),
            cwd: ns.root(),
            ns,
            umask: 0o022,
            limits,
            args: Vec::new(),
            env: Vec::new(),
            started: clock.monotonic(),
            clock,
            random: Arc::new(OsRandom),
            interrupt: Interrupt::new(),
            exit: None,
            pipes: 0,
            pending: None,
            locks: LockOwner::process(),
            network: Arc::default(),
            mappings: Default::default(),
        };
        let null: Arc<dyn Stream> = Arc::new(NullStream);
        ProcessBuilder { process, streams: [null.clone(), null.clone(), null], preopens: Vec::new(), cwd: None }
    }
}

impl ProcessBuilder {
    /// The arguments, the program's name first.
    #[must_use]
    pub fn args<A: Into<Vec<u8>>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.process.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.process.env.push([name.as_bytes(), b"=", value.as_ref()].concat());
        self
    }

    /// Adds environment variables, `NAME=value` each.
    #[must_use]
    pub fn envs(mut self, pairs: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.process.env.extend(pairs);
        self
    }

    /// Standard input, descriptor 0.
    #[must_use]
    pub fn stdin(mut self, stream: Arc<dyn Stream>) -> Self {
        self.streams[0] = stream;
        self
    }

    /// Standard output, descriptor 1.
    #[must_use]
    pub fn stdout(mut self, stream: Arc<dyn Stream>) -> Self {
        self.streams[1] = stream;
        self
    }

    /// Standard error, descriptor 2.
    #[must_use]
    pub fn stderr(mut self, stream: Arc<dyn Stream>) -> Self {
        self.streams[2] = stream;
        self
    }

    /// Hands the guest the directory at the absolute path `guest` from the start, as WASI's programs expect; the first is descriptor 3.
    #[must_use]
    pub fn preopen(mut self, guest: impl Into<Vec<u8>>) -> Self {
        self.preopens.push(guest.into());
        self
    }

    /// The working directory.
    #[must_use]
    pub fn cwd(mut self, path: impl Into<Vec<u8>>) -> Self {
        self.cwd = Some(path.into());
        self
    }

    /// The clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.process.started = clock.monotonic();
        self.process.clock = clock;
        self
    }

    /// The source of random bytes.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.process.random = random;
        self
    }

    /// What ends waits from outside.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.process.interrupt = interrupt;
        self
    }

    /// The mask that is taken off the mode of new files.
    #[must_use]
    pub fn umask(mut self, mask: u32) -> Self {
        self.process.umask = mask & 0o777;
        self
    }

    /// The finished process.
    ///
    /// # Errors
    /// `EMFILE` when the limit on descriptors is below what it starts with; what opening the preopens and changing to the working
    /// directory gives.
    pub fn build(self) -> Result<Process> {
        let ProcessBuilder { mut process, streams, preopens, cwd } = self;
        for (stream, access) in streams.into_iter().zip([Access::READ, Access::WRITE, Access::WRITE]) {
            // A terminal is one open file in both directions, as a login gives it.
            let access = if stream.terminal().is_some() { Access::READ_WRITE } else { access };
            let file = Arc::new(OpenFile::stream(stream, access));
            process.fds.insert(Descriptor::new(file, false), Fd::STDIN)?;
        }
        for path in preopens {
            let how = OpenHow { directory: true, ..OpenHow::read() };
            let Outcome::Ready(fd) = process.openat(DirFd::Cwd, &path, &how)? else { return Err(Errno::ENOTDIR) };
            process.fds.get_mut(fd)?.preopen = Some(path.into());
        }
        if let Some(cwd) = cwd {
            process.chdir(&cwd)?;
        }
        Ok(process)
    }
}

//! The guest's tree after the run.

use std::io::{Error as IoError, Result as IoResult};
use std::ops::ControlFlow;

use stratafs::{DirFd, Errno, Fd, Limits, OneBuf, OpenHow, Outcome, Process, Stat};

use crate::copy_out::GuestTree;
use crate::error::{Result, failed};

/// Reads the guest's tree through a process of its own: the guest may have used up its descriptors.
pub struct Leftovers(Process);

impl Leftovers {
    /// What `process` leaves behind.
    ///
    /// # Errors
    /// When no process can be made.
    pub fn of(process: &Process) -> Result<Self> {
        let made = Process::builder(process.namespace().clone(), Limits::default()).build();
        made.map(Leftovers).map_err(|errno| failed!("the guest's tree cannot be read: {errno}"))
    }

    fn open(&mut self, path: &[u8], how: &OpenHow) -> IoResult<Fd> {
        match self.0.openat(DirFd::Cwd, path, how).map_err(plain)? {
            Outcome::Ready(fd) => Ok(fd),
            Outcome::Wait(_) => Err(plain(Errno::EAGAIN)),
        }
    }
}

fn plain(errno: Errno) -> IoError {
    IoError::other(format!("{errno} ({})", errno.name()))
}

impl GuestTree for Leftovers {
    fn stat(&mut self, path: &[u8], follow: bool) -> IoResult<Stat> {
        self.0.statat(DirFd::Cwd, path, follow).map_err(plain)
    }

    fn list(&mut self, path: &[u8]) -> IoResult<Vec<Vec<u8>>> {
        let fd = self.open(path, &OpenHow { directory: true, ..OpenHow::read() })?;
        let mut names = Vec::new();
        let listed = self.0.read_dir(fd, 0, &mut |entry| {
            if entry.name != b"." && entry.name != b".." {
                names.push(entry.name.to_vec());
            }
            ControlFlow::Continue(())
        });
        self.0.close(fd).and(listed).map_err(plain)?;
        Ok(names)
    }

    fn read_link(&mut self, path: &[u8]) -> IoResult<Vec<u8>> {
        self.0.readlinkat(DirFd::Cwd, path).map_err(plain)
    }

    fn read(&mut self, path: &[u8], each: &mut dyn FnMut(&[u8]) -> IoResult<()>) -> IoResult<()> {
        let fd = self.open(path, &OpenHow { nonblock: true, ..OpenHow::read() })?;
        let mut buf = vec![0; 1 << 16];
        let read = loop {
            match self.0.read(fd, &mut OneBuf(&mut buf)) {
                Ok(Outcome::Ready(0)) => break Ok(()),
                Ok(Outcome::Ready(n)) => {
                    if let Err(error) = each(buf.get(..n).unwrap_or_default()) {
                        break Err(error);
                    }
                }
                Ok(Outcome::Wait(_)) => break Err(plain(Errno::EAGAIN)),
                Err(errno) => break Err(plain(errno)),
            }
        };
        self.0.close(fd).map_err(plain).and(read)
    }
}

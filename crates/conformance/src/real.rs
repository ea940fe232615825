//! The real operating system as a [`Posix`]: a child process of its own on a scratch directory, because umask and current
//! directory belong to a process.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Child;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stratafs::{Errno, Result};
use tempfile::TempDir;

use crate::native::{read_frame, write_frame};
use crate::posix::{Answer, Call, Posix};
use crate::serve;

/// A call that takes longer blocks for ever: the case asked for something that waits.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// The real operating system, on an empty directory that goes away with it.
#[derive(Debug)]
pub struct RealOs {
    child: Child,
    scratch: TempDir,
}

/// An empty directory, in memory where the system has such a place.
///
/// # Errors
/// What making it gives.
pub fn scratch() -> io::Result<TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let shm = Path::new("/dev/shm");
    let dir = if shm.is_dir() { tempfile::tempdir_in(shm)? } else { tempfile::tempdir()? };
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

impl RealOs {
    /// Starts `helper`, a program that calls [`serve_if_asked`](crate::serve_if_asked), on a new scratch directory.
    ///
    /// # Errors
    /// What making the directory and starting the program give.
    pub fn start(helper: &Path) -> io::Result<RealOs> {
        let scratch = scratch()?;
        let child = serve::command(helper, serve::Service::Calls, scratch.path()).spawn()?;
        Ok(RealOs { child, scratch })
    }

    /// The directory that the child works in.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn exchange(&mut self, call: &Call) -> io::Result<Result<Answer>> {
        let (Some(to), Some(from)) = (self.child.stdin.as_mut(), self.child.stdout.as_mut()) else {
            return Err(io::Error::other("the child has no pipes"));
        };
        write_frame(to, &postcard::to_stdvec(call).map_err(io::Error::other)?)?;
        if poll(&mut [PollFd::new(&from.as_fd(), PollFlags::IN)], Some(&PATIENCE))? == 0 {
            return Err(io::Error::other("it does not come back: the call waits"));
        }
        let frame = read_frame(from)?.ok_or_else(|| io::Error::other("the child has gone"))?;
        let reply: std::result::Result<Answer, u8> = postcard::from_bytes(&frame).map_err(io::Error::other)?;
        match reply {
            Ok(answer) => Ok(Ok(answer)),
            Err(number) => Ok(Err(*Errno::ALL.get(usize::from(number)).ok_or_else(|| io::Error::other("no such error"))?)),
        }
    }
}

impl Posix for RealOs {
    fn call(&mut self, call: Call) -> Result<Answer> {
        self.exchange(&call).unwrap_or_else(|error| panic!("the real system's side of {call:?}: {error}"))
    }

    fn is_real(&self) -> bool {
        true
    }
}

impl Drop for RealOs {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // A child that waits in a call never sees the end of its input; errors here mean that it has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

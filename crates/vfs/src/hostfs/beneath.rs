//! Several names in one call: `openat2`, which keeps below the directory and follows no link.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::dirs::Dirs;
use super::errno::from_host;
use crate::{Errno, Result};

/// Nothing is opened, so that neither a FIFO nor a device notices.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const BELOW: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// The attributes of what `names`, plain ones with a slash between each two, lead to from the directory behind `fd`. None when a link is on
/// the way, and where the host cannot say it in one call: then one name after the other is asked for.
///
/// # Errors
/// `ENOENT`, `ENOTDIR`, `EACCES` on the way; `EMFILE`, `ENFILE`.
pub(super) fn stat(dirs: &Dirs, fd: &OwnedFd, names: &[u8]) -> Result<Option<rustix::fs::Stat>> {
    match dirs.with_room(|| rustix::fs::openat2(fd, names, LOOK, Mode::empty(), BELOW)) {
        Ok(found) => rustix::fs::fstat(&found).map(Some).map_err(from_host),
        Err(errno @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::EMFILE | Errno::ENFILE)) => Err(errno),
        // A link; a kernel that does not know the call; a sandbox that forbids it; a directory that was moved meanwhile.
        Err(_) => Ok(None),
    }
}

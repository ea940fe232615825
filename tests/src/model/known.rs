//! The differences from Linux that are meant. Each is as narrow as it can be told; everything else is a failure.

use crate::backends::Backend;
use crate::posix::{Call, Kind, O_RDWR, O_WRONLY, Stat};

/// A difference that is meant, and why.
pub struct Known {
    /// What differs.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
    /// Whether this link count is the difference: on this backend, of what the real system shows as the first, and the backend as
    /// the second.
    pub nlink: fn(Backend, &Stat, &Stat) -> bool,
}

fn is_overlay(backend: Backend) -> bool {
    !matches!(backend, Backend::Memory | Backend::Host | Backend::HostExclusive)
}

/// The table.
///
/// Three more stand in what is generated and compared: host directories get no FIFOs (making one is `EPERM` there); an archive
/// gets no hard links below; and an access time that was not set is not compared, because reading does not move it here. A
/// directory's size and the offset that its listing has reached are the filesystem's own on Linux too.
pub const KNOWN: &[Known] = &[Known {
    what: "a directory of an overlay has one link",
    why: "as in Linux's overlayfs: counting the subdirectories of a merged directory would read every layer",
    nlink: |backend, real, ours| is_overlay(backend) && real.kind == Kind::Directory && real.nlink >= 2 && ours.nlink == 1,
}];

/// Copying a file up takes place when it is opened for writing, and gives it a new ctime there, as in Linux's overlayfs: a ctime is
/// nowhere something that can be set. Nothing else may move a ctime without a change.
#[must_use]
pub fn ctime_may_move(backend: Backend, call: &Call, file: &Stat) -> bool {
    let writes = matches!(call, Call::Open { flags, .. } if flags.has(O_WRONLY) || flags.has(O_RDWR));
    is_overlay(backend) && writes && file.kind == Kind::File
}

/// Whether a link count may differ so.
#[must_use]
pub fn nlink_may_differ(backend: Backend, real: &Stat, ours: &Stat) -> bool {
    KNOWN.iter().any(|known| (known.nlink)(backend, real, ours))
}

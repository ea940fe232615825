//! Every bound on what a guest may use, and the budget that storage is charged to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Errno, Result};

/// Every bound there is. Nothing in stratafs allocates or works for a guest without one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of file data, names and link targets in writable layers. Past it: `ENOSPC`. 1 GiB.
    pub bytes: u64,
    /// Files, directories and links in writable layers. Past it: `ENOSPC`. 1,000,000.
    pub inodes: u64,
    /// Open descriptors of one process. Past it: `EMFILE`. 1,024.
    pub fds: u32,
    /// Bytes of a path with its NUL. Past it: `ENAMETOOLONG`. 4,096.
    pub path: usize,
    /// Symbolic links followed in one resolution. Past it: `ELOOP`. 40.
    pub symlinks: u32,
    /// Directories nested in a memory layer, and directories looked at by all `..` of one path in a mount that shows a part of a filesystem.
    /// Past it: `ENAMETOOLONG`. 100,000.
    pub depth: u32,
    /// Buffers of one vectored call. Past it: `EINVAL`. 1,024.
    pub iovecs: u32,
    /// Subscriptions or descriptors of one poll. Past it: `EINVAL`. 4,096.
    pub poll: u32,
    /// Files in the memory of one process at once. Past it: `ENOMEM`. 65,530, as on Linux.
    pub mappings: usize,
    /// Calls of an Emscripten guest's `invoke_*` going on inside one another, on an engine without exceptions. Past it the guest traps. 1,000.
    pub invokes: u32,
    /// Bytes in a pipe as it is made, which is rounded down to a power of two, and 4,096 at least. 65,536.
    pub pipe: usize,
    /// Bytes that a guest may have a pipe hold, unless it was made with more. Past it: `EPERM`. 1 MiB, as on Linux for whoever is not privileged.
    pub pipe_max: usize,
    /// Bytes that the pipes of a process may hold together when one is made to hold more, counted at each descriptor. Past it: `EPERM`. 64 MiB, as on
    /// Linux for whoever is not privileged.
    pub pipes: usize,
    /// Bytes that one call may produce or move for the guest; what is past it comes short. 1 GiB.
    pub call: usize,
    /// Bytes of standard output, and the same again of standard error. Past it the run is stopped where it is captured,
    /// or `ENOSPC` is given. Unlimited.
    pub output: u64,
    /// Directory descriptors that one host layer keeps open. 64.
    pub host_fds: usize,
    /// Entries that one overlay caches without need. 65,536.
    pub overlay_cache: usize,
    /// Members of one zip archive. 1,000,000.
    pub zip_members: usize,
    /// Bytes of inflated members that one zip layer keeps; a larger member is streamed. 64 MiB.
    pub zip_cache: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bytes: 1 << 30,
            inodes: 1_000_000,
            fds: 1024,
            path: crate::PATH_MAX,
            symlinks: 40,
            depth: 100_000,
            iovecs: 1024,
            poll: 4096,
            mappings: 65_530,
            invokes: 1000,
            pipe: 65_536,
            pipe_max: 1 << 20,
            pipes: 64 << 20,
            call: 1 << 30,
            output: u64::MAX,
            host_fds: 64,
            overlay_cache: 65_536,
            zip_members: 1_000_000,
            zip_cache: 64 << 20,
        }
    }
}

/// What a sandbox may still store. One is made for each sandbox and handed to all its writable layers.
///
/// Charged before anything grows, released when it has shrunk. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    bytes: AtomicU64,
    bytes_max: u64,
    inodes: AtomicU64,
    inodes_max: u64,
}

impl Budget {
    /// A budget of so many bytes and inodes.
    #[must_use]
    pub fn new(bytes: u64, inodes: u64) -> Self {
        Budget(Arc::new(Counters { bytes: AtomicU64::new(0), bytes_max: bytes, inodes: AtomicU64::new(0), inodes_max: inodes }))
    }

    /// The budget that `limits` names.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        Budget::new(limits.bytes, limits.inodes)
    }

    /// A budget that never runs out.
    #[must_use]
    pub fn unlimited() -> Self {
        Budget::new(u64::MAX, u64::MAX)
    }

    /// Takes `n` bytes.
    ///
    /// # Errors
    /// `ENOSPC` when they are not left; nothing is taken then.
    pub fn charge_bytes(&self, n: u64) -> Result<()> {
        charge(&self.0.bytes, self.0.bytes_max, n)
    }

    /// Gives `n` bytes back.
    pub fn release_bytes(&self, n: u64) {
        self.0.bytes.fetch_sub(n, Ordering::Relaxed);
    }

    /// Takes one inode.
    ///
    /// # Errors
    /// `ENOSPC` when none is left.
    pub fn charge_inode(&self) -> Result<()> {
        charge(&self.0.inodes, self.0.inodes_max, 1)
    }

    /// Gives one inode back.
    pub fn release_inode(&self) {
        self.0.inodes.fetch_sub(1, Ordering::Relaxed);
    }

    /// Bytes in use.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Inodes in use.
    #[must_use]
    pub fn inodes_used(&self) -> u64 {
        self.0.inodes.load(Ordering::Relaxed)
    }

    /// Bytes allowed in all.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.0.bytes_max
    }

    /// Inodes allowed in all.
    #[must_use]
    pub fn inodes_max(&self) -> u64 {
        self.0.inodes_max
    }
}

fn charge(counter: &AtomicU64, max: u64, n: u64) -> Result<()> {
    counter
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| used.checked_add(n).filter(|&sum| sum <= max))
        .map(drop)
        .map_err(|_| Errno::ENOSPC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_to_the_bound_and_not_past_it() {
        let budget = Budget::new(10, 1);
        assert_eq!(budget.charge_bytes(10), Ok(()));
        assert_eq!(budget.charge_bytes(1), Err(Errno::ENOSPC));
        assert_eq!(budget.bytes_used(), 10);
        budget.release_bytes(4);
        assert_eq!(budget.charge_bytes(5), Err(Errno::ENOSPC));
        assert_eq!(budget.charge_bytes(4), Ok(()));
        assert_eq!(budget.charge_inode(), Ok(()));
        assert_eq!(budget.charge_inode(), Err(Errno::ENOSPC));
        assert_eq!(Budget::unlimited().charge_bytes(u64::MAX), Ok(()));
    }
}

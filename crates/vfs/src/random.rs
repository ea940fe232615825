//! Where random bytes come from.

use crate::{Errno, Result};

/// A source of random bytes: the host's, or one that an embedder makes repeatable.
pub trait Random: Send + Sync {
    /// Fills `buf`.
    ///
    /// # Errors
    /// `EIO` when the source fails.
    fn fill(&self, buf: &mut [u8]) -> Result<()>;
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buf: &mut [u8]) -> Result<()> {
        getrandom::fill(buf).map_err(|_| Errno::EIO)
    }
}

//! Listing a host directory.
//!
//! A cookie is the host's own position (`d_off`): the one thing that the host keeps right while a directory changes. The space
//! below 2^62 is ours to use, and positions have up to 63 bits: up to 2^61 they stand as they are (tmpfs and most others: small
//! numbers), past that without their two lowest bits, above 2^61. Only hashes are that large (ext4, and what passes its
//! positions on), and they are ordered: resuming at the rounded-down hash doubles a name only if two names of the directory
//! agree in 61 bits of hash and the listing is cut between them. A position that is negative, of which no host filesystem is
//! known, is `EOVERFLOW`, as in `readdir(3)` of a 32-bit program.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom};
use rustix::io::Errno as Host;

use super::attr;
use super::errno::from_host;
use super::node::{FileId, Registry};
use crate::{Cookie, DirEntry, Errno, Result};

/// Bytes of entries fetched at a time.
const BUFFER: usize = 8192;

/// Cookies from here on have lost two bits of their position.
const ROUNDED: u64 = 1 << 61;

/// The largest cookie: the host's end of a directory (2^63 - 1) and its neighbours, where no name is.
const LAST: u64 = (1 << 62) - 4;

fn to_cookie(position: u64) -> Result<Cookie> {
    match position {
        0 => Err(Errno::EIO),
        1..ROUNDED => Ok(position),
        _ if i64::try_from(position).is_err() => Err(Errno::EOVERFLOW),
        _ => Ok((ROUNDED + (position >> 2)).min(LAST)),
    }
}

fn to_position(cookie: Cookie) -> u64 {
    if cookie < ROUNDED { cookie } else { (cookie.min(LAST) - ROUNDED) << 2 }
}

/// Lists the directory behind `fd`, which was opened for this alone, from `from` on. A directory that has been removed ends.
///
/// # Errors
/// `EOVERFLOW` for a position that no cookie can hold, and what the host gives.
pub(super) fn list(
    fd: &OwnedFd,
    registry: &Registry,
    dev: u64,
    from: Cookie,
    each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
) -> Result<()> {
    if from != 0 {
        rustix::fs::seek(fd, SeekFrom::Start(to_position(from))).map_err(from_host)?;
    }
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut entries = RawDir::new(fd.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Host::INTR) => continue,
            Err(Host::NOENT) => break,
            Err(errno) => return Err(from_host(errno)),
        };
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        let file_type = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            known => known,
        };
        let ino = registry.key(FileId { dev, ino: entry.ino() });
        let next = to_cookie(entry.next_entry_cookie())?;
        if each(DirEntry { name, ino, kind: attr::kind(file_type), next }).is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_stay_below_the_reserved_range_and_keep_their_order() {
        let positions = [1, 2, ROUNDED - 1, ROUNDED, ROUNDED + 4, 1 << 62, (1 << 63) - 64, (1 << 63) - 1];
        let cookies: Vec<u64> = positions.iter().map(|&p| to_cookie(p).unwrap()).collect();
        assert!(cookies.is_sorted_by(|a, b| a < b), "{cookies:?}");
        assert!(cookies.iter().all(|&c| c > 0 && c + 2 < 1 << 62));
        for (&position, &cookie) in positions.iter().zip(&cookies) {
            assert!(to_position(cookie) <= position && position - to_position(cookie) < 16);
        }
        assert_eq!(to_cookie(1 << 63), Err(Errno::EOVERFLOW));
        assert_eq!(to_position(u64::MAX), to_position(LAST));
    }
}

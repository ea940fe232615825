//! Writing archives: stored, sorted, with fixed times, so that the same entries give the same bytes on every machine.

use std::collections::HashMap;
use std::io::{self, Write};

use bytes::Bytes;
use thiserror::Error;

use super::error::Member;

/// One entry of an archive to be written.
#[derive(Debug, Clone)]
pub struct PackEntry {
    /// The path in the archive, without a leading slash; a directory's ends with one.
    pub name: Vec<u8>,
    /// The contents, or a symbolic link's target.
    pub data: Bytes,
    /// Permission bits, with the type's bits for a symbolic link (`0o120777`); other types follow from the name.
    pub mode: u32,
}

impl PackEntry {
    /// A file with mode 0644.
    #[must_use]
    pub fn file(name: impl Into<Vec<u8>>, data: impl Into<Bytes>) -> Self {
        PackEntry { name: name.into(), data: data.into(), mode: 0o644 }
    }

    /// The name without a directory's slash.
    fn plain_name(&self) -> &[u8] {
        self.name.strip_suffix(b"/").unwrap_or(&self.name)
    }
}

/// Why an archive was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PackError {
    /// A name that no archive should hold.
    #[error("cannot pack {0}: the name must be relative, with parts of 1 to 255 bytes, without \"..\", \".\", NUL and backslash")]
    Name(Member),
    /// Two entries have one name.
    #[error("cannot pack {0}: there are two entries of that name")]
    Duplicate(Member),
    /// An entry lies below another one that is no directory.
    #[error("cannot pack {0}: it lies below an entry that is a file or a symbolic link")]
    FileAsDirectory(Member),
    /// The output could not be written.
    #[error("cannot write the archive: {0}")]
    Write(#[from] io::Error),
}

/// An archive of `entries` in memory.
///
/// # Errors
/// [`PackError::Name`], [`PackError::Duplicate`] and [`PackError::FileAsDirectory`].
pub fn pack(entries: impl IntoIterator<Item = PackEntry>) -> Result<Vec<u8>, PackError> {
    let mut out = Vec::new();
    pack_to(entries, &mut out)?;
    Ok(out)
}

/// Writes an archive of `entries` to `out`.
///
/// # Errors
/// As [`PackError`] says; names are checked before anything is written.
pub fn pack_to(entries: impl IntoIterator<Item = PackEntry>, out: &mut dyn Write) -> Result<(), PackError> {
    let mut entries: Vec<PackEntry> = entries.into_iter().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    check(&entries)?;
    let mut at = 0;
    let mut central = Vec::new();
    for entry in &entries {
        let member = Header::new(entry, at);
        let local = member.local(&entry.name);
        out.write_all(&local)?;
        out.write_all(&entry.data)?;
        at += local.len() as u64 + entry.data.len() as u64;
        central.extend_from_slice(&member.central(&entry.name));
    }
    out.write_all(&central)?;
    out.write_all(&end(entries.len() as u64, central.len() as u64, at))?;
    Ok(())
}

/// Refuses what [`ZipFs`](super::ZipFs) would not mount.
fn check(entries: &[PackEntry]) -> Result<(), PackError> {
    let mut names = HashMap::new();
    for entry in entries {
        let name = entry.plain_name();
        let part_is_bad = |part: &[u8]| crate::Name::new(part).is_err() || part.contains(&b'\\');
        if name.split(|&b| b == b'/').any(part_is_bad) || name.len() >= crate::PATH_MAX {
            return Err(PackError::Name(Member::new(&entry.name)));
        }
        if names.insert(name, entry.name.ends_with(b"/")).is_some() {
            return Err(PackError::Duplicate(Member::new(&entry.name)));
        }
    }
    for entry in entries {
        let above = entry.plain_name().iter().enumerate().filter(|&(_, &b)| b == b'/').filter_map(|(at, _)| entry.name.get(..at));
        if above.into_iter().any(|dir| names.get(dir) == Some(&false)) {
            return Err(PackError::FileAsDirectory(Member::new(&entry.name)));
        }
    }
    Ok(())
}

/// 1980-01-01, and the version and system that write Unix modes.
const DATE: u16 = 1 << 5 | 1;
const UNIX: u16 = 3 << 8;
const UTF8: u16 = 1 << 11;
const PLAIN: u16 = 20;
const ZIP64: u16 = 45;

/// What both headers of a member say.
struct Header {
    flags: u16,
    crc: u32,
    size: u64,
    at: u64,
    attributes: u32,
}

impl Header {
    fn new(entry: &PackEntry, at: u64) -> Self {
        let directory = entry.name.ends_with(b"/");
        let kind = match entry.mode & 0o170_000 {
            _ if directory => 0o040_000,
            0o120_000 => 0o120_000,
            _ => 0o100_000,
        };
        let attributes = (kind | entry.mode & 0o7777) << 16 | if directory { 0x10 } else { 0 };
        let ascii = entry.name.is_ascii() || std::str::from_utf8(&entry.name).is_err();
        let flags = if ascii { 0 } else { UTF8 };
        Header { flags, crc: crc32fast::hash(&entry.data), size: entry.data.len() as u64, at, attributes }
    }

    /// The fields that both headers have in the same order, from the version needed to the name's length.
    fn common(&self, name: &[u8], wide: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + name.len());
        let version = if wide { ZIP64 } else { PLAIN };
        // Version, flags, method (stored), time, date.
        for field in [version, self.flags, 0, 0, DATE] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        let size = narrow(self.size);
        for field in [self.crc, size, size] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        // Names were checked to be shorter than a path.
        out.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
        out
    }

    fn local(&self, name: &[u8]) -> Vec<u8> {
        let wide: Vec<u64> = if is_wide(self.size) { vec![self.size, self.size] } else { Vec::new() };
        let extra = zip64_extra(&wide);
        let mut out = b"PK\x03\x04".to_vec();
        out.extend(self.common(name, !extra.is_empty()));
        out.extend_from_slice(&u16::try_from(extra.len()).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(name);
        out.extend(extra);
        out
    }

    fn central(&self, name: &[u8]) -> Vec<u8> {
        let sizes = [self.size, self.size, self.at];
        let wide: Vec<u64> = sizes.into_iter().filter(|&field| is_wide(field)).collect();
        let extra = zip64_extra(&wide);
        let version = if extra.is_empty() { PLAIN } else { ZIP64 };
        let mut out = b"PK\x01\x02".to_vec();
        out.extend_from_slice(&(UNIX | version).to_le_bytes());
        out.extend(self.common(name, !extra.is_empty()));
        out.extend_from_slice(&u16::try_from(extra.len()).unwrap_or(0).to_le_bytes());
        // Comment, disk, internal attributes.
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&self.attributes.to_le_bytes());
        out.extend_from_slice(&narrow(self.at).to_le_bytes());
        out.extend_from_slice(name);
        out.extend(extra);
        out
    }
}

fn is_wide(field: u64) -> bool {
    field >= u32::MAX.into()
}

fn narrow(field: u64) -> u32 {
    u32::try_from(field).unwrap_or(u32::MAX)
}

/// The extra field with the 64-bit values; nothing when there are none.
fn zip64_extra(values: &[u64]) -> Vec<u8> {
    if values.is_empty() {
        return Vec::new();
    }
    let mut out = 1u16.to_le_bytes().to_vec();
    out.extend_from_slice(&u16::try_from(values.len() * 8).unwrap_or(0).to_le_bytes());
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
    out
}

/// The end record, with the zip64 ones before it where they are needed.
fn end(count: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut out = Vec::new();
    if count >= 0xffff || is_wide(size) || is_wide(offset) {
        out.extend_from_slice(b"PK\x06\x06");
        out.extend_from_slice(&44u64.to_le_bytes());
        out.extend_from_slice(&(UNIX | ZIP64).to_le_bytes());
        out.extend_from_slice(&ZIP64.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        for field in [count, count, size, offset] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(b"PK\x06\x07\0\0\0\0");
        out.extend_from_slice(&(offset + size).to_le_bytes());
        out.extend_from_slice(&1u32.to_le_bytes());
    }
    let short = u16::try_from(count).unwrap_or(u16::MAX);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&short.to_le_bytes());
    out.extend_from_slice(&short.to_le_bytes());
    out.extend_from_slice(&narrow(size).to_le_bytes());
    out.extend_from_slice(&narrow(offset).to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_32_bits_goes_into_zip64_fields() {
        let wide = Header { flags: 0, crc: 7, size: 5 << 30, at: 6 << 30, attributes: 0 };
        let extra = |values: &[u64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        assert!(wide.local(b"n").ends_with(&[&b"n\x01\0\x10\0"[..], &extra(&[5 << 30, 5 << 30])].concat()));
        assert!(wide.central(b"n").ends_with(&[&b"n\x01\0\x18\0"[..], &extra(&[5 << 30, 5 << 30, 6 << 30])].concat()));
        let far = Header { size: 1, ..wide };
        assert!(far.local(b"n").ends_with(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0n"));
        assert!(far.central(b"n").ends_with(&[&b"\xff\xff\xff\xffn\x01\0\x08\0"[..], &extra(&[6 << 30])].concat()));
        assert_eq!(end(1, 47, 4_294_967_294).len(), 22);
        assert_eq!(end(1, 47, 4_294_967_295).len(), 22 + 56 + 20);
    }
}

//! The records of the zip format (PKWARE's APPNOTE 6.3.10, section 4), parsed and nothing believed.

use std::io;

use super::error::{Member, ZipError};
use super::source::ZipSource;
use crate::Timestamp;

pub(super) const LOCAL_LEN: u64 = 30;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const CENTRAL_LEN: usize = 46;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const END_LEN: usize = 22;
const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const COMMENT_MAX: usize = 0xffff;
const LOCATOR_LEN: usize = 20;
const LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
const END64_LEN: usize = 56;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_TIMESTAMP: u16 = 0x5455;
/// The central directory is read in steps of this size.
const STEP: usize = 256 << 10;

/// Little-endian fields in a row.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }
    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// Where the central directory lies.
#[derive(Debug)]
pub(super) struct Directory {
    pub start: u64,
    end: u64,
    /// Bytes before the archive proper, which its offsets do not count (a self-extracting archive).
    pub shift: u64,
    /// Records that the end record promises.
    count: u64,
    /// Whether the count has more than 16 bits.
    zip64: bool,
}

impl Directory {
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether `count` is what the end record promises; a 16-bit field counts modulo 65,536, as every writer does.
    pub fn counts(&self, count: u64) -> bool {
        if self.zip64 { self.count == count } else { self.count == count & 0xffff }
    }
}

struct End {
    position: u64,
    multi_disk: bool,
    count: u64,
    size: u64,
    offset: u64,
}

impl End {
    fn parse(bytes: &[u8], position: u64) -> Option<End> {
        let mut f = Fields(bytes.get(4..)?);
        let (disk, central_disk, here, count) = (f.u16()?, f.u16()?, f.u16()?, f.u16()?);
        let (size, offset) = (f.u32()?, f.u32()?);
        Some(End {
            position,
            multi_disk: disk != 0 || central_disk != 0 || here != count,
            count: count.into(),
            size: size.into(),
            offset: offset.into(),
        })
    }

    fn parse64(bytes: &[u8], position: u64) -> Option<End> {
        let mut f = Fields(bytes);
        (f.u32()? == END64_SIGNATURE).then_some(())?;
        let (_size, _made_by, _needed) = (f.u64()?, f.u16()?, f.u16()?);
        let (disk, central_disk, here, count) = (f.u32()?, f.u32()?, f.u64()?, f.u64()?);
        let (size, offset) = (f.u64()?, f.u64()?);
        let multi_disk = disk != 0 || central_disk != 0 || here != count;
        Some(End { position, multi_disk, count, size, offset })
    }
}

/// The end record's place in the archive's tail: the last one whose comment ends with the archive; failing that the last one
/// whose comment fits, since bytes are often appended to archives.
fn find_end(tail: &[u8]) -> Option<usize> {
    let rest_of = |at: usize| tail.len() - at - END_LEN;
    let comment = |at: usize| Fields(tail.get(at + 20..)?).u16().map(usize::from);
    let candidates = || {
        let places = (0..=tail.len().checked_sub(END_LEN)?).rev();
        Some(places.filter(|&at| tail.get(at..).is_some_and(|t| t.starts_with(&END_SIGNATURE))))
    };
    let exact = candidates()?.find(|&at| comment(at) == Some(rest_of(at)));
    exact.or_else(|| candidates()?.find(|&at| comment(at).is_some_and(|len| len <= rest_of(at))))
}

/// Finds the central directory from the archive's end.
pub(super) fn find_directory(source: &dyn ZipSource, archive: &str) -> Result<Directory, ZipError> {
    let read = |source| ZipError::Read { archive: archive.into(), source };
    let damaged = |why| ZipError::Directory { archive: archive.into(), why };
    let len = source.size().map_err(read)?;
    let tail_len = usize::try_from(len).unwrap_or(usize::MAX).min(END_LEN + COMMENT_MAX);
    let mut tail = vec![0; tail_len];
    let tail_at = len - tail_len as u64;
    source.read_exact_at(&mut tail, tail_at).map_err(read)?;
    let Some(at) = find_end(&tail) else {
        let mut head = [0; 4];
        let starts = len >= 4 && source.read_exact_at(&mut head, 0).is_ok() && u32::from_le_bytes(head) == LOCAL_SIGNATURE;
        let archive = archive.into();
        return Err(if starts { ZipError::Truncated { archive } } else { ZipError::NotZip { archive } });
    };
    let mut end = tail.get(at..).and_then(|bytes| End::parse(bytes, tail_at + at as u64)).ok_or(damaged("no end record"))?;
    let mut zip64 = false;
    if let Some(end64) = find_end64(source, end.position).map_err(read)? {
        end = end64.ok_or(damaged("the zip64 end record is missing"))?;
        zip64 = true;
    }
    if end.multi_disk {
        return Err(ZipError::MultiDisk { archive: archive.into() });
    }
    let start = end.position.checked_sub(end.size).ok_or(damaged("it is larger than the archive"))?;
    let shift = start.checked_sub(end.offset).ok_or(damaged("it does not lie where the end record says"))?;
    Ok(Directory { start, end: end.position, shift, count: end.count, zip64 })
}

/// The zip64 end record: none when there is no locator before the end record at `end`, `Some(None)` when the locator leads nowhere.
fn find_end64(source: &dyn ZipSource, end: u64) -> io::Result<Option<Option<End>>> {
    let Some(at) = end.checked_sub(LOCATOR_LEN as u64) else { return Ok(None) };
    let mut locator = [0; LOCATOR_LEN];
    source.read_exact_at(&mut locator, at)?;
    let mut f = Fields(&locator);
    if f.u32() != Some(LOCATOR_SIGNATURE) {
        return Ok(None);
    }
    let _disk = f.u32();
    // Right before the locator, wherever a prefix has moved it; or, when it has grown by later extensions, where it is said to be.
    for place in [at.checked_sub(END64_LEN as u64), f.u64()].into_iter().flatten() {
        let mut record = [0; END64_LEN];
        if place.checked_add(END64_LEN as u64).is_some_and(|last| last <= at) {
            source.read_exact_at(&mut record, place)?;
            if let Some(end) = End::parse64(&record, place) {
                return Ok(Some(Some(end)));
            }
        }
    }
    Ok(Some(None))
}

/// One record of the central directory.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// The system whose attributes it carries: 3 is Unix, 19 is macOS.
    pub host: u8,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u64,
    pub size: u64,
    pub attributes: u32,
    /// The local header's place, before [`Directory::shift`].
    pub header: u64,
    pub mtime: Timestamp,
    pub name: &'a [u8],
}

/// Reads the central directory record by record, never holding more than a step of it.
pub(super) struct Central<'a> {
    source: &'a dyn ZipSource,
    archive: &'a str,
    buf: Vec<u8>,
    at: usize,
    /// Where the bytes behind `buf` stand in the archive, and where they end.
    next: u64,
    end: u64,
}

impl<'a> Central<'a> {
    pub fn new(source: &'a dyn ZipSource, archive: &'a str, directory: &Directory) -> Self {
        Central { source, archive, buf: Vec::new(), at: 0, next: directory.start, end: directory.end }
    }

    /// The next record; none at the end.
    ///
    /// # Errors
    /// When it is damaged, or lies on another disk.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, ZipError> {
        if self.buf.len() == self.at && self.next == self.end {
            return Ok(None);
        }
        let archive = self.archive;
        let damaged = |why| ZipError::Directory { archive: archive.into(), why };
        let head: [u8; CENTRAL_LEN] = *self.peek(CENTRAL_LEN)?.first_chunk().ok_or(damaged("it ends within a record"))?;
        let (raw, lens) = Raw::parse(&head).ok_or(damaged("a record does not start where it should"))?;
        let [name_len, extra_len, comment_len] = lens.map(usize::from);
        let len = CENTRAL_LEN + name_len + extra_len + comment_len;
        if self.peek(len)?.len() < len {
            return Err(damaged("it ends within a record"));
        }
        let at = self.at;
        self.at += len;
        let mut f = Fields(self.buf.get(at + CENTRAL_LEN..).unwrap_or_default());
        let name = f.bytes(name_len).unwrap_or_default();
        let extra = f.bytes(extra_len).unwrap_or_default();
        let bad = |why| ZipError::Damaged { archive: archive.into(), member: Member::new(name), why };
        let (record, disk) = raw.with_extra(name, extra).ok_or_else(|| bad("its extra fields are damaged"))?;
        if disk != 0 {
            return Err(ZipError::MultiDisk { archive: archive.into() });
        }
        Ok(Some(record))
    }

    /// The next `len` bytes and perhaps more, fewer where the directory ends.
    fn peek(&mut self, len: usize) -> Result<&[u8], ZipError> {
        if self.buf.len() - self.at < len && self.next < self.end {
            self.buf.drain(..self.at);
            self.at = 0;
            let more = usize::try_from(self.end - self.next).unwrap_or(usize::MAX).min(STEP.max(len));
            let kept = self.buf.len();
            self.buf.resize(kept + more, 0);
            let to = self.buf.get_mut(kept..).unwrap_or_default();
            let read = |source| ZipError::Read { archive: self.archive.into(), source };
            self.source.read_exact_at(to, self.next).map_err(read)?;
            self.next += more as u64;
        }
        Ok(self.buf.get(self.at..).unwrap_or_default())
    }
}

/// The fixed part of a record of the central directory.
struct Raw {
    host: u8,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u32,
    size: u32,
    disk: u16,
    attributes: u32,
    header: u32,
}

impl Raw {
    /// The fields, and the lengths of name, extra fields and comment.
    fn parse(bytes: &[u8]) -> Option<(Raw, [u16; 3])> {
        let mut f = Fields(bytes);
        (f.u32()? == CENTRAL_SIGNATURE).then_some(())?;
        let [_version, host] = f.take()?;
        let _needed = f.u16()?;
        let (flags, method, time, date) = (f.u16()?, f.u16()?, f.u16()?, f.u16()?);
        let (crc, packed, size) = (f.u32()?, f.u32()?, f.u32()?);
        let lens = [f.u16()?, f.u16()?, f.u16()?];
        let (disk, _internal, attributes, header) = (f.u16()?, f.u16()?, f.u32()?, f.u32()?);
        Some((Raw { host, flags, method, time, date, crc, packed, size, disk, attributes, header }, lens))
    }

    /// The record with what the extra fields say, and its disk. None when an extra field is damaged or a 64-bit value missing.
    fn with_extra<'a>(self, name: &'a [u8], extra: &[u8]) -> Option<(Record<'a>, u32)> {
        let mut zip64 = Fields(&[]);
        let mut mtime = dos_time(self.date, self.time);
        let mut fields = Fields(extra);
        // Fewer than four bytes at the end are padding, as alignment tools leave it.
        while fields.0.len() >= 4 {
            let (id, len) = (fields.u16()?, fields.u16()?);
            let body = fields.bytes(len.into())?;
            match id {
                EXTRA_ZIP64 => zip64 = Fields(body),
                EXTRA_TIMESTAMP => mtime = extended_time(body).unwrap_or(mtime),
                _ => {}
            }
        }
        let mut wide = |field: u32| if field == u32::MAX { zip64.u64() } else { Some(field.into()) };
        let (size, packed, header) = (wide(self.size)?, wide(self.packed)?, wide(self.header)?);
        let disk = if self.disk == u16::MAX { zip64.u32()? } else { self.disk.into() };
        let Raw { host, flags, method, crc, attributes, .. } = self;
        Some((Record { host, flags, method, crc, packed, size, attributes, header, mtime, name }, disk))
    }
}

/// Where a member's data starts, from its local header; none when that is not one, or names another method than `method`.
pub(super) fn data_start(header_at: u64, header: &[u8; LOCAL_LEN as usize], method: u16) -> Option<u64> {
    let mut f = Fields(header);
    (f.u32()? == LOCAL_SIGNATURE).then_some(())?;
    let (_needed, _flags, local_method) = (f.u16()?, f.u16()?, f.u16()?);
    (local_method == method).then_some(())?;
    f.bytes(16)?;
    let (name, extra) = (f.u16()?, f.u16()?);
    header_at.checked_add(LOCAL_LEN)?.checked_add(name.into())?.checked_add(extra.into())
}

/// The modification time of an extended-timestamp field (Info-ZIP's `UT`).
fn extended_time(body: &[u8]) -> Option<Timestamp> {
    let mut f = Fields(body);
    let [flags] = f.take()?;
    (flags & 1 != 0).then_some(())?;
    let sec = i32::from_le_bytes(f.take()?);
    Some(Timestamp { sec: sec.into(), nsec: 0 })
}

/// An MS-DOS date and time, which name no zone, taken as UTC so that a tree looks the same everywhere.
fn dos_time(date: u16, time: u16) -> Timestamp {
    let (year, month, day) = (1980 + i64::from(date >> 9), i64::from(date >> 5 & 15).clamp(1, 12), i64::from(date & 31).max(1));
    let (hour, minute, second) = (i64::from(time >> 11), i64::from(time >> 5 & 63), i64::from(time & 31) * 2);
    // Days since 1970-03-01 in years that start in March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Timestamp { sec: days * 86_400 + hour * 3600 + minute * 60 + second, nsec: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dos_times_are_utc() {
        // Expected values from `date -u -d ... +%s`.
        for ((date, time), sec) in [
            ((0x0021, 0), 315_532_800),
            ((0, 0), 315_532_800),
            ((20 << 9 | 2 << 5 | 29, 23 << 11 | 59 << 5 | 29), 951_868_798),
            ((44 << 9 | 12 << 5 | 31, 12 << 11), 1_735_646_400),
            ((u16::MAX, 0), 4_354_732_800),
        ] {
            assert_eq!(dos_time(date, time), Timestamp { sec, nsec: 0 }, "{date} {time}");
        }
    }

    #[test]
    fn the_end_is_the_last_record_whose_comment_ends_with_the_archive() {
        let end = |comment: &[u8]| [b"PK\x05\x06", &[0; 16][..], &(comment.len() as u16).to_le_bytes(), comment].concat();
        assert_eq!(find_end(&end(b"")), Some(0));
        assert_eq!(find_end(&end(b"PK\x05\x06, a comment like a record")), Some(0));
        assert_eq!(find_end(&[end(b"hello"), vec![0; 100]].concat()), Some(0));
        assert_eq!(find_end(&end(b"hello")[..26]), None);
        assert_eq!(find_end(b"PK\x05\x06"), None);
    }
}

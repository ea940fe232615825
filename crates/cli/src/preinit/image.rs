//! A start image: the pages of a guest's memory that its start has changed, and what of them depends on the hash secret.
//!
//! It is a file of little-endian words, then the pages. Reading one checks lengths and bounds, not contents: it lies in a directory that nobody
//! else may enter, and a damaged one can harm nobody but its guest.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::Path;

use super::hash::Algorithm;
use super::reseed::{Fixups, Value};

const MAGIC: u32 = u32::from_le_bytes(*b"Sta2");

/// Guest memory is kept in pieces of this size.
const PAGE: usize = 4096;

/// More words than any image has.
const MOST_WORDS: u32 = 1 << 26;

/// A start image that can be laid into a guest.
#[derive(Debug)]
pub struct StartImage {
    /// How many bytes of memory the guest has.
    pub len: u64,
    fixups: Fixups,
    /// First page and how many.
    runs: Vec<(u32, u32)>,
    pages: File,
}

/// Writes the image of that identity, of a guest whose memory was `fresh` when it was made and is `now`.
///
/// # Errors
/// What the host gives.
pub fn write(path: &Path, identity: &[u8; 32], fresh: &[u8], now: &[u8], fixups: &Fixups) -> Result<u64> {
    let runs = changed(fresh, now);
    let algorithm = u32::from(fixups.algorithm == Algorithm::Fnv);
    let mut words = vec![MAGIC];
    words.extend(identity.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)));
    words.extend([word(now.len() / PAGE)?, algorithm, fixups.secret_at]);
    let list = |words: &mut Vec<u32>, list: &[u32]| -> Result<()> {
        words.push(word(list.len())?);
        words.extend_from_slice(list);
        Ok(())
    };
    words.push(word(fixups.values.len())?);
    for value in &fixups.values {
        match value {
            Value::Text { at, len } => words.extend([0, *at, *len]),
            Value::Fixed(hash) => words.extend([1, *hash]),
            Value::Tuple(items) => {
                words.push(2);
                list(&mut words, items)?;
            }
        }
    }
    for pairs in [&fixups.cells, &runs] {
        words.push(word(pairs.len())?);
        words.extend(pairs.iter().flat_map(|&(a, b)| [a, b]));
    }
    for all in [&fixups.keys, &fixups.sets, &fixups.tables] {
        list(&mut words, all)?;
    }
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    let mut head = word(words.len())?.to_le_bytes().to_vec();
    head.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.write_all(&head)?;
    for page in runs.iter().flat_map(|&(first, count)| first..first + count) {
        file.write_all(now.chunks(PAGE).nth(page as usize).unwrap_or_default())?;
    }
    file.as_file().sync_all()?;
    let len = file.as_file().metadata()?.len();
    file.persist(path).map_err(|error| error.error)?;
    Ok(len)
}

fn word(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::from(ErrorKind::FileTooLarge))
}

/// The pages that differ, in runs. Memory that was not there was zero.
fn changed(fresh: &[u8], now: &[u8]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    let old = fresh.chunks(PAGE).map(Some).chain(std::iter::repeat(None));
    for (page, (now, old)) in (0..).zip(now.chunks(PAGE).zip(old)) {
        if old.map_or_else(|| now.iter().all(|&byte| byte == 0), |old| old == now) {
            continue;
        }
        match runs.last_mut() {
            Some((first, count)) if *first + *count == page => *count += 1,
            _ => runs.push((page, 1)),
        }
    }
    runs
}

/// Reads words one after the other.
struct Words<'a>(std::slice::Iter<'a, [u8; 4]>);

impl Words<'_> {
    fn next(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.next()?))
    }

    /// As many as the next word says.
    fn list<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.next()?;
        (0..count).map(|_| one(self)).collect()
    }

    fn pair(&mut self) -> Option<(u32, u32)> {
        Some((self.next()?, self.next()?))
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.next()? {
            0 => Value::Text { at: self.next()?, len: self.next()? },
            1 => Value::Fixed(self.next()?),
            2 => Value::Tuple(self.list(Words::next)?),
            _ => return None,
        })
    }
}

impl StartImage {
    /// The image in the file at `path`; none when it is not of that identity.
    ///
    /// # Errors
    /// What the host gives; `InvalidData` for what is no image.
    pub fn open(path: &Path, identity: &[u8; 32]) -> Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut head = [0; 4];
        file.read_exact(&mut head)?;
        let count = Some(u32::from_le_bytes(head)).filter(|count| *count < MOST_WORDS);
        let damaged = || Error::from(ErrorKind::InvalidData);
        let mut words = vec![0; count.ok_or_else(damaged)? as usize * 4];
        file.read_exact(&mut words)?;
        let words = &mut Words(words.as_chunks::<4>().0.iter());
        match words.next() {
            Some(MAGIC) => {}
            Some(other) if other.to_le_bytes().starts_with(b"Sta") => return Ok(None),
            _ => return Err(damaged()),
        }
        if !identity.as_chunks().0.iter().all(|word| words.next() == Some(u32::from_le_bytes(*word))) {
            return Ok(None);
        }
        StartImage::read(words, file).map(Some).ok_or_else(damaged)
    }

    fn read(words: &mut Words<'_>, pages: File) -> Option<Self> {
        let pages_in_all = words.next()?;
        let len = u64::from(pages_in_all) * PAGE as u64;
        let algorithm = if words.next()? == 0 { Algorithm::Sip } else { Algorithm::Fnv };
        let mut fixups = Fixups { algorithm, secret_at: words.next()?, values: words.list(Words::value)?, ..Fixups::default() };
        fixups.cells = words.list(Words::pair)?;
        let runs = words.list(Words::pair)?;
        for all in [&mut fixups.keys, &mut fixups.sets, &mut fixups.tables] {
            *all = words.list(Words::next)?;
        }
        let fits = runs.iter().all(|(first, count)| first.checked_add(*count).is_some_and(|end| end <= pages_in_all));
        (fits && words.next().is_none()).then_some(StartImage { len, fixups, runs, pages })
    }

    /// Makes the memory of a guest that has just been made the one of a guest that has started, with this hash secret.
    ///
    /// # Errors
    /// What the host gives; `InvalidData` when the memory is not such a guest's. It is of no use then.
    pub fn lay(&mut self, memory: &mut [u8], secret: &[u8; 24]) -> Result<()> {
        let damaged = || Error::from(ErrorKind::InvalidData);
        for &(first, count) in &self.runs {
            let (start, len) = (first as usize * PAGE, count as usize * PAGE);
            let pages = memory.get_mut(start..start.saturating_add(len)).ok_or_else(damaged)?;
            self.pages.read_exact(pages)?;
        }
        self.fixups.apply(memory, secret).ok_or_else(damaged)
    }
}

//! Gives a CPython that has started another hash secret: all kept hashes are made anew, and the tables that are ordered by them.

use super::hash::{Algorithm, Key};
use super::heap::Memory;

/// A hash as it follows from the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The hash of these bytes of the guest's memory.
    Text {
        /// Where they start.
        at: u32,
        /// How many there are.
        len: u32,
    },
    /// This hash.
    Fixed(u32),
    /// The hash of a tuple whose items have these values, which stand before this one.
    Tuple(Vec<u32>),
}

/// All that depends on the secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fixups {
    /// The hash.
    pub algorithm: Algorithm,
    /// Where its secret is.
    pub secret_at: u32,
    /// The hashes.
    pub values: Vec<Value>,
    /// Where hashes are kept, and which.
    pub cells: Vec<(u32, u32)>,
    /// The tables of dictionaries.
    pub keys: Vec<u32>,
    /// Sets.
    pub sets: Vec<u32>,
    /// CPython's own hash tables.
    pub tables: Vec<u32>,
}

impl Fixups {
    /// Adds a value and answers its number.
    pub fn value(&mut self, value: Value) -> u32 {
        self.values.push(value);
        u32::try_from(self.values.len() - 1).unwrap_or(u32::MAX)
    }

    /// Gives the CPython in `memory` this secret. Nothing when the memory is not the one that was scanned.
    #[must_use]
    pub fn apply(&self, memory: &mut [u8], secret: &[u8; 24]) -> Option<()> {
        let hashes = self.hashes(Memory(memory), Key::of(self.algorithm, secret))?;
        let mut memory = Writer(memory);
        memory.put(self.secret_at, secret)?;
        for (at, value) in &self.cells {
            memory.set(*at, *hashes.get(usize::try_from(*value).ok()?)?)?;
        }
        for &at in &self.keys {
            Keys::at(memory.read(), at)?.rebuild(&mut memory)?;
        }
        for &at in &self.sets {
            Set::at(memory.read(), at)?.rebuild(&mut memory)?;
        }
        for &at in &self.tables {
            Table::at(memory.read(), at)?.rebuild(&mut memory)?;
        }
        Some(())
    }

    fn hashes(&self, memory: Memory<'_>, key: Key) -> Option<Vec<u32>> {
        let mut hashes: Vec<u32> = Vec::with_capacity(self.values.len());
        for value in &self.values {
            hashes.push(match value {
                Value::Text { at, len } => key.hash(memory.bytes(*at, *len)?),
                Value::Fixed(hash) => *hash,
                Value::Tuple(items) => {
                    let items = items.iter().map(|item| hashes.get(usize::try_from(*item).ok()?).copied());
                    tuple_hash(items.collect::<Option<Vec<_>>>()?.into_iter())
                }
            });
        }
        Some(hashes)
    }
}

/// The hash of a tuple whose items have these.
pub fn tuple_hash(items: impl ExactSizeIterator<Item = u32>) -> u32 {
    let (one, two, five) = (2_654_435_761_u32, 2_246_822_519_u32, 374_761_393_u32);
    let len = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let all = items.fold(five, |all, item| all.wrapping_add(item.wrapping_mul(two)).rotate_left(13).wrapping_mul(one));
    match all.wrapping_add(len ^ (five ^ 3_527_539)) {
        u32::MAX => 1_546_275_796,
        hash => hash,
    }
}

/// A memory that is changed.
pub struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn read(&self) -> Memory<'_> {
        Memory(self.0)
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> Option<()> {
        let at = usize::try_from(at).ok()?;
        self.0.get_mut(at..at.checked_add(bytes.len())?)?.copy_from_slice(bytes);
        Some(())
    }

    fn set(&mut self, at: u32, word: u32) -> Option<()> {
        self.put(at, &word.to_le_bytes())
    }

    fn fill(&mut self, at: u32, len: u32, byte: u8) -> Option<()> {
        let at = usize::try_from(at).ok()?;
        self.0.get_mut(at..at.checked_add(usize::try_from(len).ok()?)?)?.fill(byte);
        Some(())
    }
}

/// `PyDictKeysObject`: the table of a dictionary, of a class for its objects' dictionaries.
#[derive(Debug, Clone, Copy)]
pub struct Keys {
    pub at: u32,
    log2_size: u32,
    /// Bytes of one index, as a power of two.
    width: u32,
    /// Entries keep a hash, because not all keys are strings.
    general: bool,
    /// Entries have no value, because the dictionaries that share the table have them.
    split: bool,
    entries: u32,
}

const KEYS_INDICES: u32 = 20;

/// How many keys the dictionaries of one class share at most.
const SHARED_KEYS: u32 = 30;

impl Keys {
    /// The table at `at`, if there may be one: its sizes fit each other.
    pub fn at(memory: Memory<'_>, at: u32) -> Option<Self> {
        // The last byte is padding, which nobody writes.
        let &[log2_size, log2_bytes, kind, _] = memory.bytes(at.checked_add(4)?, 4)?.as_array()?;
        if !(3..=24).contains(&log2_size) || kind > 2 {
            return None;
        }
        let width = match log2_size {
            ..8 => 0,
            8..16 => 1,
            _ => 2,
        };
        let (usable, entries) = (memory.field(at, 12)?, memory.field(at, 16)?);
        let (size, log2_size) = (1_u32 << log2_size, u32::from(log2_size));
        let all = usable.checked_add(entries)?;
        let fits = if kind == 2 { all <= SHARED_KEYS } else { all == (size << 1) / 3 };
        if u32::from(log2_bytes) != log2_size + width || !fits || entries == 0 {
            return None;
        }
        let keys = Keys { at, log2_size, width, general: kind == 0, split: kind == 2, entries };
        memory.bytes(keys.entry(0)?, keys.entries.checked_mul(keys.stride())?)?;
        Some(keys)
    }

    fn stride(self) -> u32 {
        if self.general { 12 } else { 8 }
    }

    fn entry(self, index: u32) -> Option<u32> {
        let indices = 1_u32 << (self.log2_size + self.width);
        self.at.checked_add(KEYS_INDICES + indices)?.checked_add(index.checked_mul(self.stride())?)
    }

    /// Key and hash of an entry; nothing for a removed one.
    fn live(self, memory: Memory<'_>, index: u32) -> Option<Option<(u32, u32)>> {
        let entry = self.entry(index)?;
        let key = memory.field(entry, if self.general { 4 } else { 0 })?;
        if key == 0 {
            return Some(None);
        }
        let hash = if self.general { memory.word(entry)? } else { memory.field(key, 12)? };
        Some(Some((key, hash)))
    }

    fn index(self, memory: Memory<'_>, slot: u32) -> Option<i32> {
        let bytes = memory.bytes(self.at + KEYS_INDICES + (slot << self.width), 1 << self.width)?;
        Some(match *bytes {
            [a] => i32::from(a.cast_signed()),
            [a, b] => i32::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
            _ => return None,
        })
    }

    /// The slots at which a key with this hash is looked for.
    fn slots(self, hash: u32) -> impl Iterator<Item = u32> {
        let mask = (1_u32 << self.log2_size) - 1;
        let next = move |&(slot, perturb): &(u32, u32)| {
            let perturb = perturb >> 5;
            Some((slot.wrapping_mul(5).wrapping_add(perturb).wrapping_add(1) & mask, perturb))
        };
        std::iter::successors(Some((hash & mask, hash)), next).map(|(slot, _)| slot).take(1 << 20)
    }

    /// Whether it is a table: each entry is found where its hash leads to, and all indices are of entries.
    pub fn fits(self, memory: Memory<'_>) -> Option<bool> {
        let mut live = 0;
        for index in 0..self.entries {
            let Some((_, hash)) = self.live(memory, index)? else { continue };
            live += 1;
            let wanted = i32::try_from(index).ok()?;
            let mut met = self.slots(hash).map(|slot| self.index(memory, slot));
            // −1 is an empty slot, −2 one whose entry was removed.
            let found = met.find(|&met| met.is_none_or(|met| met == wanted || met == -1))??;
            if found != wanted {
                return Some(false);
            }
        }
        let mut used = 0;
        for slot in 0..1 << self.log2_size {
            let index = self.index(memory, slot)?;
            if index < -2 || index >= i32::try_from(self.entries).ok()? {
                return Some(false);
            }
            used += u32::from(index >= 0);
        }
        // A split table has no holes, but dictionaries of a class do keep keys without a value.
        Some(live > 0 && (used == live || self.split && used >= live))
    }

    /// Where hashes are kept in it, and for which key; nothing when it keeps none.
    pub fn kept(self, memory: Memory<'_>) -> Option<Vec<(u32, u32)>> {
        if !self.general {
            return None;
        }
        let all = (0..self.entries).filter_map(|index| Some((self.entry(index)?, self.live(memory, index)??.0)));
        Some(all.collect())
    }

    fn rebuild(self, memory: &mut Writer<'_>) -> Option<()> {
        memory.fill(self.at + KEYS_INDICES, 1 << (self.log2_size + self.width), 0xff)?;
        for index in 0..self.entries {
            let Some((_, hash)) = self.live(memory.read(), index)? else { continue };
            let slot = self.slots(hash).find(|&slot| self.index(memory.read(), slot) == Some(-1))?;
            let bytes = index.to_le_bytes();
            memory.put(self.at + KEYS_INDICES + (slot << self.width), bytes.get(..1 << self.width)?)?;
        }
        Some(())
    }
}

/// `PySetObject`.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    pub at: u32,
    mask: u32,
    table: u32,
    used: u32,
}

const SET_FILL: u32 = 8;
const SET_HASH: u32 = 24;

impl Set {
    /// The set at `at`, if there may be one.
    pub fn at(memory: Memory<'_>, at: u32) -> Option<Self> {
        let [fill, used, mask, table] = [8, 12, 16, 20].map(|offset| memory.field(at, offset));
        let (fill, used, mask, table) = (fill?, used?, mask?, table?);
        let fits = mask >= 7 && mask.checked_add(1)?.is_power_of_two() && used <= fill && fill <= mask;
        memory.bytes(table, mask.checked_add(1)?.checked_mul(8)?)?;
        fits.then_some(Set { at, mask, table, used })
    }

    /// Where the hash of each entry is, and its key. The mark of a removed entry has no hash.
    pub fn entries(self, memory: Memory<'_>) -> Option<Vec<(u32, u32)>> {
        let mut all = Vec::new();
        for entry in (0..=self.mask).map(|slot| self.table + slot * 8) {
            let (key, hash) = (memory.word(entry)?, memory.field(entry, 4)?);
            if key != 0 && hash != u32::MAX {
                all.push((entry + 4, key));
            }
        }
        (u32::try_from(all.len()) == Ok(self.used)).then_some(all)
    }

    /// The slots at which a key with this hash is looked for.
    fn slots(self, hash: u32) -> impl Iterator<Item = u32> {
        let mask = self.mask;
        let next = move |&(slot, perturb): &(u32, u32)| {
            let perturb = perturb >> 5;
            Some((slot.wrapping_mul(5).wrapping_add(1).wrapping_add(perturb) & mask, perturb))
        };
        let starts = std::iter::successors(Some((hash & mask, hash)), next).take(1 << 20);
        starts.flat_map(move |(slot, _)| slot..=if slot + 9 <= mask { slot + 9 } else { slot })
    }

    /// Whether each entry is found where its hash leads to.
    pub fn fits(self, memory: Memory<'_>) -> Option<bool> {
        for (cell, _) in self.entries(memory)? {
            let hash = memory.word(cell)?;
            let mut met = self.slots(hash).map(|slot| self.table + slot * 8);
            let found = met.find(|&entry| entry + 4 == cell || memory.word(entry) == Some(0))?;
            if found + 4 != cell {
                return Some(false);
            }
        }
        Some(true)
    }

    fn rebuild(self, memory: &mut Writer<'_>) -> Option<()> {
        let entries = self.entries(memory.read())?;
        let entries: Vec<(u32, u32)> =
            entries.into_iter().map(|(cell, key)| Some((key, memory.read().word(cell)?))).collect::<Option<_>>()?;
        memory.fill(self.table, (self.mask + 1) * 8, 0)?;
        for (key, hash) in entries {
            let entry = self.slots(hash).map(|slot| self.table + slot * 8).find(|&entry| memory.read().word(entry) == Some(0))?;
            memory.set(entry, key)?;
            memory.set(entry + 4, hash)?;
        }
        memory.set(self.at + SET_FILL, self.used)?;
        // A frozen set's own hash is made when it is next asked for.
        memory.set(self.at + SET_HASH, u32::MAX)
    }
}

/// `_Py_hashtable_t`: chains of entries of next, hash, key, value.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub at: u32,
    entries: u32,
    buckets: u32,
    heads: u32,
}

impl Table {
    /// The table at `at`, if there may be one.
    pub fn at(memory: Memory<'_>, at: u32) -> Option<Self> {
        let (entries, buckets, heads) = (memory.word(at)?, memory.field(at, 4)?, memory.field(at, 8)?);
        let fits = entries > 0 && buckets >= 16 && buckets.is_power_of_two() && entries <= buckets && heads % 4 == 0;
        if !fits || heads < 1024 {
            return None;
        }
        memory.bytes(heads, buckets.checked_mul(4)?)?;
        Some(Table { at, entries, buckets, heads })
    }

    /// Where the hash of each entry is, and its key; nothing when the chains are no such table's.
    pub fn entries(self, memory: Memory<'_>) -> Option<Vec<(u32, u32)>> {
        let mut all = Vec::new();
        for bucket in 0..self.buckets {
            let mut entry = memory.word(self.heads + bucket * 4)?;
            while entry != 0 {
                let (hash, key) = (memory.field(entry, 4)?, memory.field(entry, 8)?);
                if hash & (self.buckets - 1) != bucket || entry % 4 != 0 || u32::try_from(all.len()).ok()? >= self.entries {
                    return None;
                }
                all.push((entry + 4, key));
                entry = memory.word(entry)?;
            }
        }
        (u32::try_from(all.len()) == Ok(self.entries)).then_some(all)
    }

    /// Puts the entries, whose hashes have changed, into their chains.
    fn rebuild(self, memory: &mut Writer<'_>) -> Option<()> {
        let mut all = Vec::new();
        for bucket in 0..self.buckets {
            let mut entry = memory.read().word(self.heads + bucket * 4)?;
            while entry != 0 && u32::try_from(all.len()).ok()? < self.entries {
                all.push(entry);
                entry = memory.read().word(entry)?;
            }
        }
        memory.fill(self.heads, self.buckets * 4, 0)?;
        for entry in all {
            let head = self.heads + (memory.read().field(entry, 4)? & (self.buckets - 1)) * 4;
            let next = memory.read().word(head)?;
            memory.set(entry, next)?;
            memory.set(head, entry)?;
        }
        Some(())
    }
}

//! Finds all that depends on the hash secret in the memory of a CPython that has started.
//!
//! What is found is believed only when it fits in every way: a hash must be the hash of its data, each entry of a table must lie where the
//! search for it comes by. So no list of what CPython keeps where is needed, and nothing is taken for what it is not.

use std::collections::HashMap;

use super::hash::{Algorithm, Key};
use super::heap::{DICT_KEYS, Memory, SIZE, TUPLE_HASH, Types};
use super::reseed::{Fixups, Keys, Set, Table, Value, tuple_hash};

/// Why an image cannot be given a new hash secret: to be put after its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(pub String);

/// What is known so far.
struct Found<'a> {
    memory: Memory<'a>,
    types: Types,
    fixups: Fixups,
    /// The value of each string, by its object.
    strings: HashMap<u32, u32>,
    /// The value of a string by its hash.
    hashes: HashMap<u32, u32>,
    tuples: HashMap<u32, u32>,
}

/// How a hash comes about.
enum Origin {
    /// It does not depend on the secret.
    Fixed,
    Value(u32),
}

/// All that depends on the secret at `secret_at`.
///
/// # Errors
/// What cannot be explained.
pub fn scan(memory: Memory<'_>, secret_at: u32) -> Result<Fixups, Unknown> {
    let secret = memory.bytes(secret_at, 24).and_then(|secret| secret.as_array()).copied();
    let secret = secret.ok_or_else(|| Unknown("has no hash secret".to_owned()))?;
    let types = Types::of(memory).ok_or_else(|| Unknown("has no types of a 32-bit CPython".to_owned()))?;
    // Whichever fits more strings: the other one fits none.
    let fitting = |algorithm: &Algorithm| {
        let key = Key::of(*algorithm, &secret);
        types.strings(memory).filter(|&at| memory.string(at).is_some_and(|data| data.is_hashed(memory, key))).count()
    };
    let algorithm = [Algorithm::Sip, Algorithm::Fnv].into_iter().max_by_key(fitting).unwrap_or_default();
    let (fixups, key) = (Fixups { algorithm, secret_at, ..Fixups::default() }, Key::of(algorithm, &secret));
    let mut found = Found { memory, types, fixups, strings: HashMap::new(), hashes: HashMap::new(), tuples: HashMap::new() };
    found.texts(key);
    found.tuples()?;
    found.keys()?;
    found.sets()?;
    found.tables(key)?;
    found.links()?;
    Ok(found.fixups)
}

impl Found<'_> {
    /// Strings and bytes that have been hashed.
    fn texts(&mut self, key: Key) {
        let memory = self.memory;
        let strings = self.types.strings(memory).filter_map(|at| Some((at, memory.string(at)?)));
        let bytes = self.types.byte_strings(memory).filter_map(|at| Some((at, memory.byte_string(at)?)));
        let all: Vec<_> = strings.chain(bytes).filter(|(_, data)| data.is_hashed(memory, key)).collect();
        for (at, data) in all {
            let value = self.fixups.value(Value::Text { at: data.start, len: data.len });
            self.fixups.cells.push((data.hash, value));
            self.strings.insert(at, value);
            self.hashes.insert(memory.word(data.hash).unwrap_or_default(), value);
        }
    }

    /// Tuples that keep a hash.
    fn tuples(&mut self) -> Result<(), Unknown> {
        if !self.types.tuples_keep {
            return Ok(());
        }
        let memory = self.memory;
        let all: Vec<u32> = self.types.tuples(memory).collect();
        for at in all {
            let Some(kept) = memory.field(at, TUPLE_HASH).filter(|&hash| hash != u32::MAX) else { continue };
            // What cannot be computed is looked at where it is used: most of it is no tuple.
            if let Some((hash, Some(value))) = self.tuple(at, 0)
                && hash == kept
            {
                self.fixups.cells.push((at + TUPLE_HASH, value));
            }
        }
        Ok(())
    }

    /// The hash of a tuple, and its value if it depends on the secret.
    fn tuple(&mut self, at: u32, depth: u32) -> Option<(u32, Option<u32>)> {
        if depth > 20 {
            return None;
        }
        let (mut hashes, mut values, mut depends) = (Vec::new(), Vec::new(), false);
        for item in self.memory.items(at)? {
            if hashes.len() > 10_000 {
                return None;
            }
            let (hash, value) = self.item(item, depth)?;
            depends |= value.is_some();
            hashes.push(hash);
            values.push(match value {
                Some(value) => value,
                None => self.fixups.value(Value::Fixed(hash)),
            });
        }
        let hash = tuple_hash(hashes.iter().copied());
        if !depends {
            return Some((hash, None));
        }
        let value = match self.tuples.get(&at) {
            Some(value) => *value,
            None => self.fixups.value(Value::Tuple(values)),
        };
        self.tuples.insert(at, value);
        Some((hash, Some(value)))
    }

    fn item(&mut self, at: u32, depth: u32) -> Option<(u32, Option<u32>)> {
        let memory = self.memory;
        if let Some(value) = self.strings.get(&at) {
            let Value::Text { .. } = self.fixups.values.get(usize::try_from(*value).ok()?)? else { return None };
            // Both kinds of text keep their hash at the same place.
            return Some((memory.field(at, 12)?, Some(*value)));
        }
        if self.types.is_tuple(memory, at) {
            return self.tuple(at, depth + 1);
        }
        match self.types.name(memory, at)? {
            "str" | "bytes" if memory.field(at, SIZE) == Some(0) => Some((0, None)),
            "NoneType" => Some((0xfca8_6420, None)),
            "int" | "bool" => Some((int_hash(memory, at)?, None)),
            "type" | "function" | "object" => Some((pointer_hash(at), None)),
            // What it is bound to, and the function in C.
            "builtin_function_or_method" => {
                let function = memory.field(memory.field(at, 8)?, 4)?;
                Some((pointer_hash(memory.field(at, 12)?) ^ pointer_hash(function), None))
            }
            _ => None,
        }
    }

    /// Where a hash that is kept for `key` comes from.
    fn origin(&mut self, key: u32, hash: u32) -> Result<Origin, Unknown> {
        let memory = self.memory;
        if let Some((own, value)) = self.item(key, 0)
            && own == hash
        {
            return Ok(value.map_or(Origin::Fixed, Origin::Value));
        }
        let referent = self.types.is_weak(memory, key).then(|| memory.field(key, 8)).flatten();
        if hash == pointer_hash(key) || referent.is_some_and(|referent| hash == pointer_hash(referent)) {
            return Ok(Origin::Fixed);
        }
        // A large one is believed.
        if self.types.is_int(memory, key) && int_hash(memory, key).is_none_or(|own| own == hash) {
            return Ok(Origin::Fixed);
        }
        // An object whose hash is that of a name which it has, such as a member of an enumeration.
        if let Some(value) = self.hashes.get(&hash) {
            return Ok(Origin::Value(*value));
        }
        Err(Unknown(format!("has a hash of a key that cannot be explained: {} at {key:#x}", self.described(key))))
    }

    /// What a key is, for people.
    fn described(&self, at: u32) -> String {
        let name = |at| self.types.name(self.memory, at).unwrap_or("something that is no object");
        match self.memory.items(at).filter(|_| self.types.is_tuple(self.memory, at)) {
            Some(items) => format!("a tuple of {}", items.take(8).map(name).collect::<Vec<_>>().join(", ")),
            None => name(at).to_owned(),
        }
    }

    fn cell(&mut self, at: u32, key: u32) -> Result<(), Unknown> {
        let hash = self.memory.word(at).unwrap_or_default();
        if let Origin::Value(value) = self.origin(key, hash)? {
            self.fixups.cells.push((at, value));
        }
        Ok(())
    }

    /// The tables of dictionaries.
    fn keys(&mut self) -> Result<(), Unknown> {
        let memory = self.memory;
        for keys in memory.places().filter_map(|at| Keys::at(memory, at)) {
            if keys.fits(memory) != Some(true) {
                continue;
            }
            let before = self.fixups.cells.len();
            let kept = keys.kept(memory).unwrap_or_default();
            let explained = kept.into_iter().try_for_each(|(cell, key)| self.cell(cell, key));
            match explained {
                Err(Unknown(why)) if self.is_used(keys.at) => {
                    return Err(Unknown(format!("{why}, in a dictionary at {:#x}", keys.at)));
                }
                // What a dictionary has left behind in freed memory: some of its keys are freed too.
                Err(_) => self.fixups.cells.truncate(before),
                Ok(()) => self.fixups.keys.push(keys.at),
            }
        }
        Ok(())
    }

    /// Whether an object that is alive has this table.
    fn is_used(&self, table: u32) -> bool {
        let memory = self.memory;
        let alive = |object: u32| memory.word(object).is_some_and(|references| references != 0);
        let mut users = memory.places().filter(|&at| memory.word(at) == Some(table));
        memory.word(table).is_some_and(|references| references != 0)
            && users.any(|at| at.checked_sub(DICT_KEYS).is_some_and(alive))
    }

    fn sets(&mut self) -> Result<(), Unknown> {
        let memory = self.memory;
        let all: Vec<u32> = self.types.sets(memory).collect();
        // One without references has been freed.
        let all = all.into_iter().filter(|&at| memory.word(at) != Some(0));
        for set in all.filter_map(|at| Set::at(memory, at)) {
            let Some(entries) = set.entries(memory).filter(|entries| !entries.is_empty()) else { continue };
            if set.fits(memory) != Some(true) {
                continue;
            }
            for (cell, key) in entries {
                self.cell(cell, key).map_err(|Unknown(why)| Unknown(format!("{why}, in a set at {:#x}", set.at)))?;
            }
            self.fixups.sets.push(set.at);
        }
        Ok(())
    }

    /// CPython's own hash tables, such as the one of its interned strings.
    fn tables(&mut self, key: Key) -> Result<(), Unknown> {
        let memory = self.memory;
        for table in memory.places().filter_map(|at| Table::at(memory, at)) {
            let Some(entries) = table.entries(memory) else { continue };
            let mut depends = false;
            for (cell, of) in &entries {
                let hash = memory.word(*cell).unwrap_or_default();
                let text = memory.text(*of).filter(|text| !text.is_empty() && key.hash(text) == hash);
                let value = match text {
                    _ if self.strings.contains_key(of) => self.strings.get(of).copied(),
                    Some(text) => {
                        let len = u32::try_from(text.len()).unwrap_or_default();
                        Some(self.fixups.value(Value::Text { at: *of, len }))
                    }
                    None => None,
                };
                if let Some(value) = value {
                    depends = true;
                    self.fixups.cells.push((*cell, value));
                } else if hash != pointer_hash(*of) && hash != 0 {
                    return Err(Unknown(format!("has a table with an entry that cannot be explained, at {:#x}", table.at)));
                }
            }
            if depends {
                self.fixups.tables.push(table.at);
            }
        }
        Ok(())
    }

    /// What bounded caches keep for each of their entries: links, hash, key, answer.
    fn links(&mut self) -> Result<(), Unknown> {
        let memory = self.memory;
        let all: Vec<u32> = self.types.links(memory).collect();
        // One that is in use is the next of the one before it.
        let next_of_last = |link: u32| memory.field(memory.field(link, 8)?, 12);
        let used = |link: u32| next_of_last(link) == Some(link) && memory.word(link) != Some(0);
        for link in all.into_iter().filter(|&link| used(link)) {
            let Some(key) = memory.field(link, 20) else { continue };
            self.cell(link + 16, key).map_err(|Unknown(why)| Unknown(format!("{why}, in a cache at {link:#x}")))?;
        }
        Ok(())
    }
}

/// The hash of an object that is only itself.
fn pointer_hash(at: u32) -> u32 {
    match at.rotate_right(4) {
        u32::MAX => u32::MAX - 1,
        hash => hash,
    }
}

/// The hash of a small `int`: below 2^30, the only ones that are looked at.
fn int_hash(memory: Memory<'_>, at: u32) -> Option<u32> {
    let (tag, digit) = (memory.field(at, 8)?, memory.field(at, 12)?);
    match (tag >> 3, tag & 3) {
        (0, _) | (_, 1) => Some(0),
        (1, 0) => Some(digit),
        (1, 2) if digit == 1 => Some(u32::MAX - 1),
        (1, 2) => Some(digit.wrapping_neg()),
        _ => None,
    }
}

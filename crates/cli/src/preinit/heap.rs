//! CPython's objects in the memory of a 32-bit guest: where their fields are, and which types there are.

use std::collections::{HashMap, HashSet};

use super::hash::Key;

/// `PyObject`: a reference count, then the type.
pub const TYPE: u32 = 4;
/// `PyVarObject`: the number of items.
pub const SIZE: u32 = 8;
/// `PyASCIIObject`.
const STR_HASH: u32 = 12;
const STR_STATE: u32 = 16;
const STR_ASCII: u32 = 20;
const STR_COMPACT: u32 = 28;
/// `PyBytesObject`.
const BYTES_HASH: u32 = 12;
const BYTES_DATA: u32 = 16;
/// `PyTupleObject`, with its hash.
pub const TUPLE_HASH: u32 = 12;
const TUPLE_ITEMS: u32 = 16;
/// `PyDictObject`.
pub const DICT_KEYS: u32 = 24;
/// `PyTypeObject`.
const TYPE_NAME: u32 = 12;
const TYPE_BASIC_SIZE: u32 = 16;
const TYPE_BASE: u32 = 128;

/// A guest's memory.
#[derive(Clone, Copy)]
pub struct Memory<'a>(pub &'a [u8]);

impl<'a> Memory<'a> {
    /// These bytes, if there are so many.
    pub fn bytes(self, at: u32, len: u32) -> Option<&'a [u8]> {
        let at = usize::try_from(at).ok()?;
        self.0.get(at..at.checked_add(usize::try_from(len).ok()?)?)
    }

    /// The number at `at`.
    pub fn word(self, at: u32) -> Option<u32> {
        Some(u32::from_le_bytes(*self.bytes(at, 4)?.as_array()?))
    }

    /// A field of what starts at `at`.
    pub fn field(self, at: u32, offset: u32) -> Option<u32> {
        self.word(at.checked_add(offset)?)
    }

    /// C's string at `at`, if it is a short one.
    pub fn text(self, at: u32) -> Option<&'a [u8]> {
        let start = self.0.get(usize::try_from(at).ok().filter(|&at| at > 0)?..)?;
        let len = start.iter().take(4096).position(|&byte| byte == 0)?;
        start.get(..len)
    }

    /// The addresses at which an object may stand.
    pub fn places(self) -> impl Iterator<Item = u32> + use<> {
        (4..u32::try_from(self.0.len()).unwrap_or(u32::MAX)).step_by(4)
    }

    /// Where the data of a string with a hash are; nothing for what is none.
    pub fn string(self, at: u32) -> Option<Data> {
        let (len, state) = (self.field(at, SIZE)?, self.field(at, STR_STATE)?);
        let (kind, compact, ascii) = (state >> 2 & 7, state & 0x20 != 0, state & 0x40 != 0);
        if ![1, 2, 4].contains(&kind) {
            return None;
        }
        let start = match (compact, ascii) {
            (true, true) => at.checked_add(STR_ASCII)?,
            (true, false) => at.checked_add(STR_COMPACT)?,
            (false, _) => self.field(at, STR_COMPACT)?,
        };
        Some(Data { hash: at + STR_HASH, start, len: len.checked_mul(kind)? })
    }

    /// The same for a bytes object.
    pub fn byte_string(self, at: u32) -> Option<Data> {
        Some(Data { hash: at.checked_add(BYTES_HASH)?, start: at.checked_add(BYTES_DATA)?, len: self.field(at, SIZE)? })
    }

    /// The items of a tuple.
    pub fn items(self, at: u32) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let len = self.field(at, SIZE)?;
        let items = self.bytes(at.checked_add(TUPLE_ITEMS)?, len.checked_mul(4)?)?;
        Some(items.as_chunks::<4>().0.iter().map(|item| u32::from_le_bytes(*item)))
    }
}

/// What is hashed, and where its hash is kept.
pub struct Data {
    pub hash: u32,
    pub start: u32,
    pub len: u32,
}

impl Data {
    /// Whether the kept hash is the one of the data. One that is not has none, or is no object at all.
    pub fn is_hashed(&self, memory: Memory<'_>, key: Key) -> bool {
        let kept = memory.word(self.hash).filter(|&hash| hash != u32::MAX);
        self.len > 0 && kept.is_some() && kept == memory.bytes(self.start, self.len).map(|data| key.hash(data))
    }
}

/// The types that matter here.
pub struct Types {
    bases: HashMap<u32, (u32, String)>,
    strings: HashSet<u32>,
    byte_strings: HashSet<u32>,
    sets: HashSet<u32>,
    tuple: u32,
    ints: HashSet<u32>,
    links: HashSet<u32>,
    weak: HashSet<u32>,
    /// Whether a tuple keeps its hash.
    pub tuples_keep: bool,
}

impl Types {
    /// All types in this memory.
    pub fn of(memory: Memory<'_>) -> Option<Self> {
        let named = |at: u32| memory.text(memory.field(at, TYPE_NAME)?);
        let meta = memory.places().find(|&at| memory.field(at, TYPE) == Some(at) && named(at) == Some(b"type"))?;
        let (mut metas, mut bases) = (HashSet::from([meta]), HashMap::new());
        // A metaclass may stand behind its first class.
        loop {
            for at in memory.places().filter(|&at| memory.field(at, TYPE).is_some_and(|ty| metas.contains(&ty))) {
                if let (Some(base), Some(name)) = (memory.field(at, TYPE_BASE), named(at))
                    && name.iter().all(|byte| (b' '..0x7f).contains(byte))
                    && !name.is_empty()
                {
                    bases.insert(at, (base, String::from_utf8_lossy(name).into_owned()));
                }
            }
            let found = below(&bases, meta);
            if found.len() <= metas.len() {
                break;
            }
            metas = found;
        }
        let builtin = |name: &str| {
            let mut found = bases.iter().filter(|(at, (_, own))| own == name && memory.field(**at, TYPE) == Some(meta));
            found.next().map(|(at, _)| *at)
        };
        let all = |names: &[&str]| -> Option<HashSet<u32>> {
            Some(
                names
                    .iter()
                    .map(|name| builtin(name))
                    .collect::<Option<Vec<_>>>()?
                    .iter()
                    .flat_map(|&top| below(&bases, top))
                    .collect(),
            )
        };
        let tuple = builtin("tuple")?;
        Some(Types {
            strings: all(&["str"])?,
            byte_strings: all(&["bytes"])?,
            sets: all(&["set", "frozenset"])?,
            weak: all(&["weakref.ReferenceType"])?,
            tuple,
            ints: all(&["int"])?,
            links: builtin("functools._lru_list_elem").into_iter().collect(),
            tuples_keep: memory.field(tuple, TYPE_BASIC_SIZE)? == TUPLE_ITEMS,
            bases,
        })
    }

    /// The objects of the types in `types`, or what looks like them.
    fn objects(memory: Memory<'_>, types: &HashSet<u32>) -> impl Iterator<Item = u32> {
        memory.places().filter(move |&at| memory.field(at, TYPE).is_some_and(|ty| types.contains(&ty)))
    }

    pub fn strings(&self, memory: Memory<'_>) -> impl Iterator<Item = u32> {
        Types::objects(memory, &self.strings)
    }

    pub fn byte_strings(&self, memory: Memory<'_>) -> impl Iterator<Item = u32> {
        Types::objects(memory, &self.byte_strings)
    }

    pub fn sets(&self, memory: Memory<'_>) -> impl Iterator<Item = u32> {
        Types::objects(memory, &self.sets)
    }

    /// The links of bounded `lru_cache`s.
    pub fn links(&self, memory: Memory<'_>) -> impl Iterator<Item = u32> {
        Types::objects(memory, &self.links)
    }

    pub fn tuples(&self, memory: Memory<'_>) -> impl Iterator<Item = u32> {
        let tuple = self.tuple;
        memory.places().filter(move |&at| memory.field(at, TYPE) == Some(tuple))
    }

    pub fn is_tuple(&self, memory: Memory<'_>, at: u32) -> bool {
        memory.field(at, TYPE) == Some(self.tuple)
    }

    /// Whether it is an `int`, or of a class that is one.
    pub fn is_int(&self, memory: Memory<'_>, at: u32) -> bool {
        memory.field(at, TYPE).is_some_and(|ty| self.ints.contains(&ty))
    }

    pub fn is_weak(&self, memory: Memory<'_>, at: u32) -> bool {
        memory.field(at, TYPE).is_some_and(|ty| self.weak.contains(&ty))
    }

    /// The name of the object's type.
    pub fn name(&self, memory: Memory<'_>, at: u32) -> Option<&str> {
        Some(&self.bases.get(&memory.field(at, TYPE)?)?.1)
    }
}

/// The types at and below `top`.
fn below(bases: &HashMap<u32, (u32, String)>, top: u32) -> HashSet<u32> {
    let leads = |&at: &u32| {
        let chain = std::iter::successors(Some(at), |at| bases.get(at).map(|(base, _)| *base));
        chain.take(64).any(|at| at == top)
    };
    bases.keys().copied().filter(leads).chain([top]).collect()
}

//! The tree, built once from the central directory and immutable from then on: compact arrays and one hash table.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::atomic::AtomicU8;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::error::{Member, ZipError};
use super::format::{self, Central, LOCAL_LEN, Record};
use super::source::ZipSource;
use crate::{FileKind, Limits, NAME_MAX, PATH_MAX, Timestamp};

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
/// One byte of deflated data gives at most so many: each match of 258 bytes takes at least two bits.
const DEFLATE_RATIO: u64 = 1032;
/// 1980-01-01, the format's first moment: the time of directories that no member describes.
const FIRST_MOMENT: Timestamp = Timestamp { sec: 315_532_800, nsec: 0 };
const ROOT: u32 = 0;

/// A file, directory or link.
#[derive(Debug)]
pub(super) struct Node {
    pub parent: u32,
    name_at: u32,
    name_len: u8,
    pub kind: FileKind,
    pub mode: u16,
    pub mtime: Timestamp,
    /// Its place in `dirs` or in `members`.
    detail: u32,
}

/// What a file or link has in the archive.
#[derive(Debug)]
pub(super) struct Data {
    pub header: u64,
    /// Where the next thing in the archive starts.
    pub limit: u64,
    pub packed: u64,
    pub size: u64,
    pub crc: u32,
    pub method: u16,
    /// One of the states in `read`.
    pub state: AtomicU8,
}

/// Where a directory's children stand in `children`.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Dir {
    first: u32,
    count: u32,
    pub subdirs: u32,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    nodes: Vec<Node>,
    data: Vec<Data>,
    dirs: Vec<Dir>,
    /// The children of each directory in a row, sorted by name.
    children: Vec<u32>,
    /// Every name once.
    names: Vec<u8>,
    /// Every node but the root, by its directory and name.
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Index {
    /// Reads the central directory; nothing else of the archive is looked at.
    ///
    /// # Errors
    /// Everything in [`ZipError`].
    pub fn read(source: &dyn ZipSource, archive: &str, limits: &Limits) -> Result<Index, ZipError> {
        let directory = format::find_directory(source, archive)?;
        let too_many = || ZipError::TooManyMembers { archive: archive.into(), limit: limits.zip_members };
        if usize::try_from(directory.count()).is_ok_and(|n| n > limits.zip_members) {
            return Err(too_many());
        }
        let mut builder = Builder::new(archive, limits, directory.shift, directory.start);
        let mut central = Central::new(source, archive, &directory);
        let mut count = 0u64;
        while let Some(record) = central.next()? {
            builder.add(&record)?;
            count += 1;
            if usize::try_from(count).is_ok_and(|n| n > limits.zip_members) {
                return Err(too_many());
            }
        }
        if !directory.counts(count) {
            let why = "it holds another number of members than the end record says";
            return Err(ZipError::Directory { archive: archive.into(), why });
        }
        builder.finish()
    }

    pub fn node(&self, node: u32) -> Option<&Node> {
        self.nodes.get(node as usize)
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// A file's or link's data.
    pub fn data(&self, node: u32) -> Option<&Data> {
        let node = self.node(node)?;
        if node.kind == FileKind::Directory { None } else { self.data.get(node.detail as usize) }
    }

    pub fn dir(&self, node: u32) -> Option<&Dir> {
        let node = self.node(node)?;
        if node.kind == FileKind::Directory { self.dirs.get(node.detail as usize) } else { None }
    }

    pub fn children(&self, dir: &Dir) -> &[u32] {
        let first = dir.first as usize;
        self.children.get(first..first.saturating_add(dir.count as usize)).unwrap_or_default()
    }

    pub fn name(&self, node: &Node) -> &[u8] {
        let at = node.name_at as usize;
        self.names.get(at..at.saturating_add(node.name_len.into())).unwrap_or_default()
    }

    pub fn find(&self, dir: u32, name: &[u8]) -> Option<u32> {
        let same = |&node: &u32| self.node(node).is_some_and(|n| n.parent == dir && self.name(n) == name);
        self.table.find(self.hash(dir, name), same).copied()
    }

    /// The path in the archive, for messages.
    pub fn path(&self, mut node: u32) -> Vec<u8> {
        let mut names = Vec::new();
        while let Some(at) = self.node(node).filter(|_| node != ROOT) {
            names.push(self.name(at));
            node = at.parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    fn hash(&self, dir: u32, name: &[u8]) -> u64 {
        self.hasher.hash_one((dir, name))
    }
}

/// What a member's name and attributes make of it.
struct Shape {
    kind: FileKind,
    mode: u16,
}

struct Builder<'a> {
    archive: &'a str,
    shift: u64,
    /// Where the central directory starts: nothing else may reach over it.
    end: u64,
    nodes_max: usize,
    path_max: usize,
    index: Index,
    /// Which bytes of the archive each member takes, directories' members included.
    extents: Vec<(Range<u64>, u32)>,
    /// The directory of the member before, as it was spelled: members of one directory mostly stand together.
    last: (Vec<u8>, u32),
}

impl<'a> Builder<'a> {
    fn new(archive: &'a str, limits: &Limits, shift: u64, end: u64) -> Self {
        let mut builder = Builder {
            archive,
            shift,
            end,
            nodes_max: limits.zip_members.min(u32::MAX as usize - 1),
            path_max: limits.path.min(PATH_MAX),
            index: Index::default(),
            extents: Vec::new(),
            last: (Vec::new(), ROOT),
        };
        builder.index.dirs.push(Dir::default());
        let (kind, mtime) = (FileKind::Directory, FIRST_MOMENT);
        builder.index.nodes.push(Node { parent: ROOT, name_at: 0, name_len: 0, kind, mode: 0o755, mtime, detail: 0 });
        builder
    }

    fn add(&mut self, record: &Record<'_>) -> Result<(), ZipError> {
        self.check_name(record.name)?;
        let shape = self.shape(record)?;
        let extent = self.check_data(record, shape.kind)?;
        let name = trim_end(record.name);
        let (dir, last) = name.iter().rposition(|&b| b == b'/').map_or((&b""[..], name), |at| name.split_at(at + 1));
        let dir = self.directory(dir, record.name)?;
        let node = if last.is_empty() { ROOT } else { self.member(dir, last, &shape, record)? };
        self.extents.push((extent, node));
        let mtime = record.mtime;
        if shape.kind == FileKind::Directory
            && let Some(node) = self.index.nodes.get_mut(node as usize)
        {
            (node.mode, node.mtime) = (shape.mode, mtime);
        }
        Ok(())
    }

    fn shape(&self, record: &Record<'_>) -> Result<Shape, ZipError> {
        const UNIX: u8 = 3;
        const MACOS: u8 = 19;
        let by_name = record.name.ends_with(b"/") || record.name.ends_with(b"/.") || record.name == b".";
        let unix = match record.host {
            UNIX | MACOS => record.attributes >> 16,
            _ => 0,
        };
        let kind = match unix & 0o170_000 {
            _ if by_name => FileKind::Directory,
            0 | 0o100_000 => FileKind::File,
            0o040_000 => FileKind::Directory,
            0o120_000 => FileKind::Symlink,
            _ => return Err(ZipError::Special { archive: self.archive.into(), member: Member::new(record.name) }),
        };
        let mode = match (kind, unix) {
            (FileKind::Symlink, _) => 0o777,
            (FileKind::Directory, 0) => 0o755,
            (_, 0) => 0o644,
            _ => u16::try_from(unix & 0o7777).unwrap_or(0),
        };
        Ok(Shape { kind, mode })
    }

    /// Refuses names that lead out of the archive or that no file can have. Doubled slashes and `.` are harmless.
    fn check_name(&self, name: &[u8]) -> Result<(), ZipError> {
        let member = || Member::new(name);
        let bad = |why| Err(ZipError::Name { archive: self.archive.into(), member: member(), why });
        let drive = matches!(name, [b'a'..=b'z' | b'A'..=b'Z', b':', b'/' | b'\\', ..]);
        // Windows takes a backslash for a separator: what climbs there is refused everywhere, so that a tree means one thing.
        if drive || matches!(name, [b'/' | b'\\', ..]) || name.split(|&b| b == b'/' || b == b'\\').any(|part| part == b"..") {
            return Err(ZipError::Climbs { archive: self.archive.into(), member: member() });
        }
        if name.is_empty() {
            return bad("the name is empty");
        }
        if name.contains(&0) {
            return bad("there is a NUL in the name");
        }
        if name.len() >= self.path_max {
            return bad("the name is longer than a path can be");
        }
        if name.split(|&b| b == b'/').any(|part| part.len() > NAME_MAX) {
            return bad("a part of the name is longer than 255 bytes");
        }
        Ok(())
    }

    /// Refuses what cannot be read and sizes that cannot be true. Answers the bytes that the member takes in the archive at least.
    fn check_data(&self, record: &Record<'_>, kind: FileKind) -> Result<Range<u64>, ZipError> {
        const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
        let (archive, member) = (|| self.archive.to_owned(), || Member::new(record.name));
        let sizes = |why| Err(ZipError::Sizes { archive: archive(), member: member(), why });
        if record.flags & ENCRYPTED != 0 {
            return Err(ZipError::Encrypted { archive: archive(), member: member() });
        }
        match record.method {
            STORED if record.size != record.packed => return sizes("stored, yet its two sizes differ"),
            DEFLATED if record.size > record.packed.saturating_mul(DEFLATE_RATIO) => {
                return sizes("the data is too short to inflate to the size that it claims");
            }
            STORED | DEFLATED => {}
            method => return Err(ZipError::Method { archive: archive(), member: member(), method }),
        }
        if kind == FileKind::Directory && record.size != 0 {
            return sizes("a directory that holds data");
        }
        if kind == FileKind::Symlink && record.size >= PATH_MAX as u64 {
            return sizes("the target of the symbolic link is longer than a path can be");
        }
        let start = record.header.checked_add(self.shift);
        let end = start.and_then(|start| start.checked_add(LOCAL_LEN)?.checked_add(record.packed));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.end && i64::try_from(record.size).is_ok() => Ok(start..end),
            _ => sizes("it does not lie inside the archive"),
        }
    }

    /// The directory spelled `path`, with its slash at the end, made with all above it where it is missing.
    fn directory(&mut self, path: &[u8], member: &[u8]) -> Result<u32, ZipError> {
        if self.last.0 == path {
            return Ok(self.last.1);
        }
        let mut dir = ROOT;
        for name in path.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".") {
            dir = match self.index.find(dir, name) {
                Some(node) if self.index.dir(node).is_some() => node,
                Some(_) => return Err(ZipError::FileAsDirectory { archive: self.archive.into(), member: Member::new(member) }),
                None => self.make(dir, name, &Shape { kind: FileKind::Directory, mode: 0o755 }, FIRST_MOMENT)?,
            };
        }
        self.last.0.clear();
        self.last.0.extend_from_slice(path);
        self.last.1 = dir;
        Ok(dir)
    }

    /// The node for a member. A directory may be there already; nothing else may.
    fn member(&mut self, dir: u32, name: &[u8], shape: &Shape, record: &Record<'_>) -> Result<u32, ZipError> {
        if let Some(node) = self.index.find(dir, name) {
            let (archive, member) = (self.archive.into(), Member::new(record.name));
            return match (self.index.dir(node).is_some(), shape.kind == FileKind::Directory) {
                (true, true) => Ok(node),
                (false, false) => Err(ZipError::Duplicate { archive, member }),
                _ => Err(ZipError::FileAsDirectory { archive, member }),
            };
        }
        let node = self.make(dir, name, shape, record.mtime)?;
        if shape.kind != FileKind::Directory {
            self.index.data.push(Data {
                header: record.header.saturating_add(self.shift),
                limit: 0,
                packed: record.packed,
                size: record.size,
                crc: record.crc,
                method: record.method,
                state: AtomicU8::new(0),
            });
        }
        Ok(node)
    }

    fn make(&mut self, parent: u32, name: &[u8], shape: &Shape, mtime: Timestamp) -> Result<u32, ZipError> {
        let too_many = || ZipError::TooManyMembers { archive: self.archive.into(), limit: self.nodes_max };
        if self.index.nodes.len() > self.nodes_max {
            return Err(too_many());
        }
        let number = |n: usize| u32::try_from(n).map_err(|_| too_many());
        let index = &mut self.index;
        let (node, name_at) = (number(index.nodes.len())?, number(index.names.len())?);
        let detail = match shape.kind {
            FileKind::Directory => {
                index.dirs.push(Dir::default());
                number(index.dirs.len() - 1)?
            }
            _ => number(index.data.len())?,
        };
        let name_len = u8::try_from(name.len()).unwrap_or(u8::MAX);
        index.names.extend_from_slice(name);
        index.nodes.push(Node { parent, name_at, name_len, kind: shape.kind, mode: shape.mode, mtime, detail });
        let hash = index.hash(parent, name);
        let Index { table, nodes, names, hasher, .. } = index;
        table.insert_unique(hash, node, |&node| {
            nodes.get(node as usize).map_or(0, |n| {
                let at = n.name_at as usize;
                hasher.hash_one((n.parent, names.get(at..at + usize::from(n.name_len)).unwrap_or_default()))
            })
        });
        Ok(node)
    }

    fn finish(mut self) -> Result<Index, ZipError> {
        self.bound_extents()?;
        let mut index = self.index;
        index.children = list_children(&index);
        let mut first = 0;
        let mut counts = vec![(0u32, 0u32); index.dirs.len()];
        for node in index.nodes.iter().skip(1) {
            let parent = index.nodes.get(node.parent as usize).map_or(0, |dir| dir.detail as usize);
            if let Some((count, subdirs)) = counts.get_mut(parent) {
                *count += 1;
                *subdirs += u32::from(node.kind == FileKind::Directory);
            }
        }
        // `children` is sorted by the directories' node numbers, and `dirs` was filled in their order.
        for (dir, (count, subdirs)) in index.dirs.iter_mut().zip(counts) {
            *dir = Dir { first, count, subdirs };
            first += count;
        }
        index.nodes.shrink_to_fit();
        index.data.shrink_to_fit();
        index.names.shrink_to_fit();
        Ok(index)
    }

    /// Refuses members that share bytes, and tells each where the next thing starts.
    fn bound_extents(&mut self) -> Result<(), ZipError> {
        self.extents.sort_unstable_by_key(|(range, node)| (range.start, *node));
        let mut limit = self.end;
        for (range, node) in self.extents.iter().rev() {
            if range.end > limit {
                let member = Member::new(&self.index.path(*node));
                return Err(ZipError::Overlap { archive: self.archive.into(), member });
            }
            let data = self.index.nodes.get(*node as usize).filter(|n| n.kind != FileKind::Directory).map(|n| n.detail as usize);
            if let Some(data) = data.and_then(|at| self.index.data.get_mut(at)) {
                data.limit = limit;
            }
            limit = range.start;
        }
        Ok(())
    }
}

/// Every node but the root, sorted by directory and then by name.
fn list_children(index: &Index) -> Vec<u32> {
    let mut children: Vec<u32> = (1..u32::try_from(index.nodes.len()).unwrap_or(u32::MAX)).collect();
    let key = |&node: &u32| index.node(node).map(|n| (n.parent, index.name(n)));
    children.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
    children
}

/// The name without slashes and `.` parts at its end.
fn trim_end(mut name: &[u8]) -> &[u8] {
    loop {
        name = match name {
            [rest @ .., b'/'] => rest,
            [rest @ .., b'/', b'.'] => rest,
            [b'.'] => &[],
            _ => return name,
        };
    }
}

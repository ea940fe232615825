//! Tables of cases for a list of guest functions: what each answers, as its line in the trace; which errors its documentation names;
//! and arguments that no compiler makes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use stratafs::Errno;
use stratafs_abi::{Function, Shape, ValType};

/// Where a [`Tracer`](stratafs_abi::Tracer) writes its lines to, for a look at them. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// The lines since the last time, without how long the calls took.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let without_time = |line: &str| line.rsplit_once(" <").map_or(line, |(line, _)| line).to_owned();
        String::from_utf8_lossy(&bytes).lines().map(without_time).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What resolving a path can give, where a documentation says no more than that.
const RESOLVING: [&str; 4] = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"];

#[derive(Default)]
struct Section {
    errors: BTreeSet<&'static str>,
    /// Functions whose errors are these as well.
    others: Vec<String>,
}

impl Section {
    /// Reads a paragraph of documentation.
    fn read(text: &str, above: Option<&String>) -> Section {
        let mut section = Section::default();
        for quoted in text.split('`').skip(1).step_by(2) {
            match Errno::ALL.iter().find(|errno| errno.name() == quoted) {
                Some(errno) => {
                    section.errors.insert(errno.name());
                }
                None => section.others.push(quoted.rsplit("::").next().unwrap_or(quoted).to_owned()),
            }
        }
        if text.contains("resolving") {
            section.errors.extend(RESOLVING);
        }
        if text.contains("As there") {
            section.others.extend(above.cloned());
        }
        section
    }
}

/// The errors that the `# Errors` of each public function below `dirs` name, by the function's name. Where a section points to another
/// function's, that one's are taken over.
///
/// # Errors
/// What reading the sources gives.
pub fn documented(dirs: &[&Path]) -> io::Result<BTreeMap<String, BTreeSet<&'static str>>> {
    let mut sections = BTreeMap::new();
    for dir in dirs {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ext| ext == "rs") {
                sections_of(&std::fs::read_to_string(path)?, &mut sections);
            }
        }
    }
    let mut all = BTreeMap::new();
    for name in sections.keys() {
        let (mut errors, mut seen, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![name]);
        while let Some(name) = todo.pop() {
            if let Some(section) = sections.get(name).filter(|_| seen.insert(name)) {
                errors.extend(&section.errors);
                todo.extend(&section.others);
            }
        }
        all.insert(name.clone(), errors);
    }
    Ok(all)
}

fn sections_of(source: &str, sections: &mut BTreeMap<String, Section>) {
    let mut doc: Vec<&str> = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim());
        } else if let Some(rest) = line.strip_prefix("pub fn ") {
            let name = rest.split(['(', '<']).next().unwrap_or(rest);
            let errors = doc.iter().position(|line| *line == "# Errors").map_or(doc.len(), |at| at + 1);
            // The first line names the function that this one is a form of.
            let above = doc.first().and_then(|first| first.split('`').nth(1)).map(str::to_owned);
            let section = Section::read(&doc[errors..].join(" "), above.as_ref());
            // Two functions of one name are two forms of one.
            let known: &mut Section = sections.entry(name.to_owned()).or_default();
            known.errors.extend(section.errors);
            known.others.extend(section.others);
            doc.clear();
        } else if !line.starts_with("#[") {
            doc.clear();
        }
    }
}

/// One way to make arguments worse, with what lies in the memory for it.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// Which argument, and how.
    pub what: String,
    /// What is expected of it.
    pub expect: Expect,
    /// The arguments.
    pub args: Vec<u64>,
    /// Bytes to put into the memory, by their address.
    pub patch: Vec<(u64, Vec<u8>)>,
}

/// What a [`Mutation`] may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The answer that the good arguments have.
    Same,
    /// `EFAULT`, and nothing changed.
    Fault,
    /// Any answer; with an error, nothing changed.
    Anything,
}

/// Bytes that a pointer's target has at most, where the function alone knows how many.
const UNKNOWN: u64 = 128;

/// So many bytes at `scratch` are this module's to write on.
pub const SCRATCH: u64 = 80 << 10;

/// Ways to make `args`, which are good for `f`, worse: each pointer outside, unaligned, on another one, at the end of the memory; each
/// length and each number at its edges; texts that are too long, no UTF-8, or have a NUL. `scratch` is an address with [`SCRATCH`] bytes
/// behind it that nothing else uses.
#[must_use]
pub fn mutations(f: &Function, args: &[u64], memory: &[u8], scratch: u64) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (index, param) in f.params.iter().enumerate() {
        let one = Argument { f, args, memory, scratch, index };
        if param.shape.is_pointer() {
            one.pointer(&mut all);
            one.text(&mut all);
        } else {
            one.number(&mut all);
        }
    }
    all
}

struct Argument<'a> {
    f: &'a Function,
    args: &'a [u64],
    memory: &'a [u8],
    scratch: u64,
    index: usize,
}

impl Argument<'_> {
    fn add(&self, all: &mut Vec<Mutation>, how: &str, expect: Expect, value: u64, bytes: Option<Vec<u8>>) {
        let mut args = self.args.to_vec();
        args[self.index] = value;
        let patch = bytes.map(|bytes| (value, bytes)).into_iter().collect();
        all.push(Mutation { what: format!("{} {how}", self.f.about.params[self.index]), expect, args, patch });
    }

    /// Bytes behind the pointer; none where the function alone knows.
    fn size(&self) -> Option<u64> {
        let next = self.args.get(self.index + 1).copied().unwrap_or(0);
        let at = usize::try_from(self.args[self.index]).ok()?;
        match self.f.params[self.index].shape {
            Shape::Text | Shape::Buffer => Some(next),
            Shape::Array(size) => Some(next * u64::from(size)),
            Shape::Out(size) => Some(size.into()),
            Shape::CStr => self.memory.get(at..)?.iter().position(|&b| b == 0).map(|len| len as u64 + 1),
            Shape::Number | Shape::Fd | Shape::Size | Shape::Pointer => None,
        }
    }

    fn behind(&self, size: u64) -> Vec<u8> {
        let at = usize::try_from(self.args[self.index]).unwrap_or(0);
        let end = at.saturating_add(usize::try_from(size).unwrap_or(0)).min(self.memory.len());
        self.memory.get(at..end).unwrap_or_default().to_vec()
    }

    fn pointer(&self, all: &mut Vec<Mutation>) {
        let (end, size) = (self.memory.len() as u64, self.size());
        let bytes = |size: Option<u64>| Some(self.behind(size.unwrap_or(UNKNOWN)));
        for shift in 1..4 {
            self.add(all, &format!("unaligned by {shift}"), Expect::Same, self.scratch + shift, bytes(size));
        }
        for other in (0..self.args.len()).filter(|&other| other != self.index && self.f.params[other].shape.is_pointer()) {
            let name = self.f.about.params[other];
            self.add(all, &format!("on {name}"), Expect::Anything, self.args[other], None);
            self.add(all, &format!("one byte into {name}"), Expect::Anything, self.args[other] + 1, None);
        }
        match size {
            Some(size @ 1..) => {
                self.add(all, "at the end of the memory", Expect::Same, end - size, bytes(Some(size)));
                let cut = self.behind(size - 1);
                // Of a buffer, the call may use less.
                let whole = self.f.params[self.index].shape != Shape::Buffer;
                let expect = if whole { Expect::Fault } else { Expect::Anything };
                self.add(all, "one byte too near to the end", expect, end - size + 1, Some(cut));
                self.add(all, "behind the memory", Expect::Fault, end, None);
            }
            _ => self.add(all, "at the last byte", Expect::Anything, end - 1, None),
        }
        for far in [u32::MAX - 3, u32::MAX] {
            let expect = if size == Some(0) { Expect::Anything } else { Expect::Fault };
            self.add(all, &format!("at {far:#x}"), expect, far.into(), None);
        }
    }

    fn text(&self, all: &mut Vec<Mutation>) {
        let shape = self.f.params[self.index].shape;
        if !matches!(shape, Shape::Text | Shape::CStr) {
            return;
        }
        for (how, text) in [
            ("of 64 KiB", vec![b'x'; 65_536]),
            ("of 64 KiB of slashes", vec![b'/'; 65_536]),
            ("of 4,095 bytes", b"./".iter().copied().cycle().take(4095).collect()),
            ("of 256 bytes", vec![b'n'; 256]),
            ("without UTF-8", b"\xff\xfe".to_vec()),
            ("with a NUL", b"dir\0file".to_vec()),
        ] {
            let len = text.len() as u64;
            let ended = if shape == Shape::CStr { [&text[..], b"\0"].concat() } else { text };
            self.add(all, how, Expect::Anything, self.scratch, Some(ended));
            if let (Shape::Text, Some(mutation)) = (shape, all.last_mut()) {
                mutation.args[self.index + 1] = len;
            }
        }
    }

    fn number(&self, all: &mut Vec<Mutation>) {
        let edges: &[u64] = match self.f.params[self.index].ty {
            ValType::I32 => &[0, 1, 2, 1025, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff],
            ValType::I64 => &[0, 1, 1 << 31, (1 << 63) - 2, (1 << 63) - 1, 1 << 63, u64::MAX],
            // Zero, less than it, one, without end, no number: by their bits.
            ValType::F64 => &[0, 1 << 63, 0x3ff0 << 48, 0x7ff0 << 48, 0x7ff8 << 48],
        };
        for &edge in edges {
            self.add(all, &format!("of {edge:#x}"), Expect::Anything, edge, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_with_those_that_they_point_to() {
        let source = "
/// Does it.
///
/// # Errors
/// `EBADF`; those of [`Process::other`](stratafs::Process::other).
#[inline]
pub fn one(x: u32) {}

/// Other.
///
/// # Errors
/// What resolving gives; `EROFS`.
pub fn other<T>() {}

/// [`one`] again.
///
/// # Errors
/// As there.
pub fn again() {}
";
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.rs"), source).unwrap();
        let all = documented(&[dir.path()]).unwrap();
        let other: BTreeSet<_> = RESOLVING.into_iter().chain(["EROFS"]).collect();
        let one: BTreeSet<_> = other.iter().copied().chain(["EBADF"]).collect();
        assert_eq!((&all["one"], &all["other"], &all["again"]), (&one, &other, &one));
    }
}

//! Parameters of the syscalls.

use std::borrow::Cow;
use std::fmt::Write;

use stratafs::{DirFd, Errno, Fd, Process, Result};
use stratafs_abi::{GuestMemory, Out, Ptr, Record, Shape, Size, Slot, View};

/// A directory that a path starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dir(pub(crate) DirFd);

const AT_FDCWD: i32 = -100;

impl Slot for Dir {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Fd;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Dir(if raw.cast_signed() == AT_FDCWD { DirFd::Cwd } else { DirFd::At(Fd::new(raw)) }))
    }

    fn show(self, _: View<'_>, out: &mut String) {
        let _ = match self.0 {
            DirFd::Cwd => write!(out, "AT_FDCWD"),
            DirFd::At(fd) | DirFd::Beneath(fd) => write!(out, "{}", fd.raw().cast_signed()),
        };
    }
}

/// A pointer to a path, or another text, that ends with a NUL.
#[derive(Debug, Clone, Copy)]
pub struct Path(Ptr);

impl Path {
    pub(crate) fn is_null(self) -> bool {
        self.0.raw() == 0
    }

    /// The text without its NUL.
    ///
    /// # Errors
    /// `EFAULT`, also for a null pointer; `ENAMETOOLONG` when there is no NUL in the first `max` bytes.
    #[inline]
    pub fn read<'m>(self, memory: &'m GuestMemory<'_>, max: usize) -> Result<Cow<'m, [u8]>> {
        let left = memory.size().saturating_sub(self.0.raw() as usize);
        if self.is_null() || left == 0 {
            return Err(Errno::EFAULT);
        }
        let mut bytes = memory.bytes(self.0, Size::of(left.min(max))?)?;
        let end = bytes.iter().position(|&b| b == 0);
        let end = end.ok_or(if left < max { Errno::EFAULT } else { Errno::ENAMETOOLONG })?;
        match &mut bytes {
            Cow::Borrowed(bytes) => *bytes = bytes.get(..end).unwrap_or_default(),
            Cow::Owned(bytes) => bytes.truncate(end),
        }
        Ok(bytes)
    }

    /// The path, as long as the process lets it be.
    ///
    /// # Errors
    /// As [`read`](Path::read).
    #[inline]
    pub(crate) fn of<'m>(self, memory: &'m GuestMemory<'_>, process: &Process) -> Result<Cow<'m, [u8]>> {
        self.read(memory, process.limits().path)
    }
}

impl Slot for Path {
    type Wasm = u32;
    const SHAPE: Shape = Shape::CStr;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Path(Ptr::new(raw)))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        let _ = match self.read(view.memory, stratafs::PATH_MAX) {
            Ok(path) => write!(out, "\"{}\"", path.escape_ascii()),
            Err(_) if self.is_null() => write!(out, "NULL"),
            Err(_) => write!(out, "{:#x}", self.0.raw()),
        };
    }
}

/// A pointer to the packed arguments of a variadic call; null when there are none.
#[derive(Debug, Clone, Copy)]
pub struct Varargs(Ptr);

impl Varargs {
    /// The first argument, or 0 when there is none.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn first(self, memory: &GuestMemory<'_>) -> Result<u32> {
        if self.0.raw() == 0 { Ok(0) } else { memory.read_u32(self.0) }
    }
}

impl Slot for Varargs {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Pointer;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Varargs(Ptr::new(raw)))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        let _ = match self.first(view.memory) {
            Ok(first) => write!(out, "{first:#o}"),
            Err(_) => write!(out, "{:#x}", self.0.raw()),
        };
    }
}

/// Appends the names of the bits that are set, and what is left as a number.
pub(crate) fn show_bits(mut bits: u32, names: &[(u32, &str)], out: &mut String) {
    let start = out.len();
    let bar = |out: &mut String| {
        if out.len() > start {
            out.push('|')
        }
    };
    for &(bit, name) in names {
        if bits & bit == bit {
            bits &= !bit;
            bar(out);
            out.push_str(name);
        }
    }
    if bits != 0 || out.len() == start {
        bar(out);
        let _ = write!(out, "{bits:#x}");
    }
}

/// The `AT_*` flags of a call. Each call says which it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtFlags(u32);

impl AtFlags {
    pub(crate) const NONE: AtFlags = AtFlags(0);
    pub(crate) const SYMLINK_NOFOLLOW: u32 = 0x100;
    pub(crate) const REMOVEDIR: u32 = 0x200;
    pub(crate) const EACCESS: u32 = 0x200;
    pub(crate) const SYMLINK_FOLLOW: u32 = 0x400;
    pub(crate) const NO_AUTOMOUNT: u32 = 0x800;
    pub(crate) const EMPTY_PATH: u32 = 0x1000;
    pub(crate) const STATX_SYNC_TYPE: u32 = 0x6000;

    pub(crate) fn new(bits: u32) -> Self {
        AtFlags(bits)
    }

    pub(crate) fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Refuses any but these.
    ///
    /// # Errors
    /// `EINVAL`.
    pub(crate) fn only(self, known: u32) -> Result<()> {
        if self.0 & !known == 0 { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// Whether a final link is followed, for a call that follows it unless told otherwise.
    pub(crate) fn follow(self) -> bool {
        !self.has(Self::SYMLINK_NOFOLLOW)
    }
}

impl Slot for AtFlags {
    type Wasm = u32;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(AtFlags(raw))
    }

    fn show(self, _: View<'_>, out: &mut String) {
        let names = [
            (Self::SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"),
            (Self::REMOVEDIR, "AT_REMOVEDIR"),
            (Self::SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"),
            (Self::NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"),
            (Self::EMPTY_PATH, "AT_EMPTY_PATH"),
        ];
        show_bits(self.0, &names, out);
    }
}

/// A mode, which a trace shows in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub(crate) u32);

impl Mode {
    /// The permission bits.
    pub(crate) fn bits(self) -> u32 {
        self.0 & 0o7777
    }
}

impl Slot for Mode {
    type Wasm = u32;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Mode(raw))
    }

    fn show(self, _: View<'_>, out: &mut String) {
        let _ = write!(out, "{:#o}", self.0);
    }
}

/// A user or group; −1 leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub(crate) Option<u32>);

impl Slot for Id {
    type Wasm = u32;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Id(if raw == u32::MAX { None } else { Some(raw) }))
    }

    fn show(self, _: View<'_>, out: &mut String) {
        let _ = write!(out, "{}", self.0.map_or(-1, i64::from));
    }
}

/// What a path, or with `AT_EMPTY_PATH` a descriptor, names.
pub(crate) enum Target<'m> {
    Path(DirFd, Cow<'m, [u8]>),
    Fd(Fd),
}

impl<'m> Target<'m> {
    pub(crate) fn of(memory: &'m GuestMemory<'_>, process: &Process, dir: Dir, path: Path, flags: AtFlags) -> Result<Self> {
        let path = path.of(memory, process)?;
        if !path.is_empty() || !flags.has(AtFlags::EMPTY_PATH) {
            return Ok(Target::Path(dir.0, path));
        }
        Ok(match dir.0 {
            DirFd::Cwd => Target::Path(DirFd::Cwd, Cow::Borrowed(b".")),
            DirFd::At(fd) | DirFd::Beneath(fd) => Target::Fd(fd),
        })
    }
}

/// Makes sure that `len` bytes at `at` can be written; a null pointer cannot.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn check_buffer(memory: &GuestMemory<'_>, at: Ptr, len: Size) -> Result<()> {
    if at.raw() == 0 && len.raw() > 0 { Err(Errno::EFAULT) } else { memory.check(at, len) }
}

/// Makes sure that `out` can be written; a null pointer cannot.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn check_out<T: Record>(memory: &GuestMemory<'_>, out: Out<T>) -> Result<()> {
    if out.ptr().raw() == 0 { Err(Errno::EFAULT) } else { out.check(memory) }
}

/// A 64-bit argument that travels as two halves.
pub(crate) fn join(low: u32, high: u32) -> i64 {
    (u64::from(high) << 32 | u64::from(low)).cast_signed()
}

use stratafs::{Access, DirFd, Errno, FileType, OpenHow, Outcome, Result};
use stratafs_abi::{Call, Slot, View};

use crate::args::{Dir, Path, Varargs, show_bits};

/// The flags of `open`. As on Linux, bits that mean nothing are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(u32);

impl OpenFlags {
    pub(crate) const ACCMODE: u32 = 3;
    pub(crate) const WRONLY: u32 = 1;
    pub(crate) const RDWR: u32 = 2;
    pub(crate) const CREAT: u32 = 0x40;
    pub(crate) const EXCL: u32 = 0x80;
    pub(crate) const TRUNC: u32 = 0x200;
    pub(crate) const APPEND: u32 = 0x400;
    pub(crate) const NONBLOCK: u32 = 0x800;
    pub(crate) const LARGEFILE: u32 = 0x8000;
    pub(crate) const DIRECTORY: u32 = 0x1_0000;
    pub(crate) const NOFOLLOW: u32 = 0x2_0000;
    pub(crate) const CLOEXEC: u32 = 0x8_0000;
    pub(crate) const PATH: u32 = 0x20_0000;
    /// The bit that makes `O_TMPFILE` out of `O_DIRECTORY`.
    pub(crate) const TMPFILE: u32 = 0x40_0000;

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// What these flags ask for.
    ///
    /// # Errors
    /// `ENOTSUP` for `O_TMPFILE`, which no layer has; `EINVAL` when that lacks `O_DIRECTORY` or writing.
    fn how(self, mode: u32) -> Result<OpenHow> {
        let accmode = self.0 & Self::ACCMODE;
        let write = matches!(accmode, Self::WRONLY | Self::RDWR);
        if self.has(Self::TMPFILE) && !self.has(Self::PATH) {
            return Err(if write && self.has(Self::DIRECTORY) { Errno::ENOTSUP } else { Errno::EINVAL });
        }
        let create = self.has(Self::CREAT);
        Ok(OpenHow {
            // open(2): 3 checks for both and gives neither.
            access: Access { read: matches!(accmode, 0 | Self::RDWR), write, truncate: self.has(Self::TRUNC) },
            create,
            exclusive: create && self.has(Self::EXCL),
            append: self.has(Self::APPEND),
            nonblock: self.has(Self::NONBLOCK),
            cloexec: self.has(Self::CLOEXEC),
            directory: self.has(Self::DIRECTORY),
            follow: !self.has(Self::NOFOLLOW),
            kind: if self.has(Self::PATH) { FileType::Path } else { FileType::Any },
            mode: mode & 0o7777,
        })
    }
}

impl Slot for OpenFlags {
    type Wasm = u32;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(OpenFlags(raw))
    }

    fn show(self, _: View<'_>, out: &mut String) {
        out.push_str(match self.0 & Self::ACCMODE {
            0 => "O_RDONLY|",
            Self::WRONLY => "O_WRONLY|",
            Self::RDWR => "O_RDWR|",
            _ => "O_ACCMODE|",
        });
        let names = [
            (Self::CREAT, "O_CREAT"),
            (Self::EXCL, "O_EXCL"),
            (Self::TRUNC, "O_TRUNC"),
            (Self::APPEND, "O_APPEND"),
            (Self::NONBLOCK, "O_NONBLOCK"),
            (Self::DIRECTORY, "O_DIRECTORY"),
            (Self::NOFOLLOW, "O_NOFOLLOW"),
            (Self::CLOEXEC, "O_CLOEXEC"),
            (Self::PATH, "O_PATH"),
        ];
        let rest = self.0 & !(Self::ACCMODE | Self::LARGEFILE);
        if rest == 0 {
            out.pop();
        } else {
            show_bits(rest, &names, out);
        }
    }
}

/// Opens a file; a new one gets the first variadic argument as its mode.
///
/// # Errors
/// `EFAULT`; `ENOTSUP` for `O_TMPFILE`; those of [`Process::openat`](stratafs::Process::openat).
pub fn __syscall_openat(cx: &mut Call<'_>, dirfd: Dir, path: Path, flags: OpenFlags, varargs: Varargs) -> Result<Outcome<u32>> {
    let mode = if flags.has(OpenFlags::CREAT) { varargs.first(&cx.memory)? } else { 0 };
    let how = flags.how(mode)?;
    let path = path.of(&cx.memory, cx.process)?;
    Ok(cx.process.openat(dirfd.0, &path, &how)?.map(|fd| fd.raw()))
}

/// [`__syscall_openat`] from the working directory, as 3.1.6 imports it.
///
/// # Errors
/// As there.
pub fn __syscall_open(cx: &mut Call<'_>, path: Path, flags: OpenFlags, varargs: Varargs) -> Result<Outcome<u32>> {
    __syscall_openat(cx, Dir(DirFd::Cwd), path, flags, varargs)
}

//! How a file is opened, decided once.

use crate::Access;

/// What is asked of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileType {
    /// Whatever is there, opened for use.
    #[default]
    Any,
    /// Only a place (`O_PATH`): nothing is opened, links need not be followed.
    Path,
}

/// Everything that `open` can be told, built by an ABI that has taken its own bits apart and refused what was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenHow {
    /// Reading, writing, cutting to nothing.
    pub access: Access,
    /// Make it when it is missing.
    pub create: bool,
    /// With `create`: fail when it is there; a final link is not followed.
    pub exclusive: bool,
    /// Every write goes to the end.
    pub append: bool,
    /// Answer `EAGAIN` instead of waiting.
    pub nonblock: bool,
    /// Close it when another program is executed.
    pub cloexec: bool,
    /// It must be a directory.
    pub directory: bool,
    /// Follow a link in the last component.
    pub follow: bool,
    /// Use or only a place.
    pub kind: FileType,
    /// Permission bits for a new file, before the umask.
    pub mode: u32,
}

impl OpenHow {
    /// Opens an existing file, following links, with `access`; new files would get mode 0o666.
    #[must_use]
    pub fn new(access: Access) -> Self {
        OpenHow {
            access,
            create: false,
            exclusive: false,
            append: false,
            nonblock: false,
            cloexec: false,
            directory: false,
            follow: true,
            kind: FileType::Any,
            mode: 0o666,
        }
    }

    /// For reading.
    #[must_use]
    pub fn read() -> Self {
        OpenHow::new(Access::READ)
    }

    /// For writing, made when missing, cut to nothing when not: `fopen`'s `"w"`.
    #[must_use]
    pub fn write_new() -> Self {
        OpenHow { create: true, ..OpenHow::new(Access { truncate: true, ..Access::WRITE }) }
    }

    /// Whether opening like this may change the tree or the file. The only place that says so.
    #[must_use]
    pub fn mutates(&self) -> bool {
        self.create || self.access.mutates()
    }
}

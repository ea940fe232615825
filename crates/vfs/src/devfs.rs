//! `/dev` and `/proc/self/fd`: devices that need no kernel.

use std::io::IoSlice;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::filesystem::{Entry, FileHandle, Filesystem, Opened};
use crate::random::Random;
use crate::{Access, Cookie, DirEntry, Errno, FileKind, Name, Result, SetAttr, Stat};

/// A read-only tree of devices. What means one of the process's own descriptors is resolved by the process.
pub struct DevFs {
    root: DevNode,
    random: Arc<dyn Random>,
}

impl DevFs {
    /// The tree for `/dev`: `null`, `zero`, `full`, `random`, `urandom`, `tty`, `stdin`, `stdout`, `stderr`, `fd/`.
    #[must_use]
    pub fn dev(random: Arc<dyn Random>) -> Arc<Self> {
        Arc::new(DevFs { root: DevNode::Dev, random })
    }

    /// The tree for `/proc`: `self/fd/`.
    #[must_use]
    pub fn proc(random: Arc<dyn Random>) -> Arc<Self> {
        Arc::new(DevFs { root: DevNode::Proc, random })
    }
}

/// A file of a [`DevFs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevNode {
    /// The top of `/dev`.
    Dev,
    /// The top of `/proc`.
    Proc,
    /// `/proc/self`.
    ProcSelf,
    /// The directory of own descriptors.
    FdDir,
    /// An own descriptor in that directory.
    Fd(u32),
    /// `stdin`, `stdout` and `stderr`: links to own descriptors.
    Std(u32),
    /// Swallows everything, is empty.
    Null,
    /// Swallows everything, gives zeros.
    Zero,
    /// Gives zeros, is full.
    Full,
    /// Gives random bytes.
    Random,
    /// The same.
    Urandom,
    /// The process's terminal.
    Tty,
}

const DEV: &[(&str, DevNode)] = &[
    ("fd", DevNode::FdDir),
    ("full", DevNode::Full),
    ("null", DevNode::Null),
    ("random", DevNode::Random),
    ("stderr", DevNode::Std(2)),
    ("stdin", DevNode::Std(0)),
    ("stdout", DevNode::Std(1)),
    ("tty", DevNode::Tty),
    ("urandom", DevNode::Urandom),
    ("zero", DevNode::Zero),
];
const PROC: &[(&str, DevNode)] = &[("self", DevNode::ProcSelf)];
const PROC_SELF: &[(&str, DevNode)] = &[("fd", DevNode::FdDir)];

impl DevNode {
    fn entries(self) -> Result<&'static [(&'static str, DevNode)]> {
        match self {
            DevNode::Dev => Ok(DEV),
            DevNode::Proc => Ok(PROC),
            DevNode::ProcSelf => Ok(PROC_SELF),
            DevNode::FdDir => Ok(&[]),
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn kind(self) -> FileKind {
        match self {
            DevNode::Dev | DevNode::Proc | DevNode::ProcSelf | DevNode::FdDir => FileKind::Directory,
            DevNode::Fd(_) | DevNode::Std(_) => FileKind::Symlink,
            _ => FileKind::CharDevice,
        }
    }

    fn ino(self) -> u64 {
        match self {
            DevNode::Dev => 1,
            DevNode::Proc => 2,
            DevNode::ProcSelf => 3,
            DevNode::FdDir => 4,
            DevNode::Null => 5,
            DevNode::Zero => 6,
            DevNode::Full => 7,
            DevNode::Random => 8,
            DevNode::Urandom => 9,
            DevNode::Tty => 10,
            DevNode::Std(n) => 11 + u64::from(n),
            DevNode::Fd(n) => 16 + u64::from(n),
        }
    }

    fn stat(self) -> Stat {
        Stat::new(self.ino(), self.kind())
    }
}

impl Filesystem for DevFs {
    type Node = DevNode;

    fn root(&self) -> DevNode {
        self.root
    }

    fn key(&self, node: &DevNode) -> u64 {
        node.ino()
    }

    fn parent(&self, dir: &DevNode) -> Result<DevNode> {
        Ok(match (dir, self.root) {
            (DevNode::FdDir, DevNode::Proc) => DevNode::ProcSelf,
            _ => self.root,
        })
    }

    fn lookup(&self, dir: &DevNode, name: Name<'_>) -> Result<Entry<DevNode>> {
        let node = if *dir == DevNode::FdDir {
            let digits = std::str::from_utf8(name.as_bytes()).map_err(|_| Errno::ENOENT)?;
            let number: u32 = digits.parse().map_err(|_| Errno::ENOENT)?;
            // "03" and "+3" are other names than "3".
            if number.to_string() != digits {
                return Err(Errno::ENOENT);
            }
            DevNode::Fd(number)
        } else {
            dir.entries()?.iter().find(|(n, _)| n.as_bytes() == name.as_bytes()).ok_or(Errno::ENOENT)?.1
        };
        Ok(Entry { node, kind: node.kind() })
    }

    fn stat(&self, node: &DevNode) -> Result<Stat> {
        Ok(node.stat())
    }

    fn read_dir(&self, dir: &DevNode, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let entries = dir.entries()?.iter().zip(1..);
        for ((name, node), next) in entries.skip(usize::try_from(from).unwrap_or(usize::MAX)) {
            let entry = DirEntry { name: name.as_bytes(), ino: node.ino(), kind: node.kind(), next };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn open(&self, node: &DevNode, access: Access) -> Result<Opened> {
        match node {
            DevNode::Fd(_) | DevNode::Std(_) => Err(Errno::ELOOP),
            DevNode::Tty => Ok(Opened::Terminal),
            _ if node.kind() == FileKind::CharDevice => {
                Ok(Opened::File(Arc::new(Device { node: *node, random: self.random.clone() })))
            }
            _ if access.mutates() => Err(Errno::EISDIR),
            DevNode::FdDir => Ok(Opened::FdDirectory),
            _ => Ok(Opened::Directory),
        }
    }

    fn self_fd(&self, node: &DevNode) -> Option<u32> {
        match node {
            DevNode::Fd(n) | DevNode::Std(n) => Some(*n),
            _ => None,
        }
    }
}

struct Device {
    node: DevNode,
    random: Arc<dyn Random>,
}

impl FileHandle for Device {
    fn read_at(&self, buf: &mut [u8], _: u64) -> Result<usize> {
        match self.node {
            DevNode::Null => return Ok(0),
            DevNode::Random | DevNode::Urandom => self.random.fill(buf)?,
            _ => buf.fill(0),
        }
        Ok(buf.len())
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], _: u64) -> Result<usize> {
        if self.node == DevNode::Full { Err(Errno::ENOSPC) } else { Ok(bufs.iter().map(|buf| buf.len()).sum()) }
    }

    fn append(&self, bufs: &[IoSlice<'_>]) -> Result<(usize, u64)> {
        Ok((self.write_at(bufs, 0)?, 0))
    }

    fn stat(&self) -> Result<Stat> {
        Ok(self.node.stat())
    }

    fn set_attr(&self, attr: &SetAttr) -> Result<()> {
        // ftruncate(2) on a device.
        Err(if attr.size.is_some() { Errno::EINVAL } else { Errno::EROFS })
    }
}

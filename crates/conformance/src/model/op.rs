//! What is generated: operations that choose among what is there.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Which call to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum What {
    Open,
    Create,
    Read,
    Pread,
    Write,
    Pwrite,
    Seek,
    Sync,
    Allocate,
    ReadDir,
    Close,
    Dup,
    DupFrom,
    Dup2,
    Status,
    SetStatus,
    Stat,
    Fstat,
    Truncate,
    Ftruncate,
    Chmod,
    Fchmod,
    Chown,
    Utimens,
    Futimens,
    Access,
    Mkdir,
    Mkfifo,
    Symlink,
    Link,
    Unlink,
    Rmdir,
    Rename,
    Readlink,
    Chdir,
    Fchdir,
    Getcwd,
    Umask,
}

const WEIGHTS: &[(u32, What)] = &[
    (7, What::Open),
    (6, What::Create),
    (4, What::Read),
    (3, What::Pread),
    (6, What::Write),
    (3, What::Pwrite),
    (3, What::Seek),
    (1, What::Sync),
    (2, What::Allocate),
    (4, What::ReadDir),
    (4, What::Close),
    (2, What::Dup),
    (1, What::DupFrom),
    (2, What::Dup2),
    (1, What::Status),
    (1, What::SetStatus),
    (4, What::Stat),
    (3, What::Fstat),
    (3, What::Truncate),
    (3, What::Ftruncate),
    (2, What::Chmod),
    (2, What::Fchmod),
    (1, What::Chown),
    (3, What::Utimens),
    (2, What::Futimens),
    (2, What::Access),
    (6, What::Mkdir),
    (2, What::Mkfifo),
    (5, What::Symlink),
    (5, What::Link),
    (7, What::Unlink),
    (5, What::Rmdir),
    (12, What::Rename),
    (2, What::Readlink),
    (4, What::Chdir),
    (2, What::Fchdir),
    (2, What::Getcwd),
    (1, What::Umask),
];

/// How a path is made; the oracle makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PathChoice {
    pub how: u8,
    pub which: u16,
    pub name: u8,
    pub dressing: u8,
    /// Relative to the current directory, or to an open one.
    pub dir: u8,
}

/// One operation; each kind of call takes what it needs of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Op {
    pub what: What,
    pub path: PathChoice,
    pub other: PathChoice,
    pub fd: u8,
    pub to: u8,
    pub flags: u16,
    pub number: u16,
    pub more: u16,
    /// An overlay that can be frozen is, before the call.
    pub freeze: bool,
}

/// What is there when a sequence starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// Nothing.
    Empty,
    /// A small tree without hard links.
    Plain,
    /// A small tree with hard links.
    Linked,
}

/// A sequence of operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Sequence {
    pub start: Start,
    /// The tree is compared after every so many steps, and after the last one.
    pub every: u8,
    /// FIFOs are made.
    pub fifos: bool,
    pub ops: Vec<Op>,
}

/// Operations of one sequence, at least.
pub const LEAST: usize = 40;

fn path() -> impl Strategy<Value = PathChoice> {
    (any::<u8>(), any::<u16>(), any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(how, which, name, dressing, dir)| PathChoice {
        how,
        which,
        name,
        dressing,
        dir,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let total: u32 = WEIGHTS.iter().map(|(weight, _)| weight).sum();
    let what = (0..total).prop_map(|mut at| {
        let found = WEIGHTS.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.wrapping_sub(*weight);
            here
        });
        found.map_or(What::Getcwd, |(_, what)| *what)
    });
    let numbers = (any::<u8>(), any::<u8>(), any::<u16>(), any::<u16>(), any::<u16>());
    (what, path(), path(), numbers, 0..12_u8).prop_map(|(what, path, other, (fd, to, flags, number, more), freeze)| Op {
        what,
        path,
        other,
        fd,
        to,
        flags,
        number,
        more,
        freeze: freeze == 0,
    })
}

/// Sequences that start from one of `starts`.
pub fn sequence(starts: &'static [Start], fifos: bool) -> impl Strategy<Value = Sequence> {
    let ops = prop::collection::vec(op(), LEAST..=LEAST + 24);
    (prop::sample::select(starts), prop::sample::select(&[1_u8, 1, 1, 4, 100][..]), ops)
        .prop_map(move |(start, every, ops)| Sequence { start, every, fifos, ops })
}

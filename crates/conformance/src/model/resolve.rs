//! Makes calls of operations, knowing what is there.

use super::op::{Op, PathChoice, What};
use super::snapshot::Tree;
use crate::native::Native;
use crate::posix::*;

/// Names that collide.
const NAMES: &[&str] = &["a", "b", "c", "d", "l", "loop"];

/// Sizes and offsets around the edges of chunks and pages.
const SIZES: &[u64] = &[0, 1, 3, 10, 100, 511, 512, 513, 4095, 4096, 4097, 5000, 65_535, 65_536, 65_537, 70_000];

/// A descriptor that no sequence opens.
const CLOSED: Fd = 200;

/// What the oracle knows.
pub(super) struct Resolver {
    fifos: bool,
    fifo_made: bool,
    tree: Tree,
}

/// What a path should lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    File,
    Directory,
    Link,
    Any,
    New,
}

impl Resolver {
    pub fn new(fifos: bool, tree: Tree) -> Resolver {
        Resolver { fifos, fifo_made: false, tree }
    }

    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    pub fn learn(&mut self, call: &Call, done: bool, tree: Tree) {
        self.fifo_made |= done && matches!(call, Call::Mkfifo { .. });
        self.tree = tree;
    }

    pub fn call(&self, os: &mut Native, op: &Op) -> Call {
        match op.what {
            What::Open | What::Create => self.open(os, op),
            What::Read | What::Pread | What::Write | What::Pwrite | What::Seek | What::Sync | What::Allocate | What::ReadDir => {
                self.io(os, op)
            }
            What::Close | What::Dup | What::DupFrom | What::Dup2 | What::Status | What::SetStatus | What::Fchdir => {
                self.descriptors(os, op)
            }
            What::Stat
            | What::Fstat
            | What::Truncate
            | What::Ftruncate
            | What::Chmod
            | What::Fchmod
            | What::Chown
            | What::Utimens
            | What::Futimens => self.attributes(os, op),
            _ => self.names(os, op),
        }
    }

    /// One of the open descriptors, mostly one of that kind.
    fn fd(&self, os: &mut Native, choice: u8, kind: Option<Kind>) -> Fd {
        let all = os.open_fds();
        if choice > 245 || all.is_empty() {
            return CLOSED;
        }
        let right: Vec<_> = all.iter().copied().filter(|fd| kind.is_some() && Some(os.kind(*fd)) == kind).collect();
        let from = if choice < 200 && !right.is_empty() { right } else { all };
        from[usize::from(choice) % from.len()]
    }

    /// The current directory or an open descriptor, mostly a directory's; never one that is not open, because the oracle's side
    /// does not hand the kernel what it has not.
    fn dir(&self, os: &mut Native, choice: u8) -> Dir {
        if choice < 150 {
            return Dir::Cwd;
        }
        match self.fd(os, choice - 50, Some(Kind::Directory)) {
            CLOSED => Dir::Cwd,
            fd => Dir::At(fd),
        }
    }

    fn open(&self, os: &mut Native, op: &Op) -> Call {
        let dir = self.dir(os, op.path.dir);
        let (want, mut flags) = match (op.what, op.fd % 8) {
            (What::Create, _) => (Want::New, O_CREAT),
            (_, 0..=2) => (Want::Directory, O_RDONLY),
            (_, 3..=6) => (Want::File, O_RDONLY),
            _ => (Want::Any, O_RDONLY),
        };
        let path = self.path(os, dir, op.path, want);
        flags = flags
            | match op.flags & 3 {
                0 => O_RDONLY,
                1 if want != Want::Directory || op.flags & 8 != 0 => O_WRONLY,
                2 | 3 if want != Want::Directory || op.flags & 8 != 0 => O_RDWR,
                _ => O_RDONLY,
            };
        let rare = |bit: u16| op.number >> bit & 7 == 0;
        for (on, flag) in [
            (op.what == What::Open && rare(0), O_CREAT),
            (rare(1), O_EXCL),
            (rare(3) && (want != Want::Directory || rare(2)), O_TRUNC),
            (rare(4) || rare(11), O_APPEND),
            (rare(5) || self.fifo_made, O_NONBLOCK),
            (rare(6), O_CLOEXEC),
            (rare(8) && op.what == What::Open, O_DIRECTORY),
            (rare(9), O_NOFOLLOW),
            (rare(10) && rare(13), O_PATH),
        ] {
            if on {
                flags = flags | flag;
            }
        }
        Call::Open { dir, path, flags, mode: mode(op.more) }
    }

    fn io(&self, os: &mut Native, op: &Op) -> Call {
        let file = self.fd(os, op.fd, Some(Kind::File));
        let lens = || (0..=u32::from(op.to % 3)).map(|i| size(op.number >> i, 12) as u32).collect();
        let bufs = || (0..=op.to % 3).map(|i| data(op.number >> i, op.more)).collect();
        match op.what {
            // To read nothing from a directory succeeds in readv(2) and fails in read(2), which are one call here.
            What::Read if os.kind(file) == Kind::Directory => Call::Read { fd: file, lens: vec![1] },
            What::Pread if os.kind(file) == Kind::Directory => Call::Pread { fd: file, lens: vec![1], offset: offset(op.more) },
            What::Read => Call::Read { fd: file, lens: lens() },
            What::Pread => Call::Pread { fd: file, lens: lens(), offset: offset(op.more) },
            What::Write => Call::Write { fd: file, bufs: bufs() },
            What::Pwrite => Call::Pwrite { fd: file, bufs: bufs(), offset: offset(op.more >> 3) },
            What::Seek if os.kind(file) == Kind::Directory => Call::Seek { fd: file, whence: Whence::Set, offset: 0 },
            What::Seek => {
                let whence = [Whence::Set, Whence::Current, Whence::End][usize::from(op.to) % 3];
                let by = i64::try_from(offset(op.number)).unwrap_or(i64::MIN);
                Call::Seek { fd: file, whence, offset: if op.more.is_multiple_of(4) { by.saturating_neg() } else { by } }
            }
            What::Sync => Call::Sync(file),
            What::Allocate => {
                let past = op.more.is_multiple_of(16);
                let offset = if past { i64::MAX.cast_unsigned() - 5 } else { size(op.more, SIZES.len()) };
                Call::Allocate { fd: file, offset, len: size(op.number, SIZES.len()) }
            }
            _ => Call::ReadDir { fd: self.fd(os, op.fd, Some(Kind::Directory)), from: 0, max: 1 + u32::from(op.to % 5) },
        }
    }

    fn descriptors(&self, os: &mut Native, op: &Op) -> Call {
        let fd = self.fd(os, op.fd, None);
        match op.what {
            What::Close => Call::Close(fd),
            What::Dup => Call::Dup(fd),
            What::DupFrom => Call::DupFrom { fd, at_least: 3 + u32::from(op.to % 8), cloexec: op.more.is_multiple_of(2) },
            What::Dup2 => {
                let to = if op.more.is_multiple_of(2) { self.fd(os, op.to, None) } else { 3 + u32::from(op.to % 12) };
                Call::Dup2 { fd, to, cloexec: op.more.is_multiple_of(3) && fd != to }
            }
            What::Status => Call::Status(fd),
            What::SetStatus => {
                let nonblock = self.fifo_made || op.more.is_multiple_of(2);
                Call::SetStatus(fd, Status { append: op.more % 3 == 1, nonblock })
            }
            _ => Call::Fchdir(self.fd(os, op.fd, Some(Kind::Directory))),
        }
    }

    fn target(&self, os: &mut Native, op: &Op, want: Want, follow: bool) -> Target {
        let dir = self.dir(os, op.path.dir);
        Target::Path { dir, path: self.path(os, dir, op.path, want), follow }
    }

    fn attributes(&self, os: &mut Native, op: &Op) -> Call {
        let file = Target::Fd(self.fd(os, op.fd, Some(Kind::File)));
        let any = Target::Fd(self.fd(os, op.fd, None));
        match op.what {
            What::Stat if op.path.dir == 149 => {
                Call::Stat(Target::Path { dir: Dir::At(CLOSED), path: name(op.path.name % 8), follow: true })
            }
            What::Stat => Call::Stat(self.target(os, op, Want::Any, op.to.is_multiple_of(2))),
            What::Fstat => Call::Stat(any),
            What::Truncate => {
                let path = self.path(os, Dir::Cwd, op.path, Want::File);
                let target = Target::Path { dir: Dir::Cwd, path, follow: true };
                // truncate(2) to the size that the file has moves the mtime on tmpfs if a page of it is stored, and never on ext4.
                let size = match os.call(Call::Stat(target.clone())) {
                    Ok(Answer::Stat(stat)) if stat.size == offset(op.number) => stat.size ^ 1,
                    _ => offset(op.number),
                };
                Call::Truncate { target, size }
            }
            What::Ftruncate => Call::Truncate { target: file, size: offset(op.number) },
            What::Chmod => Call::Chmod { target: self.target(os, op, Want::Any, true), mode: mode(op.number) },
            What::Fchmod => Call::Chmod { target: any, mode: mode(op.number) },
            What::Chown => {
                let id = |n: u16| [None, Some(0), Some(1000), Some(7)][usize::from(n) % 4];
                let target = if op.more % 5 < 2 { any } else { self.target(os, op, Want::Any, op.to.is_multiple_of(2)) };
                // One of them is set: changing neither moves the ctime, which nobody needs and no backend is asked for.
                let uid = id(op.number);
                Call::Chown { target, uid, gid: id(op.number >> 2).or(uid.is_none().then_some(0)) }
            }
            _ => {
                let when = |n: u16| match n % 8 {
                    0 => When::Omit,
                    1 => When::Now,
                    2 => When::at(-5, 999_999_999),
                    n => When::at(i64::from(n) * 1_000_000, 5),
                };
                let (atime, mtime) = (when(op.number), when(op.number >> 4));
                // To leave both succeeds on Linux without looking whether the file is there; no guest's library asks for it.
                let mtime = if (atime, mtime) == (When::Omit, When::Omit) { When::Now } else { mtime };
                let target =
                    if op.what == What::Futimens { any } else { self.target(os, op, Want::Any, op.to.is_multiple_of(2)) };
                Call::Utimens { target, atime, mtime }
            }
        }
    }

    fn names(&self, os: &mut Native, op: &Op) -> Call {
        let dir = self.dir(os, op.path.dir);
        let other = self.dir(os, op.other.dir);
        match op.what {
            What::Access => {
                let mode = Mode { read: op.flags & 1 != 0, write: op.flags & 2 != 0, execute: op.flags & 4 != 0 };
                Call::Access { dir, path: self.path(os, dir, op.path, Want::Any), mode }
            }
            What::Mkfifo if self.fifos => {
                Call::Mkfifo { dir, path: self.path(os, dir, op.path, Want::New), mode: mode(op.number) }
            }
            What::Mkdir | What::Mkfifo => {
                Call::Mkdir { dir, path: self.path(os, dir, op.path, Want::New), mode: mode(op.number) }
            }
            What::Symlink => Call::Symlink { target: self.text(os, op.other), dir, path: self.path(os, dir, op.path, Want::New) },
            What::Link => {
                let want = if op.number.is_multiple_of(8) { Want::Any } else { Want::File };
                let from = self.path(os, other, op.other, want);
                let path = self.path(os, dir, op.path, Want::New);
                Call::Link { from_dir: other, from, dir, path, follow: op.flags & 1 != 0 }
            }
            What::Unlink => {
                let want = if op.number.is_multiple_of(4) { Want::Any } else { Want::File };
                Call::Unlink { dir, path: self.path(os, dir, op.path, want) }
            }
            What::Rmdir => Call::Rmdir { dir, path: self.path(os, dir, op.path, Want::Directory) },
            What::Rename => {
                let want = [Want::File, Want::Directory, Want::Any][usize::from(op.number) % 3];
                let onto = match op.more % 8 {
                    0..4 => Want::New,
                    4..7 => want,
                    _ => Want::Any,
                };
                let (from, path) = (self.path(os, other, op.other, want), self.path(os, dir, op.path, onto));
                Call::Rename { from_dir: other, from, dir, path }
            }
            What::Readlink => Call::Readlink { dir, path: self.path(os, dir, op.path, Want::Link) },
            What::Chdir if op.fd.is_multiple_of(3) => Call::Chdir(b"/".to_vec()),
            What::Chdir => Call::Chdir(self.path(os, Dir::Cwd, op.path, Want::Directory)),
            What::Umask => Call::Umask([0, 0o22, 0o77, 0o777][usize::from(op.number) % 4]),
            _ => Call::Getcwd,
        }
    }

    /// The target of a new link.
    fn text(&self, os: &mut Native, choice: PathChoice) -> Vec<u8> {
        match choice.how % 16 {
            0..5 => self.pick(choice.which, Want::Any),
            5..9 => self.path(os, Dir::Cwd, choice, Want::Any),
            9 => b".".to_vec(),
            10 => b"..".to_vec(),
            11 => b"../a/".to_vec(),
            12 if choice.which.is_multiple_of(8) => Vec::new(),
            13 if choice.which.is_multiple_of(8) => vec![b'n'; 4096],
            _ => name(choice.name),
        }
    }

    /// The absolute path of something that is there.
    fn pick(&self, which: u16, want: Want) -> Vec<u8> {
        let kind = match want {
            Want::File => Some(Kind::File),
            Want::Directory => Some(Kind::Directory),
            Want::Link => Some(Kind::Symlink),
            Want::Any | Want::New => None,
        };
        let right: Vec<_> = self.tree.iter().filter(|node| kind.is_none_or(|kind| node.stat.kind == kind)).collect();
        match right.len() {
            0 => b"/a".to_vec(),
            // Mostly not the root, which is the first.
            1 => right[0].path.clone(),
            n if want != Want::File && want != Want::Link && !which.is_multiple_of(32) => {
                right[1 + usize::from(which) % (n - 1)].path.clone()
            }
            n => right[usize::from(which) % n].path.clone(),
        }
    }

    fn path(&self, os: &mut Native, dir: Dir, choice: PathChoice, want: Want) -> Vec<u8> {
        let mut path = match choice.how {
            0..190 if want != Want::New => self.relative(os, dir, &self.pick(choice.which, want), choice.name),
            0..215 => {
                let above = if choice.which.is_multiple_of(3) { b"/".to_vec() } else { self.pick(choice.which, Want::Directory) };
                let path = [&above[..], b"/", &name(choice.name)].concat();
                self.relative(os, dir, &path[usize::from(above == b"/")..], choice.dressing)
            }
            215..235 => {
                [&self.relative(os, dir, &self.pick(choice.which, Want::Link), choice.name)[..], b"/", &name(choice.name)]
                    .concat()
            }
            235..245 => self.relative(os, dir, &self.pick(choice.which, Want::Any), choice.name),
            _ => special(choice.which),
        };
        match choice.dressing % 32 {
            0 | 1 => path.extend_from_slice(b"/"),
            2 => path.extend_from_slice(b"/."),
            3 => path.extend_from_slice(b"/.."),
            4 => path.extend_from_slice(b"//"),
            5 => path.splice(0..0, *b"./").for_each(drop),
            6 => path = [b"../", &path[..]].concat(),
            7 => path = [&name(choice.name)[..], b"/../", &path[..]].concat(),
            _ => {}
        }
        path
    }

    /// The absolute `path` as seen from `dir`.
    fn relative(&self, os: &mut Native, dir: Dir, path: &[u8], how: u8) -> Vec<u8> {
        let base = match dir {
            Dir::Cwd => os.call(Call::Getcwd).ok().and_then(|answer| match answer {
                Answer::Bytes(bytes) => Some(bytes),
                _ => None,
            }),
            Dir::At(fd) => match os.call(Call::Stat(Target::Fd(fd))) {
                Ok(Answer::Stat(stat)) => self
                    .tree
                    .iter()
                    .find(|node| (node.stat.ino, node.stat.kind) == (stat.ino, Kind::Directory))
                    .map(|n| n.path.clone()),
                _ => None,
            },
        };
        let Some(base) = base else {
            // The directory is gone: something that was in it.
            return if how.is_multiple_of(3) {
                path.to_vec()
            } else {
                path.rsplit(|&b| b == b'/').next().unwrap_or(path).to_vec()
            };
        };
        let base = if base == b"/" { Vec::new() } else { base };
        match path.strip_prefix(&base[..]).and_then(|rest| rest.strip_prefix(b"/")) {
            Some([]) => b".".to_vec(),
            Some(rest) if !how.is_multiple_of(8) => rest.to_vec(),
            _ if path == base => b".".to_vec(),
            _ if how.is_multiple_of(2) => {
                let up = base.iter().filter(|&&b| b == b'/').count();
                [&b"../".repeat(up)[..], path.strip_prefix(b"/").filter(|rest| !rest.is_empty()).unwrap_or(b".")].concat()
            }
            _ => path.to_vec(),
        }
    }
}

fn name(choice: u8) -> Vec<u8> {
    match choice {
        250 => vec![b'n'; 255],
        251 => vec![b'n'; 256],
        252 => b".".to_vec(),
        253 => b"..".to_vec(),
        254 => "\u{e9}".as_bytes().to_vec(),
        255 => b"\xff ".to_vec(),
        n => NAMES[usize::from(n) % NAMES.len()].as_bytes().to_vec(),
    }
}

fn special(which: u16) -> Vec<u8> {
    match which % 12 {
        0 => Vec::new(),
        1 => b"/".to_vec(),
        2 => b".".to_vec(),
        3 => b"..".to_vec(),
        4 => b"//".to_vec(),
        5 => b"./.".to_vec(),
        6 => b"a/".repeat(2048),
        7 => b"./".repeat(100),
        8 => b"/a/../b".to_vec(),
        9 => b"loop/a".to_vec(),
        10 => [&b"n".repeat(256)[..], b"/a"].concat(),
        _ => b"a/b/c/d".to_vec(),
    }
}

fn size(choice: u16, among: usize) -> u64 {
    SIZES[usize::from(choice) % among]
}

/// Mostly near; seldom where the kernel's limits are.
fn offset(choice: u16) -> u64 {
    match choice {
        0..400 => 1 << 40,
        400..600 => i64::MAX.cast_unsigned(),
        600..700 => i64::MAX.cast_unsigned() + 1,
        700..800 => u64::MAX,
        800..900 => i64::MAX.cast_unsigned() - 1,
        n => size(n, SIZES.len()),
    }
}

fn data(choice: u16, seed: u16) -> Vec<u8> {
    let len = size(choice, 12) as usize;
    seed.to_le_bytes().into_iter().chain(1..=251).cycle().take(len).collect()
}

fn mode(choice: u16) -> u32 {
    [0o644, 0o755, 0o600, 0, 0o4755, 0o2775, 0o1777, 0o7777, 0o111, 0o666][usize::from(choice) % 10]
}

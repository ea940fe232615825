//! The real operating system's side: a child process that makes calls of operations, and answers with what came of them.

use std::io;
use std::path::Path;
use std::process::Child;

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::compare::changes;
use super::op::{Sequence, Start};
use super::resolve::Resolver;
use super::snapshot::{self, Tree};
use crate::native::{self, Native, read_frame, write_frame};
use crate::posix::{Answer, Call, Errno, Posix, Result};
use crate::real::scratch;
use crate::serve;
use crate::tree::{self, Item};

/// A call, what the real system answered, and the tree afterwards where it was taken.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Step {
    pub freeze: bool,
    pub call: Call,
    pub answer: Result<Answer>,
    pub tree: Option<Tree>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    freeze: bool,
    call: Call,
    answer: std::result::Result<Answer, u8>,
    tree: Option<Tree>,
}

/// What is there at the start.
#[must_use]
pub fn start_tree(start: Start) -> Vec<Item> {
    match start {
        Start::Empty => Vec::new(),
        Start::Plain => SMALL.to_vec(),
        Start::Linked => SMALL.iter().chain(LINKS).copied().collect(),
    }
}

/// Names that the generated ones collide with.
const SMALL: &[Item] = &[
    Item::Dir { path: "a", mode: 0o755 },
    Item::File { path: "a/b", bytes: "a file in the layers below", mode: 0o644 },
    Item::Dir { path: "a/c", mode: 0o750 },
    Item::File { path: "a/c/a", bytes: "deep", mode: 0o755 },
    Item::Symlink { path: "a/l", target: "c" },
    Item::File { path: "b", bytes: "b\n", mode: 0o600 },
    Item::Dir { path: "c", mode: 0o700 },
    Item::Symlink { path: "l", target: "a/b" },
    Item::Symlink { path: "loop", target: "loop" },
    Item::Dir { path: "d", mode: 0o770 },
    Item::Dir { path: "d/a", mode: 0o755 },
    Item::File { path: "d/a/b", bytes: "", mode: 0o644 },
    Item::Symlink { path: "d/l", target: "/a" },
];

const LINKS: &[Item] = &[
    Item::Hard { path: "c/b", to: "b" },
    Item::File { path: "d/c", bytes: "two names, both below", mode: 0o644 },
    Item::Hard { path: "d/d", to: "d/c" },
];

/// The child that runs sequences, one after the other.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    _scratch: TempDir,
}

impl Oracle {
    /// Starts `helper`, a program that calls [`serve_if_asked`](crate::serve_if_asked), on a new scratch directory.
    ///
    /// # Errors
    /// What making the directory and starting the program give.
    pub fn start(helper: &Path) -> io::Result<Oracle> {
        let scratch = scratch()?;
        let child = serve::command(helper, serve::Service::Sequences, scratch.path()).spawn()?;
        Ok(Oracle { child, _scratch: scratch })
    }

    /// Runs a sequence from its start. The first tree is that of the start.
    ///
    /// # Errors
    /// When the child has gone: a call did what no case expects.
    pub fn run(&mut self, sequence: &Sequence) -> io::Result<(Tree, Vec<Step>)> {
        let (Some(to), Some(from)) = (self.child.stdin.as_mut(), self.child.stdout.as_mut()) else {
            return Err(io::Error::other("the child has no pipes"));
        };
        write_frame(to, &postcard::to_stdvec(sequence).map_err(io::Error::other)?)?;
        let frame = read_frame(from)?.ok_or_else(|| io::Error::other("the child has gone"))?;
        let (tree, wire): (Tree, Vec<Wire>) = postcard::from_bytes(&frame).map_err(io::Error::other)?;
        let steps = wire.into_iter().map(|Wire { freeze, call, answer, tree }| {
            let answer = match answer {
                Ok(answer) => Ok(answer),
                Err(n) => Err(*Errno::ALL.get(usize::from(n)).ok_or_else(|| io::Error::other("no such error"))?),
            };
            Ok(Step { freeze, call, answer, tree })
        });
        Ok((tree, steps.collect::<io::Result<_>>()?))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Errors mean that it has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side: serves sequences from standard input on standard output, below the directory `scratch`, which becomes the root.
pub(crate) fn serve(scratch: &Path) -> io::Result<()> {
    close_inherited()?;
    rustix::process::chdir(scratch)?;
    rustix::process::chroot(".")?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    while let Some(frame) = read_frame(&mut input)? {
        let sequence: Sequence = postcard::from_bytes(&frame).map_err(io::Error::other)?;
        let answer = run(&sequence)?;
        write_frame(&mut output, &postcard::to_stdvec(&answer).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn run(sequence: &Sequence) -> io::Result<(Tree, Vec<Wire>)> {
    let mut native = Native::default();
    rustix::process::chdir("/")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    empty_root()?;
    tree::plant(&mut native, &start_tree(sequence.start));
    let taken = |native: &mut Native| {
        let failed = |(path, errno): (Vec<u8>, Errno)| io::Error::other(format!("{}: {errno:?}", path.escape_ascii()));
        snapshot::take(native).map_err(failed)
    };
    let start = taken(&mut native)?;
    let mut resolver = Resolver::new(sequence.fifos, start.clone());
    let mut steps = Vec::new();
    for (i, op) in sequence.ops.iter().enumerate() {
        let call = resolver.call(&mut native, op);
        // A listing is read whole here and in pieces of `max` from the subject, because their order is each filesystem's own.
        let asked = match call {
            Call::ReadDir { fd, from, .. } => Call::ReadDir { fd, from, max: u32::MAX },
            ref call => call.clone(),
        };
        let answer = native.call(asked);
        // Nothing else leaves another tree; this is the kernel, whose failed calls are taken at their word.
        let tree = if answer.is_ok() && changes(&call) { taken(&mut native)? } else { resolver.tree().clone() };
        resolver.learn(&call, answer.is_ok(), tree.clone());
        let compared = (i + 1) % usize::from(sequence.every.max(1)) == 0 || i + 1 == sequence.ops.len();
        let answer = answer.map_err(native::number);
        steps.push(Wire { freeze: op.freeze, call, answer, tree: compared.then_some(tree) });
    }
    Ok((start, steps))
}

/// Leaves nothing of the last sequence.
fn empty_root() -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions("/", std::fs::Permissions::from_mode(0o755))?;
    std::os::unix::fs::chown("/", Some(0), Some(0))?;
    for entry in std::fs::read_dir("/")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { std::fs::remove_dir_all(entry.path())? } else { std::fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// Closes what this process was started with beside its standard streams, so that descriptors get the numbers that they get on a
/// subject.
fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&fd| fd > 2)
        .collect();
    for fd in open {
        // The one of the listing itself is closed already.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

//! `open` with every combination of its flags, on everything that a path can lead to.

use std::io;
use std::path::Path;

use super::oracle::Step;
use super::snapshot::{self, Tree};
use crate::posix::*;
use crate::real::RealOs;
use crate::tree;

/// What is opened. `p` is a FIFO.
const PATHS: &[&str] = &[
    "f",
    "d",
    "new",
    "lf",
    "ld",
    "dangling",
    "loop",
    "p",
    "f/",
    "d/",
    "new/",
    "lf/",
    "ld/",
    "dangling/",
    ".",
    "..",
    "/",
    "d/.",
    "d/..",
    "f/.",
    "f/x",
    "new/x",
    "lf/x",
    "loop/x",
    "",
    "//f",
    "d/../f",
];

/// The flags beside the access mode.
const FLAGS: &[Flags] = &[O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_PATH];

/// The calls, and what the real system answers: made in the order of the answers, so that they are the same on a subject.
struct Recording {
    os: RealOs,
    steps: Vec<Step>,
}

impl Recording {
    fn call(&mut self, call: Call) -> Result<Answer> {
        let answer = self.os.call(call.clone());
        self.steps.push(Step { freeze: false, call, answer: answer.clone(), tree: None });
        answer
    }

    fn open(&mut self, path: &str, flags: Flags) -> Result<Answer> {
        self.call(Call::Open { dir: Dir::Cwd, path: path.into(), flags, mode: 0o640 })
    }

    fn lstat(&mut self, path: &str) -> bool {
        self.call(Call::Stat(Target::Path { dir: Dir::Cwd, path: path.into(), follow: false })).is_ok()
    }

    fn write(&mut self, fd: Fd, text: &str) -> Result<Answer> {
        self.call(Call::Write { fd, bufs: vec![text.into()] })
    }

    /// Opens, uses what was opened, looks at the files, and leaves them as they were.
    fn one(&mut self, path: &str, flags: Flags) {
        let mut changed = false;
        if let Ok(Answer::Fd(fd)) = self.open(path, flags) {
            let _ = self.call(Call::Status(fd));
            let _ = self.call(Call::Cloexec(fd));
            let _ = self.call(Call::Stat(Target::Fd(fd)));
            changed = self.write(fd, "x").is_ok() || flags.has(O_TRUNC);
            let _ = self.call(Call::Read { fd, lens: vec![1, 2] });
            let _ = self.call(Call::Close(fd));
        }
        self.lstat("f");
        if self.lstat("new") {
            let _ = self.call(Call::Unlink { dir: Dir::Cwd, path: b"new".to_vec() });
        }
        if changed && let Ok(Answer::Fd(fd)) = self.open("f", O_RDWR) {
            let _ = self.call(Call::Read { fd, lens: vec![8] });
            let _ = self.call(Call::Truncate { target: Target::Fd(fd), size: 0 });
            let _ = self.write(fd, "hello");
            let _ = self.call(Call::Pwrite { fd, bufs: vec![b"hello".to_vec()], offset: 0 });
            let _ = self.call(Call::Truncate { target: Target::Fd(fd), size: 5 });
            let _ = self.call(Call::Close(fd));
        }
    }
}

/// The calls and the real system's answers to them, with the tree at the end. A FIFO is among the files when `fifos` says so.
///
/// # Errors
/// What starting the helper gives, and what taking the tree gives.
pub fn record(helper: &Path, fifos: bool) -> io::Result<(Tree, Vec<Step>)> {
    let failed = |(path, errno): (Vec<u8>, Errno)| io::Error::other(format!("{}: {errno:?}", path.escape_ascii()));
    let mut recording = Recording { os: RealOs::start(helper)?, steps: Vec::new() };
    tree::plant(&mut recording.os, &[]);
    let start = snapshot::take(&mut recording.os).map_err(failed)?;
    let path = |path: &str| path.as_bytes().to_vec();
    let dir = Dir::Cwd;
    let _ = recording.call(Call::Mkdir { dir, path: path("d"), mode: 0o755 });
    if let Ok(Answer::Fd(fd)) = recording.open("f", O_WRONLY | O_CREAT) {
        let _ = recording.write(fd, "hello");
        let _ = recording.call(Call::Close(fd));
    }
    for (target, at) in [("f", "lf"), ("d", "ld"), ("new", "dangling"), ("loop", "loop")] {
        let _ = recording.call(Call::Symlink { target: path(target), dir, path: path(at) });
    }
    if fifos {
        let _ = recording.call(Call::Mkfifo { dir, path: path("p"), mode: 0o600 });
    }
    for access in [O_RDONLY, O_WRONLY, O_RDWR] {
        for bits in 0..1_u32 << FLAGS.len() {
            let chosen = FLAGS.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
            let flags = chosen.fold(access, |flags, (_, flag)| flags | *flag);
            for path in PATHS {
                // A FIFO waits for its other end.
                if *path != "p" || (fifos && flags.has(O_NONBLOCK)) {
                    recording.one(path, flags);
                }
            }
        }
    }
    let tree = snapshot::take(&mut recording.os).map_err(failed)?;
    if let Some(last) = recording.steps.last_mut() {
        last.tree = Some(tree);
    }
    Ok((start, recording.steps))
}

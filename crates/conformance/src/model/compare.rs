//! Whether a backend's answers and trees are those of the real system.

use std::collections::HashMap;

use super::oracle::Step;
use super::snapshot::{Node, Tree};
use crate::case::{Lacks, Need};
use crate::posix::{Answer, Call, DirEntry, Kind, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY, Result, Stat, Time};

/// What has been seen of one subject in one sequence.
pub(super) struct Comparison {
    lacks: Lacks,
    /// The subject's inode number for each of the real system's, which are never used twice.
    inos: HashMap<u64, u64>,
    /// Both trees as they were last taken, when that was one step ago.
    last: Option<(Tree, Tree)>,
}

type Same = std::result::Result<(), String>;

fn check(same: bool, what: impl FnOnce() -> String) -> Same {
    if same { Ok(()) } else { Err(what()) }
}

/// Times that were set by a call lie before 2001.
fn was_set(time: Time) -> bool {
    time.sec < 1_000_000_000
}

impl Comparison {
    pub fn new(lacks: Lacks) -> Comparison {
        Comparison { lacks, inos: HashMap::new(), last: None }
    }

    pub fn answers(&mut self, real: &Result<Answer>, ours: &Result<Answer>) -> Same {
        match (real, ours) {
            (Ok(Answer::Stat(real)), Ok(Answer::Stat(ours))) => self.stats(real, ours),
            (Ok(Answer::Entries(real)), Ok(Answer::Entries(ours))) => self.entries(real, ours),
            (real, ours) => check(real == ours, || format!("Linux answers {}, we {}", short(real), short(ours))),
        }
    }

    fn stats(&mut self, real: &Stat, ours: &Stat) -> Same {
        let shown = |stat: &Stat| {
            let size = if stat.kind == Kind::Directory { 0 } else { stat.size };
            (stat.kind, format!("{:o}", stat.mode), stat.uid, stat.gid, size)
        };
        check(shown(real) == shown(ours), || format!("Linux has {:?}, we {:?}", shown(real), shown(ours)))?;
        check(real.nlink == ours.nlink || nlink_may_differ(self.lacks, real, ours), || {
            format!("Linux counts {} links, we {}", real.nlink, ours.nlink)
        })?;
        check((!was_set(real.mtime) && !was_set(ours.mtime)) || real.mtime == ours.mtime, || {
            format!("mtime is {:?} on Linux, {:?} here", real.mtime, ours.mtime)
        })?;
        let moves = lacking(self.lacks, &[Need::StillAccessTimes]) && !was_set(ours.atime);
        check(!was_set(real.atime) || real.atime == ours.atime || moves, || {
            format!("atime is {:?} on Linux, {:?} here", real.atime, ours.atime)
        })?;
        self.same_file(real.ino, ours.ino)
    }

    fn same_file(&mut self, real: u64, ours: u64) -> Same {
        let before = *self.inos.entry(real).or_insert(ours);
        check(before == ours, || format!("the inode number was {before} and is {ours}, of the same file"))
    }

    fn entries(&mut self, real: &[DirEntry], ours: &[DirEntry]) -> Same {
        let sorted = |entries: &[DirEntry]| {
            let mut sorted: Vec<_> = entries.iter().map(|e| (e.name.clone(), e.kind, e.ino)).collect();
            sorted.sort();
            sorted
        };
        let (real, ours) = (sorted(real), sorted(ours));
        let names = |entries: &[(Vec<u8>, Kind, u64)]| {
            entries.iter().map(|(name, kind, _)| format!("{} {kind:?}", name.escape_ascii())).collect::<Vec<_>>().join(", ")
        };
        check(names(&real) == names(&ours), || format!("Linux lists {}; we {}", names(&real), names(&ours)))?;
        for (real, ours) in real.iter().zip(&ours) {
            self.same_file(real.2, ours.2).map_err(|said| format!("in the listing, {}: {said}", real.0.escape_ascii()))?;
        }
        Ok(())
    }

    /// Compares trees; a step without any forgets the last ones.
    /// `step` left the trees; none at the start.
    pub fn trees(&mut self, step: Option<&Step>, trees: Option<(&Tree, Tree)>) -> Same {
        let Some((real, ours)) = trees else {
            self.last = None;
            return Ok(());
        };
        let paths = |tree: &Tree| tree.iter().map(|n| n.path.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        check(paths(real) == paths(&ours), || format!("the tree is {} on Linux, {} here", paths(real), paths(&ours)))?;
        let mut real_of = HashMap::new();
        for (real, ours) in real.iter().zip(&ours) {
            let at = |said: String| format!("{}: {said}", real.path.escape_ascii());
            self.stats(&real.stat, &ours.stat).map_err(at)?;
            check(real.contents == ours.contents, || at("the contents differ".into()))?;
            let first = *real_of.entry(ours.stat.ino).or_insert(real.stat.ino);
            check(first == real.stat.ino, || at(format!("the inode number {} is another file's as well", ours.stat.ino)))?;
        }
        if let (Some(step), Some((real_before, ours_before))) = (step, &self.last) {
            moved(self.lacks, step, (real_before, ours_before), (real, &ours))?;
        }
        self.last = Some((real.clone(), ours));
        Ok(())
    }
}

/// Whether the same times moved in this step. Linux's clock for file times may stand still between two changes of one directory;
/// so ours may move more in a step that changes something, and may not in one that changes nothing.
fn moved(lacks: Lacks, step: &Step, (real_before, ours_before): (&Tree, &Tree), (real, ours): (&Tree, &Tree)) -> Same {
    let changes = step.answer.is_ok() && changes(&step.call);
    let before: HashMap<u64, (&Node, &Node)> =
        real_before.iter().zip(ours_before).map(|(real, ours)| (real.stat.ino, (real, ours))).collect();
    for (real, ours) in real.iter().zip(ours) {
        let Some((real_before, ours_before)) = before.get(&real.stat.ino) else { continue };
        for (name, time) in [("mtime", (|s: &Stat| s.mtime) as fn(&Stat) -> Time), ("ctime", |s: &Stat| s.ctime)] {
            let moved = [(real, real_before), (ours, ours_before)].map(|(now, before)| time(&now.stat) != time(&before.stat));
            let may = changes || (name == "ctime" && ctime_may_move(lacks, &step.call, &real.stat));
            let coarse = lacking(lacks, &[Need::FineTimes]);
            check(moved[0] == moved[1] || (may && moved[1]) || (coarse && moved[0]), || {
                let said = if moved[0] { "moves on Linux and not here" } else { "moves here and not on Linux" };
                format!("{}: {name} {said}", real.path.escape_ascii())
            })?;
        }
    }
    Ok(())
}

fn lacking(lacks: Lacks, needs: &[Need]) -> bool {
    lacks.iter().any(|(need, _)| needs.contains(need))
}

/// Whether a directory's link count may differ so.
fn nlink_may_differ(lacks: Lacks, real: &Stat, ours: &Stat) -> bool {
    let merged = lacking(lacks, &[Need::LinkCounts, Need::LinkCountsBelow]);
    merged && real.kind == Kind::Directory && real.nlink >= 2 && ours.nlink == 1
}

/// Whether the call may be an open that copies the file up. Nothing else may move a ctime without a change.
fn ctime_may_move(lacks: Lacks, call: &Call, file: &Stat) -> bool {
    let writes = matches!(call, Call::Open { flags, .. } if flags.has(O_WRONLY) || flags.has(O_RDWR));
    lacking(lacks, &[Need::StillOnOpen, Need::StillOnOpenBelow]) && writes && file.kind == Kind::File
}

fn short(answer: &Result<Answer>) -> String {
    match answer {
        Ok(Answer::Bytes(bytes)) if bytes.len() > 60 => {
            format!(
                "{} bytes, hash {:x}",
                bytes.len(),
                bytes.iter().fold(0_u64, |h, &b| h.wrapping_mul(31).wrapping_add(b.into()))
            )
        }
        Ok(Answer::Bytes(bytes)) => format!("\"{}\"", bytes.escape_ascii()),
        other => format!("{other:?}"),
    }
}

/// Whether the call may change the tree.
pub(super) fn changes(call: &Call) -> bool {
    match call {
        Call::Open { flags, .. } => flags.has(O_CREAT) || flags.has(O_TRUNC),
        Call::Write { .. }
        | Call::Pwrite { .. }
        | Call::Allocate { .. }
        | Call::Truncate { .. }
        | Call::Chmod { .. }
        | Call::Chown { .. }
        | Call::Utimens { .. }
        | Call::Mkdir { .. }
        | Call::Mkfifo { .. }
        | Call::Symlink { .. }
        | Call::Link { .. }
        | Call::Unlink { .. }
        | Call::Rmdir { .. }
        | Call::Rename { .. } => true,
        _ => false,
    }
}

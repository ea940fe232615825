//! The calls that the oracle made, on a subject.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::compare::Comparison;
use super::op::Start;
use super::oracle::{Step, start_tree};
use super::snapshot::{self, Tree};
use crate::posix::{Answer, Call, Posix, Result};
use crate::subject::{Running, Subject};

/// Where a subject did something else than the real system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step, from 0; none for the start.
    pub step: Option<usize>,
    /// What differs.
    pub what: String,
}

/// Makes the calls of `steps` on `subject`, and compares after each.
///
/// # Errors
/// The first difference.
///
/// # Panics
/// When the subject cannot be started.
pub fn replay(subject: &dyn Subject, start: Start, first: &Tree, steps: &[Step]) -> std::result::Result<(), Difference> {
    let tree = start_tree(start);
    let mut running = subject.start(&tree).expect("the subject starts");
    let mut watcher = running.watcher();
    let mut comparison = Comparison::new(subject.lacks());
    let take = |watcher: &mut dyn Posix| {
        snapshot::take(watcher).map_err(|(path, errno)| format!("taking the tree: {}: {errno:?}", path.escape_ascii()))
    };
    let at_start = |what| Difference { step: None, what };
    let ours = take(watcher.as_mut()).map_err(at_start)?;
    comparison.trees(None, Some((first, ours))).map_err(at_start)?;
    for (i, step) in steps.iter().enumerate() {
        let failed = |what| Difference { step: Some(i), what };
        if step.freeze {
            running.pause();
        }
        let ours =
            catch_unwind(AssertUnwindSafe(|| call(running.as_mut(), &step.call))).map_err(|_| failed("it panics".into()))?;
        comparison.answers(&step.answer, &ours).map_err(failed)?;
        let trees = match &step.tree {
            Some(real) => Some((real, take(watcher.as_mut()).map_err(failed)?)),
            None => None,
        };
        comparison.trees(Some(step), trees).map_err(failed)?;
    }
    Ok(())
}

/// A listing is read in pieces, and answered whole.
fn call(running: &mut dyn Running, call: &Call) -> Result<Answer> {
    let &Call::ReadDir { fd, max, .. } = call else { return running.call(call.clone()) };
    let (mut all, mut from) = (Vec::new(), 0);
    loop {
        let Answer::Entries(part) = running.call(Call::ReadDir { fd, from, max })? else { return Ok(Answer::Done) };
        let Some(last) = part.last() else { break };
        from = last.next;
        all.extend(part);
    }
    Ok(Answer::Entries(all))
}

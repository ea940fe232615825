//! The calls that the oracle made, on a backend.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::compare::Comparison;
use super::op::Start;
use super::oracle::{Step, start_tree};
use super::snapshot::{self, Tree};
use crate::backends::{Backend, Running};
use crate::posix::{Answer, Call, Posix, Result};

/// Where a backend did something else than the real system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The step, from 0; none for the start.
    pub step: Option<usize>,
    /// What differs.
    pub what: String,
}

/// Makes the calls of `steps` on `backend`, and compares after each.
///
/// # Errors
/// The first difference.
///
/// # Panics
/// When the host gives no scratch directory.
pub fn replay(backend: Backend, start: Start, first: &Tree, steps: &[Step]) -> std::result::Result<(), Difference> {
    let tree = start_tree(start);
    let mut running = backend.start(&tree).expect("the host gives a scratch directory");
    let mut watcher = running.watcher();
    let mut comparison = Comparison::new(backend);
    let take = |watcher: &mut stratafs::Process| {
        snapshot::take(watcher).map_err(|(path, errno)| format!("taking the tree: {}: {errno:?}", path.escape_ascii()))
    };
    let at_start = |what| Difference { step: None, what };
    let ours = take(&mut watcher).map_err(at_start)?;
    comparison.trees(None, Some((first, ours))).map_err(at_start)?;
    for (i, step) in steps.iter().enumerate() {
        let failed = |what| Difference { step: Some(i), what };
        if step.freeze {
            running.freeze();
        }
        let ours = catch_unwind(AssertUnwindSafe(|| call(&mut running, &step.call))).map_err(|_| failed("it panics".into()))?;
        comparison.answers(&step.answer, &ours).map_err(failed)?;
        let trees = match &step.tree {
            Some(real) => Some((real, take(&mut watcher).map_err(failed)?)),
            None => None,
        };
        comparison.trees(Some(step), trees).map_err(failed)?;
    }
    Ok(())
}

/// A listing is read in pieces, and answered whole.
fn call(running: &mut Running, call: &Call) -> Result<Answer> {
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

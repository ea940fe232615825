//! Sequences of calls against a simple model, on memory and on overlays that are stacked and frozen meanwhile.

use std::sync::Arc;

use stratafs::overlay::Overlay;
use stratafs::{Budget, NodeRef};

use crate::counted::{self, Counted};
use crate::input::Input;
use crate::model::Model;
use crate::ops::{Guest, Op};
use crate::trees;

/// Operations in one run.
const OPS: usize = 100;
/// Overlays that are put over each other.
const STACKED: usize = 3;

/// Runs the operations that `data` says on both.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    // What does not fit is another target's.
    let budget = Budget::unlimited();
    let before = counted::open_files();
    let mut root = trees::memory(&budget);
    let mut overlay: Option<Arc<Overlay>> = None;
    let mut guest = Guest::new(Counted::over(root.clone()));
    let mut model = Model::new();
    let mut stacked = 0;
    for _ in 0..OPS {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            0..8 if stacked < STACKED => {
                stacked += 1;
                guest.close_all();
                model.close_all();
                let over = trees::over(vec![root], &budget);
                root = NodeRef::root_of(&over);
                overlay = Some(over);
                guest = Guest::new(Counted::over(root.clone()));
            }
            8..16 => drop(overlay.as_ref().map(|overlay| overlay.freeze())),
            _ => {
                let op = Op::next(&mut input, false);
                let (expected, got) = (model.run(&op), guest.run(&op));
                assert_eq!(got, expected, "{op:?}");
            }
        }
    }
    let (expected, mut got) = (model.tree(), guest.tree());
    for (one, other) in got.iter_mut().zip(&expected) {
        // What one call may move is less than the largest file.
        one.2.extend_from_slice(other.2.get(one.2.len()..).filter(|_| one.2.len() == trees::limits().call).unwrap_or_default());
    }
    assert_eq!(got, expected);
    drop((guest, overlay, root));
    assert_eq!(counted::open_files(), before, "open files are left");
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0), "the budget does not come back");
}

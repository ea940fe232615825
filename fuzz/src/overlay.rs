//! Operations on an overlay against a flat tree: memory that holds what the layers hold together.

use std::sync::Arc;

use stratafs::overlay::Overlay;
use stratafs::{Budget, NodeRef};

use crate::counted::{self, Counted};
use crate::input::Input;
use crate::ops::{Guest, Op};
use crate::trees;

/// Operations in one run.
const OPS: usize = 80;

/// The most units of work of one operation, as in [`calls`](crate::calls).
const WORK: u64 = 12_000;

/// The overlay, what holds the same tree flat, and the budget of each.
fn pair(which: usize, budget: &Budget) -> (Arc<Overlay>, NodeRef) {
    let flat = trees::memory(&Budget::unlimited());
    let planted = || {
        let lower = trees::memory(&Budget::unlimited());
        trees::plant(&lower);
        lower
    };
    trees::plant(&flat);
    let lowers = match which % 3 {
        0 => vec![planted()],
        1 => vec![NodeRef::root_of(&trees::over(vec![planted()], budget))],
        // Twice the same: what lies below is hidden, name by name.
        _ => vec![planted(), planted()],
    };
    (trees::over(lowers, budget), flat)
}

/// Runs the operations that `data` says on both.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let budget = Budget::unlimited();
    let before = counted::open_files();
    let which = input.below(3);
    let (mut overlay, flat) = pair(which, &budget);
    let counted_root = |overlay: &Arc<Overlay>| Counted::over(NodeRef::root_of(overlay));
    let (mut layered, mut plain) = (Guest::new(counted_root(&overlay)), Guest::new(flat));
    let mut forks = Vec::new();
    for _ in 0..OPS {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            0..10 => forks.push(overlay.freeze()),
            // What goes on is a fork of what was frozen; the files that were open belong to the other.
            10..14 => {
                let snapshot = overlay.freeze();
                layered.close_all();
                plain.close_all();
                overlay = Overlay::from_snapshot(&snapshot, budget.clone(), &trees::limits());
                layered = Guest::new(counted_root(&overlay));
            }
            _ => {
                let op = Op::next(&mut input, true);
                let expected = plain.run(&op);
                let _ = counted::take_work();
                let got = layered.run(&op);
                assert!(counted::take_work() <= WORK, "{op:?}");
                assert_eq!(got, expected, "{op:?}");
            }
        }
    }
    assert_eq!(layered.tree(), plain.tree());
    drop((layered, overlay, forks));
    assert_eq!(counted::open_files(), before, "open files are left");
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0), "the budget does not come back");
}

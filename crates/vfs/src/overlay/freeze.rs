//! Snapshots: freezing what has been written, and new overlays over it.

use std::sync::Arc;

use super::layer::{Layer, Part, ROOT, Stack};
use super::node::OverlayNode;
use super::{Overlay, Uppers};
use crate::{Budget, Limits};

/// A tree that never changes again: the layers of an overlay at one moment. Cloning shares it.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) stack: Arc<Stack>,
    pub(super) root: Arc<Part>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} layers)", self.stack.layers.len())
    }
}

impl Overlay {
    /// A new overlay over `snapshot`, whose changes stay in memory.
    #[must_use]
    pub fn from_snapshot(snapshot: &Snapshot, budget: Budget, limits: &Limits) -> Arc<Self> {
        let uppers = super::memory(&budget, limits);
        Self::over(snapshot.clone(), uppers, budget, limits)
    }

    /// A new overlay over `snapshot`; see [`Overlay::new`] for `uppers`.
    #[must_use]
    pub fn from_snapshot_with(snapshot: &Snapshot, uppers: Uppers, budget: Budget, limits: &Limits) -> Arc<Self> {
        Self::over(snapshot.clone(), uppers, budget, limits)
    }

    /// Freezes the tree as it is. This overlay goes on over it, with all its open files: the next write to one copies it up again.
    ///
    /// Takes the same time whatever the tree's size: an empty layer is put on top, and none when nothing has changed since the
    /// last time.
    #[must_use]
    pub fn freeze(&self) -> Snapshot {
        let fresh = (self.uppers)();
        let _tree = self.tree.lock();
        let mut gate = self.gate.write();
        let root = match self.root.live_parts() {
            Ok(parts) => parts,
            Err(_) => self.base.root.clone(),
        };
        if gate.top().is_ok_and(|top| top.is_untouched()) {
            let mut layers = gate.layers.clone();
            layers.pop();
            return Snapshot { stack: Arc::new(Stack { layers }), root };
        }
        let frozen = gate.clone();
        let mut layers = frozen.layers.clone();
        layers.push(Layer::upper(fresh, self.budget.clone()));
        *gate = Arc::new(Stack { layers });
        Snapshot { stack: frozen, root }
    }
}

impl Snapshot {
    /// The snapshot of nothing but lowers, the topmost first.
    pub(super) fn of_lowers(lowers: Vec<crate::NodeRef>) -> Option<Self> {
        let mut layers: Vec<_> = lowers.iter().cloned().map(Layer::lower).collect();
        layers.reverse();
        let count = layers.len();
        let parts = lowers.into_iter().enumerate().map(|(at, node)| (count - 1 - at, node)).collect();
        Some(Snapshot { stack: Arc::new(Stack { layers }), root: Part::list(parts)? })
    }

    pub(super) fn root_node(&self, table: &Arc<super::node::Table>) -> Arc<OverlayNode> {
        OverlayNode::directory(table, ROOT, self.root.clone(), None)
    }
}

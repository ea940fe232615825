//! Every backend, and every overlay worth telling apart, as a [`Subject`].

use std::io;
use std::sync::Arc;

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::memfs::MemFs;
use stratafs::overlay::Overlay;
use stratafs::zipfs::ZipFs;
use stratafs::{Budget, Limits, NodeRef, Result};
use stratafs_conformance::case::{Lacks, Need};
use stratafs_conformance::posix::{Answer, Call, Posix};
use stratafs_conformance::real::scratch;
use stratafs_conformance::subject::{FineClock, Running, Started, Subject, process};
use stratafs_conformance::tree::{self, Item};
use tempfile::TempDir;

/// What the root directory is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A memory layer.
    Memory,
    /// A writable host directory.
    Host,
    /// A writable host directory that nobody else changes.
    HostExclusive,
    /// An overlay whose upper layer holds the tree; no lowers.
    OverlayAlone,
    /// An overlay over a memory layer.
    OverMemory,
    /// An overlay over an archive.
    OverZip,
    /// An overlay over a read-only host directory.
    OverHost,
    /// The same, when nobody else changes the directory.
    OverHostExclusive,
    /// An overlay over two memory layers, each with half of the files.
    OverHalves,
    /// An overlay over an overlay over a memory layer.
    OverOverlay,
    /// An overlay that was frozen over its tree.
    Frozen,
    /// An overlay that is frozen again and again while the case runs.
    FrozenOftenWhileRunning,
    /// An overlay over a memory layer that is frozen where a sequence says so.
    FrozenAtTimes,
}

/// Why an overlay does not count a directory's subdirectories.
const MERGED: &str = "a merged directory has one link, as in Linux's overlayfs: counting would read every layer";

/// Why opening a file to write moves its ctime.
const COPIED: &str = "opening a file of a lower layer to write copies it up, which moves its ctime, as in Linux's overlayfs";

/// Every backend.
pub const ALL: &[Backend] = &[
    Backend::Memory,
    Backend::Host,
    Backend::HostExclusive,
    Backend::OverlayAlone,
    Backend::OverMemory,
    Backend::OverZip,
    Backend::OverHost,
    Backend::OverHostExclusive,
    Backend::OverHalves,
    Backend::OverOverlay,
    Backend::Frozen,
    Backend::FrozenAtTimes,
    Backend::FrozenOftenWhileRunning,
];

impl Subject for Backend {
    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn lacks(&self) -> Lacks {
        match self {
            Backend::Memory => &[],
            Backend::Host | Backend::HostExclusive => &[
                (Need::Fifos, "a guest's FIFO in a host directory would reach the host's processes: EPERM"),
                (Need::FineTimes, "its times are the kernel's, whose clock for them stands still for some milliseconds"),
            ],
            Backend::OverlayAlone => &[(Need::LinkCountsBelow, MERGED)],
            Backend::OverZip => &[
                (Need::HardLinksBelow, "an archive has no hard links: each name is a file of its own"),
                (Need::LinkCountsBelow, MERGED),
                (Need::StillOnOpenBelow, COPIED),
            ],
            Backend::FrozenAtTimes | Backend::FrozenOftenWhileRunning => &[
                (Need::LinkCounts, MERGED),
                (Need::LinkCountsBelow, MERGED),
                (Need::StillOnOpen, COPIED),
                (Need::StillOnOpenBelow, COPIED),
            ],
            Backend::OverMemory
            | Backend::OverHost
            | Backend::OverHostExclusive
            | Backend::OverHalves
            | Backend::OverOverlay
            | Backend::Frozen => &[(Need::LinkCountsBelow, MERGED), (Need::StillOnOpenBelow, COPIED)],
        }
    }

    fn start(&self, tree: &[Item]) -> io::Result<Box<dyn Running>> {
        let mut held = Vec::new();
        let mut overlay = None;
        let root = match self {
            Backend::Memory => memory(tree),
            Backend::Host | Backend::HostExclusive => host(
                tree,
                &mut held,
                HostOptions { writable: true, exclusive: *self == Backend::HostExclusive, ..host_options() },
            )?,
            Backend::OverlayAlone | Backend::Frozen | Backend::FrozenOftenWhileRunning => {
                let layered = over(Vec::new());
                tree::plant(&mut process(NodeRef::root_of(&layered)), tree);
                if *self == Backend::Frozen {
                    drop(layered.freeze());
                }
                let root = NodeRef::root_of(&layered);
                overlay = (*self == Backend::FrozenOftenWhileRunning).then_some(layered);
                root
            }
            Backend::FrozenAtTimes => {
                let layered = over(vec![memory(tree)]);
                let root = NodeRef::root_of(&layered);
                overlay = Some(layered);
                root
            }
            Backend::OverMemory => NodeRef::root_of(&over(vec![memory(tree)])),
            Backend::OverZip => {
                let archive = tree::zip(tree).map_err(io::Error::other)?;
                let zip = ZipFs::from_bytes("tree.zip", archive, &Limits::default()).map_err(io::Error::other)?;
                NodeRef::root_of(&over(vec![NodeRef::root_of(&zip)]))
            }
            Backend::OverHost | Backend::OverHostExclusive => {
                let options = HostOptions { exclusive: *self == Backend::OverHostExclusive, ..host_options() };
                NodeRef::root_of(&over(vec![host(tree, &mut held, options)?]))
            }
            Backend::OverHalves => NodeRef::root_of(&over(tree::halves(tree).iter().map(|half| memory(half)).collect())),
            Backend::OverOverlay => {
                let lower = over(vec![memory(tree)]);
                NodeRef::root_of(&over(vec![NodeRef::root_of(&lower)]))
            }
        };
        let often = *self == Backend::FrozenOftenWhileRunning;
        Ok(Box::new(OnLayers { started: Started::on(root), overlay, often, calls: 0, _held: held }))
    }
}

/// A process on a backend, with the host directories that it needs.
struct OnLayers {
    started: Started,
    overlay: Option<Arc<Overlay>>,
    /// Frozen again and again.
    often: bool,
    calls: u32,
    _held: Vec<TempDir>,
}

impl Running for OnLayers {
    fn watcher(&self) -> Box<dyn Posix> {
        self.started.watcher()
    }

    fn pause(&mut self) {
        if let Some(overlay) = &self.overlay {
            drop(overlay.freeze());
        }
    }
}

impl Posix for OnLayers {
    fn call(&mut self, call: Call) -> Result<Answer> {
        self.calls += 1;
        // Often enough that every case meets several, seldom enough that long ones do not pile up thousands of layers.
        if let Some(overlay) = &self.overlay
            && self.often
            && (self.calls < 40 || self.calls.is_multiple_of(50))
        {
            drop(overlay.freeze());
        }
        self.started.call(call)
    }
}

fn host_options() -> HostOptions {
    // Few descriptors, so that cases meet a full cache of directories.
    HostOptions { fds: 4, ..HostOptions::default() }
}

/// A memory layer with `tree` in it.
#[must_use]
pub fn memory(tree: &[Item]) -> NodeRef {
    let root = empty_memory();
    tree::plant(&mut process(root.clone()), tree);
    root
}

/// An overlay over `lowers` that writes to memory.
#[must_use]
pub fn over(lowers: Vec<NodeRef>) -> Arc<Overlay> {
    Overlay::new(Box::new(empty_memory), lowers, Budget::unlimited(), &Limits::default())
}

fn empty_memory() -> NodeRef {
    NodeRef::root_of(&MemFs::with_clock(Budget::unlimited(), &Limits::default(), FineClock::shared()))
}

fn host(tree: &[Item], held: &mut Vec<TempDir>, options: HostOptions) -> io::Result<NodeRef> {
    let dir = scratch()?;
    tree::plant_on_host(dir.path(), tree)?;
    let host = HostFs::open(dir.path(), options).map_err(io::Error::other)?;
    held.push(dir);
    Ok(NodeRef::root_of(&host))
}

//! Every backend, and every overlay worth telling apart, as a [`Subject`].

use std::io;
use std::sync::Arc;

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::memfs::MemFs;
use stratafs::overlay::{Overlay, Uppers};
use stratafs::zipfs::ZipFs;
use stratafs::{Budget, Limits, Namespace, NodeRef, Result};
use stratafs_conformance::case::{Lacks, Need};
use stratafs_conformance::posix::{Answer, Call, Posix};
use stratafs_conformance::real::scratch;
use stratafs_conformance::subject::{FineClock, Running, Started, Subject, process};
use stratafs_conformance::tree::{self, Item};
use tempfile::TempDir;

/// One kind of layer, with a tree in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Memory.
    Memory,
    /// A host directory.
    Host,
    /// A host directory that nobody else changes.
    HostExclusive,
    /// An archive.
    Zip,
    /// An overlay over memory.
    Overlay,
}

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
    /// An overlay that writes to the first over the second.
    Over(Kind, Kind),
    /// An overlay that writes to memory over two layers, each with half of the files.
    Halves(Kind, Kind),
    /// An overlay that was frozen over its tree.
    Frozen,
    /// An overlay that is frozen again and again while the case runs.
    FrozenOftenWhileRunning,
    /// An overlay over a memory layer that is frozen where a sequence says so.
    FrozenAtTimes,
}

const NO_FIFOS: (Need, &str) = (Need::Fifos, "a guest's FIFO in a host directory would reach the host's processes: EPERM");
const COARSE: (Need, &str) =
    (Need::FineTimes, "its times are the kernel's, whose clock for them stands still for some milliseconds");
const READ: (Need, &str) = (Need::StillAccessTimes, "the kernel moves the access time of what is read in a host directory");
const NO_HARD_LINKS: (Need, &str) = (Need::HardLinksBelow, "an archive has no hard links: each name is a file of its own");
const WHY_MERGED: &str = "a merged directory has one link, as in Linux's overlayfs: counting would read every layer";
const MERGED: (Need, &str) = (Need::LinkCountsBelow, WHY_MERGED);
const WHY_COPIED: &str = "opening a file of a lower layer to write copies it up, which moves its ctime, as in Linux's overlayfs";
const COPIED: (Need, &str) = (Need::StillOnOpenBelow, WHY_COPIED);

impl Subject for Backend {
    fn name(&self) -> String {
        format!("{self:?}")
    }

    fn lacks(&self) -> Lacks {
        match self {
            Backend::Memory => &[],
            Backend::Host | Backend::HostExclusive => &[NO_FIFOS, COARSE, READ],
            Backend::OverlayAlone => &[MERGED],
            Backend::Over(_, Kind::Zip) | Backend::Halves(Kind::Zip, _) | Backend::Halves(_, Kind::Zip) => {
                &[READ, NO_HARD_LINKS, MERGED, COPIED]
            }
            Backend::FrozenAtTimes | Backend::FrozenOftenWhileRunning => {
                &[(Need::LinkCounts, WHY_MERGED), MERGED, (Need::StillOnOpen, WHY_COPIED), COPIED]
            }
            Backend::Over(_, Kind::Host | Kind::HostExclusive) | Backend::Halves(..) => &[READ, MERGED, COPIED],
            Backend::Over(..) | Backend::Frozen => &[MERGED, COPIED],
        }
    }

    fn start(&self, tree: &[Item]) -> io::Result<Box<dyn Running>> {
        Ok(Box::new(self.on_layers(tree)?))
    }
}

impl Backend {
    /// A process on this backend, holding `tree`.
    ///
    /// # Errors
    /// What making it takes from the host.
    pub fn on_layers(&self, tree: &[Item]) -> io::Result<OnLayers> {
        let mut held = Vec::new();
        let mut overlay = None;
        let root = match *self {
            Backend::Memory => memory(tree),
            Backend::Host => host(tree, &mut held, HostOptions { writable: true, ..host_options() })?,
            Backend::HostExclusive => host(tree, &mut held, HostOptions { writable: true, exclusive: true, ..host_options() })?,
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
            Backend::Over(upper, lower) => {
                let lower = lower.holding(tree, &mut held)?;
                NodeRef::root_of(&Overlay::new(upper.uppers()?, vec![lower], Budget::unlimited(), &Limits::default()))
            }
            Backend::Halves(top, bottom) => {
                let [one, other] = tree::halves(tree);
                NodeRef::root_of(&over(vec![top.holding(&one, &mut held)?, bottom.holding(&other, &mut held)?]))
            }
        };
        let often = *self == Backend::FrozenOftenWhileRunning;
        Ok(OnLayers { started: Started::on(root), overlay, often, calls: 0, _held: held })
    }
}

impl Kind {
    /// A layer of this kind to read `tree` from.
    fn holding(self, tree: &[Item], held: &mut Vec<TempDir>) -> io::Result<NodeRef> {
        Ok(match self {
            Kind::Memory => memory(tree),
            Kind::Host => host(tree, held, host_options())?,
            Kind::HostExclusive => host(tree, held, HostOptions { exclusive: true, ..host_options() })?,
            Kind::Zip => {
                let archive = tree::zip(tree).map_err(io::Error::other)?;
                NodeRef::root_of(&ZipFs::from_bytes("tree.zip", archive, &Limits::default()).map_err(io::Error::other)?)
            }
            Kind::Overlay => NodeRef::root_of(&over(vec![memory(tree)])),
        })
    }

    /// Makes empty layers of this kind for an overlay to write to.
    ///
    /// # Errors
    /// For an archive, to which nothing can be written, and a host directory, whose nodes do not outlive their names.
    fn uppers(self) -> io::Result<Uppers> {
        match self {
            Kind::Memory => Ok(Box::new(empty_memory)),
            Kind::Overlay => Ok(Box::new(|| NodeRef::root_of(&over(Vec::new())))),
            Kind::Host | Kind::HostExclusive | Kind::Zip => Err(io::Error::other("no storage for an overlay")),
        }
    }
}

/// A process on a backend, with the host directories that it needs.
pub struct OnLayers {
    started: Started,
    overlay: Option<Arc<Overlay>>,
    /// Frozen again and again.
    often: bool,
    calls: u32,
    _held: Vec<TempDir>,
}

impl OnLayers {
    /// The tree.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.started.process.namespace().clone()
    }
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

/// One test for each arrangement of layers that is worth telling apart; the test calls `$on` with each of its backends.
#[macro_export]
macro_rules! each_backend {
    ($on:ident, $($frozen:tt)*) => {
        $crate::each_backend! { @ $on
            memory: [Memory],
            host_directory: [Host],
            host_directory_exclusive: [HostExclusive],
            overlay_alone: [OverlayAlone],
            overlay_of_memory_over_memory: [Over(K::Memory, K::Memory)],
            overlay_of_memory_over_zip: [Over(K::Memory, K::Zip)],
            overlay_of_memory_over_host_directory: [Over(K::Memory, K::Host)],
            overlay_of_memory_over_exclusive_host_directory: [Over(K::Memory, K::HostExclusive)],
            overlay_of_memory_over_overlay: [Over(K::Memory, K::Overlay)],
            overlay_of_overlay_over_memory: [Over(K::Overlay, K::Memory)],
            overlay_of_overlay_over_zip: [Over(K::Overlay, K::Zip)],
            overlay_of_overlay_over_host_directory: [Over(K::Overlay, K::Host)],
            overlay_of_overlay_over_overlay: [Over(K::Overlay, K::Overlay)],
            overlay_over_memory_and_others: [Halves(K::Memory, K::Memory), Halves(K::Memory, K::Zip), Halves(K::Memory, K::Host), Halves(K::Memory, K::Overlay)],
            overlay_over_zip_and_others: [Halves(K::Zip, K::Memory), Halves(K::Zip, K::Zip), Halves(K::Zip, K::Host), Halves(K::Zip, K::Overlay)],
            overlay_over_host_directory_and_others: [Halves(K::Host, K::Memory), Halves(K::Host, K::Zip), Halves(K::Host, K::Host), Halves(K::Host, K::Overlay)],
            overlay_over_overlay_and_others: [Halves(K::Overlay, K::Memory), Halves(K::Overlay, K::Zip), Halves(K::Overlay, K::Host), Halves(K::Overlay, K::Overlay)],
            overlay_frozen_over_its_tree: [Frozen],
            $($frozen)*
        }
    };
    (@ $on:ident $($name:ident: [$($backend:expr),*],)*) => {$(
        #[test]
        fn $name() {
            #[allow(unused_imports, reason = "not each test needs all of them")]
            use $crate::backends::{Backend::*, Kind as K};
            for backend in [$($backend),*] {
                $on(backend);
            }
        }
    )*};
}

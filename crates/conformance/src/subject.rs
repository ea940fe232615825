//! What is tested.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use stratafs::{Clock, Limits, Namespace, NodeRef, Process, Result, SystemClock, Timestamp};

use crate::case::Lacks;
use crate::posix::{Answer, Call, Posix};
use crate::tree::{self, Item};

/// Something that gives processes on a tree: a backend, or any arrangement of layers.
pub trait Subject {
    /// Its name, for reports.
    fn name(&self) -> String;

    /// What it cannot do by nature, and why. Cases that need it are left out, and sequences allow for it.
    fn lacks(&self) -> Lacks {
        &[]
    }

    /// A process whose root holds `tree` and nothing else, with no descriptors but its standard streams.
    ///
    /// # Errors
    /// What making it takes from the host.
    fn start(&self, tree: &[Item]) -> io::Result<Box<dyn Running>>;
}

/// A subject that has been started.
pub trait Running: Posix {
    /// Another process with the same root, through which the tree is looked at: so no descriptor of the tested one is taken for that.
    fn watcher(&self) -> Box<dyn Posix>;

    /// Does what no call shows, where a sequence says so: an overlay freezes.
    fn pause(&mut self) {}
}

/// A process on a root.
pub struct Started {
    /// The process.
    pub process: Process,
    root: NodeRef,
}

impl Started {
    /// A process on `root`.
    #[must_use]
    pub fn on(root: NodeRef) -> Started {
        Started { process: process(root.clone()), root }
    }
}

impl Posix for Started {
    fn call(&mut self, call: Call) -> Result<Answer> {
        self.process.call(call)
    }
}

impl Running for Started {
    fn watcher(&self) -> Box<dyn Posix> {
        Box::new(process(self.root.clone()))
    }
}

/// A writable filesystem that starts empty; trees are made in it by calls.
pub struct Writable<F> {
    name: &'static str,
    root: F,
    lacks: Lacks,
}

impl<F: Fn() -> NodeRef> Writable<F> {
    /// Each instance has the root directory that `root` gives, which must be empty.
    #[must_use]
    pub fn new(name: &'static str, root: F) -> Self {
        Writable { name, root, lacks: &[] }
    }

    /// The same, of which this is known.
    #[must_use]
    pub fn lacking(self, lacks: Lacks) -> Self {
        Writable { lacks, ..self }
    }
}

impl<F: Fn() -> NodeRef> Subject for Writable<F> {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn start(&self, tree: &[Item]) -> io::Result<Box<dyn Running>> {
        let root = (self.root)();
        tree::plant(&mut process(root.clone()), tree);
        Ok(Box::new(Started::on(root)))
    }
}

/// A process with the directory `root` at `/` and nothing else.
///
/// # Panics
/// Never: a process without preopens has nothing that could fail.
#[must_use]
pub fn process(root: NodeRef) -> Process {
    let limits = Limits::default();
    Process::builder(Namespace::new(root, &limits), limits).build().expect("three standard streams fit")
}

/// The host's clock without the coarse one's step, so that two changes never have the same time.
pub struct FineClock;

impl FineClock {
    /// One to hand to a layer.
    #[must_use]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(FineClock)
    }
}

impl Clock for FineClock {
    fn realtime(&self) -> Timestamp {
        SystemClock.realtime()
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

//! Conformance cases and random sequences of calls for filesystems behind stratafs, with the machine's own kernel as the oracle.
//!
//! Two suites, over anything that gives a [`Process`](stratafs::Process) on a tree (a [`Subject`](subject::Subject)):
//!
//! - [`case`]: some 470 named cases, each a plain function over [`Posix`](posix::Posix). They pass on Linux;
//!   [`case::run_on_host`] runs them on the kernel of this machine, [`case::run_on`] on a subject.
//! - [`model`]: random sequences of calls, made on the kernel first and on the subject after it, and compared step by step: result, error,
//!   and the whole tree. What differs is shrunk. [`model::open_flags`] is the same for `open` with every combination of its flags.
//!
//! [`table`] has what the tables of the two ABIs' functions are made with.
//!
//! The kernel's side is a child process in a scratch directory, as root (it calls `chroot`). The child is this program or another
//! that calls [`serve_if_asked`].
//!
//! # A backend of one's own
//!
//! Here the backend is stratafs's memory, behind a filesystem that forgets the sticky bit: the cases say which behaviour is another.
//!
//! ```
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use stratafs::memfs::MemFs;
//! use stratafs::{
//!     Access, Budget, Cookie, DirEntry, Entry, Filesystem, Limits, Name, NewKind, NodeRef, Opened, Removal, Result, SetAttr, Stat,
//! };
//! use stratafs_conformance::case;
//! use stratafs_conformance::subject::{FineClock, Writable};
//!
//! struct Mine(Arc<MemFs>);
//!
//! impl Filesystem for Mine {
//!     type Node = <MemFs as Filesystem>::Node;
//!
//!     fn stat(&self, node: &Self::Node) -> Result<Stat> {
//!         let stat = self.0.stat(node)?;
//!         Ok(Stat { mode: stat.mode & !0o1000, ..stat })
//!     }
//!
//!     // The others hand everything on.
//! #   fn root(&self) -> Self::Node {
//! #       self.0.root()
//! #   }
//! #   fn key(&self, node: &Self::Node) -> u64 {
//! #       self.0.key(node)
//! #   }
//! #   fn parent(&self, dir: &Self::Node) -> Result<Self::Node> {
//! #       self.0.parent(dir)
//! #   }
//! #   fn lookup(&self, dir: &Self::Node, name: Name<'_>) -> Result<Entry<Self::Node>> {
//! #       self.0.lookup(dir, name)
//! #   }
//! #   fn read_dir(&self, dir: &Self::Node, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
//! #       self.0.read_dir(dir, from, each)
//! #   }
//! #   fn open(&self, node: &Self::Node, access: Access) -> Result<Opened> {
//! #       self.0.open(node, access)
//! #   }
//! #   fn read_link(&self, node: &Self::Node) -> Result<Vec<u8>> {
//! #       self.0.read_link(node)
//! #   }
//! #   fn read_only(&self) -> bool {
//! #       false
//! #   }
//! #   fn create(&self, dir: &Self::Node, name: Name<'_>, kind: NewKind<'_>, mode: u32) -> Result<Entry<Self::Node>> {
//! #       self.0.create(dir, name, kind, mode)
//! #   }
//! #   fn remove(&self, dir: &Self::Node, name: Name<'_>, removal: Removal) -> Result<()> {
//! #       self.0.remove(dir, name, removal)
//! #   }
//! #   fn rename(&self, from_dir: &Self::Node, from: Name<'_>, to_dir: &Self::Node, to: Name<'_>) -> Result<()> {
//! #       self.0.rename(from_dir, from, to_dir, to)
//! #   }
//! #   fn link(&self, node: &Self::Node, dir: &Self::Node, name: Name<'_>) -> Result<()> {
//! #       self.0.link(node, dir, name)
//! #   }
//! #   fn set_attr(&self, node: &Self::Node, attr: &SetAttr) -> Result<()> {
//! #       self.0.set_attr(node, attr)
//! #   }
//! }
//!
//! let mine = Writable::new("mine", || {
//!     let memory = MemFs::with_clock(Budget::unlimited(), &Limits::default(), FineClock::shared());
//!     NodeRef::root_of(&Arc::new(Mine(memory)))
//! });
//! let report = case::run_on(&mine);
//! assert!(report.ran > 400);
//! assert!(report.failed.iter().any(|(case, _)| case == "directories::mkdir_keeps_the_sticky_bit"), "{report}");
//! ```
//!
//! In a test of one's own, [`Report::conclude`](case::Report::conclude) panics with all that failed. Random sequences need the kernel's
//! side as well:
//!
//! ```no_run
//! # use stratafs::{Budget, Limits, NodeRef, memfs::MemFs};
//! # fn mine() -> NodeRef { NodeRef::root_of(&MemFs::new(Budget::unlimited(), &Limits::default())) }
//! use stratafs_conformance::model::search::Search;
//! use stratafs_conformance::subject::Writable;
//!
//! stratafs_conformance::serve_if_asked();
//! let helper = std::env::current_exe().unwrap();
//! let mine = Writable::new("mine", mine);
//! let search = Search { helper, subject: &mine, cases: 1000, seed: 1 };
//! println!("{}", search.run().unwrap_or_else(|difference| panic!("{difference}")));
//! ```
//!
//! # A host of one's own
//!
//! `cargo install stratafs-conformance`, then as root `stratafs-conformance DIRECTORY [SEQUENCES [SEED]]` runs the cases on the kernel, and cases and
//! sequences on a layer over new directories in `DIRECTORY`: how a filesystem that guests will work on differs from what they expect.
#![forbid(unsafe_code)]

mod calls;
pub mod case;
pub mod cases;
pub mod model;
pub mod native;
pub mod posix;
mod process;
pub mod real;
mod serve;
pub mod subject;
pub mod table;
pub mod tree;

pub use serve::serve_if_asked;

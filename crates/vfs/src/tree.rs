//! The builder for a guest's tree of layers.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::devfs::DevFs;
use crate::faultfs::{FaultFs, Faults};
use crate::filesystem::Opened;
use crate::memfs::MemFs;
use crate::overlay::Overlay;
use crate::random::{OsRandom, Random};
use crate::zipfs::{ZipError, ZipFs};
use crate::{Access, Budget, Clock, Errno, FileKind, Limits, Name, Namespace, NewKind, NodeRef, Result, SetAttr, SystemClock};

#[cfg(unix)]
use crate::hostfs::{self, HostError, HostFs, HostOptions};

/// One layer of a tree.
#[derive(Debug, Clone)]
pub enum Layer {
    /// An empty directory in memory.
    Memory,
    /// A directory of the host.
    #[cfg(unix)]
    Host(PathBuf, HostOptions),
    /// One file of the host, read-only, alone in a directory.
    #[cfg(unix)]
    HostFile(PathBuf),
    /// A zip archive on the host, read-only.
    #[cfg(unix)]
    Zip(PathBuf),
    /// A zip archive in memory, read-only; the text names it in errors.
    ZipBytes(String, Bytes),
    /// Layers on top of each other, the first on top. The guest may write; what it writes stays in memory above them all.
    Overlay(Vec<Layer>),
    /// A directory of any filesystem, shared with whoever else holds it.
    Node(NodeRef),
}

impl Layer {
    /// A host directory, read-only.
    #[cfg(unix)]
    pub fn host(path: impl Into<PathBuf>) -> Self {
        Layer::Host(path.into(), HostOptions::default())
    }

    /// A host directory that the guest may write.
    #[cfg(unix)]
    pub fn host_writable(path: impl Into<PathBuf>) -> Self {
        Layer::Host(path.into(), HostOptions { writable: true, ..HostOptions::default() })
    }

    /// A zip archive on the host.
    #[cfg(unix)]
    pub fn zip(path: impl Into<PathBuf>) -> Self {
        Layer::Zip(path.into())
    }
}

/// Why a tree cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A host directory cannot be used.
    #[cfg(unix)]
    #[error(transparent)]
    Host(#[from] HostError),
    /// An archive cannot be used.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// A file of the host cannot be opened.
    #[error("{}: {error}", path.display())]
    Open {
        /// The host's path.
        path: PathBuf,
        /// What the host said.
        error: std::io::Error,
    },
    /// A guest path that is not absolute, or climbs.
    #[error("{path:?} is no place in the guest: write an absolute path without '..', for example /data")]
    GuestPath {
        /// The path.
        path: String,
    },
    /// Two layers at one place.
    #[error("two layers at {path}: put them on top of each other as one overlay, or give them two places")]
    Occupied {
        /// The guest's path.
        path: String,
    },
    /// Faults for a place where no layer is.
    #[error("no layer is at {path}, so that nothing can fail there: name the place of a layer, or / for the root")]
    NoLayer {
        /// The guest's path.
        path: String,
    },
    /// Making or mounting something at a guest path failed.
    #[error("{path}: {errno} ({})", errno.name())]
    At {
        /// The guest's path.
        path: String,
        /// Why.
        errno: Errno,
    },
}

/// A guest's tree while it is put together: layers at places, with memory at `/` unless told otherwise, `/tmp`, `/dev` and `/proc`.
///
/// ```
/// use stratafs::{Layer, Limits, Tree};
///
/// let tree = Tree::new(Limits::default())
///     .layer("/data", Layer::Memory)
///     .file("/etc/motd", "hello\n")
///     .build()?;
/// # Ok::<(), stratafs::TreeError>(())
/// ```
pub struct Tree {
    limits: Limits,
    budget: Budget,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    layers: Vec<(Vec<u8>, Layer)>,
    files: Vec<(Vec<u8>, Bytes)>,
    faults: Vec<(Vec<u8>, Faults)>,
}

impl Tree {
    /// A tree with memory at `/` and a budget of its own, taken from `limits`.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let budget = Budget::of(&limits);
        let (clock, random) = (Arc::new(SystemClock), Arc::new(OsRandom));
        Tree { limits, budget, clock, random, layers: Vec::new(), files: Vec::new(), faults: Vec::new() }
    }

    /// The budget that every writable layer of this tree is charged to.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Puts `layer` at the absolute guest path `at`; at `/` it takes the place of the memory.
    #[must_use]
    pub fn layer(mut self, at: impl Into<Vec<u8>>, layer: Layer) -> Self {
        self.layers.push((at.into(), layer));
        self
    }

    /// Puts a file with these contents at the absolute guest path `at`, with the directories above it.
    #[must_use]
    pub fn file(mut self, at: impl Into<Vec<u8>>, contents: impl Into<Bytes>) -> Self {
        self.files.push((at.into(), contents.into()));
        self
    }

    /// What goes wrong in the layer at the absolute guest path `at`, from the moment on when the tree is built. See [`faultfs`](crate::faultfs).
    #[must_use]
    pub fn faults(mut self, at: impl Into<Vec<u8>>, faults: Faults) -> Self {
        self.faults.push((at.into(), faults));
        self
    }

    /// Where the times of files in memory come from.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source of `/dev/random`.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// The finished tree.
    ///
    /// # Errors
    /// The first thing that is wrong, checked in this order: guest paths, two layers at one place, faults without a layer, each layer from the
    /// root down, files.
    pub fn build(self) -> Result<Namespace, TreeError> {
        let mut layers = Vec::new();
        for (at, layer) in &self.layers {
            layers.push((guest_path(at)?, layer));
        }
        layers.sort_by_key(|(at, _)| at.len());
        if let Some((twice, _)) = layers.iter().zip(layers.iter().skip(1)).find(|(one, next)| one.0 == next.0) {
            return Err(TreeError::Occupied { path: show_path(&joined(&twice.0)) });
        }
        let faults = self.faults_by_place(&layers)?;
        let memory = (Vec::new(), &Layer::Memory);
        let root = if layers.first().is_some_and(|(at, _)| at.is_empty()) { layers.remove(0) } else { memory };
        let root = self.node(root.1)?;
        for (at, contents) in &self.files {
            self.put(&root, &guest_path(at)?, contents).map_err(|errno| TreeError::At { path: show_path(at), errno })?;
        }
        let free = |at: &[u8]| !layers.iter().any(|(taken, _)| joined(taken) == at);
        let tmp_is_missing = free(b"/tmp") && !make_tmp(&root);
        let mut ns = Namespace::new(faulty(root, &faults, b"/"), &self.limits);
        let mut mount =
            |at: &[u8], node: NodeRef| ns.mount(at, node, false).map_err(|errno| TreeError::At { path: show_path(at), errno });
        if tmp_is_missing {
            mount(b"/tmp", self.node(&Layer::Memory)?)?;
        }
        for (at, devices) in [(&b"/dev"[..], DevFs::dev(self.random.clone())), (b"/proc", DevFs::proc(self.random.clone()))] {
            if free(at) {
                mount(at, NodeRef::root_of(&devices))?;
            }
        }
        for (at, layer) in &layers {
            let at = joined(at);
            mount(&at, faulty(self.node(layer)?, &faults, &at))?;
        }
        faults.iter().for_each(|(_, faults)| faults.pause(false));
        Ok(ns)
    }

    /// The faults by the paths of their layers, paused: building is not what they are for.
    fn faults_by_place(&self, layers: &[(Vec<Vec<u8>>, &Layer)]) -> Result<Vec<(Vec<u8>, Faults)>, TreeError> {
        let each = |(at, faults): &(Vec<u8>, Faults)| {
            let names = guest_path(at)?;
            if !names.is_empty() && !layers.iter().any(|(taken, _)| *taken == names) {
                return Err(TreeError::NoLayer { path: show_path(&joined(&names)) });
            }
            faults.pause(true);
            Ok((joined(&names), faults.clone()))
        };
        self.faults.iter().map(each).collect()
    }

    fn memory(&self) -> Arc<MemFs> {
        MemFs::with_clock(self.budget.clone(), &self.limits, self.clock.clone())
    }

    fn node(&self, layer: &Layer) -> Result<NodeRef, TreeError> {
        Ok(match layer {
            Layer::Memory => NodeRef::root_of(&self.memory()),
            #[cfg(unix)]
            Layer::Host(path, options) => NodeRef::root_of(&HostFs::open(path, options.clone())?),
            #[cfg(unix)]
            Layer::HostFile(path) => NodeRef::root_of(&HostFs::single_file(path, HostOptions::default())?),
            #[cfg(unix)]
            Layer::Zip(path) => {
                let open = |error| TreeError::Open { path: path.clone(), error };
                let file = hostfs::open_archive(path).map_err(open)?;
                NodeRef::root_of(&ZipFs::from_file(&path.display().to_string(), file, &self.limits)?)
            }
            Layer::ZipBytes(label, bytes) => NodeRef::root_of(&ZipFs::from_bytes(label, bytes.clone(), &self.limits)?),
            Layer::Overlay(lowers) => {
                let lowers = lowers.iter().map(|lower| self.node(lower)).collect::<Result<_, _>>()?;
                let (budget, limits, clock) = (self.budget.clone(), self.limits.clone(), self.clock.clone());
                let uppers = move || NodeRef::root_of(&MemFs::with_clock(budget.clone(), &limits, clock.clone()));
                NodeRef::root_of(&Overlay::new(Box::new(uppers), lowers, self.budget.clone(), &self.limits))
            }
            Layer::Node(node) => node.clone(),
        })
    }

    fn put(&self, root: &NodeRef, names: &[Vec<u8>], contents: &Bytes) -> Result<()> {
        let (last, above) = names.split_last().ok_or(Errno::EISDIR)?;
        let mut dir = root.clone();
        for name in above {
            let name = Name::new(name)?;
            dir = match dir.lookup(name) {
                Err(Errno::ENOENT) => dir.create(name, NewKind::Directory, 0o755)?.node,
                found => found?.node,
            };
        }
        let file = dir.create(Name::new(last)?, NewKind::File, 0o644)?.node;
        if contents.is_empty() {
            return Ok(());
        }
        let Opened::File(handle) = file.open(Access::WRITE)? else { return Err(Errno::EISDIR) };
        let written = handle.write_at(&[IoSlice::new(contents)], 0)?;
        if written < contents.len() { Err(Errno::ENOSPC) } else { Ok(()) }
    }
}

/// `node`, under the faults of the layer at `at`.
fn faulty(node: NodeRef, faults: &[(Vec<u8>, Faults)], at: &[u8]) -> NodeRef {
    let here = faults.iter().filter(|(place, _)| place == at);
    here.fold(node, |node, (_, faults)| NodeRef::root_of(&FaultFs::over(node, faults.clone())))
}

/// Makes `/tmp` in the root layer for everyone to write; false when that layer has none and cannot be changed.
fn make_tmp(root: &NodeRef) -> bool {
    let Ok(name) = Name::new(b"tmp") else { return false };
    match root.lookup(name) {
        Ok(found) => found.kind == FileKind::Directory && !root.read_only(),
        Err(_) => {
            !root.read_only()
                && root
                    .create(name, NewKind::Directory, 0o777)
                    .is_ok_and(|made| made.node.set_attr(&SetAttr::mode(0o1777)).is_ok())
        }
    }
}

/// The names of an absolute guest path.
fn guest_path(path: &[u8]) -> Result<Vec<Vec<u8>>, TreeError> {
    let bad = || TreeError::GuestPath { path: String::from_utf8_lossy(path).into_owned() };
    let names = path.strip_prefix(b"/").ok_or_else(bad)?.split(|&b| b == b'/').filter(|name| !name.is_empty() && *name != b".");
    names.map(|name| Name::new(name).map(|name| name.as_bytes().to_vec()).map_err(|_| bad())).collect()
}

fn joined(names: &[Vec<u8>]) -> Vec<u8> {
    [&b"/"[..], &names.join(&b'/')].concat()
}

fn show_path(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// The guest path that a host path gets when none is given: `/` and the last component of the real path.
///
/// # Errors
/// What finding the real path gives; an error of kind `InvalidInput` when it has no last component (the host's root).
pub fn default_guest_path(host: &Path) -> std::io::Result<String> {
    let real = host.canonicalize()?;
    let last = real.file_name().ok_or_else(|| {
        let why = format!("{} has no name of its own: say where it goes, for example {}::/host", real.display(), real.display());
        std::io::Error::new(std::io::ErrorKind::InvalidInput, why)
    })?;
    Ok(format!("/{}", last.to_string_lossy()))
}

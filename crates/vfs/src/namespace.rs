//! The guest's one tree: filesystems mounted on directories of each other.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::filesystem::{Entry, Filesystem, Opened};
use crate::node::NodeRef;
use crate::walk::{Done, Op, Step, Walk};
use crate::{Access, Cookie, DirEntry, Errno, FileKind, Limits, Name, Result, Stat};

/// A mount's place in its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MountId(u32);

impl MountId {
    /// The mount at `/`.
    pub const ROOT: MountId = MountId(0);
}

/// A file and the mount through which it was reached.
#[derive(Debug, Clone)]
pub struct Place {
    /// The mount.
    pub mount: MountId,
    /// The file in that mount's filesystem.
    pub node: NodeRef,
}

#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub root: NodeRef,
    pub root_key: u64,
    /// Whether `root` is the top of its filesystem, and not a directory in it.
    pub whole: bool,
    pub dev: u64,
    pub read_only: bool,
    /// The directory that it is mounted in; the root mount has none.
    above: Option<Place>,
    children: Vec<Child>,
    /// All of `children` hang in the directory `root` itself.
    pub only_at_root: bool,
}

impl Mount {
    fn new(root: NodeRef, dev: u64, read_only: bool, above: Option<Place>) -> Self {
        let root_key = root.key();
        let whole = root.parent().is_ok_and(|above| above.key() == root_key);
        Mount { root, root_key, whole, dev, read_only, above, children: Vec::new(), only_at_root: true }
    }

    /// The mount on `name` in this mount's directory whose key is `dir_key`.
    #[inline]
    pub(crate) fn child(&self, dir_key: impl FnOnce() -> u64, name: Name<'_>) -> Option<MountId> {
        if self.children.is_empty() {
            return None;
        }
        let key = dir_key();
        if self.only_at_root && key != self.root_key {
            return None;
        }
        self.children.iter().find(|c| c.dir_key == key && *c.name == *name.as_bytes()).map(|c| c.mount)
    }
}

#[derive(Debug, Clone)]
struct Child {
    dir_key: u64,
    name: Box<[u8]>,
    mount: MountId,
}

/// Which filesystem stands where in a guest's tree.
///
/// A mount hangs on a directory and a name in it: it moves with the directory, appears in its listing, and cannot be removed or
/// renamed (`EBUSY`). Directories on the way that do not exist are made by the namespace, read-only, never in a layer.
#[derive(Debug, Clone)]
pub struct Namespace {
    mounts: Vec<Mount>,
    path_max: usize,
    symlinks_max: u32,
    depth_max: u32,
}

/// Resolves the process's own descriptors for `/dev/fd`.
pub(crate) trait OwnFds {
    fn directory(&self, fd: u32) -> Result<Place>;
}

impl Namespace {
    /// A tree with the directory `root` at `/`.
    #[must_use]
    pub fn new(root: NodeRef, limits: &Limits) -> Self {
        let mounts = vec![Mount::new(root, 1, false, None)];
        Namespace { mounts, path_max: limits.path, symlinks_max: limits.symlinks, depth_max: limits.depth }
    }

    /// Mounts the directory `root` at the absolute path `at`, over whatever is there. An outer mount comes before those inside it.
    ///
    /// # Errors
    /// `ENOTDIR` when `root` is none; `EINVAL` when `at` is not absolute, is `/` or has a `..`; `EBUSY` when something is mounted there already;
    /// what resolving `at` gives, a link on the way being `ENOTDIR`. Nothing is mounted then.
    pub fn mount(&mut self, at: &[u8], root: NodeRef, read_only: bool) -> Result<()> {
        if root.stat()?.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let (dir, name) = self.mount_point(at)?;
        if self.mounted_on(dir.mount, || dir.node.key(), Name::new(&name)?).is_some() {
            return Err(Errno::EBUSY);
        }
        self.attach(dir, &name, root, read_only);
        Ok(())
    }

    /// The directory for a mount at `at`, with stand-ins for what is missing, and the last name.
    fn mount_point(&mut self, at: &[u8]) -> Result<(Place, Vec<u8>)> {
        if at.first() != Some(&b'/') {
            return Err(Errno::EINVAL);
        }
        let mut names: Vec<&[u8]> = at.split(|&b| b == b'/').filter(|n| !n.is_empty() && *n != b".").collect();
        // Before the first stand-in is made.
        names.iter().try_for_each(|name| Name::new(name).map(drop))?;
        let last = names.pop().ok_or(Errno::EINVAL)?.to_vec();
        let mut dir = self.root();
        for name in names {
            let name = Name::new(name)?;
            dir = match self.mounted_on(dir.mount, || dir.node.key(), name) {
                Some(mount) => self.root_of(mount),
                None => match dir.node.lookup(name) {
                    Ok(Entry { node, kind: FileKind::Directory }) => Place { mount: dir.mount, node },
                    Ok(_) => return Err(Errno::ENOTDIR),
                    Err(Errno::ENOENT) => {
                        let stand_in = NodeRef::root_of(&Arc::new(StandIn));
                        let mount = self.attach(dir, name.as_bytes(), stand_in, true);
                        self.root_of(mount)
                    }
                    Err(errno) => return Err(errno),
                },
            };
        }
        Ok((dir, last))
    }

    fn attach(&mut self, dir: Place, name: &[u8], root: NodeRef, read_only: bool) -> MountId {
        let id = MountId(u32::try_from(self.mounts.len()).unwrap_or(u32::MAX));
        let same = self.mounts.iter().find(|m| m.root.same_filesystem(&root)).map(|m| m.dev);
        let dev = same.unwrap_or(self.mounts.len() as u64 + 1);
        if let Some(mount) = self.mounts.get_mut(dir.mount.0 as usize) {
            let dir_key = dir.node.key();
            mount.only_at_root &= dir_key == mount.root_key;
            mount.children.push(Child { dir_key, name: name.into(), mount: id });
        }
        self.mounts.push(Mount::new(root, dev, read_only, Some(dir)));
        id
    }

    /// The guest's root directory.
    #[must_use]
    pub fn root(&self) -> Place {
        self.root_of(MountId::ROOT)
    }

    fn root_of(&self, id: MountId) -> Place {
        Place { mount: id, node: self.mount_of(id).root.clone() }
    }

    /// Every mount's path-independent identity: the root node of each, the guest's root first.
    pub fn roots(&self) -> impl Iterator<Item = &NodeRef> {
        self.mounts.iter().map(|mount| &mount.root)
    }

    /// What `..` means at the root of `place`'s mount.
    pub(crate) fn above(&self, place: &Place) -> NodeRef {
        let above = self.mount_of(place.mount).above.as_ref();
        above.map_or_else(|| self.mount_of(MountId::ROOT).root.clone(), |above| above.node.clone())
    }

    pub(crate) fn path_max(&self) -> usize {
        self.path_max
    }

    pub(crate) fn symlinks_max(&self) -> u32 {
        self.symlinks_max
    }

    pub(crate) fn depth_max(&self) -> u32 {
        self.depth_max
    }

    #[expect(clippy::indexing_slicing, reason = "the first mount is the root, which every namespace has")]
    pub(crate) fn mount_of(&self, id: MountId) -> &Mount {
        // Ids come from `attach` alone and mounts are never taken away; the first mount stands in for an id of another tree.
        self.mounts.get(id.0 as usize).unwrap_or(&self.mounts[0])
    }

    /// The mount on `name` in the directory of `mount` whose key is `dir_key`.
    pub(crate) fn mounted_on(&self, mount: MountId, dir_key: impl FnOnce() -> u64, name: Name<'_>) -> Option<MountId> {
        self.mount_of(mount).child(dir_key, name)
    }

    /// Whether anything is mounted in the directory below the root of `mount` whose key is given. Cheap when nothing is mounted in
    /// `mount`, or in its root only.
    pub(crate) fn is_mounted_in(&self, mount: MountId, dir_key: impl FnOnce() -> Option<u64>) -> bool {
        let Mount { children, only_at_root, .. } = self.mount_of(mount);
        !only_at_root && dir_key().is_some_and(|key| children.iter().any(|c| c.dir_key == key))
    }

    /// Names that are mounted in a directory, with the roots of the mounts.
    pub(crate) fn mounts_in(&self, dir: &Place) -> Vec<(Box<[u8]>, NodeRef)> {
        let children = &self.mount_of(dir.mount).children;
        if children.is_empty() {
            return Vec::new();
        }
        let key = dir.node.key();
        let here = children.iter().filter(|c| c.dir_key == key);
        here.map(|c| (c.name.clone(), self.mount_of(c.mount).root.clone())).collect()
    }

    /// Runs `walk` from `start` to its end, across mounts.
    pub(crate) fn resolve(&self, walk: &mut Walk<'_>, start: &NodeRef, op: &Op<'_>, fds: &dyn OwnFds) -> Result<Done> {
        let mut held: NodeRef;
        let mut at = start;
        if walk.path.first() == Some(&b'/') {
            walk.mount = MountId::ROOT;
            at = &self.mount_of(MountId::ROOT).root;
        }
        loop {
            match at.walk(walk, op)? {
                Step::Done(done) => return Ok(done),
                Step::Down(child) => {
                    walk.mount = child;
                    at = &self.mount_of(child).root;
                }
                Step::Up => match &self.mount_of(walk.mount).above {
                    Some(above) => {
                        walk.mount = above.mount;
                        at = &above.node;
                    }
                    None => at = &self.mount_of(MountId::ROOT).root,
                },
                Step::Root => {
                    walk.mount = MountId::ROOT;
                    at = &self.mount_of(MountId::ROOT).root;
                }
                Step::Fd(fd) => {
                    let place = fds.directory(fd)?;
                    walk.mount = place.mount;
                    held = place.node;
                    at = &held;
                }
            }
        }
    }

    /// The absolute path of a directory, for `getcwd`.
    ///
    /// # Errors
    /// `ENOENT` when it or a directory above it has been removed.
    pub fn path_of(&self, dir: &Place) -> Result<Vec<u8>> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut length = 1;
        let mut at = dir.clone();
        loop {
            let mount = self.mount_of(at.mount);
            if at.node.key() == mount.root_key {
                let Some(above) = &mount.above else { break };
                let parent = self.mount_of(above.mount);
                let child = parent.children.iter().find(|c| c.mount == at.mount).ok_or(Errno::ENOENT)?;
                names.push(child.name.to_vec());
                at = above.clone();
            } else {
                names.push(at.node.name_of()?);
                at = Place { mount: at.mount, node: at.node.parent()? };
            }
            length += names.last().map_or(0, Vec::len) + 1;
            if length > self.path_max {
                return Err(Errno::ENAMETOOLONG);
            }
        }
        let mut path = Vec::with_capacity(length);
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(path)
    }
}

/// A read-only directory without entries of its own: what stands on the way to a mount point that no layer has.
struct StandIn;

impl Filesystem for StandIn {
    type Node = ();

    fn root(&self) {}

    fn key(&self, (): &()) -> u64 {
        1
    }

    fn parent(&self, (): &()) -> Result<()> {
        Ok(())
    }

    fn lookup(&self, (): &(), _: Name<'_>) -> Result<Entry<()>> {
        Err(Errno::ENOENT)
    }

    fn stat(&self, (): &()) -> Result<Stat> {
        Ok(Stat::new(1, FileKind::Directory))
    }

    fn read_dir(&self, (): &(), _: Cookie, _: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        Ok(())
    }

    fn open(&self, (): &(), access: Access) -> Result<Opened> {
        if access.mutates() { Err(Errno::EISDIR) } else { Ok(Opened::Directory) }
    }
}

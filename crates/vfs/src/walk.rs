//! The one path walk. Nothing else splits a path or follows a symbolic link.
//!
//! [`walk_in`] runs inside one filesystem, on its own node type, and takes the last operation with it, so that a `stat` makes no
//! erased node at all. It stops at a mount crossing, at an absolute link and at a link to an own descriptor; the namespace goes on from there.

mod open;

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use self::open::{open_directory, open_entry, open_last};
use crate::filesystem::{Entry, Filesystem, Opened};
use crate::namespace::{Mount, MountId, Namespace, Place};
use crate::node::NodeRef;
use crate::open_how::OpenHow;
use crate::{Errno, FileKind, Name, Names, NewKind, Removal, Result, SetAttr, Stat, StatFs};

/// What `..` and absolute links may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// `..` at the guest's root stays there; absolute links start again at it.
    Clamp,
    /// Leaving the starting directory is `EPERM`, even for a moment (`openat2` with `RESOLVE_BENEATH`).
    Deny,
}

/// What to do with what the path leads to.
pub(crate) enum Op<'a> {
    /// It ends on a file that is there.
    Found { follow: bool, then: Found<'a> },
    /// It ends on a name in a directory.
    Last(Last<'a>),
    /// It ends on a file that is opened, or made first. The mode is in `OpenHow`, the umask taken off.
    Open(&'a OpenHow),
}

pub(crate) enum Found<'a> {
    /// The attributes go straight to where they are wanted: handed up in [`Done`] they would be copied at every step.
    Stat(&'a Cell<Option<Stat>>),
    Place,
    SetAttr(&'a SetAttr),
    ReadLink,
    StatFs,
}

pub(crate) enum Last<'a> {
    Create(NewKind<'a>, u32),
    Remove(Removal),
    /// The directory and where the name stands in [`Walk::path`].
    Parent,
}

/// The result of an [`Op`].
pub(crate) enum Done {
    Unit,
    StatFs(StatFs),
    Target(Vec<u8>),
    Place(Place, FileKind),
    Opened {
        opened: Option<Opened>,
        place: Place,
        kind: FileKind,
    },
    Parent {
        place: Place,
        last: Option<Component>,
    },
    /// The path ends on one of the process's own descriptors, or on the link to it, with the link's attributes.
    SelfFd {
        fd: u32,
        link: Option<Box<Stat>>,
    },
}

/// How the walk inside one filesystem ended.
pub(crate) enum Step {
    Done(Done),
    /// Go on at the root of that mount.
    Down(MountId),
    /// Go on in the directory above the current mount.
    Up,
    /// Go on at the guest's root.
    Root,
    /// Go on in the directory behind the process's descriptor.
    Fd(u32),
}

/// One component: where its name stands in the path, and what comes after it.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub range: Range<usize>,
    pub last: bool,
    pub slash: bool,
}

/// The state of one resolution.
pub(crate) struct Walk<'a> {
    pub ns: &'a Namespace,
    pub mount: MountId,
    pub path: Cow<'a, [u8]>,
    at: usize,
    links_left: u32,
    /// How many directories [`check_below`] may still look at.
    climbs_left: u32,
    /// Whether attributes are still asked for by the whole rest of the path at once.
    whole: bool,
    pub escape: Escape,
    /// Under [`Escape::Deny`], the keys of the directories that were left downwards: what `..` must lead back to, so that a directory
    /// which somebody moves meanwhile is no way out.
    trail: SmallVec<[u64; 16]>,
}

/// Paths are short: looking at every byte, several at a time, is cheaper than stopping at the first NUL.
fn has_nul(path: &[u8]) -> bool {
    let (chunks, rest) = path.as_chunks::<16>();
    let nul_in = |chunk: &[u8]| chunk.iter().fold(false, |found, &b| found | (b == 0));
    chunks.iter().any(|chunk| nul_in(chunk)) || nul_in(rest)
}

/// Cuts off the name at the end of a path: what stands before it, and the name's component. `None` for a dot name, or with a slash behind it.
pub(crate) fn split_last(path: &[u8]) -> Option<(&[u8], Component)> {
    let start = path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1);
    let (before, name) = path.split_at_checked(start)?;
    let last = Component { range: start..path.len(), last: true, slash: false };
    (!matches!(name, b"" | b"." | b"..")).then_some((before, last))
}

impl<'a> Walk<'a> {
    /// A walk of `path` from the guest's root, until it is told another start.
    ///
    /// # Errors
    /// `ENOENT` for the empty path, `ENAMETOOLONG` past the limit, `EINVAL` for a NUL.
    pub fn new(ns: &'a Namespace, path: &'a [u8]) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path.len() >= ns.path_max() {
            return Err(Errno::ENAMETOOLONG);
        }
        if has_nul(path) {
            return Err(Errno::EINVAL);
        }
        Ok(Walk {
            ns,
            mount: MountId::ROOT,
            path: Cow::Borrowed(path),
            at: 0,
            links_left: ns.symlinks_max(),
            climbs_left: ns.depth_max(),
            whole: true,
            escape: Escape::Clamp,
            trail: SmallVec::new(),
        })
    }

    /// The name of a component that [`next`](Walk::next) gave.
    pub fn name(&self, component: &Component) -> Result<Name<'_>> {
        Name::component(self.bytes(component))
    }

    /// The same, unless the component is a dot name or too long.
    #[inline]
    pub fn plain(&self, component: &Component) -> Option<Name<'_>> {
        let bytes = self.bytes(component);
        if matches!(bytes, b"." | b"..") { None } else { Name::component(bytes).ok() }
    }

    /// The path from `component` on, when it is nothing but plain names with one slash between each two.
    pub fn plain_rest(&self, component: &Component) -> Option<&[u8]> {
        let rest = self.path.get(component.range.start..)?;
        let plain = |name: &[u8]| !matches!(name, b"" | b"." | b"..") && Name::component(name).is_ok();
        rest.split(|&b| b == b'/').all(plain).then_some(rest)
    }

    #[inline]
    fn bytes(&self, component: &Component) -> &[u8] {
        self.path.get(component.range.clone()).unwrap_or_default()
    }

    /// Cuts off the next component. Slashes are skipped before and behind it.
    #[inline]
    pub fn next(&mut self) -> Option<Component> {
        let path = &*self.path;
        let mut at = self.at;
        while path.get(at) == Some(&b'/') {
            at += 1;
        }
        let start = at;
        while path.get(at).is_some_and(|&b| b != b'/') {
            at += 1;
        }
        let end = at;
        while path.get(at) == Some(&b'/') {
            at += 1;
        }
        self.at = at;
        (start < end).then_some(Component { range: start..end, last: at == path.len(), slash: at > end })
    }

    fn read_only<F: Filesystem>(&self, fs: &F) -> bool {
        fs.read_only() || self.ns.mount_of(self.mount).read_only
    }

    fn place<F: Filesystem>(&self, fs: &Arc<F>, node: F::Node) -> Place {
        Place { mount: self.mount, node: NodeRef::new(fs, node) }
    }

    /// Notes that the directory with that key was left downwards.
    #[inline]
    pub fn left(&mut self, from: impl FnOnce() -> u64) {
        if self.escape == Escape::Deny {
            self.trail.push(from());
        }
    }

    /// The key that the directory above must have, when that matters.
    fn ascend(&mut self) -> Result<Option<u64>> {
        match self.escape {
            Escape::Clamp => Ok(None),
            Escape::Deny => self.trail.pop().map(Some).ok_or(Errno::EPERM),
        }
    }

    /// Puts the target of a link before the rest of the path. Answers where to go on when that is not the link's directory.
    ///
    /// # Errors
    /// `ELOOP` for one link too many; `EPERM` for an absolute link or one to an own descriptor that would leave the start; `ENOENT` for an
    /// empty target, `ENAMETOOLONG` for one as long as no link may be, `EIO` for one with a NUL, which no filesystem should give.
    fn follow<F: Filesystem>(&mut self, fs: &F, node: &F::Node, component: &Component) -> Result<Option<Step>> {
        self.links_left = self.links_left.checked_sub(1).ok_or(Errno::ELOOP)?;
        if let Some(fd) = fs.self_fd(node) {
            if self.escape == Escape::Deny {
                return Err(Errno::EPERM);
            }
            return Ok(Some(if component.last && !component.slash {
                Step::Done(Done::SelfFd { fd, link: None })
            } else {
                Step::Fd(fd)
            }));
        }
        let mut path = fs.read_link(node)?;
        let absolute = match path.first() {
            None => return Err(Errno::ENOENT),
            Some(first) => *first == b'/',
        };
        if absolute && self.escape == Escape::Deny {
            return Err(Errno::EPERM);
        }
        if path.len() >= self.ns.path_max() {
            return Err(Errno::ENAMETOOLONG);
        }
        if has_nul(&path) {
            return Err(Errno::EIO);
        }
        path.extend_from_slice(self.path.get(component.range.end..).unwrap_or_default());
        self.path = Cow::Owned(path);
        self.at = 0;
        self.whole = true;
        Ok(absolute.then_some(Step::Root))
    }
}

/// What `ask` finds at the end of the path from `component` on, when the filesystem goes there in one step.
#[inline]
fn at_once<'a, T>(
    walk: &mut Walk<'a>,
    mount: &'a Mount,
    component: &Component,
    ask: impl FnOnce(&mut Names<'_, 'a>) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let (at, left) = (walk.at, walk.trail.len());
    let found = ask(&mut Names::new(walk, mount, component.clone(), true))?;
    if found.is_none() {
        walk.at = at;
        walk.trail.truncate(left);
        // Asking again after each name would make long paths dear.
        walk.whole = false;
    }
    Ok(found)
}

/// Does `op` at the end of the path from `component` on, when the filesystem goes there in one step.
#[inline]
fn do_at_once<F: Filesystem>(
    fs: &Arc<F>,
    dir: &F::Node,
    walk: &mut Walk<'_>,
    op: &Op<'_>,
    component: &Component,
) -> Result<Option<Done>> {
    let mount = walk.ns.mount_of(walk.mount);
    match op {
        Op::Found { then: Found::Stat(to), .. } => {
            let done = at_once(walk, mount, component, |names| {
                let stat = fs.stat_at(dir, names)?;
                Ok(stat.map(|stat| to.set(Some(Stat { dev: mount.dev, ..stat }))))
            })?;
            Ok(done.map(|()| Done::Unit))
        }
        Op::Open(OpenHow { create: true, .. }) | Op::Last(_) => Ok(None),
        Op::Open(_) | Op::Found { .. } => {
            let found = at_once(walk, mount, component, |names| {
                Ok(fs.lookup_at(dir, names)?.filter(|entry| entry.kind != FileKind::Symlink))
            })?;
            let Some(Entry { node, kind }) = found else { return Ok(None) };
            match op {
                Op::Open(how) => open_entry(fs, node, kind, walk, how),
                Op::Found { then, .. } => at_found(fs, &node, kind, walk, then),
                Op::Last(_) => return Ok(None),
            }
            .map(Some)
        }
    }
}

/// Walks inside `fs` from `start`, and does `op` there if the path ends there.
pub(crate) fn walk_in<F: Filesystem>(fs: &Arc<F>, start: &F::Node, walk: &mut Walk<'_>, op: &Op<'_>) -> Result<Step> {
    let mount = walk.ns.mount_of(walk.mount);
    let mut dir = Cow::<F::Node>::Borrowed(start);
    loop {
        let Some(mut component) = walk.next() else {
            return at_directory(fs, &dir, walk, op).map(Step::Done);
        };
        if walk.whole
            && let Some(done) = do_at_once(fs, &dir, walk, op, &component)?
        {
            return Ok(Step::Done(done));
        }
        if !component.last {
            let mut names = Names::new(walk, mount, component.clone(), false);
            if let Some(below) = fs.descend(&dir, &mut names)? {
                component = names.into_next().unwrap_or(component);
                dir = Cow::Owned(below);
            }
        }
        let bytes = walk.bytes(&component);
        match bytes {
            b"." => continue,
            b".." => {
                let above = walk.ascend()?;
                if mount.root_key != fs.key(&dir) {
                    dir = Cow::Owned(fs.parent(&dir)?);
                    if above.is_some_and(|key| key != fs.key(&dir)) {
                        return Err(Errno::EPERM);
                    }
                    if !mount.whole {
                        check_below(&**fs, &dir, mount.root_key, &mut walk.climbs_left)?;
                    }
                } else if walk.mount != MountId::ROOT {
                    return Ok(Step::Up);
                }
                continue;
            }
            _ => {}
        }
        // Before the name is looked at, whatever it is.
        if component.last && component.slash && matches!(op, Op::Open(how) if how.create) {
            return Err(Errno::EISDIR);
        }
        let name = match Name::component(bytes) {
            Ok(name) => name,
            // A rename looks at one name after the other.
            Err(_) if component.last && matches!(op, Op::Last(Last::Parent)) => {
                return Ok(Step::Done(Done::Parent { place: walk.place(fs, dir.into_owned()), last: Some(component) }));
            }
            Err(errno) => return Err(long_name(&**fs, &dir, errno)),
        };
        if let Some(child) = mount.child(|| fs.key(&dir), name) {
            if component.last
                && let Op::Last(last) = op
            {
                return on_mount_point(fs, &dir, walk, last, component).map(Step::Done);
            }
            walk.left(|| fs.key(&dir));
            return Ok(Step::Down(child));
        }
        let ends = match op {
            _ if !component.last => None,
            Op::Found { follow, then } => Some((*follow, then)),
            Op::Last(last) => return at_name(fs, &dir, walk, last, component).map(Step::Done),
            Op::Open(how) => match open_last(fs, &dir, walk, how, component)? {
                Some(step) => return Ok(step),
                None => continue,
            },
        };
        let Entry { node, kind } = fs.lookup(&dir, name)?;
        match (ends, kind) {
            (Some((false, then)), FileKind::Symlink) if !component.slash => return at_link(fs, &node, walk, then),
            (_, FileKind::Symlink) => {
                if let Some(step) = walk.follow(&**fs, &node, &component)? {
                    return Ok(step);
                }
            }
            (Some((_, then)), FileKind::Directory) => return at_found(fs, &node, kind, walk, then).map(Step::Done),
            (Some((_, then)), _) if !component.slash => return at_found(fs, &node, kind, walk, then).map(Step::Done),
            (None, FileKind::Directory) => {
                walk.left(|| fs.key(&dir));
                dir = Cow::Owned(node);
            }
            _ => return Err(Errno::ENOTDIR),
        }
    }
}

/// What a name that no directory can have gives: in one that has been removed, nothing is looked for.
#[cold]
fn long_name<F: Filesystem>(fs: &F, dir: &F::Node, errno: Errno) -> Errno {
    if fs.stat(dir).is_ok_and(|stat| stat.nlink == 0) { Errno::ENOENT } else { errno }
}

/// Whether `dir` lies in the directory with the key `root`: where a mount shows a part of a filesystem, a directory that was moved out of
/// that part leads nowhere, as on Linux. Each `..` climbs anew, because somebody may move directories meanwhile; all of a walk's climbs
/// together are bounded by [`Limits::depth`](crate::Limits::depth).
fn check_below<F: Filesystem>(fs: &F, dir: &F::Node, root: u64, climbs_left: &mut u32) -> Result<()> {
    let mut at = Cow::Borrowed(dir);
    while fs.key(&at) != root {
        *climbs_left = climbs_left.checked_sub(1).ok_or(Errno::ENAMETOOLONG)?;
        let above = fs.parent(&at)?;
        if fs.key(&above) == fs.key(&at) {
            return Err(Errno::ENOENT);
        }
        at = Cow::Owned(above);
    }
    Ok(())
}

/// The path ends on a symbolic link that is not followed.
fn at_link<F: Filesystem>(fs: &Arc<F>, node: &F::Node, walk: &Walk<'_>, then: &Found<'_>) -> Result<Step> {
    if let Some(fd) = fs.self_fd(node) {
        let link = Stat { dev: walk.ns.mount_of(walk.mount).dev, ..fs.stat(node)? };
        return Ok(Step::Done(Done::SelfFd { fd, link: Some(Box::new(link)) }));
    }
    at_found(fs, node, FileKind::Symlink, walk, then).map(Step::Done)
}

fn at_found<F: Filesystem>(fs: &Arc<F>, node: &F::Node, kind: FileKind, walk: &Walk<'_>, then: &Found<'_>) -> Result<Done> {
    Ok(match then {
        Found::Stat(to) => {
            to.set(Some(Stat { dev: walk.ns.mount_of(walk.mount).dev, ..fs.stat(node)? }));
            Done::Unit
        }
        Found::Place => Done::Place(walk.place(fs, node.clone()), kind),
        Found::ReadLink if kind != FileKind::Symlink => return Err(Errno::EINVAL),
        Found::ReadLink => Done::Target(fs.read_link(node)?),
        Found::SetAttr(attr) => {
            match kind {
                _ if attr.size.is_none() => {}
                FileKind::File => {}
                FileKind::Directory => return Err(Errno::EISDIR),
                _ => return Err(Errno::EINVAL),
            }
            if walk.read_only(&**fs) {
                return Err(Errno::EROFS);
            }
            // A link has no mode of its own (fchmodat(2)).
            if attr.mode.is_some() && kind == FileKind::Symlink {
                return Err(Errno::ENOTSUP);
            }
            fs.set_attr(node, attr)?;
            Done::Unit
        }
        Found::StatFs => {
            let stat = fs.statfs()?;
            Done::StatFs(StatFs { read_only: stat.read_only || walk.read_only(&**fs), ..stat })
        }
    })
}

/// The path ended in dots, slashes, or at a mount's root: on the directory `dir` itself.
fn at_directory<F: Filesystem>(fs: &Arc<F>, dir: &F::Node, walk: &Walk<'_>, op: &Op<'_>) -> Result<Done> {
    match op {
        Op::Found { then, .. } => at_found(fs, dir, FileKind::Directory, walk, then),
        Op::Open(how) => open_directory(fs, dir, walk, how),
        Op::Last(Last::Create(..)) => Err(Errno::EEXIST),
        Op::Last(Last::Remove(Removal::File)) => Err(Errno::EISDIR),
        // rmdir(2): EINVAL for a final ".", ENOTEMPTY for "..", EBUSY for the root.
        Op::Last(Last::Remove(Removal::Directory)) => Err(match walk.path.rsplit(|&b| b == b'/').find(|c| !c.is_empty()) {
            Some(b".") => Errno::EINVAL,
            Some(b"..") => Errno::ENOTEMPTY,
            _ => Errno::EBUSY,
        }),
        Op::Last(Last::Parent) => Ok(Done::Parent { place: walk.place(fs, dir.clone()), last: None }),
    }
}

/// The last component is where something is mounted, and the operation is about the name.
fn on_mount_point<F: Filesystem>(
    fs: &Arc<F>,
    dir: &F::Node,
    walk: &Walk<'_>,
    last: &Last<'_>,
    component: Component,
) -> Result<Done> {
    match last {
        Last::Create(..) => Err(Errno::EEXIST),
        Last::Remove(_) if walk.read_only(&**fs) => Err(Errno::EROFS),
        Last::Remove(Removal::File) => Err(Errno::EISDIR),
        Last::Remove(Removal::Directory) => Err(Errno::EBUSY),
        Last::Parent => Ok(Done::Parent { place: walk.place(fs, dir.clone()), last: Some(component) }),
    }
}

fn at_name<F: Filesystem>(fs: &Arc<F>, dir: &F::Node, walk: &Walk<'_>, last: &Last<'_>, component: Component) -> Result<Done> {
    let name = walk.name(&component)?;
    match last {
        Last::Parent => return Ok(Done::Parent { place: walk.place(fs, dir.clone()), last: Some(component) }),
        Last::Create(kind, mode) => {
            // As in Linux's filename_create: an existing name before a read-only filesystem, a slash behind anything but a
            // new directory is a missing file.
            let slash = component.slash && *kind != NewKind::Directory;
            if slash || walk.read_only(&**fs) {
                return Err(match fs.lookup(dir, name) {
                    Ok(_) => Errno::EEXIST,
                    Err(Errno::ENOENT) if slash => Errno::ENOENT,
                    Err(Errno::ENOENT) => Errno::EROFS,
                    Err(other) => other,
                });
            }
            fs.create(dir, name, *kind, *mode)?;
        }
        Last::Remove(removal) => {
            if walk.read_only(&**fs) {
                return Err(Errno::EROFS);
            }
            if component.slash && *removal == Removal::File {
                return Err(if fs.lookup(dir, name)?.kind == FileKind::Directory { Errno::EISDIR } else { Errno::ENOTDIR });
            }
            // The backend need not know about what is mounted in a directory that it holds empty.
            let key = || fs.lookup(dir, name).ok().map(|entry| fs.key(&entry.node));
            if *removal == Removal::Directory && walk.ns.is_mounted_in(walk.mount, key) {
                return Err(Errno::ENOTEMPTY);
            }
            fs.remove(dir, name, *removal)?;
        }
    }
    Ok(Done::Unit)
}

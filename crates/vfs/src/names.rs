//! The names that a walk goes down by next, for filesystems that go down several at once.

use crate::Name;
use crate::namespace::Mount;
use crate::walk::{Component, Walk};

/// The names of a path, from one directory on, as far as they can be followed without looking at more than directories' entries: up to
/// a dot name, a name that is too long or one that something is mounted on. What comes there is the walk's own.
pub struct Names<'w, 'a> {
    walk: &'w mut Walk<'a>,
    mount: &'a Mount,
    next: Option<Component>,
    /// Whether the last name of the path is among them.
    to_the_end: bool,
}

impl<'w, 'a> Names<'w, 'a> {
    /// The names from `next` on, which the walk has just cut off.
    pub(crate) fn new(walk: &'w mut Walk<'a>, mount: &'a Mount, next: Component, to_the_end: bool) -> Self {
        Names { walk, mount, next: Some(next), to_the_end }
    }

    /// The name to go by next, to be looked up in the directory whose key is `dir`.
    #[inline]
    pub fn peek(&self, dir: u64) -> Option<Name<'_>> {
        let next = self.next.as_ref().filter(|next| !next.last || (self.to_the_end && !next.slash))?;
        let name = self.walk.plain(next)?;
        if self.mount.child(|| dir, name).is_some() { None } else { Some(name) }
    }

    /// Whether that name is the path's last.
    #[inline]
    #[must_use]
    pub fn at_last(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.last)
    }

    /// Goes by that name: it is a directory. The one that it is in has the key `dir`.
    #[inline]
    pub fn advance(&mut self, dir: u64) {
        self.walk.left(|| dir);
        self.next = self.walk.next();
    }

    /// All names to the end of the path with a slash between each two, when nothing else than names is left of it. Looked up from the directory
    /// whose key is `dir`.
    #[must_use]
    pub fn whole(&self, dir: u64) -> Option<&[u8]> {
        let next = self.next.as_ref().filter(|_| self.to_the_end && self.mount.only_at_root)?;
        if self.mount.child(|| dir, self.walk.plain(next)?).is_some() {
            return None;
        }
        self.walk.plain_rest(next)
    }

    /// The component that is left to the walk.
    pub(crate) fn into_next(self) -> Option<Component> {
        self.next
    }
}

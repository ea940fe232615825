//! Listing a directory over its layers.
//!
//! The parts are listed from the bottom up, and a name stands where the lowest part that has it puts it, whatever hides or replaces it
//! above. Lower parts never change and parts are only ever put on top, so that places hold while the directory changes.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Overlay;
use super::layer::{Map, Part, Stack};
use super::lookup::Tree;
use super::node::OverlayNode;
use crate::{Cookie, DirEntry, Errno, FileKind, Name, Result};

/// Entries that are looked up under one lock on the tree.
const BATCH: usize = 256;
/// What is listed first, for callers that take a few.
const FIRST_BATCH: usize = 16;

struct Entry {
    name: Box<[u8]>,
    ino: u64,
    kind: FileKind,
    next: Cookie,
}

/// A place in a listing: which part, counted from the bottom, and the part's own cookie.
type Place = (usize, Cookie);

/// Cookies that do not leave room for the number of the part, by a small number of their own.
#[derive(Default)]
pub(super) struct BigCookies {
    numbers: Map<Place, u64>,
    places: VecDeque<Place>,
    gone: u64,
}

/// The low bits say how the others are used; all cookies stay below 2^62.
const SMALL_PARTS: usize = 6;
const WIDE: u64 = 6;
const BIG: u64 = 7;

impl BigCookies {
    fn number(&mut self, place: Place, max: usize) -> u64 {
        if let Some(&number) = self.numbers.get(&place) {
            return number;
        }
        let number = self.gone + self.places.len() as u64;
        self.places.push_back(place);
        self.numbers.insert(place, number);
        while self.places.len() > max {
            if let Some(old) = self.places.pop_front() {
                self.numbers.remove(&old);
            }
            self.gone += 1;
        }
        number
    }

    fn place(&self, number: u64) -> Option<Place> {
        self.places.get(usize::try_from(number.checked_sub(self.gone)?).ok()?).copied()
    }
}

impl Overlay {
    pub(super) fn cookie(&self, part: usize, cookie: Cookie) -> Cookie {
        let tag = part as u64;
        if part < SMALL_PARTS && cookie < 1 << 59 {
            cookie << 3 | tag
        } else if tag < 1 << 16 && cookie < 1 << 43 {
            (cookie << 16 | tag) << 3 | WIDE
        } else {
            self.big_cookies.lock().number((part, cookie), self.cache_max.max(2 * BATCH)) << 3 | BIG
        }
    }

    /// # Errors
    /// `EINVAL` for a cookie that no listing gave, or that too many others have followed.
    pub(super) fn place_of(&self, cookie: Cookie) -> Result<Place> {
        let rest = cookie >> 3;
        let part = |tag: u64| usize::try_from(tag).map_err(|_| Errno::EINVAL);
        match cookie & 7 {
            BIG => self.big_cookies.lock().place(rest).ok_or(Errno::EINVAL),
            WIDE => Ok((part(rest & 0xffff)?, rest >> 16)),
            tag => Ok((part(tag)?, rest)),
        }
    }

    /// As [`Filesystem::read_dir`](crate::Filesystem::read_dir).
    pub(super) fn list(
        &self,
        dir: &Arc<OverlayNode>,
        from: Cookie,
        each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let parts = match dir.live_parts() {
            Err(Errno::ENOENT) => return Ok(()),
            parts => parts?,
        };
        let (mut at, mut batch) = (self.place_of(from)?, FIRST_BATCH);
        if parts.next.is_none() {
            return if at.0 == 0 { self.list_one(&parts, at.1, each) } else { Ok(()) };
        }
        loop {
            let (entries, next) = self.next_entries(&mut self.tree.lock(), dir, at, batch)?;
            for Entry { name, ino, kind, next } in &entries {
                if each(DirEntry { name, ino: *ino, kind: *kind, next: *next }).is_break() {
                    return Ok(());
                }
            }
            match next {
                Some(place) => at = place,
                None => return Ok(()),
            }
            batch = (batch * 2).min(BATCH);
        }
    }

    /// A directory that is in one layer only: nothing is hidden or replaced.
    fn list_one(&self, part: &Part, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let stack = self.stack();
        part.node.read_dir(from, &mut |entry| {
            let (ino, kind) = stack.identify(part.layer, entry.ino, entry.kind);
            each(DirEntry { name: entry.name, ino, kind, next: self.cookie(0, entry.next) })
        })
    }

    /// Looks at some `max` entries of one part, and answers those that show, and where to go on.
    fn next_entries(
        &self,
        _tree: &mut Tree,
        dir: &Arc<OverlayNode>,
        (at, from): Place,
        max: usize,
    ) -> Result<(Vec<Entry>, Option<Place>)> {
        let stack = self.stack();
        let head = match dir.live_parts() {
            Err(Errno::ENOENT) => return Ok((Vec::new(), None)),
            parts => parts?,
        };
        let mut parts: Vec<&Arc<Part>> = head.chain().collect();
        parts.reverse();
        let Some(part) = parts.get(at) else { return Ok((Vec::new(), None)) };
        let mut raw = Vec::new();
        let mut last = from;
        part.node.read_dir(from, &mut |entry| {
            last = entry.next;
            raw.push((Box::<[u8]>::from(entry.name), entry.next));
            if raw.len() < max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        let more = if raw.len() < max { Some((at + 1, 0)).filter(|(at, _)| *at < parts.len()) } else { Some((at, last)) };
        let mut entries = Vec::with_capacity(raw.len());
        for (name, next) in raw {
            // What a lower storage calls by a name that no guest can say is not there.
            let Ok(checked) = Name::new(&name) else { continue };
            let stands_lower = parts.iter().take(at).any(|lower| lower.node.lookup(checked).is_ok());
            if stands_lower {
                continue;
            }
            if let Some((ino, kind)) = visible(&stack, dir.ino, &head, checked)? {
                entries.push(Entry { next: self.cookie(at, next), name, ino, kind });
            }
        }
        Ok((entries, more))
    }

    /// Whether a directory shows no name.
    pub(super) fn is_empty(&self, tree: &mut Tree, dir: &Arc<OverlayNode>) -> Result<bool> {
        let mut at = (0, 0);
        loop {
            let (entries, next) = self.next_entries(tree, dir, at, BATCH)?;
            if !entries.is_empty() {
                return Ok(false);
            }
            match next {
                Some(place) => at = place,
                None => return Ok(true),
            }
        }
    }
}

fn visible(stack: &Stack, dir: u64, head: &Arc<Part>, name: Name<'_>) -> Result<Option<(u64, FileKind)>> {
    let (found, _) = stack.find(dir, Some(head), name)?;
    Ok(found.map(|found| stack.identify(found.layer, found.node.key(), found.kind)))
}

//! The list of what is expected of a runtime: how many tests of each module pass, and which do not, and why.

use std::collections::BTreeMap;

use crate::{Died, Place};

/// Why a test may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The test and the library are of different versions: it fails on Linux with that library too.
    Version,
    /// Something that the guest's build, or its C library, does not have.
    Lacks,
    /// The guest's C stack, half a megabyte, which is not guarded.
    Stack,
    /// Something that stratafs leaves out. Of the others none is stratafs.
    LeftOut,
}

/// A test that does not pass.
#[derive(Debug, Clone)]
pub struct Known {
    pub id: String,
    pub group: Group,
    pub reason: String,
    /// Whether the guest does not survive it: such a test is run alone.
    pub died: Option<Died>,
    /// Where, if not everywhere.
    places: Vec<Place>,
}

impl Known {
    pub fn is_at(&self, place: Place) -> bool {
        self.places.is_empty() || self.places.contains(&place)
    }
}

/// A list.
#[derive(Debug, Default)]
pub struct List {
    /// Module → passed, skipped.
    pub counts: BTreeMap<String, (usize, usize)>,
    pub known: Vec<Known>,
}

impl List {
    /// Reads a list. `# …` is a comment. A line at the margin is a heading: `counts`, or a group and a reason. Below it stand,
    /// indented, a module with its numbers, or a test with how the guest dies of it and where it does not pass.
    pub fn parse(text: &str) -> Result<List, String> {
        let mut list = List::default();
        let mut heading = None;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let wrong = |why: &str| format!("line {}: {why}: {line}", number + 1);
            match line.strip_prefix("  ") {
                None if line == "counts" => heading = Some(None),
                None => heading = Some(Some(reason(line).ok_or_else(|| wrong("no group and reason"))?)),
                Some(entry) => match &heading {
                    None => return Err(wrong("no heading above")),
                    Some(None) => list.count(entry).ok_or_else(|| wrong("not MODULE PASSED SKIPPED, or twice"))?,
                    Some(Some((group, reason))) => {
                        list.known.push(known(entry, *group, reason).ok_or_else(|| wrong("not ID [hangs|traps] [PLACE…]"))?);
                    }
                },
            }
        }
        let mut ids: Vec<&str> = list.known.iter().map(|known| known.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(format!("{} is listed twice", twice[0])),
            None => Ok(list),
        }
    }

    fn count(&mut self, entry: &str) -> Option<()> {
        let mut words = entry.split_whitespace();
        let module = words.next()?;
        let counts = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        (words.next().is_none() && self.counts.insert(module.to_owned(), counts).is_none()).then_some(())
    }

    /// What is listed for a module at a place.
    pub fn of<'a>(&'a self, module: &'a str, place: Place) -> impl Iterator<Item = &'a Known> {
        let inside = move |id: &str| id.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        // A fixture's id has the class in brackets.
        let in_fixture = move |id: &str| id.split_once('(').is_some_and(|(_, rest)| inside(rest));
        self.known.iter().filter(move |known| known.is_at(place) && (inside(&known.id) || in_fixture(&known.id)))
    }
}

fn reason(line: &str) -> Option<(Group, String)> {
    let (group, reason) = line.split_once(": ")?;
    let group = match group {
        "version" => Group::Version,
        "lacks" => Group::Lacks,
        "stack" => Group::Stack,
        "left out" => Group::LeftOut,
        _ => return None,
    };
    Some((group, reason.to_owned()))
}

fn known(entry: &str, group: Group, reason: &str) -> Option<Known> {
    let mut words = entry.split_whitespace().peekable();
    let mut id = words.next()?.to_owned();
    if let Some(class) = words.next_if(|word| word.starts_with('(')) {
        id = format!("{id} {class}");
    }
    let mut known = Known { id, group, reason: reason.to_owned(), died: None, places: Vec::new() };
    for word in words {
        match word {
            "hangs" => known.died = Some(Died::Hung),
            "traps" => known.died = Some(Died::Trapped),
            _ => known.places.push(Place::ALL.into_iter().find(|place| place.name() == word)?),
        }
    }
    Some(known)
}

//! A case, and running all of them on one subject.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::cases::GROUPS;
use crate::posix::Posix;
use crate::real::RealOs;
use crate::subject::Subject;
use crate::tree::{self, Item};

/// Something that a case uses and that a subject may lack by nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Named pipes can be made.
    Fifos,
    /// The tree that the case starts from keeps its hard links.
    HardLinksBelow,
    /// A removed directory that is still open has attributes.
    DeadDirectories,
    /// A directory's link count is two and its subdirectories.
    LinkCounts,
    /// The same for a directory of the tree that the case starts from.
    LinkCountsBelow,
    /// Opening a file to write leaves its ctime.
    StillOnOpen,
    /// The same for a file of the tree that the case starts from.
    StillOnOpenBelow,
    /// Two changes, one after the other, never have the same time.
    FineTimes,
    /// Looking at a file leaves its atime.
    StillAccessTimes,
}

/// A plain function over [`Posix`] that panics where the behaviour is another.
#[derive(Clone, Copy)]
pub struct Case {
    /// The function's name: the behaviour.
    pub name: &'static str,
    /// Runs it on an instance of its own.
    pub run: fn(&mut dyn Posix),
    /// What it uses that a subject may lack.
    pub needs: &'static [Need],
    /// What is in the tree before; an overlay may have it in its lower layers.
    pub starts_from: &'static [Item],
    /// Why it demands something else of a `Process` than of the real system, when it does.
    pub on_purpose: Option<&'static str>,
}

impl Case {
    /// A case that starts from an empty tree.
    #[must_use]
    pub const fn new(name: &'static str, run: fn(&mut dyn Posix)) -> Case {
        Case { name, run, needs: &[], starts_from: &[], on_purpose: None }
    }

    /// It uses these.
    #[must_use]
    pub const fn needs(mut self, needs: &'static [Need]) -> Case {
        self.needs = needs;
        self
    }

    /// It starts from `tree`.
    #[must_use]
    pub const fn starts_from(mut self, tree: &'static [Item]) -> Case {
        self.starts_from = tree;
        self
    }

    /// It demands something else of a `Process` than of the real system, for this reason.
    #[must_use]
    pub const fn on_purpose(mut self, why: &'static str) -> Case {
        self.on_purpose = Some(why);
        self
    }
}

/// A table of cases by the functions' names, each with what is said of it.
macro_rules! cases {
    ($($name:ident $(.$method:ident($($argument:expr),*))*,)*) => {
        /// Every case of this group.
        pub const CASES: &[$crate::case::Case] = &[$($crate::case::Case::new(stringify!($name), $name)$(.$method($($argument),*))*,)*];
    };
}
pub(crate) use cases;

/// What a subject cannot do by nature, and why.
pub type Lacks = &'static [(Need, &'static str)];

/// What came of running the cases on one subject.
#[derive(Debug, Default)]
pub struct Report {
    /// Of what it tells.
    pub subject: String,
    /// How many ran.
    pub ran: usize,
    /// Group and name of each that was left out, with the reason.
    pub skipped: Vec<(String, &'static str)>,
    /// Group and name of each that failed, with what it said.
    pub failed: Vec<(String, String)>,
}

impl Report {
    /// Prints the counts and panics with the names of what failed.
    #[track_caller]
    pub fn conclude(&self) {
        println!("{self}");
        assert!(self.failed.is_empty(), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { subject, ran, skipped, failed } = self;
        write!(f, "{subject}: {ran} cases ran, {} failed, {} left out", failed.len(), skipped.len())?;
        skipped.iter().try_for_each(|(case, why)| write!(f, "\n  left out {case}: {why}"))?;
        failed.iter().try_for_each(|(case, said)| write!(f, "\n  failed {case}: {said}"))
    }
}

/// Runs every case on an instance of `subject`.
///
/// # Panics
/// When the subject cannot be started.
pub fn run_on(subject: &dyn Subject) -> Report {
    run(GROUPS, subject.name(), subject.lacks(), &mut |case| subject.start(case.starts_from).expect("the subject starts"))
}

/// Runs every case on this machine's own kernel, as its processes see it. `helper` is a program that calls
/// [`serve_if_asked`](crate::serve_if_asked).
///
/// # Panics
/// When the helper cannot be started.
pub fn run_on_host(helper: &Path) -> Report {
    run(GROUPS, "the host".to_owned(), &[], &mut |case| {
        let mut os: Box<dyn Posix> = Box::new(RealOs::start(helper).expect("the helper starts"));
        tree::plant(os.as_mut(), case.starts_from);
        os
    })
}

type Make<'a> = &'a mut dyn FnMut(&Case) -> Box<dyn Posix>;

/// Runs every case of `groups` on an instance of its own, made by `make`.
///
/// `STRATAFS_CASES` may name a part of the names to run (for looking into one).
fn run(groups: &[(&str, &[Case])], subject: String, lacks: Lacks, make: Make<'_>) -> Report {
    let wanted = std::env::var("STRATAFS_CASES").unwrap_or_default();
    let mut report = Report { subject, ..Report::default() };
    for (group, cases) in groups {
        for case in *cases {
            let name = format!("{group}::{}", case.name);
            if !name.contains(&wanted) {
                continue;
            }
            if let Some((_, why)) = lacks.iter().find(|(need, _)| case.needs.contains(need)) {
                report.skipped.push((name, why));
                continue;
            }
            report.ran += 1;
            let ran = catching(|| {
                let mut posix = make(case);
                (case.run)(posix.as_mut());
            });
            if let Err(said) = ran {
                report.failed.push((name, said));
            }
        }
    }
    report
}

thread_local! {
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `f`; a panic becomes its message and place, and is not printed.
fn catching(f: impl FnOnce()) -> Result<(), String> {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !CATCHING.get() {
                return before(info);
            }
            let place = info.location().map_or_else(String::new, |at| format!("{}:{}: ", at.file(), at.line()));
            SAID.set(format!("{place}{}", info.payload_as_str().unwrap_or_default()));
        }));
    });
    CATCHING.set(true);
    let ran = catch_unwind(AssertUnwindSafe(f));
    CATCHING.set(false);
    ran.map_err(|_| SAID.take())
}

thread_local! {
    static CATCHING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posix::{Answer, Call, Errno, Result};

    struct Nothing;

    impl Posix for Nothing {
        fn call(&mut self, _: Call) -> Result<Answer> {
            Err(Errno::ENOSYS)
        }
    }

    fn fails(os: &mut dyn Posix) {
        assert_eq!(os.mkdir("d"), Ok(()));
    }

    fn passes(os: &mut dyn Posix) {
        assert_eq!(os.mkdir("d"), Err(Errno::ENOSYS));
    }

    #[test]
    fn a_failing_case_is_reported_with_its_place_and_does_not_stop_the_others() {
        let cases = [Case::new("fails", fails), Case::new("passes", passes), Case::new("left", fails).needs(&[Need::Fifos])];
        let report = run(&[("g", &cases)], "nothing".to_owned(), &[(Need::Fifos, "no pipes here")], &mut |_| Box::new(Nothing));
        assert_eq!((report.ran, report.failed.len(), report.skipped.len()), (2, 1, 1));
        assert_eq!(report.failed[0].0, "g::fails");
        assert!(report.failed[0].1.contains("case.rs:") && report.failed[0].1.contains("ENOSYS"), "{}", report.failed[0].1);
        assert!(catch_unwind(|| report.conclude()).is_err());
    }
}

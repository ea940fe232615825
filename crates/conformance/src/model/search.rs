//! Many sequences, and the smallest part of one that still differs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::op::{self, Sequence, Start};
use super::oracle::{Oracle, Step};
use super::replay::{Difference, replay};
use crate::case::Need;
use crate::posix::Call;
use crate::subject::Subject;

/// A search on one subject.
pub struct Search<'a> {
    /// A program that calls [`serve_if_asked`](crate::serve_if_asked).
    pub helper: PathBuf,
    /// What is compared with the real system.
    pub subject: &'a dyn Subject,
    /// Sequences to run.
    pub cases: u32,
    /// Other seeds give other sequences.
    pub seed: u64,
}

/// What was run.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Sequences.
    pub sequences: u64,
    /// Calls, and those that succeeded, by the name of the call.
    pub calls: BTreeMap<String, (u64, u64)>,
    shortest: Option<usize>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, good) = self.total();
        write!(f, "{} sequences of at least {} calls, {calls} calls, {good} succeeded", self.sequences, self.shortest())?;
        self.calls.iter().try_for_each(|(name, (all, good))| write!(f, ", {name} {good}/{all}"))
    }
}

impl Counts {
    /// All calls, and all that succeeded.
    #[must_use]
    pub fn total(&self) -> (u64, u64) {
        self.calls.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    /// Calls of the shortest sequence.
    #[must_use]
    pub fn shortest(&self) -> usize {
        self.shortest.unwrap_or(0)
    }

    fn add(&mut self, steps: &[Step]) {
        self.sequences += 1;
        self.shortest = Some(self.shortest.map_or(steps.len(), |len| len.min(steps.len())));
        for step in steps {
            let count = self.calls.entry(name_of(&step.call)).or_default();
            count.0 += 1;
            count.1 += u64::from(step.answer.is_ok());
        }
    }
}

/// Told of one sequence: what it was, what the oracle did, and how the subject did; answers whether to go on.
type Each<'a> = dyn FnMut(Sequence, &[Step], Result<(), Difference>) -> bool + 'a;

/// Differences that are told of one subject.
const KINDS_MAX: usize = 6;

/// Differences in the same call that are told in the same words are taken for one.
fn kind(steps: &[Step], difference: &Difference) -> String {
    let call = difference.step.and_then(|at| steps.get(at)).map_or(String::new(), |step| name_of(&step.call));
    let words = difference.what.split_whitespace().filter(|word| !word.contains(['/', '"']) && !word.contains(char::is_numeric));
    call + &words.take(12).collect::<Vec<_>>().join(" ")
}

fn name_of(call: &Call) -> String {
    format!("{call:?}").split([' ', '(']).next().unwrap_or_default().to_owned()
}

impl Search<'_> {
    /// Runs the sequences.
    ///
    /// # Errors
    /// A text with the shrunk sequence and what differed.
    ///
    /// # Panics
    /// When the oracle cannot be started.
    pub fn run(&self) -> Result<Counts, String> {
        let mut counts = Counts::default();
        let (mut kinds, mut told) = (BTreeSet::new(), Vec::new());
        self.each(&mut |sequence, steps, done| {
            counts.add(steps);
            if let Err(difference) = done
                && kinds.insert(kind(steps, &difference))
            {
                told.push(self.explain(sequence, difference));
            }
            told.len() < KINDS_MAX
        })?;
        if told.is_empty() { Ok(counts) } else { Err(told.join("\n")) }
    }

    /// The first difference, not shrunk, and in which sequence it is, counted from one.
    ///
    /// # Errors
    /// A text when the oracle fails.
    ///
    /// # Panics
    /// When the oracle cannot be started.
    pub fn first(&self) -> Result<Option<(u64, Difference)>, String> {
        let (mut sequences, mut found) = (0, None);
        self.each(&mut |_, _, done| {
            sequences += 1;
            found = done.err().map(|difference| (sequences, difference));
            found.is_none()
        })?;
        Ok(found)
    }

    /// Runs the sequences until `each`, which gets what came of one, wants no more.
    fn each(&self, each: &mut Each<'_>) -> Result<(), String> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        let lacks = |wanted| self.subject.lacks().iter().any(|(need, _)| *need == wanted);
        let starts: &[Start] = match lacks(Need::HardLinksBelow) {
            true => &[Start::Empty, Start::Plain, Start::Plain],
            false => &[Start::Empty, Start::Plain, Start::Linked, Start::Linked],
        };
        let strategy = op::sequence(starts, !lacks(Need::Fifos));
        let mut oracle = start(&self.helper);
        for _ in 0..self.cases {
            let sequence = strategy.new_tree(&mut runner).map_err(|reason| reason.to_string())?.current();
            let (first, steps) = oracle.run(&sequence).map_err(|error| format!("the oracle: {error}"))?;
            let done = replay(self.subject, sequence.start, &first, &steps);
            if !each(sequence, &steps, done) {
                break;
            }
        }
        Ok(())
    }

    fn differs(&self, oracle: &mut Oracle, sequence: &Sequence) -> Option<(Vec<Step>, Difference)> {
        let Ok((first, steps)) = oracle.run(sequence) else {
            *oracle = start(&self.helper);
            return None;
        };
        replay(self.subject, sequence.start, &first, &steps).err().map(|difference| (steps, difference))
    }

    /// Takes away what is not needed for a difference, and tells the rest.
    fn explain(&self, mut sequence: Sequence, first: Difference) -> String {
        let mut oracle = start(&self.helper);
        for simpler in [Sequence { every: 1, ..sequence.clone() }, Sequence { start: Start::Empty, ..sequence.clone() }] {
            if self.differs(&mut oracle, &simpler).is_some() {
                sequence = simpler;
            }
        }
        let mut part = sequence.ops.len() / 2;
        while part > 0 {
            let (mut at, mut smaller) = (0, false);
            while at < sequence.ops.len() {
                let mut shorter = sequence.clone();
                shorter.ops.drain(at..(at + part).min(sequence.ops.len()));
                if self.differs(&mut oracle, &shorter).is_some() {
                    sequence = shorter;
                    smaller = true;
                } else {
                    at += part;
                }
            }
            if part > 1 || !smaller {
                part /= 2;
            }
        }
        let mut text = format!(
            "{}, seed {}: differs after {:?}, compared every {}:\n",
            self.subject.name(),
            self.seed,
            sequence.start,
            sequence.every
        );
        let Some((steps, difference)) = self.differs(&mut oracle, &sequence) else {
            return format!("{text}(not when run again) {first:?}");
        };
        for (i, step) in steps.iter().enumerate() {
            let freeze = if step.freeze { "(freeze) " } else { "" };
            text += &format!("  {i}: {freeze}{} = {}\n", readable(&format!("{:?}", step.call)), readable(&brief(step)));
            if Some(i) == difference.step {
                break;
            }
        }
        text + "  " + &difference.what
    }
}

fn brief(step: &Step) -> String {
    let text = format!("{:?}", step.answer);
    if text.len() > 300 { format!("{}...", &text[..300]) } else { text }
}

fn start(helper: &Path) -> Oracle {
    Oracle::start(helper).expect("the helper starts")
}

/// Lists of bytes in a debug text as text.
fn readable(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let Some(close) = rest[open..].find(']').map(|n| n + open) else { break };
        let bytes: Result<Vec<u8>, _> = rest[open + 1..close].split(", ").map(str::parse).collect();
        let lens = rest[..open].ends_with("lens: ");
        match bytes {
            Ok(bytes) if !lens => {
                out += &rest[..open];
                let dots = if bytes.len() > 80 { format!("...({} bytes)", bytes.len()) } else { String::new() };
                out += &format!("\"{}{dots}\"", bytes[..bytes.len().min(80)].escape_ascii());
                rest = &rest[close + 1..];
            }
            _ => {
                out += &rest[..=open];
                rest = &rest[open + 1..];
            }
        }
    }
    out + rest
}

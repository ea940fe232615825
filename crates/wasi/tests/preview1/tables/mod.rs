//! A table of cases for each function: what is asked, and the line that the trace has of it. The lines are snapshots; that each error
//! which a function's documentation names has a row, and each flag, is asserted.

mod descriptors;
mod paths;
mod raw;
mod reading;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stratafs::memfs::MemFs;
use stratafs::stream::{Readiness, Stream};
use stratafs::{Budget, Clock, Errno, Limits, Namespace, NodeRef, Outcome, ProcessBuilder, Random, Result, Stat, Timestamp};
use stratafs_abi::{Flow, Tracer};
use stratafs_conformance::table::{Lines, documented};
use stratafs_wasi::FUNCTIONS;

use crate::guest::{Guest, errno, state, tree};

type Rows = fn(&mut Table);

/// Every function with its table.
fn tables() -> Vec<(&'static str, Rows)> {
    [descriptors::TABLES, paths::TABLES, reading::TABLES, rest::TABLES].concat()
}

/// Errors that a documentation names and no guest can bring about here, and why.
const UNREACHABLE: &[(&str, &str, &str)] = &[
    ("path_link", "EMLINK", "a memory layer counts names in 64 bits"),
    ("fd_filestat_set_size", "EFBIG", "a memory layer has no bound below the one that is EINVAL; a host's filesystem may"),
    ("fd_filestat_set_size", "ENOSPC", "a memory layer charges no holes; a host's filesystem may"),
];

/// A table while it is filled: the guest that makes the calls, and the rows so far.
pub struct Table {
    g: Guest,
    name: &'static str,
    rows: Vec<String>,
    errors: BTreeSet<&'static str>,
}

impl Deref for Table {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        &self.g
    }
}

impl DerefMut for Table {
    fn deref_mut(&mut self) -> &mut Guest {
        &mut self.g
    }
}

impl Table {
    fn new(name: &'static str) -> Table {
        Table { g: guest(|builder| builder), name, rows: Vec::new(), errors: BTreeSet::new() }
    }

    /// Goes on with another guest.
    fn on(&mut self, g: Guest) {
        self.g = g;
    }

    /// Goes on with a new guest like the first.
    fn fresh(&mut self) {
        self.on(guest(|builder| builder));
    }

    /// Makes the call and keeps its line. A call that fails has changed nothing.
    #[track_caller]
    fn row(&mut self, says: &str, args: &[u64]) -> Result<()> {
        let before = (state(&mut self.g.process), self.g.memory.clone());
        let lines = Lines::default();
        self.g.tracer = Some(Tracer::lines(Box::new(lines.clone())));
        let flow = self.g.flow(self.name, args);
        self.g.tracer = None;
        let line = lines.take().concat();
        let (line, answer) = match flow {
            Flow::Done(Some(number)) => (line, errno(number)),
            Flow::Wait(_) => (format!("{} waits", self.name), Ok(())),
            Flow::Exit(_) | Flow::Done(None) => (line, Ok(())),
        };
        if let Err(errno) = answer {
            self.errors.insert(errno.name());
            assert!(before.1 == self.g.memory, "{}: {says}: memory changed", self.name);
            assert_eq!(before.0, state(&mut self.g.process), "{}: {says}", self.name);
        }
        self.rows.push(format!("{says}: {line}"));
        answer
    }

    /// Rows for a call of which one argument takes all these values.
    fn each(&mut self, says: &str, args: &[u64], index: usize, values: &[u64]) {
        for &value in values {
            let mut args = args.to_vec();
            args[index] = value;
            let _ = self.row(says, &args);
        }
    }
}

/// A clock that stands.
struct Still(i64);

impl Clock for Still {
    fn realtime(&self) -> Timestamp {
        Timestamp { sec: self.0, nsec: 5 }
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(7)
    }
}

/// A stream that has nothing yet.
struct Empty;

impl Stream for Empty {
    fn readiness(&self) -> Readiness {
        Readiness::default()
    }

    fn stat(&self) -> Stat {
        Stat::new(9, stratafs::FileKind::Fifo)
    }

    fn read(&self, _: &mut [u8]) -> Result<Outcome<usize>> {
        Ok(Outcome::Wait(stratafs::Wait::default()))
    }
}

struct NoRandom;

impl Random for NoRandom {
    fn fill(&self, _: &mut [u8]) -> Result<()> {
        Err(Errno::EIO)
    }
}

/// A guest whose calls show the same lines each time.
fn guest(change: impl FnOnce(ProcessBuilder) -> ProcessBuilder) -> Guest {
    Guest::with(|builder| change(builder.clock(Arc::new(Still(1_000_000_000)))))
}

/// A guest with little room for bytes.
fn small() -> Guest {
    let mut limits = Limits::default();
    limits.bytes = 2000;
    Guest::limited(limits, |builder| builder)
}

/// A guest whose layer is read-only.
fn read_only() -> Guest {
    let limits = Limits::default();
    let mut ns = Namespace::new(NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits)), &limits);
    ns.mount(b"/ro", tree(&limits), true).unwrap();
    Guest::on(ns, limits, ["/ro", "/ro/dir"], |builder| builder)
}

/// A guest with a second memory layer on `/other`.
fn two_mounts() -> Guest {
    let limits = Limits::default();
    let mut ns = Namespace::new(tree(&limits), &limits);
    ns.mount(b"/other", NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits)), false).unwrap();
    Guest::on(ns, limits, ["/", "/dir"], |builder| builder)
}

fn run_all() -> Vec<Table> {
    tables()
        .into_iter()
        .map(|(name, rows)| {
            let mut table = Table::new(name);
            rows(&mut table);
            table
        })
        .collect()
}

#[test]
fn every_function_has_its_table() {
    let mut of_function: BTreeMap<_, _> = run_all().into_iter().map(|table| (table.name, table.rows)).collect();
    let mut text = String::new();
    for f in FUNCTIONS {
        let rows = of_function.remove(f.about.name).unwrap_or_else(|| panic!("{} has no table", f.about.name));
        assert!(!rows.is_empty(), "{} has an empty table", f.about.name);
        text += &format!("{}\n  {}\n", f.about.name, rows.join("\n  "));
    }
    assert!(of_function.is_empty(), "tables of no function: {:?}", of_function.keys());
    insta::assert_snapshot!("tables", text);
}

#[test]
fn every_error_that_is_documented_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documented = documented(&[&root.join("src"), &root.join("../vfs/src/process")]).unwrap();
    let mut missing = Vec::new();
    let mut named = 0;
    for table in run_all() {
        let unreachable: BTreeSet<_> =
            UNREACHABLE.iter().filter(|(name, ..)| *name == table.name).map(|(_, errno, _)| *errno).collect();
        let wanted = documented.get(table.name).unwrap_or_else(|| panic!("{} is not documented", table.name));
        named += wanted.len();
        for errno in wanted.difference(&table.errors).filter(|errno| !unreachable.contains(*errno)) {
            missing.push(format!("{}: {errno} is documented and has no row", table.name));
        }
        for errno in unreachable.intersection(&table.errors) {
            missing.push(format!("{}: {errno} is reachable", table.name));
        }
        for errno in table.errors.difference(wanted) {
            missing.push(format!("{}: {errno} has a row and is not documented", table.name));
        }
    }
    println!("{named} errors are documented");
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_flag_has_a_row() {
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    for table in run_all() {
        rows.insert(table.name, table.rows.join("\n"));
    }
    let lookup = ["path_filestat_get", "path_filestat_set_times", "path_link", "path_open"];
    let times = ["ATIM", "ATIM_NOW", "MTIM", "MTIM_NOW"];
    let mut wanted: Vec<(&str, &[&str])> = lookup.iter().map(|name| (*name, &["SYMLINK_FOLLOW"][..])).collect();
    wanted.extend([
        ("path_open", &["CREAT", "DIRECTORY", "EXCL", "TRUNC", "APPEND", "DSYNC", "NONBLOCK", "RSYNC", "SYNC"][..]),
        ("fd_fdstat_set_flags", &["APPEND", "DSYNC", "NONBLOCK", "RSYNC", "SYNC"]),
        ("fd_filestat_set_times", &times),
        ("path_filestat_set_times", &times),
        ("fd_advise", &["NORMAL", "SEQUENTIAL", "RANDOM", "WILLNEED", "DONTNEED", "NOREUSE"]),
        ("fd_seek", &["SET", "CUR", "END"]),
        ("clock_time_get", &["REALTIME", "MONOTONIC", "PROCESS_CPUTIME_ID", "THREAD_CPUTIME_ID"]),
        ("clock_res_get", &["REALTIME", "MONOTONIC", "PROCESS_CPUTIME_ID", "THREAD_CPUTIME_ID"]),
    ]);
    for (name, flags) in wanted {
        for flag in flags {
            let word = |c: char| !c.is_alphanumeric() && c != '_';
            assert!(rows[name].split(word).any(|w| w == *flag), "{name}: no row with {flag}");
        }
    }
}

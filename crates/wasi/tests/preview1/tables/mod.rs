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
            Flow::Exit(_) | Flow::Abort | Flow::Done(None) => (line, Ok(())),
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

/// What implementations of this interface get wrong: the function, what the row says, and what its line ends with.
const EDGES: &[(&str, &str, &str)] = &[
    // What a preopen hands on is all that a C library will ask for.
    ("fd_fdstat_get", "a preopen", "inheriting=0x3fffffff}]"),
    // A terminal is a character device that neither seeks nor tells; what is none must not look like one.
    ("fd_fdstat_get", "standard output, captured", "inheriting=0x0}]"),
    // Rights shrink and never grow.
    ("fd_fdstat_set_rights", "fewer", "= 0"),
    ("fd_fdstat_set_rights", "more", "= ENOTCAPABLE (capabilities insufficient)"),
    // To cut and to make are writes, whatever the rights say.
    ("path_open", "to cut without that right", "= ENOTCAPABLE (capabilities insufficient)"),
    ("path_open", "to make without that right", "= ENOTCAPABLE (capabilities insufficient)"),
    // Paths that are none.
    ("path_open", "an absolute path", "= EPERM (operation not permitted)"),
    ("path_open", "an empty path", "= ENOENT (no such file or directory)"),
    ("path_open", "a NUL", "= EINVAL (invalid argument)"),
    ("path_open", "no UTF-8", "= EILSEQ (invalid byte sequence)"),
    // Nothing leads above the directory, not for a moment, not through a link.
    ("path_open", "above the directory for a moment", "= EPERM (operation not permitted)"),
    ("path_open", "through a link that leads above", "= EPERM (operation not permitted)"),
    ("path_open", "through an absolute link", "= EPERM (operation not permitted)"),
    ("path_create_directory", "in a directory", "= 0"),
    // A slash behind a name.
    ("path_open", "a file with a slash", "= ENOTDIR (not a directory)"),
    ("path_unlink_file", "a file with a slash", "= ENOTDIR (not a directory)"),
    ("path_filestat_get", "a file with a slash", "= ENOTDIR (not a directory)"),
    ("path_create_directory", "with a slash", "= 0"),
    ("path_remove_directory", "with a slash", "= 0"),
    ("path_rename", "a directory with slashes", "= 0"),
    ("path_rename", "a file with a slash", "= ENOTDIR (not a directory)"),
    ("path_rename", "a file to a name with a slash", "= ENOTDIR (not a directory)"),
    ("path_symlink", "with a slash", "= ENOENT (no such file or directory)"),
    ("path_symlink", "with a slash, there already", "= EEXIST (file exists)"),
    ("path_link", "a name with a slash", "= ENOENT (no such file or directory)"),
    // A final link that is not followed.
    ("path_open", "a link, not followed", "= ELOOP (too many levels of symbolic links)"),
    ("path_open", "a link, not followed, as a directory", "= ENOTDIR (not a directory)"),
    ("path_open", "a link to itself as a directory", "= ELOOP (too many levels of symbolic links)"),
    // A link's text comes as far as the buffer goes.
    ("path_readlink", "no room, too little, enough, more", "[1 bytes]) = 0 [used=1]"),
    // Hard links.
    ("path_link", "a second name of what a link leads to", "= 0"),
    ("path_link", "a directory's", "= EPERM (operation not permitted)"),
    ("path_link", "its own name", "= EEXIST (file exists)"),
    // A file is no directory to start from.
    ("path_open", "from a file", "= ENOTDIR (not a directory)"),
    ("path_unlink_file", "from a file", "= ENOTDIR (not a directory)"),
    // A directory is neither made nor cut by an open, and not opened to write.
    ("path_open", "a directory to be made or cut", "= EINVAL (invalid argument)"),
    ("path_open", "a file as a directory", "= ENOTDIR (not a directory)"),
    ("path_open", "a directory to write", "= EISDIR (is a directory)"),
    ("path_open", "new and it is not", "= EEXIST (file exists)"),
    // A listing fills its buffer to the end, and less than full is the end.
    ("fd_readdir", "a cut header", "= 0 [used=23]"),
    ("fd_readdir", "the count in the buffer", "= 0 [used=100]"),
    ("fd_readdir", "removed", "= 0 [used=0]"),
    // Vectored calls.
    ("fd_read", "one buffer too many", "= EINVAL (invalid argument)"),
    ("fd_pread", "several buffers, one of them of nothing", "= 0 [nread=5]"),
    // Offsets.
    ("fd_seek", "a directory", "= EBADF (bad file descriptor)"),
    ("fd_seek", "a stream", "= ESPIPE (illegal seek)"),
    ("fd_seek", "before the start", "= EINVAL (invalid argument)"),
    ("fd_seek", "past the end", "= 0 [at=1099511627787]"),
    ("fd_pwrite", "appending, whatever the offset", "= 0 [nwritten=8]"),
    ("fd_pread", "a stream", "= ESPIPE (illegal seek)"),
    ("fd_pread", "offsets at the edge", "18446744073709551615) = EINVAL (invalid argument)"),
    ("fd_pread", "at the end", "= 0 [nread=0]"),
    // Sizes.
    ("fd_allocate", "past the last offset", "= EFBIG (file too large)"),
    ("fd_allocate", "it does not shrink", "= 0"),
    ("fd_filestat_set_size", "not open for writing", "= EINVAL (invalid argument)"),
    ("fd_filestat_set_size", "a directory", "= EINVAL (invalid argument)"),
    // A time is given or now, not both.
    (
        "path_filestat_set_times",
        "each flag, both sides, none, a side twice, unknown ones",
        "ATIM|ATIM_NOW) = EINVAL (invalid argument)",
    ),
    (
        "fd_filestat_set_times",
        "each flag, both sides, none, a side twice, unknown ones",
        "MTIM|MTIM_NOW) = EINVAL (invalid argument)",
    ),
    // Status flags.
    ("fd_fdstat_set_flags", "standard input", "NONBLOCK) = 0"),
    ("fd_fdstat_set_flags", "each flag, both that can change, none, unknown ones", "SYNC) = EINVAL (invalid argument)"),
    // Numbers of descriptors.
    ("fd_renumber", "onto itself", "= 0"),
    ("fd_renumber", "from what it was", "= EBADF (bad file descriptor)"),
    ("fd_renumber", "onto a preopen", "= 0"),
    ("fd_renumber", "onto what is not open", "= EBADF (bad file descriptor)"),
    ("fd_close", "a preopen", "= 0"),
    ("fd_prestat_get", "closed", "= EBADF (bad file descriptor)"),
    ("fd_prestat_get", "behind the last", "= EBADF (bad file descriptor)"),
    ("fd_prestat_dir_name", "too short, as long, longer", "[3 bytes]) = ENAMETOOLONG (file name too long)"),
    ("fd_prestat_dir_name", "no preopen", "= ENOTDIR (not a directory)"),
    // Polling.
    ("poll_oneoff", "none, too many", "= EINVAL (invalid argument)"),
    ("poll_oneoff", "not open: told in the event", "[ready=1]"),
    ("poll_oneoff", "a moment that has passed", "[ready=1]"),
    ("poll_oneoff", "a clock that is not due", "waits"),
    ("poll_oneoff", "a file, and a clock that is not due", "[ready=1]"),
    // Removal.
    ("path_unlink_file", "a directory", "= EISDIR (is a directory)"),
    ("path_remove_directory", "a file", "= ENOTDIR (not a directory)"),
    ("path_remove_directory", "a full one", "= ENOTEMPTY (directory not empty)"),
    // Any code ends a guest.
    ("proc_exit", "any code", "proc_exit(256) = ?"),
    // Lengths before addresses.
    ("path_open", "a path of all numbers", "= ENAMETOOLONG (file name too long)"),
];

#[test]
fn known_edges_have_rows() {
    let rows: BTreeMap<&str, Vec<String>> = run_all().into_iter().map(|table| (table.name, table.rows)).collect();
    for (name, says, ends) in EDGES {
        let start = format!("{says}: {name}");
        let found: Vec<_> = rows[name].iter().filter(|row| row.starts_with(&start)).collect();
        assert!(found.iter().any(|row| row.ends_with(ends)), "{name}: {says}: {found:?}, not {ends}");
    }
}

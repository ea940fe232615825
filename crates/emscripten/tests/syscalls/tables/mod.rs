//! A table of cases for each function: what is asked, and the line that the trace has of it. The lines are snapshots; that each error
//! which a function's documentation names has a row, and each flag, is asserted.

mod attributes;
mod descriptors;
mod epoll;
mod names;
mod raw;
mod runtime;
mod sockets;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::path::Path;

use stratafs::memfs::MemFs;
use stratafs::{Budget, Errno, Limits, Namespace, NodeRef};
use stratafs_abi::{Flow, Tracer};
use stratafs_conformance::table::{Lines, documented};
use stratafs_emscripten::Generation;

use crate::calls::all;
use crate::guest::{Answer, CWD, Guest, OUTSIDE, answer, layer, limits, state, tree};

type Rows = fn(&mut Table);

/// Every function with its table, under its name without `__syscall_`. A name that two generations have is one table for both.
fn tables() -> BTreeMap<&'static str, Rows> {
    let syscalls = [attributes::TABLES, descriptors::TABLES, epoll::TABLES, names::TABLES, sockets::TABLES, waiting::TABLES];
    let all = [&syscalls[..], &[runtime::TABLES]].concat().concat();
    let count = all.len();
    let tables: BTreeMap<_, _> = all.into_iter().collect();
    assert_eq!(tables.len(), count, "a function has two tables");
    tables
}

const NO_HOLES: &str = "a memory layer charges no holes; a host's filesystem may";
const NO_DIRECTORY: &str = "a path without a directory before it";
const POSITIVE: &str = "answered as a positive number, which the row shows";
const NO_NUL: &str = "a text that ends at the first NUL has none";

/// Errors that a documentation names and no guest can bring about here, and why. Without a function: for all.
const UNREACHABLE: &[(Option<&str>, &str, &str)] = &[
    (Some("truncate64"), "ENOSPC", NO_HOLES),
    (Some("ftruncate64"), "ENOSPC", NO_HOLES),
    (Some("open"), "EBADF", NO_DIRECTORY),
    (Some("mkdir"), "EBADF", NO_DIRECTORY),
    (Some("mknod"), "EBADF", NO_DIRECTORY),
    (Some("rename"), "EBADF", NO_DIRECTORY),
    (Some("symlink"), "EBADF", NO_DIRECTORY),
    (Some("readlink"), "EBADF", NO_DIRECTORY),
    (Some("symlink"), "EINVAL", NO_NUL),
    (Some("symlinkat"), "EINVAL", NO_NUL),
    (Some("gethostbyname_r"), "ERANGE", POSITIVE),
    (Some("gethostbyname_r"), "EFAULT", POSITIVE),
    (None, "EMLINK", "a memory layer counts names in 64 bits"),
    (None, "EFBIG", "a memory layer has no bound below the one that is EINVAL; a host's filesystem may"),
    (None, "EPERM", "on the way: a path leaves its directory, and Emscripten's directories are no cages"),
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
    fn is_split(&self) -> bool {
        self.g.generation == Generation::Split
    }

    /// Goes on with another guest.
    fn on(&mut self, mut g: Guest) {
        g.generation = self.g.generation;
        self.g = g;
    }

    /// Goes on with a new guest like the first.
    fn fresh(&mut self) {
        self.on(Guest::new());
    }

    /// Makes the call and keeps its line. A call that fails has changed nothing.
    #[track_caller]
    fn row(&mut self, says: &str, args: &[u64]) -> Answer {
        let before = (state(&mut self.g.process), self.g.memory.clone());
        let lines = Lines::default();
        self.g.tracer = Some(Tracer::lines(Box::new(lines.clone())));
        let flow = self.g.flow(self.name, args);
        self.g.tracer = None;
        let line = lines.take().concat();
        let waits = matches!(flow, Flow::Wait(_));
        let line = if waits { format!("{} waits", self.name) } else { line };
        let error = error_of(&line);
        if let Some(error) = error {
            self.errors.insert(error);
            assert!(before.1 == self.g.memory, "{}: {says}: memory changed", self.name);
            assert_eq!(before.0, state(&mut self.g.process), "{}: {says}", self.name);
        }
        self.rows.push(format!("{says}: {line}"));
        match flow {
            Flow::Done(Some(number)) if is_syscall(self.name) => {
                assert_eq!(answer(number).is_err(), error.is_some(), "{line}");
                answer(number)
            }
            _ => Ok(0),
        }
    }

    /// Rows for a call of which one argument takes all these values.
    fn each(&mut self, says: &str, args: &[u64], index: usize, values: &[u64]) {
        for &value in values {
            let mut args = args.to_vec();
            args[index] = value;
            let _ = self.row(says, &args);
        }
    }

    /// A row for each path.
    fn paths(&mut self, paths: &[(&str, &str)], args: &dyn Fn(u64) -> Vec<u64>) {
        for (says, path) in paths {
            let at = self.put(path);
            let _ = self.row(says, &args(at));
        }
    }

    /// Paths that are no paths, or lead nowhere.
    fn bad_paths(&mut self, args: &dyn Fn(u64) -> Vec<u64>) {
        self.two("symlink", "self", "/self").unwrap();
        let long = "n".repeat(256);
        let most = "x".repeat(4095);
        self.paths(
            &[
                ("an empty path", ""),
                ("a name of 256 bytes", &long),
                ("a path of 4,095 bytes", &most),
                ("a missing directory", "/missing/x"),
                ("a file as a directory", "/dir/file/x"),
                ("a link to itself as a directory", "/self/x"),
            ],
            args,
        );
        let endless = self.put(vec![b'x'; 65_536]);
        let _ = self.row("a path of 64 KiB", &args(endless));
        let _ = self.row("no path", &args(0));
        let _ = self.row("a path without an end", &args(OUTSIDE - 1));
        let _ = self.row("a path outside", &args(OUTSIDE));
    }

    /// The same for a call with a directory before the path.
    fn bad_paths_at(&mut self, args: &dyn Fn(u64, u64) -> Vec<u64>) {
        self.bad_paths(&|path| args(CWD, path));
        let file = self.open("/dir/file", 0).unwrap();
        let path = self.put("x");
        let _ = self.row("from a file", &args(file, path));
        let _ = self.row("from what is not open", &args(99, path));
    }
}

/// A guest that has little room for bytes.
fn small() -> Guest {
    let mut limits = limits();
    limits.bytes = 400;
    let ns = Namespace::new(layer(&limits), &limits);
    Guest::limited(ns, limits, |builder| builder)
}

/// A guest whose numbers end at 6.
fn few_numbers() -> Guest {
    let mut limits = Limits::default();
    limits.fds = 7;
    Guest::limited(tree(), limits, |builder| builder)
}

/// A guest in a layer that is read-only, from which `/` is the layer.
fn read_only() -> Guest {
    let limits = limits();
    let mut ns = Namespace::new(NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits)), &limits);
    ns.mount(b"/ro", layer(&limits), true).unwrap();
    Guest::with(ns, |builder| builder.cwd("/ro"))
}

/// A guest with a second memory layer on `/other`.
fn two_mounts() -> Guest {
    let limits = limits();
    let mut ns = tree();
    ns.mount(b"/other", NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits)), false).unwrap();
    Guest::on(ns)
}

/// The error that a line of the trace tells: by its name, because some have one number.
fn error_of(line: &str) -> Option<&'static str> {
    let told = line.rsplit_once(" = ").and_then(|(_, answer)| answer.split(' ').next()).unwrap_or_default();
    Errno::ALL.iter().map(|errno| errno.name()).find(|name| *name == told)
}

fn is_syscall(name: &str) -> bool {
    name.starts_with("__syscall_")
}

fn short(name: &'static str) -> &'static str {
    name.strip_prefix("__syscall_").unwrap_or(name)
}

fn run_all() -> Vec<Table> {
    let tables = tables();
    all()
        .chain(crate::runtime::all())
        .map(|(generation, f)| {
            let rows = tables.get(short(f.about.name)).unwrap_or_else(|| panic!("{} has no table", f.about.name));
            let mut g = if is_syscall(f.about.name) { Guest::new() } else { runtime::still() };
            g.generation = generation;
            let mut table = Table { g, name: f.about.name, rows: Vec::new(), errors: BTreeSet::new() };
            rows(&mut table);
            table
        })
        .collect()
}

#[test]
fn every_function_has_its_table() {
    let mut left: BTreeSet<_> = tables().into_keys().collect();
    let mut text = String::new();
    for table in run_all() {
        assert!(!table.rows.is_empty(), "{} has an empty table", table.name);
        left.remove(short(table.name));
        let generation = if table.is_split() { " of 3.1.6" } else { "" };
        text += &format!("{}{generation}\n  {}\n", table.name, table.rows.join("\n  "));
    }
    assert!(left.is_empty(), "tables of no function: {left:?}");
    insta::assert_snapshot!("tables", text);
}

#[test]
fn every_error_that_is_documented_has_a_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let syscalls = documented(&[&root.join("src"), &root.join("../vfs/src/process")]).unwrap();
    let functions = documented(&[&root.join("src/runtime")]).unwrap();
    let (mut missing, mut named) = (Vec::new(), 0);
    // The rows of a function of the runtime are those of both generations together: 3.1.6's 32 bits cannot reach all.
    let tables = run_all();
    let together = |table: &Table| -> BTreeSet<_> {
        tables
            .iter()
            .filter(|other| other.name == table.name && !is_syscall(table.name))
            .flat_map(|other| &other.errors)
            .copied()
            .collect()
    };
    for table in &tables {
        let unreachable = UNREACHABLE.iter().filter(|(name, ..)| name.is_none_or(|name| name == short(table.name)));
        let unreachable: BTreeSet<_> = unreachable.map(|(_, errno, _)| *errno).collect();
        let documented = if is_syscall(table.name) { syscalls.get(table.name) } else { functions.get(table.name) };
        // The identity functions are made by a macro, and fail never.
        let Some(wanted) = documented else {
            assert!(table.errors.is_empty() && table.name.contains("id32"), "{} is not documented", table.name);
            continue;
        };
        named += wanted.len();
        let seen = table.errors.union(&together(table)).copied().collect();
        for errno in wanted.difference(&seen).filter(|errno| !unreachable.contains(*errno)) {
            missing.push(format!("{}: {errno} is documented and has no row", table.name));
        }
        for errno in seen.difference(wanted) {
            missing.push(format!("{}: {errno} has a row and is not documented", table.name));
        }
    }
    println!("{named} errors are documented");
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_flag_has_a_row() {
    let rows: BTreeMap<_, _> = run_all().into_iter().map(|table| (short(table.name), table.rows.join("\n"))).collect();
    let open = [
        "O_RDONLY",
        "O_WRONLY",
        "O_RDWR",
        "O_ACCMODE",
        "O_CREAT",
        "O_EXCL",
        "O_TRUNC",
        "O_APPEND",
        "O_NONBLOCK",
        "O_DIRECTORY",
        "O_NOFOLLOW",
        "O_CLOEXEC",
        "O_PATH",
    ];
    for (name, flags) in [
        ("open", &open[..]),
        ("openat", &open),
        ("unlinkat", &["AT_REMOVEDIR"]),
        ("linkat", &["AT_SYMLINK_FOLLOW", "AT_EMPTY_PATH"]),
        ("newfstatat", &["AT_SYMLINK_NOFOLLOW", "AT_NO_AUTOMOUNT", "AT_EMPTY_PATH"]),
        ("fstatat64", &["AT_SYMLINK_NOFOLLOW", "AT_NO_AUTOMOUNT", "AT_EMPTY_PATH"]),
        ("fchmodat2", &["AT_SYMLINK_NOFOLLOW", "AT_EMPTY_PATH"]),
        ("fchownat", &["AT_SYMLINK_NOFOLLOW", "AT_EMPTY_PATH"]),
        ("utimensat", &["AT_SYMLINK_NOFOLLOW", "AT_EMPTY_PATH"]),
        // AT_EACCESS has the number of AT_REMOVEDIR.
        ("faccessat", &["AT_SYMLINK_NOFOLLOW", "AT_REMOVEDIR", "AT_EMPTY_PATH"]),
    ] {
        for flag in flags {
            let word = |c: char| !c.is_alphanumeric() && c != '_';
            assert!(rows[name].split(word).any(|w| w == *flag), "{name}: no row with {flag}");
        }
    }
}

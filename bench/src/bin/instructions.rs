//! What calls of a [`Process`] cost in instructions, which no clock and no neighbour disturbs.
//!
//!     instructions                        compares with bench/instructions.txt; needs valgrind
//!     instructions write                  writes that file
//!     instructions run LAYER ROW COUNT    only makes the calls, for `valgrind --tool=callgrind` or `perf`
//!     instructions time LAYER [ROW]       nanoseconds of one call, at best
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stratafs::hostfs::HostOptions;
use stratafs::zipfs::pack::{PackEntry, pack};
use stratafs::{Access, Clock, DirFd, Errno, Fd, Layer, Limits, OneBuf, OpenHow, Outcome, Process, Timestamp, Tree, Whence};

const FILE: &[u8] = b"/usr/lib/file.txt";
const MISSING: &[u8] = b"/usr/lib/missing.txt";
const OTHER: &[u8] = b"/usr/lib/other.txt";
const MANY: &[u8] = b"/usr/many";
const ENTRIES: usize = 1000;

/// One call, and what it must answer.
type Row = fn(&mut Process, &mut Fds);

/// Descriptors that are open all the while, and bytes to move.
struct Fds {
    file: Fd,
    many: Fd,
    bytes: [u8; 4096],
}

const ROWS: &[(&str, Row)] = &[
    ("stat", |p, _| assert_eq!(p.statat(DirFd::Cwd, black_box(FILE), true).map(|stat| stat.size), Ok(4096))),
    ("stat-missing", |p, _| assert_eq!(p.statat(DirFd::Cwd, black_box(MISSING), true), Err(Errno::ENOENT))),
    ("open-close", |p, _| {
        let fd = open(p, FILE, &OpenHow::read());
        p.close(fd).unwrap();
    }),
    ("fstat", |p, fds| assert_eq!(p.fstat(fds.file).map(|stat| stat.size), Ok(4096))),
    ("lseek", |p, fds| assert_eq!(p.lseek(fds.file, Whence::Set, 7), Ok(7))),
    ("pread", |p, fds| assert_eq!(p.pread(fds.file, &mut OneBuf(&mut fds.bytes), 0), Ok(4096))),
    ("pwrite", |p, fds| assert_eq!(p.pwrite(fds.file, &[IoSlice::new(&fds.bytes)], 0), Ok(4096))),
    ("readdir", |p, fds| {
        let mut entries = 0;
        let each = &mut |entry: stratafs::DirEntry<'_>| {
            entries += usize::from(!black_box(entry.name).is_empty());
            ControlFlow::Continue(())
        };
        p.read_dir(fds.many, 0, each).unwrap();
        assert_eq!(entries, ENTRIES + 2);
    }),
    ("create-unlink", |p, _| {
        let fd = open(p, OTHER, &OpenHow::write_new());
        assert_eq!(p.pwrite(fd, &[IoSlice::new(b"hello")], 0), Ok(5));
        p.close(fd).unwrap();
        assert_eq!(p.unlinkat(DirFd::Cwd, OTHER), Ok(()));
    }),
    ("rename-twice", |p, _| {
        assert_eq!(p.renameat(DirFd::Cwd, FILE, DirFd::Cwd, OTHER), Ok(()));
        assert_eq!(p.renameat(DirFd::Cwd, OTHER, DirFd::Cwd, FILE), Ok(()));
    }),
    ("mkdir-rmdir", |p, _| {
        assert_eq!(p.mkdirat(DirFd::Cwd, OTHER, 0o777), Ok(()));
        assert_eq!(p.rmdirat(DirFd::Cwd, OTHER), Ok(()));
    }),
];

/// Rows that an archive refuses.
const WRITING: [&str; 4] = ["pwrite", "create-unlink", "rename-twice", "mkdir-rmdir"];
const LAYERS: [&str; 5] = ["memory", "overlay", "zip", "host", "exclusive"];
/// Layers whose counts are kept. What the kernel does for the others is not counted.
const KEPT: [&str; 3] = ["memory", "overlay", "zip"];
/// How many calls of a row are counted: what comes before them differs by some 20,000 instructions from run to run.
fn calls_of(row: &str) -> u64 {
    if row == "readdir" { 500 } else { 20_000 }
}

/// By how much a count may differ, in parts.
const TOLERANCE: f64 = 0.05;

fn open(process: &mut Process, path: &[u8], how: &OpenHow) -> Fd {
    match process.openat(DirFd::Cwd, path, how).unwrap() {
        Outcome::Ready(fd) => fd,
        Outcome::Wait(_) => unreachable!("a file waits for nothing"),
    }
}

/// A clock that stands still: reading the host's is no cost of the calls, and valgrind cannot follow it into the kernel's page.
struct Still;

impl Clock for Still {
    fn realtime(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// The files that the rows use, in an archive.
fn archive() -> Vec<u8> {
    let many = (0..ENTRIES).map(|n| PackEntry::file(format!("usr/many/entry-{n}"), Vec::new()));
    pack(many.chain([PackEntry::file("usr/lib/file.txt", vec![7; 4096])])).unwrap()
}

fn process(layer: &str, scratch: &Path) -> Option<Process> {
    let limits = Limits::default();
    let zip = Layer::ZipBytes("archive".to_owned(), archive().into());
    let root = match layer {
        "memory" => Layer::Memory,
        "overlay" => Layer::Overlay(vec![zip]),
        "zip" => zip,
        "host" | "exclusive" => {
            let options = HostOptions { writable: true, exclusive: layer == "exclusive", ..HostOptions::default() };
            Layer::Host(scratch.to_path_buf(), options)
        }
        _ => return None,
    };
    let tree = Tree::new(limits.clone()).clock(Arc::new(Still)).layer("/", root).build().unwrap();
    let mut process = Process::builder(tree, limits).clock(Arc::new(Still)).build().unwrap();
    if !["overlay", "zip"].contains(&layer) {
        for dir in [&b"/usr"[..], b"/usr/lib", b"/usr/many"] {
            process.mkdirat(DirFd::Cwd, dir, 0o755).unwrap();
        }
        let fd = open(&mut process, FILE, &OpenHow::write_new());
        assert_eq!(process.pwrite(fd, &[IoSlice::new(&[7; 4096])], 0), Ok(4096));
        for n in 0..ENTRIES {
            process.mkfileat(DirFd::Cwd, format!("/usr/many/entry-{n}").as_bytes(), 0o644).unwrap();
        }
    }
    Some(process)
}

/// Makes a row's calls `count` times, or prints what one costs.
fn calls(layer: &str, wanted: Option<&str>, count: Option<u64>) -> Result<(), String> {
    let scratch =
        tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "." }).map_err(|error| error.to_string())?;
    let mut process = process(layer, scratch.path()).ok_or_else(|| format!("{layer} is none of {}", LAYERS.join(", ")))?;
    let access = if layer == "zip" { Access::READ } else { Access::READ_WRITE };
    let mut fds = Fds {
        file: open(&mut process, FILE, &OpenHow::new(access)),
        many: open(&mut process, MANY, &OpenHow { directory: true, ..OpenHow::read() }),
        bytes: [7; 4096],
    };
    for (name, row) in rows(layer).filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)) {
        match count {
            Some(count) => (0..count).for_each(|_| row(&mut process, &mut fds)),
            None => println!("{name} {:.1}", time(|| row(&mut process, &mut fds))),
        }
    }
    Ok(())
}

/// The rows that a layer can do.
fn rows(layer: &str) -> impl Iterator<Item = &'static (&'static str, Row)> {
    let reads = layer == "zip";
    ROWS.iter().filter(move |(name, _)| !reads || !WRITING.contains(name))
}

/// Nanoseconds of one call: the best of many short rounds.
fn time(mut call: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        (0..1000).for_each(|_| call());
        best = best.min(start.elapsed());
    }
    best.as_nanos() as f64 / 1000.0
}

/// The instructions of a run of this program.
fn counted(layer: &str, row: &str, count: u64) -> Result<u64, String> {
    let exe = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(exe);
    let output = valgrind.args(["run", layer, row, &count.to_string()]).output();
    let output = output.map_err(|error| format!("valgrind: {error}: install it, for example with `apt-get install valgrind`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind: {}: {said}", output.status))
}

/// Instructions of one call of each row.
fn count_all() -> Result<Vec<(String, u64)>, String> {
    let mut counts = Vec::new();
    for layer in KEPT {
        let before = counted(layer, "none", 0)?;
        for (row, _) in rows(layer) {
            let each = counted(layer, row, calls_of(row))?.saturating_sub(before) / calls_of(row);
            eprintln!("{layer} {row} {each}");
            counts.push((format!("{layer} {row}"), each));
        }
    }
    Ok(counts)
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

/// Where the counts differ from what is kept, a line each.
fn differences(kept: &str, counts: &[(String, u64)]) -> Vec<String> {
    let kept: Vec<(&str, u64)> =
        kept.lines().filter_map(|line| line.rsplit_once(' ')).filter_map(|(row, n)| Some((row, n.parse().ok()?))).collect();
    let here = |row: &str| counts.iter().find(|(name, _)| name == row).map(|&(_, count)| count);
    let mut differ = Vec::new();
    for &(row, expected) in &kept {
        match here(row) {
            Some(count) if (count as f64 - expected as f64).abs() <= expected as f64 * TOLERANCE => {}
            Some(count) => differ.push(format!("{row}: {count} instructions, {expected} are kept")),
            None => differ.push(format!("{row}: is kept, and no row")),
        }
    }
    let new = counts.iter().filter(|(row, _)| !kept.iter().any(|(name, _)| name == row));
    differ.extend(new.map(|(row, count)| format!("{row}: {count} instructions, and none are kept")));
    differ
}

fn run() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let file = std::fs::read_to_string(kept()).map_err(|error| format!("{}: {error}", kept().display()))?;
            let differ = differences(&file, &count_all()?);
            if differ.is_empty() { Ok(()) } else { Err(format!("{}\nIf that is meant: `instructions write`", differ.join("\n"))) }
        }
        ["write"] => {
            let lines: String = count_all()?.iter().map(|(row, count)| format!("{row} {count}\n")).collect();
            std::fs::write(kept(), lines).map_err(|error| format!("{}: {error}", kept().display()))
        }
        ["run", layer, row, count] => calls(layer, Some(row), Some(count.parse().map_err(|_| format!("{count} is no number"))?)),
        ["time", layer] => calls(layer, None, None),
        ["time", layer, row] => calls(layer, Some(row), None),
        _ => Err("usage: instructions [write | run LAYER ROW COUNT | time LAYER [ROW]]".to_owned()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn a_slip_is_told() {
        let counts = |count| [("memory stat".to_owned(), count)];
        assert!(differences("memory stat 100\n", &counts(105)).is_empty());
        assert_eq!(differences("memory stat 100\n", &counts(106)), ["memory stat: 106 instructions, 100 are kept"]);
        assert_eq!(differences("memory stat 100\n", &counts(94)), ["memory stat: 94 instructions, 100 are kept"]);
        assert_eq!(differences("memory stat 100\nzip stat 1\n", &counts(100)), ["zip stat: is kept, and no row"]);
        assert_eq!(differences("", &counts(100)), ["memory stat: 100 instructions, and none are kept"]);
    }
}

//! Many guests: what one costs to make and to keep, alone and together.

use std::io::IoSlice;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use stratafs::memfs::MemFs;
use stratafs::overlay::Overlay;
use stratafs::zipfs::ZipFs;
use stratafs::zipfs::pack::{PackEntry, pack};
use stratafs::{Budget, DirFd, Fd, FileKind, Layer, Limits, Namespace, NodeRef, OpenHow, Outcome, Process, Tree};

use crate::sampler::Sampler;
use crate::section::{Host, Rows, Section, Unit};
use crate::table;

/// The one host here.
pub const STRATAFS: &str = "stratafs";
/// A guest's tree and process.
pub const MAKE: &str = "a process with an overlay over a shared library, made and dropped";
/// A guest that waits.
pub const IDLE: &str = "memory of one of 1,000 such processes that have looked at a file";
/// Storage of a large file.
pub const PEAK: &str = "peak memory for a file of 256 MiB";
/// A small tree.
pub const FREEZE_FEW: &str = "freeze() of 10 files";
/// A large one.
pub const FREEZE_MANY: &str = "freeze() of 1,000,000 files";

const MEMBERS: usize = 460;
const BIG: usize = 256 << 20;
const BLOCK: usize = 64 << 10;

/// An archive like that of a standard library.
fn library() -> Result<NodeRef, String> {
    let members = (0..MEMBERS).map(|n| PackEntry::file(format!("lib/package-{}/module-{n}.pyc", n % 20), vec![7; 8 << 10]));
    let packed = pack(members).map_err(|error| error.to_string())?;
    let fs = ZipFs::from_bytes("library.zip", packed, &Limits::default()).map_err(|error| error.to_string())?;
    Ok(NodeRef::root_of(&fs))
}

fn guest(library: &NodeRef) -> Result<Process, String> {
    let limits = Limits::default();
    let layer = Layer::Overlay(vec![Layer::Node(library.clone())]);
    let tree = Tree::new(limits.clone()).layer("/", layer).build().map_err(|error| error.to_string())?;
    Process::builder(tree, limits).args(["python"]).preopen("/").build().map_err(|errno| format!("the process: {errno}"))
}

fn size(process: &Process, path: &str) -> u64 {
    process.statat(DirFd::Cwd, path.as_bytes(), true).map_or(u64::MAX, |stat| stat.size)
}

fn open(process: &mut Process, path: &str, how: &OpenHow) -> Result<Fd, String> {
    match process.openat(DirFd::Cwd, path.as_bytes(), how) {
        Ok(Outcome::Ready(fd)) => Ok(fd),
        Ok(Outcome::Wait(_)) => Err(format!("{path} has to be waited for")),
        Err(errno) => Err(format!("{path}: {errno}")),
    }
}

/// One round of what takes time.
///
/// # Errors
/// When something is not as it was made.
pub fn times(sampler: &mut Sampler) -> Result<(), String> {
    let library = library()?;
    let preopened = |process: &Process| process.fstat(Fd::new(3)).is_ok_and(|stat| stat.kind == FileKind::Directory);
    sampler.time(MAKE, 1, || guest(&library).map_or(0, |process| u64::from(preopened(&process))))?;
    let few = [10, 1_000, 100_000, 1_000_000].into_iter().take(if sampler.quick { 2 } else { 4 });
    for files in few {
        freeze(sampler, files)?;
    }
    Ok(())
}

/// Freezes a tree of so many files, changing one of them between two times.
fn freeze(sampler: &mut Sampler, files: usize) -> Result<(), String> {
    let row = format!("freeze() of {} files", table::shown(files as f64, Unit::Bytes));
    let mut limits = Limits::default();
    (limits.inodes, limits.bytes) = (u64::MAX, u64::MAX);
    let overlay = Overlay::in_memory(Vec::new(), Budget::of(&limits), &limits);
    let mut process = Process::builder(Namespace::new(NodeRef::root_of(&overlay), &limits), limits)
        .build()
        .map_err(|errno| errno.to_string())?;
    for n in 0..files {
        if n % 1000 == 0 {
            process.mkdirat(DirFd::Cwd, format!("/{}", n / 1000).as_bytes(), 0o755).map_err(|errno| errno.to_string())?;
        }
        process.mkfileat(DirFd::Cwd, format!("/{}/{n}", n / 1000).as_bytes(), 0o644).map_err(|errno| errno.to_string())?;
    }
    // Each time there is something to freeze, and the snapshot has what was there last.
    let (mut took, mut missing) = (Vec::new(), 0_u64);
    for n in 0..if sampler.quick { 2 } else { 25 } {
        process.mkfileat(DirFd::Cwd, format!("/0/new-{n}").as_bytes(), 0o644).map_err(|errno| errno.to_string())?;
        let begun = Instant::now();
        let snapshot = overlay.freeze();
        took.push(begun.elapsed().as_nanos() as f64);
        let frozen = Overlay::from_snapshot(&snapshot, Budget::unlimited(), &Limits::default());
        let seen = Process::builder(Namespace::new(NodeRef::root_of(&frozen), &Limits::default()), Limits::default()).build();
        let seen = seen.map_err(|errno| errno.to_string())?;
        let names = [format!("/0/new-{n}"), format!("/{}/{}", (files - 1) / 1000, files - 1)];
        missing += names.iter().filter(|name| size(&seen, name) != 0).count() as u64;
    }
    let expected = sampler.expected(&row, 0);
    if missing != expected {
        return Err(format!("{row}: {missing} files are missing, not {expected}"));
    }
    took.sort_by(f64::total_cmp);
    sampler.value(&row, took[took.len() / 2]);
    Ok(())
}

/// A tree that two threads use.
#[derive(Debug, Clone, Copy)]
enum Shared {
    Memory,
    Overlay,
    Zip,
}

impl Shared {
    fn root(self) -> Result<NodeRef, String> {
        let limits = Limits::default();
        let library = library()?;
        Ok(match self {
            Shared::Zip => library,
            Shared::Overlay => NodeRef::root_of(&Overlay::in_memory(vec![library], Budget::of(&limits), &limits)),
            Shared::Memory => {
                let fs = MemFs::new(Budget::of(&limits), &limits);
                let root = NodeRef::root_of(&fs);
                let process = Process::builder(Namespace::new(root.clone(), &limits), limits).build();
                let mut process = process.map_err(|errno| errno.to_string())?;
                for dir in ["/lib", "/lib/package-3"] {
                    process.mkdirat(DirFd::Cwd, dir.as_bytes(), 0o755).map_err(|errno| errno.to_string())?;
                }
                let fd = open(&mut process, SHARED_FILE, &OpenHow::write_new())?;
                process.pwrite(fd, &[IoSlice::new(&[7; 8 << 10])], 0).map_err(|errno| errno.to_string())?;
                root
            }
        })
    }
}

const SHARED_FILE: &str = "/lib/package-3/module-3.pyc";

/// One round of two threads on one tree, and of one alone.
fn threads(sampler: &mut Sampler, shared: Shared) -> Result<(), String> {
    let root = shared.root()?;
    let calls: u32 = if sampler.quick { 100 } else { 200_000 };
    let writable = !matches!(shared, Shared::Zip);
    for (what, writes) in [("stat", false), ("open+close", false), ("create+unlink", true)] {
        if writes && !writable {
            continue;
        }
        for (who, count) in [("one thread", 1), ("each of two threads", 2)] {
            let row = format!("{what}, {who}");
            let barrier = Barrier::new(count);
            let expected = sampler.expected(&row, u64::from(calls));
            let one = |thread: usize| -> Result<f64, String> {
                let limits = Limits::default();
                let process = Process::builder(Namespace::new(root.clone(), &limits), limits).build();
                let mut process = process.map_err(|errno| errno.to_string())?;
                let own = format!("/lib/package-3/own-{thread}");
                barrier.wait();
                let begun = Instant::now();
                let good = (0..calls).filter(|_| match what {
                    "stat" => size(&process, SHARED_FILE) == 8 << 10,
                    "open+close" => open(&mut process, SHARED_FILE, &OpenHow::read()).is_ok_and(|fd| process.close(fd).is_ok()),
                    _ => {
                        process.mkfileat(DirFd::Cwd, own.as_bytes(), 0o644).is_ok()
                            && process.unlinkat(DirFd::Cwd, own.as_bytes()).is_ok()
                    }
                });
                let good = good.count() as u64;
                let took = begun.elapsed();
                if good != expected {
                    return Err(format!("{row}: {good} calls were good, not {expected}"));
                }
                Ok(took.as_nanos() as f64 / f64::from(calls))
            };
            let all: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..count)
                    .map(|n| {
                        let one = &one;
                        scope.spawn(move || one(n))
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))).collect()
            });
            let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
            sampler.value(&row, all.iter().sum::<f64>() / count as f64);
        }
    }
    Ok(())
}

/// A number of kilobytes from /proc/self/status, in bytes.
fn status(what: &str) -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc/self/status: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.trim_start_matches(':').trim().strip_suffix(" kB"));
    let kilobytes: f64 = line.and_then(|line| line.parse().ok()).ok_or_else(|| format!("/proc/self/status has no {what}"))?;
    Ok(kilobytes * 1024.0)
}

/// Memory, in a process that has done nothing else: `idle` or `peak`.
///
/// # Errors
/// When something is not as it was made, or the kernel does not tell.
pub fn memory(sampler: &mut Sampler, what: &str) -> Result<(), String> {
    match what {
        "idle" => {
            let library = library()?;
            let one = guest(&library)?;
            let guests: u32 = 1000;
            let before = status("VmRSS")?;
            let all = (0..guests).map(|_| guest(&library)).collect::<Result<Vec<_>, _>>()?;
            let good = all.iter().filter(|guest| size(guest, SHARED_FILE) == 8 << 10).count() as u64;
            let each = (status("VmRSS")? - before) / f64::from(guests);
            let expected = sampler.expected(IDLE, u64::from(guests));
            if good != expected {
                return Err(format!("{IDLE}: {good} processes saw the file, not {expected}"));
            }
            drop(one);
            // A figure that is none is refused by who reads it.
            sampler.value(IDLE, each);
        }
        "peak" => {
            let size = if sampler.quick { BIG / 16 } else { BIG };
            let limits = Limits::default();
            let fs = MemFs::new(Budget::of(&limits), &limits);
            let root = Namespace::new(NodeRef::root_of(&fs), &limits);
            let mut process = Process::builder(root, limits).build().map_err(|errno| errno.to_string())?;
            let fd = open(&mut process, "/big", &OpenHow::write_new())?;
            let (block, before) = (vec![7_u8; BLOCK], status("VmRSS")?);
            let mut wrote = 0;
            while wrote < size {
                wrote += process.pwrite(fd, &[IoSlice::new(&block)], wrote as u64).map_err(|errno| errno.to_string())?;
            }
            let there = self::size(&process, "/big");
            let expected = sampler.expected(PEAK, size as u64);
            if there != expected {
                return Err(format!("{PEAK}: {there} bytes are there, not {expected}"));
            }
            // What a smaller file needs is scaled up: the row is the same.
            sampler.value(PEAK, (status("VmHWM")? - before) * (BIG / size) as f64);
        }
        _ => return Err(format!("{what} is no memory to measure")),
    }
    Ok(())
}

/// Runs `memory` in a new process of `exe`, this program.
fn memory_of(exe: &Path, what: &str, quick: bool) -> Result<Rows, String> {
    let mut command = Command::new(exe);
    command.args(["--memory", what]).args(quick.then_some("--quick")).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{}: {error}", exe.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    table::parse(&String::from_utf8_lossy(&output.stdout))
}

fn of(name: &'static str, about: &'static str, shared: Shared) -> Host {
    let round = move |quick| {
        let mut sampler = Sampler::new(quick);
        threads(&mut sampler, shared).map(|()| sampler.rows)
    };
    Host { name, about, round: Box::new(round) }
}

/// Runs everything here once with an expectation of `row` that is wrong, where it is measured in this process.
///
/// # Errors
/// What is noticed.
pub fn wrong(row: &str) -> Result<(), String> {
    let mut sampler = Sampler { quick: true, wrong: Some(row.to_owned()), rows: Rows::new() };
    times(&mut sampler)?;
    memory(&mut sampler, "idle")?;
    memory(&mut sampler, "peak")?;
    threads(&mut sampler, Shared::Memory)
}

/// The sections; `exe` is this program.
#[must_use]
pub fn sections(exe: &Path) -> [Section; 3] {
    let stratafs =
        |round: crate::section::Round| vec![Host { name: STRATAFS, about: "calls of a `Process` in the host program", round }];
    let exe: Arc<Path> = exe.into();
    [
        Section {
            key: "guests",
            title: "Many guests",
            about: "The library is an archive of 460 members that all guests share. Files are made between two times of `freeze()`, so that there is something to freeze.",
            unit: Unit::Nanos,
            bases: &[],
            rounds: 5,
            hosts: stratafs(Box::new(|quick| {
                let mut sampler = Sampler::new(quick);
                times(&mut sampler).map(|()| sampler.rows)
            })),
        },
        Section {
            key: "memory",
            title: "Memory",
            about: "Resident memory as the kernel counts it, of a process that does nothing else.",
            unit: Unit::Bytes,
            bases: &[],
            rounds: 5,
            hosts: stratafs(Box::new(move |quick| {
                let rows = ["idle", "peak"].map(|what| memory_of(&exe, what, quick));
                rows.into_iter().collect::<Result<Vec<_>, _>>().map(|rows| rows.concat())
            })),
        },
        Section {
            key: "threads",
            title: "Two threads on one tree",
            about: "Guests on two threads share one tree and use the same names, but for those that each of them makes.",
            unit: Unit::Nanos,
            bases: &[],
            rounds: 5,
            hosts: vec![
                of("memfs", "a memory layer", Shared::Memory),
                of("overlay, warm", "an overlay over the archive", Shared::Overlay),
                of("zip", "the archive", Shared::Zip),
            ],
        },
    ]
}

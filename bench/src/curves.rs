//! What a call costs against the size of what it works in.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use stratafs::memfs::MemFs;
use stratafs::overlay::Overlay;
use stratafs::zipfs::ZipFs;
use stratafs::zipfs::pack::{PackEntry, pack};
use stratafs::{Budget, DirFd, Limits, Namespace, NodeRef, OpenHow, Outcome, Process, Stat};

use crate::goals::Cell;
use crate::sampler::Sampler;
use crate::section::{Host, Rows, Section, Unit};
use crate::table::shown;

const ENTRIES: [usize; 6] = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const LAYERS: [usize; 5] = [1, 2, 4, 8, 16];
const COMPONENTS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const OPEN: [usize; 4] = [10, 100, 1_000, 10_000];

const FEW: &str = "stat of one name among 10";
const MANY: &str = "stat of one name among 1,000,000";
const FEW_SPREAD: &str = "stat of any name among 10";
/// Names all over the largest directory.
pub const MANY_SPREAD: &str = "stat of any name among 1,000,000";
const FEW_LAYERS: &str = "stat through 1 layer";
const MANY_LAYERS: &str = "stat through 16 layers";
const FEW_OPEN: &str = "fstat with 10 open files";
const MANY_OPEN: &str = "fstat with 10,000 open files";

const MEMFS: &str = "memfs, natively";
const OVERLAY: &str = "overlay, warm, natively";
const COLD: &str = "overlay, cold, natively";
const ZIP: &str = "zip, natively";
const TABLE: &str = "a hash table";
/// The hosts that are stratafs.
pub const HOSTS: &[&str] = &[MEMFS, OVERLAY, ZIP];

/// Hosts and rows of what should cost the same.
#[must_use]
pub fn flat() -> Vec<(Cell, Cell)> {
    let mut flat = Vec::new();
    for host in [MEMFS, OVERLAY, ZIP] {
        flat.extend([((host, FEW), (host, MANY)), ((host, FEW_SPREAD), (host, MANY_SPREAD))]);
    }
    flat.push(((OVERLAY, FEW_LAYERS), (OVERLAY, MANY_LAYERS)));
    flat.push(((MEMFS, FEW_OPEN), (MEMFS, MANY_OPEN)));
    flat
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.bytes, limits.inodes, limits.fds, limits.zip_members) = (u64::MAX, u64::MAX, 100_000, 2_000_000);
    limits
}

fn process(root: &NodeRef) -> Result<Process, String> {
    Process::builder(Namespace::new(root.clone(), &limits()), limits()).build().map_err(|errno| errno.to_string())
}

fn memory(fill: impl FnOnce(&mut Process) -> stratafs::Result<()>) -> Result<NodeRef, String> {
    let root = NodeRef::root_of(&MemFs::new(Budget::of(&limits()), &limits()));
    fill(&mut process(&root)?).map_err(|errno| errno.to_string())?;
    Ok(root)
}

fn over(lowers: Vec<NodeRef>, cache: bool) -> NodeRef {
    let mut limits = limits();
    limits.overlay_cache = if cache { 2_000_000 } else { 0 };
    NodeRef::root_of(&Overlay::in_memory(lowers, Budget::of(&limits), &limits))
}

fn entry(n: usize) -> String {
    format!("entry-{n}")
}

fn made(p: &mut Process, path: &str) -> stratafs::Result<()> {
    p.mkfileat(DirFd::Cwd, path.as_bytes(), 0o644).map(drop)
}

/// Directories of 10 to 1,000,000 files of no bytes, called after their number.
fn directories(most: usize) -> Result<NodeRef, String> {
    memory(|p| {
        for entries in ENTRIES.into_iter().filter(|&entries| entries <= most) {
            p.mkdirat(DirFd::Cwd, format!("/{entries}").as_bytes(), 0o755)?;
            (0..entries).try_for_each(|n| made(p, &format!("/{entries}/{}", entry(n))))?;
        }
        Ok(())
    })
}

fn archive(most: usize) -> Result<NodeRef, String> {
    let dirs = ENTRIES.into_iter().filter(|&entries| entries <= most);
    let members =
        dirs.flat_map(|entries| (0..entries).map(move |n| PackEntry::file(format!("{entries}/{}", entry(n)), Vec::new())));
    let packed = pack(members).map_err(|error| error.to_string())?;
    let fs = ZipFs::from_bytes("entries.zip", packed, &limits()).map_err(|error| error.to_string())?;
    Ok(NodeRef::root_of(&fs))
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    Overlay { cache: bool },
    Zip,
}

/// The trees, made once: they take longer than what is measured in them.
struct Trees {
    memory: NodeRef,
    zip: NodeRef,
}

fn trees(most: usize) -> Result<&'static Trees, String> {
    static TREES: OnceLock<Result<Trees, String>> = OnceLock::new();
    let made = || Ok(Trees { memory: directories(most)?, zip: archive(most)? });
    TREES.get_or_init(made).as_ref().map_err(Clone::clone)
}

fn exists(process: &Process, path: &str) -> u64 {
    process.statat(DirFd::Cwd, path.as_bytes(), true).map_or(9, |stat| stat.size)
}

/// Calls `look` with one name of each directory over and over, and with up to 20,000 names in an order that a cache cannot guess.
fn looks(sampler: &mut Sampler, most: usize, mut look: impl FnMut(&str) -> u64) -> Result<(), String> {
    for entries in ENTRIES.into_iter().filter(|&entries| entries <= most) {
        let number = shown(entries as f64, Unit::Bytes);
        let one = format!("/{entries}/{}", entry(entries / 2));
        sampler.time(&format!("stat of one name among {number}"), 0, || look(&one))?;
        let any = |n: usize| format!("/{entries}/{}", entry(n.wrapping_mul(7_919_999) % entries));
        let (paths, mut at): (Vec<String>, _) = ((0..entries.min(20_000)).map(any).collect(), 0);
        let any = || {
            at = (at + 1) % paths.len();
            look(&paths[at])
        };
        sampler.time(&format!("stat of any name among {number}"), 0, any)?;
    }
    Ok(())
}

/// The same in a table of all paths, without directories, links, mounts or anything else.
fn table(sampler: &mut Sampler, most: usize) -> Result<(), String> {
    static TABLE: OnceLock<HashMap<String, Arc<Stat>>> = OnceLock::new();
    let file = process(&memory(|p| made(p, "/file"))?)?.statat(DirFd::Cwd, b"/file", true).map_err(|errno| errno.to_string())?;
    let made = || {
        let paths = ENTRIES.into_iter().filter(|&entries| entries <= most);
        let paths = paths.flat_map(|entries| (0..entries).map(move |n| format!("/{entries}/{}", entry(n))));
        paths.map(|path| (path, Arc::new(file))).collect()
    };
    let table = TABLE.get_or_init(made);
    looks(sampler, most, |path| table.get(path).map_or(9, |stat| stat.size))
}

fn names(sampler: &mut Sampler, kind: Kind, most: usize) -> Result<(), String> {
    let trees = trees(most)?;
    let root = match kind {
        Kind::Memory => trees.memory.clone(),
        Kind::Overlay { cache } => over(vec![trees.memory.clone()], cache),
        Kind::Zip => trees.zip.clone(),
    };
    let process = process(&root)?;
    looks(sampler, most, |path| exists(&process, path))
}

/// Layers that each have a file of their own; the one that is looked at lies in the lowest.
fn layers(sampler: &mut Sampler, cache: bool) -> Result<(), String> {
    for layers in LAYERS {
        let lowers = (0..layers).map(|n| {
            memory(|p| {
                p.mkdirat(DirFd::Cwd, b"/usr", 0o755)?;
                p.mkdirat(DirFd::Cwd, b"/usr/lib", 0o755)?;
                made(p, &format!("/usr/lib/{}", entry(n)))
            })
        });
        let process = process(&over(lowers.collect::<Result<_, _>>()?, cache))?;
        let path = format!("/usr/lib/{}", entry(layers - 1));
        let s = if layers == 1 { "" } else { "s" };
        sampler.time(&format!("stat through {layers} layer{s}"), 0, || exists(&process, &path))?;
        let missing = || u64::from(process.statat(DirFd::Cwd, b"/usr/lib/missing", true) != Err(stratafs::Errno::ENOENT));
        sampler.time(&format!("missing path through {layers} layer{s}"), 0, missing)?;
    }
    Ok(())
}

fn components(sampler: &mut Sampler, kind: Kind) -> Result<(), String> {
    let path = |count: usize| format!("{}/file", "/directory".repeat(count - 1));
    let fill = |p: &mut Process| {
        for count in COMPONENTS {
            made(p, &path(count))?;
            for depth in count..count * 2 {
                match p.mkdirat(DirFd::Cwd, "/directory".repeat(depth).as_bytes(), 0o755) {
                    Ok(()) | Err(stratafs::Errno::EEXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    };
    let root = match kind {
        Kind::Memory => memory(fill)?,
        Kind::Overlay { cache } => over(vec![memory(fill)?], cache),
        Kind::Zip => {
            let members = COMPONENTS.map(|count| PackEntry::file(path(count)[1..].to_owned(), Vec::new()));
            let packed = pack(members).map_err(|error| error.to_string())?;
            NodeRef::root_of(&ZipFs::from_bytes("deep.zip", packed, &limits()).map_err(|error| error.to_string())?)
        }
    };
    let process = process(&root)?;
    for count in COMPONENTS {
        let path = path(count);
        let s = if count == 1 { "" } else { "s" };
        sampler.time(&format!("stat of {count} component{s}"), 0, || exists(&process, &path))?;
    }
    Ok(())
}

fn open_files(sampler: &mut Sampler) -> Result<(), String> {
    let mut process = process(&memory(|p| made(p, "/file"))?)?;
    let mut opened = Vec::new();
    for open in OPEN {
        while opened.len() < open {
            match process.openat(DirFd::Cwd, b"/file", &OpenHow::read()) {
                Ok(Outcome::Ready(fd)) => opened.push(fd),
                other => return Err(format!("open: {:?}", other.err())),
            }
        }
        let last = opened[open - 1];
        let number = shown(open as f64, Unit::Bytes);
        sampler.time(&format!("fstat with {number} open files"), 0, || process.fstat(last).map_or(9, |stat| stat.size))?;
        let mut again = || match process.openat(DirFd::Cwd, b"/file", &OpenHow::read()) {
            Ok(Outcome::Ready(fd)) => u64::from(process.close(fd).is_err()),
            _ => 9,
        };
        sampler.time(&format!("open+close with {number} open files"), 0, &mut again)?;
    }
    Ok(())
}

fn round(sampler: &mut Sampler, kind: Kind, most: usize) -> Result<(), String> {
    names(sampler, kind, most)?;
    components(sampler, kind)?;
    if let Kind::Overlay { cache } = kind {
        layers(sampler, cache)?;
    }
    if kind == Kind::Memory {
        open_files(sampler)?;
    }
    Ok(())
}

/// The rows of memory and of an overlay, quickly, with an expectation of `row` that is wrong; or all rows.
///
/// # Errors
/// What is noticed.
pub fn quick(wrong: Option<&str>) -> Result<Rows, String> {
    let mut sampler = Sampler { quick: true, wrong: wrong.map(str::to_owned), rows: Rows::new() };
    round(&mut sampler, Kind::Memory, 1000)?;
    layers(&mut sampler, true)?;
    Ok(sampler.rows)
}

/// The entries of the largest directory.
fn most(quick: bool) -> usize {
    if quick { 1000 } else { 1_000_000 }
}

/// The section.
#[must_use]
pub fn section() -> Section {
    let host = |name, about, kind| {
        let round = move |quick| {
            let mut sampler = Sampler::new(quick);
            round(&mut sampler, kind, most(quick)).map(|()| sampler.rows)
        };
        Host { name, about, round: Box::new(round) }
    };
    Section {
        key: "curves",
        title: "Cost against size",
        about: "`stat` of one name over and over, and of up to 20,000 names spread over the directory, where every look is at memory that no \
                cache of the processor has, which a bare hash table shows; of a file in the lowest of several layers, and of none; of longer \
                paths; calls with many open files. Made by the host program on a `Process`, without an engine.",
        unit: Unit::Nanos,
        bases: &[],
        rounds: 5,
        hosts: vec![
            host(MEMFS, "a memory layer", Kind::Memory),
            host(OVERLAY, "an overlay over memory layers", Kind::Overlay { cache: true }),
            host(COLD, "the same, remembering no name that it looked up", Kind::Overlay { cache: false }),
            host(ZIP, "an archive", Kind::Zip),
            Host {
                name: TABLE,
                about: "a `HashMap` from paths to shared attributes: what memory alone costs",
                round: Box::new(|quick| {
                    let mut sampler = Sampler::new(quick);
                    table(&mut sampler, most(quick)).map(|()| sampler.rows)
                }),
            },
        ],
    }
}

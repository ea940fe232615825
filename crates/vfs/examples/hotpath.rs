//! Runs calls of a [`Process`] over and over: `hotpath memory|overlay|zip|host|exclusive [ROW [COUNT]]`. Without a count it prints the nanoseconds of one
//! call; with one it only makes the calls, for `valgrind --tool=callgrind`: what a call costs is the difference of two counts.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::IoSlice;
use std::ops::ControlFlow;
use std::path::Path;
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

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (layer, wanted, count) = match args[..] {
        [layer] => (layer, None, None),
        [layer, row] => (layer, Some(row), None),
        [layer, row, count] => (layer, Some(row), Some(count.parse().expect("COUNT is a number"))),
        _ => panic!("hotpath memory|overlay|zip|host|exclusive [ROW [COUNT]]"),
    };
    let scratch = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "." }).unwrap();
    let mut process = process(layer, scratch.path()).expect("LAYER is memory, overlay, zip, host or exclusive");
    let access = if layer == "zip" { Access::READ } else { Access::READ_WRITE };
    let mut fds = Fds {
        file: open(&mut process, FILE, &OpenHow::new(access)),
        many: open(&mut process, MANY, &OpenHow { directory: true, ..OpenHow::read() }),
        bytes: [7; 4096],
    };
    for (name, row) in ROWS.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)) {
        if layer == "zip" && WRITING.contains(name) {
            continue;
        }
        match count {
            Some(count) => (0..count).for_each(|_| row(&mut process, &mut fds)),
            None => println!("{name} {:.1}", time(|| row(&mut process, &mut fds))),
        }
    }
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

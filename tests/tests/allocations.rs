//! The allocation rule: calls that make nothing that outlives them allocate nothing, on a file three directories down.
#![forbid(unsafe_code)]

use std::io::IoSlice;

use stratafs::zipfs::ZipFs;
use stratafs::{Access, DirFd, Errno, Fd, Limits, NodeRef, OneBuf, OpenHow, Outcome, Process, Whence};
use stratafs_conformance::subject::process;
use stratafs_conformance::tree::{self, Item};
use stratafs_tests::backends::{memory, over};

const PATH: &[u8] = b"/one/two/file";

const TREE: &[Item] = &[
    Item::Dir { path: "one", mode: 0o755 },
    Item::Dir { path: "one/two", mode: 0o755 },
    Item::File { path: "one/two/file", bytes: "0123456789", mode: 0o644 },
];

/// The same; in an archive the file is deflated here, and stored there.
const SHIFTED: &[Item] = &[
    Item::Dir { path: "other", mode: 0o755 },
    Item::Dir { path: "one", mode: 0o755 },
    Item::Dir { path: "one/two", mode: 0o755 },
    Item::File { path: "one/two/file", bytes: "0123456789", mode: 0o644 },
];

/// Allocations of `f`, which runs once before to fill caches.
#[track_caller]
fn allocations(what: &str, at_most: u64, mut f: impl FnMut()) {
    f();
    let counted = allocation_counter::measure(&mut f).count_total;
    assert!(counted <= at_most, "{what} allocates {counted} times, {at_most} are allowed");
}

fn ready<T>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Ready(value) => value,
        Outcome::Wait(_) => panic!("a file waits for nothing"),
    }
}

fn open(process: &mut Process, how: &OpenHow) -> Fd {
    ready(process.openat(DirFd::Cwd, PATH, how).unwrap())
}

/// What a guest does most, on a tree that is already there.
fn reads(mut process: Process) {
    allocations("stat", 0, || assert_eq!(process.statat(DirFd::Cwd, PATH, true).unwrap().size, 10));
    allocations("stat of a missing file", 0, || {
        assert_eq!(process.statat(DirFd::Cwd, b"/one/two/missing", true), Err(Errno::ENOENT));
    });
    allocations("stat of a missing directory", 0, || {
        assert_eq!(process.statat(DirFd::Cwd, b"/one/missing/file", true), Err(Errno::ENOENT));
    });
    allocations("opening a missing file", 0, || {
        let missing = process.openat(DirFd::Cwd, b"/one/two/missing", &OpenHow::read());
        assert!(matches!(missing, Err(Errno::ENOENT)));
    });
    allocations("open and close", 3, || {
        let fd = open(&mut process, &OpenHow::read());
        process.close(fd).unwrap();
    });
    let fd = open(&mut process, &OpenHow::read());
    let mut bytes = [0; 4];
    allocations("fstat", 0, || assert_eq!(process.fstat(fd).unwrap().size, 10));
    allocations("lseek", 0, || assert_eq!(process.lseek(fd, Whence::Set, 2), Ok(2)));
    allocations("read", 0, || {
        process.lseek(fd, Whence::Set, 2).unwrap();
        assert_eq!(ready(process.read(fd, &mut OneBuf(&mut bytes)).unwrap()), 4);
    });
    assert_eq!(&bytes, b"2345");
    allocations("pread", 0, || assert_eq!(process.pread(fd, &mut OneBuf(&mut bytes), 6), Ok(4)));
    assert_eq!(&bytes, b"6789");
}

/// Writing where there are bytes already.
fn writes(mut process: Process) {
    let fd = open(&mut process, &OpenHow::new(Access::READ_WRITE));
    allocations("write in place", 0, || {
        process.lseek(fd, Whence::Set, 2).unwrap();
        assert_eq!(ready(process.write(fd, &[IoSlice::new(b"AB"), IoSlice::new(b"C")]).unwrap()), 3);
    });
    allocations("pwrite in place", 0, || assert_eq!(process.pwrite(fd, &[IoSlice::new(b"X")], 0), Ok(1)));
    allocations("fstat after a write", 0, || assert_eq!(process.fstat(fd).unwrap().size, 10));
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1)))).count_total;
    assert_eq!(counted, 1);
    let caught = std::panic::catch_unwind(|| allocations("a box", 0, || drop(std::hint::black_box(Box::new(1)))));
    assert!(caught.is_err());
}

#[test]
fn memory_layer() {
    reads(process(memory(TREE)));
    writes(process(memory(TREE)));
}

#[test]
fn archive() {
    for tree in [TREE, SHIFTED] {
        let zip = ZipFs::from_bytes("tree.zip", tree::zip(tree).unwrap(), &Limits::default()).unwrap();
        reads(process(NodeRef::root_of(&zip)));
    }
}

#[test]
fn overlay_over_memory() {
    reads(process(NodeRef::root_of(&over(vec![memory(TREE)]))));
    writes(process(NodeRef::root_of(&over(vec![memory(TREE)]))));
}

#[test]
fn overlay_over_archive() {
    let archive = tree::zip(TREE).unwrap();
    let zip = ZipFs::from_bytes("tree.zip", archive, &Limits::default()).unwrap();
    let overlay = over(vec![NodeRef::root_of(&zip)]);
    reads(process(NodeRef::root_of(&overlay)));
    writes(process(NodeRef::root_of(&overlay)));
}

#[test]
fn overlay_that_holds_the_file_itself() {
    let overlay = over(Vec::new());
    tree::plant(&mut process(NodeRef::root_of(&overlay)), TREE);
    reads(process(NodeRef::root_of(&overlay)));
    writes(process(NodeRef::root_of(&overlay)));
}

//! The trees that guests run in.

use std::io::IoSlice;

use stratafs::devfs::DevFs;
use stratafs::memfs::MemFs;
use stratafs::overlay::Overlay;
use stratafs::zipfs::ZipFs;
use stratafs::zipfs::pack::{PackEntry, pack};
use stratafs::{Budget, DirFd, Limits, Namespace, NodeRef, OpenHow, OsRandom, Outcome, Process};

use crate::counted::Counted;

/// Small bounds, so that they are met.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.bytes = 256 << 10;
    limits.inodes = 100;
    limits.fds = 24;
    limits.path = 300;
    limits.symlinks = 8;
    limits.depth = 40;
    limits.iovecs = 64;
    limits.poll = 64;
    limits.pipe = 4096;
    limits.call = 128 << 10;
    limits.overlay_cache = 64;
    limits.zip_cache = 64 << 10;
    limits
}

pub fn memory(budget: &Budget) -> NodeRef {
    NodeRef::root_of(&MemFs::new(budget.clone(), &limits()))
}

pub fn over(lowers: Vec<NodeRef>, budget: &Budget) -> std::sync::Arc<Overlay> {
    Overlay::in_memory(lowers, budget.clone(), &limits())
}

/// `/dir/file`, `/dir/sub`, `/link`, `/loop`, `/up`, `/empty`, a FIFO.
pub fn plant(root: &NodeRef) {
    let mut process = Process::builder(Namespace::new(root.clone(), &limits()), limits()).build().unwrap();
    for dir in ["/dir", "/dir/sub", "/empty"] {
        process.mkdirat(DirFd::Cwd, dir.as_bytes(), 0o755).unwrap();
    }
    for (path, bytes) in [("/dir/file", &b"hello world"[..]), ("/file", b"")] {
        let Outcome::Ready(fd) = process.openat(DirFd::Cwd, path.as_bytes(), &OpenHow::write_new()).unwrap() else { panic!() };
        process.pwrite(fd, &[IoSlice::new(bytes)], 0).unwrap();
    }
    for (target, path) in [("dir/file", "/link"), ("loop", "/loop"), ("../..", "/dir/up"), ("/dir", "/abs")] {
        process.symlinkat(target.as_bytes(), DirFd::Cwd, path.as_bytes()).unwrap();
    }
    process.linkat(DirFd::Cwd, b"/dir/file", DirFd::Cwd, b"/hard", false).unwrap();
    process.mkfifoat(DirFd::Cwd, b"/fifo", 0o644).unwrap();
}

pub fn archive() -> NodeRef {
    let mut link = PackEntry::file("dir/up", "../..");
    link.mode = 0o120_777;
    let packed = pack([PackEntry::file("dir/file", "hello world"), PackEntry::file("file", ""), PackEntry::file("z", vec![7; 5000]), link]);
    NodeRef::root_of(&ZipFs::from_bytes("seed.zip", packed.unwrap(), &limits()).unwrap())
}

/// A counted tree of the kind `which`, with `/zip`, `/ro` and `/dev` mounted in it.
pub fn namespace(which: usize, budget: &Budget) -> Namespace {
    let root = match which % 4 {
        0 => memory(budget),
        1 => {
            let lower = memory(&Budget::unlimited());
            plant(&lower);
            NodeRef::root_of(&over(vec![lower], budget))
        }
        2 => {
            let overlay = over(Vec::new(), budget);
            plant(&NodeRef::root_of(&overlay));
            drop(overlay.freeze());
            NodeRef::root_of(&overlay)
        }
        _ => NodeRef::root_of(&over(vec![archive()], budget)),
    };
    if which % 4 == 0 {
        plant(&root);
    }
    let mut ns = Namespace::new(Counted::over(root), &limits());
    let read_only = memory(&Budget::unlimited());
    plant(&read_only);
    ns.mount(b"/zip", Counted::over(archive()), false).unwrap();
    ns.mount(b"/ro", Counted::over(read_only), true).unwrap();
    ns.mount(b"/dev", Counted::over(NodeRef::root_of(&DevFs::dev(std::sync::Arc::new(OsRandom)))), false).unwrap();
    ns
}

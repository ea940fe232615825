//! Twenty thousand files and a deep tree work with few descriptors. A test program of its own, because the limit binds all of it.
#![cfg(unix)]

use std::ops::ControlFlow;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::{Access, FileKind, Filesystem, Name, NewKind, Opened};

const DIRS: usize = 200;
const FILES: usize = 100;

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).unwrap()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn make_files(root: &std::path::Path) {
    for d in 0..DIRS {
        let dir = root.join(format!("d{}/e{d}", d % 20));
        std::fs::create_dir_all(&dir).unwrap();
        for f in 0..FILES {
            std::fs::write(dir.join(format!("f{f}")), format!("{d}/{f}")).unwrap();
        }
    }
}

#[test]
fn twenty_thousand_files_under_256_descriptors() {
    let base = if std::path::Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "." };
    let dir = tempfile::TempDir::new_in(base).unwrap();
    make_files(dir.path());
    let limit = Rlimit { current: Some(256), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, limit).unwrap();
    let fs = HostFs::open(dir.path(), HostOptions { writable: true, ..HostOptions::default() }).unwrap();

    let mut kept = Vec::new();
    for d in 0..DIRS {
        let above = fs.lookup(&fs.root(), name(&format!("d{}", d % 20))).unwrap().node;
        let sub = fs.lookup(&above, name(&format!("e{d}"))).unwrap().node;
        let mut listed = 0;
        fs.read_dir(&sub, 0, &mut |entry| {
            assert_eq!(entry.kind, FileKind::File);
            listed += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(listed, FILES);
        kept.extend((0..FILES).map(|f| (format!("{d}/{f}"), fs.lookup(&sub, name(&format!("f{f}"))).unwrap().node)));
    }
    assert_eq!(kept.len(), 20_000);
    // All nodes are alive; open them in an order that has every directory pushed out in between.
    for f in 0..FILES {
        for (text, node) in kept.iter().skip(f).step_by(FILES) {
            let Opened::File(file) = fs.open(node, Access::READ).unwrap() else { panic!("not a file") };
            let mut buf = [0; 16];
            let n = file.read_at(&mut buf, 0).unwrap();
            assert_eq!(&buf[..n], text.as_bytes());
        }
    }
    assert!(open_descriptors() < 100, "{}", open_descriptors());

    deep(&fs);
    out_of_descriptors(&fs, &kept[0].1);
}

/// A chain of directories deeper than the limit, and too long for one path, entered from the bottom.
fn deep(fs: &Arc<HostFs>) {
    let mut at = fs.root();
    for _ in 0..2000 {
        at = fs.create(&at, name("deep"), NewKind::Directory, 0o755).unwrap().node;
    }
    let file = fs.create(&at, name("bottom"), NewKind::File, 0o644).unwrap().node;
    // Push every directory of the chain out.
    for d in 0..DIRS {
        let above = fs.lookup(&fs.root(), name(&format!("d{}", d % 20))).unwrap().node;
        let sub = fs.lookup(&above, name(&format!("e{d}"))).unwrap().node;
        fs.lookup(&sub, name("f0")).unwrap();
    }
    assert_eq!(fs.stat(&file).unwrap().ino, fs.key(&file));
    let mut depth = 0;
    while fs.key(&at) != fs.key(&fs.root()) {
        let parent = fs.parent(&at).unwrap();
        if depth == 0 {
            fs.remove(&at, name("bottom"), stratafs::Removal::File).unwrap();
        }
        fs.remove(&parent, name("deep"), stratafs::Removal::Directory).unwrap();
        at = parent;
        depth += 1;
    }
    assert_eq!(depth, 2000);
    assert!(open_descriptors() < 100, "{}", open_descriptors());
}

/// When the program has no descriptor left, the spare directories give way, and then it is `EMFILE`, which passes.
fn out_of_descriptors(fs: &Arc<HostFs>, node: &stratafs::hostfs::HostNode) {
    let mut held = Vec::new();
    let error = loop {
        match fs.open(node, Access::READ) {
            Ok(opened) => held.push(opened),
            Err(errno) => break errno,
        }
        assert!(held.len() < 300);
    };
    assert_eq!(error, stratafs::Errno::EMFILE);
    assert!(held.len() > 240, "{}", held.len());
    held.truncate(200);
    assert!(fs.open(node, Access::READ).is_ok());
}

//! Random operations on an overlay and on plain memory that holds the same tree.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Create(String),
    Mkdir(String),
    Symlink(String),
    Unlink(String),
    Rmdir(String),
    Rename(String, String),
    Link(String, String),
    Write(String, u64, Vec<u8>),
    Truncate(String),
    Resize(String, u64),
    Chmod(String, u32),
    Open(usize, String, bool),
    WriteOpen(usize, Vec<u8>),
    AppendOpen(usize, Vec<u8>),
    ResizeOpen(usize, u64),
    CloseAll,
    Freeze,
    Fork,
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d")];
    proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..6)
}

fn step() -> impl Strategy<Value = Step> {
    let size = || 0_u64..12;
    prop_oneof![
        3 => path().prop_map(Step::Create),
        3 => path().prop_map(Step::Mkdir),
        1 => path().prop_map(Step::Symlink),
        4 => path().prop_map(Step::Unlink),
        3 => path().prop_map(Step::Rmdir),
        8 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (path(), path()).prop_map(|(from, to)| Step::Link(from, to)),
        3 => (path(), size(), bytes()).prop_map(|(path, at, bytes)| Step::Write(path, at, bytes)),
        1 => path().prop_map(Step::Truncate),
        1 => (path(), size()).prop_map(|(path, size)| Step::Resize(path, size)),
        2 => (path(), 0_u32..0o1000).prop_map(|(path, mode)| Step::Chmod(path, mode)),
        3 => (0_usize..3, path(), any::<bool>()).prop_map(|(slot, path, write)| Step::Open(slot, path, write)),
        3 => (0_usize..3, bytes()).prop_map(|(slot, bytes)| Step::WriteOpen(slot, bytes)),
        1 => (0_usize..3, bytes()).prop_map(|(slot, bytes)| Step::AppendOpen(slot, bytes)),
        1 => (0_usize..3, size()).prop_map(|(slot, size)| Step::ResizeOpen(slot, size)),
        1 => Just(Step::CloseAll),
        2 => Just(Step::Freeze),
        1 => Just(Step::Fork),
    ]
}

/// One side of the comparison.
struct Side {
    tree: Tree,
    open: [Option<(bool, Arc<dyn FileHandle>)>; 3],
}

impl Side {
    fn new(tree: Tree) -> Self {
        Side { tree, open: [None, None, None] }
    }

    fn run(&mut self, step: &Step) -> Result<u64> {
        let tree = &self.tree;
        match step {
            Step::Create(path) => tree.make(path, NewKind::File, 0o640).map(drop)?,
            Step::Mkdir(path) => tree.make(path, NewKind::Directory, 0o750).map(drop)?,
            Step::Symlink(path) => tree.make(path, NewKind::Symlink(b"a/b"), 0o777).map(drop)?,
            Step::Unlink(path) => tree.unlink(path)?,
            Step::Rmdir(path) => tree.rmdir(path)?,
            Step::Rename(from, to) => tree.rename(from, to)?,
            Step::Link(from, to) => tree.link(from, to)?,
            Step::Write(path, at, bytes) => put(&*try_open(&tree.at(path)?, Access::WRITE)?, bytes, *at).map(drop)?,
            Step::Truncate(path) => try_open(&tree.at(path)?, Access { truncate: true, ..Access::WRITE }).map(drop)?,
            Step::Resize(path, size) => {
                let node = tree.at(path)?;
                // What is not a file is refused before a backend is asked.
                if node.stat()?.kind != FileKind::File {
                    return Err(Errno::EINVAL);
                }
                node.set_attr(&SetAttr::size(*size))?;
            }
            Step::Chmod(path, mode) => tree.at(path)?.set_attr(&SetAttr::mode(*mode))?,
            Step::Open(slot, path, write) => {
                let access = if *write { Access::READ_WRITE } else { Access::READ };
                let handle = try_open(&tree.at(path)?, access)?;
                self.open[*slot] = Some((*write, handle));
            }
            Step::WriteOpen(slot, bytes) => {
                let Some((true, handle)) = &self.open[*slot] else { return Err(Errno::EBADF) };
                return put(&**handle, bytes, 1).map(|n| n as u64);
            }
            Step::AppendOpen(slot, bytes) => {
                let Some((true, handle)) = &self.open[*slot] else { return Err(Errno::EBADF) };
                return handle.append(&[IoSlice::new(bytes)]).map(|(_, end)| end);
            }
            Step::ResizeOpen(slot, size) => {
                let Some((_, handle)) = &self.open[*slot] else { return Err(Errno::EBADF) };
                handle.set_attr(&SetAttr::size(*size))?;
            }
            Step::CloseAll => self.open = [None, None, None],
            Step::Freeze | Step::Fork => {}
        }
        Ok(0)
    }

    fn open_files(&self) -> Vec<Option<(Vec<u8>, u64, u32)>> {
        let show = |handle: &dyn FileHandle| {
            let stat = handle.stat().unwrap();
            (read(handle), stat.nlink, stat.mode)
        };
        self.open.iter().map(|open| open.as_ref().map(|(_, handle)| show(&**handle))).collect()
    }
}

/// Two lowers that are merged: directories in both, files that hide directories and the other way round, hard links.
fn seed() -> (Tree, Tree) {
    let (upper, lower) = (mem(), mem());
    for dir in ["a", "a/b", "b", "c", "c/a"] {
        lower.mkdir(dir);
    }
    for file in ["a/a", "a/b/c", "b/a", "b/b", "c/a/d", "c/b"] {
        lower.file(file, file.as_bytes());
    }
    lower.link("b/a", "b/c").unwrap();
    lower.link("b/a", "a/d").unwrap();
    lower.make("c/d", NewKind::Symlink(b"../b"), 0o777).unwrap();
    for dir in ["a", "a/b", "a/b/a", "c", "c/b", "d"] {
        upper.mkdir(dir);
    }
    for file in ["a/b/b", "c/a", "c/b/a", "d/a"] {
        upper.file(file, b"above");
    }
    upper.link("d/a", "d/b").unwrap();
    (upper, lower)
}

/// The same tree, in memory alone.
fn copy(from: &Tree) -> Tree {
    let to = mem();
    for (path, (kind, mode, _, bytes, first)) in from.dump() {
        if path != first {
            to.link(&first, &path).unwrap();
            continue;
        }
        let new = match kind {
            FileKind::Directory => NewKind::Directory,
            FileKind::Symlink => NewKind::Symlink(&bytes),
            _ => NewKind::File,
        };
        let node = to.make(&path, new, mode).unwrap();
        if kind == FileKind::File {
            write(&node, &bytes);
        }
    }
    to
}

fn check(steps: &[Step], cache: usize) {
    let (upper, lower) = seed();
    let (upper_before, lower_before) = (upper.dump(), lower.dump());
    let limits = Limits { overlay_cache: cache, ..limits() };
    let budget = Budget::unlimited();
    let (mut overlay, tree) = over_with(&[&upper, &lower], budget.clone(), &limits);
    let mut model = Side::new(copy(&tree));
    let mut real = Side::new(tree);
    let mut snapshots = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        assert_eq!(real.run(step), model.run(step), "step {at}: {step:?}");
        match step {
            Step::Freeze => snapshots.push((overlay.freeze(), model.tree.dump())),
            Step::Fork => {
                let snapshot = overlay.freeze();
                snapshots.push((snapshot.clone(), model.tree.dump()));
                overlay = Overlay::from_snapshot(&snapshot, budget.clone(), &limits);
                real = Side::new(Tree(NodeRef::root_of(&overlay)));
                model.open = [None, None, None];
            }
            _ => {}
        }
        assert_eq!(real.tree.dump(), model.tree.dump(), "after step {at}: {step:?}");
        assert_eq!(real.open_files(), model.open_files(), "after step {at}: {step:?}");
        assert!(overlay.tree.lock().remembered() <= cache);
    }
    for (snapshot, then) in snapshots {
        assert_eq!(fork(&snapshot).dump(), then);
    }
    assert_eq!((upper.dump(), lower.dump()), (upper_before, lower_before));
    check_diff(&overlay, &real.tree);
    drop((overlay, real));
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

/// What `diff` says leads from the base to the tree.
fn check_diff(overlay: &Overlay, tree: &Tree) {
    let (before, after) = (fork(&overlay.base).dump(), tree.dump());
    let (mut removed, mut added, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for change in overlay.diff().unwrap() {
        let path = format!("/{}", String::from_utf8(change.path).unwrap());
        match change.change {
            ChangeKind::Removed => removed.push(path),
            ChangeKind::Added => added.push(path),
            ChangeKind::Changed => changed.push(path),
        }
    }
    for (path, (kind, mode, _, bytes, _)) in &before {
        let gone = removed.iter().any(|top| path == top || path.starts_with(&format!("{top}/")));
        let now = after.get(path).filter(|_| !added.contains(path));
        assert_eq!(gone, now.is_none(), "{path}");
        if let Some((now_kind, now_mode, _, now_bytes, _)) = now {
            let same = (kind, mode, bytes) == (now_kind, now_mode, now_bytes);
            assert!(same || changed.contains(path), "{path}");
        }
    }
    for path in after.keys() {
        assert_eq!(added.contains(path), !before.contains_key(path) || removed.contains(path) || below(&removed, path), "{path}");
    }
}

fn below(tops: &[String], path: &str) -> bool {
    tops.iter().any(|top| path.starts_with(&format!("{top}/")))
}

/// With too little room: a call that does not fit changes nothing, and nothing is lost from the budget.
fn check_full(steps: &[Step], bytes: u64, inodes: u64) {
    let (upper, lower) = seed();
    let budget = Budget::new(bytes, inodes);
    let (overlay, tree) = over_with(&[&upper, &lower], budget.clone(), &limits());
    let mut side = Side::new(tree);
    let mut before = side.tree.dump();
    for (at, step) in steps.iter().enumerate() {
        let done = side.run(step);
        if matches!(step, Step::Freeze | Step::Fork) {
            drop(overlay.freeze());
        }
        let after = side.tree.dump();
        assert!(done != Err(Errno::ENOSPC) || after == before, "step {at}: {step:?}");
        assert!(!matches!(done, Err(Errno::EIO | Errno::EROFS)), "step {at}: {step:?} {done:?}");
        before = after;
    }
    drop((overlay, side));
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_plain_memory(steps in proptest::collection::vec(step(), 1..60), cache in prop_oneof![Just(0_usize), Just(3), Just(10_000)]) {
        check(&steps, cache);
    }

    #[test]
    fn does_all_or_nothing(steps in proptest::collection::vec(step(), 1..60), bytes in 100_u64..20_000, inodes in 1_u64..20) {
        check_full(&steps, bytes, inodes);
    }
}

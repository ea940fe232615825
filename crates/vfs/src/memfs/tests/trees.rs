//! Renaming, depth, threads, and trees that go.

use super::*;

#[test]
fn renames_are_refused_as_on_linux() {
    let fs = fs();
    for dir in ["a", "a/b", "a/b/c", "full", "full/x", "empty"] {
        mkdir(&fs, dir);
    }
    for f in ["a/b/f", "a/x", "z"] {
        file(&fs, f);
    }
    let used = fs.shared.budget.bytes_used();
    for (from, to, errno) in [
        ("nothing", "z", Errno::ENOENT),
        ("a/nothing", "z", Errno::ENOENT),
        ("a/b/f", "a", Errno::ENOTEMPTY),
        ("a/b/c", "a", Errno::ENOTEMPTY),
        ("a/b/f", "a/b", Errno::ENOTEMPTY),
        ("a", "a/b/c", Errno::EINVAL),
        ("a", "a/new", Errno::EINVAL),
        ("a", "a/x", Errno::EINVAL),
        ("a", "a/b/c/new", Errno::EINVAL),
        ("a", "z", Errno::ENOTDIR),
        ("z", "empty", Errno::EISDIR),
        ("a/x", "full", Errno::EISDIR),
        ("empty", "full", Errno::ENOTEMPTY),
        ("a/b/c", "full", Errno::ENOTEMPTY),
    ] {
        assert_eq!(rename(&fs, from, to), Err(errno), "{from} to {to}");
    }
    assert_eq!(list(&fs, ""), ["a", "full", "empty", "z"]);
    assert_eq!(fs.shared.budget.bytes_used(), used);
    rename(&fs, "a", "empty").unwrap();
    assert_eq!(list(&fs, "empty"), ["b", "x"]);
    assert_eq!(list(&fs, ""), ["full", "empty", "z"]);
}

#[test]
fn directories_move_with_their_link_counts_names_and_parents() {
    let fs = fs();
    for dir in ["a", "a/s", "a/t", "b", "b/t"] {
        mkdir(&fs, dir);
    }
    let (a, b, s) = (at(&fs, "a").unwrap(), at(&fs, "b").unwrap(), at(&fs, "a/s").unwrap());
    rename(&fs, "a/s", "b/moved").unwrap();
    assert_eq!((nlink(&a), nlink(&b), nlink(&s)), (3, 4, 2));
    assert_eq!(fs.name_of(&s).unwrap(), b"moved");
    assert!(Arc::ptr_eq(&fs.parent(&s).unwrap(), &b));
    let replaced = at(&fs, "b/t").unwrap();
    rename(&fs, "a/t", "b/t").unwrap();
    assert_eq!((nlink(&a), nlink(&b), nlink(&replaced)), (2, 4, 0));
    assert_eq!(fs.create(&replaced, name("x"), NewKind::File, 0).unwrap_err(), Errno::ENOENT);
    rename(&fs, "b/t", "b/moved").unwrap();
    assert_eq!((nlink(&b), nlink(&s)), (3, 0));
    rename(&fs, "b/moved", "b/last").unwrap();
    assert_eq!(nlink(&b), 3);
    rename(&fs, "b/last", "top").unwrap();
    assert_eq!((nlink(&b), nlink(&fs.root()), list(&fs, "")), (2, 5, vec!["a".into(), "b".into(), "top".into()]));
    assert_eq!(fs.name_of(&at(&fs, "top").unwrap()).unwrap(), b"top");
}

#[test]
fn rename_over_an_open_file_keeps_it_and_needs_no_space() {
    let budget = Budget::new(2 * 65 + 1024, 2);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let (f, g) = (file(&fs, "f"), file(&fs, "g"));
    write(&f, &[1; 512], 0).unwrap();
    write(&g, &[2; 512], 0).unwrap();
    assert_eq!(budget.bytes_used(), budget.bytes_max());
    assert_eq!(rename(&fs, "f", "longer"), Err(Errno::ENOSPC));
    rename(&fs, "f", "h").unwrap();
    rename(&fs, "h", "g").unwrap();
    assert_eq!((nlink(&g), read(&g)[0]), (0, 2));
    assert_eq!(read(&at(&fs, "g").unwrap())[0], 1);
    rename(&fs, "g", "longer").unwrap();
    drop(g);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (512 + 64 + 6, 1));
}

#[test]
fn depth_is_bounded() {
    let fs = MemFs::new(Budget::unlimited(), &Limits { depth: 3, ..Limits::default() });
    for dir in ["a", "a/b", "a/b/c", "x", "x/y"] {
        mkdir(&fs, dir);
    }
    assert_eq!(make(&fs, "a/b/c/d", NewKind::Directory).unwrap_err(), Errno::ENAMETOOLONG);
    file(&fs, "a/b/c/f");
    assert_eq!(rename(&fs, "x/y", "a/b/c/y"), Err(Errno::ENAMETOOLONG));
    rename(&fs, "a/b/c/f", "x/f").unwrap();
    rename(&fs, "x/y", "a/b/y").unwrap();
    assert_eq!(make(&fs, "a/b/y/d", NewKind::Directory).unwrap_err(), Errno::ENAMETOOLONG);
    // Moving deep ones below deep ones is caught where the climb is longer than there may be directories.
    for dir in ["p", "p/q"] {
        mkdir(&fs, dir);
    }
    rename(&fs, "x", "p/q/x").unwrap();
    rename(&fs, "a", "p/q/a").unwrap();
    assert_eq!(rename(&fs, "p/q/a/b/c", "c"), Err(Errno::ENAMETOOLONG));
}

#[test]
fn a_million_nested_directories_are_made_and_dropped_on_a_small_stack() {
    const DEPTH: u32 = 1_000_000;
    let budget = Budget::unlimited();
    let limits = Limits { depth: DEPTH, ..Limits::default() };
    let fs = MemFs::new(budget.clone(), &limits);
    let work = move || {
        let mut dir = fs.root();
        for _ in 0..DEPTH {
            dir = fs.create(&dir, name("d"), NewKind::Directory, 0o755).unwrap().node;
        }
        assert_eq!(fs.create(&dir, name("d"), NewKind::Directory, 0o755).unwrap_err(), Errno::ENAMETOOLONG);
        drop(fs);
        dir
    };
    let bottom = std::thread::Builder::new().stack_size(256 << 10).spawn(work).unwrap().join().unwrap();
    assert_eq!((budget.inodes_used(), nlink(&bottom)), (1, 2), "only the one that is held is left");
    drop(bottom);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

#[test]
fn the_budget_gets_everything_back() {
    let budget = Budget::new(1 << 24, 1000);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    for dir in ["a", "a/b", "a/b/c", "d"] {
        mkdir(&fs, dir);
        for n in 0..40 {
            write(&file(&fs, &format!("{dir}/f{n}")), &[1; 3000], n * 1000).unwrap();
        }
        make(&fs, &format!("{dir}/l"), NewKind::Symlink(b"some/target")).unwrap();
        make(&fs, &format!("{dir}/p"), NewKind::Fifo).unwrap();
        link(&fs, &format!("{dir}/f1"), &format!("{dir}/hard")).unwrap();
    }
    rename(&fs, "a/b/f3", "d/f4").unwrap();
    rename(&fs, "a/b", "d/a much longer name").unwrap();
    rename(&fs, "d/a much longer name", "e").unwrap();
    unlink(&fs, "d/f7").unwrap();
    let held = at(&fs, "d/f8").unwrap();
    assert!(budget.inodes_used() > 160 && budget.bytes_used() > 160 * 3000);
    drop(fs);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (FileHandle::stat(&*held).unwrap().blocks * 512, 1));
    assert_eq!(read(&held).len(), 11_000);
    drop(held);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

/// A thread's own sequence of numbers below `n`.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |n| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % n
    }
}

/// Threads move directories crosswise, over and into each other, while another makes, lists and removes.
#[test]
fn crosswise_renames_neither_lock_up_nor_lose_anything() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let budget = Budget::unlimited();
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let done = AtomicBool::new(false);
    let somewhere = |pick: &mut dyn FnMut(usize) -> usize| {
        let mut dir = fs.root();
        while pick(3) > 0 {
            let Ok(below) = fs.lookup(&dir, name(NAMES[pick(4)])) else { break };
            dir = below.node;
        }
        dir
    };
    let shuffle = |seed| {
        let mut pick = numbers(seed);
        let mut moved = 0;
        for _ in 0..30_000 {
            let (from_dir, to_dir) = (somewhere(&mut pick), somewhere(&mut pick));
            let _ = fs.create(&from_dir, name(NAMES[pick(4)]), NewKind::Directory, 0o755);
            moved += usize::from(fs.rename(&from_dir, name(NAMES[pick(4)]), &to_dir, name(NAMES[pick(4)])).is_ok());
        }
        moved
    };
    std::thread::scope(|scope| {
        let movers = [scope.spawn(|| shuffle(1)), scope.spawn(|| shuffle(2))];
        scope.spawn(|| {
            let mut pick = numbers(3);
            while !done.load(Ordering::Relaxed) {
                let dir = somewhere(&mut pick);
                let _ = fs.create(&dir, name(NAMES[pick(4)]), NewKind::Directory, 0o755);
                fs.read_dir(&dir, 0, &mut |_| ControlFlow::Continue(())).unwrap();
                if pick(3) == 0 {
                    let _ = fs.remove(&dir, name(NAMES[pick(4)]), Removal::Directory);
                }
            }
        });
        let moved = movers.map(|mover| mover.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert!(moved.iter().all(|&moved| moved > 100), "{moved:?}");
    });
    assert_eq!(check_tree(&fs), budget.inodes_used());
    drop(fs);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

/// Checks link counts, names and parents of every directory; answers how many there are below the root.
fn check_tree(fs: &MemFs) -> u64 {
    let (mut pending, mut count) = (vec![fs.root()], 0);
    while let Some(dir) = pending.pop() {
        let mut below = Vec::new();
        fs.read_dir(&dir, 0, &mut |entry| {
            below.push(entry.name.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(nlink(&dir), 2 + below.len() as u64);
        for entry in below {
            let child = fs.lookup(&dir, Name::new(&entry).unwrap()).unwrap().node;
            assert_eq!(fs.name_of(&child).unwrap(), entry);
            assert!(Arc::ptr_eq(&fs.parent(&child).unwrap(), &dir));
            count += 1;
            pending.push(child);
        }
    }
    count
}

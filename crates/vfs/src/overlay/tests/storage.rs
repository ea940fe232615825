use super::*;

/// Memory that somebody else might change, as a host directory.
struct Shared(Arc<MemFs>);

impl Filesystem for Shared {
    type Node = <MemFs as Filesystem>::Node;

    fn root(&self) -> Self::Node {
        self.0.root()
    }
    fn key(&self, node: &Self::Node) -> u64 {
        self.0.key(node)
    }
    fn parent(&self, dir: &Self::Node) -> Result<Self::Node> {
        self.0.parent(dir)
    }
    fn lookup(&self, dir: &Self::Node, name: Name<'_>) -> Result<Entry<Self::Node>> {
        self.0.lookup(dir, name)
    }
    fn stat(&self, node: &Self::Node) -> Result<Stat> {
        self.0.stat(node)
    }
    fn read_dir(&self, dir: &Self::Node, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.0.read_dir(dir, from, each)
    }
    fn open(&self, node: &Self::Node, access: Access) -> Result<Opened> {
        self.0.open(node, access)
    }
    fn stable(&self) -> bool {
        false
    }
}

#[test]
fn a_lower_that_others_change_is_asked_every_time() {
    let fs = MemFs::new(Budget::unlimited(), &limits());
    let behind = Tree(NodeRef::root_of(&fs));
    let (overlay, tree) = over(&[&Tree(NodeRef::root_of(&Arc::new(Shared(fs))))]);
    behind.mkdir("dir");
    assert_eq!(tree.at("dir/file").err(), Some(Errno::ENOENT));
    behind.file("dir/file", b"1");
    assert_eq!(tree.read("dir/file"), b"1");
    let held = tree.at("dir/file").unwrap();
    assert!(held.is(&tree.at("dir/file").unwrap()));
    behind.rename("dir/file", "dir/other").unwrap();
    assert_eq!(tree.at("dir/file").err(), Some(Errno::ENOENT));
    assert!(held.is(&tree.at("dir/other").unwrap()));
    assert_eq!(overlay.tree.lock().remembered(), 0);
    // What has been changed here is this overlay's own.
    write(&tree.at("dir/other").unwrap(), b"2");
    assert_eq!((read(&*open(&held, Access::READ)), behind.read("dir/other")), (b"2".to_vec(), b"1".to_vec()));
    tree.unlink("dir/other").unwrap();
    behind.file("dir/new", b"3");
    assert_eq!(tree.names("dir"), ["new"]);
}

#[test]
fn an_overlay_over_an_overlay() {
    let below = mem();
    below.mkdir("dir");
    below.file("dir/file", b"lowest");
    let (inner, middle) = over(&[&below]);
    middle.file("dir/middle", b"middle");
    middle.rename("dir/file", "dir/moved").unwrap();
    let before = middle.dump();
    let (_, tree) = over(&[&middle]);
    assert_eq!(tree.dump(), before);
    write(&tree.at("dir/moved").unwrap(), b"L");
    tree.rename("dir", "top").unwrap();
    tree.unlink("top/middle").unwrap();
    assert_eq!((tree.names("top"), tree.read("top/moved")), (vec!["moved".to_string()], b"Lowest".to_vec()));
    assert_eq!(middle.dump(), before);
    drop(inner.freeze());
    let (_, third) = over(&[&tree, &middle, &below]);
    assert_eq!(third.names(""), ["dir", "top"]);
    assert_eq!(third.names("dir"), ["file", "middle", "moved"]);
}

#[test]
fn an_overlay_writes_to_an_overlay() {
    let uppers = || -> Uppers { Box::new(|| over(&[]).1.0) };
    let below = mem();
    below.mkdir("dir");
    below.file("dir/file", b"lower");
    let overlay = Overlay::new(uppers(), vec![below.0.clone()], Budget::unlimited(), &limits());
    let tree = Tree(NodeRef::root_of(&overlay));
    write(&tree.at("dir/file").unwrap(), b"L");
    tree.rename("dir", "moved").unwrap();
    let snapshot = overlay.freeze();
    tree.file("moved/new", b"");
    tree.unlink("moved/file").unwrap();
    assert_eq!(tree.names("moved"), ["new"]);
    assert_eq!(fork(&snapshot).read("moved/file"), b"Lower");
}

#[test]
fn without_lowers_it_starts_empty_and_full_budgets_are_enospc() {
    let (_, tree) = over_with(&[], Budget::new(5_000, 5), &limits());
    assert_eq!(tree.names(""), [""; 0]);
    let mut made = 0;
    let refused = loop {
        match tree.make(&format!("{made}"), NewKind::Directory, 0o755) {
            Ok(_) => made += 1,
            Err(errno) => break errno,
        }
    };
    assert_eq!((refused, made), (Errno::ENOSPC, 4));
    assert_eq!(tree.names("").len(), 4);
    tree.rmdir("0").unwrap();
    tree.mkdir("again");
}

#[test]
fn many_threads_at_once() {
    let below = mem();
    for n in 0..8 {
        below.mkdir(&format!("{n}"));
        below.file(&format!("{n}/file"), &[0; 1000]);
    }
    below.file("shared", &[0; 1000]);
    let before = below.dump();
    let (overlay, tree) = over_with(&[&below], Budget::unlimited(), &Limits { overlay_cache: 16, ..limits() });
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (tree, overlay) = (tree.clone(), overlay.clone());
            scope.spawn(move || {
                let (mut own, mut written) = (format!("{thread}"), vec![0; 1000]);
                for round in 0..300 {
                    let handle = open(&tree.at("shared").unwrap(), Access::READ_WRITE);
                    put(&*handle, &[1], (thread * 100 + round % 100) as u64).unwrap();
                    write(&tree.at(&format!("{own}/file")).unwrap(), &[round as u8]);
                    written[0] = round as u8;
                    let next = format!("{thread}-{}", round % 3);
                    let _ = tree.rename(&own, &next).map(|()| own = next);
                    assert_eq!(tree.read(&format!("{own}/file")), written);
                    tree.link(&format!("{own}/file"), &format!("{own}/link")).unwrap();
                    // Only this one keeps its name all the while.
                    assert_eq!(list(&tree.0).iter().filter(|(name, ..)| name == "shared").count(), 1);
                    tree.unlink(&format!("{own}/link")).unwrap();
                    if round % 50 == thread {
                        drop(overlay.freeze());
                    }
                }
            });
        }
    });
    let shared = tree.read("shared");
    assert!((0..8).all(|thread| shared[thread * 100..thread * 100 + 100].iter().all(|&b| b == 1)));
    assert_eq!(tree.names("").len(), 9);
    assert_eq!(below.dump(), before);
}

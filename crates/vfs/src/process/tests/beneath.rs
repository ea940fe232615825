use super::*;
use crate::AccessMode;
use crate::Errno::*;

/// `/base` with `dir/nested` and links in it, `/out` beside it.
fn caged() -> (Process, DirFd) {
    let root = mem();
    plant(
        &root,
        &[
            "base/",
            "base/dir/",
            "base/dir/nested/",
            "base/file",
            "base/abs -> /base/file",
            "base/up -> ../out",
            "base/round -> ../base/file",
            "base/dir/inner -> ../file",
            "base/dir/deep -> nested/../../dir/nested",
            "base/self -> .",
            "base/dot -> ..",
            "out",
        ],
    );
    let mut p = start(tree(&root));
    let fd = open(&mut p, "/base", &OpenHow::read()).unwrap();
    (p, DirFd::Beneath(fd))
}

fn at(p: &Process, dir: DirFd, path: &str) -> Result<FileKind> {
    p.statat(dir, path.as_bytes(), true).map(|stat| stat.kind)
}

#[test]
fn no_path_leaves_the_base_even_for_a_moment() {
    let (p, base) = caged();
    let (file, dir) = (Ok(FileKind::File), Ok(FileKind::Directory));
    for (path, expected) in [
        (".", dir),
        ("dir/..", dir),
        ("dir/.//nested/../../dir", dir),
        ("dir/inner", file),
        ("dir/deep", dir),
        ("self/self/dir/../file", file),
        ("..", Err(EPERM)),
        ("../base", Err(EPERM)),
        ("dir/../..", Err(EPERM)),
        ("dir/../../base/file", Err(EPERM)),
        ("self/..", Err(EPERM)),
        ("/base/file", Err(EPERM)),
        ("/", Err(EPERM)),
        ("abs", Err(EPERM)),
        ("up", Err(EPERM)),
        ("round", Err(EPERM)),
        ("dot", Err(EPERM)),
        ("dir/../dot/base", Err(EPERM)),
        ("missing/../..", Err(ENOENT)),
        ("file/..", Err(ENOTDIR)),
        ("", Err(ENOENT)),
    ] {
        assert_eq!(at(&p, base, path), expected, "{path}");
    }
    // Without following, the link itself is inside.
    assert_eq!(p.readlinkat(base, b"up").unwrap(), b"../out");
    assert_eq!(p.statat(base, b"abs", false).unwrap().kind, FileKind::Symlink);
}

#[test]
fn every_call_keeps_to_the_base() {
    let (mut p, base) = caged();
    for path in [&b"../n"[..], b"dir/../../n", b"dot/n", b"/base/n"] {
        assert_eq!(p.mkdirat(base, path, 0o755), Err(EPERM));
        assert_eq!(p.mkfileat(base, path, 0o755), Err(EPERM));
        assert_eq!(p.mkfifoat(base, path, 0o755), Err(EPERM));
        assert_eq!(p.symlinkat(b"t", base, path), Err(EPERM));
        assert_eq!(p.linkat(base, b"file", base, path, false), Err(EPERM));
        assert_eq!(p.linkat(base, path, base, b"n", false), Err(EPERM));
        assert_eq!(p.renameat(base, b"file", base, path), Err(EPERM));
        assert_eq!(p.renameat(base, path, base, b"n"), Err(EPERM));
        assert_eq!(p.unlinkat(base, path), Err(EPERM));
        assert_eq!(p.rmdirat(base, path), Err(EPERM));
        assert_eq!(p.readlinkat(base, path), Err(EPERM));
        assert_eq!(p.set_attr_at(base, path, true, &SetAttr::mode(0)), Err(EPERM));
        assert_eq!(p.statfsat(base, path), Err(EPERM));
        assert_eq!(p.accessat(base, path, AccessMode::default(), true), Err(EPERM));
        assert_eq!(p.openat(base, path, &OpenHow::write_new()).map(ready), Err(EPERM));
    }
    // A link that leads out is not created through, and not linked through.
    p.symlinkat(b"../made", base, b"hole").unwrap();
    assert_eq!(p.openat(base, b"hole", &OpenHow::write_new()).map(ready), Err(EPERM));
    assert_eq!(p.linkat(base, b"up", base, b"n", true), Err(EPERM));
    assert_eq!(stat(&p, "/made"), Err(ENOENT));
}

#[test]
fn what_is_no_open_directory_is_no_base() {
    let (mut p, _) = caged();
    let file = open(&mut p, "/base/file", &OpenHow::read()).unwrap();
    assert_eq!(at(&p, DirFd::Beneath(file), "x"), Err(ENOTDIR));
    assert_eq!(at(&p, DirFd::Beneath(Fd::STDIN), "x"), Err(ENOTDIR));
    assert_eq!(at(&p, DirFd::Beneath(Fd::new(99)), "x"), Err(EBADF));
    assert_eq!(at(&p, DirFd::Beneath(Fd::new(99)), "/x"), Err(EBADF));
    assert_eq!(at(&p, DirFd::Beneath(Fd::new(99)), ""), Err(ENOENT));
    assert_eq!(at(&p, DirFd::At(Fd::new(99)), "/base"), Ok(FileKind::Directory));
    assert_eq!(at(&p, DirFd::At(Fd::new(99)), "base"), Err(EBADF));
    let place = open(&mut p, "/base", &OpenHow { kind: crate::FileType::Path, ..OpenHow::read() }).unwrap();
    assert_eq!(at(&p, DirFd::Beneath(place), "file"), Ok(FileKind::File));
    assert_eq!(at(&p, DirFd::Beneath(place), ".."), Err(EPERM));
}

#[test]
fn the_guests_root_is_no_cage() {
    let (mut p, _) = caged();
    let root = DirFd::Beneath(open(&mut p, "/", &OpenHow::read()).unwrap());
    assert_eq!(at(&p, root, "../../base/../.."), Ok(FileKind::Directory));
    assert_eq!(at(&p, root, "base/abs"), Ok(FileKind::File));
    assert_eq!(at(&p, root, "base/up"), Ok(FileKind::File));
    assert_eq!(at(&p, root, "/base"), Err(EPERM));
}

#[test]
fn a_base_spans_the_mounts_below_it() {
    let (root, inner) = (mem(), mem());
    plant(&root, &["base/", "base/sub/", "base/file"]);
    plant(&inner, &["d/", "out -> ../../..", "in -> ../../file", "abs -> /base"]);
    let mut ns = tree(&root);
    mount(&mut ns, "/base/sub/m", &inner);
    let mut p = start(ns);
    let base = DirFd::Beneath(open(&mut p, "/base", &OpenHow::read()).unwrap());
    assert_eq!(at(&p, base, "sub/m/d/../../../file"), Ok(FileKind::File));
    assert_eq!(at(&p, base, "sub/m/in"), Ok(FileKind::File));
    assert_eq!(at(&p, base, "sub/m/d/../../../.."), Err(EPERM));
    assert_eq!(at(&p, base, "sub/m/out"), Err(EPERM));
    assert_eq!(at(&p, base, "sub/m/abs"), Err(EPERM));
    // A mount's root as the base is a cage like any other.
    let top = DirFd::Beneath(open(&mut p, "/base/sub/m", &OpenHow::read()).unwrap());
    assert_eq!(at(&p, top, "d/.."), Ok(FileKind::Directory));
    assert_eq!(at(&p, top, ".."), Err(EPERM));
    assert_eq!(at(&p, top, "in"), Err(EPERM));
}

#[test]
fn own_descriptors_are_no_way_out() {
    let mut ns = tree(&mem());
    mount(&mut ns, "/dev", &crate::devfs::DevFs::dev(Arc::new(crate::OsRandom)));
    let mut p = start(ns);
    mkdir(&mut p, "/d").unwrap();
    let dir = open(&mut p, "/d", &OpenHow::read()).unwrap();
    let dev = DirFd::Beneath(open(&mut p, "/dev", &OpenHow::read()).unwrap());
    for path in [format!("fd/{}", dir.raw()), format!("fd/{}/..", dir.raw()), format!("fd/{}/", dir.raw()), "stdin".into()] {
        assert_eq!(at(&p, dev, &path), Err(EPERM), "{path}");
    }
    assert_eq!(at(&p, dev, "fd/../null"), Ok(FileKind::CharDevice));
}

#[test]
fn a_base_that_is_moved_away_stays_the_base() {
    let root = mem();
    plant(&root, &["a/", "a/base/", "a/base/in/", "b/", "b/near"]);
    let mut p = start(tree(&root));
    let base = DirFd::Beneath(open(&mut p, "/a/base", &OpenHow::read()).unwrap());
    rename(&mut start(tree(&root)), "/a/base", "/b/moved").unwrap();
    assert_eq!(at(&p, base, "in/.."), Ok(FileKind::Directory));
    assert_eq!(at(&p, base, "../near"), Err(EPERM));
    rmdir(&mut p, "/b/moved/in").unwrap();
    rmdir(&mut p, "/b/moved").unwrap();
    assert_eq!(at(&p, base, "x"), Err(ENOENT));
    assert_eq!(at(&p, base, ".."), Err(EPERM));
}

use super::*;
use crate::Errno::*;
use crate::{NAME_MAX, PATH_MAX};

/// A chain of `n` links that ends at the file `end`.
fn chain(n: usize) -> Process {
    let mut p = process();
    mkfile(&mut p, "/end").unwrap();
    for i in 0..n {
        let target = if i + 1 == n { "end".into() } else { format!("l{}", i + 1) };
        symlink(&mut p, &target, &format!("/l{i}")).unwrap();
    }
    p
}

#[test]
fn forty_links_are_followed_and_one_more_is_not() {
    assert_eq!(stat(&chain(40), "/l0").unwrap().kind, FileKind::File);
    let mut p = chain(41);
    assert_eq!(stat(&p, "/l0"), Err(ELOOP));
    assert!(stat(&p, "/l1").is_ok());
    assert!(p.statat(CWD, b"/l0", false).is_ok());
    assert_eq!(open(&mut p, "/l0", &OpenHow::write_new()), Err(ELOOP));
    // On the way they count together.
    symlink(&mut p, ".", "/dot").unwrap();
    assert!(stat(&p, &format!("/{}end", "dot/".repeat(40))).is_ok());
    assert_eq!(stat(&p, &format!("/{}end", "dot/".repeat(41))), Err(ELOOP));
    assert_eq!(p.mkdirat(CWD, format!("/{}n", "dot/".repeat(41)).as_bytes(), 0o755), Err(ELOOP));
    let few = Limits { symlinks: 2, ..Limits::default() };
    let mut p = start(Namespace::new(NodeRef::root_of(&mem()), &few));
    symlink(&mut p, ".", "/dot").unwrap();
    assert_eq!(stat(&p, "/dot/dot").map(|s| s.kind), Ok(FileKind::Directory));
    assert_eq!(stat(&p, "/dot/dot/dot"), Err(ELOOP));
}

#[test]
fn a_paths_text_is_bounded_and_each_links_text_not_their_sum() {
    let mut p = process();
    let path = |len: usize| "/".repeat(len - 1) + ".";
    assert!(stat(&p, &path(PATH_MAX - 1)).is_ok());
    assert_eq!(stat(&p, &path(PATH_MAX)), Err(ENAMETOOLONG));
    symlink(&mut p, &("./".repeat(2040) + "."), "/l").unwrap();
    assert_eq!(stat(&p, &("/l/".repeat(20) + ".")), stat(&p, "/"));
    assert!(symlink(&mut p, &"x".repeat(PATH_MAX - 1), "/long").is_ok());
    assert_eq!(symlink(&mut p, &"x".repeat(PATH_MAX), "/longer"), Err(ENAMETOOLONG));
    assert_eq!(stat(&p, "/long"), Err(ENAMETOOLONG), "its one name is too long");
    assert_eq!(mkdir(&mut p, &format!("/{}", "n".repeat(NAME_MAX))), Ok(()));
    assert_eq!(mkdir(&mut p, &format!("/{}", "n".repeat(NAME_MAX + 1))), Err(ENAMETOOLONG));
    assert_eq!(stat(&p, &format!("/{}/..", "n".repeat(NAME_MAX + 1))), Err(ENAMETOOLONG));
    let short = Limits { path: 10, ..Limits::default() };
    let p = start(Namespace::new(NodeRef::root_of(&mem()), &short));
    assert!(stat(&p, "/////////").is_ok());
    assert_eq!(stat(&p, "//////////"), Err(ENAMETOOLONG));
}

#[test]
fn dots_beyond_the_root_stay_there() {
    let mut p = process();
    mkdir(&mut p, "/d").unwrap();
    let up = "../".repeat(1300);
    assert_eq!(stat(&p, &up), stat(&p, "/"));
    p.chdir(b"/d").unwrap();
    assert_eq!(stat(&p, &format!("{up}d")), stat(&p, "."));
    assert_eq!(stat(&p, "/..."), Err(ENOENT));
    assert_eq!(p.statat(CWD, b"a\0b", true), Err(EINVAL));
    assert_eq!(p.statat(CWD, b"", true), Err(ENOENT));
}

#[test]
fn getcwd_ends_where_a_path_may() {
    let mut p = process();
    let name = "n".repeat(NAME_MAX);
    for _ in 0..15 {
        mkdir(&mut p, &name).unwrap();
        p.chdir(name.as_bytes()).unwrap();
    }
    // 15 names and their slashes are 3840 bytes; the last name fills up to the bound, and then goes past it.
    mkdir(&mut p, &"m".repeat(254)).unwrap();
    mkdir(&mut p, &name).unwrap();
    p.chdir("m".repeat(254).as_bytes()).unwrap();
    assert_eq!(p.getcwd().unwrap().len(), PATH_MAX - 1);
    p.chdir(format!("../{name}").as_bytes()).unwrap();
    assert_eq!(p.getcwd(), Err(ENAMETOOLONG));
    assert!(stat(&p, "..").is_ok());
}

#[test]
fn offsets_end_at_the_largest_signed_number() {
    const MAX: i64 = i64::MAX;
    let mut p = process();
    let fd = open(&mut p, "/f", &OpenHow { create: true, ..read_write() }).unwrap();
    assert_eq!(p.lseek(fd, Whence::Set, MAX), Ok(MAX as u64));
    assert_eq!(read(&mut p, fd, 1), Err(EINVAL));
    assert_eq!(write(&mut p, fd, b"x"), Err(EINVAL));
    assert_eq!((write(&mut p, fd, b""), read(&mut p, fd, 0)), (Ok(0), Ok(vec![])));
    assert_eq!(p.lseek(fd, Whence::Current, 1), Err(EINVAL));
    assert_eq!(p.lseek(fd, Whence::Set, -1), Err(EINVAL));
    assert_eq!(p.lseek(fd, Whence::Current, i64::MIN), Err(EINVAL));
    assert_eq!(p.lseek(fd, Whence::Set, MAX - 1), Ok(MAX as u64 - 1));
    assert_eq!(write(&mut p, fd, b"xy"), Err(EINVAL));
    assert_eq!((offset(&mut p, fd), p.fstat(fd).unwrap().size), (MAX as u64 - 1, 0));
    let one = &[IoSlice::new(b"x")];
    for (at, errno) in [(MAX as u64, EINVAL), (MAX as u64 + 1, EINVAL), (u64::MAX, EINVAL)] {
        assert_eq!(p.pwrite(fd, one, at), Err(errno));
        assert_eq!(p.pread(fd, &mut OneBuf(&mut [0]), at), Err(errno));
    }
    assert_eq!(p.pwrite(fd, &[], MAX as u64), Ok(0));
    assert_eq!(p.pread(fd, &mut OneBuf(&mut [0; 2]), MAX as u64 - 1), Err(EINVAL));
    assert_eq!(p.pread(fd, &mut OneBuf(&mut [0]), MAX as u64 - 1), Ok(0));
    assert_eq!(p.ftruncate(fd, MAX as u64), Ok(()));
    assert_eq!(p.ftruncate(fd, MAX as u64 + 1), Err(EINVAL));
    assert_eq!(p.set_attr_at(CWD, b"/f", true, &SetAttr::size(u64::MAX)), Err(EINVAL));
    assert_eq!(p.lseek(fd, Whence::End, 0), Ok(MAX as u64));
    assert_eq!(p.lseek(fd, Whence::End, 1), Err(EINVAL));
    assert_eq!(p.fallocate(fd, MAX as u64, 1), Err(EFBIG));
    assert_eq!(p.fallocate(fd, 0, 0), Err(EINVAL));
    assert_eq!(p.fallocate(fd, 0, u64::MAX), Err(EINVAL));
    assert_eq!(p.pwrite(fd, one, MAX as u64 - 1), Ok(1));
}

#[test]
fn an_appended_write_moves_the_offset_to_the_new_end() {
    let mut p = process();
    let fd = open(&mut p, "/f", &OpenHow { create: true, append: true, ..read_write() }).unwrap();
    write(&mut p, fd, b"12345").unwrap();
    p.lseek(fd, Whence::Set, 1).unwrap();
    assert_eq!(write(&mut p, fd, b""), Ok(0));
    assert_eq!(offset(&mut p, fd), 1);
    assert_eq!(write(&mut p, fd, b"67"), Ok(2));
    assert_eq!(offset(&mut p, fd), 7);
    p.lseek(fd, Whence::Set, 1).unwrap();
    assert_eq!(p.pwrite(fd, &[IoSlice::new(b"8")], 0), Ok(1));
    assert_eq!((offset(&mut p, fd), p.fstat(fd).unwrap().size), (1, 8));
}

#[test]
fn a_directory_is_sought_by_cookie() {
    let mut p = process();
    for name in ["/a", "/b", "/c"] {
        mkfile(&mut p, name).unwrap();
    }
    let fd = open(&mut p, "/", &OpenHow::read()).unwrap();
    let all = list_fd(&p, fd, 0).unwrap();
    let cookie = i64::try_from(all[2].3).unwrap();
    assert_eq!(p.lseek(fd, Whence::Set, cookie), Ok(all[2].3));
    let from = offset(&mut p, fd);
    assert_eq!(list_fd(&p, fd, from).unwrap(), all[3..]);
    // What comes and goes behind the cookie is no matter.
    unlink(&mut p, "/a").unwrap();
    mkfile(&mut p, "/d").unwrap();
    let rest: Vec<_> = list_fd(&p, fd, from).unwrap().into_iter().map(|e| e.0).collect();
    assert_eq!(rest, ["b", "c", "d"]);
    assert_eq!(p.lseek(fd, Whence::End, 0), Err(EINVAL));
    assert_eq!(p.lseek(fd, Whence::Set, -1), Err(EINVAL));
    assert_eq!(read(&mut p, fd, 1), Err(EISDIR));
    assert_eq!(p.pread(fd, &mut OneBuf(&mut []), 0), Err(EISDIR));
    assert_eq!(write(&mut p, fd, b"x"), Err(EBADF));
}

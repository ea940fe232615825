use stratafs::Errno::*;

use crate::guest::{CWD, DIRECTORY, EMPTY_PATH, Guest, NOFOLLOW, O_PATH, number};

struct Dirent {
    ino: u64,
    next: u64,
    len: u16,
    kind: u8,
    name: String,
}

fn entries(mut list: &[u8]) -> Vec<Dirent> {
    let mut all = Vec::new();
    while !list.is_empty() {
        let len = number::<2>(list, 16) as u16;
        let (record, rest) = list.split_at(len.into());
        let end = 19 + record[19..].iter().position(|&b| b == 0).expect("a NUL behind the name");
        assert!(record[end..].iter().all(|&b| b == 0), "padding is zeros");
        let name = String::from_utf8(record[19..end].to_vec()).unwrap();
        all.push(Dirent { ino: number::<8>(record, 0), next: number::<8>(record, 8), len, kind: record[18], name });
        list = rest;
    }
    all
}

impl Guest {
    fn getdents(&mut self, fd: u64, room: u32) -> Result<Vec<Dirent>, stratafs::Errno> {
        let buf = self.alloc(room);
        let n = self.call("getdents64", &[fd, buf, room.into()])?;
        Ok(entries(self.bytes(buf, n)))
    }

    fn names(&mut self, path: &str) -> Vec<String> {
        let fd = self.open(path, DIRECTORY).unwrap();
        let mut names: Vec<_> = self.getdents(fd, 4096).unwrap().into_iter().map(|entry| entry.name).collect();
        names.retain(|name| name != "." && name != "..");
        names.sort();
        names
    }
}

#[test]
fn a_listing_has_compact_records_and_ends() {
    let mut g = Guest::new();
    g.at("mknodat", "/dir/pipe", &[0o10644, 0]).unwrap();
    let fd = g.open("/dir", DIRECTORY).unwrap();
    let listed = g.getdents(fd, 4096).unwrap();
    assert_eq!((listed[0].name.as_str(), listed[1].name.as_str()), (".", ".."));
    for entry in &listed {
        assert_eq!(usize::from(entry.len), (19 + entry.name.len() + 1).next_multiple_of(8));
        let kind = match entry.name.as_str() {
            "." | ".." | "sub" => 4,
            "file" => 8,
            "link" => 10,
            "pipe" => 1,
            other => panic!("{other}"),
        };
        assert_eq!(entry.kind, kind, "{}", entry.name);
    }
    assert_eq!(listed.len(), 6);
    let file = listed.iter().find(|entry| entry.name == "file").unwrap();
    assert_eq!(file.ino, number::<8>(&g.lstat("/dir/file").unwrap(), 88));
    assert!(g.getdents(fd, 4096).unwrap().is_empty());
}

#[test]
fn a_listing_goes_on_where_it_stopped_and_can_be_rewound() {
    let mut g = Guest::new();
    for i in 0..100 {
        g.path("mkdir", format!("/empty/entry-{i}"), &[0o755]).unwrap();
    }
    let fd = g.open("/empty", DIRECTORY).unwrap();
    let mut names = Vec::new();
    let mut cookies = Vec::new();
    loop {
        let part = g.getdents(fd, 100).unwrap();
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 4);
        cookies.extend(part.iter().map(|entry| entry.next));
        names.extend(part.into_iter().map(|entry| entry.name));
    }
    assert_eq!(names.len(), 102);
    let at = cookies[50];
    g.process.lseek(stratafs::Fd::new(fd as u32), stratafs::Whence::Set, at.cast_signed()).unwrap();
    assert_eq!(g.getdents(fd, 32).unwrap()[0].name, names[51]);
    g.process.lseek(stratafs::Fd::new(fd as u32), stratafs::Whence::Set, 0).unwrap();
    assert_eq!(g.getdents(fd, 4096).unwrap().len(), 102);
}

#[test]
fn a_listing_refuses_what_it_cannot_do() {
    let mut g = Guest::new();
    let (dir, file, place) = (g.open("/dir", 0).unwrap(), g.open("/dir/file", 0).unwrap(), g.open("/dir", O_PATH).unwrap());
    for room in [0, 8, 23] {
        assert_eq!(g.getdents(dir, room).err(), Some(EINVAL), "{room}");
    }
    assert_eq!(g.getdents(dir, 24).unwrap().len(), 1);
    assert_eq!(g.getdents(file, 100).err(), Some(ENOTDIR));
    assert_eq!(g.getdents(0, 100).err(), Some(ENOTDIR));
    assert_eq!(g.getdents(place, 100).err(), Some(EBADF));
    let gone = g.open("/empty", 0).unwrap();
    g.path("rmdir", "/empty", &[]).unwrap();
    assert_eq!(g.getdents(gone, 100).err(), Some(ENOENT));
}

#[test]
fn nodes_are_files_and_fifos_alone() {
    let mut g = Guest::new();
    for (mode, expected) in [
        (0o644, Ok(0)),
        (0o100_644, Err(EEXIST)),
        (0o20_644, Err(EPERM)),
        (0o60_644, Err(EPERM)),
        (0o140_644, Err(EPERM)),
        (0o40_644, Err(EPERM)),
        (0o120_644, Err(EINVAL)),
        (0o70_644, Err(EINVAL)),
    ] {
        assert_eq!(g.path("mknod", "/node", &[mode, 0]), expected, "{mode:#o}");
    }
    assert_eq!(g.path("mknod", "/fifo", &[0o10_666, 0]), Ok(0));
    assert_eq!(number::<4>(&g.lstat("/fifo").unwrap(), 4), 0o10_644);
}

#[test]
fn directories_come_and_go() {
    let mut g = Guest::new();
    g.path("mkdir", "/a", &[0o7777]).unwrap();
    assert_eq!(number::<4>(&g.lstat("/a").unwrap(), 4), 0o41_755);
    assert_eq!(g.at("mkdirat", "/a", &[0o755]), Err(EEXIST));
    assert_eq!(g.at("mkdirat", "/none/a", &[0o755]), Err(ENOENT));
    assert_eq!(g.path("rmdir", "/dir", &[]), Err(ENOTEMPTY));
    assert_eq!(g.path("rmdir", "/dir/file", &[]), Err(ENOTDIR));
    assert_eq!(g.path("unlink", "/a", &[]), Err(EISDIR));
    assert_eq!(g.at("unlinkat", "/a", &[1]), Err(EINVAL));
    assert_eq!(g.at("unlinkat", "/a", &[0x200]), Ok(0));
    assert_eq!(g.at("unlinkat", "/dir/link", &[0]), Ok(0));
    assert_eq!(g.names("/"), ["dir", "empty"]);
    assert_eq!(g.names("/dir"), ["file", "sub"]);
}

#[test]
fn rename_and_links_by_both_names() {
    let mut g = Guest::new();
    g.two("rename", "/dir/file", "/moved").unwrap();
    let (old, new) = (g.put("/moved"), g.put("/dir/file"));
    g.call("renameat", &[CWD, old, CWD, new]).unwrap();
    assert_eq!(g.two("rename", "/dir", "/dir/sub/x"), Err(EINVAL));
    assert_eq!(g.two("rename", "/none", "/x"), Err(ENOENT));

    let link = g.put("/dir/link");
    let target = |g: &mut Guest, flags| {
        let name = g.put(format!("/hard-{flags}"));
        g.call("linkat", &[CWD, link, CWD, name, flags]).unwrap();
        number::<4>(&g.lstat(format!("/hard-{flags}")).unwrap(), 4) & 0o170_000
    };
    assert_eq!(target(&mut g, 0), 0o120_000);
    assert_eq!(target(&mut g, 0x400), 0o100_000);
    assert_eq!(g.call("linkat", &[CWD, link, CWD, new, 0]), Err(EEXIST));
    assert_eq!(g.call("linkat", &[CWD, link, CWD, new, 1]), Err(EINVAL));
    let (fd, empty, name) = (g.open("/dir/file", 0).unwrap(), g.put(""), g.put("/named"));
    assert_eq!(g.call("linkat", &[fd, empty, CWD, name, 0]), Err(ENOENT));
    g.call("linkat", &[fd, empty, CWD, name, EMPTY_PATH]).unwrap();
    assert_eq!(number::<4>(&g.lstat("/named").unwrap(), 8), 3);
    let dir = g.open("/dir", 0).unwrap();
    let other = g.put("/other");
    assert_eq!(g.call("linkat", &[dir, empty, CWD, other, EMPTY_PATH]), Err(EPERM));
    assert_eq!(g.call("linkat", &[0, empty, CWD, other, EMPTY_PATH]), Err(EXDEV));
}

#[test]
fn symbolic_links_are_read_as_far_as_the_buffer_goes() {
    let mut g = Guest::new();
    g.two("symlink", "some/where", "/s").unwrap();
    let (target, name) = (g.put("else"), g.put("/t"));
    g.call("symlinkat", &[target, CWD, name]).unwrap();
    assert_eq!(g.call("symlinkat", &[target, CWD, name]), Err(EEXIST));
    assert_eq!(g.two("symlink", "", "/u"), Err(ENOENT));
    let buf = g.alloc(16);
    g.memory[buf as usize..][..16].fill(0xaa);
    assert_eq!(g.path("readlink", "/s", &[buf, 4]), Ok(4));
    assert_eq!(g.bytes(buf, 5), b"some\xaa");
    assert_eq!(g.path("readlink", "/s", &[buf, 16]), Ok(10));
    assert_eq!(g.bytes(buf, 11), b"some/where\xaa");
    assert_eq!(g.at("readlinkat", "/t", &[buf, 0]), Err(EINVAL));
    assert_eq!(g.at("readlinkat", "/none", &[buf, 0xffff_ffff]), Err(EINVAL));
    assert_eq!(g.at("readlinkat", "/dir/file", &[buf, 9]), Err(EINVAL));
    assert_eq!(g.at("readlinkat", "/t", &[buf, 0x7fff_ffff]), Ok(4), "only what is written must be there");
}

#[test]
fn the_working_directory_moves() {
    let mut g = Guest::new();
    g.path("chdir", "/dir/sub", &[]).unwrap();
    let buf = g.alloc(16);
    assert_eq!(g.call("getcwd", &[buf, 16]), Ok(9));
    assert_eq!(g.bytes(buf, 9), b"/dir/sub\0");
    assert_eq!(g.call("getcwd", &[buf, 8]), Err(ERANGE));
    assert_eq!(g.call("getcwd", &[buf, 0]), Err(ERANGE));
    assert!(g.open("../file", 0).is_ok());
    let (dir, file) = (g.open("/dir", 0).unwrap(), g.open("/dir/file", 0).unwrap());
    g.call("fchdir", &[dir]).unwrap();
    assert_eq!(g.call("getcwd", &[buf, 16]), Ok(5));
    assert_eq!(g.call("fchdir", &[file]), Err(ENOTDIR));
    assert_eq!(g.path("chdir", "file", &[]), Err(ENOTDIR));
    g.path("chdir", "/empty", &[]).unwrap();
    g.path("rmdir", "/empty", &[]).unwrap();
    assert_eq!(g.call("getcwd", &[buf, 16]), Err(ENOENT));
    let link = g.open("/dir/link", O_PATH | NOFOLLOW).unwrap();
    assert_eq!(g.call("fchdir", &[link]), Err(ENOTDIR));
}

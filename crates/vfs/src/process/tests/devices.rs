use super::*;
use crate::Errno::*;
use crate::devfs::DevFs;
use crate::stream::{BytesInput, CapturedOutput, Readiness, Stream, TerminalSize};
use crate::{FileType, OsRandom};

fn with_devices() -> ProcessBuilder {
    let mut ns = tree(&mem());
    mount(&mut ns, "/dev", &DevFs::dev(Arc::new(OsRandom)));
    mount(&mut ns, "/proc", &DevFs::proc(Arc::new(OsRandom)));
    Process::builder(ns, Limits::default())
}

fn devices() -> Process {
    with_devices().build().unwrap()
}

fn own(fd: Fd) -> String {
    format!("/proc/self/fd/{}", fd.raw())
}

#[test]
fn null_zero_full_and_random_are_what_they_are_elsewhere() {
    let mut p = devices();
    for (name, content, room) in
        [("null", &b""[..], Ok(3)), ("zero", b"\0\0\0\0", Ok(3)), ("full", b"\0\0\0\0", Err(ENOSPC)), ("urandom", b"????", Ok(3))]
    {
        let fd = open(&mut p, &format!("/dev/{name}"), &read_write()).unwrap();
        let got = read(&mut p, fd, 4).unwrap();
        assert!(got == content || (content == b"????" && got.len() == 4), "{name}");
        assert_eq!(write(&mut p, fd, b"abc"), room, "{name}");
        assert_eq!(p.lseek(fd, Whence::Set, 5), Ok(0));
        assert_eq!(p.ftruncate(fd, 0), Err(EINVAL));
        assert_eq!(p.fallocate(fd, 0, 1), Err(ENODEV));
        let mut buf = [1];
        assert_eq!(p.pread(fd, &mut OneBuf(&mut buf), i64::MAX as u64), Err(EINVAL));
        let stat = p.fstat(fd).unwrap();
        assert_eq!((stat.kind, stat.mode), (FileKind::CharDevice, 0o666));
        assert_eq!(stat, p.statat(CWD, format!("/dev/{name}").as_bytes(), true).unwrap());
    }
    let random = open(&mut p, "/dev/random", &OpenHow::read()).unwrap();
    assert_ne!(read(&mut p, random, 32), read(&mut p, random, 32));
}

#[test]
fn devices_open_as_on_linux() {
    let mut p = devices();
    let create = OpenHow { create: true, ..read_write() };
    for how in [read_write(), create, OpenHow::write_new(), OpenHow { append: true, ..read_write() }] {
        let fd = open(&mut p, "/dev/null", &how).unwrap();
        assert_eq!(write(&mut p, fd, b"xx"), Ok(2));
    }
    assert_eq!(open(&mut p, "/dev/null", &OpenHow { exclusive: true, ..create }), Err(EEXIST));
    assert_eq!(open(&mut p, "/dev/null", &OpenHow { directory: true, ..read_write() }), Err(ENOTDIR));
    assert_eq!(open(&mut p, "/dev/null/", &read_write()), Err(ENOTDIR));
    assert_eq!(open(&mut p, "/dev/null/x", &read_write()), Err(ENOTDIR));
    assert_eq!(open(&mut p, "/dev/tty", &read_write()), Err(ENXIO));
    assert_eq!(open(&mut p, "/dev", &read_write()), Err(EISDIR));
    assert_eq!(open(&mut p, "/dev/fd", &read_write()), Err(EISDIR));
}

#[test]
fn the_device_directories_cannot_be_changed() {
    let mut p = devices();
    mkfile(&mut p, "/f").unwrap();
    for dir in ["/dev", "/dev/fd", "/proc", "/proc/self", "/proc/self/fd"] {
        let new = &format!("{dir}/new");
        assert_eq!(mkdir(&mut p, new), Err(EROFS), "{dir}");
        assert_eq!(symlink(&mut p, "t", new), Err(EROFS));
        assert_eq!(unlink(&mut p, new), Err(EROFS));
        assert_eq!(link(&mut p, "/f", new), Err(EROFS));
        assert_eq!(rename(&mut p, "/f", new), Err(EXDEV));
        assert_eq!(p.set_attr_at(CWD, dir.as_bytes(), true, &SetAttr::mode(0)), Err(EROFS));
        let how = OpenHow { create: true, ..read_write() };
        assert_eq!(open(&mut p, new, &how), Err(EROFS));
    }
    assert_eq!(unlink(&mut p, "/dev/null"), Err(EROFS));
    assert_eq!(rename(&mut p, "/dev/null", "/dev/zero"), Err(EROFS));
    assert_eq!(rename(&mut p, "/dev/null", "/null"), Err(EXDEV));
    assert_eq!(p.set_attr_at(CWD, b"/dev/null", true, &SetAttr::mode(0)), Err(EROFS));
    assert_eq!(p.set_attr_at(CWD, b"/dev/null", true, &SetAttr::size(0)), Err(EINVAL));
    let fd = open(&mut p, "/dev/null", &read_write()).unwrap();
    assert_eq!(p.fset_attr(fd, &SetAttr::mode(0)), Err(EROFS));
}

#[test]
fn a_listing_of_devices_tells_what_lstat_tells() {
    let mut p = devices();
    for dir in ["/dev", "/dev/fd", "/proc", "/proc/self", "/proc/self/fd"] {
        let listing = list(&mut p, dir);
        assert!(!listing.is_empty());
        for (name, kind, ino) in listing.iter().filter(|entry| entry.0 != "3") {
            let stat = p.statat(CWD, format!("{dir}/{name}").as_bytes(), false).unwrap();
            assert_eq!((stat.kind, stat.ino), (*kind, *ino), "{dir}/{name}");
            assert_eq!(stat.dev, p.statat(CWD, dir.as_bytes(), true).unwrap().dev);
        }
    }
    // The descriptor that lists is itself listed, and a hole is not.
    let fd = open(&mut p, "/f", &OpenHow::write_new()).unwrap();
    p.dup_to(fd, Fd::new(9), false).unwrap();
    p.close(fd).unwrap();
    assert_eq!(names(&mut p, "/dev/fd"), ["0", "1", "2", "3", "9"]);
    let dir = open(&mut p, "/proc/self/fd", &OpenHow::read()).unwrap();
    let all = list_fd(&p, dir, 0).unwrap();
    for (at, entry) in all.iter().enumerate() {
        assert_eq!(list_fd(&p, dir, entry.3).unwrap(), all[at + 1..]);
    }
}

#[test]
fn an_own_descriptor_opens_anew_with_an_offset_of_its_own() {
    let mut p = devices();
    let fd = open(&mut p, "/f", &OpenHow::write_new()).unwrap();
    write(&mut p, fd, b"hello").unwrap();
    for path in [own(fd), format!("/dev/fd/{}", fd.raw())] {
        let again = open(&mut p, &path, &read_write()).unwrap();
        assert_eq!((offset(&mut p, again), offset(&mut p, fd)), (0, 5));
        assert_eq!(read(&mut p, again, 9).unwrap(), b"hello");
        assert_eq!(p.statat(CWD, path.as_bytes(), true), p.fstat(fd));
        let link = p.statat(CWD, path.as_bytes(), false).unwrap();
        assert_eq!((link.kind, link.size), (FileKind::Symlink, 64));
    }
    let path = &own(fd);
    assert_eq!(open(&mut p, path, &OpenHow { follow: false, ..read_write() }), Err(ELOOP));
    assert_eq!(open(&mut p, path, &OpenHow { create: true, exclusive: true, ..read_write() }), Err(EEXIST));
    assert_eq!(open(&mut p, path, &OpenHow { directory: true, ..OpenHow::read() }), Err(ENOTDIR));
    assert_eq!(open(&mut p, &format!("{path}/"), &OpenHow::read()), Err(ENOTDIR));
    assert_eq!(open(&mut p, &format!("{path}/x"), &OpenHow::read()), Err(ENOTDIR));
    let cut = open(&mut p, path, &OpenHow { create: true, ..OpenHow::write_new() }).unwrap();
    assert_eq!(p.fstat(cut).unwrap().size, 0);
    assert_eq!(unlink(&mut p, path), Err(EROFS));
    p.set_attr_at(CWD, path.as_bytes(), true, &SetAttr::mode(0o600)).unwrap();
    assert_eq!(p.fstat(fd).unwrap().mode, 0o600);
    assert_eq!(p.set_attr_at(CWD, path.as_bytes(), true, &SetAttr::size(7)), Ok(()));
    assert_eq!(p.fstat(fd).unwrap().size, 7);
}

#[test]
fn numbers_that_are_not_open_or_not_plain_are_missing() {
    let mut p = devices();
    for name in ["99", "00", "03", "+1", "-1", "1x", "4294967295", "4294967296", "\u{0661}"] {
        let path = &format!("/proc/self/fd/{name}");
        assert_eq!(open(&mut p, path, &OpenHow::read()), Err(ENOENT), "{name}");
        assert_eq!(stat(&p, path), Err(ENOENT));
        assert_eq!(p.statat(CWD, path.as_bytes(), false), Err(ENOENT));
        assert_eq!(p.readlinkat(CWD, path.as_bytes()), Err(ENOENT));
        assert_eq!(stat(&p, &format!("{path}/x")), Err(ENOENT));
    }
}

#[test]
fn a_file_without_a_name_is_reached_through_its_descriptor() {
    let mut p = devices();
    let fd = open(&mut p, "/f", &OpenHow::write_new()).unwrap();
    write(&mut p, fd, b"gone").unwrap();
    unlink(&mut p, "/f").unwrap();
    let again = open(&mut p, &own(fd), &OpenHow::read()).unwrap();
    assert_eq!(read(&mut p, again, 9).unwrap(), b"gone");
    assert_eq!(stat(&p, &own(fd)).unwrap().nlink, 0);
    assert_eq!(p.linkat(CWD, own(fd).as_bytes(), CWD, b"/back", true), Err(ENOENT));
    assert_eq!(p.linkat(CWD, own(fd).as_bytes(), CWD, b"/back", false), Err(EPERM));
}

#[test]
fn paths_go_on_through_a_directory_descriptor() {
    let mut p = devices();
    mkdir(&mut p, "/d").unwrap();
    mkdir(&mut p, "/d/e").unwrap();
    let fd = open(&mut p, "/d/e", &OpenHow::read()).unwrap();
    mkfile(&mut p, &format!("{}/f", own(fd))).unwrap();
    assert_eq!(stat(&p, &format!("/dev/fd/{}/f", fd.raw())), stat(&p, "/d/e/f"));
    assert_eq!(stat(&p, &format!("{}/../..", own(fd))), stat(&p, "/"));
    assert_eq!(p.readlinkat(CWD, own(fd).as_bytes()).unwrap(), b"/d/e");
    rename(&mut p, "/d/e", "/moved").unwrap();
    assert_eq!(p.readlinkat(CWD, own(fd).as_bytes()).unwrap(), b"/moved");
    p.chdir(own(fd).as_bytes()).unwrap();
    assert_eq!(cwd(&p).unwrap(), "/moved");
    assert_eq!(open(&mut p, &own(fd), &read_write()), Err(EISDIR));
    symlink(&mut p, &own(fd), "/l").unwrap();
    assert!(stat(&p, "/l/f").is_ok());
    let again = open(&mut p, "/l", &OpenHow { directory: true, ..OpenHow::read() }).unwrap();
    assert_eq!(list_fd(&p, again, 2).unwrap().len(), 1);
    let place = open(&mut p, &own(fd), &OpenHow { kind: FileType::Path, ..OpenHow::read() }).unwrap();
    assert!(p.descriptor(place).unwrap().file.is_path());
}

#[test]
fn the_standard_streams_have_names() {
    let out = CapturedOutput::new(100);
    let input: Arc<dyn Stream> = Arc::new(BytesInput::new("typed"));
    let mut p = with_devices().stdin(input).stdout(Arc::new(out.clone())).build().unwrap();
    let fd = open(&mut p, "/dev/stdin", &OpenHow::read()).unwrap();
    assert_eq!(read(&mut p, fd, 9).unwrap(), b"typed");
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let fd = open(&mut p, path, &OpenHow::write_new()).unwrap();
        assert_eq!(write(&mut p, fd, b"x"), Ok(1));
    }
    assert_eq!(out.text(), "xxx");
    assert_eq!(p.readlinkat(CWD, b"/dev/stdout").unwrap(), b"pipe:[2]");
    p.close(Fd::STDERR).unwrap();
    assert_eq!(open(&mut p, "/dev/stderr", &OpenHow::write_new()), Err(ENOENT));
}

struct Terminal(CapturedOutput);

impl Stream for Terminal {
    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        self.0.write(bufs)
    }

    fn readiness(&self) -> Readiness {
        self.0.readiness()
    }

    fn stat(&self) -> crate::Stat {
        crate::Stat::new(1, FileKind::CharDevice)
    }

    fn terminal(&self) -> Option<TerminalSize> {
        Some(TerminalSize { rows: 24, columns: 80 })
    }
}

#[test]
fn the_terminal_is_the_one_among_the_standard_streams() {
    let out = CapturedOutput::new(100);
    let mut p = with_devices().stderr(Arc::new(Terminal(out.clone()))).build().unwrap();
    let fd = open(&mut p, "/dev/tty", &read_write()).unwrap();
    assert!(p.descriptor(fd).unwrap().file.is_terminal());
    assert_eq!(write(&mut p, fd, b"prompt"), Ok(6));
    assert_eq!(out.text(), "prompt");
    assert!(p.descriptor(Fd::STDERR).unwrap().file.access().read);
    p.close(Fd::STDERR).unwrap();
    assert_eq!(open(&mut p, "/dev/tty", &read_write()), Err(ENXIO));
}

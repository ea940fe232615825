use stratafs::Errno::{self, *};

use crate::guest::{CLOEXEC, CREAT, CWD, DIRECTORY, EMPTY_PATH, EXCL, Guest, NOFOLLOW, NONBLOCK, O_PATH, RDWR, WRONLY, number};

#[test]
fn open_makes_files_with_the_variadic_mode_less_the_umask() {
    let mut g = Guest::new();
    let (path, mode) = (g.put("/new"), g.words(&[0o100_7666]));
    let fd = g.call("openat", &[CWD, path, CREAT | EXCL | RDWR | 0x8000, mode]).unwrap();
    assert_eq!(fd, 3);
    assert_eq!(number::<4>(&g.lstat("/new").unwrap(), 4), 0o107_644);
    assert_eq!(g.call("openat", &[CWD, path, CREAT | EXCL, mode]), Err(EEXIST));
    let other = g.put("/other");
    assert_eq!(g.call("open", &[other, CREAT | WRONLY, 0]), Ok(4));
    assert_eq!(number::<4>(&g.lstat("/other").unwrap(), 4), 0o100_000, "no arguments: mode 0");
}

#[test]
fn open_flags_mean_what_they_mean_on_linux() {
    let mut g = Guest::new();
    let cases: &[(&str, u64, Result<(), Errno>)] = &[
        ("/dir", RDWR, Err(EISDIR)),
        ("/dir", DIRECTORY, Ok(())),
        ("/dir/file", DIRECTORY, Err(ENOTDIR)),
        ("/dir/link", NOFOLLOW, Err(ELOOP)),
        ("/dir/link", NOFOLLOW | O_PATH, Ok(())),
        ("/new", CREAT | DIRECTORY, Err(EINVAL)),
        ("", 0, Err(ENOENT)),
        ("/dir/file/x", 0, Err(ENOTDIR)),
        // Bits without a meaning, and the one that every 32-bit program sets.
        ("/dir/file", 0x1080_8000, Ok(())),
        ("/dir/file", 3, Ok(())),
        // O_TMPFILE.
        ("/dir", 0x41_0000 | RDWR, Err(ENOTSUP)),
        ("/dir", 0x40_0000 | RDWR, Err(EINVAL)),
        ("/dir", 0x41_0000, Err(EINVAL)),
    ];
    for (path, flags, expected) in cases {
        assert_eq!(g.open(path, *flags).map(drop), *expected, "{path} {flags:#x}");
    }
    let fd = g.open("/dir/file", 0x200 | WRONLY).unwrap();
    assert_eq!(g.process.fstat(stratafs::Fd::new(fd as u32)).unwrap().size, 0);
}

#[test]
fn a_path_starts_at_its_directory() {
    let mut g = Guest::new();
    let dir = g.open("/dir", DIRECTORY).unwrap();
    let (file, absolute) = (g.put("file"), g.put("/dir/file"));
    assert!(g.call("openat", &[dir, file, 0, 0]).is_ok());
    assert_eq!(g.call("openat", &[CWD, file, 0, 0]), Err(ENOENT));
    assert_eq!(g.call("openat", &[77, file, 0, 0]), Err(EBADF));
    assert!(g.call("openat", &[77, absolute, 0, 0]).is_ok());
    let not_dir = g.open("/dir/file", 0).unwrap();
    assert_eq!(g.call("openat", &[not_dir, file, 0, 0]), Err(ENOTDIR));
}

#[test]
fn a_path_that_has_no_end_is_too_long_or_out_of_bounds() {
    let mut g = Guest::new();
    let long = g.put([b'a'; 4095]);
    assert_eq!(g.call("chdir", &[long]), Err(ENAMETOOLONG), "a name is");
    let long = g.put([b'/'; 4096]);
    assert_eq!(g.call("chdir", &[long]), Err(ENAMETOOLONG));
    assert_eq!(g.call("chdir", &[long + 1]), Ok(0));
    let end = g.memory.len() - 2;
    g.memory[end..].copy_from_slice(b"/\0");
    assert_eq!(g.call("chdir", &[end as u64]), Ok(0), "the last byte is the NUL");
    g.memory[end + 1] = b'/';
    assert_eq!(g.call("chdir", &[end as u64]), Err(EFAULT));
}

#[test]
fn a_fifo_waits_for_its_other_end() {
    let mut g = Guest::new();
    g.at("mknodat", "/pipe", &[0o10644, 0]).unwrap();
    let path = g.put("/pipe");
    assert!(matches!(g.flow("__syscall_openat", &[CWD, path, 0, 0]), stratafs_abi::Flow::Wait(_)));
    assert_eq!(g.open("/pipe", WRONLY | NONBLOCK), Ok(3), "the reader stands at the door");
    assert_eq!(g.call("openat", &[CWD, path, 0, 0]), Ok(4));
    assert_eq!(g.write(3, b"abc"), 3);
}

#[test]
fn stat_has_96_bytes_at_their_places() {
    let mut g = Guest::new();
    g.path("chown32", "/dir/file", &[7, 9]).unwrap();
    g.path("chmod", "/dir/file", &[0o4751]).unwrap();
    g.two("rename", "/dir/file", "/dir/other").unwrap();
    let (a, b) = (g.put("/dir/other"), g.put("/dir/file"));
    g.call("linkat", &[CWD, a, CWD, b, 0]).unwrap();
    let seconds = |sec: i64, nsec: u32| [sec.to_le_bytes(), u64::from(nsec).to_le_bytes()].concat();
    let times = g.put([seconds(-1, 999_999_999), seconds(1 << 33, 5)].concat());
    g.call("utimensat", &[CWD, a, times, 0]).unwrap();
    let out = g.alloc(104);
    g.memory[out as usize..][..104].fill(0xaa);
    g.call("stat64", &[b, out]).unwrap();
    assert_eq!(g.bytes(out + 96, 8), [0xaa; 8], "no byte more");
    assert_eq!([0, 4, 8, 12, 16, 20].map(|at| g.u32_at(out + at)), [1, 0o104_751, 2, 7, 9, 0]);
    assert_eq!((g.u64_at(out + 24), g.u32_at(out + 32)), (11, 4096));
    assert!(g.u32_at(out + 36) > 0);
    assert_eq!((g.u64_at(out + 40), g.u64_at(out + 48)), (u64::MAX, 999_999_999));
    assert_eq!((g.u64_at(out + 56), g.u64_at(out + 64)), (1 << 33, 5));
    assert!(g.u64_at(out + 72) > 1_700_000_000);
    let ino = g.u64_at(out + 88);
    assert_eq!(number::<8>(&g.lstat("/dir/other").unwrap(), 88), ino);
}

#[test]
fn every_kind_has_its_type_bits() {
    let mut g = Guest::new();
    g.at("mknodat", "/pipe", &[0o10600, 0]).unwrap();
    for (path, mode) in [("/dir/file", 0o100_644), ("/dir", 0o40_755), ("/dir/link", 0o120_777), ("/pipe", 0o10_600)] {
        assert_eq!(number::<4>(&g.lstat(path).unwrap(), 4), mode, "{path}");
    }
    let out = g.alloc(96);
    g.call("fstat64", &[0, out]).unwrap();
    assert_eq!(g.u32_at(out + 4) & 0o170_000, 0o10_000);
}

#[test]
fn fstatat_takes_links_and_empty_paths() {
    let mut g = Guest::new();
    let (link, empty, out) = (g.put("/dir/link"), g.put(""), g.alloc(96));
    let mode = |g: &Guest| g.u32_at(out + 4) & 0o170_000;
    g.call("newfstatat", &[CWD, link, out, 0x800]).unwrap();
    assert_eq!(mode(&g), 0o100_000);
    g.call("newfstatat", &[CWD, link, out, 0x100]).unwrap();
    assert_eq!(mode(&g), 0o120_000);
    assert_eq!(g.call("newfstatat", &[CWD, link, out, 0x8000]), Err(EINVAL));
    assert_eq!(g.call("newfstatat", &[CWD, empty, out, 0]), Err(ENOENT));
    g.call("newfstatat", &[CWD, empty, out, EMPTY_PATH]).unwrap();
    assert_eq!(mode(&g), 0o40_000);
    let fd = g.open("/dir/link", O_PATH | NOFOLLOW).unwrap();
    g.call("newfstatat", &[fd, empty, out, EMPTY_PATH]).unwrap();
    assert_eq!(mode(&g), 0o120_000);
    g.call("newfstatat", &[fd, 0, out, EMPTY_PATH]).unwrap();
    assert_eq!(mode(&g), 0o120_000);
    assert_eq!(g.call("newfstatat", &[99, empty, out, EMPTY_PATH]), Err(EBADF));
}

#[test]
fn access_is_roots() {
    let mut g = Guest::new();
    let cases: &[(&str, u64, u64, Result<u64, Errno>)] = &[
        ("/dir/file", 0, 0, Ok(0)),
        ("/dir/file", 6, 0x200, Ok(0)),
        ("/dir/file", 1, 0, Err(EACCES)),
        ("/dir", 7, 0, Ok(0)),
        ("/none", 0, 0, Err(ENOENT)),
        ("/dir/link", 4, 0x100, Ok(0)),
        ("/dir/file", 8, 0, Err(EINVAL)),
        ("/dir/file", 0, 1, Err(EINVAL)),
        ("", 0, 0, Err(ENOENT)),
        ("", 7, EMPTY_PATH, Ok(0)),
    ];
    for (path, mode, flags, expected) in cases {
        assert_eq!(g.at("faccessat", path, &[*mode, *flags]), *expected, "{path} {mode} {flags:#x}");
    }
    let (fd, empty) = (g.open("/dir/file", 0).unwrap(), g.put(""));
    assert_eq!(g.call("faccessat", &[fd, empty, 4, EMPTY_PATH]), Ok(0));
    assert_eq!(g.call("faccessat", &[fd, empty, 1, EMPTY_PATH]), Err(EACCES));
}

#[test]
fn statfs_comes_in_the_layout_that_the_guest_names() {
    let mut g = Guest::new();
    let (path, out) = (g.put("/dir"), g.alloc(96));
    g.memory[out as usize..][..96].fill(0xaa);
    g.call("statfs64", &[path, 88, out]).unwrap();
    assert_eq!(g.bytes(out + 88, 8), [0xaa; 8]);
    assert_eq!([0, 4, 56, 60, 64].map(|at| g.u32_at(out + at)), [0x0102_1994, 4096, 255, 4096, 0]);
    assert_eq!(g.u64_at(out + 8), (1 << 20) / 4096);
    assert!(g.u64_at(out + 16) <= 256 && g.u64_at(out + 16) == g.u64_at(out + 24));
    let (files, free) = (g.u64_at(out + 32), g.u64_at(out + 40));
    assert!(free < files);
    let (fd, old) = (g.open("/dir", 0).unwrap(), g.alloc(96));
    g.memory[old as usize..][..96].fill(0xaa);
    g.call("fstatfs64", &[fd, 64, old]).unwrap();
    assert_eq!(g.bytes(old + 64, 8), [0xaa; 8]);
    assert_eq!([0, 4, 8, 36, 40, 44].map(|at| g.u32_at(old + at)), [0x0102_1994, 4096, 256, 255, 4096, 0]);
    assert_eq!([20, 24].map(|at| u64::from(g.u32_at(old + at))), [files, free]);
    assert_eq!(g.call("statfs64", &[path, 0, out]), Err(EINVAL));
    assert_eq!(g.path("statfs64", "/none", &[88, out]), Err(ENOENT));
}

#[test]
fn flags_of_a_descriptor_are_kept() {
    let mut g = Guest::new();
    let fd = g.open("/dir/file", CLOEXEC).unwrap();
    assert_eq!(g.fcntl(fd, 1, 0), Ok(1));
    let plain = g.open("/dir/file", 0).unwrap();
    assert_eq!(g.fcntl(plain, 1, 0), Ok(0));
}

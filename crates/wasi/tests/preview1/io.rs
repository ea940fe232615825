//! Reading, writing, seeking.

use stratafs::Errno::*;
use stratafs::Limits;

use crate::guest::{ALL, APPEND, CREAT, DIR, FOLLOW, Guest, ROOT};

fn pread(g: &mut Guest, fd: u64, len: u32, offset: u64) -> Result<Vec<u8>, stratafs::Errno> {
    let (buf, out) = (g.alloc(len), g.alloc(4));
    let (iovs, count) = g.iovs(&[(buf, len.into())]);
    g.call("fd_pread", &[fd, iovs, count, offset, out])?;
    Ok(g.bytes(buf, g.u32_at(out).into()).to_vec())
}

fn pwrite(g: &mut Guest, fd: u64, bytes: &str, offset: u64) -> Result<u32, stratafs::Errno> {
    let (buf, out) = (g.text(bytes), g.alloc(4));
    let (iovs, count) = g.iovs(&[buf]);
    g.call("fd_pwrite", &[fd, iovs, count, offset, out])?;
    Ok(g.u32_at(out))
}

#[test]
fn vectored_calls_move_all_their_buffers() {
    for count in [1_u64, 2, 16, 17, 1000] {
        let mut g = Guest::new();
        let fd = g.open_rw("new", CREAT).unwrap();
        let text: Vec<u8> = (0..count * 3).map(|n| (n % 251) as u8).collect();
        let (at, len) = g.text(&text);
        let mut bufs: Vec<_> = (0..count).map(|n| (at + n * 3, 3)).collect();
        bufs.insert(0, (u64::from(u32::MAX), 0));
        bufs.truncate(1024);
        let (iovs, n) = g.iovs(&bufs);
        let out = g.alloc(4);
        g.call("fd_write", &[fd, iovs, n, out]).unwrap();
        assert_eq!(u64::from(g.u32_at(out)), len);
        g.memory[at as usize..][..len as usize].fill(0);
        g.seek(fd, 0, 0).unwrap();
        g.call("fd_read", &[fd, iovs, n, out]).unwrap();
        assert_eq!(u64::from(g.u32_at(out)), len);
        assert_eq!(g.bytes(at, len), text);
    }
}

#[test]
fn buffers_may_overlap_each_other_and_the_list() {
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    let (iovs, out) = (g.alloc(16), g.alloc(4));
    let list = [iovs as u32, 8, iovs as u32 + 4, 3].map(u32::to_le_bytes).concat();
    g.memory[iovs as usize..][..16].copy_from_slice(&list);
    g.call("fd_read", &[fd, iovs, 2, out]).unwrap();
    assert_eq!(g.u32_at(out), 11);
    assert_eq!(g.bytes(iovs, 8), b"hellrldo");
}

#[test]
fn too_many_buffers_are_refused() {
    let mut limits = Limits::default();
    limits.iovecs = 4;
    limits.call = 6;
    let mut g = Guest::limited(limits, |b| b);
    let fd = g.open("dir/file").unwrap();
    let (buf, out) = (g.alloc(64), g.alloc(4));
    let (iovs, count) = g.iovs(&[(buf, 4); 5]);
    assert_eq!(g.call("fd_read", &[fd, iovs, count, out]), Err(EINVAL));
    assert_eq!(g.call("fd_read", &[fd, iovs, u64::from(u32::MAX), out]), Err(EINVAL));
    // What is past the bound of one call comes short.
    g.call("fd_read", &[fd, iovs, 4, out]).unwrap();
    assert_eq!(g.u32_at(out), 6);
    assert_eq!(g.call("random_get", &[buf, 7]), Err(EINVAL));
}

#[test]
fn seeking() {
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    assert_eq!(g.seek(fd, -1, 2), Ok(10));
    assert_eq!(g.seek(fd, 90, 1), Ok(100));
    assert_eq!(g.read(fd, 4).unwrap(), b"");
    assert_eq!(g.seek(fd, -101, 1), Err(EINVAL));
    assert_eq!(g.seek(fd, i64::MAX, 1), Err(EINVAL));
    assert_eq!(g.seek(fd, 0, 3), Err(EINVAL));
    assert_eq!(g.seek(fd, 0, 1), Ok(100));
    assert_eq!(g.seek(DIR, 0, 0), Err(EBADF));
    assert_eq!(g.seek(0, 0, 0), Err(ESPIPE));
    assert_eq!(g.seek(1, 0, 1), Err(ESPIPE));
    let out = g.alloc(8);
    assert_eq!(g.call("fd_tell", &[0, out]), Err(ESPIPE));
    assert_eq!(g.call("fd_tell", &[DIR, out]), Err(EBADF));
    let other = g.open_rw("dir/file", 0).unwrap();
    g.call("fd_filestat_set_size", &[other, 3]).unwrap();
    assert_eq!(g.seek(fd, 0, 2), Ok(3), "the size as it is now");
}

#[test]
fn positional_calls_leave_the_offset() {
    let mut g = Guest::new();
    let fd = g.open_rw("dir/file", 0).unwrap();
    assert_eq!(g.read(fd, 2).unwrap(), b"he");
    assert_eq!(pread(&mut g, fd, 5, 6).unwrap(), b"world");
    assert_eq!(pwrite(&mut g, fd, "W", 6), Ok(1));
    assert_eq!(pread(&mut g, fd, 5, 11).unwrap(), b"");
    assert_eq!(pread(&mut g, fd, 5, 1 << 40).unwrap(), b"");
    assert_eq!(g.read(fd, 9).unwrap(), b"llo World");
    assert_eq!(pread(&mut g, fd, 1, 1 << 63), Err(EINVAL));
    assert_eq!(pwrite(&mut g, fd, "x", 1 << 63), Err(EINVAL));
    assert_eq!(pread(&mut g, 0, 1, 0), Err(ESPIPE));
    assert_eq!(pwrite(&mut g, 1, "x", 0), Err(ESPIPE));
    let end = g.open_full([ROOT, FOLLOW, 0, APPEND], "dir/file", ALL, 0).unwrap();
    assert_eq!(pwrite(&mut g, end, "!", 0), Ok(1));
    assert_eq!(pread(&mut g, end, 20, 0).unwrap(), b"hello World!");
    assert_eq!(pread(&mut g, DIR, 1, 0), Err(EISDIR));
}

#[test]
fn appending_writes_to_the_end() {
    let mut g = Guest::new();
    let fd = g.open_full([ROOT, FOLLOW, 0, APPEND], "dir/file", ALL, 0).unwrap();
    assert_eq!(g.write(fd, "!"), Ok(1));
    assert_eq!(g.seek(fd, 0, 1), Ok(12));
    g.call("fd_fdstat_set_flags", &[fd, 0]).unwrap();
    g.seek(fd, 0, 0).unwrap();
    assert_eq!(g.write(fd, "J"), Ok(1));
    assert_eq!(pread(&mut g, fd, 20, 0).unwrap(), b"Jello world!");
}

#[test]
fn allocation_grows_and_never_shrinks() {
    let mut g = Guest::new();
    let fd = g.open_rw("dir/file", 0).unwrap();
    g.call("fd_allocate", &[fd, 0, 4]).unwrap();
    assert_eq!(g.seek(fd, 0, 2), Ok(11));
    g.call("fd_allocate", &[fd, 10, 10]).unwrap();
    assert_eq!(g.seek(fd, 0, 2), Ok(20));
    assert_eq!(g.call("fd_allocate", &[fd, u64::MAX, 1]), Err(EINVAL));
    assert_eq!(g.call("fd_allocate", &[fd, i64::MAX as u64, 1]), Err(EFBIG));
    assert_eq!(g.call("fd_allocate", &[fd, 0, 0]), Err(EINVAL));
    assert_eq!(g.call("fd_allocate", &[DIR, 0, 1]), Err(EBADF));
}

#[test]
fn sizes() {
    let mut g = Guest::new();
    let fd = g.open_rw("dir/file", 0).unwrap();
    g.call("fd_filestat_set_size", &[fd, 5]).unwrap();
    g.call("fd_filestat_set_size", &[fd, 7]).unwrap();
    assert_eq!(pread(&mut g, fd, 20, 0).unwrap(), b"hello\0\0");
    assert_eq!(g.call("fd_filestat_set_size", &[fd, 1 << 63]), Err(EINVAL));
    assert_eq!(g.call("fd_filestat_set_size", &[DIR, 0]), Err(EINVAL));
    assert_eq!(g.call("fd_filestat_set_size", &[0, 0]), Err(EINVAL));
    let mut limits = Limits::default();
    limits.bytes = 65_536;
    let mut g = Guest::limited(limits, |b| b);
    let fd = g.open_rw("dir/file", 0).unwrap();
    assert_eq!(g.write(fd, vec![1; 100_000]).and_then(|_| g.write(fd, vec![1; 100_000])), Err(ENOSPC));
}

#[test]
fn standard_streams() {
    let mut g = Guest::new();
    assert_eq!(g.read(0, 3).unwrap(), b"typ");
    assert_eq!(g.read(0, 30).unwrap(), b"ed");
    assert_eq!(g.read(0, 30).unwrap(), b"");
    assert_eq!(g.write(1, "out"), Ok(3));
    assert_eq!(g.stdout.text(), "out");
    assert_eq!(g.call("fd_sync", &[1]), Err(EINVAL));
}

#[test]
fn advice() {
    let mut g = Guest::new();
    let fd = g.open("dir/file").unwrap();
    for advice in 0..6 {
        assert_eq!(g.call("fd_advise", &[fd, 0, 0, advice]), Ok(()));
    }
    assert_eq!(g.call("fd_advise", &[fd, 0, 0, 6]), Err(EINVAL));
    assert_eq!(g.call("fd_advise", &[fd, 0, 1 << 63, 0]), Err(EINVAL));
    assert_eq!(g.call("fd_advise", &[0, 0, 0, 0]), Err(ESPIPE));
}

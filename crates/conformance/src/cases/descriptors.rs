//! Descriptors: numbers, dup, shared offsets and flags.

use crate::case::cases;
use crate::posix::{Errno::*, *};

cases! {
    the_lowest_free_number_is_taken,
    a_closed_number_is_ebadf_everywhere,
    close_twice_is_ebadf,
    dup_takes_the_lowest_number,
    dup_from_takes_the_lowest_number_at_or_above,
    dup_of_a_closed_number_is_ebadf,
    dup_shares_the_offset,
    dup_shares_the_status_flags,
    dup_survives_the_close_of_the_other,
    dup2_takes_that_number,
    dup2_closes_what_was_there,
    dup2_onto_itself_is_no_change,
    dup2_of_a_closed_number_is_ebadf_and_leaves_the_target,
    dup2_far_past_the_limit_is_ebadf,
    dup_from_far_past_the_limit_is_einval,
    cloexec_belongs_to_the_descriptor,
    dup_clears_cloexec,
    dup2_onto_itself_keeps_cloexec,
    cloexec_of_a_closed_number_is_ebadf,
    append_can_be_turned_on_and_off,
    nonblock_can_be_turned_on_and_off,
    open_flags_are_seen_in_the_status,
    a_listing_is_shared_by_dup,
    a_pipe_carries_bytes_in_order,
    an_empty_pipe_is_eagain_and_a_closed_one_the_end,
    a_pipe_without_readers_is_epipe,
    a_full_pipe_is_eagain,
    a_pipe_has_a_size_that_is_changed,
    what_is_no_pipe_has_no_size_of_one,
    a_pipe_does_not_seek,
    a_pipe_does_not_read_its_writing_end,
    a_pipe_has_the_kind_of_a_fifo,
    a_dup_keeps_the_pipe_open,
}

fn the_lowest_free_number_is_taken(os: &mut dyn Posix) {
    os.put("f", "");
    let fds: Vec<_> = (0..5).map(|_| os.open("f", O_RDONLY).unwrap()).collect();
    assert_eq!(fds, [3, 4, 5, 6, 7]);
    os.close(6).unwrap();
    os.close(4).unwrap();
    assert_eq!(os.open("f", O_RDONLY), Ok(4));
    assert_eq!(os.open("f", O_RDONLY), Ok(6));
    assert_eq!(os.open("f", O_RDONLY), Ok(8));
    assert_eq!(os.open("missing", O_RDONLY), Err(ENOENT));
    assert_eq!(os.open("f", O_RDONLY), Ok(9));
}

fn a_closed_number_is_ebadf_everywhere(os: &mut dyn Posix) {
    for fd in [77, 1_000_000] {
        assert_eq!(os.close(fd), Err(EBADF));
        assert_eq!(os.read(fd, 1), Err(EBADF));
        assert_eq!(os.write(fd, "x"), Err(EBADF));
        assert_eq!(os.pread(fd, 1, 0), Err(EBADF));
        assert_eq!(os.pwrite(fd, "x", 0), Err(EBADF));
        assert_eq!(os.lseek(fd, Whence::Set, 0), Err(EBADF));
        assert_eq!(os.fstat(fd), Err(EBADF));
        assert_eq!(os.ftruncate(fd, 0), Err(EBADF));
        assert_eq!(os.fallocate(fd, 0, 1), Err(EBADF));
        assert_eq!(os.fsync(fd), Err(EBADF));
        assert_eq!(os.fchmod(fd, 0), Err(EBADF));
        assert_eq!(os.futimens(fd, When::Now, When::Now), Err(EBADF));
        assert_eq!(os.readdir(fd, 0, 1), Err(EBADF));
        assert_eq!(os.status(fd), Err(EBADF));
        assert_eq!(os.statat(Dir::At(fd), "x"), Err(EBADF));
    }
}

fn close_twice_is_ebadf(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.close(fd), Ok(()));
    assert_eq!(os.close(fd), Err(EBADF));
}

fn dup_takes_the_lowest_number(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!((fd, os.dup(fd), os.dup(fd)), (3, Ok(4), Ok(5)));
    os.close(4).unwrap();
    assert_eq!(os.dup(5), Ok(4));
}

fn dup_from_takes_the_lowest_number_at_or_above(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.dup_from(fd, 100, false), Ok(100));
    assert_eq!(os.dup_from(fd, 100, false), Ok(101));
    assert_eq!(os.dup_from(fd, 0, false), Ok(4));
    assert_eq!(os.dup_from(fd, 3, false), Ok(5));
}

fn dup_of_a_closed_number_is_ebadf(os: &mut dyn Posix) {
    assert_eq!(os.dup(77), Err(EBADF));
    assert_eq!(os.dup_from(77, 10, false), Err(EBADF));
}

fn dup_shares_the_offset(os: &mut dyn Posix) {
    os.put("f", "abcdef");
    let a = os.open("f", O_RDWR).unwrap();
    let b = os.dup(a).unwrap();
    assert_eq!(os.read(a, 2).unwrap(), b"ab");
    assert_eq!(os.read(b, 2).unwrap(), b"cd");
    assert_eq!(os.lseek(b, Whence::Set, 1), Ok(1));
    assert_eq!(os.write(a, "X"), Ok(1));
    assert_eq!(os.lseek(b, Whence::Current, 0), Ok(2));
    assert_eq!(os.get("f").unwrap(), "aXcdef");
}

fn dup_shares_the_status_flags(os: &mut dyn Posix) {
    os.put("f", "abc");
    let a = os.open("f", O_RDWR).unwrap();
    let b = os.dup(a).unwrap();
    os.set_status(a, Status { append: true, nonblock: false }).unwrap();
    assert!(os.status(b).unwrap().append);
    os.write(b, "d").unwrap();
    assert_eq!(os.get("f").unwrap(), "abcd");
}

fn dup_survives_the_close_of_the_other(os: &mut dyn Posix) {
    os.put("f", "abc");
    let a = os.open("f", O_RDONLY).unwrap();
    let b = os.dup(a).unwrap();
    os.close(a).unwrap();
    assert_eq!(os.read(a, 1), Err(EBADF));
    assert_eq!(os.read(b, 1).unwrap(), b"a");
}

fn dup2_takes_that_number(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.dup2(fd, 50), Ok(50));
    assert_eq!(os.read(50, 1).unwrap(), b"a");
    assert_eq!(os.read(fd, 1).unwrap(), b"b");
}

fn dup2_closes_what_was_there(os: &mut dyn Posix) {
    os.put("f", "f");
    os.put("g", "g");
    let (f, g) = (os.open("f", O_RDONLY).unwrap(), os.open("g", O_RDONLY).unwrap());
    os.unlink("g").unwrap();
    assert_eq!(os.dup2(f, g), Ok(g));
    assert_eq!(os.read(g, 1).unwrap(), b"f");
}

fn dup2_onto_itself_is_no_change(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.dup2(fd, fd), Ok(fd));
    assert_eq!(os.read(fd, 1).unwrap(), b"a");
    assert_eq!(os.dup2(77, 77), Err(EBADF));
}

fn dup2_of_a_closed_number_is_ebadf_and_leaves_the_target(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.dup2(77, fd), Err(EBADF));
    assert_eq!(os.read(fd, 1).unwrap(), b"a");
}

fn dup2_far_past_the_limit_is_ebadf(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.dup2(fd, 2_000_000_000), Err(EBADF));
}

fn dup_from_far_past_the_limit_is_einval(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.dup_from(fd, 2_000_000_000, false), Err(EINVAL));
}

fn cloexec_belongs_to_the_descriptor(os: &mut dyn Posix) {
    let a = os.open("f", O_RDWR | O_CREAT | O_CLOEXEC).unwrap();
    let b = os.open("f", O_RDWR).unwrap();
    assert_eq!((os.cloexec(a), os.cloexec(b)), (Ok(true), Ok(false)));
    let c = os.dup_from(b, 0, true).unwrap();
    assert_eq!((os.cloexec(b), os.cloexec(c)), (Ok(false), Ok(true)));
    os.set_cloexec(c, false).unwrap();
    os.set_cloexec(b, true).unwrap();
    assert_eq!((os.cloexec(b), os.cloexec(c)), (Ok(true), Ok(false)));
}

fn dup_clears_cloexec(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT | O_CLOEXEC).unwrap();
    let copy = os.dup(fd).unwrap();
    os.dup2(fd, 50).unwrap();
    assert_eq!((os.cloexec(fd), os.cloexec(copy), os.cloexec(50)), (Ok(true), Ok(false), Ok(false)));
}

fn dup2_onto_itself_keeps_cloexec(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT | O_CLOEXEC).unwrap();
    os.dup2(fd, fd).unwrap();
    assert_eq!(os.cloexec(fd), Ok(true));
}

fn cloexec_of_a_closed_number_is_ebadf(os: &mut dyn Posix) {
    assert_eq!(os.cloexec(77), Err(EBADF));
    assert_eq!(os.set_cloexec(77, true), Err(EBADF));
}

fn append_can_be_turned_on_and_off(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDWR).unwrap();
    os.set_status(fd, Status { append: true, nonblock: false }).unwrap();
    os.write(fd, "d").unwrap();
    os.set_status(fd, Status::default()).unwrap();
    os.lseek(fd, Whence::Set, 0).unwrap();
    os.write(fd, "X").unwrap();
    assert_eq!(os.get("f").unwrap(), "Xbcd");
}

fn nonblock_can_be_turned_on_and_off(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.status(fd), Ok(Status::default()));
    os.set_status(fd, Status { append: false, nonblock: true }).unwrap();
    assert_eq!(os.status(fd), Ok(Status { append: false, nonblock: true }));
}

fn open_flags_are_seen_in_the_status(os: &mut dyn Posix) {
    let fd = os.open("f", O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK).unwrap();
    assert_eq!(os.status(fd), Ok(Status { append: true, nonblock: true }));
}

fn a_listing_is_shared_by_dup(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let a = os.open("d", O_RDONLY).unwrap();
    let b = os.dup(a).unwrap();
    os.close(a).unwrap();
    assert_eq!(os.readdir(b, 0, 10).unwrap().len(), 2);
}

fn a_pipe_carries_bytes_in_order(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    assert_eq!(os.write(write, "abc"), Ok(3));
    assert_eq!(os.writev(write, &[b"d", b"", b"ef"]), Ok(3));
    assert_eq!(os.read(read, 4).unwrap(), b"abcd");
    assert_eq!(os.readv(read, &[1, 10]).unwrap(), b"ef");
}

fn an_empty_pipe_is_eagain_and_a_closed_one_the_end(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    assert_eq!(os.read(read, 1), Err(EAGAIN));
    os.write(write, "x").unwrap();
    os.close(write).unwrap();
    assert_eq!(os.read(read, 10).unwrap(), b"x");
    assert_eq!(os.read(read, 10).unwrap(), b"");
}

fn a_pipe_without_readers_is_epipe(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    os.close(read).unwrap();
    assert_eq!(os.write(write, "x"), Err(EPIPE));
}

fn a_full_pipe_is_eagain(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    assert_eq!(os.write(write, vec![7; 100_000]), Ok(65_536));
    assert_eq!(os.write(write, "x"), Err(EAGAIN));
    assert_eq!(os.read(read, 65_536).unwrap().len(), 65_536);
    assert_eq!(os.write(write, "x"), Ok(1));
}

fn a_pipe_has_a_size_that_is_changed(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    assert_eq!((os.pipe_size(read), os.pipe_size(write)), (Ok(65_536), Ok(65_536)));
    for (asked, given) in [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (32_768, 32_768), (40_000, 65_536), (8192, 8192)] {
        assert_eq!(os.set_pipe_size(write, asked), Ok(given), "{asked}");
        assert_eq!(os.pipe_size(read), Ok(given));
    }
    assert_eq!(os.write(write, vec![7; 10_000]), Ok(8192));
    assert_eq!(os.set_pipe_size(read, 4096), Err(EBUSY));
    assert_eq!(os.set_pipe_size(read, 16_384), Ok(16_384));
    assert_eq!(os.write(write, vec![7; 10_000]), Ok(8192));
    assert_eq!(os.write(write, "x"), Err(EAGAIN));
    assert_eq!(os.read(read, 20_000).unwrap().len(), 16_384);
    // Linux lets anybody have so much and, unless it is told otherwise, only root have more.
    assert_eq!(os.set_pipe_size(write, 1_000_000), Ok(1 << 20));
    assert_eq!(os.write(write, vec![7; 2_000_000]), Ok(1 << 20));
    assert_eq!(os.write(write, "x"), Err(EAGAIN));
    assert_eq!(os.set_pipe_size(read, 65_536), Err(EBUSY));
    assert_eq!(os.read(read, 1 << 20).unwrap().len(), 1 << 20);
    assert_eq!(os.set_pipe_size(read, 65_536), Ok(65_536));
}

fn what_is_no_pipe_has_no_size_of_one(os: &mut dyn Posix) {
    let file = os.open("f", O_CREAT | O_RDWR).unwrap();
    let root = os.open(".", O_DIRECTORY).unwrap();
    for fd in [file, root, 99] {
        assert_eq!(os.pipe_size(fd), Err(EBADF));
        assert_eq!(os.set_pipe_size(fd, 4096), Err(EBADF));
    }
}

fn a_pipe_does_not_seek(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    for fd in [read, write] {
        assert_eq!(os.lseek(fd, Whence::Current, 0), Err(ESPIPE));
    }
    assert_eq!(os.pread(read, 1, 0), Err(ESPIPE));
    assert_eq!(os.pwrite(write, "x", 0), Err(ESPIPE));
    assert_eq!(os.ftruncate(write, 0), Err(EINVAL));
    assert_eq!(os.fallocate(write, 0, 1), Err(ESPIPE));
    assert_eq!(os.readdir(read, 0, 1).map(drop), Err(ENOTDIR));
    assert_eq!(os.openat(Dir::At(read), "x", O_RDONLY, 0), Err(ENOTDIR));
}

fn a_pipe_does_not_read_its_writing_end(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    assert_eq!(os.read(write, 1), Err(EBADF));
    assert_eq!(os.write(read, "x"), Err(EBADF));
}

fn a_pipe_has_the_kind_of_a_fifo(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    let (read, write) = (os.fstat(read).unwrap(), os.fstat(write).unwrap());
    assert_eq!((read.kind, read.size, read.ino), (Kind::Fifo, 0, write.ino));
}

fn a_dup_keeps_the_pipe_open(os: &mut dyn Posix) {
    let (read, write) = os.pipe().unwrap();
    let copy = os.dup(write).unwrap();
    os.close(write).unwrap();
    assert_eq!(os.read(read, 1), Err(EAGAIN));
    os.write(copy, "x").unwrap();
    os.close(copy).unwrap();
    assert_eq!(os.read(read, 2).unwrap(), b"x");
    assert_eq!(os.read(read, 2).unwrap(), b"");
}

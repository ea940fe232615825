//! Named pipes. Every open is non-blocking: a blocking one waits for the other end.

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};

cases! {
    mkfifo_makes_a_fifo_with_mode_and_umask.needs(&[Need::Fifos]),
    mkfifo_of_an_existing_name_is_eexist.needs(&[Need::Fifos]),
    mkfifo_with_a_trailing_slash_is_enoent.needs(&[Need::Fifos]),
    a_fifo_for_writing_without_a_reader_is_enxio.needs(&[Need::Fifos]),
    a_fifo_for_reading_without_a_writer_opens_and_is_at_its_end.needs(&[Need::Fifos]),
    a_fifo_carries_bytes.needs(&[Need::Fifos]),
    a_fifo_opened_for_both_talks_to_itself.needs(&[Need::Fifos]),
    a_fifo_does_not_seek.needs(&[Need::Fifos]),
    a_fifo_is_not_truncated.needs(&[Need::Fifos]),
    a_fifo_is_no_directory.needs(&[Need::Fifos]),
    a_renamed_fifo_is_the_same.needs(&[Need::Fifos]),
    two_names_of_a_fifo_are_one_pipe.needs(&[Need::Fifos]),
    what_is_left_in_a_fifo_goes_with_its_last_end.needs(&[Need::Fifos]),
    an_unlinked_fifo_that_is_open_lives_on.needs(&[Need::Fifos]),
    a_fifo_without_readers_is_epipe.needs(&[Need::Fifos]),
}

const READ: Flags = Flags::or(O_RDONLY, O_NONBLOCK);
const WRITE: Flags = Flags::or(O_WRONLY, O_NONBLOCK);

fn mkfifo_makes_a_fifo_with_mode_and_umask(os: &mut dyn Posix) {
    os.umask(0o022);
    assert_eq!(os.mkfifo("p", 0o666), Ok(()));
    let stat = os.lstat("p").unwrap();
    assert_eq!((stat.kind, stat.mode, stat.nlink, stat.size), (Kind::Fifo, 0o644, 1, 0));
    assert_eq!(os.entries(".")[0].kind, Kind::Fifo);
}

fn mkfifo_of_an_existing_name_is_eexist(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.mkfifo("p", 0o666), Err(EEXIST));
    assert_eq!(os.mkfifo("l", 0o666), Err(EEXIST));
    assert_eq!(os.mkfifo(".", 0o666), Err(EEXIST));
}

fn mkfifo_with_a_trailing_slash_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.mkfifo("p/", 0o666), Err(ENOENT));
    assert_eq!(os.mkfifo("d/p", 0o666), Err(ENOENT));
}

fn a_fifo_for_writing_without_a_reader_is_enxio(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    assert_eq!(os.open("p", WRITE), Err(ENXIO));
}

fn a_fifo_for_reading_without_a_writer_opens_and_is_at_its_end(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let fd = os.open("p", READ).unwrap();
    assert_eq!(os.read(fd, 1).unwrap(), b"");
}

fn a_fifo_carries_bytes(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let read = os.open("p", READ).unwrap();
    let write = os.open("p", WRITE).unwrap();
    assert_eq!(os.read(read, 10), Err(EAGAIN));
    assert_eq!(os.write(write, "abc"), Ok(3));
    assert_eq!(os.read(read, 2).unwrap(), b"ab");
    os.close(write).unwrap();
    assert_eq!(os.read(read, 2).unwrap(), b"c");
    assert_eq!(os.read(read, 2).unwrap(), b"");
    let again = os.open("p", WRITE).unwrap();
    os.write(again, "d").unwrap();
    assert_eq!(os.read(read, 2).unwrap(), b"d");
}

fn a_fifo_opened_for_both_talks_to_itself(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let fd = os.open("p", O_RDWR | O_NONBLOCK).unwrap();
    assert_eq!(os.read(fd, 1), Err(EAGAIN));
    os.write(fd, "x").unwrap();
    assert_eq!(os.read(fd, 1).unwrap(), b"x");
}

fn a_fifo_does_not_seek(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let fd = os.open("p", READ).unwrap();
    assert_eq!(os.lseek(fd, Whence::Set, 0), Err(ESPIPE));
    assert_eq!(os.pread(fd, 1, 0), Err(ESPIPE));
}

fn a_fifo_is_not_truncated(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    assert_eq!(os.truncate("p", 0), Err(EINVAL));
    let fd = os.open("p", O_RDWR | O_NONBLOCK | O_TRUNC).unwrap();
    assert_eq!(os.ftruncate(fd, 0), Err(EINVAL));
}

fn a_fifo_is_no_directory(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    assert_eq!(os.open("p/", READ), Err(ENOTDIR));
    assert_eq!(os.open("p", READ | O_DIRECTORY), Err(ENOTDIR));
    assert_eq!(os.stat("p/x"), Err(ENOTDIR));
    assert_eq!(os.rmdir("p"), Err(ENOTDIR));
    assert_eq!(os.readlink("p"), Err(EINVAL));
}

fn a_renamed_fifo_is_the_same(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let read = os.open("p", READ).unwrap();
    os.rename("p", "q").unwrap();
    let write = os.open("q", WRITE).unwrap();
    os.write(write, "x").unwrap();
    assert_eq!(os.read(read, 1).unwrap(), b"x");
}

fn two_names_of_a_fifo_are_one_pipe(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    os.link("p", "q").unwrap();
    let read = os.open("p", READ).unwrap();
    let write = os.open("q", WRITE).unwrap();
    os.write(write, "x").unwrap();
    assert_eq!(os.read(read, 1).unwrap(), b"x");
}

fn what_is_left_in_a_fifo_goes_with_its_last_end(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let fd = os.open("p", O_RDWR | O_NONBLOCK).unwrap();
    os.write(fd, "x").unwrap();
    os.close(fd).unwrap();
    let fd = os.open("p", READ).unwrap();
    assert_eq!(os.read(fd, 1).unwrap(), b"");
}

fn an_unlinked_fifo_that_is_open_lives_on(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let read = os.open("p", READ).unwrap();
    let write = os.open("p", WRITE).unwrap();
    os.unlink("p").unwrap();
    os.write(write, "x").unwrap();
    assert_eq!(os.read(read, 1).unwrap(), b"x");
    assert_eq!(os.fstat(read).unwrap().nlink, 0);
}

fn a_fifo_without_readers_is_epipe(os: &mut dyn Posix) {
    os.mkfifo("p", 0o666).unwrap();
    let read = os.open("p", READ).unwrap();
    let write = os.open("p", WRITE).unwrap();
    os.close(read).unwrap();
    assert_eq!(os.write(write, "x"), Err(EPIPE));
}

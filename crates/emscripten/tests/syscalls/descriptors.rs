use stratafs::Errno::*;

use crate::guest::{CLOEXEC, Guest, NONBLOCK, O_PATH, RDWR, WRONLY};

#[test]
fn duplicates_take_the_lowest_number_and_their_own_flag() {
    let mut g = Guest::new();
    let fd = g.open("/dir/file", RDWR | CLOEXEC).unwrap();
    assert_eq!(g.call("dup", &[fd]), Ok(4));
    assert_eq!(g.fcntl(4, 1, 0), Ok(0));
    assert_eq!(g.fcntl(fd, 0, 10), Ok(10));
    assert_eq!(g.fcntl(fd, 1030, 10), Ok(11));
    assert_eq!((g.fcntl(10, 1, 0), g.fcntl(11, 1, 0)), (Ok(0), Ok(1)));
    assert_eq!(g.call("dup3", &[fd, 20, CLOEXEC]), Ok(20));
    assert_eq!(g.fcntl(20, 1, 0), Ok(1));
    assert_eq!(g.call("dup3", &[fd, 20, 0]), Ok(20));
    assert_eq!(g.fcntl(20, 1, 0), Ok(0));
    g.fcntl(20, 2, 1).unwrap();
    assert_eq!(g.fcntl(20, 1, 0), Ok(1));
    for (args, errno) in [([fd, fd, 0], EINVAL), ([77, 77, 0], EINVAL), ([fd, 60, 1], EINVAL), ([fd, 0xffff_ffff, 0], EBADF)] {
        assert_eq!(g.call("dup3", &args), Err(errno), "{args:?}");
    }
    assert_eq!(g.fcntl(fd, 0, 0xffff_ffff), Err(EINVAL));
    assert_eq!(g.fcntl(fd, 0, 10_000_000), Err(EINVAL));
    assert_eq!(g.call("dup", &[77]), Err(EBADF));
    assert_eq!(g.fcntl(fd, 777, 0), Err(EINVAL));
}

#[test]
fn descriptors_run_out() {
    let mut g = Guest::new();
    let fd = g.open("/dir/file", 0).unwrap();
    while g.call("dup", &[fd]).is_ok() {}
    assert_eq!(g.call("dup", &[fd]), Err(EMFILE));
    assert_eq!(g.open("/dir/file", 0), Err(EMFILE));
    let out = g.alloc(8);
    g.process.close(stratafs::Fd::new(9)).unwrap();
    assert_eq!(g.call("pipe", &[out]), Err(EMFILE));
    assert_eq!(g.call("dup", &[fd]), Ok(9), "the first end was closed again");
}

#[test]
fn status_flags_are_read_and_changed() {
    let mut g = Guest::new();
    let fd = g.open("/dir/file", RDWR | 0x400).unwrap();
    assert_eq!(g.fcntl(fd, 3, 0), Ok(0x8402));
    g.fcntl(fd, 4, NONBLOCK | 0x40).unwrap();
    assert_eq!(g.fcntl(fd, 3, 0), Ok(0x8802));
    let dup = g.call("dup", &[fd]).unwrap();
    assert_eq!(g.fcntl(dup, 3, 0), Ok(0x8802), "the open file's");
    let place = g.open("/dir/file", O_PATH).unwrap();
    assert_eq!(g.fcntl(place, 3, 0), Ok(O_PATH));
    assert_eq!(g.fcntl(place, 4, 0), Err(EBADF));
    assert!(g.fcntl(place, 0, 0).is_ok());
    let odd = g.open("/dir/file", 3).unwrap();
    assert_eq!(g.fcntl(odd, 3, 0), Ok(0x8003));
}

#[test]
fn pipes_have_a_reader_and_a_writer() {
    let mut g = Guest::new();
    let out = g.alloc(8);
    g.call("pipe", &[out]).unwrap();
    assert_eq!((g.u32_at(out), g.u32_at(out + 4)), (3, 4));
    assert_eq!((g.fcntl(3, 3, 0), g.fcntl(4, 3, 0)), (Ok(0), Ok(WRONLY)));
    assert_eq!(g.write(4, b"hello"), 5);
    let mut buf = [0; 8];
    let read = g.process.read(stratafs::Fd::new(3), &mut stratafs::OneBuf(&mut buf)).unwrap();
    assert!(matches!(read, stratafs::Outcome::Ready(5)));
    g.call("pipe2", &[out, CLOEXEC | NONBLOCK]).unwrap();
    assert_eq!((g.fcntl(5, 1, 0), g.fcntl(6, 1, 0)), (Ok(1), Ok(1)));
    assert_eq!(g.fcntl(5, 3, 0), Ok(NONBLOCK));
    assert_eq!(g.process.read(stratafs::Fd::new(5), &mut stratafs::OneBuf(&mut buf)).err(), Some(EAGAIN));
    assert_eq!(g.call("pipe2", &[out, 1]), Err(EINVAL));
}

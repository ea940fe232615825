use std::io::IoSlice;
use std::sync::Arc;

use stratafs::Errno::*;
use stratafs::stream::{Readiness, Stream, TerminalSize};
use stratafs::{FileKind, Outcome, Result, Stat};

use crate::guest::{Answer, Guest, NONBLOCK, O_PATH, WRONLY, tree};

pub struct Terminal;

impl Stream for Terminal {
    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        Ok(Outcome::Ready(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn readiness(&self) -> Readiness {
        Readiness { readable: true, writable: true, bytes: 7, ..Readiness::default() }
    }

    fn stat(&self) -> Stat {
        Stat::new(1, FileKind::CharDevice)
    }

    fn terminal(&self) -> Option<TerminalSize> {
        Some(TerminalSize { rows: 24, columns: 80 })
    }
}

impl Guest {
    fn ioctl(&mut self, fd: u64, op: u64, arg: u64) -> Answer {
        let varargs = self.words(&[arg]);
        self.call("ioctl", &[fd, op, varargs])
    }
}

#[test]
fn a_terminal_tells_its_size_and_modes() {
    let mut g = Guest::with(tree(), |builder| builder.stdin(Arc::new(Terminal)));
    let buf = g.alloc(64);
    g.memory[buf as usize..][..64].fill(0xaa);
    g.ioctl(0, 0x5413, buf).unwrap();
    assert_eq!(g.bytes(buf, 9), [24, 0, 80, 0, 0, 0, 0, 0, 0xaa]);
    g.ioctl(0, 0x5401, buf).unwrap();
    assert_eq!([0, 4, 8, 12].map(|at| g.u32_at(buf + at)), [0x500, 5, 0xbf, 0x8a3b]);
    assert_eq!(g.bytes(buf + 16, 8), [0, 3, 0x1c, 0x7f, 0x15, 4, 0, 1]);
    assert_eq!((g.u32_at(buf + 56), g.bytes(buf + 60, 1)), (0, &[0xaa][..]));
    assert_eq!(g.ioctl(0, 0x5402, buf), Ok(0), "as it is");
    g.memory[buf as usize + 12] ^= 8;
    assert_eq!(g.ioctl(0, 0x5404, buf), Err(ENOTSUP), "echo cannot be switched off");
    g.ioctl(0, 0x540f, buf).unwrap();
    assert_eq!(g.u32_at(buf), 42);
    assert_eq!(g.ioctl(0, 0x5410, buf), Ok(0));
    g.memory[buf as usize] = 1;
    assert_eq!(g.ioctl(0, 0x5410, buf), Err(EPERM));
    assert_eq!(g.ioctl(0, 0x540b, 0), Ok(0));
    assert_eq!(g.ioctl(0, 0x5414, buf), Err(ENOTSUP));
    assert_eq!(g.ioctl(0, 0x7777, buf), Err(ENOTTY));
    g.ioctl(0, 0x541b, buf).unwrap();
    assert_eq!(g.u32_at(buf), 7);
    for op in [0x5401, 0x5402, 0x5413, 0x540f, 0x5410, 0x541b, 0x5421] {
        for at in [0, crate::guest::OUTSIDE - 3] {
            assert_eq!(g.ioctl(0, op, at), Err(EFAULT), "{op:#x}");
        }
    }
}

#[test]
fn what_is_no_terminal_says_so() {
    let mut g = Guest::new();
    let (file, buf) = (g.open("/dir/file", 0).unwrap(), g.alloc(64));
    for fd in [0, 1, file] {
        for op in [0x5401, 0x5402, 0x5413, 0x540f, 0x5414, 0x540b, 0x7777] {
            assert_eq!(g.ioctl(fd, op, buf), Err(ENOTTY), "{fd} {op:#x}");
        }
    }
    assert_eq!(g.ioctl(99, 0x5413, buf), Err(EBADF));
    let place = g.open("/dir/file", O_PATH).unwrap();
    assert_eq!(g.ioctl(place, 0x541b, buf), Err(EBADF));
}

#[test]
fn bytes_to_read_and_flags() {
    let mut g = Guest::new();
    let (file, dir, buf) = (g.open("/dir/file", 0).unwrap(), g.open("/dir", 0).unwrap(), g.alloc(8));
    g.process.lseek(stratafs::Fd::new(file as u32), stratafs::Whence::Set, 4).unwrap();
    g.ioctl(file, 0x541b, buf).unwrap();
    assert_eq!(g.u32_at(buf), 7);
    assert_eq!(g.ioctl(dir, 0x541b, buf), Err(ENOTTY));
    g.call("pipe", &[buf]).unwrap();
    let (read, write): (u64, u64) = (g.u32_at(buf).into(), g.u32_at(buf + 4).into());
    g.write(write, b"abc");
    g.ioctl(read, 0x541b, buf).unwrap();
    assert_eq!(g.u32_at(buf), 3);
    let (one, zero) = (g.words(&[1]), g.words(&[0]));
    g.ioctl(write, 0x5421, one).unwrap();
    assert_eq!(g.fcntl(write, 3, 0), Ok(WRONLY | NONBLOCK));
    g.ioctl(write, 0x5421, zero).unwrap();
    assert_eq!(g.fcntl(write, 3, 0), Ok(WRONLY));
    g.ioctl(write, 0x5451, 0).unwrap();
    assert_eq!(g.fcntl(write, 1, 0), Ok(1));
    g.ioctl(write, 0x5450, 0).unwrap();
    assert_eq!(g.fcntl(write, 1, 0), Ok(0));
}

use stratafs::Errno::*;
use stratafs_abi::{Call, Flow, GuestMemory};
use stratafs_emscripten::WASI_FUNCTIONS;

use crate::guest::{DIRECTORY, Guest, NONBLOCK, OUTSIDE, RDWR};

impl Guest {
    /// Calls a function of WASI as Emscripten means it; answers the error's number.
    fn wasi(&mut self, name: &str, args: &[u64]) -> u64 {
        let function = WASI_FUNCTIONS.iter().find(|function| function.about.name == name).unwrap();
        match function.call(&mut Call::new(&mut self.process, GuestMemory::borrowed(&mut self.memory)), args) {
            Flow::Done(Some(number)) => number,
            flow => panic!("{flow:?}"),
        }
    }
}

#[test]
fn seeking_moves_the_offset_of_a_file_and_of_a_listing() {
    let mut g = Guest::new();
    let (file, dir, out) = (g.open("/dir/file", 0).unwrap(), g.open("/dir", DIRECTORY).unwrap(), g.alloc(8));
    assert_eq!((g.wasi("fd_seek", &[file, 3, 0, out]), g.u64_at(out)), (0, 3));
    assert_eq!((g.wasi("fd_seek", &[file, u64::MAX, 1, out]), g.u64_at(out)), (0, 2));
    assert_eq!((g.wasi("fd_seek", &[file, 0, 2, out]), g.u64_at(out)), (0, 11));
    assert_eq!(g.wasi("fd_seek", &[file, 0, 3, out]), 28, "EINVAL");
    assert_eq!(g.wasi("fd_seek", &[file, u64::MAX, 0, out]), 28);
    assert_eq!(g.wasi("fd_seek", &[99, 0, 0, out]), 8, "EBADF");
    for at in [0, OUTSIDE - 7] {
        assert_eq!(g.wasi("fd_seek", &[file, 1, 0, at]), 21, "EFAULT");
    }
    let list = g.alloc(280);
    let first = g.call("getdents64", &[dir, list, 280]).unwrap();
    assert_eq!(g.call("getdents64", &[dir, list, 280]), Ok(0));
    assert_eq!(g.wasi("fd_seek", &[dir, 0, 0, out]), 0);
    assert_eq!(g.call("getdents64", &[dir, list, 280]), Ok(first));
    let second = g.u64_at(list + 8);
    assert_eq!((g.wasi("fd_seek", &[dir, second, 0, out]), g.u64_at(out)), (0, second));
    let rest = g.call("getdents64", &[dir, list, 280]).unwrap();
    assert!(rest < first && rest > 0);
}

#[test]
fn only_a_terminal_is_shown_as_a_character_device() {
    let mut g = Guest::new();
    let file = g.open("/dir/file", RDWR | NONBLOCK | 0x400).unwrap();
    let (dir, out) = (g.open("/dir", 0).unwrap(), g.alloc(32));
    g.memory[out as usize..][..32].fill(0xaa);
    assert_eq!(g.wasi("fd_fdstat_get", &[file, out]), 0);
    assert_eq!((g.bytes(out, 2).to_vec(), g.u16_at(out + 2), g.u32_at(out + 4)), (vec![4, 0], 5, 0));
    assert_eq!((g.u64_at(out + 8), g.u64_at(out + 16)), (u64::MAX, u64::MAX), "every right");
    assert_eq!(g.bytes(out + 24, 8), [0xaa; 8]);
    assert_eq!((g.wasi("fd_fdstat_get", &[dir, out]), g.bytes(out, 1)[0]), (0, 3));
    let device = std::sync::Arc::new(stratafs::stream::NullStream);
    let null = g.process.open_stream(device, stratafs::Access::READ_WRITE).unwrap();
    assert_eq!((g.wasi("fd_fdstat_get", &[null.raw().into(), out]), g.bytes(out, 1)[0]), (0, 0));
    let terminal = std::sync::Arc::new(crate::terminals::Terminal);
    let fd = g.process.open_stream(terminal, stratafs::Access::READ_WRITE).unwrap();
    assert_eq!((g.wasi("fd_fdstat_get", &[fd.raw().into(), out]), g.bytes(out, 1)[0]), (0, 2));
    assert_eq!(g.wasi("fd_fdstat_get", &[99, out]), 8);
    assert_eq!(g.wasi("fd_fdstat_get", &[file, OUTSIDE - 23]), 21);
}

#[test]
fn what_is_not_supported_has_the_number_that_the_libc_knows() {
    let mut g = Guest::new();
    let fd = g.open("/dir/file", RDWR).unwrap();
    let Flow::Done(Some(raw)) = g.flow("__syscall_fallocate", &[fd, 1, 0, 5]) else { panic!() };
    assert_eq!((raw as u32).cast_signed(), -138);
    assert_eq!(g.call("fallocate", &[fd, 1, 0, 5]), Err(ENOTSUP));
}

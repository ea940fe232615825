use stratafs::Errno::*;

use crate::guest::{CWD, EMPTY_PATH, Guest, NOFOLLOW, O_PATH, RDWR, WRONLY, number};

const NOW: u64 = 0x3fff_ffff;
const OMIT: u64 = 0x3fff_fffe;

impl Guest {
    fn mode(&mut self, path: &str) -> u64 {
        number::<4>(&self.lstat(path).unwrap(), 4) & 0o7777
    }

    fn owner(&mut self, path: &str) -> (u64, u64) {
        let stat = self.lstat(path).unwrap();
        (number::<4>(&stat, 12), number::<4>(&stat, 16))
    }

    /// Access and modification time: seconds and nanoseconds of each.
    fn times(&mut self, path: &str) -> [u64; 4] {
        let stat = self.lstat(path).unwrap();
        [number::<8>(&stat, 40), number::<4>(&stat, 48), number::<8>(&stat, 56), number::<4>(&stat, 64)]
    }

    fn timespecs(&mut self, times: [u64; 4]) -> u64 {
        let [asec, ansec, msec, mnsec] = times;
        self.words(&[asec, asec >> 32, ansec, 0, msec, msec >> 32, mnsec, 0])
    }

    fn size(&mut self, path: &str) -> u64 {
        number::<8>(&self.lstat(path).unwrap(), 24)
    }
}

#[test]
fn modes_stick_by_every_name() {
    let mut g = Guest::new();
    let (file, empty, zero, nofollow) = (g.open("/dir/file", 0).unwrap(), g.put(""), g.words(&[0]), g.words(&[0x100]));
    let (path, link) = (g.put("/dir/file"), g.put("/dir/link"));
    g.call("chmod", &[link, 0o177_601]).unwrap();
    assert_eq!(g.mode("/dir/file"), 0o7601);
    g.call("fchmod", &[file, 0o602]).unwrap();
    assert_eq!(g.mode("/dir/file"), 0o602);
    g.call("fchmodat", &[CWD, path, 0o603, zero]).unwrap();
    assert_eq!(g.mode("/dir/file"), 0o603);
    g.call("fchmodat", &[CWD, path, 0o604, 0]).unwrap();
    assert_eq!(g.mode("/dir/file"), 0o604);
    g.call("fchmodat2", &[CWD, path, 0o605, 0x100]).unwrap();
    assert_eq!(g.mode("/dir/file"), 0o605);
    g.call("fchmodat2", &[file, empty, 0o606, EMPTY_PATH]).unwrap();
    assert_eq!(g.mode("/dir/file"), 0o606);
    assert_eq!(g.call("fchmodat2", &[CWD, link, 0o600, 0x100]), Err(ENOTSUP));
    assert_eq!(g.call("fchmodat", &[CWD, link, 0o600, nofollow]), Err(ENOTSUP));
    assert_eq!(g.call("fchmodat2", &[CWD, path, 0o600, 1]), Err(EINVAL));
    assert_eq!(g.path("chmod", "/none", &[0o600]), Err(ENOENT));
    let place = g.open("/dir/file", O_PATH).unwrap();
    assert_eq!(g.call("fchmod", &[place, 0o600]), Err(EBADF));
}

#[test]
fn owners_stick_by_every_name() {
    let mut g = Guest::new();
    let keep = 0xffff_ffff;
    let (file, empty, link) = (g.open("/dir/file", 0).unwrap(), g.put(""), g.put("/dir/link"));
    g.call("chown32", &[link, 1, 2]).unwrap();
    assert_eq!(g.owner("/dir/file"), (1, 2));
    g.call("lchown32", &[link, 3, 4]).unwrap();
    assert_eq!((g.owner("/dir/file"), g.owner("/dir/link")), ((1, 2), (3, 4)));
    g.call("fchown32", &[file, 5, keep]).unwrap();
    assert_eq!(g.owner("/dir/file"), (5, 2));
    g.call("fchownat", &[CWD, link, keep, 6, 0x100]).unwrap();
    assert_eq!(g.owner("/dir/link"), (3, 6));
    g.call("fchownat", &[file, empty, 7, 8, EMPTY_PATH]).unwrap();
    assert_eq!(g.owner("/dir/file"), (7, 8));
    assert_eq!(g.call("fchownat", &[CWD, link, 0, 0, 1]), Err(EINVAL));
}

#[test]
fn times_are_set_to_the_nanosecond() {
    let mut g = Guest::new();
    let path = g.put("/dir/file");
    let set = g.timespecs([1, 2, u64::MAX, 999_999_999]);
    g.call("utimensat", &[CWD, path, set, 0]).unwrap();
    assert_eq!(g.times("/dir/file"), [1, 2, u64::MAX, 999_999_999]);
    let omit = g.timespecs([5, OMIT, 6, 7]);
    g.call("utimensat", &[CWD, path, omit, 0]).unwrap();
    assert_eq!(g.times("/dir/file"), [1, 2, 6, 7]);
    let now = g.timespecs([5, NOW, 6, OMIT]);
    g.call("utimensat", &[CWD, path, now, 0]).unwrap();
    assert!(g.times("/dir/file")[0] > 1_700_000_000);
    assert_eq!(g.times("/dir/file")[2..], [6, 7]);
    g.call("utimensat", &[CWD, path, 0, 0]).unwrap();
    assert!(g.times("/dir/file")[2] > 1_700_000_000);
    let (link, fd, empty) = (g.put("/dir/link"), g.open("/dir/file", 0).unwrap(), g.put(""));
    g.call("utimensat", &[CWD, link, set, 0x100]).unwrap();
    assert_eq!(g.times("/dir/link")[..2], [1, 2]);
    g.call("utimensat", &[fd, 0, omit, 0]).unwrap();
    assert_eq!(g.times("/dir/file")[2..], [6, 7]);
    g.call("utimensat", &[fd, empty, set, EMPTY_PATH]).unwrap();
    assert_eq!(g.times("/dir/file")[..2], [1, 2]);
}

#[test]
fn bad_times_are_refused_in_linuxs_order() {
    let mut g = Guest::new();
    let (path, none, fd) = (g.put("/dir/file"), g.put("/none"), g.open("/dir/file", 0).unwrap());
    let (nothing, bad) = (g.timespecs([1, OMIT, 1, OMIT]), g.timespecs([1, 0, 1, 1_000_000_000]));
    assert_eq!(g.call("utimensat", &[CWD, none, nothing, 1]), Ok(0));
    assert_eq!(g.call("utimensat", &[CWD, none, bad, 0]), Err(ENOENT));
    assert_eq!(g.call("utimensat", &[CWD, path, bad, 0]), Err(EINVAL));
    assert_eq!(g.call("utimensat", &[CWD, path, 0, 1]), Err(EINVAL));
    assert_eq!(g.call("utimensat", &[CWD, 0, 0, 0]), Err(EFAULT));
    assert_eq!(g.call("utimensat", &[fd, 0, 0, 0x100]), Err(EINVAL));
    assert_eq!(g.call("utimensat", &[99, 0, 0, 0]), Err(EBADF));
    let place = g.open("/dir/file", O_PATH).unwrap();
    assert_eq!(g.call("utimensat", &[place, 0, 0, 0]), Err(EBADF));
}

#[test]
fn files_are_cut_and_grown() {
    let mut g = Guest::new();
    let fd = g.open("/dir/file", RDWR).unwrap();
    g.path("truncate64", "/dir/link", &[4]).unwrap();
    assert_eq!(g.size("/dir/file"), 4);
    g.call("ftruncate64", &[fd, 1 << 40]).unwrap();
    assert_eq!(g.size("/dir/file"), 1 << 40);
    let minus = u64::MAX;
    assert_eq!(g.path("truncate64", "/none", &[minus]), Err(EINVAL));
    assert_eq!(g.call("ftruncate64", &[99, minus]), Err(EINVAL));
    assert_eq!(g.path("truncate64", "/dir", &[0]), Err(EISDIR));
    let reader = g.open("/dir/file", 0).unwrap();
    assert_eq!(g.call("ftruncate64", &[reader, 0]), Err(EINVAL));
}

#[test]
fn space_is_reserved_and_advice_taken() {
    let mut g = Guest::new();
    let (fd, reader) = (g.open("/dir/file", WRONLY).unwrap(), g.open("/dir/file", 0).unwrap());
    g.call("fallocate", &[fd, 0, 10, 90]).unwrap();
    assert_eq!(g.size("/dir/file"), 100);
    g.call("fallocate", &[fd, 0, 0, 5]).unwrap();
    assert_eq!(g.size("/dir/file"), 100);
    let minus = u64::MAX;
    for (args, errno) in [
        ([fd, 0, minus, 1], EINVAL),
        ([fd, 0x1000, minus, 1], EINVAL),
        ([fd, 0, 0, 0], EINVAL),
        ([fd, 0, 0, minus], EINVAL),
        ([fd, 1, 0, 10], ENOTSUP),
        ([reader, 0x1000, 0, 10], ENOTSUP),
        ([reader, 0, 0, 10], EBADF),
        ([fd, 0, i64::MAX as u64, 10], EFBIG),
    ] {
        assert_eq!(g.call("fallocate", &args), Err(errno), "{args:?}");
    }
    let pipe = g.alloc(8);
    g.call("pipe", &[pipe]).unwrap();
    let read = g.u32_at(pipe).into();
    for (args, answer) in [
        ([fd, 0, 0, 5], Ok(0)),
        ([fd, 0, 0, 6], Err(EINVAL)),
        ([fd, 0, minus, 0], Err(EINVAL)),
        ([read, 0, 0, 9], Err(ESPIPE)),
        ([99, 0, 0, 9], Err(EBADF)),
    ] {
        assert_eq!(g.call("fadvise64", &args), answer, "{args:?}");
    }
    let (dir, place) = (g.open("/dir", 0).unwrap(), g.open("/dir/file", O_PATH | NOFOLLOW).unwrap());
    for (fd, answer) in [(fd, Ok(0)), (dir, Ok(0)), (read, Err(EINVAL)), (place, Err(EBADF))] {
        assert_eq!(g.call("fdatasync", &[fd]), answer);
    }
}

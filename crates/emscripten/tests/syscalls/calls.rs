//! Every function once: that it works, and that bad pointers, bad descriptors and garbage are refused with nothing changed.

use proptest::prelude::*;
use stratafs::Errno;
use stratafs_abi::{Call, Flow, Function, GuestMemory, Shape, Value};
use stratafs_emscripten::{FUNCTIONS, Generation, SPLIT_FUNCTIONS};

use crate::guest::{Answer, CLOEXEC, CREAT, CWD, Guest, OUTSIDE, RDWR, state};

/// The system calls; the runtime's functions have tests of their own.
pub fn all() -> impl Iterator<Item = (Generation, &'static Function)> {
    let is_syscall = |f: &&Function| f.about.name.starts_with("__syscall_");
    let split = SPLIT_FUNCTIONS.iter().filter(is_syscall).map(|f| (Generation::Split, f));
    FUNCTIONS.iter().filter(is_syscall).map(|f| (Generation::Current, f)).chain(split)
}

pub fn guest(generation: Generation) -> Guest {
    let mut g = Guest::new();
    g.generation = generation;
    g
}

const SOCKETS: &[&str] = &[
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
];

fn sockets(g: &mut Guest, name: &str) -> Vec<u64> {
    let (listener, client, server) = g.connection();
    let fresh = g.call("socket", &[2, 1, 0, 0, 0, 0]).unwrap();
    let (buf, addr, len) = (g.put("data"), g.alloc(16), g.words(&[16]));
    let port = g.port(listener);
    let (any, there) = (g.address([0, 0, 0, 0], 0), g.address([127, 0, 0, 1], port));
    let iovs = g.words(&[buf, 4]);
    let msg = g.words(&[0, 0, iovs, 1, 0, 0, 0]);
    g.call("sendto", &[client, buf, 4, 0, 0, 0]).unwrap();
    match name {
        "accept4" => {
            g.call("connect", &[fresh, there, 16, 0, 0, 0]).unwrap();
            vec![listener, addr, len, 0, 0, 0]
        }
        "bind" => vec![fresh, any, 16, 0, 0, 0],
        "connect" => vec![fresh, there, 16, 0, 0, 0],
        "getpeername" | "getsockname" => vec![server, addr, len, 0, 0, 0],
        "getsockopt" => vec![server, 1, 4, addr, len, 0],
        "listen" => vec![fresh, 5, 0, 0, 0, 0],
        "recvfrom" => vec![server, buf, 4, 0, addr, len],
        "recvmsg" => vec![server, msg, 0, 0, 0, 0],
        "sendmsg" => vec![client, msg, 0, 0, 0, 0],
        "sendto" => vec![client, buf, 4, 0, addr, 16],
        "setsockopt" => vec![fresh, 1, 2, len, 4, 0],
        "shutdown" => vec![client, 2, 0, 0, 0, 0],
        _ => vec![2, 1, 0, 0, 0, 0],
    }
}

/// Arguments with which a call succeeds.
pub fn good(g: &mut Guest, name: &str) -> Vec<u64> {
    let file = g.open("/dir/file", RDWR).unwrap();
    let dir = g.open("/dir", 0).unwrap();
    let (path, new, link, empty) = (g.put("/dir/file"), g.put("/new"), g.put("/dir/link"), g.put("/empty"));
    let buf = g.alloc(512);
    let split = g.generation == Generation::Split;
    let mode = g.words(&[0o600]);
    let zero = g.words(&[0]);
    let times = g.words(&[1, 0, 2, 0, 3, 0, 4, 0]);
    match name.trim_start_matches("__syscall_") {
        "_newselect" => {
            let (set, none, timeout) = (g.words(&[1 << file, 0]), g.words(&[0, 0]), g.words(&[0, 0]));
            vec![file + 1, set, none, none, timeout]
        }
        socket if SOCKETS.contains(&socket) => sockets(g, socket),
        "chdir" => vec![empty],
        "chmod" | "mkdir" => vec![if name.ends_with("mkdir") { new } else { path }, 0o700],
        "chown32" | "lchown32" => vec![path, 5, 6],
        "dup" | "fdatasync" => vec![file],
        "dup3" => vec![file, 9, CLOEXEC],
        "epoll_create1" => vec![CLOEXEC],
        epoll if epoll.starts_with("epoll_") => {
            let (list, event) = (g.call("epoll_create1", &[0]).unwrap(), g.words(&[1, 0, 7, 0]));
            let (read, mask) = (g.two_ends().0, g.words(&[0, 0]));
            match epoll {
                "epoll_ctl" => vec![list, 1, read, event],
                "epoll_pwait" => vec![list, buf, 4, 0, mask, 8],
                _ => vec![list, buf, 4],
            }
        }
        "faccessat" => vec![CWD, path, 6, 0],
        "fadvise64" => vec![file, 0, 10, 3],
        "fadvise64_64" => vec![file, 0, 0, 10, 0, 3],
        "fallocate" if split => vec![file, 0, 0, 0, 100, 0],
        "fallocate" => vec![file, 0, 0, 100],
        "fchdir" => vec![dir],
        "fchmod" => vec![file, 0o600],
        "fchmodat" => vec![CWD, path, 0o600, zero],
        "fchmodat2" => vec![CWD, path, 0o600, 0],
        "fchown32" => vec![file, 7, 8],
        "fchownat" => vec![CWD, path, 7, 8, 0],
        "fcntl64" => vec![file, 0, mode],
        "fstat64" => vec![file, buf],
        "fstatfs64" => vec![file, 88, buf],
        "ftruncate64" if split => vec![file, 5, 0],
        "ftruncate64" => vec![file, 5],
        "getcwd" => vec![buf, 100],
        "getdents64" => vec![dir, buf, 512],
        "getegid32" | "geteuid32" | "getgid32" | "getuid32" | "getuid32_js" => vec![],
        "ioctl" => {
            let at = g.words(&[buf]);
            vec![file, 0x541b, at]
        }
        "linkat" => vec![CWD, path, CWD, new, 0],
        "lstat64" | "stat64" => vec![path, buf],
        "mkdirat" => vec![CWD, new, 0o755],
        "mknod" => vec![new, 0o10644, 0],
        "mknodat" => vec![CWD, new, 0o100644, 0],
        "newfstatat" | "fstatat64" => vec![CWD, path, buf, 0],
        "open" => vec![new, CREAT | RDWR, mode],
        "openat" => vec![CWD, new, CREAT | RDWR, mode],
        "pipe" => vec![buf],
        "pipe2" => vec![buf, CLOEXEC],
        "poll" | "poll_nonblocking" => {
            let at = g.words(&[file, 1]);
            if name.ends_with("poll") { vec![at, 1, 0] } else { vec![at, 1] }
        }
        "readlink" => vec![link, buf, 100],
        "readlinkat" => vec![CWD, link, buf, 100],
        "rename" => vec![path, new],
        "renameat" => vec![CWD, path, CWD, new],
        "rmdir" => vec![empty],
        "statfs64" => vec![path, 88, buf],
        "symlink" => vec![path, new],
        "symlinkat" => vec![path, CWD, new],
        "truncate64" if split => vec![path, 3, 0],
        "truncate64" => vec![path, 3],
        "umask" | "umask_js" => vec![0o77],
        "unlink" => vec![path],
        "unlinkat" => vec![CWD, path, 0],
        "utimensat" => vec![CWD, path, times, 0],
        _ => panic!("no arguments for {name}"),
    }
}

#[test]
fn every_function_does_its_work() {
    for (generation, f) in all() {
        let mut g = guest(generation);
        let args = good(&mut g, f.about.name);
        let answer = g.raw(f.about.name, &args);
        assert!(answer.is_ok(), "{}: {answer:?}", f.about.name);
    }
}

/// What a null pointer gives: for most `EFAULT`.
fn null(name: &str, param: &str) -> Option<Answer> {
    match (name.trim_start_matches("__syscall_"), param) {
        // No arguments are all zeros: mode 0, flags 0, duplicate from 0.
        ("fcntl64" | "open" | "openat" | "fchmodat", "varargs") => None,
        // Nobody asks whom it was with.
        ("accept4" | "recvfrom" | "sendto", "addr") => None,
        // Now, for ever, and no set.
        ("utimensat", "times") | ("_newselect", _) => None,
        ("epoll_pwait", "sigmask") => None,
        _ => Some(Err(Errno::EFAULT)),
    }
}

#[test]
fn a_bad_pointer_is_efault_and_changes_nothing() {
    let mut tried = 0;
    for (generation, f) in all() {
        let name = f.about.name;
        for (index, _) in f.params.iter().enumerate().filter(|(_, p)| p.shape.is_pointer()) {
            for address in [0, OUTSIDE - 1, OUTSIDE, u64::from(u32::MAX)] {
                let mut g = guest(generation);
                let mut args = good(&mut g, name);
                args[index] = address;
                let expected = if address == 0 { null(name, f.about.params[index]) } else { Some(Err(Errno::EFAULT)) };
                let Some(expected) = expected else { continue };
                let before = (state(&mut g.process), g.memory.clone());
                let text = format!("{name} {} at {address:#x}", f.about.params[index]);
                assert_eq!(g.raw(name, &args), expected, "{text}");
                assert!(before.1 == g.memory, "{text}: memory changed");
                assert_eq!(before.0, state(&mut g.process), "{text}");
                tried += 1;
            }
        }
    }
    assert!(tried > 190, "{tried}");
}

#[test]
fn a_descriptor_that_is_not_open_is_ebadf_and_changes_nothing() {
    let mut tried = 0;
    for (generation, f) in all() {
        let name = f.about.name;
        for (index, _) in f.params.iter().enumerate().filter(|(_, p)| p.shape == Shape::Fd) {
            for fd in [99, u64::from(u32::MAX)] {
                let mut g = guest(generation);
                let mut args = good(&mut g, name);
                args[index] = fd;
                let target = f.about.params[index] == "newfd";
                // An absolute path does not look at its directory; a relative one does.
                if f.about.params[index].ends_with("dirfd") {
                    let relative = f.about.params.iter().zip(&args).filter(|(p, _)| p.ends_with("path")).map(|(_, at)| *at);
                    for at in relative.collect::<Vec<_>>() {
                        g.memory[at as usize..].copy_within(1..20, 0);
                    }
                }
                let before = (state(&mut g.process), g.memory.clone());
                let expected = if target && fd == 99 { Ok(99) } else { Err(Errno::EBADF) };
                assert_eq!(g.raw(name, &args), expected, "{name} {}", f.about.params[index]);
                if expected.is_err() {
                    assert!(before.1 == g.memory, "{name}: memory changed");
                    assert_eq!(before.0, state(&mut g.process), "{name}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 70, "{tried}");
}

#[test]
fn identity_is_root_and_the_umask_is_kept() {
    let mut g = Guest::new();
    for name in ["getuid32", "geteuid32", "getgid32", "getegid32", "getuid32_js"] {
        assert_eq!(g.call(name, &[]), Ok(0));
    }
    assert_eq!(g.call("umask", &[0o77]), Ok(0o22));
    assert_eq!(g.call("umask_js", &[0o7022]), Ok(0o77));
    assert_eq!(g.call("umask", &[0]), Ok(0o22));
}

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..10,
        64_u64..2000,
        Just(CWD),
        prop::sample::select(vec![12, 13, 14, 36, 37, 38, 0x541b, 0x5421, 0x100, 0x1000, 0x1_0000, 0o100644, 0o10644]),
        prop::sample::select(vec![OUTSIDE - 1, OUTSIDE, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX]),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_arguments_at_all_are_survived(
        calls in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(argument(), 9)), 1..60),
        fill in prop::collection::vec(any::<u8>(), 2000),
    ) {
        let table: Vec<_> = all().collect();
        let mut g = Guest::new();
        g.memory[64..2064].copy_from_slice(&fill);
        for (at, path) in [(100, "dir/file\0"), (120, "dir\0"), (140, "new\0"), (160, "dir/../new\0")] {
            g.memory[at..at + path.len()].copy_from_slice(path.as_bytes());
        }
        for (index, args) in calls {
            let (_, f) = table[index.index(table.len())];
            let mut cx = Call::new(&mut g.process, GuestMemory::borrowed(&mut g.memory));
            match f.call(&mut cx, &args) {
                Flow::Done(Some(number)) => {
                    let value = u32::from_raw(number).cast_signed();
                    prop_assert!(value >= -76 || value == -138, "{} answered {value}", f.about.name);
                }
                Flow::Wait(_) => prop_assert!(f.about.may_wait, "{} waits", f.about.name),
                other => prop_assert!(false, "{}: {other:?}", f.about.name),
            }
        }
        prop_assert_eq!(g.memory.len() as u64, OUTSIDE);
    }
}

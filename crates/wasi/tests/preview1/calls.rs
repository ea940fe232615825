//! Every function once: that it works, and that a bad pointer or descriptor is refused with nothing changed.

use stratafs::Errno;
use stratafs_abi::{Flow, Shape};
use stratafs_wasi::FUNCTIONS;

use crate::guest::{ALL, DIR, FOLLOW, Guest, NONBLOCK, OUTSIDE, ROOT, state};

/// Arguments with which a call succeeds, and the descriptor of `/dir/file`.
pub fn good(g: &mut Guest, name: &str) -> Vec<u64> {
    let file = g.open_rw("dir/file", 0).unwrap();
    assert_eq!(g.read(file, 3).unwrap(), b"hel");
    let (out, out2, buf) = (g.alloc(64), g.alloc(64), g.alloc(256));
    let data = g.text("data");
    let (iovs, count) = g.iovs(&[data]);
    let (path, new, link, empty) = (g.text("dir/file"), g.text("new"), g.text("dir/link"), g.text("empty"));
    let clock = g.text([&7_u64.to_le_bytes()[..], &[0; 40]].concat()).0;
    match name {
        "args_get" | "environ_get" => vec![out, buf],
        "args_sizes_get" | "environ_sizes_get" => vec![out, out2],
        "clock_res_get" => vec![1, out],
        "clock_time_get" => vec![1, 0, out],
        "fd_advise" => vec![file, 0, 4, 3],
        "fd_allocate" => vec![file, 0, 4096],
        "fd_close" | "fd_datasync" | "fd_sync" => vec![file],
        "fd_fdstat_get" | "fd_filestat_get" | "fd_tell" => vec![file, out],
        "fd_fdstat_set_flags" => vec![file, NONBLOCK],
        "fd_fdstat_set_rights" => vec![file, 2, 0],
        "fd_filestat_set_size" => vec![file, 5],
        "fd_filestat_set_times" => vec![file, 1, 2, 5],
        "fd_pread" | "fd_pwrite" => vec![file, iovs, count, 1, out],
        "fd_prestat_get" => vec![ROOT, out],
        "fd_prestat_dir_name" => vec![DIR, buf, 4],
        "fd_read" | "fd_write" => vec![file, iovs, count, out],
        "fd_readdir" => vec![DIR, buf, 100, 0, out],
        "fd_renumber" => vec![file, 0],
        "fd_seek" => vec![file, 1, 0, out],
        "path_create_directory" => vec![ROOT, new.0, new.1],
        "path_filestat_get" => vec![ROOT, FOLLOW, path.0, path.1, out],
        "path_filestat_set_times" => vec![ROOT, FOLLOW, path.0, path.1, 1, 2, 5],
        "path_link" => vec![ROOT, 0, path.0, path.1, DIR, new.0, new.1],
        "path_open" => vec![ROOT, FOLLOW, path.0, path.1, 0, ALL, ALL, 0, out],
        "path_readlink" => vec![ROOT, link.0, link.1, buf, 100, out],
        "path_remove_directory" => vec![ROOT, empty.0, empty.1],
        "path_rename" => vec![ROOT, path.0, path.1, DIR, new.0, new.1],
        "path_symlink" => vec![path.0, path.1, ROOT, new.0, new.1],
        "path_unlink_file" => vec![ROOT, path.0, path.1],
        "poll_oneoff" => vec![clock, buf, 1, out],
        "proc_exit" | "proc_raise" => vec![7],
        "random_get" => vec![buf, 100],
        "sched_yield" => vec![],
        "sock_accept" => vec![file, 0, out],
        "sock_recv" => vec![file, iovs, count, 0, out, out2],
        "sock_send" => vec![file, iovs, count, 0, out],
        "sock_shutdown" => vec![file, 0],
        _ => panic!("no arguments for {name}"),
    }
}

fn expected(name: &str) -> Result<(), Errno> {
    match name {
        "proc_raise" => Err(Errno::ENOSYS),
        "sock_accept" | "sock_recv" | "sock_send" | "sock_shutdown" => Err(Errno::ENOTSOCK),
        _ => Ok(()),
    }
}

#[test]
fn every_function_does_its_work() {
    for f in FUNCTIONS.iter().filter(|f| f.about.name != "proc_exit") {
        let mut g = Guest::new();
        let args = good(&mut g, f.about.name);
        assert_eq!(g.call(f.about.name, &args), expected(f.about.name), "{}", f.about.name);
    }
}

#[test]
fn any_code_ends_the_guest() {
    for code in [0, 1, 126, 255, 256, u32::MAX] {
        let mut g = Guest::new();
        assert!(matches!(g.flow("proc_exit", &[code.into()]), Flow::Exit(c) if c == code));
        assert_eq!(g.process.exit(), Some(code));
    }
}

#[test]
fn a_bad_pointer_is_efault_and_changes_nothing() {
    let mut tried = 0;
    for f in FUNCTIONS.iter().filter(|f| expected(f.about.name).is_ok()) {
        for (index, param) in f.params.iter().enumerate().filter(|(_, p)| p.shape.is_pointer()) {
            for address in [OUTSIDE - 1, u64::from(u32::MAX)] {
                let mut g = Guest::new();
                let mut args = good(&mut g, f.about.name);
                args[index] = address;
                let before = (state(&mut g.process), g.memory.clone());
                let text = format!("{} {} at {address:#x}", f.about.name, f.about.params[index]);
                assert_eq!(g.call(f.about.name, &args), Err(Errno::EFAULT), "{text}");
                assert!(before.1 == g.memory, "{text}: memory changed");
                assert_eq!(before.0, state(&mut g.process), "{text}");
                tried += 1;
            }
            let _ = param;
        }
    }
    assert!(tried > 90, "{tried}");
}

#[test]
fn a_descriptor_that_is_not_open_is_ebadf_and_changes_nothing() {
    let mut tried = 0;
    for f in FUNCTIONS {
        for (index, _) in f.params.iter().enumerate().filter(|(_, p)| p.shape == Shape::Fd) {
            for fd in [99, u64::from(u32::MAX)] {
                let mut g = Guest::new();
                let mut args = good(&mut g, f.about.name);
                args[index] = fd;
                let before = (state(&mut g.process), g.memory.clone());
                assert_eq!(g.call(f.about.name, &args), Err(Errno::EBADF), "{}", f.about.name);
                assert!(before.1 == g.memory, "{}: memory changed", f.about.name);
                assert_eq!(before.0, state(&mut g.process), "{}", f.about.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 70, "{tried}");
}

#[test]
fn any_arguments_at_all_are_survived() {
    let edges = [0, 1, 3, 4, 7, 8, 24, 64, OUTSIDE - 1, OUTSIDE, 0x7fff_ffff, u64::from(u32::MAX), u64::MAX, 1 << 63];
    // A full product would be too much for nine parameters: walk through it in strides that share no factor with its size.
    for f in FUNCTIONS {
        let mut g = Guest::new();
        let mut seed = 1_usize;
        for _ in 0..3000 {
            let args: Vec<u64> = f
                .params
                .iter()
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    edges[(seed >> 33) % edges.len()]
                })
                .collect();
            let flow = g.flow(f.about.name, &args);
            if let Flow::Done(Some(number)) = flow {
                assert!(number <= 76);
            }
        }
    }
}

#[test]
fn arguments_and_environment_end_with_nul() {
    let mut g = Guest::new();
    for (sizes, get, expected) in
        [("args_sizes_get", "args_get", &["prog", "-x"][..]), ("environ_sizes_get", "environ_get", &["A=1", "LONG=value"])]
    {
        let (count, bytes) = (g.alloc(4), g.alloc(4));
        g.call(sizes, &[count, bytes]).unwrap();
        let joined: String = expected.iter().map(|s| format!("{s}\0")).collect();
        assert_eq!((g.u32_at(count) as usize, g.u32_at(bytes) as usize), (expected.len(), joined.len()));
        // The strings may end where the memory does.
        let (table, buf) = (g.alloc(64), OUTSIDE - joined.len() as u64);
        g.call(get, &[table, buf]).unwrap();
        assert_eq!(g.bytes(buf, joined.len() as u64), joined.as_bytes());
        assert_eq!(u64::from(g.u32_at(table)), buf);
        assert_eq!(u64::from(g.u32_at(table + 4)), buf + expected[0].len() as u64 + 1);
    }
}

#[test]
fn clocks_go_on_and_random_bytes_differ() {
    let mut g = Guest::new();
    let (out, buf) = (g.alloc(8), g.alloc(256));
    for id in 0..4 {
        g.call("clock_res_get", &[id, out]).unwrap();
        assert!(g.u64_at(out) >= 1);
        g.call("clock_time_get", &[id, 0, out]).unwrap();
        let first = g.u64_at(out);
        g.call("clock_time_get", &[id, 0, out]).unwrap();
        assert!(g.u64_at(out) >= first);
    }
    assert_eq!(g.call("clock_time_get", &[4, 0, out]), Err(Errno::EINVAL));
    assert_eq!(g.call("clock_res_get", &[u64::MAX >> 32, out]), Err(Errno::EINVAL));
    g.call("random_get", &[buf, 128]).unwrap();
    g.call("random_get", &[buf + 128, 128]).unwrap();
    assert_ne!(g.bytes(buf, 128), g.bytes(buf + 128, 128));
    assert_eq!(g.call("random_get", &[0, u64::from(u32::MAX)]), Err(Errno::EINVAL));
}

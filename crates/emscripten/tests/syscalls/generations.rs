use std::collections::HashSet;

use stratafs_abi::Abi;
use stratafs_abi::ValType::{self, F64, I32, I64};
use stratafs_emscripten::{FUNCTIONS, Generation, RUNTIME_FUNCTIONS, SPLIT_FUNCTIONS, Split, lookup};

use crate::guest::{CWD, Guest, RDWR};

type Import = (&'static str, &'static [ValType]);

/// Imports of a C program of 5.0.3.
const NEW: &[Import] = &[
    ("__syscall_openat", &[I32; 4]),
    ("__syscall_newfstatat", &[I32; 4]),
    ("__syscall_stat64", &[I32; 2]),
    ("__syscall_ftruncate64", &[I32, I64]),
    ("__syscall_fallocate", &[I32, I32, I64, I64]),
    ("__syscall_fadvise64", &[I32, I64, I64, I32]),
    ("__syscall_pipe2", &[I32; 2]),
];

/// Imports of a C program of 3.1.6.
const OLD: &[Import] = &[
    ("__syscall_stat64", &[I32; 2]),
    ("__syscall_fcntl64", &[I32; 3]),
    ("__syscall_ftruncate64", &[I32; 3]),
    ("__syscall_fallocate", &[I32; 6]),
    ("__syscall_fadvise64_64", &[I32; 6]),
    ("__syscall_utimensat", &[I32; 4]),
];

#[test]
fn a_module_says_its_generation_by_its_imports() {
    assert_eq!(Generation::of(NEW.iter().copied()), Generation::Current);
    assert_eq!(Generation::of(OLD.iter().copied()), Generation::Split);
    assert_eq!(Generation::of([]), Generation::Current);
    assert_eq!(Generation::of([OLD[0], OLD[1]]), Generation::Current);
    for alone in [OLD[2], OLD[3], OLD[4], ("__syscall_open", &[I32; 3]), ("clock_gettime", &[I32; 2])] {
        assert_eq!(Generation::of([alone]), Generation::Split, "{}", alone.0);
    }
}

#[test]
fn an_import_is_found_by_its_name_and_its_type() {
    for (generation, imports) in [(Generation::Current, NEW), (Generation::Split, OLD)] {
        for (name, params) in imports {
            let found = generation.lookup(name, params).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(found.about.name, *name);
            assert!(found.params.iter().map(|param| param.ty).eq(params.iter().copied()), "{name}");
            assert_eq!(found.result, Some(I32), "{name}");
        }
    }
    let stat = |generation: Generation| generation.lookup("__syscall_stat64", &[I32; 2]).unwrap().params[1].shape;
    assert_ne!(stat(Generation::Current), stat(Generation::Split));
    assert!(Generation::Current.lookup("__syscall_ftruncate64", &[I32; 3]).is_none());
    assert!(lookup("__syscall_ftruncate64", &[I32; 3]).is_some());
    assert!(lookup("__syscall_ftruncate64", &[I32, I64]).is_some());
    assert!(lookup("__syscall_ftruncate64", &[I64]).is_none());
    assert!(lookup("__syscall_nothing", &[]).is_none());
}

#[test]
fn no_name_stands_twice_in_a_list() {
    let runtime = FUNCTIONS.iter().chain(RUNTIME_FUNCTIONS).collect::<Vec<_>>();
    for (module, list) in [("env", runtime), (Split::MODULE, SPLIT_FUNCTIONS.iter().collect())] {
        let names: HashSet<_> = list.iter().map(|f| f.about.name).collect();
        assert_eq!(names.len(), list.len());
        assert!(list.iter().all(|f| f.about.module == module));
    }
    let ending = ["__assert_fail", "_abort_js", "abort"];
    assert!(FUNCTIONS.iter().all(|f| f.about.name.starts_with("__syscall_") || ending.contains(&f.about.name)));
    assert!(RUNTIME_FUNCTIONS.iter().all(|f| !f.about.name.starts_with("__syscall_")));
}

/// Runtime imports as modules declare them, with the types of their results: of Pyodide 314.0.7 (5.0.3), of MicroPython 1.27, and of C
/// programs of 3.1.6 that call what the C library has of time, environment and names.
const RUNTIME: &[(&str, &[ValType], Option<ValType>)] = &[
    ("_tzset_js", &[I32; 4], None),
    ("_timegm_js", &[I32], Some(I64)),
    ("_mktime_js", &[I32], Some(I64)),
    ("_localtime_js", &[I64, I32], None),
    ("_gmtime_js", &[I64, I32], None),
    ("_emscripten_get_progname", &[I32; 2], None),
    ("_emscripten_runtime_keepalive_clear", &[], None),
    ("_setitimer_js", &[I32, F64], Some(I32)),
    ("_emscripten_system", &[I32], Some(I32)),
    ("emscripten_date_now", &[], Some(F64)),
    ("emscripten_get_now", &[], Some(F64)),
    ("emscripten_runtime_keepalive_push", &[], None),
    ("emscripten_runtime_keepalive_pop", &[], None),
    ("getprotobyname", &[I32], Some(I32)),
    ("getnameinfo", &[I32; 7], Some(I32)),
    ("mp_js_random_u32", &[], Some(I32)),
    ("mp_js_ticks_ms", &[], Some(I32)),
    ("mp_js_time_ms", &[], Some(F64)),
];

/// As [`RUNTIME`], of 3.1.6.
const OLD_RUNTIME: &[(&str, &[ValType], Option<ValType>)] = &[
    ("time", &[I32], Some(I32)),
    ("strftime", &[I32; 4], Some(I32)),
    ("strftime_l", &[I32; 5], Some(I32)),
    ("strptime", &[I32; 3], Some(I32)),
    ("clock_gettime", &[I32; 2], Some(I32)),
    ("clock_getres", &[I32; 2], Some(I32)),
    ("gettimeofday", &[I32; 2], Some(I32)),
    ("difftime", &[I32; 2], Some(F64)),
    ("clock", &[], Some(I32)),
    ("ftime", &[I32], Some(I32)),
    ("getentropy", &[I32; 2], Some(I32)),
    ("getloadavg", &[I32; 2], Some(I32)),
    ("clearenv", &[], Some(I32)),
    ("timespec_get", &[I32; 2], Some(I32)),
    ("_timegm_js", &[I32], Some(I32)),
    ("_mktime_js", &[I32], Some(I32)),
    ("_localtime_js", &[I32; 2], None),
    ("_gmtime_js", &[I32; 2], None),
    ("emscripten_get_now", &[], Some(F64)),
    ("emscripten_memcpy_big", &[I32; 3], Some(I32)),
    ("setTempRet0", &[I32], None),
    ("getTempRet0", &[], Some(I32)),
    ("system", &[I32], Some(I32)),
    ("getnameinfo", &[I32; 7], Some(I32)),
    ("gethostbyname_r", &[I32; 6], Some(I32)),
    ("__clock_gettime", &[I32; 2], Some(I32)),
    ("getprotobynumber", &[I32], Some(I32)),
    ("setprotoent", &[I32], None),
    ("getprotoent", &[], Some(I32)),
    ("endprotoent", &[], None),
];

#[test]
fn a_runtime_import_is_found_with_the_types_that_modules_declare() {
    for (generation, imports) in [(Generation::Current, RUNTIME), (Generation::Split, OLD_RUNTIME)] {
        for (name, params, result) in imports {
            let found = generation.lookup(name, params).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((found.about.name, found.result), (*name, *result));
        }
    }
    for alone in [("_tzset_js", &[I32; 3][..]), ("_localtime_js", &[I32; 2]), ("gettimeofday", &[I32; 2])] {
        assert_eq!(Generation::of([alone]), Generation::Split, "{}", alone.0);
    }
    assert_eq!(Generation::of(RUNTIME.iter().map(|(name, params, _)| (*name, *params))), Generation::Current);
}

#[test]
fn the_old_stat_has_88_bytes_with_32_bit_seconds() {
    let mut g = Guest::new();
    g.generation = Generation::Split;
    g.path("chmod", "/dir/file", &[0o640]).unwrap();
    g.path("chown32", "/dir/file", &[7, 9]).unwrap();
    let (path, times) = (g.put("/dir/file"), g.words(&[1000, 11, 0xffff_ffff, 22]));
    g.call("utimensat", &[CWD, path, times, 0]).unwrap();
    let out = g.alloc(96);
    g.memory[out as usize..][..96].fill(0xaa);
    g.call("stat64", &[path, out]).unwrap();
    assert_eq!(g.bytes(out + 88, 8), [0xaa; 8], "no byte more");
    assert_eq!([0, 12, 16, 20, 24, 28].map(|at| g.u32_at(out + at)), [1, 0o100640, 1, 7, 9, 0]);
    assert_eq!((g.u64_at(out + 40), g.u32_at(out + 48)), (11, 4096));
    assert_eq!([56, 60, 64, 68].map(|at| g.u32_at(out + at)), [1000, 11, 0xffff_ffff, 22]);
    assert_eq!(u64::from(g.u32_at(out + 8)), g.u64_at(out + 80));
    assert_ne!(g.u64_at(out + 80), 0);
    let (same, fd) = (g.alloc(88), g.open("/dir/file", 0).unwrap());
    g.call("fstat64", &[fd, same]).unwrap();
    assert_eq!(g.bytes(same, 88), g.bytes(out, 88));
    g.call("fstatat64", &[CWD, path, same, 0x100]).unwrap();
    assert_eq!(g.bytes(same, 88), g.bytes(out, 88));
    let link = g.put("/dir/link");
    g.call("lstat64", &[link, same]).unwrap();
    assert_eq!((g.u32_at(same + 12), g.u64_at(same + 40)), (0o120777, 4));
}

#[test]
fn seconds_that_do_not_fit_are_the_bound() {
    let mut g = Guest::new();
    let (path, times) = (g.put("/dir/file"), g.words(&[0, 1, 0, 0, 0, 0x8000_0000, 0, 0]));
    g.call("utimensat", &[CWD, path, times, 0]).unwrap();
    g.generation = Generation::Split;
    let out = g.alloc(88);
    g.call("stat64", &[path, out]).unwrap();
    assert_eq!((g.u32_at(out + 56), g.u32_at(out + 64)), (0x7fff_ffff, 0x8000_0000));
}

#[test]
fn halves_are_one_number_low_one_first() {
    let mut g = Guest::new();
    g.generation = Generation::Split;
    let fd = g.open("/dir/file", RDWR).unwrap();
    g.call("ftruncate64", &[fd, 5, 1]).unwrap();
    g.generation = Generation::Current;
    assert_eq!(crate::guest::number::<8>(&g.lstat("/dir/file").unwrap(), 24), (1 << 32) + 5);
    g.generation = Generation::Split;
    g.path("truncate64", "/dir/file", &[7, 0]).unwrap();
    assert_eq!(g.call("ftruncate64", &[fd, 0, 0x8000_0000]), Err(stratafs::Errno::EINVAL));
    g.call("fallocate", &[fd, 0, 1, 0, 20, 0]).unwrap();
    assert_eq!(g.process.fstat(stratafs::Fd::new(fd as u32)).unwrap().size, 21);
    assert_eq!(g.call("fallocate", &[fd, 0, 0, 0x8000_0000, 20, 0]), Err(stratafs::Errno::EINVAL));
    assert_eq!(g.call("fadvise64_64", &[fd, 0, 0, 0, 0x8000_0000, 0]), Err(stratafs::Errno::EINVAL));
}

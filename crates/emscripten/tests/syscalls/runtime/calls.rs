//! Clocks, words, names, and what bad pointers and garbage give.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use proptest::prelude::*;
use stratafs_abi::{Call, Flow, GuestMemory, Ptr, Value};
use stratafs_emscripten::runtime::{AddrInfo, NameError};

use super::{At, Sevens, all, guest};
use crate::guest::{Guest, OUTSIDE, tree};

const FAILED: Option<u64> = Some(0xffff_ffff);

fn at(sec: i64, nsec: u32) -> Guest {
    Guest::with(tree(), |builder| builder.clock(Arc::new(At::new(sec, nsec))))
}

fn float(bits: Option<u64>) -> f64 {
    f64::from_raw(bits.unwrap())
}

#[test]
fn clocks_show_the_process_s_time() {
    let mut g = at(1_700_000_000, 123_456_789);
    for name in ["emscripten_date_now", "mp_js_time_ms"] {
        assert!((float(g.bits(name, &[])) - 1_700_000_000_123.456_8).abs() < 0.001);
    }
    assert_eq!(float(g.bits("emscripten_get_now", &[])), 5_006.000_007);
    assert_eq!(float(g.bits("emscripten_get_now_res", &[])), 1.0);
    assert_eq!(g.bits("mp_js_ticks_ms", &[]), Some(5006));
    for name in ["_emscripten_get_now_is_monotonic", "emscripten_get_now_is_monotonic"] {
        assert_eq!(g.bits(name, &[]), Some(1));
    }
    let out = g.alloc(16);
    let two = |g: &mut Guest, name: &str, args: &[u64]| {
        assert_eq!(g.bits(name, args), Some(0), "{name}");
        (g.u32_at(out), g.u32_at(out + 4))
    };
    for (clock, shown) in [(0, (1_700_000_000, 123_456_789)), (1, (5, 6_000_007)), (4, (5, 6_000_007)), (2, (0, 0))] {
        assert_eq!(two(&mut g, "clock_gettime", &[clock, out]), shown, "{clock}");
    }
    assert_eq!(two(&mut g, "clock_getres", &[0, out]), (0, 1));
    assert_eq!(g.bits("clock_getres", &[0, 0]), Some(0));
    assert_eq!(two(&mut g, "gettimeofday", &[out, 0]), (1_700_000_000, 123_456));
    assert_eq!(two(&mut g, "ftime", &[out]), (1_700_000_000, 123));
    assert_eq!(g.bits("timespec_get", &[out, 1]), Some(1));
    assert_eq!(g.u32_at(out + 4), 123_456_789);
    assert_eq!(g.bits("time", &[out + 8]), Some(1_700_000_000));
    assert_eq!(g.u32_at(out + 8), 1_700_000_000);
    assert_eq!(g.bits("time", &[0]), Some(1_700_000_000));
    assert_eq!(g.bits("clock", &[]), Some(0));
    assert_eq!(float(g.bits("difftime", &[5, 0xffff_ffff])), 6.0);
    assert_eq!(float(g.bits("difftime", &[0x8000_0000, 0x7fff_ffff])), -4_294_967_295.0);
}

#[test]
fn what_a_clock_cannot_tell_is_a_failure() {
    let mut g = at(1 << 31, 0);
    let out = g.alloc(16);
    g.memory[out as usize..][..16].fill(7);
    let calls: &[(&str, &[u64])] = &[
        ("clock_gettime", &[0, out]),
        ("clock_gettime", &[9, out]),
        ("clock_gettime", &[1, OUTSIDE - 4]),
        ("clock_getres", &[9, out]),
        ("gettimeofday", &[out, 0]),
        ("ftime", &[out]),
        ("time", &[out]),
    ];
    for (name, args) in calls {
        assert_eq!(g.bits(name, args), FAILED, "{name}");
    }
    assert_eq!(g.bits("timespec_get", &[out, 1]), Some(0));
    assert_eq!(g.bits("timespec_get", &[out, 2]), Some(0));
    assert_eq!(g.bytes(out, 16), [7; 16]);
    assert_eq!(float(g.bits("emscripten_date_now", &[])), 2_147_483_648_000.0);
}

#[test]
fn bytes_that_overlap_are_copied() {
    for (dest, src) in [(100_u64, 40_000_u64), (40_000, 100), (100, 101), (101, 100), (100, 100)] {
        for name in ["_emscripten_memcpy_js", "emscripten_memcpy_js", "emscripten_memcpy_big"] {
            let mut g = guest(None);
            for (byte, value) in g.memory[..200_000].iter_mut().zip((0..251).cycle()) {
                *byte = value;
            }
            let mut expected = g.memory.clone();
            expected.copy_within(src as usize..src as usize + 100_000, dest as usize);
            let answer = g.bits(name, &[dest, src, 100_000]);
            assert_eq!(answer, (name == "emscripten_memcpy_big").then_some(dest));
            assert!(g.memory == expected, "{name} {dest} {src}");
        }
    }
    let mut g = guest(None);
    let before = g.memory.clone();
    for args in [[OUTSIDE - 9, 64, 10], [64, OUTSIDE - 9, 10], [0xffff_ffff, 64, 2], [64, 80, 0xffff_ffff]] {
        assert_eq!(g.bits("_emscripten_memcpy_js", &args), None);
        assert!(g.memory == before);
    }
}

#[test]
fn words_random_numbers_and_the_program_s_name() {
    let mut g = Guest::with(tree(), |builder| builder.random(Arc::new(Sevens)).args(["/bin/program", "-x"]));
    assert_eq!(g.bits("setTempRet0", &[0xdead_beef]), None);
    assert_eq!(g.bits("getTempRet0", &[]), Some(0xdead_beef));
    assert_eq!(g.bits("mp_js_random_u32", &[]), Some(0x0707_0707));
    let out = g.alloc(300);
    assert_eq!(g.bits("getentropy", &[out, 256]), Some(0));
    assert_eq!(g.bytes(out, 257), [&[7; 256][..], &[0]].concat());
    assert_eq!(g.bits("getentropy", &[out, 257]), FAILED);
    assert_eq!(g.bits("getentropy", &[OUTSIDE - 1, 2]), FAILED);
    for (len, name) in [(100, "/bin/program"), (13, "/bin/program"), (5, "/bin"), (1, "")] {
        g.memory[out as usize..][..100].fill(b'x');
        assert_eq!(g.bits("_emscripten_get_progname", &[out, len]), None);
        assert_eq!(g.c_string(out), name.as_bytes());
        assert_eq!(g.bytes(out + name.len() as u64 + 1, 1), b"x");
    }
    g.bits("_emscripten_get_progname", &[out, 0]);
    assert_eq!(g.bytes(out, 1), [0]);
}

#[test]
fn the_environment_is_cleared_where_it_is_known() {
    let mut g = guest(None);
    assert_eq!(g.bits("clearenv", &[]), FAILED);
    let environ = g.words(&[1234]);
    g.registers.environ = Some(Ptr::new(environ as u32));
    assert_eq!(g.bits("clearenv", &[]), Some(0));
    assert_eq!(g.u32_at(environ), 0);
}

#[test]
fn what_there_is_not_is_refused() {
    let mut g = guest(None);
    let command = g.put("ls");
    assert_eq!(g.bits("_emscripten_system", &[command]), Some(0xffff_ffcc));
    assert_eq!(g.bits("system", &[command]), FAILED);
    for name in ["_emscripten_system", "system"] {
        assert_eq!(g.bits(name, &[0]), Some(0), "{name}");
    }
    assert_eq!(g.bits("_setitimer_js", &[0, 10.5_f64.to_bits()]), FAILED);
    assert_eq!(g.bits("_setitimer_js", &[0, f64::NAN.to_bits()]), FAILED);
    assert_eq!(g.bits("_setitimer_js", &[0, 0]), Some(0));
    assert_eq!(g.bits("getloadavg", &[64, 3]), FAILED);
    for (name, args) in [("getprotobyname", &[command][..]), ("getprotobynumber", &[6]), ("getprotoent", &[])] {
        assert_eq!(g.bits(name, args), Some(0), "{name}");
    }
}

fn nameinfo(g: &mut Guest, ip: [u8; 4], port: u16, flags: u64) -> (i32, String, String) {
    let addr = g.address(ip, port);
    let (host, service) = (g.alloc(64), g.alloc(64));
    let answer = g.bits("getnameinfo", &[addr, 16, host, 64, service, 64, flags]).unwrap();
    let text = |at| String::from_utf8(g.c_string(at)).unwrap();
    (u32::from_raw(answer).cast_signed(), text(host), text(service))
}

#[test]
fn addresses_have_names() {
    let mut g = guest(None);
    let is = |code, host: &str, service: &str| (code, host.to_owned(), service.to_owned());
    assert_eq!(nameinfo(&mut g, [127, 0, 0, 1], 8080, 0), is(0, "localhost", "8080"));
    assert_eq!(nameinfo(&mut g, [127, 0, 0, 1], 8080, 1), is(0, "127.0.0.1", "8080"));
    assert_eq!(nameinfo(&mut g, [192, 0, 2, 7], 1, 0), is(0, "192.0.2.7", "1"));
    assert_eq!(nameinfo(&mut g, [192, 0, 2, 7], 1, 8), is(-2, "", ""));
    let (addr, out) = (g.address([192, 0, 2, 7], 80), g.alloc(16));
    let mut code = |args: [u64; 7]| u32::from_raw(g.bits("getnameinfo", &args).unwrap()).cast_signed();
    assert_eq!(code([addr, 16, out, 9, 0, 0, 0]), -12);
    assert_eq!(code([addr, 16, out, 10, 0, 0, 0]), 0);
    assert_eq!(code([addr, 15, out, 10, 0, 0, 0]), -6);
    assert_eq!(code([OUTSIDE - 8, 16, out, 10, 0, 0, 0]), -11);
    assert_eq!(code([addr, 16, OUTSIDE - 8, 10, 0, 0, 0]), -11);
}

fn find(g: &mut Guest, node: Option<&str>, service: Option<&str>, hint: Option<[u64; 4]>) -> Result<String, NameError> {
    let text = |g: &mut Guest, text: Option<&str>| Ptr::new(text.map_or(0, |text| g.put(text) as u32));
    let (node, service) = (text(g, node), text(g, service));
    let hint = Ptr::new(hint.map_or(0, |hint| g.words(&hint) as u32));
    let cx = Call::new(&mut g.process, GuestMemory::borrowed(&mut g.memory));
    AddrInfo::find(&cx, node, service, hint).map(|info| info.0.to_string())
}

#[test]
fn names_have_addresses() {
    let mut g = guest(None);
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(find(&mut g, Some("127.0.0.1"), Some("80"), None), ok("127.0.0.1:80"));
    assert_eq!(find(&mut g, Some("localhost"), None, Some([0, 2, 1, 6])), ok("127.0.0.1:0"));
    assert_eq!(find(&mut g, Some("192.0.2.7"), None, None), ok("192.0.2.7:0"));
    assert_eq!(find(&mut g, None, Some("0"), None), ok("127.0.0.1:0"));
    assert_eq!(find(&mut g, None, Some("0"), Some([1, 0, 0, 0])), ok("0.0.0.0:0"));
    assert_eq!(find(&mut g, Some("localhost"), None, Some([4, 0, 0, 0])), Err(NameError::NoName));
    assert_eq!(find(&mut g, Some("example.org"), Some("80"), None), Err(NameError::NoName));
    assert_eq!(find(&mut g, None, None, None), Err(NameError::NoName));
    assert_eq!(find(&mut g, Some("localhost"), Some("http"), None), Err(NameError::Service));
    assert_eq!(find(&mut g, Some("localhost"), Some("65536"), None), Err(NameError::Service));
    assert_eq!(find(&mut g, Some("localhost"), None, Some([0, 10, 0, 0])), Err(NameError::Family));
    assert_eq!(find(&mut g, Some("localhost"), None, Some([0, 2, 2, 0])), Err(NameError::SockType));
    let mut memory = [9; 64];
    let info = AddrInfo(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0x1234));
    let mut memory = GuestMemory::borrowed(&mut memory);
    assert!(info.store(&mut memory, Ptr::new(33), Ptr::new(0)).is_err());
    assert!(info.store(&mut memory, Ptr::new(0), Ptr::new(49)).is_err());
    assert_eq!(memory.read_u64(Ptr::new(0)), Ok(0x0909_0909_0909_0909));
    info.store(&mut memory, Ptr::new(16), Ptr::new(48)).unwrap();
    let words: Vec<_> = (4..16).map(|word| memory.read_u32(Ptr::new(4 * word)).unwrap()).collect();
    assert_eq!(words, [0, 2, 1, 6, 16, 48, 0, 0, 0x3412_0002, 0x0100_007f, 0, 0]);
}

#[test]
fn a_host_is_found_into_the_caller_s_room() {
    let mut g = guest(None);
    let (ret, buf, result, error) = (g.alloc(20), g.alloc(64), g.alloc(4), g.alloc(4));
    let find = |g: &mut Guest, name: &str, room: u64| {
        let name = g.put(name);
        g.bits("gethostbyname_r", &[name, ret, buf, room, result, error])
    };
    assert_eq!(find(&mut g, "localhost", 64), Some(0));
    assert_eq!(u64::from(g.u32_at(result)), ret);
    let [name, aliases, family, length, list] = [0, 4, 8, 12, 16].map(|field| u64::from(g.u32_at(ret + field)));
    assert_eq!((g.c_string(name), g.u32_at(aliases), family, length), (b"localhost".to_vec(), 0, 2, 4));
    assert_eq!((g.bytes(g.u32_at(list).into(), 4), g.u32_at(list + 4)), (&[127, 0, 0, 1][..], 0));
    assert_eq!(find(&mut g, "192.0.2.7", 26), Some(0));
    assert_eq!(g.bytes(g.u32_at(list).into(), 4), [192, 0, 2, 7]);
    assert_eq!(find(&mut g, "192.0.2.7", 25), Some(68));
    assert_eq!(find(&mut g, "example.org", 64), Some(0));
    assert_eq!((g.u32_at(result), g.u32_at(error)), (0, 1));
}

/// What a function that was given a bad pointer answers.
fn refused(name: &str) -> Option<Option<u64>> {
    Some(match name {
        "_localtime_js" | "_gmtime_js" | "_tzset_js" | "_emscripten_get_progname" => None,
        "_emscripten_memcpy_js" | "emscripten_memcpy_js" => None,
        "strftime" | "strftime_l" | "strptime" | "strptime_l" | "__asctime_r" | "timespec_get" => Some(0),
        "emscripten_memcpy_big" => Some(0xffff_ffeb),
        // The number of `EFAULT`.
        "gethostbyname_r" => Some(21),
        "clock_gettime" | "__clock_gettime" | "clock_getres" | "time" | "ftime" | "getentropy" => FAILED,
        // Looks at no pointer, or not at both.
        "getprotobyname" | "_emscripten_system" | "system" | "getloadavg" | "gettimeofday" | "getnameinfo" => return None,
        "_mktime_js" | "_timegm_js" => return None,
        _ => panic!("{name} has a pointer that this test does not know"),
    })
}

#[test]
fn a_bad_pointer_writes_nothing() {
    let mut tried = 0;
    for (generation, f) in all() {
        let name = f.about.name;
        for (index, _) in f.params.iter().enumerate().filter(|(_, p)| p.shape.is_pointer()) {
            // Nobody looks at these.
            if matches!(f.about.params[index], "locale" | "zone") {
                continue;
            }
            for address in [OUTSIDE - 1, OUTSIDE, 0xffff_ffff] {
                let mut g = guest(Some("Europe/Berlin"));
                g.generation = generation;
                let good = g.put("127.0.0.1");
                let mut args: Vec<_> = f.params.iter().map(|p| if p.shape.is_pointer() { good } else { 64 }).collect();
                if name.contains("clock_get") || name == "timespec_get" {
                    args[usize::from(name == "timespec_get")] = 1;
                }
                args[index] = address;
                let before = g.memory.clone();
                let answer = g.bits(name, &args);
                if let Some(expected) = refused(name) {
                    assert_eq!(answer, expected, "{name} {}", f.about.params[index]);
                }
                if name.ends_with("time_js") || name == "_timegm_js" {
                    assert!(answer.is_none_or(|answer| answer == 0xffff_ffff || answer == u64::MAX), "{name}: {answer:?}");
                }
                assert!(g.memory == before, "{name} {} at {address:#x}: memory changed", f.about.params[index]);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..10,
        64_u64..2000,
        prop::sample::select(vec![OUTSIDE - 1, OUTSIDE, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 63, u64::MAX]),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_arguments_at_all_are_survived(
        calls in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(argument(), 9)), 1..60),
        fill in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'%'), Just(b'0'), Just(0)], 2000),
        environ in prop::option::of(argument()),
    ) {
        let table: Vec<_> = all().collect();
        let mut g = guest(Some("Europe/Berlin"));
        g.memory[64..2064].copy_from_slice(&fill);
        g.registers.environ = environ.map(|at| Ptr::new(u32::from_raw(at)));
        for (index, args) in calls {
            let (_, f) = table[index.index(table.len())];
            let memory = GuestMemory::borrowed(&mut g.memory);
            let mut cx = Call { process: &mut g.process, memory, tracer: None, registers: Some(&mut g.registers) };
            let flow = f.call(&mut cx, &args);
            prop_assert!(matches!(&flow, Flow::Done(answer) if answer.is_some() == f.result.is_some()), "{}: {flow:?}", f.about.name);
        }
        prop_assert_eq!(g.memory.len() as u64, OUTSIDE);
    }
}

#[test]
fn a_trace_shows_what_the_guest_is_not_told() {
    let lines = Arc::new(std::sync::Mutex::new(Vec::new()));
    struct Sink(Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut tracer = stratafs_abi::Tracer::lines(Box::new(Sink(lines.clone())));
    let mut g = guest(None);
    let tm = g.alloc(44);
    let calls: [(&str, &[u64]); 5] = [
        ("_gmtime_js", &[86_399, tm]),
        ("_gmtime_js", &[0, OUTSIDE]),
        ("_mktime_js", &[OUTSIDE]),
        ("_setitimer_js", &[0, 1.5_f64.to_bits()]),
        ("difftime", &[7, 4]),
    ];
    for (name, args) in calls {
        let f = g.function(name);
        let memory = GuestMemory::borrowed(&mut g.memory);
        let flow = f.call(&mut Call::traced(&mut g.process, memory, Some(&mut tracer)), args);
        assert!(matches!(flow, Flow::Done(_)));
    }
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let shown: Vec<_> = text.lines().map(|line| line.rsplit_once(" <").unwrap().0).collect();
    assert_eq!(
        shown,
        [
            "_gmtime_js(86399) = ? [tm=1970-01-01 23:59:59]",
            "_gmtime_js(0) = EFAULT (bad address)",
            "_mktime_js() = EFAULT (bad address)",
            "_setitimer_js(0, 1.5) = ENOSYS (function not implemented)",
            "difftime(7, 4) = 3",
        ]
    );
}

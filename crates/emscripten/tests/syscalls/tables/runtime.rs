//! The runtime's functions. What they compute is compared with the C library elsewhere; here is what they answer, and how they fail.

use std::sync::Arc;

use stratafs::Random;

use super::{Rows, Table};
use crate::guest::{Guest, OUTSIDE, tree};
use crate::runtime::{At, Late, Sevens};

/// A guest in Berlin whose clocks stand still and whose random numbers are sevens.
pub fn still() -> Guest {
    at(1_700_000_000)
}

fn at(seconds: i64) -> Guest {
    Guest::with(tree(), |builder| {
        let builder = builder.clock(Arc::new(At::new(seconds, 123_456_789))).random(Arc::new(Sevens));
        builder.args(["/bin/program"]).env("TZ", "Europe/Berlin")
    })
}

/// A source of random numbers that fails.
struct Dry;

impl Random for Dry {
    fn fill(&self, _: &mut [u8]) -> stratafs::Result<()> {
        Err(stratafs::Errno::EIO)
    }
}

pub const TABLES: &[(&str, Rows)] = &[
    ("__asctime_r", asctime),
    ("__clock_gettime", shown_clock),
    ("_emscripten_get_now_is_monotonic", plain),
    ("_emscripten_get_progname", program),
    ("_emscripten_memcpy_js", copy),
    ("_emscripten_runtime_keepalive_clear", plain),
    ("_emscripten_system", command),
    ("_gmtime_js", to_fields),
    ("_localtime_js", to_fields),
    ("_mktime_js", from_fields),
    ("_setitimer_js", timer),
    ("_timegm_js", from_fields),
    ("_tzset_js", zone),
    ("clearenv", environment),
    ("clock", |t| {
        plain(t);
        t.on(Guest::with(tree(), |builder| builder.clock(Arc::new(Late::default()))));
        let _ = t.row("after many years", &[]);
    }),
    ("clock_getres", shown_clock),
    ("clock_gettime", shown_clock),
    ("difftime", |t| _ = t.row("from −1 to 5", &[5, 0xffff_ffff])),
    ("emscripten_date_now", plain),
    ("emscripten_get_now", plain),
    ("emscripten_get_now_is_monotonic", plain),
    ("emscripten_get_now_res", plain),
    ("emscripten_memcpy_big", copy),
    ("emscripten_memcpy_js", copy),
    ("emscripten_runtime_keepalive_pop", plain),
    ("emscripten_runtime_keepalive_push", plain),
    ("endprotoent", plain),
    ("ftime", |t| late(t, &[&[640], &[OUTSIDE - 9]])),
    ("getTempRet0", plain),
    ("getentropy", entropy),
    ("gethostbyname_r", host),
    ("getloadavg", |t| _ = t.row("three of them", &[640, 3])),
    ("getnameinfo", names),
    ("getprotobyname", |t| _ = t.row("whatever the name", &[0])),
    ("getprotobynumber", |t| _ = t.row("TCP's", &[6])),
    ("getprotoent", plain),
    ("gettimeofday", |t| late(t, &[&[640, 0], &[0, 0], &[OUTSIDE - 7, 0]])),
    ("mp_js_random_u32", |t| {
        plain(t);
        t.on(Guest::with(tree(), |builder| builder.random(Arc::new(Dry))));
        let _ = t.row("from a source that has run dry", &[]);
    }),
    ("mp_js_ticks_ms", plain),
    ("mp_js_time_ms", plain),
    ("setTempRet0", |t| _ = t.row("a word", &[0xdead_beef])),
    ("setprotoent", |t| _ = t.row("kept open", &[1])),
    ("strftime", |t| format(t, &|s, max, format, tm| vec![s, max, format, tm])),
    ("strftime_l", |t| format(t, &|s, max, format, tm| vec![s, max, format, tm, 0])),
    ("strptime", |t| parse(t, &|text, format, tm| vec![text, format, tm])),
    ("strptime_l", |t| parse(t, &|text, format, tm| vec![text, format, tm, 0])),
    ("system", command),
    ("time", |t| late(t, &[&[640], &[0], &[OUTSIDE - 3]])),
    ("timespec_get", |t| {
        let _ = t.row("another base", &[640, 2]);
        late(t, &[&[640, 1], &[OUTSIDE - 7, 1]]);
    }),
];

fn plain(t: &mut Table) {
    let _ = t.row("as it is", &[]);
}

/// Rows now, and when the seconds have no place in 32 bits any more.
fn late(t: &mut Table, args: &[&[u64]]) {
    for args in args {
        let _ = t.row("in 2023", args);
    }
    t.on(at(1 << 31));
    for args in args {
        let _ = t.row("in 2038", args);
    }
}

fn fields(t: &mut Table, year: u64) -> u64 {
    let words = [6, 5, 4, 3, 1, year, 0, 0, 0, 0, 0];
    t.words(&words)
}

fn asctime(t: &mut Table) {
    let (tm, buf) = (fields(t, 123), t.alloc(64));
    let _ = t.row("a day", &[tm, buf]);
    let far = fields(t, 100_000);
    let _ = t.row("a year of more than four digits", &[far, buf]);
    let _ = t.row("no time", &[0, buf]);
    let _ = t.row("a time outside", &[OUTSIDE - 43, buf]);
    let _ = t.row("no room", &[tm, OUTSIDE - 25]);
}

fn shown_clock(t: &mut Table) {
    let out = t.alloc(16);
    for (name, clock) in
        [("real time", 0), ("monotonic", 1), ("processor", 2), ("thread", 3), ("raw", 4), ("coarse", 5), ("boot", 7)]
    {
        let _ = t.row(name, &[clock, out]);
    }
    for clock in [8, 99, 0xffff_ffff] {
        let _ = t.row("no clock", &[clock, out]);
    }
    let _ = t.row("nowhere", &[0, 0]);
    let _ = t.row("outside", &[0, OUTSIDE - 7]);
    t.on(at(1 << 31));
    let _ = t.row("in 2038", &[0, 640]);
}

fn program(t: &mut Table) {
    for len in [64, 5, 1, 0] {
        let _ = t.row("room for so much", &[640, len]);
    }
    let _ = t.row("outside", &[OUTSIDE - 4, 64]);
}

fn copy(t: &mut Table) {
    let from = t.put("bytes");
    let _ = t.row("to another place", &[640, from, 5]);
    let _ = t.row("over themselves", &[from + 1, from, 4]);
    let _ = t.row("nothing at all", &[OUTSIDE, OUTSIDE, 0]);
    let _ = t.row("to outside", &[OUTSIDE - 4, from, 5]);
    let _ = t.row("from outside", &[640, OUTSIDE - 4, 5]);
    let _ = t.row("more than there is", &[640, from, 0xffff_ffff]);
}

fn command(t: &mut Table) {
    let ls = t.put("ls");
    let _ = t.row("is there a shell?", &[0]);
    let _ = t.row("a command", &[ls]);
}

/// A number of seconds as the function's parameter takes it.
fn seconds(t: &mut Table, value: i64) -> u64 {
    if t.is_split() { t.words(&[value.cast_unsigned() & 0xffff_ffff]) } else { value.cast_unsigned() }
}

fn to_fields(t: &mut Table) {
    for value in [0, -1, 1_700_000_000, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let (time, tm) = (seconds(t, value), t.alloc(64));
        let _ = t.row("a time", &[time, tm]);
    }
    let time = seconds(t, 0);
    let _ = t.row("outside", &[time, OUTSIDE - 35]);
    if !t.is_split() {
        let _ = t.row("a year beyond 32 bits", &[i64::MAX.cast_unsigned(), 640]);
    }
}

fn from_fields(t: &mut Table) {
    let tm = fields(t, 123);
    let _ = t.row("a day", &[tm]);
    let far = fields(t, 0x7fff_ffff);
    let _ = t.row("the last year", &[far]);
    let _ = t.row("no time", &[0]);
    let _ = t.row("outside", &[OUTSIDE - 35]);
}

fn timer(t: &mut Table) {
    let _ = t.row("stopped", &[0, 0]);
    let _ = t.row("for a second", &[0, 1000_f64.to_bits()]);
    let _ = t.row("for no number", &[0, f64::NAN.to_bits()]);
}

fn environment(t: &mut Table) {
    let _ = t.row("nobody knows where it is", &[]);
    let environ = t.words(&[1234]);
    t.registers.environ = Some(stratafs_abi::Ptr::new(environ as u32));
    let _ = t.row("known", &[]);
    t.registers.environ = Some(stratafs_abi::Ptr::new(OUTSIDE as u32 - 3));
    let _ = t.row("known, and outside", &[]);
}

fn entropy(t: &mut Table) {
    let out = t.alloc(300);
    let _ = t.row("none", &[out, 0]);
    let _ = t.row("all at once", &[out, 256]);
    let _ = t.row("too much", &[out, 257]);
    let _ = t.row("outside", &[OUTSIDE - 1, 2]);
}

fn host(t: &mut Table) {
    let (ret, buf, result, error) = (t.alloc(20), t.alloc(64), t.alloc(4), t.alloc(4));
    for (says, name, room) in [
        ("this one", "localhost", 64),
        ("an address", "192.0.2.7", 64),
        ("little room", "192.0.2.7", 25),
        ("nobody", "example.org", 64),
        ("no name", "", 64),
    ] {
        let name = t.put(name);
        let _ = t.row(says, &[name, ret, buf, room, result, error]);
    }
    let name = t.put("localhost");
    let _ = t.row("a name outside", &[OUTSIDE, ret, buf, 64, result, error]);
    let _ = t.row("an answer outside", &[name, OUTSIDE - 19, buf, 64, result, error]);
    let _ = t.row("a result outside", &[name, ret, buf, 64, OUTSIDE - 3, error]);
}

fn names(t: &mut Table) {
    let (addr, host, service) = (t.address([127, 0, 0, 1], 8080), t.alloc(64), t.alloc(64));
    for (says, flags) in [("by name", 0), ("in numbers", 1), ("a name or nothing", 8), ("every flag", 0xffff_ffff)] {
        let _ = t.row(says, &[addr, 16, host, 64, service, 64, flags]);
    }
    let _ = t.row("neither", &[addr, 16, 0, 0, 0, 0, 0]);
    let _ = t.row("little room", &[addr, 16, host, 5, service, 64, 0]);
    let _ = t.row("a short address", &[addr, 15, host, 64, service, 64, 0]);
    let _ = t.row("an address outside", &[OUTSIDE - 8, 16, host, 64, service, 64, 0]);
    let _ = t.row("a host outside", &[addr, 16, OUTSIDE - 8, 64, service, 64, 0]);
}

fn format(t: &mut Table, args: &dyn Fn(u64, u64, u64, u64) -> Vec<u64>) {
    let (tm, out) = (fields(t, 123), t.alloc(64));
    for (says, format, room) in [
        ("a date", "%Y-%m-%d", 64),
        ("little room", "%Y-%m-%d", 10),
        ("nothing", "", 64),
        ("an unknown letter", "%!", 64),
        ("an end", "%", 64),
    ] {
        let format = t.put(format);
        let _ = t.row(says, &args(out, room, format, tm));
    }
    let (far, seconds) = (t.words(&[6, 5, 4, 3, 12_000, 0x7fff_ffff, 0, 0, 0, 0, 0]), t.put("%s"));
    let _ = t.row("the seconds of a year behind the last", &args(out, 64, seconds, far));
    let endless = t.put(vec![b'x'; 65_600]);
    let _ = t.row("a format of more than 64 KiB", &args(out, 64, endless, tm));
    let format = t.put("%Y");
    let _ = t.row("no time", &args(out, 64, format, 0));
    let _ = t.row("a format outside", &args(out, 64, OUTSIDE, tm));
    let _ = t.row("a time outside", &args(out, 64, format, OUTSIDE - 43));
    let _ = t.row("room outside", &args(OUTSIDE - 4, 64, format, tm));
}

fn parse(t: &mut Table, args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    let tm = fields(t, 123);
    for (says, text, format) in
        [("a date", "2024-02-29", "%Y-%m-%d"), ("no date", "soon", "%Y-%m-%d"), ("an unknown letter", "x", "%!")]
    {
        let (text, format) = (t.put(text), t.put(format));
        let _ = t.row(says, &args(text, format, tm));
    }
    let (text, format) = (t.put("2024"), t.put("%Y"));
    let endless = t.put(vec![b'x'; 65_600]);
    let _ = t.row("a format of more than 64 KiB", &args(text, endless, tm));
    let _ = t.row("a text outside", &args(OUTSIDE, format, tm));
    let _ = t.row("a format outside", &args(text, OUTSIDE, tm));
    let _ = t.row("a time outside", &args(text, format, OUTSIDE - 43));
}

fn zone(t: &mut Table) {
    let out: Vec<u64> = (0..4).map(|_| t.alloc(64)).collect();
    let _ = t.row("Berlin's", &out);
    for index in 0..4 {
        t.each("outside", &out, index, &[OUTSIDE - 3]);
    }
}

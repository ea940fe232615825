//! What clocks show, and what time it is when they show it.

use std::cell::RefCell;

use proptest::prelude::*;
use stratafs_abi::Ptr;

use super::linux::Linux;
use super::{Fields, guest};
use crate::guest::{Guest, OUTSIDE, tree};

/// Zones whose rules this machine and the library's database agree about: north and south, half hours, a change of half an hour, none, one day
/// skipped, and POSIX's own rules.
const ZONES: &[&str] = &[
    "UTC",
    ":UTC",
    "Europe/Berlin",
    ":Europe/London",
    "/usr/share/zoneinfo/America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Antarctica/Troll",
    "EST5EDT",
    "EST5EDT,M3.2.0,M11.1.0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "<+0330>-3:30",
    "AAA+12BBB,J60/0,J300/25",
    "NZST-12NZDT,M9.5.0,M4.1.0/3",
    "XYZ3",
    "Nowhere",
    "",
];

const TIMES: &[i64] = &[
    i64::MIN,
    -67_768_040_609_740_800,
    -62_167_219_200,
    -2_208_988_800,
    -2_147_483_649,
    -1,
    0,
    1,
    951_782_400,
    1_711_846_799,
    1_711_846_800,
    1_729_990_800,
    1_729_994_400,
    2_147_483_647,
    2_147_483_648,
    4_102_444_800,
    253_402_300_799,
    253_402_300_800,
    67_767_976_233_446_399,
    67_767_976_233_532_799,
    67_768_036_191_676_799,
    i64::MAX,
];

/// Whether Linux is the judge. glibc counts days in an `int` where it applies rules of summer time, which overflows in some million years, and
/// takes every year before 1970 for that one where the rules are in `TZ` itself.
fn judged(tz: Option<&str>, time: i64) -> bool {
    let fixed = ["UTC", ":UTC", "Asia/Kolkata", "Asia/Tokyo", "<+0330>-3:30", "XYZ3", "Nowhere", ""];
    tz.is_none_or(|tz| {
        fixed.contains(&tz) || time.unsigned_abs() < 150_000_000_000_000 && !(tz.contains(',') && time < 31_536_000)
    })
}

fn local(g: &mut Guest, linux: &mut Linux, tz: Option<&str>, time: i64) {
    let (ours, theirs) = (g.tm_of("_localtime_js", time), linux.local(tz, time));
    assert!(ours == theirs || !judged(tz, time), "{tz:?} at {time}: {ours:?}, not {theirs:?}");
}

#[test]
fn clocks_show_what_they_show_on_linux() {
    let mut linux = Linux::new();
    for tz in ZONES.iter().copied().map(Some).chain([None]) {
        let mut g = guest(tz);
        for &time in TIMES {
            local(&mut g, &mut linux, tz, time);
        }
        // Each change of 2024, and an hour to either side of it.
        for hour in 0..366 * 24 {
            if hour % 5 == 0 {
                local(&mut g, &mut linux, tz, 1_704_067_200 + hour * 3600);
            }
        }
    }
    let mut g = guest(Some("Europe/Berlin"));
    for &time in TIMES {
        assert_eq!(g.tm_of("_gmtime_js", time), linux.gm(time), "{time}");
    }
    // The years of an `int` end here.
    for outside in [-67_768_040_609_740_801, 67_768_036_191_676_800] {
        assert_eq!((g.tm_of("_gmtime_js", outside), linux.gm(outside)), (None, None));
    }
}

/// Asks both for the time at which clocks show `tm`. Where they show it twice or never, and `tm` does not say which is meant, Linux takes the
/// one that is nearer to what it was last asked for: then it must be one of the two.
fn make(g: &mut Guest, linux: &mut Linux, tz: Option<&str>, tm: &Fields) {
    let (ours, theirs) = (g.time_of("_mktime_js", tm), linux.make(tz, tm));
    if ours.is_some_and(|(time, _)| !judged(tz, time)) {
        return;
    }
    if tm[8] < 0 && ours != theirs {
        let either =
            [0, 1].map(|isdst| linux.make(tz, &Fields::from(std::array::from_fn(|i| if i == 8 { isdst } else { tm[i] }))));
        let shown = either.map(|time| time.map(|(_, fields)| fields[..6].to_vec()));
        let (twice, never) = (shown[0] == shown[1], shown.iter().all(|shown| shown.as_deref() != Some(&tm[..6])));
        assert!((twice || never) && either.contains(&ours), "{tz:?} {tm:?}: {ours:?}, not {theirs:?} or {either:?}");
    } else {
        assert_eq!(ours, theirs, "{tz:?} {tm:?}");
    }
}

fn at(year: i32, mon: i32, mday: i32, hour: i32, min: i32, isdst: i32) -> Fields {
    [0, min, hour, mday, mon - 1, year - 1900, 0, 0, isdst, 0]
}

#[test]
fn a_time_is_found_by_what_clocks_show_as_on_linux() {
    let mut linux = Linux::new();
    for &tz in ZONES {
        let mut g = guest(Some(tz));
        for year in [1901, 1969, 1970, 2024, 2038, 2100, 9999] {
            for (mon, mday) in [(1, 1), (2, 29), (7, 31), (12, 31)] {
                make(&mut g, &mut linux, Some(tz), &at(year, mon, mday, 12, 34, -1));
            }
        }
    }
}

/// The hours that clocks skip and show twice, and how they are told from each other.
#[test]
fn gaps_and_folds_are_as_on_linux() {
    let mut linux = Linux::new();
    let changes: &[(&str, &[Fields])] = &[
        (
            "Europe/Berlin",
            &[at(2024, 3, 31, 2, 30, 0), at(2024, 10, 27, 2, 30, 0), at(2024, 1, 1, 0, 0, 0), at(2024, 7, 1, 0, 0, 0)],
        ),
        ("CET-1CEST,M3.5.0,M10.5.0/3", &[at(2524, 3, 26, 2, 30, 0), at(2524, 10, 29, 2, 30, 0), at(2524, 1, 1, 0, 0, 0)]),
        ("America/New_York", &[at(2024, 3, 10, 2, 30, 0), at(2024, 11, 3, 1, 30, 0), at(2024, 7, 1, 0, 0, 0)]),
        ("Australia/Sydney", &[at(2024, 10, 6, 2, 30, 0), at(2024, 4, 7, 2, 30, 0), at(2024, 7, 1, 0, 0, 0)]),
        ("Australia/Lord_Howe", &[at(2024, 10, 6, 2, 15, 0), at(2024, 4, 7, 1, 45, 0), at(2024, 7, 1, 0, 0, 0)]),
        ("America/Sao_Paulo", &[at(2018, 11, 4, 0, 30, 0), at(2024, 1, 1, 0, 0, 0), at(2040, 1, 1, 0, 0, 0)]),
        ("Asia/Tokyo", &[at(2024, 7, 1, 0, 0, 0), at(1957, 1, 1, 0, 0, 0)]),
        ("UTC", &[at(2024, 7, 1, 0, 0, 0)]),
    ];
    for (tz, clocks) in changes {
        let mut g = guest(Some(tz));
        for clock in *clocks {
            for isdst in [-1, 0, 1, i32::MIN, i32::MAX] {
                make(&mut g, &mut linux, Some(tz), &Fields::from(std::array::from_fn(|i| if i == 8 { isdst } else { clock[i] })));
            }
        }
    }
    // Not said which, it is the first; of an hour that is skipped, as before the change.
    let mut g = guest(Some("Europe/Berlin"));
    let time = |g: &mut Guest, fields| g.time_of("_mktime_js", &fields).unwrap().0;
    assert_eq!(time(&mut g, at(2024, 10, 27, 2, 30, -1)), 1_729_989_000);
    assert_eq!(time(&mut g, at(2024, 3, 31, 2, 30, -1)), 1_711_848_600);
}

thread_local! {
    static LINUX: RefCell<Linux> = RefCell::new(Linux::new());
}

fn fields() -> impl Strategy<Value = Fields> {
    let year = prop_oneof![8 => 0..300, 1 => -3000..9000, 1 => any::<i32>()];
    let number = |usual: std::ops::Range<i32>| prop_oneof![8 => usual.clone(), 1 => -1000..1000, 1 => any::<i32>()];
    (number(0..60), number(0..60), number(0..24), number(1..32), number(0..12), year, prop_oneof![Just(-1), Just(0), Just(1)])
        .prop_map(|(sec, min, hour, mday, mon, year, isdst)| [sec, min, hour, mday, mon, year, 0, 0, isdst, 0])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_time_is_shown_as_on_linux(
        tz in prop::sample::select(ZONES),
        time in prop_oneof![-3_000_000_000_i64..10_000_000_000, -100_000_000_000_000_i64..100_000_000_000_000, any::<i64>()],
    ) {
        LINUX.with_borrow_mut(|linux| local(&mut guest(Some(tz)), linux, Some(tz), time));
    }

    #[test]
    fn any_fields_mean_what_they_mean_on_linux(tz in prop::sample::select(&ZONES[1..9]), mut tm in fields()) {
        LINUX.with_borrow_mut(|linux| {
            let mut g = guest(Some(tz));
            assert_eq!(g.time_of("_timegm_js", &tm), linux.timegm(&tm), "{tm:?}");
            tm[8] = -1;
            make(&mut g, linux, Some(tz), &tm);
        });
    }

    #[test]
    fn a_shown_time_is_found_again(tz in prop::sample::select(ZONES), time in -5_000_000_000_i64..300_000_000_000) {
        let mut g = guest(Some(tz));
        let shown = g.tm_of("_localtime_js", time).unwrap();
        let (found, again) = g.time_of("_mktime_js", &shown).unwrap();
        // Two times of the same name that show the same cannot be told from each other.
        prop_assert!(found == time || again[..6] == shown[..6] && again[8] == shown[8], "{found} {shown:?} {again:?}");
    }

    #[test]
    fn any_tz_at_all_is_survived(
        tz in "[A-Za-z<>0-9:,./+-]{0,40}|[A-Z]{3}[+-]?[0-9]{1,3}(:[0-9]{1,2})?[A-Z]{3}(-?[0-9]{1,2})?,(J[0-9]{1,3}|[0-9]{1,3}|M[0-9]{1,2}\\.[0-9]\\.[0-9])(/-?[0-9]{1,3})?,(J[0-9]{1,3}|M1?[0-9]\\.5\\.[0-6])(/[0-9]{1,2})?",
        times in prop::collection::vec(any::<i64>(), 4),
        tm in fields(),
    ) {
        let mut g = guest(Some(&tz));
        tzset(&mut g);
        for time in times.into_iter().flat_map(|time| [time, time >> 24, time >> 31]) {
            if let Some(shown) = g.tm_of("_localtime_js", time) {
                prop_assert!((0..60).contains(&shown[1]) && (0..366).contains(&shown[7]), "{shown:?}");
            }
        }
        g.time_of("_mktime_js", &tm);
    }

    #[test]
    fn summer_time_that_is_asked_for_is_as_on_linux(
        tz in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Sydney", "CET-1CEST,M3.5.0,M10.5.0/3"]),
        (year, mon, mday, hour, min) in (1980..2500, 1..13, 1..29, 0..24, 0..60),
        isdst in 0..2,
    ) {
        LINUX.with_borrow_mut(|linux| make(&mut guest(Some(tz)), linux, Some(tz), &at(year, mon, mday, hour, min, isdst)));
    }
}

/// `timezone`, `daylight` and the two names.
fn tzset(g: &mut Guest) -> (i32, u32, Vec<String>) {
    let at = g.alloc(48);
    assert_eq!(g.bits("_tzset_js", &[at, at + 4, at + 8, at + 28]), None);
    variables(g, at)
}

fn variables(g: &Guest, at: u64) -> (i32, u32, Vec<String>) {
    let name = |at| String::from_utf8(g.c_string(at)).unwrap();
    (g.u32_at(at).cast_signed(), g.u32_at(at + 4), vec![name(at + 8), name(at + 28)])
}

#[test]
fn the_variables_of_the_zone_are_as_python_has_them_on_linux() {
    let mut linux = Linux::new();
    for &tz in ZONES.iter().filter(|tz| **tz != "Nowhere") {
        assert_eq!(tzset(&mut guest(Some(tz))), linux.zone(tz), "{tz:?}");
    }
    assert_eq!(tzset(&mut guest(None)), (0, 0, vec!["UTC".to_owned(); 2]));
    // musl has room for six letters.
    assert_eq!(tzset(&mut guest(Some("Nowhere"))).2, ["Nowher", "Nowher"]);
}

#[test]
fn rules_that_are_left_out_are_those_of_america() {
    let (mut short, mut long) = (guest(Some("CET-1CEST")), guest(Some("CET-1CEST,M3.2.0,M11.1.0")));
    for day in 0..366 {
        let time = 1_704_067_200 + day * 86_400;
        assert_eq!(short.tm_of("_localtime_js", time), long.tm_of("_localtime_js", time));
    }
}

#[test]
fn a_zone_that_means_nothing_is_utc() {
    for tz in
        ["Nowhere", "europe/berlin", "/etc/localtime", "../../etc/passwd", "CET-99", "\u{1F570}", "A1", "Europe/", ":", ",,,"]
    {
        let mut g = guest(Some(tz));
        assert_eq!(g.tm_of("_localtime_js", 1_720_000_000), g.tm_of("_gmtime_js", 1_720_000_000), "{tz}");
    }
    let mut g = guest(None);
    g.process = Guest::with(tree(), |b| b.envs([b"TZ=\xff\xfe".to_vec()])).process;
    assert_eq!(g.tm_of("_localtime_js", 0).unwrap()[9], 0);
}

/// `environ` with these variables, as a C library lays it out; where the variable is.
fn environ(g: &mut Guest, variables: &[&str]) -> u64 {
    let mut list: Vec<u64> = variables.iter().map(|variable| g.put(variable)).collect();
    list.push(0);
    let list = g.words(&list);
    g.words(&[list])
}

#[test]
fn a_guest_that_changes_its_environment_is_elsewhere() {
    let mut g = guest(Some("UTC"));
    let at = g.alloc(48);
    g.bits("_tzset_js", &[at, at + 4, at + 8, at + 28]);
    assert_eq!(variables(&g, at), (0, 0, vec!["UTC".to_owned(); 2]));
    let offset = |g: &mut Guest| {
        let tm = g.alloc(44);
        g.bits("_localtime_js", &[1_720_000_000, tm]);
        g.tm_at(tm)[9]
    };
    assert_eq!(offset(&mut g), 0);
    let berlin = environ(&mut g, &["HOME=/", "TZX=Asia/Tokyo", "TZ=Europe/Berlin", "TZ=Asia/Tokyo"]);
    g.registers.environ = Some(Ptr::new(berlin as u32));
    assert_eq!(offset(&mut g), 7200);
    assert_eq!(variables(&g, at), (-3600, 1, vec!["CET".to_owned(), "CEST".to_owned()]));
    // Without `TZ` it is UTC, whatever the guest was started with.
    let mut g2 = guest(Some("Asia/Tokyo"));
    let without = environ(&mut g2, &["HOME=/"]);
    g2.registers.environ = Some(Ptr::new(without as u32));
    assert_eq!(offset(&mut g2), 0);
    // Before the C library has an environment, and where there is none, it is what the guest was started with.
    for nowhere in [g2.words(&[0]), OUTSIDE, OUTSIDE - 3] {
        g2.registers.environ = Some(Ptr::new(nowhere as u32));
        assert_eq!(offset(&mut g2), 32_400, "{nowhere:#x}");
    }
    let endless = g2.words(&[0xffff_ffff]);
    g2.registers.environ = Some(Ptr::new(endless as u32));
    assert_eq!(offset(&mut g2), 32_400);
}

#[test]
fn times_by_address_have_32_bits() {
    let mut g = guest(Some("Europe/Berlin"));
    let wide = g.tm_of("_localtime_js", -1).unwrap();
    g.generation = stratafs_emscripten::Generation::Split;
    let (time, tm) = (g.words(&[0xffff_ffff]), g.alloc(44));
    assert_eq!(g.bits("_localtime_js", &[time, tm]), None);
    assert_eq!(g.tm_at(tm), wide);
    assert_eq!(g.bits("_mktime_js", &[tm]), Some(0xffff_ffff));
    assert_eq!(g.bits("_gmtime_js", &[time, tm]), None);
    assert_eq!(g.tm_at(tm)[..6], [59, 59, 23, 31, 11, 69]);
    let late = g.put_tm(&at(2039, 1, 1, 0, 0, 0));
    assert_eq!(g.bits("_timegm_js", &[late]), Some(0xffff_ffff));
    assert_eq!(g.bits("_mktime_js", &[late]), Some(0xffff_ffff));
    let early = g.put_tm(&at(2038, 1, 1, 0, 0, 0));
    assert_eq!(g.bits("_timegm_js", &[early]), Some(2_145_916_800));
    assert_eq!(g.bits("_localtime_js", &[OUTSIDE - 3, tm]), None);
}

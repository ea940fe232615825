//! Times as text.

use std::cell::RefCell;

use proptest::prelude::*;

use super::linux::Linux;
use super::{Fields, guest};
use crate::guest::{Guest, OUTSIDE};

const TZ: &str = "America/New_York";
const ROOM: u64 = 4096;

fn format(g: &mut Guest, format: &str, tm: &Fields, name: &str, room: u64) -> (u64, Vec<u8>) {
    let (format, name, tm, out) = (g.put(format), g.put(name), g.put_tm(tm), g.alloc(ROOM as u32));
    g.memory[tm as usize + 40..][..4].copy_from_slice(&(name as u32).to_le_bytes());
    let len = g.bits("strftime", &[out, room, format, tm]).unwrap();
    let text = g.c_string(out);
    g.free_all();
    (len, text)
}

fn compare(g: &mut Guest, linux: &mut Linux, text: &str, tm: &Fields) {
    let expected = linux.format(Some(TZ), text, tm, "EDT");
    let (len, found) = format(g, text, tm, "EDT", ROOM);
    assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{text:?} of {tm:?}");
    assert_eq!(len, expected.len() as u64);
}

/// Every letter that Linux knows, and some that it does not.
const LETTERS: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%fiJKLNoqQv@";

fn times() -> Vec<Fields> {
    let mut g = guest(Some(TZ));
    let some = [0, 951_827_696, 1_720_015_199, 1_735_689_599, 1_704_085_200, -2_208_988_800, 4_102_444_800, 253_402_300_799];
    let days = (0..14).map(|day| 1_703_900_000 + day * 86_400);
    some.into_iter().chain(days).map(|time| g.tm_of("_localtime_js", time).unwrap()).collect()
}

#[test]
fn every_conversion_is_written_as_on_linux() {
    let (mut g, mut linux) = (guest(Some(TZ)), Linux::new());
    for tm in times() {
        for letter in LETTERS.chars() {
            compare(&mut g, &mut linux, &format!("<%{letter}>"), &tm);
        }
        let eras = ["%Ec %EC %Ex %EX %Ey %EY", "%Od %Oe %OH %OI %Om %OM %OS %Ou %OU %OV %Ow %OW %Oy"];
        for text in
            eras.into_iter().chain(["%-d %_d %05d %^a %^B %10A %-H %_H %3M %_3S %-j", "", "no conversion", "%%%%d", "100%"])
        {
            compare(&mut g, &mut linux, text, &tm);
        }
    }
}

#[test]
fn fields_out_of_their_ranges_are_written_as_on_linux() {
    let (mut g, mut linux) = (guest(Some(TZ)), Linux::new());
    for tm in [
        [61, 0, 0, 1, 0, 0, 0, 0, -1, 0],
        [0, 0, 12, 31, 11, -1900, 6, 365, 0, -12_345],
        [0, 0, 13, 31, 11, -1901, 6, 364, 1, 45_296],
        [5, 4, 3, 2, 12, 8100, 7, 0, 0, 0],
        [5, 4, 3, 2, -1, 100, -1, 0, 0, 0],
    ] {
        compare(&mut g, &mut linux, "%a|%A|%b|%B|%d|%e|%H|%I|%l|%m|%M|%p|%S|%w|%z|%j", &tm);
        compare(&mut g, &mut linux, "%y|%Y|%F|%D", &tm);
    }
}

thread_local! {
    static LINUX: RefCell<Linux> = RefCell::new(Linux::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_format_is_written_as_on_linux(text in "(%[-_0^]?[1-9]?[aAbBcCdDeFgGhHIjklmMnpPrRSTuUVwWxXyYZ%]| |a|:|%z){0,12}", time in 0_i64..5_000_000_000) {
        LINUX.with_borrow_mut(|linux| {
            let mut g = guest(Some(TZ));
            let tm = g.tm_of("_localtime_js", time).unwrap();
            compare(&mut g, linux, &text, &tm);
        });
    }

    #[test]
    fn what_is_written_is_read_again(time in 0_i64..200_000_000_000) {
        let mut g = guest(None);
        let tm = g.tm_of("_gmtime_js", time).unwrap();
        for text in ["%a %b %e %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%S", "%s", "%j %Y %T", "%F %r"] {
            let (_, written) = format(&mut g, text, &tm, "UTC", ROOM);
            let (read, found) = parse(&mut g, text, std::str::from_utf8(&written).unwrap()).unwrap();
            prop_assert_eq!(read, written.len() as u64);
            prop_assert_eq!(found, tm, "{}", text);
        }
    }
}

#[test]
fn a_text_that_does_not_fit_is_not_written() {
    let mut g = guest(None);
    let tm = times()[1];
    assert_eq!(format(&mut g, "%Y-%m", &tm, "", 8), (7, b"2000-02".to_vec()));
    for room in 0..8 {
        assert_eq!(format(&mut g, "%Y-%m", &tm, "", room).0, 0, "{room}");
    }
    assert_eq!(format(&mut g, "%999999999999999999999d", &tm, "", 0xffff_ffff).0, 0);
    assert_eq!(format(&mut g, "%2000000d", &tm, "", 0xffff_ffff).0, 0);
    let text = "x".repeat((64 << 10) + 1);
    let (long, out, at) = (g.put(&text), 14 * 65_536, g.put_tm(&tm));
    assert_eq!(g.bits("strftime", &[out, 1 << 20, long, at]), Some(0));
    assert_eq!(g.bits("strftime", &[out, 1 << 20, long + 1, at]), Some(64 << 10));
    assert_eq!(g.bits("strftime", &[OUTSIDE - 3, 1 << 20, long + 65_530, at]), Some(0));
    assert_eq!(g.bits("strftime_l", &[out, 100, long + 65_530, at, 0]), Some(7));
}

fn parse(g: &mut Guest, format: &str, text: &str) -> Option<(u64, Fields)> {
    let (text, format, tm) = (g.put(text), g.put(format), g.put_tm(&[0; 10]));
    let end = g.bits("strptime", &[text, format, tm]).unwrap();
    let fields = g.tm_at(tm);
    g.free_all();
    end.checked_sub(text).map(|read| (read, fields))
}

#[test]
fn a_text_is_read_as_on_linux() {
    let (mut g, mut linux) = (guest(None), Linux::new());
    let texts = [
        ("%Y-%m-%d %H:%M:%S", "2024-02-29 12:34:56 rest"),
        ("%Y-%m-%d", "2024-2-9"),
        ("%Y-%m-%d", "2024-13-09"),
        ("%Y-%m-%d", "24-01-09"),
        ("%d %b %Y", "  7  JULY 1999"),
        ("%d %B %y", "7 jul 68"),
        ("%d %B %y", "7 jul 69"),
        ("%C%y-%m-%d", "2133-01-01"),
        ("%C", "20"),
        ("%j %Y", "366 2024"),
        ("%Y %j", "2023 60"),
        ("%j", "60"),
        ("%a, %d %b %Y %T %z", "Thu, 29 Feb 2024 01:02:03 +0530"),
        ("%A %T", "wednesday 24:00:00"),
        ("%A %R", "wednesday 23:59"),
        ("%I:%M %p", "12:05 AM"),
        ("%I:%M %p", "12:05 pm"),
        ("%I:%M%p", "01:05pm"),
        ("%p %I", "PM 3"),
        ("%I", "13"),
        ("%r", "11:22:33 PM"),
        ("%D", "02/29/24"),
        ("%F", "1600-02-29"),
        ("%c", "Thu Feb 29 01:02:03 2024"),
        ("%x %X", "01/02/03 04:05:06"),
        ("%S", "60"),
        ("%S", "62"),
        ("%k|%l|%e", " 7| 8| 9"),
        ("%U %W %V", "01 02 03"),
        ("%u", "7"),
        ("%w", "7"),
        ("%z", "-08:30"),
        ("%z", "+05"),
        ("%z", "Z"),
        ("%z", "+"),
        ("%n%t%%x", " \t %x"),
        ("%Q", "1"),
        ("%", "%"),
        ("abc", "abd"),
        ("%H", ""),
        ("%Y", "12345"),
        ("%m%d", "0229"),
        ("%H%M", "1234"),
        ("%G-%V", "2024-09"),
        ("%s", "86399x"),
    ];
    for (format, text) in texts {
        assert_eq!(parse(&mut g, format, text), linux.parse(format, text), "{text:?} by {format:?}");
    }
    let (text, format, tm) = (g.put("12"), g.put("%H"), g.put_tm(&[0; 10]));
    assert_eq!(g.bits("strptime_l", &[text, format, tm, 0]), Some(text + 2));
}

#[test]
fn asctime_writes_what_linux_does() {
    let (mut g, mut linux) = (guest(None), Linux::new());
    for tm in times() {
        let (at, out) = (g.put_tm(&tm), g.alloc(32));
        assert_eq!(g.bits("__asctime_r", &[at, out]), Some(out));
        assert_eq!(g.c_string(out), linux.asctime(&tm), "{tm:?}");
        g.free_all();
    }
    let (at, out) = (g.put_tm(&[i32::MAX; 10]), g.alloc(32));
    assert_eq!(g.bits("__asctime_r", &[at, out]), Some(out));
    assert_eq!(g.c_string(out).len(), 25);
    assert_eq!(g.bits("__asctime_r", &[at, OUTSIDE - 9]), Some(0));
}

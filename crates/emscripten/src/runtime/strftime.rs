//! `strftime` and `asctime`, in the locale "C".

use stratafs::{Errno, Result};
use stratafs_abi::{Buffer, Call, Out, Ptr, Size, Zero};

use super::calendar::{Tm, is_leap};
use super::time::{c_string, zone};

pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
/// The longest format.
pub(super) const FORMAT_MAX: usize = 64 << 10;
/// The longest result.
const RESULT_MAX: usize = 1 << 20;
/// The longest name of a time.
const NAME_MAX: usize = 255;
/// What `asctime` has room for.
const ASCTIME_MAX: usize = 26;

/// What stands between the `%` and the letter of a conversion.
#[derive(Clone, Copy, Default)]
struct Style {
    /// `_`, `0` or `-`: another padding than the usual.
    pad: Option<u8>,
    /// `^`: capitals.
    upper: bool,
    width: Option<usize>,
}

/// A time as text.
struct Formatter<'a> {
    tm: &'a Tm,
    /// The name of the time.
    zone: &'a [u8],
    /// Seconds since 1970.
    time: Option<i64>,
    out: Vec<u8>,
    /// Bytes that there is room for.
    room: usize,
}

impl Formatter<'_> {
    /// # Errors
    /// `ERANGE` when there is no room.
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > self.room.saturating_sub(self.out.len()) {
            return Err(Errno::ERANGE);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn padding(&mut self, byte: u8, count: usize) -> Result<()> {
        if count > self.room.saturating_sub(self.out.len()) {
            return Err(Errno::ERANGE);
        }
        self.out.resize(self.out.len() + count, byte);
        Ok(())
    }

    fn text(&mut self, text: &[u8], style: Style) -> Result<()> {
        let fill = if style.pad == Some(b'0') { b'0' } else { b' ' };
        self.padding(fill, style.width.unwrap_or(0).saturating_sub(text.len()))?;
        if style.upper { self.push(&text.to_ascii_uppercase()) } else { self.push(text) }
    }

    /// A number of at least `digits` digits.
    fn number(&mut self, value: i64, digits: usize, pad: u8, style: Style) -> Result<()> {
        let (sign, digit) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
        let digits = if style.pad == Some(b'-') { 0 } else { digits };
        let width = style.width.unwrap_or(0).max(digits);
        let fill = if style.pad.unwrap_or(pad) == b'0' { b'0' } else { b' ' };
        let missing = width.saturating_sub(sign.len() + digit.len());
        if fill == b' ' {
            self.padding(fill, missing)?;
            self.push(sign.as_bytes())?;
        } else {
            self.push(sign.as_bytes())?;
            self.padding(fill, missing)?;
        }
        self.push(digit.as_bytes())
    }

    fn format(&mut self, mut format: &[u8]) -> Result<()> {
        while let Some(start) = format.iter().position(|&byte| byte == b'%') {
            let (before, conversion) = format.split_at(start);
            self.push(before)?;
            let (style, letter, len) = conversion_of(conversion);
            let (whole, rest) = conversion.split_at(len);
            if !self.convert(letter, style)? {
                self.push(whole)?;
            }
            format = rest;
        }
        self.push(format)
    }

    /// Writes one conversion; false when there is no such letter.
    fn convert(&mut self, letter: u8, style: Style) -> Result<bool> {
        let tm = *self.tm;
        let year = i64::from(tm.year) + 1900;
        let hour = match tm.hour {
            0 => 12,
            13.. => tm.hour - 12,
            hour => hour,
        };
        let (wday, yday) = (i64::from(tm.wday), i64::from(tm.yday));
        match letter {
            b'a' => self.text(&named(&WEEKDAYS, tm.wday, 3), style)?,
            b'A' => self.text(&named(&WEEKDAYS, tm.wday, 9), style)?,
            b'b' | b'h' => self.text(&named(&MONTHS, tm.mon, 3), style)?,
            b'B' => self.text(&named(&MONTHS, tm.mon, 9), style)?,
            b'c' => self.compound(b"%a %b %e %H:%M:%S %Y", style)?,
            b'C' => self.number(year.div_euclid(100), 2, b'0', style)?,
            b'd' => self.number(tm.mday.into(), 2, b'0', style)?,
            b'D' | b'x' => self.compound(b"%m/%d/%y", style)?,
            b'e' => self.number(tm.mday.into(), 2, b' ', style)?,
            b'F' => self.compound(b"%Y-%m-%d", style)?,
            b'g' => self.number(iso_week(year, wday, yday).0.rem_euclid(100), 2, b'0', style)?,
            b'G' => self.number(iso_week(year, wday, yday).0, 1, b'0', style)?,
            b'H' => self.number(tm.hour.into(), 2, b'0', style)?,
            b'I' => self.number(hour.into(), 2, b'0', style)?,
            b'j' => self.number(yday + 1, 3, b'0', style)?,
            b'k' => self.number(tm.hour.into(), 2, b' ', style)?,
            b'l' => self.number(hour.into(), 2, b' ', style)?,
            b'm' => self.number(i64::from(tm.mon) + 1, 2, b'0', style)?,
            b'M' => self.number(tm.min.into(), 2, b'0', style)?,
            b'n' => self.text(b"\n", style)?,
            b'p' => self.text(if tm.hour > 11 { b"PM" } else { b"AM" }, style)?,
            b'P' => self.text(if tm.hour > 11 { b"pm" } else { b"am" }, Style { upper: false, ..style })?,
            b'r' => self.compound(b"%I:%M:%S %p", style)?,
            b'R' => self.compound(b"%H:%M", style)?,
            b's' => self.number(self.time.ok_or(Errno::EOVERFLOW)?, 1, b'0', style)?,
            b'S' => self.number(tm.sec.into(), 2, b'0', style)?,
            b't' => self.text(b"\t", style)?,
            b'T' | b'X' => self.compound(b"%H:%M:%S", style)?,
            b'u' => self.number((wday - 1).rem_euclid(7) + 1, 1, b'0', style)?,
            b'U' => self.number((yday - wday + 7).div_euclid(7), 2, b'0', style)?,
            b'V' => self.number(iso_week(year, wday, yday).1, 2, b'0', style)?,
            b'w' => self.number(wday, 1, b'0', style)?,
            b'W' => self.number((yday - (wday + 6).rem_euclid(7) + 7).div_euclid(7), 2, b'0', style)?,
            b'y' => self.number(year.rem_euclid(100), 2, b'0', style)?,
            b'Y' => self.number(year, 1, b'0', style)?,
            b'z' => self.offset(style)?,
            b'Z' => self.text(self.zone, style)?,
            b'%' => self.text(b"%", style)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A conversion that stands for several.
    fn compound(&mut self, format: &[u8], style: Style) -> Result<()> {
        let mut inner = Formatter { out: Vec::new(), ..*self };
        inner.format(format)?;
        let text = inner.out;
        self.text(&text, style)
    }

    /// The offset from UTC; nothing when it is not known whether it is summer time.
    fn offset(&mut self, style: Style) -> Result<()> {
        if self.tm.isdst < 0 {
            return Ok(());
        }
        let minutes = i64::from(self.tm.gmtoff).abs() / 60;
        let sign = if self.tm.gmtoff < 0 { "-" } else { "+" };
        self.text(format!("{sign}{:02}{:02}", minutes / 60, minutes % 60).as_bytes(), style)
    }
}

/// A name, cut; a question mark when the number has none.
fn named(names: &[&str], number: i32, len: usize) -> Vec<u8> {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number)).copied().unwrap_or("?");
    name.bytes().take(len).collect()
}

/// What follows the `%` that `conversion` starts with: its style, its letter, and how long all of it is.
fn conversion_of(conversion: &[u8]) -> (Style, u8, usize) {
    let (mut style, mut len) = (Style::default(), 1);
    while let Some(&byte) = conversion.get(len) {
        match byte {
            b'_' | b'-' => style.pad = Some(byte),
            b'0' if style.width.is_none() => style.pad = Some(byte),
            b'^' => style.upper = true,
            b'0'..=b'9' => {
                let width = style.width.unwrap_or(0).saturating_mul(10).saturating_add(usize::from(byte - b'0'));
                style.width = Some(width);
            }
            // Other numerals and eras, which the locale does not have.
            b'E' | b'O' => {}
            letter => return (style, letter, len + 1),
        }
        len += 1;
    }
    (style, 0, len)
}

/// The year and week of ISO 8601: weeks start on Monday and belong to the year that has their Thursday.
fn iso_week(year: i64, wday: i64, yday: i64) -> (i64, i64) {
    let length = |year| 365 + i64::from(is_leap(year));
    let thursday = yday + 3 - (wday + 6).rem_euclid(7);
    let (year, thursday) = if thursday < 0 {
        (year - 1, thursday + length(year - 1))
    } else if thursday >= length(year) {
        (year + 1, thursday - length(year))
    } else {
        (year, thursday)
    };
    (year, thursday / 7 + 1)
}

/// Writes the time `tm` as `format` says, with a NUL, when all of it fits into `max` bytes. Answers the length without the NUL.
///
/// # Errors
/// `EFAULT`; `ENAMETOOLONG` for a format of more than 64 KiB; `ERANGE` when there is no room, or a result of more than 1 MiB;
/// `EOVERFLOW` for the seconds of a year that does not fit. With nothing written.
pub fn strftime(cx: &mut Call<'_>, s: Buffer, max: Size, format: Ptr, tm: Out<Tm>) -> Zero {
    Zero(strftime_at(cx, s.ptr(), max, format, tm.ptr()))
}

fn strftime_at(cx: &mut Call<'_>, s: Ptr, max: Size, format: Ptr, tm: Ptr) -> Result<u32> {
    let format = c_string(&cx.memory, format, FORMAT_MAX)?;
    let fields = Tm::load(&cx.memory, tm)?;
    let name = Ptr::new(cx.memory.read_u32(tm.offset(Tm::ZONE)?)?);
    // A time that nobody has given a zone may have anything there.
    let name = if name.raw() == 0 { Vec::new() } else { c_string(&cx.memory, name, NAME_MAX).unwrap_or_default() };
    let time = zone(cx).time_of(&fields).ok();
    let room = max.get().min(RESULT_MAX).checked_sub(1).ok_or(Errno::ERANGE)?;
    let mut formatter = Formatter { tm: &fields, zone: &name, time, out: Vec::new(), room };
    formatter.format(&format)?;
    let len = Size::of(formatter.out.len())?;
    formatter.out.push(0);
    cx.memory.write(s, &formatter.out)?;
    Ok(len.raw())
}

/// [`strftime`] in a locale; there is one.
///
/// # Errors
/// As there.
pub fn strftime_l(cx: &mut Call<'_>, s: Buffer, max: Size, format: Ptr, tm: Out<Tm>, _locale: Ptr) -> Zero {
    strftime(cx, s, max, format, tm)
}

/// Writes the time `tm` as `ctime` does, cut to 26 bytes with the NUL. Answers `buf`.
///
/// # Errors
/// `EFAULT`, with nothing written.
pub fn __asctime_r(cx: &mut Call<'_>, tm: Out<Tm>, buf: Ptr) -> Zero {
    let text = Tm::load(&cx.memory, tm.ptr()).and_then(|tm| {
        let mut formatter = Formatter { tm: &tm, zone: b"", time: None, out: Vec::new(), room: RESULT_MAX };
        formatter.format(b"%a %b %e %H:%M:%S %Y\n")?;
        Ok(formatter.out)
    });
    Zero(text.and_then(|mut text| {
        text.truncate(ASCTIME_MAX - 1);
        text.push(0);
        cx.memory.write(buf, &text).map(|()| buf.raw())
    }))
}

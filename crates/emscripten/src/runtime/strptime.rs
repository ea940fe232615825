//! `strptime`, in the locale "C".

use stratafs::{Errno, Result};
use stratafs_abi::{Call, Out, Ptr, Record, Size, Zero};

use super::calendar::{Tm, days_before, is_leap};
use super::strftime::{FORMAT_MAX, MONTHS, WEEKDAYS};
use super::time::{c_string, zone};

/// The longest text that is read.
const TEXT_MAX: usize = FORMAT_MAX;

/// What was read so far.
struct Scanner<'a> {
    text: &'a [u8],
    tm: Tm,
    /// `%C` and `%y`, which together are a year.
    century: Option<i32>,
    in_century: Option<i32>,
    /// `%p`.
    afternoon: Option<bool>,
    hour12: bool,
    /// What is known of the day.
    mon: bool,
    mday: bool,
    yday: bool,
    year: bool,
    wday: bool,
    /// `%s`.
    time: Option<i64>,
}

impl Scanner<'_> {
    fn new(text: &[u8], tm: Tm) -> Scanner<'_> {
        Scanner {
            text,
            tm,
            century: None,
            in_century: None,
            afternoon: None,
            hour12: false,
            mon: false,
            mday: false,
            yday: false,
            year: false,
            wday: false,
            time: None,
        }
    }

    fn skip_space(&mut self) {
        self.text = self.text.trim_ascii_start();
    }

    /// A number of at most `digits` digits in a range, behind spaces.
    fn number(&mut self, digits: usize, min: i32, max: i32) -> Result<i32> {
        self.skip_space();
        let (mut value, mut len) = (0_i32, 0);
        while let Some(digit) = self.text.get(len).filter(|byte| byte.is_ascii_digit() && len < digits) {
            value = value.saturating_mul(10).saturating_add((digit - b'0').into());
            len += 1;
        }
        if len == 0 || value < min || value > max {
            return Err(Errno::EINVAL);
        }
        self.text = self.text.get(len..).unwrap_or_default();
        Ok(value)
    }

    /// One of the names, whole or its first three letters.
    fn name(&mut self, names: &[&str]) -> Result<i32> {
        for (index, name) in (0..).zip(names) {
            for len in [name.len(), 3] {
                let (Some(name), Some(text)) = (name.as_bytes().get(..len), self.text.get(..len)) else { continue };
                if name.eq_ignore_ascii_case(text) {
                    self.text = self.text.get(len..).unwrap_or_default();
                    return Ok(index);
                }
            }
        }
        Err(Errno::EINVAL)
    }

    fn literal(&mut self, byte: u8) -> Result<()> {
        self.text = self.text.strip_prefix(&[byte]).ok_or(Errno::EINVAL)?;
        Ok(())
    }

    fn scan(&mut self, format: &[u8]) -> Result<()> {
        let mut format = format.iter().copied();
        while let Some(byte) = format.next() {
            if byte.is_ascii_whitespace() {
                self.skip_space();
                continue;
            }
            if byte != b'%' {
                self.literal(byte)?;
                continue;
            }
            let letter = format.find(|byte| !matches!(byte, b'E' | b'O' | b'-' | b'_' | b'0' | b'^' | b'#'));
            self.convert(letter.ok_or(Errno::EINVAL)?)?;
        }
        Ok(())
    }

    fn convert(&mut self, letter: u8) -> Result<()> {
        match letter {
            b'a' | b'A' => (self.tm.wday, self.wday) = (self.name(&WEEKDAYS)?, true),
            b'b' | b'B' | b'h' => (self.tm.mon, self.mon) = (self.name(&MONTHS)?, true),
            b'c' => self.scan(b"%a %b %e %H:%M:%S %Y")?,
            b'C' => self.century = Some(self.number(2, 0, 99)?),
            b'd' | b'e' => (self.tm.mday, self.mday) = (self.number(2, 1, 31)?, true),
            b'D' | b'x' => self.scan(b"%m/%d/%y")?,
            b'F' => self.scan(b"%Y-%m-%d")?,
            // Weeks and their years are read over.
            b'g' => drop(self.number(2, 0, 99)?),
            b'G' => drop(self.number(4, 0, 9999)?),
            b'U' | b'V' | b'W' => drop(self.number(2, 0, 53)?),
            b'H' | b'k' => (self.tm.hour, self.hour12) = (self.number(2, 0, 23)?, false),
            b'I' | b'l' => (self.tm.hour, self.hour12) = (self.number(2, 1, 12)? % 12, true),
            b'j' => (self.tm.yday, self.yday) = (self.number(3, 1, 366)? - 1, true),
            b'm' => (self.tm.mon, self.mon) = (self.number(2, 1, 12)? - 1, true),
            b'M' => self.tm.min = self.number(2, 0, 59)?,
            b'n' | b't' => self.skip_space(),
            b'p' | b'P' => self.afternoon = Some(self.half()? == 1),
            b'r' => self.scan(b"%I:%M:%S %p")?,
            b'R' => self.scan(b"%H:%M")?,
            b's' => self.seconds()?,
            b'S' => self.tm.sec = self.number(2, 0, 61)?,
            b'T' | b'X' => self.scan(b"%H:%M:%S")?,
            b'u' => (self.tm.wday, self.wday) = (self.number(1, 1, 7)? % 7, true),
            b'w' => (self.tm.wday, self.wday) = (self.number(1, 0, 6)?, true),
            b'y' => self.in_century = Some(self.number(2, 0, 99)?),
            b'Y' => {
                self.tm.year = self.number(4, 0, 9999)? - 1900;
                (self.year, self.century, self.in_century) = (true, None, None);
            }
            b'z' => self.offset()?,
            // glibc reads no name of a time either.
            b'Z' => {}
            b'%' => self.literal(b'%')?,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// `AM` or `PM`.
    fn half(&mut self) -> Result<i32> {
        let half = self.text.get(..2).map(<[u8]>::to_ascii_uppercase);
        let afternoon = match half.as_deref() {
            Some(b"AM") => 0,
            Some(b"PM") => 1,
            _ => return Err(Errno::EINVAL),
        };
        self.text = self.text.get(2..).unwrap_or_default();
        Ok(afternoon)
    }

    fn seconds(&mut self) -> Result<()> {
        let len = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.text.get(..len).and_then(|digits| std::str::from_utf8(digits).ok());
        self.time = Some(digits.and_then(|digits| digits.parse().ok()).ok_or(Errno::EINVAL)?);
        self.text = self.text.get(len..).unwrap_or_default();
        Ok(())
    }

    /// `Z`, `+hh`, `+hhmm` or `+hh:mm`.
    fn offset(&mut self) -> Result<()> {
        self.skip_space();
        if let Some(rest) = self.text.strip_prefix(b"Z") {
            (self.text, self.tm.gmtoff) = (rest, 0);
            return Ok(());
        }
        let sign = match self.text.first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Errno::EINVAL),
        };
        self.text = self.text.get(1..).unwrap_or_default();
        let two = |text: &[u8]| match text {
            [a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit() => Some(i32::from(a - b'0') * 10 + i32::from(b - b'0')),
            _ => None,
        };
        let hours = two(self.text).ok_or(Errno::EINVAL)?;
        self.text = self.text.get(2..).unwrap_or_default();
        let rest = self.text.strip_prefix(b":").unwrap_or(self.text);
        let minutes = two(rest).inspect(|_| self.text = rest.get(2..).unwrap_or_default()).unwrap_or(0);
        if minutes > 59 || hours > 14 {
            return Err(Errno::EINVAL);
        }
        self.tm.gmtoff = sign * (hours * 60 + minutes) * 60;
        Ok(())
    }

    /// The fields, with what follows from others.
    fn finish(mut self) -> Tm {
        if let (true, Some(afternoon)) = (self.hour12, self.afternoon) {
            self.tm.hour = self.tm.hour % 12 + if afternoon { 12 } else { 0 };
        }
        match (self.century, self.in_century) {
            (None, None) => {}
            (Some(century), year) => (self.tm.year, self.year) = (century * 100 + year.unwrap_or(0) - 1900, true),
            // POSIX: 69 to 99 are of the last century.
            (None, Some(year)) => (self.tm.year, self.year) = (if year < 69 { year + 100 } else { year }, true),
        }
        if !(self.year || self.mon || self.mday) {
            return self.tm;
        }
        let leap = is_leap(i64::from(self.tm.year) + 1900);
        if self.yday && !self.wday && !(self.mon && self.mday) {
            let yday = i64::from(self.tm.yday);
            let mon = (0..12).rev().find(|&mon| days_before(mon, leap) <= yday).unwrap_or(0);
            self.tm.mon = i32::try_from(mon).unwrap_or(0);
            self.tm.mday = i32::try_from(yday - days_before(mon, leap) + 1).unwrap_or(1);
        }
        // What the format does not name is taken from the fields as they were.
        let (mon, mday) = (i64::from(self.tm.mon), i64::from(self.tm.mday));
        let noon = Tm { hour: 12, min: 0, sec: 0, ..self.tm };
        if let (true, Ok(day)) = ((0..12).contains(&mon), Tm::at(noon.seconds(), 0, false)) {
            let yday = i32::try_from(days_before(mon, leap) + mday - 1).unwrap_or(day.yday);
            self.tm.wday = if self.wday { self.tm.wday } else { day.wday };
            self.tm.yday = if self.yday { self.tm.yday } else { yday };
        }
        self.tm
    }
}

/// Reads a time from `text` as `format` says, into the fields of `tm` that the format names, and into those that follow from them. Answers
/// where it stopped.
///
/// # Errors
/// `EINVAL` when the text is not as the format says; `EFAULT`; `ENAMETOOLONG` for a text or format of more than 64 KiB. With nothing written.
pub fn strptime(cx: &mut Call<'_>, text: Ptr, format: Ptr, tm: Out<Tm>) -> Zero {
    Zero(strptime_at(cx, text, format, tm.ptr()))
}

fn strptime_at(cx: &mut Call<'_>, text: Ptr, format: Ptr, tm: Ptr) -> Result<u32> {
    let bytes = c_string(&cx.memory, text, TEXT_MAX)?;
    let format = c_string(&cx.memory, format, FORMAT_MAX)?;
    let mut scanner = Scanner::new(&bytes, Tm::load(&cx.memory, tm)?);
    scanner.scan(&format)?;
    let read = Size::of(bytes.len() - scanner.text.len())?;
    let fields = match scanner.time {
        Some(time) => {
            let shown = zone(cx).at(time);
            Tm::at(time, shown.offset, shown.dst)?
        }
        None => scanner.finish(),
    };
    fields.store(&mut cx.memory, tm)?;
    text.offset(read.raw()).map(Ptr::raw)
}

/// [`strptime`] in a locale; there is one.
///
/// # Errors
/// As there.
pub fn strptime_l(cx: &mut Call<'_>, text: Ptr, format: Ptr, tm: Out<Tm>, _locale: Ptr) -> Zero {
    strptime(cx, text, format, tm)
}

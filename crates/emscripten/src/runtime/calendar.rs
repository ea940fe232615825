//! `struct tm` and the proleptic Gregorian calendar, in 64-bit seconds.

use std::fmt::Write;

use stratafs::{Errno, Result};
use stratafs_abi::{GuestMemory, Layout, Ptr, Record};

use crate::layout::put;

pub(crate) const DAY: i64 = 86_400;

/// `struct tm` as far as the host fills it: all but the pointer `tm_zone`, the last of its 44 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tm {
    /// `tm_sec`, 0 to 60.
    pub sec: i32,
    /// `tm_min`.
    pub min: i32,
    /// `tm_hour`.
    pub hour: i32,
    /// `tm_mday`, from 1.
    pub mday: i32,
    /// `tm_mon`, from 0.
    pub mon: i32,
    /// `tm_year`, from 1900.
    pub year: i32,
    /// `tm_wday`, from Sunday.
    pub wday: i32,
    /// `tm_yday`, from 0.
    pub yday: i32,
    /// `tm_isdst`: negative when it is not known.
    pub isdst: i32,
    /// `tm_gmtoff`, seconds east of UTC.
    pub gmtoff: i32,
}

impl Tm {
    /// Where `tm_zone` is.
    pub(crate) const ZONE: u32 = 40;

    /// Reads one.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(crate) fn load(memory: &GuestMemory<'_>, at: Ptr) -> Result<Self> {
        let field = |index: u32| Ok(memory.read_u32(at.offset(index * 4)?)?.cast_signed());
        Ok(Tm {
            sec: field(0)?,
            min: field(1)?,
            hour: field(2)?,
            mday: field(3)?,
            mon: field(4)?,
            year: field(5)?,
            wday: field(6)?,
            yday: field(7)?,
            isdst: field(8)?,
            gmtoff: field(9)?,
        })
    }

    /// The fields of a clock that is `offset` seconds before UTC, at the time `time`.
    ///
    /// # Errors
    /// `EOVERFLOW` for a year that does not fit.
    pub(crate) fn at(time: i64, offset: i32, isdst: bool) -> Result<Self> {
        let local = time.checked_add(offset.into()).ok_or(Errno::EOVERFLOW)?;
        let (days, sec) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, yday) = year_of(days);
        let leap = is_leap(year);
        let mon = (1..12).take_while(|&mon| days_before(mon, leap) <= yday).last().unwrap_or(0);
        let small = |value: i64| i32::try_from(value).map_err(|_| Errno::EOVERFLOW);
        Ok(Tm {
            sec: small(sec % 60)?,
            min: small(sec / 60 % 60)?,
            hour: small(sec / 3600)?,
            mday: small(yday - days_before(mon, leap) + 1)?,
            mon: small(mon)?,
            year: small(year - 1900)?,
            // The first day of 1970 was a Thursday.
            wday: small((days + 4).rem_euclid(7))?,
            yday: small(yday)?,
            isdst: isdst.into(),
            gmtoff: offset,
        })
    }

    /// The seconds that the fields tell, as if they were UTC; each may be outside of its range.
    pub(crate) fn seconds(&self) -> i64 {
        let mon = i64::from(self.mon);
        let year = 1900 + i64::from(self.year) + mon.div_euclid(12);
        let days = days_to(year) + days_before(mon.rem_euclid(12), is_leap(year)) + i64::from(self.mday) - 1;
        // A year of 32 bits is 2 to the 56 seconds: nothing here can overflow.
        days * DAY + i64::from(self.hour) * 3600 + i64::from(self.min) * 60 + i64::from(self.sec)
    }
}

impl Layout for Tm {
    const SIZE: u32 = 44;
}

impl Record for Tm {
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
        let mut record = [0; 40];
        let fields =
            [self.sec, self.min, self.hour, self.mday, self.mon, self.year, self.wday, self.yday, self.isdst, self.gmtoff];
        for (start, field) in (0..).step_by(4).zip(fields) {
            put(&mut record, start, field.to_le_bytes());
        }
        memory.write(at, &record)
    }

    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
        let tm = Tm::load(memory, at)?;
        let (year, mon) = (1900 + i64::from(tm.year), i64::from(tm.mon) + 1);
        let _ = write!(out, "{year:04}-{mon:02}-{:02} {:02}:{:02}:{:02}", tm.mday, tm.hour, tm.min, tm.sec);
        Ok(())
    }
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of the year before the first of a month, from 0.
pub(crate) fn days_before(mon: i64, leap: bool) -> i64 {
    // 153 days in any five months from March on.
    match mon {
        0 => 0,
        1 => 31,
        _ => (153 * (mon - 2) + 2) / 5 + 59 + i64::from(leap),
    }
}

/// Days from 1970 to the first day of a year.
pub(crate) fn days_to(year: i64) -> i64 {
    let before = year - 1;
    let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    before * 365 + leaps - 719_162
}

/// The year that a day since 1970 is in, and the day in that year.
fn year_of(days: i64) -> (i64, i64) {
    // 146,097 days in 400 years; the guess is at most one year off.
    let guess = 1970 + (days * 400).div_euclid(146_097);
    let year = if days < days_to(guess) {
        guess - 1
    } else if days >= days_to(guess + 1) {
        guess + 1
    } else {
        guess
    };
    (year, days - days_to(year))
}

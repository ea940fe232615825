//! Calendar functions. `TZ` decides, as under Linux, and not the host's own zone, as under JavaScript.

use stratafs::{Errno, Result};
use stratafs_abi::{Call, GuestMemory, MinusOne, Out, Ptr, Registers, Silent, Size, ZoneVariables};

use super::calendar::Tm;
use super::or_errno;
use super::zone::{Shown, Zone, key, narrow};

/// The longest name of a time that every generation has room for, musl's `TZNAME_MAX`.
const TZNAME_MAX: usize = 6;
/// The most variables of an environment that are looked at for `TZ`.
const VARIABLES: u32 = 4096;
/// The longest `TZ`.
const TZ_MAX: usize = 255;

/// The value of `TZ`: in the guest's own environment where that can be seen, else in the one that it was started with.
fn tz(cx: &Call<'_>) -> Option<Vec<u8>> {
    let environ = cx.registers.as_ref().and_then(|registers| registers.environ);
    if let Some(Ok(tz)) = environ.map(|at| find_tz(&cx.memory, at)) {
        return tz;
    }
    let mut env = cx.process.env().iter();
    env.find_map(|variable| variable.strip_prefix(b"TZ=")).map(<[u8]>::to_vec)
}

/// # Errors
/// `EFAULT`, also when there is no environment yet.
fn find_tz(memory: &GuestMemory<'_>, environ: Ptr) -> Result<Option<Vec<u8>>> {
    let first = memory.read_u32(environ)?;
    if first == 0 {
        return Err(Errno::EFAULT);
    }
    for index in 0..VARIABLES {
        let at = Ptr::new(memory.read_u32(Ptr::new(first).offset(index * 4)?)?);
        if at.raw() == 0 {
            break;
        }
        if memory.bytes(at, Size::new(3)).is_ok_and(|name| *name == *b"TZ=") {
            return c_string(memory, at.offset(3)?, TZ_MAX).map(Some);
        }
    }
    Ok(None)
}

/// The bytes before a NUL, at most `max`.
///
/// # Errors
/// `EFAULT`; `ENAMETOOLONG`.
pub(super) fn c_string(memory: &GuestMemory<'_>, at: Ptr, max: usize) -> Result<Vec<u8>> {
    let left = memory.size().saturating_sub(at.raw() as usize);
    let bytes = memory.bytes(at, Size::of(left.min(max.saturating_add(1)))?)?;
    let end = bytes.iter().position(|&byte| byte == 0);
    let end = end.ok_or(if left <= max { Errno::EFAULT } else { Errno::ENAMETOOLONG })?;
    Ok(bytes.get(..end).unwrap_or_default().to_vec())
}

/// The guest's zone. When `TZ` has changed since the guest last asked for its variables, they follow.
pub(super) fn zone(cx: &mut Call<'_>) -> Zone {
    let tz = tz(cx);
    let zone = Zone::of(tz.as_deref());
    let of = key(tz.as_deref());
    if let Some(Registers { zone: Some(variables), .. }) = cx.registers.as_deref_mut()
        && variables.of != of
    {
        variables.of = of;
        let variables = *variables;
        let now = cx.process.clock().realtime().sec;
        // They were writable when the guest named them, and its memory never shrinks.
        let _ = store_variables(&mut cx.memory, &zone, now, &variables);
    }
    zone
}

fn store_variables(memory: &mut GuestMemory<'_>, zone: &Zone, now: i64, to: &ZoneVariables) -> Result<()> {
    let (std, dst) = zone.times(now);
    let name = |shown: &Shown| {
        let mut name = shown.name.as_bytes().to_vec();
        name.truncate(TZNAME_MAX);
        name.push(0);
        name
    };
    let names = [(to.std_name, name(&std)), (to.dst_name, name(dst.as_ref().unwrap_or(&std)))];
    for at in [to.timezone, to.daylight] {
        memory.check(at, Size::new(4))?;
    }
    for (at, name) in &names {
        memory.check(*at, Size::of(name.len())?)?;
    }
    memory.write_u32(to.timezone, (-std.offset).cast_unsigned())?;
    memory.write_u32(to.daylight, dst.is_some().into())?;
    names.iter().try_for_each(|(at, name)| memory.write(*at, name))
}

/// Finds what `TZ` means, for POSIX's `timezone`, `daylight` and `tzname`: the names go to room for seven bytes each.
///
/// A C library of the current generation calls it once. When the guest then changes `TZ`, its variables follow with the next call that
/// needs the zone.
///
/// # Errors
/// `EFAULT`, with nothing written.
pub fn _tzset_js(cx: &mut Call<'_>, timezone: Ptr, daylight: Ptr, std_name: Ptr, dst_name: Ptr) -> Silent {
    let tz = tz(cx);
    let variables = ZoneVariables { timezone, daylight, std_name, dst_name, of: key(tz.as_deref()) };
    let now = cx.process.clock().realtime().sec;
    let stored = store_variables(&mut cx.memory, &Zone::of(tz.as_deref()), now, &variables);
    if let (Ok(()), Some(registers)) = (stored, cx.registers.as_deref_mut()) {
        registers.zone = Some(variables);
    }
    Silent(stored)
}

pub(super) fn localtime(cx: &mut Call<'_>, time: i64, tm: Out<Tm>) -> Result<()> {
    let shown = zone(cx).at(time);
    tm.store(&mut cx.memory, &Tm::at(time, shown.offset, shown.dst)?)
}

pub(super) fn gmtime(cx: &mut Call<'_>, time: i64, tm: Out<Tm>) -> Result<()> {
    tm.store(&mut cx.memory, &Tm::at(time, 0, false)?)
}

/// `fits` makes of the seconds what the guest gets, before anything is written.
pub(super) fn mktime<T>(cx: &mut Call<'_>, tm: Out<Tm>, fits: impl FnOnce(i64) -> Result<T>) -> Result<T> {
    let fields = Tm::load(&cx.memory, tm.ptr())?;
    let zone = zone(cx);
    let time = zone.time_of(&fields)?;
    let (fitting, shown) = (fits(time)?, zone.at(time));
    tm.store(&mut cx.memory, &Tm::at(time, shown.offset, shown.dst)?)?;
    Ok(fitting)
}

pub(super) fn timegm<T>(cx: &mut Call<'_>, tm: Out<Tm>, fits: impl FnOnce(i64) -> Result<T>) -> Result<T> {
    let time = Tm::load(&cx.memory, tm.ptr())?.seconds();
    let fitting = fits(time)?;
    gmtime(cx, time, tm)?;
    Ok(fitting)
}

/// What clocks show at `time` where the guest is. The name of the time is left to the caller, who has it from `tzname`.
///
/// # Errors
/// `EOVERFLOW` for a year that does not fit, `EFAULT`; with nothing written.
pub fn _localtime_js(cx: &mut Call<'_>, time: i64, tm: Out<Tm>) -> Silent {
    Silent(localtime(cx, time, tm))
}

/// What clocks show at `time` in UTC.
///
/// # Errors
/// `EOVERFLOW` for a year that does not fit, `EFAULT`; with nothing written.
pub fn _gmtime_js(cx: &mut Call<'_>, time: i64, tm: Out<Tm>) -> Silent {
    Silent(gmtime(cx, time, tm))
}

/// The time at which clocks show the fields where the guest is; brings the fields into their ranges. `tm_isdst` says which of two times is
/// meant, and negative that it is not known: then the first.
///
/// # Errors
/// `EFAULT`; `EOVERFLOW` for a year that does not fit; with nothing written.
pub fn _mktime_js(cx: &mut Call<'_>, tm: Out<Tm>) -> MinusOne<i64> {
    MinusOne(mktime(cx, tm, Ok))
}

/// The time at which clocks show the fields in UTC; brings the fields into their ranges.
///
/// # Errors
/// As [`_mktime_js`].
pub fn _timegm_js(cx: &mut Call<'_>, tm: Out<Tm>) -> MinusOne<i64> {
    MinusOne(timegm(cx, tm, Ok))
}

/// The calendar functions of 3.1.6, whose `time_t` has 32 bits; it passes times by their address.
pub(crate) mod split {
    use super::*;

    fn time(cx: &Call<'_>, at: Ptr) -> Result<i64> {
        Ok(cx.memory.read_u32(at)?.cast_signed().into())
    }

    /// What clocks show at the time at `time` where the guest is.
    ///
    /// # Errors
    /// `EFAULT`, with nothing written.
    pub fn _localtime_js(cx: &mut Call<'_>, time: Ptr, tm: Out<Tm>) -> Silent {
        Silent(self::time(cx, time).and_then(|time| localtime(cx, time, tm)))
    }

    /// What clocks show at the time at `time` in UTC.
    ///
    /// # Errors
    /// `EFAULT`, with nothing written.
    pub fn _gmtime_js(cx: &mut Call<'_>, time: Ptr, tm: Out<Tm>) -> Silent {
        Silent(self::time(cx, time).and_then(|time| gmtime(cx, time, tm)))
    }

    /// The time at which clocks show the fields where the guest is; see [`_mktime_js`](super::_mktime_js).
    ///
    /// # Errors
    /// As there; `EOVERFLOW` when the time does not fit into 32 bits.
    pub fn _mktime_js(cx: &mut Call<'_>, tm: Out<Tm>) -> MinusOne<i32> {
        let made = mktime(cx, tm, narrow);
        or_errno(cx, made)
    }

    /// The time at which clocks show the fields in UTC.
    ///
    /// # Errors
    /// As [`_mktime_js`].
    pub fn _timegm_js(cx: &mut Call<'_>, tm: Out<Tm>) -> MinusOne<i32> {
        let made = timegm(cx, tm, narrow);
        or_errno(cx, made)
    }
}

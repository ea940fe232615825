//! Clocks. Times that travel as `f64` are milliseconds.

use std::time::Duration;

use stratafs::{Errno, Result, Timestamp};
use stratafs_abi::{Call, MinusOne, Ptr, Size, Zero};

use super::or_errno;
use super::zone::narrow;

const CLOCK_REALTIME: u32 = 0;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_PROCESS_CPUTIME_ID: u32 = 2;
const CLOCK_THREAD_CPUTIME_ID: u32 = 3;
const CLOCK_MONOTONIC_RAW: u32 = 4;
const CLOCK_REALTIME_COARSE: u32 = 5;
const CLOCK_MONOTONIC_COARSE: u32 = 6;
const CLOCK_BOOTTIME: u32 = 7;
const TIME_UTC: u32 = 1;

fn realtime(cx: &Call<'_>) -> Timestamp {
    cx.process.clock().realtime()
}

/// The time of day in milliseconds and parts of one, where JavaScript has whole ones.
pub fn emscripten_date_now(cx: &mut Call<'_>) -> f64 {
    realtime(cx).as_nanos() as f64 / 1e6
}

/// Milliseconds, and parts of one, of a clock that never goes back.
pub fn emscripten_get_now(cx: &mut Call<'_>) -> f64 {
    cx.process.clock().monotonic().as_secs_f64() * 1e3
}

/// The step of [`emscripten_get_now`], in nanoseconds.
pub fn emscripten_get_now_res(cx: &mut Call<'_>) -> f64 {
    cx.process.clock().resolution().as_secs_f64() * 1e9
}

/// Whether [`emscripten_get_now`] never goes back: it does not.
///
/// # Errors
/// None.
pub fn _emscripten_get_now_is_monotonic(_: &mut Call<'_>) -> Result<u32> {
    Ok(1)
}

/// [`_emscripten_get_now_is_monotonic`], as 3.1.6 names it.
///
/// # Errors
/// None.
pub fn emscripten_get_now_is_monotonic(cx: &mut Call<'_>) -> Result<u32> {
    _emscripten_get_now_is_monotonic(cx)
}

/// What a clock shows as seconds and nanoseconds.
///
/// # Errors
/// `EINVAL` for an unknown clock; `EOVERFLOW` for seconds beyond 64 bits.
fn show(cx: &Call<'_>, clock: u32) -> Result<(i64, u32)> {
    let of = |time: Duration| Ok((i64::try_from(time.as_secs()).map_err(|_| Errno::EOVERFLOW)?, time.subsec_nanos()));
    match clock {
        CLOCK_REALTIME | CLOCK_REALTIME_COARSE => {
            let now = realtime(cx);
            Ok((now.sec, now.nsec))
        }
        CLOCK_MONOTONIC | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC_COARSE | CLOCK_BOOTTIME => of(cx.process.clock().monotonic()),
        CLOCK_PROCESS_CPUTIME_ID | CLOCK_THREAD_CPUTIME_ID => of(cx.process.cpu_time()),
        _ => Err(Errno::EINVAL),
    }
}

/// Writes two numbers of 32 bits, the seconds first, as 3.1.6 has them in a `timespec` and a `timeval`.
fn store(cx: &mut Call<'_>, at: Ptr, seconds: i64, rest: u32) -> Result<()> {
    let seconds = narrow(seconds)?;
    cx.memory.check(at, Size::new(8))?;
    cx.memory.write_u32(at, seconds.cast_unsigned())?;
    cx.memory.write_u32(at.offset(4)?, rest)
}

/// What a clock shows; those of Linux that 3.1.6 has names for. The processor's time is the time since the guest was started.
///
/// # Errors
/// `EINVAL` for an unknown clock; `EOVERFLOW` for a time after 2038, which has no place in 32 bits; `EFAULT`.
pub fn clock_gettime(cx: &mut Call<'_>, clock: u32, time: Ptr) -> MinusOne<i32> {
    let shown = show(cx, clock).and_then(|(seconds, nanos)| store(cx, time, seconds, nanos)).map(|()| 0);
    or_errno(cx, shown)
}

/// [`clock_gettime`], as a part of the C library of 3.1.6 names it.
///
/// # Errors
/// As there.
pub fn __clock_gettime(cx: &mut Call<'_>, clock: u32, time: Ptr) -> MinusOne<i32> {
    clock_gettime(cx, clock, time)
}

/// A clock's step; nowhere to write it is no error.
///
/// # Errors
/// `EINVAL` for an unknown clock; `EFAULT`.
pub fn clock_getres(cx: &mut Call<'_>, clock: u32, step: Ptr) -> MinusOne<i32> {
    let resolution = cx.process.clock().resolution();
    let stored = show(cx, clock).and_then(|_| match step.raw() {
        0 => Ok(0),
        _ => store(cx, step, i64::try_from(resolution.as_secs()).unwrap_or(i64::MAX), resolution.subsec_nanos()).map(|()| 0),
    });
    or_errno(cx, stored)
}

/// The time of day in seconds, also to `time` unless that is null. For the 32 bits of 3.1.6.
///
/// # Errors
/// `EOVERFLOW` after 2038; `EFAULT`.
pub fn time(cx: &mut Call<'_>, time: Ptr) -> MinusOne<i32> {
    let now = narrow(realtime(cx).sec).and_then(|now| {
        if time.raw() != 0 {
            cx.memory.write_u32(time, now.cast_unsigned())?;
        }
        Ok(now)
    });
    or_errno(cx, now)
}

/// Microseconds since the guest was started, for 35 minutes: what `clock` counts in.
///
/// # Errors
/// `EOVERFLOW` after that.
pub fn clock(cx: &mut Call<'_>) -> MinusOne<i32> {
    let micros = i32::try_from(cx.process.cpu_time().as_micros()).map_err(|_| Errno::EOVERFLOW);
    or_errno(cx, micros)
}

/// The seconds between two times of 32 bits.
pub fn difftime(_: &mut Call<'_>, end: i32, start: i32) -> f64 {
    f64::from(end) - f64::from(start)
}

/// The time of day in seconds and microseconds. Nobody looks at the second pointer.
///
/// # Errors
/// `EOVERFLOW` after 2038; `EFAULT`.
pub fn gettimeofday(cx: &mut Call<'_>, time: Ptr, _zone: Ptr) -> MinusOne<i32> {
    let now = realtime(cx);
    if time.raw() == 0 {
        return MinusOne(Ok(0));
    }
    let stored = store(cx, time, now.sec, now.nsec / 1000).map(|()| 0);
    or_errno(cx, stored)
}

/// The time of day in seconds and nanoseconds; answers the base, which must be `TIME_UTC`.
///
/// # Errors
/// `EINVAL` for another base; `EOVERFLOW` after 2038; `EFAULT`.
pub fn timespec_get(cx: &mut Call<'_>, time: Ptr, base: u32) -> Zero {
    if base != TIME_UTC {
        return Zero(Err(Errno::EINVAL));
    }
    let now = realtime(cx);
    Zero(store(cx, time, now.sec, now.nsec).map(|()| base))
}

/// The time of day as a `timeb` of ten bytes: seconds, milliseconds, and no zone.
///
/// # Errors
/// `EOVERFLOW` after 2038; `EFAULT`.
pub fn ftime(cx: &mut Call<'_>, time: Ptr) -> MinusOne<i32> {
    let now = realtime(cx);
    let mut record = [0; 10];
    let stored = narrow(now.sec).and_then(|seconds| {
        let millis = u16::try_from(now.nsec / 1_000_000).unwrap_or_default();
        crate::layout::put(&mut record, 0, seconds.to_le_bytes());
        crate::layout::put(&mut record, 4, millis.to_le_bytes());
        cx.memory.write(time, &record)
    });
    or_errno(cx, stored.map(|()| 0))
}

/// [`emscripten_date_now`], as MicroPython names it.
pub fn mp_js_time_ms(cx: &mut Call<'_>) -> f64 {
    emscripten_date_now(cx)
}

/// Milliseconds of a clock that never goes back, from an arbitrary start and in 32 bits, as MicroPython counts ticks.
///
/// # Errors
/// None.
pub fn mp_js_ticks_ms(cx: &mut Call<'_>) -> Result<u32> {
    let [a, b, c, d, ..] = cx.process.clock().monotonic().as_millis().to_le_bytes();
    Ok(u32::from_le_bytes([a, b, c, d]))
}

//! The runtime imports that Emscripten's C library has beside its syscalls, as far as they need nothing but the guest's memory, clocks,
//! environment and random numbers: what a guest has from JavaScript otherwise.
//!
//! [`runtime_functions!`](crate::runtime_functions) names them all. Those of 3.1.6 that share their name with a newer one of another type are in
//! [`split_functions!`](crate::split_functions).
//!
//! Many of them cannot answer an error number: then they answer −1 and set `errno` where the module lets them, or answer 0 or nothing at all, with
//! nothing written, and a trace shows what was wrong. Where JavaScript and Linux differ, this is Linux: `TZ` decides about the zone, `timegm` brings all fields into their ranges, `%c` pads the
//! day with a space.

mod calendar;
mod clock;
mod errno;
mod memory;
mod missing;
mod names;
mod strftime;
mod strptime;
mod time;
mod zone;

pub use calendar::Tm;
pub use clock::{
    __clock_gettime, _emscripten_get_now_is_monotonic, clock, clock_getres, clock_gettime, difftime, emscripten_date_now,
    emscripten_get_now, emscripten_get_now_is_monotonic, emscripten_get_now_res, ftime, gettimeofday, mp_js_ticks_ms,
    mp_js_time_ms, time, timespec_get,
};
pub use errno::errno_at;
pub(crate) use errno::or_errno;
pub use memory::{
    _emscripten_get_progname, _emscripten_memcpy_js, clearenv, emscripten_memcpy_big, emscripten_memcpy_js, getTempRet0,
    getentropy, mp_js_random_u32, setTempRet0,
};
pub use missing::{
    _emscripten_runtime_keepalive_clear, _emscripten_system, _setitimer_js, emscripten_runtime_keepalive_pop,
    emscripten_runtime_keepalive_push, endprotoent, getloadavg, getprotobyname, getprotobynumber, getprotoent, setprotoent,
    system,
};
pub use names::addrinfo;
pub use names::{AddrInfo, NameError, gethostbyname_r, getnameinfo};
pub use strftime::{__asctime_r, strftime, strftime_l};
pub use strptime::{strptime, strptime_l};
pub(crate) use time::split;
pub use time::{_gmtime_js, _localtime_js, _mktime_js, _timegm_js, _tzset_js};
pub use zone::{Shown, Zone};

/// Hands the list of the runtime functions to the macro `$each`, with the tokens `$with` before it; see [`stratafs_abi::table!`] for what it
/// sees. The receiver reaches them as `runtime::name`: have [`runtime`](crate::runtime) in scope where it is used.
#[macro_export]
macro_rules! runtime_functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [runtime] $crate::Emscripten;
            __asctime_r(tm, buf);
            __clock_gettime(clock, time);
            _emscripten_get_now_is_monotonic();
            _emscripten_get_progname(buffer, len);
            _emscripten_memcpy_js(dest, src, num);
            _emscripten_runtime_keepalive_clear();
            _emscripten_system(command);
            _gmtime_js(time, tm);
            _localtime_js(time, tm);
            _mktime_js(tm);
            _setitimer_js(which, timeout);
            _timegm_js(tm);
            _tzset_js(timezone, daylight, std_name, dst_name);
            clearenv();
            clock();
            clock_getres(clock, step);
            clock_gettime(clock, time);
            difftime(end, start);
            emscripten_date_now();
            emscripten_get_now();
            emscripten_get_now_is_monotonic();
            emscripten_get_now_res();
            emscripten_memcpy_big(dest, src, num);
            emscripten_memcpy_js(dest, src, num);
            emscripten_runtime_keepalive_pop();
            emscripten_runtime_keepalive_push();
            endprotoent();
            ftime(time);
            getTempRet0();
            getentropy(buffer, len);
            gethostbyname_r(name, ret, buf, len, result, error);
            getloadavg(loadavg, count);
            getnameinfo(addr, addr_len, host, host_len, service, service_len, flags);
            getprotobyname(name);
            getprotobynumber(number);
            getprotoent();
            gettimeofday(time, zone);
            mp_js_random_u32();
            mp_js_ticks_ms();
            mp_js_time_ms();
            setTempRet0(value);
            setprotoent(stay_open);
            strftime(s, max, format, tm);
            strftime_l(s, max, format, tm, locale);
            strptime(text, format, tm);
            strptime_l(text, format, tm, locale);
            system(command);
            time(time);
            timespec_get(time, base);
        }
    };
}

//! Services that there are not. Each says so in the way that its callers look at.

use stratafs::{Errno, Result};
use stratafs_abi::{Call, MinusOne, Ptr, Silent, Zero};

use super::or_errno;

/// Whether there is a shell, for null; there is none. Anything else cannot be run.
///
/// # Errors
/// `ENOSYS`.
pub fn _emscripten_system(_: &mut Call<'_>, command: Ptr) -> Result<u32> {
    if command.raw() == 0 { Ok(0) } else { Err(Errno::ENOSYS) }
}

/// [`_emscripten_system`], as 3.1.6 names it.
///
/// # Errors
/// `ENOSYS`.
pub fn system(cx: &mut Call<'_>, command: Ptr) -> MinusOne<i32> {
    let ran = _emscripten_system(cx, command).map(u32::cast_signed);
    or_errno(cx, ran)
}

/// Stops a timer, which is never running. No signal can be delivered in the middle of a guest, so none is started.
///
/// # Errors
/// `ENOSYS` for any time but 0.
pub fn _setitimer_js(_: &mut Call<'_>, _which: i32, timeout: f64) -> MinusOne<i32> {
    MinusOne(if timeout == 0.0 { Ok(0) } else { Err(Errno::ENOSYS) })
}

/// How busy the machine is: that is not the guest's business.
///
/// # Errors
/// `ENOSYS`.
pub fn getloadavg(cx: &mut Call<'_>, _loadavg: Ptr, _count: i32) -> MinusOne<i32> {
    or_errno(cx, Err(Errno::ENOSYS))
}

/// Notes that the program is to live on behind `main`, for the sake of events that come later; here none do.
pub fn emscripten_runtime_keepalive_push(_: &mut Call<'_>) -> Silent {
    Silent(Ok(()))
}

/// Takes back [`emscripten_runtime_keepalive_push`].
pub fn emscripten_runtime_keepalive_pop(_: &mut Call<'_>) -> Silent {
    Silent(Ok(()))
}

/// Takes back every [`emscripten_runtime_keepalive_push`].
pub fn _emscripten_runtime_keepalive_clear(_: &mut Call<'_>) -> Silent {
    Silent(Ok(()))
}

/// A protocol by its name. There is no list of protocols, as on a Linux without `/etc/protocols`.
///
/// # Errors
/// `ENOENT`.
pub fn getprotobyname(_: &mut Call<'_>, _name: Ptr) -> Zero {
    Zero(Err(Errno::ENOENT))
}

/// A protocol by its number; see [`getprotobyname`].
///
/// # Errors
/// `ENOENT`.
pub fn getprotobynumber(_: &mut Call<'_>, _number: i32) -> Zero {
    Zero(Err(Errno::ENOENT))
}

/// The next protocol; see [`getprotobyname`].
///
/// # Errors
/// `ENOENT`.
pub fn getprotoent(_: &mut Call<'_>) -> Zero {
    Zero(Err(Errno::ENOENT))
}

/// Starts the list of protocols again; see [`getprotobyname`].
pub fn setprotoent(_: &mut Call<'_>, _stay_open: i32) -> Silent {
    Silent(Ok(()))
}

/// Closes the list of protocols; see [`getprotobyname`].
pub fn endprotoent(_: &mut Call<'_>) -> Silent {
    Silent(Ok(()))
}

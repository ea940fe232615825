//! Copying, words that are kept, random numbers, the environment.

use stratafs::{Errno, Result};
use stratafs_abi::{Buffer, Call, MinusOne, Ptr, Silent, Size};

use super::or_errno;

/// The most that `getentropy` gives at a time.
const ENTROPY_MAX: u32 = 256;

/// Copies `num` bytes; they may overlap.
///
/// # Errors
/// `EFAULT`, with nothing written.
pub fn _emscripten_memcpy_js(cx: &mut Call<'_>, dest: Ptr, src: Ptr, num: Size) -> Silent {
    Silent(cx.memory.copy(dest, src, num))
}

/// [`_emscripten_memcpy_js`], as earlier releases name it.
///
/// # Errors
/// As there.
pub fn emscripten_memcpy_js(cx: &mut Call<'_>, dest: Ptr, src: Ptr, num: Size) -> Silent {
    _emscripten_memcpy_js(cx, dest, src, num)
}

/// [`_emscripten_memcpy_js`] as 3.1.6 has it, which declares a result that nobody looks at: `dest`.
///
/// # Errors
/// As there.
pub fn emscripten_memcpy_big(cx: &mut Call<'_>, dest: Ptr, src: Ptr, num: Size) -> Result<u32> {
    cx.memory.copy(dest, src, num).map(|()| dest.raw())
}

/// Keeps the upper half of a 64-bit number, or whatever else generated code passes beside a result.
#[allow(non_snake_case)]
pub fn setTempRet0(cx: &mut Call<'_>, value: u32) -> Silent {
    if let Some(registers) = cx.registers.as_deref_mut() {
        registers.temp_ret0 = value;
    }
    Silent(Ok(()))
}

/// What was last kept by [`setTempRet0`].
#[allow(non_snake_case)]
pub fn getTempRet0(cx: &mut Call<'_>) -> MinusOne<i32> {
    MinusOne(cx.registers.as_deref().map(|registers| registers.temp_ret0.cast_signed()).ok_or(Errno::ENOSYS))
}

/// Fills a buffer with random bytes, at most 256.
///
/// # Errors
/// `EIO` for more, or when the source fails; `EFAULT`.
pub fn getentropy(cx: &mut Call<'_>, buffer: Buffer, len: Size) -> MinusOne<i32> {
    if len.raw() > ENTROPY_MAX {
        return or_errno(cx, Err(Errno::EIO));
    }
    let process = &*cx.process;
    let filled = cx.memory.fill(buffer.ptr(), len, |piece| process.fill_random(piece)).map(|()| 0);
    or_errno(cx, filled)
}

/// A random number of 32 bits, for MicroPython.
///
/// # Errors
/// `EIO` when the source fails.
pub fn mp_js_random_u32(cx: &mut Call<'_>) -> Result<u32> {
    let mut bytes = [0; 4];
    cx.process.fill_random(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Takes away every variable of the guest's environment.
///
/// # Errors
/// `ENOSYS` when the module does not say where it keeps them; `EFAULT`.
pub fn clearenv(cx: &mut Call<'_>) -> MinusOne<i32> {
    let environ = cx.registers.as_deref().and_then(|registers| registers.environ);
    let cleared = environ.ok_or(Errno::ENOSYS).and_then(|at| cx.memory.write_u32(at, 0)).map(|()| 0);
    or_errno(cx, cleared)
}

/// The program's name with a NUL, cut to the buffer.
///
/// # Errors
/// `EFAULT`, with nothing written.
pub fn _emscripten_get_progname(cx: &mut Call<'_>, buffer: Buffer, len: Size) -> Silent {
    let mut name = cx.process.args().first().cloned().unwrap_or_default();
    let Some(room) = len.get().checked_sub(1) else { return Silent(Ok(())) };
    name.truncate(room);
    name.push(0);
    Silent(cx.memory.write(buffer.ptr(), &name))
}

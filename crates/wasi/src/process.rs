use stratafs::{Errno, Result};
use stratafs_abi::{Buffer, Call, Exit, Size};

/// Ends the guest with any code.
pub fn proc_exit(cx: &mut Call<'_>, code: u32) -> Exit {
    cx.process.set_exit(code);
    Exit(code)
}

/// Signals are not there.
///
/// # Errors
/// `ENOSYS`.
pub fn proc_raise(_: &mut Call<'_>, _signal: u32) -> Result<()> {
    Err(Errno::ENOSYS)
}

/// Fills a buffer with random bytes.
///
/// # Errors
/// `EINVAL` for more than one call may produce; `EFAULT`; `EIO` when the source fails.
pub fn random_get(cx: &mut Call<'_>, buf: Buffer, buf_len: Size) -> Result<()> {
    if buf_len.get() > cx.process.limits().call {
        return Err(Errno::EINVAL);
    }
    cx.memory.fill(buf.ptr(), buf_len, |piece| cx.process.fill_random(piece))
}

/// Lets other threads of the host run.
///
/// # Errors
/// None.
pub fn sched_yield(_: &mut Call<'_>) -> Result<()> {
    std::thread::yield_now();
    Ok(())
}

use stratafs::{Errno, Result};
use stratafs_abi::{Call, GuestMemory, Out, Ptr, Size};

/// How many strings, and how many bytes with a NUL behind each.
fn sizes(strings: &[Vec<u8>]) -> Result<(Size, Size)> {
    let bytes = strings.iter().try_fold(0_usize, |sum, s| sum.checked_add(s.len() + 1)).ok_or(Errno::EOVERFLOW)?;
    Ok((Size::of(strings.len())?, Size::of(bytes)?))
}

/// Writes each string with a NUL behind the one before, and their addresses into a table.
fn store(strings: &[Vec<u8>], memory: &mut GuestMemory<'_>, mut table: Ptr, mut buf: Ptr) -> Result<()> {
    let (count, bytes) = sizes(strings)?;
    memory.check(table, Size::new(count.raw().checked_mul(4).ok_or(Errno::EFAULT)?))?;
    memory.check(buf, bytes)?;
    for (index, string) in strings.iter().enumerate() {
        if index > 0 {
            table = table.offset(4)?;
        }
        memory.write_u32(table, buf.raw())?;
        memory.write(buf, string)?;
        let nul = buf.offset(Size::of(string.len())?.raw())?;
        memory.write_u8(nul, 0)?;
        // The last string may end where the memory does.
        buf = nul.offset(1).unwrap_or(nul);
    }
    Ok(())
}

/// Writes the arguments, each with a NUL, and a table of their addresses.
///
/// # Errors
/// `EFAULT`.
pub fn args_get(cx: &mut Call<'_>, argv: Ptr, argv_buf: Ptr) -> Result<()> {
    store(cx.process.args(), &mut cx.memory, argv, argv_buf)
}

/// How many arguments there are, and how many bytes they need.
///
/// # Errors
/// `EFAULT`.
pub fn args_sizes_get(cx: &mut Call<'_>, argc: Out<Size>, argv_buf_size: Out<Size>) -> Result<()> {
    argc.check(&cx.memory)?;
    argv_buf_size.check(&cx.memory)?;
    let (count, bytes) = sizes(cx.process.args())?;
    argc.store(&mut cx.memory, &count)?;
    argv_buf_size.store(&mut cx.memory, &bytes)
}

/// Writes the environment, `NAME=value` each with a NUL, and a table of their addresses.
///
/// # Errors
/// `EFAULT`.
pub fn environ_get(cx: &mut Call<'_>, environ: Ptr, environ_buf: Ptr) -> Result<()> {
    store(cx.process.env(), &mut cx.memory, environ, environ_buf)
}

/// How many variables the environment has, and how many bytes they need.
///
/// # Errors
/// `EFAULT`.
pub fn environ_sizes_get(cx: &mut Call<'_>, environc: Out<Size>, environ_buf_size: Out<Size>) -> Result<()> {
    environc.check(&cx.memory)?;
    environ_buf_size.check(&cx.memory)?;
    let (count, bytes) = sizes(cx.process.env())?;
    environc.store(&mut cx.memory, &count)?;
    environ_buf_size.store(&mut cx.memory, &bytes)
}

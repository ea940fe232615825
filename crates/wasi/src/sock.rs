//! There are no sockets: a descriptor that is open is not one.

use stratafs::{Errno, Fd, Result};
use stratafs_abi::{Call, IoVecs, Out, Size};

fn no_socket(cx: &Call<'_>, fd: Fd) -> Result<()> {
    cx.process.descriptor(fd)?;
    Err(Errno::ENOTSOCK)
}

/// Accepts a connection.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`.
pub fn sock_accept(cx: &mut Call<'_>, fd: Fd, _flags: u32, _accepted: Out<Fd>) -> Result<()> {
    no_socket(cx, fd)
}

/// Receives a message.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`.
pub fn sock_recv(
    cx: &mut Call<'_>,
    fd: Fd,
    _iovs: IoVecs,
    _iovs_len: Size,
    _flags: u32,
    _nread: Out<Size>,
    _out_flags: Out<u16>,
) -> Result<()> {
    no_socket(cx, fd)
}

/// Sends a message.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`.
pub fn sock_send(cx: &mut Call<'_>, fd: Fd, _iovs: IoVecs, _iovs_len: Size, _flags: u32, _nwritten: Out<Size>) -> Result<()> {
    no_socket(cx, fd)
}

/// Shuts a connection down.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`.
pub fn sock_shutdown(cx: &mut Call<'_>, fd: Fd, _how: u32) -> Result<()> {
    no_socket(cx, fd)
}

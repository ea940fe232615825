//! The host's error numbers under POSIX's names.

use rustix::io::Errno as Host;

use crate::Errno;

/// The error that the host gave. What has no name here is `EIO`.
pub(crate) fn from_host(errno: Host) -> Errno {
    match errno {
        Host::TOOBIG => Errno::E2BIG,
        Host::ACCESS => Errno::EACCES,
        Host::AGAIN => Errno::EAGAIN,
        Host::ALREADY => Errno::EALREADY,
        Host::BADF => Errno::EBADF,
        Host::BUSY => Errno::EBUSY,
        Host::DEADLK => Errno::EDEADLK,
        Host::DQUOT => Errno::EDQUOT,
        Host::EXIST => Errno::EEXIST,
        Host::FAULT => Errno::EFAULT,
        Host::FBIG => Errno::EFBIG,
        Host::ILSEQ => Errno::EILSEQ,
        Host::INPROGRESS => Errno::EINPROGRESS,
        Host::INTR => Errno::EINTR,
        Host::INVAL => Errno::EINVAL,
        Host::IO => Errno::EIO,
        Host::ISDIR => Errno::EISDIR,
        Host::LOOP => Errno::ELOOP,
        Host::MFILE => Errno::EMFILE,
        Host::MLINK => Errno::EMLINK,
        Host::NAMETOOLONG => Errno::ENAMETOOLONG,
        Host::NFILE => Errno::ENFILE,
        Host::NODEV => Errno::ENODEV,
        Host::NOENT => Errno::ENOENT,
        Host::NOLCK => Errno::ENOLCK,
        Host::NOMEM => Errno::ENOMEM,
        Host::NOSPC => Errno::ENOSPC,
        Host::NOSYS => Errno::ENOSYS,
        Host::NOTDIR => Errno::ENOTDIR,
        Host::NOTEMPTY => Errno::ENOTEMPTY,
        Host::NOTSUP => Errno::ENOTSUP,
        Host::NOTTY => Errno::ENOTTY,
        Host::NXIO => Errno::ENXIO,
        Host::OVERFLOW => Errno::EOVERFLOW,
        Host::PERM => Errno::EPERM,
        Host::PIPE => Errno::EPIPE,
        Host::RANGE => Errno::ERANGE,
        Host::ROFS => Errno::EROFS,
        Host::SPIPE => Errno::ESPIPE,
        Host::SRCH => Errno::ESRCH,
        Host::STALE => Errno::ESTALE,
        Host::TIMEDOUT => Errno::ETIMEDOUT,
        Host::TXTBSY => Errno::ETXTBSY,
        Host::XDEV => Errno::EXDEV,
        other => {
            tracing::debug!(errno = other.raw_os_error(), "the host gave an error that has no name here: EIO");
            Errno::EIO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_names_and_strangers_are_eio() {
        assert_eq!(from_host(Host::NOENT), Errno::ENOENT);
        assert_eq!(from_host(Host::OPNOTSUPP), from_host(Host::NOTSUP));
        assert_eq!(from_host(Host::from_raw_os_error(4095)), Errno::EIO);
    }
}

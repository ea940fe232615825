//! The closed set of errors that a file call can give, under POSIX's names.

use thiserror::Error;

/// The result of a call that can fail with an [`Errno`].
pub type Result<T, E = Errno> = std::result::Result<T, E>;

macro_rules! errnos {
    ($($name:ident $text:literal,)*) => {
        /// An error number of POSIX or Linux, without a number: each ABI has its own numbering and keeps it to itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
        #[allow(clippy::upper_case_acronyms)]
        pub enum Errno {
            $(#[doc = $text] #[error($text)] $name,)*
        }

        impl Errno {
            /// Every error there is, in the order of declaration.
            pub const ALL: &[Errno] = &[$(Errno::$name,)*];

            /// The name as it stands in `errno.h`, for example `ENOENT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Errno::$name => stringify!($name),)* }
            }
        }
    };
}

errnos! {
    E2BIG "argument list too long",
    EACCES "permission denied",
    EADDRINUSE "address already in use",
    EADDRNOTAVAIL "cannot assign requested address",
    EAFNOSUPPORT "address family not supported",
    EAGAIN "resource temporarily unavailable",
    EALREADY "operation already in progress",
    EBADF "bad file descriptor",
    EBUSY "device or resource busy",
    ECONNABORTED "connection aborted",
    ECONNREFUSED "connection refused",
    ECONNRESET "connection reset",
    EDEADLK "resource deadlock would occur",
    EDESTADDRREQ "destination address required",
    EDOM "argument out of domain",
    EDQUOT "disk quota exceeded",
    EEXIST "file exists",
    EFAULT "bad address",
    EFBIG "file too large",
    EILSEQ "invalid byte sequence",
    EINPROGRESS "operation in progress",
    EINTR "interrupted system call",
    EINVAL "invalid argument",
    EIO "input/output error",
    EISCONN "socket is connected",
    EISDIR "is a directory",
    ELOOP "too many levels of symbolic links",
    EMFILE "too many open files",
    EMLINK "too many links",
    EMSGSIZE "message too long",
    ENAMETOOLONG "file name too long",
    ENETUNREACH "network is unreachable",
    ENFILE "too many open files in the system",
    ENODEV "no such device",
    ENOENT "no such file or directory",
    ENOLCK "no locks available",
    ENOMEM "out of memory",
    ENOPROTOOPT "protocol option not available",
    ENOSPC "no space left on device",
    ENOSYS "function not implemented",
    ENOTCAPABLE "capabilities insufficient",
    ENOTCONN "socket is not connected",
    ENOTDIR "not a directory",
    ENOTEMPTY "directory not empty",
    ENOTSOCK "not a socket",
    ENOTSUP "operation not supported",
    ENOTTY "not a terminal",
    ENXIO "no such device or address",
    EOPNOTSUPP "operation not supported on socket",
    EOVERFLOW "value too large",
    EPERM "operation not permitted",
    EPIPE "broken pipe",
    EPROTONOSUPPORT "protocol not supported",
    EPROTOTYPE "protocol wrong type for socket",
    ERANGE "result too large",
    EROFS "read-only file system",
    ESPIPE "illegal seek",
    ESRCH "no such process",
    ESTALE "stale file handle",
    ETIMEDOUT "timed out",
    ETXTBSY "text file busy",
    EXDEV "cross-device link",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_posix_names_and_distinct() {
        let mut names: Vec<_> = Errno::ALL.iter().map(|e| e.name()).collect();
        assert!(names.iter().all(|n| n.starts_with('E')));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(Errno::ENOENT.to_string(), "no such file or directory");
    }
}

use stratafs::Errno;

/// WASI's number for an error, which Emscripten's libc has taken over.
#[must_use]
pub fn wasi_number(errno: Errno) -> u16 {
    match errno {
        Errno::E2BIG => 1,
        Errno::EACCES => 2,
        Errno::EADDRINUSE => 3,
        Errno::EADDRNOTAVAIL => 4,
        Errno::EAFNOSUPPORT => 5,
        Errno::EAGAIN => 6,
        Errno::EALREADY => 7,
        Errno::EBADF => 8,
        Errno::EBUSY => 10,
        Errno::ECONNABORTED => 13,
        Errno::ECONNREFUSED => 14,
        Errno::ECONNRESET => 15,
        Errno::EDEADLK => 16,
        Errno::EDESTADDRREQ => 17,
        Errno::EDOM => 18,
        Errno::EDQUOT => 19,
        Errno::EEXIST => 20,
        Errno::EFAULT => 21,
        Errno::EFBIG => 22,
        Errno::EILSEQ => 25,
        Errno::EINPROGRESS => 26,
        Errno::EINTR => 27,
        Errno::EINVAL => 28,
        Errno::EIO => 29,
        Errno::EISCONN => 30,
        Errno::EISDIR => 31,
        Errno::ELOOP => 32,
        Errno::EMFILE => 33,
        Errno::EMLINK => 34,
        Errno::EMSGSIZE => 35,
        Errno::ENAMETOOLONG => 37,
        Errno::ENETUNREACH => 40,
        Errno::ENFILE => 41,
        Errno::ENODEV => 43,
        Errno::ENOENT => 44,
        Errno::ENOLCK => 46,
        Errno::ENOMEM => 48,
        Errno::ENOPROTOOPT => 50,
        Errno::ENOSPC => 51,
        Errno::ENOSYS => 52,
        Errno::ENOTCONN => 53,
        Errno::ENOTDIR => 54,
        Errno::ENOTEMPTY => 55,
        Errno::ENOTSOCK => 57,
        Errno::ENOTSUP | Errno::EOPNOTSUPP => 58,
        Errno::ENOTTY => 59,
        Errno::ENXIO => 60,
        Errno::EOVERFLOW => 61,
        Errno::EPERM => 63,
        Errno::EPIPE => 64,
        Errno::EPROTONOSUPPORT => 66,
        Errno::EPROTOTYPE => 67,
        Errno::ERANGE => 68,
        Errno::EROFS => 69,
        Errno::ESPIPE => 70,
        Errno::ESRCH => 71,
        Errno::ESTALE => 72,
        Errno::ETIMEDOUT => 73,
        Errno::ETXTBSY => 74,
        Errno::EXDEV => 75,
        Errno::ENOTCAPABLE => 76,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_distinct_but_for_the_two_names_of_one_error() {
        let mut numbers: Vec<_> = Errno::ALL.iter().map(|&errno| wasi_number(errno)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), Errno::ALL.len() - 1);
        assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&76)));
        assert_eq!(
            [Errno::ENOENT, Errno::EEXIST, Errno::EINVAL, Errno::ENOSYS, Errno::ERANGE].map(wasi_number),
            [44, 20, 28, 52, 68]
        );
    }
}

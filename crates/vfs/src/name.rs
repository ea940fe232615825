//! One component of a path, checked once at the door.

use crate::{Errno, Result};

/// The longest name in bytes, as on Linux (`NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// The longest path in bytes with its terminating NUL, as on Linux (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// A directory entry's name: never empty, never `.` or `..`, without `/` and NUL, at most [`NAME_MAX`] bytes.
///
/// Backends take nothing else, so that none of them can be talked into walking a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<'a>(&'a [u8]);

impl<'a> Name<'a> {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// `ENOENT` when empty, `EINVAL` for `.`, `..`, or a name that contains `/` or NUL, `ENAMETOOLONG` past [`NAME_MAX`].
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        match bytes {
            b"" => Err(Errno::ENOENT),
            b"." | b".." => Err(Errno::EINVAL),
            _ if bytes.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
            _ if bytes.iter().any(|&b| b == b'/' || b == 0) => Err(Errno::EINVAL),
            _ => Ok(Name(bytes)),
        }
    }

    /// A component that the walk has cut out between slashes and found to be neither empty nor a dot name; NUL was
    /// refused for the whole path.
    pub(crate) fn component(bytes: &'a [u8]) -> Result<Self> {
        debug_assert!(!bytes.is_empty() && bytes != b"." && bytes != b"..");
        if bytes.len() > NAME_MAX { Err(Errno::ENAMETOOLONG) } else { Ok(Name(bytes)) }
    }

    /// The name's bytes; they need not be UTF-8.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl std::fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Whether Windows would take the component for something other than a plain file: a device (`NUL`, `com1.txt`, `LPT²`), a
/// drive or stream (`C:x`), a name that it silently changes (trailing dot or space), or one with a reserved character.
///
/// Pure, and tested everywhere: a host directory on Windows must refuse what this refuses (CVE-2024-51745, GHSA-f2pq-268w-886c).
#[must_use]
pub fn is_reserved_on_windows(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    if text.ends_with(['.', ' ']) || text.chars().any(|c| c < ' ' || "<>:\"/\\|?*".contains(c)) {
        return true;
    }
    let stem = text.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let Some(rest) = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")) else { return false };
    let mut chars = rest.chars();
    matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³' | '⁰'), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_one_component() {
        for (bytes, errno) in [
            (&b""[..], Errno::ENOENT),
            (b".", Errno::EINVAL),
            (b"..", Errno::EINVAL),
            (b"a/b", Errno::EINVAL),
            (b"a\0", Errno::EINVAL),
            (&[b'x'; 256], Errno::ENAMETOOLONG),
        ] {
            assert_eq!(Name::new(bytes).unwrap_err(), errno, "{bytes:?}");
        }
        assert!(Name::new(&[b'x'; 255]).is_ok());
        assert!(Name::new(b"...").is_ok());
        assert!(Name::new(b"\xff").is_ok());
    }

    #[test]
    fn cve_2024_51745_reserved_windows_names() {
        for bad in
            ["NUL", "nul.txt", "com1", "COM¹", "LPT⁰", "lpt9.tar.gz", "AUX ", "a.", "a ", "C:x", "a:b", "a\\b", "x?", "CON .txt"]
        {
            assert!(is_reserved_on_windows(bad.as_bytes()), "{bad}");
        }
        for good in ["com", "com10", "console", "a.nul", "lpt", ".hidden", "null"] {
            assert!(!is_reserved_on_windows(good.as_bytes()), "{good}");
        }
    }
}

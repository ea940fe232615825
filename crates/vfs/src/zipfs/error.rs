//! Why an archive is not mounted, in one line that names it.

use std::fmt;

use thiserror::Error;

/// The reason why an archive was refused. Every one names the archive, and the member where there is one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ZipError {
    /// Nothing in it looks like a zip archive.
    #[error("{archive}: not a zip archive")]
    NotZip {
        /// The archive's label.
        archive: String,
    },
    /// It starts as one and ends before its central directory does.
    #[error("{archive}: the zip archive is cut short; fetch or copy it again")]
    Truncated {
        /// The archive's label.
        archive: String,
    },
    /// The host could not read it.
    #[error("{archive}: cannot be read: {source}")]
    Read {
        /// The archive's label.
        archive: String,
        /// The host's error.
        source: std::io::Error,
    },
    /// The end records or the central directory contradict themselves.
    #[error("{archive}: the zip archive's central directory is damaged: {why}; fetch or copy it again")]
    Directory {
        /// The archive's label.
        archive: String,
        /// What is wrong.
        why: &'static str,
    },
    /// It is one part of several.
    #[error("{archive}: one part of a zip archive split over several files; join them first (zip -s 0)")]
    MultiDisk {
        /// The archive's label.
        archive: String,
    },
    /// It has more members, with the directories that they imply, than [`Limits::zip_members`](crate::Limits::zip_members).
    #[error("{archive}: more than {limit} members, which is the limit (Limits::zip_members)")]
    TooManyMembers {
        /// The archive's label.
        archive: String,
        /// The limit.
        limit: usize,
    },
    /// A member's record in the central directory is damaged.
    #[error("{archive}: member {member}: {why}")]
    Damaged {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
        /// What is wrong.
        why: &'static str,
    },
    /// A member's name leads out of the archive: `..`, an absolute path, a drive.
    #[error("{archive}: member {member}: the name leads out of the archive")]
    Climbs {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
    },
    /// A member's name cannot be a file's name.
    #[error("{archive}: member {member}: {why}")]
    Name {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two members have one name.
    #[error("{archive}: member {member}: there are two members of that name")]
    Duplicate {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
    },
    /// A member is a file, and another one lies below it.
    #[error("{archive}: member {member}: the same name is a directory and something else")]
    FileAsDirectory {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
    },
    /// Two members share bytes of the archive, or one lies over the central directory.
    #[error("{archive}: member {member}: its data overlaps what follows it")]
    Overlap {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
    },
    /// A member is encrypted.
    #[error("{archive}: member {member}: encrypted; decrypt the archive first")]
    Encrypted {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
    },
    /// A member is compressed with something else than deflate.
    #[error("{archive}: member {member}: compression method {method}; only stored (0) and deflated (8) members can be read")]
    Method {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
        /// The method's number in the format.
        method: u16,
    },
    /// A member's sizes cannot be true.
    #[error("{archive}: member {member}: {why}")]
    Sizes {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
        /// What is wrong with them.
        why: &'static str,
    },
    /// A member is a device, a pipe or a socket.
    #[error("{archive}: member {member}: neither a file, a directory nor a symbolic link")]
    Special {
        /// The archive's label.
        archive: String,
        /// The member.
        member: Member,
    },
}

/// A member's name as it is shown: quoted, control characters and invalid UTF-8 made harmless, long ones cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member(String);

impl Member {
    /// Characters of a name that are shown.
    const SHOWN: usize = 300;

    pub(super) fn new(name: &[u8]) -> Self {
        let text = String::from_utf8_lossy(name.get(..Self::SHOWN).unwrap_or(name));
        let more = if name.len() > Self::SHOWN { "…" } else { "" };
        Member(format!("{:?}{more}", text))
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

//! A tree that cases start from, and how it gets into each kind of layer.

use std::io::{Cursor, Write};
use std::path::Path;

use crate::posix::{O_CREAT, O_WRONLY, Posix, Time, When};

/// One file of a tree; directories come before what is in them, files before their hard links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Item {
    Dir { path: &'static str, mode: u32 },
    File { path: &'static str, bytes: &'static str, mode: u32 },
    Symlink { path: &'static str, target: &'static str },
    Hard { path: &'static str, to: &'static str },
}

use Item::{Dir, File, Hard, Symlink};

/// The tree that overlay cases start from.
pub const TREE: &[Item] = &[
    Dir { path: "etc", mode: 0o755 },
    File { path: "etc/motd", bytes: "hello\n", mode: 0o644 },
    File { path: "etc/hosts", bytes: "localhost\n", mode: 0o600 },
    Dir { path: "bin", mode: 0o755 },
    File { path: "bin/tool", bytes: "#!tool\n", mode: 0o755 },
    Dir { path: "empty", mode: 0o755 },
    Dir { path: "full", mode: 0o750 },
    File { path: "full/one", bytes: "1", mode: 0o644 },
    File { path: "full/two", bytes: "22", mode: 0o644 },
    File { path: "full/three", bytes: "333", mode: 0o644 },
    Dir { path: "deep", mode: 0o755 },
    Dir { path: "deep/a", mode: 0o755 },
    Dir { path: "deep/a/b", mode: 0o755 },
    Dir { path: "deep/a/b/c", mode: 0o755 },
    File { path: "deep/a/b/c/leaf", bytes: "leaf", mode: 0o644 },
    File { path: "deep/side", bytes: "side", mode: 0o644 },
    Symlink { path: "link", target: "etc/motd" },
    Symlink { path: "dirlink", target: "etc" },
    Symlink { path: "abslink", target: "/etc/motd" },
    Symlink { path: "dangling", target: "nowhere" },
    File { path: "hard1", bytes: "shared", mode: 0o644 },
    Hard { path: "hard2", to: "hard1" },
    Hard { path: "etc/hard3", to: "hard1" },
];

/// Makes the tree by the calls that cases use, in the current directory.
///
/// # Panics
/// Where a call fails.
pub fn plant(os: &mut dyn Posix, tree: &[Item]) {
    let mask = os.umask(0);
    for item in tree {
        match *item {
            Dir { path, mode } => assert_eq!(os.mkdirat(crate::posix::Dir::Cwd, path, mode), Ok(()), "{path}"),
            File { path, bytes, mode } => {
                let fd = os.openat(crate::posix::Dir::Cwd, path, O_WRONLY | O_CREAT, mode).expect(path);
                assert_eq!(os.write(fd, bytes), Ok(bytes.len() as u64), "{path}");
                assert_eq!(os.close(fd), Ok(()));
            }
            Symlink { path, target } => assert_eq!(os.symlink(target, path), Ok(()), "{path}"),
            Hard { path, to } => assert_eq!(os.link(to, path), Ok(()), "{path}"),
        }
    }
    for item in tree.iter().rev() {
        assert_eq!(os.lutimens(item.path(), PLANTED, PLANTED), Ok(()), "{}", item.path());
    }
    assert_eq!(os.utimens(".", PLANTED, PLANTED), Ok(()));
    os.umask(mask);
}

/// The access and modification time of everything that was planted, in each kind of layer: the first that an archive can tell.
const PLANTED: When = When::At(Time { sec: 315_532_800, nsec: 0 });

impl Item {
    fn path(&self) -> &'static str {
        match *self {
            Dir { path, .. } | File { path, .. } | Symlink { path, .. } | Hard { path, .. } => path,
        }
    }
}

/// Makes the tree in a directory of the host.
///
/// # Errors
/// What making the files gives.
pub fn plant_on_host(dir: &Path, tree: &[Item]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let chmod = |path: &str, mode| std::fs::set_permissions(dir.join(path), std::fs::Permissions::from_mode(mode));
    for item in tree {
        match *item {
            Dir { path, mode } => {
                std::fs::create_dir(dir.join(path))?;
                chmod(path, mode)?;
            }
            File { path, bytes, mode } => {
                std::fs::write(dir.join(path), bytes)?;
                chmod(path, mode)?;
            }
            Symlink { path, target } => std::os::unix::fs::symlink(target, dir.join(path))?,
            Hard { path, to } => std::fs::hard_link(dir.join(to), dir.join(path))?,
        }
    }
    let When::At(Time { sec, .. }) = PLANTED else { return Ok(()) };
    let time = rustix::fs::Timespec { tv_sec: sec, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    for path in tree.iter().rev().map(Item::path).chain(["."]) {
        rustix::fs::utimensat(rustix::fs::CWD, dir.join(path), &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// The tree as a zip archive, every other file deflated. A hard link becomes a file of its own.
///
/// # Errors
/// What writing the archive gives.
pub fn zip(tree: &[Item]) -> zip::result::ZipResult<Vec<u8>> {
    use zip::CompressionMethod::{Deflated, Stored};
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (i, item) in tree.iter().enumerate() {
        let options = zip::write::SimpleFileOptions::default();
        let options = options.compression_method(if i % 2 == 0 { Stored } else { Deflated });
        match *item {
            Dir { path, mode } => archive.add_directory(path, options.unix_permissions(mode))?,
            File { path, bytes, mode } => {
                archive.start_file(path, options.unix_permissions(mode))?;
                archive.write_all(bytes.as_bytes())?;
            }
            Symlink { path, target } => archive.add_symlink(path, target, options)?,
            Hard { path, to } => {
                let original = tree.iter().find_map(|item| match *item {
                    File { path, bytes, mode } if path == to => Some((bytes, mode)),
                    _ => None,
                });
                let (bytes, mode) = original.ok_or(zip::result::ZipError::FileNotFound)?;
                archive.start_file(path, options.unix_permissions(mode))?;
                archive.write_all(bytes.as_bytes())?;
            }
        }
    }
    Ok(archive.finish()?.into_inner())
}

/// The tree in two halves, each with all directories, for two lower layers. Hard links stay with their file.
#[must_use]
pub fn halves(tree: &[Item]) -> [Vec<Item>; 2] {
    let file_of = |item: &Item| match *item {
        Hard { to, .. } => to,
        File { path, .. } | Symlink { path, .. } | Dir { path, .. } => path,
    };
    [0, 1].map(|half| {
        let here = |item: &&Item| matches!(item, Dir { .. }) || file_of(item).len() % 2 == half;
        tree.iter().filter(here).copied().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_together_are_the_tree_and_both_have_files() {
        let [even, odd] = halves(TREE);
        for item in TREE {
            assert!(even.contains(item) || odd.contains(item), "{item:?}");
        }
        for half in [even, odd] {
            assert!(half.iter().any(|item| matches!(item, File { .. })) && half.len() < TREE.len());
        }
    }

    #[test]
    fn the_archive_has_every_item() {
        let archive = zip::ZipArchive::new(Cursor::new(zip(TREE).unwrap())).unwrap();
        assert_eq!(archive.len(), TREE.len());
    }
}

use std::ops::ControlFlow;

use super::Process;
use crate::fd_table::Fd;
use crate::open_file::Body;
use crate::{Cookie, DirEntry, Errno, FileKind, Name, Result};

/// Cookies of `.` and `..`; a backend's own start behind them.
const DOTS: Cookie = 2;
/// Names of mounts come last, from here on; a backend's cookies stay below.
const MOUNTS: Cookie = 1 << 62;

impl Process {
    /// Lists an open directory from `from` on (0 is the start, [`DirEntry::next`] continues) until `each` breaks: `.` and `..` first, then
    /// the directory's entries, then mount points that the directory itself does not have. The descriptor's offset is not touched.
    ///
    /// # Errors
    /// `EBADF`; `ENOTDIR`; `ENOENT` when the directory has been removed.
    pub fn read_dir(&self, fd: Fd, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let file = &self.fds.get(fd)?.file;
        if file.is_path() {
            return Err(Errno::EBADF);
        }
        let place = file.directory()?;
        let own = place.node.key();
        let mount = self.ns.mount_of(place.mount);
        if own != mount.root_key && place.node.stat()?.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        if from < DOTS {
            let above = if own == mount.root_key { self.ns.above(place) } else { place.node.parent()? };
            let dots = [(&b"."[..], &place.node, 1), (b"..", &above, DOTS)];
            for (name, node, next) in dots {
                if from < next && each(DirEntry { name, ino: node.stat()?.ino, kind: FileKind::Directory, next }).is_break() {
                    return Ok(());
                }
            }
        }
        if matches!(file.body, Body::FdDirectory) {
            return self.list_fds(from.saturating_sub(DOTS), each);
        }
        let mounts = self.ns.mounts_in(place);
        let mut stopped = false;
        if from < MOUNTS {
            place.node.read_dir(from.saturating_sub(DOTS), &mut |entry| {
                // A name that no path can say is not shown either.
                if Name::new(entry.name).is_err() || mounts.iter().any(|(name, _)| **name == *entry.name) {
                    return ControlFlow::Continue(());
                }
                let flow = each(DirEntry { next: entry.next.saturating_add(DOTS), ..entry });
                stopped = flow.is_break();
                flow
            })?;
        }
        if stopped {
            return Ok(());
        }
        for ((name, root), next) in mounts.iter().zip(MOUNTS + 1..) {
            if next > from && each(DirEntry { name, ino: root.stat()?.ino, kind: FileKind::Directory, next }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn list_fds(&self, from: Cookie, each: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        for number in self.fds.open().filter(|&n| u64::from(n) >= from) {
            let name = number.to_string();
            let entry = DirEntry {
                name: name.as_bytes(),
                ino: 16 + u64::from(number),
                kind: FileKind::Symlink,
                next: u64::from(number) + 1 + DOTS,
            };
            if each(entry).is_break() {
                break;
            }
        }
        Ok(())
    }
}

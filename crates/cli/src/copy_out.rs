//! `--copy-out`: brings files out of the guest's tree at the end, so that nothing the guest made can lead a write astray.
//!
//! Below the target every step is one name in an open directory and follows no link; files and links arrive by rename.

use std::ffi::OsStr;
use std::io::{Error as IoError, Result as IoResult, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno as HostErrno;
use stratafs::{FileKind, Name, Stat};

use crate::error::{Result, failed};
use crate::layers::{CopyOutSpec, GuestPath, reason};

/// The guest's tree as it stands after the run, read by absolute paths.
pub trait GuestTree {
    /// The attributes of a file; `follow` says whether a link at the end is followed.
    ///
    /// # Errors
    /// What the tree gives.
    fn stat(&mut self, path: &[u8], follow: bool) -> IoResult<Stat>;

    /// The names in a directory, without `.` and `..`.
    ///
    /// # Errors
    /// What the tree gives.
    fn list(&mut self, path: &[u8]) -> IoResult<Vec<Vec<u8>>>;

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// What the tree gives.
    fn read_link(&mut self, path: &[u8]) -> IoResult<Vec<u8>>;

    /// Hands the contents of a regular file to `each`, piece by piece, from the start.
    ///
    /// # Errors
    /// What the tree or `each` gives.
    fn read(&mut self, path: &[u8], each: &mut dyn FnMut(&[u8]) -> IoResult<()>) -> IoResult<()>;
}

/// Directories nested deeper are refused: each level holds a descriptor of the host.
const DEPTH: usize = 128;

/// Copies everything that was asked for, one after the other. Answers a line for each thing that was left out.
///
/// A directory's contents go into the host directory, which is made when it is missing; a file goes to the host path, or into it
/// when it is a directory. What stands there under the same name is replaced.
///
/// # Errors
/// The first copy that fails; those before it stand.
pub fn copy_all(tree: &mut dyn GuestTree, specs: &[CopyOutSpec]) -> Result<Vec<String>> {
    let mut left_out = Vec::new();
    for spec in specs {
        let CopyOutSpec { guest, host } = spec;
        let mut copy = Copy { tree, left_out: &mut left_out };
        copy.top(guest, host).map_err(|(path, error)| {
            let path = OsStr::from_bytes(&path).display();
            failed!("--copy-out {guest}={}: {path}: {}", host.display(), reason(&error))
        })?;
    }
    Ok(left_out)
}

struct Copy<'a> {
    tree: &'a mut dyn GuestTree,
    left_out: &'a mut Vec<String>,
}

/// A directory that is being copied.
struct Level {
    dir: OwnedFd,
    guest: Vec<u8>,
    names: std::vec::IntoIter<Vec<u8>>,
}

/// The guest's path at which a copy failed, and why.
type Failure = (Vec<u8>, IoError);

impl Copy<'_> {
    fn top(&mut self, guest: &GuestPath, host: &Path) -> std::result::Result<(), Failure> {
        let path = guest.as_bytes();
        let at = |error: IoError| (path.to_vec(), error);
        let stat = self.tree.stat(path, true).map_err(at)?;
        if stat.kind == FileKind::Directory {
            if !host.is_dir() {
                if host.symlink_metadata().is_ok() {
                    return Err(at(IoError::other(format!("is a directory, and {} is not", host.display()))));
                }
                std::fs::create_dir(host).map_err(at)?;
            }
            let dir = open_dir(host).map_err(at)?;
            return self.directory(path, dir);
        }
        let last = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        let (parent, name) = match (host.is_dir(), host.file_name()) {
            (true, _) | (false, None) => (host, last),
            (false, Some(name)) => {
                (host.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")), name.as_bytes())
            }
        };
        let dir = open_dir(parent).map_err(at)?;
        if stat.kind != FileKind::File {
            return Err(at(IoError::other("is neither a file nor a directory")));
        }
        self.file(path, &stat, dir.as_fd(), OsStr::from_bytes(name)).map_err(at)
    }

    fn directory(&mut self, path: &[u8], dir: OwnedFd) -> std::result::Result<(), Failure> {
        let mut levels = vec![self.level(path.to_vec(), dir)?];
        loop {
            let depth = levels.len();
            let Some(level) = levels.last_mut() else { return Ok(()) };
            let Some(name) = level.names.next() else {
                levels.pop();
                continue;
            };
            let guest = [if level.guest == b"/" { b"" } else { level.guest.as_slice() }, b"/", &name].concat();
            let deeper = self.entry(&guest, &name, level.dir.as_fd(), depth).map_err(|error| (guest.clone(), error))?;
            if let Some(dir) = deeper {
                if depth == DEPTH {
                    return Err((guest, IoError::other(format!("is nested deeper than {DEPTH} directories"))));
                }
                levels.push(self.level(guest, dir)?);
            }
        }
    }

    fn level(&mut self, guest: Vec<u8>, dir: OwnedFd) -> std::result::Result<Level, Failure> {
        let mut names = self.tree.list(&guest).map_err(|error| (guest.clone(), error))?;
        names.sort_unstable();
        Ok(Level { dir, guest, names: names.into_iter() })
    }

    /// Copies one entry of a directory that lies `depth` names below the target; answers the directory when it is one.
    fn entry(&mut self, guest: &[u8], name: &[u8], dir: BorrowedFd<'_>, depth: usize) -> IoResult<Option<OwnedFd>> {
        Name::new(name).map_err(|_| IoError::other("has a name that no file can have"))?;
        let host = OsStr::from_bytes(name);
        let stat = self.tree.stat(guest, false)?;
        match stat.kind {
            FileKind::Directory => return make_dir(dir, host).map(Some),
            FileKind::File => self.file(guest, &stat, dir, host)?,
            FileKind::Symlink => {
                let target = self.tree.read_link(guest)?;
                if !stays_inside(&target, depth - 1) {
                    self.leave_out(guest, "a link that leads out of what is copied");
                    return Ok(None);
                }
                let scratch = scratch_name(|name| rustix::fs::symlinkat(OsStr::from_bytes(&target), dir, name))?.1;
                rename(dir, &scratch, host)?;
            }
            FileKind::Fifo | FileKind::CharDevice | FileKind::Socket => self.leave_out(guest, "not a file, directory or link"),
        }
        Ok(None)
    }

    fn leave_out(&mut self, guest: &[u8], why: &str) {
        self.left_out.push(format!("{} is not copied out: {why}", OsStr::from_bytes(guest).display()));
    }

    fn file(&mut self, guest: &[u8], stat: &Stat, dir: BorrowedFd<'_>, name: &OsStr) -> IoResult<()> {
        let mode = Mode::from_raw_mode(0o666 | (stat.mode & 0o111));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (fd, scratch) = scratch_name(|name| rustix::fs::openat(dir, name, flags, mode))?;
        let mut file = std::fs::File::from(fd);
        let mut size = 0;
        let written = self.tree.read(guest, &mut |piece| {
            size += piece.len() as u64;
            write_sparse(&mut file, piece)
        });
        let done = written.and_then(|()| {
            file.set_len(size)?;
            let time = Timespec { tv_sec: stat.mtime.sec, tv_nsec: stat.mtime.nsec.into() };
            rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
            rename(dir, &scratch, name)
        });
        if done.is_err() {
            let _ = rustix::fs::unlinkat(dir, scratch.as_str(), AtFlags::empty());
        }
        done
    }
}

/// Writes `piece`, leaving holes for long runs of zeros. The caller sets the length at the end.
fn write_sparse(file: &mut std::fs::File, piece: &[u8]) -> IoResult<()> {
    for block in piece.chunks(65_536) {
        if block.iter().all(|&b| b == 0) {
            file.seek(SeekFrom::Current(i64::try_from(block.len()).unwrap_or(0)))?;
        } else {
            file.write_all(block)?;
        }
    }
    Ok(())
}

fn open_dir(path: &Path) -> IoResult<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The directory `name` in `dir`, made when it is missing; a link or file in its place is taken away.
fn make_dir(dir: BorrowedFd<'_>, name: &OsStr) -> IoResult<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..2 {
        match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(HostErrno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            Ok(fd) => return Ok(fd),
            Err(HostErrno::NOTDIR | HostErrno::LOOP) => rustix::fs::unlinkat(dir, name, AtFlags::empty())?,
            Err(error) => return Err(error.into()),
        }
    }
    Err(HostErrno::NOTDIR.into())
}

/// Puts what stands under `scratch` in the place of `name`; takes it away again when that fails.
fn rename(dir: BorrowedFd<'_>, scratch: &str, name: &OsStr) -> IoResult<()> {
    rustix::fs::renameat(dir, scratch, dir, name).map_err(|error| {
        let _ = rustix::fs::unlinkat(dir, scratch, AtFlags::empty());
        error.into()
    })
}

/// Makes something under a free name; answers it and the name.
fn scratch_name<T>(make: impl Fn(&str) -> rustix::io::Result<T>) -> IoResult<(T, String)> {
    for n in 0..1000 {
        let name = format!(".stratafs-{}-{n}", std::process::id());
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(HostErrno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(HostErrno::EXIST.into())
}

/// Whether a link in a directory `depth` names below the target leads to a place below the target: relative, with `..` only at
/// its start and not more often than there are directories above. Such links lead through each other without ever leading out.
fn stays_inside(target: &[u8], depth: usize) -> bool {
    if target.first() == Some(&b'/') {
        return false;
    }
    let mut names = target.split(|&b| b == b'/').filter(|name| !name.is_empty() && *name != b".").peekable();
    let mut up = 0;
    while names.next_if(|name| *name == b"..").is_some() {
        up += 1;
    }
    up <= depth && names.all(|name| name != b"..")
}

#[cfg(test)]
#[path = "copy_out_tests.rs"]
pub(crate) mod tests;

//! POSIX's calls under their own names, as methods of `dyn Posix`.

use crate::posix::*;

fn at(path: impl AsRef<[u8]>, follow: bool) -> Target {
    Target::Path { dir: Dir::Cwd, path: path.as_ref().to_vec(), follow }
}

macro_rules! answer {
    ($self:ident, $call:expr, $pattern:pat => $value:expr) => {{
        let call = $call;
        match $self.call(call.clone())? {
            $pattern => Ok($value),
            other => panic!("{call:?} was answered with {other:?}"),
        }
    }};
}

#[allow(missing_docs, clippy::missing_errors_doc, reason = "POSIX's calls under POSIX's names")]
impl dyn Posix + '_ {
    pub fn openat(&mut self, dir: Dir, path: impl AsRef<[u8]>, flags: Flags, mode: u32) -> Result<Fd> {
        answer!(self, Call::Open { dir, path: path.as_ref().to_vec(), flags, mode }, Answer::Fd(fd) => fd)
    }

    pub fn open(&mut self, path: impl AsRef<[u8]>, flags: Flags) -> Result<Fd> {
        self.openat(Dir::Cwd, path, flags, 0o644)
    }

    pub fn close(&mut self, fd: Fd) -> Result<()> {
        answer!(self, Call::Close(fd), Answer::Done => ())
    }

    pub fn dup(&mut self, fd: Fd) -> Result<Fd> {
        answer!(self, Call::Dup(fd), Answer::Fd(fd) => fd)
    }

    pub fn dup_from(&mut self, fd: Fd, at_least: Fd, cloexec: bool) -> Result<Fd> {
        answer!(self, Call::DupFrom { fd, at_least, cloexec }, Answer::Fd(fd) => fd)
    }

    pub fn dup2(&mut self, fd: Fd, to: Fd) -> Result<Fd> {
        answer!(self, Call::Dup2 { fd, to, cloexec: false }, Answer::Fd(fd) => fd)
    }

    pub fn cloexec(&mut self, fd: Fd) -> Result<bool> {
        answer!(self, Call::Cloexec(fd), Answer::Flag(flag) => flag)
    }

    pub fn set_cloexec(&mut self, fd: Fd, on: bool) -> Result<()> {
        answer!(self, Call::SetCloexec(fd, on), Answer::Done => ())
    }

    pub fn status(&mut self, fd: Fd) -> Result<Status> {
        answer!(self, Call::Status(fd), Answer::Status(status) => status)
    }

    pub fn set_status(&mut self, fd: Fd, status: Status) -> Result<()> {
        answer!(self, Call::SetStatus(fd, status), Answer::Done => ())
    }

    pub fn pipe(&mut self) -> Result<(Fd, Fd)> {
        answer!(self, Call::Pipe { nonblock: true }, Answer::Fds(read, write) => (read, write))
    }

    pub fn pipe_size(&mut self, fd: Fd) -> Result<u64> {
        answer!(self, Call::PipeSize(fd), Answer::Number(size) => size)
    }

    pub fn set_pipe_size(&mut self, fd: Fd, size: u32) -> Result<u64> {
        answer!(self, Call::SetPipeSize(fd, size), Answer::Number(size) => size)
    }

    pub fn read(&mut self, fd: Fd, len: u32) -> Result<Vec<u8>> {
        self.readv(fd, &[len])
    }

    pub fn readv(&mut self, fd: Fd, lens: &[u32]) -> Result<Vec<u8>> {
        answer!(self, Call::Read { fd, lens: lens.to_vec() }, Answer::Bytes(bytes) => bytes)
    }

    pub fn pread(&mut self, fd: Fd, len: u32, offset: u64) -> Result<Vec<u8>> {
        answer!(self, Call::Pread { fd, lens: vec![len], offset }, Answer::Bytes(bytes) => bytes)
    }

    pub fn write(&mut self, fd: Fd, bytes: impl AsRef<[u8]>) -> Result<u64> {
        answer!(self, Call::Write { fd, bufs: vec![bytes.as_ref().to_vec()] }, Answer::Number(n) => n)
    }

    pub fn writev(&mut self, fd: Fd, bufs: &[&[u8]]) -> Result<u64> {
        answer!(self, Call::Write { fd, bufs: bufs.iter().map(|b| b.to_vec()).collect() }, Answer::Number(n) => n)
    }

    pub fn pwrite(&mut self, fd: Fd, bytes: impl AsRef<[u8]>, offset: u64) -> Result<u64> {
        answer!(self, Call::Pwrite { fd, bufs: vec![bytes.as_ref().to_vec()], offset }, Answer::Number(n) => n)
    }

    pub fn lseek(&mut self, fd: Fd, whence: Whence, offset: i64) -> Result<u64> {
        answer!(self, Call::Seek { fd, whence, offset }, Answer::Number(n) => n)
    }

    pub fn fsync(&mut self, fd: Fd) -> Result<()> {
        answer!(self, Call::Sync(fd), Answer::Done => ())
    }

    pub fn fallocate(&mut self, fd: Fd, offset: u64, len: u64) -> Result<()> {
        answer!(self, Call::Allocate { fd, offset, len }, Answer::Done => ())
    }

    /// At most `max` entries from the cookie `from` on; 0 starts.
    pub fn readdir(&mut self, fd: Fd, from: u64, max: u32) -> Result<Vec<DirEntry>> {
        answer!(self, Call::ReadDir { fd, from, max }, Answer::Entries(entries) => entries)
    }

    pub fn fstat(&mut self, fd: Fd) -> Result<Stat> {
        answer!(self, Call::Stat(Target::Fd(fd)), Answer::Stat(stat) => stat)
    }

    pub fn stat(&mut self, path: impl AsRef<[u8]>) -> Result<Stat> {
        answer!(self, Call::Stat(at(path, true)), Answer::Stat(stat) => stat)
    }

    pub fn lstat(&mut self, path: impl AsRef<[u8]>) -> Result<Stat> {
        answer!(self, Call::Stat(at(path, false)), Answer::Stat(stat) => stat)
    }

    pub fn statat(&mut self, dir: Dir, path: impl AsRef<[u8]>) -> Result<Stat> {
        let target = Target::Path { dir, path: path.as_ref().to_vec(), follow: true };
        answer!(self, Call::Stat(target), Answer::Stat(stat) => stat)
    }

    pub fn truncate(&mut self, path: impl AsRef<[u8]>, size: u64) -> Result<()> {
        answer!(self, Call::Truncate { target: at(path, true), size }, Answer::Done => ())
    }

    pub fn ftruncate(&mut self, fd: Fd, size: u64) -> Result<()> {
        answer!(self, Call::Truncate { target: Target::Fd(fd), size }, Answer::Done => ())
    }

    pub fn chmod(&mut self, path: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        answer!(self, Call::Chmod { target: at(path, true), mode }, Answer::Done => ())
    }

    pub fn fchmod(&mut self, fd: Fd, mode: u32) -> Result<()> {
        answer!(self, Call::Chmod { target: Target::Fd(fd), mode }, Answer::Done => ())
    }

    pub fn lchown(&mut self, path: impl AsRef<[u8]>, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        answer!(self, Call::Chown { target: at(path, false), uid, gid }, Answer::Done => ())
    }

    pub fn utimens(&mut self, path: impl AsRef<[u8]>, atime: When, mtime: When) -> Result<()> {
        answer!(self, Call::Utimens { target: at(path, true), atime, mtime }, Answer::Done => ())
    }

    pub fn lutimens(&mut self, path: impl AsRef<[u8]>, atime: When, mtime: When) -> Result<()> {
        answer!(self, Call::Utimens { target: at(path, false), atime, mtime }, Answer::Done => ())
    }

    pub fn futimens(&mut self, fd: Fd, atime: When, mtime: When) -> Result<()> {
        answer!(self, Call::Utimens { target: Target::Fd(fd), atime, mtime }, Answer::Done => ())
    }

    pub fn access(&mut self, path: impl AsRef<[u8]>, mode: Mode) -> Result<()> {
        answer!(self, Call::Access { dir: Dir::Cwd, path: path.as_ref().to_vec(), mode }, Answer::Done => ())
    }

    pub fn mkdir(&mut self, path: impl AsRef<[u8]>) -> Result<()> {
        self.mkdirat(Dir::Cwd, path, 0o755)
    }

    pub fn mkdirat(&mut self, dir: Dir, path: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        answer!(self, Call::Mkdir { dir, path: path.as_ref().to_vec(), mode }, Answer::Done => ())
    }

    pub fn mkfifo(&mut self, path: impl AsRef<[u8]>, mode: u32) -> Result<()> {
        answer!(self, Call::Mkfifo { dir: Dir::Cwd, path: path.as_ref().to_vec(), mode }, Answer::Done => ())
    }

    pub fn symlink(&mut self, target: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Result<()> {
        self.symlinkat(target, Dir::Cwd, path)
    }

    pub fn symlinkat(&mut self, target: impl AsRef<[u8]>, dir: Dir, path: impl AsRef<[u8]>) -> Result<()> {
        let (target, path) = (target.as_ref().to_vec(), path.as_ref().to_vec());
        answer!(self, Call::Symlink { target, dir, path }, Answer::Done => ())
    }

    pub fn link(&mut self, from: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Result<()> {
        self.linkat(Dir::Cwd, from, Dir::Cwd, path, false)
    }

    pub fn linkat(
        &mut self,
        from_dir: Dir,
        from: impl AsRef<[u8]>,
        dir: Dir,
        path: impl AsRef<[u8]>,
        follow: bool,
    ) -> Result<()> {
        let (from, path) = (from.as_ref().to_vec(), path.as_ref().to_vec());
        answer!(self, Call::Link { from_dir, from, dir, path, follow }, Answer::Done => ())
    }

    pub fn unlink(&mut self, path: impl AsRef<[u8]>) -> Result<()> {
        self.unlinkat(Dir::Cwd, path)
    }

    pub fn unlinkat(&mut self, dir: Dir, path: impl AsRef<[u8]>) -> Result<()> {
        answer!(self, Call::Unlink { dir, path: path.as_ref().to_vec() }, Answer::Done => ())
    }

    pub fn rmdir(&mut self, path: impl AsRef<[u8]>) -> Result<()> {
        self.rmdirat(Dir::Cwd, path)
    }

    pub fn rmdirat(&mut self, dir: Dir, path: impl AsRef<[u8]>) -> Result<()> {
        answer!(self, Call::Rmdir { dir, path: path.as_ref().to_vec() }, Answer::Done => ())
    }

    pub fn rename(&mut self, from: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Result<()> {
        self.renameat(Dir::Cwd, from, Dir::Cwd, path)
    }

    pub fn renameat(&mut self, from_dir: Dir, from: impl AsRef<[u8]>, dir: Dir, path: impl AsRef<[u8]>) -> Result<()> {
        let (from, path) = (from.as_ref().to_vec(), path.as_ref().to_vec());
        answer!(self, Call::Rename { from_dir, from, dir, path }, Answer::Done => ())
    }

    pub fn readlink(&mut self, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        answer!(self, Call::Readlink { dir: Dir::Cwd, path: path.as_ref().to_vec() }, Answer::Bytes(bytes) => bytes)
    }

    pub fn chdir(&mut self, path: impl AsRef<[u8]>) -> Result<()> {
        answer!(self, Call::Chdir(path.as_ref().to_vec()), Answer::Done => ())
    }

    pub fn fchdir(&mut self, fd: Fd) -> Result<()> {
        answer!(self, Call::Fchdir(fd), Answer::Done => ())
    }

    pub fn getcwd(&mut self) -> Result<String> {
        answer!(self, Call::Getcwd, Answer::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned())
    }

    pub fn umask(&mut self, mask: u32) -> u32 {
        let answer = self.call(Call::Umask(mask));
        let Ok(Answer::Number(old)) = answer else { panic!("umask was answered with {answer:?}") };
        u32::try_from(old).expect("a mask")
    }
}

/// What many cases do in one step; each panics where the step fails.
impl dyn Posix + '_ {
    /// Makes a file with these contents.
    #[track_caller]
    pub fn put(&mut self, path: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) {
        let (path, bytes) = (path.as_ref(), bytes.as_ref());
        let fd = self.open(path, O_WRONLY | O_CREAT | O_TRUNC);
        let fd = fd.unwrap_or_else(|errno| panic!("creating {}: {errno:?}", path.escape_ascii()));
        assert_eq!(self.write(fd, bytes), Ok(bytes.len() as u64), "writing {}", path.escape_ascii());
        assert_eq!(self.close(fd), Ok(()));
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// What opening and reading give.
    pub fn get(&mut self, path: impl AsRef<[u8]>) -> Result<String> {
        let fd = self.open(path, O_RDONLY)?;
        let mut all = Vec::new();
        loop {
            let part = self.read(fd, 65_536)?;
            if part.is_empty() {
                break;
            }
            all.extend(part);
        }
        self.close(fd)?;
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    /// Every entry of a directory in the order of the listing, without `.` and `..`.
    #[track_caller]
    pub fn entries(&mut self, path: impl AsRef<[u8]>) -> Vec<DirEntry> {
        let path = path.as_ref();
        let fd = self.open(path, O_RDONLY | O_DIRECTORY);
        let fd = fd.unwrap_or_else(|errno| panic!("opening {}: {errno:?}", path.escape_ascii()));
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let part = self.readdir(fd, from, 64).unwrap_or_else(|errno| panic!("listing {}: {errno:?}", path.escape_ascii()));
            let Some(last) = part.last() else { break };
            from = last.next;
            all.extend(part);
        }
        assert_eq!(self.close(fd), Ok(()));
        all.retain(|entry| entry.name != b"." && entry.name != b"..");
        all
    }

    /// The names in a directory, sorted, with a space between them; without `.` and `..`.
    #[track_caller]
    pub fn names(&mut self, path: impl AsRef<[u8]>) -> String {
        let mut names: Vec<_> =
            self.entries(path).into_iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect();
        names.sort();
        names.join(" ")
    }

    /// Number of names of a file.
    #[track_caller]
    pub fn nlink(&mut self, path: impl AsRef<[u8]>) -> u64 {
        self.lstat(path).unwrap().nlink
    }

    /// The inode number of a file.
    #[track_caller]
    pub fn ino(&mut self, path: impl AsRef<[u8]>) -> u64 {
        self.lstat(path).unwrap().ino
    }
}

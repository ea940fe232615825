//! What earlier starts found out about a module, so that the next one need not read it: a line beside the compiled images.
//!
//! A record is believed when the file has not changed since by any of the marks that the kernel keeps. The directory is this user's
//! alone, so nobody else can write one.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::cache::CacheDir;
use crate::error::Result;
use crate::module::{self, EngineKind, Module};

/// What changes when a file changes: device, inode, size, and the times of the last change of its contents and of its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp([i128; 5]);

/// A file that changed this short a time ago may change again without its times moving.
const SETTLED: Duration = Duration::from_secs(2);

impl Stamp {
    /// The stamp of the file at `path`, if it has one: a regular file that has not changed just now.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let (modified, changed) = (nanos(meta.mtime(), meta.mtime_nsec()), nanos(meta.ctime(), meta.ctime_nsec()));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let settled = i128::try_from(now.saturating_sub(SETTLED).as_nanos()).ok()?;
        let stamp = [i128::from(meta.dev()), i128::from(meta.ino()), i128::from(meta.size()), modified, changed];
        (modified.max(changed) < settled).then_some(Stamp(stamp))
    }

    fn line(&self, sha256: &[u8; 32]) -> String {
        let [dev, inode, size, modified, changed] = self.0;
        let hash: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        // The version is in it because it decides which imports there are.
        format!("{} {dev} {inode} {size} {modified} {changed} {hash}\n", env!("CARGO_PKG_VERSION"))
    }
}

/// The module at `path`: only its hash when an earlier start found it fit and compiled it, else all of it.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, engine: EngineKind) -> Result<Module> {
    let sha256 = match engine {
        EngineKind::Wasmtime => CacheDir::existing().and_then(|cache| cache.compiled().ok()).and_then(|dir| recall(path, &dir)),
        EngineKind::Wasmi => None,
    };
    sha256.map_or_else(|| module::read(path), |sha256| Ok(Module::known(path, sha256)))
}

/// The hash of the file at `path`, when a record in `dir` fits it.
fn recall(path: &Path, dir: &Path) -> Option<[u8; 32]> {
    let stamp = Stamp::of(path)?;
    let line = std::fs::read_to_string(place(path, dir)?).ok()?;
    let hash = line.trim_end().rsplit(' ').next().filter(|hash| hash.len() == 64 && hash.is_ascii())?;
    let mut sha256 = [0; 32];
    for (byte, digits) in sha256.iter_mut().zip(hash.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    (line == stamp.line(&sha256)).then_some(sha256)
}

/// Keeps the hash of a module that was found fit and compiled, for as long as its file stays as it is. Not being able to is no error.
pub fn remember(module: &Module, sha256: &[u8; 32], dir: &Path) {
    // The file was read after `module.stamp` was taken: when it still has it, what was read is what it holds.
    let same = module.stamp.filter(|stamp| Stamp::of(&module.path) == Some(*stamp));
    let (Some(stamp), Some(place)) = (same, place(&module.path, dir)) else { return };
    let Ok(mut file) = tempfile::NamedTempFile::new_in(dir) else { return };
    if std::io::Write::write_all(&mut file, stamp.line(sha256).as_bytes()).is_ok() {
        let _ = file.persist(place);
    }
}

fn place(path: &Path, dir: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(path).ok()?;
    let hash = Sha256::digest(real.as_os_str().as_bytes());
    let name: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Some(dir.join(format!("{name}.known")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(path: &Path, seconds: u64) {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    /// A stamp as it is once the file has settled; the inode's own time cannot be set back.
    fn settled(path: &Path) -> Stamp {
        loop {
            match Stamp::of(path) {
                Some(stamp) => return stamp,
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    #[test]
    fn a_record_holds_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.wasm");
        std::fs::write(&path, "one").unwrap();
        assert_eq!(Stamp::of(&path), None, "it changed just now");
        let stamp = settled(&path);
        let mut module = Module::of(&path, b"one".to_vec());
        module.stamp = Some(stamp);
        assert_eq!(recall(&path, dir.path()), None);
        remember(&module, &[7; 32], dir.path());
        assert_eq!(recall(&path, dir.path()), Some([7; 32]));
        let record = place(&path, dir.path()).unwrap();
        let line = std::fs::read_to_string(&record).unwrap();
        for damaged in
            ["", "\n", &line[..line.len() - 3], &line.replace("07", "é"), &line.replace("07", "zz"), &format!("{line}x")]
        {
            std::fs::write(&record, damaged).unwrap();
            assert_eq!(recall(&path, dir.path()), None, "{damaged}");
        }
        std::fs::write(&record, &line).unwrap();
        std::fs::write(&path, "two").unwrap();
        // The contents' time set back, as a forger would: the inode's own time tells.
        age(&path, 100);
        settled(&path);
        assert_eq!(recall(&path, dir.path()), None);
        remember(&module, &[7; 32], dir.path());
        assert_eq!(recall(&path, dir.path()), None, "read before the change, kept after it");
    }
}

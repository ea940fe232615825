//! The directory where fetched runtimes and compiled modules are kept between runs.

use std::ffi::OsString;
use std::fs::{DirBuilder, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, usage};
use crate::layers::reason;

/// A directory that belongs to the user who runs the command, and that nobody else may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheDir(PathBuf);

impl CacheDir {
    /// Opens `$STRATAFS_CACHE`, else `$XDG_CACHE_HOME/stratafs`, else `$HOME/.cache/stratafs`; makes it when it is missing.
    ///
    /// # Errors
    /// When none of the variables is set, the directory cannot be made, or it belongs to somebody else.
    pub fn open() -> Result<Self> {
        let path = locate(|name| std::env::var_os(name))
            .ok_or_else(|| usage!("there is no place for a cache: set STRATAFS_CACHE to a directory, or HOME"))?;
        CacheDir::at(&path)
    }

    /// The cache, if it is there and is as it should be. Makes nothing.
    #[must_use]
    pub fn existing() -> Option<Self> {
        let path = locate(|name| std::env::var_os(name))?;
        path.join("compiled").is_dir().then(|| CacheDir::at(&path).ok()).flatten()
    }

    /// Opens or makes the cache at `path`. A directory that was there before keeps its mode: it may be one that others use too.
    ///
    /// # Errors
    /// As [`open`](CacheDir::open).
    pub fn at(path: &Path) -> Result<Self> {
        let meta = make_ours(path).map_err(|why| refuse(path, &why))?;
        if meta.mode() & 0o022 != 0 {
            return Err(refuse(path, "can be written by other users"));
        }
        Ok(CacheDir(path.to_owned()))
    }

    /// A directory below, which nobody else may even enter.
    fn private(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        let meta = make_ours(&path).map_err(|why| refuse(&path, &why))?;
        if meta.mode() & 0o077 != 0 {
            let closed = std::fs::set_permissions(&path, Permissions::from_mode(0o700));
            closed.map_err(|error| refuse(&path, &reason(&error)))?;
        }
        Ok(path)
    }

    /// Where fetched runtimes are.
    ///
    /// # Errors
    /// As [`open`](CacheDir::open).
    pub fn runtimes(&self) -> Result<PathBuf> {
        self.private("runtimes")
    }

    /// Where interpreters that have started are.
    ///
    /// # Errors
    /// As [`open`](CacheDir::open).
    pub fn started(&self) -> Result<PathBuf> {
        self.private("started")
    }

    /// Where compiled modules are.
    ///
    /// # Errors
    /// As [`open`](CacheDir::open).
    pub fn compiled(&self) -> Result<PathBuf> {
        self.private("compiled")
    }
}

fn refuse(path: &Path, why: &str) -> Error {
    usage!("the cache directory {}: {why}; set STRATAFS_CACHE to another", path.display())
}

/// The cache's path from the environment. As the XDG rules say, a relative `XDG_CACHE_HOME` does not count.
fn locate(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("STRATAFS_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("stratafs")))
        .or_else(|| set("HOME").map(|path| path.join(".cache").join("stratafs")))
}

/// Makes `path` with mode 0700, or checks that it is ours.
fn make_ours(path: &Path) -> std::result::Result<Metadata, String> {
    let say = |error: std::io::Error| reason(&error);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(say)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(say(error)),
    }
    let meta = std::fs::metadata(path).map_err(say)?;
    if !meta.is_dir() {
        return Err("is not a directory".to_owned());
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err("belongs to another user".to_owned());
    }
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(vars: &[(&str, &str)]) -> Option<PathBuf> {
        locate(|name| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_nearest_variable_decides() {
        let all = [("STRATAFS_CACHE", "/s"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(located(&all), Some("/s".into()));
        assert_eq!(located(&all[1..]), Some("/x/stratafs".into()));
        assert_eq!(located(&all[2..]), Some("/h/.cache/stratafs".into()));
        assert_eq!(
            located(&[("STRATAFS_CACHE", ""), ("XDG_CACHE_HOME", "rel"), ("HOME", "/h")]),
            Some("/h/.cache/stratafs".into())
        );
        assert_eq!(located(&[]), None);
    }

    #[test]
    fn its_parts_are_private_and_what_was_there_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/cache");
        let cache = CacheDir::at(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        let set = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(mode(&path), 0o700);
        set(&path, 0o755);
        assert_eq!(CacheDir::at(&path).unwrap(), cache);
        assert_eq!(mode(&path), 0o755);
        assert_eq!(cache.compiled().unwrap(), path.join("compiled"));
        set(&path.join("compiled"), 0o777);
        assert_eq!(mode(&cache.compiled().unwrap()), 0o700);
        assert_eq!(mode(&cache.runtimes().unwrap()), 0o700);
        set(&path, 0o777);
        assert!(CacheDir::at(&path).unwrap_err().to_string().contains("can be written by other users"));
    }

    #[test]
    fn what_is_not_a_directory_or_not_ours_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(CacheDir::at(&file).unwrap_err().to_string().contains("is not a directory"));
        if rustix::process::geteuid().is_root() {
            let theirs = dir.path().join("theirs");
            std::fs::create_dir(&theirs).unwrap();
            std::os::unix::fs::chown(&theirs, Some(12345), None).unwrap();
            let text = CacheDir::at(&theirs).unwrap_err().to_string();
            assert!(text.contains("belongs to another user"), "{text}");
        }
    }
}

//! Precompiled modules on disk: the only unsafe code of the workspace.
//!
//! An image is machine code that is mapped and run, so loading one is only as safe as its origin. Origin here means: a directory that belongs to
//! this user with mode 0700, and a name made of the SHA-256 of the module and of the engine's compatibility hash. Anything else is compiled anew.
#![allow(unsafe_code)]

use std::fs::{self, DirBuilder};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::{Engine, Module};

/// Why an image cache or a module cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The cache's directory cannot be made or looked at.
    #[error("the cache directory {}: {error}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the host said.
        error: std::io::Error,
    },
    /// The cache's directory can be written by others.
    #[error("the cache directory {} is not this user's alone: it must belong to this user and have mode 0700", path.display())]
    Shared {
        /// The directory.
        path: PathBuf,
    },
    /// The engine refuses the module.
    #[error("{0:#}")]
    Module(wasmtime::Error),
}

/// A directory of precompiled modules.
#[derive(Debug, Clone)]
pub struct ImageCache {
    dir: PathBuf,
}

impl ImageCache {
    /// The cache in `dir`, which is made with mode 0700 when it is missing.
    ///
    /// # Errors
    /// When the directory cannot be made, or is not this user's alone.
    pub fn open(dir: &Path) -> Result<Self, ImageError> {
        let failed = |error| ImageError::Directory { path: dir.into(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let found = fs::metadata(dir).map_err(failed)?;
        if found.permissions().mode() & 0o077 != 0 || found.uid() != rustix::process::geteuid().as_raw() {
            return Err(ImageError::Shared { path: dir.into() });
        }
        Ok(ImageCache { dir: dir.into() })
    }

    /// Where the image of the module with this SHA-256 is kept for `engine`.
    #[must_use]
    pub fn path(&self, engine: &Engine, sha256: &[u8; 32]) -> PathBuf {
        let mut key = KeyHasher(Sha256::new_with_prefix(sha256));
        engine.precompile_compatibility_hash().hash(&mut key);
        self.dir.join(format!("{}.image", hex(&key.0.finalize())))
    }

    /// The image of the module with this SHA-256, if there is one that `engine` takes.
    #[must_use]
    pub fn load(&self, engine: &Engine, sha256: &[u8; 32]) -> Option<Module> {
        let path = self.path(engine, sha256);
        let found = fs::symlink_metadata(&path).ok()?;
        if !found.is_file() || found.uid() != rustix::process::geteuid().as_raw() {
            return None;
        }
        // SAFETY: the file was written by `store` of this cache under this name: `open` made sure that nobody else can write in the
        // directory, the name ties it to the module and to the engine's settings, and it is replaced only as a whole, by rename.
        unsafe { Module::deserialize_file(engine, &path) }.ok()
    }

    /// Compiles `wasm` and keeps the image. Not being able to keep it is no error.
    ///
    /// # Errors
    /// When the engine refuses the module.
    pub fn compile(&self, engine: &Engine, wasm: &[u8], sha256: &[u8; 32]) -> Result<Module, ImageError> {
        let image = engine.precompile_module(wasm).map_err(ImageError::Module)?;
        match self.store(engine, &image, sha256) {
            Ok(()) => self.load(engine, sha256).map_or_else(|| Module::new(engine, wasm).map_err(ImageError::Module), Ok),
            Err(_) => Module::new(engine, wasm).map_err(ImageError::Module),
        }
    }

    fn store(&self, engine: &Engine, image: &[u8], sha256: &[u8; 32]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(image)?;
        file.persist(self.path(engine, sha256))?;
        Ok(())
    }
}

/// The SHA-256 of a module's bytes.
#[must_use]
pub fn sha256(wasm: &[u8]) -> [u8; 32] {
    Sha256::digest(wasm).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Feeds what implements `Hash` into SHA-256.
struct KeyHasher(Sha256);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn an_image_is_found_again_only_for_its_module() {
        let dir = tempfile::tempdir().unwrap();
        let cache = ImageCache::open(&dir.path().join("images")).unwrap();
        let engine = Engine::default();
        assert!(cache.load(&engine, &sha256(EMPTY)).is_none());
        cache.compile(&engine, EMPTY, &sha256(EMPTY)).unwrap();
        assert!(cache.load(&engine, &sha256(EMPTY)).is_some());
        assert!(cache.load(&engine, &sha256(b"another")).is_none());
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(ImageCache::open(dir.path()), Err(ImageError::Shared { .. })));
    }
}

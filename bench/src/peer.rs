//! Peers in programs of their own: one needs another version of an engine than this build has, one is an engine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of `bench/`, built on its own.
#[derive(Debug, Clone)]
pub struct Peer {
    manifest: PathBuf,
    target: PathBuf,
    binary: PathBuf,
}

impl Peer {
    /// wasi-common, which needs an older engine. Built if it is not.
    ///
    /// # Errors
    /// What cargo said.
    pub fn wasi_common() -> Result<Self, String> {
        Self::of("wasi-common").built()
    }

    /// wasmer, which is an engine of its own and brings some 400 packages: only if somebody has built it before.
    ///
    /// # Errors
    /// How to build it; what cargo said.
    pub fn wasmer() -> Result<Self, String> {
        let peer = Self::of("wasmer");
        if !peer.binary.is_file() {
            let how = "cargo build --release --locked --manifest-path bench/wasmer/Cargo.toml --target-dir target/wasmer";
            return Err(format!("not built: `{how}`"));
        }
        peer.built()
    }

    /// Builds what is not of its source.
    fn built(self) -> Result<Self, String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]).arg(&self.manifest);
        let output = cargo.arg("--target-dir").arg(&self.target).output().map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() {
            return Ok(self);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("it does not build: {}", said.lines().next().unwrap_or_default()))
    }

    /// The one in that folder.
    fn of(folder: &str) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (manifest, target) = (here.join(folder).join("Cargo.toml"), here.join("../target").join(folder));
        let binary = target.join("release").join(format!("{folder}-bench"));
        Peer { manifest, target, binary }
    }

    /// The program, without arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        Command::new(&self.binary)
    }

    /// wasi-common's run of `module` that writes its nanoseconds to `took`. Directories, environment, `--` and arguments are to be added.
    #[must_use]
    pub fn wasi_common_run(&self, took: &Path, module: &Path) -> Command {
        let mut command = self.command();
        // Modules that it has compiled are kept.
        command.arg(self.target.join("compiled")).arg(took).arg(module);
        command
    }
}

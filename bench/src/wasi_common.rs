//! wasi-common, in a program of its own: it needs an engine that one build cannot hold beside this one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of `bench/wasi-common`.
#[derive(Debug, Clone)]
pub struct WasiCommon {
    binary: PathBuf,
    cache: PathBuf,
}

impl WasiCommon {
    /// Builds the program if it is not built.
    ///
    /// # Errors
    /// What cargo said.
    pub fn built() -> Result<Self, String> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (manifest, target) = (here.join("wasi-common/Cargo.toml"), here.join("../target/wasi-common"));
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]).arg(manifest);
        let output = cargo.arg("--target-dir").arg(&target).output().map_err(|error| format!("cargo: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("it does not build: {}", said.lines().next().unwrap_or_default()));
        }
        let target = target.canonicalize().map_err(|error| error.to_string())?;
        Ok(WasiCommon { binary: target.join("release/wasi-common-bench"), cache: target.join("compiled") })
    }

    /// A run of `module` that writes its nanoseconds to `took`. Directories, environment, `--` and arguments are to be added.
    #[must_use]
    pub fn command(&self, took: &Path, module: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg(&self.cache).arg(took).arg(module);
        command
    }
}

//! The same C programs on Linux: the oracle.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::Program;
use stratafs_conformance::real;

/// A C program of `fixtures/guests`, compiled for this machine.
pub struct Native {
    dir: TempDir,
    name: String,
}

impl Native {
    /// Compiles it.
    ///
    /// # Panics
    /// When there is no C compiler `cc`, or it refuses the source.
    #[must_use]
    pub fn compile(name: &str) -> Self {
        let dir = real::scratch().expect("a scratch directory");
        let src = Program::fixtures().join("src");
        let compiler = Command::new("cc")
            .args(["-std=gnu17", "-O1", "-I"])
            .arg(&src)
            .arg(src.join(format!("{name}.c")))
            .arg("-o")
            .arg(dir.path().join(name))
            .output()
            .expect("a C compiler called cc: the guests are compared with what the same source does on Linux");
        assert!(compiler.status.success(), "cc {name}.c: {}", String::from_utf8_lossy(&compiler.stderr));
        Native { dir, name: name.to_owned() }
    }

    /// Runs it below an empty directory; answers what it wrote to standard output, without what it says only of calls that WASI has not, and its
    /// exit code.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn run(&self, args: &[&str], env: &[(&str, &str)]) -> (String, Option<i32>) {
        let scratch = real::scratch().expect("a scratch directory");
        let base: &Path = scratch.path();
        let run = Command::new(self.dir.path().join(&self.name))
            .arg(base.join("dir"))
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .output()
            .expect("what was compiled runs");
        let stdout = String::from_utf8(run.stdout).expect("text");
        let lines = stdout.lines().filter(|line| !line.starts_with("posix: ")).map(|line| format!("{line}\n"));
        (lines.collect(), run.status.code())
    }
}

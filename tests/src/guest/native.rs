//! The same C programs on Linux: the oracle.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::Program;
use stratafs_conformance::real;

/// A C program, compiled for this machine.
pub struct Native {
    dir: TempDir,
    name: String,
}

impl Native {
    /// Compiles a program of `fixtures/guests`.
    ///
    /// # Panics
    /// When there is no C compiler `cc`, or it refuses the source.
    #[must_use]
    pub fn compile(name: &str) -> Self {
        Native::of(name, &Program::fixtures().join("src"))
    }

    /// Compiles a program of `fixtures/emscripten`, or one that it has from `fixtures/guests`.
    ///
    /// # Panics
    /// As [`compile`](Native::compile).
    #[must_use]
    pub fn compile_emscripten(name: &str) -> Self {
        let own = Program::emscripten_fixtures().join("src");
        if own.join(format!("{name}.c")).exists() { Native::of(name, &own) } else { Native::compile(name) }
    }

    fn of(name: &str, src: &Path) -> Self {
        let dir = real::scratch().expect("a scratch directory");
        let compiler = Command::new("cc")
            .args(["-std=gnu17", "-O1", "-D_GNU_SOURCE", "-I"])
            .arg(Program::fixtures().join("src"))
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
        let ran = self.run_with(args, env, "");
        (without_posix(&ran.stdout), ran.code)
    }

    /// Runs it below an empty directory with this on its standard input.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)], input: &str) -> NativeRan {
        let scratch = real::scratch().expect("a scratch directory");
        self.run_in(&scratch.path().join("dir"), args, env, input)
    }

    /// Runs it with `dir` as the directory to work in, and this on its standard input.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn run_in(&self, dir: &Path, args: &[&str], env: &[(&str, &str)], input: &str) -> NativeRan {
        let mut child = Command::new(self.dir.path().join(&self.name))
            .arg(dir)
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("what was compiled runs");
        let mut stdin = child.stdin.take().expect("its input is a pipe");
        // One that does not read all of it is not wrong.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let run = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        NativeRan { stdout: text(run.stdout), stderr: text(run.stderr), code: run.status.code() }
    }
}

/// What a native run left behind.
pub struct NativeRan {
    /// What it wrote.
    pub stdout: String,
    /// What it wrote there.
    pub stderr: String,
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
}

/// A program's output without the lines of calls that WASI has not. They are told otherwise by another C library, whose macros are spelled out.
#[must_use]
pub fn without_posix(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("posix: ")).map(|line| format!("{line}\n")).collect()
}

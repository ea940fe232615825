//! The `stratafs` command as its users start it.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// One cache for all tests of a machine, `$STRATAFS_CACHE` or in the target directory: the runtime is fetched and compiled once.
pub fn cache() -> PathBuf {
    let set = std::env::var_os("STRATAFS_CACHE").and_then(|path| std::path::absolute(path).ok());
    set.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("stratafs-cache"))
}

/// A directory to work in.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn new() -> Self {
        Scratch(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the directories that it stands in.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// A zip archive of these members.
    pub fn zip(&self, name: &str, members: &[(&str, &str)]) -> PathBuf {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(self.path(name)).unwrap());
        for (name, contents) in members {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(contents.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
        self.path(name)
    }

    /// `stratafs` with these arguments, started here, with an empty standard input.
    pub fn stratafs(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stratafs"));
        command.args(args).current_dir(self.0.path()).env("STRATAFS_CACHE", cache()).env_remove("STRATAFS_PYTHON");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `stratafs python` with these arguments.
    pub fn python(&self, args: &[&str]) -> Command {
        self.stratafs(&[&["python"], args].concat())
    }

    /// Has this Python script of the host, which `terminal.py` stands before, drive this command with these options.
    pub fn on_a_terminal(&self, subcommand: &str, script: &str, options: &[&str]) {
        let script = self.file("terminal.py", format!("{}\n{script}", include_str!("terminal.py")));
        let mut command = Command::new("python3");
        command.arg(script).arg(env!("CARGO_BIN_EXE_stratafs")).arg(subcommand).args(options);
        command.env("STRATAFS_CACHE", cache()).env_remove("STRATAFS_PYTHON");
        let done = finish(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
        assert_eq!(done.code, Some(0), "{done:?}");
    }

    /// Runs `stratafs python` with these arguments, and answers its output when it ended well.
    pub fn says(&self, args: &[&str]) -> String {
        let done = finish(&mut self.python(args));
        assert_eq!((done.code, done.err_lines().as_slice()), (Some(0), &[][..]), "{args:?}: {done:?}");
        done.out
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

impl Done {
    /// Standard error without what the first start on a machine says, its lines with their ends.
    fn said_lines(&self) -> impl Iterator<Item = &str> {
        let first =
            ["stratafs: fetching ", "stratafs: compiling ", "stratafs: converting ", "stratafs: waiting for another start"];
        self.err.split_inclusive('\n').filter(move |line| !first.iter().any(|first| line.starts_with(first)))
    }

    /// Standard error without what the first start on a machine says.
    pub fn said(&self) -> String {
        self.said_lines().collect()
    }

    /// The lines of [`said`](Done::said).
    pub fn err_lines(&self) -> Vec<&str> {
        self.said_lines().map(|line| line.strip_suffix('\n').unwrap_or(line)).collect()
    }
}

/// Runs to the end; far too long a run fails the test.
pub fn finish(command: &mut Command) -> Done {
    let child = command.spawn().unwrap();
    wait(child)
}

/// Runs with this standard input.
pub fn feed(command: &mut Command, input: &[u8]) -> Done {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A guest that does not read all of it closes the pipe.
    let _ = stdin.write_all(input);
    drop(stdin);
    wait(child)
}

/// Waits for the end and takes what is left of the output.
pub fn wait(mut child: Child) -> Done {
    fn all(from: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut from) = from {
                from.read_to_end(&mut bytes).unwrap();
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    }
    let start = Instant::now();
    let (out, err) = (all(child.stdout.take()), all(child.stderr.take()));
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(900) {
            child.kill().unwrap();
            panic!("it hangs: {}", err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = start.elapsed();
    Done { code: status.code(), out: out.join().unwrap(), err: err.join().unwrap(), took }
}

//! What a trace shows.

use std::io::Write;
use std::sync::{Arc, Mutex};

use stratafs_abi::{Flow, Tracer};

use crate::guest::{ALL, CREAT, DIR, FOLLOW, Guest, OUTSIDE, ROOT};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn traced() -> (Guest, Sink) {
    let mut g = Guest::new();
    let sink = Sink::default();
    g.tracer = Some(Tracer::lines(Box::new(sink.clone())));
    (g, sink)
}

impl Sink {
    /// The lines without their times, which must be there.
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let line = |line: &str| {
            let (line, time) = line.rsplit_once(" <").unwrap();
            assert!(time.strip_suffix(" µs>").unwrap().parse::<u64>().is_ok(), "{time}");
            line.to_owned()
        };
        text.lines().map(line).collect()
    }
}

#[test]
fn a_line_for_each_call() {
    let (mut g, sink) = traced();
    let fd = g.open_full([ROOT, FOLLOW, CREAT, 1], "dir/file", ALL, 0).unwrap();
    let buf = g.alloc(100);
    let out = g.alloc(4);
    let (iovs, count) = g.iovs(&[(buf, 4), (buf, 6)]);
    g.call("fd_read", &[fd, iovs, count, out]).unwrap();
    g.call("fd_write", &[fd, iovs, 1, out]).unwrap();
    g.seek(fd, -1, 2).unwrap();
    assert!(g.seek(fd, -1, 0).is_err());
    assert!(g.open("missing").is_err());
    g.readdir(DIR, 100, 0).unwrap();
    g.path("path_create_directory", format!("-{}", "é\"\n".repeat(40))).unwrap();
    assert!(g.path("path_create_directory", b"a\xff").is_err());
    assert!(g.call("path_unlink_file", &[ROOT, OUTSIDE, 3]).is_err());
    assert!(g.seek(fd, 0, 9).is_err());
    g.fdstat(1).unwrap();
    g.stat("dir/file", 0).unwrap();
    assert!(matches!(g.flow("proc_exit", &[300]), Flow::Exit(300)));
    let lines = sink.lines();
    let expected = [
        "path_open(3, SYMLINK_FOLLOW, \"dir/file\", CREAT, 0x3fffffff, 0x0, APPEND) = 0 [opened=5]",
        "fd_read(5, [10 bytes in 2]) = 0 [nread=10]",
        "fd_write(5, [4 bytes]) = 0 [nwritten=4]",
        "fd_seek(5, -1, END) = 0 [at=14]",
        "fd_seek(5, -1, SET) = EINVAL (invalid argument)",
        "path_open(3, SYMLINK_FOLLOW, \"missing\", 0, 0x3fffffbf, 0x3fffffff, 0) = ENOENT (no such file or directory)",
        "fd_readdir(4, [100 bytes], 0) = 0 [used=100]",
    ];
    assert_eq!(lines[..expected.len()], expected);
    let long = &lines[expected.len()];
    assert_eq!(*long, format!("path_create_directory(3, \"-{}é\\\"\"...) = 0", "é\\\"\\n".repeat(15)));
    assert_eq!(
        lines[expected.len() + 1..],
        [
            "path_create_directory(3, \"a\\xff\") = EILSEQ (invalid byte sequence)",
            "path_unlink_file(3, 0x100000) = EFAULT (bad address)",
            "fd_seek(5, 0, 9) = EINVAL (invalid argument)",
            &format!("fd_fdstat_get(1) = 0 [stat={{unknown, flags=0, base={:#x}, inheriting=0x0}}]", stdout_base(&mut g)),
            &format!("path_filestat_get(3, 0, \"dir/file\") = 0 [stat={{file, ino={}, size=15}}]", file_ino(&mut g)),
            "proc_exit(300) = ?",
        ]
    );
}

fn stdout_base(g: &mut Guest) -> u64 {
    g.tracer = None;
    g.fdstat(1).unwrap().2
}

fn file_ino(g: &mut Guest) -> u64 {
    crate::guest::ino(&g.stat("dir/file", 0).unwrap())
}

#[test]
fn a_summary_counts_calls_and_errors() {
    let mut g = Guest::new();
    g.tracer = Some(Tracer::counting());
    for path in ["dir/file", "missing", "dir"] {
        let _ = g.stat(path, 0);
    }
    g.fdstat(0).unwrap();
    let summary = g.tracer.as_ref().unwrap().summary();
    let lines: Vec<_> = summary.lines().iter().map(|line| (line.name, line.calls, line.errors)).collect();
    assert_eq!(lines, [("path_filestat_get", 3, 1), ("fd_fdstat_get", 1, 0)]);
    assert!(summary.lines().iter().all(|line| line.mean() <= line.total));
    let table = summary.to_string();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(table.lines().next().unwrap()), ["calls", "errors", "total", "µs", "mean", "µs", "function"]);
    assert_eq!(words(table.lines().last().unwrap())[..2], ["4", "1"]);
}

#[test]
fn a_call_that_waited_is_one_line() {
    let mut g = Guest::new();
    let sink = Sink::default();
    g.process.mkfifoat(stratafs::DirFd::Cwd, b"/fifo", 0o644).unwrap();
    g.tracer = Some(Tracer::lines(Box::new(sink.clone())));
    let (path, out) = (g.text("fifo"), g.alloc(4));
    let args = [ROOT, 0, path.0, path.1, 0, 2, 0, 0, out];
    for _ in 0..3 {
        assert!(matches!(g.flow("path_open", &args), Flow::Wait(_)));
    }
    let how = stratafs::OpenHow { nonblock: true, ..stratafs::OpenHow::new(stratafs::Access::WRITE) };
    g.process.openat(stratafs::DirFd::Cwd, b"/fifo", &how).unwrap();
    g.call("path_open", &args).unwrap();
    assert_eq!(sink.lines(), ["path_open(3, 0, \"fifo\", 0, 0x2, 0x0, 0) = 0 [opened=6]"]);
    assert_eq!(g.tracer.unwrap().summary().lines()[0].calls, 1);
}

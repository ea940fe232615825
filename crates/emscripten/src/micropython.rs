//! What MicroPython's command line is made of: it has no `main`, so the glue asks the host what to run and hands back what was raised.

use std::io::IoSlice;

use stratafs::{DirFd, Errno, Fd, OneBuf, OpenHow, Outcome, Process, Result};
use stratafs_abi::{Call, Ptr, Size};

/// The longest program, in bytes: as much as MicroPython's heap could hold.
const LONGEST: usize = 16 << 20;

/// Writes a part of what the guest's arguments name to `buf`, as far as `size` reaches, and answers its length. Part 0 is a statement that sets
/// `sys.argv`; part 1 the program: the code after `-c`, or the text of the file that the first argument names. What cannot be read is
/// said on standard error.
///
/// # Errors
/// `ENOSYS` for part 1 when the arguments name no program; `EINVAL` for an option that there is not; what opening and reading give; `EFBIG`;
/// `EFAULT`.
pub fn micropython_source(cx: &mut Call<'_>, part: u32, buf: Ptr, size: Size) -> Result<u32> {
    let source = if part == 0 { argv(cx.process) } else { program(cx.process)? };
    cx.memory.write(buf, source.get(..source.len().min(size.get())).unwrap_or_default())?;
    Size::of(source.len()).map(Size::raw)
}

/// Says on standard error what MicroPython raised, and answers the exit code: that of `SystemExit`, else 1. The text at `at` is the exception's name, a
/// byte 4, and its traceback.
///
/// # Errors
/// `EFAULT`.
pub fn micropython_raised(cx: &mut Call<'_>, at: Ptr, len: Size) -> Result<u32> {
    let text = String::from_utf8_lossy(&cx.memory.bytes(at, Size::new(len.raw().min(1 << 20)))?).into_owned();
    let (name, traceback) = text.split_once('\x04').unwrap_or(("", &text));
    if name == "SystemExit" {
        let code = traceback.trim_end().lines().next_back().and_then(|line| line.split_once(": ")).map(|(_, code)| code);
        return match code.map(str::parse::<i32>) {
            None => Ok(0),
            Some(Ok(code)) => Ok(code.cast_unsigned() & 0xff),
            Some(Err(_)) => {
                say(cx.process, &format!("{}\n", code.unwrap_or_default()));
                Ok(1)
            }
        };
    }
    say(cx.process, &format!("{}\n", traceback.trim_end()));
    Ok(1)
}

fn say(process: &mut Process, text: &str) {
    let _ = process.write(Fd::new(2), &[IoSlice::new(text.as_bytes())]);
}

fn argv(process: &Process) -> Vec<u8> {
    let args = process.args().get(1..).unwrap_or_default();
    let code = args.first().is_some_and(|first| first == b"-c");
    let seen = args.iter().enumerate().filter(|(index, _)| !(code && *index == 1));
    let list: Vec<String> = seen.map(|(_, arg)| format!("{:?}", String::from_utf8_lossy(arg))).collect();
    format!("import sys;sys.argv[:]=[{}];del sys", list.join(",")).into_bytes()
}

fn program(process: &mut Process) -> Result<Vec<u8>> {
    let args = process.args().get(1..).unwrap_or_default();
    let Some(first) = args.first().cloned() else { return Err(Errno::ENOSYS) };
    let found = match first.as_slice() {
        b"-c" => args.get(1).cloned().ok_or(Errno::EINVAL),
        [b'-', _, ..] => Err(Errno::EINVAL),
        path => read(process, path),
    };
    if let Err(errno) = found {
        say(process, &format!("micropython: {}: {errno}\n", String::from_utf8_lossy(&first)));
    }
    found
}

fn read(process: &mut Process, path: &[u8]) -> Result<Vec<u8>> {
    let Outcome::Ready(fd) = process.openat(DirFd::Cwd, path, &OpenHow { nonblock: true, ..OpenHow::read() })? else {
        return Err(Errno::EAGAIN);
    };
    let mut text = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let read = loop {
        match process.read(fd, &mut OneBuf(&mut piece)) {
            Ok(Outcome::Ready(0)) => break Ok(()),
            Ok(Outcome::Ready(n)) => text.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Ok(Outcome::Wait(_)) => break Err(Errno::EAGAIN),
            Err(errno) => break Err(errno),
        }
        if text.len() > LONGEST {
            break Err(Errno::EFBIG);
        }
    };
    process.close(fd).and(read).map(|()| text)
}

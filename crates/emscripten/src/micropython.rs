//! What MicroPython's command line is made of: it has no `main`, so the glue asks the host what to run and hands back what was raised.

use std::io::IoSlice;

use stratafs::{DirFd, Errno, Fd, FileKind, OpenHow, Outcome, Process, Result};
use stratafs_abi::{Call, Ptr, Size, wasi_number};

/// How the traceback of a program begins, which [`wrapped`] has run.
const RUN_BY: &str = "Traceback (most recent call last):\n  File \"<stdin>\", line 1, in <module>\n";

/// How the traceback of the `SystemExit` begins that [`wrapped`] makes of a program's own. Behind it stand the code's `repr`, which has no line feed,
/// a line feed, and the code as text.
const ENDED_BY: &str = "Traceback (most recent call last):\n  File \"<stdin>\", line 4, in <module>\nSystemExit: ";

/// How long a literal is, in bytes of what it stands for.
const PIECE: usize = 4096;

/// What runs a program. MicroPython hands out an exception as text alone, so the code of `SystemExit` is taken out of it while it is an object. No name of
/// the program's is used but `SystemExit`: it may have given them another meaning.
fn wrapped(run: &str) -> Vec<u8> {
    let ends = "except SystemExit as e:\n e=e.args\n raise SystemExit('%r\\n%s'%((e if e[1:]else(e+(None,))[0],)*2))";
    format!("try:{run}\n{ends}").into_bytes()
}

/// What runs code; `<stdin>` is its name in a traceback.
fn wrapped_code(code: &[u8]) -> Vec<u8> {
    // In pieces: MicroPython takes time by the square of a literal's length.
    let code = String::from_utf8_lossy(code);
    let mut pieces = String::new();
    let mut left = &*code;
    while !left.is_empty() {
        let piece;
        (piece, left) = left.split_at(left.ceil_char_boundary(PIECE));
        pieces.push_str(&literal(piece.as_bytes()));
        pieces.push(',');
    }
    wrapped(&format!("exec(compile(''.join([{pieces}]),'<stdin>','exec'))"))
}

/// Writes a part of what the guest's arguments name to `buf`, as far as `size` reaches, and answers its length. Part 0 is a statement that sets
/// `sys.argv` and `sys.path`; part 1 the program: what runs the code after `-c`, the file of the module after `-m`, or the one that
/// the first argument names. What cannot be opened is said on standard error.
///
/// # Errors
/// `ENOSYS` for part 1 when somebody is to be prompted for the program, at a terminal or after `-i`; `ENOTTY` when the program is standard input;
/// `EINVAL` for an option that there is not; what opening gives; `EISDIR`; `EFAULT`.
pub fn micropython_source(cx: &mut Call<'_>, part: u32, buf: Ptr, size: Size) -> Result<u32> {
    let source = if part == 0 { argv(cx.process) } else { program(cx.process)? };
    cx.memory.write(buf, source.get(..source.len().min(size.get())).unwrap_or_default())?;
    Size::of(source.len()).map(Size::raw)
}

/// Writes what runs the code at `at` to `buf`, as far as `size` reaches, and answers its length.
///
/// # Errors
/// `EFAULT`; `EOVERFLOW`.
pub fn micropython_wrapped(cx: &mut Call<'_>, at: Ptr, len: Size, buf: Ptr, size: Size) -> Result<u32> {
    let source = wrapped_code(&cx.memory.bytes(at, len)?);
    cx.memory.write(buf, source.get(..source.len().min(size.get())).unwrap_or_default())?;
    Size::of(source.len()).map(Size::raw)
}

/// Says on standard error why standard input cannot be read, by WASI's number of the error.
///
/// # Errors
/// None.
pub fn micropython_unread(cx: &mut Call<'_>, number: u32) -> Result<()> {
    let errno = Errno::ALL.iter().find(|errno| u32::from(wasi_number(**errno)) == number).unwrap_or(&Errno::EIO);
    say(cx.process, &format!("micropython: standard input: {errno}\n"));
    Ok(())
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
        // MicroPython ends the text with a line feed of its own.
        let ended = traceback.strip_suffix('\n').unwrap_or(traceback).strip_prefix(ENDED_BY);
        if let Some((code, said)) = ended.and_then(|ended| ended.split_once('\n')) {
            return Ok(exit_code(code).unwrap_or_else(|| {
                say(cx.process, &format!("{said}\n"));
                1
            }));
        }
    }
    let below = traceback.strip_prefix(RUN_BY);
    let traceback = below.map_or_else(|| traceback.to_owned(), |below| format!("Traceback (most recent call last):\n{below}"));
    say(cx.process, &format!("{}\n", traceback.trim_end()));
    Ok(1)
}

/// The exit code that a code of `SystemExit` stands for, unless it is a text to be said.
fn exit_code(repr: &str) -> Option<u32> {
    let digits = repr.strip_prefix('-').unwrap_or(repr);
    match repr {
        "None" | "False" => Some(0),
        "True" => Some(1),
        // As CPython: what is no `long` of C's is -1.
        _ if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            u32::try_from(repr.parse::<i64>().unwrap_or(-1) & 0xff).ok()
        }
        _ => None,
    }
}

fn say(process: &mut Process, text: &str) {
    let _ = process.write(Fd::new(2), &[IoSlice::new(text.as_bytes())]);
}

/// What the arguments ask for.
#[derive(Clone, Copy)]
enum Asked<'a> {
    Prompt,
    Stdin,
    Code(&'a [u8]),
    Module(&'a [u8]),
    Script(&'a [u8]),
    Unknown,
}

/// Reads the arguments behind the program's name. Those from the second answer on are `sys.argv`.
fn asked(args: &[Vec<u8>], terminal: bool) -> (Asked<'_>, &[Vec<u8>]) {
    let Some((first, rest)) = args.split_first() else {
        return (if terminal { Asked::Prompt } else { Asked::Stdin }, args);
    };
    match (first.as_slice(), rest.split_first()) {
        (b"-", _) => (Asked::Stdin, args),
        (b"-i", None) => (Asked::Prompt, rest),
        (b"-c", Some((code, rest))) => (Asked::Code(code), rest),
        (b"-m", Some((module, _))) => (Asked::Module(module), rest),
        ([b'-', ..], _) => (Asked::Unknown, args),
        (script, _) => (Asked::Script(script), args),
    }
}

fn has_terminal(process: &Process) -> bool {
    process.descriptor(Fd::new(0)).is_ok_and(|descriptor| descriptor.file.is_terminal())
}

fn argv(process: &Process) -> Vec<u8> {
    let args = process.args().get(1..).unwrap_or_default();
    let (asked, seen) = asked(args, false);
    let first: Option<&[u8]> = match asked {
        Asked::Code(_) => Some(b"-c"),
        Asked::Prompt | Asked::Stdin if seen.is_empty() => Some(b""),
        _ => None,
    };
    let list: Vec<String> = first.into_iter().chain(seen.iter().map(Vec::as_slice)).map(literal).collect();
    let path = match asked {
        // What stands beside a script can be imported.
        Asked::Script(script) => match script.iter().rposition(|byte| *byte == b'/') {
            Some(at) => format!("sys.path[0]={};", literal(script.get(..at.max(1)).unwrap_or_default())),
            None => String::new(),
        },
        _ => String::new(),
    };
    format!("import sys;sys.argv[:]=[{}];{path}del sys", list.join(",")).into_bytes()
}

/// A text as a program in Python spells it.
fn literal(text: &[u8]) -> String {
    let mut all = String::from("'");
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '\'' | '\\' => all.extend(['\\', c]),
            '\n' => all.push_str("\\n"),
            '\0'..='\x1f' | '\x7f' => all.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => all.push(c),
        }
    }
    all.push('\'');
    all
}

fn program(process: &mut Process) -> Result<Vec<u8>> {
    let args: Vec<Vec<u8>> = process.args().get(1..).unwrap_or_default().to_vec();
    let (what, found) = match asked(&args, has_terminal(process)).0 {
        Asked::Prompt => return Err(Errno::ENOSYS),
        Asked::Stdin => return Err(Errno::ENOTTY),
        Asked::Code(code) => return Ok(wrapped_code(code)),
        Asked::Module(name) => (name, module(process, name)),
        Asked::Script(path) => (path, can_be_read(process, path).map(|()| path.to_vec())),
        Asked::Unknown => {
            let option = args.first().map(Vec::as_slice).unwrap_or_default();
            let wrong = if matches!(option, b"-c" | b"-m") { "nothing to run behind" } else { "no option" };
            let option = text(option);
            say(process, &format!("micropython: {wrong} {option}: it takes -c CODE, -m MODULE, -i, - or a script\n"));
            return Err(Errno::EINVAL);
        }
    };
    if let Err(errno) = found {
        say(process, &format!("micropython: {}: {errno}\n", text(what)));
    }
    let run = |path: &str| wrapped(&format!("__file__={path};execfile(__file__)"));
    found.map(|path| run(&literal(&path)))
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The file of a module, or of the `__main__` of a package, where MicroPython looks for modules.
fn module(process: &mut Process, name: &[u8]) -> Result<Vec<u8>> {
    let name: Vec<u8> = name.iter().map(|&byte| if byte == b'.' { b'/' } else { byte }).collect();
    for place in [&b""[..], b"/lib/"] {
        for ending in [&b".py"[..], b"/__main__.py"] {
            let path = [place, &name, ending].concat();
            match can_be_read(process, &path) {
                Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                found => return found.map(|()| path),
            }
        }
    }
    Err(Errno::ENOENT)
}

fn can_be_read(process: &mut Process, path: &[u8]) -> Result<()> {
    if process.statat(DirFd::Cwd, path, true)?.kind == FileKind::Directory {
        return Err(Errno::EISDIR);
    }
    match process.openat(DirFd::Cwd, path, &OpenHow { nonblock: true, ..OpenHow::read() })? {
        Outcome::Ready(fd) => process.close(fd),
        Outcome::Wait(_) => Ok(()),
    }
}

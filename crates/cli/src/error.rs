//! What can go wrong, and the exit code that it gives.

use std::fmt;
use std::time::Duration;

/// The result of everything that may end the command early.
pub type Result<T> = std::result::Result<T, Error>;

/// The command could not do what was asked. Displayed as one line, without the leading `stratafs: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What was given is wrong, or something that is needed is missing; nothing has been done.
    Usage(String),
    /// The run began, and something on the host's side failed.
    Failed(String),
    /// A guest that the command itself needs was stopped.
    Stopped(Ended),
}

impl Error {
    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Failed(_) => 1,
            Error::Stopped(ended) => ended.code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(text) | Error::Failed(text) => f.write_str(&one_line(text)),
            Error::Stopped(ended) => {
                let line = ended.line().unwrap_or_else(|| format!("exit code {}", ended.code()));
                f.write_str(line.strip_prefix("stratafs: ").unwrap_or(&line))
            }
        }
    }
}

impl std::error::Error for Error {}

/// Shorthand for [`Error::Usage`] with a formatted text.
macro_rules! usage {
    ($($arg:tt)*) => { $crate::error::Error::Usage(format!($($arg)*)) };
}

/// Shorthand for [`Error::Failed`] with a formatted text.
macro_rules! failed {
    ($($arg:tt)*) => { $crate::error::Error::Failed(format!($($arg)*)) };
}

pub(crate) use {failed, usage};

/// How a guest's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The guest exited by itself.
    Guest(u32),
    /// `--timeout` passed.
    Timeout(Duration),
    /// Ctrl-C, or a request to terminate.
    Interrupted,
    /// A trap: unreachable code, a wild pointer, the end of the stack.
    Trap(String),
    /// A limit stopped the run; the text names it as on the command line (`output=64K`).
    Limit(String),
}

impl Ended {
    /// The exit code of the command. The guest's own comes unchanged, cut to eight bits as Linux does.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Ended::Guest(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
            Ended::Timeout(_) => 124,
            Ended::Interrupted => 130,
            Ended::Trap(_) | Ended::Limit(_) => 134,
        }
    }

    /// The last line for standard error, when there is something to say.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        match self {
            Ended::Guest(_) => None,
            Ended::Timeout(limit) => Some(format!("stratafs: stopped after {} (--timeout)", plain_seconds(*limit))),
            Ended::Interrupted => Some("stratafs: interrupted".to_owned()),
            Ended::Trap(why) => Some(format!("stratafs: the guest trapped: {}", one_line(why))),
            Ended::Limit(limit) => Some(format!("stratafs: stopped by --limit {}", one_line(limit))),
        }
    }
}

fn plain_seconds(limit: Duration) -> String {
    if limit.subsec_nanos() == 0 { format!("{} s", limit.as_secs()) } else { format!("{} ms", limit.as_millis()) }
}

/// `text` with line breaks and other control characters made visible, so that names that come from files or guests cannot forge
/// lines or drive the terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c == '\n' {
            line.push(' ');
        } else if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Writes `line` and its end to standard error in one piece: two commands may share a terminal.
pub fn put(line: &str) {
    use std::io::Write;
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Prints one line on standard error; a closed standard error is no reason to stop.
pub fn say(line: fmt::Arguments<'_>) {
    put(&format!("stratafs: {}", one_line(&line.to_string())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        assert_eq!(usage!("x").code(), 2);
        assert_eq!(failed!("x").code(), 1);
        let stopped = Error::Stopped(Ended::Interrupted);
        assert_eq!((stopped.code(), stopped.to_string().as_str()), (130, "interrupted"));
        assert_eq!(Ended::Guest(0).code(), 0);
        assert_eq!(Ended::Guest(255).code(), 255);
        assert_eq!(Ended::Guest(126).code(), 126);
        assert_eq!(Ended::Guest(256 + 7).code(), 7);
        assert_eq!(Ended::Timeout(Duration::from_secs(5)).code(), 124);
        assert_eq!(Ended::Interrupted.code(), 130);
        assert_eq!(Ended::Trap("unreachable".into()).code(), 134);
    }

    #[test]
    fn last_lines_name_the_limit() {
        assert_eq!(Ended::Guest(3).line(), None);
        assert_eq!(Ended::Timeout(Duration::from_millis(1500)).line().unwrap(), "stratafs: stopped after 1500 ms (--timeout)");
        assert_eq!(Ended::Timeout(Duration::from_secs(5)).line().unwrap(), "stratafs: stopped after 5 s (--timeout)");
        assert_eq!(Ended::Limit("output=64K".into()).line().unwrap(), "stratafs: stopped by --limit output=64K");
        assert_eq!(Ended::Interrupted.line().unwrap(), "stratafs: interrupted");
        assert_eq!(Ended::Trap("a\nb".into()).line().unwrap(), "stratafs: the guest trapped: a b");
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(usage!("a\nb\x1b[31m\n").to_string(), "a b\\u{1b}[31m");
    }
}

//! The C library of this machine in a child process, which has a `TZ` of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Fields;

pub struct Linux {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Never without a character.
fn hex(text: &[u8]) -> String {
    let digits = text.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("x{digits}")
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn joined(fields: &Fields) -> String {
    fields[..9].iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

fn fields(text: &str) -> Fields {
    let all: Vec<i32> = text.split(',').map(|field| field.parse().unwrap()).collect();
    all.try_into().unwrap()
}

impl Linux {
    pub fn new() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/syscalls/runtime/linux.py");
        let mut command = Command::new("python3");
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 runs");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Linux { child, to, from }
    }

    fn ask(&mut self, tz: Option<&str>, call: &str) -> Vec<String> {
        let tz = tz.map_or("-".to_owned(), |tz| hex(tz.as_bytes()));
        writeln!(self.to, "{tz} {call}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "no answer to {call}");
        line.split_whitespace().filter(|word| *word != "none").map(str::to_owned).collect()
    }

    pub fn local(&mut self, tz: Option<&str>, time: i64) -> Option<Fields> {
        self.ask(tz, &format!("local {time}")).first().map(|tm| fields(tm))
    }

    pub fn gm(&mut self, time: i64) -> Option<Fields> {
        self.ask(None, &format!("gm {time}")).first().map(|tm| fields(tm))
    }

    pub fn make(&mut self, tz: Option<&str>, tm: &Fields) -> Option<(i64, Fields)> {
        let answer = self.ask(tz, &format!("make {}", joined(tm)));
        answer.first().map(|time| (time.parse().unwrap(), fields(&answer[1])))
    }

    pub fn timegm(&mut self, tm: &Fields) -> Option<(i64, Fields)> {
        let answer = self.ask(None, &format!("timegm {}", joined(tm)));
        answer.first().map(|time| (time.parse().unwrap(), fields(&answer[1])))
    }

    pub fn format(&mut self, tz: Option<&str>, format: &str, tm: &Fields, name: &str) -> Vec<u8> {
        let (format, name) = (hex(format.as_bytes()), hex(name.as_bytes()));
        bytes(&self.ask(tz, &format!("format {format} {} {} {name}", joined(tm), tm[9]))[0][1..])
    }

    pub fn parse(&mut self, format: &str, text: &str) -> Option<(u64, Fields)> {
        let answer = self.ask(None, &format!("parse {} {}", hex(format.as_bytes()), hex(text.as_bytes())));
        answer.first().map(|end| (end.parse().unwrap(), fields(&answer[1])))
    }

    /// `timezone`, `daylight` and the names, as Python has them.
    pub fn zone(&mut self, tz: &str) -> (i32, u32, Vec<String>) {
        let answer = self.ask(Some(tz), "zone");
        (answer[0].parse().unwrap(), answer[1].parse().unwrap(), answer[2..].to_vec())
    }

    pub fn asctime(&mut self, tm: &Fields) -> Vec<u8> {
        bytes(&self.ask(None, &format!("asctime {}", joined(tm)))[0][1..])
    }
}

impl Drop for Linux {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

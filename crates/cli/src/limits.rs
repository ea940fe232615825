//! `--limit` and `--timeout`.

use std::time::Duration;

use stratafs::Limits;

use crate::error::{Result, usage};

/// What a guest may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunLimits {
    /// What the filesystem and the process bound.
    pub vfs: Limits,
    /// Bytes of the guest's linear memory; the module's own maximum holds when this is `None`.
    pub memory: Option<u64>,
    /// Each limit that was given, as it was given: `("output", "output=64K")`.
    pub given: Vec<(&'static str, String)>,
}

impl RunLimits {
    /// The limit called `name` as the user wrote it, for the line that says what stopped a run.
    #[must_use]
    pub fn as_given(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, text)| text.as_str())
    }

    /// Reads all `--limit` options.
    ///
    /// # Errors
    /// The option that is malformed, or a limit given twice.
    pub fn parse(options: &[String]) -> Result<Self> {
        let mut limits = RunLimits::default();
        for option in options {
            for item in option.split(',') {
                limits.add(item.trim()).map_err(|why| usage!("--limit {option}: {why}"))?;
            }
        }
        Ok(limits)
    }

    fn add(&mut self, item: &str) -> std::result::Result<(), String> {
        let Some((name, number)) = item.split_once('=') else {
            return Err(format!("`{item}` is not NAME=NUMBER; {}", known()));
        };
        let name = NAMES.into_iter().find(|known| *known == name);
        let name = name.ok_or_else(|| format!("there is no limit `{}`; {}", item.split('=').next().unwrap_or(item), known()))?;
        if self.given.iter().any(|(given, _)| *given == name) {
            return Err(format!("`{name}` is given twice"));
        }
        let value = parse_size(number).map_err(|why| format!("`{number}` {why}"))?;
        match name {
            "bytes" => self.vfs.bytes = value,
            "inodes" => self.vfs.inodes = value,
            "output" => self.vfs.output = value,
            "memory" => self.memory = Some(value),
            "mappings" => self.vfs.mappings = usize::try_from(value).map_err(|_| format!("`{number}` is too large"))?,
            "pipe_max" => self.vfs.pipe_max = usize::try_from(value).map_err(|_| format!("`{number}` is too large"))?,
            "pipes" => self.vfs.pipes = usize::try_from(value).map_err(|_| format!("`{number}` is too large"))?,
            "invokes" => {
                let invokes = u32::try_from(value).ok().filter(|invokes| (1..=INVOKES_MOST).contains(invokes));
                self.vfs.invokes = invokes.ok_or_else(|| format!("`{number}`: invokes are 1 to {INVOKES_MOST}"))?;
            }
            _ => {
                let fds = u32::try_from(value).ok().filter(|fds| (FDS_LEAST..=FDS_MOST).contains(fds));
                self.vfs.fds = fds.ok_or_else(|| format!("`{number}`: fds are {FDS_LEAST} to {FDS_MOST}"))?;
            }
        }
        self.given.push((name, item.to_owned()));
        Ok(())
    }
}

const NAMES: [&str; 9] = ["bytes", "inodes", "fds", "mappings", "pipe_max", "pipes", "invokes", "memory", "output"];

fn known() -> String {
    format!("known are {}", NAMES.join(", "))
}

/// Each takes native stack, of which the guest's thread must have enough.
const INVOKES_MOST: u32 = 10_000;

/// Three standard streams and the root directory are open from the start.
const FDS_LEAST: u32 = 4;
/// The most that Linux allows (`fs.nr_open`).
const FDS_MOST: u32 = 1 << 20;

/// A number with an optional suffix K, M or G, powers of 1024.
///
/// # Errors
/// What is wrong, to be put after the text.
pub fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not a whole number with an optional K, M or G".to_owned());
    }
    let too_large = || "is too large".to_owned();
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(too_large)
}

/// A duration: a number, with a fraction if wanted, and `ms`, `s`, `m` or `h`; plain numbers are seconds.
///
/// # Errors
/// The option when it is none, is zero, or is longer than 100 years.
pub fn parse_timeout(text: &str) -> Result<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let (number, scale) =
        units.iter().find_map(|(unit, scale)| text.strip_suffix(unit).map(|n| (n, *scale))).unwrap_or((text, 1000));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.len() <= 18 && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(usage!("--timeout {text}: not a duration such as 5s, 500ms, 2m or 1h"));
    }
    // Nanoseconds in whole numbers: 18 digits times the largest scale stay below 2^127.
    let nanos_per_unit: u128 = scale * 1_000_000;
    let tens = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    let part = |s: &str| s.parse::<u128>().unwrap_or(0) * nanos_per_unit;
    let nanos = part(whole) + part(fraction) / tens;
    if nanos == 0 {
        return Err(usage!("--timeout {text}: must be longer than nothing"));
    }
    let longest = Duration::from_secs(100 * 366 * 86_400);
    match u64::try_from(nanos / 1_000_000_000) {
        Ok(secs) if secs <= longest.as_secs() => Ok(Duration::new(secs, u32::try_from(nanos % 1_000_000_000).unwrap_or(0))),
        _ => Err(usage!("--timeout {text}: longer than 100 years")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<RunLimits> {
        RunLimits::parse(&options.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn sizes() {
        for (text, value) in [("0", 0), ("17", 17), ("4K", 4096), ("4k", 4096), ("3M", 3 << 20), ("2G", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(value), "{text}");
        }
        for text in ["", "K", "-1", "+1", "1.5G", "1T", "1KB", "0x10", " 1", "1_000", "٣"] {
            assert!(parse_size(text).unwrap_err().contains("not a whole number"), "{text}");
        }
        for text in ["18446744073709551616", "18446744073709551615K", "17179869184G"] {
            assert_eq!(parse_size(text).unwrap_err(), "is too large", "{text}");
        }
        assert_eq!(parse_size("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn limits_in_one_option_or_several() {
        let one = parse(&["bytes=1M,inodes=10,fds=16,memory=64M,output=2K"]).unwrap();
        assert_eq!((one.vfs.bytes, one.vfs.inodes, one.vfs.fds, one.vfs.output), (1 << 20, 10, 16, 2048));
        assert_eq!(one.memory, Some(64 << 20));
        assert_eq!(one.as_given("output"), Some("output=2K"));
        assert_eq!(one.as_given("nothing"), None);
        let several = parse(&["bytes=1M", "inodes=10, fds=16", "memory=64M,output=2K"]).unwrap();
        assert_eq!(several, one);
        assert_eq!(parse(&[]).unwrap().vfs, Limits::default());
        let more = parse(&["mappings=7,invokes=10000,pipe_max=4K,pipes=8K"]).unwrap().vfs;
        assert_eq!((more.mappings, more.invokes, more.pipe_max, more.pipes), (7, 10_000, 4096, 8192));
    }

    #[test]
    fn malformed_limits_are_named() {
        for (option, part) in [
            ("", "`` is not NAME=NUMBER"),
            ("bytes", "`bytes` is not NAME=NUMBER"),
            ("bytes=", "`` is not a whole number"),
            ("bytes=1T", "`1T` is not a whole number"),
            ("bytes=1,", "`` is not NAME=NUMBER"),
            (
                "bits=1",
                "there is no limit `bits`; known are bytes, inodes, fds, mappings, pipe_max, pipes, invokes, memory, output",
            ),
            ("invokes=0", "invokes are 1 to 10000"),
            ("invokes=10001", "invokes are 1 to 10000"),
            ("fds=3", "fds are 4 to"),
            ("fds=5000000000", "fds are 4 to"),
            ("bytes=1,bytes=2", "`bytes` is given twice"),
        ] {
            let text = parse(&[option]).unwrap_err().to_string();
            assert!(text.starts_with(&format!("--limit {option}: ")) && text.contains(part), "{option}: {text}");
        }
        assert!(parse(&["fds=4", "fds=5"]).unwrap_err().to_string().contains("given twice"));
    }

    #[test]
    fn timeouts() {
        for (text, millis) in
            [("5s", 5000), ("5", 5000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000), ("0.5", 500), ("1.25s", 1250)]
        {
            assert_eq!(parse_timeout(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "s", "5d", "-1s", "1e3", "1..5", ".5", "5.", "five", "5 s", "1m30s"] {
            assert!(parse_timeout(text).unwrap_err().to_string().contains("not a duration"), "{text}");
        }
        assert!(parse_timeout("0s").unwrap_err().to_string().contains("longer than nothing"));
        assert!(parse_timeout("0.0000000001ms").unwrap_err().to_string().contains("longer than nothing"));
        assert!(parse_timeout("999999999999999999h").unwrap_err().to_string().contains("longer than 100 years"));
    }
}

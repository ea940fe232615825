//! On what it was measured.

use std::fmt::Write;
use std::process::Command;

/// Machine and versions, as a list.
#[must_use]
pub fn describe() -> String {
    let mut text = String::new();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let mut line = |what: &str, value: String| _ = writeln!(text, "- {what}: {value}");
    line("processor", format!("{}, {cores} cores", processor()));
    line("kernel", said("uname", &["-sr"]));
    line("load when it began", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned());
    line("rustc", said("rustc", &["--version"]));
    line("cc", said("cc", &["--version"]));
    line("node", said("node", &["--version"]));
    let ours = include_str!("../../Cargo.lock");
    let (wasi_common, wasmer) = (include_str!("../wasi-common/Cargo.lock"), include_str!("../wasmer/Cargo.lock"));
    let packages = [
        ("stratafs", ours),
        ("wasmtime", ours),
        ("wasmtime-wasi", ours),
        ("wasi-common", wasi_common),
        ("wasmer", wasmer),
        ("wasmer-wasix", wasmer),
    ];
    for (package, lock) in packages {
        line(package, locked(lock, package).unwrap_or("missing").to_owned());
    }
    text
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_else(|| "missing".to_owned())
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split_once('"').map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_found() {
        let lock = "name = \"a\"\nversion = \"1\"\n\nname = \"a-b\"\nversion = \"2\"\n";
        assert_eq!(
            (super::locked(lock, "a"), super::locked(lock, "a-b"), super::locked(lock, "c")),
            (Some("1"), Some("2"), None)
        );
    }
}

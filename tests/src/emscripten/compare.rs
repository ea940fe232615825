//! The page that says of each syscall import whether it is there and what shows it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use stratafs::Layer;
use stratafs_emscripten::{FUNCTIONS, SPLIT_FUNCTIONS};

use super::cases::{CASES, Calls};
use super::facts::{Fact, RELEASES, SYSCALLS};
use crate::guest::trees::{BASE, difference, tree};
use crate::guest::{Ended, Engine, Guest, Program, without_posix};

/// What shows that an import is answered: it fails when the import answers `ENOSYS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The C program for 3.1.6.
    pub program: Option<String>,
    /// A case of [`CASES`].
    pub case: bool,
}

/// A C program that imports syscalls, and what it prints on Linux.
struct Talker {
    program: Program,
    wanted: String,
    imports: Vec<String>,
}

/// The programs of `fixtures/emscripten` that have an expectation, those of `fixtures/guests` behind.
fn talkers() -> Vec<Talker> {
    let (own, shared) = (Program::emscripten_fixtures().join("expected"), Program::fixtures().join("expected"));
    let mut names: Vec<_> = std::fs::read_dir(Program::emscripten_fixtures())
        .expect("the programs are there")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".wasm")?.to_owned()))
        .filter_map(|name| {
            let is_own = own.join(format!("{name}.txt")).exists();
            let text = std::fs::read_to_string(if is_own { &own } else { &shared }.join(format!("{name}.txt"))).ok()?;
            Some((!is_own, name, without_posix(&text)))
        })
        .collect();
    names.sort();
    let talker = |(_, name, wanted): (bool, String, String)| {
        let program = Program::emscripten(&name);
        let imports = program.imports("env");
        Talker { program, wanted, imports }
    };
    // Its expectation is of one command line.
    names.into_iter().filter(|(_, name, _)| name != "args_env_exit").map(talker).collect()
}

/// Whether the program does other than on Linux when that import is off.
fn notices(talker: &Talker, engine: &Engine, off: Option<&str>) -> bool {
    let guest = Guest::new(&talker.program, engine.clone(), tree(Layer::Memory)).args([BASE]).timeout(Duration::from_secs(10));
    let ran = match off {
        Some(name) => guest.without(name),
        None => guest,
    }
    .run();
    ran.ended != Ended::Exit(0) || difference(&without_posix(&ran.stdout), &talker.wanted).is_some()
}

/// What shows each import. Switches them off in turn.
///
/// # Panics
/// When a case does not hold with nothing switched off, or still does with its own function switched off; when the module imports a syscall that is no fact.
#[must_use]
pub fn shown() -> BTreeMap<&'static str, Shown> {
    let mut all: BTreeMap<&str, Shown> = SYSCALLS.iter().map(|(name, _)| (*name, Shown::default())).collect();
    for (name, case) in CASES {
        assert!(case(&mut Calls::new(None)), "{name} does not do what it should");
        assert!(!case(&mut Calls::new(Some(name))), "the case of {name} does not need it");
        all.get_mut(name).unwrap_or_else(|| panic!("{name} is in no release")).case = true;
    }
    let engine = Engine::wasmtime();
    for talker in talkers() {
        for import in talker.imports.iter().filter(|import| import.starts_with("__syscall_")) {
            let shown = all.get_mut(import.as_str()).unwrap_or_else(|| panic!("{import} is in no release"));
            if shown.program.is_none() && notices(&talker, &engine, Some(import)) {
                shown.program = Some(talker.program.name().to_owned());
            }
        }
    }
    all
}

/// The programs that do other than on Linux with nothing switched off, which show nothing then.
#[must_use]
pub fn wrong() -> Vec<String> {
    let engine = Engine::wasmtime();
    let wrong = talkers().into_iter().filter(|talker| notices(talker, &engine, None));
    wrong.map(|talker| talker.program.name().to_owned()).collect()
}

fn is_split(name: &str) -> bool {
    SPLIT_FUNCTIONS.iter().any(|function| function.about.name == name)
}

fn is_current(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.about.name == name)
}

/// Whether `shown` covers every form of the import that a release has: the one of 3.1.6, and the one since.
#[must_use]
pub fn covers((name, releases): &Fact, shown: &Shown) -> bool {
    let newer = releases.iter().skip(1).any(|has| *has);
    let old = releases.first() == Some(&true);
    let by_program = shown.program.is_some();
    // A program calls the form of 3.1.6; where there is but one form, it calls that.
    (!old || by_program) && (!newer || shown.case || by_program && !is_split(name))
}

/// The page.
#[must_use]
pub fn page(all: &BTreeMap<&'static str, Shown>) -> String {
    let mut page = String::from(PREFACE);
    let _ = writeln!(page, "| import (`env.__syscall_…`) | {} | answered | shown by |", RELEASES.join(" | "));
    let _ = writeln!(page, "|---|{}---|---|", "---|".repeat(RELEASES.len()));
    for (name, releases) in SYSCALLS {
        let has = releases.map(|has| if has { "✓" } else { "" }).join(" | ");
        let answered = match (is_current(name), is_split(name)) {
            (true, true) => "yes, in both forms",
            (true, false) | (false, true) => "yes",
            (false, false) => "no",
        };
        let shown = all.get(name).cloned().unwrap_or_default();
        let program = shown.program.map(|program| format!("`{program}`"));
        let case = shown.case.then(|| "by call".to_owned());
        let by = [program, case].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let name = name.strip_prefix("__syscall_").unwrap_or(name);
        let _ = writeln!(page, "| `{name}` | {has} | {answered} | {by} |");
    }
    page
}

const PREFACE: &str = "\
# Emscripten's syscalls, import by import

Which release of Emscripten imports which syscall from its host, whether stratafs answers it, and what shows that. This page is written by a test run
(`STRATAFS_WRITE_COMPARE=1 cargo test --release -p stratafs-tests --test compare`) and a test fails when it is not what such a run would write.

*Shown by* names a test that fails when that import alone answers ENOSYS; the run switches each off in turn. A name is a C program of
`fixtures/emscripten`, compiled with Emscripten 3.1.6, which must then print something else than the same source does on Linux. *By call* is a call of the
function without a guest (`tests/src/emscripten/cases.rs`), for what no program of 3.1.6 can call: later names, and later types and
records under the same name. Programs import by hand what their libc never asks its host for (`fixtures/emscripten/src/host.h`).

Where Emscripten under JavaScript and Linux differ, stratafs sides with Linux: hard links and FIFOs are real, close-on-exec is kept, locks lock, pipes and polls
wait, times have nanoseconds, owners and modes stick, a bad pointer is EFAULT.

MicroPython 1.27 (npm) imports fourteen of them: chdir, fstat64, getcwd, getdents64, lstat64, mkdirat, newfstatat, openat, poll, renameat, rmdir, stat64, statfs64, unlinkat. It and Pyodide's CPython are
run by tests of their own (`tests/tests/micropython.rs`, `crates/cli/tests`).

";

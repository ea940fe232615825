//! CPython's own tests of files, on CPython in WebAssembly over the layers. What does not pass is listed with its reason in
//! `fixtures/cpython`; the list is wrong when something else fails, and when something on it passes.
#![forbid(unsafe_code)]

mod list;
mod package;
mod run;

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use stratafs::overlay::Overlay;
use stratafs::stream::CapturedOutput;
use stratafs::zipfs::ZipFs;
use stratafs::{Budget, Limits, Namespace, NodeRef, Tree};
use stratafs_cli::pyodide;
use stratafs_tests::guest::{self, Ended, Engine, Guest, cpython};

use list::{Group, List};
use run::{Died, Outcome, Ran, Test};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cpython")
}

/// What the directory is that the tests write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Memory,
    Overlay,
    Host,
}

impl Place {
    const ALL: [Place; 3] = [Place::Memory, Place::Overlay, Place::Host];

    fn name(self) -> &'static str {
        match self {
            Place::Memory => "memory",
            Place::Overlay => "overlay",
            Place::Host => "host",
        }
    }
}

/// An interpreter, and what is run and expected of it.
struct Runtime {
    name: &'static str,
    /// The file with the list.
    list: &'static str,
    /// A guest over a tree.
    guest: fn(Namespace) -> Guest<'static>,
    /// Where its library is.
    home: &'static str,
    /// The library with the package `test` in it; what one guest leaves there, compiled modules, serves the next.
    library: fn() -> NodeRef,
    /// Directories that it misses when they are not there.
    empty: &'static [&'static str],
    /// The slowest first.
    modules: &'static [&'static str],
    /// Modules that touch no files, which run in memory alone.
    fileless: &'static [&'static str],
}

impl Runtime {
    fn modules_at(&self, place: Place) -> impl Iterator<Item = &'static str> {
        let fileless = if place == Place::Memory { self.fileless } else { &[] };
        fileless.iter().chain(self.modules).copied()
    }
}

static WASI: Runtime = Runtime {
    name: "wasi",
    list: "wasi-3.12.txt",
    guest: |ns| Guest::new(cpython(), Engine::wasmtime(), ns).env("PYTHONHOME", "/python"),
    home: "/python/lib/python3.12",
    library: || {
        static LIBRARY: OnceLock<NodeRef> = OnceLock::new();
        LIBRARY.get_or_init(|| below_memory(&[tests(&WASI), carried_library()])).clone()
    },
    empty: &[],
    fileless: &[],
    modules: &[
        "test_io",
        "test_zipfile",
        "test_importlib",
        "test_bz2",
        "test_tarfile",
        "test_import",
        "test_largefile",
        "test_runpy",
        "test_zipimport",
        "test_os",
        "test_pkgutil",
        "test_shutil",
        "test_tempfile",
        "test_pathlib",
        "test_mailbox",
        "test_compileall",
        "test_shelve",
        "test_posix",
        "test_fileio",
        "test_file",
        "test_glob",
        "test_stat",
        "test_genericpath",
        "test_posixpath",
        "test_py_compile",
        "test_dbm_dumb",
        "test_filecmp",
        "test_fileinput",
        "test_linecache",
        "test_gzip",
        "test_unicode_file",
        "test_unicode_file_functions",
    ],
};

static PYODIDE: Runtime = Runtime {
    name: "pyodide",
    list: "pyodide-3.14.txt",
    guest: |ns| Guest::new(&guest::pyodide().0, Engine::wasmtime(), ns),
    home: pyodide::HOME,
    library: || {
        static LIBRARY: OnceLock<NodeRef> = OnceLock::new();
        // Its own `_pyio` goes before that of the tests' version.
        LIBRARY.get_or_init(|| below_memory(&[archive(&guest::pyodide().1), tests(&PYODIDE)])).clone()
    },
    empty: &[pyodide::DYNAMIC],
    modules: &[
        "test_zipfile",
        "test_io",
        "test_pathlib",
        "test_tarfile",
        "test_poll",
        "test_selectors",
        "test_select",
        "test_mmap",
        "test_os",
        "test_shutil",
        "test_runpy",
        "test_import",
        "test_glob",
        "test_tempfile",
        "test_fcntl",
        "test_file",
        "test_fileio",
        "test_posix",
        "test_posixpath",
        "test_genericpath",
        "test_stat",
        "test_largefile",
        "test_mailbox",
        "test_fileinput",
        "test_filecmp",
        "test_gzip",
        "test_linecache",
        "test_compileall",
        "test_py_compile",
        "test_zipimport",
        "test_unicode_file",
        "test_unicode_file_functions",
    ],
    fileless: &[
        "test_asyncio.test_tasks",
        "test_asyncio.test_selector_events",
        "test_asyncio.test_taskgroups",
        "test_asyncio.test_sock_lowlevel",
        "test_asyncio.test_streams",
        "test_asyncio.test_waitfor",
        "test_asyncio.test_locks",
        "test_asyncio.test_runners",
        "test_asyncio.test_timeouts",
        "test_asyncio.test_queues",
        "test_asyncio.test_pep492",
        "test_asyncio.test_context",
        "test_asyncio.test_protocols",
        "test_asyncio.test_transports",
    ],
};

/// The archive with the tests that a runtime runs.
fn tests(runtime: &Runtime) -> Arc<ZipFs> {
    archive(&package::archive(&[runtime.modules, runtime.fileless].concat()))
}

fn archive(path: &Path) -> Arc<ZipFs> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    ZipFs::from_file("archive.zip", file, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The archive with the library that the WASI build carries inside. There, the guest's C library answers for it, and says ENOTSUP
/// of a file that is missing.
fn carried_library() -> Arc<ZipFs> {
    let code = "import sys, zipfile; sys.stdout.buffer.write(open(zipfile.__spec__.loader.archive, 'rb').read())";
    let archive = CapturedOutput::new(64 << 20);
    let tree = Tree::new(Limits::default()).build().expect("the tree is built");
    let guest = Guest::new(cpython(), Engine::wasmtime(), tree).stdout(Arc::new(archive.clone()));
    let ran = guest.args(["-I", "-c", code]).run();
    assert_eq!(ran.ended, Ended::Exit(0), "{}", ran.stderr);
    ZipFs::from_bytes("python312.zip", archive.take(), &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn below_memory(archives: &[Arc<ZipFs>]) -> NodeRef {
    let lowers = archives.iter().map(NodeRef::root_of).collect();
    NodeRef::root_of(&Overlay::in_memory(lowers, Budget::unlimited(), &Limits::default()))
}

/// Runs all modules at a place, as many at a time as there are processors, and compares what became of each test with the list.
fn compare(runtime: &Runtime, place: Place) {
    static TURN: Mutex<()> = Mutex::new(());
    let path = fixtures().join(runtime.list);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let list = List::parse(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let _turn = TURN.lock();
    let todo = Mutex::new(runtime.modules_at(place).collect::<VecDeque<_>>());
    let (wrong, log) = (Mutex::new(Vec::new()), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let Some(module) = todo.lock().pop_front() else { break };
                    let found = one(runtime, place, module, &list, &log);
                    wrong.lock().extend(found);
                }
            });
        }
    });
    let log = log.into_inner();
    let log_path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cpython-{}-{}.txt", runtime.name, place.name()));
    std::fs::write(&log_path, &log).unwrap_or_else(|error| panic!("{}: {error}", log_path.display()));
    println!("{} on {}: {}", runtime.name, place.name(), summary(runtime, &list, place, &log));
    let wrong = wrong.into_inner();
    let shown = path.file_name().unwrap_or_default().display();
    assert!(wrong.is_empty(), "{} on {} and {shown} differ:\n\n{}", runtime.name, place.name(), wrong.join("\n"));
}

/// How many tests became what, and what those that did not pass are listed under.
fn summary(runtime: &Runtime, list: &List, place: Place, log: &str) -> String {
    let count = |outcome: Outcome| {
        let outcome = format!("{outcome:?}");
        log.lines().filter(|line| line.split('\t').nth(1) == Some(&outcome)).count()
    };
    let group = |group: Group| {
        let known = runtime.modules_at(place).flat_map(|module| list.of(module, place));
        known.filter(|known| known.group == group).count()
    };
    let (passed, skipped) = (count(Outcome::Passed), count(Outcome::Skipped));
    let (version, lacks, stack) = (group(Group::Version), group(Group::Lacks), group(Group::Stack));
    let left_out = group(Group::LeftOut);
    format!("{passed} passed, {skipped} skipped; listed: version {version}, lacks {lacks}, stack {stack}, left out {left_out}")
}

/// Runs one module, and each of its tests that the guest does not survive; what differs from the list comes back.
fn one(runtime: &Runtime, place: Place, module: &str, list: &List, log: &Mutex<String>) -> Vec<String> {
    let deadly: Vec<&str> = list.of(module, place).filter(|known| known.died.is_some()).map(|known| known.id.as_str()).collect();
    let ran = run::module(runtime, place, module, &deadly);
    write_log(&mut log.lock(), module, &ran);
    let mut wrong = differences(list, place, module, &ran);
    for known in list.of(module, place).filter(|known| known.died.is_some()) {
        let ran = run::alone(runtime, place, module, &known.id);
        let died = ran.died.as_ref().map(|(died, _, _)| *died);
        if died != known.died {
            wrong.push(format!("{} does not end as listed: {died:?} instead of {:?}, {:?}\n", known.id, known.died, ran.tests));
        }
    }
    wrong
}

/// Every test of a run on a line, for who looks at them.
fn write_log(log: &mut String, module: &str, ran: &Ran) {
    for test in &ran.tests {
        let last = test.text.trim_end().lines().last().unwrap_or_default();
        let _ = writeln!(log, "{module}\t{:?}\t{:.3}\t{}\t{last}", test.outcome, test.seconds, test.id);
    }
    if let Some((died, within, why)) = &ran.died {
        let _ = writeln!(log, "{module}\t{died:?}\t0\t{within}\t{}", why.lines().next().unwrap_or_default());
    }
}

/// What a module's run says otherwise than the list.
fn differences(list: &List, place: Place, module: &str, ran: &Ran) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some((died, within, why)) = &ran.died {
        wrong.push(format!("{module}: {died:?} in {within}: {why}\n"));
    }
    let listed = || list.of(module, place).filter(|known| known.died.is_none());
    for test in ran.tests.iter().filter(|test| test.outcome == Outcome::Failed) {
        if !listed().any(|known| known.id == test.id) {
            wrong.push(format!("{} failed, and is not listed:\n{}", test.id, test.text));
        }
    }
    for known in listed() {
        let outcome = ran.tests.iter().find(|test| test.id == known.id).map(|test| test.outcome);
        if outcome != Some(Outcome::Failed) {
            let became = outcome.map_or_else(|| "did not run".to_owned(), |outcome| format!("{outcome:?}").to_lowercase());
            wrong.push(format!("{} {became}, and is listed as failing ({})\n", known.id, known.reason));
        }
    }
    let count = |outcome| ran.tests.iter().filter(|test| test.outcome == outcome).count();
    let (found, wanted) = ((count(Outcome::Passed), count(Outcome::Skipped)), list.counts.get(module));
    if wanted != Some(&found) {
        wrong.push(format!("{module}: passed and skipped are {found:?}, the list says {wanted:?}\n"));
    }
    wrong
}

#[test]
fn wasi_in_memory() {
    compare(&WASI, Place::Memory);
}

#[test]
fn wasi_on_an_overlay() {
    compare(&WASI, Place::Overlay);
}

#[test]
fn wasi_on_a_writable_host_directory() {
    compare(&WASI, Place::Host);
}

#[test]
fn pyodide_in_memory() {
    compare(&PYODIDE, Place::Memory);
}

#[test]
fn pyodide_on_an_overlay() {
    compare(&PYODIDE, Place::Overlay);
}

#[test]
fn pyodide_on_a_writable_host_directory() {
    compare(&PYODIDE, Place::Host);
}

#[test]
fn what_differs_from_the_list_is_found() {
    let list =
        List::parse("counts\n  test_a 1 0\nversion: old\n  test_a.C.f\nlacks: no way\n  test_a.C.g  traps  host\n").unwrap();
    let test = |id: &str, outcome| Test { id: id.to_owned(), outcome, seconds: 0.0, text: "said".to_owned() };
    let wrong = |tests, died| differences(&list, Place::Host, "test_a", &Ran { tests, died });
    let fine = || vec![test("test_a.C.f", Outcome::Failed), test("test_a.C.h", Outcome::Passed)];
    assert_eq!(wrong(fine(), None), [""; 0]);
    let mut more = fine();
    more.push(test("test_a", Outcome::Failed));
    assert_eq!(wrong(more, None), ["test_a failed, and is not listed:\nsaid"]);
    assert_eq!(wrong(vec![test("test_a.C.f", Outcome::Passed)], None), ["test_a.C.f passed, and is listed as failing (old)\n"]);
    assert_eq!(
        wrong(vec![test("test_a.C.h", Outcome::Passed), test("test_a.C.i", Outcome::Skipped)], None),
        [
            "test_a.C.f did not run, and is listed as failing (old)\n",
            "test_a: passed and skipped are (1, 1), the list says Some((1, 0))\n"
        ]
    );
    let died = Some((Died::Hung, "test_a.C.h".to_owned(), "late".to_owned()));
    assert_eq!(wrong(fine(), died), ["test_a: Hung in test_a.C.h: late\n"]);
    let deadly = |place| list.of("test_a", place).filter(|known| known.died == Some(Died::Trapped)).count();
    assert_eq!((deadly(Place::Host), deadly(Place::Memory)), (1, 0));
    for bad in ["  test_a 1 0", "guest: ours\n", "lacks: x\n  test_a.C.f sometimes\n", "lacks: x\n  test_a\n  test_a\n"] {
        assert!(List::parse(bad).is_err(), "{bad}");
    }
}

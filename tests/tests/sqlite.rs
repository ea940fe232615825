//! SQLite of CPython 3.14 in several guests at once, over one tree: its locks are the ones of POSIX, and nothing else keeps the guests apart.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use stratafs::{Layer, Limits, Namespace, Tree};
use stratafs_conformance::real;
use stratafs_tests::guest::{Ended, Engine, Guest, pyodide, pyodide_library};

/// How often each of two guests adds to the counter.
const TIMES: usize = 200;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/python")
}

fn tree(work: Layer) -> Namespace {
    let tree = Tree::new(Limits::default()).layer("/scripts", Layer::host(fixtures())).layer("/work", work);
    let tree = pyodide_library().into_iter().fold(tree, |tree, (at, layer)| tree.layer(at, layer));
    tree.build().expect("the tree is built")
}

/// A guest with a role in `locking.py`.
fn guest(ns: &Namespace, role: &[&str]) -> Guest<'static> {
    Guest::new(&pyodide().0, Engine::wasmtime(), ns.clone()).args(["/scripts/locking.py", "/work"]).args(role)
}

/// Runs guests side by side, each on a thread; all must end well. Answers the first one's output.
#[track_caller]
fn run(ns: &Namespace, roles: &[&[&str]]) -> String {
    let ran: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = roles.iter().map(|role| scope.spawn(|| guest(ns, role).run())).collect();
        threads.into_iter().map(|thread| thread.join().expect("a guest's thread")).collect()
    });
    for (ran, role) in ran.iter().zip(roles) {
        assert_eq!((&ran.ended, ran.stderr.as_str()), (&Ended::Exit(0), ""), "{role:?}: {}", ran.stdout);
    }
    ran[0].stdout.clone()
}

/// No write is lost while both wait for each other; the database is locked while another guest holds it, and only then.
fn two_guests_at_one_database(ns: &Namespace, journal: &str) {
    run(ns, &[&["make", journal]]);
    let times = TIMES.to_string();
    run(ns, &[&["count", &times], &["count", &times]]);
    run(ns, &[&["hold"], &["try"]]);
    let all = (2 * TIMES + 1).to_string();
    let said = run(ns, &[&["check", &all]]);
    assert_eq!(said, format!("1 {TIMES} {TIMES}\nOK locking check\n"), "{journal}");
}

#[test]
fn two_guests_in_memory() {
    for journal in ["delete", "truncate", "persist"] {
        two_guests_at_one_database(&tree(Layer::Memory), journal);
    }
}

#[test]
fn two_guests_on_an_overlay() {
    let host = real::scratch().unwrap();
    two_guests_at_one_database(&tree(Layer::Overlay(vec![Layer::host(host.path())])), "delete");
    assert_eq!(std::fs::read_dir(host.path()).unwrap().count(), 0);
}

/// The database in the lower layer: the first to write copies it up while the other one holds it open.
#[test]
fn two_guests_at_a_database_that_is_copied_up() {
    let host = real::scratch().unwrap();
    run(&tree(Layer::host_writable(host.path())), &[&["make", "delete"]]);
    let before = std::fs::read(host.path().join("locking.db")).unwrap();
    let ns = tree(Layer::Overlay(vec![Layer::host(host.path())]));
    let times = TIMES.to_string();
    run(&ns, &[&["count", &times], &["count", &times]]);
    run(&ns, &[&["hold"], &["try"]]);
    run(&ns, &[&["check", &(2 * TIMES + 1).to_string()]]);
    assert!(std::fs::read(host.path().join("locking.db")).unwrap() == before, "the layer below was written");
}

#[test]
fn two_guests_on_a_writable_host_directory() {
    let host = real::scratch().unwrap();
    two_guests_at_one_database(&tree(Layer::host_writable(host.path())), "delete");
}

/// What keeps the guests apart is the call for locks (F_SETLK is 13), not a file beside the database or a build without threads.
#[test]
fn the_locks_are_calls_of_the_guest() {
    let ran = guest(&tree(Layer::Memory), &["make", "delete"]).traced().run();
    let locks = ran.trace.lines().filter(|line| line.starts_with("__syscall_fcntl64(") && line.contains(", 13, "));
    let granted = locks.filter(|line| line.contains(") = 0 ")).count();
    assert!(granted > 10, "{granted} locks");
    assert_eq!(ran.ok(), "OK locking make\n");
}

//! CPython on layers whose calls fail: the right exceptions, and a tree that still adds up.
#![forbid(unsafe_code)]

use std::path::Path;

use stratafs::faultfs::{Call, Fault, FaultFs, Faults, Plan, Rule, When};
use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::memfs::MemFs;
use stratafs::overlay::Overlay;
use stratafs::{Budget, Errno, Layer, Limits, NodeRef, Tree};
use stratafs_tests::guest::{Engine, Guest, cpython};
use stratafs_tests::invariants::{self, Links, Parts};

/// Errors on one call in so many, a third of all reads and writes short.
fn plan(seed: u64, one_in: u64) -> Plan {
    let calls =
        [Call::Open, Call::Create, Call::Remove, Call::Rename, Call::Link, Call::SetAttr, Call::Read, Call::Write, Call::Sync];
    let error = |(n, call)| {
        let errno = if n % 2 == 0 { Errno::EIO } else { Errno::ENOSPC };
        Rule { call: Some(call), when: When::OneIn(one_in), fault: Fault::Error(errno) }
    };
    let short = [Call::Read, Call::Write].map(|call| Rule { call: Some(call), when: When::OneIn(3), fault: Fault::Short });
    Plan { seed, rules: calls.into_iter().enumerate().map(error).chain(short).collect(), full: None }
}

/// Runs `faults.py` with `root` at `/work`.
fn survives(what: &str, root: NodeRef, faults: &Faults) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/python");
    let tree = Tree::new(Limits::default()).layer("/scripts", Layer::host(scripts)).layer("/work", Layer::Node(root));
    let ran = Guest::new(cpython(), Engine::wasmtime(), tree.build().unwrap()).args(["/scripts/faults.py", "/work", "12"]).run();
    let injected = faults.injected();
    faults.pause(true);
    assert_eq!(ran.stderr, "", "{what}: {:?}\n{}", ran.ended, ran.stdout);
    assert_eq!(ran.ok().lines().last(), Some("OK faults True True"), "{what}");
    assert!(injected > 100, "{what}: only {injected} faults");
}

fn memory(budget: &Budget) -> NodeRef {
    NodeRef::root_of(&MemFs::new(budget.clone(), &Limits::default()))
}

fn faulty(below: &NodeRef, faults: &Faults) -> NodeRef {
    NodeRef::root_of(&FaultFs::over(below.clone(), faults.clone()))
}

#[track_caller]
fn adds_up(what: &str, root: &NodeRef, links: Links) -> Parts {
    invariants::check(root, links).unwrap_or_else(|wrong| panic!("{what}: {wrong}"))
}

#[test]
fn cpython_bears_faults_in_memory() {
    for seed in 1..4 {
        let (budget, faults) = (Budget::of(&Limits::default()), Faults::from(plan(seed, 60)));
        let below = memory(&budget);
        survives("memory", faulty(&below, &faults), &faults);
        let parts = adds_up("memory", &below, Links::Counted);
        assert_eq!((budget.inodes_used(), budget.bytes_used()), (parts.inodes, parts.bytes), "seed {seed}");
    }
}

#[test]
fn cpython_bears_faults_above_and_below_an_overlay() {
    for seed in 1..3 {
        let (budget, faults) = (Budget::of(&Limits::default()), Faults::from(plan(seed, 60)));
        let overlay = NodeRef::root_of(&Overlay::in_memory(vec![memory(&budget)], budget.clone(), &Limits::default()));
        survives("above", faulty(&overlay, &faults), &faults);
        adds_up("above", &overlay, Links::Merged);
        drop(overlay);
        assert_eq!((budget.inodes_used(), budget.bytes_used()), (0, 0), "seed {seed}");

        let faults = Faults::from(plan(seed, 120));
        let upper = {
            let (budget, faults) = (budget.clone(), faults.clone());
            move || faulty(&memory(&budget), &faults)
        };
        let overlay = NodeRef::root_of(&Overlay::new(Box::new(upper), vec![memory(&budget)], budget.clone(), &Limits::default()));
        survives("below", overlay.clone(), &faults);
        adds_up("below", &overlay, Links::Merged);
        drop(overlay);
        assert_eq!((budget.inodes_used(), budget.bytes_used()), (0, 0), "seed {seed}");
    }
}

#[test]
fn cpython_bears_faults_on_a_host_directory() {
    let dir = stratafs_conformance::real::scratch().unwrap();
    for exclusive in [false, true] {
        let faults = Faults::from(plan(5, 60));
        let options = HostOptions { writable: true, exclusive, ..HostOptions::default() };
        let below = NodeRef::root_of(&HostFs::open(dir.path(), options.clone()).unwrap());
        survives("host", faulty(&below, &faults), &faults);
        // As the layer sees it, and as one does that remembers nothing.
        let (known, fresh) = (below, NodeRef::root_of(&HostFs::open(dir.path(), options).unwrap()));
        let seen = [known, fresh].map(|root| adds_up("host", &root, Links::Counted).entries);
        assert_eq!(seen[0], seen[1]);
    }
}

#[test]
fn space_that_ends_at_a_byte_is_told_and_harms_nothing() {
    let budget = Budget::of(&Limits::default());
    let below = memory(&budget);
    let faults = Faults::from(Plan { full: Some(300_000), ..Plan::default() });
    let code = "import errno\ntry:\n  for n in range(100):\n    with open(f'/work/{n}', 'wb') as f: f.write(b'x' * 10000)\n\
        except OSError as e: print(n, errno.errorcode[e.errno])\nprint(len(open('/work/3', 'rb').read()))";
    let tree = Tree::new(Limits::default()).layer("/work", Layer::Node(below.clone())).faults("/work", faults.clone());
    let ran = Guest::new(cpython(), Engine::wasmtime(), tree.build().unwrap()).args(["-c", code]).run();
    assert_eq!(ran.ok(), "30 ENOSPC\n10000\n");
    assert_eq!(faults.injected(), 1);
    let parts = adds_up("full", &below, Links::Counted);
    assert_eq!(parts.entries, 31);
    assert_eq!((budget.inodes_used(), budget.bytes_used()), (parts.inodes, parts.bytes));
}

#[test]
fn faults_of_a_tree_need_a_layer() {
    let faults = Faults::from(Plan::default());
    let built = Tree::new(Limits::default()).faults("/data", faults).build();
    assert_eq!(
        built.unwrap_err().to_string(),
        "no layer is at /data, so that nothing can fail there: name the place of a layer, or / for the root"
    );
}

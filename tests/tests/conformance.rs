//! Every case on the real operating system, and on every backend: one test for each, each case on an instance of its own.
#![forbid(unsafe_code)]

use stratafs_conformance::case;
use stratafs_tests::backends::Backend;
use stratafs_tests::each_backend;

const HELPER: &str = env!("CARGO_BIN_EXE_real_posix");

fn on(backend: Backend) {
    case::run_on(&backend).conclude();
}

#[test]
fn real_operating_system() {
    assert!(rustix::process::geteuid().is_root(), "the oracle is Linux as root sees it: run the tests as root");
    let report = case::run_on_host(HELPER.as_ref());
    report.conclude();
    assert!(report.ran > 400 || std::env::var_os("STRATAFS_CASES").is_some(), "only {} cases ran", report.ran);
}

each_backend! { on, overlay_frozen_while_cases_run: [FrozenOftenWhileRunning], }

//! Every case on the real operating system, and on every backend: one test for each, each case on an instance of its own.
#![forbid(unsafe_code)]

use stratafs_conformance::case;
use stratafs_tests::backends::Backend;

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

#[test]
fn memory() {
    on(Backend::Memory);
}

#[test]
fn host_directory() {
    on(Backend::Host);
}

#[test]
fn host_directory_exclusive() {
    on(Backend::HostExclusive);
}

#[test]
fn overlay_alone() {
    on(Backend::OverlayAlone);
}

#[test]
fn overlay_over_memory() {
    on(Backend::OverMemory);
}

#[test]
fn overlay_over_zip() {
    on(Backend::OverZip);
}

#[test]
fn overlay_over_host_directory() {
    on(Backend::OverHost);
}

#[test]
fn overlay_over_exclusive_host_directory() {
    on(Backend::OverHostExclusive);
}

#[test]
fn overlay_over_two_layers() {
    on(Backend::OverHalves);
}

#[test]
fn overlay_over_overlay() {
    on(Backend::OverOverlay);
}

#[test]
fn overlay_frozen_over_its_tree() {
    on(Backend::Frozen);
}

#[test]
fn overlay_frozen_while_cases_run() {
    on(Backend::FrozenOftenWhileRunning);
}

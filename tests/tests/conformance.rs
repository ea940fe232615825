//! Every case on the real operating system, and on every backend: one test for each, each case on an instance of its own.
#![forbid(unsafe_code)]

use stratafs_tests::backends::Backend;
use stratafs_tests::case::{self, Case};
use stratafs_tests::cases::GROUPS;
use stratafs_tests::posix::Posix;
use stratafs_tests::real::RealOs;
use stratafs_tests::tree;

const HELPER: &str = env!("CARGO_BIN_EXE_real_posix");

fn on(backend: Backend) {
    let report = case::run(GROUPS, backend.lacks(), &mut |case: &Case| {
        Box::new(backend.start(case.starts_from).expect("the host gives a scratch directory"))
    });
    report.conclude(&format!("{backend:?}"));
}

#[test]
fn real_operating_system() {
    assert!(rustix::process::geteuid().is_root(), "the oracle is Linux as root sees it: run the tests as root");
    let report = case::run(GROUPS, &[], &mut |case: &Case| {
        let mut os: Box<dyn Posix> = Box::new(RealOs::start(HELPER.as_ref()).expect("the helper starts"));
        tree::plant(os.as_mut(), case.starts_from);
        os
    });
    report.conclude("RealOs");
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

//! Every case on the real operating system, and on every backend.
#![forbid(unsafe_code)]

use stratafs_tests::case::{self, Case, Lacks, Need};
use stratafs_tests::cases::GROUPS;
use stratafs_tests::posix::Posix;
use stratafs_tests::real::RealOs;
use stratafs_tests::tree;

const HELPER: &str = env!("CARGO_BIN_EXE_real_posix");

#[test]
fn real_operating_system() {
    let lacks: Lacks = match rustix::process::geteuid().is_root() {
        true => &[],
        false => panic!("the oracle is Linux as root sees it: run the tests as root"),
    };
    let report = case::run(GROUPS, lacks, &mut |case: &Case| {
        let mut os: Box<dyn Posix> = Box::new(RealOs::start(HELPER.as_ref()).expect("the helper starts"));
        tree::plant(os.as_mut(), case.starts_from);
        os
    });
    report.conclude("real");
    assert!(report.ran >= 300 || std::env::var_os("STRATAFS_CASES").is_some(), "only {} cases ran", report.ran);
}

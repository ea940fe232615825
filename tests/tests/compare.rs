//! `docs/COMPARE.md` is what a run writes.
#![forbid(unsafe_code)]

use std::path::Path;

use stratafs_tests::emscripten::compare::{covers, page, shown, wrong};
use stratafs_tests::emscripten::facts::SYSCALLS;

#[test]
fn the_page_is_what_a_run_writes_and_every_import_is_shown() {
    assert_eq!(wrong(), Vec::<String>::new(), "these programs do other than on Linux, and show nothing");
    let all = shown();
    let text = page(&all);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/COMPARE.md");
    if std::env::var_os("STRATAFS_WRITE_COMPARE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let unshown: Vec<_> = SYSCALLS.iter().filter(|fact| !covers(fact, &all[fact.0])).map(|fact| fact.0).collect();
    assert!(unshown.is_empty(), "nothing fails when these answer ENOSYS: {unshown:?}");
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == text,
        "docs/COMPARE.md is not what this run would write: run with STRATAFS_WRITE_COMPARE=1 and commit it"
    );
}

//! The program checks what it times, on every host; and it belongs to its source.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use stratafs_bench::hosts::{self, Program};
use stratafs_bench::strata::{self, Root};
use stratafs_bench::table;

#[test]
fn every_host_runs_every_row() {
    let scratch = tempfile::tempdir().unwrap();
    let rows = |printed: &str| table::parse(printed).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    for host in hosts::all(&Program::compile().unwrap(), scratch.path()) {
        // Node need not be there.
        let printed = match (host.round)(&["rows", "quick"]) {
            Err(why) if host.name == "node:wasi" && why.contains("No such file") => continue,
            printed => printed.unwrap_or_else(|why| panic!("{}: {why}", host.name)),
        };
        let reads = host.name == "zip";
        assert_eq!(rows(&printed).len(), if reads { 10 } else { 18 }, "{}: {printed}", host.name);
    }
}

#[test]
fn a_row_without_its_check_is_noticed() {
    let program = Program::compile().unwrap();
    let all = strata::round(&program, Root::Memory, &["rows", "quick"]).unwrap();
    for (row, _) in table::parse(&all).unwrap() {
        let wrong = strata::round(&program, Root::Memory, &["wrong", &row]);
        let said = wrong.expect_err(&format!("{row}: a wrong expectation was met"));
        assert!(said.contains(&format!("bench: {row}: line ")), "{row}: {said}");
    }
    assert!(strata::round(&program, Root::Memory, &["wrong", "no such row"]).unwrap_err().contains("Exit(2)"));
}

#[test]
fn the_program_belongs_to_its_source() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bench");
    let list = fs::read_to_string(dir.join("SHA256SUMS")).unwrap();
    let listed: Vec<&str> = list.lines().filter_map(|line| Some(line.split_once("  ")?.1)).collect();
    assert_eq!(listed, ["build.sh", "bench.c", "bench.wasm"]);
    for (line, name) in list.lines().zip(listed) {
        let hash: String = Sha256::digest(fs::read(dir.join(name)).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(line, format!("{hash}  {name}"), "run fixtures/bench/build.sh and commit what it writes");
    }
}

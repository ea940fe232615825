//! What is timed is checked, on every host; and the program belongs to its source.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use stratafs_bench::calls::{self, Bench};
use stratafs_bench::cpython::{self, Python};
use stratafs_bench::sampler::Sampler;
use stratafs_bench::section::Section;
use stratafs_bench::strata::{self, Root};
use stratafs_bench::{curves, floor, guests, startup, table};

fn names(rows: &[(String, f64)]) -> Vec<String> {
    rows.iter().map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_host_runs_every_row() {
    let scratch = tempfile::tempdir().unwrap();
    for host in calls::section(&Bench::compile().unwrap(), scratch.path()).hosts {
        // These need not be there.
        let rows = match (host.round)(true) {
            Err(why) if host.name == "node:wasi" && why.contains("No such file") => continue,
            Err(why) if host.name == "wasmer" && why.starts_with("not built: ") => continue,
            rows => names(&rows.unwrap_or_else(|why| panic!("{}: {why}", host.name))),
        };
        match host.name {
            "zip" => assert_eq!(rows.len(), 10, "{rows:?}"),
            calls::FLOOR => assert_eq!(rows.len(), 4, "{rows:?}"),
            name => assert_eq!(rows, calls::ROWS, "{name}"),
        }
    }
}

#[test]
fn a_row_without_its_check_is_noticed() {
    let bench = Bench::compile().unwrap();
    for program in [bench.program(), bench.emscripten.clone()] {
        let round = |mode: &[&str]| strata::round(&bench.engine, &program, Root::Memory, mode);
        let all = round(&["rows", "quick"]).unwrap();
        for (row, _) in table::parse(&all).unwrap() {
            let said = round(&["wrong", &row]).expect_err(&format!("{row}: a wrong expectation was met"));
            assert!(said.contains(&format!("bench: {row}: line ")), "{row}: {said}");
        }
        assert!(round(&["wrong", "no such row"]).unwrap_err().contains("Exit(2)"));
    }
}

fn all_rows(sections: &[Section]) -> BTreeSet<String> {
    let hosts = sections.iter().flat_map(|section| &section.hosts);
    hosts.flat_map(|host| names(&(host.round)(true).unwrap_or_else(|why| panic!("{}: {why}", host.name)))).collect()
}

#[test]
fn many_guests_are_checked() {
    let rows = all_rows(&guests::sections(Path::new(env!("CARGO_BIN_EXE_stratafs-bench"))));
    assert!(rows.contains(guests::IDLE) && rows.contains(guests::PEAK) && rows.contains(guests::FREEZE_FEW), "{rows:?}");
    for row in rows {
        let said = guests::wrong(&row).expect_err(&format!("{row}: a wrong expectation was met"));
        assert!(said.starts_with(&row), "{row}: {said}");
    }
    assert_eq!(guests::wrong("no such row"), Ok(()));
}

#[test]
fn cost_against_size_is_checked() {
    all_rows(&[curves::section()]);
    for row in names(&curves::quick(None).unwrap()) {
        let said = curves::quick(Some(&row)).expect_err(&format!("{row}: a wrong expectation was met"));
        assert!(said.starts_with(&row), "{row}: {said}");
    }
}

#[test]
fn the_floor_is_checked() {
    let mut sampler = Sampler { quick: true, wrong: Some(calls::HOST_CALL.to_owned()), rows: Vec::new() };
    assert!(floor::host_call(&mut sampler).is_err());
}

#[test]
fn a_start_that_says_something_else_is_noticed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let stratafs = dir.path().join("stratafs");
    fs::write(&stratafs, "#!/bin/sh\necho 42\n").unwrap();
    fs::set_permissions(&stratafs, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(startup::stratafs_rows(&stratafs, 2, "42\n").unwrap().len(), 5);
    let said = startup::stratafs_rows(&stratafs, 2, "43\n").unwrap_err();
    assert!(said.contains(r#"it said "42\n", not "43\n""#), "{said}");
    fs::write(&stratafs, "#!/bin/sh\necho 42\nexit 1\n").unwrap();
    assert!(startup::stratafs_rows(&stratafs, 1, "42\n").is_err());
    assert!(startup::stratafs_rows(&dir.path().join("missing"), 1, "42\n").is_err());
}

#[test]
fn cpython_is_checked() {
    let (bench, scratch) = (Bench::compile().unwrap(), tempfile::tempdir().unwrap());
    let python = Python::prepare(&bench.engine, scratch.path()).unwrap();
    // The peers take their time.
    let ours = |wrong: Option<&str>| {
        cpython::section(&python, scratch.path(), wrong).hosts.into_iter().find(|host| host.name == calls::MEMFS).unwrap()
    };
    let rows = names(&(ours(None).round)(true).unwrap());
    assert_eq!(rows.len(), 6);
    for row in rows {
        let said = (ours(Some(&row)).round)(true).expect_err(&format!("{row}: a wrong expectation was met"));
        assert!(said.starts_with(&row), "{row}: {said}");
    }
}

#[test]
fn the_program_belongs_to_its_source() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bench");
    let list = fs::read_to_string(dir.join("SHA256SUMS")).unwrap();
    let listed: Vec<&str> = list.lines().filter_map(|line| Some(line.split_once("  ")?.1)).collect();
    assert_eq!(listed, ["build.sh", "bench.c", "bench.wasm", "bench-emscripten.wasm"]);
    for (line, name) in list.lines().zip(listed) {
        let hash: String = Sha256::digest(fs::read(dir.join(name)).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(line, format!("{hash}  {name}"), "run fixtures/bench/build.sh and commit what it writes");
    }
}

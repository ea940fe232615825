//! The guest programs belong to their sources: what `SHA256SUMS` lists in `fixtures/guests` and `fixtures/emscripten` is what is there.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/guests")
}

fn emscripten() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/emscripten")
}

/// The list, as `sha256sum` writes it: path → hash in hexadecimal.
fn parse(list: &str) -> Result<BTreeMap<String, String>, String> {
    let mut listed = BTreeMap::new();
    for line in list.lines() {
        let (hash, path) = line.split_once("  ").ok_or_else(|| format!("a line that is none: {line}"))?;
        if hash.len() != 64 || listed.insert(path.to_owned(), hash.to_owned()).is_some() {
            return Err(format!("a bad or doubled line: {line}"));
        }
    }
    Ok(listed)
}

/// What must be listed: the script, every source, every program, and each expectation that `build.sh` writes.
fn found(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::from([("build.sh".to_owned(), fs::read(root.join("build.sh")).unwrap())]);
    for (folder, endings) in [("", &["wasm"][..]), ("src/", &["c", "h"]), ("expected/", &["txt"])] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{folder}{}", path.file_name().unwrap().to_str().unwrap());
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if endings.contains(&ending) && name != "expected/wasi_raw.txt" {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// What does not fit: files that differ from the list, that it lacks, or that are gone.
fn differences(listed: &BTreeMap<String, String>, found: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, content) in found {
        let hash: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        match listed.get(path) {
            None => wrong.push(format!("{path} is not listed")),
            Some(other) if *other != hash => wrong.push(format!("{path} has changed")),
            Some(_) => {}
        }
    }
    wrong.extend(listed.keys().filter(|path| !found.contains_key(*path)).map(|path| format!("{path} is gone")));
    wrong
}

/// What is listed of another folder stands there as it is listed.
fn found_elsewhere(root: &Path, listed: &BTreeMap<String, String>) -> BTreeMap<String, Vec<u8>> {
    let others = listed.keys().filter(|path| path.starts_with("../"));
    others.filter_map(|path| Some((path.clone(), fs::read(root.join(path)).ok()?))).collect()
}

fn check(root: &Path, largest: usize) {
    let listed = parse(&fs::read_to_string(root.join("SHA256SUMS")).unwrap()).unwrap();
    let mut found = found(root);
    found.extend(found_elsewhere(root, &listed));
    let wrong = differences(&listed, &found);
    assert!(wrong.is_empty(), "run {}/build.sh and commit what it writes: {wrong:?}", root.display());

    for path in found.keys() {
        if let Some(name) = path.strip_suffix(".wasm") {
            let source = name.strip_suffix("_bigint").unwrap_or(name);
            let places = [format!("src/{source}.c"), format!("../guests/src/{source}.c")];
            assert!(places.iter().any(|place| found.contains_key(place)), "{path} has no source");
            let program = &found[path];
            assert!(program.starts_with(b"\0asm\x01\0\0\0"), "{path} is not a core module");
            assert!(program.len() < largest, "{path} is large: {} bytes", program.len());
        }
        if let Some(name) = path.strip_prefix("src/").and_then(|path| path.strip_suffix(".c")) {
            assert!(found.contains_key(&format!("{name}.wasm")), "{path} is not built");
        }
    }
}

#[test]
fn programs_and_sources_belong_together() {
    check(&guests(), 100 << 10);
}

#[test]
fn programs_of_emscripten_and_sources_belong_together() {
    check(&emscripten(), 100 << 10);
}

#[test]
fn an_edited_source_is_noticed() {
    let listed = parse(&fs::read_to_string(guests().join("SHA256SUMS")).unwrap()).unwrap();
    let mut edited = found(&guests());
    edited.get_mut("src/paths.c").unwrap().push(b'\n');
    assert_eq!(differences(&listed, &edited), ["src/paths.c has changed"]);
    edited.remove("src/paths.c");
    assert_eq!(differences(&listed, &edited), ["src/paths.c is gone"]);
    edited.insert("src/new.c".to_owned(), Vec::new());
    assert_eq!(differences(&listed, &edited), ["src/new.c is not listed", "src/paths.c is gone"]);
    assert!(parse("0123  src/paths.c\n").is_err());
}

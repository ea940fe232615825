//! The invariants of docs/ARCHITECTURE.md, read off the sources and off cargo. Each check is a pure function over a source text,
//! and is shown to find a violation that is made up.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace").to_path_buf()
}

/// Every Rust file below `dir` with its path from there, sorted.
fn sources(dir: &Path) -> Vec<(String, String)> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(at) = todo.pop() {
        for entry in std::fs::read_dir(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches") || part.ends_with("_tests.rs"))
}

/// The lines of code with their numbers: no comments, nothing from the test module at the end on.
fn code(source: &str) -> Vec<(usize, &str)> {
    let lines: Vec<_> = source.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).collect();
    let tests = lines.windows(2).position(|w| w[0].1 == "#[cfg(test)]" && w[1].1.starts_with("mod ") && w[1].1.ends_with('{'));
    let end = tests.unwrap_or(lines.len());
    lines[..end].iter().filter(|(_, line)| !line.starts_with("//")).copied().collect()
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// Lines that name one of `forbidden` as a word, or as a path when it has a `::`.
fn naming(source: &str, forbidden: &[&str]) -> Vec<usize> {
    let names = |line: &str, word: &str| match word.contains("::") {
        true => line.contains(word),
        false => words(line).any(|w| w == word),
    };
    let found = code(source).into_iter().filter(|(_, line)| forbidden.iter().any(|word| names(line, word)));
    found.map(|(number, _)| number).collect()
}

/// Lines that look for slashes to cut at.
fn splitting(source: &str) -> Vec<usize> {
    let cuts =
        ["split(", "splitn(", "rsplit(", "rsplitn(", "split_once(", "rsplit_once(", "position(", "memchr(", "components()"];
    let found = code(source).into_iter().filter(|(_, line)| {
        cuts.iter().any(|cut| line.contains(cut))
            && (line.contains("'/'") || line.contains("\"/\"") || line.contains("components()"))
    });
    found.map(|(number, _)| number).collect()
}

/// The engines among the packages that `cargo tree` prints, one on a line.
fn engines(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| ["wasmtime", "wasmi", "wasmer", "wasmedge", "wasm3"].iter().any(|e| name.starts_with(e))).collect()
}

fn too_long(source: &str) -> bool {
    source.lines().count() > 550
}

fn forbids_unsafe(root: &str) -> bool {
    root.lines().any(|line| line == "#![forbid(unsafe_code)]")
}

/// Lints that a crate which guests reach denies in what is no test.
const PANICS: [&str; 7] = ["unwrap_used", "expect_used", "panic", "unreachable", "todo", "unimplemented", "indexing_slicing"];

fn allowed_panics(root: &str) -> Vec<&'static str> {
    let denied = root.split_once("#![cfg_attr(").and_then(|(_, rest)| rest.split_once(")]")).map_or("", |(denied, _)| denied);
    let fits = denied.trim_start().starts_with("not(test)") && denied.contains("deny(");
    PANICS.into_iter().filter(|lint| !fits || !words(denied).any(|word| word == *lint)).collect()
}

fn report(check: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{check}:\n{}", found.join("\n"));
}

fn each_line(path: &str, lines: Vec<usize>) -> Vec<String> {
    lines.into_iter().map(|line| format!("  {path}:{line}")).collect()
}

const BACKENDS: [&str; 6] = ["memfs", "hostfs", "zipfs", "overlay", "devfs", "faultfs"];

fn is_backend(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    BACKENDS.contains(&first.trim_end_matches(".rs"))
}

#[test]
fn only_the_walk_splits_paths() {
    // The guest's paths are the walk's. A tree's mount points are the embedder's; an archive's member names are its format.
    let may = ["walk.rs", "namespace.rs", "tree.rs", "zipfs/index.rs", "zipfs/pack.rs"];
    let all = sources(&workspace().join("crates/vfs/src"));
    assert!(all.iter().any(|(path, _)| path == "walk.rs"), "the walk has moved");
    let others = all.iter().filter(|(path, _)| !may.contains(&path.as_str()) && !is_test(path));
    report("paths are split outside the walk", others.flat_map(|(path, text)| each_line(path, splitting(text))).collect());
    for (at, text) in all.iter().filter(|(path, _)| path == "walk.rs") {
        assert!(!splitting(text).is_empty(), "{at} does not split paths in a way that this check sees");
    }
}

#[test]
fn backends_know_no_descriptor_process_or_path() {
    let forbidden = [
        "Fd",
        "FdTable",
        "Descriptor",
        "DirFd",
        "OpenFile",
        "OpenHow",
        "Process",
        "ProcessBuilder",
        "Namespace",
        "MountId",
        "Walk",
        "Whence",
        "AccessMode",
        "crate::process",
        "crate::walk",
        "crate::fd_table",
        "crate::namespace",
    ];
    let all = sources(&workspace().join("crates/vfs/src"));
    let backends: Vec<_> = all.iter().filter(|(path, _)| is_backend(path) && !is_test(path)).collect();
    assert!(backends.len() > 10, "the backends have moved");
    let named = |(path, text): &&(String, String)| {
        // The devices call their own entries `Fd`: `/dev/fd/3` is a name there, not a descriptor.
        let from = usize::from(path == "devfs.rs");
        each_line(path, naming(text, &forbidden[from..]))
    };
    report("a backend names what is above it", backends.iter().flat_map(named).collect());
}

#[test]
fn only_hostfs_opens_files_of_the_host() {
    let forbidden =
        ["cap_std", "rustix::fs::open", "use rustix::fs", "File::open", "File::create", "OpenOptions", "fs::read", "fs::write"];
    let all = sources(&workspace().join("crates/vfs/src"));
    let others = all.iter().filter(|(path, _)| !path.starts_with("hostfs/") && !is_test(path));
    report(
        "host files are opened outside hostfs",
        others.flat_map(|(path, text)| each_line(path, naming(text, &forbidden))).collect(),
    );
}

#[test]
fn abis_name_no_backend_and_the_core_names_no_abi() {
    let mut found = Vec::new();
    for abi in ["abi", "wasi", "emscripten"] {
        let dir = workspace().join("crates").join(abi).join("src");
        if !dir.is_dir() {
            continue;
        }
        let forbidden = [
            "memfs", "hostfs", "zipfs", "overlay", "devfs", "faultfs", "MemFs", "HostFs", "ZipFs", "Overlay", "DevFs", "FaultFs",
        ];
        for (path, text) in sources(&dir).iter().filter(|(path, _)| !is_test(path)) {
            found.extend(each_line(&format!("{abi}/{path}"), naming(text, &forbidden)));
        }
    }
    let abis = ["wasi", "emscripten", "stratafs_abi", "stratafs_wasi", "stratafs_emscripten"];
    for (path, text) in sources(&workspace().join("crates/vfs/src")).iter().filter(|(path, _)| !is_test(path)) {
        found.extend(each_line(&format!("vfs/{path}"), naming(text, &abis)));
    }
    report("an ABI and a backend know each other", found);
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(workspace()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Name and direct dependencies (not those for tests) of each package of the workspace.
fn packages() -> Vec<(String, Vec<String>)> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]);
    let metadata: serde_json::Value = serde_json::from_str(&text).expect("cargo prints JSON");
    let package = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter().filter(|dep| dep["kind"].is_null());
        let names = dependencies.map(|dep| dep["name"].as_str().unwrap().to_owned()).collect();
        (package["name"].as_str().unwrap().to_owned(), names)
    };
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

/// Dependencies of a workspace crate on others of the workspace that point the wrong way.
fn wrong_way(package: &str, dependencies: &[String]) -> Vec<String> {
    let may: &[&str] = match package {
        "stratafs" => &[],
        "stratafs-abi" => &["stratafs"],
        "stratafs-wasi" | "stratafs-emscripten" => &["stratafs", "stratafs-abi"],
        "stratafs-wasmtime" | "stratafs-wasmi" => &["stratafs", "stratafs-abi", "stratafs-wasi", "stratafs-emscripten"],
        "stratafs-conformance" => &["stratafs", "stratafs-abi"],
        "stratafs-tests" => return Vec::new(),
        _ => {
            return dependencies
                .iter()
                .filter(|name| ["stratafs-tests", "stratafs-conformance"].contains(&name.as_str()))
                .cloned()
                .collect();
        }
    };
    let ours = dependencies.iter().filter(|name| name.starts_with("stratafs"));
    ours.filter(|name| !may.contains(&name.as_str())).cloned().collect()
}

#[test]
fn crates_depend_downwards() {
    let packages = packages();
    assert!(packages.iter().any(|(name, _)| name == "stratafs"), "the core has another name");
    let found = packages.iter().flat_map(|(name, dependencies)| {
        wrong_way(name, dependencies).into_iter().map(move |other| format!("  {name} depends on {other}"))
    });
    report("a crate depends on one above or beside it", found.collect());
}

#[test]
fn the_core_and_the_abis_depend_on_no_engine() {
    let packages = packages();
    for name in ["stratafs", "stratafs-abi", "stratafs-wasi", "stratafs-emscripten"] {
        if packages.iter().all(|(package, _)| package != name) {
            continue;
        }
        let tree = cargo(&["tree", "--offline", "-p", name, "-e", "normal", "--prefix", "none", "-f", "{p}"]);
        assert!(tree.lines().count() > 5, "cargo tree prints nothing of {name}");
        report(name, engines(&tree).into_iter().map(|engine| format!("  depends on {engine}")).collect());
    }
}

#[test]
fn unsafe_code_is_forbidden() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let krate = entry.unwrap().file_name().into_string().unwrap();
        let roots = sources(&workspace().join("crates").join(&krate).join("src"));
        let roots = roots.iter().filter(|(path, _)| matches!(path.as_str(), "lib.rs" | "main.rs"));
        for (path, text) in roots {
            // Precompiled images are loaded by one small module there, which may; the crate denies it everywhere else.
            let fits = if krate == "wasmtime" { text.contains("#![deny(unsafe_code)]") } else { forbids_unsafe(text) };
            if !fits {
                found.push(format!("  crates/{krate}/src/{path}"));
            }
        }
    }
    for (path, text) in sources(&workspace().join("tests")) {
        let is_root =
            path == "src/lib.rs" || path.starts_with("src/bin/") || path.starts_with("tests/") && path.matches('/').count() == 1;
        if is_root && !forbids_unsafe(&text) {
            found.push(format!("  tests/{path}"));
        }
    }
    report("unsafe code is not forbidden", found);
}

#[test]
fn nothing_that_guests_reach_may_panic() {
    let mut found = Vec::new();
    for krate in ["vfs", "abi", "wasi", "emscripten", "wasmtime", "wasmi"] {
        let path = workspace().join("crates").join(krate).join("src/lib.rs");
        let allowed = allowed_panics(&std::fs::read_to_string(&path).unwrap());
        found.extend(allowed.into_iter().map(|lint| format!("  {}: clippy::{lint} is not denied", path.display())));
    }
    report("a guest might get to a panic", found);
}

#[test]
fn files_stay_short() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        for (path, text) in sources(&dir.join("src")) {
            if too_long(&text) {
                found.push(format!("  {}/src/{path}: {} lines", dir.display(), text.lines().count()));
            }
        }
    }
    report("longer than 550 lines", found);
}

#[test]
fn every_check_finds_what_it_is_for() {
    let source = "// path.split('/') in a comment\nfn f(path: &str) {\n    path.split('/');\n}\n#[cfg(test)]\nmod tests {\n    path.split('/');\n}\n";
    assert_eq!(splitting(source), [3]);
    assert_eq!(splitting("let at = path.iter().rposition(|&b| b == b'/');"), [1]);
    assert_eq!(splitting("Path::new(x).components()"), [1]);
    assert_eq!(splitting("name.split(|&b| b == b'.')"), [0; 0]);

    assert_eq!(naming("use crate::{Fd, Name};\n/// not Fd here\nfn f(fd: OwnedFd, p: SelfFd) {}\n", &["Fd"]), [1]);
    assert_eq!(naming("let x = crate::process::Process;", &["Process"]), [1]);
    assert_eq!(naming("let file = std::fs::File::open(path)?;", &["File::open"]), [1]);
    assert_eq!(naming("use stratafs::memfs::MemFs;", &["memfs"]), [1]);

    assert_eq!(
        engines("stratafs v0.1.0 (/x)\nwasmtime-environ v48.0.0\nbytes v1.0.0\nwasmi v2.0.0\n"),
        ["wasmtime-environ", "wasmi"]
    );
    let depends = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(wrong_way("stratafs", &depends(&["bytes", "stratafs-abi"])), ["stratafs-abi"]);
    assert_eq!(wrong_way("stratafs-wasi", &depends(&["stratafs", "stratafs-wasmtime"])), ["stratafs-wasmtime"]);
    assert_eq!(wrong_way("stratafs-cli", &depends(&["stratafs-tests"])), ["stratafs-tests"]);
    assert_eq!(wrong_way("stratafs-cli", &depends(&["stratafs", "stratafs-conformance"])), ["stratafs-conformance"]);

    assert!(!forbids_unsafe("// #![forbid(unsafe_code)]\n") && forbids_unsafe("//! x\n#![forbid(unsafe_code)]\n"));
    let denied = |lints: &str| format!("#![cfg_attr(not(test), deny({lints}))]");
    let all = PANICS.map(|lint| format!("clippy::{lint}")).join(", ");
    assert!(allowed_panics(&denied(&all)).is_empty() && allowed_panics(&all).len() == 7 && allowed_panics("").len() == 7);
    assert_eq!(allowed_panics(&denied(&all.replace("panic", "other"))), ["panic"]);
    assert!(too_long(&"x\n".repeat(551)) && !too_long(&"x\n".repeat(550)));
    assert!(is_test("memfs/tests/basic.rs") && is_test("args_tests.rs") && !is_test("memfs/dir.rs"));
    assert!(is_backend("devfs.rs") && is_backend("overlay/node.rs") && !is_backend("process/mod.rs"));
}

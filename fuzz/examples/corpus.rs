//! Runs the committed corpora, or those of the targets that are named, without a fuzzer: `cargo run --release --example corpus [TARGET…]`.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let known = |name: &String| stratafs_fuzz::TARGETS.iter().any(|(target, _)| target == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        eprintln!("there is no target {unknown}");
        return ExitCode::from(2);
    }
    for (name, run) in stratafs_fuzz::TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|other| other == name) {
            continue;
        }
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut files: Vec<_> = std::fs::read_dir(&dir).expect("each target has a corpus").map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() > 5, "{}: {} files", dir.display(), files.len());
        let start = Instant::now();
        for file in &files {
            let data = std::fs::read(file).unwrap();
            // A panic names the file, and ends the run.
            if std::panic::catch_unwind(|| run(&data)).is_err() {
                eprintln!("{} fails", file.display());
                return ExitCode::FAILURE;
            }
        }
        println!("{name}: {} files in {} ms", files.len(), start.elapsed().as_millis());
    }
    ExitCode::SUCCESS
}

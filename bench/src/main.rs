//! Measures, prints the tables, writes docs/BENCHMARKS.md.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stratafs_bench::hosts::{self, Program};
use stratafs_bench::table::{self, Column};
use stratafs_bench::{hosts::NATIVE, machine};

const USAGE: &str = "usage: stratafs-bench [--rounds N] [--out FILE] [--quick]

Runs fixtures/bench/bench.wasm on stratafs and on its peers, in rounds in which they take turns, prints how many times as fast as the
native program each one is, and writes everything to docs/BENCHMARKS.md, or to FILE. --quick makes a few calls only: does it run at all?";

struct Options {
    rounds: usize,
    out: PathBuf,
    quick: bool,
}

fn options() -> Option<Options> {
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md");
    let mut options = Options { rounds: 7, out, quick: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => options.rounds = args.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--out" => options.out = args.next()?.into(),
            "--quick" => options.quick = true,
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stratafs-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let machine = machine::describe();
    let scratch = tempfile::tempdir()?;
    let hosts = hosts::all(&Program::compile()?, scratch.path());
    let mode: &[&str] = if options.quick { &["rows", "quick"] } else { &["rows"] };
    let column = |host: &hosts::Host| Column { host: host.name, about: host.about, rounds: Ok(Vec::new()) };
    let mut columns: Vec<Column> = hosts.iter().map(column).collect();
    for round in 1..=options.rounds {
        for (host, column) in hosts.iter().zip(&mut columns) {
            let Ok(rounds) = &mut column.rounds else { continue };
            eprintln!("round {round} of {}: {}", options.rounds, host.name);
            match (host.round)(mode).and_then(|printed| table::parse(&printed)) {
                Ok(rows) => rounds.push(rows),
                Err(why) => {
                    eprintln!("{}: {why}", host.name);
                    column.rounds = Err(why);
                }
            }
        }
    }
    println!("Times as fast as the native program:\n\n{}", table::ratios(&columns, NATIVE));
    println!("Nanoseconds of one call:\n\n{}", table::times(&columns));
    std::fs::write(&options.out, table::page(&columns, options.rounds, &machine))?;
    eprintln!("written: {}", options.out.display());
    Ok(())
}

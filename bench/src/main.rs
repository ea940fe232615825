//! Measures, prints the tables, writes docs/BENCHMARKS.md.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stratafs_bench::calls::{self, Bench};
use stratafs_bench::cpython::{self, Python};
use stratafs_bench::sampler::Sampler;
use stratafs_bench::section::Section;
use stratafs_bench::table::{self, Part};
use stratafs_bench::{curves, goals, guests, machine, micropython, page, startup};

const USAGE: &str = "usage: stratafs-bench [--only SECTION]... [--rounds N] [--out FILE] [--quick]

Runs the same work on stratafs, on its peers and on the kernel, in rounds in which they take turns, prints the figures, and writes everything to
docs/BENCHMARKS.md, or to FILE. Sections: calls, cpython, startup, micropython, guests, memory, threads, curves. With --only some of them, nothing is written but to
--out FILE. --quick makes a few calls only: does it run at all?";

struct Options {
    only: Vec<String>,
    rounds: usize,
    out: Option<PathBuf>,
    quick: bool,
    /// What to measure in this process for another one.
    memory: Option<String>,
}

fn options() -> Option<Options> {
    let mut options = Options { only: Vec::new(), rounds: 7, out: None, quick: false, memory: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => options.only.push(args.next()?),
            "--rounds" => options.rounds = args.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--out" => options.out = Some(args.next()?.into()),
            "--quick" => options.quick = true,
            "--memory" => options.memory = Some(args.next()?),
            _ => return None,
        }
    }
    if options.only.is_empty() && options.out.is_none() {
        options.out = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md"));
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
    if let Some(what) = &options.memory {
        let mut sampler = Sampler::new(options.quick);
        guests::memory(&mut sampler, what)?;
        sampler.rows.iter().for_each(|(row, figure)| println!("{row}\t{figure}"));
        return Ok(());
    }
    let machine = machine::describe();
    let scratch = tempfile::tempdir()?;
    let sections = sections(&options.only, scratch.path())?;
    let parts: Vec<Part> = sections.iter().map(|section| measure(section, options)).collect();
    for part in &parts {
        println!("{}", table::section(part));
    }
    println!("{}", goals::table(&parts, false));
    if let Some(out) = &options.out {
        std::fs::write(out, page::page(&parts, options.rounds, &machine))?;
        eprintln!("written: {}", out.display());
    }
    Ok(())
}

/// The sections that are wanted; what they need is made now.
fn sections(only: &[String], scratch: &Path) -> Result<Vec<Section>, Box<dyn std::error::Error>> {
    const KEYS: [&str; 8] = ["calls", "cpython", "startup", "micropython", "guests", "memory", "threads", "curves"];
    if let Some(unknown) = only.iter().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("--only {unknown}: there is no such section, only {}", KEYS.join(", ")).into());
    }
    let wanted = |key: &str| only.is_empty() || only.iter().any(|only| only == key);
    let mut sections = Vec::new();
    let bench = Bench::compile()?;
    if wanted("calls") {
        sections.push(calls::section(&bench, scratch));
    }
    if wanted("cpython") || wanted("startup") {
        let python = Python::prepare(&bench.engine, scratch)?;
        if wanted("cpython") {
            sections.push(cpython::section(&python, scratch, None));
        }
        if wanted("startup") {
            sections.push(startup::section(&std::env::current_exe()?, python.wasm()));
        }
    }
    if wanted("micropython") {
        sections.push(micropython::section(&bench, scratch));
    }
    sections.extend(guests::sections(&std::env::current_exe()?).into_iter().filter(|section| wanted(section.key)));
    if wanted("curves") {
        sections.push(curves::section());
    }
    Ok(sections)
}

/// Rounds in which the hosts take turns.
fn measure(section: &Section, options: &Options) -> Part {
    let mut part = Part::of(section);
    let rounds = options.rounds.min(section.rounds);
    for round in 1..=rounds {
        for (host, column) in section.hosts.iter().zip(&mut part.columns) {
            let Ok(rows) = &mut column.rounds else { continue };
            eprintln!("{}: round {round} of {rounds}: {}", section.key, host.name);
            match (host.round)(options.quick) {
                Ok(round) => rows.push(round),
                Err(why) => {
                    eprintln!("{}: {why}", host.name);
                    column.rounds = Err(why);
                }
            }
        }
    }
    part
}

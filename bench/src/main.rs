//! Measures, prints the tables, writes docs/BENCHMARKS.md.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stratafs_bench::calls::{self, Bench};
use stratafs_bench::cpython::{self, Python};
use stratafs_bench::probe::Probe;
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
    let mut options = Options { only: Vec::new(), rounds: 15, out: None, quick: false, memory: None };
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
    let (mut machine, mut probe) = (machine::describe(), Probe::default());
    let scratch = tempfile::tempdir()?;
    let sections = sections(&options.only, scratch.path())?;
    let parts: Vec<Part> = sections.iter().map(|section| measure(section, options, &mut probe)).collect();
    machine.push_str(&probe.text());
    for part in &parts {
        println!("{}", table::section(part));
    }
    println!("{}{}", probe.text(), goals::table(&parts, false));
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
fn measure(section: &Section, options: &Options, probe: &mut Probe) -> Part {
    let mut part = Part::of(section);
    let rounds = options.rounds.min(section.rounds);
    for round in 1..=rounds {
        for turn in turns(section.hosts.len(), round, rounds) {
            let (host, column) = (&section.hosts[turn], &mut part.columns[turn]);
            let Ok(rows) = &mut column.rounds else { continue };
            eprintln!("{}: round {round} of {rounds}: {}", section.key, host.name);
            probe.look();
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

/// The order of the hosts in a round: every second round goes backwards, and each two begin elsewhere. A machine that is slow at times should not be so
/// for the same host always.
fn turns(hosts: usize, round: usize, rounds: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..hosts).collect();
    order.rotate_left((round - 1) / 2 * (2 * hosts / rounds).max(1) % hosts.max(1));
    if round.is_multiple_of(2) {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::turns;

    #[test]
    fn every_host_has_its_turn_and_another_is_first() {
        for (hosts, rounds) in [(0, 3), (1, 5), (2, 5), (3, 5), (6, 5), (14, 5), (14, 25)] {
            let mut firsts = Vec::new();
            for round in 1..=rounds {
                let mut order = turns(hosts, round, rounds);
                firsts.extend(order.first().copied());
                order.sort_unstable();
                assert_eq!(order, (0..hosts).collect::<Vec<_>>());
            }
            firsts.sort_unstable();
            firsts.dedup();
            assert!(firsts.len() >= hosts.min(rounds).min(3), "{hosts} hosts in {rounds} rounds: {firsts:?}");
        }
        assert_eq!((turns(3, 1, 5), turns(3, 2, 5), turns(3, 3, 5)), (vec![0, 1, 2], vec![2, 1, 0], vec![1, 2, 0]));
    }
}

//! Runs cases and random sequences on this machine: on its kernel, and on a layer over one of its directories.
#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stratafs::hostfs::{HostFs, HostOptions};
use stratafs::{NodeRef, Result};
use stratafs_conformance::case::{self, Lacks, Need};
use stratafs_conformance::model::search::Search;
use stratafs_conformance::posix::{Answer, Call, Posix};
use stratafs_conformance::subject::{Running, Started, Subject, process};
use stratafs_conformance::tree::{self, Item};
use tempfile::TempDir;

const USAGE: &str = "usage: stratafs-conformance DIRECTORY [SEQUENCES [SEED]], as root";

/// New directories below one of the host's, each a layer.
struct Below(PathBuf);

impl Subject for Below {
    fn name(&self) -> String {
        format!("a layer in {}", self.0.display())
    }

    fn lacks(&self) -> Lacks {
        &[
            (Need::Fifos, "a guest's FIFO in a host directory would reach the host's processes: EPERM"),
            (Need::FineTimes, "its times are the kernel's, whose clock for them stands still for some milliseconds"),
            (Need::StillAccessTimes, "the kernel moves the access time of what is read in a host directory"),
        ]
    }

    fn start(&self, tree: &[Item]) -> io::Result<Box<dyn Running>> {
        let dir = tempfile::tempdir_in(&self.0)?;
        let options = HostOptions { writable: true, ..HostOptions::default() };
        let root = NodeRef::root_of(&HostFs::open(dir.path(), options).map_err(io::Error::other)?);
        tree::plant(&mut process(root.clone()), tree);
        Ok(Box::new(InDirectory { started: Started::on(root), _dir: dir }))
    }
}

struct InDirectory {
    started: Started,
    _dir: TempDir,
}

impl Posix for InDirectory {
    fn call(&mut self, call: Call) -> Result<Answer> {
        self.started.call(call)
    }
}

impl Running for InDirectory {
    fn watcher(&self) -> Box<dyn Posix> {
        self.started.watcher()
    }
}

/// The directory, how many sequences, and the seed.
fn arguments() -> Option<(PathBuf, u32, u64)> {
    let mut arguments = std::env::args_os().skip(1);
    let dir = PathBuf::from(arguments.next()?);
    let mut number = |otherwise: u64| arguments.next().map_or(Some(otherwise), |text| text.to_str()?.parse().ok());
    let (cases, seed) = (number(1000)?, number(1)?);
    let complete = dir.is_dir() && arguments.next().is_none() && rustix::process::geteuid().is_root();
    complete.then_some((dir, u32::try_from(cases).ok()?, seed))
}

fn run(helper: &Path, dir: PathBuf, cases: u32, seed: u64) -> bool {
    let subject = Below(dir);
    let reports = [case::run_on_host(helper), case::run_on(&subject)];
    reports.iter().for_each(|report| println!("{report}"));
    let searched = Search { helper: helper.to_owned(), subject: &subject, cases, seed }.run();
    match &searched {
        Ok(counts) => println!("{}: {counts}", subject.name()),
        Err(difference) => println!("{difference}"),
    }
    searched.is_ok() && reports.iter().all(|report| report.failed.is_empty())
}

fn main() -> ExitCode {
    stratafs_conformance::serve_if_asked();
    let (Some((dir, cases, seed)), Ok(helper)) = (arguments(), std::env::current_exe()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if run(&helper, dir, cases, seed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

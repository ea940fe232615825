//! One module of the tests in one guest.

use std::sync::Arc;
use std::time::Duration;

use stratafs::stream::{CapturedOutput, Stream};
use stratafs::{Layer, Limits, Tree};
use stratafs_conformance::real;
use stratafs_tests::guest::Ended;

use crate::{Place, Runtime};

/// How long a module may take before it is taken for hung.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a test that is known to hang is given to show that it does.
const BRIEFLY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// How a guest ended that did not reach its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Died {
    Hung,
    Trapped,
    Exited,
}

/// A test that was over.
#[derive(Debug)]
pub struct Test {
    pub id: String,
    pub outcome: Outcome,
    pub seconds: f64,
    pub text: String,
}

/// What a guest said.
#[derive(Debug)]
pub struct Ran {
    pub tests: Vec<Test>,
    /// How it died, the test that it was in, and what it said last.
    pub died: Option<(Died, String, String)>,
}

/// Runs a module without some tests.
pub fn module(runtime: &Runtime, place: Place, module: &str, without: &[&str]) -> Ran {
    guest(runtime, place, module, "--without", without, PATIENCE)
}

/// Runs one test that the guest does not survive.
pub fn alone(runtime: &Runtime, place: Place, module: &str, id: &str) -> Ran {
    guest(runtime, place, module, "--only", &[id], BRIEFLY)
}

fn guest(runtime: &Runtime, place: Place, module: &str, how: &str, ids: &[&str], patience: Duration) -> Ran {
    let host = real::scratch().expect("a scratch directory");
    let work = match place {
        Place::Memory => Layer::Memory,
        Place::Overlay => Layer::Overlay(vec![Layer::host(host.path())]),
        Place::Host => Layer::host_writable(host.path()),
    };
    let mut tree = Tree::new(Limits::default())
        .layer("/suite", Layer::host(crate::fixtures()))
        .layer(runtime.home, Layer::Node((runtime.library)()))
        .layer("/work", work);
    for empty in runtime.empty {
        tree = tree.layer(*empty, Layer::Memory);
    }
    let stdout = CapturedOutput::new(64 << 20);
    let module = format!("test.{module}");
    let ran = (runtime.guest)(tree.build().expect("the tree is built"))
        .env("HOME", "/work")
        .args(["/suite/suite.py", "/work", &module, how])
        .args(ids.iter().map(|id| format!("test.{id}")))
        .stdout(Arc::new(stdout.clone()) as Arc<dyn Stream>)
        .timeout(patience)
        .run();
    if place == Place::Overlay {
        assert_eq!(host.path().read_dir().unwrap().count(), 0, "{module} reached the layer below");
    }
    let how = match ran.ended {
        Ended::Exit(0) => None,
        Ended::Exit(code) => Some((Died::Exited, format!("exit code {code}"))),
        Ended::Interrupted => Some((Died::Hung, format!("not over after {patience:?}"))),
        Ended::Trap(why) => Some((Died::Trapped, why)),
    };
    heard(&stdout.text(), how, &ran.stderr)
}

/// An id without what all have in common. A part of a package that does not load, or is skipped, has the part's name.
fn shorter(id: &str) -> String {
    let id = id.strip_prefix("unittest.loader.").and_then(|rest| rest.split_once('.')).map_or(id, |(_, part)| part);
    id.strip_prefix("test.").map_or_else(|| id.replace("(test.", "("), str::to_owned)
}

/// Reads what the driver said.
fn heard(stdout: &str, how: Option<(Died, String)>, stderr: &str) -> Ran {
    let (mut tests, mut within, mut done) = (Vec::new(), String::from("no test"), false);
    for line in stdout.lines().filter_map(|line| line.strip_prefix('\x1e')) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let word = |at: usize| record[at].as_str().unwrap_or_default().to_owned();
        let id = || shorter(&word(1));
        match word(0).as_str() {
            "start" => within = id(),
            "end" => {
                let outcome = match word(2).as_str() {
                    "passed" => Outcome::Passed,
                    "failed" => Outcome::Failed,
                    "skipped" => Outcome::Skipped,
                    _ => panic!("an outcome that is none: {line}"),
                };
                tests.push(Test { id: id(), outcome, seconds: record[3].as_f64().unwrap_or_default(), text: word(4) });
            }
            "done" => done = true,
            _ => panic!("a line that is none: {line}"),
        }
    }
    let how = how.or_else(|| (!done).then(|| (Died::Exited, "it left before the end".to_owned())));
    let last: Vec<&str> = stderr.lines().rev().take(12).collect();
    let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
    Ran { tests, died: how.map(|(died, why)| (died, within, format!("{why}\n{last}"))) }
}

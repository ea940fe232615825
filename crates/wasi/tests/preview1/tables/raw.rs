//! Arguments that no compiler makes, for every function: generated from the list.

use std::collections::BTreeMap;

use stratafs_abi::{Flow, Function};
use stratafs_conformance::table::{Expect, SCRATCH, mutations};
use stratafs_wasi::FUNCTIONS;

use super::guest;
use crate::calls::good;
use crate::guest::{Guest, errno, state};

/// What a call answers, as a table shows it.
fn answer(g: &mut Guest, f: &Function, args: &[u64]) -> String {
    match g.flow(f.about.name, args) {
        Flow::Done(Some(number)) => errno(number).map_or_else(|errno| errno.name().to_owned(), |()| "0".to_owned()),
        Flow::Done(None) => "nothing".to_owned(),
        Flow::Wait(_) => "waits".to_owned(),
        Flow::Exit(_) | Flow::Abort => "exit".to_owned(),
    }
}

/// A guest with good arguments for the function, and room for others.
fn start(f: &Function) -> (Guest, Vec<u64>, u64) {
    let mut g = guest(|builder| builder);
    let args = good(&mut g, f.about.name);
    let scratch = g.alloc(SCRATCH as u32).next_multiple_of(8);
    (g, args, scratch)
}

fn try_all(f: &Function, answers: &mut BTreeMap<String, Vec<String>>) -> usize {
    let (mut g, args, scratch) = start(f);
    let all = mutations(f, &args, &g.memory, scratch);
    let wanted = answer(&mut g, f, &args);
    for mutation in &all {
        let (mut g, ..) = start(f);
        for (at, bytes) in &mutation.patch {
            g.memory[*at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        let before = (state(&mut g.process), g.memory.clone());
        let got = answer(&mut g, f, &mutation.args);
        let text = format!("{} with {}", f.about.name, mutation.what);
        match mutation.expect {
            Expect::Same => assert_eq!(got, wanted, "{text}"),
            // There are no sockets: nothing is looked at.
            Expect::Fault if f.about.name.starts_with("sock_") => assert_eq!(got, "ENOTSOCK", "{text}"),
            Expect::Fault => assert_eq!(got, "EFAULT", "{text}"),
            Expect::Anything => {}
        }
        if got.starts_with('E') {
            assert!(before.1 == g.memory, "{text}: memory changed");
            assert_eq!(before.0, state(&mut g.process), "{text}");
        }
        assert_eq!(g.memory.len(), before.1.len());
        answers.entry(got).or_default().push(mutation.what.clone());
    }
    all.len()
}

#[test]
fn raw_arguments_are_survived_and_answered() {
    let (mut text, mut tried) = (String::new(), 0);
    for f in FUNCTIONS {
        let mut answers = BTreeMap::new();
        tried += try_all(f, &mut answers);
        text += f.about.name;
        for (answer, what) in answers {
            text += &format!("\n  {answer}: {}", what.join(", "));
        }
        text += "\n";
    }
    println!("{tried} calls of {} functions", FUNCTIONS.len());
    assert!(tried > 1000, "{tried}");
    insta::assert_snapshot!("raw", text);
}

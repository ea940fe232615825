//! Arguments that no compiler makes, for every function: generated from the lists.

use std::collections::BTreeMap;

use stratafs_abi::{Flow, Function};
use stratafs_conformance::table::{Expect, SCRATCH, mutations};
use stratafs_emscripten::Generation;

use crate::calls::{all, good, guest};
use crate::guest::{Guest, answer, state};

/// What a call answers, as a table shows it: an error, or that it goes through.
fn outcome(g: &mut Guest, f: &Function, args: &[u64]) -> String {
    match f.call(&mut stratafs_abi::Call::new(&mut g.process, stratafs_abi::GuestMemory::borrowed(&mut g.memory)), args) {
        Flow::Done(Some(number)) => answer(number).map_or_else(|errno| errno.name().to_owned(), |_| "0".to_owned()),
        Flow::Done(None) => "nothing".to_owned(),
        Flow::Wait(_) => "waits".to_owned(),
        Flow::Exit(_) | Flow::Abort => "exit".to_owned(),
    }
}

/// A guest with good arguments for the function, and room for others.
fn start(generation: Generation, f: &Function) -> (Guest, Vec<u64>, u64) {
    let mut g = guest(generation);
    let args = good(&mut g, f.about.name);
    let scratch = g.alloc(SCRATCH as u32).next_multiple_of(8);
    (g, args, scratch)
}

fn try_all(generation: Generation, f: &Function, answers: &mut BTreeMap<String, Vec<String>>) -> usize {
    let (mut g, args, scratch) = start(generation, f);
    let all = mutations(f, &args, &g.memory, scratch);
    let wanted = outcome(&mut g, f, &args);
    for mutation in &all {
        let (mut g, ..) = start(generation, f);
        for (at, bytes) in &mutation.patch {
            g.memory[*at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        let before = (state(&mut g.process), g.memory.clone());
        let got = outcome(&mut g, f, &mutation.args);
        let text = format!("{} with {}", f.about.name, mutation.what);
        match mutation.expect {
            Expect::Same => assert_eq!(got, wanted, "{text}"),
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
    let (mut text, mut tried, mut functions) = (String::new(), 0, 0);
    for (generation, f) in all() {
        let mut answers = BTreeMap::new();
        tried += try_all(generation, f, &mut answers);
        functions += 1;
        text += f.about.name;
        if generation == Generation::Split {
            text += " of 3.1.6";
        }
        for (answer, what) in answers {
            text += &format!("\n  {answer}: {}", what.join(", "));
        }
        text += "\n";
    }
    println!("{tried} calls of {functions} functions");
    assert!(tried > 2000, "{tried}");
    insta::assert_snapshot!("raw", text);
}

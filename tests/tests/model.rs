//! Random sequences of calls on every backend, compared with the real operating system after each step.
//!
//! `STRATAFS_MODEL_CASES` is the number of sequences for each backend, `STRATAFS_MODEL_SEED` gives others.
#![forbid(unsafe_code)]

use stratafs_conformance::model::search::Search;
use stratafs_conformance::subject::Subject;
use stratafs_tests::backends::Backend;
use stratafs_tests::each_backend;

const CASES: u32 = 1000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[track_caller]
fn on(backend: Backend) {
    assert!(rustix::process::geteuid().is_root(), "the oracle is Linux as root sees it: run the tests as root");
    let search = Search {
        helper: env!("CARGO_BIN_EXE_real_posix").into(),
        subject: &backend,
        cases: u32::try_from(number("STRATAFS_MODEL_CASES", CASES.into())).expect("fewer sequences"),
        seed: number("STRATAFS_MODEL_SEED", 1),
    };
    let counts = search.run().unwrap_or_else(|difference| panic!("{difference}"));
    let (calls, succeeded) = counts.total();
    println!("{}: {counts}", backend.name());
    assert!(counts.shortest() >= 40, "only {} calls in a sequence", counts.shortest());
    assert!(succeeded * 3 >= calls, "only {succeeded} of {calls} calls succeeded");
    for (name, (_, good)) in &counts.calls {
        assert!(*good > 0, "no {name} succeeded");
    }
}

each_backend! { on, overlay_frozen_while_it_is_used: [FrozenAtTimes], }

mod open_flags {
    use std::sync::OnceLock;

    use stratafs_conformance::case::Need;
    use stratafs_conformance::model::op::Start;
    use stratafs_conformance::model::open_flags::record;
    use stratafs_conformance::model::oracle::Step;
    use stratafs_conformance::model::replay::replay;
    use stratafs_conformance::model::snapshot::Tree;
    use stratafs_conformance::subject::Subject;
    use stratafs_tests::backends::Backend;
    use stratafs_tests::each_backend;

    /// What Linux does with a FIFO among the files, and without.
    static RECORDED: [OnceLock<(Tree, Vec<Step>)>; 2] = [OnceLock::new(), OnceLock::new()];

    fn on(backend: Backend) {
        let fifos = backend.lacks().iter().all(|(need, _)| *need != Need::Fifos);
        let recorded = RECORDED[usize::from(fifos)]
            .get_or_init(|| record(env!("CARGO_BIN_EXE_real_posix").as_ref(), fifos).expect("the oracle answers"));
        let (start, steps) = recorded;
        let good = steps.iter().filter(|step| step.answer.is_ok()).count();
        println!("{}: {} calls, {good} succeed on Linux", backend.name(), steps.len());
        if let Err(difference) = replay(&backend, Start::Empty, start, steps) {
            let from = difference.step.unwrap_or(0);
            let before: Vec<_> = steps[from.saturating_sub(6)..=from].iter().map(|step| format!("  {:?}", step.call)).collect();
            panic!("{}: {}\n{}", backend.name(), difference.what, before.join("\n"));
        }
        assert!(steps.len() > 200_000, "only {} calls", steps.len());
    }

    each_backend! { on, overlay_frozen_while_it_is_used: [FrozenAtTimes], }
}

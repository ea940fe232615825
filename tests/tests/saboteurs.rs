//! Random sequences find bugs: each of these, put into a backend on purpose, within a thousand.
#![forbid(unsafe_code)]

use stratafs_conformance::model::search::Search;
use stratafs_conformance::subject::Subject;
use stratafs_tests::backends::{Backend, Kind};
use stratafs_tests::saboteur::{Bug, Saboteur};

const CASES: u32 = 1000;

fn first_difference(saboteur: Saboteur, cases: u32) -> Option<u64> {
    let helper = env!("CARGO_BIN_EXE_real_posix").into();
    let found = Search { helper, subject: &saboteur, cases, seed: 1 }.first().expect("the oracle answers");
    found.map(|(sequences, difference)| {
        println!("{}: sequence {sequences}: {}", saboteur.name(), difference.what);
        sequences
    })
}

#[test]
fn the_saboteur_itself_changes_nothing() {
    for backend in [Backend::Memory, Backend::FrozenAtTimes] {
        assert_eq!(first_difference(Saboteur { backend, bug: Bug::None }, 100), None);
    }
}

macro_rules! found {
    ($($name:ident: $bug:ident in $backend:expr,)*) => {
        $(#[test]
        fn $name() {
            let found = first_difference(Saboteur { backend: $backend, bug: Bug::$bug }, CASES);
            assert!(found.is_some(), "not in {CASES} sequences");
        })*
    };
}

found! {
    a_whiteout_that_leaks: WhiteoutLeaks in Backend::Over(Kind::Memory, Kind::Memory),
    an_offset_that_dup_does_not_share: OffsetNotShared in Backend::Memory,
    a_link_count_off_by_one: LinkCountOffByOne in Backend::Memory,
    a_rename_into_itself: RenameIntoItself in Backend::Memory,
    a_truncation_that_needs_write: TruncateNeedsWrite in Backend::Memory,
    an_append_at_the_offset: AppendAtOffset in Backend::Memory,
    a_stale_negative_cache: StaleNegativeCache in Backend::FrozenAtTimes,
    a_hole_that_is_not_zeroed: HoleNotZeroed in Backend::Memory,
    a_cookie_that_is_lost: CookieLost in Backend::Memory,
    an_exclusive_open_that_is_not: ExclusiveIgnored in Backend::Memory,
    a_full_directory_that_is_removed: FullDirectoryRemoved in Backend::FrozenAtTimes,
    a_slash_that_is_ignored: SlashIgnored in Backend::Memory,
    an_umask_that_is_ignored: UmaskIgnored in Backend::Memory,
    an_unlinked_file_that_is_empty: UnlinkedIsEmpty in Backend::Memory,
    a_set_id_bit_that_survives_chown: SetIdSurvivesChown in Backend::Memory,
    a_removal_that_leaves_the_times: RemovalLeavesTimes in Backend::Memory,
    a_rename_that_changes_the_inode_number: RenameChangesInode in Backend::Memory,
    an_early_reader_that_keeps_the_old: EarlyReaderKeepsOld in Backend::Over(Kind::Memory, Kind::Memory),
}

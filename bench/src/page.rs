//! docs/BENCHMARKS.md.

use std::fmt::Write;

use crate::goals;
use crate::table::{Part, section};

/// The whole page.
#[must_use]
pub fn page(parts: &[Part], rounds: usize, machine: &str) -> String {
    let mut text = String::from(
        "# Benchmarks\n\n\
         Written by `cargo run --release -p stratafs-bench`; do not edit. Everything was measured in one run, and every result was checked. ",
    );
    _ = writeln!(
        text,
        "Each figure is the median of up to {rounds} rounds, in which the hosts take turns in changing order, and ± half the width of the middle half of the rounds.\n"
    );
    text.push_str(machine);
    _ = write!(
        text,
        "\n## Goals\n\nRatios of this run: of the medians, which are what counts, and of each host's fastest round, in which others took the least of the \
         machine.\n\n{}",
        goals::table(parts, true)
    );
    for part in parts {
        _ = write!(text, "\n{}", section(part));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::part;

    #[test]
    fn the_page_has_every_section_and_the_goals() {
        let page = page(&[part()], 3, "- processor: a slow one\n");
        for expected in
            ["median of up to 3 rounds", "a slow one", "## Goals", "| yes |", "| not measured |", "\n## Calls\n", "1,200 ±"]
        {
            assert!(page.contains(expected), "{expected}: {page}");
        }
    }
}

//! What was measured, and how it is written down.

use std::fmt::Write;

use crate::goals::{self, Goal};
use crate::hosts::{MEMFS, NATIVE, WASI_BLOCKING};

/// The figures of one host, or why there are none.
pub struct Column {
    /// The host's name.
    pub host: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Nanoseconds of each row in each round.
    pub rounds: Result<Vec<Vec<(String, f64)>>, String>,
}

/// What a program printed: a row and its nanoseconds on each line.
///
/// # Errors
/// When a line is none, or there is no line.
pub fn parse(printed: &str) -> Result<Vec<(String, f64)>, String> {
    let row = |line: &str| {
        let (name, nanos) = line.split_once('\t')?;
        let nanos = nanos.parse().ok().filter(|&nanos: &f64| nanos > 0.0)?;
        Some((name.to_owned(), nanos))
    };
    let rows = printed.lines().map(|line| row(line).ok_or_else(|| format!("a line that is no figure: {line}")));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() { Err("it printed no figures".to_owned()) } else { Ok(rows) }
}

/// The median of a row's rounds, and the middle half's width in parts of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Nanoseconds.
    pub median: f64,
    /// The distance between the first and the third quartile, divided by the median.
    pub spread: f64,
}

impl Figure {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |quarters: usize| values.get((values.len().checked_sub(1)? * quarters + 2) / 4).copied();
        let median = at(2)?;
        Some(Figure { median, spread: (at(3)? - at(1)?) / median })
    }
}

impl Column {
    /// A row's figure, if the host has it.
    #[must_use]
    pub fn figure(&self, row: &str) -> Option<Figure> {
        let rounds = self.rounds.as_ref().ok()?;
        Figure::of(rounds.iter().flatten().filter(|(name, _)| name == row).map(|&(_, nanos)| nanos).collect())
    }

    fn rows(&self) -> Vec<&str> {
        let first = self.rounds.as_ref().ok().and_then(|rounds| rounds.first());
        first.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }
}

/// The figures of the host with that name.
fn column<'a>(columns: &'a [Column], host: &str) -> Option<&'a Column> {
    columns.iter().find(|column| column.host == host)
}

/// A row's median on a host.
#[must_use]
pub fn median(columns: &[Column], host: &str, row: &str) -> Option<f64> {
    Some(column(columns, host)?.figure(row)?.median)
}

fn nanos(nanos: f64) -> String {
    if nanos < 100.0 {
        return format!("{nanos:.1}");
    }
    let digits = format!("{nanos:.0}");
    let from_end = digits.len();
    digits.char_indices().fold(String::new(), |mut text, (at, digit)| {
        if at > 0 && (from_end - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
        text
    })
}

fn grid(columns: &[Column], cell: impl Fn(&Column, &str) -> Option<String>) -> String {
    let there: Vec<&Column> = columns.iter().filter(|column| column.rounds.is_ok()).collect();
    let mut text = String::from("| |");
    there.iter().for_each(|column| _ = write!(text, " {} |", column.host));
    text.push_str("\n|---|");
    text.push_str(&"--:|".repeat(there.len()));
    let rows = column(columns, NATIVE).filter(|column| column.rounds.is_ok()).or(there.first().copied());
    for row in rows.map(Column::rows).unwrap_or_default() {
        _ = write!(text, "\n| {row} |");
        for column in &there {
            _ = write!(text, " {} |", cell(column, row).as_deref().unwrap_or("–"));
        }
    }
    text + "\n"
}

/// Nanoseconds of one call, with the spread.
#[must_use]
pub fn times(columns: &[Column]) -> String {
    grid(columns, |column, row| {
        let figure = column.figure(row)?;
        Some(format!("{} ±{:.0} %", nanos(figure.median), figure.spread * 50.0))
    })
}

/// How many times as fast as the host `base` each one is.
#[must_use]
pub fn ratios(columns: &[Column], base: &str) -> String {
    grid(columns, |column, row| Some(format!("{:.2}", median(columns, base, row)? / column.figure(row)?.median)))
}

/// What is aimed at, with the figure beside it.
#[must_use]
pub fn goals(columns: &[Column]) -> String {
    let mut text = String::from("| goal | at least | here | |\n|---|--:|--:|---|\n");
    for Goal { row, fast, slow, at_least } in goals::all() {
        let figure = || Some(median(columns, slow.1, slow.0.unwrap_or(row))? / median(columns, fast, row)?);
        let what = match slow.0 {
            Some(other) => format!("{row} on {fast}, times as fast as {other}"),
            None => format!("{row} on {fast}, times as fast as {}", slow.1),
        };
        _ = match figure() {
            Some(ratio) => {
                let verdict = if ratio >= at_least { "yes" } else { "**not yet**" };
                writeln!(text, "| {what} | {at_least:.2} | {ratio:.2} | {verdict} |")
            }
            None => writeln!(text, "| {what} | {at_least:.2} | – | not measured |"),
        };
    }
    text
}

/// The whole page.
#[must_use]
pub fn page(columns: &[Column], rounds: usize, machine: &str) -> String {
    let mut text = String::from(
        "# Benchmarks\n\n\
         Written by `cargo run --release -p stratafs-bench`; do not edit. One C program (`fixtures/bench/bench.c`) times file calls from inside \
         the guest and checks every result. Its files are three directories deep, host directories lie on a tmpfs. ",
    );
    _ = writeln!(
        text,
        "Each figure is the median of {rounds} rounds, in which the hosts take turns, and ± half the width of the middle half of the rounds.\n"
    );
    text.push_str(machine);
    text.push_str("\n## Hosts\n\n");
    for column in columns {
        _ = match &column.rounds {
            Ok(_) => writeln!(text, "- **{}**: {}", column.host, column.about),
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                writeln!(text, "- **{}**: {}. **Missing**: {why}", column.host, column.about)
            }
        };
    }
    text.push_str("- **wasi-common** and **wasmer** are missing: they need an engine of their own, which one build cannot hold beside this one.\n");
    _ = write!(text, "\n## Nanoseconds of one call\n\n{}", times(columns));
    _ = write!(text, "\n## Times as fast as the native program\n\n{}", ratios(columns, NATIVE));
    _ = write!(text, "\n## Times as fast as {WASI_BLOCKING}\n\n{}", ratios(columns, WASI_BLOCKING));
    _ = write!(text, "\n## Goals\n\nRatios of medians of this run; {MEMFS} is the memory layer.\n\n{}", goals(columns));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        let rounds = |stat: [f64; 3]| Ok(stat.map(|nanos| vec![("stat".to_owned(), nanos)]).to_vec());
        vec![
            Column { host: NATIVE, about: "", rounds: rounds([1000.0, 1300.0, 1200.0]) },
            Column { host: MEMFS, about: "", rounds: rounds([100.0, 120.0, 90.0]) },
            Column { host: WASI_BLOCKING, about: "a peer", rounds: Err("it does not build\nat all".to_owned()) },
        ]
    }

    #[test]
    fn figures_are_medians_with_their_spread() {
        assert_eq!(Figure::of(vec![3.0, 1.0, 2.0, 5.0, 4.0]), Some(Figure { median: 3.0, spread: 2.0 / 3.0 }));
        assert_eq!(Figure::of(Vec::new()), None);
        assert_eq!(median(&columns(), NATIVE, "stat"), Some(1200.0));
        assert!(times(&columns()).contains("| stat | 1,200 ±"), "{}", times(&columns()));
        assert!(ratios(&columns(), NATIVE).contains("| stat | 1.00 | 12.00 |"));
    }

    #[test]
    fn a_missing_host_is_reported_and_has_no_figures() {
        let page = page(&columns(), 3, "");
        assert!(page.contains("a peer. **Missing**: it does not build\n"), "{page}");
        assert!(page.contains(&format!("| stat on {MEMFS}, times as fast as {NATIVE} | 5.00 | 12.00 | yes |")), "{page}");
        assert!(page.contains("| not measured |") && !page.contains("| 0.00 |"), "{page}");
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        assert_eq!(parse("stat\t12.5\n").unwrap(), [("stat".to_owned(), 12.5)]);
        for bad in ["", "stat 12.5\n", "stat\tfast\n", "stat\t0.00\n", "stat\tNaN\n"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}

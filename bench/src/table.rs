//! What was measured, and how it is written down.

use std::fmt::Write;

use crate::section::{Rows, Section, Unit};

/// The figures of one host, or why there are none.
pub struct Column {
    /// The host's name.
    pub host: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The rows of each round.
    pub rounds: Result<Vec<Rows>, String>,
}

/// A section that was measured.
pub struct Part {
    /// Its heading.
    pub title: &'static str,
    /// What was done.
    pub about: &'static str,
    /// What its figures are.
    pub unit: Unit,
    /// The hosts that the others are compared with.
    pub bases: &'static [&'static str],
    /// Its hosts.
    pub columns: Vec<Column>,
}

impl Part {
    /// Of a section that nobody has measured yet.
    #[must_use]
    pub fn of(section: &Section) -> Self {
        let column = |host: &crate::section::Host| Column { host: host.name, about: host.about, rounds: Ok(Vec::new()) };
        let columns = section.hosts.iter().map(column).collect();
        Part { title: section.title, about: section.about, unit: section.unit, bases: section.bases, columns }
    }
}

/// What a program printed: a row and its figure on each line.
///
/// # Errors
/// When a line is none, or there is no line.
pub fn parse(printed: &str) -> Result<Rows, String> {
    let row = |line: &str| {
        let (name, figure) = line.split_once('\t')?;
        let figure = figure.parse().ok().filter(|&figure: &f64| figure > 0.0)?;
        Some((name.to_owned(), figure))
    };
    let rows = printed.lines().map(|line| row(line).ok_or_else(|| format!("a line that is no figure: {line}")));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() { Err("it printed no figures".to_owned()) } else { Ok(rows) }
}

/// The median of a row's rounds, the middle half's width in parts of it, and the lowest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The median.
    pub median: f64,
    /// The distance between the first and the third quartile, divided by the median.
    pub spread: f64,
    /// The figure of the round with the lowest one.
    pub lowest: f64,
}

impl Figure {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |quarters: usize| values.get((values.len().checked_sub(1)? * quarters + 2) / 4).copied();
        let median = at(2)?;
        Some(Figure { median, spread: (at(3)? - at(1)?) / median, lowest: at(0)? })
    }
}

impl Column {
    /// A row's figure, if the host has it.
    #[must_use]
    pub fn figure(&self, row: &str) -> Option<Figure> {
        let rounds = self.rounds.as_ref().ok()?;
        Figure::of(rounds.iter().flatten().filter(|(name, _)| name == row).map(|&(_, nanos)| nanos).collect())
    }

    fn rows(&self) -> impl Iterator<Item = &str> {
        let first = self.rounds.as_ref().ok().and_then(|rounds| rounds.first());
        first.into_iter().flatten().map(|(name, _)| name.as_str())
    }
}

/// A row's figure on a host.
#[must_use]
pub fn figure<'a>(columns: impl IntoIterator<Item = &'a Column>, host: &str, row: &str) -> Option<Figure> {
    columns.into_iter().filter(|column| column.host == host).find_map(|column| column.figure(row))
}

/// A figure with its digits in threes.
#[must_use]
pub fn shown(figure: f64, unit: Unit) -> String {
    let figure = if unit == Unit::Millis { figure / 1e6 } else { figure };
    if figure < 100.0 && unit != Unit::Bytes {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
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
    let mut rows: Vec<&str> = Vec::new();
    for row in there.iter().flat_map(|column| column.rows()) {
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    for row in rows {
        let cells: Vec<_> = there.iter().map(|column| cell(column, row)).collect();
        if cells.iter().any(Option::is_some) {
            _ = write!(text, "\n| {row} |");
            cells.iter().for_each(|cell| _ = write!(text, " {} |", cell.as_deref().unwrap_or("–")));
        }
    }
    text + "\n"
}

/// The figures, with their spread.
#[must_use]
pub fn figures(part: &Part) -> String {
    grid(&part.columns, |column, row| {
        let figure = column.figure(row)?;
        Some(format!("{} ±{:.0} %", shown(figure.median, part.unit), figure.spread * 50.0))
    })
}

/// How many times as fast as the host `base` each one is, in the rows that `base` has.
#[must_use]
pub fn ratios(part: &Part, base: &str) -> String {
    grid(&part.columns, |column, row| {
        Some(format!("{:.2}", figure(&part.columns, base, row)?.median / column.figure(row)?.median))
    })
}

/// A section of the page.
#[must_use]
pub fn section(part: &Part) -> String {
    let mut text = format!("## {}\n\n{}\n\n", part.title, part.about);
    for column in &part.columns {
        _ = match &column.rounds {
            Ok(_) => writeln!(text, "- **{}**: {}", column.host, column.about),
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                writeln!(text, "- **{}**: {}. **Missing**: {why}", column.host, column.about)
            }
        };
    }
    _ = write!(text, "\n{}:\n\n{}", part.unit.name(), figures(part));
    for base in part.bases {
        _ = write!(text, "\nTimes as fast as {base}:\n\n{}", ratios(part, base));
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn part() -> Part {
        let rounds = |stat: [f64; 3]| Ok(stat.map(|nanos| vec![("stat".to_owned(), nanos)]).to_vec());
        let columns = vec![
            Column { host: "native", about: "the kernel", rounds: rounds([1000.0, 1300.0, 1200.0]) },
            Column { host: "memfs", about: "", rounds: rounds([100.0, 120.0, 90.0]) },
            Column { host: "peer", about: "a peer", rounds: Err("it does not build\nat all".to_owned()) },
            Column { host: "floor", about: "", rounds: Ok(vec![vec![("empty".to_owned(), 5.0)]]) },
        ];
        Part { title: "Calls", about: "", unit: Unit::Nanos, bases: &["native"], columns }
    }

    #[test]
    fn figures_are_medians_with_their_spread() {
        assert_eq!(Figure::of(vec![3.0, 1.0, 2.0, 5.0, 4.0]), Some(Figure { median: 3.0, spread: 2.0 / 3.0, lowest: 1.0 }));
        assert_eq!(Figure::of(Vec::new()), None);
        assert_eq!(figure(&part().columns, "native", "stat").map(|figure| figure.median), Some(1200.0));
        assert!(figures(&part()).contains("| stat | 1,200 ±"), "{}", figures(&part()));
        assert!(figures(&part()).contains("| empty | – | – | 5.0 ±0 % |"), "{}", figures(&part()));
        assert!(ratios(&part(), "native").contains("| stat | 1.00 | 12.00 | – |"));
        assert!(!ratios(&part(), "native").contains("empty"));
    }

    #[test]
    fn units_are_kept_apart() {
        assert_eq!(shown(38_400_000.0, Unit::Millis), "38.4");
        assert_eq!(shown(1_234_567.0, Unit::Bytes), "1,234,567");
        assert_eq!(shown(99.0, Unit::Bytes), "99");
        assert_eq!(shown(99.0, Unit::Nanos), "99.0");
    }

    #[test]
    fn a_missing_host_is_reported_and_has_no_figures() {
        let page = section(&part());
        assert!(page.contains("a peer. **Missing**: it does not build\n"), "{page}");
        assert!(!page.contains("| 0.00 |") && !page.contains("| peer |"), "{page}");
    }

    #[test]
    fn what_is_no_figure_is_refused() {
        assert_eq!(parse("stat\t12.5\n").unwrap(), [("stat".to_owned(), 12.5)]);
        for bad in ["", "stat 12.5\n", "stat\tfast\n", "stat\t0.00\n", "stat\tNaN\n"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}

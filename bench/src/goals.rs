//! What is aimed at, with the figure beside it.

use std::fmt::Write;

use crate::calls::{EMSCRIPTEN, FLOOR, HOST_CALL, MEMFS, NATIVE, WASI_BLOCKING, WASI_COMMON};
use crate::section::Unit;
use crate::table::{self, Part, figure, shown};
use crate::{cpython, curves, guests, micropython, startup};

/// A row on a host.
pub type Cell = (&'static str, &'static str);

/// What is looked at.
#[derive(Debug, Clone, Copy)]
enum Figure {
    /// The second one's time in that of the first.
    TimesAsFast(Cell, Cell),
    /// The first one's cost in that of the second.
    Cost(Cell, Cell),
    /// The figure itself.
    Value(Cell, Unit),
}

/// A figure, and what it should be.
#[derive(Debug, Clone, Copy)]
struct Goal {
    figure: Figure,
    bound: f64,
}

impl Goal {
    fn text(&self) -> String {
        match self.figure {
            Figure::TimesAsFast((host, row), (slow, other)) if row == other => format!("{row}: {host}, times as fast as {slow}"),
            Figure::TimesAsFast((host, row), (_, other)) => format!("{row}: {host}, times as fast as {other}"),
            Figure::Cost((host, row), (other, same)) if row == same => format!("{row}: {host}, in that of {other}"),
            Figure::Cost((host, row), (_, other)) => format!("{row}: {host}, in {other}"),
            Figure::Value((host, row), unit) => format!("{row}: {host}, {}", unit.name().to_lowercase()),
        }
    }

    /// The bound as it is shown.
    fn wanted(&self) -> String {
        match self.figure {
            Figure::TimesAsFast(..) => format!("≥ {:.2}", self.bound),
            Figure::Cost(..) => format!("≤ {:.2}", self.bound),
            Figure::Value(_, unit) => format!("≤ {}", shown(self.bound, unit)),
        }
    }

    /// Whether what was measured is good enough; the ratio of the medians, and that of the fastest rounds, as they are shown.
    fn met(&self, parts: &[Part]) -> Option<(Verdict, String, String)> {
        let of = |(host, row): Cell| figure(parts.iter().flat_map(|part| &part.columns), host, row);
        // By how much a ratio could be better if both figures were at the edge of their middle half.
        let two = |over: table::Figure, under: table::Figure| {
            (over.median / under.median, over.lowest / under.lowest, (over.spread + under.spread) / 2.0)
        };
        let shown_two = |medians: f64, fastest: f64| (format!("{medians:.2}"), format!("{fastest:.2}"));
        let (verdict, (medians, fastest)) = match self.figure {
            Figure::TimesAsFast(fast, slow) => {
                let (ratio, fastest, margin) = two(of(slow)?, of(fast)?);
                let good = |ratio: f64| ratio >= self.bound;
                (Verdict::of(good(ratio), good(fastest), good(ratio * (1.0 + margin))), shown_two(ratio, fastest))
            }
            Figure::Cost(dear, cheap) => {
                let (ratio, fastest, margin) = two(of(dear)?, of(cheap)?);
                let good = |ratio: f64| ratio <= self.bound;
                (Verdict::of(good(ratio), good(fastest), good(ratio * (1.0 - margin))), shown_two(ratio, fastest))
            }
            Figure::Value(cell, unit) => {
                let table::Figure { median, lowest, .. } = of(cell)?;
                let good = |value: f64| value <= self.bound;
                (Verdict::of(good(median), good(lowest), false), (shown(median, unit), shown(lowest, unit)))
            }
        };
        Some((verdict, medians, fastest))
    }
}

/// How a figure stands to its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    /// Missed by the medians, and met by the fastest rounds, in which others took the least of the machine.
    Fastest,
    /// Missed by less than the figures' spread.
    Close,
    Missed,
}

impl Verdict {
    fn of(met: bool, fastest: bool, close: bool) -> Self {
        match (met, fastest, close) {
            (true, ..) => Verdict::Met,
            (_, true, _) => Verdict::Fastest,
            (.., true) => Verdict::Close,
            _ => Verdict::Missed,
        }
    }
}

const LOOKUPS: [&str; 3] = ["open+close", "stat", "stat, missing"];

fn goals() -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut faster = |row, fast, slow, bound| goals.push(Goal { figure: Figure::TimesAsFast((fast, row), (slow, row)), bound });
    for row in ["open+close", "stat", "stat, missing", "create+write+close+unlink", "rename", "mkdir+rmdir"] {
        faster(row, MEMFS, NATIVE, 5.0);
    }
    for row in ["readdir of 1,000, per entry", "pread 4 KiB", "pwrite 4 KiB", "append 1 B"] {
        faster(row, MEMFS, NATIVE, 3.0);
    }
    for row in ["stat", "stat, missing", "rename", "mkdir+rmdir", "readdir of 1,000, per entry"] {
        faster(row, MEMFS, WASI_BLOCKING, 20.0);
    }
    faster("open+close", MEMFS, WASI_BLOCKING, 15.0);
    faster(cpython::FILES, MEMFS, WASI_COMMON, 1.9);
    faster(cpython::FILES, MEMFS, WASI_BLOCKING, 3.5);
    for (ahead, cold) in [(startup::WASI_315_AHEAD, startup::WASI_315), (startup::PYODIDE_AHEAD, startup::PYODIDE)] {
        goals.push(Goal { figure: Figure::TimesAsFast((startup::STRATAFS, ahead), (startup::STRATAFS, cold)), bound: 5.0 });
    }
    goals.push(Goal { figure: Figure::TimesAsFast((MEMFS, cpython::TREE), (MEMFS, cpython::ZIPIMPORT)), bound: 1.25 });

    let mut cost = |dear, cheap, bound| goals.push(Goal { figure: Figure::Cost(dear, cheap), bound });
    for row in ["lseek", "fstat", "clock"] {
        cost((MEMFS, row), (FLOOR, HOST_CALL), 8.0);
    }
    for host in [MEMFS, "overlay, warm", "zip"] {
        cost((host, "stat, missing"), (host, "stat"), 1.0);
    }
    for row in LOOKUPS {
        cost(("overlay, warm", row), (MEMFS, row), 1.5);
        cost(("zip", row), (MEMFS, row), 1.5);
        if row != "open+close" {
            cost(("hostfs, exclusive", row), (MEMFS, row), 2.0);
        }
    }
    for row in crate::calls::ROWS {
        cost(("hostfs", row), (WASI_COMMON, row), 1.0);
    }
    for row in ["read 64 KiB", "write 64 KiB, again", "write 64 KiB, first touch"] {
        cost((MEMFS, row), (FLOOR, row), 1.3);
    }
    for row in crate::calls::ROWS {
        cost((EMSCRIPTEN, row), (MEMFS, row), 1.2);
    }
    cost((startup::STRATAFS, startup::WASI_312), (startup::WASMTIME, startup::WASI_312), 1.0);
    cost((startup::STRATAFS, startup::PYODIDE), (startup::STRATAFS, startup::WASI_312), 1.5);
    for (_, row) in micropython::LOOPS {
        cost((micropython::STRATAFS, row), (micropython::NODE, row), 1.5);
    }
    for (cheap, dear) in curves::flat() {
        cost(dear, cheap, 1.5);
    }
    cost((guests::STRATAFS, guests::FREEZE_MANY), (guests::STRATAFS, guests::FREEZE_FEW), 1.5);

    let mut value = |cell, unit, bound| goals.push(Goal { figure: Figure::Value(cell, unit), bound });
    value((guests::STRATAFS, guests::MAKE), Unit::Nanos, 10_000.0);
    value((guests::STRATAFS, guests::IDLE), Unit::Bytes, f64::from(16 << 10));
    value((guests::STRATAFS, guests::PEAK), Unit::Bytes, 1.1 * f64::from(256 << 20));
    goals
}

/// Why a goal may not be met: the rows that it is about, hosts of which one is in it, and the reason. The first that fits is told. No figures: those are in the tables.
const REASONS: &[(&[&str], &[&str], &str)] = &[
    (
        &["open+close", "open+fstat+read 4 KiB+close", "create+write+close+unlink", "rename", "mkdir+rmdir"],
        &["hostfs"],
        "a path is looked at name by name before anything is opened or changed, so that what is no file is never opened and no link leads out: \
         three calls of the kernel more than wasi-common's `openat2` (docs/RATIONALE.md)",
    ),
    (
        &["append 1 B"],
        &["hostfs"],
        "one call of the kernel writes, a second one asks where that ended: there the guest's offset stands",
    ),
    (&["clock"], &[MEMFS], "the host's clock is read each time; the row of the native program is what that costs"),
    (&["fstat"], &[MEMFS], "64 bytes go to the guest, whose C library takes them apart again"),
    (
        &[cpython::FILES],
        &[MEMFS],
        "most of what is left is the interpreter's own work in the guest, which no host can take away: native Python takes as long",
    ),
    (
        &["readdir of 1,000, per entry"],
        &[MEMFS],
        "nearly half is the guest's C library (docs/RATIONALE.md), which copies every entry out of its buffer; Emscripten's does not, and takes half the time",
    ),
    (
        &["open+close", "stat", "stat, missing", "create+write+close+unlink", "rename", "mkdir+rmdir"],
        &[MEMFS],
        "a sixth to a third of a call is the guest's C library and the engine's way out of the guest; what all of it costs in terms of a call of the \
         kernel differs from one processor to another (the README has another one's figures, docs/RATIONALE.md where the time goes)",
    ),
    (
        &[startup::WASI_315_AHEAD, startup::PYODIDE_AHEAD],
        &[startup::STRATAFS],
        "what is left is no start of Python: the process, the engine with its image of the module, laying the memory, and Python's own end",
    ),
    (
        &[curves::MANY_SPREAD],
        curves::HOSTS,
        "nearly every look is at memory that no cache of the processor has; the bare hash table's column is what that costs alone",
    ),
];

impl Goal {
    fn reason(&self) -> &'static str {
        let (Figure::TimesAsFast((host, row), _) | Figure::Cost((host, row), _) | Figure::Value((host, row), _)) = self.figure;
        let about = |(rows, hosts, _): &&(&[&str], &[&str], &str)| rows.contains(&row) && hosts.contains(&host);
        REASONS.iter().find(about).map_or("", |(.., why)| why)
    }
}

/// The table of goals; without `all` only of those whose figures are there.
#[must_use]
pub fn table(parts: &[Part], all: bool) -> String {
    let mut text = String::from("| goal | | medians | fastest rounds | |\n|---|--:|--:|--:|---|\n");
    for goal in goals() {
        let (what, bound) = (goal.text(), goal.wanted());
        let Some((verdict, medians, fastest)) = goal.met(parts) else {
            if all {
                _ = writeln!(text, "| {what} | {bound} | – | – | not measured |");
            }
            continue;
        };
        let verdict = match verdict {
            Verdict::Met => "yes".to_owned(),
            Verdict::Fastest => "in the fastest rounds".to_owned(),
            Verdict::Close => format!("within the spread; {}", goal.reason()).trim_end_matches("; ").to_owned(),
            Verdict::Missed => format!("**not yet** {}", goal.reason()).trim_end().to_owned(),
        };
        _ = writeln!(text, "| {what} | {bound} | {medians} | {fastest} | {verdict} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::part;

    #[test]
    fn a_goal_is_met_or_not_or_not_measured() {
        let goals = table(&[part()], true);
        assert!(goals.contains("| stat: memfs, times as fast as native | ≥ 5.00 | 12.00 | 11.11 | yes |"), "{goals}");
        assert!(goals.contains("| rename: memfs, times as fast as native | ≥ 5.00 | – | – | not measured |"), "{goals}");
        assert!(!table(&[part()], false).contains("not measured"));
        let dear = Goal { figure: Figure::Cost(("native", "stat"), ("memfs", "stat")), bound: 1.5 };
        assert_eq!(dear.met(&[part()]), Some((Verdict::Missed, "12.00".to_owned(), "11.11".to_owned())));
        let value = |bound| Goal { figure: Figure::Value(("floor", "empty"), Unit::Bytes), bound };
        assert_eq!(
            (value(5.0).wanted(), value(5.0).met(&[part()])),
            ("≤ 5".to_owned(), Some((Verdict::Met, "5".to_owned(), "5".to_owned())))
        );
        assert_eq!(value(4.0).met(&[part()]).map(|met| met.0), Some(Verdict::Missed));
        // 1,200 and 100, each a little different from round to round.
        let fast = |bound| Goal { figure: Figure::TimesAsFast(("memfs", "stat"), ("native", "stat")), bound };
        assert_eq!(
            [12.0, 12.5, 99.0].map(|bound| fast(bound).met(&[part()]).map(|met| met.0)),
            [Verdict::Met, Verdict::Close, Verdict::Missed].map(Some)
        );
        // Their fastest rounds: 1,000 and 90.
        let slower = Goal { figure: Figure::Cost(("native", "stat"), ("memfs", "stat")), bound: 11.5 };
        assert_eq!(slower.met(&[part()]).map(|met| met.0), Some(Verdict::Fastest));
    }
}

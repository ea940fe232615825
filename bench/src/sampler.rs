//! Times calls that are made in this process, and checks what each of them answers.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::section::Rows;

/// A batch takes at least so long: shorter than what a scheduler gives at a time.
const BATCH: Duration = Duration::from_micros(800);
/// No more batches are made after so long, but five.
const ROW: Duration = Duration::from_millis(200);
const BATCHES: usize = 25;

/// Collects rows.
#[derive(Debug, Default)]
pub struct Sampler {
    /// Makes each call a few times only.
    pub quick: bool,
    /// The row that expects something wrong, and so must fail.
    pub wrong: Option<String>,
    /// What has been measured.
    pub rows: Rows,
}

impl Sampler {
    /// For a round.
    #[must_use]
    pub fn new(quick: bool) -> Self {
        Sampler { quick, ..Sampler::default() }
    }

    /// What `want` is for this row: something else, when it is the one that must fail.
    #[must_use]
    pub fn expected(&self, row: &str, want: u64) -> u64 {
        want + u64::from(self.wrong.as_deref() == Some(row))
    }

    /// Times `call`, which must answer `want` every time: the median of many short batches.
    ///
    /// # Errors
    /// When it answers something else.
    pub fn time(&mut self, row: &str, want: u64, call: impl FnMut() -> u64) -> Result<(), String> {
        let nanos = self.nanos(row, want, call)?;
        self.value(row, nanos);
        Ok(())
    }

    /// As [`time`](Sampler::time), without taking it down.
    ///
    /// # Errors
    /// As there.
    pub fn nanos(&self, row: &str, want: u64, mut call: impl FnMut() -> u64) -> Result<f64, String> {
        let want = self.expected(row, want);
        let mut batch = |calls: u32| {
            let begun = Instant::now();
            for _ in 0..calls {
                let got = black_box(call());
                if got != want {
                    return Err(format!("{row}: {got}, not {want}"));
                }
            }
            Ok(begun.elapsed())
        };
        if self.quick {
            return Ok(batch(2)?.as_nanos() as f64 / 2.0);
        }
        let mut calls = 1;
        while batch(calls)? < BATCH {
            calls *= 2;
        }
        let (begun, mut took) = (Instant::now(), Vec::new());
        while took.len() < BATCHES && (took.len() < 5 || begun.elapsed() < ROW) {
            took.push(batch(calls)?.as_nanos() as f64 / f64::from(calls));
        }
        took.sort_by(f64::total_cmp);
        Ok(took[took.len() / 2])
    }

    /// Takes down a figure that was had otherwise.
    pub fn value(&mut self, row: &str, figure: f64) {
        self.rows.push((row.to_owned(), figure));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_made_and_checked() {
        let mut sampler = Sampler::new(false);
        let mut calls = 0_u64;
        let count = || {
            calls += 1;
            1
        };
        sampler.time("one", 1, count).unwrap();
        assert!(calls > 100, "{calls}");
        assert!(sampler.rows[0].1 > 0.0 && sampler.rows[0].0 == "one");
        let mut at = 0;
        let error = sampler
            .time("late", 0, || {
                at += 1;
                u64::from(at == 50)
            })
            .unwrap_err();
        assert_eq!(error, "late: 1, not 0");
        sampler.wrong = Some("two".to_owned());
        assert!(sampler.time("one", 1, || 1).is_ok() && sampler.time("two", 1, || 1).is_err());
    }
}

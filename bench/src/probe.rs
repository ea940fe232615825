//! How much of the machine others take while it is measured.

use std::hint::black_box;
use std::time::Instant;

/// So often memory is asked for and given back: for less than a millisecond.
const TIMES: u32 = 20_000;

/// A fixed piece of work that is timed again and again. What shares the processor's core with us, on another machine of the same host, takes
/// caches and ports from it, and no load average shows that.
#[derive(Debug, Default)]
pub struct Probe {
    took: Vec<f64>,
}

impl Probe {
    /// Does it once.
    pub fn look(&mut self) {
        let begun = Instant::now();
        (0..TIMES).for_each(|n| drop(black_box(Box::new(n))));
        self.took.push(begun.elapsed().as_secs_f64());
    }

    /// What it took in terms of the fastest time: half the times at least, and one in ten. None when it was never done.
    #[must_use]
    pub fn slowness(&self) -> Option<(f64, f64)> {
        let mut took = self.took.clone();
        took.sort_by(f64::total_cmp);
        let best = took.first()?;
        let at = |tenths: usize| took.get(took.len() * tenths / 10);
        Some((at(5)? / best, at(9)? / best))
    }

    /// The same as a line of the page.
    #[must_use]
    pub fn text(&self) -> String {
        let Some((half, tenth)) = self.slowness() else { return String::new() };
        format!(
            "- neighbours: a loop that allocates, run before every turn, took {half:.2} times its fastest time or more in half of the turns, {tenth:.2} times in a tenth\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Probe;

    #[test]
    fn slowness_is_told_against_the_fastest_time() {
        assert_eq!(Probe::default().text(), "");
        let probe = Probe { took: (0..10).map(|n| if n < 3 { 2.0 } else { 4.0 + f64::from(n) }).collect() };
        assert_eq!(probe.slowness(), Some((4.5, 6.5)));
        let mut looked = Probe::default();
        looked.look();
        assert_eq!(looked.slowness(), Some((1.0, 1.0)));
    }
}

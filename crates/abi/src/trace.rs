//! The trace: one decoded line per call, in `strace`'s look, and a summary.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use stratafs::Result;

use crate::{About, Flow, GuestMemory, Param, View};

/// Records a guest's calls: each as a line, or in a summary, or both.
///
/// ```text
/// path_open(3, SYMLINK_FOLLOW, "usr/lib", 0, 0x1fffffff, 0x1fffffff, 0) = 0 [opened=4] <12 µs>
/// path_filestat_get(3, SYMLINK_FOLLOW, "missing") = ENOENT (no such file or directory) <3 µs>
/// ```
#[derive(Default)]
pub struct Tracer {
    sink: Option<Box<dyn Write + Send>>,
    summary: Summary,
    /// The call that runs, or waits to be run again.
    running: Option<Running>,
}

struct Running {
    about: &'static About,
    line: String,
    started: Instant,
}

impl Tracer {
    /// Only counts, for [`summary`](Tracer::summary).
    #[must_use]
    pub fn counting() -> Self {
        Tracer::default()
    }

    /// Counts, and writes a line for each call. When the sink fails, lines end.
    #[must_use]
    pub fn lines(sink: Box<dyn Write + Send>) -> Self {
        Tracer { sink: Some(sink), ..Tracer::default() }
    }

    /// What was called so far.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Writes out what the sink still holds back.
    ///
    /// # Errors
    /// The sink's.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.sink.as_mut().map_or(Ok(()), |sink| sink.flush())
    }

    pub(crate) fn enter(&mut self, about: &'static About, params: &[Param], raws: &[u64], memory: &GuestMemory<'_>) {
        // A call that waited is still the same call.
        if self.running.as_ref().is_some_and(|running| running.about.name == about.name) {
            return;
        }
        let mut line = String::new();
        if self.sink.is_some() {
            line.push_str(about.name);
            line.push('(');
            show_args(params, raws, memory, &mut line);
            line.push(')');
        }
        self.running = Some(Running { about, line, started: Instant::now() });
    }

    pub(crate) fn leave(
        &mut self,
        about: &'static About,
        params: &[Param],
        raws: &[u64],
        memory: &GuestMemory<'_>,
        flow: &Flow<Result<impl fmt::Display>>,
    ) {
        if matches!(flow, Flow::Wait(_)) {
            return;
        }
        let Some(Running { mut line, started, .. }) = self.running.take() else { return };
        let took = started.elapsed();
        self.summary.count(about, took, matches!(flow, Flow::Done(Err(_))));
        if self.sink.is_none() {
            return;
        }
        use fmt::Write as _;
        let _ = match flow {
            Flow::Done(Ok(value)) => write!(line, " = {value}"),
            Flow::Done(Err(errno)) => write!(line, " = {} ({errno})", errno.name()),
            Flow::Exit(_) | Flow::Abort | Flow::Wait(_) => write!(line, " = ?"),
        };
        if matches!(flow, Flow::Done(Ok(_))) {
            show_results(about, params, raws, memory, &mut line);
        }
        let _ = writeln!(line, " <{} µs>", took.as_micros());
        if let Some(sink) = &mut self.sink
            && sink.write_all(line.as_bytes()).is_err()
        {
            self.sink = None;
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("lines", &self.sink.is_some()).field("summary", &self.summary).finish()
    }
}

/// The arguments without those that only say where results go, and without lengths that their pointer has shown.
fn show_args(params: &[Param], raws: &[u64], memory: &GuestMemory<'_>, out: &mut String) {
    let mut first = true;
    let mut is_length = false;
    for (index, (param, &raw)) in params.iter().zip(raws).enumerate() {
        let skip = is_length || matches!(param.shape, crate::Shape::Out(_));
        is_length = param.shape.has_length();
        if skip {
            continue;
        }
        if !first {
            out.push_str(", ");
        }
        first = false;
        let next = raws.get(index + 1).copied().unwrap_or_default();
        (param.show)(raw, View { memory, next }, out);
    }
}

fn show_results(about: &About, params: &[Param], raws: &[u64], memory: &GuestMemory<'_>, out: &mut String) {
    let mut any = false;
    for ((param, &raw), name) in params.iter().zip(raws).zip(about.params) {
        let before = out.len();
        out.push_str(if any { ", " } else { " [" });
        out.push_str(name);
        out.push('=');
        if (param.show_result)(raw, View { memory, next: 0 }, out) {
            any = true;
        } else {
            out.truncate(before);
        }
    }
    if any {
        out.push(']');
    }
}

/// What was called, how often it failed, and how long it took. Displays as a table, the longest first.
#[derive(Debug, Clone, Default)]
pub struct Summary(Vec<SummaryLine>);

/// One function's line in a [`Summary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SummaryLine {
    /// The function.
    pub name: &'static str,
    /// How often it was called.
    pub calls: u64,
    /// How many of them gave an error.
    pub errors: u64,
    /// Time in it, its waits included.
    pub total: Duration,
}

impl SummaryLine {
    /// The time of one call.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.total.as_secs_f64() / self.calls.max(1) as f64)
    }
}

impl Summary {
    fn count(&mut self, about: &'static About, took: Duration, failed: bool) {
        let index = self.0.iter().position(|line| line.name == about.name).unwrap_or_else(|| {
            self.0.push(SummaryLine { name: about.name, calls: 0, errors: 0, total: Duration::ZERO });
            self.0.len() - 1
        });
        if let Some(line) = self.0.get_mut(index) {
            line.calls += 1;
            line.errors += u64::from(failed);
            line.total += took;
        }
    }

    /// The lines, in the order of the first calls.
    #[must_use]
    pub fn lines(&self) -> &[SummaryLine] {
        &self.0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.clone();
        lines.sort_by_key(|line| (std::cmp::Reverse(line.total), line.name));
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        writeln!(f, "{:>10} {:>10} {:>12} {:>12}  function", "calls", "errors", "total µs", "mean µs")?;
        for line in &lines {
            let (total, mean) = (micros(line.total), micros(line.mean()));
            writeln!(f, "{:>10} {:>10} {total:>12.1} {mean:>12.3}  {}", line.calls, line.errors, line.name)?;
        }
        let calls: u64 = lines.iter().map(|line| line.calls).sum();
        let errors: u64 = lines.iter().map(|line| line.errors).sum();
        let total: Duration = lines.iter().map(|line| line.total).sum();
        writeln!(f, "{calls:>10} {errors:>10} {:>12.1} {:>12}  in all", micros(total), "")
    }
}

//! What is measured together: hosts that take turns, and the rows that each of them gives.

/// A row's name and its figure: nanoseconds, or bytes.
pub type Rows = Vec<(String, f64)>;

/// The rows of one round, or why there are none. Quick: a few calls only, for whether it runs at all.
pub type Round = Box<dyn Fn(bool) -> Result<Rows, String>>;

/// Someone who does the work.
pub struct Host {
    /// What the table calls it.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Does it once, and checks what comes out.
    pub round: Round,
}

/// How figures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Nanos,
    /// Nanoseconds, shown as milliseconds.
    Millis,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// For a heading.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::Nanos => "Nanoseconds",
            Unit::Millis => "Milliseconds",
            Unit::Bytes => "Bytes",
        }
    }
}

/// A part of the page.
pub struct Section {
    /// What `--only` calls it.
    pub key: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What is done there.
    pub about: &'static str,
    /// What its figures are.
    pub unit: Unit,
    /// The hosts that the others are compared with.
    pub bases: &'static [&'static str],
    /// More rounds than these are not worth their time.
    pub rounds: usize,
    /// Its hosts.
    pub hosts: Vec<Host>,
}

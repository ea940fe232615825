//! What takes long says so: a spinner on a terminal, one plain line elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::say;

/// A step that is under way. Dropping it takes the spinner away.
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// Says that `what` goes on from now.
    #[must_use]
    pub fn start(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            say(format_args!("{what}"));
            return Progress(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("stratafs: {msg} {spinner} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(Some(bar))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }
}

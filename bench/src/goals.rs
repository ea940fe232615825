//! What is aimed at.

use crate::hosts::{MEMFS, NATIVE, WASI_BLOCKING};

/// A ratio between two figures of one run.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// The row.
    pub row: &'static str,
    /// Who should be fast at it.
    pub fast: &'static str,
    /// Compared with what: another row or the same one, on which host.
    pub slow: (Option<&'static str>, &'static str),
    /// How many times as fast.
    pub at_least: f64,
}

const LOOKUPS: [&str; 3] = ["open+close", "stat", "stat, missing"];

/// All of them.
#[must_use]
pub fn all() -> Vec<Goal> {
    let goal = |row, fast, slow, at_least| Goal { row, fast, slow: (None, slow), at_least };
    let mut goals = Vec::new();
    for row in ["open+close", "stat", "stat, missing", "create+write+close+unlink", "rename", "mkdir+rmdir"] {
        goals.push(goal(row, MEMFS, NATIVE, 5.0));
    }
    for row in ["readdir of 1,000, per entry", "pread 4 KiB", "pwrite 4 KiB", "append 1 B"] {
        goals.push(goal(row, MEMFS, NATIVE, 3.0));
    }
    for row in ["stat", "stat, missing", "rename", "mkdir+rmdir", "readdir of 1,000, per entry"] {
        goals.push(goal(row, MEMFS, WASI_BLOCKING, 20.0));
    }
    goals.push(goal("open+close", MEMFS, WASI_BLOCKING, 15.0));
    for host in [MEMFS, "overlay, warm", "zip"] {
        goals.push(Goal { row: "stat, missing", fast: host, slow: (Some("stat"), host), at_least: 1.0 });
    }
    for row in LOOKUPS {
        goals.extend(["overlay, warm", "zip"].map(|host| goal(row, host, MEMFS, 1.0 / 1.5)));
        goals.push(goal(row, "hostfs, exclusive", MEMFS, 1.0 / 2.0));
    }
    goals
}

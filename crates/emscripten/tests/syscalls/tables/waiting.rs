//! `poll` and `select`.

use super::{Rows, Table};
use crate::guest::{Guest, OUTSIDE, limits, tree};

pub const TABLES: &[(&str, Rows)] = &[
    ("poll", |t| polls(t, &|at, n| vec![at, n, 0])),
    ("poll_nonblocking", |t| polls(t, &|at, n| vec![at, n])),
    ("_newselect", select),
];

const EVERY: u64 = u32::MAX as u64;

fn polls(t: &mut Table, args: &dyn Fn(u64, u64) -> Vec<u64>) {
    let fd = t.open("/dir/file", 0).unwrap();
    for (says, fd, events) in [
        ("a file to read", fd, 1),
        ("a file to write", fd, 4),
        ("a file for nothing", fd, 0),
        ("all events", fd, 0xffff),
        ("not open", 99, 1),
        ("a negative number", EVERY, 1),
        ("a stream to write", 1, 4),
    ] {
        let at = t.words(&[fd, events]);
        let _ = t.row(says, &args(at, 1));
        let found = t.u16_at(at + 6);
        t.rows.push(format!("  found {found:#x}"));
    }
    let at = t.words(&[fd, 1]);
    for count in [0, 4097, 0x7fff_ffff, EVERY] {
        let _ = t.row("none, too many", &args(at, count));
    }
    let _ = t.row("nowhere", &args(0, 1));
    let _ = t.row("outside", &args(OUTSIDE - 7, 1));
    let mut limits = limits();
    limits.poll = 1;
    t.on(Guest::limited(tree(), limits, |builder| builder));
    let at = t.words(&[0, 1, 1, 4]);
    let _ = t.row("more than this guest may", &args(at, 2));
}

fn select(t: &mut Table) {
    let fd = t.open("/dir/file", 0).unwrap();
    let zero = t.words(&[0, 0]);
    for (says, read, write, count) in [
        ("a file", 1 << fd, 0, fd + 1),
        ("a file to write too", 1 << fd, 1 << fd, fd + 1),
        ("past the number", 1 << fd, 0, fd),
        ("no numbers", 1 << fd, 0, 0),
        ("not open", 1 << 20, 0, 21),
        ("a negative number of numbers", 0, 0, EVERY),
        ("more numbers than a set has", 1 << fd, 0, 0x7fff_ffff),
    ] {
        let mut set = |bits: u64| {
            let mut words = vec![0; 32];
            words[0] = bits;
            t.words(&words)
        };
        let (read, write) = (set(read), set(write));
        let _ = t.row(says, &[count, read, write, 0, zero]);
        let left = (t.u32_at(read), t.u32_at(write));
        t.rows.push(format!("  left {left:x?}"));
    }
    let set = t.words(&[1 << fd]);
    let _ = t.row("nothing is exceptional", &[fd + 1, 0, 0, set, zero]);
    let _ = t.row("no sets", &[0, 0, 0, 0, zero]);
    for time in [[EVERY, 0], [0, EVERY]] {
        let at = t.words(&time);
        let _ = t.row("a negative time", &[0, 0, 0, 0, at]);
    }
    let _ = t.row("a time outside", &[0, 0, 0, 0, OUTSIDE - 7]);
    let _ = t.row("a set outside", &[fd + 1, OUTSIDE - 3, 0, 0, zero]);
    let _ = t.row("a set that ends outside", &[fd + 1, OUTSIDE - 2, 0, 0, zero]);
}

//! `epoll`.

use super::{Rows, Table, few_numbers};
use crate::guest::{CLOEXEC, Guest, OUTSIDE, limits, tree};

pub const TABLES: &[(&str, Rows)] = &[
    ("epoll_create1", create),
    ("epoll_ctl", change),
    ("epoll_pwait", |t| waits(t, &|ep, at, most| vec![ep, at, most, 0, 0, 0])),
    ("epoll_pwait_nonblocking", |t| waits(t, &|ep, at, most| vec![ep, at, most])),
];

const EVERY: u64 = u32::MAX as u64;
const ADD: u64 = 1;
const DEL: u64 = 2;
const MOD: u64 = 3;

fn create(t: &mut Table) {
    for (says, flags) in [("no flags", 0), ("closed on exec", CLOEXEC), ("an unknown flag", 1), ("all flags", EVERY)] {
        let _ = t.row(says, &[flags]);
    }
    t.on(few_numbers());
    while t.row("until there is no number left", &[0]).is_ok() {}
}

fn new(t: &mut Table) -> u64 {
    t.call("epoll_create1", &[0]).unwrap()
}

fn change(t: &mut Table) {
    let (ep, other, third) = (new(t), new(t), new(t));
    let (read, write) = t.two_ends();
    let file = t.open("/dir/file", 0).unwrap();
    let event = t.words(&[1, 0, 7, 0]);
    for (says, args) in [
        ("a pipe", [ep, ADD, read, event]),
        ("the same again", [ep, ADD, read, event]),
        ("changed", [ep, MOD, read, event]),
        ("one that is not watched", [ep, MOD, write, event]),
        ("one that is not watched, no more", [ep, DEL, write, event]),
        ("no more, without an event", [ep, DEL, read, 0]),
        ("a file, which is always ready", [ep, ADD, file, event]),
        ("itself", [ep, ADD, ep, event]),
        ("by what watches nothing", [read, ADD, write, event]),
        ("by a file", [file, ADD, write, event]),
        ("what is not open", [ep, ADD, 99, event]),
        ("by what is not open", [99, ADD, read, event]),
        ("an unknown operation", [ep, 4, read, event]),
        ("an unknown operation on what is not open", [ep, 4, 99, event]),
        ("no event", [ep, ADD, read, 0]),
        ("an event that ends outside", [ep, ADD, read, OUTSIDE - 15]),
        ("another one", [ep, ADD, other, event]),
        ("a third one through the second", [other, ADD, third, event]),
        ("back to the first", [other, ADD, ep, event]),
    ] {
        let _ = t.row(says, &args);
    }
    for (says, bits) in
        [("at the edge", 1 << 31), ("once", 1 << 30), ("alone", 1 << 28), ("every bit", EVERY), ("for nothing", 0)]
    {
        let (read, _) = t.two_ends();
        let event = t.words(&[bits, 0, 7, 0]);
        let _ = t.row(says, &[ep, ADD, read, event]);
        let _ = t.row(says, &[ep, MOD, read, event]);
    }
    let mut limits = limits();
    limits.poll = 1;
    t.on(Guest::limited(tree(), limits, |builder| builder));
    let (ep, (read, write)) = (new(t), t.two_ends());
    let event = t.words(&[1, 0, 7, 0]);
    let _ = t.row("as many as this guest may", &[ep, ADD, read, event]);
    let _ = t.row("more than this guest may", &[ep, ADD, write, event]);
}

fn waits(t: &mut Table, args: &dyn Fn(u64, u64, u64) -> Vec<u64>) {
    let ep = new(t);
    let (read, write) = t.two_ends();
    let event = t.words(&[1, 0, 7, 0]);
    t.call("epoll_ctl", &[ep, ADD, read, event]).unwrap();
    let at = t.alloc(64);
    let _ = t.row("nothing to tell", &args(ep, at, 4));
    t.write(write, b"x");
    let _ = t.row("bytes to read", &args(ep, at, 4));
    let told = (t.u32_at(at), t.u64_at(at + 8));
    t.rows.push(format!("  told {told:x?}"));
    for (says, ep, at, most) in [
        ("room for none", ep, at, 0),
        ("less than none", ep, at, EVERY),
        ("much room, not all there", ep, at, 0x7fff_ffff),
        ("nowhere", ep, 0, 1),
        ("outside", ep, OUTSIDE - 15, 1),
        ("what watches nothing", read, at, 1),
        ("not open", 99, at, 1),
    ] {
        let _ = t.row(says, &args(ep, at, most));
    }
    if t.name.ends_with("nonblocking") {
        return;
    }
    let mask = t.words(&[0, 0]);
    let _ = t.row("with a mask", &[ep, at, 4, 0, mask, 8]);
    let _ = t.row("a mask of another size", &[ep, at, 4, 0, mask, 4]);
    let _ = t.row("a mask outside", &[ep, at, 4, 0, OUTSIDE - 7, 8]);
    let empty = new(t);
    let _ = t.row("for ever", &[empty, at, 4, EVERY, 0, 0]);
    let _ = t.row("for a second", &[empty, at, 4, 1000, 0, 0]);
}

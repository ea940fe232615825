//! Arguments, clocks, polling, and what there is not.

use std::sync::Arc;

use stratafs::{Errno, Limits};

use super::{Empty, NoRandom, Rows, Still, Table, guest};
use crate::guest::{Guest, OUTSIDE, ROOT};
use crate::polls;

pub const TABLES: &[(&str, Rows)] = &[
    ("args_get", strings),
    ("args_sizes_get", sizes),
    ("environ_get", strings),
    ("environ_sizes_get", sizes),
    ("clock_res_get", clock_res_get),
    ("clock_time_get", clock_time_get),
    ("poll_oneoff", poll_oneoff),
    ("proc_exit", proc_exit),
    ("proc_raise", proc_raise),
    ("random_get", random_get),
    ("sched_yield", sched_yield),
    ("sock_accept", sock_accept),
    ("sock_recv", sock_recv),
    ("sock_send", sock_send),
    ("sock_shutdown", sock_shutdown),
];

const EVERY: u64 = u32::MAX as u64;

fn strings(t: &mut Table) {
    let (table, buf) = (t.alloc(64), t.alloc(64));
    let _ = t.row("both", &[table, buf]);
    let _ = t.row("the table outside", &[OUTSIDE - 7, buf]);
    let _ = t.row("the texts outside", &[table, OUTSIDE - 7]);
    let _ = t.row("both at one place", &[buf, buf]);
    t.on(guest(|builder| builder.args::<&str>([])));
}

fn sizes(t: &mut Table) {
    let out = t.alloc(8);
    let _ = t.row("both", &[out, out + 4]);
    let _ = t.row("at one place", &[out, out]);
    let _ = t.row("the first outside", &[OUTSIDE - 3, out]);
    let _ = t.row("the second outside", &[out, OUTSIDE - 3]);
}

fn clock_res_get(t: &mut Table) {
    let out = t.alloc(8);
    t.each("each clock, and unknown ones", &[0, out], 0, &[0, 1, 2, 3, 4, EVERY]);
    let _ = t.row("the result outside", &[0, OUTSIDE - 7]);
}

fn clock_time_get(t: &mut Table) {
    let out = t.alloc(8);
    t.each("each clock, and unknown ones", &[0, 0, out], 0, &[0, 1, 4, EVERY]);
    t.each("any precision", &[1, 0, out], 1, &[1, i64::MAX as u64, u64::MAX]);
    let _ = t.row("the result outside", &[0, 0, OUTSIDE - 7]);
    // What they show is another number each time.
    for clock in [2, 3] {
        t.call("clock_time_get", &[clock, 0, out]).unwrap();
    }
    t.rows.push("PROCESS_CPUTIME_ID and THREAD_CPUTIME_ID: 0".to_owned());
    t.on(guest(|builder| builder.clock(Arc::new(Still(-1)))));
    let out = t.alloc(8);
    let _ = t.row("before 1970", &[0, 0, out]);
}

fn poll_oneoff(t: &mut Table) {
    let file = t.open("dir/file").unwrap();
    let row = |t: &mut Table, says: &str, subscriptions: &[Vec<u8>]| {
        let args = polls::arguments(t, subscriptions);
        if t.row(says, &args) == Ok(()) && t.rows.last().is_some_and(|row| !row.ends_with("waits")) {
            let events: Vec<_> = polls::events(t, args).iter().map(|event| format!("{event:?}")).collect();
            t.rows.push(format!("  {}", events.join(" ")));
        }
    };
    row(t, "a file to read", &[polls::ready(1, file, false)]);
    row(t, "a file to write that is open", &[polls::ready(2, 1, true)]);
    row(t, "a clock that is due", &[polls::clock(3, 1, 0, false)]);
    row(t, "a moment that has passed", &[polls::clock(4, 1, 1, true)]);
    row(t, "a clock that is not due", &[polls::clock(5, 1, 1 << 60, false)]);
    row(t, "a file, and a clock that is not due", &[polls::ready(6, file, false), polls::clock(7, 1, 1 << 60, false)]);
    row(t, "not open: told in the event", &[polls::ready(8, 99, false)]);
    row(t, "not open for writing: told in the event", &[polls::ready(9, 0, true)]);
    row(t, "a directory", &[polls::ready(10, ROOT, false)]);
    row(t, "an unknown clock", &[polls::clock(11, 9, 0, false)]);
    let mut odd = polls::clock(12, 1, 0, false);
    odd[8] = 3;
    row(t, "an unknown kind", &[odd]);
    let mut odd = polls::clock(13, 1, 0, false);
    odd[40] = 2;
    row(t, "an unknown clock flag", &[odd]);
    let [list, events, _, ready] = polls::arguments(t, &[polls::clock(14, 1, 0, false)]);
    t.each("none, too many", &[list, events, 0, ready], 2, &[0, 4097, EVERY]);
    let _ = t.row("the subscriptions outside", &[OUTSIDE - 47, events, 1, ready]);
    let _ = t.row("the events outside", &[list, OUTSIDE - 31, 1, ready]);
    let _ = t.row("the count outside", &[list, events, 1, OUTSIDE - 3]);
    let _ = t.row("the events on the subscriptions", &[list, list, 1, ready]);
    t.on(guest(|builder| builder.stdin(Arc::new(Empty))));
    row(t, "a stream that has nothing", &[polls::ready(15, 0, false)]);
    let mut limits = Limits::default();
    limits.poll = 1;
    t.on(Guest::limited(limits, |builder| builder));
    row(t, "more than this guest may", &[polls::ready(1, 0, false), polls::ready(2, 0, false)]);
}

fn proc_exit(t: &mut Table) {
    t.each("any code", &[0], 0, &[0, 1, 125, 126, 255, 256, EVERY]);
}

fn proc_raise(t: &mut Table) {
    t.each("any signal", &[0], 0, &[0, 9, EVERY]);
}

fn random_get(t: &mut Table) {
    let buf = t.alloc(64);
    t.each("none, one, some, all numbers", &[buf, 0], 1, &[0, 1, 64, 1 << 30, (1 << 30) + 1, EVERY]);
    let _ = t.row("to the end of the memory", &[OUTSIDE - 8, 8]);
    let _ = t.row("past the end of the memory", &[OUTSIDE - 8, 9]);
    let _ = t.row("nothing, at the end of the memory", &[OUTSIDE, 0]);
    let _ = t.row("nothing, outside", &[OUTSIDE + 1, 0]);
    t.on(guest(|builder| builder.random(Arc::new(NoRandom))));
    let buf = t.alloc(64);
    let _ = t.row("a source that fails", &[buf, 8]);
}

fn sched_yield(t: &mut Table) {
    assert_eq!(t.row("always", &[]), Ok(()));
}

/// What answers that there are no sockets, whatever else is asked.
fn no_socket(t: &mut Table, args: &[u64]) {
    let file = t.open("dir/file").unwrap();
    for (says, fd) in [("a file", file), ("a directory", ROOT), ("a stream", 0), ("not open", 99), ("past all numbers", EVERY)] {
        let args = [&[fd], args].concat();
        let expected = if fd == 99 || fd == EVERY { Errno::EBADF } else { Errno::ENOTSOCK };
        assert_eq!(t.row(says, &args), Err(expected));
    }
}

fn sock_accept(t: &mut Table) {
    let out = t.alloc(4);
    no_socket(t, &[0, out]);
    no_socket(t, &[EVERY, OUTSIDE]);
}

fn sock_recv(t: &mut Table) {
    let (list, out) = (t.iovs(&[]), t.alloc(8));
    no_socket(t, &[list.0, list.1, 0, out, out + 4]);
    no_socket(t, &[OUTSIDE, EVERY, EVERY, OUTSIDE, OUTSIDE]);
}

fn sock_send(t: &mut Table) {
    let (list, out) = (t.iovs(&[]), t.alloc(8));
    no_socket(t, &[list.0, list.1, 0, out]);
    no_socket(t, &[OUTSIDE, EVERY, EVERY, OUTSIDE]);
}

fn sock_shutdown(t: &mut Table) {
    for how in [0, 1, 2, 3, 4, EVERY] {
        no_socket(t, &[how]);
    }
}

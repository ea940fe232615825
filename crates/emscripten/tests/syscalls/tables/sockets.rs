//! Sockets between descriptors of one guest.

use super::{Rows, Table, few_numbers};
use crate::guest::{NONBLOCK, OUTSIDE};

pub const TABLES: &[(&str, Rows)] = &[
    ("socket", socket),
    ("bind", bind),
    ("connect", connect),
    ("listen", listen),
    ("accept4", accept4),
    ("shutdown", shutdown),
    ("getsockname", |t| names(t, false)),
    ("getpeername", |t| names(t, true)),
    ("getsockopt", getsockopt),
    ("setsockopt", setsockopt),
    ("sendto", sendto),
    ("recvfrom", recvfrom),
    ("sendmsg", sendmsg),
    ("recvmsg", recvmsg),
];

const EVERY: u64 = u32::MAX as u64;
const DONTWAIT: u64 = 0x40;

/// The call on what is no socket.
fn no_socket(t: &mut Table, args: &[u64]) {
    let file = t.open("/dir/file", 0).unwrap();
    t.each("a file, a stream, not open", args, 0, &[file, 0, 99, EVERY]);
}

fn socket(t: &mut Table) {
    let args = [2, 1, 0, 0, 0, 0];
    t.each("each domain", &args, 0, &[2, 0, 1, 10, EVERY]);
    t.each("each kind", &args, 1, &[1, 1 | NONBLOCK, 1 | 0x8_0000, 2, 3, 10, 11, 0, 1 | 0x100, EVERY]);
    t.each("each protocol", &args, 2, &[6, 17, EVERY]);
    t.on(few_numbers());
    while t.open("/dir/file", 0).is_ok() {}
    let _ = t.row("no number left", &args);
}

fn bind(t: &mut Table) {
    let fd = t.socket();
    let any = t.address([127, 0, 0, 1], 7000);
    t.each("an address of each length", &[fd, any, 0, 0, 0, 0], 2, &[0, 15, 129, EVERY]);
    let _ = t.row("nowhere", &[fd, 0, 16, 0, 0, 0]);
    let _ = t.row("outside", &[fd, OUTSIDE - 15, 16, 0, 0, 0]);
    let other = t.put([10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let _ = t.row("another family", &[fd, other, 16, 0, 0, 0]);
    let abroad = t.address([10, 0, 0, 1], 7000);
    let _ = t.row("another host's", &[fd, abroad, 16, 0, 0, 0]);
    let _ = t.row("an address", &[fd, any, 16, 0, 0, 0]);
    let _ = t.row("again", &[fd, any, 16, 0, 0, 0]);
    let second = t.socket();
    let _ = t.row("one that is taken", &[second, any, 16, 0, 0, 0]);
    no_socket(t, &[0, any, 16, 0, 0, 0]);
}

fn connect(t: &mut Table) {
    let (listener, client, _) = t.connection();
    let port = t.port(listener);
    let there = t.address([127, 0, 0, 1], port);
    let fd = t.socket();
    t.each("an address of each length", &[fd, there, 0, 0, 0, 0], 2, &[0, 15, 129, EVERY]);
    let _ = t.row("nowhere", &[fd, 0, 16, 0, 0, 0]);
    let _ = t.row("outside", &[fd, OUTSIDE - 15, 16, 0, 0, 0]);
    let other = t.put([10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let _ = t.row("another family", &[fd, other, 16, 0, 0, 0]);
    let abroad = t.address([10, 0, 0, 1], port);
    let _ = t.row("another host", &[fd, abroad, 16, 0, 0, 0]);
    let nobody = t.address([127, 0, 0, 1], 1);
    let _ = t.row("where nobody listens", &[fd, nobody, 16, 0, 0, 0]);
    let _ = t.row("a listening socket", &[fd, there, 16, 0, 0, 0]);
    let _ = t.row("again", &[fd, there, 16, 0, 0, 0]);
    let _ = t.row("one that is connected", &[client, there, 16, 0, 0, 0]);
    let _ = t.row("one that listens", &[listener, there, 16, 0, 0, 0]);
    no_socket(t, &[0, there, 16, 0, 0, 0]);
}

fn listen(t: &mut Table) {
    let (listener, client, _) = t.connection();
    let fd = t.socket();
    t.each("each length of the queue", &[fd, 0, 0, 0, 0, 0], 1, &[0, 5, EVERY]);
    let _ = t.row("again", &[listener, 1, 0, 0, 0, 0]);
    let _ = t.row("one that is connected", &[client, 1, 0, 0, 0, 0]);
    no_socket(t, &[0, 1, 0, 0, 0, 0]);
}

fn accept4(t: &mut Table) {
    let (listener, client, _) = t.connection();
    let port = t.port(listener);
    let (there, addr, len) = (t.address([127, 0, 0, 1], port), t.alloc(16), t.words(&[16]));
    let _ = t.row("nobody is there", &[listener, addr, len, 0, 0, 0]);
    t.fcntl(listener, 4, NONBLOCK).unwrap();
    let _ = t.row("nobody is there, non-blocking", &[listener, addr, len, 0, 0, 0]);
    for (says, addr, flags) in [("somebody", addr, 0), ("whoever it is", 0, 0x8_0000 | NONBLOCK)] {
        let fd = t.socket();
        t.call("connect", &[fd, there, 16, 0, 0, 0]).unwrap();
        let _ = t.row(says, &[listener, addr, len, flags, 0, 0]);
    }
    t.each("unknown flags", &[listener, addr, len, 0, 0, 0], 3, &[1, EVERY]);
    let _ = t.row("an address outside", &[listener, OUTSIDE - 3, len, 0, 0, 0]);
    let _ = t.row("a length outside", &[listener, addr, OUTSIDE - 3, 0, 0, 0]);
    let negative = t.words(&[EVERY]);
    let _ = t.row("a negative length", &[listener, addr, negative, 0, 0, 0]);
    let _ = t.row("one that does not listen", &[client, addr, len, 0, 0, 0]);
    no_socket(t, &[0, addr, len, 0, 0, 0]);
    t.on(few_numbers());
    let (listener, ..) = t.connection();
    while t.open("/dir/file", 0).is_ok() {}
    let _ = t.row("no number left", &[listener, 0, 0, 0, 0, 0]);
}

fn shutdown(t: &mut Table) {
    let (listener, client, _) = t.connection();
    t.each("each direction, and unknown ones", &[client, 0, 0, 0, 0, 0], 1, &[0, 1, 2, 3, EVERY]);
    let fresh = t.socket();
    let _ = t.row("without a connection", &[fresh, 2, 0, 0, 0, 0]);
    let _ = t.row("one that listens", &[listener, 2, 0, 0, 0, 0]);
    no_socket(t, &[0, 2, 0, 0, 0, 0]);
}

fn names(t: &mut Table, peer: bool) {
    let (_, client, _) = t.connection();
    let addr = t.alloc(16);
    for room in [16, 8, 0, 100, 0x8000_0000, EVERY] {
        let len = t.words(&[room]);
        let _ = t.row("room of each size", &[client, addr, len, 0, 0, 0]);
    }
    let len = t.words(&[16]);
    let _ = t.row("nowhere", &[client, 0, len, 0, 0, 0]);
    let _ = t.row("outside", &[client, OUTSIDE - 15, len, 0, 0, 0]);
    let _ = t.row("a length outside", &[client, addr, OUTSIDE - 3, 0, 0, 0]);
    let fresh = t.socket();
    let answer = t.row("without a connection", &[fresh, addr, len, 0, 0, 0]);
    assert_eq!(answer.is_err(), peer);
    no_socket(t, &[0, addr, len, 0, 0, 0]);
}

fn getsockopt(t: &mut Table) {
    let (listener, client, _) = t.connection();
    let (value, len) = (t.alloc(8), t.words(&[4]));
    // SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN, and others.
    t.each("each option, and others", &[client, 1, 0, value, len, 0], 2, &[3, 4, 30, 38, 39, 2, 0, EVERY]);
    let _ = t.row("one that listens", &[listener, 1, 30, value, len, 0]);
    let _ = t.row("another level", &[client, 6, 1, value, len, 0]);
    for room in [0, 2, 100, EVERY] {
        let len = t.words(&[room]);
        let _ = t.row("room of each size", &[client, 1, 4, value, len, 0]);
    }
    let _ = t.row("nowhere", &[client, 1, 4, 0, len, 0]);
    let _ = t.row("outside", &[client, 1, 4, OUTSIDE - 3, len, 0]);
    let _ = t.row("a length outside", &[client, 1, 4, value, OUTSIDE - 3, 0]);
    no_socket(t, &[0, 1, 4, value, len, 0]);
}

fn setsockopt(t: &mut Table) {
    let fd = t.socket();
    let value = t.words(&[1]);
    t.each("each option, and others", &[fd, 1, 0, value, 4, 0], 2, &[2, 5, 6, 7, 8, 9, 10, 13, 15, 3, 0, EVERY]);
    t.each("each option of TCP, and others", &[fd, 6, 0, value, 4, 0], 2, &[1, 4, 5, 6, 2, EVERY]);
    let _ = t.row("another level", &[fd, 41, 1, value, 4, 0]);
    t.each("each length", &[fd, 1, 2, value, 0, 0], 4, &[0, 3, 4, 8, EVERY]);
    let _ = t.row("nowhere", &[fd, 1, 2, 0, 4, 0]);
    let _ = t.row("outside", &[fd, 1, 2, OUTSIDE - 3, 4, 0]);
    no_socket(t, &[0, 1, 2, value, 4, 0]);
}

fn sendto(t: &mut Table) {
    let (_, client, server) = t.connection();
    let buf = t.put("hello");
    let args = [client, buf, 5, 0, 0, 0];
    t.each("each length", &args, 2, &[0, 1, 5, EVERY]);
    t.each("each flag, and unknown ones", &args, 3, &[DONTWAIT, 0x4000, 0x100, 1, EVERY]);
    let _ = t.row("with an address", &[client, buf, 5, 0, buf, 16]);
    let _ = t.row("with an address longer than there are", &[client, buf, 5, 0, buf, 129]);
    let _ = t.row("with an address outside", &[client, buf, 5, 0, OUTSIDE - 3, 16]);
    let _ = t.row("nowhere", &[client, 0, 5, 0, 0, 0]);
    let _ = t.row("outside", &[client, OUTSIDE - 3, 5, 0, 0, 0]);
    let big = t.alloc(70_000);
    let _ = t.row("more than there is room for", &[client, big, 70_000, 0, 0, 0]);
    let _ = t.row("no room", &[client, big, 70_000, 0, 0, 0]);
    let _ = t.row("no room, not waiting", &[client, big, 70_000, DONTWAIT, 0, 0]);
    let fresh = t.socket();
    let _ = t.row("without a connection", &[fresh, buf, 5, 0, 0, 0]);
    t.process.close(stratafs::Fd::new(server as u32)).unwrap();
    let _ = t.row("nobody at the other side", &args);
    no_socket(t, &args);
}

fn recvfrom(t: &mut Table) {
    let (_, client, server) = t.connection();
    let (buf, addr, len, data) = (t.alloc(64), t.alloc(16), t.words(&[16]), t.put("hello hello hello hello hello hello"));
    t.call("sendto", &[client, data, 35, 0, 0, 0]).unwrap();
    let args = [server, buf, 5, 0, 0, 0];
    t.each("each length", &args, 2, &[0, 1, 5, EVERY]);
    t.each("each flag, and unknown ones", &args, 3, &[DONTWAIT, 0x100, 0x4000, 2, EVERY]);
    let _ = t.row("and whom it was from", &[server, buf, 5, 0, addr, len]);
    let _ = t.row("an address outside", &[server, buf, 5, 0, OUTSIDE - 3, len]);
    let _ = t.row("nowhere", &[server, 0, 5, 0, 0, 0]);
    let _ = t.row("outside", &[server, OUTSIDE - 3, 5, 0, 0, 0]);
    let _ = t.row("the rest", &[server, buf, 64, 0, 0, 0]);
    let _ = t.row("nothing there", &args);
    let _ = t.row("nothing there, not waiting", &[server, buf, 5, DONTWAIT, 0, 0]);
    t.process.close(stratafs::Fd::new(client as u32)).unwrap();
    let _ = t.row("the end", &args);
    let fresh = t.socket();
    let _ = t.row("without a connection", &[fresh, buf, 5, 0, 0, 0]);
    no_socket(t, &args);
}

/// A `struct msghdr` with these buffers and so many bytes of control data.
fn message(t: &mut Table, name: u64, bufs: &[(u64, u64)], control: u64) -> u64 {
    let list: Vec<u64> = bufs.iter().flat_map(|&(at, len)| [at, len]).collect();
    let iovs = t.words(&list);
    t.words(&[name, 16, iovs, bufs.len() as u64, 0, control, 0])
}

fn sendmsg(t: &mut Table) {
    let (_, client, server) = t.connection();
    let buf = t.put("hello");
    let one = message(t, 0, &[(buf, 5)], 0);
    let args = [client, one, 0, 0, 0, 0];
    let _ = t.row("one buffer", &args);
    let several = message(t, 0, &[(buf, 2), (buf, 0), (buf, 3)], 0);
    let _ = t.row("several", &[client, several, 0, 0, 0, 0]);
    t.each("each flag, and unknown ones", &args, 2, &[DONTWAIT, 0x4000, 1, EVERY]);
    let control = message(t, 0, &[(buf, 5)], 12);
    let _ = t.row("with control data", &[client, control, 0, 0, 0, 0]);
    let many = message(t, 0, &vec![(buf, 0); 1025], 0);
    let _ = t.row("one buffer too many", &[client, many, 0, 0, 0, 0]);
    let outside = message(t, 0, &[(OUTSIDE - 3, 5)], 0);
    let _ = t.row("a buffer outside", &[client, outside, 0, 0, 0, 0]);
    let _ = t.row("nowhere", &[client, 0, 0, 0, 0, 0]);
    let _ = t.row("outside", &[client, OUTSIDE - 27, 0, 0, 0, 0]);
    let big = t.alloc(70_000);
    let big = message(t, 0, &[(big, 70_000)], 0);
    let _ = t.row("more than there is room for", &[client, big, 0, 0, 0, 0]);
    let _ = t.row("no room, not waiting", &[client, big, DONTWAIT, 0, 0, 0]);
    let fresh = t.socket();
    let _ = t.row("without a connection", &[fresh, one, 0, 0, 0, 0]);
    t.process.close(stratafs::Fd::new(server as u32)).unwrap();
    let _ = t.row("nobody at the other side", &args);
    no_socket(t, &args);
}

fn recvmsg(t: &mut Table) {
    let (_, client, server) = t.connection();
    let (buf, name, data) = (t.alloc(64), t.alloc(16), t.put("hello hello"));
    t.call("sendto", &[client, data, 11, 0, 0, 0]).unwrap();
    let one = message(t, name, &[(buf, 3)], 100);
    let args = [server, one, 0, 0, 0, 0];
    let _ = t.row("one buffer, and whom it was from", &args);
    let several = message(t, 0, &[(buf, 1), (buf, 0), (buf, 2)], 0);
    let _ = t.row("several", &[server, several, 0, 0, 0, 0]);
    t.each("unknown flags", &args, 2, &[2, EVERY]);
    let many = message(t, 0, &vec![(buf, 0); 1025], 0);
    let _ = t.row("one buffer too many", &[server, many, 0, 0, 0, 0]);
    for (says, name, at) in [("a buffer outside", 0, OUTSIDE - 2), ("a name outside", OUTSIDE - 3, buf)] {
        let message = message(t, name, &[(at, 3)], 0);
        let _ = t.row(says, &[server, message, 0, 0, 0, 0]);
    }
    let _ = t.row("nowhere", &[server, 0, 0, 0, 0, 0]);
    let _ = t.row("outside", &[server, OUTSIDE - 27, 0, 0, 0, 0]);
    let whole = message(t, 0, &[(buf, 64)], 0);
    let _ = t.row("the rest", &[server, whole, 0, 0, 0, 0]);
    let _ = t.row("nothing there", &[server, whole, 0, 0, 0, 0]);
    let _ = t.row("nothing there, not waiting", &[server, whole, DONTWAIT, 0, 0, 0]);
    let fresh = t.socket();
    let _ = t.row("without a connection", &[fresh, whole, 0, 0, 0, 0]);
    no_socket(t, &args);
}

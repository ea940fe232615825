use stratafs::Errno::*;
use stratafs_abi::Flow;

use crate::guest::{Guest, NONBLOCK, RDWR};

const STREAM: u64 = 1;

impl Guest {
    /// A `struct sockaddr_in`.
    pub fn address(&mut self, ip: [u8; 4], port: u16) -> u64 {
        self.put([&[2, 0][..], &port.to_be_bytes(), &ip, &[0; 8]].concat())
    }

    fn name(&mut self, call: &str, fd: u64) -> Result<([u8; 4], u16), stratafs::Errno> {
        let (addr, len) = (self.alloc(16), self.words(&[16]));
        self.call(call, &[fd, addr, len, 0, 0, 0])?;
        assert_eq!((self.u16_at(addr), self.u32_at(len), self.u64_at(addr + 8)), (2, 16, 0));
        Ok((self.bytes(addr + 4, 4).try_into().unwrap(), self.u16_at(addr + 2).swap_bytes()))
    }

    pub fn port(&mut self, fd: u64) -> u16 {
        self.name("getsockname", fd).unwrap().1
    }

    pub fn socket(&mut self) -> u64 {
        self.call("socket", &[2, STREAM, 0, 0, 0, 0]).unwrap()
    }

    /// A listening socket, and both ends of a connection: the one that called and the one that was accepted.
    pub fn connection(&mut self) -> (u64, u64, u64) {
        let (listener, client) = (self.socket(), self.socket());
        let any = self.address([127, 0, 0, 1], 0);
        self.call("bind", &[listener, any, 16, 0, 0, 0]).unwrap();
        self.call("listen", &[listener, 5, 0, 0, 0, 0]).unwrap();
        let port = self.port(listener);
        let there = self.address([127, 0, 0, 1], port);
        self.call("connect", &[client, there, 16, 0, 0, 0]).unwrap();
        let server = self.call("accept4", &[listener, 0, 0, 0, 0, 0]).unwrap();
        (listener, client, server)
    }

    fn connect(&mut self, fd: u64, ip: [u8; 4], port: u16) -> crate::guest::Answer {
        let there = self.address(ip, port);
        self.call("connect", &[fd, there, 16, 0, 0, 0])
    }

    fn send(&mut self, fd: u64, bytes: &str, flags: u64) -> crate::guest::Answer {
        let at = self.put(bytes);
        self.call("sendto", &[fd, at, bytes.len() as u64, flags, 0, 0])
    }

    fn recv(&mut self, fd: u64, room: u32, flags: u64) -> Result<String, stratafs::Errno> {
        let at = self.alloc(room);
        let n = self.call("recvfrom", &[fd, at, room.into(), flags, 0, 0])?;
        Ok(String::from_utf8(self.bytes(at, n).to_vec()).unwrap())
    }

    fn revents(&mut self, fd: u64) -> u16 {
        let at = self.words(&[fd, 5]);
        self.call("poll", &[at, 1, 0]).unwrap();
        self.u16_at(at + 6)
    }

    pub fn close(&mut self, fd: u64) {
        self.process.close(stratafs::Fd::new(fd as u32)).unwrap();
    }
}

#[test]
fn two_descriptors_of_one_guest_talk() {
    let mut g = Guest::new();
    let (listener, client, server) = g.connection();
    assert_eq!(g.name("getsockname", server), g.name("getpeername", client));
    assert_eq!(g.name("getsockname", client), g.name("getpeername", server));
    assert_eq!(g.name("getsockname", client).unwrap().0, [127, 0, 0, 1]);
    assert_eq!(g.port(server), g.port(listener));
    assert_eq!(g.send(client, "hello", 0), Ok(5));
    assert_eq!(g.recv(server, 2, 0).unwrap(), "he");
    assert_eq!(g.recv(server, 100, 0).unwrap(), "llo");
    assert_eq!(g.send(server, "back", 0x4000), Ok(4));
    assert_eq!(g.recv(client, 100, 0).unwrap(), "back");
    assert_eq!(g.recv(client, 100, 0x40), Err(EAGAIN));
    let at = g.alloc(8);
    let Flow::Wait(wait) = g.flow("__syscall_recvfrom", &[client, at, 8, 0, 0, 0]) else { panic!("does not wait") };
    let thread = std::thread::spawn(move || wait.block());
    assert_eq!(g.write(server, b"more"), 4, "a descriptor like any other");
    thread.join().unwrap();
    assert_eq!(g.recv(client, 100, 0).unwrap(), "more");
    g.fcntl(client, 4, NONBLOCK).unwrap();
    assert_eq!(g.recv(client, 100, 0), Err(EAGAIN));
    assert_eq!(g.fcntl(client, 3, 0), Ok(RDWR | NONBLOCK));
    assert_eq!(g.process.fstat(stratafs::Fd::new(client as u32)).unwrap().kind, stratafs::FileKind::Socket);
}

#[test]
fn the_end_comes_when_the_other_side_has_gone() {
    let mut g = Guest::new();
    let (_, client, server) = g.connection();
    assert_eq!((g.revents(client), g.revents(server)), (4, 4));
    g.send(client, "last", 0).unwrap();
    g.call("shutdown", &[client, 1, 0, 0, 0, 0]).unwrap();
    assert_eq!(g.send(client, "x", 0), Err(EPIPE));
    assert_eq!(g.revents(server), 5);
    assert_eq!(g.recv(server, 9, 0).unwrap(), "last");
    assert_eq!(g.recv(server, 9, 0).unwrap(), "");
    assert_eq!(g.revents(server), 5, "the end can be read");
    assert_eq!(g.send(server, "still", 0), Ok(5));
    assert_eq!(g.recv(client, 9, 0).unwrap(), "still");
    g.close(server);
    assert_eq!(g.recv(client, 9, 0).unwrap(), "");
    assert_eq!(g.revents(client), 0x15, "hung up both ways");
    let (_, client, server) = g.connection();
    g.close(server);
    assert_eq!(g.send(client, "x", 0), Err(EPIPE));
    let (_, client, server) = g.connection();
    g.call("shutdown", &[client, 0, 0, 0, 0, 0]).unwrap();
    g.send(server, "unheard", 0).unwrap();
    assert_eq!(g.recv(client, 9, 0).unwrap(), "");
}

#[test]
fn accepting_waits_for_a_connection_and_polls() {
    let mut g = Guest::new();
    let (listener, client) = (g.socket(), g.socket());
    g.call("listen", &[listener, 1, 0, 0, 0, 0]).unwrap();
    assert_eq!(g.revents(listener), 0);
    let (addr, len) = (g.alloc(16), g.words(&[8]));
    let Flow::Wait(wait) = g.flow("__syscall_accept4", &[listener, addr, len, 0, 0, 0]) else { panic!("does not wait") };
    let port = g.port(listener);
    let thread = std::thread::spawn(move || wait.block());
    assert_eq!(g.connect(client, [127, 0, 0, 1], port), Ok(0));
    thread.join().unwrap();
    assert_eq!(g.revents(listener), 1);
    let other = g.socket();
    assert_eq!(g.connect(other, [127, 0, 0, 1], port), Err(ECONNREFUSED), "one waits already");
    g.send(client, "early", 0).unwrap();
    let server = g.call("accept4", &[listener, addr, len, 0x8_0800, 0, 0]).unwrap();
    assert_eq!((g.u32_at(len), g.u64_at(addr + 8)), (16, 0), "cut to the room there was");
    assert_eq!(u64::from(g.u16_at(addr + 2).swap_bytes()), u64::from(g.port(client)));
    assert_eq!((g.fcntl(server, 1, 0), g.fcntl(server, 3, 0)), (Ok(1), Ok(RDWR | NONBLOCK)));
    assert_eq!(g.recv(server, 9, 0).unwrap(), "early");
    g.fcntl(listener, 4, NONBLOCK).unwrap();
    assert_eq!(g.call("accept4", &[listener, 0, 0, 0, 0, 0]), Err(EAGAIN));
    assert_eq!(g.call("accept4", &[listener, 0, 0, 1, 0, 0]), Err(EINVAL));
    assert_eq!(g.call("accept4", &[client, 0, 0, 0, 0, 0]), Err(EINVAL));
    let late = g.socket();
    g.connect(late, [127, 0, 0, 1], port).unwrap();
    assert_eq!(g.call("shutdown", &[listener, 1, 0, 0, 0, 0]), Ok(0));
    assert_eq!(g.call("shutdown", &[listener, 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(g.recv(late, 1, 0).unwrap(), "", "nobody will accept it");
    let refused = g.socket();
    assert_eq!(g.connect(refused, [127, 0, 0, 1], port), Err(ECONNREFUSED));
}

#[test]
fn nothing_but_this_guest_is_reached() {
    let mut g = Guest::new();
    let (listener, client, _) = g.connection();
    let port = g.port(listener);
    let fd = g.socket();
    assert_eq!(g.connect(fd, [10, 0, 0, 1], port), Err(ENETUNREACH));
    assert_eq!(g.connect(fd, [127, 0, 0, 1], 1), Err(ECONNREFUSED));
    let mut other = Guest::new();
    let theirs = other.socket();
    assert_eq!(other.connect(theirs, [127, 0, 0, 1], port), Err(ECONNREFUSED), "another guest's port");
    assert_eq!(g.connect(fd, [0, 0, 0, 0], port), Ok(0));
    assert_eq!(g.connect(client, [127, 0, 0, 1], port), Err(EISCONN));
    assert_eq!(g.connect(listener, [127, 0, 0, 1], port), Err(EISCONN));
    let out = g.address([10, 0, 0, 1], 0);
    let fresh = g.socket();
    assert_eq!(g.call("bind", &[fresh, out, 16, 0, 0, 0]), Err(EADDRNOTAVAIL));
    let taken = g.address([127, 0, 0, 1], port);
    assert_eq!(g.call("bind", &[fresh, taken, 16, 0, 0, 0]), Err(EADDRINUSE));
    assert_eq!(g.call("bind", &[listener, taken, 16, 0, 0, 0]), Err(EINVAL));
    assert_eq!(g.call("bind", &[fresh, taken, 15, 0, 0, 0]), Err(EINVAL));
    g.close(listener);
    assert_eq!(g.call("bind", &[fresh, taken, 16, 0, 0, 0]), Ok(0), "the port is free again");
    let six = g.put([10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(g.call("connect", &[fresh, six, 16, 0, 0, 0]), Err(EAFNOSUPPORT));
    for (args, errno) in
        [([10, 1, 0], EAFNOSUPPORT), ([1, 1, 0], EAFNOSUPPORT), ([2, 2, 0], EPROTONOSUPPORT), ([2, 77, 0], EINVAL)]
    {
        assert_eq!(g.call("socket", &[&args[..], &[0; 3]].concat()), Err(errno), "{args:?}");
    }
    assert_eq!(g.call("socket", &[2, 1, 17, 0, 0, 0]), Err(EPROTONOSUPPORT));
}

#[test]
fn what_is_not_connected_or_no_socket_says_so() {
    let mut g = Guest::new();
    let (fd, file) = (g.socket(), g.open("/dir/file", RDWR).unwrap());
    assert_eq!(g.name("getpeername", fd), Err(ENOTCONN));
    assert_eq!(g.name("getsockname", fd), Ok(([0; 4], 0)));
    assert_eq!(g.send(fd, "x", 0), Err(EPIPE));
    assert_eq!(g.recv(fd, 1, 0), Err(ENOTCONN));
    assert_eq!(g.call("shutdown", &[fd, 2, 0, 0, 0, 0]), Err(ENOTCONN));
    assert_eq!(g.call("shutdown", &[fd, 3, 0, 0, 0, 0]), Err(EINVAL));
    assert_eq!(g.revents(fd), 0x14);
    assert_eq!(g.send(file, "x", 0), Err(ENOTSOCK));
    assert_eq!(g.name("getsockname", file), Err(ENOTSOCK));
    assert_eq!(g.call("listen", &[file, 1, 0, 0, 0, 0]), Err(ENOTSOCK));
    let (_, client, _) = g.connection();
    assert_eq!(g.recv(client, 1, 2), Err(ENOTSUP), "peeking");
    let (at, there) = (g.put("x"), g.address([127, 0, 0, 1], 1));
    assert_eq!(g.call("sendto", &[client, at, 1, 0, there, 16]), Ok(1));
}

#[test]
fn options_answer_or_are_unknown() {
    let mut g = Guest::new();
    let (listener, client, _) = g.connection();
    let option = |g: &mut Guest, fd, level, option| {
        let (value, len) = (g.words(&[77]), g.words(&[4]));
        g.call("getsockopt", &[fd, level, option, value, len, 0]).map(|_| g.u32_at(value))
    };
    assert_eq!([3, 4, 30, 38, 39].map(|name| option(&mut g, client, 1, name)), [1, 0, 0, 6, 2].map(Ok));
    assert_eq!(option(&mut g, listener, 1, 30), Ok(1));
    assert_eq!(option(&mut g, client, 1, 99), Err(ENOPROTOOPT));
    let (value, len) = (g.words(&[1]), g.words(&[0xffff_ffff]));
    assert_eq!(g.call("getsockopt", &[client, 1, 3, value, len, 0]), Err(EINVAL));
    assert_eq!(g.call("setsockopt", &[client, 1, 2, value, 4, 0]), Ok(0));
    assert_eq!(g.call("setsockopt", &[client, 6, 1, value, 4, 0]), Ok(0));
    assert_eq!(g.call("setsockopt", &[client, 1, 2, value, 3, 0]), Err(EINVAL));
    assert_eq!(g.call("setsockopt", &[client, 41, 26, value, 4, 0]), Err(ENOPROTOOPT));
}

#[test]
fn messages_gather_and_scatter() {
    let mut g = Guest::new();
    let (_, client, server) = g.connection();
    let (one, two) = (g.put("one-"), g.put("two"));
    let iovs = g.words(&[one, 4, two, 3]);
    let msg = g.words(&[0, 0, iovs, 2, 0, 0, 0]);
    assert_eq!(g.call("sendmsg", &[client, msg, 0, 0, 0, 0]), Ok(7));
    let (a, b, name) = (g.alloc(8), g.alloc(8), g.alloc(16));
    let iovs = g.words(&[a, 2, b, 8]);
    let msg = g.words(&[name, 16, iovs, 2, 1, 77, 77]);
    assert_eq!(g.call("recvmsg", &[server, msg, 0, 0, 0, 0]), Ok(7));
    assert_eq!((g.bytes(a, 2), g.bytes(b, 5)), (&b"on"[..], &b"e-two"[..]));
    assert_eq!((g.u32_at(msg + 20), g.u32_at(msg + 24), g.u16_at(name)), (0, 0, 2));
    let control = g.words(&[0, 0, iovs, 2, a, 8, 0]);
    assert_eq!(g.call("sendmsg", &[client, control, 0, 0, 0, 0]), Err(EINVAL));
    let bad = g.words(&[0, 0, iovs, 5000, 0, 0, 0]);
    assert_eq!(g.call("sendmsg", &[client, bad, 0, 0, 0, 0]), Err(EINVAL));
    let bad = g.words(&[0, 0, 0xffff_fff0, 1, 0, 0, 0]);
    assert_eq!(g.call("recvmsg", &[server, bad, 0, 0, 0, 0]), Err(EFAULT));
}

#[test]
fn so_many_may_wait_and_no_more() {
    let mut g = Guest::new();
    let mut refused = 0;
    for _ in 0..5 {
        let listener = g.socket();
        g.call("listen", &[listener, 0xffff_ffff, 0, 0, 0, 0]).unwrap();
        let port = g.port(listener);
        for _ in 0..60 {
            let fd = g.socket();
            refused += usize::from(g.connect(fd, [127, 0, 0, 1], port) == Err(ECONNREFUSED));
            g.close(fd);
        }
    }
    assert_eq!(refused, 5 * 60 - 128);
}

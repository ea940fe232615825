//! Stream sockets between the descriptors of one process: 127.0.0.1 and nothing else.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::pipe::{Pipe, PipeEnd, PipeSize};
use crate::stream::{Changes, Readiness, Stream};
use crate::wait::{Event, Outcome, Wait};
use crate::{Access, Errno, FileKind, Result, Stat};

/// Connections of one process that nobody has accepted yet. Past it: `ECONNREFUSED`.
const PENDING_MAX: usize = 128;
/// Ports that are given out come from here on.
const FIRST_FREE_PORT: u16 = 32_768;

/// The ports of one process.
#[derive(Default)]
pub(crate) struct Network {
    ports: Mutex<Ports>,
    pending: AtomicUsize,
}

#[derive(Default)]
struct Ports {
    bound: HashMap<u16, Weak<Socket>>,
    given: u16,
}

impl Network {
    /// A port that nothing is bound to.
    fn free_port(ports: &mut Ports) -> Result<u16> {
        let count = u16::MAX - FIRST_FREE_PORT;
        for _ in 0..count {
            let port = FIRST_FREE_PORT + ports.given;
            ports.given = (ports.given + 1) % count;
            if !ports.bound.contains_key(&port) {
                return Ok(port);
            }
        }
        Err(Errno::EADDRINUSE)
    }

    fn bind(&self, socket: &Arc<Socket>, port: u16) -> Result<u16> {
        let mut ports = self.ports.lock();
        let port = if port == 0 { Self::free_port(&mut ports)? } else { port };
        match ports.bound.entry(port) {
            Entry::Occupied(_) => Err(Errno::EADDRINUSE),
            Entry::Vacant(entry) => {
                entry.insert(Arc::downgrade(socket));
                Ok(port)
            }
        }
    }

    fn at(&self, port: u16) -> Option<Arc<Socket>> {
        self.ports.lock().bound.get(&port).and_then(Weak::upgrade)
    }
}

/// A stream socket.
pub(crate) struct Socket {
    network: Arc<Network>,
    state: Mutex<State>,
    event: Arc<Event>,
    ino: u64,
}

struct State {
    local: Option<SocketAddrV4>,
    /// Whether the local port is this socket's to give back.
    bound: bool,
    role: Role,
    /// How often the role has changed, or a connection has come in.
    turns: u64,
}

enum Role {
    Idle,
    Listening { waiting: VecDeque<Connection>, max: usize },
    Connected(Connection),
}

struct Connection {
    peer: SocketAddrV4,
    read: PipeEnd,
    write: Option<PipeEnd>,
    deaf: bool,
}

/// Both ends of a connection, of which the first belongs to `a`.
fn connection(a: SocketAddrV4, b: SocketAddrV4, capacity: usize, ino: u64) -> (Connection, Connection) {
    let (event, size) = (Arc::<Event>::default(), PipeSize::fixed(capacity));
    let (to_b, to_a) = (Pipe::signalling(size, ino, event.clone()), Pipe::signalling(size, ino, event));
    let end = |peer, read: &Arc<Pipe>, write: &Arc<Pipe>| Connection {
        peer,
        read: read.end(Access::READ),
        write: Some(write.end(Access::WRITE)),
        deaf: false,
    };
    (end(b, &to_a, &to_b), end(a, &to_b, &to_a))
}

impl Socket {
    pub fn new(network: &Arc<Network>, ino: u64) -> Arc<Self> {
        let state = State { local: None, bound: false, role: Role::Idle, turns: 0 };
        Arc::new(Socket { network: network.clone(), state: Mutex::new(state), event: Arc::default(), ino })
    }

    /// Gives the socket an address; port 0 is any free one.
    pub fn bind(self: &Arc<Self>, address: SocketAddrV4) -> Result<()> {
        if !address.ip().is_unspecified() && *address.ip() != Ipv4Addr::LOCALHOST {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let mut state = self.state.lock();
        if state.local.is_some() {
            return Err(Errno::EINVAL);
        }
        let port = self.network.bind(self, address.port())?;
        state.local = Some(SocketAddrV4::new(*address.ip(), port));
        state.bound = true;
        Ok(())
    }

    pub fn listen(self: &Arc<Self>, backlog: usize) -> Result<()> {
        if self.state.lock().local.is_none() {
            self.bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?;
        }
        let max = backlog.clamp(1, PENDING_MAX);
        let state = &mut *self.state.lock();
        match &mut state.role {
            Role::Connected(_) => return Err(Errno::EINVAL),
            Role::Listening { max: old, .. } => *old = max,
            role @ Role::Idle => *role = Role::Listening { waiting: VecDeque::new(), max },
        }
        Ok(())
    }

    /// Connects at once, whether or not the other side has accepted.
    pub fn connect(&self, address: SocketAddrV4, capacity: usize) -> Result<()> {
        let own = {
            let state = self.state.lock();
            match state.role {
                Role::Connected(_) | Role::Listening { .. } => return Err(Errno::EISCONN),
                Role::Idle => state.local,
            }
        };
        if !address.ip().is_unspecified() && *address.ip() != Ipv4Addr::LOCALHOST {
            return Err(Errno::ENETUNREACH);
        }
        let listener = self.network.at(address.port()).ok_or(Errno::ECONNREFUSED)?;
        let port = match own {
            Some(own) => own.port(),
            None => Network::free_port(&mut self.network.ports.lock())?,
        };
        let (local, peer) =
            (SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), SocketAddrV4::new(Ipv4Addr::LOCALHOST, address.port()));
        let ours = {
            let mut state = listener.state.lock();
            let Role::Listening { waiting, max } = &mut state.role else { return Err(Errno::ECONNREFUSED) };
            if waiting.len() >= *max || self.network.pending.load(Ordering::Relaxed) >= PENDING_MAX {
                return Err(Errno::ECONNREFUSED);
            }
            self.network.pending.fetch_add(1, Ordering::Relaxed);
            let (ours, theirs) = connection(local, peer, capacity, self.ino);
            waiting.push_back(theirs);
            state.turns += 1;
            ours
        };
        listener.event.signal();
        let mut state = self.state.lock();
        state.local = Some(local);
        state.role = Role::Connected(ours);
        state.turns += 1;
        drop(state);
        self.event.signal();
        Ok(())
    }

    /// The first connection that waits, as a socket of its own, and whom it is with.
    pub fn accept(&self, ino: u64) -> Result<Outcome<(Arc<Socket>, SocketAddrV4)>> {
        let seen = self.event.times();
        let mut state = self.state.lock();
        let local = state.local;
        let Role::Listening { waiting, .. } = &mut state.role else { return Err(Errno::EINVAL) };
        let Some(connection) = waiting.pop_front() else {
            return Ok(Outcome::Wait(Wait::new().or_event(&self.event, seen)));
        };
        drop(state);
        self.network.pending.fetch_sub(1, Ordering::Relaxed);
        let peer = connection.peer;
        let socket = Socket::new(&self.network, ino);
        let port = local.map_or(0, |local| local.port());
        *socket.state.lock() = State {
            local: Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)),
            bound: false,
            role: Role::Connected(connection),
            turns: 0,
        };
        Ok(Outcome::Ready((socket, peer)))
    }

    /// Ends one direction, or both. A socket that listens stops to when it is to read no more.
    pub fn shutdown(&self, read: bool, write: bool) -> Result<()> {
        let mut state = self.state.lock();
        state.turns += 1;
        match &mut state.role {
            Role::Idle => return Err(Errno::ENOTCONN),
            Role::Listening { waiting, .. } if read => {
                self.network.pending.fetch_sub(waiting.len(), Ordering::Relaxed);
                state.role = Role::Idle;
                self.event.signal();
            }
            Role::Listening { .. } => {}
            Role::Connected(connection) => {
                connection.deaf |= read;
                if write {
                    connection.write = None;
                }
                if let Some(event) = connection.read.event() {
                    event.signal();
                }
            }
        }
        Ok(())
    }

    /// The own address; all zeros before there is one.
    pub fn name(&self) -> SocketAddrV4 {
        self.state.lock().local.unwrap_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))
    }

    /// Whom it is connected with.
    pub fn peer(&self) -> Result<SocketAddrV4> {
        match &self.state.lock().role {
            Role::Connected(connection) => Ok(connection.peer),
            Role::Idle | Role::Listening { .. } => Err(Errno::ENOTCONN),
        }
    }

    pub fn is_listening(&self) -> bool {
        matches!(self.state.lock().role, Role::Listening { .. })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if let Role::Listening { waiting, .. } = &state.role {
            self.network.pending.fetch_sub(waiting.len(), Ordering::Relaxed);
        }
        if let (true, Some(local)) = (state.bound, state.local) {
            self.network.ports.lock().bound.remove(&local.port());
        }
    }
}

impl Stream for Socket {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        match &self.state.lock().role {
            Role::Connected(connection) if connection.deaf => Ok(Outcome::Ready(0)),
            Role::Connected(connection) => connection.read.read(buf),
            Role::Idle | Role::Listening { .. } => Err(Errno::ENOTCONN),
        }
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        match &self.state.lock().role {
            Role::Connected(Connection { write: Some(end), .. }) => end.write(bufs),
            Role::Connected(_) | Role::Idle | Role::Listening { .. } => Err(Errno::EPIPE),
        }
    }

    fn readiness(&self) -> Readiness {
        match &self.state.lock().role {
            // As Linux reports one that was never connected.
            Role::Idle => Readiness { writable: true, hangup: true, ..Readiness::default() },
            Role::Listening { waiting, .. } => Readiness { readable: !waiting.is_empty(), ..Readiness::default() },
            Role::Connected(connection) => {
                let read = connection.read.readiness();
                let writable = connection.write.as_ref().is_none_or(|write| write.readiness().writable);
                // The other side gone is the end of what can be read; hung up is a socket with both directions ended.
                let ended = read.hangup || connection.deaf;
                let hangup = ended && connection.write.is_none();
                Readiness {
                    readable: read.readable || ended,
                    writable,
                    hangup,
                    error: false,
                    read_closed: ended,
                    bytes: read.bytes,
                }
            }
        }
    }

    fn event(&self) -> Option<Arc<Event>> {
        match &self.state.lock().role {
            Role::Connected(connection) => connection.read.event(),
            Role::Idle | Role::Listening { .. } => Some(self.event.clone()),
        }
    }

    fn changes(&self) -> Changes {
        let state = self.state.lock();
        let Role::Connected(connection) = &state.role else { return Changes { read: state.turns, write: state.turns } };
        let write = connection.write.as_ref().map_or(0, |write| write.changes().write);
        Changes { read: connection.read.changes().read + state.turns, write: write + state.turns }
    }

    fn stat(&self) -> Stat {
        Stat { mode: 0o777, ..Stat::new(self.ino, FileKind::Socket) }
    }
}

use std::net::SocketAddrV4;
use std::sync::Arc;

use super::Process;
use crate::fd_table::{Descriptor, Fd};
use crate::open_file::{OpenFile, StatusFlags};
use crate::socket::Socket;
use crate::wait::Outcome;
use crate::{Errno, Result};

impl Process {
    fn socket_of(&self, fd: Fd) -> Result<&Arc<Socket>> {
        let file = &self.fds.get(fd)?.file;
        if file.is_path() { Err(Errno::EBADF) } else { file.as_socket().ok_or(Errno::ENOTSOCK) }
    }

    fn install_socket(&mut self, socket: Arc<Socket>, nonblock: bool, cloexec: bool) -> Result<Fd> {
        let file = OpenFile::socket(socket);
        file.set_status(StatusFlags { nonblock, append: false });
        self.fds.insert(Descriptor::new(Arc::new(file), cloexec), Fd::STDIN)
    }

    /// Makes a stream socket, which can reach this process's own sockets on 127.0.0.1 and nothing else.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn socket(&mut self, nonblock: bool, cloexec: bool) -> Result<Fd> {
        self.abandon_wait();
        self.pipes += 1;
        let socket = Socket::new(&self.network, self.pipes);
        self.install_socket(socket, nonblock, cloexec)
    }

    /// Gives a socket its address: 127.0.0.1 or 0.0.0.0; port 0 is any free one.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `EADDRNOTAVAIL`; `EINVAL` when it has one; `EADDRINUSE`.
    pub fn bind(&mut self, fd: Fd, address: SocketAddrV4) -> Result<()> {
        self.socket_of(fd)?.bind(address)
    }

    /// Lets others connect to a socket, so many before it accepts them.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `EINVAL` when it is connected.
    pub fn listen(&mut self, fd: Fd, backlog: usize) -> Result<()> {
        self.socket_of(fd)?.listen(backlog)
    }

    /// Connects a socket to a listening one, without waiting for it to accept.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `EISCONN`, also when it listens; `ENETUNREACH` for any other host; `ECONNREFUSED` when nobody listens, or too
    /// many wait.
    pub fn connect(&mut self, fd: Fd, address: SocketAddrV4) -> Result<()> {
        self.socket_of(fd)?.connect(address, self.limits.pipe)
    }

    /// Takes a connection that waits at a listening socket; answers its descriptor and the other side's address.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `EINVAL` when it does not listen; `EAGAIN` instead of a wait when non-blocking; `EMFILE`.
    pub fn accept(&mut self, fd: Fd, nonblock: bool, cloexec: bool) -> Result<Outcome<(Fd, SocketAddrV4)>> {
        self.abandon_wait();
        let waits = !self.fds.get(fd)?.file.status().nonblock;
        let socket = self.socket_of(fd)?.clone();
        self.fds.check_free()?;
        match socket.accept(self.pipes + 1)? {
            Outcome::Ready((socket, peer)) => {
                self.pipes += 1;
                Ok(Outcome::Ready((self.install_socket(socket, nonblock, cloexec)?, peer)))
            }
            Outcome::Wait(wait) if waits => Ok(Outcome::Wait(wait)),
            Outcome::Wait(_) => Err(Errno::EAGAIN),
        }
    }

    /// Ends one direction of a connection, or both.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `ENOTCONN`.
    pub fn shutdown(&mut self, fd: Fd, read: bool, write: bool) -> Result<()> {
        self.socket_of(fd)?.shutdown(read, write)
    }

    /// A socket's own address.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`.
    pub fn getsockname(&self, fd: Fd) -> Result<SocketAddrV4> {
        Ok(self.socket_of(fd)?.name())
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`; `ENOTCONN`.
    pub fn getpeername(&self, fd: Fd) -> Result<SocketAddrV4> {
        self.socket_of(fd)?.peer()
    }

    /// Whether a socket listens.
    ///
    /// # Errors
    /// `EBADF`; `ENOTSOCK`.
    pub fn is_listening(&self, fd: Fd) -> Result<bool> {
        Ok(self.socket_of(fd)?.is_listening())
    }
}

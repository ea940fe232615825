//! Sockets: streams between the guest's own descriptors on 127.0.0.1. Every call has six parameters, used or not.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddrV4};

use stratafs::{Errno, Fd, OneBuf, Outcome, ReadBufs, Result};
use stratafs_abi::{Buffer, Call, GuestMemory, IoVecs, Ptr, Size, Slot};

use crate::args::check_buffer;
use crate::layout::put;

pub(crate) const AF_INET: u32 = 2;
pub(crate) const SOCK_STREAM: u32 = 1;
const SOCK_NONBLOCK: u32 = 0x800;
const SOCK_CLOEXEC: u32 = 0x8_0000;
pub(crate) const IPPROTO_TCP: u32 = 6;
const SOL_SOCKET: u32 = 1;
const SO_TYPE: u32 = 3;
const SO_ERROR: u32 = 4;
const SO_ACCEPTCONN: u32 = 30;
const SO_PROTOCOL: u32 = 38;
const SO_DOMAIN: u32 = 39;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_WAITALL: u32 = 0x100;
const MSG_NOSIGNAL: u32 = 0x4000;
/// Bytes of a `struct sockaddr_in`.
const ADDRESS: u32 = 16;
/// Bytes of a `struct sockaddr_storage`: no address is longer.
const LONGEST: u32 = 128;
/// Bytes of a `struct msghdr`.
const HEADER: u32 = 28;

pub(crate) fn load_address(memory: &GuestMemory<'_>, at: Ptr, len: Size) -> Result<SocketAddrV4> {
    if !(ADDRESS..=LONGEST).contains(&len.raw()) {
        return Err(Errno::EINVAL);
    }
    check_buffer(memory, at, Size::new(ADDRESS))?;
    if u32::from(memory.read_u16(at)?) != AF_INET {
        return Err(Errno::EAFNOSUPPORT);
    }
    let port = u16::from_be(memory.read_u16(at.offset(2)?)?);
    Ok(SocketAddrV4::new(Ipv4Addr::from(u32::from_be(memory.read_u32(at.offset(4)?)?)), port))
}

/// Makes sure that an address and its length can be written.
fn check_address(memory: &GuestMemory<'_>, at: Ptr, len: Ptr) -> Result<()> {
    check_buffer(memory, len, Size::new(4))?;
    let room = memory.read_u32(len)?;
    if room.cast_signed() < 0 {
        return Err(Errno::EINVAL);
    }
    check_buffer(memory, at, Size::new(room.min(ADDRESS)))
}

/// Writes as much of the address as there is room for, and its whole length.
fn store_address(memory: &mut GuestMemory<'_>, at: Ptr, len: Ptr, address: SocketAddrV4) -> Result<()> {
    let mut record = [0; ADDRESS as usize];
    put(&mut record, 0, [2, 0]);
    put(&mut record, 2, address.port().to_be_bytes());
    put(&mut record, 4, address.ip().octets());
    let room = Size::new(memory.read_u32(len)?.min(ADDRESS));
    memory.write(at, record.get(..room.get()).unwrap_or_default())?;
    memory.write_u32(len, ADDRESS)
}

/// Makes a socket.
///
/// # Errors
/// `EAFNOSUPPORT` for anything but IPv4; `EINVAL` for an unknown flag; `EPROTONOSUPPORT` for anything but a TCP stream; `EMFILE`.
pub fn __syscall_socket(cx: &mut Call<'_>, domain: u32, kind: u32, protocol: u32, _: u32, _: u32, _: u32) -> Result<u32> {
    if domain != AF_INET {
        return Err(Errno::EAFNOSUPPORT);
    }
    let flags = kind & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    match kind & !flags {
        SOCK_STREAM if matches!(protocol, 0 | IPPROTO_TCP) => {}
        0..=10 => return Err(Errno::EPROTONOSUPPORT),
        _ => return Err(Errno::EINVAL),
    }
    cx.process.socket(flags & SOCK_NONBLOCK != 0, flags & SOCK_CLOEXEC != 0).map(Fd::raw)
}

/// Gives a socket its address.
///
/// # Errors
/// `EINVAL` for a short address, or one longer than there are; `EFAULT`; `EAFNOSUPPORT`; those of [`Process::bind`](stratafs::Process::bind).
pub fn __syscall_bind(cx: &mut Call<'_>, fd: Fd, addr: Ptr, len: Size, _: u32, _: u32, _: u32) -> Result<()> {
    cx.process.getsockname(fd)?;
    cx.process.bind(fd, load_address(&cx.memory, addr, len)?)
}

/// Connects a socket.
///
/// # Errors
/// `EINVAL` for a short address, or one longer than there are; `EFAULT`; `EAFNOSUPPORT`; those of [`Process::connect`](stratafs::Process::connect).
pub fn __syscall_connect(cx: &mut Call<'_>, fd: Fd, addr: Ptr, len: Size, _: u32, _: u32, _: u32) -> Result<()> {
    cx.process.getsockname(fd)?;
    cx.process.connect(fd, load_address(&cx.memory, addr, len)?)
}

/// Lets others connect to a socket.
///
/// # Errors
/// Those of [`Process::listen`](stratafs::Process::listen).
pub fn __syscall_listen(cx: &mut Call<'_>, fd: Fd, backlog: Size, _: u32, _: u32, _: u32, _: u32) -> Result<()> {
    // listen(2): a negative number is as many as possible.
    cx.process.listen(fd, backlog.get())
}

/// Takes a connection; the other side's address goes to `addr` unless that is null.
///
/// # Errors
/// `EINVAL` for an unknown flag; `EFAULT`; those of [`Process::accept`](stratafs::Process::accept).
pub fn __syscall_accept4(cx: &mut Call<'_>, fd: Fd, addr: Ptr, len: Ptr, flags: u32, _: u32, _: u32) -> Result<Outcome<u32>> {
    if flags & !(SOCK_NONBLOCK | SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    cx.process.getsockname(fd)?;
    if addr.raw() != 0 {
        check_address(&cx.memory, addr, len)?;
    }
    match cx.process.accept(fd, flags & SOCK_NONBLOCK != 0, flags & SOCK_CLOEXEC != 0)? {
        Outcome::Wait(wait) => Ok(Outcome::Wait(wait)),
        Outcome::Ready((fd, peer)) => {
            if addr.raw() != 0 {
                store_address(&mut cx.memory, addr, len, peer)?;
            }
            Ok(Outcome::Ready(fd.raw()))
        }
    }
}

/// Ends one direction of a connection, or both.
///
/// # Errors
/// `EINVAL` for an unknown direction; those of [`Process::shutdown`](stratafs::Process::shutdown).
pub fn __syscall_shutdown(cx: &mut Call<'_>, fd: Fd, how: u32, _: u32, _: u32, _: u32, _: u32) -> Result<()> {
    cx.process.getsockname(fd)?;
    if how > 2 {
        return Err(Errno::EINVAL);
    }
    cx.process.shutdown(fd, how != 1, how != 0)
}

/// A socket's own address.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`; `EFAULT`; `EINVAL` for a negative length.
pub fn __syscall_getsockname(cx: &mut Call<'_>, fd: Fd, addr: Ptr, len: Ptr, _: u32, _: u32, _: u32) -> Result<()> {
    let name = cx.process.getsockname(fd)?;
    check_address(&cx.memory, addr, len)?;
    store_address(&mut cx.memory, addr, len, name)
}

/// The address of the other side.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`; `ENOTCONN`; `EFAULT`; `EINVAL` for a negative length.
pub fn __syscall_getpeername(cx: &mut Call<'_>, fd: Fd, addr: Ptr, len: Ptr, _: u32, _: u32, _: u32) -> Result<()> {
    let peer = cx.process.getpeername(fd)?;
    check_address(&cx.memory, addr, len)?;
    store_address(&mut cx.memory, addr, len, peer)
}

/// What a socket is, and whether something went wrong with it.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`; `ENOPROTOOPT` for any other option; `EFAULT`; `EINVAL` for a negative length.
pub fn __syscall_getsockopt(cx: &mut Call<'_>, fd: Fd, level: u32, option: u32, value: Ptr, len: Ptr, _: u32) -> Result<()> {
    let listening = cx.process.is_listening(fd)?;
    let answer: u32 = match (level, option) {
        (SOL_SOCKET, SO_ERROR) => 0,
        (SOL_SOCKET, SO_TYPE) => SOCK_STREAM,
        (SOL_SOCKET, SO_DOMAIN) => AF_INET,
        (SOL_SOCKET, SO_PROTOCOL) => IPPROTO_TCP,
        (SOL_SOCKET, SO_ACCEPTCONN) => listening.into(),
        _ => return Err(Errno::ENOPROTOOPT),
    };
    check_buffer(&cx.memory, len, Size::new(4))?;
    let room = cx.memory.read_u32(len)?;
    if room.cast_signed() < 0 {
        return Err(Errno::EINVAL);
    }
    let room = Size::new(room.min(4));
    check_buffer(&cx.memory, value, room)?;
    cx.memory.write(value, answer.to_le_bytes().get(..room.get()).unwrap_or_default())?;
    cx.memory.write_u32(len, room.raw())
}

/// Takes the options that change nothing between two descriptors of one guest.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`; `ENOPROTOOPT` for an option of another level; `EFAULT`; `EINVAL` for a value of less than 4 bytes.
pub fn __syscall_setsockopt(cx: &mut Call<'_>, fd: Fd, level: u32, option: u32, value: Ptr, len: Size, _: u32) -> Result<()> {
    cx.process.getsockname(fd)?;
    let known = match level {
        // SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_LINGER, SO_REUSEPORT.
        SOL_SOCKET => matches!(option, 2 | 5..=10 | 13 | 15),
        // TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT.
        IPPROTO_TCP => matches!(option, 1 | 4..=6),
        _ => false,
    };
    if !known {
        return Err(Errno::ENOPROTOOPT);
    }
    if len.raw().cast_signed() < 4 {
        return Err(Errno::EINVAL);
    }
    check_buffer(&cx.memory, value, Size::new(4))
}

/// Refuses what is no socket, and flags that mean more than not to wait.
fn check_transfer(cx: &Call<'_>, fd: Fd, flags: u32) -> Result<()> {
    cx.process.getsockname(fd)?;
    if flags & !(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL) == 0 { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

fn bytes_moved(outcome: Outcome<usize>, flags: u32) -> Result<Outcome<u32>> {
    match outcome {
        Outcome::Ready(n) => Ok(Outcome::Ready(Size::of(n)?.raw())),
        Outcome::Wait(_) if flags & MSG_DONTWAIT != 0 => Err(Errno::EAGAIN),
        Outcome::Wait(wait) => Ok(Outcome::Wait(wait)),
    }
}

/// Sends bytes over a connection. An address is not looked at: there is one already.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`; `EOPNOTSUPP` for a flag; `EINVAL` for an address longer than there are; `EFAULT`, of the address too; `EPIPE`, also without a connection; `EAGAIN`.
pub fn __syscall_sendto(
    cx: &mut Call<'_>,
    fd: Fd,
    buf: Buffer,
    len: Size,
    flags: u32,
    addr: Ptr,
    addrlen: Size,
) -> Result<Outcome<u32>> {
    check_transfer(cx, fd, flags)?;
    if addr.raw() != 0 {
        if addrlen.raw() > LONGEST {
            return Err(Errno::EINVAL);
        }
        check_buffer(&cx.memory, addr, addrlen)?;
    }
    let len = Size::new(len.raw().min(u32::try_from(cx.process.limits().call).unwrap_or(u32::MAX)));
    check_buffer(&cx.memory, buf.ptr(), len)?;
    let bytes = cx.memory.bytes(buf.ptr(), len)?;
    bytes_moved(cx.process.write(fd, &[IoSlice::new(&bytes)])?, flags)
}

/// Receives bytes over a connection; the other side's address goes to `addr` unless that is null.
///
/// # Errors
/// `EBADF`; `ENOTSOCK`; `EOPNOTSUPP` for a flag; `EFAULT`; `ENOTCONN`; `EAGAIN`.
pub fn __syscall_recvfrom(
    cx: &mut Call<'_>,
    fd: Fd,
    buf: Buffer,
    len: Size,
    flags: u32,
    addr: Ptr,
    addrlen: Ptr,
) -> Result<Outcome<u32>> {
    check_transfer(cx, fd, flags)?;
    let peer = cx.process.getpeername(fd)?;
    if addr.raw() != 0 {
        check_address(&cx.memory, addr, addrlen)?;
    }
    check_buffer(&cx.memory, buf.ptr(), len)?;
    // A connection never holds more.
    let mut bytes = vec![0; len.get().min(cx.process.limits().pipe)];
    let moved = bytes_moved(cx.process.read(fd, &mut OneBuf(&mut bytes))?, flags)?;
    if let Outcome::Ready(n) = moved {
        cx.memory.write(buf.ptr(), bytes.get(..Size::new(n).get()).unwrap_or_default())?;
        if addr.raw() != 0 {
            store_address(&mut cx.memory, addr, addrlen, peer)?;
        }
    }
    Ok(moved)
}

/// The buffers of a `struct msghdr`: their list and how many they are.
fn message(memory: &GuestMemory<'_>, at: Ptr) -> Result<(IoVecs, Size)> {
    check_buffer(memory, at, Size::new(HEADER))?;
    Ok((IoVecs::lift(memory.read_u32(at.offset(8)?)?)?, Size::new(memory.read_u32(at.offset(12)?)?)))
}

/// Sends the buffers of a message. Control data is refused.
///
/// # Errors
/// As [`__syscall_sendto`]; `EINVAL` for too many buffers or control data.
pub fn __syscall_sendmsg(cx: &mut Call<'_>, fd: Fd, msg: Ptr, flags: u32, _: u32, _: u32, _: u32) -> Result<Outcome<u32>> {
    check_transfer(cx, fd, flags)?;
    let (list, count) = message(&cx.memory, msg)?;
    if cx.memory.read_u32(msg.offset(20)?)? != 0 {
        return Err(Errno::EINVAL);
    }
    let gather = list.gather(&cx.memory, count, cx.process.limits())?;
    bytes_moved(cx.process.write(fd, gather.as_slices())?, flags)
}

/// Receives into the buffers of a message. There is never control data; the address is the other side's.
///
/// # Errors
/// As [`__syscall_recvfrom`]; `EINVAL` for too many buffers.
pub fn __syscall_recvmsg(cx: &mut Call<'_>, fd: Fd, msg: Ptr, flags: u32, _: u32, _: u32, _: u32) -> Result<Outcome<u32>> {
    check_transfer(cx, fd, flags)?;
    let peer = cx.process.getpeername(fd)?;
    let (list, count) = message(&cx.memory, msg)?;
    let name = Ptr::new(cx.memory.read_u32(msg)?);
    if name.raw() != 0 {
        check_address(&cx.memory, name, msg.offset(4)?)?;
    }
    let limits = cx.process.limits().clone();
    let mut scatter = list.scatter(&mut cx.memory, count, &limits)?;
    let bufs: &mut dyn ReadBufs = &mut scatter;
    let moved = bytes_moved(cx.process.read(fd, bufs)?, flags)?;
    if matches!(moved, Outcome::Ready(_)) {
        if name.raw() != 0 {
            store_address(&mut cx.memory, name, msg.offset(4)?, peer)?;
        }
        cx.memory.write_u32(msg.offset(20)?, 0)?;
        cx.memory.write_u32(msg.offset(24)?, 0)?;
    }
    Ok(moved)
}

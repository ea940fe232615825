//! Names of hosts and services. There is this host, and there are numbers.

use std::net::{Ipv4Addr, SocketAddrV4};

use stratafs::{Errno, Result};
use stratafs_abi::{Buffer, Call, GuestMemory, MinusOne, Ptr, Size, wasi_number};

use super::time::c_string;
use crate::layout::put;
use crate::socket::{AF_INET, IPPROTO_TCP, SOCK_STREAM, load_address};

const AI_PASSIVE: u32 = 0x1;
const AI_NUMERICHOST: u32 = 0x4;
const NI_NUMERICHOST: i32 = 0x1;
const NI_NAMEREQD: i32 = 0x8;
const NAME_MAX: usize = 255;
const LOCALHOST: &str = "localhost";
/// Bytes of a `struct hostent`.
const HOSTENT: u32 = 20;
const HOST_NOT_FOUND: u32 = 1;

/// Why a name could not be found, `EAI_*` with musl's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// There is no such name: `EAI_NONAME`.
    NoName,
    /// Only IPv4 is there: `EAI_FAMILY`.
    Family,
    /// Only TCP streams are there: `EAI_SOCKTYPE`.
    SockType,
    /// There is no such service: `EAI_SERVICE`.
    Service,
    /// A pointer leads nowhere: `EAI_SYSTEM`.
    System,
    /// It does not fit: `EAI_OVERFLOW`.
    Overflow,
}

impl NameError {
    /// The number that the guest gets.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            NameError::NoName => -2,
            NameError::Family => -6,
            NameError::SockType => -7,
            NameError::Service => -8,
            NameError::System => -11,
            NameError::Overflow => -12,
        }
    }
}

impl From<Errno> for NameError {
    fn from(_: Errno) -> Self {
        NameError::System
    }
}

/// What `getaddrinfo` finds: one TCP address. Whoever answers that import allocates [`SIZE`](AddrInfo::SIZE) and
/// [`ADDRESS`](AddrInfo::ADDRESS) bytes in the guest, as its `freeaddrinfo` frees both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddrInfo(pub SocketAddrV4);

impl AddrInfo {
    /// Bytes of a `struct addrinfo`.
    pub const SIZE: u32 = 32;
    /// Bytes of a `struct sockaddr_in`.
    pub const ADDRESS: u32 = 16;

    /// The address of a host by its name: an IPv4 address in dotted form or `localhost`.
    fn host(name: &[u8], numeric: bool) -> std::result::Result<Ipv4Addr, NameError> {
        if name == LOCALHOST.as_bytes() && !numeric {
            return Ok(Ipv4Addr::LOCALHOST);
        }
        std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(NameError::NoName)
    }

    /// Looks up what the arguments of `getaddrinfo` name: an IPv4 address in dotted form, `localhost`, or no host; a port, or none.
    ///
    /// # Errors
    /// `System` for a bad pointer; `Family` and `SockType` for what `hint` asks for and there is not; `NoName` for any other host, or none at
    /// all; `Service` for a service that is no number.
    pub fn find(cx: &Call<'_>, node: Ptr, service: Ptr, hint: Ptr) -> std::result::Result<Self, NameError> {
        let hinted = |offset| if hint.raw() == 0 { Ok(0) } else { cx.memory.read_u32(hint.offset(offset)?) };
        let (flags, family, kind, protocol) = (hinted(0)?, hinted(4)?, hinted(8)?, hinted(12)?);
        if family != 0 && family != AF_INET {
            return Err(NameError::Family);
        }
        if !matches!(kind, 0 | SOCK_STREAM) || !matches!(protocol, 0 | IPPROTO_TCP) {
            return Err(NameError::SockType);
        }
        let text = |at: Ptr| match at.raw() {
            0 => Ok(None),
            _ => c_string(&cx.memory, at, NAME_MAX).map(Some),
        };
        let (node, service) = (text(node)?, text(service)?);
        let host = match node.as_deref() {
            None if service.is_none() => return Err(NameError::NoName),
            None if flags & AI_PASSIVE != 0 => Ipv4Addr::UNSPECIFIED,
            None => Ipv4Addr::LOCALHOST,
            Some(name) => Self::host(name, flags & AI_NUMERICHOST != 0)?,
        };
        let number = |service: Vec<u8>| String::from_utf8(service).ok().and_then(|service| service.parse().ok());
        let port = service.map_or(Some(0), number).ok_or(NameError::Service)?;
        Ok(AddrInfo(SocketAddrV4::new(host, port)))
    }

    /// Writes it at `at`, and its address at `address`.
    ///
    /// # Errors
    /// `EFAULT`, with nothing written.
    pub fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr, address: Ptr) -> Result<()> {
        let mut info = [0; AddrInfo::SIZE as usize];
        for (start, word) in [(4, AF_INET), (8, SOCK_STREAM), (12, IPPROTO_TCP), (16, Self::ADDRESS), (20, address.raw())] {
            put(&mut info, start, word.to_le_bytes());
        }
        let mut record = [0; AddrInfo::ADDRESS as usize];
        put(&mut record, 0, [2, 0]);
        put(&mut record, 2, self.0.port().to_be_bytes());
        put(&mut record, 4, self.0.ip().octets());
        memory.check(at, Size::new(Self::SIZE))?;
        memory.write(address, &record)?;
        memory.write(at, &info)
    }
}

/// Looks up what the arguments of `getaddrinfo` name, for the glue, which has made room for it. Answers 0 or one of the negative numbers `EAI_*`.
///
/// # Errors
/// None; [`NameError`] says which numbers there are.
pub fn addrinfo(cx: &mut Call<'_>, node: Ptr, service: Ptr, hint: Ptr, at: Ptr, address: Ptr) -> MinusOne<i32> {
    let stored = AddrInfo::find(cx, node, service, hint)
        .and_then(|found| found.store(&mut cx.memory, at, address).map_err(|_| NameError::System));
    MinusOne(Ok(stored.map_or_else(NameError::number, |()| 0)))
}

/// The host and the service of an address, as text with a NUL, each unless there is no room for any: the host as `localhost` where it is this
/// one and a name is wanted, all else as numbers. Answers 0 or one of the negative numbers `EAI_*`.
///
/// # Errors
/// None; [`NameError`] says which numbers there are.
pub fn getnameinfo(
    cx: &mut Call<'_>,
    addr: Ptr,
    addr_len: Size,
    host: Buffer,
    host_len: Size,
    service: Buffer,
    service_len: Size,
    flags: i32,
) -> MinusOne<i32> {
    let named = nameinfo(cx, (addr, addr_len), (host.ptr(), host_len), (service.ptr(), service_len), flags);
    MinusOne(Ok(named.map_or_else(NameError::number, |()| 0)))
}

fn nameinfo(
    cx: &mut Call<'_>,
    addr: (Ptr, Size),
    host: (Ptr, Size),
    service: (Ptr, Size),
    flags: i32,
) -> std::result::Result<(), NameError> {
    let address = load_address(&cx.memory, addr.0, addr.1).map_err(|errno| match errno {
        Errno::EFAULT => NameError::System,
        _ => NameError::Family,
    })?;
    let local = address.ip().is_loopback() && flags & NI_NUMERICHOST == 0;
    if !local && flags & NI_NAMEREQD != 0 {
        return Err(NameError::NoName);
    }
    let name = if local { LOCALHOST.to_owned() } else { address.ip().to_string() };
    let texts = [(host, name), (service, address.port().to_string())];
    for ((at, room), text) in &texts {
        if room.raw() > 0 && at.raw() != 0 {
            if text.len() >= room.get() {
                return Err(NameError::Overflow);
            }
            cx.memory.check(*at, *room)?;
        }
    }
    for ((at, room), text) in &texts {
        if room.raw() > 0 && at.raw() != 0 {
            cx.memory.write(*at, &[text.as_bytes(), b"\0"].concat())?;
        }
    }
    Ok(())
}

/// Looks up the IPv4 address of a host by its name: an address in dotted form, or `localhost`. Writes a `struct hostent` at `ret` and what it
/// points to into `buf`. `result` gets `ret`, or null and `error` the reason: 1 for a host that there is not. Answers 0, also for that.
///
/// # Errors
/// As positive numbers: `ERANGE` when `buf` is too small; `EFAULT`, with nothing written.
pub fn gethostbyname_r(cx: &mut Call<'_>, name: Ptr, ret: Ptr, buf: Buffer, len: Size, result: Ptr, error: Ptr) -> MinusOne<i32> {
    let found = hostent(cx, name, ret, (buf.ptr(), len), result, error);
    MinusOne(Ok(found.map_or_else(|errno| i32::from(wasi_number(errno)), |()| 0)))
}

fn hostent(cx: &mut Call<'_>, name: Ptr, ret: Ptr, buf: (Ptr, Size), result: Ptr, error: Ptr) -> Result<()> {
    let name = c_string(&cx.memory, name, NAME_MAX)?;
    for (at, len) in [(ret, Size::new(HOSTENT)), (result, Size::new(4)), (error, Size::new(4))] {
        cx.memory.check(at, len)?;
    }
    let Ok(address) = AddrInfo::host(&name, false) else {
        cx.memory.write_u32(result, 0)?;
        return cx.memory.write_u32(error, HOST_NOT_FOUND);
    };
    // Two lists of pointers, of which the first is empty, the address, and the name.
    let mut data = vec![0; 16];
    put(&mut data, 4, buf.0.offset(12)?.raw().to_le_bytes());
    put(&mut data, 12, address.octets());
    data.extend_from_slice(&name);
    data.push(0);
    if data.len() > buf.1.get() {
        return Err(Errno::ERANGE);
    }
    let mut record = [0; HOSTENT as usize];
    let words = [buf.0.offset(16)?.raw(), buf.0.raw(), AF_INET, 4, buf.0.offset(4)?.raw()];
    for (start, word) in (0..).step_by(4).zip(words) {
        put(&mut record, start, word.to_le_bytes());
    }
    cx.memory.write(buf.0, &data)?;
    cx.memory.write(ret, &record)?;
    cx.memory.write_u32(result, ret.raw())
}

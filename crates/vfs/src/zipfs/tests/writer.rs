//! A writer of archives, good ones and bad ones.

use std::io::Write;

/// A member, with everything that its headers say open to lies.
#[derive(Debug, Clone)]
pub struct M {
    pub name: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub host: u8,
    pub attributes: u32,
    pub date: u16,
    pub time: u16,
    /// What stands in the archive.
    pub packed: Vec<u8>,
    pub crc: u32,
    pub size: u64,
    pub packed_size: u64,
    /// Where the central directory says that it stands, when not where it does.
    pub header: Option<u64>,
    /// Sizes and place go into a zip64 extra field.
    pub zip64: bool,
    /// Sizes stand behind the data, and zeros in the local header.
    pub descriptor: bool,
    /// Further extra fields of the central record, and of the local header.
    pub extra: Vec<u8>,
    pub local_extra: Vec<u8>,
    pub local_method: Option<u16>,
}

impl M {
    pub fn stored(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> M {
        let data = data.as_ref();
        M {
            name: name.as_ref().to_vec(),
            method: 0,
            flags: 0,
            host: 3,
            attributes: 0,
            date: 1 << 5 | 1,
            time: 0,
            packed: data.to_vec(),
            crc: crc32fast::hash(data),
            size: data.len() as u64,
            packed_size: data.len() as u64,
            header: None,
            zip64: false,
            descriptor: false,
            extra: Vec::new(),
            local_extra: Vec::new(),
            local_method: None,
        }
    }

    pub fn deflated(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> M {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(data.as_ref()).unwrap();
        let packed = encoder.finish().unwrap();
        M { method: 8, packed_size: packed.len() as u64, packed, ..M::stored(name, data) }
    }

    pub fn mode(self, mode: u32) -> M {
        M { attributes: mode << 16, ..self }
    }

    pub fn link(name: &str, target: impl AsRef<[u8]>) -> M {
        M::stored(name, target).mode(0o120777)
    }

    fn wide(&self, fields: &[u64]) -> Vec<u8> {
        if !self.zip64 {
            return Vec::new();
        }
        let body: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        [&1u16.to_le_bytes()[..], &(body.len() as u16).to_le_bytes(), &body].concat()
    }

    fn narrow(&self, field: u64) -> u32 {
        if self.zip64 { u32::MAX } else { field as u32 }
    }

    fn common(&self, method: u16, sizes: [u64; 2], crc: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let flags = self.flags | if self.descriptor { 8 } else { 0 };
        for field in [20, flags, method, self.time, self.date] {
            out.extend(field.to_le_bytes());
        }
        for field in [crc, self.narrow(sizes[0]), self.narrow(sizes[1])] {
            out.extend(field.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out
    }
}

/// An archive of `members`, with a comment and bytes before it.
#[derive(Default)]
pub struct Archive {
    pub prefix: Vec<u8>,
    pub comment: Vec<u8>,
    pub zip64: bool,
    /// What the end record says instead of the truth.
    pub count: Option<u64>,
    pub disk: u16,
    /// Bytes that the test puts between the members, which the central directory lies behind.
    pub gap: u64,
}

impl Archive {
    pub fn write(&self, members: &[M]) -> Vec<u8> {
        let (mut out, mut central) = (self.prefix.clone(), Vec::new());
        for m in members {
            let at = (out.len() - self.prefix.len()) as u64;
            let (sizes, crc) = if m.descriptor { ([0, 0], 0) } else { ([m.packed_size, m.size], m.crc) };
            let wide = m.wide(&[sizes[1], sizes[0]]);
            out.extend(b"PK\x03\x04");
            out.extend(m.common(m.local_method.unwrap_or(m.method), sizes, crc));
            out.extend(((wide.len() + m.local_extra.len()) as u16).to_le_bytes());
            out.extend([&m.name[..], &wide, &m.local_extra, &m.packed].concat());
            if m.descriptor {
                out.extend(b"PK\x07\x08");
                [m.crc, m.packed_size as u32, m.size as u32].into_iter().for_each(|field| out.extend(field.to_le_bytes()));
            }
            let header = m.header.unwrap_or(at);
            let wide = m.wide(&[m.size, m.packed_size, header]);
            central.extend(b"PK\x01\x02");
            central.extend([20, m.host]);
            central.extend(m.common(m.method, [m.packed_size, m.size], m.crc));
            central.extend(((wide.len() + m.extra.len()) as u16).to_le_bytes());
            central.extend([0; 6]);
            central.extend(m.attributes.to_le_bytes());
            central.extend(m.narrow(header).to_le_bytes());
            central.extend([&m.name[..], &wide, &m.extra].concat());
        }
        let (offset, size) = ((out.len() - self.prefix.len()) as u64 + self.gap, central.len() as u64);
        out.extend(central);
        out.extend(self.end(self.count.unwrap_or(members.len() as u64), size, offset));
        out
    }

    fn end(&self, count: u64, size: u64, offset: u64) -> Vec<u8> {
        let mut out = Vec::new();
        if self.zip64 {
            out.extend(b"PK\x06\x06");
            out.extend(44u64.to_le_bytes());
            out.extend([45, 3, 45, 0]);
            out.extend([0; 8]);
            [count, count, size, offset].into_iter().for_each(|field| out.extend(field.to_le_bytes()));
            out.extend(b"PK\x06\x07\0\0\0\0");
            out.extend((offset + size).to_le_bytes());
            out.extend(1u32.to_le_bytes());
        }
        let narrow = |field: u64| if self.zip64 { u32::MAX } else { field as u32 };
        out.extend(b"PK\x05\x06");
        [self.disk, 0, narrow(count) as u16, narrow(count) as u16].into_iter().for_each(|field| out.extend(field.to_le_bytes()));
        [narrow(size), narrow(offset)].into_iter().for_each(|field| out.extend(field.to_le_bytes()));
        out.extend((self.comment.len() as u16).to_le_bytes());
        out.extend(&self.comment);
        out
    }
}

pub fn zip(members: &[M]) -> Vec<u8> {
    Archive::default().write(members)
}

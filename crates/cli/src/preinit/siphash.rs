//! CPython's hash of strings and bytes: SipHash-1-3, cut to 32 bits.

/// The part of CPython's hash secret that SipHash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u64, u64);

impl Key {
    /// The key at the start of a secret.
    #[must_use]
    pub fn of(secret: &[u8; 24]) -> Self {
        let word = |at: usize| secret[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        Key(word(0), word(8))
    }

    /// The hash of a string's or of a bytes object's data, as its `hash` field holds it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "CPython cuts it too")]
    pub fn hash(self, data: &[u8]) -> u32 {
        match self.sip(data) as u32 {
            _ if data.is_empty() => 0,
            // −1 means that there is no hash.
            u32::MAX => u32::MAX - 1,
            hash => hash,
        }
    }

    fn sip(self, data: &[u8]) -> u64 {
        let mut v = [
            self.0 ^ 0x736f_6d65_7073_6575,
            self.1 ^ 0x646f_7261_6e64_6f6d,
            self.0 ^ 0x6c79_6765_6e65_7261,
            self.1 ^ 0x7465_6462_7974_6573,
        ];
        let (words, rest) = data.as_chunks::<8>();
        let last = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)) | (data.len() as u64) << 56;
        for word in words.iter().map(|word| u64::from_le_bytes(*word)).chain([last]) {
            v[3] ^= word;
            round(&mut v);
            v[0] ^= word;
        }
        v[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut v);
        }
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What CPython answers with `PYTHONHASHSEED=0`, which makes the secret all zeros.
    #[test]
    fn as_cpython_hashes() {
        let key = Key::of(&[0; 24]);
        for (text, hash) in EXPECTED {
            assert_eq!(key.hash(text), hash, "{text:?}");
        }
        assert_ne!(Key::of(&[1; 24]).hash(b"a"), key.hash(b"a"));
    }

    const EXPECTED: [(&[u8], u32); 5] = [
        (b"", 0),
        (b"a", 3_826_102_752),
        (b"1234567", 4_220_126_652),
        (b"12345678", 3_230_578_113),
        (b"a longer text of CPython", 1_137_757_664),
    ];
}

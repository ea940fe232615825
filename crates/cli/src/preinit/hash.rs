//! CPython's hash of strings and bytes, which a build chooses: SipHash-1-3 cut to 32 bits, or FNV.

/// Which hash a build has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// SipHash-1-3.
    #[default]
    Sip,
    /// CPython's variant of Fowler, Noll and Vo's, with a prefix and a suffix.
    Fnv,
}

/// A hash with its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    algorithm: Algorithm,
    secret: (u64, u64),
}

impl Key {
    /// The hash of a build with this secret.
    #[must_use]
    pub fn of(algorithm: Algorithm, secret: &[u8; 24]) -> Self {
        let word = |at: usize| secret[at..at + 8].iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        Key { algorithm, secret: (word(0), word(8)) }
    }

    /// The hash of a string's or of a bytes object's data, as its `hash` field holds it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "CPython cuts it too")]
    pub fn hash(self, data: &[u8]) -> u32 {
        let Some(first) = data.first() else { return 0 };
        let hash = match self.algorithm {
            Algorithm::Sip => self.sip(data) as u32,
            Algorithm::Fnv => self.fnv(*first, data),
        };
        // −1 means that there is no hash.
        if hash == u32::MAX { u32::MAX - 1 } else { hash }
    }

    /// Words at first, and the last one to four bytes by themselves.
    #[expect(clippy::cast_possible_truncation, reason = "prefix and suffix are the halves of the secret's first word")]
    fn fnv(self, first: u8, data: &[u8]) -> u32 {
        let (prefix, suffix) = (self.secret.0 as u32, (self.secret.0 >> 32) as u32);
        let (words, rest) = data.split_at((data.len() - 1) / 4 * 4);
        let words = words.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let all = words.chain(rest.iter().map(|&byte| u32::from(byte)));
        let hash = all.fold(prefix ^ u32::from(first) << 7, |hash, word| hash.wrapping_mul(1_000_003) ^ word);
        hash ^ data.len() as u32 ^ suffix
    }

    fn sip(self, data: &[u8]) -> u64 {
        let mut v = [
            self.secret.0 ^ 0x736f_6d65_7073_6575,
            self.secret.1 ^ 0x646f_7261_6e64_6f6d,
            self.secret.0 ^ 0x6c79_6765_6e65_7261,
            self.secret.1 ^ 0x7465_6462_7974_6573,
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

    /// Text, CPython's FNV with `PYTHONHASHSEED=0`, which makes the secret all zeros, and SipHash with all zeros and with the bytes 0 to 15.
    const EXPECTED: [(&[u8], u32, u32, u32); 5] = [
        (b"", 0, 0, 0),
        (b"a", 3_826_102_752, 3_097_171_987, 2_020_237_879),
        (b"1234567", 4_220_126_652, 2_499_653_249, 971_331_505),
        (b"12345678", 3_230_578_113, 810_945_159, 3_440_224_718),
        (b"a longer text of CPython", 1_137_757_664, 4_207_465_482, 1_483_752_235),
    ];

    #[test]
    fn as_cpython_hashes() {
        let counted = std::array::from_fn(|i| u8::try_from(i).unwrap());
        for (text, fnv, sip, keyed) in EXPECTED {
            assert_eq!(Key::of(Algorithm::Fnv, &[0; 24]).hash(text), fnv, "{text:?}");
            assert_eq!(Key::of(Algorithm::Sip, &[0; 24]).hash(text), sip, "{text:?}");
            assert_eq!(Key::of(Algorithm::Sip, &counted).hash(text), keyed, "{text:?}");
        }
        let [one, other] = [1, 2].map(|byte| Key::of(Algorithm::Fnv, &[byte; 24]).hash(b"a"));
        assert_ne!(one, other);
    }
}

//! The runtime functions, with the C library of this machine as the judge.

mod calls;
mod linux;
mod text;
mod zones;

use crate::guest::{Guest, tree};

/// The first ten fields of a `struct tm`.
pub type Fields = [i32; 10];

/// A guest that was started with this `TZ`.
pub fn guest(tz: Option<&str>) -> Guest {
    Guest::with(tree(), |builder| {
        let builder = builder.args(["program"]);
        match tz {
            Some(tz) => builder.env("TZ", tz),
            None => builder,
        }
    })
}

impl Guest {
    pub fn put_tm(&mut self, fields: &Fields) -> u64 {
        let mut bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        bytes.extend([0; 4]);
        self.put(bytes)
    }

    pub fn tm_at(&self, at: u64) -> Fields {
        std::array::from_fn(|index| self.u32_at(at + 4 * index as u64).cast_signed())
    }

    /// The fields that `_localtime_js` or `_gmtime_js` writes, if it does.
    pub fn tm_of(&mut self, name: &str, time: i64) -> Option<Fields> {
        let untouched = [i32::MIN; 10];
        let tm = self.put_tm(&untouched);
        assert_eq!(self.bits(name, &[time.cast_unsigned(), tm]), None);
        let fields = self.tm_at(tm);
        self.free_all();
        (fields != untouched).then_some(fields)
    }

    /// What `_mktime_js` or `_timegm_js` answers and writes, if it does.
    pub fn time_of(&mut self, name: &str, fields: &Fields) -> Option<(i64, Fields)> {
        let tm = self.put_tm(fields);
        self.memory[tm as usize + 24..][..4].copy_from_slice(&99_u32.to_le_bytes());
        let time = self.bits(name, &[tm]).unwrap().cast_signed();
        let found = self.tm_at(tm);
        self.free_all();
        (found[6] != 99).then_some((time, found))
    }

    pub fn c_string(&self, at: u64) -> Vec<u8> {
        self.memory[at as usize..].iter().copied().take_while(|byte| *byte != 0).collect()
    }
}

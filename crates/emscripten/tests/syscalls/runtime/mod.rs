//! The runtime functions, with the C library of this machine as the judge.

mod calls;
mod linux;
mod text;
mod zones;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stratafs::{Clock, Random, Timestamp};
use stratafs_abi::Function;
use stratafs_emscripten::{Generation, RUNTIME_FUNCTIONS, SPLIT_FUNCTIONS};

use crate::guest::{Guest, tree};

/// The runtime's functions.
pub fn all() -> impl Iterator<Item = (Generation, &'static Function)> {
    let split = SPLIT_FUNCTIONS.iter().filter(|f| !f.about.name.starts_with("__syscall_"));
    RUNTIME_FUNCTIONS.iter().map(|f| (Generation::Current, f)).chain(split.map(|f| (Generation::Split, f)))
}

/// A clock that stands still.
pub struct At(Timestamp);

impl At {
    pub fn new(sec: i64, nsec: u32) -> Self {
        At(Timestamp { sec, nsec })
    }
}

impl Clock for At {
    fn realtime(&self) -> Timestamp {
        self.0
    }

    fn monotonic(&self) -> Duration {
        Duration::new(5, 6_000_007)
    }
}

/// A clock that many years have passed on since it was first looked at.
#[derive(Default)]
pub struct Late(AtomicBool);

impl Clock for Late {
    fn realtime(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Duration {
        if self.0.swap(true, Ordering::Relaxed) { Duration::from_secs(1 << 40) } else { Duration::ZERO }
    }
}

/// Random numbers that are none.
pub struct Sevens;

impl Random for Sevens {
    fn fill(&self, buf: &mut [u8]) -> stratafs::Result<()> {
        buf.fill(7);
        Ok(())
    }
}

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

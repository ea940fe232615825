//! Interpreters that have already started when the guest is made: `stratafs preinit` keeps one's memory in the cache, and later guests begin
//! with it. What is frozen with it, and what is made anew for each guest, stands in docs/RATIONALE.md.

mod hash;
mod heap;
mod image;
mod reseed;
mod scan;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use stratafs::Random;

pub use image::StartImage;

use crate::args::PreinitArgs;
use crate::cache::CacheDir;
use crate::error::{Ended, Error, Result, failed, usage};
use crate::fault::FaultSpec;
use crate::layers::{LayerSpec, reason};
use crate::plan::{self, Entry, Plan};
use crate::progress::Progress;
use crate::run::{self, Memories};
use heap::Memory;

/// How an interpreter is started ahead of its guests.
#[derive(Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The image's name in the cache.
    pub name: &'static str,
    /// Where its library is, of which the start has read and remembered much.
    pub library: &'static str,
    /// What starts it, and comes back.
    pub boot: &'static [&'static str],
    /// What of a guest is called before its memory is laid, where tables and globals are to be as after the start.
    pub before: &'static [&'static str],
    /// What runs the guest when it has started.
    pub run: &'static [&'static str],
}

/// A start image that a plan may begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its file.
    pub path: PathBuf,
    /// How it was made.
    pub recipe: &'static Recipe,
}

/// What finds, keeps and renews: another way of doing that makes other images.
const SOURCES: [&str; 5] = [
    include_str!("hash.rs"),
    include_str!("heap.rs"),
    include_str!("image.rs"),
    include_str!("reseed.rs"),
    include_str!("scan.rs"),
];

impl Recipe {
    fn path(&self) -> Result<PathBuf> {
        Ok(CacheDir::open()?.started()?.join(format!("{}.start", self.name)))
    }

    /// The image, if it has been made, for a guest with these layers and faults beside its library; none when they have a part in how it starts.
    ///
    /// # Errors
    /// When there is no cache.
    pub fn image(&'static self, layers: &[LayerSpec], faults: &[FaultSpec]) -> Result<Option<Started>> {
        let apart = |layer: &LayerSpec| {
            let (library, guest) = (Path::new(self.library), Path::new(OsStr::from_bytes(layer.guest.as_bytes())));
            !library.starts_with(guest) && !guest.starts_with(library)
        };
        if !faults.is_empty() || !layers.iter().all(apart) {
            return Ok(None);
        }
        let path = self.path()?;
        Ok(path.is_file().then_some(Started { path, recipe: self }))
    }

    /// What an image is of, when the program has that hash: it fits no other.
    #[must_use]
    pub fn identity(&self, compiled: &[u8; 32]) -> [u8; 32] {
        let mut all = Sha256::new();
        let calls = [self.boot, self.before, self.run].concat();
        for part in [self.name, self.library].iter().chain(&calls).chain(&SOURCES) {
            all.update(part.len().to_le_bytes());
            all.update(part);
        }
        all.update(compiled);
        all.finalize().into()
    }
}

/// Bytes by which CPython's hash secret is found in its memory. They are no text and no addresses.
const SECRET: [u8; 24] = [
    0xa1, 0x84, 0xeb, 0xce, 0x35, 0x18, 0x7f, 0xe2, 0xc9, 0xac, 0x93, 0xf6, 0xdd, 0xc0, 0xa7, 0x8a, 0xf1, 0xd4, 0xbb, 0x9e, 0x85,
    0xe8, 0xcf, 0xb2,
];

struct Known;

impl Random for Known {
    fn fill(&self, buf: &mut [u8]) -> stratafs::Result<()> {
        buf.iter_mut().zip(SECRET.iter().cycle()).for_each(|(byte, known)| *byte = *known);
        Ok(())
    }
}

/// `stratafs preinit`: makes the image and says where it is.
///
/// # Errors
/// What stands in the way.
pub fn preinit(args: &PreinitArgs) -> Result<String> {
    let (mut plan, recipe) = plan::for_preinit(args)?;
    let path = recipe.path()?;
    let starting = Progress::start("starting the interpreter (once)");
    plan.argv = vec![b"python".to_vec(), b"-c".to_vec(), b"pass".to_vec()];
    let cold = plan.entry;
    let secret_at = secret(&boot(&plan, cold)?.after)?;
    plan.argv.truncate(1);
    let memories = boot(&plan, Entry::Functions(recipe.boot))?;
    let fixups = scan::scan(Memory(&memories.after), secret_at);
    let fixups = fixups.map_err(|scan::Unknown(why)| failed!("{} {why}", plan.module.path.display()))?;
    let identity = recipe.identity(&memories.compiled);
    let len = image::write(&path, &identity, &memories.fresh, &memories.after, &fixups);
    let len = len.map_err(|error| failed!("{}: {}", path.display(), reason(&error)))?;
    drop(starting);
    Ok(format!("{} ({} KiB, {} hashes)\n", path.display(), len >> 10, fixups.cells.len()))
}

/// A guest that has run `entry`, with known random bytes.
fn boot(plan: &Plan, entry: Entry) -> Result<Memories> {
    let plan = Plan { entry, ..plan.clone() };
    let (ended, memories) = run::run_for_memory(&plan, Arc::new(Known))?;
    match (ended, memories) {
        (Ended::Guest(0), Some(memories)) => Ok(memories),
        (Ended::Interrupted, _) => Err(Error::Stopped(Ended::Interrupted)),
        (ended, _) => Err(failed!("the interpreter did not start: {}", Error::Stopped(ended))),
    }
}

/// Where the secret is.
fn secret(memory: &[u8]) -> Result<u32> {
    let mut found = memory.windows(SECRET.len()).step_by(4).enumerate().filter(|(_, window)| **window == SECRET);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => u32::try_from(at * 4).map_err(|_| usage!("a memory of 64 bits")),
        _ => Err(failed!("the interpreter's hash secret cannot be found in its memory")),
    }
}

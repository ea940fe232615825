//! Interpreters that have already started when the guest is made: `stratafs preinit` keeps one's memory in the cache, and later guests begin
//! with it. What is frozen with it, and what is made anew for each guest, stands in docs/RATIONALE.md.

mod hash;
mod heap;
mod image;
mod reseed;
mod scan;

use std::path::PathBuf;
use std::sync::Arc;

use stratafs::Random;

pub use image::StartImage;

use crate::args::PreinitArgs;
use crate::cache::CacheDir;
use crate::error::{Ended, Result, failed, usage};
use crate::layers::reason;
use crate::plan::{self, Entry, Plan};
use crate::progress::Progress;
use crate::run::{self, Memories};
use heap::Memory;

/// How an interpreter is started ahead of its guests.
#[derive(Debug)]
pub struct Recipe {
    /// The image's name in the cache: it changes with everything that the image depends on.
    pub name: &'static str,
    /// What starts it, and comes back.
    pub boot: &'static [&'static str],
    /// What of a guest is called before its memory is laid, where tables and globals are to be as after the start.
    pub before: &'static [&'static str],
    /// What runs the guest when it has started.
    pub run: &'static [&'static str],
}

/// A start image that fits a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its file.
    pub path: PathBuf,
    /// What of the guest is called before its memory is laid.
    pub before: &'static [&'static str],
    /// What is called then.
    pub run: &'static [&'static str],
}

impl Recipe {
    fn path(&self) -> Result<PathBuf> {
        Ok(CacheDir::open()?.started()?.join(format!("{}.start", self.name)))
    }

    /// The image, if it has been made.
    ///
    /// # Errors
    /// When there is no cache.
    pub fn image(&self) -> Result<Option<Started>> {
        let path = self.path()?;
        Ok(path.is_file().then_some(Started { path, before: self.before, run: self.run }))
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
    let len = image::write(&path, &memories.fresh, &memories.after, &fixups);
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
        (ended, _) => Err(failed!(
            "the interpreter did not start: {}",
            ended.line().unwrap_or_else(|| format!("exit code {}", ended.code()))
        )),
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

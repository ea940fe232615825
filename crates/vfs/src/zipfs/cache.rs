//! Inflated members, shared by all guests of the mount and bounded in bytes.
//!
//! What counts is what is alive: an open file holds its member, and what an open file holds is not thrown out, since that would free
//! nothing and have the next reader inflate it again. When everything is held, a further member is not kept; it is streamed.
//!
//! Lock order: one shard at a time, and nothing is called under it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lru::LruCache;
use parking_lot::{Condvar, Mutex};

/// Guests that open different members seldom meet on one lock.
const SHARDS: usize = 8;
/// What a small member is charged, so that a bound in bytes also bounds the entries.
const ENTRY: usize = 128;

/// A member's whole contents, checked.
pub(super) struct Inflated {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl Inflated {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes taken from the bound, given back by being dropped.
struct Charge {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

pub(super) struct Cache {
    max: usize,
    used: Arc<AtomicUsize>,
    /// The shard to look in first for something to throw out.
    turn: AtomicUsize,
    shards: [Shard; SHARDS],
}

#[derive(Default)]
struct Shard {
    state: Mutex<State>,
    finished: Condvar,
}

struct State {
    kept: LruCache<u32, Arc<Inflated>>,
    /// Members that some thread is inflating.
    busy: Vec<u32>,
}

impl Default for State {
    fn default() -> Self {
        State { kept: LruCache::unbounded(), busy: Vec::new() }
    }
}

/// A thread's claim to inflate a member; the others wait until it goes, however it goes.
struct Claim<'a> {
    shard: &'a Shard,
    member: u32,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.shard.state.lock().busy.retain(|&other| other != self.member);
        self.shard.finished.notify_all();
    }
}

impl Cache {
    /// Keeps `max` bytes at most.
    pub fn new(max: usize) -> Self {
        Cache { max, used: Arc::default(), turn: AtomicUsize::new(0), shards: Default::default() }
    }

    pub fn max(&self) -> usize {
        self.max
    }

    /// Bytes charged to what is kept or held.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Acquire)
    }

    /// The member, inflated by `make` unless it is there; one thread inflates it, the others wait. None when there is no room for `size` bytes.
    ///
    /// # Errors
    /// What `make` gives; nothing is kept then.
    pub fn get_or_make<E>(
        &self,
        member: u32,
        size: usize,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Option<Arc<Inflated>>, E> {
        let Some(shard) = self.shards.get(member as usize % SHARDS) else { return Ok(None) };
        let mut state = shard.state.lock();
        loop {
            if let Some(inflated) = state.kept.get(&member) {
                return Ok(Some(inflated.clone()));
            }
            if !state.busy.contains(&member) {
                break;
            }
            shard.finished.wait(&mut state);
        }
        state.busy.push(member);
        drop(state);
        let _claim = Claim { shard, member };
        let Some(charge) = self.charge(size) else { return Ok(None) };
        let inflated = Arc::new(Inflated { bytes: make()?, _charge: charge });
        shard.state.lock().kept.put(member, inflated.clone());
        Ok(Some(inflated))
    }

    fn charge(&self, size: usize) -> Option<Charge> {
        if size > self.max {
            return None;
        }
        let bytes = size.max(ENTRY).min(self.max);
        let fits = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.max);
        while self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_err() {
            if !self.throw_out() {
                return None;
            }
        }
        Some(Charge { used: self.used.clone(), bytes })
    }

    /// Drops the member used longest ago, in the shard whose turn it is, that no open file holds.
    fn throw_out(&self) -> bool {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        for shard in self.shards.iter().cycle().skip(turn % SHARDS).take(SHARDS) {
            let mut state = shard.state.lock();
            let unheld =
                state.kept.iter().rev().find(|(_, inflated)| Arc::strong_count(inflated) == 1).map(|(&member, _)| member);
            if let Some(member) = unheld {
                let gone = state.kept.pop(&member);
                drop(state);
                drop(gone);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(cache: &Cache, member: u32, size: usize) -> Option<Arc<Inflated>> {
        cache.get_or_make(member, size, || Ok::<_, ()>(vec![0; size])).unwrap()
    }

    #[test]
    fn what_is_held_is_not_thrown_out_and_counts() {
        let cache = Cache::new(1000);
        let held = keep(&cache, 1, 600).unwrap();
        assert!(keep(&cache, 2, 400).is_some());
        assert!(keep(&cache, 3, 400).is_some(), "2 goes");
        assert!(keep(&cache, 4, 401).is_none(), "1 is held");
        assert_eq!(cache.used(), 600, "3 went in vain");
        drop(held);
        assert!(keep(&cache, 5, 1000).is_some());
        assert!(keep(&cache, 6, 1001).is_none());
        assert_eq!(cache.used(), 1000);
    }

    #[test]
    fn small_members_are_bounded_in_number() {
        let cache = Cache::new(10 * ENTRY);
        (0..1000).for_each(|member| drop(keep(&cache, member, 0)));
        assert_eq!(cache.shards.iter().map(|s| s.state.lock().kept.len()).sum::<usize>(), 10);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let cache = Cache::new(1000);
        assert_eq!(cache.get_or_make(1, 10, || Err("damaged")).err(), Some("damaged"));
        assert_eq!(cache.used(), 0);
        assert!(keep(&cache, 1, 10).is_some());
    }

    #[test]
    fn many_threads_make_a_member_once() {
        let (cache, made) = (Cache::new(1000), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let slow = || {
                        made.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, ()>(vec![7; 10])
                    };
                    assert_eq!(cache.get_or_make(1, 10, slow).unwrap().unwrap().bytes(), [7; 10]);
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}

//! One table in several parts, each under a lock of its own.

/// The part for a hash. Its upper half decides: the lower one finds the place inside the part.
#[expect(clippy::indexing_slicing, reason = "the remainder by a length is below it")]
pub(crate) fn shard<T, const N: usize>(shards: &[T; N], hash: u64) -> &T {
    const { assert!(N > 0) }
    &shards[(hash >> 32) as usize % N]
}

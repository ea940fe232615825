use std::time::Duration;

use stratafs::{Errno, Process, Result};
use stratafs_abi::{Call, Out};

use crate::ClockId;

fn nanos(time: Duration) -> Result<u64> {
    u64::try_from(time.as_nanos()).map_err(|_| Errno::EOVERFLOW)
}

/// What a clock shows, in nanoseconds.
pub(crate) fn now(process: &Process, id: ClockId) -> Result<u64> {
    match id {
        ClockId::Realtime => u64::try_from(process.clock().realtime().as_nanos()).map_err(|_| Errno::EOVERFLOW),
        ClockId::Monotonic => nanos(process.clock().monotonic()),
        ClockId::ProcessCpuTime | ClockId::ThreadCpuTime => nanos(process.cpu_time()),
    }
}

/// A clock's step in nanoseconds.
///
/// # Errors
/// `EINVAL` for an unknown clock; `EFAULT`.
pub fn clock_res_get(cx: &mut Call<'_>, _id: ClockId, resolution: Out<u64>) -> Result<()> {
    resolution.check(&cx.memory)?;
    let step = nanos(cx.process.clock().resolution())?;
    resolution.store(&mut cx.memory, &step)
}

/// What a clock shows, in nanoseconds. The precision asked for is not needed.
///
/// # Errors
/// `EINVAL` for an unknown clock; `EFAULT`; `EOVERFLOW` before 1970.
pub fn clock_time_get(cx: &mut Call<'_>, id: ClockId, _precision: u64, time: Out<u64>) -> Result<()> {
    time.check(&cx.memory)?;
    let shown = now(cx.process, id)?;
    time.store(&mut cx.memory, &shown)
}

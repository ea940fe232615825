//! The guest's `errno`, for functions of its C library that the host answers.

use stratafs::Result;
use stratafs_abi::{Call, MinusOne, Ptr};

use crate::number;

/// Notes where the guest keeps `errno`.
///
/// # Errors
/// None.
pub fn errno_at(cx: &mut Call<'_>, at: Ptr) -> Result<()> {
    if let Some(registers) = cx.registers.as_deref_mut() {
        registers.errno = Some(at);
    }
    Ok(())
}

/// −1 for an error, whose number goes to `errno` when it is known where that is.
pub(crate) fn or_errno<T>(cx: &mut Call<'_>, result: Result<T>) -> MinusOne<T> {
    let at = cx.registers.as_deref().and_then(|registers| registers.errno);
    if let (Err(errno), Some(at)) = (&result, at) {
        let _ = cx.memory.write_u32(at, number(*errno).into());
    }
    MinusOne(result)
}

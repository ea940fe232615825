//! Imports whose right answer without JavaScript is always the same.

/// A name, its type, and the body that answers, in WebAssembly's text format.
pub(super) type Answer = (&'static str, &'static str, &'static str);

/// Pyodide's libc asks JavaScript first whether it takes a call on, and makes it itself when the answer is no; that is the answer of the
/// `_try_*` and `_maybe_*` functions.
pub(super) static ANSWERS: &[Answer] = &[
    ("_Py_CheckEmscriptenSignals_Helper", "-> i32", "i32.const 0"),
    ("_Py_emscripten_runtime", "-> i32", "i32.const 0"),
    // An object that is not null: CPython only keeps it.
    ("__hiwire_deduplicate_new", "-> externref", "i32.const 0 ref.i31 extern.convert_any"),
    ("_maybe_connect_async", "i32 i32 i32 -> externref", "ref.null extern"),
    ("_maybe_poll_async", "i32 i32 i32 -> externref", "ref.null extern"),
    ("_maybe_recvfrom_async", "i32 i32 i32 -> externref", "ref.null extern"),
    ("_maybe_sendto_async", "i32 i32 i32 -> externref", "ref.null extern"),
    ("_try_fcntl64", "i32 i32 i32 i32 -> i32", "i32.const 0"),
    ("_try_shutdown", "i32 i32 i32 -> i32", "i32.const 0"),
    ("emscripten_debugger", "", ""),
    ("emscripten_notify_memory_growth", "i32", ""),
    ("emscripten_set_up_async_input_device_js", "-> i32", "i32.const 0"),
    // No closure can be made: null.
    ("ffi_closure_alloc_js", "i32 i32 -> i32", "i32.const 0"),
];

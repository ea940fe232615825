//! The pieces that the glue is made of: what is in `wat/`, which imports it answers, and what it needs for that.

use super::WASI;
use stratafs_abi::Abi;

/// A function of the host that the glue calls: module, name, name in the text, type.
pub(super) type HostCall = (&'static str, &'static str, &'static str, &'static str);

/// A few functions in WebAssembly's text format that are taken together or not at all.
pub(super) struct Piece {
    /// The imports that it answers: name and type.
    pub(super) answers: &'static [(&'static str, &'static str)],
    pub(super) calls: &'static [HostCall],
    /// Exports of the guest that it cannot do without.
    pub(super) needs: &'static [&'static str],
    /// Exports of the guest that it makes use of.
    pub(super) likes: &'static [&'static str],
    pub(super) text: &'static [&'static str],
}

pub(super) static EXIT: Piece = Piece {
    answers: &[("exit", "i32")],
    calls: &[(WASI, "proc_exit", "proc_exit", "i32")],
    needs: &[],
    likes: &["__funcs_on_exit", "__stdio_exit", "fflush"],
    text: &[include_str!("wat/exit.wat")],
};

pub(super) static PYTHON: Piece = Piece {
    answers: &[("_PyEM_TrampolineCall_JS", "i32 i32 i32 i32 -> i32")],
    calls: &[],
    needs: &[
        "memory",
        "__indirect_function_table",
        "_PyRuntime",
        "_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET",
        "emscripten_stack_get_base",
        "emscripten_stack_set_limits",
        "Py_BytesMain",
    ],
    likes: &[],
    text: &[include_str!("wat/python.wat")],
};

/// What a guest does in `wat/started.wat` to have streams, environment and time zone of its own.
pub(super) const STARTED: &str = include_str!("wat/started.py");

/// CPython 3.14, started once for many guests.
pub(super) static PYTHON_STARTED: Piece = Piece {
    answers: &[],
    calls: &[],
    needs: &[
        "PyConfig_Clear",
        "PyConfig_InitPythonConfig",
        "PyConfig_SetBytesArgv",
        "PyConfig_SetBytesString",
        "PyRun_SimpleString",
        "PySys_SetArgvEx",
        "Py_InitializeFromConfig",
        "Py_RunMain",
        "_Py_GetConfig",
        "__emscripten_environ_constructor",
        "__wasm_call_ctors",
        "emscripten_stack_init",
        "malloc",
        "strlen",
    ],
    likes: &[],
    text: &[include_str!("wat/started.wat")],
};

pub(super) static MICROPYTHON: Piece = Piece {
    answers: &[],
    calls: &[
        (crate::Glue::MODULE, "micropython_source", "micropython_source", "i32 i32 i32 -> i32"),
        (crate::Glue::MODULE, "micropython_raised", "micropython_raised", "i32 i32 -> i32"),
        (crate::Glue::MODULE, "micropython_unread", "micropython_unread", "i32 -> i32"),
        (crate::Glue::MODULE, "micropython_wrapped", "micropython_wrapped", "i32 i32 i32 i32 -> i32"),
        (WASI, "fd_read", "fd_read", "i32 i32 i32 i32 -> i32"),
    ],
    needs: &["memory", "mp_js_init", "proxy_c_init", "mp_js_do_exec", "mp_js_repl_init", "mp_js_repl_process_char", "malloc"],
    likes: &[],
    text: &[include_str!("wat/micropython.wat")],
};

pub(super) static LINES: Piece = Piece {
    answers: &[("__syscall_ioctl", "i32 i32 i32 -> i32")],
    calls: &[("env", "__syscall_ioctl", "ioctl", "i32 i32 i32 -> i32")],
    needs: &[],
    likes: &[],
    text: &[include_str!("wat/lines.wat")],
};

pub(super) static START: Piece = Piece {
    answers: &[],
    calls: &[
        (WASI, "args_get", "args_get", "i32 i32 -> i32"),
        (WASI, "args_sizes_get", "args_sizes_get", "i32 i32 -> i32"),
        ("env", "abort", "abort", ""),
        (crate::Glue::MODULE, "errno_at", "errno_at", "i32 -> i32"),
    ],
    needs: &["memory"],
    likes: &[
        "__errno_location",
        "__wasm_call_ctors",
        "malloc",
        "_emscripten_stack_alloc",
        "stackAlloc",
        "main",
        "__main_argc_argv",
    ],
    text: &[include_str!("wat/start.wat")],
};

pub(super) static HEAP: Piece = Piece {
    answers: &[("emscripten_resize_heap", "i32 -> i32"), ("emscripten_get_heap_max", "-> i32")],
    calls: &[],
    needs: &["memory"],
    likes: &[],
    text: &[include_str!("wat/heap.wat")],
};

pub(super) const MAP_CALLS: &[HostCall] = &[
    (crate::Glue::MODULE, "mmap", "mmap", "i32 i32 i32 i32 i32 i64 -> i32"),
    (crate::Glue::MODULE, "munmap", "munmap", "i32 i32 -> i32"),
    (crate::Glue::MODULE, "msync", "msync", "i32 i32 -> i32"),
    (crate::Glue::MODULE, "sync_mappings", "sync_mappings", "-> i32"),
];
const MAP_LIKES: &[&str] = &["emscripten_builtin_free", "free"];

pub(super) static MMAP: Piece = Piece {
    answers: &[
        ("_mmap_js", "i32 i32 i32 i32 i64 i32 i32 -> i32"),
        ("_munmap_js", "i32 i32 i32 i32 i32 i64 -> i32"),
        ("_msync_js", "i32 i32 i32 i32 i32 i64 -> i32"),
    ],
    calls: MAP_CALLS,
    needs: &["memory", "emscripten_builtin_memalign"],
    likes: MAP_LIKES,
    text: &[include_str!("wat/mmap.wat"), include_str!("wat/mmap_current.wat")],
};

pub(super) static MMAP_SPLIT: Piece = Piece {
    answers: &[
        ("_mmap_js", "i32 i32 i32 i32 i32 i32 i32 -> i32"),
        ("_munmap_js", "i32 i32 i32 i32 i32 i32 -> i32"),
        ("_msync_js", "i32 i32 i32 i32 -> i32"),
    ],
    calls: MAP_CALLS,
    needs: &["memory", "emscripten_builtin_memalign"],
    likes: MAP_LIKES,
    text: &[include_str!("wat/mmap.wat"), include_str!("wat/mmap_split.wat")],
};

pub(super) static SIGNAL: Piece = Piece {
    answers: &[("__call_sighandler", "i32 i32")],
    calls: &[],
    needs: &["__indirect_function_table"],
    likes: &[],
    text: &[include_str!("wat/signal.wat")],
};

pub(super) static NAMES: Piece = Piece {
    answers: &[("getaddrinfo", "i32 i32 i32 i32 -> i32")],
    calls: &[(crate::Glue::MODULE, "addrinfo", "addrinfo", "i32 i32 i32 i32 i32 -> i32")],
    needs: &["memory", "malloc", "free"],
    likes: &[],
    text: &[include_str!("wat/names.wat")],
};

pub(super) static DLOPEN: Piece = Piece {
    answers: &[("_dlopen_js", "i32 -> i32"), ("_dlsym_js", "i32 i32 i32 -> i32")],
    calls: &[],
    needs: &["memory", "malloc", "free", "__dl_seterr"],
    likes: &[],
    text: &[include_str!("wat/dlopen.wat")],
};

/// For CPython: where it is `ctypes` that calls, so is it that is told of an error.
pub(super) static CTYPES: Piece = Piece {
    answers: &[
        ("ffi_call_js", "i32 i32 i32 i32"),
        ("ffi_closure_alloc_js", "i32 i32 -> i32"),
        ("ffi_closure_free_js", "i32"),
        ("ffi_prep_closure_loc_js", "i32 i32 i32 i32 i32 -> i32"),
    ],
    calls: &[],
    needs: &[
        "memory",
        "__indirect_function_table",
        "malloc",
        "free",
        "PyErr_SetString",
        "PyErr_WarnEx",
        "PyExc_NotImplementedError",
        "PyExc_RuntimeWarning",
        "PyGILState_Ensure",
        "PyGILState_Release",
    ],
    likes: &[],
    text: &[include_str!("wat/ctypes.wat")],
};

pub(super) static TZSET: Piece = Piece {
    answers: &[("_tzset_js", "i32 i32 i32")],
    calls: &[("env", "_tzset_js", "tzset", "i32 i32 i32 i32")],
    needs: &["memory", "malloc"],
    likes: &[],
    text: &[include_str!("wat/tzset.wat")],
};

pub(super) static LONGJMP: Piece = Piece {
    answers: &[("_emscripten_throw_longjmp", "")],
    calls: &[],
    needs: &[],
    likes: &[],
    text: &[include_str!("wat/longjmp.wat")],
};

/// The pieces that answer imports.
pub(super) static PIECES: [&Piece; 12] =
    [&EXIT, &HEAP, &MMAP, &MMAP_SPLIT, &SIGNAL, &PYTHON, &LINES, &NAMES, &DLOPEN, &CTYPES, &TZSET, &LONGJMP];

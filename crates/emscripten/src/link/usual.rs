//! What Emscripten's modules export, as far as the glue makes use of it.

use super::interface::{FuncType, Kind, Type};

/// The functions of C's library and of the interpreters, with their types.
static FUNCTIONS: &[(&str, &str)] = &[
    ("PyErr_SetString", "i32 i32"),
    ("PyErr_WarnEx", "i32 i32 i32 -> i32"),
    ("PyGILState_Ensure", "-> i32"),
    ("PyGILState_Release", "i32"),
    ("PyConfig_Clear", "i32"),
    ("PyConfig_InitPythonConfig", "i32"),
    ("PyConfig_SetBytesArgv", "i32 i32 i32 i32"),
    ("PyConfig_SetBytesString", "i32 i32 i32 i32"),
    ("PyRun_SimpleString", "i32 -> i32"),
    ("PySys_SetArgvEx", "i32 i32 i32"),
    ("Py_InitializeFromConfig", "i32 i32"),
    ("Py_RunMain", "-> i32"),
    ("_Py_GetConfig", "-> i32"),
    ("__emscripten_environ_constructor", ""),
    ("emscripten_stack_init", ""),
    ("strlen", "i32 -> i32"),
    ("Py_BytesMain", "i32 i32 -> i32"),
    ("__errno_location", "-> i32"),
    ("__funcs_on_exit", ""),
    ("__main_argc_argv", "i32 i32 -> i32"),
    ("__stdio_exit", ""),
    ("__wasm_call_ctors", ""),
    ("_emscripten_stack_alloc", "i32 -> i32"),
    ("_emscripten_stack_restore", "i32"),
    ("emscripten_builtin_free", "i32"),
    ("emscripten_builtin_memalign", "i32 i32 -> i32"),
    ("emscripten_stack_get_base", "-> i32"),
    ("emscripten_stack_get_current", "-> i32"),
    ("emscripten_stack_set_limits", "i32 i32"),
    ("fflush", "i32 -> i32"),
    ("__dl_seterr", "i32 i32"),
    ("free", "i32"),
    ("main", "i32 i32 -> i32"),
    ("main", "-> i32"),
    ("malloc", "i32 -> i32"),
    ("mp_js_do_exec", "i32 i32 i32"),
    ("mp_js_init", "i32 i32"),
    ("mp_js_repl_init", ""),
    ("mp_js_repl_process_char", "i32 -> i32"),
    ("proxy_c_init", ""),
    ("setThrew", "i32 i32"),
    ("stackAlloc", "i32 -> i32"),
    ("stackRestore", "i32"),
    ("stackSave", "-> i32"),
];

/// The addresses of variables.
static VARIABLES: &[&str] =
    &["PyExc_NotImplementedError", "PyExc_RuntimeWarning", "_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET", "_PyRuntime"];

/// Whether an export that the glue calls by its name is what Emscripten exports under it.
pub(super) fn is_usual(name: &str, export: Option<&Kind>) -> bool {
    match export {
        Some(Kind::Func(ty)) => FUNCTIONS.iter().any(|(own, text)| *own == name && FuncType::of(text) == *ty),
        Some(Kind::Global { ty: Type::I32, mutable: false }) => VARIABLES.contains(&name),
        Some(Kind::Memory { .. }) => name == "memory",
        Some(Kind::Table) => name == "__indirect_function_table",
        Some(Kind::Global { .. } | Kind::Tag) | None => false,
    }
}

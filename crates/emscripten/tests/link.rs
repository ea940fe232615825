//! How Emscripten modules are linked: what is refused, who answers an import, and that what is made beside a module is sound whatever the module is.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use proptest::sample::select;
use stratafs_abi::Function;
use stratafs_emscripten::link::{FuncType, Import, Interface, Kind, Linkage, Refusal, Source, Type};
use stratafs_emscripten::{FUNCTIONS, RUNTIME_FUNCTIONS, SPLIT_FUNCTIONS};
use wasmparser::{Validator, WasmFeatures};

static HOST: &[&[Function]] = &[FUNCTIONS, SPLIT_FUNCTIONS, RUNTIME_FUNCTIONS];
const WASI: &str = "wasi_snapshot_preview1";

fn types(text: &str) -> Vec<Type> {
    let named = |name| match name {
        "i32" => Type::I32,
        "i64" => Type::I64,
        "f32" => Type::F32,
        "f64" => Type::F64,
        "externref" => Type::ExternRef,
        _ => panic!("no type {name}"),
    };
    text.split_whitespace().map(named).collect()
}

/// Reads `i32 i64 -> i32`.
fn func(text: &str) -> Kind {
    let (params, results) = text.split_once("->").unwrap_or((text, ""));
    Kind::Func(FuncType { params: types(params), results: types(results) })
}

const ADDRESS: Kind = Kind::Global { ty: Type::I32, mutable: false };
const VARIABLE: Kind = Kind::Global { ty: Type::I32, mutable: true };
const MEMORY: Kind = Kind::Memory { maximum: Some(100) };

fn import(name: &str, kind: Kind) -> Import {
    let (module, name) = name.split_once('.').map_or(("env", name), |(module, name)| (module, name));
    Import { module: module.to_owned(), name: name.to_owned(), kind }
}

/// `GOT.mem.x`.
fn got(table: &str, name: &str) -> Import {
    Import { module: format!("GOT.{table}"), name: name.to_owned(), kind: VARIABLE }
}

fn module<const I: usize, const E: usize>(imports: [Import; I], exports: [(&str, Kind); E]) -> Interface {
    Interface { imports: imports.into(), exports: exports.into_iter().map(|(name, kind)| (name.to_owned(), kind)).collect() }
}

/// A program with what a small one exports.
fn program<const I: usize>(imports: [Import; I]) -> Interface {
    module(
        imports,
        [
            ("memory", MEMORY),
            ("__indirect_function_table", Kind::Table),
            ("main", func("i32 i32 -> i32")),
            ("setThrew", func("i32 i32")),
            ("stackSave", func("-> i32")),
            ("stackRestore", func("i32")),
            ("malloc", func("i32 -> i32")),
            ("emscripten_builtin_memalign", func("i32 i32 -> i32")),
        ],
    )
}

fn python() -> Interface {
    module(
        [import("_PyEM_TrampolineCall_JS", func("i32 i32 i32 i32 -> i32"))],
        [
            ("memory", MEMORY),
            ("__indirect_function_table", Kind::Table),
            ("_PyRuntime", ADDRESS),
            ("_PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET", ADDRESS),
            ("emscripten_stack_get_base", func("-> i32")),
            ("emscripten_stack_set_limits", func("i32 i32")),
            ("Py_BytesMain", func("i32 i32 -> i32")),
        ],
    )
}

/// CPython with `ctypes`.
fn python_with_ctypes() -> Interface {
    let mut interface = python();
    interface.imports = [
        import("ffi_call_js", func("i32 i32 i32 i32")),
        import("ffi_closure_alloc_js", func("i32 i32 -> i32")),
        import("ffi_closure_free_js", func("i32")),
        import("ffi_prep_closure_loc_js", func("i32 i32 i32 i32 i32 -> i32")),
    ]
    .into();
    let exports = [
        ("malloc", func("i32 -> i32")),
        ("free", func("i32")),
        ("PyErr_SetString", func("i32 i32")),
        ("PyErr_WarnEx", func("i32 i32 i32 -> i32")),
        ("PyExc_NotImplementedError", ADDRESS),
        ("PyExc_RuntimeWarning", ADDRESS),
        ("PyGILState_Ensure", func("-> i32")),
        ("PyGILState_Release", func("i32")),
    ];
    interface.exports.extend(exports.map(|(name, kind)| (name.to_owned(), kind)));
    interface
}

fn refusal(interface: &Interface) -> String {
    Linkage::of(interface, HOST, true).expect_err("refused").to_string()
}

fn sources(interface: &Interface, exceptions: bool) -> Vec<Source> {
    let linkage = Linkage::of(interface, HOST, exceptions).unwrap_or_else(|refusal| panic!("{refusal}"));
    check(&linkage, exceptions).unwrap_or_else(|error| panic!("{error}"));
    linkage.imports
}

/// Whether an engine would take the two modules.
fn check(linkage: &Linkage, exceptions: bool) -> Result<(), wasmparser::Error> {
    let modern = WasmFeatures::EXCEPTIONS | WasmFeatures::GC | WasmFeatures::FUNCTION_REFERENCES;
    let features = if exceptions { WasmFeatures::default() | modern } else { WasmFeatures::default() - modern };
    for wasm in [&linkage.shim, &linkage.glue] {
        Validator::new_with_features(features).validate_all(wasm)?;
    }
    Ok(())
}

#[test]
fn a_program_is_told_from_a_command() {
    let with = |name: &str| module([import("f", func(""))], [(name, func(""))]).is_emscripten();
    assert!(with("main") && with("__wasm_call_ctors"));
    assert!(!with("_start") && !with("_initialize"));
    assert!(module([], [("__wasm_call_ctors", func(""))]).is_emscripten());
    assert!(!module([import("wasi_snapshot_preview1.fd_write", func(""))], [("main", func(""))]).is_emscripten());
}

#[test]
fn imports_without_names_are_refused() {
    for (module, name) in [("a", "b"), ("a", "ab")] {
        let interface = program([import(&format!("{module}.{name}"), func("i32"))]);
        assert_eq!(
            refusal(&interface),
            format!(
                "was linked with minified imports (`{module}.{name}`), which cannot be told apart: link it with -g2 or at most -O1, so that \
                 emcc keeps the names"
            )
        );
        // A minified memory export is no reason to complain about the memory.
        assert!(refusal(&Interface { exports: Default::default(), ..interface }).contains("minified"));
    }
    assert!(refusal(&program([import("a.abc", func("i32"))])).contains("nothing provides"));
}

#[test]
fn what_draws_is_refused() {
    for name in ["glfwInit", "SDL_Init", "emscripten_set_canvas_size", "eglGetDisplay", "alGenBuffers"] {
        let said = refusal(&program([import(name, func("i32 -> i32"))]));
        assert_eq!(said, format!("was built for a browser with a window (it imports `env.{name}`), and there is none here"));
    }
    assert_eq!(sources(&program([import("alloca_of_mine", func("i32 -> i32"))]), true), [Source::Missing]);
    assert_eq!(sources(&program([import("eglantine", func("i32 -> i32"))]), true), [Source::Missing]);
}

#[test]
fn what_is_no_program_by_itself_is_refused() {
    for (import, said) in [
        (
            import("memory", MEMORY),
            "imports the memory `env.memory`, which nothing provides: link it without -sIMPORTED_MEMORY and without threads",
        ),
        (
            import("__indirect_function_table", Kind::Table),
            "imports the table `env.__indirect_function_table`, which nothing provides: link it without -sIMPORTED_TABLE",
        ),
        (
            import("__memory_base", ADDRESS),
            "imports the global `env.__memory_base`, which nothing provides: it is a side module, to be loaded by another one",
        ),
        (import("__cpp_exception", Kind::Tag), "imports the exception tag `env.__cpp_exception`, which nothing provides"),
        (import("other.f", func("")), "imports the function `other.f`, which nothing provides"),
        (import("other.g", VARIABLE), "imports the global `other.g`, which nothing provides"),
        (Import { kind: ADDRESS, ..got("mem", "x") }, "imports the global `GOT.mem.x`, which nothing provides"),
        (
            Import { kind: Kind::Global { ty: Type::I64, mutable: true }, ..got("func", "x") },
            "imports the global `GOT.func.x`, which nothing provides",
        ),
    ] {
        assert_eq!(refusal(&program([import.clone()])), said);
        let interface = module([import], [("main", func(""))]);
        assert_eq!(refusal(&interface), said, "the import says more than the missing memory");
    }
}

#[test]
fn without_a_memory_or_an_entry_there_is_nothing_to_run() {
    let bare = |exports: [(&str, Kind); 2]| refusal(&module([import("abort", func(""))], exports));
    let main = || ("main", func("i32 i32 -> i32"));
    for kind in [func(""), Kind::Table, ADDRESS] {
        let said = bare([main(), ("memory", kind)]);
        assert_eq!(said, "exports no memory called `memory`, so no call could reach its data");
    }
    for name in ["_main", "run", "f"] {
        let said = bare([("memory", MEMORY), (name, func("i32 i32 -> i32"))]);
        assert_eq!(said, "exports no `main`: it is a library, and there is nothing to run");
    }
    for name in ["main", "__main_argc_argv"] {
        assert!(Linkage::of(&module([], [("memory", MEMORY), (name, func("i32 i32 -> i32"))]), HOST, true).is_ok());
    }
}

#[test]
fn exports_of_other_types_are_refused_by_name() {
    for (name, kind) in [
        ("main", func("i64 -> i32")),
        ("main", func("i32 i32")),
        ("malloc", func("i64 -> i64")),
        ("malloc", ADDRESS),
        ("stackSave", func("i32")),
        ("stackRestore", func("")),
        ("setThrew", VARIABLE),
        ("__indirect_function_table", func("")),
        ("__wasm_call_ctors", func("i32")),
        ("fflush", Kind::Tag),
    ] {
        let mut interface = program([import("invoke_vi", func("i32 i32"))]);
        interface.exports.insert(name.to_owned(), kind);
        assert_eq!(refusal(&interface), format!("exports `{name}` as something else than Emscripten does"));
    }
    let mut python = python();
    python.exports.insert("_PyRuntime".to_owned(), VARIABLE);
    assert_eq!(refusal(&python), "exports `_PyRuntime` as something else than Emscripten does");
    let mut interface = program([got("mem", "x")]);
    for odd in [VARIABLE, MEMORY, Kind::Tag, Kind::Global { ty: Type::I64, mutable: false }] {
        interface.exports.insert("x".to_owned(), odd);
        assert_eq!(refusal(&interface), "exports `x` as something else than Emscripten does");
    }
}

#[test]
fn cpython_needs_an_engine_that_knows_the_types_of_functions() {
    assert_eq!(sources(&python(), true), [Source::Shim]);
    assert_eq!(Linkage::of(&python(), HOST, false).unwrap_err(), Refusal::Python);
    let said = Refusal::Python.to_string();
    assert_eq!(said, "is CPython, which needs typed function references, and this engine lacks them");
}

#[test]
fn who_answers_an_import() {
    for (name, ty, with, without) in [
        // The host.
        ("__syscall_openat", "i32 i32 i32 i32 -> i32", Source::Shim, Source::Shim),
        ("__syscall_ftruncate64", "i32 i64 -> i32", Source::Shim, Source::Shim),
        // The host, its 64-bit number in halves.
        ("__syscall_ftruncate64", "i32 i32 i32 -> i32", Source::Shim, Source::Shim),
        ("_timegm_js", "i32 -> i32", Source::Shim, Source::Shim),
        // The glue.
        ("exit", "i32", Source::Shim, Source::Shim),
        ("emscripten_resize_heap", "i32 -> i32", Source::Shim, Source::Shim),
        ("_mmap_js", "i32 i32 i32 i32 i64 i32 i32 -> i32", Source::Shim, Source::Shim),
        ("_mmap_js", "i32 i32 i32 i32 i32 i32 i32 -> i32", Source::Shim, Source::Shim),
        // The glue or the adapter.
        ("invoke_vi", "i32 i32", Source::Shim, Source::Invoke),
        ("invoke_jfd", "i32 f32 f64 -> i64", Source::Shim, Source::Invoke),
        ("_emscripten_throw_longjmp", "", Source::Shim, Source::Jump),
        // Always the same.
        ("_try_fcntl64", "i32 i32 i32 i32 -> i32", Source::Shim, Source::Shim),
        ("__hiwire_deduplicate_new", "-> externref", Source::Shim, Source::Missing),
        ("_maybe_poll_async", "i32 i32 i32 -> externref", Source::Shim, Source::Shim),
        // Nobody.
        ("JsvNum_fromInt", "i32 -> externref", Source::Missing, Source::Missing),
        ("__syscall_openat", "i32 -> i32", Source::Missing, Source::Missing),
        ("exit", "i64", Source::Missing, Source::Missing),
        ("invoke_", "", Source::Missing, Source::Missing),
        ("invoke_i", "i32 -> i32 i32", Source::Missing, Source::Missing),
        ("invoke_v", "i64", Source::Missing, Source::Missing),
        ("getaddrinfo", "", Source::Missing, Source::Missing),
        // The guest has no `free` to give the memory back with.
        ("getaddrinfo", "i32 i32 i32 i32 -> i32", Source::Missing, Source::Missing),
    ] {
        let interface = program([import(name, func(ty))]);
        assert_eq!(sources(&interface, true), [with], "{name}: {ty}");
        assert_eq!(sources(&interface, false), [without], "{name}: {ty}");
    }
}

#[test]
fn what_ctypes_calls_by_is_answered_where_an_error_can_be_told() {
    let mut interface = python_with_ctypes();
    assert_eq!(sources(&interface, true), [Source::Shim; 4]);
    interface.exports.remove("PyErr_SetString");
    let (missing, null) = (Source::Missing, Source::Shim);
    assert_eq!(sources(&interface, true), [missing, null, missing, missing]);
}

#[test]
fn functions_of_wasi_are_taken_from_wasi_only() {
    let of = |name: &str| sources(&program([import(name, func("i32 i32 -> i32"))]), true);
    static SOME: &[&[Function]] = &[FUNCTIONS];
    assert_eq!(of("wasi_snapshot_preview1.__syscall_chmod"), [Source::Missing]);
    assert_eq!(of("__syscall_chmod"), [Source::Shim]);
    assert_eq!(of("exit"), [Source::Missing]);
    // `exit` is a piece of the glue, but only as the C library's.
    let wasi = Import { module: WASI.to_owned(), name: "exit".to_owned(), kind: func("i32") };
    assert_eq!(Linkage::of(&program([wasi]), SOME, true).unwrap().imports, [Source::Missing]);
}

#[test]
fn a_jump_needs_what_the_guest_must_export_for_it() {
    for missing in ["setThrew", "stackSave", "stackRestore", "__indirect_function_table"] {
        let mut interface = program([import("invoke_vi", func("i32 i32"))]);
        interface.exports.remove(missing);
        assert_eq!(sources(&interface, true), [Source::Missing], "{missing}");
        assert_eq!(sources(&interface, false), [Source::Missing], "{missing}");
    }
    // A signature with 64 bits in halves goes through the guest, and needs no table.
    let mut interface = program([import("invoke_iij", func("i32 i32 i32 i32 -> i32"))]);
    interface.exports.remove("__indirect_function_table");
    interface.exports.insert("dynCall_iij".to_owned(), func("i32 i32 i32 i32 -> i32"));
    assert_eq!(sources(&interface, true), [Source::Shim]);
    interface.exports.insert("dynCall_iij".to_owned(), func("i32 i32 i64 -> i32"));
    assert_eq!(sources(&interface, true), [Source::Missing]);
}

#[test]
fn names_that_would_be_text_are_only_names() {
    let evil = ["a\") (memory 1) (; ", "x\\", "\0", "é\u{202e}", "f)) (func $main", "", "$", " ", "x$y\n;; if not x"];
    for name in evil {
        let mut interface = program([got("mem", name), import(&format!("invoke_{name}"), func("i32 i32 -> i32"))]);
        interface.exports.insert(name.to_owned(), ADDRESS);
        interface.exports.insert(format!("dynCall_{name}"), func("i32 i32 -> i32"));
        for exceptions in [true, false] {
            let linkage = Linkage::of(&interface, HOST, exceptions).unwrap_or_else(|refusal| panic!("{name:?}: {refusal}"));
            check(&linkage, exceptions).unwrap_or_else(|error| panic!("{name:?}: {error}"));
            assert!(imports_of(&linkage.glue).contains(&("guest".to_owned(), name.to_owned())), "{name:?}");
        }
    }
}

/// What the glue imports.
fn imports_of(wasm: &[u8]) -> Vec<(String, String)> {
    let payloads = wasmparser::Parser::new(0).parse_all(wasm).map(|payload| payload.unwrap());
    let sections = payloads.filter_map(|payload| match payload {
        wasmparser::Payload::ImportSection(section) => Some(section),
        _ => None,
    });
    let imports = sections.flat_map(|section| section.into_imports().map(|import| import.unwrap()));
    imports.map(|import| (import.module.to_owned(), import.name.to_owned())).collect()
}

#[test]
fn what_two_interpreters_and_two_entries_would_be_is_one() {
    let mut interface = python();
    for (name, ty) in [
        ("mp_js_init", "i32 i32"),
        ("proxy_c_init", ""),
        ("mp_js_do_exec", "i32 i32 i32"),
        ("mp_js_repl_init", ""),
        ("mp_js_repl_process_char", "i32 -> i32"),
        ("malloc", "i32 -> i32"),
        ("main", "i32 i32 -> i32"),
        ("__main_argc_argv", "i32 i32 -> i32"),
    ] {
        interface.exports.insert(name.to_owned(), func(ty));
    }
    sources(&interface, true);
    interface.exports.remove("Py_BytesMain");
    sources(&interface, true);
    sources(&interface, false);
    interface.exports.remove("mp_js_init");
    sources(&interface, false);
    interface.exports.remove("main");
    sources(&interface, false);
}

/// Names that mean something somewhere.
fn known_names() -> Vec<String> {
    let mut all: Vec<String> = HOST.iter().copied().flatten().map(|function| function.about.name.to_owned()).collect();
    let text = "memory main __main_argc_argv __indirect_function_table setThrew stackSave stackRestore stackAlloc malloc free fflush \
        emscripten_stack_get_current _emscripten_stack_restore _emscripten_stack_alloc __wasm_call_ctors __funcs_on_exit __stdio_exit \
        emscripten_builtin_memalign emscripten_builtin_free _PyRuntime _PyEM_EMSCRIPTEN_TRAMPOLINE_OFFSET emscripten_stack_get_base \
        emscripten_stack_set_limits Py_BytesMain _PyEM_TrampolineCall_JS mp_js_init proxy_c_init mp_js_do_exec mp_js_repl_init \
        mp_js_repl_process_char exit emscripten_resize_heap emscripten_get_heap_max _mmap_js _munmap_js _msync_js __call_sighandler \
        _tzset_js __syscall_ioctl _emscripten_throw_longjmp invoke_vi invoke_iij invoke_ invoke_d dynCall_vi dynCall_iij getTempRet0 \
        setTempRet0 getaddrinfo __hiwire_deduplicate_new _maybe_poll_async emscripten_debugger emscripten_notify_memory_growth proc_exit \
        fd_read args_get environ stack jumped ffi_call_js ffi_closure_alloc_js ffi_closure_free_js ffi_prep_closure_loc_js PyErr_SetString \
        PyErr_WarnEx PyExc_NotImplementedError PyExc_RuntimeWarning PyGILState_Ensure PyGILState_Release 0 1";
    all.extend(text.split_whitespace().map(str::to_owned));
    all
}

fn ty() -> impl Strategy<Value = Type> {
    let usual = prop_oneof![4 => Just(Type::I32), 1 => select(&[Type::I64, Type::F32, Type::F64][..])];
    prop_oneof![8 => usual, 1 => select(&[Type::V128, Type::FuncRef, Type::ExternRef, Type::Other][..])]
}

fn kind() -> impl Strategy<Value = Kind> {
    let known: Vec<Kind> = HOST
        .iter()
        .copied()
        .flatten()
        .map(|function| {
            Kind::Func(FuncType {
                params: function.params.iter().map(|param| param.ty.into()).collect(),
                results: function.result.into_iter().map(Into::into).collect(),
            })
        })
        .chain(["", "i32", "i32 i32", "i32 -> i32", "-> i32", "i32 i32 -> i32", "i32 i32 i32 i32 -> i32"].map(func))
        .chain(
            ["i32 i32 i32 i32 i64 i32 i32 -> i32", "i32 i32 i32 i32 i32 i32 i32 -> i32", "i32 i32 i32", "-> externref"].map(func),
        )
        .collect();
    let anything = (prop::collection::vec(ty(), 0..6), prop::collection::vec(ty(), 0..3))
        .prop_map(|(params, results)| Kind::Func(FuncType { params, results }));
    let other = prop_oneof![
        (ty(), any::<bool>()).prop_map(|(ty, mutable)| Kind::Global { ty, mutable }),
        Just(ADDRESS),
        Just(VARIABLE),
        any::<Option<u64>>().prop_map(|maximum| Kind::Memory { maximum }),
        Just(Kind::Table),
        Just(Kind::Tag),
    ];
    prop_oneof![4 => select(known), 2 => anything, 2 => other]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![8 => select(known_names()), 1 => ".{0,6}", 1 => "(invoke|dynCall)_[vijfd]{0,4}"]
}

fn imports() -> impl Strategy<Value = Vec<Import>> {
    let module = select(&["env", "env", "env", WASI, "GOT.func", "GOT.mem"][..]);
    let module = prop_oneof![30 => module.prop_map(str::to_owned), 1 => ".{0,3}"];
    let import = (module, name(), kind()).prop_map(|(module, name, kind)| {
        let kind = if module.starts_with("GOT.") { VARIABLE } else { kind };
        Import { module, name, kind }
    });
    prop::collection::vec(import, 0..12)
}

/// The right type of a name that the glue uses, mostly.
fn usual_exports() -> Vec<(String, Kind)> {
    let all = [program([]), python(), python_with_ctypes()];
    all.into_iter().flat_map(|interface| interface.exports).collect()
}

fn exports() -> impl Strategy<Value = Vec<(String, Kind)>> {
    let export = prop_oneof![3 => select(usual_exports()), 1 => (name(), kind())];
    prop::collection::vec(export, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_module_is_linked_soundly_or_refused(imports in imports(), exports in exports(), exceptions: bool, whole in 0..4) {
        let mut interface = Interface { imports, exports: exports.into_iter().collect() };
        if whole > 0 {
            interface.exports.extend(program([]).exports);
        }
        match Linkage::of(&interface, HOST, exceptions) {
            Ok(linkage) => {
                prop_assert_eq!(linkage.imports.len(), interface.imports.len());
                if let Err(error) = check(&linkage, exceptions) {
                    prop_assert!(false, "{}", error);
                }
            }
            Err(refusal) => prop_assert!(!refusal.to_string().contains('\n')),
        }
    }
}

#[test]
fn the_proptest_reaches_what_is_linked() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut linked, mut refused) = (0, 0);
    for _ in 0..500 {
        let imports = imports().new_tree(&mut runner).unwrap().current();
        let interface = Interface { imports, exports: program([]).exports };
        match Linkage::of(&interface, HOST, true) {
            Ok(_) => linked += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(linked > 20 && refused > 20, "{linked} linked, {refused} refused");
}

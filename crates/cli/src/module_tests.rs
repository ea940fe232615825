use super::*;

/// A module of sections (id, contents).
fn wasm(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (id, contents) in sections {
        bytes.push(*id);
        bytes.push(u8::try_from(contents.len()).unwrap());
        bytes.extend_from_slice(contents);
    }
    bytes
}

/// Section contents of one import with a module, a name and a kind with its type.
fn import(module: &str, name: &str, kind: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1, u8::try_from(module.len()).unwrap()];
    bytes.extend_from_slice(module.as_bytes());
    bytes.push(u8::try_from(name.len()).unwrap());
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(kind);
    bytes
}

const TYPES: (u8, &[u8]) = (1, b"\x01\x60\0\0");
const FUNCTIONS: (u8, &[u8]) = (3, b"\x01\0");
const MEMORY: (u8, &[u8]) = (5, b"\x01\0\x01");
const EXPORTS: (u8, &[u8]) = (7, b"\x02\x06_start\0\0\x06memory\x02\0");
const CODE: (u8, &[u8]) = (10, b"\x01\x02\0\x0b");

fn checked(bytes: &[u8], engine: EngineKind) -> std::result::Result<(), String> {
    let module = Module::of(Path::new("m.wasm"), bytes.to_vec());
    let provided = |_: EngineKind, module: &str, name: &str| (module, name) == ("wasi_snapshot_preview1", "proc_exit");
    check(&module, engine, &provided).map_err(|error| {
        assert_eq!(error.code(), 2);
        error.to_string()
    })
}

fn explained(bytes: &[u8], engine: EngineKind) -> Option<String> {
    let module = Module::of(Path::new("m.wasm"), bytes.to_vec());
    explain(&module, engine).map(|error| error.to_string())
}

#[test]
fn a_command_is_fit() {
    let command = wasm(&[TYPES, FUNCTIONS, MEMORY, EXPORTS, CODE]);
    assert_eq!(checked(&command, EngineKind::Wasmtime), Ok(()));
    assert_eq!(checked(&command, EngineKind::Wasmi), Ok(()));
    assert_eq!(explained(&command, EngineKind::Wasmi), None);
    let exit = import("wasi_snapshot_preview1", "proc_exit", b"\0\0");
    assert_eq!(checked(&wasm(&[TYPES, (2, &exit), FUNCTIONS, MEMORY, EXPORTS, CODE]), EngineKind::Wasmtime), Ok(()));
}

#[test]
fn what_is_no_core_module_is_named() {
    for (bytes, part) in [
        (&b""[..], "m.wasm is not a WebAssembly module"),
        (b"\x7fELF\x02\x01\x01\0", "m.wasm is not a WebAssembly module"),
        (b"\0asm", "m.wasm is damaged"),
        (b"\0asm\x02\0\0\0", "m.wasm is damaged"),
        (b"\0asm\x0d\0\x01\0", "m.wasm is a WebAssembly component"),
        (b"\n (module)", "m.wasm is WebAssembly text"),
        (b"\0asm\x01\0\0\0\x01\x7f", "m.wasm is damaged"),
    ] {
        let text = checked(bytes, EngineKind::Wasmtime).unwrap_err();
        assert!(text.starts_with(part), "{text}");
    }
}

#[test]
fn an_import_that_nobody_provides_is_named() {
    for (module, name, kind, part) in [
        ("env", "launch", &b"\0\0"[..], "imports the function `env.launch`, which nothing provides"),
        ("wasi_unstable", "proc_exit", b"\0\0", "imports the function `wasi_unstable.proc_exit`"),
        ("env", "memory", b"\x02\0\x01", "imports the memory `env.memory`"),
        ("env", "table", b"\x01\x70\0\x01", "imports the table `env.table`"),
        ("env", "sp", b"\x03\x7f\x01", "imports the global `env.sp`"),
    ] {
        let bytes = wasm(&[TYPES, (2, &import(module, name, kind)), FUNCTIONS, MEMORY, EXPORTS, CODE]);
        let text = checked(&bytes, EngineKind::Wasmtime).unwrap_err();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn shared_memories_are_refused_by_name() {
    let own = wasm(&[TYPES, FUNCTIONS, (5, b"\x01\x03\x01\x02"), EXPORTS, CODE]);
    assert!(checked(&own, EngineKind::Wasmtime).unwrap_err().contains("has a shared memory"));
    let imported = wasm(&[TYPES, (2, &import("env", "memory", b"\x02\x03\x01\x02")), FUNCTIONS, EXPORTS, CODE]);
    assert!(checked(&imported, EngineKind::Wasmtime).unwrap_err().contains("imports the shared memory `env.memory`"));
}

#[test]
fn exceptions_name_the_engine_that_has_them() {
    let tags = wasm(&[TYPES, FUNCTIONS, MEMORY, (13, b"\x01\0\0"), EXPORTS, CODE]);
    assert_eq!(checked(&tags, EngineKind::Wasmtime), Ok(()));
    let text = checked(&tags, EngineKind::Wasmi).unwrap_err();
    assert_eq!(text, "m.wasm needs WebAssembly exceptions, which wasmi lacks: run it with --engine wasmtime");
    // try_table without any tag: only the code shows it.
    let code: (u8, &[u8]) = (10, b"\x01\x06\0\x1f\x40\0\x0b\x0b");
    let bytes = wasm(&[TYPES, FUNCTIONS, MEMORY, EXPORTS, code]);
    assert_eq!(checked(&bytes, EngineKind::Wasmi), Ok(()));
    assert_eq!(explained(&bytes, EngineKind::Wasmi), Some(text));
    assert_eq!(explained(&bytes, EngineKind::Wasmtime), None);
    // try/catch_all in the old form.
    let code: (u8, &[u8]) = (10, b"\x01\x06\0\x06\x40\x19\x0b\x0b");
    let bytes = wasm(&[TYPES, FUNCTIONS, MEMORY, EXPORTS, code]);
    let text = explained(&bytes, EngineKind::Wasmtime).unwrap();
    assert!(
        text.starts_with("m.wasm needs WebAssembly exceptions in their old form, which wasmtime lacks: convert it"),
        "{text}"
    );
    assert!(text.contains("`wasm-opt --all-features") && text.contains("--translate-to-exnref m.wasm"), "{text}");
}

#[test]
fn damaged_code_is_explained() {
    let bytes = wasm(&[TYPES, FUNCTIONS, MEMORY, EXPORTS, (10, b"\x01\x03\0\x1a\x0b")]);
    assert_eq!(checked(&bytes, EngineKind::Wasmtime), Ok(()));
    let text = explained(&bytes, EngineKind::Wasmtime).unwrap();
    assert!(text.starts_with("m.wasm is damaged: "), "{text}");
}

#[test]
fn what_cannot_be_started_is_named() {
    let no_start = wasm(&[TYPES, FUNCTIONS, MEMORY, (7, b"\x01\x06memory\x02\0"), CODE]);
    assert!(checked(&no_start, EngineKind::Wasmtime).unwrap_err().contains("exports no function `_start`: it is no command"));
    let reactor = wasm(&[TYPES, FUNCTIONS, MEMORY, (7, b"\x02\x0b_initialize\0\0\x06memory\x02\0"), CODE]);
    assert!(checked(&reactor, EngineKind::Wasmtime).unwrap_err().contains("it is a reactor"));
    let no_memory = wasm(&[TYPES, FUNCTIONS, MEMORY, (7, b"\x01\x06_start\0\0"), CODE]);
    assert!(checked(&no_memory, EngineKind::Wasmtime).unwrap_err().contains("exports no memory called `memory`"));
}

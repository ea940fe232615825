//! What a wasm file is, and whether something is missing to run it, found before an engine sees it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use stratafs_emscripten::link::{Import, Interface, Kind, Linkage};
use wasmparser::{Encoding, Parser, Payload, TypeRef, Validator, WasmFeatures};

use crate::error::{Error, Result, usage};
use crate::known::Stamp;
use crate::layers::reason;
use crate::pyodide::CONVERSION;
use crate::{interface, run};

/// Which engine runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum EngineKind {
    /// Compiles the module; fast.
    #[default]
    Wasmtime,
    /// Interprets the module; starts at once, runs slowly, has no exceptions.
    Wasmi,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EngineKind::Wasmtime => "wasmtime",
            EngineKind::Wasmi => "wasmi",
        })
    }
}

/// A core module. What is known about it already may spare reading it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Module {
    /// Where it came from.
    pub path: PathBuf,
    /// The binary's SHA-256 where it is known without reading the file. A module with a known hash has passed [`check`] before.
    pub sha256: Option<[u8; 32]>,
    /// The file as it was before it was read.
    pub stamp: Option<Stamp>,
    bytes: OnceLock<Vec<u8>>,
}

impl Module {
    /// The module in these bytes.
    #[cfg(test)]
    #[must_use]
    pub fn of(path: &Path, bytes: Vec<u8>) -> Self {
        Module { path: path.to_owned(), bytes: bytes.into(), ..Module::default() }
    }

    /// The module in the file at `path`, whose hash is known.
    #[must_use]
    pub fn known(path: &Path, sha256: [u8; 32]) -> Self {
        Module { path: path.to_owned(), sha256: Some(sha256), ..Module::default() }
    }

    /// The binary; reads the file if nobody has done so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self) -> Result<&[u8]> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let bytes = std::fs::read(&self.path).map_err(|error| usage!("{}: {}", self.path.display(), reason(&error)))?;
        Ok(self.bytes.get_or_init(|| bytes))
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Module({})", self.path.display())
    }
}

/// Reads the module at `path`.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Module> {
    let stamp = Stamp::of(path);
    let module = Module { path: path.to_owned(), stamp, ..Module::default() };
    module.bytes()?;
    Ok(module)
}

/// Checks that the module can be run by `engine`: one of Emscripten's, or a command, for which `provided` says which imports (module, name)
/// there are on an engine. One whose hash is known is believed.
///
/// The code of the functions is not looked at, so that a large module that is compiled already starts at once; see [`explain`].
///
/// # Errors
/// What is wrong with the module, naming it.
pub fn check(module: &Module, engine: EngineKind, provided: &dyn Fn(EngineKind, &str, &str) -> bool) -> Result<()> {
    if module.sha256.is_some() {
        return Ok(());
    }
    let shown = module.path.display();
    let bytes = module.bytes()?;
    check_header(bytes).map_err(|why| usage!("{shown} {why}"))?;
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    for payload in parser.parse_all(bytes) {
        let checked = payload.map_err(|error| Refusal::damaged(&error)).and_then(|payload| check_payload(&payload, engine));
        checked.map_err(|Refusal(why)| usage!("{shown} {why}"))?;
    }
    let interface = interface::of(bytes).map_err(|error| usage!("{shown} {}", Refusal::damaged(&error).0))?;
    if interface.is_emscripten() {
        let exceptions = engine == EngineKind::Wasmtime;
        return Linkage::of(&interface, run::HOST_FUNCTIONS, exceptions).map(drop).map_err(|why| usage!("{shown} {why}"));
    }
    check_command(&interface, engine, provided).map_err(|Refusal(why)| usage!("{shown} {why}"))
}

/// Checks a module that is not Emscripten's: every import is provided, and there is something to run.
fn check_command(
    interface: &Interface,
    engine: EngineKind,
    provided: &dyn Fn(EngineKind, &str, &str) -> bool,
) -> std::result::Result<(), Refusal> {
    for Import { module, name, kind } in &interface.imports {
        if !provided(engine, module, name) {
            let (kind, elsewhere) = (kind.name(), provided(EngineKind::Wasmtime, module, name));
            let whose = if elsewhere { "only wasmtime provides: leave --engine out" } else { "nothing provides" };
            return Err(Refusal(format!("imports the {kind} `{module}.{name}`, which {whose}")));
        }
    }
    let exports = |name: &str| matches!(interface.exports.get(name), Some(Kind::Func(_)));
    if !exports("_start") {
        let why = if exports("_initialize") { "it is a reactor" } else { "it is no command" };
        return Err(Refusal(format!("exports no function `_start`: {why}, and there is nothing to run")));
    }
    if !matches!(interface.exports.get("memory"), Some(Kind::Memory { .. })) {
        return Err(Refusal("exports no memory called `memory`, so no call could reach its data".to_owned()));
    }
    Ok(())
}

/// What is wrong, to be put after the module's path.
struct Refusal(String);

impl Refusal {
    fn damaged(error: &wasmparser::Error) -> Self {
        Refusal(format!("is damaged: {}", without_offset(error)))
    }
}

fn without_offset(error: &wasmparser::Error) -> String {
    format!("{} at byte {}", error.message(), error.offset())
}

fn check_header(bytes: &[u8]) -> std::result::Result<(), &'static str> {
    if Parser::is_component(bytes) {
        return Err("is a WebAssembly component; stratafs runs core modules (build it for wasm32-wasip1)");
    }
    if bytes.starts_with(b"\0asm") {
        return if bytes.len() < 8 { Err("is damaged: it ends within its header") } else { Ok(()) };
    }
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"(module") || text.starts_with(b";;") {
        return Err("is WebAssembly text, not a module; translate it first (wat2wasm, wasm-tools parse)");
    }
    Err("is not a WebAssembly module")
}

fn check_payload(payload: &Payload<'_>, engine: EngineKind) -> std::result::Result<(), Refusal> {
    match payload {
        Payload::Version { encoding: Encoding::Component, .. } => return Err(Refusal("is a WebAssembly component".to_owned())),
        Payload::ImportSection(section) => {
            for import in section.clone().into_imports() {
                let import = import.map_err(|error| Refusal::damaged(&error))?;
                match import.ty {
                    TypeRef::Memory(memory) if memory.shared => {
                        let (module, name) = (import.module, import.name);
                        let what = format!("imports the shared memory `{module}.{name}` (threads), which stratafs does not run");
                        return Err(Refusal(what));
                    }
                    TypeRef::Tag(_) => needs_exceptions(engine)?,
                    _ => {}
                }
            }
        }
        Payload::MemorySection(section) => {
            for memory in section.clone() {
                if memory.map_err(|error| Refusal::damaged(&error))?.shared {
                    return Err(Refusal("has a shared memory (threads), which stratafs does not run".to_owned()));
                }
            }
        }
        Payload::TagSection(_) => needs_exceptions(engine)?,
        _ => {}
    }
    Ok(())
}

fn needs_exceptions(engine: EngineKind) -> std::result::Result<(), Refusal> {
    match engine {
        EngineKind::Wasmtime => Ok(()),
        EngineKind::Wasmi => {
            Err(Refusal("needs WebAssembly exceptions, which wasmi lacks: run it with --engine wasmtime".to_owned()))
        }
    }
}

/// Features that a module may need and an engine may lack: bit, plain name, whether wasmtime and wasmi have it here.
const FEATURES: [(WasmFeatures, &str, bool, bool); 11] = [
    (WasmFeatures::EXCEPTIONS, "exceptions", true, false),
    (WasmFeatures::LEGACY_EXCEPTIONS, "exceptions in their old form", false, false),
    (WasmFeatures::GC, "garbage collection", true, false),
    (WasmFeatures::FUNCTION_REFERENCES, "typed function references", true, false),
    (WasmFeatures::THREADS, "threads", true, false),
    (WasmFeatures::SIMD, "SIMD", true, false),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD", true, false),
    (WasmFeatures::MEMORY64, "64-bit memories", true, false),
    (WasmFeatures::STACK_SWITCHING, "stack switching", false, false),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic", false, false),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "custom page sizes", false, false),
];

/// Says in one line why `engine` refused to compile the module: a feature that it lacks, or damage. `None` when the module is
/// sound and needs nothing that the engine lacks. Reads all of the code: only for when it has been refused.
#[must_use]
pub fn explain(module: &Module, engine: EngineKind) -> Option<Error> {
    let shown = module.path.display();
    let bytes = match module.bytes() {
        Ok(bytes) => bytes,
        Err(error) => return Some(error),
    };
    let valid = |features| Validator::new_with_features(features).validate_all(bytes);
    let all = FEATURES.iter().fold(WasmFeatures::default(), |all, (bit, ..)| all | *bit);
    if let Err(error) = valid(all) {
        return Some(usage!("{shown} is damaged: {}", without_offset(&error)));
    }
    FEATURES.iter().find_map(|&(bit, name, wasmtime, wasmi)| {
        let has = if engine == EngineKind::Wasmtime { wasmtime } else { wasmi };
        if has || valid(all - bit).is_ok() {
            return None;
        }
        Some(match (engine, wasmtime) {
            (EngineKind::Wasmi, true) => {
                usage!("{shown} needs WebAssembly {name}, which wasmi lacks: run it with --engine wasmtime")
            }
            _ if bit == WasmFeatures::LEGACY_EXCEPTIONS => {
                let how = CONVERSION.join(" ");
                usage!("{shown} needs WebAssembly {name}, which {engine} lacks: convert it with `wasm-opt {how} {shown} -o NEW.wasm` (Binaryen)")
            }
            _ => usage!("{shown} needs WebAssembly {name}, which {engine} lacks"),
        })
    })
}

#[cfg(test)]
#[path = "module_tests.rs"]
mod tests;

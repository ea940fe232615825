//! Linking a module that Emscripten made for its JavaScript: which import is answered by whom, and two small modules that stand beside it.
//!
//! Most imports are functions of the host. Those that must call the guest themselves (`invoke_*` and `longjmp`, `_mmap_js`, which asks the
//! guest's allocator for room, `exit`, CPython's trampoline) are WebAssembly: a host function cannot call into a guest that is run
//! asynchronously, and costs twenty times a call from module to module.
//!
//! | module | instantiated | what is in it |
//! |---|---|---|
//! | shim | first | the host's functions; a stub for each such import, calling through a table; fixed answers; `GOT` variables |
//! | the guest | second | linked to the shim |
//! | glue | last | those functions, written for what the guest exports, put into the shim's table; `_start`, which runs the guest's `main` |
//!
//! An import that nobody answers is linked all the same, as a call that stops the guest and names it: Pyodide imports some two hundred functions of a
//! browser and calls none of them.

mod answers;
mod ctypes;
mod glue;
mod interface;
mod pieces;
mod shim;
mod usual;

use std::collections::HashMap;

use stratafs_abi::{Abi, Function, ValType};
use thiserror::Error;

pub use glue::PYTHON_STACK;
pub use interface::{FuncType, Import, Interface, Kind, Type};

use crate::{Generation, Split, Wasi};
use glue::Glue;
use shim::Shim;

/// Who answers an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The shim's export whose name is the import's number.
    Shim,
    /// The engine's adapter, because the engine has no exceptions. It asks the glue's [`STACK`] where the guest's stack ends and calls the glue's export whose
    /// name is the import's number; when a [`Jump`](Source::Jump) comes out of that, it hands the answer of `STACK` to the glue's [`JUMPED`] and
    /// answers 0.
    Invoke,
    /// The engine's adapter: leaves the innermost [`Invoke`](Source::Invoke).
    Jump,
    /// Nobody: the call stops the guest.
    Missing,
}

/// The glue's export that an [`Invoke`](Source::Invoke) begins with: `-> i32`.
pub const STACK: &str = "stack";

/// The glue's export that an [`Invoke`](Source::Invoke) calls when it was jumped out of: `i32`.
pub const JUMPED: &str = "jumped";

/// The glue's export, a function of the host, that writes the guest's mappings back: `-> i32`. There is one when the guest can map files. It is to be
/// called when the guest has ended, in whatever way.
pub const SYNC_MAPPINGS: &str = "sync_mappings";

/// Why a module cannot be linked. To be put after the module's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It imports something of a kind that is never provided.
    #[error("imports the {kind} `{module}.{name}`, which nothing provides{advice}")]
    Import {
        /// What it is.
        kind: &'static str,
        /// The name before the dot.
        module: String,
        /// The name after it.
        name: String,
        /// What to do, if anything.
        advice: &'static str,
    },
    /// Its imports have no names.
    #[error(
        "was linked with minified imports (`{module}.{name}`), which cannot be told apart: link it with -g2 or at most -O1, so that emcc \
         keeps the names"
    )]
    Minified {
        /// The name before the dot.
        module: String,
        /// The name after it.
        name: String,
    },
    /// It draws.
    #[error("was built for a browser with a window (it imports `{0}`), and there is none here")]
    Window(String),
    /// Nothing starts it.
    #[error("exports no `main`: it is a library, and there is nothing to run")]
    NoEntry,
    /// It is CPython, which calls functions by whatever type they have.
    #[error("is CPython, which needs typed function references, and this engine lacks them")]
    Python,
    /// It exports no memory.
    #[error("exports no memory called `memory`, so no call could reach its data")]
    NoMemory,
    /// An export has another type than Emscripten gives it.
    #[error("exports `{0}` as something else than Emscripten does")]
    Odd(String),
}

/// How a module is linked.
#[derive(Debug)]
pub struct Linkage {
    /// Who answers each import, in the module's order.
    pub imports: Vec<Source>,
    /// The shim, a binary module. Imports functions of the host.
    pub shim: Vec<u8>,
    /// The glue, a binary module. Imports the guest's exports as `guest`, and the shim's as `shim`.
    pub glue: Vec<u8>,
}

/// The module that a guest imports WASI from.
const WASI: &str = "wasi_snapshot_preview1";

/// Names that begin so belong to a window.
const WINDOW: [&str; 8] = [
    "glfw",
    "SDL_",
    "emscripten_set_canvas",
    "emscripten_webgl",
    "emscripten_request_animation",
    "emscripten_set_main_loop",
    "egl",
    "al",
];

impl Linkage {
    /// The linkage of a module with this interface to the functions of `host`. Without `exceptions` in the engine, nor the typed references
    /// that came with them, its adapter makes the `invoke_*` functions.
    ///
    /// # Errors
    /// Why the module cannot be linked.
    pub fn of(guest: &Interface, host: &[&'static [Function]], exceptions: bool) -> Result<Self, Refusal> {
        if !matches!(guest.exports.get("memory"), Some(Kind::Memory { .. })) {
            refuse_imports(guest)?;
            return Err(Refusal::NoMemory);
        }
        refuse_imports(guest)?;
        let mut linker = Linker {
            host: functions(host),
            generation: generation(guest),
            glue: Glue::new(guest, exceptions),
            shim: Shim::default(),
            exceptions,
        };
        let imports = guest.imports.iter().enumerate();
        let imports = imports.map(|(index, import)| linker.source(index, import)).collect();
        if !linker.glue.has_entry() {
            return Err(Refusal::NoEntry);
        }
        if linker.glue.is_python() && !exceptions {
            return Err(Refusal::Python);
        }
        for &(module, name, _, ty) in linker.glue.calls() {
            linker.shim.host(&format!("{module}.{name}"), (module, name), &FuncType::of(ty));
        }
        let odd = |error: wat::Error| Refusal::Odd(error.to_string().lines().next().unwrap_or_default().to_owned());
        let shim = wat::parse_str(linker.shim.text(linker.glue.slots())).map_err(odd)?;
        let glue = wat::parse_str(linker.glue.text()?).map_err(odd)?;
        Ok(Linkage { imports, shim, glue })
    }
}

/// The host's functions by name.
fn functions(host: &[&'static [Function]]) -> HashMap<&'static str, Vec<&'static Function>> {
    let mut all: HashMap<_, Vec<_>> = HashMap::new();
    for function in host.iter().copied().flatten() {
        all.entry(function.about.name).or_default().push(function);
    }
    all
}

fn type_of(function: &Function) -> FuncType {
    FuncType {
        params: function.params.iter().map(|param| param.ty.into()).collect(),
        results: function.result.into_iter().map(Into::into).collect(),
    }
}

/// The generation that the functions which the guest imports from `env` tell.
fn generation(guest: &Interface) -> Generation {
    let number = |ty: &Type| match ty {
        Type::I32 => Some(ValType::I32),
        Type::I64 => Some(ValType::I64),
        Type::F64 => Some(ValType::F64),
        _ => None,
    };
    let types: Vec<(&str, Vec<ValType>)> = guest
        .imports
        .iter()
        .filter(|import| import.module == "env")
        .filter_map(|import| match &import.kind {
            Kind::Func(ty) => Some((import.name.as_str(), ty.params.iter().map(number).collect::<Option<_>>()?)),
            _ => None,
        })
        .collect();
    Generation::of(types.iter().map(|(name, params)| (*name, params.as_slice())))
}

/// What no module can be given.
fn refuse_imports(guest: &Interface) -> Result<(), Refusal> {
    for Import { module, name, kind } in &guest.imports {
        let advice = match kind {
            Kind::Func(_) if module.len() == 1 && name.len() <= 2 => {
                return Err(Refusal::Minified { module: module.clone(), name: name.clone() });
            }
            Kind::Func(_) if module == "env" && WINDOW.iter().any(|window| is_of(name, window)) => {
                return Err(Refusal::Window(format!("{module}.{name}")));
            }
            Kind::Func(_) if module == "env" || module == WASI => continue,
            Kind::Global { ty: Type::I32, mutable: true } if module == "GOT.func" || module == "GOT.mem" => continue,
            Kind::Global { .. } if module == "env" && name.starts_with("__") => {
                ": it is a side module, to be loaded by another one"
            }
            Kind::Memory { .. } => ": link it without -sIMPORTED_MEMORY and without threads",
            Kind::Table => ": link it without -sIMPORTED_TABLE",
            Kind::Func(_) | Kind::Global { .. } | Kind::Tag => "",
        };
        return Err(Refusal::Import { kind: kind.name(), module: module.clone(), name: name.clone(), advice });
    }
    Ok(())
}

/// Whether a name belongs to a library with this prefix: what follows starts a word.
fn is_of(name: &str, prefix: &str) -> bool {
    let starts_word = |rest: &str| prefix.len() > 4 || rest.starts_with(|c: char| c.is_ascii_uppercase());
    name.strip_prefix(prefix).is_some_and(starts_word)
}

struct Linker<'a> {
    host: HashMap<&'static str, Vec<&'static Function>>,
    generation: Generation,
    glue: Glue<'a>,
    shim: Shim,
    exceptions: bool,
}

impl<'a> Linker<'a> {
    fn source(&mut self, index: usize, import: &'a Import) -> Source {
        match &import.kind {
            Kind::Func(ty) => self.function(index, import, ty).unwrap_or(Source::Missing),
            _ => {
                self.shim.variable(index);
                self.glue.resolve(index, &import.name);
                Source::Shim
            }
        }
    }

    fn function(&mut self, index: usize, import: &Import, ty: &FuncType) -> Option<Source> {
        let env = import.module == "env";
        if env && let Some(slot) = self.glue.answer(&import.name, ty) {
            return self.shim.slot(index, ty, slot).map(|()| Source::Shim);
        }
        if env && self.shim.upper(index, &import.name, ty).is_some() {
            return Some(Source::Shim);
        }
        if let Some((module, name)) = self.of_host(import, ty) {
            return self.shim.host(&index.to_string(), (module, name), ty).map(|()| Source::Shim);
        }
        if let Some((module, name, whole)) = self.in_halves(import, ty) {
            return self.shim.joined(index, (module, name), &whole).map(|()| Source::Shim);
        }
        if !env {
            return None;
        }
        if import.name == "_emscripten_throw_longjmp" && !self.exceptions {
            return Some(Source::Jump);
        }
        if import.name.starts_with("invoke_") {
            return match self.glue.invoke(index, &import.name, ty)? {
                Some(slot) => self.shim.slot(index, ty, slot).map(|()| Source::Shim),
                None => Some(Source::Invoke),
            };
        }
        let (.., body) = answers::ANSWERS.iter().find(|(name, own, _)| *name == import.name && FuncType::of(own) == *ty)?;
        if !self.exceptions && body.contains("ref.i31") {
            return None;
        }
        self.shim.body(index, ty, body).map(|()| Source::Shim)
    }

    /// The host's functions of the import's name, the generation's and Emscripten's own first.
    fn candidates(&self, import: &Import) -> impl Iterator<Item = &'static Function> {
        let split = self.generation == Generation::Split;
        let all = self.host.get(import.name.as_str()).into_iter().flatten().copied();
        let mut all: Vec<_> = all
            .filter(|function| {
                let module = function.about.module;
                module == import.module
                    || import.module == "env" && module == Split::MODULE && split
                    || import.module == WASI && module == Wasi::MODULE
            })
            .collect();
        all.sort_by_key(|function| function.about.module == import.module);
        all.into_iter()
    }

    /// The host's function that this import is.
    fn of_host(&self, import: &Import, ty: &FuncType) -> Option<(&'static str, &'static str)> {
        let function = self.candidates(import).find(|function| type_of(function) == *ty)?;
        Some((function.about.module, function.about.name))
    }

    /// The host's function that this import is when its 64-bit numbers are put together.
    fn in_halves(&self, import: &Import, ty: &FuncType) -> Option<(&'static str, &'static str, FuncType)> {
        self.candidates(import).find_map(|function| {
            let whole = type_of(function);
            (whole.split() == *ty).then_some((function.about.module, function.about.name, whole))
        })
    }
}

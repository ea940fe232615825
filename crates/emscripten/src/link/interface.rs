//! What a module imports and exports, in terms of no engine.

use std::collections::HashMap;
use std::fmt::Write;

/// The type of a wasm value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// A float of 32 bits.
    F32,
    /// A float of 64 bits.
    F64,
    /// A vector.
    V128,
    /// A function or null.
    FuncRef,
    /// Something of the host's or null.
    ExternRef,
    /// A reference of another kind.
    Other,
}

impl Type {
    /// Its name in WebAssembly's text format, if it has one that stands alone.
    fn wat(self) -> Option<&'static str> {
        Some(match self {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::V128 => "v128",
            Type::FuncRef => "funcref",
            Type::ExternRef => "externref",
            Type::Other => return None,
        })
    }

    fn named(name: &str) -> Self {
        let all = [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128, Type::FuncRef, Type::ExternRef];
        all.into_iter().find(|ty| ty.wat() == Some(name)).unwrap_or(Type::Other)
    }
}

impl From<stratafs_abi::ValType> for Type {
    fn from(ty: stratafs_abi::ValType) -> Self {
        match ty {
            stratafs_abi::ValType::I32 => Type::I32,
            stratafs_abi::ValType::I64 => Type::I64,
            stratafs_abi::ValType::F64 => Type::F64,
        }
    }
}

/// The type of a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FuncType {
    /// Of its parameters.
    pub params: Vec<Type>,
    /// Of its results.
    pub results: Vec<Type>,
}

impl FuncType {
    /// Reads `i32 i64 -> i32`.
    pub(super) fn of(text: &str) -> Self {
        let (params, results) = text.split_once("->").unwrap_or((text, ""));
        let types = |text: &str| text.split_whitespace().map(Type::named).collect();
        FuncType { params: types(params), results: types(results) }
    }

    /// `(param i32 i64) (result i32)`, or nothing when a type has no name of its own.
    pub(super) fn wat(&self) -> Option<String> {
        let mut text = String::new();
        for (what, types) in [("param", &self.params), ("result", &self.results)] {
            for ty in types {
                let _ = write!(text, " ({what} {})", ty.wat()?);
            }
        }
        Some(text)
    }

    /// This type with each 64-bit number in two halves of 32 bits, as a module has it whose toolchain keeps 64-bit numbers from the host.
    /// The upper half of a result goes another way.
    pub(super) fn split(&self) -> Self {
        let halves = |ty: &Type| if *ty == Type::I64 { vec![Type::I32, Type::I32] } else { vec![*ty] };
        let lower = |ty: &Type| if *ty == Type::I64 { Type::I32 } else { *ty };
        FuncType { params: self.params.iter().flat_map(halves).collect(), results: self.results.iter().map(lower).collect() }
    }
}

/// What is imported or exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A function.
    Func(FuncType),
    /// A variable.
    Global {
        /// What it holds.
        ty: Type,
        /// Whether it may change.
        mutable: bool,
    },
    /// A linear memory.
    Memory {
        /// The most pages of 64 KiB that it may have.
        maximum: Option<u64>,
    },
    /// A table.
    Table,
    /// A kind of exception.
    Tag,
}

impl Kind {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Func(_) => "function",
            Kind::Global { .. } => "global",
            Kind::Memory { .. } => "memory",
            Kind::Table => "table",
            Kind::Tag => "exception tag",
        }
    }
}

/// An import of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name before the dot.
    pub module: String,
    /// The name after it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a module wants and what it offers.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// Its imports, in its own order.
    pub imports: Vec<Import>,
    /// Its exports by name.
    pub exports: HashMap<String, Kind>,
}

impl Interface {
    /// The type of the function that it exports under this name, if there is one.
    pub(super) fn function(&self, name: &str) -> Option<&FuncType> {
        match self.exports.get(name) {
            Some(Kind::Func(ty)) => Some(ty),
            _ => None,
        }
    }

    /// Whether this is a module that Emscripten made to be run by its JavaScript: it has no entry of its own, and imports from `env`.
    #[must_use]
    pub fn is_emscripten(&self) -> bool {
        let own_entry = ["_start", "_initialize"].iter().any(|name| self.function(name).is_some());
        let constructors = self.function("__wasm_call_ctors").is_some();
        !own_entry && (constructors || self.imports.iter().any(|import| import.module == "env"))
    }
}

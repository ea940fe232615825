//! What a module imports and exports, read off its bytes.

use std::collections::HashMap;

use stratafs_emscripten::link::{FuncType, Import, Interface, Kind, Type};
use wasmparser::{
    CompositeInnerType, ExternalKind, GlobalType, MemoryType, Parser, Payload, Result, SubType, TypeRef, ValType, WasmFeatures,
};

/// Reads a module's interface; its code is not looked at.
///
/// # Errors
/// Where the module is damaged before its code.
pub fn of(bytes: &[u8]) -> Result<Interface> {
    let mut reader = Reader::default();
    let mut parser = Parser::new(0);
    parser.set_features(WasmFeatures::all());
    for payload in parser.parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => {
                for group in section {
                    reader.types.extend(group?.into_types().map(|ty| func_type(&ty)));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    reader.import(&import?);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    reader.functions.push(ty?);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    reader.memories.push(memory?);
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    reader.globals.push(global?.ty);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    reader.exports.push((export.name.to_owned(), export.kind, export.index));
                }
            }
            Payload::CodeSectionStart { .. } => break,
            _ => {}
        }
    }
    Ok(reader.interface())
}

#[derive(Default)]
struct Reader {
    types: Vec<FuncType>,
    functions: Vec<u32>,
    memories: Vec<MemoryType>,
    globals: Vec<GlobalType>,
    imports: Vec<Import>,
    exports: Vec<(String, ExternalKind, u32)>,
}

impl Reader {
    fn import(&mut self, import: &wasmparser::Import<'_>) {
        let kind = match import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.functions.push(ty);
                Kind::Func(self.func_type(ty))
            }
            TypeRef::Global(ty) => {
                self.globals.push(ty);
                global(&ty)
            }
            TypeRef::Memory(ty) => {
                self.memories.push(ty);
                Kind::Memory { maximum: ty.maximum }
            }
            TypeRef::Table(_) => Kind::Table,
            TypeRef::Tag(_) => Kind::Tag,
        };
        self.imports.push(Import { module: import.module.to_owned(), name: import.name.to_owned(), kind });
    }

    fn func_type(&self, index: u32) -> FuncType {
        at(&self.types, index).cloned().unwrap_or_default()
    }

    fn interface(self) -> Interface {
        let kind = |kind, index| match kind {
            ExternalKind::Func | ExternalKind::FuncExact => {
                Kind::Func(at(&self.functions, index).map(|ty| self.func_type(*ty)).unwrap_or_default())
            }
            ExternalKind::Global => at(&self.globals, index).map_or(Kind::Tag, global),
            ExternalKind::Memory => Kind::Memory { maximum: at(&self.memories, index).and_then(|memory| memory.maximum) },
            ExternalKind::Table => Kind::Table,
            ExternalKind::Tag => Kind::Tag,
        };
        let exports: HashMap<_, _> = self.exports.iter().map(|(name, of, index)| (name.clone(), kind(*of, *index))).collect();
        Interface { imports: self.imports, exports }
    }
}

fn at<T>(all: &[T], index: u32) -> Option<&T> {
    all.get(usize::try_from(index).ok()?)
}

fn global(ty: &GlobalType) -> Kind {
    Kind::Global { ty: value_type(ty.content_type), mutable: ty.mutable }
}

fn func_type(ty: &SubType) -> FuncType {
    let types = |types: &[ValType]| types.iter().map(|ty| value_type(*ty)).collect();
    match &ty.composite_type.inner {
        CompositeInnerType::Func(ty) => FuncType { params: types(ty.params()), results: types(ty.results()) },
        _ => FuncType::default(),
    }
}

fn value_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::FUNCREF => Type::FuncRef,
        ValType::EXTERNREF => Type::ExternRef,
        ValType::Ref(_) => Type::Other,
    }
}

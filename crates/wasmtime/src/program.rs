//! A module with what must stand beside it.

use stratafs_abi::{Ptr, Stop};
use stratafs_emscripten::link::{FuncType, Import, Interface, Kind, Linkage, Source, Type};
use wasmtime::{
    AsContextMut, Extern, ExternType, Func, Instance, Linker, Memory, Module, Result, Store, ValType, bail, error::Context,
    format_err,
};

use crate::Guest;

/// A compiled module, and the two small modules that stand beside it when Emscripten made it to be run by JavaScript (see
/// [`stratafs_emscripten::link`]).
///
/// ```no_run
/// # fn run(mut store: wasmtime::Store<stratafs_wasmtime::Guest>, module: wasmtime::Module) -> wasmtime::Result<()> {
/// use stratafs_wasmtime::{Guest, Program, link_emscripten_sync, link_sync, start};
///
/// let program = Program::new(module)?;
/// let mut linker = wasmtime::Linker::new(store.engine());
/// link_sync(&mut linker, |guest: &mut Guest| guest)?;
/// link_emscripten_sync(&mut linker, |guest: &mut Guest| guest)?;
/// let instance = program.instantiate(&linker, &mut store, |guest| guest)?;
/// println!("{:?}", start(&mut store, &instance, |guest| guest));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Program {
    module: Module,
    beside: Option<Beside>,
}

#[derive(Clone)]
struct Beside {
    imports: Vec<Source>,
    shim: Module,
    glue: Module,
}

impl Program {
    /// The program of a module; what stands beside it is compiled now.
    ///
    /// # Errors
    /// A [`Refusal`](stratafs_emscripten::link::Refusal) when an Emscripten module cannot be linked.
    pub fn new(module: Module) -> Result<Self> {
        let engine = module.engine().clone();
        Program::compiled_by(module, |wasm| Module::new(&engine, wasm))
    }

    /// The program of a module; `compile` compiles what stands beside it, or has it compiled already.
    ///
    /// # Errors
    /// As [`new`](Program::new), and what `compile` gives.
    pub fn compiled_by(module: Module, mut compile: impl FnMut(&[u8]) -> Result<Module>) -> Result<Self> {
        let interface = interface(&module);
        if !interface.is_emscripten() {
            return Ok(Program { module, beside: None });
        }
        let linkage = Linkage::of(&interface, crate::HOST_FUNCTIONS, true)?;
        let (shim, glue) = (compile(&linkage.shim)?, compile(&linkage.glue)?);
        Ok(Program { module, beside: Some(Beside { imports: linkage.imports, shim, glue }) })
    }

    /// Whether it is Emscripten's.
    #[must_use]
    pub fn is_emscripten(&self) -> bool {
        self.beside.is_some()
    }

    /// Makes the guest, for [`start`](crate::start).
    ///
    /// # Errors
    /// An import that the linker lacks; a memory past the limit; a trap of the module's start function.
    pub fn instantiate<T: 'static>(
        &self,
        linker: &Linker<T>,
        store: &mut Store<T>,
        get: impl Fn(&mut T) -> &mut Guest,
    ) -> Result<Instance> {
        let Some(beside) = &self.beside else { return linker.instantiate(store, &self.module) };
        let shim = linker.instantiate(&mut *store, &beside.shim).context(LINKED)?;
        let imports = self.imports(beside, store, shim)?;
        let guest = Instance::new(&mut *store, &self.module, &imports)?;
        let imports = beside.glue_imports(store, shim, guest, get)?;
        Instance::new(store, &beside.glue, &imports)
    }

    /// [`instantiate`](Program::instantiate) for a store that is used with async calls.
    ///
    /// # Errors
    /// As there.
    pub async fn instantiate_async<T: Send + 'static>(
        &self,
        linker: &Linker<T>,
        store: &mut Store<T>,
        get: impl Fn(&mut T) -> &mut Guest,
    ) -> Result<Instance> {
        let Some(beside) = &self.beside else { return linker.instantiate_async(store, &self.module).await };
        let shim = linker.instantiate_async(&mut *store, &beside.shim).await.context(LINKED)?;
        let imports = self.imports(beside, store, shim)?;
        let guest = Instance::new_async(&mut *store, &self.module, &imports).await?;
        let imports = beside.glue_imports(store, shim, guest, get)?;
        Instance::new_async(store, &beside.glue, &imports).await
    }

    /// What the guest is linked to.
    fn imports<T: 'static>(&self, beside: &Beside, store: &mut Store<T>, shim: Instance) -> Result<Vec<Extern>> {
        let imports = self.module.imports().zip(&beside.imports).enumerate();
        imports
            .map(|(index, (import, source))| match source {
                Source::Shim => exported(shim, &mut *store, &index.to_string()),
                Source::Missing | Source::Invoke | Source::Jump => {
                    let name: Box<str> = format!("{}.{}", import.module(), import.name()).into();
                    let ExternType::Func(ty) = import.ty() else { bail!("nothing provides `{name}`") };
                    Ok(Func::new(&mut *store, ty, move |_, _, _| Err(Stop::NotProvided(name.clone()).into())).into())
                }
            })
            .collect()
    }
}

impl Beside {
    /// What the glue is linked to. From here on it is known where the guest's memory and its environment are.
    fn glue_imports<T: 'static>(
        &self,
        store: &mut Store<T>,
        shim: Instance,
        guest: Instance,
        get: impl Fn(&mut T) -> &mut Guest,
    ) -> Result<Vec<Extern>> {
        let memory: Option<Memory> = guest.get_memory(&mut *store, "memory");
        let environ = ["environ", "__environ"].into_iter().find_map(|name| guest.get_global(&mut *store, name));
        let environ = environ.and_then(|global| global.get(&mut *store).i32()).map(|at| Ptr::new(at.cast_unsigned()));
        get(store.data_mut()).is_emscripten(memory, environ);
        let imports = self.glue.imports();
        imports
            .map(|import| {
                let from = if import.module() == "guest" { guest } else { shim };
                exported(from, &mut *store, import.name())
            })
            .collect()
    }
}

/// What is wrong when the shim cannot be linked.
const LINKED: &str = "an Emscripten module needs what link_emscripten_sync or link_emscripten_async puts into the linker";

fn exported(instance: Instance, store: impl AsContextMut, name: &str) -> Result<Extern> {
    instance.get_export(store, name).ok_or_else(|| format_err!("no module has an export `{name}`"))
}

fn value_type(ty: &ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ty if ty.is_funcref() => Type::FuncRef,
        ty if ty.is_externref() => Type::ExternRef,
        ValType::Ref(_) => Type::Other,
    }
}

fn kind(ty: &ExternType) -> Kind {
    match ty {
        ExternType::Func(ty) => Kind::Func(FuncType {
            params: ty.params().map(|ty| value_type(&ty)).collect(),
            results: ty.results().map(|ty| value_type(&ty)).collect(),
        }),
        ExternType::Global(ty) => {
            Kind::Global { ty: value_type(ty.content()), mutable: ty.mutability() == wasmtime::Mutability::Var }
        }
        ExternType::Memory(ty) => Kind::Memory { maximum: ty.maximum() },
        ExternType::Table(_) => Kind::Table,
        ExternType::Tag(_) => Kind::Tag,
    }
}

fn interface(module: &Module) -> Interface {
    let import = |import: wasmtime::ImportType<'_>| Import {
        module: import.module().to_owned(),
        name: import.name().to_owned(),
        kind: kind(&import.ty()),
    };
    Interface {
        imports: module.imports().map(import).collect(),
        exports: module.exports().map(|export| (export.name().to_owned(), kind(&export.ty()))).collect(),
    }
}

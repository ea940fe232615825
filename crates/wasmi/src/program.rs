//! A module with what must stand beside it.

use std::sync::Arc;

use stratafs_abi::{Ptr, Stop};
use stratafs_emscripten::link::{FuncType, Import, Interface, Kind, Linkage, Source, Type};
use wasmi::{AsContext, Error, Extern, ExternType, Func, Instance, Linker, Module, Mutability, Store, ValType};

use crate::Guest;
use crate::invoke::{Invokes, jump};
use crate::link::stop;
use crate::start::instantiate;

/// A module, and the two small modules that stand beside it when Emscripten made it to be run by JavaScript (see
/// [`stratafs_emscripten::link`]).
///
/// wasmi has no exceptions, so the `invoke_*` functions are closures of this crate, and nest no deeper than
/// [`Limits::invokes`](stratafs::Limits::invokes).
///
/// ```no_run
/// # fn run(mut store: wasmi::Store<stratafs_wasmi::Guest>, module: wasmi::Module) -> Result<(), wasmi::Error> {
/// use stratafs_wasmi::{Guest, Program, link, link_emscripten, start};
///
/// let program = Program::new(module)?;
/// let mut linker = wasmi::Linker::new(store.engine());
/// link(&mut linker, |guest: &mut Guest| guest)?;
/// link_emscripten(&mut linker, |guest: &mut Guest| guest)?;
/// let instance = program.instantiate(&linker, &mut store, |guest| guest)?;
/// let interrupt = store.data().process.interrupt().clone();
/// println!("{:?}", start(&mut store, &instance, &interrupt, |guest| guest));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Program {
    module: Module,
    beside: Option<Arc<Beside>>,
}

struct Beside {
    imports: Vec<Source>,
    shim: Module,
    glue: Module,
}

impl Program {
    /// The program of a module; what stands beside it is translated now.
    ///
    /// # Errors
    /// A [`Refusal`](stratafs_emscripten::link::Refusal) as its text when an Emscripten module cannot be linked.
    pub fn new(module: Module) -> Result<Self, Error> {
        let interface = interface(&module);
        if !interface.is_emscripten() {
            return Ok(Program { module, beside: None });
        }
        let linkage = Linkage::of(&interface, crate::HOST_FUNCTIONS, false).map_err(|refusal| Error::new(refusal.to_string()))?;
        let translate = |wasm: &[u8]| Module::new(module.engine(), wasm);
        let (shim, glue) = (translate(&linkage.shim)?, translate(&linkage.glue)?);
        Ok(Program { module, beside: Some(Arc::new(Beside { imports: linkage.imports, shim, glue })) })
    }

    /// Whether it is Emscripten's.
    #[must_use]
    pub fn is_emscripten(&self) -> bool {
        self.beside.is_some()
    }

    /// Makes the guest, for [`start`](crate::start), and runs its module's own start function, if it has one, with a bound on its work.
    /// Inside of `invoke_*` the interrupt of the guest's process is looked at.
    ///
    /// # Errors
    /// An import that the linker lacks; a memory past the limit; a trap; a start function that does not end.
    pub fn instantiate<T: 'static>(
        &self,
        linker: &Linker<T>,
        store: &mut Store<T>,
        get: impl Fn(&mut T) -> &mut Guest,
    ) -> Result<Instance, Error> {
        let Some(beside) = &self.beside else {
            return instantiate(store, |store| linker.instantiate_and_start(store, &self.module));
        };
        let shim = instantiate(store, |store| linker.instantiate_and_start(store, &beside.shim))?;
        let invokes = Invokes::new(&get(store.data_mut()).process);
        let imports = self.imports(beside, store, shim, &invokes)?;
        let guest = instantiate(store, |store| Instance::new(store, &self.module, &imports))?;
        beside.find_variables(store, guest, get);
        let imports = beside.glue_imports(store, shim, guest)?;
        let glue = instantiate(store, |store| Instance::new(store, &beside.glue, &imports))?;
        invokes.call_through(store, glue, beside.imports.len());
        Ok(glue)
    }

    /// What the guest is linked to.
    fn imports<T: 'static>(
        &self,
        beside: &Beside,
        store: &mut Store<T>,
        shim: Instance,
        invokes: &Arc<Invokes>,
    ) -> Result<Vec<Extern>, Error> {
        let imports = self.module.imports().zip(&beside.imports).enumerate();
        imports
            .map(|(index, (import, source))| {
                if *source == Source::Shim {
                    return exported(shim, &*store, &index.to_string());
                }
                let name: Box<str> = format!("{}.{}", import.module(), import.name()).into();
                let ExternType::Func(ty) = import.ty() else { return Err(Error::new(format!("nothing provides `{name}`"))) };
                let ty = ty.clone();
                Ok(match source {
                    Source::Invoke => Invokes::function(invokes, store, index, name, ty).into(),
                    Source::Jump => Func::new(&mut *store, ty, |_, _, _| Err(jump())).into(),
                    Source::Missing | Source::Shim => {
                        Func::new(&mut *store, ty, move |_, _, _| Err(stop(Stop::NotProvided(name.clone())))).into()
                    }
                })
            })
            .collect()
    }
}

impl Beside {
    /// From here on it is known where the guest's memory and its environment are.
    fn find_variables<T: 'static>(&self, store: &mut Store<T>, guest: Instance, get: impl Fn(&mut T) -> &mut Guest) {
        let memory = guest.get_memory(&*store, "memory");
        let environ = ["environ", "__environ"].into_iter().find_map(|name| guest.get_global(&*store, name));
        let environ = environ.and_then(|global| global.get(&*store).i32()).map(|at| Ptr::new(at.cast_unsigned()));
        get(store.data_mut()).is_emscripten(memory, environ);
    }

    /// What the glue is linked to.
    fn glue_imports<T: 'static>(&self, store: &Store<T>, shim: Instance, guest: Instance) -> Result<Vec<Extern>, Error> {
        let imports = self.glue.imports();
        imports.map(|import| exported(if import.module() == "guest" { guest } else { shim }, store, import.name())).collect()
    }
}

fn exported(instance: Instance, store: impl AsContext, name: &str) -> Result<Extern, Error> {
    instance.get_export(store, name).ok_or_else(|| Error::new(format!("no module has an export `{name}`")))
}

fn value_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::FuncRef => Type::FuncRef,
        ValType::ExternRef => Type::ExternRef,
    }
}

fn kind(ty: &ExternType) -> Kind {
    let types = |types: &[ValType]| types.iter().copied().map(value_type).collect();
    match ty {
        ExternType::Func(ty) => Kind::Func(FuncType { params: types(ty.params()), results: types(ty.results()) }),
        ExternType::Global(ty) => Kind::Global { ty: value_type(ty.content()), mutable: ty.mutability() == Mutability::Var },
        ExternType::Memory(ty) => Kind::Memory { maximum: ty.maximum() },
        ExternType::Table(_) => Kind::Table,
    }
}

fn interface(module: &Module) -> Interface {
    let imports = module.imports().map(|import| Import {
        module: import.module().to_owned(),
        name: import.name().to_owned(),
        kind: kind(import.ty()),
    });
    Interface {
        imports: imports.collect(),
        exports: module.exports().map(|export| (export.name().to_owned(), kind(export.ty()))).collect(),
    }
}

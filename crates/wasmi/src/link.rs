//! From the list of guest functions to a linker's entries.

use stratafs_abi::{Abi, About, Flow, GuestFn, Stop};
use stratafs_emscripten::{glue, runtime, split, wasi};
use wasmi::errors::HostError;
use wasmi::{Caller, Error, Linker, Memory, WasmRet, WasmTy};

use crate::Guest;

/// [`Stop`] as an error that wasmi carries.
#[derive(Debug)]
pub(crate) struct Stopped(pub Stop);

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl HostError for Stopped {}

pub(crate) fn stop(stop: Stop) -> Error {
    Error::host(Stopped(stop))
}

/// Finds the guest in a store's data.
trait Get<T>: Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static {}
impl<T, G: Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static> Get<T> for G {}

fn memory<T: 'static>(caller: &mut Caller<'_, T>, get: impl Get<T>) -> Result<Memory, Error> {
    if let Some(memory) = get(caller.data_mut()).memory {
        return Ok(memory);
    }
    let memory = caller.get_export("memory").and_then(|export| export.into_memory()).ok_or_else(|| stop(Stop::NoMemory))?;
    get(caller.data_mut()).memory = Some(memory);
    Ok(memory)
}

/// Runs the function, parking this thread while it waits.
fn blocking<T: 'static, A: Abi, F: GuestFn<Args>, Args>(
    f: F,
    caller: &mut Caller<'_, T>,
    raw: F::Raw,
    about: &'static About,
    get: impl Get<T>,
) -> Result<F::Wasm, Error> {
    let memory = memory(caller, get)?;
    loop {
        let (bytes, data) = memory.data_and_store_mut(&mut *caller);
        let guest = get(data);
        if about.may_wait && guest.process.interrupt().is_raised() {
            return Err(stop(Stop::Interrupted));
        }
        match f.run::<A>(&mut guest.call(bytes), raw, about) {
            Flow::Done(value) => return Ok(value),
            Flow::Exit(code) => {
                guest.process.set_exit(code);
                return Err(stop(Stop::Exit(code)));
            }
            Flow::Abort => return Err(stop(Stop::Aborted)),
            Flow::Wait(wait) => Stop::unless_over(guest.process.interrupt(), wait).map_err(stop)?,
        }
    }
}

/// The arguments of a wasm function as one tuple.
trait Raw: Sized {
    fn wrap<T: 'static, R>(linker: &mut Linker<T>, about: &About, call: impl RawCall<T, Self, R>) -> Result<(), Error>
    where
        Result<R, Error>: WasmRet;
}

trait RawCall<T: 'static, Raw, R>: Fn(&mut Caller<'_, T>, Raw) -> Result<R, Error> + Send + Sync + 'static {}
impl<T: 'static, Raw, R, F: Fn(&mut Caller<'_, T>, Raw) -> Result<R, Error> + Send + Sync + 'static> RawCall<T, Raw, R> for F {}

macro_rules! raw {
    ($($arg:ident)*) => {
        impl<$($arg: WasmTy),*> Raw for ($($arg,)*) {
            #[allow(non_snake_case)]
            fn wrap<T: 'static, R>(linker: &mut Linker<T>, about: &About, call: impl RawCall<T, Self, R>) -> Result<(), Error>
            where
                Result<R, Error>: WasmRet,
            {
                let f = move |mut caller: Caller<'_, T>, $($arg: $arg),*| -> Result<R, Error> { call(&mut caller, ($($arg,)*)) };
                linker.func_wrap(about.module, about.name, f).map(drop).map_err(Error::from)
            }
        }
    };
}

raw!();
raw!(A);
raw!(A B);
raw!(A B C);
raw!(A B C D);
raw!(A B C D E);
raw!(A B C D E F);
raw!(A B C D E F G);
raw!(A B C D E F G H);
raw!(A B C D E F G H I);

fn wrap<T: 'static, A: Abi, F: GuestFn<Args>, Args: 'static>(
    f: F,
    linker: &mut Linker<T>,
    about: &'static About,
    get: impl Get<T>,
) -> Result<(), Error>
where
    F::Raw: Raw,
    Result<F::Wasm, Error>: WasmRet,
{
    Raw::wrap(linker, about, move |caller: &mut Caller<'_, T>, raw: F::Raw| blocking::<T, A, F, Args>(f, caller, raw, about, get))
}

macro_rules! link {
    ({ $linker:ident $get:ident } [$krate:tt] $abi:ty; $($name:ident($($param:ident),*) $($may_wait:ident)?;)*) => {
        $(wrap::<_, $abi, _, _>(
            $krate::$name,
            $linker,
            stratafs_abi::about!($abi, $name($($param),*) $($may_wait)?),
            $get,
        )?;)*
    };
}

/// Links every function of WASI preview1. A call that waits parks the thread.
///
/// # Errors
/// When the linker has one of the names already.
pub fn link<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<(), Error> {
    stratafs_wasi::functions!(link! linker get);
    Ok(())
}

/// Links what the host answers of an Emscripten module's imports beside WASI; a [`Program`](crate::Program) answers the others. A call that
/// waits parks the thread.
///
/// # Errors
/// When the linker has one of the names already.
pub fn link_emscripten<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<(), Error> {
    stratafs_emscripten::functions!(link! linker get);
    stratafs_emscripten::split_functions!(link! linker get);
    stratafs_emscripten::runtime_functions!(link! linker get);
    stratafs_emscripten::glue_functions!(link! linker get);
    stratafs_emscripten::wasi_functions!(link! linker get);
    Ok(())
}

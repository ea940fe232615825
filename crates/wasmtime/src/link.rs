//! From the list of guest functions to a linker's entries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use async_io::Timer;
use stratafs::Wait;
use stratafs_abi::{Abi, About, Flow, GuestFn, Stop};
use stratafs_emscripten::{glue, runtime, split, wasi};
use wasmtime::{Caller, Linker, Memory, Result, WasmRet, WasmTy};

use crate::Guest;

/// Finds the guest in a store's data.
trait Get<T>: Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static {}
impl<T, G: Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static> Get<T> for G {}

fn memory<T: 'static>(caller: &mut Caller<'_, T>, get: impl Get<T>) -> Result<Memory> {
    if let Some(memory) = get(caller.data_mut()).memory {
        return Ok(memory);
    }
    let memory = caller.get_export("memory").and_then(|export| export.into_memory()).ok_or(Stop::NoMemory)?;
    get(caller.data_mut()).memory = Some(memory);
    Ok(memory)
}

/// What came of one run of a function, unless the guest has ended.
enum Once<T> {
    Done(T),
    Wait(Wait),
}

/// Runs the function once.
#[inline]
fn once<T: 'static, A: Abi, F: GuestFn<Args>, Args>(
    f: F,
    caller: &mut Caller<'_, T>,
    raw: F::Raw,
    about: &'static About,
    get: impl Get<T>,
) -> Result<Once<F::Wasm>> {
    let memory = memory(caller, get)?;
    let (bytes, data) = memory.data_and_store_mut(caller);
    let guest = get(data);
    if about.may_wait && guest.process.interrupt().is_raised() {
        return Err(Stop::Interrupted.into());
    }
    let flow = f.run::<A>(&mut guest.call(bytes), raw, about);
    match flow {
        Flow::Exit(code) => {
            guest.process.set_exit(code);
            Err(Stop::Exit(code).into())
        }
        Flow::Abort => Err(Stop::Aborted.into()),
        Flow::Done(value) => Ok(Once::Done(value)),
        Flow::Wait(wait) => Ok(Once::Wait(wait)),
    }
}

/// Runs the function, parking this thread while it waits.
#[inline]
fn blocking<T: 'static, A: Abi, F: GuestFn<Args>, Args>(
    f: F,
    caller: &mut Caller<'_, T>,
    raw: F::Raw,
    about: &'static About,
    get: impl Get<T>,
) -> Result<F::Wasm> {
    loop {
        match once::<T, A, F, Args>(f, caller, raw, about, get)? {
            Once::Done(value) => return Ok(value),
            Once::Wait(wait) => Stop::unless_over(get(caller.data_mut()).process.interrupt(), wait)?,
        }
    }
}

/// Runs the function, awaiting its waits.
async fn awaiting<T: Send + 'static, A: Abi, F: GuestFn<Args>, Args>(
    f: F,
    mut caller: Caller<'_, T>,
    raw: F::Raw,
    about: &'static About,
    get: impl Get<T>,
) -> Result<F::Wasm> {
    loop {
        match once::<T, A, F, Args>(f, &mut caller, raw, about, get)? {
            Once::Done(value) => return Ok(value),
            Once::Wait(wait) => {
                let interrupt = get(caller.data_mut()).process.interrupt().clone();
                if !interrupt.is_raised() {
                    let unless_dropped = Abandon { caller: &mut caller, get };
                    Waiting::new(interrupt.or(wait)).await;
                    std::mem::forget(unless_dropped);
                }
                if interrupt.is_raised() {
                    return Err(Stop::Interrupted.into());
                }
            }
        }
    }
}

/// Tells the process that the call which waits will not be run again, when its future is dropped.
struct Abandon<'a, 'c, T: 'static, G: Get<T>> {
    caller: &'a mut Caller<'c, T>,
    get: G,
}

impl<T: 'static, G: Get<T>> Drop for Abandon<'_, '_, T, G> {
    fn drop(&mut self) {
        (self.get)(self.caller.data_mut()).process.abandon_wait();
    }
}

/// A [`Wait`] as a future.
struct Waiting {
    wait: Wait,
    timer: Option<Timer>,
    waker: Option<Own>,
}

/// The waker that the events know: not the task's own, because other waits of the same task may stand at the same events, and taking
/// back theirs would lose their wake-up.
struct Own {
    task: Waker,
    relay: Waker,
}

struct Relay(Waker);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

impl Waiting {
    fn new(wait: Wait) -> Self {
        let timer = wait.until.map(Timer::at);
        Waiting { wait, timer, waker: None }
    }

    fn forget(&mut self) {
        if let Some(own) = self.waker.take() {
            self.wait.forget(&own.relay);
        }
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.waker.as_ref().is_none_or(|own| !own.task.will_wake(cx.waker())) {
            this.forget();
        }
        let own = this.waker.get_or_insert_with(|| {
            let task = cx.waker().clone();
            Own { relay: Waker::from(Arc::new(Relay(task.clone()))), task }
        });
        if this.wait.poll(&own.relay) {
            return Poll::Ready(());
        }
        match &mut this.timer {
            Some(timer) => Pin::new(timer).poll(cx).map(drop),
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.forget();
    }
}

/// The arguments of a wasm function as one tuple.
trait Raw: Sized {
    fn wrap<T: 'static, R>(linker: &mut Linker<T>, about: &About, call: impl RawCall<T, Self, R>) -> Result<()>
    where
        Result<R>: WasmRet;
}

trait RawCall<T: 'static, Raw, R>: Fn(&mut Caller<'_, T>, Raw) -> Result<R> + Send + Sync + 'static {}
impl<T: 'static, Raw, R, F: Fn(&mut Caller<'_, T>, Raw) -> Result<R> + Send + Sync + 'static> RawCall<T, Raw, R> for F {}

macro_rules! raw {
    ($($arg:ident)*) => {
        impl<$($arg: WasmTy),*> Raw for ($($arg,)*) {
            #[allow(non_snake_case)]
            fn wrap<T: 'static, R>(linker: &mut Linker<T>, about: &About, call: impl RawCall<T, Self, R>) -> Result<()>
            where
                Result<R>: WasmRet,
            {
                linker
                    .func_wrap(about.module, about.name, move |mut caller: Caller<'_, T>, $($arg: $arg),*| -> Result<R> {
                        call(&mut caller, ($($arg,)*))
                    })
                    .map(drop)
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

fn wrap_blocking<T: 'static, A: Abi, F: GuestFn<Args>, Args: 'static>(
    f: F,
    linker: &mut Linker<T>,
    about: &'static About,
    get: impl Get<T>,
) -> Result<()>
where
    F::Raw: Raw,
    Result<F::Wasm>: WasmRet,
{
    Raw::wrap(linker, about, move |caller: &mut Caller<'_, T>, raw: F::Raw| blocking::<T, A, F, Args>(f, caller, raw, about, get))
}

fn wrap_awaiting<T: Send + 'static, A: Abi, F: GuestFn<Args>, Args: 'static>(
    f: F,
    linker: &mut Linker<T>,
    about: &'static About,
    get: impl Get<T>,
) -> Result<()>
where
    F::Raw: Raw + wasmtime::WasmTyList,
    Result<F::Wasm>: WasmRet,
{
    if !about.may_wait {
        return wrap_blocking::<T, A, F, Args>(f, linker, about, get);
    }
    linker
        .func_wrap_async(about.module, about.name, move |caller, raw| {
            Box::new(awaiting::<T, A, F, Args>(f, caller, raw, about, get))
        })
        .map(drop)
}

macro_rules! link {
    ({ $wrap:ident $linker:ident $get:ident } [$krate:tt] $abi:ty; $($name:ident($($param:ident),*) $($may_wait:ident)?;)*) => {
        $($wrap::<_, $abi, _, _>(
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
pub fn link_sync<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<()> {
    stratafs_wasi::functions!(link! wrap_blocking linker get);
    Ok(())
}

/// Links every function of WASI preview1 for a store that is used with wasmtime's async calls. The functions that may wait are async, the
/// others are not.
///
/// # Errors
/// When the linker has one of the names already.
pub fn link_async<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<()> {
    stratafs_wasi::functions!(link! wrap_awaiting linker get);
    Ok(())
}

/// Links what MicroPython's build for WASI imports beside WASI, for a store that is used with synchronous calls. An embedder that has functions for
/// its scripts links its own `micropython_wasm` instead.
///
/// # Errors
/// When the linker has one of the names already.
pub fn link_micropython_sync<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<()> {
    stratafs_wasi::micropython_functions!(link! wrap_blocking linker get);
    Ok(())
}

/// [`link_micropython_sync`] for a store that is used with async calls.
///
/// # Errors
/// As there.
pub fn link_micropython_async<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<()> {
    stratafs_wasi::micropython_functions!(link! wrap_awaiting linker get);
    Ok(())
}

/// Links what the host answers of an Emscripten module's imports beside WASI; a [`Program`](crate::Program) answers the others. A call that
/// waits parks the thread.
///
/// # Errors
/// When the linker has one of the names already.
pub fn link_emscripten_sync<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<()> {
    stratafs_emscripten::functions!(link! wrap_blocking linker get);
    stratafs_emscripten::split_functions!(link! wrap_blocking linker get);
    stratafs_emscripten::runtime_functions!(link! wrap_blocking linker get);
    stratafs_emscripten::glue_functions!(link! wrap_blocking linker get);
    stratafs_emscripten::wasi_functions!(link! wrap_blocking linker get);
    Ok(())
}

/// [`link_emscripten_sync`] for a store that is used with wasmtime's async calls. The functions that may wait are async.
///
/// # Errors
/// When the linker has one of the names already.
pub fn link_emscripten_async<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut Guest + Copy + Send + Sync + 'static,
) -> Result<()> {
    stratafs_emscripten::functions!(link! wrap_awaiting linker get);
    stratafs_emscripten::split_functions!(link! wrap_awaiting linker get);
    stratafs_emscripten::runtime_functions!(link! wrap_awaiting linker get);
    stratafs_emscripten::glue_functions!(link! wrap_awaiting linker get);
    stratafs_emscripten::wasi_functions!(link! wrap_awaiting linker get);
    Ok(())
}

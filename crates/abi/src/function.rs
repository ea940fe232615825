use stratafs::Result;

use crate::{Abi, Answer, Call, Flow, Shape, Slot, ValType, Value, View, WasmResult};

/// The most parameters that a guest function has.
pub const MAX_ARITY: usize = 9;

/// What the list says of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The module that the guest imports it from.
    pub module: &'static str,
    /// The name that the guest imports it by.
    pub name: &'static str,
    /// The names of its parameters.
    pub params: &'static [&'static str],
    /// Whether it may answer [`Flow::Wait`]; only such a function need be linked as async.
    pub may_wait: bool,
}

/// One parameter of a guest function, for those who do not know its type.
#[derive(Clone, Copy)]
pub struct Param {
    /// Its wasm type.
    pub ty: ValType,
    /// What it means.
    pub shape: Shape,
    pub(crate) show: fn(u64, View<'_>, &mut String),
    pub(crate) show_result: fn(u64, View<'_>, &mut String) -> bool,
}

impl Param {
    const fn of<S: Slot>() -> Self {
        Param {
            ty: S::Wasm::TYPE,
            shape: S::SHAPE,
            show: |raw, view, out| match S::lift(S::Wasm::from_raw(raw)) {
                Ok(slot) => slot.show(view, out),
                Err(_) => out.push_str(&raw.to_string()),
            },
            show_result: |raw, view, out| S::lift(S::Wasm::from_raw(raw)).is_ok_and(|slot| slot.show_result(view, out)),
        }
    }
}

impl std::fmt::Debug for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} as {:?}", self.shape, self.ty)
    }
}

/// A guest function: `Fn(&mut Call<'_>, A, B, …) -> R` where each parameter is a [`Slot`] and `R` an [`Answer`]. `Args` is the tuple of
/// the parameters, inferred from the function.
pub trait GuestFn<Args>: Copy + Send + Sync + 'static {
    /// The arguments as wasm passes them, a tuple.
    type Raw: Copy + Send + 'static;

    /// What the wasm function gives back.
    type Wasm: WasmResult;

    /// What the function gives when nothing fails.
    type Value: std::fmt::Display;

    /// The parameters.
    const PARAMS: &'static [Param];

    /// The wasm type of the result.
    const RESULT: Option<ValType> = Self::Wasm::RESULT;

    /// Decodes the arguments and runs the function, without a trace.
    fn plain(self, cx: &mut Call<'_>, raw: Self::Raw) -> Flow<Result<Self::Value>>;

    /// The result in the terms of the ABI.
    fn encode<A: Abi>(result: Result<Self::Value>) -> Self::Wasm;

    /// The arguments from 64 bits each; missing ones are 0.
    fn gather(raw: &[u64]) -> Self::Raw;

    /// The arguments as 64 bits each.
    fn spread(raw: Self::Raw) -> [u64; MAX_ARITY];

    /// Runs the function as the guest's call, recorded when the call has a tracer.
    #[inline]
    fn run<A: Abi>(self, cx: &mut Call<'_>, raw: Self::Raw, about: &'static About) -> Flow<Self::Wasm> {
        if cx.tracer.is_some() {
            return traced::<A, Self, Args>(self, cx, raw, about);
        }
        self.plain(cx, raw).map(Self::encode::<A>)
    }
}

#[cold]
#[inline(never)]
fn traced<A: Abi, F: GuestFn<Args>, Args>(f: F, cx: &mut Call<'_>, raw: F::Raw, about: &'static About) -> Flow<F::Wasm> {
    let raws = F::spread(raw);
    if let Some(tracer) = &mut cx.tracer {
        tracer.enter(about, F::PARAMS, &raws, &cx.memory);
    }
    let flow = f.plain(cx, raw);
    if let Some(tracer) = &mut cx.tracer {
        tracer.leave(about, F::PARAMS, &raws, &cx.memory, &flow);
    }
    flow.map(F::encode::<A>)
}

macro_rules! guest_fn {
    ($($arg:ident $index:literal),*) => {
        impl<F, R, $($arg),*> GuestFn<($($arg,)*)> for F
        where
            F: Fn(&mut Call<'_>, $($arg),*) -> R + Copy + Send + Sync + 'static,
            R: Answer,
            $($arg: Slot,)*
        {
            type Raw = ($($arg::Wasm,)*);
            type Wasm = R::Wasm;
            type Value = R::Value;
            const PARAMS: &'static [Param] = &[$(Param::of::<$arg>()),*];

            #[inline]
            #[allow(non_snake_case)]
            fn plain(self, cx: &mut Call<'_>, ($($arg,)*): Self::Raw) -> Flow<Result<R::Value>> {
                $(let $arg = match <$arg as Slot>::lift($arg) {
                    Ok(slot) => slot,
                    Err(errno) => return Flow::Done(Err(errno)),
                };)*
                self(cx, $($arg),*).flow()
            }

            #[inline]
            fn encode<A: Abi>(result: Result<R::Value>) -> R::Wasm {
                R::encode::<A>(result)
            }

            #[allow(clippy::unused_unit)]
            fn gather(raw: &[u64]) -> Self::Raw {
                let _ = raw;
                ($($arg::Wasm::from_raw(raw.get($index).copied().unwrap_or_default()),)*)
            }

            #[allow(non_snake_case)]
            fn spread(($($arg,)*): Self::Raw) -> [u64; MAX_ARITY] {
                let mut all = [0; MAX_ARITY];
                let given: &[u64] = &[$(Value::into_raw($arg)),*];
                all.iter_mut().zip(given).for_each(|(to, from)| *to = *from);
                all
            }
        }
    };
}

guest_fn!();
guest_fn!(A1 0);
guest_fn!(A1 0, A2 1);
guest_fn!(A1 0, A2 1, A3 2);
guest_fn!(A1 0, A2 1, A3 2, A4 3);
guest_fn!(A1 0, A2 1, A3 2, A4 3, A5 4);
guest_fn!(A1 0, A2 1, A3 2, A4 3, A5 4, A6 5);
guest_fn!(A1 0, A2 1, A3 2, A4 3, A5 4, A6 5, A7 6);
guest_fn!(A1 0, A2 1, A3 2, A4 3, A5 4, A6 5, A7 6, A8 7);
guest_fn!(A1 0, A2 1, A3 2, A4 3, A5 4, A6 5, A7 6, A8 7, A9 8);

type Untyped = fn(&mut Call<'_>, &[u64]) -> Flow<Option<u64>>;

/// A guest function that can be called with untyped arguments: for fuzzers, tests and tables.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its names.
    pub about: &'static About,
    /// Its parameters, as many as `about` names.
    pub params: &'static [Param],
    /// The wasm type of what it gives back.
    pub result: Option<ValType>,
    call: Untyped,
}

impl Function {
    /// The entry of `f`. Does not compile into a constant when the list names more or fewer parameters than the function has.
    #[must_use]
    pub const fn new<F: GuestFn<Args>, Args>(_: F, about: &'static About, call: Untyped) -> Self {
        assert!(F::PARAMS.len() == about.params.len(), "the list must name each parameter of the function");
        Function { about, params: F::PARAMS, result: F::RESULT, call }
    }

    /// Calls it. Missing arguments are 0, too many are not looked at.
    pub fn call(&self, cx: &mut Call<'_>, args: &[u64]) -> Flow<Option<u64>> {
        (self.call)(cx, args)
    }
}

/// Makes a [`Function`]'s untyped call out of the function; for [`table!`](crate::table).
#[doc(hidden)]
pub fn call_raw<A: Abi, F: GuestFn<Args>, Args>(
    f: F,
    cx: &mut Call<'_>,
    args: &[u64],
    about: &'static About,
) -> Flow<Option<u64>> {
    f.run::<A>(cx, F::gather(args), about).map(WasmResult::into_result)
}

/// The [`About`] of one entry of a list, as a `&'static`.
#[macro_export]
macro_rules! about {
    ($abi:ty, $name:ident($($param:ident),*)) => { $crate::about!(@ $abi, $name($($param),*), false) };
    ($abi:ty, $name:ident($($param:ident),*) may_wait) => { $crate::about!(@ $abi, $name($($param),*), true) };
    (@ $abi:ty, $name:ident($($param:ident),*), $may_wait:literal) => {{
        static ABOUT: $crate::About = $crate::About {
            module: <$abi as $crate::Abi>::MODULE,
            name: stringify!($name),
            params: &[$(stringify!($param)),*],
            may_wait: $may_wait,
        };
        &ABOUT
    }};
}

/// Makes a `&[Function]` out of a list.
///
/// A list is a macro of an ABI crate that hands its entries to a macro of the caller's choice, with tokens of the caller's before them:
///
/// ```text
/// macro_rules! functions {
///     ($each:ident! $($with:tt)*) => {
///         $each! { { $($with)* } [$crate] $crate::Wasi;
///             fd_close(fd);
///             fd_read(fd, iovs, iovs_len, nread) may_wait;
///         }
///     };
/// }
/// ```
///
/// The receiver sees `{ with } [crate] Abi; name(param, …) may_wait?; …` and reaches each function as `crate::name`.
#[macro_export]
macro_rules! table {
    ({} [$krate:tt] $abi:ty; $($name:ident($($param:ident),*) $($may_wait:ident)?;)*) => {
        &[$($crate::Function::new($krate::$name, $crate::about!($abi, $name($($param),*) $($may_wait)?), |cx, args| {
            $crate::__call_raw::<$abi, _, _>($krate::$name, cx, args, $crate::about!($abi, $name($($param),*) $($may_wait)?))
        })),*]
    };
}

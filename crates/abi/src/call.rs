use std::fmt::{self, Display};

use stratafs::{Errno, Outcome, Process, Result, Wait};

use crate::{GuestMemory, Registers, Tracer, ValType, Value};

/// What a guest function works on: the guest's process and memory, for the time of one call.
#[derive(Debug)]
pub struct Call<'a> {
    /// The guest's kernel.
    pub process: &'a mut Process,
    /// The guest's memory.
    pub memory: GuestMemory<'a>,
    /// Where calls are recorded, when they are.
    pub tracer: Option<&'a mut Tracer>,
    /// What the guest's runtime keeps from call to call, when somebody keeps it.
    pub registers: Option<&'a mut Registers>,
}

impl<'a> Call<'a> {
    /// A call that nobody records.
    #[inline]
    pub fn new(process: &'a mut Process, memory: GuestMemory<'a>) -> Self {
        Call { process, memory, tracer: None, registers: None }
    }

    /// A call that `tracer` records, when there is one.
    #[inline]
    pub fn traced(process: &'a mut Process, memory: GuestMemory<'a>, tracer: Option<&'a mut Tracer>) -> Self {
        Call { process, memory, tracer, registers: None }
    }
}

/// The rules of one family of imports.
pub trait Abi: 'static {
    /// The module that the guest imports from.
    const MODULE: &'static str;

    /// What the guest gets for a result: WASI an error number or 0, Emscripten the value or a negative error number.
    fn answer(result: Result<u32>) -> u32;
}

/// How a call goes on.
#[derive(Debug)]
#[must_use]
pub enum Flow<T> {
    /// It finished; the guest goes on with this.
    Done(T),
    /// It would block and has changed nothing: wait, then run the same call with the same arguments again.
    Wait(Wait),
    /// The guest ends with this code: it must not run on.
    Exit(u32),
    /// The guest gave itself up: it must not run on.
    Abort,
}

impl<T> Flow<T> {
    /// Applies `f` to what a finished call gives.
    #[inline]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Flow<U> {
        match self {
            Flow::Done(value) => Flow::Done(f(value)),
            Flow::Wait(wait) => Flow::Wait(wait),
            Flow::Exit(code) => Flow::Exit(code),
            Flow::Abort => Flow::Abort,
        }
    }
}

/// What a wasm function gives back: a value, or nothing.
pub trait WasmResult: Send + 'static {
    /// Its wasm type.
    const RESULT: Option<ValType>;

    /// As 64 bits.
    fn into_result(self) -> Option<u64>;
}

impl WasmResult for () {
    const RESULT: Option<ValType> = None;

    fn into_result(self) -> Option<u64> {
        None
    }
}

impl<V: Value> WasmResult for V {
    const RESULT: Option<ValType> = Some(V::TYPE);

    fn into_result(self) -> Option<u64> {
        Some(self.into_raw())
    }
}

/// What a guest function returns.
pub trait Answer {
    /// What it gives when nothing fails.
    type Value: Display;

    /// What the guest gets.
    type Wasm: WasmResult;

    /// What happens next, and the result that a trace shows.
    fn flow(self) -> Flow<Result<Self::Value>>;

    /// The result in the terms of an ABI.
    fn encode<A: Abi>(result: Result<Self::Value>) -> Self::Wasm;
}

macro_rules! answers {
    ($($type:ty, $result:ident => $flow:expr;)*) => {$(
        impl Answer for $type {
            type Value = u32;
            type Wasm = u32;

            #[inline]
            fn flow(self) -> Flow<Result<u32>> {
                let $result = self;
                $flow
            }

            #[inline]
            fn encode<A: Abi>(result: Result<u32>) -> u32 {
                A::answer(result)
            }
        }
    )*};
}

#[inline]
fn outcome(result: Result<Outcome<u32>>) -> Flow<Result<u32>> {
    match result {
        Ok(Outcome::Ready(value)) => Flow::Done(Ok(value)),
        Ok(Outcome::Wait(wait)) => Flow::Wait(wait),
        Err(errno) => Flow::Done(Err(errno)),
    }
}

answers! {
    Result<()>, result => Flow::Done(result.map(|()| 0));
    Result<u32>, result => Flow::Done(result);
    Result<Outcome<()>>, result => outcome(result.map(|outcome| outcome.map(|()| 0)));
    Result<Outcome<u32>>, result => outcome(result);
    Errno, errno => Flow::Done(Err(errno));
}

/// Answers outside the rules of an [`Abi`]: the guest gets the value itself, and `$failed` where it cannot be told an error.
macro_rules! plain_answers {
    ($($type:ty, $value:ty => $wasm:ty, $answer:ident => $result:expr, $ok:ident => $encoded:expr, $failed:expr;)*) => {$(
        impl Answer for $type {
            type Value = $value;
            type Wasm = $wasm;

            #[inline]
            fn flow(self) -> Flow<Result<$value>> {
                let $answer = self;
                Flow::Done($result)
            }

            #[inline]
            fn encode<A: Abi>(result: Result<$value>) -> $wasm {
                match result {
                    Ok($ok) => $encoded,
                    Err(_) => $failed,
                }
            }
        }
    )*};
}

/// The answer of a function that gives nothing back: an error leaves undone what the function was to do, and only a trace shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silent(pub Result<()>);

/// The answer of a function that gives back −1 for any error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinusOne<T>(pub Result<T>);

/// The answer of a function that gives back 0 for any error: no pointer, no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zero(pub Result<u32>);

plain_answers! {
    f64, f64 => f64, value => Ok(value), value => value, f64::NAN;
    Silent, Nothing => (), answer => answer.0.map(|()| Nothing), _nothing => (), ();
    MinusOne<i32>, i32 => u32, answer => answer.0, value => value.cast_unsigned(), u32::MAX;
    MinusOne<i64>, i64 => u64, answer => answer.0, value => value.cast_unsigned(), u64::MAX;
    Zero, u32 => u32, answer => answer.0, value => value, 0;
}

/// What a function without a result gives: a trace shows it as `?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nothing;

impl Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("?")
    }
}

/// The answer of a function that does not return: the guest ends with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u32);

impl Answer for Exit {
    type Value = Nothing;
    type Wasm = ();

    fn flow(self) -> Flow<Result<Nothing>> {
        Flow::Exit(self.0)
    }

    fn encode<A: Abi>(_: Result<Nothing>) {}
}

/// The answer of a function by which the guest gives itself up, as C's `abort` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort;

impl Answer for Abort {
    type Value = Nothing;
    type Wasm = ();

    fn flow(self) -> Flow<Result<Nothing>> {
        Flow::Abort
    }

    fn encode<A: Abi>(_: Result<Nothing>) {}
}

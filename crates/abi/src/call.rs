use stratafs::{Errno, Outcome, Process, Result, Wait};

use crate::{GuestMemory, Tracer, ValType, Value};

/// What a guest function works on: the guest's process and memory, for the time of one call.
#[derive(Debug)]
pub struct Call<'a> {
    /// The guest's kernel.
    pub process: &'a mut Process,
    /// The guest's memory.
    pub memory: GuestMemory<'a>,
    /// Where calls are recorded, when they are.
    pub tracer: Option<&'a mut Tracer>,
}

impl<'a> Call<'a> {
    /// A call that nobody records.
    #[inline]
    pub fn new(process: &'a mut Process, memory: GuestMemory<'a>) -> Self {
        Call { process, memory, tracer: None }
    }

    /// A call that `tracer` records, when there is one.
    #[inline]
    pub fn traced(process: &'a mut Process, memory: GuestMemory<'a>, tracer: Option<&'a mut Tracer>) -> Self {
        Call { process, memory, tracer }
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
    /// What the guest gets.
    type Wasm: WasmResult;

    /// What happens next, and the result that a trace shows.
    fn flow(self) -> Flow<Result<u32>>;

    /// The result in the terms of an ABI.
    fn encode<A: Abi>(result: Result<u32>) -> Self::Wasm;
}

macro_rules! answers {
    ($($type:ty, $result:ident => $flow:expr;)*) => {$(
        impl Answer for $type {
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

/// The answer of a function that does not return: the guest ends with this code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u32);

impl Answer for Exit {
    type Wasm = ();

    fn flow(self) -> Flow<Result<u32>> {
        Flow::Exit(self.0)
    }

    fn encode<A: Abi>(_: Result<u32>) {}
}

/// The answer of a function by which the guest gives itself up, as C's `abort` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort;

impl Answer for Abort {
    type Wasm = ();

    fn flow(self) -> Flow<Result<u32>> {
        Flow::Abort
    }

    fn encode<A: Abi>(_: Result<u32>) {}
}

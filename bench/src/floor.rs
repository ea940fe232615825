//! What a host of wasm programs cannot go below: calls that do nothing, and copies.

use std::hint::black_box;
use std::time::Instant;

use wasmtime::{Engine, Linker, Module, Store};

use crate::calls::HOST_CALL;
use crate::sampler::Sampler;
use crate::section::Rows;

const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 4096;
/// Host calls in one call of the guest.
const CALLS: u32 = 1000;

/// A guest that calls the host in a loop, with a descriptor, an offset, a number and a pointer, and adds up what it answers.
const CALLER: &str = r#"(module
    (import "host" "nothing" (func $nothing (param i32 i64 i32 i32) (result i32)))
    (func (export "run") (param $n i32) (result i32) (local $sum i32)
        (loop $again
            (local.set $sum (i32.add (local.get $sum) (call $nothing (i32.const 3) (i64.const 7) (i32.const 0) (i32.const 64))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

/// One round.
///
/// # Errors
/// When a copy is none, or the engine's.
pub fn round(quick: bool) -> Result<Rows, String> {
    let mut sampler = Sampler::new(quick);
    host_call(&mut sampler).map_err(|error| format!("{error:#}"))?;
    copies(&mut sampler)?;
    Ok(sampler.rows)
}

/// An empty host call.
///
/// # Errors
/// The engine's.
pub fn host_call(sampler: &mut Sampler) -> wasmtime::Result<()> {
    let engine = Engine::new(&stratafs_wasmtime::config())?;
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "nothing", |fd: i32, _: i64, _: i32, _: i32| black_box(fd) - 2)?;
    let module = Module::new(&engine, wat::parse_str(CALLER)?)?;
    let run = linker.instantiate(&mut store, &module)?.get_typed_func::<u32, u32>(&mut store, "run")?;
    let calls = sampler.nanos(HOST_CALL, CALLS.into(), || run.call(&mut store, CALLS).map_or(0, u64::from));
    sampler.value(HOST_CALL, calls.map_err(wasmtime::Error::msg)? / f64::from(CALLS));
    Ok(())
}

fn marked(block: &mut [u8], with: usize) {
    block[..8].copy_from_slice(&with.to_ne_bytes());
    block[BLOCK - 8..].copy_from_slice(&with.to_ne_bytes());
}

fn copies(sampler: &mut Sampler) -> Result<(), String> {
    let blocks = if sampler.quick { 16 } else { BLOCKS };
    let mut block = vec![1_u8; BLOCK];
    let per_block = |begun: Instant| begun.elapsed().as_nanos() as f64 / blocks as f64;

    let begun = Instant::now();
    let mut file: Vec<Vec<u8>> = Vec::new();
    for at in 0..blocks {
        marked(&mut block, at);
        file.push(black_box(&block).clone());
    }
    sampler.value("write 64 KiB, first touch", per_block(begun));

    let begun = Instant::now();
    for (at, chunk) in file.iter_mut().enumerate() {
        marked(&mut block, at + 1);
        chunk.copy_from_slice(black_box(&block));
    }
    sampler.value("write 64 KiB, again", per_block(begun));

    let (begun, mut wrong) = (Instant::now(), 0);
    for (at, chunk) in file.iter().enumerate() {
        block.copy_from_slice(black_box(chunk));
        wrong += usize::from(block[..8] != (at + 1).to_ne_bytes() || block[BLOCK - 8..] != block[..8]);
    }
    sampler.value("read 64 KiB", per_block(begun));
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} blocks have other bytes")) }
}

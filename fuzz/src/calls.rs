//! Guest functions called with arguments of the fuzzer's making. The bounds are asserted after each call.

use std::sync::Arc;

use stratafs::stream::{BytesInput, CapturedOutput};
use stratafs::{Budget, Fd, Process};
use stratafs_abi::{Call, Flow, Function, GuestMemory, Param, Shape};

use crate::counted;
use crate::input::Input;
use crate::trees;

/// Bytes of the guest's memory.
const MEMORY: usize = 128 << 10;
/// Where texts stand, each in a slot of its own.
const TEXTS: usize = 1024;
const SLOT: usize = 64;
/// Where vectors stand.
const VECTORS: usize = 8192;
/// Where calls write.
const OUT: u64 = 32 << 10;
/// Calls in one run.
const CALLS: usize = 48;

/// The most that one call may hold on the host beside what is charged: a guest's memory and once more its budget.
const HEAP: u64 = 1 << 20;
/// The most units of work of one call: each of two paths of 150 components through 8 links, and a poll or listing of a few thousand entries.
const WORK: u64 = 12_000;

const PATHS: [&[u8]; 24] = [
    b"file",
    b"dir",
    b"dir/file",
    b"dir/sub",
    b"empty",
    b"link",
    b"loop",
    b"dir/up",
    b"abs",
    b"hard",
    b"fifo",
    b"new",
    b"dir/new",
    b"new/x",
    b".",
    b"..",
    b"/",
    b"zip/dir/file",
    b"ro/file",
    b"dev/fd/3",
    b"dev/null",
    b"dir/sub/../../link",
    b"file/",
    b"dir//",
];

/// A run of calls to `functions`.
pub fn run(data: &[u8], functions: &[&'static Function]) {
    let mut input = Input::new(data);
    let budget = Budget::of(&trees::limits());
    let ns = trees::namespace(input.below(4), &budget);
    let before = counted::open_files();
    let output = CapturedOutput::new(64 << 10);
    let mut process = Process::builder(ns, trees::limits())
        .args(["prog", "-x"])
        .env("A", "1")
        .stdin(Arc::new(BytesInput::new("typed")))
        .stdout(Arc::new(output))
        .preopen("/")
        .preopen("/dir")
        .build()
        .unwrap();
    let mut memory = memory();
    for _ in 0..CALLS {
        if input.is_empty() || !step(&mut input, &mut process, &mut memory, functions) {
            break;
        }
    }
    drop(process);
    assert_eq!(counted::open_files(), before, "open files are left");
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0), "the budget does not come back");
}

/// Texts and vectors where the arguments look for them.
fn memory() -> Vec<u8> {
    let mut memory = vec![0; MEMORY];
    for (n, path) in PATHS.iter().enumerate() {
        memory[TEXTS + n * SLOT..][..path.len()].copy_from_slice(path);
    }
    let vectors: [(u32, u32); 8] =
        [(1024, 5), (1088, 3), (0, 0), (20_000, 100), (20_050, 100), (0xffff_fff0, 4), (30_000, 70_000), (1, 0xffff_ffff)];
    for (n, (at, len)) in vectors.into_iter().enumerate() {
        memory[VECTORS + n * 8..][..4].copy_from_slice(&at.to_le_bytes());
        memory[VECTORS + n * 8 + 4..][..4].copy_from_slice(&len.to_le_bytes());
    }
    // Subscriptions to a clock and to descriptors 0, 1 and 5.
    for (n, (kind, fd)) in [(0, 1), (1, 0), (2, 1), (1, 5)].into_iter().enumerate() {
        memory[VECTORS + 1024 + n * 48 + 8] = kind;
        memory[VECTORS + 1024 + n * 48 + 16] = fd;
    }
    memory
}

/// One call, or bytes put into the memory. Answers whether the guest goes on.
fn step(input: &mut Input<'_>, process: &mut Process, memory: &mut [u8], functions: &[&'static Function]) -> bool {
    let which = usize::from(input.byte());
    if which >= 248 {
        let at = usize::try_from(input.u64() % (MEMORY as u64 - 256)).unwrap_or(0);
        let bytes = input.string();
        memory[at..][..bytes.len()].copy_from_slice(bytes);
        return true;
    }
    let f = functions[which % functions.len()];
    let args = arguments(input, f.params);
    let _ = counted::take_work();
    let mut goes_on = true;
    let heap = allocation_counter::measure(|| {
        let mut cx = Call::new(process, GuestMemory::borrowed(memory));
        match f.call(&mut cx, &args) {
            Flow::Done(_) => {}
            Flow::Wait(_) => cx.process.abandon_wait(),
            Flow::Exit(_) | Flow::Abort => goes_on = false,
        }
    });
    let work = counted::take_work();
    assert!(heap.bytes_max <= HEAP, "{}{args:x?} holds {} bytes", f.about.name, heap.bytes_max);
    assert!(work <= WORK, "{}{args:x?} takes {work} units of work", f.about.name);
    assert!(process.open_fds().count() <= trees::limits().fds as usize);
    assert!(process.open_fds().all(|fd| fd < Fd::new(trees::limits().fds)));
    goes_on
}

/// What fits the parameters more often than not.
fn arguments(input: &mut Input<'_>, params: &[Param]) -> Vec<u64> {
    let mut args = Vec::with_capacity(params.len());
    let mut length = None;
    for param in params {
        let (raw, next) = argument(input, param.shape, length);
        args.push(raw);
        length = next;
    }
    args
}

/// One argument, and the length that the next one might name. `length` is what the one before might have named.
fn argument(input: &mut Input<'_>, shape: Shape, length: Option<u64>) -> (u64, Option<u64>) {
    let choice = input.byte();
    if choice >= 240 {
        return (input.u64(), None);
    }
    if choice >= 224 {
        let edges = [0, 1, u64::from(u32::MAX), 1 << 31, MEMORY as u64 - 1, MEMORY as u64, i64::MAX as u64, 1 << 63, u64::MAX];
        return (edges[usize::from(choice) % edges.len()], None);
    }
    let small = u64::from(choice);
    match (shape, length) {
        (Shape::Text | Shape::CStr, _) => {
            let n = usize::from(choice) % PATHS.len();
            ((TEXTS + n * SLOT) as u64, Some(PATHS[n].len() as u64))
        }
        (Shape::Array(48), _) => (VECTORS as u64 + 1024, Some(1 + small % 4)),
        (Shape::Array(_), _) => (VECTORS as u64 + small % 5 * 8, Some(1 + small % 3)),
        (Shape::Buffer, _) => (OUT + small * 8, Some(small * 16)),
        (Shape::Out(_) | Shape::Pointer, _) => (OUT + small * 8, None),
        (Shape::Fd, _) => (if choice < 4 { 0xffff_ff9c } else { small % 12 }, None),
        (Shape::Size, Some(len)) => (len, None),
        (Shape::Size | Shape::Number, _) if choice < 128 => (small % 16, None),
        (Shape::Size | Shape::Number, _) => (1 << (small % 32) | u64::from(input.byte()) << 2, None),
    }
}

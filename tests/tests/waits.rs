//! Calls that wait: run again as often as it takes with nothing changed in between, on this thread, as futures, and stopped.
#![forbid(unsafe_code)]

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_lite::future;
use parking_lot::Mutex;
use stratafs::stream::{CapturedOutput, Readiness, Stream};
use stratafs::{
    DirFd, Event, Fd, FileKind, Layer, Limits, Namespace, OpenHow, Outcome, Process, Result, Stat, Tree, Wait, Whence,
};
use stratafs_abi::{Call, Flow, GuestMemory};
use stratafs_tests::guest::{Ended, Engine, Guest, Program};

/// How often a call waits before it goes through.
const TIMES: u32 = 3;

/// Input and output that let every call wait [`TIMES`] times before it goes through.
struct Slow {
    input: Mutex<Vec<u8>>,
    output: CapturedOutput,
    left: AtomicU32,
    waited: AtomicU32,
    event: Arc<Event>,
}

impl Slow {
    fn new(input: &str) -> Arc<Self> {
        Arc::new(Slow {
            input: Mutex::new(input.as_bytes().to_vec()),
            output: CapturedOutput::new(u64::MAX),
            left: AtomicU32::new(TIMES),
            waited: AtomicU32::new(0),
            event: Arc::default(),
        })
    }

    /// Whether the call must wait once more; if so, that wait will soon be over.
    fn waits(&self) -> Option<Wait> {
        let seen = self.event.times();
        if self.left.load(Ordering::SeqCst) == 0 {
            self.left.store(TIMES, Ordering::SeqCst);
            return None;
        }
        self.left.fetch_sub(1, Ordering::SeqCst);
        self.waited.fetch_add(1, Ordering::SeqCst);
        let event = self.event.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1));
            event.signal();
        });
        Some(Wait::new().or_event(&self.event, seen))
    }

    fn waited(&self) -> u32 {
        self.waited.load(Ordering::SeqCst)
    }
}

impl Stream for Slow {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        if let Some(wait) = self.waits() {
            return Ok(Outcome::Wait(wait));
        }
        let mut input = self.input.lock();
        let n = input.len().min(buf.len());
        buf[..n].copy_from_slice(&input[..n]);
        input.drain(..n);
        Ok(Outcome::Ready(n))
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> Result<Outcome<usize>> {
        match self.waits() {
            Some(wait) => Ok(Outcome::Wait(wait)),
            None => self.output.write(bufs),
        }
    }

    fn readiness(&self) -> Readiness {
        let ready = self.waits().is_none();
        Readiness { readable: ready, writable: ready, ..Readiness::default() }
    }

    fn event(&self) -> Option<Arc<Event>> {
        Some(self.event.clone())
    }

    fn stat(&self) -> Stat {
        Stat::new(1, FileKind::Fifo)
    }
}

fn tree() -> Namespace {
    Tree::new(Limits::default()).layer("/work", Layer::Memory).build().expect("the tree is built")
}

// Without an engine: the list of functions, called with untyped arguments.

/// A guest without an engine.
struct Native {
    process: Process,
    memory: Vec<u8>,
}

impl Native {
    fn new(stream: &Arc<Slow>) -> Self {
        let process = Process::builder(tree(), Limits::default())
            .stdin(stream.clone())
            .stdout(stream.clone())
            .preopen("/")
            .build()
            .expect("the process is made");
        Native { process, memory: vec![0; 4096] }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.memory[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Two buffers, described at 0: 3 bytes at 1024 and 100 bytes at 1040.
    fn buffers(&mut self) {
        for (at, number) in [(0, 1024u32), (4, 3), (8, 1040), (12, 100)] {
            self.put(at, &number.to_le_bytes());
        }
    }

    fn once(&mut self, name: &str, args: &[u64]) -> Flow<Option<u64>> {
        let function = stratafs_wasi::FUNCTIONS.iter().find(|f| f.about.name == name).expect("it is in the list");
        assert!(function.about.may_wait, "{name}");
        function.call(&mut Call::new(&mut self.process, GuestMemory::borrowed(&mut self.memory)), args)
    }

    /// Runs a call that must wait [`TIMES`] times, and sees after each that the memory is as it was; answers the WASI error number.
    fn patiently(&mut self, name: &str, args: &[u64], unchanged: impl Fn(&mut Process)) -> u64 {
        let before = self.memory.clone();
        for _ in 0..TIMES {
            match self.once(name, args) {
                Flow::Wait(wait) => {
                    assert_eq!(self.memory, before, "{name} wrote to the guest's memory");
                    unchanged(&mut self.process);
                    wait.block();
                }
                flow => panic!("{name} did not wait: {flow:?}"),
            }
        }
        match self.once(name, args) {
            Flow::Done(Some(errno)) => errno,
            flow => panic!("{name} waits too often: {flow:?}"),
        }
    }
}

#[test]
fn a_call_that_waited_has_changed_nothing() {
    let slow = Slow::new("abcdefgh");
    let mut native = Native::new(&slow);
    native.buffers();
    // A file whose offset stands in the middle.
    let how = OpenHow::write_new();
    let Ok(Outcome::Ready(file)) = native.process.openat(DirFd::Cwd, b"/work/file", &how) else { panic!("no file") };
    native.process.lseek(file, Whence::Set, 5).unwrap();
    let same = |process: &mut Process| {
        assert_eq!(process.lseek(file, Whence::Current, 0), Ok(5));
        assert!(process.descriptor(Fd::new(5)).is_err(), "a descriptor was made");
        assert_eq!((slow.input.lock().len(), slow.output.text().as_str()), (8, ""));
    };

    // One subscription at 64: userdata 7, can descriptor 0 be read.
    native.put(64, &[7]);
    native.put(72, &[1]);
    assert_eq!(native.patiently("poll_oneoff", &[64, 128, 1, 192], same), 0);
    assert_eq!((native.memory[128], native.memory[138], native.memory[192]), (7, 1, 1));

    assert_eq!(native.patiently("fd_write", &[1, 0, 1, 196], same), 0);
    assert_eq!((native.memory[196], slow.output.take().len()), (3, 3));

    // The first buffer waits; the second finds nothing more and the read comes short.
    assert_eq!(native.patiently("fd_read", &[0, 0, 2, 200], same), 0);
    assert_eq!((&native.memory[1024..1027], native.memory[200]), (&b"abc"[..], 3));
    assert_eq!(slow.input.lock().as_slice(), b"defgh");
}

#[test]
fn opening_a_fifo_waits_for_the_other_side_and_leaves_no_descriptor() {
    let mut native = Native::new(&Slow::new(""));
    native.process.mkfifoat(DirFd::Cwd, b"/work/fifo", 0o644).unwrap();
    native.put(512, b"work/fifo");
    let read_only = 1 << 1;
    let args = [3, 1, 512, 9, 0, read_only, 0, 0, 640];
    for _ in 0..TIMES {
        let before = native.memory.clone();
        assert!(matches!(native.once("path_open", &args), Flow::Wait(_)));
        assert_eq!(native.memory, before);
        assert!(native.process.descriptor(Fd::new(4)).is_err(), "a descriptor was made");
    }
    let how = OpenHow { nonblock: true, ..OpenHow::new(stratafs::Access::WRITE) };
    assert!(matches!(native.process.openat(DirFd::Cwd, b"/work/fifo", &how), Ok(Outcome::Ready(_))));
    assert!(matches!(native.once("path_open", &args), Flow::Done(Some(0))));
    assert_eq!(native.memory[640], 5);
}

// On the engines: small guests as text.

const HEAD: &str = r#"
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; Two buffers to read into, at 0; the same to write from, at 32.
  (data (i32.const 0) "\00\04\00\00\03\00\00\00\10\04\00\00\64\00\00\00")
  (data (i32.const 32) "\00\04\00\00\00\00\00\00")
  ;; At 64: tell with userdata 7 when descriptor 0 can be read.
  (data (i32.const 64) "\07\00\00\00\00\00\00\00\01")
  (func $must (param i32) (if (local.get 0) (then unreachable)))
"#;

fn guest(name: &str, body: &str) -> Program {
    Program::new(name, wat::parse_str(format!("(module {HEAD} {body})")).expect("the text is a module"))
}

/// Polls for input, reads at most 3 bytes, writes them, until the end.
fn echo() -> Program {
    let body = r#"
      (func (export "_start")
        (loop $again
          (call $must (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 200)))
          (call $must (i32.ne (i32.load8_u (i32.const 128)) (i32.const 7)))
          (call $must (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 36)))
          (if (i32.load (i32.const 36)) (then
            (call $must (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 204)))
            (call $must (i32.ne (i32.load (i32.const 36)) (i32.load (i32.const 204))))
            (br $again)))))"#;
    guest("echo", body)
}

/// Waits for so many milliseconds `times` times, then writes a byte. With `or_input` it waits for input as well, and ends either way.
fn sleeper(name: &str, ms: u64, times: u32, or_input: bool) -> Program {
    let nanos: String = (ms * 1_000_000).to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let count = if or_input { 2 } else { 1 };
    let body = format!(
        r#"(data (i32.const 248) "\09\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00{nanos}")
      (func $sleep (export "sleep")
        ;; The clock first, then perhaps the input.
        (memory.copy (i32.const 296) (i32.const 64) (i32.const 48))
        (call $must (call $poll (i32.const 248) (i32.const 400) (i32.const {count}) (i32.const 200))))
      (func (export "_start") (local $left i32)
        (local.set $left (i32.const {times}))
        (loop $again
          (call $sleep)
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $again (local.get $left)))
        (i32.store8 (i32.const 1024) (i32.const 46))
        (i32.store (i32.const 36) (i32.const 1))
        (call $must (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 204))))"#
    );
    guest(name, &body)
}

/// Reads once, and writes what came.
fn reader() -> Program {
    let body = r#"
      (func (export "_start")
        (call $must (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 36)))
        (call $must (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 204))))"#;
    guest("reader", body)
}

#[test]
fn every_wait_is_waited_for_on_every_engine() {
    let program = echo();
    for (on, engine) in Engine::all() {
        let slow = Slow::new("hello, world");
        let ran = Guest::new(&program, engine, tree()).stdin(slow.clone()).stdout(slow.clone()).run();
        assert_eq!(ran.ended, Ended::Exit(0), "{on}");
        assert_eq!(slow.output.text(), "hello, world", "{on}");
        // Four rounds of poll, read and write, and the end without the write.
        assert_eq!(slow.waited(), TIMES * (4 * 3 + 2), "{on}");
    }
}

#[test]
fn a_wait_is_interrupted_on_every_engine() {
    for program in [sleeper("sleeper", 1_000_000, 1, false), reader()] {
        for (on, engine) in Engine::all() {
            let start = Instant::now();
            let silent = Arc::new(Silent::default());
            let ran = Guest::new(&program, engine, tree()).stdin(silent).timeout(Duration::from_millis(50)).run();
            assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Interrupted, ""), "{} on {on}", program.name());
            assert!(start.elapsed() < Duration::from_secs(10), "{} on {on}: {:?}", program.name(), start.elapsed());
        }
    }
}

/// Input of which nothing comes until it is told to.
#[derive(Default)]
struct Silent {
    event: Arc<Event>,
    said: Mutex<Vec<u8>>,
}

impl Silent {
    fn say(&self, text: &str) {
        self.said.lock().extend_from_slice(text.as_bytes());
        self.event.signal();
    }
}

impl Stream for Silent {
    fn read(&self, buf: &mut [u8]) -> Result<Outcome<usize>> {
        let seen = self.event.times();
        let mut said = self.said.lock();
        if said.is_empty() {
            return Ok(Outcome::Wait(Wait::new().or_event(&self.event, seen)));
        }
        let n = said.len().min(buf.len());
        buf[..n].copy_from_slice(&said[..n]);
        said.drain(..n);
        Ok(Outcome::Ready(n))
    }

    fn readiness(&self) -> Readiness {
        Readiness { readable: !self.said.lock().is_empty(), ..Readiness::default() }
    }

    fn event(&self) -> Option<Arc<Event>> {
        Some(self.event.clone())
    }

    fn stat(&self) -> Stat {
        Stat::new(1, FileKind::Fifo)
    }
}

#[test]
fn two_guests_share_a_thread() {
    let (long, short) = (sleeper("long", 400, 1, false), sleeper("short", 10, 5, false));
    let order = Mutex::new(Vec::new());
    let run = async |program: &Program| {
        let ran = Guest::new(program, Engine::wasmtime_async(), tree()).run_async().await;
        order.lock().push(program.name().to_owned());
        assert_eq!((ran.ended, ran.stdout.as_str()), (Ended::Exit(0), "."), "{}", program.name());
    };
    let start = Instant::now();
    future::block_on(future::zip(run(&long), run(&short)));
    async_io::block_on(future::zip(run(&long), run(&short)));
    assert_eq!(*order.lock(), ["short", "long", "short", "long"]);
    assert!(start.elapsed() >= Duration::from_millis(800));
}

#[test]
fn guests_of_one_task_that_wait_for_one_thing_are_both_woken() {
    // The first waits for input alone, the second for the same input or 30 ms: when its time is over, the first still waits.
    let (reads, sleeps) = (reader(), sleeper("sleeper", 30, 1, true));
    let silent = Arc::new(Silent::default());
    let guest = |program| Guest::new(program, Engine::wasmtime_async(), tree()).stdin(silent.clone());
    let speak = {
        let silent = silent.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(150));
            silent.say("now");
        })
    };
    let (read, slept) = future::block_on(future::zip(guest(&reads).run_async(), guest(&sleeps).run_async()));
    speak.join().unwrap();
    assert_eq!((read.ok().as_str(), slept.ok().as_str()), ("now", "."));
}

#[test]
fn a_dropped_wait_is_forgotten() {
    let program = sleeper("sleeper", 80, 1, false);
    let engine = wasmtime::Engine::new(&stratafs_wasmtime::config()).unwrap();
    let module = wasmtime::Module::new(&engine, program.bytes()).unwrap();
    let process = Process::builder(tree(), Limits::default()).preopen("/").build().unwrap();
    let mut store = wasmtime::Store::new(&engine, stratafs_wasmtime::Guest::new(process));
    stratafs_wasmtime::interruptible(&mut store, |guest| guest);
    let mut linker = wasmtime::Linker::new(&engine);
    stratafs_wasmtime::link_async(&mut linker, |guest: &mut stratafs_wasmtime::Guest| guest).unwrap();
    async_io::block_on(async {
        let instance = linker.instantiate_async(&mut store, &module).await.unwrap();
        let sleep = instance.get_typed_func::<(), ()>(&mut store, "sleep").unwrap();
        let slept = async { sleep.call_async(&mut store, ()).await.map(|()| true) };
        let gave_up = async {
            async_io::Timer::after(Duration::from_millis(60)).await;
            Ok(false)
        };
        assert!(!future::or(slept, gave_up).await.unwrap(), "it should sleep longer");
        assert_eq!(store.data().process.waited(), Duration::ZERO);
        // The next sleep is a whole one.
        let start = Instant::now();
        sleep.call_async(&mut store, ()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());
    });
}

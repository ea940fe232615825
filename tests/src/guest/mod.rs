//! Guest programs on the engines, over a given tree, with their output captured.

mod engines;
mod native;
mod program;
pub mod trees;

use std::io::IoSlice;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Once};
use std::time::Duration;

use stratafs::stream::{BytesInput, CapturedOutput, NullStream, Readiness, Stream};
use stratafs::{Interrupt, Limits, Namespace, Outcome, Process, Stat};
use stratafs_abi::Tracer;

pub use engines::Engine;
pub use native::{Native, NativeRan, without_posix};
pub use program::{Program, cache, cpython, micropython, micropython_wasi, pyodide, pyodide_library};

/// How long any guest may run before it is taken for hung.
const PATIENCE: Duration = Duration::from_secs(120);

/// A guest that is about to run.
pub struct Guest<'a> {
    program: &'a Program,
    engine: Engine,
    ns: Namespace,
    limits: Limits,
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    stdin: Arc<dyn Stream>,
    stdout: Option<Arc<dyn Stream>>,
    memory: usize,
    timeout: Option<Duration>,
    traced: bool,
    without: Option<String>,
    interrupt: Interrupt,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With this code.
    Exit(u32),
    /// Stopped from outside.
    Interrupted,
    /// In a trap, for this reason.
    Trap(String),
}

/// What a run left behind.
pub struct Ran {
    /// How it ended.
    pub ended: Ended,
    /// What it wrote, unless its standard output went elsewhere.
    pub stdout: String,
    /// What it wrote there.
    pub stderr: String,
    /// One line for each call, when it was traced.
    pub trace: String,
    /// Whether it wanted more memory than it was given.
    pub memory_limit_reached: bool,
    /// Its process.
    pub process: Process,
}

impl Ran {
    /// The standard output of a guest that ended well.
    ///
    /// # Panics
    /// When it did not end with code 0; shows its output then.
    #[must_use]
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.ended, Ended::Exit(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl<'a> Guest<'a> {
    /// `program` over the tree `ns`: no arguments but its name, no environment, no input, generous limits.
    #[must_use]
    pub fn new(program: &'a Program, engine: Engine, ns: Namespace) -> Self {
        Guest {
            program,
            engine,
            ns,
            limits: Limits::default(),
            args: vec![program.name().as_bytes().to_vec()],
            env: Vec::new(),
            stdin: Arc::new(BytesInput::default()),
            stdout: None,
            memory: usize::MAX,
            timeout: None,
            traced: false,
            without: None,
            interrupt: Interrupt::new(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<[u8]>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_vec()));
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push(format!("{name}={value}").into_bytes());
        self
    }

    /// The limits of its process.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Its standard input.
    #[must_use]
    pub fn stdin(mut self, stream: Arc<dyn Stream>) -> Self {
        self.stdin = stream;
        self
    }

    /// Its standard output, in place of the one that is captured.
    #[must_use]
    pub fn stdout(mut self, stream: Arc<dyn Stream>) -> Self {
        self.stdout = Some(stream);
        self
    }

    /// The most bytes that its linear memory may have.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// When it is stopped.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Has its calls recorded.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    /// Has every import of that name answer `ENOSYS` in place of what it does. Only on wasmtime.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.without = Some(name.to_owned());
        self
    }

    /// Stops it from anywhere, also before it has started.
    pub fn stopper(&self) -> impl Fn() + Clone + Send + Sync + 'static {
        self.engine.stopper(&self.interrupt)
    }

    /// Runs it to its end on this thread, or one of its own.
    ///
    /// # Panics
    /// When the engine refuses the module, or the guest hangs.
    #[must_use]
    pub fn run(self) -> Ran {
        let _watch = self.watch();
        match &self.engine {
            Engine::Wasmtime(_) => engines::on_big_stack(|| engines::wasmtime(self)),
            Engine::WasmtimeAsync(_) => async_io::block_on(engines::wasmtime_async(self)),
            Engine::Wasmi => engines::on_big_stack(|| engines::wasmi(self)),
        }
    }

    /// Runs it until a moment after it has first written to its standard output, which is not captured. However long that takes, it is stopped while it does
    /// what comes next.
    ///
    /// # Panics
    /// When it writes nothing; as [`run`](Guest::run).
    #[must_use]
    pub fn run_until_it_speaks(self) -> Ran {
        let heard = Arc::new(Heard { stop: self.stopper(), once: Once::new() });
        let ran = self.stdout(heard.clone()).run();
        assert!(heard.once.is_completed(), "it wrote nothing: {:?}, {}", ran.ended, ran.stderr);
        ran
    }

    /// Runs it to its end as a future; the engine must be an async one.
    ///
    /// # Panics
    /// As [`run`](Guest::run).
    pub async fn run_async(self) -> Ran {
        let _watch = self.watch();
        engines::wasmtime_async(self).await
    }

    /// Stops the guest when its time is over; a guest that does not stop then is a failure of its own.
    fn watch(&self) -> mpsc::Sender<()> {
        let (over, is_over) = mpsc::channel::<()>();
        let (stop, timeout) = (self.stopper(), self.timeout.unwrap_or(PATIENCE));
        let name = self.program.name().to_owned();
        std::thread::spawn(move || {
            if is_over.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
                stop();
                if is_over.recv_timeout(Duration::from_secs(20)) == Err(RecvTimeoutError::Timeout) {
                    eprintln!("{name} cannot be stopped");
                    std::process::abort();
                }
            }
        });
        over
    }

    /// Its process, and what shows the output in the end.
    fn process(&self) -> (Process, Outputs) {
        let outputs = Outputs::new(self.limits.output);
        let process = Process::builder(self.ns.clone(), self.limits.clone())
            .args(self.args.iter().cloned())
            .envs(self.env.iter().cloned())
            .stdin(self.stdin.clone())
            .stdout(self.stdout.clone().unwrap_or_else(|| Arc::new(outputs.stdout.clone())))
            .stderr(Arc::new(outputs.stderr.clone()))
            .interrupt(self.interrupt.clone())
            .preopen("/")
            .build()
            .expect("the process is made");
        (process, outputs)
    }
}

/// Stops a guest a moment after it has written something.
struct Heard<F> {
    stop: F,
    once: Once,
}

impl<F: Fn() + Clone + Send + Sync + 'static> Stream for Heard<F> {
    fn write(&self, bufs: &[IoSlice<'_>]) -> stratafs::Result<Outcome<usize>> {
        self.once.call_once(|| {
            let stop = self.stop.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                stop();
            });
        });
        NullStream.write(bufs)
    }

    fn readiness(&self) -> Readiness {
        NullStream.readiness()
    }

    fn stat(&self) -> Stat {
        NullStream.stat()
    }
}

/// The captured streams of a run.
struct Outputs {
    stdout: CapturedOutput,
    stderr: CapturedOutput,
    trace: Trace,
}

impl Outputs {
    fn new(max: u64) -> Self {
        Outputs { stdout: CapturedOutput::new(max), stderr: CapturedOutput::new(max), trace: Trace::default() }
    }

    fn tracer(&self, wanted: bool) -> Option<Box<Tracer>> {
        wanted.then(|| Box::new(Tracer::lines(Box::new(self.trace.clone()))))
    }

    fn ran(self, ended: Ended, memory_limit_reached: bool, process: Process, tracer: Option<Box<Tracer>>) -> Ran {
        if let Some(mut tracer) = tracer {
            tracer.flush().expect("a trace in memory");
        }
        let trace = String::from_utf8_lossy(&self.trace.0.lock()).into_owned();
        Ran { ended, stdout: self.stdout.text(), stderr: self.stderr.text(), trace, memory_limit_reached, process }
    }
}

/// A trace in memory.
#[derive(Clone, Default)]
struct Trace(Arc<parking_lot::Mutex<Vec<u8>>>);

impl std::io::Write for Trace {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

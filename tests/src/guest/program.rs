//! Where guest programs come from, and where what is made of them is kept.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use stratafs::overlay::Overlay;
use stratafs::zipfs::ZipFs;
use stratafs::{Budget, Layer, Limits, NodeRef};
use stratafs_cli::cache::CacheDir;
use stratafs_cli::fetch;
use stratafs_cli::module::{EngineKind, Module};
use stratafs_cli::pyodide::{self, Pyodide};

/// A guest program: a wasm module and its hash.
pub struct Program {
    name: String,
    bytes: Vec<u8>,
    sha256: [u8; 32],
}

impl Program {
    /// The C program `name` of `fixtures/guests`.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn fixture(name: &str) -> Self {
        let path = Program::fixtures().join(format!("{name}.wasm"));
        Program::new(name, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The C program `name` of `fixtures/emscripten`.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn emscripten(name: &str) -> Self {
        let path = Program::emscripten_fixtures().join(format!("{name}.wasm"));
        Program::new(name, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// A module.
    #[must_use]
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Program { name: name.to_owned(), sha256: stratafs_wasmtime::image::sha256(&bytes), bytes }
    }

    /// The directory of the C programs.
    #[must_use]
    pub fn fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/guests")
    }

    /// The directory of the C programs that Emscripten compiled.
    #[must_use]
    pub fn emscripten_fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/emscripten")
    }

    /// The names that it imports from `module`.
    ///
    /// # Panics
    /// When it is no module.
    #[must_use]
    pub fn imports(&self, module: &str) -> Vec<String> {
        let compiled = wasmtime::Module::new(&wasmtime::Engine::default(), &self.bytes).expect("a module");
        compiled.imports().filter(|import| import.module() == module).map(|import| import.name().to_owned()).collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The module.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

/// The pinned CPython, fetched as the command fetches it; `$STRATAFS_PYTHON` takes its place.
///
/// # Panics
/// When it cannot be had; says what to do then.
#[must_use]
pub fn cpython() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let module = match std::env::var_os("STRATAFS_PYTHON") {
            Some(path) => fetch::runtime(&fetch::CPYTHON, Some(path.as_ref()), EngineKind::Wasmtime),
            None => fetch::fetched(&fetch::CPYTHON, cache()),
        };
        python(&module.unwrap_or_else(|error| panic!("{error}")))
    })
}

fn python(module: &Module) -> Program {
    let bytes = module.bytes().unwrap_or_else(|error| panic!("{error}")).to_vec();
    let sha256 = module.sha256.unwrap_or_else(|| stratafs_wasmtime::image::sha256(&bytes));
    Program { name: "python".to_owned(), sha256, bytes }
}

/// The pinned CPython for Emscripten, fetched and converted as the command does it, and the archive of its library.
///
/// # Panics
/// When it cannot be had; says what to do then.
#[must_use]
pub fn pyodide() -> &'static (Program, PathBuf) {
    static PROGRAM: OnceLock<(Program, PathBuf)> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let pyodide = Pyodide::fetched(cache()).unwrap_or_else(|error| panic!("{error}"));
        (python(&pyodide.module()), pyodide.archive())
    })
}

/// Where [`pyodide()`] looks for its library, and the library: an overlay that all its guests share, so that what one has compiled serves the next.
///
/// # Panics
/// As [`pyodide()`].
#[must_use]
pub fn pyodide_library() -> [(&'static str, Layer); 2] {
    static LIBRARY: OnceLock<NodeRef> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let path = &pyodide().1;
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let archive = ZipFs::from_file("python314.zip", file, &Limits::default()).unwrap_or_else(|error| panic!("{error}"));
        NodeRef::root_of(&Overlay::in_memory(vec![NodeRef::root_of(&archive)], Budget::unlimited(), &Limits::default()))
    });
    [(pyodide::HOME, Layer::Node(library.clone())), (pyodide::DYNAMIC, Layer::Memory)]
}

/// The pinned MicroPython, fetched as the command fetches it: the one for Emscripten.
///
/// # Panics
/// When it cannot be had; says what to do then.
#[must_use]
pub fn micropython() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| pinned("micropython", &fetch::MICROPYTHON))
}

/// The pinned MicroPython for WASI; it needs an engine with exceptions.
///
/// # Panics
/// When it cannot be had; says what to do then.
#[must_use]
pub fn micropython_wasi() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| pinned("micropython", &fetch::MICROPYTHON_WASI))
}

fn pinned(name: &str, pinned: &fetch::Pinned) -> Program {
    let module = fetch::fetched(pinned, cache()).unwrap_or_else(|error| panic!("{error}"));
    Program::new(name, module.bytes().unwrap_or_else(|error| panic!("{error}")))
}

/// Where the runtime and compiled modules are kept: `$STRATAFS_CACHE`, else `stratafs-cache` in the target directory.
///
/// # Panics
/// When it cannot be made.
#[must_use]
pub fn cache() -> &'static CacheDir {
    static CACHE: OnceLock<CacheDir> = OnceLock::new();
    CACHE.get_or_init(|| {
        let opened = match std::env::var_os("STRATAFS_CACHE") {
            Some(_) => CacheDir::open(),
            None => CacheDir::at(&target_directory().join("stratafs-cache")),
        };
        opened.unwrap_or_else(|error| panic!("{error}"))
    })
}

/// The target directory: a test's executable is `target/PROFILE/deps/NAME`.
fn target_directory() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of the test");
    exe.ancestors().nth(3).expect("a target directory").to_owned()
}

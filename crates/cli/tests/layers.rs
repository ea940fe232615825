//! The layers as a guest sees them, and what comes out of them.

mod common;

use std::os::unix::fs::{MetadataExt, symlink};

use common::{Scratch, finish};

fn layered() -> Scratch {
    let scratch = Scratch::new();
    scratch.file("data/a.txt", "from the host\n");
    scratch.file("data/sub/b.txt", "deep\n");
    symlink("/data/a.txt", scratch.path("data/absolute")).unwrap();
    scratch.zip("tree.zip", &[("d/x.txt", "zipped\n"), ("y.txt", "why\n")]);
    scratch
}

/// Tries to write, and says what came of it.
const TRY: &str = "
import errno
def attempt(path):
  try:
    with open(path, 'w') as f: f.write('new')
    print('written')
  except OSError as e: print(errno.errorcode[e.errno])
";

#[test]
fn a_directory_is_read_only_and_stands_under_its_own_name() {
    let scratch = layered();
    let code = format!(
        "{TRY}print(open('/data/a.txt').read(), open('/data/absolute').read(), end='')\nattempt('/data/a.txt')\nattempt('/data/new')"
    );
    assert_eq!(scratch.says(&["--dir", "data", "-c", &code]), "from the host\n from the host\nEROFS\nEROFS\n");
    assert_eq!(scratch.read("data/a.txt"), "from the host\n");
    assert!(!scratch.path("data/new").exists());
    let done =
        finish(scratch.python(&["--dir", ".", "-c", "print(open('/data/a.txt').read())"]).current_dir(scratch.path("data")));
    assert_eq!(done.out, "from the host\n\n", "{done:?}");
}

#[test]
fn a_writable_directory_changes_the_host() {
    let scratch = layered();
    let code =
        "import os\nopen('/w/deep/new', 'w').write('x')\nos.rename('/w/deep/a.txt', '/w/deep/b')\nos.remove('/w/deep/sub/b.txt')";
    scratch.says(&["--dir-rw", "data::/w/deep", "-c", code]);
    assert_eq!((scratch.read("data/new").as_str(), scratch.read("data/b").as_str()), ("x", "from the host\n"));
    assert!(!scratch.path("data/a.txt").exists() && !scratch.path("data/sub/b.txt").exists());
}

#[test]
fn archives_memory_and_nested_layers() {
    let scratch = layered();
    let code = format!(
        "{TRY}import os
for path in '/m', '/m/n', '/m/n/data', '/m/n/data/z': print(path, sorted(os.listdir(path)))
print(open('/tree.zip/d/x.txt').read(), open('/m/n/data/z/y.txt').read(), end='')
for path in '/x', '/tmp/x', '/m/x', '/m/n/x', '/m/n/data/x', '/m/n/data/z/x', '/tree.zip/x': attempt(path)
try: os.rmdir('/m/n')
except OSError as e: print(errno.errorcode[e.errno])
try: os.rename('/m/x', '/m/n/y')
except OSError as e: print(errno.errorcode[e.errno])"
    );
    let layers =
        ["--zip", "tree.zip", "--zip", "tree.zip::/m/n/data/z", "--dir", "data::/m/n/data", "--mem", "/m/n", "--mem", "/m"];
    assert_eq!(
        scratch.says(&[&layers[..], &["-c", &code]].concat()),
        "/m ['n']\n/m/n ['data']\n/m/n/data ['a.txt', 'absolute', 'sub', 'z']\n/m/n/data/z ['d', 'y.txt']\nzipped\n why\n\
         written\nwritten\nwritten\nwritten\nEROFS\nEROFS\nEROFS\nEBUSY\nEXDEV\n"
    );
}

#[test]
fn the_tree_without_layers_and_with_one_at_its_root() {
    let scratch = layered();
    let listing = "import os; print(sorted(os.listdir('/')))";
    assert_eq!(scratch.says(&["-c", listing]), "['dev', 'etc', 'proc', 'tmp']\n");
    let motd = scratch.says(&["-c", "print(open('/etc/motd').read(), end='')"]);
    assert!(motd.starts_with("Welcome to stratafs "), "{motd}");
    assert_eq!(scratch.says(&["--dir", "data::/", "-c", listing]), "['a.txt', 'absolute', 'dev', 'proc', 'sub', 'tmp']\n");
    let code = "print(open('/dev/null').read() == '', len(open('/dev/urandom', 'rb').read(9)))";
    assert_eq!(scratch.says(&["-c", code]), "True 9\n");
}

#[test]
fn files_directories_and_links_come_out() {
    let scratch = layered();
    let code = "
import os
os.makedirs('/w/d/e')
open('/w/f', 'w').write('hello')
open('/w/d/g', 'w').write('deep')
os.symlink('f', '/w/link')
os.symlink('../../../../etc/passwd', '/w/d/out')
os.utime('/w/f', (1, 1e9))
";
    scratch.file("existing/keep", "kept");
    scratch.file("existing/f", "replaced");
    symlink(scratch.path("data/a.txt"), scratch.path("existing/link")).unwrap();
    let outs = ["--copy-out", "/w=existing", "--copy-out", "/w/f=file", "--copy-out", "/w/link=followed", "--copy-out", "/w/d=."];
    let done = finish(&mut scratch.python(&[&outs[..], &["-c", code]].concat()));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.err_lines().iter().all(|line| line.contains("/w/d/out is not copied out")), "{done:?}");
    for (name, contents) in [
        ("existing/keep", "kept"),
        ("existing/f", "hello"),
        ("existing/d/g", "deep"),
        ("file", "hello"),
        ("followed", "hello"),
        ("g", "deep"),
    ] {
        assert_eq!(scratch.read(name), contents, "{name}");
    }
    assert!(scratch.path("existing/d/e").is_dir() && scratch.path("e").is_dir());
    assert_eq!(std::fs::read_link(scratch.path("existing/link")).unwrap().as_os_str(), "f");
    assert_eq!(scratch.read("data/a.txt"), "from the host\n", "a link that stood there is replaced, not followed");
    assert!(scratch.path("existing/d/out").symlink_metadata().is_err());
    assert_eq!(scratch.path("file").metadata().unwrap().mtime(), 1_000_000_000);
}

#[test]
fn results_come_out_however_the_run_ends_and_a_missing_one_is_named() {
    let scratch = layered();
    for (code, exit) in [("raise SystemExit(3)", 3), ("import os; os.abort()", 134), ("while True: pass", 124)] {
        let code = format!("open('/tmp/out', 'w').write('{exit}')\n{code}");
        let done = finish(&mut scratch.python(&["--timeout", "3s", "--copy-out", "/tmp/out=out", "-c", &code]));
        assert_eq!((done.code, scratch.read("out")), (Some(exit), exit.to_string()), "{done:?}");
    }
    let done = finish(&mut scratch.python(&["--copy-out", "/none=out", "-c", "pass"]));
    assert_eq!((done.code, done.err_lines().len()), (Some(1), 1), "{done:?}");
    assert!(done.err.contains("--copy-out /none=out: /none: "), "{done:?}");
    let done = finish(&mut scratch.python(&["--copy-out", "/none=out", "-c", "raise SystemExit(7)"]));
    assert_eq!(done.code, Some(7), "the guest's own trouble comes first: {done:?}");
    let done = finish(&mut scratch.python(&["--copy-out", "/tmp=data/a.txt", "-c", "pass"]));
    assert!(done.code == Some(1) && done.err.contains("/tmp: is a directory, and data/a.txt is not"), "{done:?}");
}

#[test]
fn an_overlay_takes_every_change_and_the_host_stays() {
    let scratch = layered();
    let code = format!(
        "{TRY}import os
attempt('/w/a.txt'); attempt('/w/sub/new'); attempt('/w/d/x.txt')
os.rename('/w/sub', '/w/moved')
os.remove('/w/y.txt')
print(sorted(os.listdir('/w')), sorted(os.listdir('/w/moved')), open('/w/moved/b.txt').read(), end='')"
    );
    let done = finish(&mut scratch.python(&["--overlay", "data+tree.zip::/w", "--copy-out", "/w=out", "-c", &code]));
    assert_eq!(done.err_lines(), ["stratafs: /w/absolute is not copied out: a link that leads out of what is copied"]);
    assert_eq!(done.out, "written\nwritten\nwritten\n['a.txt', 'absolute', 'd', 'moved'] ['b.txt', 'new'] deep\n");
    for (name, contents) in
        [("out/a.txt", "new"), ("out/d/x.txt", "new"), ("out/moved/new", "new"), ("out/moved/b.txt", "deep\n")]
    {
        assert_eq!(scratch.read(name), contents, "{name}");
    }
    assert!(!scratch.path("out/sub").exists() && !scratch.path("out/y.txt").exists());
    assert_eq!((scratch.read("data/a.txt").as_str(), scratch.read("data/sub/b.txt").as_str()), ("from the host\n", "deep\n"));
    assert!(!scratch.path("data/moved").exists());
    let name = scratch.says(&["--overlay", "data", "-c", "print(open('/data/a.txt').read(), end='')"]);
    assert_eq!(name, "from the host\n");
}

#[test]
fn ghsa_4mq4_7rw3_vm5j_cve_2023_51661_a_guest_without_layers_makes_nothing_where_it_is_started() {
    let scratch = Scratch::new();
    scratch.file("there", "as it was");
    let outside = scratch.path("there");
    let code = format!(
        "{TRY}import os
for path in ['made', './made', '../made', '/made', '/tmp/made', {outside:?}]: attempt(path)
os.mkdir('made-dir'); os.symlink('/etc/passwd', 'made-link')
print(os.path.exists('/etc/passwd'), os.path.exists({outside:?}))"
    );
    let said = scratch.says(&["-c", &code]);
    assert_eq!(said, "written\nwritten\nwritten\nwritten\nwritten\nENOENT\nFalse False\n");
    let names: Vec<_> = std::fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["there"]);
    assert_eq!(scratch.read("there"), "as it was");
}

#[test]
fn faults_come_as_the_option_says_and_not_into_what_is_copied_out() {
    let scratch = layered();
    let code = "
import errno
for n in range(4):
  try:
    with open('/data/f', 'ab', buffering=0) as f: print(f.write(b'0123456789'))
  except OSError as e: print(errno.errorcode[e.errno])
try: print(open('/elsewhere', 'w').write('x'))
except OSError as e: print(errno.errorcode[e.errno])
";
    let rules = "write@2=EIO,write@3=short,full=18,read=EIO::/data";
    let said = scratch.says(&["--mem", "/data", "--fault", rules, "--copy-out", "/data/f=out", "-c", code]);
    assert_eq!(said, "10\nEIO\n5\n3\n1\n");
    assert_eq!(scratch.read("out"), "012345678901234012");
    let said = scratch.says(&[
        "--fault",
        "create@1=EROFS",
        "-c",
        "
try: open('/a', 'w')
except OSError as e: print(e.errno, type(e).__name__)
open('/a', 'w'); print(open('/etc/motd').read().count('stratafs') > 0)",
    ]);
    assert_eq!(said, "69 OSError\nTrue\n");
}

//! Layer options of the command line, and `--copy-out`, `--limit`, `--timeout` and `--fault`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::fault::FaultSpec;
use crate::layers::{CopyOutSpec, GuestPath, LayerOptions, LayerSpec, Lower, Source};
use crate::limits::{RunLimits, parse_size, parse_timeout};

/// A directory with what the options can name, which is the working directory from then on.
fn scene() -> &'static tempfile::TempDir {
    static SCENE: OnceLock<tempfile::TempDir> = OnceLock::new();
    SCENE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "a+b", "c::d", "a/sub", "-x", "\u{e4}"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let packed = stratafs::zipfs::pack::pack([stratafs::zipfs::pack::PackEntry::file("m", "x")]).unwrap();
        std::fs::write(dir.path().join("t.zip"), packed).unwrap();
        std::fs::write(dir.path().join("bad.zip"), "PK").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        std::env::set_current_dir(dir.path()).unwrap();
        dir
    })
}

/// One option in each line: its letter, then its value.
pub fn run(data: &[u8]) {
    let scene = scene();
    let mut lists: [Vec<OsString>; 5] = Default::default();
    let mut others = Vec::new();
    for line in data.split(|&b| b == b'\n').take(16) {
        let Some((&letter, value)) = line.split_first() else { continue };
        // A command line has no NUL, and the host's tree is left out but for this directory.
        if value.contains(&0) || value.starts_with(b"/") || value.windows(2).any(|two| two == b"..") {
            continue;
        }
        match b"drozm".iter().position(|&known| known == letter) {
            Some(list) => lists[list].push(OsString::from_vec(value.to_vec())),
            None => others.push((letter, value)),
        }
    }
    let mut heap = 0;
    let counted = allocation_counter::measure(|| {
        let [dir, dir_rw, overlay, zip, mem] = &lists;
        let layers = LayerOptions { dir, dir_rw, overlay, zip, mem }.parse();
        let known = layers.as_deref().unwrap_or_default();
        check_layers(known);
        judge(&layers);
        for (letter, value) in &others {
            other(*letter, value, known);
        }
    });
    heap += counted.bytes_max;
    assert!(heap <= 1 << 20, "{heap} bytes");
    assert_eq!(std::fs::read_dir(scene.path()).unwrap().count(), 10, "reading options makes no file");
}

/// An error is one line with what was given in it.
fn judge<T>(result: &Result<T>) {
    if let Err(error) = result {
        let text = error.to_string();
        assert!(matches!(error, Error::Usage(_)) && !text.is_empty(), "{text}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

fn check_layers(layers: &[LayerSpec]) {
    let mut depth = 0;
    for (n, layer) in layers.iter().enumerate() {
        let path = layer.guest.as_bytes();
        assert!(path.starts_with(b"/") && path.len() < stratafs::PATH_MAX);
        assert!(path == b"/" || !path.ends_with(b"/"));
        assert!(path == b"/" || path[1..].split(|&b| b == b'/').all(|name| stratafs::Name::new(name).is_ok()), "{:?}", layer.guest);
        assert_eq!(GuestPath::new(path).as_ref(), Ok(&layer.guest), "normalising twice changes nothing");
        assert!(layers[..n].iter().all(|other| other.guest != layer.guest), "two layers at one place");
        assert!(layer.guest.depth() >= depth, "an inner layer comes before its outer one");
        depth = layer.guest.depth();
        let real = |lower: &Lower| match lower {
            Lower::Dir(path) => path.is_absolute() && path.is_dir(),
            Lower::Zip(path) => path.is_absolute() && path.is_file(),
        };
        assert!(match &layer.source {
            Source::ReadOnly(lower) => real(lower),
            Source::Writable(path) => path.is_absolute() && path.is_dir(),
            Source::Overlay(lowers) => !lowers.is_empty() && lowers.iter().all(real),
            Source::Memory => true,
            Source::SingleFile(path) => path.is_file(),
        });
        for other in layers {
            if let Some(rest) = layer.guest.below(&other.guest) {
                assert!(!rest.starts_with(b"/") && other.guest.as_bytes().ends_with(rest));
            }
        }
    }
}

fn other(letter: u8, value: &[u8], layers: &[LayerSpec]) {
    let text = String::from_utf8_lossy(value);
    match letter {
        b'c' => judge(&CopyOutSpec::parse(OsStr::from_bytes(value))),
        b'l' => {
            let limits = RunLimits::parse(&[text.clone().into_owned()]);
            judge(&limits);
            assert!(limits.is_err() || text.contains('='));
        }
        b't' => {
            let timeout = parse_timeout(&text);
            judge(&timeout);
            assert!(timeout.is_err() || timeout.is_ok_and(|timeout| !timeout.is_zero()));
        }
        b's' => {
            if let Ok(size) = parse_size(&text) {
                assert!(size == 0 || text.starts_with(|c: char| c.is_ascii_digit()));
            }
        }
        b'f' => {
            let faults = FaultSpec::parse(&text, layers);
            judge(&faults);
            assert!(faults.is_err() || text.contains('='));
        }
        _ => {}
    }
}

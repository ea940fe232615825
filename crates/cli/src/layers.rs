//! The layer options: which piece of the host's disk, or of memory, stands where in the guest's tree.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Result, usage};

/// An absolute path in the guest, without `.`, `..`, empty components and trailing slash.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GuestPath(Vec<u8>);

impl GuestPath {
    /// Checks and normalises `bytes`.
    ///
    /// # Errors
    /// What is wrong, to be put after the path.
    pub fn new(bytes: &[u8]) -> std::result::Result<Self, String> {
        let shown = OsStr::from_bytes(bytes).display();
        if bytes.first() != Some(&b'/') {
            return Err(format!("the guest path `{shown}` is not absolute"));
        }
        let mut path = Vec::with_capacity(bytes.len());
        for name in bytes.split(|&b| b == b'/').filter(|name| !name.is_empty() && *name != b".") {
            if name == b".." {
                return Err(format!("the guest path `{shown}` must not contain `..`"));
            }
            if name.len() > stratafs::NAME_MAX {
                return Err(format!("the guest path `{shown}` has a name longer than {} bytes", stratafs::NAME_MAX));
            }
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if path.len() >= stratafs::PATH_MAX {
            return Err(format!("the guest path `{shown}` is longer than {} bytes", stratafs::PATH_MAX - 1));
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(GuestPath(path))
    }

    /// The path's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the guest's root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// Names between the root and here.
    #[must_use]
    pub fn depth(&self) -> usize {
        if self.is_root() { 0 } else { self.0.iter().filter(|&&b| b == b'/').count() }
    }

    /// The rest of `other` below this path, without a leading slash: empty when both are the same, `None` when it lies elsewhere.
    #[must_use]
    pub fn below<'a>(&self, other: &'a GuestPath) -> Option<&'a [u8]> {
        if self.is_root() {
            return other.0.strip_prefix(b"/");
        }
        let rest = other.0.strip_prefix(self.0.as_slice())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", OsStr::from_bytes(&self.0).display())
    }
}

impl fmt::Debug for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A read-only layer on the host's disk. The path is the real one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lower {
    /// A directory.
    Dir(PathBuf),
    /// A zip archive, as a tree.
    Zip(PathBuf),
}

/// What stands at a place of the guest's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One host directory or archive, read-only.
    ReadOnly(Lower),
    /// A host directory that the guest may write.
    Writable(PathBuf),
    /// Memory over read-only layers, the first on top.
    Overlay(Vec<Lower>),
    /// Memory.
    Memory,
    /// A directory that holds nothing but this one host file, read-only.
    SingleFile(PathBuf),
}

/// One layer, checked: the host's side exists and is of the right kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSpec {
    /// Where it stands in the guest.
    pub guest: GuestPath,
    /// What it is.
    pub source: Source,
    /// The option as it was given, for messages.
    pub given: String,
}

/// The layer options as they came.
#[derive(Debug, Default)]
pub struct LayerOptions<'a> {
    /// `--dir`
    pub dir: &'a [OsString],
    /// `--dir-rw`
    pub dir_rw: &'a [OsString],
    /// `--overlay`
    pub overlay: &'a [OsString],
    /// `--zip`
    pub zip: &'a [OsString],
    /// `--mem`
    pub mem: &'a [OsString],
}

impl LayerOptions<'_> {
    /// Checks every layer. Those nearer to the root come first, so that they can be mounted in this order.
    ///
    /// # Errors
    /// The first option that is wrong, or two options for one place.
    pub fn parse(&self) -> Result<Vec<LayerSpec>> {
        let mut layers = Vec::new();
        let kinds: [Kind<'_>; 5] = [
            ("--dir", self.dir, |text| on_host(text, |host| Ok(Source::ReadOnly(Lower::Dir(directory(host)?))))),
            ("--dir-rw", self.dir_rw, |text| on_host(text, |host| Ok(Source::Writable(directory(host)?)))),
            ("--overlay", self.overlay, |text| on_host(text, overlay)),
            ("--zip", self.zip, |text| on_host(text, |host| Ok(Source::ReadOnly(Lower::Zip(archive(host)?))))),
            ("--mem", self.mem, |text| Ok((GuestPath::new(text.as_bytes())?, Source::Memory))),
        ];
        for (option, texts, parse) in kinds {
            for text in texts {
                let given = format!("{option} {}", text.display());
                let (guest, source) = parse(text).map_err(|why| usage!("{given}: {why}"))?;
                layers.push(LayerSpec { guest, source, given });
            }
        }
        order(&mut layers)?;
        Ok(layers)
    }
}

/// An option's name, the values it was given, and how one is read.
type Kind<'a> = (&'static str, &'a [OsString], fn(&OsStr) -> Parsed);

type Parsed = std::result::Result<(GuestPath, Source), String>;

/// Sorts layers so that each comes after those that it lies in.
///
/// # Errors
/// Two layers at one place; both are named.
pub fn order(layers: &mut [LayerSpec]) -> Result<()> {
    for (i, layer) in layers.iter().enumerate() {
        if let Some(other) = layers[..i].iter().find(|other| other.guest == layer.guest) {
            let hint = "give one of them another ::GUEST path, or join them with --overlay A+B";
            return Err(usage!("`{}` and `{}` are both at {}; {hint}", other.given, layer.given, layer.guest));
        }
    }
    layers.sort_by_key(|layer| layer.guest.depth());
    Ok(())
}

/// What to say when a guest's path was written behind a single colon, and no file of the host has that name.
fn one_colon(given: &[u8], host: &[u8]) -> String {
    let at = given.windows(2).rposition(|pair| pair == b":/");
    match at
        .and_then(|at| given.get(at + 1..))
        .filter(|_| given.len() == host.len() && !Path::new(OsStr::from_bytes(host)).exists())
    {
        Some(guest) => format!(": the guest's path stands behind two colons, as in HOST::{}", String::from_utf8_lossy(guest)),
        None => String::new(),
    }
}

/// Splits `HOST[::GUEST]` at the last `::`, and finds the guest path when it is not given.
fn on_host(text: &OsStr, source: impl Fn(&OsStr) -> std::result::Result<Source, String>) -> Parsed {
    let bytes = text.as_bytes();
    let split = bytes.windows(2).rposition(|pair| pair == b"::");
    let (host, guest) = match split {
        Some(at) => (&bytes[..at], Some(GuestPath::new(&bytes[at + 2..])?)),
        None => (bytes, None),
    };
    if host.is_empty() {
        return Err("the host path is empty".to_owned());
    }
    let source = source(OsStr::from_bytes(host)).map_err(|why| why + &one_colon(bytes, host))?;
    let guest = match guest {
        Some(guest) => guest,
        None => default_place(&source)?,
    };
    Ok((guest, source))
}

/// `/` and the last component of the real host path; for an overlay that of its topmost layer.
fn default_place(source: &Source) -> std::result::Result<GuestPath, String> {
    let real = match source {
        Source::ReadOnly(Lower::Dir(path) | Lower::Zip(path)) | Source::Writable(path) | Source::SingleFile(path) => path,
        Source::Overlay(lowers) => match lowers.first() {
            Some(Lower::Dir(path) | Lower::Zip(path)) => path,
            None => return Err("names no layer".to_owned()),
        },
        Source::Memory => return Err("names no place".to_owned()),
    };
    let name = real.file_name().ok_or("the host's root has no name to stand under: add ::GUEST")?;
    GuestPath::new(&[b"/", name.as_bytes()].concat())
}

/// `LAYER[+LAYER…]`. What exists as it is written is one layer, so that a `+` in a name does no harm.
fn overlay(host: &OsStr) -> std::result::Result<Source, String> {
    if Path::new(host).exists() {
        return Ok(Source::Overlay(vec![lower(host)?]));
    }
    let parts = host.as_bytes().split(|&b| b == b'+').map(OsStr::from_bytes);
    parts.map(lower).collect::<std::result::Result<_, _>>().map(Source::Overlay)
}

fn lower(host: &OsStr) -> std::result::Result<Lower, String> {
    if host.is_empty() {
        return Err("a layer between `+` is empty".to_owned());
    }
    match std::fs::metadata(host) {
        Ok(meta) if meta.is_dir() => directory(host).map(Lower::Dir),
        Ok(_) => archive(host).map(Lower::Zip),
        Err(error) => Err(format!("{}: {}", host.display(), reason(&error))),
    }
}

/// The real path of a directory that can be listed.
fn directory(host: &OsStr) -> std::result::Result<PathBuf, String> {
    let shown = host.display();
    let real = std::fs::canonicalize(host).map_err(|error| format!("{shown}: {}", reason(&error)))?;
    let meta = std::fs::metadata(&real).map_err(|error| format!("{shown}: {}", reason(&error)))?;
    if !meta.is_dir() {
        return Err(format!("{shown} is not a directory"));
    }
    std::fs::read_dir(&real).map_err(|error| format!("{shown}: {}", reason(&error)))?;
    Ok(real)
}

/// Checks that `host` is a zip archive and finds its real path.
///
/// # Errors
/// What is wrong, to be put after the option.
pub fn zip_lower(host: &OsStr) -> std::result::Result<Lower, String> {
    archive(host).map(Lower::Zip)
}

/// The real path of a file that ends as a zip archive does. Whether all of it is sound is found when it is mounted.
fn archive(host: &OsStr) -> std::result::Result<PathBuf, String> {
    let shown = host.display();
    let say = |error: std::io::Error| format!("{shown}: {}", reason(&error));
    let real = std::fs::canonicalize(host).map_err(say)?;
    let meta = std::fs::metadata(&real).map_err(say)?;
    if !meta.is_file() {
        return Err(format!("{shown} is not a zip archive but a {}", if meta.is_dir() { "directory" } else { "special file" }));
    }
    let mut file = File::open(&real).map_err(say)?;
    // The end record is 22 bytes and may be followed by a comment of up to 65,535.
    let tail = meta.len().min(22 + 65_535);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(meta.len() - tail)).map_err(say)?;
    file.take(tail).read_to_end(&mut end).map_err(say)?;
    if end.windows(4).any(|four| four == b"PK\x05\x06") {
        Ok(real)
    } else {
        Err(format!("{shown} is not a zip archive, or is damaged: its end record is missing"))
    }
}

/// An error of the host in plain words, without the number.
#[must_use]
pub fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotADirectory => "a part of the path is not a directory".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// A directory of its own, at `guest`, for one host file.
///
/// # Errors
/// When it does not exist or is not a file.
pub fn single_file(host: &OsStr, guest: GuestPath) -> Result<LayerSpec> {
    let shown = host.display();
    let meta = std::fs::metadata(host).map_err(|error| usage!("{shown}: {}", reason(&error)))?;
    if meta.is_dir() {
        return Err(usage!("{shown} is a directory: mount it with --dir and give its path in the guest"));
    }
    if !meta.is_file() {
        return Err(usage!("{shown} is not a regular file"));
    }
    let real = std::fs::canonicalize(host).and_then(|real| File::open(&real).map(|_| real));
    let real = real.map_err(|error| usage!("{shown}: {}", reason(&error)))?;
    Ok(LayerSpec { guest, source: Source::SingleFile(real), given: format!("the script {shown}") })
}

/// `GUEST=HOST` of `--copy-out`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOutSpec {
    /// What is taken out of the guest's tree.
    pub guest: GuestPath,
    /// Where it goes; the directory that it stands in exists.
    pub host: PathBuf,
}

impl CopyOutSpec {
    /// Checks one option.
    ///
    /// # Errors
    /// The option when it is malformed or its host directory does not exist.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let shown = text.display();
        let at = text.as_bytes().iter().position(|&b| b == b'=');
        let at = at.ok_or_else(|| usage!("--copy-out {shown}: needs GUEST=HOST"))?;
        let (guest, host) = (&text.as_bytes()[..at], &text.as_bytes()[at + 1..]);
        let guest = GuestPath::new(guest).map_err(|why| usage!("--copy-out {shown}: {why}"))?;
        if host.is_empty() {
            return Err(usage!("--copy-out {shown}: the host path is empty"));
        }
        let host = PathBuf::from(OsString::from_vec(host.to_vec()));
        check_parent(&host).map_err(|why| usage!("--copy-out {shown}: {why}"))?;
        Ok(CopyOutSpec { guest, host })
    }
}

/// Checks that a file could be made at `path`: the directory that it stands in is there.
///
/// # Errors
/// What is wrong, to be put after the option.
pub fn check_parent(path: &Path) -> std::result::Result<(), String> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => return Ok(()),
    };
    match std::fs::metadata(parent) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(format!("{} is not a directory", parent.display())),
        Err(error) => Err(format!("{}: {}", parent.display(), reason(&error))),
    }
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;

//! The trees that guests run over, and how their output is compared.

use std::io::{Cursor, Write};

use stratafs::{Layer, Limits, Namespace, Tree};
use tempfile::TempDir;

use stratafs_conformance::real;

/// The directory that a guest is told to work in; there is one writable layer at `/work`.
pub const BASE: &str = "/work/guest";

/// A tree with a writable directory at `/work`, made of `layer`.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn tree(layer: Layer) -> Namespace {
    Tree::new(Limits::default()).layer("/work", layer).build().expect("the tree is built")
}

/// A small archive.
///
/// # Panics
/// Never, but for want of memory.
#[must_use]
pub fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("guest/lower.txt", zip::write::SimpleFileOptions::default()).expect("a member");
    zip.write_all(b"from the archive\n").expect("a member");
    zip.finish().expect("an archive").into_inner()
}

/// The trees that the programs run over, with what must outlive the run.
///
/// # Panics
/// When there is no scratch directory.
#[must_use]
pub fn trees() -> [(&'static str, Namespace, Option<TempDir>); 4] {
    let scratch = || real::scratch().expect("a scratch directory");
    let (host, lower) = (scratch(), scratch());
    std::fs::create_dir(lower.path().join("guest")).expect("a directory");
    let zip = Layer::ZipBytes("small.zip".to_owned(), archive().into());
    [
        ("memory", tree(Layer::Memory), None),
        ("host", tree(Layer::host_writable(host.path())), Some(host)),
        ("overlay over host", tree(Layer::Overlay(vec![Layer::host(lower.path())])), Some(lower)),
        ("overlay over zip", tree(Layer::Overlay(vec![zip])), None),
    ]
}

/// The first line that differs, for people.
#[must_use]
pub fn difference(found: &str, wanted: &str) -> Option<String> {
    let at = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    let at = at.or_else(|| {
        (found.lines().count() != wanted.lines().count()).then(|| found.lines().count().min(wanted.lines().count()))
    })?;
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    Some(format!("line {}: {}\n    on Linux: {}", at + 1, line(found), line(wanted)))
}

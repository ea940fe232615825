//! The backend over archives made here and by Python.

mod hostile;
mod reading;
mod tree;
mod writer;

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;
use crate::FileHandle;

fn limits(zip_cache: usize) -> Limits {
    Limits { zip_cache, ..Limits::default() }
}

fn mount(bytes: Vec<u8>) -> Arc<ZipFs> {
    ZipFs::from_bytes("t.zip", bytes, &Limits::default()).unwrap()
}

/// The archive from memory and from a file: every way of reading must do the same.
fn both(bytes: &[u8], limits: &Limits) -> [Arc<ZipFs>; 2] {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let memory = ZipFs::from_bytes("t.zip", bytes.to_vec(), limits).unwrap();
    [memory, ZipFs::from_file("t.zip", file, limits).unwrap()]
}

/// Finds a node by names alone; links are not followed.
fn find(fs: &ZipFs, path: &str) -> Result<ZipNode> {
    path.split('/')
        .filter(|n| !n.is_empty())
        .try_fold(fs.root(), |dir, name| Ok(fs.lookup(&dir, Name::new(name.as_bytes())?)?.node))
}

fn open(fs: &ZipFs, path: &str) -> Arc<dyn FileHandle> {
    match fs.open(&find(fs, path).unwrap(), Access::READ).unwrap() {
        Opened::File(file) => file,
        _ => panic!("{path} is not a file"),
    }
}

fn read_all(file: &dyn FileHandle) -> Result<Vec<u8>> {
    let (mut out, mut buf) = (Vec::new(), vec![0; 10_000]);
    loop {
        match file.read_at(&mut buf, out.len() as u64)? {
            0 => return Ok(out),
            n => out.extend(&buf[..n]),
        }
    }
}

fn read(fs: &ZipFs, path: &str) -> Result<Vec<u8>> {
    read_all(&*open(fs, path))
}

fn list(fs: &ZipFs, path: &str) -> Vec<(String, FileKind, Cookie)> {
    let mut names = Vec::new();
    fs.read_dir(&find(fs, path).unwrap(), 0, &mut |entry| {
        names.push((String::from_utf8_lossy(entry.name).into_owned(), entry.kind, entry.next));
        ControlFlow::Continue(())
    })
    .unwrap();
    names
}

/// Walks the whole tree: every attribute, every listing, every byte. Files must be readable or `EIO`.
fn visit(fs: &ZipFs) {
    let mut left = vec![fs.root()];
    while let Some(dir) = left.pop() {
        fs.read_dir(&dir, 0, &mut |entry| {
            let found = fs.lookup(&dir, Name::new(entry.name).unwrap()).unwrap();
            assert_eq!((found.kind, fs.key(&found.node)), (entry.kind, entry.ino));
            let stat = fs.stat(&found.node).unwrap();
            assert_eq!(fs.parent(&found.node), Ok(dir));
            match found.kind {
                FileKind::Directory => {
                    assert_eq!(fs.name_of(&found.node).unwrap(), entry.name);
                    left.push(found.node);
                }
                FileKind::Symlink => match fs.read_link(&found.node) {
                    Ok(target) => assert_eq!(target.len() as u64, stat.size),
                    Err(errno) => assert_eq!(errno, Errno::EIO),
                },
                _ => {
                    let Ok(Opened::File(file)) = fs.open(&found.node, Access::READ) else { panic!("not a file") };
                    match read_all(&*file) {
                        Ok(data) => assert_eq!(data.len() as u64, stat.size),
                        Err(errno) => assert_eq!(errno, Errno::EIO),
                    }
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }
}

/// Bytes that deflate packs a little, and no run of which is like another.
fn noise(len: usize) -> Vec<u8> {
    let mut x = 1u32;
    let step = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (x >> 24) as u8 & 0x3f
    };
    (0..len).map(step).collect()
}

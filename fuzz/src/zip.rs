//! Archives: opened, listed, and read to the end within a budget.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use stratafs::zipfs::ZipFs;
use stratafs::{Access, FileKind, Name, NodeRef, Opened};

use crate::trees;

/// Bytes that are read of one member, and of all of them: a bomb is left there.
const MEMBER: u64 = 512 << 10;
const ALL: u64 = 2 << 20;

/// Mounts `data` as an archive.
pub fn run(data: &[u8]) {
    let limits = trees::limits();
    // Once the archive itself, a node and a name for each entry of its directory, the cache, and what inflating needs.
    let bound = 16 * data.len() as u64 + limits.zip_cache as u64 + (512 << 10);
    let archive = data.to_vec();
    let heap = allocation_counter::measure(move || {
        let opened = ZipFs::from_bytes("fuzzed.zip", archive, &limits);
        let zip = match opened {
            Ok(zip) => zip,
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("fuzzed.zip") && text.len() < 2000, "{text}");
                return;
            }
        };
        walk(&zip);
        assert!(zip.cached() <= limits.zip_cache, "the cache holds {} bytes", zip.cached());
    });
    assert!(heap.bytes_max <= bound, "{} bytes for an archive of {}", heap.bytes_max, data.len());
    assert!(heap.bytes_current <= 0, "{} bytes are left", heap.bytes_current);
}

fn walk(zip: &std::sync::Arc<ZipFs>) {
    let root = NodeRef::root_of(zip);
    let mut todo = VecDeque::from([root]);
    let (mut left, mut nodes) = (ALL, 0);
    while let Some(dir) = todo.pop_front() {
        let mut names = Vec::new();
        dir.read_dir(0, &mut |entry| {
            names.push((entry.name.to_vec(), entry.kind, entry.ino));
            ControlFlow::Continue(())
        })
        .unwrap();
        for (name, kind, ino) in names {
            nodes += 1;
            let name = Name::new(&name).expect("a listed name is a name");
            let found = dir.lookup(name).expect("what is listed is there");
            let stat = found.node.stat().unwrap();
            assert_eq!((found.kind, stat.kind, stat.ino), (kind, kind, ino));
            match kind {
                FileKind::Directory => {
                    assert!(found.node.parent().unwrap().is(&dir));
                    todo.push_back(found.node);
                }
                FileKind::Symlink => {
                    if let Ok(target) = found.node.read_link() {
                        assert_eq!(target.len() as u64, stat.size);
                    }
                }
                _ => read(&found.node, stat.size, &mut left),
            }
        }
    }
    assert!(nodes <= zip.nodes());
}

/// Reads a member from its start to its end, and once in the middle.
fn read(node: &NodeRef, size: u64, left: &mut u64) {
    let Ok(Opened::File(file)) = node.open(Access::READ) else { return };
    let mut buf = vec![0; 16 << 10];
    let (mut at, end) = (0, MEMBER.min(*left));
    while at < end {
        match file.read_at(&mut buf, at) {
            Ok(0) => {
                assert_eq!(at, size, "a member that reads well has the size that it tells");
                break;
            }
            Ok(n) => at += n as u64,
            Err(_) => break,
        }
        assert!(at <= size, "{at} bytes of a member of {size}");
    }
    *left -= at.min(*left);
    let _ = file.read_at(&mut buf, size / 2);
    let _ = file.read_at(&mut buf, u64::MAX);
}

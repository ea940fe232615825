//! Files in a guest's memory: what is refused in which order, what is loaded, what is written back.

use super::*;
use crate::Errno::*;

const PAGE: usize = 4096;
const READ: MapHow = MapHow { write: false, shared: true };
const WRITE: MapHow = MapHow { write: true, shared: true };
const PRIVATE: MapHow = MapHow { write: true, shared: false };

/// A file with these bytes, open for reading and writing.
fn file(p: &mut Process, path: &str, bytes: &[u8]) -> Fd {
    let fd = open(p, path, &OpenHow { create: true, ..read_write() }).unwrap();
    assert_eq!(write(p, fd, bytes), Ok(bytes.len()));
    fd
}

fn contents(p: &mut Process, fd: Fd) -> Vec<u8> {
    let mut all = vec![0; 1 << 20];
    let n = p.pread(fd, &mut OneBuf(&mut all), 0).unwrap();
    all.truncate(n);
    all
}

/// Maps the file and loads it into memory of its own.
fn load(p: &Process, fd: Fd, offset: u64, len: usize, how: MapHow) -> (Mapping, Vec<u8>) {
    let mut mapping = p.map(fd, offset, len as u64, how).unwrap();
    let mut memory = vec![0xAA; len];
    mapping.load(&mut memory).unwrap();
    (mapping, memory)
}

#[test]
fn each_refusal_comes_before_the_next() {
    let limits = Limits { mappings: 1, ..Limits::default() };
    let root = MemFs::new(Budget::of(&limits), &limits);
    let mut p = Process::builder(Namespace::new(NodeRef::root_of(&root), &limits), limits).build().unwrap();
    let both = file(&mut p, "/f", b"text");
    let only_write = open(&mut p, "/f", &OpenHow::new(Access::WRITE)).unwrap();
    let only_read = open(&mut p, "/f", &OpenHow::read()).unwrap();
    let place = open(&mut p, "/f", &OpenHow { kind: crate::FileType::Path, ..OpenHow::read() }).unwrap();
    let dir = open(&mut p, "/", &OpenHow::read()).unwrap();
    let (reads, writes) = p.pipe(false, false).unwrap();
    let nobody = Fd::new(99);
    let fails = |p: &Process, fd, offset, len, how| p.map(fd, offset, len, how).map(|_| ()).unwrap_err();

    for fd in [nobody, dir, both] {
        assert_eq!(fails(&p, fd, 1, 0, WRITE), EINVAL, "{fd:?}");
        assert_eq!(fails(&p, fd, PAGE as u64 + 1, 1, READ), EINVAL, "{fd:?}");
    }
    assert_eq!(fails(&p, nobody, 0, 0, WRITE), EBADF);
    assert_eq!(fails(&p, place, 0, 0, READ), EBADF);
    for fd in [dir, writes, only_write, both] {
        assert_eq!(fails(&p, fd, 0, 0, WRITE), EINVAL, "{fd:?}");
    }
    let (kept, _) = load(&p, both, 0, 4, WRITE);
    p.keep_mapping(0, kept);
    for fd in [dir, writes, only_write, only_read, both] {
        assert_eq!(fails(&p, fd, 0, 1, WRITE), ENOMEM, "{fd:?}");
    }
    p.unmap(0);
    for how in [READ, WRITE, PRIVATE] {
        assert_eq!(fails(&p, only_write, 0, 1, how), EACCES);
        assert_eq!(fails(&p, writes, 0, 1, how), EACCES);
    }
    for fd in [only_read, dir, reads] {
        assert_eq!(fails(&p, fd, 0, 1, WRITE), EACCES, "{fd:?}");
    }
    for (fd, how) in [(dir, READ), (dir, PRIVATE), (reads, READ), (reads, PRIVATE)] {
        assert_eq!(fails(&p, fd, 0, 1, how), ENODEV, "{fd:?}");
    }
    for (fd, how) in [(only_read, READ), (only_read, PRIVATE), (both, WRITE)] {
        assert!(p.map(fd, 0, 1, how).is_ok(), "{fd:?}");
    }
}

#[test]
fn so_many_mappings_and_no_more() {
    let limits = Limits { mappings: 3, ..Limits::default() };
    let root = MemFs::new(Budget::of(&limits), &limits);
    let mut p = Process::builder(Namespace::new(NodeRef::root_of(&root), &limits), limits).build().unwrap();
    let fd = file(&mut p, "/f", b"text");
    for at in 0..3 {
        let (mapping, _) = load(&p, fd, 0, 4, READ);
        p.keep_mapping(at * 100, mapping);
    }
    assert_eq!(p.map(fd, 0, 4, READ).map(|_| ()), Err(ENOMEM));
    p.unmap(50);
    assert_eq!(p.map(fd, 0, 4, READ).map(|_| ()), Err(ENOMEM));
    p.unmap(100);
    assert!(p.map(fd, 0, 4, READ).is_ok());
}

#[test]
fn loading_gives_the_file_and_zeros_past_its_end() {
    let mut p = process();
    let bytes: Vec<u8> = (0..PAGE + 10).map(|n| n as u8 | 1).collect();
    let fd = file(&mut p, "/f", &bytes);
    let (mapping, memory) = load(&p, fd, 0, 3 * PAGE, READ);
    assert_eq!(memory[..bytes.len()], bytes);
    assert!(memory[bytes.len()..].iter().all(|&byte| byte == 0));
    assert_eq!((mapping.len(), mapping.is_empty()), (3 * PAGE, false));

    let (_, memory) = load(&p, fd, PAGE as u64, 20, READ);
    assert_eq!(memory[..10], bytes[PAGE..]);
    assert_eq!(memory[10..], [0; 10]);
    let (_, memory) = load(&p, fd, (i64::MAX as u64 + 1) - PAGE as u64, 20, READ);
    assert_eq!(memory, [0; 20]);

    // In pieces, as the guest's memory is filled.
    let mut mapping = p.map(fd, 0, bytes.len() as u64, WRITE).unwrap();
    assert!(mapping.is_empty());
    let mut memory = vec![0xAA; bytes.len()];
    let (first, second) = memory.split_at_mut(PAGE);
    mapping.load(first).unwrap();
    mapping.load(second).unwrap();
    assert_eq!(memory, bytes);
    memory[PAGE + 1] = b'!';
    mapping.store(&memory).unwrap();
    assert_eq!(contents(&mut p, fd)[PAGE + 1], b'!');
}

#[test]
fn only_changed_pages_are_written() {
    let mut p = process();
    let fd = file(&mut p, "/f", &[b'.'; 3 * PAGE]);
    let (mut mapping, mut memory) = load(&p, fd, 0, 3 * PAGE, WRITE);
    let (mut other, mut its) = load(&p, fd, 0, 3 * PAGE, WRITE);
    memory[5] = b'a';
    its[PAGE + 5] = b'b';
    mapping.store(&memory).unwrap();
    other.store(&its).unwrap();
    let both = contents(&mut p, fd);
    assert_eq!((both[5], both[PAGE + 5]), (b'a', b'b'));
    assert_eq!(both.iter().filter(|&&byte| byte != b'.').count(), 2);

    // What was stored once is not stored again, unless it changes again.
    p.pwrite(fd, &[IoSlice::new(b"c")], 5).unwrap();
    mapping.store(&memory).unwrap();
    assert_eq!(contents(&mut p, fd)[5], b'c');
    memory[5] = b'd';
    mapping.store(&memory).unwrap();
    assert_eq!(contents(&mut p, fd)[5], b'd');
}

#[test]
fn two_processes_keep_what_each_wrote_to_its_page() {
    let fs = mem();
    let (mut one, mut two) = (start(tree(&fs)), start(tree(&fs)));
    let first = file(&mut one, "/f", &[b'.'; 2 * PAGE]);
    let second = open(&mut two, "/f", &read_write()).unwrap();
    let (mut here, mut memory) = load(&one, first, 0, 2 * PAGE, WRITE);
    let (mut there, mut its) = load(&two, second, 0, 2 * PAGE, WRITE);
    memory[0] = b'1';
    its[PAGE] = b'2';
    there.store(&its).unwrap();
    here.store(&memory).unwrap();
    let both = contents(&mut two, second);
    assert_eq!((both[0], both[PAGE]), (b'1', b'2'));
}

#[test]
fn a_file_neither_grows_nor_comes_back_through_a_mapping() {
    let mut p = process();
    let fd = file(&mut p, "/f", b"0123456789");
    let (mut mapping, mut memory) = load(&p, fd, 0, 2 * PAGE, WRITE);
    memory[9] = b'x';
    memory[10] = b'y';
    memory[PAGE] = b'z';
    mapping.store(&memory).unwrap();
    assert_eq!(contents(&mut p, fd), b"012345678x");
    p.ftruncate(fd, 4).unwrap();
    memory[0] = b'a';
    mapping.store(&memory).unwrap();
    assert_eq!(contents(&mut p, fd), b"a123");
}

#[test]
fn what_is_private_or_only_read_is_never_written() {
    let mut p = process();
    let fd = file(&mut p, "/f", b"text");
    for how in [PRIVATE, READ] {
        let (mut mapping, mut memory) = load(&p, fd, 0, 4, how);
        memory.fill(b'!');
        mapping.store(&memory).unwrap();
        assert_eq!(contents(&mut p, fd), b"text");
    }
}

#[test]
fn a_mapping_outlives_its_descriptor_and_its_name() {
    let mut p = process();
    let fd = file(&mut p, "/f", b"text");
    let (mut mapping, mut memory) = load(&p, fd, 0, 4, WRITE);
    let second = p.dup(fd, Fd::new(0), false).unwrap();
    p.close(fd).unwrap();
    unlink(&mut p, "/f").unwrap();
    memory[0] = b'T';
    mapping.store(&memory).unwrap();
    assert_eq!(contents(&mut p, second), b"Text");
}

#[test]
fn a_new_mapping_takes_the_place_of_those_it_covers() {
    let mut p = process();
    let fd = file(&mut p, "/f", b"text");
    let keep = |p: &mut Process, at: u64, len: usize| {
        let (mapping, _) = load(p, fd, 0, len, READ);
        p.keep_mapping(at, mapping);
    };
    let kept = |p: &mut Process| p.mappings().map(|(at, mapping)| (at, mapping.len())).collect::<Vec<_>>();
    for at in [0, 100, 200, 300] {
        keep(&mut p, at, 100);
    }
    keep(&mut p, 150, 100);
    assert_eq!(kept(&mut p), [(0, 100), (150, 100), (300, 100)]);
    keep(&mut p, 150, 10);
    assert_eq!(kept(&mut p), [(0, 100), (150, 10), (300, 100)]);
    keep(&mut p, 100, 50);
    assert_eq!(kept(&mut p), [(0, 100), (100, 50), (150, 10), (300, 100)]);
    keep(&mut p, 0, 400);
    assert_eq!(kept(&mut p), [(0, 400)]);
    assert!(p.mapping(0).is_some() && p.mapping(1).is_none());
    p.unmap(1);
    p.unmap(0);
    assert_eq!(kept(&mut p), []);
}

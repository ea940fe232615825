//! File data, and what it is charged with.

use proptest::prelude::*;

use super::*;
use crate::memfs::data::CHUNK;

#[test]
fn a_hole_costs_nothing_and_reads_as_zero() {
    let budget = Budget::new(1 << 20, 10);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let f = file(&fs, "f");
    let empty = budget.bytes_used();
    fs.set_attr(&f, &SetAttr::size(1 << 40)).unwrap();
    assert_eq!(budget.bytes_used(), empty);
    assert_eq!(fs.stat(&f).unwrap().blocks, 0);
    let mut buf = [1; 100];
    assert_eq!(f.read_at(&mut buf, (1 << 40) - 50), Ok(50));
    assert_eq!(buf[..50], [0; 50]);
    assert_eq!(f.read_at(&mut buf, 1 << 40), Ok(0));
    assert_eq!(f.read_at(&mut buf, u64::MAX), Ok(0));
}

#[test]
fn a_write_at_the_far_end_costs_one_chunk_and_past_it_is_efbig() {
    let budget = Budget::new(1 << 20, 10);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let f = file(&fs, "f");
    let empty = budget.bytes_used();
    let end = i64::MAX as u64;
    assert_eq!(write(&f, b"ab", end - 1), Ok(1));
    assert!(budget.bytes_used() - empty <= CHUNK as u64);
    assert_eq!(fs.stat(&f).unwrap().size, end);
    assert_eq!(write(&f, b"a", end), Err(Errno::EFBIG));
    assert_eq!(write(&f, b"a", u64::MAX), Err(Errno::EFBIG));
    assert_eq!(f.append(&[IoSlice::new(b"a")]), Err(Errno::EFBIG));
    assert_eq!(fs.set_attr(&f, &SetAttr::size(end + 1)), Err(Errno::EFBIG));
    assert_eq!(f.allocate(end, 1), Err(Errno::EFBIG));
    let mut buf = [0; 4];
    assert_eq!(f.read_at(&mut buf, end - 2), Ok(2));
    assert_eq!(buf[..2], [0, b'a']);
    fs.set_attr(&f, &SetAttr::size(0)).unwrap();
    assert_eq!(budget.bytes_used(), empty);
}

#[test]
fn buffers_of_one_call_follow_each_other_and_appends_go_to_the_end() {
    let fs = fs();
    let f = file(&fs, "f");
    assert_eq!(f.write_at(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")], 1), Ok(4));
    assert_eq!(f.append(&[IoSlice::new(b"e"), IoSlice::new(b"f")]), Ok((2, 7)));
    assert_eq!(read(&f), b"\0abcdef");
    assert_eq!(f.write_at(&[IoSlice::new(b"")], 100), Ok(0));
    assert_eq!(f.write_at(&[], u64::MAX), Ok(0));
    assert_eq!(read(&f).len(), 7);
}

#[test]
fn what_was_cut_off_reads_as_zero_when_the_file_grows_again() {
    let fs = fs();
    let f = file(&fs, "f");
    write(&f, &vec![7; 3 * CHUNK], 0).unwrap();
    fs.set_attr(&f, &SetAttr::size(CHUNK as u64 + 5)).unwrap();
    fs.set_attr(&f, &SetAttr::size(3 * CHUNK as u64)).unwrap();
    let bytes = read(&f);
    assert_eq!(bytes.len(), 3 * CHUNK);
    assert!(bytes[..CHUNK + 5].iter().all(|&b| b == 7));
    assert!(bytes[CHUNK + 5..].iter().all(|&b| b == 0));
}

#[test]
fn a_full_budget_gives_a_short_write_then_enospc_and_the_rest_still_works() {
    let budget = Budget::new(65 + 1000, 10);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let f = file(&fs, "f");
    assert_eq!(write(&f, &[1; 700], 0), Ok(700));
    assert_eq!(f.append(&[IoSlice::new(&[2; 200]), IoSlice::new(&[3; 200])]), Ok((300, 1000)));
    assert_eq!(f.append(&[IoSlice::new(b"x")]), Err(Errno::ENOSPC));
    assert_eq!(write(&f, b"x", 1 << 30), Err(Errno::ENOSPC));
    assert_eq!(fs.stat(&f).unwrap().size, 1000);
    assert_eq!(budget.bytes_used(), budget.bytes_max());
    assert_eq!(write(&f, b"y", 0), Ok(1), "writing in place needs nothing");
    assert_eq!(f.append(&[IoSlice::new(b"")]), Ok((0, 1000)));
    assert_eq!(make(&fs, "g", NewKind::File).unwrap_err(), Errno::ENOSPC);
    unlink(&fs, "f").unwrap();
    assert_eq!(read(&f).len(), 1000, "the open file lives on");
    drop(f);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

#[test]
fn many_chunks_in_order_are_charged_with_what_they_hold() {
    let budget = Budget::unlimited();
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let f = file(&fs, "f");
    let before = budget.bytes_used();
    for n in 0..64 * 16 {
        assert_eq!(f.append(&[IoSlice::new(&[n as u8; 4096])]).unwrap().0, 4096);
    }
    assert_eq!(budget.bytes_used() - before, 64 * CHUNK as u64);
    assert_eq!(fs.stat(&f).unwrap().blocks, 64 * 128);
    assert_eq!(read(&f)[4096 * 300], 300_u16 as u8);
}

#[test]
fn host_bytes_are_shared_until_written() {
    let budget = Budget::new(1 << 20, 10);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let host = Bytes::from(vec![5; 2 * CHUNK + 10]);
    let f = fs.insert_file(&fs.root(), name("f"), host.clone(), 0o600).unwrap();
    let named = budget.bytes_used() - host.len() as u64;
    assert!(!host.is_unique());
    assert_eq!(fs.stat(&f).unwrap().mode, 0o600);
    assert_eq!(read(&f), host);
    assert_eq!(write(&f, b"xy", 2 * CHUNK as u64 + 9), Ok(2));
    assert_eq!(write(&f, b"z", 0), Ok(1));
    assert!(host.iter().all(|&b| b == 5), "the host's bytes stay");
    let bytes = read(&f);
    assert_eq!((bytes[0], bytes[1], bytes.len()), (b'z', 5, 2 * CHUNK + 11));
    assert_eq!(bytes[2 * CHUNK + 8..], *b"\x05xy");
    fs.set_attr(&f, &SetAttr::size(CHUNK as u64 + 10)).unwrap();
    assert_eq!(budget.bytes_used(), named + CHUNK as u64 + 10);
    unlink(&fs, "f").unwrap();
    drop(f);
    assert_eq!(budget.bytes_used(), 0);
    assert!(host.is_unique());
    let big = Bytes::from(vec![0; (1 << 20) + 1]);
    assert_eq!(fs.insert_file(&fs.root(), name("g"), big, 0o600).unwrap_err(), Errno::ENOSPC);
    assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
}

#[test]
fn shared_bytes_can_be_overwritten_with_a_full_budget() {
    let budget = Budget::new(65 + 10, 10);
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let f = fs.insert_file(&fs.root(), name("f"), Bytes::from_static(b"0123456789"), 0o600).unwrap();
    assert_eq!(write(&f, b"abcd", 8), Ok(2));
    assert_eq!(read(&f), b"01234567ab");
    assert_eq!(write(&f, b"abcd", 10), Err(Errno::ENOSPC));
}

#[test]
fn allocate_grows_and_never_shrinks_and_asks_the_budget() {
    let budget = Budget::new(65 + CHUNK as u64, 10);
    let fs = MemFs::new(budget, &Limits::default());
    let f = file(&fs, "f");
    f.allocate(10, 20).unwrap();
    assert_eq!(fs.stat(&f).unwrap().size, 30);
    f.allocate(0, 5).unwrap();
    assert_eq!(fs.stat(&f).unwrap().size, 30);
    assert_eq!(f.allocate(0, CHUNK as u64 + 1), Err(Errno::ENOSPC));
    assert_eq!(fs.stat(&f).unwrap().size, 30);
    write(&f, &[1; CHUNK], 0).unwrap();
    f.allocate(0, CHUNK as u64).unwrap();
    assert_eq!(f.allocate(CHUNK as u64, 1), Err(Errno::ENOSPC));
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64, usize),
    Append(usize),
    Cut(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let place = prop_oneof![0..2000_u64, 0..300_000_u64, 3_000_000..3_400_000_u64];
    let length = prop_oneof![0..700_usize, 0..150_000_usize];
    prop_oneof![
        (place.clone(), length.clone()).prop_map(|(at, n)| Step::Write(at, n)),
        length.prop_map(Step::Append),
        place.prop_map(Step::Cut),
    ]
}

fn run(steps: &[Step], budget: &Budget, start: Vec<u8>) -> std::result::Result<(), TestCaseError> {
    let fs = MemFs::new(budget.clone(), &Limits::default());
    let mut model = start.clone();
    let Ok(f) = fs.insert_file(&fs.root(), name("f"), start.into(), 0o600) else { return Ok(()) };
    for (n, step) in (1..).zip(steps) {
        let (offset, length) = match *step {
            Step::Cut(size) => {
                fs.set_attr(&f, &SetAttr::size(size)).unwrap();
                model.resize(usize::try_from(size).unwrap(), 0);
                continue;
            }
            Step::Write(offset, length) => (usize::try_from(offset).unwrap(), length),
            Step::Append(length) => (model.len(), length),
        };
        let bytes = vec![n; length];
        let (head, tail) = bytes.split_at(length / 3);
        let bufs = [IoSlice::new(head), IoSlice::new(tail)];
        let written = if let Step::Append(_) = step { f.append(&bufs).map(|(n, _)| n) } else { f.write_at(&bufs, offset as u64) };
        let written = match written {
            Ok(written) => written,
            Err(errno) => {
                prop_assert_eq!(errno, Errno::ENOSPC);
                prop_assert!(length > 0);
                continue;
            }
        };
        prop_assert!(written == length || budget.bytes_max() < u64::MAX);
        if written > 0 {
            model.resize(model.len().max(offset + written), 0);
            model[offset..offset + written].fill(n);
        }
        prop_assert!(budget.bytes_used() <= budget.bytes_max());
    }
    prop_assert!(read(&f) == model);
    let leaf = f.leaf().unwrap().read();
    if let Contents::File(data) = &*leaf {
        prop_assert_eq!(data.charged() + 65, budget.bytes_used());
        prop_assert!(data.missing(0, data.size()) <= data.size());
    }
    drop(leaf);
    drop((f, fs));
    prop_assert_eq!((budget.bytes_used(), budget.inodes_used()), (0, 0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_is_a_vector_of_bytes(steps in prop::collection::vec(step(), 0..30), start in 0..200_000_usize) {
        run(&steps, &Budget::unlimited(), vec![0xEE; start])?;
    }

    #[test]
    fn a_file_is_a_vector_of_bytes_when_space_runs_out(steps in prop::collection::vec(step(), 0..30), max in 100..500_000_u64) {
        run(&steps, &Budget::new(max, 10), vec![0xEE; 10])?;
    }
}

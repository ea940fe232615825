//! Reading and writing at offsets, vectored, appending; lseek.

use crate::case::cases;
use crate::posix::{Errno::*, *};

cases! {
    read_and_write_move_the_offset,
    a_read_at_the_end_is_empty_and_past_it_too,
    a_read_of_zero_bytes_is_empty,
    a_write_of_zero_bytes_changes_nothing,
    pread_and_pwrite_leave_the_offset,
    pread_past_the_end_is_empty,
    pwrite_past_the_end_leaves_zeros,
    pread_and_pwrite_at_a_negative_offset_are_einval,
    readv_fills_its_buffers_in_order,
    readv_at_the_end_is_short,
    writev_writes_its_buffers_in_order,
    writev_without_buffers_writes_nothing,
    append_writes_go_to_the_end,
    append_moves_the_offset_to_the_end,
    append_reads_from_the_offset,
    append_sees_what_others_wrote,
    pwrite_with_append_goes_to_the_end,
    append_after_truncate_starts_at_the_new_end,
    lseek_from_start_current_and_end,
    lseek_before_the_start_is_einval_and_stays,
    lseek_past_the_end_is_allowed_and_grows_nothing,
    a_write_past_the_end_leaves_a_hole_of_zeros,
    lseek_overflow_is_einval_or_eoverflow,
    a_large_write_comes_back_whole,
    overlapping_writes_win_in_order,
    writes_across_many_chunks_keep_their_places,
    reads_of_odd_sizes_add_up,
    a_write_in_the_middle_leaves_the_rest,
    fsync_works_on_files_and_directories,
    pread_of_a_directory_looks_at_the_range_first,
}

fn read_and_write_move_the_offset(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.write(fd, "hello"), Ok(5));
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(5));
    os.lseek(fd, Whence::Set, 1).unwrap();
    assert_eq!(os.read(fd, 2).unwrap(), b"el");
    assert_eq!(os.write(fd, "X"), Ok(1));
    assert_eq!(os.read(fd, 10).unwrap(), b"o");
    assert_eq!(os.get("f").unwrap(), "helXo");
}

fn a_read_at_the_end_is_empty_and_past_it_too(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.read(fd, 10).unwrap(), b"abc");
    assert_eq!(os.read(fd, 10).unwrap(), b"");
    os.lseek(fd, Whence::Set, 100).unwrap();
    assert_eq!(os.read(fd, 10).unwrap(), b"");
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(100));
}

fn a_read_of_zero_bytes_is_empty(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.read(fd, 0).unwrap(), b"");
    assert_eq!(os.readv(fd, &[]).unwrap(), b"");
    assert_eq!(os.read(fd, 1).unwrap(), b"a");
}

fn a_write_of_zero_bytes_changes_nothing(os: &mut dyn Posix) {
    os.put("f", "abc");
    os.utimens("f", When::at(1, 0), When::at(1, 0)).unwrap();
    let fd = os.open("f", O_WRONLY).unwrap();
    os.lseek(fd, Whence::Set, 10).unwrap();
    assert_eq!(os.write(fd, ""), Ok(0));
    assert_eq!(os.pwrite(fd, "", 100), Ok(0));
    let stat = os.fstat(fd).unwrap();
    assert_eq!((stat.size, stat.mtime.sec), (3, 1));
}

fn pread_and_pwrite_leave_the_offset(os: &mut dyn Posix) {
    os.put("f", "abcdef");
    let fd = os.open("f", O_RDWR).unwrap();
    os.lseek(fd, Whence::Set, 2).unwrap();
    assert_eq!(os.pread(fd, 2, 4).unwrap(), b"ef");
    assert_eq!(os.pwrite(fd, "X", 0), Ok(1));
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(2));
    assert_eq!(os.get("f").unwrap(), "Xbcdef");
}

fn pread_past_the_end_is_empty(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.pread(fd, 10, 3).unwrap(), b"");
    assert_eq!(os.pread(fd, 10, 1 << 50).unwrap(), b"");
    assert_eq!(os.pread(fd, 10, 2).unwrap(), b"c");
}

fn pwrite_past_the_end_leaves_zeros(os: &mut dyn Posix) {
    os.put("f", "ab");
    let fd = os.open("f", O_RDWR).unwrap();
    assert_eq!(os.pwrite(fd, "z", 5), Ok(1));
    assert_eq!(os.pread(fd, 10, 0).unwrap(), b"ab\0\0\0z");
}

fn pread_and_pwrite_at_a_negative_offset_are_einval(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.pread(fd, 1, u64::MAX), Err(EINVAL));
    assert_eq!(os.pwrite(fd, "x", u64::MAX), Err(EINVAL));
    assert_eq!(os.pwrite(fd, "x", 1 << 63), Err(EINVAL));
}

fn readv_fills_its_buffers_in_order(os: &mut dyn Posix) {
    os.put("f", "abcdefgh");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.readv(fd, &[2, 0, 3]).unwrap(), b"abcde");
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(5));
}

fn readv_at_the_end_is_short(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.readv(fd, &[2, 2, 2]).unwrap(), b"abc");
    assert_eq!(os.readv(fd, &[2, 2]).unwrap(), b"");
}

fn writev_writes_its_buffers_in_order(os: &mut dyn Posix) {
    let fd = os.open("f", O_WRONLY | O_CREAT).unwrap();
    assert_eq!(os.writev(fd, &[b"ab", b"", b"cde", b"f"]), Ok(6));
    assert_eq!(os.writev(fd, &[b"g"]), Ok(1));
    assert_eq!(os.get("f").unwrap(), "abcdefg");
}

fn writev_without_buffers_writes_nothing(os: &mut dyn Posix) {
    let fd = os.open("f", O_WRONLY | O_CREAT).unwrap();
    assert_eq!(os.writev(fd, &[]), Ok(0));
    assert_eq!(os.writev(fd, &[b"", b""]), Ok(0));
    assert_eq!(os.fstat(fd).unwrap().size, 0);
}

fn append_writes_go_to_the_end(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_WRONLY | O_APPEND).unwrap();
    os.lseek(fd, Whence::Set, 0).unwrap();
    assert_eq!(os.write(fd, "d"), Ok(1));
    assert_eq!(os.writev(fd, &[b"e", b"f"]), Ok(2));
    assert_eq!(os.get("f").unwrap(), "abcdef");
}

fn append_moves_the_offset_to_the_end(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDWR | O_APPEND).unwrap();
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(0));
    os.write(fd, "de").unwrap();
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(5));
}

fn append_reads_from_the_offset(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDWR | O_APPEND).unwrap();
    assert_eq!(os.read(fd, 2).unwrap(), b"ab");
    os.write(fd, "d").unwrap();
    assert_eq!(os.read(fd, 2).unwrap(), b"");
    os.lseek(fd, Whence::Set, 2).unwrap();
    assert_eq!(os.read(fd, 10).unwrap(), b"cd");
}

fn append_sees_what_others_wrote(os: &mut dyn Posix) {
    os.put("f", "");
    let a = os.open("f", O_WRONLY | O_APPEND).unwrap();
    let b = os.open("f", O_WRONLY | O_APPEND).unwrap();
    for _ in 0..3 {
        os.write(a, "a").unwrap();
        os.write(b, "b").unwrap();
    }
    assert_eq!(os.get("f").unwrap(), "ababab");
}

fn pwrite_with_append_goes_to_the_end(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDWR | O_APPEND).unwrap();
    assert_eq!(os.pwrite(fd, "d", 0), Ok(1));
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(0));
    assert_eq!(os.get("f").unwrap(), "abcd");
}

fn append_after_truncate_starts_at_the_new_end(os: &mut dyn Posix) {
    os.put("f", "abcdef");
    let fd = os.open("f", O_WRONLY | O_APPEND).unwrap();
    os.write(fd, "g").unwrap();
    os.truncate("f", 2).unwrap();
    os.write(fd, "X").unwrap();
    assert_eq!(os.get("f").unwrap(), "abX");
}

fn lseek_from_start_current_and_end(os: &mut dyn Posix) {
    os.put("f", "abcdef");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.lseek(fd, Whence::Set, 4), Ok(4));
    assert_eq!(os.lseek(fd, Whence::Current, -1), Ok(3));
    assert_eq!(os.lseek(fd, Whence::Current, 2), Ok(5));
    assert_eq!(os.lseek(fd, Whence::End, 0), Ok(6));
    assert_eq!(os.lseek(fd, Whence::End, -6), Ok(0));
    assert_eq!(os.lseek(fd, Whence::End, 10), Ok(16));
}

fn lseek_before_the_start_is_einval_and_stays(os: &mut dyn Posix) {
    os.put("f", "abcdef");
    let fd = os.open("f", O_RDONLY).unwrap();
    os.lseek(fd, Whence::Set, 2).unwrap();
    assert_eq!(os.lseek(fd, Whence::Set, -1), Err(EINVAL));
    assert_eq!(os.lseek(fd, Whence::Current, -3), Err(EINVAL));
    assert_eq!(os.lseek(fd, Whence::End, -7), Err(EINVAL));
    assert_eq!(os.lseek(fd, Whence::Set, i64::MIN), Err(EINVAL));
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(2));
}

fn lseek_past_the_end_is_allowed_and_grows_nothing(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDWR).unwrap();
    assert_eq!(os.lseek(fd, Whence::Set, 1 << 40), Ok(1 << 40));
    assert_eq!(os.fstat(fd).unwrap().size, 3);
}

fn a_write_past_the_end_leaves_a_hole_of_zeros(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    os.lseek(fd, Whence::Set, 100_000).unwrap();
    os.write(fd, "x").unwrap();
    let stat = os.fstat(fd).unwrap();
    assert_eq!(stat.size, 100_001);
    assert!(stat.blocks * 512 < 100_000, "{} blocks", stat.blocks);
    assert!(os.pread(fd, 100_000, 0).unwrap().iter().all(|&b| b == 0));
}

fn lseek_overflow_is_einval_or_eoverflow(os: &mut dyn Posix) {
    os.put("f", "abc");
    let fd = os.open("f", O_RDONLY).unwrap();
    for (whence, offset) in [(Whence::End, i64::MAX), (Whence::Current, i64::MAX)] {
        os.lseek(fd, Whence::Set, 1).unwrap();
        let past = os.lseek(fd, whence, offset);
        assert!(matches!(past, Err(EINVAL | EOVERFLOW)), "{past:?}");
        assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(1));
    }
}

/// Bytes that tell their place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)).to_le_bytes()[0]).collect()
}

fn a_large_write_comes_back_whole(os: &mut dyn Posix) {
    let bytes = pattern(3_000_000);
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    assert_eq!(os.write(fd, &bytes), Ok(3_000_000));
    assert!(os.pread(fd, 3_000_000, 0).unwrap() == bytes);
}

fn overlapping_writes_win_in_order(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    os.pwrite(fd, "aaaaaaaa", 0).unwrap();
    os.pwrite(fd, "bbbb", 2).unwrap();
    os.pwrite(fd, "cc", 5).unwrap();
    assert_eq!(os.get("f").unwrap(), "aabbbcca");
}

fn writes_across_many_chunks_keep_their_places(os: &mut dyn Posix) {
    let fd = os.open("f", O_RDWR | O_CREAT).unwrap();
    let mut model = vec![0; 300_000];
    for i in 0..60_usize {
        let (at, len) = (i * 7919 % 290_000, i * 131 % 9000);
        let bytes: Vec<u8> = pattern(len).iter().map(|b| b.wrapping_add(7)).collect();
        os.pwrite(fd, &bytes, at as u64).unwrap();
        model[at..at + len].copy_from_slice(&bytes);
    }
    let size = usize::try_from(os.fstat(fd).unwrap().size).unwrap();
    assert!(os.pread(fd, 300_000, 0).unwrap() == model[..size]);
}

fn reads_of_odd_sizes_add_up(os: &mut dyn Posix) {
    let bytes = pattern(100_000);
    os.put("f", &bytes);
    let fd = os.open("f", O_RDONLY).unwrap();
    let mut all = Vec::new();
    for len in (1..).map(|i| i * 37 % 5000 + 1) {
        let part = os.read(fd, len).unwrap();
        if part.is_empty() {
            break;
        }
        all.extend(part);
    }
    assert!(all == bytes);
}

fn a_write_in_the_middle_leaves_the_rest(os: &mut dyn Posix) {
    let mut bytes = pattern(200_000);
    os.put("f", &bytes);
    let fd = os.open("f", O_WRONLY).unwrap();
    os.lseek(fd, Whence::Set, 65_530).unwrap();
    os.write(fd, "0123456789").unwrap();
    bytes[65_530..65_540].copy_from_slice(b"0123456789");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert!(os.read(fd, 300_000).unwrap() == bytes);
}

fn fsync_works_on_files_and_directories(os: &mut dyn Posix) {
    os.put("f", "x");
    for path in ["f", "."] {
        let fd = os.open(path, O_RDONLY).unwrap();
        assert_eq!(os.fsync(fd), Ok(()), "{path}");
    }
}

fn pread_of_a_directory_looks_at_the_range_first(os: &mut dyn Posix) {
    let fd = os.open(".", O_RDONLY).unwrap();
    let last = i64::MAX.cast_unsigned();
    assert_eq!(os.pread(fd, 1, last - 1), Err(EISDIR));
    assert_eq!(os.pread(fd, 1, last), Err(EINVAL));
    assert_eq!(os.pread(fd, 2, last - 1), Err(EINVAL));
}

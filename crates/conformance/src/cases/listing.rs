//! Listing directories, also while they change.

use std::collections::BTreeSet;

use crate::case::{Need, cases};
use crate::posix::{Errno::*, *};

cases! {
    an_empty_directory_lists_dot_and_dot_dot_first,
    every_entry_has_its_inode_number_and_kind,
    dot_and_dot_dot_have_the_inode_numbers_of_their_directories,
    dot_dot_of_the_root_is_the_root,
    a_fifo_is_listed_as_one.needs(&[Need::Fifos]),
    a_thousand_entries_are_listed_once_each,
    one_entry_at_a_time_lists_all,
    a_cookie_goes_back_to_its_place,
    entries_that_stay_are_neither_lost_nor_doubled_while_others_go,
    entries_that_stay_are_neither_lost_nor_doubled_while_others_come,
    every_listed_entry_can_be_removed_on_the_way,
    a_renamed_entry_leaves_the_others_listed_once,
    a_replaced_entry_is_listed_once_in_a_new_listing,
    after_the_last_entry_comes_nothing,
    an_entry_made_after_the_end_is_found_from_the_start,
    a_removed_directory_lists_nothing_or_its_dots,
    a_listing_of_a_file_is_enotdir,
    a_listing_sees_a_directory_that_was_moved,
    lseek_to_zero_starts_again,
    names_of_255_bytes_are_listed_whole,
}

fn all(os: &mut dyn Posix, fd: Fd, step: u32, mut between: impl FnMut(&mut dyn Posix, &DirEntry)) -> Vec<String> {
    let (mut names, mut from) = (Vec::new(), 0);
    loop {
        let part = os.readdir(fd, from, step).unwrap();
        let Some(last) = part.last() else { return names };
        from = last.next;
        for entry in &part {
            if entry.name != b"." && entry.name != b".." {
                names.push(String::from_utf8_lossy(&entry.name).into_owned());
                between(os, entry);
            }
        }
        assert!(names.len() < 10_000, "the listing does not end");
    }
}

fn fill(os: &mut dyn Posix, dir: &str, n: usize) -> BTreeSet<String> {
    os.mkdir(dir).unwrap();
    (0..n)
        .map(|i| {
            let name = format!("file{i:04}");
            os.put(format!("{dir}/{name}"), "");
            name
        })
        .collect()
}

fn once_each(names: &[String]) -> BTreeSet<String> {
    let set: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(set.len(), names.len(), "an entry came twice: {names:?}");
    set
}

fn an_empty_directory_lists_dot_and_dot_dot_first(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let fd = os.open("d", O_RDONLY).unwrap();
    let names: Vec<_> = os.readdir(fd, 0, 10).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, [&b"."[..], b".."]);
    os.put("d/f", "");
    let names: Vec<_> = os.readdir(fd, 0, 10).unwrap().into_iter().map(|e| e.name).collect();
    assert_eq!(names, [&b"."[..], b"..", b"f"]);
}

fn every_entry_has_its_inode_number_and_kind(os: &mut dyn Posix) {
    os.put("file", "");
    os.mkdir("dir").unwrap();
    os.symlink("file", "link").unwrap();
    os.link("file", "hard").unwrap();
    for entry in os.entries(".") {
        let stat = os.lstat(&entry.name).unwrap();
        assert_eq!((entry.ino, entry.kind), (stat.ino, stat.kind), "{}", entry.name.escape_ascii());
    }
    assert_eq!(os.names("."), "dir file hard link");
}

fn dot_and_dot_dot_have_the_inode_numbers_of_their_directories(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    let fd = os.open("a/b", O_RDONLY).unwrap();
    let entries = os.readdir(fd, 0, 2).unwrap();
    assert_eq!((entries[0].ino, entries[1].ino), (os.ino("a/b"), os.ino("a")));
    assert_eq!((entries[0].kind, entries[1].kind), (Kind::Directory, Kind::Directory));
}

fn dot_dot_of_the_root_is_the_root(os: &mut dyn Posix) {
    let fd = os.open("/", O_RDONLY).unwrap();
    let entries = os.readdir(fd, 0, 2).unwrap();
    if !os.is_real() {
        // A chrooted directory's listing still shows the parent that lies outside.
        assert_eq!(entries[1].ino, os.ino("/"));
    }
    assert_eq!(entries[0].ino, os.ino("/"));
}

fn a_fifo_is_listed_as_one(os: &mut dyn Posix) {
    os.mkfifo("p", 0o644).unwrap();
    assert_eq!(os.entries(".")[0].kind, Kind::Fifo);
}

fn a_thousand_entries_are_listed_once_each(os: &mut dyn Posix) {
    let made = fill(os, "d", 1000);
    let fd = os.open("d", O_RDONLY).unwrap();
    let names = all(os, fd, 64, |_, _| ());
    assert_eq!(once_each(&names), made);
}

fn one_entry_at_a_time_lists_all(os: &mut dyn Posix) {
    let made = fill(os, "d", 50);
    let fd = os.open("d", O_RDONLY).unwrap();
    let names = all(os, fd, 1, |_, _| ());
    assert_eq!(once_each(&names), made);
}

fn a_cookie_goes_back_to_its_place(os: &mut dyn Posix) {
    fill(os, "d", 20);
    let fd = os.open("d", O_RDONLY).unwrap();
    let entries = os.readdir(fd, 0, 100).unwrap();
    for pair in entries.windows(2) {
        let again = os.readdir(fd, pair[0].next, 1).unwrap();
        assert_eq!(again[0].name, pair[1].name);
    }
}

fn entries_that_stay_are_neither_lost_nor_doubled_while_others_go(os: &mut dyn Posix) {
    let made = fill(os, "d", 200);
    let stay: BTreeSet<_> = made.iter().filter(|name| !name.ends_with(['3', '6', '9'])).cloned().collect();
    let fd = os.open("d", O_RDONLY).unwrap();
    let mut go: Vec<_> = made.difference(&stay).cloned().collect();
    let names = all(os, fd, 3, |os, _| {
        if let Some(name) = go.pop() {
            os.unlink(format!("d/{name}")).unwrap();
        }
    });
    assert!(once_each(&names).is_superset(&stay));
}

fn entries_that_stay_are_neither_lost_nor_doubled_while_others_come(os: &mut dyn Posix) {
    let made = fill(os, "d", 100);
    let fd = os.open("d", O_RDONLY).unwrap();
    let mut come = 0;
    let names = all(os, fd, 3, |os, _| {
        if come < 150 {
            os.put(format!("d/new{come}"), "");
            come += 1;
        }
    });
    assert!(once_each(&names).is_superset(&made));
}

fn every_listed_entry_can_be_removed_on_the_way(os: &mut dyn Posix) {
    let made = fill(os, "d", 300);
    let fd = os.open("d", O_RDONLY).unwrap();
    let names = all(os, fd, 7, |os, entry| os.unlink([b"d/", entry.name.as_slice()].concat()).unwrap());
    assert_eq!(once_each(&names), made);
    assert_eq!(os.rmdir("d"), Ok(()));
}

fn a_renamed_entry_leaves_the_others_listed_once(os: &mut dyn Posix) {
    let made = fill(os, "d", 60);
    let fd = os.open("d", O_RDONLY).unwrap();
    let mut renamed = 0;
    let names = all(os, fd, 2, |os, _| {
        if renamed < 10 {
            os.rename(format!("d/file{renamed:04}"), format!("d/moved{renamed}")).unwrap();
            renamed += 1;
        }
    });
    let stay: BTreeSet<_> = made.iter().skip(10).cloned().collect();
    assert!(once_each(&names).is_superset(&stay));
}

fn a_replaced_entry_is_listed_once_in_a_new_listing(os: &mut dyn Posix) {
    os.put("a", "1");
    os.put("b", "2");
    os.rename("a", "b").unwrap();
    os.unlink("b").unwrap();
    os.put("b", "3");
    assert_eq!(os.names("."), "b");
}

fn after_the_last_entry_comes_nothing(os: &mut dyn Posix) {
    fill(os, "d", 5);
    let fd = os.open("d", O_RDONLY).unwrap();
    let entries = os.readdir(fd, 0, 100).unwrap();
    let last = entries.last().unwrap().next;
    assert_eq!(os.readdir(fd, last, 100), Ok(vec![]));
    assert_eq!(os.readdir(fd, last, 100), Ok(vec![]));
}

fn an_entry_made_after_the_end_is_found_from_the_start(os: &mut dyn Posix) {
    fill(os, "d", 3);
    let fd = os.open("d", O_RDONLY).unwrap();
    assert_eq!(os.readdir(fd, 0, 100).unwrap().len(), 5);
    os.put("d/late", "");
    assert_eq!(os.readdir(fd, 0, 100).unwrap().len(), 6);
}

fn a_removed_directory_lists_nothing_or_its_dots(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let fd = os.open("d", O_RDONLY).unwrap();
    os.rmdir("d").unwrap();
    match os.readdir(fd, 0, 10) {
        Err(ENOENT) => (),
        Ok(entries) => assert!(entries.iter().all(|e| e.name == b"." || e.name == b"..")),
        other => panic!("{other:?}"),
    }
}

fn a_listing_of_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    let fd = os.open("f", O_RDONLY).unwrap();
    assert_eq!(os.readdir(fd, 0, 10), Err(ENOTDIR));
}

fn a_listing_sees_a_directory_that_was_moved(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    let fd = os.open("a", O_RDONLY).unwrap();
    os.mkdir("z").unwrap();
    os.rename("a", "z/b").unwrap();
    os.put("z/b/f", "");
    let entries = os.readdir(fd, 0, 10).unwrap();
    assert_eq!(entries.last().unwrap().name, b"f");
    assert_eq!(entries[1].ino, os.ino("z"));
}

fn lseek_to_zero_starts_again(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    let fd = os.open("d", O_RDONLY).unwrap();
    assert_eq!(os.lseek(fd, Whence::Set, 0), Ok(0));
    assert_eq!(os.lseek(fd, Whence::Current, 0), Ok(0));
    assert_eq!(os.lseek(fd, Whence::Set, -1), Err(EINVAL));
}

fn names_of_255_bytes_are_listed_whole(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    for byte in [b'a', b'b', 0xff] {
        os.put([b"d/", [byte; 255].as_slice()].concat(), "");
    }
    let names: BTreeSet<_> = os.entries("d").into_iter().map(|e| e.name).collect();
    assert_eq!(names, [b'a', b'b', 0xff].map(|byte| vec![byte; 255]).into());
}

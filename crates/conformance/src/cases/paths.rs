//! Paths: dots, slashes, links on the way, lengths.

use crate::case::cases;
use crate::posix::{Errno::*, *};

cases! {
    an_empty_path_is_enoent,
    dots_and_slashes_name_the_same_file,
    dot_dot_goes_up,
    dot_dot_at_the_root_stays,
    dot_dot_after_a_link_is_of_the_target,
    dot_dot_after_a_missing_name_is_enoent,
    an_absolute_path_starts_at_the_root,
    an_absolute_link_starts_at_the_root,
    a_link_to_the_root_is_the_root,
    a_link_with_more_dot_dots_than_directories_stays_at_the_root,
    a_relative_link_starts_in_its_own_directory,
    a_link_in_the_middle_is_followed,
    a_chain_of_links_is_followed,
    a_link_to_itself_is_eloop,
    two_links_to_each_other_are_eloop,
    forty_links_are_followed_and_forty_one_are_eloop,
    forty_links_along_one_path_are_followed_and_forty_one_are_eloop,
    lstat_of_a_loop_sees_the_link,
    lstat_with_a_trailing_slash_follows,
    a_dangling_link_is_enoent,
    a_link_to_a_file_with_a_trailing_slash_is_enotdir,
    a_link_whose_target_ends_in_a_slash_wants_a_directory,
    a_name_of_255_bytes_fits_and_of_256_is_enametoolong,
    a_path_of_4095_bytes_fits_and_of_4096_is_enametoolong,
    a_long_name_under_a_file_is_enotdir,
    a_link_target_of_4095_bytes_fits_and_of_4096_is_enametoolong,
    a_long_link_target_counts_by_itself,
    names_are_bytes,
    names_differ_by_case_and_are_not_normalised,
    three_dots_and_blanks_are_names,
    a_path_with_a_nul_is_einval_or_never_arrives,
}

fn an_empty_path_is_enoent(os: &mut dyn Posix) {
    assert_eq!(os.stat(""), Err(ENOENT));
    assert_eq!(os.lstat(""), Err(ENOENT));
    assert_eq!(os.open("", O_RDONLY), Err(ENOENT));
    assert_eq!(os.mkdir(""), Err(ENOENT));
    assert_eq!(os.rmdir(""), Err(ENOENT));
    assert_eq!(os.unlink(""), Err(ENOENT));
    assert_eq!(os.chdir(""), Err(ENOENT));
    assert_eq!(os.readlink(""), Err(ENOENT));
    assert_eq!(os.symlink("x", ""), Err(ENOENT));
    assert_eq!(os.symlink("", "x"), Err(ENOENT));
    os.put("f", "");
    assert_eq!(os.rename("f", ""), Err(ENOENT));
    assert_eq!(os.rename("", "g"), Err(ENOENT));
    assert_eq!(os.link("f", ""), Err(ENOENT));
    assert_eq!(os.link("", "g"), Err(ENOENT));
    assert_eq!(os.access("", F_OK), Err(ENOENT));
    assert_eq!(os.chmod("", 0o600), Err(ENOENT));
    assert_eq!(os.truncate("", 0), Err(ENOENT));
}

fn dots_and_slashes_name_the_same_file(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "x");
    let ino = os.ino("d/f");
    for path in ["./d/f", "d//f", "d/./f", "/d/f", "//d///f", "././d/././f", "/./d/f", "d/../d/f"] {
        assert_eq!(os.stat(path).map(|s| s.ino), Ok(ino), "{path}");
    }
}

fn dot_dot_goes_up(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.put("f", "x");
    assert_eq!(os.ino("a/b/../../f"), os.ino("f"));
    assert_eq!(os.ino("a/b/.."), os.ino("a"));
    assert_eq!(os.ino("a/b/../"), os.ino("a"));
}

fn dot_dot_at_the_root_stays(os: &mut dyn Posix) {
    os.put("f", "x");
    assert_eq!(os.ino("/.."), os.ino("/"));
    assert_eq!(os.ino("/../../../f"), os.ino("/f"));
    assert_eq!(os.ino("../../f"), os.ino("f"));
}

fn dot_dot_after_a_link_is_of_the_target(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.mkdir("a/b").unwrap();
    os.symlink("a/b", "l").unwrap();
    assert_eq!(os.ino("l/.."), os.ino("a"));
}

fn dot_dot_after_a_missing_name_is_enoent(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.stat("nothing/../f"), Err(ENOENT));
    assert_eq!(os.stat("f/../f"), Err(ENOTDIR));
}

fn an_absolute_path_starts_at_the_root(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("f", "x");
    os.chdir("d").unwrap();
    assert_eq!(os.stat("f"), Err(ENOENT));
    assert_eq!(os.stat("/f").unwrap().size, 1);
}

fn an_absolute_link_starts_at_the_root(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("f", "x");
    os.symlink("/f", "d/l").unwrap();
    assert_eq!(os.ino("f"), os.stat("d/l").unwrap().ino);
    os.symlink("///d///", "r").unwrap();
    assert_eq!(os.stat("r/l").unwrap().size, 1);
}

fn a_link_to_the_root_is_the_root(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("/", "d/l").unwrap();
    assert_eq!(os.stat("d/l").unwrap().ino, os.ino("/"));
    assert_eq!(os.ino("d/l/d"), os.ino("d"));
}

fn a_link_with_more_dot_dots_than_directories_stays_at_the_root(os: &mut dyn Posix) {
    os.put("f", "x");
    os.symlink("../../../../f", "l").unwrap();
    assert_eq!(os.stat("l").unwrap().ino, os.ino("f"));
}

fn a_relative_link_starts_in_its_own_directory(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.put("a/f", "right");
    os.put("f", "wrong");
    os.symlink("f", "a/l").unwrap();
    assert_eq!(os.get("a/l").unwrap(), "right");
}

fn a_link_in_the_middle_is_followed(os: &mut dyn Posix) {
    os.mkdir("a").unwrap();
    os.put("a/f", "x");
    os.symlink("a", "l").unwrap();
    assert_eq!(os.get("l/f").unwrap(), "x");
    os.put("l/g", "y");
    assert_eq!(os.get("a/g").unwrap(), "y");
}

fn a_chain_of_links_is_followed(os: &mut dyn Posix) {
    os.put("f", "x");
    os.symlink("f", "l0").unwrap();
    for i in 1..10 {
        os.symlink(format!("l{}", i - 1), format!("l{i}")).unwrap();
    }
    assert_eq!(os.get("l9").unwrap(), "x");
}

fn a_link_to_itself_is_eloop(os: &mut dyn Posix) {
    os.symlink("l", "l").unwrap();
    assert_eq!(os.stat("l"), Err(ELOOP));
    assert_eq!(os.open("l", O_RDONLY), Err(ELOOP));
    assert_eq!(os.open("l", O_WRONLY | O_CREAT), Err(ELOOP));
    assert_eq!(os.stat("l/x"), Err(ELOOP));
    assert_eq!(os.chdir("l"), Err(ELOOP));
    assert_eq!(os.mkdir("l/x"), Err(ELOOP));
}

fn two_links_to_each_other_are_eloop(os: &mut dyn Posix) {
    os.symlink("b", "a").unwrap();
    os.symlink("a", "b").unwrap();
    assert_eq!(os.stat("a"), Err(ELOOP));
}

fn forty_links_are_followed_and_forty_one_are_eloop(os: &mut dyn Posix) {
    os.put("f", "x");
    os.symlink("f", "l1").unwrap();
    for i in 2..=41 {
        os.symlink(format!("l{}", i - 1), format!("l{i}")).unwrap();
    }
    assert_eq!(os.stat("l40").map(|s| s.size), Ok(1));
    assert_eq!(os.stat("l41"), Err(ELOOP));
}

fn forty_links_along_one_path_are_followed_and_forty_one_are_eloop(os: &mut dyn Posix) {
    os.symlink(".", "l").unwrap();
    os.put("f", "x");
    assert_eq!(os.stat("l/".repeat(40) + "f").map(|s| s.size), Ok(1));
    assert_eq!(os.stat("l/".repeat(41) + "f"), Err(ELOOP));
}

fn lstat_of_a_loop_sees_the_link(os: &mut dyn Posix) {
    os.symlink("l", "l").unwrap();
    let stat = os.lstat("l").unwrap();
    assert_eq!((stat.kind, stat.size, stat.mode), (Kind::Symlink, 1, 0o777));
    assert_eq!(os.lstat("l/"), Err(ELOOP));
}

fn lstat_with_a_trailing_slash_follows(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.symlink("d", "l").unwrap();
    assert_eq!(os.lstat("l").unwrap().kind, Kind::Symlink);
    assert_eq!(os.lstat("l/").unwrap().kind, Kind::Directory);
}

fn a_dangling_link_is_enoent(os: &mut dyn Posix) {
    os.symlink("nowhere", "l").unwrap();
    assert_eq!(os.stat("l"), Err(ENOENT));
    assert_eq!(os.stat("l/"), Err(ENOENT));
    assert_eq!(os.lstat("l/"), Err(ENOENT));
    assert_eq!(os.stat("l/x"), Err(ENOENT));
    assert_eq!(os.lstat("l").unwrap().size, 7);
}

fn a_link_to_a_file_with_a_trailing_slash_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    os.symlink("f", "l").unwrap();
    assert_eq!(os.stat("l/"), Err(ENOTDIR));
    assert_eq!(os.lstat("l/"), Err(ENOTDIR));
    assert_eq!(os.open("l/", O_RDONLY), Err(ENOTDIR));
    assert_eq!(os.stat("l/x"), Err(ENOTDIR));
}

fn a_link_whose_target_ends_in_a_slash_wants_a_directory(os: &mut dyn Posix) {
    os.put("f", "");
    os.mkdir("d").unwrap();
    os.symlink("f/", "l").unwrap();
    os.symlink("d/", "m").unwrap();
    assert_eq!(os.stat("l"), Err(ENOTDIR));
    assert_eq!(os.open("l", O_RDONLY), Err(ENOTDIR));
    assert_eq!(os.stat("m").unwrap().kind, Kind::Directory);
}

fn a_name_of_255_bytes_fits_and_of_256_is_enametoolong(os: &mut dyn Posix) {
    let (fits, long) = ("n".repeat(255), "n".repeat(256));
    os.put(&fits, "x");
    assert_eq!(os.get(&fits).unwrap(), "x");
    assert_eq!(os.names("."), fits);
    assert_eq!(os.open(&long, O_WRONLY | O_CREAT), Err(ENAMETOOLONG));
    assert_eq!(os.stat(&long), Err(ENAMETOOLONG));
    assert_eq!(os.mkdir(&long), Err(ENAMETOOLONG));
    assert_eq!(os.symlink("x", &long), Err(ENAMETOOLONG));
    assert_eq!(os.rename(&fits, &long), Err(ENAMETOOLONG));
    assert_eq!(os.link(&fits, &long), Err(ENAMETOOLONG));
    assert_eq!(os.unlink(&long), Err(ENAMETOOLONG));
    assert_eq!(os.stat(format!("{long}/x")), Err(ENAMETOOLONG));
}

fn a_path_of_4095_bytes_fits_and_of_4096_is_enametoolong(os: &mut dyn Posix) {
    os.put("f", "x");
    let fits = "./".repeat(2047) + "f";
    assert_eq!(fits.len(), 4095);
    assert_eq!(os.stat(&fits).map(|s| s.size), Ok(1));
    assert_eq!(os.stat(format!("/{fits}")), Err(ENAMETOOLONG));
    assert_eq!(os.open(format!("/{fits}"), O_RDONLY), Err(ENAMETOOLONG));
    assert_eq!(os.unlink(format!("/{fits}")), Err(ENAMETOOLONG));
    assert_eq!(os.mkdir("d/".repeat(2048)), Err(ENAMETOOLONG));
}

fn a_long_name_under_a_file_is_enotdir(os: &mut dyn Posix) {
    os.put("f", "");
    assert_eq!(os.stat(format!("f/{}", "n".repeat(256))), Err(ENOTDIR));
    assert_eq!(os.stat(format!("missing/{}", "n".repeat(256))), Err(ENOENT));
}

fn a_link_target_of_4095_bytes_fits_and_of_4096_is_enametoolong(os: &mut dyn Posix) {
    let target = "./".repeat(2047) + "f";
    os.put("f", "x");
    // tmpfs keeps a target in one page with its NUL.
    assert_eq!(os.symlink(&target, "l"), Ok(()));
    assert_eq!(os.readlink("l").map(|t| t.len()), Ok(4095));
    assert_eq!(os.get("l").unwrap(), "x");
    assert_eq!(os.symlink(format!("/{target}"), "m"), Err(ENAMETOOLONG));
}

fn a_long_link_target_counts_by_itself(os: &mut dyn Posix) {
    os.mkdir("d").unwrap();
    os.put("d/f", "x");
    os.symlink("./".repeat(1500) + "d", "l").unwrap();
    assert_eq!(os.stat("./".repeat(1500) + "l/" + &"./".repeat(500) + "f").map(|s| s.size), Ok(1));
}

fn names_are_bytes(os: &mut dyn Posix) {
    let name = b"\xff\xfe\x01\n\\*?";
    os.put(name, "x");
    assert_eq!(os.entries(".")[0].name, name);
    assert_eq!(os.get(name).unwrap(), "x");
    os.symlink(b"\xff\xfe\x01\n\\*?", "l").unwrap();
    assert_eq!(os.readlink("l").unwrap(), name);
    assert_eq!(os.get("l").unwrap(), "x");
}

fn names_differ_by_case_and_are_not_normalised(os: &mut dyn Posix) {
    for name in ["a", "A", "\u{e9}", "e\u{301}"] {
        let fd = os.open(name, O_WRONLY | O_CREAT | O_EXCL).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        os.close(fd).unwrap();
    }
    assert_eq!(os.entries(".").len(), 4);
}

fn three_dots_and_blanks_are_names(os: &mut dyn Posix) {
    for name in ["...", " ", ". ", "..a", ".hidden", "-", "~"] {
        os.mkdir(name).unwrap_or_else(|e| panic!("{name:?}: {e:?}"));
    }
    assert_eq!(os.entries(".").len(), 7);
}

fn a_path_with_a_nul_is_einval_or_never_arrives(os: &mut dyn Posix) {
    // A C string ends at the NUL, so no path with one reaches a kernel; the host's own wrappers refuse it with EINVAL.
    assert_eq!(os.stat("f\0g"), Err(EINVAL));
    assert_eq!(os.open("f\0g", O_WRONLY | O_CREAT), Err(EINVAL));
    assert_eq!(os.names("."), "");
}

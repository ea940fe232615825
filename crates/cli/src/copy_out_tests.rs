use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use stratafs::Timestamp;

use super::*;

/// A host directory that stands for a guest's tree.
pub(crate) struct HostTree(pub PathBuf);

impl HostTree {
    fn at(&self, path: &[u8]) -> PathBuf {
        self.0.join(OsStr::from_bytes(path.strip_prefix(b"/").unwrap()))
    }
}

impl GuestTree for HostTree {
    fn stat(&mut self, path: &[u8], follow: bool) -> IoResult<Stat> {
        let path = self.at(path);
        let meta = if follow { path.metadata() } else { path.symlink_metadata() }?;
        let kind = match meta.file_type() {
            kind if kind.is_dir() => FileKind::Directory,
            kind if kind.is_symlink() => FileKind::Symlink,
            kind if kind.is_fifo() => FileKind::Fifo,
            _ => FileKind::File,
        };
        let mtime = Timestamp { sec: meta.mtime(), nsec: u32::try_from(meta.mtime_nsec()).unwrap() };
        Ok(Stat { mode: meta.mode() & 0o7777, mtime, size: meta.size(), ..Stat::new(meta.ino(), kind) })
    }

    fn list(&mut self, path: &[u8]) -> IoResult<Vec<Vec<u8>>> {
        std::fs::read_dir(self.at(path))?.map(|entry| Ok(entry?.file_name().as_bytes().to_vec())).collect()
    }

    fn read_link(&mut self, path: &[u8]) -> IoResult<Vec<u8>> {
        Ok(std::fs::read_link(self.at(path))?.as_os_str().as_bytes().to_vec())
    }

    fn read(&mut self, path: &[u8], each: &mut dyn FnMut(&[u8]) -> IoResult<()>) -> IoResult<()> {
        std::fs::read(self.at(path))?.chunks(100_000).try_for_each(each)
    }
}

struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    /// A guest tree with `out/{a.txt,run.sh,sub/b.txt,sub/up,away,round}` and an empty host directory.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch { dir };
        std::fs::create_dir_all(scratch.guest("out/sub")).unwrap();
        std::fs::create_dir(scratch.host("")).unwrap();
        std::fs::write(scratch.guest("out/a.txt"), "a").unwrap();
        std::fs::write(scratch.guest("out/run.sh"), "#!").unwrap();
        std::fs::set_permissions(scratch.guest("out/run.sh"), std::fs::Permissions::from_mode(0o6755)).unwrap();
        std::fs::write(scratch.guest("out/sub/b.txt"), "b").unwrap();
        symlink("../a.txt", scratch.guest("out/sub/up")).unwrap();
        symlink("../../etc", scratch.guest("out/sub/away")).unwrap();
        scratch
    }

    fn guest(&self, path: &str) -> PathBuf {
        self.dir.path().join("guest").join(path)
    }

    fn host(&self, path: &str) -> PathBuf {
        self.dir.path().join("host").join(path)
    }

    fn copy(&self, guest: &str, host: &str) -> Result<Vec<String>> {
        let spec = CopyOutSpec { guest: GuestPath::new(guest.as_bytes()).unwrap(), host: self.host(host) };
        copy_all(&mut HostTree(self.guest("")), &[spec])
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.host(path)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn a_directorys_contents_come_out() {
    let scratch = Scratch::new();
    for _ in 0..2 {
        let left_out = scratch.copy("/out", "result").unwrap();
        assert_eq!(left_out, ["/out/sub/away is not copied out: a link that leads out of what is copied"]);
        assert_eq!(scratch.names("result"), ["a.txt", "run.sh", "sub"]);
        assert_eq!(scratch.names("result/sub"), ["b.txt", "up"]);
        assert_eq!(std::fs::read_to_string(scratch.host("result/sub/up")).unwrap(), "a");
    }
    let meta = scratch.host("result/run.sh").metadata().unwrap();
    assert_eq!(meta.mode() & 0o7111, 0o111);
    assert_eq!(meta.mtime_nsec(), scratch.guest("out/run.sh").metadata().unwrap().mtime_nsec());
}

#[test]
fn a_file_goes_to_its_path_or_into_a_directory() {
    let scratch = Scratch::new();
    scratch.copy("/out/a.txt", "renamed").unwrap();
    scratch.copy("/out/a.txt", "").unwrap();
    scratch.copy("/out/sub/up", "followed").unwrap();
    assert_eq!(scratch.names(""), ["a.txt", "followed", "renamed"]);
    assert_eq!(std::fs::read_to_string(scratch.host("followed")).unwrap(), "a");
}

#[test]
fn what_stands_is_replaced_and_links_on_the_host_are_not_followed() {
    let scratch = Scratch::new();
    let outside = scratch.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("b.txt"), "mine").unwrap();
    std::fs::create_dir(scratch.host("result")).unwrap();
    symlink(&outside, scratch.host("result/sub")).unwrap();
    symlink(outside.join("b.txt"), scratch.host("result/a.txt")).unwrap();
    scratch.copy("/out", "result").unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("b.txt")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!scratch.host("result/sub").is_symlink() && !scratch.host("result/a.txt").is_symlink());
    assert_eq!(scratch.names("result/sub"), ["b.txt", "up"]);
}

#[test]
fn holes_stay_holes() {
    let scratch = Scratch::new();
    let file = std::fs::File::create(scratch.guest("out/big")).unwrap();
    file.set_len(8 << 20).unwrap();
    scratch.copy("/out/big", "big").unwrap();
    let meta = scratch.host("big").metadata().unwrap();
    assert_eq!(meta.len(), 8 << 20);
    assert!(meta.blocks() < 1000, "{}", meta.blocks());
    std::fs::write(scratch.guest("out/mixed"), [vec![1; 70_000], vec![0; 200_000], vec![2; 10], vec![0; 9]].concat()).unwrap();
    scratch.copy("/out/mixed", "mixed").unwrap();
    assert_eq!(std::fs::read(scratch.host("mixed")).unwrap(), std::fs::read(scratch.guest("out/mixed")).unwrap());
}

#[test]
fn failures_name_the_option_and_the_file_and_leave_no_scrap() {
    let scratch = Scratch::new();
    let error = scratch.copy("/none", "x").unwrap_err();
    assert_eq!(error.code(), 1);
    assert!(error.to_string().starts_with("--copy-out /none=") && error.to_string().contains("/none: there is no such file"));
    std::fs::create_dir_all(scratch.host("result/a.txt")).unwrap();
    let error = scratch.copy("/out", "result").unwrap_err().to_string();
    assert!(error.contains(": /out/a.txt: is a directory"), "{error}");
    assert_eq!(scratch.names("result"), ["a.txt"]);
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let scratch = Scratch::new();
    std::fs::create_dir_all(scratch.guest(&format!("out/{}", "d/".repeat(DEPTH)))).unwrap();
    let error = scratch.copy("/out", "result").unwrap_err().to_string();
    assert!(error.contains("is nested deeper than 128 directories"), "{error}");
}

#[test]
fn links_stay_inside() {
    for (target, depth) in [("a", 0), ("./a/b", 0), ("..", 1), ("../../x/y", 2), (".././../x", 2), ("", 0)] {
        assert!(stays_inside(target.as_bytes(), depth), "{target} {depth}");
    }
    for (target, depth) in [("/", 5), ("/etc", 5), ("..", 0), ("../../x", 1), ("a/..", 3), ("a/../../b", 3), ("../a/../b", 3)] {
        assert!(!stays_inside(target.as_bytes(), depth), "{target} {depth}");
    }
}

use super::*;
use crate::SetTime;

/// All attributes made out of one number.
fn all(n: u32) -> SetAttr {
    let time = SetTime::To(Timestamp { sec: i64::from(n) - 8, nsec: n });
    let (atime, mtime) = (time, time);
    SetAttr { mode: Some(n), uid: Some(n), gid: Some(n), size: Some(n.into()), atime, mtime }
}

#[test]
fn attributes_are_of_one_moment() {
    let fs = fs();
    let f = file(&fs, "/f");
    fs.set_attr(&f, &all(1)).unwrap();
    let enough = if cfg!(miri) { 50 } else { 50_000 };
    let read = || {
        let mut seen = [0_u64; 16];
        while seen.iter().sum::<u64>() < enough || seen.iter().filter(|&&count| count > 0).count() < 2 {
            let stat = fs.stat(&f).unwrap();
            let n = stat.mode;
            let (time, size) = (Timestamp { sec: i64::from(n) - 8, nsec: n }, u64::from(n));
            assert_eq!((stat.uid, stat.gid, stat.atime, stat.mtime, stat.size), (n, n, time, time, size));
            seen[n as usize] += 1;
        }
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        let mut n = 1;
        while !readers.iter().all(|reader| reader.is_finished()) {
            n = 1 + n % 15;
            fs.set_attr(&f, &all(n)).unwrap();
        }
    });
}

#[test]
fn a_change_is_seen_when_its_guard_goes() {
    let fs = fs();
    let f = file(&fs, "/f");
    let mut leaf = f.leaf().unwrap().write();
    leaf.meta.uid = 7;
    assert_eq!(fs.stat(&f).unwrap().uid, 0);
    drop(leaf);
    assert_eq!(fs.stat(&f).unwrap().uid, 7);
}

#[test]
fn who_finds_a_change_half_done_waits_for_it() {
    let fs = fs();
    let f = file(&fs, "/f");
    let leaf = f.leaf().unwrap();
    let mut guard = leaf.write();
    leaf.begin();
    guard.meta.uid = 7;
    std::thread::scope(|scope| {
        let stat = scope.spawn(|| fs.stat(&f).unwrap());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!stat.is_finished(), "what is half done was seen");
        drop(guard);
        assert_eq!(stat.join().unwrap().uid, 7);
    });
}

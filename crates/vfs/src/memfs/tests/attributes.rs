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
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = [0_u64; 16];
                    while !done.load(Ordering::Relaxed) {
                        let stat = fs.stat(&f).unwrap();
                        let n = stat.mode;
                        let (time, size) = (Timestamp { sec: i64::from(n) - 8, nsec: n }, u64::from(n));
                        assert_eq!((stat.uid, stat.gid, stat.atime, stat.mtime, stat.size), (n, n, time, time, size));
                        seen[n as usize] += 1;
                    }
                    seen.iter().filter(|&&count| count > 0).count()
                })
            })
            .collect();
        for round in 0..200_000 {
            fs.set_attr(&f, &all(1 + round % 15)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 1), "a reader saw no change");
    });
}

#[test]
fn who_waits_for_a_change_sees_it() {
    let fs = fs();
    let f = file(&fs, "/f");
    let mut leaf = f.leaf().unwrap().write();
    leaf.meta.uid = 7;
    assert_eq!(fs.stat(&f).unwrap().uid, 0);
    drop(leaf);
    assert_eq!(fs.stat(&f).unwrap().uid, 7);
}

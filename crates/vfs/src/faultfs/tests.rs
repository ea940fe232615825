//! Each fault by itself, and what does not count.

use std::time::{Duration, Instant};

use super::*;
use crate::memfs::MemFs;
use crate::{Budget, DirFd, Errno, Fd, Limits, Namespace, OneBuf, OpenHow, Outcome, Process};

fn process(plan: Plan) -> (Process, Faults) {
    let limits = Limits::default();
    let memory = NodeRef::root_of(&MemFs::new(Budget::of(&limits), &limits));
    let faults = Faults::from(plan);
    let root = NodeRef::root_of(&FaultFs::over(memory, faults.clone()));
    (Process::builder(Namespace::new(root, &limits), limits).build().unwrap(), faults)
}

fn rule(call: Call, when: When, fault: Fault) -> Rule {
    Rule { call: Some(call), when, fault }
}

fn only(rule: Rule) -> Plan {
    Plan { rules: vec![rule], ..Plan::default() }
}

fn open(process: &mut Process, path: &str, how: OpenHow) -> Result<Fd> {
    match process.openat(DirFd::Cwd, path.as_bytes(), &how)? {
        Outcome::Ready(fd) => Ok(fd),
        Outcome::Wait(_) => panic!("a file waits for nothing"),
    }
}

fn write(process: &mut Process, fd: Fd, bytes: &[u8]) -> Result<usize> {
    match process.write(fd, &[IoSlice::new(&bytes[..1]), IoSlice::new(&bytes[1..])])? {
        Outcome::Ready(n) => Ok(n),
        Outcome::Wait(_) => panic!("a file waits for nothing"),
    }
}

fn new() -> OpenHow {
    OpenHow { create: true, ..OpenHow::new(Access::READ_WRITE) }
}

#[test]
fn every_call_can_fail_and_has_changed_nothing() {
    type Made = fn(&mut Process, Fd) -> Result<()>;
    let every: [(Call, Made); 14] = [
        (Call::Lookup, |p, _| p.chdir(b"dir")),
        (Call::Stat, |p, fd| p.fstat(fd).map(drop)),
        (Call::List, |p, _| {
            let dir = open(p, "/", OpenHow { directory: true, ..OpenHow::read() }).unwrap();
            p.read_dir(dir, 0, &mut |_| ControlFlow::Continue(()))
        }),
        (Call::Open, |p, _| open(p, "file", OpenHow::read()).map(drop)),
        (Call::ReadLink, |p, _| p.readlinkat(DirFd::Cwd, b"link").map(drop)),
        (Call::Create, |p, _| p.mkdirat(DirFd::Cwd, b"new", 0o755)),
        (Call::Remove, |p, _| p.unlinkat(DirFd::Cwd, b"file")),
        (Call::Rename, |p, _| p.renameat(DirFd::Cwd, b"file", DirFd::Cwd, b"new")),
        (Call::Link, |p, _| p.linkat(DirFd::Cwd, b"file", DirFd::Cwd, b"new", false)),
        (Call::SetAttr, |p, fd| p.ftruncate(fd, 1)),
        (Call::Read, |p, fd| p.pread(fd, &mut OneBuf(&mut [0; 8]), 0).map(drop)),
        (Call::Write, |p, fd| p.pwrite(fd, &[IoSlice::new(b"XYZ")], 0).map(drop)),
        (Call::Sync, |p, fd| p.sync(fd, false)),
        (Call::Allocate, |p, fd| p.fallocate(fd, 0, 100)),
    ];
    for ((call, f), (_, listed)) in every.into_iter().zip(Call::ALL) {
        assert_eq!(call, listed);
        let (mut process, faults) = process(only(rule(call, When::OneIn(1), Fault::Error(Errno::EDQUOT))));
        faults.pause(true);
        let fd = open(&mut process, "file", new()).unwrap();
        write(&mut process, fd, b"abcdef").unwrap();
        process.symlinkat(b"file", DirFd::Cwd, b"link").unwrap();
        process.mkdirat(DirFd::Cwd, b"dir", 0o755).unwrap();
        let before = [process.statat(DirFd::Cwd, b"file", true), process.statat(DirFd::Cwd, b"/", true)];
        faults.pause(false);
        assert_eq!(f(&mut process, fd), Err(Errno::EDQUOT), "{call:?}");
        faults.pause(true);
        assert_eq!(faults.injected(), 1, "{call:?}");
        let after = [process.statat(DirFd::Cwd, b"file", true), process.statat(DirFd::Cwd, b"/", true)];
        assert_eq!(after, before, "{call:?}");
        assert_eq!(f(&mut process, fd), Ok(()), "{call:?}");
    }
}

#[test]
fn only_the_nth_call_fails() {
    let (mut process, faults) = process(only(rule(Call::Write, When::Nth(3), Fault::Error(Errno::EIO))));
    let fd = open(&mut process, "file", new()).unwrap();
    let results: Vec<_> = (0..5).map(|_| write(&mut process, fd, b"ab")).collect();
    assert_eq!(results, [Ok(2), Ok(2), Err(Errno::EIO), Ok(2), Ok(2)]);
    assert_eq!((faults.injected(), process.fstat(fd).unwrap().size), (1, 8));
}

#[test]
fn every_rule_counts_every_call_that_it_is_about() {
    let error = |n, errno| rule(Call::Write, When::Nth(n), Fault::Error(errno));
    let rules = vec![
        error(1, Errno::EIO),
        error(1, Errno::EPERM),
        error(2, Errno::EDQUOT),
        rule(Call::Write, When::Nth(3), Fault::Short),
    ];
    let (mut process, faults) = process(Plan { rules, ..Plan::default() });
    let fd = open(&mut process, "file", new()).unwrap();
    let results: Vec<_> = (0..4).map(|_| write(&mut process, fd, b"abcd")).collect();
    assert_eq!(results, [Err(Errno::EIO), Err(Errno::EDQUOT), Ok(2), Ok(4)]);
    assert_eq!(faults.injected(), 3);
}

#[test]
fn short_calls_move_a_half_and_never_nothing() {
    let rules = [Call::Read, Call::Write].map(|call| rule(call, When::OneIn(1), Fault::Short)).to_vec();
    let (mut process, _) = process(Plan { rules, ..Plan::default() });
    let fd = open(&mut process, "file", new()).unwrap();
    assert_eq!(write(&mut process, fd, b"abcdefghij"), Ok(5));
    assert_eq!(write(&mut process, fd, b"f"), Ok(1));
    let mut buf = [0; 8];
    assert_eq!(process.pread(fd, &mut OneBuf(&mut buf), 0), Ok(4));
    assert_eq!(&buf, b"abcd\0\0\0\0");
    assert_eq!(process.pread(fd, &mut OneBuf(&mut buf[..1]), 5), Ok(1));
    assert_eq!(buf[0], b'f');
    assert_eq!(process.pread(fd, &mut OneBuf(&mut []), 0), Ok(0));
}

#[test]
fn space_ends_at_its_byte() {
    let (mut process, faults) = process(Plan { full: Some(10), ..Plan::default() });
    let fd = open(&mut process, "file", new()).unwrap();
    assert_eq!(write(&mut process, fd, b"123456"), Ok(6));
    assert_eq!(write(&mut process, fd, b"7890ab"), Ok(4));
    assert_eq!(write(&mut process, fd, b"x"), Err(Errno::ENOSPC));
    process.ftruncate(fd, 0).unwrap();
    assert_eq!(write(&mut process, fd, b"x"), Err(Errno::ENOSPC), "what is freed does not come back");
    let append = open(&mut process, "file", OpenHow { append: true, ..new() }).unwrap();
    assert_eq!(write(&mut process, append, b"x"), Err(Errno::ENOSPC));
    assert_eq!(process.write(append, &[]).map(|_| ()), Ok(()), "no bytes need no room");
    faults.pause(true);
    assert_eq!(write(&mut process, append, b"xyz"), Ok(3));
}

#[test]
fn a_slow_call_is_late_and_done() {
    let time = Duration::from_millis(30);
    let (mut process, _) = process(only(rule(Call::Create, When::Nth(1), Fault::Slow(time))));
    let start = Instant::now();
    assert_eq!(process.mkdirat(DirFd::Cwd, b"dir", 0o755), Ok(()));
    assert!(start.elapsed() >= time);
}

#[test]
fn a_seed_gives_the_same_faults_again_and_about_as_many_as_it_says() {
    let run = |seed| {
        let rules = vec![Rule { call: None, when: When::OneIn(10), fault: Fault::Error(Errno::EIO) }];
        let (mut process, faults) = process(Plan { seed, rules, full: None });
        let made = (0..1000).map(|n| process.mkdirat(DirFd::Cwd, format!("{n}").as_bytes(), 0o755).is_ok());
        (made.collect::<Vec<_>>(), faults.injected())
    };
    let (one, again, other) = (run(1), run(1), run(2));
    assert_eq!(one, again);
    assert_ne!(one.0, other.0);
    assert!((100..400).contains(&one.1), "{}", one.1);
}

#[test]
fn faults_below_an_overlay_come_through_it() {
    let limits = Limits::default();
    let faults = Faults::from(only(rule(Call::Write, When::Nth(2), Fault::Error(Errno::EIO))));
    let uppers = {
        let (limits, faults) = (limits.clone(), faults.clone());
        move || {
            let memory = NodeRef::root_of(&MemFs::new(Budget::unlimited(), &limits));
            NodeRef::root_of(&FaultFs::over(memory, faults.clone()))
        }
    };
    let overlay = crate::overlay::Overlay::new(Box::new(uppers), Vec::new(), Budget::unlimited(), &limits);
    let ns = Namespace::new(NodeRef::root_of(&overlay), &limits);
    let mut process = Process::builder(ns, limits).build().unwrap();
    let fd = open(&mut process, "file", new()).unwrap();
    assert_eq!([(); 3].map(|()| write(&mut process, fd, b"ab")), [Ok(2), Err(Errno::EIO), Ok(2)]);
}

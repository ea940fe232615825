use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;
use crate::Errno::*;
use crate::stream::{NullStream, Readiness, Stream};
use crate::{Rights, StatusFlags};

const MAX: u32 = 12;

fn small() -> Process {
    let limits = Limits { fds: MAX, ..Limits::default() };
    Process::builder(tree(&mem()), limits).build().unwrap()
}

/// Counts the handles that are open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn open(p: &mut Process, open: &Arc<AtomicUsize>) -> Result<Fd> {
        open.fetch_add(1, Ordering::Relaxed);
        p.open_stream(Arc::new(Counted(open.clone())), Access::READ)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stream for Counted {
    fn readiness(&self) -> Readiness {
        NullStream.readiness()
    }

    fn stat(&self) -> crate::Stat {
        NullStream.stat()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Open,
    Close(u32),
    Dup(u32, u32),
    DupTo(u32, u32),
    Renumber(u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let fd = || 0..MAX + 2;
    prop_oneof![
        3 => Just(Step::Open),
        2 => fd().prop_map(Step::Close),
        1 => (fd(), fd()).prop_map(|(a, b)| Step::Dup(a, b)),
        1 => (fd(), fd()).prop_map(|(a, b)| Step::DupTo(a, b)),
        1 => (fd(), fd()).prop_map(|(a, b)| Step::Renumber(a, b)),
    ]
}

/// Descriptor to open file, as POSIX says.
#[derive(Default)]
struct Model {
    fds: BTreeMap<u32, usize>,
    files: usize,
}

impl Model {
    fn put(&mut self, file: usize, at_least: u32) -> Result<u32> {
        if at_least >= MAX {
            return Err(EINVAL);
        }
        let fd = (at_least..MAX).find(|fd| !self.fds.contains_key(fd)).ok_or(EMFILE)?;
        self.fds.insert(fd, file);
        Ok(fd)
    }

    fn get(&self, fd: u32) -> Result<usize> {
        self.fds.get(&fd).copied().ok_or(EBADF)
    }

    fn run(&mut self, step: &Step) -> Result<u32> {
        match *step {
            Step::Open => {
                self.files += 1;
                self.put(self.files, 0)
            }
            Step::Close(fd) => self.fds.remove(&fd).map(|_| fd).ok_or(EBADF),
            Step::Dup(fd, at_least) => self.get(fd).and_then(|file| self.put(file, at_least)),
            Step::DupTo(fd, to) => {
                let file = self.get(fd)?;
                if to >= MAX {
                    return Err(EBADF);
                }
                self.fds.insert(to, file);
                Ok(to)
            }
            Step::Renumber(from, to) => {
                let file = self.get(from)?;
                self.get(to)?;
                self.fds.remove(&from);
                self.fds.insert(to, file);
                Ok(to)
            }
        }
    }
}

proptest! {
    // GHSA-fm79-3f68-h2fc: numbers are handed out and taken back in any order; GHSA-3p27-qvp9-27qf: what is replaced is closed.
    #[test]
    fn descriptors_are_numbered_as_in_a_plain_map(steps in proptest::collection::vec(step(), 0..120)) {
        let open = Arc::new(AtomicUsize::new(0));
        let (mut p, mut model) = (small(), Model::default());
        for fd in [Fd::STDIN, Fd::STDOUT, Fd::STDERR] {
            p.close(fd).unwrap();
        }
        for step in &steps {
            let done = match *step {
                Step::Open => Counted::open(&mut p, &open).map(Fd::raw),
                Step::Close(fd) => p.close(Fd::new(fd)).map(|()| fd),
                Step::Dup(fd, at_least) => p.dup(Fd::new(fd), Fd::new(at_least), false).map(Fd::raw),
                Step::DupTo(fd, to) => p.dup_to(Fd::new(fd), Fd::new(to), false).map(Fd::raw),
                Step::Renumber(from, to) => p.renumber(Fd::new(from), Fd::new(to)).map(|()| to),
            };
            prop_assert_eq!(done, model.run(step), "{:?}", step);
            prop_assert!(p.open_fds().map(Fd::raw).eq(model.fds.keys().copied()));
            for (&one, file) in &model.fds {
                for (&other, same) in &model.fds {
                    let files = [one, other].map(|fd| Arc::as_ptr(&p.descriptor(Fd::new(fd)).unwrap().file));
                    prop_assert_eq!(files[0] == files[1], file == same);
                }
            }
            let files: std::collections::BTreeSet<_> = model.fds.values().collect();
            prop_assert_eq!(open.load(Ordering::Relaxed), files.len());
        }
    }
}

#[test]
fn the_bound_on_descriptors_is_exact() {
    let mut p = small();
    mkfile(&mut p, "/f").unwrap();
    let mut last = Fd::STDERR;
    for _ in 3..MAX {
        last = open(&mut p, "/f", &OpenHow::read()).unwrap();
    }
    assert_eq!(last.raw(), MAX - 1);
    assert_eq!(open(&mut p, "/f", &OpenHow::read()), Err(EMFILE));
    assert_eq!(open(&mut p, "/n", &OpenHow::write_new()), Err(EMFILE));
    assert_eq!(stat(&p, "/n"), Err(ENOENT), "nothing is made without a descriptor for it");
    assert_eq!(p.dup(last, Fd::STDIN, false), Err(EMFILE));
    assert_eq!(p.dup(last, Fd::new(MAX), false), Err(EINVAL));
    assert_eq!(p.dup_to(Fd::STDIN, Fd::new(MAX), false), Err(EBADF));
    assert_eq!(p.dup_to(Fd::STDIN, Fd::new(u32::MAX), false), Err(EBADF));
    assert_eq!(p.pipe(false, false), Err(EMFILE));
    p.close(Fd::STDIN).unwrap();
    assert_eq!(p.pipe(false, false), Err(EMFILE));
    assert_eq!(open(&mut p, "/f", &OpenHow::read()), Ok(Fd::STDIN));
    let none = Limits { fds: 2, ..Limits::default() };
    assert_eq!(Process::builder(tree(&mem()), none).build().unwrap_err(), EMFILE);
}

#[test]
fn renumber_moves_a_descriptor_with_all_that_belongs_to_it() {
    let open_files = Arc::new(AtomicUsize::new(0));
    let root = mem();
    plant(&root, &["d/"]);
    let mut p = Process::builder(tree(&root), Limits::default()).preopen("/d").build().unwrap();
    let preopen = Fd::new(3);
    assert_eq!(p.descriptor(preopen).unwrap().preopen.as_deref(), Some(&b"/d"[..]));
    let fd = Counted::open(&mut p, &open_files).unwrap();
    p.descriptor_mut(fd).unwrap().cloexec = true;
    p.descriptor_mut(fd).unwrap().rights = Rights { base: 1, inheriting: 2 };
    assert_eq!(p.renumber(fd, fd), Ok(()));
    assert_eq!(p.renumber(fd, Fd::new(50)), Err(EBADF));
    assert_eq!(p.renumber(Fd::new(50), Fd::new(50)), Err(EBADF));
    assert_eq!(p.renumber(fd, preopen), Ok(()));
    let moved = p.descriptor(preopen).unwrap();
    assert_eq!((moved.preopen.as_ref(), moved.cloexec, moved.rights.base), (None, true, 1));
    assert_eq!(p.descriptor(fd).err(), Some(EBADF));
    assert_eq!(open_files.load(Ordering::Relaxed), 1);
    p.renumber(Fd::STDIN, preopen).unwrap();
    assert_eq!(open_files.load(Ordering::Relaxed), 0);
}

#[test]
fn what_a_duplicate_shares_and_what_it_does_not() {
    let root = mem();
    plant(&root, &["d/"]);
    let mut p = Process::builder(tree(&root), Limits::default()).preopen("/d").build().unwrap();
    let dir = p.dup(Fd::new(3), Fd::STDIN, false).unwrap();
    assert_eq!(p.descriptor(dir).unwrap().preopen, None);
    let dir = p.dup_to(Fd::new(3), Fd::new(8), false).unwrap();
    assert_eq!(p.descriptor(dir).unwrap().preopen, None);
    assert_eq!(p.dup_to(Fd::new(3), Fd::new(3), true), Ok(Fd::new(3)));
    assert!(p.descriptor(Fd::new(3)).unwrap().preopen.is_some());

    let fd = open(&mut p, "/f", &OpenHow { create: true, cloexec: true, ..read_write() }).unwrap();
    p.descriptor_mut(fd).unwrap().rights = Rights { base: 7, inheriting: 0 };
    let twin = p.dup(fd, Fd::STDIN, false).unwrap();
    assert!(p.descriptor(fd).unwrap().cloexec && !p.descriptor(twin).unwrap().cloexec);
    assert_eq!(p.descriptor(twin).unwrap().rights.base, 7);
    write(&mut p, fd, b"abc").unwrap();
    assert_eq!(offset(&mut p, twin), 3);
    p.set_status_flags(twin, StatusFlags { append: true, nonblock: false }).unwrap();
    assert!(p.status_flags(fd).unwrap().append);
    p.close(fd).unwrap();
    assert_eq!(write(&mut p, twin, b"d"), Ok(1));
}

#[test]
fn replacing_the_last_descriptor_closes_the_file() {
    let open = Arc::new(AtomicUsize::new(0));
    let mut p = process();
    let count = |p: &Process| (open.load(Ordering::Relaxed), p.open_fds().count());
    let fd = Counted::open(&mut p, &open).unwrap();
    let twin = p.dup(fd, Fd::STDIN, false).unwrap();
    p.dup_to(Fd::STDIN, fd, false).unwrap();
    assert_eq!(count(&p), (1, 5));
    p.dup_to(Fd::STDIN, twin, false).unwrap();
    assert_eq!(count(&p), (0, 5));
    Counted::open(&mut p, &open).unwrap();
    drop(p);
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

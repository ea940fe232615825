//! Random sequences of calls, made on the real operating system first and then on a subject, and compared step by step.
//!
//! [`op`] has the strategy. What it generates names files and descriptors by choice ("some open file", "some directory that is
//! there"), and the [`oracle`], which knows what is there, makes [`Call`](crate::posix::Call)s of it while it runs them: so most
//! calls find something to do. The calls, the answers and the trees that they left are [`Step`](oracle::Step)s; [`replay`] makes
//! the same calls on a subject and compares. [`search`] does this many times and shrinks what differs.
//!
//! What is compared, after every step or after every few: the answer or the error; of every file in the tree its name, kind,
//! mode, owner, size, contents, link count; which names are one file, and that a file keeps its inode number. Of times, that the
//! ones that were set are there as long as they are on the real system, and that ctime and mtime move when they move there.
//!
//! What may differ is what the subject says that it [lacks](crate::subject::Subject::lacks), each as narrowly as it can be told: a
//! directory's link count of one, a ctime that moves when a file is opened to write, two changes at the same time, an atime that moves when the
//! tree is looked at; without FIFOs none
//! are made, and without hard links below none are there at the start. An access time that was not set is not compared, because reading
//! does not move it here. A directory's size and the offset that its listing has reached are the filesystem's own on Linux too.

mod compare;
pub mod op;
pub mod open_flags;
pub mod oracle;
pub mod replay;
mod resolve;
pub mod search;
pub mod snapshot;

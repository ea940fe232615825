//! Answers the calls of conformance cases on the real operating system, below the directory that is its only argument.
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    let scratch = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("usage: real_posix DIRECTORY"))?;
    stratafs_tests::native::serve(scratch.as_ref())
}

//! Answers the calls of conformance cases on the real operating system, below the directory that is its first argument. With a second
//! argument, `sequences`, it makes sequences of calls of its own.
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    let scratch = std::env::args_os().nth(1).ok_or_else(|| std::io::Error::other("usage: real_posix DIRECTORY [sequences]"))?;
    match std::env::args_os().nth(2) {
        Some(mode) if mode == "sequences" => stratafs_tests::model::oracle::serve(scratch.as_ref()),
        _ => stratafs_tests::native::serve(scratch.as_ref()),
    }
}

//! The real operating system's side of conformance cases and random sequences.
#![forbid(unsafe_code)]

fn main() {
    stratafs_conformance::serve_if_asked();
    eprintln!("this is started by tests");
    std::process::exit(2);
}

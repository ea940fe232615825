//! Writes the first seeds of each target: `cargo run --release --example seeds`. What the fuzzer finds beside them is added by hand.
#![forbid(unsafe_code)]

use std::path::Path;

use stratafs::zipfs::pack::{PackEntry, pack};

fn put(target: &str, name: &str, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(format!("seed-{name}")), bytes).unwrap();
}

/// Each function once on each tree, and then twice with other arguments.
fn calls(target: &str, functions: usize) {
    for tree in 0..4_u8 {
        let mut all = vec![tree];
        for f in 0..functions {
            all.push(u8::try_from(f).unwrap());
            all.extend((0..9).map(|n| u8::try_from((f * 7 + n * 5 + usize::from(tree) * 3) % 120).unwrap()));
        }
        for (n, part) in all[1..].chunks(300).enumerate() {
            put(target, &format!("{tree}-{n}"), &[&[tree], part].concat());
        }
    }
}

/// Numbers without a plan, but the same ones every time.
fn operations(target: &str) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for seed in 0..12 {
        let mut bytes = Vec::new();
        for _ in 0..400 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push(state.to_le_bytes()[3]);
        }
        put(target, &seed.to_string(), &bytes);
    }
}

fn archives() {
    let link = |name: &str, to: &str| PackEntry { mode: 0o120_777, ..PackEntry::file(name, to.to_owned()) };
    let one = pack([PackEntry::file("a", "x")]).unwrap();
    put("zip", "one", &one);
    put("zip", "empty", &pack([]).unwrap());
    put("zip", "tree", &pack([PackEntry::file("d/e/f", vec![1; 300]), PackEntry::file("d/g", ""), link("d/l", "../d/g")]).unwrap());
    put("zip", "cut", &one[..one.len() - 1]);
    put("zip", "before", &[b"#!/bin/sh\n", &one[..]].concat());
    put("zip", "comment", &[&one[..one.len() - 2], &[4, 0], b"text"].concat());
    // Deflated by hand: a stored block, then one of fixed codes for nothing.
    let mut deflated = one.clone();
    for at in (0..deflated.len() - 10).filter(|&at| deflated[at..].starts_with(b"PK\x03\x04")).collect::<Vec<_>>() {
        deflated[at + 8] = 8;
    }
    for at in (0..deflated.len() - 12).filter(|&at| deflated[at..].starts_with(b"PK\x01\x02")).collect::<Vec<_>>() {
        deflated[at + 10] = 8;
    }
    put("zip", "wrong-method", &deflated);
}

fn options() {
    for (name, text) in [
        ("all", "da::/x\nra+b::/y\noa+t.zip::/z\nzt.zip::/w\nm/mem\nc/out=o\nlbytes=1M,fds=16\nt1.5s\nfwrite@3=EIO,full=4K::/x"),
        ("twice", "da\nda::/a\nm/a/b\nm/a/b/c"),
        ("names", "da+b\noa+b\noa+b::/c\ndc::d\nd-x\nd\u{e4}"),
        ("wrong", "dnone\nzbad.zip\nzt\nrt.zip\nm.\nm\nd::\ndlink\ndloop"),
        ("limits", "lbytes=1K,inodes=2\nlmemory=99999999999999999999\ns17G\ns18446744073709551616\nt500ms\nt0s\nt9999999999h"),
        ("faults", "da::/a\nfread@1in3=short,any@1in10=5ms,seed=7\nfopen=short\nffull=1,full=2\nfsync=2s\nfwrite=EIO::/a/b"),
    ] {
        put("layers", name, text.as_bytes());
    }
}

fn main() {
    calls("wasi", stratafs_wasi::FUNCTIONS.len());
    calls("emscripten", stratafs_emscripten::FUNCTIONS.len() + stratafs_emscripten::SPLIT_FUNCTIONS.len() + 20);
    operations("sequences");
    operations("overlay");
    archives();
    options();
}

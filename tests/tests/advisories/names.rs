//! Names that Windows takes for something else. The check is a pure function; on Linux these are names like any other.

use stratafs::is_reserved_on_windows;
use stratafs_tests::backends::{Backend, Kind};

use crate::guest::{ABIS, Guest, How};

#[test]
fn ghsa_c2f5_jxjv_2hh8_cve_2024_51745_cve_2024_51756_device_names() {
    let numbered = ["COM", "LPT"]
        .into_iter()
        .flat_map(|stem| "0123456789\u{b9}\u{b2}\u{b3}\u{2070}".chars().map(move |digit| format!("{stem}{digit}")));
    let named = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"].into_iter().map(str::to_owned);
    let mut tried = 0;
    for device in numbered.chain(named) {
        for device in [device.clone(), device.to_lowercase(), device.replacen('O', "o", 1)] {
            for tail in ["", ".", " ", "...", " .", ".txt", ".tar.gz", " .txt", "  . .x", ":", ":stream", ".txt:s"] {
                let name = format!("{device}{tail}");
                assert!(is_reserved_on_windows(name.as_bytes()), "{name:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, (2 * 14 + 7) * 3 * 12);
    for name in ["COM", "COM10", "COM\u{b9}0", "XCOM1", "LPT\u{2074}", "NULL", "CONS", "com1x", "x.com1", "_nul"] {
        assert!(!is_reserved_on_windows(name.as_bytes()), "{name:?}");
    }
}

#[test]
fn ghsa_f2pq_268w_886c_a_drive_inside_any_component() {
    for drive in b'A'..=b'Z' {
        let letter = char::from(drive);
        for name in [format!("{letter}:"), format!("{letter}:x"), format!("{letter}:\\x"), format!("x{letter}:y")] {
            assert!(is_reserved_on_windows(name.as_bytes()), "{name:?}");
            assert!(is_reserved_on_windows(name.to_lowercase().as_bytes()), "{name:?}");
        }
    }
    // What is checked is one component at a time, so that no prefix hides behind a slash.
    for name in ["\\\\?\\C:", "\\\\server\\share", "..\\x", "a\\..\\b", "file::$DATA", "con\u{0}"] {
        assert!(is_reserved_on_windows(name.as_bytes()), "{name:?}");
    }
    for name in ["C", "Cx", "c-x", "..x"] {
        assert!(!is_reserved_on_windows(name.as_bytes()), "{name:?}");
    }
}

#[test]
fn device_names_are_plain_names_on_linux() {
    for backend in [Backend::Memory, Backend::Host, Backend::Over(Kind::Memory, Kind::Host)] {
        for abi in ABIS {
            let running = backend.on_layers(&[]).unwrap();
            let mut guest = Guest::on(abi, &running);
            for name in ["COM\u{b9}", "nul.txt", "C:x", "aux ", "a\\b"] {
                let fd = guest.open(name, How { write: true, create: true, ..How::default() }).unwrap();
                assert_eq!(guest.write(fd, name.as_bytes()), Ok(name.len() as u64));
                guest.close(fd).unwrap();
                assert_eq!(guest.contents(&format!("./{name}")).unwrap(), name.as_bytes());
            }
        }
    }
}

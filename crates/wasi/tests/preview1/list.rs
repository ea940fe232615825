//! The list against the names and types of the specification.

use stratafs_abi::{Function, ValType};
use stratafs_wasi::FUNCTIONS;

/// Name, parameters (i: i32, I: i64), and whether it gives an error number back; from `wasi_snapshot_preview1.witx`.
const OFFICIAL: [(&str, &str, bool); 46] = [
    ("args_get", "ii", true),
    ("args_sizes_get", "ii", true),
    ("clock_res_get", "ii", true),
    ("clock_time_get", "iIi", true),
    ("environ_get", "ii", true),
    ("environ_sizes_get", "ii", true),
    ("fd_advise", "iIIi", true),
    ("fd_allocate", "iII", true),
    ("fd_close", "i", true),
    ("fd_datasync", "i", true),
    ("fd_fdstat_get", "ii", true),
    ("fd_fdstat_set_flags", "ii", true),
    ("fd_fdstat_set_rights", "iII", true),
    ("fd_filestat_get", "ii", true),
    ("fd_filestat_set_size", "iI", true),
    ("fd_filestat_set_times", "iIIi", true),
    ("fd_pread", "iiiIi", true),
    ("fd_prestat_dir_name", "iii", true),
    ("fd_prestat_get", "ii", true),
    ("fd_pwrite", "iiiIi", true),
    ("fd_read", "iiii", true),
    ("fd_readdir", "iiiIi", true),
    ("fd_renumber", "ii", true),
    ("fd_seek", "iIii", true),
    ("fd_sync", "i", true),
    ("fd_tell", "ii", true),
    ("fd_write", "iiii", true),
    ("path_create_directory", "iii", true),
    ("path_filestat_get", "iiiii", true),
    ("path_filestat_set_times", "iiiiIIi", true),
    ("path_link", "iiiiiii", true),
    ("path_open", "iiiiiIIii", true),
    ("path_readlink", "iiiiii", true),
    ("path_remove_directory", "iii", true),
    ("path_rename", "iiiiii", true),
    ("path_symlink", "iiiii", true),
    ("path_unlink_file", "iii", true),
    ("poll_oneoff", "iiii", true),
    ("proc_exit", "i", false),
    ("proc_raise", "i", true),
    ("random_get", "ii", true),
    ("sched_yield", "", true),
    ("sock_accept", "iii", true),
    ("sock_recv", "iiiiii", true),
    ("sock_send", "iiiii", true),
    ("sock_shutdown", "ii", true),
];

#[test]
fn every_official_function_has_its_official_type() {
    for (name, params, result) in OFFICIAL {
        let all: Vec<&Function> = FUNCTIONS.iter().filter(|f| f.about.name == name).collect();
        let [f] = all[..] else { panic!("{name}: {} times in the list", all.len()) };
        let types: String = f.params.iter().map(|p| if p.ty == ValType::I32 { 'i' } else { 'I' }).collect();
        assert_eq!(types, params, "{name}");
        assert_eq!(f.result, result.then_some(ValType::I32), "{name}");
        assert_eq!(f.about.module, "wasi_snapshot_preview1");
    }
    assert_eq!(FUNCTIONS.len(), OFFICIAL.len());
}

#[test]
fn only_what_can_block_may_wait() {
    let waits: Vec<_> = FUNCTIONS.iter().filter(|f| f.about.may_wait).map(|f| f.about.name).collect();
    assert_eq!(waits, ["fd_read", "fd_write", "path_open", "poll_oneoff"]);
}

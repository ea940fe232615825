//! The run itself: the only place where the tree is built and an engine is called.

use std::io::Write;

use crate::copy_out::{self, GuestTree};
use crate::error::{Ended, Result, failed, say};
use crate::plan::Plan;

/// The functions of `wasi_snapshot_preview1`.
const WASI: [&str; 46] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Whether a guest may import `name` from `module`.
#[must_use]
pub fn provides(module: &str, name: &str) -> bool {
    module == "wasi_snapshot_preview1" && WASI.contains(&name)
}

/// Runs the guest, copies out what was asked for, says what stopped it, and answers the exit code.
///
/// # Errors
/// What [`run_with`] gives; a copy that fails, unless the guest's own exit code says already that something is wrong.
pub fn run(plan: &Plan) -> Result<u8> {
    let mut copied = Ok(());
    let ended = run_with(plan, &mut |_, tree| {
        copied = copy_out::copy_all(tree, &plan.copy_outs).map(|left_out| {
            for line in left_out {
                say(format_args!("{line}"));
            }
        });
    })?;
    match copied {
        Err(error) if ended == Ended::Guest(0) => return Err(error),
        Err(error) => say(format_args!("{error}")),
        Ok(()) => {}
    }
    last_line(&ended);
    Ok(ended.code())
}

/// Says what stopped the run, if anything did.
pub fn last_line(ended: &Ended) {
    if let Some(line) = ended.line() {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// Builds the tree, runs the guest in it, and lends what it left behind to `after`, once, however the run ended.
///
/// # Errors
/// A layer that cannot be mounted; a module that the engine refuses; an engine that is not part of this build.
pub fn run_with(plan: &Plan, after: &mut dyn FnMut(&Ended, &mut dyn GuestTree)) -> Result<Ended> {
    let _ = after;
    Err(failed!("{} was checked, but the engine {} is not part of this build", plan.module.path.display(), plan.engine))
}

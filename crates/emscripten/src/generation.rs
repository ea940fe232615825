use stratafs_abi::{Function, ValType};

use crate::{FUNCTIONS, RUNTIME_FUNCTIONS, SPLIT_FUNCTIONS};

/// How Emscripten's libc calls out of the module. Names and types of imports tell a generation, see [`Generation::of`].
///
/// | | [`Split`](Generation::Split) | [`Current`](Generation::Current) |
/// |---|---|---|
/// | versions | 3.1.6, which Debian has | 3.1.58, 4.0, 5.0, 6.x |
/// | 64-bit arguments | two `i32`, low half first | `i64` |
/// | seconds in `struct stat` and `utimensat` | 32 bits | 64 bits |
/// | `struct stat` | 88 bytes | 96 bytes |
/// | times of the calendar functions | by address, 32 bits | `i64` |
/// | names of its own | `open`, `mkdir`, `unlink`, `fstatat64`, … | `newfstatat`, `fchmodat2`, `pipe2`, … |
///
/// `struct statfs` has two layouts as well; the guest itself says which, by its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// 3.1.6 and its neighbours, up to 3.1.15.
    Split,
    /// Everything since `struct stat` has had 96 bytes.
    Current,
}

/// Imports of `env` that only the older generation has.
const SPLIT_NAMES: &[&str] = &[
    "__syscall_chown32",
    "__syscall_fadvise64_64",
    "__syscall_fchmodat",
    "__syscall_fstatat64",
    "__syscall_lchown32",
    "__syscall_mkdir",
    "__syscall_mknod",
    "__syscall_open",
    "__syscall_readlink",
    "__syscall_rename",
    "__syscall_unlink",
    "__clock_gettime",
    "clock",
    "clock_getres",
    "clock_gettime",
    "difftime",
    "ftime",
    "gettimeofday",
    "time",
    "timespec_get",
];

impl Generation {
    /// The generation of a module that imports these functions from `env`, each with the types of its parameters.
    #[must_use]
    pub fn of<'a>(imports: impl IntoIterator<Item = (&'a str, &'a [ValType])>) -> Self {
        let split = imports.into_iter().any(|(name, params)| {
            let other_type = || current(name, params).is_none() && find(SPLIT_FUNCTIONS, name, params).is_some();
            // Newer ones hand over room for the two names, one by one.
            let names_allocated = || name == "_tzset_js" && params.len() == 3;
            SPLIT_NAMES.contains(&name) || names_allocated() || other_type()
        });
        if split { Generation::Split } else { Generation::Current }
    }

    /// The function that answers an import of `env` of that name and those types of parameters, if there is one.
    #[must_use]
    pub fn lookup(self, name: &str, params: &[ValType]) -> Option<&'static Function> {
        let own = match self {
            Generation::Split => find(SPLIT_FUNCTIONS, name, params),
            Generation::Current => None,
        };
        own.or_else(|| current(name, params))
    }
}

/// What newer generations have, and what all have in the same way.
fn current(name: &str, params: &[ValType]) -> Option<&'static Function> {
    find(FUNCTIONS, name, params).or_else(|| find(RUNTIME_FUNCTIONS, name, params))
}

fn find(functions: &'static [Function], name: &str, params: &[ValType]) -> Option<&'static Function> {
    functions.iter().find(|function| {
        let types = function.params.iter().map(|param| param.ty);
        function.about.name == name && types.eq(params.iter().copied())
    })
}

/// The function that answers an import of `env` of that name and those types of parameters, for an import that says by its type
/// which generation it is of; where the type is the same, the current one. See [`Generation::lookup`].
#[must_use]
pub fn lookup(name: &str, params: &[ValType]) -> Option<&'static Function> {
    Generation::Current.lookup(name, params).or_else(|| find(SPLIT_FUNCTIONS, name, params))
}

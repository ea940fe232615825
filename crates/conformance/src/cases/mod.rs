//! The cases, by what they are about.

use crate::case::Case;

mod attributes;
mod descriptors;
mod directories;
mod fifos;
mod links;
mod listing;
mod lower_directories;
mod lower_files;
mod offsets;
mod open;
mod paths;
mod removal;
mod rename;
mod sizes;
mod times;

/// Every case, in groups.
pub const GROUPS: &[(&str, &[Case])] = &[
    ("attributes", attributes::CASES),
    ("descriptors", descriptors::CASES),
    ("directories", directories::CASES),
    ("fifos", fifos::CASES),
    ("links", links::CASES),
    ("listing", listing::CASES),
    ("lower_directories", lower_directories::CASES),
    ("lower_files", lower_files::CASES),
    ("offsets", offsets::CASES),
    ("open", open::CASES),
    ("paths", paths::CASES),
    ("removal", removal::CASES),
    ("rename", rename::CASES),
    ("sizes", sizes::CASES),
    ("times", times::CASES),
];

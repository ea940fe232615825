//! devfs

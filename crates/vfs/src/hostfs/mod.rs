//! hostfs

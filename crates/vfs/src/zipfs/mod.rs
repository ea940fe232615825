//! zipfs

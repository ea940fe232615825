//! wasmi

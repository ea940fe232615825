//! The first module that stands beside a guest: what the guest is linked to, the host's own functions handed on as they are.
//!
//! The glue needs the guest, and the guest its imports: the shim comes before both. Its functions call through a table that the glue fills.

use std::fmt::Write;

use super::interface::{FuncType, Type};

/// The shim while it is made. Its exports are the numbers of the guest's imports, and `module.name` of each function of the host that the glue
/// calls.
#[derive(Default)]
pub(super) struct Shim {
    imports: String,
    body: String,
}

fn arguments(count: usize) -> String {
    (0..count).fold(String::new(), |mut all, i| {
        let _ = write!(all, " (local.get {i})");
        all
    })
}

impl Shim {
    /// Import number `index` is the function in the glue's slot.
    pub(super) fn slot(&mut self, index: usize, ty: &FuncType, slot: usize) -> Option<()> {
        let (text, arguments) = (ty.wat()?, arguments(ty.params.len()));
        let _ =
            writeln!(self.body, "(func (export \"{index}\"){text} (call_indirect $slots{text}{arguments} (i32.const {slot})))");
        Some(())
    }

    /// What is exported as `export` is the host's function `module.name`.
    pub(super) fn host(&mut self, export: &str, (module, name): (&str, &str), ty: &FuncType) -> Option<()> {
        let _ = writeln!(self.imports, "(func (export \"{export}\") (import \"{module}\" \"{name}\"){})", ty.wat()?);
        Some(())
    }

    /// Import number `index` is a function with this body.
    pub(super) fn body(&mut self, index: usize, ty: &FuncType, body: &str) -> Option<()> {
        let _ = writeln!(self.body, "(func (export \"{index}\"){} {body})", ty.wat()?);
        Some(())
    }

    /// Import number `index` is the host's function `module.name` of type `ty`, its 64-bit numbers in halves, low one first.
    pub(super) fn joined(&mut self, index: usize, (module, name): (&str, &str), ty: &FuncType) -> Option<()> {
        let _ = writeln!(self.imports, "(import \"{module}\" \"{name}\" (func $host_{index}{}))", ty.wat()?);
        let (mut body, mut at) = (String::new(), 0);
        for param in &ty.params {
            if *param == Type::I64 {
                let _ = write!(
                    body,
                    " (i64.or (i64.extend_i32_u (local.get {at})) (i64.shl (i64.extend_i32_u (local.get {})) (i64.const 32)))",
                    at + 1
                );
                at += 2;
            } else {
                let _ = write!(body, " (local.get {at})");
                at += 1;
            }
        }
        let mut call = format!("(call $host_{index}{body})");
        if ty.results == [Type::I64] {
            call = format!(
                "(local $whole i64) (local.set $whole {call}) \
                 (global.set $upper (i32.wrap_i64 (i64.shr_u (local.get $whole) (i64.const 32)))) (i32.wrap_i64 (local.get $whole))"
            );
        }
        self.body(index, &ty.split(), &call)
    }

    /// Import number `index` reads or sets the upper half of a 64-bit number that passed last.
    pub(super) fn upper(&mut self, index: usize, name: &str, ty: &FuncType) -> Option<()> {
        match name {
            "setTempRet0" if *ty == FuncType::of("i32") => self.body(index, ty, "(global.set $upper (local.get 0))"),
            "getTempRet0" if *ty == FuncType::of("-> i32") => self.body(index, ty, "(global.get $upper)"),
            _ => None,
        }
    }

    /// Import number `index` is a variable that the glue sets.
    pub(super) fn variable(&mut self, index: usize) {
        let _ = writeln!(self.body, "(global (export \"{index}\") (mut i32) (i32.const 0))");
    }

    /// The module's text.
    pub(super) fn text(&self, slots: usize) -> String {
        format!(
            "(module\n{}(table $slots (export \"slots\") {slots} funcref)\n(global $upper (mut i32) (i32.const 0))\n{})\n",
            self.imports, self.body
        )
    }
}

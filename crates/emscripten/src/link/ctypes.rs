//! The calls that `wat/ctypes.wat` is able to make: one for each number of arguments.

use std::fmt::Write;

/// The most arguments of a call.
const MOST: usize = 8;

/// Puts the types and the calls into the text.
pub(super) fn fill(text: String) -> String {
    let (mut types, mut void, mut number) = (String::new(), String::new(), String::new());
    for count in 0..=MOST {
        let (params, mut arguments) = (" i32".repeat(count), String::new());
        for i in 0..count {
            let _ = write!(arguments, " (call $ffi_argument (local.get $cif) (local.get $values) (i32.const {i}))");
        }
        for (name, result, calls, open, close) in [
            ("void", "", &mut void, "", " (return (i32.const 1))"),
            ("number", " (result i32)", &mut number, "(local.set $answer ", ") (br $answered)"),
        ] {
            let ty = format!("$ffi_{name}_{count}");
            let _ = writeln!(types, "(type {ty} (func (param{params}){result}))");
            let _ = writeln!(
                calls,
                "    (if (i32.and (i32.eq (local.get $count) (i32.const {count})) (ref.test (ref {ty}) (local.get $target)))\n      \
                 (then {open}(call_indirect $table (type {ty}){arguments} (local.get $f)){close}))"
            );
        }
    }
    text.replace("%FFI_TYPES%\n", &types).replace("%FFI_VOID%\n", &void).replace("%FFI_NUMBER%\n", &number)
}

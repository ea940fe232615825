//! The second module that stands beside a guest: the imports that must call the guest themselves.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::ctypes;
use super::interface::{FuncType, Interface, Kind, Type};
use super::pieces::{CTYPES, EXIT, HostCall, LINES, LONGJMP, MICROPYTHON, PIECES, PYTHON, PYTHON_STARTED, Piece, START, STARTED};
use super::usual::is_usual;
use super::{JUMPED, Refusal, STACK};

/// How deep CPython may recurse, in bytes of its stack in the guest's memory. The engine's stack must outlast it: 16 times as many bytes do.
pub const PYTHON_STACK: u32 = 2 << 20;

/// A name as WebAssembly's text format has it between quotes.
fn quoted(name: &str) -> String {
    name.bytes().fold(String::new(), |mut all, byte| {
        let _ = if byte.is_ascii_alphanumeric() || b"_.$".contains(&byte) {
            write!(all, "{}", char::from(byte))
        } else {
            write!(all, "\\{byte:02x}")
        };
        all
    })
}

/// The glue while it is made.
pub(super) struct Glue<'a> {
    guest: &'a Interface,
    exceptions: bool,
    taken: Vec<&'static Piece>,
    /// The names in the text of what stands in each slot.
    slots: Vec<String>,
    invokes: String,
    /// The guest's exports `dynCall_*` by the number of the `invoke_*` that calls them.
    dyncalls: Vec<(usize, String)>,
    resolutions: Vec<(usize, &'a str)>,
}

impl<'a> Glue<'a> {
    pub(super) fn new(guest: &'a Interface, exceptions: bool) -> Self {
        let mut glue = Glue {
            guest,
            exceptions,
            taken: vec![&EXIT, &START],
            slots: Vec::new(),
            invokes: String::new(),
            dyncalls: Vec::new(),
            resolutions: Vec::new(),
        };
        if glue.is_python() {
            glue.take(&PYTHON);
            if PYTHON_STARTED.needs.iter().all(|name| glue.exports(name) && is_usual(name, guest.exports.get(*name))) {
                glue.take(&PYTHON_STARTED);
            }
        } else if glue.is_micropython() {
            glue.take(&MICROPYTHON);
        }
        glue
    }

    fn exports(&self, name: &str) -> bool {
        self.guest.exports.contains_key(name)
    }

    pub(super) fn is_python(&self) -> bool {
        PYTHON.needs.iter().all(|name| self.exports(name))
    }

    fn is_micropython(&self) -> bool {
        !self.is_python() && MICROPYTHON.needs.iter().all(|name| self.exports(name))
    }

    fn flushes(&self) -> bool {
        EXIT.likes.iter().any(|name| self.exports(name))
    }

    fn take(&mut self, piece: &'static Piece) {
        if !self.taken.iter().any(|taken| std::ptr::eq(*taken, piece)) {
            self.taken.push(piece);
        }
    }

    /// The slot of the function that answers this import, if there is such a piece and the guest has what that needs.
    pub(super) fn answer(&mut self, name: &str, ty: &FuncType) -> Option<usize> {
        let piece = PIECES.iter().copied().find(|piece| {
            let answers = piece.answers.iter().any(|(own, own_ty)| *own == name && FuncType::of(own_ty) == *ty);
            answers && piece.needs.iter().all(|need| self.exports(need))
        })?;
        let is = |other: &Piece| std::ptr::eq(piece, other);
        if is(&LINES) && self.flushes() || (is(&LONGJMP) || is(&CTYPES)) && !self.exceptions {
            return None;
        }
        self.take(piece);
        Some(self.slot(format!("${name}")))
    }

    fn slot(&mut self, name: String) -> usize {
        let index = self.slots.len();
        self.slots.push(name);
        index
    }

    /// Where the guest keeps its stack pointer: the functions that read and set it.
    fn stack(&self) -> Option<(&'static str, &'static str)> {
        let pairs = [("emscripten_stack_get_current", "_emscripten_stack_restore"), ("stackSave", "stackRestore")];
        pairs.into_iter().find(|(get, set)| self.exports(get) && self.exports(set))
    }

    /// How an `invoke_*` calls what its first argument names, with the others.
    ///
    /// In a module that keeps 64-bit numbers from the host, the guest itself exports how a signature with such numbers is called.
    fn indirect_call(&mut self, index: usize, signature: &str, ty: &FuncType) -> Option<String> {
        let arguments: String = (1..ty.params.len()).fold(String::new(), |mut all, i| {
            let _ = write!(all, " (local.get {i})");
            all
        });
        let dyncall = format!("dynCall_{signature}");
        if self.guest.function(&dyncall) == Some(ty) {
            self.dyncalls.push((index, dyncall));
            return Some(format!("(call $dyncall_{index} (local.get 0){arguments})"));
        }
        let (first, rest) = ty.params.split_first()?;
        let inner = FuncType { params: rest.to_vec(), results: ty.results.clone() }.wat()?;
        (*first == Type::I32 && self.exports("__indirect_function_table"))
            .then(|| format!("(call_indirect $table{inner}{arguments} (local.get 0))"))
    }

    /// An `invoke_*`: calls a function of the guest's table, and comes back with 0 and a note for the guest when that jumps out. Answers its slot, or
    /// nothing when the engine's adapter is to catch the jump.
    pub(super) fn invoke(&mut self, index: usize, name: &str, ty: &FuncType) -> Option<Option<usize>> {
        let signature = name.strip_prefix("invoke_")?;
        let (get_stack, set_stack) = self.stack()?;
        let nothing = match ty.results.as_slice() {
            [] => "",
            [Type::I32] => "(i32.const 0)",
            [Type::I64] => "(i64.const 0)",
            [Type::F32] => "(f32.const 0)",
            [Type::F64] => "(f64.const 0)",
            _ => return None,
        };
        let outer = ty.wat()?;
        if !self.exports("setThrew") {
            return None;
        }
        let call = self.indirect_call(index, signature, ty)?;
        if !self.exceptions {
            if self.invokes.is_empty() {
                let _ = writeln!(
                    self.invokes,
                    "(func (export \"{STACK}\") (result i32) (call ${get_stack}))\n\
                     (func (export \"{JUMPED}\") (param $stack i32)\n  \
                     (call ${set_stack} (local.get $stack))\n  \
                     (call $setThrew (i32.const 1) (i32.const 0)))"
                );
            }
            let _ = writeln!(self.invokes, "(func (export \"{index}\"){outer} {call})");
            return Some(None);
        }
        self.take(&LONGJMP);
        let result = FuncType { params: vec![], results: ty.results.clone() }.wat()?;
        let _ = writeln!(
            self.invokes,
            "(func $invoke_{index}{outer} (local $stack i32)\n  \
             (local.set $stack (call ${get_stack}))\n  \
             (block $jumped\n    \
             (return (try_table{result} (catch $longjmp $jumped) {call})))\n  \
             (call ${set_stack} (local.get $stack))\n  \
             (call $setThrew (i32.const 1) (i32.const 0))\n  {nothing})"
        );
        Some(Some(self.slot(format!("$invoke_{index}"))))
    }

    /// Has the variable that is import number `index` hold the address of what the guest exports as `name`.
    pub(super) fn resolve(&mut self, index: usize, name: &'a str) {
        if self.exports(name) {
            self.resolutions.push((index, name));
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// What a line's condition may name beside the guest's exports.
    fn holds(&self, term: &str) -> bool {
        for (ending, takes) in [(" with arguments", true), (" without arguments", false)] {
            if let Some(name) = term.strip_suffix(ending) {
                return !self.is_python()
                    && !self.is_micropython()
                    && self.guest.function(name).is_some_and(|ty| ty.params.is_empty() != takes);
            }
        }
        match term {
            "python" => self.is_python(),
            "micropython" => self.is_micropython(),
            name => self.exports(name),
        }
    }

    /// The text without the lines whose condition, `;; if a and not b`, does not hold.
    fn fill(&self, text: &str, out: &mut String) {
        for line in text.lines() {
            let condition = line.rsplit_once(";; if ").map(|(_, condition)| condition);
            let term = |term: &str| term.strip_prefix("not ").map_or_else(|| self.holds(term), |term| !self.holds(term));
            if condition.is_none_or(|condition| condition.split(" and ").all(term)) {
                out.push_str(line);
                out.push('\n');
            }
        }
    }

    fn heap_max(&self) -> u32 {
        let pages = match self.guest.exports.get("memory") {
            Some(Kind::Memory { maximum }) => maximum.unwrap_or(u64::MAX),
            _ => 0,
        };
        // Emscripten's own bound: the last page would make the size 0 in 32 bits.
        pages.checked_mul(64 << 10).and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(u32::MAX - 0xffff)
    }

    fn wanted(&self) -> BTreeSet<&str> {
        let mut wanted = BTreeSet::new();
        for piece in &self.taken {
            wanted.extend(piece.needs);
            wanted.extend(piece.likes.iter().filter(|name| self.exports(name)));
        }
        if !self.invokes.is_empty() {
            wanted.extend(self.stack().map(|(get, set)| [get, set]).into_iter().flatten());
            wanted.extend(["setThrew"]);
        }
        if !self.invokes.is_empty() || !self.resolutions.is_empty() {
            wanted.extend(self.exports("__indirect_function_table").then_some("__indirect_function_table"));
        }
        wanted
    }

    /// The functions of the host that it calls.
    pub(super) fn calls(&self) -> BTreeSet<&'static HostCall> {
        self.taken.iter().flat_map(|piece| piece.calls).collect()
    }

    /// Imports an export of the guest.
    fn import(&self, export: &str, name: &str, out: &mut String) -> Result<(), Refusal> {
        let odd = || Refusal::Odd(export.to_owned());
        let what = match self.guest.exports.get(export).ok_or_else(odd)? {
            Kind::Func(ty) => format!("(func ${name}{})", ty.wat().ok_or_else(odd)?),
            Kind::Memory { .. } => format!("(memory ${name} 0)"),
            Kind::Table => "(table $table 0 funcref)".to_owned(),
            Kind::Global { ty: Type::I32, mutable: false } => format!("(global ${name} i32)"),
            Kind::Global { .. } | Kind::Tag => return Err(odd()),
        };
        let _ = writeln!(out, "(import \"guest\" \"{}\" {what})", quoted(export));
        Ok(())
    }

    fn imports(&self, out: &mut String) -> Result<(), Refusal> {
        for name in self.wanted() {
            if !is_usual(name, self.guest.exports.get(name)) {
                return Err(Refusal::Odd(name.to_owned()));
            }
            self.import(name, name, out)?;
        }
        for (index, name) in &self.dyncalls {
            self.import(name, &format!("dyncall_{index}"), out)?;
        }
        for (index, name) in &self.resolutions {
            self.import(name, &format!("resolved_{index}"), out)?;
            let _ = writeln!(out, "(import \"shim\" \"{index}\" (global $address_{index} (mut i32)))");
        }
        for (module, name, own, ty) in self.calls() {
            let ty = FuncType::of(ty).wat().unwrap_or_default();
            let _ = writeln!(out, "(import \"shim\" \"{module}.{name}\" (func ${own}{ty}))");
        }
        let _ = writeln!(out, "(import \"shim\" \"slots\" (table $slots {} funcref))", self.slots.len());
        Ok(())
    }

    /// `$resolve`, which writes the addresses of the guest's own exports where it looks for them.
    fn resolution(&self, out: &mut String) -> Result<(), Refusal> {
        out.push_str("(func $resolve\n");
        for (index, name) in &self.resolutions {
            let _ = match self.guest.exports.get(*name) {
                Some(Kind::Func(_)) if self.exports("__indirect_function_table") => {
                    writeln!(
                        out,
                        "  (global.set $address_{index} (table.grow $table (ref.func $resolved_{index}) (i32.const 1)))"
                    )
                }
                Some(Kind::Global { .. }) => writeln!(out, "  (global.set $address_{index} (global.get $resolved_{index}))"),
                _ => return Err(Refusal::Odd((*name).to_owned())),
            };
        }
        out.push_str(")\n");
        for (index, name) in &self.resolutions {
            if self.guest.function(name).is_some() {
                let _ = writeln!(out, "(elem declare func $resolved_{index})");
            }
        }
        Ok(())
    }

    /// The module's text.
    pub(super) fn text(&self) -> Result<String, Refusal> {
        let mut text = "(module\n".to_owned();
        self.imports(&mut text)?;
        let mut pieces = String::new();
        for piece in &self.taken {
            piece.text.iter().for_each(|part| self.fill(part, &mut pieces));
        }
        for (mark, value) in [
            ("%HEAP_MAX%", self.heap_max().to_string()),
            ("%PYTHON_STACK%", PYTHON_STACK.to_string()),
            ("%STARTED%", quoted(STARTED)),
            ("%STARTED_LEN%", (STARTED.len() + 1).to_string()),
        ] {
            pieces = pieces.replace(mark, &value);
        }
        text += &ctypes::fill(pieces);
        text += &self.invokes;
        self.resolution(&mut text)?;
        let _ = writeln!(text, "(elem (table $slots) (i32.const 0) func {}))", self.slots.join(" "));
        Ok(text)
    }

    /// Whether there is something to start.
    pub(super) fn has_entry(&self) -> bool {
        self.is_python()
            || self.is_micropython()
            || ["main", "__main_argc_argv"].iter().any(|name| self.guest.function(name).is_some())
    }
}

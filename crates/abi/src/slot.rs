use std::fmt::Write;

use stratafs::{Fd, Result};

use crate::{GuestMemory, Ptr, Size};

/// A wasm type that functions pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// A float of 64 bits.
    F64,
}

/// A wasm value as the engines hand it over: `u32` or `u64`, without a sign, or `f64`.
pub trait Value: Copy + Send + Sync + 'static {
    /// Its wasm type.
    const TYPE: ValType;

    /// From the lower bits of 64; a float from the bits that it is made of.
    fn from_raw(raw: u64) -> Self;

    /// Widened with zeros; a float as the bits that it is made of.
    fn into_raw(self) -> u64;
}

impl Value for u32 {
    const TYPE: ValType = ValType::I32;

    fn from_raw(raw: u64) -> Self {
        let [a, b, c, d, ..] = raw.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn into_raw(self) -> u64 {
        self.into()
    }
}

impl Value for u64 {
    const TYPE: ValType = ValType::I64;

    fn from_raw(raw: u64) -> Self {
        raw
    }

    fn into_raw(self) -> u64 {
        self
    }
}

impl Value for f64 {
    const TYPE: ValType = ValType::F64;

    fn from_raw(raw: u64) -> Self {
        f64::from_bits(raw)
    }

    fn into_raw(self) -> u64 {
        self.to_bits()
    }
}

/// What a parameter is to someone who makes up arguments or shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A number that stands for itself.
    Number,
    /// A descriptor.
    Fd,
    /// A length that belongs to the pointer before it, or stands alone.
    Size,
    /// A pointer to text that the call reads; its length in bytes is the next parameter.
    Text,
    /// A pointer to text that the call reads and that ends with a NUL.
    CStr,
    /// A pointer to bytes; their number is the next parameter.
    Buffer,
    /// A pointer to elements of so many bytes; their number is the next parameter.
    Array(u32),
    /// A pointer to one value of so many bytes that the call writes.
    Out(u32),
    /// Another pointer: how much lies there is said elsewhere.
    Pointer,
}

impl Shape {
    /// Whether the guest gives an address here.
    #[must_use]
    pub fn is_pointer(self) -> bool {
        match self {
            Shape::Text | Shape::CStr | Shape::Buffer | Shape::Array(_) | Shape::Out(_) | Shape::Pointer => true,
            Shape::Number | Shape::Fd | Shape::Size => false,
        }
    }

    /// Whether the next parameter is the length of what this one points to.
    #[must_use]
    pub fn has_length(self) -> bool {
        matches!(self, Shape::Text | Shape::Buffer | Shape::Array(_))
    }
}

/// What a parameter can see when it shows itself.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The guest's memory.
    pub memory: &'a GuestMemory<'a>,
    /// The argument after this one; 0 behind the last.
    pub next: u64,
}

/// The type of a guest function's parameter: one wasm value, decoded.
pub trait Slot: Copy + Send + Sync + 'static {
    /// The wasm type.
    type Wasm: Value;

    /// What it is to a fuzzer or a trace.
    const SHAPE: Shape = Shape::Number;

    /// Decodes the value.
    ///
    /// # Errors
    /// `EINVAL` when it means nothing: an unknown number, or flags that are left over.
    fn lift(raw: Self::Wasm) -> Result<Self>;

    /// Writes the argument as a trace shows it.
    fn show(self, view: View<'_>, out: &mut String);

    /// Writes what the call stored through this parameter, when it stores something worth showing. Answers whether it did.
    fn show_result(self, view: View<'_>, out: &mut String) -> bool {
        let _ = (view, out);
        false
    }
}

macro_rules! number_slots {
    ($($type:ty, $wasm:ty, $shape:expr, $raw:ident => $lift:expr, $value:ident => $show:expr;)*) => {$(
        impl Slot for $type {
            type Wasm = $wasm;
            const SHAPE: Shape = $shape;

            #[inline]
            fn lift($raw: $wasm) -> Result<Self> {
                Ok($lift)
            }

            fn show(self, _: View<'_>, out: &mut String) {
                let $value = self;
                let _ = write!(out, "{}", $show);
            }
        }
    )*};
}

number_slots! {
    u32, u32, Shape::Number, raw => raw, value => value;
    u64, u64, Shape::Number, raw => raw, value => value;
    i32, u32, Shape::Number, raw => raw.cast_signed(), value => value;
    i64, u64, Shape::Number, raw => raw.cast_signed(), value => value;
    f64, f64, Shape::Number, raw => raw, value => value;
    Fd, u32, Shape::Fd, raw => Fd::new(raw), value => value.raw();
    Size, u32, Shape::Size, raw => Size::new(raw), value => value.raw();
    Ptr, u32, Shape::Pointer, raw => Ptr::new(raw), value => format_args!("{:#x}", value.raw());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_passed_by_its_bits() {
        for value in [0.0, -0.0, 1.5, f64::MIN_POSITIVE, f64::INFINITY, -1e300] {
            assert_eq!(f64::from_raw(value.into_raw()).to_bits(), value.to_bits());
        }
        assert_eq!(f64::from_raw(f64::NAN.into_raw()).to_bits(), f64::NAN.to_bits());
        assert_eq!(f64::TYPE, ValType::F64);
    }
}

//! Parameters that point to something of a known type.

use std::borrow::Cow;
use std::fmt::Write;
use std::marker::PhantomData;

use stratafs::{Errno, Fd, Result};

use crate::{GuestMemory, Ptr, Shape, Size, Slot, View};

/// The most that a trace shows of a text.
const SHOWN: u32 = 64;

/// Something with a layout in guest memory.
pub trait Layout: Send + Sync + 'static {
    /// Its bytes.
    const SIZE: u32;
}

/// A value that a call writes to guest memory.
pub trait Record: Layout {
    /// Writes it at `at`.
    ///
    /// # Errors
    /// `EFAULT`.
    fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()>;

    /// Writes what lies at `at` as a trace shows it.
    ///
    /// # Errors
    /// `EFAULT`.
    fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()>;
}

macro_rules! number_records {
    ($($type:ty, $size:literal, $write:ident, $read:ident, $value:ident => $number:expr;)*) => {$(
        impl Layout for $type {
            const SIZE: u32 = $size;
        }

        impl Record for $type {
            #[inline]
            fn store(&self, memory: &mut GuestMemory<'_>, at: Ptr) -> Result<()> {
                let $value = *self;
                memory.$write(at, $number)
            }

            fn show(memory: &GuestMemory<'_>, at: Ptr, out: &mut String) -> Result<()> {
                let _ = write!(out, "{}", memory.$read(at)?);
                Ok(())
            }
        }
    )*};
}

number_records! {
    u16, 2, write_u16, read_u16, value => value;
    u32, 4, write_u32, read_u32, value => value;
    u64, 8, write_u64, read_u64, value => value;
    Size, 4, write_u32, read_u32, value => value.raw();
    Fd, 4, write_u32, read_u32, value => value.raw();
}

/// A pointer to a `T` that the call writes.
pub struct Out<T>(Ptr, PhantomData<fn(T)>);

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T: Record> Out<T> {
    /// Where it goes.
    #[must_use]
    pub fn ptr(self) -> Ptr {
        self.0
    }

    /// Makes sure that it can be written, before anything has happened.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn check(self, memory: &GuestMemory<'_>) -> Result<()> {
        memory.check(self.0, Size::new(T::SIZE))
    }

    /// Writes it.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn store(self, memory: &mut GuestMemory<'_>, value: &T) -> Result<()> {
        value.store(memory, self.0)
    }
}

impl<T: Record> Slot for Out<T> {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Out(T::SIZE);

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Out(Ptr::new(raw), PhantomData))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        self.0.show(view, out);
    }

    fn show_result(self, view: View<'_>, out: &mut String) -> bool {
        T::show(view.memory, self.0, out).is_ok()
    }
}

/// A pointer to elements of type `T`; their number is another parameter.
pub struct Array<T>(Ptr, PhantomData<fn(T)>);

impl<T> Clone for Array<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Array<T> {}

impl<T: Layout> Array<T> {
    /// Makes sure that `count` elements lie in the memory.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn check(self, memory: &GuestMemory<'_>, count: Size) -> Result<()> {
        let bytes = count.raw().checked_mul(T::SIZE).ok_or(Errno::EFAULT)?;
        memory.check(self.0, Size::new(bytes))
    }

    /// Where the element of that index lies.
    ///
    /// # Errors
    /// `EFAULT` when there is no such address.
    pub fn at(self, index: u32) -> Result<Ptr> {
        self.0.offset(index.checked_mul(T::SIZE).ok_or(Errno::EFAULT)?)
    }
}

impl<T: Layout> Slot for Array<T> {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Pointer;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Array(Ptr::new(raw), PhantomData))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        self.0.show(view, out);
    }
}

/// A pointer to text that the call reads; its length in bytes is the next parameter.
#[derive(Debug, Clone, Copy)]
pub struct Text(Ptr);

impl Text {
    /// The text, shorter than `max` bytes.
    ///
    /// # Errors
    /// `ENAMETOOLONG` from `max` on, `EFAULT`.
    #[inline]
    pub fn read<'m>(self, memory: &'m GuestMemory<'_>, len: Size, max: usize) -> Result<Cow<'m, [u8]>> {
        if len.get() >= max {
            return Err(Errno::ENAMETOOLONG);
        }
        memory.bytes(self.0, len)
    }
}

impl Slot for Text {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Text;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Text(Ptr::new(raw)))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        let len = u32::try_from(view.next).unwrap_or(u32::MAX);
        match view.memory.bytes(self.0, Size::new(len.min(SHOWN))) {
            Ok(bytes) => {
                let text = match std::str::from_utf8(&bytes) {
                    // Cut in the middle of a character.
                    Err(error) if error.error_len().is_none() && len > SHOWN => {
                        bytes.get(..error.valid_up_to()).unwrap_or_default()
                    }
                    _ => &bytes,
                };
                let _ = match std::str::from_utf8(text) {
                    Ok(text) => write!(out, "{text:?}"),
                    Err(_) => write!(out, "\"{}\"", text.escape_ascii()),
                };
                if len > SHOWN {
                    out.push_str("...");
                }
            }
            Err(_) => self.0.show(view, out),
        }
    }
}

/// A pointer to bytes that the call reads or fills; their number is the next parameter.
#[derive(Debug, Clone, Copy)]
pub struct Buffer(Ptr);

impl Buffer {
    /// Where it lies.
    #[must_use]
    pub fn ptr(self) -> Ptr {
        self.0
    }
}

impl Slot for Buffer {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Buffer;

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(Buffer(Ptr::new(raw)))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        let _ = write!(out, "[{} bytes]", view.next);
    }
}

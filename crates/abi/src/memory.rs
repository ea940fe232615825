use std::borrow::Cow;

use stratafs::{Errno, Result};

/// An address in the guest's memory, in or out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ptr(u32);

impl Ptr {
    /// The address as the guest gave it.
    #[must_use]
    pub const fn new(address: u32) -> Self {
        Ptr(address)
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The address `bytes` further on.
    ///
    /// # Errors
    /// `EFAULT` when there is no such address.
    pub fn offset(self, bytes: u32) -> Result<Self> {
        self.0.checked_add(bytes).map(Ptr).ok_or(Errno::EFAULT)
    }
}

/// A length in the guest's memory, in bytes or elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(u32);

impl Size {
    /// The length as the guest gave it.
    #[must_use]
    pub const fn new(size: u32) -> Self {
        Size(size)
    }

    /// The number.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The number, to measure a slice with.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// Of a length on the host.
    ///
    /// # Errors
    /// `EOVERFLOW` when a guest cannot name it.
    pub fn of(len: usize) -> Result<Self> {
        u32::try_from(len).map(Size).map_err(|_| Errno::EOVERFLOW)
    }
}

/// The guest's linear memory for the time of one call.
///
/// Everything goes through checked methods. None of them gives the memory itself away, so that a memory which other threads write
/// to at the same time can stand behind the same methods, copying through a small buffer.
#[derive(Debug)]
pub struct GuestMemory<'a> {
    bytes: &'a mut [u8],
}

impl<'a> GuestMemory<'a> {
    /// A memory that nobody else uses during the call.
    #[must_use]
    pub fn borrowed(bytes: &'a mut [u8]) -> Self {
        GuestMemory { bytes }
    }

    /// How many bytes the memory has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Makes sure that `len` bytes from `at` lie in the memory. Of no bytes, any address will do.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn check(&self, at: Ptr, len: Size) -> Result<()> {
        self.range(at, len).map(drop)
    }

    #[inline]
    fn range(&self, at: Ptr, len: Size) -> Result<&[u8]> {
        if len.0 == 0 {
            return Ok(&[]);
        }
        let start = at.0 as usize;
        let end = start.checked_add(len.get()).ok_or(Errno::EFAULT)?;
        self.bytes.get(start..end).ok_or(Errno::EFAULT)
    }

    #[inline]
    fn range_mut(&mut self, at: Ptr, len: Size) -> Result<&mut [u8]> {
        if len.0 == 0 {
            return Ok(&mut []);
        }
        let start = at.0 as usize;
        let end = start.checked_add(len.get()).ok_or(Errno::EFAULT)?;
        self.bytes.get_mut(start..end).ok_or(Errno::EFAULT)
    }

    /// The `len` bytes at `at`. The caller has bounded `len`: a shared memory copies them.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn bytes(&self, at: Ptr, len: Size) -> Result<Cow<'_, [u8]>> {
        self.range(at, len).map(Cow::Borrowed)
    }

    /// A piece of the memory to write from, for the call only.
    #[inline]
    pub(crate) fn lend(&self, at: Ptr, len: Size) -> Result<&[u8]> {
        self.range(at, len)
    }

    /// A piece of the memory to read into, for the call only.
    #[inline]
    pub(crate) fn lend_mut(&mut self, at: Ptr, len: Size) -> Result<&mut [u8]> {
        self.range_mut(at, len)
    }

    /// Lets `fill` write the `len` bytes at `at`, in pieces and in order.
    ///
    /// # Errors
    /// `EFAULT` before anything is written; what `fill` gives, with the pieces before it written.
    pub fn fill(&mut self, at: Ptr, len: Size, mut fill: impl FnMut(&mut [u8]) -> Result<()>) -> Result<()> {
        self.range_mut(at, len)?.chunks_mut(64 << 10).try_for_each(&mut fill)
    }

    /// Writes `from` at `at`.
    ///
    /// # Errors
    /// `EFAULT`; nothing is written then.
    #[inline]
    pub fn write(&mut self, at: Ptr, from: &[u8]) -> Result<()> {
        self.range_mut(at, Size::of(from.len()).map_err(|_| Errno::EFAULT)?)?.copy_from_slice(from);
        Ok(())
    }

    /// Copies the `len` bytes at `src` to `dest`; the two may overlap.
    ///
    /// # Errors
    /// `EFAULT`; nothing is written then.
    pub fn copy(&mut self, dest: Ptr, src: Ptr, len: Size) -> Result<()> {
        self.check(src, len)?;
        self.check(dest, len)?;
        if len.0 > 0 {
            let start = src.0 as usize;
            self.bytes.copy_within(start..start + len.get(), dest.0 as usize);
        }
        Ok(())
    }

    #[inline]
    fn array<const N: usize>(&self, at: Ptr) -> Result<[u8; N]> {
        let start = at.0 as usize;
        let bytes = self.bytes.get(start..).and_then(|rest| rest.first_chunk::<N>());
        bytes.copied().ok_or(Errno::EFAULT)
    }

    /// The byte at `at`.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn read_u8(&self, at: Ptr) -> Result<u8> {
        self.array::<1>(at).map(|[byte]| byte)
    }

    /// The little-endian number at `at`, at any alignment.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn read_u16(&self, at: Ptr) -> Result<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// The little-endian number at `at`, at any alignment.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn read_u32(&self, at: Ptr) -> Result<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The little-endian number at `at`, at any alignment.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn read_u64(&self, at: Ptr) -> Result<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// Writes the byte at `at`.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn write_u8(&mut self, at: Ptr, value: u8) -> Result<()> {
        self.write(at, &[value])
    }

    /// Writes the little-endian number at `at`, at any alignment.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn write_u16(&mut self, at: Ptr, value: u16) -> Result<()> {
        self.write(at, &value.to_le_bytes())
    }

    /// Writes the little-endian number at `at`, at any alignment.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn write_u32(&mut self, at: Ptr, value: u32) -> Result<()> {
        self.write(at, &value.to_le_bytes())
    }

    /// Writes the little-endian number at `at`, at any alignment.
    ///
    /// # Errors
    /// `EFAULT`.
    #[inline]
    pub fn write_u64(&mut self, at: Ptr, value: u64) -> Result<()> {
        self.write(at, &value.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_at_any_alignment() {
        let mut bytes = [0; 16];
        let mut memory = GuestMemory::borrowed(&mut bytes);
        memory.write_u64(Ptr::new(3), 0x0102_0304_0506_0708).unwrap();
        assert_eq!(memory.read_u8(Ptr::new(3)), Ok(8));
        assert_eq!(memory.read_u16(Ptr::new(4)), Ok(0x0607));
        assert_eq!(memory.read_u32(Ptr::new(3)), Ok(0x0506_0708));
        assert_eq!(memory.read_u64(Ptr::new(3)), Ok(0x0102_0304_0506_0708));
    }

    #[test]
    fn out_of_bounds_is_efault_and_writes_nothing() {
        let mut bytes = [7; 8];
        let mut memory = GuestMemory::borrowed(&mut bytes);
        assert_eq!(memory.write_u32(Ptr::new(5), 0), Err(Errno::EFAULT));
        assert_eq!(memory.write(Ptr::new(u32::MAX), &[0]), Err(Errno::EFAULT));
        assert_eq!(memory.read_u64(Ptr::new(1)), Err(Errno::EFAULT));
        assert_eq!(memory.bytes(Ptr::new(u32::MAX), Size::new(u32::MAX)), Err(Errno::EFAULT));
        assert_eq!(memory.check(Ptr::new(8), Size::new(1)), Err(Errno::EFAULT));
        assert_eq!(memory.fill(Ptr::new(4), Size::new(5), |_| Ok(())), Err(Errno::EFAULT));
        assert_eq!(memory.copy(Ptr::new(0), Ptr::new(4), Size::new(5)), Err(Errno::EFAULT));
        assert_eq!(memory.copy(Ptr::new(4), Ptr::new(0), Size::new(5)), Err(Errno::EFAULT));
        assert_eq!(memory.copy(Ptr::new(9), Ptr::new(u32::MAX), Size::new(0)), Ok(()));
        assert_eq!(bytes, [7; 8]);
    }

    #[test]
    fn nothing_lies_anywhere() {
        let mut memory = GuestMemory::borrowed(&mut []);
        assert_eq!(memory.check(Ptr::new(u32::MAX), Size::new(0)), Ok(()));
        assert_eq!(memory.write(Ptr::new(9), &[]), Ok(()));
        assert_eq!(Ptr::new(u32::MAX).offset(1), Err(Errno::EFAULT));
    }
}

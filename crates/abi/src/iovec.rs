//! Vectored calls: the guest's list of buffers, taken over before anything happens.

use std::fmt::Write;
use std::io::IoSlice;

use stratafs::{Errno, Limits, ReadBufs, Result};

use crate::{GuestMemory, Ptr, Shape, Size, Slot, View};

/// So many buffers are decoded without an allocation.
const FEW: usize = 16;
/// Bytes of a `{ buf: ptr, len: u32 }`.
const IOVEC: u32 = 8;

#[derive(Debug, Clone, Copy)]
struct IoVec {
    at: Ptr,
    len: Size,
}

/// A pointer to a guest's `iovec`s; their number is the next parameter.
#[derive(Debug, Clone, Copy)]
pub struct IoVecs(Ptr);

impl IoVecs {
    /// Decodes each buffer in turn, cut to what one call may move.
    ///
    /// # Errors
    /// `EINVAL` past [`Limits::iovecs`] or when the sum of the lengths does not fit 32 bits; `EFAULT`.
    #[inline]
    fn each(self, memory: &GuestMemory<'_>, count: Size, limits: &Limits, mut each: impl FnMut(IoVec)) -> Result<()> {
        if count.raw() > limits.iovecs {
            return Err(Errno::EINVAL);
        }
        let list = memory.lend(self.0, Size::new(count.raw().checked_mul(IOVEC).ok_or(Errno::EINVAL)?))?;
        let mut sum = 0_u32;
        let mut room = u32::try_from(limits.call).unwrap_or(u32::MAX);
        for &[a, b, c, d, e, f, g, h] in list.as_chunks().0 {
            let (at, len) = (Ptr::new(u32::from_le_bytes([a, b, c, d])), u32::from_le_bytes([e, f, g, h]));
            sum = sum.checked_add(len).ok_or(Errno::EINVAL)?;
            memory.check(at, Size::new(len))?;
            let taken = len.min(room);
            room -= taken;
            each(IoVec { at, len: Size::new(taken) });
        }
        Ok(())
    }

    #[inline]
    fn decode<T: Copy>(
        self,
        memory: &GuestMemory<'_>,
        count: Size,
        limits: &Limits,
        nothing: T,
        make: impl Fn(IoVec) -> T,
    ) -> Result<List<T>> {
        match count.get() {
            1 => {
                let mut one = [nothing];
                self.each(memory, count, limits, |iovec| one = [make(iovec)])?;
                Ok(List::One(one))
            }
            0..=FEW => {
                let (mut few, mut taken) = ([nothing; FEW], 0);
                self.each(memory, count, limits, |iovec| {
                    if let Some(slot) = few.get_mut(taken) {
                        *slot = make(iovec);
                        taken += 1;
                    }
                })?;
                Ok(List::Few(few, taken))
            }
            _ => {
                let mut many = Vec::new();
                self.each(memory, count, limits, |iovec| many.push(make(iovec)))?;
                Ok(List::Many(many))
            }
        }
    }

    /// The buffers to write from.
    ///
    /// # Errors
    /// `EINVAL` past [`Limits::iovecs`] or when the sum of the lengths does not fit 32 bits; `EFAULT`.
    #[inline]
    pub fn gather<'m>(self, memory: &'m GuestMemory<'_>, count: Size, limits: &Limits) -> Result<Gather<'m>> {
        // Each was checked just before: it cannot be out of bounds.
        let piece = |iovec: IoVec| IoSlice::new(memory.lend(iovec.at, iovec.len).unwrap_or_default());
        self.decode(memory, count, limits, IoSlice::new(&[]), piece).map(Gather)
    }

    /// The buffers to read into.
    ///
    /// # Errors
    /// As [`gather`](IoVecs::gather).
    #[inline]
    pub fn scatter<'m, 'a>(self, memory: &'m mut GuestMemory<'a>, count: Size, limits: &Limits) -> Result<Scatter<'m, 'a>> {
        let nothing = IoVec { at: Ptr::new(0), len: Size::new(0) };
        let list = self.decode(memory, count, limits, nothing, |iovec| iovec)?;
        Ok(Scatter { memory, list })
    }
}

/// Nearly all calls pass one buffer, and nearly all others a few.
#[derive(Debug)]
enum List<T> {
    One([T; 1]),
    Few([T; FEW], usize),
    Many(Vec<T>),
}

impl<T> List<T> {
    #[inline]
    fn as_slice(&self) -> &[T] {
        match self {
            List::One(one) => one,
            List::Few(few, count) => few.get(..*count).unwrap_or_default(),
            List::Many(many) => many,
        }
    }
}

impl Slot for IoVecs {
    type Wasm = u32;
    const SHAPE: Shape = Shape::Array(IOVEC);

    #[inline]
    fn lift(raw: u32) -> Result<Self> {
        Ok(IoVecs(Ptr::new(raw)))
    }

    fn show(self, view: View<'_>, out: &mut String) {
        let count = u32::try_from(view.next).unwrap_or(u32::MAX);
        let mut sum = 0_u64;
        let shown = self.each(view.memory, Size::new(count), &Limits::default(), |iovec| sum += u64::from(iovec.len.raw()));
        let _ = match (shown, count) {
            (Ok(()), 1) => write!(out, "[{sum} bytes]"),
            (Ok(()), _) => write!(out, "[{sum} bytes in {count}]"),
            (Err(_), _) => write!(out, "{:#x}", self.0.raw()),
        };
    }
}

/// A guest's buffers to write from, in order.
#[derive(Debug)]
pub struct Gather<'m>(List<IoSlice<'m>>);

impl<'m> Gather<'m> {
    /// The buffers.
    #[must_use]
    #[inline]
    pub fn as_slices(&self) -> &[IoSlice<'m>] {
        self.0.as_slice()
    }
}

/// A guest's buffers to read into, lent one at a time: they may overlap each other and the list itself, which was taken over before.
#[derive(Debug)]
pub struct Scatter<'m, 'a> {
    memory: &'m mut GuestMemory<'a>,
    list: List<IoVec>,
}

impl ReadBufs for Scatter<'_, '_> {
    fn count(&self) -> usize {
        self.list.as_slice().len()
    }

    fn get(&mut self, index: usize) -> Result<&mut [u8]> {
        let iovec = *self.list.as_slice().get(index).ok_or(Errno::EFAULT)?;
        self.memory.lend_mut(iovec.at, iovec.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_with(list: &[(u32, u32)]) -> Vec<u8> {
        let mut bytes: Vec<u8> = list.iter().flat_map(|&(at, len)| [at.to_le_bytes(), len.to_le_bytes()].concat()).collect();
        bytes.resize(65_536, 0);
        bytes
    }

    #[test]
    fn few_and_many_buffers_keep_their_order() {
        for count in [0, 1, 16, 17, 1024] {
            let list: Vec<_> = (0..count).map(|i| (30_000 + i, 1)).collect();
            let mut bytes = memory_with(&list);
            for i in 0..count as usize {
                bytes[30_000 + i] = i as u8;
            }
            let mut memory = GuestMemory::borrowed(&mut bytes);
            let gather = IoVecs(Ptr::new(0)).gather(&memory, Size::new(count), &Limits::default()).unwrap();
            let seen: Vec<u8> = gather.as_slices().iter().flat_map(|s| s.to_vec()).collect();
            assert_eq!(seen, (0..count).map(|i| i as u8).collect::<Vec<_>>());
            let mut scatter = IoVecs(Ptr::new(0)).scatter(&mut memory, Size::new(count), &Limits::default()).unwrap();
            assert_eq!(scatter.count(), count as usize);
            for i in 0..count as usize {
                scatter.get(i).unwrap()[0] = 255 - i as u8;
            }
            assert!(scatter.get(count as usize).is_err());
            assert!((0..count as usize).all(|i| bytes[30_000 + i] == 255 - i as u8));
        }
    }

    #[test]
    fn bad_lists_are_refused_before_anything() {
        let limits = Limits::default();
        let mut bytes = memory_with(&[(0, 8), (65_535, 2), (0, u32::MAX), (u32::MAX, 0)]);
        let memory = GuestMemory::borrowed(&mut bytes);
        let gather = |at, count| IoVecs(Ptr::new(at)).gather(&memory, Size::new(count), &limits).map(drop);
        assert_eq!(gather(0, 1), Ok(()));
        assert_eq!(gather(0, 2), Err(Errno::EFAULT));
        assert_eq!(gather(8, 2), Err(Errno::EFAULT));
        assert_eq!(gather(24, 1), Ok(()));
        assert_eq!(gather(0, 1025), Err(Errno::EINVAL));
        assert_eq!(gather(0, u32::MAX), Err(Errno::EINVAL));
        assert_eq!(gather(65_530, 1), Err(Errno::EFAULT));
        let mut bytes = memory_with(&[(0, 65_536); 1024]);
        let memory = GuestMemory::borrowed(&mut bytes);
        let mut limits = Limits::default();
        limits.iovecs = 70_000;
        assert_eq!(IoVecs(Ptr::new(0)).gather(&memory, Size::new(1024), &limits).map(drop), Ok(()));
    }

    #[test]
    fn lengths_whose_sum_overflows_are_invalid() {
        let mut bytes = vec![0; 65_536];
        bytes[4..8].copy_from_slice(&65_536_u32.to_le_bytes());
        for i in 0..8_000 {
            let entry = [0_u32.to_le_bytes(), 65_536_u32.to_le_bytes()].concat();
            bytes[i * 8..i * 8 + 8].copy_from_slice(&entry);
        }
        bytes.resize(1 << 20, 0);
        for i in 0..8_000 {
            bytes[i * 8 + 4..i * 8 + 8].copy_from_slice(&(1_u32 << 20).to_le_bytes());
        }
        let memory = GuestMemory::borrowed(&mut bytes);
        let mut limits = Limits::default();
        limits.iovecs = 8_000;
        assert_eq!(IoVecs(Ptr::new(0)).gather(&memory, Size::new(8_000), &limits).map(drop), Err(Errno::EINVAL));
    }

    #[test]
    fn one_call_moves_no_more_than_its_bound() {
        let mut limits = Limits::default();
        limits.call = 5;
        let mut bytes = memory_with(&[(100, 4), (200, 4), (300, 4)]);
        let memory = GuestMemory::borrowed(&mut bytes);
        let gather = IoVecs(Ptr::new(0)).gather(&memory, Size::new(3), &limits).unwrap();
        assert_eq!(gather.as_slices().iter().map(|s| s.len()).collect::<Vec<_>>(), [4, 1, 0]);
    }

    #[test]
    fn a_read_into_the_list_itself_does_not_change_the_list() {
        let mut bytes = memory_with(&[(0, 16), (100, 4)]);
        let mut memory = GuestMemory::borrowed(&mut bytes);
        let mut scatter = IoVecs(Ptr::new(0)).scatter(&mut memory, Size::new(2), &Limits::default()).unwrap();
        scatter.get(0).unwrap().fill(0xff);
        scatter.get(1).unwrap().fill(7);
        assert_eq!(bytes[100..104], [7; 4]);
    }
}

//! Fixed memory for the allocator's hooks: reserved once, backed by pages as they are touched.

use std::marker::PhantomData;

#[cfg(feature = "test_links")]
use crate::heap::trial;

/// An array of zeroed elements that never moves and is never freed.
pub(crate) struct Reserved<T> {
    start: *mut T,
    length: usize,
    element: PhantomData<T>,
}

/// Types whose all-zero bytes are a value.
///
/// # Safety
/// That has to be true.
pub(crate) unsafe trait Zeroed: Copy {}

// SAFETY: integers.
unsafe impl Zeroed for u32 {}
// SAFETY: integers.
unsafe impl Zeroed for usize {}

impl<T: Zeroed> Reserved<T> {
    /// Reserves room; none where the system refuses.
    pub(crate) fn new(length: usize) -> Option<Self> {
        #[cfg(feature = "test_links")]
        if trial::fails(trial::Kind::Map) {
            return None;
        }
        // SAFETY: a new private mapping, all zero, aligned to pages.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length * size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        (start != libc::MAP_FAILED).then(|| Reserved { start: start.cast(), length, element: PhantomData })
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Where it is.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        let start = self.start.addr();
        start..start + self.length * size_of::<T>()
    }

    /// Makes all elements zero, and gives their pages back to the system.
    pub(crate) fn clear(&mut self) {
        // SAFETY: the whole of a private mapping; read again, its bytes are zero.
        unsafe { libc::madvise(self.start.cast(), self.length * size_of::<T>(), libc::MADV_DONTNEED) };
    }

    /// An element. Indices come from masks and counters that stay below the length.
    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> T {
        debug_assert!(index < self.length);
        // SAFETY: below the length, as promised; initialized, as zero is a value.
        unsafe { self.start.add(index).read() }
    }

    /// An element where it lies.
    #[inline(always)]
    pub(crate) fn get_ref(&self, index: usize) -> &T {
        debug_assert!(index < self.length);
        // SAFETY: as in `get`; nobody changes it while `self` is borrowed.
        unsafe { &*self.start.add(index) }
    }

    /// An element, to be changed.
    #[inline(always)]
    pub(crate) fn at(&mut self, index: usize) -> &mut T {
        debug_assert!(index < self.length);
        // SAFETY: as in `get`; the borrow is exclusive.
        unsafe { &mut *self.start.add(index) }
    }
}

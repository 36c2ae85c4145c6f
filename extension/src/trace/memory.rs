//! Fixed memory for the allocator's hooks: reserved once, backed by pages as they are touched.

use std::marker::PhantomData;

/// An array of zeroed elements that never moves and is never freed.
pub(super) struct Reserved<T> {
    start: *mut T,
    length: usize,
    element: PhantomData<T>,
}

/// Types whose all-zero bytes are a value.
///
/// # Safety
/// That has to be true.
pub(super) unsafe trait Zeroed: Copy {}

// SAFETY: integers.
unsafe impl Zeroed for u32 {}

impl<T: Zeroed> Reserved<T> {
    /// Reserves room; none where the system refuses.
    pub(super) fn new(length: usize) -> Option<Self> {
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

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// An element. Indices come from masks and counters that stay below the length.
    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> T {
        debug_assert!(index < self.length);
        // SAFETY: below the length, as promised; initialized, as zero is a value.
        unsafe { self.start.add(index).read() }
    }

    /// An element, to be changed.
    #[inline(always)]
    pub(super) fn at(&mut self, index: usize) -> &mut T {
        debug_assert!(index < self.length);
        // SAFETY: as in `get`; the borrow is exclusive.
        unsafe { &mut *self.start.add(index) }
    }
}

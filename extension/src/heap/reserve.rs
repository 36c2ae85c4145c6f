//! Memory that is there beforehand.

use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

use talc::DefaultBinning;
use talc::base::Talc;
use talc::source::Manual;

/// Bytes. They lie in the library's zeroed data: no mapping can fail, and what is not touched costs nothing but addresses.
const BYTES: usize = 16 << 20;

/// Whole pages.
#[repr(C, align(4096))]
struct Memory(UnsafeCell<MaybeUninit<[u8; BYTES]>>);

// SAFETY: only the allocator in `Reserve` touches it, and those to whom it has given a part.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new(MaybeUninit::zeroed()));

/// The memory, and what of it is free.
pub(super) struct Reserve {
    is_taken: AtomicBool,
    free: UnsafeCell<Talc<Manual, DefaultBinning>>,
}

// SAFETY: `free` is only touched by the one who has set `is_taken`.
unsafe impl Sync for Reserve {}

impl Reserve {
    pub(super) const fn new() -> Self {
        Reserve { is_taken: AtomicBool::new(false), free: UnsafeCell::new(Talc::new(Manual)) }
    }

    /// Runs something with the allocator. Libraries may have threads of their own.
    fn with<R>(&self, f: impl FnOnce(&mut Talc<Manual, DefaultBinning>) -> R) -> R {
        while self.is_taken.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        // SAFETY: nobody else has it, and `f` neither unwinds nor comes back here.
        let result = f(unsafe { &mut *self.free.get() });
        self.is_taken.store(false, Ordering::Release);
        result
    }

    /// Memory from the reserve; null where there is not enough.
    pub(super) fn allocate(&self, layout: Layout) -> *mut u8 {
        self.with(|free| {
            // SAFETY: the memory is claimed once, and the size is not 0 (`GlobalAlloc::alloc`).
            unsafe {
                if !free.is_metadata_established() {
                    free.claim(MEMORY.0.get().cast(), BYTES);
                }
                free.allocate(layout).map_or(std::ptr::null_mut(), |chunk| chunk.as_ptr())
            }
        })
    }

    /// Whether a chunk is of the reserve.
    #[inline(always)]
    pub(super) fn has(&self, chunk: *mut u8) -> bool {
        chunk.addr().wrapping_sub(MEMORY.0.get().addr()) < BYTES
    }

    /// Takes a chunk back.
    ///
    /// # Safety
    /// It is of the reserve, was made with that layout, and is not used any more.
    pub(super) unsafe fn free(&self, chunk: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promise.
        self.with(|free| unsafe { free.deallocate(chunk, layout) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reserve of its own would need memory of its own: the one that there is has all its memory again afterwards.
    #[test]
    fn what_is_given_back_is_given_out_again() {
        static RESERVE: Reserve = Reserve::new();
        let layout = |size| Layout::from_size_align(size, 16).unwrap();
        for _ in 0..3 {
            let chunks: Vec<*mut u8> =
                (0..).map(|_| RESERVE.allocate(layout(1 << 20))).take_while(|chunk| !chunk.is_null()).collect();
            assert!((12..16).contains(&chunks.len()), "{}", chunks.len());
            for &chunk in &chunks {
                assert!(RESERVE.has(chunk) && chunk.addr() % 16 == 0);
                // SAFETY: made with that layout.
                unsafe { RESERVE.free(chunk, layout(1 << 20)) };
            }
        }
        let own = Box::new(0u64);
        assert!(!RESERVE.has((&raw const *own).cast_mut().cast()));
    }
}

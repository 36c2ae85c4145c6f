//! The engine's own heap: Rust's, for everything in this library, std and what it depends on included.
//!
//! A failed allocation ends the process in Rust, and a backend that is ended so takes all others with it. So nothing of the engine
//! may come to that:
//!
//! * What grows with what is looked at - contexts, paths, allocations, findings - asks first, by [`memcheck_core::room`]. Where
//!   there is no memory, the answer is no, and what is lost is counted.
//! * What is small and asks nobody - a text, what std or a dependency needs - comes from malloc, or else from a reserve
//!   ([`reserve`]), which is there beforehand.
//! * Where that is used up as well, this process ends as the server has it end ([`at_the_end`]): alone.
//!
//! Nothing is allocated here inside the allocator's hooks, so what they cost is not touched by it.

mod reserve;
#[cfg(feature = "test_links")]
pub(crate) mod trial;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;

use memcheck_core::room;
use reserve::Reserve;

/// Rust's heap.
struct Heap {
    reserve: Reserve,
}

#[global_allocator]
static HEAP: Heap = Heap { reserve: Reserve::new() };

/// What to do where no memory is left for so many bytes. It returns only where nothing can be done.
static AT_THE_END: OnceLock<fn(usize)> = OnceLock::new();

/// Has something done where no memory is left at all. In the postmaster: its children inherit it.
pub(crate) fn at_the_end(handler: fn(usize)) {
    AT_THE_END.get_or_init(|| handler);
}

/// Whether malloc is to be taken for failing; never, but in tests.
#[inline(always)]
fn is_to_fail() -> bool {
    #[cfg(feature = "test_links")]
    return trial::fails(if room::is_asked_for() { trial::Kind::Room } else { trial::Kind::Heap });
    #[cfg(not(feature = "test_links"))]
    false
}

impl Heap {
    /// malloc has failed.
    #[cold]
    fn instead(&self, layout: Layout) -> *mut u8 {
        if room::is_asked_for() {
            return std::ptr::null_mut();
        }
        let chunk = self.reserve.allocate(layout);
        if chunk.is_null()
            && let Some(handler) = AT_THE_END.get()
        {
            handler(layout.size());
        }
        chunk
    }
}

// SAFETY: chunks are malloc's or the reserve's, each is given back to whom it came from, and neither unwinds.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: by the caller's promise, which is the same.
        let chunk = if is_to_fail() { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } };
        if chunk.is_null() { self.instead(layout) } else { chunk }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above; the reserve's chunks are as large as they are asked for.
        unsafe {
            let chunk = if is_to_fail() { std::ptr::null_mut() } else { System.alloc_zeroed(layout) };
            if !chunk.is_null() {
                return chunk;
            }
            let chunk = self.instead(layout);
            if !chunk.is_null() {
                chunk.write_bytes(0, layout.size());
            }
            chunk
        }
    }

    #[inline]
    unsafe fn dealloc(&self, chunk: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promise it was made here with that layout.
        unsafe {
            if self.reserve.has(chunk) {
                self.reserve.free(chunk, layout);
            } else {
                System.dealloc(chunk, layout);
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, chunk: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; the new size is not 0 and does not overflow with the alignment, by the caller's promise. Of the old chunk
        // is copied what both have room for.
        unsafe {
            let is_reserved = self.reserve.has(chunk);
            if !is_reserved && !is_to_fail() {
                let larger = System.realloc(chunk, layout, size);
                if !larger.is_null() {
                    return larger;
                }
            }
            let other = Layout::from_size_align_unchecked(size, layout.align());
            let moved = if is_reserved { self.alloc(other) } else { self.instead(other) };
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(chunk, layout.size().min(size));
                self.dealloc(chunk, layout);
            }
            moved
        }
    }
}

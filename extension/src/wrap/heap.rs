//! malloc and its family, as the targets and the libraries that work for them call them.
//!
//! The functions stand in the global offset tables of everything that is loaded except the server and the engine: a library of
//! C like `regcomp`, or a runtime like that of C++, allocates through its own table. The server keeps its own malloc, whose
//! blocks are counted as contexts; but it may free what a target has allocated.

use std::ffi::{c_int, c_void};

use super::chain::{allocate_heap, free_heap, reallocate_heap, requested};
use super::guarded::moved_out_of_heap;
use super::hooked::hooked;
use crate::link::MALLOC_ALIGNMENT;
use crate::stack::Registers;

/// Fails as the C library does.
fn no_memory() -> *mut c_void {
    // SAFETY: this thread's own variable.
    unsafe { *libc::__errno_location() = libc::ENOMEM };
    std::ptr::null_mut()
}

/// The size of a page (bytes).
fn page() -> usize {
    // SAFETY: asks for a constant of the system.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The power of two that a chunk is aligned to, of which so much is asked.
fn power(alignment: usize) -> u8 {
    let power = alignment.checked_next_power_of_two().map_or(usize::BITS - 1, usize::ilog2);
    MALLOC_ALIGNMENT.max(power as u8)
}

hooked! {
    fn malloc(size: usize) -> *mut c_void {
        // SAFETY: called as the C library's function is.
        allocate_heap(Registers::here(), size, MALLOC_ALIGNMENT, |size| unsafe { libc::malloc(size) }, no_memory)
    }

    fn calloc(count: usize, size: usize) -> *mut c_void {
        let Some(whole) = count.checked_mul(size) else {
            // SAFETY: as in `malloc`; it fails.
            return unsafe { libc::calloc(count, size) };
        };
        // SAFETY: as in `malloc`. What a link serves is zero, too.
        let make = |bytes| unsafe { libc::calloc(1, bytes) };
        allocate_heap(Registers::here(), whole, MALLOC_ALIGNMENT, make, no_memory)
    }

    fn posix_memalign(chunk: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        if !alignment.is_power_of_two() || !alignment.is_multiple_of(size_of::<usize>()) {
            return libc::EINVAL;
        }
        let mut failed = libc::ENOMEM;
        let made = allocate_heap(
            Registers::here(),
            size,
            power(alignment),
            |size| {
                let mut made = std::ptr::null_mut();
                // SAFETY: as in `malloc`, with a place of ours for the result.
                failed = unsafe { libc::posix_memalign(&mut made, alignment, size) };
                made
            },
            std::ptr::null_mut,
        );
        if !made.is_null() || failed == 0 {
            failed = 0;
            // SAFETY: the caller's place for the result.
            unsafe { chunk.write(made) };
        }
        failed
    }

    fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`.
        let make = |size| unsafe { libc::aligned_alloc(alignment, size) };
        if !alignment.is_power_of_two() {
            return make(size);
        }
        allocate_heap(Registers::here(), size, power(alignment), make, no_memory)
    }

    fn memalign(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`.
        let make = |size| unsafe { libc::memalign(alignment, size) };
        allocate_heap(Registers::here(), size, power(alignment), make, no_memory)
    }

    fn realloc(chunk: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`.
        let anew = |size| unsafe { libc::realloc(chunk, size) };
        let make = |size| moved_out_of_heap(chunk, size).unwrap_or_else(|| anew(size));
        reallocate_heap(Registers::here(), chunk, size, make, no_memory)
    }

    fn reallocarray(chunk: *mut c_void, count: usize, size: usize) -> *mut c_void {
        let Some(whole) = count.checked_mul(size) else { return no_memory() };
        // SAFETY: as in `malloc`; the C library's is a call of its realloc too.
        let anew = |size| unsafe { libc::realloc(chunk, size) };
        let make = |size| moved_out_of_heap(chunk, size).unwrap_or_else(|| anew(size));
        reallocate_heap(Registers::here(), chunk, whole, make, no_memory)
    }

    fn valloc(size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`; the C library's does the same.
        let make = |size| unsafe { libc::memalign(page(), size) };
        allocate_heap(Registers::here(), size, power(page()), make, no_memory)
    }

    fn pvalloc(size: usize) -> *mut c_void {
        let whole_pages = |size: usize| match size.checked_next_multiple_of(page()) {
            // SAFETY: as in `valloc`.
            Some(size) => unsafe { libc::memalign(page(), size) },
            None => no_memory(),
        };
        // All of the pages may be used, so that nobody else can say where its end is.
        allocate_heap(Registers::here(), size, power(usize::MAX), whole_pages, no_memory)
    }

    fn free(chunk: *mut c_void) {
        if !free_heap(Registers::here(), chunk) {
            // SAFETY: as in `malloc`.
            unsafe { libc::free(chunk) };
        }
    }

    /// Whoever asks may write to all of it, which is less than there is where it is guarded.
    fn malloc_usable_size(chunk: *mut c_void) -> usize {
        // SAFETY: as in `malloc`.
        requested(chunk).unwrap_or_else(|| unsafe { libc::malloc_usable_size(chunk) })
    }
}

//! malloc and its family, as the targets and the libraries that work for them call them.
//!
//! The functions stand in the global offset tables of everything that is loaded except the server and the engine: a library of
//! C like `regcomp`, or a runtime like that of C++, allocates through its own table. The server keeps its own malloc, whose
//! blocks are counted as contexts; but it may free what a target has allocated.

use std::ffi::{c_int, c_void};

use super::chain::{allocate_heap, free_heap, reallocate_heap};
use super::hooked::hooked;
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

hooked! {
    fn malloc(size: usize) -> *mut c_void {
        // SAFETY: called as the C library's function is.
        allocate_heap(Registers::here(), size, |size| unsafe { libc::malloc(size) }, no_memory)
    }

    fn calloc(count: usize, size: usize) -> *mut c_void {
        let Some(whole) = count.checked_mul(size) else {
            // SAFETY: as in `malloc`; it fails.
            return unsafe { libc::calloc(count, size) };
        };
        // SAFETY: as in `malloc`.
        allocate_heap(Registers::here(), whole, |bytes| unsafe { libc::calloc(1, bytes) }, no_memory)
    }

    fn posix_memalign(chunk: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        let mut failed = libc::ENOMEM;
        let made = allocate_heap(
            Registers::here(),
            size,
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
        allocate_heap(Registers::here(), size, |size| unsafe { libc::aligned_alloc(alignment, size) }, no_memory)
    }

    fn memalign(alignment: usize, size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`.
        allocate_heap(Registers::here(), size, |size| unsafe { libc::memalign(alignment, size) }, no_memory)
    }

    fn realloc(chunk: *mut c_void, size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`.
        reallocate_heap(Registers::here(), chunk, size, |size| unsafe { libc::realloc(chunk, size) }, no_memory)
    }

    fn reallocarray(chunk: *mut c_void, count: usize, size: usize) -> *mut c_void {
        let Some(whole) = count.checked_mul(size) else { return no_memory() };
        // SAFETY: as in `malloc`; the C library's is a call of its realloc too.
        reallocate_heap(Registers::here(), chunk, whole, |size| unsafe { libc::realloc(chunk, size) }, no_memory)
    }

    fn valloc(size: usize) -> *mut c_void {
        // SAFETY: as in `malloc`; the C library's does the same.
        allocate_heap(Registers::here(), size, |size| unsafe { libc::memalign(page(), size) }, no_memory)
    }

    fn pvalloc(size: usize) -> *mut c_void {
        let whole_pages = |size: usize| match size.checked_next_multiple_of(page()) {
            // SAFETY: as in `valloc`.
            Some(size) => unsafe { libc::memalign(page(), size) },
            None => no_memory(),
        };
        allocate_heap(Registers::here(), size, whole_pages, no_memory)
    }

    fn free(chunk: *mut c_void) {
        if !free_heap(Registers::here(), chunk) {
            // SAFETY: as in `malloc`.
            unsafe { libc::free(chunk) };
        }
    }
}

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

    fn free(chunk: *mut c_void) {
        if !free_heap(chunk) {
            // SAFETY: as in `malloc`.
            unsafe { libc::free(chunk) };
        }
    }
}

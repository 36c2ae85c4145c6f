//! pfree and repalloc, as the targets call them.
//!
//! What they are given they read the header of, which leads to the context in 15 and to the allocator's method later. So a chunk
//! that malloc has made must not come there, nor one of which the header was written to.

use std::ffi::c_void;

use super::chain::{is_of_heap, is_refused};
use super::heap;
use super::hooked::hooked;
use crate::pg::server;
use crate::stack::Registers;

hooked! {
    fn pfree(chunk: *mut c_void) {
        if !is_refused(Registers::here(), chunk) {
            // SAFETY: called as the server's function is.
            unsafe { server::pfree(chunk) };
        }
    }

    fn repalloc(chunk: *mut c_void, size: usize) -> *mut c_void {
        if is_of_heap(Registers::here(), chunk) {
            // SAFETY: one of malloc's, as has been found.
            return unsafe { heap::realloc(chunk, size) };
        }
        // SAFETY: called as the server's function is.
        unsafe { server::repalloc(chunk, size) }
    }
}

//! Chunks that the guard has served, for the wrappers. They are in use for as long as somebody needs them, with the chain on or off.

use std::ffi::c_void;

use pgrx::pg_sys::MemoryContext;

use super::chain::with;
use crate::guard::pages::Pages;
use crate::link::{By, Link, Room, is_served};
use crate::stack::calls;

/// Asks the guard about a chunk, if it is one that it has served.
#[inline(always)]
fn ask<R>(chunk: *mut c_void, ask: impl FnOnce(&Pages) -> Option<R>) -> Option<R> {
    if is_served(chunk.addr()) { with(|chain| ask(&chain.guard.pages)).flatten() } else { None }
}

/// The context of a chunk, and the bytes that it takes of it; none for one that the guard has not served.
#[inline(always)]
pub(super) fn whose(chunk: *mut c_void) -> Option<(MemoryContext, usize)> {
    let (context, space) = ask(chunk, |pages| pages.whose(chunk.addr()))?;
    Some((std::ptr::with_exposed_provenance_mut(context), space))
}

/// The size that a chunk has to keep; none where it may get another.
#[cfg(not(feature = "pg15"))]
pub(super) fn fixed_size(chunk: *mut c_void) -> Option<usize> {
    ask(chunk, |pages| pages.size(chunk.addr()).filter(|_| pages.has_fixed_size(chunk.addr())))
}

/// Bytes that chunks of a context take elsewhere.
pub(super) fn bytes_in(context: MemoryContext) -> usize {
    with(|chain| chain.guard.pages.bytes_in(context.addr())).unwrap_or(0)
}

/// Gives a chunk that the guard has served back, and has it replaced by one that `make` makes.
pub(super) fn moved_out(
    chunk: *mut c_void,
    size: usize,
    make: impl FnOnce(usize) -> *mut c_void,
    room: Room,
) -> *mut c_void {
    let before = ask(chunk, |pages| pages.size(chunk.addr())).unwrap_or(0);
    let made = make(size);
    if !made.is_null() {
        // SAFETY: both are live, and of those sizes at least.
        unsafe { std::ptr::copy_nonoverlapping(chunk.cast::<u8>(), made.cast(), before.min(size)) };
        with(|chain| chain.guard.release(room, chunk.addr(), By::NOBODY));
    }
    made
}

/// The same for the heap; none where the guard has not served the chunk. In any thread.
pub(super) fn moved_out_of_heap(chunk: *mut c_void, size: usize) -> Option<*mut c_void> {
    if !is_served(chunk.addr()) {
        return None;
    }
    // SAFETY: as the C library's realloc is called.
    let make = |size| unsafe { libc::malloc(size) };
    if calls::is_this_thread() {
        return Some(moved_out(chunk, size, make, Room::Heap));
    }
    let made = make(size);
    if !made.is_null() {
        let part = |start| libc::iovec { iov_base: start, iov_len: size };
        // SAFETY: reads this process's memory as far as it can be read, which is to where the chunk ends, into what was made
        // just now. What the guard knows is not for this thread, so the chunk stays.
        unsafe { libc::process_vm_readv(libc::getpid(), &part(made), 1, &part(chunk), 1, 0) };
    }
    Some(made)
}

//! malloc and its family, as the targets and the libraries that work for them call them.
//!
//! The functions stand in the global offset tables of everything that is loaded except the server and the engine
//! ([`super::got`]): a library of C like `regcomp`, or a runtime like that of C++, allocates through its own table. The
//! server keeps its own malloc, whose blocks are counted as contexts; but it may free what a target has allocated.

use std::ffi::{CStr, c_int, c_void};

use super::got::{Kind, Slot};
use super::{on_heap_alloc, on_heap_free, on_heap_realloc};

/// The function of ours for a slot that leads to one of the family. In the server's table, only what gives memory back.
pub(super) fn replacement(slot: &Slot, of_server: bool) -> Option<usize> {
    // A library calls by way of its variable, wherever that lives.
    let (name, of_server) =
        if slot.kind == Kind::Copy { (name_of(slot.value)?, false) } else { (slot.name, of_server) };
    let function = match name.to_bytes() {
        b"free" => free as *const (),
        b"realloc" => realloc as *const (),
        _ if of_server => return None,
        b"malloc" => malloc as *const (),
        b"calloc" => calloc as *const (),
        b"posix_memalign" => posix_memalign as *const (),
        b"aligned_alloc" => aligned_alloc as *const (),
        b"memalign" => memalign as *const (),
        _ => return None,
    };
    Some(function as usize)
}

/// Which of the functions that a library keeps in variables an address is.
fn name_of(address: usize) -> Option<&'static CStr> {
    const KEPT: [&CStr; 4] = [c"malloc", c"calloc", c"realloc", c"free"];
    // SAFETY: looks a name up.
    KEPT.into_iter().find(|name| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.addr() == address)
}

unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: called as the C library's function is.
    let chunk = unsafe { libc::malloc(size) };
    on_heap_alloc(chunk, size);
    chunk
}

unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    let chunk = unsafe { libc::calloc(count, size) };
    on_heap_alloc(chunk, count.saturating_mul(size));
    chunk
}

unsafe extern "C" fn posix_memalign(chunk: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: as in `malloc`.
    let failed = unsafe { libc::posix_memalign(chunk, alignment, size) };
    if failed == 0 {
        // SAFETY: filled by the call that succeeded.
        on_heap_alloc(unsafe { *chunk }, size);
    }
    failed
}

unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    let chunk = unsafe { libc::aligned_alloc(alignment, size) };
    on_heap_alloc(chunk, size);
    chunk
}

unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: as in `malloc`.
    let chunk = unsafe { libc::memalign(alignment, size) };
    on_heap_alloc(chunk, size);
    chunk
}

unsafe extern "C" fn realloc(chunk: *mut c_void, size: usize) -> *mut c_void {
    let before = chunk.addr();
    // SAFETY: as in `malloc`.
    let moved = unsafe { libc::realloc(chunk, size) };
    on_heap_realloc(before, moved, size);
    moved
}

unsafe extern "C" fn free(chunk: *mut c_void) {
    on_heap_free(chunk);
    // SAFETY: as in `malloc`.
    unsafe { libc::free(chunk) };
}

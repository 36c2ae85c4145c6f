//! 16: one array of tables, indexed by the method id in a chunk's header; chunks are freed without their context.

use super::*;

/// Method ids (`MemoryContextMethodID` in memutils_internal.h).
const ASET: usize = 3;
const GENERATION: usize = 4;
const SLAB: usize = 5;

/// The tables of AllocSet, Generation and Slab.
pub(super) fn tables() -> ([*mut MemoryContextMethods; KINDS], usize) {
    // SAFETY: TopMemoryContext is an AllocSet, so its table is that element of the array.
    let array = unsafe { (*pg_sys::TopMemoryContext).methods.cast_mut().wrapping_sub(ASET) };
    let table = |id| array.wrapping_add(id);
    ([table(ASET), table(GENERATION), table(SLAB), std::ptr::null_mut()], 3)
}

/// The functions of a table, all of which every kind has.
pub(super) fn functions(methods: &MemoryContextMethods) -> [Option<usize>; 6] {
    [
        methods.alloc.map(|f| f as usize),
        methods.free_p.map(|f| f as usize),
        methods.realloc.map(|f| f as usize),
        methods.reset.map(|f| f as usize),
        methods.delete_context.map(|f| f as usize),
        methods.get_chunk_context.map(|f| f as usize),
    ]
}

pub(super) unsafe extern "C-unwind" fn alloc<const KIND: usize>(
    context: pg_sys::MemoryContext,
    size: pg_sys::Size,
) -> *mut c_void {
    // SAFETY: called as the server called us; the tables were checked to be complete.
    let chunk = unsafe { (original::<KIND>().alloc.unwrap_unchecked())(context, size) };
    on_alloc(chunk, size, context);
    chunk
}

pub(super) unsafe extern "C-unwind" fn free<const KIND: usize>(chunk: *mut c_void) {
    on_free(chunk);
    // SAFETY: as in `alloc`.
    unsafe { (original::<KIND>().free_p.unwrap_unchecked())(chunk) };
}

pub(super) unsafe extern "C-unwind" fn realloc<const KIND: usize>(
    chunk: *mut c_void,
    size: pg_sys::Size,
) -> *mut c_void {
    // SAFETY: as in `alloc`; the chunk is live until it is reallocated.
    unsafe {
        let context = (original::<KIND>().get_chunk_context.unwrap_unchecked())(chunk);
        let moved = (original::<KIND>().realloc.unwrap_unchecked())(chunk, size);
        on_realloc(chunk, moved, size, context);
        moved
    }
}

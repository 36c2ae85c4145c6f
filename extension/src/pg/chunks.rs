//! Whose chunk it is: `GetMemoryChunkContext` of memutils.h.

use std::ffi::c_void;

use pgrx::pg_sys;

/// The address of a chunk's context.
///
/// # Safety
/// `chunk` is one that palloc has made and that was not freed.
pub(crate) unsafe fn context_of(chunk: usize) -> usize {
    let chunk: *mut c_void = std::ptr::with_exposed_provenance_mut(chunk);
    // SAFETY: by the caller's promise; the context stands before the chunk (`MemoryChunk` in 15).
    #[cfg(feature = "pg15")]
    unsafe {
        chunk.cast::<pg_sys::MemoryContext>().sub(1).read().expose_provenance()
    }
    // SAFETY: by the caller's promise.
    #[cfg(not(feature = "pg15"))]
    unsafe {
        unsafe extern "C-unwind" {
            fn GetMemoryChunkContext(pointer: *mut c_void) -> pg_sys::MemoryContext;
        }
        GetMemoryChunkContext(chunk).expose_provenance()
    }
}

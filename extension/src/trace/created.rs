//! Contexts that targets create: who did it is known even if nothing is ever allocated in one.
//!
//! A context is created by malloc, past the allocator's methods (`AllocSetContextCreateInternal` in aset.c), so the functions
//! stand in the targets' tables themselves. What the server creates for a target, it fills as well.

use std::ffi::{CStr, c_char};

use pgrx::pg_sys::{MemoryContext, Size};

use super::in_wrapper;
use super::walk::Registers;

/// The server's own, without the boundary that pgrx puts around them.
mod server {
    use super::{MemoryContext, Size, c_char};

    unsafe extern "C-unwind" {
        pub(super) fn AllocSetContextCreateInternal(
            parent: MemoryContext,
            name: *const c_char,
            min_size: Size,
            first_block: Size,
            largest_block: Size,
        ) -> MemoryContext;
        pub(super) fn GenerationContextCreate(
            parent: MemoryContext,
            name: *const c_char,
            min_size: Size,
            first_block: Size,
            largest_block: Size,
        ) -> MemoryContext;
        pub(super) fn SlabContextCreate(
            parent: MemoryContext,
            name: *const c_char,
            block: Size,
            chunk: Size,
        ) -> MemoryContext;
    }
}

/// The function of ours for one that creates a context.
pub(super) fn replacement(name: &CStr) -> Option<usize> {
    let function = match name.to_bytes() {
        b"AllocSetContextCreateInternal" => alloc_set as *const (),
        b"GenerationContextCreate" => generation as *const (),
        b"SlabContextCreate" => slab as *const (),
        _ => return None,
    };
    Some(function as usize)
}

unsafe extern "C-unwind" fn alloc_set(
    parent: MemoryContext,
    name: *const c_char,
    min_size: Size,
    first_block: Size,
    largest_block: Size,
) -> MemoryContext {
    // SAFETY: called as the server's function is.
    let context = unsafe { server::AllocSetContextCreateInternal(parent, name, min_size, first_block, largest_block) };
    on_create(context);
    context
}

unsafe extern "C-unwind" fn generation(
    parent: MemoryContext,
    name: *const c_char,
    min_size: Size,
    first_block: Size,
    largest_block: Size,
) -> MemoryContext {
    // SAFETY: as in `alloc_set`.
    let context = unsafe { server::GenerationContextCreate(parent, name, min_size, first_block, largest_block) };
    on_create(context);
    context
}

unsafe extern "C-unwind" fn slab(
    parent: MemoryContext,
    name: *const c_char,
    block: Size,
    chunk: Size,
) -> MemoryContext {
    // SAFETY: as in `alloc_set`.
    let context = unsafe { server::SlabContextCreate(parent, name, block, chunk) };
    on_create(context);
    context
}

/// The context counts as an allocation of no bytes in itself, and is forgotten with everything else in it.
#[inline(always)]
fn on_create(context: MemoryContext) {
    if let Some(trace) = in_wrapper()
        && let Some(site) = trace.attribute_direct(Registers::here())
    {
        trace.live.insert(context.addr(), 0, context.addr(), site);
    }
}

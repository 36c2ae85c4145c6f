//! Contexts that targets create: who did it is known even if nothing is ever allocated in one.
//!
//! A context is created by malloc, past the allocator's methods (`AllocSetContextCreateInternal` in aset.c), so the functions
//! stand in the targets' tables themselves. What the server creates for a target, it fills as well.

use std::ffi::c_char;

use pgrx::pg_sys::MemoryContext;

use super::chain::created;
use super::hooked::hooked;

hooked! {
    /// `AllocSetContextCreate` is a macro around it.
    fn AllocSetContextCreateInternal(
        parent: MemoryContext, name: *const c_char, min_size: usize, first_block: usize, largest_block: usize
    ) -> MemoryContext => created;

    fn GenerationContextCreate(
        parent: MemoryContext, name: *const c_char, min_size: usize, first_block: usize, largest_block: usize
    ) -> MemoryContext => created;

    /// From 17 on.
    fn BumpContextCreate(
        parent: MemoryContext, name: *const c_char, min_size: usize, first_block: usize, largest_block: usize
    ) -> MemoryContext => created;

    fn SlabContextCreate(
        parent: MemoryContext, name: *const c_char, block: usize, chunk: usize
    ) -> MemoryContext => created;
}

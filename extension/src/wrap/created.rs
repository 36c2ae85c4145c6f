//! Contexts that targets create: who did it is known even if nothing is ever allocated in one.
//!
//! A context is created by malloc, past the allocator's methods (`AllocSetContextCreateInternal` in aset.c), so the functions
//! stand in the targets' tables themselves. What the server creates for a target, it fills as well.

use std::ffi::c_char;

use pgrx::pg_sys::MemoryContext;

use super::chain::{created, fails_directly};
use super::hooked::hooked;
use crate::pg::errors::no_context;
use crate::stack::Registers;

/// A context that is made to fail fails as it does where malloc has nothing to give (`AllocSetContextCreateInternal` in aset.c).
#[inline(always)]
fn may_fail(from: Registers, name: *const c_char) {
    if fails_directly(from) {
        // SAFETY: the name is a C string. The ERROR leaves frames of ours that own nothing.
        unsafe { no_context(name) };
    }
}

hooked! {
    /// `AllocSetContextCreate` is a macro around it.
    fn AllocSetContextCreateInternal(
        parent: MemoryContext, name: *const c_char, min_size: usize, first_block: usize, largest_block: usize
    ) -> MemoryContext => created, after may_fail(name);

    fn GenerationContextCreate(
        parent: MemoryContext, name: *const c_char, min_size: usize, first_block: usize, largest_block: usize
    ) -> MemoryContext => created, after may_fail(name);

    /// From 17 on.
    fn BumpContextCreate(
        parent: MemoryContext, name: *const c_char, min_size: usize, first_block: usize, largest_block: usize
    ) -> MemoryContext => created, after may_fail(name);

    fn SlabContextCreate(
        parent: MemoryContext, name: *const c_char, block: usize, chunk: usize
    ) -> MemoryContext => created, after may_fail(name);
}

//! 17 and 18: one array of tables, with Bump; allocation takes flags, checks the size and raises its ERROR itself.

use super::*;
use crate::pg::server::MemoryContextAllocationFailure;

const GENERATION: usize = 4;
const SLAB: usize = 5;
const BUMP: usize = 7;

array_of_tables!([ASET, GENERATION, SLAB, BUMP] flags);

/// As `MemoryContextCheckSize` of memutils_internal.h has it.
const fn limits<const KIND: usize>(flags: std::ffi::c_int) -> Limits {
    /// `MaxAllocSize` of memutils.h: what a varlena can hold.
    const ORDINARY: usize = 0x3fff_ffff;
    let may_be_huge = flags & pg_sys::MCXT_ALLOC_HUGE as std::ffi::c_int != 0;
    let most = huge::<KIND>().most;
    Limits { most: if may_be_huge || most < ORDINARY { most } else { ORDINARY } }
}

fn refused(context: pg_sys::MemoryContext, size: usize, flags: std::ffi::c_int) -> *mut c_void {
    // SAFETY: as the methods do where malloc has nothing to give (`AllocSetAllocFromNewBlock` in aset.c). An ERROR leaves our
    // frames, which own nothing.
    unsafe { MemoryContextAllocationFailure(context, size, flags) }
}

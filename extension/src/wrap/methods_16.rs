//! 16: one array of tables; an allocation that fails is null, and the caller raises the ERROR.

use super::*;

const GENERATION: usize = 4;
const SLAB: usize = 5;

array_of_tables!([ASET, GENERATION, SLAB]);

const fn limits<const KIND: usize>() -> Limits {
    huge::<KIND>()
}

fn refused(_context: pg_sys::MemoryContext, _size: usize) -> *mut c_void {
    std::ptr::null_mut()
}

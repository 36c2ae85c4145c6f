//! 15: a table for each kind of context, reached through contexts only; chunks are freed by their context.

use std::sync::OnceLock;

use super::*;

/// The tables of AllocSet, Generation and Slab. They are the same in all processes.
pub(super) fn tables() -> ([*mut MemoryContextMethods; KINDS], usize) {
    static TABLES: OnceLock<[usize; KINDS]> = OnceLock::new();
    let tables = TABLES.get_or_init(|| find().map(|table| table.expose_provenance()));
    (tables.map(std::ptr::with_exposed_provenance_mut), 3)
}

fn find() -> [*mut MemoryContextMethods; KINDS] {
    let methods = |context: pg_sys::MemoryContext| {
        // SAFETY: a live context.
        unsafe { (*context).methods.cast_mut() }
    };
    // SAFETY: makes two contexts and deletes them again; both have valid sizes.
    unsafe {
        let top = pg_sys::TopMemoryContext;
        let generation = pg_sys::GenerationContextCreate(top, c"pg_ext_memcheck".as_ptr(), 0, 1024, 8192);
        let slab = pg_sys::SlabContextCreate(top, c"pg_ext_memcheck".as_ptr(), 8192, 64);
        let tables = [methods(top), methods(generation), methods(slab), std::ptr::null_mut()];
        pg_sys::MemoryContextDelete(generation);
        pg_sys::MemoryContextDelete(slab);
        tables
    }
}

/// The functions of a table, all of which every kind has. The first four walk the stack where they are ours.
pub(super) fn functions(methods: &MemoryContextMethods) -> [Option<usize>; 5] {
    [
        methods.alloc.map(|f| f as usize),
        methods.realloc.map(|f| f as usize),
        methods.free_p.map(|f| f as usize),
        methods.reset.map(|f| f as usize),
        methods.delete_context.map(|f| f as usize),
    ]
}

pub(super) unsafe extern "C-unwind" fn alloc<const KIND: usize>(
    context: pg_sys::MemoryContext,
    size: pg_sys::Size,
) -> *mut c_void {
    // SAFETY: called as the server called us; the tables were checked to be complete.
    let make = move |size| unsafe { (original::<KIND>().alloc.unwrap_unchecked())(context, size) };
    // The caller raises the ERROR.
    chain::allocate(Registers::here(), context, size, huge::<KIND>(), make, std::ptr::null_mut)
}

pub(super) unsafe extern "C-unwind" fn free<const KIND: usize>(context: pg_sys::MemoryContext, chunk: *mut c_void) {
    let is_observed = chain::is_observed(chunk);
    if !chain::free(Registers::here(), chunk, || context) {
        // SAFETY: as in `alloc`.
        unsafe { (original::<KIND>().free_p.unwrap_unchecked())(context, chunk) };
    }
    if is_observed {
        chain::observe(context);
    }
}

pub(super) unsafe extern "C-unwind" fn realloc<const KIND: usize>(
    context: pg_sys::MemoryContext,
    chunk: *mut c_void,
    size: pg_sys::Size,
) -> *mut c_void {
    let from = Registers::here();
    // SAFETY: as in `alloc`.
    let make = move |size| unsafe { (original::<KIND>().realloc.unwrap_unchecked())(context, chunk, size) };
    if guarded::whose(chunk).is_none() {
        return chain::reallocate(from, || context, chunk, size, huge::<KIND>(), make, |_| std::ptr::null_mut());
    }
    if KIND == SLAB_KIND {
        // It gives the chunk back or fails, and looks at nothing but the size (`SlabRealloc` in slab.c).
        return make(size);
    }
    // SAFETY: as in `alloc`.
    let anew = move |size| unsafe { (original::<KIND>().alloc.unwrap_unchecked())(context, size) };
    let make = move |size| guarded::moved_out(chunk, size, anew, Room::Context(context.addr()));
    chain::reallocate(from, || context, chunk, size, huge::<KIND>(), make, |_| std::ptr::null_mut())
}

/// What a chunk takes of its context.
unsafe extern "C-unwind" fn space_of<const KIND: usize>(
    context: pg_sys::MemoryContext,
    chunk: *mut c_void,
) -> pg_sys::Size {
    match guarded::whose(chunk) {
        Some((_, space)) => space,
        // SAFETY: as in `alloc`.
        None => unsafe { (original::<KIND>().get_chunk_space.unwrap_unchecked())(context, chunk) },
    }
}

/// Chunks are asked by their contexts how large they are.
pub(super) fn wrap_more<const KIND: usize>(methods: MemoryContextMethods) -> MemoryContextMethods {
    MemoryContextMethods { get_chunk_space: Some(space_of::<KIND>), ..methods }
}

/// There is no table of no kind.
pub(super) fn nobodys() -> Option<*mut MemoryContextMethods> {
    None
}

pub(super) fn functions_of_nobody(_methods: &MemoryContextMethods) -> [Option<usize>; 0] {
    []
}

pub(super) fn for_guarded(methods: MemoryContextMethods) -> MemoryContextMethods {
    methods
}

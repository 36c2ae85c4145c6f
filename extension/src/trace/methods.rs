//! The allocator's method tables, exchanged for wrappers and back.
//!
//! Every palloc, pfree, repalloc, reset and delete of a backend goes through tables of function pointers in the server's
//! read-only data. Writing to the page makes it this process's own. Nothing else is changed: contexts keep pointing at the
//! same tables, and chunks keep the same headers.
//!
//! What differs between versions - where the tables are, and what the functions take - is in [`version`].

use std::ffi::c_void;

use pgrx::pg_sys::{self, MemoryContextMethods};

use super::modules::Module;
use super::{on_alloc, on_delete, on_free, on_realloc, on_reset};

/// Kinds of context at most: AllocSet, Generation, Slab, Bump.
const KINDS: usize = 4;

/// Why the allocator of this server is left alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// The tables do not look as this build of the engine knows them.
    UnknownLayout(&'static str),
    /// The page could not be made writable.
    Protected,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::UnknownLayout(what) => write!(f, "the server's allocator is not as expected: {what}"),
            Refusal::Protected => f.write_str("the server's allocator tables cannot be written to"),
        }
    }
}

/// The tables of this process and what they held.
pub(super) struct Tables {
    tables: [*mut MemoryContextMethods; KINDS],
    kinds: usize,
    exchanged: bool,
}

/// What the tables held, for the wrappers. Written once, before any wrapper is in place.
static mut ORIGINAL: [MemoryContextMethods; KINDS] = {
    // SAFETY: all members are optional functions, for which zero is none.
    unsafe { std::mem::zeroed() }
};

#[inline(always)]
fn original<const KIND: usize>() -> &'static MemoryContextMethods {
    // SAFETY: not written any more when a wrapper runs.
    unsafe { &*(&raw const ORIGINAL).cast::<MemoryContextMethods>().add(KIND) }
}

/// Learns where the tables are. In the postmaster: 15 shows them to the allocator's users only.
pub(super) fn prepare() {
    let _ = version::tables();
}

impl Tables {
    /// Finds the tables and checks that they are what they should be.
    pub(super) fn find(server: &Module) -> Result<Self, Refusal> {
        let (tables, kinds) = version::tables();
        for &table in &tables[..kinds] {
            // SAFETY: a table that a live context points at, or its neighbour in the server's array of them; both are inside
            // the server's data, which is checked first.
            let methods = unsafe {
                let inside = server.all.contains(&table.addr());
                if !inside || !table.is_aligned() {
                    return Err(Refusal::UnknownLayout("a method table lies outside the server's data"));
                }
                if !server.relro.contains(&table.addr()) {
                    return Err(Refusal::UnknownLayout("a method table is not read-only data"));
                }
                &*table
            };
            if !version::functions(methods)
                .into_iter()
                .all(|function| function.is_some_and(|f| server.code.contains(&f)))
            {
                return Err(Refusal::UnknownLayout("a method is not a function of the server"));
            }
        }
        // SAFETY: checked above.
        let distinct = unsafe { (*tables[0]).alloc.map(|f| f as usize) != (*tables[1]).alloc.map(|f| f as usize) };
        if !distinct {
            return Err(Refusal::UnknownLayout("two kinds of context allocate alike"));
        }
        for (kind, &table) in tables[..kinds].iter().enumerate() {
            // SAFETY: no wrapper is in place yet.
            unsafe { (&raw mut ORIGINAL).cast::<MemoryContextMethods>().add(kind).write(*table) };
        }
        Ok(Tables { tables, kinds, exchanged: false })
    }

    /// Puts the wrappers in, or takes them out again.
    pub(super) fn exchange(&mut self, wrapped: bool) -> Result<(), Refusal> {
        if wrapped == self.exchanged {
            return Ok(());
        }
        let wrappers: [fn(MemoryContextMethods) -> MemoryContextMethods; KINDS] =
            [wrap::<0>, wrap::<1>, wrap::<2>, wrap::<3>];
        for (kind, wrap) in wrappers.into_iter().enumerate().take(self.kinds) {
            // SAFETY: `find` has read it.
            let original = unsafe { *(&raw const ORIGINAL).cast::<MemoryContextMethods>().add(kind) };
            write_protected(self.tables[kind], if wrapped { wrap(original) } else { original })?;
        }
        self.exchanged = wrapped;
        Ok(())
    }
}

/// Writes to read-only memory.
fn write_protected(table: *mut MemoryContextMethods, methods: MemoryContextMethods) -> Result<(), Refusal> {
    const PAGE: usize = 4096;
    let start = table.addr() / PAGE * PAGE;
    let length = (table.addr() + size_of::<MemoryContextMethods>()).next_multiple_of(PAGE) - start;
    let protect = |protection| {
        // SAFETY: whole pages of the server's data; nothing but this function writes to them.
        let result = unsafe { libc::mprotect(start as *mut c_void, length, protection) };
        if result == 0 { Ok(()) } else { Err(Refusal::Protected) }
    };
    protect(libc::PROT_READ | libc::PROT_WRITE)?;
    // SAFETY: now writable; this process has one thread.
    unsafe { table.write(methods) };
    protect(libc::PROT_READ)
}

/// The wrappers of one kind, over what its table held.
fn wrap<const KIND: usize>(methods: MemoryContextMethods) -> MemoryContextMethods {
    MemoryContextMethods {
        alloc: Some(version::alloc::<KIND>),
        free_p: Some(version::free::<KIND>),
        realloc: Some(version::realloc::<KIND>),
        reset: Some(reset::<KIND>),
        delete_context: Some(delete::<KIND>),
        ..methods
    }
}

unsafe extern "C-unwind" fn reset<const KIND: usize>(context: pg_sys::MemoryContext) {
    on_reset(context);
    if let Some(reset) = original::<KIND>().reset {
        // SAFETY: called as the server called us.
        unsafe { reset(context) };
    }
}

unsafe extern "C-unwind" fn delete<const KIND: usize>(context: pg_sys::MemoryContext) {
    on_delete(context);
    if let Some(delete) = original::<KIND>().delete_context {
        // SAFETY: called as the server called us.
        unsafe { delete(context) };
    }
}

#[cfg(feature = "pg15")]
#[path = "methods_15.rs"]
mod version;
#[cfg(feature = "pg16")]
#[path = "methods_16.rs"]
mod version;
#[cfg(any(feature = "pg17", feature = "pg18"))]
#[path = "methods_17.rs"]
mod version;

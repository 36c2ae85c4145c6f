//! The allocator's method tables, exchanged for wrappers and back.
//!
//! Every palloc, pfree, repalloc, reset and delete of a backend goes through tables of function pointers in the server's
//! read-only data. Writing to the page makes it this process's own. Nothing else is changed: contexts keep pointing at the
//! same tables, and chunks keep the same headers. Guarded chunks (`guard/pages/`) have headers that lead here: as long as there
//! are any, the wrappers stay.
//!
//! What differs between versions - where the tables are, and what the functions take - is in [`version`].

use std::ffi::c_void;

use pgrx::pg_sys::{self, MemoryContextMethods};

use super::chain::{self, Limits};
use super::guarded;
use crate::elf::Module;
use crate::link::Room;
#[cfg(not(feature = "pg15"))]
use crate::pg::build::KIND_OF_NOBODY;
use crate::stack::{Registers, begins_with_frame_pointer};

/// Kinds of context at most: AllocSet, Generation, Slab, Bump.
const KINDS: usize = 4;
/// The kind whose chunks all have one size.
const SLAB_KIND: usize = 2;
/// No kind: what guarded chunks are dispatched by where chunks are not freed by their contexts.
const NO_KIND: usize = KINDS;
/// Tables at most.
const TABLES: usize = KINDS + 1;

/// Why the allocator of this server is left alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// The tables do not look as this build of the engine knows them.
    UnknownLayout(&'static str),
    /// The page could not be made writable.
    Protected,
    /// The engine was built in a way that does not let it walk the stack.
    NoFramePointers,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::UnknownLayout(what) => write!(f, "the server's allocator is not as expected: {what}"),
            Refusal::Protected => f.write_str("the server's allocator tables cannot be written to"),
            Refusal::NoFramePointers => {
                f.write_str("pg_ext_memcheck was built without frame pointers (-C force-frame-pointers=yes)")
            }
        }
    }
}

/// The tables of this process and what they held.
pub(super) struct Tables {
    tables: [*mut MemoryContextMethods; KINDS],
    kinds: usize,
    /// That of no kind, where chunks are not freed by their contexts.
    nobodys: Option<*mut MemoryContextMethods>,
    exchanged: bool,
}

/// What the tables held, for the wrappers, which have no other way to it. Written once, before any wrapper is in place.
static mut ORIGINAL: [MemoryContextMethods; TABLES] = {
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
    /// Finds the tables and checks that they, and the wrappers, are what they should be.
    pub(super) fn find(server: &Module) -> Result<Self, Refusal> {
        let (tables, kinds) = version::tables();
        let methods_of = |table: *mut MemoryContextMethods| {
            if !server.all.contains(&table.addr()) || !table.is_aligned() {
                return Err(Refusal::UnknownLayout("a method table lies outside the server's data"));
            }
            if !server.relro.contains(&table.addr()) {
                return Err(Refusal::UnknownLayout("a method table is not read-only data"));
            }
            // SAFETY: a table that a live context points at, or its neighbour in the server's array of them; it is inside
            // the server's data.
            Ok(unsafe { *table })
        };
        for &table in &tables[..kinds] {
            let methods = &methods_of(table)?;
            if !version::functions(methods)
                .into_iter()
                .all(|function| function.is_some_and(|f| server.code.contains(&f)))
            {
                return Err(Refusal::UnknownLayout("a method is not a function of the server"));
            }
            let is_walkable = |wrapper| {
                // SAFETY: a function of ours, longer than a prologue.
                unsafe { begins_with_frame_pointer(wrapper) }
            };
            let wrappers = version::functions(&wrap::<0>(*methods));
            if !wrappers.into_iter().take(4).flatten().all(is_walkable) {
                return Err(Refusal::NoFramePointers);
            }
        }
        // SAFETY: checked above.
        let distinct = unsafe { (*tables[0]).alloc.map(|f| f as usize) != (*tables[1]).alloc.map(|f| f as usize) };
        if !distinct {
            return Err(Refusal::UnknownLayout("two kinds of context allocate alike"));
        }
        let nobodys = version::nobodys();
        if let Some(table) = nobodys {
            let methods = methods_of(table)?;
            if methods.alloc.is_some()
                || !version::functions_of_nobody(&methods)
                    .into_iter()
                    .all(|function| function.is_some_and(|f| server.code.contains(&f)))
            {
                return Err(Refusal::UnknownLayout("a kind of context that should not be there"));
            }
        }
        let numbered = tables.into_iter().enumerate().take(kinds);
        for (kind, table) in numbered.chain(nobodys.map(|table| (NO_KIND, table))) {
            // SAFETY: no wrapper is in place yet.
            unsafe { (&raw mut ORIGINAL).cast::<MemoryContextMethods>().add(kind).write(*table) };
        }
        Ok(Tables { tables, kinds, nobodys, exchanged: false })
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
        if let Some(table) = self.nobodys {
            let original = *original::<NO_KIND>();
            write_protected(table, if wrapped { version::for_guarded(original) } else { original })?;
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
    // SAFETY: now writable; only the server's thread follows the pointers.
    unsafe { table.write(methods) };
    protect(libc::PROT_READ)
}

/// Defines what puts wrappers into a table, and the list of the methods that have one.
macro_rules! wrapped {
    ($($method:ident: $wrapper:expr),*) => {
        /// The wrappers of one kind, over what its table held.
        fn wrap<const KIND: usize>(methods: MemoryContextMethods) -> MemoryContextMethods {
            MemoryContextMethods { $($method: Some($wrapper),)* ..version::wrap_more::<KIND>(methods) }
        }

        /// The methods that are wrapped.
        #[cfg(test)]
        pub(super) const NAMES: &[&str] = &[$(stringify!($method),)* "get_chunk_space", "get_chunk_context"];
    };
}

wrapped! {
    alloc: version::alloc::<KIND>,
    free_p: version::free::<KIND>,
    realloc: version::realloc::<KIND>,
    reset: reset::<KIND>,
    delete_context: delete::<KIND>,
    stats: stats::<KIND>
}

unsafe extern "C-unwind" fn reset<const KIND: usize>(context: pg_sys::MemoryContext) {
    chain::reset(Registers::here(), context);
    if let Some(reset) = original::<KIND>().reset {
        // SAFETY: called as the server called us.
        unsafe { reset(context) };
    }
    if chain::counts_peaks() {
        chain::observe(context);
    }
}

unsafe extern "C-unwind" fn delete<const KIND: usize>(context: pg_sys::MemoryContext) {
    chain::delete(Registers::here(), context);
    if let Some(delete) = original::<KIND>().delete_context {
        // SAFETY: called as the server called us.
        unsafe { delete(context) };
    }
}

/// Figures of a context, with what is guarded for it elsewhere.
unsafe extern "C-unwind" fn stats<const KIND: usize>(
    context: pg_sys::MemoryContext,
    print: pg_sys::MemoryStatsPrintFunc,
    print_to: *mut c_void,
    totals: *mut pg_sys::MemoryContextCounters,
    to_stderr: bool,
) {
    if let Some(stats) = original::<KIND>().stats {
        // SAFETY: called as the server called us.
        unsafe { stats(context, print, print_to, totals, to_stderr) };
    }
    // SAFETY: the caller's place for them, or null.
    if let Some(totals) = unsafe { totals.as_mut() } {
        totals.totalspace += guarded::bytes_in(context);
    }
}

/// What the table held of the kind of a context.
#[cfg(not(feature = "pg15"))]
fn original_of(context: pg_sys::MemoryContext) -> &'static MemoryContextMethods {
    // SAFETY: the allocator's wrappers are given a live context.
    match unsafe { (*context).type_ } {
        pg_sys::NodeTag::T_AllocSetContext => original::<0>(),
        pg_sys::NodeTag::T_GenerationContext => original::<1>(),
        pg_sys::NodeTag::T_SlabContext => original::<SLAB_KIND>(),
        _ => original::<3>(),
    }
}

/// The largest size that a kind of context takes, where that may be as large as the server's `MaxAllocHugeSize`.
const fn huge<const KIND: usize>() -> Limits {
    Limits { most: if KIND == SLAB_KIND { 0 } else { usize::MAX / 2 } }
}

/// From 16 on: one array of tables, indexed by the method id in a chunk's header (`MemoryContextMethodID` in
/// memutils_internal.h); chunks are freed without their context. The flag, from 17 on, is what allocating takes besides. `limits`
/// and `refused` are the version's.
#[cfg(not(feature = "pg15"))]
macro_rules! array_of_tables {
    ([$($id:expr),*] $($flag:ident)?) => {
        /// The method id of AllocSet.
        const ASET: usize = 3;

        /// The tables of the kinds.
        pub(super) fn tables() -> ([*mut MemoryContextMethods; KINDS], usize) {
            // SAFETY: TopMemoryContext is an AllocSet, so its table is that element of the array.
            let array = unsafe { (*pg_sys::TopMemoryContext).methods.cast_mut().wrapping_sub(ASET) };
            let ids = [$($id),*];
            let mut tables = [std::ptr::null_mut(); KINDS];
            for (table, &id) in tables.iter_mut().zip(&ids) {
                *table = array.wrapping_add(id);
            }
            (tables, ids.len())
        }

        /// The functions of a table, all of which every kind has. The first four walk the stack where they are ours.
        pub(super) fn functions(methods: &MemoryContextMethods) -> [Option<usize>; 6] {
            [
                methods.alloc.map(|f| f as usize),
                methods.realloc.map(|f| f as usize),
                methods.free_p.map(|f| f as usize),
                methods.reset.map(|f| f as usize),
                methods.delete_context.map(|f| f as usize),
                methods.get_chunk_context.map(|f| f as usize),
            ]
        }

        pub(super) unsafe extern "C-unwind" fn alloc<const KIND: usize>(
            context: pg_sys::MemoryContext,
            size: pg_sys::Size,
            $($flag: std::ffi::c_int)?
        ) -> *mut c_void {
            // SAFETY: called as the server called us; the tables were checked to be complete.
            let make = move |size| unsafe { (original::<KIND>().alloc.unwrap_unchecked())(context, size $(, $flag)?) };
            let refuse = move || refused(context, size $(, $flag)?);
            chain::allocate(Registers::here(), context, size, limits::<KIND>($($flag)?), make, refuse)
        }

        pub(super) unsafe extern "C-unwind" fn free<const KIND: usize>(chunk: *mut c_void) {
            // SAFETY: as in `alloc`; the chunk is live until it is freed.
            let context = move || unsafe { (original::<KIND>().get_chunk_context.unwrap_unchecked())(chunk) };
            let observed = chain::is_observed(chunk).then(context);
            if !chain::free(Registers::here(), chunk, context) {
                // SAFETY: as in `alloc`.
                unsafe { (original::<KIND>().free_p.unwrap_unchecked())(chunk) };
            }
            if let Some(context) = observed {
                chain::observe(context);
            }
        }

        pub(super) unsafe extern "C-unwind" fn realloc<const KIND: usize>(
            chunk: *mut c_void,
            size: pg_sys::Size,
            $($flag: std::ffi::c_int)?
        ) -> *mut c_void {
            // SAFETY: as in `alloc`; the chunk is live until it is reallocated.
            let context = move || unsafe { (original::<KIND>().get_chunk_context.unwrap_unchecked())(chunk) };
            // SAFETY: as in `alloc`.
            let make = move |size| unsafe { (original::<KIND>().realloc.unwrap_unchecked())(chunk, size $(, $flag)?) };
            let refuse = move |context| refused(context, size $(, $flag)?);
            chain::reallocate(Registers::here(), context, chunk, size, limits::<KIND>($($flag)?), make, refuse)
        }

        /// The table of no kind.
        pub(super) fn nobodys() -> Option<*mut MemoryContextMethods> {
            // SAFETY: as in `tables`.
            let array = unsafe { (*pg_sys::TopMemoryContext).methods.cast_mut().wrapping_sub(ASET) };
            Some(array.wrapping_add(KIND_OF_NOBODY))
        }

        /// The functions of that table, by which it refuses what is no chunk.
        pub(super) fn functions_of_nobody(methods: &MemoryContextMethods) -> [Option<usize>; 4] {
            [
                methods.free_p.map(|f| f as usize),
                methods.realloc.map(|f| f as usize),
                methods.get_chunk_context.map(|f| f as usize),
                methods.get_chunk_space.map(|f| f as usize),
            ]
        }

        /// That table with functions for guarded chunks, which refuse others as it does.
        pub(super) fn for_guarded(methods: MemoryContextMethods) -> MemoryContextMethods {
            MemoryContextMethods {
                free_p: Some(free_guarded),
                realloc: Some(realloc_guarded),
                get_chunk_context: Some(context_of_guarded),
                get_chunk_space: Some(space_of_guarded),
                ..methods
            }
        }

        /// The kinds have no more wrappers than all versions have.
        pub(super) fn wrap_more<const KIND: usize>(methods: MemoryContextMethods) -> MemoryContextMethods {
            methods
        }

        unsafe extern "C-unwind" fn free_guarded(chunk: *mut c_void) {
            let context = || guarded::whose(chunk).map_or(std::ptr::null_mut(), |(context, _)| context);
            if guarded::whose(chunk).is_none() || !chain::free(Registers::here(), chunk, context) {
                // SAFETY: called as the server called us; the table was checked to be complete.
                unsafe { (original::<NO_KIND>().free_p.unwrap_unchecked())(chunk) };
            }
        }

        unsafe extern "C-unwind" fn realloc_guarded(
            chunk: *mut c_void,
            size: pg_sys::Size,
            $($flag: std::ffi::c_int)?
        ) -> *mut c_void {
            let Some((context, _)) = guarded::whose(chunk) else {
                // SAFETY: as in `free_guarded`.
                return unsafe { (original::<NO_KIND>().realloc.unwrap_unchecked())(chunk, size $(, $flag)?) };
            };
            // SAFETY: as in `alloc`.
            let make = |size| unsafe { (original_of(context).alloc.unwrap_unchecked())(context, size $(, $flag)?) };
            if let Some(fixed) = guarded::fixed_size(chunk) {
                // A chunk of the Slab's own stands for it, so that another size fails as it does.
                return if size == fixed {
                    chunk
                } else {
                    // SAFETY: as in `alloc`; a live chunk, which goes with its context.
                    unsafe { (original::<SLAB_KIND>().realloc.unwrap_unchecked())(make(fixed), size $(, $flag)?) }
                };
            }
            let refuse = move |context| refused(context, size $(, $flag)?);
            let make = move |size| guarded::moved_out(chunk, size, make, Room::Context(context.addr()));
            chain::reallocate(Registers::here(), || context, chunk, size, limits::<0>($($flag)?), make, refuse)
        }

        unsafe extern "C-unwind" fn context_of_guarded(chunk: *mut c_void) -> pg_sys::MemoryContext {
            match guarded::whose(chunk) {
                Some((context, _)) => context,
                // SAFETY: as in `free_guarded`.
                None => unsafe { (original::<NO_KIND>().get_chunk_context.unwrap_unchecked())(chunk) },
            }
        }

        unsafe extern "C-unwind" fn space_of_guarded(chunk: *mut c_void) -> pg_sys::Size {
            match guarded::whose(chunk) {
                Some((_, space)) => space,
                // SAFETY: as in `free_guarded`.
                None => unsafe { (original::<NO_KIND>().get_chunk_space.unwrap_unchecked())(chunk) },
            }
        }
    };
}
#[cfg(feature = "pg15")]
#[path = "methods_15.rs"]
mod version;
#[cfg(feature = "pg16")]
#[path = "methods_16.rs"]
mod version;
#[cfg(not(any(feature = "pg15", feature = "pg16")))]
#[path = "methods_17.rs"]
mod version;

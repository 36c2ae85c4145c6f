//! Shared memory that libraries ask for: functions of ours stand in the tables of all of them from the start, in the postmaster, and
//! so in every process.
//!
//! A segment is made long before anybody opens a window, and by a library that may become a target later. So this does not come and
//! go with the chain: each library is looked at when it has been loaded, before its `_PG_init` is called.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void};

use pgrx::pg_sys;

use super::callers::{self, library, name};
use super::chain::of_segment;
use super::elements::Elements;
use super::hooked::{Hooked, hooked};
use super::planted;
use super::slots::{self, Changes};
use super::{requests, tables, tranches};
use crate::elf::modules;
use crate::pg::dsa;
use crate::pg::process::is_child;
use crate::pg::server::{self, HashArguments, Segment};
use crate::shmem::{canaries, dynamic};
use crate::stack::{Registers, begins_with_frame_pointer};

/// What stands in tables for good.
#[derive(Default)]
struct Fittings {
    changes: Changes,
    generation: u64,
}

struct Kept(UnsafeCell<Option<Fittings>>);

// SAFETY: only the thread that loads libraries has to do with it.
unsafe impl Sync for Kept {}

/// Those of this process; written by the postmaster, and when a library is loaded.
static KEPT: Kept = Kept(UnsafeCell::new(None));

fn kept() -> Option<&'static mut Fittings> {
    // SAFETY: none of the functions here calls another while it holds them.
    unsafe { (*KEPT.0.get()).as_mut() }
}

/// Begins to look at what is loaded. In the postmaster, with the functions that are to stand for the server's own way to load.
pub(super) fn prepare(loading: &[Hooked]) {
    // SAFETY: a function of ours, longer than a prologue.
    if !unsafe { begins_with_frame_pointer(ShmemInitStruct as *const () as usize) } {
        // The engine was built in another way, and could not tell its callers.
        return;
    }
    let mut fittings = Fittings::default();
    if let Some(server) = modules::loaded().iter().find(|module| module.is_executable()) {
        slots::keep(&mut fittings.changes, server, loading);
    }
    // SAFETY: nobody holds them: there have been none.
    unsafe { *KEPT.0.get() = Some(fittings) };
    follow();
    planted::goes_on();
}

/// Looks for libraries loaded since.
pub(super) fn follow() {
    let Some(fittings) = kept() else { return };
    let generation = modules::generation();
    if fittings.generation == generation {
        return;
    }
    fittings.generation = generation;
    let loaded = modules::loaded();
    fittings.changes.forget_unloaded(&loaded);
    let mut libraries = Vec::new();
    let here = follow as *const () as usize;
    for module in loaded.iter().filter(|module| !module.is_executable() && !module.code.contains(&here)) {
        if !fittings.changes.include(module) {
            planted::plant(module);
            slots::keep(&mut fittings.changes, module, HOOKED);
            slots::keep(&mut fittings.changes, module, requests::HOOKED);
        }
        if module.is_module {
            libraries.push((module.code.clone(), module.name.clone()));
        }
    }
    callers::are(libraries);
}

hooked! {
    /// Room for canaries is asked for besides, so that what the library asks for is there for it.
    fn RequestAddinShmemSpace(size: usize) {
        // SAFETY: called as the server's function is. Where it may not be called, it does not return.
        unsafe {
            server::RequestAddinShmemSpace(size);
            server::RequestAddinShmemSpace(canaries::with_request());
        }
    }

    /// A few locks more are asked for than the library has a use for.
    fn RequestNamedLWLockTranche(tranche: *const c_char, locks: c_int) {
        // SAFETY: called as the server's function is. Where it may not be called, it does not return.
        unsafe {
            server::RequestNamedLWLockTranche(tranche, locks.saturating_add(tranches::SPARE));
            tranches::requested(name(tranche), locks);
        }
    }

    fn GetNamedLWLockTranche(tranche: *const c_char) -> *mut pg_sys::LWLockPadded {
        // SAFETY: called as the server's function is, which raises an ERROR where there is none.
        unsafe {
            let first = server::GetNamedLWLockTranche(tranche);
            tranches::given(name(tranche), first.addr());
            first
        }
    }

    fn ShmemInitStruct(segment: *const c_char, size: usize, found: *mut bool) -> *mut c_void {
        let from = Registers::here();
        canaries::startup();
        // SAFETY: called as the server's function is, which says whether there was one.
        unsafe {
            let front = canaries::make_front(&name(segment).to_string_lossy(), size);
            let start = server::ShmemInitStruct(segment, size, found);
            if !start.is_null() && !*found {
                let (name, behind) = (&name(segment).to_string_lossy(), canaries::take());
                canaries::guard(name, library(from), start.expose_provenance(), size, front, behind);
            }
            start
        }
    }

    /// What a process other than the postmaster makes, others may have found already, and more may be allocated meanwhile.
    fn ShmemInitHash(table: *const c_char, a: usize, b: usize, c: usize, d: usize) -> *mut c_void {
        let from = Registers::here();
        let HashArguments { first_size, info, flags } = HashArguments::of([a, b, c, d]);
        canaries::startup();
        // SAFETY: called as the server's function is.
        unsafe {
            let made = server::ShmemInitHash(table, a, b, c, d);
            let elements = Elements::of(first_size, &*info, flags);
            let name = &name(table).to_string_lossy();
            tables::made(made.addr(), name, elements.parts());
            if !made.is_null() && !is_child() && !canaries::is_known(name) {
                let behind = canaries::take();
                canaries::guard_table(name, library(from), elements.last(), behind, elements.unused());
            }
            made
        }
    }

    /// What was asked for is less than what there is, of a segment that has a canary. Whoever has it mapped is to see the former.
    fn dsm_segment_map_length(segment: Segment) -> usize {
        // SAFETY: called as the server's function is.
        let (handle, length) = unsafe { (server::dsm_segment_handle(segment), server::dsm_segment_map_length(segment)) };
        dynamic::asked_for(handle, length)
    }

    /// From 17 on. Every process asks for the same, since the server compares it with what there is (`GetNamedDSMSegment` in
    /// dsm_registry.c): so this is here, for all libraries and for good.
    fn GetNamedDSMSegment(
        segment: *const c_char, size: usize, initialize: *const c_void, found: *mut bool, argument: usize
    ) -> *mut c_void {
        let from = Registers::here();
        // SAFETY: called as the server's function is; it says whether it has found the segment.
        unsafe {
            let start = dsa::GetNamedDSMSegment(segment, dynamic::total(size), initialize, found, argument);
            dynamic::named(name(segment), library(from), start.expose_provenance(), size);
            if !*found {
                of_segment(from, |ledger, origin| ledger.segments.name(start.addr(), size, origin));
            }
            start
        }
    }
}

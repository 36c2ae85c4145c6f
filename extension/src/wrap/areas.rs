//! Areas of dynamic shared memory, what targets allocate in them, and their hash tables. The functions stand in the targets' tables behind a thunk, since the server allocates for their callers in them.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

use super::chain::{of_segment, to_ledger};
use super::hooked::hooked;
use crate::pg::dsa::{self, Area, Hashing, Pointer, Table, TableParameters};
use crate::pg::server::{self, Handle, Segment};
use crate::stack::Registers;

/// An entry of a table, which is locked; null where there was no room for it, and the caller takes that.
///
/// # Safety
/// The entry is one of that table.
unsafe fn inserted(from: Registers, table: Table, entry: *mut c_void, is_found: bool) -> *mut c_void {
    if !is_found && !entry.is_null() {
        // SAFETY: by the caller's promise.
        let hash = unsafe { dsa::hash_of_entry(entry) };
        of_segment(from, |ledger, origin| ledger.areas.inserted(table.addr(), hash, origin));
    }
    entry
}

hooked! {
    /// Before 17.
    fn dsa_create(tranche: c_int) -> Area {
        let from = Registers::here();
        // SAFETY: called as the server's function is.
        mapped(from, unsafe { dsa::dsa_create(tranche) })
    }

    /// `dsa_create` is a macro around it.
    fn dsa_create_ext(tranche: c_int, first: usize, most: usize) -> Area {
        let from = Registers::here();
        // SAFETY: called as the server's function is.
        mapped(from, unsafe { dsa::dsa_create_ext(tranche, first, most) })
    }

    fn dsa_create_in_place(place: *mut c_void, size: usize, tranche: c_int, segment: Segment) -> Area {
        // SAFETY: called as the server's function is.
        in_place(unsafe { dsa::dsa_create_in_place(place, size, tranche, segment) }, segment)
    }

    /// `dsa_create_in_place` is a macro around it.
    fn dsa_create_in_place_ext(
        place: *mut c_void, size: usize, tranche: c_int, segment: Segment, first: usize, most: usize
    ) -> Area {
        // SAFETY: called as the server's function is.
        in_place(unsafe { dsa::dsa_create_in_place_ext(place, size, tranche, segment, first, most) }, segment)
    }

    fn dsa_attach(handle: Handle) -> Area {
        let from = Registers::here();
        // SAFETY: called as the server's function is.
        mapped(from, unsafe { dsa::dsa_attach(handle) })
    }

    fn dsa_attach_in_place(place: *mut c_void, segment: Segment) -> Area {
        // SAFETY: called as the server's function is.
        in_place(unsafe { dsa::dsa_attach_in_place(place, segment) }, segment)
    }

    fn dsa_detach(area: Area) {
        to_ledger(|ledger| {
            let handle = ledger.areas.closed(area.addr());
            ledger.segments.unmap(handle);
        });
        // SAFETY: called as the server's function is.
        unsafe { dsa::dsa_detach(area) };
    }

    fn dsa_pin(area: Area) {
        let from = Registers::here();
        // SAFETY: called as the server's function is.
        unsafe { dsa::dsa_pin(area) };
        of_segment(from, |ledger, origin| {
            if let Some((handle, bytes)) = ledger.areas.first_segment(area.addr()) {
                ledger.segments.pin_area(handle, bytes, origin);
            }
        });
    }

    fn dsa_unpin(area: Area) {
        to_ledger(|ledger| {
            if let Some((handle, _)) = ledger.areas.first_segment(area.addr()) {
                ledger.segments.unpin(handle);
            }
        });
        // SAFETY: called as the server's function is.
        unsafe { dsa::dsa_unpin(area) };
    }

    /// `dsa_allocate` and `dsa_allocate0` are macros around it.
    fn dsa_allocate_extended(area: Area, size: usize, flags: c_int) -> Pointer {
        let from = Registers::here();
        // SAFETY: called as the server's function is.
        let pointer = unsafe { dsa::dsa_allocate_extended(area, size, flags) };
        if pointer != 0 {
            of_segment(from, |ledger, origin| ledger.areas.allocated(area.addr(), pointer, size, origin));
        }
        pointer
    }

    fn dsa_free(area: Area, pointer: Pointer) {
        to_ledger(|ledger| ledger.areas.freed(area.addr(), pointer));
        // SAFETY: called as the server's function is.
        unsafe { dsa::dsa_free(area, pointer) };
    }

    fn dshash_create(area: Area, parameters: *const TableParameters, argument: *mut c_void) -> Table {
        // SAFETY: called as the server's function is.
        unsafe { attached(area, parameters, argument, dsa::dshash_create(area, parameters, argument)) }
    }

    fn dshash_attach(area: Area, parameters: *const TableParameters, handle: Pointer, argument: *mut c_void) -> Table {
        // SAFETY: called as the server's function is.
        unsafe { attached(area, parameters, argument, dsa::dshash_attach(area, parameters, handle, argument)) }
    }

    fn dshash_detach(table: Table) {
        to_ledger(|ledger| ledger.areas.detached(table.addr()));
        // SAFETY: called as the server's function is.
        unsafe { dsa::dshash_detach(table) };
    }

    fn dshash_destroy(table: Table) {
        to_ledger(|ledger| ledger.areas.destroyed(table.addr()));
        // SAFETY: called as the server's function is.
        unsafe { dsa::dshash_destroy(table) };
    }

    /// Up to 18.
    fn dshash_find_or_insert(table: Table, key: *const c_void, found: *mut bool) -> *mut c_void {
        let from = Registers::here();
        // SAFETY: called as the server's function is, which says whether it has found the entry.
        unsafe { inserted(from, table, dsa::dshash_find_or_insert(table, key, found), *found) }
    }

    /// From 19 on, where the other one is a macro.
    fn dshash_find_or_insert_extended(
        table: Table, key: *const c_void, found: *mut bool, flags: c_int
    ) -> *mut c_void {
        let from = Registers::here();
        // SAFETY: as above.
        unsafe { inserted(from, table, dsa::dshash_find_or_insert_extended(table, key, found, flags), *found) }
    }

    /// From 19 on.
    fn GetNamedDSA(area: *const c_char, found: *mut bool) -> Area {
        let from = Registers::here();
        // SAFETY: called as the server's function is, which says whether it has found the area.
        unsafe { named(from, dsa::GetNamedDSA(area, found), *found) }
    }

    /// From 19 on. The table has an area of its own.
    fn GetNamedDSHash(table: *const c_char, parameters: *const TableParameters, found: *mut bool) -> Table {
        let from = Registers::here();
        // SAFETY: the same.
        unsafe {
            let table = dsa::GetNamedDSHash(table, parameters, found);
            let area = named(from, dsa::area_of(table), *found);
            attached(area, parameters, null_mut(), table)
        }
    }

    fn dshash_delete_key(table: Table, key: *const c_void) -> bool {
        let mut hash = None;
        to_ledger(|ledger| {
            // SAFETY: a key of that table.
            hash = ledger.areas.hashing(table.addr()).and_then(|hashing| unsafe { hashing.of(key) });
        });
        // SAFETY: called as the server's function is.
        let is_deleted = unsafe { dsa::dshash_delete_key(table, key) };
        if let Some(hash) = hash.filter(|_| is_deleted) {
            to_ledger(|ledger| ledger.areas.deleted(table.addr(), hash));
        }
        is_deleted
    }

    fn dshash_delete_entry(table: Table, entry: *mut c_void) {
        // SAFETY: called as the server's function is, with an entry that is locked.
        let hash = unsafe { dsa::hash_of_entry(entry) };
        to_ledger(|ledger| ledger.areas.deleted(table.addr(), hash));
        // SAFETY: called as the server's function is.
        unsafe { dsa::dshash_delete_entry(table, entry) };
    }

    fn dshash_delete_current(scan: *mut c_void) {
        // SAFETY: called as the server's function is, with a scan that has given an entry.
        let (table, hash) = unsafe { dsa::current_of_scan(scan) };
        to_ledger(|ledger| ledger.areas.deleted(table.addr(), hash));
        // SAFETY: called as the server's function is.
        unsafe { dsa::dshash_delete_current(scan) };
    }
}

/// A target has created or attached an area that has segments of its own.
#[inline(always)]
fn mapped(from: Registers, area: Area) -> Area {
    // SAFETY: it was created or attached just now.
    let (handle, bytes) = unsafe { dsa::first_segment(area) };
    of_segment(from, |ledger, origin| {
        ledger.segments.map_area(handle, bytes, origin);
        ledger.areas.opened(area.addr(), handle, bytes, origin);
    });
    area
}

/// A target has an area that the server knows by a name, in which it stays (dsm_registry.c). Mapped once in a process, and for good: so
/// nobody is to give that back, but what is new is one more.
#[inline(always)]
fn named(from: Registers, area: Area, is_found: bool) -> Area {
    // SAFETY: it was created or attached just now.
    let (handle, bytes) = unsafe { dsa::first_segment(area) };
    of_segment(from, |ledger, origin| {
        ledger.areas.opened(area.addr(), handle, bytes, origin);
        if !is_found {
            ledger.segments.name(area.addr(), bytes, origin);
        }
    });
    area
}

/// The same where it lies in memory that somebody has made before, in a segment or not.
#[inline(always)]
fn in_place(area: Area, segment: Segment) -> Area {
    // SAFETY: the segment is mapped, or none.
    let handle = if segment.is_null() { 0 } else { unsafe { server::dsm_segment_handle(segment) } };
    to_ledger(|ledger| ledger.areas.opened_in_place(area.addr(), handle));
    area
}

/// A target has a hash table attached.
///
/// # Safety
/// As dshash.c wants it.
#[inline(always)]
unsafe fn attached(area: Area, parameters: *const TableParameters, argument: *mut c_void, table: Table) -> Table {
    // SAFETY: by the caller's promise.
    let (handle, entry, hashing) =
        unsafe { (dsa::dshash_get_hash_table_handle(table), (*parameters).entry, Hashing::new(parameters, argument)) };
    to_ledger(|ledger| ledger.areas.attached(area.addr(), table.addr(), handle, entry, hashing));
    table
}

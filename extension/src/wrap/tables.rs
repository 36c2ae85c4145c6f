//! Hash tables in shared memory, as the targets use them. Looked at in workers that run side by side: which locks they hold there.

use std::cell::UnsafeCell;
use std::ffi::c_void;

use pgrx::pg_sys::{HASH_SEQ_STATUS, HASHACTION};

use super::hooked::hooked;
use super::locks::place;
use crate::pg::{company, server};
use crate::shmem::text::Text;
use crate::stack::Registers;

/// Tables that are kept in mind.
const TABLES: usize = 64;

/// A table of a library's.
#[derive(Clone, Copy)]
struct Known {
    /// The handle of this process (`HTAB` in dynahash.c).
    handle: usize,
    name: Text<47>,
    /// Into how many parts it is divided, of which each has a lock of its own; 0 for none.
    parts: u32,
}

struct Kept(UnsafeCell<([Option<Known>; TABLES], usize)>);

// SAFETY: only the thread that runs the server's code has to do with it.
unsafe impl Sync for Kept {}

/// Those of this process; most of them were made by the postmaster.
static KEPT: Kept = Kept(UnsafeCell::new(([None; TABLES], 0)));

/// A library has made a table, or has found it.
pub(super) fn made(handle: usize, name: &str, parts: u32) {
    // SAFETY: nobody else holds it.
    let (tables, count) = unsafe { &mut *KEPT.0.get() };
    let known = Known { handle, name: Text::new(name), parts };
    if let Some(place) = tables.iter_mut().flatten().find(|known| known.handle == handle) {
        *place = known;
    } else if let Some(free) = tables.get_mut(*count) {
        *free = Some(known);
        *count += 1;
    }
}

/// The table of a handle.
fn known(handle: *mut c_void) -> Option<&'static Known> {
    // SAFETY: written where a table is made, which nothing here does.
    let (tables, count) = unsafe { &*KEPT.0.get() };
    tables[..*count].iter().flatten().find(|known| known.handle == handle.addr())
}

/// A target is about to use a table. `hash` is that of the key, where it is one.
fn used(from: Registers, handle: *mut c_void, hash: Option<impl FnOnce() -> u32>, writes: bool) {
    if !company::is_member() {
        return;
    }
    let Some(table) = known(handle) else { return };
    // As locks are chosen for parts (`LockHashPartition` in lock.h); there are as many as a power of two.
    let part = match (hash, table.parts) {
        (Some(hash), parts @ 1..) => Some(hash() % parts),
        _ => None,
    };
    company::uses_table(table.name.as_str(), part, writes, || place(from));
}

/// Where no key tells a part.
const ALL: Option<fn() -> u32> = None;

hooked! {
    fn hash_search(table: *mut c_void, key: *const c_void, action: HASHACTION::Type, found: *mut bool) -> *mut c_void {
        // SAFETY: called as the server's function is, which computes it by this one.
        let hash = || unsafe { server::get_hash_value(table, key) };
        used(Registers::here(), table, Some(hash), action != HASHACTION::HASH_FIND);
        // SAFETY: called as the server's function is.
        unsafe { server::hash_search(table, key, action, found) }
    }

    fn hash_search_with_hash_value(
        table: *mut c_void, key: *const c_void, hash: u32, action: HASHACTION::Type, found: *mut bool
    ) -> *mut c_void {
        used(Registers::here(), table, Some(|| hash), action != HASHACTION::HASH_FIND);
        // SAFETY: called as the server's function is.
        unsafe { server::hash_search_with_hash_value(table, key, hash, action, found) }
    }

    fn hash_update_hash_key(table: *mut c_void, entry: *mut c_void, key: *const c_void) -> bool {
        used(Registers::here(), table, ALL, true);
        // SAFETY: called as the server's function is.
        unsafe { server::hash_update_hash_key(table, entry, key) }
    }

    fn hash_seq_search(status: *mut HASH_SEQ_STATUS) -> *mut c_void {
        // SAFETY: begun by hash_seq_init, by the caller's promise to the server.
        used(Registers::here(), unsafe { (*status).hashp }.cast(), ALL, false);
        // SAFETY: called as the server's function is.
        unsafe { server::hash_seq_search(status) }
    }
}

//! Shared memory.

pub(crate) mod canaries;
mod closed;
pub(crate) mod dynamic;
pub(crate) mod exchange;
pub(crate) mod handover;
mod legacies;
mod pace;
mod pattern;
pub(crate) mod probes;
mod queues;
pub(crate) mod ring;
mod room;
mod segment;
pub(crate) mod text;
pub(crate) mod tracked;

use std::cell::Cell;

use pgrx::prelude::*;

use crate::fit;

pub(crate) use pace::{Turn, clock};

thread_local! {
    static NEXT_REQUEST: Cell<pg_sys::shmem_request_hook_type> = const { Cell::new(None) };
    static NEXT_STARTUP: Cell<pg_sys::shmem_startup_hook_type> = const { Cell::new(None) };
    static IS_THERE: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Asks for shared memory, and has it told when that is there. Only while the postmaster preloads libraries.
pub(crate) fn register(is_there: fn()) {
    IS_THERE.set(Some(is_there));
    // SAFETY: hook variables of the postmaster, which has one thread.
    unsafe {
        NEXT_REQUEST.set(std::ptr::replace(&raw mut pg_sys::shmem_request_hook, Some(request)));
        NEXT_STARTUP.set(std::ptr::replace(&raw mut pg_sys::shmem_startup_hook, Some(startup)));
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    if let Some(next) = NEXT_REQUEST.get() {
        // SAFETY: called as the server would.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| next()) };
    }
    ring::request();
    handover::request();
    tracked::request();
    dynamic::request();
    canaries::request();
}

#[pg_guard]
unsafe extern "C-unwind" fn startup() {
    if let Some(next) = NEXT_STARTUP.get() {
        // SAFETY: called as the server would.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| next()) };
    }
    fit::require_processes();
    ring::startup();
    handover::startup();
    tracked::startup();
    exchange::startup();
    dynamic::startup();
    canaries::startup();
    if let Some(is_there) = IS_THERE.get() {
        is_there();
    }
}

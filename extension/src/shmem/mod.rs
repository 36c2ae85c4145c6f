//! Shared memory.

pub(crate) mod handover;
pub(crate) mod ring;

use pgrx::prelude::*;

use crate::ask;

thread_local! {
    static NEXT_REQUEST: std::cell::Cell<pg_sys::shmem_request_hook_type> = const { std::cell::Cell::new(None) };
    static NEXT_STARTUP: std::cell::Cell<pg_sys::shmem_startup_hook_type> = const { std::cell::Cell::new(None) };
}

/// Asks for shared memory. Only while the postmaster preloads libraries.
pub(crate) fn register() {
    // SAFETY: hook variables of the postmaster, which has one thread.
    unsafe {
        NEXT_REQUEST.set(pg_sys::shmem_request_hook);
        pg_sys::shmem_request_hook = Some(request);
        NEXT_STARTUP.set(pg_sys::shmem_startup_hook);
        pg_sys::shmem_startup_hook = Some(startup);
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
}

#[pg_guard]
unsafe extern "C-unwind" fn startup() {
    if let Some(next) = NEXT_STARTUP.get() {
        // SAFETY: called as the server would.
        unsafe { pg_sys::ffi::pg_guard_ffi_boundary(|| next()) };
    }
    ring::startup();
    handover::startup();
    ask::startup();
}

//! The engine: checks the memory behaviour of other extensions from inside the backend that runs them.
//!
//! Loaded by `shared_preload_libraries`. What a statement or a window leaves behind is measured by walking the MemoryContext
//! tree ([`snapshot`]); the hooks ([`hooks`]) say when. Nothing of the engine's own lives in a MemoryContext: its state is
//! in Rust's heap and in one shared memory segment, so it cannot appear in its own findings.

#[cfg(panic = "abort")]
compile_error!("PostgreSQL errors cross Rust frames as panics: build with panic = \"unwind\"");

mod ask;
mod catcache;
mod current_context;
mod events;
mod guc;
mod hooks;
mod log;
mod nesting;
mod parallel;
mod scenario;
mod shmem;
mod snapshot;
mod sql;
mod statement;
mod trace;
mod tracing;
mod window;

use pgrx::prelude::*;

pg_module_magic!(name, version);

/// Called by the server when the library is loaded.
///
/// Only a library that the postmaster preloads can reserve shared memory and be in every backend from its start. Loaded any
/// other way nothing is registered, and the SQL functions say why they do not work.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    // SAFETY: a plain variable of the server, only written by the postmaster before it loads libraries.
    if !unsafe { pg_sys::process_shared_preload_libraries_in_progress } {
        return;
    }
    guc::register();
    shmem::register();
    hooks::register();
    log::register();
    current_context::register();
    ask::register();
    window::outside::register();
    trace::prepare();
}

//! The engine: checks the memory behaviour of other extensions from inside the backend that runs them.
//!
//! Loaded by `shared_preload_libraries`. The server's hooks ([`hooks`]) and the SQL functions ([`sql`]) hand what they learn to
//! the session ([`session`]). It measures what a statement or a window leaves behind by walking the MemoryContext tree
//! ([`contexts`]), or reads it from the ledger ([`trace`]) of what has passed the allocator ([`wrap`]) on behalf of the libraries
//! under check ([`stack`]). Nothing of the engine's own lives in a MemoryContext: its state is in Rust's heap, in mappings of its
//! own and in shared memory ([`shmem`]), so it cannot appear in its own findings.

#[cfg(panic = "abort")]
compile_error!("PostgreSQL errors cross Rust frames as panics: build with panic = \"unwind\"");

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
compile_error!("pg_ext_memcheck reads stacks and libraries as they are on Linux with glibc on x86_64");

mod ask;
mod contexts;
mod elf;
mod fit;
mod guard;
mod guc;
mod heap;
mod hooks;
mod inject;
mod link;
mod pg;
mod scenario;
mod session;
mod shmem;
mod sql;
mod stack;
mod trace;
mod wrap;

use pgrx::prelude::*;

pg_module_magic!(name, version);

/// Called by the server when the library is loaded.
///
/// Only a library that the postmaster preloads can reserve shared memory and be in every backend from its start. A server
/// that this build is not for does not load it. Loaded any other way nothing is registered, and the SQL functions say why they do not work.
#[pg_guard]
pub extern "C-unwind" fn _PG_init() {
    heap::at_the_end(pg::errors::out_of_memory);
    pg::errors::keep_frames_out();
    fit::require();
    pg::copied::prepare();
    if !pg::process::is_preloading() {
        return;
    }
    guc::register();
    shmem::register(wrap::requests::are_there);
    hooks::register();
    scenario::begin_workers();
    pg::exit::watch();
    guard::faults::prepare();
    wrap::prepare(guc::places_directory());
}

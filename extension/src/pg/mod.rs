//! The server: what pgrx does not declare, what it declares with a boundary that is not wanted, and what differs between its
//! versions. Nothing here knows what the engine is for.
//!
//! The functions that the server calls - hooks and callbacks - are here as well, since a pointer from the server is followed in
//! few places or in many; those about shared memory are in [`crate::shmem`]. Each hands plain values to a handler that it is
//! registered with, and goes on to whoever was registered before.

mod answer;
pub(crate) mod background;
pub(crate) mod build;
pub(crate) mod caches;
pub(crate) mod cancel;
pub(crate) mod catcache;
pub(crate) mod chunks;
pub(crate) mod client;
pub(crate) mod company;
pub(crate) mod copied;
pub(crate) mod dsa;
pub(crate) mod dsm;
pub(crate) mod dumps;
pub(crate) mod errors;
pub(crate) mod exit;
pub(crate) mod functions;
pub(crate) mod held;
pub(crate) mod layouts;
pub(crate) mod libraries;
pub(crate) mod log;
mod lwlocks;
mod nesting;
pub(crate) mod parameters;
pub(crate) mod peek;
pub(crate) mod process;
pub(crate) mod requests;
pub(crate) mod roles;
pub(crate) mod server;
pub(crate) mod spi;
pub(crate) mod statements;
mod thread;
pub(crate) mod transactions;
pub(crate) mod waits;

use std::ffi::{CStr, c_char};

use pgrx::{pg_sys, pgrx_extern_c_guard};

pub(crate) use nesting::is_top_level;
pub(crate) use thread::ServerThread;

/// The time now.
pub(crate) fn now() -> pg_sys::TimestampTz {
    // SAFETY: reads the clock.
    unsafe { pg_sys::GetCurrentTimestamp() }
}

/// A time as the session shows it, with its zone.
pub(crate) fn time_text(at: pg_sys::TimestampTz) -> String {
    // SAFETY: gives a text in a buffer of the server's own.
    unsafe { text(pg_sys::timestamptz_to_str(at)) }.unwrap_or_default().to_string_lossy().into_owned()
}

/// Runs code of ours inside a hook: a panic in it becomes an ERROR. Only for the outermost Rust frame of a hook in which the
/// server can be given an ERROR.
pub(crate) fn guarded(body: impl FnOnce()) {
    if errors::is_leaving() {
        return;
    }
    // SAFETY: by what is asked of the caller. An ERROR leaves the frame above by longjmp, which owns nothing.
    unsafe { pgrx_extern_c_guard(body) }
}

/// The text of the client's message that is worked on, if it is one with a text.
pub(crate) fn message_text<'a>() -> Option<&'a CStr> {
    // SAFETY: the server's variable; the text lives as long as the message, which is longer than any hook of ours.
    unsafe { text(pg_sys::debug_query_string) }
}

/// A text of the server's, if there is one.
///
/// # Safety
/// `text` is null or a C string that outlives the result.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: by the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// The name of a relation; none where there is no such relation. May raise an ERROR, as any look at a catalog may.
pub(crate) fn relation_name(relation: pg_sys::Oid) -> Option<String> {
    // SAFETY: gives a palloc'ed C string, or null where there is no such relation.
    unsafe { text(pg_sys::get_rel_name(relation)) }.map(|name| name.to_string_lossy().into_owned())
}

//! What the server logs, as far as it says something about memory or references.
//!
//! A message comes here if it is for the server's log (`EmitErrorReport` in elog.c): with `log_min_messages` above `warning` the
//! server's complaints do not.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};

use memcheck_core::judge::complaint::resource;
use memcheck_core::{CheckKind, ContextPath, Event};
use pgrx::pg_sys;

use crate::events::{self, Key};
use crate::guc;

const WARNING: c_int = pg_sys::WARNING as c_int;

thread_local! {
    static NEXT: Cell<pg_sys::emit_log_hook_type> = const { Cell::new(None) };
}

pub(crate) fn register() {
    // SAFETY: exchanges a hook variable of this single-threaded process.
    NEXT.set(unsafe { std::ptr::replace(&raw mut pg_sys::emit_log_hook, Some(message_is_logged)) });
}

/// Has no boundary of pgrx: nothing in here allocates through palloc, raises an ERROR or panics.
unsafe extern "C-unwind" fn message_is_logged(report: *mut pg_sys::ErrorData) {
    // SAFETY: the server's report is valid for the call; its texts are C strings or null.
    unsafe {
        let Some(message) = report.as_ref() else { return };
        dispatch(message.elevel, text(message.message_id), text(message.message));
    }
    if let Some(next) = NEXT.get() {
        // SAFETY: called as the server called us, with nothing to drop.
        unsafe { next(report) };
    }
}

/// Tells whom it concerns.
fn dispatch(level: c_int, format: &str, message: &str) {
    if level == WARNING && events::is_counting() {
        complaint(format, message);
    }
}

/// Counts a complaint of a reference that was not given back.
///
/// It comes when a portal, a subtransaction or a transaction ends, with nothing on the stack that tells whose reference it was.
/// Where there is one target, it is charged with it.
fn complaint(format: &str, message: &str) {
    let Some(resource) = resource(format, message) else { return };
    events::count(Key::Resource(resource.to_owned()), || {
        Some(Event {
            check: CheckKind::ResourceLeak,
            subject: ContextPath::new([resource]),
            library: guc::only_target().unwrap_or_default(),
            site: None,
            detail: format!("{resource} not given back: {message}"),
        })
    });
}

/// # Safety
/// `text` is null or a C string that outlives the result.
unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() {
        return "";
    }
    // SAFETY: by the caller's promise. What is not UTF-8 is none of the texts looked for.
    unsafe { CStr::from_ptr(text) }.to_str().unwrap_or_default()
}

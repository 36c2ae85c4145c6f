//! `emit_log_hook`: messages on their way to the server's log (`EmitErrorReport` in elog.c).
//!
//! With `log_min_messages` above a message's level it does not come here.

use std::cell::Cell;
use std::ffi::{CStr, c_int};

use pgrx::{PgLogLevel, pg_sys};

use super::thread::ServerThread;

/// A message that is about to be logged.
pub(crate) struct Message<'a> {
    level: c_int,
    /// The message before translation and arguments; empty where it came from another process (`ThrowErrorData` in elog.c).
    pub(crate) format: &'a CStr,
    /// The message itself.
    pub(crate) text: &'a CStr,
}

impl Message<'_> {
    /// Whether it is a WARNING.
    pub(crate) fn is_warning(&self) -> bool {
        self.level == pg_sys::WARNING as c_int
    }

    /// Whether it is for the server's log alone, as the lines of a dump of memory contexts are.
    pub(crate) fn is_for_the_log_only(&self) -> bool {
        self.level == pg_sys::LOG_SERVER_ONLY as c_int
    }
}

/// Whether this process writes messages for the log alone, such as dumps, and has them looked at (`should_output_to_server` in
/// elog.c). A signal handler may ask.
pub(crate) fn has_dumps() -> bool {
    // SAFETY: a plain variable of the server.
    #[cfg(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18"))]
    let least = unsafe { pg_sys::log_min_messages };
    // SAFETY: variables of the server: one for each kind of process.
    #[cfg(not(any(feature = "pg15", feature = "pg16", feature = "pg17", feature = "pg18")))]
    let least = unsafe {
        let kind = pg_sys::MyBackendType as usize;
        (&raw const pg_sys::log_min_messages).cast::<c_int>().add(kind).read()
    };
    least == pg_sys::LOG as c_int || least <= PgLogLevel::ERROR as c_int
}

/// Looks at a message. False keeps it out of the log. Must not panic, raise an ERROR or allocate through palloc.
pub(crate) type Handler = fn(&Message) -> bool;

static NEXT: ServerThread<Cell<pg_sys::emit_log_hook_type>> = ServerThread::new(Cell::new(None));
static HANDLER: ServerThread<Cell<Option<Handler>>> = ServerThread::new(Cell::new(None));

/// Has messages looked at. In the postmaster: its children inherit it.
pub(crate) fn on_message(handler: Handler) {
    HANDLER.set(Some(handler));
    // SAFETY: exchanges a hook variable of this single-threaded process.
    NEXT.set(unsafe { std::ptr::replace(&raw mut pg_sys::emit_log_hook, Some(emit_log)) });
}

unsafe extern "C-unwind" fn emit_log(report: *mut pg_sys::ErrorData) {
    // SAFETY: the server passes the report that it is about to log; its texts are C strings or null. The next hook is called as
    // the server called us, with nothing to drop.
    unsafe {
        let format = super::text((*report).message_id).unwrap_or_default();
        let message =
            Message { level: (*report).elevel, format, text: super::text((*report).message).unwrap_or_default() };
        let is_logged = HANDLER.get().is_none_or(|handler| handler(&message));
        if !is_logged {
            (*report).output_to_server = false;
        } else if let Some(next) = NEXT.get() {
            next(report);
        }
    }
}

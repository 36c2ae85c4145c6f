//! The process that is asked: its dump of memory contexts is where it learns of a question.

use std::cell::Cell;
use std::ffi::CStr;

use pgrx::pg_sys;

use super::exchange::Exchange;
use super::{answers, wire};

/// The message before a dump (`ProcessLogMemoryContextInterrupt` in mcxt.c).
const HEAD: &[u8] = b"logging memory contexts of PID %d";
/// How its lines begin (`MemoryContextStatsPrint`, `MemoryContextStatsInternal`).
const LINE: &[u8] = b"level: %d; ";
/// How its last line begins (`MemoryContextStatsDetail`).
const LAST: &[u8] = b"Grand total: ";

thread_local! {
    static NEXT: Cell<pg_sys::emit_log_hook_type> = const { Cell::new(None) };
    /// For each dump that is going on, the innermost in the lowest bit: whether its lines are kept out of the log. Writing to the
    /// log checks for interrupts, so where the server does not prevent it there may be one inside another.
    static SILENT: Cell<u64> = const { Cell::new(0) };
}

pub(super) fn register() {
    // SAFETY: exchanges a hook variable of the postmaster, which has one thread.
    NEXT.set(unsafe { std::ptr::replace(&raw mut pg_sys::emit_log_hook, Some(emit_log)) });
}

/// Passes messages on, except those of a dump that was only a question.
///
/// A genuine request for a dump that comes together with a question is answered like one: the process cannot tell one signal
/// from two.
unsafe extern "C-unwind" fn emit_log(message: *mut pg_sys::ErrorData) {
    // SAFETY: the server passes the message it is about to log.
    unsafe {
        if is_silent(&*message) {
            (*message).output_to_server = false;
        } else if let Some(next) = NEXT.get() {
            next(message);
        }
    }
}

/// Whether a message belongs to a dump that nobody is to see. Answers the question, if it is the head of one.
///
/// # Safety
/// The message is one that the server is about to log.
unsafe fn is_silent(message: &pg_sys::ErrorData) -> bool {
    if message.elevel != pg_sys::LOG_SERVER_ONLY as i32 || message.message_id.is_null() {
        return false;
    }
    // SAFETY: the format string of the message.
    let format = unsafe { CStr::from_ptr(message.message_id) }.to_bytes();
    if format == HEAD {
        let silent = answer();
        SILENT.set(SILENT.get() << 1 | u64::from(silent));
        return silent;
    }
    let is_last = format.starts_with(LAST);
    let silent = SILENT.get() & 1 == 1 && (is_last || format.starts_with(LINE));
    if is_last {
        SILENT.set(SILENT.get() >> 1);
    }
    silent
}

/// Answers the question that is put to this process. False if there is none.
fn answer() -> bool {
    let Some(exchange) = Exchange::get() else { return false };
    let quiet = exchange.take_quiet();
    let Some(taken) = exchange.take() else { return quiet };
    // A panic must not reach the server, and the asker is to be told.
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wire::read_question(taken.question()).map_or_else(
            |reason| Err(super::Refusal { message: reason, hint: None }),
            |question| answers::answer(&question),
        )
    }));
    let answer = answer.unwrap_or_else(|_| {
        Err(super::Refusal { message: "the process is in a state in which it cannot answer".to_owned(), hint: None })
    });
    taken.answer(|room| wire::write_answer(&answer, room));
    true
}

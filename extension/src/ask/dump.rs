//! The process that is asked: its dump of memory contexts is where it learns of a question.

use std::cell::Cell;
use std::ffi::CStr;

use super::{answers, wire};
use crate::shmem::exchange::Exchange;

/// The message before a dump (`ProcessLogMemoryContextInterrupt` in mcxt.c).
const HEAD: &[u8] = b"logging memory contexts of PID %d";
/// How its lines begin (`MemoryContextStatsPrint`, `MemoryContextStatsInternal`).
const LINE: &[u8] = b"level: %d; ";
/// How its last line begins (`MemoryContextStatsDetail`).
const LAST: &[u8] = b"Grand total: ";

thread_local! {
    /// For each dump that is going on, the innermost in the lowest bit: whether its lines are kept out of the log. Writing to the
    /// log checks for interrupts, so where the server does not prevent it there may be one inside another.
    static SILENT: Cell<u64> = const { Cell::new(0) };
}

/// Whether a message for the log belongs to a dump that nobody is to see, by its format. Answers the question, if it is the
/// head of one.
pub(crate) fn is_of_question(format: &CStr) -> bool {
    let format = format.to_bytes();
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

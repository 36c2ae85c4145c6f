//! The process that is asked: the dump of its memory contexts is where it answers.

use std::cell::Cell;
use std::ffi::CStr;

use super::{answers, wire};
use crate::pg::errors::is_leaving;
use crate::pg::process::my_pid;
use crate::pg::{dumps, log, transactions};
use crate::shmem::clock;
use crate::shmem::exchange::{Exchange, Taken};

/// The message before a dump (`ProcessLogMemoryContextInterrupt` in mcxt.c).
const HEAD: &[u8] = b"logging memory contexts of PID %d";
/// How its lines begin (`MemoryContextStatsPrint`, `MemoryContextStatsInternal`).
const LINE: &[u8] = b"level: %d; ";
/// How its last line begins (`MemoryContextStatsDetail`).
const LAST: &[u8] = b"Grand total: ";

/// For each dump that is going on, the innermost in the lowest bit: whether its lines are kept out of the log. Writing to the
/// log checks for interrupts, so where the server does not prevent it there may be one inside another.
#[derive(Clone, Copy)]
struct Dumps(u64);

impl Dumps {
    /// One begins, inside those that are going on.
    fn begin(&mut self, silent: bool) {
        self.0 = self.0 << 1 | u64::from(silent);
    }

    /// Whether a message that is no head is a line of one that nobody is to see. The innermost ends with its last line.
    fn keep_out(&mut self, format: &[u8]) -> bool {
        let is_last = format.starts_with(LAST);
        let silent = self.0 & 1 == 1 && (is_last || format.starts_with(LINE));
        if is_last {
            self.0 >>= 1;
        }
        silent
    }
}

thread_local! {
    static DUMPS: Cell<Dumps> = const { Cell::new(Dumps(0)) };
    /// When the newest answer was begun, in a dump that goes on.
    static ANSWERS_SINCE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Whether a message for the log belongs to a dump that nobody is to see, by its format. Answers the questions that are put to
/// this process, if it is the head of one.
pub(crate) fn is_of_question(format: &CStr) -> bool {
    let format = format.to_bytes();
    let silent = (format == HEAD).then(|| {
        let wanted = dumps::take_wanted();
        let answered = answer();
        // One of the server's own processes, for which this is the first time.
        follow();
        !wanted.unwrap_or(!answered)
    });
    let mut going_on = DUMPS.get();
    let kept_out = match silent {
        Some(silent) => {
            going_on.begin(silent);
            silent
        }
        None => going_on.keep_out(format),
    };
    DUMPS.set(going_on);
    if format.starts_with(LAST)
        && let Some((exchange, since)) = Exchange::get().zip(ANSWERS_SINCE.take())
    {
        exchange.paces().has_answered(my_pid(), since);
    }
    if kept_out && format.starts_with(LAST) && dumps::is_wanted() {
        // The request came during this one, and the server has dropped it.
        dumps::log_contexts();
    }
    kept_out
}

/// Has this process tell questions from requests for a dump from now on.
pub(crate) fn follow() {
    if let Some(exchange) = Exchange::get()
        && dumps::follow(is_asked)
    {
        exchange.i_follow();
        transactions::at_exit(leave_window);
    }
}

/// A process ends in which another may have opened a window: leaves it what that has found.
fn leave_window() {
    if is_leaving() {
        return;
    }
    let left = std::panic::catch_unwind(answers::last_words);
    if let Some((exchange, (watcher, closed))) = Exchange::get().zip(left.ok().flatten()) {
        let closed = Ok(closed);
        exchange.leave_behind(watcher, wire::length(&closed), |room| wire::write_answer(&closed, room));
    }
}

/// Whether a question is put to this process that it can answer. Called by a signal handler.
fn is_asked() -> bool {
    let Some(exchange) = Exchange::get().filter(|exchange| exchange.is_for_me()) else { return false };
    if !log::has_dumps() {
        exchange.decline();
        return false;
    }
    true
}

/// Answers the questions that are put to this process, as many as there are askers at most. False if there is none.
fn answer() -> bool {
    let Some(exchange) = Exchange::get() else { return false };
    let since = clock();
    let answered = exchange.take_all(|taken| {
        ANSWERS_SINCE.set(Some(since));
        answer_to(taken, since, exchange);
    });
    answered > 0
}

/// Answers a question that was taken.
fn answer_to(taken: Taken, since: u64, exchange: &'static Exchange) {
    // A panic must not reach the server, and the asker is to be told.
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wire::read_question(taken.question()).map_or_else(
            |reason| Err(super::Refusal { message: reason, hint: None }),
            |question| answers::answer(&question, taken.asker()),
        )
    }));
    let answer = answer.unwrap_or_else(|_| {
        Err(super::Refusal { message: "the process is in a state in which it cannot answer".to_owned(), hint: None })
    });
    let length = wire::length(&answer);
    // Before the asker hears of it, and once more when the dump has ended.
    exchange.paces().has_answered(my_pid(), since);
    taken.answer(length, |room| wire::write_answer(&answer, room));
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &[u8] = b"level: %d; %s: %zu total in %zu blocks";
    const TOTAL: &[u8] = b"Grand total: %zu bytes in %zu blocks";
    const OTHER: &[u8] = b"duration: %s ms";

    #[test]
    fn lines_of_a_dump_are_kept_out_until_its_last() {
        let mut dumps = Dumps(0);
        let mut kept_out = |format| dumps.keep_out(format);
        assert_eq!([ROW, TOTAL, OTHER].map(&mut kept_out), [false; 3], "without a dump");
        dumps.begin(true);
        let mut kept_out = |format| dumps.keep_out(format);
        assert_eq!([ROW, OTHER, ROW, TOTAL, ROW, TOTAL].map(&mut kept_out), [true, false, true, true, false, false]);
    }

    #[test]
    fn a_dump_that_somebody_wants_is_written() {
        let mut dumps = Dumps(0);
        dumps.begin(false);
        assert_eq!([ROW, TOTAL].map(|format| dumps.keep_out(format)), [false; 2]);
    }

    #[test]
    fn a_dump_inside_another_ends_first() {
        for (outer, inner) in [(true, false), (false, true)] {
            let mut dumps = Dumps(0);
            dumps.begin(outer);
            assert_eq!(dumps.keep_out(ROW), outer);
            dumps.begin(inner);
            assert_eq!([ROW, TOTAL].map(|format| dumps.keep_out(format)), [inner; 2]);
            assert_eq!([ROW, TOTAL].map(|format| dumps.keep_out(format)), [outer; 2]);
            assert!(!dumps.keep_out(ROW));
        }
    }
}

//! Asking another backend.
//!
//! PostgreSQL lets no library add a reason to its signals between processes. But a process that is asked to log its memory
//! contexts (`SendProcSignal` with `PROCSIG_LOG_MEMORY_CONTEXT`) does so at its next check for interrupts, also inside a
//! function that never ends, and begins with a message to the log (`ProcessLogMemoryContextInterrupt` in mcxt.c). So a
//! question is put where all processes see it ([`Exchange`]) and the process is sent SIGUSR1, at which it asks itself for a dump
//! ([`crate::pg::dumps`]). It answers when that message passes emit_log_hook ([`dump`], [`answers`]), and keeps the dump out of
//! the log, unless somebody else has asked for it.
//!
//! Processes do so from their first transaction on. The server's own, which have none, are sent its signal the first time: a dump
//! that somebody asks for in that very moment is not told from the question.
//!
//! There is one question at a time in the whole cluster. A process that is asked raises no ERROR and allocates nothing through
//! palloc while it answers: it may be in the middle of anything that checks for interrupts.

mod answers;
mod dump;
pub(crate) mod wire;

use std::time::{Duration, Instant};

use memcheck_core::judge::thresholds::Thresholds;
use serde_json::Value;

use crate::guc::Traced;
use crate::pg::process::{interrupt, is_process, my_pid, request_dump, wait};
use crate::shmem::exchange::{Asked, Exchange};
pub(crate) use dump::{follow, is_of_question};

/// How long to wait for an answer, and before that for the answer to somebody else's question.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look whether somebody else's question is gone.
const LOOK: Duration = Duration::from_millis(10);
/// After how long to look first whether the process that was asked is still there, and to send it the signal again; each time
/// after twice as long as before, and at last after so long.
const AGAIN: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(400)];

/// What a backend can be asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Question {
    /// What the targets hold: see [`answers::live_allocations`].
    LiveAllocations,
    /// Its tree of contexts: see [`answers::contexts`].
    Contexts,
    /// Open a window.
    Begin {
        /// As for `begin()`.
        pattern: String,
        /// As for `begin()`.
        options: Value,
        /// What to trace; none to go by context totals.
        traced: Option<Traced>,
        /// Those of the asking session.
        thresholds: Thresholds,
    },
    /// Close the window that `Begin` opened, and tell what it found.
    End,
}

/// A backend that was asked has its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// No memory for questions could be reserved when the server was started.
    NoExchange,
    /// There is no such server process.
    NoProcess(i32),
    /// The process ended before it answered.
    Ended(i32),
    /// It did not answer in time.
    Silent(i32),
    /// Somebody else's question stood in the way all the time.
    Occupied,
    /// It is longer than can be asked (bytes).
    QuestionTooLong(usize),
    /// What came makes no sense.
    Garbled(String),
    /// It did answer: no.
    Refused(Refusal),
}

/// Asks a process, which may be this one. Raises an ERROR if this backend is cancelled while it waits.
pub(crate) fn ask(pid: i32, question: &Question) -> Result<Value, NoAnswer> {
    if pid == my_pid() {
        return answers::answer(question).map_err(NoAnswer::Refused);
    }
    let exchange = Exchange::get().ok_or(NoAnswer::NoExchange)?;
    if !is_process(pid) {
        return Err(NoAnswer::NoProcess(pid));
    }
    let question = wire::question(question).to_string();
    let asked = occupy(exchange)?;
    asked.put(pid, question.as_bytes()).map_err(NoAnswer::QuestionTooLong)?;
    let send = || if exchange.follows(pid) { interrupt(pid) } else { request_dump(pid) };
    if !send() {
        return Err(NoAnswer::Ended(pid));
    }
    let deadline = Instant::now() + PATIENCE;
    let mut patience = AGAIN[0];
    loop {
        if let Some(answer) = asked.answer(wire::read_answer) {
            return match answer {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(refusal)) => Err(NoAnswer::Refused(refusal)),
                Err(reason) => Err(NoAnswer::Garbled(reason)),
            };
        }
        if !is_process(pid) {
            return Err(NoAnswer::Ended(pid));
        }
        if Instant::now() >= deadline {
            return Err(NoAnswer::Silent(pid));
        }
        if !wait(patience) {
            // A signal that comes during a dump is lost (`LogMemoryContextInProgress` in mcxt.c).
            patience = (patience * 2).min(AGAIN[1]);
            if asked.is_still_asked() && !send() {
                return Err(NoAnswer::Ended(pid));
            }
        }
    }
}

/// Waits until nobody else is asking. The place is given up when the result is dropped.
fn occupy(exchange: &'static Exchange) -> Result<Asked, NoAnswer> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(asked) = exchange.occupy() {
            return Ok(asked);
        }
        if Instant::now() >= deadline {
            return Err(NoAnswer::Occupied);
        }
        wait(LOOK);
    }
}

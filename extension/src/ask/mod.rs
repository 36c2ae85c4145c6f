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
//! Each asker has a place for his question, so that none waits for the answer to another's. What a question costs the one who is asked
//! is bounded where the asker is no superuser (`shmem/pace.rs`). A process that is asked raises no ERROR and allocates
//! nothing through palloc while it answers: it may be in the middle of anything that checks for interrupts.

mod answers;
mod dump;
pub(crate) mod wire;

use std::time::{Duration, Instant};

use memcheck_core::judge::thresholds::Thresholds;
use memcheck_core::room;
use serde_json::Value;

use crate::guc::Traced;
use crate::pg::process::{Busy, busy, interrupt, is_process, my_pid, request_dump, wait};
use crate::shmem::Turn;
use crate::shmem::exchange::{Exchange, Lack};
pub(crate) use dump::{follow, is_of_question};

/// How long to wait for an answer, and before that until the process may be asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often to look whether it may be asked.
const LOOK: Duration = Duration::from_millis(10);
/// For how long a process is stopped before it is given up: a debugger may only have a look.
const STOPPED: Duration = Duration::from_secs(1);
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
    /// Look at what the statement under way has done so far, where the session is observed.
    Look,
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
    /// All places are taken.
    Occupied,
    /// Others have asked it, and it rests.
    Rests(i32),
    /// It cannot answer now.
    Busy(i32, Busy),
    /// It keeps messages of the kind by which it answers from the log.
    Deaf(i32),
    /// It is longer than can be asked (bytes).
    QuestionTooLong(usize),
    /// There is no memory here to read it.
    NoRoom,
    /// What came makes no sense.
    Garbled(String),
    /// It did answer: no.
    Refused(Refusal),
}

/// A process may be asked for a window that was there before: there is none yet of one with this number.
pub(crate) fn forget_window(pid: i32) {
    if let Some(exchange) = Exchange::get() {
        exchange.inherit(pid, |_| ());
    }
}

/// What the window has found that this process has opened in another one, which has ended since.
fn window_left_by(pid: i32) -> Option<Value> {
    let left = Exchange::get()?.inherit(pid, |bytes| read(Ok(bytes)))?;
    left?.ok()?.ok()
}

/// Reads an answer; none where there is no room for it.
fn read(answer: Result<&[u8], Lack>) -> Option<Result<Result<Value, Refusal>, String>> {
    /// What a byte of it takes when it is read, and when rows are made of it, about (bytes).
    const OF_BYTE: usize = 24;
    room::is_there_for(answer.map_or(0, <[u8]>::len) * OF_BYTE).then(|| wire::read_answer(answer))
}

/// Asks a process, which may be this one. `freely` says whether it may be as often as one likes. Raises an ERROR if this backend is
/// cancelled while it waits. One that has ended has left what its window has found.
pub(crate) fn ask(pid: i32, question: &Question, freely: bool) -> Result<Value, NoAnswer> {
    match ask_now(pid, question, freely) {
        Err(gone @ (NoAnswer::NoProcess(_) | NoAnswer::Ended(_))) if *question == Question::End => {
            window_left_by(pid).ok_or(gone)
        }
        answer => answer,
    }
}

fn ask_now(pid: i32, question: &Question, freely: bool) -> Result<Value, NoAnswer> {
    if pid == my_pid() {
        return answers::answer(question, pid).map_err(NoAnswer::Refused);
    }
    let exchange = Exchange::get().ok_or(NoAnswer::NoExchange)?;
    if !is_process(pid) {
        return Err(NoAnswer::NoProcess(pid));
    }
    if let Some(busy) = busy(pid).filter(|&busy| busy != Busy::Stopped) {
        return Err(NoAnswer::Busy(pid, busy));
    }
    let question = wire::question(question).to_string();
    let asked = exchange.occupy().ok_or(NoAnswer::Occupied)?;
    let _turn = if freely { None } else { Some(turn(exchange, pid)?) };
    asked.put(pid, question.as_bytes()).map_err(NoAnswer::QuestionTooLong)?;
    let send = || if exchange.paces().follows(pid) { interrupt(pid) } else { request_dump(pid) };
    if !send() {
        return Err(NoAnswer::Ended(pid));
    }
    let (began, mut patience, mut stopped_since) = (Instant::now(), AGAIN[0], None);
    loop {
        if let Some(answer) = asked.answer(read) {
            return match answer {
                Some(Ok(Ok(value))) => Ok(value),
                Some(Ok(Err(refusal))) => Err(NoAnswer::Refused(refusal)),
                Some(Err(reason)) => Err(NoAnswer::Garbled(reason)),
                None => Err(NoAnswer::NoRoom),
            };
        }
        if asked.is_declined() {
            return Err(NoAnswer::Deaf(pid));
        }
        if !is_process(pid) {
            return Err(NoAnswer::Ended(pid));
        }
        if began.elapsed() >= PATIENCE {
            return Err(NoAnswer::Silent(pid));
        }
        if wait(patience) {
            continue;
        }
        match busy(pid).filter(|_| asked.is_still_asked()) {
            Some(Busy::Stopped) => {
                let since = *stopped_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= STOPPED {
                    return Err(NoAnswer::Busy(pid, Busy::Stopped));
                }
            }
            Some(busy) => return Err(NoAnswer::Busy(pid, busy)),
            None => stopped_since = None,
        }
        // A signal that comes during a dump is lost (`LogMemoryContextInProgress` in mcxt.c).
        patience = (patience * 2).min(AGAIN[1]);
        if asked.is_still_asked() && !send() {
            return Err(NoAnswer::Ended(pid));
        }
    }
}

/// Waits until a process may be asked by one who is no superuser. Nobody else of these may before the result is dropped.
fn turn(exchange: &'static Exchange, pid: i32) -> Result<Turn, NoAnswer> {
    let began = Instant::now();
    loop {
        if let Some(turn) = exchange.paces().may_ask(pid, my_pid()) {
            return Ok(turn);
        }
        if began.elapsed() >= PATIENCE {
            return Err(NoAnswer::Rests(pid));
        }
        wait(LOOK);
    }
}

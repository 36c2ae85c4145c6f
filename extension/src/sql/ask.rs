//! Functions that ask another backend.

use memcheck_core::options::{self, Place};
use memcheck_core::targets::Targets;
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::Value;

use super::window::signed;
use super::{called, raise, refuse, require_preload, rows_of, warn_of_gaps};
use crate::ask::{self, NoAnswer, Question, wire};
use crate::guard::faults::policy::policy;
use crate::guc::{self, Traced};
use crate::pg::process::{Busy, is_process, my_pid};
use crate::pg::{now, roles};
use crate::session;

/// Asks, and raises an ERROR where there is no answer, or where the role may not.
fn answer_of(pid: i32, question: &Question) -> Value {
    called();
    let may_ask = match question {
        Question::LiveAllocations | Question::Contexts => roles::may_read,
        Question::Begin { .. } | Question::End | Question::Look => roles::may_interfere,
    };
    if pid != my_pid() && is_process(pid) && !may_ask(pid) {
        raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied to ask process with PID {pid}"),
            Some(match question {
                Question::LiveAllocations | Question::Contexts => {
                    "It takes the privileges of its role, or those of pg_read_all_stats."
                }
                Question::Begin { .. } | Question::End | Question::Look => {
                    "It takes the privileges of its role, or those of pg_signal_backend; only superusers may with a superuser's \
                     process and with the server's own."
                }
            }),
        );
    }
    let (code, message, hint) = match ask::ask(pid, question, roles::login_is_superuser()) {
        Ok(answer) => return answer,
        Err(NoAnswer::NoExchange) => (
            PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY,
            "no memory for questions could be reserved when the server was started".to_owned(),
            None,
        ),
        Err(NoAnswer::NoProcess(pid)) => (
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("PID {pid} is not a PostgreSQL server process"),
            Some("Workers without a database connection cannot be asked.".to_owned()),
        ),
        Err(NoAnswer::Ended(pid)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("process with PID {pid} ended before it answered"),
            None,
        ),
        Err(NoAnswer::Silent(pid)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("process with PID {pid} did not answer within 5 seconds"),
            Some("It answers when it next checks for interrupts.".to_owned()),
        ),
        Err(NoAnswer::Deaf(pid)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("process with PID {pid} cannot answer"),
            Some("It answers by way of the server's log: its log_min_messages must not be fatal or panic.".to_owned()),
        ),
        Err(NoAnswer::Busy(pid, Busy::Checkpoint)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            format!("process with PID {pid} writes a checkpoint, and does not answer before it is done"),
            Some("CHECKPOINT has it done without delay.".to_owned()),
        ),
        Err(NoAnswer::Busy(pid, Busy::Command)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            format!("process with PID {pid} waits for a shell command, and does not answer before that is done"),
            Some("Such as archive_command or restore_command.".to_owned()),
        ),
        Err(NoAnswer::Busy(pid, Busy::Stopped)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("process with PID {pid} is stopped"),
            Some("By SIGSTOP or a debugger: it answers when it goes on.".to_owned()),
        ),
        Err(NoAnswer::Rests(pid)) => (
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            format!("process with PID {pid} is asked too often"),
            Some("It gives a fiftieth of its time to roles that are not superusers; try again.".to_owned()),
        ),
        Err(NoAnswer::Occupied) => (
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            "too many sessions wait for answers".to_owned(),
            Some("Try again.".to_owned()),
        ),
        Err(NoAnswer::QuestionTooLong(bytes)) => (
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            format!("pattern, options and targets are too long ({bytes} bytes)"),
            None,
        ),
        Err(NoAnswer::NoRoom) => (PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory".to_owned(), None),
        Err(NoAnswer::Garbled(reason)) => (
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            format!("the answer of the process with PID {pid} cannot be used: {reason}"),
            None,
        ),
        Err(NoAnswer::Refused(refusal)) => {
            (PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, refusal.message, refusal.hint)
        }
    };
    raise(code, message, hint.as_deref())
}

fn garbled(pid: i32) -> ! {
    raise(
        PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        format!("the answer of the process with PID {pid} cannot be used"),
        None,
    )
}

/// What the traced libraries have allocated and not freed in a backend, by site and context, the most first.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn live_allocations(
    pid: default!(i32, "pg_backend_pid()"),
) -> TableIterator<
    'static,
    (
        name!(source_lib, String),
        name!(site_symbol, Option<String>),
        name!(site_offset, i64),
        name!(build_id, String),
        name!(context_path, Vec<String>),
        name!(allocations, i64),
        name!(bytes, i64),
        name!(stack, JsonB),
    ),
> {
    let answer = answer_of(pid, &Question::LiveAllocations);
    if let Some(lost @ 1..) = answer["not_recorded"].as_u64() {
        warning!("{lost} entries are missing, for want of room");
    }
    let row = |row: &Value| {
        let frame = memcheck_core::wire::read_address(&row[1]).ok()?;
        Some((
            frame.library,
            frame.symbol,
            signed(frame.offset),
            frame.build_id,
            wire::texts(&row[0])?,
            row[3].as_i64()?,
            row[4].as_i64()?,
            JsonB(row[2].clone()),
        ))
    };
    let rows: Option<Vec<_>> = answer["rows"].as_array().and_then(|rows| rows.iter().map(row).collect());
    TableIterator::new(rows.unwrap_or_else(|| garbled(pid)))
}

/// The memory contexts of a backend, parents first.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn backend_contexts(
    pid: i32,
) -> TableIterator<
    'static,
    (
        name!(path, Vec<String>),
        name!(name, String),
        name!(ident, Option<String>),
        name!(level, i32),
        name!(used_bytes, i64),
        name!(allocated_bytes, i64),
        name!(free_bytes, i64),
        name!(blocks, i64),
    ),
> {
    let answer = answer_of(pid, &Question::Contexts);
    let row = |row: &Value| {
        let path = wire::texts(&row[0])?;
        let name = path.last()?.clone();
        let level = i32::try_from(row[2].as_i64()?).ok()?;
        let ident = row[1].as_str().map(str::to_owned);
        Some((path, name, ident, level, row[3].as_i64()?, row[4].as_i64()?, row[5].as_i64()?, row[6].as_i64()?))
    };
    let rows: Option<Vec<_>> = answer.as_array().and_then(|rows| rows.iter().map(row).collect());
    TableIterator::new(rows.unwrap_or_else(|| garbled(pid)))
}

/// Opens a check window in another backend, whose iterations are its transactions. It guards what it traces, and does at a fault,
/// as this session's parameters say.
///
/// The options are those of `begin()`, and "targets", an array of libraries whose allocations are traced, and "stacks", whether
/// as by `pg_ext_memcheck.trace = stacks`. Where they say nothing, this session's parameters do.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn begin_in(
    pid: Option<i32>,
    ext_context_pattern: default!(Option<&str>, "''"),
    options: default!(Option<JsonB>, "NULL"),
) -> &'static str {
    require_preload();
    let Some(pid) = pid else {
        raise(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "PID must not be null", None);
    };
    if pid == my_pid() {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("PID {pid} is this session's own"),
            Some("Use ext_memcheck.begin()."),
        );
    }
    let pattern = ext_context_pattern.unwrap_or_default().to_owned();
    let options = options.map_or(Value::Null, |options| options.0);
    let thresholds = guc::thresholds();
    let parsed =
        options::parse(&pattern, Some(&options), thresholds, Place::Elsewhere).unwrap_or_else(|bad| refuse(bad));
    let mut traced = guc::traced_in_windows();
    if let Some(targets) = parsed.targets {
        traced = Some(Traced::of(Targets::new(&targets.join(","))));
    }
    if let Some(traced) = &mut traced {
        traced.by_calls = parsed.stacks.unwrap_or(traced.by_calls);
        traced.on_fault = Some(policy());
    }
    ask::forget_window(pid);
    if let Some(reason) = answer_of(pid, &Question::Begin { pattern, options, traced, thresholds }).as_str() {
        warning!("allocations of that process cannot be traced: {reason}");
    }
    "Memory check session started."
}

/// Closes the check window that `begin_in()` opened, and returns what it found, as well where the process has ended since.
/// `findings()` and `window_stats()` of this
/// session then tell about it.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn end_in(
    pid: i32,
) -> TableIterator<
    'static,
    (
        name!(check_type, String),
        name!(severity, String),
        name!(detail, String),
        name!(ts, TimestampWithTimeZone),
        name!(source_lib, String),
    ),
> {
    let answer = answer_of(pid, &Question::End);
    let closed = wire::read_closed(&answer).unwrap_or_else(|| garbled(pid));
    warn_of_gaps(&closed.figures, &closed.targets);
    let rows = rows_of(&closed.findings, now());
    session::with(|session| session.keep_closed(closed));
    TableIterator::new(rows)
}

/// Has a backend of an observed session look at what its statement has done so far, which may not end for long. False where it is not
/// observed, or between statements.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn look_at(pid: i32) -> bool {
    answer_of(pid, &Question::Look).as_bool().unwrap_or_else(|| garbled(pid))
}

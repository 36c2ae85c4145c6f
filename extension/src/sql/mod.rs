//! The SQL functions: arguments in, rows out.

mod ask;
mod catcache;
mod dsm;
mod faults;
mod iterations;
mod log;
mod objects;
mod probes;
mod scenario;
mod sites;
mod totals;
mod window;

use memcheck_core::gap::GAPS;
use memcheck_core::options::{BadKind, BadOption};
use memcheck_core::targets::{Loaded, complaint};
use memcheck_core::{Finding, ScenarioKind, room};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::guc;
use crate::pg::process::is_named_for_preload;
use crate::pg::spi::Failure;
use crate::session::{self, Figures};
use crate::shmem::ring;

/// Raises an ERROR.
pub(crate) fn raise(code: PgSqlErrorCode, message: impl Into<String>, hint: Option<&str>) -> ! {
    let report = ErrorReport::new(code, message.into(), "pg_ext_memcheck");
    let report = match hint {
        Some(hint) => report.set_hint(hint),
        None => report,
    };
    report.report(PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// Raises what came of statements. The caller owns nothing any more that has to be dropped.
fn raise_failure(failure: Failure) -> ! {
    match failure {
        Failure::Raised(raised) => raised.raise(),
        Failure::Refused(name) => raise(
            PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
            format!("workload cannot be run inside a function: {name}"),
            Some(
                "Transaction commands and COPY need a client: open a window with ext_memcheck.begin() and send them \
                 yourself.",
            ),
        ),
    }
}

/// Warns, and says what to do about it.
fn warn(message: String, hint: &str) {
    let report = ErrorReport::new(PgSqlErrorCode::ERRCODE_WARNING, message, "pg_ext_memcheck");
    report.set_hint(hint).report(PgLogLevel::WARNING);
}

/// Raises an ERROR about an argument that cannot be used.
fn refuse(bad: BadOption) -> ! {
    let code = match bad.kind {
        BadKind::Value => PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        BadKind::Escape => PgSqlErrorCode::ERRCODE_INVALID_ESCAPE_SEQUENCE,
    };
    raise(code, bad.message, bad.hint.as_deref())
}

/// Raises an ERROR about a scenario that cannot do without tracing: the parameters say that nothing is traced, or it cannot be.
fn refuse_untraced(scenario: ScenarioKind) -> ! {
    let (code, hint) = match guc::traced_in_windows() {
        None => (
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Some("Set pg_ext_memcheck.trace to windows or on."),
        ),
        Some(_) => (PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED, None),
    };
    raise(code, format!("scenario {scenario} needs libraries whose allocations are traced"), hint)
}

/// Raises an ERROR unless the library was preloaded and got its shared memory.
fn require_preload() {
    if ring::is_there() {
        return;
    }
    let (message, hint) = if is_named_for_preload("pg_ext_memcheck") {
        (
            "pg_ext_memcheck has no shared memory: a library loaded after it does not call the hooks it has found",
            "Place pg_ext_memcheck behind that library in \"shared_preload_libraries\" and restart the server; a spec of \
             mcspec says \"preload first NAME\".",
        )
    } else {
        (
            "pg_ext_memcheck must be loaded via \"shared_preload_libraries\"",
            "Add pg_ext_memcheck to \"shared_preload_libraries\" in postgresql.conf and restart the server.",
        )
    };
    raise(PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, message, Some(hint));
}

/// Looks up whether this session may report what is found from now on.
fn look_up_role() {
    session::set_reports(guc::may_report());
}

/// What a function begins with that is not part of what is checked: raises an ERROR unless the library was preloaded, and
/// has the statement that calls it left out of what is judged.
fn called() {
    require_preload();
    session::with(|session| session.is_called());
}

/// A row of `end()` and `end_in()`: check, severity, sentence, time, library.
type EndRow = (String, String, String, TimestampWithTimeZone, String);

/// Findings as `end()` and `end_in()` give them.
fn rows_of(findings: &[Finding], at: pg_sys::TimestampTz) -> Vec<EndRow> {
    let row = |finding: &Finding| {
        let (detail, library) = (finding.detail.clone(), finding.source_lib.clone());
        (finding.check.to_string(), finding.severity.to_string(), detail, timestamp(at), library)
    };
    findings.iter().map(row).collect()
}

/// Raises an ERROR unless there is room for so many bytes: nothing is lost yet, and it can be asked for again.
fn require_room(bytes: usize) {
    if !room::is_there_for(bytes) {
        raise(PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY, "out of memory", None);
    }
}

/// Warns of what a window did not look at.
fn warn_of_gaps(figures: &Figures, targets: &[Loaded]) {
    for gap in &GAPS {
        let count = figures.named().find(|(name, _)| *name == gap.figure).map_or(0, |(_, count)| count);
        if count > 0 {
            let message = gap.message(i64::try_from(count).unwrap_or(i64::MAX));
            let hint = match gap.remedy {
                Some(remedy) => format!("Finding nothing says nothing here: {remedy}."),
                None => "Finding nothing says nothing here. See ext_memcheck.window_stats().".to_owned(),
            };
            warn(format!("the window is incomplete: {message}"), &hint);
        }
    }
    if let Some((message, hint)) = complaint(targets) {
        warn(message, &hint);
    }
}

/// A time of the server's as a SQL value.
fn timestamp(at: pg_sys::TimestampTz) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(at).unwrap_or_else(|_| TimestampWithTimeZone::positive_infinity())
}

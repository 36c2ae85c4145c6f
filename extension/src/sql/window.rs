//! `begin()`, `mark()`, `end()` and what the last window found.

use memcheck_core::finding;
use memcheck_core::judge::tree::{self, Branch};
use memcheck_core::options::{self, Place};
use memcheck_core::targets::Loaded;
use memcheck_core::wire::Columns;
use pgrx::prelude::*;
use pgrx::{AnyNumeric, JsonB};

use super::{
    called, look_up_role, raise, refuse, refuse_untraced, require_preload, require_room, rows_of, timestamp, warn,
    warn_of_gaps,
};
use crate::fit;
use crate::guard::Level;
use crate::guc::{self, MemcheckMode};
use crate::pg::now;
use crate::session::{self, BadMark, Opener};
use crate::shmem::ring;
use crate::wrap::storm;

/// Opens a check window.
#[pg_extern(name = "begin")]
#[search_path(pg_catalog, pg_temp)]
fn begin(ext_context_pattern: default!(Option<&str>, "''"), options: default!(Option<JsonB>, "NULL")) -> &'static str {
    require_preload();
    fit::require_portal();
    let pattern = ext_context_pattern.unwrap_or_default();
    let options = options.as_ref().map(|options| &options.0);
    let parsed = options::parse(pattern, options, guc::thresholds(), Place::Here).unwrap_or_else(|bad| refuse(bad));
    let scenario = parsed.terms.scenario;
    let needs_trace = scenario.description().needs_trace;
    if needs_trace && guc::traced_in_windows().is_none() {
        refuse_untraced(scenario);
    }
    if scenario.description().needs_pages && !matches!(guc::guard(), Level::Pages(..)) {
        raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            format!("scenario {scenario} needs allocations that are guarded by pages"),
            Some("SET pg_ext_memcheck.guard = pages;"),
        );
    }
    look_up_role();
    close_other();
    warn_of_creators();
    let shown = if pattern.is_empty() { "(all)" } else { pattern };
    info!(
        "Memory check session started: pattern='{shown}', allowed_contexts={}",
        parsed.terms.rules.filter.allowed.len()
    );
    if guc::mode() == MemcheckMode::none {
        impose(MemcheckMode::all);
    }
    fill_caches();
    if let Some(refused) = session::with(|session| session.begin(parsed.terms)) {
        warning!("allocations cannot be traced: {refused}; the window goes by context totals");
    }
    if needs_trace && !session::with(|session| session.is_traced_or_abandoned()) {
        refuse_untraced(scenario);
    }
    // What was cached before is looked up anew, as guarded as the rest.
    storm::strike();
    "Memory check session started."
}

/// Sets the mode, whatever becomes of the transaction.
fn impose(mode: MemcheckMode) {
    guc::set_mode(mode);
    session::with(|session| session.imposes(mode));
}

/// Closes the window that is open: a second `begin()` starts anew. What it has found goes to the ring. Raises an ERROR where
/// another session has opened it.
fn close_other() {
    match session::with(|session| session.opened_by()) {
        None => {}
        Some(Opener::Session) => {
            session::with(|session| session.ends_by_itself());
            notice!("the check window that was open is closed");
        }
        Some(Opener::Another) => raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "a check window is already open",
            Some("Another session has opened it, and closes it with ext_memcheck.end_in()."),
        ),
    }
}

/// Warns of roles that could have their own functions called in place of the engine's.
fn warn_of_creators() {
    const CREATORS: &str = "
        SELECT string_agg(creator, ', ' ORDER BY creator)
          FROM (SELECT nspowner::regrole::text FROM pg_namespace
                 WHERE nspname = 'ext_memcheck' AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = nspowner)
                UNION
                SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
                  FROM pg_namespace CROSS JOIN LATERAL aclexplode(nspacl)
                 WHERE nspname = 'ext_memcheck' AND privilege_type = 'CREATE' AND grantee <> nspowner
                   AND NOT EXISTS (SELECT FROM pg_roles WHERE oid = grantee AND rolsuper)) AS all_of_them (creator)";
    // Not by what may write, which takes a transaction id: there is none on a standby.
    let creators = Spi::connect(|client| client.select(CREATORS, Some(1), &[])?.first().get_one::<String>());
    if let Ok(Some(creators)) = creators {
        warn(
            format!("role {creators} can create functions in schema ext_memcheck"),
            "They may be called in place of the extension's: REVOKE CREATE ON SCHEMA ext_memcheck.",
        );
    }
}

/// Has the server look up everything that the calls to come need, so that its caches do not grow inside the window.
fn fill_caches() {
    for call in [
        "SELECT ext_memcheck.mark(1), ext_memcheck.mark(1::pg_catalog.int8)",
        "SELECT * FROM ext_memcheck.end()",
        "SELECT ext_memcheck.run_scenario(scenario_name := '', iterations := 1, workload := '')",
    ] {
        // A plan that is not kept goes away with the connection to SPI.
        let _ = Spi::connect(|client| client.prepare(call, &[]).map(drop));
    }
}

/// Sets a checkpoint inside the window.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn mark(iteration: i64) {
    require_preload();
    let Ok(number) = u64::try_from(iteration) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("iteration must not be negative: {iteration}"),
            None,
        )
    };
    match session::with(|session| session.mark(number)) {
        Ok(()) => {}
        Err(BadMark::NoWindow) => raise(
            PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            "no check window is open",
            Some("Open one with ext_memcheck.begin()."),
        ),
        Err(BadMark::NotIncreasing(last)) => raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("iteration {iteration} is not after the last mark, at iteration {last}"),
            None,
        ),
    }
}

/// Closes the window and returns this session's violations since it was opened.
#[pg_extern(name = "end")]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn end() -> TableIterator<
    'static,
    (
        name!(check_type, String),
        name!(severity, String),
        name!(detail, String),
        name!(ts, TimestampWithTimeZone),
        name!(source_lib, String),
    ),
> {
    require_preload();
    let ended = session::with(|session| {
        session.is_called();
        session.end()
    });
    let (figures, targets, bytes) = session::with(|session| {
        let closed = session.closed();
        (closed.figures, closed.targets.clone(), finding::bytes(closed.not_in_ring()))
    });
    if ended.is_some() {
        warn_of_gaps(&figures, &targets);
    }
    impose(MemcheckMode::none);
    let found = ended.map_or(Vec::new(), |_| {
        require_room(bytes);
        session::with(|session| rows_of(session.closed().not_in_ring(), now()))
    });
    let since = ended.unwrap_or(pg_sys::TimestampTz::MIN);
    info!("Memory check session ended.");
    let logged = ring::take_mine(since).into_iter().map(|violation| {
        (
            violation.check.to_string(),
            violation.severity.to_string(),
            violation.detail,
            timestamp(violation.at),
            violation.library,
        )
    });
    TableIterator::new(logged.chain(found).collect::<Vec<_>>())
}

/// The findings of the last closed window of this session.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn findings() -> TableIterator<
    'static,
    (
        name!(check_type, String),
        name!(severity, String),
        name!(context_path, Vec<String>),
        name!(subject, String),
        name!(bytes, i64),
        name!(objects, i64),
        name!(iterations, i64),
        name!(bytes_per_iter, Option<AnyNumeric>),
        name!(objects_per_iter, Option<AnyNumeric>),
        name!(shape, Option<String>),
        name!(phase, Option<String>),
        name!(source_lib, String),
        name!(build_id, Option<String>),
        name!(site_offset, Option<i64>),
        name!(site_symbol, Option<String>),
        name!(stack, Option<JsonB>),
        name!(marks, JsonB),
        name!(detail, String),
        name!(access, Option<JsonB>),
    ),
> {
    called();
    require_room(2 * session::with(|session| finding::bytes(&session.closed().findings)));
    let rows: Vec<_> = session::with(|session| session.closed().findings.iter().map(Columns::from).collect::<Vec<_>>())
        .into_iter()
        .map(|columns| {
            (
                columns.check_type,
                columns.severity,
                columns.context_path,
                columns.subject,
                columns.bytes,
                columns.objects,
                columns.iterations,
                AnyNumeric::try_from(columns.bytes_per_iter).ok(),
                AnyNumeric::try_from(columns.objects_per_iter).ok(),
                columns.shape,
                columns.phase,
                columns.source_lib,
                columns.build_id,
                columns.site_offset,
                columns.site_symbol,
                columns.stack.map(JsonB),
                JsonB(columns.marks),
                columns.detail,
                columns.access.map(JsonB),
            )
        })
        .collect();
    TableIterator::new(rows)
}

/// A figure as SQL has it.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Figures of the last closed window of this session, and of the ring.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn window_stats() -> TableIterator<'static, (name!(name, &'static str), name!(value, i64))> {
    called();
    let figures = session::with(|session| session.closed().figures);
    let (ring_slots, ring_entries) = ring::occupancy();
    let of_ring = [("ring_entries", ring_entries), ("ring_size", ring_slots), ("violations_lost_total", ring::lost())];
    let mut all: Vec<(&str, u64)> = figures.named().chain(of_ring).collect();
    all.sort_unstable();
    TableIterator::new(all.into_iter().map(|(name, value)| (name, signed(value))).collect::<Vec<_>>())
}

/// Which loaded libraries were targets of the last closed window, and which targets were not loaded: for each target the
/// libraries that it stands for, or none. A library of an extension that was no target has no target. Nothing where nothing was
/// traced.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn window_targets()
-> TableIterator<'static, (name!(target, Option<String>), name!(library, Option<String>), name!(loaded, bool))> {
    called();
    let rows = session::with(|session| session.closed().targets.clone());
    TableIterator::new(rows.into_iter().map(|Loaded { target, library }| {
        let loaded = library.is_some();
        (target, library, loaded)
    }))
}

/// The tree of contexts of the last closed window, at its first mark and at its last: the 256 paths that have changed most. With
/// tracing, the bytes are those that the targets hold, and else all that are in use.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
#[allow(clippy::type_complexity)]
fn window_contexts() -> TableIterator<
    'static,
    (
        name!(context_path, Vec<String>),
        name!(bytes_before, i64),
        name!(bytes_after, i64),
        name!(contexts_before, i64),
        name!(contexts_after, i64),
    ),
> {
    called();
    require_room(session::with(|session| tree::bytes(&session.closed().contexts)));
    let rows = session::with(|session| session.closed().contexts.clone());
    TableIterator::new(rows.into_iter().map(|Branch { path, bytes, contexts }| {
        (path.names().to_vec(), signed(bytes[0]), signed(bytes[1]), signed(contexts[0]), signed(contexts[1]))
    }))
}

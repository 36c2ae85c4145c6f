//! Whether this build of the engine is for the server that loads it.

use std::path::PathBuf;

use memcheck_core::command::rebuild;
use memcheck_core::fit::misfit;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use crate::contexts;
use crate::pg::{build, layouts};

/// Raises an ERROR where it is not: of a server that has loaded it nothing is guessed.
pub(crate) fn require() {
    let (engine, server) = (build::engine(), build::server());
    if let Some(detail) = misfit(&engine, &server) {
        // One that was built for this very server would be the same again.
        refuse(detail, !engine.is_of(&server));
    }
    require_known(contexts::check().and_then(|()| layouts::check()));
}

/// The same when the server has made its shared memory.
pub(crate) fn require_processes() {
    require_known(layouts::check_processes());
}

/// The same of the session that calls.
pub(crate) fn require_portal() {
    require_known(layouts::check_portal());
}

fn require_known(checked: Result<(), String>) {
    let Err(what) = checked else { return };
    let (engine, server) = (build::engine(), build::server());
    let detail = format!(
        "pg_ext_memcheck was built for PostgreSQL {}, the server is PostgreSQL {}, and has something else in the place of: {what}",
        engine.version, server.version
    );
    refuse(detail, true);
}

fn refuse(detail: String, is_mended_by_building: bool) {
    // It is installed with the server's program, or else it is the one that a shell finds.
    let beside = std::env::current_exe().map(|program| program.with_file_name("pg_config"));
    let pg_config = beside.ok().filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from("pg_config"));
    let hint = format!("Build it with the pg_config of this server: {}", rebuild(&pg_config));
    let message = "pg_ext_memcheck cannot check this server";
    let code = PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    let report = ErrorReport::new(code, message, "pg_ext_memcheck");
    let report = report.set_detail(detail);
    if is_mended_by_building { report.set_hint(hint) } else { report }.report(PgLogLevel::ERROR);
}

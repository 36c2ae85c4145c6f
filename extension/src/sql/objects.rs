//! The schema and the table, who may use what, and what is said about each object.

use pgrx::prelude::*;

// An update runs this as well, in which the objects are there. What is of that name and not the extension's is refused by the
// server (`checkMembershipInCurrentExtension` in pg_depend.c).
extension_sql!(
    r#"
CREATE SCHEMA IF NOT EXISTS ext_memcheck;
SET LOCAL search_path TO ext_memcheck, pg_temp;

CREATE TABLE IF NOT EXISTS violation_log (
    id serial PRIMARY KEY,
    ts timestamptz NOT NULL DEFAULT now(),
    backend_pid int NOT NULL,
    check_type text NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL,
    source_lib text NOT NULL DEFAULT ''
);
SELECT pg_catalog.pg_extension_config_dump('violation_log', '');
SELECT pg_catalog.pg_extension_config_dump('violation_log_id_seq', '');
"#,
    name = "objects",
    bootstrap
);

extension_sql_file!("catalog.sql", name = "catalog", finalize);

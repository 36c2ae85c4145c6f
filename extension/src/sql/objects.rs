//! The table, and who may use what.

use pgrx::prelude::*;

extension_sql!(
    r#"
CREATE TABLE violation_log (
    id serial PRIMARY KEY,
    ts timestamptz NOT NULL DEFAULT now(),
    backend_pid int NOT NULL,
    check_type text NOT NULL,
    severity text NOT NULL,
    detail text NOT NULL,
    source_lib text NOT NULL DEFAULT ''
);
COMMENT ON TABLE violation_log IS 'violations that flush_violations() took out of shared memory';
"#,
    name = "objects",
    bootstrap
);

extension_sql!(
    r#"
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ext_memcheck FROM PUBLIC;
GRANT USAGE ON SCHEMA ext_memcheck TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION live_allocations(integer), backend_contexts(integer), catcache_stats(), scenario_descriptions()
    TO pg_read_all_stats;
GRANT SELECT ON violation_log, scenarios TO pg_read_all_stats;
"#,
    name = "privileges",
    finalize
);

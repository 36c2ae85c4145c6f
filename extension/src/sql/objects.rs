//! The table, the view and who may use what.

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

CREATE VIEW scenarios (name, description) AS VALUES
    ('growth_benchmark', 'growth of each context at log-spaced checkpoints'),
    ('tx_abort_loop', 'what the workload leaves behind when it is rolled back to a savepoint'),
    ('wrong_context_probe', 'allocations in contexts that live as long as the backend');
COMMENT ON VIEW scenarios IS 'scenarios that run_scenario() knows';
"#,
    name = "objects",
    bootstrap
);

extension_sql!(
    r#"
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ext_memcheck FROM PUBLIC;
GRANT USAGE ON SCHEMA ext_memcheck TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION live_allocations(integer), backend_contexts(integer), catcache_stats() TO pg_read_all_stats;
GRANT SELECT ON violation_log, scenarios TO pg_read_all_stats;
"#,
    name = "privileges",
    finalize
);

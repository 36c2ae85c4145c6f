REVOKE ALL ON FUNCTION
    "begin"(text, jsonb), mark(bigint), "end"(), findings(), window_stats(), window_targets(),
    run_scenario(text, integer, text, text, integer, integer), scenario_descriptions(),
    flush_violations(), clear_violations(),
    begin_in(integer, text, jsonb), end_in(integer), live_allocations(integer), backend_contexts(integer), catcache_stats()
    FROM PUBLIC;
GRANT USAGE ON SCHEMA ext_memcheck TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION live_allocations(integer), backend_contexts(integer), catcache_stats(), scenario_descriptions()
    TO pg_read_all_stats;
GRANT SELECT ON violation_log, scenarios TO pg_read_all_stats;

COMMENT ON SCHEMA ext_memcheck IS 'checks of the memory behaviour of extensions';

COMMENT ON TABLE violation_log IS 'violations that flush_violations() took out of shared memory';
COMMENT ON COLUMN violation_log.id IS 'number of the entry';
COMMENT ON COLUMN violation_log.ts IS 'when the violation was found';
COMMENT ON COLUMN violation_log.backend_pid IS 'process that found it';
COMMENT ON COLUMN violation_log.check_type IS 'what kind of violation it is';
COMMENT ON COLUMN violation_log.severity IS 'how bad it is: INFO, WARNING or ERROR';
COMMENT ON COLUMN violation_log.detail IS 'where it is and what was measured';
COMMENT ON COLUMN violation_log.source_lib IS 'library that did it, where that is known';
COMMENT ON SEQUENCE violation_log_id_seq IS 'numbers of violation_log';

COMMENT ON VIEW scenarios IS 'scenarios that run_scenario() knows';
COMMENT ON COLUMN scenarios.name IS 'as run_scenario() takes it';
COMMENT ON COLUMN scenarios.description IS 'what it looks for';

-- Objects of the extension in some versions of PostgreSQL only: not in 15, but in 18.
COMMENT ON TYPE violation_log IS 'rows of violation_log';
COMMENT ON TYPE _violation_log IS 'arrays of rows of violation_log';
COMMENT ON TYPE scenarios IS 'rows of scenarios';
COMMENT ON TYPE _scenarios IS 'arrays of rows of scenarios';

COMMENT ON FUNCTION "begin"(text, jsonb) IS 'opens a check window in this session';
COMMENT ON FUNCTION mark(bigint) IS 'says in a check window that so many iterations are done';
COMMENT ON FUNCTION "end"() IS 'closes the check window, and gives the violations of this session since it was opened';
COMMENT ON FUNCTION findings() IS 'what the last check window that was closed has found';
COMMENT ON FUNCTION window_stats() IS 'figures of the last check window that was closed';
COMMENT ON FUNCTION window_targets() IS 'libraries that the last check window looked at';
COMMENT ON FUNCTION run_scenario(text, integer, text, text, integer, integer)
    IS 'repeats a workload in this call and looks for what it leaves behind';
COMMENT ON FUNCTION scenario_descriptions() IS 'rows of the view scenarios';
COMMENT ON FUNCTION flush_violations() IS 'moves the violations of all sessions from shared memory to violation_log';
COMMENT ON FUNCTION clear_violations() IS 'empties violation_log';
COMMENT ON FUNCTION begin_in(integer, text, jsonb) IS 'opens a check window in another process';
COMMENT ON FUNCTION end_in(integer) IS 'closes the check window in another process, and gives its violations';
COMMENT ON FUNCTION live_allocations(integer) IS 'what traced libraries hold in a process, by place and context';
COMMENT ON FUNCTION backend_contexts(integer) IS 'memory contexts of a process';
COMMENT ON FUNCTION catcache_stats() IS 'catalog caches of this session';

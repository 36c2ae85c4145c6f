-- From here on nothing is made any more, and nothing is looked for in a schema that others may write to.
SET LOCAL search_path TO pg_catalog, pg_temp;

REVOKE ALL ON FUNCTION
    ext_memcheck."begin"(text, jsonb), ext_memcheck.mark(bigint), ext_memcheck."end"(), ext_memcheck.findings(),
    ext_memcheck.window_stats(), ext_memcheck.window_targets(), ext_memcheck.window_contexts(),
    ext_memcheck.run_scenario(text, integer, text, text, integer, integer, text, text[], bigint), ext_memcheck.scenario_descriptions(),
    ext_memcheck.flush_violations(), ext_memcheck.clear_violations(),
    ext_memcheck.begin_in(integer, text, jsonb), ext_memcheck.end_in(integer), ext_memcheck.look_at(integer),
    ext_memcheck.live_allocations(integer), ext_memcheck.backend_contexts(integer), ext_memcheck.catcache_stats(),
    ext_memcheck.sites_reached(integer), ext_memcheck.live_totals(), ext_memcheck.faults(), ext_memcheck.worker_iterations(),
    ext_memcheck.track_dsm_handle(bigint), ext_memcheck.dsm_tracking(), ext_memcheck.clear_dsm_tracking(),
    ext_memcheck.register_shmem_probe(text, bigint), ext_memcheck.probe_check(text), ext_memcheck.clear_shmem_registry()
    FROM PUBLIC;
GRANT USAGE ON SCHEMA ext_memcheck TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION
    ext_memcheck.live_allocations(integer), ext_memcheck.backend_contexts(integer), ext_memcheck.catcache_stats(),
    ext_memcheck.scenario_descriptions(), ext_memcheck.live_totals()
    TO pg_read_all_stats;
GRANT SELECT ON ext_memcheck.violation_log, ext_memcheck.scenarios TO pg_read_all_stats;

COMMENT ON SCHEMA ext_memcheck IS 'checks of the memory behaviour of extensions';

COMMENT ON TABLE ext_memcheck.violation_log IS 'violations that flush_violations() took out of shared memory';
COMMENT ON COLUMN ext_memcheck.violation_log.id IS 'number of the entry';
COMMENT ON COLUMN ext_memcheck.violation_log.ts IS 'when the violation was found';
COMMENT ON COLUMN ext_memcheck.violation_log.backend_pid IS 'process that found it';
COMMENT ON COLUMN ext_memcheck.violation_log.check_type IS 'what kind of violation it is';
COMMENT ON COLUMN ext_memcheck.violation_log.severity IS 'how bad it is: INFO, WARNING or ERROR';
COMMENT ON COLUMN ext_memcheck.violation_log.detail IS 'where it is and what was measured';
COMMENT ON COLUMN ext_memcheck.violation_log.source_lib IS 'library that did it, where that is known';
COMMENT ON SEQUENCE ext_memcheck.violation_log_id_seq IS 'numbers of violation_log';

COMMENT ON VIEW ext_memcheck.scenarios IS 'scenarios that run_scenario() knows';
COMMENT ON COLUMN ext_memcheck.scenarios.name IS 'as run_scenario() takes it';
COMMENT ON COLUMN ext_memcheck.scenarios.description IS 'what it looks for';

-- Objects of the extension in some versions of PostgreSQL only: not in 15, but in 18.
COMMENT ON TYPE ext_memcheck.violation_log IS 'rows of violation_log';
COMMENT ON TYPE ext_memcheck._violation_log IS 'arrays of rows of violation_log';
COMMENT ON TYPE ext_memcheck.scenarios IS 'rows of scenarios';
COMMENT ON TYPE ext_memcheck._scenarios IS 'arrays of rows of scenarios';

COMMENT ON FUNCTION ext_memcheck."begin"(text, jsonb) IS 'opens a check window in this session';
COMMENT ON FUNCTION ext_memcheck.mark(bigint) IS 'says in a check window that so many iterations are done';
COMMENT ON FUNCTION ext_memcheck."end"()
    IS 'closes the check window, and gives the violations of this session since it was opened';
COMMENT ON FUNCTION ext_memcheck.findings() IS 'what the last check window that was closed has found';
COMMENT ON FUNCTION ext_memcheck.window_stats() IS 'figures of the last check window that was closed';
COMMENT ON FUNCTION ext_memcheck.window_contexts() IS 'memory contexts at the beginning and at the end of the last check window';
COMMENT ON FUNCTION ext_memcheck.window_targets() IS 'libraries that the last check window looked at';
COMMENT ON FUNCTION ext_memcheck.run_scenario(text, integer, text, text, integer, integer, text, text[], bigint)
    IS 'repeats a workload in this call and looks for what it leaves behind';
COMMENT ON FUNCTION ext_memcheck.scenario_descriptions() IS 'rows of the view scenarios';
COMMENT ON FUNCTION ext_memcheck.flush_violations()
    IS 'moves the violations of all sessions from shared memory to violation_log';
COMMENT ON FUNCTION ext_memcheck.clear_violations() IS 'empties violation_log';
COMMENT ON FUNCTION ext_memcheck.begin_in(integer, text, jsonb) IS 'opens a check window in another process';
COMMENT ON FUNCTION ext_memcheck.end_in(integer) IS 'closes the check window in another process, and gives its violations';
COMMENT ON FUNCTION ext_memcheck.look_at(integer) IS 'has an observed session look at what its statement has done so far';
COMMENT ON FUNCTION ext_memcheck.live_allocations(integer) IS 'what traced libraries hold in a process, by place and context';
COMMENT ON FUNCTION ext_memcheck.live_totals() IS 'how much traced libraries hold in this session';
COMMENT ON FUNCTION ext_memcheck.backend_contexts(integer) IS 'memory contexts of a process';
COMMENT ON FUNCTION ext_memcheck.sites_reached(integer) IS 'places in traced libraries that have allocated in this session';
COMMENT ON FUNCTION ext_memcheck.worker_iterations() IS 'when the workers of the last concurrent_backends were at their iterations';
COMMENT ON FUNCTION ext_memcheck.faults() IS 'last faults, such as SIGSEGV, of processes that were traced';
COMMENT ON FUNCTION ext_memcheck.track_dsm_handle(bigint)
    IS 'has end() say whether this session still has a segment of dynamic shared memory attached';
COMMENT ON FUNCTION ext_memcheck.dsm_tracking() IS 'segments of dynamic shared memory that are tracked';
COMMENT ON FUNCTION ext_memcheck.clear_dsm_tracking() IS 'forgets the segments that are tracked';
COMMENT ON FUNCTION ext_memcheck.register_shmem_probe(text, bigint)
    IS 'sets the last byte of a segment of shared memory, to find writes to it';
COMMENT ON FUNCTION ext_memcheck.probe_check(text) IS 'whether that byte is as it was set';
COMMENT ON FUNCTION ext_memcheck.clear_shmem_registry() IS 'forgets what register_shmem_probe() was called for';
COMMENT ON FUNCTION ext_memcheck.catcache_stats() IS 'catalog caches of this session';

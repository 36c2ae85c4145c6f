//! What is asked of other backends, and what is watched by hand.

use super::{ANYTHING, CORPUS, FOUND, LEAK, Row, STARTED, row};

pub(super) fn others() -> Vec<Row> {
    let held = "SELECT min(source_lib), sum(allocations), sum(bytes) FROM ext_memcheck.live_allocations(:other)";
    let begin_in = ("SELECT ext_memcheck.begin_in(:other)", STARTED);
    let end_in = ("SELECT count(*) >= 0 FROM ext_memcheck.end_in(:other)", "t");
    let theirs = format!("2: {LEAK}");
    vec![
        row(
            "live_allocations() live_allocations(pid) live_totals()",
            &[
                (CORPUS, ""),
                ("SET pg_ext_memcheck.trace = on", ""),
                ("SELECT mem_corpus.d01_bad(5000)", ANYTHING),
                (
                    "SELECT min(source_lib), sum(allocations), sum(bytes) FROM ext_memcheck.live_allocations()",
                    "mem_corpus|2|5011",
                ),
                ("SELECT * FROM ext_memcheck.live_totals()", "2|5011"),
                ("2: SET pg_ext_memcheck.targets = 'mem_corpus'", ""),
                ("2: SET pg_ext_memcheck.trace = on", ""),
                ("2: SELECT mem_corpus.d01_bad(7000)", ANYTHING),
                (held, "mem_corpus|2|7011"),
            ],
        ),
        row(
            "sites_reached() sites_reached(after)",
            &[
                (CORPUS, ""),
                ("SET pg_ext_memcheck.trace = on", ""),
                ("SELECT mem_corpus.d01_bad(5000)", ANYTHING),
                (
                    "SELECT min(number), min(source_lib), bool_and(site_offset > 0) FROM ext_memcheck.sites_reached(0)",
                    "1|mem_corpus|t",
                ),
                ("SELECT min(number) FROM ext_memcheck.sites_reached(1)", "2"),
            ],
        ),
        row(
            "backend_contexts() backend_contexts(pid)",
            &[(
                "SELECT path, level, used_bytes > 0, allocated_bytes > 0 FROM ext_memcheck.backend_contexts(:other) WHERE name = 'TopMemoryContext'",
                "{TopMemoryContext}|0|t|t",
            )],
        ),
        row(
            "catcache_stats()",
            &[
                ("SELECT 'no such type'::regtype", ANYTHING),
                (
                    "SELECT bool_or(tuples > 0), bool_or(negative > 0), bool_or(bytes > 0), bool_or(relation = 'pg_type') FROM ext_memcheck.catcache_stats()",
                    "t|t|t|t",
                ),
            ],
        ),
        row(
            "begin_in() begin_in(pid) end_in() end_in(pid)",
            &[
                (CORPUS, ""),
                begin_in,
                (&theirs, ANYTHING),
                (&theirs, ANYTHING),
                (&theirs, ANYTHING),
                (
                    "SELECT DISTINCT check_type, source_lib FROM ext_memcheck.end_in(:other) WHERE severity = 'WARNING' ORDER BY 1",
                    "context_leak|mem_corpus\nwrong_ctx_alloc|mem_corpus",
                ),
                begin_in,
                (LEAK, ANYTHING),
                end_in,
                (FOUND, ""),
            ],
        ),
        row(
            "begin_in(ext_context_pattern)",
            &[
                (CORPUS, ""),
                ("SELECT ext_memcheck.begin_in(:other, 'No such%')", STARTED),
                (&theirs, ANYTHING),
                end_in,
                (FOUND, ""),
            ],
        ),
        row(
            "register_shmem_probe() register_shmem_probe(seg_name) register_shmem_probe(allocated_size) probe_check() probe_check(seg_name) clear_shmem_registry()",
            &[
                (
                    "SELECT ext_memcheck.register_shmem_probe('shared probed', 101)",
                    "Registered shmem probe for segment 'shared probed' (allocated_size=101 bytes)",
                ),
                ("SELECT probed_ok()", ANYTHING),
                ("SELECT ext_memcheck.probe_check('shared probed')", "t"),
                ("SELECT probed_bad()", ANYTHING),
                ("SELECT ext_memcheck.probe_check('shared probed')", "f"),
                (
                    "SELECT ext_memcheck.register_shmem_probe('shared probed', 0)",
                    "22023 pg_ext_memcheck: allocated_size must be greater than 0",
                ),
                ("SELECT ext_memcheck.clear_shmem_registry()", ""),
                (
                    "SELECT ext_memcheck.probe_check('shared probed')",
                    "42704 no shmem probe is registered for segment \"shared probed\" HINT: Register one with ext_memcheck.register_shmem_probe().",
                ),
            ],
        ),
        row(
            "track_dsm_handle() track_dsm_handle(handle) dsm_tracking() clear_dsm_tracking()",
            &[
                ("CREATE TABLE pinned AS SELECT lifecycle.pin(64) AS handle", ANYTHING),
                ("SELECT ext_memcheck.track_dsm_handle(handle) FROM pinned", "DSM segment tracked."),
                (
                    "SELECT segid = handle, backend_pid = pg_backend_pid(), attach_at <= clock_timestamp(), size_bytes >= 65536, detached FROM ext_memcheck.dsm_tracking(), pinned",
                    "t|t|t|t|f",
                ),
                (
                    "SELECT ext_memcheck.track_dsm_handle(4294967296)",
                    "22003 handle 4294967296 is out of range for a DSM handle (0..4294967295)",
                ),
                (
                    "SELECT ext_memcheck.track_dsm_handle(-1)",
                    "22003 handle -1 is out of range for a DSM handle (0..4294967295)",
                ),
                ("SELECT ext_memcheck.clear_dsm_tracking()", ""),
                ("SELECT count(*) FROM ext_memcheck.dsm_tracking()", "0"),
                ("DROP TABLE pinned", ""),
            ],
        ),
    ]
}

//! Parameters, and the log.

use super::{ACCESSES, ANYTHING, CLOSE, CORPUS, COUNT, DONE, END, FOUND, LEAK, LEFT_OUT, OPEN, Row, STARTED, row};

pub(super) fn parameters() -> Vec<Row> {
    const FLUSH: (&str, &str) = ("2: SELECT ext_memcheck.flush_violations()", ANYTHING);
    const CLEAR: (&str, &str) = ("2: SELECT ext_memcheck.clear_violations()", "");
    const GUARDED: &str = "SELECT value FROM ext_memcheck.window_stats() WHERE name = 'guarded'";
    const ACCESS: &str = "SELECT check_type, access ->> 'act', access ->> 'offset' FROM ext_memcheck.findings()";
    let logged = |found: &'static str| {
        let sql = "2: SELECT DISTINCT check_type, substring(detail FROM '''(\\w+)''') FROM ext_memcheck.violation_log ORDER BY 1, 2";
        (sql, found)
    };
    vec![
        row(
            "pg_ext_memcheck.memcheck_mode",
            &[
                ("SET pg_ext_memcheck.targets = 'buggy_pg_ext'", ""),
                ("SET pg_ext_memcheck.memcheck_mode = 'all'", ""),
                COUNT,
                FLUSH,
                CLEAR,
                COUNT,
                FLUSH,
                logged(
                    "context_leak|BuggyPlannerLeakCtx\ncontext_leak|TopMemoryContext\nwrong_ctx_alloc|TopMemoryContext",
                ),
                CLEAR,
                ("SET pg_ext_memcheck.memcheck_mode = 'executor'", ""),
                FLUSH,
                CLEAR,
                COUNT,
                FLUSH,
                logged("context_leak|TopMemoryContext\nwrong_ctx_alloc|TopMemoryContext"),
                CLEAR,
                ("SET pg_ext_memcheck.memcheck_mode = 'none'", ""),
                FLUSH,
                CLEAR,
                COUNT,
                FLUSH,
                logged(""),
            ],
        ),
        row(
            "pg_ext_memcheck.min_leak_bytes pg_ext_memcheck.trace",
            &[
                ("SET pg_ext_memcheck.trace = off", ""),
                (LEAK, ANYTHING),
                ("SELECT ext_memcheck.begin('TopMemoryContext')", STARTED),
                (LEAK, ANYTHING),
                (
                    "SELECT detail ~ '^context ''TopMemoryContext'' \\(depth 0\\): used grew by \\d+ bytes \\(before=\\d+ after=\\d+\\); allocated before=\\d+ after=\\d+$' FROM ext_memcheck.end() WHERE check_type = 'context_leak'",
                    "t",
                ),
                ("SET pg_ext_memcheck.min_leak_bytes = '1MB'", ""),
                ("SELECT ext_memcheck.begin('TopMemoryContext')", STARTED),
                (LEAK, ANYTHING),
                ("SELECT count(*) FROM ext_memcheck.end() WHERE check_type = 'context_leak'", "0"),
                // What is traced has a library.
                ("SET pg_ext_memcheck.trace = windows", ""),
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                ("SELECT DISTINCT source_lib FROM ext_memcheck.end()", "mem_corpus"),
            ],
        ),
        row(
            "pg_ext_memcheck.bloat_min_bytes",
            &[
                ("SET pg_ext_memcheck.trace = off", ""),
                ("SELECT ext_memcheck.run_scenario('growth_benchmark', 100, 'SELECT mem_corpus.d01_bad(1000)')", DONE),
                (
                    "SELECT detail ~ '^context ''TopMemoryContext'' \\(depth 0\\): linear bloat over 100 iters, used \\d+->\\d+ bytes \\(\\+\\d+\\); rate early=[\\d.]+ late=[\\d.]+ B/iter' FROM ext_memcheck.end() WHERE detail ~ 'TopMemoryContext'",
                    "t",
                ),
                ("SET pg_ext_memcheck.bloat_min_bytes = '10MB'", ""),
                ("SELECT ext_memcheck.run_scenario('growth_benchmark', 100, 'SELECT mem_corpus.d01_bad(1000)')", DONE),
                ("SELECT count(*) FROM ext_memcheck.end() WHERE check_type = 'ctx_bloat'", "0"),
            ],
        ),
        row(
            "pg_ext_memcheck.targets",
            &[
                ("SET pg_ext_memcheck.targets = 'lifecycle'", ""),
                OPEN,
                (LEAK, ANYTHING),
                (END, ""),
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                ("SELECT DISTINCT source_lib FROM ext_memcheck.end()", "mem_corpus"),
            ],
        ),
        row(
            "pg_ext_memcheck.guard",
            &[
                (ACCESSES, ""),
                OPEN,
                ("SELECT accesses.overrun_bad(8, 1)", "8"),
                CLOSE,
                (FOUND, ""),
                ("SET pg_ext_memcheck.guard = redzone", ""),
                OPEN,
                ("SELECT accesses.overrun_bad(8, 1)", "8"),
                CLOSE,
                (ACCESS, "buffer_overrun|write|8"),
                ("SET pg_ext_memcheck.on_fault = error", ""),
                ("SET pg_ext_memcheck.guard = pages", ""),
                OPEN,
                ("SELECT accesses.overread_bad(64, 1)", ANYTHING),
                CLOSE,
                (ACCESS, "buffer_overrun|read|64"),
                ("SET pg_ext_memcheck.guard = pages_before", ""),
                OPEN,
                ("SELECT accesses.trimmed_bad('')", ANYTHING),
                CLOSE,
                (ACCESS, "buffer_overrun|read|-1"),
            ],
        ),
        row(
            "pg_ext_memcheck.guard_sample",
            &[
                (CORPUS, ""),
                ("SET pg_ext_memcheck.guard = pages", ""),
                OPEN,
                (LEAK, ANYTHING),
                CLOSE,
                (GUARDED, "2"),
                ("SET pg_ext_memcheck.guard_sample = 1000", ""),
                OPEN,
                (LEAK, ANYTHING),
                CLOSE,
                (GUARDED, "0"),
            ],
        ),
        row(
            "worker_iterations()",
            &[
                (
                    "SELECT ext_memcheck.run_scenario('concurrent_backends', 3, 'SELECT pg_sleep(0.002)', workers => 2)",
                    ANYTHING,
                ),
                (
                    "SELECT worker, count(*), bool_and(ended_at - began_at >= '2 ms') FROM ext_memcheck.worker_iterations()
                      GROUP BY worker ORDER BY worker",
                    "1|3|t\n2|3|t",
                ),
            ],
        ),
        row(
            "pg_ext_memcheck.on_fault faults()",
            &[
                (ACCESSES, ""),
                ("SET pg_ext_memcheck.guard = pages", ""),
                ("SET pg_ext_memcheck.trace = on", ""),
                ("SET pg_ext_memcheck.on_fault = error", ""),
                ("SELECT accesses.read_freed_bad()", ANYTHING),
                ("SELECT 1", "1"),
                (
                    "SELECT what, outcome, source_lib FROM ext_memcheck.faults() WHERE backend_pid = pg_backend_pid()",
                    "use_after_free|error|accesses",
                ),
            ],
        ),
        row(
            "pg_ext_memcheck.fail_alloc",
            &[
                (CORPUS, ""),
                ("SELECT mem_corpus.d01_bad(10)", ANYTHING),
                ("SET pg_ext_memcheck.fail_alloc = '1'", ""),
                ("SELECT mem_corpus.d01_bad(10)", "53200 out of memory"),
                ("SET pg_ext_memcheck.fail_alloc = ''", ""),
                ("SELECT mem_corpus.d01_bad(10) > 0", "t"),
            ],
        ),
        row(
            "pg_ext_memcheck.sweep_limit",
            &[
                ("SET pg_ext_memcheck.targets = 'cancelled'", ""),
                ("SET pg_ext_memcheck.sweep_limit = 1", ""),
                ("SELECT ext_memcheck.run_scenario('cancel_storm', 1, 'SELECT cancelled.keeps(false)')", DONE),
                (LEFT_OUT, "t"),
                ("RESET pg_ext_memcheck.sweep_limit", ""),
                ("SELECT ext_memcheck.run_scenario('cancel_storm', 1, 'SELECT cancelled.keeps(false)')", DONE),
                (LEFT_OUT, "f"),
            ],
        ),
        overflow(),
    ]
}

fn overflow() -> Row {
    let mut asks =
        vec![("SET pg_ext_memcheck.targets = 'buggy_pg_ext'", ""), ("SET pg_ext_memcheck.memcheck_mode = 'all'", "")];
    asks.extend([COUNT; 10]);
    asks.extend([("SET pg_ext_memcheck.memcheck_mode = 'none'", ""), ("SELECT ext_memcheck.flush_violations()", "16")]);
    row("pg_ext_memcheck.ring_size", &asks)
}

pub(super) fn log() -> Vec<Row> {
    let count = "SELECT count(*) FROM ext_memcheck.violation_log";
    let logged = "SELECT DISTINCT check_type, severity, source_lib, backend_pid = pg_backend_pid(), ts <= now(), id > 0 FROM ext_memcheck.violation_log WHERE severity = 'WARNING' ORDER BY 1";
    vec![
        row(
            "flush_violations() violation_log clear_violations()",
            &[
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                (count, "0"),
                ("SELECT ext_memcheck.flush_violations() > 1", "t"),
                ("SELECT count(*) > 1 FROM ext_memcheck.violation_log", "t"),
                (logged, "context_leak|WARNING|mem_corpus|t|t|t\nwrong_ctx_alloc|WARNING|mem_corpus|t|t|t"),
                ("SELECT ext_memcheck.flush_violations()", "0"),
                ("SELECT ext_memcheck.clear_violations()", ""),
                (count, "0"),
                CLOSE,
            ],
        ),
        row(
            "scenario_descriptions()",
            &[(
                "SELECT count(*) = (SELECT count(*) FROM ext_memcheck.scenarios), max(description) FILTER (WHERE name = 'use_after_reset') <> '' FROM ext_memcheck.scenario_descriptions()",
                "t|t",
            )],
        ),
        row("scenarios", &[("SELECT count(*) > 8, bool_and(description <> '') FROM ext_memcheck.scenarios", "t|t")]),
    ]
}

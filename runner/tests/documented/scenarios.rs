//! Scenarios, and the arguments of those that have them.

use super::{ACCESSES, COMPANY, CORPUS, DONE, FAILING, LIFECYCLE, Row, SLOTS, row, scenario};

pub(super) fn scenarios() -> Vec<Row> {
    vec![
        scenario(
            "run_scenario() run_scenario(scenario_name) run_scenario(iterations) run_scenario(workload) scenario:growth_benchmark",
            CORPUS,
            [
                (
                    "scenario_name := 'growth_benchmark', iterations := 100, workload := 'SELECT mem_corpus.d01_bad(1000)'",
                    "ctx_bloat\nwrong_ctx_alloc",
                ),
                ("'growth_benchmark', 100, 'SELECT mem_corpus.d01_ok(1000)'", ""),
            ],
        ),
        scenario(
            "scenario:tx_abort_loop",
            CORPUS,
            [
                ("'tx_abort_loop', 50, 'SELECT mem_corpus.d01_bad(1000)'", "context_leak"),
                ("'tx_abort_loop', 50, 'SELECT mem_corpus.d01_ok(1000)'", ""),
            ],
        ),
        scenario(
            "scenario:wrong_context_probe",
            CORPUS,
            [
                ("'wrong_context_probe', 50, 'SELECT mem_corpus.d01_bad(1000)'", "wrong_ctx_alloc"),
                ("'wrong_context_probe', 50, 'SELECT mem_corpus.d01_ok(1000)'", ""),
            ],
        ),
        scenario(
            "scenario:query_peak",
            CORPUS,
            [
                (
                    "'query_peak', 1, 'SELECT mem_corpus.d08_bad(md5(g::text)) FROM generate_series(1, :rows) g'",
                    "query_bloat",
                ),
                ("'query_peak', 1, 'SELECT mem_corpus.d08_ok(md5(g::text)) FROM generate_series(1, :rows) g'", ""),
            ],
        ),
        scenario(
            "scenario:cursor_leak",
            CORPUS,
            [
                ("'cursor_leak', 50, $$SELECT mem_corpus.d21_bad('SELECT 1')$$", "context_leak"),
                ("'cursor_leak', 50, $$SELECT mem_corpus.d21_ok('SELECT 1')$$", ""),
            ],
        ),
        scenario(
            "scenario:dsm_lifecycle_check",
            LIFECYCLE,
            [
                ("'dsm_lifecycle_check', 5, 'SELECT lifecycle.pin_bad(64)'", "dsm_leak"),
                ("'dsm_lifecycle_check', 5, 'SELECT lifecycle.pin_ok(64)'", ""),
            ],
        ),
        scenario(
            "scenario:oom_simulation",
            FAILING,
            [
                ("'oom_simulation', 1, $$SELECT failing.half_entry_bad('abc')$$", "oom_unsafe"),
                ("'oom_simulation', 1, $$SELECT failing.half_entry_ok('abc')$$", ""),
            ],
        ),
        row(
            "run_scenario(memory_limit)",
            &[
                (FAILING, ""),
                (
                    "SELECT ext_memcheck.run_scenario('oom_simulation', 1, $$SELECT failing.kept_malloc_ok('abc')$$, memory_limit => '1B')",
                    DONE,
                ),
                ("SELECT value > 0 FROM ext_memcheck.window_stats() WHERE name = 'failed'", "t"),
                (
                    "SELECT ext_memcheck.run_scenario('oom_simulation', 1, $$SELECT failing.kept_malloc_ok('abc')$$, memory_limit => '1GB')",
                    DONE,
                ),
                ("SELECT value > 0 FROM ext_memcheck.window_stats() WHERE name = 'failed'", "f"),
            ],
        ),
        scenario(
            "scenario:shmem_sentinel_probe",
            SLOTS,
            [
                ("'shmem_sentinel_probe', 10, 'SELECT text_bad()'", "shmem_overrun"),
                ("'shmem_sentinel_probe', 10, 'SELECT text_ok()'", ""),
            ],
        ),
        scenario(
            "scenario:cancel_storm",
            "SET pg_ext_memcheck.targets = 'cancelled'",
            [
                ("'cancel_storm', 1, 'SELECT cancelled.keeps(true)'", "cancel_unsafe"),
                ("'cancel_storm', 1, 'SELECT cancelled.keeps(false)'", ""),
            ],
        ),
        scenario(
            "scenario:concurrent_backends",
            COMPANY,
            [
                ("'concurrent_backends', 20, 'SELECT company.kept_on_error_bad(0)'", "resource_leak"),
                ("'concurrent_backends', 20, 'SELECT company.kept_on_error_ok(0)'", ""),
            ],
        ),
        scenario(
            "scenario:use_after_reset",
            ACCESSES,
            [
                ("'use_after_reset', 2, 'SELECT accesses.read_freed_bad()'", "use_after_free"),
                ("'use_after_reset', 2, 'SELECT accesses.read_freed_ok()'", ""),
            ],
        ),
    ]
}

/// A number that two workloads have drawn, with that seed.
fn drawn(seed: u32) -> (String, String) {
    let sql = format!(
        "SELECT ext_memcheck.run_scenario('concurrent_backends', 1, workloads => ARRAY['INSERT INTO drawn VALUES ({seed}, ''a'', random())', 'INSERT INTO drawn VALUES ({seed}, ''b'', random())'], workers => 2, seed => {seed})"
    );
    (sql, DONE.to_owned())
}

/// What the workers of `concurrent_backends` are told.
pub(super) fn company() -> Vec<Row> {
    let asked = |sql: &str, expected: &str| (sql.to_owned(), expected.to_owned());
    let seeded = vec![
        asked(COMPANY, ""),
        asked("CREATE TABLE drawn (seed int, worker text, number float8)", ""),
        drawn(1),
        drawn(1),
        drawn(2),
        asked("SELECT count(*), count(DISTINCT (seed, worker, number)), count(DISTINCT number) FROM drawn", "6|4|4"),
        asked("DROP TABLE drawn", ""),
    ];
    let dealt = row(
        "run_scenario(workloads)",
        &[
            (COMPANY, ""),
            ("CREATE TABLE dealt (what text, pid int)", ""),
            (
                "SELECT ext_memcheck.run_scenario('concurrent_backends', 2, workloads => ARRAY['INSERT INTO dealt VALUES (''a'', pg_backend_pid())', 'INSERT INTO dealt VALUES (''b'', pg_backend_pid())'], workers => 3)",
                DONE,
            ),
            ("SELECT what, count(*), count(DISTINCT pid) FROM dealt GROUP BY what ORDER BY what", "a|4|2\nb|2|1"),
            ("DROP TABLE dealt", ""),
        ],
    );
    vec![dealt, Row { of: "run_scenario(seed)".to_owned(), asks: seeded }]
}

/// The arguments of scenarios that have them.
pub(super) fn arguments() -> Vec<Row> {
    let storm = "'context_reset_storm', 4, 'SELECT accesses.messaged_bad()'";
    vec![
        scenario(
            "run_scenario(target)",
            CORPUS,
            [
                ("'growth_benchmark', 50, target => 'mem_corpus.d04_bad'", "context_leak\nwrong_ctx_alloc"),
                ("'growth_benchmark', 50, target => 'mem_corpus.d04_ok'", ""),
            ],
        ),
        scenario(
            "run_scenario(reset_frequency) scenario:context_reset_storm",
            ACCESSES,
            [(storm, "use_after_reset"), (&format!("{storm}, reset_frequency => 100"), "")],
        ),
        row(
            "run_scenario(workers)",
            &[
                (ACCESSES, ""),
                ("CREATE TABLE worked (pid int)", ""),
                (
                    "SELECT ext_memcheck.run_scenario('use_after_reset', 2, 'INSERT INTO worked VALUES (pg_backend_pid())', workers => 3)",
                    DONE,
                ),
                ("SELECT count(DISTINCT pid), count(*) FROM worked WHERE pid <> pg_backend_pid()", "3|6"),
                ("DROP TABLE worked", ""),
            ],
        ),
        scenario(
            "scenario:invalidation_storm",
            ACCESSES,
            [
                ("'invalidation_storm', 2, 'SELECT accesses.closed_bad(''pg_description'')'", "use_after_free"),
                ("'invalidation_storm', 2, 'SELECT accesses.closed_ok(''pg_description'')'", ""),
            ],
        ),
    ]
}

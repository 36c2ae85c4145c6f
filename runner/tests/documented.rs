//! Everything that the manual of the engine's SQL interface has: each function, argument, option, parameter, view and scenario is called in a
//! way that shows that it does something, which is that something else comes of it than without it.
//!
//! What there is the server says: a new one that no row is of fails, as does a row of what is not there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cluster::Session;
use crate::cluster::shared::Shared;
use mcspec::server::Server;

/// The ring is small enough to overflow. The hooks of `buggy_pg_ext` lose memory with each statement.
static SHARED: Shared = Shared::new(
    &[
        "buggy_pg_ext",
        "mem_corpus",
        "accesses",
        "lifecycle",
        "shared_slots",
        "failing",
        "cancelled",
        "company",
        "alloc_paths",
    ],
    &["buggy_pg_ext", "shared_slots", "company"],
    &["pg_ext_memcheck.ring_size = 16", "max_worker_processes = 24"],
);

/// What is shown by a test of another file, which fails if it does nothing, and why it is not shown here.
const ELSEWHERE: &[(&str, &str, &str, &str)] = &[
    (
        "pg_ext_memcheck.observe_directory",
        "exec.rs",
        "a_leak_is_charged_to_its_statement_and_its_twin_is_silent",
        "it is set when the server starts, and every session writes there",
    ),
    (
        "pg_ext_memcheck.places_directory",
        "coverage.rs",
        "places_that_were_reached_are_those_of_a_count_by_hand",
        "it is set when the server starts, and every session writes there",
    ),
    (
        "look_at()",
        "exec.rs",
        "a_statement_that_never_ends_is_seen_to_grow",
        "it looks at sessions that are observed, of which there are none where nothing is",
    ),
    (
        "look_at(pid)",
        "exec.rs",
        "a_statement_that_never_ends_is_seen_to_grow",
        "as above: it is that statement's process",
    ),
    (
        "pg_ext_memcheck.reporters",
        "unprivileged.rs",
        "reporters_are_named_by_a_parameter",
        "sessions here are superusers, whom it does not concern",
    ),
];

/// What is documented, by the words for it, and statements with what they give. A statement that begins with "2: " is another
/// session's; `:other` is that one's process.
struct Row {
    of: String,
    asks: Vec<(String, String)>,
}

fn row(of: &str, asks: &[(&str, &str)]) -> Row {
    Row { of: of.to_owned(), asks: asks.iter().map(|&(sql, expected)| (sql.to_owned(), expected.to_owned())).collect() }
}

const STARTED: &str = "Memory check session started.";
const DONE: &str =
    "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations.";

/// What is asked for its effect alone.
const ANYTHING: &str = "(anything)";

const END: &str =
    "SELECT DISTINCT check_type, source_lib FROM ext_memcheck.end() WHERE severity = 'WARNING' ORDER BY 1";
const FOUND: &str = "SELECT DISTINCT check_type, subject, source_lib, site_symbol FROM ext_memcheck.findings() WHERE bytes > 1000 OR access IS NOT NULL ORDER BY 1, 2";
const CORPUS: &str = "SET pg_ext_memcheck.targets = 'mem_corpus'";
const LIFECYCLE: &str = "SET pg_ext_memcheck.targets = 'lifecycle'";
const ACCESSES: &str = "SET pg_ext_memcheck.targets = 'accesses'";
const LEAK: &str = "SELECT mem_corpus.d01_bad(100000)";
const FAILING: &str = "SET pg_ext_memcheck.targets = 'failing'";
const COMPANY: &str = "SET pg_ext_memcheck.targets = 'company'";
const SLOTS: &str = "SET pg_ext_memcheck.targets = 'shared_slots'";
const OPEN: (&str, &str) = ("SELECT ext_memcheck.begin()", STARTED);
const CLOSE: (&str, &str) = ("SELECT count(*) >= 0 FROM ext_memcheck.end()", "t");
const LEFT_OUT: &str = "SELECT value > 0 FROM ext_memcheck.window_stats() WHERE name = 'not_tried'";
const COUNT: (&str, &str) = ("SELECT count(*) > 0 FROM pg_class", "t");

/// A scenario whose workload is found at fault, and another one that is not.
fn scenario(of: &str, targets: &str, arguments: [(&str, &str); 2]) -> Row {
    let mut asks = vec![(targets.to_owned(), String::new())];
    for (arguments, found) in arguments {
        asks.push(("SELECT ext_memcheck.begin()".into(), STARTED.into()));
        asks.push((format!("SELECT ext_memcheck.run_scenario({arguments})"), DONE.into()));
        asks.push(("SELECT count(*) >= 0 FROM ext_memcheck.end()".into(), "t".into()));
        asks.push(("SELECT DISTINCT check_type FROM ext_memcheck.findings() ORDER BY 1".into(), found.into()));
    }
    Row { of: of.to_owned(), asks }
}

fn rows() -> Vec<Row> {
    let mut rows = windows();
    rows.extend(options());
    rows.extend(scenarios());
    rows.extend(arguments());
    rows.extend(company());
    rows.extend(parameters());
    rows.extend(log());
    rows.extend(others());
    rows
}

fn windows() -> Vec<Row> {
    vec![
        row(
            "begin() end() findings()",
            &[
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                (END, "context_leak|mem_corpus\nwrong_ctx_alloc|mem_corpus"),
                (END, ""),
                (
                    FOUND,
                    "context_leak|TopMemoryContext|mem_corpus|d01_bad\nwrong_ctx_alloc|TopMemoryContext|mem_corpus|d01_bad",
                ),
            ],
        ),
        row(
            "begin(ext_context_pattern)",
            &[
                ("SET pg_ext_memcheck.targets = 'buggy_pg_ext'", ""),
                ("SELECT ext_memcheck.begin('Buggy%')", STARTED),
                COUNT,
                (
                    "SELECT DISTINCT substring(detail FROM '''(\\w+)''') FROM ext_memcheck.end() ORDER BY 1",
                    "BuggyPlannerLeakCtx",
                ),
                OPEN,
                COUNT,
                (
                    "SELECT DISTINCT substring(detail FROM '''(\\w+)''') FROM ext_memcheck.end() ORDER BY 1",
                    "BuggyPlannerLeakCtx\nTopMemoryContext",
                ),
            ],
        ),
        row(
            "mark() mark(iteration)",
            &[
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                ("SELECT ext_memcheck.mark(10)", ""),
                CLOSE,
                (
                    "SELECT DISTINCT iterations, round(bytes_per_iter, -3) FROM ext_memcheck.findings() WHERE bytes > 1000",
                    "10|10000",
                ),
            ],
        ),
        row(
            "window_stats()",
            &[
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                CLOSE,
                (
                    "SELECT name, value FROM ext_memcheck.window_stats() WHERE name IN ('live_allocations', 'traced', 'ring_size') ORDER BY name",
                    "live_allocations|2\nring_size|16\ntraced|1",
                ),
            ],
        ),
        row(
            "window_contexts()",
            &[
                (CORPUS, ""),
                OPEN,
                (LEAK, ANYTHING),
                CLOSE,
                (
                    "SELECT context_path[1], bytes_after > bytes_before, contexts_after - contexts_before
                       FROM ext_memcheck.window_contexts() ORDER BY bytes_after - bytes_before DESC LIMIT 1",
                    "TopMemoryContext|t|0",
                ),
            ],
        ),
        row(
            "window_targets()",
            &[
                ("SET pg_ext_memcheck.targets = 'mem_corpus, no_such_library'", ""),
                OPEN,
                (LEAK, ANYTHING),
                CLOSE,
                (
                    "SELECT target, library, loaded FROM ext_memcheck.window_targets() WHERE target IS NOT NULL ORDER BY 1",
                    "mem_corpus|mem_corpus|t\nno_such_library||f",
                ),
            ],
        ),
    ]
}

/// A window with one set of options and with another, in this session and in another one.
fn contrast(word: &str, targets: &str, work: &str, show: &str, [first, second]: [(&str, &str); 2]) -> [Row; 2] {
    let close =
        ["SELECT count(*) >= 0 FROM ext_memcheck.end()", "SELECT count(*) >= 0 FROM ext_memcheck.end_in(:other)"];
    [("begin", "('', '", "", close[0]), ("begin_in", "(:other, '', '", "2: ", close[1])].map(
        |(function, arguments, who, close)| {
            let mut asks = vec![(targets.to_owned(), String::new())];
            for (options, found) in [first, second] {
                asks.push((format!("SELECT ext_memcheck.{function}{arguments}{options}')"), STARTED.into()));
                asks.extend((0..3).map(|_| (format!("{who}{work}"), ANYTHING.into())));
                asks.push((close.into(), "t".into()));
                asks.push((show.into(), found.into()));
            }
            Row { of: format!("{function}(options) {function}{{{word}}}"), asks }
        },
    )
}

fn options() -> Vec<Row> {
    const KINDS: &str = "SELECT DISTINCT check_type FROM ext_memcheck.findings() ORDER BY 1";
    const SUBJECTS: &str = "SELECT DISTINCT subject FROM ext_memcheck.findings() ORDER BY 1";
    const PHASES: &str = "SELECT DISTINCT check_type, phase FROM ext_memcheck.findings() ORDER BY 1, 2";
    const BUGGY: &str = "SET pg_ext_memcheck.targets = 'buggy_pg_ext'";
    const HOOKED: &str = "SELECT count(*) > 0 FROM pg_class";
    const PIN: &str = "SELECT lifecycle.pin_bad(64)";
    let both = "context_leak\nwrong_ctx_alloc";
    let mut rows: Vec<Row> = [
        contrast(
            "allowed_contexts",
            CORPUS,
            LEAK,
            KINDS,
            [("{}", both), (r#"{"allowed_contexts": ["TopMemory%"]}"#, "context_leak")],
        ),
        contrast(
            "watch",
            BUGGY,
            HOOKED,
            SUBJECTS,
            [(r#"{"watch": ["No such%"]}"#, ""), (r#"{"watch": ["TopMemoryContext"]}"#, "TopMemoryContext")],
        ),
        contrast(
            "scenario",
            CORPUS,
            LEAK,
            KINDS,
            [("{}", both), (r#"{"scenario": "wrong_context_probe"}"#, "wrong_ctx_alloc")],
        ),
        contrast(
            "phase",
            CORPUS,
            LEAK,
            PHASES,
            [
                ("{}", "context_leak|\nwrong_ctx_alloc|"),
                (r#"{"phase": "error"}"#, "context_leak|error\nwrong_ctx_alloc|error"),
            ],
        ),
        contrast(
            "track_shmem",
            SLOTS,
            "SELECT text_bad()",
            KINDS,
            [("{}", "shmem_overrun"), (r#"{"track_shmem": false}"#, "")],
        ),
        contrast("track_dsm", LIFECYCLE, PIN, KINDS, [("{}", "dsm_leak"), (r#"{"track_dsm": false}"#, "")]),
    ]
    .into_iter()
    .flatten()
    .collect();
    rows.push(growth());
    let paths =
        "SELECT count(*), count(DISTINCT site_offset) FROM ext_memcheck.findings() WHERE check_type = 'context_leak'";
    let stacks = [(r#"{"stacks": false}"#, "1|1"), (r#"{"stacks": true}"#, "2|1")];
    let callers = "SELECT alloc_paths.via_repalloc(1), alloc_paths.via_repalloc_own_block(2)";
    let by_calls = contrast("stacks", "SET pg_ext_memcheck.targets = 'alloc_paths'", callers, paths, stacks);
    rows.extend(by_calls.into_iter().skip(1));
    let targets = [(r#"{"targets": ["mem_corpus"]}"#, both), (r#"{"targets": ["lifecycle"]}"#, "")];
    rows.extend(contrast("targets", "RESET pg_ext_memcheck.targets", LEAK, KINDS, targets).into_iter().skip(1));
    rows
}

/// Of the two values one lets pass what grows with the rows. Windows in other sessions have no rows.
fn growth() -> Row {
    let work = "'query_peak', 1, 'SELECT count(mem_corpus.d01_bad(100)) FROM generate_series(1, :rows) g'";
    let run = format!("SELECT ext_memcheck.run_scenario({work})");
    let found = "SELECT count(*) > 0 FROM ext_memcheck.findings() WHERE check_type = 'query_bloat'";
    let window = |growth, is_found| {
        let begin = format!("SELECT ext_memcheck.begin('', '{{\"growth\": \"{growth}\"}}')");
        [(begin, STARTED), (run.clone(), DONE), (CLOSE.0.to_owned(), "t"), (found.to_owned(), is_found)]
    };
    let asks = window("constant", "t").into_iter().chain(window("linear", "f"));
    Row { of: "begin{growth}".to_owned(), asks: asks.map(|(sql, expected)| (sql, expected.to_owned())).collect() }
}

fn scenarios() -> Vec<Row> {
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
fn company() -> Vec<Row> {
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
fn arguments() -> Vec<Row> {
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

fn parameters() -> Vec<Row> {
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

fn log() -> Vec<Row> {
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

fn others() -> Vec<Row> {
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

/// The words for all that there is.
fn inventory(session: &mut Session, other: &str) -> BTreeSet<String> {
    let all = session.ask(
        "SELECT p.proname || '()' FROM pg_proc p WHERE p.pronamespace = 'ext_memcheck'::regnamespace
         UNION SELECT p.proname || '(' || a.name || ')'
           FROM pg_proc p, unnest(p.proargnames) WITH ORDINALITY a (name, n)
          WHERE p.pronamespace = 'ext_memcheck'::regnamespace AND a.n <= p.pronargs
         UNION SELECT name FROM pg_settings WHERE name LIKE 'pg_ext_memcheck.%' AND name NOT LIKE '%.trial_%'
         UNION SELECT 'scenario:' || name FROM ext_memcheck.scenarios
         UNION SELECT relname FROM pg_class WHERE relnamespace = 'ext_memcheck'::regnamespace AND relkind IN ('r', 'v')",
    );
    let mut all: BTreeSet<String> = all.lines().map(str::to_owned).collect();
    for function in ["begin(", &format!("begin_in({other}, ")] {
        let refused = session.ask(&format!("SELECT ext_memcheck.{function}'', '{{\"no such\": 1}}')"));
        let hint = refused.split("HINT: Options are ").nth(1).unwrap_or_else(|| panic!("{refused}"));
        let function = function.split('(').next().unwrap_or_default();
        all.extend(hint.split('"').skip(1).step_by(2).map(|option| format!("{function}{{{option}}}")));
    }
    all
}

/// The names that are given to what comes and goes: arguments, columns, parameters, functions, views.
const NAMES: &str = "
    WITH functions AS (SELECT * FROM pg_proc WHERE pronamespace = 'ext_memcheck'::regnamespace),
         relations AS (SELECT * FROM pg_class WHERE relnamespace = 'ext_memcheck'::regnamespace AND relkind IN ('r', 'v'))
    SELECT proname FROM functions
    UNION SELECT unnest(proargnames) FROM functions
    UNION SELECT relname FROM relations
    UNION SELECT attname FROM pg_attribute WHERE attnum > 0 AND attrelid IN (SELECT oid FROM relations)
    UNION SELECT name FROM pg_settings WHERE name LIKE 'pg_ext_memcheck.%' AND name NOT LIKE '%.trial_%'";

/// Does what a row says in sessions of its own. What is not as it says, where there is something.
fn wrong(server: &Server, row: &Row) -> Option<String> {
    let mut first = Session::open(server);
    let clear = ["flush_violations()", "clear_violations()", "clear_dsm_tracking()", "clear_shmem_registry()"];
    first.ask("SET client_min_messages = error");
    clear.iter().for_each(|function| _ = first.ask(&format!("SELECT ext_memcheck.{function}")));
    let mut second = Session::open(server);
    let other = second.ask("SELECT pg_backend_pid()");
    for (sql, expected) in &row.asks {
        let sql = sql.replace(":other", &other);
        let answer = match sql.strip_prefix("2: ") {
            Some(sql) => second.ask(sql),
            None => first.ask(&sql),
        };
        if expected != ANYTHING && answer != *expected {
            return Some(format!("{}: {sql}\n  gives {answer:?}\n    not {expected:?}", row.of));
        }
    }
    None
}

#[test]
fn each_of_them_does_something() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        for extension in
            ["mem_corpus", "accesses", "lifecycle", "shared_slots", "failing", "cancelled", "company", "alloc_paths"]
        {
            session.ask(&format!("CREATE EXTENSION IF NOT EXISTS {extension}"));
        }
        let wrong: Vec<String> = rows().iter().filter_map(|row| wrong(server, row)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn the_manual_has_all_names() {
    SHARED.each(|server| {
        let names = Session::open(server).ask(NAMES);
        assert!(names.lines().count() > 100, "{names}");
        assert_eq!(crate::docs::undocumented(names.lines()), Vec::<&str>::new());
    });
}

#[test]
fn there_is_a_row_for_each() {
    let rows = rows();
    let words = rows.iter().flat_map(|row| row.of.split(' ')).chain(ELSEWHERE.iter().map(|&(word, ..)| word));
    let words: BTreeSet<String> = words.map(str::to_owned).collect();
    SHARED.each(|server| {
        let other = Session::open(server).ask("SELECT pg_backend_pid()");
        let all = inventory(&mut Session::open(server), &other);
        let missing: Vec<_> = all.difference(&words).collect();
        let unknown: Vec<_> = words.difference(&all).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; not there: {unknown:?}");
    });
    for (word, file, test, _) in ELSEWHERE {
        let tests = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file)).expect(file);
        assert!(
            tests.contains(&format!("#[test]\nfn {test}() {{\n")),
            "{file} has no test {test}, which is to show {word}"
        );
    }
}

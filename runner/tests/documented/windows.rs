//! Windows, and their options.

use super::{ANYTHING, CLOSE, CORPUS, COUNT, DONE, END, FOUND, LEAK, LIFECYCLE, OPEN, Row, SLOTS, STARTED, row};

pub(super) fn windows() -> Vec<Row> {
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

pub(super) fn options() -> Vec<Row> {
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

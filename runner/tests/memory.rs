//! Memory that is not there: the engine neither ends a process for want of it, nor keeps quiet about what it has lost.

mod sweep;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::cluster::shared::Shared;
use crate::cluster::{Session, clusters};
use sweep::{Kind, Place, Work, sweep};

/// Fills the memory that its process may have with plans that stay, to the last bytes.
const PREPARE: &str = "
DO $$
DECLARE
    size int := 4 << 20;
    number int := 0;
BEGIN
    WHILE size >= 16 LOOP
        BEGIN
            EXECUTE format('PREPARE filler%s AS SELECT %L', number, repeat('x', size));
            number := number + 1;
        EXCEPTION WHEN out_of_memory THEN
            size := size / 2;
        END;
    END LOOP;
END $$";

/// What is done in a session that has little memory.
const SESSIONS: [&[&str]; 5] = [
    &["SET ROLE nobody", "SET pg_ext_memcheck.memcheck_mode = 'all'", PREPARE, "SELECT 1", "SELECT md5('x')"],
    &[
        "SET ROLE nobody",
        "SET pg_ext_memcheck.memcheck_mode = 'executor'",
        "SELECT shortage.fill(1000)",
        "SELECT 1",
        "SELECT shortage.leak(10, 10000)",
        "SELECT shortage.contexts(1000)",
        "SELECT shortage.release()",
        "SELECT 1",
    ],
    &[
        "SET pg_ext_memcheck.trace = off",
        "SELECT ext_memcheck.begin()",
        PREPARE,
        "SELECT ext_memcheck.mark(1)",
        "SELECT count(*) FROM pg_class",
        "SELECT ext_memcheck.mark(2)",
        "SELECT * FROM ext_memcheck.end()",
        "SELECT * FROM ext_memcheck.findings()",
        "SELECT * FROM ext_memcheck.window_stats()",
    ],
    WINDOW,
    &[
        "SET pg_ext_memcheck.trace = off",
        WINDOW[0],
        WINDOW[1],
        WINDOW[2],
        WINDOW[3],
        WINDOW[4],
        WINDOW[5],
        WINDOW[6],
        WINDOW[7],
        WINDOW[8],
        WINDOW[9],
        WINDOW[10],
    ],
];

const WINDOW: &[&str] = &[
    "SELECT shortage.contexts(10000)",
    "SELECT ext_memcheck.begin()",
    "SELECT shortage.fill(2000)",
    "SELECT ext_memcheck.mark(1)",
    "SELECT shortage.leak(100, 100)",
    "SELECT ext_memcheck.mark(2)",
    "SELECT shortage.leak(100, 100)",
    "SELECT * FROM ext_memcheck.end()",
    "SELECT count(*) FROM ext_memcheck.findings()",
    "SELECT name, value FROM ext_memcheck.window_stats() WHERE name IN ('out_of_memory', 'marks')",
    "SELECT shortage.release()",
];

/// Limits of a process's address space (MB). In the lowest there is no room for a trace.
const LIMITS: [u32; 2] = [400, 700];
/// More of them, for those who have the time.
const MORE_LIMITS: [u32; 4] = [500, 600, 800, 900];

/// What a session answers; none where it has ended.
fn ask(session: &mut Session, sql: &str) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| session.ask(sql))).ok()
}

/// Neither a session without any privilege nor a superuser's window ends another process.
#[test]
fn a_process_without_memory_takes_no_other_with_it() {
    without_memory(&LIMITS);
}

#[test]
#[ignore = "takes minutes: make torture"]
fn a_process_without_memory_takes_no_other_with_it_at_any_limit() {
    without_memory(&MORE_LIMITS);
}

fn without_memory(limits: &[u32]) {
    for cluster in clusters(&["shortage"]) {
        println!("PostgreSQL {}", cluster.installation.version.text);
        let server = cluster.start(&[], &[]);
        let log = server.log_position();
        let mut witness = Session::open(&server);
        witness.gives("CREATE ROLE nobody LOGIN", "");
        witness.gives("CREATE EXTENSION shortage", "");
        for megabytes in limits {
            for statements in SESSIONS {
                let mut session = Session::open(&server);
                session.ask(&format!("SELECT shortage.address_space({megabytes})"));
                for sql in statements {
                    let answer = ask(&mut session, sql);
                    println!("{megabytes} MB: {}: {answer:?}", sql.trim().lines().next().unwrap_or_default());
                    if answer.is_none() {
                        // The server itself gives up a session that cannot even roll back (`elog` in `PostgresMain`).
                        break;
                    }
                }
                assert_eq!(server.crashes_since(log), [], "{megabytes} MB: {statements:?}\n{}", server.log_tail(50));
            }
        }
        witness.gives("SELECT 1", "1");
    }
}

static LINKS: Shared = Shared::with_test_links(&["shortage", "alloc_space"]);

/// What a window has found.
const FOUND: &str = "SELECT check_type, subject, bytes, objects FROM ext_memcheck.findings() ORDER BY 1, 2, 3";
const SETTINGS: &str = "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0";

const WORKS: &[Work] = &[
    Work {
        name: "a window",
        place: Place::Here,
        before: &[],
        statements: &[
            "SELECT ext_memcheck.begin()",
            "SELECT shortage.leak(100, 10)",
            "SELECT ext_memcheck.mark(1)",
            "SELECT shortage.leak(100, 10), shortage.leak_heap(50, 4)",
            "SELECT shortage.contexts(3)",
            "SELECT shortage.other_context()",
            "SELECT ext_memcheck.mark(2)",
            "SELECT check_type, source_lib FROM ext_memcheck.end() ORDER BY 1, 2",
            FOUND,
        ],
        after: &[FOUND],
        is_first: false,
    },
    Work {
        name: "a window that goes by context totals",
        place: Place::Here,
        before: &["SET pg_ext_memcheck.trace = off", "SELECT shortage.contexts(1000)"],
        statements: &[
            "SELECT ext_memcheck.begin('left by shortage')",
            "SELECT shortage.contexts(20)",
            "SELECT ext_memcheck.mark(1)",
            "SELECT shortage.contexts(20)",
            "SELECT ext_memcheck.mark(2)",
            "SELECT check_type, source_lib FROM ext_memcheck.end() ORDER BY 1, 2",
            FOUND,
        ],
        after: &[FOUND],
        is_first: false,
    },
    Work {
        name: "a ladder",
        place: Place::Here,
        before: &[],
        statements: &[
            r#"SELECT ext_memcheck.begin('', '{"scenario": "query_peak"}')"#,
            "SELECT ext_memcheck.mark(0)",
            "SELECT shortage.leak(100, 10)",
            "SELECT ext_memcheck.mark(10)",
            "SELECT shortage.leak(100, 20)",
            "SELECT ext_memcheck.mark(20)",
            "SELECT shortage.leak(100, 40)",
            "SELECT ext_memcheck.mark(40)",
            "SELECT check_type, source_lib FROM ext_memcheck.end() ORDER BY 1, 2",
            FOUND,
        ],
        after: &[FOUND],
        is_first: false,
    },
    Work {
        name: "the first window of a session, with a library loaded in it",
        place: Place::Here,
        before: &[],
        statements: &[
            "SELECT ext_memcheck.begin()",
            "LOAD '$libdir/alloc_space'",
            "SELECT shortage.leak(100, 10)",
            "SELECT ext_memcheck.mark(1)",
            "SELECT shortage.leak(100, 10)",
            "SELECT check_type, source_lib FROM ext_memcheck.end() ORDER BY 1, 2",
            FOUND,
            "SELECT target, library FROM ext_memcheck.window_targets() ORDER BY 2",
        ],
        after: &[FOUND],
        is_first: true,
    },
    Work {
        name: "statement checks",
        place: Place::Here,
        before: &["SELECT shortage.contexts(500)"],
        statements: &[
            "SET pg_ext_memcheck.memcheck_mode = 'all'",
            "SELECT shortage.leak(100, 10)",
            "BEGIN",
            "SELECT shortage.contexts(20)",
            "COMMIT",
            "SELECT 1",
            "SET pg_ext_memcheck.memcheck_mode = 'none'",
        ],
        after: VIOLATIONS,
        is_first: false,
    },
    Work {
        name: "statement checks by context totals",
        place: Place::Here,
        before: &["SET pg_ext_memcheck.trace = off", "SELECT shortage.contexts(500)"],
        statements: &[
            "SET pg_ext_memcheck.memcheck_mode = 'all'",
            "SELECT shortage.contexts(20)",
            "SELECT 1",
            "SET pg_ext_memcheck.memcheck_mode = 'none'",
        ],
        after: VIOLATIONS,
        is_first: false,
    },
    Work {
        name: "a window that another one closes",
        place: Place::Here,
        before: &[],
        statements: &[
            "SELECT ext_memcheck.begin()",
            "SELECT shortage.leak(100, 10)",
            "SELECT ext_memcheck.begin()",
            "SELECT count(*) FROM ext_memcheck.end()",
        ],
        after: VIOLATIONS,
        is_first: false,
    },
    Work {
        name: "flush_violations",
        place: Place::Here,
        before: &[],
        statements: &[
            "SELECT ext_memcheck.begin()",
            "SELECT shortage.leak(100, 10)",
            "SELECT ext_memcheck.flush_violations()",
            "SELECT count(*) FROM ext_memcheck.end()",
        ],
        after: VIOLATIONS,
        is_first: false,
    },
    Work {
        name: "scenarios in a call",
        place: Place::Here,
        before: &[],
        statements: &[
            "SELECT ext_memcheck.begin()",
            "SELECT ext_memcheck.run_scenario('growth_benchmark', 20, 'SELECT shortage.leak(100, 1)')",
            "SELECT ext_memcheck.run_scenario('tx_abort_loop', 5, 'SELECT shortage.leak(100, 1)')",
            "SELECT ext_memcheck.run_scenario('query_peak', 1, 'SELECT shortage.leak(8, :rows)')",
            "SELECT check_type FROM ext_memcheck.end() ORDER BY 1",
            FOUND,
        ],
        after: &[FOUND],
        is_first: false,
    },
    Work {
        name: "figures",
        place: Place::Here,
        before: &["SELECT ext_memcheck.begin()", "SELECT shortage.leak(100, 10)", "SELECT * FROM ext_memcheck.end()"],
        statements: &[
            FOUND,
            "SELECT count(*) FROM ext_memcheck.window_stats()",
            "SELECT count(*) FROM ext_memcheck.window_targets()",
            "SELECT count(*) >= 0 FROM ext_memcheck.window_contexts()",
            "SELECT count(*) > 50 FROM ext_memcheck.catcache_stats()",
            "SELECT count(*) > 5 FROM ext_memcheck.scenarios",
        ],
        after: &[],
        is_first: false,
    },
    Work { name: "questions, in the session that asks", place: Place::Here, ..QUESTIONS },
    Work { name: "questions, in the process that is asked", place: Place::Asked, ..QUESTIONS },
    Work { name: "a window in another process, here", place: Place::Here, ..ELSEWHERE },
    Work { name: "a window in another process, there", place: Place::Asked, ..ELSEWHERE },
    Work {
        name: "parallel workers",
        place: Place::Workers,
        before: &[SETTINGS],
        statements: &[
            "SELECT ext_memcheck.begin()",
            "SELECT count(shortage.leak_in_workers(10)) FROM many",
            "SELECT check_type FROM ext_memcheck.end() WHERE check_type = 'context_leak'",
            "SELECT check_type, subject, bytes, objects FROM ext_memcheck.findings() WHERE check_type = 'context_leak'",
        ],
        after: &[],
        is_first: false,
    },
];

/// What statement checks have found, and no more of it.
const VIOLATIONS: &[&str] = &[
    "SELECT count(*) > 0 FROM ext_memcheck.flush_violations()",
    "SELECT check_type, detail, source_lib FROM ext_memcheck.violation_log
      WHERE source_lib = 'shortage' OR detail ~ 'left by shortage' ORDER BY 1, 2",
    "SELECT ext_memcheck.clear_violations()",
];

const QUESTIONS: Work = Work {
    name: "",
    place: Place::Here,
    before: &["SET pg_ext_memcheck.trace = on", "SELECT shortage.leak(100, 10)"],
    statements: &[
        "SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({other})",
        "SELECT source_lib, site_symbol, bytes FROM ext_memcheck.live_allocations({other})",
        "SELECT source_lib, site_symbol, bytes FROM ext_memcheck.live_allocations()",
    ],
    after: &[],
    is_first: false,
};

const ELSEWHERE: Work = Work {
    name: "",
    place: Place::Here,
    before: &["SELECT shortage.leak(100, 10)"],
    statements: &[
        "SELECT ext_memcheck.begin_in({other})",
        "SELECT pg_log_backend_memory_contexts(1) IS NULL",
        "SELECT check_type FROM ext_memcheck.end_in({other})",
        FOUND,
    ],
    after: &[],
    is_first: false,
};

/// With each request for memory failing once nobody dies, the session goes on, and what is lost is told.
fn each_request_fails(most: impl Fn(Kind) -> u64) {
    let only = std::env::var("MCSPEC_TEST_WORK").unwrap_or_default();
    LINKS.each(|server| {
        let mut witness = Session::open(server);
        for extension in ["shortage", "alloc_space"] {
            witness.ask(&format!("CREATE EXTENSION IF NOT EXISTS {extension}"));
        }
        witness.ask("CREATE TABLE IF NOT EXISTS many AS SELECT i FROM generate_series(1, 10000) i");
        witness.ask("ANALYZE many");
        let log = server.log_position();
        for work in WORKS.iter().filter(|work| work.name.contains(&only)) {
            for kind in Kind::ALL {
                sweep(server, work, kind, most(kind));
                assert_eq!(server.crashes_since(log), [], "{}\n{}", work.name, server.log_tail(50));
            }
        }
        witness.gives("SELECT 1", "1");
    });
}

#[test]
fn some_requests_for_memory_fail() {
    each_request_fails(|_| 3);
}

/// All those that may be refused, and so many of the others as `MCSPEC_TEST_FAILURES` says.
#[test]
#[ignore = "takes minutes: make torture"]
fn every_request_for_memory_fails_once() {
    let most = std::env::var("MCSPEC_TEST_FAILURES").map_or(100, |number| number.parse().expect("a number"));
    each_request_fails(|kind| if matches!(kind, Kind::Room | Kind::Map) { u64::MAX } else { most });
}

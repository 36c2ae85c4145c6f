//! What the ledger makes of what it has not seen come: tracing begins in a session that has been at work for long. What was
//! there before is given back and replaced, and that is no growth; a leak beside it is.

use crate::cluster::{Session, clusters};
use mcspec::server::Server;

/// A session in which a statement has been run 200 times with nothing traced.
fn warm(server: &Server, call: &str) -> Session {
    let mut session = Session::open(server);
    session.gives("CREATE EXTENSION IF NOT EXISTS mem_ledger; SET search_path = mem_ledger, public", "");
    session.ask(&format!("SELECT count({call}) FROM generate_series(1, 200)"));
    session.gives("SET pg_ext_memcheck.trace = on; SET pg_ext_memcheck.targets = 'mem_ledger'", "");
    session
}

/// The findings of a window: `check|context|bytes`.
fn found(session: &mut Session) -> String {
    session.ask("SELECT ext_memcheck.end()");
    session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'inconsistencies'", "0");
    session.ask("SELECT check_type, subject, bytes FROM ext_memcheck.findings() ORDER BY 1, 2")
}

/// What `growth_benchmark` finds about 50 calls, with marks as the runner sets them.
fn grows(server: &Server, call: &str) -> String {
    let mut session = warm(server, call);
    session.ask("SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')");
    session.gives("SELECT ext_memcheck.mark(0)", "");
    let mut done = 0;
    for mark in [1, 10, 25, 50] {
        (done..mark).for_each(|_| drop(session.ask(&format!("SELECT {call}"))));
        done = mark;
        session.gives(&format!("SELECT ext_memcheck.mark({mark})"), "");
    }
    found(&mut session)
}

/// What a plain window finds about 20 calls.
fn leaves(server: &Server, call: &str) -> String {
    let mut session = warm(server, call);
    session.ask("SELECT ext_memcheck.begin()");
    (0..20).for_each(|_| drop(session.ask(&format!("SELECT {call}"))));
    found(&mut session)
}

const CACHES: [&str; 11] = [
    "ring(1000",
    "ring_frees_first(1000",
    "ring_of_contexts(500",
    "ring_malloc(1000",
    "replaced(70000",
    "replaced_repalloc(70000",
    "replaced_context(70000",
    "replaced_reset(70000",
    "replaced_hash(1000",
    "replaced_malloc(70000",
    "replaced_arena(65536",
];

#[test]
fn what_replaces_what_was_there_is_no_growth() {
    for cluster in clusters(&["mem_ledger"]) {
        let server = cluster.start(&[], &[]);
        for cache in CACHES {
            let call = format!("{cache}, 0)");
            assert_eq!(grows(&server, &call), "", "growth_benchmark of {call}");
            assert_eq!(leaves(&server, &call), "", "window of {call}");
        }
        server.stop();
    }
}

/// Of the same size as what is replaced, and of others.
#[test]
fn a_leak_beside_it_is_found() {
    for cluster in clusters(&["mem_ledger"]) {
        let server = cluster.start(&[], &[]);
        for cache in CACHES {
            for leak in [1000, 24, 500] {
                let call = format!("{cache}, {leak})");
                let expected = match cache {
                    "replaced_arena(65536" => format!("malloc_leak|mmap|{}", 50 * 65536),
                    _ if cache.contains("malloc") => format!("malloc_leak|malloc|{}", 50 * leak),
                    _ => format!("ctx_bloat|TopMemoryContext|{}", 50 * leak),
                };
                assert_eq!(grows(&server, &call), expected, "growth_benchmark of {call}");
            }
        }
        let call = "leaks_beside_the_server(160)";
        assert_eq!(grows(&server, call), "ctx_bloat|TopMemoryContext|8000", "{call}");
        server.stop();
    }
}

/// Contexts in which nothing is, and contexts whose name is not what it was.
#[test]
fn contexts_count_whatever_is_in_them_and_whatever_they_are_called() {
    for cluster in clusters(&["mem_ledger"]) {
        let server = cluster.start(&[], &[]);
        let empty = "context_leak|ledger empty|0\nwrong_ctx_alloc|ledger empty|0";
        assert_eq!(leaves(&server, "empty_contexts(50)"), empty);
        assert_eq!(leaves(&server, "empty_contexts(1)"), "context_leak|ledger empty|0");
        for call in ["empty_contexts_ok(50)", "freed_name_ok(50)"] {
            assert_eq!(leaves(&server, call), "", "{call}");
            assert_eq!(grows(&server, call), "", "{call}");
        }
        assert_eq!(grows(&server, "empty_contexts(1)"), "context_leak|ledger empty|0");
        for (call, name) in [
            ("freed_name(1)", "ledger freed name"),
            ("unmapped_name()", "ledger unmapped name"),
            // The first that was made up since tracing began stands for all.
            ("overwritten_name(1)", "ledger entry 200"),
        ] {
            assert_eq!(grows(&server, call), format!("context_leak|{name}|0"), "{call}");
        }
        // Names that are gone are walked over where nothing is traced as well.
        let mut session = warm(&server, "unmapped_name()");
        session.ask("SELECT freed_name(10); SET pg_ext_memcheck.trace = off; SELECT ext_memcheck.begin()");
        session.ask("SELECT freed_name(10), unmapped_name()");
        session.ask("SELECT ext_memcheck.end()");
        assert_eq!(session.ask("SELECT 1"), "1");
        server.stop();
    }
}

/// More contexts than there was room for once: what is allocated in those that are known is recorded all the same.
#[test]
fn many_contexts_leave_room_for_allocations() {
    for cluster in clusters(&["mem_ledger"]) {
        let server = cluster.start(&[], &[]);
        let mut session = warm(&server, "forgets(8)");
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT empty_contexts(100000)");
        session.ask("SELECT count(forgets(100)) FROM generate_series(1, 20000)");
        let expected = "context_leak|TopMemoryContext|2000000\ncontext_leak|ledger empty|0\n\
                        wrong_ctx_alloc|TopMemoryContext|2000000\nwrong_ctx_alloc|ledger empty|0";
        assert_eq!(found(&mut session), expected);
        session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'not_recorded'", "0");
        server.stop();
    }
}

/// Statements that are checked one by one, each by what it has left: the same, and a leak is found.
#[test]
fn a_checked_statement_that_replaces_something_has_left_nothing() {
    for cluster in clusters(&["mem_ledger"]) {
        let server = cluster.start(&[], &[]);
        for (call, expected) in [
            ("ring(70000, 0)", ""),
            ("ring_malloc(70000, 0)", ""),
            ("replaced(70000, 0)", ""),
            ("replaced_repalloc(70000, 0)", ""),
            ("replaced_context(70000, 0)", ""),
            ("replaced_reset(70000, 0)", ""),
            ("replaced(70000, 70000)", "context_leak|70000\nwrong_ctx_alloc|70000"),
            ("ring_malloc(70000, 20000)", "malloc_leak|20000"),
        ] {
            // What is replaced was there before tracing, and then is of an earlier statement.
            let (mut session, mut log) = (warm(&server, call), Session::open(&server));
            session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
            for _ in 0..2 {
                session.ask(&format!("SELECT {call}"));
                log.ask("SELECT ext_memcheck.flush_violations()");
                let found =
                    "SELECT check_type, substring(detail FROM 'grew by ([0-9]+)') FROM ext_memcheck.violation_log
                              ORDER BY 1, 2";
                assert_eq!(log.ask(found), expected, "{call}");
                log.ask("SELECT ext_memcheck.clear_violations()");
            }
        }
        server.stop();
    }
}

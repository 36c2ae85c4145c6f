//! Redzones: bad accesses are found with what was done, to which chunk, and where that was allocated and freed; mended twins and what is
//! allowed are silent.

use crate::cluster::{Session, clusters};
use mcspec::server::Server;

/// A session with guarded allocations.
fn guarded(server: &Server) -> Session {
    let mut session = Session::open(server);
    session.gives("CREATE EXTENSION IF NOT EXISTS accesses", "");
    session.gives("CREATE EXTENSION IF NOT EXISTS mem_guarded", "");
    session.gives("SET pg_ext_memcheck.trace = on; SET pg_ext_memcheck.targets = 'accesses, mem_guarded'", "");
    session.gives("SET pg_ext_memcheck.guard = redzone", "");
    session
}

/// The bad accesses in a window around statements: `check|context: act|offset|size|requested: places`.
fn found(session: &mut Session, statements: &str) -> String {
    session.ask("SELECT ext_memcheck.begin()");
    for statement in statements.split(';') {
        let answer = session.ask(statement);
        assert!(!answer.contains(' '), "{statement}: {answer}");
    }
    session.ask("SELECT ext_memcheck.end()");
    session.gives(
        "SELECT name, value FROM ext_memcheck.window_stats()
          WHERE name IN ('inconsistencies', 'not_recorded') AND value > 0",
        "",
    );
    session.ask(
        "SELECT concat_ws(' ', check_type, context_path[cardinality(context_path)], access ->> 'act', access ->> 'offset',
                          access ->> 'size', access ->> 'requested') ||
                CASE WHEN access ? 'at' THEN ' at' ELSE '' END || CASE WHEN access ? 'freed' THEN ' freed' ELSE '' END
           FROM ext_memcheck.findings() WHERE access IS NOT NULL AND access ? 'allocated' ORDER BY 1",
    )
}

/// Calls of what is wrong, and what is found of it.
const BAD: [(&str, &str); 24] = [
    ("accesses.overrun_bad(8, 1)", "buffer_overrun scratch write 8 1 8"),
    ("accesses.overrun_bad(64, 7)", "buffer_overrun scratch write 64 7 64"),
    ("accesses.overrun_bad(61, 8)", "buffer_overrun scratch write 61 8 61"),
    ("accesses.overrun_bad(16, 20)", "buffer_overrun scratch write 16 20 16"),
    ("accesses.overrun_bad(10000, 1)", "buffer_overrun scratch write 10000 1 10000"),
    ("accesses.underrun_bad(1)", "buffer_overrun scratch write -1 1 64"),
    ("accesses.heap_overrun_bad(24, 1)", "buffer_overrun malloc write 24 1 24"),
    ("accesses.heap_overrun_bad(24, 20)", "buffer_overrun malloc write 24 20 24"),
    ("accesses.twice_bad()", "double_free scratch release 0 64 at freed"),
    ("accesses.failed_bad()", "double_free scratch release 0 64 at freed"),
    ("accesses.heap_twice_bad()", "double_free malloc release 0 64 at freed"),
    ("accesses.to_free_bad()", "double_free scratch release 0 64 at"),
    ("accesses.to_pfree_bad()", "double_free malloc release 0 33 at"),
    ("overrun_in_bad('allocset', 1)", "buffer_overrun guarded allocset write 40 1 40"),
    ("overrun_in_bad('generation', 20)", "buffer_overrun guarded generation write 40 20 40"),
    ("overrun_in_bad('slab', 1)", "buffer_overrun guarded slab write 41 1 41"),
    ("overrun_in_bad('bump', 8)", "buffer_overrun guarded bump write 40 8 40"),
    ("freed_write_bad(3)", "use_after_free guarded freed write 3 1 40 freed"),
    ("freed_write_bad(-1)", "use_after_free guarded freed write -1 1 40 freed"),
    ("freed_write_bad(40)", "use_after_free guarded freed write 40 1 40 freed"),
    ("heap_freed_write_bad(8)", "use_after_free malloc write 8 1 40 freed"),
    ("moved_write_bad()", "use_after_free guarded moved write 0 1 40 freed"),
    ("grown_again_bad()", "double_free guarded grown release 0 40 at freed"),
    ("grown_by_realloc_bad()", "double_free guarded crossed release 0 40 at"),
];

/// The same calls, mended and with what looks like it.
#[test]
fn what_was_done_to_which_chunk() {
    for cluster in clusters(&["accesses", "mem_guarded"]) {
        let server = cluster.start(&[], &[]);
        let mut session = guarded(&server);
        let has_bump = cluster.installation.version.major() >= 17;
        for (call, expected) in BAD.into_iter().filter(|(call, _)| has_bump || !call.contains("bump")) {
            assert_eq!(found(&mut session, &format!("SELECT {call}")), expected, "{call}");
            for twin in ["_ok(", "_decoy("] {
                let call = call.replace("_bad(", twin);
                assert_eq!(found(&mut session, &format!("SELECT {call}")), "", "{call}");
            }
        }
        server.stop();
    }
}

/// What is written to in one statement was given back in another; what many chunks come after is looked at when it goes.
#[test]
fn what_is_given_back_is_kept_for_a_while() {
    for cluster in clusters(&["accesses", "mem_guarded"]) {
        let server = cluster.start(&[], &[]);
        let mut session = guarded(&server);
        let kept = "use_after_free guarded kept write 0 1 40 freed";
        assert_eq!(found(&mut session, "SELECT keep_freed(); SELECT 1; SELECT write_kept()"), kept);
        assert_eq!(found(&mut session, "SELECT keep_freed(); SELECT churn(20000); SELECT 1"), "");
        assert_eq!(found(&mut session, "SELECT keep_freed(); SELECT write_kept(); SELECT churn(20000)"), kept);
        // Nothing is left of it in the next window.
        assert_eq!(found(&mut session, "SELECT 1"), "");
        // Outside of windows it is in the ring when the statement has ended.
        session.gives("SET pg_ext_memcheck.memcheck_mode = 'all'", "");
        session.gives("SELECT accesses.overrun_bad(8, 1)", "8");
        session.gives("SELECT ext_memcheck.flush_violations()", "1");
        session.gives("SET pg_ext_memcheck.memcheck_mode = 'none'", "");
        session.gives("SET pg_ext_memcheck.guard = off", "");
        assert_eq!(found(&mut session, "SELECT accesses.overrun_bad(61, 1)"), "");
        server.stop();
    }
}

/// What a parallel worker does is the leader's.
#[test]
fn parallel_workers() {
    for cluster in clusters(&["accesses", "mem_guarded"]) {
        let server = cluster.start(&[], &[]);
        let mut session = guarded(&server);
        session.gives("CREATE TABLE number AS SELECT i % 50 AS n FROM generate_series(1, 5000) i", "");
        session.gives("ALTER FUNCTION accesses.overrun_bad PARALLEL SAFE", "");
        session.gives("ANALYZE number", "");
        for parameter in ["parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"] {
            session.gives(&format!("SET {parameter} = 0"), "");
        }
        session.gives("SET parallel_leader_participation = off; SET max_parallel_workers_per_gather = 2", "");
        let call = "SELECT count(accesses.overrun_bad(8 + 0 * n, 1)) FROM number";
        assert_eq!(found(&mut session, call), "buffer_overrun scratch write 8 1 8");
        server.stop();
    }
}

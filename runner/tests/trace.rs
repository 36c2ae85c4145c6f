//! Traced windows under what is hard on them: errors through the allocator, subtransactions, parallel workers, a backend that
//! is ended. The counts are exact, and the tables sound.

use crate::cluster::{Session, clusters, eventually};
use mcspec::server::Server;

/// A session with the subject as its target, that has called each function before.
fn session(server: &Server) -> Session {
    let mut session = Session::open(server);
    session.gives("CREATE EXTENSION IF NOT EXISTS mem_corpus; SET search_path = mem_corpus, public", "");
    session.gives("SET pg_ext_memcheck.trace = on; SET pg_ext_memcheck.targets = 'mem_corpus'", "");
    session.ask("SELECT d01_bad(8), x01_throws(10, 0)");
    session.ask("SELECT x02_too_much('invalid')");
    session
}

/// What a window around some work finds: `check|context|bytes|allocations|library`, by context.
#[track_caller]
fn finds(session: &mut Session, work: impl FnOnce(&mut Session), expected: &str) {
    session.gives(
        "SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')",
        "Memory check session started.",
    );
    session.gives("SELECT ext_memcheck.mark(0)", "");
    work(session);
    session.gives("SELECT ext_memcheck.mark(1)", "");
    session.ask("SELECT ext_memcheck.end()");
    let found = "SELECT check_type, subject, bytes, objects, source_lib FROM ext_memcheck.findings() ORDER BY 1, 2";
    session.gives(found, expected);
    let faults = "SELECT name, value FROM ext_memcheck.window_stats()
                   WHERE name IN ('inconsistencies', 'not_recorded') AND value <> 0";
    session.gives(faults, "");
}

#[test]
fn nothing_is_lost() {
    for cluster in clusters(&["mem_corpus"]) {
        let server = cluster.start(&["mem_corpus"], &[]);
        errors_in_the_middle_of_allocating(&server);
        nested_exceptions(&server);
        many_subtransactions(&server);
        memory_that_there_is_not(&server);
        parallel_workers(&server);
        many_leaders(&server);
        a_long_list_of_targets(&server);
        a_backend_that_is_ended(&server);
        server.stop();
    }
}

fn errors_in_the_middle_of_allocating(server: &Server) {
    let mut session = session(server);
    let failed = "38000 could not work on chunk 50";
    let work = |session: &mut Session| (0..2000).for_each(|_| session.gives("SELECT x01_throws(50, 24)", failed));
    finds(&mut session, work, "ctx_bloat|TopMemoryContext|48000|2000|mem_corpus");
    let work = |session: &mut Session| (0..500).for_each(|_| session.gives("SELECT x01_throws(50, 0)", failed));
    finds(&mut session, work, "");
}

fn nested_exceptions(server: &Server) {
    let mut session = session(server);
    // At every level of 20 a call that leaks and fails, and on the way out of every level another leak.
    session.ask(
        "CREATE OR REPLACE FUNCTION public.nested(depth int) RETURNS void LANGUAGE plpgsql AS $$
         BEGIN
           BEGIN
             IF depth > 1 THEN PERFORM nested(depth - 1); END IF;
             PERFORM x01_throws(20, 8);
           EXCEPTION WHEN external_routine_exception THEN
             PERFORM d01_bad(100);
             RAISE;
           END;
         END $$",
    );
    let outermost = "DO $$ BEGIN PERFORM nested(20); EXCEPTION WHEN external_routine_exception THEN END $$";
    session.gives(outermost, "");
    // The innermost call raises; every level above goes to its handler at once.
    let work = |session: &mut Session| (0..50).for_each(|_| session.gives(outermost, ""));
    finds(&mut session, work, "ctx_bloat|TopMemoryContext|100400|1050|mem_corpus");
}

fn many_subtransactions(server: &Server) {
    let mut session = session(server);
    // Every tenth leaks and fails, every tenth leaks and goes on, the others do neither.
    let loops = "DO $$
         BEGIN
           FOR i IN 1..10000 LOOP
             BEGIN
               IF i % 10 = 0 THEN PERFORM x01_throws(5, 16); END IF;
               PERFORM d01_ok(1000);
               IF i % 10 = 5 THEN PERFORM d01_bad(40); END IF;
             EXCEPTION WHEN external_routine_exception THEN
               NULL;
             END;
           END LOOP;
         END $$";
    finds(&mut session, |session| session.gives(loops, ""), "ctx_bloat|TopMemoryContext|56000|2000|mem_corpus");
}

fn memory_that_there_is_not(server: &Server) {
    let mut session = session(server);
    let work = |session: &mut Session| {
        for _ in 0..100 {
            session.gives("SELECT x02_too_much('invalid')", "XX000 invalid memory alloc request size 1073741824");
            session.gives("SELECT x02_too_much('palloc')", "53200 out of memory");
            session.gives("SELECT x02_too_much('repalloc')", "53200 out of memory");
            session.gives("SELECT x02_too_much('quietly')", "");
        }
    };
    finds(&mut session, work, "ctx_bloat|TopMemoryContext|2400|100|mem_corpus");
}

fn parallel_workers(server: &Server) {
    let mut session = session(server);
    session.ask("ALTER FUNCTION d01_bad(int) PARALLEL SAFE; ALTER FUNCTION d01_ok(int) PARALLEL SAFE");
    session.ask("ALTER FUNCTION d07_ok(text) PARALLEL SAFE; ALTER FUNCTION n1_cache() PARALLEL SAFE");
    session.ask("ALTER FUNCTION r01_bad(regclass) PARALLEL SAFE; ALTER FUNCTION c03_bad(text) PARALLEL SAFE");
    session.ask(
        "CREATE TABLE numbers WITH (fillfactor = 10) AS SELECT g AS n FROM generate_series(1, 4000) g; ANALYZE numbers",
    );
    session.ask("SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0");
    session.ask("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0");
    let query = |call: &str| format!("SELECT count({call}) FROM numbers");
    let plan = session.ask(&format!("EXPLAIN {}", query("d01_bad(8)")));
    assert!(plan.contains("Workers Planned: 2"), "{plan}");

    for participation in ["off", "on"] {
        session.ask(&format!("SET parallel_leader_participation = {participation}"));
        let mut count = |call: &str, expected: &str| {
            // The leader is warm, however little of the work it gets.
            session.ask(&format!("SET max_parallel_workers_per_gather = 0; {}", query(call)));
            session.ask("SET max_parallel_workers_per_gather = 2");
            session.gives(&query(call), "4000");
            let work = |session: &mut Session| (0..5).for_each(|_| session.gives(&query(call), "4000"));
            finds(&mut session, work, expected);
        };
        // Each row counts once, whoever works on it.
        count("d01_bad(8)", "ctx_bloat|TopMemoryContext|160000|20000|mem_corpus");
        count("d01_ok(8)", "");
        // Each worker fills it again.
        count("n1_cache()", "");
        // Its last 128 entries are new in the window, whose memory no call has freed yet where the leader makes only a few.
        if participation == "off" {
            count("d07_ok(n::text)", "");
        }
    }

    // One worker does it all. It is planned for two processes, or it would not be planned at all.
    session.ask("SET max_parallel_workers_per_gather = 1");
    let mut alone = |call: &str, rows: &str, expected: &str| {
        session.ask("SET parallel_leader_participation = on; DEALLOCATE ALL");
        session.ask(&format!("PREPARE alone AS {} WHERE n <= {rows}", query(call)));
        session.gives("EXECUTE alone", rows);
        session.ask("SET parallel_leader_participation = off");
        finds(&mut session, |session| session.gives("EXECUTE alone", rows), expected);
    };
    // The first call in a process is in order.
    alone("c03_bad('a text')", "4000", "wrong_ctx_alloc|c03 scratch|0|3999|mem_corpus");
    alone("d01_bad(8)", "900", "");
    alone("d01_bad(8)", "1100", "ctx_bloat|TopMemoryContext|8800|1100|mem_corpus");
    alone("r01_bad('pg_class')", "200", "resource_leak|relation|0|200|mem_corpus");
}

/// A query that one parallel worker does all of, and how often it leaks.
fn prepare_for_one_worker(session: &mut Session) -> &'static str {
    session.ask("SET max_parallel_workers_per_gather = 1; SET min_parallel_table_scan_size = 0");
    session.ask("SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET parallel_leader_participation = on");
    session.ask("PREPARE alone AS SELECT count(d01_bad(8)) FROM numbers WHERE n <= 1100");
    session.gives("EXECUTE alone", "1100");
    session.ask("SET parallel_leader_participation = off");
    "ctx_bloat|TopMemoryContext|8800|1100|mem_corpus"
}

/// There is a place to hand over to for every session.
fn many_leaders(server: &Server) {
    let mut others: Vec<Session> = (0..70).map(|_| session(server)).collect();
    others.iter_mut().for_each(|other| drop(other.ask("SELECT ext_memcheck.begin()")));
    let mut session = session(server);
    let leaks = prepare_for_one_worker(&mut session);
    finds(&mut session, |session| session.gives("EXECUTE alone", "1100"), leaks);
    session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'workers_not_traced'", "0");
}

/// A list of targets is handed to workers whole or not at all, and what they were not told is not passed over.
fn a_long_list_of_targets(server: &Server) {
    let mut session = session(server);
    let leaks = prepare_for_one_worker(&mut session);
    for (length, leaks, not_traced) in [(2048, leaks, "0"), (2049, "", "1")] {
        let set = format!(
            "SELECT length(set_config('pg_ext_memcheck.targets', rpad('other,', {length} - 11, 'x') || ',mem_corpus', false))"
        );
        session.gives(&set, &length.to_string());
        finds(&mut session, |session| session.gives("EXECUTE alone", "1100"), leaks);
        session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'workers_not_traced'", not_traced);
    }
}

fn a_backend_that_is_ended(server: &Server) {
    let mut session = session(server);
    let mut other = Session::open(server);
    other.ask("SELECT ext_memcheck.flush_violations(); SELECT ext_memcheck.clear_violations()");
    let pid = session.ask("SELECT pg_backend_pid()");
    session.ask("SELECT ext_memcheck.begin()");
    session.gives("SELECT count(d01_bad(100)) FROM generate_series(1, 1000)", "1000");
    session.gives("SELECT r01_bad('pg_class') > 0", "t");
    session.gives("BEGIN; SELECT count(d01_bad(100)) FROM generate_series(1, 1000)", "1000");
    other.gives(&format!("SELECT pg_terminate_backend({pid})"), "t");
    let is_there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    eventually("the backend has ended", || other.ask(&is_there) == "0");
    other.gives("SELECT ext_memcheck.flush_violations()", "3");
    other.gives(
        &format!(
            "SELECT check_type, source_lib, substring(detail from 'grew by [0-9]+|[0-9]+ times?')
               FROM ext_memcheck.violation_log WHERE backend_pid = {pid} ORDER BY 1"
        ),
        "context_leak|mem_corpus|grew by 200000\n\
         resource_leak|mem_corpus|1 time\n\
         wrong_ctx_alloc|mem_corpus|grew by 200000",
    );
    other.ask("SELECT ext_memcheck.clear_violations()");
}

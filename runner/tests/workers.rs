//! Background workers of `run_scenario()`: what they are given and give back, and what is left of them.

use std::thread;

use crate::cluster::shared::Shared;
use crate::cluster::{Session, eventually, login_telling};
use mcspec::server::Server;

static SHARED: Shared = Shared::new(&["accesses"], &[], &["max_worker_processes = 10"]);

const DONE: &str =
    "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations.";
const WORKERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_ext_memcheck worker'";

/// A call of a scenario.
fn run(scenario: &str, workload: &str, more: &str) -> String {
    format!("SELECT ext_memcheck.run_scenario('{scenario}', workload => $w${workload}$w$ {more})")
}

/// Waits until so many workers are there, from a session of its own.
fn there_are(server: &Server, number: &str) {
    let mut session = Session::open(server);
    eventually(&format!("{number} workers"), || session.ask(WORKERS) == number);
}

fn with_accesses(server: &Server) -> Session {
    let mut session = Session::open(server);
    session.ask("CREATE EXTENSION accesses");
    session
}

#[test]
fn a_worker_is_in_the_database_of_its_session_with_its_role_and_its_parameters() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE ROLE borrower; GRANT USAGE, CREATE ON SCHEMA public TO borrower");
        session.ask(
            "GRANT USAGE ON SCHEMA ext_memcheck TO borrower;
             GRANT EXECUTE ON FUNCTION ext_memcheck.run_scenario TO borrower",
        );
        session.ask("CREATE TABLE public.seen (at text); ALTER TABLE public.seen OWNER TO borrower");
        session.ask("SET ROLE borrower; SET work_mem = '7MB'; SET application_name = 'mine'; SET my.own = 'a ''b'");
        let workload = "INSERT INTO public.seen SELECT concat_ws('|', current_database(), current_user, \
                        current_setting('work_mem'), current_setting('application_name'), current_setting('my.own'), \
                        current_setting('pg_ext_memcheck.guard'), pg_backend_pid() <> PID)";
        let pid = session.ask("SELECT pg_backend_pid()");
        session.gives(&run("use_after_reset", &workload.replace("PID", &pid), ", iterations => 2"), DONE);
        session.gives("SELECT DISTINCT at FROM public.seen", "postgres|borrower|7MB|mine|a 'b|pages|t");
        session.gives("SELECT count(*) FROM public.seen", "2");
        session.ask("RESET ROLE; DROP TABLE public.seen; DROP OWNED BY borrower; DROP ROLE borrower");
        there_are(server, "0");
    });
}

#[test]
fn a_workload_is_as_long_as_it_is_and_has_transactions_of_its_own() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE TABLE public.numbers (n int)");
        let insert = format!("INSERT INTO public.numbers VALUES (length('{}')); ", "x".repeat(8000));
        let long = insert.repeat((1 << 20) / insert.len() + 1);
        assert_eq!(session.ask(&run("use_after_reset", &long, ", iterations => 2")), DONE);
        session.gives("SELECT count(*) > 250, sum(n) > 2000000 FROM public.numbers", "t|t");
        let workload = "BEGIN; DELETE FROM public.numbers; ROLLBACK; VACUUM public.numbers; PREPARE p AS SELECT 1; \
                        EXECUTE p; DEALLOCATE p; DO $$ BEGIN COMMIT; END $$; SELECT repeat('x', 300000); BEGIN";
        session.gives(&run("use_after_reset", workload, ", iterations => 2"), DONE);
        session.gives("SELECT count(*) > 250 FROM public.numbers", "t");
        session.ask("DROP TABLE public.numbers");
    });
}

#[test]
fn what_a_workload_raises_its_session_raises() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let table = [
            ("SELECT 1/0", "22012 division by zero"),
            ("SELECT 1; SELEC 2", "42601 syntax error at or near \"SELEC\""),
            ("DO $$ BEGIN RAISE 'no' USING ERRCODE = 'XX123', HINT = 'try'; END $$", "XX123 no HINT: try"),
            (
                "COPY pg_class FROM STDIN",
                "0A000 workload cannot be run in a background worker: COPY FROM STDIN HINT: It needs a client: put the \
                 rows into INSERT.",
            ),
        ];
        for (workload, error) in table {
            session.gives(&run("use_after_reset", workload, ""), error);
        }
        session.gives("SELECT 1", "1");
        there_are(server, "0");
    });
}

#[test]
fn messages_of_a_workload_are_its_sessions() {
    SHARED.each(|server| {
        let (send, told) = std::sync::mpsc::channel();
        let mut client = login_telling(server, "postgres", "postgres", move |notice| {
            send.send(format!("{}: {}", notice.severity(), notice.message())).ok();
        });
        let call = run("use_after_reset", "DO $$ BEGIN RAISE NOTICE 'hello ä'; END $$", ", iterations => 2");
        client.simple_query(&call).expect("run");
        drop(client);
        assert_eq!(told.iter().filter(|told| told == "NOTICE: hello ä").count(), 2);
    });
}

#[test]
fn several_workers_run_at_the_same_time() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE TABLE public.met (pid int)");
        // Each waits for the others.
        let workload = "INSERT INTO public.met VALUES (pg_backend_pid());
             DO $$ BEGIN FOR i IN 1..3000 LOOP
                 EXIT WHEN (SELECT count(*) FROM public.met) = 8; PERFORM pg_sleep(0.01); COMMIT;
             END LOOP; END $$;
             DO $$ BEGIN IF (SELECT count(*) FROM public.met) < 8 THEN RAISE 'alone'; END IF; END $$";
        session.gives(&run("use_after_reset", workload, ", iterations => 1, workers => 8"), DONE);
        session.gives("SELECT count(DISTINCT pid) FROM public.met", "8");
        session.ask("DROP TABLE public.met");
        there_are(server, "0");
    });
}

#[test]
fn several_sessions_have_workers_at_the_same_time() {
    SHARED.each(|server| {
        with_accesses(server);
        thread::scope(|scope| {
            for bad in [true, false, true, false] {
                scope.spawn(move || {
                    let mut session = Session::open(server);
                    let workload = format!("SELECT accesses.named_{}('a')", if bad { "bad" } else { "ok" });
                    session.gives(&run("use_after_reset", &workload, ", iterations => 5"), DONE);
                    let found = if bad { "1" } else { "0" };
                    session.gives("SELECT count(*) FROM ext_memcheck.findings()", found);
                });
            }
        });
        there_are(server, "0");
    });
}

#[test]
fn what_a_worker_finds_is_its_sessions() {
    const WORKLOAD: &str = "SELECT accesses.extra_bad(i::text) FROM generate_series(1, 3) i";
    SHARED.each(|server| {
        let mut session = with_accesses(server);
        let bystander = Session::open(server).ask("SELECT pg_postmaster_start_time()");
        session.ask("SELECT ext_memcheck.begin()");
        session.gives(&run("use_after_reset", WORKLOAD, ", iterations => 3"), DONE);
        session
            .gives("SELECT check_type, severity, source_lib FROM ext_memcheck.end()", "use_after_reset|ERROR|accesses");
        session.gives("SELECT site_symbol FROM ext_memcheck.findings()", "extra_bad");
        for twin in ["ok", "decoy"] {
            session.gives(&run("use_after_reset", &WORKLOAD.replace("bad", twin), ""), DONE);
            session.gives("SELECT count(*) FROM ext_memcheck.findings()", "0");
            session.gives("SELECT value > 0 FROM ext_memcheck.window_stats() WHERE name = 'guarded'", "t");
        }
        assert_eq!(session.ask("SELECT pg_postmaster_start_time()"), bystander);
        there_are(server, "0");
    });
}

#[test]
fn a_worker_ends_with_the_statement_and_with_the_session_that_wait_for_it() {
    SHARED.each(|server| {
        let mut other = Session::open(server);
        let calls = ["SELECT pg_sleep(100)", "DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$"];
        for (end, error) in [("pg_cancel_backend", Some("57014")), ("pg_terminate_backend", None)] {
            for workload in calls {
                let call = run("use_after_reset", workload, ", workers => 3");
                thread::scope(|scope| {
                    let waiting = scope.spawn(move || {
                        let mut session = Session::open(server);
                        let pid = session.ask("SELECT set_config('application_name', 'waits', false)");
                        assert_eq!(pid, "waits");
                        session
                            .client
                            .simple_query(&call)
                            .expect_err("stopped")
                            .code()
                            .map(|code| code.code().to_owned())
                    });
                    eventually("workers", || other.ask(WORKERS) == "3");
                    other.ask(&format!(
                        "SELECT {end}(pid) FROM pg_stat_activity
                          WHERE application_name = 'waits' AND backend_type = 'client backend'"
                    ));
                    let code = waiting.join().expect("ended");
                    if error.is_some() {
                        assert_eq!(code.as_deref(), error);
                    }
                });
                eventually("no workers", || other.ask(WORKERS) == "0");
            }
        }
    });
}

#[test]
fn a_worker_that_is_ended_is_noticed() {
    SHARED.each(|server| {
        let mut other = Session::open(server);
        let call = run("use_after_reset", "SELECT pg_sleep(100)", "");
        thread::scope(|scope| {
            let waiting = scope.spawn(move || Session::open(server).ask(&call));
            eventually("a worker", || other.ask(WORKERS) == "1");
            other.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_ext_memcheck worker'",
            );
            let answer = waiting.join().expect("answered");
            assert!(answer.starts_with("57P01 terminating "), "{answer}");
        });
        there_are(server, "0");
    });
}

#[test]
fn a_worker_that_waits_for_its_own_session_is_told_of() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE TABLE public.held (n int)");
        session.ask("BEGIN");
        session.ask("LOCK TABLE public.held");
        session.gives(
            &run("use_after_reset", "SELECT * FROM public.held", ""),
            "55006 the background worker waits for a lock that this transaction holds HINT: Run COMMIT first: the worker \
             has transactions of its own.",
        );
        session.ask("ROLLBACK");
        session.gives(&run("use_after_reset", "SELECT * FROM public.held", ""), DONE);
        session.ask("DROP TABLE public.held");
        there_are(server, "0");
    });
}

/// Watches a background worker of the subject's, and gives its process.
fn watch(session: &mut Session, twin: &str) -> String {
    let pid = session.ask(&format!("SELECT accesses.in_worker_{twin}()"));
    let is_there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND datname IS NOT NULL");
    eventually("the worker", || session.ask(&is_there) == "1");
    session.gives(
        &format!("SELECT ext_memcheck.begin_in({pid}, '', '{{\"targets\": [\"accesses\"]}}')"),
        "Memory check session started.",
    );
    pid
}

/// Waits until a process has ended.
fn has_ended(session: &mut Session, pid: &str) {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
    eventually("the end of the worker", || session.ask(&sql) == "0");
}

#[test]
fn a_worker_that_is_watched_leaves_what_was_found_when_it_ends() {
    SHARED.each(|server| {
        let mut session = with_accesses(server);
        let since = session.ask("SELECT pg_postmaster_start_time()");
        session.ask("SET pg_ext_memcheck.guard = pages; SET pg_ext_memcheck.on_fault = error");
        let pid = watch(&mut session, "bad");
        has_ended(&mut session, &pid);
        let end = format!("SELECT check_type, severity, source_lib FROM ext_memcheck.end_in({pid})");
        // It is this session's, and nobody else's.
        let gone = format!(
            "22023 PID {pid} is not a PostgreSQL server process HINT: Workers without a database connection cannot be asked."
        );
        Session::open(server).gives(&end, &gone);
        session.gives(&end, "use_after_reset|ERROR|accesses");
        session.gives(
            "SELECT context_path[array_upper(context_path, 1)], site_symbol, access->>'act', access->>'offset',
                    access->>'requested', access->'allocated'->'frame'->>'symbol'
               FROM ext_memcheck.findings()",
            "TopTransactionContext|accesses_bad_main|read|48|64|accesses_bad_main",
        );
        session.gives(&end, &gone);
        for twin in ["ok", "decoy"] {
            let pid = watch(&mut session, twin);
            session.ask("SELECT pg_sleep(0.3)");
            session.gives(&format!("SELECT pg_terminate_backend({pid}, 5000)"), "t");
            session.gives(&format!("SELECT count(*) FROM ext_memcheck.end_in({pid})"), "0");
            session.gives("SELECT value > 0 FROM ext_memcheck.window_stats() WHERE name = 'guarded'", "t");
            session.gives("SELECT value > 3 FROM ext_memcheck.window_stats() WHERE name = 'marks'", "t");
        }
        session.gives("SELECT pg_postmaster_start_time()", &since);
    });
}

#[test]
fn a_process_is_guarded_as_its_watcher_says_and_only_while_it_is_watched() {
    const BAD: &str = "SELECT accesses.read_freed_bad()";
    SHARED.each(|server| {
        let mut watcher = with_accesses(server);
        let mut session = Session::open(server);
        session.ask("SET pg_ext_memcheck.guard = off; SET pg_ext_memcheck.on_fault = report; LOAD 'accesses'");
        let pid = session.ask("SELECT pg_backend_pid()");
        let is_served = |answer: String| assert!(!answer.starts_with("XXMEM "), "{answer}");
        is_served(session.ask(BAD));
        watcher.ask("SET pg_ext_memcheck.guard = pages; SET pg_ext_memcheck.on_fault = error");
        watcher.ask(&format!("SELECT ext_memcheck.begin_in({pid})"));
        let during = session.ask(BAD);
        assert!(during.starts_with("XXMEM "), "{during}");
        watcher.gives(&format!("SELECT check_type FROM ext_memcheck.end_in({pid})"), "use_after_free");
        is_served(session.ask(BAD));
        // Without a guard nothing is found, and nothing ends.
        watcher.ask("SET pg_ext_memcheck.guard = off");
        let pid = watch(&mut watcher, "bad");
        watcher.ask("SELECT pg_sleep(0.3)");
        watcher.gives(&format!("SELECT count(*) FROM ext_memcheck.end_in({pid})"), "0");
        watcher.gives(&format!("SELECT pg_terminate_backend({pid}, 5000)"), "t");
    });
}

#[test]
fn where_all_places_are_taken_an_error_says_what_to_do() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let answer = session.ask(&run("use_after_reset", "SELECT 1", ", workers => 50"));
        assert_eq!(
            answer,
            "53400 no background worker can be started: all 10 of \"max_worker_processes\" are in use HINT: Run ALTER \
             SYSTEM SET max_worker_processes = 20; and restart the server, or try again when others have ended."
        );
        there_are(server, "0");
        session.gives(&run("use_after_reset", "SELECT 1", ", workers => 8"), DONE);
    });
}

#[test]
fn storms_find_what_is_kept_too_long() {
    SHARED.each(|server| {
        let mut session = with_accesses(server);
        session.ask("CREATE TABLE public.known (n int, t text)");
        let table = [
            ("context_reset_storm", "SELECT accesses.extra_TWIN('abc')", ""),
            ("context_reset_storm", "SELECT accesses.keyed_TWIN('abc')", ", reset_frequency => 3"),
            ("invalidation_storm", "SELECT accesses.closed_TWIN('public.known')", ""),
            ("invalidation_storm", "SELECT accesses.released_TWIN('int4')", ""),
            ("invalidation_storm", "SELECT accesses.opened_TWIN('public.known')", ""),
        ];
        for (scenario, workload, more) in table {
            for (twin, found) in [("bad", "1"), ("ok", "0"), ("decoy", "0")] {
                let workload = workload.replace("TWIN", twin);
                session.gives(&run(scenario, &workload, &format!(", iterations => 4 {more}")), DONE);
                let count = session.ask("SELECT count(*) FROM ext_memcheck.findings()");
                let all = session.ask("SELECT check_type, detail FROM ext_memcheck.findings()");
                assert_eq!(count, found, "{scenario} {workload}: {all}");
            }
        }
        // What the server's own tests do under debug_discard_caches.
        session.gives(
            &run(
                "invalidation_storm",
                "CREATE TABLE public.x (a int PRIMARY KEY, b text); INSERT INTO public.x SELECT i, i FROM \
                 generate_series(1, 100) i; ALTER TABLE public.x ADD c int DEFAULT 1; SELECT count(*) FROM public.x WHERE \
                 a > 5; DROP TABLE public.x",
                ", iterations => 3",
            ),
            DONE,
        );
        session.gives("SELECT count(*) FROM ext_memcheck.findings()", "0");
        session.ask("DROP TABLE public.known");
        there_are(server, "0");
    });
}

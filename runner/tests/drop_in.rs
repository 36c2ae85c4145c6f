//! The engine in place of the reference implementation: what its users call, and what they are told.

use std::sync::{Arc, Mutex};

use mcspec::server::Server;
use postgres::error::{DbError, ErrorPosition};

use crate::cluster::Session;
use crate::cluster::shared::Shared;

/// Its ring is small enough to overflow.
static SHARED: Shared =
    Shared::new(&["buggy_pg_ext", "mem_corpus"], &["buggy_pg_ext"], &["pg_ext_memcheck.ring_size = 16"]);

/// What the reference's version 0.1.0 has created, as its users call it.
#[test]
fn signatures_of_the_reference() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        // Name, arguments that can be left out, types and names of all of them, result, STRICT.
        for (name, left_out, arguments, result, strict) in [
            ("begin", 2, "text jsonb|ext_context_pattern options", "text", "f"),
            (
                "end",
                0,
                "|check_type severity detail ts source_lib",
                "TABLE(check_type text, severity text, detail text, ts timestamp with time zone, source_lib text)",
                "t",
            ),
            (
                "run_scenario",
                8,
                "text integer text text integer integer text text[] bigint|scenario_name iterations workload target workers reset_frequency memory_limit workloads seed",
                "text",
                "t",
            ),
            ("flush_violations", 0, "|", "integer", "t"),
        ] {
            session.gives(
                &format!(
                    "SELECT pronargdefaults, (SELECT string_agg(format_type(type, NULL), ' ' ORDER BY n)
                                                FROM unnest(proargtypes) WITH ORDINALITY arguments (type, n)),
                            array_to_string(proargnames, ' '), pg_get_function_result(oid), proisstrict, provolatile
                       FROM pg_proc WHERE oid = 'ext_memcheck.{name}'::regproc"
                ),
                &format!("{left_out}|{arguments}|{result}|{strict}|v"),
            );
        }
        session.gives("SELECT ext_memcheck.clear_violations()", "");
        session.gives(
            "SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = 'ext_memcheck.scenarios'::regclass",
            "name text, description text",
        );
        session.gives(
            "SELECT pg_get_serial_sequence('ext_memcheck.violation_log', 'id'), string_agg(attname || ' ' ||
                    pg_get_expr(adbin, adrelid), ', ' ORDER BY attnum)
               FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
              WHERE adrelid = 'ext_memcheck.violation_log'::regclass",
            "ext_memcheck.violation_log_id_seq|id nextval('ext_memcheck.violation_log_id_seq'::regclass), ts now(), \
             source_lib ''::text",
        );
    });
}

#[test]
fn parameters_of_the_reference() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.gives(
            "SELECT name, setting, unit, vartype, context, min_val, max_val, enumvals FROM pg_settings
              WHERE name ~ '^pg_ext_memcheck.(memcheck_mode|min_leak_bytes|bloat_min_bytes)$' ORDER BY name",
            "pg_ext_memcheck.bloat_min_bytes|8192|B|integer|user|0|2147483647|\n\
             pg_ext_memcheck.memcheck_mode|none||enum|user|||{all,executor,none}\n\
             pg_ext_memcheck.min_leak_bytes|8192|B|integer|user|0|2147483647|",
        );
        for name in ["min_leak_bytes", "bloat_min_bytes"] {
            let name = format!("pg_ext_memcheck.{name}");
            for (value, shown) in
                [("'16kB'", "16kB"), ("1000", "1000B"), ("0", "0"), ("'1MB'", "1MB"), ("DEFAULT", "8kB")]
            {
                session.gives(&format!("SET {name} = {value}"), "");
                session.gives(&format!("SHOW {name}"), shown);
            }
            let refused = session.ask(&format!("SET {name} = '1 furlong'"));
            assert!(refused.starts_with(&format!("22023 invalid value for parameter \"{name}\"")), "{refused}");
            assert!(refused.contains("Valid units for this parameter are \"B\", \"kB\""), "{refused}");
        }
        // A number of entries is no size.
        session.gives("SHOW pg_ext_memcheck.ring_size", "16");
    });
}

/// A session, and what it is told: severity, message and hint.
fn told(server: &Server) -> (Session, impl Fn() -> Vec<String>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let client = server.connect_with("postgres", "", move |notice| {
        let hint = notice.hint().map(|hint| format!(" HINT: {hint}")).unwrap_or_default();
        hear.lock().expect("no panic").push(format!("{}: {}{hint}", notice.severity(), notice.message()));
    });
    let take = move || std::mem::take(&mut *heard.lock().expect("no panic"));
    (Session { client: client.expect("connected") }, take)
}

const STARTED: &str = "Memory check session started.";
const DONE: &str =
    "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations.";

/// What was asked for is said first, whatever comes of it.
#[test]
fn a_call_is_announced_before_it_is_refused() {
    SHARED.each(|server| {
        let (mut session, told) = told(server);
        for (arguments, name, iterations, workload, answer) in [
            ("'growth_benchmark', 3", "growth_benchmark", 3, "SELECT 1", DONE),
            ("'growth_benchmark', 0", "growth_benchmark", 0, "SELECT 1", "22023 Iterations must be a positive integer"),
            ("'tx_abort_loop', -7, 'x'", "tx_abort_loop", -7, "x", "22023 Iterations must be a positive integer"),
            (
                "'no such'",
                "no such",
                100,
                "SELECT 1",
                "22023 Unknown scenario: no such HINT: See the view ext_memcheck.scenarios for those that this version \
                 can run.",
            ),
            (
                "'wrong_context_probe', target => 'pg_backend_pid', iterations => 2",
                "wrong_context_probe",
                2,
                "SELECT pg_backend_pid()",
                DONE,
            ),
        ] {
            session.gives(&format!("SELECT ext_memcheck.run_scenario({arguments})"), answer);
            let expected = [
                format!("INFO: Running memory check scenario: {name}"),
                format!("INFO: Iterations: {iterations}"),
                format!("INFO: Workload: {workload}"),
            ];
            assert_eq!(told(), expected, "{arguments}");
        }
        // STRICT: nothing is run, and nothing is said.
        for arguments in ["NULL", "'growth_benchmark', NULL", "'growth_benchmark', 1, NULL", "NULL, -1, 'x'"] {
            session.gives(&format!("SELECT ext_memcheck.run_scenario({arguments}) IS NULL"), "t");
            assert_eq!(told(), [""; 0], "{arguments}");
        }
    });
}

#[test]
fn arguments_of_some_scenarios() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        for (arguments, expected) in [
            ("workers => 0", "22023 workers must be a positive integer"),
            ("workers => -4", "22023 workers must be a positive integer"),
            ("reset_frequency => 0", "22023 reset_frequency must be a positive integer"),
            (
                "workers => 4",
                "22023 scenario growth_benchmark has no workers HINT: It is an argument of context_reset_storm, use_after_reset, oom_simulation, concurrent_backends, invalidation_storm, cancel_storm.",
            ),
            (
                "reset_frequency => 1",
                "22023 scenario growth_benchmark has no reset_frequency HINT: It is an argument of context_reset_storm.",
            ),
            ("workers => -1, reset_frequency => -1", DONE),
        ] {
            session.gives(&format!("SELECT ext_memcheck.run_scenario('growth_benchmark', 1, {arguments})"), expected);
        }
    });
}

/// A second `begin()` starts anew, and loses nothing.
#[test]
fn a_window_takes_the_place_of_another() {
    SHARED.each(|server| {
        let (mut session, told) = told(server);
        session.ask("SELECT ext_memcheck.flush_violations()");
        session.ask("SELECT ext_memcheck.clear_violations()");
        told();
        session.gives("SELECT ext_memcheck.begin('Buggy%')", "Memory check session started.");
        session.ask("SELECT count(*) FROM pg_class");
        let options = r#"{"allowed_contexts": ["TopMemoryContext"], "track_shmem": true, "track_dsm": true}"#;
        session.gives(&format!("SELECT ext_memcheck.begin('Other%', '{options}')"), "Memory check session started.");
        session.gives("SHOW pg_ext_memcheck.memcheck_mode", "all");
        session.gives("SELECT * FROM ext_memcheck.end()", "");
        assert_eq!(
            told(),
            [
                "INFO: Memory check session started: pattern='Buggy%', allowed_contexts=0",
                "NOTICE: the check window that was open is closed",
                "INFO: Memory check session started: pattern='Other%', allowed_contexts=1",
                "INFO: Memory check session ended.",
            ]
        );
        session.gives("SELECT ext_memcheck.flush_violations()", "1");
        session.gives("SELECT check_type FROM ext_memcheck.violation_log", "context_leak");
        session.ask("SELECT ext_memcheck.clear_violations()");
        // One that cannot be opened leaves the other one alone.
        session.ask("SELECT ext_memcheck.begin('Buggy%')");
        session.gives("SELECT ext_memcheck.begin('x', '[]')", "22023 options must be a JSON object");
        session.gives("SELECT ext_memcheck.mark(1)", "");
        session.ask("SELECT * FROM ext_memcheck.end()");
    });
}

/// A session that was told to check nothing any more ends without a word.
#[test]
fn what_is_left_open_and_off_is_not_reported() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("SELECT ext_memcheck.flush_violations()");
        session.ask("SET pg_ext_memcheck.trace = off");
        session.ask("SELECT ext_memcheck.begin('')");
        session.gives("SELECT ext_memcheck.run_scenario('growth_benchmark', 5, 'SELECT 1')", DONE);
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.ask("SELECT ext_memcheck.flush_violations()");
        session.ask("SELECT relname FROM pg_class ORDER BY relname");
        let pid = session.ask("SELECT pg_backend_pid()");
        drop(session);
        let mut other = Session::open(server);
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        crate::cluster::eventually("the session has ended", || other.ask(&gone) == "0");
        other.gives("SELECT ext_memcheck.flush_violations()", "0");
        other.ask("SELECT ext_memcheck.clear_violations()");
    });
}

/// What a statement fails with, of which pgrx keeps half.
fn error(session: &mut Session, sql: &str) -> DbError {
    let error = session.client.simple_query(sql).expect_err("an ERROR");
    error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error}")).clone()
}

/// An ERROR of the workload is the server's, with all that the server says about it.
#[test]
fn errors_of_the_workload() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE TEMP TABLE pairs (i int CONSTRAINT only_once PRIMARY KEY)");
        session.ask("CREATE FUNCTION pg_temp.fails() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1 / 0; END$$");
        for scenario in ["growth_benchmark", "tx_abort_loop", "wrong_context_probe"] {
            let mut run = |workload: &str| {
                error(&mut session, &format!("SELECT ext_memcheck.run_scenario('{scenario}', 2, $x${workload}$x$)"))
            };
            let unknown = run("SELECT 1, nosuch FROM pairs");
            assert_eq!((unknown.code().code(), unknown.message()), ("42703", "column \"nosuch\" does not exist"));
            assert_eq!(
                unknown.position(),
                Some(&ErrorPosition::Internal { position: 11, query: "SELECT 1, nosuch FROM pairs".to_owned() })
            );
            assert_eq!((unknown.detail(), unknown.hint()), (None, None));

            let syntax = run("selec 1");
            assert_eq!(syntax.code().code(), "42601");
            assert!(matches!(syntax.position(), Some(ErrorPosition::Internal { position: 1, .. })), "{syntax:?}");

            let twice = run("INSERT INTO pairs VALUES (1), (1)");
            assert_eq!(
                (twice.code().code(), twice.constraint(), twice.table()),
                ("23505", Some("only_once"), Some("pairs"))
            );
            assert_eq!(twice.detail(), Some("Key (i)=(1) already exists."));
            assert_eq!(twice.where_(), Some("SQL statement \"INSERT INTO pairs VALUES (1), (1)\""));

            let inside = run("SELECT pg_temp.fails()");
            let context = inside.where_().unwrap_or_default();
            assert_eq!((inside.code().code(), inside.detail()), ("22012", None));
            assert!(context.contains("\nPL/pgSQL function pg_temp"), "{context}");
            assert_eq!(context.lines().last(), Some("SQL statement \"SELECT pg_temp.fails()\""));
            assert!(inside.file().is_some_and(|file| file.ends_with("int.c")), "{inside:?}");
        }
        // It can be caught, and the session goes on.
        session.gives(
            "DO $$ BEGIN PERFORM ext_memcheck.run_scenario('tx_abort_loop', 2, 'SELECT 1/0');
                   EXCEPTION WHEN division_by_zero THEN NULL; END $$",
            "",
        );
        session.gives("SELECT ext_memcheck.run_scenario('tx_abort_loop', 2)", DONE);
        session.ask("SELECT * FROM ext_memcheck.end()");
    });
}

/// So is one of a statement of the engine's own, and of a cancelled call.
#[test]
fn errors_of_other_calls() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        session.ask("SELECT count(*) FROM pg_class");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.ask("BEGIN READ ONLY");
        let read_only = error(&mut session, "SELECT ext_memcheck.flush_violations()");
        assert_eq!(read_only.code().code(), "25006");
        let context = read_only.where_().unwrap_or_default();
        assert!(context.starts_with("SQL statement \"INSERT INTO ext_memcheck.violation_log"), "{context}");
        session.ask("ROLLBACK");
        session.ask("SELECT ext_memcheck.flush_violations()");
        session.ask("SELECT ext_memcheck.clear_violations()");

        session.ask("SET statement_timeout = 100");
        let cancelled = error(
            &mut session,
            "SELECT ext_memcheck.run_scenario('growth_benchmark', 2000000000, 'SELECT pg_sleep(0.01)')",
        );
        assert_eq!((cancelled.code().code(), cancelled.detail()), ("57014", None));
        session.ask("RESET statement_timeout");
        for call in [
            "begin('', '[]')",
            "mark(1)",
            "run_scenario('x')",
            "run_scenario('growth_benchmark', 1, 'COMMIT')",
            "begin_in(1)",
            "live_allocations(1)",
        ] {
            let refused = error(&mut session, &format!("SELECT ext_memcheck.{call}"));
            assert_eq!(refused.detail(), None, "{call}");
            assert_ne!(refused.code().code(), "XX000", "{call}");
        }
    });
}

/// As LIKE itself says it.
#[test]
fn a_pattern_that_ends_in_an_escape() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let expected = "22025 LIKE pattern must not end with escape character";
        session.gives(r"SELECT 'abcd' LIKE 'abc\'", expected);
        let other = Session::open(server).ask("SELECT pg_backend_pid()");
        for call in [
            r"begin('abc\')".to_owned(),
            r#"begin('', '{"watch": ["x\\"]}')"#.to_owned(),
            r#"begin('', '{"allowed_contexts": ["fine", "x\\"]}')"#.to_owned(),
            format!(r"begin_in({other}, 'abc\')"),
            format!(r#"begin_in({other}, '', '{{"targets": ["x\\"]}}')"#),
        ] {
            session.gives(&format!("SELECT ext_memcheck.{call}"), expected);
        }
        session.gives(r"SELECT ext_memcheck.begin('abc\\')", "Memory check session started.");
        session.ask("SELECT ext_memcheck.end()");
    });
}

#[test]
fn hints_name_the_options_that_there_are() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let both = "\"allowed_contexts\", \"watch\", \"scenario\", \"phase\", \"track_shmem\"";
        for (call, expected) in [
            (
                "begin('', '{\"stacks\": true}')",
                format!("\"stacks\" HINT: Options are \"growth\", {both} and \"track_dsm\"."),
            ),
            (
                "begin_in(1, '', '{\"stack\": true}')",
                format!("\"stack\" HINT: Options are {both}, \"track_dsm\", \"targets\" and \"stacks\"."),
            ),
        ] {
            session.gives(&format!("SELECT ext_memcheck.{call}"), &format!("22023 unrecognized option {expected}"));
        }
        session.gives(
            "SELECT ext_memcheck.begin_in(1, '', '{\"phase\": \"commit\"}')",
            "22023 unknown phase \"commit\" HINT: Phases are \"rollback\", \"savepoint\" and \"error\".",
        );
    });
}

/// Each violation that was lost is told of once.
#[test]
fn an_overflow_is_told_of_once() {
    SHARED.each(|server| {
        let (mut session, told) = told(server);
        let warning = |said: &[String]| said.iter().filter(|said| said.starts_with("WARNING: ")).cloned().collect::<Vec<_>>();
        session.ask("SELECT ext_memcheck.flush_violations()");
        for _ in 0..2 {
            session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
            for _ in 0..10 {
                session.ask("SELECT count(*) FROM pg_class");
            }
            session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
            told();
            session.gives("SELECT ext_memcheck.flush_violations()", "16");
            let said = warning(&told());
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].ends_with(
                " violations were lost: the ring was full, or there was no memory for them HINT: Flush more often, or raise pg_ext_memcheck.ring_size."
            ));
            session.gives("SELECT ext_memcheck.flush_violations()", "0");
            assert_eq!(warning(&told()), [""; 0]);
        }
        session.ask("SELECT ext_memcheck.clear_violations()");
    });
}

/// What a call of `run_scenario()` on one library finds.
fn found_by(session: &mut Session, arguments: &str) -> String {
    session.ask("CREATE EXTENSION IF NOT EXISTS mem_corpus");
    session.ask("LOAD 'mem_corpus'");
    session.ask("SET pg_ext_memcheck.targets = 'mem_corpus'");
    session.gives("SELECT ext_memcheck.begin('')", "Memory check session started.");
    session.gives(&format!("SELECT ext_memcheck.run_scenario({arguments})"), DONE);
    session.ask("SELECT * FROM ext_memcheck.end()");
    session.ask(
        "SELECT check_type, subject, phase, shape, source_lib, site_symbol FROM ext_memcheck.findings()
          ORDER BY check_type, subject, phase",
    )
}

#[test]
fn portals_and_plans_in_one_call() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("SET client_min_messages = warning");
        for (workload, expected) in [
            (
                "SELECT mem_corpus.d21_bad('SELECT 1')",
                "context_leak|TopPortalContext/PortalContext||linear|mem_corpus|d21_bad",
            ),
            ("SELECT mem_corpus.d21_ok('SELECT 1')", ""),
            (
                "SELECT mem_corpus.d14_bad('SELECT 1')",
                "context_leak|CacheMemoryContext/SPI Plan||linear|mem_corpus|d14_bad",
            ),
            ("SELECT mem_corpus.d14_ok('SELECT 1')", ""),
            // No portal and no plan.
            ("SELECT mem_corpus.d01_bad(1000)", ""),
            ("SELECT 1", ""),
        ] {
            let found = found_by(&mut session, &format!("'cursor_leak', 50, $x${workload}$x$"));
            assert_eq!(found, expected, "{workload}");
        }
    });
}

#[test]
fn a_ladder_in_one_call() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let over = |function: &str| {
            format!("SELECT length(mem_corpus.{function}(md5(g::text))) FROM generate_series(1, :rows) g")
        };
        let bad = found_by(&mut session, &format!("'query_peak', 1, $x${}$x$", over("d08_bad")));
        assert!(bad.starts_with("query_bloat|") && bad.contains("|superlinear|mem_corpus|d08_bad"), "{bad}");
        assert_eq!(bad.lines().count(), 1, "{bad}");
        assert_eq!(found_by(&mut session, &format!("'query_peak', 2, $x${}$x$", over("d08_ok"))), "");
        let decoy = "SELECT length(mem_corpus.d08_bad(md5(g::text))) FROM generate_series(:rows, :rows) g";
        assert_eq!(found_by(&mut session, &format!("'query_peak', 1, $x${decoy}$x$")), "");

        // Without a window as well.
        session.gives(&format!("SELECT ext_memcheck.run_scenario('query_peak', 1, $x${}$x$)", over("d08_bad")), DONE);
        session.gives("SELECT check_type, source_lib FROM ext_memcheck.end()", "query_bloat|mem_corpus");

        for (set, workload, expected) in [
            (
                "RESET pg_ext_memcheck.trace",
                "SELECT 1 -- :rows",
                "22023 the workload is the same at every number of rows HINT: Put \":rows\" where the workload says how many \
                 rows there are.",
            ),
            (
                "SET pg_ext_memcheck.trace = off",
                "SELECT :rows",
                "55000 scenario query_peak needs libraries whose allocations are traced HINT: Set pg_ext_memcheck.trace to \
                 windows or on.",
            ),
            ("RESET pg_ext_memcheck.trace", "SELECT :rows / 0", "22012 division by zero"),
        ] {
            session.ask(set);
            session.gives(&format!("SELECT ext_memcheck.run_scenario('query_peak', 1, '{workload}')"), expected);
        }
    });
}

/// Each way of undoing the workload that there is inside a transaction.
#[test]
fn ways_of_undoing_in_one_call() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE TABLE undone (i int PRIMARY KEY)");
        let lost = "context_leak|TopMemoryContext||linear|mem_corpus|d01_bad";
        let found = found_by(&mut session, "'tx_abort_loop', 50, 'SELECT mem_corpus.d01_bad(1000)'");
        assert_eq!(found, lost);
        let found = found_by(&mut session, "'tx_abort_loop', 50, 'SELECT mem_corpus.d01_ok(1000)'");
        assert_eq!(found, "");
        // It is undone in both ways, and the transaction goes on.
        let found = found_by(&mut session, "'tx_abort_loop', 20, 'INSERT INTO undone VALUES (1)'");
        assert_eq!(found, "");
        session.gives("SELECT count(*) FROM undone", "0");
        for phase in ["savepoint", "error"] {
            session.gives(&format!("SELECT ext_memcheck.begin('', '{{\"phase\": \"{phase}\"}}')"), STARTED);
            session.gives(
                "SELECT ext_memcheck.run_scenario('tx_abort_loop', 50, 'SELECT mem_corpus.d01_bad(1000)')",
                DONE,
            );
            session.ask("SELECT ext_memcheck.end()");
            session.gives("SELECT check_type, bytes, iterations FROM ext_memcheck.findings()", "context_leak|49000|50");
        }
        session.ask("DROP TABLE undone");
    });
}

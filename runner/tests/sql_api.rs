//! The engine's SQL interface on a real server: texts, errors, the ring, and what stays behind.

use mcspec::config::{Build, ExtensionSource};
use mcspec::server::{Server, ServerOptions, Stage};
use memcheck_core::ScenarioKind;
use memcheck_core::options::scenarios_are;

use crate::cluster::shared::Shared;
use crate::cluster::{Session, eventually};

/// Its ring is small enough to overflow.
static SHARED: Shared = Shared::new(&["buggy_pg_ext"], &["buggy_pg_ext"], &["pg_ext_memcheck.ring_size = 16"]);

#[test]
fn signatures() {
    SHARED.each(|server| {
    let mut session = Session::open(server);
    session.gives(
        "SELECT proname, pg_get_function_arguments(oid), pg_get_function_result(oid) FROM pg_proc
          WHERE pronamespace = 'ext_memcheck'::regnamespace
            AND proname IN ('begin', 'end', 'mark', 'run_scenario', 'flush_violations', 'clear_violations',
                            'live_allocations', 'backend_contexts', 'catcache_stats', 'begin_in', 'end_in',
                            'look_at', 'window_targets', 'window_contexts', 'register_shmem_probe', 'probe_check',
                            'clear_shmem_registry', 'track_dsm_handle', 'dsm_tracking', 'clear_dsm_tracking',
                            'worker_iterations')
          ORDER BY proname",
        "backend_contexts|pid integer|TABLE(path text[], name text, ident text, level integer, used_bytes bigint, \
         allocated_bytes bigint, free_bytes bigint, blocks bigint)\n\
         begin|ext_context_pattern text DEFAULT ''::text, options jsonb DEFAULT NULL::jsonb|text\n\
         begin_in|pid integer, ext_context_pattern text DEFAULT ''::text, options jsonb DEFAULT NULL::jsonb|text\n\
         catcache_stats||TABLE(cache_id integer, relation text, index text, tuples integer, negative integer, bytes \
         bigint)\n\
         clear_dsm_tracking||void\n\
         clear_shmem_registry||void\n\
         clear_violations||void\n\
         dsm_tracking||TABLE(segid bigint, backend_pid integer, attach_at timestamp with time zone, size_bytes bigint, detached \
         boolean)\n\
         end||TABLE(check_type text, severity text, detail text, ts timestamp with time zone, source_lib text)\n\
         end_in|pid integer|TABLE(check_type text, severity text, detail text, ts timestamp with time zone, source_lib \
         text)\n\
         flush_violations||integer\n\
         live_allocations|pid integer DEFAULT pg_backend_pid()|TABLE(source_lib text, site_symbol text, site_offset \
         bigint, build_id text, context_path text[], allocations bigint, bytes bigint, stack jsonb)\n\
         look_at|pid integer|boolean\n\
         mark|iteration bigint|void\n\
         probe_check|seg_name text|boolean\n\
         register_shmem_probe|seg_name text, allocated_size bigint|text\n\
         run_scenario|scenario_name text, iterations integer DEFAULT 100, workload text DEFAULT 'SELECT 1'::text, \
         target text DEFAULT ''::text, workers integer DEFAULT '-1'::integer, reset_frequency integer DEFAULT \
         '-1'::integer, memory_limit text DEFAULT ''::text, workloads text[] DEFAULT '{}'::text[], seed bigint DEFAULT 1|text\n\
         track_dsm_handle|handle bigint|text\n\
         window_contexts||TABLE(context_path text[], bytes_before bigint, bytes_after bigint, contexts_before bigint, \
         contexts_after bigint)\n\
         window_targets||TABLE(target text, library text, loaded boolean)\n\
         worker_iterations||TABLE(worker integer, iteration bigint, began_at timestamp with time zone, ended_at timestamp \
         with time zone)",
    );
    session.gives(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, NULL) || CASE WHEN attnotnull THEN ' not null' ELSE '' END,
                ', ' ORDER BY attnum)
           FROM pg_attribute WHERE attrelid = 'ext_memcheck.violation_log'::regclass AND attnum > 0",
        "id integer not null, ts timestamp with time zone not null, backend_pid integer not null, check_type text not \
         null, severity text not null, detail text not null, source_lib text not null",
    );
    session.gives(
        "SELECT name, description FROM ext_memcheck.scenarios",
        "growth_benchmark|growth of each context at log-spaced checkpoints\n\
         tx_abort_loop|what the workload leaves behind when it is rolled back to a savepoint, and when an error undoes it\n\
         wrong_context_probe|allocations in contexts that live as long as the backend\n\
         query_peak|peak memory that grows with the number of rows, which the workload has as :rows\n\
         shmem_sentinel_probe|writes past the end of shared memory segments\n\
         dsm_lifecycle_check|dynamic shared memory that stays mapped, and that is there after the session has ended\n\
         context_reset_storm|pointers kept across resets of the calling context\n\
         use_after_reset|accesses to memory that was freed or never allocated\n\
         oom_simulation|failed allocations that crash, leak, corrupt or wedge the session\n\
         concurrent_backends|what grows, is overrun, or stands still where sessions work side by side\n\
         cursor_leak|portals and plans that pile up\n\
         invalidation_storm|pointers kept into the relation cache or a system cache\n\
         cancel_storm|what a cancelled workload leaves, and sessions that do not answer any more",
    );
    session.gives("SHOW pg_ext_memcheck.memcheck_mode", "none");
    session.gives("SHOW pg_ext_memcheck.min_leak_bytes", "8kB");
    session.gives("SHOW pg_ext_memcheck.bloat_min_bytes", "8kB");
    });
}

#[test]
fn arguments_and_errors() {
    SHARED.each(|server| {
    let mut session = Session::open(server);
    let long = "x".repeat(64);
    for (sql, expected) in [
        ("SELECT ext_memcheck.mark(1)", "55000 no check window is open HINT: Open one with ext_memcheck.begin()."),
        (&format!("SELECT ext_memcheck.begin('{long}')"), "22023 ext_context_pattern too long (max 63 characters)"),
        ("SELECT ext_memcheck.begin('', '[]')", "22023 options must be a JSON object"),
        (
            "SELECT ext_memcheck.begin('', '{\"allowed\": []}')",
            "22023 unrecognized option \"allowed\" HINT: Options are \"growth\", \"allowed_contexts\", \"watch\", \"scenario\", \
             \"phase\", \"track_shmem\" and \"track_dsm\".",
        ),
        (
            "SELECT ext_memcheck.begin('', '{\"allowed_contexts\": \"x\"}')",
            "22023 option \"allowed_contexts\" must be an array of strings",
        ),
        ("SELECT ext_memcheck.begin('', '{\"track_dsm\": 1}')", "22023 option \"track_dsm\" must be true or false"),
        (
            "SELECT ext_memcheck.begin('', '{\"scenario\": \"x\"}')",
            &format!("22023 unknown scenario \"x\" HINT: {}", scenarios_are(|_| true)),
        ),
        ("SET pg_ext_memcheck.trace = off", ""),
        (
            "SELECT ext_memcheck.begin('', '{\"scenario\": \"query_peak\"}')",
            "55000 scenario query_peak needs libraries whose allocations are traced HINT: Set pg_ext_memcheck.trace to \
             windows or on.",
        ),
        ("RESET pg_ext_memcheck.trace", ""),
        (
            "SELECT ext_memcheck.run_scenario('x')",
            "22023 Unknown scenario: x HINT: See the view ext_memcheck.scenarios for those that this version can run.",
        ),
        ("SELECT ext_memcheck.run_scenario('growth_benchmark', 0)", "22023 Iterations must be a positive integer"),
        ("SELECT ext_memcheck.run_scenario('growth_benchmark', -1)", "22023 Iterations must be a positive integer"),
        (
            "SELECT ext_memcheck.run_scenario('growth_benchmark', 1, 'selec 1')",
            "42601 syntax error at or near \"selec\"",
        ),
        (
            "SELECT ext_memcheck.run_scenario('growth_benchmark', 1, 'COMMIT')",
            "0A000 workload cannot be run inside a function: SPI_ERROR_TRANSACTION HINT: Transaction commands and COPY \
             need a client: open a window with ext_memcheck.begin() and send them yourself.",
        ),
        // None of them has left a window open or the mode switched on.
        ("SHOW pg_ext_memcheck.memcheck_mode", "none"),
        ("SELECT ext_memcheck.mark(1)", "55000 no check window is open HINT: Open one with ext_memcheck.begin()."),
        ("SELECT ext_memcheck.begin()", "Memory check session started."),
        ("SHOW pg_ext_memcheck.memcheck_mode", "all"),
        ("SELECT ext_memcheck.mark(-1)", "22023 iteration must not be negative: -1"),
        ("SELECT ext_memcheck.mark(5)", ""),
        ("SELECT ext_memcheck.mark(5)", "22023 iteration 5 is not after the last mark, at iteration 5"),
        ("SELECT count(*) >= 0 FROM ext_memcheck.end()", "t"),
        ("SHOW pg_ext_memcheck.memcheck_mode", "none"),
        ("SELECT * FROM ext_memcheck.end()", ""),
    ] {
        session.gives(sql, expected);
    }
    // An explicit mode is left alone by begin().
    session.ask("SET pg_ext_memcheck.memcheck_mode = 'executor'");
    session.ask("SELECT ext_memcheck.begin()");
    session.gives("SHOW pg_ext_memcheck.memcheck_mode", "executor");
    session.ask("SELECT ext_memcheck.end()");
    });
}

#[test]
fn a_refused_mark_is_not_counted() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("SELECT ext_memcheck.begin()");
        session.gives("SELECT ext_memcheck.mark(5)", "");
        session.gives("SELECT ext_memcheck.mark(3)", "22023 iteration 3 is not after the last mark, at iteration 5");
        session.gives("SELECT ext_memcheck.mark(-1)", "22023 iteration must not be negative: -1");
        session.ask("SELECT ext_memcheck.end()");
        session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'marks'", "1");
    });
}

#[test]
fn a_window_can_be_opened_for_each_scenario() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("SET pg_ext_memcheck.targets = 'buggy_pg_ext'");
        session.ask("SET pg_ext_memcheck.trace = on");
        session.gives(
            "SELECT ext_memcheck.begin('', '{\"scenario\": \"use_after_reset\"}')",
            "55000 scenario use_after_reset needs allocations that are guarded by pages HINT: SET pg_ext_memcheck.guard = pages;",
        );
        session.ask("SET pg_ext_memcheck.guard = pages");
        for scenario in ScenarioKind::ALL {
            let begin = format!("SELECT ext_memcheck.begin('', '{{\"scenario\": \"{scenario}\"}}')");
            session.gives(&begin, "Memory check session started.");
            session.ask("SELECT ext_memcheck.end()");
        }
    });
}

/// What all sessions have found since the last call, for the contexts that the subject leaks into and without figures.
///
/// Asked by a session of its own: for one under check these would be statements like any other.
fn logged(server: &Server) -> String {
    let mut session = Session::open(server);
    session.ask("SELECT ext_memcheck.flush_violations()");
    let rows = session.ask(
        "SELECT check_type, severity, substring(detail FROM '^context ''([^'']*)''') FROM ext_memcheck.violation_log
          WHERE detail ~ 'TopMemoryContext|Buggy' ORDER BY id",
    );
    session.ask("SELECT ext_memcheck.clear_violations()");
    rows
}

#[test]
fn statements_without_a_window() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let pid = session.ask("SELECT pg_backend_pid()");
        let is_idle = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'idle'");
        session.ask("SELECT count(*) FROM pg_class");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        for _ in 0..3 {
            session.ask("SELECT count(*) FROM pg_class");
        }
        logged(server);

        let both = "wrong_ctx_alloc|WARNING|TopMemoryContext\ncontext_leak|INFO|BuggyPlannerLeakCtx\n\
                context_leak|INFO|TopMemoryContext";
        session.ask("SELECT count(*) FROM pg_class");
        assert_eq!(logged(server), both);
        assert_eq!(logged(server), "", "a second flush finds nothing");

        // A statement that fails after the hooks have run, and one inside a transaction that is rolled back.
        session.ask("SELECT 1 / (count(*) - count(*)) FROM pg_class");
        // The client hears of the error before the transaction is aborted.
        eventually("the transaction is aborted", || Session::open(server).ask(&is_idle) == "1");
        let after_error = logged(server);
        assert!(after_error.contains("context_leak|INFO|TopMemoryContext"), "{after_error}");
        session.ask("BEGIN");
        session.ask("SELECT count(*) FROM pg_class");
        session.ask("ROLLBACK");
        let rolled_back = logged(server);
        assert!(rolled_back.contains("context_leak|INFO|TopMemoryContext"), "{rolled_back}");

        // A prepared statement is planned the first time; a statement nested in another one belongs to that.
        session.ask("PREPARE p AS SELECT count(*) FROM pg_class");
        logged(server);
        session.ask("EXECUTE p");
        let executed = logged(server);
        assert!(executed.contains("context_leak|INFO|TopMemoryContext"), "{executed}");

        session.ask("SET pg_ext_memcheck.memcheck_mode = 'executor'");
        session.ask("SELECT count(*) FROM pg_class");
        assert_eq!(
            logged(server),
            "wrong_ctx_alloc|WARNING|TopMemoryContext\ncontext_leak|INFO|TopMemoryContext",
            "the planner is not looked at"
        );

        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.ask("SELECT count(*) FROM pg_class");
        assert_eq!(logged(server), "");
    });
}

#[test]
fn windows() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let end = "SELECT check_type, severity, substring(detail FROM '^context ''([^'']*)''') FROM ext_memcheck.end()";
        for _ in 0..3 {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask("SELECT count(*) FROM pg_class");
            session.ask(end);
        }
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT count(*) FROM pg_class");
        session.gives(
            end,
            "wrong_ctx_alloc|WARNING|TopMemoryContext\ncontext_leak|INFO|BuggyPlannerLeakCtx\n\
         context_leak|INFO|TopMemoryContext",
        );
        session.gives(end, "");

        session.ask("SELECT ext_memcheck.begin('Buggy%')");
        session.ask("SELECT count(*) FROM pg_class");
        session.gives(end, "context_leak|INFO|BuggyPlannerLeakCtx");

        session.ask("SELECT ext_memcheck.begin('', '{\"allowed_contexts\": [\"TopMemoryContext\"]}')");
        session.ask("SELECT count(*) FROM pg_class");
        session.gives(end, "context_leak|INFO|BuggyPlannerLeakCtx\ncontext_leak|INFO|TopMemoryContext");

        // A window does not end with a transaction that is rolled back.
        session.ask("BEGIN");
        session.ask("SELECT ext_memcheck.begin('Buggy%')");
        session.ask("ROLLBACK");
        session.ask("SELECT count(*) FROM pg_class");
        session.gives(end, "context_leak|INFO|BuggyPlannerLeakCtx");

        // Typed rows of the same window.
        session.gives(
        "SELECT check_type, severity, context_path, subject, objects, iterations, objects_per_iter, shape, source_lib
           FROM ext_memcheck.findings()",
        "context_leak|INFO|{MessageContext,BuggyPlannerLeakCtx}|MessageContext/BuggyPlannerLeakCtx|1|0|1||buggy_pg_ext",
    );
        session.gives(
        "SELECT string_agg(name, ' ' ORDER BY name) FROM ext_memcheck.window_stats()",
        "cancelled context_paths contexts failed fallbacks guarded inconsistencies leftover_contexts live_allocations mapped_bytes marks marks_refused \
         not_cancelled not_failed not_recorded not_tried out_of_memory overlapping ring_entries ring_size segments_guarded segments_unguarded statements traced violations_lost violations_lost_total \
         workers_not_heard workers_not_traced",
    );

        // flush_violations() takes what the open window has found so far.
        session.ask("SELECT ext_memcheck.begin('Buggy%')");
        session.ask("SELECT count(*) FROM pg_class");
        session.gives("SELECT ext_memcheck.flush_violations()", "1");
        session.gives("SELECT check_type FROM ext_memcheck.violation_log", "context_leak");
        session.gives("SELECT count(*) FROM ext_memcheck.end() WHERE check_type <> 'context_leak'", "0");
    });
}

#[test]
fn scenarios() {
    SHARED.each(|server| {
    let mut session = Session::open(server);
    let run = "SELECT ext_memcheck.run_scenario(scenario_name := 'growth_benchmark', iterations := 1000,
                                                workload := 'SELECT count(*) FROM pg_class;')";
    let end =
        "SELECT check_type, severity, substring(detail FROM '^(?:new )?context ''([^'']*)''') FROM ext_memcheck.end()";
    let done = "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations.";
    // The session has to be warm: without tracing nothing tells what the server itself looks up for the first time.
    session.ask("SELECT count(*) FROM pg_class");
    session.ask(end);
    session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
    session.ask("SELECT ext_memcheck.begin('')");
    session.gives(run, done);
    session.gives(
        end,
        "context_leak|ERROR|BuggyPlannerLeakCtx\nctx_bloat|ERROR|TopMemoryContext\nwrong_ctx_alloc|WARNING|TopMemoryContext",
    );
    // Without a window the rows wait in the ring for end().
    session.gives("SELECT ext_memcheck.run_scenario('tx_abort_loop', 100, 'SELECT count(*) FROM pg_class')", done);
    session.gives(end, "context_leak|ERROR|BuggyPlannerLeakCtx\ncontext_leak|WARNING|TopMemoryContext");
    session.gives("SELECT ext_memcheck.run_scenario('wrong_context_probe', 50, 'SELECT count(*) FROM pg_class')", done);
    session.gives(end, "wrong_ctx_alloc|WARNING|TopMemoryContext");
    // Any SQL: several statements, DDL, DO, and the short form for a function.
    session.ask("SELECT ext_memcheck.begin('Nothing of this name')");
    session.gives(
        "SELECT ext_memcheck.run_scenario('growth_benchmark', 20,
            'CREATE TEMP TABLE t (i int); INSERT INTO t VALUES (1); DO $$ BEGIN PERFORM * FROM t; END $$; DROP TABLE t')",
        done,
    );
    session.gives("SELECT ext_memcheck.run_scenario('growth_benchmark', 20, target => 'pg_backend_pid')", done);
    session.gives(end, "");
    // An error in the workload leaves nothing switched on that was not before.
    session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
    session.gives("SELECT ext_memcheck.run_scenario('tx_abort_loop', 3, 'SELECT 1/0')", "22012 division by zero");
    session.gives(end, "");
    session.gives("SELECT 1", "1");
    });
}

#[test]
fn errors_pass_untouched() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let fields = |session: &mut Session| {
            let error = session.client.simple_query("INSERT INTO pairs VALUES (1), (1)").expect_err("a duplicate");
            let error = error.as_db_error().expect("from the server").clone();
            (error.constraint().map(str::to_owned), error.table().map(str::to_owned), error.detail().map(str::to_owned))
        };
        session.ask("CREATE TEMP TABLE pairs (i int CONSTRAINT only_once PRIMARY KEY)");
        let unchecked = fields(&mut session);
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        assert_eq!(fields(&mut session), unchecked);
        assert_eq!(unchecked.0.as_deref(), Some("only_once"));
        let error = session.client.simple_query("DO $$ BEGIN PERFORM 1/0; END $$").expect_err("a division by zero");
        let context = error.as_db_error().and_then(|error| error.where_()).unwrap_or_default().to_owned();
        assert!(context.contains("PL/pgSQL function inline_code_block"), "{context}");
        // Caught by PL/pgSQL, it does not confuse the engine about which statement is at the top.
        session.ask("DO $$ BEGIN PERFORM 1/0; EXCEPTION WHEN OTHERS THEN NULL; END $$");
        logged(server);
        session.ask("SELECT count(*) FROM pg_class");
        assert!(logged(server).contains("context_leak|INFO|TopMemoryContext"));
    });
}

#[test]
fn a_full_ring_counts_what_it_loses() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let lost = "SELECT value FROM ext_memcheck.window_stats() WHERE name = 'violations_lost_total'";
        let before: i64 = session.ask(lost).parse().expect("a number");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        for _ in 0..10 {
            session.ask("SELECT count(*) FROM pg_class");
        }
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        let after: i64 = session.ask(lost).parse().expect("a number");
        // Ten statements with three violations each do not fit into 16 slots.
        assert!(after - before >= 14, "{before} {after}");
        session.gives("SELECT ext_memcheck.flush_violations()", "16");
        // The newest are kept.
        session.ask("DELETE FROM ext_memcheck.violation_log");
    });
}

#[test]
fn flushed_rows_follow_the_transaction() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let mut other = Session::open(server);
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        for _ in 0..4 {
            session.ask("SELECT count(*) FROM pg_class");
        }
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.ask("BEGIN");
        let flushed = session.ask("SELECT ext_memcheck.flush_violations()");
        assert_ne!(flushed, "0");
        other.gives("SELECT ext_memcheck.flush_violations()", "0");
        session.ask("ROLLBACK");
        session.ask("BEGIN");
        session.ask("SAVEPOINT s");
        session.gives("SELECT ext_memcheck.flush_violations()", &flushed);
        session.ask("ROLLBACK TO SAVEPOINT s");
        session.ask("COMMIT");
        other.gives("SELECT ext_memcheck.flush_violations()", &flushed);
        session.gives("SELECT ext_memcheck.flush_violations()", "0");
        session.gives("SELECT count(*) FROM ext_memcheck.violation_log", &flushed);
        session.gives("SELECT ext_memcheck.clear_violations()", "");
        session.gives("SELECT count(*) FROM ext_memcheck.violation_log", "0");
    });
}

#[test]
fn an_open_window_is_reported_at_exit() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        let pid = session.ask("SELECT pg_backend_pid()");
        session.ask("SELECT ext_memcheck.begin('Buggy%')");
        session.ask("SELECT count(*) FROM pg_class");
        drop(session);
        let mut other = Session::open(server);
        let is_there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        eventually("the backend has ended", || other.ask(&is_there) == "0");
        other.gives("SELECT ext_memcheck.flush_violations()", "1");
        other.gives(
            &format!("SELECT check_type FROM ext_memcheck.violation_log WHERE backend_pid = {pid}"),
            "context_leak",
        );
        other.ask("SELECT ext_memcheck.clear_violations()");
    });
}

/// So that it can be opened on a standby, too.
#[test]
fn a_window_takes_no_number_for_the_transaction() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("BEGIN TRANSACTION READ ONLY");
        session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
        session.gives("SELECT ext_memcheck.mark(1)", "");
        session.ask("SELECT * FROM ext_memcheck.end()");
        session.gives("SELECT pg_current_xact_id_if_assigned() IS NULL", "t");
        session.ask("ROLLBACK");
    });
}

#[test]
fn privileges() {
    SHARED.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE ROLE nobody_special");
        session.ask("CREATE ROLE reader IN ROLE pg_read_all_stats");
        session.ask("GRANT USAGE ON SCHEMA ext_memcheck TO nobody_special");
        session.ask("SET ROLE nobody_special");
        session.gives("SELECT ext_memcheck.begin()", "42501 permission denied for function begin");
        session.gives("SELECT * FROM ext_memcheck.violation_log", "42501 permission denied for table violation_log");
        session.ask("SET ROLE reader");
        session.gives("SELECT count(*) FROM ext_memcheck.violation_log", "0");
        session
            .gives("SELECT ext_memcheck.clear_violations()", "42501 permission denied for function clear_violations");
    });
}

/// The engine installed like any other extension, but not preloaded.
#[test]
fn without_preload() {
    SHARED.each_with_cluster(|cluster, _| {
        let engine = ExtensionSource {
            name: "pg_ext_memcheck".to_owned(),
            path: cluster.engine.clone(),
            provides: vec![],
            build: Build::Files {
                library: vec!["*.so".to_owned()],
                control: vec!["*.control".to_owned()],
                sql: vec!["*.sql".to_owned()],
                tree: vec![],
            },
        };
        let stage = Stage::build(&cluster.installation, &cluster.run, None, &[engine])
            .unwrap_or_else(|error| panic!("{error}"));
        let options = ServerOptions { name: "no_preload".into(), ..ServerOptions::default() };
        let server = Server::start(&stage, &cluster.template, &options).unwrap_or_else(|error| panic!("{error}"));
        let mut session = Session::open(&server);
        session.gives("CREATE EXTENSION pg_ext_memcheck", "");
        for function in [
            "begin()",
            "end()",
            "flush_violations()",
            "findings()",
            "run_scenario('growth_benchmark')",
            "live_allocations()",
            "backend_contexts(1)",
            "catcache_stats()",
            "begin_in(1)",
            "end_in(1)",
            "look_at(1)",
        ] {
            session.gives(
                &format!("SELECT ext_memcheck.{function}"),
                "55000 pg_ext_memcheck must be loaded via \"shared_preload_libraries\" HINT: Add pg_ext_memcheck to \
             \"shared_preload_libraries\" in postgresql.conf and restart the server.",
            );
        }
        server.stop();
    });
}

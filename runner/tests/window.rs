//! Windows as a session opens them by hand: what is traced without being told, where a window begins and ends, what is the
//! engine's own doing, and what is said of what was not looked at.

use std::sync::{Arc, Mutex};

use mcspec::server::Server;

use crate::cluster::Session;
use crate::cluster::shared::Shared;

/// Two libraries: one with hooks, that is there from the start, and one that is loaded when it is called.
static SHARED: Shared = Shared::new(&["statements", "leak_shapes"], &["statements"], &["max_worker_processes = 16"]);

const FOUND: &str =
    "SELECT check_type, subject, bytes, objects, source_lib FROM ext_memcheck.findings() ORDER BY 1, 2, 3";

fn open(server: &Server) -> Session {
    let mut session = Session::open(server);
    session.ask("CREATE EXTENSION IF NOT EXISTS statements");
    session.ask("CREATE EXTENSION IF NOT EXISTS leak_shapes");
    session
}

impl Session {
    /// What the window that is closed now has found.
    fn ends_with(&mut self, expected: &str) {
        self.ask("SELECT ext_memcheck.end()");
        self.gives(FOUND, expected);
    }
}

/// A session, and the warnings that it has been sent.
fn with_warnings(server: &Server) -> (Session, impl FnMut() -> String) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let client = server.connect_with("postgres", "", move |notice| {
        if notice.severity() == "WARNING" {
            let hint = notice.hint().map(|hint| format!(" HINT: {hint}")).unwrap_or_default();
            hear.lock().expect("no panic").push(format!("{}{hint}", notice.message()));
        }
    });
    let session = Session { client: client.expect("connected") };
    (session, move || std::mem::take(&mut *heard.lock().expect("no panic")).join("\n"))
}

#[test]
fn without_a_setting_the_libraries_of_extensions_are_traced() {
    SHARED.each(|server| {
        open(server);
        let mut session = Session::open(server);
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT statements.lose(1000)");
        session.ends_with(
            "context_leak|TopMemoryContext|1000|1|statements\nwrong_ctx_alloc|TopMemoryContext|1000|1|statements",
        );
        session.gives("SELECT * FROM ext_memcheck.window_targets()", "|statements|t");
        // One that is loaded in the window counts, the server's own do not.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT leak_shapes.top_100()");
        session.ask("DO $$ BEGIN PERFORM convert_to('x', 'latin2'); END $$");
        session.ask("SELECT ext_memcheck.end()");
        session.gives("SELECT * FROM ext_memcheck.window_targets()", "|statements|t\n|leak_shapes|t");
        // The statements of a session that is checked without a window are small windows.
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        session.ask("SELECT statements.lose(20000)");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.ask("SELECT ext_memcheck.flush_violations()");
        session.gives(
            "SELECT check_type, source_lib FROM ext_memcheck.violation_log ORDER BY id",
            "wrong_ctx_alloc|statements\ncontext_leak|statements",
        );
        session.ask("SELECT ext_memcheck.clear_violations()");
        // Nothing is traced outside of them, nor where the parameter says so.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT ext_memcheck.end()");
        let held = "SELECT count(*) FROM ext_memcheck.live_allocations()";
        let off =
            "55000 allocations of that process are not traced HINT: Set pg_ext_memcheck.trace to on in that process.";
        session.gives(held, off);
        session.ask("SET pg_ext_memcheck.trace = off");
        session.ask("SELECT ext_memcheck.begin()");
        session.gives(held, off);
        session.ask("SELECT ext_memcheck.end()");
        session.gives("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'traced'", "0");
        session.gives("SELECT * FROM ext_memcheck.window_targets()", "");
    });
}

/// Each in a session of its own, whose caches are empty: the server fills them.
#[test]
fn ordinary_statements_in_a_cold_session_are_silent() {
    const STATEMENTS: [&str; 25] = [
        "SELECT count(*) FROM pg_class",
        "SELECT relname FROM pg_class WHERE oid = 'pg_type'::regclass",
        "SELECT a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 'pg_proc'",
        "SELECT name, setting FROM pg_settings WHERE name LIKE 'work%'",
        "SELECT pg_get_viewdef('pg_stat_activity'::regclass)",
        "SELECT count(*) FROM information_schema.tables",
        "SELECT string_agg(md5(i::text), ',') FROM generate_series(1, 1000) i",
        "SELECT jsonb_agg(c) FROM (SELECT * FROM pg_class LIMIT 20) c",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT sum(i) FROM n",
        "CREATE TABLE cold (id int PRIMARY KEY, name text)",
        "INSERT INTO cold SELECT i, 'n' || i FROM generate_series(1, 100) i",
        "UPDATE cold SET name = name || 'x' WHERE id <= 10",
        "DELETE FROM cold WHERE id > 90",
        "CREATE INDEX ON cold (name)",
        "ANALYZE cold",
        "VACUUM cold",
        "EXPLAIN SELECT * FROM cold ORDER BY name",
        "DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM length('x'); END LOOP; END $$",
        "DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$",
        "CREATE TEMP TABLE t AS SELECT * FROM cold",
        "PREPARE p (int) AS SELECT name FROM cold WHERE id = $1",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM cold; FETCH 10 FROM c; CLOSE c; COMMIT",
        "SELECT convert_to('x', 'latin2'), to_tsvector('english', 'running')",
        "CLUSTER cold USING cold_pkey",
        "DROP TABLE cold",
    ];
    SHARED.each(|server| {
        open(server);
        for statement in STATEMENTS {
            let mut session = Session::open(server);
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(statement);
            session.ask("SELECT ext_memcheck.end()");
            session.gives(FOUND, "");
        }
        let mut session = Session::open(server);
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        STATEMENTS.iter().for_each(|statement| drop(session.ask(statement)));
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.gives("SELECT ext_memcheck.flush_violations()", "0");
    });
}

#[test]
fn a_target_that_was_not_loaded_is_warned_of() {
    SHARED.each(|server| {
        open(server);
        let (mut session, mut warnings) = with_warnings(server);
        for (targets, expected) in [
            ("", ""),
            ("statements", ""),
            ("Statements.so, $libdir/state%", ""),
            (
                "statement",
                "target \"statement\" was not loaded, so nothing of it was looked at HINT: Perhaps you meant \
                 \"statements\". Libraries that were loaded: \"statements\".",
            ),
            (
                "nonesuch,x%",
                "targets \"nonesuch\", \"x%\" were not loaded, so nothing of them was looked at HINT: Libraries that \
                 were loaded: \"statements\".",
            ),
        ] {
            session.ask(&format!("SET pg_ext_memcheck.targets = '{targets}'"));
            session.ask("SELECT ext_memcheck.begin()");
            session.ask("SELECT ext_memcheck.end()");
            assert_eq!(warnings(), expected, "{targets}");
        }
        session.gives(
            "SELECT target, library, loaded FROM ext_memcheck.window_targets()",
            "nonesuch||f\nx%||f\n|statements|t",
        );
    });
}

#[test]
fn what_was_not_recorded_is_warned_of() {
    SHARED.each(|server| {
        open(server);
        let (mut session, mut warnings) = with_warnings(server);
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT ext_memcheck.mark(5)");
        session.ask("SELECT ext_memcheck.mark(3)");
        session.ask("SELECT ext_memcheck.end()");
        assert_eq!(
            warnings(),
            "the window is incomplete: 1 mark was refused: iterations have to increase HINT: Finding nothing says nothing \
             here. See ext_memcheck.window_stats()."
        );
        // Workers that cannot be told what to trace.
        session.ask("SET pg_ext_memcheck.targets = 'statements'");
        session.ask("SELECT set_config('pg_ext_memcheck.targets', 'statements,' || repeat('state%,', 400), false)");
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT ext_memcheck.end()");
        assert!(warnings().starts_with("the window is incomplete: 1 parallel worker or window without"));
    });
}

/// Whether a worker comes to its end or is ended: what it holds is handed over.
#[test]
fn workers_hand_over_however_they_end() {
    SHARED.each(|server| {
        let mut session = open(server);
        session.ask("CREATE TABLE many AS SELECT i FROM generate_series(1, 100000) i");
        for parameter in ["parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0"] {
            session.ask(&format!("SET {parameter}"));
        }
        session.ask("SET max_parallel_workers_per_gather = 4");
        session.ask("SET max_parallel_maintenance_workers = 4");
        for statement in [
            "SELECT count(*) FROM many WHERE i > 5",
            "SELECT i FROM many WHERE i % 7 = 3 LIMIT 3",
            "SELECT count(*) FROM many WHERE 1 / (i - 90000) > 5",
            "CREATE INDEX many_i ON many (i)",
        ] {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(statement);
            session.ask("SELECT ext_memcheck.end()");
            session.gives(
                "SELECT name, value FROM ext_memcheck.window_stats() WHERE name ~ '^workers|not_recorded' AND value <> 0",
                "",
            );
        }
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT count(statements.lose(100)) FROM many");
        session.ask("SELECT ext_memcheck.end()");
        session.gives("SELECT bytes FROM ext_memcheck.findings() WHERE check_type = 'context_leak'", "10000000");
        session.ask("DROP TABLE many");
    });
}

#[test]
fn what_comes_after_the_last_mark_counts() {
    SHARED.each(|server| {
        let mut session = open(server);
        let both = |bytes: u64, objects: u64| {
            format!(
                "context_leak|TopMemoryContext|{bytes}|{objects}|statements\n\
                 wrong_ctx_alloc|TopMemoryContext|{bytes}|{objects}|statements"
            )
        };
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT ext_memcheck.mark(1)");
        session.ask("SELECT statements.lose(1000000)");
        session.ask("SELECT statements.lose(1000000)");
        session.ends_with(&both(2_000_000, 2));
        session.gives("SELECT DISTINCT iterations FROM ext_memcheck.findings()", "1");
        // Added to what came before it.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT statements.lose(100)");
        session.ask("SELECT ext_memcheck.mark(1)");
        session.ask("SELECT statements.lose(1000)");
        session.ends_with(&both(1100, 2));
        // Where nothing comes, nothing is changed.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT statements.lose(100)");
        session.ask("SELECT ext_memcheck.mark(1)");
        session.ends_with(&both(100, 1));
        session.gives("SELECT jsonb_array_length(marks) FROM ext_memcheck.findings() LIMIT 1", "2");
        // It hides no growth, and makes none of what happens once.
        for (last, expected) in [("SELECT 1", true), ("SELECT statements.lose(100000)", true), ("SELECT 1", false)] {
            session.ask("SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')");
            for iteration in 1..=12 {
                session.ask(if expected || iteration == 12 { "SELECT statements.lose(100)" } else { "SELECT 1" });
                session.ask(&format!("SELECT ext_memcheck.mark({iteration})"));
            }
            session.ask(last);
            session.ends_with(if expected { "ctx_bloat|TopMemoryContext|1200|12|statements" } else { "" });
        }
    });
}

/// Twice the marks, and the same is reported.
#[test]
fn what_a_mark_does_is_not_the_workloads() {
    SHARED.each(|server| {
        let mut session = open(server);
        for (parameter, expected) in [
            ("leak_analyzed = 0", ""),
            ("leak_analyzed = 100", "ctx_bloat|TopMemoryContext|4000|40|statements"),
            ("leak_planned = 100", "ctx_bloat|TopMemoryContext|4000|40|statements"),
            ("leak_executed = 100", "ctx_bloat|TopMemoryContext|4000|40|statements"),
        ] {
            session.ask(&format!("SET statements.{parameter}"));
            for stride in [10, 2, 1] {
                session.ask("SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')");
                for iteration in 1..=40 {
                    session.ask("SELECT 1");
                    if iteration % stride == 0 {
                        session.ask(&format!("SELECT ext_memcheck.mark({iteration})"));
                        session.ask("SELECT * FROM ext_memcheck.findings()");
                        session.ask("SET pg_ext_memcheck.min_leak_bytes = 8192");
                    }
                }
                session.ends_with(expected);
            }
            session.ask("RESET ALL");
        }
    });
}

/// In a loop of one statement, what happens between two marks is the workload's.
#[test]
fn marks_of_one_statement_have_a_workload_between_them() {
    SHARED.each(|server| {
        let mut session = open(server);
        session.ask("SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')");
        session.ask(
            "DO $$ BEGIN FOR i IN 1..40 LOOP PERFORM statements.lose(100); PERFORM ext_memcheck.mark(i); END LOOP; END $$",
        );
        session.ends_with("ctx_bloat|TopMemoryContext|3900|39|statements");
    });
}

#[test]
fn a_window_and_the_mode_belong_to_the_session() {
    const MODE: &str = "SHOW pg_ext_memcheck.memcheck_mode";
    const LOST: &str =
        "context_leak|TopMemoryContext|100|1|statements\nwrong_ctx_alloc|TopMemoryContext|100|1|statements";
    SHARED.each(|server| {
        let mut session = open(server);
        let undone: [&[&str]; 5] = [
            &["BEGIN", "{}", "ROLLBACK"],
            &["BEGIN", "SAVEPOINT s", "{}", "ROLLBACK TO SAVEPOINT s", "COMMIT"],
            &["BEGIN", "SAVEPOINT s", "{}", "ROLLBACK TO SAVEPOINT s", "ROLLBACK"],
            &["BEGIN", "{}", "SELECT 1 / (count(*) - 1) FROM (SELECT 1) one", "ROLLBACK"],
            &["DO $$ BEGIN PERFORM {}; RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END $$"],
        ];
        for statements in undone {
            for call in ["ext_memcheck.begin()", "ext_memcheck.end()"] {
                let opens = call.contains("begin");
                if !opens {
                    session.ask("SELECT ext_memcheck.begin()");
                    session.ask("SELECT statements.lose(100)");
                }
                for statement in statements {
                    let call = if statement.starts_with("DO") { call.to_owned() } else { format!("SELECT {call}") };
                    session.ask(&statement.replace("{}", &call));
                }
                session.gives(MODE, if opens { "all" } else { "none" });
                if opens {
                    session.ask("SELECT statements.lose(100)");
                    session.ends_with(LOST);
                } else {
                    session.gives(
                        "SELECT ext_memcheck.mark(1)",
                        "55000 no check window is open HINT: Open one with \
                         ext_memcheck.begin().",
                    );
                    session.gives(FOUND, LOST);
                }
                session.gives(MODE, "none");
            }
        }
        // Its mode does not outlive a rollback of what the user has set.
        session.ask("BEGIN");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'executor'");
        session.ask("ROLLBACK");
        session.gives(MODE, "none");
        // Between them the mode says what is looked at of single statements; a window is closed by end() alone.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        session.ask("SELECT statements.lose(100)");
        session.ends_with(LOST);
        session.ask("SELECT statements.lose(100)");
        session.ends_with(LOST);
        session.gives("SELECT ext_memcheck.flush_violations()", "0");
    });
}

#[test]
fn a_segment_in_use_or_gone_is_no_leak() {
    const LEFT: &str = "dsm_leak|dsm|1000|1|statements";
    SHARED.each(|server| {
        let (mut session, mut other) = (open(server), open(server));
        let begin = |session: &mut Session, call: &str| {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(&format!("SELECT statements.{call}(1000)"))
        };
        let pinned = begin(&mut session, "pin");
        session.ends_with(LEFT);
        other.ask(&format!("SELECT statements.unpin({pinned})"));

        let unpinned = begin(&mut session, "pin");
        other.gives(&format!("SELECT statements.unpin({unpinned})"), "");
        session.ends_with("");
        // With marks set before it was.
        let unpinned = begin(&mut session, "pin");
        session.ask("SELECT ext_memcheck.mark(1)");
        other.gives(&format!("SELECT statements.unpin({unpinned})"), "");
        session.ends_with("");

        let in_use = begin(&mut session, "pin");
        let mut worker = open(server);
        worker.gives(&format!("SELECT statements.attach({in_use})"), "");
        session.ends_with("");
        drop(worker);
        other.ask(&format!("SELECT statements.unpin({in_use})"));

        begin(&mut session, "map");
        session.ends_with(LEFT);
        let in_use = begin(&mut session, "map");
        other.gives(&format!("SELECT statements.attach({in_use})"), "");
        session.ends_with("");
    });
}

#[test]
fn a_segment_that_is_tracked_is_told_until_it_is_detached() {
    const LEFT: &str = "dsm_leak|dsm|1000|1|statements";
    let sentence = |handle: &str, pid: &str| {
        format!(
            "DSM segment with handle {handle} attached by backend PID {pid} at % is still attached at session end. Size: 1000 \
             bytes."
        )
    };
    SHARED.each(|server| {
        let (mut session, mut other) = (open(server), open(server));
        let pid = session.ask("SELECT pg_backend_pid()");
        let tracked = |other: &mut Session| {
            other.ask("SELECT segid, backend_pid, size_bytes, detached FROM ext_memcheck.dsm_tracking()")
        };
        let track = |session: &mut Session, handle: &str| {
            session.gives(&format!("SELECT ext_memcheck.track_dsm_handle({handle})"), "DSM segment tracked.");
        };
        // One that is mapped, and one that is pinned, are told once each, though the ledger knows of them as well.
        for call in ["map", "pin"] {
            session.ask("SELECT ext_memcheck.begin()");
            let handle = session.ask(&format!("SELECT statements.{call}(1000)"));
            track(&mut session, &handle);
            assert_eq!(tracked(&mut other), format!("{handle}|{pid}|1000|f"));
            let is_so = sentence(&handle, &pid);
            session.gives(
                &format!(
                    "SELECT check_type, severity, detail LIKE '{is_so}; allocated at statements%' FROM ext_memcheck.end()"
                ),
                "dsm_leak|WARNING|t",
            );
            session.ends_with(LEFT);
            other.gives("SELECT ext_memcheck.clear_dsm_tracking()", "");
            assert_eq!(tracked(&mut other), "");
        }

        // Without a trace, and where nobody asks for such.
        session.ask("SET pg_ext_memcheck.trace = off");
        session.ask("SELECT ext_memcheck.begin()");
        let handle = session.ask("SELECT statements.pin(1000)");
        track(&mut session, &handle);
        let is_so = sentence(&handle, &pid);
        session
            .gives(&format!("SELECT detail LIKE '{is_so}', source_lib FROM ext_memcheck.end() WHERE check_type = 'dsm_leak'"), "t|");
        session.ask("SELECT ext_memcheck.begin('', '{\"track_dsm\": false}')");
        session.gives("SELECT count(*) FROM ext_memcheck.end() WHERE check_type = 'dsm_leak'", "0");
        session.ask("RESET pg_ext_memcheck.trace");

        // Somebody else unpins it.
        session.ask("SELECT ext_memcheck.begin()");
        other.gives(&format!("SELECT statements.unpin({handle})"), "");
        assert_eq!(tracked(&mut other), format!("{handle}|{pid}|1000|t"));
        session.ends_with("");
        other.gives("SELECT ext_memcheck.clear_dsm_tracking()", "");

        for (handle, error) in [
            ("-1", "22003 handle -1 is out of range for a DSM handle (0..4294967295)"),
            ("4294967296", "22003 handle 4294967296 is out of range for a DSM handle (0..4294967295)"),
            (
                handle.as_str(),
                &format!(
                    "42704 Failed to attach to DSM segment with handle {handle} HINT: A segment goes with its last user: have it \
                     attached or pinned when you track it."
                ),
            ),
        ] {
            session.gives(&format!("SELECT ext_memcheck.track_dsm_handle({handle})"), error);
        }
        session.gives("SELECT ext_memcheck.track_dsm_handle(NULL) IS NULL", "t");
        assert_eq!(tracked(&mut other), "");
    });
}

#[test]
fn one_bug_is_one_finding() {
    let segment = "resource_leak|dynamic shared memory segment|0|1|";
    SHARED.each(|server| {
        let mut session = open(server);
        // Found by the server, once.
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("SELECT statements.forget(1000)");
        session.ends_with(segment);
        session.ask("SELECT ext_memcheck.begin()");
        session.ask("BEGIN");
        session.ask("SELECT statements.forget(1000)");
        session.ask("SELECT ext_memcheck.mark(1)");
        session.ask("COMMIT");
        session.ends_with(segment);
        for (workload, expected) in [
            ("forget(1000)", "dsm_leak|dsm|19000|19|statements"),
            ("pin(1000)", "dsm_leak|dsm|19000|19|statements"),
            (
                "lose(1000)",
                "ctx_bloat|TopMemoryContext|19000|19|statements\nwrong_ctx_alloc|TopMemoryContext|19000|19|statements",
            ),
        ] {
            session.ask("SELECT ext_memcheck.begin()");
            session.ask(&format!(
                "SELECT ext_memcheck.run_scenario('growth_benchmark', 20, 'SELECT statements.{workload}')"
            ));
            session.ends_with(expected);
        }
    });
}

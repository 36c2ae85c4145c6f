//! What a role without privileges, or with few, can do to other sessions: make them lose nothing.

use std::sync::{Arc, Mutex};

use mcspec::server::Server;

use crate::cluster::Session;
use crate::cluster::shared::Shared;

/// A ring that is small enough to overflow, and an extension that leaves something behind with each statement.
static SHARED: Shared = Shared::new(
    &["buggy_pg_ext"],
    &["buggy_pg_ext"],
    &["pg_ext_memcheck.ring_size = 64", "min_parallel_table_scan_size = 0"],
);

/// A session of somebody who has logged in as this role.
fn login(server: &Server, role: &str) -> Session {
    let mut admin = Session::open(server);
    admin.ask(&format!("CREATE ROLE {role} LOGIN"));
    Session { client: crate::cluster::login(server, role) }
}

/// The rows that all sessions have in the ring, by process.
fn logged(session: &mut Session) -> String {
    session.ask("SELECT ext_memcheck.flush_violations()");
    let rows = session.ask("SELECT backend_pid, count(*) FROM ext_memcheck.violation_log GROUP BY 1 ORDER BY 1");
    session.gives("SELECT ext_memcheck.clear_violations()", "");
    rows
}

fn lost(session: &mut Session) -> i64 {
    let lost = "SELECT value FROM ext_memcheck.window_stats() WHERE name = 'violations_lost_total'";
    session.ask(lost).parse().expect("a number")
}

fn pid(session: &mut Session) -> String {
    session.ask("SELECT pg_backend_pid()")
}

/// A few rows of a session in the ring, whose number is known.
fn with_rows(session: &mut Session) -> i64 {
    session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
    for _ in 0..3 {
        session.ask("SELECT count(*) FROM pg_class");
    }
    session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
    let entries = "SELECT value FROM ext_memcheck.window_stats() WHERE name = 'ring_entries'";
    let entries = session.ask(entries).parse().expect("a number");
    assert!((3..30).contains(&entries), "{entries}");
    entries
}

const FLOOD: &str = "
    SET pg_ext_memcheck.memcheck_mode = 'all';
    SET pg_ext_memcheck.min_leak_bytes = 0;
    SET pg_ext_memcheck.bloat_min_bytes = 0;
    DEALLOCATE ALL";

/// As many statements as there are rows in the ring, ten times over, each of which leaves a plan behind.
fn flood(session: &mut Session) {
    session.ask(FLOOD);
    for number in 0..640 {
        session.gives(&format!("PREPARE flood_{number} AS SELECT {number}"), "");
        session.gives(&format!("EXECUTE flood_{number}"), &number.to_string());
    }
    session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
}

#[test]
fn a_role_without_privileges_reports_nothing() {
    SHARED.each(|server| {
        let (mut victim, mut observer) = (Session::open(server), Session::open(server));
        let entries = with_rows(&mut victim);
        let before = lost(&mut observer);
        let mut nobody = login(server, "nobody_at_all");
        flood(&mut nobody);
        assert_eq!(lost(&mut observer), before);
        assert_eq!(logged(&mut observer), format!("{}|{entries}", pid(&mut victim)));

        // Another identity does not make a difference, nor does a function of a superuser's.
        observer.gives(
            "CREATE FUNCTION public.elevated() RETURNS int LANGUAGE plpgsql SECURITY DEFINER
                SET pg_ext_memcheck.memcheck_mode = 'all' AS 'BEGIN RETURN (SELECT count(*) FROM pg_class); END';
             CREATE ROLE elder SUPERUSER; GRANT elder TO nobody_at_all",
            "",
        );
        flood(&mut nobody);
        for _ in 0..5 {
            assert!(nobody.ask("SELECT elevated() > 0").ends_with('t'));
        }
        assert_eq!(logged(&mut observer), "");
        observer.gives("DROP FUNCTION public.elevated; DROP ROLE elder", "");
    });
}

#[test]
fn reporters_are_named_by_a_parameter() {
    SHARED.each(|server| {
        let mut observer = Session::open(server);
        let mut member = login(server, "a_member");
        observer.ask("CREATE ROLE may_report NOLOGIN");
        let checked = |session: &mut Session| {
            session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
            session.ask("SELECT count(*) FROM pg_class");
            session.ask("SELECT count(*) FROM pg_class");
            session.ask("SET pg_ext_memcheck.memcheck_mode = 'none'");
        };
        let name = |observer: &mut Session, value: &str| {
            observer.gives(&format!("ALTER SYSTEM SET pg_ext_memcheck.reporters = '{value}'"), "");
            observer.gives("SELECT pg_reload_conf()", "t");
        };
        for (reporters, grant, may) in [
            ("", "", false),
            ("may_report", "", false),
            ("may_report", "GRANT may_report TO a_member", true),
            ("may_report", "REVOKE may_report FROM a_member", false),
            ("a_member", "", true),
            ("no_such_role", "", false),
            ("public", "", true),
            ("", "ALTER ROLE a_member SUPERUSER", true),
            ("", "ALTER ROLE a_member NOSUPERUSER", false),
        ] {
            name(&mut observer, reporters);
            observer.gives(grant, "");
            crate::cluster::eventually("the parameter has changed", || {
                member.ask("SHOW pg_ext_memcheck.reporters") == reporters
            });
            checked(&mut member);
            let rows = logged(&mut observer);
            assert_eq!(!rows.is_empty(), may, "{reporters} {grant}: {rows}");
            assert!(rows.is_empty() || rows.starts_with(&pid(&mut member)), "{rows}");
        }
        let refused = member.ask("SET pg_ext_memcheck.reporters = 'public'");
        assert_eq!(refused, "42501 permission denied to set parameter \"pg_ext_memcheck.reporters\"");
        observer.gives("ALTER SYSTEM RESET pg_ext_memcheck.reporters", "");
        observer.gives("SELECT pg_reload_conf()", "t");
    });
}

/// Somebody who may call the functions finds his own rows, in his own window, and nobody else does.
#[test]
fn others_find_their_own() {
    SHARED.each(|server| {
        let mut observer = Session::open(server);
        let mut user = login(server, "a_user");
        observer.gives(
            "GRANT USAGE ON SCHEMA ext_memcheck TO a_user;
             GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ext_memcheck TO a_user",
            "",
        );
        let entries = with_rows(&mut observer);
        let before = lost(&mut observer);
        let checks = "SELECT DISTINCT check_type FROM ext_memcheck.end() ORDER BY 1";
        user.ask("SELECT ext_memcheck.begin('Buggy%')");
        user.ask("SELECT count(*) FROM pg_class");
        user.gives(checks, "context_leak");
        user.ask("SELECT ext_memcheck.begin()");
        user.ask("SELECT ext_memcheck.run_scenario('growth_benchmark', 100, 'SELECT count(*) FROM pg_class')");
        user.gives(checks, "context_leak\nctx_bloat\nwrong_ctx_alloc");
        user.gives(checks, "");
        // Windows that are never closed report to nobody.
        for _ in 0..100 {
            user.ask("SELECT ext_memcheck.begin('Buggy%')");
            user.ask("SELECT count(*) FROM pg_class");
        }
        drop(user);
        assert_eq!(lost(&mut observer), before);
        assert_eq!(logged(&mut observer), format!("{}|{entries}", pid(&mut observer)));
        observer.gives("DROP OWNED BY a_user; DROP ROLE a_user", "");
    });
}

/// Not even a superuser's session drives out those of others who have less in the ring than it has.
#[test]
fn a_flood_drives_out_its_own() {
    SHARED.each(|server| {
        let (mut victim, mut observer) = (Session::open(server), Session::open(server));
        let entries = with_rows(&mut victim);
        let (victim_pid, before) = (pid(&mut victim), lost(&mut observer));
        // Also of one that has ended.
        drop(victim);
        let mut flooder = Session::open(server);
        flood(&mut flooder);
        assert!(lost(&mut observer) >= before + 64, "lost rows are told");
        let rows = logged(&mut observer);
        assert!(rows.contains(&format!("{victim_pid}|{entries}")), "{victim_pid}|{entries} of {rows}");
        assert!(rows.contains(&format!("{}|{}", pid(&mut flooder), 64 - entries)), "{rows}");
    });
}

/// Who sets the mode in vain is told so, once. Who has it from a configuration is not.
#[test]
fn a_mode_in_vain_is_told() {
    SHARED.each(|server| {
        drop(login(server, "in_vain"));
        let open = || {
            let told: Arc<Mutex<Vec<String>>> = Arc::default();
            let to = Arc::clone(&told);
            let client = crate::cluster::login_telling(server, "in_vain", "postgres", move |notice| {
                to.lock().expect("no panic").push(format!("{}: {}", notice.severity(), notice.message()));
            });
            (Session { client }, told)
        };
        let expected =
            ["NOTICE: statements are not checked outside of windows: this role may not report violations".to_owned()];
        let (mut session, told) = open();
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        session.ask("SELECT 1");
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'executor'");
        session.ask("SELECT 1");
        assert_eq!(*told.lock().expect("no panic"), expected);

        Session::open(server).gives("ALTER ROLE in_vain SET pg_ext_memcheck.memcheck_mode = 'all'", "");
        let (mut session, told) = open();
        session.gives("SHOW pg_ext_memcheck.memcheck_mode", "all");
        session.ask("SELECT 1");
        assert_eq!(*told.lock().expect("no panic"), [""; 0]);
        session.ask("SET pg_ext_memcheck.memcheck_mode = 'all'");
        session.ask("SELECT 1");
        assert_eq!(*told.lock().expect("no panic"), expected);
        Session::open(server).gives("DROP ROLE in_vain", "");
    });
}

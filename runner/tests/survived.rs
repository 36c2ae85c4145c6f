//! Faults of a library (tests/corpus/faults) that its process survives, or at least its neighbours; and what is known of those that
//! nobody does.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::cluster::shared::Shared;
use crate::cluster::{Session, login};
use mcspec::server::Server;

/// Everything is traced, so that background workers are.
static SERVERS: Shared = Shared::new(&["faults"], &[], &["pg_ext_memcheck.trace = on", "max_stack_depth = 2MB"]);

/// Functions that cause a fault if they are to, and what that is called.
const FAULTS: [(&str, &str); 13] = [
    ("null_read", "SIGSEGV"),
    ("null_write", "SIGSEGV"),
    ("nowhere", "SIGSEGV"),
    ("no_address", "SIGSEGV"),
    ("constant_write", "SIGSEGV"),
    ("recursion", "stack overflow"),
    ("aborts", "SIGABRT"),
    ("division", "SIGFPE"),
    ("trap", "SIGILL"),
    ("beyond_file", "SIGBUS"),
    ("exits", "exit"),
    ("exits_at_once", "_exit"),
    ("in_memcpy", "SIGSEGV"),
];

/// Says that it is over, when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does something while another session works, and sees to it that this one is not disturbed.
fn beside_a_bystander(server: &Server, act: impl FnOnce()) {
    let (mut bystander, is_over) = (Session::open(server), AtomicBool::new(false));
    thread::scope(|scope| {
        let works = scope.spawn(|| {
            let mut answers = 0u32;
            while !is_over.load(Ordering::Relaxed) {
                bystander.gives("SELECT sum(i), 'x' || max(i) FROM generate_series(1, 1000) i", "500500|x1000");
                answers += 1;
            }
            answers
        });
        {
            // Also where something is not as it should be.
            let _over = Over(&is_over);
            act();
        }
        assert!(works.join().expect("the bystander is undisturbed") > 0);
    });
}

/// The backend of a session.
fn pid(session: &mut Session) -> i32 {
    session.ask("SELECT pg_backend_pid()").parse().expect("a number")
}

fn extension(server: &Server) {
    Session::open(server).ask("CREATE EXTENSION IF NOT EXISTS faults");
}

#[test]
fn a_session_survives_a_fault_and_nobody_else_notices() {
    SERVERS.each(|server| {
        extension(server);
        beside_a_bystander(server, || {
            let mut session = Session::open(server);
            session.ask("SET pg_ext_memcheck.on_fault = error");
            let before = pid(&mut session);
            for (function, what) in FAULTS {
                session.gives(&format!("SELECT faults.{function}(false)"), "1");
                for _ in 0..2 {
                    let said = session.ask(&format!("SELECT faults.{function}(true)"));
                    assert!(said.starts_with(&format!("XXMEM {what} in library \"faults\"")), "{said}");
                }
                session.gives("SELECT count(*) FROM generate_series(1, 10)", "10");
            }
            // In a transaction, as any ERROR.
            session.gives("BEGIN; SAVEPOINT a", "");
            assert!(session.ask("SELECT faults.null_read(true)").starts_with("XXMEM "));
            session.gives("ROLLBACK TO a; SELECT 17; COMMIT", "17");
            assert_eq!(pid(&mut session), before);
        });
    });
}

#[test]
fn a_session_ends_alone_where_that_is_the_policy() {
    SERVERS.each(|server| {
        extension(server);
        beside_a_bystander(server, || {
            for (function, what) in FAULTS {
                let mut session = Session::open(server);
                session.ask("SET pg_ext_memcheck.on_fault = fatal");
                let ended = pid(&mut session);
                assert!(session.client.simple_query(&format!("SELECT faults.{function}(true)")).is_err(), "{function}");
                let asked = "SELECT what, outcome FROM ext_memcheck.faults() WHERE backend_pid = ";
                Session::open(server).gives(&format!("{asked}{ended}"), &format!("{what}|fatal"));
            }
        });
    });
}

#[test]
fn a_background_worker_ends_with_code_1() {
    SERVERS.each(|server| {
        extension(server);
        let position = server.log_tail(10_000).len();
        beside_a_bystander(server, || {
            let mut session = Session::open(server);
            session.gives("ALTER SYSTEM SET pg_ext_memcheck.on_fault = error", "");
            session.gives("SELECT pg_reload_conf()", "t");
            session.gives("SELECT faults.in_worker('SELECT faults.null_read(true)')", "");
            session.gives("SELECT faults.in_worker('SELECT faults.recursion(true)')", "");
            session.gives("SELECT faults.in_worker('SELECT faults.exits(true)')", "");
            session.gives("ALTER SYSTEM RESET pg_ext_memcheck.on_fault", "");
            session.gives("SELECT pg_reload_conf()", "t");
        });
        let log = server.log_tail(10_000);
        let ended = log[position.min(log.len())..].matches("exited with exit code 1").count();
        assert!(ended >= 3, "{log}");
    });
}

#[test]
fn a_report_outlives_the_process_and_the_restart() {
    SERVERS.each(|server| {
        extension(server);
        for (function, holding) in
            [("holding_lock", "holding LWLock \"AddinShmemInit\""), ("in_critical_section", "in a critical section")]
        {
            let mut session = Session::open(server);
            session.ask("SET pg_ext_memcheck.on_fault = error");
            let died = pid(&mut session);
            assert!(session.client.simple_query(&format!("SELECT faults.{function}(true)")).is_err());
            drop(session);
            server.wait_ready().expect("it restarts");
            let asked = "SELECT what, outcome, holding, source_lib FROM ext_memcheck.faults() WHERE backend_pid = ";
            let expected = format!("SIGSEGV|died|{holding}|faults");
            Session::open(server).gives(&format!("{asked}{died}"), &expected);
        }
        // By default a process dies of any.
        let mut session = Session::open(server);
        let died = pid(&mut session);
        assert!(session.client.simple_query("SELECT faults.null_write(true)").is_err());
        server.wait_ready().expect("it restarts");
        let asked = format!("SELECT what, outcome FROM ext_memcheck.faults() WHERE backend_pid = {died}");
        Session::open(server).gives(&asked, "SIGSEGV|died");
    });
}

#[test]
fn what_is_no_fault_is_left_alone() {
    SERVERS.each(|server| {
        extension(server);
        let mut session = Session::open(server);
        session.ask("SET pg_ext_memcheck.on_fault = error");
        let known = session.ask("SELECT count(*) FROM ext_memcheck.faults()");
        for _ in 0..3 {
            session.gives("SELECT faults.forks(), faults.handles()", "3|1");
        }
        session.gives("SELECT count(*) FROM ext_memcheck.faults()", &known);
        // Ours is there again behind the library's.
        assert!(session.ask("SELECT faults.null_read(true)").starts_with("XXMEM "));
    });
}

/// Whether a process has a handler for a signal (proc(5)).
fn handles(pid: i32, signal: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a line");
    u64::from_str_radix(caught.trim(), 16).expect("a number") & 1 << (signal - 1) != 0
}

#[test]
fn who_has_nothing_traced_has_no_handler() {
    SERVERS.each(|server| {
        const SIGSEGV: u32 = 11;
        let mut session = Session::open(server);
        session.ask("SET pg_ext_memcheck.trace = windows");
        session.gives("SELECT 1", "1");
        let pid = pid(&mut session);
        assert!(!handles(pid, SIGSEGV));
        session.ask("SELECT ext_memcheck.begin()");
        assert!(handles(pid, SIGSEGV));
        session.ask("SELECT * FROM ext_memcheck.end()");
        session.gives("SELECT 1", "1");
        assert!(!handles(pid, SIGSEGV));
    });
}

#[test]
fn only_superusers_have_to_do_with_faults() {
    SERVERS.each(|server| {
        let mut session = Session::open(server);
        session.ask("CREATE ROLE nobody_faults LOGIN");
        session.ask("GRANT USAGE ON SCHEMA ext_memcheck TO nobody_faults");
        let mut nobody = Session { client: login(server, "nobody_faults") };
        for sql in ["SET pg_ext_memcheck.on_fault = error", "SELECT * FROM ext_memcheck.faults()"] {
            assert!(nobody.ask(sql).starts_with("42501 "), "{sql}");
        }
        drop(nobody);
        session.ask("DROP OWNED BY nobody_faults; DROP ROLE nobody_faults");
    });
}

//! What has to hold of a server after whatever was done to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use mcspec::server::Server;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, Session, eventually};

/// What is wrong with the engine's account of the last window; nothing.
pub(crate) const FAULTS: &str = "SELECT name, value FROM ext_memcheck.window_stats()
                                  WHERE name IN ('inconsistencies', 'not_recorded') AND value <> 0";

const ENDED: &str = "SELECT count(*) FROM ext_memcheck.end()";

/// A table for parallel workers, and the parameters that make them work on it.
const PARALLEL: &str = "SET max_parallel_workers_per_gather = 2; SET min_parallel_table_scan_size = 0;
                        SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0";

/// A server with the subject that the cases of a part share.
pub(crate) fn server(cluster: &Cluster, conf: &[&str]) -> Server {
    let server = cluster.start(&["mem_corpus"], conf);
    let mut session = Session::open(&server);
    session.gives("CREATE EXTENSION mem_corpus", "");
    session.gives("ALTER FUNCTION mem_corpus.d01_bad(int) PARALLEL SAFE", "");
    session.gives("ALTER FUNCTION mem_corpus.d01_ok(int) PARALLEL SAFE", "");
    session.gives("CREATE TABLE numbers WITH (fillfactor = 10) AS SELECT g AS n FROM generate_series(1, 4000) g", "");
    session.gives("VACUUM ANALYZE numbers", "");
    server
}

/// A session in which the subject can be called, and parallel workers are started for the least.
pub(crate) fn session(server: &Server) -> Session {
    prepared(Session::open(server))
}

/// The same, of one that there is.
pub(crate) fn prepared(mut session: Session) -> Session {
    session.gives("SET search_path = mem_corpus, public; SET pg_ext_memcheck.targets = 'mem_corpus'", "");
    session.gives(PARALLEL, "");
    session
}

pub(crate) fn pid(session: &mut Session) -> i32 {
    session.ask("SELECT pg_backend_pid()").parse().expect("a number")
}

/// Sends a signal to a process, which may be gone.
pub(crate) fn send(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Fails where a process has crashed since the log ended there.
#[track_caller]
pub(crate) fn assert_no_crash(server: &Server, position: u64) {
    let crashes = server.crashes_since(position);
    // The end of the log is of the time before, which may have many lines on contexts.
    let is_said =
        |line: &&str| ["ERROR:", "FATAL:", "PANIC:", "WARNING:", "LOG:"].iter().any(|word| line.contains(word));
    let log = || server.log_tail(5000).lines().filter(is_said).map(str::to_owned).collect::<Vec<_>>().join("\n");
    assert!(crashes.is_empty(), "{}{:?}\n{}", crashes[0].process, crashes[0].end, log());
}

/// Fails unless the server works: it takes connections, and [`assert_works`]. The sessions of others have ended.
#[track_caller]
pub(crate) fn assert_sound(server: &Server) {
    server.wait_ready().expect("the server is there");
    let mut session = session(server);
    alone(&mut session);
    assert_works(&mut session, Session::open(server));
    session.gives("SELECT ext_memcheck.flush_violations() >= 0", "t");
    session.gives("SELECT ext_memcheck.clear_violations()", "");
    session.gives("SELECT count(*) FROM ext_memcheck.violation_log", "0");
    session.gives("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0");
}

/// Fails unless a window finds what there is to be found, and another process answers.
#[track_caller]
pub(crate) fn assert_works(session: &mut Session, mut other: Session) {
    assert_window_finds(session);
    let other_pid = pid(&mut other);
    session.gives(&format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({other_pid})"), "t");
    session.gives(&format!("SELECT ext_memcheck.begin_in({other_pid})"), "Memory check session started.");
    // The window begins where the first transaction ends.
    (0..3).for_each(|_| other.gives("SELECT count(mem_corpus.d01_bad(100)) FROM generate_series(1, 50)", "50"));
    let end = format!("SELECT check_type, source_lib FROM ext_memcheck.end_in({other_pid}) ORDER BY 1");
    session.gives(&end, "context_leak|mem_corpus\nwrong_ctx_alloc|mem_corpus");
    session.gives(FAULTS, "");
}

/// Opens a window around a leak of the known size.
#[track_caller]
pub(crate) fn assert_window_finds(session: &mut Session) {
    session.gives("SELECT d01_bad(8) IS NULL", "f");
    session.gives(
        "SELECT ext_memcheck.begin('', '{\"scenario\": \"growth_benchmark\"}')",
        "Memory check session started.",
    );
    session.gives("SELECT ext_memcheck.mark(0)", "");
    session.gives("SELECT count(d01_bad(100)) FROM generate_series(1, 50)", "50");
    session.gives("SELECT count(d01_ok(100)) FROM numbers", "4000");
    session.gives("SELECT ext_memcheck.mark(1)", "");
    session.gives(ENDED, "1");
    let found = "SELECT check_type, subject, bytes, objects, source_lib FROM ext_memcheck.findings()";
    session.gives(found, "ctx_bloat|TopMemoryContext|5000|50|mem_corpus");
    session.gives(FAULTS, "");
}

/// Waits until there is no other session.
#[track_caller]
pub(crate) fn alone(session: &mut Session) {
    let others = "SELECT count(*) FROM pg_stat_activity
                   WHERE backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()";
    eventually("the other sessions end", || session.ask(others) == "0");
}

/// Says these statements over and over in a session of its own, whatever comes of them, until it is told to stop or its
/// backend is gone. Sends the pid when it begins.
pub(crate) fn keep_busy(server: &Server, statements: &[String], stop: &AtomicBool, started: &Sender<i32>) {
    let Ok(mut client) = server.connect("postgres") else { return };
    let settings = format!("SET search_path = mem_corpus, public; {PARALLEL}; SET statement_timeout = '60s'");
    if client.batch_execute(&settings).is_err() {
        return;
    }
    let Ok(row) = client.query_one("SELECT pg_backend_pid()", &[]) else { return };
    // Whoever has started it may have seen enough.
    let _ = started.send(row.get(0));
    while !stop.load(Ordering::Relaxed) {
        for statement in statements {
            let _ = client.simple_query(statement);
            if client.is_closed() {
                return;
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

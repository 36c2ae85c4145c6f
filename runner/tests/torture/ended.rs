//! Statements that are cancelled, and sessions that are ended, in the middle of what is traced.

use std::sync::mpsc::channel;
use std::thread;

use mcspec::server::Server;

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session, eventually};
use crate::sound::{self, FAULTS};
use crate::traces::Before;

/// What is at work in the window.
const LOOPS: [&str; 9] = [
    "SELECT count(d01_bad(50)) FROM generate_series(1, 1000000)",
    "SELECT count(d04_ok()) FROM generate_series(1, 1000000)",
    "SELECT count(d06_ok('{1,2,2}')) FROM generate_series(1, 1000000)",
    "SELECT count(d13_ok('xabdx')), count(n7_malloc(100)) FROM generate_series(1, 1000000)",
    "SELECT count(n6_contexts()) FROM generate_series(1, 100000)",
    "DO $$ BEGIN FOR i IN 1..1000000 LOOP BEGIN PERFORM x01_throws(20, 16);
       EXCEPTION WHEN external_routine_exception THEN NULL; END; END LOOP; END $$",
    "DO $$ BEGIN FOR i IN 1..1000000 LOOP EXECUTE 'SELECT count(d01_ok(' || i || ')) FROM numbers WHERE n < 10'; END LOOP; END $$",
    "DO $$ BEGIN FOR i IN 1..1000000 LOOP PERFORM count(d01_bad(8)) FROM numbers; END LOOP; END $$",
    "DO $$ BEGIN FOR i IN 1..1000000 LOOP PERFORM ext_memcheck.mark(i); PERFORM d07_ok(i::text); END LOOP; END $$",
];

/// What is at work in place of a window of the session's own.
const ENGINE: [&str; 6] = [
    "SELECT ext_memcheck.run_scenario('growth_benchmark', 1000000, 'SELECT mem_corpus.d01_bad(50)')",
    "SELECT ext_memcheck.run_scenario('tx_abort_loop', 1000000, 'SELECT mem_corpus.d01_bad(50)')",
    "SELECT ext_memcheck.run_scenario('query_peak', 1000000, 'SELECT count(mem_corpus.d01_ok(50)) FROM generate_series(1, :rows)')",
    "DO $$ BEGIN LOOP PERFORM ext_memcheck.begin(); PERFORM d01_bad(50); PERFORM count(*) FROM ext_memcheck.end();
       PERFORM count(*) FROM ext_memcheck.findings(); END LOOP; END $$",
    "DO $$ BEGIN LOOP PERFORM count(*) FROM ext_memcheck.backend_contexts(pg_backend_pid()); END LOOP; END $$",
    "SET pg_ext_memcheck.memcheck_mode = 'all'; SELECT count(d01_bad(5000)) FROM generate_series(1, 1000000)",
];

const ENDS: [&str; 5] =
    ["pg_cancel_backend", "pg_cancel_backend", "pg_terminate_backend", "statement_timeout", "many cancels"];

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let server = sound::server(cluster, &["log_min_messages = log"]);
    choice.each(name, cluster.installation.version.major(), count, |case| end(&server, case));
    server.stop();
    before.assert_nothing_left();
}

fn end(server: &Server, case: &mut Case) {
    let way = *case.pick(&ENDS);
    let has_window = case.below(4) > 0;
    let work = *case.pick(if has_window { &LOOPS[..] } else { &ENGINE[..] });
    let delay = case.time(200);
    let is_traced_always = case.below(3) == 0;
    case.tell(&format!("{way} after {} us, trace always {is_traced_always}: {work}", delay.as_micros()));
    let position = server.log_position();
    let (started, starts) = channel();
    let survivor = thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let mut session = sound::session(server);
            if is_traced_always {
                session.gives("SET pg_ext_memcheck.trace = on", "");
            }
            // The subject's first calls.
            session.gives("SELECT d01_bad(8) IS NULL, d06_ok('{1}') IS NULL", "f|f");
            if has_window {
                session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
            }
            started.send(sound::pid(&mut session)).expect("somebody waits");
            if way == "statement_timeout" {
                session.gives(&format!("SET statement_timeout = {}", delay.as_millis().max(1)), "");
            }
            let error = session.client.simple_query(work).map(|_| ());
            (session, error)
        });
        let pid = starts.recv().expect("it has started");
        if way != "statement_timeout" {
            let mut other = Session::open(server);
            thread::sleep(delay);
            match way {
                "many cancels" => (0..5).for_each(|_| drop(other.ask(&format!("SELECT pg_cancel_backend({pid})")))),
                function => {
                    // A request that comes before the statement is lost, as the server has it.
                    eventually("the statement ends", || {
                        other.ask(&format!("SELECT {function}({pid})"));
                        worker.is_finished()
                    });
                }
            }
            eventually("the statement ends", || {
                other.ask(&format!("SELECT pg_cancel_backend({pid})"));
                worker.is_finished()
            });
        }
        let (session, error) = worker.join().expect("it has ended");
        let error = error.expect_err("no work of these comes to its end");
        let code = error.code().map_or("", |code| code.code());
        // One that waits for a statement is gone when that comes.
        let expected: &[&str] = if way == "pg_terminate_backend" { &["57P01", ""] } else { &["57014"] };
        assert!(expected.contains(&code), "{error}: {error:?}");
        (way != "pg_terminate_backend").then_some(session)
    });
    if let Some(mut session) = survivor {
        session.gives("SET statement_timeout = 0", "");
        session.ask("SELECT count(*) FROM ext_memcheck.end()");
        session.gives(FAULTS, "");
        sound::assert_window_finds(&mut session);
    }
    sound::assert_no_crash(server, position);
    sound::assert_sound(server);
}

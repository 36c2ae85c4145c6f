//! Tracing outside of the session's own windows: by parameters, and by windows in other backends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::cluster::{Session, clusters, eventually};
use mcspec::server::Server;

#[test]
fn other_ways_to_trace() {
    for cluster in clusters(&["pgweb", "mem_corpus"]) {
        let server = cluster.start(&[], &[]);
        let mut session = Session::open(&server);
        session.ask("CREATE EXTENSION pgweb");
        session.ask("CREATE EXTENSION mem_corpus");
        a_function_that_never_ends_tells_what_it_leaks(&server);
        parameters_switch_tracing_on_and_off(&server);
        windows_in_workers(&server);
        server.stop();
    }
}

/// One request; the answer.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    write!(stream, "GET {path} HTTP/1.1\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("received");
    answer
}

/// Runs pgweb.serve() in a session of its own until it is told to stop. Sends pid and port.
fn serve(server: &Server, settings: &[&str], started: &Sender<(i32, u16)>) {
    let (ports, listening) = channel();
    let mut client = server
        .connect_with("postgres", "", move |notice| {
            if let Some(port) = notice.message().strip_prefix("listening on 127.0.0.1:") {
                ports.send(port.parse::<u16>().expect("a port")).expect("somebody waits");
            }
        })
        .expect("connected");
    // A test that fails does not wait for ever.
    client.batch_execute("SET statement_timeout = '5min'").expect("set");
    for setting in settings {
        client.batch_execute(&format!("SET {setting}")).expect("set");
    }
    client.batch_execute("SELECT pgweb.register_get('/hello', 'hello')").expect("registered");
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).expect("a row").get(0);
    thread::scope(|scope| {
        scope.spawn(move || started.send((pid, listening.recv().expect("a port"))).expect("somebody waits"));
        let _ = client.batch_execute("SELECT pgweb.serve('127.0.0.1', 0)");
    });
}

/// The done-when of seeds/pgweb: the leaking site is named while requests are running.
fn a_function_that_never_ends_tells_what_it_leaks(server: &Server) {
    let mut session = Session::open(server);
    session.ask("CREATE FUNCTION hello(params json) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'Hello'; END $$");
    let leaks = |session: &mut Session, pid: i32| {
        session.ask(&format!(
            "SELECT source_lib, context_path, allocations, bytes, site_offset > 0, build_id <> '', jsonb_array_length(stack) > 1
               FROM ext_memcheck.live_allocations({pid}) WHERE context_path[2] = 'PGWRequestContext' LIMIT 1"
        ))
    };
    let (started, starts) = channel();
    let unmended = ["pgweb.reset_contexts = off"];
    let traced = [unmended[0], "pg_ext_memcheck.trace = on", "pg_ext_memcheck.targets = 'pgweb'"];
    thread::scope(|scope| {
        scope.spawn(|| serve(server, &traced, &started));
        let (pid, port) = starts.recv().expect("it serves");
        for _ in 0..10 {
            assert!(get(port, "/hello").ends_with("Hello"));
        }
        // Each request leaves a buffer of 8 kB and a byte.
        let expected = "pgweb|{PGWServerContext,PGWRequestContext}|10|81930|t|t|t";
        assert_eq!(leaks(&mut session, pid), expected);

        // Also between two requests that come at the same time.
        let busy = AtomicBool::new(true);
        thread::scope(|scope| {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    get(port, "/hello");
                }
            });
            let mut held = 0;
            for _ in 0..20 {
                let row = leaks(&mut session, pid);
                let fields: Vec<&str> = row.split('|').collect();
                let requests: u64 = fields[2].parse().expect("a number");
                assert_eq!(fields[3].parse::<u64>().expect("a number"), requests * 8193, "{row}");
                assert!(requests >= held, "{requests} after {held}");
                held = requests;
            }
            assert!(held > 10, "{held}");
            busy.store(false, Ordering::Relaxed);
        });
        get(port, "/_exit");

        // Nobody has asked for tracing: a window in that process does.
        scope.spawn(|| serve(server, &unmended, &started));
        let (pid, port) = starts.recv().expect("it serves");
        session.gives(
            &format!("SELECT count(*) FROM ext_memcheck.live_allocations({pid})"),
            "55000 allocations of that process are not traced HINT: Set pg_ext_memcheck.trace to on in that process.",
        );
        session.ask(&format!("SELECT ext_memcheck.begin_in({pid}, '', '{{\"targets\": [\"pgweb\"]}}')"));
        for _ in 0..5 {
            get(port, "/hello");
        }
        assert!(leaks(&mut session, pid).starts_with("pgweb|{PGWServerContext,PGWRequestContext}|5|40965|"));
        session.gives(
            &format!(
                "SELECT check_type, severity, source_lib FROM ext_memcheck.end_in({pid}) WHERE detail ~ 'PGWRequest'"
            ),
            "context_leak|INFO|pgweb",
        );
        session.gives(
            "SELECT context_path, objects >= 5, iterations FROM ext_memcheck.findings() WHERE subject ~ 'PGWRequest'",
            "{PGWServerContext,PGWRequestContext}|t|0",
        );
        get(port, "/_exit");
    });
    session.ask("DROP FUNCTION hello");
}

fn parameters_switch_tracing_on_and_off(server: &Server) {
    let mut session = Session::open(server);
    let held = "SELECT source_lib, context_path, allocations, bytes FROM ext_memcheck.live_allocations()";
    let off = "55000 allocations of that process are not traced HINT: Set pg_ext_memcheck.trace to on in that process.";
    session.ask("LOAD 'mem_corpus'");
    session.gives(held, off);
    session.gives(
        "SELECT * FROM ext_memcheck.live_totals()",
        "55000 allocations of this session are not traced HINT: Set pg_ext_memcheck.trace to on.",
    );
    session.ask("SET pg_ext_memcheck.targets = 'mem_corpus'");
    session.gives(held, off);
    session.ask("SET pg_ext_memcheck.trace = on");
    session.gives(held, "");
    session.ask("SELECT mem_corpus.d06_bad('{1,2,2}')");
    let first = session.ask(&format!("SELECT sum(allocations), sum(bytes) FROM ({held}) AS held"));
    let (n, bytes) = first.split_once('|').expect("two fields");
    let (n, bytes): (u64, u64) = (n.parse().expect("a number"), bytes.parse().expect("a number"));
    assert!(n > 0 && bytes > 2000, "{first}");
    session.gives("SELECT * FROM ext_memcheck.live_totals()", &first);
    // Each place once, and none again that was seen.
    session.gives(
        "SELECT count(*) = count(DISTINCT site_offset), count(*) > 0, bool_and(source_lib = 'mem_corpus') FROM ext_memcheck.sites_reached()",
        "t|t|t",
    );
    session.gives(
        "SELECT count(*) FROM ext_memcheck.sites_reached((SELECT max(number) FROM ext_memcheck.sites_reached()))",
        "0",
    );
    // A window inside sees what is new, and leaves tracing on.
    session.ask("SELECT ext_memcheck.begin()");
    session.ask("SELECT mem_corpus.d06_bad('{1,2,2}')");
    session.ask("SELECT ext_memcheck.end()");
    session.gives(
        &format!("SELECT sum(allocations), sum(bytes) FROM ({held}) AS held"),
        &format!("{}|{}", 2 * n, 2 * bytes),
    );
    session.ask("SET pg_ext_memcheck.trace = off");
    session.gives(held, off);
    // A window without the parameters is without a trace, and one with them ends with it.
    session.ask("SELECT ext_memcheck.begin()");
    session.gives(held, off);
    session.ask("SELECT ext_memcheck.end()");
    session.gives(held, off);
    // What is set for a transaction ends with it.
    session.ask("BEGIN");
    session.ask("SET LOCAL pg_ext_memcheck.trace = on");
    session.gives(held, "");
    session.ask("ROLLBACK");
    session.gives(held, off);
}

fn windows_in_workers(server: &Server) {
    let mut session = Session::open(server);
    let mut watch = |ok: bool| {
        let worker: i32 = session.ask(&format!("SELECT mem_corpus.d05_launch({ok})")).parse().expect("a pid");
        eventually("the worker is connected", || {
            session.ask(&format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {worker}")) == "1"
        });
        let options = r#"{"scenario": "wrong_context_probe", "targets": ["mem_corpus"]}"#;
        // A round takes little more than 10 ms where the worker has a processor to itself.
        let mut time = Duration::from_millis(1500);
        let found = loop {
            session.gives(
                &format!("SELECT ext_memcheck.begin_in({worker}, '', '{options}')"),
                "Memory check session started.",
            );
            thread::sleep(time);
            let found = session.ask(&format!("SELECT check_type, source_lib FROM ext_memcheck.end_in({worker})"));
            let marks = session.ask("SELECT value FROM ext_memcheck.window_stats() WHERE name = 'marks'");
            if marks.parse::<u32>().expect("a number") > 20 || time > Duration::from_secs(60) {
                break found;
            }
            time *= 4;
        };
        session.gives(&format!("SELECT pg_terminate_backend({worker}, 5000)"), "t");
        let rows = session.ask(
            "SELECT context_path, bytes = 20 * iterations, objects = iterations, iterations > 20, bytes_per_iter = 20
               FROM ext_memcheck.findings()",
        );
        (found, rows)
    };
    assert_eq!(watch(false), ("wrong_ctx_alloc|mem_corpus".to_owned(), "{TopMemoryContext}|t|t|t|t".to_owned()));
    assert_eq!(watch(true), (String::new(), String::new()));
}

//! Asking another backend, on real servers: who answers, who does not, and what is said.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::cluster::{Session, clusters, eventually, login};
use mcspec::server::Server;
use memcheck_core::check::Per;
use memcheck_core::options::scenarios_are;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn other_backends() {
    for cluster in clusters(&[]) {
        let server = cluster.start(&[], &["log_min_messages = warning"]);
        who_cannot_be_asked(&server);
        privileges(&server);
        a_busy_process_is_given_up(&server);
        who_may_ask_whom(&server);
        a_checkpoint_is_told_of(&server);
        a_flood_of_questions(&server);
        contexts(&server);
        a_genuine_dump_is_logged(&server);
        a_genuine_dump_and_a_question_at_a_time(&server);
        catalog_caches(&server);
        parallel_workers(&server);
        after_a_crash(&server);
        server.stop();
    }
}

fn pid(session: &mut Session) -> i32 {
    session.ask("SELECT pg_backend_pid()").parse().expect("a number")
}

fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("sent");
}

fn who_cannot_be_asked(server: &Server) {
    let mut session = Session::open(server);
    let no = "HINT: Workers without a database connection cannot be asked.";
    for (wrong, pid) in [("0", 0), ("-1", -1), ("1", 1)] {
        session.gives(
            &format!("SELECT count(*) FROM ext_memcheck.backend_contexts({wrong})"),
            &format!("22023 PID {pid} is not a PostgreSQL server process {no}"),
        );
    }
    session.gives("SELECT count(*) FROM ext_memcheck.backend_contexts(NULL)", "0");
    // The server's own processes answer too.
    session.gives(
        "SELECT (SELECT count(*) > 3 FROM ext_memcheck.backend_contexts(pid))
           FROM pg_stat_activity WHERE backend_type = 'checkpointer'",
        "t",
    );
    session.gives("SELECT ext_memcheck.begin_in(NULL)", "22004 PID must not be null");
    let own = pid(&mut session);
    session.gives(
        &format!("SELECT ext_memcheck.begin_in({own})"),
        &format!("22023 PID {own} is this session's own HINT: Use ext_memcheck.begin()."),
    );
    let mut other = Session::open(server);
    let other_pid = pid(&mut other);
    session.gives(
        &format!("SELECT count(*) FROM ext_memcheck.end_in({other_pid})"),
        "55000 no check window was opened in that process by another HINT: Open one with ext_memcheck.begin_in().",
    );
    // Another backend does not know at how many rows it is.
    let known = scenarios_are(|kind| kind.per() == Per::Iteration);
    for (options, error) in [
        ("[]", "options must be a JSON object"),
        (r#"{"targets": "x"}"#, "option \"targets\" must be an array of strings"),
        (r#"{"stacks": 1}"#, "option \"stacks\" must be true or false"),
        (
            r#"{"growth": "linear"}"#,
            "option \"growth\" cannot be used in another backend HINT: It is about the rows of scenario \"query_peak\": use \
             ext_memcheck.begin() in the session that runs the workload.",
        ),
        (r#"{"scenario": "x"}"#, &format!("unknown scenario \"x\" HINT: {known}")),
        (
            r#"{"scenario": "query_peak"}"#,
            &format!("scenario \"query_peak\" cannot be run in another backend HINT: {known}"),
        ),
    ] {
        session
            .gives(&format!("SELECT ext_memcheck.begin_in({other_pid}, '', '{options}')"), &format!("22023 {error}"));
    }
    let long = session.ask(&format!(
        "SELECT ext_memcheck.begin_in({other_pid}, '', jsonb_build_object('watch', ARRAY[repeat('x', 9000)]))"
    ));
    assert!(long.starts_with("54000 pattern, options and targets are too long (9"), "{long}");
    // The session's own window is its own business.
    other.ask("SELECT ext_memcheck.begin()");
    session.gives(
        &format!("SELECT ext_memcheck.begin_in({other_pid})"),
        "55000 a check window is already open in that process",
    );
    session.gives(
        &format!("SELECT count(*) FROM ext_memcheck.end_in({other_pid})"),
        "55000 no check window was opened in that process by another HINT: Open one with ext_memcheck.begin_in().",
    );
    other.ask("SELECT ext_memcheck.end()");
    session.gives(&format!("SELECT ext_memcheck.begin_in({other_pid})"), "Memory check session started.");
    other.gives(
        "SELECT ext_memcheck.mark(1)",
        "55000 no check window is open HINT: Open one with ext_memcheck.begin().",
    );
    other.gives("SELECT count(*) FROM ext_memcheck.end()", "0");
    session.gives(&format!("SELECT count(*) FROM ext_memcheck.end_in({other_pid})"), "0");
}

fn privileges(server: &Server) {
    let mut session = Session::open(server);
    session.ask("CREATE ROLE nobody_special");
    session.ask("CREATE ROLE reader IN ROLE pg_read_all_stats");
    session.ask("GRANT USAGE ON SCHEMA ext_memcheck TO nobody_special");
    let calls = [
        ("SELECT count(*) > 0 FROM ext_memcheck.backend_contexts(pg_backend_pid())", "backend_contexts"),
        ("SELECT count(*) > 0 FROM ext_memcheck.catcache_stats()", "catcache_stats"),
        ("SELECT count(*) > 0 FROM ext_memcheck.live_allocations()", "live_allocations"),
        ("SELECT ext_memcheck.begin_in(1)", "begin_in"),
        ("SELECT ext_memcheck.end_in(1)", "end_in"),
    ];
    session.ask("SET ROLE nobody_special");
    for (call, function) in calls {
        session.gives(call, &format!("42501 permission denied for function {function}"));
    }
    session.ask("SET ROLE reader");
    for (position, (call, function)) in calls.into_iter().enumerate() {
        match position {
            0 | 1 => session.gives(call, "t"),
            2 => assert!(session.ask(call).starts_with("55000 allocations of that process are not traced")),
            _ => session.gives(call, &format!("42501 permission denied for function {function}")),
        }
    }
    session.ask("RESET ROLE");
    session.ask("DROP ROLE nobody_special, reader");
}

/// Whether somebody waits for the answer of a process.
fn is_asked(pid: i32) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity
          WHERE wait_event = 'Extension' AND query LIKE '%backend_contexts({pid})'"
    )
}

/// A process that checks for no interrupts does not answer, and its late answer does not disturb.
fn a_busy_process_is_given_up(server: &Server) {
    let mut session = Session::open(server);
    let mut deaf = Session::open(server);
    let deaf_pid = pid(&mut deaf);
    // What is logged at FATAL only is not logged here, so nothing is answered.
    deaf.ask("SET log_min_messages = fatal");
    let ask = format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({deaf_pid})");
    session.ask("SET statement_timeout = '4s'");
    session.gives(
        &ask,
        &format!(
            "55000 process with PID {deaf_pid} cannot answer HINT: It answers by way of the server's log: its \
             log_min_messages must not be fatal or panic."
        ),
    );
    deaf.ask("RESET log_min_messages");
    session.gives(&ask, "t");
    // A stopped process: the signal waits for it, and it answers when it goes on.
    send(deaf_pid, Signal::SIGSTOP);
    session.gives(
        &ask,
        &format!(
            "55000 process with PID {deaf_pid} is stopped HINT: By SIGSTOP or a debugger: it answers when it goes on."
        ),
    );
    // A question that was cancelled leaves nothing behind.
    session.ask("SET statement_timeout = '200ms'");
    session.gives(&ask, "57014 canceling statement due to statement timeout");
    session.ask("RESET statement_timeout");
    send(deaf_pid, Signal::SIGCONT);
    session.gives(&ask, "t");
    deaf.gives("SELECT 1", "1");
    assert!(!server.log_tail(1000).contains("logging memory contexts"), "{}", server.log_tail(1000));

    // A process that ends meanwhile.
    send(deaf_pid, Signal::SIGSTOP);
    let ended = thread::scope(|scope| {
        let asks = scope.spawn(|| Session::open(server).ask(&ask));
        let mut third = Session::open(server);
        eventually("the question is put", || third.ask(&is_asked(deaf_pid)) == "1");
        // Nobody waits for the answer to another's question.
        let other_pid = pid(&mut session);
        third.gives(&format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({other_pid})"), "t");
        send(deaf_pid, Signal::SIGTERM);
        send(deaf_pid, Signal::SIGCONT);
        asks.join().expect("answered")
    });
    let gone = ["ended before it answered", "is stopped HINT: By SIGSTOP or a debugger: it answers when it goes on."];
    let gone = gone.map(|what| format!("55000 process with PID {deaf_pid} {what}"));
    assert!(ended == "t" || gone.contains(&ended), "{ended}");
}

/// Who may ask whom is as for the server's own functions, whoever may call the engine's.
fn who_may_ask_whom(server: &Server) {
    let mut session = Session::open(server);
    session.gives(
        "CREATE ROLE caller; CREATE ROLE caller_too IN ROLE caller LOGIN; CREATE ROLE stranger LOGIN;
         GRANT USAGE ON SCHEMA ext_memcheck TO caller; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ext_memcheck TO caller",
        "",
    );
    let of = |role: &str| Session { client: login(server, role) };
    let (mut own, mut stranger, mut superuser) = (of("caller_too"), of("stranger"), Session::open(server));
    let pids = [pid(&mut own), pid(&mut stranger), pid(&mut superuser)];
    let checkpointer = session.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
    let checkpointer = checkpointer.parse().expect("a number");
    let asked = [pids[0], pids[1], pids[2], checkpointer];
    let mut caller = of("caller_too");
    for (granted, reads, interferes) in [
        ("", [true, false, false, false], [true, false, false, false]),
        ("pg_read_all_stats", [true; 4], [true, false, false, false]),
        ("pg_signal_backend", [true, false, false, false], [true, true, false, false]),
    ] {
        if !granted.is_empty() {
            session.gives(&format!("GRANT {granted} TO caller_too"), "");
        }
        for (position, pid) in asked.into_iter().enumerate() {
            let denied = format!("42501 permission denied to ask process with PID {pid} ");
            for (call, may) in [
                (format!("count(*) > 0 FROM ext_memcheck.backend_contexts({pid})"), reads[position]),
                (format!("count(*) FROM ext_memcheck.live_allocations({pid})"), reads[position]),
                (format!("ext_memcheck.begin_in({pid})"), interferes[position]),
                (format!("count(*) FROM ext_memcheck.end_in({pid})"), interferes[position]),
            ] {
                let said = caller.ask(&format!("SELECT {call}"));
                assert_eq!(!said.starts_with(&denied), may, "{granted}: {call}: {said}");
                assert!(may || said.contains(" HINT: It takes the privileges of its role, or those of pg_"), "{said}");
            }
        }
        if !granted.is_empty() {
            session.gives(&format!("REVOKE {granted} FROM caller_too"), "");
        }
    }
    drop((own, stranger, caller));
    session.gives("DROP OWNED BY caller; DROP ROLE caller, caller_too, stranger", "");
}

/// A checkpoint that is spread over time: the checkpointer looks at nothing else, and that is told at once.
fn a_checkpoint_is_told_of(server: &Server) {
    let mut session = Session::open(server);
    session.gives("CREATE TABLE dirty AS SELECT repeat('x', 500) FROM generate_series(1, 20000)", "");
    let checkpointer = session.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
    let writes = "SELECT wait_event = 'CheckpointWriteDelay' FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    thread::scope(|scope| {
        let backup = scope.spawn(|| Session::open(server).ask("SELECT pg_backup_start('slow', false) IS NOT NULL"));
        eventually("the checkpoint is being written", || session.ask(writes) == "t");
        session.gives("SET statement_timeout = '4s'", "");
        for _ in 0..3 {
            session.gives(
                &format!("SELECT count(*) FROM ext_memcheck.backend_contexts({checkpointer})"),
                &format!(
                    "55006 process with PID {checkpointer} writes a checkpoint, and does not answer before it is done HINT: \
                     CHECKPOINT has it done without delay."
                ),
            );
        }
        session.gives("RESET statement_timeout; CHECKPOINT", "");
        assert_eq!(backup.join().expect("no panic"), "t");
    });
    session.gives(&format!("SELECT count(*) > 3 FROM ext_memcheck.backend_contexts({checkpointer})"), "t");
    session.gives("DROP TABLE dirty", "");
}

/// One who is no superuser, and asks as much as he can: others are answered all the same, and nothing gets into the log.
fn a_flood_of_questions(server: &Server) {
    let mut session = Session::open(server);
    session.gives("CREATE ROLE curious LOGIN IN ROLE pg_read_all_stats", "");
    let (mut victim, mut stopped) = (Session::open(server), Session::open(server));
    let (victim_pid, stopped_pid) = (pid(&mut victim), pid(&mut stopped));
    let asks = |pid| format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({pid})");
    send(stopped_pid, Signal::SIGSTOP);
    let ends = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let flood = |pid| {
            let ends = &ends;
            move || {
                let mut curious = Session { client: login(server, "curious") };
                let mut answers = Vec::new();
                while !ends.load(Ordering::Relaxed) {
                    answers.push(curious.ask(&asks(pid)));
                }
                answers
            }
        };
        let askers: Vec<_> =
            (0..6).map(|number| scope.spawn(flood(if number % 2 == 0 { victim_pid } else { stopped_pid }))).collect();
        for _ in 0..100 {
            session.gives(&asks(victim_pid), "t");
            victim.gives("SELECT 1", "1");
        }
        ends.store(true, Ordering::Relaxed);
        send(stopped_pid, Signal::SIGCONT);
        askers.into_iter().flat_map(|asker| asker.join().expect("no panic")).collect::<Vec<_>>()
    });
    for answer in answers {
        let is_known =
            ["t", "55006 process with PID ", "55000 process with PID "].iter().any(|known| answer.starts_with(known));
        assert!(is_known, "{answer}");
    }
    stopped.gives("SELECT 1", "1");
    session.gives(&asks(stopped_pid), "t");
    session.gives("DROP ROLE curious", "");
}

fn contexts(server: &Server) {
    let mut session = Session::open(server);
    let mut other = Session::open(server);
    let other_pid = pid(&mut other);
    other.ask("PREPARE secret AS SELECT 'do not tell'");
    other.ask("EXECUTE secret");
    session.gives(
        &format!(
            "SELECT path, name, ident, level, used_bytes + free_bytes = allocated_bytes, blocks > 0
               FROM ext_memcheck.backend_contexts({other_pid}) WHERE level = 0 OR name = 'CacheMemoryContext'"
        ),
        "{TopMemoryContext}|TopMemoryContext||0|t|t\n{CacheMemoryContext}|CacheMemoryContext||1|t|t",
    );
    session.gives(
        &format!(
            "SELECT count(*) FILTER (WHERE name = 'index info' AND ident = 'pg_class_oid_index'),
                    count(*) FILTER (WHERE name = 'CachedPlanSource' AND ident IS NULL),
                    count(*) FILTER (WHERE ident LIKE '%do not tell%')
               FROM ext_memcheck.backend_contexts({other_pid})"
        ),
        "1|1|0",
    );
    // The server's own view of this session agrees, but for what the query itself makes.
    session.gives(
        "SELECT count(*) FROM ext_memcheck.backend_contexts(pg_backend_pid()) AS ours
           JOIN pg_backend_memory_contexts AS theirs ON theirs.name = ours.name
          WHERE ours.name = 'Timezones' AND ours.used_bytes = theirs.used_bytes AND allocated_bytes = total_bytes
            AND blocks = total_nblocks",
        "1",
    );
}

/// Also while the process is still at the dump that was a question, in which it has answered already.
fn a_genuine_dump_is_logged(server: &Server) {
    let (mut session, mut asker, mut other) = (Session::open(server), Session::open(server), Session::open(server));
    let other_pid = pid(&mut other);
    let head = format!("logging memory contexts of PID {other_pid}");
    let dumps = || server.log_tail(usize::MAX).matches(&head).count();
    for (round, delay) in (0..100).step_by(2).cycle().take(150).enumerate() {
        thread::scope(|scope| {
            scope.spawn(|| {
                asker.gives(&format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({other_pid})"), "t");
            });
            thread::sleep(Duration::from_micros(delay * 30));
            session.gives(&format!("SELECT pg_log_backend_memory_contexts({other_pid})"), "t");
        });
        eventually("the dump is logged", || dumps() > round);
    }
    other.gives("SELECT 1", "1");
    assert_eq!(dumps(), 150);
}

/// What reaches a process as one signal is two wishes all the same, whichever was first, and whether anybody still waits.
fn a_genuine_dump_and_a_question_at_a_time(server: &Server) {
    let mut session = Session::open(server);
    for (first, is_given_up) in [("question", false), ("dump", false), ("question", true), ("dump", true)] {
        let mut other = Session::open(server);
        let other_pid = pid(&mut other);
        let head = format!("logging memory contexts of PID {other_pid}");
        let dumps = || server.log_tail(usize::MAX).matches(&head).count();
        let ends = || server.log_tail(usize::MAX).matches("Grand total: ").count();
        let before = ends();
        let ask = format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({other_pid})");
        send(other_pid, Signal::SIGSTOP);
        let request = |session: &mut Session| {
            session.gives(&format!("SELECT pg_log_backend_memory_contexts({other_pid})"), "t");
        };
        if first == "dump" {
            request(&mut session);
        }
        let answer = thread::scope(|scope| {
            let asks = scope.spawn(|| {
                let mut asker = Session::open(server);
                if is_given_up {
                    asker.ask("SET statement_timeout = '300ms'");
                }
                asker.ask(&ask)
            });
            eventually("the question is put", || asks.is_finished() || session.ask(&is_asked(other_pid)) == "1");
            if first == "question" {
                request(&mut session);
            }
            eventually("it is given up", || !is_given_up || asks.is_finished());
            send(other_pid, Signal::SIGCONT);
            asks.join().expect("answered")
        });
        let expected = if is_given_up { "57014 canceling statement due to statement timeout" } else { "t" };
        assert_eq!(answer, expected, "{first} first");
        eventually("the dump is logged", || dumps() == 1 && ends() == before + 1);
        // It was one, and the next question has none.
        session.gives(&ask, "t");
        other.gives("SELECT 1", "1");
        assert_eq!((dumps(), ends()), (1, before + 1), "{first} first");
    }
}

fn catalog_caches(server: &Server) {
    let mut session = Session::open(server);
    let of_class = "SELECT tuples, negative, bytes >= 200 * (tuples + negative) FROM ext_memcheck.catcache_stats()
                     WHERE index = 'pg_class_relname_nsp_index'";
    session.gives(
        "SELECT count(*) > 70, count(DISTINCT cache_id) = count(*), min(cache_id), max(cache_id) = count(*) - 1,
                count(relation) = count(*), count(index) = count(*) FROM ext_memcheck.catcache_stats()",
        "t|t|0|t|t|t",
    );
    let count = |session: &mut Session| -> Vec<i64> {
        let row = session.ask(of_class);
        assert!(row.ends_with("|t"), "{row}");
        row.split('|').take(2).map(|field| field.parse().expect("a number")).collect()
    };
    count(&mut session);
    let before = count(&mut session);
    session.ask("SELECT to_regclass('pg_catalog.no_such_relation')");
    session.ask("SELECT to_regclass('pg_catalog.pg_rewrite')");
    let after = count(&mut session);
    assert_eq!((after[0] - before[0], after[1] - before[1]), (1, 1));
}

/// They answer, and trace as the session that has started them.
fn parallel_workers(server: &Server) {
    let mut session = Session::open(server);
    thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let mut leader = Session::open(server);
            // The parameter has another name before 16.
            leader.ask("SET force_parallel_mode = on");
            leader.ask("SET debug_parallel_query = on");
            leader.ask("SET max_parallel_workers_per_gather = 2");
            leader.ask("SET pg_ext_memcheck.targets = 'mem_corpus'");
            leader.ask("SET pg_ext_memcheck.trace = on");
            leader.ask("SELECT pg_sleep(600)")
        });
        let mut worker = String::new();
        eventually("there is a parallel worker", || {
            worker = session.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker'");
            !worker.is_empty()
        });
        session.gives(&format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({worker})"), "t");
        session.gives(&format!("SELECT count(*) FROM ext_memcheck.live_allocations({worker})"), "0");
        session.gives(
            "SELECT pg_cancel_backend(leader_pid) FROM pg_stat_activity WHERE backend_type = 'parallel worker'",
            "t",
        );
        leader.join().expect("cancelled");
    });
}

/// The process that asks is killed, and all others with it: nobody stands in the way of the next question.
fn after_a_crash(server: &Server) {
    let mut stopped = Session::open(server);
    let stopped_pid = pid(&mut stopped);
    let mut asker = server.connect("postgres").expect("connected");
    let asker_pid: i32 = asker.query_one("SELECT pg_backend_pid()", &[]).expect("a row").get(0);
    let mut other = Session::open(server);
    let is_from_19 = other.ask("SELECT current_setting('server_version_num')::int >= 190000") == "t";
    send(stopped_pid, Signal::SIGSTOP);
    thread::scope(|scope| {
        scope.spawn(|| {
            let ask = format!("SELECT count(*) FROM ext_memcheck.backend_contexts({stopped_pid})");
            asker.batch_execute(&ask).expect_err("killed");
        });
        eventually("the question is put", || other.ask(&is_asked(stopped_pid)) == "1");
        send(asker_pid, Signal::SIGKILL);
    });
    if is_from_19 {
        // The postmaster of 19rc1 waits a minute, and not 5 s, before it kills one that does not end by SIGQUIT.
        send(stopped_pid, Signal::SIGCONT);
    }
    eventually("the crash has ended all processes", || kill(Pid::from_raw(stopped_pid), None).is_err());
    eventually("the server is there again", || server.connect("postgres").is_ok());
    let mut session = Session::open(server);
    let mut other = Session::open(server);
    let other_pid = pid(&mut other);
    session.gives(&format!("SELECT count(*) > 10 FROM ext_memcheck.backend_contexts({other_pid})"), "t");
}

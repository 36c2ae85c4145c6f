//! Backends that get no more memory from the machine, at any moment and for a while.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use mcspec::server::Server;

use crate::case::{Case, Choice};
use crate::cluster::Cluster;
use crate::sound::{self, FAULTS};
use crate::traces::Before;

/// What is done while there is little.
const WORK: [&str; 7] = [
    "DO $$ BEGIN FOR i IN 1..3000 LOOP EXECUTE format('PREPARE p%s AS SELECT %L', i, repeat('x', 20000)); END LOOP; END $$",
    "SELECT count(d01_bad(20000)) FROM generate_series(1, 100000)",
    "SELECT count(d07_bad(n::text)), count(d04_bad()) FROM generate_series(1, 200000) n",
    "SELECT string_agg(repeat('x', 1000), '') FROM generate_series(1, 200000)",
    "DO $$ BEGIN FOR i IN 1..300 LOOP PERFORM ext_memcheck.mark(i); PERFORM d01_bad(100000); END LOOP; END $$",
    "DO $$ BEGIN FOR i IN 1..50 LOOP PERFORM count(*) FROM ext_memcheck.end(); PERFORM count(*) FROM ext_memcheck.findings();
       PERFORM ext_memcheck.begin(); PERFORM count(d04_bad()), count(d01_bad(9000)) FROM generate_series(1, 1000); END LOOP; END $$",
    "SELECT count(*) FROM ext_memcheck.backend_contexts(pg_backend_pid()), ext_memcheck.live_allocations(), generate_series(1, 300)",
];

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let server = sound::server(cluster, &["log_min_messages = log"]);
    choice.each(name, cluster.installation.version.major(), count, |case| starve(&server, case));
    server.stop();
    before.assert_nothing_left();
}

/// Gives a process an address space of so many bytes more than it has; any, where none is said. It may be gone.
///
/// Whoever it belongs to may do so; root may not where it has no more of its capabilities (prlimit(2)).
pub(crate) fn limit(pid: i32, more: Option<u64>) {
    let process = format!("/proc/{pid}");
    let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let Some(size) = line.map(|size| size.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")) else {
        return;
    };
    let Ok(owner) = fs::metadata(&process) else { return };
    let most = more.map_or("unlimited".to_owned(), |more| (size * 1024 + more).to_string());
    let mut command = Command::new("prlimit");
    command.arg(format!("--pid={pid}")).arg(format!("--as={most}:")).uid(owner.uid()).gid(owner.gid());
    let limited = command.output().expect("prlimit, of util-linux");
    assert!(limited.status.success() || !fs::exists(&process).expect("asked"), "{limited:?}");
}

fn starve(server: &Server, case: &mut Case) {
    let work: Vec<&str> = (0..3).map(|_| *case.pick(&WORK)).collect();
    let more = case.below(1000) * case.below(30_000);
    let (mode, trace) = (*case.pick(&["none", "all"]), *case.pick(&["windows", "on", "off"]));
    let delay = case.time(100);
    let has_window = case.below(3) > 0;
    case.tell(&format!(
        "{more} bytes more after {} us, mode {mode}, trace {trace}, window {has_window}: {work:?}",
        delay.as_micros()
    ));
    let position = server.log_position();
    let (started, starts) = channel();
    let (finished, finishes) = channel();
    let (freed, is_free) = channel();
    thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let mut session = sound::session(server);
            session.gives("SET statement_timeout = '20s'", "");
            session.gives(&format!("SET pg_ext_memcheck.memcheck_mode = '{mode}'"), "");
            session.gives(&format!("SET pg_ext_memcheck.trace = '{trace}'"), "");
            let pid = sound::pid(&mut session);
            if has_window {
                session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
            }
            started.send(pid).expect("somebody waits");
            for statement in work {
                let _ = session.client.simple_query(statement);
            }
            finished.send(()).expect("somebody waits");
            is_free.recv().expect("there is memory again");
            session.gives("RESET ALL; DEALLOCATE ALL", "");
            session.gives("SET search_path = mem_corpus, public; SET pg_ext_memcheck.targets = 'mem_corpus'", "");
            session.ask("SELECT count(*) FROM ext_memcheck.end()");
            session.gives(&FAULTS.replace("'not_recorded'", "''"), "");
            sound::assert_window_finds(&mut session);
        });
        let pid = starts.recv().expect("it has started");
        thread::sleep(delay);
        limit(pid, Some(more));
        // It has failed where nothing is sent.
        let _ = finishes.recv();
        limit(pid, None);
        let _ = freed.send(());
        let ended = worker.join();
        sound::assert_no_crash(server, position);
        // The engine's last resort.
        let words = server.last_words(position, pid);
        assert!(
            ended.is_ok() || words.iter().any(|line| line.contains("out of memory")),
            "the session has failed: {words:?}"
        );
    });
    sound::assert_sound(server);
}

//! SIGKILL, or another signal that ends a process on the spot, for a process of a server in the middle of what it does. The
//! server ends all the others and starts again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use mcspec::server::Server;
use nix::sys::signal::Signal;

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session, eventually};
use crate::sound;
use crate::traces::Before;

const SIGNALS: [Signal; 4] = [Signal::SIGKILL, Signal::SIGKILL, Signal::SIGSEGV, Signal::SIGABRT];

/// Whose end it is.
const VICTIMS: [&str; 8] =
    ["in a window", "asker", "asked", "leader", "worker", "statement checks", "at a dump", "checkpointer"];

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    // A process that dies right after it has made a segment, before it has written down that there is one, leaves it in
    // /dev/shm (dsm_create in dsm.c). That is the server's affair: none is made here.
    let server = sound::server(cluster, &["log_min_messages = log", "min_dynamic_shared_memory = 64MB"]);
    choice.each(name, cluster.installation.version.major(), count, |case| kill(&server, case));
    server.stop();
    before.assert_nothing_left();
}

fn kill(server: &Server, case: &mut Case) {
    let victim = *case.pick(&VICTIMS);
    let signal = *case.pick(&SIGNALS);
    let delay = case.time(300);
    case.tell(&format!("{signal} for the process \"{victim}\" after {} us", delay.as_micros()));
    let stop = AtomicBool::new(false);
    let position = server.log_position();
    thread::scope(|scope| {
        let busy = |statements: Vec<String>| {
            let (started, starts) = channel();
            let stop = &stop;
            scope.spawn(move || sound::keep_busy(server, &statements, stop, &started));
            starts.recv().expect("it has started")
        };
        let of = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let in_window = busy(of(&[
            "SELECT ext_memcheck.begin()",
            "SELECT count(d01_bad(50)), count(d04_ok()) FROM generate_series(1, 2000)",
            "SELECT ext_memcheck.mark(1)",
            "SELECT * FROM ext_memcheck.end()",
            "SELECT * FROM ext_memcheck.findings()",
        ]));
        let checked = busy(of(&[
            "SET pg_ext_memcheck.memcheck_mode = 'all'",
            "SELECT count(d01_bad(5000)) FROM generate_series(1, 50)",
            "SELECT ext_memcheck.flush_violations()",
        ]));
        let asked = busy(of(&["SELECT count(d01_ok(50)) FROM generate_series(1, 20000)"]));
        let asker = busy(vec![
            format!("SELECT ext_memcheck.begin_in({asked})"),
            format!("SELECT count(*) FROM ext_memcheck.backend_contexts({asked})"),
            format!("SELECT count(*) FROM ext_memcheck.live_allocations({asked})"),
            format!("SELECT * FROM ext_memcheck.end_in({asked})"),
            format!("SELECT count(*) FROM ext_memcheck.backend_contexts({in_window})"),
        ]);
        let dump = busy(vec![format!("SELECT pg_log_backend_memory_contexts({asked})")]);
        let leader = busy(of(&[
            "SELECT ext_memcheck.begin()",
            "SELECT count(d01_bad(8)) FROM numbers",
            "SELECT * FROM ext_memcheck.end()",
        ]));
        let mut other = Session::open(server);
        thread::sleep(delay);
        let pid = match victim {
            "in a window" => in_window,
            "asker" => asker,
            "asked" => asked,
            "leader" => leader,
            "statement checks" => checked,
            "at a dump" => dump,
            kind => of_type(&mut other, if kind == "worker" { "parallel worker" } else { kind }),
        };
        sound::send(pid, signal);
        let crashed = || server.crashes_since(position).iter().any(|crash| crash.pid == pid);
        // A parallel worker may have come to its end before.
        eventually("the server has noticed", || crashed() || victim == "worker");
        stop.store(true, Ordering::Relaxed);
    });
    sound::assert_sound(server);
}

/// The pid of a process of that type, when there is one.
fn of_type(session: &mut Session, kind: &str) -> i32 {
    let mut pid = String::new();
    eventually("there is such a process", || {
        pid = session.ask(&format!("SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}' LIMIT 1"));
        !pid.is_empty()
    });
    pid.parse().expect("a number")
}

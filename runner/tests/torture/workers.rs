//! Parallel workers that die while their leader has a window: by a signal, by an error, for want of memory.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use mcspec::server::Server;
use nix::sys::signal::Signal;

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session, eventually};
use crate::memory::limit;
use crate::sound::{self, FAULTS};
use crate::traces::Before;

const ENDS: [&str; 5] = ["SIGKILL", "SIGTERM", "SIGINT", "no memory", "its leader is ended"];

/// What the workers are at, which takes them ever more memory.
const WORK: &str = "SELECT count(d01_bad(8)) FROM numbers, generate_series(1, 10000)";

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    // As for killed processes.
    let server = sound::server(cluster, &["log_min_messages = log", "min_dynamic_shared_memory = 64MB"]);
    choice.each(name, cluster.installation.version.major(), count, |case| die(&server, case));
    server.stop();
    before.assert_nothing_left();
}

fn die(server: &Server, case: &mut Case) {
    let way = *case.pick(&ENDS);
    let delay = case.time(100);
    case.tell(&format!("{way}, after {} us", delay.as_micros()));
    let position = server.log_position();
    let (started, starts) = channel();
    let leader = thread::scope(|scope| {
        let leads = scope.spawn(move || {
            let mut leader = sound::session(server);
            leader.gives("SET statement_timeout = '50s'", "");
            leader.gives("SELECT d01_bad(8) IS NULL", "f");
            leader.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
            started.send(sound::pid(&mut leader)).expect("somebody waits");
            let error = leader.client.simple_query(WORK).map(|_| ()).expect_err("it fails");
            (leader, error)
        });
        let leader_pid = starts.recv().expect("it has started");
        let mut other = Session::open(server);
        let mut workers = Vec::new();
        let mut look = || {
            let sql = format!("SELECT pid FROM pg_stat_activity WHERE leader_pid = {leader_pid} AND pid <> leader_pid");
            let Ok(rows) = other.client.query(&sql, &[]) else { return Vec::new() };
            rows.iter().map(|row| row.get::<_, i32>(0)).collect::<Vec<_>>()
        };
        eventually("there are workers", || {
            workers = look();
            !workers.is_empty()
        });
        thread::sleep(delay);
        let deadline = Instant::now() + Duration::from_secs(60);
        while !leads.is_finished() {
            assert!(Instant::now() < deadline, "the leader does not notice");
            for &pid in &workers {
                match way {
                    "SIGKILL" => sound::send(pid, Signal::SIGKILL),
                    "SIGTERM" => sound::send(pid, Signal::SIGTERM),
                    "SIGINT" => sound::send(pid, Signal::SIGINT),
                    "no memory" => limit(pid, Some(0)),
                    _ => sound::send(leader_pid, Signal::SIGTERM),
                }
            }
            thread::sleep(Duration::from_millis(20));
            workers = look();
            workers.truncate(1);
        }
        let (leader, error) = leads.join().expect("it has ended");
        let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
        let expected: &[&str] = match way {
            // The leader may hear of its worker's end before it is ended itself.
            "SIGKILL" => &["57P02", "55000", ""],
            "SIGTERM" | "its leader is ended" => &["57P01"],
            "SIGINT" => &["57014"],
            _ => &["53200"],
        };
        assert!(expected.contains(&code.as_str()), "{error}: {error:?}");
        leader
    });
    if !matches!(way, "SIGKILL" | "its leader is ended") {
        let mut leader = leader;
        leader.ask("SELECT count(*) FROM ext_memcheck.end()");
        leader.gives(FAULTS, "");
        sound::assert_window_finds(&mut leader);
        sound::assert_no_crash(server, position);
    } else {
        drop(leader);
    }
    sound::assert_sound(server);
}

//! DROP DATABASE while sessions in it are asked, ask, or have a window of others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use mcspec::server::Server;
use nix::sys::signal::Signal;

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session, eventually};
use crate::sound;
use crate::traces::Before;

/// Where the one that asks is connected, and in what state the asked one is.
const WAYS: [&str; 5] = ["asked at work", "asked while idle", "asked while stopped", "asker inside", "both inside"];

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let server = sound::server(cluster, &["log_min_messages = log"]);
    choice.each(name, cluster.installation.version.major(), count, |case| drop_it(&server, case));
    server.stop();
    before.assert_nothing_left();
}

fn drop_it(server: &Server, case: &mut Case) {
    let way = *case.pick(&WAYS);
    let has_window = case.below(2) == 0;
    let delay = case.time(100);
    case.tell(&format!("{way}, window {has_window}, after {delay:?}"));
    let position = server.log_position();
    let mut other = sound::session(server);
    let databases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database";
    let before = other.ask(databases);
    other.gives("CREATE DATABASE doomed", "");
    let inside = || Session { client: server.connect("doomed").expect("connected") };
    let mut setup = inside();
    setup.gives("CREATE EXTENSION pg_ext_memcheck; CREATE EXTENSION mem_corpus", "");
    drop(setup);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut asked = if way == "asker inside" { Session::open(server) } else { inside() };
        let asked_pid = sound::pid(&mut asked);
        let mut asker = if way.ends_with("inside") { inside() } else { Session::open(server) };
        let (started, starts) = channel();
        let stop = &stop;
        scope.spawn(move || {
            while way == "asked at work" && !stop.load(Ordering::Relaxed) {
                if asked
                    .client
                    .simple_query("SELECT count(mem_corpus.d01_ok(50)) FROM generate_series(1, 20000)")
                    .is_err()
                {
                    return;
                }
            }
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        scope.spawn(move || {
            if has_window {
                let _ = asker.client.simple_query(&format!("SELECT ext_memcheck.begin_in({asked_pid})"));
            }
            started.send(()).expect("somebody waits");
            let ask = [
                format!("SELECT count(*) FROM ext_memcheck.backend_contexts({asked_pid})"),
                format!("SELECT * FROM ext_memcheck.end_in({asked_pid})"),
            ];
            for statement in ask.iter().cycle() {
                let _ = asker.client.simple_query(statement);
                if stop.load(Ordering::Relaxed) || asker.client.is_closed() {
                    return;
                }
            }
        });
        starts.recv().expect("it asks");
        if way == "asked while stopped" {
            sound::send(asked_pid, Signal::SIGSTOP);
        }
        thread::sleep(delay);
        let dropped = if way == "asked while stopped" {
            // Dropping waits for it in vain.
            let refused = other.ask("SET statement_timeout = '300ms'; DROP DATABASE doomed WITH (FORCE)");
            sound::send(asked_pid, Signal::SIGCONT);
            assert!(refused.starts_with("25001"), "{refused}");
            other.ask("DROP DATABASE doomed WITH (FORCE)")
        } else {
            other.ask("DROP DATABASE doomed WITH (FORCE)")
        };
        stop.store(true, Ordering::Relaxed);
        assert_eq!(dropped, "");
    });
    eventually("the database is gone", || other.ask(databases) == before);
    drop(other);
    sound::assert_no_crash(server, position);
    sound::assert_sound(server);
}

//! The ring of violations while it is full: sessions that report, and others that write down and do not come to that, are ended
//! or killed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use mcspec::server::Server;
use nix::sys::signal::Signal;

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session, eventually};
use crate::sound;
use crate::traces::Before;

const SLOTS: u32 = 64;

const ENDS: [Signal; 3] = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT];

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let ring = format!("pg_ext_memcheck.ring_size = {SLOTS}");
    let server = sound::server(cluster, &["log_min_messages = log", &ring]);
    choice.each(name, cluster.installation.version.major(), count, |case| fill(&server, case));
    server.stop();
    before.assert_nothing_left();
}

fn fill(server: &Server, case: &mut Case) {
    let signals: Vec<Signal> = (0..1 + case.below(4)).map(|_| *case.pick(&ENDS)).collect();
    let victims: Vec<u64> = signals.iter().map(|_| case.below(4)).collect();
    let delays: Vec<Duration> = signals.iter().map(|_| case.time(200)).collect();
    case.tell(&format!("{signals:?} for sessions {victims:?} after {delays:?}"));
    let position = server.log_position();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = |statements: Vec<String>| {
            let (started, starts) = channel();
            let stop = &stop;
            scope.spawn(move || sound::keep_busy(server, &statements, stop, &started));
            starts.recv().expect("it has started")
        };
        // Each loses another number of bytes each time, so that no two violations are the same.
        let reports = |number: u64| {
            busy(vec![
                "SET pg_ext_memcheck.memcheck_mode = 'all'; CREATE TEMP SEQUENCE IF NOT EXISTS sizes".to_owned(),
                format!(
                    "DO $$ BEGIN FOR i IN 1..100 LOOP EXECUTE format('SELECT d01_bad(%s)', {number} + 16 * nextval('sizes')); END LOOP; END $$"
                ),
                "SELECT d01_bad(10000 + 16 * nextval('sizes')::int)".to_owned(),
            ])
        };
        let mut pids = vec![reports(4000), reports(5000)];
        // Those that write down: at once, not at all, and in part.
        pids.push(busy(vec!["SELECT ext_memcheck.flush_violations()".to_owned()]));
        pids.push(busy(
            [
                "BEGIN",
                "SELECT ext_memcheck.flush_violations()",
                "ROLLBACK",
                "BEGIN",
                "SAVEPOINT s",
                "SELECT ext_memcheck.flush_violations()",
                "ROLLBACK TO s",
                "SELECT ext_memcheck.flush_violations()",
                "COMMIT",
            ]
            .map(str::to_owned)
            .to_vec(),
        ));
        thread::sleep(Duration::from_millis(100));
        for ((signal, victim), delay) in signals.iter().zip(&victims).zip(&delays) {
            thread::sleep(*delay);
            sound::send(pids[usize::try_from(*victim).expect("below four")], *signal);
        }
        thread::sleep(Duration::from_millis(50));
        stop.store(true, Ordering::Relaxed);
    });
    server.wait_ready().expect("the server is there");
    let mut session = Session::open(server);
    sound::alone(&mut session);
    if !signals.contains(&Signal::SIGKILL) {
        sound::assert_no_crash(server, position);
    }
    eventually("all are free", || session.ask("SELECT ext_memcheck.flush_violations() >= 0") == "t");
    session.gives("SELECT ext_memcheck.flush_violations()", "0");
    let twice = "SELECT backend_pid, check_type, detail, count(*) FROM ext_memcheck.violation_log GROUP BY 1, 2, 3 HAVING count(*) > 1";
    session.gives(twice, "");
    drop(session);
    sound::assert_sound(server);
}

//! A standby on which all of it is done, and its promotion meanwhile.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use mcspec::server::{SUPERUSER, Server};
use nix::sys::signal::Signal;
use postgres::{Config, NoTls};

use crate::case::{Case, Choice};
use crate::cluster::{Cluster, Session, eventually};
use crate::sound::{self, FAULTS};
use crate::traces::Before;

/// Far from those that the run gives away.
const PORT: u16 = 6432;

pub(crate) fn part(cluster: &Cluster, choice: &Choice, name: &'static str, count: u32) {
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let primary = sound::server(cluster, &["wal_keep_size = 256MB", "max_wal_senders = 5", "log_min_messages = log"]);
    choice.each(name, cluster.installation.version.major(), count, |case| follow(cluster, &primary, case));
    primary.stop();
    before.assert_nothing_left();
}

fn follow(cluster: &Cluster, primary: &Server, case: &mut Case) {
    let crashes = case.below(2) == 0;
    let conflicts = case.below(2) == 0;
    let delay = case.time(500);
    case.tell(&format!("a crash {crashes}, a conflict {conflicts}, promoted after {delay:?}"));
    let before = Before::now(&[cluster.run.path(), cluster.run.sockets()]);
    let standby = Standby::of(primary, cluster);
    let open = || sound::prepared(standby.open().expect("connected"));
    let mut session = open();
    session.gives("SELECT pg_is_in_recovery()", "t");
    sound::assert_works(&mut session, open());
    let flushed = session.ask("SELECT ext_memcheck.flush_violations()");
    assert!(flushed == "0" || flushed.starts_with("25006 "), "{flushed}");
    session.gives("SET pg_ext_memcheck.memcheck_mode = 'all'", "");
    session.gives("SELECT count(d01_bad(5000)) FROM generate_series(1, 50)", "50");
    session.gives("RESET pg_ext_memcheck.memcheck_mode", "");

    if crashes {
        let mut other = standby.open().expect("connected");
        session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
        sound::send(sound::pid(&mut other), Signal::SIGKILL);
        eventually("the crash has ended the session", || session.client.simple_query("").is_err());
        eventually("the standby is there again", || standby.open().is_some());
        session = open();
        sound::assert_works(&mut session, open());
    }
    if conflicts {
        // What is dropped is waited for by nobody.
        let mut master = Session::open(primary);
        master.gives("CREATE TABLE fleeting AS SELECT 1", "");
        eventually("it is there", || session.ask("SELECT count(*) FROM fleeting") == "1");
        session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
        session.gives("BEGIN; SELECT count(d01_bad(50)) FROM fleeting, generate_series(1, 100)", "100");
        master.gives("DROP TABLE fleeting", "");
        eventually("the session is ended", || session.client.simple_query("SELECT 1").is_err());
        session = open();
    }

    session.gives("SELECT ext_memcheck.begin()", "Memory check session started.");
    let (started, starts) = channel();
    let mut session = thread::scope(|scope| {
        let works = scope.spawn(move || {
            started.send(()).expect("somebody waits");
            let work = "SELECT count(d01_bad(50)), count(d04_ok()) FROM generate_series(1, 200)";
            for _ in 0..200 {
                session.gives(work, "200|200");
            }
            session
        });
        starts.recv().expect("it works");
        thread::sleep(delay);
        open().gives("SELECT pg_promote(true, 60)", "t");
        works.join().expect("it has worked")
    });
    session.gives("SELECT pg_is_in_recovery()", "f");
    session.ask("SELECT count(*) FROM ext_memcheck.end()");
    let found = "SELECT bytes, objects FROM ext_memcheck.findings() WHERE check_type = 'context_leak'";
    session.gives(found, "2000000|40000");
    session.gives(FAULTS, "");
    sound::assert_works(&mut session, open());
    session.gives("SELECT ext_memcheck.flush_violations() >= 0", "t");
    drop(session);
    standby.stop();
    before.assert_nothing_left();
}

/// A standby of a server, in the same directory. It is stopped when it is dropped.
struct Standby {
    postmaster: Child,
    data: PathBuf,
    config: Config,
}

impl Standby {
    fn of(primary: &Server, cluster: &Cluster) -> Self {
        let mut session = Session::open(primary);
        let original = session.ask("SHOW data_directory");
        let data = cluster.run.path().join("standby");
        session.gives("SELECT length(pg_backup_start('standby', true)::text) > 0", "t");
        let copied = Command::new("cp").arg("-a").arg(&original).arg(&data).status().expect("cp");
        // What was there a moment ago may be gone.
        assert!(copied.success() || data.join("global/pg_control").exists(), "{copied}");
        let label = session.ask("SELECT labelfile FROM pg_backup_stop(false)");
        let owner = fs::metadata(&data).expect("there");
        for (name, text) in [("backup_label", label + "\n"), ("standby.signal", String::new())] {
            fs::write(data.join(name), text).expect("written");
            chown(data.join(name), Some(owner.uid()), Some(owner.gid())).expect("given to it");
        }
        fs::remove_file(data.join("postmaster.pid")).expect("removed");
        let (sockets, port) = primary.address().expect("our own");
        let mut config = Config::new();
        config.host_path(sockets).port(PORT).user(SUPERUSER).dbname("postgres");

        // It goes when this process does.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if nix::unistd::geteuid().is_root() {
            command
                .arg(format!("--reuid={}", owner.uid()))
                .arg(format!("--regid={}", owner.gid()))
                .arg("--clear-groups");
        }
        command.arg(cluster.stage.installation().bin_dir.join("postgres")).arg("-D").arg(&data);
        for setting in [
            "listen_addresses=".to_owned(),
            format!("unix_socket_directories=\"{}\"", sockets.display()),
            format!("port={PORT}"),
            "logging_collector=off".to_owned(),
            "shared_preload_libraries=pg_ext_memcheck,mem_corpus".to_owned(),
            format!("primary_conninfo=host='{}' port={port} user={SUPERUSER}", sockets.display()),
            "max_standby_streaming_delay=0".to_owned(),
        ] {
            command.arg("-c").arg(setting);
        }
        let log = fs::File::create(data.with_extension("log")).expect("created");
        command.stdout(log.try_clone().expect("a log")).stderr(log).stdin(Stdio::null()).current_dir(&data);
        let standby = Standby { postmaster: command.spawn().expect("setpriv, of util-linux"), data, config };
        eventually("the standby takes connections", || standby.open().is_some());
        standby
    }

    fn open(&self) -> Option<Session> {
        self.config.connect(NoTls).ok().map(|client| Session { client })
    }

    fn stop(self) {
        // By being dropped.
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.data.with_extension("log")).unwrap_or_default());
        }
        sound::send(i32::try_from(self.postmaster.id()).expect("a pid"), Signal::SIGINT);
        let _ = self.postmaster.wait();
        fs::remove_dir_all(&self.data).expect("removed");
    }
}

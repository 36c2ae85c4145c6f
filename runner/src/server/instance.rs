//! A running server.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postgres::error::DbError;
use postgres::{Client, NoTls};

use super::children;
use super::connect::{Settings, Unreached, ask};
use super::crash::{Crash, crashes, last_words};
use super::engine::ENGINE;
use super::error::{ServerError, ended};
use super::given::GivenServer;
use super::options::ServerOptions;
use super::order;
use super::process::{self, GONE, Kind, Process};
use super::run_directory::RunDirectory;
use super::spare::Filled;
use super::stage::Stage;
use super::template::{SUPERUSER, Template, server_command};
use crate::bounded;
use crate::status;

/// How long a server may take until it accepts connections, and a connection until it is usable.
const READY: Duration = Duration::from_secs(30);

/// How long a server that takes connections and cuts them off is tried: all of them are while it ends its processes after a crash.
const CUT_OFF: Duration = Duration::from_secs(5);
/// How long it may take to ask a server that somebody else runs to end a backend.
const TERMINATED: Duration = Duration::from_secs(5);

/// How long it is at most between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(10);

/// The database that others are made from.
const MAINTENANCE: &str = "postgres";

/// The file in the data directory that holds the lines of [`ServerOptions::conf`], by which messages name them.
pub const CONF_FILE: &str = "spec.conf";

/// A running server. Either a postmaster in a process group of its own, never root, which is stopped when this is dropped;
/// or one that somebody else runs, whose databases made by this run are dropped then.
#[derive(Debug)]
pub struct Server {
    name: String,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    Own(Own),
    Given { settings: Box<Settings>, gone: Arc<AtomicBool>, claimed: Mutex<Vec<String>> },
}

#[derive(Debug)]
struct Own {
    process: Arc<Process>,
    port: u16,
    data: Filled,
    log: PathBuf,
    /// Where the log ended when whoever uses the server now began to.
    begun: AtomicU64,
    run: RunDirectory,
}

/// A backend that may have to be stopped.
#[derive(Debug)]
pub struct Backend {
    pid: i32,
    /// How to reach the server, where its processes are not this run's.
    server: Option<Box<Settings>>,
}

impl Backend {
    /// Asks it to end.
    pub fn terminate(&self) {
        match &self.server {
            None => self.signal(Signal::SIGTERM),
            Some(server) => {
                let sql = format!("SELECT pg_catalog.pg_terminate_backend({})", self.pid);
                // A server that cannot be asked is noticed by whoever waits for the backend.
                let _ = ask(server, TERMINATED, async |client| client.batch_execute(&sql).await);
            }
        }
    }

    /// Ends it by force, and with it all others of its server; a server that somebody else runs is left alone.
    pub fn kill(&self) {
        if self.server.is_none() {
            self.signal(Signal::SIGKILL);
        }
    }

    fn signal(&self, signal: Signal) {
        // A backend that is already gone cannot be stopped, and need not be.
        let _ = kill(Pid::from_raw(self.pid), signal);
    }
}

impl Server {
    /// Makes a data directory from `template`, which goes with the server, starts a postmaster on it and waits until it accepts connections.
    pub fn start(stage: &Stage, template: &Template, options: &ServerOptions) -> Result<Self, ServerError> {
        let _starting = status::phase(format!("starting PostgreSQL {}", stage.installation().version.major()));
        Self::try_start(stage, template, options).map_err(|error| match error {
            ServerError::NotStarted { name, reason, log, .. } => {
                let starts = |options: &ServerOptions| Self::try_start(stage, template, options).is_ok();
                ServerError::NotStarted { name, reason, log, hint: order::hint(options, starts) }
            }
            error => error,
        })
    }

    fn try_start(stage: &Stage, template: &Template, options: &ServerOptions) -> Result<Self, ServerError> {
        let run = stage.run().clone();
        let copy = template.copy(&run)?;
        let data = copy.path().to_owned();
        write_conf(&data, &options.conf)?;
        let log = data.with_extension("log");
        let output = File::create(&log).map_err(ServerError::file("create", &log))?;
        let errors = output.try_clone().map_err(ServerError::file("create", &log))?;

        let port = run.next_port();
        let run_name = run.path().file_name().unwrap_or_default().to_string_lossy();
        let cluster = format!("{run_name}-{port}");
        let preload: Vec<&str> = options.libraries(stage.has_engine().then_some(ENGINE)).collect();

        let mut postgres = server_command(&stage.installation().bin_dir.join("postgres"), &run);
        postgres.arg("-D").arg(&data);
        if let Some(path) = library_path(stage.libraries()) {
            postgres.env(LIBRARY_PATH, path);
        }
        // On the command line, where the lines of a spec cannot override them.
        for setting in [
            "listen_addresses=".to_owned(),
            format!("unix_socket_directories=\"{}\"", run.sockets().display()),
            format!("port={port}"),
            format!("cluster_name={cluster}"),
            "logging_collector=off".to_owned(),
            format!("shared_preload_libraries={}", preload.join(",")),
        ] {
            postgres.arg("-c").arg(setting);
        }
        if let Some(places) = stage.places() {
            postgres.arg("-c").arg(format!("{ENGINE}.places_directory={}", places.display()));
        }
        postgres.stdin(Stdio::null()).stdout(output).stderr(errors);
        let kind = Kind::Postmaster { cluster, account: run.account().clone() };
        let process = Process::start(postgres, Some(run.account()), kind)?;

        let server = Self {
            name: options.name.clone(),
            origin: Origin::Own(Own { process, port, data: copy, log, begun: AtomicU64::new(0), run }),
        };
        server.wait_until_accepting()?;
        Ok(server)
    }

    /// Uses a server that somebody else runs, which has to preload these libraries, in whatever order it takes them.
    pub fn given(server: &GivenServer, options: &ServerOptions) -> Result<Self, ServerError> {
        server.check_is_back()?;
        server.check_preload(options)?;
        let origin = Origin::Given {
            settings: Box::new(server.settings.clone()),
            gone: server.gone.clone(),
            claimed: Mutex::default(),
        };
        let server = Self { name: server.name().to_owned(), origin };
        server.wait_until_accepting()?;
        Ok(server)
    }

    /// Says that a database is about to be made. On a server that somebody else runs, it is dropped in any case.
    pub fn claim_database(&self, name: &str) -> Result<(), ServerError> {
        if let Origin::Given { settings, gone, claimed } = &self.origin {
            process::register_database(settings, gone, name)?;
            claimed.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        }
        Ok(())
    }

    /// The database to make others from.
    pub fn maintenance_database(&self) -> &str {
        match &self.origin {
            Origin::Own(_) => MAINTENANCE,
            Origin::Given { settings, .. } => settings.database(),
        }
    }

    /// The backend with that process id.
    pub fn backend(&self, pid: i32) -> Backend {
        let server = match &self.origin {
            Origin::Own(_) => None,
            Origin::Given { settings, .. } => Some(settings.clone()),
        };
        Backend { pid, server }
    }

    /// Waits until the server, which has lost a backend by a crash, has restarted its other processes.
    pub fn wait_ready(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + READY;
        let mut waited_out = false;
        loop {
            // The postmaster may not have noticed the crash yet: a connection that is going to be ended with all others
            // does not outlive the pause.
            let pause = async |client: &tokio_postgres::Client| {
                tokio::time::sleep(Duration::from_millis(50)).await;
                client.batch_execute("").await
            };
            match self.wait_until_accepting() {
                // The crash that is waited for, which the postmaster has only now written down.
                Err(ServerError::Crashed { .. }) if !waited_out => {
                    waited_out = true;
                    continue;
                }
                accepting => accepting?,
            }
            if ask(&self.settings(self.maintenance_database(), ""), READY, pause).is_ok() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready());
            }
        }
    }

    /// Connects as the superuser of a server of this run's own.
    pub fn connect(&self, database: &str) -> Result<Client, ServerError> {
        self.connect_with(database, "", |_| {})
    }

    /// The same, and hands over what the server says besides results: notices, warnings. A server that goes through recovery is
    /// waited for.
    pub fn connect_with(
        &self,
        database: &str,
        options: &str,
        notice: impl Fn(DbError) + Send + Sync + Clone + 'static,
    ) -> Result<Client, ServerError> {
        self.when_ready(database, || {
            let (directory, port) = self.address().expect("it is of this run's own");
            let mut config = postgres::Config::new();
            config.host_path(directory).port(port).user(SUPERUSER).dbname(database).options(options);
            config.application_name("mcspec").notice_callback(notice.clone());
            config.connect(NoTls).map_err(|error| self.unreached(database, error.into()))
        })
    }

    /// Connects by `connect`, once the server is through recovery where it has to.
    ///
    /// # Errors
    ///
    /// Why there is no connection: where a crash is the reason, that.
    pub fn when_ready<T>(
        &self,
        database: &str,
        mut connect: impl FnMut() -> Result<T, ServerError>,
    ) -> Result<T, ServerError> {
        let started = Instant::now();
        let position = self.log_position();
        loop {
            let error = match connect() {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if let Some(gone) = self.gone() {
                return Err(gone);
            }
            if !is_transient(&error) {
                return Err(error);
            }
            if is_cut_off(&error)
                && let Some(crash) = self.crashes_since(position).into_iter().find(Crash::is_backend)
            {
                return Err(ServerError::Crashed { database: database.to_owned(), crash: Box::new(crash) });
            }
            let limit = match &self.origin {
                _ if is_cut_off(&error) => CUT_OFF,
                Origin::Given { gone, .. } if gone.load(Ordering::Relaxed) => Duration::ZERO,
                // Nobody here knows whether it will be back.
                Origin::Given { .. } if !is_starting(&error) => GONE,
                _ => READY,
            };
            if started.elapsed() >= limit {
                if let Origin::Given { gone, .. } = &self.origin {
                    gone.store(true, Ordering::Relaxed);
                }
                return Err(if limit == READY && self.own().is_some() { self.not_ready() } else { error });
            }
            thread::sleep(children::pause(started.elapsed()).min(PAUSE));
        }
    }

    /// How to connect as the superuser. `options` are of the server's command line, as in `PGOPTIONS`.
    pub(crate) fn settings(&self, database: &str, options: &str) -> Settings {
        match &self.origin {
            Origin::Own(own) => Settings::own(own.run.sockets(), own.port, SUPERUSER).of(database, options),
            Origin::Given { settings, .. } => settings.of(database, options),
        }
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the postmaster; none of a server that somebody else runs.
    pub fn pid(&self) -> Option<u32> {
        self.own().map(|own| own.process.pid())
    }

    /// Its socket's directory and its port, which is part of the socket's name: `PGHOST` and `PGPORT`. None of a server
    /// that somebody else runs.
    pub fn address(&self) -> Option<(&Path, u16)> {
        self.own().map(|own| (own.run.sockets(), own.port))
    }

    /// Whether the postmaster runs.
    pub fn is_alive(&self) -> bool {
        self.ended().is_none()
    }

    /// How the postmaster ended; none while it runs or if somebody else runs it.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.own().and_then(|own| own.process.status())
    }

    /// Whether the postmaster ends within that time; not known if somebody else runs it.
    pub fn ended_within(&self, limit: Duration) -> bool {
        self.own().is_some_and(|own| own.process.ended_within(limit))
    }

    /// Where its data is; none of a server that somebody else runs.
    pub fn data(&self) -> Option<&Path> {
        self.own().map(|own| own.data.path())
    }

    /// Says that what the log has so far is of others than who uses the server from now on.
    pub fn begin(&self) {
        if let Some(own) = self.own() {
            own.begun.store(self.log_position(), Ordering::Relaxed);
        }
    }

    /// The last `max_lines` lines of the server's log; nothing where that is somebody else's.
    pub fn log_tail(&self, max_lines: usize) -> String {
        let log = self.log_since(0);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(max_lines)..].join("\n")
    }

    /// Where the server's log ends now, to ask later what has come since.
    pub fn log_position(&self) -> u64 {
        self.own().and_then(|own| fs::metadata(&own.log).ok()).map_or(0, |log| log.len())
    }

    /// The processes that have crashed since the log ended there. Of a server that somebody else runs nothing is known.
    pub fn crashes_since(&self, position: u64) -> Vec<Crash> {
        if self.log_position() <= position { Vec::new() } else { crashes(&self.log_since(position)) }
    }

    /// What a process has written about its end since the log ended there.
    pub fn last_words(&self, position: u64, pid: i32) -> Vec<String> {
        last_words(&self.log_since(position).lines().collect::<Vec<_>>(), pid)
    }

    /// What has come since the log ended there, of those who use the server now; the end of it where that is very much.
    fn log_since(&self, position: u64) -> String {
        let read = |own: &Own| bounded::log(&own.log, position.max(own.begun.load(Ordering::Relaxed))).ok();
        self.own().and_then(read).unwrap_or_default()
    }

    /// Waits until a backend, whose session is over, has ended and what the postmaster says about it is in the log. False if
    /// it still runs. Nobody waits for those of a server that somebody else runs.
    pub fn wait_ended(&self, pid: i32, limit: Duration) -> bool {
        self.own().is_none_or(|own| children::wait_ended(pid, own.process.pid().cast_signed(), limit))
    }

    /// The server's processes besides the postmaster, where they can be known.
    pub fn processes(&self) -> Vec<i32> {
        self.own().map_or(Vec::new(), |own| children::children(own.process.pid().cast_signed()))
    }

    /// A process of the server that somebody has stopped, as `ps` shows it, where that can be known: others wait for it.
    pub fn stopped(&self) -> Option<String> {
        let postmaster = self.own()?.process.pid().cast_signed();
        if children::is_stopped(postmaster) {
            return Some("the postmaster".to_owned());
        }
        let pid = self.processes().into_iter().find(|&pid| children::is_stopped(pid))?;
        Some(format!("process {pid} ({})", children::title(pid)))
    }

    /// That the postmaster is gone, if it is.
    pub fn gone(&self) -> Option<ServerError> {
        let (own, status) = self.own().zip(self.ended())?;
        let pid = own.process.pid();
        let words = self.last_words(0, pid.cast_signed());
        Some(ServerError::Gone { name: self.name.clone(), pid, status, words })
    }

    fn own(&self) -> Option<&Own> {
        match &self.origin {
            Origin::Own(own) => Some(own),
            Origin::Given { .. } => None,
        }
    }

    /// Stops the server, and leaves its log to be read.
    pub fn shut_down(&self) {
        if let Some(own) = self.own() {
            own.process.shut_down();
        }
    }

    /// What its log says behind these words, in each line that has them.
    pub fn words(&self, before: &str) -> Vec<String> {
        let log = self.log_since(0);
        log.lines().filter_map(|line| Some(line.split_once(before)?.1.to_owned())).collect()
    }

    /// Stops the server and waits for all of its processes: an immediate shutdown, then by force.
    pub fn stop(self) {
        // By being dropped.
    }

    /// The first connection of a server: what keeps it from starting is said in full.
    fn wait_until_accepting(&self) -> Result<(), ServerError> {
        let database = self.maintenance_database();
        let connects = || {
            let settings = self.settings(database, "");
            ask(&settings, READY, async |_| Ok(())).map_err(|source| self.unreached(database, source))
        };
        self.when_ready(database, connects).map_err(|error| match error {
            ServerError::Gone { name, pid, status, .. } => {
                let log = self.own().map(|own| bounded::log(&own.log, 0).unwrap_or_default());
                let log = complaints(&log.unwrap_or_default());
                let is_all = status.code().is_some() && !log.is_empty();
                let reason = || format!(": the postmaster (PID {pid}) {}", ended(status));
                ServerError::NotStarted { name, reason: if is_all { String::new() } else { reason() }, log, hint: None }
            }
            other => other,
        })
    }

    /// The error of a connection that was not made.
    pub(crate) fn unreached(&self, database: &str, source: Unreached) -> ServerError {
        match &self.origin {
            Origin::Own(_) if source.is_silent() => self.not_ready(),
            Origin::Own(_) => ServerError::Connect { database: database.to_owned(), source, hint: None },
            Origin::Given { settings, .. } => ServerError::unreached(&settings.of(database, ""), source),
        }
    }

    fn not_ready(&self) -> ServerError {
        ServerError::NotReady { name: self.name.clone(), waited: READY, log: self.log_tail(10) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match &self.origin {
            Origin::Own(own) => {
                own.process.stop();
                own.data.hand_on_or_remove();
            }
            Origin::Given { claimed, .. } => {
                process::drop_databases(&claimed.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

/// Where the loader looks for libraries first (ld.so(8)).
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The value of that with these directories before those that it has; none without any.
fn library_path(directories: &[PathBuf]) -> Option<OsString> {
    let has = std::env::var_os(LIBRARY_PATH).unwrap_or_default();
    let others = std::env::split_paths(&has).filter(|path| !path.as_os_str().is_empty());
    let all: Vec<PathBuf> = directories.iter().cloned().chain(others).collect();
    (!directories.is_empty()).then(|| std::env::join_paths(all).ok()).flatten()
}

fn write_conf(data: &Path, lines: &[String]) -> Result<(), ServerError> {
    if lines.is_empty() {
        return Ok(());
    }
    let path = data.join(CONF_FILE);
    fs::write(&path, lines.join("\n") + "\n").map_err(ServerError::file("write", &path))?;
    let main = data.join("postgresql.conf");
    let text = fs::read_to_string(&main).map_err(ServerError::file("read", &main))?;
    fs::write(&main, format!("{text}include '{CONF_FILE}'\n")).map_err(ServerError::file("write", &main))
}

/// Whether a server that is starting or restarting may answer so.
fn is_transient(error: &ServerError) -> bool {
    matches!(error, ServerError::Connect { source, .. } if source.is_transient())
}

/// Whether a server answers that it will be there soon.
fn is_starting(error: &ServerError) -> bool {
    matches!(error, ServerError::Connect { source, .. } if source.is_starting())
}

/// Whether a connection ended before the server has said anything.
fn is_cut_off(error: &ServerError) -> bool {
    matches!(error, ServerError::Connect { source, .. } if source.is_cut_off())
}

/// What the log of a server that did not start complains about: everything but the routine lines, without the prefix.
fn complaints(log: &str) -> String {
    const ROUTINE: [&str; 8] = [
        "starting PostgreSQL",
        "listening on ",
        "database system was shut down",
        "database system is ready",
        "database system is shut down",
        "redirecting log output",
        "shutting down",
        "received ",
    ];
    let lines = log.lines().map(|line| {
        let pid_ends = line.starts_with('[').then(|| line.find("] ")).flatten();
        pid_ends.map_or(line, |end| &line[end + 2..])
    });
    let complaints = lines.filter(|line| {
        let routine =
            line.strip_prefix("LOG:  ").is_some_and(|text| ROUTINE.iter().any(|start| text.starts_with(start)));
        !routine
    });
    complaints.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_of_a_log() {
        for (log, expected) in [
            ("", ""),
            ("[7] LOG:  starting PostgreSQL 15.20\n[7] LOG:  database system is ready to accept connections\n", ""),
            (
                "LOG:  syntax error in file \"spec.conf\" line 2, near token \"x\"\nFATAL:  configuration file contains errors\n",
                "LOG:  syntax error in file \"spec.conf\" line 2, near token \"x\"\nFATAL:  configuration file contains errors",
            ),
            (
                "[7] LOG:  starting PostgreSQL\n[7] FATAL:  could not access file \"x\": No such file or directory\n[7] LOG:  \
                 database system is shut down\n",
                "FATAL:  could not access file \"x\": No such file or directory",
            ),
            ("postgres: symbol lookup error: x\n", "postgres: symbol lookup error: x"),
        ] {
            assert_eq!(complaints(log), expected, "{log}");
        }
    }
}

//! The server that a program is run on, and what it finds there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use memcheck_core::observed::{SessionRecord, Who};

use super::looks::Looks;
use super::merge::Block;
use super::record::{self, Records};
use crate::exec::failure::Failure;
use crate::exec::outcome::REFUSED;
use crate::exec::{Installed, set_up};
use crate::plan::Case;
use crate::server::Crash;
use crate::server::connect::ask;
use crate::server::{ENGINE, RunDirectory, SUPERUSER, Server, ServerError, ServerOptions, is_running};
use crate::symbols::Symbols;

/// The database that the program is connected to unless it says otherwise.
const DATABASE: &str = "mcspec";

/// Time for a statement that makes the server ready.
const LIMIT: Duration = Duration::from_secs(60);

/// How long sessions may take to end by themselves when the program has ended, and when they are told to.
const PATIENCE: Duration = Duration::from_secs(1);
const TERMINATED: Duration = Duration::from_secs(4);

/// What the server calls a process that works for a client (miscinit.c, GetBackendTypeDesc).
pub(super) const CLIENT: &str = "client backend";

/// What begins a message about a session that could not be observed.
const UNOBSERVED: &str = "session could not be observed: ";

/// The server's parameters that are PostgreSQL's own here and not those of other servers of ours: a suite's plans are to be
/// those that it knows.
const USUAL: [&str; 1] = ["max_parallel_workers_per_gather = 2"];

/// What libpq takes from the environment that would lead elsewhere (`PQconninfoOptions` in fe-connect.c).
const ELSEWHERE: [&str; 8] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLMODE",
    "PGGSSENCMODE",
    "PGREQUIREAUTH",
    "PGCHANNELBINDING",
    "PGTARGETSESSIONATTRS",
];

/// What is particular to a server.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The libraries before the engine in `shared_preload_libraries`.
    pub preload_first: Vec<String>,
    /// Those behind it.
    pub preload: Vec<String>,
    /// Lines of `postgresql.conf`.
    pub conf: Vec<String>,
    /// Names or patterns of the libraries that are charged; none for all that extensions have brought.
    pub targets: Vec<String>,
    /// Extensions that are created in the database beforehand.
    pub create: Vec<String>,
    /// Whether sessions are observed.
    pub observes: bool,
}

/// What has come to light by the time at which everything has ended.
#[derive(Debug, Default)]
pub struct Sights {
    /// What the sessions have handed over.
    pub sessions: Vec<SessionRecord>,
    /// What else was found, by repeating statements.
    pub repeated: Vec<Block>,
    /// Sessions that were killed, and have handed over nothing.
    pub unheard: Vec<Who>,
    /// Sessions that were still there when the program had ended.
    pub left: usize,
    /// Processes that have crashed.
    pub crashes: Vec<Crash>,
    /// Why sessions could not be observed, in the server's words.
    pub complaints: Vec<String>,
    /// Why allocations could not be traced, where they could not.
    pub untraced: Option<String>,
}

/// A server for programs of others.
#[derive(Debug)]
pub struct Frame {
    server: Arc<Server>,
    bin: PathBuf,
    libraries: PathBuf,
    pg_config: PathBuf,
    /// Where sessions hand over; none where they are not observed.
    records: Option<PathBuf>,
    looks: Option<Looks>,
}

impl Frame {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn start(installed: &Installed, directory: &RunDirectory, options: &Options) -> Result<Self, ServerError> {
        let mut conf: Vec<String> = USUAL.map(str::to_owned).to_vec();
        if !options.targets.is_empty() {
            conf.push(format!("pg_ext_memcheck.targets = '{}'", options.targets.join(",").replace('\'', "''")));
        }
        let records = options.observes.then(|| directory.server_subdirectory("sessions")).transpose()?;
        if let Some(records) = &records {
            let path = records.display().to_string().replace('\'', "''");
            conf.push(format!("pg_ext_memcheck.observe_directory = '{path}'"));
        }
        conf.extend(options.conf.iter().cloned());
        let server = Server::start(
            &installed.stage,
            &installed.template,
            &ServerOptions {
                preload_first: options.preload_first.clone(),
                preload: options.preload.clone(),
                conf,
                name: "exec".to_owned(),
            },
        )?;
        let installation = installed.stage.installation();
        let server = Arc::new(server);
        let looks = records.as_ref().map(|_| Looks::begin(Arc::clone(&server)));
        let frame = Frame {
            server,
            bin: installation.bin_dir.clone(),
            libraries: installation.pkglib_dir.clone(),
            pg_config: installation.pg_config.clone(),
            records,
            looks,
        };
        // One that was built before sessions could be observed takes the parameter for nobody's, and says nothing.
        let asked = "SELECT pg_catalog.current_setting('pg_ext_memcheck.observe_directory')";
        if frame.records.is_some() && frame.administer(frame.server.maintenance_database(), asked).is_err() {
            return Err(ServerError::Misfit {
                library: frame.libraries.join(format!("{ENGINE}.so")),
                reason: "it is older than this mcspec, and cannot observe sessions".to_owned(),
                pg_config: installed.stage.original().pg_config.clone(),
            });
        }
        frame.administer(frame.server.maintenance_database(), &format!("CREATE DATABASE {DATABASE}"))?;
        for extension in &options.create {
            let name = extension.replace('"', "\"\"");
            frame.administer(DATABASE, &format!("CREATE EXTENSION \"{name}\" CASCADE"))?;
        }
        Ok(frame)
    }

    /// Makes the database as the scenarios of a case find it.
    ///
    /// # Errors
    ///
    /// What fails first.
    pub fn set_up(&self, case: &Case) -> Result<(), Failure> {
        set_up(&self.server, DATABASE, case)
    }

    fn administer(&self, database: &str, sql: &str) -> Result<(), ServerError> {
        let settings = self.server.settings(database, "");
        ask(&settings, LIMIT, async |client| client.batch_execute(sql).await)
            .map_err(|reason| ServerError::Statement { sql: sql.to_owned(), reason })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The programs of the staged installation.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The symbols of the server and its libraries.
    pub fn symbols(&self) -> Symbols {
        Symbols::new(self.libraries.clone(), self.bin.clone())
    }

    /// The staged installation's `pg_config`.
    pub fn pg_config(&self) -> &Path {
        &self.pg_config
    }

    /// Has a program find the server, and what it is built and tested with. What the user has in `PGOPTIONS` stays.
    pub fn prepare(&self, command: &mut Command) {
        let (sockets, port) = self.server.address().expect("it is of this run's own");
        ELSEWHERE.iter().for_each(|variable| {
            command.env_remove(variable);
        });
        command
            .env("PGHOST", sockets)
            .env("PGPORT", port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGDATABASE", DATABASE)
            .env("PGOPTIONS", std::env::var_os("PGOPTIONS").unwrap_or_default())
            .env("PG_CONFIG", &self.pg_config)
            .env("PATH", self.path());
    }

    /// Ends what is still there, stops the server, and says what was seen.
    ///
    /// # Errors
    ///
    /// What sessions have handed over cannot be read.
    pub fn end(self) -> Result<Sights, ServerError> {
        drop(self.looks);
        let Some(records) = self.records else { return Ok(Sights::default()) };
        let left = remaining(&records, PATIENCE)?;
        left.iter().for_each(|who| self.server.backend(who.pid).terminate());
        if !left.is_empty() {
            remaining(&records, TERMINATED)?;
        }
        self.server.shut_down();
        let Records { sessions, unheard } = record::read(&records)?;
        let after = |words: &str| self.server.words(words);
        Ok(Sights {
            sessions,
            repeated: Vec::new(),
            unheard,
            left: left.len(),
            crashes: self.server.crashes_since(0),
            complaints: after(UNOBSERVED),
            untraced: after(REFUSED).into_iter().next(),
        })
    }

    /// Where programs are looked for: first among the server's own.
    fn path(&self) -> OsString {
        let mut path = self.bin.clone().into_os_string();
        if let Some(others) = std::env::var_os("PATH").filter(|others| !others.is_empty()) {
            path.push(":");
            path.push(others);
        }
        path
    }
}

/// The sessions of clients that are there after that time; sooner where there is none.
fn remaining(records: &Path, limit: Duration) -> Result<Vec<Who>, ServerError> {
    let started = Instant::now();
    loop {
        let mut left = record::registered(records)?;
        left.retain(|who| who.kind == CLIENT && is_running(who.pid));
        if left.is_empty() || started.elapsed() >= limit {
            return Ok(left);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

//! The server that a program is run on, and what it finds there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::exec::Installed;
use crate::server::connect::ask;
use crate::server::{RunDirectory, SUPERUSER, Server, ServerError, ServerOptions};

/// The database that the program is connected to unless it says otherwise.
const DATABASE: &str = "mcspec";

/// Time for a statement that makes the server ready.
const LIMIT: Duration = Duration::from_secs(60);

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
}

/// A server for programs of others.
#[derive(Debug)]
pub struct Frame {
    server: Server,
    bin: PathBuf,
    pg_config: PathBuf,
}

impl Frame {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn start(installed: &Installed, _directory: &RunDirectory, options: &Options) -> Result<Self, ServerError> {
        let mut conf: Vec<String> = USUAL.map(str::to_owned).to_vec();
        if !options.targets.is_empty() {
            conf.push(format!("pg_ext_memcheck.targets = '{}'", options.targets.join(",").replace('\'', "''")));
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
        let frame = Frame { server, bin: installation.bin_dir.clone(), pg_config: installation.pg_config.clone() };
        frame.administer(frame.server.maintenance_database(), &format!("CREATE DATABASE {DATABASE}"))?;
        for extension in &options.create {
            let name = extension.replace('"', "\"\"");
            frame.administer(DATABASE, &format!("CREATE EXTENSION \"{name}\" CASCADE"))?;
        }
        Ok(frame)
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

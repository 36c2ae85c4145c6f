//! The servers of a run: one for each worker, replaced where a case needs another.

use std::time::Duration;

use super::failure::{Cause, Failure, Step};
use super::session::{Session, no_server};
use crate::plan::Case;
use crate::server::{GivenServer, Server, ServerOptions, Stage, Template};

/// The database that every spec's own is a copy of. Nobody can be connected to it, which would keep it from being copied;
/// extensions may have workers that connect to every database that lets them.
const TEMPLATE: &str = "template0";

/// Time for making a database, and for dropping one on a server that somebody else runs.
const LIMIT: Duration = Duration::from_secs(60);

/// Time for dropping a database on a server that can be given up with it. DROP DATABASE itself gives others 5 s to leave
/// (`CountOtherDBBackends` in procarray.c), and then waits for as long as a process takes that sees to no interrupts
/// (`WaitForProcSignalBarrier` in procsignal.c).
const DROP_LIMIT: Duration = Duration::from_secs(6);

/// SQLSTATE of a database that others are connected to.
const OBJECT_IN_USE: &str = "55006";

/// An installation that is ready to start servers from.
#[derive(Debug)]
pub struct Installed {
    /// The staged tree.
    pub stage: Stage,
    /// The data directory that servers start with.
    pub template: Template,
}

/// Where servers come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// They are started from an installation.
    Installed(&'a Installed),
    /// There is one that somebody else runs.
    Given(&'a GivenServer),
}

/// A worker's place for one running server.
#[derive(Debug, Default)]
pub struct Slot {
    running: Option<Running>,
}

/// A server, and what it was started for.
#[derive(Debug)]
pub(super) struct Running {
    server: Server,
    installation: usize,
    options: ServerOptions,
}

impl Slot {
    /// A server that fits the case: the one that runs, or a new one in its place.
    pub(super) fn server_for(&mut self, source: Source, case: &Case) -> Result<&Running, Failure> {
        let options = options(case);
        let fits = |running: &Running| {
            running.installation == case.installation
                && running.options.are_those_of(&options)
                && running.server.is_alive()
        };
        match self.running.take() {
            Some(running) if fits(&running) => Ok(self.running.insert(running)),
            other => {
                // Stopped first: a worker has one server at a time.
                drop(other);
                Ok(self.running.insert(Running::start(source, case.installation, options)?))
            }
        }
    }

    /// Drops a spec's database, whoever is still connected. Where somebody does not let go of it, the server is given up.
    pub(super) fn drop_database(&mut self, name: &str) -> Result<(), Failure> {
        let Some(Running { server, .. }) = &self.running else { return Ok(()) };
        let can_be_given_up = server.pid().is_some();
        let limit = if can_be_given_up { DROP_LIMIT } else { LIMIT };
        let dropped = administer(server, &format!("DROP DATABASE {name} WITH (FORCE)"), limit);
        match &dropped {
            Err(failure) if can_be_given_up && is_in_use(failure) => {
                self.discard();
                Ok(())
            }
            _ => dropped,
        }
    }

    /// Gives the server up.
    pub(super) fn discard(&mut self) {
        self.running = None;
    }
}

impl Running {
    fn start(source: Source, installation: usize, options: ServerOptions) -> Result<Self, Failure> {
        let server = match source {
            Source::Installed(Installed { stage, template }) => Server::start(stage, template, &options),
            Source::Given(given) => Server::given(given, &options),
        };
        let server = server.map_err(|error| no_server(&error))?;
        Ok(Running { server, installation, options })
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Makes a spec's own database, empty but for the engine, and returns its full name.
    pub(super) fn create_database(&self, name: &str) -> Result<String, Failure> {
        let server = &self.server;
        let name = server.claim_database(name).map_err(|error| no_server(&error))?;
        administer(server, &format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"), LIMIT)?;
        let step = Step::Extension("pg_ext_memcheck".to_owned());
        // In no schema that a workload may drop.
        let sql = "CREATE EXTENSION pg_ext_memcheck SCHEMA pg_catalog";
        let mut session = Session::open(server, &name, "", LIMIT)?;
        let created = session.simple(sql, &step, None);
        session.end(created.map(|()| name))
    }
}

/// What a case needs of its server.
fn options(case: &Case) -> ServerOptions {
    ServerOptions {
        preload_first: case.preload_first.clone(),
        preload: case.preload.clone(),
        conf: case.conf.clone(),
        name: case.label.replace('/', "_"),
    }
}

fn administer(server: &Server, sql: &str, limit: Duration) -> Result<(), Failure> {
    let mut session = Session::open(server, server.maintenance_database(), "", limit)?;
    let done = session.simple(sql, &Step::Administration(sql.to_owned()), None);
    session.end(done)
}

/// Whether a database could not be dropped because of somebody who is connected to it, or who keeps everybody waiting.
fn is_in_use(failure: &Failure) -> bool {
    match &failure.cause {
        Cause::Sql(error) => error.code == OBJECT_IN_USE,
        Cause::Timeout { .. } => true,
        _ => false,
    }
}

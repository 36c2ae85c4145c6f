//! The servers of a run: one for each worker, replaced where a case needs another.

use std::time::Duration;

use super::failure::{Failure, Step};
use super::session::{Session, no_server};
use crate::plan::Case;
use crate::server::{Server, ServerOptions, Stage, Template};

/// The database that every spec's own is a copy of: empty but for the engine.
const TEMPLATE: &str = "mcspec_template";

/// Time for making and dropping databases.
const LIMIT: Duration = Duration::from_secs(60);

/// An installation that is ready to start servers from.
#[derive(Debug)]
pub struct Installed {
    /// The staged tree.
    pub stage: Stage,
    /// The data directory that servers start with.
    pub template: Template,
}

/// A worker's place for one running server.
#[derive(Debug, Default)]
pub(super) struct Slot {
    running: Option<Running>,
}

/// A server with the template database in it.
#[derive(Debug)]
pub(super) struct Running {
    server: Server,
    installation: usize,
    preload: Vec<String>,
    conf: Vec<String>,
}

impl Slot {
    /// A server that fits the case: the one that runs, or a new one in its place.
    pub(super) fn server_for(&mut self, installed: &Installed, case: &Case) -> Result<&Running, Failure> {
        let fits = |running: &Running| {
            running.installation == case.installation
                && running.preload == case.preload
                && running.conf == case.conf
                && running.server.is_alive()
        };
        match self.running.take() {
            Some(running) if fits(&running) => Ok(self.running.insert(running)),
            other => {
                // Stopped first: a worker has one server at a time.
                drop(other);
                Ok(self.running.insert(Running::start(installed, case)?))
            }
        }
    }

    /// Gives the server up.
    pub(super) fn discard(&mut self) {
        self.running = None;
    }
}

impl Running {
    fn start(installed: &Installed, case: &Case) -> Result<Self, Failure> {
        let name = case.label.replace('/', "_");
        let options = ServerOptions { preload: case.preload.clone(), conf: case.conf.clone(), name };
        let server =
            Server::start(&installed.stage, &installed.template, &options).map_err(|error| no_server(&error))?;
        let running =
            Running { server, installation: case.installation, preload: case.preload.clone(), conf: case.conf.clone() };
        running.administer(&format!("CREATE DATABASE {TEMPLATE}"))?;
        let mut session = Session::open(&running.server, TEMPLATE, LIMIT)?;
        let step = Step::Extension("pg_ext_memcheck".to_owned());
        session.simple("CREATE EXTENSION pg_ext_memcheck", &step, None)?;
        drop(session);
        Ok(running)
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Makes a spec's own database.
    pub(super) fn create_database(&self, name: &str) -> Result<(), Failure> {
        self.administer(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
    }

    /// Drops it, whoever is still connected.
    pub(super) fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.administer(&format!("DROP DATABASE {name} WITH (FORCE)"))
    }

    fn administer(&self, sql: &str) -> Result<(), Failure> {
        Session::open(&self.server, "postgres", LIMIT)?.simple(sql, &Step::Database, None)
    }
}

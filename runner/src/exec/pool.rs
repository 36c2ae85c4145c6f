//! The servers of a run: one for each worker, replaced where a case needs another.

use std::time::Duration;

use super::failure::{Failure, Step};
use super::session::{Session, no_server};
use crate::plan::Case;
use crate::server::{GivenServer, Server, ServerOptions, Stage, Template};

/// The database that every spec's own is a copy of: empty but for the engine.
const TEMPLATE: &str = "spec_template";

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

/// A server with the template database in it.
#[derive(Debug)]
pub(super) struct Running {
    server: Server,
    installation: usize,
    preload: Vec<String>,
    conf: Vec<String>,
    template: String,
}

impl Slot {
    /// A server that fits the case: the one that runs, or a new one in its place.
    pub(super) fn server_for(&mut self, source: Source, case: &Case) -> Result<&Running, Failure> {
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
                Ok(self.running.insert(Running::start(source, case)?))
            }
        }
    }

    /// Gives the server up.
    pub(super) fn discard(&mut self) {
        self.running = None;
    }
}

impl Running {
    fn start(source: Source, case: &Case) -> Result<Self, Failure> {
        let server = match source {
            Source::Installed(Installed { stage, template }) => {
                let name = case.label.replace('/', "_");
                let options = ServerOptions { preload: case.preload.clone(), conf: case.conf.clone(), name };
                Server::start(stage, template, &options)
            }
            Source::Given(given) => Server::given(given, &case.preload),
        };
        let server = server.map_err(|error| no_server(&error))?;
        let template = server.claim_database(TEMPLATE).map_err(|error| no_server(&error))?;
        let (preload, conf) = (case.preload.clone(), case.conf.clone());
        let running = Running { server, installation: case.installation, preload, conf, template };
        running.administer(&format!("CREATE DATABASE {}", running.template))?;
        let mut session = Session::open(&running.server, &running.template, "", LIMIT)?;
        let step = Step::Extension("pg_ext_memcheck".to_owned());
        session.simple("CREATE EXTENSION pg_ext_memcheck", &step, None)?;
        drop(session);
        Ok(running)
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Makes a spec's own database and returns its full name.
    pub(super) fn create_database(&self, name: &str) -> Result<String, Failure> {
        let name = self.server.claim_database(name).map_err(|error| no_server(&error))?;
        self.administer(&format!("CREATE DATABASE {name} TEMPLATE {}", self.template))?;
        Ok(name)
    }

    /// Drops it, whoever is still connected.
    pub(super) fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.administer(&format!("DROP DATABASE {name} WITH (FORCE)"))
    }

    fn administer(&self, sql: &str) -> Result<(), Failure> {
        Session::open(&self.server, self.server.maintenance_database(), "", LIMIT)?.simple(sql, &Step::Database, None)
    }
}

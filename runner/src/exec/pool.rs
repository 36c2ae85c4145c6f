//! The servers of a run: one for each worker, replaced where a case needs another.

use std::sync::Arc;
use std::time::Duration;

use super::failure::{Cause, Failure, Step};
use super::members::Members;
use super::session::{Session, no_server};
use crate::plan::{Case, ConfLine, Place};
use crate::server::{
    CONDITION, CONF_FILE, Change, Condition, GivenServer, Server, ServerError, ServerOptions, Stage, Template,
    is_interrupted,
};

/// The database that every spec's own is a copy of. Nobody can be connected to it, which would keep it from being copied;
/// extensions may have workers that connect to every database that lets them.
const TEMPLATE: &str = "template0";

/// Time for making a database, and for dropping one on a server that somebody else runs.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

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
    /// Where the functions of extensions are written down that specs have had; nowhere where nobody asks.
    pub members: Option<Arc<Members>>,
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
    /// What it was like at first; none of a server that somebody else runs.
    condition: Option<Condition>,
    members: Option<Arc<Members>>,
}

impl Slot {
    /// A server that fits the case: the one that runs, or a new one in its place.
    fn server_for(&mut self, source: Source, case: &Case) -> Result<&Running, Failure> {
        let options = options(case);
        let fits = |running: &Running| {
            running.installation == case.installation
                && running.options.are_those_of(&options)
                && running.server.is_alive()
        };
        match self.running.take() {
            Some(running) if fits(&running) => {
                running.server.begin();
                Ok(self.running.insert(running))
            }
            other => {
                // Stopped first: a worker has one server at a time.
                drop(other);
                Ok(self.running.insert(Running::start(source, case, options)?))
            }
        }
    }

    /// A server that fits the case, with a database for it. A server that other cases have used may be one that they have damaged
    /// in a way that nobody has noticed: then there is another one.
    pub(super) fn server_with_database(&mut self, source: Source, case: &Case) -> Result<&Running, Failure> {
        let before = self.running.as_ref().and_then(|running| running.server.pid());
        let running = self.server_for(source, case)?;
        let is_used = before.is_some() && before == running.server.pid();
        match running.create_database(&case.database) {
            Err(_) if is_used && !is_interrupted() => {
                self.discard();
                self.server_for(source, case)?.create_database(&case.database)?;
            }
            created => created?,
        }
        Ok(self.running.as_ref().expect("it was found or started"))
    }

    /// Drops a spec's database, whoever is still connected, and looks whether the server is as it was. One that is not, or on which
    /// somebody does not let go of the database, is given up. Returned is what has changed.
    ///
    /// # Errors
    ///
    /// The spec has done something to the server after which others cannot use it.
    pub(super) fn leave(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let Some(running) = &self.running else { return Ok(None) };
        if let Some(members) = &running.members {
            members.ask(&running.server, name);
        }
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        let Some(before) = &running.condition else {
            return administer(&running.server, &drop, LIMIT).map(|()| None);
        };
        if let Some(process) = running.server.stopped() {
            self.discard();
            return Err(unusable(&format!("{process} is stopped (SIGSTOP)")));
        }
        let left = administer(&running.server, &drop, DROP_LIMIT)
            .and_then(|()| condition(&running.server))
            .map(|now| now.and_then(|now| before.change(&now)));
        let left = match left {
            Ok(None) => return Ok(None),
            Ok(Some(Change::Changed(what))) => Ok(Some(format!("{what}: later specs have another server"))),
            Ok(Some(Change::Damaged(what))) => Err(unusable(&what)),
            Err(failure) if is_in_use(&failure) => Ok(None),
            Err(failure) if matches!(failure.cause, Cause::Crash(_) | Cause::PostmasterGone(_)) => Err(failure),
            Err(failure) => Err(unusable(&[vec![failure.headline()], failure.particulars()].concat().join("\n"))),
        };
        self.discard();
        left
    }

    /// Gives the server up.
    pub(crate) fn discard(&mut self) {
        self.running = None;
    }
}

impl Running {
    fn start(source: Source, case: &Case, options: ServerOptions) -> Result<Self, Failure> {
        let members = match source {
            Source::Installed(installed) => installed.members.clone(),
            Source::Given(_) => None,
        };
        let server = match source {
            Source::Installed(Installed { stage, template, .. }) => Server::start(stage, template, &options),
            Source::Given(given) => Server::given(given, &options),
        };
        let server = server.map_err(|error| {
            let failure = no_server(&error);
            // One that starts and then ends is another matter.
            let message = matches!(error, ServerError::NotStarted { .. }).then(|| error.to_string());
            Failure { place: message.and_then(|message| to_blame(case, &message).cloned()), ..failure }
        })?;
        let condition = condition(&server)?;
        Ok(Running { server, installation: case.installation, options, condition, members })
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// Makes a spec's own database, empty but for the engine.
    fn create_database(&self, name: &str) -> Result<(), Failure> {
        self.server.claim_database(name).map_err(|error| no_server(&error))?;
        make_database(&self.server, name)
    }
}

/// Makes a database that is empty but for the engine.
pub(super) fn make_database(server: &Server, name: &str) -> Result<(), Failure> {
    // By files it takes half the time, but checkpoints of which a server that somebody else runs has more.
    let strategy = if server.data().is_some() { " STRATEGY file_copy" } else { "" };
    let quoted = super::quote::quoted(name, '"');
    administer(server, &format!("CREATE DATABASE {quoted} TEMPLATE {TEMPLATE}{strategy}"), LIMIT)?;
    let step = Step::Extension("pg_ext_memcheck".to_owned());
    // In no schema that a workload may drop.
    let sql = "CREATE EXTENSION pg_ext_memcheck SCHEMA pg_catalog";
    let mut session = Session::open(server, name, "", LIMIT)?;
    let created = session.simple(sql, &step, None);
    session.end(created)
}

/// What a case needs of its server.
fn options(case: &Case) -> ServerOptions {
    ServerOptions {
        preload_first: case.preload_first.clone(),
        preload: case.preload.clone(),
        conf: case.conf.iter().map(|line| line.text.clone()).collect(),
        name: case.label.replace('/', "_"),
    }
}

/// The line of `conf` for which a server has not started, as its message says: by file and line where it cannot read the line
/// (guc-file.l), by the parameter where it does not take the value. Without `preload` nothing else is particular to it.
fn to_blame<'a>(case: &'a Case, message: &str) -> Option<&'a Place> {
    let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().ok();
    let numbered = message.split(&format!("{CONF_FILE}\" line ")).skip(1).find_map(number);
    let by_number = numbered.and_then(|number| case.conf.get(number.checked_sub(1)?));
    let is_named = |line: &&ConfLine| {
        let name = line.parameter();
        let is_inner = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        message.to_ascii_lowercase().split(|c| !is_inner(c)).any(|word| word.trim_matches('.') == name)
    };
    let first = || case.conf.first().filter(|_| case.preload.is_empty() && case.preload_first.is_empty());
    by_number.or_else(|| case.conf.iter().rev().find(is_named)).or_else(first).map(|line| &line.place)
}

/// What a server is like; none of one that somebody else runs.
fn condition(server: &Server) -> Result<Option<Condition>, Failure> {
    let Some(data) = server.data() else { return Ok(None) };
    let mut session = Session::open(server, server.maintenance_database(), "", LIMIT)?;
    let rows = session.query(CONDITION, &[], &Step::Server, None);
    let rows = session.end(rows)?;
    Ok(Some(Condition::of(data, rows.iter().map(|row| (row.get(0), row.get(1))))))
}

/// That a spec has left a server so that nobody can use it.
fn unusable(what: &str) -> Failure {
    let message = format!("the server cannot be used after the spec: {what}");
    Failure::new(Step::Spec, Cause::Server { message, hint: None })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Defaults, Environment, Overrides, cases, load};

    /// The line of the spec that a message is about.
    fn blamed(head: &str, message: &str) -> Option<usize> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.mcspec");
        let text = format!(
            "{head}conf {{\n# first\nwork_mem = 1MB\nMax_Connections = lots\nssl = on\n}}\nscenario window\n  workload {{ SELECT 1 }}\n"
        );
        std::fs::write(&path, text).unwrap();
        let loaded = load("x", &path).unwrap();
        let planned = cases(&loaded, &Environment::nominal(180_000), &Overrides::default(), Defaults::default());
        to_blame(&planned.unwrap()[0], message).map(|place| place.source.line_column(place.offset).0)
    }

    #[test]
    fn a_server_that_does_not_start_is_blamed_on_a_line() {
        let table = [
            ("LOG:  syntax error in file \"/x/spec.conf\" line 3, near end of line", 5),
            ("LOG:  unrecognized configuration parameter \"work_men\" in file \"/x/spec.conf\" line 1", 3),
            ("LOG:  invalid value for parameter \"max_connections\": \"lots\"", 4),
            ("FATAL:  could not load server certificate file \"server.crt\"", 3),
        ];
        for (message, line) in table {
            assert_eq!(blamed("", message), Some(line), "{message}");
        }
        // It may as well be the library.
        assert_eq!(blamed("preload x\n", "FATAL:  could not access file \"x\""), None);
        assert_eq!(blamed("preload x\n", table[2].0), Some(5));
    }
}

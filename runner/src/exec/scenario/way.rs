//! A way of repeating the workload of a scenario, and what it has to do so.

use std::time::{Duration, Instant};

use memcheck_core::Finding;

use crate::exec::engine;
use crate::exec::failure::{Failure, Step};
use crate::exec::outcome::{Message, Targets, Window};
use crate::exec::session::Session;
use crate::exec::workload::Workload;
use crate::language::ast::Iterate;
use crate::plan::{Case, Scenario, Values};
use crate::server::Server;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// A way of repeating the workload.
///
/// [`crate::exec::engine`] opens, marks and closes windows; [`Workload`] sends the statements of one iteration.
pub(super) trait Way {
    /// How often [`Client::execute`] will be called, in all windows, the warm-up counted.
    fn executions(&self, scenario: &Scenario) -> u64;

    /// Does it. Windows are added as they are closed, so that those before a failure are kept.
    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure>;

    /// What all its windows together have found.
    fn findings(&self, windows: &[Window]) -> Vec<Finding> {
        windows.iter().flat_map(|window| window.findings.iter().cloned()).collect()
    }
}

/// The scenario's client.
pub(super) struct Client<'a> {
    server: &'a Server,
    database: &'a str,
    case: &'a Case,
    /// What to do.
    pub(super) scenario: &'a Scenario,
    targets: &'a Targets,
    /// What the server has told besides results, the first of each session.
    pub(super) messages: Vec<Message>,
    /// What the workload has left behind in the session, a clause each.
    pub(super) left: Vec<&'static str>,
    /// Executions of the workload so far, in all windows: the value of `:i`, so that no two insert the same key.
    done: u64,
    /// Whether a fault has ended the warm-up, or what is looked at.
    is_at_fault: Option<bool>,
    /// The first one.
    pub(super) fault: Option<Failure>,
    total: u64,
    told: Instant,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<'a> Client<'a> {
    /// A client that will execute the workload `total` times, and tells now and then how often it has.
    pub(super) fn new(
        server: &'a Server,
        database: &'a str,
        case: &'a Case,
        scenario: &'a Scenario,
        targets: &'a Targets,
        total: u64,
        progress: &'a mut dyn FnMut(u64, u64),
    ) -> Self {
        let (messages, left, told) = (Vec::new(), Vec::new(), Instant::now());
        let (is_at_fault, fault) = (None, None);
        Client {
            server,
            database,
            case,
            scenario,
            targets,
            messages,
            left,
            done: 0,
            is_at_fault,
            fault,
            total,
            told,
            progress,
        }
    }

    /// There will be so many more executions than was said.
    pub(super) fn expect_more(&mut self, executions: u64) {
        self.total += executions;
    }

    /// Does something in a fresh session, after the scenario's settings and setup and before its teardown, which is run whatever
    /// comes of the setup and of what is done.
    pub(super) fn in_session<T>(
        &mut self,
        act: impl FnOnce(&mut Self, &mut Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut session = self.open()?;
        let scenario = self.scenario;
        let done = session
            .blocks(&scenario.setup, &Step::Setup)
            .and_then(|()| engine::register_probes(&mut session, scenario))
            .and_then(|()| act(self, &mut session))
            .and_then(|done| engine::clear_probes(&mut session, scenario).map(|()| done));
        match done {
            Ok(done) => {
                let torn_down = session.blocks(&scenario.teardown, &Step::Teardown);
                self.messages.extend(session.take_messages());
                session.end(torn_down.map(|()| done))
            }
            Err(failure) => {
                let later = self.tear_down(session, &failure).err();
                Err(failure.then(later))
            }
        }
    }

    /// Runs the teardown after a failure: in the session where that is still there, else in another one.
    fn tear_down(&mut self, mut session: Session, failure: &Failure) -> Result<(), Failure> {
        let scenario = self.scenario;
        self.messages.extend(session.take_messages());
        let is_wanted = !scenario.teardown.is_empty();
        if !failure.lost_the_session() {
            let run = |session: &mut Session| {
                session.recover(scenario.timeout)?;
                session.blocks(&scenario.teardown, &Step::Teardown)
            };
            let done = if is_wanted { run(&mut session) } else { Ok(()) };
            return session.end(done);
        }
        drop(session);
        if is_wanted && self.server.is_alive() {
            let mut session = self.open()?;
            let done = session.blocks(&scenario.teardown, &Step::Teardown);
            return session.end(done);
        }
        Ok(())
    }

    /// A session with the settings of the case and the scenario.
    fn open(&self) -> Result<Session<'a>, Failure> {
        let scenario = self.scenario;
        let options = engine::checking(self.server, scenario.trace, scenario.guarding, self.targets);
        let opened = Session::open(self.server, self.database, &options, scenario.timeout);
        let mut session = opened.map_err(|failure| failure.or_at(&scenario.place))?;
        match self.apply_settings(&mut session) {
            Ok(()) => Ok(session),
            Err(failure) => session.end(Err(failure)),
        }
    }

    /// Applies the `set` clauses of the case and the scenario, which a session begins with.
    pub(super) fn apply_settings(&self, session: &mut Session) -> Result<(), Failure> {
        session.settings(self.case.settings.iter().chain(&self.scenario.settings))
    }

    /// Does something in one transaction if that is what `iterate` says, else as it is.
    pub(super) fn as_iterated<T>(
        &mut self,
        session: &mut Session,
        act: impl FnOnce(&mut Self, &mut Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let place = Some(&self.scenario.place);
        let in_one_transaction = self.scenario.iterate == Iterate::Transaction;
        if in_one_transaction {
            session.simple("BEGIN", &Step::Setup, place)?;
        }
        let done = act(self, session)?;
        if in_one_transaction {
            session.simple("COMMIT", &Step::Teardown, place)?;
        }
        Ok(done)
    }

    /// Goes on after a fault of a library of which the engine has made an ERROR: the window tells of it.
    pub(super) fn survives(&mut self, session: &mut Session, fault: Failure, is_warm_up: bool) -> Result<(), Failure> {
        if session.is_in_transaction() {
            session.simple("ROLLBACK", &fault.step, fault.place.as_ref())?;
        }
        self.is_at_fault = Some(is_warm_up);
        self.fault.get_or_insert(fault);
        Ok(())
    }

    fn note_left(&mut self, what: &'static str) {
        if !self.left.contains(&what) {
            self.left.push(what);
        }
    }

    /// Executes the workload once. `rows` is the value of `:rows`, where it has one.
    ///
    /// Behind a fault of a library that the session has survived nothing more is executed: neither in the warm-up, if it came
    /// there, nor in the window.
    pub(super) fn execute(
        &mut self,
        session: &mut Session,
        workload: &Workload,
        step: &Step,
        rows: Option<u64>,
    ) -> Result<(), Failure> {
        let is_warm_up = matches!(step, Step::WarmUp(_));
        if self.is_at_fault == Some(is_warm_up) {
            return Ok(());
        }
        self.is_at_fault = None;
        let (in_transaction, superuser) = (session.is_in_transaction(), session.is_superuser());
        match workload.run(session, step, Values { i: self.done, rows: rows.unwrap_or_default() }) {
            Err(failure) if failure.is_landed_fault() => {
                self.survives(session, failure, is_warm_up)?;
                return Ok(());
            }
            done => done?,
        }
        if session.is_in_transaction() && !in_transaction {
            // Every iteration is one of its own, and marks are set between them.
            session.simple("ROLLBACK", step, Some(&self.scenario.place))?;
            self.note_left("the workload leaves a transaction open, which was rolled back after each iteration");
        }
        if superuser && !session.is_superuser() {
            self.note_left("the workload ends in the role of somebody who is no superuser");
        }
        self.done += 1;
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            (self.progress)(self.done, self.total);
        }
        Ok(())
    }
}

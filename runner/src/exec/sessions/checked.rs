//! Runs a permutation with a check window in each session.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::performance::Performance;
use crate::exec::engine::{
    DIRECTORIES, END_SESSION, FINDINGS, STATISTICS, WINDOW_TARGETS, begin_session, has_sites, name_functions,
    read_window, tracing,
};
use crate::exec::failure::{Cause, Failure, Step, Stopped, sentence};
use crate::exec::happening::{Halt, Happening, Outcome};
use crate::exec::outcome::{PermutationOutcome, PermutationRun, Targets, Window};
use crate::exec::quote::quoted;
use crate::plan::{Case, Permutation};
use crate::server::Server;

/// Time for a step where the spec gives none: isolationtester's (isolationtester.c, max_step_wait).
const LIMIT: Duration = Duration::from_secs(300);

/// SQLSTATE of a savepoint outside a transaction.
const NO_TRANSACTION: &str = "25P01";

/// Gives back what a session keeps besides its memory (discard.c, DiscardAll): prepared statements, cursors, temporary tables,
/// advisory locks, parameters and roles, LISTEN, sequences. A new session would lose the caches as well, for which there are
/// two runs.
const RENEW: &str = "DISCARD ALL";

/// What teardown may have left in the database that no session owns: prepared transactions and replication slots.
const LEFT_BEHIND: &str = "\
    SELECT pg_catalog.format('ROLLBACK PREPARED %L', gid)
      FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()
     UNION ALL
    SELECT pg_catalog.format('SELECT pg_catalog.pg_drop_replication_slot(%L)', slot_name)
      FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database() AND NOT active";

/// Asks whether a session is in a transaction, without taking a snapshot there.
const PROBE: &str = "SAVEPOINT mcspec_probe";
const END_PROBE: &str = "RELEASE SAVEPOINT mcspec_probe";

/// Runs the permutation at that position of the case, as often as it says.
pub(in crate::exec) fn run(
    server: &Server,
    database: &str,
    case: &Case,
    position: usize,
    targets: &Targets,
) -> PermutationOutcome {
    let started = Instant::now();
    let mut outcome = PermutationOutcome { permutation: position, ..PermutationOutcome::default() };
    for _ in 0..case.sessions.permutations[position].repeat {
        match once(server, database, case, position, targets) {
            Ok(run) => outcome.runs.push(run),
            Err(failure) => {
                outcome.failure = Some(failure);
                break;
            }
        }
    }
    outcome.elapsed = started.elapsed();
    outcome
}

/// Runs a permutation twice in fresh sessions: the first run warms their caches, and the second one finds nothing else of it.
fn once(
    server: &Server,
    database: &str,
    case: &Case,
    position: usize,
    targets: &Targets,
) -> Result<PermutationRun, Failure> {
    let connect = |session: &str, options: &str| {
        let mut config = server.config(database, options);
        config.application_name(format!("mcspec/{session}"));
        let no_server = |message| Failure::new(Step::Server, Cause::Server { message, hint: None });
        Connection::open(server, config).map_err(no_server)
    };
    let names = || case.sessions.sessions.iter().map(|session| session.name.as_str());
    let control = connect("control connection", "")?;
    let traced = tracing(case.sessions.trace, targets);
    let connections = names().map(|name| connect(name, &traced)).collect::<Result<_, _>>()?;

    let permutation = &case.sessions.permutations[position];
    let limit = permutation.timeout.unwrap_or(LIMIT);
    let mut happenings = Vec::new();
    let mut tell = |happening| happenings.push(happening);
    let performance = Performance::new(&case.sessions, control, connections, true, &mut tell);
    let mut checked = Checked { case, permutation, performance, opens_early: Vec::new() };
    for session in 0..names().len() {
        checked.apply_settings(session)?;
    }
    checked.performance.begin(position, limit);
    checked.warm_up()?;
    checked.renew_control()?;
    for (session, name) in names().enumerate() {
        if checked.performance.is_lost(session) {
            checked.performance.replace(session, connect(name, &traced)?);
        } else {
            checked.renew(session)?;
        }
        checked.apply_settings(session)?;
    }
    checked.performance.begin(position, limit);
    let windows = checked.run().map_err(|failure| Failure { step: Step::Again(Box::new(failure.step)), ..failure })?;
    // The database is dropped without it, but not with it. A permutation that has come to its end is not to fail by it.
    let _ = checked.renew_control();
    drop(checked);
    let second = happenings.iter().rposition(|happening| matches!(happening, Happening::Begins { .. })).unwrap_or(0);
    let checked = happenings.split_off(second);
    Ok(PermutationRun { warm_up: happenings, happenings: checked, windows })
}

struct Checked<'a> {
    case: &'a Case,
    permutation: &'a Permutation,
    performance: Performance<'a>,
    /// For each session whether its window is opened before its setup, because that leaves a transaction open: a call of
    /// the engine in it would take the snapshot that is for the first step to take.
    opens_early: Vec<bool>,
}

impl<'a> Checked<'a> {
    fn sessions(&self) -> std::ops::Range<usize> {
        0..self.case.sessions.sessions.len()
    }

    fn apply_settings(&mut self, session: usize) -> Result<(), Failure> {
        for setting in self.case.settings.iter().chain(&self.case.sessions.sessions[session].settings) {
            let (name, value) = (quoted(&setting.name, '\''), quoted(&setting.value, '\''));
            let outcome =
                self.performance.ask_aside(session, &format!("SELECT pg_catalog.set_config({name}, {value}, false)"));
            if let Some(cause) = cause(outcome) {
                let step = Step::Setting(setting.name.clone());
                return Err(Failure { step, place: Some(setting.place.clone()), cause });
            }
        }
        Ok(())
    }

    /// Makes a session as it was before its setup.
    fn renew(&mut self, session: usize) -> Result<(), Failure> {
        let outcome = self.performance.ask_aside(session, RENEW);
        self.performance.forget(session);
        renewed(outcome)
    }

    /// The same for the spec's own session, and for what nobody's session holds.
    fn renew_control(&mut self) -> Result<(), Failure> {
        self.performance.ask_control("ROLLBACK");
        renewed(self.performance.ask_control(RENEW))?;
        let Outcome::Rows(left) = self.performance.ask_control(LEFT_BEHIND) else { return Ok(()) };
        let mut statements = left.rows.into_iter().flatten().flatten();
        statements.try_for_each(|sql| renewed(self.performance.ask_control(&sql)))
    }

    fn warm_up(&mut self) -> Result<(), Failure> {
        let (plan, permutation) = (&self.case.sessions, self.permutation);
        self.halting(|performance| performance.fixtures("setup", &plan.setup))?;
        for session in self.sessions() {
            let setup = &plan.sessions[session].setup;
            self.halting(|performance| performance.session_fixtures("setup", session, setup))?;
            let opens_early = self.is_in_transaction(session);
            self.opens_early.push(opens_early);
        }
        self.halting(|performance| performance.steps(&permutation.launches))?;
        for session in self.sessions() {
            self.teardown(session)?;
            self.end_transaction(session);
        }
        self.halting(|performance| performance.fixtures("teardown", &plan.teardown))
    }

    fn run(&mut self) -> Result<Vec<(usize, Window)>, Failure> {
        let (plan, permutation) = (&self.case.sessions, self.permutation);
        self.halting(|performance| performance.fixtures("setup", &plan.setup))?;
        for session in self.sessions() {
            let setup = &plan.sessions[session].setup;
            if self.opens_early[session] {
                self.open(session)?;
            }
            self.halting(|performance| performance.session_fixtures("setup", session, setup))?;
            if !self.opens_early[session] {
                self.open(session)?;
            }
        }
        self.halting(|performance| performance.steps(&permutation.launches))?;
        let mut windows = Vec::new();
        for session in self.sessions() {
            if self.performance.is_lost(session) {
                continue;
            }
            // The memory of an open transaction is no leak.
            let closes_late = self.is_in_transaction(session);
            if closes_late {
                self.teardown(session)?;
                self.end_transaction(session);
            }
            windows.push((session, self.close(session)?));
            if !closes_late {
                self.teardown(session)?;
            }
        }
        self.halting(|performance| performance.fixtures("teardown", &plan.teardown))?;
        Ok(windows)
    }

    fn teardown(&mut self, session: usize) -> Result<(), Failure> {
        if self.performance.is_lost(session) {
            return Ok(());
        }
        let teardown = &self.case.sessions.sessions[session].teardown;
        self.halting(|performance| performance.session_fixtures("teardown", session, teardown))
    }

    /// Whether a session is in a transaction, failed or not.
    fn is_in_transaction(&mut self, session: usize) -> bool {
        match self.performance.ask_aside(session, PROBE) {
            Outcome::Failed(error) => error.code != NO_TRANSACTION,
            _ => {
                self.performance.ask_aside(session, END_PROBE);
                true
            }
        }
    }

    /// Ends a transaction that even the teardown has left open.
    fn end_transaction(&mut self, session: usize) {
        if !self.performance.is_lost(session) && self.is_in_transaction(session) {
            self.performance.ask_aside(session, "ROLLBACK");
        }
    }

    fn open(&mut self, session: usize) -> Result<(), Failure> {
        let calls = begin_session(&self.case.sessions.sessions[session]);
        self.call(session, "begin", &calls)
    }

    fn close(&mut self, session: usize) -> Result<Window, Failure> {
        self.call(session, "end", &END_SESSION)?;
        let connection = self.performance.connection(session);
        let rows = |sql| {
            connection.rows(sql).map_err(|error| {
                let message = error.map_or("the connection is lost".to_owned(), |error| sentence(&error));
                Failure::new(Step::Engine("findings"), Cause::Protocol(message))
            })
        };
        let mut window = read_window(None, &rows(FINDINGS)?, &rows(STATISTICS)?, &rows(WINDOW_TARGETS)?)?;
        if has_sites(&window) {
            name_functions(&mut window, &rows(DIRECTORIES)?);
        }
        Ok(window)
    }

    fn call(&mut self, session: usize, function: &'static str, calls: &[impl AsRef<str>]) -> Result<(), Failure> {
        for call in calls {
            if let Some(cause) = cause(self.performance.ask_aside(session, call.as_ref())) {
                return Err(Failure::new(Step::Engine(function), cause));
            }
        }
        Ok(())
    }

    /// Makes a failure of what halts the permutation.
    fn halting(&mut self, act: impl FnOnce(&mut Performance<'a>) -> Result<(), Halt>) -> Result<(), Failure> {
        act(&mut self.performance).map_err(|halt| self.failure(halt))
    }

    fn failure(&self, halt: Halt) -> Failure {
        let plan = &self.case.sessions;
        let of_step = |step: usize, cause| {
            let step = &plan.steps[step];
            Failure { step: Step::SessionStep(step.name.clone()), place: Some(step.batch.place.clone()), cause }
        };
        match halt {
            Halt::Connection { reason, .. } => {
                Failure::new(Step::Server, Cause::Server { message: reason, hint: None })
            }
            Halt::Fixture { what, batch, outcome, .. } => {
                let step = if what == "setup" { Step::Setup } else { Step::Teardown };
                let cause = cause(outcome).unwrap_or_else(|| Cause::Protocol("no result".to_owned()));
                Failure { step, place: Some(batch.place), cause }
            }
            Halt::SessionLost { step } => of_step(step, Cause::Protocol("its session has ended".to_owned())),
            Halt::TimedOut { step, after, .. } => of_step(
                step,
                Cause::Timeout { limit: Duration::from_secs(after.as_secs()), stopped: Stopped::Terminated },
            ),
            Halt::MutuallyBlocking => {
                let reason = "the steps that are not over wait for each other".to_owned();
                Failure::new(Step::Permutation, Cause::Protocol(reason))
            }
            Halt::Unknown(reason) => Failure::new(Step::Permutation, Cause::Protocol(reason)),
        }
    }
}

/// Fails where a session could not be given back what it was.
fn renewed(outcome: Outcome) -> Result<(), Failure> {
    cause(outcome).map_or(Ok(()), |cause| Err(Failure::new(Step::Renewal, cause)))
}

/// What went wrong, if anything did.
fn cause(outcome: Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Command | Outcome::Rows(_) => None,
        Outcome::Failed(error) => Some(Cause::Sql(error)),
        Outcome::Lost => Some(Cause::Protocol("the connection is lost".to_owned())),
        Outcome::Unexpected(reason) => Some(Cause::Protocol(reason)),
    }
}

//! Runs a permutation with a check window in each session.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::lane::Lane;
use super::performance::Performance;
use crate::exec::engine::{
    DIRECTORIES, END_SESSION, FINDINGS, STATISTICS, WINDOW_CONTEXTS, WINDOW_TARGETS, begin_session, checking,
    has_sites, name_functions, read_window,
};
use crate::exec::failure::{Cause, Failure, Step, Stopped};
use crate::exec::happening::{Halt, Happening, Outcome};
use crate::exec::outcome::{PermutationOutcome, PermutationRun, Targets, Window};
use crate::exec::quote::quoted;
use crate::exec::session::{END_DELAY, no_server};
use crate::plan::{Case, Permutation};
use crate::server::{Crash, Server};

/// Time for a step where the spec gives none: isolationtester's (isolationtester.c, max_step_wait).
const LIMIT: Duration = Duration::from_secs(300);

/// How many notices of a session are kept.
const NOTICES: usize = 10_000;
/// The end of a permutation in a run that is interrupted.
const INTERRUPTED: Cause = Cause::Interrupted { stopped: Stopped::Cancelled };

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
    let begin = server.log_position();
    let checked = checking(server, case.sessions.trace, case.sessions.guarding, targets);
    let connect = Connect { server, database, checked };
    let control = connect.control()?;
    let sessions = &case.sessions.sessions;
    let connections = sessions.iter().map(|session| connect.session(&session.name)).collect::<Result<_, _>>()?;

    let permutation = &case.sessions.permutations[position];
    let limit = permutation.timeout.unwrap_or(LIMIT);
    let mut happenings = Vec::new();
    let mut notices = vec![0; sessions.len()];
    let mut tell = |happening| {
        if let Happening::Begins { .. } = happening {
            notices.fill(0);
        } else if let Happening::Notice { session, .. } = happening {
            notices[session] += 1;
            if notices[session] > NOTICES {
                return;
            }
        }
        happenings.push(happening);
    };
    let performance = Performance::new(&case.sessions, control, connections, true, &mut tell);
    let set_up = vec![false; sessions.len()];
    let mut checked =
        Checked { case, permutation, connect, performance, opens_early: Vec::new(), is_set_up: false, set_up };
    let done = checked.both(position, limit);
    let done = done.map_err(|failure| {
        let failure = checked.named(begin, failure);
        checked.tear_down_all(&failure).into_iter().fold(failure, |failure, later| failure.then(Some(later)))
    });
    // The database is dropped without it, but not with it. A permutation that has come to its end is not to fail by it.
    let _ = checked.renew_control();
    let ended = checked.end(begin, done.as_ref().err());
    let windows = match (done, ended) {
        (Ok(windows), None) => windows,
        (Ok(_), Some(crash)) => return Err(crash),
        (Err(failure), Some(_)) if failure.all().any(|known| matches!(known.cause, Cause::Timeout { .. })) => {
            return Err(failure);
        }
        (Err(failure), crash) => return Err(failure.then(crash)),
    };
    let second = happenings.iter().rposition(|happening| matches!(happening, Happening::Begins { .. })).unwrap_or(0);
    let checked = happenings.split_off(second);
    Ok(PermutationRun { warm_up: happenings, happenings: checked, windows })
}

/// How sessions are opened.
struct Connect<'a> {
    server: &'a Server,
    database: &'a str,
    checked: String,
}

impl Connect<'_> {
    fn control(&self) -> Result<Connection, Failure> {
        self.open("control connection", "")
    }

    fn session(&self, name: &str) -> Result<Connection, Failure> {
        self.open(name, &self.checked)
    }

    fn open(&self, name: &str, options: &str) -> Result<Connection, Failure> {
        let settings = self.server.settings(self.database, options).named(format!("mcspec/{name}"));
        Connection::open(self.server, self.database, &settings).map_err(|error| no_server(&error))
    }
}

struct Checked<'a> {
    case: &'a Case,
    permutation: &'a Permutation,
    connect: Connect<'a>,
    performance: Performance<'a>,
    /// For each session whether its window is opened before its setup, because that leaves a transaction open: a call of
    /// the engine in it would take the snapshot that is for the first step to take.
    opens_early: Vec<bool>,
    /// Whether the spec's setup has begun and its teardown has not, and the same for each session.
    is_set_up: bool,
    set_up: Vec<bool>,
}

impl<'a> Checked<'a> {
    /// Warms up and runs.
    fn both(&mut self, position: usize, limit: Duration) -> Result<Vec<(usize, Window)>, Failure> {
        for session in self.sessions() {
            self.apply_settings(session)?;
        }
        self.performance.begin(position, limit);
        self.warm_up()?;
        self.renew_control()?;
        for session in self.sessions() {
            self.renew(session)?;
            self.apply_settings(session)?;
        }
        self.performance.begin(position, limit);
        self.run().map_err(again)
    }

    /// Gives sessions that were ended other connections, and runs their teardowns there. Those that the server has not ended with
    /// an error are none that a spec may lose.
    fn tear_down_lost(&mut self) -> Result<(), Failure> {
        for session in self.sessions().filter(|&session| self.performance.is_lost(session)).collect::<Vec<_>>() {
            if self.performance.is_silent(session) {
                return Err(Failure::new(Step::Permutation, Cause::Protocol("a session has ended".to_owned())));
            }
            self.replace(session)?;
            self.teardown(session)?;
        }
        Ok(())
    }

    /// Gives a session another connection.
    fn replace(&mut self, session: usize) -> Result<(), Failure> {
        let name = &self.case.sessions.sessions[session].name;
        self.performance.replace(session, self.connect.session(name)?);
        self.apply_settings(session)
    }

    /// The crash that is the reason of a failure, where there is one, or the session that went away without a word.
    fn named(&self, begin: u64, failure: Failure) -> Failure {
        if matches!(failure.cause, Cause::Timeout { .. }) {
            // What it took to stop the session is said there.
            return failure;
        }
        let server = self.connect.server;
        let lost: Vec<&Lane> = self.performance.all().filter(|lane| lane.lost).collect();
        for lane in &lost {
            server.wait_ended(lane.connection.pid, END_DELAY);
        }
        if let Some(crash) = server.crashes_since(begin).into_iter().next() {
            let crash = self.crash(crash);
            return if matches!(failure.step, Step::Again(_)) { again(crash) } else { crash };
        }
        if let Some(gone) = server.gone() {
            return Failure { cause: Cause::PostmasterGone(gone.to_string()), ..failure };
        }
        match lost.iter().find(|lane| !lane.told) {
            Some(lane) if matches!(failure.cause, Cause::Protocol(_)) => self.silent(begin, lane),
            _ => failure,
        }
    }

    /// That a process has crashed: in what its session did last.
    fn crash(&self, crash: Crash) -> Failure {
        let lane = self.performance.all().find(|lane| lane.connection.pid == crash.pid);
        let (step, place) = lane.map_or((Step::Permutation, None), |lane| lane.did.clone());
        Failure::at(step, place.as_ref(), Cause::Crash(Box::new(crash)))
    }

    /// That a session has ended without a word.
    fn silent(&self, begin: u64, lane: &Lane) -> Failure {
        let (step, place) = &lane.did;
        let pid = lane.connection.pid;
        let log = self.connect.server.last_words(begin, pid);
        Failure::at(step.clone(), place.as_ref(), Cause::ConnectionLost { pid, log })
    }

    /// Runs the teardowns that are still to be run after a failure, and says what is wrong with them.
    fn tear_down_all(&mut self, failure: &Failure) -> Vec<Failure> {
        // With one backend all connections are gone, whether that was noticed or not.
        let all_lost = matches!(failure.cause, Cause::Crash(_));
        if !self.connect.server.is_alive() {
            return Vec::new();
        }
        self.performance.tidy_up();
        let plan = &self.case.sessions;
        let mut failures = Vec::new();
        for session in self.sessions().filter(|&session| self.set_up[session]).collect::<Vec<_>>() {
            let done = if plan.sessions[session].teardown.is_empty() {
                Ok(())
            } else if self.performance.is_free(session) && !all_lost {
                self.end_transaction(session);
                self.teardown(session)
            } else {
                self.performance.terminate(session);
                self.replace(session).and_then(|()| self.teardown(session))
            };
            failures.extend(done.err());
        }
        if self.is_set_up && !plan.teardown.is_empty() {
            let Checked { performance, connect, .. } = self;
            let done = performance.reconnect_control(all_lost, || connect.control());
            failures.extend(done.and_then(|()| self.halting(|it| it.fixtures("teardown", &plan.teardown))).err());
        }
        failures
    }

    /// Ends all sessions, and says which process has crashed besides those of a failure.
    fn end(self, begin: u64, failure: Option<&Failure>) -> Option<Failure> {
        let server = self.connect.server;
        let all: Vec<_> =
            self.performance.all().map(|lane| (lane.connection.pid, lane.lost, lane.did.clone())).collect();
        drop(self);
        for (pid, ..) in &all {
            server.wait_ended(*pid, END_DELAY);
        }
        let is_known = |crash: &Crash| failure.is_some_and(|failure| failure.accounts_for(crash));
        let mut crash = server.crashes_since(begin).into_iter().find(|crash| !is_known(crash))?;
        let (step, place) = match all.into_iter().find(|(pid, ..)| *pid == crash.pid) {
            Some((_, true, did)) => did,
            Some((_, false, (_, place))) => {
                // What it ran last is over.
                crash.statement = None;
                (Step::SessionEnd, place)
            }
            None => (Step::Permutation, None),
        };
        Some(Failure::at(step, place.as_ref(), Cause::Crash(Box::new(crash))))
    }

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
                return Err(Failure::at(step, Some(&setting.place), cause));
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
        self.is_set_up = true;
        self.halting(|performance| performance.fixtures("setup", &plan.setup))?;
        for session in self.sessions() {
            let setup = &plan.sessions[session].setup;
            self.set_up[session] = true;
            self.halting(|performance| performance.session_fixtures("setup", session, setup))?;
            let opens_early = self.is_in_transaction(session);
            self.opens_early.push(opens_early);
        }
        self.halting(|performance| performance.steps(&permutation.launches))?;
        for session in self.sessions() {
            self.teardown(session)?;
            self.end_transaction(session);
        }
        self.tear_down_lost()?;
        self.heed_interrupts()?;
        self.is_set_up = false;
        self.halting(|performance| performance.fixtures("teardown", &plan.teardown))
    }

    fn run(&mut self) -> Result<Vec<(usize, Window)>, Failure> {
        let (plan, permutation) = (&self.case.sessions, self.permutation);
        self.is_set_up = true;
        self.halting(|performance| performance.fixtures("setup", &plan.setup))?;
        for session in self.sessions() {
            let setup = &plan.sessions[session].setup;
            self.set_up[session] = true;
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
        self.tear_down_lost()?;
        self.heed_interrupts()?;
        self.is_set_up = false;
        self.halting(|performance| performance.fixtures("teardown", &plan.teardown))?;
        Ok(windows)
    }

    fn teardown(&mut self, session: usize) -> Result<(), Failure> {
        if self.performance.is_lost(session) {
            return Ok(());
        }
        let teardown = &self.case.sessions.sessions[session].teardown;
        self.heed_interrupts()?;
        self.set_up[session] = false;
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
        self.as_ourselves(session, |checked| checked.call(session, "begin", &calls))
    }

    fn close(&mut self, session: usize) -> Result<Window, Failure> {
        self.as_ourselves(session, |checked| checked.close_and_read(session))
    }

    /// Does something that only the user who has connected may, whatever role the spec has taken there. It is taken again
    /// afterwards.
    fn as_ourselves<T>(
        &mut self,
        session: usize,
        act: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut show = |parameter: &str| match self.performance.ask_aside(session, &format!("SHOW {parameter}")) {
            Outcome::Rows(table) => table.rows.into_iter().flatten().next().flatten().unwrap_or_default(),
            _ => String::new(),
        };
        if show("is_superuser") != "off" {
            return act(self);
        }
        let (user, role) = (show("session_authorization"), show("role"));
        self.performance.ask_aside(session, "SET SESSION AUTHORIZATION DEFAULT");
        let done = act(self)?;
        self.performance.ask_aside(session, &format!("SET SESSION AUTHORIZATION {}", quoted(&user, '"')));
        if role != "none" {
            self.performance.ask_aside(session, &format!("SET ROLE {}", quoted(&role, '"')));
        }
        Ok(done)
    }

    fn close_and_read(&mut self, session: usize) -> Result<Window, Failure> {
        self.call(session, "end", &END_SESSION)?;
        let connection = self.performance.connection(session);
        let rows = |sql| {
            let failure = |reason| Failure::new(Step::Engine("findings"), Cause::Protocol(reason));
            connection.rows(sql).map_err(failure)
        };
        let mut window =
            read_window(None, &rows(FINDINGS)?, &rows(STATISTICS)?, &rows(WINDOW_TARGETS)?, &rows(WINDOW_CONTEXTS)?)?;
        if has_sites(&window) {
            name_functions(&mut window, &rows(DIRECTORIES)?);
        }
        Ok(window)
    }

    fn call(&mut self, session: usize, function: &'static str, calls: &[impl AsRef<str>]) -> Result<(), Failure> {
        self.performance.does(session, Step::Engine(function));
        for call in calls {
            if let Some(cause) = cause(self.performance.ask_aside(session, call.as_ref())) {
                return Err(Failure::new(Step::Engine(function), cause));
            }
        }
        Ok(())
    }

    /// Fails where the run is interrupted, unless that is known and what is done is to tidy up.
    fn heed_interrupts(&self) -> Result<(), Failure> {
        let interrupted = || Err(Failure::new(Step::Permutation, INTERRUPTED));
        if self.performance.is_interrupted() { interrupted() } else { Ok(()) }
    }

    /// Makes a failure of what halts the permutation.
    fn halting(&mut self, act: impl FnOnce(&mut Performance<'a>) -> Result<(), Halt>) -> Result<(), Failure> {
        self.heed_interrupts()?;
        act(&mut self.performance).map_err(|halt| {
            let failure = self.failure(halt);
            let is_cut_short = self.performance.is_interrupted() && matches!(failure.cause, Cause::Timeout { .. });
            if is_cut_short { Failure { cause: INTERRUPTED, ..failure } } else { failure }
        })
    }

    fn failure(&self, halt: Halt) -> Failure {
        let plan = &self.case.sessions;
        let of_step = |step: usize, cause| {
            let step = &plan.steps[step];
            Failure::at(Step::SessionStep(step.name.clone()), Some(&step.batch.place), cause)
        };
        match halt {
            Halt::Connection { reason, .. } => {
                Failure::new(Step::Server, Cause::Server { message: reason, hint: None })
            }
            Halt::Fixture { what, batch, outcome, .. } => {
                let step = Step::fixture(what);
                let cause = cause(outcome).unwrap_or_else(|| Cause::Protocol("no result".to_owned()));
                Failure::at(step, Some(&batch.place), cause)
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

/// The failure, in the second run.
fn again(failure: Failure) -> Failure {
    Failure { step: Step::Again(Box::new(failure.step)), ..failure }
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
        Outcome::TimedOut { limit, stopped } => Some(Cause::Timeout { limit, stopped }),
    }
}

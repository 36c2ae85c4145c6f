//! Runs a scenario: its windows, each in a session of its own.

pub(super) mod abort;
mod worker;

use std::time::{Duration, Instant};

use memcheck_core::Phase;

use self::abort::{BARE, COMMITTED, Wrapping, undone};
use super::engine;
use super::failure::{Failure, Step};
use super::marks::marks;
use super::outcome::{Message, ScenarioOutcome, Window};
use super::session::Session;
use super::workload::Workload;
use crate::language::ast::Iterate;
use crate::plan::{Case, Scenario, Values};
use crate::server::Server;

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// Runs the scenario at that position of the case.
pub(super) fn run(
    server: &Server,
    database: &str,
    case: &Case,
    position: usize,
    progress: &mut dyn FnMut(u64, u64),
) -> ScenarioOutcome {
    let started = Instant::now();
    let scenario = &case.scenarios[position];
    let windows: Vec<(Option<Phase>, Wrapping)> = if scenario.phases.is_empty() || scenario.iterate == Iterate::Server {
        vec![(None, BARE)]
    } else {
        // First the control, in which the workload commits.
        let phases = scenario.phases.iter().map(|&phase| (Some(phase), undone(phase)));
        std::iter::once((None, COMMITTED)).chain(phases).collect()
    };
    let steps = scenario.rows.len().max(1) as u64;
    let total = windows.len() as u64 * (scenario.warmup + scenario.iterations * steps);
    let mut runner = Runner { server, database, case, scenario, done: 0, total, told: started, progress };
    let mut outcome = ScenarioOutcome { scenario: position, ..ScenarioOutcome::default() };
    for (phase, wrapping) in windows {
        match runner.window(phase, wrapping, &mut outcome.messages) {
            Ok(window) => outcome.windows.push(window),
            Err(failure) => {
                outcome.failure = Some(failure);
                break;
            }
        }
    }
    outcome.findings = match outcome.windows.as_slice() {
        [only] => only.findings.clone(),
        several => abort::merge(several),
    };
    outcome.elapsed = started.elapsed();
    outcome
}

struct Runner<'a> {
    server: &'a Server,
    database: &'a str,
    case: &'a Case,
    scenario: &'a Scenario,
    /// Executions of the workload so far, in all windows: the value of `:i`, so that no two insert the same key.
    done: u64,
    total: u64,
    told: Instant,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Runner<'_> {
    fn window(
        &mut self,
        phase: Option<Phase>,
        wrapping: Wrapping,
        messages: &mut Vec<Message>,
    ) -> Result<Window, Failure> {
        let mut session = Session::open(self.server, self.database, self.scenario.timeout)?;
        let window = self.in_session(&mut session, phase, wrapping);
        messages.extend(session.take_messages());
        window
    }

    fn in_session(
        &mut self,
        session: &mut Session,
        phase: Option<Phase>,
        wrapping: Wrapping,
    ) -> Result<Window, Failure> {
        let scenario = self.scenario;
        session.settings(self.case.settings.iter().chain(&scenario.settings))?;
        session.blocks(&scenario.setup, &Step::Setup)?;
        if let Some(watched) = &scenario.worker {
            worker::watch(session, scenario, watched)?;
        } else if scenario.iterate == Iterate::Server {
            self.iterated_by_the_server(session)?;
        } else {
            self.iterated_by_the_client(session, phase, wrapping)?;
        }
        let window = engine::window(session, phase)?;
        session.blocks(&scenario.teardown, &Step::Teardown)?;
        Ok(window)
    }

    fn iterated_by_the_server(&mut self, session: &mut Session) -> Result<(), Failure> {
        let scenario = self.scenario;
        if scenario.warmup > 0 {
            engine::run_scenario(session, scenario, scenario.warmup)?;
        }
        engine::begin(session, scenario, None)?;
        engine::run_scenario(session, scenario, scenario.iterations)?;
        engine::end(session)
    }

    fn iterated_by_the_client(
        &mut self,
        session: &mut Session,
        phase: Option<Phase>,
        wrapping: Wrapping,
    ) -> Result<(), Failure> {
        let scenario = self.scenario;
        let workload = Workload::new(session, scenario, wrapping)?;
        let in_one_transaction = scenario.iterate == Iterate::Transaction;
        if in_one_transaction {
            session.simple("BEGIN", &Step::Setup, Some(&scenario.place))?;
        }
        let (few, many) = (scenario.rows.first().copied(), scenario.rows.last().copied());
        for n in 1..=scenario.warmup {
            // The last time at the top of the ladder: what is cached for each row is there before it is climbed.
            let rows = if n < scenario.warmup { few } else { many };
            self.execute(session, &workload, &Step::WarmUp(n), rows)?;
        }
        engine::begin(session, scenario, phase)?;
        if scenario.rows.is_empty() {
            let mut marks = marks(scenario.iterations).into_iter().peekable();
            for n in 1..=scenario.iterations {
                self.execute(session, &workload, &Step::Iteration(n), None)?;
                if marks.next_if_eq(&n).is_some() {
                    engine::mark(session, n)?;
                }
            }
        }
        for &rows in &scenario.rows {
            for _ in 0..scenario.iterations {
                self.execute(session, &workload, &Step::Rows(rows), Some(rows))?;
            }
            engine::mark(session, rows)?;
        }
        engine::end(session)?;
        if in_one_transaction {
            session.simple("COMMIT", &Step::Teardown, Some(&scenario.place))?;
        }
        Ok(())
    }

    fn execute(
        &mut self,
        session: &mut Session,
        workload: &Workload,
        step: &Step,
        rows: Option<u64>,
    ) -> Result<(), Failure> {
        workload.run(session, step, Values { i: self.done, rows: rows.unwrap_or_default() })?;
        self.done += 1;
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            (self.progress)(self.done, self.total);
        }
        Ok(())
    }
}

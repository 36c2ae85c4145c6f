//! Sending the workload: one pass over its statements is one iteration.

use super::failure::{Cause, Failure, Step};
use super::session::Session;
use crate::language::ast::Protocol;
use crate::plan::{Scenario, Statement, Values};

/// SQLSTATE of a statement in a transaction that has already failed (in_failed_sql_transaction).
const IN_FAILED_TRANSACTION: &str = "25P02";

/// What is sent around every execution of the workload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wrapping {
    /// Before the workload.
    pub(super) before: &'static [&'static str],
    /// A statement that must fail, after the workload.
    pub(super) fails: Option<&'static str>,
    /// At the end.
    pub(super) after: &'static [&'static str],
}

/// No wrapping: the workload's statements are all that is sent.
pub(super) const BARE: Wrapping = Wrapping { before: &[], fails: None, after: &[] };

/// The workload of a scenario in one session.
pub(super) struct Workload<'a> {
    scenario: &'a Scenario,
    wrapping: Wrapping,
    /// One for each statement under `protocol prepared`, none otherwise.
    prepared: Vec<tokio_postgres::Statement>,
}

impl<'a> Workload<'a> {
    /// Prepares the statements if that is how they are sent.
    pub(super) fn new(session: &mut Session, scenario: &'a Scenario, wrapping: Wrapping) -> Result<Self, Failure> {
        let mut prepared = Vec::new();
        if scenario.protocol == Protocol::Prepared {
            for statement in &scenario.workload.statements {
                let text = statement.text(Values::default());
                let step = Step::WarmUp(1);
                prepared.push(session.run(&step, Some(&statement.place), |client| client.prepare(&text))?);
            }
        }
        Ok(Workload { scenario, wrapping, prepared })
    }

    /// Runs one iteration.
    pub(super) fn run(&self, session: &mut Session, step: &Step, values: Values) -> Result<(), Failure> {
        for sql in self.wrapping.before {
            session.simple(sql, step, Some(&self.scenario.place))?;
        }
        let mut failed_as_expected = false;
        for (position, statement) in self.scenario.workload.statements.iter().enumerate() {
            if let Err(failure) = self.send(session, step, statement, position, values) {
                failed_as_expected = self.is_expected(failure, failed_as_expected)?;
            }
        }
        if let Some(expected) = self.scenario.expected_error.as_ref().filter(|_| !failed_as_expected) {
            let cause = Cause::NoError { expected: expected.clone() };
            return Err(Failure::at(step.clone(), Some(&self.scenario.place), cause));
        }
        if let Some(sql) = self.wrapping.fails {
            match session.simple(sql, step, Some(&self.scenario.place)) {
                Err(Failure { cause: Cause::Sql(error), .. }) if !error.is_fatal() => {}
                Err(failure) => return Err(failure),
                Ok(()) => unreachable!("a savepoint that nobody has set cannot be rolled back to"),
            }
        }
        for sql in self.wrapping.after {
            session.simple(sql, step, Some(&self.scenario.place))?;
        }
        Ok(())
    }

    fn send(
        &self,
        session: &mut Session,
        step: &Step,
        statement: &Statement,
        position: usize,
        values: Values,
    ) -> Result<(), Failure> {
        let place = Some(&statement.place);
        match self.scenario.protocol {
            Protocol::Simple => session.simple(&statement.text(values), step, place),
            Protocol::Extended => {
                let text = statement.text(values);
                session.run(step, place, |client| client.execute_typed(&text))
            }
            Protocol::Prepared => session.run(step, place, |client| client.execute(&self.prepared[position])),
        }
    }

    /// Whether this is the error that every iteration must fail with, or follows from it. Any other is passed on.
    fn is_expected(&self, failure: Failure, failed_as_expected: bool) -> Result<bool, Failure> {
        let Some(expected) = &self.scenario.expected_error else { return Err(failure) };
        match failure.cause {
            Cause::Sql(error) if error.code == IN_FAILED_TRANSACTION && failed_as_expected => Ok(true),
            cause => expected_error(expected, Failure { cause, ..failure }).map(|()| true),
        }
    }
}

/// Passes on a failure that is not the error of this SQLSTATE.
pub(super) fn expected_error(expected: &str, failure: Failure) -> Result<(), Failure> {
    match failure.cause {
        Cause::Sql(error) if error.is_fatal() => Err(Failure { cause: Cause::Sql(error), ..failure }),
        Cause::Sql(error) if error.code == expected => Ok(()),
        Cause::Sql(found) => {
            Err(Failure { cause: Cause::OtherError { expected: expected.to_owned(), found }, ..failure })
        }
        cause => Err(Failure { cause, ..failure }),
    }
}

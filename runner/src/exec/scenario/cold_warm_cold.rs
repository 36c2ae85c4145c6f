//! `cold_warm_cold`: the workload in a cold session, in a warm one, and in a cold one again.

use memcheck_core::judge::growth::marks;

use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::{Failure, Step};
use crate::exec::outcome::Window;
use crate::exec::session::Session;
use crate::exec::workload::{BARE, Workload};
use crate::plan::Scenario;

/// Lets a session start twice.
pub(super) struct StartedTwice;

impl Way for StartedTwice {
    fn executions(&self, scenario: &Scenario) -> u64 {
        2 + scenario.iterations
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        windows.push(client.in_session(|client, session| {
            start_twice(client, session)?;
            engine::window(session, None)
        })?);
        Ok(())
    }
}

/// Sets the marks that the scenario is judged by: at the start, cold, warm, after DISCARD ALL, and cold again.
fn start_twice(client: &mut Client, session: &mut Session) -> Result<(), Failure> {
    let scenario = client.scenario;
    // The second start finds a session that was discarded, and a server that has done so before. So does the first.
    discard_all(session, scenario)?;
    engine::begin(session, scenario, &[])?;
    let workload = start(client, session, 1)?;
    engine::mark(session, 1)?;

    let warm = 1 + scenario.iterations;
    let mut marks = marks(scenario.iterations).into_iter().map(|n| 1 + n).peekable();
    for n in 2..=warm {
        client.execute(session, &workload, &Step::Iteration(n), None)?;
        if marks.next_if_eq(&n).is_some() {
            engine::mark(session, n)?;
        }
    }

    discard_all(session, scenario)?;
    engine::set_mode(session, scenario)?;
    engine::mark(session, warm + 1)?;
    start(client, session, warm + 1)?;
    engine::mark(session, warm + 2)?;
    engine::end(session)
}

fn discard_all(session: &mut Session, scenario: &Scenario) -> Result<(), Failure> {
    session.simple("DISCARD ALL", &Step::SessionStep("DISCARD ALL".to_owned()), Some(&scenario.place))
}

/// Executes the workload for the first time since DISCARD ALL, which has undone settings and deallocated prepared statements.
fn start<'a>(client: &mut Client<'a>, session: &mut Session, execution: u64) -> Result<Workload<'a>, Failure> {
    client.apply_settings(session)?;
    let workload = Workload::new(session, client.scenario, BARE)?;
    client.execute(session, &workload, &Step::Iteration(execution), None)?;
    Ok(workload)
}

//! `iterate server`: the server itself repeats the workload.

use std::time::Instant;

use memcheck_core::{CheckKind, Finding};

use super::confirm::{Asked, confirm};
use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::{Cause, Failure, Step};
use crate::exec::outcome::Window;
use crate::exec::session::Session;
use crate::exec::workload::expected_error;
use crate::plan::Scenario;

/// Lets the server repeat it.
pub(super) struct ByServer;

impl Way for ByServer {
    fn executions(&self, _: &Scenario) -> u64 {
        // The client executes nothing.
        0
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        windows.push(client.in_session(|client, session| {
            let scenario = client.scenario;
            let mut earlier = Vec::new();
            if scenario.warmup > 0 {
                repeat(client, session, scenario.warmup, true)?;
                earlier = engine::window(session, None)?.findings;
            }
            let started = Instant::now();
            let mut window = look(client, session, scenario.iterations)?;
            let asked = Asked { iterations: scenario.iterations, took: started.elapsed(), most: u64::MAX };
            confirm(client, session, &asked, &mut window, look)?;
            add_earlier(&mut window, earlier);
            Ok(window)
        })?);
        Ok(())
    }
}

/// Adds what was done to segments of shared memory before the window: the warm-up, which is a call of the server's own, has found it,
/// and nobody is told of it a second time.
fn add_earlier(window: &mut Window, earlier: Vec<Finding>) {
    for mut finding in earlier.into_iter().filter(|finding| finding.check == CheckKind::ShmemOverrun) {
        if !window.findings.iter().any(|known| known.is_about_the_same(&finding)) {
            finding.was_earlier();
            window.findings.push(finding);
        }
    }
}

/// Lets the server do so many iterations in a window.
fn look(client: &mut Client, session: &mut Session, iterations: u64) -> Result<Window, Failure> {
    engine::begin(session, client.scenario, &[])?;
    repeat(client, session, iterations, false)?;
    engine::end(session)?;
    engine::window(session, None)
}

/// Lets the server repeat the workload. It does not go on behind a fault of a library, but the session does; nor behind an error, which
/// may be the expected one.
fn repeat(client: &mut Client, session: &mut Session, iterations: u64, is_warm_up: bool) -> Result<(), Failure> {
    let expected = client.scenario.expected_error.as_deref();
    match (engine::run_scenario(session, client.scenario, iterations), expected) {
        (Err(failure), _) if failure.is_landed_fault() => client.survives(session, failure, is_warm_up),
        (Err(failure), Some(expected)) => expected_error(expected, failure),
        (Ok(()), Some(expected)) => {
            let cause = Cause::NoError { expected: expected.to_owned() };
            Err(Failure::at(Step::Iteration(iterations), Some(&client.scenario.place), cause))
        }
        (done, None) => done,
    }
}

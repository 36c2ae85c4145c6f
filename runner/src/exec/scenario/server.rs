//! `iterate server`: the server itself repeats the workload.

use std::time::Instant;

use super::confirm::{Asked, confirm};
use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::Failure;
use crate::exec::outcome::Window;
use crate::exec::session::Session;
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
            if scenario.warmup > 0 {
                engine::run_scenario(session, scenario, scenario.warmup)?;
            }
            let started = Instant::now();
            let mut window = look(session, scenario, scenario.iterations)?;
            let asked = Asked { iterations: scenario.iterations, took: started.elapsed(), most: u64::MAX };
            confirm(client, session, &asked, &mut window, |_, session, more| look(session, scenario, more))?;
            Ok(window)
        })?);
        Ok(())
    }
}

/// Lets the server do so many iterations in a window.
fn look(session: &mut Session, scenario: &Scenario, iterations: u64) -> Result<Window, Failure> {
    engine::begin(session, scenario, &[])?;
    engine::run_scenario(session, scenario, iterations)?;
    engine::end(session)?;
    engine::window(session, None)
}

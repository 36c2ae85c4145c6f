//! `iterate server`: the server itself repeats the workload.

use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::Failure;
use crate::exec::outcome::Window;
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
            engine::begin(session, scenario, &[])?;
            engine::run_scenario(session, scenario, scenario.iterations)?;
            engine::end(session)?;
            engine::window(session, None)
        })?);
        Ok(())
    }
}

//! `query_peak`: the workload at more and more rows, with a mark after each number.

use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::{Failure, Step};
use crate::exec::outcome::Window;
use crate::exec::session::Session;
use crate::exec::workload::{BARE, Workload};
use crate::plan::Scenario;

/// Climbs the ladder.
pub(super) struct Ladder;

impl Way for Ladder {
    fn executions(&self, scenario: &Scenario) -> u64 {
        scenario.warmup + scenario.iterations * scenario.rows.len() as u64
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        windows.push(client.in_session(|client, session| {
            let workload = Workload::new(session, client.scenario, BARE)?;
            client.as_iterated(session, |client, session| climb(client, session, &workload))?;
            engine::window(session, None)
        })?);
        Ok(())
    }
}

fn climb(client: &mut Client, session: &mut Session, workload: &Workload) -> Result<(), Failure> {
    let scenario = client.scenario;
    let (few, many) = (scenario.rows.first().copied(), scenario.rows.last().copied());
    for n in 1..=scenario.warmup {
        // The last time at the top of the ladder: what is cached for each row is there before it is climbed.
        let rows = if n < scenario.warmup { few } else { many };
        client.execute(session, workload, &Step::WarmUp(n), rows)?;
    }
    engine::begin(session, scenario, &[])?;
    for &rows in &scenario.rows {
        for _ in 0..scenario.iterations {
            client.execute(session, workload, &Step::Rows(rows), Some(rows))?;
        }
        engine::mark(session, rows)?;
    }
    engine::end(session)
}

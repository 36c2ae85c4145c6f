//! Runs a spec as isolationtester does: one connection for each session and all permutations, nothing in between.

use std::time::Duration;

use super::connection::Connection;
use super::performance::Performance;
use crate::exec::happening::{Halt, Happening};
use crate::plan::Sessions;
use crate::server::{Server, ServerError};

/// What pg_regress sets for every session by environment variables (pg_regress.c, initialize_environment).
const OPTIONS: &str = "-c TimeZone=America/Los_Angeles -c DateStyle=Postgres,MDY -c IntervalStyle=postgres_verbose";

/// Runs every permutation, and tells what happens.
///
/// # Errors
///
/// Why it was given up.
pub fn run(
    server: &Server,
    database: &str,
    name: &str,
    plan: &Sessions,
    limit: Duration,
    tell: &mut dyn FnMut(Happening),
) -> Result<(), Halt> {
    let connect = |number: usize, session: &str| {
        let settings = server.settings(database, OPTIONS).named(format!("isolation/{name}/{session}"));
        Connection::open(server, database, &settings).map_err(|error| {
            let reason = match &error {
                ServerError::Connect { source, .. } => source.to_string(),
                other => other.to_string(),
            };
            Halt::Connection { number, reason }
        })
    };
    let control = connect(0, "control connection")?;
    let sessions = plan.sessions.iter().zip(1..);
    let connections = sessions.map(|(session, number)| connect(number, &session.name)).collect::<Result<_, _>>()?;
    let mut performance = Performance::new(plan, control, connections, false, tell);
    for (number, permutation) in plan.permutations.iter().enumerate() {
        if performance.is_interrupted() {
            return Err(Halt::Unknown("the run was interrupted".to_owned()));
        }
        performance.begin(number, permutation.timeout.unwrap_or(limit));
        performance.fixtures("setup", &plan.setup)?;
        for (session, fixtures) in plan.sessions.iter().enumerate() {
            performance.session_fixtures("setup", session, &fixtures.setup)?;
        }
        performance.steps(&permutation.launches)?;
        for (session, fixtures) in plan.sessions.iter().enumerate() {
            let ended = performance.session_fixtures("teardown", session, &fixtures.teardown);
            performance.forgive(ended);
        }
        let ended = performance.fixtures("teardown", &plan.teardown);
        performance.forgive(ended);
    }
    Ok(())
}

//! Watches a background worker, or any other process of the server, that works by itself. What its window has found is there as well
//! where it has ended meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use memcheck_core::check::Measure;

use super::confirm::{Asked, confirm};
use super::way::{Client, Way};
use crate::exec::engine;
use crate::exec::failure::{Cause, Failure, Step};
use crate::exec::outcome::Window;
use crate::exec::session::Session;
use crate::plan::{Scenario, Worker};

/// How often to look whether it is there.
const POLL: Duration = Duration::from_millis(20);

/// How long a worker that has just been started may take until it is there.
const START: Duration = Duration::from_secs(2);

/// Transactions that it takes to tell growth that goes on from a step: two intervals.
const FEWEST_MARKS: i64 = 3;

/// `worker`: the window is the worker's, and so is the work.
pub(super) struct Watched;

impl Way for Watched {
    fn executions(&self, _: &Scenario) -> u64 {
        // The client executes nothing.
        0
    }

    fn run(&self, client: &mut Client, windows: &mut Vec<Window>) -> Result<(), Failure> {
        windows.push(client.in_session(|client, session| {
            let scenario = client.scenario;
            let worker = scenario.worker.as_ref().expect("only a scenario with a worker watches one");
            let mut window = watch(session, scenario, worker)?;
            // As long once more, whatever it does in that time.
            let asked = Asked { iterations: 1, took: worker.time, most: 1 };
            confirm(client, session, &asked, &mut window, |_, session, _| watch(session, scenario, worker))?;
            Ok(window)
        })?);
        Ok(())
    }
}

/// Waits for the worker, opens a window in it, and closes it after the time.
fn watch(session: &mut Session, scenario: &Scenario, worker: &Worker) -> Result<Window, Failure> {
    let step = Step::Worker(worker.name.clone());
    let pid = find(session, worker, &step)?;
    engine::begin_in(session, scenario, pid)?;
    let time = worker.time.as_secs_f64().to_string();
    session.query("SELECT pg_catalog.pg_sleep($1::text::float8)", &[&time], &step, Some(&worker.place))?;
    engine::end_in(session, pid)?;
    let window = engine::window(session, None)?;
    let marks = window.statistics.get("marks").copied().unwrap_or_default();
    // A fault ends it when it comes, and is what there is to say of it.
    let is_cut_short = window.findings.iter().any(|finding| finding.check.measure() == Measure::Nothing);
    if !is_cut_short && marks < FEWEST_MARKS && !scenario.kind.description().compares_ends {
        let message = match marks {
            0 => format!("process {pid} was there, but has ended no transaction in {time} s; \"window\" needs none"),
            _ => format!("it ended {marks} transactions, which are too few to compare; watch it for longer"),
        };
        return Err(Failure::at(step, Some(&worker.place), Cause::Protocol(message)));
    }
    Ok(window)
}

/// The process id, when there is such a process: one that the setup has started may be on its way.
fn find(session: &mut Session, worker: &Worker, step: &Step) -> Result<i32, Failure> {
    let started = Instant::now();
    let sql = "SELECT pid FROM pg_catalog.pg_stat_activity
                WHERE (backend_type LIKE $1 OR application_name LIKE $1) AND pid <> pg_catalog.pg_backend_pid()
                  AND (datname IS NULL OR datname = pg_catalog.current_database())
                ORDER BY backend_start, pid LIMIT 1";
    loop {
        let found = session.query(sql, &[&worker.name], step, Some(&worker.place))?;
        if let Some(row) = found.first() {
            return Ok(row.get(0));
        }
        if started.elapsed() > START {
            return Err(Failure::at(step.clone(), Some(&worker.place), Cause::Protocol(missing(session, step)?)));
        }
        thread::sleep(POLL);
    }
}

/// That there is no such process, with those that there are.
fn missing(session: &mut Session, step: &Step) -> Result<String, Failure> {
    let sql = "SELECT DISTINCT pg_catalog.format('\"%s\"', coalesce(nullif(application_name, ''), backend_type))
                 FROM pg_catalog.pg_stat_activity
                WHERE pid <> pg_catalog.pg_backend_pid() AND (datname IS NULL OR datname = pg_catalog.current_database())
                ORDER BY 1";
    let rows = session.query(sql, &[], step, None)?;
    let names: Vec<String> = rows.iter().filter_map(|row| row.get(0)).collect();
    Ok(format!("there is no such process; there are {}", names.join(", ")))
}

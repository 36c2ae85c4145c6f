//! `run_scenario()`.

use memcheck_core::scenario::{Clause, Runs};
use memcheck_core::{ScenarioKind, rows, size};
use pgrx::prelude::*;

use super::{look_up_role, raise, raise_failure, refuse_untraced, require_preload, warn_of_gaps};
use crate::scenario::{self, LookedAt, NotRun, Scenario};
use crate::{fit, guc, session};

/// What stands for an argument that is not given, since the function is STRICT.
const NOT_GIVEN: i32 = -1;

/// Runs a workload through a scenario inside this call, and so inside one transaction.
///
/// `target` is the documented short form of the workload `SELECT target()`. `workers`, `reset_frequency`, `workloads` and `seed` belong to
/// some scenarios only.
#[expect(clippy::too_many_arguments, reason = "each is an argument of the SQL function")]
#[pg_extern]
fn run_scenario(
    scenario_name: &str,
    iterations: default!(i32, "100"),
    workload: default!(&str, "'SELECT 1'"),
    target: default!(&str, "''"),
    workers: default!(i32, "-1"),
    reset_frequency: default!(i32, "-1"),
    memory_limit: default!(&str, "''"),
    workloads: default!(Vec<String>, "'{}'"),
    seed: default!(i64, "1"),
) -> &'static str {
    require_preload();
    look_up_role();
    let workload = if target.is_empty() { workload.to_owned() } else { format!("SELECT {target}()") };
    let shown = if workloads.is_empty() { workload.clone() } else { workloads.join("; ") };
    info!("Running memory check scenario: {scenario_name}");
    info!("Iterations: {iterations}");
    info!("Workload: {shown}");
    let done = match scenario(scenario_name, iterations, workload, workers, reset_frequency, memory_limit) {
        Ok(scenario) if !workloads.is_empty() && !scenario.kind.takes(Clause::Workloads) => {
            let hint = format!("It is an argument of {}.", names(Clause::Workloads));
            let message = format!("scenario {scenario_name} has no workloads");
            raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, Some(&hint))
        }
        Ok(scenario) => run(&Scenario { workloads, seed: seed as u64, ..scenario }),
        Err((message, hint)) => raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, message, hint.as_deref()),
    };
    match done {
        Ok(looked_at) => looked_at.iter().for_each(|(figures, targets)| warn_of_gaps(figures, targets)),
        Err(not_run) => raise_not_run(not_run),
    }
    "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations."
}

/// The scenarios in which a clause means something.
fn names(clause: Clause) -> String {
    ScenarioKind::with(clause).map(ScenarioKind::as_str).collect::<Vec<_>>().join(", ")
}

/// Runs a scenario, traced where it cannot do without.
fn run(scenario: &Scenario) -> Result<Vec<LookedAt>, NotRun> {
    if scenario.call.runs.is_in_workers() {
        fit::require_portal();
        if guc::traced_in_windows().is_none() {
            refuse_untraced(scenario.kind);
        }
        return scenario::run(scenario);
    }
    if !scenario.kind.description().needs_trace {
        return scenario::run(scenario);
    }
    if !session::with(|session| session.trace_call()) {
        refuse_untraced(scenario.kind);
    }
    let done = scenario::run(scenario);
    session::with(|session| session.call_ends());
    done
}

/// Raises an ERROR that says why a scenario was not run to its end.
fn raise_not_run(not_run: NotRun) -> ! {
    match not_run {
        NotRun::Workload(failure) => raise_failure(failure),
        NotRun::NoPlace(most) => raise(
            PgSqlErrorCode::ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
            format!("no background worker can be started: all {most} of \"max_worker_processes\" are in use"),
            Some(&format!(
                "Run ALTER SYSTEM SET max_worker_processes = {}; and restart the server, or try again when others have \
                 ended.",
                most.saturating_mul(2).max(8)
            )),
        ),
        NotRun::NoSegment => raise(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
            "no background worker can be started: there are too many segments of dynamic shared memory",
            Some("Try again when fewer parallel queries are under way."),
        ),
        NotRun::InTheWay => raise(
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            "the background worker waits for a lock that this transaction holds",
            Some("Run COMMIT first: the worker has transactions of its own."),
        ),
        NotRun::Silent => raise(
            PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
            "the background worker has ended without a word",
            Some("See the server's log, and ext_memcheck.faults()."),
        ),
    }
}

/// The scenario that is asked for, or message and hint of an ERROR.
fn scenario(
    name: &str,
    iterations: i32,
    workload: String,
    workers: i32,
    reset_frequency: i32,
    memory_limit: &str,
) -> Result<Scenario, (String, Option<String>)> {
    let known = name.parse::<ScenarioKind>().ok();
    let Some((kind, call)) = known.and_then(|kind| Some((kind, kind.call()?))) else {
        let hint = "See the view ext_memcheck.scenarios for those that this version can run.";
        return Err((format!("Unknown scenario: {name}"), Some(hint.to_owned())));
    };
    let positive = |what: &str, number: i32| match u64::try_from(number) {
        Ok(number @ 1..) => Ok(number),
        _ => Err((format!("{what} must be a positive integer"), None)),
    };
    let iterations = positive("Iterations", iterations)?;
    for (argument, clause, given) in
        [("workers", Clause::Workers, workers), ("reset_frequency", Clause::ResetEvery, reset_frequency)]
    {
        if given != NOT_GIVEN {
            positive(argument, given)?;
            if !kind.takes(clause) {
                let hint = format!("It is an argument of {}.", names(clause));
                return Err((format!("scenario {name} has no {argument}"), Some(hint)));
            }
        }
    }
    let limit = match memory_limit {
        "" => None,
        _ if !kind.takes(Clause::Limit) => {
            let who: Vec<&str> = ScenarioKind::with(Clause::Limit).map(ScenarioKind::as_str).collect();
            let hint = format!("It is an argument of {}.", who.join(", "));
            return Err((format!("scenario {name} has no memory_limit"), Some(hint)));
        }
        text => match size::bytes(text) {
            Some(bytes @ 1..) => Some(bytes),
            _ => {
                let hint = "Write a number with a unit, such as '64MB'. Units are B, kB, MB, GB and TB.";
                return Err((format!("invalid memory_limit: \"{text}\""), Some(hint.to_owned())));
            }
        },
    };
    if call.runs == Runs::OnALadder && rows::bind(&workload, 0).is_none() {
        let hint = "Put \":rows\" where the workload says how many rows there are.";
        return Err(("the workload is the same at every number of rows".to_owned(), Some(hint.to_owned())));
    }
    /// One alone is in nobody's company.
    const COMPANY: u64 = 4;
    let given = |number: i32, default: u64| u64::try_from(number).unwrap_or(default);
    let default = if call.runs == Runs::Together { COMPANY } else { 1 };
    let workers = u32::try_from(given(workers, default)).unwrap_or(u32::MAX);
    let reset_every = given(reset_frequency, 1);
    let workloads = Vec::new();
    Ok(Scenario { kind, call, iterations, workload, workloads, seed: 0, workers, limit, reset_every })
}

/// The rows of the view `scenarios`.
#[pg_extern]
#[search_path(pg_catalog, pg_temp)]
fn scenario_descriptions() -> TableIterator<'static, (name!(name, &'static str), name!(description, &'static str))> {
    TableIterator::new(ScenarioKind::ALL.iter().filter_map(|kind| Some((kind.as_str(), kind.call()?.description))))
}

extension_sql!(
    r#"
CREATE VIEW scenarios AS SELECT name, description FROM ext_memcheck.scenario_descriptions();
"#,
    name = "scenarios",
    requires = [scenario_descriptions]
);

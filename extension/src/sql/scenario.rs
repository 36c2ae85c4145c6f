//! `run_scenario()`.

use memcheck_core::ScenarioKind;
use pgrx::prelude::*;

use super::{raise, require_preload};
use crate::scenario::{self, Scenario};

/// Runs a workload through a scenario inside this call, and so inside one transaction.
///
/// `target` is the documented short form of the workload `SELECT target()`. `workers` and `reset_frequency` belong to
/// scenarios that this version does not have; they are accepted so that calls need not be changed.
#[pg_extern]
fn run_scenario(
    scenario_name: Option<&str>,
    iterations: default!(Option<i32>, "100"),
    workload: default!(Option<&str>, "'SELECT 1'"),
    target: default!(Option<&str>, "NULL"),
    workers: default!(Option<i32>, "NULL"),
    reset_frequency: default!(Option<i32>, "NULL"),
) -> &'static str {
    let _ = (workers, reset_frequency);
    require_preload();
    let name = scenario_name.unwrap_or_default();
    let known = name.parse::<ScenarioKind>().ok();
    let Some((kind, call)) = known.and_then(|kind| Some((kind, kind.call()?))) else {
        raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("Unknown scenario: {name}"),
            Some("See the view ext_memcheck.scenarios for those that this version can run."),
        )
    };
    let Some(iterations) = iterations.and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0) else {
        raise(PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE, "Iterations must be a positive integer", None)
    };
    let workload = match (target, workload) {
        (Some(target), _) => format!("SELECT {target}()"),
        (None, Some(workload)) => workload.to_owned(),
        (None, None) => raise(PgSqlErrorCode::ERRCODE_NULL_VALUE_NOT_ALLOWED, "workload must not be null", None),
    };
    info!("Running memory check scenario: {name}");
    info!("Iterations: {iterations}");
    info!("Workload: {workload}");
    scenario::run(&Scenario { kind, call, iterations, workload });
    "Scenario executed and analyzed. Run 'SELECT * FROM ext_memcheck.end()' to retrieve logged violations."
}

/// The rows of the view `scenarios`.
#[pg_extern]
fn scenario_descriptions() -> TableIterator<'static, (name!(name, &'static str), name!(description, &'static str))> {
    TableIterator::new(ScenarioKind::ALL.iter().filter_map(|kind| Some((kind.as_str(), kind.call()?.description))))
}

extension_sql!(
    r#"
CREATE VIEW scenarios AS SELECT name, description FROM ext_memcheck.scenario_descriptions();
COMMENT ON VIEW scenarios IS 'scenarios that run_scenario() knows';
"#,
    name = "scenarios",
    requires = [scenario_descriptions]
);

//! Runs a case: a database of its own, its extensions, its fixtures around its scenarios.

use std::time::Instant;

use super::failure::{Cause, Failure, Step};
use super::outcome::{Outcome, ServerFacts};
use super::pool::{Slot, Source};
use super::progress::Progress;
use super::quote::quoted;
use super::scenario;
use super::session::Session;
use super::sessions::checked;
use super::targets;
use crate::language::ast::Extension;
use crate::plan::{Case, Place};
use crate::server::Server;

/// SQLSTATE of CREATE EXTENSION without a control file (extension.c, parse_extension_control_file).
const FEATURE_NOT_SUPPORTED: &str = "0A000";

/// Runs a case on the server in the slot, which is replaced where it does not fit, in a database of that name.
pub fn run(slot: &mut Slot, source: Source, case: &Case, database: &str, tell: &mut dyn FnMut(Progress)) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::default();
    if let Err(failure) = on_server(slot, source, case, database, tell, &mut outcome) {
        outcome.failure = Some(failure);
    }
    if outcome.first_failure().is_some_and(Failure::lost_the_session) {
        // A backend that was killed takes all others with it, and the server goes through recovery.
        slot.discard();
    }
    outcome.elapsed = started.elapsed();
    outcome
}

fn on_server(
    slot: &mut Slot,
    source: Source,
    case: &Case,
    database: &str,
    tell: &mut dyn FnMut(Progress),
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let server = slot.server_for(source, case)?;
    let database = server.create_database(database)?;
    let ended = in_database(server.server(), &database, case, tell, outcome);
    let failure = ended.as_ref().err().or(outcome.first_failure());
    if !failure.is_some_and(Failure::lost_the_session) {
        server.drop_database(&database)?;
    }
    ended
}

fn in_database(
    server: &Server,
    database: &str,
    case: &Case,
    tell: &mut dyn FnMut(Progress),
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let mut control = Session::open(server, database, "", case.timeout)?;
    outcome.server = Some(facts(&mut control)?);
    for extension in &case.extensions {
        create_extension(&mut control, extension, &case.place(extension.name.span.start))?;
    }
    control.settings(&case.settings)?;
    control.blocks(&case.setup, &Step::Setup)?;
    outcome.targets = targets::find(&mut control, case)?;
    // Not to be in the way of a workload that looks at sessions or locks.
    drop(control);

    for scenario in 0..case.scenarios.len() {
        tell(Progress::Scenario(scenario));
        let mut progress = |done, total| tell(Progress::Iterations { done, total });
        let found = scenario::run(server, database, case, scenario, &outcome.targets, &mut progress);
        let lost = found.failure.as_ref().is_some_and(Failure::lost_the_session);
        outcome.scenarios.push(found);
        if lost {
            return Ok(());
        }
    }

    if !case.teardown.is_empty() {
        let mut control = Session::open(server, database, "", case.timeout)?;
        control.settings(&case.settings)?;
        control.blocks(&case.teardown, &Step::Teardown)?;
    }

    for permutation in 0..case.sessions.permutations.len() {
        tell(Progress::Permutation(permutation));
        let found = checked::run(server, database, case, permutation, &outcome.targets);
        let failed = found.failure.is_some();
        outcome.permutations.push(found);
        // Whatever stands in the way of the next permutation would be reported again and again.
        if failed {
            return Ok(());
        }
    }
    Ok(())
}

fn facts(control: &mut Session) -> Result<ServerFacts, Failure> {
    let step = Step::Database;
    let sql = "SELECT version(), current_setting('debug_assertions'),
                      (SELECT extversion FROM pg_extension WHERE extname = 'pg_ext_memcheck')";
    let rows = control.query(sql, &[], &step, None)?;
    let (version, assertions, engine) = match rows.first() {
        Some(row) => (row.get(0), row.get::<_, &str>(1) == "on", row.get::<_, Option<String>>(2).unwrap_or_default()),
        None => (String::new(), false, String::new()),
    };
    let sql = "SELECT name, setting FROM pg_settings WHERE source NOT IN ('default', 'override', 'client')";
    let settings = control.query(sql, &[], &step, None)?;
    let settings = settings.iter().map(|row| (row.get(0), row.get::<_, Option<String>>(1).unwrap_or_default()));
    Ok(ServerFacts { version, assertions, engine, settings: settings.collect() })
}

fn create_extension(control: &mut Session, extension: &Extension, place: &Place) -> Result<(), Failure> {
    let name = &extension.name.value;
    let step = Step::Extension(name.clone());
    let version = |word: &str, version: &Option<String>| match version {
        Some(version) => format!(" {word} {}", quoted(version, '\'')),
        None => String::new(),
    };
    let identifier = quoted(name, '"');
    let first = version("VERSION", extension.from.as_ref().map_or(&extension.version, |_| &extension.from));
    let cascade = if extension.cascade { " CASCADE" } else { "" };
    let created = control.simple(&format!("CREATE EXTENSION {identifier}{first}{cascade}"), &step, Some(place));
    created.map_err(|failure| with_source_hint(failure, name))?;
    if extension.from.is_some() {
        let to = version("TO", &extension.version);
        control.simple(&format!("ALTER EXTENSION {identifier} UPDATE{to}"), &step, Some(place))?;
    }
    Ok(())
}

/// Where the server would have its user install an extension that is not there, it is the configuration that lacks it.
fn with_source_hint(mut failure: Failure, name: &str) -> Failure {
    if let Cause::Sql(error) = &mut failure.cause
        && error.code == FEATURE_NOT_SUPPORTED
    {
        error.hint = Some(format!("\"[extension.{name}]\" in mcspec.toml says where the files of an extension are"));
    }
    failure
}

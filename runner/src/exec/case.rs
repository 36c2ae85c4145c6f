//! Runs a case: a database of its own, its extensions, its fixtures around its scenarios.

use std::time::Instant;

use super::failure::{Cause, Failure, Step};
use super::outcome::{Message, Outcome, REFUSED, ServerFacts};
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

/// How a database was left.
enum Left {
    /// Everything was run.
    Done,
    /// A session is gone, and perhaps the server; or a permutation or the teardown has failed, and may have left what stands in the
    /// way of the rest. That is run on another server.
    Lost,
}

/// Runs a case on the server in the slot, which is replaced where it does not fit, in a database of that name.
pub fn run(slot: &mut Slot, source: Source, case: &Case, database: &str, tell: &mut dyn FnMut(Progress)) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::default();
    if let Err(failure) = on_servers(slot, source, case, database, tell, &mut outcome) {
        if is_lost(&failure) {
            slot.discard();
        }
        outcome.failure.get_or_insert(failure);
    }
    outcome.elapsed = started.elapsed();
    outcome
}

/// Runs everything, on another server where the one before is lost: whatever fails fails alone.
fn on_servers(
    slot: &mut Slot,
    source: Source,
    case: &Case,
    database: &str,
    tell: &mut dyn FnMut(Progress),
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    loop {
        let server = slot.server_for(source, case)?;
        let database = server.create_database(database)?;
        let left = in_database(server.server(), &database, case, tell, outcome);
        match &left {
            // A backend that was killed takes all others with it, and the server goes through recovery.
            Ok(Left::Lost) => slot.discard(),
            Err(failure) if is_lost(failure) => {}
            Ok(Left::Done) | Err(_) => slot.drop_database(&database)?,
        }
        if matches!(left?, Left::Done) || outcome.not_run(case).next().is_none() {
            return Ok(());
        }
    }
}

/// Runs what the outcome does not hold yet.
fn in_database(
    server: &Server,
    database: &str,
    case: &Case,
    tell: &mut dyn FnMut(Progress),
    outcome: &mut Outcome,
) -> Result<Left, Failure> {
    let begun = outcome.scenarios.len();
    let has_scenarios = begun < case.scenarios.len();
    let mut control = Session::open(server, database, "", case.timeout)?;
    let facts = facts(&mut control)?;
    for extension in &case.extensions {
        create_extension(&mut control, extension, &case.place(extension.name.span.start))?;
    }
    control.settings(&case.settings)?;
    if has_scenarios {
        control.blocks(&case.setup, &Step::Setup)?;
    }
    if outcome.server.replace(facts).is_none() {
        outcome.targets = targets::find(&mut control, case)?;
    }
    // Not to be in the way of a workload that looks at sessions or locks.
    drop(control);

    for scenario in begun..case.scenarios.len() {
        tell(Progress::Scenario(scenario));
        let mut progress = |done, total| tell(Progress::Iterations { done, total });
        let found = scenario::run(server, database, case, scenario, &outcome.targets, &mut progress);
        let failure = found.failure.as_ref();
        if scenario > begun && failure.is_some_and(Failure::found_no_server) {
            // Somebody else's doing, such as that of a worker which the scenario before has left.
            return Ok(Left::Lost);
        }
        let lost = failure.is_some_and(is_lost);
        outcome.scenarios.push(found);
        if lost {
            return Ok(Left::Lost);
        }
    }

    if has_scenarios && !case.teardown.is_empty() {
        let teardown = || {
            let mut control = Session::open(server, database, "", case.timeout)?;
            control.settings(&case.settings)?;
            control.blocks(&case.teardown, &Step::Teardown)
        };
        if let Err(failure) = teardown() {
            outcome.failure = Some(failure);
            return Ok(Left::Lost);
        }
    }

    for permutation in outcome.permutations.len()..case.sessions.permutations.len() {
        tell(Progress::Permutation(permutation));
        let found = checked::run(server, database, case, permutation, &outcome.targets);
        let Some(failure) = found.failure.clone() else {
            outcome.permutations.push(found);
            continue;
        };
        let before = outcome.permutations.last().and_then(|before| before.failure.as_ref());
        let again = before.is_some_and(|before| before.headline() == failure.headline());
        outcome.permutations.push(found);
        if again {
            // What stands in the way of all of them is not reported for each.
            break;
        }
        return Ok(Left::Lost);
    }
    Ok(Left::Done)
}

/// Whether the session has been lost, or there is no server for one.
fn is_lost(failure: &Failure) -> bool {
    failure.lost_the_session() || failure.found_no_server()
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
    let settings = settings.collect();
    Ok(ServerFacts { version, assertions, engine, settings, untraced: why_untraced(control)? })
}

/// Why the engine cannot trace allocations here, by its own WARNING; none where it can.
fn why_untraced(control: &mut Session) -> Result<Option<String>, Failure> {
    control.take_messages();
    control.set("pg_ext_memcheck.trace", "on", None)?;
    // Follows the parameter.
    control.simple("SELECT 1", &Step::Database, None)?;
    control.simple("RESET pg_ext_memcheck.trace", &Step::Database, None)?;
    let reason = |message: Message| message.text.strip_prefix(REFUSED).map(str::to_owned);
    Ok(control.take_messages().into_iter().find_map(reason))
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

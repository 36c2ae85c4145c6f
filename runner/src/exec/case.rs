//! Runs a case: a database of its own, its extensions, its fixtures around its scenarios.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::culprit;
use super::engine;
use super::extension;
use super::failure::{Cause, Failure, Step, Stopped};
use super::outcome::{Message, Outcome, REFUSED, ServerFacts, Targets};
use super::pool::{Slot, Source};
use super::progress::Progress;
use super::quote::quoted;
use super::scenario;
use super::session::Session;
use super::sessions::checked;
use super::targets;
use crate::plan::Case;
use crate::server::{Crash, Server, is_interrupted};
use crate::symbols;

/// How long processes that a case has started, such as parallel workers, may take to end.
const LEAVING: Duration = Duration::from_millis(500);

/// How a database was left.
enum Left {
    /// Everything was run.
    Done,
    /// A scenario has failed, and may have left what stands in the way of the rest. That is run in another database.
    Failed,
    /// A session is gone, and perhaps the server; or a permutation or the teardown has failed, and may have left what stands in the
    /// way of the rest. That is run on another server.
    Lost,
}

/// Runs a case on the server in the slot, which is replaced where it does not fit, in a database of its own.
pub fn run(slot: &mut Slot, source: Source, case: &Case, tell: &mut dyn FnMut(Progress)) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::default();
    if let Err(failure) = on_servers(slot, source, case, tell, &mut outcome) {
        if is_lost(&failure) {
            slot.discard();
        }
        outcome.failure.get_or_insert(told(failure));
    }
    if is_interrupted() && outcome.first_failure().is_none() && outcome.not_run(case).next().is_some() {
        let cause = Cause::Interrupted { stopped: Stopped::Cancelled };
        outcome.failure = Some(Failure::new(Step::Spec, cause));
    }
    outcome.elapsed = started.elapsed();
    outcome
}

/// A failure as it is told.
fn told(failure: Failure) -> Failure {
    if is_interrupted() { failure.of_interrupt() } else { failure }
}

/// Runs everything, on another server where the one before is lost: whatever fails fails alone.
fn on_servers(
    slot: &mut Slot,
    source: Source,
    case: &Case,
    tell: &mut dyn FnMut(Progress),
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    loop {
        let server = slot.server_with_database(source, case)?;
        let processes = server.server().processes();
        let mut left = in_database(server.server(), &case.database, case, tell, outcome);
        let failures = left.as_mut().err().into_iter().chain(&mut outcome.failure);
        culprit::name(server.server(), &case.database, failures);
        match &left {
            // A backend that was killed takes all others with it, and the server goes through recovery.
            Ok(Left::Lost) => slot.discard(),
            Err(failure) if is_lost(failure) => {}
            // What a process that was started here does later is not the next case's doing, nor is that waited for.
            Ok(Left::Done | Left::Failed) | Err(_)
                if server.server().stopped().is_none() && leaves_processes(server.server(), &processes) =>
            {
                slot.discard();
            }
            Ok(Left::Done | Left::Failed) | Err(_) => match slot.leave(&case.database) {
                Ok(changed) => outcome.changed = changed.or(outcome.changed.take()),
                Err(failure) => add(&mut outcome.failure, told(failure)),
            },
        }
        let left = match left {
            Ok(left) => left,
            Err(failure) => return Err(failure.then(outcome.failure.take())),
        };
        if matches!(left, Left::Done) || outcome.not_run(case).next().is_none() || is_interrupted() {
            return Ok(());
        }
    }
}

/// Whether a server has other processes than before, after time enough for them to end.
fn leaves_processes(server: &Server, before: &[i32]) -> bool {
    let until = Instant::now() + LEAVING;
    loop {
        if server.processes().iter().all(|process| before.contains(process)) {
            return false;
        }
        if Instant::now() >= until {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
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
    let has_scenarios = outcome.scenarios.len() < case.scenarios.len();
    let processes = server.processes();
    let mut control = Session::open(server, database, "", case.timeout)?;
    let mut is_set_up = false;
    let prepared = prepare(&mut control, case, outcome, has_scenarios, &mut is_set_up);
    // Not to be in the way of a workload that looks at sessions or locks.
    if let Err(failure) = control.end(prepared) {
        let later = if is_set_up { tear_down(server, database, case).err() } else { None };
        return Err(failure.then(later));
    }

    if has_scenarios {
        let left = scenarios(server, database, case, &processes, tell, outcome);
        if let Err(failure) = tear_down(server, database, case) {
            add(&mut outcome.failure, told(failure));
            return Ok(Left::Lost);
        }
        if !matches!(left, Left::Done) {
            return Ok(left);
        }
    }

    for permutation in outcome.permutations.len()..case.sessions.permutations.len() {
        if is_interrupted() {
            break;
        }
        tell(Progress::Permutation(permutation));
        let mut found = checked::run(server, database, case, permutation, &outcome.targets);
        found.failure = found.failure.map(told);
        culprit::name(server, database, &mut found.failure);
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

/// Makes the database ready: extensions, settings, and the file's setup where there is something to set up for.
fn prepare(
    control: &mut Session,
    case: &Case,
    outcome: &mut Outcome,
    has_scenarios: bool,
    is_set_up: &mut bool,
) -> Result<(), Failure> {
    let mut facts = facts(control)?;
    extension::create_all(control, case)?;
    control.settings(&case.settings)?;
    if has_scenarios {
        *is_set_up = true;
        control.blocks(&case.setup, &Step::Setup)?;
    }
    let before = outcome.server.take();
    if before.is_none() {
        outcome.targets = targets::find(control, case)?;
        facts.extensions = extensions(control)?;
        facts.libraries = libraries(control, &outcome.targets)?;
    }
    outcome.server = Some(before.unwrap_or(facts));
    Ok(())
}

/// Makes a database as the scenarios of a case find it: extensions, the file's settings as those of the database, its setup.
///
/// # Errors
///
/// What fails first.
pub fn set_up(server: &Server, database: &str, case: &Case) -> Result<(), Failure> {
    let mut control = Session::open(server, database, "", case.timeout)?;
    let mut all = || {
        extension::create_all(&mut control, case)?;
        control.settings(&case.settings)?;
        for setting in &case.settings {
            let (database, name) = (quoted(database, '"'), &setting.name);
            let name: Vec<String> = name.split('.').map(|part| quoted(part, '"')).collect();
            let sql = format!("ALTER DATABASE {database} SET {} FROM CURRENT", name.join("."));
            control.simple(&sql, &Step::Setting(setting.name.clone()), Some(&setting.place))?;
        }
        control.blocks(&case.setup, &Step::Setup)
    };
    let done = all();
    control.end(done)
}

/// Runs the file's teardown, where there is still a server.
fn tear_down(server: &Server, database: &str, case: &Case) -> Result<(), Failure> {
    if case.teardown.is_empty() || !server.is_alive() {
        return Ok(());
    }
    let mut control = Session::open(server, database, "", case.timeout)?;
    let done = control.settings(&case.settings).and_then(|()| control.blocks(&case.teardown, &Step::Teardown));
    control.end(done)
}

/// Runs the scenarios that the outcome does not hold yet, on a server that had these processes before.
fn scenarios(
    server: &Server,
    database: &str,
    case: &Case,
    processes: &[i32],
    tell: &mut dyn FnMut(Progress),
    outcome: &mut Outcome,
) -> Left {
    let begun = outcome.scenarios.len();
    let mut position = server.log_position();
    for scenario in begun..case.scenarios.len() {
        if is_interrupted() {
            break;
        }
        tell(Progress::Scenario(scenario));
        // Workers that scenarios before have started.
        let left_behind = server.processes();
        let is_left_behind = |crash: &Crash| left_behind.contains(&crash.pid) && !processes.contains(&crash.pid);
        let mut progress = |done, total| tell(Progress::Iterations { done, total });
        let mut found = scenario::run(server, database, case, scenario, &outcome.targets, &mut progress);
        let place = &case.scenarios[scenario].place;

        let crashes = server.crashes_since(position);
        position = server.log_position();
        if scenario > begun {
            let earlier = crashes.iter().find(|crash| is_left_behind(crash)).cloned();
            let earlier = earlier.map(|crash| Cause::Crash(Box::new(crash)));
            let gone =
                found.failure.as_ref().filter(|failure| failure.found_no_server()).map(|gone| gone.cause.clone());
            if let Some(cause) = earlier.or(gone) {
                // This scenario has no part in it, and is run again.
                let before = outcome.scenarios.last_mut().expect("one was run before");
                let place = &case.scenarios[before.scenario].place;
                add(&mut before.failure, Failure::at(Step::AfterScenario, Some(place), cause));
                return Left::Lost;
            }
        }
        for crash in crashes {
            if !found.failure.as_ref().is_some_and(|failure| failure.accounts_for(&crash)) {
                add(&mut found.failure, Failure::at(Step::Scenario, Some(place), Cause::Crash(Box::new(crash))));
            }
        }
        if found.failure.is_none()
            && let Some(gone) = server.gone()
        {
            let cause = Cause::PostmasterGone(gone.to_string());
            add(&mut found.failure, Failure::at(Step::Scenario, Some(place), cause));
        }
        found.failure = found.failure.map(told);
        culprit::name(server, database, &mut found.failure);
        let left = match &found.failure {
            None => Left::Done,
            Some(failure) if is_lost(failure) => Left::Lost,
            Some(_) => Left::Failed,
        };
        if case.scenarios[scenario].expects_crash()
            && let Some(failure) = found.failure.take_if(|failure| culprit::is_all(failure))
        {
            found.findings.extend(culprit::findings(&failure));
        }
        outcome.scenarios.push(found);
        if !matches!(left, Left::Done) {
            return left;
        }
    }
    Left::Done
}

/// Adds a failure to what went wrong before, unless that is the same.
fn add(failures: &mut Option<Failure>, failure: Failure) {
    *failures = Some(match failures.take() {
        None => failure,
        Some(first) if first.all().any(|known| known.headline() == failure.headline()) => first,
        Some(first) => first.then(Some(failure)),
    });
}

/// Whether a session has been lost, or there is no server for one.
fn is_lost(failure: &Failure) -> bool {
    failure.all().any(|failure| failure.lost_the_session() || failure.found_no_server())
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
    Ok(ServerFacts {
        version,
        assertions,
        engine,
        settings,
        untraced: why_untraced(control)?,
        ..ServerFacts::default()
    })
}

/// The versions of the extensions that are there besides the server's own and the engine's.
fn extensions(control: &mut Session) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "SELECT extname::pg_catalog.text, extversion FROM pg_catalog.pg_extension
                WHERE extname NOT IN ('plpgsql', 'pg_ext_memcheck')";
    let rows = control.query(sql, &[], &Step::Database, None)?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// The builds of the libraries that are charged by name. On somebody else's server there may be no right to ask where they are.
fn libraries(control: &mut Session, targets: &Targets) -> Result<BTreeMap<String, String>, Failure> {
    let sql = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_config()', 'EXECUTE')";
    let rows = control.query(sql, &[], &Step::Targets, None)?;
    if !rows.first().is_some_and(|row| row.get(0)) {
        return Ok(BTreeMap::new());
    }
    let rows = control.query(engine::DIRECTORIES, &[], &Step::Targets, None)?;
    let directory: Option<String> = rows.first().and_then(|row| row.get(0));
    let directory = PathBuf::from(directory.unwrap_or_default());
    let build = |name: &String| Some((name.clone(), symbols::build_id(&directory.join(format!("{name}.so")))?));
    Ok(targets.names.iter().filter_map(build).collect())
}

/// Why the engine cannot trace allocations here, by its own WARNING; none where it can.
pub(super) fn why_untraced(control: &mut Session) -> Result<Option<String>, Failure> {
    control.take_messages();
    control.set("pg_ext_memcheck.trace", "on", None)?;
    // Follows the parameter.
    control.simple("SELECT 1", &Step::Database, None)?;
    control.simple("RESET pg_ext_memcheck.trace", &Step::Database, None)?;
    let reason = |message: Message| message.text.strip_prefix(REFUSED).map(str::to_owned);
    Ok(control.take_messages().into_iter().find_map(reason))
}

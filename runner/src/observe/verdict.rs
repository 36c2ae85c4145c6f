//! What was seen, in the form in which reports, results and goldens have it: a case of which each statement is a scenario.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memcheck_core::gap::{GAPS, Gap, NOT_HEARD, NOT_TRACED};
use memcheck_core::golden::row::Policy;
use memcheck_core::observed::SessionRecord;
use memcheck_core::targets::{Loaded, complaint};

use super::command::Ended;
use super::frame::{CLIENT, Sights};
use super::merge::{Block, Merged, merge};
use crate::exec::failure::{Cause, Failure, Step};
use crate::exec::outcome::{Message, Outcome, ScenarioOutcome, ServerFacts, Targets, Window};
use crate::golden::{self, Difference};
use crate::judge::{self, Fault, Record, Status, Verdict};
use crate::language::SourceFile;
use crate::plan::{Allowance, Case, Defaults, Environment, Overrides, cases, load_source};
use crate::results::{Axes, Seen};
use crate::symbols::Symbols;

/// What a case is made from that stands for a command.
const SPEC: &str = "scenario growth_benchmark\n  workload { SELECT 1 }\n  expect none\n";

/// The heading of what is left.
const LEFT: &str = "session left at the end";

/// What is wanted of the sights.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The name of the golden and of the results.
    pub name: String,
    /// The libraries that the user names.
    pub targets: Vec<String>,
    /// Growth below so many bytes is not reported; none for the usual limits.
    pub least: Option<u64>,
    /// Whether what is found is compared with a golden, and not wrong by itself.
    pub has_golden: bool,
    /// Whether these are all sessions that there are, in one of which what is to be looked at has to be loaded.
    pub are_all: bool,
    /// What is known and allowed.
    pub allowances: Vec<Arc<Allowance>>,
}

/// The server that it was seen on.
#[derive(Debug)]
pub struct Place {
    /// As results have it.
    pub server: ServerFacts,
    /// As goldens tell it from others.
    pub axes: Axes,
    /// The golden that is for it, where one is wanted.
    pub record: Record,
}

/// A command as a case.
#[derive(Debug)]
pub struct Told {
    /// The case.
    pub case: Case,
    /// What was found.
    pub outcome: Outcome,
    /// What that means.
    pub verdict: Verdict,
}

/// Tells what was seen.
pub fn tell(
    sights: &Sights,
    wanted: &Wanted,
    place: Place,
    symbols: &mut Symbols,
    ended: Option<&Ended>,
    elapsed: Duration,
) -> Told {
    let Place { server, axes, record } = place;
    let mut merged = merge(&sights.sessions, wanted.least, symbols);
    merged.blocks.extend(sights.repeated.iter().cloned());
    let mut case = case(&wanted.name);
    case.allowances = wanted.allowances.clone();
    let pattern = case.scenarios.remove(0);
    let title = |title: &str| crate::plan::Scenario { title: title.to_owned(), ..pattern.clone() };
    case.scenarios = merged.blocks.iter().map(|block| title(&block.title)).chain([title(LEFT)]).collect();
    let outcome = outcome(sights, wanted, &merged, server, elapsed);
    let kinds = Case { golden: Policy::Kind, ..case.clone() };
    let enter = |(block, found)| judge::of_scenario(if Block::is_exact(block) { &case } else { &kinds }, found);
    let seen: Vec<Seen> = merged.blocks.iter().zip(&outcome.scenarios).map(enter).collect();
    let failed = ended.filter(|ended| ended.code() != 0);
    let failed = failed.map(|ended| Failure::new(Step::Command, Cause::Program(ended.to_string())));
    let mut faults: Vec<Fault> =
        failed.map(Fault::Failure).into_iter().chain(sights.crashes.iter().map(crash)).collect();
    let loaded = loaded(&sights.sessions);
    if !wanted.targets.is_empty()
        && !sights.sessions.is_empty()
        && let Some((message, hint)) = complaint(&loaded)
    {
        faults.push(Fault::Unloaded { title: "the sessions".to_owned(), message, hint });
    }
    faults.extend(gaps(sights).into_iter().map(|(gap, count)| Fault::Incomplete { gap, count }));
    let is_idle = wanted.are_all && !has_libraries(&loaded) && merged.blocks.is_empty();
    // A session that has not told may have had one, and what a command would have done that has failed nobody knows.
    if is_idle && faults.is_empty() {
        faults.push(unloaded(sights.sessions.len()));
    }
    let golden = match &record {
        Record::Found(recorded) => Some(recorded.path.clone()),
        _ => None,
    };
    faults.extend(findings(wanted, &seen, record));
    let status = if faults.is_empty() { Status::Passed } else { Status::Failed };
    let verdict = Verdict {
        status,
        faults,
        seen,
        idle: Vec::new(),
        untraced: sights.untraced.clone(),
        golden,
        axes: Some(axes),
        attempts: 1,
        repeats: None,
        unrecorded: Vec::new(),
        allowances: judge::used(&case, &outcome),
        notes: notes(sights, &merged),
        elapsed,
    };
    Told { case, outcome, verdict }
}

/// The case that stands for the command.
fn case(name: &str) -> Case {
    let loaded = load_source(name, SourceFile::new(Path::new(name), SPEC)).expect("it is one of ours");
    let planned = cases(&loaded, &Environment::nominal(180_000), &Overrides::default(), Defaults::default());
    planned.expect("it is one of ours").remove(0)
}

fn outcome(sights: &Sights, wanted: &Wanted, merged: &Merged, server: ServerFacts, elapsed: Duration) -> Outcome {
    let of_block = |(scenario, block): (usize, &Block)| ScenarioOutcome {
        scenario,
        findings: block.findings.clone(),
        messages: block
            .sessions
            .iter()
            .map(|session| message(&format!("in session {session}, {} times", block.times)))
            .collect(),
        ..ScenarioOutcome::default()
    };
    let left = ScenarioOutcome {
        scenario: merged.blocks.len(),
        messages: merged.left.iter().map(|line| message(line)).collect(),
        windows: sights.sessions.iter().map(window).collect(),
        ..ScenarioOutcome::default()
    };
    Outcome {
        server: Some(server),
        targets: Targets { names: wanted.targets.clone(), are_named: !wanted.targets.is_empty(), more: Vec::new() },
        scenarios: merged.blocks.iter().enumerate().map(of_block).chain([left]).collect(),
        elapsed,
        ..Outcome::default()
    }
}

fn message(text: &str) -> Message {
    Message { severity: "NOTICE".to_owned(), text: text.to_owned() }
}

/// What there is to know of a session besides what was found.
fn window(session: &SessionRecord) -> Window {
    let statistics: BTreeMap<String, i64> =
        session.figures.iter().map(|(name, &value)| (name.clone(), i64::try_from(value).unwrap_or(i64::MAX))).collect();
    Window { statistics, targets: loaded(std::slice::from_ref(session)), ..Window::default() }
}

/// Which targets were loaded in any of these.
fn loaded(sessions: &[SessionRecord]) -> Vec<Loaded> {
    let mut all: Vec<Loaded> = Vec::new();
    for (target, library) in sessions.iter().flat_map(|session| &session.targets) {
        let row = Loaded { target: target.clone(), library: library.clone() };
        if !all.contains(&row) {
            all.push(row);
        }
    }
    // What was loaded in one session counts.
    let is_there = |row: &Loaded| all.iter().any(|other| other.target == row.target && other.library.is_some());
    let missing: Vec<bool> = all.iter().map(|row| row.library.is_none() && is_there(row)).collect();
    all.iter().zip(missing).filter(|(_, is_superfluous)| !is_superfluous).map(|(row, _)| row.clone()).collect()
}

/// Whether a library under test was loaded in any of these.
fn has_libraries(loaded: &[Loaded]) -> bool {
    loaded.iter().any(|row| row.target.is_some() && row.library.is_some())
}

/// Whether a library under test was loaded in any of these sessions.
pub fn have_libraries(sessions: &[SessionRecord]) -> bool {
    has_libraries(&loaded(sessions))
}

/// That there was nothing to look at in all of so many sessions.
pub fn unloaded(sessions: usize) -> Fault {
    let (title, message, hint) = match sessions {
        0 => (
            "the command",
            "no session came to the server, so nothing was looked at",
            "It is found by PGHOST, PGPORT and PGDATABASE, which the command has to leave as they are.",
        ),
        _ => (
            "the sessions",
            "no library under test was loaded, so nothing was looked at",
            "A call of a function of the extension loads its library, LOAD does, and \"--preload LIBRARY\" in every session.",
        ),
    };
    Fault::Unloaded { title: title.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
}

fn crash(crash: &crate::server::Crash) -> Fault {
    Fault::Failure(Failure::new(Step::Command, Cause::Crash(Box::new(crash.clone()))))
}

/// What is not known.
fn gaps(sights: &Sights) -> Vec<(&'static Gap, i64)> {
    let figure = |name: &str| sights.sessions.iter().filter_map(|session| session.figures.get(name)).sum::<u64>();
    let untraced = sights.sessions.iter().filter(|session| session.figures.get("traced") == Some(&0)).count();
    let of_windows = GAPS.iter().map(|gap| (gap, figure(gap.figure)));
    let of_sessions =
        [(&NOT_HEARD, (sights.unheard.len() + sights.complaints.len()) as u64), (&NOT_TRACED, untraced as u64)];
    let all = of_sessions.into_iter().chain(of_windows).filter(|&(_, count)| count > 0);
    all.map(|(gap, count)| (gap, i64::try_from(count).unwrap_or(i64::MAX))).collect()
}

/// What is wrong with what was found.
fn findings(wanted: &Wanted, seen: &[Seen], record: Record) -> Vec<Fault> {
    let found = || seen.iter().filter(|seen| !seen.rows.is_empty());
    if !wanted.has_golden {
        return found().map(|seen| Fault::Found { title: seen.title.clone(), rows: seen.rows.clone() }).collect();
    }
    match record {
        Record::Unusable(error) => vec![Fault::Golden(error)],
        Record::NotWanted => Vec::new(),
        Record::Missing { path, is_taken } => {
            vec![Fault::NotRecorded { path, is_taken, blocks: seen.to_vec() }]
        }
        Record::Found(recorded) => {
            let differs = |seen: &Seen| {
                let differences = golden::differences(recorded.golden.block(&seen.title), seen);
                (!differences.is_empty()).then(|| Fault::Differs { title: seen.title.clone(), differences })
            };
            let gone = recorded.golden.blocks.iter().filter(|block| !seen.iter().any(|seen| seen.title == block.title));
            let gone = gone.filter(|block| !block.rows.is_empty()).map(|block| Fault::Differs {
                title: block.title.clone(),
                differences: block.rows.iter().cloned().map(Difference::Missing).collect(),
            });
            seen.iter().filter_map(differs).chain(gone).collect()
        }
    }
}

fn notes(sights: &Sights, merged: &Merged) -> Vec<String> {
    let mut notes = Vec::new();
    let sessions = sights.sessions.iter().filter(|session| session.who.kind == CLIENT).count();
    let executions: u64 = sights.sessions.iter().map(|session| session.executions).sum();
    let plural = |number: usize| if number == 1 { "" } else { "s" };
    notes.push(format!(
        "{sessions} session{}, {executions} statement{}",
        plural(sessions),
        plural(executions as usize)
    ));
    if sights.left > 0 {
        notes.push(format!("{} session{} still there at its end", sights.left, plural(sights.left)));
    }
    if merged.small > 0 {
        notes.push(format!("{} growth{} too small to be reported", merged.small, plural(merged.small)));
    }
    notes
}

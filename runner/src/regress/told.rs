//! What was seen of a suite, test by test: a case for each, in the form in which reports, results and goldens have it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use memcheck_core::Finding;
use memcheck_core::line::escaped;
use memcheck_core::observed::{SessionRecord, Who};
use memcheck_core::statement::normalized;
use memcheck_core::targets::Loaded;

use super::repeat::{Repeats, place};
use super::{Counted, Ran};
use crate::exec::replay::{Repeated, Replayed};
use crate::judge::{Fault, Status};
use crate::observe::{self, Block, Place, Sights, Told, Wanted, have_libraries};
use crate::suite::{Kind, Part, Suite, Verdict};
use crate::symbols::Symbols;

/// The longest name that the server keeps of an application (pg_config_manual.h, NAMEDATALEN).
const LONGEST: usize = 63;

/// A suite, and what came of it.
#[derive(Debug)]
pub struct Done<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// How it ran as it is; none where it could not.
    pub ran: Option<Ran>,
    /// The parts that could not.
    pub left_out: Vec<Kind>,
    /// Where the user's repository is.
    pub sources: &'a Path,
    /// Where what it has written is kept.
    pub kept: PathBuf,
    /// Its statements, repeated.
    pub repeats: Repeats,
}

/// Tells what was seen: a case for each test of all suites, and one for all that belongs to none of them where there is anything.
/// `place` says where something of that name was seen.
pub fn tell(
    done: &[Done],
    mut sights: Sights,
    wanted: &Wanted,
    place: impl Fn(&str) -> Place,
    symbols: &mut Symbols,
) -> Vec<Told> {
    let mut told = Vec::new();
    // Not each test has to do with the libraries.
    let wanted = &Wanted { are_all: false, ..wanted.clone() };
    let is_idle = is_idle(done, &sights);
    for done in done {
        let given_back = done.repeats.given_back();
        for part in &done.suite.parts {
            for test in part.tests() {
                let replayed = done.repeats.of(part.kind, test);
                let mut own = taken(&mut sights, part.kind, test);
                own.repeated = replayed.into_iter().flat_map(|replayed| blocks(replayed, &given_back)).collect();
                let verdict = done.ran.as_ref().and_then(|ran| verdict(ran, test));
                let took = verdict.and_then(|verdict| verdict.took).unwrap_or_default();
                let wanted = Wanted { name: name(&wanted.name, done.suite, part, test), ..wanted.clone() };
                let mut one = observe::tell(&own, &wanted, place(&wanted.name), symbols, None, took);
                let faults = &mut one.verdict.faults;
                faults.extend(replayed.into_iter().flat_map(|it| it.failures.iter().cloned().map(Fault::Failure)));
                if verdict.is_some_and(|verdict| !verdict.passed && !verdict.ignored) {
                    faults.insert(0, differs(done, part, test));
                }
                if !faults.is_empty() {
                    one.verdict.status = Status::Failed;
                } else if verdict.is_none() && done.left_out.contains(&part.kind) {
                    // One whose statements were repeated is not skipped.
                    if replayed.is_none() {
                        one.verdict.status = Status::Skipped("what runs it is not there".to_owned());
                    }
                } else if verdict.is_none() && done.ran.is_some() {
                    one.verdict.status = Status::Skipped("the suite did not come to it".to_owned());
                }
                one.verdict.notes.extend(replayed.map(|replayed| Counted::of([replayed]).to_string()));
                told.push(one);
            }
        }
    }
    let mut rest = observe::tell(&sights, wanted, place(&wanted.name), symbols, None, Duration::ZERO);
    if rest.case.scenarios.len() == 1 {
        // Where nothing was seen there is nothing to record either.
        rest.verdict.faults.retain(|fault| !matches!(fault, Fault::NotRecorded { .. }));
    }
    rest.verdict.faults.extend(is_idle.then(|| observe::unloaded(1)));
    rest.verdict.status = if rest.verdict.faults.is_empty() { Status::Passed } else { Status::Failed };
    let says_something = !rest.verdict.faults.is_empty() || rest.case.scenarios.len() > 1;
    told.extend(Some(rest).filter(|_| says_something));
    told
}

/// Whether suites have run, all to their end, and no library under test was loaded: not in a session, and not where statements
/// were repeated.
fn is_idle(done: &[Done], sights: &Sights) -> bool {
    let windows = || done.iter().flat_map(|done| &done.repeats.files).flat_map(|(_, replayed)| &replayed.repeated);
    let is_loaded = |row: &Loaded| row.target.is_some() && row.library.is_some();
    let is_repeated = || windows().any(|repeated| repeated.window.targets.iter().any(is_loaded));
    let mut ran = done.iter().filter_map(|done| done.ran.as_ref()).peekable();
    let has_run = ran.peek().is_some() || windows().next().is_some();
    let is_known = sights.unheard.is_empty() && sights.complaints.is_empty() && sights.untraced.is_none();
    has_run && is_known && ran.all(|ran| ran.status.success()) && !have_libraries(&sights.sessions) && !is_repeated()
}

/// The name of a test's case.
fn name(prefix: &str, suite: &Suite, part: &Part, test: &str) -> String {
    let prefix = Path::new(prefix).join(&suite.label);
    let prefix = if part.kind == Kind::Isolation { prefix.join("isolation") } else { prefix };
    prefix.join(test).display().to_string()
}

/// Takes out what sessions of a test have handed over: pg_regress names them (pg_regress_main.c, psql_start_test), and so does
/// isolationtester, with the session behind it (isolation_main.c, isolation_start_test).
fn taken(sights: &mut Sights, kind: Kind, test: &str) -> Sights {
    let name = match kind {
        Kind::Regress => format!("pg_regress/{test}"),
        Kind::Isolation => format!("isolation/{test}"),
        Kind::Tap => return Sights::default(),
    };
    let name = &name[..name.floor_char_boundary(LONGEST)];
    let is_its = |who: &Who| {
        let rest = who.application.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || (kind == Kind::Isolation && rest.starts_with('/')))
    };
    let sessions: Vec<SessionRecord> = sights.sessions.extract_if(.., |session| is_its(&session.who)).collect();
    let unheard: Vec<Who> = sights.unheard.extract_if(.., |who| is_its(who)).collect();
    let crashes = sights.crashes.extract_if(.., |crash| unheard.iter().any(|who| who.pid == crash.pid)).collect();
    Sights { sessions, unheard, crashes, untraced: sights.untraced.clone(), ..Sights::default() }
}

/// The verdict on a test; that of the last run where a schedule names it several times.
fn verdict<'r>(ran: &'r Ran, test: &str) -> Option<&'r Verdict> {
    ran.verdicts.iter().rev().find(|verdict| verdict.test == test)
}

/// What repetitions have found, but for what was given back.
fn blocks(replayed: &Replayed, given_back: &BTreeSet<(String, u64)>) -> Vec<Block> {
    let block = |repeated: &Repeated| {
        let kept = |finding: &&Finding| place(finding).is_none_or(|place| !given_back.contains(&place));
        let findings: Vec<_> = repeated.window.findings.iter().filter(kept).cloned().collect();
        let (line, _) = repeated.place.source.line_column(repeated.place.offset);
        let file = repeated.place.source.path.display();
        (!findings.is_empty()).then(|| Block {
            title: format!("repeated {file}:{line} {}", escaped(&normalized(&repeated.text), &[])),
            is_exact: true,
            times: repeated.iterations,
            findings,
            sessions: vec!["of its own".to_owned()],
        })
    };
    replayed.repeated.iter().filter_map(block).collect()
}

/// That a test's results are not as expected.
fn differs(done: &Done, part: &Part, test: &str) -> Fault {
    let ending = format!("{test}.out");
    let of_test = |section: &&String| {
        let head = section.lines().next().unwrap_or_default();
        head.split(['/', '"', ' ']).any(|name| name == ending)
    };
    let text = std::fs::read(done.kept.join("regression.diffs")).unwrap_or_default();
    let sections = sections(&String::from_utf8_lossy(&text));
    Fault::Transcript {
        expected: done.sources.join(&part.input).join("expected").join(&ending),
        result: done.kept.join("regression.diffs"),
        difference: sections.iter().find(of_test).cloned().unwrap_or_default(),
    }
}

/// The parts of a file of differences, each of which begins with the command that has made it.
fn sections(text: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("diff ") || sections.is_empty() {
            sections.push(String::new());
        }
        if let Some(last) = sections.last_mut() {
            last.push_str(line);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(application: &str) -> SessionRecord {
        let who = Who { application: application.to_owned(), ..Who::default() };
        SessionRecord { who, ..SessionRecord::default() }
    }

    #[test]
    fn sessions_belong_to_tests_by_their_names() {
        let names =
            ["pg_regress/a", "pg_regress/ab", "isolation/a/s1", "isolation/a/control", "isolation/ab/s1", "psql"];
        let mut sights = Sights { sessions: names.map(session).to_vec(), ..Sights::default() };
        let mut take = |kind, test| taken(&mut sights, kind, test).sessions.len();
        assert_eq!(take(Kind::Regress, "a"), 1);
        assert_eq!(take(Kind::Isolation, "a"), 2);
        assert_eq!(take(Kind::Tap, "a"), 0);
        let long = "x".repeat(70);
        assert_eq!(sights.sessions.len(), 3);
        sights.sessions.push(session(&format!("pg_regress/{long}")[..LONGEST]));
        assert_eq!(taken(&mut sights, Kind::Regress, &long).sessions.len(), 1);
    }

    #[test]
    fn differences_are_parted() {
        let text =
            "diff -U3 /x/expected/a.out /y/results/a.out\n--- a\ndiff -U3 /x/expected/b.out /y/results/b.out\n+++ b\n";
        assert_eq!(sections(text).len(), 2);
        assert!(sections("").is_empty());
    }
}

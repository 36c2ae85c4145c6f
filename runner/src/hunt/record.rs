//! What came of a hunt, in the structure in which it is reported. `docs/hunt.md` describes it.

use std::collections::BTreeMap;
use std::time::Duration;

use memcheck_core::wire::FindingRecord;
use serde::{Deserialize, Serialize};

use super::found::{Bug, LeftOut, State, Stock, Wrong};
use super::subject::SetAside;
use super::writing::{shown, source};

/// What came of the hunt for the bugs of one extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HuntRecord {
    /// The extension.
    pub extension: String,
    /// Its version.
    pub version: String,
    /// The version of the server.
    pub server: String,
    /// What there was to call.
    pub subjects: usize,
    /// Those of them of which a call came to the function.
    pub called: usize,
    /// Calls that were made once, to see what becomes of them.
    pub calls: u64,
    /// Places in the libraries that have allocated.
    #[serde(default)]
    pub sites: usize,
    /// Executions of workloads.
    pub executions: u64,
    /// Wall-clock time in milliseconds.
    pub elapsed_ms: u64,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// What is new.
    pub bugs: Vec<BugRecord>,
    /// What was known, and was seen again.
    pub known: Vec<KnownRecord>,
    /// What was seen once and not again.
    pub passing: Vec<String>,
    /// What is not called, or not any more.
    pub set_aside: Vec<ReasonRecord>,
    /// What no call was found for that the server understands.
    pub not_called: Vec<ReasonRecord>,
    /// How much was not looked at.
    pub left_out: LeftOut,
}

/// A bug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BugRecord {
    /// A kind of violation, or `hang` or `answers`.
    pub kind: String,
    /// What is wrong, in a few words.
    pub words: String,
    /// Where it is; empty where that is not known.
    pub place: String,
    /// What was called.
    pub subject: String,
    /// In which way.
    pub shape: String,
    /// Statements before, once.
    pub setup: Vec<String>,
    /// Statements that are repeated.
    pub workload: Vec<String>,
    /// Statements behind, once.
    pub teardown: Vec<String>,
    /// The SQLSTATE that every execution fails with; none where it does not.
    pub sqlstate: Option<String>,
    /// What the engine has found; none of a crash, a hang, or answers that differ.
    pub finding: Option<FindingRecord>,
    /// The source around the line that allocates; none where that is not at hand.
    pub source: Option<String>,
    /// What the server wrote before it crashed.
    pub last_words: Vec<String>,
    /// What a server without the engine shows; none where that was not tried.
    pub stock: Option<Stock>,
    /// The same, in a sentence.
    pub shown: Option<String>,
    /// The file of the spec that shows it.
    pub spec: String,
}

/// A bug that was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRecord {
    /// A kind of violation, or `hang` or `answers`.
    pub kind: String,
    /// Where it is.
    pub place: String,
    /// The file of the spec that shows it.
    pub spec: String,
}

/// Things with one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonRecord {
    /// What they are.
    pub what: Vec<String>,
    /// The reason.
    pub why: String,
}

impl BugRecord {
    /// A bug, and the file of its spec.
    pub fn of(bug: &Bug, spec: String) -> Self {
        let finding = match &bug.wrong {
            Wrong::Violation(finding) => Some(finding.as_ref().into()),
            _ => None,
        };
        let last_words = match &bug.wrong {
            Wrong::Crash { words, .. } => words.clone(),
            _ => Vec::new(),
        };
        BugRecord {
            kind: bug.wrong.key(&bug.what).0,
            words: bug.wrong.words(),
            place: bug.wrong.place(),
            subject: bug.what.clone(),
            shape: bug.shape.to_string(),
            setup: bug.script.setup.clone(),
            workload: bug.script.workload.clone(),
            teardown: bug.script.teardown.clone(),
            sqlstate: bug.script.error.clone(),
            finding,
            source: source(&bug.wrong),
            last_words,
            stock: bug.stock.clone(),
            shown: shown(bug),
            spec,
        }
    }
}

/// What is hunted, and where.
#[derive(Debug, Clone, Copy)]
pub struct Hunted<'a> {
    /// The extension.
    pub extension: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The version of the server.
    pub server: &'a str,
    /// What there is to call.
    pub subjects: usize,
}

impl HuntRecord {
    /// What a hunt has come to. `spec` is the file of a spec by its name.
    pub fn of(
        hunted: Hunted,
        state: &State,
        bugs: Vec<BugRecord>,
        elapsed: Duration,
        spec: impl Fn(&str) -> String,
    ) -> Self {
        let is_seen = |kind: &String, place: &String| state.seen_again.contains(&(kind.clone(), place.clone()));
        let known = state.corpus.bugs.iter().filter(|bug| is_seen(&bug.kind, &bug.place));
        let never = state.not_understood.iter().filter(|(what, _)| !state.called.contains(*what));
        let never = never.map(|(what, why)| SetAside { what: what.clone(), why: why.clone() });
        HuntRecord {
            extension: hunted.extension.to_owned(),
            version: hunted.version.to_owned(),
            server: hunted.server.to_owned(),
            subjects: hunted.subjects,
            called: state.called.len(),
            calls: state.calls,
            sites: state.sites.len(),
            executions: state.executions,
            elapsed_ms: elapsed.as_millis().try_into().unwrap_or(u64::MAX),
            interrupted: crate::server::is_interrupted(),
            bugs,
            known: known
                .map(|bug| KnownRecord { kind: bug.kind.clone(), place: bug.place.clone(), spec: spec(&bug.spec) })
                .collect(),
            passing: state.passing.clone(),
            set_aside: by_reason(state.aside.iter().cloned()),
            not_called: by_reason(never),
            left_out: state.left_out,
        }
    }

    /// Whether there is a bug, a new one or one that was known.
    pub fn has_bugs(&self) -> bool {
        !self.bugs.is_empty() || !self.known.is_empty()
    }

    /// Whether anything was looked at, or somebody has ended it before.
    pub fn has_looked(&self) -> bool {
        self.called > 0 || self.interrupted || self.has_bugs()
    }
}

/// Those with the same reason together, in the order in which reasons come first.
fn by_reason(all: impl Iterator<Item = SetAside>) -> Vec<ReasonRecord> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut reasons: Vec<ReasonRecord> = Vec::new();
    for SetAside { what, why } in all {
        let why = why.lines().next().unwrap_or_default().to_owned();
        let place = *places.entry(why.clone()).or_insert(reasons.len());
        match reasons.get_mut(place) {
            Some(reason) => reason.what.push(what),
            None => reasons.push(ReasonRecord { what: vec![what], why }),
        }
    }
    reasons
}

impl LeftOut {
    /// How much it is, and why, of what there is.
    pub fn lines(self) -> Vec<String> {
        let LeftOut { slow, known, otherwise, brief, untold } = self;
        let all = [
            (slow, "calls that take too long to be repeated"),
            (known, "in ways in which a known bug was seen before"),
            (otherwise, "that did not work again, or not in that way"),
            (brief, "subjects for which there was time for a first look only"),
            (untold, "executions of which not all is known that they have left"),
        ];
        all.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect()
    }
}

impl ReasonRecord {
    /// `f(integer) and 3 more`
    pub fn title(&self) -> String {
        match self.what.as_slice() {
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_said_once() {
        let aside = |what: &str, why: &str| SetAside { what: what.to_owned(), why: why.to_owned() };
        let all = [aside("a", "x\nmore"), aside("b", "y"), aside("c", "x"), aside("d", "x")];
        let reasons = by_reason(all.into_iter());
        let told: Vec<String> = reasons.iter().map(|reason| format!("{}: {}", reason.title(), reason.why)).collect();
        assert_eq!(told, ["a and 2 more: x", "b: y"]);
    }
}

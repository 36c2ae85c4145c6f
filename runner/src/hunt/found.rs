//! What was found: one bug for each place and kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memcheck_core::finding::MarkPoint;
use memcheck_core::{CheckKind, Finding, Site};
use serde::{Deserialize, Serialize};

use super::corpus::Corpus;
use super::script::Script;
use super::shape::Shape;
use super::subject::SetAside;
use crate::exec::failure::{Cause, Failure};

/// What is wrong.
#[derive(Debug, Clone)]
pub enum Wrong {
    /// A finding of the engine's.
    Violation(Box<Finding>),
    /// The process crashed.
    Crash {
        /// How it ended.
        end: String,
        /// What it wrote before that.
        words: Vec<String>,
    },
    /// It did not come back, and did not see to interrupts.
    Hang,
    /// Two calls with the same arguments, of a function that is IMMUTABLE, returned one thing and another.
    Answers(String, String),
}

/// What makes two of them one.
pub type Key = (String, String);

impl Wrong {
    /// A failure that is a bug by itself; none of one that is not.
    pub fn of(failure: &Failure) -> Option<Self> {
        failure.all().find_map(|failure| match &failure.cause {
            Cause::Crash(crash) => Some(Wrong::Crash { end: crash.end.to_string(), words: crash.words.clone() }),
            Cause::Timeout { .. } if failure.lost_the_session() => Some(Wrong::Hang),
            _ => None,
        })
    }

    /// Kind and place. What has no place is known by what was called.
    pub fn key(&self, what: &str) -> Key {
        match self {
            Wrong::Violation(finding) => {
                let place = match &finding.site {
                    Some(site) => path(site).join(" < "),
                    None => finding.path.to_string(),
                };
                (finding.check.as_str().to_owned(), place)
            }
            // Scripts of ordinary statements, which stand behind what they have in common.
            Wrong::Crash { end, .. } => {
                let what = what.rsplit_once(": ").map_or(what, |(common, _)| common);
                ("crash".to_owned(), format!("{what}: {end}"))
            }
            Wrong::Hang => ("hang".to_owned(), what.to_owned()),
            Wrong::Answers(..) => ("answers".to_owned(), what.to_owned()),
        }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        let Wrong::Violation(finding) = self else { return String::new() };
        let Some(site) = &finding.site else { return finding.path.to_string() };
        let functions = path(site).join(" < ");
        match &site.frame.line {
            Some(line) => format!("{functions}, {}:{}", line.file, line.number),
            None => functions,
        }
    }

    /// In a few words.
    pub fn words(&self) -> String {
        match self {
            Wrong::Violation(finding) => {
                let each = finding.bytes_per_iter;
                let objects = finding.objects_per_iter;
                let (check, path) = (finding.check.as_str(), &finding.path);
                match (each >= 1.0, objects > 0.0) {
                    (true, _) => format!("{check}: {each:.0} bytes per execution in {path}"),
                    (false, true) => format!("{check}: {objects:.1} objects per execution in {path}"),
                    // Once is enough, as of what was written where it must not be.
                    (false, false) => format!("{check} in {path}"),
                }
            }
            Wrong::Crash { end, .. } => format!("crash: the backend {end}"),
            Wrong::Hang => "hang: it does not come back and does not see to interrupts".to_owned(),
            Wrong::Answers(one, other) => format!("answers differ: {one:?} and {other:?}"),
        }
    }
}

/// Contexts of which a statement, and what it calls, has its memory.
const OF_STATEMENTS: [&str; 4] = ["TopPortalContext", "MessageContext", "ErrorContext", "TransactionAbortContext"];

/// How much more the last and the last but one of sizes take than half of it did, at least, where that is more than can be expected: a
/// buffer that is doubled takes twice as much, now and then a bit more.
const SUPERLINEAR: f64 = 2.6;

/// Whether a peak over the size of an argument grows faster than the argument, all the way.
pub fn outgrows_size(finding: &Finding) -> bool {
    let [.., first, middle, last] = finding.marks.as_slice() else { return false };
    let grows = |few: u64, many: u64| few > 0 && many as f64 >= SUPERLINEAR * few as f64;
    let of =
        |figure: fn(&MarkPoint) -> u64| grows(figure(first), figure(middle)) && grows(figure(middle), figure(last));
    of(|mark| mark.used) || of(|mark| mark.objects)
}

/// Whether a finding is one that counts. What is held as long as the session or its transaction lasts may be given back at the end of
/// either: whether it is, executions one after the other tell.
pub fn counts(finding: &Finding) -> bool {
    let is_peak = finding.check == CheckKind::QueryBloat;
    !is_peak || finding.path.names().iter().any(|name| OF_STATEMENTS.contains(&name.as_str()))
}

/// The function that allocates, and the one of the same library that has called it: many an allocation is made by a function that does
/// nothing else.
fn path(site: &Site) -> Vec<String> {
    let library = &site.frame.library;
    let mut functions = vec![site.frame.place()];
    for frame in site.stack.iter().skip_while(|frame| frame.offset != site.frame.offset).skip(1) {
        if frame.library != *library || functions.len() == 2 {
            break;
        }
        if !functions.contains(&frame.place()) {
            functions.push(frame.place());
        }
    }
    functions
}

/// What a server without the engine shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// It crashed as well.
    Crash(String),
    /// Its answers differ as well.
    Answers(String),
    /// Memory that was not given back.
    Growth {
        /// Executions.
        executions: u64,
        /// Bytes of all contexts for each (`pg_backend_memory_contexts`, used).
        contexts: f64,
        /// Bytes of the process's resident memory for each.
        resident: f64,
    },
    /// Nothing of it is to be seen there.
    Nothing,
}

/// A bug.
#[derive(Debug, Clone)]
pub struct Bug {
    /// What was called.
    pub what: String,
    /// In which way.
    pub shape: Shape,
    /// What is wrong.
    pub wrong: Wrong,
    /// What shows it.
    pub script: Script,
    /// What a server without the engine shows of it; none where that was not tried.
    pub stock: Option<Stock>,
}

impl Bug {
    /// What else there is to say of how it is shown.
    pub fn note(&self) -> Option<&'static str> {
        match (self.shape, &self.wrong) {
            (shape, Wrong::Violation(_)) if shape.has_keys() => Some(
                "Each execution is about something else: what is kept of the one before is not given up, however many there are.",
            ),
            (Shape::Size, Wrong::Violation(_)) => Some("What it takes grows faster than the argument does."),
            _ => None,
        }
    }
}

/// What a hunt has come to, for all who take part in it.
#[derive(Debug, Default)]
pub struct State {
    /// In the order in which they were found.
    pub bugs: Vec<Bug>,
    /// Those that are known, and how often each was seen.
    pub keys: BTreeMap<Key, u64>,
    /// Calls that were made once, to see what becomes of them.
    pub calls: u64,
    /// Executions of workloads.
    pub executions: u64,
    /// What is kept for the next hunt, with what the last one has kept.
    pub corpus: Corpus,
    /// Places of the targets that have allocated: libraries and offsets.
    pub sites: BTreeSet<(String, i64)>,
    /// The subjects that were called.
    pub called: BTreeSet<String>,
    /// Bugs of earlier hunts.
    pub old: BTreeSet<Key>,
    /// Those of them that were seen again.
    pub seen_again: BTreeSet<Key>,
    /// What is not called any more, and why.
    pub aside: Vec<SetAside>,
    /// What was seen once and not again.
    pub passing: Vec<String>,
    /// The subjects of which there was a call that could not be made or understood, and why.
    pub not_understood: BTreeMap<String, String>,
    /// What was not looked at.
    pub left_out: LeftOut,
}

/// How much was not looked at, and why.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Calls that take too long to be repeated.
    pub slow: u64,
    /// Ways of calling in which a known bug was seen often enough.
    pub known: u64,
    /// Those that did not work a second time, or not in that way.
    pub otherwise: u64,
    /// Subjects of which there was no time for more than a first look.
    #[serde(default)]
    pub brief: u64,
    /// Executions of which the session could not say what they have left, or not all of it.
    #[serde(default)]
    pub untold: u64,
}

impl State {
    /// Takes note of something that is wrong. Whether it is known: from an earlier hunt, or from this one, in which all that is lost at one
    /// place is one bug, whatever it is called.
    pub fn meets(&mut self, key: Key, wrong: &Wrong) -> bool {
        let is_old = self.old.contains(&key);
        if is_old {
            self.seen_again.insert(key.clone());
        }
        let is_lost = matches!(wrong, Wrong::Violation(_));
        let is_same = is_lost && self.keys.keys().any(|(_, place)| *place == key.1);
        let seen = self.keys.entry(key).or_default();
        *seen += 1;
        *seen > 1 || is_same || is_old
    }
}

/// The same, shared.
#[derive(Debug, Default)]
pub struct Shared(Mutex<State>);

impl Shared {
    /// Looks at it, or adds to it.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use memcheck_core::path::ContextPath;
    use memcheck_core::{Severity, Site};

    use super::*;

    fn lost(check: CheckKind, place: &str) -> Wrong {
        let frame = memcheck_core::Frame { symbol: Some(place.to_owned()), ..memcheck_core::Frame::default() };
        Wrong::Violation(Box::new(Finding {
            check,
            severity: Severity::Error,
            path: ContextPath::new(["TopMemoryContext"]),
            bytes: 0,
            objects: 0,
            iterations: 40,
            bytes_per_iter: 8.0,
            objects_per_iter: 0.0,
            shape: None,
            phase: None,
            source_lib: String::new(),
            site: Some(Site { frame, ..Site::numbered(memcheck_core::census::SiteId(1)) }),
            access: None,
            marks: Vec::new(),
            detail: String::new(),
        }))
    }

    #[test]
    fn one_bug_is_found_once() {
        let crash = || Wrong::Crash { end: "was terminated by signal 11".to_owned(), words: Vec::new() };
        let mut state = State::default();
        state.old.insert(("crash".to_owned(), "known(): was terminated by signal 11".to_owned()));
        for (what, wrong, is_known) in [
            ("f()", lost(CheckKind::CtxBloat, "grow"), false),
            ("g()", lost(CheckKind::CtxBloat, "grow"), true),
            // At one place, under another name.
            ("f()", lost(CheckKind::WrongCtxAlloc, "grow"), true),
            ("f()", lost(CheckKind::CtxBloat, "another"), false),
            ("hooks of x: dml", crash(), false),
            ("hooks of x: select", crash(), true),
            ("f()", crash(), false),
            ("g()", crash(), false),
            ("g()", Wrong::Hang, false),
            ("known()", crash(), true),
        ] {
            let key = wrong.key(what);
            assert_eq!(state.meets(key, &wrong), is_known, "{what}: {wrong:?}");
        }
        assert_eq!(state.seen_again.len(), 1);
    }
}

//! What became of a case, and what is wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use memcheck_core::Site;
use memcheck_core::golden::row::{Observed, Row};

use super::allowed::Use;
use crate::exec::failure::Failure;
use crate::golden::{Difference, GoldenError};
use crate::plan::{Place, Problem};
use crate::results::{Axes, Seen};
use memcheck_core::gap::Gap;

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It found what it should.
    Passed,
    /// It did not.
    Failed,
    /// It did not, as its `xfail` says.
    ExpectedFailure(String),
    /// It was not run: a condition does not hold.
    Skipped(String),
    /// It was not run, or not to its end, because the run was interrupted; nothing is wrong with it as far as is known.
    Interrupted(String),
    /// It was not run: it asks for something that is not supported.
    Unsupported,
}

/// What became of a case.
#[derive(Debug)]
pub struct Verdict {
    /// How it ended.
    pub status: Status,
    /// What is wrong, in the order of the spec; also where an `xfail` excuses it.
    pub faults: Vec<Fault>,
    /// What the scenarios and permutations came to that ran to their end, in the order of the spec: what was judged, for
    /// everybody who writes or shows it.
    pub seen: Vec<Seen>,
    /// Titles of those in which no library of the spec's extensions was loaded, so that none was looked at.
    pub idle: Vec<String>,
    /// Why allocations were not traced that should have been: its sizes are totals of contexts.
    pub untraced: Option<String>,
    /// The golden it was compared with.
    pub golden: Option<PathBuf>,
    /// The server it ran on, as goldens name it.
    pub axes: Option<Axes>,
    /// How often it was run: more than once where its `retries` allow it and it failed at first.
    pub attempts: u32,
    /// What came of `--repeat`; none without it.
    pub repeats: Option<Repeats>,
    /// Titles of those that have passed by what they expect alone, since no golden has them.
    pub unrecorded: Vec<String>,
    /// What is allowed in it, and what came of that.
    pub allowances: Vec<Use>,
    /// What is worth knowing besides, a clause each.
    pub notes: Vec<String>,
    /// Wall-clock time of the last attempt.
    pub elapsed: Duration,
}

/// How often a case was run on purpose, and how often it failed. One failure makes a failed case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeats {
    /// Runs.
    pub runs: u32,
    /// Those that failed.
    pub failed: u32,
}

impl Status {
    /// A word for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Status::Passed => "passed",
            Status::Failed => "failed",
            Status::ExpectedFailure(_) => "expected failure",
            Status::Skipped(_) | Status::Interrupted(_) => "skipped",
            Status::Unsupported => "unsupported",
        }
    }

    /// Whether a case does not speak against what was run.
    pub const fn is_ok(&self) -> bool {
        matches!(self, Status::Passed | Status::Skipped(_) | Status::Interrupted(_))
    }

    /// Why a case was skipped, or not run to its end, or expected to fail.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Status::ExpectedFailure(reason) | Status::Skipped(reason) | Status::Interrupted(reason) => Some(reason),
            Status::Passed | Status::Failed | Status::Unsupported => None,
        }
    }
}

impl Verdict {
    /// Whether something went wrong that nobody has excused.
    pub fn is_bad(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Unsupported)
    }

    /// Why the case is known to be flaky: its runs did not all end in the same way.
    pub fn flaky(&self) -> Option<String> {
        match self.repeats {
            Some(Repeats { runs, failed }) if 0 < failed && failed < runs => {
                Some(format!("failed in {failed} of {runs} runs"))
            }
            _ if self.status == Status::Passed && self.attempts > 1 => {
                Some(format!("passed at attempt {}", self.attempts))
            }
            _ => None,
        }
    }
}

/// Something that makes a case fail.
#[derive(Debug)]
pub enum Fault {
    /// Violations of what is not expected to have any.
    Found {
        /// Where.
        title: String,
        /// What was found.
        rows: Vec<Observed>,
    },
    /// The spec asks for something that is not supported.
    Unsupported(Problem),
    /// It did not run to its end.
    Failure(Failure),
    /// Scenarios or permutations were not run, because of a failure.
    NotRun {
        /// Their titles.
        titles: Vec<String>,
    },
    /// An `expect` clause is not met.
    Unmet {
        /// The scenario or permutation.
        title: String,
        /// What it is about.
        place: Place,
        /// How long that is, in bytes.
        length: usize,
        /// What was found instead.
        closest: String,
        /// Where that was allocated, where that is known and the violations do not say it.
        site: Option<Site>,
        /// The violations that speak against it.
        rows: Vec<Observed>,
    },
    /// The run differs from its golden.
    Differs {
        /// The scenario or permutation.
        title: String,
        /// How.
        differences: Vec<Difference>,
    },
    /// With `golden exact`, a violation whose size is only known as a range.
    Inexact {
        /// The scenario.
        title: String,
        /// The violations.
        rows: Vec<Row>,
    },
    /// The part of a permutation that is checked differs from its warm-up.
    NotRepeated {
        /// The permutation.
        title: String,
        /// How, a line each, behind ` `, `-` or `+`.
        difference: String,
    },
    /// Neither an `expect` nor a record.
    NotRecorded {
        /// The golden that does not have it, or that there is not.
        path: PathBuf,
        /// Whether it is a file of others.
        is_taken: bool,
        /// What would be in it.
        blocks: Vec<Seen>,
    },
    /// No `expect`, and nothing will be recorded.
    NoExpectation {
        /// The clause for which nothing is: `golden none` or `xfail`.
        clause: &'static str,
        /// The scenarios and permutations.
        titles: Vec<String>,
    },
    /// The golden cannot be used.
    Golden(GoldenError),
    /// A transcript is none of the expected ones.
    Transcript {
        /// The closest of them, or where there should be one.
        expected: PathBuf,
        /// The transcript.
        result: PathBuf,
        /// How they differ, as `diff -U3` shows it.
        difference: String,
    },
    /// A library that was to be looked at was not loaded.
    Unloaded {
        /// The scenario or permutation.
        title: String,
        /// Which, as the engine says it.
        message: String,
        /// What was loaded.
        hint: String,
    },
    /// A window could not look everywhere, or not keep what it saw.
    Incomplete {
        /// What is missing.
        gap: &'static Gap,
        /// How often.
        count: i64,
    },
    /// It passed although its `xfail` says that it does not.
    Passed {
        /// The reason given for the `xfail`.
        reason: String,
    },
}

//! The structure of the JSON report. `docs/reports.md` describes it; a change that an existing reader would not survive
//! raises [`FORMAT`].

use std::io;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::results::ResultsError;
use crate::results::schema::{ScenarioResult, ServerRecord, Shard, as_text};

/// The version of the structure.
pub const FORMAT: u32 = 1;

/// A run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// [`FORMAT`]
    pub format: u32,
    /// The version of mcspec that wrote it.
    pub mcspec: String,
    /// How many cases ended how.
    pub summary: SummaryRecord,
    /// The cases in the order of the schedule, version by version.
    pub cases: Vec<CaseRecord>,
    /// What is probably not meant in what was run.
    #[serde(default)]
    pub warnings: Vec<WarningRecord>,
    /// Which part of all specs it is; absent where it is no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// When the run ended, in seconds since 1970; absent in what a run writes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Why nothing was run; absent where there was a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
}

/// Why nothing was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorRecord {
    /// What is wrong, in a line or more.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// As what mcspec ended.
    pub exit_code: u8,
    /// What is wrong with specs.
    pub problems: Vec<ProblemRecord>,
}

/// Something that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemRecord {
    /// What, and where.
    #[serde(flatten)]
    pub at: WarningRecord,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Something that is probably not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarningRecord {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1.
    pub column: usize,
    /// What it is.
    pub message: String,
}

/// How many cases ended how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SummaryRecord {
    /// As they should.
    pub passed: usize,
    /// Not as they should.
    pub failed: usize,
    /// Badly, as an `xfail` says.
    pub expected_failures: usize,
    /// Not run, by a condition.
    pub skipped: usize,
    /// Not run, because they ask for what is not supported.
    pub unsupported: usize,
    /// Those of the passed and failed ones that do not always end so.
    pub flaky: usize,
    /// Wall-clock time of the run in milliseconds.
    pub elapsed_ms: u64,
    /// Why allocations were not traced that should have been.
    #[serde(default)]
    pub untraced: Option<String>,
    /// Violations that are known and allowed.
    #[serde(default)]
    pub allowed: u64,
}

/// A spec on one version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CaseRecord {
    /// The spec's name, with the values of its matrices.
    pub name: String,
    /// The name with the version where the run had several.
    pub label: String,
    /// The spec file.
    #[serde(serialize_with = "as_text")]
    pub spec: PathBuf,
    /// Its tags.
    pub tags: Vec<String>,
    /// `passed`, `failed`, `expected failure`, `skipped`, `unsupported`
    pub status: String,
    /// Why it was skipped or expected to fail.
    pub reason: Option<String>,
    /// How it is known that it does not always end so.
    pub flaky: Option<String>,
    /// How often it was tried, as its `retries` allow; 0 where it was not run.
    pub attempts: u32,
    /// What came of `--repeat`; none without it.
    pub repeats: Option<RepeatsRecord>,
    /// The golden it was compared with.
    pub golden: Option<PathBuf>,
    /// What is worth knowing besides.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What is wrong with it.
    pub faults: Vec<FaultRecord>,
    /// Wall-clock time of the last attempt in milliseconds.
    pub elapsed_ms: u64,
    /// The server; none where it was not run.
    pub server: Option<ServerRecord>,
    /// The scenarios that were begun.
    pub scenarios: Vec<ScenarioResult>,
    /// Titles of scenarios and permutations that were not run, because of a failure.
    #[serde(default)]
    pub not_run: Vec<String>,
    /// Titles of scenarios that are not for this server.
    pub left_out: Vec<String>,
    /// Titles of scenarios and permutations that are not in the part of the spec that was run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_selected: Vec<String>,
}

impl CaseRecord {
    /// The version that it is for, such as `pg18`; none where the run has one.
    pub fn version(&self) -> Option<&str> {
        self.label.strip_prefix(&self.name)?.strip_prefix('@')
    }
}

/// How often a case was run on purpose, and how often it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepeatsRecord {
    /// Runs.
    pub runs: u32,
    /// Those that failed.
    pub failed: u32,
}

/// Something that is wrong with a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultRecord {
    /// What kind of fault it is.
    pub kind: String,
    /// The file in which it shows, with line and column from 1.
    pub file: Option<String>,
    /// The line.
    pub line: Option<usize>,
    /// The column, in characters.
    pub column: Option<usize>,
    /// What is wrong, in a line.
    pub message: String,
    /// More about it, line by line.
    pub details: Vec<String>,
}

/// A text that is not a report.
#[derive(Debug, thiserror::Error)]
pub enum BadReport {
    /// Not JSON, or of another structure.
    #[error("not a report of mcspec: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another version of the structure.
    #[error("report of format {0}; this version reads format {FORMAT}")]
    Format(u32),
    /// One of these in a file.
    #[error("\"{}\": {bad}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        bad: Box<BadReport>,
    },
    /// A file that cannot be read.
    #[error("could not read \"{}\": {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// Results that cannot be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl BadReport {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            BadReport::In { .. } => Some("\"mcspec run --report json=FILE\" writes a report that can be read"),
            BadReport::Results(error) => error.hint(),
            BadReport::Json(_) | BadReport::Format(_) | BadReport::Unreadable { .. } => None,
        }
    }
}

impl RunReport {
    /// Reads a report. Keys that are not known are ignored.
    ///
    /// # Errors
    ///
    /// See [`BadReport`].
    pub fn parse(text: &str) -> Result<Self, BadReport> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        match serde_json::from_str::<Version>(text)?.format {
            FORMAT => Ok(serde_json::from_str(text)?),
            other => Err(BadReport::Format(other)),
        }
    }
}

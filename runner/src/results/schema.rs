//! The structure of the files in `results/`: `NAME.json` with everything about a case, and `run.json`, which says what the
//! last run was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memcheck_core::golden::row::Observed;
use memcheck_core::wire::{self, AccessRecord, FindingRecord, SiteRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::axes::Axes;
use super::seen::{Allowed, Known, Seen};

/// Writes the path of a spec, also of one whose name is no text.
pub(crate) fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// The last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunIndex {
    /// Format of this file.
    pub format: u32,
    /// When it ended, in seconds since 1970.
    pub ended: u64,
    /// Names of its cases as results are filed, in the order in which they were scheduled.
    pub cases: Vec<String>,
    /// Names of the cases that a condition kept from running.
    #[serde(default)]
    pub skipped: Vec<String>,
    /// Which part of all specs it was; none where it was no part of so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

/// One of several parts in which all specs are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// Which one, from 1.
    pub part: u64,
    /// Of how many.
    pub of: u64,
}

/// One case of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// Format of this file.
    pub format: u32,
    /// The case; its golden is filed under this name.
    pub case: String,
    /// The case with the server's version where the run had several; its results are filed under this name.
    pub label: String,
    /// The spec.
    #[serde(serialize_with = "as_text")]
    pub spec: PathBuf,
    /// `passed`, `failed`, ...
    pub status: String,
    /// What the spec says why it is expected to fail; none where it has not failed so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why this is not to become a golden; none if it may.
    pub refusal: Option<String>,
    /// What is wrong: lines, of which those that are indented by more than two spaces go on with what stands above.
    pub faults: Vec<String>,
    /// The golden it was compared with.
    pub golden: Option<PathBuf>,
    /// The server.
    pub server: ServerRecord,
    /// Wall-clock time in milliseconds.
    pub elapsed_ms: u64,
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

/// The server a case ran on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerRecord {
    /// Major version.
    pub major: u32,
    /// Whether it was built with assertions.
    pub assertions: bool,
    /// Processor.
    pub arch: String,
    /// `version()`
    pub version: String,
    /// The engine's version.
    pub engine: String,
    /// Parameters that differ from PostgreSQL's defaults.
    pub settings: BTreeMap<String, String>,
    /// The extensions that the case has created, with their versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, String>,
    /// The libraries that are charged, with their build IDs; those that could not be read are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub libraries: BTreeMap<String, String>,
}

/// A scenario or permutation of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioResult {
    /// `scenario KIND [name]` or `permutation STEP ...`
    pub title: String,
    /// Iterations of each window.
    pub iterations: u64,
    /// Iterations before each window.
    pub warmup: u64,
    /// What was repeated: the name of each workload, if it has one, and its SQL. The steps of a permutation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workloads: Vec<(String, String)>,
    /// What happened in a permutation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<String>,
    /// Why it did not run to its end.
    pub failure: Option<String>,
    /// Its rows.
    pub rows: Vec<RowResult>,
    /// Its findings before they became rows.
    pub findings: Vec<FindingRecord>,
    /// Its windows.
    pub windows: Vec<WindowResult>,
    /// What the server told the client.
    pub messages: Vec<String>,
    /// Wall-clock time in milliseconds.
    pub elapsed_ms: u64,
}

/// A row and the value its range was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowResult {
    /// As a golden has it.
    pub row: String,
    /// Measured bytes per iteration.
    pub bytes_per_iter: f64,
    /// Where it was allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteRecord>,
    /// The access that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessRecord>,
    /// What allows it, where it is known; such a row is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Known>,
}

/// A window of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowResult {
    /// How the workload was undone.
    pub phase: Option<String>,
    /// The session of a permutation that it was open in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What was found in this window alone.
    pub findings: Vec<FindingRecord>,
    /// `window_stats()`
    pub statistics: BTreeMap<String, i64>,
    /// What came of more iterations than were asked for; none where there was no reason for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<ConfirmationResult>,
    /// Targets and the libraries that they stand for; none where nothing was traced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetResult>,
    /// The tree of contexts at its first mark and at its last, those that have changed most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<BranchResult>,
}

/// A row of `window_contexts()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BranchResult {
    /// Names from the root.
    pub path: Vec<String>,
    /// Bytes at the first mark and at the last: with tracing those that the targets hold, and else all that are in use.
    pub bytes: [u64; 2],
    /// How many contexts there were.
    pub contexts: [u64; 2],
}

/// What more iterations have made of what a window had found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfirmationResult {
    /// How many more.
    pub iterations: u64,
    /// What did not go on, as the window had found it. It is nowhere else.
    pub taken_back: Vec<FindingRecord>,
    /// Why what is left is not confirmed; none if it is.
    pub unconfirmed: Option<String>,
}

/// A row of `window_targets()`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetResult {
    /// The target as it was written; none for a library of an extension that was no target.
    pub target: Option<String>,
    /// The library; none for a target that was not loaded.
    pub library: Option<String>,
}

impl ServerRecord {
    /// The server, as goldens tell it from others.
    pub fn axes(&self) -> Axes {
        Axes { major: self.major, assertions: self.assertions, arch: self.arch.clone() }
    }
}

impl From<&Observed> for RowResult {
    fn from(observed: &Observed) -> Self {
        RowResult {
            row: observed.row.to_string(),
            bytes_per_iter: observed.bytes_per_iter,
            site: observed.site.as_ref().map(Into::into),
            access: observed.access.as_deref().map(Into::into),
            allowed: None,
        }
    }
}

impl From<&Allowed> for RowResult {
    fn from(allowed: &Allowed) -> Self {
        RowResult { allowed: Some(allowed.by.clone()), ..RowResult::from(&allowed.observed) }
    }
}

impl CaseResult {
    /// The version of this structure.
    pub const FORMAT: u32 = 1;

    /// What was observed, scenario by scenario, those that did not run to their end left out.
    ///
    /// # Errors
    ///
    /// A row that is none; the position of its scenario.
    pub fn observed(&self) -> Result<Vec<Seen>, String> {
        let row = |row: &RowResult| -> Result<Observed, String> {
            let parsed = row.row.parse().map_err(|bad| format!("{bad}: \"{}\"", row.row))?;
            Ok(Observed {
                row: parsed,
                bytes_per_iter: row.bytes_per_iter,
                site: row.site.as_ref().map(Into::into),
                access: row.access.clone().map(wire::access).transpose().map_err(|bad| bad.to_string())?,
            })
        };
        let ended = self.scenarios.iter().filter(|scenario| scenario.failure.is_none());
        ended
            .map(|scenario| {
                let mut seen = Seen { title: scenario.title.clone(), trace: scenario.trace.clone(), ..Seen::default() };
                for result in &scenario.rows {
                    let observed = row(result)?;
                    match result.allowed.clone() {
                        Some(by) => seen.allowed.push(Allowed { observed, by }),
                        None => seen.rows.push(observed),
                    }
                }
                Ok(seen)
            })
            .collect()
    }
}

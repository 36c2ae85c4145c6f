//! What a run leaves behind: `results/NAME.out` in the form of a golden, `results/NAME.json` with everything, and
//! `results/run.json`, which says what the last run was.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use memcheck_core::golden::row::Observed;
use memcheck_core::wire::{FindingRecord, SiteRecord};
use serde::{Deserialize, Serialize};

use super::file::Golden;
use super::{GoldenError, Seen, write};

/// The last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// One case of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// Format of this file.
    pub format: u32,
    /// The case; its golden is filed under this name.
    pub case: String,
    /// The case with the server's version where the run had several; its results are filed under this name.
    pub label: String,
    /// The spec.
    pub spec: PathBuf,
    /// `passed`, `failed`, ...
    pub status: String,
    /// Why this is not to become a golden; none if it may.
    pub refusal: Option<String>,
    /// What is wrong, a text each.
    pub faults: Vec<String>,
    /// The golden it was compared with.
    pub golden: Option<PathBuf>,
    /// The server.
    pub server: ServerRecord,
    /// Wall-clock time in milliseconds.
    pub elapsed_ms: u64,
    /// The scenarios that were begun.
    pub scenarios: Vec<ScenarioResult>,
    /// Titles of scenarios that are not for this server.
    pub left_out: Vec<String>,
}

/// The server a case ran on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
}

/// A scenario or permutation of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// `scenario KIND [name]` or `permutation STEP ...`
    pub title: String,
    /// Iterations of each window.
    pub iterations: u64,
    /// Iterations before each window.
    pub warmup: u64,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowResult {
    /// As a golden has it.
    pub row: String,
    /// Measured bytes per iteration.
    pub bytes_per_iter: f64,
    /// Where it was allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteRecord>,
}

/// A window of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

impl From<&Observed> for RowResult {
    fn from(observed: &Observed) -> Self {
        RowResult {
            row: observed.row.to_string(),
            bytes_per_iter: observed.bytes_per_iter,
            site: observed.site.as_ref().map(Into::into),
        }
    }
}

/// Results that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// There is none.
    #[error("no results in \"{}\"", .0.display())]
    None(PathBuf),
    /// A file cannot be read.
    #[error("could not read \"{}\": {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A file is not what a run writes.
    #[error("\"{}\" is not the result of a run: {reason}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl ResultsError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        "\"mcspec run\" writes the results"
    }
}

/// The version of the JSON files.
pub(super) const FORMAT: u32 = 1;

impl CaseResult {
    /// The version of this structure.
    pub const FORMAT: u32 = FORMAT;

    /// What was observed, scenario by scenario, those that did not run to their end left out.
    ///
    /// # Errors
    ///
    /// A row that is none; the position of its scenario.
    pub fn observed(&self) -> Result<Vec<Seen>, String> {
        let row = |row: &RowResult| {
            let parsed = row.row.parse().map_err(|bad| format!("{bad}: \"{}\"", row.row))?;
            Ok(Observed { row: parsed, bytes_per_iter: row.bytes_per_iter, site: row.site.as_ref().map(Into::into) })
        };
        let ended = self.scenarios.iter().filter(|scenario| scenario.failure.is_none());
        ended
            .map(|scenario| {
                let rows = scenario.rows.iter().map(row).collect::<Result<_, String>>()?;
                Ok(Seen { title: scenario.title.clone(), trace: scenario.trace.clone(), rows })
            })
            .collect()
    }

    /// Reads the result of a case.
    ///
    /// # Errors
    ///
    /// See [`ResultsError`].
    pub fn read(directory: &Path, label: &str) -> Result<Self, ResultsError> {
        read(&directory.join(format!("{label}.json")))
    }

    /// Writes the result of a case where it was read.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), GoldenError> {
        write_json(&directory.join(format!("{}.json", self.label)), self)
    }
}

impl RunIndex {
    /// Reads what the last run was.
    ///
    /// # Errors
    ///
    /// See [`ResultsError`].
    pub fn read(directory: &Path) -> Result<Self, ResultsError> {
        match read(&index_file(directory)) {
            Err(ResultsError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Err(ResultsError::None(directory.to_owned()))
            }
            other => other,
        }
    }
}

/// Makes the directory.
///
/// # Errors
///
/// It is not there and cannot be made.
pub fn make_directory(directory: &Path) -> Result<(), GoldenError> {
    let unmade = |error| GoldenError::File { doing: "create", path: directory.to_owned(), error };
    fs::create_dir_all(directory).map_err(unmade)
}

/// Removes what says what the last run was.
///
/// # Errors
///
/// The file is there and cannot be removed.
pub fn remove_index(directory: &Path) -> Result<(), GoldenError> {
    let path = index_file(directory);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(GoldenError::File { doing: "remove", path, error })
        }
        _ => Ok(()),
    }
}

fn index_file(directory: &Path) -> PathBuf {
    directory.join("run.json")
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ResultsError> {
    let text = fs::read_to_string(path).map_err(|error| ResultsError::Unreadable { path: path.to_owned(), error })?;
    serde_json::from_str(&text).map_err(|error| ResultsError::Bad { path: path.to_owned(), reason: error.to_string() })
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), GoldenError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| GoldenError::File {
        doing: "write",
        path: path.to_owned(),
        error: error.into(),
    })?;
    write(path, &format!("{text}\n"))
}

/// Writes `NAME.out` and `NAME.json`.
///
/// # Errors
///
/// A file cannot be written.
pub fn write_case(directory: &Path, result: &CaseResult, observed: Vec<Seen>) -> Result<(), GoldenError> {
    let blocks = observed.into_iter().map(Seen::into_block).collect();
    let golden = Golden { spec: result.case.clone(), blocks };
    write(&directory.join(format!("{}.out", result.label)), &golden.to_string())?;
    result.write(directory)
}

/// Writes what the run was and how it differs from the goldens.
///
/// # Errors
///
/// A file cannot be written.
pub fn write_index(directory: &Path, index: &RunIndex, differences: &str) -> Result<(), GoldenError> {
    write(&directory.join("regression.diffs"), differences)?;
    write_json(&index_file(directory), index)
}

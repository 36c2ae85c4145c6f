//! Results that are kept under a name, such as a release's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic;
use crate::report::json::RunReport;

/// Where they are, in the directory of results: no spec is called so.
const DIRECTORY: &str = ".saved";

/// Why something cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// It would be another file's name.
    #[error("\"{0}\" is no name for results")]
    BadName(String),
    /// The file cannot be written.
    #[error("could not write \"{}\": {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

impl SaveError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            SaveError::BadName(_) => {
                Some("a name has letters, digits, \".\", \"-\", \"_\" and \"+\", and does not begin with \".\"")
            }
            SaveError::Unwritable { .. } => None,
        }
    }
}

/// The file of that name.
///
/// # Errors
///
/// [`SaveError::BadName`]
pub fn file(results: &Path, name: &str) -> Result<PathBuf, SaveError> {
    let is_plain = |c: char| c.is_alphanumeric() || ".-_+".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
        return Err(SaveError::BadName(name.to_owned()));
    }
    Ok(results.join(DIRECTORY).join(format!("{name}.json")))
}

/// Keeps a report under that name, in place of one that is kept there.
///
/// # Errors
///
/// See [`SaveError`].
pub fn save(results: &Path, name: &str, report: &RunReport) -> Result<(), SaveError> {
    let path = file(results, name)?;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut report = report.clone();
    report.ended.get_or_insert_with(now);
    let unwritable = |error| SaveError::Unwritable { path: path.clone(), error };
    let text = serde_json::to_string(&report).map_err(|error| unwritable(error.into()))? + "\n";
    atomic::write_below(&path, text.as_bytes()).map_err(unwritable)
}

/// The names that something is kept under.
pub fn names(results: &Path) -> Vec<String> {
    let entries = fs::read_dir(results.join(DIRECTORY)).into_iter().flatten().flatten();
    let name = |file: PathBuf| Some(file.file_name()?.to_str()?.strip_suffix(".json")?.to_owned());
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.path())).collect();
    names.retain(|name| file(results, name).is_ok());
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json;

    #[test]
    fn what_is_kept_is_found_by_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let report = RunReport { format: 1, mcspec: "1.0".to_owned(), ..RunReport::default() };
        save(directory.path(), "v1.2", &report).unwrap();
        save(directory.path(), "v1.1", &RunReport { ended: Some(7), ..report }).unwrap();
        assert_eq!(names(directory.path()), ["v1.1", "v1.2"]);
        let ended = |name| json::read(&file(directory.path(), name).unwrap()).unwrap().ended;
        assert!(ended("v1.1") == Some(7) && ended("v1.2") > Some(1_600_000_000));
        assert!(names(&directory.path().join("nowhere")).is_empty());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for bad in ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\nb"] {
            assert!(file(Path::new("results"), bad).is_err(), "{bad}");
        }
        assert_eq!(file(Path::new("results"), "v1.2+rc-1_x").unwrap(), Path::new("results/.saved/v1.2+rc-1_x.json"));
    }
}

//! Reading and writing the files in `results/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::schema::{CaseResult, RunIndex};
use crate::{atomic, bounded};

/// The file that says what the last run was.
pub(super) const INDEX: &str = "run.json";

/// Results that cannot be read or written.
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
    /// A file or directory cannot be written.
    #[error("could not {doing} \"{}\": {error}", path.display())]
    Unwritable {
        /// `create`, `write` or `remove`.
        doing: &'static str,
        /// The file or directory.
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
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ResultsError::None(_) | ResultsError::Unreadable { .. } | ResultsError::Bad { .. } => {
                Some("\"mcspec run\" writes the results")
            }
            ResultsError::Unwritable { .. } => None,
        }
    }
}

impl CaseResult {
    /// Reads the result of a case.
    ///
    /// # Errors
    ///
    /// See [`ResultsError`].
    pub fn read(directory: &Path, label: &str) -> Result<Self, ResultsError> {
        let path = directory.join(format!("{label}.json"));
        read(&path).and_then(|result: Self| is_of_this_format(&path, result.format).map(|()| result))
    }

    /// Writes the result of a case where it is read.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), ResultsError> {
        let path = directory.join(self.file());
        write(&path, &json(self, &path)?)
    }

    /// Writes it into the directory of a run that is under way.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_aside(&self, directory: &Path) -> Result<(), ResultsError> {
        let path = directory.join(self.file());
        write_aside(&path, &json(self, &path)?)
    }

    fn file(&self) -> String {
        format!("{}.json", self.label)
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
            other => {
                other.and_then(|index: Self| is_of_this_format(&index_file(directory), index.format).map(|()| index))
            }
        }
    }

    /// Writes what the run was, and how it differs from the goldens, into the directory of a run that is under way.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn write_aside(&self, directory: &Path, differences: &str) -> Result<(), ResultsError> {
        write_aside(&directory.join("regression.diffs"), differences)?;
        let path = index_file(directory);
        write_aside(&path, &json(self, &path)?)
    }
}

/// Makes the directory.
///
/// # Errors
///
/// It is not there and cannot be made.
pub fn make_directory(directory: &Path) -> Result<(), ResultsError> {
    let unmade = |error| ResultsError::Unwritable { doing: "create", path: directory.to_owned(), error };
    fs::create_dir_all(directory).map_err(unmade)
}

/// Removes what says what the last run was.
///
/// # Errors
///
/// The file is there and cannot be removed.
pub fn remove_index(directory: &Path) -> Result<(), ResultsError> {
    let path = index_file(directory);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ResultsError::Unwritable { doing: "remove", path, error })
        }
        _ => Ok(()),
    }
}

/// Writes a file and the directories it is in.
///
/// # Errors
///
/// It cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), ResultsError> {
    atomic::write_below(path, text.as_bytes()).map_err(unwritable(path))
}

fn write_aside(path: &Path, text: &str) -> Result<(), ResultsError> {
    atomic::write_aside(path, text.as_bytes()).map_err(unwritable(path))
}

pub(super) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> ResultsError {
    let path = path.to_owned();
    |error| ResultsError::Unwritable { doing: "write", path, error }
}

fn index_file(directory: &Path) -> PathBuf {
    directory.join(INDEX)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, ResultsError> {
    let text = bounded::text(path, bounded::RECORD)
        .map_err(|error| ResultsError::Unreadable { path: path.to_owned(), error })?;
    serde_json::from_str(&text).map_err(|error| ResultsError::Bad { path: path.to_owned(), reason: error.to_string() })
}

/// What another version has written is not read as if it were this one's.
fn is_of_this_format(path: &Path, format: u32) -> Result<(), ResultsError> {
    let reason = format!("it is of format {format}; this version reads format {}", CaseResult::FORMAT);
    (format == CaseResult::FORMAT).then_some(()).ok_or(ResultsError::Bad { path: path.to_owned(), reason })
}

/// The text of a value that is to be written to that file.
fn json<T: Serialize>(value: &T, path: &Path) -> Result<String, ResultsError> {
    let text = serde_json::to_string_pretty(value).map_err(|error| unwritable(path)(error.into()))?;
    Ok(format!("{text}\n"))
}

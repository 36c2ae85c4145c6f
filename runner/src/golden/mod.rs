//! The record of what a spec finds: written by the machine, accepted by a person, compared in every run.

pub mod bless;
mod compare;
mod directory;
mod file;
mod owner;
pub mod prune;
pub mod review;
mod trace;
mod variant;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use memcheck_core::Finding;
use memcheck_core::golden::row::{Observed, Policy, Row};
use regex::Regex;

use crate::atomic;
use crate::results::{Axes, Seen};

pub use compare::{Difference, compare, differences};
pub use directory::Directory;
pub use file::{BadGolden, Block, FORMAT, Golden};
use owner::{Owner, owner};
pub use trace::trace;
pub use variant::BadVariant;
use variant::{Ambiguous, Variant, most_specific};

/// A golden and where it was read.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub golden: Golden,
}

/// Why there is no telling what is recorded.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// A file or directory cannot be read or written.
    #[error("could not {doing} \"{}\": {error}", path.display())]
    File {
        /// `create`, `read`, `write` or `remove`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// A file stands in the place of a golden that mcspec has not written.
    #[error("\"{}\" is not a golden of mcspec{}", path.display(), what.map_or(String::new(), |what| format!(", but {what}")))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is, where that is worth saying.
        what: Option<&'static str>,
    },
    /// A golden of another version of mcspec.
    #[error("\"{}\" is a golden of format {format}; this version of mcspec has format {FORMAT}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// A golden cannot be understood.
    #[error("{}:{}: {}", path.display(), bad.line, bad.fault)]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        bad: BadGolden,
    },
    /// A file's name is not that of a variant.
    #[error("\"{}\": {bad}", path.display())]
    Variant {
        /// The file.
        path: PathBuf,
        /// What is wrong with its name.
        bad: BadVariant,
    },
    /// Several files are for this server and none is the most specific.
    #[error("several goldens are for this server ({axes}): {}", names(paths))]
    Ambiguous {
        /// The server.
        axes: Axes,
        /// The files.
        paths: Vec<PathBuf>,
    },
}

fn names(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| format!("\"{}\"", path.display())).collect::<Vec<_>>().join(", ")
}

impl GoldenError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            GoldenError::Variant { .. } => Some(BadVariant::HINT),
            GoldenError::Ambiguous { .. } => {
                Some("add a golden for the servers that they have in common, or remove one")
            }
            GoldenError::Bad { .. } => Some("\"mcspec bless\" writes the file anew"),
            GoldenError::Format { .. } => Some(
                "the version of mcspec that has written it reads it; once it is removed, \"mcspec bless\" writes another",
            ),
            GoldenError::File { .. } | GoldenError::Foreign { .. } => None,
        }
    }
}

#[cfg(test)]
thread_local! {
    /// How often [`observe`] was called: the work of judging an outcome.
    pub(crate) static OBSERVED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Puts findings, each with the session that owns it, into the form in which they are recorded; equal ones become one
/// row.
pub fn observe<'a>(
    findings: impl IntoIterator<Item = (Option<&'a str>, &'a Finding)>,
    normalize: &[(Regex, String)],
    policy: Policy,
) -> Vec<Observed> {
    #[cfg(test)]
    OBSERVED.with(|observed| observed.set(observed.get() + 1));
    let one = |(owner, finding): (Option<&str>, &Finding)| {
        let mut observed = Observed::new(finding, subject(finding, normalize), policy);
        observed.row.owner = owner.map(str::to_owned);
        observed
    };
    let mut observed: Vec<Observed> = findings.into_iter().map(one).collect();
    observed.sort_by_cached_key(|observed| observed.row.to_string());
    observed.dedup_by(|later, kept| {
        let same = Row { times: 1, ..kept.row.clone() } == later.row;
        kept.row.times += u64::from(same);
        same
    });
    observed
}

/// The path of a finding as the spec's `normalize` rules leave it.
pub fn subject(finding: &Finding, normalize: &[(Regex, String)]) -> String {
    normalize.iter().fold(finding.path.to_string(), |subject, (pattern, replacement)| {
        pattern.replace_all(&subject, replacement).into_owned()
    })
}

/// Whether a text is a golden of mcspec, of whatever format.
pub fn is_one(text: &str) -> bool {
    text.starts_with("mcspec golden ")
}

/// The golden of a case without a variant.
pub fn base_file(directory: &Path, case: &str) -> PathBuf {
    directory.join(format!("{case}.out"))
}

/// Reads the golden of a case that is for this server; none if there is none.
///
/// # Errors
///
/// See [`GoldenError`].
pub fn look_up(directory: &Path, case: &str, axes: &Axes) -> Result<Option<Recorded>, GoldenError> {
    let base = base_file(directory, case);
    let stem = case.rsplit('/').next().unwrap_or(case);
    let parent = base.parent().unwrap_or(directory);
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(GoldenError::File { doing: "read", path: parent.to_owned(), error }),
    };
    let (mut paths, mut variants) = (Vec::new(), Vec::new());
    for entry in entries {
        let entry = entry.map_err(|error| GoldenError::File { doing: "read", path: parent.to_owned(), error })?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let axes = name.strip_suffix(".out").and_then(|name| name.strip_prefix(stem));
        let Some(axes) = axes.filter(|axes| axes.is_empty() || axes.starts_with('.')) else { continue };
        match owner(&parent.join(&name)) {
            Ok(Owner::Others(_)) => continue,
            // That of a spec whose name goes on where this one's ends.
            Ok(Owner::Ours { text, .. }) if !axes.is_empty() && is_of(&text, &format!("{case}{axes}")) => continue,
            Ok(Owner::Ours { .. }) | Err(_) => {}
        }
        variants.push(axes.parse::<Variant>().map_err(|bad| GoldenError::Variant { path: parent.join(&name), bad })?);
        paths.push(parent.join(name));
    }
    match most_specific(&variants, axes) {
        Ok(None) => Ok(None),
        Ok(Some(position)) => read(&paths[position]).map(Some),
        Err(Ambiguous(among)) => {
            let mut paths: Vec<PathBuf> = among.into_iter().map(|position| paths[position].clone()).collect();
            paths.sort();
            Err(GoldenError::Ambiguous { axes: axes.clone(), paths })
        }
    }
}

/// Whether a golden says that it is of that case.
fn is_of(golden: &[u8], case: &str) -> bool {
    let second = golden.split(|&byte| byte == b'\n').nth(1);
    second.is_some_and(|line| line.trim_ascii_end() == file::spec_line(case).as_bytes())
}

/// Whether there is something where a golden would be that is not one.
pub fn is_foreign(path: &Path) -> bool {
    matches!(owner(path), Ok(Owner::Others(_)))
}

/// Reads one golden file.
///
/// # Errors
///
/// The file cannot be read or is not a golden.
pub fn read(path: &Path) -> Result<Recorded, GoldenError> {
    let path = path.to_owned();
    let text = match owner(&path) {
        Ok(Owner::Ours { format: FORMAT, text }) => text,
        Ok(Owner::Ours { format, .. }) => return Err(GoldenError::Format { path, format }),
        Ok(Owner::Others(what)) => return Err(GoldenError::Foreign { path, what }),
        Err(error) => return Err(GoldenError::File { doing: "read", path, error }),
    };
    match String::from_utf8_lossy(&text).parse() {
        Ok(golden) => Ok(Recorded { path, golden }),
        Err(bad) => Err(GoldenError::Bad { path, bad }),
    }
}

/// Writes a golden, never in the place of what is none.
///
/// # Errors
///
/// The file cannot be written, or is not a golden of this format.
fn record(path: &Path, golden: &Golden) -> Result<(), GoldenError> {
    match read(path) {
        Ok(_) | Err(GoldenError::Bad { .. }) => {}
        Err(GoldenError::File { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    write(path, &golden.to_string())
}

/// Writes what a case found, in the form of a golden, as `NAME.out` into the directory of a run that is under way.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_found(directory: &Path, case: &str, label: &str, found: &[Seen]) -> Result<(), GoldenError> {
    let golden = Golden { spec: case.to_owned(), blocks: found.iter().map(Block::from).collect() };
    let path = base_file(directory, label);
    let written = atomic::write_aside(&path, golden.to_string().as_bytes());
    written.map_err(|error| GoldenError::File { doing: "write", path, error })
}

/// Writes a file and the directories it is in.
fn write(path: &Path, text: &str) -> Result<(), GoldenError> {
    let written = atomic::write_below(path, text.as_bytes());
    written.map_err(|error| GoldenError::File { doing: "write", path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use memcheck_core::{CheckKind, ContextPath, Severity, Shape};

    fn finding(context: &str) -> Finding {
        Finding {
            check: CheckKind::CtxBloat,
            severity: Severity::Info,
            path: ContextPath::new([context]),
            bytes: 10_000,
            objects: 0,
            iterations: 100,
            bytes_per_iter: 100.0,
            objects_per_iter: 0.0,
            shape: Some(Shape::Linear),
            phase: None,
            source_lib: String::new(),
            site: None,
            marks: Vec::new(),
            detail: String::new(),
            access: None,
        }
    }

    #[test]
    fn findings_that_normalize_to_the_same_row_are_counted() {
        let findings = ["tmp_17", "b", "tmp_9"].map(finding);
        let rules = [(Regex::new("_[0-9]+$").unwrap(), "_N".to_owned())];
        let rows: Vec<String> = observe(findings.iter().map(|finding| (None, finding)), &rules, Policy::Auto)
            .iter()
            .map(|observed| observed.row.to_string())
            .collect();
        assert_eq!(
            rows,
            ["ctx_bloat|INFO|b|64B..128B/iter|linear|-", "ctx_bloat|INFO|tmp_N|64B..128B/iter|linear|- x2"]
        );
    }

    #[test]
    fn the_file_for_the_server_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let golden = |name: &str| format!("mcspec golden 1\nspec {name}\n");
        for name in ["a/knn", "a/knn.pg15", "a/knn2", "odd", "odd.x86_64", "odd.pg15", "bad.linux"] {
            // As if somebody had copied them from elsewhere.
            let text = golden(&format!("{name} copied"));
            write(&directory.path().join(format!("{name}.out")), &text).unwrap();
        }
        for (name, text) in [
            ("some.pg15", "mcspec golden 1\nspec other\n"),
            ("dotted", "mcspec golden 1\nspec dotted\n"),
            ("dotted.pg15", "mcspec golden 1\nspec dotted.pg15\n"),
            ("dotted.new", "mcspec golden 1\nspec dotted.new\n"),
            ("broken", "mcspec golden 1\npsql\n"),
            ("newer", "mcspec golden 2\n"),
            ("foreign", "SELECT 1;\n"),
            ("some", "SELECT 1;\n"),
            ("some.linux", "SELECT 1;\n"),
        ] {
            write(&directory.path().join(format!("{name}.out")), text).unwrap();
        }
        let find = |case: &str, major| {
            let axes = Axes { major, assertions: false, arch: "x86_64".into() };
            match look_up(directory.path(), case, &axes) {
                Ok(found) => found.map_or("none".to_owned(), |found| found.golden.spec),
                Err(error) => error.to_string().replace(&format!("{}/", directory.path().display()), ""),
            }
        };
        let table = [
            ("a/knn", 15, "a/knn.pg15 copied"),
            ("a/knn", 18, "a/knn copied"),
            ("a/k", 18, "none"),
            ("nowhere/k", 18, "none"),
            ("odd", 18, "odd.x86_64 copied"),
            // Specs of these names have goldens of their own.
            ("dotted", 15, "dotted"),
            ("dotted.pg15", 15, "dotted.pg15"),
            ("dotted.new", 15, "dotted.new"),
            (
                "odd",
                15,
                "several goldens are for this server (pg 15, noassert, x86_64): \"odd.pg15.out\", \"odd.x86_64.out\"",
            ),
            ("bad", 15, "\"bad.linux.out\": unknown variant \"linux\""),
            ("broken", 15, "broken.out:2: expected \"spec NAME\", found \"psql\""),
            ("newer", 15, "\"newer.out\" is a golden of format 2; this version of mcspec has format 1"),
            ("foreign", 15, "none"),
            // Those of others say nothing, whatever they are called.
            ("some", 15, "other"),
            ("some", 18, "none"),
        ];
        for (case, major, expected) in table {
            assert_eq!(find(case, major), expected, "{case} on {major}");
        }
    }
}

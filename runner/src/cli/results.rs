//! The results that `bless` and `diff` are about.

use std::time::{SystemTime, UNIX_EPOCH};

use globset::Glob;

use super::complaint::Complaint;
use crate::config::Config;
use crate::report::duration;
use crate::results::reading;
use crate::results::schema::{CaseResult, RunIndex};
use std::time::Duration;

/// The cases of the last run whose names match; all of them without names.
pub(super) fn last_run(names: &[String], config: &Config) -> Result<(RunIndex, Vec<CaseResult>), Complaint> {
    let directory = &config.project.results;
    // A run that ends just now is not read in part. Without the directory there is nothing to read either.
    let _unchanged = reading(directory).ok();
    let index = RunIndex::read(directory)?;
    for name in names {
        if !index.cases.iter().any(|label| matches(name, label)) {
            return Err(Complaint::Nothing {
                message: format!("the last run had no spec \"{name}\""),
                hint: Some(format!("it had {}", index.cases.join(", "))),
            });
        }
    }
    let wanted = |label: &&String| names.is_empty() || names.iter().any(|name| matches(name, label));
    let results = index.cases.iter().filter(wanted).map(|label| CaseResult::read(directory, label));
    let results = results.collect::<Result<Vec<_>, _>>()?;
    Ok((index, results))
}

/// Whether a name or glob fits a case, with or without its version.
fn matches(name: &str, label: &str) -> bool {
    let without_version = without_version(label);
    let glob = Glob::new(name).map(|glob| glob.compile_matcher());
    [label, without_version].iter().any(|case| *case == name || glob.as_ref().is_ok_and(|glob| glob.is_match(case)))
}

/// The name of a case without the version that its label has in a run on several.
pub(super) fn without_version(label: &str) -> &str {
    label.rsplit_once("@pg").map_or(label, |(name, _)| name)
}

/// `7 specs, run 12.0 s ago`
pub(super) fn describe(index: &RunIndex) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let ago = Duration::from_secs(now.saturating_sub(index.ended));
    let ago = match ago.as_secs() {
        0..120 => duration(ago),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    };
    let specs = if index.cases.len() == 1 { "1 spec".to_owned() } else { format!("{} specs", index.cases.len()) };
    format!("last run: {specs}, {ago} ago")
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_fit_with_and_without_version() {
        let table = [
            ("knn", "knn", true),
            ("knn", "knn@pg18", true),
            ("knn@pg18", "knn@pg18", true),
            ("knn@pg15", "knn@pg18", false),
            ("k*", "knn@pg18", true),
            ("knn[dims=3]", "knn[dims=3]", true),
            ("kn", "knn", false),
        ];
        for (name, label, expected) in table {
            assert_eq!(matches(name, label), expected, "{name} {label}");
        }
    }
}

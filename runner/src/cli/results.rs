//! The results that `bless` and `diff` are about.

use std::time::{SystemTime, UNIX_EPOCH};

use globset::Glob;

use super::complaint::Complaint;
use crate::config::Config;
use crate::hint;
use crate::plan::{Part, splits};
use crate::report::duration;
use crate::results::reading;
use crate::results::schema::{CaseResult, RunIndex, ScenarioResult};
use std::time::Duration;

/// The cases of the last run whose names match; all of them without names. Of `NAME/SCENARIO`, that scenario alone.
pub(super) fn last_run(names: &[String], config: &Config) -> Result<(RunIndex, Vec<CaseResult>), Complaint> {
    let directory = &config.project.results;
    // A run that ends just now is not read in part. Without the directory there is nothing to read either.
    let _unchanged = reading(directory).ok();
    let index = RunIndex::read(directory)?;
    let mut results: Vec<CaseResult> = Vec::new();
    for label in &index.cases {
        let parts: Vec<Option<&str>> = names.iter().filter_map(|name| part(name, label)).collect();
        if !names.is_empty() && parts.is_empty() {
            continue;
        }
        let mut result = CaseResult::read(directory, label)?;
        if !parts.is_empty() && parts.iter().all(Option::is_some) {
            narrow(&mut result, &Part::of(parts.into_iter().flatten()));
        }
        results.push(result);
    }
    for name in names {
        let fits = |result: &&CaseResult| part(name, &result.label).is_some();
        let found: Vec<&CaseResult> = results.iter().filter(fits).collect();
        let has_part = |result: &&CaseResult| match part(name, &result.label).flatten() {
            None => true,
            Some(part) => result.scenarios.iter().any(|scenario| Part::of([part]).has(&scenario.title)),
        };
        if found.is_empty() {
            return Err(Complaint::Nothing {
                message: format!("the last run had no spec \"{name}\""),
                hint: Some(format!("it had {}", index.cases.join(", "))),
            });
        }
        if !found.iter().any(has_part) {
            return Err(Complaint::Nothing {
                message: format!("the last run had no scenario \"{name}\""),
                hint: Some(format!("\"{}\" runs it", hint::mcspec(&["run", name]))),
            });
        }
    }
    results.retain(|result| !result.scenarios.is_empty() || result.not_selected.is_empty());
    Ok((index, results))
}

/// Leaves out what is not in a part of the spec.
fn narrow(result: &mut CaseResult, part: &Part) {
    let scenarios = std::mem::take(&mut result.scenarios);
    let (kept, others) = scenarios.into_iter().partition(|scenario| part.has(&scenario.title));
    result.scenarios = kept;
    result.not_selected.extend(others.into_iter().map(|scenario: ScenarioResult| scenario.title));
}

/// What a name means of a case: all of it, or a part; nothing where it is not meant.
fn part<'a>(name: &'a str, label: &str) -> Option<Option<&'a str>> {
    if matches(name, label) {
        return Some(None);
    }
    splits(name).find(|(spec, _)| matches(spec, label)).map(|(_, part)| Some(part))
}

/// Whether a name or glob fits a case, with or without its version, or is the folder of it: of a suite's tests, or of specs.
fn matches(name: &str, label: &str) -> bool {
    let without_version = without_version(label);
    let is_below = |case: &str| case.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    if !name.is_empty() && is_below(label) {
        return true;
    }
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
    use super::{matches, part};

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
            ("regress", "regress/leak", true),
            ("regress/isolation", "regress/isolation/leak@pg18", true),
            ("regress", "regression/leak", false),
            ("leak", "regress/leak", false),
            ("", "regress/leak", false),
        ];
        for (name, label, expected) in table {
            assert_eq!(matches(name, label), expected, "{name} {label}");
        }
    }

    #[test]
    fn names_mean_a_case_or_a_part_of_it() {
        let table = [
            ("sub/knn", "sub/knn", Some(None)),
            ("sub/knn/search", "sub/knn@pg18", Some(Some("search"))),
            ("knn/sub/search", "knn", Some(Some("sub/search"))),
            ("*/search", "knn", Some(Some("search"))),
            ("knn/search", "other", None),
            ("knn", "sub/knn", None),
        ];
        for (name, label, expected) in table {
            assert_eq!(part(name, label), expected, "{name} {label}");
        }
    }
}

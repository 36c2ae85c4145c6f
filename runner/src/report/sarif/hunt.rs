//! Hunts: a result for every bug, new or known, and a notification for what was not looked at.

use std::io::{self, Write};

use memcheck_core::{CheckKind, Severity, Site};

use super::location::Locations;
use super::rules::{self, NOT_CHECKED, Problem};
use super::schema::{Invocation, Level, Notification, Properties, Reference, SarifResult, Text};
use super::{fingerprint_of, level, write};
use crate::hunt::record::{BugRecord, HuntRecord};
use crate::report::Checkout;
use crate::report::hunt::whole::HuntReport;

/// Writes the log.
pub(in crate::report) fn hunts(out: &mut dyn Write, checkout: Checkout, report: &HuntReport) -> io::Result<()> {
    let locations = Locations::new(checkout);
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for hunt in &report.hunts {
        results.extend(hunt.bugs.iter().map(|bug| of_bug(&locations, hunt, bug)));
        let known = hunt.known.iter().map(|known| {
            let text = format!("{}: {} in {}, which was known", hunt.extension, known.kind, known.place);
            let properties = properties(&known.spec, "");
            let found = Found { kind: &known.kind, site: None, level: Level::Warning };
            result(&locations, found, text, properties)
        });
        results.extend(known);
        let aside = hunt.set_aside.iter().chain(&hunt.not_called);
        let aside = aside.map(|one| format!("{}: not called: {}: {}", hunt.extension, one.title(), one.why));
        let left_out = hunt.left_out.lines().into_iter().map(|line| format!("{}: left out: {line}", hunt.extension));
        notifications.extend(aside.chain(left_out).map(|message| notification(Level::Note, message)));
    }
    if let Some(error) = &report.error {
        let hint = error.hint.iter().map(|hint| format!("\nHINT:  {hint}"));
        notifications.push(notification(Level::Error, std::iter::once(error.message.clone()).chain(hint).collect()));
    }
    let has_bugs = report.hunts.iter().any(HuntRecord::has_bugs);
    let invocation = Invocation {
        execution_successful: report.error.is_none(),
        exit_code: report.error.as_ref().map_or(i32::from(has_bugs), |error| error.exit_code.into()),
        exit_code_description: report.headline(),
        working_directory: locations.current(),
        tool_execution_notifications: notifications,
        tool_configuration_notifications: Vec::new(),
    };
    write(out, &locations, invocation, results)
}

/// A result without its words.
struct Found<'a> {
    kind: &'a str,
    site: Option<Site>,
    level: Level,
}

fn of_bug(locations: &Locations, hunt: &HuntRecord, bug: &BugRecord) -> SarifResult {
    let finding = bug.finding.as_ref();
    let severity = finding.and_then(|finding| finding.severity.parse().ok()).unwrap_or(Severity::Error);
    let statements = bug.workload.join("; ");
    let shown = bug.shown.iter().map(|shown| format!("\n{shown}"));
    let head = format!("{}: {}: {}\n{statements}", hunt.extension, bug.subject, bug.words);
    let text = std::iter::once(head).chain(shown).collect();
    let site = finding.and_then(|finding| finding.site.as_ref()).map(Site::from);
    let properties = Properties {
        bytes_per_iteration: finding.map(|finding| finding.bytes_per_iter).filter(|bytes| bytes.is_finite()),
        ..properties(&bug.spec, &bug.shape)
    };
    let found = Found { kind: &bug.kind, site, level: level(severity) };
    result(locations, found, text, properties)
}

fn result(locations: &Locations, found: Found, text: String, properties: Properties) -> SarifResult {
    let (rule_id, rule_index) = rule(found.kind);
    let site = found.site.as_ref();
    let spec = locations.of_file(&properties.spec, 1, 1);
    let (places, related_locations) = locations.of_result(site, spec, "the spec that shows it");
    SarifResult {
        rule_id,
        rule_index,
        level: found.level,
        message: Text::plain(text),
        locations: places,
        related_locations,
        stacks: locations.stacks(site, None),
        code_flows: site.and_then(|site| locations.flow(site)).into_iter().collect(),
        // A line changes with every edit above it; a spec is named for what is called.
        partial_fingerprints: fingerprint_of(&[found.kind, &properties.spec]),
        suppressions: Vec::new(),
        properties,
    }
}

fn properties(spec: &str, scenario: &str) -> Properties {
    Properties { spec: spec.to_owned(), scenario: scenario.to_owned(), row: None, bytes_per_iteration: None }
}

fn rule(kind: &str) -> (&'static str, usize) {
    let problem = |problem: Problem| (problem.id(), problem.index());
    match kind.parse::<CheckKind>() {
        Ok(check) => (check.as_str(), rules::of_check(check)),
        Err(_) if kind == Problem::Hang.id() => problem(Problem::Hang),
        Err(_) => problem(Problem::Answers),
    }
}

fn notification(level: Level, message: String) -> Notification {
    let descriptor = Reference { id: NOT_CHECKED, index: 0 };
    Notification { descriptor, level, message: Text::plain(message), locations: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::super::super::hunt::tests::report;
    use super::*;

    #[test]
    fn each_bug_is_at_its_line() {
        let checkout = tempfile::tempdir().expect("a directory");
        let sources = checkout.path().join("src");
        std::fs::create_dir(&sources).expect("another in it");
        std::fs::write(sources.join("odd.c"), "").expect("a file");
        let mut out = Vec::new();
        hunts(&mut out, Checkout::of(checkout.path(), checkout.path()), &report()).expect("a vector takes it");
        let log: serde_json::Value = serde_json::from_slice(&out).expect("it is JSON");
        let results = &log["runs"][0]["results"];
        assert_eq!(results[0]["ruleId"], "ctx_bloat");
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "src/odd.c", "{place}");
        assert_eq!(place["region"]["startLine"], 46);
        // What has no line is at its spec.
        assert_eq!(results[1]["ruleId"], "crash");
        let place = &results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(place, "specs/hunt/odd.mcspec");
        assert_eq!(log["runs"][0]["invocations"][0]["exitCode"], 1);
        assert_eq!(rule("hang").0, "hang");
        assert_eq!(rule("answers").0, "answers");
    }
}

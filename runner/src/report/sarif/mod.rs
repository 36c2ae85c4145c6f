//! SARIF 2.1.0, which code scanning services and editors read: a result for every violation that makes a spec fail, at the line that
//! allocates, and for every one that is known, suppressed; a notification for what was not checked.

mod hunt;
mod location;
mod rules;
mod schema;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use memcheck_core::golden::row::Observed;
use memcheck_core::targets::without_release;
use memcheck_core::{ContextPath, Severity, Site, detail};

pub(super) use self::hunt::hunts;
use self::location::Locations;
use self::rules::{NOT_CHECKED, Problem};
use self::schema::{
    ArtifactLocation, Driver, Invocation, Level, Log, Notification, Properties, ROOT, Reference, Run, SCHEMA,
    SarifResult, Suppression, Text, Tool, VERSION,
};
use super::fault::{describe, place, violations};
use super::{Checkout, NotRun, Reporter, Summary, allowed, notes, warnings};
use crate::exec::failure::Cause;
use crate::exec::outcome::Outcome;
use crate::judge::{Fault, Status, Verdict};
use crate::plan::{Case, Place, hash};
use crate::results::Known;

/// Writes SARIF when the run is over.
pub struct Sarif<W> {
    out: W,
    locations: Locations,
    results: Vec<SarifResult>,
    not_checked: Vec<Notification>,
    is_interrupted: bool,
}

impl<W: Write> Sarif<W> {
    /// A report to be written there, about files of that checkout.
    pub fn new(out: W, checkout: Checkout) -> Self {
        let (results, not_checked) = (Vec::new(), Vec::new());
        Sarif { out, locations: Locations::new(checkout), results, not_checked, is_interrupted: false }
    }

    fn not_checked(&mut self, level: Level, message: String, place: &Place) {
        let (locations, message) = (vec![self.locations.of_place(place)], Text::plain(message));
        let descriptor = Reference { id: NOT_CHECKED, index: 0 };
        self.not_checked.push(Notification { descriptor, level, message, locations });
    }

    /// Writes the log.
    fn write(
        &mut self,
        could_run: bool,
        exit_code: i32,
        exit_code_description: String,
        configuration: Vec<Notification>,
    ) -> io::Result<()> {
        let invocation = Invocation {
            execution_successful: could_run,
            exit_code,
            exit_code_description,
            working_directory: self.locations.current(),
            tool_configuration_notifications: configuration,
            tool_execution_notifications: std::mem::take(&mut self.not_checked),
        };
        write(&mut self.out, &self.locations, invocation, std::mem::take(&mut self.results))
    }

    /// What was found in a case that is not as it should be.
    fn faults(&mut self, case: &Case, verdict: &Verdict, suppressions: &[Suppression]) {
        let mut said = HashSet::new();
        for fault in &verdict.faults {
            let described = describe(fault, verdict);
            let place = place(fault, &described, case).unwrap_or_else(|| case.place(0));
            let found = violations(fault);
            for &(title, observed) in &found {
                // An expectation and a golden may both have something to say about it.
                if said.insert((title, observed.row.to_string())) {
                    let subject = Subject { case, title, place: &place, why: &described.message };
                    let result = self.violation(&subject, observed, suppressions.to_vec());
                    self.results.push(result);
                }
            }
            let problem = match fault {
                Fault::Failure(failure) if matches!(failure.cause, Cause::Crash(_)) => Problem::Crash,
                Fault::Failure(_) | Fault::NotRun { .. } | Fault::Incomplete { .. } | Fault::Unsupported(_) => {
                    let message = format!("{}: {}", case.label, described.message);
                    let details = described.details.iter().map(|line| format!("\n{}", line.text.trim()));
                    self.not_checked(Level::Error, std::iter::once(message).chain(details).collect(), &place);
                    continue;
                }
                _ if !found.is_empty() => continue,
                Fault::Unmet { .. } => Problem::Expectation,
                _ => Problem::Other,
            };
            let subject = Subject { case, title: title(fault), place: &place, why: &described.message };
            let details: Vec<&str> = described.details.iter().map(|line| line.text.trim_end()).collect();
            let site = if let Fault::Unmet { site, .. } = fault { site.as_ref() } else { None };
            let result = self.problem(&subject, problem, &details, site, suppressions.to_vec());
            self.results.push(result);
        }
    }

    /// A violation, at the line that allocates or else where the spec asks for it.
    fn violation(&self, subject: &Subject, observed: &Observed, suppressions: Vec<Suppression>) -> SarifResult {
        let row = &observed.row;
        let site = observed.site.as_ref();
        let at = site.map_or(String::new(), |site| format!(" at {}", site.frame.place()));
        let library = if row.library.is_empty() { String::new() } else { format!(" by {}", row.library) };
        let size = match row.size.to_string() {
            size if size == "-" => String::new(),
            size => format!(", {size}"),
        };
        let access = observed.access.as_deref();
        let is_in_heap = row.subject == ContextPath::heap().to_string();
        let act = access.map_or(String::new(), |access| format!(": {}", detail::act(row.check, access, is_in_heap)));
        let text = format!("{} in \"{}\"{size}{library}{at}{act} ({})", row.check, row.subject, subject.name());
        let severity = row.severity.map_or(Severity::Warning, |(_, high)| high);
        let (locations, related_locations) =
            self.locations.of_result(site, self.locations.of_place(subject.place), subject.why);
        let function = site.and_then(|site| site.frame.symbol.as_deref()).unwrap_or_default();
        let library = without_release(&row.library);
        SarifResult {
            rule_id: row.check.as_str(),
            rule_index: rules::of_check(row.check),
            level: level(severity),
            message: Text::plain(text),
            locations,
            related_locations,
            stacks: self.locations.stacks(site, access),
            code_flows: site.and_then(|site| self.locations.flow(site)).into_iter().collect(),
            partial_fingerprints: fingerprint(subject, &[row.check.as_str(), &row.subject, library, function]),
            suppressions,
            properties: Properties {
                row: Some(row.to_string()),
                bytes_per_iteration: Some(observed.bytes_per_iter).filter(|bytes| bytes.is_finite()),
                ..subject.properties()
            },
        }
    }

    /// Something that is wrong and is no violation by itself.
    fn problem(
        &self,
        subject: &Subject,
        problem: Problem,
        details: &[&str],
        site: Option<&Site>,
        suppressions: Vec<Suppression>,
    ) -> SarifResult {
        let text: Vec<&str> = std::iter::once(subject.why).chain(details.iter().copied()).collect();
        let (locations, related_locations) =
            self.locations.of_result(site, self.locations.of_place(subject.place), subject.why);
        SarifResult {
            rule_id: problem.id(),
            rule_index: problem.index(),
            level: Level::Error,
            message: Text::plain(text.join("\n")),
            locations,
            related_locations,
            stacks: self.locations.stacks(site, None),
            code_flows: Vec::new(),
            partial_fingerprints: fingerprint(subject, &[problem.id()]),
            suppressions,
            properties: subject.properties(),
        }
    }

    /// The place of a clause that allows something, and what it says.
    fn suppression(&self, by: &Known, case: &Case) -> Suppression {
        let is_in_spec = case.source.path.to_string_lossy() == by.file;
        let until = by.until.as_ref().map_or(String::new(), |until| format!(" (until {until})"));
        Suppression {
            kind: if is_in_spec { "inSource" } else { "external" },
            status: "accepted",
            justification: format!("{}{until}", by.because),
            location: Some(self.locations.of_file(&by.file, by.line, by.column)),
        }
    }
}

/// Writes a log of one invocation.
fn write(
    out: &mut dyn Write,
    locations: &Locations,
    invocation: Invocation,
    results: Vec<SarifResult>,
) -> io::Result<()> {
    let driver = Driver {
        name: "mcspec",
        semantic_version: env!("CARGO_PKG_VERSION"),
        rules: rules::rules(),
        notifications: rules::notifications(),
    };
    let root = locations.root();
    let run = Run {
        tool: Tool { driver },
        invocations: [invocation],
        original_uri_base_ids: BTreeMap::from([(ROOT, ArtifactLocation { uri: root, uri_base_id: None })]),
        column_kind: "unicodeCodePoints",
        results,
    };
    serde_json::to_writer_pretty(&mut *out, &Log { schema: SCHEMA, version: VERSION, runs: [run] })?;
    writeln!(out)?;
    out.flush()
}

/// What a result is about.
struct Subject<'a> {
    case: &'a Case,
    /// The scenario or permutation.
    title: &'a str,
    /// Where the spec asks for it.
    place: &'a Place,
    /// What is wrong with it.
    why: &'a str,
}

impl Subject<'_> {
    /// `lookup: scenario growth_benchmark lookup`
    fn name(&self) -> String {
        match self.title {
            "" => self.case.label.clone(),
            title => format!("{}: {title}", self.case.label),
        }
    }

    fn properties(&self) -> Properties {
        let (spec, scenario) = (self.case.label.clone(), self.title.to_owned());
        Properties { spec, scenario, row: None, bytes_per_iteration: None }
    }
}

impl<W: Write> Reporter for Sarif<W> {
    fn verdict(&mut self, case: &Case, _outcome: &Outcome, verdict: &Verdict) -> io::Result<()> {
        let whole = case.place(0);
        match &verdict.status {
            Status::Passed => {}
            Status::Failed | Status::Unsupported => self.faults(case, verdict, &[]),
            Status::ExpectedFailure(reason) => {
                let suppression = Suppression {
                    kind: "inSource",
                    status: "accepted",
                    justification: reason.clone(),
                    location: Some(self.locations.of_place(&whole)),
                };
                self.faults(case, verdict, &[suppression]);
            }
            Status::Skipped(reason) => {
                self.not_checked(Level::Note, format!("{}: skipped: {reason}", case.label), &whole);
            }
            Status::Interrupted(reason) => {
                self.is_interrupted = true;
                self.not_checked(Level::Error, format!("{}: {reason}", case.label), &whole);
            }
        }
        for title in &case.left_out {
            let message = format!("{}: {title}: is not for this server", case.label);
            self.not_checked(Level::Note, message, &whole);
        }
        for note in notes(case, verdict) {
            self.not_checked(Level::Note, format!("{}: {note}", case.label), &whole);
        }
        for group in allowed::groups(verdict) {
            let suppression = self.suppression(group.by, case);
            for (title, observed) in &group.found {
                let scenario = case.scenarios.iter().find(|scenario| scenario.title == *title);
                let place = scenario.map_or_else(|| whole.clone(), |scenario| scenario.place.clone());
                let subject = Subject { case, title, place: &place, why: title };
                let result = self.violation(&subject, observed, vec![suppression.clone()]);
                self.results.push(result);
            }
        }
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let warning = |(place, message): (&Place, String)| Notification {
            descriptor: Reference { id: rules::CONFIGURATION, index: 1 },
            level: Level::Warning,
            message: Text::plain(message),
            locations: vec![self.locations.of_place(place)],
        };
        // What is not checked for an error makes the results incomplete (3.58.6).
        let is_whole = self.not_checked.iter().all(|notification| notification.level != Level::Error);
        let could_run = is_whole && summary.unsupported == 0 && !self.is_interrupted;
        let (exit_code, why) = match self.is_interrupted {
            true => (INTERRUPTED, "interrupted".to_owned()),
            false => (summary.exit_code(), summary.to_string()),
        };
        let configuration = warnings(summary).map(warning).collect();
        self.write(could_run, exit_code, why, configuration)
    }

    fn not_run(&mut self, why: &NotRun) -> io::Result<()> {
        for problem in &why.problems {
            let hint = problem.diagnostic.hint.iter().map(|hint| format!("\nHINT:  {hint}"));
            let message = std::iter::once(problem.diagnostic.message.clone()).chain(hint).collect();
            self.not_checked(Level::Error, message, &problem.place());
        }
        if why.problems.is_empty() {
            self.not_checked.push(Notification {
                descriptor: Reference { id: NOT_CHECKED, index: 0 },
                level: Level::Error,
                message: Text::plain(why.lines().join("\n")),
                locations: Vec::new(),
            });
        }
        self.write(false, why.exit.into(), why.headline().to_owned(), Vec::new())
    }
}

/// The exit code of a run that was interrupted by SIGINT.
const INTERRUPTED: i32 = 130;

/// The scenario or permutation that a fault is about, where it is about one.
fn title(fault: &Fault) -> &str {
    match fault {
        Fault::Unmet { title, .. }
        | Fault::Differs { title, .. }
        | Fault::Inexact { title, .. }
        | Fault::NotRepeated { title, .. }
        | Fault::Unloaded { title, .. } => title,
        _ => "",
    }
}

const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Info => Level::Note,
        Severity::Warning => Level::Warning,
        Severity::Error => Level::Error,
    }
}

/// What makes a result the same in the next run: no line, no size and no version is part of it.
fn fingerprint(subject: &Subject, parts: &[&str]) -> BTreeMap<&'static str, String> {
    let whole: Vec<&str> =
        [subject.case.name.as_str(), subject.title].into_iter().chain(parts.iter().copied()).collect();
    fingerprint_of(&whole)
}

fn fingerprint_of(parts: &[&str]) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("mcspecViolation/v1", format!("{:016x}", hash(&parts.join("\0"))))])
}

#[cfg(test)]
mod tests {
    use memcheck_core::CheckKind;

    use super::*;

    #[test]
    fn every_check_has_its_rule() {
        for &check in CheckKind::ALL {
            assert_eq!(rules::rules()[rules::of_check(check)].id, check.as_str());
        }
        for problem in [Problem::Crash, Problem::Expectation, Problem::Other, Problem::Hang, Problem::Answers] {
            assert_eq!(rules::rules()[problem.index()].id, problem.id());
        }
        assert_eq!(rules::notifications()[0].id, NOT_CHECKED);
        assert_eq!(rules::notifications()[1].id, rules::CONFIGURATION);
    }
}

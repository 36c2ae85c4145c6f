//! What a release is decided by: everything that results say, on one list, and whether that is enough.

mod gate;
mod goldens;
mod growth;
mod markdown;
mod score;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use memcheck_core::gap::GAPS;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::json::{CaseRecord, RunReport};
use crate::results::schema::ScenarioResult;

pub use goldens::Goldens;
pub use growth::Growth;
pub use markdown::markdown;
pub use score::{Score, Scores};

/// The version of the structure.
pub const FORMAT: u32 = 1;

/// Everything that is on the list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Checklist {
    /// [`FORMAT`]
    pub format: u32,
    /// The version of mcspec that wrote it.
    pub mcspec: String,
    /// Whether all that is required is there.
    pub holds: bool,
    /// What is required, and what is there.
    pub requirements: Vec<Requirement>,
    /// Versions of extensions, as their servers had them.
    pub extensions: Vec<Extension>,
    /// The libraries that were charged.
    pub libraries: Vec<Library>,
    /// The servers.
    pub servers: Vec<Server>,
    /// The specs with their verdicts.
    pub specs: Vec<Spec>,
    /// Where most was kept, the worst first.
    pub growth: Vec<Growth>,
    /// Violations that are allowed.
    pub allowed: Vec<Allowed>,
    /// What has become of the goldens; none where that is not known.
    pub goldens: Option<Goldens>,
    /// Which places were reached.
    pub coverage: Option<Score>,
    /// Which dropped calls were caught.
    pub mutation: Option<Score>,
    /// Specs that did not pass, and why.
    pub exceptions: Vec<Exception>,
    /// What was not looked at, and why.
    pub not_checked: Vec<NotChecked>,
}

/// Something that is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    /// What, in a line.
    pub what: String,
    /// What is there instead, or that it is.
    pub found: String,
    /// Whether it is there; none where it is not required.
    pub holds: Option<bool>,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its versions, where servers had several.
    pub versions: Vec<String>,
}

/// A library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// The build by the major version of its server; empty where a linker has written none.
    pub builds: BTreeMap<u32, String>,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// Major version.
    pub major: u32,
    /// `version()`
    pub version: String,
    /// Whether it was built with assertions.
    pub assertions: bool,
    /// The engine's version.
    pub engine: String,
    /// How many specs ran there.
    pub specs: usize,
}

/// A spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// Its verdict by major version; 0 where it was not run.
    pub verdicts: BTreeMap<u32, String>,
    /// Its scenarios and permutations, with how many kinds of violations each has.
    pub scenarios: BTreeMap<String, usize>,
}

/// A violation that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Allowed {
    /// Why.
    pub because: String,
    /// The day from which on it is not.
    pub until: Option<String>,
    /// Where that is written: file and line.
    pub at: String,
    /// The violations, as a golden would have them.
    pub rows: BTreeSet<String>,
}

/// A spec that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// The spec, with the version where there were several.
    pub spec: String,
    /// How it ended.
    pub status: String,
    /// Why.
    pub reason: String,
}

/// Something that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NotChecked {
    /// What.
    pub what: String,
    /// Why not.
    pub reason: String,
    /// Of which specs.
    pub specs: BTreeSet<String>,
}

/// What is known besides the results.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Names of the specs that there are.
    pub specs: Vec<String>,
    /// What has become of the goldens, or why that is not known.
    pub goldens: Option<Goldens>,
    /// Coverage and mutation score.
    pub scores: Scores,
    /// Today, as dates of allowances have it.
    pub today: String,
    /// What does not fit together of several results.
    pub remarks: Vec<String>,
    /// Whether parts of a run are not among them.
    pub is_incomplete: bool,
}

impl Checklist {
    /// The list of a report, held against what is required.
    pub fn of(report: &RunReport, surroundings: Surroundings, required: &crate::config::Checklist) -> Self {
        let Surroundings { specs: all, goldens, scores, today, remarks, is_incomplete } = surroundings;
        let mut list = Checklist {
            format: FORMAT,
            mcspec: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: extensions(&report.cases),
            libraries: libraries(&report.cases),
            servers: servers(&report.cases),
            specs: specs(&report.cases),
            growth: growth::worst(&report.cases),
            allowed: allowed(&report.cases),
            goldens,
            coverage: scores.coverage,
            mutation: scores.mutation,
            exceptions: exceptions(report),
            not_checked: not_checked(report, &all, &remarks),
            ..Checklist::default()
        };
        list.requirements = gate::requirements(&list, report, required, &all, &today);
        list.requirements.insert(1, gate::whole(is_incomplete));
        list.holds = list.requirements.iter().all(|requirement| requirement.holds != Some(false));
        list
    }

    /// The same as JSON, with a newline at its end.
    pub fn json(&self) -> String {
        // There is nothing in it that JSON has no form for.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

fn extensions(cases: &[CaseRecord]) -> Vec<Extension> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, version) in cases.iter().filter_map(|case| case.server.as_ref()).flat_map(|server| &server.extensions) {
        versions.entry(name).or_default().insert(version);
    }
    let extension = |(name, versions): (&str, BTreeSet<&str>)| Extension {
        name: name.to_owned(),
        versions: versions.into_iter().map(str::to_owned).collect(),
    };
    versions.into_iter().map(extension).collect()
}

fn libraries(cases: &[CaseRecord]) -> Vec<Library> {
    let mut libraries: BTreeMap<&str, BTreeMap<u32, String>> = BTreeMap::new();
    for server in cases.iter().filter_map(|case| case.server.as_ref()) {
        for (name, build) in &server.libraries {
            libraries.entry(name).or_default().insert(server.major, build.clone());
        }
    }
    libraries.into_iter().map(|(name, builds)| Library { name: name.to_owned(), builds }).collect()
}

fn servers(cases: &[CaseRecord]) -> Vec<Server> {
    let mut servers: BTreeMap<(u32, &str, bool, &str), usize> = BTreeMap::new();
    for server in cases.iter().filter_map(|case| case.server.as_ref()) {
        *servers.entry((server.major, &server.version, server.assertions, &server.engine)).or_default() += 1;
    }
    let server = |((major, version, assertions, engine), specs): ((u32, &str, bool, &str), usize)| Server {
        major,
        version: version.to_owned(),
        assertions,
        engine: engine.to_owned(),
        specs,
    };
    servers.into_iter().map(server).collect()
}

fn specs(cases: &[CaseRecord]) -> Vec<Spec> {
    let mut specs: Vec<Spec> = Vec::new();
    for case in cases {
        let at = specs.iter().position(|spec| spec.name == case.name).unwrap_or_else(|| {
            specs.push(Spec { name: case.name.clone(), verdicts: BTreeMap::new(), scenarios: BTreeMap::new() });
            specs.len() - 1
        });
        let major = case.server.as_ref().map_or(0, |server| server.major);
        let verdict = specs[at].verdicts.entry(major).or_default();
        // Of several runs on one version the worse counts.
        if verdict.is_empty() || case.status == "failed" {
            case.status.clone_into(verdict);
        }
        for scenario in &case.scenarios {
            let count = specs[at].scenarios.entry(scenario.title.clone()).or_default();
            *count = (*count).max(scenario.rows.len());
        }
    }
    specs
}

fn allowed(cases: &[CaseRecord]) -> Vec<Allowed> {
    let mut allowed: BTreeMap<(String, String, Option<String>), BTreeSet<String>> = BTreeMap::new();
    for row in cases.iter().flat_map(|case| &case.scenarios).flat_map(|scenario| &scenario.rows) {
        if let Some(known) = &row.allowed {
            let key = (format!("{}:{}", known.file, known.line), known.because.clone(), known.until.clone());
            allowed.entry(key).or_default().insert(row.row.clone());
        }
    }
    allowed.into_iter().map(|((at, because, until), rows)| Allowed { because, until, at, rows }).collect()
}

fn exceptions(report: &RunReport) -> Vec<Exception> {
    let of_case = |case: &CaseRecord| {
        let reason = case.reason.clone().or_else(|| case.faults.first().map(|fault| fault.message.clone()));
        Exception { spec: case.label.clone(), status: case.status.clone(), reason: reason.unwrap_or_default() }
    };
    let mut exceptions: Vec<Exception> = report
        .error
        .iter()
        .map(|error| Exception {
            spec: String::new(),
            status: "not run".to_owned(),
            reason: error.message.lines().next().unwrap_or_default().to_owned(),
        })
        .collect();
    exceptions.extend(report.cases.iter().filter(|case| case.status != "passed").map(of_case));
    exceptions
}

fn not_checked(report: &RunReport, all: &[String], remarks: &[String]) -> Vec<NotChecked> {
    let mut lines: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut add = |what: &str, reason: &str, spec: &str| {
        lines.entry((what.to_owned(), reason.to_owned())).or_default().insert(spec.to_owned());
    };
    for spec in missing(report, all) {
        add("specs that were not run", "no result of theirs is among these", spec);
    }
    for remark in remarks {
        add("results", remark, "");
    }
    if let Some(reason) = &report.summary.untraced {
        add("allocations were not traced", reason, "");
    }
    for case in &report.cases {
        for (titles, reason) in [
            (&case.left_out, "not for this server"),
            (&case.not_selected, "not in the part of the spec that was run"),
            (&case.not_run, "a failure before it"),
        ] {
            titles.iter().for_each(|title| add(title, reason, &case.label));
        }
        for scenario in &case.scenarios {
            gaps(scenario).for_each(|reason| add(&scenario.title, &reason, &case.label));
        }
    }
    lines.into_iter().map(|((what, reason), specs)| NotChecked { what, reason, specs }).collect()
}

/// Why the windows of a scenario have not seen everything.
fn gaps(scenario: &ScenarioResult) -> impl Iterator<Item = String> {
    let of_windows = scenario.windows.iter().flat_map(|window| {
        let gaps = GAPS.iter().filter(|gap| window.statistics.get(gap.figure).is_some_and(|figure| *figure > 0));
        let unconfirmed = window.confirmation.as_ref().and_then(|confirmation| confirmation.unconfirmed.clone());
        let unconfirmed =
            unconfirmed.map(|why| format!("growth was not confirmed: {}", why.lines().next().unwrap_or_default()));
        gaps.map(|gap| gap.refusal.to_owned()).chain(unconfirmed)
    });
    let failure = scenario.failure.iter().map(|text| text.lines().next().unwrap_or_default().to_owned());
    of_windows.chain(failure)
}

/// The specs that there are and that no result is of.
fn missing<'a>(report: &RunReport, all: &'a [String]) -> Vec<&'a str> {
    let has = |name: &str| {
        // A spec with matrices is a case for each of their values.
        report.cases.iter().any(|case| case.name == name || case.name.starts_with(&format!("{name}[")))
    };
    all.iter().map(String::as_str).filter(|name| !has(name)).collect()
}

/// The name of a source file as it is shown: its last part.
fn short(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file)
}

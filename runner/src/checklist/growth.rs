//! Where most was kept.

use std::collections::BTreeMap;

use memcheck_core::wire::{FindingRecord, SiteRecord};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::short;
use crate::report::json::CaseRecord;

/// How many places are told.
const TOLD: usize = 20;

/// What a place in the code keeps in a context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Growth {
    /// The kind of violation.
    pub check: String,
    /// The context.
    pub context: String,
    /// The function with its file and line; none where allocations were not traced.
    pub site: Option<String>,
    /// The library.
    pub library: String,
    /// The most bytes that an iteration has kept.
    pub bytes_per_iter: f64,
    /// How it grew.
    pub shape: Option<String>,
    /// The spec that this was measured in, with the version where there were several.
    pub spec: String,
    /// The scenario.
    pub scenario: String,
    /// Whether each of its violations is allowed.
    pub is_allowed: bool,
}

/// The worst of each context and site over all servers, the worst first.
pub(super) fn worst(cases: &[CaseRecord]) -> Vec<Growth> {
    let mut worst: BTreeMap<(String, Option<String>, String), Growth> = BTreeMap::new();
    for case in cases {
        for scenario in &case.scenarios {
            let is_allowed = !scenario.rows.is_empty() && scenario.rows.iter().all(|row| row.allowed.is_some());
            for finding in scenario.findings.iter().filter(|finding| finding.bytes_per_iter > 0.0) {
                let found = growth(finding, case, &scenario.title, is_allowed);
                let key = (found.context.clone(), found.site.clone(), found.library.clone());
                match worst.get(&key) {
                    Some(known) if known.bytes_per_iter >= found.bytes_per_iter => {}
                    _ => _ = worst.insert(key, found),
                }
            }
        }
    }
    let mut worst: Vec<Growth> = worst.into_values().collect();
    worst.sort_by(|one, other| other.bytes_per_iter.total_cmp(&one.bytes_per_iter));
    worst.truncate(TOLD);
    worst
}

fn growth(finding: &FindingRecord, case: &CaseRecord, scenario: &str, is_allowed: bool) -> Growth {
    Growth {
        check: finding.check.clone(),
        context: finding.context_path.join("/"),
        site: finding.site.as_ref().map(site),
        library: finding.source_lib.clone(),
        bytes_per_iter: finding.bytes_per_iter,
        shape: finding.shape.clone(),
        spec: case.label.clone(),
        scenario: scenario.to_owned(),
        is_allowed,
    }
}

fn site(site: &SiteRecord) -> String {
    let frame = &site.frame;
    let function = frame
        .address
        .symbol
        .clone()
        .unwrap_or_else(|| format!("{}+{:#x}", frame.address.library, frame.address.offset));
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{function} ({}:{line})", short(file)),
        _ => function,
    }
}

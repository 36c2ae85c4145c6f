//! JSON schemas: of `mcspec.toml`, for editors, and of what mcspec writes, for programs that read it.

mod file;
#[cfg(test)]
mod tests;

use schemars::{Schema, schema_for};

use crate::checklist::Checklist;
use crate::compare::record::{ComparisonRecord, TrendRecord};
use crate::coverage::CoverageRecord;
use crate::mutate::MutationRecord;
use crate::report::json::RunReport;
use crate::results::schema::{CaseResult, RunIndex};

/// A schema by its name.
pub struct Named {
    /// The name on the command line, and of the file in `docs/schema`.
    pub name: &'static str,
    /// What it is of.
    pub about: &'static str,
    make: fn() -> Schema,
}

/// All of them.
pub const SCHEMAS: [Named; 9] = [
    Named { name: "config", about: "mcspec.toml", make: || schema_for!(file::Config) },
    Named { name: "result", about: "results/NAME.json", make: || schema_for!(CaseResult) },
    Named { name: "run", about: "results/run.json", make: || schema_for!(RunIndex) },
    Named { name: "report", about: "the JSON report of \"mcspec run\"", make: || schema_for!(RunReport) },
    Named { name: "checklist", about: "the JSON of \"mcspec checklist\"", make: || schema_for!(Checklist) },
    Named { name: "coverage", about: "results/coverage.json", make: || schema_for!(CoverageRecord) },
    Named { name: "mutations", about: "results/mutations.json", make: || schema_for!(MutationRecord) },
    Named { name: "compare", about: "the JSON of \"mcspec compare\"", make: || schema_for!(ComparisonRecord) },
    Named { name: "trend", about: "the JSON of \"mcspec compare --trend\"", make: || schema_for!(TrendRecord) },
];

impl Named {
    /// The schema as JSON, with a newline at its end.
    pub fn text(&self) -> String {
        // There is nothing in it that JSON has no form for.
        serde_json::to_string_pretty(&(self.make)()).unwrap_or_default() + "\n"
    }
}

//! What a spec says that is allowed and yet probably not meant. One file for each lint; none needs a server, and none is about
//! style: each names something that makes a spec check less than it seems to.

mod allowed;
mod contradicting;
mod duplicate;
mod few_iterations;
mod glob;
mod literal;
mod no_expectation;
mod no_warmup;
mod not_scheduled;
mod unused_session;
mod unused_step;
mod unused_variable;
mod vacuous;

use std::collections::HashSet;

pub use allowed::of_all;

use super::ast::{Block, Expect, Scenario, Spec, WorkloadSource};
use super::diagnostic::Diagnostic;

/// One lint.
#[derive(Debug, Clone, Copy)]
pub struct Lint {
    /// `W001`: what it is called in messages. A code is never used again for something else.
    pub code: &'static str,
    /// What it is about, in Markdown.
    pub explanation: &'static str,
    find: fn(&Subject, &mut Vec<Diagnostic>),
}

/// Makes the table of lints from their codes and modules.
macro_rules! lints {
    ($($code:literal $module:ident)+) => {
        /// All lints, in the order of their codes.
        pub const LINTS: &[Lint] = &[$(Lint {
            code: $code,
            explanation: include_str!(concat!("../../explain/lint/", $code, ".md")),
            find: $module::find,
        },)+];
    };
}

lints! {
    "W001" no_expectation
    "W002" few_iterations
    "W003" no_warmup
    "W004" duplicate
    "W005" vacuous
    "W006" contradicting
    "W007" unused_variable
    "W008" unused_step
    "W009" unused_session
    "W010" literal
    "W011" allowed
    "W012" glob
    "W013" not_scheduled
}

/// Something that a lint has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The lint's code.
    pub code: &'static str,
    /// What was found, and where.
    pub diagnostic: Diagnostic,
}

/// What is around a spec.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// SQL that the spec uses from other files: fixtures of included files, workload files.
    pub elsewhere: &'a [&'a str],
    /// Its name, where there is a schedule that does not have it.
    pub not_scheduled: Option<&'a str>,
}

/// What lints look at.
struct Subject<'a> {
    text: &'a str,
    spec: &'a Spec,
    around: Surroundings<'a>,
    /// The steps that permutations launch.
    launched: HashSet<&'a str>,
    /// Where lines end.
    newlines: Vec<usize>,
}

/// Looks at a spec that has no errors, and at its text. In the order of the text.
pub fn lint(text: &str, spec: &Spec, around: Surroundings) -> Vec<Warning> {
    let launches = spec.permutations.iter().flat_map(|permutation| &permutation.steps);
    let launched = launches.map(|step| step.name.value.as_str()).collect();
    let newlines = text.match_indices('\n').map(|(at, _)| at).collect();
    let subject = Subject { text, spec, around, launched, newlines };
    let mut warnings = Vec::new();
    for lint in LINTS {
        let mut found = Vec::new();
        (lint.find)(&subject, &mut found);
        warnings.extend(found.into_iter().map(|diagnostic| Warning { code: lint.code, diagnostic }));
    }
    warnings.sort_by_key(|warning| warning.diagnostic.span.start);
    warnings
}

impl<'a> Subject<'a> {
    /// The line that an offset is in, from 1.
    fn line(&self, offset: usize) -> usize {
        self.newlines.partition_point(|&newline| newline < offset) + 1
    }

    /// The `expect` clauses, scenario by scenario and permutation by permutation.
    fn expects(&self) -> impl Iterator<Item = &'a [Expect]> {
        let scenarios = self.spec.scenarios.iter().map(|scenario| scenario.expects.as_slice());
        scenarios.chain(self.spec.permutations.iter().map(|permutation| permutation.expects.as_slice()))
    }

    /// The spec's own blocks of SQL, in which variables are replaced.
    fn blocks(&self) -> impl Iterator<Item = &'a Block> {
        let spec = self.spec;
        let fixtures = spec.setup.iter().chain(&spec.teardown);
        let scenarios = spec
            .scenarios
            .iter()
            .flat_map(|scenario| scenario.setup.iter().chain(&scenario.teardown).chain(workloads(scenario)));
        let sessions = spec.sessions.iter().flat_map(|session| {
            let steps = session.steps.iter().map(|step| &step.sql);
            session.setup.iter().chain(steps).chain(&session.teardown)
        });
        fixtures.chain(scenarios).chain(sessions)
    }
}

/// The workloads that a scenario does not have in files.
fn workloads(scenario: &Scenario) -> impl Iterator<Item = &Block> {
    scenario.workloads.iter().filter_map(|workload| match &workload.source {
        WorkloadSource::Inline(block) => Some(block),
        WorkloadSource::File(_) => None,
    })
}

/// How often the workload of a scenario is repeated while it is watched.
fn iterations(scenario: &Scenario) -> u64 {
    let default = scenario.kind.value.description().iterations.default;
    scenario.iterations.as_ref().map_or(default, |iterations| iterations.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_explained() {
        for (i, lint) in LINTS.iter().enumerate() {
            assert_eq!(lint.code, format!("W{:03}", i + 1));
            assert!(lint.explanation.starts_with(&format!("# {}: ", lint.code)), "{}", lint.explanation);
        }
    }
}

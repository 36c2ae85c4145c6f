//! Steps of a permutation that did not do what they say. Expectations are about violations: they are met as well where a step
//! did nothing at all.

use std::time::Duration;

use super::Fault;
use crate::exec::failure::{Cause, Failure, Step, Stopped};
use crate::exec::happening::{Happening, Outcome};
use crate::exec::outcome::PermutationOutcome;
use crate::plan::{Case, Sessions};

/// The first step in each run that was cancelled because its time was up; one for all runs.
pub(super) fn cancelled(case: &Case, found: &PermutationOutcome) -> Option<Fault> {
    let (plan, permutation) = (&case.sessions, &case.sessions.permutations[found.permutation]);
    checked(found).find_map(|happening| {
        let Happening::Cancelled { step, after } = happening else { return None };
        let step = &plan.steps[*step];
        let limit = permutation.timeout.unwrap_or(Duration::from_secs(after.as_secs()));
        let cause = Cause::Timeout { limit, stopped: Stopped::Cancelled };
        Some(Fault::Failure(Failure::at(Step::SessionStep(step.name.clone()), Some(&step.batch.place), cause)))
    })
}

/// `step "a" ended with ERROR 42P05`, once for each step and code.
pub(super) fn failed(plan: &Sessions, found: &PermutationOutcome) -> Vec<String> {
    let mut notes = Vec::new();
    let mut name = "";
    for happening in checked(found) {
        match happening {
            Happening::Completed { step, .. } => name = &plan.steps[*step].name,
            Happening::Outcome(Outcome::Failed(error)) => {
                let note = format!("step \"{name}\" ended with {} {}", error.severity, error.code);
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            _ => {}
        }
    }
    notes
}

fn checked(found: &PermutationOutcome) -> impl Iterator<Item = &Happening> {
    found.runs.iter().flat_map(|run| &run.happenings)
}

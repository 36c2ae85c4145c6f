//! What happened in a permutation, in the lines of a golden: which step was reported when, whether it waited, and how it
//! failed. No SQL text, no results, no messages.

use memcheck_core::golden::row::escaped;

use crate::exec::happening::{Happening, Outcome, Wait};
use crate::plan::Sessions;

/// The line of a permutation in which no step had to wait for another session.
const NO_OVERLAP: &str = "no overlap";

/// The lines of one run of a permutation.
pub fn trace(plan: &Sessions, happenings: &[Happening]) -> Vec<String> {
    let name = |step: usize| escaped(&plan.steps[step].name);
    let mut lines: Vec<String> = Vec::new();
    let mut overlap = false;
    for happening in happenings {
        match happening {
            Happening::Waiting { step, wait } => {
                overlap = true;
                lines.push(match wait {
                    Wait::Usual => format!("{} <waiting ...>", name(*step)),
                    Wait::Event(kind) => format!("{} <waiting: {kind}>", name(*step)),
                });
            }
            Happening::Completed { step, waited: true } => lines.push(format!("{} <... completed>", name(*step))),
            Happening::Completed { step, waited: false } => lines.push(name(*step)),
            Happening::Cancelled { step, .. } => lines.push(format!("{} <cancelled>", name(*step))),
            Happening::Outcome(outcome) => {
                let failure = match outcome {
                    Outcome::Failed(error) => format!(" {} {}", error.severity, error.code),
                    // The server has said why, or there was nobody left to say it.
                    Outcome::Lost => " <connection lost>".to_owned(),
                    Outcome::Unexpected(_) => " <unexpected result>".to_owned(),
                    Outcome::Command | Outcome::Rows(_) | Outcome::TimedOut { .. } => continue,
                };
                if let Some(line) = lines.last_mut() {
                    *line += &failure;
                }
            }
            Happening::Begins { .. }
            | Happening::Notice { .. }
            | Happening::Fixture(_)
            | Happening::Forgiven(_)
            | Happening::Notified { .. } => {}
        }
    }
    if !overlap {
        lines.push(NO_OVERLAP.to_owned());
    }
    lines
}

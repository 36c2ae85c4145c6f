//! From what a window has seen to its findings.
//!
//! A scenario supplies its own part, as a [`Reading`] or as a whole function of the [`Evidence`]; what is common to several is
//! here.

pub mod complaint;
pub mod credit;
pub mod cursor;
pub mod curve;
pub mod event;
mod evidence;
mod going_on;
pub mod growth;
mod mark;
pub mod outlived;
pub mod peak;
mod quarters;
mod reading;
pub mod repeated;
mod rules;
#[cfg(test)]
mod tests;
pub mod thresholds;
pub mod traced;
pub mod tree;
pub mod untraced;
pub mod workers;

pub use curve::{Contexts, Curve, Held, Trend};
pub use evidence::Evidence;
pub use going_on::GoingOn;
pub use mark::Mark;
pub use reading::Reading;
pub use rules::{Filter, Rules};

use crate::finding::Finding;
use crate::judge::growth::spaced;

/// Judges the contexts of a window as a scenario reads them: by the allocations of the targets where those are traced, and
/// else by context totals. One finding for each bug, worst first, then by path.
pub fn judge(reading: &dyn Reading, evidence: &Evidence) -> Vec<Finding> {
    let untraced = untraced::judge(reading, evidence);
    match evidence.places {
        Some(places) => traced::judge(reading, evidence, places, &untraced),
        None => untraced,
    }
}

/// Findings with no more of their curves than is shown: the first mark, and those that are [`spaced`].
pub fn shown(mut findings: Vec<Finding>) -> Vec<Finding> {
    for finding in &mut findings {
        let iterations: Vec<u64> = finding.marks.iter().map(|mark| mark.iteration).collect();
        finding.marks = spaced(&iterations).into_iter().map(|at| finding.marks[at]).collect();
    }
    findings
}

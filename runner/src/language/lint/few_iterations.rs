//! A benchmark too short for its curve to have a shape.

use memcheck_core::ScenarioKind;

use super::Subject;
use crate::language::diagnostic::Diagnostic;

/// From here on there are three checkpoints after the first: at 1, the half, and the last iteration.
const ENOUGH: u64 = 10;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    let benchmarks =
        subject.spec.scenarios.iter().filter(|scenario| scenario.kind.value == ScenarioKind::GrowthBenchmark);
    for iterations in benchmarks.filter_map(|scenario| scenario.iterations.as_ref()) {
        if iterations.value < ENOUGH {
            let message = "too few iterations to tell memory that is taken once from memory that leaks";
            let hint = format!("take at least {ENOUGH}, better 1000");
            found.push(Diagnostic::new(iterations.span.clone(), message).with_hint(hint));
        }
    }
}

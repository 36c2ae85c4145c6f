//! A scenario too short for its curve to have a shape.

use super::Subject;
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for scenario in &subject.spec.scenarios {
        let fewest = scenario.kind.value.description().iterations.fewest;
        if let Some(iterations) = scenario.iterations.as_ref().filter(|iterations| iterations.value < fewest) {
            let message = "too few iterations to tell memory that is taken once from memory that leaks";
            let hint = format!("take at least {fewest}, better 1000");
            found.push(Diagnostic::new(iterations.span.clone(), message).with_hint(hint));
        }
    }
}

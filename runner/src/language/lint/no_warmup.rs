//! No warm-up where the first iteration is not told from the others.

use super::{Subject, iterations};
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for scenario in &subject.spec.scenarios {
        let settled = scenario.kind.value.description().iterations.settled;
        let tells_first_apart = settled.is_some_and(|settled| iterations(scenario) >= settled);
        if let Some(warmup) = scenario.warmup.as_ref().filter(|warmup| warmup.value == 0)
            && !tells_first_apart
        {
            let message = "without a warm-up, caches that fill on first use are reported as leaks";
            let hint =
                "leave \"warmup\" out, or take at least 6: the sixth execution makes the generic plan".to_owned();
            found.push(Diagnostic::new(warmup.span.clone(), message).with_hint(hint));
        }
    }
}

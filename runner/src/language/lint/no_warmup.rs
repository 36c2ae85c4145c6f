//! No warm-up where the first iteration is not told from the others.

use memcheck_core::ScenarioKind;

use super::{Subject, iterations};
use crate::language::diagnostic::Diagnostic;

/// From here on a benchmark has checkpoints enough to leave what happens once out of its rate.
const LONG: u64 = 100;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for scenario in &subject.spec.scenarios {
        let tells_first_apart = match scenario.kind.value {
            ScenarioKind::Window | ScenarioKind::WrongContextProbe => false,
            ScenarioKind::GrowthBenchmark => iterations(scenario).is_none_or(|iterations| iterations >= LONG),
            _ => true,
        };
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

//! What parses and means something this version, or the spec as it is, cannot do. It is named, never ignored.

use memcheck_core::ScenarioKind;

use super::tracing::trace;
use crate::language::Diagnostic;
use crate::language::ast::{Expect, Expectation, Scenario, Spanned, Spec, Trace};

/// Everything in a spec that cannot be done yet.
pub(super) fn unsupported(spec: &Spec) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for scenario in &spec.scenarios {
        scenario_clauses(spec, scenario, &mut found);
    }
    for expect in spec.permutations.iter().flat_map(|permutation| &permutation.expects) {
        expectation(expect, trace(spec, None), &mut found);
    }
    found
}

fn scenario_clauses(spec: &Spec, scenario: &Scenario, found: &mut Vec<Diagnostic>) {
    let kind = &scenario.kind;
    if !kind.value.is_built() {
        let supported: Vec<&str> = ScenarioKind::built().map(ScenarioKind::as_str).collect();
        let message = format!("scenario \"{}\" is not yet supported", kind.value);
        let hint = format!("supported are {}", supported.join(", "));
        found.push(Diagnostic::new(kind.span.clone(), message).with_hint(hint));
        // Its clauses make sense only with it.
        return;
    }
    // Clauses of some scenarios only are theirs: one that is built knows them.
    for expect in &scenario.expects {
        expectation(expect, trace(spec, Some(scenario)), found);
    }
}

fn expectation(expect: &Expect, trace: Trace, found: &mut Vec<Diagnostic>) {
    match &expect.what {
        Expectation::Violation(violation) => {
            let sites = [("from", &violation.from), ("at", &violation.at)];
            for (name, site) in sites.into_iter().filter(|_| trace == Trace::Off) {
                let untraced = |site: &Spanned<String>| {
                    let message = format!("\"{name}\" needs allocations that are traced");
                    Diagnostic::new(site.span.clone(), message).with_hint("remove \"trace off\"".to_owned())
                };
                found.extend(site.as_ref().map(untraced));
            }
        }
        Expectation::Nothing | Expectation::No { .. } | Expectation::Error(_) => {}
    }
}

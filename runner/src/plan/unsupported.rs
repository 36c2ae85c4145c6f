//! What parses and means something that the spec as it is cannot do. It is named, never ignored.

use super::tracing::trace;
use crate::language::Diagnostic;
use crate::language::ast::{Expect, Expectation, Scenario, Spanned, Spec, Trace};

/// Everything in a spec that cannot be done.
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

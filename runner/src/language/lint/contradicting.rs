//! Expectations that cannot all be met.

use std::collections::HashMap;

use memcheck_core::CheckKind;

use super::Subject;
use crate::language::ast::{Abort, Expect, Expectation, ExpectedViolation, Spanned};
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for expects in subject.expects() {
        // The first clause that excludes these, in any context or in those of these patterns.
        let mut excluded: HashMap<(CheckKind, Vec<&str>), &Expect> = HashMap::new();
        for expect in expects.iter().filter(|expect| expect.when.is_none()) {
            if let Expectation::No { check, contexts } = &expect.what {
                excluded.entry((check.value, patterns(contexts))).or_insert(expect);
            }
        }
        for (expect, violation) in expects.iter().filter_map(needed) {
            let in_these = excluded.get(&(violation.check.value, patterns(&violation.contexts)));
            let anywhere = excluded.get(&(violation.check.value, Vec::new()));
            if let Some(excluded) = in_these.into_iter().chain(anywhere).min_by_key(|excluded| excluded.span.start) {
                let message = format!("\"{}\" is expected here and excluded elsewhere", violation.check.value);
                let hint = format!("see line {}", subject.line(excluded.span.start));
                found.push(Diagnostic::new(expect.span.clone(), message).with_hint(hint));
            }
        }
    }
    for scenario in &subject.spec.scenarios {
        let Some(Abort::One(phase)) = scenario.abort.as_ref().map(|abort| abort.value) else { continue };
        for (_, violation) in scenario.expects.iter().filter_map(needed) {
            if let Some(on) = violation.on.as_ref().filter(|on| on.value != phase) {
                let message = format!("the scenario does not abort by {}", on.value);
                let hint = "\"abort all\" is the default".to_owned();
                found.push(Diagnostic::new(on.span.clone(), message).with_hint(hint));
            }
        }
    }
}

/// A violation that has to be found on every server.
fn needed(expect: &Expect) -> Option<(&Expect, &ExpectedViolation)> {
    match &expect.what {
        Expectation::Violation(violation) if expect.when.is_none() => {
            let none_will_do = violation.count.as_ref().is_some_and(|count| count.value.contains(0.0));
            (!none_will_do).then_some((expect, &**violation))
        }
        _ => None,
    }
}

fn patterns(contexts: &[Spanned<String>]) -> Vec<&str> {
    contexts.iter().map(|like| like.value.as_str()).collect()
}

//! Expectations that cannot all be met.

use super::Subject;
use crate::language::ast::{Abort, Expect, Expectation, ExpectedViolation, Spanned};
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for expects in subject.expects() {
        for (expect, violation) in expects.iter().filter_map(needed) {
            if let Some(excluded) = expects.iter().find(|other| excludes(other, violation)) {
                let message = format!("\"{}\" is expected here and excluded elsewhere", violation.check.value);
                let line = subject.text[..excluded.span.start].matches('\n').count() + 1;
                let hint = format!("see line {line}");
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

/// Whether a clause says on every server that there is no such violation.
fn excludes(expect: &Expect, violation: &ExpectedViolation) -> bool {
    let patterns = |contexts: &[Spanned<String>]| contexts.iter().map(|like| like.value.clone()).collect::<Vec<_>>();
    match &expect.what {
        Expectation::No { check, contexts } if expect.when.is_none() && check.value == violation.check.value => {
            contexts.is_empty() || patterns(contexts) == patterns(&violation.contexts)
        }
        _ => false,
    }
}

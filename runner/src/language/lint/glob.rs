//! A glob where a LIKE pattern is meant.

use super::Subject;
use crate::language::ast::{Expectation, Spanned};
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    let spec = subject.spec;
    let scenarios = spec.scenarios.iter().flat_map(|scenario| {
        let worker = scenario.worker.as_ref().map(|(pattern, _)| pattern);
        scenario.watch.iter().chain(&scenario.allow).chain(worker)
    });
    let sessions = spec.sessions.iter().flat_map(|session| session.watch.iter().chain(&session.allow));
    let expects = subject.expects().flatten().flat_map(|expect| match &expect.what {
        Expectation::No { contexts, .. } => contexts.iter().chain(None),
        Expectation::Violation(violation) => violation.contexts.iter().chain(violation.at.as_ref()),
        Expectation::Nothing | Expectation::Error(_) => [].iter().chain(None),
    });
    for pattern in scenarios.chain(sessions).chain(expects).filter(|pattern| is_glob(pattern)) {
        let message = "\"*\" stands for itself in a LIKE pattern";
        let hint = format!("did you mean '{}'?", pattern.value.replace('*', "%"));
        found.push(Diagnostic::new(pattern.span.clone(), message).with_hint(hint));
    }
}

fn is_glob(pattern: &Spanned<String>) -> bool {
    pattern.value.contains('*')
}

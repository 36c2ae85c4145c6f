//! A step that no permutation launches, in a session of which others are.

use super::Subject;
use crate::language::ast::Session;
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for session in subject.spec.sessions.iter().filter(|session| is_used(subject, session)) {
        for step in session.steps.iter().filter(|step| !is_launched(subject, &step.name.value)) {
            let message = format!("step \"{}\" is in no permutation", step.name.value);
            found.push(Diagnostic::new(step.name.span.clone(), message));
        }
    }
}

/// Whether a step of the session runs.
pub(super) fn is_used(subject: &Subject, session: &Session) -> bool {
    session.steps.iter().any(|step| is_launched(subject, &step.name.value))
}

/// Whether a step runs. Without permutations all do, in all orders.
fn is_launched(subject: &Subject, name: &str) -> bool {
    subject.spec.permutations.is_empty() || subject.launched.contains(name)
}

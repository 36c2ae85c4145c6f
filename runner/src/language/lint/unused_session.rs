//! A session that no permutation has a step of.

use super::{Subject, unused_step};
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for session in subject.spec.sessions.iter().filter(|session| !unused_step::is_used(subject, session)) {
        let message = format!("no step of session \"{}\" is in a permutation", session.name.value);
        let hint = "it is connected and set up nevertheless".to_owned();
        found.push(Diagnostic::new(session.name.span.clone(), message).with_hint(hint));
    }
}

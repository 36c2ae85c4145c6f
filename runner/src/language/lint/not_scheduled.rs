//! A spec that a run of the whole schedule leaves out.

use super::Subject;
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    if let Some(name) = subject.around.not_scheduled {
        let span = subject.spec.title.as_ref().map_or(0..0, |title| title.span.clone());
        let message = "the schedule does not have this spec, so \"mcspec run\" does not run it";
        found.push(Diagnostic::new(span, message).with_hint(format!("add a line \"test: {name}\" to the schedule")));
    }
}

//! An expectation that whatever is found meets.

use super::Subject;
use crate::language::ast::Expectation;
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    for expect in subject.expects().flatten() {
        if let Expectation::Violation(violation) = &expect.what
            && let Some(count) = &violation.count
            && count.value.max.is_none()
            && count.value.contains(0.0)
        {
            let message = "any number of violations is expected, none included";
            let hint = "for at least one, leave \"count\" out; for none, write \"expect no\"".to_owned();
            found.push(Diagnostic::new(count.span.clone(), message).with_hint(hint));
        }
    }
}

//! A scenario whose findings nobody looks at.

use memcheck_core::golden::row::Policy;

use super::Subject;
use crate::language::check::title;
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    let spec = subject.spec;
    if spec.golden.as_ref().is_none_or(|golden| golden.value != Policy::None) {
        return;
    }
    for scenario in spec.scenarios.iter().filter(|scenario| scenario.expects.is_empty()) {
        let message = format!("nothing that scenario \"{}\" finds makes the spec fail", title(scenario));
        let hint =
            "with \"golden none\" nothing is recorded; \"expect none\" says that nothing is to be found".to_owned();
        found.push(Diagnostic::new(scenario.span.clone(), message).with_hint(hint));
    }
}

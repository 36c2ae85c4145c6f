//! Contexts that are watched, and all of them allowed to grow.

use std::collections::HashSet;

use super::Subject;
use crate::language::ast::{Allowance, Spanned};
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    let spec = subject.spec;
    let scenarios = spec.scenarios.iter().filter(|scenario| !scenario.kind.value.description().reports_allowed);
    let scenarios = scenarios.map(|scenario| (&scenario.watch, &scenario.allow));
    for (watch, allow) in scenarios.chain(spec.sessions.iter().map(|session| (&session.watch, &session.allow))) {
        if let Some(pattern) = allow.iter().find(|pattern| !pattern.value.is_empty() && is_any(&pattern.value)) {
            let message = "every context is allowed to grow, so nothing can be found";
            found.push(Diagnostic::new(pattern.span.clone(), message));
        } else if let [first, ..] = watch.as_slice()
            && let allowed = allow.iter().map(|pattern| &pattern.value).collect::<HashSet<_>>()
            && watch.iter().all(|pattern| allowed.contains(&pattern.value))
        {
            let message = "every context that is watched is also allowed to grow, so nothing can be found";
            let hint = "\"watch\" says what is reported, \"allow\" what is not".to_owned();
            found.push(Diagnostic::new(first.span.clone(), message).with_hint(hint));
        }
    }
    let of_scenarios = spec.scenarios.iter().flat_map(|scenario| &scenario.allowances);
    let of_sessions = spec.sessions.iter().flat_map(|session| &session.allowances);
    found.extend(spec.allowances.iter().chain(of_scenarios).chain(of_sessions).filter_map(of_all));
}

/// What is wrong with a clause that is about every violation, and what to do about it.
const ALL: &str = "every violation is allowed, so nothing can be found";
const NAME: &str = "name what is known: its context, its function or its check";

/// Says it of a clause outside of a spec.
pub fn of_all(allowance: &Allowance) -> Option<Diagnostic> {
    is_about_all(allowance).then(|| Diagnostic::new(allowance.span.clone(), ALL).with_hint(NAME.to_owned()))
}

/// Whether a clause is about every violation.
fn is_about_all(allowance: &Allowance) -> bool {
    let admits_all = |patterns: &[Spanned<String>]| {
        patterns.is_empty() || patterns.iter().any(|pattern| !pattern.value.is_empty() && is_any(&pattern.value))
    };
    let one = |pattern: &Option<Spanned<String>>| pattern.as_ref().is_none_or(|pattern| is_any(&pattern.value));
    allowance.check.is_none()
        && admits_all(&allowance.likes)
        && admits_all(&allowance.contexts)
        && one(&allowance.from)
        && one(&allowance.at)
}

fn is_any(pattern: &str) -> bool {
    pattern.chars().all(|c| c == '%')
}

//! What is said of violations, in every format.

use super::{Change, Compared, Comparison, Violation};

/// `2 new, 1 worse, 3 unchanged`
pub(super) fn headline(comparison: &Comparison) -> String {
    let count = |change: Change| (comparison.of(change).count(), change.as_str());
    let counts: Vec<String> = Change::ALL
        .map(count)
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    if counts.is_empty() { "nothing was found on either side".to_owned() } else { counts.join(", ") }
}

/// How it was and how it is: `1040 x1/iter -> 2080 x2/iter (2.00x)`
pub(super) fn sizes(compared: &Compared) -> String {
    let words = |violation: &Violation| {
        let severity = violation.severity.map_or(String::new(), |severity| format!("{severity} "));
        format!("{severity}{}", violation.size)
    };
    match (&compared.old, &compared.new) {
        (Some(old), Some(new)) if compared.change != Change::Unchanged => {
            let ratio = compared.ratio().map_or(String::new(), |ratio| format!(" ({ratio:.2}x)"));
            format!("{} -> {}{ratio}", words(old), words(new))
        }
        _ => words(compared.shown()),
    }
}

/// `ctx_bloat in TopMemoryContext, by lose() of mine`
pub(super) fn what(violation: &Violation) -> String {
    let function = violation.function.as_ref().map_or(String::new(), |function| format!("{function} of "));
    let by = if violation.library.is_empty() || violation.library == "-" {
        String::new()
    } else {
        format!(", by {function}{}", violation.library)
    };
    format!("{} in {}{by}", violation.check, violation.subject)
}

/// What only one side has looked at.
pub(super) fn remarks(comparison: &Comparison) -> impl Iterator<Item = (&'static str, &[String])> {
    let remarks = [
        ("not looked at any more", comparison.not_looked_for.as_slice()),
        ("not looked at before", comparison.not_looked_for_before.as_slice()),
    ];
    remarks.into_iter().filter(|(_, titles)| !titles.is_empty())
}

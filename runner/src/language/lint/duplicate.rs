//! The same expectation twice.

use std::collections::HashSet;

use super::Subject;
use crate::language::diagnostic::Diagnostic;

pub(super) fn find(subject: &Subject, found: &mut Vec<Diagnostic>) {
    // Apart from blanks, as it is written.
    let words = |expect: &crate::language::ast::Expect| {
        subject.text[expect.span.clone()].split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for expects in subject.expects() {
        let mut seen = HashSet::new();
        for expect in expects {
            if !seen.insert(words(expect)) {
                let hint = "one violation meets both; to ask for several of a kind, use \"count\"".to_owned();
                found.push(Diagnostic::new(expect.span.clone(), "the same is expected twice").with_hint(hint));
            }
        }
    }
}

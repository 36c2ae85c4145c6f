//! The rules: the kinds of violation, and what else may be wrong with a spec.

use memcheck_core::CheckKind;

use super::schema::{Descriptor, Text};

/// What a notification is about that says what was not checked.
pub(super) const NOT_CHECKED: &str = "not-checked";

/// What a notification is about that says what is probably not meant.
pub(super) const CONFIGURATION: &str = "configuration";

/// Where PostgreSQL explains its memory contexts.
const CONTEXTS: &str = "https://github.com/postgres/postgres/blob/master/src/backend/utils/mmgr/README";

/// What is wrong that is no violation by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The rule of a kind of violation.
    Crash,
    /// What should have been found was not.
    Expectation,
    /// Something else that makes a spec fail.
    Other,
    /// A call that does not come back.
    Hang,
    /// Two equal calls with two answers.
    Answers,
}

impl Problem {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Problem::Crash => CheckKind::Crash.as_str(),
            Problem::Expectation => "expectation",
            Problem::Other => "spec",
            Problem::Hang => "hang",
            Problem::Answers => "answers",
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Problem::Crash => of_check(CheckKind::Crash),
            Problem::Expectation => CheckKind::ALL.len(),
            Problem::Other => CheckKind::ALL.len() + 1,
            Problem::Hang => CheckKind::ALL.len() + 2,
            Problem::Answers => CheckKind::ALL.len() + 3,
        }
    }
}

/// The position of the rule of a check.
pub(super) fn of_check(check: CheckKind) -> usize {
    CheckKind::ALL.iter().position(|&other| other == check).expect("all checks are there")
}

/// All rules.
pub(super) fn rules() -> Vec<Descriptor> {
    let checks = CheckKind::ALL.iter().map(|&check| of_page(check.as_str(), check.page()));
    let others = [
        plain(Problem::Expectation.id(), "An \"expect\" of a spec is not met: what it asks for was not found."),
        plain(Problem::Other.id(), "A spec does not agree with its golden, or does not say what it expects."),
        plain(Problem::Hang.id(), "A call does not come back, and does not see to interrupts."),
        plain(
            Problem::Answers.id(),
            "A function that is IMMUTABLE returns one thing and another for the same arguments.",
        ),
    ];
    checks.chain(others).collect()
}

/// All kinds of notifications.
pub(super) fn notifications() -> Vec<Descriptor> {
    vec![
        plain(NOT_CHECKED, "Something was not checked, or not everywhere."),
        plain(CONFIGURATION, "A spec or mcspec.toml says something that is probably not meant."),
    ]
}

fn plain(id: &'static str, text: &str) -> Descriptor {
    Descriptor { id, short_description: Text::plain(text), full_description: None, help: None, help_uri: None }
}

/// A rule by its page in the manual.
fn of_page(id: &'static str, page: &str) -> Descriptor {
    let (heading, rest) = page.split_once('\n').unwrap_or((page, ""));
    let title = heading.trim_start_matches('#').trim();
    let title = title.split_once(": ").map_or(title, |(_, title)| title);
    let first = rest.trim().split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let sentence = |text: &str| {
        let mut chars = text.chars();
        let begin = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        format!("{begin}{}.", chars.as_str().trim_end_matches('.'))
    };
    Descriptor {
        id,
        short_description: Text::plain(sentence(title)),
        full_description: Some(Text::plain(first)),
        help: Some(Text { text: page.to_owned(), markdown: Some(page.to_owned()) }),
        help_uri: Some(CONTEXTS),
    }
}

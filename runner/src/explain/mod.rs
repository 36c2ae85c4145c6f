//! What checks, scenarios and lints mean: one Markdown file each, compiled in. Those of checks and scenarios are beside what they
//! are about, in core.

use memcheck_core::{CheckKind, ScenarioKind};

use crate::language::lint::LINTS;

/// What a word can be explained as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// A kind of violation.
    Check(CheckKind),
    /// A kind of scenario.
    Scenario(ScenarioKind),
    /// A lint, by its position in [`LINTS`].
    Lint(usize),
}

impl Topic {
    /// Everything there is to explain.
    pub fn all() -> impl Iterator<Item = Topic> {
        let checks = CheckKind::ALL.iter().map(|&check| Topic::Check(check));
        let scenarios = ScenarioKind::ALL.iter().map(|&kind| Topic::Scenario(kind));
        checks.chain(scenarios).chain((0..LINTS.len()).map(Topic::Lint))
    }

    /// The word that asks for it. A check and a scenario can have the same.
    pub fn word(self) -> &'static str {
        match self {
            Topic::Check(check) => check.as_str(),
            Topic::Scenario(kind) => kind.as_str(),
            Topic::Lint(position) => LINTS[position].code,
        }
    }

    /// What it is.
    pub fn kind(self) -> &'static str {
        match self {
            Topic::Check(_) => "check",
            Topic::Scenario(_) => "scenario",
            Topic::Lint(_) => "warning of \"mcspec check\"",
        }
    }

    /// What it means, in a few words.
    pub fn title(self) -> &'static str {
        self.text().lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, title)| title)
    }

    /// The explanation, in Markdown.
    pub fn text(self) -> &'static str {
        match self {
            Topic::Check(check) => check.page(),
            Topic::Scenario(kind) => kind.page(),
            Topic::Lint(position) => LINTS[position].explanation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{SourceFile, format};

    #[test]
    fn every_text_is_about_its_word() {
        for topic in Topic::all() {
            let heading = match topic {
                Topic::Scenario(kind) => format!("# scenario {kind}: "),
                _ => format!("# {}: ", topic.word()),
            };
            assert!(topic.text().starts_with(&heading), "{}", topic.text());
            assert!(topic.text().ends_with('\n'));
        }
    }

    #[test]
    fn checks_have_a_cause_a_remedy_and_an_example() {
        for &check in CheckKind::ALL {
            for part in ["## Typical cause", "## What to do", "```c\n", "src/backend/utils/mmgr/README"] {
                assert!(check.page().contains(part), "{check}: {part}");
            }
        }
    }

    #[test]
    fn scenarios_have_an_example_in_the_canonical_layout() {
        for &kind in ScenarioKind::ALL {
            let (_, example) = kind.page().split_once("```mcspec\n").expect("an example");
            let example = example.strip_suffix("```\n").expect("ends with the example");
            assert!(example.contains(&format!("scenario {kind} ")), "{kind}");
            let source = SourceFile::new(kind.as_str(), example);
            crate::language::parse(&source).unwrap_or_else(|errors| panic!("{}", errors[0].render(&source, false)));
            assert_eq!(format(&source).as_deref(), Ok(example));
        }
    }
}

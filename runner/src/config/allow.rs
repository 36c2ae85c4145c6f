//! `[[allow]]`: violations that are known, in every spec and under `mcspec exec`.

use std::ops::Range;

use memcheck_core::CheckKind;

use super::section::{Problems, Section};
use crate::language::ast::{Allowance, Spanned};
use crate::language::day::{BadDay, Day};
use crate::language::suggest;

/// What the key for the reason may look like.
const WHY: &str = "say why they are allowed: because = \"cache, see #12\"";

/// Reads one of the tables; none where it does not say what is allowed and why.
pub(super) fn read(mut section: Section, span: Range<usize>, problems: &mut Problems) -> Option<Allowance> {
    let spanned = |value: String| Spanned { value, span: span.clone() };
    let mut list = |key, problems: &mut Problems| -> Vec<Spanned<String>> {
        section.strings(key, problems).unwrap_or_default().into_iter().map(spanned).collect()
    };
    let (likes, contexts) = (list("like", problems), list("in", problems));
    let mut one = |key, problems: &mut Problems| {
        section.string(key, problems).map(|(value, span)| Spanned { value: value.to_owned(), span })
    };
    let (check, from, at) = (one("check", problems), one("from", problems), one("at", problems));
    let because = one("because", problems);
    let until = section.date("until", problems);
    section.finish(problems);

    let check = match check {
        Some(word) => Some(self::check(word, problems)?),
        None => None,
    };
    let says_nothing = check.is_none() && likes.is_empty() && contexts.is_empty() && from.is_none() && at.is_none();
    if says_nothing {
        let hint = "name contexts, functions or a check: like = \"MyCache%\", or check = \"ctx_bloat\"";
        problems.add(span, "[[allow]] does not say what is allowed".to_owned(), Some(hint.to_owned()));
        return None;
    }
    let until = match until {
        Some((text, span)) => Some(day(&text, span, problems)?),
        None => None,
    };
    match because {
        Some(because) if !because.value.trim().is_empty() => {
            Some(Allowance { check, likes, contexts, from, at, because, until, when: None, span })
        }
        because => {
            let (span, message) =
                because.map_or((span, "[[allow]] needs a reason"), |empty| (empty.span, "the reason is empty"));
            problems.add(span, message.to_owned(), Some(WHY.to_owned()));
            None
        }
    }
}

fn check(word: Spanned<String>, problems: &mut Problems) -> Option<Spanned<CheckKind>> {
    let Spanned { value: word, span } = word;
    let check = CheckKind::ALL.iter().copied().find(|check| check.as_str() == word);
    if check.is_none() {
        let names: Vec<&str> = CheckKind::ALL.iter().map(|check| check.as_str()).collect();
        problems.add(span.clone(), format!("unknown check \"{word}\""), suggest::hint(&word, &names));
    }
    Some(Spanned { value: check?, span })
}

fn day(text: &str, span: Range<usize>, problems: &mut Problems) -> Option<Spanned<Day>> {
    match text.parse::<Day>() {
        Ok(value) => Some(Spanned { value, span }),
        Err(error) => {
            problems.add(span, error.to_string(), Some(BadDay::HINT.to_owned()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn keys() {
        let text = "[[allow]]\nlike = \"my%\"\nbecause = \"cache\"\n\n[[allow]]\ncheck = \"ctx_bloat\"\nin = [\"a\", \"b\"]\n\
                    from = \"my_ext\"\nat = \"fill%\"\nbecause = \"see #12\"\nuntil = 2027-01-31\n\n\
                    [[allow]]\nat = \"f\"\nbecause = \"x\"\nuntil = \"2027-02-28\"\n";
        let config = Config::parse(text, Path::new("p/mcspec.toml")).expect("valid");
        let [first, second, third] = config.allow.as_slice() else { panic!("{:?}", config.allow) };
        assert_eq!((first.likes[0].value.as_str(), first.because.value.as_str()), ("my%", "cache"));
        assert_eq!(second.contexts.iter().map(|context| context.value.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let (from, at) = (second.from.as_ref().unwrap(), second.at.as_ref().unwrap());
        assert_eq!((from.value.as_str(), at.value.as_str()), ("my_ext", "fill%"));
        assert_eq!(second.until.as_ref().unwrap().value.to_string(), "2027-01-31");
        assert_eq!(third.until.as_ref().unwrap().value.to_string(), "2027-02-28");
        // Where a report points.
        let lines: Vec<usize> = config.allow.iter().map(|one| config.source.line_column(one.span.start).0).collect();
        assert_eq!(lines, [1, 5, 13]);
        assert_eq!(config.source.path, Path::new("p/mcspec.toml"));
    }

    #[test]
    fn mistakes_have_a_place_and_a_hint() {
        let needs = "say why they are allowed: because = \"cache, see #12\"";
        for (text, expected) in [
            ("[[allow]]\nlike = \"x\"", &*format!("c.toml:1:1: [[allow]] needs a reason\nHINT: {needs}")),
            ("[[allow]]\nlike = \"x\"\nbecause = \" \"", &format!("c.toml:3:11: the reason is empty\nHINT: {needs}")),
            (
                "[[allow]]\nbecause = \"x\"",
                "c.toml:1:1: [[allow]] does not say what is allowed\nHINT: name contexts, functions or a check: like = \"MyCache%\", \
                 or check = \"ctx_bloat\"",
            ),
            (
                "[[allow]]\nlikes = \"x\"\nlike = \"y\"\nbecause = \"x\"",
                "c.toml:2:1: unknown key \"likes\" in [[allow]]\nHINT: did you mean \"like\"?",
            ),
            (
                "[[allow]]\ncheck = \"ctx_blot\"\nbecause = \"x\"",
                "c.toml:2:9: unknown check \"ctx_blot\"\nHINT: did you mean \"ctx_bloat\"?",
            ),
            (
                "[[allow]]\nlike = \"x\"\nbecause = \"x\"\nuntil = \"soon\"",
                "c.toml:4:9: invalid date \"soon\"\nHINT: write year, month and day, as in 2027-01-31",
            ),
            (
                "[[allow]]\nlike = \"x\"\nbecause = \"x\"\nuntil = 3",
                "c.toml:4:9: expected a date, found a whole number",
            ),
            (
                "[[allow]]\nlike = \"x\"\nbecause = \"x\"\nuntil = 2027-01-31T10:00:00Z",
                "c.toml:4:9: invalid date \"2027-01-31T10:00:00Z\"\nHINT: write year, month and day, as in 2027-01-31",
            ),
            (
                "[allow]\nlike = \"x\"",
                "c.toml:1:1: expected a list of tables, found a table\nHINT: write \"[[allow]]\" above each",
            ),
            ("allow = [\"x\"]", "c.toml:1:10: expected a table, found a string"),
        ] {
            let error = Config::parse(text, Path::new("c.toml")).expect_err(text);
            assert_eq!(error.listing(), expected, "{text}");
        }
    }
}

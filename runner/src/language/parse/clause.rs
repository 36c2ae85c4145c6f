//! The clauses: their words and where they belong.

use super::grammar::Rule;
use crate::language::sql::scan;
use crate::language::suggest;

/// A part of a file, in the order in which they have to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::language) enum Place {
    Header,
    Fixtures,
    Scenario,
    Session,
    Permutation,
}

impl Place {
    const fn as_str(self) -> &'static str {
        match self {
            Place::Header => "the header",
            Place::Fixtures => "the file's fixtures",
            Place::Scenario => "a scenario",
            Place::Session => "a session",
            Place::Permutation => "a permutation",
        }
    }
}

/// One kind of clause.
pub(super) struct Clause {
    /// Its first word.
    pub(super) word: &'static str,
    /// Its rule in the grammar.
    pub(super) rule: Rule,
    /// Where it belongs.
    places: &'static [Place],
}

impl Clause {
    /// Where a file is after this clause; none if the clause does not belong where the file is.
    pub(super) fn place_after(&self, place: Place) -> Option<Place> {
        match self.rule {
            Rule::scenario | Rule::session | Rule::permutation => self.opens().filter(|&opened| place <= opened),
            Rule::setup | Rule::teardown if place == Place::Header => Some(Place::Fixtures),
            _ => self.places.contains(&place).then_some(place),
        }
    }

    /// The part of the file that the clause begins.
    pub(super) fn opens(&self) -> Option<Place> {
        match self.rule {
            Rule::scenario => Some(Place::Scenario),
            Rule::session => Some(Place::Session),
            Rule::permutation => Some(Place::Permutation),
            _ => None,
        }
    }

    /// Whether an included file may hold it.
    pub(super) fn may_be_included(&self) -> bool {
        matches!(self.rule, Rule::setup | Rule::teardown | Rule::var | Rule::set)
    }

    /// The sentence for a clause that is not where it belongs.
    pub(super) fn misplaced(&self) -> String {
        match (self.rule, self.places) {
            (Rule::scenario, _) => "scenarios come before sessions and permutations".to_owned(),
            (Rule::session, _) => "sessions come before permutations".to_owned(),
            (_, [Place::Header]) => {
                format!("\"{}\" belongs in the header, before setup, teardown and scenarios", self.word)
            }
            (_, places) => {
                let places: Vec<_> = places.iter().map(|place| place.as_str().to_owned()).collect();
                format!("\"{}\" belongs in {}", self.word, suggest::join(&places))
            }
        }
    }
}

use Place::{Fixtures, Header, Permutation, Scenario, Session};

const fn clause(word: &'static str, rule: Rule, places: &'static [Place]) -> Clause {
    Clause { word, rule, places }
}

/// All clauses.
pub(super) const CLAUSES: &[Clause] = &[
    clause("include", Rule::include, &[Header]),
    clause("title", Rule::title, &[Header]),
    clause("extension", Rule::extension, &[Header]),
    clause("preload", Rule::preload, &[Header]),
    clause("target", Rule::target, &[Header]),
    clause("requires", Rule::requires, &[Header]),
    clause("skip", Rule::skip, &[Header]),
    clause("xfail", Rule::xfail, &[Header]),
    clause("tags", Rule::tags, &[Header]),
    clause("timeout", Rule::timeout, &[Header, Scenario, Permutation]),
    clause("retries", Rule::retries, &[Header]),
    clause("set", Rule::set, &[Header, Scenario, Session]),
    clause("conf", Rule::conf, &[Header]),
    clause("var", Rule::var, &[Header]),
    clause("matrix", Rule::matrix, &[Header]),
    clause("golden", Rule::golden, &[Header]),
    clause("normalize", Rule::normalize, &[Header]),
    clause("setup", Rule::setup, &[Fixtures, Scenario, Session]),
    clause("teardown", Rule::teardown, &[Fixtures, Scenario, Session]),
    clause("scenario", Rule::scenario, &[]),
    clause("iterations", Rule::iterations, &[Scenario]),
    clause("warmup", Rule::warmup, &[Scenario]),
    clause("workers", Rule::workers, &[Scenario]),
    clause("limit", Rule::limit, &[Scenario]),
    clause("when", Rule::when, &[Scenario]),
    clause("reset", Rule::reset, &[Scenario]),
    clause("rows", Rule::rows, &[Scenario]),
    clause("growth", Rule::growth, &[Scenario]),
    clause("abort", Rule::abort, &[Scenario]),
    clause("iterate", Rule::iterate, &[Scenario]),
    clause("protocol", Rule::protocol, &[Scenario]),
    clause("worker", Rule::worker, &[Scenario]),
    clause("mode", Rule::mode, &[Scenario]),
    clause("trace", Rule::trace, &[Header, Scenario]),
    clause("guard", Rule::guard, &[Header, Scenario]),
    clause("guard_sample", Rule::guard_sample, &[Header, Scenario]),
    clause("watch", Rule::watch, &[Scenario, Session]),
    clause("allow", Rule::allow, &[Header, Scenario, Session]),
    clause("probe", Rule::probe, &[Scenario]),
    clause("workload", Rule::workload, &[Scenario]),
    clause("expect", Rule::expect, &[Scenario, Permutation]),
    clause("session", Rule::session, &[]),
    clause("copies", Rule::copies, &[Session]),
    clause("step", Rule::step, &[Session]),
    clause("permutation", Rule::permutation, &[]),
    clause("repeat", Rule::repeat, &[Permutation]),
];

/// The clause that a word begins.
pub(super) fn find(word: &str) -> Option<&'static Clause> {
    CLAUSES.iter().find(|clause| clause.word == word)
}

/// The clause whose word was probably meant: rather one that belongs here.
pub(super) fn closest(word: &str, place: Place) -> Option<&'static str> {
    let here = CLAUSES.iter().filter(|clause| clause.place_after(place).is_some());
    if word.is_empty() {
        return None;
    }
    suggest::closest(word, here.map(|clause| clause.word))
        .or_else(|| suggest::closest(word, CLAUSES.iter().map(|clause| clause.word)))
}

/// The word at an offset; empty if there is none.
pub(super) fn word_at(text: &str, at: usize) -> &str {
    match text.as_bytes().get(at) {
        Some(&byte) if scan::starts_word(byte) => &text[at..scan::run(text, at, scan::continues_word)],
        _ => "",
    }
}

/// Whether only blanks precede an offset on its line.
pub(super) fn is_first_on_line(text: &str, at: usize) -> bool {
    text[..at].trim_end_matches([' ', '\t']).chars().next_back().is_none_or(|c| c == '\n')
}

/// The beginning of the next line after an offset that begins with such a word, or the end of the text.
pub(super) fn next_line_with(text: &str, from: usize, is_wanted: impl Fn(&str) -> bool) -> usize {
    let mut at = next_line(text, from);
    while at < text.len() && !is_wanted(word_at(text, at)) {
        at = next_line(text, at);
    }
    at
}

/// The end of the line that an offset is in, behind its newline.
fn end_of_line(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    rest.iter().position(|&byte| byte == b'\n').map_or(text.len(), |length| at + length + 1)
}

/// The first thing that is not blank on the line after an offset.
pub(super) fn next_line(text: &str, from: usize) -> usize {
    scan::run(text, end_of_line(text, from), |byte| matches!(byte, b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_knows_every_word() {
        for clause in CLAUSES {
            let text = format!("iterations 1 {} ", clause.word);
            assert!(super::super::grammar::parse(Rule::iterations, &text, 0..text.len()).is_ok(), "{text}");
        }
    }

    #[test]
    fn places_follow_each_other() {
        let after = |word: &str, place| find(word).unwrap().place_after(place);
        assert_eq!(after("set", Header), Some(Header));
        assert_eq!(after("set", Fixtures), None);
        assert_eq!(after("setup", Header), Some(Fixtures));
        assert_eq!(after("setup", Scenario), Some(Scenario));
        assert_eq!(after("scenario", Scenario), Some(Scenario));
        assert_eq!(after("scenario", Session), None);
        assert_eq!(after("session", Header), Some(Session));
        assert_eq!(after("session", Permutation), None);
        assert_eq!(after("permutation", Permutation), Some(Permutation));
    }

    #[test]
    fn the_next_clause_begins_a_line() {
        let is_clause = |word: &str| find(word).is_some();
        let text = "a setup\n  b\n\t setup x";
        assert_eq!(next_line_with(text, 0, is_clause), text.rfind("setup").unwrap());
        assert_eq!(next_line_with("setup", 0, is_clause), 5);
    }
}

//! The one door to pest: a clause's text in, nodes or the place of the failure out.

// The derived enum is as public as pest makes it; this module is not.
#![allow(unreachable_pub)]

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;

use super::lexeme::{lexeme, skip_blank};
use crate::language::ast::Span;

#[derive(pest_derive::Parser)]
#[grammar = "language/grammar.pest"]
struct Grammar;

/// A piece of the text with the rule that it matches.
#[derive(Clone)]
pub(super) struct Node<'t> {
    pair: Pair<'t, Rule>,
    /// Where in the file the parsed text begins.
    base: usize,
}

/// A clause that does not match its rule.
#[derive(Debug)]
pub(super) struct Failure {
    /// The furthest offset that was reached.
    pub(super) at: usize,
    /// What could have stood there.
    pub(super) expected: Vec<Rule>,
}

/// Bytes of the text that are looked at first.
const AT_FIRST: usize = 2048;

/// More than the pieces of a text that any rule looks ahead, behind the end of what it has found.
const AHEAD: usize = 16;

/// Parses the clause at the beginning of a range of the text. As much of it is looked at as the clause needs: where one does
/// not match, pest goes through all of what it was given.
pub(super) fn parse(rule: Rule, text: &str, range: Span) -> Result<Node<'_>, Failure> {
    let mut size = AT_FIRST;
    loop {
        let end = text.floor_char_boundary(range.start.saturating_add(size)).min(range.end);
        let parsed = parse_all(rule, text, range.start..end);
        let reached = match &parsed {
            Ok(node) => node.span().end,
            Err(failure) => failure.at,
        };
        if end == range.end || has_more(text, reached, end) {
            return parsed;
        }
        size = size.saturating_mul(4);
    }
}

/// Whether there is so much between two offsets that what is behind the second has made no difference.
fn has_more(text: &str, mut at: usize, end: usize) -> bool {
    for _ in 0..AHEAD {
        if at >= end {
            return false;
        }
        at = lexeme(text, skip_blank(text, at)).end;
    }
    at < end
}

fn parse_all(rule: Rule, text: &str, range: Span) -> Result<Node<'_>, Failure> {
    let base = range.start;
    match Grammar::parse(rule, &text[range]) {
        Ok(mut pairs) => {
            let pair = pairs.next().expect("a rule that matches gives a pair");
            Ok(Node { pair, base })
        }
        Err(error) => {
            let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
            let expected = match error.variant {
                ErrorVariant::ParsingError { positives, .. } => positives,
                ErrorVariant::CustomError { .. } => Vec::new(),
            };
            Err(Failure { at: base + at, expected })
        }
    }
}

impl<'t> Node<'t> {
    /// The rule.
    pub(super) fn rule(&self) -> Rule {
        self.pair.as_rule()
    }

    /// The text as written.
    pub(super) fn text(&self) -> &'t str {
        self.pair.as_str()
    }

    /// Where it stands, without what follows it.
    pub(super) fn span(&self) -> Span {
        self.pair.as_span().start() + self.base..self.end()
    }

    /// The end of the last token: pest counts blanks that it skipped in search of more to the pair before them.
    fn end(&self) -> usize {
        match self.children().last() {
            Some(last) => last.end(),
            None => self.pair.as_span().end() + self.base,
        }
    }

    /// The nodes in it.
    pub(super) fn children(&self) -> impl Iterator<Item = Node<'t>> {
        let base = self.base;
        self.pair.clone().into_inner().filter(|pair| pair.as_rule() != Rule::end).map(move |pair| Node { pair, base })
    }

    /// The nodes in it that match a rule.
    pub(super) fn all(&self, rule: Rule) -> impl Iterator<Item = Node<'t>> {
        self.children().filter(move |node| node.rule() == rule)
    }

    /// The first node in it that matches a rule.
    pub(super) fn get(&self, rule: Rule) -> Option<Node<'t>> {
        self.all(rule).next()
    }
}

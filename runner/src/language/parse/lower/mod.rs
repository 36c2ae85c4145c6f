//! From parsed clauses to the syntax tree, with the checks that need no more than the clause and what it is in.

mod allow;
mod condition;
mod expect;
mod header;
mod scenario;
mod session;

use std::collections::HashSet;
use std::time::Duration;

use memcheck_core::ScenarioKind;

use super::clause::Place;
use super::grammar::{Node, Rule};
use super::mask;
use crate::language::ast::{Block, Permutation, Scenario, Session, Setting, SettingValue, Span, Spanned, Spec};
use crate::language::diagnostic::Diagnostic;
use crate::language::number::{self, NumberError};
use crate::language::suggest;

/// Reads nodes and notes what is wrong with them.
pub(super) struct Lower<'a> {
    /// The file's text, not masked.
    text: &'a str,
    /// What is wrong so far.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// What the clause being read is in.
    within: Within,
    /// The extensions and variables of the header so far.
    extensions: HashSet<String>,
    variables: HashSet<String>,
}

/// What a clause is in, as far as its meaning depends on it.
#[derive(Clone, Copy)]
enum Within {
    Nothing,
    Scenario(ScenarioKind),
    /// A scenario whose kind is misspelt: nothing can be said about what applies to it.
    UnknownScenario,
    Permutation,
}

impl<'a> Lower<'a> {
    pub(super) fn new(text: &'a str, diagnostics: Vec<Diagnostic>) -> Self {
        let (extensions, variables) = (HashSet::new(), HashSet::new());
        Lower { text, diagnostics, within: Within::Nothing, extensions, variables }
    }

    /// Puts a clause into the part of the tree that belongs to a place.
    pub(super) fn clause(&mut self, spec: &mut Spec, place: Place, node: &Node) {
        match (node.rule(), place) {
            (Rule::scenario, _) => spec.scenarios.push(self.scenario(node)),
            (Rule::session, _) => spec.sessions.push(self.session(node)),
            (Rule::permutation, _) => spec.permutations.push(self.permutation(node)),
            (_, Place::Header | Place::Fixtures) => self.header_clause(spec, node),
            (_, Place::Scenario) => {
                self.scenario_clause(spec.scenarios.last_mut().expect("the place is a scenario"), node);
            }
            (_, Place::Session) => {
                self.session_clause(spec.sessions.last_mut().expect("the place is a session"), node);
            }
            (_, Place::Permutation) => {
                self.permutation_clause(spec.permutations.last_mut().expect("the place is a permutation"), node);
            }
        }
    }

    /// Opens the part of the tree that a clause opens which could not be parsed, so that the clauses in it do not end up in
    /// the part before it.
    pub(super) fn unread(&mut self, spec: &mut Spec, rule: Rule, span: Span) {
        match rule {
            Rule::scenario => {
                self.within = Within::UnknownScenario;
                let kind = Spanned { value: ScenarioKind::Window, span: span.clone() };
                spec.scenarios.push(Scenario::new(kind, None, span));
            }
            Rule::session => spec.sessions.push(Session::new(Spanned { value: String::new(), span })),
            Rule::permutation => {
                self.within = Within::Permutation;
                spec.permutations.push(Permutation::new(Vec::new(), span));
            }
            _ => {}
        }
    }

    /// Whether a masked text ends with a block whose closing brace is in a line comment.
    pub(super) fn follows_line_comment(&self, masked: &str) -> bool {
        let block = |open| mask::block(self.text, open..masked.len());
        masked.ends_with('}') && masked.rfind('{').is_some_and(|open| mask::ends_in_line_comment(&block(open)))
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::new(span, message));
    }

    /// Fills what only one clause may fill.
    fn once<T>(&mut self, node: &Node, slot: &mut Option<T>, read: impl FnOnce(&mut Self, &Node) -> Option<T>) {
        let value = read(self, node);
        if slot.is_some() {
            self.given_twice(node);
        } else {
            *slot = value;
        }
    }

    fn given_twice(&mut self, node: &Node) {
        let (word, start) = (word_of(node), node.span().start);
        self.error(start..start + word.len(), format!("\"{word}\" is given twice"));
    }

    /// The block of a clause.
    fn block(&self, node: &Node) -> Option<Block> {
        node.get(Rule::block).map(|block| mask::block(self.text, block.span()))
    }

    /// The string of a clause.
    fn string(&mut self, node: &Node) -> Option<Spanned<String>> {
        node.get(Rule::string).map(|string| text_of(&string))
    }

    /// Makes a value of a number as it is written.
    fn number<T>(&mut self, node: &Node, read: impl Fn(&str) -> Result<T, NumberError>) -> Option<Spanned<T>> {
        match read(node.text()) {
            Ok(value) => Some(Spanned { value, span: node.span() }),
            Err(error) => {
                let message = format!("{error}: \"{}\"", node.text());
                self.diagnostics.push(Diagnostic::new(node.span(), message).with_hint(error.hint()));
                None
            }
        }
    }

    /// The number of a clause that counts something, from 0.
    fn count<T: TryFrom<u64>>(&mut self, node: &Node) -> Option<Spanned<T>> {
        self.number(&node.get(Rule::number)?, |text| {
            number::count(text).and_then(|count| count.try_into().map_err(|_| NumberError::OutOfRange))
        })
    }

    /// The number of a clause that counts something, from 1.
    fn positive<T: TryFrom<u64> + Default + PartialEq>(&mut self, node: &Node) -> Option<Spanned<T>> {
        let count = self.count(node)?;
        if count.value == T::default() {
            self.error(count.span, format!("\"{}\" must be at least 1", word_of(node)));
            return None;
        }
        Some(count)
    }

    /// The size of a clause that has one, in bytes.
    fn size(&mut self, node: &Node) -> Option<Spanned<u64>> {
        let size = self.number(&node.get(Rule::number)?, number::bytes)?;
        if size.value == 0 {
            self.error(size.span, format!("\"{}\" must be greater than zero", word_of(node)));
            return None;
        }
        Some(size)
    }

    /// The time of a clause that has one.
    fn duration(&mut self, node: &Node) -> Option<Spanned<Duration>> {
        let duration = self.number(&node.get(Rule::duration)?, number::duration)?;
        if duration.value.is_zero() {
            self.error(duration.span, format!("\"{}\" must be greater than zero", word_of(node)));
            return None;
        }
        Some(duration)
    }

    /// What a word from a list stands for.
    fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&str, T)]) -> Option<Spanned<T>> {
        let word = node.text();
        if let Some(&(_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(Spanned { value, span: node.span() });
        }
        let names: Vec<_> = choices.iter().map(|&(name, _)| name).collect();
        let error = Diagnostic::new(node.span(), format!("unknown {what} \"{word}\""));
        self.diagnostics.push(error.with_hint(suggest::hint(word, &names)));
        None
    }

    fn setting(&mut self, node: &Node) -> Option<Setting> {
        let name = text_of(&node.get(Rule::parameter)?);
        let value = |node: Node| match node.get(Rule::reference) {
            Some(node) => {
                let name = node.text().trim_matches([':', '\'', '"']).to_owned();
                Some(SettingValue::Variable(Spanned { value: name, span: node.span() }))
            }
            None => Some(SettingValue::Text(text_of(&node.get(Rule::value)?))),
        };
        Some(Setting { name, values: node.all(Rule::setting).filter_map(value).collect() })
    }
}

/// The word that a clause begins with.
fn word_of<'t>(node: &Node<'t>) -> &'t str {
    node.text().split(|c: char| c != '_' && !c.is_ascii_lowercase()).next().unwrap_or_default()
}

/// What a name, string or bare value says, without its quotes.
fn text_of(node: &Node) -> Spanned<String> {
    let text = node.text();
    let unquoted = |quote: char| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
    };
    let value = unquoted('\'').or_else(|| unquoted('"')).unwrap_or_else(|| text.to_owned());
    Spanned { value, span: node.span() }
}

/// The texts of all nodes in a node that match a rule.
fn texts(node: &Node, rule: Rule) -> Vec<Spanned<String>> {
    node.all(rule).map(|node| text_of(&node)).collect()
}

/// The LIKE patterns of a clause.
fn likes(node: &Node) -> Vec<Spanned<String>> {
    node.get(Rule::likes).map(|likes| texts(&likes, Rule::like)).unwrap_or_default()
}

//! The walk through a file: clause by clause, each checked for its place, parsed by its rule and put into the tree. After
//! an error the walk goes on at the next clause, so that all errors of a file are reported together.

mod clause;
mod failure;
mod grammar;
mod lexeme;
mod lower;
mod mask;
#[cfg(test)]
mod tests;

use self::clause::Clause;
pub(super) use self::clause::Place;
use self::grammar::{Failure, Node, Rule};
pub(super) use self::lexeme::lexeme;
use self::lower::Lower;
use super::ast::{Span, Spec};
use super::check;
use super::diagnostic::Diagnostic;
use super::source::SourceFile;
use super::suggest;

/// The clauses of a file as text, for who keeps what the tree leaves out.
pub(super) struct Outline {
    /// The file's text with every block blanked out: `{`, blanks, `}` of the same length.
    pub(super) masked: String,
    /// The clauses in order. What is between them is blank or comment.
    pub(super) clauses: Vec<Stretch>,
}

/// One clause of an [`Outline`].
pub(super) struct Stretch {
    /// Its first word.
    pub(super) word: &'static str,
    /// The part of the file that it is in or opens.
    pub(super) place: Place,
    /// From its first token to its last.
    pub(super) span: Span,
}

/// Reads a spec, or says everything that is wrong with it, in the order of the text.
pub fn parse(source: &SourceFile) -> Result<Spec, Vec<Diagnostic>> {
    let Walked { spec, mut diagnostics, .. } = walk(source, false);
    check::check(&spec, diagnostics.is_empty(), &mut diagnostics);
    finish(spec, diagnostics)
}

/// Reads a file that specs include: fixtures, `var` and `set` only. The result has no other parts.
pub fn parse_include(source: &SourceFile) -> Result<Spec, Vec<Diagnostic>> {
    let Walked { spec, mut diagnostics, .. } = walk(source, true);
    check::check_included(&spec, &mut diagnostics);
    finish(spec, diagnostics)
}

/// Cuts a file into its clauses. Only what is wrong with single clauses is an error here.
pub(super) fn outline(source: &SourceFile, is_included: bool) -> Result<Outline, Vec<Diagnostic>> {
    let Walked { outline, diagnostics, .. } = walk(source, is_included);
    finish(outline, diagnostics)
}

fn finish<T>(result: T, mut diagnostics: Vec<Diagnostic>) -> Result<T, Vec<Diagnostic>> {
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
    if diagnostics.is_empty() { Ok(result) } else { Err(diagnostics) }
}

/// What a walk has read; to be used only if there are no diagnostics.
struct Walked {
    spec: Spec,
    outline: Outline,
    diagnostics: Vec<Diagnostic>,
}

fn walk(source: &SourceFile, is_included: bool) -> Walked {
    let masked = mask::mask(&source.text);
    // Some editors write a byte order mark.
    let at = if masked.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let unclosed = masked.diagnostics.iter().map(|diagnostic| diagnostic.span.start).collect();
    let lower = Lower::new(&source.text, masked.diagnostics);
    let mut walk = Walk {
        text: &masked.text,
        at,
        place: Place::Header,
        is_included,
        unclosed,
        spec: Spec::default(),
        clauses: Vec::new(),
        lower,
    };
    walk.run();
    let Walk { spec, clauses, lower: Lower { diagnostics, .. }, .. } = walk;
    Walked { spec, outline: Outline { masked: masked.text, clauses }, diagnostics }
}

struct Walk<'a> {
    /// The masked text.
    text: &'a str,
    /// How far the walk has come.
    at: usize,
    place: Place,
    is_included: bool,
    /// Where blocks and strings begin that are not closed, which has been reported.
    unclosed: Vec<usize>,
    /// The tree so far; to be used only if there are no diagnostics.
    spec: Spec,
    /// The clauses so far.
    clauses: Vec<Stretch>,
    lower: Lower<'a>,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        loop {
            self.at = lexeme::skip_blank(self.text, self.at);
            if self.at == self.text.len() {
                break;
            }
            match clause::find(clause::word_at(self.text, self.at)) {
                Some(clause) => self.clause(clause),
                None => self.unknown(&[]),
            }
        }
    }

    fn clause(&mut self, clause: &Clause) {
        let start = self.at;
        let is_placed = self.enter(clause);
        match self.parse(clause.rule) {
            Ok((node, could_follow)) => {
                self.at = node.span().end;
                self.clauses.push(Stretch { word: clause.word, place: self.place, span: node.span() });
                if is_placed || clause.opens().is_some() {
                    self.lower.clause(&mut self.spec, self.place, &node);
                }
                if let Some(expected) = could_follow {
                    self.at = lexeme::skip_blank(self.text, self.at);
                    self.unknown(&expected);
                }
            }
            Err(failure) => {
                self.lower.unread(&mut self.spec, clause.rule, start..start + clause.word.len());
                self.resume(failure.at.max(start + clause.word.len()));
                let clause = start..self.at;
                if is_placed && !self.unclosed.iter().any(|at| clause.contains(at)) {
                    self.report(failure.at, failure::diagnose(self.text, start, &failure));
                }
            }
        }
    }

    /// Moves to where the file is with this clause. Says so if it does not belong here; a clause that opens a part of the
    /// file opens it nevertheless, so that the clauses in it are not reported too.
    fn enter(&mut self, clause: &Clause) -> bool {
        let place = clause.place_after(self.place);
        let is_refused = self.is_included && !clause.may_be_included();
        let span = self.at..self.at + clause.word.len();
        if place.is_none() {
            self.lower.diagnostics.push(Diagnostic::new(span, clause.misplaced()));
        } else if is_refused && (clause.opens().is_some() || self.place <= Place::Fixtures) {
            let message = format!("\"{}\" does not belong in an included file", clause.word);
            let hint = "an included file holds \"setup\", \"teardown\", \"var\" and \"set\" only".to_owned();
            self.lower.diagnostics.push(Diagnostic::new(span, message).with_hint(hint));
        }
        self.place = place.or(clause.opens()).unwrap_or(self.place);
        place.is_some() && !is_refused
    }

    /// Parses the clause here. If that fails, the clause ends before the first line that begins with another clause's word
    /// or, at the latest, with the word that it cannot go on with. In the second case, what it could have gone on with
    /// comes with the node.
    fn parse(&self, rule: Rule) -> Result<(Node<'a>, Option<Vec<Rule>>), Failure> {
        let failure = match grammar::parse(rule, self.text, self.at..self.text.len()) {
            Ok(node) => return Ok((node, None)),
            Err(failure) => failure,
        };
        let next_clause = clause::next_line_with(self.text, self.at, |word| clause::find(word).is_some());
        if next_clause <= failure.at && next_clause < self.text.len() {
            return grammar::parse(rule, self.text, self.at..next_clause).map(|node| (node, None));
        }
        if clause::is_first_on_line(self.text, failure.at)
            && !clause::word_at(self.text, failure.at).is_empty()
            && let Ok(node) = grammar::parse(rule, self.text, self.at..failure.at)
        {
            return Ok((node, Some(failure.expected)));
        }
        Err(failure)
    }

    /// Reports what begins no clause. `expected` is what the clause before it could have gone on with.
    fn unknown(&mut self, expected: &[Rule]) {
        let at = self.at;
        let span = lexeme::lexeme(self.text, at);
        let word = clause::word_at(self.text, at);
        self.resume(span.end);
        let diagnostic = if word.is_empty() {
            let message = format!("expected a clause, found {}", failure::shown(&self.text[span.clone()], "a block"));
            Diagnostic::new(span, message)
        } else {
            let meant = clause::closest(word, self.place).or_else(|| failure::closest(word, expected));
            Diagnostic::new(span, format!("unknown clause \"{word}\"")).with_hint(meant.map(suggest::did_you_mean))
        };
        self.report(at, diagnostic);
    }

    /// Adds an error about what stands at an offset.
    fn report(&mut self, at: usize, mut diagnostic: Diagnostic) {
        if self.text[at..].starts_with("--") || self.text[at..].starts_with("//") {
            diagnostic.hint = Some("comments begin with \"#\"".to_owned());
        } else if diagnostic.hint.is_none() && self.lower.follows_line_comment(self.text[..at].trim_end()) {
            diagnostic.hint = Some("a \"}\" closes its block even in a \"--\" comment".to_owned());
        }
        self.lower.diagnostics.push(diagnostic);
    }

    /// After an error at an offset, goes to the next beginning of a line that looks like a clause, misspelt or not.
    fn resume(&mut self, failed: usize) {
        let looks_like_clause = |at: usize| {
            let word = clause::word_at(self.text, at);
            clause::find(word).is_some()
                || (!failure::is_inner_word(word) && clause::closest(word, self.place).is_some())
        };
        let mut at = failed;
        while at < self.text.len() && !(clause::is_first_on_line(self.text, at) && looks_like_clause(at)) {
            at = clause::next_line(self.text, at);
        }
        self.at = at;
    }
}

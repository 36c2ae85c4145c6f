//! `allow`: contexts that may grow, and violations that are known.

use super::{Lower, likes, text_of};
use crate::language::ast::{Allowance, Spanned};
use crate::language::day::{BadDay, Day};
use crate::language::diagnostic::Diagnostic;
use crate::language::parse::grammar::{Node, Rule};

/// What makes a clause one about violations.
const WHY: &str = "say why they are allowed: because 'cache, see #12'";

impl Lower<'_> {
    /// Reads a clause. `growing` is what holds the contexts that may grow, where there is such a thing.
    pub(super) fn allow(
        &mut self,
        node: &Node,
        growing: Option<&mut Vec<Spanned<String>>>,
        known: &mut Vec<Allowance>,
    ) {
        let patterns = likes(node);
        let check = match node.get(Rule::check) {
            // What is wrong with it was said.
            Some(_) => match self.check(node) {
                Some(check) => Some(check),
                None => return,
            },
            None => None,
        };
        let mut allowance = Allowance {
            check,
            likes: patterns,
            contexts: Vec::new(),
            from: None,
            at: None,
            because: Spanned { value: String::new(), span: node.span() },
            until: None,
            when: None,
            span: node.span(),
        };
        for property in node.children() {
            match property.rule() {
                Rule::contexts if allowance.contexts.is_empty() => allowance.contexts = likes(&property),
                Rule::contexts => self.given_twice(&property),
                Rule::source => self.once(&property, &mut allowance.from, Self::string),
                Rule::site => self.once(&property, &mut allowance.at, |_, node| Some(text_of(&node.get(Rule::like)?))),
                _ => {}
            }
        }
        let says_nothing = allowance.check.is_none()
            && allowance.likes.is_empty()
            && allowance.contexts.is_empty()
            && allowance.from.is_none()
            && allowance.at.is_none();
        let word = node.span().start..node.span().start + "allow".len();
        if says_nothing {
            let hint =
                "name contexts, functions or a check, as in: allow ctx_bloat 'MyCache%' because 'cache, see #12'";
            self.complain(Diagnostic::new(word, "\"allow\" does not say what is allowed"), hint);
            return;
        }
        match (node.get(Rule::known), growing) {
            (Some(why), _) => {
                if self.why(&mut allowance, &why) {
                    known.push(allowance);
                }
            }
            (None, Some(growing)) if allowance.check.is_none() && is_plain(&allowance) => {
                growing.extend(allowance.likes)
            }
            (None, Some(_)) => self.complain(Diagnostic::new(word, "this \"allow\" needs a reason"), WHY),
            (None, None) => {
                self.complain(Diagnostic::new(word, "\"allow\" in the header needs a reason"), WHY);
            }
        }
    }

    /// Reads the reason and the date; false where they are not as they should be.
    fn why(&mut self, allowance: &mut Allowance, node: &Node) -> bool {
        let mut because = None;
        let mut is_good = true;
        for part in node.children() {
            match part.rule() {
                Rule::because => self.once(&part, &mut because, |_, node| Some(text_of(&node.get(Rule::reason)?))),
                Rule::until => {
                    let before = self.diagnostics.len();
                    self.once(&part, &mut allowance.until, Self::day);
                    is_good &= self.diagnostics.len() == before;
                }
                _ => {}
            }
        }
        allowance.when = self.if_condition(node);
        match because {
            Some(reason) if reason.value.trim().is_empty() => {
                self.complain(Diagnostic::new(reason.span, "the reason is empty"), WHY);
                false
            }
            Some(reason) => {
                allowance.because = reason;
                is_good
            }
            None => {
                let span = node.get(Rule::until).map_or(node.span(), |until| until.span());
                self.complain(Diagnostic::new(span, "an \"allow\" with a date needs a reason"), WHY);
                false
            }
        }
    }

    fn day(&mut self, node: &Node) -> Option<Spanned<Day>> {
        let date = node.get(Rule::date)?;
        match date.text().parse() {
            Ok(value) => Some(Spanned { value, span: date.span() }),
            Err(error) => {
                let error: BadDay = error;
                self.complain(Diagnostic::new(date.span(), error.to_string()), BadDay::HINT);
                None
            }
        }
    }

    fn complain(&mut self, diagnostic: Diagnostic, hint: &str) {
        self.diagnostics.push(diagnostic.with_hint(hint.to_owned()));
    }
}

/// Whether nothing but patterns of contexts is given.
fn is_plain(allowance: &Allowance) -> bool {
    allowance.contexts.is_empty() && allowance.from.is_none() && allowance.at.is_none()
}

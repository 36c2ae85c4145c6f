//! Expectations.

use memcheck_core::scenario::Clause;
use memcheck_core::{CheckKind, Phase, Severity, Shape};

use super::condition::comparison;
use super::{Lower, Within, likes, text_of};
use crate::language::ast::{Comparison, Expect, Expectation, ExpectedViolation, Range, Rate, Spanned};
use crate::language::diagnostic::Diagnostic;
use crate::language::number::{self, NumberError};
use crate::language::parse::grammar::{Node, Rule};

/// How far from the number `about N` goes where it does not say.
const ABOUT_PERCENT: u64 = 10;

impl Lower<'_> {
    pub(super) fn expect(&mut self, node: &Node) -> Option<Expect> {
        let what = node.children().next()?;
        let when = self.if_condition(node);
        let what = match what.rule() {
            Rule::nothing => Expectation::Nothing,
            Rule::absence => {
                let contexts = what.get(Rule::contexts).map(|contexts| likes(&contexts)).unwrap_or_default();
                Expectation::No { check: self.check(&what)?, contexts }
            }
            Rule::sql_error => Expectation::Error(self.sqlstate(&what)?),
            _ => Expectation::Violation(Box::new(self.violation(&what)?)),
        };
        Some(Expect { what, when, span: node.span() })
    }

    pub(super) fn check(&mut self, node: &Node) -> Option<Spanned<CheckKind>> {
        let checks: Vec<_> = CheckKind::ALL.iter().map(|&check| (check.as_str(), check)).collect();
        self.choice(&node.get(Rule::check)?, "check", &checks)
    }

    fn sqlstate(&mut self, node: &Node) -> Option<Spanned<String>> {
        let state = text_of(&node.get(Rule::sqlstate)?);
        let is_valid = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
        if state.value.len() != 5 || !state.value.chars().all(is_valid) {
            let error = Diagnostic::new(state.span, format!("invalid SQLSTATE \"{}\"", state.value));
            let hint = "an SQLSTATE is five digits or upper-case letters, as in '22012'".to_owned();
            self.diagnostics.push(error.with_hint(hint));
            return None;
        }
        Some(state)
    }

    fn violation(&mut self, node: &Node) -> Option<ExpectedViolation> {
        let check = self.check(node);
        let severity = self.severity(node);
        let mut violation = ExpectedViolation {
            // A check that is not known has been reported; the rest is read for its own errors.
            check: check.clone().unwrap_or(Spanned { value: CheckKind::Crash, span: node.span() }),
            severity,
            contexts: Vec::new(),
            by: None,
            bytes: None,
            shape: None,
            count: None,
            from: None,
            at: None,
            on: None,
            detail: None,
        };
        for property in node.children() {
            self.property(&mut violation, &property);
        }
        check.map(|_| violation)
    }

    fn property(&mut self, violation: &mut ExpectedViolation, node: &Node) {
        match node.rule() {
            Rule::contexts if violation.contexts.is_empty() => violation.contexts = likes(node),
            Rule::contexts => self.given_twice(node),
            Rule::owner => {
                if !matches!(self.within, Within::Permutation) {
                    self.error(node.span(), "\"by\" belongs in the \"expect\" of a permutation");
                }
                self.once(node, &mut violation.by, |_, node| Some(text_of(&node.get(Rule::name)?)));
            }
            Rule::bytes => self.once(node, &mut violation.bytes, |lower, node| {
                let rate = lower.rate(node);
                Some((lower.range(&node.get(Rule::range)?, number::bytes)?, rate))
            }),
            Rule::shape => self.once(node, &mut violation.shape, |lower, node| {
                let shapes: Vec<_> = Shape::ALL.iter().map(|&shape| (shape.as_str(), shape)).collect();
                lower.choice(&node.get(Rule::shape_name)?, "shape", &shapes)
            }),
            Rule::count => {
                self.once(node, &mut violation.count, |lower, node| lower.range(&node.get(Rule::range)?, number::count))
            }
            Rule::source => self.once(node, &mut violation.from, Self::string),
            Rule::site => self.once(node, &mut violation.at, |_, node| Some(text_of(&node.get(Rule::like)?))),
            Rule::phase => {
                self.check_kind(node, "on", Clause::Abort);
                self.once(node, &mut violation.on, |lower, node| {
                    let phases: Vec<_> = Phase::ALL.iter().map(|&phase| (phase.as_str(), phase)).collect();
                    lower.choice(&node.get(Rule::phase_name)?, "way of aborting", &phases)
                });
            }
            Rule::detail => {
                self.once(node, &mut violation.detail, |_, node| Some(text_of(&node.get(Rule::like)?)));
            }
            // The check and the severity.
            _ => {}
        }
    }

    fn severity(&mut self, node: &Node) -> Option<(Comparison, Spanned<Severity>)> {
        let severities = [("info", Severity::Info), ("warning", Severity::Warning), ("error", Severity::Error)];
        let word = node.get(Rule::severity).or_else(|| node.get(Rule::severity_name))?;
        let severity = self.choice(&word, "severity", &severities)?;
        let op = comparison(node).unwrap_or(Comparison::Eq);
        if matches!(op, Comparison::Ne | Comparison::Lt | Comparison::Gt) {
            let operator = node.get(Rule::operator)?;
            let message = format!("\"{}\" does not compare severities", operator.text());
            let hint = "use \">=\", \"<=\" or \"=\"".to_owned();
            self.diagnostics.push(Diagnostic::new(operator.span(), message).with_hint(hint));
        }
        Some((op, severity))
    }

    fn rate(&mut self, node: &Node) -> Rate {
        match (node.get(Rule::ITERATION), node.get(Rule::ROW)) {
            (Some(_), _) => Rate::PerIteration,
            (_, Some(row)) => {
                self.check_kind(&row, "per row", Clause::Rows);
                Rate::PerRow
            }
            _ => Rate::Total,
        }
    }

    fn range(&mut self, node: &Node, read: fn(&str) -> Result<u64, NumberError>) -> Option<Spanned<Range>> {
        let form = node.children().next()?;
        // One number is a node of its own, two or one with an operator are in another.
        let mut numbers = node.all(Rule::number).chain(form.all(Rule::number));
        let first = self.number(&numbers.next()?, read)?.value as f64;
        let mut range = Range { min: Some(first), max: Some(first), min_excluded: false, max_excluded: false };
        match form.rule() {
            Rule::about => {
                let margin = first * self.percentage(&form)? as f64 / 100.0;
                range.min = Some(first - margin);
                range.max = Some(first + margin);
            }
            Rule::between => {
                let last = self.number(&numbers.next()?, read)?.value as f64;
                if last < first {
                    self.error(node.span(), "the range is empty: its first number is the greater one");
                }
                range.max = Some(last);
            }
            Rule::bound => match comparison(&form)? {
                Comparison::Eq => {}
                Comparison::Ge => range.max = None,
                Comparison::Gt => range = Range { max: None, min_excluded: true, ..range },
                Comparison::Le => range.min = None,
                Comparison::Lt => range = Range { min: None, max_excluded: true, ..range },
                Comparison::Ne => {
                    let operator = form.get(Rule::operator)?;
                    self.error(operator.span(), format!("\"{}\" does not make a range", operator.text()));
                }
            },
            _ => {}
        }
        Some(Spanned { value: range, span: node.span() })
    }

    fn percentage(&mut self, node: &Node) -> Option<u64> {
        match node.get(Rule::percentage) {
            Some(percentage) => {
                self.number(&percentage, |text| number::count(text.trim_end_matches('%'))).map(|number| number.value)
            }
            None => Some(ABOUT_PERCENT),
        }
    }
}

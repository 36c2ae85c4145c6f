//! Conditions.

use memcheck_core::ScenarioKind;

use super::{Lower, text_of};
use crate::language::ast::{Comparison, Condition, Spanned, Test};
use crate::language::parse::grammar::{Node, Rule};

impl Lower<'_> {
    /// All conditions of a clause.
    pub(super) fn conditions(&mut self, node: &Node) -> Vec<Condition> {
        node.all(Rule::condition).filter_map(|condition| self.condition(&condition)).collect()
    }

    /// The condition that a clause depends on.
    pub(super) fn if_condition(&mut self, node: &Node) -> Option<Condition> {
        self.condition(&node.get(Rule::if_condition)?.get(Rule::condition)?)
    }

    fn condition(&mut self, node: &Node) -> Option<Condition> {
        let test = node.children().find(|child| child.rule() != Rule::NOT)?;
        let name = || test.get(Rule::name).map(|name| text_of(&name));
        let test = match test.rule() {
            Rule::feature => Test::Feature(name()?),
            Rule::needs_extension => Test::Extension(name()?),
            Rule::needs_scenario => Test::Scenario(self.kind(&test)?),
            _ => Test::Compare {
                subject: text_of(&test.get(Rule::subject)?),
                op: comparison(&test)?,
                value: text_of(&test.get(Rule::value)?),
            },
        };
        Some(Condition { negated: node.get(Rule::NOT).is_some(), test, span: node.span() })
    }

    /// The scenario kind that a node names.
    pub(super) fn kind(&mut self, node: &Node) -> Option<Spanned<ScenarioKind>> {
        let kinds: Vec<_> = ScenarioKind::ALL.iter().map(|&kind| (kind.as_str(), kind)).collect();
        self.choice(&node.get(Rule::kind)?, "scenario kind", &kinds)
    }
}

/// The comparison in a node.
pub(super) fn comparison(node: &Node) -> Option<Comparison> {
    Some(match node.get(Rule::operator)?.text() {
        "=" => Comparison::Eq,
        "<" => Comparison::Lt,
        "<=" => Comparison::Le,
        ">" => Comparison::Gt,
        ">=" => Comparison::Ge,
        _ => Comparison::Ne,
    })
}

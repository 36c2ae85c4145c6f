//! Sessions and permutations.

use super::{Lower, Within, likes, text_of};
use crate::language::ast::{Marker, Permutation, PermutedStep, Session, Step};
use crate::language::parse::grammar::{Node, Rule};

impl Lower<'_> {
    pub(super) fn session(&mut self, node: &Node) -> Session {
        Session::new(text_of(&node.get(Rule::name).expect("a session has a name")))
    }

    pub(super) fn session_clause(&mut self, session: &mut Session, node: &Node) {
        match node.rule() {
            Rule::watch => session.watch.extend(likes(node)),
            Rule::allow => self.allow(node, Some(&mut session.allow), &mut session.allowances),
            Rule::set => session.settings.extend(self.setting(node)),
            Rule::copies => self.once(node, &mut session.copies, Self::positive),
            Rule::setup => session.setup.extend(self.block(node)),
            Rule::step => session.steps.extend(self.step(node)),
            Rule::teardown => session.teardown.extend(self.block(node)),
            rule => unreachable!("{rule:?} does not belong in a session"),
        }
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        Some(Step { name: text_of(&node.get(Rule::name)?), sql: self.block(node)? })
    }

    pub(super) fn permutation(&mut self, node: &Node) -> Permutation {
        self.within = Within::Permutation;
        let steps = node.all(Rule::launch).filter_map(|launch| self.launch(&launch)).collect();
        Permutation::new(steps, node.span())
    }

    pub(super) fn permutation_clause(&mut self, permutation: &mut Permutation, node: &Node) {
        match node.rule() {
            Rule::repeat => self.once(node, &mut permutation.repeat, Self::positive),
            Rule::timeout => self.once(node, &mut permutation.timeout, Self::duration),
            Rule::expect => permutation.expects.extend(self.expect(node)),
            rule => unreachable!("{rule:?} does not belong in a permutation"),
        }
    }

    fn launch(&mut self, node: &Node) -> Option<PermutedStep> {
        let name = text_of(&node.get(Rule::step_name)?);
        let markers = node.all(Rule::marker).filter_map(|marker| self.marker(&marker)).collect();
        Some(PermutedStep { name, markers })
    }

    fn marker(&mut self, node: &Node) -> Option<Marker> {
        let marker = node.children().next()?;
        match marker.rule() {
            Rule::star => Some(Marker::Waiting),
            Rule::notices => {
                let count = self.count(&marker)?;
                Some(Marker::Notices(text_of(&marker.get(Rule::step_name)?), count.value))
            }
            _ => Some(Marker::After(text_of(&marker))),
        }
    }
}

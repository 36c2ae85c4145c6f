//! Scenarios.

use memcheck_core::scenario::Clause;
use memcheck_core::{Phase, ScenarioKind};

use super::{Lower, Within, likes, text_of, word_of};
use crate::language::ast::{
    Abort, Growth, Guard, Iterate, Mode, Protocol, Scenario, Spanned, Trace, Workload, WorkloadSource,
};
use crate::language::number;
use crate::language::parse::grammar::{Node, Rule};
use crate::language::suggest;

const GROWTHS: &[(&str, Growth)] = &[("constant", Growth::Constant), ("linear", Growth::Linear)];

const ABORTS: &[(&str, Abort)] = &[
    ("rollback", Abort::One(Phase::Rollback)),
    ("savepoint", Abort::One(Phase::Savepoint)),
    ("error", Abort::One(Phase::Error)),
    ("all", Abort::All),
];

const ITERATES: &[(&str, Iterate)] =
    &[("statement", Iterate::Statement), ("transaction", Iterate::Transaction), ("server", Iterate::Server)];

const PROTOCOLS: &[(&str, Protocol)] =
    &[("simple", Protocol::Simple), ("extended", Protocol::Extended), ("prepared", Protocol::Prepared)];

const MODES: &[(&str, Mode)] = &[("executor", Mode::Executor), ("all", Mode::All), ("none", Mode::None)];

const TRACES: &[(&str, Trace)] = &[("on", Trace::On), ("off", Trace::Off), ("stacks", Trace::Stacks)];

const GUARDS: &[(&str, Guard)] =
    &[("off", Guard::Off), ("redzone", Guard::Redzone), ("pages", Guard::Pages), ("pages_before", Guard::PagesBefore)];

/// A clause that has a meaning in some kinds of scenario only, and is reported where it has none. What a scenario lacks for
/// the others - several workloads, a worker to watch - takes the whole scenario to tell.
const fn clause_of_some(rule: Rule) -> Option<Clause> {
    match rule {
        Rule::rows => Some(Clause::Rows),
        Rule::growth => Some(Clause::Growth),
        Rule::abort => Some(Clause::Abort),
        Rule::reset => Some(Clause::ResetEvery),
        Rule::workers => Some(Clause::Workers),
        Rule::limit => Some(Clause::Limit),
        Rule::probe => Some(Clause::Probe),
        _ => None,
    }
}

impl Lower<'_> {
    pub(super) fn scenario(&mut self, node: &Node) -> Scenario {
        let kind = self.kind(node);
        self.within = kind.as_ref().map_or(Within::UnknownScenario, |kind| Within::Scenario(kind.value));
        // A kind that is not known has been reported; the scenario's clauses are read nevertheless.
        let kind = kind.unwrap_or(Spanned { value: ScenarioKind::Window, span: node.span() });
        let name = node.get(Rule::name).map(|name| text_of(&name));
        Scenario::new(kind, name, node.span())
    }

    pub(super) fn scenario_clause(&mut self, scenario: &mut Scenario, node: &Node) {
        if let Some(clause) = clause_of_some(node.rule()) {
            self.check_kind(node, word_of(node), clause);
        }
        match node.rule() {
            Rule::setup => scenario.setup.extend(self.block(node)),
            Rule::teardown => scenario.teardown.extend(self.block(node)),
            Rule::iterations => self.once(node, &mut scenario.iterations, Self::positive),
            Rule::warmup => self.once(node, &mut scenario.warmup, Self::count),
            Rule::workers => self.once(node, &mut scenario.workers, Self::positive),
            Rule::limit => self.once(node, &mut scenario.limit, Self::size),
            Rule::timeout => self.once(node, &mut scenario.timeout, Self::duration),
            Rule::when => scenario.when.extend(self.conditions(node)),
            Rule::reset => self.once(node, &mut scenario.reset_every, Self::positive),
            Rule::rows if scenario.rows.is_empty() => scenario.rows = self.rows(node),
            Rule::rows => self.given_twice(node),
            Rule::growth => self.once(node, &mut scenario.growth, |lower, node| {
                lower.choice(&node.get(Rule::growth_rate)?, "rate of growth", GROWTHS)
            }),
            Rule::abort => self.once(node, &mut scenario.abort, |lower, node| {
                lower.choice(&node.get(Rule::abort_way)?, "way of aborting", ABORTS)
            }),
            Rule::iterate => self.once(node, &mut scenario.iterate, |lower, node| {
                lower.choice(&node.get(Rule::iterate_way)?, "way of iterating", ITERATES)
            }),
            Rule::protocol => self.once(node, &mut scenario.protocol, |lower, node| {
                lower.choice(&node.get(Rule::protocol_name)?, "protocol", PROTOCOLS)
            }),
            Rule::worker => self.once(node, &mut scenario.worker, |lower, node| {
                let time = lower.duration(node)?;
                Some((text_of(&node.get(Rule::like)?), time.value))
            }),
            Rule::mode => self
                .once(node, &mut scenario.mode, |lower, node| lower.choice(&node.get(Rule::mode_name)?, "mode", MODES)),
            Rule::trace => self.once(node, &mut scenario.trace, Self::trace),
            Rule::guard => self.once(node, &mut scenario.guard, Self::guard),
            Rule::guard_sample => self.once(node, &mut scenario.guard_sample, Self::positive),
            Rule::watch => scenario.watch.extend(likes(node)),
            Rule::allow => self.allow(node, Some(&mut scenario.allow), &mut scenario.allowances),
            Rule::probe => scenario.probes.extend(self.probe(node)),
            Rule::set => scenario.settings.extend(self.setting(node)),
            Rule::workload => scenario.workloads.extend(self.workload(node)),
            Rule::expect => scenario.expects.extend(self.expect(node)),
            rule => unreachable!("{rule:?} does not belong in a scenario"),
        }
    }

    /// Reports what has no meaning in the kind of scenario being read: what belongs to a clause that it does not take.
    pub(super) fn check_kind(&mut self, node: &Node, what: &str, clause: Clause) {
        let here = match self.within {
            Within::Scenario(kind) if !kind.takes(clause) => kind.as_str(),
            Within::Permutation => "a permutation",
            Within::Scenario(_) | Within::UnknownScenario | Within::Nothing => return,
        };
        let kinds: Vec<_> = ScenarioKind::with(clause).map(|kind| kind.to_string()).collect();
        self.error(node.span(), format!("\"{what}\" applies to {}, not to {here}", suggest::join(&kinds)));
    }

    pub(super) fn trace(&mut self, node: &Node) -> Option<Spanned<Trace>> {
        self.choice(&node.get(Rule::trace_level)?, "trace level", TRACES)
    }

    pub(super) fn guard(&mut self, node: &Node) -> Option<Spanned<Guard>> {
        self.choice(&node.get(Rule::guard_level)?, "guard level", GUARDS)
    }

    fn rows(&mut self, node: &Node) -> Vec<Spanned<u64>> {
        let rows: Vec<_> = node.all(Rule::number).filter_map(|number| self.number(&number, number::count)).collect();
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].value >= pair[1].value) {
            self.error(pair[1].span.clone(), "the numbers of rows must increase");
        } else if rows.len() < 2 {
            self.error(node.span(), "at least two numbers of rows are needed");
        } else if rows[0].value == 0 {
            self.error(rows[0].span.clone(), "\"rows\" must be at least 1");
        }
        rows
    }

    fn probe(&mut self, node: &Node) -> Option<(Spanned<String>, u64)> {
        let size = self.number(&node.get(Rule::number)?, number::bytes)?;
        Some((self.string(node)?, size.value))
    }

    fn workload(&mut self, node: &Node) -> Option<Workload> {
        let source = match node.get(Rule::sql_file) {
            Some(file) => WorkloadSource::File(self.string(&file)?),
            None => WorkloadSource::Inline(self.block(node)?),
        };
        Some(Workload { name: node.get(Rule::name).map(|name| text_of(&name)), source })
    }
}

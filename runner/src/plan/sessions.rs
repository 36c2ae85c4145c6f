//! Sessions and permutations with nothing left to default: every step known by its position, every interleaving spelt out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Allowance, Guarding, Place, Setting};
use crate::language::ast::{self, Expect, Trace};

/// How many interleavings are run without being asked for by name.
pub const MANY: u128 = 500;

/// How many are run at most: each is spelt out before the first one runs.
pub(super) const MOST: u128 = 100_000;

/// How many sessions there are at most, copies counted.
pub(super) const MOST_SESSIONS: u64 = 1000;

/// The sessions of a spec and what they do.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    /// Run on the control connection before each permutation.
    pub setup: Vec<Batch>,
    /// Run on the control connection after each permutation.
    pub teardown: Vec<Batch>,
    /// Whether and how the targets' allocations are traced.
    pub trace: Trace,
    /// How they are guarded.
    pub guarding: Guarding,
    /// In the order of the spec, each copy for itself.
    pub sessions: Vec<Session>,
    /// Every step of every session.
    pub steps: Vec<Step>,
    /// What to run, in order.
    pub permutations: Vec<Permutation>,
    /// Names of the steps that no permutation launches, where the spec names its permutations; bytewise.
    pub unused: Vec<String>,
}

/// `session NAME ...`
#[derive(Debug, Clone)]
pub struct Session {
    /// The name, which copies share.
    pub name: String,
    /// LIKE patterns of the contexts to report; empty means all.
    pub watch: Vec<String>,
    /// LIKE patterns of contexts that may grow.
    pub allow: Vec<String>,
    /// What is known and allowed in it.
    pub allowances: Vec<Arc<Allowance>>,
    /// Parameters, after the case's.
    pub settings: Vec<Setting>,
    /// Each sent as one Query message.
    pub setup: Vec<Batch>,
    /// Each sent as one Query message.
    pub teardown: Vec<Batch>,
}

/// The text of a block, sent as one Query message: all of it is one transaction unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The text without the blanks around it.
    pub sql: String,
    /// Where it is.
    pub place: Place,
}

/// `step NAME { SQL }`
#[derive(Debug, Clone)]
pub struct Step {
    /// The name; with the number of the copy where its session has copies: `push[2]`.
    pub name: String,
    /// Position of its session.
    pub session: usize,
    /// What is sent.
    pub batch: Batch,
}

/// Steps in the order in which they are launched.
#[derive(Debug, Clone)]
pub struct Permutation {
    /// The clause as goldens write it.
    pub title: String,
    /// The launches, in order.
    pub launches: Vec<Launch>,
    /// How often it is run.
    pub repeat: u32,
    /// Time for a step until it is cancelled, and again until its session is killed; none means the default.
    pub timeout: Option<Duration>,
    /// The `expect` clauses that apply here.
    pub expects: Vec<Expect>,
}

/// A step that is launched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Position of the step.
    pub step: usize,
    /// What it waits for.
    pub markers: Vec<Marker>,
    /// Sent together with the launch before it: another copy of the same step.
    pub joins: bool,
}

/// What a step waits for besides its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// `*`: reported as waiting at once.
    Waiting,
    /// Not reported complete while that step is under way.
    After(usize),
    /// Not reported complete before the session of that step got so many notices from now on.
    Notices(usize, u32),
}

/// The number of interleavings of sessions with so many steps each; `u128::MAX` for more than can be counted.
pub(super) fn interleavings(steps: &[usize]) -> u128 {
    let (mut total, mut count) = (0u128, 1u128);
    for &steps in steps {
        for k in 1..=steps as u128 {
            total += 1;
            // Exact, since the product of k successive numbers is divisible by k!.
            count = match count.checked_mul(total) {
                Some(product) => product / k,
                None => return u128::MAX,
            };
        }
    }
    count
}

/// Every interleaving, as positions of sessions, that of the first session earliest (isolationtester.c,
/// run_all_permutations_recurse).
pub(super) fn interleave(steps: &[usize]) -> Vec<Vec<usize>> {
    let first = steps.iter().enumerate().flat_map(|(session, &steps)| std::iter::repeat_n(session, steps));
    let mut order: Vec<usize> = first.collect();
    let mut found = vec![order.clone()];
    // The next order in which sessions can be written down: the last place where a later session can come earlier.
    while let Some(place) = order.windows(2).rposition(|pair| pair[0] < pair[1]) {
        let later = order.iter().rposition(|&session| session > order[place]).unwrap_or(place);
        order.swap(place, later);
        order[place + 1..].reverse();
        found.push(order.clone());
    }
    found
}

/// `permutation s1a s2b(*, s1a notices 2)`
pub(super) fn title(steps: &[ast::PermutedStep]) -> String {
    let marker = |marker: &ast::Marker| match marker {
        ast::Marker::Waiting => "*".to_owned(),
        ast::Marker::After(step) => step.value.clone(),
        ast::Marker::Notices(step, n) => format!("{} notices {n}", step.value),
    };
    let step = |step: &ast::PermutedStep| match step.markers.as_slice() {
        [] => step.name.value.clone(),
        markers => {
            format!("{}({})", step.name.value, markers.iter().map(marker).collect::<Vec<_>>().join(", "))
        }
    };
    one_line(&format!("permutation {}", steps.iter().map(step).collect::<Vec<_>>().join(" ")))
}

/// Quoted names may hold anything; a title is one line.
pub(super) fn one_line(text: &str) -> String {
    memcheck_core::line::escaped(text, &[])
}

/// Every interleaving of the steps of a spec; their number where there are more than `most`.
pub(super) fn interleaved(spec: &ast::Spec, most: u128) -> Result<Vec<Vec<ast::PermutedStep>>, u128> {
    let lengths: Vec<usize> = spec.sessions.iter().map(|session| session.steps.len()).collect();
    let count = interleavings(&lengths);
    if count > most {
        return Err(count);
    }
    let steps = |order: Vec<usize>| {
        let mut next = vec![0; lengths.len()];
        let steps = order.into_iter().map(|session| {
            let step = &spec.sessions[session].steps[next[session]];
            next[session] += 1;
            ast::PermutedStep { name: step.name.clone(), markers: Vec::new() }
        });
        steps.collect()
    };
    Ok(interleave(&lengths).into_iter().map(steps).collect())
}

/// `scenario KIND [NAME]`, as goldens write it.
pub(super) fn scenario_title(scenario: &ast::Scenario) -> String {
    let kind = scenario.kind.value;
    match &scenario.name {
        Some(name) => one_line(&format!("scenario {kind} {}", name.value)),
        None => format!("scenario {kind}"),
    }
}

/// Tells equal titles apart.
pub(super) fn number_titles(permutations: &mut [Permutation]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for permutation in permutations {
        let times = seen.entry(permutation.title.clone()).or_default();
        *times += 1;
        if *times > 1 {
            permutation.title = format!("{} #{times}", permutation.title);
        }
    }
}

/// Blanks that isolationtester takes off both ends of a block (specscanner.l): a newline is none.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\u{c}', '\u{b}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleavings_are_counted_and_listed_in_order() {
        for (steps, count) in [(&[][..], 1), (&[3], 1), (&[1, 1], 2), (&[2, 2], 6), (&[2, 1, 1], 12), (&[0, 2], 1)] {
            assert_eq!(interleavings(steps), count, "{steps:?}");
            assert_eq!(interleave(steps).len() as u128, count, "{steps:?}");
        }
        assert_eq!(interleave(&[2, 1]), [[0, 0, 1], [0, 1, 0], [1, 0, 0]]);
    }

    #[test]
    fn a_newline_is_no_blank() {
        assert_eq!(trim(" \t SELECT 1; \n "), "SELECT 1; \n");
    }
}

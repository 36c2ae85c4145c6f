//! What an outcome has to say that is no fault.

use std::collections::BTreeSet;

use memcheck_core::{CheckKind, Finding};

use crate::exec::outcome::{Outcome, REFUSED, Window};
use crate::language::ast::Trace;
use crate::plan::Case;

/// Why allocations were not traced that should have been, as the engine says it; none where they were.
pub(super) fn untraced(case: &Case, outcome: &Outcome) -> Option<String> {
    let traced = outcome.scenarios.iter().filter(|found| case.scenarios[found.scenario].trace != Trace::Off);
    let untraced = |window: &Window| window.statistics.get("traced") == Some(&0);
    let said = traced.clone().filter(|found| found.windows.iter().any(untraced));
    let said = said.flat_map(|found| &found.messages).find_map(|message| message.text.strip_prefix(REFUSED));
    let are_sessions_traced = !outcome.permutations.is_empty() && case.sessions.trace != Trace::Off;
    let of_server = outcome.server.as_ref().and_then(|server| server.untraced.as_deref());
    of_server.filter(|_| are_sessions_traced || traced.clone().next().is_some()).or(said).map(str::to_owned)
}

/// A clause for each kind of it.
pub(super) fn notes(case: &Case, outcome: &Outcome) -> Vec<String> {
    let windows = || outcome.scenarios.iter().flat_map(|scenario| &scenario.windows);
    let confirmations = || windows().filter_map(|window| window.confirmation.as_ref());
    let taken_back: usize = confirmations().map(|confirmation| confirmation.taken_back.len()).sum();
    let unconfirmed = windows().filter_map(|window| {
        let reason = window.confirmation.as_ref()?.unconfirmed.as_ref()?;
        let is_open = |finding: &&Finding| finding.is_thin() || finding.check == CheckKind::QueryBloat;
        match window.findings.iter().filter(is_open).count() {
            0 => Some(reason.clone()),
            number => Some(format!("{} not confirmed: {reason}", counted(number))),
        }
    });
    let taken_back = (taken_back > 0).then(|| format!("{} taken back", counted(taken_back)));
    let mapped = outcome.largest_figure("mapped_bytes");
    let arenas = (mapped > 0).then(|| format!("{} kB in arenas of the targets' own are not seen into", mapped / 1024));
    let [failed, not_failed] = ["failed", "not_failed"].map(|name| outcome.figure(name));
    let swept =
        (failed + not_failed > 0).then(|| format!("{failed} of {} allocations were made to fail", failed + not_failed));
    let [cancelled, not_cancelled] = ["cancelled", "not_cancelled"].map(|name| outcome.figure(name));
    let swept = swept.or((cancelled + not_cancelled > 0)
        .then(|| format!("calls were cancelled at {cancelled} of {} points", cancelled + not_cancelled)));
    let left = outcome.scenarios.iter().flat_map(|scenario| &scenario.left).collect::<BTreeSet<_>>();
    let left = left.into_iter().map(|&what| what.to_owned());
    let changed = outcome.changed.clone();
    let selected = case.scenarios.len() + case.sessions.permutations.len();
    let part = case.is_part().then(|| format!("only {selected} of {} selected", selected + case.not_selected.len()));
    part.into_iter()
        .chain(taken_back)
        .chain(unconfirmed)
        .chain(arenas)
        .chain(swept)
        .chain(left)
        .chain(changed)
        .collect()
}

/// `2 violations`
pub(super) fn counted(number: usize) -> String {
    format!("{number} {}", if number == 1 { "violation" } else { "violations" })
}

//! What an outcome has to say that is no fault.

use memcheck_core::{CheckKind, Finding};

use crate::exec::outcome::Outcome;

/// A clause for each kind of it.
pub(super) fn notes(outcome: &Outcome) -> Vec<String> {
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
    taken_back.into_iter().chain(unconfirmed).chain(arenas).collect()
}

fn counted(number: usize) -> String {
    format!("{number} {}", if number == 1 { "violation" } else { "violations" })
}
